/*
 * The spine: one tick of the main flow over all pipelines.
 *
 *     gather -> record -> predict -> (settle open cases) -> state vector -> policy -> guardrail -> store -> act
 *
 * Gathering and predicting have happened before: the tick reads the snapshot and the newest predictions. It does no
 * I/O and waits for nothing; it moves cases on in memory and writes down what it wants as steps, which
 * daemon/carry_out stores and acts upon. The same function runs live, on the built-in world and in replay.
 */
#ifndef NS_DAEMON_PIPELINE_H
#define NS_DAEMON_PIPELINE_H

#include "daemon/house.h"

/* What one tick says about one pipeline. */
typedef struct ns_step {
    ns_pipeline_view *view;
    ns_track *track;
    ns_record record;
    const ns_build *build;           /* the one looked at: newest running or finished; NULL none */
    ns_build_entry *entry;           /* what is known of it; NULL nothing */
    const ns_prediction *prediction; /* of that build, known before now; NULL none */
    bool opened;                     /* a case was opened */
    bool case_changed;               /* the open case moved on: store it */
    bool decided;                    /* the policy was asked: the five below are filled */
    int64_t decided_ms;
    ns_state state;
    ns_action_mask possible;
    ns_decision decision;
    ns_verdict verdict;
    bool news; /* the decision differs from the one before: store it */
} ns_step;

/* One step per pipeline into steps[count] (count as in the snapshot, zeroed). tick_ms: the grid's time, the same for
 * all sources, which the records carry. now_ms: when it is decided, a little later: answers and predictions that came
 * in between may be used. Both world time. */
void ns_pipeline_tick(ns_house *house, int64_t tick_ms, int64_t now_ms, ns_step *steps, size_t count);

#endif
