/*
 * Products of few bits on Intel's AMX (built with those flags): a tile instruction multiplies 16 rows of 64 bytes with
 * 16 groups of k for 16 columns. Four tiles of sums (32 rows x 32 columns) stay in the tile registers while k runs.
 *
 * With NS_TILES_EMULATED the few instructions are plain C (tiles.h), so that a test runs the same source on processors
 * without AMX.
 */
#include "tensor/low_rows.h"
#include "tensor/tiles.h"

enum { TILE = 16 };

/* The sums of 16 or 32 rows from `a` on, for one panel, into acc (32, NS_LOW_PANEL). DOT is the tile instruction. */
#define SUMS(name, DOT)                                                                                                \
    static void name(const ns_low_gemm *g, const char *a, const char *b, bool both, void *acc)                         \
    {                                                                                                                  \
        const size_t line = 4 * NS_LOW_PANEL, below = TILE * g->a_bytes, sums = 4 * NS_LOW_PANEL;                      \
        TILE_ZERO(0);                                                                                                  \
        TILE_ZERO(1);                                                                                                  \
        TILE_ZERO(2);                                                                                                  \
        TILE_ZERO(3);                                                                                                  \
        for (size_t k = 0; k < g->a_bytes; k += 4 * TILE, b += TILE * line) {                                          \
            TILE_LOAD(6, b, line);                                                                                     \
            TILE_LOAD(7, b + 4 * TILE, line);                                                                          \
            TILE_LOAD(4, a + k, g->a_bytes);                                                                           \
            DOT(0, 4, 6);                                                                                              \
            DOT(1, 4, 7);                                                                                              \
            if (both) {                                                                                                \
                TILE_LOAD(5, a + below + k, g->a_bytes);                                                               \
                DOT(2, 5, 6);                                                                                          \
                DOT(3, 5, 7);                                                                                          \
            }                                                                                                          \
        }                                                                                                              \
        TILE_STORE(0, acc, sums);                                                                                      \
        TILE_STORE(1, (char *)acc + 4 * TILE, sums);                                                                   \
        if (both) {                                                                                                    \
            TILE_STORE(2, (char *)acc + TILE * sums, sums);                                                            \
            TILE_STORE(3, (char *)acc + TILE * sums + 4 * TILE, sums);                                                 \
        }                                                                                                              \
    }

SUMS(sums_int8, TILE_DOT_BYTES)
SUMS(sums_bf16, TILE_DOT_BF16)

INLINE void finish_bf16(const ns_low_gemm *g, size_t m, size_t column, const float *acc, size_t n)
{
    float line[NS_LOW_PANEL];
    float *to = n == NS_LOW_PANEL ? g->c + m * g->c_row + column : line;
    EACH (v, 2) {
        vf y = load(acc + v * LANES) + load(g->bias + column + (size_t)v * LANES);
        if (g->gelu)
            y = gelu_of(y);
        store(to + v * LANES, y);
    }
    if (n < NS_LOW_PANEL)
        memcpy(g->c + m * g->c_row + column, line, n * sizeof *line);
}

INLINE void gemm(const ns_low_gemm *g, const bool int8)
{
    _Alignas(64) int32_t acc[2 * TILE][NS_LOW_PANEL];
    TILES_BEGIN();
    for (size_t n = 0; n < g->N; n += NS_LOW_PANEL) {
        const char *b = (const char *)g->b + n * g->a_bytes;
        const size_t width = g->N - n < NS_LOW_PANEL ? g->N - n : NS_LOW_PANEL;
        for (size_t m = 0; m < g->M; m += 2 * TILE) {
            const size_t rows = g->M - m < 2 * TILE ? g->M - m : 2 * TILE;
            (int8 ? sums_int8 : sums_bf16)(g, (const char *)g->a + m * g->a_bytes, b, rows > TILE, acc);
            for (size_t i = 0; i < rows; i++) {
                if (int8)
                    finish_row(g, m + i, n, acc[i], width);
                else
                    finish_bf16(g, m + i, n, (const float *)(const void *)acc[i], width);
            }
        }
    }
    TILES_END();
}

static void gemm_int8(const ns_low_gemm *g)
{
    gemm(g, true);
}

static void gemm_bf16(const ns_low_gemm *g)
{
    gemm(g, false);
}

/* To nearest, ties to even: adding 0x7fff and the bit that stays last carries exactly when it should. */
static void lower_bf16(void *out, size_t bytes, float *scale, int32_t *zero, const float *x, size_t x_row, size_t M,
                       size_t K)
{
    (void)scale;
    (void)zero;
    for (size_t m = 0; m < M; m++, x += x_row) {
        char *row = (char *)out + m * bytes;
        memset(row + K / LANES * LANES * 2, 0, bytes - K / LANES * LANES * 2);
        for (size_t k = 0; k < K; k += LANES) {
            const __mmask16 there = (__mmask16)(K - k < LANES ? (1u << (K - k)) - 1 : 0xffffu);
            const __m512i bits = _mm512_castps_si512(_mm512_maskz_loadu_ps(there, x + k));
            const __m512i last = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
            const __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), last);
            _mm512_mask_cvtepi32_storeu_epi16(row + 2 * k, there, _mm512_srli_epi32(up, 16));
        }
    }
}

const ns_low_kernels NS_TILES_NAME(ns_low_amx_int8) = {1, TILE, lower_bytes, gemm_int8};
const ns_low_kernels NS_TILES_NAME(ns_low_amx_bf16) = {2, TILE, lower_bf16, gemm_bf16};
