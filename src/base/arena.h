/*
 * An arena: memory for one tick, one request or one batch, given back all at once.
 *
 * One thread at a time. Every arena has a ceiling given at birth; above it NS_TAKE returns NULL. Memory is zeroed and
 * 64-byte aligned. Blocks are kept for reuse at reset, so a steady state allocates nothing.
 */
#ifndef NS_BASE_ARENA_H
#define NS_BASE_ARENA_H

#include "base/status.h"

typedef struct ns_arena ns_arena;

/* ceiling_bytes: the most that may be taken between two resets. NULL: no memory. */
NS_MUST_USE ns_arena *ns_arena_new(size_t ceiling_bytes);
void ns_arena_free(ns_arena *arena);

/* Everything taken is gone; the blocks stay for the next round. */
void ns_arena_reset(ns_arena *arena);

NS_MUST_USE void *ns_arena_take(ns_arena *arena, size_t count, size_t size);

/* A copy with a closing NUL that lives as long as the arena's round; NULL when full. */
NS_MUST_USE char *ns_arena_text(ns_arena *arena, const char *at, size_t len);

size_t ns_arena_used(const ns_arena *arena);

#define NS_TAKE(arena, type, count) ((type *)ns_arena_take((arena), (count), sizeof(type)))

#endif
