/* Each set of kernels this machine can run against plain arithmetic in double precision, at awkward sizes. */
#include "check.h"

#include "tensor/code_path.h"
#include "tensor/linear.h"

static const ns_code_path paths[] = {NS_PATH_portable_fp32, NS_PATH_avx2_fp32, NS_PATH_avx512_fp32};

static float *some(size_t count, uint64_t seed)
{
    float *at = NS_NEW_ARRAY(float, count + NS_PANEL_MAX);
    CHECK(at != NULL);
    uint64_t x = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < count; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        at[i] = (float)(int32_t)(x >> 32) / 2147483648.0f;
    }
    return at;
}

static void check_gemm(const ns_kernels *kernels, size_t M, size_t N, size_t K, bool turned, bool add, bool gelu)
{
    float *a = some(M * K, M), *b = some(K * N, N), *bias = some(N, K), *c = some(M * N, 7), *old = some(M * N, 7);
    float *panels = NS_NEW_ARRAY(float, ns_panels_floats(kernels, K, N));
    CHECK(panels != NULL);
    ns_panels_pack(kernels, panels, 0, b, N, 1, K, N);
    kernels->gemm(&(ns_gemm){.a = a,
                             .a_row = turned ? 1 : K,
                             .a_step = turned ? M : 1,
                             .b = panels,
                             .b_row = kernels->panel,
                             .b_panel = K * kernels->panel,
                             .c = c,
                             .c_row = N,
                             .bias = bias,
                             .M = M,
                             .N = N,
                             .K = K,
                             .add = add,
                             .gelu = gelu});
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++) {
            double sum = (double)bias[n] + (add ? (double)old[m * N + n] : 0);
            for (size_t k = 0; k < K; k++)
                sum += (double)a[turned ? k * M + m : m * K + k] * (double)b[k * N + n];
            if (gelu)
                sum = sum / 2 * (1 + erf(sum / sqrt(2)));
            CHECK_NEAR(sum, c[m * N + n], 1e-6 * (double)(K + 8));
        }
    ns_free(a);
    ns_free(b);
    ns_free(bias);
    ns_free(c);
    ns_free(old);
    ns_free(panels);
}

static void check_attention(const ns_kernels *kernels, size_t rows, size_t T, size_t D)
{
    const size_t wide = (T + NS_PANEL_MAX - 1) / NS_PANEL_MAX * NS_PANEL_MAX;
    float *q = some(rows * D, 1), *k = some(T * D, 2), *v = some(T * D, 3), *out = some(rows * D, 4);
    float *kt = some(D * wide, 5), *scratch = some(NS_ATTENTION_ROWS * wide, 6);
    kernels->transpose(kt, wide, k, D, T, D);
    kernels->attention(&(ns_attention){q, D, kt, wide, v, D, out, D, scratch, rows, T, D});
    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < D; d++) {
            double sum = 0, of = 0;
            for (size_t t = 0; t < T; t++) {
                double score = 0;
                for (size_t i = 0; i < D; i++)
                    score += (double)q[r * D + i] * (double)k[t * D + i];
                const double e = exp(score / sqrt((double)D));
                sum += e;
                of += e * (double)v[t * D + d];
            }
            CHECK_NEAR(of / sum, out[r * D + d], 2e-6);
        }
    ns_free(q);
    ns_free(k);
    ns_free(v);
    ns_free(out);
    ns_free(kt);
    ns_free(scratch);
}

static void check_layernorm(const ns_kernels *kernels, size_t N, size_t C, bool residual)
{
    float *in = some(N * C, 1), *more = some(N * C, 2), *weight = some(C, 3), *bias = some(C, 4), *out = some(N * C, 5);
    kernels->layernorm(out, in, residual ? more : NULL, weight, bias, N, C, 1e-5f);
    for (size_t n = 0; n < N; n++) {
        double mean = 0, variance = 0;
        for (size_t c = 0; c < C; c++)
            mean += (double)in[n * C + c] + (residual ? (double)more[n * C + c] : 0);
        mean /= (double)C;
        for (size_t c = 0; c < C; c++)
            variance += pow((double)in[n * C + c] + (residual ? (double)more[n * C + c] : 0) - mean, 2);
        const double scale = 1 / sqrt(variance / (double)C + 1e-5);
        for (size_t c = 0; c < C; c++) {
            const double x = (double)in[n * C + c] + (residual ? (double)more[n * C + c] : 0);
            CHECK_NEAR((x - mean) * scale * (double)weight[c] + (double)bias[c], out[n * C + c], 1e-5);
        }
    }
    ns_free(in);
    ns_free(more);
    ns_free(weight);
    ns_free(bias);
    ns_free(out);
}

static void check_curves(const ns_kernels *kernels)
{
    enum { COUNT = 20001 };
    float *x = NS_NEW_ARRAY(float, COUNT);
    CHECK(x != NULL);
    for (size_t i = 0; i < COUNT; i++)
        x[i] = ((float)i - COUNT / 2) * 1e-3f;
    kernels->gelu(x, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const double v = (double)(((float)i - COUNT / 2) * 1e-3f);
        CHECK_NEAR(v / 2 * (1 + erf(v / sqrt(2))), x[i], 4e-7 * fmax(1, fabs(v)));
    }
    float far[] = {-1e30f, -50, 0, 50, 1e30f};
    kernels->gelu(far, 5);
    CHECK(far[0] == 0 && far[1] == 0 && far[2] == 0 && far[3] == 50 && far[4] == 1e30f);
    ns_free(x);
    float rows[2 * 37];
    for (size_t i = 0; i < NS_COUNT_OF(rows); i++)
        rows[i] = (float)(i % 37) * (i < 37 ? 0.3f : 40.0f);
    kernels->softmax(rows, 2, 37);
    double sum = 0;
    for (size_t i = 0; i < 37; i++) {
        sum += exp((double)i * (double)0.3f - 36 * (double)0.3f);
        CHECK_NEAR(i == 36 ? 1 : 0, rows[37 + i], 1e-7);
    }
    for (size_t i = 0; i < 37; i++)
        CHECK_NEAR(exp(((double)i - 36) * (double)0.3f) / sum, rows[i], 1e-6);
}

static void as_plain_arithmetic(void **state)
{
    (void)state;
    for (size_t p = 0; p < NS_COUNT_OF(paths); p++) {
        if (!ns_code_path_available(paths[p]))
            continue;
        const ns_kernels *kernels = ns_code_path_kernels(paths[p]);
        CHECK_STRING(ns_code_path_name(paths[p]), kernels->name);
        CHECK(NS_PANEL_MAX % kernels->panel == 0);
        for (size_t M = 1; M <= 17; M++)
            check_gemm(kernels, M, 16 + 3 * M, 5 + M, M % 2 == 0, M % 3 == 0, M % 4 == 0);
        check_gemm(kernels, 3, 1, 1, false, false, false);
        check_gemm(kernels, 64, 96, 300, false, false, true);
        check_gemm(kernels, 64, 96, 300, true, true, false);
        check_attention(kernels, 1, 1, 8);
        check_attention(kernels, 17, 33, 12);
        check_attention(kernels, 40, 128, 64);
        check_layernorm(kernels, 3, 48, false);
        check_layernorm(kernels, 2, 100, true);
        check_layernorm(kernels, 2, 3, true);
        check_curves(kernels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_plain_arithmetic)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
