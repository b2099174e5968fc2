/* The cluster's part of the world's doors: what a source of Kubernetes would see, and the three actions on Deployments
 * as the real hands do them (see orchestration/kubernetes_actions). */
#include "world/world_doors_inner.h"

#include "flow/deployment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the source ---- */

static void copy(char *out, size_t size, const char *text)
{
    (void)ns_text_copy(out, size, ns_text_of(text));
}

static ns_rollout rollout_now(const ns_world_rollout *r)
{
    return r->paused     ? NS_ROLLOUT_paused
           : r->complete ? NS_ROLLOUT_complete
           : r->stuck    ? NS_ROLLOUT_failed
                         : NS_ROLLOUT_progressing;
}

static bool is_recent(int64_t at_ms, int64_t now_ms)
{
    return at_ms >= 0 && now_ms - at_ms <= NS_CLUSTER_RECENT_MS;
}

static void read_pods(const ns_world *world, size_t d, ns_deployment_view *out)
{
    int64_t now_ms = ns_world_now_ms(world);
    int64_t pods = 0, crashing = 0, missing = 0, killed = 0, restarts = 0;
    for (size_t i = 0; i < ns_world_pod_count(world, d); i++) {
        ns_world_pod pod;
        ns_world_pod_at(world, d, i, &pod);
        if (pod.state == NS_POD_leaving)
            continue;
        pods++;
        crashing += pod.state == NS_POD_crash_loop;
        missing += pod.state == NS_POD_image_missing;
        killed += pod.out_of_memory && is_recent(pod.exit_ms, now_ms);
        restarts += pod.restarts;
    }
    ns_deployment_fact_set(out, NS_DEPLOYMENT_pods, pods, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_pods_crash_looping, crashing, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_pods_image_failing, missing, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_pods_oom_killed, killed, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_pods_pending, missing, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_pods_unschedulable, 0, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_restarts, restarts, now_ms);
}

static void read_events(const ns_world *world, size_t d, ns_deployment_view *out)
{
    size_t kept = 0;
    int64_t warnings = 0;
    memset(out->event, 0, sizeof out->event);
    for (size_t i = ns_world_event_count(world); i-- > 0;) { /* newest first */
        ns_world_event event;
        ns_world_event_at(world, i, &event);
        if (event.deployment != d)
            continue;
        warnings += event.warning && is_recent(event.last_ms, ns_world_now_ms(world)) ? event.count : 0;
        if (kept == NS_CLUSTER_EVENTS_KEPT)
            continue;
        ns_cluster_event *to = &out->event[kept++];
        *to = (ns_cluster_event){.at_ms = event.last_ms, .count = event.count, .warning = event.warning};
        copy(to->reason, sizeof to->reason, event.reason);
        copy(to->object, sizeof to->object, event.name);
        copy(to->message, sizeof to->message, event.message);
    }
    ns_deployment_fact_set(out, NS_DEPLOYMENT_warnings, warnings, ns_world_now_ms(world));
}

void ns_world_read_deployment(const ns_world *world, size_t d, ns_deployment_view *out)
{
    ns_world_rollout r;
    ns_world_revision present;
    int64_t now_ms = ns_world_now_ms(world);
    ns_world_rollout_of(world, d, &r);
    ns_world_revision_at(world, d, ns_world_revision_count(world, d) - 1, &present);
    out->at_ms = now_ms;
    out->exists = true;
    copy(out->uid, sizeof out->uid, r.uid);
    (void)snprintf(out->resource_version, sizeof out->resource_version, "%llu", (unsigned long long)r.resource_version);
    out->generation = r.generation;
    out->observed_generation = r.observed_generation;
    copy(out->template_hash, sizeof out->template_hash, present.hash);
    out->since_ms = r.since_ms;
    copy(out->image, sizeof out->image, present.template_is.image);
    out->managed_by[0] = '\0';
    out->paused = r.paused;
    out->has_hpa = 0;
    out->rollout = rollout_now(&r);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_replicas_wanted, r.replicas, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_replicas, r.total, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_replicas_updated, r.updated, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_replicas_ready, r.ready, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_replicas_available, r.available, now_ms);
    ns_deployment_fact_set(out, NS_DEPLOYMENT_revision, present.number, now_ms);
    double limit = present.template_is.memory_limit;
    ns_deployment_fact_set(out, NS_DEPLOYMENT_memory_limit, limit > 0 ? (int64_t)limit : -1, now_ms);
    read_pods(world, d, out);
    read_events(world, d, out);
}

/* ---- the hands ---- */

static int64_t serial_of_hash(const ns_world *world, size_t d, const char *hash)
{
    for (size_t i = 0; i < ns_world_revision_count(world, d); i++) {
        ns_world_revision r;
        ns_world_revision_at(world, d, i, &r);
        if (strcmp(r.hash, hash) == 0)
            return r.serial;
    }
    return 0;
}

static const char *cannot_scale(const ns_effect *effect, const ns_world_rollout *r)
{
    int64_t still;
    if (r->replicas == 0)
        return "it is scaled to 0";
    if (ns_text_int64(ns_text_of(effect->target), &still) && still != r->replicas)
        return "somebody has set another number of replicas";
    if (effect->undo)
        return effect->replicas >= r->replicas || effect->replicas < 1 ? "it has no more replicas than that" : NULL;
    return effect->replicas <= r->replicas ? "it has as many replicas already" : NULL;
}

static const char *cannot_roll_back(const ns_world *world, const ns_effect *effect, size_t d, const char *present)
{
    if (effect->target[0] == '\0')
        return "no template was verified here";
    if (strcmp(effect->target, present) == 0)
        return "the verified template is the present one";
    return serial_of_hash(world, d, effect->target) == 0 ? "the verified template is no longer kept" : NULL;
}

ns_status ns_world_can_change(const ns_world *world, const ns_effect *effect, ns_effect_answer *answer)
{
    ptrdiff_t d = ns_world_find_deployment(world, ns_text_of(effect->deployment));
    if (d < 0)
        return ns_fail(&answer->error, NS_NOT_FOUND, "the cluster has no such Deployment");
    ns_world_rollout r;
    ns_world_revision present;
    ns_world_rollout_of(world, (size_t)d, &r);
    ns_world_revision_at(world, (size_t)d, ns_world_revision_count(world, (size_t)d) - 1, &present);
    const char *why = effect->action == NS_ACTION_scale_up   ? cannot_scale(effect, &r)
                      : r.paused                             ? "its rollout is paused"
                      : effect->action == NS_ACTION_rollback ? cannot_roll_back(world, effect, (size_t)d, present.hash)
                                                             : NULL;
    if (why != NULL)
        return ns_fail(&answer->error, NS_CONFLICT, "%s: %s", effect->deployment, why);
    (void)snprintf(
        answer->baseline, sizeof answer->baseline,
        "{\"v\":1,\"uid\":\"%s\",\"rv\":\"%llu\",\"generation\":%lld,\"from\":%d,\"to\":%d,\"from_hash\":\"%s\","
        "\"to_hash\":\"%s\"}",
        r.uid, (unsigned long long)r.resource_version, (long long)r.generation, r.replicas,
        effect->action == NS_ACTION_scale_up ? effect->replicas : r.replicas, present.hash,
        effect->action == NS_ACTION_rollback ? effect->target : present.hash);
    return NS_OK;
}

/* The generation that prepare saw; -1 when the baseline does not tell. */
static long long generation_of(const char *baseline)
{
    static const char name[] = "\"generation\":";
    const char *at = strstr(baseline, name);
    return at == NULL ? -1 : strtoll(at + sizeof name - 1, NULL, 10);
}

static ns_status restart(ns_world *world, size_t d, const ns_effect *effect, const ns_world_request *request,
                         ns_error *err)
{
    ns_world_revision present;
    int64_t serial;
    ns_world_revision_at(world, d, ns_world_revision_count(world, d) - 1, &present);
    ns_world_template next = present.template_is;
    copy(next.key, sizeof next.key, effect->key);
    return ns_world_set_template(world, d, &next, true, effect->key, request, &serial, err);
}

ns_status ns_world_change(ns_world *world, const ns_effect *effect, const ns_world_request *request, ns_error *err)
{
    ptrdiff_t d = ns_world_find_deployment(world, ns_text_of(effect->deployment));
    if (d < 0)
        return ns_fail(err, NS_NOT_FOUND, "the cluster has no such Deployment");
    ns_world_rollout r;
    ns_world_rollout_of(world, (size_t)d, &r);
    if (generation_of(effect->baseline) != r.generation)
        return ns_fail(err, NS_CONFLICT, "%s was changed meanwhile", effect->deployment);
    switch ((int)effect->action) {
    case NS_ACTION_scale_up:
        return ns_world_scale(world, (size_t)d, effect->replicas, effect->key, request, err);
    case NS_ACTION_rollback:
        return ns_world_rollback(world, (size_t)d, serial_of_hash(world, (size_t)d, effect->target), effect->key,
                                 request, err);
    default:
        return restart(world, (size_t)d, effect, request, err);
    }
}
