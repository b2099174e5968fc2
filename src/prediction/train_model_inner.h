/* What train_model.c and train_heads.c share: the model's buffers, and products that remember a failure. */
#ifndef NS_PREDICTION_TRAIN_MODEL_INNER_H
#define NS_PREDICTION_TRAIN_MODEL_INNER_H

#include "prediction/train_model.h"
#include "tensor/train_kernels.h"

/* Kept by forward for backward, one a layer. _o: operand type. */
typedef struct ns_train_kept {
    void *in_o;                 /* (R,H) */
    float *qkv, *probabilities; /* (R,3H); heads * sum of squared lengths */
    void *context_o;            /* (R,H) */
    float *sum1, *mean1, *rstd1;
    void *mid_o;        /* (R,H) */
    void *up_o, *act_o; /* (R,F), before and behind GELU */
    float *sum2, *mean2, *rstd2;
} ns_train_kept;

struct ns_train_model {
    const ns_encoder_params *params;
    const ns_train_kernels *kernels;
    ns_train_gemm *gemm;
    ns_train_limits limits;
    ns_operand_type type;
    void *block; /* all buffers below */

    ns_train_kept *kept; /* layers */
    int32_t *places;     /* (R) position of each row in its sequence */
    int32_t *first_rows; /* (S) */
    float *words_sum, *words_mean, *words_rstd;
    float *x, *mid;         /* (R,H) the residual stream */
    void *out_o;            /* (R,H) of the last layer */
    float *d_x, *d_a, *d_b; /* (R,H) */
    float *d_qkv;           /* (R,3H) */
    void *wide_o;           /* (R,3H) or (R,F), the wider */
    void *d_o;              /* (R,H) */
    float *scratch;         /* 2 longest^2 */
    /* masked-language head, m rows */
    void *picked_o, *transform_o, *gelu_o, *normed_o;
    float *gelu, *normed, *head_mean, *head_rstd, *d_head;
    float *vocabulary_logits; /* (m,V) */
    void *d_vocabulary_o;     /* (m,V) */
    int32_t *targets;         /* (m) */
    /* classification head, s rows */
    float *first, *pooled, *logits, *d_first, *d_logits;
    void *first_o, *pooled_o, *d_logits_o;

    /* of the run in progress */
    const void *operands;
    float *gradients;
    const ns_train_batch *batch;
    size_t rows, padded; /* rows of the batch; rounded up, so that products have few shapes */
    float dropout;
    bool failed;
    ns_error error;
};

/* Rows are rounded up to these, filled with zero. */
enum { NS_TRAIN_ROW_STEP = 64, NS_TRAIN_HEAD_STEP = 32 };

static inline size_t ns_train_round(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* A matrix of the model: its place in the block and its shape (out, in). */
typedef struct ns_train_matrix {
    size_t weight, bias; /* offsets into the block */
    size_t out, in;
} ns_train_matrix;

/* y (M,out) = x W' + b. After a failure these do nothing; it stands in model->error. */
void ns_train_linear(ns_train_model *model, const ns_train_matrix *matrix, void *y, ns_operand_type y_type,
                     const void *x_o, size_t M);
/* Adds to the gradients of W and b; d_x (M,in) = d_y W (NULL: not wanted), added to if `accumulate` (float32 only). */
void ns_train_linear_backward(ns_train_model *model, const ns_train_matrix *matrix, void *d_x, ns_operand_type d_type,
                              bool accumulate, const void *d_y_o, const void *x_o, size_t M);

ns_train_matrix ns_train_matrix_of(const ns_train_model *model, ns_encoder_role weight, ns_encoder_role bias,
                                   size_t layer, size_t out, size_t in);
/* Where a tensor begins in the weights, and in the gradients. */
const float *ns_train_weight(const ns_train_model *model, ns_encoder_role role, size_t layer);
float *ns_train_gradient(const ns_train_model *model, ns_encoder_role role, size_t layer);

/* Of the chance of one dropout. */
typedef enum ns_train_site {
    NS_SITE_attention,
    NS_SITE_embedding,
    NS_SITE_attended,
    NS_SITE_output,
    NS_SITE_head
} ns_train_site;
uint64_t ns_train_key(const ns_train_model *model, size_t layer, ns_train_site site);

/* Both heads: losses, and where gradients are wanted what flows back, added to d_x. */
void ns_train_masked_head(ns_train_model *model, float scale, ns_loss *loss);
void ns_train_class_head(ns_train_model *model, const ns_train_scales *scales, float *logits, ns_train_losses *losses);

#endif
