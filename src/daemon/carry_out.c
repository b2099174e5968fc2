#include "daemon/carry_out.h"

#include "base/mem.h"
#include "daemon/builds.h"
#include "daemon/greens.h"
#include "daemon/cluster_watch.h"
#include "daemon/drift_watch.h"
#include "daemon/scaled.h"
#include "daemon/settle.h"
#include "daemon/show.h"
#include "orchestration/notify.h"

#include <stdio.h>
#include <string.h>

/* How long the fate of a request without an answer is sought before a person is told, and the pause between two looks,
 * which doubles; world time. */
enum { RECONCILE_WAIT_MS = 15 * 60 * 1000, RECONCILE_PAUSE_MS = 10 * 1000, RECONCILE_DOUBLINGS = 5 };

/* An answer that is awaited: whose it is. */
typedef struct awaited {
    ns_house *house;
    ns_pipeline_view *view;
} awaited;

static int64_t verify_deadline(const ns_house *house)
{
    return ns_clock_now_ms(&house->clock) + (int64_t)(house->settings->verify_wait_s * 1000.0);
}

static const ns_hands *hands_for(const ns_house *house, ns_action action)
{
    for (size_t i = 0; i < house->hands_count; i++)
        if (house->hands[i].actions & NS_ACTION_BIT(action))
            return &house->hands[i];
    return NULL;
}

/* The effect's row and its news. Returns the row's sequence number. track: whose present attempt it is; NULL: nobody's
 * any more. */
static uint64_t put_effect(ns_house *house, ns_track *track, const ns_effect *effect, ns_case_state state,
                           const ns_error *error)
{
    if (track != NULL)
        track->effect_state = state;
    ns_effect_row row = {.effect = *effect, .state = state, .at_ms = ns_clock_now_ms(&house->clock)};
    if (error != NULL)
        row.error = *error;
    ns_buf json;
    ns_buf_init(&json, 64 * 1024);
    ns_show_effect(&json, &row);
    ns_feed_publish(house->feed, NS_FEED_action, ns_buf_view(&json));
    ns_buf_clear(&json);
    return ns_house_put(house, &(ns_row){.kind = NS_ROW_effect, .of.effect = &row});
}

/* One line for each state that a case reaches. `committed` is said when the intent is on disk, not before. */
static void tell_move(ns_track *track)
{
    const ns_case *c = track->open_case;
    if (track->told_state == c->state && track->told_attempt == c->effect.attempt)
        return;
    track->told_state = c->state;
    track->told_attempt = c->effect.attempt;
    bool attempt = c->effect.key[0] != '\0';
    ns_log(NS_LOG_INFO, "daemon", ns_case_state_name(c->state), "case=%lld attempt=%d action=%s key=%s%s",
           (long long)c->id, c->effect.attempt, attempt ? ns_action_name(c->effect.action) : "none",
           attempt ? c->effect.key : "none", c->effect.undo ? " undo=true" : "");
}

static void close_effect(ns_house *house, ns_track *track, ns_case_state state, ns_status status, const char *text)
{
    const ns_effect *effect = &track->open_case->effect;
    char quoted[200];
    ns_error why;
    (void)ns_fail(&why, status, "%s", text);
    (void)put_effect(house, track, effect, state, &why);
    ns_log(NS_LOG_INFO, "daemon", "effect_ended", "case=%lld key=%s state=%s why=%s", (long long)effect->case_id,
           effect->key, ns_case_state_name(state), ns_log_quote(quoted, sizeof quoted, text));
}

/* A case may move on without an answer of the hands: a deadline passes, somebody else mends it, the pipeline goes. What
 * its row said about the effect until then must not stand there for ever. */
static void end_effect(ns_house *house, ns_track *track)
{
    const ns_case *c = track->open_case;
    ns_case_want want = ns_case_wants(c);
    bool under_way =
        want == NS_WANT_commit || want == NS_WANT_send || want == NS_WANT_wait || want == NS_WANT_reconcile;
    if (under_way || c->effect.key[0] == '\0')
        return;
    if (track->effect_state == NS_CASE_intent || track->effect_state == NS_CASE_committed)
        close_effect(house, track, NS_CASE_refused, NS_REFUSED, "never sent: the incident was over before");
    else if (track->effect_state == NS_CASE_sent || track->effect_state == NS_CASE_unknown)
        close_effect(house, track, NS_CASE_inconclusive, NS_TIMEOUT,
                     "whether it was done could not be told: it counts as done");
}

void ns_carry_case(ns_house *house, ns_track *track)
{
    ns_case *c = track->open_case;
    end_effect(house, track);
    (void)ns_house_put(house, &(ns_row){.kind = NS_ROW_case, .of.a_case = c});
    tell_move(track);
    ns_buf json;
    ns_buf_init(&json, 64 * 1024);
    ns_show_case(&json, c);
    ns_feed_publish(house->feed, NS_FEED_case, ns_buf_view(&json));
    ns_buf_clear(&json);
    if (ns_case_is_open(c))
        return;
    ns_log(NS_LOG_INFO, "daemon", "case_closed", "case=%lld healed_by=%s attempts=%d reward=%.3f", (long long)c->id,
           ns_healed_by_name(c->healed_by), c->attempts, c->reward);
    ns_free(c);
    track->open_case = NULL;
    track->awaiting = false;
    track->commit_wait = 0;
    track->has_decision = false;
    memset(track->impossible, 0, sizeof track->impossible);
}

void ns_carry_read_back(ns_house *house, ns_track *track)
{
    const ns_case *c = track->open_case;
    ns_log(NS_LOG_INFO, "daemon", "case_read_back", "case=%lld state=%s", (long long)c->id,
           ns_case_state_name(c->state));
    if (c->state == NS_CASE_unknown) /* its row may still say that it was only meant */
        (void)put_effect(house, track, &c->effect, c->state, NULL);
    ns_carry_case(house, track);
}

/* One event of the dance: the case moves, and its effect is stored. False when it meant nothing (an answer too late).
 */
static bool move(ns_house *house, ns_track *track, const ns_case_event *event, const ns_error *error)
{
    ns_effect effect = track->open_case->effect; /* a delivered message leaves no present attempt */
    if (!ns_settle_event(house, track, event))
        return false;
    const ns_effect *now = &track->open_case->effect;
    if (strcmp(now->key, effect.key) == 0) /* with what the event said of it */
        effect = *now;
    if (event->kind == NS_EVENT_acknowledged || event->kind == NS_EVENT_reconciled_sent)
        ns_scaled_note(house, track, &effect);
    ns_case_state state = track->open_case->state;
    /* A message that goes out again may have come the first time; so may one that is then not let out. */
    if (effect.action == NS_ACTION_escalate && event->kind == NS_EVENT_reconciled_not_sent)
        state = NS_CASE_unknown;
    else if (event->kind == NS_EVENT_forbidden && track->effect_state == NS_CASE_unknown)
        state = NS_CASE_inconclusive;
    (void)put_effect(house, track, &effect, state == NS_CASE_watching ? NS_CASE_acknowledged : state, error);
    return true;
}

/* Of an answer: the track whose present attempt it belongs to; NULL when the case went on without it (it was closed, or
 * its answer came after all hope). */
static ns_track *track_of_answer(const awaited *who, const ns_effect *effect)
{
    ns_track *track = ns_house_track(who->house, who->view);
    if (track == NULL || track->open_case == NULL || strcmp(track->open_case->effect.key, effect->key) != 0)
        return NULL;
    track->awaiting = false;
    return track;
}

static void finish_answer(awaited *who, ns_track *track)
{
    ns_house *house = who->house;
    ns_pipeline_view *view = who->view;
    ns_free(who);
    if (track == NULL)
        return;
    ns_carry_case(house, track);
    ns_carry_on(house, view, track);
}

/* Asked again at once it would answer the same, tick after tick. */
static void note_impossible(ns_track *track, const ns_pipeline_view *view, int64_t now_ms)
{
    ns_impossible *one = &track->impossible[track->open_case->effect.action];
    *one = (ns_impossible){.times = one->times + 1, .at_ms = now_ms, .generation = view->cluster.generation};
}

static void prepared(void *owner, const ns_effect *effect, const ns_effect_answer *answer)
{
    awaited *who = owner;
    ns_track *track = track_of_answer(who, effect);
    if (track != NULL) {
        ns_case_event event = {.at_ms = ns_clock_now_ms(&who->house->clock), .baseline = answer->baseline};
        event.kind = answer->sent == NS_SENT_acknowledged ? NS_EVENT_prepared : NS_EVENT_not_possible;
        if (answer->sent != NS_SENT_acknowledged) {
            note_impossible(track, who->view, event.at_ms);
            who->house->counts.refused++;
        }
        if (answer->sent == NS_SENT_acknowledged)
            (void)ns_settle_event(who->house, track, &event);
        else
            (void)move(who->house, track, &event, &answer->error);
    }
    finish_answer(who, track);
}

/* The case is over, but what became of its last request is still worth knowing. */
static void answered_late(ns_house *house, ns_track *track, const ns_effect *effect, const ns_effect_answer *answer)
{
    if (track != NULL && answer->sent == NS_SENT_acknowledged)
        ns_scaled_note(house, track, effect);
    if (answer->sent == NS_SENT_acknowledged)
        (void)put_effect(house, NULL, effect, NS_CASE_acknowledged, &answer->error);
    else if (answer->sent == NS_SENT_refused)
        (void)put_effect(house, NULL, effect, NS_CASE_refused, &answer->error);
}

/* The first look comes at once; when the same attempt stays without an answer, the looks get rarer. */
static int64_t pause_ms(const ns_track *track)
{
    int doublings = track->asked_again < RECONCILE_DOUBLINGS ? track->asked_again : RECONCILE_DOUBLINGS;
    return track->asked_again == 0 ? 0 : (int64_t)RECONCILE_PAUSE_MS << (doublings - 1);
}

static int64_t queue_id_of(const ns_effect_answer *answer)
{
    return answer->queue_id > 0 ? answer->queue_id : 0;
}

static void answered(void *owner, const ns_effect *effect, const ns_effect_answer *answer)
{
    awaited *who = owner;
    ns_house *house = who->house;
    ns_track *track = track_of_answer(who, effect);
    if (track == NULL) {
        answered_late(house, ns_house_track(house, who->view), effect, answer);
    } else {
        int64_t now_ms = ns_clock_now_ms(&house->clock);
        bool told = answer->sent == NS_SENT_acknowledged || answer->sent == NS_SENT_refused;
        if (!told && track->give_up_ms == 0) /* one deadline for all looks at this attempt, resends included */
            track->give_up_ms = now_ms + RECONCILE_WAIT_MS;
        ns_case_event event = {.kind = ns_case_event_of_send(answer->sent),
                               .at_ms = now_ms,
                               .build = answer->build,
                               .queue_id = queue_id_of(answer),
                               .deadline_ms = told ? verify_deadline(house) : track->give_up_ms};
        track->ask_again_ms = now_ms + pause_ms(track);
        (void)move(house, track, &event, &answer->error);
    }
    finish_answer(who, track);
}

/* What never left must not be kept by its own cool-down from leaving now; what did counts, also when a daemon before us
 * died without having said so. */
static void note_fate(ns_house *house, const ns_case *c, ns_sent sent)
{
    if (sent == NS_SENT_refused || sent == NS_SENT_acknowledged)
        ns_guardrails_note_not_sent(house->rails, c->jenkins_job, c->effect.action, c->id);
    if (sent == NS_SENT_acknowledged)
        ns_guardrails_note_sent(house->rails, c->jenkins_job, c->effect.action, c->id, c->last_action_ms);
}

static void reconciled(void *owner, const ns_effect *effect, const ns_effect_answer *answer)
{
    awaited *who = owner;
    ns_house *house = who->house;
    ns_track *track = track_of_answer(who, effect);
    if (track != NULL) {
        int64_t now_ms = ns_clock_now_ms(&house->clock);
        ns_case_event event = {.kind = ns_case_event_of_reconcile(answer->sent),
                               .at_ms = now_ms,
                               .build = answer->build,
                               .queue_id = queue_id_of(answer),
                               .deadline_ms = verify_deadline(house)};
        track->asked_again++;
        track->ask_again_ms = now_ms + pause_ms(track);
        note_fate(house, track->open_case, answer->sent);
        if (answer->sent != NS_SENT_unknown) {
            house->counts.reconciled++;
            (void)move(house, track, &event, &answer->error);
        }
    }
    /* What had not been sent is minutes old by now: the next tick looks first whether it is still wanted. */
    if (track != NULL && ns_case_wants(track->open_case) == NS_WANT_send) {
        ns_carry_case(who->house, track);
        ns_free(who);
        return;
    }
    finish_answer(who, track);
}

typedef void hands_call(void *self, const ns_effect *effect, ns_effect_done *done, void *owner);

/* Whoever asks the hands needs a place for their answer first: what has been sent cannot be taken back. */
static awaited *expect(ns_house *house, ns_pipeline_view *view)
{
    awaited *who = NS_NEW(awaited);
    if (who != NULL)
        *who = (awaited){.house = house, .view = view};
    return who; /* NULL: asked again next tick */
}

static void ask_hands(awaited *who, ns_track *track, hands_call *call, const ns_hands *hands, ns_effect_done *done)
{
    track->awaiting = true;
    ns_effect effect = track->open_case->effect; /* the case may be gone when a synchronous answer returns */
    call(hands->self, &effect, done, who);
}

/* What only the daemon can fill in: the target, and for a person the words. */
static void fill_effect(ns_house *house, const ns_pipeline_view *view, const ns_track *track, ns_effect *effect)
{
    (void)ns_text_copy(effect->deployment, sizeof effect->deployment, ns_text_of(view->deployment));
    effect->cause = track->open_case->cause;
    if (effect->action != NS_ACTION_escalate || effect->message[0] != '\0')
        return;
    ns_build_entry *entry = ns_house_build(house, ns_house_track(house, view), track->open_case->build, false);
    ns_notify_message(track->open_case, entry != NULL && entry->has_prediction ? &entry->prediction : NULL,
                      effect->message);
}

static void prepare(ns_house *house, ns_pipeline_view *view, ns_track *track)
{
    ns_case *c = track->open_case;
    fill_effect(house, view, track, &c->effect);
    const ns_hands *hands = hands_for(house, c->effect.action);
    if (hands != NULL) {
        awaited *who = expect(house, view);
        if (who != NULL)
            ask_hands(who, track, hands->prepare, hands, prepared);
        return;
    }
    ns_case_event event = {.kind = NS_EVENT_not_possible, .at_ms = ns_clock_now_ms(&house->clock)};
    if (ns_settle_event(house, track, &event))
        ns_carry_case(house, track);
}

/* The intent goes to disk; ns_carry_committed goes on from there. The case goes before its effect: a restart that finds
 * the one must find the other. A store that cannot take both stops the action here. */
static void commit(ns_house *house, ns_track *track)
{
    const ns_case *c = track->open_case;
    if (track->commit_wait == 0 && ns_house_put(house, &(ns_row){.kind = NS_ROW_case, .of.a_case = c}) != 0)
        track->commit_wait = put_effect(house, track, &c->effect, c->state, NULL);
}

static void send(ns_house *house, ns_pipeline_view *view, ns_track *track)
{
    ns_case *c = track->open_case;
    ns_decision decision = {.action = c->effect.action, .probability = 1};
    int64_t now_ms = ns_clock_now_ms(&house->clock);
    ns_build_entry *entry = ns_house_build(house, track, c->build, false);
    ns_judged judged = {.decision = &decision,
                        .snapshot = house->snapshot,
                        .view = view,
                        .open_case = c,
                        .failed_build = ns_pipeline_build(view, c->build),
                        .prediction = entry != NULL && entry->has_prediction ? &entry->prediction : NULL,
                        .measured = ns_cluster_case(c) && c->cause != NS_CAUSE_none,
                        .drift = ns_drift_watch_why(house, ns_house_track(house, view)),
                        .now_ms = now_ms};
    ns_verdict verdict;
    ns_guardrails_recheck(house->rails, &judged, &verdict);
    const ns_hands *hands = hands_for(house, c->effect.action);
    if (verdict.kind != NS_VERDICT_act || hands == NULL) {
        ns_case_event event = {.kind = NS_EVENT_forbidden, .at_ms = now_ms};
        house->counts.refused++;
        ns_house_audit(house, "neuroshield", "effect_forbidden", c->effect.key, verdict.text);
        if (move(house, track, &event, NULL))
            ns_carry_case(house, track);
        return;
    }
    awaited *who = expect(house, view);
    if (who == NULL)
        return;
    ns_case_event event = {.kind = NS_EVENT_sent, .at_ms = now_ms};
    if (!move(house, track, &event, NULL)) {
        ns_free(who);
        return;
    }
    (void)ns_house_put(house, &(ns_row){.kind = NS_ROW_case, .of.a_case = c});
    house->counts.sent[c->effect.action]++;
    ns_guardrails_note_sent(house->rails, c->jenkins_job, c->effect.action, c->id, now_ms);
    ns_house_audit(house, "neuroshield", "effect_sent", c->effect.key, ns_action_name(c->effect.action));
    tell_move(track);
    ask_hands(who, track, hands->send, hands, answered);
}

static void reconcile(ns_house *house, ns_pipeline_view *view, ns_track *track)
{
    const ns_hands *hands = hands_for(house, track->open_case->effect.action);
    if (hands == NULL || ns_clock_now_ms(&house->clock) < track->ask_again_ms)
        return;
    awaited *who = expect(house, view);
    if (who != NULL)
        ask_hands(who, track, hands->reconcile, hands, reconciled);
}

void ns_carry_on(ns_house *house, ns_pipeline_view *view, ns_track *track)
{
    if (track->open_case == NULL || track->awaiting)
        return;
    switch (ns_case_wants(track->open_case)) {
    case NS_WANT_prepare:
        prepare(house, view, track);
        break;
    case NS_WANT_commit:
        commit(house, track);
        break;
    case NS_WANT_send:
        send(house, view, track);
        break;
    case NS_WANT_reconcile:
        reconcile(house, view, track);
        break;
    default:
        break;
    }
}

void ns_carry_committed(ns_house *house)
{
    ns_store_status status;
    house->store.status(house->store.self, &status);
    for (size_t i = 0; i < house->track_count; i++) {
        ns_track *track = &house->tracks[i];
        if (track->open_case == NULL || track->commit_wait == 0 || track->commit_wait > status.committed)
            continue;
        track->commit_wait = 0;
        ns_case_event event = {.kind = NS_EVENT_committed, .at_ms = ns_clock_now_ms(&house->clock)};
        if (ns_case_wants(track->open_case) != NS_WANT_commit || !ns_settle_event(house, track, &event))
            continue;
        tell_move(track);
        ns_carry_on(house, house->snapshot->pipelines[i], track);
    }
}

static void put_decision(ns_house *house, const ns_step *step, int64_t id)
{
    const ns_case *c = step->track->open_case;
    ns_decision_row row = {.id = id,
                           .at_ms = step->decided_ms,
                           .build = c != NULL             ? c->build
                                    : step->build == NULL ? 0
                                                          : step->build->number,
                           .case_id = c == NULL ? 0 : c->id,
                           .mode = ns_guardrails_mode(house->rails),
                           .state = step->state,
                           .possible = step->possible,
                           .decision = step->decision,
                           .verdict = step->verdict,
                           .prediction_known_at_ms = step->prediction == NULL ? -1 : step->prediction->known_at_ms};
    (void)ns_text_copy(row.jenkins_job, sizeof row.jenkins_job, ns_text_of(step->view->jenkins_job));
    (void)ns_text_copy(row.policy, sizeof row.policy, ns_text_of(house->policy.name));
    (void)ns_house_put(house, &(ns_row){.kind = NS_ROW_decision, .of.decision = &row});
    ns_buf json;
    ns_buf_init(&json, 64 * 1024);
    ns_show_decision(&json, &row);
    ns_feed_publish(house->feed, NS_FEED_decision, ns_buf_view(&json));
    ns_buf_clear(&json);
}

static void tell_opened(const ns_case *c)
{
    char quoted[200];
    ns_log(NS_LOG_INFO, "daemon", "case_opened", "case=%lld build=%lld cause=%s symptom=%s", (long long)c->id,
           (long long)c->build, ns_cause_name(c->cause), ns_log_quote(quoted, sizeof quoted, c->symptom));
}

void ns_carry_out(ns_house *house, ns_step *steps, size_t count)
{
    int64_t decision_id = house->ids.decision;
    for (size_t i = 0; i < count; i++)
        decision_id -= steps[i].news;
    for (size_t i = 0; i < count; i++) {
        ns_step *step = &steps[i];
        (void)ns_house_put(house, &(ns_row){.kind = NS_ROW_record, .of.record = &step->record});
        house->counts.records++;
        ns_greens_note(house, step->view, step->track);
        ns_drift_watch_note(house, step->view, step->track);
        ns_builds_store(house, step, step->record.at_ms);
        if (step->opened)
            tell_opened(step->track->open_case);
        if (step->news)
            put_decision(house, step, ++decision_id);
        if (step->case_changed && step->track->open_case != NULL)
            ns_carry_case(house, step->track);
        ns_carry_on(house, step->view, step->track);
    }
}
