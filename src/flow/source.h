/*
 * The door of a source of telemetry: Jenkins, Prometheus, Kubernetes, or the simulated world.
 *
 * Gathering is asynchronous. `poll` starts what is due and returns at once; answers arrive later on the loop thread
 * and are written into the snapshot and the log sink that the source was built with. A source that does not answer
 * gets stale; nobody waits for it. Loop thread only.
 */
#ifndef NS_FLOW_SOURCE_H
#define NS_FLOW_SOURCE_H

#include "flow/log_sink.h"
#include "flow/snapshot.h"

typedef struct ns_source {
    void *self;
    const char *name; /* "jenkins", "prometheus", "kubernetes", "world" */
    /* A tick begins at tick_ms (world time): ask for what is due. */
    void (*poll)(void *self, int64_t tick_ms);
    /* True when nothing asked for by the newest poll is still under way. */
    bool (*settled)(void *self);
    /* Gives up what is under way and frees everything. */
    void (*free)(void *self);
} ns_source;

#endif
