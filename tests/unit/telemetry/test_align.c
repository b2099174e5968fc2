#include "check.h"

#include "telemetry/align.h"

enum { TICK = 1000000, STALE = 30000 };

static ns_snapshot *snapshot_of_now(ns_pipeline_view **view)
{
    ns_snapshot *snapshot = ns_snapshot_new();
    CHECK(snapshot != NULL);
    *view = ns_snapshot_pipeline(snapshot, NS_TEXT("shop/carts"));
    CHECK(*view != NULL);
    snapshot->source[NS_FROM_jenkins] = (ns_source_health){.state = NS_SOURCE_ok, .good_at_ms = TICK - 100};
    snapshot->source[NS_FROM_prometheus] = (ns_source_health){.state = NS_SOURCE_ok, .good_at_ms = TICK + 5};
    (*view)->jenkins_at_ms = TICK - 200;
    snapshot->queue_length = (ns_value){0, TICK - 100};
    snapshot->signal[NS_SIGNAL_cpu_usage] = (ns_value){42.5, TICK};
    (*view)->signal[NS_SIGNAL_deployment_cpu] = (ns_value){7, TICK};
    ns_build done = ns_build_unknown(11);
    done.result = NS_BUILD_FAILURE;
    done.duration_ms = 61000;
    done.tests_total = 9;
    ns_pipeline_put_build(*view, &done);
    return snapshot;
}

static void what_is_fresh_comes_through(void **state)
{
    (void)state;
    ns_pipeline_view *view;
    ns_snapshot *snapshot = snapshot_of_now(&view);
    ns_record record;
    ns_align(snapshot, view, TICK, STALE, &record);
    CHECK_INT(TICK, record.at_ms);
    CHECK_STRING("shop/carts", record.jenkins_job);
    CHECK_STRING("shop/carts", record.pipeline);
    CHECK_INT(NS_BUILD_FAILURE, record.last_result);
    CHECK_INT(11, record.last_number);
    CHECK_INT(0, record.running_number);
    CHECK_NEAR(61000, record.value[NS_RECORD_last_duration], 0);
    CHECK_NEAR(0, record.value[NS_RECORD_queue_length], 0);
    CHECK_NEAR(0, record.value[NS_RECORD_running_builds], 0);
    CHECK(isnan(record.value[NS_RECORD_running_elapsed]));
    CHECK_NEAR(9, record.value[NS_RECORD_tests_total], 0);
    CHECK(isnan(record.value[NS_RECORD_tests_failed]));
    CHECK_NEAR(42.5, record.value[NS_RECORD_cpu_usage], 0);
    CHECK_NEAR(7, record.value[NS_RECORD_deployment_cpu], 0);
    CHECK(isnan(record.value[NS_RECORD_pod_count]));
    CHECK_INT(200, record.age_ms[NS_FROM_jenkins]);
    CHECK_INT(0, record.age_ms[NS_FROM_prometheus]); /* answered after the tick began */
    CHECK_INT(-1, record.age_ms[NS_FROM_kubernetes]);
    CHECK(isnan(record.fail_probability));
    CHECK_INT(0, record.case_id);
    ns_snapshot_free(snapshot);
}

static void the_newest_running_build_speaks(void **state)
{
    (void)state;
    ns_pipeline_view *view;
    ns_snapshot *snapshot = snapshot_of_now(&view);
    for (int64_t n = 12; n <= 13; n++) {
        ns_build build = ns_build_unknown(n);
        build.running = true;
        build.started_ms = TICK - n * 1000;
        build.estimated_ms = 90000;
        build.log_bytes = n;
        ns_pipeline_put_build(view, &build);
    }
    ns_record record;
    ns_align(snapshot, view, TICK, STALE, &record);
    CHECK_INT(13, record.running_number);
    CHECK_INT(11, record.last_number);
    CHECK_NEAR(2, record.value[NS_RECORD_running_builds], 0);
    CHECK_NEAR(13000, record.value[NS_RECORD_running_elapsed], 0);
    CHECK_NEAR(90000, record.value[NS_RECORD_estimated], 0);
    CHECK_NEAR(13, record.value[NS_RECORD_log_bytes], 0);
    CHECK(isnan(record.value[NS_RECORD_tests_total])); /* the running build's, not the last one's */
    ns_snapshot_free(snapshot);
}

static void what_is_not_fresh_is_missing_and_ages(void **state)
{
    (void)state;
    static const struct {
        ns_source_state jenkins, prometheus;
        int64_t tick;
        bool has_jenkins, has_prometheus;
    } cases[] = {
        {NS_SOURCE_ok, NS_SOURCE_ok, TICK, true, true},
        {NS_SOURCE_down, NS_SOURCE_ok, TICK, false, true},
        {NS_SOURCE_starting, NS_SOURCE_stale, TICK, false, false},
        {NS_SOURCE_ok, NS_SOURCE_unauthorized, TICK, true, false},
        {NS_SOURCE_ok, NS_SOURCE_ok, TICK - 200 + STALE, true, true},
        {NS_SOURCE_ok, NS_SOURCE_ok, TICK - 200 + STALE + 1, false, true},
        {NS_SOURCE_ok, NS_SOURCE_ok, TICK + STALE + 1, false, false}, /* the value is older than its source */
        {NS_SOURCE_ok, NS_SOURCE_ok, TICK + STALE + 6, false, false},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_pipeline_view *view;
        ns_snapshot *snapshot = snapshot_of_now(&view);
        snapshot->source[NS_FROM_jenkins].state = cases[i].jenkins;
        snapshot->source[NS_FROM_prometheus].state = cases[i].prometheus;
        ns_record record;
        ns_align(snapshot, view, cases[i].tick, STALE, &record);
        CHECK_INT(cases[i].has_jenkins, record.last_result == NS_BUILD_FAILURE);
        CHECK_INT(cases[i].has_jenkins, record.last_number == 11);
        CHECK_INT(cases[i].has_jenkins, !isnan(record.value[NS_RECORD_running_builds]));
        CHECK_INT(cases[i].has_prometheus, !isnan(record.value[NS_RECORD_cpu_usage]));
        CHECK_INT(cases[i].has_prometheus, !isnan(record.value[NS_RECORD_deployment_cpu]));
        CHECK_INT(cases[i].tick - TICK + 200, record.age_ms[NS_FROM_jenkins]);
        ns_snapshot_free(snapshot);
    }
    CHECK_INT(0, ns_mem_live());
}

static void the_cluster_joins_the_pipeline_it_belongs_to(void **state)
{
    (void)state;
    ns_pipeline_view *view;
    ns_snapshot *snapshot = snapshot_of_now(&view);
    snapshot->source[NS_FROM_kubernetes] = (ns_source_health){.state = NS_SOURCE_ok, .good_at_ms = TICK - 50};
    ns_record record;
    ns_align(snapshot, view, TICK, STALE, &record);
    CHECK_INT(50, record.age_ms[NS_FROM_kubernetes]); /* it deploys nothing that we know: the source's own age */
    CHECK(isnan(record.value[NS_RECORD_replicas_ready]));

    CHECK(ns_text_copy(view->deployment, sizeof view->deployment, NS_TEXT("carts")));
    ns_align(snapshot, view, TICK, STALE, &record);
    CHECK_INT(-1, record.age_ms[NS_FROM_kubernetes]);

    view->cluster.at_ms = TICK - 300;
    ns_deployment_fact_set(&view->cluster, NS_DEPLOYMENT_replicas_ready, 0, TICK - 300);
    ns_deployment_fact_set(&view->cluster, NS_DEPLOYMENT_restarts, 4, TICK - STALE - 1);
    snapshot->nodes_ready = (ns_value){2, TICK};
    ns_align(snapshot, view, TICK, STALE, &record);
    CHECK_INT(300, record.age_ms[NS_FROM_kubernetes]);
    CHECK_NEAR(0, record.value[NS_RECORD_replicas_ready], 0);
    CHECK(isnan(record.value[NS_RECORD_restarts])); /* too old */
    CHECK(isnan(record.value[NS_RECORD_pods]));     /* never known */
    CHECK_NEAR(2, record.value[NS_RECORD_nodes_ready], 0);

    snapshot->source[NS_FROM_kubernetes].state = NS_SOURCE_down;
    ns_align(snapshot, view, TICK, STALE, &record);
    CHECK(isnan(record.value[NS_RECORD_replicas_ready]));
    CHECK_INT(300, record.age_ms[NS_FROM_kubernetes]);
    ns_snapshot_free(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_fresh_comes_through),
        cmocka_unit_test(the_newest_running_build_speaks),
        cmocka_unit_test(what_is_not_fresh_is_missing_and_ages),
        cmocka_unit_test(the_cluster_joins_the_pipeline_it_belongs_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
