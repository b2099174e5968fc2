/*
 * What a cluster says about the Deployment that a pipeline deploys to.
 *
 * Written by the source of Kubernetes (or by the simulated world), read by the tick, guardrails and the page. Counts
 * are values with a time of their own; what is not known is missing, never 0. The Deployment's name is NAME in the
 * default namespace and NAMESPACE/NAME in any other.
 */
#ifndef NS_FLOW_DEPLOYMENT_H
#define NS_FLOW_DEPLOYMENT_H

#include "base/text.h"
#include "flow/action.h"
#include "flow/names.h"
#include "flow/value.h"

/*
 * Column of the record, field, from, unit.
 *   replicas_wanted       spec.replicas                  replicas   status.replicas: pods of all its ReplicaSets
 *   revision              deployment.kubernetes.io/revision
 *   pods                  pods that exist and are not terminating; the pods_* below count among them
 *   pods_crash_looping    waiting for CrashLoopBackOff    pods_image_failing   ImagePullBackOff, ErrImagePull and the
 * like pods_oom_killed       a container was killed for memory within the last NS_CLUSTER_RECENT_MS pods_pending phase
 * Pending                   pods_unschedulable   of them: no node takes it restarts              restartCount, summed
 * over present pods warnings              Events of type Warning about it, its ReplicaSets and pods within
 * NS_CLUSTER_RECENT_MS
 *   memory_limit          of one pod of the present template: the limits of its containers, summed; missing when one
 * has none
 */
#define NS_DEPLOYMENT_FACT_MAP(X)                                                                                      \
    X(kubernetes_replicas_wanted, replicas_wanted, kubernetes, "pods")                                                 \
    X(kubernetes_replicas, replicas, kubernetes, "pods")                                                               \
    X(kubernetes_replicas_updated, replicas_updated, kubernetes, "pods")                                               \
    X(kubernetes_replicas_ready, replicas_ready, kubernetes, "pods")                                                   \
    X(kubernetes_replicas_available, replicas_available, kubernetes, "pods")                                           \
    X(kubernetes_revision, revision, kubernetes, "number")                                                             \
    X(kubernetes_pods, pods, kubernetes, "pods")                                                                       \
    X(kubernetes_pods_crash_looping, pods_crash_looping, kubernetes, "pods")                                           \
    X(kubernetes_pods_image_failing, pods_image_failing, kubernetes, "pods")                                           \
    X(kubernetes_pods_oom_killed, pods_oom_killed, kubernetes, "pods")                                                 \
    X(kubernetes_pods_pending, pods_pending, kubernetes, "pods")                                                       \
    X(kubernetes_pods_unschedulable, pods_unschedulable, kubernetes, "pods")                                           \
    X(kubernetes_restarts, restarts, kubernetes, "restarts")                                                           \
    X(kubernetes_warnings, warnings, kubernetes, "events")                                                             \
    X(kubernetes_memory_limit, memory_limit, kubernetes, "bytes")

#define NS_CLUSTER_RECENT_MS (10 * 60 * 1000)

typedef enum ns_deployment_fact {
#define NS_DEPLOYMENT_ENUM(column, field, from, unit) NS_DEPLOYMENT_##field,
    NS_DEPLOYMENT_FACT_MAP(NS_DEPLOYMENT_ENUM)
#undef NS_DEPLOYMENT_ENUM
        NS_DEPLOYMENT_FACTS
} ns_deployment_fact;

/* progressing: pods of the newest template are on their way.  failed: progressDeadlineSeconds went by without. */
#define NS_ROLLOUT_MAP(X) X(unknown) X(complete) X(progressing) X(failed) X(paused)

typedef enum ns_rollout {
#define NS_ROLLOUT_ENUM(name) NS_ROLLOUT_##name,
    NS_ROLLOUT_MAP(NS_ROLLOUT_ENUM)
#undef NS_ROLLOUT_ENUM
} ns_rollout;

/* One Event of the cluster. message is foreign text: redacted, for people only. */
typedef struct ns_cluster_event {
    int64_t at_ms; /* when it was last seen to happen */
    int32_t count;
    bool warning;
    char reason[48];          /* "BackOff" */
    char object[NS_NAME_MAX]; /* name of the pod, ReplicaSet or Deployment */
    char message[200];
} ns_cluster_event;

#define NS_CLUSTER_EVENTS_KEPT 3

/* What we may do to a Deployment, as the other side told. All zero: nothing is known, and nothing is denied. */
typedef struct ns_rights {
    bool known;
    ns_action_mask denied;
    char missing[128]; /* "patch deployments/scale, list replicasets"; "" nothing */
} ns_rights;

typedef struct ns_deployment_view {
    int64_t at_ms; /* when this was last true as far as we know; -1 never: then nothing below is known */
    bool exists;   /* false with a known at_ms: the cluster has no such Deployment */
    char uid[NS_NAME_MAX];
    char resource_version[NS_NAME_MAX]; /* opaque */
    int64_t generation;                 /* of the specification; -1 unknown */
    int64_t observed_generation;
    char template_hash[NS_NAME_MAX]; /* pod-template-hash of the template rolled out now; "" unknown */
    int64_t since_ms;                /* since when that is the present template; -1 unknown */
    char image[160];                 /* of its first container; "" unknown */
    char managed_by[NS_NAME_MAX];    /* what may take our changes back: "argo-cd", "flux", "Helm"; "" nothing known */
    int8_t paused;                   /* -1 unknown */
    int8_t has_hpa;                  /* a HorizontalPodAutoscaler targets it; -1 unknown */
    ns_rollout rollout;
    ns_value fact[NS_DEPLOYMENT_FACTS];
    ns_cluster_event event[NS_CLUSTER_EVENTS_KEPT]; /* newest first; reason "" none */

    /* Our own ledger, written by the daemon: the template last seen to be good here, other than a present one that has
     * not proved itself yet. */
    char verified_hash[NS_NAME_MAX]; /* "" none */
    int64_t verified_revision;       /* 0 none */
    char verified_image[160];
    ns_rights rights; /* written by the daemon too */
} ns_deployment_view;

/* What we write on others' objects and read back, and how a Deployment names its pipeline. */
#define NS_ANNOTATION_KEY "neuroshield.io/key"
#define NS_ANNOTATION_JOB "neuroshield.io/jenkins-job"

/* All that a source knows becomes unknown; the ledger's part stays. */
void ns_deployment_view_forget(ns_deployment_view *view);
/* n < 0 or an unknown time: missing. */
void ns_deployment_fact_set(ns_deployment_view *view, ns_deployment_fact fact, int64_t n, int64_t at_ms);
/* -1 unknown. */
int64_t ns_deployment_fact_of(const ns_deployment_view *view, ns_deployment_fact fact);

/* The absolute number that scale_up goes to from n replicas: ceil(1.2 n), never above cap. Not above n: it cannot. */
int32_t ns_scale_up_target(int64_t n, int64_t cap);

const char *ns_rollout_name(ns_rollout rollout);
const char *ns_deployment_fact_name(ns_deployment_fact fact);

#endif
