#include "wire/kubernetes_exec.h"

#include "base/clock.h"
#include "base/mem.h"
#include "wire/json.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PRINTED_CEILING = 1 << 20, WORDS_MOST = 256, VARIABLE_MOST = 64 * 1024, LOOK_MS = 10, PATH_MOST = 4096 };

struct ns_kubernetes_exec {
    pid_t pid;
    int fd;               /* its standard output; -1 closed */
    struct event *read;   /* there is something to read */
    struct event *look;   /* has it ended? */
    struct event *giveup; /* its time is over */
    ns_buf printed;
    char name[128]; /* of the program, for messages */
    ns_kubernetes_exec_done *done;
    void *owner;
};

/* What it is started with. */
typedef struct words {
    char *at[WORDS_MOST + 1];
    size_t count;
} words;

static bool add(words *list, const char *text)
{
    if (list->count >= WORDS_MOST || (list->at[list->count] = ns_strdup(text)) == NULL)
        return false;
    list->at[++list->count] = NULL;
    return true;
}

static void drop(words *list)
{
    for (size_t i = 0; i < list->count; i++) {
        sodium_memzero(list->at[i], strlen(list->at[i]));
        ns_free(list->at[i]);
    }
}

/* ---- how it is called ---- */

static ns_status check(const json_t *exec, ns_error *err)
{
    const char *version = ns_json_string(exec, "apiVersion", "");
    if (strcmp(ns_json_string(exec, "interactiveMode", ""), "Always") == 0)
        return ns_fail(err, NS_BAD_USAGE, "kubeconfig: its exec plug-in wants a person at a terminal");
    if (strcmp(version, "client.authentication.k8s.io/v1") == 0 ||
        strcmp(version, "client.authentication.k8s.io/v1beta1") == 0)
        return NS_OK;
    return ns_fail(err, NS_BAD_USAGE, "kubeconfig: the apiVersion \"%.60s\" of its exec plug-in is not one we speak",
                   version);
}

/* Where to find the program: with a '/' in its name relative to the kubeconfig, else through PATH. */
static bool program_of(const ns_kubernetes_access *access, char path[PATH_MOST])
{
    const char *command = ns_json_string(access->exec, "command", "");
    const char *folder = command[0] != '/' && strchr(command, '/') != NULL ? access->exec_folder : "";
    int n = snprintf(path, PATH_MOST, "%s%s", folder, command);
    return n > 0 && n < PATH_MOST;
}

static void put_cluster(ns_json_writer *w, const ns_kubernetes_access *access)
{
    ns_json_key(w, "cluster");
    ns_json_object(w);
    ns_json_field_string(w, "server", access->server);
    if (access->tls_server_name != NULL)
        ns_json_field_string(w, "tls-server-name", access->tls_server_name);
    if (access->insecure)
        ns_json_field_bool(w, "insecure-skip-tls-verify", true);
    size_t room = sodium_base64_ENCODED_LEN(access->ca_pem.len, sodium_base64_VARIANT_ORIGINAL);
    char *coded = access->ca_pem.len == 0 ? NULL : ns_alloc(room, 1);
    if (coded != NULL)
        ns_json_field_string(w, "certificate-authority-data",
                             sodium_bin2base64(coded, room, (const unsigned char *)access->ca_pem.at,
                                               access->ca_pem.len, sodium_base64_VARIANT_ORIGINAL));
    ns_free(coded);
    ns_json_end_object(w);
}

static bool add_info(words *environment, const ns_kubernetes_access *access)
{
    ns_buf info;
    ns_json_writer w;
    ns_buf_init(&info, 2 << 20);
    (void)ns_buf_string(&info, "KUBERNETES_EXEC_INFO=");
    ns_json_begin(&w, &info);
    ns_json_object(&w);
    ns_json_field_string(&w, "apiVersion", ns_json_string(access->exec, "apiVersion", ""));
    ns_json_field_string(&w, "kind", "ExecCredential");
    ns_json_key(&w, "spec");
    ns_json_object(&w);
    if (ns_json_bool(access->exec, "provideClusterInfo", false))
        put_cluster(&w, access);
    ns_json_field_bool(&w, "interactive", false);
    ns_json_end_object(&w);
    ns_json_end_object(&w);
    bool good = !info.failed && add(environment, info.at);
    ns_buf_clear(&info);
    return good;
}

/* Ours, with what the kubeconfig adds. */
static bool fill_environment(words *environment, const ns_kubernetes_access *access)
{
    const json_t *env = ns_json_at(access->exec, "env");
    bool good = true;
    for (char **at = environ; *at != NULL && good; at++) {
        bool replaced = strncmp(*at, "KUBERNETES_EXEC_INFO=", 21) == 0;
        for (size_t i = 0; i < json_array_size(env); i++) {
            const char *name = ns_json_string(json_array_get(env, i), "name", "");
            size_t n = strlen(name);
            replaced |= n > 0 && strncmp(*at, name, n) == 0 && (*at)[n] == '=';
        }
        good = replaced || add(environment, *at);
    }
    for (size_t i = 0; i < json_array_size(env) && good; i++) {
        ns_buf line;
        ns_buf_init(&line, VARIABLE_MOST);
        good = ns_buf_printf(&line, "%s=%s", ns_json_string(json_array_get(env, i), "name", ""),
                             ns_json_string(json_array_get(env, i), "value", "")) == NS_OK &&
               add(environment, line.at);
        ns_buf_clear(&line);
    }
    return good && add_info(environment, access);
}

static bool fill_arguments(words *arguments, const ns_kubernetes_access *access)
{
    const json_t *args = ns_json_at(access->exec, "args");
    bool good = add(arguments, ns_json_string(access->exec, "command", ""));
    for (size_t i = 0; i < json_array_size(args) && good; i++) {
        const char *text = json_string_value(json_array_get(args, i));
        good = text != NULL && add(arguments, text);
    }
    return good;
}

/* ---- its answer ---- */

static ns_status take_text(const json_t *status, const char *key, ns_buf *out, ns_error *err)
{
    ns_text text;
    if (!ns_json_text(status, key, &text))
        return NS_OK;
    return ns_buf_text(out, text) == NS_OK ? NS_OK : ns_fail(err, NS_NO_MEMORY, "no memory for a certificate");
}

ns_status ns_kubernetes_credential_read(ns_text printed, ns_kubernetes_credential *out, ns_error *err)
{
    json_t *root = NULL;
    ns_kubernetes_credential made = {.expires_ms = -1};
    ns_buf_init(&made.client_cert_pem, PRINTED_CEILING);
    ns_buf_init(&made.client_key_pem, PRINTED_CEILING);
    ns_status status = ns_json_read(ns_text_trim(printed), &root, NULL);
    const json_t *inside = ns_json_at(root, "status");
    const char *token = ns_json_string(inside, "token", "");
    const char *expires = ns_json_string(inside, "expirationTimestamp", "");
    if (status != NS_OK || strcmp(ns_json_string(root, "kind", ""), "ExecCredential") != 0)
        status = ns_fail(err, NS_BAD_INPUT, "it printed no ExecCredential");
    if (status == NS_OK && token[0] != '\0' && (made.token = ns_strdup(token)) == NULL)
        status = ns_fail(err, NS_NO_MEMORY, "no memory for a token");
    if (status == NS_OK)
        status = take_text(inside, "clientCertificateData", &made.client_cert_pem, err);
    if (status == NS_OK)
        status = take_text(inside, "clientKeyData", &made.client_key_pem, err);
    if (status == NS_OK && expires[0] != '\0' && !ns_time_parse(ns_text_of(expires), &made.expires_ms))
        status = ns_fail(err, NS_BAD_INPUT, "its expirationTimestamp is no time");
    if (status == NS_OK && made.token == NULL && made.client_cert_pem.len == 0)
        status = ns_fail(err, NS_BAD_INPUT, "it gave neither a token nor a certificate");
    if (status == NS_OK && (made.client_cert_pem.len == 0) != (made.client_key_pem.len == 0))
        status = ns_fail(err, NS_BAD_INPUT, "it gave a certificate without its key, or a key without its certificate");
    json_decref(root);
    if (status == NS_OK)
        *out = made;
    else
        ns_kubernetes_credential_clear(&made);
    return status;
}

static void wipe_buf(ns_buf *buf)
{
    if (buf->at != NULL)
        sodium_memzero(buf->at, buf->len);
    ns_buf_clear(buf);
}

void ns_kubernetes_credential_clear(ns_kubernetes_credential *credential)
{
    if (credential->token != NULL)
        sodium_memzero(credential->token, strlen(credential->token));
    ns_free(credential->token);
    wipe_buf(&credential->client_cert_pem);
    wipe_buf(&credential->client_key_pem);
    *credential = (ns_kubernetes_credential){.expires_ms = -1};
}

/* ---- its life ---- */

static void free_exec(ns_kubernetes_exec *exec)
{
    struct event *const events[] = {exec->read, exec->look, exec->giveup};
    for (size_t i = 0; i < NS_COUNT_OF(events); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (exec->fd >= 0)
        (void)close(exec->fd);
    wipe_buf(&exec->printed);
    ns_free(exec);
}

static void end_process(ns_kubernetes_exec *exec)
{
    if (exec->pid <= 0)
        return;
    (void)kill(-exec->pid, SIGKILL); /* the group: with whatever it started */
    while (waitpid(exec->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    exec->pid = 0;
}

static void finish(ns_kubernetes_exec *exec, ns_kubernetes_credential *credential, const ns_error *err)
{
    ns_kubernetes_exec_done *done = exec->done;
    void *owner = exec->owner;
    end_process(exec);
    free_exec(exec);
    done(owner, credential, err);
}

static void fail(ns_kubernetes_exec *exec, ns_status status, const char *why)
{
    ns_error err;
    (void)ns_fail(&err, status, "kubeconfig: the exec plug-in %s: %s", exec->name, why);
    finish(exec, NULL, &err);
}

static void ended(ns_kubernetes_exec *exec, int how)
{
    char why[96];
    ns_error inner, err = {.status = NS_OK};
    ns_kubernetes_credential credential;
    if (!WIFEXITED(how) || WEXITSTATUS(how) != 0) {
        (void)snprintf(why, sizeof why, "it failed with status %d; run it by hand to see why",
                       WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how));
        fail(exec, NS_UNAUTHORIZED, why);
    } else if (ns_kubernetes_credential_read(ns_buf_view(&exec->printed), &credential, &inner) != NS_OK) {
        fail(exec, inner.status == NS_NO_MEMORY ? NS_NO_MEMORY : NS_UNAUTHORIZED, inner.text);
    } else {
        finish(exec, &credential, &err);
        ns_kubernetes_credential_clear(&credential); /* what the callee left of it */
    }
}

/* Its output has ended: the process ends about now. */
static void look(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ns_kubernetes_exec *exec = owner;
    int how = 0;
    const struct timeval wait = {.tv_usec = LOOK_MS * 1000};
    pid_t got = waitpid(exec->pid, &how, WNOHANG);
    if (got == exec->pid) {
        exec->pid = 0;
        ended(exec, how);
    } else if ((got < 0 && errno != EINTR) || evtimer_add(exec->look, &wait) != 0) {
        fail(exec, NS_IO, "it cannot be waited for");
    }
}

static void readable(evutil_socket_t fd, short what, void *owner)
{
    (void)what;
    ns_kubernetes_exec *exec = owner;
    char piece[4096];
    ssize_t n = read(fd, piece, sizeof piece);
    if (n > 0 && ns_buf_put(&exec->printed, piece, (size_t)n) != NS_OK) {
        fail(exec, NS_TOO_LARGE, "it printed too much");
    } else if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN)) {
        (void)event_del(exec->read);
        look(-1, 0, exec);
    }
    sodium_memzero(piece, sizeof piece);
}

static void too_late(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    fail(owner, NS_TIMEOUT, "it did not end in time");
}

static ns_status spawn(ns_kubernetes_exec *exec, const char *program, words *arguments, words *environment,
                       ns_error *err)
{
    int ends[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ns_fail(err, NS_IO, "kubeconfig: exec plug-in: %s", strerror(errno));
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    int rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    rc |= posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    rc |= posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0); /* it may print secrets there */
    rc |= posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    rc |= posix_spawnattr_setpgroup(&attributes, 0);
    if (rc == 0)
        rc = posix_spawnp(&exec->pid, program, &actions, &attributes, arguments->at, environment->at);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    (void)close(ends[1]);
    if (rc != 0) {
        exec->pid = 0;
        (void)close(ends[0]);
        return ns_fail(err, NS_IO, "kubeconfig: the exec plug-in %s cannot be started: %s", exec->name, strerror(rc));
    }
    exec->fd = ends[0];
    (void)fcntl(exec->fd, F_SETFL, O_NONBLOCK);
    return NS_OK;
}

static ns_status watch_over(ns_kubernetes_exec *exec, struct event_base *loop, long timeout_ms, ns_error *err)
{
    const struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    exec->read = event_new(loop, exec->fd, EV_READ | EV_PERSIST, readable, exec);
    exec->look = evtimer_new(loop, look, exec);
    exec->giveup = evtimer_new(loop, too_late, exec);
    if (exec->read == NULL || exec->look == NULL || exec->giveup == NULL || event_add(exec->read, NULL) != 0 ||
        evtimer_add(exec->giveup, &wait) != 0)
        return ns_fail(err, NS_NO_MEMORY, "no memory for an exec plug-in");
    return NS_OK;
}

ns_status ns_kubernetes_exec_start(struct event_base *loop, const ns_kubernetes_access *access, long timeout_ms,
                                   ns_kubernetes_exec_done *done, void *owner, ns_kubernetes_exec **out, ns_error *err)
{
    char program[PATH_MOST];
    ns_status status = check(access->exec, err);
    if (status != NS_OK)
        return status;
    ns_kubernetes_exec *exec = NS_NEW(ns_kubernetes_exec);
    if (exec == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for an exec plug-in");
    exec->fd = -1;
    exec->done = done;
    exec->owner = owner;
    ns_buf_init(&exec->printed, PRINTED_CEILING);
    (void)ns_text_copy(exec->name, sizeof exec->name, ns_text_of(ns_json_string(access->exec, "command", "")));
    words arguments = {.count = 0}, environment = {.count = 0};
    if (!program_of(access, program) || !fill_arguments(&arguments, access) || !fill_environment(&environment, access))
        status = ns_fail(err, NS_BAD_USAGE, "kubeconfig: the exec plug-in %s: too many words, or too long", exec->name);
    if (status == NS_OK)
        status = spawn(exec, program, &arguments, &environment, err);
    if (status == NS_OK)
        status = watch_over(exec, loop, timeout_ms, err);
    drop(&arguments);
    drop(&environment);
    if (status != NS_OK) {
        end_process(exec);
        free_exec(exec);
        return status;
    }
    *out = exec;
    return NS_OK;
}

void ns_kubernetes_exec_cancel(ns_kubernetes_exec *exec)
{
    if (exec == NULL)
        return;
    end_process(exec);
    free_exec(exec);
}
