/*
 * /metrics: the daemon's own figures as Prometheus text 0.0.4, or OpenMetrics where the scraper asks for it.
 *
 * No label is called job or instance (the scraper renames those), none grows without bound: pipelines are bounded by
 * the configuration, builds never appear.
 */
#ifndef NS_DAEMON_METRICS_H
#define NS_DAEMON_METRICS_H

#include "daemon/house.h"

/* Pipelines above this many are left out of the per-pipeline series (and counted in neuroshield_pipelines). */
#define NS_METRICS_PIPELINES_MAX 1000

void ns_metrics_print(const ns_house *house, bool openmetrics, ns_buf *out);
const char *ns_metrics_content_type(bool openmetrics);

#endif
