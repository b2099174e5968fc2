/* A bounded set of 64-bit hashes: the templates seen. One thread; grows by doubling up to its ceiling. */
#ifndef NS_PREDICTION_HASH_SET_H
#define NS_PREDICTION_HASH_SET_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ns_hash_set {
    uint64_t *slot; /* 0: empty */
    size_t size;    /* power of two, or 0 */
    size_t count;
    size_t ceiling; /* count never grows above this */
} ns_hash_set;

void ns_hash_set_init(ns_hash_set *set, size_t ceiling);
void ns_hash_set_clear(ns_hash_set *set);
bool ns_hash_set_has(const ns_hash_set *set, uint64_t hash);
/* NS_OK: new and put; NS_CONFLICT: was there; NS_TOO_LARGE: full; NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_hash_set_put(ns_hash_set *set, uint64_t hash);

#endif
