/* Filled rows and short ways to put them, for the tests of this room. */
#include "conformance.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void fill_record(ns_record *out, int seed)
{
    memset(out, 0, sizeof *out);
    out->at_ms = 1700000000000 + seed;
    (void)snprintf(out->pipeline, sizeof out->pipeline, "pipeline-%d", seed % 3);
    (void)snprintf(out->jenkins_job, sizeof out->jenkins_job, "shop/job-%d", seed % 3);
    out->last_result = NS_BUILD_FAILURE;
    out->last_number = seed + 1;
    out->running_number = seed % 2 == 0 ? 0 : seed + 2;
    for (int i = 0; i < NS_SOURCE_KINDS; i++)
        out->age_ms[i] = i == 2 ? -1 : 10 * i + seed;
    for (int i = 0; i < NS_RECORD_FIELDS; i++)
        out->value[i] = i % 4 == 3 ? NAN : 0.1 * i + seed;
    out->fail_probability = seed % 2 == 0 ? NAN : 0.25;
    out->case_id = seed % 5;
}

void fill_build(ns_build_row *out, int seed)
{
    memset(out, 0, sizeof *out);
    ns_build *build = &out->build;
    (void)snprintf(out->jenkins_job, sizeof out->jenkins_job, "shop/job-%d", seed % 3);
    build->number = seed + 1;
    build->running = seed % 2 == 1;
    build->result = seed % 2 == 1 ? NS_BUILD_unknown : NS_BUILD_UNSTABLE;
    build->started_ms = 1700000000000;
    build->duration_ms = seed % 2 == 1 ? -1 : 65000;
    build->estimated_ms = -1;
    build->queue_id = 77;
    build->seen_ms = 1700000000500 + seed;
    build->trigger = NS_TRIGGER_neuroshield;
    (void)snprintf(build->triggered_by, sizeof build->triggered_by, "o'hara \"x\"");
    (void)snprintf(build->key, sizeof build->key, "%032d", seed);
    (void)snprintf(build->agent, sizeof build->agent, "agent-1");
    (void)snprintf(build->commit, sizeof build->commit, "0123456789abcdef0123456789abcdef01234567");
    build->parameters = 2;
    build->changes = -1;
    build->dependency_files_changed = -1;
    build->aborted_by_person = 1;
    build->tests_total = 120;
    build->tests_failed = 3;
    build->tests_skipped = -1;
    build->stages = 4;
    build->stages_bad = 1;
    (void)snprintf(build->stage, sizeof build->stage, "Tests \xc3\xa4");
    build->log_bytes = 123456789012;
}

void fill_prediction(ns_prediction_row *out, int seed)
{
    memset(out, 0, sizeof *out);
    ns_prediction *p = &out->prediction;
    (void)snprintf(out->jenkins_job, sizeof out->jenkins_job, "shop/job-%d", seed % 3);
    out->build = seed / 3 + 1;
    p->fail_probability = 1.0 / (seed + 2);
    p->decision = NS_PREDICTED_failure;
    p->threshold = 0.62;
    p->cause = NS_CAUSE_registry_outage;
    for (int i = 0; i < NS_CAUSE_COUNT; i++)
        p->cause_probability[i] = 1.0 / NS_CAUSE_COUNT;
    p->has_embedding = seed % 2 == 0;
    for (int i = 0; p->has_embedding && i < NS_EMBEDDING; i++)
        p->embedding[i] = 0.25f * (float)i - 1.0f;
    p->lines = 1000 + seed;
    p->windows = 12;
    p->words = seed % 2 == 0 ? 0 : 4000;
    p->unknown_words = seed % 2 == 0 ? 0 : 120;
    p->references = 3;
    p->evidence_count = (size_t)(seed % (NS_EVIDENCE_MAX + 1));
    for (size_t i = 0; i < p->evidence_count; i++) {
        p->evidence[i].line = (int64_t)i * 7 + 1;
        p->evidence[i].weight = 1.5 - (double)i;
        p->evidence[i].is_new = i % 2 == 0;
        (void)snprintf(p->evidence[i].text, sizeof p->evidence[i].text, "ERROR: %zu could not be pulled", i);
    }
    p->code_path = NS_PATH_keyword;
    p->fallback = true;
    p->log_bytes = 65536;
    p->known_at_ms = 1700000001000 + seed;
    p->elapsed_ms = 0.75;
}

void fill_decision(ns_decision_row *out, int64_t id)
{
    memset(out, 0, sizeof *out);
    out->id = id;
    out->at_ms = 1700000002000 + id;
    (void)snprintf(out->jenkins_job, sizeof out->jenkins_job, "shop/job-%d", (int)(id % 3));
    out->build = id % 2 == 0 ? 0 : id + 4;
    out->case_id = id % 4;
    out->mode = NS_MODE_auto;
    (void)snprintf(out->policy, sizeof out->policy, "runbook");
    out->state.layout = NS_STATE_LAYOUT;
    for (int i = 0; i < NS_STATE_COUNT; i += 2)
        ns_state_set(&out->state, (ns_state_index)i, (double)i / 64.0);
    out->possible = NS_ACTION_BIT(NS_ACTION_no_op) | NS_ACTION_BIT(NS_ACTION_escalate);
    out->decision.action = NS_ACTION_retry_build;
    out->decision.probability = 0.875;
    (void)snprintf(out->decision.why, sizeof out->decision.why, "the registry was down; it is back");
    out->verdict.kind = NS_VERDICT_ask;
    (void)snprintf(out->verdict.rule, sizeof out->verdict.rule, "mode");
    (void)snprintf(out->verdict.text, sizeof out->verdict.text, "mode is approve");
    out->prediction_known_at_ms = id % 2 == 0 ? -1 : 1700000001000;
}

static void fill_effect_itself(ns_effect *effect, int64_t case_id, int seed)
{
    (void)snprintf(effect->key, sizeof effect->key, "%032x", (unsigned)seed * 2654435761u);
    effect->case_id = case_id;
    effect->attempt = 2;
    effect->action = NS_ACTION_scale_up;
    (void)snprintf(effect->jenkins_job, sizeof effect->jenkins_job, "shop/job-%d", seed % 3);
    effect->build = seed % 2 == 0 ? 0 : 41;
    (void)snprintf(effect->deployment, sizeof effect->deployment, "carts");
    effect->replicas = 4;
    (void)snprintf(effect->target, sizeof effect->target, "5d8%x", seed);
    effect->undo = seed % 2 == 1;
    effect->cause = NS_CAUSE_overload;
    (void)snprintf(effect->baseline, sizeof effect->baseline, "{\"resourceVersion\":\"%d\"}", seed);
    (void)snprintf(effect->message, sizeof effect->message, "line one\nline two");
    effect->queue_id = seed % 2 == 0 ? 0 : 5531;
}

void fill_case(ns_case *out, int64_t id)
{
    memset(out, 0, sizeof *out);
    out->id = id;
    (void)snprintf(out->jenkins_job, sizeof out->jenkins_job, "shop/job-%d", (int)(id % 3));
    out->state = id % 2 == 0 ? NS_CASE_closed : NS_CASE_verifying;
    out->opened_ms = 1700000000000;
    out->first_bad_ms = 1699999999000;
    out->changed_ms = 1700000003000;
    out->deadline_ms = -1;
    out->closed_ms = id % 2 == 0 ? 1700000003000 : -1;
    out->healed_ms = -1;
    out->healed_by = NS_HEALED_itself;
    out->build = 40 + id;
    out->result_build = 0;
    out->cause = NS_CAUSE_flaky_test;
    out->attempts = 3;
    for (int i = 0; i < NS_ACTION_COUNT; i++)
        out->tried[i] = i;
    out->escalated = true;
    out->last_outcome = NS_CASE_failed;
    out->last_action_ms = 1700000002500;
    out->cost = 0.35;
    out->reward = NAN;
    out->decision_id = id + 9;
    out->reconciled = true;
    out->unsure = id % 2 == 0;
    (void)snprintf(out->symptom, sizeof out->symptom, "%lld %% errors", (long long)id);
    (void)snprintf(out->reason, sizeof out->reason, "rollback: \xc3\xa9 %lld", (long long)id);
    fill_effect_itself(&out->effect, id, (int)id);
}

void fill_effect(ns_effect_row *out, int seed)
{
    memset(out, 0, sizeof *out);
    fill_effect_itself(&out->effect, seed % 4 + 1, seed);
    out->state = NS_CASE_intent;
    out->at_ms = 1700000004000 + seed;
    out->error.status = NS_TIMEOUT;
    (void)snprintf(out->error.text, sizeof out->error.text, "no answer in 30000 ms");
}

void fill_audit(ns_audit_row *out, int seed)
{
    memset(out, 0, sizeof *out);
    out->at_ms = 1700000005000 + seed;
    (void)snprintf(out->actor, sizeof out->actor, "neuroshield");
    (void)snprintf(out->what, sizeof out->what, "effect_sent");
    (void)snprintf(out->object, sizeof out->object, "case %d", seed);
    memset(out->detail, 'x', sizeof out->detail - 1);
}

void fill_revision(ns_revision_row *out, int seed)
{
    memset(out, 0, sizeof *out);
    (void)snprintf(out->deployment, sizeof out->deployment, "carts");
    (void)snprintf(out->uid, sizeof out->uid, "9b0c7c5e-0000-4000-8000-%012d", seed);
    (void)snprintf(out->template_hash, sizeof out->template_hash, "6d4f9c7b8");
    out->revision = seed + 1;
    (void)snprintf(out->image, sizeof out->image, "weaveworksdemos/carts:0.4.%d", seed);
    out->at_ms = 1700000003000 + seed;
}

void fill_scaling(ns_scaling_row *out, int seed)
{
    memset(out, 0, sizeof *out);
    (void)snprintf(out->jenkins_job, sizeof out->jenkins_job, "shop/carts-%d", seed);
    (void)snprintf(out->deployment, sizeof out->deployment, "sock-shop/carts");
    (void)snprintf(out->uid, sizeof out->uid, "9b0c7c5e-0000-4000-8000-%012d", seed);
    (void)snprintf(out->key, sizeof out->key, "%032d", seed);
    out->replicas_from = seed + 1;
    out->replicas_to = seed + 2;
    out->state = (ns_scaling_state)(seed % 3);
    out->tries = seed % 2;
    out->at_ms = 1700000003000 + seed;
    memset(out->why, 'y', sizeof out->why - 1);
}

void fill_label(ns_label_row *out, int seed)
{
    memset(out, 0, sizeof *out);
    (void)snprintf(out->jenkins_job, sizeof out->jenkins_job, "shop/carts-%d", seed);
    (void)snprintf(out->actor, sizeof out->actor, "operator");
    (void)snprintf(out->cause, sizeof out->cause, "%s", seed % 2 == 0 ? "flaky_test" : "");
    out->build = seed + 1;
    out->line = seed % 3 == 0 ? -1 : seed;
    out->telling = (int8_t)(seed % 3 == 0 ? -1 : seed % 2);
    out->at_ms = 1700000003000 + seed;
}

#define PUT(function, type, KIND, member)                                                                              \
    ns_status function(ns_store *store, const type *row, uint64_t *sequence)                                           \
    {                                                                                                                  \
        ns_row any = {.kind = NS_ROW_##KIND, .of.member = row};                                                        \
        return store->put(store->self, &any, sequence);                                                                \
    }
PUT(put_record, ns_record, record, record)
PUT(put_build, ns_build_row, build, build)
PUT(put_prediction, ns_prediction_row, prediction, prediction)
PUT(put_decision, ns_decision_row, decision, decision)
PUT(put_case, ns_case, case, a_case)
PUT(put_effect, ns_effect_row, effect, effect)
PUT(put_audit, ns_audit_row, audit, audit)
PUT(put_revision, ns_revision_row, revision, revision)
PUT(put_scaling, ns_scaling_row, scaling, scaling)
PUT(put_label, ns_label_row, label, label)

ns_status put_log(ns_store *store, const char *job, int64_t build, ns_text text, int64_t next, int flags)
{
    ns_log_row row = {.build = build,
                      .text = text,
                      .next_offset = next,
                      .restarted = (flags & LOG_RESTARTED) != 0,
                      .ended = (flags & LOG_ENDED) != 0};
    (void)snprintf(row.jenkins_job, sizeof row.jenkins_job, "%s", job);
    ns_row any = {.kind = NS_ROW_log, .of.log = &row};
    uint64_t sequence;
    return store->put(store->self, &any, &sequence);
}

typedef struct row_count {
    int rows;
    int64_t cursor;
} row_count;

static bool count_one(void *owner, const ns_row *row, int64_t cursor)
{
    (void)row;
    row_count *counting = owner;
    counting->rows++;
    counting->cursor = cursor;
    return true;
}

int count_rows(ns_store *store, const ns_row_query *query)
{
    ns_row_query page = *query;
    page.limit = 1000;
    row_count all = {0, 0};
    for (;;) {
        int before = all.rows;
        ns_error err;
        if (store->list(store->self, &page, count_one, &all, &err) != NS_OK) {
            fprintf(stderr, "%s\n", err.text);
            return -1;
        }
        if (all.rows - before < page.limit)
            return all.rows;
        page.after = all.cursor;
    }
}
