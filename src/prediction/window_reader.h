/*
 * The door of a reader of windows: a line of a log with those before it in, what it says about the build out.
 *
 * Used by the scorer thread. A window's answer depends on its lines alone, not on the others it is read with, to the
 * last bit on one code path. Neither function allocates.
 */
#ifndef NS_PREDICTION_WINDOW_READER_H
#define NS_PREDICTION_WINDOW_READER_H

#include "flow/prediction.h"
#include "prediction/window_tokens.h"

/* A window as the reader keeps it until it is read: lines may be gone by then. */
typedef struct ns_window_ids {
    int32_t at[NS_WINDOW_TOKENS];
    size_t count;
} ns_window_ids;

typedef struct ns_window_answer {
    float logit;                 /* log-odds that the line is evidence of failure */
    float cause[NS_CAUSE_COUNT]; /* probabilities, sum 1 */
} ns_window_answer;

typedef struct ns_window_reader {
    void *self;
    ns_code_path code_path;
    void (*prepare)(void *self, const ns_window *window, ns_window_ids *out);
    /* n answers to n windows of this reader's. */
    void (*read)(void *self, const ns_window_ids *const *windows, size_t n, ns_window_answer *out);
    void (*free)(void *self);
} ns_window_reader;

#endif
