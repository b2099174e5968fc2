#include "prediction/piece_pairs.h"

#include "base/mem.h"

#include <string.h>

void ns_piece_pairs_clear(ns_piece_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++)
        ns_free(pairs->pair[i].words);
    ns_free(pairs->pair);
    ns_free(pairs->slot);
    ns_free(pairs->heap);
    ns_free(pairs->moved);
    ns_free(pairs->named);
    *pairs = (ns_piece_pairs){0};
}

/* ---- the table ---- */

static size_t hash_of(int32_t first, int32_t second)
{
    uint64_t key = (uint64_t)(uint32_t)first << 32 | (uint32_t)second;
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(key ^ key >> 32);
}

static uint32_t *slot_of(const ns_piece_pairs *pairs, int32_t first, int32_t second)
{
    size_t i = hash_of(first, second) & (pairs->slots - 1);
    while (pairs->slot[i] != 0) {
        const ns_piece_pair *one = &pairs->pair[pairs->slot[i] - 1];
        if (one->first == first && one->second == second)
            break;
        i = (i + 1) & (pairs->slots - 1);
    }
    return &pairs->slot[i];
}

static ns_status grow(ns_piece_pairs *pairs)
{
    size_t slots = pairs->slots == 0 ? 4096 : 2 * pairs->slots;
    ns_piece_pair *pair = ns_realloc(pairs->pair, slots / 2, sizeof *pair);
    if (pair == NULL)
        return NS_NO_MEMORY;
    pairs->pair = pair;
    uint32_t *slot = NS_NEW_ARRAY(uint32_t, slots);
    if (slot == NULL)
        return NS_NO_MEMORY;
    for (size_t n = 0; n < pairs->count; n++) {
        size_t i = hash_of(pair[n].first, pair[n].second) & (slots - 1);
        while (slot[i] != 0)
            i = (i + 1) & (slots - 1);
        slot[i] = (uint32_t)n + 1;
    }
    ns_free(pairs->slot);
    pairs->slot = slot;
    pairs->slots = slots;
    return NS_OK;
}

static ns_status find_or_make(ns_piece_pairs *pairs, int32_t first, int32_t second, ns_piece_pair **out)
{
    if (pairs->count + 1 > pairs->slots / 2 && grow(pairs) != NS_OK)
        return NS_NO_MEMORY;
    uint32_t *slot = slot_of(pairs, first, second);
    if (*slot == 0) {
        pairs->pair[pairs->count] = (ns_piece_pair){.first = first, .second = second};
        *slot = (uint32_t)++pairs->count;
    }
    *out = &pairs->pair[*slot - 1];
    return NS_OK;
}

static ns_status note_word(ns_piece_pair *pair, uint32_t word)
{
    if (pair->word_count > 0 && pair->words[pair->word_count - 1] == word)
        return NS_OK;
    if (pair->word_count == pair->word_room) {
        uint32_t room = pair->word_room == 0 ? 4 : 2 * pair->word_room;
        uint32_t *grown = ns_realloc(pair->words, room, sizeof *grown);
        if (grown == NULL)
            return NS_NO_MEMORY;
        pair->words = grown;
        pair->word_room = room;
    }
    pair->words[pair->word_count++] = word;
    return NS_OK;
}

/* ---- the heap: largest count first, then smaller numbers ---- */

static bool before(const ns_pair_entry *a, const ns_pair_entry *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return a->first != b->first ? a->first < b->first : a->second < b->second;
}

static void swap(ns_pair_entry *a, ns_pair_entry *b)
{
    ns_pair_entry kept = *a;
    *a = *b;
    *b = kept;
}

static ns_status push(ns_piece_pairs *pairs, const ns_piece_pair *pair)
{
    if (pairs->heap_count == pairs->heap_room) {
        size_t room = pairs->heap_room == 0 ? 4096 : 2 * pairs->heap_room;
        ns_pair_entry *grown = ns_realloc(pairs->heap, room, sizeof *grown);
        if (grown == NULL)
            return NS_NO_MEMORY;
        pairs->heap = grown;
        pairs->heap_room = room;
    }
    size_t at = pairs->heap_count++;
    pairs->heap[at] = (ns_pair_entry){pair->count, pair->first, pair->second, (uint32_t)(pair - pairs->pair)};
    for (; at > 0 && before(&pairs->heap[at], &pairs->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&pairs->heap[at], &pairs->heap[(at - 1) / 2]);
    return NS_OK;
}

static ns_pair_entry pop(ns_piece_pairs *pairs)
{
    ns_pair_entry top = pairs->heap[0];
    pairs->heap[0] = pairs->heap[--pairs->heap_count];
    for (size_t at = 0;;) {
        size_t best = at, left = 2 * at + 1;
        for (size_t child = left; child < left + 2 && child < pairs->heap_count; child++)
            if (before(&pairs->heap[child], &pairs->heap[best]))
                best = child;
        if (best == at)
            return top;
        swap(&pairs->heap[at], &pairs->heap[best]);
        at = best;
    }
}

static ns_status note_moved(ns_piece_pairs *pairs, ns_piece_pair *pair)
{
    if (pair->moved)
        return NS_OK;
    if (pairs->moved_count == pairs->moved_room) {
        size_t room = pairs->moved_room == 0 ? 1024 : 2 * pairs->moved_room;
        uint32_t *grown = ns_realloc(pairs->moved, room, sizeof *grown);
        if (grown == NULL)
            return NS_NO_MEMORY;
        pairs->moved = grown;
        pairs->moved_room = room;
    }
    pairs->moved[pairs->moved_count++] = (uint32_t)(pair - pairs->pair);
    pair->moved = true;
    return NS_OK;
}

ns_status ns_piece_pairs_add(ns_piece_pairs *pairs, int32_t first, int32_t second, int64_t by, uint32_t word)
{
    ns_piece_pair *pair;
    ns_status status = find_or_make(pairs, first, second, &pair);
    if (status != NS_OK)
        return status;
    pair->count += by;
    /* A count that shrinks is put right when its entry comes to the top. */
    if (by < 0)
        return NS_OK;
    status = note_word(pair, word);
    return status == NS_OK ? note_moved(pairs, pair) : status;
}

static ns_status push_moved(ns_piece_pairs *pairs)
{
    ns_status status = NS_OK;
    for (size_t i = 0; i < pairs->moved_count && status == NS_OK; i++) {
        ns_piece_pair *pair = &pairs->pair[pairs->moved[i]];
        pair->moved = false;
        status = push(pairs, pair);
    }
    pairs->moved_count = 0;
    return status;
}

ns_status ns_piece_pairs_best(ns_piece_pairs *pairs, ns_piece_pair **out)
{
    *out = NULL;
    if (push_moved(pairs) != NS_OK)
        return NS_NO_MEMORY;
    while (pairs->heap_count > 0) {
        ns_pair_entry top = pop(pairs);
        ns_piece_pair *pair = &pairs->pair[top.pair];
        if (pair->count == top.count && pair->count > 0) {
            *out = pair;
            return NS_OK;
        }
        /* Grown since: a later entry tells. Shrunk since: it has to be put back with what is left. */
        if (pair->count > 0 && pair->count < top.count && push(pairs, pair) != NS_OK)
            return NS_NO_MEMORY;
    }
    return NS_OK;
}

uint32_t *ns_piece_pair_take_words(ns_piece_pair *pair, size_t *count)
{
    uint32_t *words = pair->words;
    *count = pair->word_count;
    pair->words = NULL;
    pair->word_count = pair->word_room = 0;
    pair->count = 0;
    return words;
}

void ns_piece_pairs_forget(ns_piece_pairs *pairs, int32_t first, int32_t second)
{
    uint32_t *slot = slot_of(pairs, first, second);
    if (*slot != 0)
        pairs->pair[*slot - 1].count = 0;
}

/* ---- names ---- */

static uint64_t name_hash(ns_text a, ns_text b)
{
    uint64_t h = ns_hash(a);
    for (size_t i = 0; i < b.len; i++)
        h = (h ^ (unsigned char)b.at[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

static bool writes(ns_text piece, ns_text a, ns_text b)
{
    return piece.len == a.len + b.len && memcmp(piece.at, a.at, a.len) == 0 &&
           memcmp(piece.at + a.len, b.at, b.len) == 0;
}

int32_t ns_piece_pairs_named(const ns_piece_pairs *pairs, const ns_text *pieces, ns_text a, ns_text b)
{
    if (pairs->named_slots == 0)
        return -1;
    for (size_t i = (size_t)name_hash(a, b) & (pairs->named_slots - 1); pairs->named[i] != 0;
         i = (i + 1) & (pairs->named_slots - 1))
        if (writes(pieces[pairs->named[i] - 1], a, b))
            return (int32_t)pairs->named[i] - 1;
    return -1;
}

static void put_name(uint32_t *named, size_t slots, const ns_text *pieces, uint32_t entry)
{
    size_t i = (size_t)name_hash(pieces[entry - 1], (ns_text){"", 0}) & (slots - 1);
    while (named[i] != 0)
        i = (i + 1) & (slots - 1);
    named[i] = entry;
}

ns_status ns_piece_pairs_name(ns_piece_pairs *pairs, const ns_text *pieces, int32_t piece)
{
    if (2 * (pairs->named_count + 1) > pairs->named_slots) {
        size_t slots = pairs->named_slots == 0 ? 1024 : 2 * pairs->named_slots;
        uint32_t *named = NS_NEW_ARRAY(uint32_t, slots);
        if (named == NULL)
            return NS_NO_MEMORY;
        for (size_t i = 0; i < pairs->named_slots; i++)
            if (pairs->named[i] != 0)
                put_name(named, slots, pieces, pairs->named[i]);
        ns_free(pairs->named);
        pairs->named = named;
        pairs->named_slots = slots;
    }
    put_name(pairs->named, pairs->named_slots, pieces, (uint32_t)piece + 1);
    pairs->named_count++;
    return NS_OK;
}
