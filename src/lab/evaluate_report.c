#include "lab/evaluate_report.h"

#include "base/mem.h"
#include "lab/metrics.h"
#include "wire/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FALSE_ALARMS 0.10 /* share of successful builds ever alarmed at `at_fpr_10` */

typedef struct writer {
    ns_json_writer w;
    const ns_evaluate_report *report;
    ns_scored_log *scored; /* (count) */
    double *number;        /* (count) */
} writer;

static const ns_corpus_log *log_of(const ns_evaluate_report *report, const ns_replayed *one)
{
    return ns_corpus_at(report->corpus, one->log);
}

static void put_metrics(writer *w, const char *key, const ns_scored_log *scored, size_t n)
{
    ns_metrics m;
    ns_metrics_of(scored, n, &m);
    ns_json_key(&w->w, key);
    ns_json_object(&w->w);
    ns_json_field_int(&w->w, "n", (int64_t)m.n);
    ns_json_field_real(&w->w, "accuracy", m.accuracy);
    ns_json_field_real(&w->w, "precision", m.precision);
    ns_json_field_real(&w->w, "recall", m.recall);
    ns_json_field_real(&w->w, "fpr", m.fpr);
    ns_json_field_real(&w->w, "auc", m.auc);
    ns_json_field_real(&w->w, "ece", m.ece);
    ns_json_field_real(&w->w, "abstain", m.abstain);
    ns_json_key(&w->w, "precision_at_base_rate");
    ns_json_object(&w->w);
    ns_json_field_real(&w->w, "0.05", m.precision_at_5);
    ns_json_field_real(&w->w, "0.20", m.precision_at_20);
    ns_json_end_object(&w->w);
    ns_json_end_object(&w->w);
}

static ns_scored_log scored_at(const ns_evaluate_report *report, const ns_replayed *log, const ns_replay_point *point)
{
    return (ns_scored_log){point->p, log_of(report, log)->failing, point->decision == NS_PREDICTED_abstain};
}

static void put_withheld(writer *w, const ns_replayed *logs)
{
    char key[24];
    ns_json_key(&w->w, "withheld");
    ns_json_object(&w->w);
    for (size_t h = 0; h < NS_REPLAY_HORIZONS; h++) {
        for (size_t i = 0; i < w->report->count; i++)
            w->scored[i] = scored_at(w->report, &logs[i], ns_replayed_at(&logs[i], ns_replay_horizon[h]));
        (void)snprintf(key, sizeof key, "%zu", ns_replay_horizon[h]);
        put_metrics(w, key, w->scored, w->report->count);
    }
    ns_json_end_object(&w->w);
}

static void put_progress(writer *w, const ns_replayed *logs)
{
    static const char *const key[] = {"25", "50", "75", "100"};
    ns_json_key(&w->w, "progress");
    ns_json_object(&w->w);
    for (size_t k = 0; k < NS_COUNT_OF(key); k++) {
        for (size_t i = 0; i < w->report->count; i++)
            w->scored[i] = scored_at(w->report, &logs[i], ns_replayed_share(&logs[i], 0.25 * (double)(k + 1)));
        put_metrics(w, key[k], w->scored, w->report->count);
    }
    ns_json_end_object(&w->w);
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Strictly above it a build is alarmed: at most one successful build in ten ever is. */
static double threshold_of(writer *w, const ns_replayed *logs)
{
    size_t n = 0;
    for (size_t i = 0; i < w->report->count; i++)
        if (!log_of(w->report, &logs[i])->failing)
            w->number[n++] = ns_replayed_peak(&logs[i], 0);
    qsort(w->number, n, sizeof w->number[0], falling);
    size_t allowed = (size_t)(FALSE_ALARMS * (double)n);
    return allowed < n ? w->number[allowed] : 0.0;
}

static double median(double *at, size_t n)
{
    if (n == 0)
        return (double)NAN;
    qsort(at, n, sizeof at[0], falling);
    return n % 2 == 1 ? at[n / 2] : (at[n / 2 - 1] + at[n / 2]) / 2.0;
}

/* From the alarm to the end of the log; NAN: the log's times are not known. */
static double lead_seconds(const ns_evaluate_report *report, const ns_replayed *log, int64_t left)
{
    const ns_corpus_log *of = log_of(report, log);
    const ns_replay_point *at = ns_replayed_at(log, (size_t)left);
    return of->time_count == 0 ? (double)NAN : of->times[2 * of->time_count - 1] - ns_corpus_time(of, at->raw_line);
}

static void put_median(writer *w, const char *key, size_t n)
{
    if (n == 0) {
        ns_json_field_null(&w->w, key);
        return;
    }
    ns_json_key(&w->w, key);
    ns_json_object(&w->w);
    ns_json_field_real(&w->w, "median", median(w->number, n));
    ns_json_end_object(&w->w);
}

/* Of found builds, how long before the end; seconds where the corpus has times. */
static void put_leads(writer *w, const ns_replayed *logs, double threshold, bool own)
{
    size_t lines = 0, seconds = 0;
    for (size_t i = 0; i < w->report->count; i++) {
        int64_t left = ns_replayed_alarm(&logs[i], threshold, own);
        if (log_of(w->report, &logs[i])->failing && left >= 0)
            w->number[lines++] = (double)left;
    }
    ns_json_key(&w->w, "lead_lines");
    ns_json_object(&w->w);
    ns_json_field_real(&w->w, "median", median(w->number, lines));
    ns_json_end_object(&w->w);
    for (size_t i = 0; i < w->report->count; i++) {
        int64_t left = ns_replayed_alarm(&logs[i], threshold, own);
        double lead = left < 0 ? (double)NAN : lead_seconds(w->report, &logs[i], left);
        if (log_of(w->report, &logs[i])->failing && !isnan(lead))
            w->number[seconds++] = lead;
    }
    put_median(w, "lead_s", seconds);
}

static void put_stream(writer *w, const char *key, const ns_replayed *logs, double threshold, bool own)
{
    double failing = 0.0, calm = 0.0, alarmed = 0.0, found[NS_REPLAY_HORIZONS] = {0.0};
    char horizon[24];
    for (size_t i = 0; i < w->report->count; i++) {
        int64_t left = ns_replayed_alarm(&logs[i], threshold, own);
        if (!log_of(w->report, &logs[i])->failing) {
            calm += 1.0;
            alarmed += left >= 0;
            continue;
        }
        failing += 1.0;
        for (size_t h = 0; h < NS_REPLAY_HORIZONS; h++)
            found[h] += left >= (int64_t)ns_replay_horizon[h];
    }
    ns_json_key(&w->w, key);
    ns_json_object(&w->w);
    ns_json_field_real(&w->w, "threshold", threshold);
    ns_json_field_real(&w->w, "false_alarms", calm > 0.0 ? alarmed / calm : (double)NAN);
    ns_json_key(&w->w, "found");
    ns_json_object(&w->w);
    for (size_t h = 0; h < NS_REPLAY_HORIZONS; h++) {
        (void)snprintf(horizon, sizeof horizon, "%zu", ns_replay_horizon[h]);
        ns_json_field_real(&w->w, horizon, failing > 0.0 ? found[h] / failing : (double)NAN);
    }
    ns_json_end_object(&w->w);
    put_leads(w, logs, threshold, own);
    ns_json_end_object(&w->w);
}

static double own_threshold(writer *w, const ns_replayed *logs)
{
    for (size_t i = 0; i < w->report->count; i++)
        w->number[i] = logs[i].threshold;
    return median(w->number, w->report->count);
}

static void put_streaming(writer *w, const ns_replayed *logs)
{
    double own = own_threshold(w, logs);
    ns_json_key(&w->w, "streaming");
    ns_json_object(&w->w);
    put_stream(w, "own", logs, own, true);
    put_stream(w, "at_fpr_10", logs, threshold_of(w, logs), false);
    ns_json_end_object(&w->w);
}

/* Groups the logs by a name and puts the whole-log metrics of each; failing_only: successful logs go with each name. */
static void put_groups(writer *w, const char *key, const char *(*name)(const ns_corpus_log *log), bool failing_only)
{
    const ns_evaluate_report *r = w->report;
    ns_json_key(&w->w, key);
    ns_json_object(&w->w);
    for (size_t first = 0; first < r->count; first++) {
        const ns_corpus_log *mine = log_of(r, &r->model[first]);
        const char *of = name(mine);
        bool fresh = of[0] != '\0' && (!failing_only || mine->failing);
        for (size_t i = 0; fresh && i < first; i++) {
            const ns_corpus_log *other = log_of(r, &r->model[i]);
            fresh = strcmp(name(other), of) != 0 || (failing_only && !other->failing);
        }
        if (!fresh)
            continue;
        size_t n = 0;
        for (size_t i = 0; i < r->count; i++) {
            const ns_corpus_log *other = log_of(r, &r->model[i]);
            bool in = failing_only ? !other->failing || strcmp(name(other), of) == 0 : strcmp(name(other), of) == 0;
            if (in)
                w->scored[n++] = scored_at(r, &r->model[i], ns_replayed_at(&r->model[i], 0));
        }
        put_metrics(w, of, w->scored, n);
    }
    ns_json_end_object(&w->w);
}

static const char *cause_name(const ns_corpus_log *log)
{
    return log->cause;
}

static const char *ci_name(const ns_corpus_log *log)
{
    return log->ci;
}

static const char *family_name(const ns_corpus_log *log)
{
    return log->family;
}

/* Macro-F1 over the causes that occur among failing logs with a cause of our list. */
static void put_causes(writer *w, const ns_replayed *model)
{
    const ns_evaluate_report *r = w->report;
    double hit[NS_CAUSE_COUNT] = {0.0}, truth[NS_CAUSE_COUNT] = {0.0}, said[NS_CAUSE_COUNT] = {0.0}, sum = 0.0;
    size_t n = 0, classes = 0;
    for (size_t i = 0; i < r->count; i++) {
        const ns_corpus_log *log = log_of(r, &model[i]);
        ns_cause cause;
        if (!log->failing || !ns_cause_parse(ns_text_of(log->cause), &cause) || cause == NS_CAUSE_none)
            continue;
        n++;
        truth[cause] += 1.0;
        said[model[i].cause] += 1.0;
        hit[cause] += model[i].cause == cause;
    }
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++) {
        if (truth[c] == 0.0)
            continue;
        classes++;
        sum += 2.0 * hit[c] / (truth[c] + said[c]);
    }
    ns_json_key(&w->w, "causes");
    ns_json_object(&w->w);
    ns_json_field_int(&w->w, "n", (int64_t)n);
    ns_json_field_int(&w->w, "classes", (int64_t)classes);
    ns_json_field_real(&w->w, "macro_f1", classes == 0 ? (double)NAN : sum / (double)classes);
    ns_json_end_object(&w->w);
}

/* Of failing logs whose fault's line is recorded: how often it stands among the first evidence. */
static void put_fault_lines(writer *w, const ns_replayed *model)
{
    const ns_evaluate_report *r = w->report;
    double n = 0.0, hit = 0.0;
    for (size_t i = 0; i < r->count; i++) {
        const ns_corpus_log *log = log_of(r, &model[i]);
        if (!log->failing || log->fault_line < 1)
            continue;
        n += 1.0;
        bool found = false;
        for (size_t k = 0; k < NS_REPLAY_EVIDENCE; k++)
            found = found || model[i].evidence[k] == log->fault_line;
        hit += found;
    }
    ns_json_key(&w->w, "fault_line");
    ns_json_object(&w->w);
    ns_json_field_int(&w->w, "n", (int64_t)n);
    ns_json_field_real(&w->w, "among_first_5", n > 0.0 ? hit / n : (double)NAN);
    ns_json_end_object(&w->w);
}

static void put_baselines(writer *w)
{
    const ns_evaluate_report *r = w->report;
    double failing = 0.0;
    ns_json_key(&w->w, "baselines");
    ns_json_object(&w->w);
    ns_json_key(&w->w, "keyword");
    ns_json_object(&w->w);
    put_withheld(w, r->keyword);
    put_streaming(w, r->keyword);
    ns_json_end_object(&w->w);
    if (r->without_encoder != NULL) {
        ns_json_key(&w->w, "without_encoder");
        ns_json_object(&w->w);
        put_withheld(w, r->without_encoder);
        put_streaming(w, r->without_encoder);
        put_causes(w, r->without_encoder);
        put_fault_lines(w, r->without_encoder);
        ns_json_end_object(&w->w);
    }
    for (size_t i = 0; i < r->count; i++)
        failing += log_of(r, &r->model[i])->failing;
    for (size_t i = 0; i < r->count; i++)
        w->scored[i] = (ns_scored_log){failing / (double)r->count, log_of(r, &r->model[i])->failing, false};
    put_metrics(w, "base_rate", w->scored, r->count);
    ns_json_end_object(&w->w);
}

static void put_leakcheck(writer *w)
{
    const ns_leakcheck *leak = w->report->leak;
    ns_json_key(&w->w, "leakcheck");
    ns_json_object(&w->w);
    ns_json_field_bool(&w->w, "passed", leak->passed);
    ns_json_field_string(&w->w, "best_stump", leak->best_stump);
    ns_json_field_real(&w->w, "best_stump_auc", leak->best_stump_auc);
    ns_json_field_real(&w->w, "last_line_auc", leak->last_line_auc);
    ns_json_end_object(&w->w);
}

static void put_corpus(writer *w)
{
    const ns_evaluate_report *r = w->report;
    int64_t failing = 0, projects = 0;
    bool *seen = NS_NEW_ARRAY(bool, ns_corpus_projects(r->corpus));
    for (size_t i = 0; i < r->count; i++) {
        const ns_corpus_log *log = log_of(r, &r->model[i]);
        failing += log->failing;
        if (seen != NULL && !seen[log->project_number]) {
            seen[log->project_number] = true;
            projects++;
        }
    }
    ns_json_key(&w->w, "corpus");
    ns_json_object(&w->w);
    ns_json_field_string(&w->w, "path", ns_corpus_folder(r->corpus));
    ns_json_field_int(&w->w, "logs", (int64_t)r->count);
    ns_json_field_int_or_null(&w->w, "projects", seen == NULL ? -1 : projects);
    ns_json_field_int(&w->w, "failing", failing);
    ns_json_field_string(&w->w, "sha256", ns_corpus_sha256(r->corpus));
    ns_json_end_object(&w->w);
    ns_free(seen);
}

static void put_model(writer *w)
{
    const ns_evaluate_report *r = w->report;
    ns_json_key(&w->w, "model");
    ns_json_object(&w->w);
    ns_json_field_string(&w->w, "name", r->name);
    ns_json_field_string_or_null(&w->w, "sha256", r->sha256);
    ns_json_field_string(&w->w, "code_path", ns_code_path_name(r->code_path));
    ns_json_end_object(&w->w);
    ns_json_field_real(&w->w, "threshold", own_threshold(w, r->model));
    ns_json_field_int(&w->w, "folds", (int64_t)r->folds);
    ns_json_field_int(&w->w, "references", (int64_t)r->references);
}

static void put_all(writer *w)
{
    const ns_evaluate_report *r = w->report;
    double spent = 0.0;
    for (size_t i = 0; i < r->count; i++)
        spent += r->model[i].elapsed_ms;
    ns_json_object(&w->w);
    ns_json_field_int(&w->w, "schema", 1);
    put_corpus(w);
    put_model(w);
    put_withheld(w, r->model);
    put_progress(w, r->model);
    put_streaming(w, r->model);
    put_groups(w, "by_cause", cause_name, true);
    put_groups(w, "by_ci", ci_name, false);
    put_groups(w, "by_family", family_name, false);
    put_causes(w, r->model);
    put_fault_lines(w, r->model);
    put_baselines(w);
    put_leakcheck(w);
    ns_json_field_real(&w->w, "ms_a_log", spent / (double)r->count);
    ns_json_field_real(&w->w, "elapsed_s", r->elapsed_s);
    ns_json_end_object(&w->w);
}

ns_status ns_evaluate_put(const ns_evaluate_report *report, ns_buf *out, ns_error *err)
{
    writer w = {.report = report};
    w.scored = NS_NEW_ARRAY(ns_scored_log, report->count);
    w.number = NS_NEW_ARRAY(double, report->count);
    bool good = w.scored != NULL && w.number != NULL;
    if (good) {
        ns_json_begin(&w.w, out);
        put_all(&w);
        (void)ns_buf_char(out, '\n');
    }
    ns_free(w.scored);
    ns_free(w.number);
    return good && !out->failed ? NS_OK
                                : ns_fail(err, NS_NO_MEMORY, "no memory for the figures of %zu logs", report->count);
}

static void put_log(ns_json_writer *w, const ns_evaluate_report *report, const ns_replayed *one)
{
    const ns_corpus_log *log = log_of(report, one);
    const ns_replay_point *end = ns_replayed_at(one, 0);
    ns_json_object(w);
    ns_json_field_string(w, "path", log->path);
    ns_json_field_string(w, "group", log->project);
    ns_json_field_string(w, "outcome", log->failing ? "failure" : "success");
    ns_json_field_string_or_null(w, "cause", log->cause);
    ns_json_field_int(w, "lines", (int64_t)one->lines);
    ns_json_field_int(w, "references", (int64_t)one->references);
    ns_json_field_real(w, "failure_probability", end->p);
    ns_json_field_string(w, "decision", ns_predicted_name(end->decision));
    ns_json_field_string(w, "cause_said", ns_cause_name(one->cause));
    ns_json_field_real(w, "peak", ns_replayed_peak(one, 0));
    ns_json_field_int_or_null(w, "alarmed_before_end", ns_replayed_alarm(one, 0.0, true));
    ns_json_field_real(w, "elapsed_ms", one->elapsed_ms);
    ns_json_key(w, "evidence_lines");
    ns_json_array(w);
    for (size_t i = 0; i < NS_REPLAY_EVIDENCE; i++)
        if (one->evidence[i] > 0)
            ns_json_put_int(w, one->evidence[i]);
    ns_json_end_array(w);
    ns_json_key(w, "curve");
    ns_json_array(w);
    for (size_t i = 0; i < one->points; i++) {
        ns_json_array(w);
        ns_json_put_int(w, (int64_t)one->point[i].left);
        ns_json_put_real(w, one->point[i].p);
        ns_json_end_array(w);
    }
    ns_json_end_array(w);
    ns_json_end_object(w);
}

ns_status ns_evaluate_write_logs(const ns_evaluate_report *report, const char *path, ns_error *err)
{
    ns_buf out;
    ns_json_writer w;
    ns_buf_init(&out, (size_t)1 << 30);
    for (size_t i = 0; i < report->count; i++) {
        ns_json_begin(&w, &out);
        put_log(&w, report, &report->model[i]);
        (void)ns_buf_char(&out, '\n');
    }
    ns_status status = out.failed ? ns_fail(err, NS_NO_MEMORY, "%s: no memory to write it", path)
                                  : ns_file_replace(path, ns_buf_view(&out), 0644, err);
    ns_buf_clear(&out);
    return status;
}
