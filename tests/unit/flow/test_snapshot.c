#include "check.h"
#include "flow/snapshot.h"

static ns_build finished(int64_t number, ns_build_result result)
{
    ns_build build = ns_build_unknown(number);
    build.result = result;
    return build;
}

static ns_build running(int64_t number)
{
    ns_build build = ns_build_unknown(number);
    build.running = true;
    return build;
}

static void a_new_snapshot_knows_nothing(void **state)
{
    ns_snapshot *snapshot = ns_snapshot_new();
    (void)state;
    CHECK(isnan(snapshot->queue_length.value) && snapshot->queue_length.at_ms == -1);
    for (unsigned i = 0; i < NS_SOURCE_KINDS; i++)
        CHECK(snapshot->source[i].state == NS_SOURCE_not_configured && snapshot->source[i].good_at_ms == -1);
    ns_pipeline_view *view = ns_snapshot_pipeline(snapshot, NS_TEXT("sock-shop/carts"));
    CHECK(view != NULL && view->buildable && !view->gone && view->jenkins_at_ms == -1 && view->completed.number == 0);
    for (unsigned i = 0; i < NS_SIGNAL_COUNT; i++)
        CHECK(isnan(ns_snapshot_signal(snapshot, view, (ns_signal)i).value));
    ns_snapshot_free(snapshot);
    ns_snapshot_free(NULL);
    CHECK_INT(0, ns_mem_live());
}

static void pipelines_are_found_again_and_stay_where_they_are(void **state)
{
    enum { MANY = 3000 };
    static const ns_pipeline_view *made[MANY];
    ns_snapshot *snapshot = ns_snapshot_new();
    char name[32];
    (void)state;
    CHECK(ns_snapshot_find(snapshot, NS_TEXT("job-0")) == NULL);
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "job-%d", i);
        made[i] = ns_snapshot_pipeline(snapshot, ns_text_of(name));
        CHECK(made[i] != NULL && made[i]->index == (size_t)i);
    }
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(name, sizeof name, "job-%d", i);
        CHECK(ns_snapshot_find(snapshot, ns_text_of(name)) == made[i]);
        CHECK(ns_snapshot_pipeline(snapshot, ns_text_of(name)) == made[i]);
    }
    CHECK_INT(MANY, snapshot->pipeline_count);
    CHECK(ns_snapshot_find(snapshot, NS_TEXT("job-")) == NULL);
    ns_snapshot_free(snapshot);
}

static void names_that_do_not_fit_are_refused_not_cut(void **state)
{
    char name[NS_JOB_MAX + 1];
    ns_snapshot *snapshot = ns_snapshot_new();
    (void)state;
    memset(name, 'j', sizeof name);
    CHECK(ns_snapshot_pipeline(snapshot, (ns_text){name, NS_JOB_MAX}) == NULL);
    CHECK(ns_snapshot_pipeline(snapshot, (ns_text){name, NS_JOB_MAX - 1}) != NULL);
    CHECK(ns_snapshot_pipeline(snapshot, (ns_text){NULL, 0}) == NULL);
    CHECK_INT(1, snapshot->pipeline_count);
    ns_snapshot_free(snapshot);
}

static void builds_stand_newest_first_and_the_oldest_falls_out(void **state)
{
    static const int64_t put[] = {5, 3, 9, 7, 4, 8, 6, 2, 9};
    ns_snapshot *snapshot = ns_snapshot_new();
    ns_pipeline_view *view = ns_snapshot_pipeline(snapshot, NS_TEXT("j"));
    (void)state;
    for (size_t i = 0; i < NS_COUNT_OF(put); i++) {
        ns_build build = running(put[i]);
        build.log_bytes = (int64_t)i;
        ns_pipeline_put_build(view, &build);
    }
    CHECK_INT(NS_BUILDS_KEPT, view->build_count);
    for (size_t i = 0; i < view->build_count; i++)
        CHECK_INT(9 - (int64_t)i, view->builds[i].number);
    CHECK_INT(8, view->builds[0].log_bytes); /* the newer word about build 9 replaced the older */
    CHECK(ns_pipeline_build(view, 3) == NULL && ns_pipeline_build(view, 4) == &view->builds[5]);
    CHECK_INT(0, view->completed.number); /* all of them still run */
    ns_snapshot_free(snapshot);
}

static void completed_is_the_newest_build_with_a_result(void **state)
{
    ns_snapshot *snapshot = ns_snapshot_new();
    ns_pipeline_view *view = ns_snapshot_pipeline(snapshot, NS_TEXT("j"));
    ns_build build;
    (void)state;
    build = finished(4, NS_BUILD_SUCCESS);
    ns_pipeline_put_build(view, &build);
    build = running(6);
    ns_pipeline_put_build(view, &build);
    build = finished(5, NS_BUILD_FAILURE);
    ns_pipeline_put_build(view, &build);
    CHECK_INT(5, view->completed.number);
    build = finished(3, NS_BUILD_ABORTED); /* read late: older than what is known */
    ns_pipeline_put_build(view, &build);
    CHECK_INT(5, view->completed.number);
    build = finished(6, NS_BUILD_unknown); /* no verdict yet is not completed */
    ns_pipeline_put_build(view, &build);
    CHECK_INT(5, view->completed.number);
    ns_snapshot_free(snapshot);
}

static void what_counts_as_failed(void **state)
{
    (void)state;
    for (unsigned r = 0; r <= NS_BUILD_ABORTED; r++) {
        ns_build build = finished(1, (ns_build_result)r);
        CHECK_INT(r == NS_BUILD_FAILURE || r == NS_BUILD_UNSTABLE, ns_build_failed(&build));
        build.running = true; /* Jenkins shows FAILURE while post steps still run */
        CHECK(!ns_build_failed(&build));
    }
}

static void signals_come_from_their_scope(void **state)
{
    ns_snapshot *snapshot = ns_snapshot_new();
    ns_pipeline_view *view = ns_snapshot_pipeline(snapshot, NS_TEXT("j"));
    (void)state;
    snapshot->signal[NS_SIGNAL_cpu_usage] = (ns_value){12, 1};
    view->signal[NS_SIGNAL_cpu_usage] = (ns_value){99, 1};
    snapshot->signal[NS_SIGNAL_deployment_cpu] = (ns_value){98, 1};
    view->signal[NS_SIGNAL_deployment_cpu] = (ns_value){34, 1};
    CHECK_NEAR(12, ns_snapshot_signal(snapshot, view, NS_SIGNAL_cpu_usage).value, 0);
    CHECK_NEAR(34, ns_snapshot_signal(snapshot, view, NS_SIGNAL_deployment_cpu).value, 0);
    ns_snapshot_free(snapshot);
}

static void every_failing_request_for_memory_is_survived(void **state)
{
    (void)state;
    for (long n = 0; n < 12; n++) {
        ns_mem_fail_after(n);
        ns_snapshot *snapshot = ns_snapshot_new();
        if (snapshot != NULL) {
            size_t made = 0;
            char name[16];
            for (int i = 0; i < 5; i++) {
                (void)snprintf(name, sizeof name, "job-%d", i);
                made += ns_snapshot_pipeline(snapshot, ns_text_of(name)) != NULL;
            }
            CHECK_INT(made, snapshot->pipeline_count);
        }
        ns_mem_fail_after(-1);
        ns_snapshot_free(snapshot);
        CHECK_INT(0, ns_mem_live());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_snapshot_knows_nothing),
        cmocka_unit_test(pipelines_are_found_again_and_stay_where_they_are),
        cmocka_unit_test(names_that_do_not_fit_are_refused_not_cut),
        cmocka_unit_test(builds_stand_newest_first_and_the_oldest_falls_out),
        cmocka_unit_test(completed_is_the_newest_build_with_a_result),
        cmocka_unit_test(what_counts_as_failed),
        cmocka_unit_test(signals_come_from_their_scope),
        cmocka_unit_test(every_failing_request_for_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
