/*
 * The state vector: what a policy sees. 52 values, then the history of the open case.
 *
 * Every value is scaled to about -1..1 or 0..1 as the table says, and carries presence: an absent one is 0 with its
 * presence bit clear. The layout version is written into policy files and checked on load: raise it with every change
 * of this table. Nothing younger than the decision may enter.
 */
#ifndef NS_FLOW_STATE_H
#define NS_FLOW_STATE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define NS_STATE_LAYOUT 1u

/* name, from, scaling, meaning */
#define NS_STATE_BUILD_MAP(X)                                                                                          \
    X(build_running, build, "0 or 1", "a build is running")                                                            \
    X(build_elapsed, build, "min(elapsed / estimate, 3) / 3", "how far the running build is")                          \
    X(build_duration, build, "min(duration / estimate, 3) / 3", "last completed build against the estimate")           \
    X(build_failed, build, "0 or 1", "the last completed build failed")                                                \
    X(build_unstable, build, "0 or 1", "the last completed build is unstable")                                         \
    X(failure_streak, build, "min(n / 5, 1)", "completed builds that failed in a row")                                 \
    X(queue_length, build, "min(n / 20, 1)", "builds waiting in Jenkins")                                              \
    X(changes, build, "min(n / 10, 1)", "commits in the build")                                                        \
    X(dependency_files_changed, build, "0 or 1", "a lock file or manifest changed")                                    \
    X(tests_failed, build, "min(n / 10, 1)", "failed tests")
#define NS_STATE_RESOURCE_MAP(X)                                                                                       \
    X(cpu_usage, resources, "percent / 100", "CPU of the namespace")                                                   \
    X(memory_usage, resources, "percent / 100", "memory of the namespace")                                             \
    X(error_rate, resources, "percent / 100", "5xx share of the namespace")                                            \
    X(node_disk, resources, "percent / 100", "fullest file system")                                                    \
    X(executors_busy, resources, "busy / total", "Jenkins executors in use")                                           \
    X(agents_offline, resources, "min(n / 5, 1)", "Jenkins agents offline")                                            \
    X(deployment_cpu, resources, "percent / 100", "CPU of the Deployment")                                             \
    X(deployment_memory, resources, "percent / 100", "memory of the Deployment")                                       \
    X(deployment_throttled, resources, "percent / 100", "throttled share")                                             \
    X(deployment_restarts, resources, "min(n / 5, 1)", "container restarts in 10 min")                                 \
    X(deployment_error_rate, resources, "percent / 100", "5xx share of the Deployment")                                \
    X(deployment_replicas_missing, resources, "min(n / 5, 1)", "replicas wanted but not available")
#define NS_STATE_EMBEDDING_MAP(X)                                                                                      \
    X(embedding_0, log, "projected", "log embedding")                                                                  \
    X(embedding_1, log, "projected", "log embedding")                                                                  \
    X(embedding_2, log, "projected", "log embedding")                                                                  \
    X(embedding_3, log, "projected", "log embedding")                                                                  \
    X(embedding_4, log, "projected", "log embedding")                                                                  \
    X(embedding_5, log, "projected", "log embedding")                                                                  \
    X(embedding_6, log, "projected", "log embedding")                                                                  \
    X(embedding_7, log, "projected", "log embedding")                                                                  \
    X(embedding_8, log, "projected", "log embedding")                                                                  \
    X(embedding_9, log, "projected", "log embedding")                                                                  \
    X(embedding_10, log, "projected", "log embedding")                                                                 \
    X(embedding_11, log, "projected", "log embedding")                                                                 \
    X(embedding_12, log, "projected", "log embedding")                                                                 \
    X(embedding_13, log, "projected", "log embedding")                                                                 \
    X(embedding_14, log, "projected", "log embedding")                                                                 \
    X(embedding_15, log, "projected", "log embedding")
#define NS_STATE_PREDICTION_MAP(X)                                                                                     \
    X(fail_probability, prediction, "as is", "probability of failure")                                                 \
    X(alarmed, prediction, "0 or 1", "the predictor decided: failure")                                                 \
    X(cause_compile_error, prediction, "as is", "probability of the cause")                                            \
    X(cause_test_failure, prediction, "as is", "probability of the cause")                                             \
    X(cause_flaky_test, prediction, "as is", "probability of the cause")                                               \
    X(cause_dependency, prediction, "as is", "probability of the cause")                                               \
    X(cause_registry_outage, prediction, "as is", "probability of the cause")                                          \
    X(cause_out_of_memory, prediction, "as is", "probability of the cause")                                            \
    X(cause_disk_full, prediction, "as is", "probability of the cause")                                                \
    X(cause_timeout, prediction, "as is", "probability of the cause")                                                  \
    X(cause_agent_lost, prediction, "as is", "probability of the cause")                                               \
    X(cause_config, prediction, "as is", "probability of the cause")                                                   \
    X(cause_bad_release, prediction, "as is", "probability of the cause")                                              \
    X(cause_overload, prediction, "as is", "probability of the cause")
#define NS_STATE_HISTORY_MAP(X)                                                                                        \
    X(tried_no_op, history, "min(n / 5, 1)", "times tried in the open case")                                           \
    X(tried_retry_build, history, "min(n / 5, 1)", "times tried in the open case")                                     \
    X(tried_scale_up, history, "min(n / 5, 1)", "times tried in the open case")                                        \
    X(tried_rollback, history, "min(n / 5, 1)", "times tried in the open case")                                        \
    X(tried_restart_pods, history, "min(n / 5, 1)", "times tried in the open case")                                    \
    X(tried_clear_cache, history, "min(n / 5, 1)", "times tried in the open case")                                     \
    X(tried_isolate_agent, history, "min(n / 5, 1)", "times tried in the open case")                                   \
    X(tried_escalate, history, "min(n / 5, 1)", "times tried in the open case")                                        \
    X(last_failed, history, "0 or 1", "the last action of the open case did not help")                                 \
    X(last_inconclusive, history, "0 or 1", "whether it helped could not be told")                                     \
    X(case_elapsed, history, "min(elapsed / 1 h, 1)", "since the open case's first bad event")                         \
    X(since_action, history, "min(elapsed / 15 min, 1)", "since the last action of the open case")

#define NS_STATE_MAP(X)                                                                                                \
    NS_STATE_BUILD_MAP(X)                                                                                              \
    NS_STATE_RESOURCE_MAP(X)                                                                                           \
    NS_STATE_EMBEDDING_MAP(X)                                                                                          \
    NS_STATE_PREDICTION_MAP(X)                                                                                         \
    NS_STATE_HISTORY_MAP(X)

typedef enum ns_state_index {
#define NS_STATE_ENUM(name, from, scaling, meaning) NS_STATE_##name,
    NS_STATE_MAP(NS_STATE_ENUM)
#undef NS_STATE_ENUM
        NS_STATE_COUNT
} ns_state_index;

_Static_assert(NS_STATE_tried_no_op == 52, "the state vector proper has 52 values");
_Static_assert(NS_STATE_COUNT == 64, "presence is one 64-bit word");

typedef struct ns_state {
    uint32_t layout;  /* NS_STATE_LAYOUT */
    uint64_t present; /* bit i: value[i] is known */
    float value[NS_STATE_COUNT];
} ns_state;

static inline bool ns_state_has(const ns_state *state, ns_state_index i)
{
    return (state->present >> (unsigned)i & 1u) != 0;
}

static inline void ns_state_set(ns_state *state, ns_state_index i, double value)
{
    state->value[i] = (float)value;
    state->present |= (uint64_t)1 << (unsigned)i;
}

const char *ns_state_name(ns_state_index i);

#endif
