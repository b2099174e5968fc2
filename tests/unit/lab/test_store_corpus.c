/* The store of a daemon as a corpus: which builds are logs, what people said of them, and that training hears it. */
#include "check.h"

#include "base/mem.h"
#include "lab/judged_lines.h"
#include "lab/train_lines.h"
#include "store/sqlite_store.h"

#include <sys/stat.h>
#include <unistd.h>

typedef struct scene {
    char folder[64];
    char database[96];
    ns_store store;
} scene;

static void scene_begin(scene *s)
{
    ns_error err;
    (void)snprintf(s->folder, sizeof s->folder, "/tmp/ns_store_corpus_XXXXXX");
    CHECK(mkdtemp(s->folder) != NULL);
    (void)snprintf(s->database, sizeof s->database, "%s/neuroshield.db", s->folder);
    CHECK_OK(ns_sqlite_store_open(&(ns_store_options){.path = s->database}, &s->store, &err));
}

static void scene_written(scene *s)
{
    ns_error err;
    CHECK_OK(s->store.flush(s->store.self, 30000, &err));
    s->store.free(s->store.self);
}

static void scene_end(const scene *s)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < NS_COUNT_OF(parts); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s%s", s->database, parts[i]);
        (void)unlink(path);
    }
    CHECK(rmdir(s->folder) == 0);
}

static void put(scene *s, ns_row row)
{
    uint64_t sequence;
    CHECK_OK(s->store.put(s->store.self, &row, &sequence));
}

static void put_build(scene *s, const char *job, int64_t number, ns_build_result result, const char *text, bool ended)
{
    ns_build_row build = {.build = {.number = number,
                                    .running = result == NS_BUILD_unknown,
                                    .result = result,
                                    .started_ms = 1700000000000 + number,
                                    .duration_ms = 1000,
                                    .seen_ms = 1700000000000 + number}};
    (void)snprintf(build.jenkins_job, sizeof build.jenkins_job, "%s", job);
    put(s, (ns_row){.kind = NS_ROW_build, .of.build = &build});
    if (text == NULL)
        return;
    ns_log_row log = {.build = number, .text = ns_text_of(text), .next_offset = 1, .ended = ended};
    (void)snprintf(log.jenkins_job, sizeof log.jenkins_job, "%s", job);
    put(s, (ns_row){.kind = NS_ROW_log, .of.log = &log});
}

static void put_label(scene *s, const char *job, int64_t build, const char *cause, int64_t line, int8_t telling)
{
    ns_label_row label = {.at_ms = 1700000000000, .build = build, .line = line, .telling = telling};
    (void)snprintf(label.jenkins_job, sizeof label.jenkins_job, "%s", job);
    (void)snprintf(label.actor, sizeof label.actor, "operator");
    (void)snprintf(label.cause, sizeof label.cause, "%s", cause);
    put(s, (ns_row){.kind = NS_ROW_label, .of.label = &label});
}

static ns_status open_it(const char *folder, const ns_corpus_filter *filter, ns_corpus **out)
{
    ns_error err;
    return ns_corpus_open(&folder, 1, filter, out, &err);
}

static void ended_builds_with_their_logs_are_the_corpus(void **state)
{
    (void)state;
    scene s;
    ns_corpus *corpus = NULL;
    ns_error err;
    scene_begin(&s);
    put_build(&s, "shop/carts", 7, NS_BUILD_SUCCESS, "make\nall well\n", true);
    put_build(&s, "shop/carts", 8, NS_BUILD_FAILURE, "make\nno space left\nmore\n", true);
    put_build(&s, "shop/carts", 9, NS_BUILD_ABORTED, "make\n", true);
    put_build(&s, "shop/carts", 10, NS_BUILD_unknown, "make\n", false);
    put_build(&s, "shop/user", 1, NS_BUILD_FAILURE, "half\n", false);
    put_build(&s, "shop/user", 2, NS_BUILD_FAILURE, NULL, false);
    put_label(&s, "shop/carts", 8, "flaky_test", -1, -1);
    put_label(&s, "shop/carts", 8, "disk_full", 3, 1);
    put_label(&s, "shop/carts", 8, "", 3, 0); /* thought better of */
    put_label(&s, "shop/carts", 8, "", 2, 1);
    scene_written(&s);
    CHECK_OK(open_it(s.folder, &(ns_corpus_filter){.not_split = "test"}, &corpus));
    CHECK_INT(2, ns_corpus_count(corpus));
    CHECK_INT(1, ns_corpus_projects(corpus));
    const ns_corpus_log *log = ns_corpus_at(corpus, 1);
    CHECK(log->failing && log->order == 8 && log->fault_line == 2 && log->judged_count == 2);
    CHECK(log->judged[0].line == 3 && !log->judged[0].telling && log->judged[1].line == 2 && log->judged[1].telling);
    CHECK_STRING("disk_full", log->cause);
    CHECK_STRING("shop/carts#8", log->path);
    ns_buf text;
    ns_buf_init(&text, 1000);
    CHECK_OK(ns_corpus_read(corpus, 1, &text, &err));
    CHECK_STRING("make\nno space left\nmore\n", text.at);
    size_t reference;
    CHECK_INT(1, ns_corpus_references(corpus, 1, &reference, 1));
    char sha256[65];
    (void)snprintf(sha256, sizeof sha256, "%s", ns_corpus_sha256(corpus));
    ns_corpus_free(corpus);
    /* Filters hold here too; by its file's name it is found as well. */
    CHECK_STATUS(NS_BAD_INPUT, open_it(s.folder, &(ns_corpus_filter){.split = "test"}, &corpus));
    CHECK_STATUS(NS_BAD_INPUT, open_it(s.folder, &(ns_corpus_filter){.family = "recorded"}, &corpus));
    CHECK_OK(open_it(s.database, &(ns_corpus_filter){.family = "store"}, &corpus));
    CHECK_STRING(sha256, ns_corpus_sha256(corpus));
    ns_corpus_free(corpus);
    ns_buf_clear(&text);
    scene_end(&s);
    CHECK_INT(0, ns_mem_live());
}

static void a_file_that_is_no_store_is_refused(void **state)
{
    (void)state;
    scene s;
    ns_corpus *corpus = NULL;
    (void)snprintf(s.folder, sizeof s.folder, "/tmp/ns_store_corpus_XXXXXX");
    CHECK(mkdtemp(s.folder) != NULL);
    (void)snprintf(s.database, sizeof s.database, "%s/neuroshield.db", s.folder);
    FILE *file = fopen(s.database, "w");
    CHECK(file != NULL && fputs("this is no database at all, not by far", file) >= 0 && fclose(file) == 0);
    CHECK(open_it(s.folder, &(ns_corpus_filter){.family = NULL}, &corpus) != NS_OK);
    scene_end(&s);
    CHECK_INT(0, ns_mem_live());
}

/* Four jobs whose failing builds print two lines that no green one has; of one job a person judged both. */
static float score_of(const char *words, bool judged)
{
    scene s;
    ns_corpus *corpus = NULL;
    ns_line_table *table = NULL;
    ns_line_scorer lines = {.weight = NULL};
    ns_error err;
    scene_begin(&s);
    for (int job = 0; job < 4; job++) {
        for (int number = 1; number <= 8; number++) {
            char name[32], text[512];
            bool failing = number % 2 == 0;
            (void)snprintf(name, sizeof name, "shop/job-%d", job);
            (void)snprintf(text, sizeof text, "compiling the parts\nlinking them\n%stesting\narchiving\n",
                           failing ? "telescope misaligned\nneighbour waves politely\n" : "");
            put_build(&s, name, number, failing ? NS_BUILD_FAILURE : NS_BUILD_SUCCESS, text, true);
        }
    }
    if (judged) {
        put_label(&s, "shop/job-0", 4, "", 3, 1);
        put_label(&s, "shop/job-0", 4, "", 4, 0);
    }
    scene_written(&s);
    CHECK_OK(open_it(s.folder, &(ns_corpus_filter){.family = NULL}, &corpus));
    CHECK_OK(ns_line_table_new(corpus, NULL, NULL, &table, &err));
    CHECK_OK(ns_line_scorer_init(&lines, &err));
    bool use[32];
    memset(use, 1, sizeof use);
    CHECK_INT(32, ns_corpus_count(corpus));
    CHECK_OK(ns_train_lines(table, use, 1, &lines, &err));
    float *scores = NS_NEW_ARRAY(float, table->form_count *NS_LINE_HEADS);
    CHECK(scores != NULL);
    ns_score_forms(table, &lines, scores);
    float found = -1000.0F;
    for (size_t i = 0; i < table->form_count; i++)
        if (ns_text_find(table->forms[i].text, words) >= 0)
            found = scores[i * NS_LINE_HEADS + NS_LINE_all];
    ns_free(scores);
    ns_line_scorer_clear(&lines);
    ns_line_table_free(table);
    ns_corpus_free(corpus);
    scene_end(&s);
    return found;
}

static void a_persons_word_on_a_line_is_learnt(void **state)
{
    (void)state;
    float apart = score_of("telescope", false) - score_of("neighbour", false);
    CHECK(score_of("telescope", true) - score_of("neighbour", true) > apart + 0.3F);
    CHECK(score_of("neighbour", true) < score_of("neighbour", false));
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ended_builds_with_their_logs_are_the_corpus),
        cmocka_unit_test(a_file_that_is_no_store_is_refused),
        cmocka_unit_test(a_persons_word_on_a_line_is_learnt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
