/* Is every backward pass the slope of its forward pass, on every instruction set this processor has? */
#include "slope.h"

#include "tensor/train_attention.h"
#include "tensor/embedding.h"
#include "tensor/loss.h"

static const char *const sets[] = {"portable", "avx2", "avx512"};

enum { N = 3, C = 37, C_MAX = 512 };

typedef struct layer {
    const ns_train_kernels *kernels;
    float in[N * C], weight[C], bias[C], out[N * C], probe[N * C], mean[N], rstd[N];
    uint64_t key;
} layer;

static double gelu_loss(void *self)
{
    layer *l = self;
    l->kernels->gelu(l->out, l->in, NS_OPERAND_f32, (size_t)N * C);
    return probed(l->out, l->probe, (size_t)N * C);
}

static double layernorm_loss(void *self)
{
    layer *l = self;
    l->kernels->layernorm(l->out, NULL, NS_OPERAND_f32, l->mean, l->rstd, l->in, l->weight, l->bias, N, C, 1e-5f);
    return probed(l->out, l->probe, (size_t)N * C);
}

static double softmax_loss(void *self)
{
    layer *l = self;
    memcpy(l->out, l->in, sizeof l->in);
    l->kernels->softmax(l->out, 0.7f, N, C);
    return probed(l->out, l->probe, (size_t)N * C);
}

static double dropout_loss(void *self)
{
    layer *l = self;
    memcpy(l->out, l->in, sizeof l->in);
    l->kernels->dropout(l->out, l->key, 5, 0.3f, (size_t)N * C);
    return probed(l->out, l->probe, (size_t)N * C);
}

static void layer_fill(layer *l, const ns_train_kernels *kernels)
{
    ns_rng rng;
    ns_rng_seed(&rng, 11);
    memset(l, 0, sizeof *l);
    l->kernels = kernels;
    l->key = 0x123456789abcdefu;
    fill(&rng, l->in, (size_t)N * C, 1.5);
    fill(&rng, l->weight, C, 1.0);
    fill(&rng, l->bias, C, 1.0);
    fill(&rng, l->probe, (size_t)N * C, 1.0);
}

static void each_element_wise_layer(void **state)
{
    (void)state;
    for (size_t i = 0; i < NS_COUNT_OF(sets); i++) {
        const ns_train_kernels *k = ns_train_kernels_named(sets[i]);
        if (k == NULL)
            continue;
        layer l;
        float d_in[N * C], d_weight[C] = {0}, d_bias[C] = {0};
        layer_fill(&l, k);

        k->gelu_backward(d_in, l.probe, l.in, NS_OPERAND_f32, (size_t)N * C);
        check_slope("gelu", gelu_loss, &l, l.in, d_in, (size_t)N * C, 2e-3);

        (void)layernorm_loss(&l);
        k->layernorm_backward(d_in, d_weight, d_bias, l.probe, l.in, l.mean, l.rstd, l.weight, N, C);
        check_slope("layernorm in", layernorm_loss, &l, l.in, d_in, (size_t)N * C, 2e-3);
        check_slope("layernorm weight", layernorm_loss, &l, l.weight, d_weight, C, 2e-3);
        check_slope("layernorm bias", layernorm_loss, &l, l.bias, d_bias, C, 2e-3);

        (void)softmax_loss(&l);
        memcpy(d_in, l.probe, sizeof d_in);
        k->softmax_backward(d_in, l.out, 0.7f, N, C);
        check_slope("softmax", softmax_loss, &l, l.in, d_in, (size_t)N * C, 2e-3);

        memcpy(d_in, l.probe, sizeof d_in);
        k->dropout(d_in, l.key, 5, 0.3f, (size_t)N * C);
        check_slope("dropout", dropout_loss, &l, l.in, d_in, (size_t)N * C, 2e-3);
    }
}

enum { HEADS = 2, WIDTH = 5, ROWS = 9, CHANNELS = HEADS * WIDTH };
static const uint32_t starts[] = {0, 4, 5, 9};

typedef struct heads {
    ns_train_attention shape;
    float qkv[ROWS * 3 * CHANNELS], out[ROWS * CHANNELS], probe[ROWS * CHANNELS];
    float probabilities[HEADS * 33], scratch[2 * 16];
} heads;

static double attention_loss(void *self)
{
    heads *h = self;
    ns_train_attention_forward(&h->shape, h->out, h->probabilities, h->qkv, h->scratch);
    return probed(h->out, h->probe, (size_t)ROWS * CHANNELS);
}

static void attention(void **state)
{
    (void)state;
    static heads h;
    ns_rng rng;
    ns_rng_seed(&rng, 12);
    fill(&rng, h.qkv, NS_COUNT_OF(h.qkv), 1.0);
    fill(&rng, h.probe, NS_COUNT_OF(h.probe), 1.0);
    static const float rates[] = {0.0f, 0.25f};
    for (size_t i = 0; i < NS_COUNT_OF(rates); i++) {
        h.shape = (ns_train_attention){.kernels = ns_train_kernels_pick(),
                                       .heads = HEADS,
                                       .width = WIDTH,
                                       .starts = starts,
                                       .sequences = 3,
                                       .dropout = rates[i],
                                       .key = 99};
        CHECK_INT(HEADS * 33, ns_train_attention_probabilities(&h.shape));
        float d_qkv[ROWS * 3 * CHANNELS];
        (void)attention_loss(&h);
        ns_train_attention_backward(&h.shape, d_qkv, h.probe, h.probabilities, h.qkv, h.scratch);
        check_slope("attention", attention_loss, &h, h.qkv, d_qkv, NS_COUNT_OF(h.qkv), 3e-3);
    }
}

/* What one sequence says must not depend on what it is packed with. */
static void attention_keeps_sequences_apart(void **state)
{
    (void)state;
    static heads h;
    ns_rng rng;
    ns_rng_seed(&rng, 13);
    fill(&rng, h.qkv, NS_COUNT_OF(h.qkv), 1.0);
    h.shape = (ns_train_attention){
        .kernels = ns_train_kernels_pick(), .heads = HEADS, .width = WIDTH, .starts = starts, .sequences = 3};
    ns_train_attention_forward(&h.shape, h.out, h.probabilities, h.qkv, h.scratch);
    float before[4 * CHANNELS];
    memcpy(before, h.out, sizeof before);
    fill(&rng, h.qkv + (size_t)4 * 3 * CHANNELS, (size_t)5 * 3 * CHANNELS, 1.0);
    ns_train_attention_forward(&h.shape, h.out, h.probabilities, h.qkv, h.scratch);
    CHECK(memcmp(before, h.out, sizeof before) == 0);
}

typedef struct linear {
    ns_train_gemm *gemm;
    float in[4 * 6], weight[5 * 6], bias[5], out[4 * 5], probe[4 * 5];
} linear;

static double linear_loss(void *self)
{
    linear *l = self;
    CHECK_OK(ns_train_gemm_run(
        l->gemm,
        &(ns_train_gemm_call){
            .M = 4, .N = 5, .K = 6, .a = l->in, .b = l->weight, .bias = l->bias, .c = l->out, .transpose_b = true},
        NULL));
    return probed(l->out, l->probe, NS_COUNT_OF(l->out));
}

static void linear_layer(void **state)
{
    (void)state;
    linear l;
    ns_rng rng;
    ns_rng_seed(&rng, 14);
    fill(&rng, l.in, NS_COUNT_OF(l.in), 1.0);
    fill(&rng, l.weight, NS_COUNT_OF(l.weight), 1.0);
    fill(&rng, l.bias, NS_COUNT_OF(l.bias), 1.0);
    fill(&rng, l.probe, NS_COUNT_OF(l.probe), 1.0);
    CHECK_OK(ns_train_gemm_new(&l.gemm, NULL));
    float d_in[4 * 6], d_weight[5 * 6] = {0}, d_bias[5] = {0};
    CHECK_OK(ns_train_gemm_run(
        l.gemm, &(ns_train_gemm_call){.M = 4, .N = 6, .K = 5, .a = l.probe, .b = l.weight, .c = d_in}, NULL));
    CHECK_OK(ns_train_gemm_run(
        l.gemm,
        &(ns_train_gemm_call){
            .M = 5, .N = 6, .K = 4, .a = l.probe, .b = l.in, .c = d_weight, .transpose_a = true, .accumulate = true},
        NULL));
    ns_train_kernels_pick()->sum_rows(d_bias, l.probe, NS_OPERAND_f32, 4, 5);
    check_slope("linear in", linear_loss, &l, l.in, d_in, NS_COUNT_OF(d_in), 1e-3);
    check_slope("linear weight", linear_loss, &l, l.weight, d_weight, NS_COUNT_OF(d_weight), 1e-3);
    check_slope("linear bias", linear_loss, &l, l.bias, d_bias, NS_COUNT_OF(d_bias), 1e-3);
    ns_train_gemm_free(l.gemm);
}

typedef struct tables {
    float words[7 * 4], positions[3 * 4], out[6 * 4], probe[6 * 4];
} tables;

static const int32_t ids[] = {0, 6, 3, 3, 1, 3}, places[] = {0, 1, 2, 0, 1, 2};

static double embedding_loss(void *self)
{
    tables *t = self;
    ns_embedding(ns_train_kernels_pick(), t->out, t->words, t->positions, ids, places, 6, 4);
    return probed(t->out, t->probe, NS_COUNT_OF(t->out));
}

static void embeddings(void **state)
{
    (void)state;
    tables t;
    ns_rng rng;
    ns_rng_seed(&rng, 15);
    fill(&rng, t.words, NS_COUNT_OF(t.words), 1.0);
    fill(&rng, t.positions, NS_COUNT_OF(t.positions), 1.0);
    fill(&rng, t.probe, NS_COUNT_OF(t.probe), 1.0);
    float d_words[7 * 4] = {0}, d_positions[3 * 4] = {0};
    ns_embedding_backward(ns_train_kernels_pick(), d_words, d_positions, t.probe, ids, places, 6, 4);
    check_slope("words", embedding_loss, &t, t.words, d_words, NS_COUNT_OF(d_words), 1e-3);
    check_slope("positions", embedding_loss, &t, t.positions, d_positions, NS_COUNT_OF(d_positions), 1e-3);
}

static const int32_t targets[] = {4, NS_IGNORE, 0};
static const float weights[] = {0.5f, 9.0f, 2.0f};

static double cross_entropy_loss(void *self)
{
    layer *l = self;
    ns_loss loss = {0};
    memcpy(l->out, l->in, sizeof l->in);
    ns_cross_entropy(l->kernels, l->out, targets, weights, 1.0f, N, C, &loss);
    CHECK_INT(2, loss.rows);
    CHECK_NEAR(2.5, loss.weight, 1e-6);
    return loss.sum;
}

static void cross_entropy(void **state)
{
    (void)state;
    for (size_t i = 0; i < NS_COUNT_OF(sets); i++) {
        layer l;
        float d[N * C];
        if (ns_train_kernels_named(sets[i]) == NULL)
            continue;
        layer_fill(&l, ns_train_kernels_named(sets[i]));
        (void)cross_entropy_loss(&l);
        memcpy(d, l.out, sizeof d);
        check_slope("cross entropy", cross_entropy_loss, &l, l.in, d, (size_t)N * C, 2e-3);
    }
}

static void binary_cross_entropy(void **state)
{
    (void)state;
    static const double logits[] = {-800.0, -3.0, -0.1, 0.0, 0.4, 5.0, 800.0}, target[] = {0.0, 1.0, 0.3};
    for (size_t i = 0; i < NS_COUNT_OF(logits); i++) {
        for (size_t j = 0; j < NS_COUNT_OF(target); j++) {
            double d, unused;
            const double loss = ns_binary_cross_entropy(logits[i], target[j], &d);
            CHECK(isfinite(loss) && loss >= 0.0);
            const double up = ns_binary_cross_entropy(logits[i] + 1e-4, target[j], &unused);
            const double down = ns_binary_cross_entropy(logits[i] - 1e-4, target[j], &unused);
            CHECK_NEAR((up - down) / 2e-4, d, 1e-6);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_element_wise_layer),
        cmocka_unit_test(attention),
        cmocka_unit_test(attention_keeps_sequences_apart),
        cmocka_unit_test(linear_layer),
        cmocka_unit_test(embeddings),
        cmocka_unit_test(cross_entropy),
        cmocka_unit_test(binary_cross_entropy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
