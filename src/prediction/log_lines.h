/*
 * A log as scorers see it: cleaned, numbered lines with their templates, and only those that may be read.
 *
 * The one way in which training and use read logs. Lines that give the outcome away, framing lines and everything
 * behind the build's end do not come out (status_lines.h). What comes out depends on the bytes alone, not on how they
 * were cut. Plain data of some 5 KiB, no allocation; may be copied.
 */
#ifndef NS_PREDICTION_LOG_LINES_H
#define NS_PREDICTION_LOG_LINES_H

#include "prediction/clean.h"
#include "prediction/template.h"

typedef struct ns_log_lines {
    ns_cleaner cleaner; /* cleaner.lines: lines ended so far, read or not */
    bool afterwards;    /* the build's end has been seen */
    char form[NS_TEMPLATE_MAX];
} ns_log_lines;

typedef struct ns_log_line {
    int64_t number; /* 1-based in the log, every line counted */
    ns_text text;   /* cleaned, behind its time stamps */
    ns_text form;   /* its template (template.h); never empty */
    uint64_t hash;  /* of form; never 0 */
} ns_log_line;

void ns_log_lines_init(ns_log_lines *lines);

/* The next readable line of *rest, which is moved behind it; *out is valid until the next call. False: *rest is used
 * up (a line not ended yet: ns_log_lines_open). */
bool ns_log_lines_next(ns_log_lines *lines, ns_text *rest, ns_log_line *out);

/* The line not ended yet as if it ended here; false when there is none or it is not to be read. */
bool ns_log_lines_open(const ns_log_lines *lines, ns_log_line *out, char form[NS_TEMPLATE_MAX]);

#endif
