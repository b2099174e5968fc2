/*
 * The kernels, written once over vectors of LANES floats and compiled once for each kind of processor: the file that
 * includes this sets LANES, TILE_ROWS, TILE_VECTORS and NAME. A tile of C (TILE_ROWS x TILE_VECTORS vectors) stays in
 * registers while k runs from 0 to K, so the order of summation depends on nothing but K.
 */
#include "tensor/kernels.h"

#include <math.h>
#include <string.h>

#include "tensor/lanes.h"

enum { PANEL = LANES * TILE_VECTORS };

/* What is done to a finished tile, row by row; n < PANEL for the last panel only. */
INLINE void finish_row(const ns_gemm *g, float *c, const float *bias, const vf *acc, size_t n)
{
    float line[PANEL], old[PANEL] = {0}, add[PANEL] = {0};
    const bool whole = n == PANEL;
    if (!whole && g->add)
        memcpy(old, c, n * sizeof *c);
    if (!whole && bias != NULL)
        memcpy(add, bias, n * sizeof *bias);
    const float *from = whole ? c : old, *plus = whole ? bias : add;
    float *to = whole ? c : line;
    EACH (v, TILE_VECTORS) {
        vf x = acc[v];
        if (bias != NULL)
            x += load(plus + v * LANES);
        if (g->add)
            x += load(from + v * LANES);
        if (g->gelu)
            x = gelu_of(x);
        store(to + v * LANES, x);
    }
    if (!whole)
        memcpy(c, line, n * sizeof *c);
}

INLINE void tile(const int rows, const ns_gemm *g, const float *a, const float *b, float *c, const float *bias,
                 size_t n)
{
    vf acc[TILE_ROWS][TILE_VECTORS];
    EACH (i, rows)
        EACH (v, TILE_VECTORS)
            acc[i][v] = (vf){0};
    const size_t b_row = g->b_row, a_step = g->a_step;
    const float *row[TILE_ROWS];
    EACH (i, rows)
        row[i] = a + (size_t)i * g->a_row;
    for (size_t k = 0, at = 0; k < g->K; k++, at += a_step, b += b_row) {
        vf line[TILE_VECTORS];
        EACH (v, TILE_VECTORS)
            line[v] = load(b + v * LANES);
        EACH (i, rows)
            EACH (v, TILE_VECTORS)
                acc[i][v] += line[v] * row[i][at];
    }
    EACH (i, rows)
        finish_row(g, c + (size_t)i * g->c_row, bias, acc[i], n);
}

static void gemm(const ns_gemm *g)
{
    for (size_t n = 0; n < g->N; n += PANEL) {
        const float *b = g->b + n / PANEL * g->b_panel;
        const float *bias = g->bias == NULL ? NULL : g->bias + n;
        const size_t width = g->N - n < PANEL ? g->N - n : PANEL;
        size_t m = 0;
        for (; m + TILE_ROWS <= g->M; m += TILE_ROWS)
            tile(TILE_ROWS, g, g->a + m * g->a_row, b, g->c + m * g->c_row + n, bias, width);
        const float *a = g->a + m * g->a_row;
        float *c = g->c + m * g->c_row + n;
        switch (g->M - m) {
#define REST(rows)                                                                                                     \
    case rows:                                                                                                         \
        tile(rows, g, a, b, c, bias, width);                                                                           \
        break;
            REST(1)
            REST(2)
            REST(3)
#if TILE_ROWS > 4
            REST(4)
            REST(5)
#endif
#if TILE_ROWS > 6
            REST(6)
            REST(7)
#endif
#undef REST
        default:
            break;
        }
    }
}

static void gelu(float *x, size_t count)
{
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        store(x + i, gelu_of(load(x + i)));
    if (i < count) {
        float rest[LANES] = {0};
        memcpy(rest, x + i, (count - i) * sizeof *x);
        store(rest, gelu_of(load(rest)));
        memcpy(x + i, rest, (count - i) * sizeof *x);
    }
}

/* exp(scale * (x - largest)) over the first T of `padded` floats, 0 in the rest; returns the sum. */
INLINE float exponentials(float *x, size_t T, size_t padded, float scale)
{
    for (size_t t = T; t < padded; t++)
        x[t] = -INFINITY;
    vf most = splat(-INFINITY);
    for (size_t t = 0; t < padded; t += LANES)
        most = larger(most, load(x + t));
    const float largest = largest_lane(most);
    vf sum = splat(0);
    for (size_t t = 0; t < padded; t += LANES) {
        const vf raw = load(x + t), e = choose(raw > splat(-INFINITY), exponential((raw - largest) * scale), splat(0));
        store(x + t, e);
        sum += e;
    }
    return sum_lanes(sum);
}

static void softmax(float *x, size_t N, size_t C)
{
    for (size_t n = 0; n < N; n++, x += C) {
        const size_t whole = C / LANES * LANES;
        float rest[LANES], largest = -INFINITY;
        for (size_t c = 0; c < C; c++)
            largest = x[c] > largest ? x[c] : largest;
        vf sum = splat(0);
        for (size_t c = 0; c < whole; c += LANES) {
            const vf e = exponential(load(x + c) - largest);
            store(x + c, e);
            sum += e;
        }
        for (size_t c = 0; c < LANES; c++)
            rest[c] = whole + c < C ? x[whole + c] - largest : 0;
        store(rest, exponential(load(rest)));
        float total = sum_lanes(sum);
        for (size_t c = 0; whole + c < C; c++) {
            x[whole + c] = rest[c];
            total += rest[c];
        }
        const float inverse = 1.0f / total;
        for (size_t c = 0; c < C; c++)
            x[c] *= inverse;
    }
}

static void attention(const ns_attention *a)
{
    const size_t padded = (a->T + PANEL - 1) / PANEL * PANEL;
    const float scale = 1.0f / sqrtf((float)a->D);
    float inverse[NS_ATTENTION_ROWS];
    for (size_t r = 0; r < a->rows; r += NS_ATTENTION_ROWS) {
        const size_t rows = a->rows - r < NS_ATTENTION_ROWS ? a->rows - r : NS_ATTENTION_ROWS;
        gemm(&(ns_gemm){.a = a->q + r * a->q_row,
                        .a_row = a->q_row,
                        .a_step = 1,
                        .b = a->kt,
                        .b_row = a->kt_row,
                        .b_panel = PANEL,
                        .c = a->scratch,
                        .c_row = a->kt_row,
                        .M = rows,
                        .N = padded,
                        .K = a->D});
        for (size_t i = 0; i < rows; i++)
            inverse[i] = 1.0f / exponentials(a->scratch + i * a->kt_row, a->T, padded, scale);
        gemm(&(ns_gemm){.a = a->scratch,
                        .a_row = a->kt_row,
                        .a_step = 1,
                        .b = a->v,
                        .b_row = a->v_row,
                        .b_panel = PANEL,
                        .c = a->out + r * a->out_row,
                        .c_row = a->out_row,
                        .M = rows,
                        .N = a->D,
                        .K = a->T});
        for (size_t i = 0; i < rows; i++)
            for (size_t d = 0; d < a->D; d++)
                a->out[(r + i) * a->out_row + d] *= inverse[i];
    }
}

/* One row; both passes over x = in + residual, which is kept in out. */
INLINE void layernorm_row(float *out, const float *in, const float *residual, const float *weight, const float *bias,
                          size_t C, float eps)
{
    const size_t whole = C / LANES * LANES;
    vf sum = splat(0), squares = splat(0);
    float rest = 0, rest_squares = 0;
    for (size_t c = 0; c < whole; c += LANES) {
        const vf x = residual == NULL ? load(in + c) : load(in + c) + load(residual + c);
        store(out + c, x);
        sum += x;
    }
    for (size_t c = whole; c < C; c++) {
        out[c] = residual == NULL ? in[c] : in[c] + residual[c];
        rest += out[c];
    }
    const float mean = (sum_lanes(sum) + rest) / (float)C;
    for (size_t c = 0; c < whole; c += LANES) {
        const vf d = load(out + c) - mean;
        squares += d * d;
    }
    for (size_t c = whole; c < C; c++)
        rest_squares += (out[c] - mean) * (out[c] - mean);
    const float rstd = 1.0f / sqrtf((sum_lanes(squares) + rest_squares) / (float)C + eps);
    for (size_t c = 0; c < whole; c += LANES)
        store(out + c, (load(out + c) - mean) * rstd * load(weight + c) + load(bias + c));
    for (size_t c = whole; c < C; c++)
        out[c] = (out[c] - mean) * rstd * weight[c] + bias[c];
}

static void layernorm(float *out, const float *in, const float *residual, const float *weight, const float *bias,
                      size_t N, size_t C, float eps)
{
    for (size_t n = 0; n < N; n++)
        layernorm_row(out + n * C, in + n * C, residual == NULL ? NULL : residual + n * C, weight, bias, C, eps);
}

typedef float quad __attribute__((vector_size(16)));
typedef float quad_unaligned __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t quad_index __attribute__((vector_size(16)));

#if defined(__clang__)
#define PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, (quad_index){i, j, k, l})
#endif

INLINE void transpose_quad(float *out, size_t out_row, const float *in, size_t in_row)
{
    const quad a = *(const quad_unaligned *)in, b = *(const quad_unaligned *)(in + in_row),
               c = *(const quad_unaligned *)(in + 2 * in_row), d = *(const quad_unaligned *)(in + 3 * in_row);
    const quad ab_low = PICK(a, b, 0, 4, 1, 5), ab_high = PICK(a, b, 2, 6, 3, 7), cd_low = PICK(c, d, 0, 4, 1, 5),
               cd_high = PICK(c, d, 2, 6, 3, 7);
    *(quad_unaligned *)out = PICK(ab_low, cd_low, 0, 1, 4, 5);
    *(quad_unaligned *)(out + out_row) = PICK(ab_low, cd_low, 2, 3, 6, 7);
    *(quad_unaligned *)(out + 2 * out_row) = PICK(ab_high, cd_high, 0, 1, 4, 5);
    *(quad_unaligned *)(out + 3 * out_row) = PICK(ab_high, cd_high, 2, 3, 6, 7);
}

static void transpose(float *out, size_t out_row, const float *in, size_t in_row, size_t N, size_t C)
{
    size_t n = 0;
    for (; n + 4 <= N; n += 4) {
        size_t c = 0;
        for (; c + 4 <= C; c += 4)
            transpose_quad(out + c * out_row + n, out_row, in + n * in_row + c, in_row);
        for (; c < C; c++)
            for (size_t i = n; i < n + 4; i++)
                out[c * out_row + i] = in[i * in_row + c];
    }
    for (; n < N; n++)
        for (size_t c = 0; c < C; c++)
            out[c * out_row + n] = in[n * in_row + c];
}

const ns_kernels NAME = {
    .name = PATH,
    .panel = PANEL,
    .gemm = gemm,
    .attention = attention,
    .layernorm = layernorm,
    .gelu = gelu,
    .softmax = softmax,
    .transpose = transpose,
};
