#include "lab/train_predictor.h"

#include "base/mem.h"
#include "base/rng.h"
#include "lab/fit_head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * What a log is an example of: points of its course, 0 to 300 lines before its end and every twentieth of it. A green
 * one: of all of them, since evidence that passes is what it has to show. A failing one: of its end, and of 10 and 30
 * lines before, where early evidence has to be enough; its prefixes without evidence would teach to alarm on nothing.
 */
enum { POINTS = 5, STEPS = 20, STORED = POINTS + STEPS, EXAMPLES = 8 };
static const size_t point_left[POINTS] = {0, 10, 30, 100, 300};
static const double failing_weight[POINTS] = {0.4, 0.4, 0.2};
#define GREEN_POINT (1.0 / EXAMPLES) /* each of POINTS and of three steps */
static const size_t green_step[3] = {4, 9, 14};
/* For the calibration: the end, and a little of ten lines before. */
static const double calibration_weight[POINTS] = {1.0, 0.25};

/* Failing share of the logs that probabilities are true for. Corpora are half and half, and builds fail more rarely:
 * on projects not learnt from this gives as many right answers and fewer false ones. */
#define CALIBRATED_SHARE 0.4

/* With fewer logs of either outcome a head would be noise: another one stands in. */
enum { MODE_MIN = 15, NS_TRAIN_STEPS = NS_TRAIN_INNER_FOLDS + NS_JUDGE_MODES + 1 };

/* Share of green logs that the shipped alarm may ever ring for, on projects not learnt from: in no family of logs of at
 * least so many green ones more than this. What is easy in one family must not pay for what is hard in another. */
#define ALARMED_SHARE 0.10
enum { FAMILY_MIN = 30 };

/* Above this a judge has no reason to wait, however shrill those of the inner folds were. */
#define ALARM_MOST 0.9

typedef struct point {
    float feature[NS_JUDGE_FEATURES];
} point;

typedef struct training {
    const ns_line_table *table;
    const bool *use;
    const ns_train_readers *readers; /* NULL: no encoder */
    uint8_t *inner;                  /* (projects) */
    float *scores;                   /* (folds, forms, heads) by a line scorer that did not see the fold */
    double *weight;                  /* (logs) */
    point *points;         /* (logs, STORED) of the mode at hand: the POINTS, then the course of the log in STEPS */
    ns_fit_score *course;  /* (logs, STORED) what a judge that did not see the log says there */
    ns_judge_tally *end;   /* (logs) of the mode `alone` */
    ns_suspects *suspects; /* (logs) likewise; NULL without readers */
    bool *has;             /* (logs) has points in the mode at hand */
} training;

ns_status ns_deal_folds(size_t projects, size_t folds, uint64_t seed, uint8_t *out, ns_error *err)
{
    ns_rng rng;
    size_t *order = NS_NEW_ARRAY(size_t, projects);
    if (order == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for folds of %zu projects", projects);
    ns_rng_seed_named(&rng, seed, "folds");
    for (size_t i = 0; i < projects; i++)
        order[i] = i;
    for (size_t i = projects; i > 1; i--) {
        size_t j = (size_t)ns_rng_below(&rng, i), kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
    for (size_t i = 0; i < projects; i++)
        out[order[i]] = (uint8_t)(i % folds);
    ns_free(order);
    return NS_OK;
}

static size_t project(const training *t, size_t log)
{
    return ns_corpus_at(t->table->corpus, log)->project_number;
}

static const float *scores_of(const training *t, size_t log)
{
    return &t->scores[(size_t)t->inner[project(t, log)] * t->table->form_count * NS_LINE_HEADS];
}

static const ns_window_reader *reader_of(const training *t, size_t log)
{
    return t->readers == NULL ? NULL : t->readers->reader[t->readers->unseen[project(t, log)]];
}

static size_t lines_until(const ns_table_log *log, size_t left)
{
    if (log->lines == 0)
        return 0;
    return log->lines - (left < log->lines - 1 ? left : log->lines - 1);
}

/* A log being read as a predictor reads it. */
typedef struct walk {
    size_t log;
    size_t next, next_entry; /* how far in its course and in its distinct lines */
    const uint8_t *known;
    const ns_window_reader *reader; /* NULL none */
    ns_judge_tally tally;
    ns_suspects suspects;
} walk;

/* first: the log did not have this line before. */
static void read_line(const training *t, walk *w, const ns_table_entry *at, bool first)
{
    const ns_table_form *form = &t->table->forms[at->form];
    const float *scores = &scores_of(t, w->log)[(size_t)at->form * NS_LINE_HEADS];
    ns_judge_line line = {.text = form->text, .number = (int64_t)at->line + 1, .fresh = w->known != NULL};
    memcpy(line.score, &scores[t->table->logs[w->log].jenkins ? NS_LINE_jenkins_all : NS_LINE_all], sizeof line.score);
    bool met_before = ns_table_bit(w->known, at->form);
    float strength = first && !met_before ? ns_judge_tally_add(&w->tally, &line, &form->said) : NAN;
    if (first && w->reader != NULL)
        ns_suspects_add(&w->suspects, w->reader, form->form, strength);
    ns_recent_line says = ns_judge_line_says(&line, &form->said, met_before);
    ns_judge_tally_pass(&w->tally, form->text, &says);
}

/* Reads on to the given number of lines. */
static void read_to(const training *t, walk *w, size_t lines)
{
    const ns_table_log *log = &t->table->logs[w->log];
    for (; w->next < log->course_count && log->course[w->next].line < lines; w->next++) {
        const ns_table_entry *at = &log->course[w->next];
        bool first = w->next_entry < log->count && log->entries[w->next_entry].line == at->line;
        w->next_entry += first;
        read_line(t, w, at, first);
    }
}

static void take_point(walk *w, point *out)
{
    if (w->reader != NULL)
        ns_suspects_ask(&w->suspects, w->reader);
    ns_judge_features(&w->tally, w->reader == NULL ? NULL : &w->suspects, out->feature);
}

/* After how many lines each of a log's points is taken; order: the points by rising lines. */
static void stops_of(const ns_table_log *log, size_t lines[STORED], size_t order[STORED])
{
    for (size_t p = 0; p < STORED; p++) {
        lines[p] = p < POINTS ? lines_until(log, point_left[p]) : log->lines * (p - POINTS + 1) / STEPS;
        size_t at = p;
        for (; at > 0 && lines[order[at - 1]] > lines[p]; at--)
            order[at] = order[at - 1];
        order[at] = p;
    }
}

static void fill_points(training *t, size_t i, const uint8_t *known)
{
    size_t lines[STORED], order[STORED];
    walk w = {.log = i, .known = known, .reader = reader_of(t, i)};
    ns_judge_tally_init(&w.tally);
    ns_suspects_init(&w.suspects);
    stops_of(&t->table->logs[i], lines, order);
    for (size_t k = 0; k < STORED; k++) {
        read_to(t, &w, lines[order[k]]);
        take_point(&w, &t->points[i * STORED + order[k]]);
    }
    if (known != NULL)
        return;
    t->end[i] = w.tally;
    if (t->suspects != NULL)
        t->suspects[i] = w.suspects;
}

static bool compares(ns_judge_mode mode)
{
    return mode == NS_JUDGE_compared || mode == NS_JUDGE_jenkins_compared;
}

/* Is this log one that the head of the mode learns from? */
static bool of_mode(const training *t, size_t i, ns_judge_mode mode)
{
    bool jenkins = mode == NS_JUDGE_jenkins_alone || mode == NS_JUDGE_jenkins_compared;
    const ns_table_log *log = &t->table->logs[i];
    return t->use[i] && log->jenkins == jenkins && (!compares(mode) || log->reference_count > 0);
}

static ns_status gather_points(training *t, ns_judge_mode mode)
{
    for (size_t i = 0; i < ns_corpus_count(t->table->corpus); i++) {
        t->has[i] = of_mode(t, i, mode);
        if (!t->has[i])
            continue;
        uint8_t *known = compares(mode) ? ns_table_known(t->table, i) : NULL;
        if (compares(mode) && known == NULL)
            return NS_NO_MEMORY;
        fill_points(t, i, known);
        ns_free(known);
    }
    return NS_OK;
}

static void features_of_mode(ns_judge_mode mode, bool encoder, bool used[NS_JUDGE_FEATURES])
{
    for (size_t f = 0; f < NS_JUDGE_FEATURES; f++)
        used[f] = f >= NS_JUDGE_ENCODER ? encoder : compares(mode) || f < NS_JUDGE_fresh_1 || f >= NS_JUDGE_STRENGTHS;
}

/* How much point p of a log counts as an example. */
static double example_weight(bool failing, size_t p)
{
    if (failing)
        return p < POINTS ? failing_weight[p] : 0.0;
    for (size_t k = 0; k < NS_COUNT_OF(green_step); k++)
        if (p == POINTS + green_step[k])
            return GREEN_POINT;
    return p < POINTS ? GREEN_POINT : 0.0;
}

/* Examples of all folds but one (folds: of none). */
static size_t gather_examples(const training *t, size_t without, ns_fit_example *out)
{
    size_t n = 0;
    for (size_t i = 0; i < ns_corpus_count(t->table->corpus); i++) {
        bool failing = ns_corpus_at(t->table->corpus, i)->failing;
        if (!t->has[i] || t->inner[project(t, i)] == without)
            continue;
        for (size_t p = 0; p < STORED; p++)
            if (example_weight(failing, p) > 0.0)
                out[n++] = (ns_fit_example){.feature = t->points[i * STORED + p].feature,
                                            .weight = t->weight[i] * example_weight(failing, p),
                                            .failing = failing};
    }
    return n;
}

/* What a judge that did not see the fold says of its logs, all along; to *out what the calibration learns from. */
static size_t score_fold(const training *t, size_t fold, const ns_judge_head *head, ns_fit_score *out)
{
    size_t n = 0;
    for (size_t i = 0; i < ns_corpus_count(t->table->corpus); i++) {
        if (!t->has[i] || t->inner[project(t, i)] != fold)
            continue;
        for (size_t p = 0; p < STORED; p++) {
            const point *at = &t->points[i * STORED + p];
            ns_fit_score *score = &t->course[i * STORED + p];
            *score = (ns_fit_score){.z = ns_judge_evidence(head, at->feature),
                                    .weight = t->weight[i],
                                    .failing = ns_corpus_at(t->table->corpus, i)->failing};
            if (p >= POINTS || calibration_weight[p] == 0.0)
                continue;
            out[n] = *score;
            out[n++].weight *= calibration_weight[p];
        }
    }
    return n;
}

typedef struct peak {
    double p, weight;
} peak;

static int by_falling_peak(const void *a, const void *b)
{
    double x = ((const peak *)a)->p, y = ((const peak *)b)->p;
    return (x < y) - (x > y);
}

/* The highest probabilities that the green logs of a family ever reach; family NULL: of all. */
static size_t green_peaks(const training *t, const ns_judge_head *head, const char *family, peak *out, double *total)
{
    size_t n = 0;
    *total = 0.0;
    for (size_t i = 0; i < ns_corpus_count(t->table->corpus); i++) {
        const ns_corpus_log *log = ns_corpus_at(t->table->corpus, i);
        if (!t->has[i] || log->failing || (family != NULL && strcmp(family, log->family) != 0))
            continue;
        out[n] = (peak){0.0, t->weight[i]};
        for (size_t p = 0; p < STORED; p++)
            out[n].p = fmax(out[n].p, ns_judge_probability(head, t->course[i * STORED + p].z));
        *total += out[n++].weight;
    }
    qsort(out, n, sizeof out[0], by_falling_peak);
    return n;
}

/* Just above what green logs ever reach, but for the share that may be alarmed. n > 0. */
static double edge_of(const peak *peaks, size_t n, double total)
{
    double above = 0.0;
    size_t i = 0;
    while (i + 1 < n && above + peaks[i].weight <= ALARMED_SHARE * total)
        above += peaks[i++].weight;
    return peaks[i].p + 1e-6;
}

static bool family_before(const training *t, size_t log)
{
    for (size_t i = 0; i < log; i++)
        if (t->has[i] &&
            strcmp(ns_corpus_at(t->table->corpus, i)->family, ns_corpus_at(t->table->corpus, log)->family) == 0)
            return true;
    return false;
}

static double alarm_of(const training *t, const ns_judge_head *head)
{
    peak *peaks = NS_NEW_ARRAY(peak, ns_corpus_count(t->table->corpus));
    if (peaks == NULL)
        return ALARM_MOST;
    double total, edge = 0.02;
    size_t n = green_peaks(t, head, NULL, peaks, &total);
    if (n > 0)
        edge = fmax(edge, edge_of(peaks, n, total));
    for (size_t i = 0; i < ns_corpus_count(t->table->corpus); i++)
        if (t->has[i] && !family_before(t, i) &&
            (n = green_peaks(t, head, ns_corpus_at(t->table->corpus, i)->family, peaks, &total)) >= FAMILY_MIN)
            edge = fmax(edge, edge_of(peaks, n, total));
    ns_free(peaks);
    return fmin(edge, ALARM_MOST);
}

static void weigh_outcomes(ns_fit_score *scores, size_t n)
{
    double total[2] = {0.0, 0.0};
    for (size_t i = 0; i < n; i++)
        total[scores[i].failing] += scores[i].weight;
    if (!(total[0] > 0.0) || !(total[1] > 0.0))
        return;
    double green = total[1] / total[0] * (1.0 - CALIBRATED_SHARE) / CALIBRATED_SHARE;
    for (size_t i = 0; i < n; i++)
        scores[i].weight *= scores[i].failing ? 1.0 : green;
}

/* encoder: its features are used too. */
static ns_status fit_mode(training *t, ns_judge_mode mode, bool encoder, ns_judge_head *out, ns_error *err)
{
    size_t logs = ns_corpus_count(t->table->corpus), scored = 0;
    bool used[NS_JUDGE_FEATURES];
    ns_fit_example *examples = NS_NEW_ARRAY(ns_fit_example, logs * EXAMPLES);
    ns_fit_score *scores = NS_NEW_ARRAY(ns_fit_score, logs * POINTS);
    ns_judge_head *head = NS_NEW(ns_judge_head);
    ns_status status = examples == NULL || scores == NULL || head == NULL
                           ? ns_fail(err, NS_NO_MEMORY, "training the judge: no memory")
                           : NS_OK;
    features_of_mode(mode, encoder, used);
    for (size_t fold = 0; status == NS_OK && fold < NS_TRAIN_INNER_FOLDS; fold++) {
        status = ns_fit_head(examples, gather_examples(t, fold, examples), used, head, err);
        if (status == NS_OK)
            scored += score_fold(t, fold, head, &scores[scored]);
    }
    if (status == NS_OK)
        status = ns_fit_head(examples, gather_examples(t, NS_TRAIN_INNER_FOLDS, examples), used, out, err);
    if (status == NS_OK) {
        weigh_outcomes(scores, scored);
        ns_fit_calibration(scores, scored, out);
        out->alarm = alarm_of(t, out);
    }
    ns_free(examples);
    ns_free(scores);
    ns_free(head);
    return status;
}

static ns_status fit_causes(const training *t, ns_judge *judge)
{
    size_t n = 0;
    ns_fit_cause *examples = NS_NEW_ARRAY(ns_fit_cause, ns_corpus_count(t->table->corpus));
    if (examples == NULL)
        return NS_NO_MEMORY;
    for (size_t i = 0; i < ns_corpus_count(t->table->corpus); i++) {
        const ns_corpus_log *log = ns_corpus_at(t->table->corpus, i);
        ns_cause cause;
        if (!t->use[i] || !log->failing || !ns_cause_parse(ns_text_of(log->cause), &cause) || cause == NS_CAUSE_none)
            continue;
        /* Recorded logs know their fault; other labels are somebody's guess from the text. */
        examples[n++] = (ns_fit_cause){.tally = &t->end[i],
                                       .suspects = t->suspects == NULL ? NULL : &t->suspects[i],
                                       .cause = cause,
                                       .weight = log->split[0] != '\0' ? 1.0 : 0.1};
    }
    ns_fit_causes(examples, n, judge);
    if (t->suspects != NULL)
        ns_fit_encoder_cause(examples, n, judge);
    ns_free(examples);
    return NS_OK;
}

/* Each large project as a whole weighs as the square root of its logs. */
enum { LARGE_PROJECT = 8 };

static void weigh_logs(training *t)
{
    size_t logs = ns_corpus_count(t->table->corpus), used = 0;
    double total = 0.0;
    for (size_t i = 0; i < logs; i++) {
        size_t same = 0;
        if (!t->use[i])
            continue;
        for (size_t j = 0; j < logs; j++)
            same += t->use[j] && project(t, j) == project(t, i);
        t->weight[i] = 1.0 / sqrt((double)(same > LARGE_PROJECT ? same : LARGE_PROJECT));
        total += t->weight[i];
        used++;
    }
    for (size_t i = 0; i < logs && total > 0.0; i++)
        t->weight[i] *= (double)used / total;
}

static ns_status train_inner(training *t, uint64_t seed, ns_lab_told *told, void *owner, ns_line_scorer *lines,
                             ns_error *err)
{
    size_t logs = ns_corpus_count(t->table->corpus);
    bool *use = NS_NEW_ARRAY(bool, logs);
    if (use == NULL)
        return ns_fail(err, NS_NO_MEMORY, "training the predictor: no memory");
    ns_status status = NS_OK;
    for (size_t fold = 0; status == NS_OK && fold < NS_TRAIN_INNER_FOLDS; fold++) {
        for (size_t i = 0; i < logs; i++)
            use[i] = t->use[i] && t->inner[project(t, i)] != fold;
        status = ns_train_lines(t->table, use, seed, lines, err);
        if (status == NS_OK)
            ns_score_forms(t->table, lines, &t->scores[fold * t->table->form_count * NS_LINE_HEADS]);
        if (told != NULL)
            told(owner, fold + 1, NS_TRAIN_STEPS);
    }
    ns_free(use);
    return status;
}

static ns_status check_classes(const ns_line_table *table, const bool *use, ns_error *err)
{
    size_t failing = 0, green = 0;
    for (size_t i = 0; i < ns_corpus_count(table->corpus); i++)
        *(ns_corpus_at(table->corpus, i)->failing ? &failing : &green) += use[i];
    return failing == 0 || green == 0
               ? ns_fail(err, NS_BAD_INPUT,
                         "corpus %s: %zu failing and %zu successful logs are selected; both are needed",
                         ns_corpus_folder(table->corpus), failing, green)
               : NS_OK;
}

/* Both outcomes, often enough. */
static bool enough(const training *t, ns_judge_mode mode)
{
    size_t failing = 0, green = 0;
    for (size_t i = 0; i < ns_corpus_count(t->table->corpus); i++)
        if (of_mode(t, i, mode))
            *(ns_corpus_at(t->table->corpus, i)->failing ? &failing : &green) += 1;
    return failing >= MODE_MIN && green >= MODE_MIN;
}

/* What stands in for a head that has too little to learn from: the same with the other kind of log, then without
 * references. At least one of the heads without references has learnt. */
static void fill_heads(ns_judge_head head[NS_JUDGE_MODES], const bool learnt[NS_JUDGE_MODES])
{
    static const ns_judge_mode other[NS_JUDGE_MODES][3] = {
        {NS_JUDGE_jenkins_alone, NS_JUDGE_compared, NS_JUDGE_jenkins_compared},
        {NS_JUDGE_jenkins_compared, NS_JUDGE_alone, NS_JUDGE_jenkins_alone},
        {NS_JUDGE_alone, NS_JUDGE_jenkins_compared, NS_JUDGE_compared},
        {NS_JUDGE_compared, NS_JUDGE_jenkins_alone, NS_JUDGE_alone}};
    for (size_t mode = 0; mode < NS_JUDGE_MODES; mode++)
        for (size_t k = 0; !learnt[mode] && k < 3; k++)
            if (learnt[other[mode][k]]) {
                head[mode] = head[other[mode][k]];
                break;
            }
}

/* Points of every log without references: the causes learn from where they end. */
static void read_ends(training *t)
{
    for (size_t i = 0; i < ns_corpus_count(t->table->corpus); i++)
        if (t->use[i])
            fill_points(t, i, NULL);
}

static ns_status learn_mode(training *t, ns_judge_mode mode, ns_judge *judge, ns_error *err)
{
    ns_status status = gather_points(t, mode) == NS_OK ? fit_mode(t, mode, false, &judge->head[mode], err)
                                                       : ns_fail(err, NS_NO_MEMORY, "training the judge: no memory");
    if (status == NS_OK && judge->with_encoder)
        status = fit_mode(t, mode, true, &judge->encoder_head[mode], err);
    return status;
}

static ns_status fit_heads(training *t, ns_lab_told *told, void *owner, ns_judge *judge, ns_error *err)
{
    bool learnt[NS_JUDGE_MODES] = {false};
    bool any = enough(t, NS_JUDGE_alone) || enough(t, NS_JUDGE_jenkins_alone);
    ns_status status = NS_OK;
    for (size_t mode = 0; status == NS_OK && mode < NS_JUDGE_MODES; mode++) {
        /* In a corpus too small for any head something has to be learnt all the same. */
        learnt[mode] = enough(t, (ns_judge_mode)mode) || (!any && mode == NS_JUDGE_alone);
        if (learnt[mode])
            status = learn_mode(t, (ns_judge_mode)mode, judge, err);
        if (told != NULL)
            told(owner, NS_TRAIN_INNER_FOLDS + mode + 1, NS_TRAIN_STEPS);
    }
    fill_heads(judge->head, learnt);
    fill_heads(judge->encoder_head, learnt);
    read_ends(t);
    return status;
}

static void training_clear(training *t)
{
    ns_free(t->inner);
    ns_free(t->scores);
    ns_free(t->weight);
    ns_free(t->points);
    ns_free(t->course);
    ns_free(t->end);
    ns_free(t->suspects);
    ns_free(t->has);
}

static ns_status training_init(training *t, const ns_line_table *table, const bool *use,
                               const ns_train_readers *readers, uint64_t seed, ns_error *err)
{
    size_t logs = ns_corpus_count(table->corpus), projects = ns_corpus_projects(table->corpus);
    *t = (training){.table = table, .use = use, .readers = readers};
    t->inner = NS_NEW_ARRAY(uint8_t, projects);
    t->scores = NS_NEW_ARRAY(float, (size_t)NS_TRAIN_INNER_FOLDS * table->form_count * NS_LINE_HEADS);
    t->weight = NS_NEW_ARRAY(double, logs);
    t->points = NS_NEW_ARRAY(point, logs * STORED);
    t->course = NS_NEW_ARRAY(ns_fit_score, logs * STORED);
    t->end = NS_NEW_ARRAY(ns_judge_tally, logs);
    t->has = NS_NEW_ARRAY(bool, logs);
    if (readers != NULL && (t->suspects = NS_NEW_ARRAY(ns_suspects, logs)) == NULL)
        return ns_fail(err, NS_NO_MEMORY, "training the predictor: no memory for %zu logs", logs);
    if (t->inner == NULL || t->scores == NULL || t->weight == NULL || t->points == NULL || t->course == NULL ||
        t->end == NULL || t->has == NULL)
        return ns_fail(err, NS_NO_MEMORY, "training the predictor: no memory for %zu logs", logs);
    return ns_deal_folds(projects, NS_TRAIN_INNER_FOLDS, seed + 1, t->inner, err);
}

ns_status ns_train_predictor(const ns_line_table *table, const bool *use, const ns_train_readers *readers,
                             uint64_t seed, ns_lab_told *told, void *owner, ns_line_scorer *lines, ns_judge *judge,
                             ns_error *err)
{
    training t;
    ns_status status = check_classes(table, use, err);
    if (status != NS_OK)
        return status;
    status = training_init(&t, table, use, readers, seed, err);
    memset(judge, 0, sizeof *judge);
    judge->with_encoder = readers != NULL;
    if (status == NS_OK) {
        weigh_logs(&t);
        status = train_inner(&t, seed, told, owner, lines, err);
    }
    if (status == NS_OK)
        status = fit_heads(&t, told, owner, judge, err);
    if (status == NS_OK && fit_causes(&t, judge) != NS_OK)
        status = ns_fail(err, NS_NO_MEMORY, "training the causes: no memory");
    if (status == NS_OK)
        status = ns_train_lines(table, use, seed, lines, err);
    if (status == NS_OK && told != NULL)
        told(owner, NS_TRAIN_STEPS, NS_TRAIN_STEPS);
    training_clear(&t);
    return status;
}
