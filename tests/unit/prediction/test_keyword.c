#include "check.h"

#include "base/rng.h"
#include "prediction/keyword.h"
#include "prediction/sketch.h"

static ns_predictor predictor;

static int set_up(void **state)
{
    (void)state;
    return ns_keyword_predictor_new(&predictor, NULL) == NS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    predictor.free(predictor.self);
    return ns_mem_live() == 0 ? 0 : -1;
}

static ns_prediction predict(const char *log, const ns_text *references, size_t count)
{
    ns_prediction out;
    ns_sketch *sketches[4];
    CHECK(count <= NS_COUNT_OF(sketches));
    for (size_t i = 0; i < count; i++)
        CHECK((sketches[i] = ns_sketch_of_log(references[i])) != NULL);
    ns_reading *reading = predictor.begin(predictor.self, (const ns_sketch *const *)sketches, count);
    CHECK(reading != NULL);
    CHECK_OK(predictor.feed(predictor.self, reading, ns_text_of(log)));
    predictor.score(predictor.self, reading, &out);
    predictor.end(predictor.self, reading);
    for (size_t i = 0; i < count; i++)
        ns_sketch_free(sketches[i]);
    return out;
}

static void causes_are_told_by_what_tools_print(void **state)
{
    (void)state;
    static const struct {
        const char *log;
        ns_cause cause;
    } cases[] = {
        {"[ERROR] COMPILATION ERROR : \n[ERROR] /src/A.java:[12,8] cannot find symbol\n", NS_CAUSE_compile_error},
        {"src/main.c:14:3: error: expected ';' before 'return'\n", NS_CAUSE_compile_error},
        {"./service.go:27:9: undefined: maxItems\n", NS_CAUSE_compile_error},
        {"src/app.ts(3,1): error TS2304: Cannot find name 'x'.\n", NS_CAUSE_compile_error},
        {"Tests run: 12, Failures: 1, Errors: 0, Skipped: 0 <<< FAILURE! - in shop.CartTest\n", NS_CAUSE_test_failure},
        {"--- FAIL: TestCart (0.01s)\n    cart_test.go:20: got status 500, want 200\n", NS_CAUSE_test_failure},
        {"=== 2 failed, 30 passed in 4.1s ===\n", NS_CAUSE_test_failure},
        {"[unit] --- FAIL: TestCart (9.01s)\n    cart_test.go:20: context deadline exceeded after 9s: server did not "
         "become ready\n",
         NS_CAUSE_flaky_test},
        {"FAIL test/cart.test.js (6.1 s)\n    thrown: \"Exceeded timeout of 5000 ms for a test.\n",
         NS_CAUSE_flaky_test},
        {"[ERROR] Tests run: 9, Failures: 0, Errors: 1 <<< ERROR!\njava.util.concurrent.TimeoutException: condition\n",
         NS_CAUSE_flaky_test},
        {"npm ERR! code ERESOLVE\nnpm ERR! ERESOLVE could not resolve\n", NS_CAUSE_dependency},
        {"ERROR: No matching distribution found for foo==9.9\n", NS_CAUSE_dependency},
        {"[ERROR] Could not transfer artifact a:b:pom:1 from/to nexus (https://n): 503 Service Unavailable\n",
         NS_CAUSE_registry_outage},
        {"fatal: unable to access 'https://git.example/x.git/': Could not resolve host: git.example\n",
         NS_CAUSE_registry_outage},
        {"java.lang.OutOfMemoryError: Java heap space\n", NS_CAUSE_out_of_memory},
        {"FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n", NS_CAUSE_out_of_memory},
        {"/tmp/script.sh: line 3: 1234 Killed\n", NS_CAUSE_out_of_memory},
        {"tar: /tmp/x: Cannot write: No space left on device\n", NS_CAUSE_disk_full},
        {"Cancelling nested steps due to timeout\nSending interrupt signal to process\n", NS_CAUSE_timeout},
        {"Cannot contact agent-3: java.lang.InterruptedException\nAgent agent-3 went offline during the build\n",
         NS_CAUSE_agent_lost},
        {"ERROR: Could not find credentials entry with ID 'x'\n", NS_CAUSE_config},
        {"error: deployment \"carts\" exceeded its progress deadline\ncarts-1 0/1 CrashLoopBackOff 4\n",
         NS_CAUSE_bad_release},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_prediction out = predict(cases[i].log, NULL, 0);
        if (out.decision != NS_PREDICTED_failure || out.cause != cases[i].cause)
            fail_msg("%s: %s of %s, wanted %s", cases[i].log, ns_predicted_name(out.decision), ns_cause_name(out.cause),
                     ns_cause_name(cases[i].cause));
        double sum = 0.0;
        for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
            sum += out.cause_probability[c];
        CHECK_NEAR(1.0, sum, 1e-12);
        CHECK(out.evidence_count > 0 && out.evidence[0].line >= 1);
    }
}

static void a_plain_failing_test_stays_possibly_flaky(void **state)
{
    (void)state;
    ns_prediction out = predict("--- FAIL: TestCart (0.01s)\n", NULL, 0);
    CHECK(out.cause_probability[NS_CAUSE_test_failure] > 2.0 * out.cause_probability[NS_CAUSE_flaky_test]);
    CHECK(out.cause_probability[NS_CAUSE_flaky_test] > 0.05);
}

static void allowed_failures_do_not_alarm(void **state)
{
    (void)state;
    static const char *const logs[] = {
        "",
        "all is well\n",
        "[WARNING] deprecated API used\nwarning: unused variable 'x'\n",
        "[ERROR] download failed, retrying in 5 s (attempt 2 of 5)\n",
        "+ grep -q ERROR build.log || echo 'FAILED'\n",
        "make: [Makefile:10: lint] Error 1 (ignored)\n",
        "Tests run: 12, Failures: 0, Errors: 0, Skipped: 0\n",
        "0 errors, 0 failures\n5 passed, 0 failed\n",
        "[INFO] Error page rendered\n",
    };
    for (size_t i = 0; i < NS_COUNT_OF(logs); i++) {
        ns_prediction out = predict(logs[i], NULL, 0);
        if (out.decision != NS_PREDICTED_success || out.cause != NS_CAUSE_none || out.fail_probability > 0.5)
            fail_msg("%s: %g", logs[i], out.fail_probability);
    }
}

static void the_verdict_itself_is_not_read(void **state)
{
    (void)state;
    double calm = predict("compiling\n", NULL, 0).fail_probability;
    static const char *const verdicts[] = {
        "compiling\nFinished: FAILURE\n",
        "compiling\n[INFO] BUILD FAILURE\n",
        "compiling\nBUILD FAILED in 3s\n",
        "compiling\nERROR: script returned exit code 1\n",
        "compiling\nmake: *** [Makefile:3: all] Error 2\n",
        "compiling\nThe command \"make\" exited with 2.\n",
        "compiling\nBuild step 'Execute shell' marked build as failure\n",
        "compiling\nError: Process completed with exit code 1.\n",
    };
    for (size_t i = 0; i < NS_COUNT_OF(verdicts); i++)
        CHECK_NEAR(calm, predict(verdicts[i], NULL, 0).fail_probability, 0.0);
}

static void references_take_weight_from_what_was_survived(void **state)
{
    (void)state;
    const char *log = "ok\n[ERROR] Could not transfer artifact a:b:1 from/to n1: timed out\n"
                      "Tests run: 4, Failures: 2, Errors: 0\n";
    const ns_text greens[] = {NS_TEXT("[2026-01-01T00:00:00Z] [ERROR] Could not transfer artifact a:b:7 from/to n22: "
                                      "timed out\nTests run: 9, Failures: 0, Errors: 0\n")};
    ns_prediction alone = predict(log, NULL, 0), compared = predict(log, greens, 1);
    CHECK_INT(2, alone.evidence_count);
    CHECK(alone.evidence[0].is_new && alone.evidence[1].is_new);
    CHECK_INT(1, compared.references);
    CHECK_INT(1, compared.evidence_count); /* the survived line weighs too little to be shown */
    CHECK_INT(3, compared.evidence[0].line);
    CHECK(compared.evidence[0].is_new);
    const ns_text both[] = {ns_text_of(log)};
    CHECK(predict(log, both, 1).decision == NS_PREDICTED_success);
}

static void evidence_is_sorted_bounded_and_readable(void **state)
{
    (void)state;
    ns_buf log;
    ns_buf_init(&log, 1u << 20);
    for (int i = 0; i < 300; i++)
        CHECK_OK(ns_buf_printf(&log, "ERROR in module %c%c\n", 'a' + i % 26, 'a' + i / 26));
    CHECK_OK(ns_buf_string(&log, "AssertionError: \xff\xfe got \xc3\xa9\n"));
    ns_prediction out = predict(log.at, NULL, 0);
    ns_buf_clear(&log);
    CHECK_INT(NS_EVIDENCE_MAX, out.evidence_count);
    CHECK_INT(301, out.evidence[0].line);
    CHECK_STRING("AssertionError: ?? got \xc3\xa9", out.evidence[0].text);
    for (size_t i = 1; i < out.evidence_count; i++)
        CHECK(out.evidence[i - 1].weight >= out.evidence[i].weight);
    CHECK_INT(1, out.evidence[1].line); /* of equals the first */
    CHECK_INT(301, out.lines);
}

static void the_same_line_again_counts_once(void **state)
{
    (void)state;
    double once = predict("error: one thing 17\n", NULL, 0).fail_probability;
    CHECK_NEAR(
        once, predict("error: one thing 17\nerror: one thing 18\nerror: one thing 9\n", NULL, 0).fail_probability, 0.0);
}

/* Words that rules and the cleaner care about, strung together at random. */
static void random_log(ns_rng *rng, ns_buf *out)
{
    static const char *const words[] = {
        "error: ",  "FAILED",       "\n",          "\r",        "\r\n",
        "\x1b[31m", "Failures",     ": ",          "1",         "0",
        "Killed",   "\x1b[8mha:AA", "\x1b[0m",     "timed out", "No space left on device",
        " ",        "\n",           "[ERROR] ",    "retrying",  "\xc3\xa9",
        "\xff",     "\n",           "panicked at", "137"};
    for (uint64_t i = 0, n = 5 + ns_rng_below(rng, 120); i < n; i++)
        CHECK_OK(ns_buf_string(out, words[ns_rng_below(rng, NS_COUNT_OF(words))]));
}

static void cutting_changes_nothing(void **state)
{
    (void)state;
    ns_rng rng;
    ns_rng_seed(&rng, 4);
    for (int round = 0; round < 300; round++) {
        ns_buf log;
        ns_buf_init(&log, 1u << 20);
        random_log(&rng, &log);
        ns_prediction whole = predict(log.at, NULL, 0), pieces;
        ns_reading *reading = predictor.begin(predictor.self, NULL, 0);
        for (size_t at = 0; at < log.len;) {
            size_t n = 1 + ns_rng_below(&rng, 9);
            n = n < log.len - at ? n : log.len - at;
            CHECK_OK(predictor.feed(predictor.self, reading, (ns_text){log.at + at, n}));
            predictor.score(predictor.self, reading, &pieces); /* looking changes nothing either */
            at += n;
        }
        predictor.end(predictor.self, reading);
        CHECK(memcmp(&whole, &pieces, sizeof whole) == 0);
        ns_buf_clear(&log);
    }
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    size_t before = ns_mem_live();
    for (long n = 0; n < 5; n++) {
        ns_mem_fail_after(n);
        ns_sketch *green = ns_sketch_of_log(NS_TEXT("error: a\nerror: b\n"));
        const ns_sketch *const greens[] = {green};
        ns_reading *reading = green == NULL ? NULL : predictor.begin(predictor.self, greens, 1);
        if (reading != NULL)
            (void)predictor.feed(predictor.self, reading, NS_TEXT("error: c\nFAILED\n"));
        predictor.end(predictor.self, reading);
        ns_sketch_free(green);
        ns_mem_fail_after(-1);
        CHECK_INT(before, ns_mem_live());
    }
    bool made = false;
    for (long n = 0; !made; n += n < 20 ? 1 : 37) {
        ns_predictor other;
        ns_mem_fail_after(n);
        made = ns_keyword_predictor_new(&other, NULL) == NS_OK;
        ns_mem_fail_after(-1);
        if (made)
            other.free(other.self);
        CHECK_INT(before, ns_mem_live());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causes_are_told_by_what_tools_print),
        cmocka_unit_test(a_plain_failing_test_stays_possibly_flaky),
        cmocka_unit_test(allowed_failures_do_not_alarm),
        cmocka_unit_test(the_verdict_itself_is_not_read),
        cmocka_unit_test(references_take_weight_from_what_was_survived),
        cmocka_unit_test(evidence_is_sorted_bounded_and_readable),
        cmocka_unit_test(the_same_line_again_counts_once),
        cmocka_unit_test(cutting_changes_nothing),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
