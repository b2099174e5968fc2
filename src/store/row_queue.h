/*
 * Where the loop and the writer meet: rows on their way to disk, and how the store is doing.
 *
 * Everything in here is guarded by one lock; nobody else shares anything. Memory is bounded in rows and in bytes, and
 * a row counts until it is committed, not only until the writer picks it up. Above the bounds a share is kept for
 * durable rows: telemetry can fill the queue, but it cannot keep an intent out.
 *
 * Putters: any thread. One writer calls take, done, trouble, fine, wait.
 */
#ifndef NS_STORE_ROW_QUEUE_H
#define NS_STORE_ROW_QUEUE_H

#include "flow/store.h"

typedef struct ns_row_queue ns_row_queue;

/* One packed row (see ns_row_pack); for a log the text follows. */
typedef struct ns_row_item {
    uint64_t sequence;
    int64_t put_ns; /* real, monotonic */
    int64_t at_ms;  /* world time when it was put */
    ns_row_kind kind;
    size_t size;
    unsigned char bytes[];
} ns_row_item;

typedef struct ns_row_queue_limits {
    size_t rows;  /* of telemetry; a quarter more (at least 64) is kept for durable rows */
    size_t bytes; /* of telemetry; a quarter more (at least 256 KiB) is kept for durable rows */
    int batch_ms; /* telemetry waits at most this long for company */
} ns_row_queue_limits;

NS_MUST_USE ns_row_queue *ns_row_queue_new(const ns_row_queue_limits *limits);
/* Frees what is still inside. */
void ns_row_queue_free(ns_row_queue *queue);

/* Takes the item over when NS_OK. NS_BUSY: full of telemetry. NS_IO: nothing can be written now, or even the room for
 * durable rows is full. NS_CORRUPT: nothing will ever be written. NS_CANCELLED: closed. */
NS_MUST_USE ns_status ns_row_queue_put(ns_row_queue *queue, ns_row_item *item, uint64_t *sequence);
/* For a telemetry row that was lost before it could be put. */
void ns_row_queue_dropped(ns_row_queue *queue);

/* Waits until a batch is due, at most wait_ms: a durable row is inside, a flush is wanted, enough has come together,
 * batch_ms is over, or the queue is closed. Hands out the oldest rows, at most max of them and about max_bytes, in the
 * order of their numbers; they stay the queue's until done. 0: nothing is due. */
size_t ns_row_queue_take(ns_row_queue *queue, ns_row_item **out, size_t max, size_t max_bytes, int wait_ms);
/* The taken rows are committed: they are freed, flushers wake up. */
void ns_row_queue_done(ns_row_queue *queue, ns_row_item **items, size_t count);

void ns_row_queue_trouble(ns_row_queue *queue, ns_store_state state, const char *text);
void ns_row_queue_fine(ns_row_queue *queue);
ns_store_state ns_row_queue_state(ns_row_queue *queue);

/* Sleeps wait_ms, less when the queue is closed. */
void ns_row_queue_wait(ns_row_queue *queue, int wait_ms);

/* No more puts; take gives out what is left. */
void ns_row_queue_close(ns_row_queue *queue);
bool ns_row_queue_closed(ns_row_queue *queue);

/* Everything put before this call is committed. NS_TIMEOUT, NS_CORRUPT. */
NS_MUST_USE ns_status ns_row_queue_flush(ns_row_queue *queue, int wait_ms, ns_error *err);

/* All of *out but backend and bytes. */
void ns_row_queue_status(ns_row_queue *queue, ns_store_status *out);

#endif
