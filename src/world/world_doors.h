/*
 * The world behind the doors of flow/: a source and hands without any HTTP, so that training, tests and the built-in
 * demonstration run the same pipeline as a live daemon.
 *
 * Borrow the world, the snapshot, the sink and the clock: all must outlive what is made here. Loop thread only.
 */
#ifndef NS_WORLD_WORLD_DOORS_H
#define NS_WORLD_WORLD_DOORS_H

#include "base/clock.h"
#include "flow/hands.h"
#include "flow/source.h"
#include "world/world.h"

/* poll advances the world to the tick and writes builds, queue, agents, signals, Deployments and new log text; a sink
 * that is busy is offered the same text at the next poll. It is settled at once. NS_NO_MEMORY. clock may be NULL. */
NS_MUST_USE ns_status ns_world_source(ns_world *world, ns_snapshot *snapshot, const ns_log_sink *sink,
                                      const ns_clock *clock, ns_source *out, ns_error *err);

/* retry_build, escalate, scale_up, rollback, restart_pods. Answers come at once, except that faults of the world lose
 * requests and answers. */
NS_MUST_USE ns_status ns_world_hands(ns_world *world, ns_hands *out, ns_error *err);

#endif
