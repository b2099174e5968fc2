/*
 * How early alarms come: the lead of each failing build that was alarmed while it ran, and what they amount to.
 *
 * Plain data in the house; loop thread only.
 */
#ifndef NS_DAEMON_EARLY_WARNING_H
#define NS_DAEMON_EARLY_WARNING_H

#include "flow/build.h"

#define NS_LEADS_KEPT 256

typedef struct ns_early_warning {
    double lead_s[NS_LEADS_KEPT]; /* of the newest failing builds found, in a ring */
    uint64_t found;               /* of them all */
} ns_early_warning;

/* Seconds of world time from the first alarm to the end of a build that has ended without success; NAN: not alarmed,
 * still running, succeeded, aborted, or its end is not known. */
double ns_lead_s(int64_t alarm_ms, const ns_build *build);

void ns_early_warning_note(ns_early_warning *warning, double lead_s); /* NAN: nothing */
double ns_early_warning_median_s(const ns_early_warning *warning);    /* of those kept; NAN none */

#endif
