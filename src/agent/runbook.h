/*
 * Rule policies: the runbook (what a careful on-call engineer would write down), and two baselines.
 *
 * They look at the state vector only, allocate nothing and keep nothing: the same state and mask give the same
 * decision. `why` is our own words, never text from a log.
 */
#ifndef NS_AGENT_RUNBOOK_H
#define NS_AGENT_RUNBOOK_H

#include "flow/policy.h"

/* Acts only when the last completed build failed; see README.md for the table of causes and remedies. */
void ns_runbook_policy(ns_policy *out);

/* Always no_op. */
void ns_nothing_policy(ns_policy *out);

/* This action when the last completed build failed and the action is possible, else no_op. */
void ns_constant_policy(ns_policy *out, ns_action action);

#endif
