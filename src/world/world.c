/* The world's clock: making a world, and letting what is due happen in order. */
#include "world/world_state.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LOG_CACHE_BYTES (8u << 20)

static void find_next_due(ns_world *w)
{
    int64_t next = NEVER;
    for (size_t i = 0; i < TIMERS; i++)
        if (w->due[i] < next)
            next = w->due[i];
    w->next_due = next;
}

void ns_world_set_timer(ns_world *w, size_t timer, int64_t at_ms)
{
    w->due[timer] = at_ms;
    if (at_ms < w->next_due)
        w->next_due = at_ms;
}

void ns_world_set_pipeline_timer(ns_world *w, size_t job, timer_kind kind, int64_t at_ms)
{
    ns_world_set_timer(w, job * TIMERS_PER_PIPELINE + (size_t)kind, at_ms);
}

static uint64_t stir(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 29);
}

void ns_world_note(ns_world *w, const char *what, int64_t a, int64_t b)
{
    w->hash = stir(stir(stir(stir(w->hash, ns_hash(ns_text_of(what))), (uint64_t)w->now_ms), (uint64_t)a), (uint64_t)b);
}

void ns_world_stream(const ns_world *w, ns_rng *rng, const char *name, uint64_t a, uint64_t b)
{
    ns_rng_seed_named(rng, stir(stir(w->seed, a + 1), b + 1), name);
}

int64_t ns_world_spread_ms(ns_rng *rng, ns_spread seconds)
{
    double drawn = ns_rng_lognormal(rng, seconds.median, seconds.sigma) * 1000.0;
    return drawn < 1 ? 1 : drawn > 1e12 ? (int64_t)1e12 : (int64_t)drawn;
}

build *ns_world_build_of(const ns_world *w, size_t job, int64_t number)
{
    if (job >= NS_PIPELINES || number < 1)
        return NULL;
    build *b = &w->pipeline[job].builds[number % NS_WORLD_BUILDS_KEPT];
    return b->plan.number == number ? b : NULL;
}

static void name_pipelines(ns_world *w)
{
    static const char *const names[] = {"TARGET", NS_WORLD_KEY_NAME};
    static const char *const defaults[] = {"staging", ""};
    w->definition_count = NS_COUNT_OF(names);
    for (size_t i = 0; i < NS_COUNT_OF(names); i++) {
        (void)snprintf(w->definition[i].name, sizeof w->definition[i].name, "%s", names[i]);
        (void)snprintf(w->definition[i].value, sizeof w->definition[i].value, "%s", defaults[i]);
    }
    for (size_t i = 0; i < NS_PIPELINES; i++) {
        pipeline *p = &w->pipeline[i];
        p->service = ns_service_at(i);
        p->next_number = 1;
        p->period = -1;
        (void)snprintf(p->full_name, sizeof p->full_name, NS_WORLD_FOLDER "/%s", p->service->name);
        (void)snprintf(p->repository, sizeof p->repository, "https://git.sock-shop.example/%s.git", p->service->name);
        ns_rng rng;
        ns_world_stream(w, &rng, "job", i, 0);
        p->base_ms = ns_world_spread_ms(&rng, w->scenario.action[NS_ACTION_retry_build].duration_s);
        ns_world_stream(w, &p->ordinary, "ordinary", i, 0);
    }
}

static void name_agents(ns_world *w)
{
    ns_rng rng;
    ns_world_stream(w, &rng, "agents", 0, 0);
    for (size_t i = 0; i < AGENTS; i++) {
        agent *a = &w->agent[i];
        (void)snprintf(a->name, sizeof a->name, "linux-%zu", i + 1);
        for (size_t k = 0; k < EXECUTORS; k++)
            a->job[k] = -1;
        a->disk_used = 0.42 + 0.2 * ns_rng_uniform(&rng);
        a->memory_used = 0.30 + 0.1 * ns_rng_uniform(&rng);
        a->busy_since_ms = w->start_ms;
    }
}

static bool take_memory(ns_world *w)
{
    w->queue = NS_NEW_ARRAY(item, QUEUE_KEPT);
    w->effect = NS_NEW_ARRAY(ns_world_effect, NS_WORLD_EFFECTS_KEPT);
    w->incident = NS_NEW_ARRAY(ns_world_incident, NS_WORLD_INCIDENTS_KEPT);
    w->logs = ns_build_log_cache_new(LOG_CACHE_BYTES);
    bool all = w->logs != NULL && w->queue != NULL && w->effect != NULL && w->incident != NULL;
    for (size_t i = 0; all && i < NS_PIPELINES; i++)
        all = (w->pipeline[i].builds = NS_NEW_ARRAY(build, NS_WORLD_BUILDS_KEPT)) != NULL;
    return all;
}

ns_status ns_world_new(const ns_scenario *scenario, uint64_t seed, int64_t start_ms, ns_world **out, ns_error *err)
{
    ns_world *w = NS_NEW(ns_world);
    if (w == NULL || !take_memory(w)) {
        ns_world_free(w);
        return ns_fail(err, NS_NO_MEMORY, "a world of %d pipelines", NS_PIPELINES);
    }
    w->scenario = *scenario;
    w->seed = seed;
    w->start_ms = w->now_ms = start_ms;
    w->next_due = NEVER;
    w->next_item = 1;
    w->resource_version = 1000;
    for (size_t i = 0; i < TIMERS; i++)
        w->due[i] = NEVER;
    ns_world_stream(w, &w->fault_rng, "requests", 0, 0);
    name_pipelines(w);
    name_agents(w);
    ns_world_first_pods(w);
    for (size_t i = 0; i < NS_PIPELINES; i++)
        ns_world_past_builds(w, i);
    ns_world_first_periods(w);
    *out = w;
    return NS_OK;
}

void ns_world_print(ns_world *w, const ns_recorded_logs *logs)
{
    w->recorded = logs;
    ns_build_log_cache_print(w->logs, logs);
}

size_t ns_world_printed(const ns_world *w)
{
    return w->recorded == NULL ? 0 : w->recorded->count;
}

void ns_world_free(ns_world *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < NS_PIPELINES; i++)
        ns_free(w->pipeline[i].builds);
    ns_build_log_cache_free(w->logs);
    ns_free(w->queue);
    ns_free(w->effect);
    ns_free(w->incident);
    ns_free(w);
}

static void pipeline_timer_fires(ns_world *w, size_t job, timer_kind kind)
{
    switch (kind) {
    case TIMER_stage:
        ns_world_stage_due(w, job);
        break;
    case TIMER_loss:
        ns_world_loss_due(w, job);
        break;
    case TIMER_period:
        ns_world_period_due(w, job);
        break;
    case TIMER_ordinary:
        ns_world_ordinary_due(w, job);
        break;
    case TIMER_person:
        ns_world_person_due(w, job);
        break;
    case TIMER_censor:
        ns_world_censor_due(w, job);
        break;
    case TIMERS_PER_PIPELINE:
        break;
    }
}

/* A timer is switched off before it fires; what it starts may set it again. */
static void fire(ns_world *w, size_t timer)
{
    w->due[timer] = NEVER;
    if (timer < TIMER_AGENTS)
        pipeline_timer_fires(w, timer / TIMERS_PER_PIPELINE, (timer_kind)(timer % TIMERS_PER_PIPELINE));
    else if (timer < TIMER_QUEUE)
        ns_world_agent_back(w, timer - TIMER_AGENTS);
    else if (timer == TIMER_QUEUE)
        ns_world_schedule(w);
    else
        ns_world_cluster_due(w, timer - TIMER_CLUSTER);
}

void ns_world_advance(ns_world *w, int64_t to_ms)
{
    while (w->next_due <= to_ms) {
        w->now_ms = w->next_due > w->now_ms ? w->next_due : w->now_ms;
        for (size_t i = 0; i < TIMERS; i++) {
            if (w->due[i] <= w->now_ms) {
                fire(w, i);
                break;
            }
        }
        find_next_due(w);
    }
    if (to_ms > w->now_ms)
        w->now_ms = to_ms;
}

int64_t ns_world_now_ms(const ns_world *w)
{
    return w->now_ms;
}

int64_t ns_world_start_ms(const ns_world *w)
{
    return w->start_ms;
}

uint64_t ns_world_seed(const ns_world *w)
{
    return w->seed;
}

const ns_scenario *ns_world_scenario(const ns_world *w)
{
    return &w->scenario;
}

uint64_t ns_world_history_hash(const ns_world *w)
{
    return w->hash;
}

ns_world_faults *ns_world_faults_of(ns_world *w)
{
    return &w->faults;
}

bool ns_world_fault_draw(ns_world *w, double share)
{
    return share > 0 && ns_rng_uniform(&w->fault_rng) < share;
}
