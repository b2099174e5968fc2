/*
 * A fully connected layer with its weights packed once for the kernels: out = x weight' + bias.
 *
 * ns_panels_* pack any matrix for ns_gemm; ns_linear holds a packed (out, in) weight and its bias.
 */
#ifndef NS_TENSOR_LINEAR_H
#define NS_TENSOR_LINEAR_H

#include "tensor/kernels.h"

/* Floats that B (K,N) takes in panels. */
size_t ns_panels_floats(const ns_kernels *kernels, size_t K, size_t N);
/* B(k,n) = b[k * k_step + n * n_step] into panels for columns first..first+N of a B whose panels begin at `out`;
 * columns not yet packed must be zero. For ns_gemm: b = out, b_row = kernels->panel, b_panel = K * kernels->panel. */
void ns_panels_pack(const ns_kernels *kernels, float *out, size_t first, const float *b, size_t k_step, size_t n_step,
                    size_t K, size_t N);

typedef struct ns_linear {
    size_t in, out;
    float *panels; /* ns_panels_floats(in, out) */
    float *bias;   /* (out) */
} ns_linear;

/* Puts `rows` output rows, weight (rows, in) and bias (rows), at row `first`: several layers side by side make one. */
void ns_linear_put(ns_linear *linear, const ns_kernels *kernels, size_t first, size_t rows, const float *weight,
                   const float *bias);

/* y (M, y_row) = x (M, x_row) weight' + bias, through GELU if asked. */
void ns_linear_apply(const ns_linear *linear, const ns_kernels *kernels, float *y, size_t y_row, const float *x,
                     size_t x_row, size_t M, bool gelu);

#endif
