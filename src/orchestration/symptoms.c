#include "orchestration/symptoms.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bounds. Services answer well below 1 % of their requests with errors and in well below a second. */
#define ERRORS_PERCENT     5.0
#define SLOW_S             2.0
#define BUSY_CPU_PERCENT   90.0
#define BUSY_THROTTLED     60.0 /* percent of CPU periods */
#define RESTART_SHOWS_MS   150000
#define RELEASE_SUSPECT_MS 3600000 /* errors without another reason are a release's that is younger */

static bool fresh(int64_t at_ms, int64_t now_ms, int64_t stale_after_ms)
{
    return at_ms >= 0 && at_ms <= now_ms && (stale_after_ms <= 0 || now_ms - at_ms <= stale_after_ms);
}

/* NAN when missing or stale. */
static double measured(const ns_snapshot *snapshot, const ns_pipeline_view *view, ns_signal signal, int64_t now_ms,
                       int64_t stale_after_ms)
{
    ns_value value = ns_snapshot_signal(snapshot, view, signal);
    return ns_value_known(value) && fresh(value.at_ms, now_ms, stale_after_ms) ? value.value : NAN;
}

static void remember_restarts(ns_symptom_memory *memory, const ns_deployment_view *cluster, int64_t now_ms)
{
    int64_t restarts = ns_deployment_fact_of(cluster, NS_DEPLOYMENT_restarts);
    if (!memory->begun)
        *memory = (ns_symptom_memory){.begun = true, .restarts = -1, .restart_ms = -1, .since_ms = -1, .calm_ms = -1};
    if (restarts >= 0 && memory->restarts >= 0 && restarts > memory->restarts)
        memory->restart_ms = now_ms;
    if (restarts >= 0)
        memory->restarts = restarts;
}

typedef struct reading {
    int64_t crashing, image_failing, killed, restarts, memory_limit;
    bool restarted; /* lately */
    double errors, slow, cpu, throttled;
    bool young; /* the present template */
    bool stuck;
} reading;

static bool busy(const reading *r)
{
    return r->throttled >= BUSY_THROTTLED || r->cpu >= BUSY_CPU_PERCENT;
}

static void say(ns_symptoms *out, ns_cause cause, const char *format, double number)
{
    out->bad = true;
    out->cause = cause;
    (void)snprintf(out->why, sizeof out->why, format, number);
}

static void say_killed(const reading *r, ns_symptoms *out)
{
    say(out, NS_CAUSE_out_of_memory, "containers killed for memory in %.0f pods", (double)r->killed);
    size_t len = strlen(out->why);
    if (r->memory_limit > 0)
        (void)snprintf(out->why + len, sizeof out->why - len, " (limit %.0f MiB)", (double)r->memory_limit / 1048576.0);
}

/* The first that holds decides; a killed container explains what its absence does. */
static void diagnose(const reading *r, ns_symptoms *out)
{
    bool failing = r->crashing > 0 || r->restarted;
    bool errors = r->errors >= ERRORS_PERCENT;
    if (r->killed > 0 && (failing || errors))
        say_killed(r, out);
    else if (r->image_failing > 0)
        say(out, NS_CAUSE_bad_release, "%.0f pods cannot pull their image", (double)r->image_failing);
    else if (failing)
        say(out, NS_CAUSE_bad_release,
            r->restarts > 0 ? "containers keep ending: %.0f restarts" : "containers were ending a moment ago",
            (double)r->restarts);
    else if (r->stuck)
        say(out, NS_CAUSE_bad_release, "the rollout did not make progress in time", 0);
    else if (errors && busy(r))
        say(out, NS_CAUSE_overload, "%.0f %% errors at its CPU limit", r->errors);
    else if (errors && (r->young || r->restarts > 0))
        say(out, NS_CAUSE_bad_release, "%.0f %% errors since the last release", r->errors);
    else if (errors)
        say(out, NS_CAUSE_none, "%.0f %% errors", r->errors);
    else if (r->slow >= SLOW_S)
        say(out, busy(r) ? NS_CAUSE_overload : NS_CAUSE_none, "95 %% of requests take up to %.1f s", r->slow);
    else if (isnan(r->errors) && r->throttled >= BUSY_THROTTLED && r->cpu >= BUSY_CPU_PERCENT)
        say(out, NS_CAUSE_overload, "%.0f %% of its CPU limit, and throttled", r->cpu);
}

void ns_symptoms_look(ns_symptom_memory *memory, const ns_snapshot *snapshot, const ns_pipeline_view *view,
                      int64_t now_ms, int64_t stale_after_ms, ns_symptoms *out)
{
    const ns_deployment_view *cluster = &view->cluster;
    *out = (ns_symptoms){.cause = NS_CAUSE_none, .since_ms = -1, .calm_ms = -1, .restart_ms = -1};
    out->known = cluster->exists && fresh(cluster->at_ms, now_ms, stale_after_ms);
    if (!out->known) { /* good and bad have to be seen anew; what was bad may still be */
        memory->calm_ms = -1;
        return;
    }
    remember_restarts(memory, cluster, now_ms);
    reading r = {
        .crashing = ns_deployment_fact_of(cluster, NS_DEPLOYMENT_pods_crash_looping),
        .image_failing = ns_deployment_fact_of(cluster, NS_DEPLOYMENT_pods_image_failing),
        .killed = ns_deployment_fact_of(cluster, NS_DEPLOYMENT_pods_oom_killed),
        .memory_limit = ns_deployment_fact_of(cluster, NS_DEPLOYMENT_memory_limit),
        .restarts = ns_deployment_fact_of(cluster, NS_DEPLOYMENT_restarts),
        .restarted = memory->restart_ms >= 0 && now_ms - memory->restart_ms <= RESTART_SHOWS_MS,
        .errors = measured(snapshot, view, NS_SIGNAL_deployment_error_rate, now_ms, stale_after_ms),
        .slow = measured(snapshot, view, NS_SIGNAL_deployment_latency_p95, now_ms, stale_after_ms),
        .cpu = measured(snapshot, view, NS_SIGNAL_deployment_cpu, now_ms, stale_after_ms),
        .throttled = measured(snapshot, view, NS_SIGNAL_deployment_throttled, now_ms, stale_after_ms),
        .young = cluster->since_ms >= 0 && now_ms - cluster->since_ms <= RELEASE_SUSPECT_MS,
        .stuck = cluster->rollout == NS_ROLLOUT_failed,
    };
    diagnose(&r, out);
    if (out->bad && memory->since_ms < 0)
        memory->spell_ms = memory->calm_ms < 0 ? 0 : now_ms - memory->calm_ms;
    memory->since_ms = !out->bad ? -1 : memory->since_ms < 0 ? now_ms : memory->since_ms;
    memory->calm_ms = out->bad ? -1 : memory->calm_ms < 0 ? now_ms : memory->calm_ms;
    out->since_ms = memory->since_ms;
    out->calm_ms = memory->calm_ms;
    out->spell_ms = out->bad ? memory->spell_ms : 0;
    out->restart_ms = memory->restart_ms;
}

int64_t ns_symptoms_calm_needed(ns_cause cause)
{
    return cause == NS_CAUSE_out_of_memory ? 240000 : cause == NS_CAUSE_overload ? 60000 : 90000;
}

int64_t ns_symptoms_grace(ns_cause cause)
{
    (void)cause;
    return 180000;
}
