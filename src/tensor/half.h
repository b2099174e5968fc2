/*
 * Sixteen-bit floats, by bits: bfloat16 (8 bits of exponent, 7 of fraction) and IEEE half (5 and 10).
 *
 * To sixteen bits rounds to nearest even; what is too large becomes infinite; NaN stays NaN.
 */
#ifndef NS_TENSOR_HALF_H
#define NS_TENSOR_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t ns_float_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float ns_float_of_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float ns_from_bf16(uint16_t half)
{
    return ns_float_of_bits((uint32_t)half << 16);
}

static inline uint16_t ns_to_bf16(float x)
{
    const uint32_t bits = ns_float_bits(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((bits >> 16) | 0x40u); /* NaN: keep it one when the low bits go */
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

static inline float ns_from_f16(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = (half >> 10) & 31u, fraction = half & 1023u;
    if (exponent == 31)
        return ns_float_of_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0) { /* fraction * 2^-24, exact */
        const float value = (float)fraction * 0x1p-24f;
        return sign == 0 ? value : -value;
    }
    return ns_float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static inline uint16_t ns_to_f16(float x)
{
    const uint32_t bits = ns_float_bits(x), magnitude = bits & 0x7fffffffu;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) /* 65520 and above rounds to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) { /* below 2^-14: adding 0.5 leaves the rounded multiple of 2^-24 in the low bits */
        const float shifted = ns_float_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (ns_float_bits(shifted) - 0x3f000000u));
    }
    return (uint16_t)(sign | ((magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13));
}

#endif
