/*
 * A fully connected layer with its weights packed once for a code path: y = x weight' + bias.
 *
 * Weights are kept as floats, or (paths of few bits) as int8 with a scale for each output, or as bfloat16; activations
 * are then brought to the same kind row by row, in room that the caller lends. The caller owns all memory: it asks for
 * sizes, sets the pointers, and puts the weights.
 */
#ifndef NS_TENSOR_LINEAR_H
#define NS_TENSOR_LINEAR_H

#include "tensor/kernels.h"
#include "tensor/low_kernels.h"

/* Floats that B (K,N) takes in panels for ns_gemm. */
size_t ns_panels_floats(const ns_kernels *kernels, size_t K, size_t N);
/* B(k,n) = b[k * k_step + n * n_step] into columns first..first+N of panels that begin at `out`; columns never packed
 * must be zero. For ns_gemm: b = out, b_row = kernels->panel, b_panel = K * kernels->panel. */
void ns_panels_pack(const ns_kernels *kernels, float *out, size_t first, const float *b, size_t k_step, size_t n_step,
                    size_t K, size_t N);

/* The arithmetic of one dense layer: `low` is NULL for floats. */
typedef struct ns_dense {
    const ns_kernels *kernels;
    const ns_low_kernels *low;
} ns_dense;

typedef struct ns_linear {
    ns_dense dense;
    size_t in, out;
    void *panels; /* ns_linear_bytes */
    float *bias;  /* (out in whole panels), as the next two */
    float *scale; /* of each output's weights */
    int32_t *sum; /* of each output's weights */
} ns_linear;

/* `out` rounded up to whole panels: the length of bias, scale and sum. */
size_t ns_linear_outputs(size_t out);
size_t ns_linear_bytes(ns_dense dense, size_t in, size_t out);
/* Room that applying to `rows` rows of `in` values needs, whatever the path; 64-byte aligned. */
size_t ns_linear_room(size_t in, size_t rows);

/* Puts `rows` output rows, weight (rows, in) and bias (rows), at row `first`: several layers side by side make one. The
 * memory was zero before. */
void ns_linear_put(const ns_linear *linear, size_t first, size_t rows, const float *weight, const float *bias);

/* y (M, y_row) = x (M, x_row) weight' + bias, through GELU if asked. room: ns_linear_room(in, M). */
void ns_linear_apply(const ns_linear *linear, float *y, size_t y_row, const float *x, size_t x_row, size_t M, bool gelu,
                     void *room);

#endif
