#include "daemon/show.h"

#include "wire/json.h"

#include <stdio.h>

void ns_show_build_id(char out[NS_JOB_MAX + 24], const char *jenkins_job, int64_t number)
{
    (void)snprintf(out, NS_JOB_MAX + 24, "%s#%lld", jenkins_job, (long long)number);
}

/* Numbers for which 0 means "none". */
static void field_or_null(ns_json_writer *w, const char *key, int64_t value)
{
    ns_json_field_int_or_null(w, key, value > 0 ? value : -1);
}

void ns_show_record(ns_buf *out, const ns_record *record)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_time(&w, "timestamp", record->at_ms);
    ns_json_field_string(&w, "pipeline", record->pipeline);
    ns_json_field_string(&w, "jenkins_job", record->jenkins_job);
    ns_json_field_string(&w, "jenkins_last_build_status",
                         record->last_result == NS_BUILD_unknown ? NULL : ns_build_result_name(record->last_result));
    field_or_null(&w, "jenkins_build_number", record->last_number);
    field_or_null(&w, "jenkins_running_number", record->running_number);
    for (unsigned i = 0; i < NS_SOURCE_KINDS; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "%s_age_ms", ns_source_kind_name((ns_source_kind)i));
        ns_json_field_int_or_null(&w, key, record->age_ms[i]);
    }
    for (unsigned i = 0; i < NS_RECORD_FIELDS; i++)
        ns_json_field_real(&w, ns_record_facts_of((ns_record_field)i)->column, record->value[i]);
    ns_json_field_real(&w, "failure_probability", record->fail_probability);
    field_or_null(&w, "case", record->case_id);
    ns_json_end_object(&w);
}

static void flag(ns_json_writer *w, const char *key, int8_t value)
{
    if (value < 0)
        ns_json_field_null(w, key);
    else
        ns_json_field_bool(w, key, value != 0);
}

static void put_prediction(ns_json_writer *w, const char *jenkins_job, int64_t build, const ns_prediction *prediction)
{
    char id[NS_JOB_MAX + 24];
    ns_show_build_id(id, jenkins_job, build);
    ns_json_object(w);
    ns_json_field_string(w, "build", id);
    ns_json_field_time(w, "known_at", prediction->known_at_ms);
    ns_json_field_real(w, "failure_probability", prediction->fail_probability);
    ns_json_field_string(w, "decision", ns_predicted_name(prediction->decision));
    ns_json_field_real(w, "threshold", prediction->threshold);
    ns_json_field_string(w, "cause", prediction->cause == NS_CAUSE_none ? NULL : ns_cause_name(prediction->cause));
    ns_json_key(w, "causes");
    ns_json_object(w);
    for (unsigned i = 0; i < NS_CAUSE_COUNT; i++)
        ns_json_field_real(w, ns_cause_name((ns_cause)i), prediction->cause_probability[i]);
    ns_json_end_object(w);
    ns_json_field_int(w, "lines", prediction->lines);
    ns_json_field_int(w, "log_bytes", prediction->log_bytes);
    ns_json_key(w, "evidence");
    ns_json_array(w);
    for (size_t i = 0; i < prediction->evidence_count; i++) {
        const ns_evidence *e = &prediction->evidence[i];
        ns_json_object(w);
        ns_json_field_int(w, "line", e->line);
        ns_json_field_string(w, "text", e->text);
        ns_json_field_real(w, "weight", e->weight);
        ns_json_field_bool(w, "new", e->is_new);
        ns_json_end_object(w);
    }
    ns_json_end_array(w);
    ns_json_field_string(w, "code_path", ns_code_path_name(prediction->code_path));
    ns_json_field_bool(w, "fallback", prediction->fallback);
    ns_json_field_real(w, "elapsed_ms", prediction->elapsed_ms);
    ns_json_end_object(w);
}

void ns_show_prediction(ns_buf *out, const char *jenkins_job, int64_t build, const ns_prediction *prediction)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    put_prediction(&w, jenkins_job, build, prediction);
}

void ns_show_build(ns_buf *out, const char *jenkins_job, const ns_build *build, const ns_prediction *prediction)
{
    char id[NS_JOB_MAX + 24];
    ns_show_build_id(id, jenkins_job, build->number);
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_string(&w, "id", id);
    ns_json_field_string(&w, "jenkins_job", jenkins_job);
    ns_json_field_int(&w, "number", build->number);
    ns_json_field_string(&w, "state", build->running ? "running" : "finished");
    ns_json_field_string(&w, "result", build->result == NS_BUILD_unknown ? NULL : ns_build_result_name(build->result));
    ns_json_field_time(&w, "started_at", build->started_ms);
    ns_json_field_int_or_null(&w, "duration_ms", build->duration_ms);
    ns_json_field_int_or_null(&w, "estimated_ms", build->estimated_ms);
    ns_json_field_int_or_null(&w, "queue_id", build->queue_id);
    ns_json_field_string(&w, "trigger",
                         build->trigger == NS_TRIGGER_unknown ? NULL : ns_build_trigger_name(build->trigger));
    ns_json_field_string_or_null(&w, "triggered_by", build->triggered_by);
    ns_json_field_string_or_null(&w, "key", build->key);
    ns_json_field_string_or_null(&w, "agent", build->agent);
    ns_json_field_string_or_null(&w, "commit", build->commit);
    ns_json_field_int_or_null(&w, "changes", build->changes);
    flag(&w, "dependency_files_changed", build->dependency_files_changed);
    flag(&w, "aborted_by_person", build->aborted_by_person);
    ns_json_field_int_or_null(&w, "tests_total", build->tests_total);
    ns_json_field_int_or_null(&w, "tests_failed", build->tests_failed);
    ns_json_field_int_or_null(&w, "tests_skipped", build->tests_skipped);
    ns_json_field_int(&w, "stages", build->stages);
    ns_json_field_string_or_null(&w, "stage", build->stage);
    ns_json_field_int(&w, "log_bytes", build->log_bytes);
    ns_json_key(&w, "prediction");
    if (prediction != NULL)
        put_prediction(&w, jenkins_job, build->number, prediction);
    else
        ns_json_put_null(&w);
    ns_json_end_object(&w);
}

void ns_show_decision(ns_buf *out, const ns_decision_row *row)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "id", row->id);
    ns_json_field_time(&w, "at", row->at_ms);
    ns_json_field_string(&w, "jenkins_job", row->jenkins_job);
    field_or_null(&w, "build", row->build);
    field_or_null(&w, "case", row->case_id);
    ns_json_field_string(&w, "mode", ns_mode_name(row->mode));
    ns_json_field_string(&w, "policy", row->policy);
    ns_json_field_string(&w, "action", ns_action_name(row->decision.action));
    ns_json_field_real(&w, "probability", row->decision.probability);
    ns_json_field_string(&w, "why", row->decision.why);
    ns_json_key(&w, "possible");
    ns_json_array(&w);
    for (unsigned i = 0; i < NS_ACTION_COUNT; i++)
        if (row->possible & NS_ACTION_BIT(i))
            ns_json_put_string(&w, ns_action_name((ns_action)i));
    ns_json_end_array(&w);
    ns_json_field_string(&w, "verdict", ns_verdict_name(row->verdict.kind));
    ns_json_field_string_or_null(&w, "rule", row->verdict.rule);
    ns_json_field_string_or_null(&w, "reason", row->verdict.text);
    ns_json_key(&w, "state");
    ns_json_object(&w);
    for (unsigned i = 0; i < NS_STATE_COUNT; i++)
        if (ns_state_has(&row->state, (ns_state_index)i))
            ns_json_field_real(&w, ns_state_name((ns_state_index)i), (double)row->state.value[i]);
    ns_json_end_object(&w);
    ns_json_field_time(&w, "prediction_known_at", row->prediction_known_at_ms);
    ns_json_end_object(&w);
}

void ns_show_case(ns_buf *out, const ns_case *c)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "id", c->id);
    ns_json_field_string(&w, "jenkins_job", c->jenkins_job);
    ns_json_field_string(&w, "state", ns_case_state_name(c->state));
    ns_json_field_time(&w, "opened_at", c->opened_ms);
    ns_json_field_time(&w, "first_bad_at", c->first_bad_ms);
    ns_json_field_time(&w, "changed_at", c->changed_ms);
    ns_json_field_time(&w, "closed_at", c->closed_ms);
    ns_json_field_time(&w, "healed_at", c->healed_ms);
    ns_json_field_string(&w, "healed_by", ns_healed_by_name(c->healed_by));
    if (c->healed_ms >= 0)
        ns_json_field_real(&w, "mttr_s", (double)(c->healed_ms - c->first_bad_ms) / 1000.0);
    else
        ns_json_field_null(&w, "mttr_s");
    field_or_null(&w, "build", c->build);
    field_or_null(&w, "result_build", c->result_build);
    ns_json_field_string(&w, "cause", ns_cause_name(c->cause));
    ns_json_field_string_or_null(&w, "symptom", c->symptom);
    ns_json_field_string_or_null(&w, "reason", c->reason);
    ns_json_field_int(&w, "attempts", c->attempts);
    ns_json_key(&w, "tried");
    ns_json_object(&w);
    for (unsigned i = 0; i < NS_ACTION_COUNT; i++)
        ns_json_field_int(&w, ns_action_name((ns_action)i), c->tried[i]);
    ns_json_end_object(&w);
    ns_json_field_bool(&w, "escalated", c->escalated);
    ns_json_field_string(&w, "last_outcome",
                         c->last_outcome == NS_CASE_watching ? NULL : ns_case_state_name(c->last_outcome));
    ns_json_field_time(&w, "last_action_at", c->last_action_ms);
    ns_json_field_real(&w, "cost", c->cost);
    ns_json_field_real(&w, "reward", c->reward);
    field_or_null(&w, "decision", c->decision_id);
    ns_json_field_bool(&w, "reconciled", c->reconciled);
    ns_json_field_bool(&w, "unsure", c->unsure);
    ns_json_field_string_or_null(&w, "key", c->effect.key);
    ns_json_end_object(&w);
}

void ns_show_effect(ns_buf *out, const ns_effect_row *row)
{
    const ns_effect *e = &row->effect;
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_string(&w, "key", e->key);
    field_or_null(&w, "case", e->case_id);
    ns_json_field_int(&w, "attempt", e->attempt);
    ns_json_field_string(&w, "action", ns_action_name(e->action));
    ns_json_field_string(&w, "jenkins_job", e->jenkins_job);
    field_or_null(&w, "build", e->build);
    ns_json_field_string_or_null(&w, "deployment", e->deployment);
    field_or_null(&w, "replicas", e->replicas);
    ns_json_field_bool(&w, "undo", e->undo);
    field_or_null(&w, "queue_id", e->queue_id);
    ns_json_field_string(&w, "cause", ns_cause_name(e->cause));
    ns_json_field_string(&w, "state", ns_case_state_name(row->state));
    ns_json_field_time(&w, "at", row->at_ms);
    ns_json_field_string(&w, "error", row->error.status == NS_OK ? NULL : row->error.text);
    ns_json_end_object(&w);
}

void ns_show_audit(ns_buf *out, const ns_audit_row *row)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "id", row->id);
    ns_json_field_time(&w, "at", row->at_ms);
    ns_json_field_string(&w, "actor", row->actor);
    ns_json_field_string(&w, "what", row->what);
    ns_json_field_string_or_null(&w, "object", row->object);
    ns_json_field_string_or_null(&w, "detail", row->detail);
    ns_json_end_object(&w);
}

void ns_show_label(ns_buf *out, const ns_label_row *row)
{
    char id[NS_JOB_MAX + 24];
    ns_show_build_id(id, row->jenkins_job, row->build);
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_time(&w, "at", row->at_ms);
    ns_json_field_string(&w, "build", id);
    ns_json_field_string(&w, "actor", row->actor);
    ns_json_field_string_or_null(&w, "cause", row->cause);
    ns_json_field_int_or_null(&w, "line", row->line);
    flag(&w, "telling", row->telling);
    ns_json_end_object(&w);
}
