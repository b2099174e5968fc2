#include "daemon/scaled.h"

#include "base/mem.h"
#include "daemon/cluster_watch.h"
#include "daemon/settle.h"

#include <stdio.h>
#include <string.h>

enum {
    CALM_MS = 10 * 60 * 1000, /* before pods are taken back */
    TRIES_MOST = 3            /* refusals before they are left */
};
/* After pods were taken back the others must not be busier than this. */
static const double CPU_PERCENT_MOST = 60.0;

static void put(ns_house *house, ns_scaling_row *row)
{
    row->at_ms = ns_clock_now_ms(&house->clock);
    (void)ns_house_put(house, &(ns_row){.kind = NS_ROW_scaling, .of.scaling = row});
}

/* The end of what was owed, in the store, the audit and the log. */
static void settle_debt(ns_house *house, ns_scaling_row *row, ns_scaling_state state, const char *why)
{
    char what[NS_NAME_MAX], quoted[200];
    row->state = state;
    (void)ns_text_copy(row->why, sizeof row->why, ns_text_of(why));
    put(house, row);
    (void)snprintf(what, sizeof what, "scale_up_%s", ns_scaling_state_name(state));
    ns_house_audit(house, "neuroshield", what, row->deployment, why);
    ns_log(NS_LOG_INFO, "daemon", what, "deployment=%s from=%d to=%d key=%s why=%s", row->deployment,
           (int)row->replicas_from, (int)row->replicas_to, row->key, ns_log_quote(quoted, sizeof quoted, why));
}

/* ---- what is owed ---- */

static void new_debt(const ns_pipeline_view *view, const ns_effect *effect, int32_t from, ns_scaling_row *row)
{
    *row = (ns_scaling_row){.replicas_from = from};
    (void)ns_text_copy(row->deployment, sizeof row->deployment, ns_text_of(effect->deployment));
    (void)ns_text_copy(row->uid, sizeof row->uid, ns_text_of(view->cluster.uid));
    (void)ns_text_copy(row->jenkins_job, sizeof row->jenkins_job, ns_text_of(effect->jenkins_job));
}

/* After a restart the hands may read an acknowledgement before the source has seen the Deployment. */
static bool same_uid(const ns_scaling_row *row, const ns_deployment_view *cluster)
{
    return row->uid[0] == '\0' || cluster->uid[0] == '\0' || strcmp(row->uid, cluster->uid) == 0;
}

/* A second scale_up upon the first leads back to where the first began. */
static bool goes_on(const ns_scaling_row *row, const ns_pipeline_view *view, const ns_effect *effect, int64_t from)
{
    return row->state == NS_SCALING_owed && strcmp(row->deployment, effect->deployment) == 0 &&
           same_uid(row, &view->cluster) && (row->replicas_to == from || strcmp(row->key, effect->key) == 0);
}

void ns_scaled_note(ns_house *house, ns_track *track, const ns_effect *effect)
{
    int64_t from;
    if (effect->action != NS_ACTION_scale_up || effect->undo)
        return;
    if (!ns_text_int64(ns_text_of(effect->target), &from) || from < 1 || from >= effect->replicas)
        return; /* of an earlier version, which did not write down where it began */
    const ns_pipeline_view *view = house->snapshot->pipelines[track - house->tracks];
    if (track->scaled == NULL)
        track->scaled = NS_NEW(ns_scaling_row);
    ns_scaling_row *row = track->scaled;
    if (row == NULL) {
        ns_log(NS_LOG_ERROR, "daemon", "scale_up_not_noted", "deployment=%s status=NO_MEMORY", effect->deployment);
        return;
    }
    if (!goes_on(row, view, effect, from))
        new_debt(view, effect, (int32_t)from, row);
    row->replicas_to = effect->replicas;
    row->tries = 0;
    memcpy(row->key, effect->key, sizeof row->key);
    put(house, row);
}

/* ---- taking it back ---- */

/* Fresh facts, and from after the last change of what is owed. */
static bool can_tell(const ns_house *house, const ns_step *step, int64_t now_ms)
{
    const ns_deployment_view *cluster = &step->view->cluster;
    return cluster->at_ms > step->track->scaled->at_ms &&
           (double)ns_age_ms(cluster->at_ms, now_ms) <= house->settings->stale_after_s * 1000.0;
}

/* True: somebody else has decided about these pods, and that is told. */
static bool decided_by_others(ns_house *house, const ns_step *step)
{
    const ns_deployment_view *cluster = &step->view->cluster;
    ns_scaling_row *row = step->track->scaled;
    int64_t wanted = ns_deployment_fact_of(cluster, NS_DEPLOYMENT_replicas_wanted);
    char why[sizeof row->why];
    if (!cluster->exists)
        (void)snprintf(why, sizeof why, "the Deployment is gone");
    else if (strcmp(step->view->deployment, row->deployment) != 0)
        (void)snprintf(why, sizeof why, "the pipeline deploys to another Deployment now");
    else if (!same_uid(row, cluster))
        (void)snprintf(why, sizeof why, "the Deployment was made anew");
    else if (cluster->has_hpa == 1)
        (void)snprintf(why, sizeof why, "a HorizontalPodAutoscaler sets its replicas now");
    else if (wanted == row->replicas_from)
        (void)snprintf(why, sizeof why, "it has %lld replicas again", (long long)wanted);
    else if (wanted >= 0 && wanted != row->replicas_to)
        (void)snprintf(why, sizeof why, "somebody else has set %lld replicas", (long long)wanted);
    else
        return false;
    bool back = cluster->exists && wanted == row->replicas_from;
    settle_debt(house, row, back ? NS_SCALING_taken_back : NS_SCALING_kept, why);
    return true;
}

static bool calm_enough(const ns_house *house, const ns_step *step, int64_t now_ms)
{
    const ns_track *track = step->track;
    const ns_symptoms *symptoms = &track->symptoms;
    if (!symptoms->known || symptoms->bad || symptoms->calm_ms < 0 ||
        step->view->cluster.rollout != NS_ROLLOUT_complete)
        return false;
    int64_t since_ms = symptoms->calm_ms > track->closed_ms ? symptoms->calm_ms : track->closed_ms;
    if (now_ms - since_ms < CALM_MS)
        return false;
    ns_value cpu = ns_snapshot_signal(house->snapshot, step->view, NS_SIGNAL_deployment_cpu);
    double busier = (double)track->scaled->replicas_to / (double)track->scaled->replicas_from;
    return ns_value_known(cpu) && cpu.value * busier <= CPU_PERCENT_MOST;
}

/* What the guardrails say about taking it back: what they hold up now may be tried later. */
static ns_verdict_kind judge(const ns_house *house, const ns_step *step, int64_t now_ms)
{
    const ns_decision decision = {.action = NS_ACTION_scale_up, .probability = 1};
    ns_case would_be;
    ns_case_open(&would_be, house->ids.a_case + 1, step->view->jenkins_job, 0, NS_CAUSE_overload, now_ms, now_ms);
    const ns_judged judged = {.decision = &decision,
                              .snapshot = house->snapshot,
                              .view = step->view,
                              .open_case = &would_be,
                              .measured = true,
                              .now_ms = now_ms};
    ns_verdict verdict;
    ns_guardrails_judge(house->rails, &judged, &verdict);
    return verdict.kind;
}

static void begin(ns_house *house, ns_step *step, bool ask, int64_t now_ms)
{
    ns_track *track = step->track;
    ns_cluster_open_case(house, step, NS_CAUSE_overload, now_ms, now_ms);
    if (track->open_case == NULL)
        return;
    ns_effect effect;
    ns_case_begin_attempt(track->open_case, house->key_seed, NS_ACTION_scale_up, &effect);
    effect.undo = true;
    effect.replicas = track->scaled->replicas_from;
    (void)snprintf(effect.target, sizeof effect.target, "%d", (int)track->scaled->replicas_to);
    ns_case_event event = {
        .kind = ask ? NS_EVENT_asked : NS_EVENT_decided,
        .at_ms = now_ms,
        .effect = &effect,
        .deadline_ms = ask ? now_ms + (int64_t)(house->settings->approval_wait_s * 1000.0) : 0,
    };
    step->case_changed |= ns_settle_event(house, track, &event);
    (void)ns_text_copy(track->open_case->reason, sizeof track->open_case->reason,
                       NS_TEXT("pods that were added are taken back: it has been calm"));
    track->asked_again = 0;
    track->give_up_ms = 0;
}

void ns_scaled_watch(ns_house *house, ns_step *step, int64_t now_ms)
{
    ns_scaling_row *row = step->track->scaled;
    if (row == NULL || row->state != NS_SCALING_owed || !can_tell(house, step, now_ms) ||
        decided_by_others(house, step) || !calm_enough(house, step, now_ms))
        return;
    if (row->uid[0] == '\0') /* goes to disk with the next change; until then this start's word is enough */
        (void)ns_text_copy(row->uid, sizeof row->uid, ns_text_of(step->view->cluster.uid));
    ns_verdict_kind verdict = judge(house, step, now_ms);
    if (verdict == NS_VERDICT_act || verdict == NS_VERDICT_ask)
        begin(house, step, verdict == NS_VERDICT_ask, now_ms);
}

/* ---- its case ---- */

bool ns_scaled_case(const ns_case *a_case)
{
    return a_case->effect.undo && !a_case->unsure;
}

/* An attempt that ended without taking anything back. One that a crash kept from being prepared is none. */
static void came_to_nothing(ns_house *house, const ns_case *c, ns_scaling_row *row)
{
    if (row == NULL || c->state == NS_CASE_watching)
        return;
    row->tries++;
    if (row->tries >= TRIES_MOST)
        settle_debt(house, row, NS_SCALING_kept, "taking the pods back was refused three times");
    else
        put(house, row);
}

void ns_scaled_settle(ns_house *house, ns_step *step, int64_t now_ms)
{
    ns_track *track = step->track;
    ns_case_want want = ns_case_wants(track->open_case);
    ns_case_event end = {.at_ms = now_ms};
    if (want == NS_WANT_verify && ns_cluster_rolled_out(step)) {
        /* Its row goes first: a restart that finds the case closed must not find the pods owed. */
        if (track->scaled != NULL)
            settle_debt(house, track->scaled, NS_SCALING_taken_back, "it has been calm");
        end.kind = NS_EVENT_undone;
        (void)ns_settle_event(house, track, &end);
        end.kind = NS_EVENT_healed_by_other;
        end.healed_by = NS_HEALED_action;
    } else if (want == NS_WANT_decide) {
        came_to_nothing(house, track->open_case, track->scaled);
        end.kind = NS_EVENT_give_up;
    } else {
        return;
    }
    step->case_changed |= ns_settle_event(house, track, &end);
    track->closed_ms = now_ms; /* the next try waits for as long as the first */
}

void ns_scaled_unsure(ns_house *house, ns_track *track)
{
    if (track->scaled != NULL && track->scaled->state == NS_SCALING_owed)
        settle_debt(house, track->scaled, NS_SCALING_kept,
                    "whether the pods were taken back could not be told: a person has to look");
}

/* ---- a restart ---- */

typedef struct debts_back {
    ns_house *house;
    int64_t cursor;
    size_t seen;
    bool failed;
} debts_back;

static bool take_back(void *owner, const ns_row *row, int64_t cursor)
{
    debts_back *back = owner;
    ns_house *house = back->house;
    back->cursor = cursor;
    back->seen++;
    const ns_scaling_row *debt = row->of.scaling;
    ns_pipeline_view *view = ns_snapshot_pipeline(house->snapshot, ns_text_of(debt->jenkins_job));
    ns_track *track = view == NULL || ns_house_tracks(house) != NS_OK ? NULL : ns_house_track(house, view);
    back->failed = track == NULL;
    if (track == NULL ||
        track->scaled != NULL) /* the newest comes first; what the pipeline deployed before is no longer ours */
        return !back->failed;
    track->scaled = NS_NEW(ns_scaling_row);
    back->failed = track->scaled == NULL;
    if (!back->failed)
        *track->scaled = *debt;
    return !back->failed;
}

ns_status ns_scaled_read_back(ns_house *house, ns_error *err)
{
    enum { PAGE = 1000 };
    debts_back back = {.house = house, .seen = PAGE};
    while (back.seen == PAGE) {
        ns_row_query query = {.kind = NS_ROW_scaling, .open_only = true, .limit = PAGE, .after = back.cursor};
        back.seen = 0;
        ns_status status = house->store.list(house->store.self, &query, take_back, &back, err);
        if (status != NS_OK)
            return status;
        if (back.failed)
            return ns_fail(err, NS_NO_MEMORY, "no memory to read back what was scaled up");
    }
    return NS_OK;
}
