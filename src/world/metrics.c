/* Signals as values now, and the raw metrics that a Prometheus scrapes: two views of one load model. */
#include "world/load.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NODES (KUBE_NODES + AGENTS)

size_t ns_world_deployment_count(const ns_world *w)
{
    (void)w;
    return NS_SERVICES;
}

void ns_world_deployment_at(const ns_world *w, size_t deployment, ns_world_deployment *out)
{
    const ns_service *s = ns_service_at(deployment);
    const workload *d = &w->deployment[deployment];
    const revision *r = &d->revision[d->revisions - 1];
    *out = (ns_world_deployment){.name = s->name,
                                 .image = r->is.image,
                                 .replicas = d->replicas,
                                 .available = ns_cluster_ready(d),
                                 .cpu_limit = r->is.cpu_limit,
                                 .memory_limit = r->is.memory_limit,
                                 .cpu_request = s->cpu_request,
                                 .memory_request = s->memory_request,
                                 .revision = r->number,
                                 .job = s->pipeline ? (ptrdiff_t)deployment : -1};
}

ptrdiff_t ns_world_find_deployment(const ns_world *w, ns_text name)
{
    (void)w;
    for (size_t i = 0; i < NS_SERVICES; i++)
        if (ns_text_is(name, ns_service_at(i)->name))
            return (ptrdiff_t)i;
    return -1;
}

/* ---- signals ---- */

static const ns_world_template *template_of(const workload *d, const pod *p)
{
    for (size_t i = 0; i < d->revisions; i++)
        if (d->revision[i].serial == p->serial)
            return &d->revision[i].is;
    return &d->revision[d->revisions - 1].is;
}

/* What pods may use together; those that are about to go are still there. 0: no limits. */
static double limits_of(const workload *d, bool cpu)
{
    double sum = 0;
    for (size_t i = 0; i < d->pods; i++) {
        const ns_world_template *is = template_of(d, &d->pod[i]);
        double limit = cpu ? is->cpu_limit : is->memory_limit;
        sum += isnan(limit) ? 0 : limit;
    }
    return sum;
}

static double sum_cpu(const ns_world *w)
{
    double used = 0, limit = 0;
    for (size_t i = 0; i < NS_SERVICES; i++) {
        used += ns_traffic_cpu(w, i);
        limit += limits_of(&w->deployment[i], true);
    }
    return limit > 0 ? fmin(100.0 * used / limit, 100.0) : NAN;
}

static double fullest_pod(const ns_world *w, size_t service)
{
    const workload *d = &w->deployment[service];
    double most = NAN;
    for (size_t k = 0; k < d->pods; k++)
        most = fmax(most, ns_load_pod_memory(w, service, &d->pod[k]) / template_of(d, &d->pod[k])->memory_limit);
    return fmin(most, 1.0); /* at the limit it is killed: no more was ever seen */
}

static double sum_memory(const ns_world *w)
{
    double used = 0, limit = 0;
    for (size_t i = 0; i < NS_SERVICES; i++) {
        const workload *d = &w->deployment[i];
        for (size_t k = 0; k < d->pods; k++)
            used += ns_load_pod_memory(w, i, &d->pod[k]);
        limit += limits_of(d, false);
    }
    return limit > 0 ? fmin(100.0 * used / limit, 100.0) : NAN;
}

static bool is_running(const pod *p)
{
    return p->state != POD_pulling;
}

static double sum_pods(const ns_world *w)
{
    double pods = 0;
    for (size_t i = 0; i < NS_SERVICES; i++)
        for (size_t k = 0; k < w->deployment[i].pods; k++)
            pods += is_running(&w->deployment[i].pod[k]);
    return pods;
}

static double error_percent(const ns_world *w)
{
    double errors = 0, requests = 0;
    for (size_t i = 0; i < NS_SERVICES; i++) {
        double share = ns_service_at(i)->traffic_share;
        if (share <= 0)
            continue;
        double now = share * ns_load_requests(w, w->now_ms) + w->deployment[i].now.extra;
        requests += now * w->deployment[i].now.attempts;
        errors += now * w->deployment[i].now.attempts * ns_traffic_error_share(w, i);
    }
    return 100.0 * errors / requests;
}

/* Of pods that are still there, within the last 10 minutes: a pod's counter goes with the pod. */
static double kills(const ns_world *w, size_t service, bool memory_only)
{
    const workload *d = &w->deployment[service];
    double n = 0;
    for (int64_t k = d->kills; k > 0 && k > d->kills - KILLS_KEPT; k--) {
        int64_t at = k % KILLS_KEPT;
        if (w->now_ms - d->kill[at].at_ms > 600000 || (memory_only && !d->kill[at].out_of_memory))
            continue;
        for (size_t i = 0; i < d->pods; i++)
            n += d->pod[i].id == d->kill[at].pod;
    }
    return n;
}

static double over_nodes(const ns_world *w, double (*of)(const ns_world *, size_t), bool fullest)
{
    double sum = 0, most = 0;
    for (size_t i = 0; i < NODES; i++) {
        double value = of(w, i);
        sum += value;
        most = fmax(most, value);
    }
    return 100.0 * (fullest ? most : sum / NODES);
}

static double global_signal(const ns_world *w, ns_signal signal)
{
    switch ((int)signal) {
    case NS_SIGNAL_cpu_usage:
        return sum_cpu(w);
    case NS_SIGNAL_memory_usage:
        return sum_memory(w);
    case NS_SIGNAL_pod_count:
        return sum_pods(w);
    case NS_SIGNAL_error_rate:
        return error_percent(w);
    case NS_SIGNAL_node_cpu:
        return over_nodes(w, ns_load_node_cpu, false);
    case NS_SIGNAL_node_memory:
        return over_nodes(w, ns_load_node_memory, false);
    case NS_SIGNAL_node_disk:
        return over_nodes(w, ns_load_node_disk, true);
    case NS_SIGNAL_jenkins_queue:
        return (double)w->waiting_count;
    case NS_SIGNAL_targets_down:
        return 0;
    default:
        return NAN;
    }
}

static double deployment_signal(const ns_world *w, ns_signal signal, size_t service)
{
    const ns_service *s = ns_service_at(service);
    const workload *d = &w->deployment[service];
    double limit = limits_of(d, true);
    switch ((int)signal) {
    case NS_SIGNAL_deployment_cpu:
        return limit > 0 ? fmin(100.0 * ns_traffic_cpu(w, service) / limit, 100.0) : NAN;
    case NS_SIGNAL_deployment_memory:
        return 100.0 * fullest_pod(w, service);
    case NS_SIGNAL_deployment_throttled:
        return 100.0 * d->now.throttled;
    case NS_SIGNAL_deployment_restarts:
        return kills(w, service, false);
    case NS_SIGNAL_deployment_oom_kills:
        return kills(w, service, true);
    case NS_SIGNAL_deployment_replicas_missing:
        return d->replicas - ns_cluster_ready(d);
    case NS_SIGNAL_deployment_error_rate:
        return s->traffic_share > 0 ? 100.0 * ns_traffic_error_share(w, service) : NAN;
    case NS_SIGNAL_deployment_latency_p95:
        return s->traffic_share > 0 ? ns_load_latency_quantile(service, d->now.slower, d->now.wait_s, 0.95) : NAN;
    default:
        return NAN;
    }
}

ns_value ns_world_signal(const ns_world *w, ns_signal signal, size_t deployment)
{
    bool global = ns_signal_facts_of(signal)->scope == NS_SCOPE_global;
    double value = global ? global_signal(w, signal) : deployment_signal(w, signal, deployment);
    return isnan(value) ? NS_MISSING : (ns_value){value, w->now_ms};
}

/* ---- raw metrics ---- */

typedef struct printer {
    const ns_world *w;
    ns_world_metric_visit *visit;
    void *owner;
    ns_world_metric metric;
    char number[32];
} printer;

static void family(printer *p, const char *name, const char *type, const char *help, bool per_world_time)
{
    p->metric = (ns_world_metric){
        .name = name, .family = name, .type = type, .help = help, .first = true, .per_world_time = per_world_time};
}

static void label(printer *p, const char *name, const char *value)
{
    NS_CHECK(p->metric.label_count < NS_WORLD_LABELS_MAX);
    p->metric.label[p->metric.label_count++] = (ns_world_label){name, value};
}

static void sample(printer *p, double value)
{
    p->metric.value = value;
    p->visit(p->owner, &p->metric);
    p->metric.first = false;
    p->metric.label_count = 0;
}

static void label_pod(printer *p, size_t service, const pod *of)
{
    label(p, "namespace", NS_WORLD_FOLDER);
    label(p, "pod", of->name);
    label(p, "container", ns_service_at(service)->container);
}

typedef double pod_value(const ns_world *w, size_t service, const pod *p);

static double pod_periods(const ns_world *w, size_t service, const pod *p)
{
    return isnan(ns_service_at(service)->cpu_limit) ? NAN : ns_traffic_pod_periods(w, service, p, false);
}

static double pod_throttled(const ns_world *w, size_t service, const pod *p)
{
    return isnan(ns_service_at(service)->cpu_limit) ? NAN : ns_traffic_pod_periods(w, service, p, true);
}

static double pod_memory(const ns_world *w, size_t service, const pod *p)
{
    double limit = template_of(&w->deployment[service], p)->memory_limit;
    return isnan(limit) ? ns_load_pod_memory(w, service, p) : fmin(ns_load_pod_memory(w, service, p), limit);
}

static double pod_restarts(const ns_world *w, size_t service, const pod *p)
{
    (void)w, (void)service;
    return p->restarts;
}

static double pod_memory_kills(const ns_world *w, size_t service, const pod *p)
{
    (void)w, (void)service;
    return p->memory_kills;
}

static void each_pod(printer *p, pod_value *of)
{
    for (size_t i = 0; i < NS_SERVICES; i++) {
        for (size_t k = 0; k < p->w->deployment[i].pods; k++) {
            const pod *one = &p->w->deployment[i].pod[k];
            double value = of(p->w, i, one);
            if (isnan(value))
                continue;
            label_pod(p, i, one);
            sample(p, value);
        }
    }
}

static void container_metrics(printer *p)
{
    family(p, "container_cpu_usage_seconds_total", "counter", "Cumulative cpu time consumed in seconds.", true);
    each_pod(p, ns_traffic_pod_cpu);
    family(p, "container_memory_working_set_bytes", "gauge", "Current working set in bytes.", false);
    each_pod(p, pod_memory);
    family(p, "container_cpu_cfs_periods_total", "counter", "Number of elapsed enforcement period intervals.", true);
    each_pod(p, pod_periods);
    family(p, "container_cpu_cfs_throttled_periods_total", "counter", "Number of throttled period intervals.", true);
    each_pod(p, pod_throttled);
    family(p, "container_oom_events_total", "counter", "Count of out of memory events observed.", true);
    each_pod(p, pod_memory_kills);
}

static void limits(printer *p, const char *resource)
{
    bool cpu = strcmp(resource, "cpu") == 0;
    for (size_t i = 0; i < NS_SERVICES; i++) {
        const workload *d = &p->w->deployment[i];
        for (size_t k = 0; k < d->pods; k++) {
            const ns_world_template *is = template_of(d, &d->pod[k]);
            double limit = cpu ? is->cpu_limit : is->memory_limit;
            if (isnan(limit))
                continue;
            label_pod(p, i, &d->pod[k]);
            label(p, "resource", resource);
            label(p, "unit", cpu ? "core" : "byte");
            sample(p, limit);
        }
    }
}

static void phases(printer *p)
{
    static const char *const names[] = {"Pending", "Succeeded", "Failed", "Unknown", "Running"};
    for (size_t i = 0; i < NS_SERVICES; i++) {
        for (size_t k = 0; k < p->w->deployment[i].pods; k++) {
            const pod *one = &p->w->deployment[i].pod[k];
            for (size_t n = 0; n < NS_COUNT_OF(names); n++) {
                label(p, "namespace", NS_WORLD_FOLDER);
                label(p, "pod", one->name);
                label(p, "phase", names[n]);
                sample(p, n == (is_running(one) ? NS_COUNT_OF(names) - 1 : 0) ? 1 : 0);
            }
        }
    }
}

static void waiting_reasons(printer *p)
{
    for (size_t i = 0; i < NS_SERVICES; i++) {
        for (size_t k = 0; k < p->w->deployment[i].pods; k++) {
            const pod *one = &p->w->deployment[i].pod[k];
            if (one->state != POD_backoff && one->state != POD_pulling)
                continue;
            label_pod(p, i, one);
            label(p, "reason", one->state == POD_backoff ? "CrashLoopBackOff" : "ImagePullBackOff");
            sample(p, 1);
        }
    }
}

static void each_deployment(printer *p, bool available)
{
    for (size_t i = 0; i < NS_SERVICES; i++) {
        label(p, "namespace", NS_WORLD_FOLDER);
        label(p, "deployment", ns_service_at(i)->name);
        sample(p, available ? ns_cluster_ready(&p->w->deployment[i]) : p->w->deployment[i].replicas);
    }
}

static void kube_metrics(printer *p)
{
    family(p, "kube_pod_container_resource_limits", "gauge", "The number of requested limit resource.", false);
    limits(p, "cpu");
    limits(p, "memory");
    family(p, "kube_pod_status_phase", "gauge", "The pods current phase.", false);
    phases(p);
    family(p, "kube_pod_container_status_restarts_total", "counter", "The number of container restarts.", true);
    each_pod(p, pod_restarts);
    family(p, "kube_pod_container_status_waiting_reason", "gauge", "Why the container is in waiting state.", false);
    waiting_reasons(p);
    family(p, "kube_deployment_spec_replicas", "gauge", "Number of desired pods for a deployment.", false);
    each_deployment(p, false);
    family(p, "kube_deployment_status_replicas_available", "gauge", "The number of available replicas.", false);
    each_deployment(p, true);
}

/* ---- requests ---- */

static void label_requests(printer *p, size_t service, const char *status)
{
    label(p, "service", ns_service_at(service)->name);
    label(p, "method", "get");
    label(p, "route", "*");
    label(p, "status_code", status);
}

static void histogram(printer *p, size_t service, const char *status, const double *buckets, double count, double sum)
{
    for (size_t i = 0; i < LATENCY_BOUNDS; i++) {
        p->metric.name = "request_duration_seconds_bucket";
        label_requests(p, service, status);
        label(p, "le", ns_load_bound_text(i));
        sample(p, buckets[i]);
    }
    label_requests(p, service, status);
    label(p, "le", "+Inf");
    sample(p, count);
    p->metric.name = "request_duration_seconds_sum";
    label_requests(p, service, status);
    sample(p, sum);
    p->metric.name = "request_duration_seconds_count";
    label_requests(p, service, status);
    sample(p, count);
}

static void request_metrics(printer *p)
{
    family(p, "request_duration_seconds", "histogram", "Time (in seconds) spent serving HTTP requests.", true);
    for (size_t i = 0; i < NS_SERVICES; i++) {
        stretch total;
        if (ns_service_at(i)->traffic_share <= 0)
            continue;
        ns_traffic_totals(p->w, i, &total);
        histogram(p, i, "200", total.ok, total.requests - total.errors, total.ok_sum);
        histogram(p, i, "500", total.bad, total.errors, total.bad_sum);
    }
}

/* ---- nodes ---- */

static const char *node_name(const ns_world *w, size_t node)
{
    static const char *const names[KUBE_NODES] = {"node-1", "node-2"};
    return node < KUBE_NODES ? names[node] : w->agent[node - KUBE_NODES].name;
}

static void node_cpu(printer *p)
{
    double elapsed = (double)(p->w->now_ms - p->w->start_ms) / 1000.0 * NODE_CORES;
    for (size_t i = 0; i < NODES; i++) {
        double used = ns_load_node_cpu_sum(p->w, i);
        const struct {
            const char *mode;
            double seconds;
        } modes[] = {{"idle", elapsed - used}, {"user", 0.8 * used}, {"system", 0.2 * used}};
        for (size_t k = 0; k < NS_COUNT_OF(modes); k++) {
            label(p, "node", node_name(p->w, i));
            label(p, "cpu", "0");
            label(p, "mode", modes[k].mode);
            /* One sample stands for all cores of the node: idle seconds per core keep rate() within 0..1. */
            sample(p, modes[k].seconds / NODE_CORES);
        }
    }
}

static void each_node(printer *p, double (*used)(const ns_world *, size_t), double size, bool filesystem)
{
    for (size_t i = 0; i < NODES; i++) {
        label(p, "node", node_name(p->w, i));
        if (filesystem) {
            label(p, "device", "/dev/sda1");
            label(p, "fstype", "ext4");
            label(p, "mountpoint", "/");
        }
        sample(p, used == NULL ? size : size * (1.0 - used(p->w, i)));
    }
}

static void node_metrics(printer *p)
{
    family(p, "node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.", true);
    node_cpu(p);
    family(p, "node_memory_MemTotal_bytes", "gauge", "Memory information field MemTotal_bytes.", false);
    each_node(p, NULL, NODE_MEMORY, false);
    family(p, "node_memory_MemAvailable_bytes", "gauge", "Memory information field MemAvailable_bytes.", false);
    each_node(p, ns_load_node_memory, NODE_MEMORY, false);
    family(p, "node_filesystem_size_bytes", "gauge", "Filesystem size in bytes.", false);
    each_node(p, NULL, NODE_DISK, true);
    family(p, "node_filesystem_avail_bytes", "gauge", "Filesystem space available to non-root users.", false);
    each_node(p, ns_load_node_disk, NODE_DISK, true);
}

/* ---- Jenkins' own metrics ---- */

static void one(printer *p, const char *name, const char *help, double value)
{
    family(p, name, "gauge", help, false);
    sample(p, value);
}

static double ordinal_of(ns_build_result result)
{
    return (double)result - (double)NS_BUILD_SUCCESS; /* 0 SUCCESS, 1 UNSTABLE, 2 FAILURE, 3 NOT_BUILT, 4 ABORTED */
}

static const build *last_ended(const ns_world *w, size_t job)
{
    const build *b = ns_world_build_of(w, job, w->pipeline[job].next_number - 1);
    if (b != NULL && b->plan.ended_ms < 0)
        b = ns_world_build_of(w, job, b->plan.number - 1);
    return b;
}

static void last_builds(printer *p, bool duration)
{
    for (size_t i = 0; i < NS_PIPELINES; i++) {
        const build *b = last_ended(p->w, i);
        if (b == NULL)
            continue;
        label(p, "jenkins_job", p->w->pipeline[i].full_name);
        label(p, "repo", "NA");
        sample(p, duration ? (double)(b->plan.ended_ms - b->plan.started_ms) : ordinal_of(b->plan.result));
    }
}

static void jenkins_metrics(printer *p)
{
    double busy = 0, offline = 0;
    for (size_t i = 0; i < AGENTS; i++) {
        busy += p->w->agent[i].busy;
        offline += p->w->agent[i].offline;
    }
    one(p, "jenkins_queue_size_value", "Items in the build queue.", (double)p->w->waiting_count);
    one(p, "jenkins_executor_count_value", "Executors of all agents online.", (AGENTS - offline) * EXECUTORS);
    one(p, "jenkins_executor_in_use_value", "Executors in use.", busy);
    one(p, "jenkins_node_count_value", "Agents, online or not.", AGENTS);
    one(p, "jenkins_node_offline_value", "Agents offline.", offline);
    one(p, "default_jenkins_up", "Is Jenkins ready to receive requests", 1);
    one(p, "default_jenkins_executors_queue_length", "Executors Queue Length", (double)p->w->waiting_count);
    one(p, "default_jenkins_executors_busy", "Executors Busy", busy);
    one(p, "default_jenkins_nodes_online", "Jenkins nodes online status", AGENTS - offline);
    family(p, "default_jenkins_builds_last_build_result_ordinal", "gauge", "Build status of a job.", false);
    last_builds(p, false);
    family(p, "default_jenkins_builds_last_build_duration_milliseconds", "gauge", "Build times in milliseconds", false);
    last_builds(p, true);
}

void ns_world_metrics(const ns_world *w, ns_world_metric_visit *visit, void *owner)
{
    printer p = {.w = w, .visit = visit, .owner = owner};
    container_metrics(&p);
    kube_metrics(&p);
    request_metrics(&p);
    node_metrics(&p);
    jenkins_metrics(&p);
}
