/*
 * What the policy wants, and what the guardrails say to it.
 */
#ifndef NS_FLOW_DECISION_H
#define NS_FLOW_DECISION_H

#include "flow/action.h"
#include "flow/names.h"
#include "flow/state.h"

typedef struct ns_decision {
    ns_action action;
    double probability; /* the policy's of this action, 0..1; 1 for rules */
    char why[160];      /* one sentence of our own words: never text from a log */
} ns_decision;

/* From least to most autonomy. Default of a new install: observe. */
#define NS_MODE_MAP(X) X(observe) X(suggest) X(approve) X(auto)

typedef enum ns_mode {
#define NS_MODE_ENUM(name) NS_MODE_##name,
    NS_MODE_MAP(NS_MODE_ENUM)
#undef NS_MODE_ENUM
        NS_MODE_COUNT
} ns_mode;

/* act: send it; observe: keep the ledger only; suggest: show it; ask: wait for a person; refuse: a rule forbids it. */
#define NS_VERDICT_MAP(X) X(act) X(observe) X(suggest) X(ask) X(refuse)

typedef enum ns_verdict_kind {
#define NS_VERDICT_ENUM(name) NS_VERDICT_##name,
    NS_VERDICT_MAP(NS_VERDICT_ENUM)
#undef NS_VERDICT_ENUM
} ns_verdict_kind;

typedef struct ns_verdict {
    ns_verdict_kind kind;
    char rule[32];  /* the guardrail that decided: "mode", "stale_data", "cool_down", ... */
    char text[160]; /* why, for a person, with the numbers that decided */
} ns_verdict;

const char *ns_mode_name(ns_mode mode);
NS_MUST_USE bool ns_mode_parse(ns_text name, ns_mode *out);
const char *ns_verdict_name(ns_verdict_kind kind);
NS_MUST_USE bool ns_verdict_parse(ns_text name, ns_verdict_kind *out);

#endif
