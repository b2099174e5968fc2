/*
 * Writing an encoder as a folder that `transformers` and ns_encoder_open read: config.json and model.safetensors.
 */
#ifndef NS_PREDICTION_ENCODER_WRITE_H
#define NS_PREDICTION_ENCODER_WRITE_H

#include "prediction/encoder_params.h"
#include "tensor/safetensors.h"

/*
 * Makes the folder if it is missing and replaces both files, the weights first. parts: what is written of params, with
 * NS_PART_head as ...ForSequenceClassification, else with NS_PART_masked as ...ForMaskedLM. dtype: F32, F16 or BF16.
 * NS_IO, NS_NO_MEMORY; NS_BAD_INPUT: a weight is not finite or does not fit the dtype (nothing is replaced).
 */
NS_MUST_USE ns_status ns_encoder_write(const char *folder, const ns_encoder_params *params, unsigned parts,
                                       ns_dtype dtype, ns_error *err);

#endif
