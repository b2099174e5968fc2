/* Dense layers of few bits: what is lowered is near what it was, and products of it are what plain arithmetic gives. */
#include "check.h"

#include "tensor/code_path.h"
#include "tensor/half.h"
#include "tensor/linear.h"

/* The sets to check, and the path that must be there to run them. The emulated ones are the AMX sources with the tile
 * instructions in plain C, around which the rest is AVX-512. */
#if defined(__x86_64__)
extern const ns_low_kernels ns_low_amx_int8_emulated, ns_low_amx_bf16_emulated;
#endif
static const struct {
    const ns_low_kernels *low;
    ns_code_path path;
} sets[] = {
#if defined(__x86_64__)
    {&ns_low_avx512_int8, NS_PATH_avx512_int8},
    {&ns_low_amx_int8, NS_PATH_amx_int8},
    {&ns_low_amx_bf16, NS_PATH_amx_bf16},
    {&ns_low_amx_int8_emulated, NS_PATH_avx512_fp32},
    {&ns_low_amx_bf16_emulated, NS_PATH_avx512_fp32},
#else
    {NULL, NS_PATH_amx_int8}, /* none here */
#endif
};

static void fill(float *at, size_t count, uint64_t seed, float least, float most)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < count; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        at[i] = least + (most - least) * (float)(x >> 40) / 16777216.0f;
    }
}

enum { ROWS_MAX = 40, IN_MAX = 300, OUT_MAX = 80 };

static float x[ROWS_MAX * IN_MAX], weight[OUT_MAX * IN_MAX], bias[OUT_MAX], y[ROWS_MAX * OUT_MAX];

/* What a value is once lowered, the way the header says. */
static double lowered(const ns_low_kernels *low, const char *row, size_t k, float scale, int32_t zero)
{
    if (low->value_bytes == 1)
        return (double)scale * ((double)(unsigned char)row[k] - zero);
    uint16_t half;
    memcpy(&half, row + 2 * k, sizeof half);
    return (double)ns_from_bf16(half);
}

static double lowered_weight(const ns_low_kernels *low, const float *row, size_t K, size_t k)
{
    if (low->value_bytes == 2)
        return (double)ns_from_bf16(ns_to_bf16(row[k]));
    float most = 0;
    for (size_t i = 0; i < K; i++)
        most = fmaxf(most, fabsf(row[i]));
    const float scale = most > 0 ? most / 127.0f : 1.0f;
    return (double)scale * (double)lrintf(row[k] / scale);
}

static void check_lowering(const ns_low_kernels *low, const char *rows, size_t bytes, const float *scale,
                           const int32_t *zero, size_t M, size_t K)
{
    for (size_t m = 0; m < M; m++) {
        for (size_t k = 0; k < K; k++) {
            const double was = (double)x[m * K + k], is = lowered(low, rows + m * bytes, k, scale[m], zero[m]);
            CHECK_NEAR(was, is, low->value_bytes == 1 ? (double)scale[m] * 1.01 : fabs(was) / 256);
            if (was == 0)
                CHECK(is == 0);
        }
        for (size_t b = K * low->value_bytes; b < bytes; b++)
            CHECK_INT(0, rows[m * bytes + b]);
    }
}

static void check_linear(const ns_low_kernels *low, size_t M, size_t K, size_t N, float least, float most, bool gelu)
{
    static _Alignas(64) char panels[OUT_MAX * 2 * (IN_MAX + 64) * 2],
        room[(ROWS_MAX + NS_LOW_ROWS) * 4 * (IN_MAX + 64)];
    static _Alignas(64) float padded[3][OUT_MAX + NS_PANEL_MAX];
    const ns_dense dense = {&ns_kernels_portable, low};
    CHECK(ns_linear_bytes(dense, K, N) <= sizeof panels && ns_linear_room(K, M) <= sizeof room);
    memset(panels, 0, sizeof panels);
    memset(padded, 0, sizeof padded);
    fill(x, M * K, M, least, most);
    fill(weight, N * K, N, -0.5f, 0.4f);
    fill(bias, N, K, -1, 1);
    x[0] = 0;
    const ns_linear linear = {dense, K, N, panels, padded[0], padded[1], (int32_t *)(void *)padded[2]};
    ns_linear_put(&linear, 0, N / 2, weight, bias);
    ns_linear_put(&linear, N / 2, N - N / 2, weight + N / 2 * K, bias + N / 2);
    ns_linear_apply(&linear, y, N, x, K, M, gelu, room);

    const size_t bytes = (K * dense.low->value_bytes + NS_LOW_STEP - 1) / NS_LOW_STEP * NS_LOW_STEP;
    static char rows[ROWS_MAX * 2 * (IN_MAX + 64)];
    float scale[ROWS_MAX] = {0};
    int32_t zero[ROWS_MAX] = {0};
    dense.low->lower(rows, bytes, scale, zero, x, K, M, K);
    check_lowering(dense.low, rows, bytes, scale, zero, M, K);
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++) {
            double sum = (double)bias[n], size = 1;
            for (size_t k = 0; k < K; k++) {
                const double product = lowered(dense.low, rows + m * bytes, k, scale[m], zero[m]) *
                                       lowered_weight(dense.low, weight + n * K, K, k);
                sum += product;
                size += fabs(product);
            }
            if (gelu)
                sum = sum / 2 * (1 + erf(sum / sqrt(2)));
            CHECK_NEAR(sum, y[m * N + n], 2e-6 * size);
        }
}

static void as_plain_arithmetic(void **state)
{
    (void)state;
    for (size_t p = 0; p < NS_COUNT_OF(sets); p++) {
        const ns_low_kernels *low = sets[p].low;
        if (!ns_code_path_available(sets[p].path))
            continue;
        for (size_t M = 1; M <= 26; M++)
            check_linear(low, M, 3 + 11 * M, 1 + 3 * M, -1, 1, M % 2 == 0);
        check_linear(low, 40, 300, 80, -0.17f, 9, true); /* as after GELU */
        check_linear(low, 5, 64, 32, 2, 3, false);       /* never near 0 */
        check_linear(low, 5, 65, 33, -3, -2, false);
        check_linear(low, 2, 70, 2, 0, 0, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_plain_arithmetic)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
