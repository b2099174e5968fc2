#include "telemetry/kubernetes_objects.h"

#include "base/clock.h"
#include "wire/json.h"
#include "wire/kubernetes_quantity.h"

#include <string.h>

static const char REVISION[] = "deployment.kubernetes.io/revision";

static int64_t time_of(const json_t *object, const char *key)
{
    int64_t at_ms;
    ns_text text;
    return ns_json_text(object, key, &text) && ns_time_parse(text, &at_ms) && at_ms >= 0 ? at_ms : -1;
}

/* A count that the API leaves out when it is 0. */
static int64_t count_of(const json_t *object, const char *key, int64_t otherwise)
{
    int64_t n = ns_json_int(object, key, otherwise);
    return n < 0 ? otherwise : n;
}

static bool copy_text(char *out, size_t size, const json_t *object, const char *key)
{
    ns_text text;
    out[0] = '\0';
    return !ns_json_text(object, key, &text) || ns_text_copy(out, size, text);
}

const char *kube_resource_version(const json_t *json)
{
    return ns_json_string(ns_json_at(json, "metadata"), "resourceVersion", "");
}

static int64_t revision_of(const json_t *annotations)
{
    int64_t revision;
    ns_text text;
    return ns_json_text(annotations, REVISION, &text) && ns_text_int64(text, &revision) && revision > 0 ? revision : -1;
}

static const json_t *find_typed(const json_t *list, const char *type)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(ns_json_string(json_array_get(list, i), "type", ""), type) == 0)
            return json_array_get(list, i);
    return NULL;
}

/* The uid of the owner that controls it. */
static void copy_controller(const json_t *metadata, kube_object *out)
{
    const json_t *owners = ns_json_at(metadata, "ownerReferences");
    for (size_t i = 0; i < json_array_size(owners); i++)
        if (ns_json_bool(json_array_get(owners, i), "controller", false) &&
            !copy_text(out->owner, sizeof out->owner, json_array_get(owners, i), "uid"))
            out->owner[0] = '\0';
}

/* ---- Deployment ---- */

/* Who might take a change of ours back. */
static void read_manager(const json_t *metadata, char *out, size_t size)
{
    static const struct {
        const char *where, *key, *means; /* NULL: its value */
    } marks[] = {
        {"annotations", "argocd.argoproj.io/tracking-id", "argo-cd"},
        {"labels", "argocd.argoproj.io/instance", "argo-cd"},
        {"labels", "kustomize.toolkit.fluxcd.io/name", "flux"},
        {"labels", "helm.toolkit.fluxcd.io/name", "flux"},
        {"labels", "app.kubernetes.io/managed-by", NULL},
    };
    out[0] = '\0';
    for (size_t i = 0; i < NS_COUNT_OF(marks) && out[0] == '\0'; i++) {
        const char *value = ns_json_string(ns_json_at(metadata, marks[i].where), marks[i].key, "");
        if (value[0] != '\0')
            (void)ns_text_copy(out, size, ns_text_of(marks[i].means == NULL ? value : marks[i].means));
    }
}

/* kubectl's rule of when a rollout is over. */
static ns_rollout rollout_of(const kube_deployment *d, const json_t *progressing)
{
    if (d->paused)
        return NS_ROLLOUT_paused;
    if (d->generation < 0 || d->observed_generation < 0)
        return NS_ROLLOUT_unknown;
    if (d->generation > d->observed_generation)
        return NS_ROLLOUT_progressing;
    if (strcmp(ns_json_string(progressing, "reason", ""), "ProgressDeadlineExceeded") == 0)
        return NS_ROLLOUT_failed;
    bool done = d->updated >= d->wanted && d->replicas <= d->updated && d->available >= d->updated;
    return done ? NS_ROLLOUT_complete : NS_ROLLOUT_progressing;
}

/* Of a pod: what its containers may take together; -1 when one of them has no limit, or one that cannot be read. */
static int64_t memory_limit_of(const json_t *containers)
{
    double sum = 0, one;
    const json_t *container;
    size_t i;
    json_array_foreach(containers, i, container)
    {
        const char *limit = ns_json_string(ns_json_at(ns_json_at(container, "resources"), "limits"), "memory", "");
        if (!ns_kubernetes_quantity(ns_text_of(limit), &one) || one < 0)
            return -1;
        sum += one;
    }
    return sum > 0 && sum < 9e18 ? (int64_t)sum : -1;
}

static void read_deployment(const json_t *json, kube_deployment *out)
{
    const json_t *metadata = ns_json_at(json, "metadata"), *annotations = ns_json_at(metadata, "annotations");
    const json_t *spec = ns_json_at(json, "spec"), *status = ns_json_at(json, "status");
    const json_t *progressing = find_typed(ns_json_at(status, "conditions"), "Progressing");
    const json_t *containers = ns_json_at(ns_json_at(ns_json_at(spec, "template"), "spec"), "containers");
    out->wanted = count_of(spec, "replicas", 1); /* the API's default */
    out->replicas = count_of(status, "replicas", 0);
    out->updated = count_of(status, "updatedReplicas", 0);
    out->ready = count_of(status, "readyReplicas", 0);
    out->available = count_of(status, "availableReplicas", 0);
    out->generation = ns_json_int(metadata, "generation", -1);
    out->observed_generation = ns_json_int(status, "observedGeneration", -1);
    out->revision = revision_of(annotations);
    out->paused = ns_json_bool(spec, "paused", false);
    out->progressed_ms = time_of(progressing, "lastUpdateTime");
    out->rollout = rollout_of(out, progressing);
    out->memory_limit = memory_limit_of(containers);
    (void)copy_text(out->image, sizeof out->image, json_array_get(containers, 0), "image");
    read_manager(metadata, out->managed_by, sizeof out->managed_by);
    if (!copy_text(out->resource_version, sizeof out->resource_version, metadata, "resourceVersion"))
        out->resource_version[0] = '\0';
    if (!copy_text(out->job, sizeof out->job, annotations, NS_ANNOTATION_JOB))
        out->job[0] = '\0'; /* a cut name could be another job's */
}

/* ---- ReplicaSet ---- */

static void read_replicaset(const json_t *json, kube_object *out)
{
    const json_t *metadata = ns_json_at(json, "metadata");
    kube_replicaset *set = &out->of.replicaset;
    set->revision = revision_of(ns_json_at(metadata, "annotations"));
    set->created_ms = time_of(metadata, "creationTimestamp");
    if (!copy_text(set->template_hash, sizeof set->template_hash, ns_json_at(metadata, "labels"), "pod-template-hash"))
        set->template_hash[0] = '\0';
    copy_controller(metadata, out);
}

/* ---- Pod ---- */

static bool is_image_trouble(const char *reason)
{
    static const char *const reasons[] = {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull",
                                          "RegistryUnavailable"};
    for (size_t i = 0; i < NS_COUNT_OF(reasons); i++)
        if (strcmp(reason, reasons[i]) == 0)
            return true;
    return false;
}

static void note_end(const json_t *terminated, int64_t started_again_ms, kube_pod *out)
{
    if (strcmp(ns_json_string(terminated, "reason", ""), "OOMKilled") != 0)
        return;
    int64_t at_ms = time_of(terminated, "finishedAt");
    at_ms = at_ms < 0 ? started_again_ms : at_ms;
    if (at_ms > out->oom_ms)
        out->oom_ms = at_ms;
}

static void read_containers(const json_t *statuses, kube_pod *out)
{
    for (size_t i = 0; i < json_array_size(statuses); i++) {
        const json_t *one = json_array_get(statuses, i), *state = ns_json_at(one, "state");
        const char *waiting = ns_json_string(ns_json_at(state, "waiting"), "reason", "");
        out->restarts += count_of(one, "restartCount", 0);
        out->crash_looping |= strcmp(waiting, "CrashLoopBackOff") == 0;
        out->image_failing |= is_image_trouble(waiting);
        note_end(ns_json_at(state, "terminated"), -1, out);
        note_end(ns_json_at(ns_json_at(one, "lastState"), "terminated"),
                 time_of(ns_json_at(state, "running"), "startedAt"), out);
    }
}

static void read_pod(const json_t *json, kube_object *out)
{
    const json_t *metadata = ns_json_at(json, "metadata"), *status = ns_json_at(json, "status");
    const json_t *scheduled = find_typed(ns_json_at(status, "conditions"), "PodScheduled");
    const char *phase = ns_json_string(status, "phase", "");
    kube_pod *pod = &out->of.pod;
    pod->oom_ms = -1;
    pod->terminating = json_is_string(ns_json_at(metadata, "deletionTimestamp"));
    pod->finished = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
    pod->pending = strcmp(phase, "Pending") == 0;
    pod->unschedulable = strcmp(ns_json_string(scheduled, "status", ""), "False") == 0 &&
                         strcmp(ns_json_string(scheduled, "reason", ""), "Unschedulable") == 0;
    read_containers(ns_json_at(status, "initContainerStatuses"), pod);
    read_containers(ns_json_at(status, "containerStatuses"), pod);
    copy_controller(metadata, out);
}

/* ---- Event, HorizontalPodAutoscaler, Node ---- */

static int64_t event_time(const json_t *json, const json_t *series)
{
    const int64_t times[] = {time_of(series, "lastObservedTime"), time_of(json, "lastTimestamp"),
                             time_of(json, "eventTime"), time_of(json, "firstTimestamp"),
                             time_of(ns_json_at(json, "metadata"), "creationTimestamp")};
    for (size_t i = 0; i < NS_COUNT_OF(times); i++)
        if (times[i] >= 0)
            return times[i];
    return -1;
}

static void read_event(const json_t *json, kube_object *out)
{
    const json_t *about = ns_json_at(json, "involvedObject"), *series = ns_json_at(json, "series");
    ns_cluster_event *event = &out->of.event;
    event->at_ms = event_time(json, series);
    int64_t count = count_of(series, "count", count_of(json, "count", 1));
    event->count = count > INT32_MAX ? INT32_MAX : (int32_t)count;
    event->warning = strcmp(ns_json_string(json, "type", ""), "Warning") == 0;
    (void)copy_text(event->reason, sizeof event->reason, json, "reason");
    (void)copy_text(event->object, sizeof event->object, about, "name");
    (void)copy_text(event->message, sizeof event->message, json, "message");
    if (!copy_text(out->owner, sizeof out->owner, about, "uid"))
        out->owner[0] = '\0';
}

static void read_hpa(const json_t *json, kube_object *out)
{
    const json_t *target = ns_json_at(ns_json_at(json, "spec"), "scaleTargetRef");
    bool whole = copy_text(out->owner, sizeof out->owner, target, "name");
    out->of.hpa.targets_deployment = whole && strcmp(ns_json_string(target, "kind", ""), "Deployment") == 0;
}

static void read_node(const json_t *json, kube_node *out)
{
    const json_t *ready = find_typed(ns_json_at(ns_json_at(json, "status"), "conditions"), "Ready");
    out->ready = strcmp(ns_json_string(ready, "status", ""), "True") == 0 &&
                 !ns_json_bool(ns_json_at(json, "spec"), "unschedulable", false);
}

ns_status kube_object_read(kube_kind kind, const json_t *json, kube_object *out, ns_error *err)
{
    const json_t *metadata = ns_json_at(json, "metadata");
    kube_object read = {.kind = kind};
    bool whole = copy_text(read.uid, sizeof read.uid, metadata, "uid") &&
                 copy_text(read.space, sizeof read.space, metadata, "namespace");
    bool name_whole = copy_text(read.name, sizeof read.name, metadata, "name");
    if (!whole || read.uid[0] == '\0' || read.name[0] == '\0')
        return ns_fail(err, NS_BAD_INPUT, "an object without a usable uid, namespace or name");
    if (kind == KUBE_deployment && !name_whole)
        return ns_fail(err, NS_BAD_INPUT, "the name of the Deployment %s... is longer than %d bytes", read.name,
                       NS_NAME_MAX - 1);
    switch (kind) {
    case KUBE_deployment:
        read_deployment(json, &read.of.deployment);
        break;
    case KUBE_replicaset:
        read_replicaset(json, &read);
        break;
    case KUBE_pod:
        read_pod(json, &read);
        break;
    case KUBE_event:
        read_event(json, &read);
        break;
    case KUBE_hpa:
        read_hpa(json, &read);
        break;
    case KUBE_node:
        read_node(json, &read.of.node);
        break;
    case KUBE_KINDS:
        NS_CHECK(false);
    }
    *out = read;
    return NS_OK;
}
