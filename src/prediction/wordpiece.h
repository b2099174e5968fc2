/*
 * WordPiece: text to the numbers of vocabulary pieces, as BERT's tokenisers do it.
 *
 * Equal to Hugging Face's `BertTokenizerFast` with `split_special_tokens`: "[SEP]" in a log is text and never a special
 * token, so a log cannot speak to the model. A word is cut greedily into the longest pieces of the vocabulary, all but
 * the first written with "##" in front; a word that cannot be cut so, or of more than 100 characters, is [UNK].
 * Read-only once loaded: any thread, no allocation.
 */
#ifndef NS_PREDICTION_WORDPIECE_H
#define NS_PREDICTION_WORDPIECE_H

#include "prediction/bert_text.h"

typedef struct ns_wordpiece ns_wordpiece;

#define NS_VOCABULARY_MAX 1000000 /* pieces of a vocabulary */

/*
 * From a model folder: tokenizer.json if it is there (as `transformers` prefers it), else vocab.txt with
 * tokenizer_config.json (do_lower_case, strip_accents, tokenize_chinese_chars; without that file: uncased).
 * NS_IO (neither can be read), NS_BAD_INPUT (no WordPiece, duplicate or missing pieces, no [UNK], not UTF-8, ids that
 * are not 0..n-1), NS_TOO_LARGE, NS_NO_MEMORY; messages name the file.
 */
NS_MUST_USE ns_status ns_wordpiece_load(const char *folder, ns_wordpiece **out, ns_error *err);

/* From the bytes of a vocab.txt, one piece a line, or of a tokenizer.json. name is for messages. */
NS_MUST_USE ns_status ns_wordpiece_of_vocabulary(const char *name, ns_text vocabulary, const ns_bert_rules *rules,
                                                 ns_wordpiece **out, ns_error *err);
NS_MUST_USE ns_status ns_wordpiece_of_json(const char *name, ns_text json, ns_wordpiece **out, ns_error *err);
void ns_wordpiece_free(ns_wordpiece *wordpiece);

/* The text's pieces into ids[room], no special tokens around them; returns how many were written (what does not fit is
 * left out). */
size_t ns_wordpiece_encode(const ns_wordpiece *wordpiece, ns_text text, int32_t *ids, size_t room);

size_t ns_wordpiece_size(const ns_wordpiece *wordpiece);
/* The number of a piece as the vocabulary writes it ("[CLS]", "##ing"), or -1. */
int32_t ns_wordpiece_id(const ns_wordpiece *wordpiece, const char *piece);
/* The piece of a number, which has to be below the size. */
ns_text ns_wordpiece_piece(const ns_wordpiece *wordpiece, int32_t id);
int32_t ns_wordpiece_unknown(const ns_wordpiece *wordpiece);
const ns_bert_rules *ns_wordpiece_rules(const ns_wordpiece *wordpiece);

#endif
