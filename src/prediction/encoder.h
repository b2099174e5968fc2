/*
 * The encoder at work: windows of token ids in, vectors and class scores out.
 *
 * Weights are packed once for one code path. A window is 1..positions tokens, first token [CLS]; windows of any lengths
 * stand behind each other without padding. A window's answer depends on its own tokens alone: alone, in a batch, with
 * any number of threads, the same numbers to the last bit (on one code path).
 *
 * An encoder is used from one thread at a time, whose helpers (crew.h) it owns. Scoring allocates nothing.
 */
#ifndef NS_PREDICTION_ENCODER_H
#define NS_PREDICTION_ENCODER_H

#include "prediction/encoder_params.h"
#include "tensor/code_path.h"

typedef struct ns_encoder ns_encoder;

typedef struct ns_encoder_options {
    ns_code_path path; /* must be available */
    size_t threads;    /* 1..64 */
    size_t tokens;     /* worked on at once, 0: as many as is quick; windows go in turns, one longer than that alone */
} ns_encoder_options;

/* Packs a copy: params may go or change afterwards. NS_NO_MEMORY, NS_IO (no thread). */
NS_MUST_USE ns_status ns_encoder_new(const ns_encoder_params *params, const ns_encoder_options *options,
                                     ns_encoder **out, ns_error *err);
/* The same from a Hugging Face folder; errors as ns_encoder_params_read. */
NS_MUST_USE ns_status ns_encoder_open(const char *folder, const ns_encoder_options *options, ns_encoder **out,
                                      ns_error *err);
void ns_encoder_free(ns_encoder *encoder); /* NULL is allowed */

const ns_encoder_config *ns_encoder_shape(const ns_encoder *encoder);
ns_code_path ns_encoder_path(const ns_encoder *encoder);
bool ns_encoder_has_head(const ns_encoder *encoder); /* false: logits and pooled cannot be asked for */

typedef struct ns_windows {
    const int32_t *ids;
    const int32_t *segments; /* NULL: all 0 */
    const size_t *starts;    /* count + 1: window w is ids[starts[w] .. starts[w + 1]) */
    size_t count;
} ns_windows;

/* What is wanted, each the caller's or NULL. Without `hidden` the last layer is worked out for first tokens only (the
 * numbers are the same). N = starts[count], B = count. */
typedef struct ns_encoded {
    float *hidden; /* (N, channels): after the last layer */
    float *first;  /* (B, channels): the same, of each window's first token */
    float *pooled; /* (B, channels): what the classifier sees */
    float *logits; /* (B, labels) */
} ns_encoded;

/* NS_BAD_INPUT: a window is empty or too long, or an id lies outside the vocabulary (nothing is written then). */
NS_MUST_USE ns_status ns_encoder_run(ns_encoder *encoder, const ns_windows *windows, const ns_encoded *out,
                                     ns_error *err);

#endif
