/*
 * The collector: telemetry only. Asks Jenkins and Prometheus on a grid of ticks, makes one record per tick and job,
 * appends them to a CSV file. Nothing is predicted, decided or stored elsewhere. (`neuroshield collect` and the C API
 * of include/neuroshield.h are two faces of it.)
 *
 * The first tick is at once; further ones fall on multiples of the interval. A tick's records are made when all sources
 * have settled, or at its deadline: the shorter of the interval and NS_GATHER_DEADLINE_MS. What has not answered by
 * then is left as it was known before, with its age, or is missing. Loop thread only.
 */
#ifndef NS_DAEMON_COLLECTOR_H
#define NS_DAEMON_COLLECTOR_H

#include "daemon/settings.h"
#include "flow/record.h"

struct event_base;

#define NS_GATHER_DEADLINE_MS 8000

typedef struct ns_gatherer ns_gatherer;

/* One tick is over. written: NS_OK, or why its rows are not in the file (told in the log too; the next tick tries
 * again). Records live until this returns. May call ns_gatherer_stop, not ns_gatherer_free. */
typedef void ns_gathered(void *owner, const ns_record *records, size_t count, ns_status written);

typedef struct ns_gather_options {
    const ns_settings *settings; /* borrowed, must outlive the gatherer */
    const char *output;          /* CSV file; "-": stdout; NULL: none */
    ns_gathered *on_tick;        /* NULL allowed */
    void *owner;
} ns_gather_options;

/* Starts ticking as soon as the loop runs. NS_BAD_USAGE: no source is configured, or one wrongly. NS_BAD_INPUT: the
 * output is a file with another header. NS_IO: it cannot be written. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_gatherer_new(struct event_base *loop, const ns_gather_options *options, ns_gatherer **out,
                                      ns_error *err);
/* No further tick; a tick under way is dropped. */
void ns_gatherer_stop(ns_gatherer *gatherer);
void ns_gatherer_free(ns_gatherer *gatherer);

#endif
