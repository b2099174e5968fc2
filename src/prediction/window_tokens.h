/*
 * A line and its neighbours as the tokens the encoder reads: one function for training and for use.
 *
 *     [CLS] line [SEP] before [SEP] before [SEP] [SEP] after [SEP] ...
 *
 * The line that is asked about comes first, so that the model need not be told which it is; then the lines before it,
 * oldest first, an empty one, and the lines behind it. The line gets most of the room, neighbours a share each; what is
 * too long loses its end, and when room is short the neighbours further away are left out first.
 */
#ifndef NS_PREDICTION_WINDOW_TOKENS_H
#define NS_PREDICTION_WINDOW_TOKENS_H

#include "prediction/wordpiece.h"

enum {
    NS_WINDOW_TOKENS = 128,       /* of a window at most */
    NS_WINDOW_LINE_PIECES = 64,   /* of the line asked about */
    NS_WINDOW_NEAR_PIECES = 24,   /* of a neighbour */
    NS_WINDOW_NEIGHBOURS_MAX = 8, /* more on one side are not looked at */
};

typedef struct ns_window_marks {
    int32_t first, end, mask; /* [CLS], [SEP], [MASK] */
} ns_window_marks;

/* NS_BAD_INPUT: the vocabulary lacks one of them (told). */
NS_MUST_USE ns_status ns_window_marks_of(const ns_wordpiece *wordpiece, ns_window_marks *out, ns_error *err);

/*
 * lines: templates (ns_log_line.form), oldest first; centre: the one asked about. Returns how many ids were written, at
 * most NS_WINDOW_TOKENS and `room`, which must be at least 8. Depends on nothing but the lines; no allocation.
 */
size_t ns_window_tokens(const ns_wordpiece *wordpiece, const ns_window_marks *marks, const ns_text *lines, size_t count,
                        size_t centre, int32_t *ids, size_t room);

#endif
