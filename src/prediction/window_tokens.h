/*
 * A line and those before it as the tokens the encoder reads: one function for training and for use.
 *
 *     [CLS] line [SEP] before [SEP] before [SEP]
 *
 * The line that is asked about comes first, so that the model need not be told which it is; then the lines before it,
 * oldest first. The line gets most of the room, neighbours a share each; what is too long loses its end, and when room
 * is short the neighbours further away are left out first. Nothing behind the line is looked at: a window is decided
 * when its line is read, and what it says never changes while the log grows.
 */
#ifndef NS_PREDICTION_WINDOW_TOKENS_H
#define NS_PREDICTION_WINDOW_TOKENS_H

#include "prediction/wordpiece.h"

enum {
    NS_WINDOW_BEFORE = 2,       /* lines before, at most */
    NS_WINDOW_TOKENS = 64,      /* of a window at most */
    NS_WINDOW_LINE_PIECES = 36, /* of the line asked about */
    NS_WINDOW_NEAR_PIECES = 12, /* of a neighbour */
};

/* Templates (ns_log_line.form), oldest first; the last is asked about. */
typedef struct ns_window {
    const ns_text *lines;
    size_t count; /* at least 1; of more than 1 + NS_WINDOW_BEFORE only the last are looked at */
} ns_window;

typedef struct ns_window_marks {
    int32_t first, end, mask; /* [CLS], [SEP], [MASK] */
} ns_window_marks;

/* NS_BAD_INPUT: the vocabulary lacks one of them (told). */
NS_MUST_USE ns_status ns_window_marks_of(const ns_wordpiece *wordpiece, ns_window_marks *out, ns_error *err);

/* Returns how many ids were written, at most NS_WINDOW_TOKENS and `room`, which must be at least 8. Depends on nothing
 * but the lines; no allocation. */
size_t ns_window_tokens(const ns_wordpiece *wordpiece, const ns_window_marks *marks, const ns_window *window,
                        int32_t *ids, size_t room);

#endif
