/*
 * The Prometheus source: asks every signal of flow/signal.h each tick and writes the answers into the snapshot.
 *
 * All queries of a tick carry its time, so that they speak of one moment. Signals of scope deployment are joined, by
 * their label `deployment`, to every pipeline that deploys it. What is told apart:
 *   no data (empty, NaN, infinite)      the value is missing, the source is ok
 *   a query that is refused (4xx)       that value is missing, told once with name and text, the others go on
 *   partial data (warnings)             the value is kept, told once
 *   Prometheus does not answer          all values become missing, state down / starting / unauthorized, told once;
 *                                       it recovers by itself, and that is told too
 * health.good_at_ms is when the newest round of queries got good answers. Loop thread only.
 */
#ifndef NS_TELEMETRY_PROMETHEUS_SOURCE_H
#define NS_TELEMETRY_PROMETHEUS_SOURCE_H

#include "base/clock.h"
#include "flow/source.h"
#include "telemetry/redact.h"
#include "wire/prometheus_client.h"

typedef struct ns_prometheus_source_options {
    ns_prometheus_options server;
    const char *name_space;              /* $namespace; NULL: NS_SIGNAL_NAMESPACE */
    const char *window;                  /* $window, "2m"; NULL: NS_SIGNAL_WINDOW */
    const char *promql[NS_SIGNAL_COUNT]; /* NULL: the signal's default; "": this signal is switched off */
    bool without_time;                   /* let the server take its own now: when our clock is not the real one */
    ns_redactor *redactor;               /* for what the other side says; NULL: nothing is taken out; outlives us */
} ns_prometheus_source_options;

/* The snapshot and the clock must outlive the source; the options are copied. NS_BAD_USAGE: URL, namespace or window
 * have no acceptable form; NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_prometheus_source_new(struct event_base *loop, ns_snapshot *snapshot, const ns_clock *clock,
                                               const ns_prometheus_source_options *options, ns_source *out,
                                               ns_error *err);

#endif
