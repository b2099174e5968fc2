/*
 * One micro-batch through the encoder and back: losses and gradients, on one thread.
 *
 * The encoder is that of encoder_config.h with both heads: masked-language, tied to the word embeddings, and
 * classification, read at the first token. Sequences are packed one after another without padding; every token is of
 * segment 0. Weights are float32; matrix products take bfloat16 copies of them where asked.
 *
 * Label 0 of the classification head is the log-odds that the window holds evidence of failure; the others are causes.
 */
#ifndef NS_PREDICTION_TRAIN_MODEL_H
#define NS_PREDICTION_TRAIN_MODEL_H

#include "base/rng.h"
#include "prediction/encoder_params.h"
#include "tensor/loss.h"
#include "tensor/train_gemm.h"

/* Starts the tensors of these parts (or-ed) as transformers does: weights normal(0, 0.02), biases 0, normalisation 1
 * and 0. */
void ns_encoder_params_start(ns_encoder_params *params, unsigned parts, ns_rng *rng);

/* What a window is known to be. Weight 0: this task is not asked of it. */
typedef struct ns_train_label {
    float evidence, evidence_weight; /* 0..1 */
    int32_t cause;                   /* 0..labels-2; NS_IGNORE unknown */
    float cause_weight;
    int32_t log;                 /* windows of one log share a number within the batch; -1 none */
    float log_label, log_weight; /* 0..1; of the whole log, the same in each of its windows */
} ns_train_label;

/* Borrowed from whoever made it. */
typedef struct ns_train_batch {
    const int32_t *ids;     /* of all sequences; 0..vocabulary-1 */
    const uint32_t *starts; /* sequences + 1; each sequence at least 1 and at most `positions` long */
    size_t sequences;
    const int32_t *masked_rows, *masked_ids; /* where a piece was hidden, and which it was */
    size_t masked;
    const ns_train_label *labels; /* one a sequence; NULL none */
    uint64_t key;                 /* of its dropout */
} ns_train_batch;

/* What each task's summed gradient is multiplied by: its weight over the number of examples in the whole step. */
typedef struct ns_train_scales {
    float masked, evidence, cause, log;
} ns_train_scales;

typedef struct ns_train_losses {
    ns_loss masked, evidence, cause, log;
} ns_train_losses;

typedef struct ns_train_limits {
    size_t rows;      /* of a batch, at most */
    size_t sequences; /* at most */
    size_t masked;    /* at most */
    size_t longest;   /* sequence */
} ns_train_limits;

typedef struct ns_train_model ns_train_model;

/* Buffers for one thread. params (all parts) must outlive it; its block holds the weights. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_train_model_new(const ns_encoder_params *params, const ns_train_limits *limits,
                                         ns_operand_type type, ns_train_model **out, ns_error *err);
void ns_train_model_free(ns_train_model *model);

/*
 * operands: a copy of the parameters' block in `type` (the block itself for float32). gradients: a block that is added
 * to; NULL: losses only, without dropout. logits (sequences, labels): NULL or receives the classification head's
 * answer. dropout: share. Adds to *losses.
 */
NS_MUST_USE ns_status ns_train_model_run(ns_train_model *model, const void *operands, const ns_train_batch *batch,
                                         const ns_train_scales *scales, float dropout, float *gradients, float *logits,
                                         ns_train_losses *losses, ns_error *err);

/* The vectors of the last layer for the last batch run, (rows, hidden): for comparisons. */
const float *ns_train_model_hidden(const ns_train_model *model);

#endif
