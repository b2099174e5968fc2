#include "check.h"

#include "corpus_maker.h"
#include "lab/leakcheck.h"

static ns_leakcheck check_made(const char *green, const char *failing, const char *green_ci, const char *failing_ci)
{
    corpus_maker maker;
    ns_corpus *corpus = NULL;
    ns_line_table *table = NULL;
    ns_leakcheck leak;
    ns_error err;
    maker_begin(&maker);
    maker_projects(&maker, green, failing, green_ci, failing_ci);
    maker_end(&maker);
    const char *folder = maker.folder;
    CHECK_OK(ns_corpus_open(&folder, 1, &(ns_corpus_filter){.family = NULL}, &corpus, &err));
    CHECK_OK(ns_line_table_new(corpus, NULL, NULL, &table, &err));
    CHECK_OK(ns_leakcheck_of(table, &leak, &err));
    ns_line_table_free(table);
    ns_corpus_free(corpus);
    maker_remove(&maker);
    CHECK_INT(0, ns_mem_live());
    return leak;
}

static void an_honest_corpus_passes(void **state)
{
    (void)state;
    ns_leakcheck leak = check_made("", "", "jenkins", "jenkins");
    CHECK(leak.passed);
    CHECK_INT(0, leak.problems);
    CHECK(leak.best_stump_auc < NS_LEAK_STUMP_AUC);
}

static void a_planted_status_line_is_found(void **state)
{
    (void)state;
    ns_leakcheck leak = check_made("overall verdict good\n", "overall verdict bad\n", "jenkins", "jenkins");
    CHECK(!leak.passed);
    CHECK_STRING("single line", leak.best_stump);
    CHECK(strstr(leak.problem[0], "verdict") != NULL || strstr(leak.problem[1], "verdict") != NULL);
}

static void a_planted_size_is_found(void **state)
{
    (void)state;
    char padding[2048];
    memset(padding, 'x', sizeof padding - 2);
    memcpy(&padding[sizeof padding - 2], "\n", 2);
    ns_leakcheck leak = check_made(padding, "x\n", "jenkins", "jenkins");
    CHECK(!leak.passed);
    CHECK(leak.best_stump_auc > 0.95);
}

static void a_planted_ci_is_found(void **state)
{
    (void)state;
    ns_leakcheck leak = check_made("", "", "jenkins", "travis");
    CHECK(!leak.passed);
    CHECK_STRING("CI", leak.best_stump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_corpus_passes),
        cmocka_unit_test(a_planted_status_line_is_found),
        cmocka_unit_test(a_planted_size_is_found),
        cmocka_unit_test(a_planted_ci_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
