#include "check.h"

#include "prediction/log_lines.h"
#include "prediction/sketch.h"
#include "prediction/status_lines.h"

static void check_template(const char *line, const char *wanted)
{
    char out[NS_TEMPLATE_MAX];
    ns_text got = ns_template_text(ns_text_of(line), out);
    if (!ns_text_is(got, wanted))
        fail_msg("\"%s\": \"%.*s\" instead of \"%s\"", line, (int)got.len, got.at, wanted);
}

static void what_changes_from_build_to_build_goes(void **state)
{
    (void)state;
    static const struct {
        const char *line, *form;
    } cases[] = {
        /* numbers */
        {"Tests run: 12, Failures: 3, Errors: 0", "Tests run: 1, Failures: 1, Errors: 0"},
        {"0 errors, 10 warnings", "0 errors, 1 warnings"},
        {"errors=0", "errors=0"},
        {"errors=00", "errors=0"},
        {"thread-0 pool-12", "thread-1 pool-1"},
        {"lambda$main$0", "lambda$main$1"},
        {"version 0.0.0", "version 1"},
        {"version 1.2.3-SNAPSHOT", "version 1-SNAPSHOT"},
        {"python3.11", "python1"},
        {"1,234,567 files", "1 files"},
        {"loss 1.5e-07", "loss 1"},
        {"0 % done", "1 % done"},
        {"  3%", "1%"},
        {"Missing lines 1-3, 5, 17-20, 44", "Missing lines 1"},
        {"0, 0 and 1, 0", "0, 0 and 1, 0"},
        {"10.0.0.17:8080", "1"},
        {"localhost:8080", "localhost:1"},
        /* times */
        {"took 0.00 s", "took 1s"},
        {"took 950 ms", "took 1s"},
        {"took 1 min 3.5 sec", "took 1s"},
        {"took 1m30s today", "took 1s today"},
        {"(1.23 seconds)", "(1s)"},
        {"at 12:30:01.123", "at 1"},
        {"at 00:00:00", "at 1"},
        {"on 2026-11-23T22:40:01.123Z", "on 1"},
        {"on 2026-11-23 22:40:01 +0100", "on 1 +1"},
        {"Mon Nov 23 22:40:01 UTC 2026", "1 UTC 1"},
        {"Built: Tue, 03 Jan 2017 10:00:00 GMT", "Built: 1 GMT"},
        {"Nov 23, 2026 10:11:12 PM x", "1 x"},
        {"March of May", "March of May"},
        /* sizes */
        {"12.5 MB of 300kB", "1B of 1B"},
        {"0 bytes", "1B"},
        {"512M heap", "1B heap"},
        /* ids */
        {"commit 4f3a9bc1d2", "commit #"},
        {"deadbeef", "deadbeef"},
        {"at 0x7fff5fbff8c0", "at #"},
        {"id 8cd2757a-5b4b-48b0-86b6-dea7f70397e6.", "id #."},
        {"Cart@1f2e3d", "Cart@#"},
        {"mail a@b1.example", "mail a@b1.example"},
        {"sha512-Zm9vYmFyMTIzNDU2Nzg5MEFCQ0RFRg==", "sha1-#="},
        {"tmpa1b2_xyz", "tmp#"},
        {"tmp.AbCdEfGhIj gone", "tmp# gone"},
        {"tmpfile gone", "tmpfile gone"},
        /* paths */
        {"open /tmp/a81/x.log", "open /x.log"},
        {"open /tmp/xyz123", "open /tmp"},
        {"in /home/me/src/", "in /src"},
        {"src/main/java/shop/Cart.java:12: error", "src/Cart.java:1: error"},
        {"C:\\work\\shop\\cart.c(12)", "/cart.c(1)"},
        {"see https://ci.example/job/9/log?token=abc now", "see https://ci.example/log now"},
        {"a/b", "a/b"},
        /* progress */
        {"......", "."},
        {"..F.s.E. [ 12%]", ".FE [ 1%]"},
        {"F..", ".F"},
        {"tests/test_cart.py ....x..", "tests/test_cart.py ."},
        {"...FAILED", ".FAILED"},
        {"[=====>     ] 45%", "[=] 1%"},
        {"---------- done", "- done"},
        {"\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81\xe2\x94\x81 x", "\xe2\x94\x81 x"},
        /* verbs */
        {"Downloading https://repo.example/a/b-1.2.jar", "Downloading ~"},
        {"[INFO] Downloaded from central: https://repo.example/b.pom (2 kB at 7 kB/s)", "Downloaded ~"},
        {"Downloading b failed", "Downloading b failed"},
        {"Get:12 http://deb.example stable/main amd64 libx 1.2", "Get:~"},
        {"\xe2\x94\x9c\xe2\x94\x80\xe2\x94\x80 left-pad@1.3.0", "+- ~"},
        {"+-- UNMET PEER DEPENDENCY react@15", "+- UNMET PEER DEPENDENCY react@1"},
        /* the rest stays */
        {"  E   AssertionError: got \xc3\xa9", "E AssertionError: got \xc3\xa9"},
        {"bad \xff\xfe bytes", "bad ? bytes"},
        {"", ""},
        {"1", "1"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++)
        check_template(cases[i].line, cases[i].form);
}

static void templates_are_cut_at_a_character(void **state)
{
    (void)state;
    char line[2 * NS_TEMPLATE_MAX], out[NS_TEMPLATE_MAX];
    for (size_t shift = 0; shift < 4; shift++) {
        size_t n = 0;
        while (n < shift)
            line[n++] = 'x';
        for (size_t i = 0; n + 2 < sizeof line; i++, n += 2)
            memcpy(&line[n], i % 2 == 0 ? "\xc3\xa9" : "\xc3\xa8", 2);
        ns_text got = ns_template_text((ns_text){line, n}, out);
        CHECK(got.len <= NS_TEMPLATE_MAX && got.len + 2 > NS_TEMPLATE_MAX);
        for (size_t at = 0, step; at < got.len; at += step)
            CHECK((step = ns_utf8_sequence((ns_text){got.at + at, got.len - at})) > 0);
    }
    CHECK(ns_template_hash(NS_TEXT("a")) != ns_template_hash(NS_TEXT("b")));
}

static void lines_that_give_the_outcome_away_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        ns_line_kind kind;
    } cases[] = {
        {"Finished: FAILURE", NS_LINE_afterwards},
        {"Finished: something", NS_LINE_outcome},
        {"Job Finished: no", NS_LINE_readable},
        {"[INFO] BUILD SUCCESS", NS_LINE_outcome},
        {"BUILD FAILED in 3s", NS_LINE_outcome},
        {"make[2]: *** [Makefile:7: all] Error 2", NS_LINE_outcome},
        {"make: *** No rule to make target", NS_LINE_outcome},
        {"remake it: Error 12", NS_LINE_outcome},
        {"Error 12 in line", NS_LINE_readable},
        {"The command \"make test\" exited with 0.", NS_LINE_outcome},
        {"ERROR: script returned exit code 1", NS_LINE_outcome},
        {"npm ERR! Exit status 1", NS_LINE_outcome},
        {"##[error]Process completed with exit code 1.", NS_LINE_outcome},
        {"# of errors", NS_LINE_readable},
        {"Stage \"Deploy\" skipped due to earlier failure(s)", NS_LINE_outcome},
        {"[shop] ......... SUCCESS [  1.2 s]", NS_LINE_outcome},
        {"Post job cleanup.", NS_LINE_afterwards},
        {"[Pipeline] { (Declarative: Post Actions)", NS_LINE_afterwards},
        {"[Pipeline] sh", NS_LINE_frame},
        {"travis_fold:start:script", NS_LINE_frame},
        {"travis_fold:start:after_failure", NS_LINE_afterwards},
        {"section_start:1605:after_script", NS_LINE_afterwards},
        {"Success", NS_LINE_outcome},
        {"Success of cart", NS_LINE_readable},
        {"--------", NS_LINE_frame},
        {"{", NS_LINE_frame},
        {"", NS_LINE_frame},
        {"cart_test.go:20: got status 500, want 200", NS_LINE_readable},
        {"Tests run: 12, Failures: 1", NS_LINE_readable},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++)
        if (ns_line_kind_of(ns_text_of(cases[i].line)) != cases[i].kind)
            fail_msg("\"%s\" is of kind %d", cases[i].line, (int)ns_line_kind_of(ns_text_of(cases[i].line)));
}

/* Numbers of the readable lines, joined with blanks; the open one behind '~'. */
static void numbers(const char *log, size_t step, char *out, size_t size)
{
    ns_log_lines lines;
    ns_log_line line;
    char form[NS_TEMPLATE_MAX];
    ns_text all = ns_text_of(log);
    size_t n = 0;
    out[0] = '\0';
    ns_log_lines_init(&lines);
    for (size_t at = 0; at < all.len; at += step) {
        ns_text rest = {all.at + at, all.len - at < step ? all.len - at : step};
        while (ns_log_lines_next(&lines, &rest, &line))
            n += (size_t)snprintf(out + n, size - n, "%lld ", (long long)line.number);
    }
    if (ns_log_lines_open(&lines, &line, form))
        (void)snprintf(out + n, size - n, "~%lld", (long long)line.number);
}

static void nothing_behind_the_end_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *log, *lines;
    } cases[] = {
        {"a\n\nb\nFinished: SUCCESS\nc\nd", "1 3 "},
        {"a\nBUILD FAILED\nb", "1 ~3"},
        {"[2026-11-23T22:40:01.123Z] a\n[2026-11-23T22:40:01.123Z] Finished: FAILURE\nb\n", "1 "},
        {"a\ntravis_fold:start:after_script\r\x1b[0K$ ./report\nfailed\n", "1 "},
        {"a\ntravis_fold:start:script\r\x1b[0K$ ./test\nfine\n", "1 2 3 "},
        {"a\nFinished: FAILURE", "1 "},
        {"a\ntravis_fold:start:after_failure\r\x1b[0K$ ./report", "1 "},
    };
    char out[256];
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++)
        for (size_t step = 1; step < 12; step++) {
            numbers(cases[i].log, step, out, sizeof out);
            CHECK_STRING(cases[i].lines, out);
        }
}

static uint64_t hash_of(const char *line)
{
    char form[NS_TEMPLATE_MAX];
    return ns_template_hash(ns_template_text(ns_text_of(line), form));
}

static void sketches_hold_the_templates_of_readable_lines(void **state)
{
    (void)state;
    ns_sketch *one = ns_sketch_of_log(NS_TEXT("build 17\nbuild 18\nFinished: SUCCESS\nlater\n"));
    ns_sketch *same = ns_sketch_of_log(NS_TEXT("build 1\nbuild 2\nFinished: FAILURE\n"));
    ns_sketch *other = ns_sketch_of_log(NS_TEXT("open"));
    ns_sketch *none = ns_sketch_of_log(NS_TEXT(""));
    CHECK(one != NULL && same != NULL && other != NULL && none != NULL);
    CHECK_INT(1, one->count);
    CHECK_INT(2, one->lines);
    CHECK_INT(NS_TEMPLATE_VERSION, one->version);
    CHECK(one->content == same->content && one->content != other->content && one->content != none->content);
    const ns_sketch *const both[] = {none, other, one};
    CHECK(ns_sketches_have(both, 3, hash_of("build 99")) && ns_sketches_have(both, 3, hash_of("open")));
    CHECK(!ns_sketches_have(both, 3, hash_of("later")) && !ns_sketches_have(both, 2, hash_of("build 99")));
    ns_sketch_free(one);
    ns_sketch_free(same);
    ns_sketch_free(other);
    ns_sketch_free(none);
    for (long n = 0; n < 2; n++) {
        ns_mem_fail_after(n);
        CHECK(ns_sketch_of_log(NS_TEXT("x\n")) == NULL);
        ns_mem_fail_after(-1);
        CHECK_INT(0, ns_mem_live());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_from_build_to_build_goes),
        cmocka_unit_test(templates_are_cut_at_a_character),
        cmocka_unit_test(lines_that_give_the_outcome_away_are_known),
        cmocka_unit_test(nothing_behind_the_end_is_read),
        cmocka_unit_test(sketches_hold_the_templates_of_readable_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
