/*
 * The load model: traffic, CPU, memory and latency of the simulated services as pure functions of time.
 *
 * Requests per second to the front-end swing with the day and waver with two smooth waves of a few minutes, all with a
 * known integral: counters are integrals, so they never go back, cost nothing while time passes, and agree with the
 * gauges. Nodes and agents likewise.
 */
#ifndef NS_WORLD_LOAD_H
#define NS_WORLD_LOAD_H

#include "world/world_state.h"

#define KUBE_NODES        NS_WORLD_NODES
#define NODE_CORES        4.0
#define NODE_MEMORY       (16.0 * 1024 * 1024 * 1024)
#define NODE_DISK         (100.0 * 1024 * 1024 * 1024)
#define CFS_PERIODS_PER_S 10.0

double ns_load_requests(const ns_world *w, int64_t at_ms);     /* per second, to the front-end */
double ns_load_requests_sum(const ns_world *w, int64_t at_ms); /* since the world's start */
double ns_load_traffic_share(size_t service);                  /* of those, or of messages and queries */
double ns_load_throttled(size_t service); /* 0..1 share of CPU periods on a usual day; NAN without a limit */
double ns_load_pod_memory(const ns_world *w, size_t service, const pod *p); /* bytes, now */
/* Latency is lognormal, `slower` times the usual, plus wait_s in the queue. Of requests that take at most le_s: 0..1.
 */
double ns_load_latency_share(size_t service, double slower, double wait_s, double le_s);
double ns_load_latency_quantile(size_t service, double slower, double wait_s, double q); /* seconds */
double ns_load_latency_mean(size_t service, double slower, double wait_s);
double ns_load_bound(size_t i); /* upper bounds of the latency histogram's buckets; i < LATENCY_BOUNDS */
const char *ns_load_bound_text(size_t i);

/* traffic.c: what a Deployment does, now. */
double ns_traffic_cpu(const ns_world *w, size_t service);                /* cores */
double ns_traffic_cpu_sum(const ns_world *w, size_t service);            /* core seconds since the start */
double ns_traffic_error_share(const ns_world *w, size_t service);        /* over the last two minutes */
void ns_traffic_totals(const ns_world *w, size_t service, stretch *out); /* counters up to now */
double ns_traffic_requests(const ns_world *w, size_t service, int64_t to_ms);
double ns_traffic_errors(const ns_world *w, size_t service, int64_t to_ms);
double ns_traffic_pod_cpu(const ns_world *w, size_t service, const pod *p); /* core seconds */
double ns_traffic_pod_periods(const ns_world *w, size_t service, const pod *p, bool throttled);

double ns_load_node_cpu(const ns_world *w, size_t node);     /* 0..1; nodes of the cluster first, then the agents */
double ns_load_node_cpu_sum(const ns_world *w, size_t node); /* core seconds used since the start */
double ns_load_node_memory(const ns_world *w, size_t node);  /* 0..1 */
double ns_load_node_disk(const ns_world *w, size_t node);    /* 0..1 */

#endif
