#include "check.h"

#include "world/serve_tree.h"

static const char whole[] =
    "{\"_class\":\"Root\",\"a\":1,\"b\":{\"_class\":\"B\",\"c\":2,\"d\":null},\"plain\":[1,2,3,4],\"empty\":{},"
    "\"list\":[{\"_class\":\"L\",\"n\":0,\"s\":{\"x\":7,\"y\":8}},{\"_class\":\"L\",\"n\":1},{},{\"n\":3}]}";

static void trees_leave_what_is_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *tree, *left;
    } cases[] = {
        {"a", "{\"_class\":\"Root\",\"a\":1}"},
        {"b", "{\"_class\":\"Root\",\"b\":{\"_class\":\"B\"}}"},
        {"b[c]", "{\"_class\":\"Root\",\"b\":{\"_class\":\"B\",\"c\":2}}"},
        {"b[d],a", "{\"_class\":\"Root\",\"a\":1,\"b\":{\"_class\":\"B\",\"d\":null}}"},
        {"b[*]", "{\"_class\":\"Root\",\"b\":{\"_class\":\"B\",\"c\":2,\"d\":null}}"},
        {"nosuch[x]", "{\"_class\":\"Root\"}"},
        {"empty", "{\"_class\":\"Root\",\"empty\":{}}"},
        {"list", "{\"_class\":\"Root\",\"list\":[{\"_class\":\"L\"},{\"_class\":\"L\"},{},{}]}"},
        {"list[n]{0,2}", "{\"_class\":\"Root\",\"list\":[{\"_class\":\"L\",\"n\":0},{\"_class\":\"L\",\"n\":1}]}"},
        {"list[n]{1}", "{\"_class\":\"Root\",\"list\":[{\"_class\":\"L\",\"n\":1}]}"},
        {"list[n]{3,}", "{\"_class\":\"Root\",\"list\":[{\"n\":3}]}"},
        {"list[n]{,1}", "{\"_class\":\"Root\",\"list\":[{\"_class\":\"L\",\"n\":0}]}"},
        {"list[n]{9,12}", "{\"_class\":\"Root\",\"list\":[]}"},
        {"list[n]{2,1}", "{\"_class\":\"Root\",\"list\":[]}"},
        {"plain{1,3}", "{\"_class\":\"Root\",\"plain\":[2,3]}"},
        {"list[s[x]]{0}", "{\"_class\":\"Root\",\"list\":[{\"_class\":\"L\",\"s\":{\"x\":7}}]}"},
        {"*,b[c]", "{\"_class\":\"Root\",\"a\":1,\"b\":{\"_class\":\"B\",\"c\":2},\"empty\":{},\"list\":[{\"_class\":"
                   "\"L\"},{\"_class\":\"L\"},{},{}],\"plain\":[1,2,3,4]}"},
        {"a,a", "{\"_class\":\"Root\",\"a\":1}"},
    };
    json_t *json = json_loads(whole, 0, NULL);
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_tree *tree = NULL;
        ns_error err;
        CHECK_OK(ns_tree_parse(ns_text_of(cases[i].tree), &tree, &err));
        json_t *left = ns_tree_apply(tree, json);
        json_t *wanted = json_loads(cases[i].left, 0, NULL);
        char *shown = json_dumps(left, JSON_COMPACT | JSON_SORT_KEYS);
        if (wanted == NULL || json_equal(wanted, left) == 0)
            fail_msg("tree=%s left %s", cases[i].tree, shown);
        free(shown);
        json_decref(left);
        json_decref(wanted);
        ns_tree_free(tree);
    }
    json_decref(json);
    CHECK_INT(0, ns_mem_live());
}

static void malformed_trees_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",         ",",
                                        "a,",       ",a",
                                        "a[",       "a[]",
                                        "a]",       "a[b",
                                        "a[b]]",    "a{",
                                        "a{}",      "a{1",
                                        "a{1,2",    "a{x}",
                                        "a{1,2,3}", "a{-1}",
                                        "a{,}",     "[a]",
                                        "a[b]c",    "a{1}b",
                                        "a[b,]",    "a{99999999999999999999}",
                                        "{1}",      "a{1}{2}"};
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_tree *tree = NULL;
        ns_error err;
        if (ns_tree_parse(ns_text_of(cases[i]), &tree, &err) != NS_BAD_INPUT)
            fail_msg("tree=%s was taken", cases[i]);
        CHECK(tree == NULL && ns_text_starts(ns_text_of(err.text), "Malformed tree expression"));
    }
    char deep[200];
    memset(deep, '[', sizeof deep);
    for (size_t i = 0; i < sizeof deep; i += 2)
        deep[i] = 'a';
    ns_tree *tree = NULL;
    CHECK_STATUS(NS_BAD_INPUT, ns_tree_parse((ns_text){deep, sizeof deep}, &tree, NULL));
    static char large[NS_TREE_BYTES_MAX + 1];
    memset(large, 'a', sizeof large);
    CHECK_STATUS(NS_TOO_LARGE, ns_tree_parse((ns_text){large, sizeof large}, &tree, NULL));
    ns_mem_fail_after(0);
    CHECK_STATUS(NS_NO_MEMORY, ns_tree_parse(NS_TEXT("a"), &tree, NULL));
    ns_mem_fail_after(-1);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_leave_what_is_wanted),
        cmocka_unit_test(malformed_trees_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
