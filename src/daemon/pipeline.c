#include "daemon/pipeline.h"

#include "agent/observe.h"
#include "daemon/builds.h"
#include "daemon/cluster_watch.h"
#include "daemon/drift_watch.h"
#include "daemon/scaled.h"
#include "daemon/settle.h"
#include "telemetry/align.h"

#include <stdio.h>
#include <string.h>

enum { IMPOSSIBLE_PAUSE_MS = 60 * 1000, IMPOSSIBLE_DOUBLINGS = 5 };

static int64_t stale_after_ms(const ns_house *house)
{
    return (int64_t)(house->settings->stale_after_s * 1000.0);
}

/* The build that matters now: the newest one, running or finished. */
static const ns_build *build_of_interest(const ns_pipeline_view *view)
{
    return view->build_count > 0 ? &view->builds[0] : NULL;
}

static void predict(ns_house *house, ns_step *step, int64_t now_ms)
{
    step->build = build_of_interest(step->view);
    if (step->build == NULL)
        return;
    step->entry = ns_house_build(house, step->track, step->build->number, false);
    if (step->entry == NULL || !step->entry->has_prediction || step->entry->prediction.known_at_ms > now_ms)
        return;
    step->prediction = &step->entry->prediction;
    if (step->build->running)
        step->record.fail_probability = step->prediction->fail_probability;
}

/* What the hands could not do is not offered again before the Deployment was changed, or a pause is over that doubles
 * each time. */
static ns_action_mask found_impossible(const ns_step *step, int64_t now_ms)
{
    ns_action_mask found = 0;
    for (size_t a = 0; a < NS_ACTION_COUNT; a++) {
        const ns_impossible *one = &step->track->impossible[a];
        int doublings = one->times - 1 < IMPOSSIBLE_DOUBLINGS ? one->times - 1 : IMPOSSIBLE_DOUBLINGS;
        bool changed = a != NS_ACTION_retry_build && one->generation != step->view->cluster.generation;
        if (one->times > 0 && !changed && now_ms - one->at_ms < (int64_t)IMPOSSIBLE_PAUSE_MS << doublings)
            found |= NS_ACTION_BIT(a);
    }
    return found;
}

/* What can be done now at all; what may be done is the guardrails' to say. */
static ns_action_mask possible_actions(const ns_house *house, const ns_step *step, int64_t now_ms)
{
    const ns_case *open_case = step->track->open_case;
    ns_action_mask offered = 0;
    for (size_t i = 0; i < house->hands_count; i++)
        offered |= house->hands[i].actions;
    ns_action_mask possible = NS_ACTION_BIT(NS_ACTION_no_op);
    if (open_case == NULL || ns_case_wants(open_case) != NS_WANT_decide || ns_cluster_waits(step))
        return possible;
    bool busy = step->view->in_queue || (step->build != NULL && step->build->running);
    const ns_build *failed = ns_pipeline_build(step->view, open_case->build);
    if (!busy && failed != NULL && failed->aborted_by_person != 1 && !open_case->unsure)
        possible |= offered & NS_ACTION_BIT(NS_ACTION_retry_build);
    possible |= offered & ns_cluster_possible(house, step, now_ms) & ~step->view->cluster.rights.denied;
    if (!open_case->escalated)
        possible |= offered & NS_ACTION_BIT(NS_ACTION_escalate);
    return possible & ~found_impossible(step, now_ms);
}

/* Something is going on: an incident is open, or the running build is expected to fail. */
static bool needs_decision(const ns_step *step)
{
    if (step->track->open_case != NULL)
        return ns_case_wants(step->track->open_case) == NS_WANT_decide && !ns_scaled_case(step->track->open_case);
    return step->build != NULL && step->build->running && step->prediction != NULL &&
           step->prediction->decision == NS_PREDICTED_failure;
}

/* The prediction that a decision about the open case rests on: that of the build that failed. */
static const ns_prediction *prediction_of_case(ns_house *house, const ns_step *step, int64_t now_ms)
{
    if (step->track->open_case == NULL)
        return step->prediction;
    ns_build_entry *entry = ns_house_build(house, step->track, step->track->open_case->build, false);
    return entry != NULL && entry->has_prediction && entry->prediction.known_at_ms <= now_ms ? &entry->prediction
                                                                                             : NULL;
}

/* Why something else was chosen than might be expected. */
static void tell_denied(const ns_house *house, ns_step *step, int64_t now_ms)
{
    const ns_rights *rights = &step->view->cluster.rights;
    ns_action_mask left_out = ns_cluster_possible(house, step, now_ms) & rights->denied;
    size_t len = strlen(step->decision.why), size = sizeof step->decision.why;
    for (int a = 0; a < NS_ACTION_COUNT && len < size; a++)
        if ((left_out & NS_ACTION_BIT(a)) != 0)
            len += (size_t)snprintf(step->decision.why + len, size - len, "; no right to %s",
                                    ns_action_name((ns_action)a));
}

/* Whether something of ours was sent that nobody can find: anything more could be done twice. Not the policy's choice.
 */
static bool must_escalate(const ns_step *step)
{
    const ns_case *open_case = step->track->open_case;
    return open_case != NULL && open_case->unsure && (step->possible & NS_ACTION_BIT(NS_ACTION_escalate)) != 0;
}

/* What the open case's Deployment showed; none for a case of a build. */
static ns_cause measured_cause(const ns_case *open_case)
{
    return open_case != NULL && ns_cluster_case(open_case) ? open_case->cause : NS_CAUSE_none;
}

static void decide(ns_house *house, ns_step *step, int64_t now_ms)
{
    ns_track *track = step->track;
    const ns_case *open_case = track->open_case;
    const ns_prediction *prediction = prediction_of_case(house, step, now_ms);

    ns_sight sight = {.snapshot = house->snapshot,
                      .view = step->view,
                      .build = step->build,
                      .prediction = prediction,
                      .open_case = open_case,
                      .failure_streak = track->failure_streak,
                      .symptom = measured_cause(open_case),
                      .now_ms = now_ms,
                      .stale_after_ms = stale_after_ms(house)};
    ns_observe(&sight, &step->state);
    step->possible = possible_actions(house, step, now_ms);
    if (must_escalate(step))
        step->decision =
            (ns_decision){.action = NS_ACTION_escalate,
                          .probability = 1.0,
                          .why = "whether the last action was sent could not be told: a person has to look"};
    else
        house->policy.decide(house->policy.self, &step->state, step->possible, &step->decision);
    tell_denied(house, step, now_ms);

    ns_judged judged = {.decision = &step->decision,
                        .snapshot = house->snapshot,
                        .view = step->view,
                        .open_case = open_case,
                        .failed_build = open_case == NULL ? NULL : ns_pipeline_build(step->view, open_case->build),
                        .prediction = prediction,
                        .measured = measured_cause(open_case) != NS_CAUSE_none,
                        .drift = ns_drift_watch_why(house, track),
                        .now_ms = now_ms};
    ns_guardrails_judge(house->rails, &judged, &step->verdict);
    step->decided = true;
    step->decided_ms = now_ms;
}

/* The same decision with the same verdict on the same build is told once, not every tick. */
static void note_news(ns_house *house, ns_step *step)
{
    ns_track *track = step->track;
    int64_t build = track->open_case != NULL ? track->open_case->build : step->build == NULL ? 0 : step->build->number;
    bool same = track->has_decision && track->last_decision_build == build &&
                track->last_decision.action == step->decision.action &&
                track->last_verdict.kind == step->verdict.kind &&
                strcmp(track->last_verdict.rule, step->verdict.rule) == 0;
    if (same && step->verdict.kind != NS_VERDICT_act)
        return;
    if (same && step->decision.action == NS_ACTION_no_op)
        return;
    track->has_decision = true;
    track->last_decision = step->decision;
    track->last_verdict = step->verdict;
    track->last_decision_build = build;
    step->news = true;
    house->counts.decided[step->decision.action]++;
    if (step->verdict.kind == NS_VERDICT_refuse)
        house->counts.refused++;
    if (track->open_case == NULL)
        return;
    track->open_case->decision_id = house->ids.decision + 1; /* carry_out gives it this number */
    bool acts = step->verdict.kind == NS_VERDICT_act;
    (void)snprintf(track->open_case->reason, sizeof track->open_case->reason, "%s: %s%s%s",
                   ns_action_name(step->decision.action), step->decision.why, acts ? "" : "; held back by ",
                   acts ? "" : step->verdict.rule);
    step->case_changed = true;
}

/* The verdict becomes an attempt of the case; what must be sent is carry_out's. */
static void begin_attempt(ns_house *house, ns_step *step, int64_t now_ms)
{
    ns_case *open_case = step->track->open_case;
    if (open_case == NULL || step->decision.action == NS_ACTION_no_op)
        return;
    ns_case_event event = {.at_ms = now_ms, .decision_id = open_case->decision_id};
    if (step->verdict.kind == NS_VERDICT_act) {
        event.kind = NS_EVENT_decided;
    } else if (step->verdict.kind == NS_VERDICT_ask) {
        event.kind = NS_EVENT_asked;
        event.deadline_ms = now_ms + (int64_t)(house->settings->approval_wait_s * 1000.0);
    } else {
        return; /* observe, suggest, refuse: the ledger is enough */
    }
    ns_effect effect;
    ns_case_begin_attempt(open_case, house->key_seed, step->decision.action, &effect);
    ns_cluster_fill(house, step, &effect);
    event.effect = &effect;
    step->case_changed |= ns_settle_event(house, step->track, &event);
    step->track->commit_wait = 0; /* what an earlier attempt wrote is not this one's intent */
    step->track->asked_again = 0;
    step->track->give_up_ms = 0;
}

static void one_pipeline(ns_house *house, ns_step *step, int64_t tick_ms, int64_t now_ms)
{
    ns_align(house->snapshot, step->view, tick_ms, stale_after_ms(house), &step->record); /* gathered -> record */
    ns_builds_note(house, step, now_ms);                                                  /* who builds         */
    predict(house, step, now_ms);                                                         /* newest prediction  */
    ns_settle(house, step, now_ms);                                                       /* earlier actions    */
    if (step->track->open_case != NULL)
        step->record.case_id = step->track->open_case->id;
    if (!needs_decision(step))
        return;
    decide(house, step, now_ms); /* state vector -> policy -> guardrail */
    note_news(house, step);
    if (step->news && step->track->open_case != NULL)
        begin_attempt(house, step, now_ms);
}

void ns_pipeline_tick(ns_house *house, int64_t tick_ms, int64_t now_ms, ns_step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        steps[i].view = house->snapshot->pipelines[i];
        steps[i].track = &house->tracks[i];
        one_pipeline(house, &steps[i], tick_ms, now_ms);
        if (steps[i].news)
            house->ids.decision++;
    }
}
