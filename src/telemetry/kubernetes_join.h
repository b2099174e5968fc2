/*
 * From what a cluster has to what the pipelines see: pods to ReplicaSets to Deployments to pipelines. Private to this
 * room; loop thread only. No I/O.
 */
#ifndef NS_TELEMETRY_KUBERNETES_JOIN_H
#define NS_TELEMETRY_KUBERNETES_JOIN_H

#include "telemetry/kubernetes_watcher.h"
#include "telemetry/redact.h"

/* One namespace that is watched. */
typedef struct kube_space {
    char name[NS_NAME_MAX];
    kube_watcher of[KUBE_KINDS]; /* that of kinds without a namespace is not used */
} kube_space;

typedef struct kube_joining {
    kube_space *spaces; /* the first is the default namespace */
    size_t space_count;
    const kube_watcher *nodes;
    ns_snapshot *snapshot;
    ns_redactor *redactor; /* NULL allowed */
    int64_t now_ms;
    uint64_t contested; /* out: Deployments that claim a job which another one claims too */
} kube_joining;

/* Writes into every pipeline's cluster view, maps pipelines by annotation, and the nodes. NS_NO_MEMORY: nothing was
 * changed. */
NS_MUST_USE ns_status kube_join(kube_joining *joining);

#endif
