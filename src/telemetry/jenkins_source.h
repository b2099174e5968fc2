/*
 * The source that watches a Jenkins: jobs, builds, queue, agents and the growing log of every running build.
 *
 * Each tick asks for all jobs in one light query, then, within limits, for details of what is new or changed, stages
 * of running pipelines, and what the logs have grown by. At most two requests are under way: one question and one log.
 * An answer that did not arrive whole never erases what was known. Loop thread only.
 */
#ifndef NS_TELEMETRY_JENKINS_SOURCE_H
#define NS_TELEMETRY_JENKINS_SOURCE_H

#include "base/clock.h"
#include "flow/source.h"
#include "wire/jenkins_client.h"

typedef struct ns_jenkins_source_options {
    ns_jenkins *client;            /* borrowed, must outlive the source; NULL: one of its own, from `connection` */
    ns_jenkins_options connection; /* used when client is NULL */
    const char *const *jobs;       /* full names that are wanted; none: all. All texts are copied. */
    size_t job_count;
    const char *const *include; /* shell patterns over full names, '*' also matches '/'; none: all */
    size_t include_count;
    const char *const *exclude;
    size_t exclude_count;
    int depth;            /* levels of folders, 1..8; 0 means 4 */
    int details_per_tick; /* requests; 0 means 16 */
    int stages_per_tick;  /* 0 means 16 */
    int logs_per_tick;    /* 0 means 64 */
    size_t log_ceiling;   /* bytes of one log answer; what is above is passed over. 0 means 256 MiB */
    size_t max_jobs;      /* 0 means 20000 */
} ns_jenkins_source_options;

/* snapshot, sink and clock are borrowed and must outlive the source. NS_BAD_USAGE, NS_BAD_INPUT (address),
 * NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_jenkins_source_new(struct event_base *loop, ns_snapshot *snapshot, const ns_log_sink *sink,
                                            const ns_clock *clock, const ns_jenkins_source_options *options,
                                            ns_source *out, ns_error *err);

#endif
