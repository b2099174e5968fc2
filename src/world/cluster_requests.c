/* What visitors of the cluster see, and what they may ask for. */
#include "world/load.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- what can be seen ---- */

void ns_world_uid(const ns_world *w, const char *kind, uint64_t n, char out[NS_WORLD_UID_MAX])
{
    ns_rng rng;
    ns_world_stream(w, &rng, kind, n, 17);
    uint64_t a = ns_rng_u64(&rng), b = ns_rng_u64(&rng);
    (void)snprintf(out, NS_WORLD_UID_MAX, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32),
                   (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
                   (unsigned long long)(b & 0xffffffffffffu));
}

uint64_t ns_world_resource_version(const ns_world *w)
{
    return w->resource_version;
}

static int32_t count_pods(const workload *d, int64_t serial, bool ready)
{
    int32_t n = 0;
    for (size_t i = 0; i < d->pods; i++) {
        const pod *p = &d->pod[i];
        n += p->state != POD_leaving && (serial == 0 || p->serial == serial) && (!ready || p->state == POD_ready);
    }
    return n;
}

void ns_world_rollout_of(const ns_world *w, size_t at, ns_world_rollout *out)
{
    NS_CHECK(at < NS_SERVICES);
    const workload *d = &w->deployment[at];
    *out = (ns_world_rollout){.replicas = d->replicas,
                              .total = count_pods(d, 0, false),
                              .updated = count_pods(d, d->revision[d->revisions - 1].serial, false),
                              .ready = ns_cluster_ready(d),
                              .available = ns_cluster_ready(d),
                              .generation = d->generation,
                              .observed_generation = d->observed,
                              .paused = d->paused,
                              .complete = ns_cluster_complete(d),
                              .created_ms = d->created_ms,
                              .progress_ms = d->progress_ms,
                              .since_ms = d->template_ms,
                              .resource_version = d->rv,
                              .key = d->key};
    out->stuck = !out->complete && !d->paused && w->now_ms - d->progress_ms > PROGRESS_MS;
    ns_world_uid(w, "deployment", at, out->uid);
}

size_t ns_world_revision_count(const ns_world *w, size_t at)
{
    NS_CHECK(at < NS_SERVICES);
    return w->deployment[at].revisions;
}

void ns_world_revision_at(const ns_world *w, size_t at, size_t i, ns_world_revision *out)
{
    NS_CHECK(at < NS_SERVICES && i < w->deployment[at].revisions);
    const workload *d = &w->deployment[at];
    const revision *r = &d->revision[i];
    *out = (ns_world_revision){.serial = r->serial,
                               .number = r->number,
                               .hash = r->hash,
                               .template_is = r->is,
                               .created_ms = r->created_ms,
                               .generation = r->generation,
                               .resource_version = r->rv,
                               .pods = count_pods(d, r->serial, false),
                               .ready = count_pods(d, r->serial, true)};
    out->wanted = out->pods;
    ns_world_uid(w, "replicaset", (uint64_t)r->serial, out->uid);
}

size_t ns_world_pod_count(const ns_world *w, size_t at)
{
    NS_CHECK(at < NS_SERVICES);
    return w->deployment[at].pods;
}

void ns_world_pod_at(const ns_world *w, size_t at, size_t i, ns_world_pod *out)
{
    static const ns_world_pod_state states[] = {[POD_pulling] = NS_POD_image_missing,
                                                [POD_starting] = NS_POD_starting,
                                                [POD_ready] = NS_POD_ready,
                                                [POD_backoff] = NS_POD_crash_loop,
                                                [POD_leaving] = NS_POD_leaving};
    NS_CHECK(at < NS_SERVICES && i < w->deployment[at].pods);
    const pod *p = &w->deployment[at].pod[i];
    *out = (ns_world_pod){.name = p->name,
                          .revision = p->serial,
                          .state = states[p->state],
                          .created_ms = p->created_ms,
                          .started_ms = p->started_ms,
                          .ready_ms = p->ready_ms,
                          .exit_ms = p->exit_ms,
                          .out_of_memory = p->out_of_memory,
                          .restarts = p->restarts,
                          .memory = ns_load_pod_memory(w, at, p),
                          .node = at % KUBE_NODES == 0 ? "node-1" : "node-2",
                          .resource_version = p->rv};
    ns_world_uid(w, "pod", (uint64_t)p->id, out->uid);
}

/* Kept and not older than an hour, as a real API server does. */
static int64_t first_event(const ns_world *w)
{
    int64_t first = w->kube_events > KUBE_EVENTS_KEPT ? w->kube_events - KUBE_EVENTS_KEPT + 1 : 1;
    while (first <= w->kube_events && w->now_ms - w->kube_event[first % KUBE_EVENTS_KEPT].last_ms > 3600000)
        first++;
    return first;
}

size_t ns_world_event_count(const ns_world *w)
{
    return (size_t)(w->kube_events - first_event(w) + 1);
}

void ns_world_event_at(const ns_world *w, size_t i, ns_world_event *out)
{
    *out = w->kube_event[(first_event(w) + (int64_t)i) % KUBE_EVENTS_KEPT];
}

/* ---- what may be asked for ---- */

static ns_status known(size_t at, ns_error *err)
{
    return at < NS_SERVICES ? NS_OK : ns_fail(err, NS_NOT_FOUND, "there is no such Deployment");
}

/* A line of the ledger, and who is to be thanked if it helps. action: of NeuroShield; no_op counts as none. */
static void note(ns_world *w, size_t at, ns_world_effect_kind kind, ns_action action, const char *key,
                 const ns_world_request *request)
{
    ns_world_effect *effect = ns_world_note_effect(w, kind, key, request);
    (void)snprintf(effect->target, sizeof effect->target, "deployment %s", ns_service_at(at)->name);
    bool ours = ns_world_is_neuroshield(request->user, key);
    if (kind == NS_EFFECT_annotate)
        return;
    w->deployment[at].touched = ours ? NS_ORIGIN_neuroshield : NS_ORIGIN_other;
    if (ours && action != NS_ACTION_no_op && at < NS_PIPELINES)
        ns_world_incident_saw(w, at, action);
}

ns_status ns_world_scale(ns_world *w, size_t at, int32_t replicas, const char *key, const ns_world_request *request,
                         ns_error *err)
{
    ns_status status = known(at, err);
    if (status != NS_OK)
        return status;
    if (replicas < 0 || replicas > NS_WORLD_REPLICAS_MAX)
        return ns_fail(err, NS_BAD_INPUT, "0 to %d replicas can be asked for", NS_WORLD_REPLICAS_MAX);
    int32_t before = w->deployment[at].replicas;
    if (replicas == before)
        return NS_OK;
    /* Taking pods back is no remedy for anything. */
    note(w, at, NS_EFFECT_scale, replicas > before ? NS_ACTION_scale_up : NS_ACTION_no_op, key, request);
    ns_cluster_replicas(w, at, replicas);
    ns_cluster_event(w, at, false, "ScalingReplicaSet", "Deployment", ns_service_at(at)->name,
                     "Scaled %s from %d to %d", replicas > before ? "up" : "down", before, replicas);
    return NS_OK;
}

static bool good_limit(double limit)
{
    return isnan(limit) || (limit > 0 && limit < 1e15);
}

ns_status ns_world_set_template(ns_world *w, size_t at, const ns_world_template *is, bool restart, const char *key,
                                const ns_world_request *request, int64_t *serial, ns_error *err)
{
    ns_status status = known(at, err);
    if (status != NS_OK)
        return status;
    if (memchr(is->image, '\0', sizeof is->image) == NULL || is->image[0] == '\0' ||
        memchr(is->key, '\0', sizeof is->key) == NULL || !good_limit(is->cpu_limit) || !good_limit(is->memory_limit))
        return ns_fail(err, NS_BAD_INPUT, "this pod template cannot be used");
    note(w, at, restart ? NS_EFFECT_restart : NS_EFFECT_patch, restart ? NS_ACTION_restart_pods : NS_ACTION_no_op, key,
         request);
    ns_cluster_template(w, at, 0, is);
    *serial = w->deployment[at].revision[w->deployment[at].revisions - 1].serial;
    return NS_OK;
}

ns_status ns_world_rollback(ns_world *w, size_t at, int64_t serial, const char *key, const ns_world_request *request,
                            ns_error *err)
{
    ns_status status = known(at, err);
    if (status != NS_OK)
        return status;
    workload *d = &w->deployment[at];
    if (ns_cluster_revision(d, serial) == NULL)
        return ns_fail(err, NS_NOT_FOUND, "that revision of %s is not kept", ns_service_at(at)->name);
    if (d->revision[d->revisions - 1].serial == serial)
        return NS_OK;
    note(w, at, NS_EFFECT_rollback, NS_ACTION_rollback, key, request);
    ns_cluster_template(w, at, serial, NULL);
    return NS_OK;
}

ns_status ns_world_annotate(ns_world *w, size_t at, bool set_key, const char *key, bool is_patch,
                            const ns_world_request *request, ns_error *err)
{
    ns_status status = known(at, err);
    if (status != NS_OK)
        return status;
    workload *d = &w->deployment[at];
    note(w, at, is_patch ? NS_EFFECT_patch : NS_EFFECT_annotate, NS_ACTION_no_op, key, request);
    if (set_key)
        (void)ns_text_copy(d->key, sizeof d->key, ns_text_of(key));
    if (is_patch)
        d->generation++;
    ns_cluster_changed(w, at);
    return NS_OK;
}

void ns_world_set_key(ns_world *w, size_t at, const char *key)
{
    NS_CHECK(at < NS_SERVICES);
    workload *d = &w->deployment[at];
    if (strcmp(d->key, key) == 0)
        return;
    (void)ns_text_copy(d->key, sizeof d->key, ns_text_of(key));
    ns_cluster_changed(w, at);
}

ns_status ns_world_pause_rollout(ns_world *w, size_t at, bool paused, const char *key, const ns_world_request *request,
                                 ns_error *err)
{
    ns_status status = known(at, err);
    if (status != NS_OK || w->deployment[at].paused == paused)
        return status;
    note(w, at, NS_EFFECT_patch, NS_ACTION_no_op, key, request);
    w->deployment[at].paused = paused;
    w->deployment[at].generation++;
    w->deployment[at].progress_ms = w->now_ms;
    ns_cluster_changed(w, at);
    return NS_OK;
}

ns_status ns_world_delete_pod(ns_world *w, size_t at, const char *name, const char *key,
                              const ns_world_request *request, ns_error *err)
{
    ns_status status = known(at, err);
    if (status != NS_OK)
        return status;
    workload *d = &w->deployment[at];
    for (size_t i = 0; i < d->pods; i++) {
        if (strcmp(d->pod[i].name, name) != 0)
            continue;
        if (d->pod[i].state == POD_leaving)
            return NS_OK;
        note(w, at, NS_EFFECT_delete_pod, NS_ACTION_no_op, key, request);
        (void)snprintf(w->effect[w->effects % NS_WORLD_EFFECTS_KEPT].target, NS_JOB_MAX, "pod %s", name);
        ns_traffic_close(w, at);
        ns_cluster_remove_pod(w, at, &d->pod[i], "it is deleted");
        ns_traffic_open(w, at);
        ns_cluster_changed(w, at);
        return NS_OK;
    }
    return ns_fail(err, NS_NOT_FOUND, "there is no pod %s", name);
}
