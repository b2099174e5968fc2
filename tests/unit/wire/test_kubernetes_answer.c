/* What a cluster's answers mean, how a watch falls into lines, quantities, and values as they came. */
#include "check.h"

#include "wire/json.h"
#include "wire/json_span.h"
#include "wire/kubernetes_answer.h"
#include "wire/kubernetes_quantity.h"
#include "wire/kubernetes_warning.h"

#define STATUS(reason, code, details)                                                                                  \
    "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"why\","           \
    "\"reason\":\"" reason "\",\"details\":" details ",\"code\":" #code "}"

static void each_answer_means_one_thing(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *retry_after, *body;
        ns_status wanted;
        const char *reason;
        int64_t retry_ms;
        bool expired, blocked;
        const char *says;
    } cases[] = {
        {200, "", "{}", NS_OK, "", -1, false, false, ""},
        {201, "", "", NS_OK, "", -1, false, false, ""},
        {401, "", STATUS("Unauthorized", 401, "null"), NS_UNAUTHORIZED, "Unauthorized", -1, false, false, "kubeconfig"},
        {403, "", STATUS("Forbidden", 403, "{}"), NS_FORBIDDEN, "Forbidden", -1, false, false, "RBAC"},
        {404, "", "404 page not found\n", NS_NOT_FOUND, "", -1, false, false, "404 page not found"},
        {404, "", STATUS("NotFound", 404, "{}"), NS_NOT_FOUND, "NotFound", -1, false, false, "why"},
        {409, "", STATUS("Conflict", 409, "{}"), NS_CONFLICT, "Conflict", -1, false, false, "somebody else"},
        {410, "", STATUS("Expired", 410, "{}"), NS_CONFLICT, "Expired", -1, true, false, "too old"},
        {422, "", STATUS("Invalid", 422, "{\"causes\":[{\"field\":\"spec.replicas\"}]}"), NS_BAD_INPUT, "Invalid", -1,
         false, false, "not accepted"},
        {429, "7", STATUS("TooManyRequests", 429, "{\"retryAfterSeconds\":9}"), NS_BUSY, "TooManyRequests", 7000, false,
         false, "too many"},
        {429, "", STATUS("TooManyRequests", 429, "{\"retryAfterSeconds\":9}"), NS_BUSY, "TooManyRequests", 9000, false,
         false, "too many"},
        {429, "", STATUS("TooManyRequests", 429, "{\"causes\":[{\"reason\":\"DisruptionBudget\"}]}"), NS_BUSY,
         "TooManyRequests", -1, false, true, "budget"},
        {429, "soon", "", NS_BUSY, "", -1, false, false, "too many"},
        {500, "", STATUS("InternalError", 500, "{}"), NS_UNREACHABLE, "InternalError", -1, false, false, "failed"},
        {502, "", "<html>Bad Gateway</html>", NS_UNREACHABLE, "", -1, false, false, "failed"},
        {503, "", "", NS_STARTING, "", -1, false, false, "not ready"},
        {504, "", STATUS("Timeout", 504, "{}"), NS_TIMEOUT, "Timeout", -1, false, false, "failed"},
        {302, "", "", NS_PROTOCOL, "", -1, false, false, "redirects"},
        {418, "", "{bad", NS_PROTOCOL, "", -1, false, false, "not an answer"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_kubernetes_verdict v;
        ns_kubernetes_judge(cases[i].code, ns_text_of(cases[i].retry_after), ns_text_of(cases[i].body), "GET pods", &v);
        CHECK_STATUS(cases[i].wanted, v.status);
        CHECK_STRING(cases[i].reason, v.reason);
        CHECK_INT(cases[i].retry_ms, v.retry_after_ms);
        CHECK_INT(cases[i].expired, v.expired);
        CHECK_INT(cases[i].blocked, v.blocked);
        if (strstr(v.error.text, cases[i].says) == NULL || strstr(v.error.text, "<html>") != NULL)
            fail_msg("case %zu: %s", i, v.error.text);
        if (cases[i].code == 422)
            CHECK_STRING("spec.replicas", v.field);
    }
    CHECK_INT(0, ns_mem_live());
}

static void an_error_inside_a_watch_has_its_own_code(void **state)
{
    (void)state;
    json_t *object = NULL;
    ns_kubernetes_verdict v;
    CHECK_OK(ns_json_read(NS_TEXT(STATUS("Expired", 410, "null")), &object, NULL));
    ns_kubernetes_judge_event(object, "watch pods", &v);
    CHECK(v.expired);
    CHECK_STATUS(NS_CONFLICT, v.status);
    json_decref(object);
    CHECK_OK(ns_json_read(NS_TEXT("{\"status\":\"Success\",\"code\":200}"), &object, NULL));
    ns_kubernetes_judge_event(object, "watch pods", &v);
    CHECK_STATUS(NS_PROTOCOL, v.status);
    json_decref(object);
}

typedef struct got_lines {
    int count, stop_at;
    char text[8][32];
    size_t longest;
} got_lines;

static bool keep_line(void *owner, ns_text line)
{
    got_lines *got = owner;
    if (got->count < 8)
        (void)ns_text_copy(got->text[got->count], sizeof got->text[0], line);
    got->longest = line.len > got->longest ? line.len : got->longest;
    return ++got->count != got->stop_at;
}

static void a_stream_falls_into_lines_wherever_it_is_cut(void **state)
{
    (void)state;
    static const char stream[] = "{\"a\":1}\r\n\n{\"b\":2}\n{\"c\":3}\n{\"half";
    for (size_t step = 1; step < sizeof stream; step++) {
        ns_kubernetes_lines lines;
        got_lines got = {.count = 0};
        ns_kubernetes_lines_init(&lines, 64);
        for (size_t at = 0; at < sizeof stream - 1; at += step) {
            size_t n = sizeof stream - 1 - at < step ? sizeof stream - 1 - at : step;
            CHECK_OK(ns_kubernetes_lines_feed(&lines, (ns_text){stream + at, n}, keep_line, &got));
        }
        CHECK_INT(3, got.count);
        CHECK_STRING("{\"a\":1}", got.text[0]);
        CHECK_STRING("{\"b\":2}", got.text[1]);
        CHECK_STRING("{\"c\":3}", got.text[2]);
        ns_kubernetes_lines_clear(&lines);
    }
    ns_kubernetes_lines lines;
    got_lines got = {.stop_at = 2};
    ns_kubernetes_lines_init(&lines, 8);
    CHECK_STATUS(NS_CANCELLED, ns_kubernetes_lines_feed(&lines, NS_TEXT("1\n2\n3\n"), keep_line, &got));
    CHECK_INT(2, got.count);
    CHECK_STATUS(NS_TOO_LARGE, ns_kubernetes_lines_feed(&lines, NS_TEXT("123456789"), keep_line, &got));
    ns_kubernetes_lines_clear(&lines);
    CHECK_STATUS(NS_TOO_LARGE, ns_kubernetes_lines_feed(&lines, NS_TEXT("123456789\n"), keep_line, &got));
    ns_kubernetes_lines_clear(&lines);

    char *large = malloc(3 << 20); /* a line may be longer than 1 MiB */
    CHECK(large != NULL);
    memset(large, 'x', 3 << 20);
    large[(3 << 20) - 1] = '\n';
    ns_kubernetes_lines_init(&lines, 4 << 20);
    for (size_t at = 0; at < 3 << 20; at += 16384)
        CHECK_OK(ns_kubernetes_lines_feed(&lines, (ns_text){large + at, 16384}, keep_line, &got));
    CHECK_INT((3 << 20) - 1, got.longest);
    ns_kubernetes_lines_clear(&lines);
    free(large);
    CHECK_INT(0, ns_mem_live());
}

static void quantities_are_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double wanted; /* NAN: none */
    } cases[] = {
        {"0", 0},
        {"300m", 0.3},
        {"100m", 0.1},
        {"500Mi", 524288000},
        {"1Gi", 1073741824},
        {"1G", 1e9},
        {"1500M", 1.5e9},
        {"100k", 1e5},
        {"123456789n", 0.123456789},
        {"1e3", 1000},
        {"1E3", 1000},
        {"1E", 1e18},
        {"2Ei", 0x1p61},
        {"1.5", 1.5},
        {"-2", -2},
        {"+1u", 1e-6},
        {".5", 0.5},
        {"1e-2", 0.01},
        {"", NAN},
        {"m", NAN},
        {"1K", NAN},
        {"1mi", NAN},
        {"1 Gi", NAN},
        {"1..2", NAN},
        {"nan", NAN},
        {"0x10", NAN},
        {"1e", NAN},
        {"1e+", NAN},
        {"1e999", NAN},
        {"--1", NAN},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        double got = -77;
        bool good = ns_kubernetes_quantity(ns_text_of(cases[i].text), &got);
        if (good == isnan(cases[i].wanted) || (good && got != cases[i].wanted) || (!good && got != -77))
            fail_msg("%s: %d %.17g", cases[i].text, good, got);
    }
}

static void a_value_is_found_as_it_came(void **state)
{
    (void)state;
    ns_text all =
        NS_TEXT(" { \"a\" : 1.00 , \"b\\\"\":\"x\", \"spec\":{\"template\" : { \"n\":1e0,\"t\":\"}\\\"]\" } },"
                "\"items\":[ 1 , {\"x\":[]},\"s,\" ], \"last\":null}");
    ns_text value, inner, rest, item;
    CHECK(ns_json_span_member(all, "a", &value));
    CHECK_TEXT("1.00", value);
    CHECK(ns_json_span_member(all, "last", &value));
    CHECK_TEXT("null", value);
    CHECK(ns_json_span_member(all, "spec", &value));
    CHECK(ns_json_span_member(value, "template", &inner));
    CHECK_TEXT("{ \"n\":1e0,\"t\":\"}\\\"]\" }", inner);
    CHECK(!ns_json_span_member(all, "template", &value));
    CHECK(!ns_json_span_member(NS_TEXT("[]"), "a", &value));
    CHECK(!ns_json_span_member(NS_TEXT("{}"), "a", &value));
    CHECK(ns_json_span_member(all, "items", &value));
    CHECK(ns_json_span_array(value, &rest));
    static const char *const wanted[] = {"1", "{\"x\":[]}", "\"s,\""};
    for (size_t i = 0; i < 3; i++) {
        CHECK(ns_json_span_next(&rest, &item));
        CHECK_TEXT(wanted[i], item);
    }
    CHECK(!ns_json_span_next(&rest, &item));
    static const char *const broken[] = {"{", "{\"a\"", "{\"a\":", "{\"a\":\"", "{\"a\":{", "{\"a\":1", "x", ""};
    for (size_t i = 0; i < NS_COUNT_OF(broken); i++)
        CHECK(!ns_json_span_member(ns_text_of(broken[i]), "b", &value)); /* never past the end: the sanitizers watch */
}

static void warnings_are_taken_off_their_header(void **state)
{
    (void)state;
    static const struct {
        const char *header, *first, *second; /* NULL: none */
    } cases[] = {
        {"299 - \"v1 ComponentStatus is deprecated in v1.19+\"", "v1 ComponentStatus is deprecated in v1.19+", NULL},
        {"299 - \"a \\\"b\\\" \\\\ c\"", "a \"b\" \\ c", NULL},
        {"299 - \"a, b\" \"Wed, 21 Oct 2015 07:28:00 GMT\", 299 kube \"c\"", "a, b", "c"},
        {"299 - \"a\",299 - \"b\"", "a", "b"},
        {"299 - \"\"", "", NULL},
        {"299 - \"a\033[31m\tb\177\"", "a [31m b ", NULL},
        {"", NULL, NULL},
        {"299", NULL, NULL},
        {"299 - a", NULL, NULL},
        {"299 \"a\"", NULL, NULL},
        {"299 - \"a", NULL, NULL},
        {"299 - \"a\\", NULL, NULL},
        {"299 - \"a\" \"no date", NULL, NULL},
        {"299 - \"a\" nonsense", "a", NULL},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        char text[NS_KUBERNETES_WARNING_MAX];
        ns_text rest = ns_text_of(cases[i].header);
        const char *wanted[] = {cases[i].first, cases[i].second, NULL};
        for (size_t n = 0; n < NS_COUNT_OF(wanted) && (n == 0 || wanted[n - 1] != NULL); n++) {
            bool found = ns_kubernetes_warning_next(&rest, text);
            if (found != (wanted[n] != NULL) || (found && strcmp(text, wanted[n]) != 0))
                fail_msg("%s, warning %zu: %s", cases[i].header, n, found ? text : "none");
        }
    }
    char text[NS_KUBERNETES_WARNING_MAX], large[2048];
    (void)snprintf(large, sizeof large, "299 - \"%01000d\"", 7);
    ns_text rest = ns_text_of(large);
    CHECK(ns_kubernetes_warning_next(&rest, text));
    CHECK_INT(NS_KUBERNETES_WARNING_MAX - 1, strlen(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_means_one_thing),
        cmocka_unit_test(an_error_inside_a_watch_has_its_own_code),
        cmocka_unit_test(a_stream_falls_into_lines_wherever_it_is_cut),
        cmocka_unit_test(quantities_are_numbers),
        cmocka_unit_test(warnings_are_taken_off_their_header),
        cmocka_unit_test(a_value_is_found_as_it_came),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
