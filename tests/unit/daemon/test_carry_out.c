/* The outbox: what goes to disk before what leaves, with a store and hands that answer when, and as, they are told. */
#include "desk.h"

static void nothing_leaves_before_its_intent_is_on_disk(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    begin(&d, NS_ACTION_retry_build);
    until_written(&d);
    CHECK_INT(NS_ROW_case, d.put[d.rows - 2]); /* the case before its effect */
    CHECK_INT(NS_ROW_effect, d.put[d.rows - 1]);
    ns_carry_on(&d.house, d.view, &d.track);
    d.committed = d.rows - 1;
    ns_carry_committed(&d.house);
    CHECK_INT(0, d.sent);
    d.committed = d.rows;
    ns_carry_committed(&d.house);
    CHECK_INT(1, d.sent);
    ns_carry_committed(&d.house);
    ns_carry_on(&d.house, d.view, &d.track); /* an answer is awaited: once is enough */
    CHECK_INT(1, d.sent);
    CHECK_STRING(d.track.open_case->effect.key, d.sent_key);
    answer(&d, NS_SENT_acknowledged, 77);
    CHECK_INT(NS_CASE_acknowledged, d.track.open_case->state);
    CHECK_INT(NS_CASE_acknowledged, d.effect_state);
    CHECK_INT(77, d.effect_queue_id);
    desk_close(&d);
}

static void a_store_that_takes_nothing_stops_it(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    begin(&d, NS_ACTION_retry_build);
    d.full = true;
    until_written(&d);
    for (int tick = 0; tick < 5; tick++) {
        ns_carry_on(&d.house, d.view, &d.track);
        d.committed = 1000;
        ns_carry_committed(&d.house);
    }
    CHECK_INT(0, d.sent);
    d.full = false;
    d.committed = 0;
    ns_carry_on(&d.house, d.view, &d.track);
    CHECK_INT(2, d.rows);
    d.committed = d.rows;
    ns_carry_committed(&d.house);
    CHECK_INT(1, d.sent);
    answer(&d, NS_SENT_refused, -1);
    CHECK_INT(NS_CASE_refused, d.track.open_case->state);
    desk_close(&d);
}

static void a_lost_answer_is_looked_for_ever_more_rarely(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    until_sent(&d);
    answer(&d, NS_SENT_unknown, -1);
    CHECK_INT(1, d.reconciled); /* the first look comes at once */
    int64_t deadline_ms = d.track.open_case->deadline_ms;
    int looks = 1;
    for (int second = 0; second < 120; second++) {
        if (d.reconciled > looks || second == 0)
            answer(&d, NS_SENT_unknown, -1);
        looks = d.reconciled;
        d.now_ms += 1000;
        ns_carry_on(&d.house, d.view, &d.track);
    }
    CHECK(d.reconciled >= 3 && d.reconciled <= 6);
    CHECK_INT(deadline_ms, d.track.open_case->deadline_ms);
    CHECK_INT(1, d.sent);
    desk_close(&d);
}

static void what_had_not_been_sent_is_sent_under_its_key(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    until_sent(&d);
    char key[NS_KEY_MAX];
    memcpy(key, d.sent_key, sizeof key);
    answer(&d, NS_SENT_unknown, -1);
    d.view->jenkins_at_ms = d.now_ms += 1000; /* within the cool-down that the first try began */
    answer(&d, NS_SENT_refused, -1);
    CHECK_INT(1, d.sent); /* it is minutes old: whether it is still wanted is the next tick's to say */
    ns_carry_on(&d.house, d.view, &d.track);
    CHECK_INT(2, d.sent);
    CHECK_STRING(key, d.sent_key);
    CHECK_INT(1, d.track.open_case->attempts);
    desk_close(&d);
}

/* A webhook cannot be asked: that a message goes out again does not say that it had not come. */
static void a_message_that_may_have_come_is_never_called_refused(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    begin(&d, NS_ACTION_escalate);
    until_written(&d);
    d.committed = d.rows;
    ns_carry_committed(&d.house);
    answer(&d, NS_SENT_unknown, -1);
    answer(&d, NS_SENT_refused, -1); /* of reconcile: send it again */
    CHECK_INT(NS_CASE_unknown, d.effect_state);
    ns_guardrails_stop(d.house.rails, true, "ann", d.now_ms);
    ns_carry_on(&d.house, d.view, &d.track);
    CHECK_INT(1, d.sent);
    CHECK_INT(NS_CASE_refused, d.track.open_case->state);
    CHECK_INT(NS_CASE_inconclusive, d.effect_state);
    desk_close(&d);
}

static void what_can_never_be_told_is_not_sent_again(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    until_sent(&d);
    answer(&d, NS_SENT_unknown, -1);
    answer(&d, NS_SENT_unknowable, -1);
    CHECK_INT(NS_CASE_inconclusive, d.track.open_case->state);
    CHECK(d.track.open_case->unsure);
    ns_carry_on(&d.house, d.view, &d.track);
    CHECK_INT(1, d.sent);
    desk_close(&d);
}

static void an_answer_after_the_end_is_still_written_down(void **state)
{
    (void)state;
    static const ns_sent late[] = {NS_SENT_acknowledged, NS_SENT_refused};
    for (size_t i = 0; i < NS_COUNT_OF(late); i++) {
        desk d;
        desk_open(&d);
        until_sent(&d);
        CHECK(ns_case_step(d.track.open_case, &(ns_case_event){.kind = NS_EVENT_give_up, .at_ms = d.now_ms}));
        ns_carry_case(&d.house, &d.track);
        CHECK(d.track.open_case == NULL);
        answer(&d, late[i], -1);
        CHECK_INT(late[i] == NS_SENT_refused ? NS_CASE_refused : NS_CASE_acknowledged, d.effect_state);
        desk_close(&d);
    }
}

static void what_cannot_be_done_or_may_not_leaves_a_refusal(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    begin(&d, NS_ACTION_retry_build);
    ns_carry_on(&d.house, d.view, &d.track);
    answer(&d, NS_SENT_refused, -1); /* of prepare */
    CHECK_INT(NS_CASE_refused, d.track.open_case->state);
    begin(&d, NS_ACTION_rollback); /* nobody has hands for it */
    ns_carry_on(&d.house, d.view, &d.track);
    CHECK_INT(NS_CASE_refused, d.track.open_case->state);
    d.prepared = 0;
    begin(&d, NS_ACTION_retry_build);
    until_written(&d);
    ns_guardrails_stop(d.house.rails, true, "ann", d.now_ms); /* between decision and sending */
    d.committed = d.rows;
    ns_carry_committed(&d.house);
    CHECK_INT(0, d.sent);
    CHECK_INT(NS_CASE_refused, d.effect_state);
    desk_close(&d);
}

/* Were the acknowledgement on disk and the pods not owed, a crash in between would leave them for ever. */
static void added_pods_are_owed_before_their_acknowledgement_is_written(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    d.house.hands[0].actions |= NS_ACTION_BIT(NS_ACTION_scale_up);
    for (int i = 0; i < NS_SOURCE_KINDS; i++)
        d.house.snapshot->source[i].state = NS_SOURCE_ok;
    d.view->cluster.at_ms = NOW;
    (void)snprintf(d.view->deployment, sizeof d.view->deployment, "sock-shop/carts");
    ns_effect effect;
    ns_case_begin_attempt(d.track.open_case, 5, NS_ACTION_scale_up, &effect);
    effect.replicas = 3;
    (void)snprintf(effect.target, sizeof effect.target, "2");
    CHECK(ns_case_step(d.track.open_case,
                       &(ns_case_event){.kind = NS_EVENT_decided, .at_ms = d.now_ms, .effect = &effect}));
    until_written(&d);
    d.committed = d.rows;
    ns_carry_committed(&d.house);
    CHECK_INT(1, d.sent);
    size_t before = d.rows;
    answer(&d, NS_SENT_acknowledged, -1);
    CHECK_INT(NS_ROW_scaling, d.put[before]);
    CHECK_INT(NS_ROW_effect, d.put[before + 1]);
    CHECK(d.track.scaled != NULL && d.track.scaled->replicas_from == 2 && d.track.scaled->replicas_to == 3);
    desk_close(&d);
}

static void what_is_read_back_is_looked_for_before_anything_is_sent(void **state)
{
    (void)state;
    desk d;
    desk_open(&d);
    begin(&d, NS_ACTION_retry_build);
    CHECK(ns_case_step(d.track.open_case, &(ns_case_event){.kind = NS_EVENT_prepared, .at_ms = NOW, .baseline = "{}"}));
    CHECK(ns_case_step(d.track.open_case,
                       &(ns_case_event){.kind = NS_EVENT_restarted, .at_ms = NOW, .deadline_ms = NOW + 60000}));
    ns_carry_read_back(&d.house, &d.track);
    CHECK_INT(NS_CASE_unknown, d.effect_state);
    ns_carry_on(&d.house, d.view, &d.track);
    CHECK_INT(1, d.reconciled);
    CHECK_INT(0, d.sent);
    answer(&d, NS_SENT_acknowledged, 12);
    CHECK_INT(NS_CASE_acknowledged, d.track.open_case->state);
    CHECK_INT(12, d.effect_queue_id);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_leaves_before_its_intent_is_on_disk),
        cmocka_unit_test(a_store_that_takes_nothing_stops_it),
        cmocka_unit_test(a_lost_answer_is_looked_for_ever_more_rarely),
        cmocka_unit_test(what_had_not_been_sent_is_sent_under_its_key),
        cmocka_unit_test(a_message_that_may_have_come_is_never_called_refused),
        cmocka_unit_test(what_can_never_be_told_is_not_sent_again),
        cmocka_unit_test(an_answer_after_the_end_is_still_written_down),
        cmocka_unit_test(what_cannot_be_done_or_may_not_leaves_a_refusal),
        cmocka_unit_test(added_pods_are_owed_before_their_acknowledgement_is_written),
        cmocka_unit_test(what_is_read_back_is_looked_for_before_anything_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
