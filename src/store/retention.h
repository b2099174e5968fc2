/*
 * What is forgotten, a little at a time: rows older than their keep, and the oldest ones when the file is too large.
 *
 * Cases, effects and the audit are never forgotten, nor the decisions of open cases. Everything else goes: by age
 * records, builds, predictions and logs; by size the oldest of them, and last decisions outside of open cases. A step
 * looks at a few hundred rows, so that the writer is never away for long. Writer's thread only.
 */
#ifndef NS_STORE_RETENTION_H
#define NS_STORE_RETENTION_H

#include "base/status.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define NS_RETENTION_TABLES 5

typedef struct ns_retention {
    int64_t max_bytes;    /* 0: no limit */
    int64_t telemetry_ms; /* 0: for ever */
    int64_t log_ms;
    int64_t seen[NS_RETENTION_TABLES]; /* per table: rows up to this id have been looked at in this round */
    bool told_full;                    /* said that nothing more can be forgotten */
} ns_retention;

/* One step within its own transaction. *more: there may be more to do at once. */
NS_MUST_USE ns_status ns_retention_step(ns_retention *retention, sqlite3 *db, int64_t now_ms, bool *more,
                                        ns_error *err);

#endif
