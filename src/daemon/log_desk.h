/*
 * The desk where the sources hand in the console text of running builds: redacted first, then kept in the store and
 * given to the scorer. Implements flow/log_sink.h. What store or scorer have no room for waits here; while it waits,
 * the source is told to come again, so that nothing is lost and nothing grows.
 */
#ifndef NS_DAEMON_LOG_DESK_H
#define NS_DAEMON_LOG_DESK_H

#include "daemon/house.h"

ns_log_sink ns_log_desk(ns_house *house);

/* Offers what waits once more; once per tick. */
void ns_log_desk_push(ns_house *house);

/* Takes the scorer's answers: newest prediction of each build into its entry, the store and the feed. */
void ns_log_desk_predictions(ns_house *house);

/* Reads the stored offsets of logs that have not ended, so that sources read on where they stopped. */
NS_MUST_USE ns_status ns_log_desk_restore(ns_house *house, ns_error *err);

#endif
