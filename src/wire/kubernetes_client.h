/*
 * A cluster's API over HTTP: credentials that change, a limit on our own requests, what each answer means, lists in
 * pages, watches.
 *
 * One client per cluster; source and hands share it. Loop thread only. Requests go out at most at the given rate, with
 * bursts of twice that; those marked urgent go ahead of the others. After a 401 the token file is read again or the
 * plug-in run again, and the request repeated once (nothing had been done). Nothing else is repeated here, and no
 * redirect is followed. Waits are real time: they spare a real server.
 */
#ifndef NS_WIRE_KUBERNETES_CLIENT_H
#define NS_WIRE_KUBERNETES_CLIENT_H

#include "wire/kubernetes_access.h"
#include "wire/kubernetes_answer.h"
#include "wire/token_file.h"

struct event_base;

typedef struct ns_kubernetes ns_kubernetes;

#define NS_KUBERNETES_WARNINGS_MAX 64

typedef struct ns_kubernetes_options {
    ns_kubernetes_access *access; /* taken over on success, left alone on failure */
    bool allow_exec;              /* a plug-in named by the kubeconfig may be run */
    double requests_per_s;        /* 0 means 5 */
    size_t json_ceiling;          /* bytes of an answer, and of one line of a watch; 0 means 64 MiB */
    long connect_timeout_ms;      /* 0 means 5000 */
    long total_timeout_ms;        /* 0 means 30000 */
    long exec_timeout_ms;         /* 0 means 30000 */
    ns_token_learn *learn;        /* is told each token read from a file; NULL */
    /* Is told each warning of the server (header Warning), the same text once, and no more than
     * NS_KUBERNETES_WARNINGS_MAX of them: foreign text, printable. NULL: nobody is told. */
    void (*warned)(void *owner, const char *text);
    void *owner; /* of learn and warned */
} ns_kubernetes_options;

typedef struct ns_kubernetes_answer {
    ns_status status; /* the verdict's; or UNREACHABLE, TIMEOUT, PROTOCOL, CANCELLED, ... without an HTTP answer */
    bool left;        /* a write may have been done, whatever the status says */
    ns_kubernetes_verdict verdict; /* its error is this answer's, also without an HTTP answer */
    ns_text body;                  /* as it came; lives until done returns */
    const json_t *json;            /* borrowed until done returns; NULL for what is no JSON */
    char audit_id[64];             /* Audit-Id of the server; "" none */
} ns_kubernetes_answer;

typedef void ns_kubernetes_done(void *owner, const ns_kubernetes_answer *answer);

typedef struct ns_kubernetes_request {
    const char *method;       /* NULL means GET */
    const char *path;         /* from the root, with its query, encoded; copied */
    const char *content_type; /* of the body */
    ns_text body;             /* copied */
    const char *key;          /* idempotency key, sent as X-Neuroshield-Key; NULL none */
    const char *what;         /* "scale deployment carts": for messages; copied */
    bool urgent;
    ns_kubernetes_done *done; /* exactly once, later */
    void *owner;
    const void *group; /* for ns_kubernetes_cancel */
} ns_kubernetes_request;

/* NS_BAD_USAGE: the access cannot be used (an exec plug-in that is not allowed). NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_kubernetes_new(struct event_base *loop, const ns_kubernetes_options *options,
                                        ns_kubernetes **out, ns_error *err);
/* Every `done` still owed is called with CANCELLED. */
void ns_kubernetes_free(ns_kubernetes *cluster);

/* On failure `done` is never called. */
NS_MUST_USE ns_status ns_kubernetes_start(ns_kubernetes *cluster, const ns_kubernetes_request *request, ns_error *err);

/*
 * A watch: path has its query (watch=true&...). opened: the head of a good answer has arrived. event: one per event but
 * ERROR; false ends the watch. done: NS_OK when the server ended it, as it does every few minutes; verdict.expired:
 * list anew.
 */
typedef struct ns_kubernetes_watching {
    const char *path;
    const char *what;
    long timeout_ms; /* the whole; a little above the server's timeoutSeconds */
    void (*opened)(void *owner);
    bool (*event)(void *owner, ns_kubernetes_event_kind kind, const json_t *object);
    ns_kubernetes_done *done;
    void *owner;
    const void *group;
} ns_kubernetes_watching;

NS_MUST_USE ns_status ns_kubernetes_watch(ns_kubernetes *cluster, const ns_kubernetes_watching *watching,
                                          ns_error *err);

/*
 * A list in pages of 500. page: called for each page with its items (NULL when there are none); first tells that a list
 * begins, or begins anew because its pages had grown too old: what came before is void. done: NS_OK with the list's
 * resourceVersion, or what went wrong.
 */
typedef struct ns_kubernetes_listing {
    const char *path;  /* without query */
    const char *query; /* further ones, encoded: "labelSelector=..."; NULL none */
    const char *what;
    bool (*page)(void *owner, const json_t *items, bool first); /* false: give up, with NS_NO_MEMORY */
    void (*done)(void *owner, const ns_kubernetes_answer *answer, const char *resource_version);
    void *owner;
    const void *group;
} ns_kubernetes_listing;

NS_MUST_USE ns_status ns_kubernetes_list(ns_kubernetes *cluster, const ns_kubernetes_listing *listing, ns_error *err);

/* Gives up all requests of a group; each `done` is called with CANCELLED before this returns, and must start none of
 * that group. */
void ns_kubernetes_cancel(ns_kubernetes *cluster, const void *group);

/* How often the server has said 403 so far: what we believed about our rights may be wrong when it grows. */
uint64_t ns_kubernetes_refusals(const ns_kubernetes *cluster);

const char *ns_kubernetes_url(const ns_kubernetes *cluster);
/* The namespace that the context or the service account names; "default" when none. */
const char *ns_kubernetes_namespace(const ns_kubernetes *cluster);
bool ns_kubernetes_insecure(const ns_kubernetes *cluster);

#endif
