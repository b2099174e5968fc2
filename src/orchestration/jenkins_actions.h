/*
 * The hands that act on Jenkins: retry_build, exactly once.
 *
 * `prepare` reads and writes a baseline: who we are, the newest build and queue item seen, whether the job defines
 * NEUROSHIELD_KEY. `send` reads the failed build's parameters again and posts them, with the key where the job defines
 * it. `reconcile` looks above the baseline for the key, or else for a build or queue item of our own user with the same
 * parameters. Where two fit, or not all can be seen, the answer is unknowable, never a guess. And what is not seen yet
 * may still be under way: for `settle_ms` after the last request that got no answer (or since these hands were made,
 * for those of a daemon before us) the answer is unknown instead of "not sent". Loop thread only.
 */
#ifndef NS_ORCHESTRATION_JENKINS_ACTIONS_H
#define NS_ORCHESTRATION_JENKINS_ACTIONS_H

#include "flow/hands.h"
#include "wire/jenkins_client.h"

typedef struct ns_jenkins_hands_options {
    ns_jenkins *client;            /* borrowed, must outlive the hands; NULL: one of their own, from `connection` */
    ns_jenkins_options connection; /* used when client is NULL */
    int64_t resolve_ms;            /* real time between looks at the queue item after a send; 0 means 1000 */
    int resolve_tries;             /* looks before the answer goes out without a build; 0 means 3 */
    int64_t settle_ms;             /* real time that a request without an answer may be under way; 0: none */
} ns_jenkins_hands_options;

/* NS_BAD_INPUT (address), NS_NO_MEMORY. While freeing, `done` is called for what is under way with `unknown`. */
NS_MUST_USE ns_status ns_jenkins_hands_new(struct event_base *loop, const ns_jenkins_hands_options *options,
                                           ns_hands *out, ns_error *err);

#endif
