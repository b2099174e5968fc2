/* Where training begins when there is nothing to go on from. */
#include "prediction/train_model.h"

void ns_encoder_params_start(ns_encoder_params *params, unsigned parts, ns_rng *rng)
{
    ns_encoder_tensor tensor;
    for (size_t n = 0; ns_encoder_tensor_at(&params->config, params->parts, n, &tensor); n++) {
        if ((parts & (unsigned)tensor.part) == 0)
            continue;
        float *at = params->block + tensor.offset;
        const ns_text name = ns_text_of(tensor.name);
        const float vector = ns_text_ends(name, ".weight") ? 1.0f : 0.0f; /* a normalisation's weight, or a bias */
        for (size_t i = 0; i < tensor.count; i++)
            at[i] = tensor.rank > 1 ? (float)(0.02 * ns_rng_normal(rng)) : vector;
    }
}
