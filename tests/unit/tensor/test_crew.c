/* A crew: everybody does the work once, and at a meeting sees what the others did before it. */
#include "check.h"

#include "tensor/crew.h"

#include <stdatomic.h>

enum { MEETINGS = 100 };

typedef struct bee {
    ns_crew *crew;
    size_t seen[NS_CREW_MAX]; /* plain memory: the meetings must order it */
    atomic_size_t wrong, turns;
} bee;

static void work(void *self, size_t rank)
{
    bee *b = self;
    atomic_fetch_add(&b->turns, 1);
    for (size_t i = 1; i <= MEETINGS; i++) {
        b->seen[rank] = i;
        ns_crew_meet(b->crew);
        for (size_t other = 0; other < ns_crew_size(b->crew); other++)
            if (b->seen[other] != i)
                atomic_fetch_add(&b->wrong, 1);
        ns_crew_meet(b->crew);
    }
}

static void all_meet(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 5; size++) {
        bee b = {0};
        ns_error err;
        CHECK_OK(ns_crew_new(size, &b.crew, &err));
        for (int round = 0; round < 5; round++)
            ns_crew_run(b.crew, work, &b);
        CHECK_INT(0, atomic_load(&b.wrong));
        CHECK_INT(5 * size, atomic_load(&b.turns));
        ns_crew_free(b.crew);
    }
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_meet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
