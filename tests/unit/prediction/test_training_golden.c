/* The same gradients and the same steps as PyTorch: tests/golden/make_training.py. */
#include "check.h"

#include "prediction/trainer.h"
#include "tensor/safetensors.h"

enum { ALL = NS_PART_body | NS_PART_layer | NS_PART_head | NS_PART_masked, WINDOWS = 5, HIDDEN = 5, STEPS = 6 };

static const ns_encoder_config config = {.family = NS_ENCODER_distilbert,
                                         .vocabulary = 50,
                                         .positions = 16,
                                         .channels = 16,
                                         .layers = 2,
                                         .heads = 2,
                                         .feed_forward = 32,
                                         .labels = 4,
                                         .epsilon = 1e-12f};

typedef struct golden {
    ns_safetensors *file;
    ns_encoder_params params;
    int32_t ids[64], rows[HIDDEN], hidden[HIDDEN];
    uint32_t starts[WINDOWS + 1];
    ns_train_label labels[WINDOWS];
    float losses[STEPS * 4], rates[STEPS], norms[STEPS];
} golden;

static size_t floats(const ns_safetensors *file, const char *name, float *out, size_t room)
{
    const ns_tensor_view *view = ns_safetensors_find(file, name);
    if (view == NULL || view->count > room)
        fail_msg("%s: missing or too large", name);
    CHECK_OK(ns_tensor_floats(view, out, NULL));
    return view->count;
}

static void golden_open(golden *g)
{
    ns_error err;
    ns_safetensors *start;
    float x[64];
    CHECK_OK(ns_safetensors_open(test_path("tests/golden/training/golden.safetensors"), &g->file, &err));
    CHECK_OK(ns_safetensors_open(test_path("tests/golden/training/start.safetensors"), &start, &err));
    CHECK_OK(ns_encoder_params_init(&g->params, &config, ALL, NULL));
    ns_encoder_tensor t;
    for (size_t n = 0; ns_encoder_tensor_at(&config, ALL, n, &t); n++)
        CHECK_INT(t.count, floats(start, t.name, g->params.block + t.offset, t.count));
    ns_safetensors_close(start);
    const size_t ids = floats(g->file, "ids", x, 64);
    for (size_t i = 0; i < ids; i++)
        g->ids[i] = (int32_t)x[i];
    CHECK_INT(WINDOWS + 1, floats(g->file, "starts", x, 64));
    for (size_t i = 0; i <= WINDOWS; i++)
        g->starts[i] = (uint32_t)x[i];
    CHECK_INT(HIDDEN, floats(g->file, "hidden_rows", x, 64));
    for (size_t i = 0; i < HIDDEN; i++)
        g->rows[i] = (int32_t)x[i];
    CHECK_INT(HIDDEN, floats(g->file, "hidden_ids", x, 64));
    for (size_t i = 0; i < HIDDEN; i++)
        g->hidden[i] = (int32_t)x[i];
    CHECK_INT(WINDOWS * 7, floats(g->file, "windows", x, 64));
    for (size_t w = 0; w < WINDOWS; w++)
        g->labels[w] = (ns_train_label){.evidence = x[w * 7],
                                        .evidence_weight = x[w * 7 + 1],
                                        .cause = (int32_t)x[w * 7 + 2],
                                        .cause_weight = x[w * 7 + 3],
                                        .log = (int32_t)x[w * 7 + 4],
                                        .log_label = x[w * 7 + 5],
                                        .log_weight = x[w * 7 + 6]};
    CHECK_INT(STEPS * 4, floats(g->file, "losses", g->losses, STEPS * 4));
    CHECK_INT(STEPS, floats(g->file, "rates", g->rates, STEPS));
    CHECK_INT(STEPS, floats(g->file, "norms", g->norms, STEPS));
}

static void golden_close(golden *g)
{
    ns_safetensors_close(g->file);
    ns_encoder_params_clear(&g->params);
}

static ns_train_batch whole(const golden *g)
{
    return (ns_train_batch){.ids = g->ids,
                            .starts = g->starts,
                            .sequences = WINDOWS,
                            .masked_rows = g->rows,
                            .masked_ids = g->hidden,
                            .masked = HIDDEN,
                            .labels = g->labels};
}

/* Every tensor named PREFIX + its name in the golden file, near ours. */
static void near_all(const golden *g, const char *prefix, const float *block, double tolerance)
{
    static float wanted[4096];
    ns_encoder_tensor t;
    for (size_t n = 0; ns_encoder_tensor_at(&config, ALL, n, &t); n++) {
        /* The key bias has no gradient but rounding (softmax does not see what all keys share), which Adam makes as
         * large as any other. */
        if (t.role == NS_ROLE_key_bias)
            continue;
        char name[160];
        (void)snprintf(name, sizeof name, "%s%s", prefix, t.name);
        CHECK_INT(t.count, floats(g->file, name, wanted, NS_COUNT_OF(wanted)));
        for (size_t i = 0; i < t.count; i++)
            if (!(fabs((double)wanted[i] - (double)block[t.offset + i]) <= tolerance))
                fail_msg("%s[%zu]: torch %.7f, here %.7f", name, i, (double)wanted[i], (double)block[t.offset + i]);
    }
}

static const ns_train_limits limits = {.rows = 40, .sequences = WINDOWS, .masked = HIDDEN, .longest = 16};

static void the_same_gradients(void **state)
{
    (void)state;
    golden g;
    golden_open(&g);
    ns_train_model *model = NULL;
    ns_train_losses losses = {0};
    float *gradients = NS_NEW_ARRAY(float, g.params.count);
    const ns_train_batch batch = whole(&g);
    /* Each task's weight over the weight of its examples. */
    const ns_train_scales scales = {1.0f / HIDDEN, 0.8f / 5.0f, 0.5f / 3.7f, 0.7f / 1.5f};
    CHECK_OK(ns_train_model_new(&g.params, &limits, NS_OPERAND_f32, &model, NULL));
    CHECK_OK(ns_train_model_run(model, g.params.block, &batch, &scales, 0.0f, gradients, NULL, &losses, NULL));
    near_all(&g, "gradient.", gradients, 2e-6);
    ns_train_model_free(model);
    ns_free(gradients);
    golden_close(&g);
    CHECK_INT(0, ns_mem_live());
}

static double mean(const ns_loss *loss)
{
    return loss->sum / loss->weight;
}

static void the_same_steps(void **state)
{
    (void)state;
    golden g;
    golden_open(&g);
    ns_trainer_options o = ns_trainer_defaults();
    o.precision = NS_PRECISION_f32;
    o.limits = limits;
    o.schedule = (ns_schedule){.peak = 1e-2, .warm_up = 2, .total = STEPS};
    o.decay = 0.1f;
    o.dropout = 0.0f;
    o.tasks = (ns_train_scales){1.0f, 0.8f, 0.5f, 0.7f};
    ns_trainer *trainer = NULL;
    CHECK_OK(ns_trainer_new(&g.params, &o, &trainer, NULL));
    const ns_train_batch batch = whole(&g);
    for (size_t s = 0; s < STEPS; s++) {
        ns_train_step step;
        CHECK_OK(ns_trainer_step(trainer, &batch, 1, &step, NULL));
        CHECK_NEAR(g.losses[s * 4], mean(&step.losses.masked), 2e-4);
        CHECK_NEAR(g.losses[s * 4 + 1], mean(&step.losses.evidence), 2e-4);
        CHECK_NEAR(g.losses[s * 4 + 2], mean(&step.losses.cause), 2e-4);
        CHECK_NEAR(g.losses[s * 4 + 3], mean(&step.losses.log), 2e-4);
        CHECK_NEAR(g.rates[s], step.rate, 1e-9);
        CHECK_NEAR(g.norms[s], step.gradient_norm, 1e-4 * (double)g.norms[s]);
    }
    near_all(&g, "end.", g.params.block, 5e-5);
    ns_trainer_free(trainer);
    golden_close(&g);
}

/* The same step in two micro-batches (the windows of one log stay together). */
static void accumulated_gradients(void **state)
{
    (void)state;
    golden g;
    golden_open(&g);
    ns_trainer_options o = ns_trainer_defaults();
    o.precision = NS_PRECISION_f32;
    o.limits = limits;
    o.schedule = (ns_schedule){.peak = 1e-2, .warm_up = 2, .total = STEPS};
    o.dropout = 0.0f;
    o.tasks = (ns_train_scales){1.0f, 0.8f, 0.5f, 0.7f};
    ns_trainer *trainer = NULL;
    CHECK_OK(ns_trainer_new(&g.params, &o, &trainer, NULL));
    const uint32_t second_starts[] = {0, g.starts[4] - g.starts[3], g.starts[5] - g.starts[3]};
    const int32_t second_row = g.rows[4] - (int32_t)g.starts[3];
    const ns_train_batch parts[] = {
        {.ids = g.ids,
         .starts = g.starts,
         .sequences = 3,
         .masked_rows = g.rows,
         .masked_ids = g.hidden,
         .masked = 4,
         .labels = g.labels},
        {.ids = g.ids + g.starts[3],
         .starts = second_starts,
         .sequences = 2,
         .masked_rows = &second_row,
         .masked_ids = g.hidden + 4,
         .masked = 1,
         .labels = g.labels + 3},
    };
    ns_train_step step;
    CHECK_OK(ns_trainer_step(trainer, parts, 2, &step, NULL));
    CHECK_NEAR(g.losses[0], mean(&step.losses.masked), 1e-5);
    CHECK_NEAR(g.losses[3], mean(&step.losses.log), 1e-5);
    CHECK_NEAR(g.norms[0], step.gradient_norm, 1e-5 * (double)g.norms[0]);
    ns_trainer_free(trainer);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_gradients), cmocka_unit_test(the_same_steps),
                                       cmocka_unit_test(accumulated_gradients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
