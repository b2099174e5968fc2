/*
 * Jenkins over HTTP: addresses, credentials, crumbs, and what each answer means.
 *
 * One client per Jenkins; the source and the hands may share it. Loop thread only. At most two requests are under way
 * at once (further ones wait in line). While Jenkins starts or is away requests are refused for 5 to 60 s, growing,
 * with jitter, and then one request goes ahead of the others; after a 401 for a minute, so that no account is locked.
 *
 * Back-off is real time: it spares a real server, whatever the world's clock says.
 */
#ifndef NS_WIRE_JENKINS_CLIENT_H
#define NS_WIRE_JENKINS_CLIENT_H

#include "wire/http_client.h"
#include "wire/json.h"

#include <stdint.h>

typedef struct ns_jenkins ns_jenkins;
typedef struct ns_jenkins_call ns_jenkins_call;

typedef struct ns_jenkins_options {
    const char *base_url; /* with context path: https://ci.example/jenkins */
    const char *username; /* NULL: anonymous */
    const char *token;    /* API token: needs no crumb; NULL none */
    const char *password; /* used when there is no token: crumb and session cookie */
    const char *ca_file, *client_cert_file, *client_key_file; /* NULL: the system's, none, none */
    bool insecure;
    size_t json_ceiling;     /* bytes of one JSON answer; 0 means 32 MiB */
    long connect_timeout_ms; /* 0 means 5000 */
    long total_timeout_ms;   /* 0 means 30000 */
    int64_t back_off_ms;     /* first wait; 0 means 5000 */
    int64_t back_off_max_ms; /* 0 means 60000 */
    int64_t unauthorized_ms; /* wait after a 401; 0 means 60000 */
    uint64_t seed;           /* of the jitter */
} ns_jenkins_options;

typedef enum ns_jenkins_kind {
    NS_JENKINS_JSON, /* GET, the answer is JSON */
    NS_JENKINS_TEXT, /* GET of a console log: X-Text-Size and X-More-Data */
    NS_JENKINS_POST, /* POST of a form; redirects are not followed */
} ns_jenkins_kind;

typedef struct ns_jenkins_answer {
    /* NS_OK: what was asked for.  STARTING, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, UNREACHABLE, TIMEOUT, CANCELLED as
     * named.  PROTOCOL: a proxy's or login page, bad JSON, server error (500), wrong method.  BAD_INPUT: 400.
     * REFUSED: 409, the job is disabled.  TOO_LARGE: above the ceiling. */
    ns_status status;
    int code;           /* HTTP status, 0 none */
    bool left;          /* a POST may have reached Jenkins, whatever the status says */
    const json_t *json; /* of NS_JENKINS_JSON; borrowed until done returns */
    int64_t queue_id;   /* of a POST's Location; -1: none */
    int64_t text_size;  /* X-Text-Size, also of a text that ended early; -1: none */
    bool more;          /* X-More-Data: the log may still grow */
    ns_error error;     /* for a person; no secrets */
} ns_jenkins_answer;

typedef void ns_jenkins_done(void *owner, const ns_jenkins_answer *answer);

typedef struct ns_jenkins_request {
    ns_jenkins_kind kind;
    const char *path;      /* behind the base URL, encoded; copied */
    ns_text form;          /* body of a POST, form-encoded; copied */
    size_t ceiling;        /* of the answer; 0: json_ceiling */
    long timeout_ms;       /* 0: the client's */
    ns_http_body *on_text; /* of NS_JENKINS_TEXT: pieces of the log, only from a good answer; see ns_http_body */
    ns_jenkins_done *done; /* exactly once, later */
    void *owner;
    const void *group; /* for ns_jenkins_cancel */
} ns_jenkins_request;

NS_MUST_USE ns_status ns_jenkins_new(struct event_base *loop, const ns_jenkins_options *options, ns_jenkins **out,
                                     ns_error *err);
/* Every `done` still owed is called with CANCELLED. */
void ns_jenkins_free(ns_jenkins *jenkins);

/* On failure nothing was asked and `done` is never called; while backing off that is the trouble's own status. *call
 * (NULL allowed) is valid until done returns. */
NS_MUST_USE ns_status ns_jenkins_start(ns_jenkins *jenkins, const ns_jenkins_request *request, ns_jenkins_call **call,
                                       ns_error *err);
/* After on_text said that there was no room. */
void ns_jenkins_resume(ns_jenkins_call *call);
/* Gives up all requests of a group; each `done` is called with CANCELLED before this returns. */
void ns_jenkins_cancel(ns_jenkins *jenkins, const void *group);

/* False: backing off, or the one request that tries again is under way. */
bool ns_jenkins_ready(const ns_jenkins *jenkins);
/* Times that Jenkins was seen to have restarted (X-Jenkins-Session changed). */
uint64_t ns_jenkins_restarts(const ns_jenkins *jenkins);
/* The user we log in as; "" anonymous. */
const char *ns_jenkins_username(const ns_jenkins *jenkins);
const char *ns_jenkins_base_url(const ns_jenkins *jenkins);
/* X-Text-Size inside on_text; -1: none. */
int64_t ns_jenkins_text_size(const ns_http_call *call);

/* What an HTTP answer means; the head as views. */
typedef struct ns_jenkins_head {
    ns_jenkins_kind kind;
    int code;
    ns_text content_type;
    ns_text location;
    ns_text user;       /* X-You-Are-Authenticated-As */
    ns_text permission; /* X-Required-Permission */
    ns_text body;       /* as far as it was kept */
} ns_jenkins_head;

NS_MUST_USE ns_status ns_jenkins_classify(const ns_jenkins_head *head, ns_error *err);

#endif
