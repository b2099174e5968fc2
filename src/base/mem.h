/*
 * The memory gate: the one place where this program asks for heap memory.
 *
 * It counts what is alive, so that tests can demand that nothing leaks, and can be told to fail the n-th request, so
 * that tests can walk through every out-of-memory path. All functions may be called from any thread.
 */
#ifndef NS_BASE_MEM_H
#define NS_BASE_MEM_H

#include "base/status.h"

#include <stdint.h>

/* Zeroed memory for count * size bytes, or NULL (also when the product overflows). Give back with ns_free. */
NS_MUST_USE void *ns_alloc(size_t count, size_t size);

/* Like realloc, from count elements of size bytes; old content kept, new bytes not zeroed. NULL: the old block stays.
 */
NS_MUST_USE void *ns_realloc(void *block, size_t count, size_t size);

/* A heap copy of len bytes plus a closing NUL, or NULL. */
NS_MUST_USE char *ns_strndup(const char *at, size_t len);
NS_MUST_USE char *ns_strdup(const char *text);

/* NULL is allowed. */
void ns_free(void *block);

/* How many requests were refused so far: when it grew while something was made, that may have a hole. */
size_t ns_mem_refused(void);

/* Tests: let n more requests succeed, then fail every one; -1 (the start) never fails. Process-wide. */
void ns_mem_fail_after(long n);
/* The same, but only one fails: what goes on with a hole in it shows. */
void ns_mem_fail_once(long n);

/* Number of blocks now alive. */
size_t ns_mem_live(void);

#define NS_NEW(type)              ((type *)ns_alloc(1, sizeof(type)))
#define NS_NEW_ARRAY(type, count) ((type *)ns_alloc((count), sizeof(type)))

#endif
