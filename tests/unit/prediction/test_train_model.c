/* Is the gradient of the whole encoder, with each of its losses, the slope of the loss? */
#include "check.h"

#include "base/rng.h"
#include "prediction/train_model.h"

static const ns_encoder_config configs[] = {
    {.family = NS_ENCODER_distilbert,
     .vocabulary = 40,
     .positions = 12,
     .channels = 8,
     .layers = 2,
     .heads = 2,
     .feed_forward = 20,
     .labels = 4,
     .epsilon = 1e-12f},
    {.family = NS_ENCODER_bert,
     .vocabulary = 40,
     .positions = 12,
     .segments = 2,
     .channels = 8,
     .layers = 1,
     .heads = 4,
     .feed_forward = 12,
     .labels = 4,
     .epsilon = 1e-6f},
};
static const ns_train_limits limits = {.rows = 40, .sequences = 5, .masked = 12, .longest = 12};
static const ns_train_scales scales = {.masked = 0.3f, .evidence = 0.7f, .cause = 0.5f, .log = 0.9f};

static const int32_t ids[] = {1, 7, 9, 30, 2, 1, 8, 2, 1, 39, 7, 3, 3, 12, 11, 2};
static const uint32_t starts[] = {0, 5, 8, 16};
static const int32_t masked_rows[] = {1, 6, 11, 12}, masked_ids[] = {5, 8, 22, 39};
static const ns_train_label labels[] = {
    {.evidence = 1.0f,
     .evidence_weight = 0.5f,
     .cause = 2,
     .cause_weight = 2.0f,
     .log = 0,
     .log_label = 1.0f,
     .log_weight = 1.0f},
    {.evidence = 0.0f, .evidence_weight = 1.5f, .cause = NS_IGNORE, .log = -1},
    {.cause = 0, .cause_weight = 1.0f, .log = 0, .log_label = 1.0f, .log_weight = 1.0f},
};
static const ns_train_batch batch = {.ids = ids,
                                     .starts = starts,
                                     .sequences = 3,
                                     .masked_rows = masked_rows,
                                     .masked_ids = masked_ids,
                                     .masked = 4,
                                     .labels = labels,
                                     .key = 77};

enum { ALL = NS_PART_body | NS_PART_layer | NS_PART_head | NS_PART_masked };

typedef struct fixture {
    ns_encoder_params params;
    ns_train_model *model;
    float *gradients;
} fixture;

static void fixture_init(fixture *f, const ns_encoder_config *config)
{
    ns_rng rng;
    ns_rng_seed(&rng, 5);
    CHECK_OK(ns_encoder_params_init(&f->params, config, ALL, NULL));
    CHECK_OK(ns_train_model_new(&f->params, &limits, NS_OPERAND_f32, &f->model, NULL));
    f->gradients = NS_NEW_ARRAY(float, f->params.count);
    ns_encoder_tensor tensor;
    for (size_t n = 0; ns_encoder_tensor_at(config, ALL, n, &tensor); n++) {
        const double mean = tensor.rank == 1 && strstr(tensor.name, "weight") != NULL ? 1.0 : 0.0;
        for (size_t i = 0; i < tensor.count; i++)
            f->params.block[tensor.offset + i] = (float)(mean + 0.3 * ns_rng_normal(&rng));
    }
}

static void fixture_clear(fixture *f)
{
    ns_train_model_free(f->model);
    ns_encoder_params_clear(&f->params);
    ns_free(f->gradients);
}

static ns_status run(fixture *f, const ns_train_batch *what, float dropout, float *gradients, float *logits,
                     ns_train_losses *losses)
{
    return ns_train_model_run(f->model, f->params.block, what, &scales, dropout, gradients, logits, losses, NULL);
}

/* The loss whose gradient the model gives: each task's sum times its scale. */
static double total_of(const ns_train_losses *l)
{
    return l->masked.sum * (double)scales.masked + l->evidence.sum * (double)scales.evidence +
           l->cause.sum * (double)scales.cause + l->log.sum * (double)scales.log;
}

static double loss_at(fixture *f, float dropout)
{
    static float unused[20000];
    ns_train_losses losses = {0};
    CHECK(f->params.count < NS_COUNT_OF(unused));
    CHECK_OK(run(f, &batch, dropout, dropout > 0.0f ? unused : NULL, NULL, &losses));
    return total_of(&losses);
}

static void tensor_slopes(fixture *f, const ns_encoder_tensor *tensor, float dropout)
{
    bool moved = false;
    for (size_t i = 0; i<tensor->count; i += tensor->count> 60 ? 7 : 1) {
        float *w = &f->params.block[tensor->offset + i];
        const float kept = *w, nudge = 4e-3f;
        *w = kept + nudge;
        const double up = loss_at(f, dropout), high = (double)*w;
        *w = kept - nudge;
        const double down = loss_at(f, dropout), low = (double)*w;
        *w = kept;
        const double slope = (up - down) / (high - low), claimed = (double)f->gradients[tensor->offset + i];
        if (!(fabs(slope - claimed) <= 4e-3 * (1.0 + fabs(slope))))
            fail_msg("%s[%zu]: slope %.6f, backward says %.6f", tensor->name, i, slope, claimed);
        moved = moved || fabs(slope) > 1e-4;
    }
    if (tensor->role != NS_ROLE_key_bias && !moved) /* softmax does not see what all keys share */
        fail_msg("%s: nothing depends on it", tensor->name);
}

static void slopes(const ns_encoder_config *config, float dropout)
{
    fixture f;
    ns_train_losses losses = {0};
    fixture_init(&f, config);
    CHECK_OK(run(&f, &batch, dropout, f.gradients, NULL, &losses));
    CHECK_INT(4, losses.masked.rows);
    CHECK_INT(2, losses.evidence.rows);
    CHECK_INT(2, losses.cause.rows);
    CHECK_INT(1, losses.log.rows);
    ns_encoder_tensor tensor;
    for (size_t n = 0; ns_encoder_tensor_at(config, ALL, n, &tensor); n++)
        tensor_slopes(&f, &tensor, dropout);
    fixture_clear(&f);
    CHECK_INT(0, ns_mem_live());
}

static void gradient_is_the_slope(void **state)
{
    (void)state;
    for (size_t i = 0; i < NS_COUNT_OF(configs); i++)
        slopes(&configs[i], 0.0f);
}

static void gradient_is_the_slope_under_dropout(void **state)
{
    (void)state;
    for (size_t i = 0; i < NS_COUNT_OF(configs); i++)
        slopes(&configs[i], 0.2f);
}

/* A sequence's answer is the same alone and among others. */
static void packing_changes_nothing(void **state)
{
    (void)state;
    fixture f;
    float together[3 * 4], alone[4];
    ns_train_losses losses = {0};
    fixture_init(&f, &configs[0]);
    CHECK_OK(run(&f, &batch, 0.0f, NULL, together, &losses));
    for (size_t s = 0; s < 3; s++) {
        const uint32_t own[] = {0, starts[s + 1] - starts[s]};
        const ns_train_batch one = {.ids = ids + starts[s], .starts = own, .sequences = 1};
        CHECK_OK(run(&f, &one, 0.0f, NULL, alone, &losses));
        for (size_t i = 0; i < 4; i++)
            CHECK_NEAR(together[s * 4 + i], alone[i], 1e-5);
    }
    fixture_clear(&f);
}

static void bfloat16_stays_near(void **state)
{
    (void)state;
    if (!ns_train_gemm_has_bf16())
        skip();
    fixture f;
    fixture_init(&f, &configs[0]);
    ns_train_losses exact = {0}, half = {0};
    float *gradients = NS_NEW_ARRAY(float, f.params.count);
    uint16_t *operands = NS_NEW_ARRAY(uint16_t, f.params.count);
    ns_train_model *model = NULL;
    ns_train_kernels_pick()->to_operand(operands, NS_OPERAND_bf16, f.params.block, f.params.count);
    CHECK_OK(ns_train_model_new(&f.params, &limits, NS_OPERAND_bf16, &model, NULL));
    CHECK_OK(run(&f, &batch, 0.0f, f.gradients, NULL, &exact));
    CHECK_OK(ns_train_model_run(model, operands, &batch, &scales, 0.0f, gradients, NULL, &half, NULL));
    CHECK_NEAR(total_of(&exact), total_of(&half), 0.02 * total_of(&exact));
    double dot = 0.0, a = 0.0, b = 0.0;
    for (size_t i = 0; i < f.params.count; i++) {
        dot += (double)f.gradients[i] * (double)gradients[i];
        a += (double)f.gradients[i] * (double)f.gradients[i];
        b += (double)gradients[i] * (double)gradients[i];
    }
    CHECK(dot / sqrt(a * b) > 0.998);
    ns_train_model_free(model);
    ns_free(gradients);
    ns_free(operands);
    fixture_clear(&f);
}

static void no_memory(void **state)
{
    (void)state;
    ns_encoder_params params;
    CHECK_OK(ns_encoder_params_init(&params, &configs[0], ALL, NULL));
    for (long n = 0; n < 3; n++) {
        ns_train_model *model = NULL;
        ns_mem_fail_after(n);
        CHECK_STATUS(NS_NO_MEMORY, ns_train_model_new(&params, &limits, NS_OPERAND_f32, &model, NULL));
        ns_mem_fail_after(-1);
        CHECK_INT(1, ns_mem_live());
    }
    ns_encoder_params_clear(&params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_is_the_slope),
        cmocka_unit_test(gradient_is_the_slope_under_dropout),
        cmocka_unit_test(packing_changes_nothing),
        cmocka_unit_test(bfloat16_stays_near),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
