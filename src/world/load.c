#include "world/load.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TAU 6.283185307179586

typedef struct wave {
    double amplitude;
    double period_s;
    double phase;
} wave;

#define WAVES           3
#define TRAFFIC         24.0 /* requests per second on average */
#define AGENT_BASE      0.05
#define AGENT_PER_BUILD 0.40

/* The day's swing (highest in the early evening, UTC) and two smaller waves whose phase the seed decides. */
static void waves_of(const ns_world *w, wave out[WAVES])
{
    double phase = (double)(w->seed % 1000003) / 1000003.0 * TAU;
    out[0] = (wave){0.45, 86400, -TAU * 12.0 / 24.0};
    out[1] = (wave){0.07, 1380, phase};
    out[2] = (wave){0.04, 420, 2.3 * phase};
}

double ns_load_requests(const ns_world *w, int64_t at_ms)
{
    wave waves[WAVES];
    waves_of(w, waves);
    double t = (double)at_ms / 1000.0, sum = 1.0;
    for (size_t i = 0; i < WAVES; i++)
        sum += waves[i].amplitude * sin(TAU * fmod(t, waves[i].period_s) / waves[i].period_s + waves[i].phase);
    return TRAFFIC * sum;
}

/* The integral of sin(a t + p) is -cos(a t + p) / a. */
double ns_load_requests_sum(const ns_world *w, int64_t at_ms)
{
    wave waves[WAVES];
    waves_of(w, waves);
    double from = (double)w->start_ms / 1000.0, to = (double)at_ms / 1000.0, sum = to - from;
    for (size_t i = 0; i < WAVES; i++) {
        double a = TAU / waves[i].period_s;
        double at_from = cos(a * fmod(from, waves[i].period_s) + waves[i].phase);
        double at_to = cos(a * fmod(to, waves[i].period_s) + waves[i].phase);
        sum += waves[i].amplitude * (at_from - at_to) / a;
    }
    return TRAFFIC * sum;
}

double ns_load_cpu(const ns_world *w, size_t service, int64_t at_ms)
{
    const ns_service *s = ns_service_at(service);
    double share = s->traffic_share > 0 ? s->traffic_share : 0.2;
    return s->cpu_idle + s->cpu_per_request * share * ns_load_requests(w, at_ms);
}

double ns_load_cpu_sum(const ns_world *w, size_t service, int64_t from_ms, int64_t to_ms)
{
    const ns_service *s = ns_service_at(service);
    double share = s->traffic_share > 0 ? s->traffic_share : 0.2;
    double requests = ns_load_requests_sum(w, to_ms) - ns_load_requests_sum(w, from_ms);
    return s->cpu_idle * (double)(to_ms - from_ms) / 1000.0 + s->cpu_per_request * share * requests;
}

double ns_load_memory(const ns_world *w, size_t service, int64_t pod_start_ms)
{
    const ns_service *s = ns_service_at(service);
    double age_s = (double)(w->now_ms - pod_start_ms) / 1000.0;
    double warm = 1.0 - exp(-age_s / 1800.0);
    double waver = 0.02 * sin((double)(w->now_ms % 900000) / 900000.0 * TAU + (double)service);
    return (s->memory_start + (s->memory_warm - s->memory_start) * warm) * (1.0 + waver);
}

double ns_load_throttled(size_t service)
{
    const ns_service *s = ns_service_at(service);
    if (isnan(s->cpu_limit))
        return NAN;
    double usual = s->cpu_idle + s->cpu_per_request * s->traffic_share * TRAFFIC;
    return 0.05 * usual / s->cpu_limit;
}

static double spread_of(const ns_service *s)
{
    return log(s->latency_p99_s / s->latency_p50_s) / 2.3263478740408408;
}

double ns_load_latency_share(size_t service, double le_s)
{
    const ns_service *s = ns_service_at(service);
    return 0.5 * erfc(-log(le_s / s->latency_p50_s) / (spread_of(s) * 1.4142135623730951));
}

double ns_load_latency_quantile(size_t service, double q)
{
    /* Bisection: the normal quantile has no closed form, and this is asked for rarely. */
    double low = 1e-5, high = 60.0;
    for (int i = 0; i < 60; i++) {
        double middle = sqrt(low * high);
        if (ns_load_latency_share(service, middle) < q)
            low = middle;
        else
            high = middle;
    }
    return high;
}

double ns_load_latency_mean(size_t service)
{
    const ns_service *s = ns_service_at(service);
    return s->latency_p50_s * exp(0.5 * spread_of(s) * spread_of(s));
}

/* ---- nodes ---- */

static double services_on(const ns_world *w, size_t node, bool sum)
{
    double cores = 0;
    for (size_t i = node; i < NS_SERVICES; i += KUBE_NODES)
        cores += sum ? ns_load_cpu_sum(w, i, w->start_ms, w->now_ms) : ns_load_cpu(w, i, w->now_ms);
    return cores;
}

double ns_load_node_cpu(const ns_world *w, size_t node)
{
    if (node < KUBE_NODES)
        return 0.06 + services_on(w, node, false) / NODE_CORES;
    return AGENT_BASE + AGENT_PER_BUILD * w->agent[node - KUBE_NODES].busy;
}

double ns_load_node_cpu_sum(const ns_world *w, size_t node)
{
    double elapsed = (double)(w->now_ms - w->start_ms) / 1000.0;
    if (node < KUBE_NODES)
        return 0.06 * NODE_CORES * elapsed + services_on(w, node, true);
    const agent *a = &w->agent[node - KUBE_NODES];
    double busy_s = (a->busy_ms + (double)a->busy * (double)(w->now_ms - a->busy_since_ms)) / 1000.0;
    return NODE_CORES * (AGENT_BASE * elapsed + AGENT_PER_BUILD * busy_s);
}

double ns_load_node_memory(const ns_world *w, size_t node)
{
    if (node >= KUBE_NODES) {
        ns_world_agent view;
        ns_world_agent_at(w, node - KUBE_NODES, &view);
        return view.memory_used;
    }
    double bytes = 1.5 * 1024 * 1024 * 1024;
    for (size_t i = node; i < NS_SERVICES; i += KUBE_NODES)
        for (size_t k = 0; k < w->rollout[i].pods; k++)
            bytes += ns_load_memory(w, i, w->rollout[i].pod_start_ms[k]);
    return bytes / NODE_MEMORY;
}

double ns_load_node_disk(const ns_world *w, size_t node)
{
    if (node < KUBE_NODES)
        return 0.38 + 0.05 * (double)node;
    ns_world_agent view;
    ns_world_agent_at(w, node - KUBE_NODES, &view);
    return view.disk_used;
}

/* ---- pods ---- */

static void name_pod(ns_world *w, size_t service, size_t slot)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    rollout *r = &w->rollout[service];
    ns_rng rng;
    ns_world_stream(w, &rng, "pod", service, (uint64_t)r->revision);
    char set[11], suffix[6];
    for (size_t i = 0; i < 10; i++)
        set[i] = letters[ns_rng_below(&rng, sizeof letters - 1)];
    for (size_t i = 0; i < 5; i++)
        suffix[i] = letters[ns_rng_below(&rng, sizeof letters - 1)];
    set[10] = suffix[5] = '\0';
    (void)snprintf(r->pod[slot], sizeof r->pod[slot], "%s-%s-%s", ns_service_at(service)->name, set, suffix);
    r->pod_start_ms[slot] = w->now_ms;
}

void ns_world_first_pods(ns_world *w)
{
    for (size_t i = 0; i < NS_SERVICES; i++) {
        w->rollout[i].revision = 1;
        w->rollout[i].pods = 1;
        w->rollout[i].serves_ms = w->now_ms;
        name_pod(w, i, 0);
    }
}

/* A rolling update: the new pod comes beside the old one, which goes when the new one is ready. */
void ns_world_deploy(ns_world *w, size_t service)
{
    rollout *r = &w->rollout[service];
    r->revision++;
    r->pods = 2;
    name_pod(w, service, 1);
    int64_t ready_ms = w->now_ms + (int64_t)(ns_service_at(service)->ready_s * 1000.0);
    ns_world_set_timer(w, TIMER_ROLLOUTS + service, ready_ms);
}

void ns_world_rollout_due(ns_world *w, size_t service)
{
    rollout *r = &w->rollout[service];
    if (r->pods < 2)
        return;
    memcpy(r->pod[0], r->pod[1], sizeof r->pod[0]);
    r->pod_start_ms[0] = r->pod_start_ms[1];
    r->serves_ms = w->now_ms;
    r->pods = 1;
}

void ns_world_agent_busy(ns_world *w, size_t agent_at, int32_t change)
{
    agent *a = &w->agent[agent_at];
    a->busy_ms += (double)a->busy * (double)(w->now_ms - a->busy_since_ms);
    a->busy_since_ms = w->now_ms;
    a->busy += change;
    NS_CHECK(a->busy >= 0 && a->busy <= EXECUTORS);
}
