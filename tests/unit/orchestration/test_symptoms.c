/* Symptoms: what each of them is taken for, and that what is not known is neither good nor bad. */
#include "check.h"

#include "orchestration/symptoms.h"

#define NOW 1000000000

typedef struct patient {
    ns_snapshot *snapshot;
    ns_pipeline_view *view;
    ns_symptom_memory memory;
    int64_t now_ms;
} patient;

static void set(patient *p, ns_signal signal, double value)
{
    p->view->signal[signal] = (ns_value){value, p->now_ms};
}

static void fact(patient *p, ns_deployment_fact which, int64_t n)
{
    ns_deployment_fact_set(&p->view->cluster, which, n, p->now_ms);
}

/* A Deployment that is well, known now. */
static void well(patient *p)
{
    ns_deployment_view *c = &p->view->cluster;
    c->at_ms = p->now_ms;
    c->exists = true;
    c->rollout = NS_ROLLOUT_complete;
    fact(p, NS_DEPLOYMENT_pods_crash_looping, 0);
    fact(p, NS_DEPLOYMENT_pods_image_failing, 0);
    fact(p, NS_DEPLOYMENT_pods_oom_killed, 0);
    fact(p, NS_DEPLOYMENT_restarts, 0);
    set(p, NS_SIGNAL_deployment_error_rate, 0.1);
    set(p, NS_SIGNAL_deployment_latency_p95, 0.2);
    set(p, NS_SIGNAL_deployment_cpu, 20);
    set(p, NS_SIGNAL_deployment_throttled, 2);
}

static void admit(patient *p)
{
    *p = (patient){.snapshot = ns_snapshot_new(), .now_ms = NOW};
    p->view = ns_snapshot_pipeline(p->snapshot, NS_TEXT("shop/carts"));
    ns_deployment_view_forget(&p->view->cluster);
    well(p);
    p->view->cluster.since_ms = NOW - 600000;
}

static ns_symptoms look(patient *p)
{
    ns_symptoms out;
    ns_symptoms_look(&p->memory, p->snapshot, p->view, p->now_ms, 120000, &out);
    return out;
}

static void each_symptom_has_its_meaning(void **state)
{
    (void)state;
    static const struct {
        int64_t crashing, image, killed;
        double errors, slow, cpu, throttled;
        bool bad;
        ns_cause cause;
    } rows[] = {
        {0, 0, 0, 0.1, 0.2, 20, 2, false, NS_CAUSE_none},
        {0, 0, 0, 4.9, 1.9, 95, 70, false, NS_CAUSE_none},
        {1, 0, 0, 0.1, 0.2, 20, 2, true, NS_CAUSE_bad_release},
        {1, 0, 1, 50, 0.2, 20, 2, true, NS_CAUSE_out_of_memory},
        {0, 0, 1, 50, 0.2, 20, 2, true, NS_CAUSE_out_of_memory},
        {0, 0, 1, 0.1, 0.2, 20, 2, false, NS_CAUSE_none}, /* it was, and it is over */
        {0, 1, 0, 0.1, 0.2, 20, 2, true, NS_CAUSE_bad_release},
        {0, 0, 0, 30, 0.2, 20, 2, true, NS_CAUSE_bad_release},
        {0, 0, 0, 30, 6, 99, 80, true, NS_CAUSE_overload},
        {0, 0, 0, 0.1, 6, 40, 80, true, NS_CAUSE_overload},
        {0, 0, 0, 0.1, 6, 40, 5, true, NS_CAUSE_none}, /* slow, and not by its own doing */
        {0, 0, 0, NAN, NAN, 99, 80, true, NS_CAUSE_overload},
        {0, 0, 0, NAN, NAN, 99, 5, false, NS_CAUSE_none},
    };
    for (size_t i = 0; i < NS_COUNT_OF(rows); i++) {
        patient p;
        admit(&p);
        fact(&p, NS_DEPLOYMENT_pods_crash_looping, rows[i].crashing);
        fact(&p, NS_DEPLOYMENT_pods_image_failing, rows[i].image);
        fact(&p, NS_DEPLOYMENT_pods_oom_killed, rows[i].killed);
        set(&p, NS_SIGNAL_deployment_error_rate, rows[i].errors);
        set(&p, NS_SIGNAL_deployment_latency_p95, rows[i].slow);
        set(&p, NS_SIGNAL_deployment_cpu, rows[i].cpu);
        set(&p, NS_SIGNAL_deployment_throttled, rows[i].throttled);
        ns_symptoms s = look(&p);
        if (!s.known || s.bad != rows[i].bad || s.cause != rows[i].cause || (s.bad && s.why[0] == '\0'))
            fail_msg("row %zu: bad %d, %s, %s", i, s.bad, ns_cause_name(s.cause), s.why);
        ns_snapshot_free(p.snapshot);
    }
}

/* Who reads of a pod out of memory wants to know how much it may have. */
static void the_memory_limit_is_evidence(void **state)
{
    (void)state;
    patient p;
    admit(&p);
    fact(&p, NS_DEPLOYMENT_pods_crash_looping, 1);
    fact(&p, NS_DEPLOYMENT_pods_oom_killed, 2);
    CHECK_STRING("containers killed for memory in 2 pods", look(&p).why);
    fact(&p, NS_DEPLOYMENT_memory_limit, 524288000);
    CHECK_STRING("containers killed for memory in 2 pods (limit 500 MiB)", look(&p).why);
    ns_snapshot_free(p.snapshot);
}

static void old_errors_of_an_old_release_have_no_known_cause(void **state)
{
    (void)state;
    patient p;
    admit(&p);
    p.view->cluster.since_ms = NOW - 7200000;
    set(&p, NS_SIGNAL_deployment_error_rate, 30);
    CHECK(look(&p).bad && look(&p).cause == NS_CAUSE_none);
    p.view->cluster.rollout = NS_ROLLOUT_failed;
    CHECK(look(&p).cause == NS_CAUSE_bad_release);
    ns_snapshot_free(p.snapshot);
}

static void what_is_not_known_is_neither_good_nor_bad(void **state)
{
    (void)state;
    patient p;
    admit(&p);
    CHECK_INT(NOW, look(&p).calm_ms);
    p.now_ms += 60000;
    CHECK_INT(NOW, look(&p).calm_ms); /* still good, two minutes are not over */
    p.now_ms += 120000;
    ns_symptoms stale = look(&p);
    CHECK(!stale.known && !stale.bad && stale.calm_ms == -1);
    well(&p);
    CHECK_INT(p.now_ms, look(&p).calm_ms); /* good anew, from now on */
    p.view->cluster.exists = false;
    CHECK(!look(&p).known);
    ns_snapshot_free(p.snapshot);
}

/* Between two crashes all looks well; the restart is remembered for a while. */
static void a_restart_shows_for_a_while(void **state)
{
    (void)state;
    patient p;
    admit(&p);
    CHECK(!look(&p).bad);
    p.now_ms += 10000;
    well(&p);
    fact(&p, NS_DEPLOYMENT_restarts, 1);
    ns_symptoms s = look(&p);
    CHECK(s.bad && s.since_ms == p.now_ms && s.restart_ms == p.now_ms);
    for (int i = 0; i < 20; i++) {
        p.now_ms += 10000;
        well(&p);
        fact(&p, NS_DEPLOYMENT_restarts, 1);
        s = look(&p);
    }
    CHECK(!s.bad && s.calm_ms > 0);
    well(&p); /* the pod is gone, and its count with it: that is no restart */
    CHECK(!look(&p).bad);
    ns_snapshot_free(p.snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_symptom_has_its_meaning),
        cmocka_unit_test(the_memory_limit_is_evidence),
        cmocka_unit_test(old_errors_of_an_old_release_have_no_known_cause),
        cmocka_unit_test(what_is_not_known_is_neither_good_nor_bad),
        cmocka_unit_test(a_restart_shows_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
