#include "base/arena.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

enum { ALIGN = 64, FIRST_BLOCK = 64 * 1024 };

typedef struct block {
    struct block *next;
    unsigned char *at; /* first aligned byte */
    size_t size;
    size_t used;
} block;

struct ns_arena {
    block *first;
    block *now; /* blocks before it are full, blocks behind it are empty */
    size_t ceiling;
    size_t used;
};

ns_arena *ns_arena_new(size_t ceiling_bytes)
{
    ns_arena *arena = NS_NEW(ns_arena);
    if (arena != NULL)
        arena->ceiling = ceiling_bytes;
    return arena;
}

void ns_arena_free(ns_arena *arena)
{
    if (arena == NULL)
        return;
    for (block *b = arena->first; b != NULL;) {
        block *next = b->next;
        ns_free(b);
        b = next;
    }
    ns_free(arena);
}

void ns_arena_reset(ns_arena *arena)
{
    for (block *b = arena->first; b != NULL; b = b->next)
        b->used = 0;
    arena->now = arena->first;
    arena->used = 0;
}

static block *block_new(size_t size)
{
    block *b = ns_alloc(1, sizeof(block) + size + ALIGN);
    if (b == NULL)
        return NULL;
    uintptr_t start = (uintptr_t)(b + 1);
    b->at = (unsigned char *)b + ((start + ALIGN - 1) / ALIGN * ALIGN - (uintptr_t)b);
    b->size = size;
    return b;
}

/* A block with room for `bytes`: the present one, a later empty one, or a new one put behind the present one. */
static block *block_for(ns_arena *arena, size_t bytes)
{
    for (block *b = arena->now; b != NULL; b = b->next)
        if (b->size - b->used >= bytes)
            return b;
    size_t size = arena->now == NULL ? FIRST_BLOCK : arena->now->size * 2;
    block *fresh = block_new(size > bytes ? size : bytes);
    if (fresh == NULL)
        return NULL;
    if (arena->now == NULL) {
        arena->first = fresh;
    } else {
        fresh->next = arena->now->next;
        arena->now->next = fresh;
    }
    return fresh;
}

void *ns_arena_take(ns_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > arena->ceiling)
        return NULL;
    bytes = (bytes + ALIGN - 1) / ALIGN * ALIGN;
    if (bytes > arena->ceiling - arena->used)
        return NULL;
    block *b = block_for(arena, bytes);
    if (b == NULL)
        return NULL;
    arena->now = b;
    void *taken = b->at + b->used;
    b->used += bytes;
    arena->used += bytes;
    memset(taken, 0, bytes);
    return taken;
}

char *ns_arena_text(ns_arena *arena, const char *at, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = ns_arena_take(arena, len + 1, 1);
    if (copy != NULL && len > 0)
        memcpy(copy, at, len);
    return copy;
}

size_t ns_arena_used(const ns_arena *arena)
{
    return arena->used;
}
