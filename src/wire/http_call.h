/* The inside of the HTTP client, shared by http_client.c (loop, queue, life) and http_call.c (one request). */
#ifndef NS_WIRE_HTTP_CALL_H
#define NS_WIRE_HTTP_CALL_H

#include "wire/http_client.h"
#include "wire/url.h"

#include <curl/curl.h>
#include <event2/event.h>

struct ns_http_client {
    struct event_base *loop;
    CURLM *multi;
    CURLSH *share;       /* the cookie jar; NULL without cookies */
    struct event *timer; /* libcurl's */
    struct event *pump;  /* starts what is queued, resumes what was paused: never from inside a caller */
    ns_url base;
    char base_text[1400];
    char name[32];
    char url_key[64], trust_key[64]; /* the settings that a message points to */
    char *username, *password, *bearer_token;
    char *ca_file, *client_cert_file, *client_key_file, *unix_socket;
    char *tls_server_name, *proxy;
    char *ca_pem, *client_cert_pem, *client_key_pem; /* with their lengths; NULL none */
    size_t ca_pem_len, client_cert_pem_len, client_key_pem_len;
    bool insecure;
    long connect_timeout_ms, total_timeout_ms;
    size_t max_connections;
    ns_http_call *first, *last; /* queued and running, oldest first */
    size_t queued, running;
    ns_http_call *dead; /* over, but libcurl still stands inside one of its callbacks */
    int in_curl;        /* frames of libcurl on the stack */
    int busy;           /* frames of ours on the stack that still need the client */
    bool closing;
};

typedef enum call_state { CALL_QUEUED, CALL_RUNNING, CALL_OVER } call_state;

struct ns_http_call {
    ns_http_client *client;
    ns_http_call *prev, *next;
    call_state state;
    CURL *easy;
    struct curl_slist *headers;
    struct curl_slist *connect_to; /* NULL: the URL's host */
    struct event *timer;           /* the total time; stands still while paused */
    char *request_body;
    ns_buf head; /* the answer's status line and fields */
    ns_buf body;
    size_t received, ceiling;
    ns_http_body *on_body;
    ns_http_head_seen *on_head;
    ns_http_done *done;
    void *owner;
    int code;
    int redirects;
    bool follow_redirects, paused, resume;
    ns_status fault; /* why our own callback stopped the transfer */
    long total_ms, left_ms;
    int64_t started_ns, counting_from_ns;
    char curl_says[CURL_ERROR_SIZE];
};

/* Everything about the request that does not depend on the moment: the call is ready to run, or nothing is left. */
NS_MUST_USE ns_status call_new(ns_http_client *client, const ns_http_request *request, ns_http_call **out,
                               ns_error *err);
void call_free(ns_http_call *call);

/* What libcurl's result means. */
ns_status call_judge(const ns_http_call *call, CURLcode result, ns_error *err);

/* A redirect that was asked for: true when the call is set up for its next address. Otherwise *status tells whether the
 * answer stands (NS_OK) or the redirect leads away from our server. */
bool call_redirected(ns_http_call *call, ns_status *status, ns_error *err);

#endif
