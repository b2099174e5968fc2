/* Console bytes into text: the same however they are cut. */
#include "check.h"

#include "telemetry/console_text.h"

static const struct {
    const char *raw;
    const char *text;
} cases[] = {
    {"plain\nlines\n", "plain\nlines\n"},
    {"a\r\nb\rc\r\r\nd", "a\nb\rc\r\nd"},
    {"ends in return\r", "ends in return\r"},
    {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
    {"bad \xff\xfe end", "bad \xef\xbf\xbd\xef\xbf\xbd end"},
    {"cut \xe2\x82x", "cut \xef\xbf\xbdx"},
    {"cut at the end \xf0\x9f\x98", "cut at the end \xef\xbf\xbd"},
    {"overlong \xc0\xaf, surrogate \xed\xa0\x80",
     "overlong \xef\xbf\xbd\xef\xbf\xbd, surrogate \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\x1b[8mha:AAAA+/=\x1b[0mStarted by user\n", "Started by user\n"},
    {"x\x1b[8mha:AA\x1b[0my\x1b[8mha:BB\x1b[0mz", "xyz"},
    {"colour \x1b[31mred\x1b[0m stays", "colour \x1b[31mred\x1b[0m stays"},
    {"\x1b[8mhidden", "\x1b[8mhidden"},
    {"a note \x1b[8mha:AAAA that is none\nnext line", "a note \nnext line"},
    {"ends in a note \x1b[8mha:AAAA", "ends in a note "},
    {"\x1b\x1b[8mha:A\x1b[0m\x1b", "\x1b\x1b"},
};

static void check_cut(const char *raw, const char *wanted, size_t step)
{
    ns_console console;
    ns_buf out;
    ns_console_init(&console);
    ns_buf_init(&out, 4096);
    size_t len = strlen(raw);
    for (size_t at = 0; at < len; at += step)
        CHECK_OK(ns_console_put(&console, (ns_text){raw + at, len - at < step ? len - at : step}, &out));
    CHECK_OK(ns_console_end(&console, &out));
    if (wanted[0] != '\0')
        CHECK_TEXT(wanted, ns_buf_view(&out));
    ns_buf_clear(&out);
}

static void every_case_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++)
        for (size_t step = 1; step < 40; step++)
            check_cut(cases[i].raw, cases[i].text, step);
}

static void a_nul_stays(void **state)
{
    (void)state;
    ns_console console;
    ns_buf out;
    ns_console_init(&console);
    ns_buf_init(&out, 64);
    CHECK_OK(ns_console_put(&console, (ns_text){"a\0b", 3}, &out));
    CHECK_INT(3, out.len);
    ns_buf_clear(&out);
}

static void what_is_held_back_is_counted(void **state)
{
    (void)state;
    static const struct {
        const char *raw;
        size_t held;
    } held[] = {{"abc", 0},      {"ab\xe2\x82", 2},      {"a\r", 1},
                {"a\x1b[8m", 4}, {"a\x1b[8mha:XYZ", 10}, {"a\x1b[8mha:X\x1b[0", 11}};
    for (size_t i = 0; i < NS_COUNT_OF(held); i++) {
        ns_console console;
        ns_buf out;
        ns_console_init(&console);
        ns_buf_init(&out, 64);
        CHECK_OK(ns_console_put(&console, ns_text_of(held[i].raw), &out));
        CHECK_INT(held[i].held, ns_console_held(&console));
        ns_buf_clear(&out);
    }
}

static void an_endless_note_swallows_no_log(void **state)
{
    (void)state;
    static char raw[200 * 1024];
    ns_console console;
    ns_buf out;
    memset(raw, 'A', sizeof raw);
    memcpy(raw, "\x1b[8mha:", 7);
    ns_console_init(&console);
    ns_buf_init(&out, sizeof raw);
    CHECK_OK(ns_console_put(&console, (ns_text){raw, sizeof raw}, &out));
    CHECK(out.len > 100 * 1024);
    ns_buf_clear(&out);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_however_it_is_cut),
        cmocka_unit_test(a_nul_stays),
        cmocka_unit_test(what_is_held_back_is_counted),
        cmocka_unit_test(an_endless_note_swallows_no_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
