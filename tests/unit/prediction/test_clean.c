#include "check.h"

#include "prediction/clean.h"
#include "prediction/hash_set.h"
#include "prediction/literals.h"

/* All lines of a log, joined with '|', the open one behind '~'; fed in pieces of `step` bytes. */
static void clean(const char *log, size_t len, size_t step, char *out)
{
    static ns_cleaner cleaner;
    ns_cleaner_init(&cleaner);
    size_t n = 0;
    for (size_t at = 0; at < len; at += step) {
        ns_text rest = {log + at, len - at < step ? len - at : step}, line;
        while (ns_cleaner_next(&cleaner, &rest, &line)) {
            memcpy(out + n, line.at, line.len);
            n += line.len;
            out[n++] = '|';
        }
    }
    ns_text open = ns_cleaner_open_line(&cleaner);
    out[n++] = '~';
    memcpy(out + n, open.at, open.len);
    out[n + open.len] = '\0';
}

static void codes_notes_and_redrawings_go(void **state)
{
    (void)state;
    static const struct {
        const char *log;
        const char *lines;
    } cases[] = {
        {"one\ntwo\n", "one|two|~"},
        {"one\r\ntwo", "one|~two"},
        {"\x1b[31mred\x1b[0m\n", "red|~"},
        {"\x1b[1;31mred\x1b[m plain\n", "red plain|~"},
        {"10 %\r20 %\r100 %\n", "100 %|~"},
        {"done\r   \n", "done   |~"},
        {"done\r\x1b[K\n", "done|~"},
        {"travis_fold:start:x\r\x1b[0Ktext\n", "text|~"},
        {"\x1b]0;title\x07shown\n", "shown|~"},
        {"\x1b]0;title\x1b\\shown\n", "shown|~"},
        {"\x1b(Bshown\n", "shown|~"},
        {"\x1b[8mha:////4AbCd+/=\x1b[0mStarted by user\n", "Started by user|~"},
        {"\x1b[8mha:////4AbCd+/=\x1b[0m[Pipeline] sh\x1b[8mha:x\x1b[0m\n", "[Pipeline] sh|~"},
        {"\x1b[8mhidden\x1b[0m\n", "hidden|~"},
        {"\x1b[8mha\x1b[0mx\n", "hax|~"},
        {"\x1b[8mha:never ends\nnext\n", "|next|~"},
        {"\x1b[3\nnext\n", "|next|~"},
        {"a\tb\x01"
         "c\n",
         "a bc|~"},
        {"\n\n", "||~"},
        {"", "~"},
    };
    char out[256];
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        for (size_t step = 1; step < 9; step++) {
            clean(cases[i].log, strlen(cases[i].log), step, out);
            CHECK_STRING(cases[i].lines, out);
        }
    }
}

static void long_lines_are_cut_not_joined(void **state)
{
    (void)state;
    static char log[3 * NS_LINE_MAX], out[4 * NS_LINE_MAX];
    memset(log, 'x', sizeof log);
    log[sizeof log - 1] = '\n';
    clean(log, sizeof log, 1000, out);
    CHECK_INT(NS_LINE_MAX + 2, strlen(out));
    CHECK_STRING("x|~", out + NS_LINE_MAX - 1);
}

static void stamps_are_skipped(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *rest;
    } cases[] = {
        {"[2026-11-23T22:40:01.123Z] + make", " + make"},
        {"2026-11-23T22:40:01.1234567Z ##[group]Run", " ##[group]Run"},
        {"2026-11-23 22:40:01,123 ERROR x", " ERROR x"},
        {"22:40:01  text", "  text"},
        {"[22:40:01] text", " text"},
        {"2026-11-23T22:40:01+01:00 text", " text"},
        {"[task 2018-03-01T10:00:00.000Z] 10:00:00     INFO - x", "INFO - x"},
        {"[ERROR] text", "[ERROR] text"},
        {"12:3 text", "12:3 text"},
        {"[0Ktext  ", "text"},
        {"2026-11-23", "2026-11-23"},
        {"", ""},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_text got = ns_text_trim(ns_line_skip_stamps(ns_text_of(cases[i].line)));
        char wanted[128];
        (void)snprintf(wanted, sizeof wanted, "%.*s", (int)ns_text_trim(ns_text_of(cases[i].rest)).len,
                       ns_text_trim(ns_text_of(cases[i].rest)).at);
        CHECK_TEXT(wanted, got);
    }
}

static void literals_find_overlapping_words(void **state)
{
    (void)state;
    static const char *const words[] = {"he", "she", "his", "hers", "error: ", "xyz"};
    ns_literals *literals = ns_literals_new(words, NS_COUNT_OF(words));
    ns_literal_set found;
    CHECK(literals != NULL);
    CHECK(ns_literals_scan(literals, NS_TEXT("uSHErs"), &found));
    CHECK(ns_literal_in(&found, 0) && ns_literal_in(&found, 1) && ns_literal_in(&found, 3));
    CHECK(!ns_literal_in(&found, 2) && !ns_literal_in(&found, 4));
    CHECK(ns_literals_scan(literals, NS_TEXT("fatal ERROR: x"), &found));
    CHECK(ns_literal_in(&found, 4));
    CHECK(!ns_literals_scan(literals, NS_TEXT("\xff nothing \x80"), &found));
    ns_literals_free(literals);
    for (long n = 0; n < 5; n++) {
        ns_mem_fail_after(n);
        literals = ns_literals_new(words, NS_COUNT_OF(words));
        ns_mem_fail_after(-1);
        CHECK((literals != NULL) == (n >= 5));
        ns_literals_free(literals);
    }
    CHECK_INT(0, ns_mem_live());
}

static void hash_sets_keep_their_ceiling(void **state)
{
    (void)state;
    ns_hash_set set;
    ns_hash_set_init(&set, 200);
    for (uint64_t i = 0; i < 200; i++)
        CHECK_OK(ns_hash_set_put(&set, i * 64));
    CHECK_STATUS(NS_TOO_LARGE, ns_hash_set_put(&set, 7));
    CHECK_STATUS(NS_CONFLICT, ns_hash_set_put(&set, 64));
    CHECK(ns_hash_set_has(&set, 0) && ns_hash_set_has(&set, 199 * 64) && !ns_hash_set_has(&set, 7));
    ns_hash_set_clear(&set);
    ns_mem_fail_after(0);
    CHECK_STATUS(NS_NO_MEMORY, ns_hash_set_put(&set, 1));
    ns_mem_fail_after(-1);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_notes_and_redrawings_go),
        cmocka_unit_test(long_lines_are_cut_not_joined),
        cmocka_unit_test(stamps_are_skipped),
        cmocka_unit_test(literals_find_overlapping_words),
        cmocka_unit_test(hash_sets_keep_their_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
