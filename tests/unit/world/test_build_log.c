#include "check.h"

#include "base/rng.h"
#include "world/build_log.h"

#include <ctype.h>

#define START 1795473540000

static const char *const services[] = {"carts", "catalogue", "front-end"};
static const ns_language languages[] = {NS_LANGUAGE_java, NS_LANGUAGE_go, NS_LANGUAGE_node};

static ns_build_plan plan_of(int language, uint64_t seed)
{
    ns_build_plan plan = {.language = languages[language],
                          .number = 42,
                          .text_seed = seed,
                          .trigger = NS_TRIGGER_scm,
                          .started_ms = START,
                          .tests_total = 137,
                          .ended_ms = -1,
                          .closed_ms = -1};
    (void)snprintf(plan.jenkins_job, sizeof plan.jenkins_job, "sock-shop/%s", services[language]);
    (void)snprintf(plan.service, sizeof plan.service, "%s", services[language]);
    (void)snprintf(plan.agent, sizeof plan.agent, "linux-2");
    (void)snprintf(plan.commit, sizeof plan.commit, "9f1c0a7be21d4455a0c3b1d2e3f405162738495a");
    return plan;
}

static ns_plan_stage stage_at(const ns_build_plan *plan, ns_stage_kind kind, ns_cause cause, bool noise)
{
    int64_t start = plan->stage_count == 0 ? START + 500 : plan->stage[plan->stage_count - 1].end_ms;
    return (ns_plan_stage){.kind = kind,
                           .start_ms = start,
                           .end_ms = start + 40000,
                           .cause = cause,
                           .evidence_ms = cause == NS_CAUSE_none ? -1 : start + 20000,
                           .severity = 0.5,
                           .noise = noise};
}

static void finish(ns_build_plan *plan, ns_build_result result)
{
    plan->ended_ms = plan->stage[plan->stage_count - 1].end_ms;
    plan->closed_ms = plan->ended_ms + 900;
    plan->result = result;
}

/* All stages up to `failing`, which fails of `cause` (none: the build is green). */
static ns_build_plan whole_plan(int language, uint64_t seed, ns_stage_kind failing, ns_cause cause)
{
    ns_build_plan plan = plan_of(language, seed);
    for (int kind = 0; kind <= (int)failing; kind++) {
        ns_cause here = kind == (int)failing ? cause : NS_CAUSE_none;
        plan.stage[plan.stage_count] = stage_at(&plan, (ns_stage_kind)kind, here, kind % 2 == 0);
        plan.stage_count++;
    }
    finish(&plan, cause == NS_CAUSE_none ? NS_BUILD_SUCCESS : NS_BUILD_FAILURE);
    return plan;
}

static size_t count_lines(ns_text text)
{
    size_t n = 0;
    ns_text line;
    while (ns_text_line(&text, &line))
        n++;
    return n;
}

static void read_all(ns_build_log_cache *cache, const ns_build_plan *plan, int64_t now_ms, ns_buf *out)
{
    int64_t total = -1;
    ns_buf_reset(out);
    CHECK_OK(ns_build_log_cached(cache, plan, now_ms, 0, SIZE_MAX, out, &total));
    CHECK_INT(out->len, total);
}

static void same_plan_gives_the_same_bytes(void **state)
{
    (void)state;
    ns_buf a, b;
    ns_buf_init(&a, 32u << 20);
    ns_buf_init(&b, 32u << 20);
    for (int language = 0; language < 3; language++) {
        ns_build_plan plan = whole_plan(language, 7, NS_STAGE_deploy, NS_CAUSE_none);
        read_all(NULL, &plan, INT64_MAX, &a);
        read_all(NULL, &plan, INT64_MAX, &b);
        CHECK(ns_text_same(ns_buf_view(&a), ns_buf_view(&b)));
        plan.text_seed = 8;
        read_all(NULL, &plan, INT64_MAX, &b);
        CHECK(!ns_text_same(ns_buf_view(&a), ns_buf_view(&b)));
    }
    ns_buf_clear(&a);
    ns_buf_clear(&b);
    CHECK_INT(0, ns_mem_live());
}

/* What was readable at a time stays readable, byte for byte, while the plan grows stage by stage and ends. */
static void text_only_grows(void **state)
{
    (void)state;
    ns_buf final, part;
    ns_buf_init(&final, 32u << 20);
    ns_buf_init(&part, 32u << 20);
    for (uint64_t seed = 1; seed <= 12; seed++) {
        ns_build_log_cache *cache = ns_build_log_cache_new(8u << 20);
        CHECK(cache != NULL);
        int language = (int)(seed % 3);
        ns_build_plan whole = whole_plan(language, seed, NS_STAGE_test, NS_CAUSE_flaky_test);
        read_all(NULL, &whole, INT64_MAX, &final);
        ns_build_plan growing = plan_of(language, seed);
        for (size_t i = 0; i < whole.stage_count; i++) {
            growing.stage[growing.stage_count++] = whole.stage[i];
            for (int64_t t = whole.stage[i].start_ms; t < whole.stage[i].end_ms; t += 3331) {
                read_all(cache, &growing, t, &part);
                CHECK(part.len > 0 && part.len <= final.len);
                CHECK(memcmp(part.at, final.at, part.len) == 0);
            }
        }
        read_all(cache, &whole, INT64_MAX, &part);
        CHECK(ns_text_same(ns_buf_view(&final), ns_buf_view(&part)));
        ns_build_log_cache_free(cache);
    }
    ns_buf_clear(&final);
    ns_buf_clear(&part);
}

static void reading_in_pieces_gives_the_whole(void **state)
{
    (void)state;
    ns_buf whole, pieces;
    ns_buf_init(&whole, 32u << 20);
    ns_buf_init(&pieces, 32u << 20);
    ns_build_log_cache *cache = ns_build_log_cache_new(1); /* keeps only the one in use */
    CHECK(cache != NULL);
    ns_build_plan plan = whole_plan(0, 3, NS_STAGE_deploy, NS_CAUSE_none);
    ns_build_plan other = whole_plan(1, 4, NS_STAGE_deploy, NS_CAUSE_none);
    read_all(cache, &plan, INT64_MAX, &whole);
    int64_t total = 0;
    while (pieces.len < whole.len) {
        size_t before = pieces.len;
        CHECK_OK(ns_build_log_cached(cache, &plan, INT64_MAX, (int64_t)before, 40001, &pieces, &total));
        CHECK(pieces.len > before);
        ns_buf thrown;
        ns_buf_init(&thrown, 32u << 20);
        read_all(cache, &other, INT64_MAX, &thrown); /* pushes the first one out */
        ns_buf_clear(&thrown);
    }
    CHECK(ns_text_same(ns_buf_view(&whole), ns_buf_view(&pieces)));
    size_t len = pieces.len;
    CHECK_OK(ns_build_log_cached(cache, &plan, INT64_MAX, total + 5, 100, &pieces, &total));
    CHECK_INT(len, pieces.len);
    ns_build_log_cache_free(cache);
    ns_buf_clear(&whole);
    ns_buf_clear(&pieces);
    CHECK_INT(0, ns_mem_live());
}

static void the_cache_keeps_its_ceiling(void **state)
{
    (void)state;
    enum { CEILING = 600 * 1024 };
    ns_build_log_cache *cache = ns_build_log_cache_new(CEILING);
    CHECK(cache != NULL);
    ns_buf out;
    ns_buf_init(&out, 32u << 20);
    for (uint64_t seed = 100; seed < 125; seed++) {
        ns_build_plan plan = whole_plan((int)(seed % 3), seed, NS_STAGE_deploy, NS_CAUSE_none);
        plan.number = (int64_t)seed;
        read_all(cache, &plan, INT64_MAX, &out);
    }
    /* One log alone may be longer than the ceiling, two never stay together above it. */
    CHECK(ns_build_log_cache_bytes(cache) > 0 && ns_build_log_cache_bytes(cache) < CEILING + (2u << 20));
    ns_build_log_cache_free(cache);
    ns_buf_clear(&out);
}

/* cause, stage, words of which one must stand in the log of each language, at or after the evidence's time */
static const struct {
    ns_cause cause;
    ns_stage_kind stage;
    const char *words[5];
} telling[] = {
    {NS_CAUSE_compile_error, NS_STAGE_compile, {"cannot find symbol", "undefined: ", "SyntaxError"}},
    {NS_CAUSE_test_failure, NS_STAGE_test, {"<<< FAILURE!", "--- FAIL: ", "FAIL test/"}},
    {NS_CAUSE_flaky_test, NS_STAGE_test, {"<<< ERROR!", "deadline exceeded", "Exceeded timeout"}},
    {NS_CAUSE_dependency, NS_STAGE_dependencies, {"convergence", "version conflict", "ERESOLVE"}},
    {NS_CAUSE_registry_outage,
     NS_STAGE_dependencies,
     {"Could not transfer", "goproxy.sock-shop.example/github.com", "npm ERR! network"}},
    {NS_CAUSE_registry_outage, NS_STAGE_package, {"failed to do request"}},
    {NS_CAUSE_out_of_memory, NS_STAGE_test, {" Killed"}},
    {NS_CAUSE_disk_full, NS_STAGE_compile, {"o space left on device"}},
    {NS_CAUSE_timeout, NS_STAGE_test, {"Cancelling nested steps due to timeout"}},
    {NS_CAUSE_agent_lost, NS_STAGE_compile, {"went offline during the build"}},
    {NS_CAUSE_config, NS_STAGE_deploy, {"is forbidden"}},
    {NS_CAUSE_config, NS_STAGE_package, {"unauthorized: authentication required"}},
    {NS_CAUSE_config, NS_STAGE_dependencies, {"401 Unauthorized"}},
    {NS_CAUSE_bad_release, NS_STAGE_deploy, {"CrashLoopBackOff"}},
    {NS_CAUSE_overload, NS_STAGE_deploy, {"HTTP 503 from"}},
};

static bool says_one_of(ns_text text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (ns_text_find(text, *words) >= 0)
            return true;
    }
    return false;
}

static void every_cause_shows_its_evidence_in_time(void **state)
{
    (void)state;
    ns_buf before, whole;
    ns_buf_init(&before, 32u << 20);
    ns_buf_init(&whole, 32u << 20);
    for (size_t i = 0; i < NS_COUNT_OF(telling); i++) {
        for (int language = 0; language < 3; language++) {
            ns_build_plan plan = whole_plan(language, 50 + i, telling[i].stage, telling[i].cause);
            int64_t evidence = plan.stage[plan.stage_count - 1].evidence_ms;
            read_all(NULL, &plan, evidence - 1, &before);
            read_all(NULL, &plan, INT64_MAX, &whole);
            ns_text after = {whole.at + before.len, whole.len - before.len};
            if (!says_one_of(after, telling[i].words))
                fail_msg("%s in %s: no evidence", ns_cause_name(telling[i].cause), services[language]);
            CHECK(ns_text_ends(after, "Finished: FAILURE\n"));
            CHECK(count_lines(after) >= 5);
        }
    }
    ns_buf_clear(&before);
    ns_buf_clear(&whole);
}

/* Before its evidence a failing build prints what the same build would print if it were to pass. */
static void nothing_is_hinted_at_early(void **state)
{
    (void)state;
    ns_buf bad, good;
    ns_buf_init(&bad, 32u << 20);
    ns_buf_init(&good, 32u << 20);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        ns_build_plan failing = whole_plan((int)(seed % 3), seed, NS_STAGE_compile, NS_CAUSE_compile_error);
        ns_build_plan other = failing;
        other.stage[other.stage_count - 1].cause = NS_CAUSE_disk_full;
        int64_t t = failing.stage[failing.stage_count - 1].evidence_ms - 1;
        read_all(NULL, &failing, t, &bad);
        read_all(NULL, &other, t, &good);
        CHECK(ns_text_same(ns_buf_view(&bad), ns_buf_view(&good)));
    }
    ns_buf_clear(&bad);
    ns_buf_clear(&good);
}

static void the_frame_is_jenkins(void **state)
{
    (void)state;
    ns_buf out;
    ns_buf_init(&out, 32u << 20);
    static const char *const wanted[] = {"Started by an SCM change\n",    "[Pipeline] Start of Pipeline\n",
                                         "Running on linux-2 in /",       "[Pipeline] stage\n",
                                         "[Pipeline] { (Build)\n",        "[Pipeline] // stage\n",
                                         "[Pipeline] End of Pipeline",    "+ ",
                                         "Checking out Revision 9f1c0a7b"};
    for (int language = 0; language < 3; language++) {
        ns_build_plan plan = whole_plan(language, 11, NS_STAGE_deploy, NS_CAUSE_none);
        read_all(NULL, &plan, INT64_MAX, &out);
        for (size_t i = 0; i < NS_COUNT_OF(wanted); i++) {
            if (ns_text_find(ns_buf_view(&out), wanted[i]) < 0)
                fail_msg("%s: \"%s\" is missing", services[language], wanted[i]);
        }
        CHECK(ns_text_ends(ns_buf_view(&out), "Finished: SUCCESS\n"));
    }
    ns_buf_clear(&out);
}

static void a_stopped_build_is_cut(void **state)
{
    (void)state;
    ns_buf whole, cut;
    ns_buf_init(&whole, 32u << 20);
    ns_buf_init(&cut, 32u << 20);
    ns_build_plan plan = whole_plan(0, 5, NS_STAGE_test, NS_CAUSE_none);
    read_all(NULL, &plan, plan.stage[3].start_ms + 10000, &whole);
    plan.ended_ms = plan.stage[3].start_ms + 10000;
    plan.closed_ms = plan.ended_ms + 500;
    plan.result = NS_BUILD_ABORTED;
    (void)snprintf(plan.stopped_by, sizeof plan.stopped_by, "maria");
    read_all(NULL, &plan, INT64_MAX, &cut);
    CHECK(cut.len > whole.len && memcmp(cut.at, whole.at, whole.len) == 0);
    CHECK(ns_text_find(ns_buf_view(&cut), "Aborted by maria") >= 0);
    CHECK(ns_text_ends(ns_buf_view(&cut), "Finished: ABORTED\n"));
    ns_buf_clear(&whole);
    ns_buf_clear(&cut);
}

static int compare_sizes(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

static bool has_error_word(ns_text text)
{
    return ns_text_find(text, "ERROR") >= 0 || ns_text_find(text, "Error 1") >= 0;
}

/* Lengths are log-normal about a thousand lines; green builds are noisy; colours, carriage returns, long lines and
 * other alphabets occur. */
static void logs_are_as_in_the_field(void **state)
{
    (void)state;
    enum { BUILDS = 60 };
    size_t lengths[BUILDS];
    int noisy = 0, stamped = 0, coloured = 0, bars = 0, longs = 0, foreign = 0, branches = 0;
    ns_buf out;
    ns_buf_init(&out, 32u << 20);
    for (int i = 0; i < BUILDS; i++) {
        ns_build_plan plan = whole_plan(i % 3, (uint64_t)i + 1000, NS_STAGE_deploy, NS_CAUSE_none);
        (void)snprintf(plan.jenkins_job, sizeof plan.jenkins_job, "sock-shop/job-%d", i);
        read_all(NULL, &plan, INT64_MAX, &out);
        ns_text text = ns_buf_view(&out), line;
        lengths[i] = count_lines(text);
        noisy += has_error_word(text);
        stamped += ns_text_starts(text, "[2026-");
        coloured += ns_text_find(text, "\x1b[") >= 0;
        bars += memchr(text.at, '\r', text.len) != NULL;
        branches += ns_text_find(text, "[unit] ") >= 0 && ns_text_find(text, "[integration] ") >= 0;
        bool is_foreign = false, is_long = false;
        while (ns_text_line(&text, &line)) {
            is_long = is_long || line.len > 2000;
            for (size_t k = 0; k < line.len; k++)
                is_foreign = is_foreign || !isascii((unsigned char)line.at[k]);
        }
        longs += is_long;
        foreign += is_foreign;
    }
    qsort(lengths, BUILDS, sizeof *lengths, compare_sizes);
    CHECK(lengths[0] > 80 && lengths[BUILDS / 2] > 350 && lengths[BUILDS / 2] < 2000);
    CHECK(lengths[BUILDS - 1] > 1500 && lengths[BUILDS - 1] < 12000);
    CHECK(noisy > BUILDS / 2);
    const int seen[] = {stamped, coloured, bars, longs, foreign, branches};
    for (size_t i = 0; i < NS_COUNT_OF(seen); i++) {
        if (seen[i] == 0 || seen[i] == BUILDS)
            fail_msg("trait %zu occurs in %d of %d logs", i, seen[i], BUILDS);
    }
    ns_buf_clear(&out);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    ns_build_plan plan = whole_plan(1, 2, NS_STAGE_compile, NS_CAUSE_none);
    bool done = false;
    for (long n = 0; n < 60 && !done; n++) {
        ns_mem_fail_after(n);
        ns_buf out;
        int64_t total = -1;
        ns_buf_init(&out, 32u << 20);
        ns_build_log_cache *cache = ns_build_log_cache_new(1u << 20);
        if (cache != NULL)
            done = ns_build_log_cached(cache, &plan, INT64_MAX, 0, SIZE_MAX, &out, &total) == NS_OK;
        CHECK(done == (total >= 0));
        ns_build_log_cache_free(cache);
        ns_buf_clear(&out);
        ns_mem_fail_after(-1);
        CHECK_INT(0, ns_mem_live());
    }
    CHECK(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_plan_gives_the_same_bytes),
        cmocka_unit_test(text_only_grows),
        cmocka_unit_test(reading_in_pieces_gives_the_whole),
        cmocka_unit_test(the_cache_keeps_its_ceiling),
        cmocka_unit_test(every_cause_shows_its_evidence_in_time),
        cmocka_unit_test(nothing_is_hinted_at_early),
        cmocka_unit_test(the_frame_is_jenkins),
        cmocka_unit_test(a_stopped_build_is_cut),
        cmocka_unit_test(logs_are_as_in_the_field),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
