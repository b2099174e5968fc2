/*
 * Where sources put the growing console text of running builds. The daemon implements it (redact, keep, score).
 *
 * Loop thread only. Text is plain console text in UTF-8 with bad sequences already replaced by U+FFFD, exactly in the
 * log's order; a piece may end anywhere, also inside a line.
 */
#ifndef NS_FLOW_LOG_SINK_H
#define NS_FLOW_LOG_SINK_H

#include "base/text.h"
#include "flow/snapshot.h"

typedef struct ns_log_piece {
    ns_pipeline_view *pipeline;
    int64_t build;
    ns_text text;        /* may be empty (only news about `ended`) */
    int64_t next_offset; /* where the source reads on: its own numbering, stored and handed back after a restart */
    int64_t at_ms;
    bool restarted; /* the log was replaced or rolled over: forget what came before this piece */
    bool ended;     /* nothing more will come */
} ns_log_piece;

typedef struct ns_log_sink {
    void *self;
    /* Takes the piece (copies what it keeps). NS_BUSY: no room now; nothing was taken, offer it again later. */
    ns_status (*take)(void *self, const ns_log_piece *piece);
    /* Offset stored for this build (see next_offset); 0 when nothing is stored, -1 when its log has ended. */
    int64_t (*offset)(void *self, const char *jenkins_job, int64_t build);
    /* False: this build's log is not wanted (too old, too many). */
    bool (*wanted)(void *self, const ns_pipeline_view *pipeline, const ns_build *build);
} ns_log_sink;

#endif
