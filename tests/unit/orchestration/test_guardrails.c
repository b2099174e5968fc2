#include "check.h"

#include "orchestration/guardrails.h"

#include <unistd.h>

#define NOW   INT64_C(100000000)
#define HOUR  INT64_C(3600000)
#define RETRY NS_ACTION_retry_build

/* Everything in order: mode auto, fresh data, a sure prediction. Each test spoils one thing. */
typedef struct scene {
    ns_guardrail_options options;
    ns_guardrails *rails;
    ns_snapshot *snapshot;
    ns_pipeline_view *view;
    ns_decision decision;
    ns_case open_case;
    ns_build failed;
    ns_prediction prediction;
    ns_judged judged;
} scene;

static void set_scene(scene *s)
{
    memset(s, 0, sizeof *s);
    s->options = ns_guardrail_defaults();
    s->options.mode = NS_MODE_auto;
    s->snapshot = ns_snapshot_new();
    s->view = ns_snapshot_pipeline(s->snapshot, NS_TEXT("shop/carts"));
    s->view->jenkins_at_ms = NOW - 1000;
    s->snapshot->source[NS_FROM_jenkins].state = NS_SOURCE_ok;
    s->snapshot->source[NS_FROM_prometheus].state = NS_SOURCE_ok;
    s->snapshot->source[NS_FROM_kubernetes].state = NS_SOURCE_ok;
    s->view->cluster.at_ms = NOW - 1000;
    s->decision.action = RETRY;
    s->open_case.id = 7;
    s->failed = ns_build_unknown(41);
    s->failed.result = NS_BUILD_FAILURE;
    s->prediction.cause = NS_CAUSE_flaky_test;
    s->prediction.cause_probability[NS_CAUSE_flaky_test] = 0.8;
    s->prediction.known_at_ms = NOW - 500;
    s->judged = (ns_judged){.decision = &s->decision,
                            .snapshot = s->snapshot,
                            .view = s->view,
                            .open_case = &s->open_case,
                            .failed_build = &s->failed,
                            .prediction = &s->prediction,
                            .now_ms = NOW};
}

static void build(scene *s)
{
    CHECK_OK(ns_guardrails_new(&s->options, &s->rails, NULL));
}

static void clear(scene *s)
{
    ns_guardrails_free(s->rails);
    ns_snapshot_free(s->snapshot);
    CHECK_INT(0, ns_mem_live());
}

static void expect(scene *s, ns_verdict_kind kind, const char *rule)
{
    ns_verdict got;
    ns_guardrails_judge(s->rails, &s->judged, &got);
    if (got.kind != kind || strcmp(got.rule, rule) != 0)
        fail_msg("wanted %s by %s, got %s by %s: %s", ns_verdict_name(kind), rule, ns_verdict_name(got.kind), got.rule,
                 got.text);
    CHECK(got.text[0] != '\0');
}

static void modes_say_what_may_be_done(void **state)
{
    (void)state;
    static const struct {
        ns_mode global, own;
        bool real, written, approved;
        ns_action action;
        ns_verdict_kind wanted;
    } cases[] = {
        {NS_MODE_observe, NS_MODE_auto, false, false, false, RETRY, NS_VERDICT_observe},
        {NS_MODE_suggest, NS_MODE_auto, false, false, false, RETRY, NS_VERDICT_suggest},
        {NS_MODE_approve, NS_MODE_auto, false, false, false, RETRY, NS_VERDICT_ask},
        {NS_MODE_approve, NS_MODE_auto, false, false, true, RETRY, NS_VERDICT_act},
        {NS_MODE_auto, NS_MODE_auto, false, false, false, RETRY, NS_VERDICT_act},
        {NS_MODE_auto, NS_MODE_suggest, false, false, false, RETRY, NS_VERDICT_suggest},
        {NS_MODE_auto, NS_MODE_auto, true, false, false, RETRY, NS_VERDICT_ask},
        {NS_MODE_auto, NS_MODE_auto, true, true, false, RETRY, NS_VERDICT_act},
        {NS_MODE_observe, NS_MODE_auto, true, true, true, RETRY, NS_VERDICT_observe},
        {NS_MODE_observe, NS_MODE_auto, false, false, false, NS_ACTION_escalate, NS_VERDICT_observe},
        {NS_MODE_suggest, NS_MODE_auto, false, false, false, NS_ACTION_escalate, NS_VERDICT_suggest},
        {NS_MODE_approve, NS_MODE_auto, true, false, false, NS_ACTION_escalate, NS_VERDICT_act},
        {NS_MODE_auto, NS_MODE_auto, true, false, false, NS_ACTION_escalate, NS_VERDICT_act},
        {NS_MODE_auto, NS_MODE_observe, true, false, false, NS_ACTION_escalate, NS_VERDICT_observe},
        {NS_MODE_observe, NS_MODE_observe, true, false, false, NS_ACTION_no_op, NS_VERDICT_act},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        scene s;
        ns_verdict got;
        set_scene(&s);
        s.options.mode = cases[i].global;
        s.options.action_mode[cases[i].action] = cases[i].own;
        s.options.real_servers = cases[i].real;
        s.options.auto_configured = cases[i].written ? NS_ACTION_BIT(cases[i].action) : 0;
        s.decision.action = cases[i].action;
        s.judged.approved = cases[i].approved;
        build(&s);
        ns_guardrails_judge(s.rails, &s.judged, &got);
        if (got.kind != cases[i].wanted)
            fail_msg("case %zu: %s by %s: %s", i, ns_verdict_name(got.kind), got.rule, got.text);
        clear(&s);
    }
    scene s;
    set_scene(&s);
    CHECK_INT(NS_MODE_observe, ns_guardrail_defaults().mode);
    build(&s);
    ns_guardrails_set_mode(s.rails, NS_MODE_observe);
    CHECK_INT(NS_MODE_observe, ns_guardrails_mode(s.rails));
    expect(&s, NS_VERDICT_observe, "mode");
    clear(&s);
}

static void data_must_be_fresh(void **state)
{
    (void)state;
    scene s;
    set_scene(&s);
    build(&s);
    expect(&s, NS_VERDICT_act, "mode");
    s.view->jenkins_at_ms = NOW - s.options.stale_after_ms - 1;
    expect(&s, NS_VERDICT_refuse, "stale_data");
    s.view->jenkins_at_ms = -1;
    expect(&s, NS_VERDICT_refuse, "stale_data");
    s.decision.action = NS_ACTION_escalate; /* a person may be told just because of it */
    expect(&s, NS_VERDICT_act, "mode");
    s.decision.action = RETRY;
    s.view->jenkins_at_ms = NOW;
    s.snapshot->source[NS_FROM_jenkins].state = NS_SOURCE_stale;
    expect(&s, NS_VERDICT_refuse, "stale_data");
    s.snapshot->source[NS_FROM_jenkins].state = NS_SOURCE_ok;
    s.snapshot->source[NS_FROM_prometheus].state = NS_SOURCE_down;
    expect(&s, NS_VERDICT_act, "mode"); /* a retry rests on Jenkins alone */
    s.decision.action = NS_ACTION_scale_up;
    expect(&s, NS_VERDICT_refuse, "stale_data");
    s.snapshot->source[NS_FROM_prometheus].state = NS_SOURCE_not_configured;
    expect(&s, NS_VERDICT_act, "mode"); /* there are no measurements to wait for */
    s.snapshot->source[NS_FROM_kubernetes].state = NS_SOURCE_unauthorized;
    expect(&s, NS_VERDICT_refuse, "stale_data");
    s.snapshot->source[NS_FROM_kubernetes].state = NS_SOURCE_ok;
    s.view->cluster.at_ms = NOW - s.options.stale_after_ms - 1;
    expect(&s, NS_VERDICT_refuse, "stale_data");
    s.view->cluster.at_ms = -1;
    expect(&s, NS_VERDICT_refuse, "stale_data");
    s.view->cluster.at_ms = NOW;
    s.view->jenkins_at_ms = -1;
    expect(&s, NS_VERDICT_act, "mode"); /* a Deployment's own case does not rest on Jenkins */
    s.open_case.build = 41;
    expect(&s, NS_VERDICT_refuse, "stale_data");
    clear(&s);
}

static void only_what_may_help_is_repeated(void **state)
{
    (void)state;
    scene s;
    set_scene(&s);
    build(&s);
    s.failed.aborted_by_person = 1;
    expect(&s, NS_VERDICT_refuse, "aborted_by_person");
    s.failed.aborted_by_person = -1;
    s.failed.result = NS_BUILD_ABORTED;
    s.judged.approved = true; /* not even with leave */
    expect(&s, NS_VERDICT_refuse, "aborted_by_person");
    s.failed.result = NS_BUILD_FAILURE;
    s.prediction.cause = NS_CAUSE_compile_error;
    expect(&s, NS_VERDICT_refuse, "not_retryable");
    s.prediction.cause = NS_CAUSE_flaky_test;
    s.view->gone = true;
    expect(&s, NS_VERDICT_refuse, "pipeline_gone");
    s.view->gone = false;
    s.open_case.attempts = s.options.max_attempts + 1;
    s.open_case.tried[NS_ACTION_escalate] = 1;
    expect(&s, NS_VERDICT_refuse, "max_attempts");
    s.open_case.tried[NS_ACTION_escalate] = 2;
    expect(&s, NS_VERDICT_act, "approved");
    clear(&s);
}

static void where_the_first_may_have_been_sent_there_is_no_second(void **state)
{
    (void)state;
    scene s;
    set_scene(&s);
    s.open_case.unsure = true;
    build(&s);
    expect(&s, NS_VERDICT_refuse, "unsure");
    s.judged.approved = true;
    expect(&s, NS_VERDICT_act, "approved");
    s.judged.approved = false;
    s.decision.action = NS_ACTION_escalate;
    expect(&s, NS_VERDICT_act, "mode");
    clear(&s);
}

static void without_a_prediction_a_person_decides(void **state)
{
    (void)state;
    scene s;
    set_scene(&s);
    s.options.min_cause_probability = 0.5;
    build(&s);
    s.prediction.known_at_ms = NOW + 1;
    expect(&s, NS_VERDICT_ask, "predictor");
    s.prediction.known_at_ms = NOW;
    s.prediction.fallback = true;
    expect(&s, NS_VERDICT_ask, "predictor");
    s.judged.approved = true;
    expect(&s, NS_VERDICT_act, "approved");
    s.judged.approved = s.prediction.fallback = false;
    s.judged.drift = "alarm_rate";
    expect(&s, NS_VERDICT_ask, "predictor");
    s.judged.measured = true; /* what rests on measurements does not care */
    expect(&s, NS_VERDICT_act, "mode");
    s.judged.measured = false;
    s.judged.drift = NULL;
    s.prediction.cause_probability[NS_CAUSE_flaky_test] = 0.49;
    expect(&s, NS_VERDICT_ask, "predictor");
    s.judged.prediction = NULL;
    expect(&s, NS_VERDICT_ask, "predictor");
    s.decision.action = NS_ACTION_escalate;
    expect(&s, NS_VERDICT_act, "mode");
    clear(&s);
}

static void pauses_and_budgets(void **state)
{
    (void)state;
    scene s;
    set_scene(&s);
    s.options.cool_down_ms[RETRY] = 60000;
    s.options.max_per_pipeline_hour = 3;
    s.options.max_per_hour = 5;
    build(&s);
    ns_guardrails_note_sent(s.rails, "shop/carts", RETRY, 7, NOW - 59999);
    expect(&s, NS_VERDICT_refuse, "cool_down");
    s.judged.now_ms = NOW + 1;
    expect(&s, NS_VERDICT_act, "mode");
    ns_guardrails_note_sent(s.rails, "shop/carts", NS_ACTION_clear_cache, 7, NOW);
    ns_guardrails_note_sent(s.rails, "shop/carts", NS_ACTION_escalate, 7, NOW); /* does not count */
    expect(&s, NS_VERDICT_act, "mode");
    ns_guardrails_note_sent(s.rails, "shop/carts", NS_ACTION_clear_cache, 7, NOW);
    expect(&s, NS_VERDICT_refuse, "pipeline_budget");
    s.judged.now_ms = NOW - 59999 + HOUR; /* the first has grown old */
    s.view->jenkins_at_ms = s.judged.now_ms;
    expect(&s, NS_VERDICT_act, "mode");
    for (int i = 0; i < 3; i++)
        ns_guardrails_note_sent(s.rails, "shop/orders", RETRY, 8, s.judged.now_ms);
    expect(&s, NS_VERDICT_refuse, "hour_budget");
    clear(&s);
}

static void what_never_left_is_not_counted(void **state)
{
    (void)state;
    scene s;
    set_scene(&s);
    s.options.cool_down_ms[RETRY] = 60000;
    s.options.max_per_hour = 2;
    build(&s);
    ns_guardrails_note_sent(s.rails, "shop/carts", RETRY, 7, NOW - 2000);
    ns_guardrails_note_sent(s.rails, "shop/orders", RETRY, 7, NOW - 1000);
    expect(&s, NS_VERDICT_refuse, "cool_down");
    ns_guardrails_note_not_sent(s.rails, "shop/carts", RETRY, 8); /* another case's */
    ns_guardrails_note_not_sent(s.rails, "shop/carts", NS_ACTION_clear_cache, 7);
    expect(&s, NS_VERDICT_refuse, "cool_down");
    ns_guardrails_note_not_sent(s.rails, "shop/carts", RETRY, 7);
    expect(&s, NS_VERDICT_act, "mode");
    ns_guardrails_note_sent(s.rails, "shop/user", RETRY, 9, NOW);
    expect(&s, NS_VERDICT_refuse, "hour_budget"); /* those of others still count */
    clear(&s);
}

static void what_keeps_coming_back_is_left_to_people(void **state)
{
    (void)state;
    scene s;
    set_scene(&s);
    s.options.oscillation_cases = 3;
    s.options.cool_down_ms[RETRY] = 0;
    build(&s);
    ns_guardrails_note_sent(s.rails, "shop/carts", RETRY, 1, NOW - 3000);
    ns_guardrails_note_sent(s.rails, "shop/carts", RETRY, 1, NOW - 2500);
    ns_guardrails_note_sent(s.rails, "shop/carts", RETRY, 2, NOW - 2000);
    ns_guardrails_note_sent(s.rails, "shop/carts", RETRY, 7, NOW - 1500); /* this very case */
    ns_guardrails_note_sent(s.rails, "shop/orders", RETRY, 3, NOW - 1000);
    expect(&s, NS_VERDICT_act, "mode");
    ns_guardrails_note_sent(s.rails, "shop/carts", RETRY, 4, NOW - 500);
    expect(&s, NS_VERDICT_refuse, "oscillation");
    s.judged.now_ms = s.view->jenkins_at_ms = NOW - 2500 + HOUR; /* case 1 is an hour ago */
    expect(&s, NS_VERDICT_act, "mode");
    clear(&s);
}

static void breakers_open_and_close(void **state)
{
    (void)state;
    scene s;
    set_scene(&s);
    s.options.pipeline_breaker_after = 2;
    s.options.breaker_after = 4;
    build(&s);
    ns_guardrails_note_outcome(s.rails, "shop/carts", RETRY, false, NOW - 10);
    ns_guardrails_note_outcome(s.rails, "shop/carts", NS_ACTION_escalate, false, NOW - 9);
    expect(&s, NS_VERDICT_act, "mode");
    ns_guardrails_note_outcome(s.rails, "shop/carts", RETRY, false, NOW - 8);
    expect(&s, NS_VERDICT_refuse, "circuit_breaker");
    CHECK_INT(-1, ns_guardrails_breaker_until(s.rails, NOW));
    ns_guardrails_note_outcome(s.rails, "shop/carts", RETRY, true, NOW - 7);
    expect(&s, NS_VERDICT_act, "mode");
    static const char *const others[] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < NS_COUNT_OF(others); i++)
        ns_guardrails_note_outcome(s.rails, others[i], RETRY, false, NOW);
    CHECK_INT(NOW + s.options.breaker_open_ms, ns_guardrails_breaker_until(s.rails, NOW));
    expect(&s, NS_VERDICT_refuse, "circuit_breaker");
    s.judged.now_ms = s.view->jenkins_at_ms = NOW + s.options.breaker_open_ms;
    expect(&s, NS_VERDICT_act, "mode");
    clear(&s);
}

static void the_kill_switch_stops_everything(void **state)
{
    (void)state;
    scene s;
    char folder[] = "/tmp/ns_guardrails_XXXXXX", path[64];
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/STOP", folder);
    set_scene(&s);
    s.options.stop_file = path;
    build(&s);
    ns_kill_switch one;
    ns_guardrails_stop(s.rails, true, "anna", NOW - 60000);
    expect(&s, NS_VERDICT_refuse, "kill_switch");
    s.judged.approved = true;
    expect(&s, NS_VERDICT_refuse, "kill_switch");
    s.decision.action = NS_ACTION_escalate;
    expect(&s, NS_VERDICT_refuse, "kill_switch");
    s.decision.action = NS_ACTION_no_op;
    expect(&s, NS_VERDICT_act, "no_op");
    ns_guardrails_kill_switch(s.rails, &one);
    CHECK_STRING("anna", one.by);
    CHECK_INT(NOW - 60000, one.since_ms);
    ns_guardrails_stop(s.rails, false, "anna", NOW);
    s.decision.action = RETRY;
    expect(&s, NS_VERDICT_act, "approved");
    /* The file is seen at execution even when nobody looked before. */
    FILE *stop = fopen(path, "w");
    CHECK(stop != NULL && fclose(stop) == 0);
    expect(&s, NS_VERDICT_act, "approved");
    ns_verdict got;
    ns_guardrails_recheck(s.rails, &s.judged, &got);
    CHECK_STRING("kill_switch", got.rule);
    ns_guardrails_kill_switch(s.rails, &one);
    CHECK(one.on);
    CHECK_STRING("file", one.by);
    CHECK_INT(0, unlink(path));
    CHECK(ns_guardrails_look(s.rails, NOW));
    CHECK(!ns_guardrails_look(s.rails, NOW));
    expect(&s, NS_VERDICT_act, "approved");
    CHECK_INT(0, rmdir(folder));
    clear(&s);
}

static void the_ledger_is_bounded_and_rules_have_names(void **state)
{
    (void)state;
    scene s;
    set_scene(&s);
    s.options.allowed = NS_ACTION_BIT(NS_ACTION_no_op);
    build(&s);
    expect(&s, NS_VERDICT_refuse, "allow_list");
    for (int i = 0; i < 10000; i++) {
        char job[32];
        (void)snprintf(job, sizeof job, "job%d", i);
        ns_guardrails_note_sent(s.rails, job, RETRY, i, NOW + i);
        ns_guardrails_note_outcome(s.rails, job, RETRY, i % 2 == 0, NOW + i);
    }
    size_t n = 0;
    for (const char *name, *meaning; ns_guardrails_rule(n, &name, &meaning); n++)
        CHECK(name[0] != '\0' && meaning[0] != '\0' && strlen(name) < sizeof((ns_verdict){0}).rule);
    CHECK_INT(15, n);
    clear(&s);
    ns_guardrails *none = NULL;
    ns_guardrail_options options = ns_guardrail_defaults();
    ns_mem_fail_after(0);
    CHECK_STATUS(NS_NO_MEMORY, ns_guardrails_new(&options, &none, NULL));
    ns_mem_fail_after(-1);
    char longest[5000];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    options.stop_file = longest;
    CHECK_STATUS(NS_BAD_USAGE, ns_guardrails_new(&options, &none, NULL));
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modes_say_what_may_be_done),
        cmocka_unit_test(data_must_be_fresh),
        cmocka_unit_test(only_what_may_help_is_repeated),
        cmocka_unit_test(where_the_first_may_have_been_sent_there_is_no_second),
        cmocka_unit_test(without_a_prediction_a_person_decides),
        cmocka_unit_test(pauses_and_budgets),
        cmocka_unit_test(what_never_left_is_not_counted),
        cmocka_unit_test(what_keeps_coming_back_is_left_to_people),
        cmocka_unit_test(breakers_open_and_close),
        cmocka_unit_test(the_kill_switch_stops_everything),
        cmocka_unit_test(the_ledger_is_bounded_and_rules_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
