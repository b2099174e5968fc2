/*
 * The door of a reader of windows: a line of a log with its neighbours in, what it says about the build out.
 *
 * Used by the scorer thread. A window's answer depends on its lines alone, not on the others it is read with, to the
 * last bit on one code path.
 */
#ifndef NS_PREDICTION_WINDOW_READER_H
#define NS_PREDICTION_WINDOW_READER_H

#include "flow/cause.h"
#include "flow/prediction.h"

enum { NS_WINDOW_VECTOR_MAX = 1024 };

typedef struct ns_window {
    const ns_text *lines; /* templates (ns_log_line.form), oldest first */
    size_t count;         /* at least 1 */
    size_t centre;        /* the line that is asked about */
} ns_window;

typedef struct ns_window_answer {
    float logit;                        /* log-odds that the centre line is evidence of failure */
    float cause[NS_CAUSE_COUNT];        /* probabilities, sum 1 */
    float vector[NS_WINDOW_VECTOR_MAX]; /* the window's embedding, vector_length values */
} ns_window_answer;

typedef struct ns_window_reader {
    void *self;
    ns_code_path code_path;
    size_t vector_length;
    /* n answers to n windows. Allocates nothing. */
    void (*read)(void *self, const ns_window *windows, size_t n, ns_window_answer *out);
    void (*free)(void *self);
} ns_window_reader;

#endif
