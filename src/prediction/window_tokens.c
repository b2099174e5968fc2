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

typedef struct side {
    neighbour lines[NS_WINDOW_NEIGHBOURS_MAX]; /* nearest first */
    size_t count;
} side;

/* Takes line `at` if it still fits. */
static bool take(side *to, const ns_wordpiece *wordpiece, ns_text line, size_t *left)
{
    if (to->count == NS_WINDOW_NEIGHBOURS_MAX)
        return false;
    neighbour *n = &to->lines[to->count];
    n->count = ns_wordpiece_encode(wordpiece, line, n->ids, NS_WINDOW_NEAR_PIECES);
    if (n->count + 1 > *left)
        return false;
    *left -= n->count + 1;
    to->count++;
    return true;
}

static size_t put(int32_t *ids, size_t at, const neighbour *n, int32_t end)
{
    memcpy(ids + at, n->ids, n->count * sizeof *ids);
    ids[at + n->count] = end;
    return at + n->count + 1;
}

size_t ns_window_tokens(const ns_wordpiece *wordpiece, const ns_window_marks *marks, const ns_text *lines, size_t count,
                        size_t centre, int32_t *ids, size_t room)
{
    NS_CHECK(centre < count && room >= 8);
    room = room < NS_WINDOW_TOKENS ? room : NS_WINDOW_TOKENS;
    const size_t line_room = room - 3 < NS_WINDOW_LINE_PIECES ? room - 3 : NS_WINDOW_LINE_PIECES;
    size_t at = 0;
    ids[at++] = marks->first;
    at += ns_wordpiece_encode(wordpiece, lines[centre], ids + at, line_room);
    ids[at++] = marks->end;

    size_t left = room - at - 1; /* 1: the empty line between before and after */
    side before = {.count = 0}, after = {.count = 0};
    bool before_open = true, after_open = true;
    for (size_t far = 1; before_open || after_open; far++) {
        before_open = before_open && far <= centre && take(&before, wordpiece, lines[centre - far], &left);
        after_open = after_open && centre + far < count && take(&after, wordpiece, lines[centre + far], &left);
    }
    for (size_t i = before.count; i-- > 0;)
        at = put(ids, at, &before.lines[i], marks->end);
    if (after.count > 0)
        ids[at++] = marks->end;
    for (size_t i = 0; i < after.count; i++)
        at = put(ids, at, &after.lines[i], marks->end);
    return at;
}
