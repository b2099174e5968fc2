#include "base/arena.h"
#include "check.h"

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    ns_arena *arena = ns_arena_new(1 << 20);
    (void)state;
    CHECK(arena != NULL);
    unsigned char *before = NULL;
    for (size_t n = 1; n < 3000; n = n * 2 + 1) {
        unsigned char *p = NS_TAKE(arena, unsigned char, n);
        CHECK(p != NULL && (uintptr_t)p % 64 == 0 && p != before);
        for (size_t i = 0; i < n; i++)
            CHECK_INT(0, p[i]);
        memset(p, 0xa5, n); /* writing one must not show in the next */
        before = p;
    }
    ns_arena_free(arena);
    CHECK_INT(0, ns_mem_live());
}

static void a_round_reuses_the_blocks_and_zeroes_them_again(void **state)
{
    ns_arena *arena = ns_arena_new(1 << 20);
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 10; i++) {
            unsigned char *p = NS_TAKE(arena, unsigned char, 50000);
            CHECK(p != NULL);
            CHECK_INT(0, p[0] | p[49999]);
            memset(p, 1, 50000);
        }
        ns_arena_reset(arena);
        CHECK_INT(0, ns_arena_used(arena));
    }
    /* The steady state asks for no memory: every request would fail now. */
    ns_mem_fail_after(0);
    for (int i = 0; i < 10; i++)
        CHECK(NS_TAKE(arena, unsigned char, 50000) != NULL);
    ns_mem_fail_after(-1);
    ns_arena_free(arena);
}

static void the_ceiling_holds(void **state)
{
    ns_arena *arena = ns_arena_new(1000);
    (void)state;
    CHECK(ns_arena_take(arena, 1, 1001) == NULL);
    CHECK(ns_arena_take(arena, SIZE_MAX / 2, 3) == NULL);
    CHECK(ns_arena_take(arena, SIZE_MAX, 1) == NULL);
    CHECK(ns_arena_text(arena, "", SIZE_MAX) == NULL);
    CHECK(ns_arena_take(arena, 1, 640) != NULL);
    CHECK(ns_arena_take(arena, 1, 640) == NULL);
    CHECK_INT(640, ns_arena_used(arena));
    ns_arena_reset(arena);
    CHECK(ns_arena_take(arena, 1, 640) != NULL);
    ns_arena_free(arena);
    ns_arena_free(NULL);
}

static void texts_are_copied_with_a_closing_nul(void **state)
{
    ns_arena *arena = ns_arena_new(1000);
    (void)state;
    CHECK_STRING("build", ns_arena_text(arena, "builds", 5));
    CHECK_STRING("", ns_arena_text(arena, NULL, 0));
    ns_arena_free(arena);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    ns_mem_fail_after(0);
    CHECK(ns_arena_new(100) == NULL);
    ns_mem_fail_after(1);
    ns_arena *arena = ns_arena_new(1000);
    CHECK(arena != NULL && ns_arena_take(arena, 1, 8) == NULL);
    CHECK_INT(0, ns_arena_used(arena));
    ns_mem_fail_after(-1);
    CHECK(ns_arena_take(arena, 1, 8) != NULL);
    ns_arena_free(arena);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(a_round_reuses_the_blocks_and_zeroes_them_again),
        cmocka_unit_test(the_ceiling_holds),
        cmocka_unit_test(texts_are_copied_with_a_closing_nul),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
