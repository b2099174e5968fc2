#include "orchestration/cases.h"

#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* Sets of states for the table's first column. */
#define IN(state) (1u << NS_CASE_##state)
/* Between attempts: the next one may begin. */
#define FREE      (IN(watching) | IN(refused) | IN(failed) | IN(inconclusive) | IN(undone))
#define GOING     (IN(intent) | IN(committed) | IN(sent) | IN(acknowledged) | IN(unknown) | IN(verifying))
#define OPEN      (FREE | GOING | IN(waiting))
/* The other side took it, the effect is awaited. */
#define AWAITED   (IN(acknowledged) | IN(verifying))

/* `to` of a row that changes no state. */
#define STAYS NS_CASE_STATES

/* Which attempts a row is for; of the rows of one pair the first that fits counts. */
typedef enum row_for {
    ANY,
    MESSAGE,   /* escalate: done once it is delivered, there is nothing to verify */
    UNPREPARED /* nothing was prepared, so nothing can have been written or sent */
} row_for;

typedef struct transition {
    unsigned from;
    ns_case_event_kind event;
    row_for when;
    ns_case_state to;
    const char *what;
} transition;

/*
 * THE table. A pair of state and event that is not in it means nothing and changes nothing. What an event changes
 * beside the state stands in `apply`; conditions on an event's content in `allowed`.
 */
static const transition table[] = {
    {FREE, NS_EVENT_decided, ANY, NS_CASE_intent, "an attempt begins"},
    {FREE, NS_EVENT_asked, ANY, NS_CASE_waiting, "a person is asked"},
    {FREE | IN(waiting), NS_EVENT_overridden, ANY, NS_CASE_intent, "a person chose: that attempt begins"},
    {IN(waiting), NS_EVENT_approved, ANY, NS_CASE_intent, "approved: the attempt begins"},
    {IN(waiting), NS_EVENT_rejected, ANY, NS_CASE_refused, "rejected by a person"},
    {IN(waiting), NS_EVENT_deadline, ANY, NS_CASE_refused, "nobody answered in time"},
    {IN(waiting) | IN(intent) | IN(committed), NS_EVENT_forbidden, ANY, NS_CASE_refused, "a guardrail forbade it"},
    {IN(intent), NS_EVENT_prepared, ANY, STAYS, "prepared: the intent can be written"},
    {IN(intent), NS_EVENT_not_possible, ANY, NS_CASE_refused, "it cannot be done"},
    {IN(intent), NS_EVENT_committed, ANY, NS_CASE_committed, "the intent is on disk"},
    {IN(committed), NS_EVENT_sent, ANY, NS_CASE_sent, "the request leaves"},
    {IN(sent), NS_EVENT_acknowledged, MESSAGE, NS_CASE_watching, "a person has been told"},
    {IN(sent), NS_EVENT_acknowledged, ANY, NS_CASE_acknowledged, "the other side took it"},
    {IN(sent), NS_EVENT_refused, ANY, NS_CASE_refused, "the other side did not do it"},
    {IN(sent), NS_EVENT_unknown, ANY, NS_CASE_unknown, "no answer that tells"},
    {IN(unknown), NS_EVENT_reconciled_sent, MESSAGE, NS_CASE_watching, "a person had been told"},
    {IN(unknown), NS_EVENT_reconciled_sent, ANY, NS_CASE_acknowledged, "it had been sent"},
    {IN(unknown), NS_EVENT_reconciled_not_sent, ANY, NS_CASE_committed, "it had not been sent: same key again"},
    {IN(unknown), NS_EVENT_reconciled_unknown, ANY, STAYS, "it cannot be told yet"},
    {IN(unknown), NS_EVENT_reconciled_unknowable, ANY, NS_CASE_inconclusive, "it can never be told: taken for sent"},
    {IN(unknown), NS_EVENT_deadline, ANY, NS_CASE_inconclusive, "it could not be told in time: taken for sent"},
    {IN(acknowledged), NS_EVENT_effect_seen, ANY, NS_CASE_verifying, "the effect has begun"},
    {AWAITED, NS_EVENT_build_success, ANY, NS_CASE_closed, "verified: it helped"},
    {AWAITED, NS_EVENT_build_failure, ANY, NS_CASE_failed, "it did not help"},
    {AWAITED, NS_EVENT_build_other, ANY, NS_CASE_inconclusive, "whether it helped cannot be told"},
    {AWAITED, NS_EVENT_signal_good, ANY, NS_CASE_closed, "verified: it helped"},
    {AWAITED, NS_EVENT_signal_bad, ANY, NS_CASE_failed, "it did not help"},
    {AWAITED, NS_EVENT_deadline, ANY, NS_CASE_inconclusive, "whether it helped could not be told in time"},
    {AWAITED | IN(failed) | IN(inconclusive), NS_EVENT_undone, ANY, NS_CASE_undone, "taken back"},
    {OPEN, NS_EVENT_healed_by_other, ANY, NS_CASE_closed, "good again, not by our attempt"},
    {OPEN, NS_EVENT_give_up, ANY, NS_CASE_closed, "given up"},
    {OPEN, NS_EVENT_pipeline_gone, ANY, NS_CASE_closed, "the pipeline is gone"},
    {IN(intent), NS_EVENT_restarted, UNPREPARED, NS_CASE_watching, "read back: it had not been sent"},
    {IN(intent) | IN(committed) | IN(sent), NS_EVENT_restarted, ANY, NS_CASE_unknown,
     "read back: whether it was sent has to be read"},
    {FREE | IN(waiting) | IN(unknown) | AWAITED, NS_EVENT_restarted, ANY, STAYS, "read back"},
};

static bool row_fits(row_for when, const ns_case *a_case)
{
    return when == ANY || (when == MESSAGE && a_case->effect.action == NS_ACTION_escalate) ||
           (when == UNPREPARED && a_case->effect.baseline[0] == '\0');
}

static const transition *find(const ns_case *a_case, ns_case_event_kind event)
{
    for (size_t i = 0; i < NS_COUNT_OF(table); i++)
        if (table[i].event == event && (table[i].from >> (unsigned)a_case->state & 1u) != 0 &&
            row_fits(table[i].when, a_case))
            return &table[i];
    return NULL;
}

bool ns_case_is_open(const ns_case *a_case)
{
    return a_case->state != NS_CASE_closed;
}

static void forget_attempt(ns_effect *effect, int64_t case_id)
{
    int32_t attempt = effect->attempt;
    memset(effect, 0, sizeof *effect);
    effect->case_id = case_id;
    effect->attempt = attempt; /* numbers are never used twice, so neither are keys */
}

void ns_case_open(ns_case *out, int64_t id, const char *jenkins_job, int64_t build, ns_cause cause,
                  int64_t first_bad_ms, int64_t now_ms)
{
    memset(out, 0, sizeof *out);
    NS_CHECK(ns_text_copy(out->jenkins_job, sizeof out->jenkins_job, ns_text_of(jenkins_job)));
    out->id = id;
    out->state = NS_CASE_watching;
    out->opened_ms = out->changed_ms = now_ms;
    out->first_bad_ms = first_bad_ms;
    out->deadline_ms = out->closed_ms = out->healed_ms = out->last_action_ms = -1;
    out->healed_by = NS_HEALED_open;
    out->build = build;
    out->cause = cause;
    out->last_outcome = NS_CASE_watching;
    out->reward = NAN;
    forget_attempt(&out->effect, id);
}

static void make_key(char key[NS_KEY_MAX], uint64_t seed, const ns_case *a_case, int32_t attempt)
{
    char text[128];
    unsigned char hash[crypto_generichash_BYTES_MIN];
    int len = snprintf(text, sizeof text, "neuroshield %016llx case %lld of %lld attempt %d", (unsigned long long)seed,
                       (long long)a_case->id, (long long)a_case->opened_ms, (int)attempt);
    NS_CHECK(crypto_generichash(hash, sizeof hash, (const unsigned char *)text, (unsigned long long)len, NULL, 0) == 0);
    NS_CHECK(sodium_bin2hex(key, NS_KEY_MAX, hash, sizeof hash) == key);
}

void ns_case_begin_attempt(const ns_case *a_case, uint64_t key_seed, ns_action action, ns_effect *out)
{
    memset(out, 0, sizeof *out);
    out->case_id = a_case->id;
    out->attempt = a_case->effect.attempt + 1;
    out->action = action;
    out->build = a_case->build;
    out->cause = a_case->cause;
    memcpy(out->jenkins_job, a_case->jenkins_job, sizeof out->jenkins_job);
    make_key(out->key, key_seed, a_case, out->attempt);
}

/* An attempt must be this case's next one; its number and key have never been used. */
static bool is_next_attempt(const ns_case *a_case, const ns_effect *effect)
{
    return effect != NULL && effect->case_id == a_case->id && effect->attempt == a_case->effect.attempt + 1 &&
           effect->key[0] != '\0' && (unsigned)effect->action < NS_ACTION_COUNT && effect->action != NS_ACTION_no_op;
}

/* A result decides the attempt when its build is the one expected; while that is not known, any newer than the failed
 * one that the caller took for ours. */
static bool is_our_result(const ns_case *a_case, int64_t build)
{
    return a_case->result_build > 0 ? build == a_case->result_build : build > a_case->build;
}

/* `action`: an earlier attempt, given up as failed or inconclusive, helped after all. There must have been one. */
static bool may_heal(const ns_case *a_case, ns_healed_by by)
{
    bool acted = a_case->attempts > a_case->tried[NS_ACTION_escalate];
    return by == NS_HEALED_open || by == NS_HEALED_itself || by == NS_HEALED_human || (by == NS_HEALED_action && acted);
}

static bool allowed(const ns_case *a_case, const ns_case_event *event)
{
    switch (event->kind) {
    case NS_EVENT_decided:
    case NS_EVENT_asked:
    case NS_EVENT_overridden:
        return is_next_attempt(a_case, event->effect);
    case NS_EVENT_committed: /* only what was prepared can have been written */
        return a_case->effect.baseline[0] != '\0';
    case NS_EVENT_prepared:
        return a_case->effect.baseline[0] == '\0' &&
               (event->baseline == NULL || strlen(event->baseline) < sizeof a_case->effect.baseline);
    case NS_EVENT_build_success:
    case NS_EVENT_build_failure:
    case NS_EVENT_build_other:
        return is_our_result(a_case, event->build);
    case NS_EVENT_deadline:
        return a_case->deadline_ms >= 0 && event->at_ms >= a_case->deadline_ms;
    case NS_EVENT_undone:
        return ns_action_facts_of(a_case->effect.action)->reversible && a_case->effect.key[0] != '\0';
    case NS_EVENT_healed_by_other:
        return may_heal(a_case, event->healed_by);
    default:
        return true;
    }
}

/* attempts and cost follow from what was tried, so that they never drift apart. */
static void count(ns_case *a_case, int32_t change)
{
    int32_t *tried = &a_case->tried[a_case->effect.action];
    *tried += change;
    NS_CHECK(*tried >= 0);
    a_case->attempts = 0;
    a_case->cost = 0.0;
    for (int a = 0; a < NS_ACTION_COUNT; a++) {
        a_case->attempts += a_case->tried[a];
        a_case->cost += a_case->tried[a] * ns_action_facts_of((ns_action)a)->cost;
    }
}

static void keep_baseline(ns_case *a_case, const char *baseline)
{
    bool none = baseline == NULL || baseline[0] == '\0';
    (void)ns_text_copy(a_case->effect.baseline, sizeof a_case->effect.baseline,
                       none ? NS_TEXT("{}") : ns_text_of(baseline));
}

static void heal(ns_case *a_case, ns_healed_by by, int64_t at_ms)
{
    a_case->healed_by = by;
    a_case->healed_ms = at_ms;
}

static void begin(ns_case *a_case, const ns_case_event *event)
{
    a_case->effect = *event->effect;
    a_case->effect.baseline[0] = '\0';
    a_case->result_build = 0;
    a_case->decision_id = event->decision_id > 0 ? event->decision_id : a_case->decision_id;
}

/* A message that reached a person is no failed remedy, and leaves no present attempt. */
static void taken(ns_case *a_case, const ns_case_event *event)
{
    if (a_case->state == NS_CASE_watching) {
        a_case->escalated = true;
        a_case->last_outcome = NS_CASE_watching;
        forget_attempt(&a_case->effect, a_case->id);
        return;
    }
    if (event->build > 0)
        a_case->result_build = event->build;
    if (event->queue_id > 0)
        a_case->effect.queue_id = event->queue_id;
}

/* An intent on disk may have been sent in the moment before the crash: it counts as sent until reading tells. */
static void read_back(ns_case *a_case, const ns_case_event *event, ns_case_state before)
{
    a_case->reconciled = true;
    if (a_case->state == NS_CASE_watching && before == NS_CASE_intent) {
        bool undo = a_case->effect.undo;
        forget_attempt(&a_case->effect, a_case->id);
        a_case->effect.undo = undo; /* a case that was opened for nothing else is known by it */
    } else if (before == NS_CASE_intent || before == NS_CASE_committed) {
        count(a_case, 1);
        a_case->last_action_ms = event->at_ms;
    }
}

static void conclude(ns_case *a_case, ns_case_state outcome, const ns_case_event *event)
{
    a_case->last_outcome = outcome;
    if (event->build > 0)
        a_case->result_build = event->build;
    if (outcome == NS_CASE_verified)
        heal(a_case, NS_HEALED_action, event->at_ms);
}

/* What an event changes beside the state; the new state is set already. */
static void apply(ns_case *a_case, const ns_case_event *event, ns_case_state before)
{
    ns_healed_by other = a_case->escalated ? NS_HEALED_human : NS_HEALED_itself;
    switch (event->kind) {
    case NS_EVENT_decided:
    case NS_EVENT_asked:
    case NS_EVENT_overridden:
        begin(a_case, event);
        break;
    case NS_EVENT_prepared:
        keep_baseline(a_case, event->baseline);
        break;
    case NS_EVENT_sent:
        count(a_case, 1);
        a_case->last_action_ms = event->at_ms;
        break;
    case NS_EVENT_acknowledged:
    case NS_EVENT_effect_seen:
    case NS_EVENT_reconciled_sent:
        taken(a_case, event);
        break;
    case NS_EVENT_reconciled_not_sent: /* it never left: it is sent, and counted, anew */
        count(a_case, -1);
        break;
    case NS_EVENT_refused:
    case NS_EVENT_build_failure:
    case NS_EVENT_signal_bad:
        conclude(a_case, NS_CASE_failed, event);
        break;
    case NS_EVENT_reconciled_unknowable:
    case NS_EVENT_deadline:
        if (before == NS_CASE_waiting)
            break;
        a_case->unsure |= before == NS_CASE_unknown && a_case->effect.action != NS_ACTION_escalate;
        __attribute__((fallthrough));
    case NS_EVENT_build_other:
        conclude(a_case, NS_CASE_inconclusive, event);
        break;
    case NS_EVENT_build_success:
    case NS_EVENT_signal_good:
        conclude(a_case, NS_CASE_verified, event);
        break;
    case NS_EVENT_healed_by_other:
        heal(a_case, event->healed_by == NS_HEALED_open ? other : event->healed_by, event->at_ms);
        break;
    case NS_EVENT_give_up:
    case NS_EVENT_pipeline_gone:
        a_case->healed_by = NS_HEALED_abandoned;
        break;
    case NS_EVENT_restarted:
        read_back(a_case, event, before);
        break;
    default:
        break;
    }
}

/* A deadline belongs to its state; beginning to verify keeps the one given when the other side took the request. */
static void set_deadline(ns_case *a_case, const ns_case_event *event, bool moved)
{
    if (event->deadline_ms > 0)
        a_case->deadline_ms = event->deadline_ms;
    else if (moved && event->kind != NS_EVENT_effect_seen)
        a_case->deadline_ms = -1;
    unsigned waits = IN(waiting) | IN(unknown) | AWAITED; /* the states that a deadline ends */
    if ((waits >> (unsigned)a_case->state & 1u) == 0)
        a_case->deadline_ms = -1;
}

bool ns_case_step(ns_case *a_case, const ns_case_event *event)
{
    const transition *row = find(a_case, event->kind);
    if (row == NULL || !allowed(a_case, event))
        return false;
    ns_case_state before = a_case->state;
    bool moved = row->to != STAYS;
    if (moved) {
        a_case->state = row->to;
        a_case->changed_ms = event->at_ms;
    }
    apply(a_case, event, before);
    set_deadline(a_case, event, moved);
    if (a_case->state == NS_CASE_closed)
        a_case->closed_ms = event->at_ms;
    return true;
}

ns_case_want ns_case_wants(const ns_case *a_case)
{
    switch (a_case->state) {
    case NS_CASE_watching:
    case NS_CASE_refused:
    case NS_CASE_failed:
    case NS_CASE_inconclusive:
    case NS_CASE_undone:
        return NS_WANT_decide;
    case NS_CASE_intent:
        return a_case->effect.baseline[0] == '\0' ? NS_WANT_prepare : NS_WANT_commit;
    case NS_CASE_committed:
        return NS_WANT_send;
    case NS_CASE_sent:
        return NS_WANT_wait;
    case NS_CASE_unknown:
        return NS_WANT_reconcile;
    case NS_CASE_acknowledged:
    case NS_CASE_verifying:
        return NS_WANT_verify;
    default:
        return NS_WANT_none;
    }
}

ns_case_event_kind ns_case_event_of_send(ns_sent sent)
{
    return sent == NS_SENT_acknowledged ? NS_EVENT_acknowledged
           : sent == NS_SENT_refused    ? NS_EVENT_refused
                                        : NS_EVENT_unknown;
}

ns_case_event_kind ns_case_event_of_reconcile(ns_sent sent)
{
    return sent == NS_SENT_acknowledged ? NS_EVENT_reconciled_sent
           : sent == NS_SENT_refused    ? NS_EVENT_reconciled_not_sent
           : sent == NS_SENT_unknowable ? NS_EVENT_reconciled_unknowable
                                        : NS_EVENT_reconciled_unknown;
}

#define EVENT_NAME(name, meaning) #name,
#define WANT_NAME(name)           #name,

const char *ns_case_event_name(ns_case_event_kind kind)
{
    static const char *const names[] = {NS_CASE_EVENT_MAP(EVENT_NAME)};
    return (unsigned)kind < NS_COUNT_OF(names) ? names[kind] : "unknown";
}

const char *ns_case_want_name(ns_case_want want)
{
    static const char *const names[] = {NS_CASE_WANT_MAP(WANT_NAME)};
    return (unsigned)want < NS_COUNT_OF(names) ? names[want] : "unknown";
}

/* Rows hold sets of states: i counts the single states of all rows. */
bool ns_case_transition(size_t i, ns_case_state *from, ns_case_event_kind *event, ns_case_state *to, const char **what)
{
    for (size_t row = 0; row < NS_COUNT_OF(table); row++) {
        for (int state = 0; state < NS_CASE_STATES; state++) {
            if ((table[row].from >> (unsigned)state & 1u) == 0 || i-- > 0)
                continue;
            *from = (ns_case_state)state;
            *event = table[row].event;
            *to = table[row].to == STAYS ? (ns_case_state)state : table[row].to;
            *what = table[row].what;
            return true;
        }
    }
    return false;
}
