/*
 * The hands of `escalate`: tells a person, by webhook, or where none is configured by a log line (the record in the
 * store is the caller's either way).
 *
 * At least once, and it says so: a webhook cannot be asked whether it got a message, so after a crash or a lost answer
 * the same message goes out again under the same `Idempotency-Key`, by which the receiver may fold it. `reconcile`
 * therefore answers `refused` ("send it again"). Loop thread only.
 */
#ifndef NS_ORCHESTRATION_NOTIFY_H
#define NS_ORCHESTRATION_NOTIFY_H

#include "flow/hands.h"
#include "flow/prediction.h"

struct event_base;

typedef struct ns_notify_options {
    const char *webhook_url;  /* http(s), may have path and query; NULL or "": log line only */
    const char *bearer_token; /* NULL none */
    const char *ca_file;      /* NULL: the system's */
    const char *jenkins_url;  /* for the link to the build; NULL: null */
    const char *own_url;      /* of our own API, for the link to the case; NULL: null */
    long timeout_ms;          /* of one request; 0 means 10000 */
} ns_notify_options;

/* Strings are copied. NS_BAD_USAGE (URL), NS_NO_MEMORY. out->free cancels what is under way. */
NS_MUST_USE ns_status ns_notify_hands_new(struct event_base *loop, const ns_notify_options *options, ns_hands *out,
                                          ns_error *err);

/*
 * What the person is told, for ns_effect.message: a JSON object {"evidence":[{"line","text","weight","new"}...],
 * "tried":{action: times}, "failure_probability", "since"} of less than 1024 bytes; as much evidence as fits,
 * weightiest first. prediction may be NULL. Evidence is redacted text already.
 */
void ns_notify_message(const ns_case *a_case, const ns_prediction *prediction, char out[1024]);

#endif
