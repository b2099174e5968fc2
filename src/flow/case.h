/*
 * A case: one incident on one pipeline from the first bad event to the verified good, with every action tried.
 *
 * The outcome of an action comes minutes after it; a case is what remembers. The states and the events that move them
 * stand in orchestration/cases; this is the plain data that is stored, shown and read back after a crash.
 */
#ifndef NS_FLOW_CASE_H
#define NS_FLOW_CASE_H

#include "flow/cause.h"
#include "flow/decision.h"

/*
 * waiting: a person is asked.  intent: decided, being prepared and written.  committed: the intent row is on disk, the
 * request may leave.  sent: it left.  acknowledged: the other side took it.  unknown: no answer; reading will tell.
 * verifying: the effect is awaited.  verified: it helped.  failed: it did not.  inconclusive: cannot be told.
 * undone: taken back.  refused: a guardrail or a person said no.  closed: nothing more will happen.
 */
#define NS_CASE_STATE_MAP(X)                                                                                           \
    X(watching)                                                                                                        \
    X(waiting)                                                                                                         \
    X(intent)                                                                                                          \
    X(committed)                                                                                                       \
    X(sent) X(acknowledged) X(unknown) X(verifying) X(verified) X(failed) X(inconclusive) X(undone) X(refused) X(closed)

typedef enum ns_case_state {
#define NS_CASE_STATE_ENUM(name) NS_CASE_##name,
    NS_CASE_STATE_MAP(NS_CASE_STATE_ENUM)
#undef NS_CASE_STATE_ENUM
        NS_CASE_STATES
} ns_case_state;

/* How the incident ended. `human` = somebody else's build or change made it good after we had escalated or given up;
 * `itself` = it became good without any action of ours or a person's known to us. */
#define NS_HEALED_MAP(X) X(open) X(action) X(itself) X(human) X(abandoned)

typedef enum ns_healed_by {
#define NS_HEALED_ENUM(name) NS_HEALED_##name,
    NS_HEALED_MAP(NS_HEALED_ENUM)
#undef NS_HEALED_ENUM
} ns_healed_by;

/* One thing to be done outside, exactly once. Arguments come from configuration and our own ledger, never from logs. */
typedef struct ns_effect {
    char key[NS_KEY_MAX]; /* idempotency key, unique for ever */
    int64_t case_id;
    int32_t attempt; /* 1.. within the case */
    ns_action action;
    char jenkins_job[NS_JOB_MAX];
    int64_t build; /* the failed build that retry_build repeats; 0 none */
    char deployment[NS_NAME_MAX];
    int32_t replicas; /* absolute, of scale_up; 0 not used */
    /* Of rollback: the pod-template-hash to go back to, from our own ledger. Of scale_up, and of its undo: the number
     * of replicas that the Deployment must still have. "" not used. */
    char target[NS_NAME_MAX];
    bool undo;           /* takes the effect of an earlier attempt back: scale_up with undo goes back to n */
    ns_cause cause;      /* believed when it was decided */
    char baseline[1024]; /* JSON: what `prepare` read before sending, by which a first send is recognised; "" none */
    char message[1024];  /* of escalate: what the person is told, redacted; "" for all others */
    int64_t queue_id;    /* Jenkins queue item that it became; 0 not known (yet) */
} ns_effect;

typedef struct ns_case {
    int64_t id; /* 1.. */
    char jenkins_job[NS_JOB_MAX];
    ns_case_state state;
    int64_t opened_ms;
    int64_t first_bad_ms; /* start of MTTR: the failed build's end or the first bad signal */
    int64_t changed_ms;   /* last change of state */
    int64_t deadline_ms;  /* verification is given up then; -1 none */
    int64_t closed_ms;    /* -1 open */
    int64_t healed_ms;    /* verified good; -1 not */
    ns_healed_by healed_by;
    int64_t build;        /* the failed build that opened it; 0 none */
    int64_t result_build; /* build whose result decides the present attempt; 0 not known yet */
    ns_cause cause;
    int32_t attempts; /* actions sent */
    int32_t tried[NS_ACTION_COUNT];
    bool escalated;
    ns_case_state last_outcome; /* verified, failed, inconclusive of the last attempt; watching: none yet */
    int64_t last_action_ms;     /* -1 none */
    double cost;                /* sum of the costs of the actions sent */
    double reward;              /* R of the closed episode; NAN until then */
    int64_t decision_id;        /* newest decision in it; 0 none */
    bool reconciled;            /* read back after a restart */
    bool unsure;                /* whether an action of it was sent could not be told: now it is a person's */
    char symptom[160];          /* what its Deployment showed, our own words; "" a build opened it */
    char reason[200];           /* of the newest decision in it, our own words; "" none */
    ns_effect effect;           /* the present attempt; key "" none */
} ns_case;

const char *ns_case_state_name(ns_case_state state);
NS_MUST_USE bool ns_case_state_parse(ns_text name, ns_case_state *out);
const char *ns_healed_by_name(ns_healed_by by);
NS_MUST_USE bool ns_healed_by_parse(ns_text name, ns_healed_by *out);

#endif
