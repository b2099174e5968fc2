/* The simulated cluster: rolling updates, what goes wrong in it, and that only what removes the cause cures. */
#include "world_help.h"

#include "flow/deployment.h"

/* A world in which nothing goes wrong by itself. */
static ns_world *quiet(uint64_t seed)
{
    ns_scenario s = scenario_of("default");
    s.control_share = 1;
    s.rate_per_day = 0.01;
    return world_of(&s, seed);
}

static size_t at(const ns_world *w, const char *name)
{
    ptrdiff_t i = ns_world_find_deployment(w, ns_text_of(name));
    CHECK(i >= 0);
    return (size_t)i;
}

static ns_world_rollout rollout_of(const ns_world *w, size_t d)
{
    ns_world_rollout r;
    ns_world_rollout_of(w, d, &r);
    return r;
}

static void after(ns_world *w, double seconds)
{
    ns_world_advance(w, ns_world_now_ms(w) + (int64_t)(seconds * 1000));
}

static void scaling_makes_pods_that_become_ready(void **state)
{
    (void)state;
    ns_world *w = quiet(1);
    size_t d = at(w, "catalogue");
    CHECK_OK(ns_world_scale(w, d, 3, "k1", &ours, NULL));
    CHECK(rollout_of(w, d).generation > rollout_of(w, d).observed_generation); /* nobody has looked yet */
    after(w, 2);
    CHECK_INT(3, rollout_of(w, d).total);
    CHECK_INT(1, rollout_of(w, d).ready);
    CHECK(!rollout_of(w, d).complete);
    after(w, 170);
    CHECK_INT(1, rollout_of(w, d).ready); /* its probe waits 180 s */
    after(w, 20);
    CHECK(rollout_of(w, d).complete);
    CHECK_INT(3, rollout_of(w, d).available);
    CHECK_OK(ns_world_scale(w, d, 1, "k2", &ours, NULL));
    after(w, 10);
    CHECK(rollout_of(w, d).complete);
    CHECK_INT(1, ns_world_pod_count(w, d));
    CHECK(ns_world_scale(w, d, -1, "", &ours, NULL) == NS_BAD_INPUT);
    CHECK_OK(ns_world_scale(w, d, 1, "k3", &ours, NULL)); /* as it is: nothing is done */
    CHECK_INT(2, ns_world_effect_total(w));
    CHECK_OK(ns_world_scale(w, d, 0, "", &ours, NULL));
    after(w, 10);
    CHECK_INT(0, ns_world_pod_count(w, d));
    CHECK_OK(ns_world_scale(w, d, 900, "", &ours, NULL)); /* above the quota */
    after(w, 300);
    CHECK_INT(24, ns_world_pod_count(w, d));
    ns_world_free(w);
}

static ns_world_template template_now(const ns_world *w, size_t d, int64_t *serial)
{
    ns_world_revision r;
    ns_world_revision_at(w, d, ns_world_revision_count(w, d) - 1, &r);
    if (serial != NULL)
        *serial = r.serial;
    return r.template_is;
}

/* The new pod comes first, the old one serves until then: nobody notices. */
static void a_restart_replaces_every_pod_without_a_gap(void **state)
{
    (void)state;
    ns_world *w = quiet(2);
    size_t d = at(w, "carts");
    ns_world_pod old, now;
    ns_world_pod_at(w, d, 0, &old);
    char name[NS_WORLD_POD_NAME_MAX];
    (void)snprintf(name, sizeof name, "%s", old.name);
    int64_t before, serial;
    ns_world_template is = template_now(w, d, &before);
    (void)snprintf(is.key, sizeof is.key, "abc");
    CHECK_OK(ns_world_set_template(w, d, &is, true, "abc", &ours, &serial, NULL));
    CHECK(serial != before);
    for (int s = 0; s < 60; s++) {
        after(w, 1);
        CHECK(rollout_of(w, d).ready >= 1);
        CHECK(ns_world_signal(w, NS_SIGNAL_deployment_error_rate, d).value < 1);
    }
    CHECK(rollout_of(w, d).complete);
    ns_world_pod_at(w, d, 0, &now);
    CHECK(strcmp(name, now.name) != 0 && now.revision == serial);
    /* And back: the old template gets a new, higher number; its ReplicaSet is the old one. */
    CHECK_OK(ns_world_rollback(w, d, before, "def", &ours, NULL));
    after(w, 60);
    ns_world_revision r;
    ns_world_revision_at(w, d, ns_world_revision_count(w, d) - 1, &r);
    CHECK_INT(before, r.serial);
    CHECK_INT(3, r.number);
    CHECK_INT(2, ns_world_revision_count(w, d));
    CHECK(ns_world_rollback(w, d, 999999, "x", &ours, NULL) == NS_NOT_FOUND);
    ns_world_free(w);
}

static void an_image_that_is_not_there_never_starts(void **state)
{
    (void)state;
    ns_world *w = quiet(3);
    size_t d = at(w, "user");
    int64_t serial, good;
    ns_world_template is = template_now(w, d, &good);
    (void)snprintf(is.image, sizeof is.image, "weaveworksdemos/user:nosuch");
    CHECK_OK(ns_world_set_template(w, d, &is, false, "", &ours, &serial, NULL));
    after(w, 700);
    CHECK(rollout_of(w, d).stuck && !rollout_of(w, d).complete);
    CHECK_INT(1, rollout_of(w, d).available); /* the old one serves on */
    bool told = false;
    for (size_t i = 0; i < ns_world_event_count(w); i++) {
        ns_world_event event;
        ns_world_event_at(w, i, &event);
        told = told || (event.warning && strcmp(event.reason, "Failed") == 0);
    }
    CHECK(told);
    CHECK_OK(ns_world_rollback(w, d, good, "", &ours, NULL));
    after(w, 20);
    CHECK(rollout_of(w, d).complete);
    ns_world_free(w);
}

static void a_paused_rollout_waits(void **state)
{
    (void)state;
    ns_world *w = quiet(4);
    size_t d = at(w, "orders");
    int64_t serial;
    ns_world_template is = template_now(w, d, NULL);
    CHECK_OK(ns_world_pause_rollout(w, d, true, "", &ours, NULL));
    CHECK_OK(ns_world_set_template(w, d, &is, true, "", &ours, &serial, NULL));
    after(w, 600);
    CHECK_INT(0, rollout_of(w, d).updated);
    CHECK_OK(ns_world_pause_rollout(w, d, false, "", &ours, NULL));
    after(w, 120);
    CHECK(rollout_of(w, d).complete);
    ns_world_free(w);
}

static void a_deleted_pod_is_replaced(void **state)
{
    (void)state;
    ns_world *w = quiet(5);
    size_t d = at(w, "shipping");
    ns_world_pod pod;
    ns_world_pod_at(w, d, 0, &pod);
    char name[NS_WORLD_POD_NAME_MAX];
    (void)snprintf(name, sizeof name, "%s", pod.name);
    CHECK_OK(ns_world_delete_pod(w, d, name, "", &ours, NULL));
    CHECK_INT(0, rollout_of(w, d).ready);
    after(w, 60);
    CHECK(rollout_of(w, d).complete);
    CHECK(ns_world_delete_pod(w, d, name, "", &ours, NULL) == NS_NOT_FOUND);
    ns_world_free(w);
}

/* ---- what goes wrong ---- */

static ns_world *only_cause(ns_cause cause, uint64_t seed, bool itself)
{
    ns_scenario s = scenario_of("default");
    for (size_t i = 0; i < NS_CAUSE_COUNT; i++)
        s.cause[i].weight = 0;
    s.cause[cause] = (ns_cause_scenario){.weight = 1,
                                         .cluster_share = 1,
                                         .heals_itself_share = itself ? 1 : 0,
                                         .lasts_s = {600, 0.1},
                                         .severity = {0.5, 0.4}};
    s.control_share = 0;
    s.double_fault_share = 0;
    s.rate_per_day = 150;
    s.human.acknowledge_s = (ns_spread){100000, 0.01}; /* nobody comes */
    s.censor_s = 7200;
    return world_of(&s, seed);
}

typedef enum remedy { DO_nothing, DO_scale, DO_restart, DO_rollback, DO_retry } remedy;

static void act(ns_world *w, size_t d, remedy how)
{
    int64_t queue_id;
    bool merged;
    if (how == DO_scale)
        CHECK_OK(ns_world_scale(w, d, ns_scale_up_target(rollout_of(w, d).replicas, 10), "", &ours, NULL));
    else if (how == DO_restart)
        restart_pods(w, d);
    else if (how == DO_rollback && earlier_revision(w, d) != 0)
        CHECK_OK(ns_world_rollback(w, d, earlier_revision(w, d), "", &ours, NULL));
    else if (how == DO_retry)
        CHECK_OK(ns_world_trigger(w, d, NULL, 0, -1, &ours, &queue_id, &merged, NULL));
}

/* Of the incidents of six hours, the share that this one remedy, given two minutes after the start, cured. */
static double cured(ns_cause cause, uint64_t seed, remedy how, int64_t *seen)
{
    ns_world *w = only_cause(cause, seed, false);
    int64_t acted[16] = {0};
    for (int64_t s = 0; s <= 6 * 3600; s += 30) {
        ns_world_advance(w, START_MS + s * 1000);
        for (int64_t id = 1; id <= ns_world_incident_total(w); id++) {
            ns_world_incident i;
            CHECK(ns_world_incident_at(w, id, &i));
            if (i.over_ms >= 0 && acted[i.job] == id && how == DO_scale) /* taken back when it is calm */
                CHECK_OK(ns_world_scale(w, i.job, 1, "", &ours, NULL));
            if (i.over_ms >= 0 || i.first_bad_ms < 0 || ns_world_now_ms(w) - i.first_bad_ms < 120000 ||
                acted[i.job] == id)
                continue;
            acted[i.job] = id;
            act(w, i.job, how);
        }
    }
    ns_world_outcome o;
    ns_world_outcome_of(w, &o);
    *seen = o.incidents;
    double share = (double)o.healed_by_action / (double)o.incidents;
    ns_world_free(w);
    return share;
}

static void only_what_removes_the_cause_cures(void **state)
{
    (void)state;
    static const struct {
        ns_cause cause;
        double least[5], most[5]; /* nothing, scale, restart, rollback, retry */
    } rows[] = {
        {NS_CAUSE_overload, {0, .75, 0, 0, 0}, {0, 1, .05, .05, .05}},
        /* A leak comes back after a restart, files in memory do not. */
        {NS_CAUSE_out_of_memory, {0, 0, .35, .8, .35}, {0, .1, .8, 1, .8}},
        {NS_CAUSE_bad_release, {0, 0, 0, .9, 0}, {0, .1, .1, 1, .1}},
    };
    for (size_t i = 0; i < NS_COUNT_OF(rows); i++) {
        for (int how = DO_nothing; how <= DO_retry; how++) {
            int64_t seen;
            double share = cured(rows[i].cause, 11, (remedy)how, &seen);
            if (seen < 10 || share < rows[i].least[how] || share > rows[i].most[how])
                fail_msg("%s, remedy %d: %.2f of %lld", ns_cause_name(rows[i].cause), how, share, (long long)seen);
        }
    }
}

static void what_ends_by_itself_is_nobodys_merit(void **state)
{
    (void)state;
    static const ns_cause causes[] = {NS_CAUSE_overload, NS_CAUSE_out_of_memory};
    for (size_t i = 0; i < NS_COUNT_OF(causes); i++) {
        ns_world *w = only_cause(causes[i], 3, true);
        after(w, 6 * 3600);
        ns_world_outcome o;
        ns_world_outcome_of(w, &o);
        CHECK(o.incidents > 10);
        CHECK((double)o.healed_by_itself > 0.5 * (double)o.incidents);
        CHECK_INT(0, o.healed_by_action);
        ns_world_free(w);
    }
}

static void people_mend_the_cluster(void **state)
{
    (void)state;
    static const ns_cause causes[] = {NS_CAUSE_overload, NS_CAUSE_out_of_memory, NS_CAUSE_bad_release};
    for (size_t i = 0; i < NS_COUNT_OF(causes); i++) {
        ns_scenario s = scenario_of("demo");
        for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
            s.cause[c].weight = 0;
        s.cause[causes[i]] =
            (ns_cause_scenario){.weight = 1, .cluster_share = 1, .lasts_s = {600, 0.1}, .severity = {0.5, 0.3}};
        s.human.acknowledge_s = (ns_spread){30, 0.1};
        s.rate_per_day = 100;
        ns_world *w = world_of(&s, 6);
        after(w, 12 * 3600);
        ns_world_outcome o;
        ns_world_outcome_of(w, &o);
        CHECK(o.incidents > 8);
        if ((double)o.healed_by_human < 0.8 * (double)(o.incidents - o.open))
            fail_msg("%s: %lld of %lld by a person", ns_cause_name(causes[i]), (long long)o.healed_by_human,
                     (long long)o.incidents);
        ns_world_free(w);
    }
}

/* Surges are sized by the pods that are there: were none taken back after them, each would be bigger than the last, up
 * to one that nobody could cure. */
static void one_surge_after_the_other_is_mended(void **state)
{
    (void)state;
    ns_scenario s = scenario_of("demo");
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        s.cause[c].weight = 0;
    s.cause[NS_CAUSE_overload] = (ns_cause_scenario){.weight = 1, .lasts_s = {600, 0.1}, .severity = {0.5, 0.3}};
    s.human.acknowledge_s = (ns_spread){30, 0.1};
    s.rate_per_day = 2000;
    s.control_share = 0;
    ns_world *w = world_of(&s, 6);
    after(w, 12 * 3600);
    int64_t longest_ms = 0, seen = 0;
    for (int64_t id = ns_world_incident_total(w); id > 0; id--) {
        ns_world_incident i;
        CHECK(ns_world_incident_at(w, id, &i));
        if (i.over_ms < 0 || i.first_bad_ms < 0)
            continue;
        seen++;
        longest_ms = i.over_ms - i.first_bad_ms > longest_ms ? i.over_ms - i.first_bad_ms : longest_ms;
        CHECK(i.healed_by != NS_HEALED_abandoned);
    }
    CHECK(seen > 100);
    CHECK(longest_ms < 3600000);
    for (size_t d = 0; d < ns_world_job_count(w); d++)
        CHECK(rollout_of(w, d).replicas < 12);
    ns_world_free(w);
}

/* What can be measured shows what is wrong. */
static void the_signals_tell_what_is_wrong(void **state)
{
    (void)state;
    static const ns_cause causes[] = {NS_CAUSE_overload, NS_CAUSE_out_of_memory, NS_CAUSE_bad_release};
    for (size_t i = 0; i < NS_COUNT_OF(causes); i++) {
        ns_world *w = only_cause(causes[i], 8, false);
        int64_t shown = 0, looked = 0;
        for (int64_t s = 0; s < 4 * 3600; s += 30) {
            ns_world_advance(w, START_MS + s * 1000);
            for (int64_t id = 1; id <= ns_world_incident_total(w); id++) {
                ns_world_incident in;
                CHECK(ns_world_incident_at(w, id, &in));
                if (in.over_ms >= 0 || in.first_bad_ms < 0 || ns_world_now_ms(w) - in.first_bad_ms < 180000)
                    continue;
                looked++;
                double errors = ns_world_signal(w, NS_SIGNAL_deployment_error_rate, in.job).value;
                double kills = ns_world_signal(w, NS_SIGNAL_deployment_oom_kills, in.job).value;
                double restarts = ns_world_signal(w, NS_SIGNAL_deployment_restarts, in.job).value;
                double throttled = ns_world_signal(w, NS_SIGNAL_deployment_throttled, in.job).value;
                shown += causes[i] == NS_CAUSE_overload        ? throttled > 50
                         : causes[i] == NS_CAUSE_out_of_memory ? kills > 0
                                                               : errors > 5 || restarts > 0;
            }
        }
        if (looked < 20 || (double)shown < 0.75 * (double)looked)
            fail_msg("%s: shown %lld of %lld", ns_cause_name(causes[i]), (long long)shown, (long long)looked);
        ns_world_free(w);
    }
}

static void the_cluster_is_the_same_each_time(void **state)
{
    (void)state;
    ns_world *a = only_cause(NS_CAUSE_out_of_memory, 4, false), *b = only_cause(NS_CAUSE_out_of_memory, 4, false);
    after(a, 7200);
    for (int i = 0; i < 7200; i += 7) {
        ns_world_advance(b, START_MS + i * 1000);
        for (size_t s = 0; s < NS_SIGNAL_COUNT; s++)
            (void)ns_world_signal(b, (ns_signal)s, 0);
    }
    ns_world_advance(b, START_MS + 7200000);
    CHECK(ns_world_history_hash(a) == ns_world_history_hash(b));
    for (size_t d = 0; d < ns_world_deployment_count(a); d++)
        for (size_t s = 0; s < NS_SIGNAL_COUNT; s++) {
            double x = ns_world_signal(a, (ns_signal)s, d).value, y = ns_world_signal(b, (ns_signal)s, d).value;
            CHECK(x == y || (isnan(x) && isnan(y)));
        }
    ns_world_free(a);
    ns_world_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scaling_makes_pods_that_become_ready),
        cmocka_unit_test(a_restart_replaces_every_pod_without_a_gap),
        cmocka_unit_test(an_image_that_is_not_there_never_starts),
        cmocka_unit_test(a_paused_rollout_waits),
        cmocka_unit_test(a_deleted_pod_is_replaced),
        cmocka_unit_test(only_what_removes_the_cause_cures),
        cmocka_unit_test(what_ends_by_itself_is_nobodys_merit),
        cmocka_unit_test(people_mend_the_cluster),
        cmocka_unit_test(one_surge_after_the_other_is_mended),
        cmocka_unit_test(the_signals_tell_what_is_wrong),
        cmocka_unit_test(the_cluster_is_the_same_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
