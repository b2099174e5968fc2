/* neuroshield train predictor: learns the line scorer, the judge and the encoder from corpora of build logs. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/encoder_stage.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "lab/train_predictor.h"
#include "prediction/judge_predictor.h"
#include "prediction/known_words.h"
#include "prediction/model_folder.h"
#include "wire/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CORPORA_MAX 8

static const ns_option options_table[] = {
    {"corpus", "DIR", NULL,
     "corpus folder with its index.jsonl, or a daemon's data folder: what it saw and what people said of it; may be "
     "given several times"},
    {"init", "DIR", NULL, "where the encoder starts: 'scratch' (the default), or a DistilBERT or BERT folder"},
    {"out", "DIR", NULL, "model folder to write"},
    {"not-split", "NAME", NULL, "leave logs of this split out (default: test)"},
    {"max-bytes", "N", NULL, "leave larger logs out (default 1500000)"},
    NS_ENCODER_STAGE_OPTIONS,
};

static const ns_usage usage = {
    .command = "train",
    .purpose =
        "Learns a predictor from finished build logs: the scorer of single lines, then the judge over a whole log,\n"
        "its calibration, its alarm and its causes; with --encoder also a transformer over lines and their "
        "neighbours:\n"
        "vocabulary, masked-language pre-training, labelled lines. The same corpora and seed give the same files.",
    .arguments = "predictor",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options_table,
    .option_count = NS_COUNT_OF(options_table),
    .statuses = "1 when the encoder's training was interrupted: the same command goes on from its checkpoint.\n"
                "3 when a corpus, --init or a checkpoint cannot be used.",
    .example = "neuroshield train predictor --corpus corpus --init scratch --out models/predictor --seed 1",
};

typedef struct training {
    const ns_options *options;
    const char *out;
    uint64_t seed;
    ns_progress progress;
    const char *step;
    ns_corpus *corpus;
    ns_line_table *table;
    ns_line_scorer lines;
    ns_judge *judge;
    bool *use;
    char sha256[65];
    int64_t began_ns;
    ns_encoder_stage encoder;
} training;

static void told(void *owner, size_t done, size_t of)
{
    training *t = owner;
    ns_progress_told(&t->progress, t->step, done, of);
}

static size_t corpora(const ns_options *options, const char *out[CORPORA_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < options->given_count && n < CORPORA_MAX; i++)
        if (strcmp(options->given[i].option->name, "corpus") == 0)
            out[n++] = options->given[i].value;
    return n;
}

static ns_status read_options(training *t, ns_corpus_filter *filter, ns_error *err)
{
    const char *seed = ns_option_value(t->options, "seed");
    const char *not_split = ns_option_value(t->options, "not-split"), *most = ns_option_value(t->options, "max-bytes");
    int64_t number = 1;
    t->out = ns_option_value(t->options, "out");
    *filter = (ns_corpus_filter){.not_split = not_split == NULL ? "test" : not_split, .max_bytes = 1500000};
    if (t->out == NULL)
        return ns_fail(err, NS_BAD_USAGE, "--out DIR is needed");
    if (seed != NULL && !ns_text_int64(ns_text_of(seed), &number))
        return ns_fail(err, NS_BAD_USAGE, "--seed '%.32s' is not a whole number", seed);
    if (most != NULL && (!ns_text_int64(ns_text_of(most), &filter->max_bytes) || filter->max_bytes < 0))
        return ns_fail(err, NS_BAD_USAGE, "--max-bytes '%.32s' is not a number of bytes", most);
    t->seed = (uint64_t)number;
    return ns_encoder_stage_read(t->options, t->out, t->seed, &t->encoder, err);
}

static ns_status learn(training *t, ns_error *err)
{
    size_t logs = ns_corpus_count(t->corpus);
    t->step = "reading the corpus";
    ns_status status = ns_line_table_new(t->corpus, told, t, &t->table, err);
    if (status != NS_OK || t->encoder.alone)
        return status;
    status = ns_line_scorer_init(&t->lines, err);
    t->judge = NS_NEW(ns_judge);
    t->use = NS_NEW_ARRAY(bool, logs);
    if (status == NS_OK && (t->judge == NULL || t->use == NULL))
        status = ns_fail(err, NS_NO_MEMORY, "no memory to learn from %zu logs", logs);
    if (status != NS_OK)
        return status;
    memset(t->use, 1, logs * sizeof t->use[0]);
    if (t->encoder.wanted)
        status = ns_encoder_stage_halves(&t->encoder, t->table, err);
    if (status != NS_OK)
        return status;
    t->step = "learning";
    return ns_train_predictor(t->table, t->use, t->encoder.wanted ? &t->encoder.halves.readers : NULL, t->seed, told, t,
                              &t->lines, t->judge, err);
}

/* The words that the model has met: what it reads of others is told by the drift alarms. */
static ns_status write_words(const training *t, ns_error *err)
{
    ns_known_words words;
    ns_status status = ns_known_words_init(&words, err);
    for (size_t i = 0; status == NS_OK && i < t->table->form_count; i++)
        ns_known_words_learn(&words, t->table->forms[i].text);
    if (status == NS_OK)
        status = ns_known_words_write(t->out, &words, err);
    ns_known_words_clear(&words);
    return status;
}

/* Reads back what was written: a model that cannot be opened is not done. */
static ns_status write_model(training *t, ns_error *err)
{
    ns_predictor written;
    if (mkdir(t->out, 0755) != 0 && errno != EEXIST)
        return ns_fail(err, NS_IO, "%s: %s", t->out, strerror(errno));
    if (t->encoder.alone)
        return NS_OK;
    ns_status status = ns_line_scorer_write(t->out, &t->lines, err);
    if (status == NS_OK)
        status = ns_judge_write(t->out, t->judge, err);
    if (status == NS_OK)
        status = write_words(t, err);
    if (status == NS_OK)
        status = ns_judge_predictor_open(t->out, &(ns_judge_predictor_options){.code_path = NULL}, &written, err);
    if (status != NS_OK)
        return status;
    (void)ns_text_copy(t->sha256, sizeof t->sha256, ns_text_of(written.sha256));
    written.free(written.self);
    return NS_OK;
}

static void put_metrics(ns_json_writer *w, const training *t)
{
    int64_t failing = 0;
    for (size_t i = 0; i < ns_corpus_count(t->corpus); i++)
        failing += ns_corpus_at(t->corpus, i)->failing;
    ns_json_key(w, "metrics");
    ns_json_object(w);
    ns_json_field_int(w, "logs", (int64_t)ns_corpus_count(t->corpus));
    ns_json_field_int(w, "projects", (int64_t)ns_corpus_projects(t->corpus));
    ns_json_field_int(w, "failing", failing);
    ns_json_field_int(w, "templates", (int64_t)t->table->form_count);
    if (!t->encoder.alone) {
        ns_json_field_real(w, "alarm_alone", t->judge->head[NS_JUDGE_alone].alarm);
        ns_json_field_real(w, "alarm_compared", t->judge->head[NS_JUDGE_compared].alarm);
        ns_json_field_real(w, "alarm_jenkins_alone", t->judge->head[NS_JUDGE_jenkins_alone].alarm);
        ns_json_field_real(w, "alarm_jenkins_compared", t->judge->head[NS_JUDGE_jenkins_compared].alarm);
    }
    ns_json_field_string(w, "corpus_sha256", ns_corpus_sha256(t->corpus));
    if (t->encoder.wanted)
        ns_encoder_stage_put(&t->encoder, w);
    ns_json_end_object(w);
}

/* Last of all: it names the files as they are, and `model verify` holds the folder to it. */
static ns_status write_card(training *t, ns_error *err)
{
    ns_buf facts;
    ns_json_writer w;
    ns_buf_init(&facts, 1 << 20);
    ns_json_begin(&w, &facts);
    ns_json_object(&w);
    ns_json_field_string(&w, "made_by", "neuroshield train predictor, version " NS_VERSION);
    ns_json_field_int(&w, "seed", (int64_t)t->seed);
    put_metrics(&w, t);
    ns_json_end_object(&w);
    ns_model_folder *files = NS_NEW(ns_model_folder);
    ns_status status = files == NULL || facts.failed
                           ? ns_fail(err, NS_NO_MEMORY, "%s: no memory for its card", t->out)
                           : ns_model_card_write(t->out, "neuroshield-predictor", ns_buf_view(&facts), files, err);
    if (status == NS_OK)
        memcpy(t->sha256, files->sha256, sizeof t->sha256);
    ns_free(files);
    ns_buf_clear(&facts);
    return status;
}

static bool report(const training *t)
{
    ns_buf out;
    ns_json_writer w;
    double elapsed_s = (double)(ns_monotonic_ns() - t->began_ns) / 1e9;
    ns_buf_init(&out, 65536);
    if (t->options->json) {
        ns_json_begin(&w, &out);
        ns_json_object(&w);
        ns_json_field_int(&w, "schema", 1);
        ns_json_field_string(&w, "out", t->out);
        ns_json_field_string(&w, "sha256", t->sha256);
        ns_json_field_int(&w, "steps",
                          t->encoder.wanted ? t->encoder.result.masked.steps + t->encoder.result.lines.steps
                                            : (int64_t)t->table->form_count);
        ns_json_field_real(&w, "elapsed_s", elapsed_s);
        ns_json_field_real(&w, "throughput_per_s",
                           t->encoder.wanted ? ns_encoder_stage_speed(&t->encoder)
                                             : (double)t->table->form_count / elapsed_s);
        put_metrics(&w, t);
        ns_json_end_object(&w);
        (void)ns_buf_char(&out, '\n');
    } else {
        (void)ns_buf_printf(&out, "%s: learnt from %zu logs of %zu projects, %zu templates, in %.0f s\n", t->out,
                            ns_corpus_count(t->corpus), ns_corpus_projects(t->corpus), t->table->form_count, elapsed_s);
        ns_encoder_stage_tell(&t->encoder, &out);
    }
    bool good = !out.failed && ns_stdout_write(ns_buf_view(&out));
    ns_buf_clear(&out);
    return good;
}

static ns_status train(training *t, ns_error *err)
{
    const char *folders[CORPORA_MAX];
    ns_corpus_filter filter;
    size_t count = corpora(t->options, folders);
    ns_status status = read_options(t, &filter, err);
    if (status == NS_OK && count == 0)
        status = ns_fail(err, NS_BAD_USAGE, "--corpus DIR is needed");
    if (status == NS_OK)
        status = ns_corpus_open(folders, count, &filter, &t->corpus, err);
    if (status == NS_OK)
        status = learn(t, err);
    ns_progress_end(&t->progress);
    if (status == NS_OK && t->encoder.wanted)
        status = ns_encoder_stage_run(&t->encoder, t->table, err);
    if (status == NS_OK)
        status = write_model(t, err);
    return status == NS_OK ? write_card(t, err) : status;
}

static int train_predictor(const ns_options *options)
{
    ns_error err;
    training t = {.options = options, .step = "", .began_ns = ns_monotonic_ns()};
    ns_progress_init(&t.progress, options->quiet);
    ns_status status = train(&t, &err);
    int exit_status = 0;
    if (status != NS_OK) {
        exit_status = ns_options_fail(options, &err);
        if (status == NS_IO || status == NS_NOT_FOUND || status == NS_BAD_INPUT)
            exit_status = ns_status_exit(NS_BAD_INPUT);
    } else if (!report(&t)) {
        exit_status = 1;
    }
    ns_encoder_stage_clear(&t.encoder);
    ns_free(t.use);
    ns_free(t.judge);
    ns_line_scorer_clear(&t.lines);
    ns_line_table_free(t.table);
    ns_corpus_free(t.corpus);
    return exit_status;
}

int ns_cmd_train(int argc, char **argv)
{
    ns_options options;
    int exit_status;
    ns_error err;
    if (!ns_options_read(&usage, argc, argv, &options, &exit_status))
        return exit_status;
    if (strcmp(options.arguments[0], "predictor") == 0)
        return train_predictor(&options);
    bool later = strcmp(options.arguments[0], "policy") == 0;
    (void)ns_fail(&err, later ? NS_LATER : NS_BAD_USAGE,
                  later ? "'%.32s' comes with a later part of NeuroShield" : "'%.32s' is neither predictor nor policy",
                  options.arguments[0]);
    return ns_options_fail(&options, &err);
}
