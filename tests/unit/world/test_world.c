/* The world: is it the same each time, does what is wrong behave as the model says, is the truth kept right. */
#include "world_help.h"

static void the_same_seed_lives_the_same_history(void **state)
{
    (void)state;
    ns_world *a = demo(7), *b = demo(7), *c = demo(8);
    live_patiently(a, 7200);
    live_patiently(b, 7200);
    live_patiently(c, 7200);
    CHECK(ns_world_history_hash(a) == ns_world_history_hash(b));
    CHECK(ns_world_history_hash(a) != ns_world_history_hash(c));
    ns_world_free(a);
    ns_world_free(b);
    ns_world_free(c);
    CHECK_INT(0, ns_mem_live());
}

static void nothing_look(void *owner, const ns_world_metric *metric)
{
    *(double *)owner += metric->value;
}

/* Looking, and the size of the steps, change nothing. */
static void looking_changes_nothing(void **state)
{
    (void)state;
    ns_world *a = demo(3), *b = demo(3);
    ns_world_advance(a, START_MS + 7200000);
    ns_buf text;
    ns_buf_init(&text, 1u << 20);
    for (int64_t at = START_MS; at <= START_MS + 7200000; at += 61007) {
        double sum = 0;
        int64_t next;
        bool more;
        ns_world_build build;
        ns_world_advance(b, at);
        ns_world_metrics(b, nothing_look, &sum);
        ns_buf_reset(&text);
        CHECK(ns_world_build_at(b, 0, 1, &build));
        CHECK_OK(ns_world_log(b, 0, 1, 0, 1000, &text, &next, &more));
        (void)ns_world_signal(b, NS_SIGNAL_cpu_usage, 0);
    }
    ns_world_advance(b, START_MS + 7200000);
    CHECK(ns_world_history_hash(a) == ns_world_history_hash(b));
    ns_buf_clear(&text);
    ns_world_free(a);
    ns_world_free(b);
}

static void the_demonstration_is_dense_and_healable(void **state)
{
    (void)state;
    static const ns_cause healable[] = {NS_CAUSE_flaky_test,    NS_CAUSE_registry_outage, NS_CAUSE_agent_lost,
                                        NS_CAUSE_out_of_memory, NS_CAUSE_timeout,         NS_CAUSE_bad_release,
                                        NS_CAUSE_overload};
    for (uint64_t seed = 1; seed <= 12; seed++) {
        ns_world *w = demo(seed);
        live_patiently(w, 5400);
        ns_world_outcome o;
        ns_world_outcome_of(w, &o);
        CHECK(o.healable >= 10);
        ns_world_free(w);
        w = demo(seed);
        live_patiently(w, 7200);
        ns_world_outcome_of(w, &o);
        for (size_t i = 0; i < NS_COUNT_OF(healable); i++)
            CHECK(o.by_cause[healable[i]] >= 4);
        CHECK(o.by_cause[NS_CAUSE_compile_error] >= 4);
        CHECK(o.by_cause[NS_CAUSE_dependency] >= 1);
        CHECK(o.controls >= 25);
        CHECK((double)o.controls >= 0.3 * (double)(o.controls + o.incidents));
        CHECK_INT(0, o.controls_with_action);
        CHECK((double)o.healable_healed_by_action >= 0.85 * (double)o.healable);
        ns_world_free(w);
    }
}

static ns_scenario only(const char *base, ns_cause cause)
{
    ns_scenario s = scenario_of(base);
    ns_cause_scenario kept = s.cause[cause];
    for (size_t i = 0; i < NS_CAUSE_COUNT; i++)
        s.cause[i].weight = 0;
    s.cause[cause] = kept;
    s.cause[cause].weight = 1;
    s.double_fault_share = 0;
    return s;
}

/* Retries every red build, for ever, and never calls anybody. */
static void live_retrying(ns_world *w, int64_t for_s)
{
    int64_t queue_id;
    bool merged;
    for (int64_t s = 0; s <= for_s; s += 60) {
        ns_world_advance(w, START_MS + s * 1000);
        for (size_t job = 0; job < ns_world_job_count(w); job++) {
            ns_world_job facts;
            ns_world_build b;
            ns_world_job_at(w, job, &facts);
            bool idle = facts.running == 0 && !facts.in_queue;
            if (idle && ns_world_build_at(w, job, facts.newest_number, &b) && b.result == NS_BUILD_FAILURE)
                CHECK_OK(ns_world_trigger(w, job, NULL, 0, -1, &ours, &queue_id, &merged, NULL));
        }
    }
}

static void no_retry_mends_code(void **state)
{
    (void)state;
    static const ns_cause causes[] = {NS_CAUSE_compile_error, NS_CAUSE_test_failure, NS_CAUSE_dependency,
                                      NS_CAUSE_config};
    for (size_t i = 0; i < NS_COUNT_OF(causes); i++) {
        ns_scenario s = only("default", causes[i]);
        s.cause[causes[i]].heals_itself_share = 0.5; /* another commit may mend it, a retry never */
        s.human.acknowledge_s.median = 3600;
        ns_world *w = world_of(&s, 5);
        live_retrying(w, 2 * 86400);
        ns_world_outcome o;
        ns_world_outcome_of(w, &o);
        CHECK(o.incidents > 20);
        CHECK_INT(0, o.healed_by_action);
        CHECK_INT(0, o.healable);
        CHECK(o.healed_by_human > 0 && o.healed_by_itself > 0);
        ns_world_free(w);
    }
}

static void what_passes_is_cured_by_retries(void **state)
{
    (void)state;
    static const ns_cause causes[] = {NS_CAUSE_flaky_test, NS_CAUSE_registry_outage, NS_CAUSE_out_of_memory,
                                      NS_CAUSE_timeout,    NS_CAUSE_agent_lost,      NS_CAUSE_disk_full};
    for (size_t i = 0; i < NS_COUNT_OF(causes); i++) {
        ns_scenario s = only("demo", causes[i]);
        s.cause[causes[i]] =
            (ns_cause_scenario){.weight = 1, .heals_itself_share = 1.0, .lasts_s = {240, 0.3}, .severity = {0.2, 0.3}};
        ns_world *w = world_of(&s, 9);
        live_retrying(w, 14400);
        ns_world_outcome o;
        ns_world_outcome_of(w, &o);
        CHECK(o.incidents > 20);
        CHECK_INT(o.incidents, o.healable);
        CHECK((double)o.healed_by_action >= 0.85 * (double)o.incidents);
        ns_world_free(w);
    }
}

/* An outage that nobody ends, and code that needs more memory, are said to be beyond healing, and are. */
static void what_only_a_person_ends_is_not_healable(void **state)
{
    (void)state;
    static const ns_cause causes[] = {NS_CAUSE_registry_outage, NS_CAUSE_out_of_memory};
    for (size_t i = 0; i < NS_COUNT_OF(causes); i++) {
        ns_scenario s = only("default", causes[i]);
        s.cause[causes[i]].heals_itself_share = 0;
        s.cause[causes[i]].cluster_share = 0;
        ns_world *w = world_of(&s, 2);
        live_retrying(w, 86400);
        ns_world_outcome o;
        ns_world_outcome_of(w, &o);
        CHECK(o.incidents > 10);
        CHECK_INT(0, o.healable);
        CHECK(o.healed_by_human > 0);
        /* After the person has mended it, a retry may still be the build that shows it. */
        CHECK(o.healed_by_human + o.healed_by_action + o.open == o.incidents);
        ns_world_free(w);
    }
}

static void a_world_without_faults_is_green(void **state)
{
    (void)state;
    ns_scenario s = scenario_of("default");
    s.control_share = 1;
    ns_world *w = world_of(&s, 4);
    int64_t builds = 0, noisy = 0;
    for (int64_t h = 1; h <= 48; h++) {
        ns_world_advance(w, START_MS + h * 3600000);
        for (size_t job = 0; job < ns_world_job_count(w); job++) {
            ns_world_job facts;
            ns_world_job_at(w, job, &facts);
            const ns_build_plan *plan = ns_world_plan(w, job, facts.newest_number);
            CHECK(plan->result == NS_BUILD_SUCCESS || plan->result == NS_BUILD_unknown);
            builds++;
            for (size_t k = 0; k < plan->stage_count; k++)
                noisy += plan->stage[k].noise;
        }
    }
    ns_world_outcome o;
    ns_world_outcome_of(w, &o);
    CHECK_INT(0, o.incidents);
    CHECK(o.controls > 5);
    CHECK(noisy > builds / 4); /* green builds print failures that they survive */
    CHECK(isnan(o.mttr_s));
    ns_world_free(w);
}

static void causes_come_in_their_proportion(void **state)
{
    (void)state;
    ns_scenario s = scenario_of("default");
    ns_world *w = world_of(&s, 11);
    live_patiently(w, 14 * 86400);
    ns_world_outcome o;
    ns_world_outcome_of(w, &o);
    CHECK_NEAR(40.0, (double)o.incidents / 14.0, 5.0);
    CHECK_NEAR(0.3, (double)o.controls / (double)(o.controls + o.incidents), 0.03);
    for (size_t i = 1; i < NS_CAUSE_COUNT; i++)
        CHECK_NEAR(s.cause[i].weight, (double)o.by_cause[i] / (double)o.incidents, 0.03);
    CHECK_INT(0, o.by_cause_healed_by_action[NS_CAUSE_compile_error]);
    CHECK(o.healable_healed_by_action > o.healable / 2);
    ns_world_free(w);
}

/* What goes wrong in the k-th period of a pipeline is the seed's doing, not the policy's. */
static void the_same_incidents_meet_every_policy(void **state)
{
    (void)state;
    ns_world *a = demo(21), *b = demo(21);
    live_patiently(a, 7200);
    ns_world_advance(b, START_MS + 7200000);
    ns_world_incident met[16][32] = {0}, x;
    for (int64_t id = 1; ns_world_incident_at(a, id, &x); id++)
        if (x.period < 32)
            met[x.job][x.period] = x;
    int64_t compared = 0;
    for (int64_t id = 1; ns_world_incident_at(b, id, &x); id++) {
        const ns_world_incident *y = &met[x.job][x.period];
        if (y->id == 0)
            continue;
        CHECK(x.cause == y->cause && x.control == y->control && x.healable == y->healable);
        CHECK_NEAR(y->severity, x.severity, 0);
        if (x.period == 0)
            CHECK_INT(y->onset_ms, x.onset_ms);
        compared++;
    }
    CHECK(compared > 30);
    ns_world_free(a);
    ns_world_free(b);
}

static void baselines_follow_one_rule(void **state)
{
    (void)state;
    ns_scenario s = scenario_of("demo");
    double nothing = 0, retry = 0, live = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        ns_world_outcome o, same;
        CHECK_OK(ns_world_counterfactual(&s, seed, START_MS, 7200000, NS_BASELINE_nothing, &o, NULL));
        ns_world *w = world_of(&s, seed);
        ns_world_advance(w, START_MS + 7200000);
        ns_world_outcome_of(w, &same);
        CHECK_NEAR(same.mttr_s, o.mttr_s, 0); /* a live run that does nothing is the baseline */
        CHECK_INT(0, o.healed_by_action);
        nothing += o.mttr_s;
        ns_world_free(w);
        CHECK_OK(ns_world_counterfactual(&s, seed, START_MS, 7200000, NS_BASELINE_retry_then_human, &o, NULL));
        retry += o.mttr_s;
        w = world_of(&s, seed);
        live_patiently(w, 7200);
        ns_world_outcome_of(w, &same);
        live += same.mttr_s;
        ns_world_free(w);
    }
    CHECK(live < retry && retry < nothing);
    CHECK_INT(0, ns_mem_live());
}

/* One still open at the end counts with its length so far, and never with more than censor_s. */
static void open_incidents_count_as_said(void **state)
{
    (void)state;
    ns_scenario s = only("demo", NS_CAUSE_compile_error);
    s.censor_s = 600;
    s.human.acknowledge_s.median = 1e7;
    ns_world *w = world_of(&s, 1);
    ns_world_advance(w, START_MS + 7200000);
    ns_world_outcome o;
    ns_world_outcome_of(w, &o);
    CHECK(o.incidents > 8 && o.open == o.incidents);
    double sum = 0;
    ns_world_incident x;
    for (int64_t id = 1; ns_world_incident_at(w, id, &x); id++) {
        if (x.control || x.first_bad_ms < 0)
            continue;
        bool left = x.healed_by == NS_HEALED_abandoned;
        CHECK_INT(left, START_MS + 7200000 - x.first_bad_ms >= 600000);
        sum += left ? 600.0 : (double)(START_MS + 7200000 - x.first_bad_ms) / 1000.0;
    }
    CHECK_NEAR(sum / (double)o.incidents, o.mttr_s, 1e-6);
    ns_world_free(w);
}

static void an_escalation_brings_the_person_sooner(void **state)
{
    (void)state;
    ns_scenario s = only("demo", NS_CAUSE_compile_error);
    ns_world *told = world_of(&s, 6), *untold = world_of(&s, 6);
    ns_world_incident a, b;
    size_t healed = 0;
    live_patiently(told, 14400);
    ns_world_advance(untold, START_MS + 14400000);
    for (int64_t id = 1; id <= 8; id++) {
        CHECK(ns_world_incident_at(told, id, &a) && ns_world_incident_at(untold, id, &b));
        if (a.control || a.job != b.job || a.period != b.period)
            continue;
        CHECK(a.healed_by == NS_HEALED_human && b.healed_by == NS_HEALED_human);
        CHECK(a.person_knows);
        CHECK(a.healed_ms - a.first_bad_ms < b.healed_ms - b.first_bad_ms);
        healed++;
    }
    CHECK(healed >= 3);
    ns_world_free(told);
    ns_world_free(untold);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    ns_scenario s = scenario_of("demo");
    bool made = false;
    for (long n = 0; n < 40 && !made; n++) {
        ns_world *w = NULL;
        ns_mem_fail_after(n);
        made = ns_world_new(&s, 1, START_MS, &w, NULL) == NS_OK;
        if (made)
            ns_world_advance(w, START_MS + 3600000); /* living takes no memory */
        ns_mem_fail_after(-1);
        ns_world_free(w);
        CHECK_INT(0, ns_mem_live());
    }
    CHECK(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_lives_the_same_history),
        cmocka_unit_test(looking_changes_nothing),
        cmocka_unit_test(the_demonstration_is_dense_and_healable),
        cmocka_unit_test(no_retry_mends_code),
        cmocka_unit_test(what_passes_is_cured_by_retries),
        cmocka_unit_test(what_only_a_person_ends_is_not_healable),
        cmocka_unit_test(a_world_without_faults_is_green),
        cmocka_unit_test(causes_come_in_their_proportion),
        cmocka_unit_test(the_same_incidents_meet_every_policy),
        cmocka_unit_test(baselines_follow_one_rule),
        cmocka_unit_test(open_incidents_count_as_said),
        cmocka_unit_test(an_escalation_brings_the_person_sooner),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
