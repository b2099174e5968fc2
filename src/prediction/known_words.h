/*
 * The words that a model learnt from, as a Bloom filter (Bloom 1970), and how much of a text consists of others.
 *
 * A word is a run of 3 to 24 letters, a capital counted as small; bytes beyond ASCII are letters. With 100,000 words
 * two in a hundred unknown ones pass as known. Read-only once learnt.
 */
#ifndef NS_PREDICTION_KNOWN_WORDS_H
#define NS_PREDICTION_KNOWN_WORDS_H

#include "base/text.h"

#define NS_WORD_MIN 3
#define NS_WORD_MAX 24

typedef struct ns_known_words {
    uint8_t *bits; /* NS_WORD_BITS of them, owned */
} ns_known_words;
#define NS_WORD_BITS ((uint32_t)1 << 20)

/* Nothing is known. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_known_words_init(ns_known_words *words, ns_error *err);
void ns_known_words_clear(ns_known_words *words);
void ns_known_words_learn(ns_known_words *words, ns_text text);

/* Counts over a text that comes in pieces, cut anywhere: the same as if it came at once. Zero-initialised to begin. */
typedef struct ns_word_count {
    uint64_t hash; /* of the word that is open */
    size_t length;
    int64_t words, unknown; /* that have ended */
} ns_word_count;
void ns_known_words_count(const ns_known_words *words, ns_word_count *count, ns_text text);

/*
 * The file "words.bin": 8 bytes "NSWORDS1", little-endian uint64 FNV-1a hash of the bits, the bits. Read: NS_NOT_FOUND
 * (there is none), NS_IO, NS_BAD_INPUT (damaged).
 */
#define NS_WORDS_FILE "words.bin"
NS_MUST_USE ns_status ns_known_words_parse(const char *name, ns_text file, ns_known_words *out, ns_error *err);
NS_MUST_USE ns_status ns_known_words_read(const char *folder, ns_known_words *out, ns_error *err);
NS_MUST_USE ns_status ns_known_words_write(const char *folder, const ns_known_words *words, ns_error *err);

#endif
