/*
 * Console bytes to clean lines, while the log grows.
 *
 * Terminal codes, Jenkins' hidden console notes and other control bytes go, of a line redrawn with carriage returns the
 * last drawing stays, time stamps in front are skipped, bad UTF-8 is passed through. What comes out depends on the
 * bytes alone, not on how they were cut into pieces. Plain data, no allocation.
 */
#ifndef NS_PREDICTION_CLEAN_H
#define NS_PREDICTION_CLEAN_H

#include "base/text.h"

#define NS_MARK_MAX 64
#define NS_LINE_MAX 4096 /* bytes of a cleaned line that are kept; the rest of it is passed over */

typedef enum ns_clean_state {
    NS_CLEAN_text,
    NS_CLEAN_escape,
    NS_CLEAN_charset,
    NS_CLEAN_csi,
    NS_CLEAN_osc,
    NS_CLEAN_osc_escape,
    NS_CLEAN_note_head, /* behind ESC[8m: "ha:" makes it a console note */
    NS_CLEAN_note,
    NS_CLEAN_note_escape,
    NS_CLEAN_note_csi
} ns_clean_state;

typedef struct ns_cleaner {
    ns_clean_state state;
    uint8_t head;     /* bytes of "ha:" seen */
    uint8_t csi_len;  /* parameter bytes seen, at most 2 counted */
    char csi_first;   /* first of them */
    bool redrawn;     /* a carriage return was seen: the next visible byte begins the line anew */
    size_t len;       /* bytes in line */
    int64_t lines;    /* lines ended so far */
    bool ended;       /* the last call returned a line: the next byte begins a new one */
    uint8_t mark_len; /* see ns_cleaner_mark */
    char mark[NS_MARK_MAX];
    char line[NS_LINE_MAX];
} ns_cleaner;

void ns_cleaner_init(ns_cleaner *cleaner);

/* Takes bytes off *rest up to and with the next line feed. True: a line has ended; *line is valid until the next call.
 * False: *rest is used up, the line goes on (see ns_cleaner_open_line). */
bool ns_cleaner_next(ns_cleaner *cleaner, ns_text *rest, ns_text *line);

/* What has come of the line not ended yet; empty when there is none. */
ns_text ns_cleaner_open_line(const ns_cleaner *cleaner);

/* The beginning of a fold mark ("travis_fold:", "section_start:") that the line returned last, or else the open one,
 * was drawn over; empty when there was none. */
ns_text ns_cleaner_mark(const ns_cleaner *cleaner);

/* The line behind time stamps and blanks at its front. */
ns_text ns_line_skip_stamps(ns_text line);

#endif
