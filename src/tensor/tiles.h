/*
 * Tile instructions by name: Intel's AMX, or (NS_TILES_EMULATED) what they do, in plain C after the description in
 * Intel's Software Developer's Manual (TDPBUSD, TDPBF16PS). All tiles are 16 rows of 64 bytes.
 */
#ifndef NS_TENSOR_TILES_H
#define NS_TENSOR_TILES_H

#include <stdint.h>
#include <string.h>

#if defined(NS_TILES_EMULATED)

#include "tensor/half.h"

#define NS_TILES_NAME(name) name##_emulated

static _Thread_local union {
    uint8_t bytes[16][64];
    int32_t sums[16][16];
    float floats[16][16];
    int8_t weights[16][64];
    uint16_t halves[16][32];
} tile_register[8];

static inline void tile_load(int t, const void *at, size_t stride)
{
    for (size_t row = 0; row < 16; row++)
        memcpy(tile_register[t].bytes[row], (const char *)at + row * stride, 64);
}

static inline void tile_store(int t, void *at, size_t stride)
{
    for (size_t row = 0; row < 16; row++)
        memcpy((char *)at + row * stride, tile_register[t].bytes[row], 64);
}

static inline void tile_dot_bytes(int c, int a, int b)
{
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 16; n++)
                for (int i = 0; i < 4; i++)
                    tile_register[c].sums[m][n] +=
                        (int32_t)tile_register[a].bytes[m][4 * k + i] * (int32_t)tile_register[b].weights[k][4 * n + i];
}

static inline void tile_dot_bf16(int c, int a, int b)
{
    for (int m = 0; m < 16; m++)
        for (int k = 0; k < 16; k++)
            for (int n = 0; n < 16; n++)
                for (int i = 0; i < 2; i++)
                    tile_register[c].floats[m][n] += ns_from_bf16(tile_register[a].halves[m][2 * k + i]) *
                                                     ns_from_bf16(tile_register[b].halves[k][2 * n + i]);
}

#define TILES_BEGIN()             (void)0
#define TILES_END()               (void)0
#define TILE_ZERO(t)              memset(&tile_register[t], 0, sizeof tile_register[t])
#define TILE_LOAD(t, at, stride)  tile_load(t, at, stride)
#define TILE_STORE(t, at, stride) tile_store(t, at, stride)
#define TILE_DOT_BYTES(c, a, b)   tile_dot_bytes(c, a, b)
#define TILE_DOT_BF16(c, a, b)    tile_dot_bf16(c, a, b)

#else

#include <immintrin.h>

#define NS_TILES_NAME(name) name

/* Palette 1: eight tiles of 16 rows and 64 bytes. By asm, since gcc 12's _tile_loadconfig does not tell the compiler
 * that it reads the whole of this. */
static inline void tiles_begin(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        config.row_bytes[t] = 64;
        config.rows[t] = 16;
    }
    _Static_assert(sizeof config == 64, "as the processor reads it");
    __asm__ volatile("ldtilecfg %0" ::"m"(config) : "memory");
}

#define TILES_BEGIN()             tiles_begin()
#define TILES_END()               _tile_release()
#define TILE_ZERO(t)              _tile_zero(t)
#define TILE_LOAD(t, at, stride)  _tile_loadd(t, at, stride)
#define TILE_STORE(t, at, stride) _tile_stored(t, at, stride)
#define TILE_DOT_BYTES(c, a, b)   _tile_dpbusd(c, a, b)
#define TILE_DOT_BF16(c, a, b)    _tile_dpbf16ps(c, a, b)

#endif
#endif
