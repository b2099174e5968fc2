/*
 * Reward of one incident: R = 0.5 (1 - MTTR_norm) + 0.3 Success - 0.2 Cost, paid out in steps whose sum is R.
 *
 * MTTR_norm = min(MTTR / cap, 1), MTTR from the first bad event to verified good, failed attempts and waiting for
 * people included; an incident never healed counts with its whole length. Cost = min(sum of action costs / cap, 1).
 * Success = 1 when it became verified good without a person (by an action of ours or by itself), else 0.
 * The three weights are fixed; the caps stand in scenario.yaml under `reward`.
 */
#ifndef NS_AGENT_REWARD_H
#define NS_AGENT_REWARD_H

#include "flow/case.h"

typedef struct ns_reward_caps {
    double mttr_cap_s; /* > 0; default 3600 */
    double cost_cap;   /* > 0; default 1.0 */
} ns_reward_caps;

#define NS_REWARD_CAPS ((ns_reward_caps){.mttr_cap_s = 3600.0, .cost_cap = 1.0})

/* The formula at once. mttr_ms < 0 counts as 0; cost < 0 is a bug of ours. */
double ns_reward(const ns_reward_caps *caps, int64_t mttr_ms, bool success, double cost);

bool ns_reward_success(ns_healed_by healed_by);

/* R of a closed case. An open one: what it is worth if it ended now unhealed. */
double ns_reward_of_case(const ns_reward_caps *caps, const ns_case *a_case, int64_t now_ms);

/* One episode, paid step by step. Plain data, one thread. */
typedef struct ns_episode {
    ns_reward_caps caps;
    double paid; /* sum of all steps so far */
    bool ended;
} ns_episode;

void ns_episode_begin(ns_episode *episode, const ns_reward_caps *caps);
/* The reward of the step that led here. elapsed_ms since the first bad event and cost, the sum of all action costs,
 * never shrink. The first call pays the 0.5 that is at stake. */
double ns_episode_step(ns_episode *episode, int64_t elapsed_ms, double cost);
/* The last step: as above, plus 0.3 for success. Nothing may follow. */
double ns_episode_end(ns_episode *episode, int64_t mttr_ms, double cost, bool success);

#endif
