/*
 * What stood in the last lines of a log, and how long ago its strongest evidence did. A build that goes on after a
 * complaint has survived it, and one that goes well says so.
 *
 * Counts readable lines, repeated ones too. Nothing in it tells how long the log is. Plain data of some 4 KiB.
 */
#ifndef NS_PREDICTION_JUDGE_RECENT_H
#define NS_PREDICTION_JUDGE_RECENT_H

#include "base/text.h"

#include <stdbool.h>

#define NS_RECENT_LINES 300

/* What stands for "no such line": below what any line scores. */
#define NS_NO_LINE (-8.0F)

/* What one line says; NS_NO_LINE: nothing, it is not looked at. */
typedef struct ns_recent_line {
    float both;    /* log-odds by the head `all` plus phrase */
    float fresh;   /* by the head `fresh` plus phrase */
    float passing; /* log-odds by the head `passing` */
} ns_recent_line;

typedef struct ns_recent {
    ns_recent_line line[NS_RECENT_LINES]; /* a ring: line n stands at n % NS_RECENT_LINES */
    int64_t read;                         /* lines so far */
    float strongest;                      /* evidence of any line */
    int64_t strongest_at;                 /* its number, from 0; -1: there was none */
    int64_t commands;                     /* run since */
    float since_command;                  /* strongest evidence since the last command */
} ns_recent;

/*
 * Every feature rises with the danger. recent_N, fresh_recent_N: strongest of the last N lines; since_command:
 * strongest since the last command; near, near_commands: -log2(1 + lines, commands since the strongest evidence), at a
 * fixed floor when there was none; no_pass_N: minus the best `passing` of the last N lines.
 */
/* clang-format off */
#define NS_RECENT_FEATURE_MAP(X)                                                                                       \
    X(recent_30) X(recent_100) X(recent_300) X(since_command) X(near) X(near_commands)                                 \
    X(no_pass_10) X(no_pass_30) X(no_pass_100)
#define NS_RECENT_FRESH_FEATURE_MAP(X) X(fresh_recent_30) X(fresh_recent_100)
/* clang-format on */

/* Does the shell or the CI server echo a command here? */
bool ns_recent_is_command(ns_text line);

void ns_recent_init(ns_recent *recent);

/* A line that was not met before speaks for failing; called before ns_recent_add of the same line. */
void ns_recent_evidence(ns_recent *recent, float both);

/* One readable line has been read. */
void ns_recent_add(ns_recent *recent, const ns_recent_line *line, bool command);

/* In the order of the maps; the fresh ones stand apart, because only logs with references have them. */
void ns_recent_features(const ns_recent *recent, float *out, float *fresh);

#endif
