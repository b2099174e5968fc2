#include "daemon/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct printer {
    ns_buf *out;
    bool openmetrics;
} printer;

/* name is without _total; OpenMetrics wants the family's name so, 0.0.4 with it. */
static void family(const printer *p, const char *name, const char *type, const char *help)
{
    const char *suffix = strcmp(type, "counter") == 0 && !p->openmetrics ? "_total" : "";
    (void)ns_buf_printf(p->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, type);
}

static void number(const printer *p, double value)
{
    if (isnan(value))
        (void)ns_buf_string(p->out, "NaN\n");
    else if (isinf(value))
        (void)ns_buf_string(p->out, value > 0 ? "+Inf\n" : "-Inf\n");
    else
        (void)ns_buf_printf(p->out, "%.15g\n", value);
}

static void label_value(const printer *p, const char *value)
{
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\\' || *c == '"')
            (void)ns_buf_char(p->out, '\\');
        if (*c == '\n')
            (void)ns_buf_string(p->out, "\\n");
        else
            (void)ns_buf_char(p->out, *c);
    }
}

/* One sample; label NULL: none. */
static void sample(const printer *p, const char *name, const char *label, const char *value_of_label, double value)
{
    (void)ns_buf_string(p->out, name);
    if (label != NULL) {
        (void)ns_buf_printf(p->out, "{%s=\"", label);
        label_value(p, value_of_label);
        (void)ns_buf_string(p->out, "\"}");
    }
    (void)ns_buf_char(p->out, ' ');
    number(p, value);
}

static void gauge(const printer *p, const char *name, const char *help, double value)
{
    family(p, name, "gauge", help);
    sample(p, name, NULL, NULL, value);
}

static void counter(const printer *p, const char *name, const char *help, uint64_t value)
{
    char total[96];
    (void)snprintf(total, sizeof total, "%s_total", name);
    family(p, name, "counter", help);
    sample(p, total, NULL, NULL, (double)value);
}

static void per_action(const printer *p, const char *name, const char *help, const uint64_t values[NS_ACTION_COUNT])
{
    char total[96];
    (void)snprintf(total, sizeof total, "%s_total", name);
    family(p, name, "counter", help);
    for (unsigned i = 0; i < NS_ACTION_COUNT; i++)
        sample(p, total, "action", ns_action_name((ns_action)i), (double)values[i]);
}

static void sources(const printer *p, const ns_house *house)
{
    int64_t now_ms = ns_clock_now_ms(&house->clock);
    family(p, "neuroshield_source_up", "gauge", "1 when the source answers and its answer is fresh");
    for (unsigned i = 0; i < NS_SOURCE_KINDS; i++)
        if (house->snapshot->source[i].state != NS_SOURCE_not_configured)
            sample(p, "neuroshield_source_up", "source", ns_source_kind_name((ns_source_kind)i),
                   house->snapshot->source[i].state == NS_SOURCE_ok);
    family(p, "neuroshield_source_age_seconds", "gauge", "Time since the source's last good answer");
    for (unsigned i = 0; i < NS_SOURCE_KINDS; i++)
        if (house->snapshot->source[i].good_at_ms >= 0)
            sample(p, "neuroshield_source_age_seconds", "source", ns_source_kind_name((ns_source_kind)i),
                   (double)ns_age_ms(house->snapshot->source[i].good_at_ms, now_ms) / 1000.0);
}

static void pipelines(const printer *p, const ns_house *house)
{
    size_t count = house->snapshot->pipeline_count;
    size_t shown = count < NS_METRICS_PIPELINES_MAX ? count : NS_METRICS_PIPELINES_MAX;
    gauge(p, "neuroshield_pipelines", "Pipelines watched", (double)count);
    family(p, "neuroshield_failure_probability", "gauge", "Newest prediction of the running build");
    for (size_t i = 0; i < shown; i++) {
        const ns_pipeline_view *view = house->snapshot->pipelines[i];
        const ns_track *track = ns_house_track(house, view);
        if (track == NULL || track->builds == NULL || !track->builds->has_prediction || view->build_count == 0 ||
            !view->builds[0].running || view->builds[0].number != track->builds->number)
            continue;
        sample(p, "neuroshield_failure_probability", "jenkins_job", view->jenkins_job,
               track->builds->prediction.fail_probability);
    }
    family(p, "neuroshield_case_open", "gauge", "1 while an incident of this pipeline is open");
    for (size_t i = 0; i < shown; i++) {
        const ns_track *track = ns_house_track(house, house->snapshot->pipelines[i]);
        sample(p, "neuroshield_case_open", "jenkins_job", house->snapshot->pipelines[i]->jenkins_job,
               track != NULL && track->open_case != NULL);
    }
}

static void one_fact(const printer *p, const ns_house *house, size_t shown, ns_deployment_fact fact, const char *name,
                     const char *help)
{
    family(p, name, "gauge", help);
    for (size_t i = 0; i < shown; i++) {
        const ns_pipeline_view *view = house->snapshot->pipelines[i];
        int64_t n = ns_deployment_fact_of(&view->cluster, fact);
        if (n >= 0 && view->deployment[0] != '\0')
            sample(p, name, "jenkins_job", view->jenkins_job, (double)n);
    }
}

/* Deployments that do badly, by what that most likely means; and what we may not do to how many. */
static void judged(const printer *p, const ns_house *house)
{
    uint64_t bad[NS_CAUSE_COUNT] = {0}, denied[NS_ACTION_COUNT] = {0};
    for (size_t i = 0; i < house->track_count && i < house->snapshot->pipeline_count; i++) {
        const ns_symptoms *symptoms = &house->tracks[i].symptoms;
        ns_action_mask mask = house->snapshot->pipelines[i]->cluster.rights.denied;
        bad[symptoms->cause] += symptoms->known && symptoms->bad;
        for (int a = 0; a < NS_ACTION_COUNT; a++)
            denied[a] += (mask & NS_ACTION_BIT(a)) != 0;
    }
    family(p, "neuroshield_deployments_bad", "gauge", "Deployments that do badly, by believed cause (none: not known)");
    static const ns_cause shown[] = {NS_CAUSE_none, NS_CAUSE_out_of_memory, NS_CAUSE_bad_release, NS_CAUSE_overload};
    for (size_t i = 0; i < NS_COUNT_OF(shown); i++)
        sample(p, "neuroshield_deployments_bad", "cause", ns_cause_name(shown[i]), (double)bad[shown[i]]);
    family(p, "neuroshield_deployments_not_permitted", "gauge",
           "Deployments to which the cluster would not let us do this");
    for (int a = 0; a < NS_ACTION_COUNT; a++)
        if (strcmp(ns_action_facts_of((ns_action)a)->executor, "kubernetes") == 0)
            sample(p, "neuroshield_deployments_not_permitted", "action", ns_action_name((ns_action)a),
                   (double)denied[a]);
}

/* Several pipelines may deploy one Deployment: the job tells their samples apart. */
static void cluster(const printer *p, const ns_house *house)
{
    static const struct {
        ns_deployment_fact fact;
        const char *name, *help;
    } shown_facts[] = {
        {NS_DEPLOYMENT_replicas_wanted, "neuroshield_deployment_replicas_wanted", "Replicas wanted"},
        {NS_DEPLOYMENT_replicas_ready, "neuroshield_deployment_replicas_ready", "Replicas ready"},
        {NS_DEPLOYMENT_replicas_available, "neuroshield_deployment_replicas_available", "Replicas available"},
        {NS_DEPLOYMENT_pods_crash_looping, "neuroshield_deployment_pods_crash_looping", "Pods in a crash loop"},
        {NS_DEPLOYMENT_pods_image_failing, "neuroshield_deployment_pods_image_failing", "Pods without their image"},
        {NS_DEPLOYMENT_pods_oom_killed, "neuroshield_deployment_pods_oom_killed", "Pods lately killed for memory"},
        {NS_DEPLOYMENT_pods_pending, "neuroshield_deployment_pods_pending", "Pods pending"},
        {NS_DEPLOYMENT_restarts, "neuroshield_deployment_restarts", "Container restarts of the present pods"},
        {NS_DEPLOYMENT_revision, "neuroshield_deployment_revision", "Number of the revision rolled out now"},
        {NS_DEPLOYMENT_memory_limit, "neuroshield_deployment_memory_limit_bytes",
         "Memory that one of its pods may take"},
    };
    size_t count = house->snapshot->pipeline_count;
    if (house->snapshot->source[NS_FROM_kubernetes].state == NS_SOURCE_not_configured)
        return;
    for (size_t i = 0; i < NS_COUNT_OF(shown_facts); i++)
        one_fact(p, house, count < NS_METRICS_PIPELINES_MAX ? count : NS_METRICS_PIPELINES_MAX, shown_facts[i].fact,
                 shown_facts[i].name, shown_facts[i].help);
    judged(p, house);
    if (ns_value_known(house->snapshot->nodes_ready))
        gauge(p, "neuroshield_nodes_ready", "Nodes of the cluster that take pods", house->snapshot->nodes_ready.value);
}

static void work(const printer *p, const ns_house *house)
{
    const ns_counts *c = &house->counts;
    counter(p, "neuroshield_ticks", "Ticks of the main flow", c->ticks);
    counter(p, "neuroshield_records", "Records written", c->records);
    counter(p, "neuroshield_predictions", "Answers of the predictor", c->predictions);
    counter(p, "neuroshield_builds_finished", "Builds seen to their end", c->builds_finished);
    counter(p, "neuroshield_builds_failed", "Of these failed or unstable", c->builds_failed);
    counter(p, "neuroshield_builds_alarmed", "Builds alarmed while they ran", c->builds_alarmed);
    counter(p, "neuroshield_false_alarms", "Alarmed builds that succeeded", c->false_alarms);
    counter(p, "neuroshield_builds_found_early", "Failing builds alarmed before their end", c->early.found);
    gauge(p, "neuroshield_alarm_lead_seconds", "Median time from the first alarm to the failing build's end",
          ns_early_warning_median_s(&c->early));
    counter(p, "neuroshield_cases_opened", "Incidents noticed", c->cases_opened);
    counter(p, "neuroshield_cases_verified", "Attempts that were verified to have helped", c->verified);
    counter(p, "neuroshield_cases_escalated", "Incidents handed to a person", c->escalated);
    counter(p, "neuroshield_refused", "Decisions that a guardrail or the other side refused", c->refused);
    per_action(p, "neuroshield_actions_decided", "Decisions by action", c->decided);
    per_action(p, "neuroshield_actions_sent", "Actions sent", c->sent);
    per_action(p, "neuroshield_actions_verified", "Actions verified to have helped", c->helped);
    gauge(p, "neuroshield_tick_seconds", "Real time of the last tick", c->tick_ms_last / 1000.0);
}

static void drift(const printer *p, const ns_house *house)
{
    size_t jobs = 0;
    family(p, "neuroshield_drift", "gauge", "1 while this signal says that the predictor drifts: it only advises then");
    for (unsigned s = 0; s < NS_DRIFT_SIGNALS; s++)
        sample(p, "neuroshield_drift", "signal", ns_drift_facts_of((ns_drift_signal)s)->name, house->drift.on[s]);
    family(p, "neuroshield_drift_value", "gauge", "What the signal measures over the builds that ended last");
    for (unsigned s = 0; s < NS_DRIFT_SIGNALS; s++)
        sample(p, "neuroshield_drift_value", "signal", ns_drift_facts_of((ns_drift_signal)s)->name,
               ns_drift_value(&house->drift, (ns_drift_signal)s, NULL));
    for (size_t i = 0; i < house->track_count; i++)
        jobs += house->tracks[i].drift.on;
    gauge(p, "neuroshield_drift_jobs", "Jobs with more false alarms than promised", (double)jobs);
}

static void machinery(const printer *p, const ns_house *house)
{
    ns_kill_switch kill;
    ns_store_status store;
    ns_scorer_figures scorer;
    ns_guardrails_kill_switch(house->rails, &kill);
    house->store.status(house->store.self, &store);
    ns_scorer_counts(house->scorer, &scorer);
    gauge(p, "neuroshield_kill_switch", "1 while the kill switch is on", kill.on);
    gauge(p, "neuroshield_mode", "0 observe, 1 suggest, 2 approve, 3 auto", (double)ns_guardrails_mode(house->rails));
    gauge(p, "neuroshield_store_bytes", "Size of the store on disk", (double)store.bytes);
    gauge(p, "neuroshield_store_state", "0 ok, 1 read only, 2 corrupt", (double)store.state);
    counter(p, "neuroshield_store_dropped", "Telemetry rows the store had no room for", store.dropped);
    gauge(p, "neuroshield_scorer_pending_bytes", "Log text not read yet", (double)scorer.pending_bytes);
    gauge(p, "neuroshield_inference_p99_seconds", "99th percentile of one answer of the predictor",
          scorer.p99_ms / 1000.0);
    gauge(p, "neuroshield_uptime_seconds", "Real time since the daemon started",
          (double)(ns_real_now_ms() - house->started_real_ms) / 1000.0);
    family(p, "neuroshield_build_info", "gauge", "The program's version");
    sample(p, "neuroshield_build_info", "version", NS_VERSION, 1);
}

void ns_metrics_print(const ns_house *house, bool openmetrics, ns_buf *out)
{
    printer p = {.out = out, .openmetrics = openmetrics};
    work(&p, house);
    sources(&p, house);
    pipelines(&p, house);
    cluster(&p, house);
    drift(&p, house);
    machinery(&p, house);
    if (openmetrics)
        (void)ns_buf_string(out, "# EOF\n");
}

const char *ns_metrics_content_type(bool openmetrics)
{
    return openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                       : "text/plain; version=0.0.4; charset=utf-8";
}
