/*
 * Settling: what the snapshot says about builds that ended and cases that are open. Part of the tick: no I/O.
 */
#ifndef NS_DAEMON_SETTLE_H
#define NS_DAEMON_SETTLE_H

#include "daemon/pipeline.h"

/* Builds that ended since the last tick move the open case on or open a new one; deadlines too. Sets step->opened and
 * step->case_changed. */
void ns_settle(ns_house *house, ns_step *step, int64_t now_ms);

/* One event for the open case; true when it moved. Counts what is worth counting. */
bool ns_settle_event(ns_house *house, ns_track *track, const ns_case_event *event);

#endif
