/* What goes wrong in the cluster, how its users fare, and what a person on call does about it. */
#include "world/load.h"

#include <math.h>
#include <stdio.h>

#define ERRORS_BAD 0.02 /* share of errors above the usual from which users suffer */
#define WAIT_BAD_S 1.0
#define MOST_LOAD  0.8 /* a surge is at most this share of what all pods of the quota could take: it can be cured */

condition *ns_world_cluster_condition(ns_world *w, size_t job)
{
    if (job >= NS_PIPELINES)
        return NULL;
    condition *c = &w->pipeline[job].condition[0];
    const ns_world_incident *incident = ns_world_incident_of(w, job);
    bool open = incident != NULL && ns_world_incident_open(incident) && incident->over_ms < 0;
    return open && c->trouble != TROUBLE_none ? c : NULL;
}

/* ---- begin and end ---- */

static double usual_requests(const ns_world *w, size_t service)
{
    return ns_load_traffic_share(service) * ns_load_requests(w, w->now_ms);
}

/* The memory that is free in the fullest pod. */
static double free_memory(const ns_world *w, size_t service)
{
    const workload *d = &w->deployment[service];
    double most = ns_service_at(service)->memory_start;
    for (size_t i = 0; i < d->pods; i++)
        most = fmax(most, ns_load_pod_memory(w, service, &d->pod[i]));
    return fmax(d->revision[d->revisions - 1].is.memory_limit - most, 1e6);
}

/* Extra traffic of 1.15 to 1.75 times what the pods can take in all. */
static void surge_begins(ns_world *w, size_t service, const condition *c)
{
    workload *d = &w->deployment[service];
    double of_pod = ns_traffic_pod_capacity(service, d->revision[d->revisions - 1].is.cpu_limit);
    double whole = of_pod * fmax(d->replicas, 1) * (1.15 + 0.6 * c->severity);
    d->surge = fmax(fmin(whole, MOST_LOAD * PODS_MAX * of_pod) - usual_requests(w, service), 0.0);
    d->replicas_before = d->replicas;
}

static void debris_begins(ns_world *w, size_t service, const condition *c)
{
    workload *d = &w->deployment[service];
    for (size_t i = 0; i < d->pods; i++)
        d->pod[i].fills = true;
    d->fill_rate = free_memory(w, service) / (60.0 + 180.0 * (1.0 - c->severity));
}

void ns_cluster_fault_begins(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    const condition *c = ns_world_cluster_condition(w, service);
    d->touched = NS_ORIGIN_timer;
    d->bad_ms = -1;
    if (c == NULL)
        return;
    ns_traffic_close(w, service);
    if (c->trouble == TROUBLE_surge)
        surge_begins(w, service, c);
    else if (c->trouble == TROUBLE_debris)
        debris_begins(w, service, c);
    ns_traffic_open(w, service);
    ns_cluster_set_timer(w, service);
}

flaw ns_cluster_flaw_of_build(ns_world *w, size_t service)
{
    const condition *c = ns_world_cluster_condition(w, service);
    flaw out = {0};
    if (c == NULL || !c->active)
        return out;
    double mild = 1.0 - c->severity;
    if (c->trouble == TROUBLE_leak) {
        const ns_service *s = ns_service_at(service);
        double room = w->deployment[service].revision[w->deployment[service].revisions - 1].is.memory_limit;
        room = fmax(room - s->memory_start, 1e6);
        out.leak = room / ((90.0 + 210.0 * mild) * usual_requests(w, service));
    } else if (c->trouble == TROUBLE_crash) {
        out.crash_after_s = 15.0 + 45.0 * mild;
    } else if (c->trouble == TROUBLE_errors) {
        out.error_share = fmin(fmax(c->severity, 0.15), 0.9);
    }
    return out;
}

static void clear(ns_world *w, size_t service, bool files)
{
    workload *d = &w->deployment[service];
    d->surge = 0;
    d->fill_rate = 0;
    for (size_t i = 0; i < d->pods; i++) {
        d->pod[i].fills = false;
        d->pod[i].debris = files ? 0 : d->pod[i].debris;
    }
}

void ns_cluster_fault_ends(ns_world *w, size_t service)
{
    condition *c = ns_world_cluster_condition(w, service);
    if (c == NULL || !c->active || c->code || !c->ends_itself || !c->met || w->now_ms < c->ends_ms)
        return;
    c->active = false;
    w->deployment[service].touched = NS_ORIGIN_timer;
    clear(w, service, true);
    ns_world_note(w, "fault ended", (int64_t)service, 0);
}

static bool is_flawed(const flaw *f)
{
    return f->crash_after_s > 0 || f->error_share > 0 || f->leak > 0;
}

/* Any pod that will make trouble again. */
static bool seed_left(workload *d)
{
    for (size_t i = 0; i < d->pods; i++) {
        const revision *r = ns_cluster_revision(d, d->pod[i].serial);
        if (d->pod[i].state != POD_leaving && (d->pod[i].fills || (r != NULL && is_flawed(&r->flaw))))
            return true;
    }
    return false;
}

void ns_cluster_fault_lifted(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    bool surge = d->surge > 0;
    ns_traffic_close(w, service);
    clear(w, service, false);
    ns_traffic_open(w, service);
    if (surge && d->touched == NS_ORIGIN_person) /* whoever added pods for it takes them back after it */
        ns_cluster_replicas(w, service, d->replicas_before);
    if (seed_left(d)) /* nobody mended it: it is put right as the next one comes along */
        ns_cluster_person_acts(w, service);
    ns_cluster_set_timer(w, service);
}

/* ---- how its users fare ---- */

bool ns_cluster_hot(const ns_world *w, size_t service)
{
    const workload *d = &w->deployment[service];
    if (d->surge > 0 || d->queue > 0 || (d->bad_ms >= 0 && w->now_ms - d->bad_ms < 2 * WINDOW_MS))
        return true;
    for (size_t i = 0; i < d->pods; i++)
        if (d->pod[i].fills || (d->pod[i].state != POD_ready && d->pod[i].restarts > 0))
            return true;
    for (size_t i = 0; i < d->revisions; i++)
        for (size_t k = 0; is_flawed(&d->revision[i].flaw) && k < d->pods; k++)
            if (d->pod[k].serial == d->revision[i].serial)
                return true;
    return false;
}

static bool suffers(const ns_world *w, size_t service)
{
    const workload *d = &w->deployment[service];
    bool killed = d->kills > 0 && d->kill[d->kills % KILLS_KEPT].at_ms == w->now_ms;
    return killed || d->now.ready == 0 || d->now.wait_s > WAIT_BAD_S ||
           d->now.error_share > ns_service_at(service)->error_share + ERRORS_BAD;
}

void ns_cluster_judge(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    bool bad = suffers(w, service);
    if (bad)
        d->bad_ms = w->now_ms;
    condition *c = ns_world_cluster_condition(w, service);
    if (c == NULL)
        return;
    if (bad && !c->met) {
        c->met = true;
        c->ends_ms = w->now_ms + c->lasts_ms;
        ns_world_cluster_bad(w, service);
    } else if (c->met && !bad && w->now_ms - d->bad_ms >= WINDOW_MS && ns_cluster_complete(d) && !seed_left(d) &&
               !d->now.saturated) {
        ns_world_cluster_calm(w, service);
    }
}

/* ---- the person ---- */

static int32_t enough_pods(const ns_world *w, size_t service)
{
    const workload *d = &w->deployment[service];
    double of_pod = ns_traffic_pod_capacity(service, d->revision[d->revisions - 1].is.cpu_limit);
    double wanted = ceil((usual_requests(w, service) + d->surge) / (0.7 * of_pod));
    return (int32_t)fmin(fmax(wanted, d->replicas + 1), PODS_MAX);
}

/* Back to the newest version without a flaw; when none is kept, to the manifest's. */
static void back_to_good(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    for (size_t i = d->revisions - 1; i-- > 0;) {
        if (is_flawed(&d->revision[i].flaw) || !d->revision[i].pullable)
            continue;
        ns_cluster_template(w, service, d->revision[i].serial, NULL);
        return;
    }
    const ns_service *s = ns_service_at(service);
    ns_world_template is = d->revision[d->revisions - 1].is;
    (void)snprintf(is.image, sizeof is.image, "%s:%s", s->image, s->tag);
    is.key[0] = '\0';
    ns_cluster_template(w, service, 0, &is);
}

void ns_cluster_person_acts(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    d->touched = NS_ORIGIN_person;
    if (is_flawed(&d->revision[d->revisions - 1].flaw)) {
        back_to_good(w, service);
    } else if (d->surge > 0) {
        ns_cluster_replicas(w, service, enough_pods(w, service));
    } else if (seed_left(d)) { /* the same template again, so that all pods are new */
        ns_world_template is = d->revision[d->revisions - 1].is;
        is.key[0] = '\0';
        ns_cluster_template(w, service, 0, &is);
    }
}
