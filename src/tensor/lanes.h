/*
 * Vectors of LANES floats (the file that includes this sets LANES), and the curves of the networks over them. gcc and
 * clang compile the arithmetic of such vectors for whatever processor the file is built for.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float vf __attribute__((vector_size(LANES * 4)));
typedef int32_t vi __attribute__((vector_size(LANES * 4)));
typedef float vf_unaligned __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
/* A loop over the tile: it must be unrolled whole, or the tile leaves the registers. */
#if defined(__clang__)
#define EACH(i, count) _Pragma("clang loop unroll(full)") for (int i = 0; i < (count); i++)
#else
#define EACH(i, count) _Pragma("GCC unroll 16") for (int i = 0; i < (count); i++)
#endif

INLINE vf load(const float *at)
{
    return *(const vf_unaligned *)at;
}

INLINE void store(float *at, vf x)
{
    *(vf_unaligned *)at = x;
}

INLINE vf splat(float x)
{
    return x - (vf){0};
}

INLINE vf choose(vi mask, vf yes, vf no)
{
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

INLINE vf larger(vf a, vf b)
{
    return choose(a > b, a, b);
}

INLINE vf smaller(vf a, vf b)
{
    return choose(a < b, a, b);
}

INLINE float sum_lanes(vf x)
{
    float half[LANES];
    memcpy(half, &x, sizeof x);
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int i = 0; i < width; i++)
            half[i] += half[i + width];
    return half[0];
}

INLINE float largest_lane(vf x)
{
    float best = x[0];
    for (int i = 1; i < LANES; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

/* e^x for x in [-87, 88], relative error below 2e-7; below that range about 1.6e-38. x = n ln 2 + r with |r| <= ln 2 /
 * 2, e^r by its Taylor series to r^6 (next term: 1.2e-7), times 2^n put into the exponent. */
INLINE vf exponential(vf x)
{
    const vf round = splat(12582912.0f); /* 1.5 * 2^23: adding it leaves the nearest whole number */
    x = larger(x, splat(-87.0f));
    const vf n = (x * 1.44269504f + round) - round;
    vf r = x - n * 0.693359375f; /* ln 2 in two parts, the first exact in few bits */
    r = r + n * 2.12194440e-4f;
    vf e = splat(1.0f / 720);
    e = e * r + 1.0f / 120;
    e = e * r + 1.0f / 24;
    e = e * r + 1.0f / 6;
    e = e * r + 0.5f;
    e = e * r + 1.0f;
    e = e * r + 1.0f;
    const vi exponent = (__builtin_convertvector(n, vi) + 127) << 23;
    return e * (vf)exponent;
}

#include "tensor/erf_fit.h"

/* GELU with erf as a rational function fitted on [0, ERF_END] (tools/fit_erf.py); beyond it erf is 1 in a float. */
INLINE vf gelu_of(vf x)
{
    const vf z = larger(smaller(x * 0.70710678f, splat(ERF_END)), splat(-ERF_END));
    const vf s = z * z;
    vf p = splat(ERF_P[0]), q = splat(ERF_Q[0]);
    EACH (i, (int)(sizeof ERF_P / sizeof ERF_P[0]) - 1)
        p = p * s + ERF_P[i + 1];
    EACH (i, (int)(sizeof ERF_Q / sizeof ERF_Q[0]) - 1)
        q = q * s + ERF_Q[i + 1];
    const vf half = x * 0.5f;
    return half + half * (z * p / q);
}
