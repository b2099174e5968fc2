/* The three files that point a NeuroShield, kubectl or any other client at a served world. */
#include "world/serve_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN_TOKEN "any-token-will-do"

static void put_env(const ns_world_server *server, const char *folder, ns_buf *out)
{
    (void)folder;
    (void)ns_buf_printf(out, "# A simulated Sock Shop, seed %llu\n", (unsigned long long)ns_world_seed(server->world));
    (void)ns_buf_printf(out, "JENKINS_URL=http://%s/jenkins\n", server->address);
    (void)ns_buf_printf(out, "JENKINS_USERNAME=%s\n", server->closed ? server->jenkins_user : NS_WORLD_USER);
    if (server->closed && server->jenkins_token[0] == '\0')
        (void)ns_buf_printf(out, "JENKINS_PASSWORD=%s\n", server->jenkins_password);
    else
        (void)ns_buf_printf(out, "JENKINS_TOKEN=%s\n", server->closed ? server->jenkins_token : OPEN_TOKEN);
    (void)ns_buf_printf(out, "PROMETHEUS_URL=http://%s/prometheus\n", server->address);
    (void)ns_buf_string(out, "KUBECONFIG=kubeconfig\n"); /* beside this file, which is read from where one stands */
}

static void put_kubeconfig(const ns_world_server *server, const char *folder, ns_buf *out)
{
    (void)folder;
    (void)ns_buf_printf(
        out,
        "apiVersion: v1\nkind: Config\nclusters:\n- name: world\n  cluster:\n    server: http://%s/kubernetes\n"
        "contexts:\n- name: world\n  context:\n    cluster: world\n    namespace: %s\n    user: neuroshield\n"
        "users:\n- name: neuroshield\n  user:\n    token: %s\ncurrent-context: world\npreferences: {}\n",
        server->address, NS_WORLD_FOLDER, server->kubernetes_token[0] != '\0' ? server->kubernetes_token : OPEN_TOKEN);
}

/* As one YAML text, whatever it holds. */
static void put_quoted(ns_buf *out, const char *text)
{
    (void)ns_buf_char(out, '\'');
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'')
            (void)ns_buf_char(out, '\'');
        (void)ns_buf_char(out, *c);
    }
    (void)ns_buf_char(out, '\'');
}

/* The kubeconfig by its whole name: the file may be copied elsewhere and still work. */
static void put_kubernetes(const char *folder, ns_buf *out)
{
    char whole[PATH_MAX], path[PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/kubeconfig", realpath(folder, whole) == NULL ? folder : whole);
    (void)ns_buf_string(out, "kubernetes:\n  kubeconfig: ");
    put_quoted(out, path);
    (void)ns_buf_char(out, '\n');
}

static void put_yaml(const ns_world_server *server, const char *folder, ns_buf *out)
{
    (void)ns_buf_printf(out, "# A simulated Sock Shop, seed %llu. Credentials are in .env beside this file.\n",
                        (unsigned long long)ns_world_seed(server->world));
    (void)ns_buf_printf(out, "jenkins:\n  url: http://%s/jenkins\nprometheus:\n  url: http://%s/prometheus\n",
                        server->address, server->address);
    put_kubernetes(folder, out);
    (void)ns_buf_printf(out, "notify:\n  webhook_url: http://%s/pager\n", server->address);
    if (server->speed > 0.0)
        (void)ns_buf_printf(out, "clock:\n  speed: %.17g\n  origin_real_ms: %lld\n  origin_world_ms: %lld\n",
                            server->speed, (long long)server->origin_real_ms, (long long)server->origin_world_ms);
    (void)ns_buf_string(out, "pipelines:\n");
    for (size_t j = 0; j < ns_world_job_count(server->world); j++) {
        ns_world_job job;
        ns_world_job_at(server->world, j, &job);
        (void)ns_buf_printf(out, "  - name: %s\n    jenkins_job: %s\n    deployment: %s\n", job.name, job.full_name,
                            job.deployment);
    }
}

typedef void put_file(const ns_world_server *server, const char *folder, ns_buf *out);

ns_status ns_world_server_write_config(const ns_world_server *server, const char *folder, ns_error *err)
{
    static const struct {
        const char *name;
        put_file *put;
        unsigned mode;
    } files[] = {{".env", put_env, 0600}, {"kubeconfig", put_kubeconfig, 0600}, {"neuroshield.yaml", put_yaml, 0644}};
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return ns_fail(err, NS_IO, "%s: cannot make this folder: %s", folder, strerror(errno));
    for (size_t i = 0; i < NS_COUNT_OF(files); i++) {
        char path[4096];
        ns_buf text;
        if (snprintf(path, sizeof path, "%s/%s", folder, files[i].name) >= (int)sizeof path)
            return ns_fail(err, NS_BAD_USAGE, "%.100s...: the path is too long", folder);
        ns_buf_init(&text, 256u << 10);
        files[i].put(server, folder, &text);
        ns_status status = text.failed ? ns_fail(err, NS_NO_MEMORY, "%s", path)
                                       : ns_file_replace(path, ns_buf_view(&text), files[i].mode, err);
        ns_buf_clear(&text);
        if (status != NS_OK)
            return status;
    }
    return NS_OK;
}
