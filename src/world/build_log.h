/*
 * The console text of a simulated build: a pure function of its plan and the time.
 *
 * The same plan, time and offset give the same bytes. Text already printed never changes while the plan grows.
 */
#ifndef NS_WORLD_BUILD_LOG_H
#define NS_WORLD_BUILD_LOG_H

#include "base/text.h"
#include "world/build_plan.h"

/* Appends to out what is printed at now_ms, from byte `offset` on, at most `limit` bytes; *total gets the length of all
 * that is printed then. An offset behind the end appends nothing. NS_TOO_LARGE, NS_NO_MEMORY: from out. */
NS_MUST_USE ns_status ns_build_log_read(const ns_build_plan *plan, int64_t now_ms, int64_t offset, size_t limit,
                                        ns_buf *out, int64_t *total);

#endif
