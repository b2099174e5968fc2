#include "check.h"

#include "flow/deployment.h"

static void scale_up_goes_a_fifth_up_and_never_above_the_cap(void **state)
{
    (void)state;
    static const struct {
        int64_t n, cap;
        int32_t wanted;
    } cases[] = {
        {1, 10, 2},    {2, 10, 3},      {3, 10, 4},      {4, 10, 5},         {5, 10, 6}, {6, 10, 8},  {10, 20, 12},
        {15, 100, 18}, {9, 10, 10},     {10, 10, 10},    {12, 10, 10},       {0, 10, 0}, {-1, 10, 0}, {1, 1, 1},
        {1, 0, 0},     {100, 500, 120}, {101, 500, 122}, {INT64_MAX, 10, 0}, {1, -5, 0},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++)
        CHECK_INT(cases[i].wanted, ns_scale_up_target(cases[i].n, cases[i].cap));
}

static void what_is_not_known_is_missing(void **state)
{
    (void)state;
    ns_deployment_view view = {.at_ms = 5, .exists = true, .verified_revision = 7};
    (void)ns_text_copy(view.verified_hash, sizeof view.verified_hash, NS_TEXT("6d4f9c7b8"));
    ns_deployment_view_forget(&view);
    CHECK_INT(-1, view.at_ms);
    CHECK(!view.exists);
    for (size_t i = 0; i < NS_DEPLOYMENT_FACTS; i++)
        CHECK_INT(-1, ns_deployment_fact_of(&view, (ns_deployment_fact)i));
    CHECK_STRING("6d4f9c7b8", view.verified_hash); /* the ledger's */
    CHECK_INT(7, view.verified_revision);

    ns_deployment_fact_set(&view, NS_DEPLOYMENT_pods, 0, 100);
    CHECK_INT(0, ns_deployment_fact_of(&view, NS_DEPLOYMENT_pods));
    ns_deployment_fact_set(&view, NS_DEPLOYMENT_pods, -1, 100);
    CHECK_INT(-1, ns_deployment_fact_of(&view, NS_DEPLOYMENT_pods));
    ns_deployment_fact_set(&view, NS_DEPLOYMENT_pods, 3, -1);
    CHECK_INT(-1, ns_deployment_fact_of(&view, NS_DEPLOYMENT_pods));
    CHECK_STRING("pods_oom_killed", ns_deployment_fact_name(NS_DEPLOYMENT_pods_oom_killed));
    CHECK_STRING("complete", ns_rollout_name(NS_ROLLOUT_complete));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scale_up_goes_a_fifth_up_and_never_above_the_cap),
        cmocka_unit_test(what_is_not_known_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
