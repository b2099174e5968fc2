/* What trainer.c and train_checkpoint.c share. */
#ifndef NS_PREDICTION_TRAINER_INNER_H
#define NS_PREDICTION_TRAINER_INNER_H

#include "prediction/trainer.h"
#include "tensor/crew.h"

typedef struct ns_train_rank {
    ns_train_model *model;
    float *gradients; /* a block */
    ns_train_losses losses;
    double squares; /* of its share of the summed gradient */
    ns_status status;
    ns_error error;
} ns_train_rank;

struct ns_trainer {
    ns_encoder_params *params;
    ns_trainer_options options;
    ns_operand_type type;
    const ns_train_kernels *kernels;
    ns_crew *crew;
    ns_train_rank *ranks;
    float *first, *second; /* moments */
    uint16_t *half;        /* bfloat16 copy of the weights; NULL in float32 */
    int64_t steps;

    /* of the work in progress */
    const ns_train_batch *batches;
    size_t count;
    float *const *logits;
    ns_train_scales scales;
    bool learn;
    double norm, rate;
};

/* After the weights were changed from outside: the bfloat16 copy follows. */
void ns_trainer_refresh(ns_trainer *trainer);

#endif
