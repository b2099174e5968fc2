#include "prediction/line_memory.h"

#include "base/mem.h"

void ns_line_memory_init(ns_line_memory *memory, size_t ceiling)
{
    *memory = (ns_line_memory){.ceiling = ceiling};
}

void ns_line_memory_clear(ns_line_memory *memory)
{
    ns_free(memory->slot);
    *memory = (ns_line_memory){.ceiling = memory->ceiling};
}

static ns_line_memory_slot *slot_of(ns_line_memory_slot *slot, size_t size, uint64_t hash)
{
    size_t i = (size_t)(hash ^ hash >> 32) & (size - 1);
    while (slot[i].hash != 0 && slot[i].hash != hash)
        i = (i + 1) & (size - 1);
    return &slot[i];
}

const ns_recent_line *ns_line_memory_find(const ns_line_memory *memory, uint64_t hash)
{
    if (memory->size == 0)
        return NULL;
    const ns_line_memory_slot *slot = slot_of(memory->slot, memory->size, hash);
    return slot->hash == 0 ? NULL : &slot->says;
}

static ns_status grow(ns_line_memory *memory)
{
    size_t size = memory->size == 0 ? 64 : 2 * memory->size;
    ns_line_memory_slot *slot = NS_NEW_ARRAY(ns_line_memory_slot, size);
    if (slot == NULL)
        return NS_NO_MEMORY;
    for (size_t i = 0; i < memory->size; i++)
        if (memory->slot[i].hash != 0)
            *slot_of(slot, size, memory->slot[i].hash) = memory->slot[i];
    ns_free(memory->slot);
    memory->slot = slot;
    memory->size = size;
    return NS_OK;
}

ns_status ns_line_memory_put(ns_line_memory *memory, uint64_t hash, const ns_recent_line *says)
{
    if (memory->count >= memory->ceiling)
        return NS_TOO_LARGE;
    if (2 * memory->count >= memory->size && grow(memory) != NS_OK)
        return NS_NO_MEMORY;
    *slot_of(memory->slot, memory->size, hash) = (ns_line_memory_slot){hash, *says};
    memory->count++;
    return NS_OK;
}
