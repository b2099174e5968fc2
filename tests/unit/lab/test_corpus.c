#include "check.h"

#include "corpus_maker.h"
#include "lab/corpus.h"
#include "lab/recorded_logs.h"
#include "lab/visible.h"

static ns_status open_one(const char *folder, ns_corpus **out)
{
    ns_error err;
    return ns_corpus_open(&folder, 1, &(ns_corpus_filter){.family = NULL}, out, &err);
}

static void references_are_earlier_green_logs_of_the_project_newest_first(void **state)
{
    (void)state;
    corpus_maker maker;
    ns_corpus *corpus = NULL;
    size_t found[3];
    maker_begin(&maker);
    maker_log(&maker, "a", 1, false, "", "jenkins", "one\n");
    maker_log(&maker, "a", 5, false, "", "jenkins", "five\n");
    maker_log(&maker, "b", 2, false, "", "jenkins", "another project\n");
    maker_log(&maker, "a", 3, true, "timeout", "jenkins", "failed\n");
    maker_log(&maker, "a", 4, false, "", "jenkins", "four\n");
    maker_log(&maker, "a", 9, true, "timeout", "jenkins", "now\n");
    maker_end(&maker);
    CHECK_OK(open_one(maker.folder, &corpus));
    CHECK_INT(6, ns_corpus_count(corpus));
    CHECK_INT(2, ns_corpus_projects(corpus));
    CHECK_INT(2, ns_corpus_references(corpus, 5, found, 2));
    CHECK_INT(5, ns_corpus_at(corpus, found[0])->order);
    CHECK_INT(4, ns_corpus_at(corpus, found[1])->order);
    CHECK_INT(0, ns_corpus_references(corpus, 0, found, 3));
    ns_corpus_free(corpus);
    maker_remove(&maker);
    CHECK_INT(0, ns_mem_live());
}

static void a_bad_index_is_told_with_its_line(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"path\":\"../x\",\"group\":\"g\",\"outcome\":\"success\"}\n",
                                      "{\"path\":\"x\",\"outcome\":\"success\"}\n", "{\n", "[1\n"};
    for (size_t i = 0; i < NS_COUNT_OF(bad); i++) {
        corpus_maker maker;
        ns_corpus *corpus = NULL;
        ns_error err = {.text = ""};
        maker_begin(&maker);
        CHECK(fputs(bad[i], maker.index) >= 0);
        maker_end(&maker);
        const char *folder = maker.folder;
        CHECK_STATUS(NS_BAD_INPUT, ns_corpus_open(&folder, 1, &(ns_corpus_filter){.family = NULL}, &corpus, &err));
        CHECK(strstr(err.text, "line 1") != NULL);
        maker_remove(&maker);
    }
    CHECK_INT(0, ns_mem_live());
}

static void what_is_printed_because_of_the_outcome_goes(void **state)
{
    (void)state;
    ns_visible visible;
    ns_error err;
    ns_visible_init(&visible);
    CHECK_OK(ns_visible_of(&visible,
                           NS_TEXT("\x1b[31mone\x1b[0m\n\n10 %\r50 %\rtwo\nmake: *** [all] Error 2\nthree\n"
                                   "Finished: FAILURE\ntravis_fold:start:after_failure\nafterwards\n"),
                           &err));
    CHECK_INT(3, visible.lines);
    CHECK_STRING("one\ntwo\nthree\n", visible.text.at);
    CHECK_INT(3, visible.raw_line[1]);
    CHECK_INT(5, visible.raw_line[2]);
    CHECK_INT(8, ns_visible_first(&visible, 2).len);
    ns_visible_clear(&visible);
    CHECK_INT(0, ns_mem_live());
}

/* Behind the world's door: one split, causes by name, texts as they are in the files. */
static void recorded_logs_are_the_corpus(void **state)
{
    (void)state;
    corpus_maker maker;
    ns_recorded_logs logs;
    ns_recorded_log log;
    ns_error err = {.text = ""};
    ns_buf text;
    ns_buf_init(&text, 4096);
    maker_begin(&maker);
    maker_log(&maker, "a", 1, false, "", "jenkins", "green\n");
    maker_log(&maker, "b", 2, true, "disk_full", "jenkins", "red\n");
    maker_log(&maker, "b", 3, true, "gremlins", "jenkins", "odd\n");
    maker_end(&maker);
    CHECK_STATUS(NS_BAD_INPUT, ns_recorded_logs_open(maker.folder, "test", &logs, &err));
    ns_recorded_logs_close(&logs);
    CHECK_OK(ns_recorded_logs_choose(maker.folder, "train", &logs, &err));
    CHECK_INT(3, logs.count);
    logs.at(logs.self, 1, &log);
    CHECK(log.cause == NS_CAUSE_disk_full && log.project == 1 && log.fault_line == -1);
    CHECK_STRING("make", log.tool);
    CHECK_OK(logs.read(logs.self, 1, &text, &err));
    CHECK_STRING("red\n", text.at);
    logs.at(logs.self, 2, &log);
    CHECK_INT(NS_CAUSE_COUNT, log.cause);
    maker_remove(&maker);
    ns_buf_reset(&text);
    CHECK_STATUS(NS_IO, logs.read(logs.self, 1, &text, &err));
    ns_recorded_logs_close(&logs);
    CHECK_OK(ns_recorded_logs_choose("none", "train", &logs, &err));
    CHECK_INT(0, logs.count);
    CHECK_STATUS(NS_BAD_INPUT, ns_recorded_logs_choose(maker.folder, "train", &logs, &err));
    CHECK(strstr(err.text, maker.folder) != NULL && strstr(err.text, "world.logs") != NULL);
    ns_recorded_logs_close(&logs);
    ns_buf_clear(&text);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_earlier_green_logs_of_the_project_newest_first),
        cmocka_unit_test(a_bad_index_is_told_with_its_line),
        cmocka_unit_test(what_is_printed_because_of_the_outcome_goes),
        cmocka_unit_test(recorded_logs_are_the_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
