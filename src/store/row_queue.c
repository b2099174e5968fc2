#include "store/row_queue.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#define DUE_ROWS  1024
#define DUE_BYTES (1u << 20)

struct ns_row_queue {
    ns_row_queue_limits limits;
    pthread_mutex_t lock;  /* guards everything below */
    pthread_cond_t due;    /* for the writer */
    pthread_cond_t change; /* for flushers: committed grew, or the state is hopeless */
    ns_row_item **ring;
    size_t room; /* of the ring */
    size_t first;
    size_t length;
    size_t durable; /* durable rows in the ring */
    size_t held_rows;
    size_t held_bytes; /* in the ring and with the writer */
    uint64_t put;
    uint64_t committed;
    uint64_t dropped;
    uint64_t flush_to; /* rows up to here are wanted now */
    bool closed;
    bool writer_waits;
    ns_store_state state;
    char error[256];
};

static size_t spare_rows(const ns_row_queue_limits *limits)
{
    return limits->rows / 4 > 64 ? limits->rows / 4 : 64;
}

static size_t spare_bytes(const ns_row_queue_limits *limits)
{
    return limits->bytes / 4 > 256u << 10 ? limits->bytes / 4 : 256u << 10;
}

ns_row_queue *ns_row_queue_new(const ns_row_queue_limits *limits)
{
    ns_row_queue *queue = NS_NEW(ns_row_queue);
    if (queue == NULL)
        return NULL;
    queue->limits = *limits;
    queue->room = limits->rows + spare_rows(limits);
    queue->ring = NS_NEW_ARRAY(ns_row_item *, queue->room);
    if (queue->ring == NULL) {
        ns_free(queue);
        return NULL;
    }
    pthread_condattr_t monotonic;
    NS_CHECK(pthread_condattr_init(&monotonic) == 0);
    NS_CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    NS_CHECK(pthread_mutex_init(&queue->lock, NULL) == 0);
    NS_CHECK(pthread_cond_init(&queue->due, &monotonic) == 0);
    NS_CHECK(pthread_cond_init(&queue->change, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    return queue;
}

void ns_row_queue_free(ns_row_queue *queue)
{
    if (queue == NULL)
        return;
    for (size_t i = 0; i < queue->length; i++)
        ns_free(queue->ring[(queue->first + i) % queue->room]);
    ns_free(queue->ring);
    (void)pthread_cond_destroy(&queue->change);
    (void)pthread_cond_destroy(&queue->due);
    (void)pthread_mutex_destroy(&queue->lock);
    ns_free(queue);
}

static ns_status may_put(const ns_row_queue *queue, const ns_row_item *item, bool durable)
{
    if (queue->closed)
        return NS_CANCELLED;
    if (queue->state == NS_STORE_corrupt)
        return NS_CORRUPT;
    if (queue->state == NS_STORE_read_only)
        return NS_IO;
    size_t rows = queue->limits.rows + (durable ? spare_rows(&queue->limits) : 0);
    size_t bytes = queue->limits.bytes + (durable ? spare_bytes(&queue->limits) : 0);
    if (queue->held_rows < rows && item->size <= bytes && queue->held_bytes <= bytes - item->size)
        return NS_OK;
    return durable ? NS_IO : NS_BUSY;
}

/* Waking the writer for each row would cost more than writing it: it is woken when the first row starts the clock,
 * and when something is due at once. */
static bool worth_waking(const ns_row_queue *queue, bool durable)
{
    return queue->writer_waits &&
           (durable || queue->length == 1 || queue->length == DUE_ROWS || queue->held_bytes >= DUE_BYTES);
}

ns_status ns_row_queue_put(ns_row_queue *queue, ns_row_item *item, uint64_t *sequence)
{
    bool durable = ns_row_durable(item->kind);
    (void)pthread_mutex_lock(&queue->lock);
    ns_status status = may_put(queue, item, durable);
    if (status == NS_OK) {
        item->sequence = ++queue->put;
        item->put_ns = ns_monotonic_ns();
        if (sequence != NULL)
            *sequence = item->sequence;
        queue->ring[(queue->first + queue->length) % queue->room] = item;
        queue->length++;
        queue->held_rows++;
        queue->held_bytes += item->size;
        queue->durable += durable;
        if (worth_waking(queue, durable))
            (void)pthread_cond_signal(&queue->due);
    } else if (!durable) {
        queue->dropped++;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return status;
}

void ns_row_queue_dropped(ns_row_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->dropped++;
    (void)pthread_mutex_unlock(&queue->lock);
}

static struct timespec at_ns(int64_t monotonic_ns)
{
    return (struct timespec){.tv_sec = monotonic_ns / 1000000000, .tv_nsec = (long)(monotonic_ns % 1000000000)};
}

/* 0: due now; else the time at which what is inside becomes due; INT64_MAX: nothing is inside. */
static int64_t due_at(const ns_row_queue *queue)
{
    if (queue->length == 0)
        return INT64_MAX;
    const ns_row_item *oldest = queue->ring[queue->first];
    if (queue->closed || queue->durable > 0 || oldest->sequence <= queue->flush_to || queue->length >= DUE_ROWS ||
        queue->held_bytes >= DUE_BYTES)
        return 0;
    return oldest->put_ns + (int64_t)queue->limits.batch_ms * 1000000;
}

static void wait_until_due(ns_row_queue *queue, int wait_ms)
{
    int64_t end_ns = ns_monotonic_ns() + (int64_t)wait_ms * 1000000;
    for (;;) {
        int64_t now_ns = ns_monotonic_ns();
        int64_t due_ns = due_at(queue);
        if (due_ns <= now_ns || end_ns <= now_ns || queue->closed)
            return;
        struct timespec until = at_ns(due_ns < end_ns ? due_ns : end_ns);
        queue->writer_waits = true;
        (void)pthread_cond_timedwait(&queue->due, &queue->lock, &until);
        queue->writer_waits = false;
    }
}

size_t ns_row_queue_take(ns_row_queue *queue, ns_row_item **out, size_t max, size_t max_bytes, int wait_ms)
{
    size_t count = 0, bytes = 0;
    (void)pthread_mutex_lock(&queue->lock);
    wait_until_due(queue, wait_ms);
    if (due_at(queue) <= ns_monotonic_ns()) {
        while (queue->length > 0 && count < max && bytes < max_bytes) {
            ns_row_item *item = queue->ring[queue->first];
            queue->first = (queue->first + 1) % queue->room;
            queue->length--;
            queue->durable -= ns_row_durable(item->kind);
            bytes += item->size;
            out[count++] = item;
        }
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return count;
}

void ns_row_queue_done(ns_row_queue *queue, ns_row_item **items, size_t count)
{
    (void)pthread_mutex_lock(&queue->lock);
    for (size_t i = 0; i < count; i++) {
        queue->held_rows--;
        queue->held_bytes -= items[i]->size;
        queue->committed = items[i]->sequence;
    }
    (void)pthread_cond_broadcast(&queue->change);
    (void)pthread_mutex_unlock(&queue->lock);
    for (size_t i = 0; i < count; i++)
        ns_free(items[i]);
}

void ns_row_queue_trouble(ns_row_queue *queue, ns_store_state state, const char *text)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->state = state;
    (void)snprintf(queue->error, sizeof queue->error, "%.255s", text);
    (void)pthread_cond_broadcast(&queue->change);
    (void)pthread_mutex_unlock(&queue->lock);
}

void ns_row_queue_fine(ns_row_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->state = NS_STORE_ok;
    queue->error[0] = '\0';
    (void)pthread_mutex_unlock(&queue->lock);
}

ns_store_state ns_row_queue_state(ns_row_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    ns_store_state state = queue->state;
    (void)pthread_mutex_unlock(&queue->lock);
    return state;
}

void ns_row_queue_wait(ns_row_queue *queue, int wait_ms)
{
    struct timespec until = at_ns(ns_monotonic_ns() + (int64_t)wait_ms * 1000000);
    (void)pthread_mutex_lock(&queue->lock);
    while (!queue->closed && pthread_cond_timedwait(&queue->due, &queue->lock, &until) != ETIMEDOUT)
        ;
    (void)pthread_mutex_unlock(&queue->lock);
}

void ns_row_queue_close(ns_row_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->due);
    (void)pthread_mutex_unlock(&queue->lock);
}

bool ns_row_queue_closed(ns_row_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    bool closed = queue->closed;
    (void)pthread_mutex_unlock(&queue->lock);
    return closed;
}

ns_status ns_row_queue_flush(ns_row_queue *queue, int wait_ms, ns_error *err)
{
    struct timespec until = at_ns(ns_monotonic_ns() + (int64_t)(wait_ms > 0 ? wait_ms : 0) * 1000000);
    (void)pthread_mutex_lock(&queue->lock);
    uint64_t target = queue->put;
    if (queue->flush_to < target)
        queue->flush_to = target;
    (void)pthread_cond_signal(&queue->due);
    bool late = false;
    while (queue->committed < target && queue->state != NS_STORE_corrupt && !late)
        late = pthread_cond_timedwait(&queue->change, &queue->lock, &until) == ETIMEDOUT;
    ns_status status = NS_OK;
    if (queue->committed < target)
        status = queue->state == NS_STORE_corrupt
                     ? ns_fail(err, NS_CORRUPT, "%s", queue->error)
                     : ns_fail(err, NS_TIMEOUT, "%llu rows are not committed after %d ms%s%.200s",
                               (unsigned long long)(target - queue->committed), wait_ms,
                               queue->error[0] == '\0' ? "" : ": ", queue->error);
    (void)pthread_mutex_unlock(&queue->lock);
    return status;
}

void ns_row_queue_status(ns_row_queue *queue, ns_store_status *out)
{
    (void)pthread_mutex_lock(&queue->lock);
    out->state = queue->state;
    out->put = queue->put;
    out->committed = queue->committed;
    out->dropped = queue->dropped;
    (void)snprintf(out->error, sizeof out->error, "%s", queue->error);
    (void)pthread_mutex_unlock(&queue->lock);
}
