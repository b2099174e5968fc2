/* "Did you mean": the nearest known name. */
#include "base/config_inner.h"

#include <string.h>

#define LONGEST 63

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: three rows of the usual table are enough. */
size_t ns_edit_distance(ns_text a, ns_text b)
{
    if (a.len > LONGEST || b.len > LONGEST)
        return SIZE_MAX;
    size_t rows[3][LONGEST + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= b.len; j++)
        last[j] = j;
    memcpy(before, last, sizeof rows[0]);
    for (size_t i = 1; i <= a.len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            const size_t change = a.at[i - 1] == b.at[j - 1] ? 0 : 1;
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + change);
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = last;
        last = now;
        now = free_row;
    }
    return last[b.len];
}

size_t ns_edit_limit(size_t len)
{
    return len <= 3 ? 1 : len <= 6 ? 2 : 3;
}

const char *ns_nearest_name(const char *wrong, const void *names, size_t count, ns_name_at *name_at)
{
    const ns_text text = ns_text_of(wrong);
    const char *best = NULL;
    size_t best_distance = ns_edit_limit(text.len) + 1;
    for (size_t i = 0; i < count; i++) {
        const char *name = name_at(names, i);
        const size_t distance = ns_edit_distance(text, ns_text_of(name));
        if (distance < best_distance) {
            best = name;
            best_distance = distance;
        }
    }
    return best;
}
