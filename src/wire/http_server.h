/*
 * HTTP/1.1 server on libevent's bufferevents: absolute deadlines (head 10 s, body 30 s, however the bytes drip), caps
 * on connections in all, per address and on event streams, on head and body. Where the caps are reached, a newcomer
 * takes the place of the connection that has waited for its first request for longest: who drips bytes keeps nobody
 * out. evhttp has none of these: its time-out restarts with every byte, and a connection cannot be reached before its
 * first request is whole.
 *
 * Loop thread only. One server may listen on TCP and on a Unix socket. The handler is called once per request that
 * arrived whole; it answers at once or keeps the request and answers later from the loop.
 */
#ifndef NS_WIRE_HTTP_SERVER_H
#define NS_WIRE_HTTP_SERVER_H

#include "base/text.h"

struct event_base;

typedef struct ns_http_server ns_http_server;
typedef struct ns_exchange ns_exchange; /* one request and its answer */

typedef enum ns_http_method {
    NS_HTTP_GET,
    NS_HTTP_HEAD,
    NS_HTTP_POST,
    NS_HTTP_PUT,
    NS_HTTP_PATCH,
    NS_HTTP_DELETE,
    NS_HTTP_OPTIONS,
} ns_http_method;

typedef void ns_http_handler(void *owner, ns_exchange *exchange);

typedef struct ns_http_server_options {
    ns_http_handler *handler;
    void *owner;
    size_t max_connections;             /* 0 means 512 */
    size_t max_connections_per_address; /* 0 means 256; a Unix socket is one address */
    size_t max_streams;                 /* event streams at once; 0 means 64 */
    size_t max_head_bytes;              /* 0 means 16 KiB */
    size_t max_body_bytes;              /* 0 means 1 MiB */
    long head_deadline_ms; /* 0 means 10000: from accept, or a kept connection's next byte, to the whole head */
    long body_deadline_ms; /* 0 means 30000 */
    long idle_ms;          /* keep-alive; 0 means 60000 */
} ns_http_server_options;

NS_MUST_USE ns_status ns_http_server_new(struct event_base *loop, const ns_http_server_options *options,
                                         ns_http_server **out, ns_error *err);
/* Closes all connections and streams (stream `gone` callbacks are called). */
void ns_http_server_free(ns_http_server *server);

/* "127.0.0.1:8470", "[::1]:0", "localhost:8470". Port 0 takes a free one. bound gets "127.0.0.1:43121". */
NS_MUST_USE ns_status ns_http_server_listen(ns_http_server *server, const char *address, char *bound, size_t bound_size,
                                            ns_error *err);
/* A Unix socket of this mode (0600); a stale file from a dead daemon is replaced, a live one is NS_CONFLICT. */
NS_MUST_USE ns_status ns_http_server_listen_unix(ns_http_server *server, const char *path, unsigned mode,
                                                 ns_error *err);

/* The request. Views live until the answer is sent. */
ns_http_method ns_exchange_method(const ns_exchange *exchange);
const char *ns_exchange_method_name(const ns_exchange *exchange);
ns_text ns_exchange_path(const ns_exchange *exchange);  /* raw, still percent-encoded, without the query */
ns_text ns_exchange_query(const ns_exchange *exchange); /* raw, without '?' */
bool ns_exchange_header(const ns_exchange *exchange, const char *name, ns_text *value);
ns_text ns_exchange_body(const ns_exchange *exchange);
const char *ns_exchange_peer(const ns_exchange *exchange); /* "127.0.0.1", "unix" */

/* The answer. Headers first, then exactly one of the following; the exchange is gone after it. */
void ns_exchange_set_header(ns_exchange *exchange, const char *name, const char *value);
void ns_exchange_answer(ns_exchange *exchange, int code, const char *content_type, ns_text body);
/* Never answers: the connection is dropped without a byte, before or after work was done (the world's faults). */
void ns_exchange_drop(ns_exchange *exchange);

/* Chunked answers: begin, any number of chunks, end. Also for event streams and watches (counted as streams when
 * is_stream). gone is called once if the client leaves first; after it the exchange must not be used.
 * NS_BUSY (max_streams), NS_CANCELLED (the client has left), NS_NO_MEMORY: not begun, it is still to be answered. */
typedef void ns_exchange_gone(void *owner, ns_exchange *exchange);
NS_MUST_USE ns_status ns_exchange_begin(ns_exchange *exchange, int code, const char *content_type, bool is_stream,
                                        ns_exchange_gone *gone, void *owner);
/* NS_BUSY: the client does not read (more than 1 MiB waits), this chunk was not taken: a stream's owner should end it.
 * NS_CANCELLED: the client has left (only without gone). */
ns_status ns_exchange_chunk(ns_exchange *exchange, ns_text chunk);
void ns_exchange_end(ns_exchange *exchange);

typedef struct ns_http_server_counts {
    uint64_t accepted, refused, displaced, timed_out, requests;
    size_t connections, streams;
} ns_http_server_counts;
void ns_http_server_count(const ns_http_server *server, ns_http_server_counts *out);

#endif
