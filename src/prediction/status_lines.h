/*
 * Which lines of a log are not to be read: those that give the outcome away, and those that only frame others.
 *
 * A predictor that reads "Finished: FAILURE" has learnt to read, not to predict. These lines never reach a scorer, in
 * training or in use, wherever they stand in the log. One table (status_lines.c).
 */
#ifndef NS_PREDICTION_STATUS_LINES_H
#define NS_PREDICTION_STATUS_LINES_H

#include "base/text.h"

typedef enum ns_line_kind {
    NS_LINE_readable,
    NS_LINE_frame,      /* fold marks, [Pipeline] steps, rules of dashes: nothing to read */
    NS_LINE_outcome,    /* tells how the build or a step of it ended */
    NS_LINE_afterwards, /* the build's end is behind us: neither this line nor any later one is read */
} ns_line_kind;

/* line: cleaned, behind its time stamps. Any thread; no allocation. */
ns_line_kind ns_line_kind_of(ns_text line);

#endif
