/*
 * What a run amounted to: CONTRACT's summary object, and a few lines for people.
 */
#ifndef NS_DAEMON_SUMMARY_H
#define NS_DAEMON_SUMMARY_H

#include "daemon/house.h"

/* ended_by: "time", "signal", "error". Appends one JSON object and a line end. Runs the baselines of the built-in world
 * on the same seed, which takes a moment. */
NS_MUST_USE ns_status ns_summary_json(const ns_house *house, const char *ended_by, ns_buf *out, ns_error *err);

/* The same for a person, from that JSON. */
NS_MUST_USE ns_status ns_summary_text(ns_text json, ns_buf *out, ns_error *err);

/* Effects: sent by us against received by the built-in world. */
typedef struct ns_effects_compared {
    int64_t sent;
    int64_t received;
    int64_t unmatched; /* keys known to one side only */
} ns_effects_compared;
void ns_summary_effects(const ns_house *house, ns_effects_compared *out);

#endif
