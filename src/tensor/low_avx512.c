/* int8 products with AVX-512 VNNI (built with those flags): vpdpbusd multiplies bytes of either kind, four at a time.
 */
#include "tensor/low_rows.h"

enum { TILE_ROWS = 12 };

INLINE __m512i four_bytes(const uint8_t *at)
{
    int32_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return _mm512_set1_epi32(bytes);
}

/* The rows of a tile by name: an array of accumulators would not stay in registers. */
#define EACH_ROW(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)

INLINE void tile(const size_t rows, const ns_low_gemm *g, size_t m, const int8_t *b, size_t column, size_t n)
{
    const uint8_t *a = (const uint8_t *)g->a + m * g->a_bytes;
    const size_t next = g->a_bytes;
#define START(i) __m512i left##i = _mm512_setzero_si512(), right##i = _mm512_setzero_si512();
    EACH_ROW(START)
#undef START
    for (size_t k = 0; k < g->a_bytes; k += 4, a += 4, b += 4 * NS_LOW_PANEL) {
        const __m512i low = _mm512_loadu_si512(b), high = _mm512_loadu_si512(b + 64);
#define STEP(i)                                                                                                        \
    if (rows > (i)) {                                                                                                  \
        const __m512i four = four_bytes(a + (i)*next);                                                                 \
        left##i = _mm512_dpbusd_epi32(left##i, four, low);                                                             \
        right##i = _mm512_dpbusd_epi32(right##i, four, high);                                                          \
    }
        EACH_ROW(STEP)
#undef STEP
    }
    /* Through memory: what follows needs registers, and gcc would rather spill the sums within the loop above. */
    _Alignas(64) int32_t acc[TILE_ROWS][NS_LOW_PANEL];
#define FINISH(i)                                                                                                      \
    if (rows > (i)) {                                                                                                  \
        _mm512_store_si512(acc[i], left##i);                                                                           \
        _mm512_store_si512(acc[i] + LANES, right##i);                                                                  \
    }
    EACH_ROW(FINISH)
#undef FINISH
    __asm__ volatile("" ::"r"(acc) : "memory");
    for (size_t i = 0; i < rows; i++)
        finish_row(g, m + i, column, acc[i], n);
}

static void gemm(const ns_low_gemm *g)
{
    for (size_t n = 0; n < g->N; n += NS_LOW_PANEL) {
        const int8_t *b = (const int8_t *)g->b + n * g->a_bytes;
        const size_t width = g->N - n < NS_LOW_PANEL ? g->N - n : NS_LOW_PANEL;
        size_t m = 0;
        for (; m + TILE_ROWS <= g->M; m += TILE_ROWS)
            tile(TILE_ROWS, g, m, b, n, width);
        switch (g->M - m) {
#define REST(rows)                                                                                                     \
    case rows:                                                                                                         \
        tile(rows, g, m, b, n, width);                                                                                 \
        break;
            REST(1)
            REST(2)
            REST(3)
            REST(4)
            REST(5)
            REST(6)
            REST(7)
            REST(8)
            REST(9)
            REST(10)
            REST(11)
#undef REST
        default:
            break;
        }
    }
}

const ns_low_kernels ns_low_avx512_int8 = {.value_bytes = 1, .lower = lower_bytes, .row_step = 1, .gemm = gemm};
