#include "base/rng.h"
#include "check.h"

/* Worked out from the published algorithms (splitmix64 into xoshiro256**) by a program that is not this one. */
static void seed_1_gives_the_known_numbers(void **state)
{
    ns_rng rng;
    (void)state;
    ns_rng_seed(&rng, 1);
    assert_true(ns_rng_u64(&rng) == 0xb3f2af6d0fc710c5u);
    assert_true(ns_rng_u64(&rng) == 0x853b559647364ceau);
    assert_true(ns_rng_u64(&rng) == 0x92f89756082a4514u);
}

static void named_streams_are_apart_and_repeatable(void **state)
{
    ns_rng a, again, b;
    (void)state;
    ns_rng_seed_named(&a, 7, "faults");
    ns_rng_seed_named(&again, 7, "faults");
    ns_rng_seed_named(&b, 7, "logs");
    uint64_t first = ns_rng_u64(&a);
    CHECK(first == ns_rng_u64(&again));
    CHECK(first != ns_rng_u64(&b));
}

enum { DRAWS = 200000 };

static double mean_of(ns_rng *rng, double (*draw)(ns_rng *rng), double *variance)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < DRAWS; i++) {
        double x = draw(rng);
        sum += x;
        squares += x * x;
    }
    double mean = sum / DRAWS;
    *variance = squares / DRAWS - mean * mean;
    return mean;
}

static double draw_log_of_lognormal(ns_rng *rng)
{
    return log(ns_rng_lognormal(rng, 20.0, 0.5));
}

static double draw_exponential(ns_rng *rng)
{
    return ns_rng_exponential(rng, 3.0);
}

/* Five standard errors wide: a right generator with this seed is far inside. */
static void distributions_have_their_moments(void **state)
{
    ns_rng rng;
    double variance;
    (void)state;
    ns_rng_seed(&rng, 11);
    CHECK_NEAR(0.5, mean_of(&rng, ns_rng_uniform, &variance), 0.004);
    CHECK_NEAR(1.0 / 12, variance, 0.002);
    CHECK_NEAR(0.0, mean_of(&rng, ns_rng_normal, &variance), 0.012);
    CHECK_NEAR(1.0, variance, 0.02);
    CHECK_NEAR(log(20.0), mean_of(&rng, draw_log_of_lognormal, &variance), 0.006);
    CHECK_NEAR(0.25, variance, 0.005);
    CHECK_NEAR(3.0, mean_of(&rng, draw_exponential, &variance), 0.04);
    CHECK_NEAR(9.0, variance, 0.4);
}

static void below_is_even_and_below(void **state)
{
    ns_rng rng;
    int seen[6] = {0};
    (void)state;
    ns_rng_seed(&rng, 3);
    for (int i = 0; i < 60000; i++) {
        uint64_t n = ns_rng_below(&rng, 6);
        CHECK(n < 6);
        seen[n]++;
    }
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(10000, seen[i], 500);
    for (int i = 0; i < 100; i++) {
        CHECK_INT(0, ns_rng_below(&rng, 1));
        CHECK(ns_rng_uniform(&rng) < 1.0);
    }
}

static void weights_decide(void **state)
{
    static const double weights[] = {0, 3, 0, 1, 0};
    ns_rng rng;
    int seen[5] = {0};
    (void)state;
    ns_rng_seed(&rng, 5);
    for (int i = 0; i < 40000; i++)
        seen[ns_rng_weighted(&rng, weights, 5)]++;
    CHECK_INT(0, seen[0] + seen[2] + seen[4]);
    CHECK_NEAR(30000, seen[1], 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_1_gives_the_known_numbers),
        cmocka_unit_test(named_streams_are_apart_and_repeatable),
        cmocka_unit_test(distributions_have_their_moments),
        cmocka_unit_test(below_is_even_and_below),
        cmocka_unit_test(weights_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
