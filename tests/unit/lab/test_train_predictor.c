/* A judge trained on a small made corpus: what it promises, whatever it learnt. */
#include "check.h"

#include "corpus_maker.h"
#include "lab/train_predictor.h"
#include "prediction/judge_predictor.h"
#include "prediction/sketch.h"

static corpus_maker maker;
static ns_corpus *corpus;
static ns_line_table *table;
static ns_line_scorer lines;
static ns_judge judge;
static ns_predictor predictor;

static int set_up(void **state)
{
    (void)state;
    ns_error err;
    bool use[64];
    memset(use, 1, sizeof use);
    maker_begin(&maker);
    maker_projects(&maker, "", "", "jenkins", "jenkins");
    maker_end(&maker);
    const char *folder = maker.folder;
    if (ns_corpus_open(&folder, 1, &(ns_corpus_filter){.family = NULL}, &corpus, &err) != NS_OK ||
        ns_line_table_new(corpus, NULL, NULL, &table, &err) != NS_OK || ns_line_scorer_init(&lines, &err) != NS_OK ||
        ns_train_predictor(table, use, NULL, 1, NULL, NULL, &lines, &judge, &err) != NS_OK)
        return -1;
    return ns_judge_predictor_new(&lines, &judge, NULL, &predictor, &err) == NS_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    predictor.free(predictor.self);
    ns_line_scorer_clear(&lines);
    ns_line_table_free(table);
    ns_corpus_free(corpus);
    maker_remove(&maker);
    return ns_mem_live() == 0 ? 0 : -1;
}

static ns_prediction predict(ns_text log, const char *green, size_t step)
{
    ns_prediction out;
    ns_sketch *sketch = green == NULL ? NULL : ns_sketch_of_log(ns_text_of(green));
    const ns_sketch *const sketches[] = {sketch};
    ns_reading *reading = predictor.begin(predictor.self, sketches, green != NULL);
    CHECK(reading != NULL);
    for (size_t at = 0; at < log.len; at += step)
        CHECK_OK(
            predictor.feed(predictor.self, reading, (ns_text){log.at + at, log.len - at < step ? log.len - at : step}));
    predictor.score(predictor.self, reading, &out);
    predictor.end(predictor.self, reading);
    ns_sketch_free(sketch);
    return out;
}

static const char green_log[] = "+ make -j2\ncc -c parser.c -o parser.o\n+ ctest\n1/2 Test #1: parser_opens ... Passed "
                                "0.01 sec\n2/2 Test #2: parser_closes ... Passed 0.01 sec\n";
static const char failing_log[] =
    "+ make -j2\ncc -c parser.c -o parser.o\n+ ctest\n1/2 Test #1: parser_opens ... Passed 0.01 sec\n2/2 Test #2: "
    "parser_closes ...***Failed 0.01 sec\nparser.c:80: assertion failed: left == right\nThe following tests FAILED:\n";

static void failing_and_green_logs_of_a_new_project_are_told_apart(void **state)
{
    (void)state;
    ns_prediction bad = predict(ns_text_of(failing_log), NULL, 4096);
    ns_prediction good = predict(ns_text_of(green_log), NULL, 4096);
    CHECK(bad.fail_probability > 0.5);
    CHECK(good.fail_probability < 0.5);
    CHECK_INT(NS_PREDICTED_failure, bad.decision);
    CHECK_STRING("test_failure", ns_cause_name(bad.cause));
    CHECK(bad.evidence_count > 0);
    CHECK(bad.evidence[0].line >= 5);
}

static void cut_anyhow_the_answer_is_the_same_to_the_last_bit(void **state)
{
    (void)state;
    ns_prediction whole = predict(ns_text_of(failing_log), green_log, 4096);
    for (size_t step = 1; step < 40; step += 3) {
        ns_prediction pieces = predict(ns_text_of(failing_log), green_log, step);
        CHECK(memcmp(&whole, &pieces, sizeof whole) == 0);
    }
}

static void lines_of_a_reference_are_no_evidence(void **state)
{
    (void)state;
    ns_prediction survived = predict(ns_text_of(failing_log), failing_log, 4096);
    ns_prediction fresh = predict(ns_text_of(failing_log), green_log, 4096);
    CHECK_INT(1, survived.references);
    CHECK_INT(0, survived.evidence_count);
    CHECK(survived.fail_probability < fresh.fail_probability);
    CHECK(fresh.evidence[0].is_new);
}

static void evidence_fades_when_the_build_goes_on(void **state)
{
    (void)state;
    ns_buf log;
    ns_buf_init(&log, 65536);
    CHECK(ns_buf_text(&log, ns_text_of(failing_log)) == NS_OK);
    double alarmed = predict(ns_buf_view(&log), NULL, 4096).fail_probability;
    for (int i = 0; i < 120; i++)
        CHECK(ns_buf_text(&log, ns_text_of(green_log)) == NS_OK);
    double survived = predict(ns_buf_view(&log), NULL, 4096).fail_probability;
    CHECK(survived < alarmed);
    CHECK(ns_buf_text(&log, ns_text_of("parser.c:80: assertion failed: right == left\n")) == NS_OK);
    CHECK(predict(ns_buf_view(&log), NULL, 4096).fail_probability > survived);
    ns_buf_clear(&log);
}

/* Takes the marked lines out. */
static ns_text without(const char *log, const bool *gone, char *out)
{
    ns_text rest = ns_text_of(log), line;
    size_t n = 0;
    for (size_t i = 1; ns_text_line(&rest, &line); i++) {
        if (gone[i])
            continue;
        memcpy(&out[n], line.at, line.len);
        n += line.len;
        out[n++] = '\n';
    }
    return (ns_text){out, n};
}

static void without_the_shown_lines_the_probability_falls_more_than_without_others(void **state)
{
    (void)state;
    char text[sizeof failing_log + 8];
    bool shown[16] = {false}, others[16] = {false};
    ns_prediction whole = predict(ns_text_of(failing_log), NULL, 4096);
    CHECK(whole.evidence_count >= 1 && whole.evidence_count <= 3);
    for (size_t i = 0; i < whole.evidence_count; i++)
        shown[whole.evidence[i].line] = true;
    for (size_t i = 1, n = 0; i < 8 && n < whole.evidence_count; i++)
        if (!shown[i]) {
            others[i] = true;
            n++;
        }
    double bare = predict(without(failing_log, shown, text), NULL, 4096).fail_probability;
    double other = predict(without(failing_log, others, text), NULL, 4096).fail_probability;
    CHECK(bare < other);
    CHECK(bare < whole.fail_probability - 0.1);
}

static void a_model_on_disk_answers_like_the_one_in_memory(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns_judge_XXXXXX", path[64];
    ns_predictor loaded, kept = predictor;
    ns_error err;
    CHECK(mkdtemp(folder) != NULL);
    CHECK_OK(ns_line_scorer_write(folder, &lines, &err));
    CHECK_OK(ns_judge_write(folder, &judge, &err));
    CHECK_OK(ns_judge_predictor_open(folder, &(ns_judge_predictor_options){0}, &loaded, &err));
    CHECK_INT(64, strlen(loaded.sha256));
    ns_prediction before = predict(ns_text_of(failing_log), NULL, 4096);
    predictor = loaded;
    ns_prediction after = predict(ns_text_of(failing_log), NULL, 4096);
    predictor = kept;
    CHECK_NEAR(before.fail_probability, after.fail_probability, 1e-12);
    CHECK_NEAR(before.evidence[0].weight, after.evidence[0].weight, 1e-6);
    loaded.free(loaded.self);
    (void)snprintf(path, sizeof path, "%s/lines.bin", folder);
    CHECK_INT(0, truncate(path, 1000));
    CHECK_STATUS(NS_BAD_INPUT, ns_judge_predictor_open(folder, &(ns_judge_predictor_options){0}, &loaded, &err));
    (void)unlink(path);
    CHECK_STATUS(NS_IO, ns_judge_predictor_open(folder, &(ns_judge_predictor_options){0}, &loaded, &err));
    (void)snprintf(path, sizeof path, "%s/judge.json", folder);
    (void)unlink(path);
    CHECK_INT(0, rmdir(folder));
}

static void the_same_seed_gives_the_same_model(void **state)
{
    (void)state;
    ns_line_scorer again;
    static ns_judge second;
    ns_error err;
    bool use[64];
    memset(use, 1, sizeof use);
    CHECK_OK(ns_line_scorer_init(&again, &err));
    CHECK_OK(ns_train_predictor(table, use, NULL, 1, NULL, NULL, &again, &second, &err));
    CHECK(memcmp(again.weight, lines.weight, (size_t)NS_LINE_BUCKETS * NS_LINE_HEADS) == 0);
    CHECK_NEAR(judge.head[0].alarm, second.head[0].alarm, 0.0);
    CHECK_NEAR(judge.head[0].bias, second.head[0].bias, 0.0);
    ns_line_scorer_clear(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failing_and_green_logs_of_a_new_project_are_told_apart),
        cmocka_unit_test(cut_anyhow_the_answer_is_the_same_to_the_last_bit),
        cmocka_unit_test(lines_of_a_reference_are_no_evidence),
        cmocka_unit_test(evidence_fades_when_the_build_goes_on),
        cmocka_unit_test(without_the_shown_lines_the_probability_falls_more_than_without_others),
        cmocka_unit_test(a_model_on_disk_answers_like_the_one_in_memory),
        cmocka_unit_test(the_same_seed_gives_the_same_model),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
