#include "check.h"

#include "wire/url.h"

static void base_urls_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *printed; /* NULL: refused */
        int port;
        bool credentials;
    } cases[] = {
        {"http://ci:8080", "http://ci:8080", 8080, false},
        {"http://ci:8080/", "http://ci:8080", 8080, false},
        {"HTTPS://CI.example.org/jenkins//", "https://CI.example.org/jenkins", 443, false},
        {"http://ci:80/a/b", "http://ci/a/b", 80, false},
        {"https://ci:80", "https://ci:80", 80, false},
        {"http://[::1]:9090/x", "http://[::1]:9090/x", 9090, false},
        {"http://[fe80::1]", "http://[fe80::1]", 80, false},
        {"http://127.0.0.1:1", "http://127.0.0.1:1", 1, false},
        {"http://bob:hunter2@ci:8080/j", "http://ci:8080/j", 8080, true},
        {"http://a@b@ci", "http://ci", 80, true},
        {"http://sock_shop.svc.cluster.local", "http://sock_shop.svc.cluster.local", 80, false},
        {"", NULL, 0, false},
        {"ci:8080", NULL, 0, false},
        {"ftp://ci", NULL, 0, false},
        {"file:///etc/passwd", NULL, 0, false},
        {"http:/ci", NULL, 0, false},
        {"http://", NULL, 0, false},
        {"http://:80", NULL, 0, false},
        {"http:///path", NULL, 0, false},
        {"http://ci:", NULL, 0, false},
        {"http://ci:0", NULL, 0, false},
        {"http://ci:65536", NULL, 0, false},
        {"http://ci:+80", NULL, 0, false},
        {"http://ci:8o", NULL, 0, false},
        {"http://ci:99999999999999999999", NULL, 0, false},
        {"http://[::1", NULL, 0, false},
        {"http://[]", NULL, 0, false},
        {"http://[ci]", NULL, 0, false},
        {"http://[::1]80", NULL, 0, false},
        {"http://::1", NULL, 0, false},
        {"http://ci x", NULL, 0, false},
        {"http://ci\r\nHost: evil", NULL, 0, false},
        {"http://ci\\@evil", NULL, 0, false},
        {"http://ci?x=1", NULL, 0, false},
        {"http://ci/a?token=1", NULL, 0, false},
        {"http://ci/#a", NULL, 0, false},
        {"http://c%69", NULL, 0, false},
        {"http://.ci", NULL, 0, false},
        {"http://c..i", NULL, 0, false},
        {"http://b\xc3\xbc"
         "cher",
         NULL, 0, false},
        {"http://bob:hunter2@:80", NULL, 0, false},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_url url = {.port = -7};
        ns_error err = {0};
        char printed[1400];
        ns_status status = ns_url_parse(cases[i].text, &url, &err);
        if ((status == NS_OK) != (cases[i].printed != NULL))
            fail_msg("%s: %s", cases[i].text, err.text);
        CHECK(strstr(err.text, "hunter2") == NULL);
        if (status != NS_OK) {
            CHECK_INT(-7, url.port);
            continue;
        }
        ns_url_print(&url, printed, sizeof printed);
        CHECK_STRING(cases[i].printed, printed);
        CHECK_INT(cases[i].port, url.port);
        CHECK_INT(cases[i].credentials, url.had_credentials);
    }
}

static void long_parts_are_refused_not_cut(void **state)
{
    (void)state;
    char text[2200] = "http://";
    ns_url url;
    ns_error err;
    memset(text + 7, 'a', 255);
    CHECK_OK(ns_url_parse(text, &url, &err));
    text[7 + 255] = 'a';
    CHECK_STATUS(NS_BAD_INPUT, ns_url_parse(text, &url, &err));
    (void)snprintf(text, sizeof text, "http://ci/%01200d", 0);
    CHECK_STATUS(NS_BAD_INPUT, ns_url_parse(text, &url, &err));
}

static void percent_encoding_goes_both_ways(void **state)
{
    (void)state;
    static const struct {
        ns_text plain;
        const char *encoded;
    } cases[] = {
        {BYTES(""), ""},
        {BYTES("AZaz09-._~"), "AZaz09-._~"},
        {BYTES("a b/c+d&e=f%"), "a%20b%2Fc%2Bd%26e%3Df%25"},
        {BYTES("\0\xc3\xa9\xff"), "%00%C3%A9%FF"},
    };
    ns_buf out, back;
    ns_buf_init(&out, 256);
    ns_buf_init(&back, 256);
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_buf_reset(&out);
        ns_buf_reset(&back);
        CHECK_OK(ns_url_encode(&out, cases[i].plain));
        CHECK_TEXT(cases[i].encoded, ns_buf_view(&out));
        CHECK_OK(ns_url_decode(&back, ns_buf_view(&out), false));
        CHECK(ns_text_same(cases[i].plain, ns_buf_view(&back)));
    }
    static const char *const bad[] = {"%", "%1", "%g1", "%1g", "a%-1", "%%20"};
    for (size_t i = 0; i < NS_COUNT_OF(bad); i++)
        CHECK_STATUS(NS_BAD_INPUT, ns_url_decode(&back, ns_text_of(bad[i]), false));
    ns_buf_reset(&back);
    CHECK_OK(ns_url_decode(&back, NS_TEXT("a+b"), false));
    CHECK_OK(ns_url_decode(&back, NS_TEXT("a+b"), true));
    CHECK_TEXT("a+ba b", ns_buf_view(&back));
    ns_buf_clear(&out);
    ns_buf_clear(&back);
}

static void encoding_stops_at_the_ceiling(void **state)
{
    (void)state;
    ns_buf out;
    ns_buf_init(&out, 4);
    CHECK_STATUS(NS_TOO_LARGE, ns_url_encode(&out, NS_TEXT("  ")));
    ns_buf_clear(&out);
}

static void queries_are_read(void **state)
{
    (void)state;
    ns_buf out;
    ns_buf_init(&out, 64);
    static const ns_text query = BYTES("&limit=10&&name=a%20b+c&empty=&flag&x=%zz&%6Cater=1=2&limit=20");
    static const struct {
        const char *name;
        const char *value; /* NULL: absent */
    } cases[] = {
        {"limit", "10"}, {"name", "a b c"}, {"empty", ""}, {"flag", ""}, {"later", "1=2"}, {"x", NULL}, {"none", NULL},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        CHECK_INT(cases[i].value != NULL, ns_query_value(query, cases[i].name, &out));
        CHECK_TEXT(cases[i].value == NULL ? "" : cases[i].value, ns_buf_view(&out));
    }
    ns_buf_clear(&out);
    CHECK_INT(0, ns_mem_live());
}

static void a_query_with_nul_ends(void **state)
{
    (void)state;
    ns_buf name, value;
    bool bad;
    int pairs = 0;
    ns_text query = NS_TEXT("a=\0&\0b=2");
    ns_buf_init(&name, 64);
    ns_buf_init(&value, 64);
    while (ns_query_next(&query, &name, &value, &bad))
        CHECK(++pairs < 10);
    CHECK_INT(2, pairs);
    CHECK_INT(2, name.len);
    ns_buf_clear(&name);
    ns_buf_clear(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_urls_are_taken_apart),
        cmocka_unit_test(long_parts_are_refused_not_cut),
        cmocka_unit_test(percent_encoding_goes_both_ways),
        cmocka_unit_test(encoding_stops_at_the_ceiling),
        cmocka_unit_test(queries_are_read),
        cmocka_unit_test(a_query_with_nul_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
