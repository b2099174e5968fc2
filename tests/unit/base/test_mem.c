#include "check.h"

static void what_is_alive_is_counted(void **state)
{
    (void)state;
    CHECK_INT(0, ns_mem_live());
    int *numbers = NS_NEW_ARRAY(int, 100);
    char *text = ns_strdup("build"), *part = ns_strndup("building", 5);
    CHECK(numbers != NULL && text != NULL && part != NULL);
    CHECK_INT(0, numbers[0] | numbers[99]);
    CHECK_STRING(text, part);
    CHECK_INT(3, ns_mem_live());
    numbers[99] = 7;
    numbers = ns_realloc(numbers, 1000, sizeof *numbers);
    CHECK(numbers != NULL && numbers[99] == 7);
    CHECK_INT(3, ns_mem_live());
    char *fresh = ns_realloc(NULL, 0, 1);
    CHECK(fresh != NULL);
    CHECK_INT(4, ns_mem_live());
    ns_free(numbers);
    ns_free(text);
    ns_free(part);
    ns_free(fresh);
    ns_free(NULL);
    CHECK_INT(0, ns_mem_live());
}

static void too_much_is_refused(void **state)
{
    (void)state;
    size_t half = SIZE_MAX / 2;
    CHECK(ns_alloc(half, 3) == NULL);
    CHECK(ns_realloc(NULL, half, 3) == NULL);
    CHECK(ns_strndup("x", SIZE_MAX) == NULL);
    CHECK_INT(0, ns_mem_live());
}

static void the_nth_request_fails_and_all_behind_it(void **state)
{
    (void)state;
    ns_mem_fail_after(2);
    char *a = ns_alloc(1, 1), *b = ns_strdup("b");
    CHECK(a != NULL && b != NULL);
    CHECK(ns_alloc(1, 1) == NULL && ns_strdup("c") == NULL);
    CHECK(ns_realloc(a, 1, 100) == NULL); /* the old block stays */
    CHECK_INT(2, ns_mem_live());
    ns_mem_fail_after(-1);
    ns_free(a);
    ns_free(b);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_alive_is_counted),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(the_nth_request_fails_and_all_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
