#include "check.h"

#include "wire/json.h"

typedef enum verdict { GOOD, BAD, LENIENT } verdict; /* LENIENT: only the lenient reader takes it */

static const struct {
    ns_text text;
    verdict verdict;
} inputs[] = {
    /* structure */
    {BYTES("[]"), GOOD},
    {BYTES("{}"), GOOD},
    {BYTES(" \t\r\n[ 1 , 2 ]\n"), GOOD},
    {BYTES("{\"a\":{\"b\":[null,true,false]}}"), GOOD},
    {BYTES("7"), GOOD},
    {BYTES("\"alone\""), GOOD},
    {BYTES("null"), GOOD},
    {BYTES(""), BAD},
    {BYTES(" "), BAD},
    {BYTES("[1,]"), BAD},
    {BYTES("[,1]"), BAD},
    {BYTES("[1,,2]"), BAD},
    {BYTES("[1 2]"), BAD},
    {BYTES("[1"), BAD},
    {BYTES("[1]]"), BAD},
    {BYTES("[1}"), BAD},
    {BYTES("{\"a\":1,}"), BAD},
    {BYTES("{\"a\" 1}"), BAD},
    {BYTES("{\"a\"}"), BAD},
    {BYTES("{a:1}"), BAD},
    {BYTES("{'a':1}"), BAD},
    {BYTES("{1:1}"), BAD},
    {BYTES("{\"a\":1,\"a\":2}"), BAD},
    {BYTES("{} {}"), BAD},
    {BYTES("[1]x"), BAD},
    {BYTES("[1] // no"), BAD},
    {BYTES("/* no */[1]"), BAD},
    {BYTES("# no\n[1]"), BAD},
    {BYTES("\xef\xbb\xbf[1]"), BAD}, /* byte order mark */
    {BYTES("\xff\xfe[\0]\0"), BAD},
    {BYTES("[1]\0"), BAD},
    {BYTES("<html>"), BAD},
    {BYTES("[\f1]"), BAD},
    {BYTES("[\xc2\xa0"
           "1]"),
     BAD},
    /* words */
    {BYTES("[nul]"), BAD},
    {BYTES("[True]"), BAD},
    {BYTES("[truth]"), BAD},
    {BYTES("[undefined]"), BAD},
    {BYTES("[NaN]"), LENIENT},
    {BYTES("{\"x\":NaN,\"y\":Infinity,\"z\": -Infinity }"), LENIENT},
    {BYTES("NaN"), LENIENT},
    {BYTES("[\"\\\"NaN\",NaN]"), LENIENT},
    {BYTES("[-NaN]"), BAD},
    {BYTES("[+Infinity]"), BAD},
    {BYTES("[nan]"), BAD},
    {BYTES("[inf]"), BAD},
    {BYTES("[NaN1]"), BAD},
    {BYTES("[1NaN]"), BAD},
    {BYTES("[NaNNaN]"), BAD},
    {BYTES("{NaN:1}"), BAD},
    {BYTES("[Infinity,]"), BAD},
    /* numbers */
    {BYTES("[0,-0,1,-1,10,123456789012]"), GOOD},
    {BYTES("[0.5,-0.25,1e3,1E+3,1e-3,1.5e10]"), GOOD},
    {BYTES("[9223372036854775807,-9223372036854775808]"), GOOD},
    {BYTES("[1e-400]"), GOOD},
    {BYTES("[9223372036854775808]"), BAD}, /* more than an int64_t: refused, not rounded */
    {BYTES("[1e400]"), BAD},
    {BYTES("[123123e100000]"), BAD},
    {BYTES("[01]"), BAD},
    {BYTES("[-01]"), BAD},
    {BYTES("[+1]"), BAD},
    {BYTES("[-]"), BAD},
    {BYTES("[- 1]"), BAD},
    {BYTES("[.5]"), BAD},
    {BYTES("[1.]"), BAD},
    {BYTES("[1.e1]"), BAD},
    {BYTES("[1e]"), BAD},
    {BYTES("[1e+]"), BAD},
    {BYTES("[1eE2]"), BAD},
    {BYTES("[0x1]"), BAD},
    {BYTES("[1_000]"), BAD},
    {BYTES("[1.2.3]"), BAD},
    {BYTES("[1+2]"), BAD},
    {BYTES("[\xef\xbc\x91]"), BAD}, /* a fullwidth digit */
    /* strings */
    {BYTES("[\"\"]"), GOOD},
    {BYTES("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]"), GOOD},
    {BYTES("[\"\\u0041\\u00e9\\u20AC\"]"), GOOD},
    {BYTES("[\"\\ud83d\\ude00\"]"), GOOD},
    {BYTES("[\"\\u0000\"]"), GOOD},
    {BYTES("[\"\\uFFFF\"]"), GOOD},
    {BYTES("[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]"), GOOD},
    {BYTES("[\"\x7f\"]"), GOOD},
    {BYTES("[\"\xe2\x80\xa8\"]"), GOOD},
    {BYTES("[\"[[[[{{{{\"]"), GOOD},
    {BYTES("[\"\\ud83d\"]"), BAD},
    {BYTES("[\"\\ude00\"]"), BAD},
    {BYTES("[\"\\ude00\\ud83d\"]"), BAD},
    {BYTES("[\"\\ud83dx\"]"), BAD},
    {BYTES("[\"\\u12\"]"), BAD},
    {BYTES("[\"\\u12G4\"]"), BAD},
    {BYTES("[\"\\x41\"]"), BAD},
    {BYTES("[\"\\'\"]"), BAD},
    {BYTES("[\"\\"), BAD},
    {BYTES("[\"open]"), BAD},
    {BYTES("['a']"), BAD},
    {BYTES("[\"a\nb\"]"), BAD},
    {BYTES("[\"a\tb\"]"), BAD},
    {BYTES("[\"a\0b\"]"), BAD},
    {BYTES("[\"\xff\"]"), BAD},
    {BYTES("[\"\xc3\"]"), BAD},
    {BYTES("[\"\xc0\xaf\"]"), BAD},         /* overlong */
    {BYTES("[\"\xe0\x80\xaf\"]"), BAD},     /* overlong */
    {BYTES("[\"\xed\xa0\x80\"]"), BAD},     /* a surrogate */
    {BYTES("[\"\xf4\x90\x80\x80\"]"), BAD}, /* above U+10FFFF */
    {BYTES("[\"\xe9\"]"), BAD},             /* Latin-1 */
    {BYTES("{\"a\\u0000b\":1}"), BAD},      /* a key with NUL has no C name */
};

static void inputs_are_taken_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NS_COUNT_OF(inputs); i++) {
        json_t *value = NULL;
        ns_error err = {0};
        ns_status strict = ns_json_read(inputs[i].text, &value, &err);
        if ((strict == NS_OK) != (inputs[i].verdict == GOOD))
            fail_msg("case %zu, strict: %s", i, err.text);
        CHECK((value != NULL) == (strict == NS_OK));
        CHECK(strict == NS_OK || strict == NS_BAD_INPUT);
        json_decref(value);
        value = NULL;
        ns_status lenient = ns_json_read_lenient(inputs[i].text, &value, &err);
        if ((lenient == NS_OK) != (inputs[i].verdict != BAD))
            fail_msg("case %zu, lenient: %s", i, err.text);
        json_decref(value);
    }
    CHECK_INT(0, ns_mem_live());
}

static void depth_has_a_ceiling(void **state)
{
    (void)state;
    ns_buf text;
    json_t *value;
    ns_error err;
    ns_buf_init(&text, 1 << 20);
    for (int depth = 64; depth <= 65; depth++) {
        ns_buf_reset(&text);
        for (int i = 0; i < depth; i++)
            CHECK_OK(ns_buf_string(&text, i % 2 == 0 ? "[" : "{\"[\":"));
        CHECK_OK(ns_buf_char(&text, '1'));
        for (int i = depth - 1; i >= 0; i--)
            CHECK_OK(ns_buf_char(&text, i % 2 == 0 ? ']' : '}'));
        CHECK_STATUS(depth == 64 ? NS_OK : NS_BAD_INPUT, ns_json_read(ns_buf_view(&text), &value, &err));
        if (depth == 64)
            json_decref(value);
    }
    for (const char *c = "[{"; *c != '\0'; c++) {
        ns_buf_reset(&text);
        for (int i = 0; i < 100000; i++)
            CHECK_OK(ns_buf_char(&text, *c));
        CHECK_STATUS(NS_BAD_INPUT, ns_json_read(ns_buf_view(&text), &value, &err));
        CHECK_STATUS(NS_BAD_INPUT, ns_json_read_lenient(ns_buf_view(&text), &value, &err));
    }
    ns_buf_clear(&text);
}

static void errors_say_where_but_not_what(void **state)
{
    (void)state;
    json_t *value;
    ns_error err;
    CHECK_STATUS(NS_BAD_INPUT, ns_json_read(NS_TEXT("{\"a\": 1,\n \"b\": s3cret}"), &value, &err));
    CHECK(strstr(err.text, "line 2") != NULL);
    CHECK(strstr(err.text, "s3cret") == NULL);
}

static void bare_floats_become_null_and_strings_stay(void **state)
{
    (void)state;
    json_t *value;
    ns_error err;
    ns_text text;
    CHECK_OK(ns_json_read_lenient(NS_TEXT("{\"a\":NaN,\"NaN\":\"NaN, Infinity\",\"b\":[-Infinity,2]}"), &value, &err));
    CHECK(json_is_null(ns_json_at(value, "a")));
    CHECK(ns_json_text(value, "NaN", &text));
    CHECK_TEXT("NaN, Infinity", text);
    CHECK(json_is_null(json_array_get(ns_json_at(value, "b"), 0)));
    CHECK_INT(2, json_integer_value(json_array_get(ns_json_at(value, "b"), 1)));
    json_decref(value);
}

static void values_are_fetched_or_defaulted(void **state)
{
    (void)state;
    json_t *o;
    ns_error err;
    ns_text text;
    CHECK_OK(ns_json_read(NS_TEXT("{\"s\":\"x\\u0000y\",\"i\":-3,\"r\":2.9,\"big\":1e300,\"t\":true,\"n\":null}"), &o,
                          &err));
    CHECK_STRING("x", ns_json_string(o, "s", "-"));
    CHECK_STRING("-", ns_json_string(o, "i", "-"));
    CHECK(ns_json_string(o, "none", NULL) == NULL);
    CHECK(ns_json_text(o, "s", &text) && text.len == 3 && memcmp(text.at, "x\0y", 3) == 0);
    CHECK(!ns_json_text(o, "t", &text));
    CHECK_INT(-3, ns_json_int(o, "i", 9));
    CHECK_INT(2, ns_json_int(o, "r", 9));
    CHECK_INT(9, ns_json_int(o, "big", 9));
    CHECK_INT(9, ns_json_int(o, "s", 9));
    CHECK_NEAR(-3.0, ns_json_real(o, "i", NAN), 0);
    CHECK_NEAR(2.9, ns_json_real(o, "r", NAN), 0);
    CHECK(isnan(ns_json_real(o, "n", NAN)));
    CHECK(ns_json_bool(o, "t", false));
    CHECK(ns_json_bool(o, "n", true));
    CHECK(ns_json_at(NULL, "a") == NULL);
    CHECK(ns_json_at(ns_json_at(o, "s"), "a") == NULL);
    json_decref(o);
}

static void write_everything(ns_json_writer *w)
{
    ns_json_object(w);
    ns_json_field_string(w, "s", "a\"\\\n\x01<script>");
    ns_json_field_text(w, "t", NS_TEXT("\xe2\x80\xa8\xff\xc3\xa9\0"));
    ns_json_field_int(w, "i", INT64_MIN);
    ns_json_field_int_or_null(w, "j", -1);
    ns_json_field_string_or_null(w, "e", "");
    ns_json_field_string(w, "n", NULL);
    ns_json_field_real(w, "r", 0.1);
    ns_json_field_real(w, "nan", NAN);
    ns_json_field_bool(w, "b", true);
    ns_json_field_time(w, "at", 1700000000123);
    ns_json_field_time(w, "never", -1);
    ns_json_key(w, "l");
    ns_json_array(w);
    ns_json_put_int(w, 1);
    ns_json_array(w);
    ns_json_end_array(w);
    ns_json_object(w);
    ns_json_end_object(w);
    ns_json_put_raw(w, NS_TEXT("{\"raw\":1}"));
    ns_json_put_bool(w, false);
    ns_json_end_array(w);
    ns_json_end_object(w);
}

static void what_is_written_is_exact(void **state)
{
    (void)state;
    ns_buf out;
    ns_json_writer w;
    json_t *back;
    ns_error err;
    ns_buf_init(&out, 4096);
    ns_json_begin(&w, &out);
    write_everything(&w);
    CHECK_TEXT("{\"s\":\"a\\\"\\\\\\n\\u0001\\u003cscript>\",\"t\":\"\\u2028\xef\xbf\xbd\xc3\xa9\\u0000\","
               "\"i\":-9223372036854775808,\"j\":null,\"e\":null,\"n\":null,\"r\":0.1,\"nan\":null,\"b\":true,"
               "\"at\":\"2023-11-14T22:13:20.123Z\",\"never\":null,\"l\":[1,[],{},{\"raw\":1},false]}",
               ns_buf_view(&out));
    CHECK_OK(ns_json_read(ns_buf_view(&out), &back, &err));
    json_decref(back);
    ns_buf_clear(&out);
}

static void numbers_are_short_and_read_back(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {5, "5"},
        {-2.5, "-2.5"},
        {0.1, "0.1"},
        {1.0 / 3.0, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e21, "1e+21"},
        {5e-324, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    ns_buf out;
    ns_json_writer w;
    ns_buf_init(&out, 64);
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_buf_reset(&out);
        ns_json_begin(&w, &out);
        ns_json_put_real(&w, cases[i].value);
        CHECK_TEXT(cases[i].text, ns_buf_view(&out));
    }
    ns_buf_clear(&out);
}

static void memory_may_fail_anywhere(void **state)
{
    (void)state;
    for (long n = 0; n < 64; n++) {
        json_t *value = NULL;
        ns_error err;
        ns_mem_fail_after(n);
        ns_status status = ns_json_read_lenient(NS_TEXT("{\"a\":[1,2.5,\"x\",NaN],\"b\":{\"c\":true}}"), &value, &err);
        ns_mem_fail_after(-1);
        CHECK((status == NS_OK) == (value != NULL));
        json_decref(value);
        CHECK_INT(0, ns_mem_live());
        if (n == 63)
            CHECK_OK(status);
    }
}

/* One refusal and then memory again: no value with a byte or a digit less. */
static void memory_may_fail_once_anywhere(void **state)
{
    (void)state;
    const ns_text text = NS_TEXT("{\"a string that does not fit into the first room\":[1234567890123456,-2.5e-3],"
                                 "\"b\":\"\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\\u00e9\"}");
    json_t *whole = NULL;
    CHECK_OK(ns_json_read(text, &whole, NULL));
    size_t live = ns_mem_live();
    for (long n = 0; n < 100; n++) {
        json_t *value = NULL;
        size_t refused = ns_mem_refused();
        ns_mem_fail_once(n);
        ns_status status = ns_json_read(text, &value, NULL);
        ns_mem_fail_after(-1);
        CHECK_STATUS(ns_mem_refused() == refused ? NS_OK : NS_NO_MEMORY, status);
        CHECK(status != NS_OK || json_equal(value, whole));
        json_decref(value);
        CHECK_INT(live, ns_mem_live());
        CHECK(n < 99 || status == NS_OK);
    }
    json_decref(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inputs_are_taken_or_refused),     cmocka_unit_test(depth_has_a_ceiling),
        cmocka_unit_test(errors_say_where_but_not_what),   cmocka_unit_test(bare_floats_become_null_and_strings_stay),
        cmocka_unit_test(values_are_fetched_or_defaulted), cmocka_unit_test(what_is_written_is_exact),
        cmocka_unit_test(numbers_are_short_and_read_back), cmocka_unit_test(memory_may_fail_once_anywhere),
        cmocka_unit_test(memory_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
