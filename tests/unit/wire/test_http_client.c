#include "http_house.h"

#include <event2/bufferevent.h>
#include <event2/buffer.h>
#include <event2/listener.h>

/* The server's side: does what the path says, and remembers what it saw. */
typedef struct desk {
    house h;
    int requests;
    ns_buf seen; /* "METHOD path?query body\n" per request */
    char authorization[128], cookie[128], agent[64], encoding[64], extra[64], type[64];
    ns_exchange *kept[8];
    size_t kept_count;
    size_t most_connections;
    char elsewhere[128]; /* where /away redirects to */
    int hops;
} desk;

static void copy_header(const ns_exchange *exchange, const char *name, char *out, size_t size)
{
    ns_text value = {0};
    (void)ns_exchange_header(exchange, name, &value);
    (void)ns_text_copy(out, size, value);
}

static void remember(desk *d, const ns_exchange *exchange)
{
    ns_http_server_counts counts;
    ns_text path = ns_exchange_path(exchange), query = ns_exchange_query(exchange), body = ns_exchange_body(exchange);
    d->requests++;
    ns_http_server_count(d->h.server, &counts);
    if (counts.connections > d->most_connections)
        d->most_connections = counts.connections;
    (void)ns_buf_printf(&d->seen, "%s %.*s?%.*s %.*s\n", ns_exchange_method_name(exchange), (int)path.len, path.at,
                        (int)query.len, query.at, (int)body.len, body.at == NULL ? "" : body.at);
    copy_header(exchange, "Authorization", d->authorization, sizeof d->authorization);
    copy_header(exchange, "Cookie", d->cookie, sizeof d->cookie);
    copy_header(exchange, "User-Agent", d->agent, sizeof d->agent);
    copy_header(exchange, "Accept-Encoding", d->encoding, sizeof d->encoding);
    copy_header(exchange, "X-Extra", d->extra, sizeof d->extra);
    copy_header(exchange, "Content-Type", d->type, sizeof d->type);
}

static void put_numbers(ns_exchange *exchange, int count)
{
    char line[16];
    CHECK_OK(ns_exchange_begin(exchange, 200, "text/plain", false, NULL, NULL));
    for (int i = 0; i < count; i++) {
        (void)snprintf(line, sizeof line, "%07d\n", i);
        CHECK_OK(ns_exchange_chunk(exchange, ns_text_of(line)));
    }
    ns_exchange_end(exchange);
}

static void redirect(ns_exchange *exchange, const char *to)
{
    ns_exchange_set_header(exchange, "Location", to);
    ns_exchange_answer(exchange, 302, "text/plain", NS_TEXT("over there"));
}

static void handle(void *owner, ns_exchange *exchange)
{
    desk *d = owner;
    static char big[5000];
    remember(d, exchange);
    ns_text path = ns_exchange_path(exchange);
    if (ns_text_is(path, "/keep") && d->kept_count < NS_COUNT_OF(d->kept)) {
        d->kept[d->kept_count++] = exchange;
    } else if (ns_text_is(path, "/drop")) {
        ns_exchange_drop(exchange);
    } else if (ns_text_is(path, "/numbers")) {
        put_numbers(exchange, 20000);
    } else if (ns_text_is(path, "/big")) {
        ns_exchange_set_header(exchange, "X-Big", "yes");
        ns_exchange_answer(exchange, 200, "text/plain", (ns_text){big, sizeof big});
    } else if (ns_text_is(path, "/away")) {
        redirect(exchange, d->elsewhere);
    } else if (ns_text_is(path, "/hop")) {
        redirect(exchange, --d->hops > 0 ? "/hop?secret=1" : "here/");
    } else if (ns_text_is(path, "/missing")) {
        ns_exchange_answer(exchange, 404, "text/plain", NS_TEXT("no"));
    } else if (ns_text_is(path, "/cookie")) {
        ns_exchange_set_header(exchange, "Set-Cookie", "JSESSIONID=abc; Path=/; HttpOnly");
        ns_exchange_answer(exchange, 200, "text/plain", NS_TEXT(""));
    } else {
        ns_exchange_set_header(exchange, "X-Answer", "  yes ");
        ns_exchange_answer(exchange, 200, "text/plain", NS_TEXT("hello"));
    }
}

static void desk_open(desk *d, ns_http_client_options client)
{
    ns_http_server_options server = {.handler = handle, .owner = d};
    *d = (desk){0};
    ns_buf_init(&d->seen, 1 << 16);
    house_open(&d->h, &server);
    house_client(&d->h, client);
}

static void desk_close(desk *d)
{
    for (size_t i = 0; i < d->kept_count; i++)
        ns_exchange_drop(d->kept[i]);
    ns_buf_clear(&d->seen);
    house_close(&d->h);
}

/* What `done` told. */
typedef struct result {
    int done;
    ns_status status;
    int code;
    char body[64];
    size_t body_len;
    char header[64];
    ns_error error;
    ns_http_call *cancel_too; /* another call, or this one's client, to end inside done */
    ns_http_client *free_too;
    ns_http_client *start_on;
    struct result *next;
} result;

static void on_done(void *owner, const ns_http_answer *answer);

static ns_http_call *start(ns_http_client *client, ns_http_request request, result *r)
{
    ns_http_call *call = NULL;
    ns_error err = {0};
    if (request.path == NULL)
        request.path = "/";
    request.done = on_done;
    request.owner = r;
    int before = r->done;
    if (ns_http_start(client, &request, &call, &err) != NS_OK)
        fail_msg("%s", err.text);
    CHECK_INT(before, r->done); /* never from inside the start */
    return call;
}

static void on_done(void *owner, const ns_http_answer *answer)
{
    result *r = owner;
    ns_text header = {0};
    r->done++;
    r->status = answer->status;
    r->code = answer->code;
    r->error = answer->error;
    r->body_len = answer->body.len;
    (void)ns_text_copy(r->body, sizeof r->body, answer->body);
    (void)(ns_http_header_of(answer->call, "x-answer", &header) || ns_http_header_of(answer->call, "X-BIG", &header));
    (void)ns_text_copy(r->header, sizeof r->header, header);
    CHECK((answer->status == NS_OK) == (answer->error.text[0] == '\0'));
    CHECK(strstr(answer->error.text, "hunter2") == NULL && strstr(answer->error.text, "secret") == NULL);
    if (r->cancel_too != NULL)
        ns_http_cancel(r->cancel_too);
    if (r->start_on != NULL)
        (void)start(r->start_on, (ns_http_request){0}, r->next);
    if (r->free_too != NULL)
        ns_http_client_free(r->free_too);
}

static result fetch(desk *d, ns_http_request request)
{
    result r = {0};
    (void)start(d->h.client, request, &r);
    RUN_UNTIL(&d->h, r.done == 1);
    return r;
}

static void an_answer_arrives_whole(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, (ns_http_client_options){0});
    ns_http_header extra[] = {{"X-Extra", "a b"}, {"X-Empty", ""}};
    result r = fetch(&d, (ns_http_request){.path = "/a%20b?q=1", .headers = extra, .header_count = 2});
    CHECK_STATUS(NS_OK, r.status);
    CHECK_INT(200, r.code);
    CHECK_STRING("hello", r.body);
    CHECK_STRING("yes", r.header);
    CHECK_TEXT("GET /a%20b?q=1 \n", ns_buf_view(&d.seen));
    CHECK_STRING("neuroshield/" NS_VERSION, d.agent);
    CHECK_STRING("identity", d.encoding);
    CHECK_STRING("a b", d.extra);
    CHECK_STRING("", d.authorization);
    r = fetch(&d, (ns_http_request){.path = "/missing"});
    CHECK_STATUS(NS_OK, r.status);
    CHECK_INT(404, r.code);
    CHECK_STRING("no", r.body);
    CHECK_INT(0, ns_http_client_active(d.h.client));
    desk_close(&d);
}

static void methods_and_bodies_are_sent(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, (ns_http_client_options){0});
    static const ns_http_request requests[] = {
        {.method = "POST", .path = "/1", .body = BYTES("a=b"), .content_type = "application/x-www-form-urlencoded"},
        {.method = "POST", .path = "/2"},
        {.method = "PUT", .path = "/3", .body = BYTES("x")},
        {.method = "PATCH", .path = "/4", .body = BYTES("{}"), .content_type = "application/json"},
        {.method = "DELETE", .path = "/5"},
        {.method = "HEAD", .path = "/6"},
        {.method = "OPTIONS", .path = "/7"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(requests); i++) {
        result r = fetch(&d, requests[i]);
        CHECK_STATUS(NS_OK, r.status);
        CHECK_STRING(i == 5 ? "" : "hello", r.body);
        CHECK_STRING(requests[i].content_type == NULL ? "" : requests[i].content_type, d.type);
    }
    CHECK_TEXT("POST /1? a=b\nPOST /2? \nPUT /3? x\nPATCH /4? {}\nDELETE /5? \nHEAD /6? \nOPTIONS /7? \n",
               ns_buf_view(&d.seen));
    desk_close(&d);
}

static void connections_are_kept_for_reading_only(void **state)
{
    (void)state;
    desk d;
    ns_http_server_counts counts;
    desk_open(&d, (ns_http_client_options){0});
    for (int i = 0; i < 3; i++)
        CHECK_STATUS(NS_OK, fetch(&d, (ns_http_request){0}).status);
    ns_http_server_count(d.h.server, &counts);
    CHECK_INT(1, counts.accepted);
    CHECK_STATUS(NS_OK, fetch(&d, (ns_http_request){.method = "POST"}).status);
    ns_http_server_count(d.h.server, &counts);
    CHECK_INT(2, counts.accepted);
    desk_close(&d);
}

static void credentials_are_sent_at_once(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, (ns_http_client_options){.username = "bob", .password = "hunter2"});
    CHECK_STATUS(NS_OK, fetch(&d, (ns_http_request){0}).status);
    CHECK_INT(1, d.requests);
    CHECK_STRING("Basic Ym9iOmh1bnRlcjI=", d.authorization);
    desk_close(&d);
    desk_open(&d, (ns_http_client_options){.bearer_token = "hunter2"});
    CHECK_STATUS(NS_OK, fetch(&d, (ns_http_request){0}).status);
    CHECK_STRING("Bearer hunter2", d.authorization);
    desk_close(&d);
}

static void base_urls_may_have_a_path_but_no_password(void **state)
{
    (void)state;
    desk d;
    char url[160];
    ns_error err;
    desk_open(&d, (ns_http_client_options){0});
    ns_http_client_free(d.h.client);
    (void)snprintf(url, sizeof url, "http://bob:hunter2@%s/jenkins/", d.h.address);
    house_client(&d.h, (ns_http_client_options){.base_url = url});
    CHECK_STATUS(NS_OK, fetch(&d, (ns_http_request){.path = "/api/json"}).status);
    CHECK_TEXT("GET /jenkins/api/json? \n", ns_buf_view(&d.seen));
    CHECK_STRING("", d.authorization);
    CHECK(strstr(ns_http_client_base_url(d.h.client), "hunter2") == NULL);
    ns_http_client *bad;
    ns_http_client_options options = {.name = "ci", .base_url = "gopher://bob:hunter2@x"};
    CHECK_STATUS(NS_BAD_INPUT, ns_http_client_new(d.h.loop, &options, &bad, &err));
    CHECK(strstr(err.text, "ci.url") != NULL && strstr(err.text, "hunter2") == NULL);
    desk_close(&d);
}

static void bodies_have_ceilings(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, (ns_http_client_options){0});
    result r = fetch(&d, (ns_http_request){.path = "/big", .body_ceiling = 5000});
    CHECK_STATUS(NS_OK, r.status);
    CHECK_INT(5000, r.body_len);
    r = fetch(&d, (ns_http_request){.path = "/big", .body_ceiling = 4999});
    CHECK_STATUS(NS_TOO_LARGE, r.status);
    CHECK_INT(200, r.code);
    CHECK_STRING("yes", r.header);
    r = fetch(&d, (ns_http_request){.path = "/numbers", .body_ceiling = 159999});
    CHECK_STATUS(NS_TOO_LARGE, r.status);
    r = fetch(&d, (ns_http_request){.path = "/numbers", .body_ceiling = 160000});
    CHECK_STATUS(NS_OK, r.status);
    CHECK_INT(160000, r.body_len);
    desk_close(&d);
}

static void silence_is_a_time_out(void **state)
{
    (void)state;
    desk d;
    char url[64];
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t length = sizeof name;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int half_open = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(half_open, (struct sockaddr *)&name, sizeof name) == 0 && listen(half_open, 4) == 0);
    CHECK(getsockname(half_open, (struct sockaddr *)&name, &length) == 0);
    desk_open(&d, (ns_http_client_options){.total_timeout_ms = 60});
    CHECK_STATUS(NS_TIMEOUT, fetch(&d, (ns_http_request){.path = "/keep"}).status); /* takes it, never answers */
    ns_http_client_free(d.h.client);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(name.sin_port));
    house_client(&d.h, (ns_http_client_options){.base_url = url, .password = "hunter2", .username = "bob"});
    result r = fetch(&d, (ns_http_request){.path = "/?token=secret", .total_timeout_ms = 60}); /* never even takes it */
    CHECK_STATUS(NS_TIMEOUT, r.status);
    CHECK_INT(0, r.code);
    char wanted[160];
    (void)snprintf(wanted, sizeof wanted, "ci %s: no answer in 60 ms; is ci.url right?", url);
    CHECK_STRING(wanted, r.error.text);
    (void)close(half_open);
    r = fetch(&d, (ns_http_request){0}); /* nobody there any more */
    CHECK_STATUS(NS_UNREACHABLE, r.status);
    desk_close(&d);
}

static void redirects_stay_at_home(void **state)
{
    (void)state;
    desk d, other;
    desk_open(&other, (ns_http_client_options){0});
    desk_open(&d, (ns_http_client_options){.username = "bob", .password = "hunter2"});
    CHECK_INT(302, fetch(&d, (ns_http_request){.path = "/hop"}).code); /* not asked to follow */
    d.hops = 5;
    ns_buf_reset(&d.seen);
    result r = fetch(&d, (ns_http_request){.path = "/hop", .follow_redirects = true});
    CHECK_STATUS(NS_OK, r.status);
    CHECK_STRING("hello", r.body);
    CHECK(ns_text_ends(ns_buf_view(&d.seen), "GET /hop?secret=1 \nGET /here/? \n"));
    CHECK_STRING("Basic Ym9iOmh1bnRlcjI=", d.authorization);
    d.hops = 6;
    r = fetch(&d, (ns_http_request){.path = "/hop", .follow_redirects = true});
    CHECK_STATUS(NS_PROTOCOL, r.status);
    CHECK_INT(302, r.code);
    const char *const bad[] = {other.h.url, "http://localhost:1/", "https://127.0.0.1/", "file:///etc/passwd",
                               "//evil/"};
    for (size_t i = 0; i < NS_COUNT_OF(bad); i++) {
        (void)snprintf(d.elsewhere, sizeof d.elsewhere, "%s", bad[i]);
        r = fetch(&d, (ns_http_request){.path = "/away", .follow_redirects = true});
        CHECK_STATUS(NS_PROTOCOL, r.status);
    }
    (void)snprintf(d.elsewhere, sizeof d.elsewhere, "http://bob:hunter2@127.0.0.1:%d/?token=secret", other.h.port);
    r = fetch(&d, (ns_http_request){.path = "/away", .follow_redirects = true});
    CHECK_STATUS(NS_PROTOCOL, r.status); /* and on_done looked for the secrets in its message */
    r = fetch(&d, (ns_http_request){.path = "/away", .method = "POST", .follow_redirects = true});
    CHECK_INT(302, r.code);
    CHECK_STATUS(NS_OK, r.status);
    CHECK_INT(0, other.requests);
    ns_http_client_free(d.h.client); /* the two houses count memory together */
    d.h.client = NULL;
    ns_http_server_free(other.h.server);
    ns_http_client_free(other.h.client);
    event_base_free(other.h.loop);
    CHECK(rmdir(other.h.folder) == 0);
    desk_close(&d);
}

static void calls_may_be_given_up(void **state)
{
    (void)state;
    desk d;
    result running = {0}, queued = {0}, first = {0};
    desk_open(&d, (ns_http_client_options){.max_connections = 1});
    ns_http_call *a = start(d.h.client, (ns_http_request){.path = "/keep"}, &running);
    ns_http_call *b = start(d.h.client, (ns_http_request){0}, &queued);
    RUN_UNTIL(&d.h, d.kept_count == 1);
    CHECK_INT(2, ns_http_client_active(d.h.client));
    ns_http_cancel(b);
    CHECK_INT(1, queued.done);
    CHECK_STATUS(NS_CANCELLED, queued.status);
    ns_http_cancel(a);
    CHECK_INT(1, running.done);
    CHECK_STATUS(NS_CANCELLED, running.status);
    CHECK_INT(0, ns_http_client_active(d.h.client));
    CHECK_STATUS(NS_OK, fetch(&d, (ns_http_request){0}).status);
    /* from inside another call's done, which starts a new one too */
    result after = {0};
    queued = (result){0};
    (void)start(d.h.client, (ns_http_request){0}, &first);
    first.cancel_too = start(d.h.client, (ns_http_request){0}, &queued);
    first.start_on = d.h.client;
    first.next = &after;
    RUN_UNTIL(&d.h, after.done == 1);
    CHECK_INT(1, queued.done);
    CHECK_STATUS(NS_CANCELLED, queued.status);
    CHECK_STATUS(NS_OK, after.status);
    desk_close(&d);
}

static void a_client_may_go_inside_its_own_callback(void **state)
{
    (void)state;
    desk d;
    result first = {0}, second = {0}, third = {0};
    desk_open(&d, (ns_http_client_options){0});
    (void)start(d.h.client, (ns_http_request){.path = "/keep"}, &second);
    (void)start(d.h.client, (ns_http_request){0}, &first);
    (void)start(d.h.client, (ns_http_request){0}, &third);
    first.free_too = d.h.client;
    d.h.client = NULL;
    RUN_UNTIL(&d.h, first.done == 1);
    CHECK_STATUS(NS_CANCELLED, second.status);
    CHECK_STATUS(NS_CANCELLED, third.status);
    CHECK_INT(2, second.done + third.done);
    desk_close(&d);
}

static void forbidden_bytes_are_not_sent(void **state)
{
    (void)state;
    desk d;
    ns_error err;
    result r = {0};
    ns_http_request request = {.path = "/", .done = on_done, .owner = &r};
    desk_open(&d, (ns_http_client_options){0});
    static const ns_http_header bad[] = {{"X", "a\r\nY: b"}, {"X Y", "a"}, {"", "a"}, {"X:", "a"}};
    static const char *const paths[] = {"x", "", "/a b", "/a\r\nX: y", "/a#b", "/\x7f"};
    for (size_t i = 0; i < NS_COUNT_OF(bad); i++) {
        request.headers = &bad[i];
        request.header_count = 1;
        CHECK_STATUS(NS_BAD_INPUT, ns_http_start(d.h.client, &request, NULL, &err));
    }
    request.header_count = 0;
    for (size_t i = 0; i < NS_COUNT_OF(paths); i++) {
        request.path = paths[i];
        CHECK_STATUS(NS_BAD_INPUT, ns_http_start(d.h.client, &request, NULL, &err));
    }
    request.path = "/";
    request.method = "GET /x";
    CHECK_STATUS(NS_BAD_INPUT, ns_http_start(d.h.client, &request, NULL, &err));
    CHECK_INT(0, r.done);
    desk_close(&d);
}

/* A reader that takes its body in pieces. */
typedef struct reader {
    result r;
    ns_http_call *call;
    ns_http_client *client;
    size_t taken;
    int offers, refused;
    bool full, cancel, free;
    int code;
} reader;

static bool on_body(void *owner, const ns_http_call *call, ns_text piece)
{
    reader *it = owner;
    it->offers++;
    it->code = ns_http_code_of(call);
    if (it->cancel)
        ns_http_cancel(it->call);
    if (it->free)
        ns_http_client_free(it->client);
    if (it->full) {
        it->refused++;
        return false;
    }
    for (size_t i = 0; i < piece.len; i++, it->taken++) { /* the bytes are those of "%07d\n", in order */
        char line[32];
        (void)snprintf(line, sizeof line, "%07zu\n", it->taken / 8);
        if (piece.at[i] != line[it->taken % 8])
            fail_msg("byte %zu is wrong", it->taken);
    }
    it->full = true;
    return true;
}

static void reader_done(void *owner, const ns_http_answer *answer)
{
    reader *it = owner;
    on_done(&it->r, answer);
}

static void start_reading(desk *d, reader *it, long total_timeout_ms)
{
    ns_error err;
    ns_http_request request = {
        .path = "/numbers", .on_body = on_body, .done = reader_done, .owner = it, .total_timeout_ms = total_timeout_ms};
    it->client = d->h.client;
    CHECK_OK(ns_http_start(d->h.client, &request, &it->call, &err));
}

static void bodies_pause_and_go_on(void **state)
{
    (void)state;
    desk d;
    reader it = {0};
    desk_open(&d, (ns_http_client_options){0});
    start_reading(&d, &it, 0);
    while (it.r.done == 0) {
        RUN_UNTIL(&d.h, it.refused > 0 || it.r.done == 1);
        CHECK_INT(200, it.code);
        it.refused = 0;
        it.full = false;
        if (it.r.done == 0)
            ns_http_resume(it.call);
    }
    CHECK_STATUS(NS_OK, it.r.status);
    CHECK_INT(160000, it.taken);
    CHECK_INT(0, it.r.body_len);
    desk_close(&d);
}

static void time_stands_still_while_paused(void **state)
{
    (void)state;
    enum { TOTAL_MS = 700 };
    desk d;
    reader it = {0};
    desk_open(&d, (ns_http_client_options){0});
    start_reading(&d, &it, TOTAL_MS);
    it.full = true;
    RUN_UNTIL(&d.h, it.refused == 1);
    int64_t paused_ns = ns_monotonic_ns();
    RUN_UNTIL(&d.h, ns_monotonic_ns() - paused_ns > (int64_t)(TOTAL_MS + 50) * 1000000);
    CHECK_INT(0, it.r.done);
    it.full = false;
    ns_http_resume(it.call);
    RUN_UNTIL(&d.h, it.taken > 0); /* its time was not used up */
    it.full = false;
    ns_http_cancel(it.call);
    CHECK_STATUS(NS_CANCELLED, it.r.status);
    desk_close(&d);
}

static void calls_and_clients_may_end_inside_on_body(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        desk d;
        reader it = {.cancel = way == 0, .free = way == 1};
        result other = {0};
        desk_open(&d, (ns_http_client_options){0});
        (void)start(d.h.client, (ns_http_request){.path = "/keep"}, &other);
        start_reading(&d, &it, 0);
        if (way == 1)
            d.h.client = NULL;
        RUN_UNTIL(&d.h, it.r.done == 1 || it.refused == 1); /* way 2: the house is closed over a paused call */
        CHECK_INT(way != 2, it.r.done);
        CHECK_INT(way == 1, other.done);
        ns_http_client_free(d.h.client);
        d.h.client = NULL;
        CHECK_INT(1, it.r.done);
        CHECK_INT(1, other.done);
        CHECK_STATUS(NS_CANCELLED, it.r.status);
        desk_close(&d);
    }
}

static void many_calls_share_few_connections(void **state)
{
    (void)state;
    static result r[200];
    desk d;
    int done = 0;
    memset(r, 0, sizeof r);
    desk_open(&d, (ns_http_client_options){.max_connections = 4});
    for (size_t i = 0; i < NS_COUNT_OF(r); i++)
        (void)start(d.h.client, (ns_http_request){0}, &r[i]);
    RUN_UNTIL(&d.h, ns_http_client_active(d.h.client) == 0);
    for (size_t i = 0; i < NS_COUNT_OF(r); i++)
        done += r[i].done == 1 && r[i].status == NS_OK && r[i].code == 200;
    CHECK_INT(200, done);
    CHECK_INT(200, d.requests);
    CHECK(d.most_connections <= 4);
    desk_close(&d);
}

static void unix_sockets_work_too(void **state)
{
    (void)state;
    desk d;
    ns_error err;
    char path[128];
    desk_open(&d, (ns_http_client_options){0});
    ns_http_client_free(d.h.client);
    (void)snprintf(path, sizeof path, "%s/s", d.h.folder);
    CHECK_OK(ns_http_server_listen_unix(d.h.server, path, 0600, &err));
    house_client(&d.h, (ns_http_client_options){.base_url = "http://neuroshield", .unix_socket = path});
    result r = fetch(&d, (ns_http_request){.path = "/api"});
    CHECK_STATUS(NS_OK, r.status);
    CHECK_STRING("hello", r.body);
    ns_http_server_free(d.h.server);
    d.h.server = NULL;
    CHECK_STATUS(NS_UNREACHABLE, fetch(&d, (ns_http_request){0}).status);
    desk_close(&d);
}

static void cookies_are_kept_when_wanted(void **state)
{
    (void)state;
    desk d;
    for (int wanted = 0; wanted < 2; wanted++) {
        desk_open(&d, (ns_http_client_options){.cookies = wanted == 1});
        CHECK_STATUS(NS_OK, fetch(&d, (ns_http_request){.path = "/cookie"}).status);
        CHECK_STATUS(NS_OK, fetch(&d, (ns_http_request){.method = "POST"}).status);
        CHECK_STRING(wanted == 1 ? "JSESSIONID=abc" : "", d.cookie);
        desk_close(&d);
    }
}

/* A server that says what it is told, whatever is asked, and closes. */
typedef struct parrot {
    struct evconnlistener *listener;
    ns_text says;
    int open;
} parrot;

static void parrot_written(struct bufferevent *bev, void *owner)
{
    parrot *p = owner;
    p->open--;
    bufferevent_free(bev);
}

static void parrot_event(struct bufferevent *bev, short what, void *owner)
{
    (void)what;
    parrot_written(bev, owner);
}

static void parrot_read(struct bufferevent *bev, void *owner)
{
    parrot *p = owner;
    struct evbuffer *input = bufferevent_get_input(bev);
    if (evbuffer_search(input, "\r\n\r\n", 4, NULL).pos < 0)
        return;
    (void)evbuffer_drain(input, evbuffer_get_length(input));
    bufferevent_setcb(bev, NULL, parrot_written, parrot_event, p);
    CHECK(bufferevent_write(bev, p->says.at, p->says.len) == 0);
}

static void parrot_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from, int len,
                          void *owner)
{
    (void)from;
    (void)len;
    struct bufferevent *bev = bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    ((parrot *)owner)->open++;
    bufferevent_setcb(bev, parrot_read, NULL, parrot_event, owner);
    (void)bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void strange_answers_are_refused(void **state)
{
    (void)state;
    static const struct {
        ns_text says;
        ns_status status;
        int code;
    } cases[] = {
        {BYTES("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), NS_OK, 200},
        {BYTES("HTTP/1.0 200\r\n\r\nuntil it closes"), NS_OK, 200},
        {BYTES("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n"), NS_OK, 201},
        {BYTES("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok"), NS_PROTOCOL, 200},
        {BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"), NS_PROTOCOL, 200},
        {BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), NS_PROTOCOL, 200},
        {BYTES("HTTP/1.1 200 OK\r\nContent-Len"), NS_PROTOCOL, 0},
        {BYTES("HTTP/1.1 OK\r\n\r\n"), NS_PROTOCOL, 0},
        {BYTES("<html>no head at all</html>"), NS_PROTOCOL, 0},
        {BYTES("SSH-2.0-OpenSSH_9\r\n"), NS_PROTOCOL, 0},
        {BYTES("\x15\x03\x01\0\x02\x02\x50"), NS_PROTOCOL, 0},
    };
    desk d;
    parrot p = {0};
    char url[64];
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t length = sizeof name;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    desk_open(&d, (ns_http_client_options){0});
    p.listener = evconnlistener_new_bind(d.h.loop, parrot_accept, &p, LEV_OPT_CLOSE_ON_FREE, 4,
                                         (struct sockaddr *)&name, sizeof name);
    CHECK(p.listener != NULL);
    CHECK(getsockname(evconnlistener_get_fd(p.listener), (struct sockaddr *)&name, &length) == 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", ntohs(name.sin_port));
    ns_http_client_free(d.h.client);
    house_client(&d.h, (ns_http_client_options){.base_url = url});
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        p.says = cases[i].says;
        result r = fetch(&d, (ns_http_request){0});
        if (r.status != cases[i].status || r.code != cases[i].code)
            fail_msg("case %zu: %s %d: %s", i, ns_status_name(r.status), r.code, r.error.text);
    }
    ns_buf huge;
    ns_buf_init(&huge, 1 << 20);
    CHECK_OK(ns_buf_string(&huge, "HTTP/1.1 200 OK\r\n"));
    while (huge.len < 100000)
        CHECK_OK(ns_buf_string(&huge, "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"));
    CHECK_OK(ns_buf_string(&huge, "\r\n"));
    p.says = ns_buf_view(&huge);
    result r = fetch(&d, (ns_http_request){0});
    CHECK_STATUS(NS_PROTOCOL, r.status);
    CHECK(strstr(r.error.text, "head is larger") != NULL);
    RUN_UNTIL(&d.h, p.open == 0);
    ns_buf_clear(&huge);
    evconnlistener_free(p.listener);
    desk_close(&d);
}

static void a_dropped_connection_is_told(void **state)
{
    (void)state;
    desk d;
    desk_open(&d, (ns_http_client_options){0});
    result r = fetch(&d, (ns_http_request){.method = "POST", .path = "/drop"});
    CHECK_STATUS(NS_PROTOCOL, r.status);
    CHECK_INT(1, d.requests); /* not sent a second time */
    CHECK_STATUS(NS_OK, fetch(&d, (ns_http_request){0}).status);
    CHECK_STATUS(NS_PROTOCOL, fetch(&d, (ns_http_request){.method = "POST", .path = "/drop"}).status);
    CHECK_INT(3, d.requests);
    desk_close(&d);
}

static void memory_may_fail_anywhere(void **state)
{
    (void)state;
    bool good = false;
    for (long n = 0; n < 64 && !good; n++) {
        desk d;
        result r = {0};
        ns_http_call *call;
        ns_error err;
        ns_http_request request = {.method = "POST", .path = "/x", .body = BYTES("a=b"), .done = on_done, .owner = &r};
        ns_http_client_options options = {.name = "ci", .username = "bob", .password = "x"};
        desk_open(&d, (ns_http_client_options){0});
        ns_http_client_free(d.h.client);
        d.h.client = NULL;
        options.base_url = d.h.url;
        ns_mem_fail_after(n);
        ns_status status = ns_http_client_new(d.h.loop, &options, &d.h.client, &err);
        if (status == NS_OK)
            status = ns_http_start(d.h.client, &request, &call, &err);
        if (status == NS_OK)
            RUN_UNTIL(&d.h, r.done == 1);
        ns_mem_fail_after(-1);
        good = status == NS_OK && r.status == NS_OK && r.code == 200;
        CHECK(status == NS_OK || status == NS_NO_MEMORY);
        desk_close(&d);
    }
    CHECK(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_arrives_whole),
        cmocka_unit_test(methods_and_bodies_are_sent),
        cmocka_unit_test(connections_are_kept_for_reading_only),
        cmocka_unit_test(credentials_are_sent_at_once),
        cmocka_unit_test(base_urls_may_have_a_path_but_no_password),
        cmocka_unit_test(bodies_have_ceilings),
        cmocka_unit_test(silence_is_a_time_out),
        cmocka_unit_test(redirects_stay_at_home),
        cmocka_unit_test(calls_may_be_given_up),
        cmocka_unit_test(a_client_may_go_inside_its_own_callback),
        cmocka_unit_test(forbidden_bytes_are_not_sent),
        cmocka_unit_test(bodies_pause_and_go_on),
        cmocka_unit_test(time_stands_still_while_paused),
        cmocka_unit_test(calls_and_clients_may_end_inside_on_body),
        cmocka_unit_test(many_calls_share_few_connections),
        cmocka_unit_test(unix_sockets_work_too),
        cmocka_unit_test(cookies_are_kept_when_wanted),
        cmocka_unit_test(strange_answers_are_refused),
        cmocka_unit_test(a_dropped_connection_is_told),
        cmocka_unit_test(memory_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
