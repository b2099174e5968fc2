/*
 * One record: what was known about one pipeline at one tick. Every value carries presence (NAN = missing) and age.
 *
 * One table gives the columns of the CSV, of the store and of the JSON API. The first eight columns of the CSV are the
 * seed's; `timestamp` is the tick's, the same for all sources.
 */
#ifndef NS_FLOW_RECORD_H
#define NS_FLOW_RECORD_H

#include "flow/snapshot.h"

/* CSV column, field, from, unit. In the CSV's order after the texts timestamp and status. */
#define NS_RECORD_SEED_MAP(X)                                                                                          \
    X(jenkins_last_build_duration, last_duration, jenkins, "ms")                                                       \
    X(jenkins_queue_length, queue_length, jenkins, "builds")                                                           \
    X(prometheus_cpu_usage, cpu_usage, prometheus, "percent")                                                          \
    X(prometheus_memory_usage, memory_usage, prometheus, "percent")                                                    \
    X(prometheus_pod_count, pod_count, prometheus, "pods")                                                             \
    X(prometheus_error_rate, error_rate, prometheus, "percent")

/* After jenkins_job, jenkins_build_number and the three ages. */
#define NS_RECORD_MORE_MAP(X)                                                                                          \
    X(jenkins_running_builds, running_builds, jenkins, "builds")                                                       \
    X(jenkins_running_elapsed_ms, running_elapsed, jenkins, "ms")                                                      \
    X(jenkins_estimated_ms, estimated, jenkins, "ms")                                                                  \
    X(jenkins_tests_total, tests_total, jenkins, "tests")                                                              \
    X(jenkins_tests_failed, tests_failed, jenkins, "tests")                                                            \
    X(jenkins_changes, changes, jenkins, "commits")                                                                    \
    X(jenkins_stages, stages, jenkins, "stages")                                                                       \
    X(jenkins_log_bytes, log_bytes, jenkins, "bytes")                                                                  \
    X(jenkins_executors_busy, executors_busy, jenkins, "executors")                                                    \
    X(jenkins_executors_total, executors_total, jenkins, "executors")                                                  \
    X(jenkins_agents_offline, agents_offline, jenkins, "agents")                                                       \
    X(prometheus_node_cpu, node_cpu, prometheus, "percent")                                                            \
    X(prometheus_node_memory, node_memory, prometheus, "percent")                                                      \
    X(prometheus_node_disk, node_disk, prometheus, "percent")                                                          \
    X(prometheus_targets_down, targets_down, prometheus, "targets")                                                    \
    X(prometheus_deployment_cpu, deployment_cpu, prometheus, "percent")                                                \
    X(prometheus_deployment_memory, deployment_memory, prometheus, "percent")                                          \
    X(prometheus_deployment_throttled, deployment_throttled, prometheus, "percent")                                    \
    X(prometheus_deployment_restarts, deployment_restarts, prometheus, "restarts")                                     \
    X(prometheus_deployment_oom_kills, deployment_oom_kills, prometheus, "kills")                                      \
    X(prometheus_deployment_error_rate, deployment_error_rate, prometheus, "percent")                                  \
    X(prometheus_deployment_latency_p95, deployment_latency_p95, prometheus, "seconds")                                \
    X(prometheus_deployment_replicas_missing, deployment_replicas_missing, prometheus, "pods")                         \
    NS_DEPLOYMENT_FACT_MAP(X)                                                                                          \
    X(kubernetes_nodes_ready, nodes_ready, kubernetes, "nodes")                                                        \
    X(kubernetes_nodes_total, nodes_total, kubernetes, "nodes")

#define NS_RECORD_MAP(X) NS_RECORD_SEED_MAP(X) NS_RECORD_MORE_MAP(X)

typedef enum ns_record_field {
#define NS_RECORD_ENUM(column, field, from, unit) NS_RECORD_##field,
    NS_RECORD_MAP(NS_RECORD_ENUM)
#undef NS_RECORD_ENUM
        NS_RECORD_FIELDS
} ns_record_field;

typedef struct ns_record {
    int64_t at_ms; /* the tick */
    char pipeline[NS_JOB_MAX];
    char jenkins_job[NS_JOB_MAX];
    ns_build_result last_result;     /* of the last completed build */
    int64_t last_number;             /* its number; 0 unknown */
    int64_t running_number;          /* newest running build; 0 none */
    int64_t age_ms[NS_SOURCE_KINDS]; /* since each source last answered about it; -1 never */
    double value[NS_RECORD_FIELDS];  /* NAN missing */
    double fail_probability;         /* newest prediction of the running build, NAN none */
    int64_t case_id;                 /* open case, 0 none */
} ns_record;

typedef struct ns_record_facts {
    const char *column;
    ns_source_kind from;
    const char *unit;
} ns_record_facts;

const ns_record_facts *ns_record_facts_of(ns_record_field field);

#endif
