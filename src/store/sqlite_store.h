/*
 * The store on SQLite: one file in the data folder, written by one thread of its own.
 *
 * ns_sqlite_store_open gives the door of flow/store.h. `put` may be called from any thread; all others belong to the
 * loop thread. `committed` is called on the writer's thread: it only passes the number on (a queue, an event).
 */
#ifndef NS_STORE_SQLITE_STORE_H
#define NS_STORE_SQLITE_STORE_H

#include "base/clock.h"
#include "flow/store.h"

typedef struct ns_store_options {
    const char *path;       /* of the database; missing folders are made with mode 0700, the file with 0600 */
    bool read_only;         /* for commands that only look: no writer, put answers NS_IO */
    int64_t max_bytes;      /* of the file and its side files, about; 0: no limit */
    int32_t telemetry_days; /* records, builds, predictions are kept so long; 0: for ever */
    int32_t log_days;       /* console text is kept so long; 0: for ever */
    ns_clock clock;         /* for the two above; world time, read by open and put. Zero-initialised: real time */
    ns_store_committed *committed; /* NULL is allowed */
    void *owner;
    size_t queue_rows;  /* 0: 16384 */
    size_t queue_bytes; /* 0: 32 MiB */
    int batch_ms;       /* telemetry waits at most so long; 0: 200 */
    int retry_ms;       /* after a failed write; 0: 1000 */
    int tidy_ms;        /* between two steps of housekeeping when nothing presses; 0: 5000 */
    int check_ms;       /* time for checking the file at opening; 0: 1000 */
} ns_store_options;

/* The largest piece of log text that one row may carry. */
#define NS_STORE_LOG_PIECE_MAX (4u << 20)

/* NS_CORRUPT: damaged, left untouched. NS_BAD_INPUT: not ours, or made by a newer program. NS_NOT_FOUND: no file to
 * look at (read_only). NS_BUSY: another program holds it. NS_IO, NS_NO_MEMORY. Take the daemon's lock first
 * (store/lock.h): two writers are one too many. */
NS_MUST_USE ns_status ns_sqlite_store_open(const ns_store_options *options, ns_store *out, ns_error *err);

#endif
