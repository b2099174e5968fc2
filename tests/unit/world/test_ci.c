/* The simulated Jenkins: queue, builds, stop, ledger; and what a visitor can see of them. */
#include "world_help.h"

static const ns_world_request visitor = {.user = "gabi", .from = "127.0.0.1"};

static ns_world *calm(void)
{
    ns_scenario s = scenario_of("default");
    s.control_share = 1;
    s.rate_per_day = 0.01; /* nothing happens unless asked for */
    return world_of(&s, 1);
}

static void jobs_are_there(void **state)
{
    (void)state;
    ns_world *w = calm();
    CHECK_INT(8, ns_world_job_count(w));
    ptrdiff_t job = ns_world_find_job(w, NS_TEXT("sock-shop/carts"));
    CHECK(job >= 0 && job == ns_world_find_job(w, NS_TEXT("carts")));
    CHECK_INT(-1, ns_world_find_job(w, NS_TEXT("sock-shop/none")));
    ns_world_job facts;
    ns_world_job_at(w, (size_t)job, &facts);
    CHECK_STRING("sock-shop/carts", facts.full_name);
    CHECK_STRING("carts", facts.deployment);
    CHECK_INT(5, facts.next_number);
    CHECK_STRING("TARGET", facts.parameter[0].name);
    CHECK_STRING("staging", facts.parameter[0].value);
    ns_world_build b;
    CHECK(ns_world_build_at(w, (size_t)job, 4, &b));
    CHECK(b.result == NS_BUILD_SUCCESS && !b.building && !b.in_progress && b.estimated_ms > 0);
    CHECK_INT(40, strlen(b.commit));
    CHECK(!ns_world_build_at(w, (size_t)job, 5, &b));
    ns_world_free(w);
}

static void a_trigger_becomes_a_build(void **state)
{
    (void)state;
    ns_world *w = calm();
    ns_parameter wanted[] = {{"TARGET", "production"}, {"NEUROSHIELD_KEY", "k1"}, {"OTHER", "dropped"}};
    int64_t id;
    bool merged;
    CHECK_OK(ns_world_trigger(w, 0, wanted, 3, -1, &ours, &id, &merged, NULL));
    CHECK(!merged);
    ns_world_queue_item item;
    CHECK(ns_world_queue_find(w, id, &item));
    CHECK(item.state == NS_QUEUE_waiting && strstr(item.why, "quiet") != NULL);
    CHECK_INT(1, ns_world_queue_count(w));
    ns_world_advance(w, START_MS + 4999);
    CHECK_INT(1, ns_world_queue_count(w));
    ns_world_advance(w, START_MS + 5000);
    CHECK_INT(0, ns_world_queue_count(w));
    CHECK(ns_world_queue_find(w, id, &item));
    CHECK(item.state == NS_QUEUE_left && item.number == 5);
    ns_world_build b;
    CHECK(ns_world_build_at(w, 0, 5, &b));
    CHECK(b.building && b.result == NS_BUILD_unknown && b.duration_ms == 0 && b.queue_id == id);
    CHECK_INT(2, b.parameter_count);
    CHECK_STRING("production", b.parameter[0].value);
    CHECK_STRING("k1", b.key);
    CHECK_INT(-1, b.tests_total);
    CHECK_INT(0, b.changes);
    ns_build flow;
    CHECK(ns_world_build_flow(w, 0, 5, &flow));
    CHECK(flow.running && flow.trigger == NS_TRIGGER_neuroshield && flow.duration_ms == -1);
    ns_world_advance(w, START_MS + 3600000);
    CHECK(ns_world_build_at(w, 0, 5, &b));
    CHECK(b.result == NS_BUILD_SUCCESS && b.stage_count == NS_STAGE_KINDS && b.tests_total > 0);
    CHECK(b.ended_ms - b.started_ms == b.duration_ms);
    CHECK(!ns_world_queue_find(w, id, &item)); /* forgotten after 5 minutes */
    ns_world_free(w);
}

static void equal_triggers_merge_and_jobs_do_not_overlap(void **state)
{
    (void)state;
    ns_world *w = calm();
    ns_parameter key = {"NEUROSHIELD_KEY", "k2"};
    int64_t first, second, third;
    bool merged;
    CHECK_OK(ns_world_trigger(w, 1, NULL, 0, -1, &visitor, &first, &merged, NULL));
    CHECK_OK(ns_world_trigger(w, 1, NULL, 0, -1, &visitor, &second, &merged, NULL));
    CHECK(merged && first == second);
    CHECK_OK(ns_world_trigger(w, 1, &key, 1, 0, &ours, &third, &merged, NULL));
    CHECK(!merged && third != first);
    ns_world_advance(w, START_MS + 6000);
    ns_world_queue_item item;
    CHECK(ns_world_queue_find(w, first, &item));
    CHECK(item.state == NS_QUEUE_blocked && item.merged == 1 && strstr(item.why, "#5") != NULL);
    ns_world_advance(w, START_MS + 3600000);
    ns_world_build five, six;
    CHECK(ns_world_build_at(w, 1, 5, &five) && ns_world_build_at(w, 1, 6, &six));
    CHECK(six.started_ms >= five.ended_ms);
    ns_world_effect effect;
    CHECK_INT(3, ns_world_effect_total(w));
    CHECK(ns_world_effect_by_key(w, "k2", &effect));
    CHECK(effect.seq == 3 && effect.queue_id == third && !effect.merged);
    CHECK_STRING("sock-shop/catalogue", effect.target);
    CHECK_STRING("test", effect.from);
    CHECK(ns_world_effect_at(w, 2, &effect) && effect.merged);
    CHECK(!ns_world_effect_at(w, 4, &effect) && !ns_world_effect_at(w, 0, &effect));
    CHECK(!ns_world_effect_by_key(w, "", &effect));
    ns_world_free(w);
}

static void what_is_not_allowed_is_refused(void **state)
{
    (void)state;
    ns_world *w = calm();
    ns_error err;
    int64_t id;
    bool merged, stopped;
    ns_parameter endless = {.name = "TARGET"};
    memset(endless.value, 'x', sizeof endless.value);
    CHECK_STATUS(NS_TOO_LARGE, ns_world_trigger(w, 0, &endless, 1, -1, &ours, &id, &merged, &err));
    CHECK_STATUS(NS_NOT_FOUND, ns_world_trigger(w, 99, NULL, 0, -1, &ours, &id, &merged, &err));
    CHECK_STATUS(NS_NOT_FOUND, ns_world_stop(w, 0, 77, &ours, &stopped, &err));
    CHECK_STATUS(NS_NOT_FOUND, ns_world_cancel(w, 77, &ours, &err));
    CHECK_STATUS(NS_NOT_FOUND, ns_world_escalate(w, 99, "", &ours, &err));
    ns_world_set_disabled(w, 0, true);
    CHECK_STATUS(NS_CONFLICT, ns_world_trigger(w, 0, NULL, 0, -1, &ours, &id, &merged, &err));
    CHECK_INT(0, ns_world_effect_total(w));
    ns_world_set_disabled(w, 0, false);
    ns_status status = NS_OK;
    for (int i = 0; i < 1000 && status == NS_OK; i++) {
        ns_parameter key = {.name = "NEUROSHIELD_KEY"};
        (void)snprintf(key.value, sizeof key.value, "%d", i);
        status = ns_world_trigger(w, 0, &key, 1, -1, &ours, &id, &merged, &err);
    }
    CHECK_STATUS(NS_BUSY, status);
    CHECK(ns_world_queue_count(w) <= 256);
    ns_world_free(w);
}

static void stopping_and_cancelling(void **state)
{
    (void)state;
    ns_world *w = calm();
    int64_t id;
    bool merged, stopped;
    CHECK_OK(ns_world_trigger(w, 2, NULL, 0, 0, &visitor, &id, &merged, NULL));
    ns_world_advance(w, START_MS + 30000);
    CHECK_OK(ns_world_stop(w, 2, 5, &visitor, &stopped, NULL));
    CHECK(stopped);
    ns_world_build b;
    CHECK(ns_world_build_at(w, 2, 5, &b));
    CHECK(b.result == NS_BUILD_ABORTED && !b.building && b.in_progress && b.aborted_by_person);
    CHECK_INT(30000, b.duration_ms);
    CHECK(b.stage[b.stage_count - 1].status == NS_STAGE_ABORTED);
    CHECK_OK(ns_world_stop(w, 2, 5, &visitor, &stopped, NULL));
    CHECK(!stopped);
    CHECK_OK(ns_world_trigger(w, 2, NULL, 0, -1, &visitor, &id, &merged, NULL));
    CHECK_OK(ns_world_cancel(w, id, &visitor, NULL));
    ns_world_queue_item item;
    CHECK(ns_world_queue_find(w, id, &item) && item.state == NS_QUEUE_cancelled);
    ns_world_queue_at(w, ns_world_queue_all(w) - 1, &item);
    CHECK_INT(id, item.id);
    ns_world_advance(w, START_MS + 60000);
    CHECK(!ns_world_build_at(w, 2, 6, &b));
    CHECK_INT(4, ns_world_effect_total(w)); /* two builds, one stop, one cancel */
    ns_world_free(w);
}

static void an_escalation_counts_once(void **state)
{
    (void)state;
    ns_world *w = calm();
    CHECK_OK(ns_world_escalate(w, 3, "e1", &ours, NULL));
    CHECK_OK(ns_world_escalate(w, 3, "e1", &ours, NULL));
    CHECK_INT(1, ns_world_effect_total(w));
    ns_world_free(w);
}

static void old_builds_are_forgotten_and_logs_grow(void **state)
{
    (void)state;
    ns_world *w = calm();
    ns_buf a, b;
    ns_buf_init(&a, 16u << 20);
    ns_buf_init(&b, 16u << 20);
    int64_t id, next = 0, at = START_MS;
    bool merged, more = true;
    CHECK_OK(ns_world_trigger(w, 0, NULL, 0, 0, &visitor, &id, &merged, NULL));
    for (int64_t offset = 0; more; offset = next) {
        ns_world_advance(w, at += 7000);
        CHECK_OK(ns_world_log(w, 0, 5, offset, 5000, &a, &next, &more));
    }
    CHECK_OK(ns_world_log(w, 0, 5, 0, 16u << 20, &b, &next, &more));
    CHECK(ns_text_same(ns_buf_view(&a), ns_buf_view(&b))); /* read in pieces while it grew, or whole at the end */
    CHECK(ns_text_find(ns_buf_view(&b), "Finished: SUCCESS") > 0);
    ns_buf_reset(&a);
    CHECK_OK(ns_world_log(w, 0, 5, 1 << 30, 100, &a, &next, &more));
    CHECK_INT(100, next); /* behind the end: from the start again */
    for (int i = 0; i < 70; i++) {
        CHECK_OK(ns_world_trigger(w, 0, NULL, 0, 0, &visitor, &id, &merged, NULL));
        ns_world_advance(w, at += 3600000);
    }
    ns_world_build build;
    ns_world_job facts;
    ns_world_job_at(w, 0, &facts);
    CHECK(facts.newest_number >= 75 && facts.newest_number - facts.oldest_number == NS_WORLD_BUILDS_KEPT - 1);
    CHECK(!ns_world_build_at(w, 0, facts.oldest_number - 1, &build));
    CHECK(ns_world_build_at(w, 0, facts.oldest_number, &build));
    CHECK_STATUS(NS_NOT_FOUND, ns_world_log(w, 0, 5, 0, 100, &a, &next, &more));
    ns_buf_clear(&a);
    ns_buf_clear(&b);
    ns_world_free(w);
}

static void executors_are_never_oversold(void **state)
{
    (void)state;
    ns_world *w = demo(13);
    bool seen_offline = false;
    for (int64_t s = 0; s < 7200; s += 15) {
        ns_world_advance(w, START_MS + s * 1000);
        int32_t running = 0, busy = 0;
        for (size_t job = 0; job < ns_world_job_count(w); job++) {
            ns_world_job facts;
            ns_world_job_at(w, job, &facts);
            running += facts.running != 0;
        }
        for (size_t i = 0; i < ns_world_agent_count(w); i++) {
            ns_world_agent agent;
            ns_world_agent_at(w, i, &agent);
            busy += agent.busy;
            seen_offline = seen_offline || agent.offline;
            CHECK(agent.busy >= 0 && agent.busy <= agent.executors);
        }
        CHECK_INT(running, busy);
    }
    CHECK(seen_offline);
    ns_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_are_there),
        cmocka_unit_test(a_trigger_becomes_a_build),
        cmocka_unit_test(equal_triggers_merge_and_jobs_do_not_overlap),
        cmocka_unit_test(what_is_not_allowed_is_refused),
        cmocka_unit_test(stopping_and_cancelling),
        cmocka_unit_test(an_escalation_counts_once),
        cmocka_unit_test(old_builds_are_forgotten_and_logs_grow),
        cmocka_unit_test(executors_are_never_oversold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
