#include "lab/visible.h"

#include "base/mem.h"
#include "prediction/clean.h"
#include "prediction/status_lines.h"

#include <string.h>

#define TEXT_MAX ((size_t)512 << 20)

void ns_visible_init(ns_visible *visible)
{
    *visible = (ns_visible){.lines = 0};
    ns_buf_init(&visible->text, TEXT_MAX);
}

void ns_visible_clear(ns_visible *visible)
{
    ns_buf_clear(&visible->text);
    ns_free(visible->end);
    ns_free(visible->raw_line);
    ns_visible_init(visible);
}

static ns_status make_room(ns_visible *visible)
{
    if (visible->lines < visible->room)
        return NS_OK;
    size_t room = visible->room == 0 ? 1024 : 2 * visible->room;
    uint32_t *end = ns_realloc(visible->end, room, sizeof end[0]);
    if (end == NULL)
        return NS_NO_MEMORY;
    visible->end = end;
    uint32_t *raw_line = ns_realloc(visible->raw_line, room, sizeof raw_line[0]);
    if (raw_line == NULL)
        return NS_NO_MEMORY;
    visible->raw_line = raw_line;
    visible->room = room;
    return NS_OK;
}

static ns_status put(ns_visible *visible, ns_text line, int64_t number)
{
    if (make_room(visible) != NS_OK || ns_buf_text(&visible->text, line) != NS_OK ||
        ns_buf_char(&visible->text, '\n') != NS_OK)
        return NS_NO_MEMORY;
    visible->end[visible->lines] = (uint32_t)visible->text.len;
    visible->raw_line[visible->lines++] = (uint32_t)number;
    return NS_OK;
}

/* Rules and brackets among the last lines are shown: they take a line of the time that is left. */
static bool closing(ns_text line)
{
    ns_text bare = ns_text_trim(ns_line_skip_stamps(line));
    ns_line_kind kind = ns_line_kind_of(bare);
    if (kind != NS_LINE_frame)
        return kind != NS_LINE_readable;
    for (size_t i = 0; i < bare.len; i++)
        if ((bare.at[i] >= 'a' && bare.at[i] <= 'z') || (bare.at[i] >= 'A' && bare.at[i] <= 'Z'))
            return true;
    return bare.len >= 20 && bare.at[0] == '-';
}

/* In place: only what stays is moved to the front. */
static void drop_closing_lines(ns_visible *visible)
{
    size_t from = visible->lines > NS_VISIBLE_TAIL ? visible->lines - NS_VISIBLE_TAIL : 0, kept = from;
    size_t len = from == 0 ? 0 : visible->end[from - 1], lines = visible->lines;
    size_t start = len;
    for (size_t i = from; i < lines; i++) {
        ns_text line = {visible->text.at + start, visible->end[i] - 1 - start};
        size_t next = visible->end[i];
        if (!closing(line)) {
            memmove(&visible->text.at[len], line.at, line.len + 1);
            len += line.len + 1;
            visible->end[kept] = (uint32_t)len;
            visible->raw_line[kept++] = visible->raw_line[i];
        }
        start = next;
    }
    visible->lines = kept;
    visible->text.len = len;
    if (visible->text.at != NULL)
        visible->text.at[len] = '\0';
}

static ns_status take_lines(ns_visible *visible, ns_text log)
{
    ns_cleaner cleaner;
    ns_text line;
    ns_cleaner_init(&cleaner);
    for (bool more = true; more;) {
        more = ns_cleaner_next(&cleaner, &log, &line);
        if (!more)
            line = ns_cleaner_open_line(&cleaner);
        ns_text bare = ns_text_trim(line);
        if (ns_text_starts(bare, "travis_fold:start:") && ns_line_kind_of(bare) == NS_LINE_afterwards)
            break;
        if (bare.len > 0 && put(visible, line, cleaner.lines + !more) != NS_OK)
            return NS_NO_MEMORY;
    }
    return NS_OK;
}

ns_status ns_visible_of(ns_visible *visible, ns_text log, ns_error *err)
{
    visible->lines = 0;
    ns_buf_reset(&visible->text);
    if (log.len > UINT32_MAX / 2)
        return ns_fail(err, NS_TOO_LARGE, "a log of %zu bytes is too large to be measured on", log.len);
    if (take_lines(visible, log) != NS_OK)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the lines of a log");
    drop_closing_lines(visible);
    return NS_OK;
}

ns_text ns_visible_first(const ns_visible *visible, size_t n)
{
    n = n < visible->lines ? n : visible->lines;
    return (ns_text){visible->text.at, n == 0 ? 0 : visible->end[n - 1]};
}
