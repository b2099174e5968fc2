/*
 * Traffic on a Deployment: what its pods can take, what waits, what fails, and the counters of it.
 *
 * Time is cut into stretches in which all but the usual traffic is constant; the usual traffic has a known integral
 * (load.h). So counters are exact, grow, and cost nothing while nothing changes. A service works off at most what its
 * ready pods' CPU limits allow; the rest waits, up to QUEUE_S of work; what finds the queue full is answered 503 at
 * once. Callers try a failed request again, at most twice, which adds to the load.
 */
#include "world/load.h"

#include <math.h>
#include <string.h>

#define QUEUE_S      5.0 /* callers wait no longer (Sock Shop's http.timeout) */
#define BUSY_FROM    0.7 /* of the capacity: from here on latency and throttling grow */
#define TRIES_MORE   2
#define FASTEST_LOAD 0.98

double ns_traffic_pod_capacity(size_t service, double cpu_limit)
{
    const ns_service *s = ns_service_at(service);
    return isnan(cpu_limit) ? INFINITY : fmax(cpu_limit - s->cpu_idle, 0.0) / s->cpu_per_request;
}

double ns_traffic_capacity(const workload *d, size_t service)
{
    double sum = 0;
    for (size_t i = 0; i < d->pods; i++) {
        if (d->pod[i].state != POD_ready)
            continue;
        for (size_t k = 0; k < d->revisions; k++)
            if (d->revision[k].serial == d->pod[i].serial)
                sum += ns_traffic_pod_capacity(service, d->revision[k].is.cpu_limit);
    }
    return sum;
}

/* The mean flaw of the pods that answer. */
static double flawed_share(const workload *d)
{
    double sum = 0;
    int32_t n = 0;
    for (size_t i = 0; i < d->pods; i++) {
        if (d->pod[i].state != POD_ready)
            continue;
        n++;
        for (size_t k = 0; k < d->revisions; k++)
            if (d->revision[k].serial == d->pod[i].serial)
                sum += d->revision[k].flaw.error_share;
    }
    return n == 0 ? 0 : sum / n;
}

/* ---- counters ---- */

double ns_traffic_requests(const ns_world *w, size_t service, int64_t to_ms)
{
    const stretch *now = &w->deployment[service].now;
    double seconds = (double)(to_ms - now->at_ms) / 1000.0;
    double usual = ns_load_requests_sum(w, to_ms) - ns_load_requests_sum(w, now->at_ms);
    double share = ns_load_traffic_share(service);
    return now->requests + now->attempts * (share * usual + now->extra * seconds);
}

double ns_traffic_errors(const ns_world *w, size_t service, int64_t to_ms)
{
    const stretch *now = &w->deployment[service].now;
    return now->errors + now->error_share * (ns_traffic_requests(w, service, to_ms) - now->requests);
}

/* Core seconds of all pods since the stretch began. */
static double cpu_since(const ns_world *w, size_t service, int64_t to_ms)
{
    const workload *d = &w->deployment[service];
    const ns_service *s = ns_service_at(service);
    double seconds = (double)(to_ms - d->now.at_ms) / 1000.0;
    if (d->now.saturated)
        return (ns_traffic_capacity(d, service) * s->cpu_per_request + s->cpu_idle * d->now.ready) * seconds;
    return s->cpu_idle * d->now.ready * seconds +
           s->cpu_per_request * (ns_traffic_requests(w, service, to_ms) - d->now.requests);
}

static double pod_cpu_since(const ns_world *w, size_t service, const pod *p, int64_t to_ms)
{
    const workload *d = &w->deployment[service];
    if (p->state == POD_ready)
        return cpu_since(w, service, to_ms) / d->now.ready;
    double seconds = (double)(to_ms - d->now.at_ms) / 1000.0;
    return p->state == POD_starting ? 0.5 * ns_service_at(service)->cpu_idle * seconds : 0;
}

double ns_traffic_pod_cpu(const ns_world *w, size_t service, const pod *p)
{
    return p->cpu_s + pod_cpu_since(w, service, p, w->now_ms);
}

static double pod_periods_since(const workload *d, const pod *p, int64_t to_ms)
{
    bool runs = p->state == POD_ready || p->state == POD_starting;
    return runs ? CFS_PERIODS_PER_S * (double)(to_ms - d->now.at_ms) / 1000.0 : 0;
}

double ns_traffic_pod_periods(const ns_world *w, size_t service, const pod *p, bool throttled)
{
    const workload *d = &w->deployment[service];
    double since = pod_periods_since(d, p, w->now_ms);
    return throttled ? p->throttled + since * (p->state == POD_ready ? d->now.throttled : 0) : p->periods + since;
}

double ns_traffic_cpu(const ns_world *w, size_t service)
{
    const workload *d = &w->deployment[service];
    const ns_service *s = ns_service_at(service);
    if (d->now.saturated)
        return ns_traffic_capacity(d, service) * s->cpu_per_request + s->cpu_idle * d->now.ready;
    double wanted = ns_load_traffic_share(service) * ns_load_requests(w, w->now_ms) + d->now.extra;
    return d->now.ready == 0 ? 0 : s->cpu_idle * d->now.ready + s->cpu_per_request * wanted * d->now.attempts;
}

/* Of all pods since the world's start, those that are gone included: for the nodes. */
double ns_traffic_cpu_sum(const ns_world *w, size_t service)
{
    double sum = w->gone_cpu_s[service];
    for (size_t i = 0; i < w->deployment[service].pods; i++)
        sum += ns_traffic_pod_cpu(w, service, &w->deployment[service].pod[i]);
    return sum;
}

static void histogram_upto(const ns_world *w, size_t service, int64_t to_ms, stretch *out)
{
    const stretch *now = &w->deployment[service].now;
    double requests = ns_traffic_requests(w, service, to_ms) - now->requests;
    double bad = requests * now->error_share, ok = requests - bad;
    for (size_t i = 0; i < LATENCY_BOUNDS; i++) {
        out->ok[i] += ok * w->deployment[service].share[i];
        out->bad[i] += bad * w->deployment[service].share[i];
    }
    double mean = ns_load_latency_mean(service, now->slower, now->wait_s);
    out->ok_sum += ok * mean;
    out->bad_sum += bad * mean;
    out->requests += requests;
    out->errors += bad;
}

void ns_traffic_totals(const ns_world *w, size_t service, stretch *out)
{
    *out = w->deployment[service].now;
    histogram_upto(w, service, w->now_ms, out);
}

/* ---- rates over the signals' window ---- */

/* Share of errors over the last WINDOW_MS, from the oldest sample within it. */
double ns_traffic_error_share(const ns_world *w, size_t service)
{
    const workload *d = &w->deployment[service];
    int64_t oldest = d->samples > SAMPLES_KEPT ? d->samples - SAMPLES_KEPT : 0;
    for (int64_t n = oldest; n < d->samples; n++) {
        const traffic_sample *s = &d->sample[n % SAMPLES_KEPT];
        if (w->now_ms - s->at_ms > WINDOW_MS || s->at_ms >= w->now_ms)
            continue;
        double requests = ns_traffic_requests(w, service, w->now_ms) - s->requests;
        double errors = ns_traffic_errors(w, service, w->now_ms) - s->errors;
        return requests > 0 ? errors / requests : d->now.error_share;
    }
    return d->now.error_share;
}

/* ---- the present stretch ---- */

/* What the requests since the last look left in the pods' memory, and in the queue. */
static void time_passed(ns_world *w, size_t service, double dt_s)
{
    workload *d = &w->deployment[service];
    double wanted = ns_load_traffic_share(service) * ns_load_requests(w, w->now_ms) + d->surge;
    double capacity = ns_traffic_capacity(d, service);
    for (size_t i = 0; i < d->pods; i++) {
        pod *p = &d->pod[i];
        const revision *r = ns_cluster_revision(d, p->serial);
        if (p->state == POD_ready && r != NULL)
            p->heap += r->flaw.leak * wanted * dt_s / fmax(d->now.ready, 1);
        if (p->fills && (p->state == POD_ready || p->state == POD_starting))
            p->debris += d->fill_rate * dt_s;
    }
    double more = (d->now.attempts * wanted - capacity) * dt_s;
    d->queue = isinf(capacity) ? 0 : fmin(fmax(d->queue + more, 0.0), QUEUE_S * capacity);
}

void ns_traffic_close(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    if (w->now_ms <= d->now.at_ms)
        return;
    double of_each = d->now.ready > 0 ? cpu_since(w, service, w->now_ms) / d->now.ready : 0;
    for (size_t i = 0; i < d->pods; i++) {
        pod *p = &d->pod[i];
        double periods = pod_periods_since(d, p, w->now_ms);
        p->cpu_s += p->state == POD_ready ? of_each : pod_cpu_since(w, service, p, w->now_ms);
        p->periods += periods;
        if (p->state == POD_ready && !isnan(d->now.throttled))
            p->throttled += periods * d->now.throttled;
    }
    double dt_s = (double)(w->now_ms - d->now.at_ms) / 1000.0;
    stretch totals;
    ns_traffic_totals(w, service, &totals);
    if (ns_cluster_hot(w, service)) {
        time_passed(w, service, dt_s);
        d->sample[d->samples++ % SAMPLES_KEPT] = (traffic_sample){w->now_ms, totals.requests, totals.errors};
    }
    d->now = totals;
    d->now.at_ms = w->now_ms;
}

void ns_traffic_open(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    const ns_service *s = ns_service_at(service);
    stretch *now = &d->now;
    double capacity = ns_traffic_capacity(d, service);
    double failed = fmax(now->error_share - s->error_share, 0.0), slower = now->slower, wait_s = now->wait_s;
    now->extra = d->surge;
    now->ready = ns_cluster_ready(d);
    now->attempts = 1.0;
    for (int i = 0; i < TRIES_MORE; i++)
        now->attempts += pow(failed, i + 1);
    double offered = now->attempts * (ns_load_traffic_share(service) * ns_load_requests(w, w->now_ms) + d->surge);
    bool limited = capacity > 0 && !isinf(capacity);
    bool full = limited && offered > capacity && d->queue >= 0.999 * QUEUE_S * capacity;
    double rejected = full ? 1.0 - capacity / offered : 0.0;
    double busy = limited ? fmin(offered / capacity, FASTEST_LOAD) : 0.0;
    double strain = fmax(busy - BUSY_FROM, 0.0) / (1.0 - BUSY_FROM);
    double passed = (1.0 - s->error_share) * (1.0 - flawed_share(d)) * (1.0 - rejected);
    now->error_share = now->ready == 0 ? 1.0 : 1.0 - passed;
    now->saturated = limited && (offered >= capacity || d->queue > 0);
    now->slower = busy > BUSY_FROM ? (1.0 - BUSY_FROM) / (1.0 - busy) : 1.0;
    now->wait_s = limited ? d->queue / capacity : 0.0;
    now->throttled = isnan(s->cpu_limit) ? NAN : fmin(ns_load_throttled(service) + 0.85 * strain, 0.95);
    bool same = slower == now->slower && wait_s == now->wait_s; /* mostly: then what was worked out still holds */
    for (size_t i = 0; i < LATENCY_BOUNDS && !same && s->traffic_share > 0; i++)
        d->share[i] = ns_load_latency_share(service, now->slower, now->wait_s, ns_load_bound(i));
}

void ns_traffic_begin(ns_world *w, size_t service)
{
    workload *d = &w->deployment[service];
    d->now = (stretch){.at_ms = w->now_ms, .error_share = ns_service_at(service)->error_share, .slower = -1};
    ns_traffic_open(w, service);
}
