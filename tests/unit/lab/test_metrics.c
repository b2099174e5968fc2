#include "check.h"

#include "lab/metrics.h"

static void figures_of_a_small_table_by_hand(void **state)
{
    (void)state;
    static const ns_scored_log logs[] = {{0.9, true, false},  {0.8, true, false},  {0.4, true, true},
                                         {0.7, false, false}, {0.2, false, false}, {0.1, false, false},
                                         {0.4, false, false}, {0.3, false, false}};
    ns_metrics m;
    ns_metrics_of(logs, NS_COUNT_OF(logs), &m);
    CHECK_NEAR(6.0 / 8.0, m.accuracy, 1e-12);
    CHECK_NEAR(2.0 / 3.0, m.precision, 1e-12);
    CHECK_NEAR(2.0 / 3.0, m.recall, 1e-12);
    CHECK_NEAR(0.2, m.fpr, 1e-12);
    /* Pairs won: 5 + 5 + (3 + half of one). */
    CHECK_NEAR(13.5 / 15.0, m.auc, 1e-12);
    CHECK_NEAR(1.0 / 8.0, m.abstain, 1e-12);
    CHECK_NEAR(0.05 * m.recall / (0.05 * m.recall + 0.95 * 0.2), m.precision_at_5, 1e-12);
    /* Bins: .9 .8 .4+.4 .7 .2 .1 .3. */
    CHECK_NEAR((0.1 + 0.2 + 0.2 + 0.7 + 0.2 + 0.1 + 0.3) / 8.0, m.ece, 1e-12);
}

static void one_class_has_no_curve(void **state)
{
    (void)state;
    const double score[] = {0.1, 0.2};
    const bool label[] = {true, true};
    CHECK(isnan(ns_auc(score, label, 2)));
    CHECK(isnan(ns_auc(NULL, NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_a_small_table_by_hand),
        cmocka_unit_test(one_class_has_no_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
