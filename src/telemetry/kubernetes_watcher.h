/*
 * Keeps a shelf of one kind of object as the cluster has it: lists, then watches, and begins anew when what it knows
 * has grown too old. Private to this room; loop thread only.
 *
 * Failures wait 1, 2, 4 .. 30 s of real time with jitter (what the server asks for at least); a refusal (no right, no
 * such API) waits the longest at once. heard_ms is the world time at which the server last said something about it.
 */
#ifndef NS_TELEMETRY_KUBERNETES_WATCHER_H
#define NS_TELEMETRY_KUBERNETES_WATCHER_H

#include "base/clock.h"
#include "base/rng.h"
#include "telemetry/kubernetes_shelf.h"
#include "wire/kubernetes_client.h"

#include <event2/event.h>

typedef enum kube_phase { KUBE_WAITING, KUBE_LISTING, KUBE_WATCHING } kube_phase;

typedef struct kube_watcher {
    ns_kubernetes *cluster;
    const ns_clock *clock;
    ns_rng *rng;
    kube_kind kind;
    char space[NS_NAME_MAX]; /* "" for kinds without one */
    char what[96];           /* "watch pods in sock-shop" */
    kube_shelf shelf;
    kube_phase phase;
    bool listed;  /* the shelf was whole once */
    bool asking;  /* a list, or a watch that has not been opened yet, is under way */
    bool reopens; /* the watch is being ended by us, to ask again */
    bool closing;
    char resource_version[128]; /* "" list first */
    int64_t heard_ms;           /* -1 never */
    int64_t opened_ns;          /* of the present watch, real */
    int64_t wait_ms;            /* the next back-off */
    struct event *timer;
    ns_status trouble; /* NS_OK: none */
    ns_error error;
    uint64_t unreadable; /* objects passed over so far */
    void (*changed)(void *owner);
    void *owner;
} kube_watcher;

/* The fields up to space, changed and owner are the caller's to set before; `most` objects at most. */
NS_MUST_USE ns_status kube_watcher_open(kube_watcher *w, struct event_base *loop, size_t most, ns_error *err);
void kube_watcher_close(kube_watcher *w);
/* Begins, or when it waits after trouble begins again at once. */
void kube_watcher_start(kube_watcher *w);
/* Asks again when nothing was heard for longer than this: world ms. */
void kube_watcher_confirm(kube_watcher *w, int64_t longest_ms);

const char *kube_kind_resource(kube_kind kind);
bool kube_kind_namespaced(kube_kind kind);
bool kube_kind_required(kube_kind kind);

#endif
