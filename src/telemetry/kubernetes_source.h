/*
 * The source that watches a cluster: Deployments, ReplicaSets, Pods, Events, HorizontalPodAutoscalers and Nodes, by
 * list and watch, joined into the pipelines' views of their Deployments.
 *
 * A pipeline deploys what the configuration says; where it says nothing, the Deployment whose annotation
 * `neuroshield.io/jenkins-job` names the job (several with commas; two Deployments that claim one job: neither). What
 * is told apart: no right (unauthorized: also a 403 on what is needed), not reachable (down), starting; Events,
 * autoscalers and Nodes may be denied: then only what depends on them is missing, told once. The age of what is known
 * is the time since the server last said something about that kind of object: silence is asked about. Loop thread only.
 */
#ifndef NS_TELEMETRY_KUBERNETES_SOURCE_H
#define NS_TELEMETRY_KUBERNETES_SOURCE_H

#include "base/clock.h"
#include "flow/source.h"
#include "telemetry/redact.h"
#include "wire/kubernetes_client.h"

#define NS_KUBERNETES_SPACES_MAX 32

typedef struct ns_kubernetes_source_options {
    ns_kubernetes *client;          /* borrowed, must outlive the source */
    const char *name_space;         /* of Deployments named without one; NULL: the client's */
    const char *const *name_spaces; /* further ones to watch; repetitions are fine */
    size_t name_space_count;
    int64_t confirm_ms;    /* world time of silence after which the server is asked again; 0 means 30000 */
    size_t max_objects;    /* of one kind in one namespace; 0 means 50000 */
    ns_redactor *redactor; /* for what the cluster says; NULL: nothing is taken out; outlives us */
    uint64_t seed;         /* of the jitter */
} ns_kubernetes_source_options;

/* snapshot and clock are borrowed and must outlive the source. NS_BAD_USAGE: a namespace that can be none, or too many
 * of them. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_kubernetes_source_new(struct event_base *loop, ns_snapshot *snapshot, const ns_clock *clock,
                                               const ns_kubernetes_source_options *options, ns_source *out,
                                               ns_error *err);

#endif
