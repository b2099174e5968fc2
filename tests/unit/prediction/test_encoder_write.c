/* What is written is read back the same, and scores what training scored. */
#include "check.h"

#include "prediction/encoder.h"
#include "prediction/encoder_write.h"
#include "prediction/trainer.h"

#include <sys/stat.h>
#include <unistd.h>

enum { ALL = NS_PART_body | NS_PART_layer | NS_PART_head | NS_PART_masked };

static const ns_encoder_config configs[] = {
    {.family = NS_ENCODER_distilbert,
     .vocabulary = 60,
     .positions = 20,
     .channels = 32,
     .layers = 2,
     .heads = 4,
     .feed_forward = 48,
     .labels = 3,
     .epsilon = 1e-12f,
     .label = {"evidence", "none", "else"}},
    {.family = NS_ENCODER_bert,
     .vocabulary = 60,
     .positions = 20,
     .segments = 2,
     .channels = 32,
     .layers = 2,
     .heads = 2,
     .feed_forward = 64,
     .labels = 3,
     .epsilon = 1e-12f,
     .label = {"evidence", "none", "else"}},
};

static const char *folder(void)
{
    static char path[64];
    (void)snprintf(path, sizeof path, "/tmp/neuroshield-write-%ld", (long)getpid());
    return path;
}

static void remove_folder(void)
{
    char path[128];
    static const char *const names[] = {"config.json", "model.safetensors"};
    for (size_t i = 0; i < NS_COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder(), names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder());
}

static void make(ns_encoder_params *params, const ns_encoder_config *config)
{
    ns_rng rng;
    ns_rng_seed(&rng, 3);
    CHECK_OK(ns_encoder_params_init(params, config, ALL, NULL));
    ns_encoder_params_start(params, ALL, &rng);
    for (size_t i = 0; i < params->count; i++)
        params->block[i] += (float)(0.2 * ns_rng_normal(&rng));
}

static void read_back_the_same(void **state)
{
    (void)state;
    ns_error err;
    for (size_t i = 0; i < NS_COUNT_OF(configs); i++) {
        ns_encoder_params params, back;
        make(&params, &configs[i]);
        CHECK_OK(ns_encoder_write(folder(), &params, ALL, NS_DTYPE_F32, &err));
        CHECK_OK(ns_encoder_params_read(folder(), &back, &err));
        CHECK_INT(ALL, back.parts);
        CHECK(memcmp(&params.config, &back.config, sizeof params.config) == 0);
        CHECK(memcmp(params.block, back.block, params.count * sizeof(float)) == 0);
        ns_encoder_params_clear(&back);

        CHECK_OK(ns_encoder_write(folder(), &params, NS_PART_head, NS_DTYPE_BF16, &err)); /* over the old one */
        CHECK_OK(ns_encoder_params_read(folder(), &back, &err));
        CHECK_INT(ALL & ~NS_PART_masked, back.parts);
        ns_encoder_params_clear(&back);
        ns_encoder_params_clear(&params);
        remove_folder();
    }
    CHECK_INT(0, ns_mem_live());
}

static void what_is_not_finite_is_not_written(void **state)
{
    (void)state;
    ns_error err;
    ns_encoder_params params, back;
    make(&params, &configs[0]);
    CHECK_OK(ns_encoder_write(folder(), &params, NS_PART_head, NS_DTYPE_F32, &err));
    const float kept = params.block[7];
    params.block[7] = NAN;
    CHECK_STATUS(NS_BAD_INPUT, ns_encoder_write(folder(), &params, NS_PART_head, NS_DTYPE_F32, &err));
    CHECK_OK(ns_encoder_params_read(folder(), &back, &err)); /* the old one stands */
    CHECK_NEAR(kept, back.block[7], 0.0);
    ns_encoder_params_clear(&back);
    ns_encoder_params_clear(&params);
    remove_folder();
    CHECK_STATUS(NS_IO, ns_encoder_write("/nonexistent/a/b", &(ns_encoder_params){.parts = ALL}, NS_PART_head,
                                         NS_DTYPE_F32, &err));
}

/* The encoder at work gives the logits that training saw. */
static void training_and_use_agree(void **state)
{
    (void)state;
    static const int32_t ids[] = {2, 7, 9, 30, 3, 2, 8, 3, 2, 59, 7, 3, 3, 12, 11, 3};
    static const uint32_t starts[] = {0, 5, 8, 16};
    static const size_t wide_starts[] = {0, 5, 8, 16};
    for (size_t i = 0; i < NS_COUNT_OF(configs); i++) {
        ns_encoder_params params;
        ns_encoder *encoder = NULL;
        ns_trainer *trainer = NULL;
        ns_train_losses losses = {0};
        float trained[9], used[9], *const into[] = {trained};
        make(&params, &configs[i]);
        ns_trainer_options o = ns_trainer_defaults();
        o.precision = NS_PRECISION_f32;
        o.limits = (ns_train_limits){.rows = 32, .sequences = 4, .masked = 1, .longest = 16};
        CHECK_OK(ns_trainer_new(&params, &o, &trainer, NULL));
        const ns_train_batch batch = {.ids = ids, .starts = starts, .sequences = 3};
        CHECK_OK(ns_trainer_look(trainer, &batch, 1, into, &losses, NULL));
        const ns_encoder_options options = {.path = ns_code_path_best(), .threads = 1};
        CHECK_OK(ns_encoder_write(folder(), &params, NS_PART_head, NS_DTYPE_F32, NULL));
        CHECK_OK(ns_encoder_open(folder(), &options, &encoder, NULL));
        CHECK_OK(ns_encoder_run(encoder, &(ns_windows){.ids = ids, .starts = wide_starts, .count = 3},
                                &(ns_encoded){.logits = used}, NULL));
        const double bound = options.path == NS_PATH_portable_fp32 || options.path == NS_PATH_avx2_fp32 ||
                                     options.path == NS_PATH_avx512_fp32
                                 ? 1e-4
                                 : 0.2; /* narrower arithmetic */
        for (size_t k = 0; k < 9; k++)
            CHECK_NEAR(trained[k], used[k], bound);
        ns_encoder_free(encoder);
        ns_trainer_free(trainer);
        ns_encoder_params_clear(&params);
        remove_folder();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(read_back_the_same),
                                       cmocka_unit_test(what_is_not_finite_is_not_written),
                                       cmocka_unit_test(training_and_use_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
