#include "check.h"

#include "agent/reward.h"
#include "base/rng.h"

static void the_formula_by_hand(void **state)
{
    (void)state;
    static const struct {
        int64_t mttr_ms;
        bool success;
        double cost;
        double r;
    } cases[] = {
        {0, true, 0.0, 0.8},         {1800000, true, 0.0, 0.55}, {3600000, false, 0.0, 0.0}, {7200000, false, 0.0, 0.0},
        {3600000, false, 5.0, -0.2}, {900000, true, 0.1, 0.655}, {-1, false, 0.5, 0.4},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++)
        CHECK_NEAR(cases[i].r, ns_reward(&NS_REWARD_CAPS, cases[i].mttr_ms, cases[i].success, cases[i].cost), 1e-12);
}

static void steps_sum_to_the_formula(void **state)
{
    (void)state;
    ns_rng rng;
    ns_rng_seed(&rng, 3);
    for (int i = 0; i < 2000; i++) {
        ns_reward_caps caps = {.mttr_cap_s = 60.0 + 7200.0 * ns_rng_uniform(&rng),
                               .cost_cap = 0.1 + ns_rng_uniform(&rng)};
        ns_episode episode;
        int64_t elapsed_ms = 0;
        double cost = 0.0, sum = 0.0;
        ns_episode_begin(&episode, &caps);
        for (uint64_t n = ns_rng_below(&rng, 40); n > 0; n--) {
            elapsed_ms += (int64_t)ns_rng_below(&rng, 120000);
            cost += ns_rng_below(&rng, 3) == 0 ? 0.3 * ns_rng_uniform(&rng) : 0.0;
            sum += ns_episode_step(&episode, elapsed_ms, cost);
        }
        bool success = ns_rng_below(&rng, 2) == 0;
        sum += ns_episode_end(&episode, elapsed_ms, cost, success);
        CHECK_NEAR(ns_reward(&caps, elapsed_ms, success, cost), sum, 1e-12);
        CHECK_NEAR(sum, episode.paid, 1e-12);
    }
}

static void a_case_is_worth_what_became_of_it(void **state)
{
    (void)state;
    ns_case c = {.first_bad_ms = 1000, .healed_ms = -1, .closed_ms = -1, .cost = 0.5};
    CHECK_NEAR(ns_reward(&NS_REWARD_CAPS, 60000, false, 0.5), ns_reward_of_case(&NS_REWARD_CAPS, &c, 61000), 1e-12);
    c.healed_ms = c.closed_ms = 31000;
    c.healed_by = NS_HEALED_action;
    CHECK_NEAR(ns_reward(&NS_REWARD_CAPS, 30000, true, 0.5), ns_reward_of_case(&NS_REWARD_CAPS, &c, 61000), 1e-12);
    c.healed_by = NS_HEALED_human;
    CHECK_NEAR(ns_reward(&NS_REWARD_CAPS, 30000, false, 0.5), ns_reward_of_case(&NS_REWARD_CAPS, &c, 61000), 1e-12);
    CHECK(ns_reward_success(NS_HEALED_itself) && !ns_reward_success(NS_HEALED_abandoned));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_formula_by_hand),
        cmocka_unit_test(steps_sum_to_the_formula),
        cmocka_unit_test(a_case_is_worth_what_became_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
