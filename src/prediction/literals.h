/*
 * Which of many fixed words occur in a text, in one pass (Aho and Corasick 1975), capital letters equal to small ones.
 */
#ifndef NS_PREDICTION_LITERALS_H
#define NS_PREDICTION_LITERALS_H

#include "base/text.h"

typedef struct ns_literals ns_literals;

#define NS_LITERALS_MAX 384
/* Bit i of the set: word i occurs. */
typedef struct ns_literal_set {
    uint64_t bits[NS_LITERALS_MAX / 64];
} ns_literal_set;

/* words: small letters, not empty, at most NS_LITERALS_MAX (NS_CHECK). NULL: no memory. Read-only once made. */
NS_MUST_USE ns_literals *ns_literals_new(const char *const *words, size_t count);
void ns_literals_free(ns_literals *literals);

/* True when any occurs. */
bool ns_literals_scan(const ns_literals *literals, ns_text text, ns_literal_set *found);

static inline bool ns_literal_in(const ns_literal_set *set, size_t i)
{
    return (set->bits[i / 64] >> (i % 64) & 1u) != 0;
}

#endif
