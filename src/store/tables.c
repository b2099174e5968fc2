/* The lists of columns, one per kind of row, and what the tables are called. See columns.h. */
#include "store/columns.h"

#define FIELD(row, field) (((row *)0)->field)

/* The column's type follows from the field's: a list cannot disagree with its struct. */
#define TYPE_OF(row, field)                                                                                            \
    _Generic(FIELD(row, field),                                                                                        \
        int8_t: NS_COLUMN_i8,                                                                                          \
        int32_t: NS_COLUMN_i32,                                                                                        \
        uint32_t: NS_COLUMN_u32,                                                                                       \
        int64_t: NS_COLUMN_i64,                                                                                        \
        size_t: NS_COLUMN_i64,                                                                                         \
        bool: NS_COLUMN_bool,                                                                                          \
        double: NS_COLUMN_real,                                                                                        \
        char *: NS_COLUMN_text)

#define PLACE(row, field) .offset = offsetof(row, field), .size = sizeof(FIELD(row, field))

/* NAMED takes the column's name as text, the others as a word. COL: always there. COL_OR: NULL when the field has the
 * struct's word for missing. */
#define NAMED(row, text, field)                                                                                        \
    {                                                                                                                  \
        .name = (text), .type = TYPE_OF(row, field), PLACE(row, field)                                                 \
    }
#define NAMED_OR(row, text, field, word)                                                                               \
    {                                                                                                                  \
        .name = (text), .type = TYPE_OF(row, field), .nullable = true, .unknown = (word), PLACE(row, field)            \
    }
#define NAMED_ENUM(row, text, field, names)                                                                            \
    {                                                                                                                  \
        .name = (text), .type = NS_COLUMN_enum, .enum_name = names##_word, .enum_count = names##_words,                \
        PLACE(row, field)                                                                                              \
    }
#define COL(row, column, field)             NAMED(row, #column, field)
#define COL_OR(row, column, field, word)    NAMED_OR(row, #column, field, word)
#define COL_ENUM(row, column, field, names) NAMED_ENUM(row, #column, field, names)
#define COL_BLOB(row, column, field, codec)                                                                            \
    {                                                                                                                  \
        .name = #column, .type = NS_COLUMN_blob, .blob = &(codec), PLACE(row, field)                                   \
    }

/* Enum names behind one signature, and how many there are. */
#define PLUS_ONE(...) +1 /* NOLINT(bugprone-macro-parentheses): terms of a sum */
#define WORDS(names, type, function, count)                                                                            \
    enum { names##_words = (count) };                                                                                  \
    static const char *names##_word(unsigned value)                                                                    \
    {                                                                                                                  \
        return function((type)value);                                                                                  \
    }

WORDS(result, ns_build_result, ns_build_result_name, 0 NS_BUILD_RESULT_MAP(PLUS_ONE))
WORDS(trigger, ns_build_trigger, ns_build_trigger_name, 0 NS_BUILD_TRIGGER_MAP(PLUS_ONE))
WORDS(predicted, ns_predicted, ns_predicted_name, 0 NS_PREDICTED_MAP(PLUS_ONE))
WORDS(path, ns_code_path, ns_code_path_name, 0 NS_CODE_PATH_MAP(PLUS_ONE))
WORDS(cause, ns_cause, ns_cause_name, NS_CAUSE_COUNT)
WORDS(action, ns_action, ns_action_name, NS_ACTION_COUNT)
WORDS(mode, ns_mode, ns_mode_name, NS_MODE_COUNT)
WORDS(verdict, ns_verdict_kind, ns_verdict_name, 0 NS_VERDICT_MAP(PLUS_ONE))
WORDS(scaling, ns_scaling_state, ns_scaling_state_name, 0 NS_SCALING_MAP(PLUS_ONE))
WORDS(case_state, ns_case_state, ns_case_state_name, NS_CASE_STATES)
WORDS(healed, ns_healed_by, ns_healed_by_name, 0 NS_HEALED_MAP(PLUS_ONE))
WORDS(status, ns_status, ns_status_name, NS_STATUS_COUNT)

static const ns_column record_columns[] = {
    COL(ns_record, at_ms, at_ms),
    COL(ns_record, pipeline, pipeline),
    COL(ns_record, jenkins_job, jenkins_job),
    COL_ENUM(ns_record, jenkins_last_build_status, last_result, result),
    COL_OR(ns_record, jenkins_build_number, last_number, 0),
    COL_OR(ns_record, jenkins_running_number, running_number, 0),
    COL_OR(ns_record, jenkins_age_ms, age_ms[NS_FROM_jenkins], -1),
    COL_OR(ns_record, prometheus_age_ms, age_ms[NS_FROM_prometheus], -1),
    COL_OR(ns_record, kubernetes_age_ms, age_ms[NS_FROM_kubernetes], -1),
#define RECORD_COLUMN(column, field, from, unit) COL(ns_record, column, value[NS_RECORD_##field]),
    NS_RECORD_MAP(RECORD_COLUMN)
#undef RECORD_COLUMN
        COL(ns_record, fail_probability, fail_probability),
    COL_OR(ns_record, case_id, case_id, 0),
};

#define BUILD(column)          COL(ns_build_row, column, build.column)
#define BUILD_OR(column, not ) COL_OR(ns_build_row, column, build.column, not )
static const ns_column build_columns[] = {
    COL(ns_build_row, jenkins_job, jenkins_job),
    BUILD(number),
    BUILD(running),
    COL_ENUM(ns_build_row, result, build.result, result),
    BUILD_OR(started_ms, -1),
    BUILD_OR(duration_ms, -1),
    BUILD_OR(estimated_ms, -1),
    BUILD_OR(queue_id, -1),
    BUILD_OR(seen_ms, -1),
    COL_ENUM(ns_build_row, trigger, build.trigger, trigger),
    BUILD(triggered_by),
    BUILD(key),
    BUILD(agent),
    COL(ns_build_row, commit_id, build.commit),
    BUILD_OR(parameters, -1),
    BUILD_OR(changes, -1),
    BUILD_OR(dependency_files_changed, -1),
    BUILD_OR(aborted_by_person, -1),
    BUILD_OR(tests_total, -1),
    BUILD_OR(tests_failed, -1),
    BUILD_OR(tests_skipped, -1),
    BUILD(stages),
    BUILD(stages_bad),
    BUILD(stage),
    BUILD(log_bytes),
};

/* The text goes its own way (log_store.c). */
static const ns_column log_columns[] = {
    COL(ns_log_row, jenkins_job, jenkins_job), COL(ns_log_row, build, build), COL(ns_log_row, next_offset, next_offset),
    COL(ns_log_row, restarted, restarted),     COL(ns_log_row, ended, ended),
};

#define PREDICTION(column) COL(ns_prediction_row, column, prediction.column)
static const ns_column prediction_columns[] = {
    COL(ns_prediction_row, jenkins_job, jenkins_job),
    COL(ns_prediction_row, build, build),
    COL_OR(ns_prediction_row, known_at_ms, prediction.known_at_ms, -1),
    PREDICTION(fail_probability),
    COL_ENUM(ns_prediction_row, decision, prediction.decision, predicted),
    PREDICTION(threshold),
    COL_ENUM(ns_prediction_row, cause, prediction.cause, cause),
#define CAUSE_COLUMN(name, meaning) COL(ns_prediction_row, cause_##name, prediction.cause_probability[NS_CAUSE_##name]),
    NS_CAUSE_MAP(CAUSE_COLUMN)
#undef CAUSE_COLUMN
        PREDICTION(lines),
    PREDICTION(windows),
    COL(ns_prediction_row, reference_logs, prediction.references),
    COL_ENUM(ns_prediction_row, code_path, prediction.code_path, path),
    PREDICTION(fallback),
    PREDICTION(log_bytes),
    PREDICTION(elapsed_ms),
    COL_OR(ns_prediction_row, words, prediction.words, 0),
    COL_OR(ns_prediction_row, unknown_words, prediction.unknown_words, 0),
    COL_BLOB(ns_prediction_row, embedding, prediction, ns_blob_embedding),
    COL_BLOB(ns_prediction_row, evidence, prediction, ns_blob_evidence),
};

static const ns_column decision_columns[] = {
    COL(ns_decision_row, id, id),
    COL(ns_decision_row, at_ms, at_ms),
    COL(ns_decision_row, jenkins_job, jenkins_job),
    COL_OR(ns_decision_row, build, build, 0),
    COL_OR(ns_decision_row, case_id, case_id, 0),
    COL_ENUM(ns_decision_row, mode, mode, mode),
    COL(ns_decision_row, policy, policy),
    COL(ns_decision_row, possible, possible),
    COL_ENUM(ns_decision_row, action, decision.action, action),
    COL(ns_decision_row, probability, decision.probability),
    COL(ns_decision_row, why, decision.why),
    COL_ENUM(ns_decision_row, verdict, verdict.kind, verdict),
    COL(ns_decision_row, verdict_rule, verdict.rule),
    COL(ns_decision_row, verdict_text, verdict.text),
    COL_OR(ns_decision_row, prediction_known_at_ms, prediction_known_at_ms, -1),
    COL_BLOB(ns_decision_row, state, state, ns_blob_state),
};

/* An effect's columns: of the effects table, and with effect_ before them of the present attempt of a case. */
#define EFFECT_COLUMNS(row, prefix)                                                                                    \
    NAMED(row, prefix "attempt", effect.attempt), NAMED_ENUM(row, prefix "action", effect.action, action),             \
        NAMED(row, prefix "jenkins_job", effect.jenkins_job), NAMED_OR(row, prefix "build", effect.build, 0),          \
        NAMED(row, prefix "deployment", effect.deployment), NAMED_OR(row, prefix "replicas", effect.replicas, 0),      \
        NAMED(row, prefix "target", effect.target), NAMED(row, prefix "undo", effect.undo),                            \
        NAMED_ENUM(row, prefix "cause", effect.cause, cause), NAMED(row, prefix "baseline", effect.baseline),          \
        NAMED(row, prefix "message", effect.message), NAMED_OR(row, prefix "queue_id", effect.queue_id, 0)

static const ns_column case_columns[] = {
    COL(ns_case, id, id),
    COL(ns_case, jenkins_job, jenkins_job),
    COL_ENUM(ns_case, state, state, case_state),
    COL_OR(ns_case, opened_ms, opened_ms, -1),
    COL_OR(ns_case, first_bad_ms, first_bad_ms, -1),
    COL_OR(ns_case, changed_ms, changed_ms, -1),
    COL_OR(ns_case, deadline_ms, deadline_ms, -1),
    COL_OR(ns_case, closed_ms, closed_ms, -1),
    COL_OR(ns_case, healed_ms, healed_ms, -1),
    COL_ENUM(ns_case, healed_by, healed_by, healed),
    COL_OR(ns_case, build, build, 0),
    COL_OR(ns_case, result_build, result_build, 0),
    COL_ENUM(ns_case, cause, cause, cause),
    COL(ns_case, attempts, attempts),
#define TRIED_COLUMN(name, cost, reversible, blast, executor, meaning)                                                 \
    COL(ns_case, tried_##name, tried[NS_ACTION_##name]),
    NS_ACTION_MAP(TRIED_COLUMN)
#undef TRIED_COLUMN
        COL(ns_case, escalated, escalated),
    COL_ENUM(ns_case, last_outcome, last_outcome, case_state),
    COL_OR(ns_case, last_action_ms, last_action_ms, -1),
    COL(ns_case, cost, cost),
    COL(ns_case, reward, reward),
    COL_OR(ns_case, decision_id, decision_id, 0),
    COL(ns_case, reconciled, reconciled),
    COL(ns_case, unsure, unsure),
    COL(ns_case, symptom, symptom),
    COL(ns_case, reason, reason),
    COL(ns_case, effect_key, effect.key),
    COL_OR(ns_case, effect_case_id, effect.case_id, 0),
    EFFECT_COLUMNS(ns_case, "effect_"),
};

static const ns_column effect_columns[] = {
    COL(ns_effect_row, key, effect.key),        COL(ns_effect_row, case_id, effect.case_id),
    EFFECT_COLUMNS(ns_effect_row, ""),          COL_ENUM(ns_effect_row, state, state, case_state),
    COL(ns_effect_row, at_ms, at_ms),           COL_ENUM(ns_effect_row, error_status, error.status, status),
    COL(ns_effect_row, error_text, error.text),
};

static const ns_column audit_columns[] = {
    COL(ns_audit_row, at_ms, at_ms),   COL(ns_audit_row, actor, actor),   COL(ns_audit_row, what, what),
    COL(ns_audit_row, object, object), COL(ns_audit_row, detail, detail),
};

#define REVISION(column) COL(ns_revision_row, column, column)
static const ns_column revision_columns[] = {
    REVISION(deployment), REVISION(uid), REVISION(template_hash), REVISION(revision), REVISION(image), REVISION(at_ms),
};

#define SCALING(column) COL(ns_scaling_row, column, column)
static const ns_column scaling_columns[] = {
    SCALING(deployment),
    SCALING(uid),
    SCALING(jenkins_job),
    SCALING(key),
    SCALING(replicas_from),
    SCALING(replicas_to),
    COL_ENUM(ns_scaling_row, state, state, scaling),
    SCALING(tries),
    SCALING(at_ms),
    SCALING(why),
};

#define LABEL(column) COL(ns_label_row, column, column)
static const ns_column label_columns[] = {
    LABEL(at_ms),
    LABEL(jenkins_job),
    LABEL(build),
    LABEL(actor),
    LABEL(cause),
    COL_OR(ns_label_row, line, line, -1),
    COL_OR(ns_label_row, telling, telling, -1),
};

#define COLUMNS(list, row) .columns = (list), .count = NS_COUNT_OF(list), .row_size = sizeof(row)

static const ns_table tables[NS_ROW_KINDS] = {
    [NS_ROW_record] = {.name = "records",
                       COLUMNS(record_columns, ns_record),
                       .id_offset = SIZE_MAX,
                       .job = "jenkins_job",
                       .case_id = "case_id"},
    [NS_ROW_build] = {.name = "builds",
                      COLUMNS(build_columns, ns_build_row),
                      .conflict = "jenkins_job, number",
                      .id_offset = SIZE_MAX,
                      .job = "jenkins_job",
                      .build = "number"},
    [NS_ROW_log] = {.name = "logs",
                    COLUMNS(log_columns, ns_log_row),
                    .conflict = "jenkins_job, build",
                    .id_offset = SIZE_MAX,
                    .job = "jenkins_job",
                    .build = "build"},
    [NS_ROW_prediction] = {.name = "predictions",
                           COLUMNS(prediction_columns, ns_prediction_row),
                           .id_offset = offsetof(ns_prediction_row, id),
                           .job = "jenkins_job",
                           .build = "build"},
    [NS_ROW_decision] = {.name = "decisions",
                         COLUMNS(decision_columns, ns_decision_row),
                         .conflict = "id",
                         .id_offset = offsetof(ns_decision_row, id),
                         .job = "jenkins_job",
                         .build = "build",
                         .case_id = "case_id"},
    [NS_ROW_case] = {.name = "cases",
                     COLUMNS(case_columns, ns_case),
                     .conflict = "id",
                     .id_offset = offsetof(ns_case, id),
                     .job = "jenkins_job",
                     .build = "build",
                     .case_id = "id",
                     .open = "state <> 'closed'"},
    [NS_ROW_effect] = {.name = "effects",
                       COLUMNS(effect_columns, ns_effect_row),
                       .conflict = "key",
                       .created = "created_ms",
                       .id_offset = SIZE_MAX,
                       .job = "jenkins_job",
                       .build = "build",
                       .case_id = "case_id"},
    [NS_ROW_audit] = {.name = "audit", COLUMNS(audit_columns, ns_audit_row), .id_offset = offsetof(ns_audit_row, id)},
    [NS_ROW_revision] = {.name = "revisions",
                         COLUMNS(revision_columns, ns_revision_row),
                         .conflict = "deployment, uid, template_hash",
                         .id_offset = SIZE_MAX},
    [NS_ROW_label] = {.name = "labels",
                      COLUMNS(label_columns, ns_label_row),
                      .id_offset = offsetof(ns_label_row, id),
                      .job = "jenkins_job",
                      .build = "build"},
    [NS_ROW_scaling] = {.name = "scalings",
                        COLUMNS(scaling_columns, ns_scaling_row),
                        .conflict = "jenkins_job, deployment",
                        .id_offset = SIZE_MAX,
                        .job = "jenkins_job",
                        .open = "state = 'owed'"},
};

const ns_table *ns_table_of(ns_row_kind kind)
{
    NS_CHECK((unsigned)kind < NS_ROW_KINDS);
    return &tables[kind];
}

const void *ns_row_struct(const ns_row *row)
{
    switch (row->kind) {
    case NS_ROW_record:
        return row->of.record;
    case NS_ROW_build:
        return row->of.build;
    case NS_ROW_log:
        return row->of.log;
    case NS_ROW_prediction:
        return row->of.prediction;
    case NS_ROW_decision:
        return row->of.decision;
    case NS_ROW_case:
        return row->of.a_case;
    case NS_ROW_effect:
        return row->of.effect;
    case NS_ROW_audit:
        return row->of.audit;
    case NS_ROW_revision:
        return row->of.revision;
    case NS_ROW_label:
        return row->of.label;
    case NS_ROW_scaling:
        return row->of.scaling;
    case NS_ROW_KINDS:
        break;
    }
    return NULL;
}

ns_row ns_row_of(ns_row_kind kind, const ns_any_row *any)
{
    ns_row row = {.kind = kind};
    switch (kind) {
    case NS_ROW_record:
        row.of.record = &any->record;
        break;
    case NS_ROW_build:
        row.of.build = &any->build;
        break;
    case NS_ROW_log:
        row.of.log = &any->log;
        break;
    case NS_ROW_prediction:
        row.of.prediction = &any->prediction;
        break;
    case NS_ROW_decision:
        row.of.decision = &any->decision;
        break;
    case NS_ROW_case:
        row.of.a_case = &any->a_case;
        break;
    case NS_ROW_effect:
        row.of.effect = &any->effect;
        break;
    case NS_ROW_audit:
        row.of.audit = &any->audit;
        break;
    case NS_ROW_revision:
        row.of.revision = &any->revision;
        break;
    case NS_ROW_label:
        row.of.label = &any->label;
        break;
    case NS_ROW_scaling:
        row.of.scaling = &any->scaling;
        break;
    case NS_ROW_KINDS:
        break;
    }
    return row;
}
