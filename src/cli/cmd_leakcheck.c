/* neuroshield leakcheck --corpus DIR: does anything trivial give the outcomes away? */
#include "cli/command.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "lab/leakcheck.h"
#include "wire/json.h"

#include <stdio.h>

static const ns_option options_table[] = {
    {"corpus", "DIR", NULL, "corpus folder with its index.jsonl"},
    {"split", "NAME", NULL, "only logs of this split: train, validation or test"},
};

static const ns_usage usage = {
    .command = "leakcheck",
    .purpose =
        "Looks for things in a corpus of build logs that tell a log's outcome without reading it: its size, the CI,\n"
        "the tool, one single line, the words of the last line.",
    .options = options_table,
    .option_count = NS_COUNT_OF(options_table),
    .statuses = "1 when the corpus gives outcomes away, 3 when it cannot be read.",
    .example = "neuroshield leakcheck --corpus corpus",
};

static void told(void *owner, size_t done, size_t of)
{
    ns_progress_told(owner, "reading the corpus", done, of);
}

static ns_status check(const char *folder, const ns_corpus_filter *filter, ns_progress *progress, ns_leakcheck *out,
                       ns_error *err)
{
    ns_corpus *corpus = NULL;
    ns_line_table *table = NULL;
    ns_status status = ns_corpus_open(&folder, 1, filter, &corpus, err);
    if (status == NS_OK)
        status = ns_line_table_new(corpus, told, progress, &table, err);
    ns_progress_end(progress);
    if (status == NS_OK)
        status = ns_leakcheck_of(table, out, err);
    ns_line_table_free(table);
    ns_corpus_free(corpus);
    return status;
}

static void put_json(ns_buf *out, const char *folder, const ns_leakcheck *leak)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_string(&w, "corpus", folder);
    ns_json_field_bool(&w, "ok", leak->passed);
    ns_json_field_string(&w, "best_stump", leak->best_stump);
    ns_json_field_real(&w, "best_stump_auc", leak->best_stump_auc);
    ns_json_field_real(&w, "last_line_auc", leak->last_line_auc);
    ns_json_key(&w, "problems");
    ns_json_array(&w);
    for (size_t i = 0; i < leak->problems; i++)
        ns_json_put_string(&w, leak->problem[i]);
    ns_json_end_array(&w);
    ns_json_end_object(&w);
    (void)ns_buf_char(out, '\n');
}

static void put_text(ns_buf *out, const char *folder, const ns_leakcheck *leak)
{
    (void)ns_buf_printf(out, "%s: %s; the most telling trivial thing is its %s (area under the curve %.3f)\n", folder,
                        leak->passed ? "gives nothing away" : "gives outcomes away", leak->best_stump,
                        leak->best_stump_auc);
    for (size_t i = 0; i < leak->problems; i++)
        (void)ns_buf_printf(out, "  %s\n", leak->problem[i]);
}

int ns_cmd_leakcheck(int argc, char **argv)
{
    ns_options options;
    int exit_status;
    ns_error err;
    if (!ns_options_read(&usage, argc, argv, &options, &exit_status))
        return exit_status;
    const char *folder = ns_option_value(&options, "corpus");
    if (folder == NULL) {
        (void)ns_fail(&err, NS_BAD_USAGE, "--corpus DIR is needed");
        return ns_options_fail(&options, &err);
    }
    ns_leakcheck leak;
    ns_progress progress;
    const ns_corpus_filter filter = {.split = ns_option_value(&options, "split")};
    ns_progress_init(&progress, options.quiet);
    ns_status status = check(folder, &filter, &progress, &leak, &err);
    if (status != NS_OK) {
        exit_status = ns_options_fail(&options, &err);
        return status == NS_NO_MEMORY ? exit_status : ns_status_exit(NS_BAD_INPUT);
    }
    ns_buf out;
    ns_buf_init(&out, 65536);
    if (options.json)
        put_json(&out, folder, &leak);
    else
        put_text(&out, folder, &leak);
    exit_status = leak.passed ? 0 : 1;
    if (out.failed || !ns_stdout_write(ns_buf_view(&out)))
        exit_status = 1;
    ns_buf_clear(&out);
    return exit_status;
}
