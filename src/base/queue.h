/*
 * A bounded queue of pointers between two threads: the only way threads of this program meet.
 *
 * Any thread may put and take. The queue borrows the pointers: what is put belongs to the taker once taken. A full
 * queue answers NS_BUSY: the putter decides what to drop, nobody waits for room.
 */
#ifndef NS_BASE_QUEUE_H
#define NS_BASE_QUEUE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ns_queue ns_queue;

NS_MUST_USE ns_queue *ns_queue_new(size_t capacity);
/* Items still inside are not freed: drain it first. */
void ns_queue_free(ns_queue *queue);

NS_MUST_USE ns_status ns_queue_put(ns_queue *queue, void *item);

/* The oldest item; NULL when there is none within wait_ms (0: do not wait, -1: wait until closed), or it is closed
 * and empty. */
void *ns_queue_take(ns_queue *queue, int wait_ms);

/* No more puts (NS_CANCELLED); takers get what is left, then NULL at once. */
void ns_queue_close(ns_queue *queue);
bool ns_queue_closed(ns_queue *queue);

size_t ns_queue_length(ns_queue *queue);

#endif
