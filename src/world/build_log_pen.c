#include "world/build_log_pen.h"

#include "base/clock.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ns_pen_init(ns_pen *pen, const ns_build_plan *plan, const ns_log_style *style, ns_log_text *log)
{
    *pen = (ns_pen){.plan = plan, .style = *style, .log = log};
    ns_buf_init(&pen->passage, NS_LOG_BYTES_MAX);
}

void ns_pen_clear(ns_pen *pen)
{
    ns_buf_clear(&pen->passage);
    ns_free(pen->line);
    pen->line = NULL;
}

void ns_pen_seed(ns_pen *pen, const char *name, int n)
{
    char stream[64];
    (void)snprintf(stream, sizeof stream, "%s %d", name, n);
    ns_rng_seed_named(&pen->rng, pen->plan->text_seed, stream);
}

int ns_pen_below(ns_pen *pen, int n)
{
    return n <= 1 ? 0 : (int)ns_rng_below(&pen->rng, (uint64_t)n);
}

int ns_pen_between(ns_pen *pen, int low, int high)
{
    return low + ns_pen_below(pen, high - low + 1);
}

bool ns_pen_chance(ns_pen *pen, double probability)
{
    return ns_rng_uniform(&pen->rng) < probability;
}

void ns_pen_pause(ns_pen *pen, double lines)
{
    pen->weight[pen->branch] += lines;
}

void ns_pen_branch(ns_pen *pen, int branch, const char *prefix)
{
    NS_CHECK(branch >= 0 && branch < NS_PEN_BRANCHES);
    pen->branch = branch;
    pen->prefix[branch] = prefix;
}

static bool line_room(ns_pen *pen)
{
    if (pen->count < pen->room)
        return true;
    size_t room = pen->room == 0 ? 256 : pen->room * 2;
    ns_pen_line_at *grown =
        pen->count >= NS_LOG_LINES_MAX ? NULL : (ns_pen_line_at *)ns_realloc(pen->line, room, sizeof *grown);
    if (grown == NULL) {
        pen->failed = true;
        return false;
    }
    pen->line = grown;
    pen->room = room;
    return true;
}

/* Takes what was appended to the passage since `at` as one line. */
static void line_done(ns_pen *pen, size_t at)
{
    if (pen->passage.failed || !line_room(pen)) {
        pen->failed = true;
        return;
    }
    double *weight = &pen->weight[pen->branch];
    pen->line[pen->count] = (ns_pen_line_at){
        .at = at, .len = pen->passage.len - at, .before = *weight, .order = pen->count, .branch = pen->branch};
    pen->count++;
    *weight += ns_rng_exponential(&pen->rng, 1.0);
}

void ns_pen_raw(ns_pen *pen, const char *line)
{
    size_t at = pen->passage.len;
    if (pen->branch != 0)
        (void)ns_buf_printf(&pen->passage, "[%s] ", pen->prefix[pen->branch]);
    (void)ns_buf_string(&pen->passage, line);
    line_done(pen, at);
}

void ns_pen_line(ns_pen *pen, const char *format, ...)
{
    char text[NS_LOG_LINE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ns_pen_raw(pen, text);
}

static int by_time(const void *a, const void *b)
{
    const ns_pen_line_at *x = (const ns_pen_line_at *)a, *y = (const ns_pen_line_at *)b;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static bool mark_room(ns_log_text *log)
{
    if (log->count < log->room)
        return true;
    size_t room = log->room == 0 ? 512 : log->room * 2;
    ns_log_mark *grown =
        log->count >= NS_LOG_LINES_MAX ? NULL : (ns_log_mark *)ns_realloc(log->mark, room, sizeof *grown);
    if (grown == NULL)
        return false;
    log->mark = grown;
    log->room = room;
    return true;
}

void ns_pen_put(ns_pen *pen, ns_text line, int64_t at_ms)
{
    ns_log_text *log = pen->log;
    (void)ns_buf_text(&log->text, line);
    (void)ns_buf_char(&log->text, '\n');
    if (log->text.failed || !mark_room(log)) {
        pen->failed = true;
        return;
    }
    log->mark[log->count++] = (ns_log_mark){at_ms, log->text.len};
}

static void put_line(ns_pen *pen, const ns_pen_line_at *line)
{
    if (pen->style.stamps) {
        char stamp[NS_TIME_TEXT_MAX];
        (void)ns_buf_printf(&pen->log->text, "[%s] ", ns_time_text(line->at_ms, stamp));
    }
    ns_pen_put(pen, (ns_text){pen->passage.at + line->at, line->len}, line->at_ms);
}

void ns_pen_flush(ns_pen *pen, int64_t from_ms, int64_t to_ms)
{
    double span = to_ms > from_ms ? (double)(to_ms - from_ms) : 0.0;
    for (size_t i = 0; i < pen->count; i++) {
        ns_pen_line_at *line = &pen->line[i];
        double whole = pen->weight[line->branch];
        line->at_ms = from_ms + (whole > 0.0 ? (int64_t)(span * (line->before / whole) * 0.9999) : 0);
    }
    /* With parallel branches the main one's lines frame them; equal times keep the order of writing. */
    if (pen->count > 1)
        qsort(pen->line, pen->count, sizeof *pen->line, by_time);
    for (size_t i = 0; i < pen->count && !pen->failed; i++)
        put_line(pen, &pen->line[i]);
    pen->count = 0;
    ns_buf_reset(&pen->passage);
    for (int b = 0; b < NS_PEN_BRANCHES; b++)
        pen->weight[b] = 0.0;
    ns_pen_branch(pen, 0, "");
}

const char *ns_log_type_name(const char *service, char out[NS_NAME_MAX])
{
    size_t n = 0;
    bool upper = true;
    for (const char *c = service; *c != '\0' && n + 1 < NS_NAME_MAX; c++) {
        if (isalnum((unsigned char)*c) == 0) {
            upper = true;
            continue;
        }
        out[n++] = (char)(upper ? toupper((unsigned char)*c) : *c);
        upper = false;
    }
    out[n] = '\0';
    return out;
}
