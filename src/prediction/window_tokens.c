#include "prediction/window_tokens.h"

#include <string.h>

ns_status ns_window_marks_of(const ns_wordpiece *wordpiece, ns_window_marks *out, ns_error *err)
{
    const ns_window_marks marks = {.first = ns_wordpiece_id(wordpiece, "[CLS]"),
                                   .end = ns_wordpiece_id(wordpiece, "[SEP]"),
                                   .mask = ns_wordpiece_id(wordpiece, "[MASK]")};
    if (marks.first < 0 || marks.end < 0 || marks.mask < 0)
        return ns_fail(err, NS_BAD_INPUT, "the vocabulary has no %s; windows cannot be made with it",
                       marks.first < 0 ? "[CLS]"
                       : marks.end < 0 ? "[SEP]"
                                       : "[MASK]");
    *out = marks;
    return NS_OK;
}

/* Pieces of a neighbour. */
typedef struct neighbour {
    int32_t ids[NS_WINDOW_NEAR_PIECES];
    size_t count;
} neighbour;

size_t ns_window_tokens(const ns_wordpiece *wordpiece, const ns_window_marks *marks, const ns_window *window,
                        int32_t *ids, size_t room)
{
    NS_CHECK(window->count > 0 && room >= 8);
    const ns_text *centre = &window->lines[window->count - 1];
    room = room < NS_WINDOW_TOKENS ? room : NS_WINDOW_TOKENS;
    const size_t line_room = room - 2 < NS_WINDOW_LINE_PIECES ? room - 2 : NS_WINDOW_LINE_PIECES;
    neighbour before[NS_WINDOW_BEFORE]; /* nearest first */
    size_t at = 0, taken = 0;
    ids[at++] = marks->first;
    at += ns_wordpiece_encode(wordpiece, *centre, ids + at, line_room);
    ids[at++] = marks->end;
    for (size_t left = room - at; taken < NS_WINDOW_BEFORE && taken + 1 < window->count; taken++) {
        neighbour *n = &before[taken];
        n->count = ns_wordpiece_encode(wordpiece, *(centre - 1 - taken), n->ids, NS_WINDOW_NEAR_PIECES);
        if (n->count + 1 > left)
            break;
        left -= n->count + 1;
    }
    while (taken-- > 0) {
        memcpy(ids + at, before[taken].ids, before[taken].count * sizeof *ids);
        at += before[taken].count;
        ids[at++] = marks->end;
    }
    return at;
}
