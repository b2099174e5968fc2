/* neuroshield evaluate predictor: measures a predictor on a corpus of build logs. */
#include "cli/command.h"
#include "cli/encoder_stage.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "lab/evaluate_predictor.h"
#include "prediction/judge_predictor.h"
#include "prediction/keyword.h"
#include "prediction/predictor_open.h"
#include "wire/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CORPORA_MAX 8

static const ns_option options_table[] = {
    {"corpus", "DIR", NULL, "corpus folder with its index.jsonl; may be given several times"},
    {"model", "DIR", NULL, "model folder to measure (default: the installed one); 'keyword' for the keyword rule"},
    {"folds", "N", NULL, "train anew on N-1 parts of the projects and measure on the rest, for each part"},
    {"references", "N", NULL, "earlier successful logs of the project to compare with, at most 3 (default 0)"},
    {"min-references", "N", NULL, "measure only logs that have so many (default 0)"},
    {"family", "NAME", NULL, "only logs whose family starts with this"},
    {"split", "NAME", NULL, "only logs of this split: train, validation or test"},
    {"max-bytes", "N", NULL, "leave larger logs out (default 1500000)"},
    {"per-log", "FILE", NULL, "also write one JSON object a log"},
    {"encoder", NULL, NULL, "with --folds: train encoders too, and measure with and without"},
    NS_ENCODER_RECIPE_OPTIONS,
};

static const ns_usage usage = {
    .command = "evaluate",
    .purpose =
        "Measures a predictor on finished build logs, without the lines that give the outcome away: with the last\n"
        "lines withheld, over the course of a build, and as a stream of answers; beside the keyword rule, the\n"
        "base rate, the same model without its encoder, and the leak check.",
    .arguments = "predictor",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options_table,
    .option_count = NS_COUNT_OF(options_table),
    .statuses = "3 when the corpus or the model cannot be used.",
    .example = "neuroshield evaluate predictor --corpus corpus --split test --references 3 --json",
};

/* The option as a whole number of lowest..highest; `otherwise` when it is not given. */
static bool number_option(const ns_options *options, const char *name, int64_t lowest, int64_t highest,
                          int64_t otherwise, int64_t *out, ns_error *err)
{
    const char *value = ns_option_value(options, name);
    *out = otherwise;
    if (value == NULL)
        return true;
    if (ns_text_int64(ns_text_of(value), out) && *out >= lowest && *out <= highest)
        return true;
    (void)ns_fail(err, NS_BAD_USAGE, "--%s '%.32s' is not a whole number of %lld to %lld", name, value,
                  (long long)lowest, (long long)highest);
    return false;
}

static size_t corpora(const ns_options *options, const char *out[CORPORA_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < options->given_count && n < CORPORA_MAX; i++)
        if (strcmp(options->given[i].option->name, "corpus") == 0)
            out[n++] = options->given[i].value;
    return n;
}

static bool read_numbers(const ns_options *options, ns_evaluate_options *out, ns_error *err)
{
    int64_t folds, references, least, max_bytes, seed = 1;
    const char *given_seed = ns_option_value(options, "seed");
    if (!number_option(options, "folds", 2, 50, 0, &folds, err) ||
        !number_option(options, "references", 0, NS_TABLE_REFERENCES, 0, &references, err) ||
        !number_option(options, "min-references", 0, NS_TABLE_REFERENCES, 0, &least, err) ||
        !number_option(options, "max-bytes", 0, INT64_MAX, 1500000, &max_bytes, err))
        return false;
    if (given_seed != NULL && !ns_text_int64(ns_text_of(given_seed), &seed)) {
        (void)ns_fail(err, NS_BAD_USAGE, "--seed '%.32s' is not a whole number", given_seed);
        return false;
    }
    out->folds = (size_t)folds;
    out->references = (size_t)references;
    out->min_references = (size_t)least;
    out->filter.max_bytes = max_bytes;
    out->seed = (uint64_t)seed;
    return true;
}

/* without: the encoder, where the model has one. */
static ns_status open_predictor(const ns_options *options, bool without, ns_predictor *out, ns_error *err)
{
    const char *model = ns_option_value(options, "model");
    if (model != NULL && strcmp(model, "keyword") == 0)
        return ns_keyword_predictor_new(out, err);
    ns_error why = {.text = ""};
    ns_status status = ns_predictor_open(&(ns_predictor_choice){.model = model, .without_encoder = without}, out, &why);
    if (status != NS_OK)
        return ns_fail(err, status, "%s", why.text);
    if (!out->fallback)
        return NS_OK;
    out->free(out->self); /* figures of a stand-in would be taken for the model's */
    return ns_fail(err, NS_NOT_FOUND, "no model is installed; name one with --model DIR, or --model keyword");
}

static double at(const json_t *json, const char *a, const char *b, const char *c)
{
    const json_t *inner = ns_json_at(ns_json_at(json, a), b);
    return ns_json_real(inner, c, 0.0);
}

/* The figures people look for first. */
static void print_text(ns_text report)
{
    static const char *const horizon[] = {"0", "10", "30", "100", "300"};
    json_t *json = NULL;
    ns_error err;
    if (ns_json_read(report, &json, &err) != NS_OK)
        return;
    const json_t *stream = ns_json_at(json, "streaming");
    (void)printf("%lld logs of %lld projects\n", (long long)ns_json_int(ns_json_at(json, "corpus"), "logs", 0),
                 (long long)ns_json_int(ns_json_at(json, "corpus"), "projects", 0));
    (void)printf("lines withheld  accuracy  false alarms  area under curve  calibration error\n");
    for (size_t i = 0; i < NS_COUNT_OF(horizon); i++)
        (void)printf("%14s  %8.3f  %12.3f  %16.3f  %17.3f\n", horizon[i], at(json, "withheld", horizon[i], "accuracy"),
                     at(json, "withheld", horizon[i], "fpr"), at(json, "withheld", horizon[i], "auc"),
                     at(json, "withheld", horizon[i], "ece"));
    for (int own = 0; own < 2; own++) {
        const json_t *one = ns_json_at(stream, own ? "own" : "at_fpr_10");
        (void)printf("%s: %.3f of successful builds ever alarmed; failing builds found", own ? "own alarm" : "at 10 %",
                     ns_json_real(one, "false_alarms", 0.0));
        for (size_t i = 0; i < NS_COUNT_OF(horizon); i++)
            (void)printf(" >=%s: %.3f", horizon[i], ns_json_real(ns_json_at(one, "found"), horizon[i], 0.0));
        (void)printf("\n");
    }
    const json_t *leak = ns_json_at(json, "leakcheck");
    (void)printf("leak check %s (%s %.3f)\n", ns_json_bool(leak, "passed", false) ? "passed" : "FAILED",
                 ns_json_string(leak, "best_stump", ""), ns_json_real(leak, "best_stump_auc", 0.0));
    json_decref(json);
}

/* What is measured: a model that is there, or one trained anew for each fold. */
typedef struct subject {
    ns_predictor model, without_encoder;
    bool has_model, has_encoder;
    ns_encoder_stage stage; /* with folds and --encoder */
    char scratch[4096];     /* where its encoders are trained; "" none */
} subject;

static ns_status open_model(const ns_options *options, subject *s, ns_error *err)
{
    ns_status status = open_predictor(options, false, &s->model, err);
    s->has_model = status == NS_OK;
    if (status != NS_OK || strcmp(s->model.name, NS_JUDGE_WITH_ENCODER) != 0)
        return status;
    status = open_predictor(options, true, &s->without_encoder, err);
    s->has_encoder = status == NS_OK;
    return status;
}

static ns_status plan_encoder(const ns_options *options, uint64_t seed, subject *s, ns_error *err)
{
    const char *where = getenv("TMPDIR");
    if (snprintf(s->scratch, sizeof s->scratch, "%s/neuroshield-folds-XXXXXX", where == NULL ? "/tmp" : where) >=
            (int)sizeof s->scratch ||
        mkdtemp(s->scratch) == NULL) {
        s->scratch[0] = '\0';
        return ns_fail(err, NS_IO, "no folder for the folds' encoders can be made in %.200s",
                       where == NULL ? "/tmp" : where);
    }
    const ns_status status = ns_encoder_stage_read(options, s->scratch, seed, &s->stage, err);
    if (status == NS_OK && s->stage.recipe.encoder.window_steps == 0)
        return ns_fail(err, NS_BAD_USAGE, "--encoder with --line-steps 0: there would be nothing to measure");
    return status;
}

static ns_status prepare(const ns_options *options, subject *s, ns_evaluate_options *what, ns_error *err)
{
    ns_status status = NS_OK;
    if (what->folds == 0)
        status = open_model(options, s, err);
    else if (ns_option_given(options, "encoder"))
        status = plan_encoder(options, what->seed, s, err);
    what->predictor = s->has_model ? &s->model : NULL;
    what->without_encoder = s->has_encoder ? &s->without_encoder : NULL;
    what->recipe = s->scratch[0] == '\0' ? NULL : &s->stage.recipe;
    return status;
}

static void let_go(subject *s)
{
    if (s->has_model)
        s->model.free(s->model.self);
    if (s->has_encoder)
        s->without_encoder.free(s->without_encoder.self);
    if (s->scratch[0] != '\0')
        (void)rmdir(s->scratch); /* the folds' files are gone already */
}

static int evaluate_predictor(const ns_options *options)
{
    ns_error err;
    const char *folders[CORPORA_MAX];
    ns_progress progress;
    ns_buf out;
    subject measured = {.has_model = false};
    ns_evaluate_options what = {.folders = folders, .folder_count = corpora(options, folders)};
    what.filter =
        (ns_corpus_filter){.family = ns_option_value(options, "family"), .split = ns_option_value(options, "split")};
    what.per_log = ns_option_value(options, "per-log");
    if (what.folder_count == 0) {
        (void)ns_fail(&err, NS_BAD_USAGE, "--corpus DIR is needed");
        return ns_options_fail(options, &err);
    }
    if (!read_numbers(options, &what, &err))
        return ns_options_fail(options, &err);
    ns_progress_init(&progress, options->quiet);
    what.told = ns_progress_told;
    what.owner = &progress;
    ns_buf_init(&out, (size_t)16 << 20);
    ns_status status = prepare(options, &measured, &what, &err);
    if (status == NS_OK)
        status = ns_evaluate_predictor(&what, &out, &err);
    ns_progress_end(&progress);
    let_go(&measured);
    int exit_status = 0;
    if (status != NS_OK) {
        exit_status = ns_options_fail(options, &err);
        if (status != NS_NO_MEMORY && status != NS_BAD_USAGE)
            exit_status = ns_status_exit(NS_BAD_INPUT);
    } else if (!options->json)
        print_text(ns_buf_view(&out));
    else if (!ns_stdout_write(ns_buf_view(&out)))
        exit_status = 1;
    ns_buf_clear(&out);
    return exit_status;
}

int ns_cmd_evaluate(int argc, char **argv)
{
    ns_options options;
    int exit_status;
    ns_error err;
    if (!ns_options_read(&usage, argc, argv, &options, &exit_status))
        return exit_status;
    if (strcmp(options.arguments[0], "predictor") == 0)
        return evaluate_predictor(&options);
    bool later = strcmp(options.arguments[0], "policy") == 0 || strcmp(options.arguments[0], "closed-loop") == 0;
    (void)ns_fail(&err, later ? NS_LATER : NS_BAD_USAGE,
                  later ? "'%.32s' comes with a later part of NeuroShield" : "'%.32s' is not predictor",
                  options.arguments[0]);
    return ns_options_fail(&options, &err);
}
