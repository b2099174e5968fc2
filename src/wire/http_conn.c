/* A connection's life: reading requests under absolute deadlines, handing them over, closing. */
#include "wire/http_conn.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { LINGER_MS = 2000, SLOWEST_BYTES_PER_MS = 16 };

static struct timeval in_ms(long ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

static struct evbuffer *input_of(const conn *c)
{
    return bufferevent_get_input(c->bev);
}

static struct evbuffer *output_of(const conn *c)
{
    return bufferevent_get_output(c->bev);
}

static void enter_state(conn *c, conn_state state, long deadline_ms)
{
    struct timeval wait = in_ms(deadline_ms);
    c->state = state;
    if (deadline_ms > 0)
        (void)evtimer_add(c->deadline, &wait); /* replaces the deadline before */
    else
        (void)evtimer_del(c->deadline);
}

static void conn_free(conn *c)
{
    ns_http_server *server = c->server;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        server->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    server->counts.connections--;
    if (c->deadline != NULL)
        event_free(c->deadline);
    if (c->bev != NULL)
        bufferevent_free(c->bev);
    ns_free(c);
}

void conn_lose(conn *c)
{
    if (c->dead)
        return;
    c->dead = true;
    c->busy++;
    ns_exchange *exchange = c->exchange;
    c->exchange = NULL;
    if (exchange != NULL && c->state == ANSWERING)
        exchange_lose(exchange);
    else if (exchange != NULL)
        exchange_free(exchange);
    if (--c->busy == 0)
        conn_free(c);
}

static void refuse(conn *c, int code)
{
    if (c->exchange != NULL)
        exchange_free(c->exchange);
    c->exchange = NULL;
    c->close_after = true;
    answer_refusal(c, code);
}

void conn_flush(conn *c)
{
    size_t waiting = evbuffer_get_length(output_of(c));
    enter_state(c, FLUSHING, c->server->options.body_deadline_ms + (long)(waiting / SLOWEST_BYTES_PER_MS));
    if (waiting == 0) /* nothing will be written, so nobody else tells that all is written */
        bufferevent_trigger(c->bev, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
}

/* Empty lines before a request are skipped (RFC 9112, 2.2). */
static void skip_empty_lines(struct evbuffer *input)
{
    char two[2];
    while (evbuffer_copyout(input, two, 2) == 2 && memcmp(two, "\r\n", 2) == 0)
        (void)evbuffer_drain(input, 2);
}

/* Length of the head with its empty line; 0: not whole yet; -1: a line ends with a bare LF. */
static ptrdiff_t head_length(conn *c)
{
    struct evbuffer *input = input_of(c);
    struct evbuffer_ptr from, end;
    size_t start = c->scanned > 3 ? c->scanned - 3 : 0;
    if (c->scanned == 0) {
        char before;
        struct evbuffer_ptr line = evbuffer_search(input, "\n", 1, NULL);
        if (line.pos == 0)
            return -1;
        if (line.pos > 0 && evbuffer_ptr_set(input, &from, (size_t)line.pos - 1, EVBUFFER_PTR_SET) == 0 &&
            evbuffer_copyout_from(input, &from, &before, 1) == 1 && before != '\r')
            return -1;
    }
    if (evbuffer_ptr_set(input, &from, start, EVBUFFER_PTR_SET) != 0)
        return 0;
    end = evbuffer_search(input, "\r\n\r\n", 4, &from);
    if (end.pos >= 0)
        return end.pos + 4;
    /* Until the first line is whole it is looked at again. */
    if (c->scanned > 0 || evbuffer_search(input, "\n", 1, NULL).pos >= 0)
        c->scanned = evbuffer_get_length(input);
    return 0;
}

static void ask_for_body(conn *c)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const ns_request_head *head = &c->exchange->head;
    bool has_body = head->chunked || head->content_length > 0;
    if (head->expects_continue && has_body && evbuffer_get_length(input_of(c)) == 0)
        (void)bufferevent_write(c->bev, go_on, sizeof go_on - 1);
}

/* The whole head lies in the input: takes it out and reads it. 0, or the code to refuse it with. */
static int take_head(conn *c, size_t length)
{
    ns_exchange *exchange = c->exchange = exchange_new(c);
    if (exchange == NULL)
        return 503;
    const unsigned char *bytes = evbuffer_pullup(input_of(c), (ev_ssize_t)length);
    if (bytes == NULL || ns_buf_put(&exchange->head_bytes, (const char *)bytes, length) != NS_OK)
        return 503;
    (void)evbuffer_drain(input_of(c), length);
    int code = ns_head_read(ns_buf_view(&exchange->head_bytes), &exchange->head);
    if (code == 0 && exchange->head.content_length > (int64_t)c->server->options.max_body_bytes)
        code = 413;
    return code;
}

/* The steps below return true when another step may follow at once. */

static bool read_head(conn *c)
{
    size_t ceiling = c->server->options.max_head_bytes;
    if (c->scanned == 0)
        skip_empty_lines(input_of(c));
    ptrdiff_t length = head_length(c);
    if (length < 0) {
        refuse(c, 400);
        return false;
    }
    if (length == 0 || (size_t)length > ceiling) {
        if (length > 0 || evbuffer_get_length(input_of(c)) >= ceiling)
            refuse(c, 431);
        return false;
    }
    c->scanned = 0;
    int code = take_head(c, (size_t)length);
    if (code != 0) {
        refuse(c, code);
        return false;
    }
    ask_for_body(c);
    enter_state(c, BODY, c->server->options.body_deadline_ms);
    return true;
}

static int read_chunked(conn *c, bool *whole)
{
    ns_exchange *exchange = c->exchange;
    int code = 0;
    for (size_t n; code == 0 && (n = evbuffer_get_contiguous_space(input_of(c))) > 0;) {
        ns_text piece = {(const char *)evbuffer_pullup(input_of(c), (ev_ssize_t)n), n};
        code = ns_chunks_read(&exchange->chunks, &piece, &exchange->body);
        (void)evbuffer_drain(input_of(c), n - piece.len);
        if (exchange->chunks.state == NS_CHUNK_DONE)
            break;
    }
    *whole = exchange->chunks.state == NS_CHUNK_DONE;
    return code;
}

static int read_counted(conn *c, bool *whole)
{
    ns_exchange *exchange = c->exchange;
    size_t wanted = exchange->head.content_length > 0 ? (size_t)exchange->head.content_length : 0;
    while (exchange->body.len < wanted) {
        size_t n = evbuffer_get_contiguous_space(input_of(c));
        if (n > wanted - exchange->body.len)
            n = wanted - exchange->body.len;
        if (n == 0)
            break;
        const char *bytes = (const char *)evbuffer_pullup(input_of(c), (ev_ssize_t)n);
        if (ns_buf_put(&exchange->body, bytes, n) != NS_OK)
            return 503;
        (void)evbuffer_drain(input_of(c), n);
    }
    *whole = exchange->body.len == wanted;
    return 0;
}

static bool read_body(conn *c)
{
    bool whole = false;
    int code = c->exchange->head.chunked ? read_chunked(c, &whole) : read_counted(c, &whole);
    if (code != 0) {
        refuse(c, code);
        return false;
    }
    if (!whole)
        return false;
    ns_http_server *server = c->server;
    enter_state(c, ANSWERING, 0);
    c->close_after = !c->exchange->head.keep_alive;
    c->served = true;
    server->counts.requests++;
    server->in_handler++;
    server->options.handler(server->options.owner, c->exchange);
    server->in_handler--;
    return false; /* the next request waits until this answer is out */
}

static bool step(conn *c)
{
    switch (c->state) {
    case IDLE:
        if (evbuffer_get_length(input_of(c)) == 0)
            return false;
        enter_state(c, HEAD, c->server->options.head_deadline_ms);
        return true;
    case HEAD:
        return read_head(c);
    case BODY:
        return read_body(c);
    case ANSWERING:
        return false;
    case FLUSHING:
        if (c->close_after)
            (void)evbuffer_drain(input_of(c), evbuffer_get_length(input_of(c)));
        return false;
    case LINGERING:
        (void)evbuffer_drain(input_of(c), evbuffer_get_length(input_of(c)));
        return false;
    }
    return false;
}

static void advance(conn *c)
{
    c->busy++;
    while (!c->dead && step(c))
        ;
    if (--c->busy == 0 && c->dead)
        conn_free(c);
}

static void on_read(struct bufferevent *bev, void *owner)
{
    (void)bev;
    advance(owner);
}

/* Closing with unread bytes would send a reset that may overtake our answer: first say that nothing more comes, then
 * read on for a moment. */
static void linger(conn *c)
{
    enter_state(c, LINGERING, LINGER_MS);
    if (c->eof || shutdown(bufferevent_getfd(c->bev), SHUT_WR) != 0)
        conn_lose(c);
    else
        advance(c);
}

static void on_written(struct bufferevent *bev, void *owner)
{
    conn *c = owner;
    if (c->dead || c->state != FLUSHING || evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return;
    if (c->close_after || c->eof) {
        linger(c);
        return;
    }
    enter_state(c, IDLE, c->server->options.idle_ms);
    advance(c);
}

static void on_event(struct bufferevent *bev, short what, void *owner)
{
    conn *c = owner;
    (void)bev;
    if (c->dead)
        return;
    if ((what & BEV_EVENT_TIMEOUT) != 0)
        c->server->counts.timed_out++;
    if ((what & BEV_EVENT_EOF) == 0) {
        conn_lose(c);
        return;
    }
    /* A client may close its half and still wait for the answer; one that watches a stream has left. */
    c->eof = true;
    bool waits = (c->state == ANSWERING && !c->exchange->begun) || c->state == FLUSHING;
    if (!waits)
        conn_lose(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *owner)
{
    conn *c = owner;
    (void)fd;
    (void)what;
    bool reading = c->state == BODY || (c->state == HEAD && evbuffer_get_length(input_of(c)) > 0);
    if (c->state == HEAD || c->state == BODY || c->state == FLUSHING)
        c->server->counts.timed_out++;
    if (reading)
        refuse(c, 408);
    else
        conn_lose(c);
}

void conn_accept(ns_http_server *server, evutil_socket_t fd, const char *peer)
{
    conn *c = NS_NEW(conn);
    if (c == NULL) {
        (void)evutil_closesocket(fd);
        return;
    }
    c->server = server;
    c->next = server->first;
    if (server->first != NULL)
        server->first->prev = c;
    server->first = c;
    server->counts.connections++;
    (void)ns_text_copy(c->peer, sizeof c->peer, ns_text_of(peer));
    c->deadline = evtimer_new(server->loop, on_deadline, c);
    c->bev = c->deadline == NULL ? NULL : bufferevent_socket_new(server->loop, fd, BEV_OPT_CLOSE_ON_FREE);
    if (c->bev == NULL) {
        (void)evutil_closesocket(fd);
        conn_free(c);
        return;
    }
    struct timeval write_wait = in_ms(server->options.body_deadline_ms);
    bufferevent_setcb(c->bev, on_read, on_written, on_event, c);
    bufferevent_setwatermark(c->bev, EV_READ, 0, server->options.max_head_bytes + 4096);
    (void)bufferevent_set_timeouts(c->bev, NULL, &write_wait);
    enter_state(c, HEAD, server->options.head_deadline_ms);
    if (bufferevent_enable(c->bev, EV_READ | EV_WRITE) != 0)
        conn_lose(c);
}
