/*
 * The inside of the HTTP server, shared by http_server.c (listeners, caps), http_conn.c (a connection's life) and
 * http_exchange.c (answers).
 *
 *     IDLE -> HEAD -> BODY -> ANSWERING -> FLUSHING -> IDLE ...
 *                                             `-----> LINGERING -> closed
 *
 * Every state but ANSWERING has an absolute deadline. While ANSWERING the exchange belongs to the handler; it may
 * outlive the connection, then exchange->conn is NULL.
 */
#ifndef NS_WIRE_HTTP_CONN_H
#define NS_WIRE_HTTP_CONN_H

#include "wire/http_head.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#define NS_LISTENERS_MAX 4

enum { OUTPUT_WAITING_MAX = 1 << 20 };

typedef struct conn conn;

typedef struct listening {
    ns_http_server *server;
    struct evconnlistener *listener;
    struct event *again; /* takes up accepting after the descriptors ran out */
    char *unix_path;     /* removed at the end; NULL for TCP */
} listening;

struct ns_http_server {
    struct event_base *loop;
    ns_http_server_options options; /* without zeroes */
    ns_http_server_counts counts;
    listening listener[NS_LISTENERS_MAX];
    size_t listener_count;
    conn *first;
    int in_handler;
};

typedef enum conn_state { IDLE, HEAD, BODY, ANSWERING, FLUSHING, LINGERING } conn_state;

struct conn {
    ns_http_server *server;
    conn *prev, *next;
    struct bufferevent *bev;
    struct event *deadline;
    ns_exchange *exchange; /* the one being read (ours) or answered (the handler's); NULL between two */
    conn_state state;
    size_t scanned; /* of the head: known to hold no end */
    int busy;       /* frames on the stack that still need this connection */
    bool served;    /* a request came through it whole */
    bool close_after, eof, dead;
    char peer[64];
};

struct ns_exchange {
    conn *conn; /* NULL: the client has left */
    ns_buf head_bytes;
    ns_request_head head; /* views into head_bytes */
    ns_buf body;
    ns_chunks chunks;
    ns_buf fields; /* of the answer, "name: value" CR LF each */
    bool begun, is_stream, chunked;
    ns_exchange_gone *gone;
    void *owner;
    char peer[64];
};

/* Takes the socket; closes it when there is no memory. */
void conn_accept(ns_http_server *server, evutil_socket_t fd, const char *peer);
/* Drops the connection now. An exchange in the handler's hands is cut loose (and `gone` called). */
void conn_lose(conn *c);
/* The answer's last byte is in the output buffer. */
void conn_flush(conn *c);

ns_exchange *exchange_new(conn *c);
void exchange_free(ns_exchange *exchange);
/* The client left before the answer was whole: the exchange goes, or waits for its owner to notice. */
void exchange_lose(ns_exchange *exchange);
/* Writes a whole short answer for a request that never reached the handler. */
void answer_refusal(conn *c, int code);

#endif
