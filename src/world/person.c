/*
 * The person on call: acknowledges, diagnoses, acts.
 *
 * Told by an escalation, the person acknowledges after the scenario's time. Untold, a red build is found in passing,
 * UNTOLD times as late. Then comes the diagnosis, then the act, which mends what is wrong with the scenario's success
 * probability and starts a build; when that fails too, diagnosis and act come once more. Nobody starts a build while
 * one of the same job is queued or running: a person first looks what comes of it.
 */
#include "world/world_state.h"

#define UNTOLD         4.0 /* assumption: how much later a red build is found that nobody was told of */
#define LOOK_AGAIN_MS  30000
#define SEES_RESULT_MS 600000 /* a rollout may take this long before a person doubts it */

static double spread_s(ns_rng *rng, ns_spread seconds)
{
    return (double)ns_world_spread_ms(rng, seconds) / 1000.0;
}

/* Drawn at the onset, whatever happens later: the same incident meets the same person under every policy. */
void ns_world_person_begin(ns_world *w, size_t job, int64_t period)
{
    person *who = &w->pipeline[job].person;
    ns_world_stream(w, &who->rng, "person", job, (uint64_t)period);
    who->state = PERSON_unaware;
    who->acknowledge_s = spread_s(&who->rng, w->scenario.human.acknowledge_s);
    who->diagnose_s = spread_s(&who->rng, w->scenario.human.diagnose_s);
    who->act_s = spread_s(&who->rng, w->scenario.human.act_s);
    ns_world_set_pipeline_timer(w, job, TIMER_person, NEVER);
}

void ns_world_person_stop(ns_world *w, size_t job)
{
    w->pipeline[job].person.state = PERSON_off;
    ns_world_set_pipeline_timer(w, job, TIMER_person, NEVER);
}

static void come_within(ns_world *w, size_t job, double seconds)
{
    int64_t at_ms = w->now_ms + (int64_t)(seconds * 1000.0);
    if (at_ms < w->due[job * TIMERS_PER_PIPELINE + TIMER_person])
        ns_world_set_pipeline_timer(w, job, TIMER_person, at_ms);
}

void ns_world_person_told(ns_world *w, size_t job)
{
    person *who = &w->pipeline[job].person;
    if (who->state == PERSON_unaware)
        come_within(w, job, who->acknowledge_s);
}

static double work_s(const ns_world *w, size_t job)
{
    const person *who = &w->pipeline[job].person;
    const ns_world_incident *incident = ns_world_incident_of(w, job);
    double factor = incident == NULL ? 1.0 : w->scenario.human.by_cause[incident->cause];
    return (who->diagnose_s + who->act_s) * factor;
}

void ns_world_person_sees_failure(ns_world *w, size_t job)
{
    person *who = &w->pipeline[job].person;
    if (who->state == PERSON_unaware) {
        come_within(w, job, who->acknowledge_s * UNTOLD);
    } else if (who->state == PERSON_watching) {
        who->state = PERSON_working;
        who->diagnose_s = spread_s(&who->rng, w->scenario.human.diagnose_s);
        who->act_s = spread_s(&who->rng, w->scenario.human.act_s);
        come_within(w, job, work_s(w, job));
    }
}

static const char *const people[] = {"ana", "bogdan", "chiara", "deniz", "emeka", "farah"};

/* True: a commit is part of it. */
static bool mend(ns_world *w, size_t job)
{
    pipeline *p = &w->pipeline[job];
    bool with_commit = false;
    for (size_t i = 0; i < CONDITIONS; i++) {
        condition *c = &p->condition[i];
        if (!c->active)
            continue;
        with_commit = with_commit || c->code;
        if (ns_rng_uniform(&p->person.rng) < w->scenario.human.success)
            ns_world_condition_mend(w, c, NS_ORIGIN_person);
    }
    return with_commit;
}

/* In the cluster: what is right is done at once, without a build; if it was not, it is done a while later. */
static void act_on_cluster(ns_world *w, size_t job, condition *c)
{
    person *who = &w->pipeline[job].person;
    if (ns_rng_uniform(&who->rng) < w->scenario.human.success) {
        ns_world_condition_mend(w, c, NS_ORIGIN_person);
        ns_cluster_person_acts(w, job);
    }
    who->diagnose_s = spread_s(&who->rng, w->scenario.human.diagnose_s);
    who->act_s = spread_s(&who->rng, w->scenario.human.act_s);
    ns_world_set_pipeline_timer(w, job, TIMER_person, w->now_ms + SEES_RESULT_MS + (int64_t)(work_s(w, job) * 1000.0));
}

static void act(ns_world *w, size_t job)
{
    person *who = &w->pipeline[job].person;
    condition *in_cluster = ns_world_cluster_condition(w, job);
    if (in_cluster != NULL) {
        act_on_cluster(w, job, in_cluster);
        return;
    }
    const char *name = people[ns_rng_below(&who->rng, NS_COUNT_OF(people))];
    if (mend(w, job))
        ns_world_new_commit(w, job, &who->rng, 1, false, name);
    if (ns_world_ordinary_build(w, job, NS_ORIGIN_person, name))
        who->state = PERSON_watching;
    else
        ns_world_set_pipeline_timer(w, job, TIMER_person, w->now_ms + LOOK_AGAIN_MS);
}

void ns_world_person_due(ns_world *w, size_t job)
{
    pipeline *p = &w->pipeline[job];
    ns_world_incident *incident = ns_world_incident_of(w, job);
    if (incident == NULL || !ns_world_incident_open(incident))
        return;
    if (p->person.state == PERSON_unaware) {
        p->person.state = PERSON_working;
        incident->person_knows = true;
        ns_world_note(w, "acknowledged", (int64_t)job, incident->id);
        come_within(w, job, work_s(w, job));
    } else if (p->person.state == PERSON_working) {
        if (p->running != 0 || p->waiting > 0 || p->disabled)
            ns_world_set_pipeline_timer(w, job, TIMER_person, w->now_ms + LOOK_AGAIN_MS);
        else
            act(w, job);
    }
}
