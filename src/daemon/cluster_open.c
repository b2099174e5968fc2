#include "daemon/cluster_open.h"

#include "orchestration/kubernetes_actions.h"
#include "telemetry/kubernetes_source.h"

#include <stdlib.h>
#include <string.h>

/* Silence is asked about after so long, in world and in real time: a served world runs quicker, but is no quicker to
 * ask. */
enum { CONFIRM_WORLD_MS = 30000, CONFIRM_REAL_MS = 500 };

/* So long a request without an answer may be under way. */
enum { SETTLE_S = 30 };

static ns_status find_access(const ns_settings *s, ns_kubernetes_access *out, ns_error *err)
{
    if (s->kubernetes_in_cluster)
        return ns_kubernetes_access_in_cluster(NULL, getenv("KUBERNETES_SERVICE_HOST"),
                                               getenv("KUBERNETES_SERVICE_PORT"), out, err);
    return ns_kubernetes_access_load(s->kubernetes_kubeconfig, s->kubernetes_context, out, err);
}

/* Set by somebody for kubectl, perhaps, and not for us. */
static bool is_only_in_the_air(const ns_settings *s)
{
    ptrdiff_t place = ns_config_index(s->config, "kubernetes.kubeconfig");
    return !s->kubernetes_in_cluster && place >= 0 && ns_config_layer(s->config, (size_t)place) == NS_LAYER_environment;
}

/* A token file's present content with the rest; what comes later is known by its shape. */
static ns_status learn_secrets(const ns_kubernetes_access *access, ns_redactor *redactor, ns_error *err)
{
    ns_buf file;
    ns_buf_init(&file, NS_REDACT_SECRET_MOST);
    if (access->token_file != NULL && ns_file_read(access->token_file, NS_REDACT_SECRET_MOST, &file, NULL) != NS_OK)
        ns_buf_reset(&file); /* the client will tell what is wrong with it */
    const ns_text secrets[] = {ns_text_of(access->token), ns_text_of(access->password),
                               ns_text_trim(ns_buf_view(&file))};
    ns_status status = NS_OK;
    for (size_t i = 0; i < NS_COUNT_OF(secrets) && status == NS_OK && redactor != NULL; i++)
        if (secrets[i].len >= NS_REDACT_SECRET_LEAST)
            status = ns_redactor_add(redactor, secrets[i], err);
    if (file.at != NULL)
        explicit_bzero(file.at, file.len);
    ns_buf_clear(&file);
    return status;
}

/* A redactor that cannot take one more still knows the usual shapes of tokens. */
static void learn_token(void *owner, ns_text token)
{
    if (owner != NULL && token.len >= NS_REDACT_SECRET_LEAST)
        (void)!ns_redactor_add(owner, token, NULL);
}

/* A deprecated version, a field that means nothing: for whoever looks after the cluster or this program. */
static void warned(void *owner, const char *text)
{
    char clean[300], quoted[360];
    const char *shown = owner == NULL ? text : ns_redact_copy(owner, clean, sizeof clean, ns_text_of(text));
    ns_log(NS_LOG_WARNING, "daemon", "cluster_warns", "text=%s", ns_log_quote(quoted, sizeof quoted, shown));
}

ns_status ns_cluster_client(const ns_settings *s, struct event_base *loop, ns_redactor *redactor, ns_kubernetes **out,
                            ns_error *err)
{
    ns_kubernetes_access access;
    char quoted[600];
    if (s->kubernetes_kubeconfig == NULL && !s->kubernetes_in_cluster)
        return NS_OK;
    ns_status status = find_access(s, &access, err);
    if (status == NS_OK) {
        double speed = s->clock_speed > 1 && s->clock_origin_real_ms >= 0 ? s->clock_speed : 1;
        ns_kubernetes_options options = {.access = &access,
                                         .allow_exec = s->kubernetes_exec,
                                         .requests_per_s = s->kubernetes_requests_per_s * speed,
                                         .learn = learn_token,
                                         .warned = warned,
                                         .owner = redactor};
        status = learn_secrets(&access, redactor, err);
        if (status == NS_OK)
            status = ns_kubernetes_new(loop, &options, out, err);
        ns_kubernetes_access_clear(&access); /* of what was taken over nothing is left in it */
    }
    if (status != NS_BAD_USAGE || !is_only_in_the_air(s))
        return status;
    ns_log(NS_LOG_WARNING, "daemon", "cluster_not_used",
           "why=%s remedy=\"set kubernetes.kubeconfig, or unset KUBECONFIG\"",
           ns_log_quote(quoted, sizeof quoted, err->text));
    return NS_OK;
}

/* The namespaces that pipelines name: views of copies in `room`. */
static size_t named_spaces(const ns_settings *s, char (*room)[NS_NAME_MAX], const char **out)
{
    size_t count = 0;
    for (size_t i = 0; i < s->pipeline_count; i++) {
        const char *deployment = s->pipelines[i].deployment;
        const char *slash = deployment == NULL ? NULL : strchr(deployment, '/');
        if (slash == NULL)
            continue;
        char name[NS_NAME_MAX];
        (void)ns_text_copy(name, sizeof name, (ns_text){deployment, (size_t)(slash - deployment)});
        size_t known = 0;
        while (known < count && strcmp(out[known], name) != 0)
            known++;
        if (known < count || count == NS_KUBERNETES_SPACES_MAX)
            continue;
        memcpy(room[count], name, sizeof name);
        out[count] = room[count];
        count++;
    }
    return count;
}

ns_status ns_cluster_source(const ns_settings *s, struct event_base *loop, ns_kubernetes *client, ns_snapshot *snapshot,
                            const ns_clock *clock, ns_redactor *redactor, ns_source *out, ns_error *err)
{
    char room[NS_KUBERNETES_SPACES_MAX][NS_NAME_MAX];
    const char *spaces[NS_KUBERNETES_SPACES_MAX];
    int64_t slowest_ms = (int64_t)(clock->speed * CONFIRM_REAL_MS);
    ns_kubernetes_source_options options = {
        .client = client,
        .name_space = s->kubernetes_namespace,
        .name_spaces = spaces,
        .name_space_count = named_spaces(s, room, spaces),
        .confirm_ms = slowest_ms > CONFIRM_WORLD_MS ? slowest_ms : CONFIRM_WORLD_MS,
        .redactor = redactor,
        .seed = (uint64_t)ns_monotonic_ns(),
    };
    return ns_kubernetes_source_new(loop, snapshot, clock, &options, out, err);
}

ns_status ns_cluster_hands(const ns_settings *s, ns_kubernetes *client, ns_hands *out, ns_error *err)
{
    const ns_kubernetes_hands_options options = {
        .client = client, .name_space = s->kubernetes_namespace, .settle_ms = ns_settings_settle_ms(s, SETTLE_S)};
    return ns_kubernetes_hands_new(&options, out, err);
}
