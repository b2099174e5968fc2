#include "agent/observe.h"

#include <math.h>
#include <string.h>

#define STREAK_CAP      5.0
#define QUEUE_CAP       20.0
#define CHANGES_CAP     10.0
#define TESTS_CAP       10.0
#define COUNT_CAP       5.0
#define OVERRUN_CAP     3.0 /* times the estimate */
#define CASE_ELAPSED_MS 3600000.0
#define SINCE_ACTION_MS 900000.0

/* min(n / cap, 1); absent when n is unknown (negative or NAN). */
static void set_capped(ns_state *out, ns_state_index i, double n, double cap)
{
    if (n >= 0.0)
        ns_state_set(out, i, fmin(n / cap, 1.0));
}

static void set_flag(ns_state *out, ns_state_index i, bool on)
{
    ns_state_set(out, i, on ? 1.0 : 0.0);
}

/* A value measured at at_ms may be used: it is known, not from later than now, and not too old. */
static bool fresh(const ns_sight *sight, int64_t at_ms)
{
    if (at_ms < 0 || at_ms > sight->now_ms)
        return false;
    return sight->stale_after_ms <= 0 || sight->now_ms - at_ms <= sight->stale_after_ms;
}

static double fresh_value(const ns_sight *sight, ns_value value)
{
    return ns_value_known(value) && fresh(sight, value.at_ms) ? value.value : NAN;
}

/* The build looked at tells changes and tests; while it has none to tell, the last completed one's count is another
 * build's and is not used. */
static void observe_running(const ns_sight *sight, ns_state *out)
{
    const ns_build *build = sight->build;
    set_flag(out, NS_STATE_build_running, build != NULL && build->running);
    if (build == NULL)
        return;
    if (build->running && build->started_ms >= 0 && build->started_ms <= sight->now_ms && build->estimated_ms > 0) {
        double share = (double)(sight->now_ms - build->started_ms) / (double)build->estimated_ms;
        ns_state_set(out, NS_STATE_build_elapsed, fmin(share, OVERRUN_CAP) / OVERRUN_CAP);
    }
    set_capped(out, NS_STATE_changes, (double)build->changes, CHANGES_CAP);
    set_capped(out, NS_STATE_tests_failed, (double)build->tests_failed, TESTS_CAP);
    if (build->dependency_files_changed >= 0)
        set_flag(out, NS_STATE_dependency_files_changed, build->dependency_files_changed == 1);
}

static void observe_completed(const ns_build *completed, ns_state *out)
{
    if (completed->number <= 0 || completed->result == NS_BUILD_unknown)
        return;
    set_flag(out, NS_STATE_build_failed, completed->result == NS_BUILD_FAILURE);
    set_flag(out, NS_STATE_build_unstable, completed->result == NS_BUILD_UNSTABLE);
    if (completed->duration_ms >= 0 && completed->estimated_ms > 0) {
        double share = (double)completed->duration_ms / (double)completed->estimated_ms;
        ns_state_set(out, NS_STATE_build_duration, fmin(share, OVERRUN_CAP) / OVERRUN_CAP);
    }
}

static void observe_build(const ns_sight *sight, ns_state *out)
{
    if (!fresh(sight, sight->view->jenkins_at_ms))
        return;
    observe_running(sight, out);
    observe_completed(&sight->view->completed, out);
    set_capped(out, NS_STATE_failure_streak, (double)sight->failure_streak, STREAK_CAP);
}

/* Percent to a share. Not capped: CPU may go above its limit for moments, and that is news. */
static void set_signal(const ns_sight *sight, ns_state *out, ns_state_index i, ns_signal signal, double divisor)
{
    double value = fresh_value(sight, ns_snapshot_signal(sight->snapshot, sight->view, signal));
    if (!isnan(value))
        ns_state_set(out, i, value / divisor);
}

static void set_count(const ns_sight *sight, ns_state *out, ns_state_index i, ns_signal signal)
{
    double value = fresh_value(sight, ns_snapshot_signal(sight->snapshot, sight->view, signal));
    if (!isnan(value))
        set_capped(out, i, fmax(value, 0.0), COUNT_CAP);
}

static void observe_resources(const ns_sight *sight, ns_state *out)
{
    static const struct {
        ns_state_index to;
        ns_signal from;
    } percents[] = {
        {NS_STATE_cpu_usage, NS_SIGNAL_cpu_usage},
        {NS_STATE_memory_usage, NS_SIGNAL_memory_usage},
        {NS_STATE_error_rate, NS_SIGNAL_error_rate},
        {NS_STATE_node_disk, NS_SIGNAL_node_disk},
        {NS_STATE_deployment_cpu, NS_SIGNAL_deployment_cpu},
        {NS_STATE_deployment_memory, NS_SIGNAL_deployment_memory},
        {NS_STATE_deployment_throttled, NS_SIGNAL_deployment_throttled},
        {NS_STATE_deployment_error_rate, NS_SIGNAL_deployment_error_rate},
    };
    for (size_t i = 0; i < NS_COUNT_OF(percents); i++)
        set_signal(sight, out, percents[i].to, percents[i].from, 100.0);
    set_count(sight, out, NS_STATE_deployment_restarts, NS_SIGNAL_deployment_restarts);
    set_count(sight, out, NS_STATE_deployment_replicas_missing, NS_SIGNAL_deployment_replicas_missing);
    const ns_snapshot *snapshot = sight->snapshot;
    set_capped(out, NS_STATE_queue_length, fresh_value(sight, snapshot->queue_length), QUEUE_CAP);
    set_capped(out, NS_STATE_agents_offline, fresh_value(sight, snapshot->agents_offline), COUNT_CAP);
    double busy = fresh_value(sight, snapshot->executors_busy);
    double total = fresh_value(sight, snapshot->executors_total);
    if (busy >= 0.0 && total > 0.0)
        ns_state_set(out, NS_STATE_executors_busy, busy / total);
}

/* What was measured speaks for itself. */
static void observe_symptom(ns_cause symptom, ns_state *out)
{
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++)
        ns_state_set(out, (ns_state_index)(NS_STATE_cause_compile_error + c - 1), c == (size_t)symptom ? 1.0 : 0.0);
}

static void observe_prediction(const ns_sight *sight, ns_state *out)
{
    const ns_prediction *said = sight->prediction;
    if (sight->symptom != NS_CAUSE_none) {
        observe_symptom(sight->symptom, out);
        return;
    }
    if (said == NULL || said->known_at_ms < 0 || said->known_at_ms > sight->now_ms)
        return;
    for (size_t i = 0; said->has_embedding && i < NS_EMBEDDING; i++)
        ns_state_set(out, (ns_state_index)(NS_STATE_embedding_0 + i), (double)said->embedding[i]);
    ns_state_set(out, NS_STATE_fail_probability, said->fail_probability);
    set_flag(out, NS_STATE_alarmed, said->decision == NS_PREDICTED_failure);
    /* The table lists the causes in the order of flow/cause, without `none`. */
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++)
        ns_state_set(out, (ns_state_index)(NS_STATE_cause_compile_error + c - 1), said->cause_probability[c]);
}

_Static_assert(NS_STATE_cause_overload - NS_STATE_cause_compile_error == NS_CAUSE_overload - NS_CAUSE_compile_error,
               "the state vector lists the causes in the order of flow/cause");
_Static_assert(NS_STATE_tried_escalate - NS_STATE_tried_no_op == NS_ACTION_escalate - NS_ACTION_no_op,
               "the state vector lists the actions in the order of flow/action");

static void observe_history(const ns_sight *sight, ns_state *out)
{
    const ns_case *open = sight->open_case;
    if (open == NULL || open->state == NS_CASE_closed)
        return;
    for (size_t a = 0; a < NS_ACTION_COUNT; a++)
        set_capped(out, (ns_state_index)(NS_STATE_tried_no_op + a), (double)open->tried[a], COUNT_CAP);
    set_flag(out, NS_STATE_last_failed, open->last_outcome == NS_CASE_failed);
    set_flag(out, NS_STATE_last_inconclusive, open->last_outcome == NS_CASE_inconclusive);
    if (open->first_bad_ms >= 0)
        set_capped(out, NS_STATE_case_elapsed, (double)ns_age_ms(open->first_bad_ms, sight->now_ms), CASE_ELAPSED_MS);
    if (open->last_action_ms >= 0)
        set_capped(out, NS_STATE_since_action, (double)ns_age_ms(open->last_action_ms, sight->now_ms), SINCE_ACTION_MS);
}

void ns_observe(const ns_sight *sight, ns_state *out)
{
    memset(out, 0, sizeof *out);
    out->layout = NS_STATE_LAYOUT;
    observe_build(sight, out);
    observe_resources(sight, out);
    observe_prediction(sight, out);
    observe_history(sight, out);
}
