/* Known words: what counts as one, pieces cut anywhere, the file; and a predictor that counts them. */
#include "check.h"

#include "prediction/keyword.h"
#include "prediction/known_words.h"
#include "prediction/word_watch.h"

#include <unistd.h>

static const char text[] = "Compiling the parts: 42 OF them, x1y2 in größe; unheardof gizmos\nthe end";

static ns_known_words learnt(void)
{
    ns_known_words words;
    CHECK_OK(ns_known_words_init(&words, NULL));
    ns_known_words_learn(&words, NS_TEXT("compiling THE parts, of them; Größe"));
    return words;
}

static void words_are_counted_however_they_come(void **state)
{
    (void)state;
    ns_known_words words = learnt();
    size_t len = sizeof text - 1;
    for (size_t cut = 0; cut <= len; cut++) {
        ns_word_count count = {.length = 0};
        ns_known_words_count(&words, &count, (ns_text){text, cut});
        ns_known_words_count(&words, &count, (ns_text){text + cut, len - cut});
        CHECK_INT(8, count.words); /* "end" has not ended; "OF", "in", "x", "y" are too short */
        CHECK_INT(2, count.unknown);
        ns_known_words_count(&words, &count, NS_TEXT("\n"));
        CHECK_INT(9, count.words);
        CHECK_INT(3, count.unknown);
    }
    ns_word_count count = {.length = 0};
    ns_known_words_count(&words, &count, NS_TEXT("abcdefghijklmnopqrstuvwxyzabc 12 ab "));
    CHECK_INT(0, count.words); /* longer than any word, no letters, too short */
    ns_known_words_clear(&words);
    CHECK_INT(0, ns_mem_live());
}

static void few_unknown_words_pass_as_known(void **state)
{
    (void)state;
    ns_known_words words;
    ns_word_count count = {.length = 0};
    CHECK_OK(ns_known_words_init(&words, NULL));
    for (int part = 0; part < 2; part++) {
        for (int i = 0; i < 50000; i++) {
            char word[16] = "qaaaaaaa ";
            for (int k = 1, left = i; k < 7; k++, left /= 26)
                word[k] = (char)('a' + left % 26);
            word[7] = part == 0 ? 'y' : 'z';
            if (part == 0)
                ns_known_words_learn(&words, ns_text_of(word));
            else
                ns_known_words_count(&words, &count, ns_text_of(word));
        }
    }
    CHECK_INT(50000, count.words);
    CHECK(count.unknown > 48500 && count.unknown <= 50000);
    ns_known_words_clear(&words);
}

static void the_file_holds_them_and_shows_damage(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns_words_XXXXXX", path[64];
    ns_known_words words = learnt(), read;
    ns_error err;
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/" NS_WORDS_FILE, folder);
    CHECK_STATUS(NS_NOT_FOUND, ns_known_words_read(folder, &read, &err));
    CHECK_OK(ns_known_words_write(folder, &words, &err));
    CHECK_OK(ns_known_words_read(folder, &read, &err));
    assert_memory_equal(words.bits, read.bits, NS_WORD_BITS / 8);
    ns_known_words_clear(&read);
    ns_buf file;
    ns_buf_init(&file, 1u << 20);
    CHECK_OK(ns_file_read(path, 1u << 20, &file, &err));
    file.at[5000] ^= 1;
    CHECK_STATUS(NS_BAD_INPUT, ns_known_words_parse("it", ns_buf_view(&file), &read, &err));
    CHECK(strstr(err.text, "damaged") != NULL && read.bits == NULL);
    CHECK_STATUS(NS_BAD_INPUT, ns_known_words_parse("it", (ns_text){file.at, file.len - 1}, &read, &err));
    (void)ns_buf_char(&file, 'x');
    CHECK_OK(ns_file_replace(path, ns_buf_view(&file), 0600, &err));
    CHECK_STATUS(NS_BAD_INPUT, ns_known_words_read(folder, &read, &err));
    ns_buf_clear(&file);
    ns_known_words_clear(&words);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
    CHECK_INT(0, ns_mem_live());
}

static void a_watched_predictor_says_the_same_and_counts(void **state)
{
    (void)state;
    ns_predictor plain, watched;
    ns_known_words words = learnt();
    ns_prediction a, b;
    ns_error err;
    CHECK_OK(ns_keyword_predictor_new(&plain, &err));
    CHECK_OK(ns_keyword_predictor_new(&watched, &err));
    CHECK_OK(ns_word_watch_around(&watched, &words, &err));
    ns_reading *one = plain.begin(plain.self, NULL, 0), *other = watched.begin(watched.self, NULL, 0);
    CHECK_OK(plain.feed(plain.self, one, NS_TEXT("make: *** [all] Error 1\n")));
    CHECK_OK(watched.feed(watched.self, other, NS_TEXT("make: *** [all] Error 1\n")));
    plain.score(plain.self, one, &a);
    watched.score(watched.self, other, &b);
    CHECK_INT(3, b.words);
    CHECK_INT(3, b.unknown_words);
    CHECK(a.words == 0 && a.fail_probability == b.fail_probability && a.lines == b.lines);
    CHECK_STRING(plain.name, watched.name);
    plain.end(plain.self, one);
    watched.end(watched.self, other);
    plain.free(plain.self);
    watched.free(watched.self);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_counted_however_they_come),
        cmocka_unit_test(few_unknown_words_pass_as_known),
        cmocka_unit_test(the_file_holds_them_and_shows_damage),
        cmocka_unit_test(a_watched_predictor_says_the_same_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
