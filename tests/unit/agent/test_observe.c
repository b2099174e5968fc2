#include "check.h"

#include "agent/observe.h"

#define NOW 1000000

/* A pipeline about which everything is known, all of it now. */
typedef struct scene {
    ns_snapshot *snapshot;
    ns_pipeline_view *view;
    ns_build running;
    ns_prediction prediction;
    ns_case open_case;
    ns_sight sight;
} scene;

static void set_scene(scene *s)
{
    memset(s, 0, sizeof *s);
    s->snapshot = ns_snapshot_new();
    s->view = ns_snapshot_pipeline(s->snapshot, NS_TEXT("shop/carts"));
    s->view->jenkins_at_ms = NOW - 1000;
    ns_build last = ns_build_unknown(4);
    last.result = NS_BUILD_FAILURE;
    last.duration_ms = 60000;
    last.estimated_ms = 40000;
    ns_pipeline_put_build(s->view, &last);
    s->running = ns_build_unknown(5);
    s->running.running = true;
    s->running.started_ms = NOW - 20000;
    s->running.estimated_ms = 40000;
    s->running.changes = 25;
    s->running.tests_failed = 3;
    s->running.dependency_files_changed = 0;
    s->snapshot->queue_length = (ns_value){5, NOW};
    s->snapshot->executors_busy = (ns_value){3, NOW};
    s->snapshot->executors_total = (ns_value){4, NOW};
    s->snapshot->agents_offline = (ns_value){0, NOW};
    for (int i = 0; i < NS_SIGNAL_COUNT; i++)
        s->snapshot->signal[i] = s->view->signal[i] = (ns_value){40 + i, NOW};
    s->view->signal[NS_SIGNAL_deployment_restarts] = (ns_value){2, NOW};
    s->prediction.fail_probability = 0.75;
    s->prediction.decision = NS_PREDICTED_failure;
    s->prediction.cause_probability[NS_CAUSE_compile_error] = 0.25;
    s->prediction.cause_probability[NS_CAUSE_overload] = 0.5;
    s->prediction.known_at_ms = NOW;
    ns_case *c = &s->open_case;
    c->state = NS_CASE_failed;
    c->last_outcome = NS_CASE_failed;
    c->first_bad_ms = NOW - 360000;
    c->last_action_ms = NOW - 450000;
    c->tried[NS_ACTION_retry_build] = 2;
    c->tried[NS_ACTION_escalate] = 9;
    s->sight = (ns_sight){.snapshot = s->snapshot,
                          .view = s->view,
                          .build = &s->running,
                          .prediction = &s->prediction,
                          .open_case = c,
                          .failure_streak = 2,
                          .now_ms = NOW,
                          .stale_after_ms = 5000};
}

static void every_value_has_its_scaling(void **state)
{
    (void)state;
    scene s;
    ns_state out;
    set_scene(&s);
    ns_observe(&s.sight, &out);
    static const struct {
        ns_state_index i;
        double value;
    } cases[] = {
        {NS_STATE_build_running, 1},
        {NS_STATE_build_elapsed, 0.5 / 3},
        {NS_STATE_build_duration, 1.5 / 3},
        {NS_STATE_build_failed, 1},
        {NS_STATE_build_unstable, 0},
        {NS_STATE_failure_streak, 0.4},
        {NS_STATE_queue_length, 0.25},
        {NS_STATE_changes, 1},
        {NS_STATE_dependency_files_changed, 0},
        {NS_STATE_tests_failed, 0.3},
        {NS_STATE_cpu_usage, (40 + NS_SIGNAL_cpu_usage) / 100.0},
        {NS_STATE_error_rate, (40 + NS_SIGNAL_error_rate) / 100.0},
        {NS_STATE_node_disk, (40 + NS_SIGNAL_node_disk) / 100.0},
        {NS_STATE_executors_busy, 0.75},
        {NS_STATE_agents_offline, 0},
        {NS_STATE_deployment_cpu, (40 + NS_SIGNAL_deployment_cpu) / 100.0},
        {NS_STATE_deployment_restarts, 0.4},
        {NS_STATE_deployment_replicas_missing, 1},
        {NS_STATE_fail_probability, 0.75},
        {NS_STATE_alarmed, 1},
        {NS_STATE_cause_compile_error, 0.25},
        {NS_STATE_cause_overload, 0.5},
        {NS_STATE_tried_no_op, 0},
        {NS_STATE_tried_retry_build, 0.4},
        {NS_STATE_tried_escalate, 1},
        {NS_STATE_last_failed, 1},
        {NS_STATE_last_inconclusive, 0},
        {NS_STATE_case_elapsed, 0.1},
        {NS_STATE_since_action, 0.5},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        if (!ns_state_has(&out, cases[i].i))
            fail_msg("%s is absent", ns_state_name(cases[i].i));
        CHECK_NEAR(cases[i].value, out.value[cases[i].i], 1e-6);
    }
    CHECK_INT(NS_STATE_LAYOUT, out.layout);
    for (int i = 0; i < NS_STATE_COUNT; i++) {
        bool embedding = i >= NS_STATE_embedding_0 && i <= NS_STATE_embedding_15;
        CHECK(ns_state_has(&out, (ns_state_index)i) == !embedding);
    }
    ns_snapshot_free(s.snapshot);
}

static void missing_and_stale_is_absent_never_zero(void **state)
{
    (void)state;
    scene s;
    ns_state out;
    set_scene(&s);
    s.snapshot->queue_length = NS_MISSING;
    s.snapshot->signal[NS_SIGNAL_cpu_usage].at_ms = NOW - 5001;
    s.snapshot->signal[NS_SIGNAL_memory_usage].at_ms = NOW - 5000;
    s.snapshot->signal[NS_SIGNAL_error_rate].at_ms = NOW + 1; /* not known yet */
    s.snapshot->executors_total = (ns_value){0, NOW};
    s.running.estimated_ms = -1;
    s.running.tests_failed = -1;
    s.running.dependency_files_changed = -1;
    s.prediction.known_at_ms = NOW + 1;
    s.open_case.last_action_ms = -1;
    s.sight.failure_streak = -1;
    ns_observe(&s.sight, &out);
    static const ns_state_index absent[] = {NS_STATE_queue_length,
                                            NS_STATE_cpu_usage,
                                            NS_STATE_error_rate,
                                            NS_STATE_executors_busy,
                                            NS_STATE_build_elapsed,
                                            NS_STATE_tests_failed,
                                            NS_STATE_fail_probability,
                                            NS_STATE_alarmed,
                                            NS_STATE_cause_overload,
                                            NS_STATE_since_action,
                                            NS_STATE_failure_streak,
                                            NS_STATE_embedding_0,
                                            NS_STATE_dependency_files_changed};
    for (size_t i = 0; i < NS_COUNT_OF(absent); i++) {
        if (ns_state_has(&out, absent[i]))
            fail_msg("%s is present", ns_state_name(absent[i]));
        CHECK_NEAR(0.0, out.value[absent[i]], 0.0);
    }
    CHECK(ns_state_has(&out, NS_STATE_memory_usage));
    ns_snapshot_free(s.snapshot);
}

static void an_old_answer_of_jenkins_hides_the_build(void **state)
{
    (void)state;
    scene s;
    ns_state out;
    set_scene(&s);
    s.view->jenkins_at_ms = NOW - 5001;
    s.sight.open_case = NULL;
    s.prediction.has_embedding = true;
    s.prediction.embedding[3] = -0.5f;
    ns_observe(&s.sight, &out);
    CHECK(!ns_state_has(&out, NS_STATE_build_running) && !ns_state_has(&out, NS_STATE_build_failed));
    CHECK(!ns_state_has(&out, NS_STATE_tried_no_op) && !ns_state_has(&out, NS_STATE_case_elapsed));
    CHECK_NEAR(-0.5, out.value[NS_STATE_embedding_3], 0.0);
    ns_snapshot_free(s.snapshot);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_has_its_scaling),
        cmocka_unit_test(missing_and_stale_is_absent_never_zero),
        cmocka_unit_test(an_old_answer_of_jenkins_hides_the_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
