/* One request and its answer, as the handler sees them. */
#include "wire/http_conn.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

enum { FIELDS_MAX = 32 * 1024 };

ns_exchange *exchange_new(conn *c)
{
    ns_exchange *exchange = NS_NEW(ns_exchange);
    if (exchange == NULL)
        return NULL;
    exchange->conn = c;
    ns_buf_init(&exchange->head_bytes, c->server->options.max_head_bytes);
    ns_buf_init(&exchange->body, c->server->options.max_body_bytes);
    ns_buf_init(&exchange->fields, FIELDS_MAX);
    memcpy(exchange->peer, c->peer, sizeof exchange->peer);
    return exchange;
}

void exchange_free(ns_exchange *exchange)
{
    ns_buf_clear(&exchange->head_bytes);
    ns_buf_clear(&exchange->body);
    ns_buf_clear(&exchange->fields);
    ns_free(exchange);
}

void exchange_lose(ns_exchange *exchange)
{
    if (exchange->is_stream)
        exchange->conn->server->counts.streams--;
    exchange->is_stream = false;
    exchange->conn = NULL;
    if (!exchange->begun || exchange->gone == NULL)
        return;
    exchange->gone(exchange->owner, exchange);
    exchange_free(exchange);
}

/* The request */

ns_http_method ns_exchange_method(const ns_exchange *exchange)
{
    return exchange->head.method;
}

const char *ns_exchange_method_name(const ns_exchange *exchange)
{
    return ns_method_name(exchange->head.method);
}

ns_text ns_exchange_path(const ns_exchange *exchange)
{
    return exchange->head.path;
}

ns_text ns_exchange_query(const ns_exchange *exchange)
{
    return exchange->head.query;
}

bool ns_exchange_header(const ns_exchange *exchange, const char *name, ns_text *value)
{
    return ns_head_field_of(&exchange->head, name, value);
}

ns_text ns_exchange_body(const ns_exchange *exchange)
{
    return ns_buf_view(&exchange->body);
}

const char *ns_exchange_peer(const ns_exchange *exchange)
{
    return exchange->peer;
}

/* The answer's head */

static bool line_has_name(ns_text line, const char *name)
{
    size_t n = strlen(name);
    return line.len > n && line.at[n] == ':' && strncasecmp(line.at, name, n) == 0;
}

static bool has_field(const ns_exchange *exchange, const char *name)
{
    ns_text rest = ns_buf_view(&exchange->fields), line;
    while (ns_text_line(&rest, &line))
        if (line_has_name(line, name))
            return true;
    return false;
}

static void remove_field(ns_exchange *exchange, const char *name)
{
    ns_buf *fields = &exchange->fields;
    ns_text rest = ns_buf_view(fields), line;
    while (ns_text_line(&rest, &line)) {
        if (!line_has_name(line, name))
            continue;
        memmove(fields->at + (line.at - fields->at), rest.at, rest.len);
        fields->len -= line.len + 2;
        return;
    }
}

void ns_exchange_set_header(ns_exchange *exchange, const char *name, const char *value)
{
    NS_CHECK(ns_is_token(ns_text_of(name)));
    remove_field(exchange, name);
    ns_buf *fields = &exchange->fields;
    (void)ns_buf_printf(fields, "%s: ", name);
    for (const char *c = value; *c != '\0'; c++) /* a line end would start a header of its own */
        (void)ns_buf_char(fields, (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c);
    (void)ns_buf_string(fields, "\r\n");
}

static const char *reason_of(int code)
{
    static const struct {
        int code;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(reasons); i++)
        if (reasons[i].code == code)
            return reasons[i].reason;
    return "Status";
}

static void put_date(ns_buf *head)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)(ns_real_now_ms() / 1000);
    struct tm t;
    if (gmtime_r(&now, &t) != NULL)
        (void)ns_buf_printf(head, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[t.tm_wday], t.tm_mday,
                            months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static bool bodiless(int code)
{
    return code == 204 || code == 304;
}

static bool put_to(conn *c, const char *at, size_t len)
{
    return evbuffer_add(bufferevent_get_output(c->bev), at, len) == 0;
}

/* framing is the line that says how long the body is, "" for none. False: no memory. */
static bool put_head(ns_exchange *exchange, int code, const char *content_type, const char *framing)
{
    conn *c = exchange->conn;
    ns_buf head;
    NS_CHECK(code >= 200 && code <= 999);
    ns_buf_init(&head, FIELDS_MAX + 4096);
    (void)ns_buf_printf(&head, "HTTP/1.1 %d %s\r\n", code, reason_of(code));
    put_date(&head);
    if (content_type != NULL && !bodiless(code) && !has_field(exchange, "Content-Type"))
        (void)ns_buf_printf(&head, "Content-Type: %s\r\n", content_type);
    (void)ns_buf_string(&head, framing);
    (void)ns_buf_text(&head, ns_buf_view(&exchange->fields));
    if (!has_field(exchange, "Cache-Control"))
        (void)ns_buf_string(&head, "Cache-Control: no-store\r\n");
    if (!has_field(exchange, "X-Content-Type-Options"))
        (void)ns_buf_string(&head, "X-Content-Type-Options: nosniff\r\n");
    if (c->close_after || c->eof)
        (void)ns_buf_string(&head, "Connection: close\r\n");
    (void)ns_buf_string(&head, "\r\n");
    bool good = !head.failed && !exchange->fields.failed && put_to(c, head.at, head.len);
    ns_buf_clear(&head);
    return good;
}

/* Gives the exchange back and lets the connection go on; good is false when the answer could not be put together. */
static void finish(ns_exchange *exchange, bool good)
{
    conn *c = exchange->conn;
    if (exchange->is_stream)
        c->server->counts.streams--;
    c->exchange = NULL;
    exchange_free(exchange);
    if (good)
        conn_flush(c);
    else
        conn_lose(c);
}

void ns_exchange_answer(ns_exchange *exchange, int code, const char *content_type, ns_text body)
{
    NS_CHECK(!exchange->begun);
    if (exchange->conn == NULL) {
        exchange_free(exchange);
        return;
    }
    char framing[64] = "";
    if (!bodiless(code))
        (void)snprintf(framing, sizeof framing, "Content-Length: %zu\r\n", body.len);
    bool good = put_head(exchange, code, content_type, framing);
    if (good && body.len > 0 && !bodiless(code) && exchange->head.method != NS_HTTP_HEAD)
        good = put_to(exchange->conn, body.at, body.len);
    finish(exchange, good);
}

void answer_refusal(conn *c, int code)
{
    char answer[512];
    const char *reason = reason_of(code);
    int n = snprintf(answer, sizeof answer,
                     "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
                     "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n%s\n",
                     code, reason, strlen(reason) + 1, reason);
    NS_CHECK(n > 0 && (size_t)n < sizeof answer);
    if (put_to(c, answer, (size_t)n))
        conn_flush(c);
    else
        conn_lose(c);
}

void ns_exchange_drop(ns_exchange *exchange)
{
    if (exchange->conn == NULL)
        exchange_free(exchange);
    else
        finish(exchange, false);
}

/* Answers in pieces */

ns_status ns_exchange_begin(ns_exchange *exchange, int code, const char *content_type, bool is_stream,
                            ns_exchange_gone *gone, void *owner)
{
    NS_CHECK(!exchange->begun);
    conn *c = exchange->conn;
    if (c == NULL || (is_stream && c->eof))
        return NS_CANCELLED;
    if (is_stream && c->server->counts.streams >= c->server->options.max_streams)
        return NS_BUSY;
    exchange->chunked = exchange->head.minor == 1 && !bodiless(code);
    if (!exchange->chunked && !bodiless(code))
        c->close_after = true; /* HTTP/1.0: the body ends where the connection ends */
    if (!put_head(exchange, code, content_type, exchange->chunked ? "Transfer-Encoding: chunked\r\n" : ""))
        return NS_NO_MEMORY;
    exchange->begun = true;
    exchange->is_stream = is_stream;
    exchange->gone = gone;
    exchange->owner = owner;
    if (is_stream)
        c->server->counts.streams++;
    return NS_OK;
}

ns_status ns_exchange_chunk(ns_exchange *exchange, ns_text chunk)
{
    NS_CHECK(exchange->begun);
    conn *c = exchange->conn;
    if (c == NULL)
        return NS_CANCELLED;
    if (chunk.len == 0 || exchange->head.method == NS_HTTP_HEAD) /* a chunk of length 0 would be the end */
        return NS_OK;
    struct evbuffer *output = bufferevent_get_output(c->bev);
    if (evbuffer_get_length(output) > OUTPUT_WAITING_MAX)
        return NS_BUSY;
    bool good = true;
    if (exchange->chunked)
        good = evbuffer_add_printf(output, "%zx\r\n", chunk.len) > 0;
    good = good && put_to(c, chunk.at, chunk.len) && (!exchange->chunked || put_to(c, "\r\n", 2));
    if (good)
        return NS_OK;
    /* What is out cannot be taken back: the loop will find the connection closed and tell the owner. */
    (void)shutdown(bufferevent_getfd(c->bev), SHUT_RDWR);
    return NS_NO_MEMORY;
}

void ns_exchange_end(ns_exchange *exchange)
{
    NS_CHECK(exchange->begun);
    if (exchange->conn == NULL) {
        exchange_free(exchange);
        return;
    }
    bool last = exchange->chunked && exchange->head.method != NS_HTTP_HEAD;
    finish(exchange, !last || put_to(exchange->conn, "0\r\n\r\n", 5));
}
