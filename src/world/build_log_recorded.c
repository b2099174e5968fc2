#include "world/build_log_recorded.h"

#include "base/clock.h"
#include "base/mem.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NO_LOG SIZE_MAX

enum { TEXT_CEILING = 8 << 20, AGENT_MAX = 64, COMMIT_DIGITS = 40 };

/* ---- which log ----------------------------------------------------------------------------------------------------
 */

/* Tools whose projects may stand for a language, nearest first. */
static const char *const tools[3][6] = {
    [NS_LANGUAGE_java] = {"maven", "gradle", "ant", "cmake", "make", NULL},
    [NS_LANGUAGE_go] = {"go", "cargo", "meson", "cmake", "make", NULL},
    [NS_LANGUAGE_node] = {"npm", "php", "ruby", "python", "perl", NULL},
};

static int distance(ns_language language, const char *tool)
{
    int i = 0;
    while (tools[language][i] != NULL && strcmp(tools[language][i], tool) != 0)
        i++;
    return i;
}

typedef struct wanted {
    ns_cause cause;
    ptrdiff_t project; /* -1 any */
    const char *tool;  /* NULL any */
} wanted;

static bool fits(const ns_recorded_log *log, const wanted *w)
{
    return log->cause == w->cause && (w->project < 0 || log->project == (size_t)w->project) &&
           (w->tool == NULL || strcmp(log->tool, w->tool) == 0) && (log->cause == NS_CAUSE_none || log->fault_line > 0);
}

/* One of those that fit, the same for the same draw; NO_LOG: none does. */
static size_t pick(const ns_recorded_logs *logs, const wanted *w, uint64_t draw)
{
    ns_recorded_log log;
    size_t n = 0, found = NO_LOG;
    for (size_t i = 0; i < logs->count; i++) {
        logs->at(logs->self, i, &log);
        n += fits(&log, w);
    }
    size_t nth = n == 0 ? 0 : (size_t)(draw % n) + 1;
    for (size_t i = 0; nth > 0 && i < logs->count; i++) {
        logs->at(logs->self, i, &log);
        if (fits(&log, w) && --nth == 0)
            found = i;
    }
    return found;
}

/* The recorded project for which this pipeline stands: one of the nearest tool, by the job's name. */
static ptrdiff_t project_of(const ns_recorded_logs *logs, const ns_build_plan *plan)
{
    uint64_t job = ns_hash(ns_text_of(plan->jenkins_job));
    for (int near = 0; tools[plan->language][near] != NULL; near++) {
        ptrdiff_t last = -1;
        size_t n = 0;
        size_t candidates[64];
        for (size_t i = 0; i < logs->count && n < NS_COUNT_OF(candidates); i++) {
            ns_recorded_log log;
            logs->at(logs->self, i, &log);
            if (log.cause != NS_CAUSE_none || (ptrdiff_t)log.project == last ||
                distance(plan->language, log.tool) != near)
                continue;
            last = (ptrdiff_t)log.project;
            candidates[n++] = log.project;
        }
        if (n > 0)
            return (ptrdiff_t)candidates[(job >> 8) % n];
    }
    return -1;
}

bool ns_log_recorded_has(const ns_recorded_logs *logs, const ns_build_plan *plan)
{
    return logs->count > 0 && project_of(logs, plan) >= 0;
}

static uint64_t draw_of(const ns_build_plan *plan, ns_cause cause)
{
    /* What is wrong with a commit is wrong with it in every build of it. */
    bool code = cause == NS_CAUSE_compile_error || cause == NS_CAUSE_test_failure || cause == NS_CAUSE_dependency ||
                cause == NS_CAUSE_config;
    return (code ? ns_hash(ns_text_of(plan->commit)) : plan->text_seed) >> 8;
}

static size_t own_log(const ns_recorded_logs *logs, const ns_build_plan *plan, ns_cause cause)
{
    wanted w = {.cause = cause, .project = project_of(logs, plan)};
    return w.project < 0 ? NO_LOG : pick(logs, &w, draw_of(plan, cause));
}

/* One of this cause: of the pipeline's own project, else of the nearest tool, else of any. */
static size_t failing_log(const ns_recorded_logs *logs, const ns_build_plan *plan, ns_cause cause)
{
    size_t found = own_log(logs, plan, cause);
    for (int near = 0; found == NO_LOG && tools[plan->language][near] != NULL; near++) {
        wanted w = {.cause = cause, .project = -1, .tool = tools[plan->language][near]};
        found = pick(logs, &w, draw_of(plan, cause));
    }
    return found != NO_LOG ? found : pick(logs, &(wanted){.cause = cause, .project = -1}, draw_of(plan, cause));
}

/* The log that a build bound to fail prints as a whole; NO_LOG: it prints a green one first. */
static size_t expected_log(const ns_recorded_logs *logs, const ns_build_plan *plan)
{
    return plan->expected == NS_CAUSE_none ? NO_LOG : own_log(logs, plan, plan->expected);
}

/* ---- its lines ----------------------------------------------------------------------------------------------------
 */

typedef struct recording {
    ns_buf text;
    ns_text *line;
    double *at_s; /* of each line */
    size_t count;
    size_t first; /* the first that is printed: before it stands who started the build */
    size_t stage; /* where the stage of the fault begins */
    size_t step;  /* where its step begins */
    size_t fault; /* == tail: none */
    size_t tail;  /* the first that is printed when the build has ended */
    char agent[AGENT_MAX];
    char commit[COMMIT_DIGITS + 1];
} recording;

static void close_recording(recording *r)
{
    ns_buf_clear(&r->text);
    ns_free(r->line);
    ns_free(r->at_s);
}

/* "[2026-11-24T02:46:17.123Z] " or "02:46:17 " in front of a line; 0 none. */
static size_t stamp_length(ns_text line)
{
    static const char *const forms[] = {"[9999-99-99T99:99:99.999Z] ", "99:99:99 "};
    for (size_t f = 0; f < NS_COUNT_OF(forms); f++) {
        size_t n = strlen(forms[f]), i = 0;
        while (i < n && i < line.len &&
               (forms[f][i] == '9' ? isdigit((unsigned char)line.at[i]) != 0 : forms[f][i] == line.at[i]))
            i++;
        if (i == n)
            return n;
    }
    return 0;
}

static ns_text bare(ns_text line)
{
    size_t stamp = stamp_length(line);
    return (ns_text){line.at + stamp, line.len - stamp};
}

static bool split_lines(recording *r)
{
    size_t n = 1;
    for (size_t i = 0; i < r->text.len; i++)
        n += r->text.at[i] == '\n';
    r->line = NS_NEW_ARRAY(ns_text, n);
    r->at_s = NS_NEW_ARRAY(double, n);
    ns_text rest = ns_buf_view(&r->text);
    while (r->line != NULL && r->at_s != NULL && r->count < n && ns_text_line(&rest, &r->line[r->count]))
        r->count++;
    return r->line != NULL && r->at_s != NULL;
}

/* Straight between the recorded points; as many seconds as lines where none are known. */
static void take_times(recording *r, const ns_recorded_log *log)
{
    size_t k = 0;
    for (size_t i = 0; i < r->count; i++) {
        double number = (double)(i + 1);
        if (log->time_count == 0) {
            r->at_s[i] = number;
            continue;
        }
        while (k + 1 < log->time_count && log->times[2 * (k + 1)] <= number)
            k++;
        const double *here = &log->times[2 * k];
        bool between = k + 1 < log->time_count && here[0] < number;
        r->at_s[i] = here[1] + (between ? (here[3] - here[1]) * (number - here[0]) / (here[2] - here[0]) : 0.0);
    }
}

static void find_agent_and_commit(recording *r)
{
    static const char *const words[] = {"Running on ", "Building remotely on ", "Building on "};
    for (size_t i = 0; i < r->count && i < 200; i++) {
        ns_text line = bare(r->line[i]);
        for (size_t k = 0; k < NS_COUNT_OF(words) && r->agent[0] == '\0'; k++) {
            if (!ns_text_starts(line, words[k]))
                continue;
            ns_text name = {line.at + strlen(words[k]), line.len - strlen(words[k])};
            ptrdiff_t end = ns_text_find(name, " ");
            name.len = end > 0 ? (size_t)end : 0;
            (void)ns_text_copy(r->agent, sizeof r->agent, name);
        }
        static const char out[] = "Checking out Revision ";
        if (ns_text_starts(line, out) && line.len >= sizeof out - 1 + COMMIT_DIGITS)
            (void)ns_text_copy(r->commit, sizeof r->commit, (ns_text){line.at + sizeof out - 1, COMMIT_DIGITS});
    }
}

/* Who started it is told by the world's own lines. */
static size_t after_the_start(const recording *r)
{
    static const char *const starts[] = {"Started ", " Started ", "Push event", "Replayed ", "originally "};
    for (size_t i = 0; i < r->count; i++) {
        bool told = false;
        for (size_t k = 0; k < NS_COUNT_OF(starts); k++)
            told |= ns_text_starts(bare(r->line[i]), starts[k]);
        if (!told)
            return i;
    }
    return r->count;
}

static void find_places(recording *r, int64_t fault_line)
{
    enum { NEAR_THE_END = 12 };
    r->first = after_the_start(r);
    r->tail = r->count > 0 ? r->count - 1 : 0;
    for (size_t i = r->count; i-- > r->first && i + NEAR_THE_END > r->count;)
        if (ns_text_starts(bare(r->line[i]), "[Pipeline] // node"))
            r->tail = i;
    r->fault = fault_line > 0 ? (size_t)fault_line - 1 : r->tail;
    if (r->fault >= r->tail && fault_line > 0)
        r->tail = r->fault + 1 < r->count ? r->fault + 1 : r->count;
    if (r->fault < r->first)
        r->fault = r->first;
    r->stage = r->step = r->first;
    for (size_t i = r->first; i < r->fault; i++) {
        ns_text line = bare(r->line[i]);
        if (ns_text_starts(line, "[Pipeline] stage"))
            r->stage = r->step = i;
        else if (ns_text_starts(line, "[Pipeline] sh") || ns_text_starts(line, "[Pipeline] checkout"))
            r->step = i;
    }
}

static bool open_recording(recording *r, const ns_recorded_logs *logs, size_t i)
{
    ns_recorded_log log;
    ns_error err;
    *r = (recording){0};
    ns_buf_init(&r->text, TEXT_CEILING);
    logs->at(logs->self, i, &log);
    if (logs->read(logs->self, i, &r->text, &err) != NS_OK || !split_lines(r) || r->count == 0) {
        close_recording(r);
        return false;
    }
    take_times(r, &log);
    find_agent_and_commit(r);
    find_places(r, log.cause == NS_CAUSE_none ? -1 : log.fault_line);
    return true;
}

/* ---- printing -----------------------------------------------------------------------------------------------------
 */

/* The recorded agent and commit become the build's own. */
static void put_text(ns_buf *out, const recording *r, const ns_build_plan *plan, ns_text line)
{
    while (line.len > 0) {
        ptrdiff_t agent = r->agent[0] == '\0' ? -1 : ns_text_find(line, r->agent);
        ptrdiff_t commit = r->commit[0] == '\0' ? -1 : ns_text_find(line, r->commit);
        bool first = agent >= 0 && (commit < 0 || agent < commit);
        ptrdiff_t at = first ? agent : commit;
        if (at < 0)
            break;
        size_t taken = (size_t)at + strlen(first ? r->agent : r->commit);
        (void)ns_buf_put(out, line.at, (size_t)at);
        (void)ns_buf_string(out, first ? plan->agent : plan->commit);
        line = (ns_text){line.at + taken, line.len - taken};
    }
    (void)ns_buf_text(out, line);
}

static void print_line(ns_pen *pen, const recording *r, size_t i, int64_t at_ms)
{
    const ns_build_plan *plan = pen->plan;
    ns_text line = r->line[i];
    size_t stamp = stamp_length(line);
    char now[NS_TIME_TEXT_MAX];
    (void)ns_time_text(at_ms, now); /* 2026-11-23T22:40:01.123Z */
    ns_buf *out = &pen->passage;
    ns_buf_reset(out);
    if (stamp > 0)
        (void)(line.at[0] == '[' ? ns_buf_printf(out, "[%s] ", now) : ns_buf_printf(out, "%.8s ", now + 11));
    line = bare(line);
    if (i >= r->tail && ns_text_starts(line, "Finished: "))
        (void)ns_buf_printf(out, "Finished: %s", ns_build_result_name(plan->result));
    else
        put_text(out, r, plan, line);
    if (out->failed)
        pen->failed = true;
    else
        ns_pen_put(pen, ns_buf_view(out), at_ms);
    ns_buf_reset(out);
}

/* Lines low..high - 1 from from_ms to to_ms, by their recorded times; all at once in the record: evenly. */
static void print_lines(ns_pen *pen, const recording *r, size_t low, size_t high, int64_t from_ms, int64_t to_ms)
{
    if (low >= high)
        return;
    double span_s = r->at_s[high - 1] - r->at_s[low];
    double span_ms = to_ms > from_ms ? (double)(to_ms - from_ms) * 0.999 : 0.0;
    for (size_t i = low; i < high && !pen->failed; i++) {
        double share = span_s > 0.0 ? (r->at_s[i] - r->at_s[low]) / span_s : (double)(i - low) / (double)(high - low);
        print_line(pen, r, i, from_ms + (int64_t)(span_ms * share));
    }
}

/* The share of a build that is over when stage `kind` begins. */
static double over_before(ns_stage_kind kind)
{
    static const double shares[] = {
#define STAGE_SHARE(name, title, share) share,
        NS_STAGE_MAP(STAGE_SHARE)
#undef STAGE_SHARE
    };
    double sum = 0.0;
    for (unsigned k = 0; k < (unsigned)kind; k++)
        sum += shares[k];
    return sum;
}

/* The first of lines first..end whose time is at or after this share of the time up to end. */
static size_t line_at_share(const recording *r, size_t end, double share)
{
    size_t i = r->first;
    double from = i < r->count ? r->at_s[i] : 0.0, to = end > r->first ? r->at_s[end - 1] : from;
    double at_s = from + share * (to - from);
    while (i < end && r->at_s[i] < at_s)
        i++;
    return i;
}

/* What a stage prints of lines first..end, which are spread over the stages before `until`. */
static void span_of_stage(const recording *r, size_t end, ns_stage_kind kind, unsigned until, size_t *low, size_t *high)
{
    double whole = over_before((ns_stage_kind)until);
    *low = kind == NS_STAGE_checkout ? r->first : line_at_share(r, end, over_before(kind) / whole);
    *high = (unsigned)kind + 1 >= until ? end : line_at_share(r, end, over_before((ns_stage_kind)(kind + 1)) / whole);
}

/* When the fault becomes visible in a stage that fails. */
static int64_t fault_ms(const recording *r, const ns_build_plan *plan, const ns_plan_stage *stage)
{
    double from = r->at_s[r->first], whole = r->at_s[r->count - 1] - from;
    double left = whole > 0.0 ? (r->at_s[r->count - 1] - r->at_s[r->fault]) / whole : 0.0;
    int64_t at_ms = stage->end_ms - (int64_t)(left * (double)(stage->end_ms - plan->started_ms));
    return at_ms < stage->start_ms ? stage->start_ms : at_ms;
}

static void good_stage(ns_pen *pen, const ns_recorded_logs *logs, size_t log, size_t i, int64_t until_ms)
{
    const ns_plan_stage *stage = &pen->plan->stage[i];
    bool bound_to_fail = log != NO_LOG && stage->kind < pen->plan->expected_stage;
    recording r;
    if (!open_recording(&r, logs, bound_to_fail ? log : own_log(logs, pen->plan, NS_CAUSE_none)))
        return;
    size_t low, high;
    span_of_stage(&r, bound_to_fail ? r.stage : r.tail, stage->kind,
                  bound_to_fail ? (unsigned)pen->plan->expected_stage : NS_STAGE_KINDS, &low, &high);
    size_t lines = pen->log->count;
    print_lines(pen, &r, low, high, stage->start_ms, stage->end_ms);
    while (pen->log->count > lines && pen->log->mark[pen->log->count - 1].at_ms > until_ms) {
        pen->log->count--;
        pen->log->text.len = pen->log->count == 0 ? 0 : pen->log->mark[pen->log->count - 1].end;
    }
    close_recording(&r);
}

/* A stage that fails though the build was not bound to, or of something else: a green log up to the fault. */
static bool surprise(ns_pen *pen, const ns_recorded_logs *logs, size_t expected, size_t i)
{
    const ns_plan_stage *stage = &pen->plan->stage[i];
    size_t log = failing_log(logs, pen->plan, stage->cause);
    recording r;
    bool found = log != NO_LOG && open_recording(&r, logs, log);
    int64_t at_ms = found ? fault_ms(&r, pen->plan, stage) : stage->evidence_ms;
    good_stage(pen, logs, expected, i, at_ms);
    if (!found)
        return false;
    print_lines(pen, &r, r.step, r.tail, at_ms, stage->end_ms);
    close_recording(&r);
    return true;
}

bool ns_log_recorded_stage(ns_pen *pen, const ns_recorded_logs *logs, size_t i)
{
    const ns_build_plan *plan = pen->plan;
    const ns_plan_stage *stage = &plan->stage[i];
    size_t expected = expected_log(logs, plan);
    if (stage->cause == NS_CAUSE_none) {
        good_stage(pen, logs, expected, i, INT64_MAX);
        return true;
    }
    recording r;
    bool as_expected = stage->cause == plan->expected && stage->kind == plan->expected_stage;
    if (expected == NO_LOG || !as_expected || !open_recording(&r, logs, expected))
        return surprise(pen, logs, expected, i);
    int64_t at_ms = fault_ms(&r, plan, stage);
    print_lines(pen, &r, r.stage, r.fault, stage->start_ms, at_ms);
    print_lines(pen, &r, r.fault, r.tail, at_ms, stage->end_ms);
    close_recording(&r);
    return true;
}

bool ns_log_recorded_end(ns_pen *pen, const ns_recorded_logs *logs)
{
    const ns_build_plan *plan = pen->plan;
    const ns_plan_stage *last = plan->stage_count == 0 ? NULL : &plan->stage[plan->stage_count - 1];
    bool cut = last == NULL || plan->ended_ms < last->end_ms;
    bool failing = !cut && last->cause != NS_CAUSE_none;
    if (plan->stopped_by[0] != '\0' && cut)
        return false;
    size_t expected = expected_log(logs, plan), log;
    if (plan->agent_lost && cut)
        log = failing_log(logs, plan, NS_CAUSE_agent_lost);
    else if (failing && last->cause == plan->expected && last->kind == plan->expected_stage && expected != NO_LOG)
        log = expected;
    else if (failing)
        log = failing_log(logs, plan, last->cause);
    else
        log = own_log(logs, plan, NS_CAUSE_none);
    recording r;
    if (log == NO_LOG || !open_recording(&r, logs, log))
        return false;
    int64_t closed_ms = plan->closed_ms > plan->ended_ms ? plan->closed_ms : plan->ended_ms;
    print_lines(pen, &r, plan->agent_lost && cut ? r.fault : r.tail, r.count, plan->ended_ms, closed_ms);
    close_recording(&r);
    return true;
}
