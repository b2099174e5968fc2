/*
 * Plays finished logs to a predictor as they grew, and keeps what it said at each point: every twentieth of the lines,
 * and 300, 100, 30, 10 and 0 lines before the end.
 */
#ifndef NS_LAB_REPLAY_LOG_H
#define NS_LAB_REPLAY_LOG_H

#include "flow/predictor.h"
#include "lab/corpus.h"
#include "lab/line_table.h"

#define NS_REPLAY_STEPS      20
#define NS_REPLAY_HORIZONS   5
#define NS_REPLAY_POINTS_MAX (NS_REPLAY_STEPS + NS_REPLAY_HORIZONS)
#define NS_REPLAY_EVIDENCE   5

extern const size_t ns_replay_horizon[NS_REPLAY_HORIZONS]; /* lines before the end: 0, 10, 30, 100, 300 */

typedef struct ns_replay_point {
    size_t left;      /* lines still to come */
    int64_t raw_line; /* of the log as it was, read up to here */
    double p;
    ns_predicted decision;
} ns_replay_point;

typedef struct ns_replayed {
    size_t log;   /* in the corpus */
    size_t lines; /* visible ones */
    size_t references;
    ns_replay_point point[NS_REPLAY_POINTS_MAX]; /* the earliest first, the last is the end */
    size_t points;
    double threshold;
    ns_cause cause;                       /* likeliest at the end, whatever the decision; never none */
    int64_t evidence[NS_REPLAY_EVIDENCE]; /* 1-based lines of the log as it was, weightiest first; 0 none */
    double elapsed_ms;                    /* for the whole log read once with an answer at each point */
} ns_replayed;

/* Reads the log, and up to max_references earlier green ones of its project. NS_IO, NS_BAD_INPUT, NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_replay_log(const ns_corpus *corpus, size_t log, size_t max_references,
                                    const ns_predictor *predictor, ns_replayed *out, ns_error *err);

/* The point with this many lines to come, or the earliest when the log is shorter. */
const ns_replay_point *ns_replayed_at(const ns_replayed *log, size_t left);
/* The point at this share (0..1] of the lines. */
const ns_replay_point *ns_replayed_share(const ns_replayed *log, double share);
/* Highest probability while at least `left` lines were still to come; 0 none. */
double ns_replayed_peak(const ns_replayed *log, size_t left);
/* Lines still to come when the probability first rose above the threshold; -1 never. own: by decision instead. */
int64_t ns_replayed_alarm(const ns_replayed *log, double above, bool own);

#endif
