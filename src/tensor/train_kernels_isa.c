/*
 * The functions behind ns_train_kernels, compiled once per instruction set with NS_TRAIN_KERNELS_NAME set by the build.
 * Plain loops that the compiler turns into vectors; no branch in an inner loop.
 */
#include "tensor/train_kernels.h"

#include <math.h>
#include <string.h>

#ifndef NS_TRAIN_KERNELS_NAME
#error "NS_TRAIN_KERNELS_NAME is set by the build"
#endif
#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)
#define STRING_(a)   #a
#define STRING(a)    STRING_(a)

enum { BLOCK = 256 }; /* floats on the stack while an operand is worked on: stays in the first cache */

static inline float from_bits(uint32_t bits)
{
    union {
        uint32_t u;
        float f;
    } x = {bits};
    return x.f;
}

static inline uint32_t to_bits(float value)
{
    union {
        float f;
        uint32_t u;
    } x = {value};
    return x.u;
}

/* exp for x in float range: 2^n * e^r with the Cephes polynomial; relative error about 1e-7. Below -87 it is e^-87. */
static inline float exp_of(float x)
{
    x = x < 88.0f ? x : 88.0f;
    x = x > -87.0f ? x : -87.0f;
    int n = (int)(x * 1.44269504088896341f + 126.5f) - 126; /* +126: truncation becomes rounding */
    float r = x - (float)n * 0.693359375f;
    r = r - (float)n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return (p * r * r + r + 1.0f) * from_bits((uint32_t)(n + 127) << 23);
}

/* Phi(x), the normal distribution; *density_scaled = exp(-x^2/2). */
static inline float normal_cdf(float x, float *density_scaled)
{
    float z = (x < 0.0f ? -x : x) * 0.70710678118654752f;
    float t = 1.0f / (1.0f + 0.3275911f * z);
    float e = exp_of(-0.5f * x * x);
    float tail = 0.5f * e * t *
                 (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
    *density_scaled = e;
    return x < 0.0f ? tail : 1.0f - tail;
}

static void to_operand(void *out, ns_operand_type type, const float *in, size_t n)
{
    if (type == NS_OPERAND_f32) {
        if (out != in)
            memcpy(out, in, n * sizeof *in);
        return;
    }
    uint16_t *half = out;
    for (size_t i = 0; i < n; i++) {
        uint32_t u = to_bits(in[i]);
        uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
        uint32_t nan = (u >> 16) | 0x40u; /* rounding must not turn a NaN into an infinity */
        half[i] = (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
    }
}

static void from_operand(float *out, const void *in, ns_operand_type type, size_t n)
{
    if (type == NS_OPERAND_f32) {
        if (out != in)
            memcpy(out, in, n * sizeof *out);
        return;
    }
    const uint16_t *half = in;
    for (size_t i = 0; i < n; i++)
        out[i] = from_bits((uint32_t)half[i] << 16);
}

static inline const void *operand_at(const void *base, ns_operand_type type, size_t i)
{
    return (const char *)base + i * ns_operand_bytes(type);
}

static inline void *operand_to(void *base, ns_operand_type type, size_t i)
{
    return (char *)base + i * ns_operand_bytes(type);
}

static void add(float *restrict out, const float *restrict in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] += in[i];
}

static void scale(float *out, float factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] *= factor;
}

static double sum_squares(const float *in, size_t n)
{
    double total = 0.0;
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t count = n - at < BLOCK ? n - at : BLOCK;
        float sum = 0.0f;
        for (size_t i = 0; i < count; i++)
            sum += in[at + i] * in[at + i];
        total += (double)sum;
    }
    return total;
}

static void sum_rows(float *restrict out, const void *in, ns_operand_type type, size_t N, size_t C)
{
    float block[BLOCK];
    for (size_t c = 0; c < C; c += BLOCK) {
        size_t count = C - c < BLOCK ? C - c : BLOCK;
        for (size_t n = 0; n < N; n++) {
            const float *row = operand_at(in, type, n * C + c);
            if (type != NS_OPERAND_f32) {
                from_operand(block, row, type, count);
                row = block;
            }
            for (size_t i = 0; i < count; i++)
                out[c + i] += row[i];
        }
    }
}

static void gelu(void *out, const void *in, ns_operand_type type, size_t n)
{
    float block[BLOCK];
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t count = n - at < BLOCK ? n - at : BLOCK;
        from_operand(block, operand_at(in, type, at), type, count);
        for (size_t i = 0; i < count; i++) {
            float unused;
            block[i] = block[i] * normal_cdf(block[i], &unused);
        }
        to_operand(operand_to(out, type, at), type, block, count);
    }
}

static void gelu_backward(void *d_in, const void *d_out, const void *in, ns_operand_type type, size_t n)
{
    float x[BLOCK], d[BLOCK];
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t count = n - at < BLOCK ? n - at : BLOCK;
        from_operand(x, operand_at(in, type, at), type, count);
        from_operand(d, operand_at(d_out, type, at), type, count);
        for (size_t i = 0; i < count; i++) {
            float e;
            float phi = normal_cdf(x[i], &e);
            d[i] *= phi + x[i] * e * 0.39894228040143268f;
        }
        to_operand(operand_to(d_in, type, at), type, d, count);
    }
}

static void layernorm(float *out, void *operand, ns_operand_type type, float *mean, float *rstd, const float *in,
                      const float *weight, const float *bias, size_t N, size_t C, float eps)
{
    for (size_t n = 0; n < N; n++) {
        const float *x = in + n * C;
        float *y = out + n * C;
        float sum = 0.0f, square = 0.0f;
        for (size_t i = 0; i < C; i++)
            sum += x[i];
        const float m = sum / (float)C;
        for (size_t i = 0; i < C; i++)
            square += (x[i] - m) * (x[i] - m);
        const float r = 1.0f / sqrtf(square / (float)C + eps);
        for (size_t i = 0; i < C; i++)
            y[i] = (x[i] - m) * r * weight[i] + bias[i];
        mean[n] = m;
        rstd[n] = r;
        if (operand != NULL)
            to_operand(operand_to(operand, type, n * C), type, y, C);
    }
}

static void layernorm_backward(float *d_in, float *restrict d_weight, float *restrict d_bias, const float *d_out,
                               const float *restrict in, const float *restrict mean, const float *restrict rstd,
                               const float *restrict weight, size_t N, size_t C)
{
    for (size_t n = 0; n < N; n++) {
        const float *x = in + n * C, *dy = d_out + n * C;
        float *dx = d_in + n * C;
        const float m = mean[n], r = rstd[n];
        float sum_g = 0.0f, sum_gh = 0.0f;
        for (size_t i = 0; i < C; i++) {
            float h = (x[i] - m) * r, g = dy[i] * weight[i];
            sum_g += g;
            sum_gh += g * h;
            d_weight[i] += dy[i] * h;
            d_bias[i] += dy[i];
        }
        const float avg_g = sum_g / (float)C, avg_gh = sum_gh / (float)C;
        for (size_t i = 0; i < C; i++)
            dx[i] = r * (dy[i] * weight[i] - avg_g - (x[i] - m) * r * avg_gh);
    }
}

static float highest(const float *row, size_t C)
{
    float top = row[0];
    for (size_t i = 1; i < C; i++)
        top = row[i] > top ? row[i] : top;
    return top;
}

static void softmax(float *rows, float factor, size_t N, size_t C)
{
    for (size_t n = 0; n < N; n++) {
        float *row = rows + n * C;
        const float top = highest(row, C);
        float sum = 0.0f;
        for (size_t i = 0; i < C; i++) {
            row[i] = exp_of(factor * (row[i] - top));
            sum += row[i];
        }
        const float inverse = 1.0f / sum;
        for (size_t i = 0; i < C; i++)
            row[i] *= inverse;
    }
}

static void softmax_backward(float *d_rows, const float *probabilities, float factor, size_t N, size_t C)
{
    for (size_t n = 0; n < N; n++) {
        float *d = d_rows + n * C;
        const float *p = probabilities + n * C;
        float dot = 0.0f;
        for (size_t i = 0; i < C; i++)
            dot += d[i] * p[i];
        for (size_t i = 0; i < C; i++)
            d[i] = p[i] * (d[i] - dot) * factor;
    }
}

static float log_sum_exp(const float *row, size_t C)
{
    const float top = highest(row, C);
    float sum = 0.0f;
    for (size_t i = 0; i < C; i++)
        sum += exp_of(row[i] - top);
    return top + logf(sum);
}

static void exp_shifted(float *row, float shift, float factor, size_t C)
{
    for (size_t i = 0; i < C; i++)
        row[i] = exp_of(row[i] - shift) * factor;
}

/* Wang and Mulvey's "lowbias32" mixing, twice keyed: cheap in vectors and without visible pattern. */
static inline uint32_t mix(uint32_t x, uint32_t low, uint32_t high)
{
    x ^= low;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x += high;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x;
}

static void dropout(float *values, uint64_t key, uint32_t first, float p, size_t n)
{
    const uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
    const uint32_t limit = (uint32_t)((double)p * 16777216.0); /* of 24 bits: exact in a float */
    const float factor = 1.0f / (1.0f - p);
    for (size_t i = 0; i < n; i++) {
        uint32_t r = mix(first + (uint32_t)i, low, high) >> 8;
        values[i] = r < limit ? 0.0f : values[i] * factor;
    }
}

static void adamw(float *restrict w, float *restrict m, float *restrict v, const float *restrict g, size_t n,
                  const ns_adamw_step *step)
{
    const ns_adamw_step s = *step;
    const float keep = 1.0f - s.rate * s.decay;
    const float size = s.rate / s.correct1;
    const float root = 1.0f / sqrtf(s.correct2);
    for (size_t i = 0; i < n; i++) {
        float gradient = g[i] * s.gradient_factor;
        float first = s.beta1 * m[i] + (1.0f - s.beta1) * gradient;
        float second = s.beta2 * v[i] + (1.0f - s.beta2) * gradient * gradient;
        m[i] = first;
        v[i] = second;
        w[i] = w[i] * keep - size * first / (sqrtf(second) * root + s.eps);
    }
}

extern const ns_train_kernels PASTE(ns_train_kernels_, NS_TRAIN_KERNELS_NAME);
const ns_train_kernels PASTE(ns_train_kernels_, NS_TRAIN_KERNELS_NAME) = {
    .name = STRING(NS_TRAIN_KERNELS_NAME),
    .to_operand = to_operand,
    .from_operand = from_operand,
    .add = add,
    .scale = scale,
    .sum_squares = sum_squares,
    .sum_rows = sum_rows,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .layernorm = layernorm,
    .layernorm_backward = layernorm_backward,
    .softmax = softmax,
    .softmax_backward = softmax_backward,
    .log_sum_exp = log_sum_exp,
    .exp_shifted = exp_shifted,
    .dropout = dropout,
    .adamw = adamw,
};
