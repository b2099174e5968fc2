#include "check.h"

#include "prediction/trie.h"
#include "prediction/wordpiece.h"

enum { IDS_MAX = 512 };

static unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* "0a1b|1 2|3 4": takes what is before the next '|'. */
static ns_text field(ns_text *line)
{
    ptrdiff_t bar = ns_text_find(*line, "|");
    size_t n = bar < 0 ? line->len : (size_t)bar;
    ns_text out = {line->at, n};
    size_t skip = n < line->len ? n + 1 : n;
    *line = (ns_text){line->at + skip, line->len - skip};
    return out;
}

static size_t bytes_of(ns_text hex, char *out)
{
    for (size_t i = 0; i < hex.len / 2; i++)
        out[i] = (char)(nibble(hex.at[2 * i]) << 4 | nibble(hex.at[2 * i + 1]));
    return hex.len / 2;
}

static void check_ids(const ns_wordpiece *wordpiece, ns_text text, ns_text wanted, size_t number)
{
    int32_t ids[IDS_MAX];
    char got[8 * IDS_MAX] = "";
    size_t n = ns_wordpiece_encode(wordpiece, text, ids, IDS_MAX), len = 0;
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%d", i > 0 ? " " : "", (int)ids[i]);
    if (!ns_text_is(wanted, got))
        fail_msg("case %zu: wanted %.*s, got %s", number, (int)wanted.len, wanted.at, got);
}

static ns_wordpiece *load(const char *folder)
{
    ns_wordpiece *out = NULL;
    ns_error err;
    if (ns_wordpiece_load(test_path(folder), &out, &err) != NS_OK)
        fail_msg("%s", err.text);
    return out;
}

static void ids_are_those_of_hugging_face(void **state)
{
    (void)state;
    ns_wordpiece *cased = load("tests/golden/wordpiece/cased"), *uncased = load("tests/golden/wordpiece/uncased");
    ns_buf file;
    ns_error err;
    ns_buf_init(&file, 0);
    CHECK_OK(ns_file_read(test_path("tests/golden/wordpiece/cases.txt"), 1 << 20, &file, &err));
    ns_text rest = ns_buf_view(&file), line;
    static char text[1 << 14];
    size_t number = 0;
    while (ns_text_line(&rest, &line)) {
        ns_text hex = field(&line), wanted = field(&line);
        CHECK(hex.len / 2 <= sizeof text);
        ns_text bytes = {text, bytes_of(hex, text)};
        check_ids(cased, bytes, wanted, ++number);
        check_ids(uncased, bytes, field(&line), number);
    }
    CHECK(number > 150);
    ns_buf_clear(&file);
    ns_wordpiece_free(cased);
    ns_wordpiece_free(uncased);
    CHECK_INT(0, ns_mem_live());
}

static ns_wordpiece *make(const char *vocabulary, bool uncased)
{
    ns_bert_rules rules = ns_bert_rules_of(uncased);
    ns_wordpiece *out = NULL;
    CHECK_OK(ns_wordpiece_of_vocabulary("v", ns_text_of(vocabulary), &rules, &out, NULL));
    return out;
}

/* What no vocabulary of a test would tell apart: all of it unknown. */
static void words_are_those_of_bert(void **state)
{
    (void)state;
    static const struct {
        const char *text, *cased, *uncased;
    } cases[] = {
        {"Cart-Test ok", "Cart|-|Test|ok", "cart|-|test|ok"},
        {"\xf0\x9d\x85\xad\xf0\x9d\x85\xa5", "\xf0\x9d\x85\xad\xf0\x9d\x85\xa5",
         "\xf0\x9d\x85\xa5\xf0\x9d\x85\xad"},                       /* combining classes 226 and 216 change places */
        {"x\xef\xa4\x80y", "x|\xef\xa4\x80|y", "x|\xe8\xb1\x88|y"}, /* a compatibility ideograph */
        {"\xc4\xb0", "\xc4\xb0", "i"},                              /* dotted capital I */
        {"\xe2\x89\xae", "\xe2\x89\xae", "<"}, /* not less-than: falls apart, then is punctuation */
        {"a\xc2\x85"
         "b\xe2\x80\xa8"
         "c\xc2\xa0"
         "d",
         "ab|c|d", "ab|c|d"},
        {"a\x0b"
         "b\x01\xe2\x80\x8b"
         "c",
         "abc", "abc"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        for (int uncased = 0; uncased < 2; uncased++) {
            ns_bert_rules rules = ns_bert_rules_of(uncased == 1);
            static ns_bert_words words;
            char got[128] = "";
            ns_text word;
            ns_bert_words_init(&words, &rules, ns_text_of(cases[i].text));
            while (ns_bert_words_next(&words, &word))
                (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s%.*s", got[0] == '\0' ? "" : "|",
                               (int)word.len, word.at);
            CHECK_STRING(uncased == 1 ? cases[i].uncased : cases[i].cased, got);
        }
    }
}

static void words_are_cut_greedily_or_not_at_all(void **state)
{
    (void)state;
    ns_wordpiece *w = make("[UNK]\nun\n##aff\n##able\n##a\nunaf\nfoo\n[SEP]\n[\n]\nsep\n", true);
    static const struct {
        const char *text, *ids;
    } cases[] = {
        {"unaffable", "0"}, /* the longest first piece, unaf, leaves "##fable": no way */
        {"unaff", "0"},
        {"una", "1 4"},
        {"UNable", "1 3"},
        {"foo foo", "6 6"},
        {"fo", "0"},
        {"[SEP]", "8 10 9"}, /* text, not a special token */
        {"", ""},
        {"bar", "0"},
        {"foo\xff"
         "foo",
         "0"},
        {"f\xc3\xb3o", "6"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++)
        check_ids(w, ns_text_of(cases[i].text), ns_text_of(cases[i].ids), i);
    int32_t ids[2] = {-1, -1};
    CHECK_INT(1, ns_wordpiece_encode(w, NS_TEXT("una foo"), ids, 1)); /* what does not fit is left out */
    CHECK_INT(1, ids[0]);
    CHECK_INT(-1, ids[1]);
    CHECK_INT(11, ns_wordpiece_size(w));
    CHECK_INT(2, ns_wordpiece_id(w, "##aff"));
    CHECK_INT(-1, ns_wordpiece_id(w, "nothing"));
    CHECK_INT(-1, ns_wordpiece_id(w, ""));
    CHECK_TEXT("##able", ns_wordpiece_piece(w, 3));
    CHECK_INT(0, ns_wordpiece_unknown(w));
    ns_wordpiece_free(w);
}

static void bad_vocabularies_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *vocabulary, *message;
    } texts[] = {
        {"", "v: the vocabulary is empty"},
        {"a\nb\n", "v: the vocabulary has no [UNK]"},
        {"[UNK]\na\nb\na\n", "v: pieces 1 and 3 are both \"a\""},
        {"[UNK]\n\xff\n", "v: piece 1 is not UTF-8"},
    };
    ns_error err;
    ns_wordpiece *out = NULL;
    ns_bert_rules rules = ns_bert_rules_of(true);
    for (size_t i = 0; i < NS_COUNT_OF(texts); i++) {
        CHECK_STATUS(NS_BAD_INPUT,
                     ns_wordpiece_of_vocabulary("v", ns_text_of(texts[i].vocabulary), &rules, &out, &err));
        CHECK_STRING(texts[i].message, err.text);
    }
#define HEAD                                                                                                           \
    "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"model\":"
    static const char *const jsons[] = {
        "",
        "{}",
        "[1]",
        "{\"normalizer\":{\"type\":\"NFC\"}}",
        HEAD "null}",
        HEAD "{\"type\":\"BPE\"}}",
        HEAD "{\"type\":\"WordPiece\"}}",
        HEAD "{\"type\":\"WordPiece\",\"vocab\":{}}}",
        HEAD "{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":1}}}",
        HEAD "{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0,\"a\":0}}}",
        HEAD "{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":-1}}}",
        HEAD "{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0.5}}}",
        HEAD "{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0},\"continuing_subword_prefix\":\"@@\"}}",
        HEAD "{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0},\"max_input_chars_per_word\":5}}",
        HEAD "{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0},\"unk_token\":\"?\"}}",
    };
    for (size_t i = 0; i < NS_COUNT_OF(jsons); i++) {
        CHECK_STATUS(NS_BAD_INPUT, ns_wordpiece_of_json("j", ns_text_of(jsons[i]), &out, &err));
        CHECK(strncmp(err.text, "j: ", 3) == 0);
    }
    CHECK_STATUS(NS_IO, ns_wordpiece_load("/nowhere", &out, &err));
    CHECK(out == NULL);
    CHECK_INT(0, ns_mem_live());
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    ns_bert_rules rules = ns_bert_rules_of(true);
    bool made = false;
    for (long n = 0; !made; n++) {
        ns_wordpiece *out = NULL;
        ns_mem_fail_after(n);
        ns_status status = ns_wordpiece_of_vocabulary("v", NS_TEXT("[UNK]\na\n##b\n"), &rules, &out, NULL);
        ns_mem_fail_after(-1);
        CHECK(status == NS_OK || status == NS_NO_MEMORY);
        made = status == NS_OK;
        ns_wordpiece_free(out);
        CHECK_INT(0, ns_mem_live());
    }
}

/* Dense, long and shared beginnings: all keys are found again, nothing else is. */
static void tries_find_all_their_keys(void **state)
{
    (void)state;
    enum { KEYS = 20000 };
    static char bytes[KEYS][6];
    static ns_text keys[KEYS];
    static int32_t values[KEYS];
    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(bytes[i], sizeof bytes[i], "%05x", i * 7);
        keys[i] = (ns_text){bytes[i], 5};
        values[i] = i;
    }
    ns_trie trie;
    CHECK_OK(ns_trie_build(keys, values, KEYS, &trie));
    CHECK(trie.nodes < (size_t)4 * KEYS);
    for (int i = 0; i < 7 * KEYS; i++) {
        char key[8];
        int32_t node = 0;
        (void)snprintf(key, sizeof key, "%05x", i);
        for (size_t at = 0; at < 5 && node >= 0; at++)
            node = ns_trie_step(&trie, node, (unsigned char)key[at]);
        CHECK_INT(i % 7 == 0 ? i / 7 : -1, node < 0 ? -1 : trie.node[node].value);
    }
    ns_trie_clear(&trie);
    CHECK_OK(ns_trie_build(NULL, NULL, 0, &trie));
    CHECK_INT(-1, ns_trie_step(&trie, 0, 255));
    ns_trie_clear(&trie);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_those_of_hugging_face),
        cmocka_unit_test(words_are_those_of_bert),
        cmocka_unit_test(words_are_cut_greedily_or_not_at_all),
        cmocka_unit_test(bad_vocabularies_are_told),
        cmocka_unit_test(memory_may_end_anywhere),
        cmocka_unit_test(tries_find_all_their_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
