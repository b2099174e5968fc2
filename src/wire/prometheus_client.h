/*
 * Prometheus' HTTP API, as far as we use it: the instant query (reference: Prometheus, "HTTP API"). The same is spoken
 * by Thanos, Mimir and VictoriaMetrics behind a path prefix.
 *
 * Loop thread only. Queries go out by POST, so that their length does not matter. No query is repeated by itself but
 * one that a token of before was refused for (401): `may_retry` tells the caller which failures may go away.
 */
#ifndef NS_WIRE_PROMETHEUS_CLIENT_H
#define NS_WIRE_PROMETHEUS_CLIENT_H

#include "wire/prometheus_answer.h"
#include "wire/token_file.h"

struct event_base;

typedef struct ns_prometheus_client ns_prometheus_client;

typedef struct ns_prometheus_options {
    const char *url; /* base, with the path prefix if there is one, without /api/v1 */
    const char *username;
    const char *password;
    const char *bearer_token; /* excludes username and password */
    const char *token_file;   /* where that token stands: read again from time to time, and after a 401; NULL */
    ns_token_learn *learn;    /* is told each token read from there; NULL */
    void *learn_owner;
    const char *tenant; /* header X-Scope-OrgID of Mimir; NULL none */
    const char *ca_file;
    const char *client_cert_file;
    const char *client_key_file;
    bool insecure;       /* accept any certificate; the caller warns */
    long timeout_ms;     /* of one query, in all; 0 means 5000 */
    long at_once;        /* connections; 0 means 3 */
    size_t body_ceiling; /* of an answer; 0 means 16 MiB */
} ns_prometheus_options;

typedef void ns_prometheus_done(void *owner, const ns_prometheus_answer *answer);

/* NS_BAD_USAGE: the URL. */
NS_MUST_USE ns_status ns_prometheus_client_new(struct event_base *loop, const ns_prometheus_options *options,
                                               ns_prometheus_client **out, ns_error *err);
/* What is under way ends with CANCELLED first. */
void ns_prometheus_client_free(ns_prometheus_client *client);

/* Asks; done is called exactly once, later, unless this returns a failure. at_ms: evaluate then; -1: the server's now.
 * The answer is cleared when done returns. */
NS_MUST_USE ns_status ns_prometheus_query(ns_prometheus_client *client, ns_text promql, int64_t at_ms,
                                          ns_prometheus_done *done, void *owner, ns_error *err);

/* The base URL as it may be shown. */
const char *ns_prometheus_client_url(const ns_prometheus_client *client);

#endif
