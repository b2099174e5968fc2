/* A number that was measured at a time, or is missing. */
#ifndef NS_FLOW_VALUE_H
#define NS_FLOW_VALUE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ns_value {
    double value;  /* NAN: missing */
    int64_t at_ms; /* when it was true; -1: never seen */
} ns_value;

#define NS_MISSING ((ns_value){NAN, -1})

static inline bool ns_value_known(ns_value v)
{
    return !isnan(v.value);
}

/* Milliseconds between then and now, never negative; -1 when nothing was ever seen. */
static inline int64_t ns_age_ms(int64_t at_ms, int64_t now_ms)
{
    return at_ms < 0 ? -1 : now_ms > at_ms ? now_ms - at_ms : 0;
}

#endif
