/* neuroshield model info|verify DIR: what a model folder holds, and whether it can be trusted to be what it says. */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/options.h"
#include "prediction/encoder_config.h"
#include "prediction/model_folder.h"
#include "prediction/wordpiece.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const ns_usage usage = {
    .command = "model",
    .purpose = "info shows what a model folder holds: files with their hashes, shape, vocabulary, and the card.\n"
               "verify reads every part, checks hashes against the card and the parts against each other.",
    .arguments = "info|verify DIR",
    .min_arguments = 2,
    .max_arguments = 2,
    .statuses = "1 when verify found a fault, 3 when the folder cannot be read.",
    .example = "neuroshield model verify models/predictor",
};

/* ---- info ---- */

typedef struct model_facts {
    const char *folder;
    ns_model_folder files;
    json_t *card; /* NULL: none */
    bool has_shape;
    ns_encoder_config shape;
    ns_wordpiece *wordpiece; /* NULL: none */
} model_facts;

static bool has(const char *folder, const char *file)
{
    char path[4096];
    return snprintf(path, sizeof path, "%s/%s", folder, file) < (int)sizeof path && access(path, F_OK) == 0;
}

static ns_status read_shape(model_facts *facts, ns_error *err)
{
    char path[4096];
    ns_buf text;
    ns_buf_init(&text, 0);
    if (!has(facts->folder, "config.json"))
        return NS_OK;
    (void)snprintf(path, sizeof path, "%s/config.json", facts->folder);
    ns_status status = ns_file_read(path, 1 << 20, &text, err);
    if (status == NS_OK)
        status = ns_encoder_config_read(ns_buf_view(&text), path, &facts->shape, err);
    facts->has_shape = status == NS_OK;
    ns_buf_clear(&text);
    return status;
}

static ns_status gather(model_facts *facts, ns_error *err)
{
    ns_status status = ns_model_folder_read(facts->folder, &facts->files, err);
    if (status == NS_OK && facts->files.count == 0)
        status = ns_fail(err, NS_BAD_INPUT, "%s: is empty; is this a model folder?", facts->folder);
    if (status == NS_OK)
        status = read_shape(facts, err);
    if (status == NS_OK && (has(facts->folder, "tokenizer.json") || has(facts->folder, "vocab.txt")))
        status = ns_wordpiece_load(facts->folder, &facts->wordpiece, err);
    if (status == NS_OK && has(facts->folder, NS_MODEL_CARD) &&
        (facts->card = ns_model_card_read(facts->folder, err)) == NULL)
        status = err->status;
    return status;
}

static void let_go(model_facts *facts)
{
    ns_wordpiece_free(facts->wordpiece);
    json_decref(facts->card);
}

static const char *name_of(const model_facts *facts)
{
    return ns_json_string(facts->card, "name", NULL);
}

static const char *family_of(const model_facts *facts)
{
    return facts->shape.family == NS_ENCODER_bert ? "bert" : "distilbert";
}

static void put_shape(ns_json_writer *w, const model_facts *facts)
{
    ns_json_key(w, "encoder");
    if (!facts->has_shape) {
        ns_json_put_null(w);
        return;
    }
    ns_json_object(w);
    ns_json_field_string(w, "family", family_of(facts));
    ns_json_field_int(w, "layers", (int64_t)facts->shape.layers);
    ns_json_field_int(w, "channels", (int64_t)facts->shape.channels);
    ns_json_field_int(w, "heads", (int64_t)facts->shape.heads);
    ns_json_field_int(w, "feed_forward", (int64_t)facts->shape.feed_forward);
    ns_json_field_int(w, "positions", (int64_t)facts->shape.positions);
    ns_json_field_int(w, "vocabulary", (int64_t)facts->shape.vocabulary);
    ns_json_field_int(w, "labels", (int64_t)facts->shape.labels);
    ns_json_end_object(w);
}

static void put_vocabulary(ns_json_writer *w, const model_facts *facts)
{
    ns_json_key(w, "vocabulary");
    if (facts->wordpiece == NULL) {
        ns_json_put_null(w);
        return;
    }
    const ns_bert_rules *rules = ns_wordpiece_rules(facts->wordpiece);
    ns_json_object(w);
    ns_json_field_int(w, "pieces", (int64_t)ns_wordpiece_size(facts->wordpiece));
    ns_json_field_bool(w, "lowercase", rules->lowercase);
    ns_json_field_bool(w, "strip_accents", rules->strip_accents);
    ns_json_end_object(w);
}

static void put_json(ns_buf *out, const model_facts *facts)
{
    ns_json_writer w;
    char *card = facts->card == NULL ? NULL : json_dumps(facts->card, JSON_COMPACT);
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_string(&w, "folder", facts->folder);
    ns_json_field_string(&w, "name", name_of(facts));
    ns_json_field_string(&w, "sha256", facts->files.sha256);
    ns_json_key(&w, "files");
    ns_model_folder_put_files(&w, &facts->files);
    put_shape(&w, facts);
    put_vocabulary(&w, facts);
    ns_json_key(&w, "card");
    if (card == NULL)
        ns_json_put_null(&w);
    else
        ns_json_put_raw(&w, ns_text_of(card));
    ns_json_end_object(&w);
    (void)ns_buf_char(out, '\n');
    free(card);
}

static void print_person(ns_buf *out, const model_facts *facts)
{
    const char *name = name_of(facts);
    (void)ns_buf_printf(out, "%s\nsha256 %s\n", name == NULL ? "a model without a card" : name, facts->files.sha256);
    if (facts->has_shape)
        (void)ns_buf_printf(out, "encoder: %s, %zu layers of %zu channels, %zu heads, windows of up to %zu tokens\n",
                            family_of(facts), facts->shape.layers, facts->shape.channels, facts->shape.heads,
                            facts->shape.positions);
    if (facts->wordpiece != NULL)
        (void)ns_buf_printf(out, "vocabulary: %zu pieces, %s\n", ns_wordpiece_size(facts->wordpiece),
                            ns_wordpiece_rules(facts->wordpiece)->lowercase ? "uncased" : "cased");
    for (size_t i = 0; i < facts->files.count; i++)
        (void)ns_buf_printf(out, "  %-24s %10lld bytes  %.16s...\n", facts->files.file[i].name,
                            (long long)facts->files.file[i].bytes, facts->files.file[i].sha256);
}

static int info(const ns_options *options, const char *folder)
{
    model_facts *facts = NS_NEW(model_facts);
    ns_error err;
    ns_buf out;
    if (facts == NULL) {
        (void)ns_fail(&err, NS_NO_MEMORY, "no memory for a model's facts");
        return ns_options_fail(options, &err);
    }
    facts->folder = folder;
    ns_buf_init(&out, 16 << 20);
    ns_status status = gather(facts, &err);
    if (status == NS_OK && options->json)
        put_json(&out, facts);
    else if (status == NS_OK)
        print_person(&out, facts);
    int exit_status = 0;
    if (status != NS_OK)
        exit_status = ns_options_fail(options, &err) == 1 && status == NS_NO_MEMORY ? 1 : 3;
    else if (out.failed || !ns_stdout_write(ns_buf_view(&out)))
        exit_status = 1;
    let_go(facts);
    ns_free(facts);
    ns_buf_clear(&out);
    return exit_status;
}

/* ---- verify ---- */

static void put_problems(ns_buf *out, const char *folder, const ns_model_problems *problems)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_string(&w, "folder", folder);
    ns_json_field_bool(&w, "ok", problems->count == 0);
    ns_json_key(&w, "problems");
    ns_json_array(&w);
    for (size_t i = 0; i < problems->count; i++)
        ns_json_put_string(&w, problems->text[i]);
    ns_json_end_array(&w);
    ns_json_end_object(&w);
    (void)ns_buf_char(out, '\n');
}

static int verify(const ns_options *options, const char *folder)
{
    static ns_model_problems problems;
    ns_error err;
    ns_buf out;
    ns_status status = ns_model_folder_verify(folder, &problems, &err);
    if (status != NS_OK) {
        int told = ns_options_fail(options, &err);
        return status == NS_NO_MEMORY ? told : 3;
    }
    ns_buf_init(&out, 1 << 20);
    if (options->json)
        put_problems(&out, folder, &problems);
    else if (problems.count == 0)
        (void)ns_buf_printf(&out, "%s: every part is there, whole, and as the card says\n", folder);
    for (size_t i = 0; !options->json && i < problems.count; i++)
        (void)fprintf(stderr, "neuroshield model: %s\n", problems.text[i]);
    int exit_status = problems.count == 0 ? 0 : 1;
    if (out.failed || !ns_stdout_write(ns_buf_view(&out)))
        exit_status = 1;
    ns_buf_clear(&out);
    return exit_status;
}

int ns_cmd_model(int argc, char **argv)
{
    ns_options options;
    int exit_status;
    ns_error err;
    if (!ns_options_read(&usage, argc, argv, &options, &exit_status))
        return exit_status;
    const char *what = options.arguments[0];
    if (sodium_init() < 0)
        return 1;
    if (strcmp(what, "info") == 0)
        return info(&options, options.arguments[1]);
    if (strcmp(what, "verify") == 0)
        return verify(&options, options.arguments[1]);
    (void)ns_fail(&err, NS_BAD_USAGE, "'%.64s' is neither info nor verify", what);
    return ns_options_fail(&options, &err);
}
