/*
 * Learning a WordPiece vocabulary from text.
 *
 * As the field does it (Sennrich et al. 2016, and the trainers of Hugging Face `tokenizers`): words are first cut into
 * characters, then the pair of neighbours that stands most often becomes a piece, again and again, until there are
 * enough. Pieces inside a word are written with "##" in front. What comes out depends on the counted words alone, not
 * on the order in which text was added; of equally frequent pairs the one of older pieces wins. One thread.
 */
#ifndef NS_PREDICTION_WORDPIECE_LEARN_H
#define NS_PREDICTION_WORDPIECE_LEARN_H

#include "prediction/bert_text.h"

/* Ceilings. Beyond the first, words not seen before are not counted; a longer piece is not made. */
#define NS_LEARN_WORDS_MAX (1u << 22)
#define NS_LEARN_PIECE_MAX 64 /* bytes */

typedef struct ns_wordpiece_learner ns_wordpiece_learner;

typedef struct ns_learn_options {
    size_t size;       /* pieces wanted, the five special ones included; fewer come when nothing is left to join */
    size_t alphabet;   /* characters kept, the most frequent ones; 0: 1000. A word with another one teaches nothing. */
    int64_t min_count; /* a pair that stands less often is not joined; 0: 2 */
    void (*progress)(void *owner, size_t pieces, size_t wanted); /* now and then; may be NULL */
    void *owner;
} ns_learn_options;

/* NULL: no memory. */
NS_MUST_USE ns_wordpiece_learner *ns_wordpiece_learner_new(const ns_bert_rules *rules);
void ns_wordpiece_learner_free(ns_wordpiece_learner *learner);

/* Counts the words of a text that occurs `count` times. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_wordpiece_learner_add(ns_wordpiece_learner *learner, ns_text text, int64_t count);

/* Learns, once, and puts the content of a vocab.txt into *vocabulary: [PAD] [UNK] [CLS] [SEP] [MASK], the characters,
 * then pieces in the order in which they were made. NS_NO_MEMORY, NS_BAD_INPUT (size below what the characters need,
 * or no words). */
NS_MUST_USE ns_status ns_wordpiece_learn(ns_wordpiece_learner *learner, const ns_learn_options *options,
                                         ns_buf *vocabulary, ns_error *err);

/* Writes vocab.txt and a tokenizer_config.json that `transformers` and ns_wordpiece_load read. NS_IO. */
NS_MUST_USE ns_status ns_wordpiece_write(const char *folder, ns_text vocabulary, const ns_bert_rules *rules,
                                         ns_error *err);

#endif
