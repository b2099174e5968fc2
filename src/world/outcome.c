/* What became of the incidents, and what would have become of them under two simple baselines. */
#include "world/world_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double bad_for_s(const ns_world *w, const ns_world_incident *incident)
{
    int64_t end_ms = incident->healed_ms >= 0 ? incident->healed_ms : w->now_ms;
    double seconds = (double)(end_ms - incident->first_bad_ms) / 1000.0;
    bool censored = incident->healed_by == NS_HEALED_abandoned;
    return censored ? w->scenario.censor_s : fmin(seconds, w->scenario.censor_s);
}

static void add_control(const ns_world_incident *control, ns_world_outcome *out)
{
    out->controls += control->over_ms >= 0 || control->action_count > 0;
    out->controls_with_action += control->action_count > 0;
}

static void add_incident(const ns_world *w, const ns_world_incident *incident, ns_world_outcome *out, int64_t *counted)
{
    bool by_action = incident->healed_by == NS_HEALED_action;
    out->incidents++;
    out->healable += incident->healable;
    out->by_cause[incident->cause]++;
    out->by_cause_healed_by_action[incident->cause] += by_action;
    out->healable_healed_by_action += by_action && incident->healable;
    out->healed_by_action += by_action;
    out->healed_by_itself += incident->healed_by == NS_HEALED_itself;
    out->healed_by_human += incident->healed_by == NS_HEALED_human;
    out->open += incident->healed_by == NS_HEALED_open || incident->healed_by == NS_HEALED_abandoned;
    out->mttr_s += bad_for_s(w, incident);
    ++*counted;
}

void ns_world_outcome_add(const ns_world *w, const ns_world_incident *incident, ns_world_outcome *out, int64_t *counted)
{
    for (size_t i = 0; i < incident->action_count && i < NS_WORLD_INCIDENT_ACTIONS; i++)
        out->actions[incident->action[i].action]++;
    if (incident->control)
        add_control(incident, out);
    else if (incident->first_bad_ms >= 0)
        add_incident(w, incident, out, counted);
}

void ns_world_outcome_of(const ns_world *w, ns_world_outcome *out)
{
    *out = w->past;
    int64_t counted = w->past_counted;
    int64_t oldest = w->incidents > NS_WORLD_INCIDENTS_KEPT ? w->incidents - NS_WORLD_INCIDENTS_KEPT + 1 : 1;
    for (int64_t id = oldest; id <= w->incidents; id++)
        ns_world_outcome_add(w, &w->incident[id % NS_WORLD_INCIDENTS_KEPT], out, &counted);
    out->mttr_s = counted == 0 ? NAN : out->mttr_s / (double)counted;
}

int64_t ns_world_incident_total(const ns_world *w)
{
    return w->incidents;
}

bool ns_world_incident_at(const ns_world *w, int64_t id, ns_world_incident *out)
{
    if (id < 1 || id > w->incidents || id <= w->incidents - NS_WORLD_INCIDENTS_KEPT)
        return false;
    *out = w->incident[id % NS_WORLD_INCIDENTS_KEPT];
    return true;
}

/* ---- baselines ---- */

#define ALERT_MS 300000 /* Sock Shop's own alert calls a person when its users suffer for so long */

/* The old way, per pipeline: build a red one again a few times, then call a person. It sees results, and the alert. */
typedef struct retrier {
    int64_t seen;   /* newest finished build looked at */
    int64_t due_ms; /* when the next try is due; -1 none */
    int32_t tries;
    bool told;
    int64_t alerted; /* incident of the cluster that a person was called for */
} retrier;

static bool alert_fires(const ns_world *w, size_t job, retrier *r)
{
    const ns_world_incident *incident = ns_world_incident_of(w, job);
    if (incident == NULL || !ns_world_incident_open(incident) || incident->id == r->alerted ||
        w->pipeline[job].condition[0].trouble == TROUBLE_none || incident->first_bad_ms < 0 ||
        w->now_ms - incident->first_bad_ms < ALERT_MS)
        return false;
    r->alerted = incident->id;
    return true;
}

static void look(const ns_world *w, size_t job, retrier *r)
{
    ns_world_job view;
    ns_world_job_at(w, job, &view);
    int64_t number = view.running != 0 ? view.newest_number - 1 : view.newest_number;
    ns_world_build b;
    if (number <= r->seen || !ns_world_build_at(w, job, number, &b) || b.in_progress)
        return;
    r->seen = number;
    if (b.result == NS_BUILD_SUCCESS) {
        *r = (retrier){.seen = number, .due_ms = -1, .alerted = r->alerted};
    } else if (b.result == NS_BUILD_FAILURE || b.result == NS_BUILD_UNSTABLE) {
        double delay_s = r->tries < w->scenario.naive_retry.max ? w->scenario.naive_retry.delay_s[r->tries] : 0;
        r->due_ms = w->now_ms + (int64_t)(delay_s * 1000.0);
    }
}

static void react(ns_world *w, size_t job, retrier *r)
{
    static const ns_world_request request = {.user = NS_WORLD_USER, .from = "baseline"};
    const pipeline *p = &w->pipeline[job];
    if (alert_fires(w, job, r))
        (void)!ns_world_escalate(w, job, "", &request, NULL);
    if (r->due_ms < 0 || r->due_ms > w->now_ms || p->running != 0 || p->waiting > 0)
        return;
    r->due_ms = -1;
    int64_t queue_id;
    bool merged;
    if (r->tries < w->scenario.naive_retry.max) {
        r->tries++;
        (void)!ns_world_trigger(w, job, NULL, 0, -1, &request, &queue_id, &merged, NULL);
    } else if (!r->told) {
        r->told = true;
        (void)!ns_world_escalate(w, job, "", &request, NULL);
    }
}

ns_status ns_world_counterfactual(const ns_scenario *scenario, uint64_t seed, int64_t start_ms, int64_t duration_ms,
                                  ns_baseline baseline, ns_world_outcome *out, ns_error *err)
{
    ns_world *w;
    ns_status status = ns_world_new(scenario, seed, start_ms, &w, err);
    if (status != NS_OK)
        return status;
    retrier retriers[NS_PIPELINES];
    for (size_t i = 0; i < NS_PIPELINES; i++)
        retriers[i] = (retrier){.seen = w->pipeline[i].next_number - 1, .due_ms = -1};
    int64_t step_ms = (int64_t)(scenario->step_s * 1000.0);
    int64_t end_ms = start_ms + duration_ms;
    for (int64_t at_ms = start_ms; at_ms < end_ms && baseline == NS_BASELINE_retry_then_human; at_ms += step_ms) {
        ns_world_advance(w, at_ms);
        for (size_t i = 0; i < NS_PIPELINES; i++) {
            look(w, i, &retriers[i]);
            react(w, i, &retriers[i]);
        }
    }
    ns_world_advance(w, end_ms);
    ns_world_outcome_of(w, out);
    ns_world_free(w);
    return NS_OK;
}
