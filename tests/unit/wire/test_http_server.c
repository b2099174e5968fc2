#include "http_house.h"

/* The handler: remembers the last request, and does what the path says. */
typedef struct desk {
    house h;
    int requests, gone;
    char method[16];
    ns_buf path, query, body, accept;
    char peer[64];
    ns_exchange *kept;
    ns_exchange *stream;
    ns_status begun;
} desk;

static void on_gone(void *owner, ns_exchange *exchange)
{
    desk *d = owner;
    CHECK(exchange == d->stream);
    d->stream = NULL;
    d->gone++;
}

static void remember(desk *d, ns_exchange *exchange)
{
    ns_text accept = {0};
    ns_buf_reset(&d->path);
    ns_buf_reset(&d->query);
    ns_buf_reset(&d->body);
    ns_buf_reset(&d->accept);
    d->requests++;
    (void)snprintf(d->method, sizeof d->method, "%s", ns_exchange_method_name(exchange));
    (void)snprintf(d->peer, sizeof d->peer, "%s", ns_exchange_peer(exchange));
    CHECK_OK(ns_buf_text(&d->path, ns_exchange_path(exchange)));
    CHECK_OK(ns_buf_text(&d->query, ns_exchange_query(exchange)));
    CHECK_OK(ns_buf_text(&d->body, ns_exchange_body(exchange)));
    if (ns_exchange_header(exchange, "ACCEPT", &accept))
        CHECK_OK(ns_buf_text(&d->accept, accept));
}

static void handle(void *owner, ns_exchange *exchange)
{
    desk *d = owner;
    remember(d, exchange);
    ns_text path = ns_exchange_path(exchange);
    if (ns_text_is(path, "/keep")) {
        d->kept = exchange;
    } else if (ns_text_is(path, "/drop")) {
        ns_exchange_drop(exchange);
    } else if (ns_text_is(path, "/empty")) {
        ns_exchange_answer(exchange, 204, "text/plain", NS_TEXT("ignored"));
    } else if (ns_text_starts(path, "/stream")) {
        d->begun = ns_exchange_begin(exchange, 200, "text/event-stream", true, on_gone, d);
        if (d->begun == NS_OK)
            d->stream = exchange;
        else
            ns_exchange_answer(exchange, 503, NULL, NS_TEXT(""));
    } else if (ns_text_is(path, "/pieces")) {
        if (ns_exchange_begin(exchange, 200, "text/plain", false, NULL, NULL) != NS_OK) {
            ns_exchange_answer(exchange, 500, NULL, NS_TEXT(""));
            return;
        }
        CHECK_OK(ns_exchange_chunk(exchange, NS_TEXT("one ")));
        CHECK_OK(ns_exchange_chunk(exchange, NS_TEXT("")));
        CHECK_OK(ns_exchange_chunk(exchange, NS_TEXT("two")));
        ns_exchange_end(exchange);
    } else {
        ns_exchange_set_header(exchange, "X-One", "first");
        ns_exchange_set_header(exchange, "x-one", "a\r\nX-Two: b");
        ns_exchange_answer(exchange, 200, "text/plain", NS_TEXT("hello"));
    }
}

static void desk_open(desk *d, ns_http_server_options options)
{
    *d = (desk){0};
    ns_buf_init(&d->path, 1 << 16);
    ns_buf_init(&d->query, 1 << 16);
    ns_buf_init(&d->body, 4 << 20);
    ns_buf_init(&d->accept, 1 << 16);
    options.handler = handle;
    options.owner = d;
    house_open(&d->h, &options);
}

static void desk_close(desk *d)
{
    ns_buf_clear(&d->path);
    ns_buf_clear(&d->query);
    ns_buf_clear(&d->body);
    ns_buf_clear(&d->accept);
    house_close(&d->h);
}

static size_t open_connections(const desk *d)
{
    ns_http_server_counts counts;
    ns_http_server_count(d->h.server, &counts);
    return counts.connections;
}

/* Sends bytes, then half-closes, and gives back everything that came until the server closed. */
static void ask(desk *d, ns_text bytes, ns_buf *answer)
{
    int fd = raw_connect(&d->h);
    raw_send(fd, bytes);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    ns_buf_reset(answer);
    RUN_UNTIL(&d->h, raw_receive(fd, answer));
    (void)close(fd);
    RUN_UNTIL(&d->h, open_connections(d) == 0);
}

static int code_of(const ns_buf *answer)
{
    return answer->len > 12 && memcmp(answer->at, "HTTP/1.1 ", 9) == 0 ? atoi(answer->at + 9) : 0;
}

static void requests_are_taken_or_refused(void **state)
{
    (void)state;
#define HOST "Host: x\r\n"
    static const struct {
        ns_text bytes;
        int code; /* 0: closed without an answer */
        const char *body;
    } cases[] = {
        {BYTES("GET / HTTP/1.1\r\n" HOST "\r\n"), 200, ""},
        {BYTES("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), 200, ""},
        {BYTES("GET / HTTP/1.0\r\n\r\n"), 200, ""},
        {BYTES("GET http://x/a?b HTTP/1.1\r\n" HOST "\r\n"), 200, ""},
        {BYTES("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 200, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"), 200, "abc"},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"), 200, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), 200,
         "abcde"},
        {BYTES("POST / HTTP/1.1\r\n" HOST "transfer-encoding: Chunked\r\n\r\n0A;x=\"y\"\r\n0123456789\r\n000\r\n"
               "Trailer: 1\r\nT: 2\r\n\r\n"),
         200, "0123456789"},
        {BYTES("PUT / HTTP/1.1\r\n" HOST "Empty:\r\nTabbed:\t x\t\r\n\r\n"), 200, ""},
        /* the request line */
        {BYTES("TRACE / HTTP/1.1\r\n" HOST "\r\n"), 501, ""},
        {BYTES("get / HTTP/1.1\r\n" HOST "\r\n"), 501, ""},
        {BYTES("GET / HTTP/2.0\r\n" HOST "\r\n"), 505, ""},
        {BYTES("GET / HTTP/1.1x\r\n" HOST "\r\n"), 400, ""},
        {BYTES("GET /\r\n\r\n"), 400, ""},
        {BYTES("GET  / HTTP/1.1\r\n" HOST "\r\n"), 400, ""},
        {BYTES("GET x HTTP/1.1\r\n" HOST "\r\n"), 400, ""},
        {BYTES("GET * HTTP/1.1\r\n" HOST "\r\n"), 400, ""},
        {BYTES("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), 400, ""},
        {BYTES("GET /\x7f HTTP/1.1\r\n" HOST "\r\n"), 400, ""},
        {BYTES("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), 400, ""},
        {BYTES("G@T / HTTP/1.1\r\n" HOST "\r\n"), 400, ""},
        {BYTES("\x16\x03\x01\x02\n\r\n\r\n"), 400, ""}, /* TLS knocks at the wrong door */
        {BYTES("GET / HTTP/1.1\n" HOST "\n\n"), 400, ""},
        {BYTES("\n"), 400, ""},
        /* fields */
        {BYTES("GET / HTTP/1.1\r\n\r\n"), 400, ""},
        {BYTES("GET / HTTP/1.1\r\n" HOST HOST "\r\n"), 400, ""},
        {BYTES("GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n"), 400, ""},
        {BYTES("GET / HTTP/1.1\r\n" HOST "a : b\r\n\r\n"), 400, ""},
        {BYTES("GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n"), 400, ""},
        {BYTES("GET / HTTP/1.1\r\n" HOST "a: b\r\n folded\r\n\r\n"), 400, ""},
        {BYTES("GET / HTTP/1.1\r\n" HOST "a: b\nc: d\r\n\r\n"), 400, ""},
        {BYTES("GET / HTTP/1.1\r\n" HOST "a: b\rc\r\n\r\n"), 400, ""},
        {BYTES("GET / HTTP/1.1\r\n" HOST "a: \x01\r\n\r\n"), 400, ""},
        {BYTES("GET / HTTP/1.1\r\n" HOST "Expect: tea\r\n\r\n"), 417, ""},
        /* two ways to say how long the body is */
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\nabc"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\nabc"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\n"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501, ""},
        {BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n"), 413, ""},
        /* chunks */
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n\r\n"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-1\r\n"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\na\rx"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1;\n\r\na"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\rXa\r\n"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nT: 1\rX"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\rX"), 400, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3e9\r\n"), 413, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n"), 413, ""},
        /* cut short */
        {BYTES("GET / HTTP/1.1\r\nHos"), 0, ""},
        {BYTES("POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab"), 0, ""},
    };
    desk d;
    ns_buf answer;
    ns_buf_init(&answer, 1 << 16);
    desk_open(&d, (ns_http_server_options){.max_body_bytes = 1000});
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        d.requests = 0;
        ask(&d, cases[i].bytes, &answer);
        if (code_of(&answer) != cases[i].code)
            fail_msg("case %zu: wanted %d, got %d", i, cases[i].code, code_of(&answer));
        CHECK_INT(cases[i].code == 200, d.requests);
        if (cases[i].code == 200)
            CHECK_TEXT(cases[i].body, ns_buf_view(&d.body));
    }
    ns_buf_clear(&answer);
    desk_close(&d);
}

static void a_request_is_seen_as_it_was_sent(void **state)
{
    (void)state;
    desk d;
    ns_buf answer;
    ns_buf_init(&answer, 1 << 16);
    desk_open(&d, (ns_http_server_options){0});
    ask(&d,
        NS_TEXT("PATCH /a%20b/c?x=1&y=%zz?z HTTP/1.1\r\nHost: h\r\naccept:  text/x \r\nContent-Length: 2\r\n\r\nhi"),
        &answer);
    CHECK_STRING("PATCH", d.method);
    CHECK_TEXT("/a%20b/c", ns_buf_view(&d.path));
    CHECK_TEXT("x=1&y=%zz?z", ns_buf_view(&d.query));
    CHECK_TEXT("hi", ns_buf_view(&d.body));
    CHECK_TEXT("text/x", ns_buf_view(&d.accept));
    CHECK_STRING("127.0.0.1", d.peer);
    ns_text got = ns_buf_view(&answer);
    CHECK(ns_text_starts(got, "HTTP/1.1 200 OK\r\nDate: "));
    CHECK(ns_text_find(got, "\r\nContent-Type: text/plain\r\n") > 0);
    CHECK(ns_text_find(got, "\r\nContent-Length: 5\r\n") > 0);
    CHECK(ns_text_find(got, "\r\nCache-Control: no-store\r\n") > 0);
    CHECK(ns_text_find(got, "\r\nX-Content-Type-Options: nosniff\r\n") > 0);
    CHECK(ns_text_find(got, "first") < 0); /* set again: replaced */
    CHECK(ns_text_find(got, "\r\nx-one: a  X-Two: b\r\n") > 0);
    CHECK(ns_text_ends(got, "\r\n\r\nhello"));
    ask(&d, NS_TEXT("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"), &answer);
    CHECK(ns_text_find(ns_buf_view(&answer), "\r\nContent-Length: 5\r\n") > 0);
    CHECK(ns_text_ends(ns_buf_view(&answer), "\r\n\r\n"));
    ask(&d, NS_TEXT("GET /empty HTTP/1.1\r\nHost: h\r\n\r\n"), &answer);
    CHECK_INT(204, code_of(&answer));
    CHECK(ns_text_find(ns_buf_view(&answer), "Content-") == -1 ||
          ns_text_find(ns_buf_view(&answer), "Content-Length") < 0);
    CHECK(ns_text_ends(ns_buf_view(&answer), "\r\n\r\n"));
    ask(&d, NS_TEXT("GET /drop HTTP/1.1\r\nHost: h\r\n\r\n"), &answer);
    CHECK_INT(0, answer.len);
    ask(&d, NS_TEXT("GET /pieces HTTP/1.1\r\nHost: h\r\n\r\n"), &answer);
    CHECK(ns_text_find(ns_buf_view(&answer), "\r\nTransfer-Encoding: chunked\r\n") > 0);
    CHECK(ns_text_ends(ns_buf_view(&answer), "\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"));
    ask(&d, NS_TEXT("GET /pieces HTTP/1.0\r\n\r\n"), &answer);
    CHECK(ns_text_ends(ns_buf_view(&answer), "Connection: close\r\n\r\none two"));
    ask(&d, NS_TEXT("HEAD /pieces HTTP/1.1\r\nHost: h\r\n\r\n"), &answer);
    CHECK(ns_text_ends(ns_buf_view(&answer), "\r\n\r\n"));
    ns_buf_clear(&answer);
    desk_close(&d);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    desk d;
    ns_buf got;
    ns_buf_init(&got, 1 << 20);
    desk_open(&d, (ns_http_server_options){0});
    int fd = raw_connect(&d.h);
    for (int i = 0; i < 50; i++)
        raw_send(fd, i % 2 == 0 ? NS_TEXT("GET /pieces HTTP/1.1\r\nHost: h\r\n\r\n")
                                : NS_TEXT("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nGET "));
    raw_send(fd, NS_TEXT("GET /last HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Close\r\n\r\n"));
    RUN_UNTIL(&d.h, raw_receive(fd, &got));
    (void)close(fd);
    CHECK_INT(51, d.requests);
    CHECK_TEXT("/last", ns_buf_view(&d.path));
    int answers = 0;
    for (ns_text rest = ns_buf_view(&got); ns_text_find(rest, "HTTP/1.1 200") >= 0; answers++) {
        size_t at = (size_t)ns_text_find(rest, "HTTP/1.1 200") + 1;
        rest = (ns_text){rest.at + at, rest.len - at};
    }
    CHECK_INT(51, answers);
    ns_buf_clear(&got);
    desk_close(&d);
}

/* Drips one byte per turn of the loop; the code the server ends it with. */
static int drip(desk *d, ns_text start, char byte)
{
    ns_buf answer;
    ns_buf_init(&answer, 1 << 16);
    int fd = raw_connect(&d->h);
    raw_send(fd, start);
    RUN_UNTIL(&d->h, (send(fd, &byte, 1, MSG_NOSIGNAL), raw_receive(fd, &answer)));
    (void)close(fd);
    int code = code_of(&answer);
    ns_buf_clear(&answer);
    RUN_UNTIL(&d->h, open_connections(d) == 0);
    return code;
}

static void dripping_clients_are_cut_off(void **state)
{
    (void)state;
    desk d;
    ns_buf nothing;
    ns_http_server_counts counts;
    ns_buf_init(&nothing, 1 << 16);
    desk_open(&d, (ns_http_server_options){.head_deadline_ms = 60, .body_deadline_ms = 60, .idle_ms = 60});
    CHECK_INT(408, drip(&d, NS_TEXT("GET / HTTP/1.1\r\nHost: x\r\nX: "), 'a'));
    CHECK_INT(408, drip(&d, NS_TEXT("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"), 'a'));
    CHECK_INT(408, drip(&d, NS_TEXT("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff0\r\n"), 'a'));
    CHECK_INT(0, d.requests);
    int silent = raw_connect(&d.h);
    RUN_UNTIL(&d.h, raw_receive(silent, &nothing)); /* not a word: not a word back */
    CHECK_INT(0, nothing.len);
    (void)close(silent);
    ns_http_server_count(d.h.server, &counts);
    CHECK_INT(4, counts.timed_out);
    int idle = raw_connect(&d.h);
    raw_send(idle, NS_TEXT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    RUN_UNTIL(&d.h, raw_receive(idle, &nothing));
    CHECK_INT(200, code_of(&nothing));
    (void)close(idle);
    ns_http_server_count(d.h.server, &counts);
    CHECK_INT(4, counts.timed_out);
    ns_buf_clear(&nothing);
    desk_close(&d);
}

static void heads_have_a_ceiling(void **state)
{
    (void)state;
    desk d;
    ns_buf request, answer;
    ns_buf_init(&request, 1 << 16);
    ns_buf_init(&answer, 1 << 16);
    desk_open(&d, (ns_http_server_options){.max_head_bytes = 2048});
    static const struct {
        size_t filler;
        int code;
    } cases[] = {{1900, 200}, {2047, 431}, {6000, 431}, {60000, 431}};
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_buf_reset(&request);
        CHECK_OK(ns_buf_string(&request, "GET / HTTP/1.1\r\nHost: x\r\nX: "));
        for (size_t n = 0; n < cases[i].filler; n++)
            CHECK_OK(ns_buf_char(&request, 'a'));
        CHECK_OK(ns_buf_string(&request, "\r\n\r\n"));
        ask(&d, ns_buf_view(&request), &answer);
        CHECK_INT(cases[i].code, code_of(&answer));
    }
    ns_buf_reset(&request);
    CHECK_OK(ns_buf_string(&request, "GET / HTTP/1.1\r\nHost: x\r\n"));
    for (int n = 0; n < 100; n++)
        CHECK_OK(ns_buf_string(&request, "a:b\r\n"));
    CHECK_OK(ns_buf_string(&request, "\r\n"));
    ask(&d, ns_buf_view(&request), &answer);
    CHECK_INT(431, code_of(&answer));
    ns_buf_clear(&request);
    ns_buf_clear(&answer);
    desk_close(&d);
}

static void a_client_that_asks_is_told_to_go_on(void **state)
{
    (void)state;
    desk d;
    ns_buf got;
    ns_buf_init(&got, 1 << 16);
    desk_open(&d, (ns_http_server_options){0});
    int fd = raw_connect(&d.h);
    raw_send(fd, NS_TEXT("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    RUN_UNTIL(&d.h, (raw_receive(fd, &got), got.len > 0));
    CHECK_TEXT("HTTP/1.1 100 Continue\r\n\r\n", ns_buf_view(&got));
    CHECK_INT(0, d.requests);
    ns_buf_reset(&got);
    raw_send(fd, NS_TEXT("ok"));
    RUN_UNTIL(&d.h, (raw_receive(fd, &got), got.len > 0));
    CHECK_INT(200, code_of(&got));
    CHECK_TEXT("ok", ns_buf_view(&d.body));
    (void)close(fd);
    ns_buf_clear(&got);
    desk_close(&d);
}

/* Five wait for their first request where three have room: the last three stay. */
static void who_waits_longest_makes_way(void **state)
{
    (void)state;
    static const ns_http_server_options caps[] = {{.max_connections = 3}, {.max_connections_per_address = 3}};
    for (size_t i = 0; i < NS_COUNT_OF(caps); i++) {
        desk d;
        int fd[5];
        ns_buf got;
        ns_http_server_counts counts = {0};
        ns_buf_init(&got, 4096);
        desk_open(&d, caps[i]);
        for (size_t n = 0; n < 5; n++)
            fd[n] = raw_connect(&d.h);
        RUN_UNTIL(&d.h, (ns_http_server_count(d.h.server, &counts), counts.accepted == 5));
        CHECK_INT(3, counts.connections);
        CHECK_INT(2, counts.displaced);
        CHECK_INT(0, counts.refused);
        RUN_UNTIL(&d.h, raw_receive(fd[0], &got));
        raw_send(fd[4], NS_TEXT("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
        RUN_UNTIL(&d.h, (raw_receive(fd[4], &got), got.len > 0));
        CHECK_INT(200, code_of(&got));
        for (size_t n = 0; n < 5; n++)
            (void)close(fd[n]);
        ns_buf_clear(&got);
        desk_close(&d);
    }
}

/* One that has had an answer is the last to go; while all are being answered nobody else gets in. */
static void who_is_answered_stays(void **state)
{
    (void)state;
    desk d;
    ns_buf got;
    ns_http_server_counts counts = {0};
    ns_buf_init(&got, 4096);
    desk_open(&d, (ns_http_server_options){.max_connections = 2});
    int served = raw_connect(&d.h);
    raw_send(served, NS_TEXT("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    RUN_UNTIL(&d.h, (raw_receive(served, &got), got.len > 0));
    int fresh = raw_connect(&d.h);
    RUN_UNTIL(&d.h, open_connections(&d) == 2);
    int late = raw_connect(&d.h);
    RUN_UNTIL(&d.h, raw_receive(fresh, &got)); /* closed, though the other came first */
    raw_send(served, NS_TEXT("GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"));
    raw_send(late, NS_TEXT("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    RUN_UNTIL(&d.h, (ns_http_server_count(d.h.server, &counts), counts.requests == 3));
    int refused = raw_connect(&d.h);
    RUN_UNTIL(&d.h, raw_receive(refused, &got));
    ns_http_server_count(d.h.server, &counts);
    CHECK_INT(1, counts.displaced);
    CHECK_INT(1, counts.refused);
    ns_exchange_answer(d.kept, 200, "text/plain", NS_TEXT("done"));
    const int all[] = {served, fresh, late, refused};
    for (size_t n = 0; n < NS_COUNT_OF(all); n++)
        (void)close(all[n]);
    RUN_UNTIL(&d.h, open_connections(&d) == 0);
    ns_buf_clear(&got);
    desk_close(&d);
}

static void a_stream_lives_until_the_client_leaves(void **state)
{
    (void)state;
    desk d;
    ns_buf got;
    ns_http_server_counts counts;
    ns_buf_init(&got, 1 << 16);
    desk_open(&d, (ns_http_server_options){.max_streams = 1, .idle_ms = 30, .head_deadline_ms = 30});
    int fd = raw_connect(&d.h);
    raw_send(fd, NS_TEXT("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    RUN_UNTIL(&d.h, d.stream != NULL);
    CHECK_OK(ns_exchange_chunk(d.stream, NS_TEXT("data: 1\n\n")));
    RUN_UNTIL(&d.h, (raw_receive(fd, &got), ns_text_ends(ns_buf_view(&got), "9\r\ndata: 1\n\n\r\n")));
    ns_http_server_count(d.h.server, &counts);
    CHECK_INT(1, counts.streams);
    int second = raw_connect(&d.h);
    ns_buf_reset(&got);
    raw_send(second, NS_TEXT("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    RUN_UNTIL(&d.h, (raw_receive(second, &got), got.len > 0));
    CHECK_STATUS(NS_BUSY, d.begun);
    CHECK_INT(503, code_of(&got));
    (void)close(second);
    (void)close(fd);
    RUN_UNTIL(&d.h, d.gone == 1);
    ns_http_server_count(d.h.server, &counts);
    CHECK_INT(0, counts.streams);
    fd = raw_connect(&d.h); /* and the server's own end ends streams too */
    raw_send(fd, NS_TEXT("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    RUN_UNTIL(&d.h, d.stream != NULL);
    ns_buf_clear(&got);
    desk_close(&d);
    CHECK_INT(2, d.gone);
    (void)close(fd);
}

static void a_client_that_does_not_read_fills_up(void **state)
{
    (void)state;
    desk d;
    ns_status status = NS_OK;
    static char piece[65536];
    desk_open(&d, (ns_http_server_options){0});
    int fd = raw_connect(&d.h);
    raw_send(fd, NS_TEXT("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"));
    RUN_UNTIL(&d.h, d.stream != NULL);
    int sent = 0;
    for (; sent < 1000 && status == NS_OK; sent++) {
        status = ns_exchange_chunk(d.stream, (ns_text){piece, sizeof piece});
        turn(d.h.loop);
    }
    CHECK_STATUS(NS_BUSY, status);
    ns_exchange_drop(d.stream);
    CHECK_INT(0, d.gone);
    CHECK_INT(0, open_connections(&d));
    (void)close(fd);
    desk_close(&d);
}

static void an_answer_may_come_after_the_client_has_left(void **state)
{
    (void)state;
    desk d;
    struct linger reset = {.l_onoff = 1};
    desk_open(&d, (ns_http_server_options){0});
    for (int way = 0; way < 3; way++) {
        int fd = raw_connect(&d.h);
        raw_send(fd, NS_TEXT("GET /keep?x HTTP/1.1\r\nHost: h\r\n\r\n"));
        RUN_UNTIL(&d.h, d.kept != NULL);
        CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
        (void)close(fd);
        if (way < 2)
            RUN_UNTIL(&d.h, open_connections(&d) == 0);
        CHECK_TEXT("x", ns_exchange_query(d.kept)); /* the request may still be read */
        if (way == 1)
            CHECK_STATUS(NS_CANCELLED, ns_exchange_begin(d.kept, 200, NULL, true, on_gone, &d));
        if (way == 1)
            ns_exchange_drop(d.kept);
        else
            ns_exchange_answer(d.kept, 200, "text/plain", NS_TEXT("late"));
        d.kept = NULL;
        RUN_UNTIL(&d.h, open_connections(&d) == 0);
    }
    int fd = raw_connect(&d.h);
    raw_send(fd, NS_TEXT("GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"));
    RUN_UNTIL(&d.h, d.kept != NULL);
    ns_http_server_free(d.h.server);
    d.h.server = NULL;
    ns_exchange_answer(d.kept, 200, NULL, NS_TEXT("too late"));
    (void)close(fd);
    desk_close(&d);
}

static int connect_unix(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)ns_text_copy(name.sun_path, sizeof name.sun_path, ns_text_of(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

static void a_unix_socket_is_private_and_replaced_when_stale(void **state)
{
    (void)state;
    desk d;
    ns_error err;
    ns_http_server *other;
    char path[128];
    ns_http_server_options options = {.handler = handle};
    desk_open(&d, (ns_http_server_options){0});
    (void)snprintf(path, sizeof path, "%s/s", d.h.folder);
    /* left behind by a daemon that was killed */
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)ns_text_copy(name.sun_path, sizeof name.sun_path, ns_text_of(path));
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(stale, (struct sockaddr *)&name, sizeof name) == 0);
    (void)close(stale);
    CHECK_OK(ns_http_server_listen_unix(d.h.server, path, 0600, &err));
    struct stat there;
    CHECK(stat(path, &there) == 0);
    CHECK_INT(0600, there.st_mode & 0777);
    CHECK_OK(ns_http_server_new(d.h.loop, &options, &other, &err));
    CHECK_STATUS(NS_CONFLICT, ns_http_server_listen_unix(other, path, 0600, &err));
    CHECK_STATUS(NS_CONFLICT, ns_http_server_listen_unix(other, d.h.folder, 0600, &err));
    CHECK_STATUS(NS_CONFLICT, ns_http_server_listen(other, d.h.address, NULL, 0, &err));
    ns_http_server_free(other);
    int fd = connect_unix(path);
    CHECK(fd >= 0);
    raw_send(fd, NS_TEXT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    RUN_UNTIL(&d.h, d.requests == 1);
    CHECK_STRING("unix", d.peer);
    (void)close(fd);
    ns_http_server_free(d.h.server);
    d.h.server = NULL;
    CHECK(access(path, F_OK) != 0);
    desk_close(&d);
}

static void addresses_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        const char *bound; /* NULL: refused */
    } cases[] = {
        {"127.0.0.1:0", "127.0.0.1:"},
        {"localhost:0", "127.0.0.1:"},
        {"[::1]:0", "[::1]:"},
        {"0.0.0.0:0", "0.0.0.0:"},
        {"127.0.0.1", NULL},
        {":80", NULL},
        {"", NULL},
        {"127.0.0.1:65536", NULL},
        {"127.0.0.1:-1", NULL},
        {"127.0.0.1:http", NULL},
        {"[::1:0", NULL},
        {"300.1.1.1:0", NULL},
    };
    struct event_base *loop = event_base_new();
    ns_http_server_options options = {.handler = handle};
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_http_server *server;
        ns_error err = {0};
        char bound[64] = "";
        CHECK_OK(ns_http_server_new(loop, &options, &server, &err));
        ns_status status = ns_http_server_listen(server, cases[i].address, bound, sizeof bound, &err);
        if (strchr(cases[i].address, '[') != NULL && status == NS_IO) {
            ns_http_server_free(server); /* a machine without IPv6 */
            continue;
        }
        CHECK_STATUS(cases[i].bound != NULL ? NS_OK : NS_BAD_INPUT, status);
        if (status == NS_OK)
            CHECK(ns_text_starts(ns_text_of(bound), cases[i].bound) && !ns_text_ends(ns_text_of(bound), ":0"));
        ns_http_server_free(server);
    }
    event_base_free(loop);
    CHECK_INT(0, ns_mem_live());
}

static void memory_may_fail_anywhere(void **state)
{
    (void)state;
    ns_buf answer;
    desk d;
    ns_buf_init(&answer, 1 << 16);
    desk_open(&d, (ns_http_server_options){0});
    CHECK_OK(ns_buf_string(&answer, "room"));
    CHECK_OK(ns_buf_string(&d.path, "room"));
    CHECK_OK(ns_buf_string(&d.query, "room"));
    CHECK_OK(ns_buf_string(&d.body, "room"));
    CHECK_OK(ns_buf_string(&d.accept, "room"));
    bool served = false;
    for (long n = 0; n < 32 && !served; n++) {
        ns_mem_fail_after(n);
        ask(&d, NS_TEXT("POST /pieces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"),
            &answer);
        ns_mem_fail_after(-1);
        served = code_of(&answer) == 200;
        CHECK(served || answer.len == 0 || code_of(&answer) >= 500);
    }
    CHECK(served);
    ns_buf_clear(&answer);
    desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_taken_or_refused),
        cmocka_unit_test(a_request_is_seen_as_it_was_sent),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(dripping_clients_are_cut_off),
        cmocka_unit_test(heads_have_a_ceiling),
        cmocka_unit_test(a_client_that_asks_is_told_to_go_on),
        cmocka_unit_test(who_waits_longest_makes_way),
        cmocka_unit_test(who_is_answered_stays),
        cmocka_unit_test(a_stream_lives_until_the_client_leaves),
        cmocka_unit_test(a_client_that_does_not_read_fills_up),
        cmocka_unit_test(an_answer_may_come_after_the_client_has_left),
        cmocka_unit_test(a_unix_socket_is_private_and_replaced_when_stale),
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(memory_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
