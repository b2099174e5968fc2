#include "telemetry/align.h"

#include <string.h>

/* Record fields that are signals of the same name. */
static const struct {
    ns_record_field field;
    ns_signal signal;
} from_signals[] = {
#define OF(name)                                                                                                       \
    {                                                                                                                  \
        NS_RECORD_##name, NS_SIGNAL_##name                                                                             \
    }
    OF(cpu_usage),
    OF(memory_usage),
    OF(pod_count),
    OF(error_rate),
    OF(node_cpu),
    OF(node_memory),
    OF(node_disk),
    OF(targets_down),
    OF(deployment_cpu),
    OF(deployment_memory),
    OF(deployment_throttled),
    OF(deployment_restarts),
    OF(deployment_oom_kills),
    OF(deployment_error_rate),
    OF(deployment_latency_p95),
    OF(deployment_replicas_missing),
#undef OF
};

/* What the alignment needs to know about one tick. */
typedef struct moment {
    int64_t tick_ms;
    int64_t stale_after_ms;
} moment;

static bool is_recent(moment now, int64_t at_ms)
{
    return at_ms >= 0 && ns_age_ms(at_ms, now.tick_ms) <= now.stale_after_ms;
}

static double recent_value(moment now, ns_value v)
{
    return is_recent(now, v.at_ms) ? v.value : NAN;
}

/* -1 is Jenkins' and our "unknown". */
static double number_of(int64_t n)
{
    return n < 0 ? NAN : (double)n;
}

static void put_build_facts(const ns_build *build, ns_record *out)
{
    out->value[NS_RECORD_estimated] = number_of(build->estimated_ms);
    out->value[NS_RECORD_tests_total] = number_of(build->tests_total);
    out->value[NS_RECORD_tests_failed] = number_of(build->tests_failed);
    out->value[NS_RECORD_changes] = number_of(build->changes);
    out->value[NS_RECORD_stages] = number_of(build->stages);
    out->value[NS_RECORD_log_bytes] = number_of(build->log_bytes);
}

static void put_builds(const ns_pipeline_view *view, moment now, ns_record *out)
{
    if (view->completed.number > 0) {
        out->last_result = view->completed.result;
        out->last_number = view->completed.number;
        out->value[NS_RECORD_last_duration] = number_of(view->completed.duration_ms);
        put_build_facts(&view->completed, out);
    }
    size_t running = 0;
    const ns_build *newest = NULL;
    for (size_t i = view->build_count; i-- > 0;) {
        if (view->builds[i].running) {
            newest = &view->builds[i];
            running++;
        }
    }
    out->value[NS_RECORD_running_builds] = (double)running;
    if (newest == NULL)
        return;
    out->running_number = newest->number;
    out->value[NS_RECORD_running_elapsed] = number_of(ns_age_ms(newest->started_ms, now.tick_ms));
    put_build_facts(newest, out);
}

static void put_cluster(const ns_snapshot *snapshot, const ns_pipeline_view *view, moment now, ns_record *out)
{
#define CLUSTER_FACT(column, field, from, unit)                                                                        \
    out->value[NS_RECORD_##field] = recent_value(now, view->cluster.fact[NS_DEPLOYMENT_##field]);
    NS_DEPLOYMENT_FACT_MAP(CLUSTER_FACT)
#undef CLUSTER_FACT
    out->value[NS_RECORD_nodes_ready] = recent_value(now, snapshot->nodes_ready);
    out->value[NS_RECORD_nodes_total] = recent_value(now, snapshot->nodes_total);
}

void ns_align(const ns_snapshot *snapshot, const ns_pipeline_view *view, int64_t tick_ms, int64_t stale_after_ms,
              ns_record *out)
{
    NS_CHECK(stale_after_ms > 0);
    const moment now = {tick_ms, stale_after_ms};
    memset(out, 0, sizeof *out);
    out->at_ms = tick_ms;
    memcpy(out->pipeline, view->name, sizeof out->pipeline);
    memcpy(out->jenkins_job, view->jenkins_job, sizeof out->jenkins_job);
    out->fail_probability = NAN;
    for (size_t i = 0; i < NS_RECORD_FIELDS; i++)
        out->value[i] = NAN;
    for (size_t i = 0; i < NS_SOURCE_KINDS; i++)
        out->age_ms[i] = ns_age_ms(snapshot->source[i].good_at_ms, tick_ms);
    out->age_ms[NS_FROM_jenkins] = ns_age_ms(view->jenkins_at_ms, tick_ms);
    if (view->deployment[0] != '\0')
        out->age_ms[NS_FROM_kubernetes] = ns_age_ms(view->cluster.at_ms, tick_ms);

    if (snapshot->source[NS_FROM_jenkins].state == NS_SOURCE_ok) {
        out->value[NS_RECORD_queue_length] = recent_value(now, snapshot->queue_length);
        out->value[NS_RECORD_executors_busy] = recent_value(now, snapshot->executors_busy);
        out->value[NS_RECORD_executors_total] = recent_value(now, snapshot->executors_total);
        out->value[NS_RECORD_agents_offline] = recent_value(now, snapshot->agents_offline);
        if (is_recent(now, view->jenkins_at_ms))
            put_builds(view, now, out);
    }
    const ns_source_health *prometheus = &snapshot->source[NS_FROM_prometheus];
    if (prometheus->state == NS_SOURCE_ok && is_recent(now, prometheus->good_at_ms))
        for (size_t i = 0; i < NS_COUNT_OF(from_signals); i++)
            out->value[from_signals[i].field] =
                recent_value(now, ns_snapshot_signal(snapshot, view, from_signals[i].signal));
    if (snapshot->source[NS_FROM_kubernetes].state == NS_SOURCE_ok)
        put_cluster(snapshot, view, now, out);
}
