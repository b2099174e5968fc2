/*
 * Reading one answer of Prometheus' HTTP API: foreign bytes in, named series out. Pure.
 */
#ifndef NS_WIRE_PROMETHEUS_ANSWER_H
#define NS_WIRE_PROMETHEUS_ANSWER_H

#include "base/text.h"
#include "flow/value.h"

#include <jansson.h>

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

#endif
