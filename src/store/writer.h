/*
 * The writer: the one thread that changes the database, through the one connection that may.
 *
 * It takes batches from the row queue, writes each in one transaction, says "committed up to n", and between batches
 * does the housekeeping: checkpoints of the write-ahead log and a little clearing out (see retention.h). A transaction
 * with a durable row is synced to disk before it is reported (synchronous=FULL); one of telemetry alone is not.
 *
 * When writing fails (disk full, I/O error) the batch is kept and tried again, and the queue answers NS_IO meanwhile:
 * what was accepted is never given up. A damaged file is given up for good and left as it is.
 */
#ifndef NS_STORE_WRITER_H
#define NS_STORE_WRITER_H

#include "store/row_queue.h"
#include "store/sqlite_store.h"

#include <sqlite3.h>

typedef struct ns_writer ns_writer;

/* Starts the thread. db stays the caller's, who must leave it alone until ns_writer_free. */
NS_MUST_USE ns_status ns_writer_start(const ns_store_options *options, sqlite3 *db, ns_row_queue *queue,
                                      ns_writer **out, ns_error *err);

/* Closes the queue, writes what is in it, waits for the thread. */
void ns_writer_free(ns_writer *writer);

#endif
