#include "prediction/known_words.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "NSWORDS1"
#define BASIS UINT64_C(0xcbf29ce484222325)
enum { HEAD = 16, BYTES = NS_WORD_BITS / 8 };

static bool is_letter(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

/* Two of the hashes, by the halves of one. */
static void places(uint64_t hash, uint32_t at[2])
{
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    at[0] = (uint32_t)hash % NS_WORD_BITS;
    at[1] = (uint32_t)(hash >> 32) % NS_WORD_BITS;
}

static bool known(const ns_known_words *words, uint64_t hash)
{
    uint32_t at[2];
    places(hash, at);
    return (words->bits[at[0] / 8] >> (at[0] % 8) & 1) != 0 && (words->bits[at[1] / 8] >> (at[1] % 8) & 1) != 0;
}

ns_status ns_known_words_init(ns_known_words *words, ns_error *err)
{
    words->bits = NS_NEW_ARRAY(uint8_t, BYTES);
    return words->bits == NULL ? ns_fail(err, NS_NO_MEMORY, "no memory for the known words") : NS_OK;
}

void ns_known_words_clear(ns_known_words *words)
{
    ns_free(words->bits);
    words->bits = NULL;
}

/* The next letter belongs to the open word; false: c is none, and the word (if there was one) has ended. */
static bool grow_word(ns_word_count *count, unsigned char c)
{
    if (!is_letter(c))
        return false;
    if (count->length++ == 0)
        count->hash = BASIS;
    unsigned char small = c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
    count->hash = (count->hash ^ small) * UINT64_C(0x100000001b3);
    return true;
}

static bool is_word(const ns_word_count *count)
{
    return count->length >= NS_WORD_MIN && count->length <= NS_WORD_MAX;
}

void ns_known_words_learn(ns_known_words *words, ns_text text)
{
    ns_word_count open = {.length = 0};
    for (size_t i = 0; i <= text.len; i++) {
        if (i < text.len && grow_word(&open, (unsigned char)text.at[i]))
            continue;
        if (is_word(&open)) {
            uint32_t at[2];
            places(open.hash, at);
            for (size_t k = 0; k < 2; k++)
                words->bits[at[k] / 8] |= (uint8_t)(1U << (at[k] % 8));
        }
        open.length = 0;
    }
}

void ns_known_words_count(const ns_known_words *words, ns_word_count *count, ns_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (grow_word(count, (unsigned char)text.at[i]))
            continue;
        if (is_word(count)) {
            count->words++;
            count->unknown += !known(words, count->hash);
        }
        count->length = 0;
    }
}

/* ---- the file ---- */

ns_status ns_known_words_parse(const char *name, ns_text file, ns_known_words *out, ns_error *err)
{
    uint64_t told = 0;
    out->bits = NULL;
    if (file.len != HEAD + BYTES || memcmp(file.at, MAGIC, 8) != 0)
        return ns_fail(err, NS_BAD_INPUT, "%s: is not a file of known words", name);
    for (size_t i = 0; i < 8; i++)
        told |= (uint64_t)(unsigned char)file.at[8 + i] << (8 * i);
    if (told != ns_hash((ns_text){file.at + HEAD, BYTES}))
        return ns_fail(err, NS_BAD_INPUT, "%s: is damaged (its hash is another)", name);
    ns_status status = ns_known_words_init(out, err);
    if (status == NS_OK)
        memcpy(out->bits, file.at + HEAD, BYTES);
    return status;
}

ns_status ns_known_words_read(const char *folder, ns_known_words *out, ns_error *err)
{
    char path[4096];
    ns_buf file;
    out->bits = NULL;
    if (snprintf(path, sizeof path, "%s/" NS_WORDS_FILE, folder) >= (int)sizeof path)
        return ns_fail(err, NS_IO, "model folder: its name is too long");
    if (access(path, F_OK) != 0)
        return ns_fail(err, NS_NOT_FOUND, "%s: there is no such file", path);
    ns_buf_init(&file, HEAD + BYTES + 1);
    ns_status status = ns_file_read(path, HEAD + BYTES + 1, &file, err);
    if (status == NS_TOO_LARGE)
        status = ns_fail(err, NS_BAD_INPUT, "%s: is not a file of known words", path);
    if (status == NS_OK)
        status = ns_known_words_parse(path, ns_buf_view(&file), out, err);
    ns_buf_clear(&file);
    return status;
}

ns_status ns_known_words_write(const char *folder, const ns_known_words *words, ns_error *err)
{
    char path[4096];
    ns_buf file;
    if (snprintf(path, sizeof path, "%s/" NS_WORDS_FILE, folder) >= (int)sizeof path)
        return ns_fail(err, NS_IO, "model folder: its name is too long");
    ns_buf_init(&file, HEAD + BYTES);
    (void)ns_buf_string(&file, MAGIC);
    uint64_t hash = ns_hash((ns_text){(const char *)words->bits, BYTES});
    for (size_t i = 0; i < 8; i++)
        (void)ns_buf_char(&file, (char)(hash >> (8 * i) & 0xff));
    (void)ns_buf_put(&file, (const char *)words->bits, BYTES);
    ns_status status = file.failed ? ns_fail(err, NS_NO_MEMORY, "%s: no memory", path)
                                   : ns_file_replace(path, ns_buf_view(&file), 0644, err);
    ns_buf_clear(&file);
    return status;
}
