/* Products with each side stored either way, with bias, accumulated, in float32 and bfloat16. */
#include "slope.h"

#include "tensor/train_gemm.h"

enum { M = 33, N = 20, K = 17 };

static float at(const float *x, size_t rows, size_t columns, size_t i, size_t j, bool transposed)
{
    return transposed ? x[j * rows + i] : x[i * columns + j];
}

static void one_product(ns_train_gemm *gemm, const ns_train_gemm_call *shape, ns_rng *rng)
{
    static float a[M * K], b[K * N], bias[N], c[M * N], before[M * N];
    static uint16_t half_a[M * K], half_b[K * N], half_c[M * N];
    const ns_train_kernels *k = ns_train_kernels_pick();
    fill(rng, a, M * K, 1.0);
    fill(rng, b, K * N, 1.0);
    fill(rng, bias, N, 1.0);
    fill(rng, c, M * N, 1.0);
    memcpy(before, c, sizeof c);
    ns_train_gemm_call call = *shape;
    call.M = M;
    call.N = N;
    call.K = K;
    call.a = a;
    call.b = b;
    call.c = c;
    call.bias = shape->bias != NULL ? bias : NULL;
    if (call.in == NS_OPERAND_bf16) {
        k->to_operand(half_a, NS_OPERAND_bf16, a, M * K);
        k->to_operand(half_b, NS_OPERAND_bf16, b, K * N);
        k->from_operand(a, half_a, NS_OPERAND_bf16, M * K);
        k->from_operand(b, half_b, NS_OPERAND_bf16, K * N);
        call.a = half_a;
        call.b = half_b;
    }
    if (call.out == NS_OPERAND_bf16)
        call.c = half_c;
    CHECK_OK(ns_train_gemm_run(gemm, &call, NULL));
    if (call.out == NS_OPERAND_bf16)
        k->from_operand(c, half_c, NS_OPERAND_bf16, M * N);
    const double tolerance = call.out == NS_OPERAND_bf16 ? 1e-2 : 1e-5;
    for (size_t i = 0; i < M; i++) {
        for (size_t j = 0; j < N; j++) {
            double sum = call.bias != NULL ? (double)bias[j] : 0.0;
            if (call.accumulate)
                sum += (double)before[i * N + j];
            for (size_t l = 0; l < K; l++)
                sum += (double)at(a, M, K, i, l, call.transpose_a) * (double)at(b, K, N, l, j, call.transpose_b);
            CHECK_NEAR(sum, c[i * N + j], tolerance * (1.0 + fabs(sum)));
        }
    }
}

static void every_form(void **state)
{
    (void)state;
    static const float some = 0.0f;
    ns_train_gemm *gemm = NULL;
    ns_rng rng;
    ns_rng_seed(&rng, 31);
    CHECK_OK(ns_train_gemm_new(&gemm, NULL));
    for (unsigned form = 0; form < 16; form++) {
        ns_train_gemm_call call = {
            .transpose_a = form & 1, .transpose_b = form & 2, .accumulate = form & 4, .bias = form & 8 ? &some : NULL};
        one_product(gemm, &call, &rng);
        one_product(gemm, &call, &rng); /* again, now prepared */
        if (!ns_train_gemm_has_bf16())
            continue;
        call.in = NS_OPERAND_bf16;
        one_product(gemm, &call, &rng);
        if (!call.accumulate) {
            call.out = NS_OPERAND_bf16;
            one_product(gemm, &call, &rng);
        }
    }
    ns_train_gemm_free(gemm);
}

/* More shapes than are kept: the store of prepared products begins anew instead of growing. */
static void many_shapes(void **state)
{
    (void)state;
    static float x[600], c[600];
    ns_train_gemm *gemm = NULL;
    CHECK_OK(ns_train_gemm_new(&gemm, NULL));
    for (size_t i = 0; i < 600; i++)
        x[i] = 1.0f;
    for (size_t m = 1; m <= 500; m++) {
        CHECK_OK(ns_train_gemm_run(gemm, &(ns_train_gemm_call){.M = m, .N = 1, .K = 1, .a = x, .b = x, .c = c}, NULL));
        CHECK_NEAR(1.0, c[m - 1], 0.0);
    }
    ns_train_gemm_free(gemm);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_form), cmocka_unit_test(many_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
