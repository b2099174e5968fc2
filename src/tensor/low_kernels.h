/*
 * Matrix products of few bits: activations are brought to bytes (int8) or bfloat16 row by row, weights were once.
 *
 * int8: a row x is kept as q = round(x / scale) + zero in 0..255 with its own scale and zero, a weight's row (one
 * output) as -127..127 with its own scale. Sums of products are exact in 32 bits, so y(m,n) = (sum q w - zero(m) sum
 * w(n)) scale(m) scale(n) + bias(n). bf16: both sides rounded to nearest even, products summed in float.
 *
 * As in kernels.h a result row depends on its own input row alone; int8 sums are exact in any order.
 */
#ifndef NS_TENSOR_LOW_KERNELS_H
#define NS_TENSOR_LOW_KERNELS_H

#include "tensor/kernels.h"

enum {
    NS_LOW_ROWS = 16,  /* no row_step is larger */
    NS_LOW_PANEL = 32, /* columns of a panel */
    NS_LOW_STEP = 64,  /* bytes: a row's length along k is a multiple, zero behind its end */
};

/* B stands in panels of NS_LOW_PANEL columns; within one, groups of 4 bytes along k: [k / group][column][k % group],
 * where a group is 4 values of int8 or 2 of bf16. The last panel is filled with zero columns. */
typedef struct ns_low_gemm {
    const void *a;         /* (M, a_bytes) */
    size_t a_bytes;        /* of a row, a multiple of NS_LOW_STEP */
    const float *a_scale;  /* (M); int8 only, like the next */
    const int32_t *a_zero; /* (M) */
    const void *b;
    const float *b_scale; /* (N in whole panels); int8 only, like the next */
    const int32_t *b_sum; /* (N in whole panels) sum of a column's weights */
    const float *bias;    /* (N in whole panels) */
    float *c;
    size_t c_row;
    size_t M, N;
    bool gelu;
} ns_low_gemm;

typedef struct ns_low_kernels {
    size_t value_bytes; /* 1: int8, 2: bf16 */
    size_t row_step;    /* A is read in so many rows: up to a multiple of it, rows behind the last must be there */
    /* x (M, x_row), K values each, into rows of `bytes`; scale and zero (M) for int8. */
    void (*lower)(void *out, size_t bytes, float *scale, int32_t *zero, const float *x, size_t x_row, size_t M,
                  size_t K);
    void (*gemm)(const ns_low_gemm *g);
} ns_low_kernels;

#if defined(__x86_64__)
extern const ns_low_kernels ns_low_avx512_int8;               /* needs AVX-512 VNNI */
extern const ns_low_kernels ns_low_amx_int8, ns_low_amx_bf16; /* need AMX, and Linux's permission (code_path.h) */
#endif

#endif
