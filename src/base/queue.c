#include "base/queue.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct ns_queue {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t arrived;
    void **ring;
    size_t capacity;
    size_t first;
    size_t length;
    bool closed;
};

ns_queue *ns_queue_new(size_t capacity)
{
    NS_CHECK(capacity > 0);
    ns_queue *queue = NS_NEW(ns_queue);
    if (queue == NULL)
        return NULL;
    queue->ring = NS_NEW_ARRAY(void *, capacity);
    if (queue->ring == NULL) {
        ns_free(queue);
        return NULL;
    }
    queue->capacity = capacity;
    pthread_condattr_t monotonic;
    NS_CHECK(pthread_condattr_init(&monotonic) == 0);
    NS_CHECK(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    NS_CHECK(pthread_mutex_init(&queue->lock, NULL) == 0);
    NS_CHECK(pthread_cond_init(&queue->arrived, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    return queue;
}

void ns_queue_free(ns_queue *queue)
{
    if (queue == NULL)
        return;
    (void)pthread_cond_destroy(&queue->arrived);
    (void)pthread_mutex_destroy(&queue->lock);
    ns_free(queue->ring);
    ns_free(queue);
}

ns_status ns_queue_put(ns_queue *queue, void *item)
{
    NS_CHECK(item != NULL);
    (void)pthread_mutex_lock(&queue->lock);
    ns_status status = queue->closed ? NS_CANCELLED : queue->length == queue->capacity ? NS_BUSY : NS_OK;
    if (status == NS_OK) {
        queue->ring[(queue->first + queue->length) % queue->capacity] = item;
        queue->length++;
        (void)pthread_cond_signal(&queue->arrived);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return status;
}

static struct timespec in_ms(int wait_ms)
{
    struct timespec until;
    NS_CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return until;
}

void *ns_queue_take(ns_queue *queue, int wait_ms)
{
    struct timespec until = in_ms(wait_ms > 0 ? wait_ms : 0);
    (void)pthread_mutex_lock(&queue->lock);
    while (queue->length == 0 && !queue->closed && wait_ms != 0) {
        int rc = wait_ms < 0 ? pthread_cond_wait(&queue->arrived, &queue->lock)
                             : pthread_cond_timedwait(&queue->arrived, &queue->lock, &until);
        if (rc == ETIMEDOUT)
            break;
    }
    void *item = NULL;
    if (queue->length > 0) {
        item = queue->ring[queue->first];
        queue->first = (queue->first + 1) % queue->capacity;
        queue->length--;
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return item;
}

void ns_queue_close(ns_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->arrived);
    (void)pthread_mutex_unlock(&queue->lock);
}

bool ns_queue_closed(ns_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    bool closed = queue->closed;
    (void)pthread_mutex_unlock(&queue->lock);
    return closed;
}

size_t ns_queue_length(ns_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    size_t length = queue->length;
    (void)pthread_mutex_unlock(&queue->lock);
    return length;
}
