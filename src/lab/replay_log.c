#include "lab/replay_log.h"

#include "base/clock.h"
#include "base/mem.h"
#include "lab/visible.h"
#include "prediction/sketch.h"

#include <math.h>
#include <string.h>

const size_t ns_replay_horizon[NS_REPLAY_HORIZONS] = {0, 10, 30, 100, 300};

/* Falling numbers of lines left, each once. */
static size_t points_of(size_t lines, size_t left[NS_REPLAY_POINTS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < NS_REPLAY_POINTS_MAX; i++) {
        size_t seen = i < NS_REPLAY_STEPS ? lines * (i + 1) / NS_REPLAY_STEPS : 0;
        size_t value = i < NS_REPLAY_STEPS ? lines - (seen == 0 ? 1 : seen) : ns_replay_horizon[i - NS_REPLAY_STEPS];
        value = value < lines - 1 ? value : lines - 1;
        size_t at = n;
        while (at > 0 && left[at - 1] < value)
            at--;
        if (at > 0 && left[at - 1] == value)
            continue;
        memmove(&left[at + 1], &left[at], (n - at) * sizeof left[0]);
        left[at] = value;
        n++;
    }
    return n;
}

static ns_cause likeliest(const ns_prediction *answer)
{
    size_t best = NS_CAUSE_none + 1;
    for (size_t c = best; c < NS_CAUSE_COUNT; c++)
        best = answer->cause_probability[c] > answer->cause_probability[best] ? c : best;
    return (ns_cause)best;
}

static void take_end(const ns_prediction *answer, const ns_visible *visible, ns_replayed *out)
{
    out->threshold = answer->threshold;
    out->cause = likeliest(answer);
    for (size_t i = 0; i < NS_REPLAY_EVIDENCE && i < answer->evidence_count; i++) {
        int64_t line = answer->evidence[i].line;
        out->evidence[i] = line >= 1 && (size_t)line <= visible->lines ? visible->raw_line[line - 1] : 0;
    }
}

static ns_status play(const ns_visible *visible, const ns_predictor *predictor, const ns_sketch *const *greens,
                      size_t green_count, ns_replayed *out)
{
    size_t left[NS_REPLAY_POINTS_MAX], fed = 0;
    ns_prediction answer;
    int64_t began_ns = ns_monotonic_ns();
    ns_reading *reading = predictor->begin(predictor->self, greens, green_count);
    ns_status status = reading == NULL ? NS_NO_MEMORY : NS_OK;
    out->points = visible->lines == 0 ? 0 : points_of(visible->lines, left);
    for (size_t i = 0; status == NS_OK && i < out->points; i++) {
        ns_text upto = ns_visible_first(visible, visible->lines - left[i]);
        status = predictor->feed(predictor->self, reading, (ns_text){upto.at + fed, upto.len - fed});
        fed = upto.len;
        predictor->score(predictor->self, reading, &answer);
        out->point[i] = (ns_replay_point){.left = left[i],
                                          .raw_line = visible->raw_line[visible->lines - left[i] - 1],
                                          .p = answer.fail_probability,
                                          .decision = answer.decision};
        if (i + 1 == out->points)
            take_end(&answer, visible, out);
    }
    predictor->end(predictor->self, reading);
    out->elapsed_ms = (double)(ns_monotonic_ns() - began_ns) / 1e6;
    return status;
}

static ns_status read_visible(const ns_corpus *corpus, size_t log, ns_visible *visible, ns_error *err)
{
    ns_buf raw;
    ns_buf_init(&raw, (size_t)512 << 20);
    ns_status status = ns_corpus_read(corpus, log, &raw, err);
    if (status == NS_OK)
        status = ns_visible_of(visible, ns_buf_view(&raw), err);
    ns_buf_clear(&raw);
    return status;
}

ns_status ns_replay_log(const ns_corpus *corpus, size_t log, size_t max_references, const ns_predictor *predictor,
                        ns_replayed *out, ns_error *err)
{
    size_t greens[NS_TABLE_REFERENCES];
    ns_sketch *sketch[NS_TABLE_REFERENCES] = {NULL};
    ns_visible visible;
    ns_visible_init(&visible);
    memset(out, 0, sizeof *out);
    out->log = log;
    max_references = max_references < NS_TABLE_REFERENCES ? max_references : NS_TABLE_REFERENCES;
    out->references = max_references == 0 ? 0 : ns_corpus_references(corpus, log, greens, max_references);
    ns_status status = NS_OK;
    for (size_t i = 0; status == NS_OK && i < out->references; i++) {
        status = read_visible(corpus, greens[i], &visible, err);
        if (status == NS_OK && (sketch[i] = ns_sketch_of_log(ns_buf_view(&visible.text))) == NULL)
            status = ns_fail(err, NS_NO_MEMORY, "no memory for a reference");
    }
    if (status == NS_OK)
        status = read_visible(corpus, log, &visible, err);
    out->lines = visible.lines;
    if (status == NS_OK && play(&visible, predictor, (const ns_sketch *const *)sketch, out->references, out) != NS_OK)
        status = ns_fail(err, NS_NO_MEMORY, "no memory to read log %s", ns_corpus_at(corpus, log)->path);
    for (size_t i = 0; i < NS_TABLE_REFERENCES; i++)
        ns_sketch_free(sketch[i]);
    ns_visible_clear(&visible);
    return status;
}

static const ns_replay_point nothing_read = {.p = 0.5, .decision = NS_PREDICTED_abstain};

const ns_replay_point *ns_replayed_at(const ns_replayed *log, size_t left)
{
    if (log->points == 0)
        return &nothing_read;
    size_t i = log->points - 1;
    while (i > 0 && log->point[i].left < left)
        i--;
    return &log->point[i];
}

const ns_replay_point *ns_replayed_share(const ns_replayed *log, double share)
{
    size_t seen = (size_t)(share * (double)log->lines);
    return ns_replayed_at(log, log->lines - (seen == 0 ? log->lines > 0 : seen));
}

double ns_replayed_peak(const ns_replayed *log, size_t left)
{
    double peak = 0.0;
    for (size_t i = 0; i < log->points && log->point[i].left >= left; i++)
        peak = fmax(peak, log->point[i].p);
    return peak;
}

int64_t ns_replayed_alarm(const ns_replayed *log, double above, bool own)
{
    for (size_t i = 0; i < log->points; i++)
        if (own ? log->point[i].decision == NS_PREDICTED_failure : log->point[i].p > above)
            return (int64_t)log->point[i].left;
    return -1;
}
