/* GET /api/v1/status (declared in api.h). */
#include "daemon/api.h"

#include "daemon/drift_watch.h"
#include "wire/json.h"

static void put_kill_switch(ns_json_writer *w, const ns_kill_switch *kill)
{
    ns_json_key(w, "kill_switch");
    ns_json_object(w);
    ns_json_field_bool(w, "on", kill->on);
    ns_json_field_string_or_null(w, "by", kill->on ? kill->by : "");
    ns_json_field_time(w, "since", kill->on ? kill->since_ms : -1);
    ns_json_end_object(w);
}

static void put_sources(ns_json_writer *w, const ns_house *house, int64_t now_ms)
{
    ns_json_key(w, "sources");
    ns_json_array(w);
    for (unsigned i = 0; i < NS_SOURCE_KINDS; i++) {
        const ns_source_health *health = &house->snapshot->source[i];
        ns_json_object(w);
        ns_json_field_string(w, "name", ns_source_kind_name((ns_source_kind)i));
        ns_json_field_string(w, "state", ns_source_state_name(health->state));
        if (health->good_at_ms >= 0)
            ns_json_field_real(w, "age_s", (double)ns_age_ms(health->good_at_ms, now_ms) / 1000.0);
        else
            ns_json_field_null(w, "age_s");
        ns_json_field_string_or_null(w, "error", health->error);
        ns_json_end_object(w);
    }
    ns_json_end_array(w);
}

static void put_predictor(ns_json_writer *w, const ns_house *house)
{
    ns_json_key(w, "predictor");
    ns_json_object(w);
    ns_json_field_string(w, "name", house->predictor.name);
    ns_json_field_string_or_null(w, "sha256", house->predictor.sha256);
    ns_json_field_string(w, "code_path", ns_code_path_name(house->predictor.code_path));
    ns_json_field_string(w, "state", house->predictor.fallback ? "fallback" : "ready");
    ns_json_end_object(w);
    ns_json_key(w, "policy");
    ns_json_object(w);
    ns_json_field_string(w, "name", house->policy.name);
    ns_json_field_string_or_null(w, "sha256", house->policy.sha256);
    ns_json_field_string(w, "state", "ready");
    ns_json_end_object(w);
}

static void put_store(ns_json_writer *w, const ns_house *house)
{
    ns_store_status store;
    house->store.status(house->store.self, &store);
    ns_json_key(w, "store");
    ns_json_object(w);
    ns_json_field_string(w, "backend", store.backend);
    ns_json_field_int_or_null(w, "bytes", store.bytes);
    ns_json_field_string(w, "state", ns_store_state_name(store.state));
    ns_json_field_string_or_null(w, "error", store.error);
    ns_json_end_object(w);
}

static void put_build(ns_json_writer *w, const ns_house *house, const ns_pipeline_view *view, int64_t now_ms)
{
    ns_json_key(w, "build");
    if (view->build_count == 0) {
        ns_json_put_null(w);
        return;
    }
    const ns_build *build = &view->builds[0];
    const ns_prediction *prediction = NULL;
    int64_t alarm_ms = -1;
    const ns_track *track = ns_house_track(house, view);
    for (const ns_build_entry *e = track == NULL ? NULL : track->builds; e != NULL; e = e->next)
        if (e->number == build->number && e->has_prediction) {
            prediction = &e->prediction;
            alarm_ms = e->alarm_ms;
        }
    ns_json_object(w);
    ns_json_field_int(w, "number", build->number);
    ns_json_field_string(w, "state", build->running ? "running" : "finished");
    ns_json_field_string(w, "result", build->result == NS_BUILD_unknown ? NULL : ns_build_result_name(build->result));
    if (prediction != NULL) {
        ns_json_field_real(w, "failure_probability", prediction->fail_probability);
        ns_json_field_string(w, "decision", ns_predicted_name(prediction->decision));
        ns_json_field_real(w, "scored_age_s", (double)ns_age_ms(prediction->known_at_ms, now_ms) / 1000.0);
    } else {
        ns_json_field_null(w, "failure_probability");
        ns_json_field_null(w, "decision");
        ns_json_field_null(w, "scored_age_s");
    }
    ns_json_field_time(w, "alarmed_at", alarm_ms);
    ns_json_field_real(w, "lead_s", ns_lead_s(alarm_ms, build));
    ns_json_end_object(w);
}

/* Since the daemon started. */
static void put_early_warning(ns_json_writer *w, const ns_counts *counts)
{
    ns_json_key(w, "early_warning");
    ns_json_object(w);
    ns_json_field_int(w, "finished", (int64_t)counts->builds_finished);
    ns_json_field_int(w, "failed", (int64_t)counts->builds_failed);
    ns_json_field_int(w, "found", (int64_t)counts->early.found);
    ns_json_field_int(w, "false_alarms", (int64_t)counts->false_alarms);
    ns_json_field_real(w, "lead_s", ns_early_warning_median_s(&counts->early));
    ns_json_end_object(w);
}

static void put_fact(ns_json_writer *w, const ns_deployment_view *cluster, ns_deployment_fact fact)
{
    ns_json_field_int_or_null(w, ns_deployment_fact_name(fact), ns_deployment_fact_of(cluster, fact));
}

static void put_event(ns_json_writer *w, const ns_cluster_event *event)
{
    ns_json_key(w, "newest_event");
    if (event->reason[0] == '\0') {
        ns_json_put_null(w);
        return;
    }
    ns_json_object(w);
    ns_json_field_time(w, "at", event->at_ms);
    ns_json_field_bool(w, "warning", event->warning);
    ns_json_field_int(w, "count", event->count);
    ns_json_field_string(w, "reason", event->reason);
    ns_json_field_string(w, "object", event->object);
    ns_json_field_string(w, "message", event->message);
    ns_json_end_object(w);
}

/* How the Deployment does, in our judgement; null when nothing is known. */
static void put_symptom(ns_json_writer *w, const ns_symptoms *symptoms)
{
    ns_json_key(w, "symptom");
    if (symptoms == NULL || !symptoms->known) {
        ns_json_put_null(w);
        return;
    }
    ns_json_object(w);
    ns_json_field_bool(w, "bad", symptoms->bad);
    ns_json_field_string(w, "cause", symptoms->cause == NS_CAUSE_none ? NULL : ns_cause_name(symptoms->cause));
    ns_json_field_string_or_null(w, "why", symptoms->why);
    ns_json_field_time(w, "since", symptoms->bad ? symptoms->since_ms : symptoms->calm_ms);
    ns_json_end_object(w);
}

/* What the cluster would not let us do to it; null when it did not say, or when all is permitted. */
static void put_rights(ns_json_writer *w, const ns_rights *rights)
{
    ns_json_key(w, "not_permitted");
    if (rights->denied == 0) {
        ns_json_put_null(w);
        return;
    }
    ns_json_object(w);
    ns_json_key(w, "actions");
    ns_json_array(w);
    for (int a = 0; a < NS_ACTION_COUNT; a++)
        if ((rights->denied & NS_ACTION_BIT(a)) != 0)
            ns_json_put_string(w, ns_action_name((ns_action)a));
    ns_json_end_array(w);
    ns_json_field_string_or_null(w, "missing", rights->missing);
    ns_json_end_object(w);
}

/* What the cluster says about the Deployment; null where it says nothing. */
static void put_cluster(ns_json_writer *w, const ns_pipeline_view *view, const ns_track *track, int64_t now_ms)
{
    const ns_deployment_view *cluster = &view->cluster;
    ns_json_key(w, "cluster");
    if (view->deployment[0] == '\0' || cluster->at_ms < 0) {
        ns_json_put_null(w);
        return;
    }
    ns_json_object(w);
    ns_json_field_real(w, "age_s", (double)ns_age_ms(cluster->at_ms, now_ms) / 1000.0);
    ns_json_field_bool(w, "exists", cluster->exists);
    ns_json_field_string(w, "rollout", ns_rollout_name(cluster->rollout));
    for (size_t i = 0; i < NS_DEPLOYMENT_FACTS; i++)
        put_fact(w, cluster, (ns_deployment_fact)i);
    ns_json_field_string_or_null(w, "image", cluster->image);
    ns_json_field_string_or_null(w, "template", cluster->template_hash);
    ns_json_field_time(w, "since", cluster->since_ms);
    ns_json_field_string_or_null(w, "managed_by", cluster->managed_by);
    if (cluster->has_hpa < 0)
        ns_json_field_null(w, "autoscaled");
    else
        ns_json_field_bool(w, "autoscaled", cluster->has_hpa == 1);
    ns_json_field_string_or_null(w, "verified_template", cluster->verified_hash);
    ns_json_field_string_or_null(w, "verified_image", cluster->verified_image);
    put_event(w, &cluster->event[0]);
    put_symptom(w, track == NULL ? NULL : &track->symptoms);
    put_rights(w, &cluster->rights);
    ns_json_end_object(w);
}

/* Pods that we added; null: none, as far as this daemon knows. */
static void put_scaled(ns_json_writer *w, const ns_scaling_row *row)
{
    ns_json_key(w, "scaled");
    if (row == NULL) {
        ns_json_put_null(w);
        return;
    }
    ns_json_object(w);
    ns_json_field_int(w, "from", row->replicas_from);
    ns_json_field_int(w, "to", row->replicas_to);
    ns_json_field_string(w, "state", ns_scaling_state_name(row->state));
    ns_json_field_time(w, "since", row->at_ms);
    ns_json_field_string_or_null(w, "why", row->why);
    ns_json_end_object(w);
}

static void put_pipelines(ns_json_writer *w, const ns_house *house, int64_t now_ms)
{
    ns_json_key(w, "pipelines");
    ns_json_array(w);
    for (size_t i = 0; i < house->snapshot->pipeline_count; i++) {
        const ns_pipeline_view *view = house->snapshot->pipelines[i];
        const ns_track *track = ns_house_track(house, view);
        if (view->gone)
            continue;
        ns_json_object(w);
        ns_json_field_string(w, "name", view->name);
        ns_json_field_string(w, "jenkins_job", view->jenkins_job);
        ns_json_field_string_or_null(w, "deployment", view->deployment);
        put_build(w, house, view, now_ms);
        put_cluster(w, view, track, now_ms);
        put_scaled(w, track == NULL ? NULL : track->scaled);
        const ns_case *c = track == NULL ? NULL : track->open_case;
        if (c != NULL)
            ns_json_field_int(w, "case", c->id);
        else
            ns_json_field_null(w, "case");
        ns_json_field_string_or_null(w, "case_reason", c == NULL ? "" : c->reason);
        ns_json_end_object(w);
    }
    ns_json_end_array(w);
}

static void put_cases(ns_json_writer *w, const ns_house *house)
{
    int64_t open = 0, waiting = 0;
    for (size_t i = 0; i < house->track_count; i++) {
        open += house->tracks[i].open_case != NULL;
        waiting += house->tracks[i].open_case != NULL && house->tracks[i].open_case->state == NS_CASE_waiting;
    }
    ns_json_key(w, "cases");
    ns_json_object(w);
    ns_json_field_int(w, "open", open);
    ns_json_field_int(w, "waiting", waiting);
    ns_json_end_object(w);
}

void ns_api_status(const ns_house *house, ns_buf *out)
{
    int64_t now_ms = ns_clock_now_ms(&house->clock);
    ns_kill_switch kill;
    ns_guardrails_kill_switch(house->rails, &kill);
    const char *mode = ns_mode_name(ns_guardrails_mode(house->rails));
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_string(&w, "version", NS_VERSION);
    ns_json_field_real(&w, "uptime_s", (double)(ns_real_now_ms() - house->started_real_ms) / 1000.0);
    ns_json_field_string(&w, "mode", mode);
    ns_json_field_string(&w, "acting", kill.on ? "stopped" : mode);
    ns_json_field_string(&w, "runs_on", house->on_world ? "world" : "live");
    ns_json_field_time(&w, "now", now_ms);
    put_kill_switch(&w, &kill);
    put_sources(&w, house, now_ms);
    put_predictor(&w, house);
    put_store(&w, house);
    put_early_warning(&w, &house->counts);
    ns_json_key(&w, "drift");
    ns_drift_watch_show(&w, house);
    put_pipelines(&w, house, now_ms);
    put_cases(&w, house);
    ns_json_end_object(&w);
    (void)ns_buf_char(out, '\n');
}
