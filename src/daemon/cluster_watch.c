#include "daemon/cluster_watch.h"

#include "base/mem.h"
#include "daemon/scaled.h"
#include "daemon/settle.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    SURE_MS = 20 * 1000,       /* so long it must be bad before a case is opened: one odd measurement is none */
    PROVEN_MS = 6 * 60 * 1000, /* a template that was good for so long is one to go back to */
    AGED_MS = 60 * 60 * 1000,  /* or that was there for so long before, without a restart, */
    SEEN_MS = 60 * 1000,       /* and was seen to be good for so long */
    APART_MS = 30 * 1000,      /* good for so long in between: what comes then is another incident */
};

bool ns_cluster_case(const ns_case *a_case)
{
    return a_case != NULL && a_case->build == 0;
}

bool ns_cluster_waits(const ns_step *step)
{
    const ns_case *c = step->track->open_case;
    return ns_cluster_case(c) && !c->unsure && !step->track->symptoms.bad;
}

static int64_t stale_after_ms(const ns_house *house)
{
    return (int64_t)(house->settings->stale_after_s * 1000.0);
}

static int64_t fact(const ns_step *step, ns_deployment_fact which)
{
    return ns_deployment_fact_of(&step->view->cluster, which);
}

/* ---- what is known to be good ---- */

static void put_revision(ns_house *house, const ns_pipeline_view *view, int64_t now_ms)
{
    const ns_deployment_view *cluster = &view->cluster;
    ns_revision_row row = {.revision = ns_deployment_fact_of(cluster, NS_DEPLOYMENT_revision), .at_ms = now_ms};
    (void)ns_text_copy(row.deployment, sizeof row.deployment, ns_text_of(view->deployment));
    (void)ns_text_copy(row.uid, sizeof row.uid, ns_text_of(cluster->uid));
    (void)ns_text_copy(row.template_hash, sizeof row.template_hash, ns_text_of(cluster->template_hash));
    (void)ns_text_copy(row.image, sizeof row.image, ns_text_of(cluster->image));
    (void)ns_house_put(house, &(ns_row){.kind = NS_ROW_revision, .of.revision = &row});
}

/* What the ledger says about this very Deployment, from before this start: the template verified last. */
static void recall(const ns_house *house, ns_pipeline_view *view)
{
    ns_deployment_view *cluster = &view->cluster;
    const ns_revision_row *newest = NULL;
    for (size_t i = 0; i < house->revision_count; i++) {
        const ns_revision_row *row = &house->revisions[i];
        if (strcmp(row->deployment, view->deployment) == 0 && strcmp(row->uid, cluster->uid) == 0 &&
            (newest == NULL || row->at_ms > newest->at_ms))
            newest = row;
    }
    if (newest == NULL)
        return;
    memcpy(cluster->verified_hash, newest->template_hash, sizeof cluster->verified_hash);
    memcpy(cluster->verified_image, newest->image, sizeof cluster->verified_image);
    cluster->verified_revision = newest->revision;
}

/* Seen good for long enough; or it has been there for much longer without a restart, and is good as far as it was seen.
 */
static bool proven(const ns_step *step, int64_t now_ms)
{
    const ns_deployment_view *cluster = &step->view->cluster;
    int64_t good_ms = now_ms - step->track->good_ms;
    bool aged =
        cluster->since_ms >= 0 && now_ms - cluster->since_ms >= AGED_MS && fact(step, NS_DEPLOYMENT_restarts) == 0;
    return good_ms >= PROVEN_MS || (aged && good_ms >= SEEN_MS);
}

/* Rolled out whole, no symptom, for PROVEN_MS under this very template. */
static void learn(ns_house *house, ns_step *step, int64_t now_ms)
{
    ns_track *track = step->track;
    ns_deployment_view *cluster = &step->view->cluster;
    const ns_symptoms *symptoms = &track->symptoms;
    if (cluster->verified_hash[0] == '\0' && cluster->uid[0] != '\0')
        recall(house, step->view);
    bool good = symptoms->known && !symptoms->bad && cluster->rollout == NS_ROLLOUT_complete;
    if (!good || strcmp(track->good_hash, cluster->template_hash) != 0)
        track->good_ms = good ? now_ms : -1;
    (void)ns_text_copy(track->good_hash, sizeof track->good_hash, ns_text_of(good ? cluster->template_hash : ""));
    if (!good || !proven(step, now_ms) || strcmp(cluster->verified_hash, cluster->template_hash) == 0)
        return;
    (void)ns_text_copy(cluster->verified_hash, sizeof cluster->verified_hash, ns_text_of(cluster->template_hash));
    (void)ns_text_copy(cluster->verified_image, sizeof cluster->verified_image, ns_text_of(cluster->image));
    cluster->verified_revision = fact(step, NS_DEPLOYMENT_revision);
    put_revision(house, step->view, now_ms);
    ns_log(NS_LOG_INFO, "daemon", "revision_verified", "deployment=%s template=%s revision=%lld",
           step->view->deployment, cluster->verified_hash, (long long)cluster->verified_revision);
}

/* ---- cases ---- */

void ns_cluster_open_case(ns_house *house, ns_step *step, ns_cause cause, int64_t first_bad_ms, int64_t now_ms)
{
    ns_case *fresh = NS_NEW(ns_case);
    if (fresh == NULL) {
        ns_log(NS_LOG_ERROR, "daemon", "case_not_opened", "status=NO_MEMORY");
        return;
    }
    ns_case_open(fresh, ++house->ids.a_case, step->view->jenkins_job, 0, cause, first_bad_ms, now_ms);
    step->track->open_case = fresh;
    step->track->awaiting = false;
    step->track->commit_wait = 0;
    step->track->told_state = NS_CASE_watching;
    step->track->told_attempt = 0;
    house->counts.cases_opened++;
    (void)ns_text_copy(fresh->symptom, sizeof fresh->symptom, ns_text_of(step->track->symptoms.why));
    step->opened = true;
    step->case_changed = true;
}

static void event(ns_house *house, ns_step *step, ns_case_event_kind kind, int64_t now_ms)
{
    ns_case_event one = {.kind = kind, .at_ms = now_ms};
    if (kind == NS_EVENT_effect_seen)
        one.deadline_ms = now_ms + (int64_t)(house->settings->verify_wait_s * 1000.0);
    step->case_changed |= ns_settle_event(house, step->track, &one);
}

/* The facts are younger than the request, and say that the rollout it led to has come to its end. */
bool ns_cluster_rolled_out(const ns_step *step)
{
    const ns_deployment_view *cluster = &step->view->cluster;
    return cluster->at_ms > step->track->open_case->last_action_ms && cluster->rollout == NS_ROLLOUT_complete &&
           cluster->observed_generation >= cluster->generation;
}

static bool good_again(const ns_step *step, int64_t from_ms, int64_t now_ms)
{
    const ns_symptoms *symptoms = &step->track->symptoms;
    if (!symptoms->known || symptoms->bad || symptoms->calm_ms < 0)
        return false;
    int64_t since_ms = symptoms->calm_ms > from_ms ? symptoms->calm_ms : from_ms;
    return now_ms - since_ms >= ns_symptoms_calm_needed(step->track->open_case->cause);
}

static void verify(ns_house *house, ns_step *step, int64_t now_ms)
{
    const ns_symptoms *symptoms = &step->track->symptoms;
    const ns_case *c = step->track->open_case;
    if (c->state == NS_CASE_acknowledged && ns_cluster_rolled_out(step))
        event(house, step, NS_EVENT_effect_seen, now_ms);
    else if (c->state == NS_CASE_acknowledged && step->view->cluster.rollout == NS_ROLLOUT_failed)
        event(house, step, NS_EVENT_signal_bad, now_ms);
    if (c->state != NS_CASE_verifying)
        return;
    int64_t done_ms = c->changed_ms; /* since when it is rolled out */
    bool again = symptoms->restart_ms > done_ms;
    if (good_again(step, done_ms, now_ms)) {
        step->track->closed_ms = now_ms;
        event(house, step, NS_EVENT_signal_good, now_ms);
    } else if (symptoms->bad && (again || now_ms - done_ms >= ns_symptoms_grace(c->cause))) {
        event(house, step, NS_EVENT_signal_bad, now_ms);
    }
}

/* It had been good for a while, and now something else is wrong: an incident of its own. Else one case would swallow
 * all that comes after, as nothing stays good for long enough to close it; and once a person was told, nothing more
 * would be done about any of it. */
static bool is_another_fault(const ns_step *step)
{
    const ns_symptoms *symptoms = &step->track->symptoms;
    const ns_case *c = step->track->open_case;
    return symptoms->bad && symptoms->cause != NS_CAUSE_none && symptoms->cause != c->cause &&
           symptoms->spell_ms >= APART_MS && symptoms->since_ms - symptoms->spell_ms >= c->opened_ms;
}

/* Whether our attempt helped was not seen for long enough to say so: the case ends without its praise. */
static void close_before_another(ns_house *house, ns_step *step, int64_t now_ms)
{
    if (now_ms - step->track->symptoms.since_ms < SURE_MS)
        return;
    step->track->closed_ms = now_ms;
    event(house, step, NS_EVENT_healed_by_other, now_ms);
}

static void settle_case(ns_house *house, ns_step *step, int64_t now_ms)
{
    ns_case *c = step->track->open_case;
    const ns_symptoms *symptoms = &step->track->symptoms;
    if (ns_scaled_case(c)) {
        ns_scaled_settle(house, step, now_ms);
        return;
    }
    if (c->effect.undo)
        ns_scaled_unsure(house, step->track);
    ns_case_want want = ns_case_wants(c);
    if (want != NS_WANT_verify && want != NS_WANT_decide && want != NS_WANT_none && want != NS_WANT_send)
        return; /* send: it had not been sent, and would be now */
    if (is_another_fault(step)) {
        close_before_another(house, step, now_ms);
        return;
    }
    if (want == NS_WANT_verify) {
        verify(house, step, now_ms);
        return;
    }
    if (symptoms->bad && symptoms->cause != NS_CAUSE_none && symptoms->cause != c->cause) {
        c->cause = symptoms->cause; /* it shows more clearly now */
        (void)ns_text_copy(c->symptom, sizeof c->symptom, ns_text_of(symptoms->why));
        step->case_changed = true;
    }
    if (good_again(step, c->opened_ms, now_ms)) {
        step->track->closed_ms = now_ms;
        event(house, step, NS_EVENT_healed_by_other, now_ms);
    }
}

/* ---- the watch ---- */

void ns_cluster_watch(ns_house *house, ns_step *step, int64_t now_ms)
{
    ns_track *track = step->track;
    if (track->open_case != NULL && !ns_case_is_open(track->open_case))
        return; /* closed in this very tick: carry_out stores it first */
    ns_symptoms_look(&track->symptom_memory, house->snapshot, step->view, now_ms, stale_after_ms(house),
                     &track->symptoms);
    learn(house, step, now_ms);
    const ns_symptoms *symptoms = &track->symptoms;
    if (ns_cluster_case(track->open_case)) {
        settle_case(house, step, now_ms);
        return;
    }
    if (track->open_case != NULL)
        return;
    if (symptoms->known && symptoms->bad && now_ms - symptoms->since_ms >= SURE_MS)
        ns_cluster_open_case(house, step, symptoms->cause, symptoms->since_ms, now_ms);
    else
        ns_scaled_watch(house, step, now_ms);
}

void ns_cluster_ask_rights(ns_house *house)
{
    for (size_t h = 0; h < house->hands_count; h++) {
        const ns_hands *hands = &house->hands[h];
        for (size_t i = 0; hands->rights != NULL && i < house->snapshot->pipeline_count; i++) {
            ns_pipeline_view *view = house->snapshot->pipelines[i];
            if (view->deployment[0] != '\0' && !view->gone)
                hands->rights(hands->self, view->deployment, &view->cluster.rights);
        }
    }
}

ns_action_mask ns_cluster_possible(const ns_house *house, const ns_step *step, int64_t now_ms)
{
    const ns_deployment_view *cluster = &step->view->cluster;
    const ns_case *c = step->track->open_case;
    ns_action_mask possible = 0;
    bool fresh = cluster->at_ms >= 0 && now_ms - cluster->at_ms <= stale_after_ms(house);
    if (!ns_cluster_case(c) || c->effect.undo || c->unsure || !fresh || !cluster->exists)
        return 0;
    int64_t wanted = fact(step, NS_DEPLOYMENT_replicas_wanted);
    int64_t most = ns_settings_max_replicas(house->settings, step->view->jenkins_job);
    if (wanted > 0 && cluster->has_hpa != 1 && ns_scale_up_target(wanted, most) > wanted)
        possible |= NS_ACTION_BIT(NS_ACTION_scale_up);
    if (cluster->paused != 1 && cluster->verified_hash[0] != '\0' &&
        strcmp(cluster->verified_hash, cluster->template_hash) != 0)
        possible |= NS_ACTION_BIT(NS_ACTION_rollback);
    if (cluster->paused != 1 && wanted > 0)
        possible |= NS_ACTION_BIT(NS_ACTION_restart_pods);
    return possible;
}

void ns_cluster_fill(const ns_house *house, const ns_step *step, ns_effect *effect)
{
    int64_t wanted = fact(step, NS_DEPLOYMENT_replicas_wanted);
    int64_t most = ns_settings_max_replicas(house->settings, step->view->jenkins_job);
    if (effect->action == NS_ACTION_scale_up && wanted > 0) {
        effect->replicas = ns_scale_up_target(wanted, most);
        (void)snprintf(effect->target, sizeof effect->target, "%d", (int)wanted);
    } else if (effect->action == NS_ACTION_rollback) {
        (void)ns_text_copy(effect->target, sizeof effect->target, ns_text_of(step->view->cluster.verified_hash));
    }
}
