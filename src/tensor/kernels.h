/*
 * The arithmetic of both networks, one set of functions for each kind of processor.
 *
 * Letters: M rows, N columns, K the summed length; T tokens of one window, C channels, D channels of one head.
 * All arrays are float32, row-major, the caller's, not overlapping unless said. Nothing here allocates, fails or looks
 * at more than its arguments, so any number of threads may work side by side.
 *
 * Promise: a result row depends on its own input row (and the weights) alone, summed in one fixed order. A row scored
 * alone and the same row among a thousand others come out the same to the last bit, on one set of kernels.
 */
#ifndef NS_TENSOR_KERNELS_H
#define NS_TENSOR_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NS_PANEL_MAX = 32, /* the widest panel of any set; buffers that kernels read in panels end in this much slack */
};

/* C(m,n) = sum over k of A(m,k) B(k,n), then + bias(n), then (add) onto what stood in C or (gelu) through GELU.
 * A(m,k) stands at a[m * a_row + k * a_step]: a_step 1 is row-major, a_row 1 a transposed matrix.
 * B stands in panels of `panel` columns: b[n / panel * b_panel + k * b_row + n % panel]. Packed weights have b_row =
 * panel, b_panel = K * panel; a plain row-major matrix has b_row = its row length and b_panel = panel. The last
 * panel is read in full width: there must be that much memory behind it, of any finite content. */
typedef struct ns_gemm {
    const float *a;
    size_t a_row, a_step;
    const float *b;
    size_t b_row, b_panel;
    float *c;
    size_t c_row;
    const float *bias; /* (N) or NULL */
    size_t M, N, K;
    bool add, gelu;
} ns_gemm;

/* One head over one window, for `rows` of its queries:
 * out(r, 0..D) = softmax over t of (q(r) . k(t) / sqrt(D)) times v(t). */
typedef struct ns_attention {
    const float *q; /* (rows, q_row) */
    size_t q_row;
    const float *kt; /* (D, kt_row): keys, transposed; kt_row a multiple of NS_PANEL_MAX, >= T */
    size_t kt_row;
    const float *v; /* (T, v_row), D read in whole panels */
    size_t v_row;
    float *out; /* (rows, out_row) */
    size_t out_row;
    float *scratch; /* NS_ATTENTION_ROWS * kt_row */
    size_t rows, T, D;
} ns_attention;

enum { NS_ATTENTION_ROWS = 16 };

typedef struct ns_kernels {
    const char *name; /* as in NS_CODE_PATH_MAP */
    size_t panel;     /* columns of a panel, at most NS_PANEL_MAX */
    void (*gemm)(const ns_gemm *g);
    void (*attention)(const ns_attention *a);
    /* out(n) = (x - mean) / sqrt(variance + eps) * weight + bias over x = in(n) + residual(n) (NULL: none), rows of C.
     * out may be in or residual. */
    void (*layernorm)(float *out, const float *in, const float *residual, const float *weight, const float *bias,
                      size_t N, size_t C, float eps);
    /* x(i) = x/2 (1 + erf(x / sqrt 2)), in place; absolute error below 4e-7 * max(1, |x|). */
    void (*gelu)(float *x, size_t count);
    /* x(n) = exp(x - max) / sum over each row of C, in place. */
    void (*softmax)(float *x, size_t N, size_t C);
    /* out(c, n) = in(n, c) for n < N, c < C; rows in_row and out_row long. */
    void (*transpose)(float *out, size_t out_row, const float *in, size_t in_row, size_t N, size_t C);
} ns_kernels;

extern const ns_kernels ns_kernels_portable; /* everywhere */
#if defined(__x86_64__)
extern const ns_kernels ns_kernels_avx2; /* may be called where code_path.h says so */
extern const ns_kernels ns_kernels_avx512;
#endif

#endif
