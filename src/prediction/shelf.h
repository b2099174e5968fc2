/*
 * The shelf of green logs: the sketches a build's log is compared with. Shared by count, bounded.
 *
 * Two threads use it (the loop puts, the scorer borrows); it has a lock of its own, held only for moments.
 */
#ifndef NS_PREDICTION_SHELF_H
#define NS_PREDICTION_SHELF_H

#include "flow/names.h"
#include "prediction/sketch.h"

#define NS_SHELF_LOGS   5 /* of one job */
#define NS_SHELF_GREENS 3 /* of one job, of those added one by one */
#define NS_SHELF_JOBS   512
#define NS_SHELF_BYTES  ((size_t)64 << 20)

typedef struct ns_shelf ns_shelf;

/* Sketches of one job; lives until the last borrower has given it back. */
typedef struct ns_shelf_set {
    const ns_sketch *logs[NS_SHELF_LOGS];
    size_t count;
    size_t bytes;
    int users; /* guarded by the shelf's lock */
} ns_shelf_set;

NS_MUST_USE ns_shelf *ns_shelf_new(void);
/* Nobody may have a set borrowed. */
void ns_shelf_free(ns_shelf *shelf);

/* Replaces the job's sketches, which become the shelf's (the first NS_SHELF_LOGS of them; the rest is freed); n = 0, a
 * name too long or no memory: it has none. The job put longest ago makes room. */
void ns_shelf_put(ns_shelf *shelf, const char *jenkins_job, ns_sketch *const *sketches, size_t n);

/* One more green log of the job, the newest: it becomes the shelf's, the job's NS_SHELF_GREENS newest stay. No memory:
 * the job keeps what it had. */
void ns_shelf_add(ns_shelf *shelf, const char *jenkins_job, ns_sketch *sketch);

/* NULL: none. Give back with ns_shelf_return. */
ns_shelf_set *ns_shelf_borrow(ns_shelf *shelf, const char *jenkins_job);
void ns_shelf_return(ns_shelf *shelf, ns_shelf_set *set); /* NULL allowed */

#endif
