/*
 * Text to words as BERT's tokenisers see it, before any vocabulary: control characters go, CJK ideographs stand alone,
 * accents and capitals go where the rules say so, and words end at white space and around punctuation.
 *
 * Follows the `BertNormalizer` and `BertPreTokenizer` of Hugging Face `tokenizers` (what `BertTokenizerFast` runs),
 * with Unicode 15's tables. Bytes that are no UTF-8 are left out, as they are when they became U+FFFD. Words are handed
 * out as UTF-8; any thread, no allocation.
 */
#ifndef NS_PREDICTION_BERT_TEXT_H
#define NS_PREDICTION_BERT_TEXT_H

#include "base/text.h"

typedef struct ns_bert_rules {
    bool lowercase;
    bool strip_accents; /* NFD, then without nonspacing marks (category Mn) */
    bool clean;         /* control characters go, every white space is one */
    bool split_chinese; /* blanks around CJK ideographs */
} ns_bert_rules;

/* do_lower_case true: lowercase and strip_accents as well. */
ns_bert_rules ns_bert_rules_of(bool uncased);

#define NS_WORD_CHARS 100 /* a longer word is not looked up: [UNK] */

typedef struct ns_bert_words {
    const ns_bert_rules *rules;
    ns_text rest;       /* not read yet */
    int32_t pending[8]; /* code points made but not looked at yet */
    uint8_t pending_at, pending_end;
    size_t chars; /* of the word handed out; above NS_WORD_CHARS: too long, `word` holds its beginning only */
    size_t len;   /* bytes in word */
    int32_t marks[NS_WORD_CHARS]; /* combining characters waiting to be put in canonical order */
    size_t mark_count;
    char word[4 * NS_WORD_CHARS + 4];
} ns_bert_words;

void ns_bert_words_init(ns_bert_words *words, const ns_bert_rules *rules, ns_text text);

/* The next word; false at the end. words->chars tells whether it is too long. */
bool ns_bert_words_next(ns_bert_words *words, ns_text *word);

#endif
