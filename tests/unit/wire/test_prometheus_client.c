#include "check.h"

#include "wire/http_server.h"
#include "wire/prometheus_client.h"
#include "wire/url.h"

#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#define OK_HEAD "{\"status\":\"success\",\"data\":{\"resultType\":"

static void answers_are_read_for_what_they_are(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *body;
        ns_status status;
        bool may_retry;
        size_t series, warnings;
        double first; /* of the first series */
    } cases[] = {
        {200, OK_HEAD "\"vector\",\"result\":[]}}", NS_OK, false, 0, 0, NAN},
        {200, OK_HEAD "\"vector\",\"result\":[{\"metric\":{},\"value\":[1795473586.818,\"0.5\"]}]}}", NS_OK, false, 1,
         0, 0.5},
        {200, OK_HEAD "\"vector\",\"result\":[{\"metric\":{},\"value\":[1795473586,\"1.7976931348623157e+308\"]}]}}",
         NS_OK, false, 1, 0, 1.7976931348623157e+308},
        {200, OK_HEAD "\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"NaN\"]}]}}", NS_OK, false, 1, 0, NAN},
        {200, OK_HEAD "\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"+Inf\"]}]}}", NS_OK, false, 1, 0, NAN},
        {200, OK_HEAD "\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"-Inf\"]}]}}", NS_OK, false, 1, 0, NAN},
        {200, OK_HEAD "\"vector\",\"result\":[{\"metric\":{},\"value\":[1,\"five\"]}]}}", NS_OK, false, 1, 0, NAN},
        {200, OK_HEAD "\"vector\",\"result\":[{\"metric\":{},\"value\":[1,5]}]}}", NS_OK, false, 1, 0, NAN},
        {200, OK_HEAD "\"vector\",\"result\":[{\"metric\":{},\"value\":[1e300,\"5\"]}]}}", NS_OK, false, 1, 0, NAN},
        {200, OK_HEAD "\"vector\",\"result\":[{\"metric\":{},\"histogram\":[1,{}]}]}}", NS_OK, false, 1, 0, NAN},
        {200, OK_HEAD "\"vector\",\"result\":[3]}}", NS_OK, false, 1, 0, NAN},
        {200, OK_HEAD "\"scalar\",\"result\":[1795473586.746,\"3\"]}}", NS_OK, false, 1, 0, 3},
        {200, OK_HEAD "\"vector\",\"result\":[],\"stats\":{}},\"infos\":[\"x\"],\"warnings\":[\"part\",\"two\"]}",
         NS_OK, false, 0, 2, NAN},
        {200, OK_HEAD "\"vector\",\"result\":[]},\"warnings\":[7]}", NS_OK, false, 0, 1, NAN},
        {200, OK_HEAD "\"string\",\"result\":[1,\"hello\"]}}", NS_BAD_INPUT, false, 0, 0, NAN},
        {200, OK_HEAD "\"matrix\",\"result\":[]}}", NS_BAD_INPUT, false, 0, 0, NAN},
        {200, OK_HEAD "\"vector\"}}", NS_PROTOCOL, false, 0, 0, NAN},
        {200, "{\"status\":\"success\"}", NS_PROTOCOL, false, 0, 0, NAN},
        {200, "<html>log in</html>", NS_PROTOCOL, false, 0, 0, NAN},
        {200, "", NS_PROTOCOL, false, 0, 0, NAN},
        {302, "", NS_PROTOCOL, false, 0, 0, NAN},
        {400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error: x\"}", NS_BAD_INPUT, false, 0,
         0, NAN},
        {400, "Client sent an HTTP request to an HTTPS server.\n", NS_PROTOCOL, false, 0, 0, NAN},
        {401, "Unauthorized\n", NS_UNAUTHORIZED, false, 0, 0, NAN},
        {403, "{\"status\":\"error\"}", NS_FORBIDDEN, false, 0, 0, NAN},
        {404, "404 page not found\n", NS_NOT_FOUND, false, 0, 0, NAN},
        {405, "Method Not Allowed\n", NS_PROTOCOL, false, 0, 0, NAN},
        {422, "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"found duplicate series\"}", NS_BAD_INPUT,
         false, 0, 0, NAN},
        {422,
         "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"expanding series: context deadline exceeded\"}",
         NS_TIMEOUT, true, 0, 0, NAN},
        {429, "slow down", NS_BUSY, true, 0, 0, NAN},
        {500, "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"x\"}", NS_UNREACHABLE, true, 0, 0, NAN},
        {502, "<html>Bad Gateway</html>", NS_UNREACHABLE, true, 0, 0, NAN},
        {503, "Service Unavailable", NS_STARTING, true, 0, 0, NAN},
        {503, "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"query timed out\"}", NS_TIMEOUT, true, 0, 0,
         NAN},
        {503, "{\"status\":\"error\",\"errorType\":\"canceled\",\"error\":\"x\"}", NS_UNREACHABLE, true, 0, 0, NAN},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_prometheus_answer answer;
        ns_prometheus_read(cases[i].code, ns_text_of(cases[i].body), &answer);
        if (answer.status != cases[i].status || answer.may_retry != cases[i].may_retry ||
            answer.series != cases[i].series || answer.warnings != cases[i].warnings)
            fail_msg("%d %s: %s retry %d series %zu warnings %zu: %s", cases[i].code, cases[i].body,
                     ns_status_name(answer.status), answer.may_retry, answer.series, answer.warnings,
                     answer.error.text);
        double first = answer.series == 0 ? NAN : ns_prometheus_series(&answer, 0, "x", NULL).value;
        CHECK(isnan(first) == isnan(cases[i].first) && (isnan(first) || first == cases[i].first));
        CHECK_INT(cases[i].warnings > 0, answer.warning[0] != '\0');
        ns_prometheus_answer_clear(&answer);
    }
    CHECK_INT(0, ns_mem_live());
}

static void labels_and_times_come_along(void **state)
{
    (void)state;
    ns_prometheus_answer answer;
    ns_prometheus_read(200,
                       NS_TEXT(OK_HEAD "\"vector\",\"result\":[{\"metric\":{\"deployment\":\"carts\"},"
                                       "\"value\":[1795473586.818,\"7\"]},{\"metric\":{\"x\":\"quote\\\" \\u00e9\"},"
                                       "\"value\":[1795473586,\"8\"]}]}}"),
                       &answer);
    ns_text name;
    ns_value v = ns_prometheus_series(&answer, 0, "deployment", &name);
    CHECK_TEXT("carts", name);
    CHECK(v.at_ms == 1795473586818);
    v = ns_prometheus_series(&answer, 1, "deployment", &name);
    CHECK_INT(0, name.len);
    CHECK_NEAR(8, v.value, 0);
    (void)ns_prometheus_series(&answer, 1, "x", &name);
    CHECK_TEXT("quote\" \xc3\xa9", name);
    ns_prometheus_answer_clear(&answer);
}

static void what_the_other_side_says_is_made_harmless(void **state)
{
    (void)state;
    ns_prometheus_answer answer;
    ns_buf body;
    ns_buf_init(&body, 1 << 16);
    (void)ns_buf_string(&body, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"a\\u001b[31m\\nb");
    for (int i = 0; i < 1000; i++)
        (void)ns_buf_string(&body, "\xc3\xa9");
    (void)ns_buf_string(&body, "\"}");
    ns_prometheus_read(400, ns_buf_view(&body), &answer);
    CHECK(strchr(answer.error.text, '\n') == NULL && strchr(answer.error.text, 0x1b) == NULL);
    CHECK(strstr(answer.error.text, "bad_data: a [31m b") != NULL);
    CHECK(strlen(answer.error.text) < 300);
    ns_buf_clear(&body);
}

/* A Prometheus of this test: remembers the request, answers what it is told. */
typedef struct peer {
    struct event_base *loop;
    ns_http_server *server;
    char url[128];
    const char *reply;
    int code;
    const char *token; /* others are answered 401; NULL: all may */
    int requests;
    char learnt[64]; /* token told last */
    char path[128], authorization[128], tenant[32];
    ns_buf query, time;
    ns_prometheus_answer got;
    double value;
    int answers;
} peer;

static void handle(void *owner, ns_exchange *exchange)
{
    peer *p = owner;
    ns_text header = {0};
    (void)ns_text_copy(p->path, sizeof p->path, ns_exchange_path(exchange));
    p->authorization[0] = p->tenant[0] = '\0';
    if (ns_exchange_header(exchange, "Authorization", &header))
        (void)ns_text_copy(p->authorization, sizeof p->authorization, header);
    if (ns_exchange_header(exchange, "X-Scope-OrgID", &header))
        (void)ns_text_copy(p->tenant, sizeof p->tenant, header);
    CHECK_INT(NS_HTTP_POST, ns_exchange_method(exchange));
    CHECK(ns_query_value(ns_exchange_body(exchange), "query", &p->query));
    (void)ns_query_value(ns_exchange_body(exchange), "time", &p->time);
    bool may = p->token == NULL || strcmp(p->authorization, p->token) == 0;
    p->requests++;
    ns_exchange_answer(exchange, may ? p->code : 401, "application/json", ns_text_of(p->reply));
}

static void answered(void *owner, const ns_prometheus_answer *answer)
{
    peer *p = owner;
    p->got = *answer;
    p->value = answer->series == 0 ? NAN : ns_prometheus_series(answer, 0, NULL, NULL).value;
    p->answers++;
    (void)event_base_loopbreak(p->loop);
}

static void peer_open(peer *p, const char *prefix)
{
    *p = (peer){.loop = event_base_new(), .code = 200};
    ns_error err;
    char bound[64];
    ns_buf_init(&p->query, 1 << 16);
    ns_buf_init(&p->time, 1 << 16);
    CHECK_OK(ns_http_server_new(p->loop, &(ns_http_server_options){.handler = handle, .owner = p}, &p->server, &err));
    CHECK_OK(ns_http_server_listen(p->server, "127.0.0.1:0", bound, sizeof bound, &err));
    (void)snprintf(p->url, sizeof p->url, "http://%s%s", bound, prefix);
}

static void peer_close(peer *p)
{
    ns_http_server_free(p->server);
    ns_buf_clear(&p->query);
    ns_buf_clear(&p->time);
    event_base_free(p->loop);
}

static void ask(peer *p, ns_prometheus_client *client, const char *promql, int64_t at_ms)
{
    ns_error err;
    int before = p->answers;
    CHECK_OK(ns_prometheus_query(client, ns_text_of(promql), at_ms, answered, p, &err));
    while (p->answers == before)
        CHECK(event_base_dispatch(p->loop) >= 0);
}

static void queries_go_out_as_the_api_wants_them(void **state)
{
    (void)state;
    peer p;
    ns_error err;
    ns_prometheus_client *client = NULL;
    peer_open(&p, "/prom");
    p.reply = OK_HEAD "\"scalar\",\"result\":[1,\"2.5\"]}}";
    CHECK_OK(ns_prometheus_client_new(
        p.loop, &(ns_prometheus_options){.url = p.url, .bearer_token = "abc", .tenant = "shop"}, &client, &err));
    ask(&p, client, "sum(x{a=\"b&c+d\"}) % 2", 1795473586907);
    CHECK_OK(p.got.status);
    CHECK_NEAR(2.5, p.value, 0);
    CHECK_STRING("/prom/api/v1/query", p.path);
    CHECK_STRING("sum(x{a=\"b&c+d\"}) % 2", p.query.at);
    CHECK_STRING("1795473586.907", p.time.at);
    CHECK_STRING("Bearer abc", p.authorization);
    CHECK_STRING("shop", p.tenant);
    ask(&p, client, "up", -1);
    CHECK_INT(0, p.time.len);
    ns_prometheus_client_free(client);

    CHECK_OK(ns_prometheus_client_new(
        p.loop, &(ns_prometheus_options){.url = p.url, .username = "me", .password = "pw"}, &client, &err));
    p.code = 401;
    p.reply = "Unauthorized";
    ask(&p, client, "up", -1);
    CHECK_STRING("Basic bWU6cHc=", p.authorization);
    CHECK_STATUS(NS_UNAUTHORIZED, p.got.status);
    ns_http_server_free(p.server); /* nobody is there any more */
    p.server = NULL;
    ask(&p, client, "up", -1);
    CHECK_STATUS(NS_UNREACHABLE, p.got.status);
    CHECK(p.got.may_retry);
    CHECK_INT(0, p.got.code);
    ns_prometheus_client_free(client);
    CHECK_STATUS(NS_BAD_USAGE,
                 ns_prometheus_client_new(p.loop,
                                          &(ns_prometheus_options){.url = p.url, .username = "me", .bearer_token = "x"},
                                          &client, &err));
    peer_close(&p);
    CHECK_INT(0, ns_mem_live());
}

static void answers_above_their_ceiling_are_refused(void **state)
{
    (void)state;
    peer p;
    ns_error err;
    ns_prometheus_client *client = NULL;
    peer_open(&p, "");
    p.reply = OK_HEAD "\"vector\",\"result\":[]}}                                              ";
    CHECK_OK(
        ns_prometheus_client_new(p.loop, &(ns_prometheus_options){.url = p.url, .body_ceiling = 32}, &client, &err));
    ask(&p, client, "up", -1);
    CHECK_STATUS(NS_TOO_LARGE, p.got.status);
    CHECK(!p.got.may_retry);
    /* Freed while a query is under way: it ends first. */
    CHECK_OK(ns_prometheus_query(client, NS_TEXT("up"), -1, answered, &p, &err));
    int before = p.answers;
    ns_prometheus_client_free(client);
    CHECK_INT(before + 1, p.answers);
    CHECK_STATUS(NS_CANCELLED, p.got.status);
    peer_close(&p);
    CHECK_INT(0, ns_mem_live());
}

static void learn(void *owner, ns_text token)
{
    peer *p = owner;
    CHECK(ns_text_copy(p->learnt, sizeof p->learnt, token));
}

/* Tokens of service accounts change about hourly: whoever knows only the first one is shut out after that. */
static void a_token_file_is_read_again(void **state)
{
    (void)state;
    peer p;
    ns_error err;
    ns_prometheus_client *client = NULL;
    char path[] = "/tmp/ns-token-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, "first\n", 6) == 6 && close(fd) == 0);
    peer_open(&p, "");
    p.reply = OK_HEAD "\"scalar\",\"result\":[1,\"2.5\"]}}";
    const ns_prometheus_options options = {
        .url = p.url, .bearer_token = "first", .token_file = path, .learn = learn, .learn_owner = &p};
    CHECK_OK(ns_prometheus_client_new(p.loop, &options, &client, &err));
    p.token = "Bearer first";
    ask(&p, client, "up", -1);
    CHECK_OK(p.got.status);
    CHECK_STRING("first", p.learnt);
    CHECK_INT(1, p.requests);

    p.token = "Bearer second"; /* the file does not have it yet: asking again would be pointless */
    ask(&p, client, "up", -1);
    CHECK_STATUS(NS_UNAUTHORIZED, p.got.status);
    CHECK_INT(2, p.requests);
    CHECK_OK(ns_file_replace(path, NS_TEXT("second\n"), 0600, NULL));
    ask(&p, client, "up{x=\"y\"}", 1795473586907);
    CHECK_OK(p.got.status);
    CHECK_NEAR(2.5, p.value, 0);
    CHECK_INT(4, p.requests);
    CHECK_STRING("up{x=\"y\"}", p.query.at);
    CHECK_STRING("second", p.learnt);
    ask(&p, client, "up", -1);
    CHECK_INT(5, p.requests);

    CHECK(unlink(path) == 0); /* while it is being replaced the token before is used */
    ask(&p, client, "up", -1);
    CHECK_OK(p.got.status);
    p.token = "Bearer third";
    ask(&p, client, "up", -1);
    CHECK_STATUS(NS_UNAUTHORIZED, p.got.status);
    CHECK_OK(ns_file_replace(path, NS_TEXT("\n"), 0600, NULL)); /* an empty file is no token */
    ask(&p, client, "up", -1);
    CHECK_STATUS(NS_UNAUTHORIZED, p.got.status);
    CHECK_STRING("second", p.learnt);
    CHECK(unlink(path) == 0);
    ns_prometheus_client_free(client);
    peer_close(&p);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read_for_what_they_are),
        cmocka_unit_test(labels_and_times_come_along),
        cmocka_unit_test(what_the_other_side_says_is_made_harmless),
        cmocka_unit_test(queries_go_out_as_the_api_wants_them),
        cmocka_unit_test(answers_above_their_ceiling_are_refused),
        cmocka_unit_test(a_token_file_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
