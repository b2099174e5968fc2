/*
 * Whether the predictor drifts (prediction/drift.h), watched over the builds of this daemon: told in the log and the
 * audit when it begins and ends, by `status`, on the page and in the metrics. While it lasts no action starts on its
 * word alone (rule `predictor` of the guardrails). Loop thread only.
 */
#ifndef NS_DAEMON_DRIFT_WATCH_H
#define NS_DAEMON_DRIFT_WATCH_H

#include "daemon/house.h"
#include "wire/json.h"

/* Takes in the builds of this pipeline that have ended and whose logs were scored to their end: once per tick. */
void ns_drift_watch_note(ns_house *house, const ns_pipeline_view *view, ns_track *track);

/* Why its word about this pipeline is only advice; NULL: it is not. Static. */
const char *ns_drift_watch_why(const ns_house *house, const ns_track *track);

/* At start: the builds that ended last, as they stand in the store. */
NS_MUST_USE ns_status ns_drift_watch_read_back(ns_house *house, ns_error *err);

/* The value of key "drift" of the status. */
void ns_drift_watch_show(ns_json_writer *w, const ns_house *house);

#endif
