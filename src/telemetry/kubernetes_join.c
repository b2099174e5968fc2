#include "telemetry/kubernetes_join.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is counted for one Deployment. */
typedef struct tally {
    const kube_space *space;
    const kube_object *deployment;
    char key[2 * NS_NAME_MAX]; /* NAME or NAMESPACE/NAME */
    int64_t pods, crash_looping, image_failing, oom_killed, pending, unschedulable, restarts, warnings;
    const kube_object *set; /* ReplicaSet of the present template; NULL not known */
    const kube_object *event[NS_CLUSTER_EVENTS_KEPT];
    bool has_hpa;
} tally;

typedef struct tallies {
    kube_joining *joining;
    tally *at;
    size_t count;
    size_t *first; /* of each space: where its Deployments begin, in the order of their shelf */
    tally **by_key;
} tallies;

/* ---- counting ---- */

static tally *tally_of(const tallies *t, size_t space, const char *deployment_uid)
{
    const kube_object *found = kube_shelf_find(&t->joining->spaces[space].of[KUBE_deployment].shelf, deployment_uid);
    return found == NULL ? NULL : &t->at[t->first[space] + found->place];
}

/* Pods name their ReplicaSet, ReplicaSets their Deployment. */
static tally *tally_of_set(const tallies *t, size_t space, const char *set_uid)
{
    const kube_object *set = kube_shelf_find(&t->joining->spaces[space].of[KUBE_replicaset].shelf, set_uid);
    return set == NULL ? NULL : tally_of(t, space, set->owner);
}

static bool is_recent(const tallies *t, int64_t at_ms)
{
    return at_ms >= 0 && t->joining->now_ms - at_ms <= NS_CLUSTER_RECENT_MS;
}

static void count_set(tally *of, const kube_object *set)
{
    const kube_replicaset *mine = &set->of.replicaset;
    if (mine->revision > 0 && mine->revision == of->deployment->of.deployment.revision)
        of->set = set;
}

static void count_pod(const tallies *t, tally *of, const kube_pod *pod)
{
    if (is_recent(t, pod->oom_ms))
        of->oom_killed++; /* also of one that is going away */
    if (pod->terminating || pod->finished)
        return;
    of->pods++;
    of->crash_looping += pod->crash_looping;
    of->image_failing += pod->image_failing;
    of->pending += pod->pending;
    of->unschedulable += pod->unschedulable;
    of->restarts += pod->restarts;
}

/* Keeps the newest few. */
static void count_event(const tallies *t, tally *of, const kube_object *event)
{
    of->warnings += event->of.event.warning && is_recent(t, event->of.event.at_ms);
    for (size_t i = 0; i < NS_CLUSTER_EVENTS_KEPT; i++) {
        if (of->event[i] != NULL && of->event[i]->of.event.at_ms >= event->of.event.at_ms)
            continue;
        for (size_t later = NS_CLUSTER_EVENTS_KEPT - 1; later > i; later--)
            of->event[later] = of->event[later - 1];
        of->event[i] = event;
        return;
    }
}

static tally *tally_of_event(const tallies *t, size_t space, const char *about)
{
    const kube_object *pod = kube_shelf_find(&t->joining->spaces[space].of[KUBE_pod].shelf, about);
    if (pod != NULL)
        return tally_of_set(t, space, pod->owner);
    tally *own = tally_of(t, space, about);
    return own != NULL ? own : tally_of_set(t, space, about);
}

static void count_space(const tallies *t, size_t s)
{
    const kube_space *space = &t->joining->spaces[s];
    const kube_shelf *sets = &space->of[KUBE_replicaset].shelf, *pods = &space->of[KUBE_pod].shelf;
    const kube_shelf *events = &space->of[KUBE_event].shelf, *hpas = &space->of[KUBE_hpa].shelf;
    tally *of;
    for (size_t i = 0; i < sets->count; i++)
        if ((of = tally_of(t, s, sets->at[i]->owner)) != NULL)
            count_set(of, sets->at[i]);
    for (size_t i = 0; i < pods->count; i++)
        if ((of = tally_of_set(t, s, pods->at[i]->owner)) != NULL)
            count_pod(t, of, &pods->at[i]->of.pod);
    for (size_t i = 0; i < events->count; i++)
        if ((of = tally_of_event(t, s, events->at[i]->owner)) != NULL)
            count_event(t, of, events->at[i]);
    for (size_t i = 0; i < hpas->count; i++)
        for (size_t d = 0; hpas->at[i]->of.hpa.targets_deployment && d < space->of[KUBE_deployment].shelf.count; d++)
            if (strcmp(t->at[t->first[s] + d].deployment->name, hpas->at[i]->owner) == 0)
                t->at[t->first[s] + d].has_hpa = true;
}

/* ---- names ---- */

static int by_key(const void *a, const void *b)
{
    const tally *const *left = a, *const *right = b;
    return strcmp((*left)->key, (*right)->key);
}

static const tally *find(const tallies *t, const char *key)
{
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(key, t->by_key[middle]->key);
        if (order == 0)
            return t->by_key[middle];
        *(order < 0 ? &high : &low) = order < 0 ? middle : middle + 1;
    }
    return NULL;
}

/* The next job of a list with commas or blanks between. */
static bool next_job(ns_text *rest, ns_text *job)
{
    *rest = ns_text_trim(*rest);
    while (rest->len > 0 && rest->at[0] == ',')
        *rest = ns_text_trim((ns_text){rest->at + 1, rest->len - 1});
    size_t n = 0;
    while (n < rest->len && rest->at[n] != ',')
        n++;
    *job = ns_text_trim((ns_text){rest->at, n});
    *rest = (ns_text){rest->at + n, rest->len - n};
    return job->len > 0;
}

/* Who claims each pipeline that the configuration says nothing about; a second claim makes it nobody's. */
static void map_by_annotation(const tallies *t, const tally **claim, bool *contested)
{
    for (size_t i = 0; i < t->count; i++) {
        ns_text rest = ns_text_of(t->at[i].deployment->of.deployment.job), job;
        while (next_job(&rest, &job)) {
            const ns_pipeline_view *view = ns_snapshot_find(t->joining->snapshot, job);
            if (view == NULL || view->deployment_fixed)
                continue;
            contested[view->index] |= claim[view->index] != NULL && claim[view->index] != &t->at[i];
            claim[view->index] = &t->at[i];
        }
    }
}

/* ---- writing ---- */

static int64_t older(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_counts(ns_deployment_view *out, const tally *of)
{
    const kube_deployment *d = &of->deployment->of.deployment;
    const kube_watcher *w = of->space->of;
    const int64_t at_ms = w[KUBE_deployment].heard_ms;
    const int64_t pods_ms =
        w[KUBE_pod].listed && w[KUBE_replicaset].listed ? older(w[KUBE_pod].heard_ms, w[KUBE_replicaset].heard_ms) : -1;
    const int64_t events_ms =
        w[KUBE_event].listed && w[KUBE_event].trouble == NS_OK ? older(w[KUBE_event].heard_ms, pods_ms) : -1;
#define FACT(name, n, when) ns_deployment_fact_set(out, NS_DEPLOYMENT_##name, n, when)
    FACT(replicas_wanted, d->wanted, at_ms);
    FACT(replicas, d->replicas, at_ms);
    FACT(replicas_updated, d->updated, at_ms);
    FACT(replicas_ready, d->ready, at_ms);
    FACT(replicas_available, d->available, at_ms);
    FACT(revision, d->revision, at_ms);
    FACT(memory_limit, d->memory_limit, at_ms);
    FACT(pods, of->pods, pods_ms);
    FACT(pods_crash_looping, of->crash_looping, pods_ms);
    FACT(pods_image_failing, of->image_failing, pods_ms);
    FACT(pods_oom_killed, of->oom_killed, pods_ms);
    FACT(pods_pending, of->pending, pods_ms);
    FACT(pods_unschedulable, of->unschedulable, pods_ms);
    FACT(restarts, of->restarts, pods_ms);
    FACT(warnings, of->warnings, events_ms);
#undef FACT
}

static void set_events(const kube_joining *joining, ns_deployment_view *out, const tally *of)
{
    for (size_t i = 0; i < NS_CLUSTER_EVENTS_KEPT && of->event[i] != NULL; i++) {
        out->event[i] = of->event[i]->of.event;
        if (joining->redactor != NULL)
            (void)ns_redact_copy(joining->redactor, out->event[i].message, sizeof out->event[i].message,
                                 ns_text_of(of->event[i]->of.event.message));
    }
}

/* Since when this template is the present one: as seen by us, or for one met at the first look as its ReplicaSet and
 * the rollout's progress tell. */
static void set_template(const kube_joining *joining, ns_deployment_view *out, const ns_deployment_view *before,
                         const tally *of)
{
    if (of->set == NULL)
        return;
    const kube_replicaset *set = &of->set->of.replicaset;
    (void)ns_text_copy(out->template_hash, sizeof out->template_hash, ns_text_of(set->template_hash));
    bool same_deployment = strcmp(before->uid, out->uid) == 0;
    if (same_deployment && strcmp(before->template_hash, out->template_hash) == 0) {
        out->since_ms = before->since_ms;
    } else if (same_deployment && before->template_hash[0] != '\0') {
        out->since_ms = joining->now_ms;
    } else {
        int64_t progressed_ms = of->deployment->of.deployment.progressed_ms;
        out->since_ms = set->created_ms > progressed_ms ? set->created_ms : progressed_ms;
    }
}

static void set_view(const kube_joining *joining, ns_pipeline_view *view, const tally *of)
{
    ns_deployment_view before = view->cluster, *out = &view->cluster;
    const kube_deployment *d = &of->deployment->of.deployment;
    const kube_watcher *hpas = &of->space->of[KUBE_hpa];
    ns_deployment_view_forget(out);
    out->at_ms = of->space->of[KUBE_deployment].heard_ms;
    out->exists = true;
    memcpy(out->uid, of->deployment->uid, sizeof out->uid);
    memcpy(out->resource_version, d->resource_version, sizeof out->resource_version);
    out->generation = d->generation;
    out->observed_generation = d->observed_generation;
    memcpy(out->image, d->image, sizeof out->image);
    memcpy(out->managed_by, d->managed_by, sizeof out->managed_by);
    out->paused = d->paused;
    out->has_hpa = of->has_hpa ? 1 : hpas->listed && hpas->trouble == NS_OK ? 0 : -1;
    out->rollout = d->rollout;
    set_template(joining, out, &before, of);
    set_counts(out, of);
    set_events(joining, out, of);
}

/* The namespace that a Deployment's key names. */
static const kube_space *space_of_key(const kube_joining *joining, const char *key)
{
    const char *slash = strchr(key, '/');
    for (size_t s = 0; slash != NULL && s < joining->space_count; s++)
        if (ns_text_is((ns_text){key, (size_t)(slash - key)}, joining->spaces[s].name))
            return &joining->spaces[s];
    return slash == NULL ? &joining->spaces[0] : NULL;
}

/* "sock-shop/carts" where sock-shop is the default namespace is "carts". */
static const char *short_key(const kube_joining *joining, const char *key)
{
    const char *slash = strchr(key, '/');
    bool home = slash != NULL && space_of_key(joining, key) == &joining->spaces[0];
    return home ? slash + 1 : key;
}

static void set_pipeline(const tallies *t, ns_pipeline_view *view)
{
    const kube_joining *joining = t->joining;
    const tally *of = view->deployment[0] == '\0' ? NULL : find(t, short_key(joining, view->deployment));
    if (of != NULL) {
        set_view(joining, view, of);
        return;
    }
    const kube_space *space = view->deployment[0] == '\0' ? NULL : space_of_key(joining, view->deployment);
    ns_deployment_view_forget(&view->cluster);
    if (space != NULL && space->of[KUBE_deployment].listed)
        view->cluster.at_ms = space->of[KUBE_deployment].heard_ms; /* it does not exist, we know */
}

static void set_nodes(const kube_joining *joining)
{
    const kube_watcher *nodes = joining->nodes;
    size_t ready = 0;
    for (size_t i = 0; i < nodes->shelf.count; i++)
        ready += nodes->shelf.at[i]->of.node.ready;
    bool known = nodes->listed && nodes->trouble == NS_OK;
    joining->snapshot->nodes_ready = known ? (ns_value){(double)ready, nodes->heard_ms} : NS_MISSING;
    joining->snapshot->nodes_total = known ? (ns_value){(double)nodes->shelf.count, nodes->heard_ms} : NS_MISSING;
}

static void write_all(const tallies *t, const tally **claim, const bool *contested)
{
    kube_joining *joining = t->joining;
    for (size_t i = 0; i < joining->snapshot->pipeline_count; i++) {
        ns_pipeline_view *view = joining->snapshot->pipelines[i];
        joining->contested += contested[i];
        const char *key = claim[i] == NULL || contested[i] ? "" : claim[i]->key;
        bool known = joining->spaces[0].of[KUBE_deployment].listed;
        if (!view->deployment_fixed && known && strcmp(view->deployment, key) != 0 &&
            strlen(key) < sizeof view->deployment)
            (void)ns_text_copy(view->deployment, sizeof view->deployment, ns_text_of(key));
        set_pipeline(t, view);
    }
    set_nodes(joining);
}

/* ---- the whole ---- */

static void fill_tallies(tallies *t)
{
    size_t n = 0;
    for (size_t s = 0; s < t->joining->space_count; s++) {
        const kube_space *space = &t->joining->spaces[s];
        const kube_shelf *shelf = &space->of[KUBE_deployment].shelf;
        t->first[s] = n;
        for (size_t i = 0; i < shelf->count; i++, n++) {
            t->at[n] = (tally){.space = space, .deployment = shelf->at[i]};
            (void)snprintf(t->at[n].key, sizeof t->at[n].key, "%s%s%s", s == 0 ? "" : space->name, s == 0 ? "" : "/",
                           shelf->at[i]->name);
            t->by_key[n] = &t->at[n];
        }
    }
    qsort(t->by_key, n, sizeof(tally *), by_key); /* NOLINT(bugprone-sizeof-expression): pointers are sorted */
    for (size_t s = 0; s < t->joining->space_count; s++)
        count_space(t, s);
}

ns_status kube_join(kube_joining *joining)
{
    size_t pipelines = joining->snapshot->pipeline_count + 1; /* never nothing */
    tallies t = {.joining = joining};
    for (size_t s = 0; s < joining->space_count; s++)
        t.count += joining->spaces[s].of[KUBE_deployment].shelf.count;
    t.at = NS_NEW_ARRAY(tally, t.count + 1);
    t.by_key = NS_NEW_ARRAY(tally *, t.count + 1);
    t.first = NS_NEW_ARRAY(size_t, joining->space_count + 1);
    const tally **claim = (const tally **)NS_NEW_ARRAY(tally *, pipelines);
    bool *contested = NS_NEW_ARRAY(bool, pipelines);
    joining->contested = 0;
    bool good = t.at != NULL && t.by_key != NULL && t.first != NULL && claim != NULL && contested != NULL;
    if (good) {
        fill_tallies(&t);
        map_by_annotation(&t, claim, contested);
        write_all(&t, claim, contested);
    }
    ns_free(t.at);
    ns_free((void *)t.by_key);
    ns_free(t.first);
    ns_free((void *)claim);
    ns_free(contested);
    return good ? NS_OK : NS_NO_MEMORY;
}
