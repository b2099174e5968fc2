/*
 * A million random histories of cases: a driver that does what ns_case_wants says, a disk that takes its time, an
 * outside that loses requests and answers or delivers them late, and crashes at any step. What must hold in every one:
 *
 *     nothing is sent whose intent is not on disk        nothing arrives twice under one key
 *     no attempt begins while another one is open        every case comes to its end
 */
#include "check.h"

#include "base/rng.h"
#include "orchestration/cases.h"

#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { HISTORIES = 30000 };
#else
enum { HISTORIES = 1000000 };
#endif
enum { STEPS = 24, END_STEPS = 200, ATTEMPTS_MAX = 64, RECONCILE_MS = 900000 };

/* What the disk holds, and what is on its way there. A crash loses the second. */
typedef struct disk {
    ns_case saved, waiting;
    bool any_saved, any_waiting;
    int32_t intent; /* attempt whose intent row is safe */
    int32_t intent_waiting;
} disk;

/* Of each attempt by its number: numbers are never used twice, and the key follows from the number. */
typedef struct outside {
    char key[ATTEMPTS_MAX][NS_KEY_MAX];
    uint8_t arrived[ATTEMPTS_MAX];
    bool message[ATTEMPTS_MAX]; /* may come twice, and nobody asks whether it came */
    bool under_way[ATTEMPTS_MAX];
    bool answered[ATTEMPTS_MAX]; /* the daemon knows how it went, or has given up for good */
} outside;

typedef struct history {
    ns_rng rng;
    uint64_t seed;
    ns_case c;
    disk disk;
    outside out;
    int64_t now_ms;
    bool kind; /* the end: nothing fails any more */
    bool answer_due;
    ns_sent answer;
} history;

static history h; /* large */
static struct {
    uint64_t crashes, sends, arrivals, unsure, reconciled;
} seen;

#define PROMISE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail_msg("history %llu: %s (state %s, attempt %d)", (unsigned long long)h.seed, #condition,                \
                     ns_case_state_name(h.c.state), h.c.effect.attempt);                                               \
    } while (0)

static bool one_in(uint64_t n)
{
    return ns_rng_below(&h.rng, n) == 0;
}

static bool happens(ns_case_event_kind kind)
{
    return ns_case_step(&h.c, &(ns_case_event){.kind = kind, .at_ms = h.now_ms});
}

/* ---- disk ---- */

static void save(bool with_intent)
{
    h.disk.waiting = h.c;
    h.disk.any_waiting = true;
    if (with_intent)
        h.disk.intent_waiting = h.c.effect.attempt;
}

static void sync_disk(void)
{
    if (!h.disk.any_waiting)
        return;
    h.disk.saved = h.disk.waiting;
    h.disk.any_saved = true;
    h.disk.any_waiting = false;
    if (h.disk.intent_waiting != 0)
        h.disk.intent = h.disk.intent_waiting;
}

/* ---- outside ---- */

static void arrive(int32_t attempt)
{
    h.out.under_way[attempt] = false;
    h.out.arrived[attempt]++;
    seen.arrivals++;
    PROMISE(h.out.arrived[attempt] == 1 || h.out.message[attempt]);
}

static void deliver_what_is_late(void)
{
    for (int32_t i = 0; i < ATTEMPTS_MAX; i++)
        if (h.out.under_way[i] && (h.kind || one_in(3)))
            arrive(i);
}

static void leave(void)
{
    int32_t attempt = h.c.effect.attempt;
    seen.sends++;
    PROMISE(h.disk.intent == attempt);
    PROMISE(strcmp(h.out.key[attempt], h.c.effect.key) == 0);
    uint64_t fate = h.kind ? 0 : ns_rng_below(&h.rng, 6);
    h.answer_due = true;
    h.answer = fate <= 1 ? NS_SENT_acknowledged : fate == 2 ? NS_SENT_refused : NS_SENT_unknown;
    if (fate <= 1 || fate == 3)
        arrive(attempt);
    else if (fate == 4)
        h.out.under_way[attempt] = true;
}

/* ---- the driver: what daemon/carry_out does ---- */

static void begin(void)
{
    static const ns_action actions[] = {NS_ACTION_retry_build, NS_ACTION_scale_up, NS_ACTION_restart_pods,
                                        NS_ACTION_escalate};
    ns_action action = h.c.unsure ? NS_ACTION_escalate : actions[ns_rng_below(&h.rng, NS_COUNT_OF(actions))];
    int32_t before = h.c.effect.attempt;
    ns_effect effect;
    if (before + 1 >= ATTEMPTS_MAX)
        return;
    ns_case_begin_attempt(&h.c, h.seed, action, &effect);
    for (int32_t i = 1; i <= before; i++)
        PROMISE(h.out.answered[i] || h.out.message[i] || (!h.out.under_way[i] && h.out.arrived[i] == 0));
    ns_case_event event = {.kind = one_in(4) ? NS_EVENT_asked : NS_EVENT_decided,
                           .at_ms = h.now_ms,
                           .effect = &effect,
                           .deadline_ms = h.now_ms + 60000};
    if (event.kind == NS_EVENT_decided)
        event.deadline_ms = 0;
    PROMISE(ns_case_step(&h.c, &event));
    memcpy(h.out.key[effect.attempt], effect.key, sizeof effect.key);
    h.out.message[effect.attempt] = action == NS_ACTION_escalate;
    save(false);
}

static void take_answer(void)
{
    int32_t attempt = h.c.effect.attempt;
    h.answer_due = false;
    ns_case_event event = {.kind = ns_case_event_of_send(h.answer),
                           .at_ms = h.now_ms,
                           .build = h.answer == NS_SENT_acknowledged && one_in(2) ? h.c.build + 1 : 0,
                           .deadline_ms = h.now_ms + RECONCILE_MS};
    if (ns_case_step(&h.c, &event))
        h.out.answered[attempt] = h.answer != NS_SENT_unknown;
    save(false);
}

/* Reading: what is there was sent; what is not there was not, unless it may still be under way. */
static void reconcile(void)
{
    int32_t attempt = h.c.effect.attempt;
    ns_sent told = h.c.effect.action == NS_ACTION_escalate ? NS_SENT_refused
                   : h.out.arrived[attempt] > 0            ? NS_SENT_acknowledged
                   : h.out.under_way[attempt]              ? NS_SENT_unknown
                                                           : NS_SENT_refused;
    if (!h.kind && one_in(8))
        told = NS_SENT_unknown;
    else if (!h.kind && one_in(12) && h.c.effect.action != NS_ACTION_escalate)
        told = NS_SENT_unknowable;
    ns_case_event event = {
        .kind = ns_case_event_of_reconcile(told), .at_ms = h.now_ms, .deadline_ms = h.now_ms + 600000};
    seen.reconciled++;
    if (told == NS_SENT_unknown)
        return; /* asked again later, under the old deadline */
    PROMISE(ns_case_step(&h.c, &event));
    if (told == NS_SENT_unknowable || told == NS_SENT_acknowledged)
        h.out.answered[attempt] = true;
    save(false);
}

static void give_up_if_late(void)
{
    int32_t attempt = h.c.effect.attempt;
    if (h.c.deadline_ms < 0 || h.now_ms < h.c.deadline_ms)
        return;
    PROMISE(happens(NS_EVENT_deadline));
    if (attempt > 0)
        h.out.answered[attempt] = true; /* unsure, or sent for certain: it will not be sent again */
    save(false);
}

static void drive(void)
{
    switch (ns_case_wants(&h.c)) {
    case NS_WANT_decide:
        if (h.kind || one_in(2))
            begin();
        break;
    case NS_WANT_prepare:
        PROMISE(happens(h.kind || !one_in(8) ? NS_EVENT_prepared : NS_EVENT_not_possible));
        save(false);
        if (ns_case_wants(&h.c) == NS_WANT_commit)
            save(true);
        break;
    case NS_WANT_commit:
        if (h.disk.intent == h.c.effect.attempt)
            PROMISE(happens(NS_EVENT_committed));
        else
            save(true); /* the store was full, or the row was lost with a crash */
        break;
    case NS_WANT_send:
        if (!h.kind && one_in(10)) {
            PROMISE(happens(NS_EVENT_forbidden));
            save(false);
            break;
        }
        PROMISE(happens(NS_EVENT_sent));
        save(false);
        leave();
        break;
    case NS_WANT_wait:
        if (h.answer_due && (h.kind || one_in(2)))
            take_answer();
        break;
    case NS_WANT_reconcile:
        reconcile();
        break;
    case NS_WANT_verify:
        if (h.kind || one_in(3)) {
            static const ns_case_event_kind ends[] = {NS_EVENT_build_failure, NS_EVENT_build_other,
                                                      NS_EVENT_build_success};
            ns_case_event event = {.kind = ends[h.kind ? 2 : ns_rng_below(&h.rng, 3)],
                                   .at_ms = h.now_ms,
                                   .build = h.c.result_build > 0 ? h.c.result_build : h.c.build + 1};
            PROMISE(ns_case_step(&h.c, &event));
            save(false);
        }
        break;
    case NS_WANT_none:
        if (h.c.state == NS_CASE_waiting && (h.kind || one_in(3))) {
            PROMISE(happens(h.kind || one_in(2) ? NS_EVENT_approved : NS_EVENT_rejected));
            save(false);
        }
        break;
    }
}

/* Kill -9: the daemon forgets everything, the disk what was not safe, and what left goes its way. */
static void crash(void)
{
    seen.crashes++;
    h.answer_due = false;
    h.disk.any_waiting = false;
    h.disk.intent_waiting = 0;
    if (!h.disk.any_saved)
        return; /* the case had not been written at all: then nothing can have been sent */
    h.c = h.disk.saved;
    if (h.c.state != NS_CASE_closed)
        PROMISE(ns_case_step(
            &h.c,
            &(ns_case_event){.kind = NS_EVENT_restarted, .at_ms = h.now_ms, .deadline_ms = h.now_ms + RECONCILE_MS}));
    save(false);
}

static void live_through(uint64_t seed)
{
    h = (history){.seed = seed, .now_ms = 1000};
    ns_rng_seed(&h.rng, seed);
    ns_case_open(&h.c, 1, "shop/carts", 40, NS_CAUSE_flaky_test, 900, 1000);
    save(false);
    sync_disk(); /* a case that was lost before it was written is opened anew: nothing hangs on it */
    for (int i = 0; i < STEPS && h.c.state != NS_CASE_closed; i++) {
        h.now_ms += (int64_t)ns_rng_below(&h.rng, 120000);
        give_up_if_late();
        drive();
        deliver_what_is_late();
        if (one_in(2))
            sync_disk();
        if (one_in(10))
            crash();
    }
    seen.unsure += h.c.unsure;
    h.kind = true;
    for (int i = 0; h.c.state != NS_CASE_closed; i++) {
        PROMISE(i < END_STEPS);
        h.now_ms += 30000;
        deliver_what_is_late();
        give_up_if_late();
        drive();
        sync_disk();
        if (h.c.unsure && h.c.escalated) /* nothing more by us: a person ends it */
            PROMISE(happens(NS_EVENT_healed_by_other));
    }
    PROMISE(h.c.closed_ms >= 0 && h.c.healed_by != NS_HEALED_open);
}

static void a_million_histories_keep_their_promises(void **state)
{
    (void)state;
    const char *first = getenv("NS_HISTORY_SEED"); /* to look at one that failed */
    uint64_t seed = first == NULL ? 1 : strtoull(first, NULL, 10);
    for (uint64_t i = 0; i < (first == NULL ? HISTORIES : 1); i++)
        live_through(seed + i);
    if (first != NULL)
        return;
    CHECK(seen.crashes > HISTORIES / 2 && seen.sends > HISTORIES && seen.arrivals > HISTORIES / 2);
    CHECK(seen.unsure > HISTORIES / 200 && seen.reconciled > HISTORIES / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_million_histories_keep_their_promises)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
