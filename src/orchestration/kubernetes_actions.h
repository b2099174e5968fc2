/*
 * The hands that act on a cluster: scale_up (and back), rollback, restart_pods, each exactly once.
 *
 * `prepare` reads the Deployment and what the action needs, checks that it may be done, and has the API server try the
 * very patch (dry run): admission, quotas and our rights speak before anything is sent. `send` reads again, refuses
 * when the specification is no longer the one that was prepared, and patches under the condition of the version read;
 * a conflict is read and judged anew, a few times. `reconcile` looks for our key, and for a generation that has not
 * moved: then nothing was done, unless a request without an answer (or of a daemon before us) may still be under way:
 * for `settle_ms` that is unknown. A scaling is an absolute number, and its key is written in a patch of its own; so a
 * Deployment that has the number counts as done. Loop thread only.
 */
#ifndef NS_ORCHESTRATION_KUBERNETES_ACTIONS_H
#define NS_ORCHESTRATION_KUBERNETES_ACTIONS_H

#include "flow/hands.h"
#include "wire/kubernetes_client.h"

typedef struct ns_kubernetes_hands_options {
    ns_kubernetes *client;   /* borrowed, must outlive the hands */
    const char *name_space;  /* of Deployments named without one; NULL: the client's */
    int64_t rights_age_ms;   /* real time after which our rights are asked for again; 0 means 5 min */
    int64_t rights_doubt_ms; /* the same once the server has refused something since; 0 means 10 s */
    int64_t settle_ms;       /* real time that a request without an answer may be under way; 0: none */
} ns_kubernetes_hands_options;

NS_MUST_USE ns_status ns_kubernetes_hands_new(const ns_kubernetes_hands_options *options, ns_hands *out, ns_error *err);

#endif
