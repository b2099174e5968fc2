/*
 * The door of a policy: state vector and the actions possible now in, one action out.
 *
 * Pure: the same state and mask give the same decision (live, training, replay). No allocation, under 2 us.
 */
#ifndef NS_FLOW_POLICY_H
#define NS_FLOW_POLICY_H

#include "flow/decision.h"

typedef struct ns_policy {
    void *self;
    const char *name; /* "runbook", "nothing", ... */
    char sha256[65];  /* "" when there is no file */
    /* possible always holds no_op; the answer is one of its actions. */
    void (*decide)(void *self, const ns_state *state, ns_action_mask possible, ns_decision *out);
    void (*free)(void *self);
} ns_policy;

#endif
