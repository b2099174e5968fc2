/* The compiled instruction sets say the same, and known values come out. */
#include "slope.h"

#include "tensor/train_kernels.h"

enum { COUNT = 1000 };

static void gelu_equals_the_error_function(void **state)
{
    (void)state;
    const ns_train_kernels *k = ns_train_kernels_pick();
    for (double x = -12.0; x <= 12.0; x += 0.01) {
        float in = (float)x, out;
        k->gelu(&out, &in, NS_OPERAND_f32, 1);
        CHECK_NEAR(0.5 * (double)in * (1.0 + erf((double)in / sqrt(2.0))), out, 1e-6);
    }
}

static void softmax_of_large_numbers(void **state)
{
    (void)state;
    float row[] = {1e4f, 1e4f, -1e4f};
    ns_train_kernels_pick()->softmax(row, 1.0f, 1, 3);
    CHECK_NEAR(0.5, row[0], 1e-6);
    CHECK_NEAR(0.0, row[2], 1e-30);
    const float logits[] = {1e4f, 1e4f};
    CHECK_NEAR(1e4 + log(2.0), ns_train_kernels_pick()->log_sum_exp(logits, 2), 1e-2);
}

/* Nothing that is not a number may turn into one on its way. */
static void bfloat16_rounds_to_even_and_keeps_what_is_not_a_number(void **state)
{
    (void)state;
    static const struct {
        float in;
        uint16_t bits;
    } cases[] = {
        {1.0f, 0x3f80},       {-1.0f, 0xbf80},         {1.00390625f, 0x3f80}, {1.01171875f, 0x3f82},
        {1.0000001f, 0x3f80}, {3.4028235e38f, 0x7f80}, {INFINITY, 0x7f80},    {-0.0f, 0x8000},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        uint16_t bits;
        ns_train_kernels_pick()->to_operand(&bits, NS_OPERAND_bf16, &cases[i].in, 1);
        CHECK_INT(cases[i].bits, bits);
    }
    const float nan = NAN;
    uint16_t bits;
    float back;
    ns_train_kernels_pick()->to_operand(&bits, NS_OPERAND_bf16, &nan, 1);
    ns_train_kernels_pick()->from_operand(&back, &bits, NS_OPERAND_bf16, 1);
    CHECK(isnan(back));
}

static void dropout_drops_its_share_the_same_everywhere(void **state)
{
    (void)state;
    static float values[100000], parts[100000];
    for (size_t i = 0; i < NS_COUNT_OF(values); i++)
        values[i] = parts[i] = 1.0f;
    const ns_train_kernels *k = ns_train_kernels_pick(), *plain = ns_train_kernels_named("portable");
    k->dropout(values, 7, 0, 0.1f, NS_COUNT_OF(values));
    plain->dropout(parts, 7, 0, 0.1f, 333); /* in pieces: the same */
    plain->dropout(parts + 333, 7, 333, 0.1f, NS_COUNT_OF(values) - 333);
    CHECK(memcmp(values, parts, sizeof values) == 0);
    double kept = 0.0;
    for (size_t i = 0; i < NS_COUNT_OF(values); i++)
        kept += values[i] > 0.0f;
    CHECK_NEAR(0.9, kept / (double)NS_COUNT_OF(values), 0.005); /* 5 standard deviations */
    k->dropout(parts, 8, 0, 0.1f, NS_COUNT_OF(values));
    CHECK(memcmp(values, parts, sizeof values) != 0);
}

static void near_all(const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        CHECK_NEAR(a[i], b[i], 2e-5 * (1.0 + fabs((double)a[i])));
}

static void instruction_sets_agree(void **state)
{
    (void)state;
    static const char *const sets[] = {"avx2", "avx512"};
    static float in[COUNT], d[COUNT], a[COUNT], b[COUNT], mean[2][10], rstd[2][10], weight[100], bias[100];
    const ns_train_kernels *plain = ns_train_kernels_named("portable");
    ns_rng rng;
    ns_rng_seed(&rng, 21);
    fill(&rng, in, COUNT, 2.0);
    fill(&rng, d, COUNT, 1.0);
    fill(&rng, weight, 100, 1.0);
    fill(&rng, bias, 100, 1.0);
    for (size_t i = 0; i < NS_COUNT_OF(sets); i++) {
        const ns_train_kernels *k = ns_train_kernels_named(sets[i]);
        if (k == NULL)
            continue;
        CHECK_STRING(sets[i], k->name);
        plain->gelu(a, in, NS_OPERAND_f32, COUNT);
        k->gelu(b, in, NS_OPERAND_f32, COUNT);
        near_all(a, b, COUNT);
        plain->layernorm(a, NULL, NS_OPERAND_f32, mean[0], rstd[0], in, weight, bias, 10, 100, 1e-12f);
        k->layernorm(b, NULL, NS_OPERAND_f32, mean[1], rstd[1], in, weight, bias, 10, 100, 1e-12f);
        near_all(a, b, COUNT);
        memcpy(a, in, sizeof in);
        memcpy(b, in, sizeof in);
        plain->softmax(a, 0.5f, 10, 100);
        k->softmax(b, 0.5f, 10, 100);
        near_all(a, b, COUNT);
        CHECK_NEAR(plain->sum_squares(in, COUNT), k->sum_squares(in, COUNT), 1e-2);
        uint16_t half[2][COUNT];
        plain->to_operand(half[0], NS_OPERAND_bf16, in, COUNT);
        k->to_operand(half[1], NS_OPERAND_bf16, in, COUNT);
        CHECK(memcmp(half[0], half[1], sizeof half[0]) == 0);
    }
    CHECK(ns_train_kernels_named("sse9") == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gelu_equals_the_error_function),
        cmocka_unit_test(softmax_of_large_numbers),
        cmocka_unit_test(bfloat16_rounds_to_even_and_keeps_what_is_not_a_number),
        cmocka_unit_test(dropout_drops_its_share_the_same_everywhere),
        cmocka_unit_test(instruction_sets_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
