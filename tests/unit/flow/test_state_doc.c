/* docs/state-vector.md is the table of flow/state.h. Written anew by: NS_WRITE_DOCS=1 meson test -C build state_doc */
#include "check.h"
#include "flow/state.h"

#define DOC_MAX ((size_t)64 * 1024)

typedef struct row {
    const char *name, *from, *scaling, *meaning;
} row;

static const row rows[] = {
#define ROW(name, from, scaling, meaning) {#name, #from, scaling, meaning},
    NS_STATE_MAP(ROW)
#undef ROW
};

static void write_doc(ns_buf *out)
{
    (void)ns_buf_printf(
        out,
        "# The state vector\n\n"
        "What a policy sees: %d values, the last %d of them the history of the open case. Made from the "
        "table in\n`src/flow/state.h`, where each value is described; layout version %u, which policy files "
        "carry.\n\n"
        "Each value has a presence bit of its own: an absent one is 0 with its bit clear, a known zero has "
        "it set. Nothing\nyounger than the decision enters.\n\n"
        "| # | value | from | scaling | meaning |\n|---|---|---|---|---|\n",
        NS_STATE_COUNT, NS_STATE_COUNT - NS_STATE_tried_no_op, NS_STATE_LAYOUT);
    for (size_t i = 0; i < NS_COUNT_OF(rows); i++)
        (void)ns_buf_printf(out, "| %zu | `%s` | %s | %s | %s |\n", i, rows[i].name, rows[i].from, rows[i].scaling,
                            rows[i].meaning);
}

static void the_page_is_the_table(void **state)
{
    const char *path = test_path("docs/state-vector.md");
    ns_buf wanted, got;
    ns_error err;
    (void)state;
    ns_buf_init(&wanted, DOC_MAX);
    ns_buf_init(&got, DOC_MAX);
    write_doc(&wanted);
    if (getenv("NS_WRITE_DOCS") != NULL)
        CHECK_OK(ns_file_replace(path, ns_buf_view(&wanted), 0644, &err));
    CHECK_OK(ns_file_read(path, DOC_MAX, &got, &err));
    if (!ns_text_same(ns_buf_view(&wanted), ns_buf_view(&got)))
        fail_msg("%s is not what src/flow/state.h says; write it anew: NS_WRITE_DOCS=1 meson test -C build state_doc",
                 path);
    ns_buf_clear(&wanted);
    ns_buf_clear(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_page_is_the_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
