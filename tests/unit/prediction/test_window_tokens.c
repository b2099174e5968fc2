/* A line and its neighbours as ids: order, room, what is left out. */
#include "check.h"

#include "prediction/window_tokens.h"

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\nf\ng\n";
enum { CLS = 2, SEP = 3, A = 5 };

static ns_wordpiece *wordpiece(void)
{
    ns_wordpiece *out = NULL;
    const ns_bert_rules rules = ns_bert_rules_of(false);
    CHECK_OK(ns_wordpiece_of_vocabulary("test", (ns_text){vocabulary, sizeof vocabulary - 1}, &rules, &out, NULL));
    return out;
}

static void order(void **state)
{
    (void)state;
    static const ns_text lines[] = {BYTES("a"), BYTES("b b"), BYTES("c"), BYTES("d d"), BYTES("e")};
    static const struct {
        size_t count;
        int32_t wanted[20];
        size_t len;
    } cases[] = {
        {1, {CLS, A, SEP}, 3},
        {2, {CLS, A + 1, A + 1, SEP, A, SEP}, 6},
        {3, {CLS, A + 2, SEP, A, SEP, A + 1, A + 1, SEP}, 8},
        {5, {CLS, A + 4, SEP, A + 2, SEP, A + 3, A + 3, SEP}, 8}, /* two before, not four */
    };
    ns_wordpiece *w = wordpiece();
    ns_window_marks marks;
    CHECK_OK(ns_window_marks_of(w, &marks, NULL));
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        int32_t ids[NS_WINDOW_TOKENS];
        const ns_window window = {lines, cases[i].count};
        CHECK_INT(cases[i].len, ns_window_tokens(w, &marks, &window, ids, NS_WINDOW_TOKENS));
        CHECK(memcmp(cases[i].wanted, ids, cases[i].len * sizeof *ids) == 0);
    }
    ns_wordpiece_free(w);
}

/* Whatever the lines, the window keeps to its room and begins with the line in question. */
static void room(void **state)
{
    (void)state;
    static char words[2000];
    for (size_t i = 0; i < sizeof words; i += 2)
        memcpy(words + i, "g ", 2);
    const ns_text lines[] = {{words, 60}, {words, 2000}, {words, 600}, {words, 20}, {words, 0}, {words, 2}};
    ns_wordpiece *w = wordpiece();
    ns_window_marks marks;
    CHECK_OK(ns_window_marks_of(w, &marks, NULL));
    for (size_t count = 1; count <= NS_COUNT_OF(lines); count++) {
        const ns_window window = {lines, count};
        for (size_t space = 8; space <= NS_WINDOW_TOKENS; space++) {
            int32_t ids[NS_WINDOW_TOKENS + 1];
            ids[space] = -7;
            const size_t len = ns_window_tokens(w, &marks, &window, ids, space);
            CHECK(len >= 2 && len <= space);
            CHECK_INT(CLS, ids[0]);
            CHECK_INT(SEP, ids[len - 1]);
            CHECK_INT(-7, ids[space]);
        }
    }
    ns_wordpiece_free(w);
}

static void a_vocabulary_without_marks(void **state)
{
    (void)state;
    ns_wordpiece *w = NULL;
    ns_window_marks marks;
    ns_error err;
    const ns_bert_rules rules = ns_bert_rules_of(false);
    CHECK_OK(ns_wordpiece_of_vocabulary("test", NS_TEXT("[PAD]\n[UNK]\n[CLS]\n[MASK]\na\n"), &rules, &w, NULL));
    CHECK_STATUS(NS_BAD_INPUT, ns_window_marks_of(w, &marks, &err));
    CHECK(strstr(err.text, "[SEP]") != NULL);
    ns_wordpiece_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order), cmocka_unit_test(room),
                                       cmocka_unit_test(a_vocabulary_without_marks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
