/*
 * Strings to small numbers, looked up byte by byte: a double-array trie (Aoe 1989). Read-only once made, any thread.
 */
#ifndef NS_PREDICTION_TRIE_H
#define NS_PREDICTION_TRIE_H

#include "base/text.h"

typedef struct ns_trie_node {
    int32_t base;  /* the child for byte b is node base + b, if that node's `check` names this one */
    int32_t check; /* the parent; -1: unused */
    int32_t value; /* -1: no string ends here */
} ns_trie_node;

typedef struct ns_trie {
    ns_trie_node *node; /* [0] is the root */
    size_t nodes;       /* every base + 255 is below this */
} ns_trie;

/* keys: distinct, not empty, in ascending order of bytes; values >= 0. NS_NO_MEMORY, NS_TOO_LARGE. */
NS_MUST_USE ns_status ns_trie_build(const ns_text *keys, const int32_t *values, size_t count, ns_trie *out);
void ns_trie_clear(ns_trie *trie);

/* The child of a node, or -1. */
static inline int32_t ns_trie_step(const ns_trie *trie, int32_t node, unsigned char byte)
{
    int32_t next = trie->node[node].base + byte;
    return trie->node[next].check == node ? next : -1;
}

#endif
