/*
 * The pen with which build logs are written: lines first, their times after.
 *
 * Text is composed in passages. Within a passage each line costs a random amount of time; ns_pen_flush spreads the
 * passage over a span of world time, sorts parallel branches into each other, puts time stamps in front where the build
 * has them and appends all to the log. Internal to build_log*.c. One thread at a time.
 */
#ifndef NS_WORLD_BUILD_LOG_PEN_H
#define NS_WORLD_BUILD_LOG_PEN_H

#include "base/rng.h"
#include "base/text.h"
#include "world/build_plan.h"

#define NS_PEN_BRANCHES   3
#define NS_LOG_BYTES_MAX  (16u << 20)
#define NS_LOG_LINES_MAX  400000u
#define NS_LOG_LINE_BYTES 12288 /* longer lines are cut */

/* How a build's log looks as a whole; drawn once per build. */
typedef struct ns_log_style {
    bool stamps;   /* every line begins with [2026-11-23T22:40:01.123Z] */
    bool colour;   /* tools print ANSI colours */
    bool progress; /* progress bars that rewrite their line with carriage returns */
    bool parallel; /* unit and integration tests run in parallel branches */
    bool verbose;  /* debug output, with very long lines */
    double scale;  /* length against the usual, log-normal */
} ns_log_style;

/* A line of the finished log: it ends before byte `end` and is printed at at_ms. */
typedef struct ns_log_mark {
    int64_t at_ms;
    size_t end;
} ns_log_mark;

typedef struct ns_log_text {
    ns_buf text;
    ns_log_mark *mark;
    size_t count;
    size_t room;
    bool failed; /* memory or a ceiling: the text is not whole */
} ns_log_text;

typedef struct ns_pen_line_at {
    size_t at, len;
    double before; /* weight of the branch before this line */
    int64_t at_ms;
    size_t order;
    int branch;
} ns_pen_line_at;

typedef struct ns_pen {
    const ns_build_plan *plan;
    ns_log_style style;
    ns_rng rng;
    ns_log_text *log;
    ns_buf passage;
    ns_pen_line_at *line;
    size_t count;
    size_t room;
    int branch; /* 0: no prefix */
    const char *prefix[NS_PEN_BRANCHES];
    double weight[NS_PEN_BRANCHES];
    bool failed;
} ns_pen;

void ns_pen_init(ns_pen *pen, const ns_build_plan *plan, const ns_log_style *style, ns_log_text *log);
void ns_pen_clear(ns_pen *pen);
/* Starts a stream of chance of its own. */
void ns_pen_seed(ns_pen *pen, const char *name, int n);

/* One line, without its line end. */
void ns_pen_line(ns_pen *pen, const char *format, ...) NS_PRINTF(2, 3);
/* A line as it is. */
void ns_pen_raw(ns_pen *pen, const char *line);
/* Time passes before the next line: about as much as `lines` usual lines take. */
void ns_pen_pause(ns_pen *pen, double lines);
/* Following lines belong to this branch; 0 is the main one. */
void ns_pen_branch(ns_pen *pen, int branch, const char *prefix);
/* Spreads what was written since the last flush over from_ms <= t < to_ms (all at from_ms when to_ms <= from_ms). The
 * first line stands at from_ms. */
void ns_pen_flush(ns_pen *pen, int64_t from_ms, int64_t to_ms);

/* Appends one line to the log as it is: no passage, no stamp, no branch. at_ms must not be before the line above. */
void ns_pen_put(ns_pen *pen, ns_text line, int64_t at_ms);

int ns_pen_below(ns_pen *pen, int n);                /* 0..n-1 */
int ns_pen_between(ns_pen *pen, int low, int high);  /* low..high */
bool ns_pen_chance(ns_pen *pen, double probability); /* true with this probability */
#define NS_PEN_PICK(pen, list) ((list)[ns_pen_below((pen), (int)NS_COUNT_OF(list))])

/* The service's name as a type name: "QueueMaster"; into out. */
const char *ns_log_type_name(const char *service, char out[NS_NAME_MAX]);

/* A stage's usual output of about `lines` lines, from its beginning (begin) on; never anything that is not survived. */
void ns_log_body(ns_pen *pen, const ns_plan_stage *stage, int lines, bool begin);
/* How many lines a stage usually has. */
int ns_log_usual_lines(ns_language language, ns_stage_kind kind);
/* The stage's own good end: summaries. */
void ns_log_good_end(ns_pen *pen, const ns_plan_stage *stage);
/* Failures that are survived. */
void ns_log_survived(ns_pen *pen, const ns_plan_stage *stage);
/* The telling lines; then, at the stage's end, what the tool says as it gives up. */
void ns_log_evidence(ns_pen *pen, const ns_plan_stage *stage);
void ns_log_bad_end(ns_pen *pen, const ns_plan_stage *stage);
/* The exit status of the failing step. */
int ns_log_exit_status(const ns_plan_stage *stage);
/* The command of a stage, as `+ command` shows it. */
const char *ns_log_command(ns_language language, ns_stage_kind kind);

/* A test of the service, the same ones in every build of it: "CartControllerTest" / "addsItem". */
typedef struct ns_log_test {
    const char *group;
    const char *name;
} ns_log_test;
ns_log_test ns_log_some_test(ns_pen *pen);

#endif
