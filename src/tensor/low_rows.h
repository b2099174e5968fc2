/*
 * What int8 products share, whoever does the sums: rows to bytes, and sums to results (AVX-512).
 */
#define LANES 16
#include "tensor/lanes.h"
#include "tensor/low_kernels.h"

#include <immintrin.h>

/* Sums to results: zero points out, scales in, bias, GELU; n < NS_LOW_PANEL in the last panel only. */
INLINE void finish_row(const ns_low_gemm *g, size_t m, size_t column, const int32_t *acc, size_t n)
{
    float line[NS_LOW_PANEL];
    float *to = n == NS_LOW_PANEL ? g->c + m * g->c_row + column : line;
    EACH (v, 2) {
        const size_t at = column + (size_t)v * LANES;
        const __m512i sums = _mm512_loadu_si512(g->b_sum + at);
        const __m512i exact = _mm512_sub_epi32(_mm512_load_si512(acc + v * LANES),
                                               _mm512_mullo_epi32(sums, _mm512_set1_epi32(g->a_zero[m])));
        vf x = (vf)_mm512_cvtepi32_ps(exact) * (load(g->b_scale + at) * g->a_scale[m]) + load(g->bias + at);
        if (g->gelu)
            x = gelu_of(x);
        store(to + v * LANES, x);
    }
    if (n < NS_LOW_PANEL)
        memcpy(g->c + m * g->c_row + column, line, n * sizeof *line);
}

/* One row to bytes. The range always holds 0, so that 0 is kept exactly. */
static void lower_row(uint8_t *out, size_t bytes, float *scale, int32_t *zero, const float *x, size_t K)
{
    __m512 least = _mm512_setzero_ps(), most = _mm512_setzero_ps();
    size_t k = 0;
    for (; k + LANES <= K; k += LANES) {
        const __m512 v = _mm512_loadu_ps(x + k);
        least = _mm512_min_ps(least, v);
        most = _mm512_max_ps(most, v);
    }
    const __mmask16 rest = (__mmask16)((1u << (K - k)) - 1);
    const __m512 last = _mm512_maskz_loadu_ps(rest, x + k);
    const float low = _mm512_reduce_min_ps(_mm512_min_ps(least, last));
    const float high = _mm512_reduce_max_ps(_mm512_max_ps(most, last));
    const float step = high > low ? (high - low) / 255.0f : 1.0f, inverse = 1.0f / step;
    *scale = step;
    *zero = _mm_cvtss_si32(_mm_set_ss(-low * inverse)); /* 0..255, to nearest */
    const __m512 by = _mm512_set1_ps(inverse);
    const __m512i shift = _mm512_set1_epi32(*zero), none = _mm512_setzero_si512();
    for (k = 0; k + LANES <= K; k += LANES) {
        const __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + k), by)), shift);
        _mm_storeu_si128((__m128i *)(void *)(out + k), _mm512_cvtusepi32_epi8(_mm512_max_epi32(q, none)));
    }
    if (k < bytes) {
        const __m512i q = _mm512_add_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(last, by)), shift);
        memset(out + k, 0, bytes - k);
        _mm512_mask_cvtusepi32_storeu_epi8(out + k, rest, _mm512_max_epi32(q, none));
    }
}

static void lower_bytes(void *out, size_t bytes, float *scale, int32_t *zero, const float *x, size_t x_row, size_t M,
                        size_t K)
{
    for (size_t m = 0; m < M; m++)
        lower_row((uint8_t *)out + m * bytes, bytes, &scale[m], &zero[m], x + m * x_row, K);
}
