/* neuroshield predict: probability that a build log ends in failure. */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/predict_batch.h"
#include "cli/predict_log.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const ns_option options_table[] = {
    {"explain", NULL, NULL, "show the lines that moved the probability"},
    {"model", "DIR", "predictor.model", "model folder; else the shipped model, else the keyword rule"},
    {"reference", "LOG", NULL, "an earlier green log of the same job; may be given several times"},
    {"code-path", "NAME", "predictor.code_path",
     "amx_int8, amx_bf16, avx512_int8, avx512_fp32, avx2_fp32, portable_fp32 or keyword; else the quickest"},
    {"batch", NULL, NULL, "requests {\"id\",\"log\",\"references\"} as JSON Lines on standard input"},
    {"threads", "N", NULL, "threads of a batch; else one for each processor"},
};

static const ns_usage usage = {
    .command = "predict",
    .purpose = "Reads a build log, whole or as far as it has come, and says how likely the build is to fail, and why.\n"
               "FILE is plain, gzip or Zstandard, told by its bytes; - is standard input. References, logs of earlier\n"
               "successful builds of the same job, make the answer much better. Lines that give the outcome away are\n"
               "not read. An answer depends on the bytes of log and references alone.",
    .arguments = "FILE|-",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = options_table,
    .option_count = NS_COUNT_OF(options_table),
    .statuses =
        "0 whatever the answer says. 1 when requests of a batch were not answered, 3 when the log, a reference or\n"
        "the model cannot be used.",
    .example = "neuroshield predict --explain --reference green.log.gz build.log\n"
               "curl -s $JENKINS_URL/job/shop/17/consoleText | neuroshield predict --json -",
};

enum { REFERENCES_MAX = 64, CACHE_BYTES = 64 << 20 };

static size_t references_of(const ns_options *options, const char *out[REFERENCES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < options->given_count && n < REFERENCES_MAX; i++)
        if (strcmp(options->given[i].option->name, "reference") == 0)
            out[n++] = options->given[i].value;
    return n;
}

static void print_person(ns_buf *out, const ns_log_teller *teller, const ns_prediction *said, bool explain)
{
    (void)ns_buf_printf(out, "%s: probability of failure %.3f (alarm from %.3f)", ns_predicted_name(said->decision),
                        said->fail_probability, said->threshold);
    if (said->cause != NS_CAUSE_none)
        (void)ns_buf_printf(out, ", cause %s (%.2f)", ns_cause_name(said->cause), said->cause_probability[said->cause]);
    (void)ns_buf_printf(out, "\n%lld lines, %d reference%s, model %s%s on %s, %.1f ms\n", (long long)said->lines,
                        (int)said->references, said->references == 1 ? "" : "s", teller->predictor.name,
                        said->fallback ? " in the place of a model" : "", ns_code_path_name(said->code_path),
                        said->elapsed_ms);
    for (size_t i = 0; explain && i < said->evidence_count; i++) {
        char text[NS_EVIDENCE_TEXT_MAX + sizeof NS_REDACTED];
        const ns_evidence *one = &said->evidence[i];
        const char *seen = said->references == 0 ? "" : one->is_new ? "new   " : "known ";
        (void)ns_buf_printf(out, "  line %-6lld %+5.2f %s%s\n", (long long)one->line, one->weight, seen,
                            ns_redact_copy(teller->redactor, text, sizeof text, ns_text_of(one->text)));
    }
    if (explain && said->evidence_count == 0)
        (void)ns_buf_string(out, "  no line speaks for a failure\n");
}

static int show(const ns_options *options, const ns_log_teller *teller, const ns_prediction *said)
{
    ns_buf out;
    ns_buf_init(&out, 1 << 20);
    if (options->json) {
        ns_json_writer w;
        json_t *id = json_string(options->arguments[0]);
        ns_json_begin(&w, &out);
        ns_put_prediction_answer(&w, teller, id, said);
        (void)ns_buf_char(&out, '\n');
        json_decref(id);
    } else {
        print_person(&out, teller, said, ns_option_given(options, "explain"));
    }
    bool written = !out.failed && ns_stdout_write(ns_buf_view(&out));
    ns_buf_clear(&out);
    return written ? 0 : 1;
}

/* Whatever is wrong with a file that was named is an input file that cannot be used. */
static int refuse_file(const ns_options *options, const ns_error *err)
{
    int status = ns_options_fail(options, err);
    return err->status == NS_NO_MEMORY || err->status == NS_BAD_USAGE ? status : 3;
}

static int predict_one(const ns_options *options, const ns_predictor *predictor)
{
    const char *references[REFERENCES_MAX];
    size_t count = references_of(options, references);
    ns_log_teller teller = {.predictor = *predictor, .cache = ns_sketch_cache_new(CACHE_BYTES)};
    ns_prediction said;
    ns_error err;
    ns_status status = teller.cache == NULL ? ns_fail(&err, NS_NO_MEMORY, "no memory for references")
                                            : ns_redactor_new(NULL, &teller.redactor, &err);
    if (status == NS_OK)
        status = ns_tell_log(&teller, options->arguments[0], references, count, &said, &err);
    int exit_status = status == NS_OK ? show(options, &teller, &said) : refuse_file(options, &err);
    ns_redactor_free(teller.redactor);
    ns_sketch_cache_free(teller.cache);
    predictor->free(predictor->self);
    return exit_status;
}

/* --threads, or one for each processor. False: told. */
static bool threads_of(const ns_options *options, int *out, int *exit_status)
{
    const char *given = ns_option_value(options, "threads");
    int64_t threads = sysconf(_SC_NPROCESSORS_ONLN);
    ns_error err;
    if (given != NULL &&
        (!ns_text_int64(ns_text_of(given), &threads) || threads < 1 || threads > NS_BATCH_THREADS_MAX)) {
        (void)ns_fail(&err, NS_BAD_USAGE, "--threads takes a number from 1 to %d, not '%.40s'", NS_BATCH_THREADS_MAX,
                      given);
        *exit_status = ns_options_fail(options, &err);
        return false;
    }
    *out = threads < 1 ? 1 : threads > NS_BATCH_THREADS_MAX ? NS_BATCH_THREADS_MAX : (int)threads;
    return true;
}

static int predict(const ns_options *options, const ns_settings *settings)
{
    const ns_predictor_choice choice = {.model = settings->predictor_model, .code_path = settings->predictor_code_path};
    bool batch = ns_option_given(options, "batch");
    ns_predictor predictor;
    int threads, exit_status;
    ns_error err;
    err.text[0] = '\0';
    if (!threads_of(options, &threads, &exit_status))
        return exit_status;
    if (batch && (ns_option_given(options, "reference") || strcmp(options->arguments[0], "-") != 0)) {
        (void)ns_fail(&err, NS_BAD_USAGE, "a batch is read from -, and its references stand in the requests");
        return ns_options_fail(options, &err);
    }
    if (ns_predictor_open(&choice, &predictor, &err) != NS_OK)
        return refuse_file(options, &err);
    if (predictor.fallback && !options->quiet)
        (void)fprintf(stderr, "neuroshield predict: %s\n", err.text);
    return batch ? ns_predict_batch(options, &choice, &predictor, threads) : predict_one(options, &predictor);
}

int ns_cmd_predict(int argc, char **argv)
{
    ns_options options;
    ns_settings *settings = NULL;
    int exit_status;
    if (!ns_options_read(&usage, argc, argv, &options, &exit_status))
        return exit_status;
    if (sodium_init() < 0 || !ns_options_settings(&options, &settings, &exit_status))
        return exit_status;
    exit_status = predict(&options, settings);
    ns_settings_free(settings);
    return exit_status;
}
