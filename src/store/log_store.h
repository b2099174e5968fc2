/*
 * Console text in the database: appended by the writer in chunks, read anywhere by the loop.
 *
 * The end of a growing log lies in plain rows, one per piece; when NS_LOG_CHUNK_BYTES have come together they become
 * one compressed chunk, so no text is compressed twice and the newest line can be read at once.
 */
#ifndef NS_STORE_LOG_STORE_H
#define NS_STORE_LOG_STORE_H

#include "flow/store.h"
#include "store/log_chunk.h"

#include <sqlite3.h>

/* For the writer's thread: its statements and its compressor. */
typedef struct ns_log_appender ns_log_appender;

NS_MUST_USE ns_status ns_log_appender_open(sqlite3 *db, ns_log_appender **out, ns_error *err);
void ns_log_appender_close(ns_log_appender *appender);

/* Within the caller's transaction; on failure that must be rolled back. */
NS_MUST_USE ns_status ns_log_append(ns_log_appender *appender, const ns_log_row *row, int64_t now_ms, ns_error *err);

/* See ns_store.log_text; offsets count bytes. A page ends at a character's end where it can. */
NS_MUST_USE ns_status ns_log_read(sqlite3 *reader, const char *jenkins_job, int64_t build, int64_t from, size_t limit,
                                  ns_buf *out, int64_t *total, ns_error *err);

#endif
