/* Learning rates at known steps, clipping, and AdamW's first step. */
#include "check.h"

#include "tensor/schedule.h"

static void rates(void **state)
{
    (void)state;
    static const struct {
        ns_schedule schedule;
        int64_t step;
        double rate;
    } cases[] = {
        {{.peak = 1.0, .warm_up = 10, .total = 110}, 0, 0.0},
        {{.peak = 1.0, .warm_up = 10, .total = 110}, 5, 0.5},
        {{.peak = 1.0, .warm_up = 10, .total = 110}, 10, 1.0},
        {{.peak = 1.0, .warm_up = 10, .total = 110}, 60, 0.5},
        {{.peak = 1.0, .warm_up = 10, .total = 110}, 110, 0.0},
        {{.peak = 1.0, .warm_up = 10, .total = 110}, 500, 0.0},
        {{.peak = 2.0, .warm_up = 10, .total = 110, .decay = NS_DECAY_cosine}, 35, 2.0 * 0.8535533905932737},
        {{.peak = 1.0, .warm_up = 0, .total = 100, .floor = 0.1}, 100, 0.1},
        {{.peak = 1.0, .warm_up = 0, .total = 0}, 0, 0.0},
        {{.peak = 3.0, .warm_up = 2, .total = 4, .decay = NS_DECAY_constant}, 99, 3.0},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++)
        CHECK_NEAR(cases[i].rate, ns_schedule_rate(&cases[i].schedule, cases[i].step), 1e-12);
}

static void clipping(void **state)
{
    (void)state;
    CHECK_NEAR(0.5, ns_clip_factor(2.0, 1.0), 1e-6);
    CHECK_NEAR(1.0, ns_clip_factor(0.5, 1.0), 0.0);
    CHECK_NEAR(1.0, ns_clip_factor(1e9, 0.0), 0.0);
}

/* The first step moves each weight by the rate, whatever the gradient's size, and decay pulls towards 0. */
static void first_step(void **state)
{
    (void)state;
    float w[] = {1.0f, 1.0f, 2.0f}, m[3] = {0}, v[3] = {0};
    const float g[] = {1e-3f, -5.0f, 0.0f};
    ns_adamw_step step = {
        .rate = 0.1f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .decay = 0.5f, .gradient_factor = 1.0f};
    ns_adamw_correct(&step, 1);
    ns_train_kernels_pick()->adamw(w, m, v, g, 3, &step);
    CHECK_NEAR(0.95 - 0.1, w[0], 1e-5);
    CHECK_NEAR(0.95 + 0.1, w[1], 1e-5);
    CHECK_NEAR(1.9, w[2], 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rates), cmocka_unit_test(clipping),
                                       cmocka_unit_test(first_step)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
