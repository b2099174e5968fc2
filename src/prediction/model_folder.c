#include "prediction/model_folder.h"

#include "base/mem.h"
#include "prediction/encoder_params.h"
#include "prediction/judge_predictor.h"
#include "prediction/predictor_open.h"
#include "prediction/wordpiece.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CARD_MAX = 4 << 20, PIECE = 65536 };

static bool path_in(const char *folder, const char *file, char out[4096])
{
    return snprintf(out, 4096, "%s/%s", folder, file) < 4096;
}

static bool has(const char *folder, const char *file)
{
    char path[4096];
    return path_in(folder, file, path) && access(path, F_OK) == 0;
}

/* ---- files and hashes ---- */

static ns_status hash_file(const char *path, ns_model_file *out, ns_error *err)
{
    crypto_hash_sha256_state state;
    unsigned char digest[crypto_hash_sha256_BYTES], piece[PIECE];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ns_fail(err, NS_IO, "%s: cannot be opened: %s", path, strerror(errno));
    (void)crypto_hash_sha256_init(&state);
    ssize_t n;
    while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)) {
        if (n < 0)
            continue;
        (void)crypto_hash_sha256_update(&state, piece, (unsigned long long)n);
        out->bytes += n;
    }
    int failed = n < 0 ? errno : 0;
    (void)close(fd);
    if (failed != 0)
        return ns_fail(err, NS_IO, "%s: cannot be read: %s", path, strerror(failed));
    (void)crypto_hash_sha256_final(&state, digest);
    (void)sodium_bin2hex(out->sha256, sizeof out->sha256, digest, sizeof digest);
    return NS_OK;
}

static bool plain_name(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return n < NS_MODEL_FILE_NAME && name[n] == '\0';
}

/* What tells of the model and is no part of it. The curve of a training holds times, which no two trainings share. */
static bool left_out(const char *name)
{
    return name[0] == '.' || strcmp(name, NS_MODEL_CARD) == 0 || strcmp(name, "README.md") == 0 ||
           strncmp(name, "training.", strlen("training.")) == 0;
}

static ns_status add_file(const char *folder, const char *name, ns_model_folder *out, ns_error *err)
{
    char path[4096];
    struct stat facts;
    if (!plain_name(name) || !path_in(folder, name, path))
        return ns_fail(err, NS_BAD_INPUT, "%s: holds '%.80s', whose name is not one of a model's files", folder, name);
    if (stat(path, &facts) != 0)
        return ns_fail(err, NS_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (!S_ISREG(facts.st_mode))
        return ns_fail(err, NS_BAD_INPUT, "%s: is not a file", path);
    if (out->count == NS_MODEL_FILES_MAX)
        return ns_fail(err, NS_BAD_INPUT, "%s: holds more than %d files; is this a model?", folder, NS_MODEL_FILES_MAX);
    ns_model_file *file = &out->file[out->count];
    *file = (ns_model_file){0};
    (void)ns_text_copy(file->name, sizeof file->name, ns_text_of(name));
    ns_status status = hash_file(path, file, err);
    out->count += status == NS_OK;
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ns_model_file *)a)->name, ((const ns_model_file *)b)->name);
}

static void hash_all(ns_model_folder *folder)
{
    crypto_hash_sha256_state state;
    unsigned char digest[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < folder->count; i++) {
        const ns_model_file *file = &folder->file[i];
        (void)crypto_hash_sha256_update(&state, (const unsigned char *)file->name, strlen(file->name) + 1);
        (void)crypto_hash_sha256_update(&state, (const unsigned char *)file->sha256, sizeof file->sha256);
    }
    (void)crypto_hash_sha256_final(&state, digest);
    (void)sodium_bin2hex(folder->sha256, sizeof folder->sha256, digest, sizeof digest);
}

ns_status ns_model_folder_read(const char *folder, ns_model_folder *out, ns_error *err)
{
    DIR *list = opendir(folder);
    if (list == NULL)
        return ns_fail(err, NS_IO, "%s: there is no such model folder, or it cannot be read: %s", folder,
                       strerror(errno));
    ns_model_folder found = {.count = 0};
    ns_status status = NS_OK;
    for (struct dirent *entry; status == NS_OK && (entry = readdir(list)) != NULL;)
        if (!left_out(entry->d_name))
            status = add_file(folder, entry->d_name, &found, err);
    (void)closedir(list);
    if (status != NS_OK)
        return status;
    qsort(found.file, found.count, sizeof found.file[0], by_name);
    hash_all(&found);
    *out = found;
    return NS_OK;
}

void ns_model_folder_put_files(ns_json_writer *w, const ns_model_folder *folder)
{
    ns_json_object(w);
    for (size_t i = 0; i < folder->count; i++) {
        ns_json_key(w, folder->file[i].name);
        ns_json_object(w);
        ns_json_field_string(w, "sha256", folder->file[i].sha256);
        ns_json_field_int(w, "bytes", folder->file[i].bytes);
        ns_json_end_object(w);
    }
    ns_json_end_object(w);
}

json_t *ns_model_card_read(const char *folder, ns_error *err)
{
    char path[4096];
    ns_buf text;
    json_t *card = NULL;
    ns_buf_init(&text, 0);
    if (!has(folder, NS_MODEL_CARD)) {
        (void)ns_fail(err, NS_NOT_FOUND, "%s/%s is missing: nothing says what this model is", folder, NS_MODEL_CARD);
        return NULL;
    }
    if (!path_in(folder, NS_MODEL_CARD, path) || ns_file_read(path, CARD_MAX, &text, err) != NS_OK)
        return NULL;
    if (ns_json_read(ns_buf_view(&text), &card, err) != NS_OK)
        (void)ns_fail_in(err, NS_BAD_INPUT, "%s", path);
    ns_buf_clear(&text);
    if (card != NULL && (!json_is_object(card) || ns_json_int(card, "schema", -1) != 1)) {
        (void)ns_fail(err, NS_BAD_INPUT, "%s: is not a card of schema 1", path);
        json_decref(card);
        return NULL;
    }
    return card;
}

ns_status ns_model_card_write(const char *path, const char *name, ns_text facts, ns_model_folder *folder, ns_error *err)
{
    char card[4096];
    ns_buf out;
    ns_json_writer w;
    if (!path_in(path, NS_MODEL_CARD, card))
        return ns_fail(err, NS_IO, "%.200s...: the path is too long", path);
    ns_status status = ns_model_folder_read(path, folder, err);
    if (status != NS_OK)
        return status;
    ns_buf_init(&out, CARD_MAX);
    ns_json_begin(&w, &out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_string(&w, "name", name);
    ns_json_key(&w, "facts");
    ns_json_put_raw(&w, facts.len > 0 ? facts : NS_TEXT("{}"));
    ns_json_key(&w, "files");
    ns_model_folder_put_files(&w, folder);
    ns_json_end_object(&w);
    (void)ns_buf_char(&out, '\n');
    status = out.failed ? ns_fail(err, NS_NO_MEMORY, "%s: no memory to write it", card)
                        : ns_file_replace(card, ns_buf_view(&out), 0644, err);
    ns_buf_clear(&out);
    return status;
}

/* ---- verify ---- */

static void NS_PRINTF(2, 3) problem(ns_model_problems *all, const char *format, ...)
{
    if (all->count == NS_MODEL_PROBLEMS_MAX)
        return;
    va_list values;
    va_start(values, format);
    (void)vsnprintf(all->text[all->count++], sizeof all->text[0], format, values);
    va_end(values);
}

static const ns_model_file *find_file(const ns_model_folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->count; i++)
        if (strcmp(folder->file[i].name, name) == 0)
            return &folder->file[i];
    return NULL;
}

static void check_listed(const ns_model_folder *folder, json_t *files, ns_model_problems *out)
{
    const char *name;
    json_t *told;
    json_object_foreach(files, name, told)
    {
        const ns_model_file *file = find_file(folder, name);
        if (file == NULL)
            problem(out, "%.80s: the card names it, the folder has no such file", name);
        else if (ns_json_int(told, "bytes", -1) != file->bytes)
            problem(out, "%s: has %lld bytes, the card says %lld", name, (long long)file->bytes,
                    (long long)ns_json_int(told, "bytes", -1));
        else if (strcmp(ns_json_string(told, "sha256", ""), file->sha256) != 0)
            problem(out, "%s: is not the file that the card speaks of (its SHA-256 is %s)", name, file->sha256);
    }
}

static void check_card(const char *path, const ns_model_folder *folder, ns_model_problems *out)
{
    ns_error err;
    json_t *card = ns_model_card_read(path, &err);
    if (card == NULL) {
        problem(out, "%s", err.text);
        return;
    }
    json_t *files = ns_json_at(card, "files");
    if (!json_is_object(files))
        problem(out, "%s: has no \"files\"", NS_MODEL_CARD);
    else
        check_listed(folder, files, out);
    for (size_t i = 0; json_is_object(files) && i < folder->count; i++)
        if (json_object_get(files, folder->file[i].name) == NULL)
            problem(out, "%s: the card does not name it", folder->file[i].name);
    json_decref(card);
}

static void check_pieces(const ns_wordpiece *wordpiece, const ns_encoder_config *config, ns_model_problems *out)
{
    static const char *const special[] = {"[CLS]", "[SEP]"};
    for (size_t i = 0; i < NS_COUNT_OF(special); i++)
        if (ns_wordpiece_id(wordpiece, special[i]) < 0)
            problem(out, "the vocabulary has no %s", special[i]);
    if (config != NULL && ns_wordpiece_size(wordpiece) > config->vocabulary)
        problem(out, "the vocabulary has %zu pieces, the encoder knows %zu", ns_wordpiece_size(wordpiece),
                config->vocabulary);
}

/* Where both files are there, tokenizer.json is read; vocab.txt must not say something else. */
static void compare_vocabularies(const char *folder, const ns_wordpiece *wordpiece, ns_model_problems *out)
{
    char path[4096];
    ns_buf text;
    ns_error err;
    ns_wordpiece *other = NULL;
    ns_buf_init(&text, 0);
    ns_status status = path_in(folder, "vocab.txt", path) ? ns_file_read(path, 64 << 20, &text, &err)
                                                          : ns_fail(&err, NS_IO, "%s: the path is too long", folder);
    if (status == NS_OK)
        status = ns_wordpiece_of_vocabulary(path, ns_buf_view(&text), ns_wordpiece_rules(wordpiece), &other, &err);
    size_t size = status == NS_OK ? ns_wordpiece_size(other) : 0;
    bool same = size == ns_wordpiece_size(wordpiece);
    for (size_t i = 0; same && i < size; i++)
        same = ns_text_same(ns_wordpiece_piece(other, (int32_t)i), ns_wordpiece_piece(wordpiece, (int32_t)i));
    if (status != NS_OK)
        problem(out, "%s", err.text);
    else if (!same)
        problem(out, "vocab.txt and tokenizer.json hold different pieces");
    ns_wordpiece_free(other);
    ns_buf_clear(&text);
}

/* Encoder and vocabulary belong together: one without the other is a fault. */
static void check_encoder(const char *folder, ns_model_problems *out)
{
    ns_encoder_params params = {0};
    ns_wordpiece *wordpiece = NULL;
    ns_error err;
    bool weights = has(folder, "config.json") || has(folder, "model.safetensors");
    bool pieces = has(folder, "tokenizer.json") || has(folder, "vocab.txt");
    bool read = false;
    if (weights && !(read = ns_encoder_params_read(folder, &params, &err) == NS_OK))
        problem(out, "%s", err.text);
    if ((weights || pieces) && ns_wordpiece_load(folder, &wordpiece, &err) != NS_OK)
        problem(out, "%s", err.text);
    if (pieces && !weights)
        problem(out, "there is a vocabulary without an encoder (config.json, model.safetensors)");
    if (wordpiece != NULL)
        check_pieces(wordpiece, read ? &params.config : NULL, out);
    if (wordpiece != NULL && has(folder, "tokenizer.json") && has(folder, "vocab.txt"))
        compare_vocabularies(folder, wordpiece, out);
    ns_wordpiece_free(wordpiece);
    ns_encoder_params_clear(&params);
}

/* The whole as it will be used. A folder of an encoder alone is one that others have made, or a stage of training. */
static void check_predictor(const char *folder, ns_model_problems *out)
{
    bool judged = has(folder, "judge.json") || has(folder, "lines.bin");
    if (!judged && !has(folder, "config.json"))
        problem(out, "there is neither a predictor (judge.json, lines.bin) nor an encoder (config.json)");
    if (!judged || out->count > 0)
        return;
    const ns_predictor_choice choice = {.model = folder};
    ns_predictor predictor;
    ns_error err;
    if (ns_predictor_open(&choice, &predictor, &err) != NS_OK) {
        problem(out, "%s", err.text);
        return;
    }
    if (has(folder, "config.json") && strcmp(predictor.name, NS_JUDGE_WITH_ENCODER) != 0)
        problem(out, "judge.json was fitted without the encoder that is here: it is never asked");
    predictor.free(predictor.self);
}

ns_status ns_model_folder_verify(const char *folder, ns_model_problems *out, ns_error *err)
{
    ns_model_folder *files = NS_NEW(ns_model_folder);
    if (files == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory to verify it", folder);
    out->count = 0;
    ns_status status = ns_model_folder_read(folder, files, err);
    if (status == NS_BAD_INPUT)
        problem(out, "%s", err->text);
    if (status == NS_OK) {
        check_card(folder, files, out);
        check_encoder(folder, out);
        check_predictor(folder, out);
    }
    ns_free(files);
    return status == NS_BAD_INPUT ? NS_OK : status;
}
