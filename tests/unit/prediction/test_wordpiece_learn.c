#include "check.h"

#include "prediction/wordpiece.h"
#include "prediction/wordpiece_learn.h"

#include <unistd.h>

static void learn(const char *const *texts, const int64_t *counts, size_t n, size_t size, ns_buf *out)
{
    ns_bert_rules rules = ns_bert_rules_of(false);
    ns_wordpiece_learner *learner = ns_wordpiece_learner_new(&rules);
    CHECK(learner != NULL);
    for (size_t i = 0; i < n; i++)
        CHECK_OK(ns_wordpiece_learner_add(learner, ns_text_of(texts[i]), counts[i]));
    const ns_learn_options options = {.size = size};
    ns_error err;
    if (ns_wordpiece_learn(learner, &options, out, &err) != NS_OK)
        fail_msg("%s", err.text);
    ns_wordpiece_learner_free(learner);
}

#define SPECIALS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"

/* low 5, lower 2, newest 6, widest 3: the example of Sennrich et al., joined by hand. */
static void the_most_frequent_pair_is_joined_first(void **state)
{
    (void)state;
    static const char *const texts[] = {"low low", "lower", "newest newest", "widest", "low", "newest"};
    static const int64_t counts[] = {2, 2, 2, 3, 1, 2};
    ns_buf out;
    ns_buf_init(&out, 0);
    learn(texts, counts, NS_COUNT_OF(texts), 30, &out);
    CHECK_STRING(SPECIALS "d\ne\ni\nl\nn\no\nr\ns\nt\nw\n"
                          "##d\n##e\n##i\n##o\n##r\n##s\n##t\n##w\n" /* l and n only begin words */
                          "##es\n"                                   /* 9, made of smaller numbers than ##st, also 9 */
                          "##est\n"
                          "lo\n"     /* 7 */
                          "low\n"    /* 7 */
                          "ne\n"     /* 6, its first number is smaller than that of ##w */
                          "##west\n" /* 6 */
                          "newest\n",
                 out.at);
    ns_buf_clear(&out);
    CHECK_INT(0, ns_mem_live());
}

static void the_order_of_the_texts_does_not_matter(void **state)
{
    (void)state;
    static const char *const texts[] = {"error: total", "total of totals", "errors in cart", "aaaa aaa aa", "cart é"};
    static const char *const turned[] = {"cart é", "aaaa aaa aa", "errors in cart", "total of totals", "error: total"};
    static const int64_t counts[] = {3, 3, 3, 3, 3};
    ns_buf one, other;
    ns_buf_init(&one, 0);
    ns_buf_init(&other, 0);
    learn(texts, counts, 5, 60, &one);
    learn(turned, counts, 5, 60, &other);
    CHECK_STRING(one.at, other.at);
    CHECK(strstr(one.at, "\naa\n") != NULL && strstr(one.at, "\ntotal\n") != NULL);
    /* It can be read, every piece once, and writes what it was taught without [UNK]. */
    ns_bert_rules rules = ns_bert_rules_of(false);
    ns_wordpiece *wordpiece = NULL;
    CHECK_OK(ns_wordpiece_of_vocabulary("v", ns_buf_view(&one), &rules, &wordpiece, NULL));
    int32_t ids[64];
    for (size_t i = 0; i < NS_COUNT_OF(texts); i++) {
        size_t n = ns_wordpiece_encode(wordpiece, ns_text_of(texts[i]), ids, NS_COUNT_OF(ids));
        for (size_t k = 0; k < n; k++)
            CHECK(ids[k] != ns_wordpiece_unknown(wordpiece));
    }
    ns_wordpiece_free(wordpiece);
    ns_buf_clear(&one);
    ns_buf_clear(&other);
}

static void what_cannot_be_learnt_is_told(void **state)
{
    (void)state;
    ns_bert_rules rules = ns_bert_rules_of(false);
    ns_error err;
    ns_buf out;
    ns_buf_init(&out, 0);
    ns_wordpiece_learner *learner = ns_wordpiece_learner_new(&rules);
    ns_learn_options options = {.size = 8};
    CHECK_STATUS(NS_BAD_INPUT, ns_wordpiece_learn(learner, &options, &out, &err));
    CHECK_STRING("vocabulary: there are no words to learn from", err.text);
    CHECK_OK(ns_wordpiece_learner_add(learner, NS_TEXT("abcdef"), 1));
    CHECK_STATUS(NS_BAD_INPUT, ns_wordpiece_learn(learner, &options, &out, &err));
    CHECK_STRING("vocabulary: 6 characters need 16 pieces, only 8 are wanted", err.text);
    ns_wordpiece_learner_free(learner);
}

static void rare_characters_are_left_out(void **state)
{
    (void)state;
    ns_bert_rules rules = ns_bert_rules_of(false);
    ns_buf out;
    ns_buf_init(&out, 0);
    ns_wordpiece_learner *learner = ns_wordpiece_learner_new(&rules);
    CHECK_OK(ns_wordpiece_learner_add(learner, NS_TEXT("ab ab abz"), 1));
    const ns_learn_options options = {.size = 20, .alphabet = 2};
    CHECK_OK(ns_wordpiece_learn(learner, &options, &out, NULL));
    CHECK_STRING(SPECIALS "a\nb\n##b\nab\n", out.at);
    ns_wordpiece_learner_free(learner);
    ns_buf_clear(&out);
}

static void a_folder_is_written_that_can_be_read(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns-vocab-XXXXXX", path[64];
    CHECK(mkdtemp(folder) != NULL);
    ns_bert_rules rules = ns_bert_rules_of(false);
    ns_wordpiece *wordpiece = NULL;
    CHECK_OK(ns_wordpiece_write(folder, NS_TEXT(SPECIALS "A\na\n"), &rules, NULL));
    CHECK_OK(ns_wordpiece_load(folder, &wordpiece, NULL));
    CHECK(!ns_wordpiece_rules(wordpiece)->lowercase && !ns_wordpiece_rules(wordpiece)->strip_accents);
    int32_t id = 0;
    CHECK_INT(1, ns_wordpiece_encode(wordpiece, NS_TEXT("A"), &id, 1));
    CHECK_INT(5, id);
    ns_wordpiece_free(wordpiece);
    (void)snprintf(path, sizeof path, "%s/vocab.txt", folder);
    CHECK(unlink(path) == 0);
    (void)snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    CHECK(unlink(path) == 0);
    CHECK(rmdir(folder) == 0);
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    ns_bert_rules rules = ns_bert_rules_of(false);
    bool done = false;
    for (long n = 0; !done; n++) {
        ns_buf out;
        ns_buf_init(&out, 0);
        ns_mem_fail_after(n);
        ns_wordpiece_learner *learner = ns_wordpiece_learner_new(&rules);
        const ns_learn_options options = {.size = 30};
        done = learner != NULL &&
               ns_wordpiece_learner_add(learner, NS_TEXT("low low lower lowest lowest"), 1) == NS_OK &&
               ns_wordpiece_learn(learner, &options, &out, NULL) == NS_OK;
        ns_wordpiece_learner_free(learner);
        ns_mem_fail_after(-1);
        ns_buf_clear(&out);
        CHECK_INT(0, ns_mem_live());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_frequent_pair_is_joined_first),
        cmocka_unit_test(the_order_of_the_texts_does_not_matter),
        cmocka_unit_test(what_cannot_be_learnt_is_told),
        cmocka_unit_test(rare_characters_are_left_out),
        cmocka_unit_test(a_folder_is_written_that_can_be_read),
        cmocka_unit_test(memory_may_end_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
