#include "check.h"

#include "agent/runbook.h"
#include "base/rng.h"
#include "flow/cause.h"

#define ALL ((1u << NS_ACTION_COUNT) - 1)

/* A failed build of this cause, with what was tried. Seconds < 0: absent. */
static ns_state failed(ns_cause cause, int retries, double elapsed_s, double since_s)
{
    ns_state s = {.layout = NS_STATE_LAYOUT};
    ns_state_set(&s, NS_STATE_build_running, 0);
    ns_state_set(&s, NS_STATE_build_failed, 1);
    ns_state_set(&s, NS_STATE_build_unstable, 0);
    for (int c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++)
        ns_state_set(&s, (ns_state_index)(NS_STATE_cause_compile_error + c - 1), c == (int)cause ? 0.8 : 0.01);
    ns_state_set(&s, NS_STATE_tried_retry_build, retries / 5.0);
    ns_state_set(&s, NS_STATE_tried_escalate, 0);
    ns_state_set(&s, NS_STATE_last_failed, retries > 0);
    ns_state_set(&s, NS_STATE_case_elapsed, elapsed_s / 3600.0);
    if (since_s >= 0.0)
        ns_state_set(&s, NS_STATE_since_action, since_s >= 900.0 ? 1.0 : since_s / 900.0);
    return s;
}

static ns_decision decide(const ns_state *s, ns_action_mask possible)
{
    ns_policy policy;
    ns_decision out;
    ns_runbook_policy(&policy);
    policy.decide(policy.self, s, possible, &out);
    policy.free(policy.self);
    return out;
}

static void a_failing_test_is_not_repeated_where_the_code_may_not_compile(void **state)
{
    (void)state;
    ns_state s = failed(NS_CAUSE_test_failure, 0, 0, -1);
    ns_state_set(&s, NS_STATE_cause_compile_error, 0.15F);
    CHECK_INT(NS_ACTION_retry_build, decide(&s, ALL).action);
    ns_state_set(&s, NS_STATE_cause_compile_error, 0.25F);
    CHECK_INT(NS_ACTION_escalate, decide(&s, ALL).action);
}

static void each_cause_has_its_remedy(void **state)
{
    (void)state;
    static const struct {
        ns_cause cause;
        int retries;
        double elapsed_s;
        double since_s;
        ns_action wanted;
    } cases[] = {
        {NS_CAUSE_flaky_test, 0, 0, -1, NS_ACTION_retry_build},
        {NS_CAUSE_flaky_test, 2, 500, 1, NS_ACTION_retry_build},
        {NS_CAUSE_flaky_test, 3, 900, 200, NS_ACTION_escalate},
        {NS_CAUSE_timeout, 1, 900, 1, NS_ACTION_retry_build},
        {NS_CAUSE_timeout, 2, 900, 200, NS_ACTION_escalate},
        {NS_CAUSE_agent_lost, 2, 100, 1, NS_ACTION_retry_build},
        {NS_CAUSE_agent_lost, 3, 900, 200, NS_ACTION_escalate},
        {NS_CAUSE_registry_outage, 0, 59, -1, NS_ACTION_no_op},
        {NS_CAUSE_registry_outage, 0, 60, -1, NS_ACTION_retry_build},
        {NS_CAUSE_registry_outage, 1, 300, 59, NS_ACTION_no_op},
        {NS_CAUSE_registry_outage, 1, 300, 60, NS_ACTION_retry_build},
        {NS_CAUSE_registry_outage, 2, 300, 119, NS_ACTION_no_op},
        {NS_CAUSE_registry_outage, 2, 300, 120, NS_ACTION_retry_build},
        {NS_CAUSE_registry_outage, 3, 900, 239, NS_ACTION_no_op},
        {NS_CAUSE_registry_outage, 3, 900, 240, NS_ACTION_retry_build},
        {NS_CAUSE_registry_outage, 4, 900, 240, NS_ACTION_retry_build},
        {NS_CAUSE_registry_outage, 5, 3000, 900, NS_ACTION_escalate},
        {NS_CAUSE_out_of_memory, 0, 89, -1, NS_ACTION_no_op},
        {NS_CAUSE_out_of_memory, 0, 90, -1, NS_ACTION_retry_build},
        {NS_CAUSE_out_of_memory, 3, 900, 119, NS_ACTION_no_op},
        {NS_CAUSE_out_of_memory, 3, 900, 120, NS_ACTION_retry_build},
        {NS_CAUSE_out_of_memory, 4, 900, 500, NS_ACTION_escalate},
        {NS_CAUSE_test_failure, 0, 0, -1, NS_ACTION_retry_build},
        {NS_CAUSE_test_failure, 1, 300, 200, NS_ACTION_escalate},
        {NS_CAUSE_compile_error, 0, 0, -1, NS_ACTION_escalate},
        {NS_CAUSE_dependency, 0, 0, -1, NS_ACTION_escalate},
        {NS_CAUSE_config, 0, 0, -1, NS_ACTION_escalate},
        {NS_CAUSE_disk_full, 0, 0, -1, NS_ACTION_escalate},
        {NS_CAUSE_none, 0, 0, -1, NS_ACTION_escalate},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_state s = failed(cases[i].cause, cases[i].retries, cases[i].elapsed_s, cases[i].since_s);
        ns_decision out = decide(&s, ALL);
        if (out.action != cases[i].wanted)
            fail_msg("%s after %d retries, %g s, %g s: %s (%s)", ns_cause_name(cases[i].cause), cases[i].retries,
                     cases[i].elapsed_s, cases[i].since_s, ns_action_name(out.action), out.why);
        CHECK(out.why[0] != '\0');
        CHECK_NEAR(1.0, out.probability, 0.0);
    }
}

static void without_a_failed_build_nothing_is_done(void **state)
{
    (void)state;
    ns_state s = {.layout = NS_STATE_LAYOUT};
    CHECK_INT(NS_ACTION_no_op, decide(&s, ALL).action);
    s = failed(NS_CAUSE_flaky_test, 0, 0, -1);
    s.value[NS_STATE_build_failed] = 0;
    CHECK_INT(NS_ACTION_no_op, decide(&s, ALL).action);
    s.value[NS_STATE_build_unstable] = 1;
    CHECK_INT(NS_ACTION_retry_build, decide(&s, ALL).action);
    s.value[NS_STATE_build_running] = 1;
    CHECK_INT(NS_ACTION_no_op, decide(&s, ALL).action);
}

static void a_person_is_told_once_unless_the_message_is_lost(void **state)
{
    (void)state;
    ns_state s = failed(NS_CAUSE_compile_error, 0, 100, 30);
    s.value[NS_STATE_tried_escalate] = 0.2f;
    CHECK_INT(NS_ACTION_no_op, decide(&s, ALL).action);
    /* Also when a retry would be next: it is the person's now. */
    ns_state flaky = failed(NS_CAUSE_flaky_test, 0, 100, 500);
    flaky.value[NS_STATE_tried_escalate] = 0.2f;
    CHECK_INT(NS_ACTION_no_op, decide(&flaky, ALL).action);
    s.value[NS_STATE_last_failed] = 1;
    CHECK_INT(NS_ACTION_no_op, decide(&s, ALL).action);
    ns_state_set(&s, NS_STATE_since_action, 60.0 / 900.0);
    CHECK_INT(NS_ACTION_escalate, decide(&s, ALL).action);
    s.value[NS_STATE_tried_escalate] = 0.6f;
    CHECK_INT(NS_ACTION_no_op, decide(&s, ALL).action);
    ns_state_set(&s, NS_STATE_since_action, 1.0);
    CHECK_INT(NS_ACTION_escalate, decide(&s, ALL).action);
}

static void the_answer_is_always_possible_and_never_retries_compile_errors(void **state)
{
    (void)state;
    ns_rng rng;
    ns_rng_seed(&rng, 11);
    for (int i = 0; i < 100000; i++) {
        ns_state s = {.layout = NS_STATE_LAYOUT};
        for (int k = 0; k < NS_STATE_COUNT; k++)
            if (ns_rng_below(&rng, 3) > 0)
                ns_state_set(&s, (ns_state_index)k, ns_rng_below(&rng, 2) ? ns_rng_uniform(&rng) : 1.0);
        ns_action_mask possible = (ns_action_mask)ns_rng_below(&rng, ALL + 1) | NS_ACTION_BIT(NS_ACTION_no_op);
        CHECK((possible & NS_ACTION_BIT(decide(&s, possible).action)) != 0);
        ns_state_set(&s, NS_STATE_cause_compile_error, 30.0);
        CHECK(decide(&s, possible).action != NS_ACTION_retry_build);
    }
}

static void the_other_policies(void **state)
{
    (void)state;
    ns_policy policy;
    ns_decision out;
    ns_state s = failed(NS_CAUSE_flaky_test, 0, 0, -1);
    ns_nothing_policy(&policy);
    policy.decide(policy.self, &s, ALL, &out);
    CHECK_INT(NS_ACTION_no_op, out.action);
    CHECK_STRING("nothing", policy.name);
    ns_constant_policy(&policy, NS_ACTION_rollback);
    CHECK_STRING("constant:rollback", policy.name);
    policy.decide(policy.self, &s, ALL, &out);
    CHECK_INT(NS_ACTION_rollback, out.action);
    policy.decide(policy.self, &s, NS_ACTION_BIT(NS_ACTION_no_op), &out);
    CHECK_INT(NS_ACTION_no_op, out.action);
    s.value[NS_STATE_build_failed] = 0;
    policy.decide(policy.self, &s, ALL, &out);
    CHECK_INT(NS_ACTION_no_op, out.action);
}

#define ON_DEPLOYMENTS                                                                                                 \
    (NS_ACTION_BIT(NS_ACTION_no_op) | NS_ACTION_BIT(NS_ACTION_escalate) | NS_ACTION_BIT(NS_ACTION_scale_up) |          \
     NS_ACTION_BIT(NS_ACTION_rollback) | NS_ACTION_BIT(NS_ACTION_restart_pods))

#define ONLY_TELL (NS_ACTION_BIT(NS_ACTION_no_op) | NS_ACTION_BIT(NS_ACTION_escalate))

/* A Deployment that does badly, though the last build was green. */
static void a_deployment_has_remedies_of_its_own(void **state)
{
    (void)state;
    static const struct {
        ns_cause cause;
        int scaled, rolled_back, restarted;
        ns_action_mask without;
        ns_action wanted;
    } cases[] = {
        {NS_CAUSE_overload, 0, 0, 0, 0, NS_ACTION_scale_up},
        {NS_CAUSE_overload, 3, 0, 0, 0, NS_ACTION_scale_up},
        {NS_CAUSE_overload, 4, 0, 0, 0, NS_ACTION_escalate},
        {NS_CAUSE_overload, 0, 0, 0, NS_ACTION_BIT(NS_ACTION_scale_up), NS_ACTION_escalate},
        {NS_CAUSE_bad_release, 0, 0, 0, 0, NS_ACTION_rollback},
        {NS_CAUSE_bad_release, 0, 1, 0, 0, NS_ACTION_escalate},
        {NS_CAUSE_bad_release, 0, 0, 0, NS_ACTION_BIT(NS_ACTION_rollback), NS_ACTION_escalate}, /* nothing verified */
        {NS_CAUSE_out_of_memory, 0, 0, 0, 0, NS_ACTION_restart_pods},
        {NS_CAUSE_out_of_memory, 0, 0, 1, 0, NS_ACTION_rollback},
        {NS_CAUSE_out_of_memory, 0, 1, 1, 0, NS_ACTION_scale_up},
        {NS_CAUSE_out_of_memory, 1, 1, 1, 0, NS_ACTION_escalate},
        {NS_CAUSE_none, 0, 0, 0, 0, NS_ACTION_escalate},
        /* Nothing can be done to it: then a person at least knows. */
        {NS_CAUSE_bad_release, 0, 0, 0, ~ONLY_TELL, NS_ACTION_escalate},
        {NS_CAUSE_none, 0, 0, 0, ~ONLY_TELL, NS_ACTION_escalate},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_state s = failed(cases[i].cause, 0, 60, -1);
        ns_state_set(&s, NS_STATE_build_failed, 0);
        for (int c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++)
            ns_state_set(&s, (ns_state_index)(NS_STATE_cause_compile_error + c - 1), c == (int)cases[i].cause);
        ns_state_set(&s, NS_STATE_tried_scale_up, cases[i].scaled / 5.0);
        ns_state_set(&s, NS_STATE_tried_rollback, cases[i].rolled_back / 5.0);
        ns_state_set(&s, NS_STATE_tried_restart_pods, cases[i].restarted / 5.0);
        ns_decision d = decide(&s, ON_DEPLOYMENTS & ~cases[i].without);
        if (d.action != cases[i].wanted)
            fail_msg("row %zu: %s (%s)", i, ns_action_name(d.action), d.why);
        ns_state_set(&s, NS_STATE_tried_escalate, 0.2); /* a person knows: theirs now */
        CHECK_INT(NS_ACTION_no_op, decide(&s, ON_DEPLOYMENTS & ~cases[i].without).action);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failing_test_is_not_repeated_where_the_code_may_not_compile),
        cmocka_unit_test(each_cause_has_its_remedy),
        cmocka_unit_test(a_deployment_has_remedies_of_its_own),
        cmocka_unit_test(without_a_failed_build_nothing_is_done),
        cmocka_unit_test(a_person_is_told_once_unless_the_message_is_lost),
        cmocka_unit_test(the_answer_is_always_possible_and_never_retries_compile_errors),
        cmocka_unit_test(the_other_policies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
