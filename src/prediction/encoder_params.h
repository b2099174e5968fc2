/*
 * The weights of an encoder: one block of floats, pointers into it, and the Hugging Face folder they come from.
 *
 * The block's order is that of ns_encoder_tensor_at. Training keeps gradients and moments in blocks of the same order.
 */
#ifndef NS_PREDICTION_ENCODER_PARAMS_H
#define NS_PREDICTION_ENCODER_PARAMS_H

#include "prediction/encoder_config.h"

typedef struct ns_encoder_params {
    ns_encoder_config config;
    unsigned parts; /* ns_encoder_part, or-ed */
    size_t count;   /* floats of the block */
    float *block;
    size_t offset[NS_ROLE_COUNT]; /* of layer 0; SIZE_MAX: not in these parts */
    size_t layer_floats;          /* from one layer to the next */
} ns_encoder_params;

/* All zero. NS_NO_MEMORY. Give back with ns_encoder_params_clear. */
NS_MUST_USE ns_status ns_encoder_params_init(ns_encoder_params *params, const ns_encoder_config *config, unsigned parts,
                                             ns_error *err);
void ns_encoder_params_clear(ns_encoder_params *params); /* a zeroed one is allowed */

/* Where a tensor begins in a block of this order (the parameters' own, or gradients); layer 0 outside layers. */
float *ns_encoder_param(const ns_encoder_params *params, float *block, ns_encoder_role role, size_t layer);
const float *ns_encoder_weight(const ns_encoder_params *params, ns_encoder_role role, size_t layer);

/* Reads config.json and model.safetensors of a folder: body and layers, and the heads that are there (see parts).
 * NS_BAD_INPUT, NS_CORRUPT: a file cannot be read, is damaged, not finite, or a tensor is missing, left over or of
 * another shape than config.json asks for. The message names file and tensor. */
NS_MUST_USE ns_status ns_encoder_params_read(const char *folder, ns_encoder_params *out, ns_error *err);

#endif
