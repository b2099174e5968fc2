#include "lab/train_readers.h"

#include "base/mem.h"
#include "lab/train_lines.h"
#include "prediction/window_encoder.h"
#include "tensor/code_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_ROOM = 4096 };

/* Which logs are what, and how suspicious a line scorer finds each template. */
typedef struct choice {
    bool *learn, *vocabulary, *scorer; /* (logs) */
    float *scores;                     /* (forms, heads) */
} choice;

static void choice_clear(choice *c)
{
    ns_free(c->learn);
    ns_free(c->vocabulary);
    ns_free(c->scorer);
    ns_free(c->scores);
}

/* An encoder learns most from what the line scorer gets wrong. A scorer of its own, which has seen what it sees itself,
 * so that the two can be compared on the rest. */
static ns_status score(const ns_line_table *table, const ns_reader_recipe *recipe, choice *c, ns_error *err)
{
    ns_line_scorer lines;
    ns_status status = ns_line_scorer_init(&lines, err);
    if (status != NS_OK)
        return status;
    status = ns_train_lines(table, c->scorer, recipe->encoder.seed, &lines, err);
    if (status == NS_OK)
        ns_score_forms(table, &lines, c->scores);
    ns_line_scorer_clear(&lines);
    return status;
}

/* half: only projects that unseen[] does not give to it; NULL unseen: all. */
static ns_status choose(const ns_line_table *table, const bool *use, const ns_reader_recipe *recipe,
                        const uint8_t *unseen, uint8_t half, choice *c, ns_error *err)
{
    const size_t logs = ns_corpus_count(table->corpus);
    c->learn = NS_NEW_ARRAY(bool, logs);
    c->vocabulary = NS_NEW_ARRAY(bool, logs);
    c->scorer = NS_NEW_ARRAY(bool, logs);
    c->scores = NS_NEW_ARRAY(float, table->form_count *NS_LINE_HEADS);
    if (c->learn == NULL || c->vocabulary == NULL || c->scorer == NULL || c->scores == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for %zu logs", logs);
    const char *family = recipe->vocabulary_family;
    for (size_t i = 0; i < logs; i++) {
        const ns_corpus_log *log = ns_corpus_at(table->corpus, i);
        c->learn[i] = (use == NULL || use[i]) && (unseen == NULL || unseen[log->project_number] != half);
        c->vocabulary[i] = c->learn[i] && (family == NULL || ns_text_starts(ns_text_of(log->family), family));
        c->scorer[i] = c->learn[i] && !ns_train_encoder_holds_out(&recipe->encoder, log->project);
    }
    return score(table, recipe, c, err);
}

ns_status ns_train_reader(const ns_line_table *table, const bool *use, const ns_reader_recipe *recipe,
                          ns_train_encoder_result *result, ns_error *err)
{
    choice c = {0};
    ns_status status = choose(table, use, recipe, NULL, 0, &c, err);
    const ns_train_encoder_corpus corpus = {
        .table = table, .use = c.learn, .scores = c.scores, .vocabulary = c.vocabulary};
    if (status == NS_OK)
        status = ns_train_encoder(&corpus, 1, &recipe->encoder, result, err);
    choice_clear(&c);
    return status;
}

/* --- halves --- */

static bool half_folder(const ns_reader_recipe *recipe, size_t half, char path[PATH_ROOM])
{
    return snprintf(path, PATH_ROOM, "%s/.half-%zu", recipe->encoder.folder, half) < PATH_ROOM;
}

static ns_status train_half(const ns_line_table *table, const bool *use, const ns_reader_recipe *recipe, size_t half,
                            ns_half_readers *out, ns_error *err)
{
    const size_t logs = ns_corpus_count(table->corpus);
    char folder[PATH_ROOM];
    ns_reader_recipe mine = *recipe;
    choice c = {0};
    if (!half_folder(recipe, half, folder))
        return ns_fail(err, NS_IO, "%s: the path is too long", recipe->encoder.folder);
    bool *measure = NS_NEW_ARRAY(bool, logs);
    mine.encoder.folder = folder;
    mine.encoder.keep_checkpoints = true; /* until the whole is done */
    ns_status status = measure == NULL ? ns_fail(err, NS_NO_MEMORY, "no memory for %zu logs", logs)
                                       : choose(table, use, &mine, out->unseen, (uint8_t)half, &c, err);
    for (size_t i = 0; status == NS_OK && i < logs; i++)
        measure[i] = (use == NULL || use[i]) && !c.learn[i];
    const ns_train_encoder_corpus corpus = {
        .table = table, .use = c.learn, .scores = c.scores, .vocabulary = c.vocabulary, .measure = measure};
    if (status == NS_OK)
        status = ns_train_encoder(&corpus, 1, &mine.encoder, &out->result[half], err);
    if (status == NS_OK)
        status = ns_window_encoder_open(folder, ns_code_path_best(), recipe->encoder.threads, &out->reader[half], err);
    choice_clear(&c);
    ns_free(measure);
    return status;
}

ns_status ns_train_half_readers(const ns_line_table *table, const bool *use, const ns_reader_recipe *recipe,
                                ns_half_readers *out, ns_error *err)
{
    const size_t projects = ns_corpus_projects(table->corpus);
    ns_half_readers made = {.unseen = NS_NEW_ARRAY(uint8_t, projects)};
    ns_status status = NS_OK;
    if (made.unseen == NULL)
        status = ns_fail(err, NS_NO_MEMORY, "no memory for %zu projects", projects);
    else if (mkdir(recipe->encoder.folder, 0755) != 0 && errno != EEXIST)
        status = ns_fail(err, NS_IO, "%s: cannot be made: %s", recipe->encoder.folder, strerror(errno));
    if (status == NS_OK)
        status = ns_deal_folds(projects, NS_TRAIN_READERS, recipe->encoder.seed + 2, made.unseen, err);
    for (size_t half = 0; status == NS_OK && half < NS_TRAIN_READERS; half++)
        status = train_half(table, use, recipe, half, &made, err);
    if (status != NS_OK) {
        ns_half_readers_clear(&made);
        return status;
    }
    *out = made;
    for (size_t half = 0; half < NS_TRAIN_READERS; half++)
        out->readers.reader[half] = &out->reader[half];
    out->readers.unseen = out->unseen;
    return NS_OK;
}

void ns_half_readers_clear(ns_half_readers *halves)
{
    for (size_t half = 0; half < NS_TRAIN_READERS; half++)
        if (halves->reader[half].free != NULL)
            halves->reader[half].free(halves->reader[half].self);
    ns_free(halves->unseen);
    *halves = (ns_half_readers){.unseen = NULL};
}

void ns_half_readers_forget(const ns_reader_recipe *recipe)
{
    char folder[PATH_ROOM];
    for (size_t half = 0; half < NS_TRAIN_READERS; half++) {
        if (half_folder(recipe, half, folder))
            ns_train_encoder_forget(folder);
    }
}
