/*
 * The door of a predictor: log text in, probability of failure out, while the log grows.
 *
 * Used by the scorer thread only. A reading belongs to one build; an answer depends on nothing but the bytes fed and
 * the references given, so feeding in many pieces or one gives the same numbers to the last bit.
 */
#ifndef NS_FLOW_PREDICTOR_H
#define NS_FLOW_PREDICTOR_H

#include "flow/prediction.h"
#include "flow/sketch.h"

typedef struct ns_reading ns_reading; /* private to the predictor */

typedef struct ns_predictor {
    void *self;
    const char *name; /* "keyword", or the model's */
    char sha256[65];  /* "" when there is no model file */
    ns_code_path code_path;
    bool fallback; /* the keyword rule in the place of a model that is absent or bad; callers copy it into answers */
    /* Starts reading a log. references: earlier green logs of the same job, may be none; the sketches (not the array)
     * have to live until the reading ends. NULL: no memory. */
    ns_reading *(*begin)(void *self, const ns_sketch *const *references, size_t reference_count);
    /* More text, exactly in order; a piece may end inside a line or a character. */
    ns_status (*feed)(void *self, ns_reading *reading, ns_text text);
    /* What is known now; known_at_ms and elapsed_ms are filled by the caller. May be called after each feed. */
    void (*score)(void *self, const ns_reading *reading, ns_prediction *out);
    void (*end)(void *self, ns_reading *reading);
    void (*free)(void *self);
} ns_predictor;

#endif
