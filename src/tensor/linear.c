#include "tensor/linear.h"

#include "tensor/half.h"

#include <math.h>
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

static size_t low_bytes(size_t in, size_t value_bytes)
{
    return (in * value_bytes + NS_LOW_STEP - 1) / NS_LOW_STEP * NS_LOW_STEP;
}

size_t ns_linear_outputs(size_t out)
{
    return (out + NS_PANEL_MAX - 1) / NS_PANEL_MAX * NS_PANEL_MAX;
}

size_t ns_linear_bytes(ns_dense dense, size_t in, size_t out)
{
    if (dense.low == NULL)
        return ns_panels_floats(dense.kernels, in, out) * sizeof(float);
    return low_bytes(in, dense.low->value_bytes) * ns_linear_outputs(out);
}

size_t ns_linear_room(size_t in, size_t rows)
{
    return (rows + NS_LOW_ROWS) * (low_bytes(in, 2) + sizeof(float) + sizeof(int32_t));
}

/* Where value k of output n stands among the panels, in bytes. */
static size_t low_place(const ns_linear *linear, size_t n, size_t k)
{
    const size_t bytes = low_bytes(linear->in, linear->dense.low->value_bytes),
                 group = 4 / linear->dense.low->value_bytes;
    const size_t panel = n / NS_LOW_PANEL * NS_LOW_PANEL * bytes;
    return panel + k / group * 4 * NS_LOW_PANEL + n % NS_LOW_PANEL * 4 + k % group * linear->dense.low->value_bytes;
}

static void put_int8(const ns_linear *linear, size_t n, const float *weight)
{
    float most = 0;
    int32_t sum = 0;
    for (size_t k = 0; k < linear->in; k++)
        most = fmaxf(most, fabsf(weight[k]));
    const float scale = most > 0 ? most / 127.0f : 1.0f;
    for (size_t k = 0; k < linear->in; k++) {
        const int8_t q = (int8_t)lrintf(weight[k] / scale);
        ((int8_t *)linear->panels)[low_place(linear, n, k)] = q;
        sum += q;
    }
    linear->scale[n] = scale;
    linear->sum[n] = sum;
}

static void put_bf16(const ns_linear *linear, size_t n, const float *weight)
{
    for (size_t k = 0; k < linear->in; k++) {
        const uint16_t half = ns_to_bf16(weight[k]);
        memcpy((char *)linear->panels + low_place(linear, n, k), &half, sizeof half);
    }
}

void ns_linear_put(const ns_linear *linear, size_t first, size_t rows, const float *weight, const float *bias)
{
    memcpy(linear->bias + first, bias, rows * sizeof *bias);
    if (linear->dense.low == NULL) {
        ns_panels_pack(linear->dense.kernels, linear->panels, first, weight, 1, linear->in, linear->in, rows);
        return;
    }
    for (size_t n = 0; n < rows; n++) {
        if (linear->dense.low->value_bytes == 1)
            put_int8(linear, first + n, weight + n * linear->in);
        else
            put_bf16(linear, first + n, weight + n * linear->in);
    }
}

static void apply_low(const ns_linear *linear, float *y, size_t y_row, const float *x, size_t x_row, size_t M,
                      bool gelu, void *room)
{
    const ns_low_kernels *low = linear->dense.low;
    const size_t bytes = low_bytes(linear->in, low->value_bytes);
    const size_t rows = (M + low->row_step - 1) / low->row_step * low->row_step;
    float *scale = (float *)(void *)((char *)room + rows * bytes);
    int32_t *zero = (int32_t *)(void *)(scale + M);
    memset((char *)room + M * bytes, 0, (rows - M) * bytes);
    low->lower(room, bytes, scale, zero, x, x_row, M, linear->in);
    low->gemm(&(ns_low_gemm){.a = room,
                             .a_bytes = bytes,
                             .a_scale = scale,
                             .a_zero = zero,
                             .b = linear->panels,
                             .b_scale = linear->scale,
                             .b_sum = linear->sum,
                             .bias = linear->bias,
                             .c = y,
                             .c_row = y_row,
                             .M = M,
                             .N = linear->out,
                             .gelu = gelu});
}

void ns_linear_apply(const ns_linear *linear, float *y, size_t y_row, const float *x, size_t x_row, size_t M, bool gelu,
                     void *room)
{
    if (linear->dense.low != NULL) {
        apply_low(linear, y, y_row, x, x_row, M, gelu, room);
        return;
    }
    const ns_kernels *kernels = linear->dense.kernels;
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
