/*
 * What we keep of a cluster's objects, and how it is read from their JSON. Private to this room.
 *
 * Reading is pure: a kind of object, its JSON, a filled struct or a refusal. Zero fields of a status are left out by
 * the API: there 0 is what is meant; whatever else is absent is unknown.
 */
#ifndef NS_TELEMETRY_KUBERNETES_OBJECTS_H
#define NS_TELEMETRY_KUBERNETES_OBJECTS_H

#include "flow/deployment.h"
#include "flow/snapshot.h"

#include <jansson.h>

/* kind, path before the namespace, resource, asked for in a namespace, must be readable */
#define NS_KUBE_KIND_MAP(X)                                                                                            \
    X(deployment, "/apis/apps/v1", "deployments", true, true)                                                          \
    X(replicaset, "/apis/apps/v1", "replicasets", true, true)                                                          \
    X(pod, "/api/v1", "pods", true, true)                                                                              \
    X(event, "/api/v1", "events", true, false)                                                                         \
    X(hpa, "/apis/autoscaling/v2", "horizontalpodautoscalers", true, false)                                            \
    X(node, "/api/v1", "nodes", false, false)

typedef enum kube_kind {
#define NS_KUBE_ENUM(kind, base, resource, namespaced, required) KUBE_##kind,
    NS_KUBE_KIND_MAP(NS_KUBE_ENUM)
#undef NS_KUBE_ENUM
        KUBE_KINDS
} kube_kind;

typedef struct kube_deployment {
    int64_t wanted, replicas, updated, ready, available;
    int64_t generation, observed_generation, revision; /* -1 unknown */
    int64_t progressed_ms;                             /* Progressing was last updated; -1 unknown */
    int64_t memory_limit;                              /* bytes, of one pod; -1 none */
    ns_rollout rollout;
    bool paused;
    char resource_version[NS_NAME_MAX];
    char image[160];
    char managed_by[NS_NAME_MAX];
    char job[NS_JOB_MAX]; /* its annotation neuroshield.io/jenkins-job; "" none */
} kube_deployment;

typedef struct kube_replicaset {
    int64_t revision, created_ms; /* -1 unknown */
    char template_hash[NS_NAME_MAX];
} kube_replicaset;

typedef struct kube_pod {
    bool pending, unschedulable, crash_looping, image_failing, terminating, finished;
    int64_t restarts;
    int64_t oom_ms; /* a container was last killed for memory then; -1 never */
} kube_pod;

typedef struct kube_hpa {
    bool targets_deployment; /* the owner text is that Deployment's name */
} kube_hpa;

typedef struct kube_node {
    bool ready; /* and takes pods */
} kube_node;

typedef struct kube_object {
    kube_kind kind;
    size_t place; /* in its shelf, which keeps it */
    char uid[NS_NAME_MAX];
    char space[NS_NAME_MAX];
    char name[NS_NAME_MAX];  /* of a Deployment whole; of the others, for people, perhaps cut */
    char owner[NS_NAME_MAX]; /* uid of the controller (ReplicaSet, Pod), of what an Event is about; of an HPA the name
                                of its target */
    union {
        kube_deployment deployment;
        kube_replicaset replicaset;
        kube_pod pod;
        ns_cluster_event event;
        kube_hpa hpa;
        kube_node node;
    } of;
} kube_object;

/* NS_BAD_INPUT: it lacks a uid or name, or they are longer than our names can be. */
NS_MUST_USE ns_status kube_object_read(kube_kind kind, const json_t *json, kube_object *out, ns_error *err);

/* metadata.resourceVersion of any object; "" none. */
const char *kube_resource_version(const json_t *json);

#endif
