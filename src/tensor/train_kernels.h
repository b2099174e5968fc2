/*
 * The element-wise work of training, compiled once per instruction set and picked at run time.
 *
 * Everything here is row-major, owned by the caller, and pure: no allocation, no failure, no threads of its own. The
 * inputs and outputs of matrix products ("operands") are float32 or bfloat16; sums, statistics and residuals are always
 * float32. One table (ns_train_kernels) holds the functions; `ns_train_kernels_pick` gives the best one this processor
 * can run.
 *
 * Letters for shapes in this room: N rows, C columns of a row, T tokens of a sequence.
 */
#ifndef NS_TENSOR_TRAIN_KERNELS_H
#define NS_TENSOR_TRAIN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the numbers of an operand are kept. bfloat16 is the upper half of a float32, rounded to nearest even. */
typedef enum ns_operand_type { NS_OPERAND_f32, NS_OPERAND_bf16 } ns_operand_type;

static inline size_t ns_operand_bytes(ns_operand_type type)
{
    return type == NS_OPERAND_bf16 ? 2 : 4;
}

/* One step of AdamW: w -= rate * (m/correct1 / (sqrt(v/correct2) + eps) + decay*w). */
typedef struct ns_adamw_step {
    float rate;
    float beta1, beta2, eps;
    float decay;              /* 0 for biases and normalisation */
    float correct1, correct2; /* 1 - beta^t, t from 1 */
    float gradient_factor;    /* the gradient is multiplied by this first: clipping */
} ns_adamw_step;

typedef struct ns_train_kernels {
    const char *name;

    /* float32 <-> operand, n elements; in float32 mode a copy. */
    void (*to_operand)(void *out, ns_operand_type type, const float *in, size_t n);
    void (*from_operand)(float *out, const void *in, ns_operand_type type, size_t n);

    void (*add)(float *out, const float *in, size_t n);                                     /* out += in */
    void (*scale)(float *out, float factor, size_t n);                                      /* out *= factor */
    double (*sum_squares)(const float *in, size_t n);                                       /* sum of in^2 */
    void (*sum_rows)(float *out, const void *in, ns_operand_type type, size_t N, size_t C); /* out (C) += column sums */

    /* GELU with the error function (Hendrycks and Gimpel 2016): x * Phi(x); erf by Abramowitz and Stegun 7.1.26,
     * absolute error below 2e-7. Backward: d_in = d_out * (Phi(x) + x * phi(x)), in place allowed. */
    void (*gelu)(void *out, const void *in, ns_operand_type type, size_t n);
    void (*gelu_backward)(void *d_in, const void *d_out, const void *in, ns_operand_type type, size_t n);

    /* Layer normalisation over C (Ba, Kiros, Hinton 2016): out = (in - mean) * rstd * weight + bias.
     * rstd (N) and mean (N) are kept for backward. `operand` (N,C) receives a copy of out; NULL: none. */
    void (*layernorm)(float *out, void *operand, ns_operand_type type, float *mean, float *rstd, const float *in,
                      const float *weight, const float *bias, size_t N, size_t C, float eps);
    /* With h = (in-mean)*rstd and g = d_out*weight: d_in = rstd * (g - avg(g) - h*avg(g*h)). d_in is written (may be
     * d_out); d_weight and d_bias (C) are added to. */
    void (*layernorm_backward)(float *d_in, float *d_weight, float *d_bias, const float *d_out, const float *in,
                               const float *mean, const float *rstd, const float *weight, size_t N, size_t C);

    /* Each row of (N,C): softmax of factor * row, in place. Backward: d = p * (d - sum(d*p)) * factor, in place. */
    void (*softmax)(float *rows, float factor, size_t N, size_t C);
    void (*softmax_backward)(float *d_rows, const float *probabilities, float factor, size_t N, size_t C);

    /* log(sum(exp(row))) of one row. */
    float (*log_sum_exp)(const float *row, size_t C);
    /* row = exp(row - shift) * factor */
    void (*exp_shifted)(float *row, float shift, float factor, size_t C);

    /* Dropout (Srivastava 2014, inverted): keeps element first+i with probability 1-p, scaled by 1/(1-p), decided by a
     * hash of (key, first+i) alone: backward repeats it with the same key, nothing is stored, and what is dropped does
     * not depend on threads or order. 0 <= p < 1. In place. */
    void (*dropout)(float *values, uint64_t key, uint32_t first, float p, size_t n);

    /* AdamW (Loshchilov and Hutter 2019) on n values: w weights, m and v moments, g gradient. */
    void (*adamw)(float *w, float *m, float *v, const float *g, size_t n, const ns_adamw_step *step);
} ns_train_kernels;

/* The best table for this processor; static. */
const ns_train_kernels *ns_train_kernels_pick(void);
/* By name ("portable", "avx2", "avx512"); NULL when unknown or when this processor cannot run it. For tests. */
const ns_train_kernels *ns_train_kernels_named(const char *name);

#endif
