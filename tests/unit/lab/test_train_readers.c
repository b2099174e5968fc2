/* A predictor with an encoder, from a made corpus to its answers: who reads what, and what the whole promises. */
#include "check.h"

#include "corpus_maker.h"
#include "lab/train_readers.h"
#include "prediction/judge_predictor.h"
#include "prediction/window_encoder.h"
#include "tensor/code_path.h"

#include <math.h>

static corpus_maker maker;
static ns_corpus *corpus;
static ns_line_table *table;
static bool use[64];
static char folder[64];
static ns_line_scorer lines;
static ns_judge judge;
static ns_half_readers halves;

static ns_reader_recipe recipe(void)
{
    ns_reader_recipe r = {.encoder = ns_train_encoder_defaults()};
    r.encoder.folder = folder;
    r.encoder.vocabulary = 300;
    r.encoder.layers = 1;
    r.encoder.channels = 32;
    r.encoder.heads = 2;
    r.encoder.feed_forward = 64;
    r.encoder.window_steps = 60;
    r.encoder.window_rate = 5e-3;
    r.encoder.batches = 2;
    r.encoder.held_out = 0.2;
    r.encoder.threads = 1;
    r.encoder.quiet = true;
    return r;
}

static int set_up(void **state)
{
    (void)state;
    ns_error err;
    ns_train_encoder_result result;
    const ns_reader_recipe r = recipe();
    memset(use, 1, sizeof use);
    (void)snprintf(folder, sizeof folder, "/tmp/ns_readers_%ld", (long)getpid());
    maker_begin(&maker);
    maker_projects(&maker, "", "", "jenkins", "jenkins");
    maker_end(&maker);
    const char *from = maker.folder;
    CHECK_OK(ns_corpus_open(&from, 1, &(ns_corpus_filter){.family = NULL}, &corpus, &err));
    CHECK_OK(ns_line_table_new(corpus, NULL, NULL, &table, &err));
    CHECK_OK(ns_line_scorer_init(&lines, &err));
    CHECK_OK(ns_train_half_readers(table, use, &r, &halves, &err));
    CHECK_OK(ns_train_predictor(table, use, &halves.readers, 1, NULL, NULL, &lines, &judge, &err));
    CHECK_OK(ns_train_reader(table, use, &r, &result, &err));
    CHECK_OK(ns_line_scorer_write(folder, &lines, &err));
    CHECK_OK(ns_judge_write(folder, &judge, &err));
    return 0;
}

static void remove_file(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
}

static int tear_down(void **state)
{
    (void)state;
    const ns_reader_recipe r = recipe();
    ns_half_readers_clear(&halves);
    ns_half_readers_forget(&r);
    remove_file(NS_LINE_FILE);
    remove_file(NS_JUDGE_FILE);
    ns_train_encoder_forget(folder);
    CHECK(access(folder, F_OK) != 0);
    ns_line_scorer_clear(&lines);
    ns_line_table_free(table);
    ns_corpus_free(corpus);
    maker_remove(&maker);
    return ns_mem_live() == 0 ? 0 : -1;
}

static const char failing_log[] =
    "+ make -j2\ncc -c parser.c -o parser.o\n+ ctest\n1/2 Test #1: parser_opens ... Passed 0.01 sec\n2/2 Test #2: "
    "parser_closes ...***Failed 0.01 sec\nparser.c:80: assertion failed: left == right\nThe following tests FAILED:\n"
    "parser.c:17:5: error: expected ';' before 'return'\nstrange words that nobody has met";

/* asked: score after every piece as well. */
static ns_prediction predict(const ns_predictor *predictor, ns_text log, size_t step, bool asked)
{
    ns_prediction out;
    ns_reading *reading = predictor->begin(predictor->self, NULL, 0);
    CHECK(reading != NULL);
    for (size_t at = 0; at < log.len; at += step) {
        const ns_text piece = {log.at + at, log.len - at < step ? log.len - at : step};
        CHECK_OK(predictor->feed(predictor->self, reading, piece));
        if (asked)
            predictor->score(predictor->self, reading, &out);
    }
    predictor->score(predictor->self, reading, &out);
    predictor->end(predictor->self, reading);
    return out;
}

static void every_project_is_read_by_the_half_that_never_saw_it(void **state)
{
    (void)state;
    size_t given[NS_TRAIN_READERS] = {0};
    for (size_t p = 0; p < ns_corpus_projects(corpus); p++) {
        CHECK(halves.unseen[p] < NS_TRAIN_READERS);
        given[halves.unseen[p]]++;
    }
    for (size_t half = 0; half < NS_TRAIN_READERS; half++) {
        CHECK_INT(6, given[half]);
        CHECK(halves.result[half].windows > 0 && halves.result[half].quality.windows > 0);
        CHECK(isfinite(halves.result[half].quality.auc));
    }
}

static void cut_and_asked_anyhow_the_answer_is_the_same_to_the_last_bit(void **state)
{
    (void)state;
    ns_error err;
    for (size_t p = 0; p < NS_PATH_keyword; p++) {
        ns_predictor predictor;
        const ns_judge_predictor_options options = {.code_path = ns_code_path_name((ns_code_path)p)};
        if (!ns_code_path_available((ns_code_path)p)) {
            CHECK_STATUS(NS_BAD_USAGE, ns_judge_predictor_open(folder, &options, &predictor, &err));
            continue;
        }
        CHECK_OK(ns_judge_predictor_open(folder, &options, &predictor, &err));
        const ns_prediction whole = predict(&predictor, ns_text_of(failing_log), 4096, false);
        CHECK_INT(p, whole.code_path);
        CHECK_INT(p, predictor.code_path);
        for (size_t step = 1; step < 60; step += 7) {
            const ns_prediction pieces = predict(&predictor, ns_text_of(failing_log), step, true);
            CHECK(memcmp(&whole, &pieces, sizeof whole) == 0);
        }
        predictor.free(predictor.self);
    }
}

/* The stated bounds: floats differ in the order of sums only, whole numbers and short floats in their rounding. */
static void code_paths_agree(void **state)
{
    (void)state;
    ns_error err;
    double portable = 0.0;
    for (size_t p = NS_PATH_keyword; p-- > 0;) { /* portable first */
        ns_predictor predictor;
        const ns_judge_predictor_options options = {.code_path = ns_code_path_name((ns_code_path)p)};
        if (!ns_code_path_available((ns_code_path)p))
            continue;
        CHECK_OK(ns_judge_predictor_open(folder, &options, &predictor, &err));
        const double z = predict(&predictor, ns_text_of(failing_log), 4096, false).fail_probability;
        if (p == NS_PATH_portable_fp32)
            portable = z;
        const bool floats = p == NS_PATH_portable_fp32 || p == NS_PATH_avx2_fp32 || p == NS_PATH_avx512_fp32;
        CHECK_NEAR(portable, z, floats ? 1e-4 : 0.05);
        predictor.free(predictor.self);
    }
}

static size_t windows_read;
static ns_window_reader inner;

static void count_and_read(void *self, const ns_window_ids *const *windows, size_t n, ns_window_answer *out)
{
    windows_read += n;
    inner.read(self, windows, n, out);
}

static void a_growing_log_costs_its_new_windows_only(void **state)
{
    (void)state;
    ns_error err;
    ns_predictor predictor;
    CHECK_OK(ns_window_encoder_open(folder, NS_PATH_portable_fp32, 1, &inner, &err));
    ns_window_reader counting = inner;
    counting.read = count_and_read;
    CHECK_OK(ns_judge_predictor_new(&lines, &judge, &counting, &predictor, &err));
    ns_prediction out;
    ns_reading *reading = predictor.begin(predictor.self, NULL, 0);
    ns_text rest = ns_text_of(failing_log), line;
    size_t distinct = 0;
    while (ns_text_line(&rest, &line)) {
        ns_mem_fail_after(0); /* and allocates nothing for them */
        predictor.score(predictor.self, reading, &out);
        ns_mem_fail_after(-1);
        CHECK_OK(predictor.feed(predictor.self, reading, line));
        CHECK_OK(predictor.feed(predictor.self, reading, NS_TEXT("\n")));
        distinct++;
    }
    predictor.score(predictor.self, reading, &out);
    CHECK(windows_read > 0 && windows_read <= distinct);
    const size_t before = windows_read;
    predictor.score(predictor.self, reading, &out);
    CHECK_INT(before, windows_read);
    predictor.end(predictor.self, reading);
    predictor.free(predictor.self);
    inner.free(inner.self);
}

/* The other heads are those that a training without an encoder gives, and answer like it, bit for bit. */
static void without_its_encoder_it_is_the_model_it_would_have_been(void **state)
{
    (void)state;
    ns_error err;
    ns_predictor with, without, plain;
    ns_line_scorer plain_lines;
    static ns_judge plain_judge;
    CHECK_OK(ns_line_scorer_init(&plain_lines, &err));
    CHECK_OK(ns_train_predictor(table, use, NULL, 1, NULL, NULL, &plain_lines, &plain_judge, &err));
    CHECK(memcmp(plain_judge.head, judge.head, sizeof judge.head) == 0);
    CHECK(memcmp(plain_judge.cause, judge.cause, sizeof judge.cause) == 0);
    CHECK(!plain_judge.with_encoder && judge.with_encoder);
    CHECK_OK(ns_judge_predictor_new(&plain_lines, &plain_judge, NULL, &plain, &err));
    CHECK_OK(ns_judge_predictor_new(&lines, &judge, NULL, &without, &err));
    CHECK_OK(ns_judge_predictor_open(folder, &(ns_judge_predictor_options){.code_path = NULL}, &with, &err));
    const ns_prediction a = predict(&plain, ns_text_of(failing_log), 4096, false);
    const ns_prediction b = predict(&without, ns_text_of(failing_log), 4096, false);
    const ns_prediction c = predict(&with, ns_text_of(failing_log), 4096, false);
    CHECK(memcmp(&a, &b, sizeof a) == 0);
    CHECK(a.fail_probability != c.fail_probability);
    CHECK_STRING("judge", without.name);
    CHECK_STRING(NS_JUDGE_WITH_ENCODER, with.name);
    plain.free(plain.self);
    without.free(without.self);
    with.free(with.self);
    ns_line_scorer_clear(&plain_lines);
}

static void an_encoder_that_is_missing_or_damaged_is_told(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "model.safetensors", "vocab.txt"};
    ns_error err;
    ns_predictor predictor;
    char path[128], aside[160];
    for (size_t i = 0; i < NS_COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)snprintf(aside, sizeof aside, "%s.aside", path);
        CHECK_INT(0, rename(path, aside));
        CHECK(ns_judge_predictor_open(folder, &(ns_judge_predictor_options){0}, &predictor, &err) != NS_OK);
        CHECK(err.status == NS_IO || err.status == NS_NOT_FOUND || err.status == NS_BAD_INPUT);
        CHECK(strstr(err.text, names[i]) != NULL);
        CHECK_OK(ns_file_replace(path, NS_TEXT("{}"), 0600, &err));
        CHECK(ns_judge_predictor_open(folder, &(ns_judge_predictor_options){0}, &predictor, &err) != NS_OK);
        CHECK_INT(3, ns_status_exit(err.status));
        CHECK_OK(
            ns_judge_predictor_open(folder, &(ns_judge_predictor_options){.without_encoder = true}, &predictor, &err));
        predictor.free(predictor.self);
        CHECK_INT(0, rename(aside, path));
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const size_t live = ns_mem_live();
    ns_error err;
    bool done = false;
    for (long n = 0; n < 100000 && !done; n += n < 60 ? 1 : n / 3) {
        ns_predictor predictor = {.self = NULL};
        ns_mem_fail_after(n);
        done = ns_judge_predictor_open(folder, &(ns_judge_predictor_options){0}, &predictor, &err) == NS_OK;
        ns_reading *reading = done ? predictor.begin(predictor.self, NULL, 0) : NULL;
        ns_mem_fail_after(-1);
        if (done) {
            predictor.end(predictor.self, reading);
            predictor.free(predictor.self);
            done = reading != NULL;
        }
        CHECK_INT(live, ns_mem_live());
    }
    CHECK(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_project_is_read_by_the_half_that_never_saw_it),
        cmocka_unit_test(cut_and_asked_anyhow_the_answer_is_the_same_to_the_last_bit),
        cmocka_unit_test(code_paths_agree),
        cmocka_unit_test(a_growing_log_costs_its_new_windows_only),
        cmocka_unit_test(without_its_encoder_it_is_the_model_it_would_have_been),
        cmocka_unit_test(an_encoder_that_is_missing_or_damaged_is_told),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
