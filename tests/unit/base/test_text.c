#include "check.h"

static void numbers_are_strict(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-42", true, -42},
        {"+7", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x10", false, 0},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        int64_t value = 77;
        CHECK_INT(cases[i].good, ns_text_int64(ns_text_of(cases[i].text), &value));
        CHECK_INT(cases[i].good ? cases[i].value : 77, value);
    }
}

static void copies_are_cut_between_characters(void **state)
{
    (void)state;
    char out[5];
    CHECK(!ns_text_copy(out, sizeof out, ns_text_of("abc\xc3\xa9z")));
    CHECK_STRING("abc", out);
    CHECK(ns_text_copy(out, sizeof out, ns_text_of("ab\xc3\xa9")));
    CHECK_STRING("ab\xc3\xa9", out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(copies_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
