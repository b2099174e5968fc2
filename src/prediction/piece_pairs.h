/*
 * Pairs of neighbouring pieces with their counts, the words they stand in, and the most frequent one at hand: what
 * wordpiece_learn.c works with. One thread.
 */
#ifndef NS_PREDICTION_PIECE_PAIRS_H
#define NS_PREDICTION_PIECE_PAIRS_H

#include "base/text.h"

typedef struct ns_piece_pair {
    int32_t first, second;
    int64_t count;
    uint32_t *words; /* in which it was seen; a word may stand there twice or no longer have it */
    uint32_t word_count, word_room;
    bool moved; /* the count has grown since the pair was put on the heap */
} ns_piece_pair;

/* A pair as it was when it was put on the heap; stale when the count has changed since. */
typedef struct ns_pair_entry {
    int64_t count;
    int32_t first, second;
    uint32_t pair;
} ns_pair_entry;

typedef struct ns_piece_pairs {
    ns_piece_pair *pair;
    size_t count, room;
    uint32_t *slot; /* hash table: index + 1 */
    size_t slots;
    ns_pair_entry *heap;
    size_t heap_count, heap_room;
    uint32_t *moved; /* pairs to be put on the heap before it is asked */
    size_t moved_count, moved_room;
    uint32_t *named; /* hash table of the pieces made, by what they write: number + 1 */
    size_t named_slots, named_count;
} ns_piece_pairs;

void ns_piece_pairs_clear(ns_piece_pairs *pairs);

/* by may be negative. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_piece_pairs_add(ns_piece_pairs *pairs, int32_t first, int32_t second, int64_t by,
                                         uint32_t word);

/* The most frequent pair, of equals the one of smaller numbers; NULL: none. It is off the heap: whoever does not join
 * it loses it. */
NS_MUST_USE ns_status ns_piece_pairs_best(ns_piece_pairs *pairs, ns_piece_pair **out);

/* The words of a pair, which forgets them and its count. ns_free them. */
uint32_t *ns_piece_pair_take_words(ns_piece_pair *pair, size_t *count);

/* The count is 0 now. */
void ns_piece_pairs_forget(ns_piece_pairs *pairs, int32_t first, int32_t second);

/* The piece made that writes a and b in a row, or -1; and putting one there. */
int32_t ns_piece_pairs_named(const ns_piece_pairs *pairs, const ns_text *pieces, ns_text a, ns_text b);
NS_MUST_USE ns_status ns_piece_pairs_name(ns_piece_pairs *pairs, const ns_text *pieces, int32_t piece);

#endif
