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

double ns_load_traffic_share(size_t service)
{
    double share = ns_service_at(service)->traffic_share;
    return share > 0 ? share : 0.2; /* what serves no HTTP has queries or messages to work on */
}

double ns_load_pod_memory(const ns_world *w, size_t service, const pod *p)
{
    const ns_service *s = ns_service_at(service);
    double own = 0;
    if (p->state != POD_backoff && p->state != POD_pulling) {
        double age_s = (double)(w->now_ms - p->started_ms) / 1000.0;
        double warm = 1.0 - exp(-age_s / 1800.0);
        double waver = 0.02 * sin((double)(w->now_ms % 900000) / 900000.0 * TAU + (double)service);
        own = (s->memory_start + (s->memory_warm - s->memory_start) * warm) * (1.0 + waver) + p->heap;
    }
    return own + p->debris;
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

double ns_load_latency_share(size_t service, double slower, double wait_s, double le_s)
{
    const ns_service *s = ns_service_at(service);
    if (le_s <= wait_s)
        return 0.0;
    double of_median = (le_s - wait_s) / (s->latency_p50_s * slower);
    return 0.5 * erfc(-log(of_median) / (spread_of(s) * 1.4142135623730951));
}

double ns_load_latency_quantile(size_t service, double slower, double wait_s, double q)
{
    /* Bisection: the normal quantile has no closed form, and this is asked for rarely. */
    double low = 1e-5, high = 600.0;
    for (int i = 0; i < 60; i++) {
        double middle = sqrt(low * high);
        if (ns_load_latency_share(service, slower, wait_s, wait_s + middle) < q)
            low = middle;
        else
            high = middle;
    }
    return wait_s + high;
}

double ns_load_latency_mean(size_t service, double slower, double wait_s)
{
    const ns_service *s = ns_service_at(service);
    return wait_s + slower * s->latency_p50_s * exp(0.5 * spread_of(s) * spread_of(s));
}

static const struct {
    const char *text;
    double le_s;
} bounds[LATENCY_BOUNDS] = {
    {"0.005", 0.005}, {"0.01", 0.01}, {"0.025", 0.025}, {"0.05", 0.05}, {"0.1", 0.1}, {"0.25", 0.25},
    {"0.5", 0.5},     {"1", 1},       {"2.5", 2.5},     {"5", 5},       {"10", 10},
};

double ns_load_bound(size_t i)
{
    return bounds[i].le_s;
}

const char *ns_load_bound_text(size_t i)
{
    return bounds[i].text;
}

/* ---- nodes ---- */

static double services_on(const ns_world *w, size_t node, bool sum)
{
    double cores = 0;
    for (size_t i = node; i < NS_SERVICES; i += KUBE_NODES)
        cores += sum ? ns_traffic_cpu_sum(w, i) : ns_traffic_cpu(w, i);
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
        for (size_t k = 0; k < w->deployment[i].pods; k++)
            bytes += ns_load_pod_memory(w, i, &w->deployment[i].pod[k]);
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

void ns_world_agent_busy(ns_world *w, size_t agent_at, int32_t change)
{
    agent *a = &w->agent[agent_at];
    a->busy_ms += (double)a->busy * (double)(w->now_ms - a->busy_since_ms);
    a->busy_since_ms = w->now_ms;
    a->busy += change;
    NS_CHECK(a->busy >= 0 && a->busy <= EXECUTORS);
}
