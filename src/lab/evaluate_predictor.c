#include "lab/evaluate_predictor.h"

#include "base/clock.h"
#include "base/mem.h"
#include "lab/evaluate_report.h"
#include "lab/train_predictor.h"
#include "prediction/judge_predictor.h"
#include "prediction/keyword.h"
#include "prediction/window_encoder.h"
#include "tensor/code_path.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct evaluation {
    const ns_evaluate_options *options;
    ns_corpus *corpus;
    ns_line_table *table;
    size_t *chosen; /* logs that are scored */
    size_t count;
    ns_replayed *model, *keyword; /* (count) */
    ns_replayed *without;         /* (count) the encoder; NULL: there is none */
    const char *step;             /* what is told now */
} evaluation;

static void told(void *owner, size_t done, size_t of)
{
    const evaluation *e = owner;
    if (e->options->told != NULL)
        e->options->told(e->options->owner, e->step, done, of);
}

static ns_status choose(evaluation *e, ns_error *err)
{
    size_t logs = ns_corpus_count(e->corpus), found[NS_TABLE_REFERENCES];
    e->chosen = NS_NEW_ARRAY(size_t, logs);
    e->model = NS_NEW_ARRAY(ns_replayed, logs);
    e->keyword = NS_NEW_ARRAY(ns_replayed, logs);
    const bool encoder = e->options->folds > 0 ? e->options->recipe != NULL : e->options->without_encoder != NULL;
    if (encoder && (e->without = NS_NEW_ARRAY(ns_replayed, logs)) == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory to evaluate %zu logs", logs);
    if (e->chosen == NULL || e->model == NULL || e->keyword == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory to evaluate %zu logs", logs);
    for (size_t i = 0; i < logs; i++)
        if (ns_corpus_references(e->corpus, i, found, NS_TABLE_REFERENCES) >= e->options->min_references)
            e->chosen[e->count++] = i;
    return e->count > 0 ? NS_OK
                        : ns_fail(err, NS_BAD_INPUT, "corpus %s: no log has %zu earlier successful logs",
                                  e->options->folders[0], e->options->min_references);
}

/* Scores the chosen logs whose project is dealt into this fold; fold_of NULL: all. */
static ns_status replay(evaluation *e, const ns_predictor *predictor, const uint8_t *fold_of, size_t fold,
                        ns_replayed *out, ns_error *err)
{
    ns_status status = NS_OK;
    for (size_t i = 0; status == NS_OK && i < e->count; i++) {
        size_t log = e->chosen[i];
        if (fold_of == NULL || fold_of[ns_corpus_at(e->corpus, log)->project_number] == fold)
            status = ns_replay_log(e->corpus, log, e->options->references, predictor, &out[i], err);
        told(e, i + 1, e->count);
    }
    return status;
}

/* What one fold is scored with. */
typedef struct fold_model {
    ns_line_scorer lines;
    ns_judge *judge;
    ns_window_reader reader; /* free NULL: there is none */
} fold_model;

/* Halves for the judge's examples, and the encoder that scores the fold; its files are gone when it is read. */
static ns_status train_fold(evaluation *e, const bool *use, fold_model *out, ns_error *err)
{
    const ns_reader_recipe *recipe = e->options->recipe;
    const uint64_t seed = e->options->seed;
    if (recipe == NULL)
        return ns_train_predictor(e->table, use, NULL, seed, told, e, &out->lines, out->judge, err);
    ns_half_readers halves = {.unseen = NULL};
    ns_train_encoder_result result;
    ns_status status = ns_train_half_readers(e->table, use, recipe, &halves, err);
    if (status == NS_OK)
        status = ns_train_predictor(e->table, use, &halves.readers, seed, told, e, &out->lines, out->judge, err);
    if (status == NS_OK)
        status = ns_train_reader(e->table, use, recipe, &result, err);
    if (status == NS_OK)
        status = ns_window_encoder_open(recipe->encoder.folder, ns_code_path_best(), 1, &out->reader, err);
    ns_half_readers_clear(&halves);
    ns_half_readers_forget(recipe);
    ns_train_encoder_forget(recipe->encoder.folder);
    return status;
}

static ns_status score_fold(evaluation *e, const fold_model *model, const ns_window_reader *reader,
                            const uint8_t *fold_of, size_t fold, ns_replayed *out, ns_error *err)
{
    ns_predictor predictor;
    ns_status status = ns_judge_predictor_new(&model->lines, model->judge, reader, &predictor, err);
    if (status != NS_OK)
        return status;
    status = replay(e, &predictor, fold_of, fold, out, err);
    predictor.free(predictor.self);
    return status;
}

static ns_status one_fold(evaluation *e, const uint8_t *fold_of, size_t fold, bool *use, fold_model *model,
                          ns_error *err)
{
    char step[48];
    for (size_t i = 0; i < ns_corpus_count(e->corpus); i++)
        use[i] = fold_of[ns_corpus_at(e->corpus, i)->project_number] != fold;
    (void)snprintf(step, sizeof step, "training without fold %zu of %zu", fold + 1, e->options->folds);
    e->step = step;
    ns_status status = train_fold(e, use, model, err);
    const ns_window_reader *reader = model->reader.free == NULL ? NULL : &model->reader;
    if (status == NS_OK) {
        (void)snprintf(step, sizeof step, "scoring fold %zu of %zu", fold + 1, e->options->folds);
        status = score_fold(e, model, reader, fold_of, fold, e->model, err);
    }
    if (status == NS_OK && e->without != NULL)
        status = score_fold(e, model, NULL, fold_of, fold, e->without, err);
    if (reader != NULL)
        model->reader.free(model->reader.self);
    model->reader.free = NULL;
    e->step = "";
    return status;
}

static ns_status by_folds(evaluation *e, ns_error *err)
{
    fold_model model = {.judge = NS_NEW(ns_judge)};
    bool *use = NS_NEW_ARRAY(bool, ns_corpus_count(e->corpus));
    uint8_t *fold_of = NS_NEW_ARRAY(uint8_t, ns_corpus_projects(e->corpus));
    ns_status status = model.judge == NULL || use == NULL || fold_of == NULL
                           ? ns_fail(err, NS_NO_MEMORY, "folds: no memory")
                           : ns_line_scorer_init(&model.lines, err);
    if (status == NS_OK)
        status = ns_deal_folds(ns_corpus_projects(e->corpus), e->options->folds, e->options->seed, fold_of, err);
    for (size_t fold = 0; status == NS_OK && fold < e->options->folds; fold++)
        status = one_fold(e, fold_of, fold, use, &model, err);
    ns_line_scorer_clear(&model.lines);
    ns_free(model.judge);
    ns_free(use);
    ns_free(fold_of);
    return status;
}

static ns_status score_keyword(evaluation *e, ns_error *err)
{
    ns_predictor keyword;
    ns_status status = ns_keyword_predictor_new(&keyword, err);
    if (status != NS_OK)
        return status;
    e->step = "scoring with the keyword rule";
    status = replay(e, &keyword, NULL, 0, e->keyword, err);
    keyword.free(keyword.self);
    return status;
}

static ns_status run(evaluation *e, ns_buf *out, ns_error *err)
{
    int64_t began_ns = ns_monotonic_ns();
    ns_leakcheck leak;
    ns_status status =
        ns_corpus_open(e->options->folders, e->options->folder_count, &e->options->filter, &e->corpus, err);
    e->step = "reading the corpus";
    if (status == NS_OK)
        status = ns_line_table_new(e->corpus, told, e, &e->table, err);
    if (status == NS_OK)
        status = ns_leakcheck_of(e->table, &leak, err);
    if (status == NS_OK)
        status = choose(e, err);
    e->step = "scoring";
    if (status == NS_OK)
        status = e->options->folds > 0 ? by_folds(e, err) : replay(e, e->options->predictor, NULL, 0, e->model, err);
    e->step = "scoring without the encoder";
    if (status == NS_OK && e->options->folds == 0 && e->without != NULL)
        status = replay(e, e->options->without_encoder, NULL, 0, e->without, err);
    if (status == NS_OK)
        status = score_keyword(e, err);
    if (status != NS_OK)
        return status;
    const ns_predictor *model = e->options->predictor;
    const ns_evaluate_report report = {.corpus = e->corpus,
                                       .model = e->model,
                                       .keyword = e->keyword,
                                       .without_encoder = e->without,
                                       .count = e->count,
                                       .folds = e->options->folds,
                                       .references = e->options->references,
                                       .name = model == NULL ? "judge" : model->name,
                                       .sha256 = model == NULL ? "" : model->sha256,
                                       .code_path = model != NULL        ? model->code_path
                                                    : e->without == NULL ? NS_PATH_portable_fp32
                                                                         : ns_code_path_best(),
                                       .leak = &leak,
                                       .elapsed_s = (double)(ns_monotonic_ns() - began_ns) / 1e9};
    if (e->options->per_log != NULL)
        status = ns_evaluate_write_logs(&report, e->options->per_log, err);
    return status == NS_OK ? ns_evaluate_put(&report, out, err) : status;
}

ns_status ns_evaluate_predictor(const ns_evaluate_options *options, ns_buf *out, ns_error *err)
{
    evaluation e = {.options = options, .step = ""};
    ns_status status = run(&e, out, err);
    ns_free(e.chosen);
    ns_free(e.model);
    ns_free(e.keyword);
    ns_free(e.without);
    ns_line_table_free(e.table);
    ns_corpus_free(e.corpus);
    return status;
}
