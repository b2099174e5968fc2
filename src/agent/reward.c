#include "agent/reward.h"

#include <math.h>

#define WEIGHT_MTTR    0.5
#define WEIGHT_SUCCESS 0.3
#define WEIGHT_COST    0.2

/* What the incident is worth if it ended here, success left out. */
static double worth(const ns_reward_caps *caps, int64_t mttr_ms, double cost)
{
    NS_CHECK(caps->mttr_cap_s > 0.0 && caps->cost_cap > 0.0 && cost >= 0.0);
    double mttr_s = mttr_ms > 0 ? (double)mttr_ms / 1000.0 : 0.0;
    return WEIGHT_MTTR * (1.0 - fmin(mttr_s / caps->mttr_cap_s, 1.0)) - WEIGHT_COST * fmin(cost / caps->cost_cap, 1.0);
}

double ns_reward(const ns_reward_caps *caps, int64_t mttr_ms, bool success, double cost)
{
    return worth(caps, mttr_ms, cost) + (success ? WEIGHT_SUCCESS : 0.0);
}

bool ns_reward_success(ns_healed_by healed_by)
{
    return healed_by == NS_HEALED_action || healed_by == NS_HEALED_itself;
}

double ns_reward_of_case(const ns_reward_caps *caps, const ns_case *a_case, int64_t now_ms)
{
    int64_t end_ms = a_case->healed_ms >= 0 ? a_case->healed_ms : a_case->closed_ms >= 0 ? a_case->closed_ms : now_ms;
    bool success = a_case->healed_ms >= 0 && ns_reward_success(a_case->healed_by);
    return ns_reward(caps, end_ms - a_case->first_bad_ms, success, a_case->cost);
}

void ns_episode_begin(ns_episode *episode, const ns_reward_caps *caps)
{
    *episode = (ns_episode){.caps = *caps};
}

/* Each step pays the difference between what the episode is worth now and what was paid: the sum telescopes to R
 * whatever the steps were. */
static double pay(ns_episode *episode, double worth_now)
{
    double step = worth_now - episode->paid;
    NS_CHECK(!episode->ended);
    episode->paid = worth_now;
    return step;
}

double ns_episode_step(ns_episode *episode, int64_t elapsed_ms, double cost)
{
    return pay(episode, worth(&episode->caps, elapsed_ms, cost));
}

double ns_episode_end(ns_episode *episode, int64_t mttr_ms, double cost, bool success)
{
    double step = pay(episode, ns_reward(&episode->caps, mttr_ms, success, cost));
    episode->ended = true;
    return step;
}
