#include "tensor/linear.h"

#include <string.h>

size_t ns_panels_floats(const ns_kernels *kernels, size_t K, size_t N)
{
    return (N + kernels->panel - 1) / kernels->panel * kernels->panel * K;
}

void ns_panels_pack(const ns_kernels *kernels, float *out, size_t first, const float *b, size_t k_step, size_t n_step,
                    size_t K, size_t N)
{
    const size_t panel = kernels->panel;
    for (size_t n = 0; n < N; n++) {
        const size_t column = first + n;
        float *to = out + column / panel * panel * K + column % panel;
        const float *from = b + n * n_step;
        for (size_t k = 0; k < K; k++)
            to[k * panel] = from[k * k_step];
    }
}

void ns_linear_put(ns_linear *linear, const ns_kernels *kernels, size_t first, size_t rows, const float *weight,
                   const float *bias)
{
    ns_panels_pack(kernels, linear->panels, first, weight, 1, linear->in, linear->in, rows);
    memcpy(linear->bias + first, bias, rows * sizeof *bias);
}

void ns_linear_apply(const ns_linear *linear, const ns_kernels *kernels, float *y, size_t y_row, const float *x,
                     size_t x_row, size_t M, bool gelu)
{
    kernels->gemm(&(ns_gemm){.a = x,
                             .a_row = x_row,
                             .a_step = 1,
                             .b = linear->panels,
                             .b_row = kernels->panel,
                             .b_panel = linear->in * kernels->panel,
                             .c = y,
                             .c_row = y_row,
                             .bias = linear->bias,
                             .M = M,
                             .N = linear->out,
                             .K = linear->in,
                             .gelu = gelu});
}
