#include "daemon/settle.h"

#include "base/mem.h"
#include "daemon/cluster_watch.h"

#include <string.h>

/* How long a failed build's outcome waits for the prediction over its whole log: world time, and real time, as a scorer
 * thinks no quicker on a quick world. */
enum { FINAL_WAIT_MS = 60 * 1000, FINAL_WAIT_REAL_MS = 2000 };
/* A failure older than this when the daemon first sees the pipeline is history, not an incident. */
enum { OLD_FAILURE_MS = 30 * 60 * 1000 };

static void count_event(ns_house *house, const ns_case *before, const ns_case *after, ns_case_event_kind kind)
{
    ns_counts *counts = &house->counts;
    switch (kind) {
    case NS_EVENT_approved:
        counts->approved++;
        break;
    case NS_EVENT_rejected:
        counts->rejected++;
        break;
    case NS_EVENT_overridden:
        counts->overridden++;
        break;
    case NS_EVENT_undone:
        counts->undone++;
        break;
    default:
        break;
    }
    if (after->escalated && !before->escalated)
        counts->escalated++;
    if (after->state == NS_CASE_inconclusive && before->state != NS_CASE_inconclusive)
        counts->inconclusive++;
}

/* The circuit breaker learns from every attempt whose result could be told. */
static void note_outcome(ns_house *house, const ns_case *before, const ns_case_event *event)
{
    bool helped = event->kind == NS_EVENT_build_success || event->kind == NS_EVENT_signal_good;
    if (!helped && event->kind != NS_EVENT_build_failure && event->kind != NS_EVENT_signal_bad)
        return;
    if (helped) {
        house->counts.verified++;
        house->counts.helped[before->effect.action]++;
    }
    ns_guardrails_note_outcome(house->rails, before->jenkins_job, before->effect.action, helped, event->at_ms);
}

bool ns_settle_event(ns_house *house, ns_track *track, const ns_case_event *event)
{
    ns_case before = *track->open_case;
    if (!ns_case_step(track->open_case, event))
        return false;
    ns_case *after = track->open_case;
    count_event(house, &before, after, event->kind);
    note_outcome(house, &before, event);
    if (!ns_case_is_open(after)) {
        after->reward = ns_reward_of_case(&house->caps, after, event->at_ms);
        house->counts.healed_by[after->healed_by]++;
    }
    return true;
}

/* Is this the build that our present attempt led to? By its key, else by number, else by the queue item. */
static bool is_ours(const ns_track *track, const ns_build *build)
{
    const ns_case *c = track->open_case;
    if (c == NULL || c->effect.key[0] == '\0' || build->number <= c->build)
        return false;
    if (build->key[0] != '\0')
        return strcmp(build->key, c->effect.key) == 0;
    return build->number == c->result_build || (c->effect.queue_id > 0 && build->queue_id == c->effect.queue_id);
}

static ns_healed_by healer_of(const ns_build *build, const ns_case *c)
{
    switch (build->trigger) {
    case NS_TRIGGER_user:
    case NS_TRIGGER_replay:
        return NS_HEALED_human;
    case NS_TRIGGER_scm: /* a commit after we called a person is taken for that person's */
        return c->escalated ? NS_HEALED_human : NS_HEALED_itself;
    case NS_TRIGGER_neuroshield: /* an earlier attempt of ours that came through late */
        return NS_HEALED_action;
    default:
        return NS_HEALED_itself;
    }
}

static int64_t end_of(const ns_build *build, int64_t now_ms)
{
    if (build->started_ms < 0 || build->duration_ms < 0)
        return now_ms;
    int64_t end = build->started_ms + build->duration_ms;
    return end < now_ms ? end : now_ms;
}

static void open_case(ns_house *house, ns_step *step, const ns_build *build, int64_t now_ms)
{
    ns_case *fresh = NS_NEW(ns_case);
    if (fresh == NULL) {
        ns_log(NS_LOG_ERROR, "daemon", "case_not_opened", "status=NO_MEMORY");
        return;
    }
    const ns_build_entry *entry = ns_house_build(house, step->track, build->number, false);
    ns_cause cause = entry != NULL && entry->has_prediction ? entry->prediction.cause : NS_CAUSE_none;
    ns_case_open(fresh, ++house->ids.a_case, step->view->jenkins_job, build->number, cause, end_of(build, now_ms),
                 now_ms);
    step->track->open_case = fresh;
    step->track->awaiting = false;
    step->track->commit_wait = 0;
    step->track->told_state = NS_CASE_watching; /* case_opened says so */
    step->track->told_attempt = 0;
    house->counts.cases_opened++;
    step->opened = true;
    step->case_changed = true;
}

static void outcome_of_attempt(ns_house *house, ns_step *step, const ns_build *build, int64_t now_ms)
{
    ns_case_event event = {.kind = build->result == NS_BUILD_SUCCESS ? NS_EVENT_build_success
                                   : ns_build_failed(build)          ? NS_EVENT_build_failure
                                                                     : NS_EVENT_build_other,
                           .at_ms = now_ms,
                           .build = build->number};
    if (!ns_settle_event(house, step->track, &event))
        return;
    step->case_changed = true;
    if (ns_build_failed(build)) /* what is repeated next is the newest failure */
        step->track->open_case->build = build->number;
}

/* A build that somebody else started ended while a case is open. */
static void outcome_of_other(ns_house *house, ns_step *step, const ns_build *build, int64_t now_ms)
{
    ns_case *c = step->track->open_case;
    if (build->result == NS_BUILD_SUCCESS) {
        ns_case_event event = {.kind = NS_EVENT_healed_by_other,
                               .at_ms = now_ms,
                               .build = build->number,
                               .healed_by = healer_of(build, c)};
        step->case_changed |= ns_settle_event(house, step->track, &event);
    } else if (ns_build_failed(build) && ns_case_wants(c) == NS_WANT_decide) {
        c->build = build->number;
        step->case_changed = true;
    }
}

/* Whether our present request was done is being sought. Until that is told, no build can be called somebody else's. */
static bool fate_is_open(const ns_case *c)
{
    ns_case_want want = c == NULL ? NS_WANT_none : ns_case_wants(c);
    return (want == NS_WANT_wait || want == NS_WANT_reconcile) && c->effect.action != NS_ACTION_escalate;
}

static int64_t final_wait_ms(const ns_house *house)
{
    int64_t real_ms = (int64_t)(FINAL_WAIT_REAL_MS * house->clock.speed);
    return real_ms > FINAL_WAIT_MS ? real_ms : FINAL_WAIT_MS;
}

/* False: its time has not come, the last word about its log is still awaited. */
static bool outcome_is_ripe(ns_house *house, ns_step *step, const ns_build *build, int64_t now_ms)
{
    if (!ns_build_failed(build))
        return true;
    const ns_build_entry *entry = ns_house_build(house, step->track, build->number, false);
    if (entry == NULL || entry->final)
        return true;
    return entry->finished_ms >= 0 && now_ms - entry->finished_ms >= final_wait_ms(house);
}

static bool outcome(ns_house *house, ns_step *step, const ns_build *build, int64_t now_ms)
{
    ns_track *track = step->track;
    if (!outcome_is_ripe(house, step, build, now_ms))
        return false;
    if (track->open_case != NULL && !ns_case_is_open(track->open_case))
        return false; /* closed in this very tick: carry_out stores it first */
    if (fate_is_open(track->open_case) && !ns_cluster_case(track->open_case))
        return false;
    if (ns_cluster_case(track->open_case) && ns_build_failed(build))
        return false; /* one case at a time: this failure's turn comes when the Deployment's is over */
    if (build->result == NS_BUILD_SUCCESS)
        track->failure_streak = 0;
    else if (ns_build_failed(build))
        track->failure_streak++;
    if (track->open_case == NULL) {
        if (ns_build_failed(build))
            open_case(house, step, build, now_ms);
    } else if (ns_cluster_case(track->open_case)) {
        /* A build tells nothing about a Deployment that does badly. */
    } else if (is_ours(track, build)) {
        outcome_of_attempt(house, step, build, now_ms);
    } else {
        outcome_of_other(house, step, build, now_ms);
    }
    track->handled_build = build->number;
    return true;
}

/* At the first look all but a fresh failure is history. */
static void first_look(const ns_step *step, int64_t now_ms)
{
    ns_track *track = step->track;
    const ns_build *newest = &step->view->completed;
    if (!track->first_look || newest->number == 0)
        return;
    track->first_look = false;
    if (track->open_case != NULL) { /* read back after a restart: go on behind the build that opened it */
        track->handled_build = track->open_case->build > 0 ? track->open_case->build : newest->number;
        return;
    }
    track->handled_build = newest->number;
    track->failure_streak = 0;
    for (size_t i = 0; i < step->view->build_count; i++) { /* newest first */
        const ns_build *build = &step->view->builds[i];
        if (build->result == NS_BUILD_SUCCESS)
            break;
        track->failure_streak += ns_build_failed(build);
    }
    if (ns_build_failed(newest) && now_ms - end_of(newest, now_ms) <= OLD_FAILURE_MS) {
        track->handled_build = newest->number - 1;
        track->failure_streak--;
    }
}

/* The build our attempt led to has begun. */
static void look_for_effect(ns_house *house, ns_step *step, int64_t now_ms)
{
    const ns_case *c = step->track->open_case;
    if (c == NULL || c->state != NS_CASE_acknowledged)
        return;
    for (size_t i = 0; i < step->view->build_count; i++) {
        const ns_build *build = &step->view->builds[i];
        if (!is_ours(step->track, build))
            continue;
        ns_case_event event = {.kind = NS_EVENT_effect_seen,
                               .at_ms = now_ms,
                               .build = build->number,
                               .deadline_ms = now_ms + (int64_t)(house->settings->verify_wait_s * 1000.0)};
        step->case_changed |= ns_settle_event(house, step->track, &event);
        return;
    }
}

void ns_settle(ns_house *house, ns_step *step, int64_t now_ms)
{
    ns_track *track = step->track;
    first_look(step, now_ms);
    look_for_effect(house, step, now_ms);
    for (size_t i = step->view->build_count; i-- > 0;) { /* oldest first */
        const ns_build *build = &step->view->builds[i];
        if (build->running || build->result == NS_BUILD_unknown || build->number <= track->handled_build)
            continue;
        if (!outcome(house, step, build, now_ms))
            break;
    }
    ns_cluster_watch(house, step, now_ms);
    if (track->open_case == NULL)
        return;
    if (step->view->gone) {
        ns_case_event gone = {.kind = NS_EVENT_pipeline_gone, .at_ms = now_ms};
        step->case_changed |= ns_settle_event(house, track, &gone);
    } else if (track->open_case->deadline_ms >= 0 && now_ms >= track->open_case->deadline_ms) {
        ns_case_event late = {.kind = NS_EVENT_deadline, .at_ms = now_ms};
        step->case_changed |= ns_settle_event(house, track, &late);
    }
}
