/*
 * What goes wrong, and when: every pipeline lives through periods, each a control or an incident.
 *
 * Causes come from shuffled decks. A deck is filled by systematic sampling over the cumulative shares, with a start
 * that wanders by the golden ratio from deck to deck, so any few decks hold every cause in its proportion; period k of
 * pipeline p takes card k * pipelines + p. Cause, severity, length and due time of a period follow from the seed alone:
 * the same incidents meet every policy.
 */
#include "world/world_state.h"

#include <math.h>
#include <string.h>

#define DECK         24
#define BUSY_MS      15000 /* a period that finds its pipeline busy tries again after this */
#define GAP_MS       60000 /* at least so long between the end of an incident and the next period */
#define DAY_MS       86400000.0
#define UNNOTICED_MS 3600000 /* what is wrong in the cluster and has hurt nobody by then is forgotten */

/* ---- decks ---- */

/* The cause whose slice of the cumulative shares holds point (0..1); none stands for control. */
static ns_cause cause_at(const ns_scenario *s, double point)
{
    double weights = 0;
    for (size_t i = 0; i < NS_CAUSE_COUNT; i++)
        weights += s->cause[i].weight;
    double share = weights > 0 ? s->control_share : 1.0;
    double up_to = share;
    ns_cause last = NS_CAUSE_none;
    for (size_t i = 0; point >= up_to && i < NS_CAUSE_COUNT; i++) {
        if (s->cause[i].weight <= 0)
            continue;
        last = (ns_cause)i;
        up_to += (1.0 - share) * s->cause[i].weight / weights;
    }
    return last;
}

static ns_cause card(const ns_world *w, uint64_t n)
{
    uint64_t deck_number = n / DECK;
    ns_rng rng;
    ns_world_stream(w, &rng, "deck start", 0, 0);
    double start = fmod(ns_rng_uniform(&rng) + (double)deck_number * 0.6180339887498949, 1.0);
    ns_cause deck[DECK];
    for (size_t i = 0; i < DECK; i++)
        deck[i] = cause_at(&w->scenario, ((double)i + start) / DECK);
    ns_world_stream(w, &rng, "deck order", deck_number, 0);
    for (size_t i = DECK - 1; i > 0; i--) {
        size_t j = (size_t)ns_rng_below(&rng, i + 1);
        ns_cause kept = deck[i];
        deck[i] = deck[j];
        deck[j] = kept;
    }
    return deck[n % DECK];
}

/* ---- conditions ---- */

typedef struct cause_nature {
    ns_stage_kind stage; /* where it shows */
    bool code;           /* the commit is at fault */
    bool chance;         /* meets a build with probability severity, not always */
    bool on_agent;       /* sits on one agent */
} cause_nature;

static const cause_nature natures[NS_CAUSE_COUNT] = {
    [NS_CAUSE_compile_error] = {NS_STAGE_compile, .code = true},
    [NS_CAUSE_test_failure] = {NS_STAGE_test, .code = true},
    [NS_CAUSE_flaky_test] = {NS_STAGE_test, .chance = true},
    [NS_CAUSE_dependency] = {NS_STAGE_dependencies, .code = true},
    [NS_CAUSE_registry_outage] = {.stage = NS_STAGE_dependencies},
    [NS_CAUSE_out_of_memory] = {NS_STAGE_test, .on_agent = true},
    [NS_CAUSE_disk_full] = {NS_STAGE_package, .on_agent = true},
    [NS_CAUSE_timeout] = {NS_STAGE_test, .chance = true},
    [NS_CAUSE_agent_lost] = {NS_STAGE_KINDS, .chance = true, .on_agent = true},
    [NS_CAUSE_config] = {NS_STAGE_package, .code = true},
    /* Of the cluster: no stage of a build meets them, see `trouble`. */
    [NS_CAUSE_bad_release] = {NS_STAGE_KINDS, .code = true},
    [NS_CAUSE_overload] = {.stage = NS_STAGE_KINDS},
};

static bool healable(const condition *c)
{
    if (c->trouble != TROUBLE_none)
        return true;
    if (c->code)
        return false;
    /* An outage that only a person ends is cured by no retry; all else passes with luck or on another agent. */
    return c->cause != NS_CAUSE_registry_outage || c->ends_itself;
}

/* A pod or a build that runs out of memory; a release that crashes or one that answers with errors. */
static trouble trouble_of(const ns_world *w, size_t job, ns_cause cause, ns_rng *rng)
{
    double kind = ns_rng_uniform(rng), where = ns_rng_uniform(rng);
    bool http = ns_service_at(job)->traffic_share > 0; /* whose errors somebody counts */
    switch ((int)cause) {
    case NS_CAUSE_bad_release:
        return kind < 0.5 || !http ? TROUBLE_crash : TROUBLE_errors;
    case NS_CAUSE_overload:
        return TROUBLE_surge;
    case NS_CAUSE_out_of_memory:
        return where >= w->scenario.cause[cause].cluster_share ? TROUBLE_none
               : kind < 0.6                                    ? TROUBLE_debris
                                                               : TROUBLE_leak;
    default:
        return TROUBLE_none;
    }
}

static void draw_condition(const ns_world *w, size_t job, condition *c, ns_cause cause, ns_rng *rng)
{
    const ns_cause_scenario *s = &w->scenario.cause[cause];
    *c = (condition){.cause = cause, .active = true, .ends_ms = NEVER, .agent = -1};
    c->severity = fmin(fmax(ns_rng_lognormal(rng, s->severity.median, s->severity.sigma), 0.02), 0.98);
    c->ends_itself = ns_rng_uniform(rng) < s->heals_itself_share;
    c->lasts_ms = ns_world_spread_ms(rng, s->lasts_s);
    c->trouble = trouble_of(w, job, cause, rng);
    c->code = natures[cause].code || c->trouble == TROUBLE_leak;
    /* Memory that a neighbour takes comes back; what does not end by itself is the code's own hunger. */
    if (cause == NS_CAUSE_out_of_memory && c->trouble == TROUBLE_none && !c->ends_itself)
        c->code = true;
}

void ns_world_condition_mend(const ns_world *w, condition *c, ns_origin by)
{
    c->active = false;
    if (c->code) {
        c->mended_ms = w->now_ms;
        c->mended_by = by;
    }
}

static bool present(const ns_world *w, condition *c, const build *b)
{
    if (!c->active)
        return b->plan.started_ms < c->mended_ms;
    if (c->ends_itself && !c->code && w->now_ms >= c->ends_ms)
        c->active = false;
    return c->active;
}

static bool meets(condition *c, build *b)
{
    double luck = ns_rng_uniform(&b->rng);
    if (!c->met)
        return true;
    bool here = !natures[c->cause].on_agent || c->code || c->agent == (ptrdiff_t)b->agent;
    return here && (!natures[c->cause].chance || luck < c->severity);
}

static condition *first_met(ns_world *w, size_t job, build *b, ns_stage_kind stage)
{
    for (size_t i = 0; i < CONDITIONS; i++) {
        condition *c = &w->pipeline[job].condition[i];
        if (c->trouble == TROUBLE_none && present(w, c, b) && natures[c->cause].stage == stage && meets(c, b))
            return c;
    }
    return NULL;
}

condition *ns_world_condition_hits(ns_world *w, size_t job, build *b, ns_stage_kind stage)
{
    return first_met(w, job, b, stage);
}

condition *ns_world_agent_fails(ns_world *w, size_t job, build *b)
{
    return first_met(w, job, b, NS_STAGE_KINDS);
}

static bool there(const ns_world *w, const condition *c, const build *b)
{
    if (!c->active)
        return b->plan.started_ms < c->mended_ms;
    return !c->ends_itself || c->code || w->now_ms < c->ends_ms;
}

/* Draws nothing and changes nothing: what `meets` would say where luck has no part in it. */
static bool bound_to_meet(const condition *c, const build *b)
{
    const cause_nature *nature = &natures[c->cause];
    if (!c->met)
        return true;
    return !nature->chance && (!nature->on_agent || c->code || c->agent == (ptrdiff_t)b->agent);
}

void ns_world_expect(const ns_world *w, size_t job, build *b)
{
    for (unsigned stage = 0; stage < NS_STAGE_KINDS; stage++) {
        for (size_t i = 0; i < CONDITIONS; i++) {
            const condition *c = &w->pipeline[job].condition[i];
            if (c->trouble != TROUBLE_none || natures[c->cause].stage != (ns_stage_kind)stage || !there(w, c, b) ||
                c->cause == NS_CAUSE_none || !bound_to_meet(c, b))
                continue;
            b->plan.expected = c->cause;
            b->plan.expected_stage = (ns_stage_kind)stage;
            return;
        }
    }
}

void ns_world_condition_met(condition *c, const build *b, int64_t at_ms)
{
    if (c->met)
        return;
    c->met = true;
    c->ends_ms = at_ms + c->lasts_ms;
    if (natures[c->cause].on_agent && !c->code)
        c->agent = (ptrdiff_t)b->agent;
}

/* ---- records ---- */

ns_world_incident *ns_world_incident_of(const ns_world *w, size_t job)
{
    int64_t id = w->pipeline[job].incident;
    return id == 0 ? NULL : &w->incident[id % NS_WORLD_INCIDENTS_KEPT];
}

bool ns_world_incident_open(const ns_world_incident *incident)
{
    return !incident->control && incident->healed_by == NS_HEALED_open;
}

void ns_world_incident_saw(ns_world *w, size_t job, ns_action action)
{
    ns_world_incident *incident = ns_world_incident_of(w, job);
    if (incident == NULL)
        return;
    if (incident->action_count < NS_WORLD_INCIDENT_ACTIONS)
        incident->action[incident->action_count] = (ns_world_incident_action){w->now_ms, action, 0};
    incident->action_count++;
}

void ns_world_incident_saw_build(ns_world *w, size_t job, int64_t number)
{
    ns_world_incident *incident = ns_world_incident_of(w, job);
    size_t kept = incident == NULL ? 0 : incident->action_count;
    for (size_t i = 0; i < kept && i < NS_WORLD_INCIDENT_ACTIONS; i++) {
        if (incident->action[i].action == NS_ACTION_retry_build && incident->action[i].build == 0) {
            incident->action[i].build = number;
            return;
        }
    }
}

static ns_world_incident *new_record(ns_world *w, size_t job)
{
    int64_t id = ++w->incidents;
    ns_world_incident *incident = &w->incident[id % NS_WORLD_INCIDENTS_KEPT];
    if (incident->id != 0)
        ns_world_outcome_add(w, incident, &w->past, &w->past_counted);
    *incident = (ns_world_incident){.id = id,
                                    .job = job,
                                    .period = w->pipeline[job].period,
                                    .onset_ms = w->now_ms,
                                    .first_bad_ms = -1,
                                    .healed_ms = -1,
                                    .over_ms = -1};
    w->pipeline[job].incident = id;
    return incident;
}

/* ---- periods ---- */

/* When period k + 1 is due, from when period k was: the seed's doing alone. */
static int64_t spacing_ms(const ns_world *w, size_t job, int64_t period)
{
    ns_rng rng;
    ns_world_stream(w, &rng, "spacing", job, (uint64_t)(period + 1));
    return (int64_t)(w->spacing_ms * (0.6 + 0.8 * ns_rng_uniform(&rng)));
}

static void ordinary_later(ns_world *w, size_t job)
{
    /* Assumption: a pipeline sees a few ordinary builds per period, but seldom less than 20 minutes apart. */
    double median = fmax(1200.0, fmin(w->spacing_ms / 4000.0, 10800.0));
    double seconds = ns_rng_lognormal(&w->pipeline[job].ordinary, median, 0.3);
    ns_world_set_pipeline_timer(w, job, TIMER_ordinary, w->now_ms + (int64_t)(seconds * 1000.0));
}

void ns_world_first_periods(ns_world *w)
{
    double incidents_per_ms = w->scenario.rate_per_day / DAY_MS;
    double periods_per_ms = incidents_per_ms / fmax(1.0 - w->scenario.control_share, 0.01);
    w->spacing_ms = fmin(NS_PIPELINES / fmax(periods_per_ms, 1e-12), 365.0 * DAY_MS);
    for (size_t job = 0; job < NS_PIPELINES; job++) {
        ns_rng rng;
        ns_world_stream(w, &rng, "first period", job, 0);
        /* The pipelines start one after the other, so that not all meet their first period at once. */
        double share = ((double)job + ns_rng_uniform(&rng)) / NS_PIPELINES;
        int64_t at_ms = w->start_ms + 5000 + (int64_t)(0.6 * share * w->spacing_ms);
        w->pipeline[job].planned_ms = at_ms;
        ns_world_set_pipeline_timer(w, job, TIMER_period, at_ms);
        ordinary_later(w, job);
    }
}

/* The present period is over: the next one may come, not before it is due. */
static void over(ns_world *w, size_t job)
{
    pipeline *p = &w->pipeline[job];
    ns_world_incident *incident = ns_world_incident_of(w, job);
    if (incident == NULL || incident->over_ms >= 0)
        return;
    incident->over_ms = w->now_ms;
    for (size_t i = 0; i < CONDITIONS; i++)
        p->condition[i].active = false;
    if (p->condition[0].trouble != TROUBLE_none)
        ns_cluster_fault_lifted(w, job);
    ns_world_person_stop(w, job);
    ns_world_set_pipeline_timer(w, job, TIMER_censor, NEVER);
    int64_t next = w->now_ms + GAP_MS;
    ns_world_set_pipeline_timer(w, job, TIMER_period, p->planned_ms > next ? p->planned_ms : next);
}

static const char *const authors[] = {"ana", "bogdan", "chiara", "deniz", "emeka", "farah"};

static void commit_or_timer(ns_world *w, size_t job, ns_rng *rng, bool must_commit, double dependency_share)
{
    bool commit = ns_rng_uniform(rng) < 0.8 || must_commit;
    const char *author = authors[ns_rng_below(rng, NS_COUNT_OF(authors))];
    int32_t changes = 1 + (int32_t)ns_rng_below(rng, 4);
    bool dependency_files = ns_rng_uniform(rng) < dependency_share;
    if (commit)
        ns_world_new_commit(w, job, rng, changes, dependency_files, author);
    (void)ns_world_ordinary_build(w, job, commit ? NS_ORIGIN_commit : NS_ORIGIN_timer, commit ? author : "");
}

static void second_fault(ns_world *w, size_t job, ns_rng *rng)
{
    condition *c = w->pipeline[job].condition;
    double point = w->scenario.control_share + (1.0 - w->scenario.control_share) * ns_rng_uniform(rng);
    ns_cause cause = cause_at(&w->scenario, point);
    bool wanted = ns_rng_uniform(rng) < w->scenario.double_fault_share;
    if (!wanted || cause == NS_CAUSE_none || cause == c[0].cause || c[0].trouble != TROUBLE_none)
        return;
    draw_condition(w, job, &c[1], cause, rng);
    if (c[1].trouble != TROUBLE_none) { /* double faults are two of the pipeline: whose cure would be told apart? */
        c[1] = (condition){0};
        return;
    }
    /* The one whose stage comes first is the incident's cause. */
    if (natures[c[1].cause].stage < natures[c[0].cause].stage) {
        condition kept = c[0];
        c[0] = c[1];
        c[1] = kept;
    }
}

static void begin_incident(ns_world *w, size_t job, ns_world_incident *incident, ns_cause cause, ns_rng *rng)
{
    condition *c = w->pipeline[job].condition;
    draw_condition(w, job, &c[0], cause, rng);
    second_fault(w, job, rng);
    incident->cause = c[0].cause;
    incident->also = c[1].active ? c[1].cause : NS_CAUSE_none;
    incident->severity = c[0].severity;
    incident->in_cluster = c[0].trouble != TROUBLE_none;
    incident->healable = healable(&c[0]) && (!c[1].active || healable(&c[1]));
    ns_world_person_begin(w, job, w->pipeline[job].period);
    if (c[0].trouble != TROUBLE_none) {
        ns_cluster_fault_begins(w, job);
        ns_world_set_pipeline_timer(w, job, TIMER_censor, w->now_ms + UNNOTICED_MS);
        if (!c[0].code)
            return;
    }
    bool code = c[0].code || c[1].active;
    commit_or_timer(w, job, rng, code, cause == NS_CAUSE_dependency ? 0.9 : 0.1);
}

void ns_world_period_due(ns_world *w, size_t job)
{
    pipeline *p = &w->pipeline[job];
    if (p->running != 0 || p->waiting > 0 || p->disabled) {
        ns_world_set_pipeline_timer(w, job, TIMER_period, w->now_ms + BUSY_MS);
        return;
    }
    p->period++;
    p->period_builds = 0;
    p->planned_ms += spacing_ms(w, job, p->period);
    ns_cause cause = card(w, (uint64_t)p->period * NS_PIPELINES + job);
    ns_world_incident *incident = new_record(w, job);
    memset(p->condition, 0, sizeof p->condition);
    ns_rng rng;
    ns_world_stream(w, &rng, "period", job, (uint64_t)p->period);
    incident->control = cause == NS_CAUSE_none;
    ordinary_later(w, job);
    if (incident->control)
        commit_or_timer(w, job, &rng, false, 0.1);
    else
        begin_incident(w, job, incident, cause, &rng);
    ns_world_note(w, "period", (int64_t)job, (int64_t)incident->cause);
}

/* Code that ends "by itself" is mended by somebody's next commit, never by building the same one again. */
static bool commit_mends(const ns_world *w, condition *c)
{
    if (!c->active || !c->code || !c->ends_itself || !c->met || w->now_ms < c->ends_ms)
        return false;
    ns_world_condition_mend(w, c, NS_ORIGIN_commit);
    return true;
}

void ns_world_ordinary_due(ns_world *w, size_t job)
{
    pipeline *p = &w->pipeline[job];
    ordinary_later(w, job);
    if (p->disabled || p->period < 0)
        return;
    bool mends = false;
    for (size_t i = 0; i < CONDITIONS; i++)
        mends = commit_mends(w, &p->condition[i]) || mends;
    commit_or_timer(w, job, &p->ordinary, mends, 0.1);
}

void ns_world_censor_due(ns_world *w, size_t job)
{
    ns_world_incident *incident = ns_world_incident_of(w, job);
    if (incident == NULL || !ns_world_incident_open(incident))
        return;
    incident->healed_by = NS_HEALED_abandoned;
    ns_world_note(w, "censored", (int64_t)job, incident->id);
    over(w, job);
}

static ns_healed_by credit(ns_origin origin)
{
    switch (origin) {
    case NS_ORIGIN_neuroshield:
        return NS_HEALED_action;
    case NS_ORIGIN_person:
    case NS_ORIGIN_other:
        return NS_HEALED_human;
    case NS_ORIGIN_commit:
    case NS_ORIGIN_timer:
        break;
    }
    return NS_HEALED_itself;
}

/* Whoever started the green build; but where the code was at fault, whoever mended it: a retry that happens to build
 * the mended commit cured nothing. */
ns_origin ns_world_healer(const ns_world *w, size_t job, const build *b)
{
    for (size_t i = 0; i < CONDITIONS; i++)
        if (w->pipeline[job].condition[i].mended_ms != 0)
            return w->pipeline[job].condition[i].mended_by;
    return b->plan.origin;
}

static void green(ns_world *w, size_t job, ns_world_incident *incident, const build *b)
{
    incident->healed_ms = w->now_ms;
    incident->healed_by = credit(ns_world_healer(w, job, b));
    ns_world_note(w, ns_healed_by_name(incident->healed_by), (int64_t)job, incident->id);
    over(w, job);
}

static void red(ns_world *w, size_t job, ns_world_incident *incident)
{
    incident->builds_failed++;
    if (incident->first_bad_ms < 0) {
        incident->first_bad_ms = w->now_ms;
        ns_world_set_pipeline_timer(w, job, TIMER_censor, w->now_ms + (int64_t)(w->scenario.censor_s * 1000.0));
    }
}

void ns_world_build_ended(ns_world *w, size_t job, const build *b)
{
    ns_world_incident *incident = ns_world_incident_of(w, job);
    if (incident == NULL || b->plan.started_ms < incident->onset_ms)
        return;
    if (incident->control) {
        over(w, job);
    } else if (ns_world_incident_open(incident) && w->pipeline[job].condition[0].trouble == TROUBLE_none) {
        if (b->plan.result == NS_BUILD_SUCCESS) {
            green(w, job, incident, b);
            return;
        }
        if (b->plan.result == NS_BUILD_FAILURE)
            red(w, job, incident);
        ns_world_person_sees_failure(w, job);
    }
}

/* ---- incidents of the cluster: its users tell how it stands, no build does ---- */

void ns_world_cluster_bad(ns_world *w, size_t job)
{
    ns_world_incident *incident = ns_world_incident_of(w, job);
    incident->first_bad_ms = w->now_ms;
    ns_world_set_pipeline_timer(w, job, TIMER_censor, w->now_ms + (int64_t)(w->scenario.censor_s * 1000.0));
    ns_world_note(w, "users suffer", (int64_t)job, incident->id);
    ns_world_person_sees_failure(w, job);
}

void ns_world_cluster_calm(ns_world *w, size_t job)
{
    ns_world_incident *incident = ns_world_incident_of(w, job);
    incident->healed_ms = w->now_ms;
    incident->healed_by = credit(w->deployment[job].touched);
    ns_world_note(w, ns_healed_by_name(incident->healed_by), (int64_t)job, incident->id);
    over(w, job);
}
