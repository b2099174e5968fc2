#include "wire/kubernetes_access.h"

#include "base/mem.h"
#include "wire/json.h"
#include "wire/url.h"
#include "wire/yaml.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_CEILING = 4 << 20, FILES_MOST = 16, PEM_CEILING = 1 << 20, PATH_MOST = 4096 };

/* One file of the list. */
typedef struct kubeconfig {
    json_t *root;
    char path[PATH_MOST];
} kubeconfig;

/* All files; the first value of a name wins. */
typedef struct kubeconfigs {
    kubeconfig file[FILES_MOST];
    size_t count;
} kubeconfigs;

/* An entry of clusters, users or contexts: what stands under its name, and in which file. */
typedef struct entry {
    const json_t *value;
    const kubeconfig *file;
} entry;

/* ---- finding ---- */

static entry find(const kubeconfigs *all, const char *list, const char *kind, const char *name)
{
    for (size_t f = 0; f < all->count; f++) {
        const json_t *items = ns_json_at(all->file[f].root, list);
        for (size_t i = 0; i < json_array_size(items); i++) {
            const json_t *item = json_array_get(items, i);
            if (strcmp(ns_json_string(item, "name", ""), name) == 0)
                return (entry){ns_json_at(item, kind), &all->file[f]};
        }
    }
    return (entry){NULL, NULL};
}

static const char *current_context(const kubeconfigs *all)
{
    for (size_t f = 0; f < all->count; f++) {
        const char *name = ns_json_string(all->file[f].root, "current-context", "");
        if (name[0] != '\0')
            return name;
    }
    return "";
}

/* ---- taking ---- */

static ns_status no_memory(ns_error *err)
{
    return ns_fail(err, NS_NO_MEMORY, "no memory for the cluster's configuration");
}

static ns_status wrong(const entry *e, const char *what, ns_error *err)
{
    return ns_fail(err, NS_BAD_USAGE, "kubeconfig %.300s: %s", e->file->path, what);
}

static ns_status take_text(const entry *e, const char *key, char **out, ns_error *err)
{
    const char *text = ns_json_string(e->value, key, "");
    if (text[0] == '\0')
        return NS_OK;
    *out = ns_strdup(text);
    return *out == NULL ? no_memory(err) : NS_OK;
}

/* The folder of a file, with its '/'; "" for one without. */
static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path) + 1;
}

static ns_status take_path(const entry *e, const char *key, char **out, ns_error *err)
{
    const char *text = ns_json_string(e->value, key, "");
    char path[2 * PATH_MOST];
    if (text[0] == '\0')
        return NS_OK;
    int folder = text[0] == '/' ? 0 : (int)folder_length(e->file->path);
    int n = snprintf(path, sizeof path, "%.*s%s", folder, e->file->path, text);
    if (n < 0 || (size_t)n >= PATH_MOST)
        return wrong(e, "the name of a file in it is too long", err);
    *out = ns_strdup(path);
    return *out == NULL ? no_memory(err) : NS_OK;
}

/* KEY-data: base64 of PEM. */
static ns_status take_pem(const entry *e, const char *key, ns_buf *out, ns_error *err)
{
    ns_text text;
    char what[96];
    size_t len = 0;
    if (!ns_json_text(e->value, key, &text) || text.len == 0)
        return NS_OK;
    unsigned char *pem = text.len > PEM_CEILING ? NULL : ns_alloc(text.len, 1);
    if (pem == NULL)
        return no_memory(err);
    bool good =
        sodium_base642bin(pem, text.len, text.at, text.len, " \r\n", &len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
    if (good)
        good = ns_buf_put(out, (const char *)pem, len) == NS_OK;
    sodium_memzero(pem, text.len);
    ns_free(pem);
    (void)snprintf(what, sizeof what, "%.40s of it is no base64", key);
    return good ? NS_OK : out->failed ? no_memory(err) : wrong(e, what, err);
}

/* The file only where there is no data. */
static ns_status take_either(const entry *e, const char *data_key, ns_buf *pem, const char *file_key, char **file,
                             ns_error *err)
{
    ns_status status = take_pem(e, data_key, pem, err);
    return status != NS_OK || pem->len > 0 ? status : take_path(e, file_key, file, err);
}

static ns_status take_cluster(const entry *e, ns_kubernetes_access *out, ns_error *err)
{
    out->insecure = ns_json_bool(e->value, "insecure-skip-tls-verify", false);
    ns_status status = take_text(e, "server", &out->server, err);
    if (status == NS_OK && out->server == NULL)
        status = wrong(e, "its cluster has no server", err);
    ns_url url;
    ns_error why;
    if (status == NS_OK && ns_url_parse(out->server, &url, &why) != NS_OK)
        status = wrong(e, "the server of its cluster is no http or https address", err);
    else if (status == NS_OK && url.had_credentials)
        status = wrong(e, "the server's address holds credentials", err);
    if (status == NS_OK)
        status = take_text(e, "tls-server-name", &out->tls_server_name, err);
    if (status == NS_OK)
        status = take_text(e, "proxy-url", &out->proxy_url, err);
    if (status == NS_OK)
        status =
            take_either(e, "certificate-authority-data", &out->ca_pem, "certificate-authority", &out->ca_file, err);
    return status;
}

static ns_status take_groups(const entry *e, ns_kubernetes_access *out, ns_error *err)
{
    const json_t *groups = ns_json_at(e->value, "as-groups");
    if (json_array_size(groups) > NS_KUBERNETES_GROUPS_MAX)
        return wrong(e, "its user has too many as-groups", err);
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const char *name = json_string_value(json_array_get(groups, i));
        if (name == NULL || (out->as_group[out->as_group_count] = ns_strdup(name)) == NULL)
            return name == NULL ? wrong(e, "one of its as-groups is no text", err) : no_memory(err);
        out->as_group_count++;
    }
    return NS_OK;
}

static ns_status take_exec(const entry *e, ns_kubernetes_access *out, ns_error *err)
{
    json_t *exec = ns_json_at(e->value, "exec");
    if (json_is_null(exec) || exec == NULL)
        return NS_OK;
    if (ns_json_string(exec, "command", "")[0] == '\0')
        return wrong(e, "the exec plug-in of its user has no command", err);
    out->exec = json_incref(exec);
    out->exec_folder = ns_strndup(e->file->path, folder_length(e->file->path));
    return out->exec_folder == NULL ? no_memory(err) : NS_OK;
}

static ns_status take_user(const entry *e, ns_kubernetes_access *out, ns_error *err)
{
    static const struct {
        const char *key;
        size_t at;
    } texts[] = {
        {"token", offsetof(ns_kubernetes_access, token)},       {"username", offsetof(ns_kubernetes_access, username)},
        {"password", offsetof(ns_kubernetes_access, password)}, {"as", offsetof(ns_kubernetes_access, as_user)},
        {"as-uid", offsetof(ns_kubernetes_access, as_uid)},
    };
    ns_status status = NS_OK;
    if (ns_json_at(e->value, "auth-provider") != NULL)
        return wrong(e, "auth-provider is no longer part of Kubernetes; use an exec plug-in instead", err);
    for (size_t i = 0; i < NS_COUNT_OF(texts) && status == NS_OK; i++)
        status = take_text(e, texts[i].key, (char **)(void *)((char *)out + texts[i].at), err);
    if (status == NS_OK)
        status = take_path(e, "tokenFile", &out->token_file, err);
    if (status == NS_OK)
        status = take_either(e, "client-certificate-data", &out->client_cert_pem, "client-certificate",
                             &out->client_cert_file, err);
    if (status == NS_OK)
        status = take_either(e, "client-key-data", &out->client_key_pem, "client-key", &out->client_key_file, err);
    if (status == NS_OK)
        status = take_groups(e, out, err);
    return status == NS_OK ? take_exec(e, out, err) : status;
}

/* ---- the whole ---- */

static void init(ns_kubernetes_access *access)
{
    *access = (ns_kubernetes_access){0};
    ns_buf_init(&access->ca_pem, PEM_CEILING);
    ns_buf_init(&access->client_cert_pem, PEM_CEILING);
    ns_buf_init(&access->client_key_pem, PEM_CEILING);
}

static ns_status take_context(const kubeconfigs *all, const char *name, ns_kubernetes_access *out, ns_error *err)
{
    entry context = find(all, "contexts", "context", name);
    if (context.value == NULL)
        return ns_fail(err, NS_BAD_USAGE, "kubeconfig %.300s: there is no context \"%.100s\"", all->file[0].path, name);
    const char *cluster_name = ns_json_string(context.value, "cluster", "");
    const char *user_name = ns_json_string(context.value, "user", "");
    entry cluster = find(all, "clusters", "cluster", cluster_name);
    entry user = find(all, "users", "user", user_name);
    if (cluster.value == NULL)
        return ns_fail(err, NS_BAD_USAGE,
                       "kubeconfig %.300s: context \"%.100s\" names the cluster \"%.100s\", which is not there",
                       context.file->path, name, cluster_name);
    if (user.file == NULL && user_name[0] != '\0')
        return ns_fail(err, NS_BAD_USAGE,
                       "kubeconfig %.300s: context \"%.100s\" names the user \"%.100s\", who is not there",
                       context.file->path, name, user_name);
    ns_status status = take_text(&context, "namespace", &out->name_space, err);
    if (status == NS_OK && (out->context = ns_strdup(name)) == NULL)
        status = no_memory(err);
    if (status == NS_OK && (out->user = ns_strdup(user_name)) == NULL)
        status = no_memory(err);
    if (status == NS_OK)
        status = take_cluster(&cluster, out, err);
    if (status == NS_OK && user.value != NULL)
        status = take_user(&user, out, err);
    return status;
}

static ns_status take_all(const kubeconfigs *all, const char *context, ns_kubernetes_access *out, ns_error *err)
{
    ns_kubernetes_access access;
    const char *name = context != NULL && context[0] != '\0' ? context : current_context(all);
    if (name[0] == '\0')
        return ns_fail(err, NS_BAD_USAGE,
                       "kubeconfig %.300s: it has no current-context; name one with kubernetes.context",
                       all->file[0].path);
    init(&access);
    ns_status status = take_context(all, name, &access, err);
    if (status == NS_OK)
        *out = access;
    else
        ns_kubernetes_access_clear(&access);
    return status;
}

static ns_status read_text(ns_text text, kubeconfig *file, ns_error *err)
{
    ns_error inner;
    ns_status status = ns_yaml_read(text, &file->root, &inner);
    if (status != NS_OK)
        return ns_fail(err, status == NS_NO_MEMORY ? status : NS_BAD_USAGE, "kubeconfig %.300s: %.150s", file->path,
                       inner.text);
    if (json_is_object(file->root))
        return NS_OK;
    json_decref(file->root);
    return ns_fail(err, NS_BAD_USAGE, "kubeconfig %.300s: it is no kubeconfig", file->path);
}

static ns_status read_path(const char *path, kubeconfigs *all, ns_error *err)
{
    kubeconfig *file = &all->file[all->count];
    ns_error inner;
    ns_buf text;
    (void)ns_text_copy(file->path, sizeof file->path, ns_text_of(path));
    ns_buf_init(&text, FILE_CEILING);
    ns_status status = ns_file_read(path, FILE_CEILING, &text, &inner);
    if (status == NS_OK)
        status = read_text(ns_buf_view(&text), file, err);
    else
        status =
            ns_fail(err, status == NS_NO_MEMORY ? status : NS_BAD_USAGE, "kubernetes.kubeconfig: %.400s", inner.text);
    if (text.at != NULL)
        sodium_memzero(text.at, text.len);
    ns_buf_clear(&text);
    all->count += status == NS_OK;
    return status;
}

static void forget(kubeconfigs *all)
{
    for (size_t i = 0; i < all->count; i++)
        json_decref(all->file[i].root);
    ns_free(all);
}

ns_status ns_kubernetes_access_load(const char *paths, const char *context, ns_kubernetes_access *out, ns_error *err)
{
    kubeconfigs *all = NS_NEW(kubeconfigs);
    if (all == NULL)
        return no_memory(err);
    bool list = strchr(paths, ':') != NULL;
    ns_status status = NS_OK;
    for (const char *at = paths; *at != '\0' && status == NS_OK;) {
        char path[PATH_MOST];
        size_t n = strcspn(at, ":");
        if (n >= sizeof path || all->count >= FILES_MOST)
            status = ns_fail(err, NS_BAD_USAGE, "kubernetes.kubeconfig: too many files, or too long a name");
        else if (ns_text_copy(path, sizeof path, (ns_text){at, n}) && n > 0 &&
                 !(list && access(path, F_OK) != 0 && errno == ENOENT))
            status = read_path(path, all, err);
        at += n + (at[n] == ':');
    }
    if (status == NS_OK && all->count == 0)
        status = ns_fail(err, NS_BAD_USAGE, "kubernetes.kubeconfig: none of the files in %.300s is there", paths);
    if (status == NS_OK)
        status = take_all(all, context, out, err);
    forget(all);
    return status;
}

ns_status ns_kubernetes_access_read(ns_text text, const char *context, ns_kubernetes_access *out, ns_error *err)
{
    kubeconfigs *all = NS_NEW(kubeconfigs);
    if (all == NULL)
        return no_memory(err);
    (void)ns_text_copy(all->file[0].path, sizeof all->file[0].path, NS_TEXT("(memory)"));
    ns_status status = read_text(text, &all->file[0], err);
    all->count = status == NS_OK;
    if (status == NS_OK)
        status = take_all(all, context, out, err);
    forget(all);
    return status;
}

/* ---- in a cluster ---- */

static ns_status account_file(const char *folder, const char *name, char **out, ns_error *err)
{
    char path[PATH_MOST];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path || access(path, R_OK) != 0)
        return ns_fail(err, NS_BAD_USAGE,
                       "kubernetes.in_cluster: %.300s/%s cannot be read; is a service account mounted?", folder, name);
    *out = ns_strdup(path);
    return *out == NULL ? no_memory(err) : NS_OK;
}

static ns_status account_namespace(const char *folder, ns_kubernetes_access *out, ns_error *err)
{
    char *path = NULL;
    ns_buf text;
    ns_buf_init(&text, 1024);
    ns_status status = account_file(folder, "namespace", &path, err);
    if (status == NS_OK)
        status = ns_file_read(path, 1024, &text, err);
    ns_text name = ns_text_trim(ns_buf_view(&text));
    if (status == NS_OK && name.len > 0 && (out->name_space = ns_strndup(name.at, name.len)) == NULL)
        status = no_memory(err);
    ns_buf_clear(&text);
    ns_free(path);
    return status;
}

ns_status ns_kubernetes_access_in_cluster(const char *folder, const char *host, const char *port,
                                          ns_kubernetes_access *out, ns_error *err)
{
    ns_kubernetes_access found;
    char server[512];
    folder = folder == NULL ? NS_KUBERNETES_ACCOUNT_FOLDER : folder;
    if (host == NULL || host[0] == '\0' || port == NULL || port[0] == '\0')
        return ns_fail(err, NS_BAD_USAGE,
                       "kubernetes.in_cluster: KUBERNETES_SERVICE_HOST and _PORT are not set; do we run in a pod?");
    bool six = strchr(host, ':') != NULL;
    (void)snprintf(server, sizeof server, "https://%s%.300s%s:%.16s", six ? "[" : "", host, six ? "]" : "", port);
    init(&found);
    ns_url url;
    ns_status status =
        ns_url_parse(server, &url, err) == NS_OK
            ? NS_OK
            : ns_fail(err, NS_BAD_USAGE, "kubernetes.in_cluster: KUBERNETES_SERVICE_HOST or _PORT is wrong");
    if (status == NS_OK && (found.server = ns_strdup(server)) == NULL)
        status = no_memory(err);
    if (status == NS_OK)
        status = account_file(folder, "token", &found.token_file, err);
    if (status == NS_OK)
        status = account_file(folder, "ca.crt", &found.ca_file, err);
    if (status == NS_OK)
        status = account_namespace(folder, &found, err);
    if (status == NS_OK)
        *out = found;
    else
        ns_kubernetes_access_clear(&found);
    return status;
}

static void wipe(char *text)
{
    if (text != NULL)
        sodium_memzero(text, strlen(text));
    ns_free(text);
}

static void wipe_buf(ns_buf *buf)
{
    if (buf->at != NULL)
        sodium_memzero(buf->at, buf->len);
    ns_buf_clear(buf);
}

void ns_kubernetes_access_clear(ns_kubernetes_access *access)
{
    char *const plain[] = {access->server,          access->tls_server_name,  access->proxy_url,
                           access->name_space,      access->context,          access->user,
                           access->ca_file,         access->client_cert_file, access->token_file,
                           access->client_key_file, access->username,         access->as_user,
                           access->as_uid,          access->exec_folder};
    for (size_t i = 0; i < NS_COUNT_OF(plain); i++)
        ns_free(plain[i]);
    for (size_t i = 0; i < access->as_group_count; i++)
        ns_free(access->as_group[i]);
    wipe(access->token);
    wipe(access->password);
    wipe_buf(&access->ca_pem);
    wipe_buf(&access->client_cert_pem);
    wipe_buf(&access->client_key_pem);
    json_decref(access->exec);
    *access = (ns_kubernetes_access){0};
}
