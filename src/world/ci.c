/* Jenkins' work: the queue, the agents, and builds that go from stage to stage. */
#include "world/world_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- the queue ---- */

static bool same_parameters(const item *a, const item *b)
{
    if (a->parameter_count != b->parameter_count)
        return false;
    for (size_t i = 0; i < a->parameter_count; i++)
        if (strcmp(a->parameter[i].value, b->parameter[i].value) != 0)
            return false;
    return true;
}

static item *waiting_at(ns_world *w, size_t i)
{
    return &w->queue[w->waiting[i] % QUEUE_KEPT];
}

static item *waiting_like(ns_world *w, const item *wanted, bool any)
{
    for (size_t i = 0; i < w->waiting_count; i++) {
        item *in = waiting_at(w, i);
        if (in->job == wanted->job && (any || same_parameters(in, wanted)))
            return in;
    }
    return NULL;
}

item *ns_world_enqueue(ns_world *w, size_t job, const item *wanted, bool any, bool *merged)
{
    item *in = waiting_like(w, wanted, any);
    *merged = in != NULL;
    if (in != NULL) {
        in->merged++;
        return in;
    }
    in = &w->queue[w->next_item % QUEUE_KEPT];
    bool taken = in->id != 0 && in->state != NS_QUEUE_left && in->state != NS_QUEUE_cancelled;
    if (taken || w->waiting_count >= QUEUE_KEPT)
        return NULL;
    *in = *wanted;
    in->id = w->next_item++;
    in->job = job;
    in->state = NS_QUEUE_waiting;
    in->since_ms = w->now_ms;
    in->buildable_ms = in->left_ms = -1;
    in->number = 0;
    w->waiting[w->waiting_count++] = in->id;
    w->pipeline[job].waiting++;
    ns_world_note(w, "queued", (int64_t)job, in->id);
    ns_world_schedule(w);
    return in;
}

bool ns_world_ordinary_build(ns_world *w, size_t job, ns_origin origin, const char *user)
{
    item wanted = {.job = job, .origin = origin, .quiet_until_ms = w->now_ms + QUIET_MS};
    wanted.parameter_count = w->definition_count;
    wanted.trigger = origin == NS_ORIGIN_timer ? NS_TRIGGER_timer : NS_TRIGGER_scm;
    /* A person who pushes a commit is seen as scm, one who only clicks as user. */
    if (origin == NS_ORIGIN_person && w->pipeline[job].new_changes == 0)
        wanted.trigger = NS_TRIGGER_user;
    (void)snprintf(wanted.user, sizeof wanted.user, "%s", user);
    memcpy(wanted.parameter, w->definition, sizeof w->definition);
    bool merged;
    item *in = ns_world_enqueue(w, job, &wanted, false, &merged);
    /* The newer reason stands: a commit that joins a waiting item is what the build will be of. */
    if (in != NULL && merged)
        in->origin = origin;
    return in != NULL;
}

/* ---- agents ---- */

static ptrdiff_t free_agent(const ns_world *w, ns_rng *rng)
{
    size_t able[AGENTS];
    size_t n = 0;
    for (size_t i = 0; i < AGENTS; i++)
        if (!w->agent[i].offline && w->agent[i].busy < EXECUTORS)
            able[n++] = i;
    return n == 0 ? -1 : (ptrdiff_t)able[ns_rng_below(rng, n)];
}

static void take_executor(ns_world *w, size_t agent_at, ptrdiff_t from, ptrdiff_t to)
{
    agent *a = &w->agent[agent_at];
    for (size_t i = 0; i < EXECUTORS; i++) {
        if (a->job[i] == from) {
            a->job[i] = to;
            break;
        }
    }
    ns_world_agent_busy(w, agent_at, to < 0 ? -1 : 1);
}

void ns_world_agent_back(ns_world *w, size_t agent_at)
{
    w->agent[agent_at].offline = false;
    ns_world_note(w, "agent back", (int64_t)agent_at, 0);
    ns_world_schedule(w);
}

/* ---- a build's life ---- */

static void begin_stage(ns_world *w, size_t job, build *b, ns_stage_kind kind);

/* Jenkins' estimate: the mean of the last three green builds. */
static int64_t estimate(const ns_world *w, size_t job, int64_t number)
{
    int64_t sum = 0, n = 0;
    for (int64_t i = number - 1; i > number - NS_WORLD_BUILDS_KEPT && n < 3; i--) {
        const build *b = ns_world_build_of(w, job, i);
        if (b == NULL)
            break;
        if (b->plan.result == NS_BUILD_SUCCESS) {
            sum += b->plan.ended_ms - b->plan.started_ms;
            n++;
        }
    }
    return n == 0 ? -1 : sum / n;
}

static void fill_plan(ns_world *w, size_t job, build *b, const item *in)
{
    pipeline *p = &w->pipeline[job];
    ns_build_plan *plan = &b->plan;
    plan->number = p->next_number++;
    (void)snprintf(plan->jenkins_job, sizeof plan->jenkins_job, "%s", p->full_name);
    (void)snprintf(plan->service, sizeof plan->service, "%s", p->service->name);
    plan->language = p->service->language;
    plan->text_seed = ns_rng_u64(&b->rng);
    plan->origin = in->origin;
    plan->trigger = in->trigger;
    (void)snprintf(plan->user, sizeof plan->user, "%s", in->user);
    (void)snprintf(plan->commit, sizeof plan->commit, "%s", p->head);
    plan->changes = p->new_changes;
    plan->dependency_files_changed = p->new_dependency_files;
    plan->retry_of = p->head_built_by != 0 ? plan->number - 1 : 0;
    if (p->head_built_by == 0)
        p->head_built_by = plan->number;
    p->new_changes = 0;
    p->new_dependency_files = false;
    memcpy(plan->parameter, in->parameter, sizeof plan->parameter);
    plan->parameter_count = in->parameter_count;
    plan->tests_total = p->service->tests;
    plan->tests_skipped = (int32_t)ns_rng_below(&b->rng, 4);
    plan->ended_ms = plan->closed_ms = -1;
    b->scale_ms = (int64_t)((double)p->base_ms * ns_rng_lognormal(&b->rng, 1.0, 0.06));
    b->estimated_ms = estimate(w, job, plan->number);
}

static build *new_build(ns_world *w, size_t job, const item *in)
{
    pipeline *p = &w->pipeline[job];
    build *b = &p->builds[p->next_number % NS_WORLD_BUILDS_KEPT];
    *b = (build){.queue_id = in->id, .queued_ms = in->since_ms};
    /* By period and place in it, so that the first build of a period is the same whatever was done before. */
    ns_world_stream(w, &b->rng, "build", job * 100000000u + (uint64_t)(p->period + 1), (uint64_t)p->period_builds++);
    fill_plan(w, job, b, in);
    return b;
}

/* The agent may go away under it: decided when it starts, as far as the condition is there then. */
static void plan_loss(ns_world *w, size_t job, build *b)
{
    double at = 0.15 + 0.6 * ns_rng_uniform(&b->rng);
    condition *c = ns_world_agent_fails(w, job, b);
    if (c == NULL)
        return;
    int64_t loss_ms = w->now_ms + (int64_t)(at * (double)b->scale_ms);
    ns_world_condition_met(c, b, loss_ms);
    ns_world_set_pipeline_timer(w, job, TIMER_loss, loss_ms);
}

static bool start_build(ns_world *w, item *in)
{
    if (w->pipeline[in->job].running != 0)
        return false;
    pipeline *p = &w->pipeline[in->job];
    ns_rng place;
    ns_world_stream(w, &place, "place", in->job * 100000000u + (uint64_t)(p->period + 1), (uint64_t)p->period_builds);
    ptrdiff_t at = free_agent(w, &place);
    if (at < 0)
        return false;
    build *b = new_build(w, in->job, in);
    b->agent = (size_t)at;
    b->plan.started_ms = w->now_ms;
    memcpy(b->plan.agent, w->agent[at].name, sizeof b->plan.agent);
    take_executor(w, b->agent, -1, (ptrdiff_t)in->job);
    p->running = b->plan.number;
    in->state = NS_QUEUE_left;
    in->left_ms = w->now_ms;
    in->number = b->plan.number;
    ns_world_note(w, "started", (int64_t)in->job, b->plan.number);
    if (in->origin == NS_ORIGIN_neuroshield)
        ns_world_incident_saw_build(w, in->job, b->plan.number);
    ns_world_expect(w, in->job, b);
    plan_loss(w, in->job, b);
    begin_stage(w, in->job, b, NS_STAGE_checkout);
    return true;
}

static void drop_waiting(ns_world *w, size_t i)
{
    w->pipeline[waiting_at(w, i)->job].waiting--;
    w->waiting_count--;
    memmove(&w->waiting[i], &w->waiting[i + 1], (w->waiting_count - i) * sizeof w->waiting[0]);
}

void ns_world_schedule(ns_world *w)
{
    int64_t next_quiet = NEVER;
    for (size_t i = 0; i < w->waiting_count;) {
        item *in = waiting_at(w, i);
        if (in->quiet_until_ms > w->now_ms) {
            next_quiet = in->quiet_until_ms < next_quiet ? in->quiet_until_ms : next_quiet;
        } else if (w->pipeline[in->job].running != 0) {
            in->state = NS_QUEUE_blocked;
        } else if (start_build(w, in)) {
            drop_waiting(w, i);
            continue;
        } else {
            in->state = NS_QUEUE_buildable;
            if (in->buildable_ms < 0)
                in->buildable_ms = w->now_ms;
        }
        i++;
    }
    ns_world_set_timer(w, TIMER_QUEUE, next_quiet);
}

/* ---- stages ---- */

typedef struct fate {
    double from, to; /* the stage fails within this share of its usual length */
    int64_t more_ms; /* and this much later */
    int64_t warn_ms; /* the evidence is printed up to so long before the end */
} fate;

static const fate fates[NS_CAUSE_COUNT] = {
    [NS_CAUSE_compile_error] = {.from = 0.4, .to = 0.95, .warn_ms = 4000},
    [NS_CAUSE_dependency] = {.from = 0.3, .to = 0.9, .warn_ms = 3000},
    [NS_CAUSE_out_of_memory] = {.from = 0.3, .to = 0.9, .warn_ms = 3000},
    [NS_CAUSE_disk_full] = {.from = 0.3, .to = 0.9, .warn_ms = 2000},
    [NS_CAUSE_config] = {.from = 0.2, .to = 0.6, .warn_ms = 1500},
    [NS_CAUSE_test_failure] = {.from = 0.95, .to = 1.05, .warn_ms = 600000},
    [NS_CAUSE_flaky_test] = {.from = 0.95, .to = 1.05, .warn_ms = 600000},
    [NS_CAUSE_registry_outage] = {.from = 0.4, .to = 0.8, .more_ms = 20000, .warn_ms = 20000},
    [NS_CAUSE_timeout] = {.from = 3.0, .to = 3.2, .more_ms = 30000, .warn_ms = 1000},
};

static void fail_stage(build *b, ns_plan_stage *stage, const condition *c)
{
    const fate *f = &fates[c->cause];
    double usual = (double)(stage->end_ms - stage->start_ms);
    double lasts = usual * (f->from + (f->to - f->from) * ns_rng_uniform(&b->rng)) + (double)f->more_ms;
    double warn = (0.2 + 0.8 * ns_rng_uniform(&b->rng)) * fmin((double)f->warn_ms, 0.8 * lasts);
    stage->cause = c->cause;
    stage->code = c->code;
    stage->severity = c->severity;
    stage->end_ms = stage->start_ms + (int64_t)lasts + 1;
    stage->evidence_ms = stage->end_ms - (int64_t)warn;
    if (c->cause == NS_CAUSE_flaky_test)
        b->plan.tests_failed = 1;
    if (c->cause == NS_CAUSE_test_failure)
        b->plan.tests_failed = 1 + (int32_t)(c->severity * 8);
}

static double usual_share(ns_stage_kind kind)
{
    static const double shares[] = {
#define STAGE_SHARE(name, title, share) share,
        NS_STAGE_MAP(STAGE_SHARE)
#undef STAGE_SHARE
    };
    return shares[kind];
}

static void begin_stage(ns_world *w, size_t job, build *b, ns_stage_kind kind)
{
    ns_plan_stage *stage = &b->plan.stage[b->plan.stage_count++];
    double usual = (double)b->scale_ms * usual_share(kind) * ns_rng_lognormal(&b->rng, 1.0, 0.1);
    bool noisy = ns_rng_uniform(&b->rng) < 0.15; /* assumption: survived failures in a good third of all builds */
    *stage = (ns_plan_stage){.kind = kind,
                             .start_ms = w->now_ms,
                             .end_ms = w->now_ms + 1 + (int64_t)usual,
                             .evidence_ms = -1,
                             .noise = noisy && kind != NS_STAGE_checkout};
    condition *c = ns_world_condition_hits(w, job, b, kind);
    if (c != NULL) {
        fail_stage(b, stage, c);
        ns_world_condition_met(c, b, stage->end_ms);
    }
    ns_world_set_pipeline_timer(w, job, TIMER_stage, stage->end_ms);
}

void ns_world_end_build(ns_world *w, size_t job, ns_build_result result)
{
    pipeline *p = &w->pipeline[job];
    build *b = ns_world_build_of(w, job, p->running);
    NS_CHECK(b != NULL);
    b->plan.result = result;
    b->plan.ended_ms = w->now_ms;
    b->plan.closed_ms = w->now_ms + 300 + (int64_t)ns_rng_below(&b->rng, 1500);
    p->running = 0;
    ns_world_set_pipeline_timer(w, job, TIMER_stage, NEVER);
    ns_world_set_pipeline_timer(w, job, TIMER_loss, NEVER);
    take_executor(w, b->agent, (ptrdiff_t)job, -1);
    ns_world_note(w, ns_build_result_name(result), (int64_t)job, b->plan.number);
    if (result == NS_BUILD_SUCCESS)
        ns_world_deploy(w, job, b->plan.number, ns_world_healer(w, job, b));
    ns_world_build_ended(w, job, b);
    ns_world_schedule(w);
}

void ns_world_stage_due(ns_world *w, size_t job)
{
    build *b = ns_world_build_of(w, job, w->pipeline[job].running);
    NS_CHECK(b != NULL);
    const ns_plan_stage *stage = &b->plan.stage[b->plan.stage_count - 1];
    if (stage->cause != NS_CAUSE_none)
        ns_world_end_build(w, job, NS_BUILD_FAILURE);
    else if (b->plan.stage_count == NS_STAGE_KINDS)
        ns_world_end_build(w, job, NS_BUILD_SUCCESS);
    else
        begin_stage(w, job, b, (ns_stage_kind)b->plan.stage_count);
}

/* The channel to the agent breaks. Builds of other jobs on it outlive the short break, as durable steps do. */
void ns_world_loss_due(ns_world *w, size_t job)
{
    build *b = ns_world_build_of(w, job, w->pipeline[job].running);
    NS_CHECK(b != NULL);
    agent *a = &w->agent[b->agent];
    a->offline = true;
    ns_world_set_timer(w, TIMER_AGENTS + b->agent, w->now_ms + 45000 + (int64_t)ns_rng_below(&b->rng, 120000));
    b->plan.agent_lost = true;
    ns_world_note(w, "agent lost", (int64_t)b->agent, (int64_t)job);
    ns_world_end_build(w, job, NS_BUILD_FAILURE);
}

/* ---- commits and the past ---- */

void ns_world_new_commit(ns_world *w, size_t job, ns_rng *rng, int32_t changes, bool dependency_files,
                         const char *author)
{
    pipeline *p = &w->pipeline[job];
    p->commits++;
    p->new_changes += changes;
    p->new_dependency_files = p->new_dependency_files || dependency_files;
    p->head_built_by = 0;
    unsigned long long part[3]; /* drawn one by one: the order of arguments is the compiler's */
    for (size_t i = 0; i < NS_COUNT_OF(part); i++)
        part[i] = (unsigned long long)ns_rng_u64(rng);
    (void)snprintf(p->head, sizeof p->head, "%016llx%016llx%08llx", part[0], part[1], part[2] >> 32);
    (void)snprintf(p->author, sizeof p->author, "%s", author);
}

#define PAST_BUILDS 4

/* A few green builds before the start, so that estimates and earlier logs exist from the first minute on. */
void ns_world_past_builds(ns_world *w, size_t job)
{
    pipeline *p = &w->pipeline[job];
    int64_t at_ms = w->start_ms - PAST_BUILDS * (p->base_ms * 2 + 600000);
    for (int i = 0; i < PAST_BUILDS; i++) {
        item in = {.origin = NS_ORIGIN_commit, .trigger = NS_TRIGGER_scm, .since_ms = at_ms};
        in.parameter_count = w->definition_count;
        memcpy(in.parameter, w->definition, sizeof w->definition);
        (void)snprintf(in.user, sizeof in.user, "ana");
        ns_world_new_commit(w, job, &p->ordinary, 1, false, "ana");
        build *b = new_build(w, job, &in);
        b->agent = (size_t)i % AGENTS;
        memcpy(b->plan.agent, w->agent[b->agent].name, sizeof b->plan.agent);
        b->plan.started_ms = at_ms;
        b->queue_id = w->next_item++;
        for (size_t k = 0; k < NS_STAGE_KINDS; k++) {
            int64_t lasts = (int64_t)((double)b->scale_ms * usual_share((ns_stage_kind)k)) + 1;
            b->plan.stage[k] = (ns_plan_stage){
                .kind = (ns_stage_kind)k, .start_ms = at_ms, .end_ms = at_ms + lasts, .evidence_ms = -1};
            at_ms += lasts;
        }
        b->plan.stage_count = NS_STAGE_KINDS;
        b->plan.ended_ms = at_ms;
        b->plan.closed_ms = at_ms + 800;
        b->plan.result = NS_BUILD_SUCCESS;
        at_ms += 600000;
    }
    p->period_builds = 0;
}
