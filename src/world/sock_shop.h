/*
 * The Sock Shop as it stands in its manifests: fourteen Deployments, eight of them built by a pipeline of their own.
 *
 * Limits and requests are the manifests'; shares of the traffic, latencies, working sets and CPU per request are
 * invented (see README.md, Assumptions).
 */
#ifndef NS_WORLD_SOCK_SHOP_H
#define NS_WORLD_SOCK_SHOP_H

#include "world/build_plan.h"

typedef struct ns_service {
    const char *name;
    const char *image;
    const char *tag;
    const char *container;
    ns_language language;
    bool pipeline;      /* built by its own job */
    double cpu_request; /* cores; NAN none. Likewise below */
    double cpu_limit;
    double memory_request; /* bytes */
    double memory_limit;
    double traffic_share; /* requests to it per request to the front-end; 0: it serves no HTTP */
    double latency_p50_s;
    double latency_p99_s;
    double error_share;     /* of its requests answered 5xx on a good day */
    double cpu_idle;        /* cores */
    double cpu_per_request; /* core seconds */
    double memory_start;    /* bytes just after start */
    double memory_warm;     /* bytes after some hours */
    double ready_s;         /* from start to ready */
    int32_t tests;          /* in its suite */
} ns_service;

#define NS_SERVICES  14
#define NS_PIPELINES 8

/* Static; the pipelines' services come first, by name. */
const ns_service *ns_service_at(size_t i);

#endif
