/*
 * The live feed: every change the daemon makes public, in order, for GET /api/v1/events (server-sent events).
 *
 * Ids grow by one over all kinds. The last NS_FEED_KEPT events are kept, so that a client that reconnects with
 * Last-Event-ID misses nothing it could still have. A client that does not read is ended. Loop thread only.
 */
#ifndef NS_DAEMON_FEED_H
#define NS_DAEMON_FEED_H

#include "wire/http_server.h"

#define NS_FEED_KEPT 1024

#define NS_FEED_MAP(X) X(record) X(build) X(prediction) X(decision) X(case) X(action) X(source) X(kill_switch)

typedef enum ns_feed_kind {
#define NS_FEED_ENUM(name) NS_FEED_##name,
    NS_FEED_MAP(NS_FEED_ENUM)
#undef NS_FEED_ENUM
        NS_FEED_KINDS
} ns_feed_kind;

typedef struct ns_feed ns_feed;

NS_MUST_USE ns_feed *ns_feed_new(void);
/* Ends all streams. */
void ns_feed_free(ns_feed *feed);

/* data: one JSON object; copied. Events that cannot be kept for want of memory are skipped, their id is not reused. */
void ns_feed_publish(ns_feed *feed, ns_feed_kind kind, ns_text data);

/* Turns the request into a stream: first what is kept after last_id (-1: nothing old), then everything new. */
void ns_feed_subscribe(ns_feed *feed, ns_exchange *exchange, int64_t last_id);

/* A comment to every stream, so that proxies keep idle ones open; call it about every 15 s. */
void ns_feed_keep_alive(ns_feed *feed);

size_t ns_feed_subscribers(const ns_feed *feed);
uint64_t ns_feed_last_id(const ns_feed *feed);

#endif
