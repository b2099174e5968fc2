/*
 * Symptoms: what can be measured of a Deployment that does badly, and what that most likely means.
 *
 * A build that fails says so; a Deployment does not. Here its facts (flow/deployment) and signals (flow/signal) are
 * judged against fixed bounds, which stand in symptoms.c with their reasons. What is missing or stale says nothing:
 * then `known` is false, and nothing may be concluded, neither that it is bad nor that it is good. No I/O; the memory
 * of one pipeline is the caller's.
 */
#ifndef NS_ORCHESTRATION_SYMPTOMS_H
#define NS_ORCHESTRATION_SYMPTOMS_H

#include "flow/cause.h"
#include "flow/snapshot.h"

/* Zero-initialise. */
typedef struct ns_symptom_memory {
    bool begun;
    char hash[NS_NAME_MAX]; /* template whose restarts are counted */
    int64_t restarts;       /* as last seen; -1 unknown */
    int64_t restart_ms;     /* when a container was last seen to have been started again; -1 never */
    int64_t since_ms;       /* it is bad since; -1 it is not */
    int64_t calm_ms;        /* it is known to be good since; -1 it is not */
    int64_t spell_ms;       /* as in ns_symptoms */
} ns_symptom_memory;

typedef struct ns_symptoms {
    bool known; /* what was measured is fresh enough to tell */
    bool bad;
    ns_cause cause;     /* bad_release, out_of_memory, overload; none: bad, but nothing tells why */
    int64_t since_ms;   /* bad since; -1 */
    int64_t calm_ms;    /* good since; -1 */
    int64_t spell_ms;   /* so long it had been good without a break right before it turned bad; 0 it had not */
    int64_t restart_ms; /* a container was started again; -1 never */
    char why[160];      /* our own words and numbers */
} ns_symptoms;

void ns_symptoms_look(ns_symptom_memory *memory, const ns_snapshot *snapshot, const ns_pipeline_view *view,
                      int64_t now_ms, int64_t stale_after_ms, ns_symptoms *out);

/* How long it must have been good after the last rollout before an action against this cause is taken to have helped;
 * milliseconds. What leaks needs time to show. */
int64_t ns_symptoms_calm_needed(ns_cause cause);
/* From this long after the rollout on, what is still bad has not been helped: rates look back two minutes. */
int64_t ns_symptoms_grace(ns_cause cause);

#endif
