/* The controllers and the kubelet of the simulated cluster: rolling updates, pods that start, crash and go. */
#include "world/load.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SYNC_MS        1000 /* from a change to the controller's look at it */
#define CRASH_PAUSE_MS 10000
#define PAUSE_MAX_MS   300000
#define GONE_MS        4000 /* what a pod needs to end when it is told */
#define PULL_HOPE_MS   NEVER
#define BEFORE_MS      86400000 /* the shop has been running for a day when the world begins */

static void touched(ns_world *w, uint64_t *resource_version)
{
    *resource_version = ++w->resource_version;
}

/* ---- events ---- */

static ns_world_event *event_like(ns_world *w, const char *reason, const char *name, const char *message)
{
    int64_t oldest = w->kube_events > 32 ? w->kube_events - 32 : 0;
    for (int64_t i = w->kube_events; i > oldest; i--) {
        ns_world_event *event = &w->kube_event[i % KUBE_EVENTS_KEPT];
        if (strcmp(event->reason, reason) == 0 && strcmp(event->name, name) == 0 &&
            strcmp(event->message, message) == 0)
            return event;
    }
    return NULL;
}

void ns_cluster_event(ns_world *w, size_t service, bool warning, const char *reason, const char *kind, const char *name,
                      const char *format, ...)
{
    char message[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    ns_world_event *event = event_like(w, reason, name, message);
    if (event == NULL) {
        int64_t serial = ++w->kube_events;
        event = &w->kube_event[serial % KUBE_EVENTS_KEPT];
        *event = (ns_world_event){.serial = serial, .deployment = service, .first_ms = w->now_ms, .warning = warning};
        (void)snprintf(event->reason, sizeof event->reason, "%s", reason);
        (void)snprintf(event->kind, sizeof event->kind, "%s", kind);
        (void)snprintf(event->name, sizeof event->name, "%s", name);
        memcpy(event->message, message, sizeof message);
    }
    event->count++;
    event->last_ms = w->now_ms;
    touched(w, &event->resource_version);
}

/* ---- revisions ---- */

static void draw_letters(ns_world *w, const char *stream, uint64_t n, char *out, size_t count)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    ns_rng rng;
    ns_world_stream(w, &rng, stream, n, 0);
    for (size_t i = 0; i < count; i++)
        out[i] = letters[ns_rng_below(&rng, sizeof letters - 1)];
    out[count] = '\0';
}

static revision *present(workload *d)
{
    return &d->revision[d->revisions - 1];
}

revision *ns_cluster_revision(workload *d, int64_t serial)
{
    for (size_t i = 0; i < d->revisions; i++)
        if (d->revision[i].serial == serial)
            return &d->revision[i];
    return NULL;
}

static size_t pods_of(const workload *d, int64_t serial)
{
    size_t n = 0;
    for (size_t i = 0; i < d->pods; i++)
        n += d->pod[i].serial == serial && d->pod[i].state != POD_leaving;
    return n;
}

static void forget_revision(workload *d, size_t at)
{
    memmove(&d->revision[at], &d->revision[at + 1], (d->revisions - at - 1) * sizeof d->revision[0]);
    d->revisions--;
}

/* Room for one more: the oldest without pods goes; when all have pods, the oldest loses them with its place. */
static void make_room(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    if (d->revisions < REVISIONS_MAX)
        return;
    size_t at = 0;
    while (at < d->revisions - 1 && pods_of(d, d->revision[at].serial) > 0)
        at++;
    if (at == d->revisions - 1)
        at = 0;
    for (size_t i = 0; i < d->pods; i++)
        if (d->pod[i].serial == d->revision[at].serial && d->pod[i].state != POD_leaving)
            ns_cluster_remove_pod(w, service, &d->pod[i], "its revision is forgotten");
    forget_revision(d, at);
}

/* What the image does, if there is such an image. */
static bool version_of(const ns_world *w, size_t service, const char *image, flaw *out)
{
    const ns_service *s = ns_service_at(service);
    const workload *d = &w->deployment[service];
    size_t len = strlen(s->image);
    *out = (flaw){0};
    if (strncmp(image, s->image, len) != 0)
        return false;
    if (image[len] == '\0' || (image[len] == ':' && strcmp(image + len + 1, s->tag) == 0))
        return true;
    for (int64_t n = d->versions; n > 0 && n > d->versions - VERSIONS_MAX; n--) {
        const version *v = &d->version[n % VERSIONS_MAX];
        if (image[len] == ':' && strcmp(v->tag, image + len + 1) == 0) {
            *out = v->flaw;
            return true;
        }
    }
    return false;
}

static void new_revision(ns_world *w, size_t service, const ns_world_template *is)
{
    workload *d = &w->deployment[service];
    make_room(w, service);
    revision *r = &d->revision[d->revisions++];
    *r = (revision){.serial = ++w->templates, .generation = 1, .created_ms = w->now_ms, .is = *is};
    r->pullable = version_of(w, service, is->image, &r->flaw);
    draw_letters(w, "template", (uint64_t)r->serial, r->hash, 10);
}

static void old_revision_again(workload *d, int64_t serial)
{
    revision *old = ns_cluster_revision(d, serial);
    NS_CHECK(old != NULL);
    revision kept = *old;
    forget_revision(d, (size_t)(old - d->revision));
    d->revision[d->revisions++] = kept;
}

void ns_cluster_template(ns_world *w, size_t service, int64_t serial, const ns_world_template *is)
{
    workload *d = &w->deployment[service];
    if (serial == 0)
        new_revision(w, service, is);
    else
        old_revision_again(d, serial);
    present(d)->number = ++d->revisions_made;
    touched(w, &present(d)->rv);
    d->generation++;
    d->progress_ms = d->template_ms = w->now_ms;
    ns_world_note(w, "template", (int64_t)service, present(d)->serial);
    ns_cluster_changed(w, service);
}

void ns_cluster_replicas(ns_world *w, size_t service, int32_t replicas)
{
    workload *d = &w->deployment[service];
    d->replicas = replicas;
    d->generation++;
    d->progress_ms = w->now_ms;
    ns_world_note(w, "replicas", (int64_t)service, replicas);
    ns_cluster_changed(w, service);
}

/* ---- pods ---- */

static void new_pod(ns_world *w, size_t service, revision *r)
{
    workload *d = &w->deployment[service];
    pod *p = &d->pod[d->pods++];
    *p = (pod){.id = ++w->pods_made,
               .serial = r->serial,
               .state = r->pullable ? POD_starting : POD_pulling,
               .created_ms = w->now_ms,
               .started_ms = w->now_ms,
               .ready_ms = -1,
               .exit_ms = -1,
               .due_ms = NEVER};
    char suffix[6];
    draw_letters(w, "pod", (uint64_t)p->id, suffix, 5);
    (void)snprintf(p->name, sizeof p->name, "%s-%s-%s", ns_service_at(service)->name, r->hash, suffix);
    if (r->pullable)
        p->due_ms = w->now_ms + (int64_t)(ns_service_at(service)->ready_s * 1000.0);
    touched(w, &p->rv);
    touched(w, &r->rv);
    char set[NS_WORLD_POD_NAME_MAX];
    (void)snprintf(set, sizeof set, "%s-%s", ns_service_at(service)->name, r->hash);
    ns_cluster_event(w, service, false, "SuccessfulCreate", "ReplicaSet", set, "Created pod: %s", p->name);
    if (!r->pullable)
        ns_cluster_event(w, service, true, "Failed", "Pod", p->name, "Failed to pull image \"%s\": not found",
                         r->is.image);
    else
        ns_cluster_event(w, service, false, "Started", "Pod", p->name, "Started container %s",
                         ns_service_at(service)->container);
    ns_world_note(w, "pod", (int64_t)service, p->id);
}

void ns_cluster_remove_pod(ns_world *w, size_t service, pod *p, const char *why)
{
    p->state = POD_leaving;
    p->ready_ms = -1;
    p->due_ms = w->now_ms + GONE_MS;
    touched(w, &p->rv);
    ns_cluster_event(w, service, false, "Killing", "Pod", p->name, "Stopping container %s: %s",
                     ns_service_at(service)->container, why);
    ns_world_note(w, "pod leaves", (int64_t)service, p->id);
}

static void becomes_ready(ns_world *w, size_t service, pod *p)
{
    workload *d = &w->deployment[service];
    const revision *r = ns_cluster_revision(d, p->serial);
    p->state = POD_ready;
    p->ready_ms = w->now_ms;
    p->due_ms = NEVER;
    if (r != NULL && r->flaw.crash_after_s > 0) {
        ns_rng rng;
        ns_world_stream(w, &rng, "crash", (uint64_t)p->id, (uint64_t)p->restarts);
        p->due_ms = w->now_ms + (int64_t)(r->flaw.crash_after_s * 1000.0 * (0.7 + 0.6 * ns_rng_uniform(&rng)));
    }
    d->progress_ms = w->now_ms;
    touched(w, &p->rv);
    ns_world_note(w, "pod ready", (int64_t)service, p->id);
}

/* Pause before the container is started again: none at first, then 10 s, doubled each time up to 5 minutes. */
static int64_t restart_pause(const pod *p)
{
    if (p->restarts <= 1)
        return 1000;
    int doublings = p->restarts - 2 < 5 ? p->restarts - 2 : 5;
    int64_t pause = (int64_t)CRASH_PAUSE_MS << doublings;
    return pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS;
}

static void container_ends(ns_world *w, size_t service, pod *p, bool out_of_memory)
{
    workload *d = &w->deployment[service];
    /* Who ran well for ten minutes is forgiven what was before. */
    bool forgiven = p->ready_ms >= 0 && w->now_ms - p->ready_ms > 600000;
    p->restarts++;
    p->memory_kills += out_of_memory;
    p->state = POD_backoff;
    p->ready_ms = -1;
    p->exit_ms = w->now_ms;
    p->out_of_memory = out_of_memory;
    p->due_ms = w->now_ms + (forgiven ? 1000 : restart_pause(p));
    int64_t at = ++d->kills % KILLS_KEPT;
    d->kill[at].at_ms = w->now_ms;
    d->kill[at].pod = p->id;
    d->kill[at].out_of_memory = out_of_memory;
    touched(w, &p->rv);
    ns_cluster_event(w, service, true, out_of_memory ? "OOMKilling" : "BackOff", "Pod", p->name,
                     out_of_memory ? "Memory cgroup out of memory: killed process of container %s"
                                   : "Back-off restarting failed container %s",
                     ns_service_at(service)->container);
    ns_world_note(w, out_of_memory ? "out of memory" : "crash", (int64_t)service, p->id);
}

static void container_starts(ns_world *w, size_t service, pod *p)
{
    p->state = POD_starting;
    p->started_ms = w->now_ms;
    p->heap = 0;
    p->due_ms = w->now_ms + (int64_t)(ns_service_at(service)->ready_s * 1000.0);
    touched(w, &p->rv);
}

static void drop_pod(ns_world *w, workload *d, size_t at)
{
    revision *r = ns_cluster_revision(d, d->pod[at].serial);
    if (r != NULL)
        touched(w, &r->rv);
    touched(w, &d->rv);
    w->gone_cpu_s[d - w->deployment] += d->pod[at].cpu_s;
    memmove(&d->pod[at], &d->pod[at + 1], (d->pods - at - 1) * sizeof d->pod[0]);
    d->pods--;
}

/* True when a pod changed. */
static bool pods_due(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    bool changed = false;
    for (size_t i = 0; i < d->pods; i++) {
        pod *p = &d->pod[i];
        if (p->due_ms > w->now_ms)
            continue;
        changed = true;
        switch (p->state) {
        case POD_starting:
            becomes_ready(w, service, p);
            break;
        case POD_ready:
            container_ends(w, service, p, false);
            break;
        case POD_backoff:
            container_starts(w, service, p);
            break;
        case POD_leaving:
            drop_pod(w, d, i--);
            break;
        case POD_pulling:
            p->due_ms = PULL_HOPE_MS;
            break;
        }
    }
    return changed;
}

static bool memory_runs_out(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    bool killed = false;
    for (size_t i = 0; i < d->pods; i++) {
        pod *p = &d->pod[i];
        const revision *r = ns_cluster_revision(d, p->serial);
        bool runs = p->state == POD_starting || p->state == POD_ready;
        if (!runs || r == NULL || isnan(r->is.memory_limit) || ns_load_pod_memory(w, service, p) < r->is.memory_limit)
            continue;
        container_ends(w, service, p, true);
        killed = true;
    }
    return killed;
}

/* ---- the controller ---- */

int32_t ns_cluster_ready(const workload *d)
{
    int32_t n = 0;
    for (size_t i = 0; i < d->pods; i++)
        n += d->pod[i].state == POD_ready;
    return n;
}

static int32_t living(const workload *d)
{
    int32_t n = 0;
    for (size_t i = 0; i < d->pods; i++)
        n += d->pod[i].state != POD_leaving;
    return n;
}

bool ns_cluster_complete(const workload *d)
{
    int32_t updated = (int32_t)pods_of(d, d->revision[d->revisions - 1].serial);
    return d->generation == d->observed && updated >= d->replicas && living(d) <= updated &&
           ns_cluster_ready(d) >= d->replicas;
}

/* The pod that is missed least: not ready before ready, then the youngest. -1: none. */
static ptrdiff_t least_missed(const workload *d, bool of_present, bool may_be_ready)
{
    ptrdiff_t best = -1;
    for (size_t i = 0; i < d->pods; i++) {
        const pod *p = &d->pod[i];
        bool is_present = p->serial == d->revision[d->revisions - 1].serial;
        if (p->state == POD_leaving || is_present != of_present || (p->state == POD_ready && !may_be_ready))
            continue;
        if (best < 0 || (p->state != POD_ready && d->pod[best].state == POD_ready) ||
            ((p->state == POD_ready) == (d->pod[best].state == POD_ready) && p->id > d->pod[best].id))
            best = (ptrdiff_t)i;
    }
    return best;
}

/* Rolling update with maxSurge and maxUnavailable of 25 %. True: one pod was made or told to go. */
static bool controller_step(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    int32_t most = d->replicas + (d->replicas + 3) / 4, least = d->replicas - d->replicas / 4;
    int32_t updated = (int32_t)pods_of(d, present(d)->serial), all = living(d), ready = ns_cluster_ready(d);
    ptrdiff_t at = updated > d->replicas ? least_missed(d, true, true) : -1;
    if (at < 0) /* an old one that is of no use, then one that can be spared */
        at = least_missed(d, false, ready > least || d->replicas == 0);
    if (at >= 0) {
        ns_cluster_remove_pod(w, service, &d->pod[at], "the ReplicaSet is scaled down");
        return true;
    }
    if (updated < d->replicas && all < (most > 0 ? most : d->replicas) && d->pods < PODS_MAX) {
        new_pod(w, service, present(d));
        return true;
    }
    return false;
}

static bool controller_looks(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    if (d->sync_ms <= w->now_ms) {
        d->sync_ms = NEVER;
        d->observed = d->generation;
        touched(w, &d->rv);
    }
    bool changed = false;
    for (int n = 0; !d->paused && d->observed == d->generation && n < 2 * PODS_MAX && controller_step(w, service); n++)
        changed = true;
    if (changed) {
        d->progress_ms = w->now_ms;
        touched(w, &d->rv);
    }
    return changed;
}

/* ---- the Deployment's timer ---- */

void ns_cluster_set_timer(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    int64_t next = d->sync_ms;
    for (size_t i = 0; i < d->pods; i++)
        next = d->pod[i].due_ms < next ? d->pod[i].due_ms : next;
    if (ns_cluster_hot(w, service)) {
        int64_t tick = (w->now_ms / HOT_MS + 1) * HOT_MS;
        next = tick < next ? tick : next;
    }
    ns_world_set_timer(w, TIMER_CLUSTER + service, next);
}

void ns_cluster_changed(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    touched(w, &d->rv);
    if (d->sync_ms > w->now_ms + SYNC_MS)
        d->sync_ms = w->now_ms + SYNC_MS;
    ns_cluster_set_timer(w, service);
}

void ns_world_cluster_due(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    ns_traffic_close(w, service);
    ns_cluster_fault_ends(w, service);
    bool changed = pods_due(w, service);
    changed = memory_runs_out(w, service) || changed;
    changed = controller_looks(w, service) || changed;
    if (changed)
        touched(w, &d->rv);
    ns_traffic_open(w, service);
    ns_cluster_judge(w, service);
    ns_cluster_set_timer(w, service);
}

/* ---- versions ---- */

void ns_world_deploy(ns_world *w, size_t service, int64_t number, ns_origin origin)
{
    const ns_service *s = ns_service_at(service);
    workload *d = &w->deployment[service];
    version *v = &d->version[++d->versions % VERSIONS_MAX];
    (void)snprintf(v->tag, sizeof v->tag, "%s-%lld", s->tag, (long long)number);
    v->flaw = ns_cluster_flaw_of_build(w, service);
    ns_world_template next = present(d)->is;
    (void)snprintf(next.image, sizeof next.image, "%s:%s", s->image, v->tag);
    next.key[0] = '\0';
    d->touched = origin;
    ns_cluster_template(w, service, 0, &next);
}

void ns_world_first_pods(ns_world *w)
{
    int64_t long_ago_ms = w->now_ms - BEFORE_MS;
    for (size_t i = 0; i < NS_SERVICES; i++) {
        const ns_service *s = ns_service_at(i);
        workload *d = &w->deployment[i];
        *d = (workload){.replicas = 1,
                        .generation = 1,
                        .observed = 1,
                        .sync_ms = NEVER,
                        .created_ms = long_ago_ms,
                        .progress_ms = long_ago_ms,
                        .template_ms = long_ago_ms,
                        .bad_ms = -1,
                        .revisions_made = 1};
        ns_world_template is = {.cpu_limit = s->cpu_limit, .memory_limit = s->memory_limit};
        (void)snprintf(is.image, sizeof is.image, "%s:%s", s->image, s->tag);
        new_revision(w, i, &is);
        present(d)->number = 1;
        new_pod(w, i, present(d));
        becomes_ready(w, i, &d->pod[0]);
        d->progress_ms = present(d)->created_ms = long_ago_ms;
        d->pod[0].created_ms = d->pod[0].started_ms = d->pod[0].ready_ms = long_ago_ms;
        touched(w, &d->rv);
        ns_traffic_begin(w, i);
    }
}
