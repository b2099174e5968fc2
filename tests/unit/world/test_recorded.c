/* Builds that print recorded logs: which log, when its lines come, and how it ends. */
#include "world_help.h"

#include "base/mem.h"
#include "world/build_log.h"

#define S0 (START_MS + 500)

/* Project 0 is a Maven project with two green builds and three failing ones; project 1 one in Go. */
static const struct {
    const char *tool;
    size_t project;
    ns_cause cause;
    int64_t fault_line;
    const char *text;
} shelf[] = {
#define HEAD                                                                                                           \
    "Started by user Dana Nomen\n02:46:17 [Pipeline] Start of Pipeline\n02:46:17 Running on agent-03 in "              \
    "/home/jenkins/w\n"
#define CHECKOUT                                                                                                       \
    "02:46:17 [Pipeline] stage\n02:46:17 [Pipeline] { (Checkout)\n02:46:18 Checking out Revision "                     \
    "0ffcd718745fc761f0a294821810431514631f88 (refs/remotes/origin/main)\n"
#define COMPILE "02:46:17 [Pipeline] stage\n02:46:17 [Pipeline] { (Compile)\n02:46:18 [Pipeline] sh\n+ mvn -B compile\n"
#define TEST    "02:46:17 [Pipeline] stage\n02:46:17 [Pipeline] { (Test)\n02:46:18 [Pipeline] sh\n+ mvn -B verify\n"
#define TAIL    "[Pipeline] // node\n[Pipeline] End of Pipeline\n"
    {"maven", 0, NS_CAUSE_none, -1, HEAD CHECKOUT COMPILE TEST "green one\n" TAIL "Finished: SUCCESS\n"},
    {"maven", 0, NS_CAUSE_none, -1, HEAD CHECKOUT COMPILE TEST "green two\n" TAIL "Finished: SUCCESS\n"},
    {"maven", 0, NS_CAUSE_compile_error, 11,
     HEAD CHECKOUT COMPILE "[ERROR] cannot find symbol\nand much more\n" TAIL "Finished: UNSTABLE\n"},
    {"maven", 0, NS_CAUSE_test_failure, 15,
     HEAD CHECKOUT COMPILE TEST "[ERROR] expected 3 but was 2\nand more\n" TAIL
                                "ERROR: script returned exit code 1\nFinished: FAILURE\n"},
    {"maven", 0, NS_CAUSE_agent_lost, 7,
     HEAD CHECKOUT "Cannot contact agent-03: the channel is closed\n" TAIL "Finished: FAILURE\n"},
    {"go", 1, NS_CAUSE_none, -1, HEAD CHECKOUT "[Pipeline] sh\n+ go test ./...\nok cart\n" TAIL "Finished: SUCCESS\n"},
    {"go", 1, NS_CAUSE_disk_full, 8,
     HEAD CHECKOUT "[Pipeline] sh\nwrite /tmp/x: no space left on device\n" TAIL "Finished: FAILURE\n"},
};

static void shelf_at(void *self, size_t i, ns_recorded_log *out)
{
    (void)self;
    *out = (ns_recorded_log){
        .tool = shelf[i].tool, .project = shelf[i].project, .cause = shelf[i].cause, .fault_line = shelf[i].fault_line};
}

static bool unreadable;

static ns_status shelf_read(void *self, size_t i, ns_buf *out, ns_error *err)
{
    (void)self;
    return unreadable ? ns_fail(err, NS_IO, "gone") : ns_buf_string(out, shelf[i].text);
}

static const ns_recorded_logs recorded = {.count = NS_COUNT_OF(shelf), .at = shelf_at, .read = shelf_read};

static ns_build_plan plan_of(ns_language language, uint64_t seed)
{
    ns_build_plan plan = {.language = language,
                          .number = 42,
                          .text_seed = seed,
                          .trigger = NS_TRIGGER_user,
                          .started_ms = START_MS,
                          .ended_ms = -1,
                          .closed_ms = -1};
    (void)snprintf(plan.jenkins_job, sizeof plan.jenkins_job, "sock-shop/carts");
    (void)snprintf(plan.service, sizeof plan.service, "carts");
    (void)snprintf(plan.user, sizeof plan.user, "maria");
    (void)snprintf(plan.agent, sizeof plan.agent, "linux-2");
    (void)snprintf(plan.commit, sizeof plan.commit, "9f1c0a7be21d4455a0c3b1d2e3f405162738495a");
    return plan;
}

/* Stages of 40 s up to `failing`, which fails of `cause`; all of them and green when it is none. */
static void run_through(ns_build_plan *plan, ns_stage_kind failing, ns_cause cause)
{
    for (int kind = 0; kind <= (int)failing; kind++) {
        int64_t start = S0 + kind * 40000;
        bool bad = kind == (int)failing && cause != NS_CAUSE_none;
        plan->stage[plan->stage_count++] = (ns_plan_stage){.kind = (ns_stage_kind)kind,
                                                           .start_ms = start,
                                                           .end_ms = start + 40000,
                                                           .cause = bad ? cause : NS_CAUSE_none,
                                                           .evidence_ms = bad ? start + 39000 : -1};
    }
    plan->ended_ms = plan->stage[plan->stage_count - 1].end_ms;
    plan->closed_ms = plan->ended_ms + 900;
    plan->result = cause == NS_CAUSE_none ? NS_BUILD_SUCCESS : NS_BUILD_FAILURE;
}

static void read_at(const ns_build_plan *plan, int64_t now_ms, ns_buf *out)
{
    int64_t total = -1;
    ns_build_log_cache *cache = ns_build_log_cache_new(1u << 20);
    CHECK(cache != NULL);
    ns_build_log_cache_print(cache, &recorded);
    ns_buf_reset(out);
    CHECK_OK(ns_build_log_cached(cache, plan, now_ms, 0, SIZE_MAX, out, &total));
    CHECK_INT(out->len, total);
    ns_build_log_cache_free(cache);
}

static bool has(const ns_buf *log, const char *words)
{
    return ns_text_find(ns_buf_view(log), words) >= 0;
}

static void a_green_build_prints_a_green_log_as_its_own(void **state)
{
    (void)state;
    ns_buf out;
    ns_buf_init(&out, 1u << 20);
    ns_build_plan plan = plan_of(NS_LANGUAGE_java, 7);
    run_through(&plan, NS_STAGE_deploy, NS_CAUSE_none);
    read_at(&plan, INT64_MAX, &out);
    CHECK(ns_text_starts(ns_buf_view(&out), "Started by user maria\n") && !has(&out, "Dana"));
    CHECK(has(&out, "Running on linux-2 in ") && !has(&out, "agent-03"));
    CHECK(has(&out, "Checking out Revision 9f1c0a7b") && !has(&out, "0ffcd718"));
    CHECK(has(&out, "green one") != has(&out, "green two"));
    CHECK(!has(&out, "02:46:1") && ns_text_ends(ns_buf_view(&out), "Finished: SUCCESS\n"));
    ns_buf again;
    ns_buf_init(&again, 1u << 20);
    read_at(&plan, INT64_MAX, &again);
    CHECK(ns_text_same(ns_buf_view(&out), ns_buf_view(&again)));
    ns_buf_clear(&again);
    read_at(&plan, plan.ended_ms - 1, &out);
    CHECK(!has(&out, "// node"));
    plan.language = NS_LANGUAGE_go;
    read_at(&plan, INT64_MAX, &out);
    CHECK(has(&out, "ok cart"));
    ns_buf_clear(&out);
}

static void a_build_bound_to_fail_prints_one_failing_log(void **state)
{
    (void)state;
    ns_buf out;
    ns_buf_init(&out, 1u << 20);
    ns_build_plan plan = plan_of(NS_LANGUAGE_java, 7);
    plan.expected = NS_CAUSE_compile_error;
    plan.expected_stage = NS_STAGE_compile;
    run_through(&plan, NS_STAGE_compile, NS_CAUSE_compile_error);
    read_at(&plan, INT64_MAX, &out);
    CHECK(has(&out, "cannot find symbol\nand much more\n[Pipeline] // node\n"));
    CHECK(!has(&out, "green") && ns_text_ends(ns_buf_view(&out), "Finished: FAILURE\n"));
    /* Not before its stage; and before the end, as when it was recorded. */
    read_at(&plan, plan.stage[NS_STAGE_compile].start_ms - 1, &out);
    CHECK(has(&out, "Checking out Revision") && !has(&out, "(Compile)") && !has(&out, "cannot find symbol"));
    read_at(&plan, plan.ended_ms - 1000, &out);
    CHECK(has(&out, "cannot find symbol"));
    ns_buf_clear(&out);
}

/* Guessed wrong both ways: bound to fail but green; thought green, but it fails, of what its project never failed of.
 */
static void what_comes_otherwise_still_makes_a_log(void **state)
{
    (void)state;
    ns_buf out;
    ns_buf_init(&out, 1u << 20);
    ns_build_plan green = plan_of(NS_LANGUAGE_java, 7);
    green.expected = NS_CAUSE_compile_error;
    green.expected_stage = NS_STAGE_compile;
    run_through(&green, NS_STAGE_deploy, NS_CAUSE_none);
    read_at(&green, INT64_MAX, &out);
    CHECK(!has(&out, "cannot find symbol") && has(&out, "mvn -B verify\ngreen "));
    ns_build_plan other = plan_of(NS_LANGUAGE_java, 7);
    run_through(&other, NS_STAGE_package, NS_CAUSE_disk_full);
    read_at(&other, INT64_MAX, &out);
    CHECK(has(&out, "mvn -B compile\n") && has(&out, "[Pipeline] sh\nwrite /tmp/x: no space left on device\n"));
    CHECK(ns_text_ends(ns_buf_view(&out), "Finished: FAILURE\n"));
    /* No log of this cause: the words are made up. */
    ns_build_plan made = plan_of(NS_LANGUAGE_java, 7);
    run_through(&made, NS_STAGE_dependencies, NS_CAUSE_registry_outage);
    read_at(&made, INT64_MAX, &out);
    CHECK(has(&out, "Running on linux-2") && has(&out, "Could not transfer"));
    CHECK(ns_text_ends(ns_buf_view(&out), "Finished: FAILURE\n"));
    ns_buf_clear(&out);
}

static void a_cut_build_ends_where_it_was_cut(void **state)
{
    (void)state;
    ns_buf out;
    ns_buf_init(&out, 1u << 20);
    ns_build_plan plan = plan_of(NS_LANGUAGE_java, 7);
    run_through(&plan, NS_STAGE_test, NS_CAUSE_none);
    plan.ended_ms = plan.stage[NS_STAGE_compile].start_ms + 1;
    plan.closed_ms = plan.ended_ms + 500;
    plan.stage_count = 3;
    plan.result = NS_BUILD_ABORTED;
    (void)snprintf(plan.stopped_by, sizeof plan.stopped_by, "maria");
    read_at(&plan, INT64_MAX, &out);
    CHECK(!has(&out, "green") && has(&out, "Aborted by maria\n"));
    CHECK(ns_text_ends(ns_buf_view(&out), "Finished: ABORTED\n"));
    plan.stopped_by[0] = '\0';
    plan.agent_lost = true;
    plan.result = NS_BUILD_FAILURE;
    read_at(&plan, INT64_MAX, &out);
    CHECK(has(&out, "Cannot contact linux-2: the channel is closed\n"));
    CHECK(ns_text_ends(ns_buf_view(&out), "Finished: FAILURE\n"));
    ns_buf_clear(&out);
}

static void what_cannot_be_read_is_left_out(void **state)
{
    (void)state;
    ns_buf out;
    ns_buf_init(&out, 1u << 20);
    ns_build_plan plan = plan_of(NS_LANGUAGE_java, 7);
    run_through(&plan, NS_STAGE_deploy, NS_CAUSE_none);
    unreadable = true;
    read_at(&plan, INT64_MAX, &out);
    unreadable = false;
    CHECK(ns_text_ends(ns_buf_view(&out), "Finished: SUCCESS\n"));
    ns_buf_clear(&out);
}

/* All builds of three hours: the text only grows, is the same when made again, and history does not know of it. */
static void a_world_prints_them(void **state)
{
    (void)state;
    ns_world *w = demo(5), *silent = demo(5);
    ns_buf early, late;
    ns_buf_init(&early, 16u << 20);
    ns_buf_init(&late, 16u << 20);
    ns_world_print(w, &recorded);
    CHECK_INT(NS_COUNT_OF(shelf), ns_world_printed(w));
    int64_t next;
    bool more;
    size_t seen = 0;
    for (int64_t s = 0; s <= 3 * 3600; s += 30) {
        ns_world_advance(w, START_MS + s * 1000);
        ns_world_job facts;
        ns_world_job_at(w, (size_t)(s / 30) % 8, &facts);
        if (facts.running == 0)
            continue;
        size_t job = (size_t)(s / 30) % 8;
        ns_buf_reset(&early);
        ns_buf_reset(&late);
        CHECK_OK(ns_world_log(w, job, facts.running, 0, SIZE_MAX, &early, &next, &more));
        ns_world_advance(w, START_MS + s * 1000 + 20000);
        CHECK_OK(ns_world_log(w, job, facts.running, 0, SIZE_MAX, &late, &next, &more));
        CHECK(early.len <= late.len && memcmp(early.at, late.at, early.len) == 0);
        seen++;
    }
    CHECK(seen > 20);
    ns_world_advance(silent, ns_world_now_ms(w));
    CHECK_INT(ns_world_history_hash(silent), ns_world_history_hash(w));
    ns_world_free(w);
    ns_world_free(silent);
    ns_buf_clear(&early);
    ns_buf_clear(&late);
    CHECK_INT(0, ns_mem_live());
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    ns_build_plan plan = plan_of(NS_LANGUAGE_java, 7);
    run_through(&plan, NS_STAGE_package, NS_CAUSE_disk_full);
    bool done = false;
    for (long n = 0; n < 200 && !done; n++) {
        ns_mem_fail_after(n);
        ns_buf out;
        int64_t total = -1;
        ns_buf_init(&out, 1u << 20);
        ns_build_log_cache *cache = ns_build_log_cache_new(1u << 20);
        if (cache != NULL) {
            ns_build_log_cache_print(cache, &recorded);
            done = ns_build_log_cached(cache, &plan, INT64_MAX, 0, SIZE_MAX, &out, &total) == NS_OK &&
                   has(&out, "no space left") && has(&out, "mvn -B compile");
        }
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
        cmocka_unit_test(a_green_build_prints_a_green_log_as_its_own),
        cmocka_unit_test(a_build_bound_to_fail_prints_one_failing_log),
        cmocka_unit_test(what_comes_otherwise_still_makes_a_log),
        cmocka_unit_test(a_cut_build_ends_where_it_was_cut),
        cmocka_unit_test(what_cannot_be_read_is_left_out),
        cmocka_unit_test(a_world_prints_them),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
