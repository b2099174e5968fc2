/* What ended builds and passed deadlines mean for a case whose request has an open fate. */
#include "desk.h"

/* One tick of this pipeline, as far as settling and carrying on go. */
static void tick(desk *d, int64_t after_ms)
{
    d->now_ms += after_ms;
    d->view->jenkins_at_ms = d->now_ms;
    ns_step step = {.view = d->view, .track = &d->track};
    ns_settle(&d->house, &step, d->now_ms);
    if (step.case_changed && d->track.open_case != NULL)
        ns_carry_case(&d->house, &d->track);
    ns_carry_on(&d->house, d->view, &d->track);
}

static void build_ends(desk *d, int64_t number, ns_build_result result, ns_build_trigger trigger)
{
    ns_build build = {.number = number,
                      .result = result,
                      .trigger = trigger,
                      .started_ms = d->now_ms - 60000,
                      .duration_ms = 50000,
                      .queue_id = number + 100};
    ns_pipeline_put_build(d->view, &build);
}

/* Build 40 failed: that is what the case is about. */
static void after_a_failure(desk *d)
{
    desk_open(d);
    build_ends(d, 40, NS_BUILD_FAILURE, NS_TRIGGER_scm);
    d->track.handled_build = 40;
}

/* A retry of it left, and no answer came. */
static void without_an_answer(desk *d)
{
    after_a_failure(d);
    until_sent(d);
    tick(d, 1000);
    answer(d, NS_SENT_unknown, -1);
    CHECK_INT(NS_CASE_unknown, d->track.open_case->state);
    CHECK_INT(NS_CASE_unknown, d->effect_state);
    CHECK_INT(1, d->reconciled);
}

/* A person builds, and it is good. Whose success that is cannot be said before the fate of our request is known. */
static void a_success_waits_until_the_fate_of_our_request_is_told(void **state)
{
    (void)state;
    desk d;
    without_an_answer(&d);
    build_ends(&d, 41, NS_BUILD_SUCCESS, NS_TRIGGER_user);
    tick(&d, 60000);
    CHECK_INT(NS_CASE_unknown, d.track.open_case->state);
    answer(&d, NS_SENT_refused, -1); /* it had not been sent */
    CHECK_INT(NS_CASE_committed, d.track.open_case->state);
    CHECK_INT(1, d.sent);
    tick(&d, 1000);
    CHECK(d.track.open_case == NULL); /* good, and nothing more is sent */
    CHECK_INT(1, d.sent);
    CHECK_INT(1, d.house.counts.healed_by[NS_HEALED_human]);
    CHECK_INT(NS_CASE_refused, d.effect_state);
    CHECK(strstr(d.effect_error, "never sent") != NULL);
    desk_close(&d);
}

static void our_own_success_is_found_though_the_answer_was_lost(void **state)
{
    (void)state;
    desk d;
    without_an_answer(&d);
    build_ends(&d, 41, NS_BUILD_SUCCESS, NS_TRIGGER_neuroshield); /* without our key: a job that takes none */
    tick(&d, 60000);
    CHECK_INT(NS_CASE_unknown, d.track.open_case->state);
    answer(&d, NS_SENT_acknowledged, 141);
    CHECK_INT(NS_CASE_acknowledged, d.effect_state);
    tick(&d, 1000);
    CHECK(d.track.open_case == NULL);
    CHECK_INT(1, d.house.counts.verified);
    CHECK_INT(1, d.house.counts.healed_by[NS_HEALED_action]);
    CHECK_INT(NS_CASE_acknowledged, d.effect_state);
    desk_close(&d);
}

static void what_stays_unknown_ends_when_its_time_is_up_and_says_so(void **state)
{
    (void)state;
    desk d;
    without_an_answer(&d);
    build_ends(&d, 41, NS_BUILD_SUCCESS, NS_TRIGGER_user);
    while (d.now_ms < NOW + 20 * 60000 && d.track.open_case != NULL && d.track.open_case->state == NS_CASE_unknown) {
        if (d.done != NULL)
            answer(&d, NS_SENT_unknown, -1);
        tick(&d, 60000);
    }
    CHECK(d.track.open_case != NULL);
    CHECK_INT(NS_CASE_inconclusive, d.track.open_case->state);
    CHECK(d.track.open_case->unsure);
    CHECK_INT(NS_CASE_inconclusive, d.effect_state);
    CHECK(strstr(d.effect_error, "could not be told") != NULL);
    tick(&d, 1000);
    CHECK(d.track.open_case == NULL);
    CHECK_INT(1, d.house.counts.healed_by[NS_HEALED_human]);
    CHECK_INT(NS_CASE_inconclusive, d.effect_state);
    CHECK_INT(1, d.sent);
    desk_close(&d);
}

/* A failure meanwhile is not swallowed: it is the newest when the next decision is made. */
static void a_failure_waits_too(void **state)
{
    (void)state;
    desk d;
    without_an_answer(&d);
    build_ends(&d, 41, NS_BUILD_FAILURE, NS_TRIGGER_scm);
    tick(&d, 60000);
    CHECK_INT(40, d.track.handled_build);
    answer(&d, NS_SENT_unknowable, -1);
    tick(&d, 1000);
    CHECK_INT(41, d.track.handled_build);
    CHECK_INT(41, d.track.open_case->build);
    desk_close(&d);
}

static void the_row_ends_with_a_pipeline_that_goes(void **state)
{
    (void)state;
    desk d;
    without_an_answer(&d);
    d.view->gone = true;
    tick(&d, 1000);
    CHECK(d.track.open_case == NULL);
    CHECK_INT(NS_CASE_inconclusive, d.effect_state);
    desk_close(&d);
}

/* Without its last word the cause is a guess: it is waited for, in real time too where the world's runs quicker. */
static void a_failure_waits_for_the_last_word_about_its_log(void **state)
{
    (void)state;
    static const struct {
        double speed;
        int64_t wait_ms;
    } cases[] = {{1, 60000}, {120, 240000}};
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        desk d;
        desk_open(&d);
        ns_free(d.track.open_case);
        d.track.open_case = NULL;
        d.house.clock.speed = cases[i].speed;
        d.track.builds->finished_ms = d.now_ms;
        build_ends(&d, 40, NS_BUILD_FAILURE, NS_TRIGGER_scm);
        tick(&d, cases[i].wait_ms - 1);
        CHECK(d.track.open_case == NULL);
        tick(&d, 1);
        CHECK(d.track.open_case != NULL);
        desk_close(&d);
    }
}

/* Good again before the intent was on disk: its row does not stay an intent for ever. */
static void an_intent_that_is_no_longer_wanted_was_never_sent(void **state)
{
    (void)state;
    desk d;
    after_a_failure(&d);
    begin(&d, NS_ACTION_retry_build);
    until_written(&d);
    CHECK_INT(NS_CASE_intent, d.effect_state);
    build_ends(&d, 41, NS_BUILD_SUCCESS, NS_TRIGGER_user);
    tick(&d, 1000);
    CHECK(d.track.open_case == NULL);
    CHECK_INT(NS_CASE_refused, d.effect_state);
    d.committed = d.rows;
    ns_carry_committed(&d.house);
    CHECK_INT(0, d.sent);
    desk_close(&d);
}

/* A message waits for nothing: who is told of an incident that is over, is told nothing. */
static void a_message_does_not_hold_a_success_up(void **state)
{
    (void)state;
    desk d;
    after_a_failure(&d);
    begin(&d, NS_ACTION_escalate);
    until_written(&d);
    d.committed = d.rows;
    ns_carry_committed(&d.house);
    CHECK_INT(1, d.sent);
    tick(&d, 1000);
    answer(&d, NS_SENT_unknown, -1);
    build_ends(&d, 41, NS_BUILD_SUCCESS, NS_TRIGGER_user);
    tick(&d, 1000);
    CHECK(d.track.open_case == NULL);
    CHECK_INT(NS_CASE_inconclusive, d.effect_state);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_success_waits_until_the_fate_of_our_request_is_told),
        cmocka_unit_test(our_own_success_is_found_though_the_answer_was_lost),
        cmocka_unit_test(what_stays_unknown_ends_when_its_time_is_up_and_says_so),
        cmocka_unit_test(a_failure_waits_too),
        cmocka_unit_test(the_row_ends_with_a_pipeline_that_goes),
        cmocka_unit_test(a_failure_waits_for_the_last_word_about_its_log),
        cmocka_unit_test(an_intent_that_is_no_longer_wanted_was_never_sent),
        cmocka_unit_test(a_message_does_not_hold_a_success_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
