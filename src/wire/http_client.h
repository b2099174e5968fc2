/*
 * HTTP client: libcurl's multi interface driven by the libevent loop. http and https only, HTTP/1.1, TLS verified,
 * keep-alive, no redirects unless asked (and then never with credentials to another host), `Accept-Encoding: identity`.
 *
 * TLS is 1.2 or newer. One client per source, loop thread only. Credentials are set once per client and go out only to
 * its base URL's scheme, host and port. Nothing waits: `done` is called exactly once per request, later, on the loop
 * thread.
 */
#ifndef NS_WIRE_HTTP_CLIENT_H
#define NS_WIRE_HTTP_CLIENT_H

#include "base/text.h"

struct event_base;

typedef struct ns_http_client ns_http_client;
typedef struct ns_http_call ns_http_call; /* one request under way */

typedef struct ns_http_client_options {
    const char *name;             /* "jenkins": for messages and User-Agent-free logs */
    const char *configured_by;    /* the setting that says where it is, for messages; NULL: name.url and name.ca_file */
    const char *base_url;         /* scheme://host[:port][/prefix], without credentials */
    const char *username;         /* HTTP Basic, sent pre-emptively; NULL none */
    const char *password;         /* password or API token; NULL none */
    const char *bearer_token;     /* NULL none */
    const char *ca_file;          /* NULL: the system's */
    const char *client_cert_file; /* NULL none */
    const char *client_key_file;
    ns_text ca_pem, client_cert_pem, client_key_pem; /* the same from memory (PEM, copied); each wins over its file */
    const char *proxy;           /* NULL: as the environment says (https_proxy, no_proxy); never for this machine */
    const char *tls_server_name; /* the name that the certificate must hold; NULL: the host of base_url */
    const char *unix_socket;     /* NULL: TCP; else connect to this socket whatever the host in base_url says */
    bool insecure;               /* accept any certificate; the caller warns */
    long max_connections;        /* at once; 0 means 2 */
    long connect_timeout_ms;     /* 0 means 5000 */
    long total_timeout_ms;       /* 0 means 30000; a call may choose its own */
    bool cookies;                /* keep session cookies (Jenkins crumbs are bound to one) */
} ns_http_client_options;

typedef struct ns_http_header {
    const char *name;
    const char *value;
} ns_http_header;

typedef struct ns_http_answer {
    ns_status status; /* NS_OK: an HTTP answer arrived whole, whatever its code. Else UNREACHABLE, TIMEOUT,
                         TOO_LARGE (body above the ceiling: code and headers are valid), PROTOCOL, CANCELLED */
    int code;         /* HTTP status; 0 when none arrived */
    ns_text body;     /* empty when on_body took it; lives until done returns */
    ns_error error;   /* for a person; no secret, no credentials */
    double elapsed_ms;
    const ns_http_call *call; /* for ns_http_header_of */
} ns_http_answer;

typedef void ns_http_done(void *owner, const ns_http_answer *answer);

/* Takes a piece of the body as it arrives. False: no room now; the transfer pauses (its time-outs too) until
 * ns_http_resume. The same piece is then offered again. */
typedef bool ns_http_body(void *owner, const ns_http_call *call, ns_text piece);

/* The answer's head has arrived; may not cancel the call. */
typedef void ns_http_head_seen(void *owner, const ns_http_call *call);

typedef struct ns_http_request {
    const char *method;            /* NULL means GET */
    const char *path;              /* appended to the base URL, starts with '/', already encoded */
    const ns_http_header *headers; /* further ones; copied */
    size_t header_count;
    const char *content_type;   /* of the body; NULL when there is none */
    ns_text body;               /* copied */
    size_t body_ceiling;        /* of the answer, bytes; 0 means 16 MiB */
    long total_timeout_ms;      /* 0: the client's */
    bool follow_redirects;      /* GET only, same scheme, host and port only, at most 5 */
    bool may_be_silent;         /* a stream that may say nothing for long: only the total time-out ends it */
    ns_http_body *on_body;      /* NULL: the whole body is collected for `done` */
    ns_http_head_seen *on_head; /* NULL allowed */
    ns_http_done *done;
    void *owner;
} ns_http_request;

NS_MUST_USE ns_status ns_http_client_new(struct event_base *loop, const ns_http_client_options *options,
                                         ns_http_client **out, ns_error *err);
/* Cancels what is under way: each `done` is called with CANCELLED. */
void ns_http_client_free(ns_http_client *client);

/* Starts a request (queued above max_connections). *call may be NULL; it is valid until `done` returns. */
NS_MUST_USE ns_status ns_http_start(ns_http_client *client, const ns_http_request *request, ns_http_call **call,
                                    ns_error *err);
void ns_http_resume(ns_http_call *call);
/* `done` is called with CANCELLED before this returns. */
void ns_http_cancel(ns_http_call *call);

/* An answer's header, case-insensitive, the nth (0..) of several; false when absent. Valid inside on_head, on_body and
 * done. */
bool ns_http_header_at(const ns_http_call *call, const char *name, size_t nth, ns_text *value);
bool ns_http_header_of(const ns_http_call *call, const char *name, ns_text *value);
int ns_http_code_of(const ns_http_call *call); /* 0 before the head has arrived */

/* The bearer token of requests started from now on; NULL none. NS_NO_MEMORY: the old one stays. */
NS_MUST_USE ns_status ns_http_client_set_bearer(ns_http_client *client, const char *token, ns_error *err);

size_t ns_http_client_active(const ns_http_client *client);
const char *ns_http_client_base_url(const ns_http_client *client);

#endif
