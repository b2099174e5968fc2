/*
 * The objects of one kind that a cluster has now, by uid. Private to this room; loop thread only.
 *
 * A new list replaces all: begin a sweep, put what the list holds, end the sweep. Memory is bounded: above the given
 * number of objects further ones are refused.
 */
#ifndef NS_TELEMETRY_KUBERNETES_SHELF_H
#define NS_TELEMETRY_KUBERNETES_SHELF_H

#include "telemetry/kubernetes_objects.h"

typedef struct kube_shelf {
    kube_object **at; /* in no order */
    size_t count, room, most;
    uint64_t *mark; /* of each: the sweep that last put it */
    uint64_t sweep;
    size_t *slot; /* open addressing over the uids: place + 1; 0 empty */
    size_t slots; /* power of two */
} kube_shelf;

void kube_shelf_init(kube_shelf *shelf, size_t most);
void kube_shelf_clear(kube_shelf *shelf);
/* NULL: none. */
kube_object *kube_shelf_find(const kube_shelf *shelf, const char *uid);
/* Copies. NS_NO_MEMORY: memory, or the shelf is full. */
NS_MUST_USE ns_status kube_shelf_put(kube_shelf *shelf, const kube_object *object);
void kube_shelf_remove(kube_shelf *shelf, const char *uid);
void kube_shelf_sweep_begin(kube_shelf *shelf);
/* Removes what was not put since the beginning. */
void kube_shelf_sweep_end(kube_shelf *shelf);

#endif
