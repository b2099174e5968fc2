#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fail_after = -1;
static atomic_bool fail_once;
static atomic_size_t live, refused;

static bool may_take(void)
{
    long left = atomic_load_explicit(&fail_after, memory_order_relaxed);
    if (left < 0)
        return true;
    while (left > 0 && !atomic_compare_exchange_weak(&fail_after, &left, left - 1))
        ;
    if (left == 0 && atomic_load(&fail_once))
        atomic_store(&fail_after, -1);
    return left > 0;
}

static void *refuse(void)
{
    atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
    return NULL;
}

void *ns_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || !may_take())
        return refuse();
    void *block = calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
    if (block == NULL)
        return refuse();
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return block;
}

void *ns_realloc(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || !may_take())
        return refuse();
    void *moved = realloc(block, bytes == 0 ? 1 : bytes);
    if (moved == NULL)
        return refuse();
    if (block == NULL)
        atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return moved;
}

char *ns_strndup(const char *at, size_t len)
{
    if (len == SIZE_MAX)
        return NULL;
    char *copy = ns_alloc(len + 1, 1);
    if (copy != NULL && len > 0)
        memcpy(copy, at, len);
    return copy;
}

char *ns_strdup(const char *text)
{
    return ns_strndup(text, strlen(text));
}

void ns_free(void *block)
{
    if (block == NULL)
        return;
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(block);
}

void ns_mem_fail_after(long n)
{
    atomic_store(&fail_once, false);
    atomic_store(&fail_after, n);
}

void ns_mem_fail_once(long n)
{
    atomic_store(&fail_once, true);
    atomic_store(&fail_after, n);
}

size_t ns_mem_refused(void)
{
    return atomic_load(&refused);
}

size_t ns_mem_live(void)
{
    return atomic_load(&live);
}
