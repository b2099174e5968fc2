#include "check.h"

#include "base/rng.h"
#include "orchestration/cases.h"

static ns_case opened(void)
{
    ns_case c;
    ns_case_open(&c, 12, "shop/carts", 40, NS_CAUSE_flaky_test, 900, 1000);
    return c;
}

static bool step(ns_case *c, ns_case_event_kind kind, int64_t at_ms)
{
    return ns_case_step(c, &(ns_case_event){.kind = kind, .at_ms = at_ms});
}

static void begin(ns_case *c, ns_case_event_kind kind, ns_action action)
{
    ns_effect effect;
    ns_case_begin_attempt(c, 7, action, &effect);
    CHECK(ns_case_step(c, &(ns_case_event){.kind = kind,
                                           .at_ms = 1100,
                                           .effect = &effect,
                                           .decision_id = 5,
                                           .deadline_ms = kind == NS_EVENT_asked ? 5000 : 0}));
}

static void send(ns_case *c)
{
    CHECK_INT(NS_WANT_prepare, ns_case_wants(c));
    CHECK(step(c, NS_EVENT_prepared, 1200));
    CHECK_INT(NS_WANT_commit, ns_case_wants(c));
    CHECK(step(c, NS_EVENT_committed, 1300));
    CHECK_INT(NS_WANT_send, ns_case_wants(c));
    CHECK(step(c, NS_EVENT_sent, 1400));
    CHECK_INT(NS_WANT_wait, ns_case_wants(c));
}

static void the_straight_road_ends_healed(void **state)
{
    (void)state;
    ns_case c = opened();
    CHECK_INT(NS_WANT_decide, ns_case_wants(&c));
    CHECK(isnan(c.reward));
    begin(&c, NS_EVENT_decided, NS_ACTION_retry_build);
    CHECK_INT(32, strlen(c.effect.key));
    CHECK_INT(40, c.effect.build);
    send(&c);
    CHECK(ns_case_step(&c, &(ns_case_event){.kind = NS_EVENT_acknowledged, .at_ms = 1500, .deadline_ms = 9000}));
    CHECK_INT(NS_WANT_verify, ns_case_wants(&c));
    CHECK(ns_case_step(&c, &(ns_case_event){.kind = NS_EVENT_effect_seen, .at_ms = 1600, .build = 41}));
    CHECK_INT(9000, c.deadline_ms);
    ns_case before = c;
    CHECK(!ns_case_step(&c, &(ns_case_event){.kind = NS_EVENT_build_success, .at_ms = 1700, .build = 42}));
    CHECK(memcmp(&before, &c, sizeof c) == 0); /* another build's result is not ours */
    CHECK(ns_case_step(&c, &(ns_case_event){.kind = NS_EVENT_build_success, .at_ms = 2000, .build = 41}));
    CHECK(!ns_case_is_open(&c));
    CHECK_INT(NS_HEALED_action, c.healed_by);
    CHECK_INT(2000, c.healed_ms);
    CHECK_INT(2000, c.closed_ms);
    CHECK_INT(NS_CASE_verified, c.last_outcome);
    CHECK_INT(1, c.attempts);
    CHECK_NEAR(0.10, c.cost, 1e-12);
    CHECK_INT(1400, c.last_action_ms);
    CHECK_INT(NS_WANT_none, ns_case_wants(&c));
}

static void a_failed_attempt_leads_to_the_next_with_another_key(void **state)
{
    (void)state;
    ns_case c = opened();
    begin(&c, NS_EVENT_decided, NS_ACTION_retry_build);
    char first[NS_KEY_MAX];
    memcpy(first, c.effect.key, sizeof first);
    send(&c);
    CHECK(step(&c, NS_EVENT_acknowledged, 1500));
    CHECK(ns_case_step(&c, &(ns_case_event){.kind = NS_EVENT_build_failure, .at_ms = 1700, .build = 41}));
    CHECK_INT(NS_CASE_failed, c.last_outcome);
    CHECK_INT(NS_WANT_decide, ns_case_wants(&c));
    /* The old effect again is no next attempt. */
    ns_effect old = c.effect;
    CHECK(!ns_case_step(&c, &(ns_case_event){.kind = NS_EVENT_decided, .at_ms = 1800, .effect = &old}));
    begin(&c, NS_EVENT_decided, NS_ACTION_retry_build);
    CHECK(strcmp(first, c.effect.key) != 0);
    CHECK_INT(2, c.effect.attempt);
    CHECK_INT(0, c.result_build);
}

static void a_message_delivered_leaves_the_case_watching(void **state)
{
    (void)state;
    ns_case c = opened();
    begin(&c, NS_EVENT_decided, NS_ACTION_escalate);
    send(&c);
    CHECK(step(&c, NS_EVENT_acknowledged, 1500));
    CHECK_INT(NS_CASE_watching, c.state);
    CHECK(c.escalated && c.effect.key[0] == '\0');
    CHECK_INT(1, c.tried[NS_ACTION_escalate]);
    CHECK(step(&c, NS_EVENT_healed_by_other, 9000));
    CHECK_INT(NS_HEALED_human, c.healed_by);
    CHECK_INT(9000, c.healed_ms);
    c = opened();
    CHECK(step(&c, NS_EVENT_healed_by_other, 9000));
    CHECK_INT(NS_HEALED_itself, c.healed_by);
}

static void people_may_say_no_or_choose(void **state)
{
    (void)state;
    ns_case c = opened();
    begin(&c, NS_EVENT_asked, NS_ACTION_retry_build);
    CHECK_INT(NS_WANT_none, ns_case_wants(&c));
    CHECK(!step(&c, NS_EVENT_deadline, 4999));
    ns_case late = c;
    CHECK(step(&late, NS_EVENT_deadline, 5000));
    CHECK_INT(NS_CASE_refused, late.state);
    ns_case rejected = c;
    CHECK(step(&rejected, NS_EVENT_rejected, 2000));
    CHECK_INT(NS_CASE_refused, rejected.state);
    CHECK_INT(0, rejected.attempts);
    ns_case approved = c;
    CHECK(step(&approved, NS_EVENT_approved, 2000));
    CHECK_INT(-1, approved.deadline_ms);
    send(&approved);
    begin(&c, NS_EVENT_overridden, NS_ACTION_escalate);
    CHECK_INT(NS_ACTION_escalate, c.effect.action);
    send(&c);
}

static void lost_answers_are_reconciled_under_one_key(void **state)
{
    (void)state;
    ns_case c = opened();
    begin(&c, NS_EVENT_decided, NS_ACTION_retry_build);
    char key[NS_KEY_MAX];
    memcpy(key, c.effect.key, sizeof key);
    send(&c);
    CHECK(ns_case_step(&c, &(ns_case_event){.kind = NS_EVENT_unknown, .at_ms = 1500, .deadline_ms = 3000}));
    CHECK_INT(NS_WANT_reconcile, ns_case_wants(&c));
    CHECK(step(&c, NS_EVENT_reconciled_unknown, 1600));
    CHECK_INT(3000, c.deadline_ms);
    CHECK(step(&c, NS_EVENT_reconciled_not_sent, 1700));
    CHECK_INT(0, c.attempts);
    CHECK_INT(NS_WANT_send, ns_case_wants(&c));
    CHECK(step(&c, NS_EVENT_sent, 1800));
    CHECK_STRING(key, c.effect.key);
    CHECK_INT(1, c.attempts);
    CHECK(step(&c, NS_EVENT_unknown, 1900));
    CHECK(ns_case_step(&c, &(ns_case_event){.kind = NS_EVENT_reconciled_sent, .at_ms = 2000, .build = 41}));
    CHECK_INT(41, c.result_build);
    CHECK_INT(NS_WANT_verify, ns_case_wants(&c));
}

static ns_case lost(ns_action action)
{
    ns_case c = opened();
    begin(&c, NS_EVENT_decided, action);
    send(&c);
    CHECK(ns_case_step(&c, &(ns_case_event){.kind = NS_EVENT_unknown, .at_ms = 1500, .deadline_ms = 3000}));
    return c;
}

static void what_can_never_be_told_counts_as_sent_and_is_a_persons(void **state)
{
    (void)state;
    ns_case never = lost(NS_ACTION_retry_build), late = never, message = lost(NS_ACTION_escalate);
    CHECK(!never.unsure);
    CHECK(step(&never, NS_EVENT_reconciled_unknowable, 1700));
    CHECK_INT(NS_CASE_inconclusive, never.state);
    CHECK(never.unsure);
    CHECK_INT(1, never.attempts);
    CHECK_INT(NS_WANT_decide, ns_case_wants(&never));
    CHECK(step(&late, NS_EVENT_deadline, 3000));
    CHECK(late.unsure);
    CHECK_INT(1, late.attempts);
    CHECK(step(&message, NS_EVENT_deadline, 3000)); /* a message that may come twice harms nobody */
    CHECK(!message.unsure);
    ns_case verified = lost(NS_ACTION_retry_build);
    CHECK(ns_case_step(
        &verified,
        &(ns_case_event){.kind = NS_EVENT_reconciled_sent, .at_ms = 1600, .queue_id = 55, .deadline_ms = 9000}));
    CHECK_INT(55, verified.effect.queue_id);
    CHECK(step(&verified, NS_EVENT_deadline, 9000)); /* sent for certain: whether it helped is another question */
    CHECK_INT(NS_CASE_inconclusive, verified.state);
    CHECK(!verified.unsure);
    begin(&verified, NS_EVENT_decided, NS_ACTION_retry_build);
    CHECK_INT(0, verified.effect.queue_id);
}

static void answers_have_their_events(void **state)
{
    (void)state;
    static const struct {
        ns_sent sent;
        ns_case_event_kind of_send, of_reconcile;
    } table[] = {
        {NS_SENT_acknowledged, NS_EVENT_acknowledged, NS_EVENT_reconciled_sent},
        {NS_SENT_refused, NS_EVENT_refused, NS_EVENT_reconciled_not_sent},
        {NS_SENT_unknown, NS_EVENT_unknown, NS_EVENT_reconciled_unknown},
        {NS_SENT_unknowable, NS_EVENT_unknown, NS_EVENT_reconciled_unknowable},
    };
    for (size_t i = 0; i < NS_COUNT_OF(table); i++) {
        CHECK_INT(table[i].of_send, ns_case_event_of_send(table[i].sent));
        CHECK_INT(table[i].of_reconcile, ns_case_event_of_reconcile(table[i].sent));
    }
}

static void after_a_crash_reading_tells(void **state)
{
    (void)state;
    ns_case c = opened();
    begin(&c, NS_EVENT_decided, NS_ACTION_retry_build);
    ns_case unprepared = c;
    CHECK(step(&unprepared, NS_EVENT_restarted, 5000));
    CHECK_INT(NS_CASE_watching, unprepared.state);
    CHECK_INT(0, unprepared.attempts);
    CHECK_INT(1, unprepared.effect.attempt); /* the number is used up */
    CHECK(step(&c, NS_EVENT_prepared, 1200));
    CHECK_STRING("{}", c.effect.baseline);
    ns_case written = c;
    CHECK(step(&written, NS_EVENT_restarted, 5000));
    CHECK_INT(NS_WANT_reconcile, ns_case_wants(&written));
    CHECK(written.reconciled);
    CHECK_INT(1, written.attempts); /* counts as sent until reading tells */
    CHECK(step(&written, NS_EVENT_reconciled_not_sent, 5100));
    CHECK_INT(0, written.attempts);
    CHECK_INT(NS_WANT_send, ns_case_wants(&written));
    CHECK(step(&c, NS_EVENT_committed, 1300));
    CHECK(step(&c, NS_EVENT_sent, 1400));
    CHECK(step(&c, NS_EVENT_restarted, 5000));
    CHECK_INT(1, c.attempts);
    CHECK(ns_case_step(&c, &(ns_case_event){.kind = NS_EVENT_reconciled_sent, .at_ms = 5100, .build = 41}));
    CHECK_INT(1, c.attempts);
}

static void only_reversible_actions_are_undone(void **state)
{
    (void)state;
    ns_case c = opened();
    begin(&c, NS_EVENT_decided, NS_ACTION_retry_build);
    send(&c);
    CHECK(step(&c, NS_EVENT_acknowledged, 1500));
    CHECK(!step(&c, NS_EVENT_undone, 1600));
    CHECK(step(&c, NS_EVENT_give_up, 1700));
    CHECK_INT(NS_HEALED_abandoned, c.healed_by);
    CHECK_INT(-1, c.healed_ms);
    c = opened();
    begin(&c, NS_EVENT_decided, NS_ACTION_scale_up);
    send(&c);
    CHECK(step(&c, NS_EVENT_acknowledged, 1500));
    CHECK(step(&c, NS_EVENT_undone, 1600));
    CHECK_INT(NS_CASE_undone, c.state);
}

static void the_table_is_whole(void **state)
{
    (void)state;
    ns_case_state from, to;
    ns_case_event_kind event;
    const char *what;
    bool into[NS_CASE_STATES] = {false}, used[NS_CASE_EVENTS] = {false};
    size_t n = 0;
    for (; ns_case_transition(n, &from, &event, &to, &what); n++) {
        CHECK(from != NS_CASE_closed && what[0] != '\0');
        into[to] = used[event] = true;
    }
    CHECK(n > 60);
    for (int e = 0; e < NS_CASE_EVENTS; e++)
        CHECK(used[e] && ns_case_event_name((ns_case_event_kind)e)[0] != '\0');
    for (int s = 0; s < NS_CASE_STATES; s++)
        if (s != NS_CASE_verified) /* verified closes at once: it stays in last_outcome */
            CHECK(into[s]);
    CHECK_STRING("verify", ns_case_want_name(NS_WANT_verify));
}

/* What really happened outside, in a history of random events. */
typedef struct outside {
    bool committed; /* the present attempt's intent is on disk */
    char sent_key[NS_KEY_MAX];
    int32_t sent;
} outside;

static void make_event(ns_rng *rng, const ns_case *c, ns_effect *effect, ns_case_event *event)
{
    *event = (ns_case_event){.kind = (ns_case_event_kind)ns_rng_below(rng, NS_CASE_EVENTS)};
    event->at_ms = c->changed_ms + (int64_t)ns_rng_below(rng, 5000);
    event->build = (int64_t)ns_rng_below(rng, 4) == 0 ? 0 : 41 + (int64_t)ns_rng_below(rng, 2);
    event->deadline_ms = ns_rng_below(rng, 2) == 0 ? 0 : event->at_ms + 3000;
    event->healed_by = (ns_healed_by)ns_rng_below(rng, 5);
    bool begins =
        event->kind == NS_EVENT_decided || event->kind == NS_EVENT_asked || event->kind == NS_EVENT_overridden;
    if (!begins || ns_rng_below(rng, 20) == 0)
        return;
    ns_case_begin_attempt(c, 7, (ns_action)ns_rng_below(rng, NS_ACTION_COUNT), effect);
    event->effect = effect;
}

static void check_invariants(const ns_case *before, const ns_case *c, const ns_case_event *event, outside *real)
{
    CHECK(before->state != NS_CASE_closed);
    if (event->kind == NS_EVENT_decided || event->kind == NS_EVENT_asked || event->kind == NS_EVENT_overridden)
        real->committed = false;
    if (event->kind == NS_EVENT_committed)
        real->committed = true;
    if (event->kind == NS_EVENT_restarted && c->state == NS_CASE_unknown && before->state == NS_CASE_intent)
        real->committed = true; /* it was read back from the disk */
    if (event->kind == NS_EVENT_sent) {
        CHECK(real->committed); /* never sent before committed */
        CHECK(c->effect.key[0] != '\0' && c->effect.baseline[0] != '\0');
        CHECK(strcmp(real->sent_key, c->effect.key) != 0); /* never two effects with one key */
        memcpy(real->sent_key, c->effect.key, sizeof real->sent_key);
        real->sent++;
    }
    bool assumed = event->kind == NS_EVENT_restarted && c->state == NS_CASE_unknown && c->attempts > before->attempts;
    if (assumed) {
        memcpy(real->sent_key, c->effect.key, sizeof real->sent_key);
        real->sent++;
    }
    if (event->kind == NS_EVENT_reconciled_not_sent) {
        real->sent_key[0] = '\0'; /* it had not: the key is free again */
        real->sent--;
    }
    CHECK(c->attempts == real->sent); /* tried counts are effects sent */
    int32_t tried = 0;
    for (int a = 0; a < NS_ACTION_COUNT; a++)
        tried += c->tried[a];
    CHECK(tried == c->attempts && c->tried[NS_ACTION_no_op] == 0);
    bool healed =
        c->healed_by == NS_HEALED_action || c->healed_by == NS_HEALED_itself || c->healed_by == NS_HEALED_human;
    CHECK(!healed || c->state == NS_CASE_closed); /* healed implies closed */
    CHECK((c->healed_ms >= 0) == healed);
    CHECK((c->closed_ms >= 0) == (c->state == NS_CASE_closed));
    CHECK(c->healed_by != NS_HEALED_open || c->state != NS_CASE_closed);
    CHECK(c->healed_by != NS_HEALED_action || c->attempts > c->tried[NS_ACTION_escalate]);
}

static void a_million_events_break_no_promise(void **state)
{
    (void)state;
    ns_rng rng;
    ns_rng_seed(&rng, 20261123);
    int64_t taken = 0, closed = 0;
    static ns_case c, before;
    static ns_effect effect;
    outside real = {0};
    c = opened();
    for (int i = 0; i < 1000000; i++) {
        ns_case_event event;
        make_event(&rng, &c, &effect, &event);
        /* Copies cost more than steps: the whole is compared now and then, the small part always. */
        bool deep = i % 16 == 0;
        if (deep)
            before = c;
        else
            before.state = c.state, before.attempts = c.attempts;
        if (!ns_case_step(&c, &event)) {
            CHECK(c.state == before.state && c.attempts == before.attempts);
            if (deep)
                CHECK(memcmp(&before, &c, sizeof c) == 0);
        } else {
            taken++;
            check_invariants(&before, &c, &event, &real);
        }
        /* Ends come easily by chance: most are put off so that long histories are seen too. */
        if (c.state == NS_CASE_closed && ns_rng_below(&rng, 4) == 0) {
            closed++;
            real = (outside){0};
            c = opened();
        }
    }
    CHECK(taken > 50000 && closed > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_straight_road_ends_healed),
        cmocka_unit_test(a_failed_attempt_leads_to_the_next_with_another_key),
        cmocka_unit_test(a_message_delivered_leaves_the_case_watching),
        cmocka_unit_test(people_may_say_no_or_choose),
        cmocka_unit_test(lost_answers_are_reconciled_under_one_key),
        cmocka_unit_test(what_can_never_be_told_counts_as_sent_and_is_a_persons),
        cmocka_unit_test(answers_have_their_events),
        cmocka_unit_test(after_a_crash_reading_tells),
        cmocka_unit_test(only_reversible_actions_are_undone),
        cmocka_unit_test(the_table_is_whole),
        cmocka_unit_test(a_million_events_break_no_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
