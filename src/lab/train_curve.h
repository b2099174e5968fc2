/*
 * The loss curve of a training run: JSON lines for programs, an SVG drawing for people.
 *
 * Kept in memory and written as a whole, so that a run taken up again continues the curve from its checkpoint.
 */
#ifndef NS_LAB_TRAIN_CURVE_H
#define NS_LAB_TRAIN_CURVE_H

#include "base/text.h"

typedef struct ns_curve_point {
    char stage[24];
    int64_t step;  /* within the stage, from 1 */
    double tokens; /* so far in the stage */
    double loss;   /* mean since the point before */
    double held;   /* on what is held out; NAN not measured */
    double right;  /* share of examples answered right since the point before; NAN unknown */
    double rate, gradient_norm;
    double tokens_per_s;
} ns_curve_point;

typedef struct ns_train_curve {
    ns_curve_point *points;
    size_t count, room;
} ns_train_curve;

enum { NS_CURVE_POINTS_MAX = 100000 };

void ns_train_curve_clear(ns_train_curve *curve); /* a zeroed one is an empty curve */

/* NS_NO_MEMORY; NS_TOO_LARGE above NS_CURVE_POINTS_MAX. */
NS_MUST_USE ns_status ns_train_curve_add(ns_train_curve *curve, const ns_curve_point *point, ns_error *err);

/* Forgets points of this stage behind `step`: they were drawn by a run that was killed. */
void ns_train_curve_cut(ns_train_curve *curve, const char *stage, int64_t step);

/* Replaces PATH.jsonl and PATH.svg. NS_IO, NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_train_curve_write(const ns_train_curve *curve, const char *path, ns_error *err);
/* Reads PATH.jsonl back into an empty curve; a missing file is an empty curve. NS_BAD_INPUT with the line. */
NS_MUST_USE ns_status ns_train_curve_read(ns_train_curve *curve, const char *path, ns_error *err);

#endif
