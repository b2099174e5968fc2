#include "base/queue.h"
#include "check.h"

#include <pthread.h>

static void first_in_first_out_and_full_says_busy(void **state)
{
    int items[5];
    ns_queue *queue = ns_queue_new(3);
    (void)state;
    CHECK(ns_queue_take(queue, 0) == NULL);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 3; i++)
            CHECK_OK(ns_queue_put(queue, &items[i]));
        CHECK_STATUS(NS_BUSY, ns_queue_put(queue, &items[3]));
        CHECK_INT(3, ns_queue_length(queue));
        CHECK(ns_queue_take(queue, 0) == &items[0]);
        CHECK_OK(ns_queue_put(queue, &items[4]));
        CHECK(ns_queue_take(queue, 0) == &items[1]);
        CHECK(ns_queue_take(queue, -1) == &items[2]);
        CHECK(ns_queue_take(queue, 1000) == &items[4]);
        CHECK_INT(0, ns_queue_length(queue));
    }
    ns_queue_free(queue);
    ns_queue_free(NULL);
    CHECK_INT(0, ns_mem_live());
}

static void a_closed_queue_gives_what_is_left_then_nothing(void **state)
{
    int item;
    ns_queue *queue = ns_queue_new(2);
    (void)state;
    CHECK_OK(ns_queue_put(queue, &item));
    CHECK(!ns_queue_closed(queue));
    ns_queue_close(queue);
    CHECK(ns_queue_closed(queue));
    CHECK_STATUS(NS_CANCELLED, ns_queue_put(queue, &item));
    CHECK(ns_queue_take(queue, -1) == &item);
    CHECK(ns_queue_take(queue, -1) == NULL);
    CHECK(ns_queue_take(queue, 60000) == NULL);
    ns_queue_free(queue);
}

static void a_wait_ends_by_itself(void **state)
{
    ns_queue *queue = ns_queue_new(1);
    (void)state;
    CHECK(ns_queue_take(queue, 1) == NULL);
    CHECK(ns_queue_take(queue, 1100) == NULL); /* more than a second: the carry of the nanoseconds */
    ns_queue_free(queue);
}

enum { MANY = 20000 };

static void *put_many(void *owner)
{
    ns_queue *queue = owner;
    for (intptr_t i = 1; i <= MANY;)
        if (ns_queue_put(queue, (void *)i) == NS_OK)
            i++;
    ns_queue_close(queue);
    return NULL;
}

static void two_threads_lose_nothing_and_keep_the_order(void **state)
{
    ns_queue *queue = ns_queue_new(7);
    pthread_t putter;
    intptr_t wanted = 1;
    (void)state;
    CHECK_INT(0, pthread_create(&putter, NULL, put_many, queue));
    for (void *item; (item = ns_queue_take(queue, -1)) != NULL; wanted++)
        CHECK_INT(wanted, (intptr_t)item);
    CHECK_INT(MANY + 1, wanted);
    CHECK_INT(0, pthread_join(putter, NULL));
    ns_queue_free(queue);
}

static void without_memory_there_is_no_queue(void **state)
{
    (void)state;
    for (long n = 0; n < 2; n++) {
        ns_mem_fail_after(n);
        CHECK(ns_queue_new(4) == NULL);
        ns_mem_fail_after(-1);
        CHECK_INT(0, ns_mem_live());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_in_first_out_and_full_says_busy),
        cmocka_unit_test(a_closed_queue_gives_what_is_left_then_nothing),
        cmocka_unit_test(a_wait_ends_by_itself),
        cmocka_unit_test(two_threads_lose_nothing_and_keep_the_order),
        cmocka_unit_test(without_memory_there_is_no_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
