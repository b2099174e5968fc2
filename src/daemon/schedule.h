/*
 * When things happen: the tick on the interval's grid, the wake-ups from writer and scorer, and the end of the run.
 */
#ifndef NS_DAEMON_SCHEDULE_H
#define NS_DAEMON_SCHEDULE_H

#include "daemon/house.h"

typedef struct ns_schedule ns_schedule;

/* Starts ticking; the first tick comes at once. for_s: stop the loop after so many real seconds, <= 0 never. */
NS_MUST_USE ns_status ns_schedule_start(ns_house *house, double for_s, ns_schedule **out, ns_error *err);
void ns_schedule_free(ns_schedule *schedule);

/* True when the loop ended because the time was up. */
bool ns_schedule_time_is_up(const ns_schedule *schedule);

#endif
