/*
 * Cases: the state machine of an incident. Events in, states out; no I/O, no clock, no memory of its own.
 *
 * A case is opened by the first bad event (state `watching`: an open incident without a present attempt), goes through
 * any number of attempts, one at a time, and is closed once. An attempt runs
 *
 *     [waiting ->] intent -> committed -> sent -> acknowledged -> verifying -> closed (it helped)
 *
 * and comes off that road as refused, failed, inconclusive or undone, from where the next attempt may begin. The table
 * in cases.c holds every transition; docs/decisions/ says why one case holds several attempts.
 *
 * Who drives it: the loop. After every step it stores the case, then asks ns_case_wants what to do next.
 */
#ifndef NS_ORCHESTRATION_CASES_H
#define NS_ORCHESTRATION_CASES_H

#include "flow/case.h"
#include "flow/hands.h"

/*
 * name, what happened. Fields of ns_case_event that are read stand in brackets; at_ms is read always.
 */
#define NS_CASE_EVENT_MAP(X)                                                                                           \
    X(decided, "the policy chose, the guardrails said act: an attempt begins [effect, decision_id]")                   \
    X(asked, "a person is asked for leave [effect, decision_id, deadline_ms]")                                         \
    X(approved, "the person said yes")                                                                                 \
    X(rejected, "the person said no")                                                                                  \
    X(overridden, "a person chose another action: that attempt begins [effect, decision_id]")                          \
    X(forbidden, "a guardrail said no when looked at again before sending")                                            \
    X(prepared, "prepare answered: it may be sent [baseline]")                                                         \
    X(not_possible, "prepare answered: it cannot be done")                                                             \
    X(committed, "the intent row is on disk")                                                                          \
    X(sent, "the request leaves now")                                                                                  \
    X(acknowledged, "the other side took it [build, queue_id, deadline_ms: verification is given up then]")            \
    X(refused, "the other side certainly did not do it")                                                               \
    X(unknown, "no answer that tells [deadline_ms: reconciliation is given up then]")                                  \
    X(reconciled_sent, "reading shows that it had been sent [build, queue_id, deadline_ms]")                           \
    X(reconciled_not_sent, "reading shows that it had not: it may be sent (again) under the same key")                 \
    X(reconciled_unknown, "reading cannot tell (yet)")                                                                 \
    X(reconciled_unknowable, "no reading will ever tell: it counts as sent")                                           \
    X(effect_seen, "the effect has begun: the build it led to is known [build, deadline_ms]")                          \
    X(build_success, "the build that decides the attempt is good [build]")                                             \
    X(build_failure, "the build that decides the attempt failed [build]")                                              \
    X(build_other, "the build that decides the attempt ended without telling: aborted, not built [build]")             \
    X(signal_good, "the bad signal is good again, long enough")                                                        \
    X(signal_bad, "the signal is still bad, though the action has had its time")                                       \
    X(deadline, "the deadline of this state has passed")                                                               \
    X(healed_by_other, "the pipeline became good, not by our present attempt [healed_by; open: we choose]")            \
    X(undone, "the reversible action was taken back")                                                                  \
    X(give_up, "nobody will do any more about it")                                                                     \
    X(pipeline_gone, "the pipeline no longer exists")                                                                  \
    X(restarted, "the case was read back from the store after a restart [deadline_ms]")

typedef enum ns_case_event_kind {
#define NS_CASE_EVENT_ENUM(name, meaning) NS_EVENT_##name,
    NS_CASE_EVENT_MAP(NS_CASE_EVENT_ENUM)
#undef NS_CASE_EVENT_ENUM
        NS_CASE_EVENTS
} ns_case_event_kind;

/* Zero-initialise, then set kind, at_ms and the fields the kind reads. A field that is left 0 means "not known". */
typedef struct ns_case_event {
    ns_case_event_kind kind;
    int64_t at_ms;
    const ns_effect *effect; /* made by ns_case_begin_attempt; copied */
    int64_t decision_id;     /* 0 none */
    int64_t deadline_ms;     /* 0: none */
    const char *baseline;    /* "" or NULL is kept as "{}" */
    int64_t build;           /* 0 not known */
    int64_t queue_id;        /* Jenkins queue item; 0 not known */
    ns_healed_by healed_by;
} ns_case_event;

/* A new incident. first_bad_ms: where MTTR begins. job must fit (NS_CHECK). */
void ns_case_open(ns_case *out, int64_t id, const char *jenkins_job, int64_t build, ns_cause cause,
                  int64_t first_bad_ms, int64_t now_ms);

/* The effect of the next attempt: number and key are filled (BLAKE2b of key_seed, case and attempt: never the same
 * twice within an installation), job and build come from the case, the rest is the caller's to fill before the event.
 * key_seed: drawn anew by every daemon, so that a store restored from an old copy repeats no key. Does not change the
 * case. */
void ns_case_begin_attempt(const ns_case *a_case, uint64_t key_seed, ns_action action, ns_effect *out);

/* False, and the case untouched, for an event that means nothing in this state. */
NS_MUST_USE bool ns_case_step(ns_case *a_case, const ns_case_event *event);

/*
 * What must be done now. none: nothing by us (a person is asked, or no attempt is present).
 * prepare: hands.prepare, then `prepared`.  commit: put the effect row, wait for the store, then `committed`.
 * send: judge once more, then event `sent`, store, hands.send.  wait: an answer to send is under way.
 * reconcile: hands.reconcile.  verify: watch for the build or the signal.  decide: an attempt may begin.
 */
#define NS_CASE_WANT_MAP(X) X(none) X(decide) X(prepare) X(commit) X(send) X(wait) X(reconcile) X(verify)

typedef enum ns_case_want {
#define NS_CASE_WANT_ENUM(name) NS_WANT_##name,
    NS_CASE_WANT_MAP(NS_CASE_WANT_ENUM)
#undef NS_CASE_WANT_ENUM
} ns_case_want;

ns_case_want ns_case_wants(const ns_case *a_case);

bool ns_case_is_open(const ns_case *a_case);

/* The event of an answer of hands.send (acknowledged, refused, unknown) and hands.reconcile (reconciled_*). A send that
 * says unknowable is merely unknown: reading has not been tried. */
ns_case_event_kind ns_case_event_of_send(ns_sent sent);
ns_case_event_kind ns_case_event_of_reconcile(ns_sent sent);

const char *ns_case_event_name(ns_case_event_kind kind);
const char *ns_case_want_name(ns_case_want want);

/* The i-th row of the table, for documentation and tests; false at the end. */
NS_MUST_USE bool ns_case_transition(size_t i, ns_case_state *from, ns_case_event_kind *event, ns_case_state *to,
                                    const char **what);

#endif
