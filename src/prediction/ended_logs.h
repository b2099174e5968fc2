/*
 * Sketches of logs read to their end, until it is known how their builds ended: a green one's goes onto the shelf.
 * Inside the scorer, its thread only. Bounded: the log that ended longest ago makes room.
 */
#ifndef NS_PREDICTION_ENDED_LOGS_H
#define NS_PREDICTION_ENDED_LOGS_H

#include "flow/names.h"
#include "prediction/sketch.h"

#define NS_ENDED_LOGS_MAX 256

typedef struct ns_ended_logs {
    struct {
        char job[NS_JOB_MAX];
        int64_t build;
        ns_sketch *sketch; /* NULL: the place is free */
    } at[NS_ENDED_LOGS_MAX];
    size_t next;
} ns_ended_logs;

void ns_ended_logs_clear(ns_ended_logs *logs);
/* The sketch becomes its own; NULL is let go. */
void ns_ended_logs_put(ns_ended_logs *logs, const char *jenkins_job, int64_t build, ns_sketch *sketch);
/* The caller's, or NULL: not there. */
ns_sketch *ns_ended_logs_take(ns_ended_logs *logs, const char *jenkins_job, int64_t build);

#endif
