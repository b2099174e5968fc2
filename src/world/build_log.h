/*
 * The console text of a simulated build: a pure function of its plan, the recorded logs it may print, and the time.
 *
 * The same plan, time and offset give the same bytes. Text already printed never changes while the plan grows.
 * Generating costs about a millisecond per thousand lines; a cache keeps what was generated, so that reading a piece
 * of a log that grows costs a search. What the cache forgets is generated again, with the same bytes.
 */
#ifndef NS_WORLD_BUILD_LOG_H
#define NS_WORLD_BUILD_LOG_H

#include "base/text.h"
#include "world/build_plan.h"
#include "world/recorded_log.h"

/* Appends to out what is printed at now_ms, from byte `offset` on, at most `limit` bytes; *total gets the length of all
 * that is printed then. An offset behind the end appends nothing. NS_TOO_LARGE, NS_NO_MEMORY: from out. */
NS_MUST_USE ns_status ns_build_log_read(const ns_build_plan *plan, int64_t now_ms, int64_t offset, size_t limit,
                                        ns_buf *out, int64_t *total);

/* Generated logs, newest use first, at most ceiling_bytes of text in all (the log in use is kept even when it alone is
 * longer). One thread at a time. NULL: no memory. */
typedef struct ns_build_log_cache ns_build_log_cache;
NS_MUST_USE ns_build_log_cache *ns_build_log_cache_new(size_t ceiling_bytes);
void ns_build_log_cache_free(ns_build_log_cache *cache);
/* From now on text comes from these logs (borrowed, NULL none) where they have a project for the pipeline. */
void ns_build_log_cache_print(ns_build_log_cache *cache, const ns_recorded_logs *recorded);
size_t ns_build_log_cache_bytes(const ns_build_log_cache *cache);

/* The same as ns_build_log_read, byte for byte. cache NULL: nothing is kept. */
NS_MUST_USE ns_status ns_build_log_cached(ns_build_log_cache *cache, const ns_build_plan *plan, int64_t now_ms,
                                          int64_t offset, size_t limit, ns_buf *out, int64_t *total);

#endif
