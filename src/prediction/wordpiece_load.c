/* Vocabularies from files: vocab.txt with tokenizer_config.json, or tokenizer.json. */
#include "base/mem.h"
#include "prediction/wordpiece_inside.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20 };

/* ---- vocab.txt ---- */

static size_t count_lines(ns_text text)
{
    ns_text line;
    size_t n = 0;
    while (ns_text_line(&text, &line))
        n++;
    return n;
}

ns_status ns_wordpiece_of_vocabulary(const char *name, ns_text vocabulary, const ns_bert_rules *rules,
                                     ns_wordpiece **out, ns_error *err)
{
    size_t count = count_lines(vocabulary);
    if (count > NS_VOCABULARY_MAX)
        return ns_fail(err, NS_TOO_LARGE, "%s: more than %d pieces", name, NS_VOCABULARY_MAX);
    ns_text *pieces = NS_NEW_ARRAY(ns_text, count + 1);
    if (pieces == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for %zu pieces", name, count);
    for (size_t i = 0; i < count; i++)
        (void)ns_text_line(&vocabulary, &pieces[i]);
    ns_status status = ns_wordpiece_make(name, pieces, count, "[UNK]", rules, out, err);
    ns_free(pieces);
    return status;
}

/* ---- tokenizer.json ---- */

static ns_status refuse(const char *name, const char *part, const char *got, const char *wanted, ns_error *err)
{
    return ns_fail(err, NS_BAD_INPUT, "%s: %s is \"%.60s\"; only %s can be read", name, part, got, wanted);
}

static ns_status read_rules(const char *name, const json_t *root, ns_bert_rules *rules, ns_error *err)
{
    const json_t *normalizer = ns_json_at(root, "normalizer"), *splitter = ns_json_at(root, "pre_tokenizer");
    const char *type = ns_json_string(normalizer, "type", "none"), *split = ns_json_string(splitter, "type", "none");
    if (strcmp(type, "BertNormalizer") != 0)
        return refuse(name, "normalizer", type, "BertNormalizer", err);
    if (strcmp(split, "BertPreTokenizer") != 0)
        return refuse(name, "pre_tokenizer", split, "BertPreTokenizer", err);
    rules->lowercase = ns_json_bool(normalizer, "lowercase", true);
    rules->strip_accents = ns_json_bool(normalizer, "strip_accents", rules->lowercase);
    rules->clean = ns_json_bool(normalizer, "clean_text", true);
    rules->split_chinese = ns_json_bool(normalizer, "handle_chinese_chars", true);
    return NS_OK;
}

/* The numbers have to be 0..n-1, each once. */
static ns_status order_pieces(const char *name, json_t *vocabulary, ns_text *pieces, size_t count, ns_error *err)
{
    const char *key;
    size_t len;
    json_t *value;
    json_object_keylen_foreach(vocabulary, key, len, value)
    {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || (size_t)id >= count || pieces[id].at != NULL)
            return ns_fail(err, NS_BAD_INPUT, "%s: the piece \"%.60s\" has no number of its own below %zu", name, key,
                           count);
        pieces[id] = (ns_text){key, len};
    }
    return NS_OK;
}

static ns_status of_model(const char *name, const json_t *model, const ns_bert_rules *rules, ns_wordpiece **out,
                          ns_error *err)
{
    const char *type = ns_json_string(model, "type", "none");
    const char *prefix = ns_json_string(model, "continuing_subword_prefix", "##");
    const char *unknown = ns_json_string(model, "unk_token", "[UNK]");
    json_t *vocabulary = ns_json_at(model, "vocab");
    if (strcmp(type, "WordPiece") != 0)
        return refuse(name, "the model", type, "WordPiece", err);
    if (strcmp(prefix, "##") != 0)
        return refuse(name, "continuing_subword_prefix", prefix, "##", err);
    if (ns_json_int(model, "max_input_chars_per_word", NS_WORD_CHARS) != NS_WORD_CHARS)
        return ns_fail(err, NS_BAD_INPUT, "%s: max_input_chars_per_word is not %d", name, NS_WORD_CHARS);
    if (!json_is_object(vocabulary))
        return ns_fail(err, NS_BAD_INPUT, "%s: model.vocab is missing", name);
    size_t count = json_object_size(vocabulary);
    ns_text *pieces = NS_NEW_ARRAY(ns_text, count + 1);
    if (pieces == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for %zu pieces", name, count);
    ns_status status = order_pieces(name, vocabulary, pieces, count, err);
    if (status == NS_OK)
        status = ns_wordpiece_make(name, pieces, count, unknown, rules, out, err);
    ns_free(pieces);
    return status;
}

ns_status ns_wordpiece_of_json(const char *name, ns_text json, ns_wordpiece **out, ns_error *err)
{
    json_t *root = NULL;
    ns_bert_rules rules;
    ns_status status = ns_json_read(json, &root, err);
    if (status != NS_OK)
        return ns_fail_in(err, status, "%s", name);
    status = read_rules(name, root, &rules, err);
    if (status == NS_OK)
        status = of_model(name, ns_json_at(root, "model"), &rules, out, err);
    json_decref(root);
    return status;
}

/* ---- folders ---- */

static ns_status read_in(const char *folder, const char *file, char path[4096], ns_buf *out, ns_error *err)
{
    if (snprintf(path, 4096, "%s/%s", folder, file) >= 4096)
        return ns_fail(err, NS_IO, "%.200s...: the path is too long", folder);
    return ns_file_read(path, FILE_MAX, out, err);
}

/* tokenizer_config.json; without it BERT's own default: uncased. */
static ns_status configured_rules(const char *folder, ns_bert_rules *rules, ns_error *err)
{
    char path[4096];
    ns_buf text;
    json_t *root = NULL;
    ns_buf_init(&text, 0);
    *rules = ns_bert_rules_of(true);
    if (snprintf(path, sizeof path, "%s/tokenizer_config.json", folder) < (int)sizeof path && access(path, F_OK) != 0)
        return NS_OK;
    ns_status status = read_in(folder, "tokenizer_config.json", path, &text, err);
    if (status != NS_OK)
        return status;
    status = ns_json_read(ns_buf_view(&text), &root, err);
    ns_buf_clear(&text);
    if (status != NS_OK)
        return ns_fail_in(err, status, "%s", path);
    rules->lowercase = ns_json_bool(root, "do_lower_case", true);
    rules->strip_accents = ns_json_bool(root, "strip_accents", rules->lowercase);
    rules->split_chinese = ns_json_bool(root, "tokenize_chinese_chars", true);
    json_decref(root);
    return NS_OK;
}

static bool has(const char *folder, const char *file)
{
    char path[4096];
    return snprintf(path, sizeof path, "%s/%s", folder, file) < (int)sizeof path && access(path, F_OK) == 0;
}

ns_status ns_wordpiece_load(const char *folder, ns_wordpiece **out, ns_error *err)
{
    char path[4096];
    ns_buf text;
    ns_bert_rules rules;
    bool json = has(folder, "tokenizer.json");
    ns_buf_init(&text, 0);
    ns_status status = read_in(folder, json ? "tokenizer.json" : "vocab.txt", path, &text, err);
    if (status == NS_OK && json)
        status = ns_wordpiece_of_json(path, ns_buf_view(&text), out, err);
    else if (status == NS_OK && (status = configured_rules(folder, &rules, err)) == NS_OK)
        status = ns_wordpiece_of_vocabulary(path, ns_buf_view(&text), &rules, out, err);
    ns_buf_clear(&text);
    return status;
}
