/*
 * What an answer of a cluster's API means: Status objects, and what proxies answer in their stead (reference:
 * Kubernetes API conventions, "Response Status Kind").
 *
 * The HTTP code decides; the Status says why. Pure functions.
 */
#ifndef NS_WIRE_KUBERNETES_ANSWER_H
#define NS_WIRE_KUBERNETES_ANSWER_H

#include "base/text.h"

#include <jansson.h>

/*
 * status:
 *   NS_OK            2xx
 *   NS_BAD_INPUT     400, 405, 406, 415, 422: what we sent is wrong (422 also: a JSON patch's test failed)
 *   NS_UNAUTHORIZED  401    NS_FORBIDDEN 403    NS_NOT_FOUND 404
 *   NS_CONFLICT      409, and 410: what we knew is too old (expired tells them apart)
 *   NS_TOO_LARGE     413
 *   NS_BUSY          429: wait retry_after_ms; blocked: a disruption budget forbids it for now
 *   NS_TIMEOUT       504    NS_STARTING 503    NS_UNREACHABLE 500, 502 and other 5xx
 *   NS_PROTOCOL      anything else
 */
typedef struct ns_kubernetes_verdict {
    ns_status status;
    int code;
    char reason[48];        /* of the Status: "Conflict", "Expired"; "" none */
    char field[128];        /* of its first cause; "" none */
    int64_t retry_after_ms; /* -1 not said */
    bool expired;           /* 410: list anew */
    bool blocked;           /* 429 for a disruption budget */
    ns_error error;         /* for a person; what the server said is cut and made printable */
} ns_kubernetes_verdict;

/* retry_after: the header's text, empty when there is none. body: of the answer, as far as it was kept. what: "GET
 * deployments carts", for the message. */
void ns_kubernetes_judge(int code, ns_text retry_after, ns_text body, const char *what, ns_kubernetes_verdict *out);

/* The same for the Status inside an ERROR event of a watch; its own code decides (0 when it has none). */
void ns_kubernetes_judge_event(const json_t *status_object, const char *what, ns_kubernetes_verdict *out);

/*
 * A watch's stream: one JSON object a line, in pieces of any size. Lines up to the ceiling are collected; `line` is
 * called for each whole one without its LF. False from `line` stops the feeding. One thread at a time.
 */
typedef struct ns_kubernetes_lines {
    ns_buf partial;
} ns_kubernetes_lines;

typedef bool ns_kubernetes_line(void *owner, ns_text line);

void ns_kubernetes_lines_init(ns_kubernetes_lines *lines, size_t ceiling);
void ns_kubernetes_lines_clear(ns_kubernetes_lines *lines);
/* NS_TOO_LARGE: a line above the ceiling. NS_NO_MEMORY. NS_CANCELLED: `line` said stop. */
NS_MUST_USE ns_status ns_kubernetes_lines_feed(ns_kubernetes_lines *lines, ns_text piece, ns_kubernetes_line *line,
                                               void *owner);

typedef enum ns_kubernetes_event_kind {
    NS_KUBERNETES_ADDED,
    NS_KUBERNETES_MODIFIED,
    NS_KUBERNETES_DELETED,
    NS_KUBERNETES_BOOKMARK,
    NS_KUBERNETES_ERROR,
} ns_kubernetes_event_kind;

/* One line of a watch. *root: a new reference; *object is inside it. NS_BAD_INPUT: it is none. */
NS_MUST_USE ns_status ns_kubernetes_event_read(ns_text line, ns_kubernetes_event_kind *kind, json_t **root,
                                               const json_t **object, ns_error *err);

#endif
