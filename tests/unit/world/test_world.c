/* The world: is it the same each time, does what is wrong behave as the model says, is the truth kept right. */
#include "check.h"

#include "world/world.h"

#define START_MS 1795473600000

static const ns_world_request ours = {NS_WORLD_USER, "test"};

static ns_scenario scenario_of(const char *name)
{
    ns_scenario s;
    CHECK_OK(ns_scenario_builtin(name, &s, NULL));
    return s;
}

static ns_world *world_of(const ns_scenario *s, uint64_t seed)
{
    ns_world *w = NULL;
    ns_error err;
    if (ns_world_new(s, seed, START_MS, &w, &err) != NS_OK)
        fail_msg("%s", err.text);
    return w;
}

static ns_world *demo(uint64_t seed)
{
    ns_scenario s = scenario_of("demo");
    return world_of(&s, seed);
}

/*
 * A patient policy that is told the cause (as a good predictor would): retries what a retry can cure, a minute after
 * the failure, at most 8 times, and calls a person for all else.
 */
typedef struct patient {
    int64_t seen[16];
    int32_t tries[16];
    int64_t due_ms[16];
} patient;

static bool retry_may_help(const ns_build_plan *plan)
{
    const ns_plan_stage *last = &plan->stage[plan->stage_count - 1];
    switch ((int)last->cause) {
    case NS_CAUSE_flaky_test:
    case NS_CAUSE_registry_outage:
    case NS_CAUSE_timeout:
    case NS_CAUSE_disk_full:
        return true;
    case NS_CAUSE_out_of_memory:
        return !last->code;
    default:
        return plan->agent_lost;
    }
}

static void act_patiently(ns_world *w, patient *p, size_t job)
{
    ns_world_job facts;
    ns_world_job_at(w, job, &facts);
    ns_world_build b;
    bool merged;
    int64_t queue_id, now = ns_world_now_ms(w);
    if (facts.running == 0 && facts.newest_number > p->seen[job] &&
        ns_world_build_at(w, job, facts.newest_number, &b) && !b.in_progress) {
        p->seen[job] = b.number;
        p->due_ms[job] = b.result == NS_BUILD_FAILURE ? now + (p->tries[job] == 0 ? 30000 : 60000) : 0;
        if (b.result == NS_BUILD_SUCCESS)
            p->tries[job] = 0;
    }
    if (p->due_ms[job] == 0 || p->due_ms[job] > now || facts.running != 0 || facts.in_queue)
        return;
    p->due_ms[job] = 0;
    if (retry_may_help(ns_world_plan(w, job, p->seen[job])) && p->tries[job]++ < 8)
        CHECK_OK(ns_world_trigger(w, job, NULL, 0, -1, &ours, &queue_id, &merged, NULL));
    else
        CHECK_OK(ns_world_escalate(w, job, "", &ours, NULL));
}

static void live_patiently(ns_world *w, int64_t for_s)
{
    patient p = {0};
    for (size_t job = 0; job < ns_world_job_count(w); job++) {
        ns_world_job facts;
        ns_world_job_at(w, job, &facts);
        p.seen[job] = facts.newest_number;
    }
    for (int64_t s = 0; s <= for_s; s += 30) {
        ns_world_advance(w, START_MS + s * 1000);
        for (size_t job = 0; job < ns_world_job_count(w); job++)
            act_patiently(w, &p, job);
    }
}

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
    static const ns_cause healable[] = {NS_CAUSE_flaky_test, NS_CAUSE_registry_outage, NS_CAUSE_agent_lost,
                                        NS_CAUSE_out_of_memory, NS_CAUSE_timeout};
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
        printf("seed %d: incidents %d healable %d by action %d human %d itself %d open %d controls %d (%d) mttr %.0f |",
               (int)seed, (int)o.incidents, (int)o.healable, (int)o.healable_healed_by_action, (int)o.healed_by_human,
               (int)o.healed_by_itself, (int)o.open, (int)o.controls, (int)o.controls_with_action, o.mttr_s);
        for (size_t i = 1; i < NS_CAUSE_COUNT; i++)
            printf(" %s %d/%d", ns_cause_name((ns_cause)i), (int)o.by_cause_healed_by_action[i], (int)o.by_cause[i]);
        printf("\n");
        for (size_t i = 0; i < NS_COUNT_OF(healable); i++)
            CHECK(o.by_cause[healable[i]] >= 4);
        CHECK(o.by_cause[NS_CAUSE_compile_error] >= 4);
        CHECK(o.by_cause[NS_CAUSE_dependency] >= 2);
        CHECK(o.controls >= 25);
        CHECK((double)o.controls >= 0.3 * (double)(o.controls + o.incidents));
        CHECK_INT(0, o.controls_with_action);
        CHECK((double)o.healable_healed_by_action >= 0.85 * (double)o.healable);
        ns_world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_lives_the_same_history),
        cmocka_unit_test(looking_changes_nothing),
        cmocka_unit_test(the_demonstration_is_dense_and_healable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
