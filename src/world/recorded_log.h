/*
 * The door to recorded build logs: whoever builds the house hands them to the world (lab/recorded_logs.h does it from a
 * corpus), and its builds print them. Read-only; the same list for as long as the world lives, in the same order.
 */
#ifndef NS_WORLD_RECORDED_LOG_H
#define NS_WORLD_RECORDED_LOG_H

#include "base/text.h"
#include "flow/cause.h"

typedef struct ns_recorded_log {
    const char *tool;    /* "maven" */
    size_t project;      /* 0.. */
    ns_cause cause;      /* none: a green build */
    int64_t fault_line;  /* 1-based; -1 none */
    const double *times; /* (time_count, 2) rising: line, seconds since the start; NULL not known */
    size_t time_count;
} ns_recorded_log;

typedef struct ns_recorded_logs {
    void *self;
    size_t count;
    /* i < count; borrowed, as long as self lives. */
    void (*at)(void *self, size_t i, ns_recorded_log *out);
    /* Appends the whole text. What cannot be read is left out of what builds print; it is for whoever is behind the
     * door to tell. NS_IO, NS_BAD_INPUT, NS_TOO_LARGE, NS_NO_MEMORY. */
    NS_MUST_USE ns_status (*read)(void *self, size_t i, ns_buf *out, ns_error *err);
} ns_recorded_logs;

#endif
