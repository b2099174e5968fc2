/*
 * Time. Two clocks: *world* time (ticks, ages, cases, cool-downs, MTTR) and *real* time (socket time-outs, progress).
 *
 * Milliseconds since 1970-01-01 UTC in int64_t; -1 is "unknown". Whoever needs the time is handed an ns_clock; tests
 * and the simulation hand in their own. An ns_clock is plain data and may be copied.
 */
#ifndef NS_BASE_CLOCK_H
#define NS_BASE_CLOCK_H

#include "base/status.h"
#include "base/text.h"

#include <stdint.h>

typedef struct ns_clock {
    /* world = origin_world_ms + (real - origin_real_ms) * speed; or *manual_ms when that is not NULL. */
    const int64_t *manual_ms;
    int64_t origin_real_ms;
    int64_t origin_world_ms;
    double speed; /* > 0; world seconds per real second */
} ns_clock;

/* World time equals real time. */
ns_clock ns_clock_real(void);

/* World time starts at origin_world_ms now and runs `speed` times as fast. */
ns_clock ns_clock_scaled(int64_t origin_world_ms, double speed);

/* World time is whatever *now_ms says; the caller owns and moves it. */
ns_clock ns_clock_manual(const int64_t *now_ms);

int64_t ns_clock_now_ms(const ns_clock *clock);

/* Real milliseconds (wall clock), for stamping. */
int64_t ns_real_now_ms(void);

/* Real nanoseconds that never go back, for measuring durations. */
int64_t ns_monotonic_ns(void);

#define NS_TIME_TEXT_MAX 64

/* "2026-11-23T22:40:01.123Z" into out; "" when at_ms is unknown (< 0). Returns out. */
const char *ns_time_text(int64_t at_ms, char out[NS_TIME_TEXT_MAX]);

/* RFC 3339 with Z or offset, 0-9 decimals. */
NS_MUST_USE bool ns_time_parse(ns_text text, int64_t *at_ms);

#endif
