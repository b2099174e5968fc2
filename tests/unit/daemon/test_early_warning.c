#include "check.h"

#include "daemon/early_warning.h"

#include <math.h>

static void a_lead_needs_an_alarm_before_a_failing_end(void **state)
{
    (void)state;
    ns_build build = {.result = NS_BUILD_FAILURE, .started_ms = 1000, .duration_ms = 9000};
    CHECK_NEAR(6.0, ns_lead_s(4000, &build), 1e-9);
    CHECK(isnan(ns_lead_s(-1, &build)) && isnan(ns_lead_s(10000, &build)));
    build.result = NS_BUILD_SUCCESS;
    CHECK(isnan(ns_lead_s(4000, &build)));
    build.result = NS_BUILD_FAILURE;
    build.running = true;
    CHECK(isnan(ns_lead_s(4000, &build)));
    build.running = false;
    build.duration_ms = -1;
    CHECK(isnan(ns_lead_s(4000, &build)));
}

static void the_median_is_of_the_newest(void **state)
{
    (void)state;
    static ns_early_warning early;
    CHECK(isnan(ns_early_warning_median_s(&early)));
    ns_early_warning_note(&early, (double)NAN);
    CHECK_INT(0, early.found);
    ns_early_warning_note(&early, 30.0);
    ns_early_warning_note(&early, 10.0);
    CHECK_NEAR(20.0, ns_early_warning_median_s(&early), 1e-9);
    ns_early_warning_note(&early, 11.0);
    CHECK_NEAR(11.0, ns_early_warning_median_s(&early), 1e-9);
    for (int i = 0; i < NS_LEADS_KEPT; i++)
        ns_early_warning_note(&early, 500.0);
    CHECK_NEAR(500.0, ns_early_warning_median_s(&early), 1e-9);
    CHECK_INT(3 + NS_LEADS_KEPT, early.found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lead_needs_an_alarm_before_a_failing_end),
        cmocka_unit_test(the_median_is_of_the_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
