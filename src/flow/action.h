/*
 * What may be done: one closed list for policy, guardrails, executors, world and dashboard.
 */
#ifndef NS_FLOW_ACTION_H
#define NS_FLOW_ACTION_H

#include "base/status.h"
#include "base/text.h"

#include <stdint.h>

/* name, cost (share of the reward's cost cap, 0..1), reversible, blast radius, executed by, meaning */
#define NS_ACTION_MAP(X)                                                                                               \
    X(no_op, 0.00, true, "nothing", "nobody", "wait and look again next tick")                                         \
    X(retry_build, 0.10, false, "one build", "jenkins", "build again with the same parameters")                        \
    X(scale_up, 0.15, true, "one deployment", "kubernetes", "ceil(1.2 n) replicas, back to n when calm")               \
    X(rollback, 0.25, true, "one deployment", "kubernetes", "back to the last revision verified here")                 \
    X(restart_pods, 0.15, false, "one deployment", "kubernetes", "rollout restart")                                    \
    X(clear_cache, 0.15, false, "one build", "jenkins", "wipe the workspace or cache, then build again")               \
    X(isolate_agent, 0.20, true, "one agent", "jenkins", "take the agent offline, build again elsewhere")              \
    X(escalate, 0.30, false, "a person", "notify", "tell a person the cause, the evidence and what was tried")

typedef enum ns_action {
#define NS_ACTION_ENUM(name, cost, reversible, blast, executor, meaning) NS_ACTION_##name,
    NS_ACTION_MAP(NS_ACTION_ENUM)
#undef NS_ACTION_ENUM
        NS_ACTION_COUNT
} ns_action;

typedef struct ns_action_facts {
    const char *name;
    double cost;
    bool reversible;
    const char *blast_radius;
    const char *executor;
    const char *meaning;
} ns_action_facts;

/* One bit per action: 1u << NS_ACTION_x. */
typedef uint32_t ns_action_mask;
#define NS_ACTION_BIT(action) ((ns_action_mask)1u << (unsigned)(action))

/* Static; action must be in the list. */
const ns_action_facts *ns_action_facts_of(ns_action action);
const char *ns_action_name(ns_action action);
NS_MUST_USE bool ns_action_parse(ns_text name, ns_action *out);

#endif
