/*
 * Prometheus' HTTP API, as far as we use it: the instant query (reference: Prometheus, "HTTP API"). The same is spoken
 * by Thanos, Mimir and VictoriaMetrics behind a path prefix.
 *
 * Loop thread only. Queries go out by POST, so that their length does not matter; no query is repeated by itself:
 * `may_retry` tells the caller which failures may go away.
 */
#ifndef NS_WIRE_PROMETHEUS_CLIENT_H
#define NS_WIRE_PROMETHEUS_CLIENT_H

#include "base/text.h"
#include "flow/value.h"

#include <jansson.h>

struct event_base;

typedef struct ns_prometheus_client ns_prometheus_client;

typedef struct ns_prometheus_options {
    const char *url; /* base, with the path prefix if there is one, without /api/v1 */
    const char *username;
    const char *password;
    const char *bearer_token; /* excludes username and password */
    const char *tenant;       /* header X-Scope-OrgID of Mimir; NULL none */
    const char *ca_file;
    const char *client_cert_file;
    const char *client_key_file;
    bool insecure;       /* accept any certificate; the caller warns */
    long timeout_ms;     /* of one query, in all; 0 means 5000 */
    long at_once;        /* connections; 0 means 3 */
    size_t body_ceiling; /* of an answer; 0 means 16 MiB */
} ns_prometheus_options;

typedef enum ns_prometheus_shape { NS_PROMETHEUS_vector, NS_PROMETHEUS_scalar } ns_prometheus_shape;

/*
 * One answer. status:
 *   NS_OK            data; `series` may be 0 (no such series, or stale: never means the number 0)
 *   NS_BAD_INPUT     the query is wrong or cannot be evaluated: asking again will not help
 *   NS_UNAUTHORIZED, NS_FORBIDDEN   credentials
 *   NS_NOT_FOUND     no API under this URL
 *   NS_STARTING, NS_BUSY, NS_TIMEOUT, NS_UNREACHABLE   may go away by itself
 *   NS_TOO_LARGE     the answer is above its ceiling
 *   NS_PROTOCOL      this is not Prometheus' API
 *   NS_CANCELLED, NS_NO_MEMORY
 */
typedef struct ns_prometheus_answer {
    ns_status status;
    bool may_retry;
    int code; /* HTTP status; 0: none arrived */
    ns_prometheus_shape shape;
    size_t series;
    size_t warnings;   /* the data is partial: keep it, tell it */
    char warning[256]; /* the first of them; "" none */
    ns_error error;    /* for a person, when status is not NS_OK */
    json_t *root;      /* owned; NULL when there is no data */
    const json_t *result;
} ns_prometheus_answer;

/* Reads one HTTP answer. Pure; out is overwritten and must be cleared. */
void ns_prometheus_read(int code, ns_text body, ns_prometheus_answer *out);
void ns_prometheus_answer_clear(ns_prometheus_answer *answer);

/* The i-th series (a scalar is one series without labels): the value of its label (empty when it has none; label may
 * be NULL) and its number: NAN for NaN, infinities and whatever is no number. Views live as long as the answer. */
ns_value ns_prometheus_series(const ns_prometheus_answer *answer, size_t i, const char *label, ns_text *label_value);

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
