/*
 * How far long work has come, for the person who waits: on stderr, with the time that is left.
 *
 * On a terminal one line that is redrawn a few times a second; elsewhere a line now and then. Silent when asked to be.
 * Plain data; one thread.
 */
#ifndef NS_LAB_TRAIN_PROGRESS_H
#define NS_LAB_TRAIN_PROGRESS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ns_train_progress {
    const char *what; /* "pre-training"; kept, not copied */
    const char *unit; /* "steps" */
    bool quiet, terminal;
    int64_t begun_ns, told_ns;
    uint64_t first; /* where this run began: what was done before does not count for the speed */
} ns_train_progress;

/* done: already done when it begins (work taken up again). */
void ns_train_progress_begin(ns_train_progress *progress, const char *what, const char *unit, uint64_t done,
                             bool quiet);

/* note: a few words more ("loss 3.21"); NULL none. total 0: unknown. Tells only when it is time to. */
void ns_train_progress_tell(ns_train_progress *progress, uint64_t done, uint64_t total, const char *note);

/* Tells the last state in any case and ends the line. */
void ns_train_progress_end(ns_train_progress *progress, uint64_t done, uint64_t total, const char *note);

/* Seconds that are left at the speed so far; -1 unknown. */
int64_t ns_train_progress_left_s(const ns_train_progress *progress, uint64_t done, uint64_t total, int64_t now_ns);

#endif
