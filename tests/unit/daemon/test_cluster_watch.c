/* Watching Deployments: when a case opens and ends, what has proved good, what can be done. */
#include "check.h"

#include "agent/runbook.h"
#include "daemon/carry_out.h"
#include "daemon/cluster_watch.h"

#define NOW    1800000000000
#define TICK_S 10

typedef struct desk {
    ns_house house;
    ns_settings settings;
    ns_track track;
    ns_pipeline_view *view;
    ns_step step;
    int64_t now_ms;
    uint64_t rows;
    int64_t restarts;
    double errors, cpu; /* percent */
    ns_revision_row revision;
    int prepared;
} desk;

static ns_status store_put(void *self, const ns_row *row, uint64_t *sequence)
{
    desk *d = self;
    if (row->kind == NS_ROW_revision)
        d->revision = *row->of.revision;
    *sequence = ++d->rows;
    return NS_OK;
}

static void store_status(void *self, ns_store_status *out)
{
    const desk *d = self;
    *out = (ns_store_status){.put = d->rows, .committed = 0}; /* nothing is sent here */
}

static void cannot(void *self, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    desk *d = self;
    d->prepared++;
    const ns_effect_answer answer = {.sent = NS_SENT_refused, .error = {.status = NS_CONFLICT, .text = "not kept"}};
    done(owner, effect, &answer);
}

/* What the sources would write at this moment. */
static void measure(desk *d)
{
    ns_deployment_view *c = &d->view->cluster;
    c->at_ms = d->now_ms;
    c->exists = true;
    ns_deployment_fact_set(c, NS_DEPLOYMENT_restarts, d->restarts, d->now_ms);
    ns_deployment_fact_set(c, NS_DEPLOYMENT_pods_crash_looping, 0, d->now_ms);
    ns_deployment_fact_set(c, NS_DEPLOYMENT_pods_oom_killed, 0, d->now_ms);
    d->view->signal[NS_SIGNAL_deployment_error_rate] = (ns_value){d->errors, d->now_ms};
    d->view->signal[NS_SIGNAL_deployment_cpu] = (ns_value){d->cpu, d->now_ms};
    d->view->signal[NS_SIGNAL_deployment_throttled] = (ns_value){d->cpu > 95 ? 80 : 0, d->now_ms};
    d->view->signal[NS_SIGNAL_deployment_latency_p95] = (ns_value){0.1, d->now_ms};
}

static void good(desk *d)
{
    d->errors = 0.1;
    d->cpu = 10;
}

static void bad_release(desk *d)
{
    d->errors = 40;
    d->cpu = 10;
}

static void overloaded(desk *d)
{
    d->errors = 60;
    d->cpu = 100;
}

static void replicas(desk *d, int64_t n)
{
    ns_deployment_fact_set(&d->view->cluster, NS_DEPLOYMENT_replicas_wanted, n, d->now_ms);
}

static void desk_open(desk *d)
{
    *d = (desk){.now_ms = NOW};
    d->settings = (ns_settings){.stale_after_s = 120, .verify_wait_s = 1800, .kubernetes_max_replicas = 10};
    d->house.settings = &d->settings;
    d->house.caps = (ns_reward_caps){.mttr_cap_s = 3600, .cost_cap = 1};
    d->house.clock = (ns_clock){.manual_ms = &d->now_ms, .speed = 1};
    d->house.snapshot = ns_snapshot_new();
    d->house.feed = ns_feed_new();
    d->house.store = (ns_store){.self = d, .put = store_put, .status = store_status};
    ns_guardrail_options rails = ns_guardrail_defaults();
    rails.mode = NS_MODE_auto;
    CHECK_OK(ns_guardrails_new(&rails, &d->house.rails, NULL));
    d->house.tracks = &d->track;
    d->house.track_count = 1;
    d->view = ns_snapshot_pipeline(d->house.snapshot, NS_TEXT("shop/carts"));
    (void)ns_text_copy(d->view->deployment, sizeof d->view->deployment, NS_TEXT("carts"));
    d->view->buildable = true;
    ns_deployment_view *c = &d->view->cluster;
    ns_deployment_view_forget(c);
    (void)ns_text_copy(c->uid, sizeof c->uid, NS_TEXT("uid-1"));
    (void)ns_text_copy(c->template_hash, sizeof c->template_hash, NS_TEXT("aaa"));
    c->generation = c->observed_generation = 3;
    c->since_ms = NOW - 1200000;
    c->rollout = NS_ROLLOUT_complete;
    replicas(d, 2);
    good(d);
    measure(d);
}

static void desk_close(desk *d)
{
    ns_free(d->track.open_case);
    ns_guardrails_free(d->house.rails);
    ns_feed_free(d->house.feed);
    ns_snapshot_free(d->house.snapshot);
    CHECK_INT(0, ns_mem_live());
}

/* One look; what it closed is carried away as the tick's end does. Returns the id of the case closed; 0 none. */
static int64_t look(desk *d)
{
    int64_t closed = 0;
    measure(d);
    d->step = (ns_step){.view = d->view, .track = &d->track};
    ns_cluster_watch(&d->house, &d->step, d->now_ms);
    if (d->track.open_case != NULL && !ns_case_is_open(d->track.open_case)) {
        closed = d->track.open_case->id;
        ns_carry_case(&d->house, &d->track);
    }
    return closed;
}

/* The case closed last in that time; 0 none. */
static int64_t pass(desk *d, int seconds)
{
    int64_t closed = 0;
    for (int s = 0; s < seconds; s += TICK_S) {
        d->now_ms += TICK_S * 1000;
        int64_t id = look(d);
        closed = id > 0 ? id : closed;
    }
    return closed;
}

static void begin(desk *d, ns_action action)
{
    ns_effect effect;
    ns_case_begin_attempt(d->track.open_case, 5, action, &effect);
    ns_cluster_fill(&d->house, &d->step, &effect);
    ns_case *c = d->track.open_case;
    CHECK(ns_case_step(c, &(ns_case_event){.kind = NS_EVENT_decided, .at_ms = d->now_ms, .effect = &effect}));
}

/* The open case's attempt is taken by the other side now. */
static void act(desk *d, ns_action action)
{
    static const ns_case_event_kind way[] = {NS_EVENT_prepared, NS_EVENT_committed, NS_EVENT_sent,
                                             NS_EVENT_acknowledged};
    begin(d, action);
    for (size_t i = 0; i < NS_COUNT_OF(way); i++)
        CHECK(ns_case_step(d->track.open_case,
                           &(ns_case_event){.kind = way[i], .at_ms = d->now_ms, .deadline_ms = d->now_ms + 1800000}));
}

static void tell_a_person(desk *d)
{
    act(d, NS_ACTION_escalate);
    CHECK(d->track.open_case->escalated);
}

static void one_odd_measurement_is_no_case(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    pass(&d, 60);
    bad_release(&d);
    pass(&d, 20);
    CHECK(d.track.open_case == NULL);
    good(&d);
    pass(&d, 30);
    bad_release(&d);
    pass(&d, 30);
    const ns_case *c = d.track.open_case;
    CHECK(c != NULL && c->build == 0);
    CHECK_INT(NS_CAUSE_bad_release, c->cause);
    CHECK_INT(d.now_ms - 20000, c->first_bad_ms);
    desk_close(&d);
}

static void what_is_not_known_opens_and_closes_nothing(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    bad_release(&d);
    pass(&d, 30);
    CHECK(d.track.open_case != NULL);
    good(&d);
    measure(&d);
    d.now_ms += 600000; /* nobody measures any more */
    d.step = (ns_step){.view = d.view, .track = &d.track};
    ns_cluster_watch(&d.house, &d.step, d.now_ms);
    CHECK(ns_case_is_open(d.track.open_case));
    CHECK(!d.track.symptoms.known);
    CHECK_INT(0, ns_cluster_possible(&d.house, &d.step, d.now_ms));
    desk_close(&d);
}

static void a_case_ends_when_it_was_good_for_long_enough(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        desk d;
        desk_open(&d);
        bad_release(&d);
        pass(&d, 30);
        if (told)
            tell_a_person(&d);
        good(&d);
        CHECK_INT(0, pass(&d, 90));
        CHECK_INT(1, pass(&d, 20));
        CHECK_INT(1, d.house.counts.healed_by[told ? NS_HEALED_human : NS_HEALED_itself]);
        CHECK(d.track.open_case == NULL);
        desk_close(&d);
    }
}

static void an_action_is_verified_by_calm_after_its_rollout(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    bad_release(&d);
    pass(&d, 30);
    act(&d, NS_ACTION_restart_pods);
    d.view->cluster.rollout = NS_ROLLOUT_progressing;
    pass(&d, 60);
    CHECK_INT(NS_CASE_acknowledged, d.track.open_case->state);
    d.view->cluster.rollout = NS_ROLLOUT_complete;
    good(&d);
    CHECK_INT(0, pass(&d, 60));
    CHECK_INT(NS_CASE_verifying, d.track.open_case->state);
    CHECK_INT(1, pass(&d, 60));
    CHECK_INT(1, d.house.counts.helped[NS_ACTION_restart_pods]);
    CHECK_INT(1, d.house.counts.healed_by[NS_HEALED_action]);
    desk_close(&d);
}

static void what_stays_bad_was_not_helped(void **state)
{
    (void)state;
    enum { STAYS, RESTARTS_AGAIN, ROLLOUT_STUCK, WAYS };
    for (int way = 0; way < WAYS; way++) {
        desk d;
        desk_open(&d);
        bad_release(&d);
        pass(&d, 30);
        act(&d, NS_ACTION_restart_pods);
        if (way == ROLLOUT_STUCK)
            d.view->cluster.rollout = NS_ROLLOUT_failed;
        pass(&d, 20);
        CHECK_INT(way == ROLLOUT_STUCK ? NS_CASE_failed : NS_CASE_verifying, d.track.open_case->state);
        d.restarts += way == RESTARTS_AGAIN;
        pass(&d, way == STAYS ? 160 : 10);
        CHECK_INT(way == STAYS ? NS_CASE_verifying : NS_CASE_failed, d.track.open_case->state);
        pass(&d, 30);
        CHECK_INT(NS_CASE_failed, d.track.open_case->state);
        desk_close(&d);
    }
}

/* Without a break it is one incident that shows more clearly; after a while of calm it is another. */
static void what_comes_after_a_calm_is_another_case(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    bad_release(&d);
    pass(&d, 30);
    tell_a_person(&d);
    overloaded(&d);
    CHECK_INT(0, pass(&d, 30));
    CHECK_INT(1, d.track.open_case->id);
    CHECK_INT(NS_CAUSE_overload, d.track.open_case->cause);
    good(&d);
    CHECK_INT(0, pass(&d, 20)); /* not yet calm */
    bad_release(&d);
    CHECK_INT(0, pass(&d, 40));
    CHECK_INT(1, d.track.open_case->id);
    good(&d);
    CHECK_INT(0, pass(&d, 50)); /* too short to close it, long enough to tell it from what follows */
    bad_release(&d);
    CHECK_INT(0, pass(&d, 60)); /* the same again is the same */
    good(&d);
    CHECK_INT(0, pass(&d, 50));
    overloaded(&d);
    CHECK_INT(1, pass(&d, 30));
    CHECK_INT(1, d.house.counts.healed_by[NS_HEALED_human]);
    pass(&d, 10);
    CHECK(d.track.open_case != NULL && d.track.open_case->id == 2);
    CHECK_INT(NS_CAUSE_overload, d.track.open_case->cause);
    CHECK(!d.track.open_case->escalated); /* so it is acted upon */
    desk_close(&d);
}

static void an_attempt_cut_short_by_another_fault_is_not_praised(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    bad_release(&d);
    pass(&d, 30);
    act(&d, NS_ACTION_restart_pods);
    good(&d);
    pass(&d, 60);
    CHECK_INT(NS_CASE_verifying, d.track.open_case->state);
    overloaded(&d);
    CHECK_INT(1, pass(&d, 40));
    CHECK_INT(0, d.house.counts.verified);
    CHECK_INT(0, d.house.counts.healed_by[NS_HEALED_action]);
    desk_close(&d);
}

static void a_template_proves_itself(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    ns_deployment_view *c = &d.view->cluster;
    pass(&d, 360);
    CHECK_STRING("", c->verified_hash);
    pass(&d, 20);
    CHECK_STRING("aaa", c->verified_hash);
    CHECK_STRING("aaa", d.revision.template_hash);
    CHECK_STRING("uid-1", d.revision.uid);
    (void)ns_text_copy(c->template_hash, sizeof c->template_hash, NS_TEXT("bbb"));
    c->since_ms = d.now_ms;
    pass(&d, 300);
    CHECK_STRING("aaa", c->verified_hash); /* the new one has not been good for as long */
    bad_release(&d);
    pass(&d, 30);
    good(&d);
    pass(&d, 300);
    CHECK_STRING("aaa", c->verified_hash); /* nor after it was bad */
    desk_close(&d);
}

static void what_was_verified_before_a_restart_is_known_again(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    ns_revision_row rows[] = {
        {.deployment = "carts", .uid = "uid-1", .template_hash = "older", .at_ms = 5},
        {.deployment = "carts", .uid = "uid-1", .template_hash = "good", .revision = 7, .at_ms = 9},
        {.deployment = "carts", .uid = "uid-0", .template_hash = "of another", .at_ms = 20},
    };
    d.house.revisions = rows;
    d.house.revision_count = NS_COUNT_OF(rows);
    pass(&d, 10);
    CHECK_STRING("good", d.view->cluster.verified_hash);
    CHECK_INT(7, d.view->cluster.verified_revision);
    desk_close(&d);
}

static void only_what_makes_sense_is_possible(void **state)
{
    (void)state;
    const ns_action_mask scale = NS_ACTION_BIT(NS_ACTION_scale_up), back = NS_ACTION_BIT(NS_ACTION_rollback),
                         restart = NS_ACTION_BIT(NS_ACTION_restart_pods);
    desk d;
    desk_open(&d);
    ns_deployment_view *c = &d.view->cluster;
    bad_release(&d);
    pass(&d, 30);
    CHECK_INT(scale | restart, ns_cluster_possible(&d.house, &d.step, d.now_ms));
    (void)ns_text_copy(c->verified_hash, sizeof c->verified_hash, NS_TEXT("good"));
    CHECK_INT(scale | restart | back, ns_cluster_possible(&d.house, &d.step, d.now_ms));
    c->has_hpa = 1; /* it would choose another number */
    CHECK_INT(restart | back, ns_cluster_possible(&d.house, &d.step, d.now_ms));
    c->has_hpa = 0;
    replicas(&d, 10); /* as many as may be */
    CHECK_INT(restart | back, ns_cluster_possible(&d.house, &d.step, d.now_ms));
    replicas(&d, 2);
    c->paused = 1;
    CHECK_INT(scale, ns_cluster_possible(&d.house, &d.step, d.now_ms));
    c->paused = 0;
    CHECK_INT(0, ns_cluster_possible(&d.house, &d.step, d.now_ms + 130000)); /* old news */
    d.track.open_case->unsure = true;
    CHECK_INT(0, ns_cluster_possible(&d.house, &d.step, d.now_ms));
    d.track.open_case->unsure = false;
    c->exists = false;
    CHECK_INT(0, ns_cluster_possible(&d.house, &d.step, d.now_ms));
    desk_close(&d);
}

/* What prepare says cannot be done is not tried tick after tick. */
static void what_cannot_be_done_is_not_tried_each_tick(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    ns_runbook_policy(&d.house.policy);
    d.house.hands[0] = (ns_hands){.self = &d, .actions = NS_ACTION_BIT(NS_ACTION_rollback), .prepare = cannot};
    d.house.hands_count = 1;
    d.house.snapshot->source[NS_FROM_jenkins].state = d.house.snapshot->source[NS_FROM_kubernetes].state = NS_SOURCE_ok;
    (void)ns_text_copy(d.view->cluster.verified_hash, sizeof d.view->cluster.verified_hash, NS_TEXT("good"));
    bad_release(&d);
    for (int i = 0; i < 60; i++) {
        d.now_ms += TICK_S * 1000;
        d.view->jenkins_at_ms = d.now_ms;
        measure(&d);
        d.step = (ns_step){0};
        ns_pipeline_tick(&d.house, d.now_ms, d.now_ms, &d.step, 1);
        if (d.track.open_case != NULL)
            ns_carry_on(&d.house, d.view, &d.track);
    }
    CHECK(d.prepared >= 2 && d.prepared <= 5); /* after 0, 1, 3, 7 minutes */
    int before = d.prepared;
    d.view->cluster.generation++; /* somebody changed it: that may be another matter */
    d.now_ms += TICK_S * 1000;
    measure(&d);
    d.step = (ns_step){0};
    ns_pipeline_tick(&d.house, d.now_ms, d.now_ms, &d.step, 1);
    ns_carry_on(&d.house, d.view, &d.track);
    CHECK_INT(before + 1, d.prepared);
    desk_close(&d);
}

static void no_right_to_roll_back(void *self, const char *deployment, ns_rights *out)
{
    (void)self;
    CHECK_STRING("carts", deployment);
    *out = (ns_rights){.known = true, .denied = NS_ACTION_BIT(NS_ACTION_rollback), .missing = "patch deployments"};
}

static void what_is_not_permitted_is_not_chosen(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    ns_runbook_policy(&d.house.policy);
    d.house.hands[0] = (ns_hands){.self = &d,
                                  .actions = NS_ACTION_BIT(NS_ACTION_rollback) | NS_ACTION_BIT(NS_ACTION_restart_pods),
                                  .rights = no_right_to_roll_back};
    d.house.hands[1] = (ns_hands){.self = &d, .actions = NS_ACTION_BIT(NS_ACTION_escalate), .prepare = cannot};
    d.house.hands_count = 2;
    (void)ns_text_copy(d.view->cluster.verified_hash, sizeof d.view->cluster.verified_hash, NS_TEXT("good"));
    bad_release(&d);
    for (int i = 0; i < 4; i++) {
        d.now_ms += TICK_S * 1000;
        measure(&d);
        d.step = (ns_step){0};
        ns_cluster_ask_rights(&d.house);
        ns_pipeline_tick(&d.house, d.now_ms, d.now_ms, &d.step, 1);
    }
    const ns_case *c = d.track.open_case;
    CHECK(c != NULL);
    CHECK_INT(NS_ACTION_escalate, c->effect.action);
    CHECK(strstr(c->reason, "; no right to rollback") != NULL);
    CHECK_STRING("40 % errors since the last release", c->symptom);
    CHECK((d.step.possible & NS_ACTION_BIT(NS_ACTION_rollback)) == 0);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_odd_measurement_is_no_case),
        cmocka_unit_test(what_is_not_known_opens_and_closes_nothing),
        cmocka_unit_test(a_case_ends_when_it_was_good_for_long_enough),
        cmocka_unit_test(an_action_is_verified_by_calm_after_its_rollout),
        cmocka_unit_test(what_stays_bad_was_not_helped),
        cmocka_unit_test(what_comes_after_a_calm_is_another_case),
        cmocka_unit_test(an_attempt_cut_short_by_another_fault_is_not_praised),
        cmocka_unit_test(a_template_proves_itself),
        cmocka_unit_test(what_was_verified_before_a_restart_is_known_again),
        cmocka_unit_test(only_what_makes_sense_is_possible),
        cmocka_unit_test(what_cannot_be_done_is_not_tried_each_tick),
        cmocka_unit_test(what_is_not_permitted_is_not_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
