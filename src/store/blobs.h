/*
 * The few arrays that are stored as blobs, little-endian whatever the machine:
 *
 *     state      u32 layout, u64 presence, 64 x f32
 *     embedding  16 x f32; NULL without one
 *     evidence   per line: i64 line, f64 weight, u8 is_new, u16 length, text; NULL without any
 *
 * Decoding trusts nothing: bytes of another form are refused, the field stays untouched.
 */
#ifndef NS_STORE_BLOBS_H
#define NS_STORE_BLOBS_H

#include "flow/decision.h"
#include "flow/prediction.h"

#include <stdint.h>

#define NS_BLOB_MAX 4096

typedef struct ns_blob {
    /* Writes at most NS_BLOB_MAX bytes; returns how many. 0 is stored as NULL. */
    size_t (*encode)(const void *field, unsigned char *out);
    bool (*decode)(const unsigned char *bytes, size_t len, void *field);
} ns_blob;

extern const ns_blob ns_blob_state;     /* field: ns_state */
extern const ns_blob ns_blob_embedding; /* field: ns_prediction */
extern const ns_blob ns_blob_evidence;  /* field: ns_prediction */

#endif
