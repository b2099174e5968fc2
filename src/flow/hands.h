/*
 * The door of the hands: what acts on the outside. Jenkins, Kubernetes, the pager, or the simulated world.
 *
 * Exactly-once is a dance of three: `prepare` only reads, and returns what will let a first send be recognised; the
 * intent with that baseline is committed to the store; only then `send`. After a crash or a lost answer `reconcile`
 * reads and says whether it had been sent. All are asynchronous: `done` is called once, later or at once, on the loop
 * thread. Loop thread only.
 */
#ifndef NS_FLOW_HANDS_H
#define NS_FLOW_HANDS_H

#include "flow/case.h"
#include "flow/deployment.h"

/* acknowledged: the other side took it.  refused: certainly not done.  unknown: cannot be told (yet).
 * unknowable: no reading will ever tell; only reconcile says so. It counts as sent and is never sent again. */
#define NS_SENT_MAP(X) X(acknowledged) X(refused) X(unknown) X(unknowable)

typedef enum ns_sent {
#define NS_SENT_ENUM(name) NS_SENT_##name,
    NS_SENT_MAP(NS_SENT_ENUM)
#undef NS_SENT_ENUM
} ns_sent;

typedef struct ns_effect_answer {
    ns_sent sent;
    int64_t build;       /* the build it led to, when known; 0 */
    int64_t queue_id;    /* Jenkins queue item; -1 unknown */
    char baseline[1024]; /* of prepare: goes into the effect before it is committed */
    ns_error error;      /* status NS_OK when acknowledged; text redacted */
} ns_effect_answer;

typedef void ns_effect_done(void *owner, const ns_effect *effect, const ns_effect_answer *answer);

typedef struct ns_hands {
    void *self;
    const char *name;
    ns_action_mask actions; /* those it can do */
    /* Reads only. answer.sent: acknowledged = may be sent now, refused = cannot be done (why in error). */
    void (*prepare)(void *self, const ns_effect *effect, ns_effect_done *done, void *owner);
    void (*send)(void *self, const ns_effect *effect, ns_effect_done *done, void *owner);
    /* Reads only. acknowledged = it had been sent, refused = it certainly had not, unknown = ask again later,
     * unknowable = nothing can be read that would tell. */
    void (*reconcile)(void *self, const ns_effect *effect, ns_effect_done *done, void *owner);
    /* What is known now of what the other side would let us do to this Deployment; what is not known it asks for, so
     * look again later. NULL: all is permitted. */
    void (*rights)(void *self, const char *deployment, ns_rights *out);
    void (*free)(void *self);
} ns_hands;

const char *ns_sent_name(ns_sent sent);
NS_MUST_USE bool ns_sent_parse(ns_text name, ns_sent *out);

#endif
