#include "prediction/hash_set.h"

#include "base/mem.h"

void ns_hash_set_init(ns_hash_set *set, size_t ceiling)
{
    *set = (ns_hash_set){.ceiling = ceiling};
}

void ns_hash_set_clear(ns_hash_set *set)
{
    ns_free(set->slot);
    *set = (ns_hash_set){.ceiling = set->ceiling};
}

static size_t slot_of(const uint64_t *slot, size_t size, uint64_t hash)
{
    size_t i = (size_t)(hash ^ hash >> 32) & (size - 1);
    while (slot[i] != 0 && slot[i] != hash)
        i = (i + 1) & (size - 1);
    return i;
}

bool ns_hash_set_has(const ns_hash_set *set, uint64_t hash)
{
    return set->size > 0 && set->slot[slot_of(set->slot, set->size, hash == 0 ? 1 : hash)] != 0;
}

ns_status ns_hash_set_put(ns_hash_set *set, uint64_t hash)
{
    hash = hash == 0 ? 1 : hash;
    if (ns_hash_set_has(set, hash))
        return NS_CONFLICT;
    if (set->count >= set->ceiling)
        return NS_TOO_LARGE;
    if (2 * set->count >= set->size) {
        size_t size = set->size == 0 ? 64 : 2 * set->size;
        uint64_t *slot = NS_NEW_ARRAY(uint64_t, size);
        if (slot == NULL)
            return NS_NO_MEMORY;
        for (size_t i = 0; i < set->size; i++)
            if (set->slot[i] != 0)
                slot[slot_of(slot, size, set->slot[i])] = set->slot[i];
        ns_free(set->slot);
        set->slot = slot;
        set->size = size;
    }
    set->slot[slot_of(set->slot, set->size, hash)] = hash;
    set->count++;
    return NS_OK;
}
