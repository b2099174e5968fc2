#include "prediction/trie.h"

#include "base/mem.h"

#include <string.h>

/* A range of keys that share their first `depth` bytes and hang below one node. */
typedef struct span {
    size_t low, high, depth;
    int32_t node;
} span;

typedef struct builder {
    ns_trie trie;
    size_t room;
    size_t hint; /* nothing below is worth trying */
    const ns_text *keys;
    const int32_t *values;
    span *work; /* spans still to be laid out */
    size_t work_count, work_room;
} builder;

enum { NODES_MAX = 1 << 28 };

static ns_status reserve(builder *b, size_t nodes)
{
    if (nodes <= b->room)
        return NS_OK;
    size_t room = b->room == 0 ? 4096 : b->room;
    while (room < nodes)
        room *= 2;
    if (room > NODES_MAX)
        return NS_TOO_LARGE;
    ns_trie_node *grown = ns_realloc(b->trie.node, room, sizeof *grown);
    if (grown == NULL)
        return NS_NO_MEMORY;
    for (size_t i = b->room; i < room; i++)
        grown[i] = (ns_trie_node){.base = 0, .check = -1, .value = -1};
    b->trie.node = grown;
    b->room = room;
    return NS_OK;
}

static ns_status push(builder *b, span one)
{
    if (b->work_count == b->work_room) {
        size_t room = b->work_room == 0 ? 256 : 2 * b->work_room;
        span *grown = ns_realloc(b->work, room, sizeof *grown);
        if (grown == NULL)
            return NS_NO_MEMORY;
        b->work = grown;
        b->work_room = room;
    }
    b->work[b->work_count++] = one;
    return NS_OK;
}

static unsigned char byte_at(const builder *b, size_t key, size_t depth)
{
    return (unsigned char)b->keys[key].at[depth];
}

/* The first bytes of the span's keys, ascending; returns how many. */
static size_t children_of(const builder *b, const span *one, unsigned char bytes[256], size_t starts[257])
{
    size_t n = 0;
    for (size_t i = one->low; i < one->high; i++) {
        unsigned char byte = byte_at(b, i, one->depth);
        if (n == 0 || bytes[n - 1] != byte) {
            bytes[n] = byte;
            starts[n++] = i;
        }
    }
    starts[n] = one->high;
    return n;
}

static bool fits(const builder *b, size_t base, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (b->trie.node[base + bytes[i]].check != -1)
            return false;
    return true;
}

/* A place for n children. Where many tries in a row fail the region counts as full, so that laying out stays linear. */
static ns_status find_base(builder *b, const unsigned char *bytes, size_t n, size_t *base)
{
    size_t tries = 0;
    for (size_t at = b->hint;; at++) {
        ns_status status = reserve(b, at + 512);
        if (status != NS_OK)
            return status;
        if (fits(b, at, bytes, n)) {
            *base = at;
            return NS_OK;
        }
        if (++tries == 1024)
            b->hint = at;
    }
}

static ns_status lay_out(builder *b, span one)
{
    unsigned char bytes[256];
    size_t starts[257], base;
    if (b->keys[one.low].len == one.depth) {
        b->trie.node[one.node].value = b->values[one.low];
        one.low++;
    }
    if (one.low == one.high)
        return NS_OK;
    size_t n = children_of(b, &one, bytes, starts);
    ns_status status = find_base(b, bytes, n, &base);
    if (status != NS_OK)
        return status;
    b->trie.node[one.node].base = (int32_t)base;
    if (base + 256 > b->trie.nodes)
        b->trie.nodes = base + 256;
    for (size_t i = 0; i < n && status == NS_OK; i++) {
        int32_t child = (int32_t)(base + bytes[i]);
        b->trie.node[child].check = one.node;
        status = push(b, (span){starts[i], starts[i + 1], one.depth + 1, child});
    }
    return status;
}

ns_status ns_trie_build(const ns_text *keys, const int32_t *values, size_t count, ns_trie *out)
{
    builder b = {.keys = keys, .values = values, .hint = 1, .trie.nodes = 512};
    ns_status status = reserve(&b, 512);
    if (status == NS_OK)
        b.trie.node[0].check = -2; /* nobody's child */
    if (status == NS_OK && count > 0)
        status = push(&b, (span){0, count, 0, 0});
    while (status == NS_OK && b.work_count > 0)
        status = lay_out(&b, b.work[--b.work_count]);
    ns_free(b.work);
    if (status != NS_OK) {
        ns_free(b.trie.node);
        return status;
    }
    *out = b.trie;
    return NS_OK;
}

void ns_trie_clear(ns_trie *trie)
{
    ns_free(trie->node);
    *trie = (ns_trie){0};
}
