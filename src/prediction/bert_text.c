#include "prediction/bert_text.h"

#include <string.h>
#include <utf8proc.h>

ns_bert_rules ns_bert_rules_of(bool uncased)
{
    return (ns_bert_rules){.lowercase = uncased, .strip_accents = uncased, .clean = true, .split_chinese = true};
}

void ns_bert_words_init(ns_bert_words *words, const ns_bert_rules *rules, ns_text text)
{
    words->rules = rules;
    words->rest = text;
    words->pending_at = words->pending_end = 0;
    words->chars = words->len = words->mark_count = 0;
}

/* ---- what a code point is ---- */

typedef enum kind { KIND_letter, KIND_space, KIND_punctuation, KIND_nothing } kind;

static bool ascii_punctuation(int32_t c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) || (c >= 123 && c <= 126);
}

/* The blocks that BERT's authors call Chinese characters. */
static bool chinese(int32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
           (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static bool white(int32_t c, utf8proc_category_t category)
{
    return (c >= 9 && c <= 13) || c == 0x85 || category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

static bool control(int32_t c, utf8proc_category_t category)
{
    if (c == '\t' || c == '\n' || c == '\r')
        return false;
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CO ||
           category == UTF8PROC_CATEGORY_CS;
}

static kind kind_of(int32_t c)
{
    if (c < 0x80) {
        if (c == ' ' || (c >= 9 && c <= 13))
            return KIND_space;
        return ascii_punctuation(c) ? KIND_punctuation : KIND_letter;
    }
    utf8proc_category_t category = utf8proc_category(c);
    if (white(c, category))
        return KIND_space;
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO ? KIND_punctuation : KIND_letter;
}

/* ---- normalising ---- */

static void push(ns_bert_words *words, int32_t c)
{
    words->pending[words->pending_end++] = c;
}

/* DOTTED CAPITAL I is the one character whose small form is two. */
static void push_small(ns_bert_words *words, int32_t c)
{
    if (words->rules->lowercase && c == 0x130) {
        push(words, 'i');
        push(words, 0x307);
    } else {
        push(words, words->rules->lowercase ? utf8proc_tolower(c) : c);
    }
}

static void push_decomposed(ns_bert_words *words, int32_t c)
{
    int32_t parts[4]; /* no canonical decomposition is longer */
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(c, parts, 4, UTF8PROC_DECOMPOSE, &boundary);
    for (utf8proc_ssize_t i = 0; i < n && i < 4; i++)
        if (utf8proc_category(parts[i]) != UTF8PROC_CATEGORY_MN)
            push_small(words, parts[i]);
}

static void normalise(ns_bert_words *words, int32_t c)
{
    const ns_bert_rules *rules = words->rules;
    utf8proc_category_t category = utf8proc_category(c);
    if (rules->clean && (c == 0 || c == 0xfffd || control(c, category)))
        return;
    if (rules->clean && white(c, category))
        c = ' ';
    bool apart = rules->split_chinese && chinese(c);
    if (apart)
        push(words, ' ');
    if (rules->strip_accents)
        push_decomposed(words, c);
    else
        push_small(words, c);
    if (apart)
        push(words, ' ');
}

/* Makes pending code points of what comes next; false at the end. */
static bool refill(ns_bert_words *words)
{
    words->pending_at = words->pending_end = 0;
    while (words->pending_end == 0 && words->rest.len > 0) {
        int32_t c;
        size_t n = ns_utf8_sequence(words->rest);
        if (n > 0) {
            (void)utf8proc_iterate((const uint8_t *)words->rest.at, (utf8proc_ssize_t)n, &c);
            normalise(words, c);
        }
        n = n == 0 ? 1 : n;
        words->rest.at += n;
        words->rest.len -= n;
    }
    return words->pending_end > 0;
}

/* ---- the word ---- */

static void write_char(ns_bert_words *words, int32_t c)
{
    words->len += (size_t)utf8proc_encode_char(c, (uint8_t *)words->word + words->len);
}

static void flush_marks(ns_bert_words *words)
{
    for (size_t i = 0; i < words->mark_count; i++)
        write_char(words, words->marks[i]);
    words->mark_count = 0;
}

/* NFD puts combining characters into the order of their classes. */
static void put_mark(ns_bert_words *words, int32_t c, int32_t class)
{
    size_t at = words->mark_count++;
    for (; at > 0 && utf8proc_get_property(words->marks[at - 1])->combining_class > class; at--)
        words->marks[at] = words->marks[at - 1];
    words->marks[at] = c;
}

static void put_char(ns_bert_words *words, int32_t c)
{
    if (++words->chars > NS_WORD_CHARS)
        return;
    int32_t class = words->rules->strip_accents && c >= 0x80 ? utf8proc_get_property(c)->combining_class : 0;
    if (class > 0) {
        put_mark(words, c, class);
        return;
    }
    flush_marks(words);
    write_char(words, c);
}

/* 0 leave it to the long way, else the kind plus one of an ASCII byte, and its small form. */
static kind ascii_kind(unsigned char c, bool clean)
{
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
        return KIND_space;
    if (c < 32 || c == 127)
        return clean ? KIND_nothing : kind_of(c);
    return ascii_punctuation(c) ? KIND_punctuation : KIND_letter;
}

/* Letters of ASCII up to the word's end or something else; true: the word has ended before rest. */
static bool take_ascii(ns_bert_words *words)
{
    const ns_bert_rules *rules = words->rules;
    size_t i = 0;
    bool ended = false;
    for (; i < words->rest.len && !ended; i++) {
        unsigned char c = (unsigned char)words->rest.at[i];
        if (c >= 0x80)
            break;
        kind what = ascii_kind(c, rules->clean);
        if (what == KIND_nothing)
            continue;
        if (what != KIND_letter) {
            if (words->chars == 0 && what == KIND_space)
                continue;
            if (words->chars == 0) {
                words->word[words->len++] = (char)c;
                words->chars = 1;
                i++;
            }
            ended = true;
            break;
        }
        if (++words->chars > NS_WORD_CHARS)
            continue;
        if (words->mark_count > 0)
            flush_marks(words);
        words->word[words->len++] = (char)(rules->lowercase && c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    words->rest.at += i;
    words->rest.len -= i;
    return ended;
}

/* The next pending code point into the word; true: the word has ended. */
static bool take_pending(ns_bert_words *words)
{
    int32_t c = words->pending[words->pending_at];
    kind what = kind_of(c);
    if (what == KIND_letter || words->chars == 0)
        words->pending_at++;
    if (what == KIND_letter || (what == KIND_punctuation && words->chars == 0))
        put_char(words, c);
    else
        return words->chars > 0;
    return what == KIND_punctuation;
}

bool ns_bert_words_next(ns_bert_words *words, ns_text *word)
{
    words->chars = words->len = words->mark_count = 0;
    for (bool ended = false; !ended;) {
        if (words->pending_at < words->pending_end)
            ended = take_pending(words);
        else if (words->rest.len > 0 && (unsigned char)words->rest.at[0] < 0x80)
            ended = take_ascii(words);
        else if (!refill(words))
            break;
    }
    flush_marks(words);
    *word = (ns_text){words->word, words->len};
    return words->chars > 0;
}
