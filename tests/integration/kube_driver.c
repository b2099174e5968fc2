/*
 * Drives the source and the hands of Kubernetes from a test: kube_driver KUBECONFIG|in-cluster:FOLDER NAMESPACE.
 *
 * One JSON object a line on stdin is one order, its answer one JSON object a line on stdout:
 *   {"do":"job","job":J,"deployment":D|null}          a pipeline; D as the configuration would name it
 *   {"do":"look"}                                     a tick; answers with the snapshot once the source has settled
 *   {"do":"prepare"|"send"|"reconcile","effect":{...}} answers with what the hands say
 *   {"do":"rights","deployment":D}                    answers what may be done to it, as far as it is known
 * The end of stdin ends it.
 */
#include "base/mem.h"
#include "orchestration/kubernetes_actions.h"
#include "telemetry/kubernetes_source.h"
#include "wire/json.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

typedef struct driver {
    struct event_base *loop;
    ns_clock clock;
    ns_snapshot *snapshot;
    ns_kubernetes *cluster;
    ns_source source;
    ns_hands hands;
    struct evbuffer *in;
    struct event *readable, *settle;
} driver;

static void say(ns_buf *line)
{
    (void)fwrite(line->at, 1, line->len, stdout);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
    ns_buf_clear(line);
}

static void die(const ns_error *err)
{
    (void)fprintf(stderr, "%s: %s\n", ns_status_name(err->status), err->text);
    exit(1);
}

/* ---- answers ---- */

static void put_view(ns_json_writer *w, const ns_pipeline_view *view, int64_t now_ms)
{
    const ns_deployment_view *c = &view->cluster;
    ns_json_object(w);
    ns_json_field_string(w, "job", view->jenkins_job);
    ns_json_field_string_or_null(w, "deployment", view->deployment);
    ns_json_field_int_or_null(w, "age_ms", ns_age_ms(c->at_ms, now_ms));
    ns_json_field_bool(w, "exists", c->exists);
    ns_json_field_int_or_null(w, "generation", c->generation);
    ns_json_field_string_or_null(w, "uid", c->uid);
    ns_json_field_string_or_null(w, "template_hash", c->template_hash);
    ns_json_field_string_or_null(w, "image", c->image);
    ns_json_field_string_or_null(w, "managed_by", c->managed_by);
    ns_json_field_int_or_null(w, "paused", c->paused);
    ns_json_field_int_or_null(w, "has_hpa", c->has_hpa);
    ns_json_field_string(w, "rollout", ns_rollout_name(c->rollout));
    for (size_t i = 0; i < NS_DEPLOYMENT_FACTS; i++)
        ns_json_field_int_or_null(w, ns_deployment_fact_name((ns_deployment_fact)i),
                                  ns_deployment_fact_of(c, (ns_deployment_fact)i));
    ns_json_field_string_or_null(w, "event", c->event[0].reason);
    ns_json_end_object(w);
}

static void say_snapshot(const driver *d)
{
    ns_buf line;
    ns_json_writer w;
    const ns_source_health *health = &d->snapshot->source[NS_FROM_kubernetes];
    int64_t now_ms = ns_clock_now_ms(&d->clock);
    ns_buf_init(&line, 16 << 20);
    ns_json_begin(&w, &line);
    ns_json_object(&w);
    ns_json_field_string(&w, "state", ns_source_state_name(health->state));
    ns_json_field_string_or_null(&w, "error", health->error);
    ns_json_field_int_or_null(&w, "age_ms", ns_age_ms(health->good_at_ms, now_ms));
    ns_json_field_real(&w, "nodes_ready", d->snapshot->nodes_ready.value);
    ns_json_key(&w, "pipelines");
    ns_json_array(&w);
    for (size_t i = 0; i < d->snapshot->pipeline_count; i++)
        put_view(&w, d->snapshot->pipelines[i], now_ms);
    ns_json_end_array(&w);
    ns_json_end_object(&w);
    say(&line);
}

static void handed(void *owner, const ns_effect *effect, const ns_effect_answer *answer)
{
    (void)owner;
    ns_buf line;
    ns_json_writer w;
    ns_buf_init(&line, 1 << 20);
    ns_json_begin(&w, &line);
    ns_json_object(&w);
    ns_json_field_string(&w, "key", effect->key);
    ns_json_field_string(&w, "sent", ns_sent_name(answer->sent));
    ns_json_field_string(&w, "baseline", answer->baseline);
    ns_json_field_string(&w, "status", ns_status_name(answer->error.status));
    ns_json_field_string(&w, "error", answer->error.status == NS_OK ? "" : answer->error.text);
    ns_json_end_object(&w);
    say(&line);
}

/* ---- orders ---- */

static void settle(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    driver *d = owner;
    const struct timeval wait = {.tv_usec = 5000};
    if (!d->source.settled(d->source.self)) {
        (void)evtimer_add(d->settle, &wait);
        return;
    }
    say_snapshot(d);
}

static void copy(char *out, size_t size, const json_t *from, const char *key)
{
    (void)ns_text_copy(out, size, ns_text_of(ns_json_string(from, key, "")));
}

static void hand_over(driver *d, const char *what, const json_t *from)
{
    ns_effect effect = {.attempt = 1, .replicas = (int32_t)ns_json_int(from, "replicas", 0)};
    copy(effect.key, sizeof effect.key, from, "key");
    copy(effect.deployment, sizeof effect.deployment, from, "deployment");
    copy(effect.target, sizeof effect.target, from, "target");
    copy(effect.baseline, sizeof effect.baseline, from, "baseline");
    effect.undo = ns_json_bool(from, "undo", false);
    if (!ns_action_parse(ns_text_of(ns_json_string(from, "action", "")), &effect.action))
        exit(2);
    (what[0] == 'p'   ? d->hands.prepare
     : what[0] == 's' ? d->hands.send
                      : d->hands.reconcile)(d->hands.self, &effect, handed, d);
}

static void make_job(driver *d, const json_t *order)
{
    const char *deployment = ns_json_string(order, "deployment", "");
    ns_pipeline_view *view = ns_snapshot_pipeline(d->snapshot, ns_text_of(ns_json_string(order, "job", "")));
    if (view == NULL)
        exit(2);
    view->deployment_fixed = deployment[0] != '\0';
    (void)ns_text_copy(view->deployment, sizeof view->deployment, ns_text_of(deployment));
    ns_buf line;
    ns_buf_init(&line, 64);
    (void)ns_buf_string(&line, "{}");
    say(&line);
}

static void say_rights(driver *d, const json_t *order)
{
    ns_buf line;
    ns_json_writer w;
    ns_rights rights;
    d->hands.rights(d->hands.self, ns_json_string(order, "deployment", ""), &rights);
    ns_buf_init(&line, 4096);
    ns_json_begin(&w, &line);
    ns_json_object(&w);
    ns_json_field_bool(&w, "known", rights.known);
    ns_json_key(&w, "denied");
    ns_json_array(&w);
    for (int a = 0; a < NS_ACTION_COUNT; a++)
        if ((rights.denied & NS_ACTION_BIT(a)) != 0)
            ns_json_put_string(&w, ns_action_name((ns_action)a));
    ns_json_end_array(&w);
    ns_json_field_string(&w, "missing", rights.missing);
    ns_json_end_object(&w);
    say(&line);
}

static void obey(driver *d, const json_t *order)
{
    const char *what = ns_json_string(order, "do", "");
    if (strcmp(what, "job") == 0) {
        make_job(d, order);
    } else if (strcmp(what, "look") == 0) {
        d->source.poll(d->source.self, ns_clock_now_ms(&d->clock));
        settle(-1, 0, d);
    } else if (strcmp(what, "rights") == 0) {
        say_rights(d, order);
    } else {
        hand_over(d, what, ns_json_at(order, "effect"));
    }
}

static void readable(evutil_socket_t fd, short what, void *owner)
{
    (void)what;
    driver *d = owner;
    if (evbuffer_read(d->in, fd, 65536) <= 0)
        (void)event_base_loopbreak(d->loop);
    size_t len;
    for (char *line; (line = evbuffer_readln(d->in, &len, EVBUFFER_EOL_LF)) != NULL; free(line)) {
        json_t *order = NULL;
        ns_error err;
        if (ns_json_read((ns_text){line, len}, &order, &err) != NS_OK)
            die(&err);
        obey(d, order);
        json_decref(order);
    }
}

static ns_status open_access(const char *from, ns_kubernetes_access *access, ns_error *err)
{
    static const char in_cluster[] = "in-cluster:";
    if (strncmp(from, in_cluster, sizeof in_cluster - 1) != 0)
        return ns_kubernetes_access_load(from, NULL, access, err);
    return ns_kubernetes_access_in_cluster(from + sizeof in_cluster - 1, getenv("KUBERNETES_SERVICE_HOST"),
                                           getenv("KUBERNETES_SERVICE_PORT"), access, err);
}

int main(int argc, char **argv)
{
    driver d = {.loop = event_base_new(), .clock = ns_clock_real(), .snapshot = ns_snapshot_new()};
    ns_kubernetes_access access;
    ns_error err;
    const char *confirm = getenv("NS_CONFIRM_MS");
    if (argc != 3 || d.loop == NULL || d.snapshot == NULL)
        return 2;
    d.in = evbuffer_new();
    ns_kubernetes_options options = {.access = &access, .allow_exec = true, .requests_per_s = 50};
    if (open_access(argv[1], &access, &err) != NS_OK || ns_kubernetes_new(d.loop, &options, &d.cluster, &err) != NS_OK)
        die(&err);
    ns_kubernetes_source_options source = {
        .client = d.cluster, .name_space = argv[2], .confirm_ms = confirm == NULL ? 0 : atoi(confirm)};
    ns_kubernetes_hands_options hands = {.client = d.cluster, .name_space = argv[2]};
    if (ns_kubernetes_source_new(d.loop, d.snapshot, &d.clock, &source, &d.source, &err) != NS_OK ||
        ns_kubernetes_hands_new(&hands, &d.hands, &err) != NS_OK)
        die(&err);
    d.readable = event_new(d.loop, 0, EV_READ | EV_PERSIST, readable, &d);
    d.settle = evtimer_new(d.loop, settle, &d);
    if (d.readable == NULL || d.settle == NULL || event_add(d.readable, NULL) != 0)
        return 2;
    (void)event_base_dispatch(d.loop);
    d.hands.free(d.hands.self);
    d.source.free(d.source.self);
    ns_kubernetes_free(d.cluster);
    ns_snapshot_free(d.snapshot);
    event_free(d.readable);
    event_free(d.settle);
    evbuffer_free(d.in);
    event_base_free(d.loop);
    return ns_mem_live() == 0 ? 0 : 3;
}
