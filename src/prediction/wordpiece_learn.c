#include "prediction/wordpiece_learn.h"

#include "base/mem.h"
#include "prediction/piece_pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALPHABET_DEFAULT = 1000, MIN_COUNT_DEFAULT = 2, PROGRESS_EVERY = 64 };
#define SPECIALS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
enum { SPECIAL_COUNT = 5 };

/* A distinct word. */
typedef struct counted {
    uint64_t hash;
    int64_t count;
    size_t at; /* in bytes; its pieces in symbols once learning begins */
    uint32_t len;
} counted;

struct ns_wordpiece_learner {
    ns_bert_rules rules;
    ns_bert_words words;
    counted *word;
    size_t word_count, word_room;
    uint32_t *slot; /* hash table: index + 1, 0 empty */
    size_t slots;
    ns_buf bytes;
};

/* ---- counting words ---- */

ns_wordpiece_learner *ns_wordpiece_learner_new(const ns_bert_rules *rules)
{
    ns_wordpiece_learner *learner = NS_NEW(ns_wordpiece_learner);
    if (learner == NULL)
        return NULL;
    learner->rules = *rules;
    ns_buf_init(&learner->bytes, (size_t)1 << 31);
    return learner;
}

void ns_wordpiece_learner_free(ns_wordpiece_learner *learner)
{
    if (learner == NULL)
        return;
    ns_free(learner->word);
    ns_free(learner->slot);
    ns_buf_clear(&learner->bytes);
    ns_free(learner);
}

static uint32_t *slot_of(const ns_wordpiece_learner *learner, ns_text word, uint64_t hash)
{
    size_t i = (size_t)(hash ^ hash >> 32) & (learner->slots - 1);
    for (; learner->slot[i] != 0; i = (i + 1) & (learner->slots - 1)) {
        const counted *one = &learner->word[learner->slot[i] - 1];
        if (one->hash == hash && ns_text_same(word, (ns_text){learner->bytes.at + one->at, one->len}))
            break;
    }
    return &learner->slot[i];
}

static ns_status grow(ns_wordpiece_learner *learner)
{
    size_t slots = learner->slots == 0 ? 4096 : 2 * learner->slots;
    counted *word = ns_realloc(learner->word, slots / 2, sizeof *word);
    if (word == NULL)
        return NS_NO_MEMORY;
    learner->word = word;
    learner->word_room = slots / 2;
    uint32_t *slot = NS_NEW_ARRAY(uint32_t, slots);
    if (slot == NULL)
        return NS_NO_MEMORY;
    for (size_t n = 0; n < learner->word_count; n++) {
        size_t i = (size_t)(word[n].hash ^ word[n].hash >> 32) & (slots - 1);
        while (slot[i] != 0)
            i = (i + 1) & (slots - 1);
        slot[i] = (uint32_t)n + 1;
    }
    ns_free(learner->slot);
    learner->slot = slot;
    learner->slots = slots;
    return NS_OK;
}

static ns_status count_word(ns_wordpiece_learner *learner, ns_text word, int64_t count)
{
    if (learner->word_count + 1 > learner->slots / 2 && grow(learner) != NS_OK)
        return NS_NO_MEMORY;
    uint64_t hash = ns_hash(word);
    uint32_t *slot = slot_of(learner, word, hash);
    if (*slot != 0) {
        learner->word[*slot - 1].count += count;
        return NS_OK;
    }
    if (learner->word_count == NS_LEARN_WORDS_MAX)
        return NS_OK;
    size_t at = learner->bytes.len;
    if (ns_buf_text(&learner->bytes, word) != NS_OK) {
        learner->bytes.failed = false;
        return NS_NO_MEMORY;
    }
    learner->word[learner->word_count] = (counted){.hash = hash, .count = count, .at = at, .len = (uint32_t)word.len};
    *slot = (uint32_t)++learner->word_count;
    return NS_OK;
}

ns_status ns_wordpiece_learner_add(ns_wordpiece_learner *learner, ns_text text, int64_t count)
{
    ns_text word;
    ns_bert_words_init(&learner->words, &learner->rules, text);
    while (count > 0 && ns_bert_words_next(&learner->words, &word)) {
        if (learner->words.chars > NS_WORD_CHARS)
            continue;
        ns_status status = count_word(learner, word, count);
        if (status != NS_OK)
            return status;
    }
    return NS_OK;
}

/* ---- the alphabet ---- */

typedef struct letter {
    uint32_t code; /* its UTF-8 bytes, first one highest: ascending codes are ascending characters */
    int64_t count;
    bool inside; /* stands inside a word somewhere */
    int32_t start_piece, inside_piece;
} letter;

static uint32_t code_of(ns_text text, size_t *len)
{
    uint32_t code = 0;
    *len = ns_utf8_sequence(text);
    NS_CHECK(*len > 0);
    for (size_t i = 0; i < 4; i++)
        code = code << 8 | (i < *len ? (unsigned char)text.at[i] : 0);
    return code;
}

static int by_code(const void *a, const void *b)
{
    uint32_t left = ((const letter *)a)->code, right = ((const letter *)b)->code;
    return left < right ? -1 : left > right;
}

static int by_count(const void *a, const void *b)
{
    const letter *left = a, *right = b;
    return left->count != right->count ? (left->count > right->count ? -1 : 1) : by_code(a, b);
}

/* One entry per character occurrence, sorted and summed in place; returns how many differ. */
static size_t sum_letters(letter *all, size_t n)
{
    size_t kept = 0;
    qsort(all, n, sizeof all[0], by_code);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || all[kept - 1].code != all[i].code) {
            all[kept++] = all[i];
            continue;
        }
        all[kept - 1].count += all[i].count;
        all[kept - 1].inside = all[kept - 1].inside || all[i].inside;
    }
    return kept;
}

/* The most frequent characters, ascending. *out is the caller's to free. */
static ns_status alphabet_of(const ns_wordpiece_learner *learner, size_t most, letter **out, size_t *count)
{
    letter *all = NS_NEW_ARRAY(letter, learner->bytes.len + 1);
    size_t n = 0, len;
    if (all == NULL)
        return NS_NO_MEMORY;
    for (size_t w = 0; w < learner->word_count; w++) {
        const counted *one = &learner->word[w];
        for (size_t i = 0; i < one->len; i += len) {
            uint32_t code = code_of((ns_text){learner->bytes.at + one->at + i, one->len - i}, &len);
            all[n++] = (letter){.code = code, .count = one->count, .inside = i > 0};
        }
    }
    n = sum_letters(all, n);
    if (n > most) {
        qsort(all, n, sizeof all[0], by_count);
        n = most;
        qsort(all, n, sizeof all[0], by_code);
    }
    *out = all;
    *count = n;
    return NS_OK;
}

/* ---- learning ---- */

typedef struct learning {
    ns_wordpiece_learner *learner;
    letter *letters;
    size_t letter_count;
    int32_t *symbols; /* words as piece numbers: word w at symbols[word[w].at], len of them */
    ns_piece_pairs pairs;
    ns_text *piece; /* (size) what each piece writes, "##" included; empty for special ones */
    size_t pieces, size;
    char *bytes; /* what `piece` points into */
    size_t used;
} learning;

static int32_t piece_of_letter(const learning *l, uint32_t code, bool inside)
{
    const letter key = {.code = code};
    const letter *found = bsearch(&key, l->letters, l->letter_count, sizeof key, by_code);
    return found == NULL ? -1 : inside ? found->inside_piece : found->start_piece;
}

static int32_t add_piece(learning *l, ns_text a, ns_text b)
{
    char *at = l->bytes + l->used;
    memcpy(at, a.at, a.len);
    memcpy(at + a.len, b.at, b.len);
    l->used += a.len + b.len;
    l->piece[l->pieces] = (ns_text){at, a.len + b.len};
    return (int32_t)l->pieces++;
}

static int32_t add_letter(learning *l, uint32_t code, ns_text before)
{
    char bytes[4];
    size_t n = 0;
    for (int shift = 24; shift >= 0; shift -= 8)
        if ((code >> shift & 0xff) != 0)
            bytes[n++] = (char)(code >> shift & 0xff);
    return add_piece(l, before, (ns_text){bytes, n});
}

/* Special pieces, then every letter at a word's start, then those that stand inside one. */
static ns_status begin_pieces(learning *l, ns_error *err)
{
    size_t needed = SPECIAL_COUNT + l->letter_count;
    for (size_t i = 0; i < l->letter_count; i++)
        needed += l->letters[i].inside;
    if (l->letter_count == 0)
        return ns_fail(err, NS_BAD_INPUT, "vocabulary: there are no words to learn from");
    if (needed > l->size)
        return ns_fail(err, NS_BAD_INPUT, "vocabulary: %zu characters need %zu pieces, only %zu are wanted",
                       l->letter_count, needed, l->size);
    l->pieces = SPECIAL_COUNT;
    for (size_t i = 0; i < l->letter_count; i++)
        l->letters[i].start_piece = add_letter(l, l->letters[i].code, NS_TEXT(""));
    for (size_t i = 0; i < l->letter_count; i++)
        l->letters[i].inside_piece = l->letters[i].inside ? add_letter(l, l->letters[i].code, NS_TEXT("##")) : -1;
    return NS_OK;
}

/* Every word into its letters; one with an unknown letter gets length 0. */
static ns_status cut_words(learning *l)
{
    ns_wordpiece_learner *learner = l->learner;
    size_t at = 0;
    l->symbols = NS_NEW_ARRAY(int32_t, learner->bytes.len + 1);
    if (l->symbols == NULL)
        return NS_NO_MEMORY;
    for (size_t w = 0; w < learner->word_count; w++) {
        counted *one = &learner->word[w];
        size_t start = at, len;
        for (size_t i = 0; i < one->len; i += len) {
            uint32_t code = code_of((ns_text){learner->bytes.at + one->at + i, one->len - i}, &len);
            int32_t piece = piece_of_letter(l, code, i > 0);
            if (piece < 0) {
                at = start;
                break;
            }
            l->symbols[at++] = piece;
        }
        one->at = start;
        one->len = (uint32_t)(at - start);
    }
    return NS_OK;
}

static ns_status count_pairs(learning *l)
{
    for (size_t w = 0; w < l->learner->word_count; w++) {
        const counted *one = &l->learner->word[w];
        for (size_t i = 0; i + 1 < one->len; i++) {
            const int32_t *at = &l->symbols[one->at + i];
            ns_status status = ns_piece_pairs_add(&l->pairs, at[0], at[1], one->count, (uint32_t)w);
            if (status != NS_OK)
                return status;
        }
    }
    return NS_OK;
}

/* In one word: every a b becomes made; the neighbours' counts follow. */
static ns_status join_in_word(learning *l, uint32_t w, int32_t a, int32_t b, int32_t made)
{
    counted *one = &l->learner->word[w];
    int32_t *word = &l->symbols[one->at];
    ns_status status = NS_OK;
    for (size_t i = 0; i + 1 < one->len && status == NS_OK; i++) {
        if (word[i] != a || word[i + 1] != b)
            continue;
        if (i > 0) {
            status = ns_piece_pairs_add(&l->pairs, word[i - 1], a, -one->count, w);
            if (status == NS_OK)
                status = ns_piece_pairs_add(&l->pairs, word[i - 1], made, one->count, w);
        }
        if (i + 2 < one->len && status == NS_OK) {
            status = ns_piece_pairs_add(&l->pairs, b, word[i + 2], -one->count, w);
            if (status == NS_OK)
                status = ns_piece_pairs_add(&l->pairs, made, word[i + 2], one->count, w);
        }
        word[i] = made;
        memmove(&word[i + 1], &word[i + 2], (one->len - i - 2) * sizeof word[0]);
        one->len--;
    }
    return status;
}

static ns_status join(learning *l, ns_piece_pair *pair)
{
    int32_t a = pair->first, b = pair->second;
    ns_text inner = {l->piece[b].at + 2, l->piece[b].len - 2}; /* the second one always begins with "##" */
    /* The same text can come together in two ways; it is one piece. */
    int32_t made = ns_piece_pairs_named(&l->pairs, l->piece, l->piece[a], inner);
    ns_status status = NS_OK;
    if (made < 0) {
        made = add_piece(l, l->piece[a], inner);
        status = ns_piece_pairs_name(&l->pairs, l->piece, made);
    }
    size_t words = 0;
    uint32_t *list = ns_piece_pair_take_words(pair, &words);
    for (size_t i = 0; i < words && status == NS_OK; i++)
        status = join_in_word(l, list[i], a, b, made);
    ns_free(list);
    ns_piece_pairs_forget(&l->pairs, a, b);
    return status;
}

static ns_status join_pairs(learning *l, const ns_learn_options *options)
{
    int64_t least = options->min_count > 0 ? options->min_count : MIN_COUNT_DEFAULT;
    ns_piece_pair *pair;
    ns_status status = NS_OK;
    while (status == NS_OK && l->pieces < l->size) {
        status = ns_piece_pairs_best(&l->pairs, &pair);
        if (status != NS_OK || pair == NULL || pair->count < least)
            break;
        if (l->piece[pair->first].len + l->piece[pair->second].len - 2 > NS_LEARN_PIECE_MAX) {
            pair->count = 0; /* never again */
            continue;
        }
        status = join(l, pair);
        if (options->progress != NULL && l->pieces % PROGRESS_EVERY == 0)
            options->progress(options->owner, l->pieces, l->size);
    }
    return status;
}

static ns_status learn(learning *l, const ns_learn_options *options, ns_error *err)
{
    size_t most = options->alphabet > 0 ? options->alphabet : ALPHABET_DEFAULT;
    ns_status status = alphabet_of(l->learner, most, &l->letters, &l->letter_count);
    l->piece = NS_NEW_ARRAY(ns_text, l->size + 1);
    l->bytes = ns_alloc(l->size + 1, NS_LEARN_PIECE_MAX);
    if (l->piece == NULL || l->bytes == NULL)
        status = NS_NO_MEMORY;
    if (status == NS_OK && (status = begin_pieces(l, err)) != NS_OK)
        return status;
    if (status == NS_OK)
        status = cut_words(l);
    if (status == NS_OK)
        status = count_pairs(l);
    if (status == NS_OK)
        status = join_pairs(l, options);
    return status == NS_OK
               ? NS_OK
               : ns_fail(err, status, "vocabulary: no memory to learn from %zu words", l->learner->word_count);
}

static ns_status write_out(const learning *l, ns_buf *out, ns_error *err)
{
    ns_buf text;
    ns_buf_init(&text, (size_t)1 << 31);
    (void)ns_buf_text(&text, NS_TEXT(SPECIALS));
    for (size_t i = SPECIAL_COUNT; i < l->pieces; i++) {
        (void)ns_buf_text(&text, l->piece[i]);
        (void)ns_buf_char(&text, '\n');
    }
    if (text.failed) {
        ns_buf_clear(&text);
        return ns_fail(err, NS_NO_MEMORY, "vocabulary: no memory to write %zu pieces", l->pieces);
    }
    ns_buf_clear(out);
    *out = text;
    return NS_OK;
}

ns_status ns_wordpiece_learn(ns_wordpiece_learner *learner, const ns_learn_options *options, ns_buf *vocabulary,
                             ns_error *err)
{
    learning l = {.learner = learner, .size = options->size};
    ns_status status = learn(&l, options, err);
    if (status == NS_OK)
        status = write_out(&l, vocabulary, err);
    ns_free(l.letters);
    ns_free(l.symbols);
    ns_free(l.piece);
    ns_free(l.bytes);
    ns_piece_pairs_clear(&l.pairs);
    return status;
}

/* ---- writing ---- */

ns_status ns_wordpiece_write(const char *folder, ns_text vocabulary, const ns_bert_rules *rules, ns_error *err)
{
    char path[4096], config[512];
    if (snprintf(path, sizeof path, "%s/vocab.txt", folder) >= (int)sizeof path)
        return ns_fail(err, NS_IO, "%.200s...: the path is too long", folder);
    ns_status status = ns_file_replace(path, vocabulary, 0644, err);
    if (status != NS_OK || snprintf(path, sizeof path, "%s/tokenizer_config.json", folder) >= (int)sizeof path)
        return status;
    (void)snprintf(config, sizeof config,
                   "{\n  \"tokenizer_class\": \"DistilBertTokenizer\",\n  \"do_lower_case\": %s,\n"
                   "  \"strip_accents\": %s,\n  \"tokenize_chinese_chars\": %s,\n  \"model_max_length\": 512,\n"
                   "  \"unk_token\": \"[UNK]\",\n  \"sep_token\": \"[SEP]\",\n  \"pad_token\": \"[PAD]\",\n"
                   "  \"cls_token\": \"[CLS]\",\n  \"mask_token\": \"[MASK]\"\n}\n",
                   rules->lowercase ? "true" : "false", rules->strip_accents ? "true" : "false",
                   rules->split_chinese ? "true" : "false");
    return ns_file_replace(path, ns_text_of(config), 0644, err);
}
