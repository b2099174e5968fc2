/*
 * NeuroShield as a library: the collector.
 *
 * Asks a Jenkins and a Prometheus every interval, hands each row to a callback, and can append it to a CSV file. The
 * collector works on a thread of its own; nothing of the caller's is touched but the callback and its `user`.
 *
 *     cc example.c $(pkg-config --cflags --libs neuroshield)
 *
 * include/README.md holds a whole example. Plain C17, also from C++.
 */
#ifndef NEUROSHIELD_H
#define NEUROSHIELD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NS_API __attribute__((visibility("default")))

typedef struct ns_collector ns_collector;

/* What went wrong. code is 0 when all is well; text is for a person and never holds a secret. */
typedef struct ns_collector_error {
    int code; /* one of NS_COLLECTOR_... */
    char text[512];
} ns_collector_error;

#define NS_COLLECTOR_DONE      0
#define NS_COLLECTOR_BAD_USAGE 1 /* the options are wrong: no address, a bad one, a user without token */
#define NS_COLLECTOR_BAD_FILE  2 /* the output file is there and is not ours, or cannot be written */
#define NS_COLLECTOR_NO_MEMORY 3
#define NS_COLLECTOR_SYSTEM    4 /* no thread, no event loop */

/*
 * One row: what was known about one job at one tick. A number that is not known is NAN (test with isnan), a text that
 * is not known is NULL, an age is -1 when the source has never answered. Texts live until the callback returns.
 */
typedef struct ns_collector_row {
    int64_t timestamp_ms;                  /* the tick, milliseconds since 1970-01-01 UTC; the same for all sources */
    const char *timestamp;                 /* the same as "2026-11-23T22:40:01.123Z" */
    const char *jenkins_job;               /* full name */
    const char *jenkins_last_build_status; /* of the last completed build: SUCCESS UNSTABLE FAILURE NOT_BUILT ABORTED */
    double jenkins_last_build_duration;    /* milliseconds */
    double jenkins_queue_length;           /* builds */
    double prometheus_cpu_usage;           /* percent */
    double prometheus_memory_usage;        /* percent */
    double prometheus_pod_count;           /* running pods */
    double prometheus_error_rate;          /* percent of requests answered 5xx */
    int64_t jenkins_build_number;          /* of the last completed build; -1 not known */
    int64_t jenkins_age_ms;                /* since the source last answered */
    int64_t prometheus_age_ms;
} ns_collector_row;

/* Called on the collector's thread, once per tick and job. It may call ns_collector_stop, not ns_collector_free. */
typedef void ns_collector_on_row(void *user, const ns_collector_row *row);

/* Everything that is left out (zero) has its default. All texts are copied. */
typedef struct ns_collector_options {
    const char *jenkins_url;      /* with context path, without credentials; NULL: no Jenkins */
    const char *jenkins_job;      /* full name; NULL: every job that can be seen */
    const char *jenkins_username; /* NULL: anonymous */
    const char *jenkins_token;    /* API token of that user */
    const char *prometheus_url;   /* NULL: no Prometheus */
    double interval_s;            /* between two ticks, 0.05..86400; 0: 10 */
    const char *output;           /* CSV file to append to; NULL: none */
    ns_collector_on_row *on_row;  /* NULL: none */
    void *user;                   /* handed to on_row */
} ns_collector_options;

/*
 * Checks the options, opens the output file and makes a collector that does not run yet. NULL on failure, with the
 * reason in *err (NULL is allowed). The environment and configuration files are not read.
 */
NS_API ns_collector *ns_collector_new(const ns_collector_options *options, ns_collector_error *err);

/* Starts the thread; the first tick is at once. 0, or NS_COLLECTOR_SYSTEM, NS_COLLECTOR_BAD_USAGE (runs already). */
NS_API int ns_collector_start(ns_collector *collector, ns_collector_error *err);

/* Ends the ticking; the row under way is dropped. Returns when the thread is over, unless called from the callback:
 * then the thread ends after it. A collector that does not run is left alone. It can be started again. */
NS_API void ns_collector_stop(ns_collector *collector);

/* Stops, and gives everything back. NULL is allowed. Not from the callback. */
NS_API void ns_collector_free(ns_collector *collector);

/* "0.1.0" */
NS_API const char *ns_collector_version(void);

#ifdef __cplusplus
}
#endif

#endif
