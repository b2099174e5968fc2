/* A stage that is killed and taken up ends like one that was not; its curve is one curve. */
#include "check.h"

#include "lab/train_stage.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALL = NS_PART_body | NS_PART_layer | NS_PART_head | NS_PART_masked, STEPS = 40 };
static const ns_encoder_config config = {.family = NS_ENCODER_distilbert,
                                         .vocabulary = 40,
                                         .positions = 16,
                                         .channels = 16,
                                         .layers = 1,
                                         .heads = 2,
                                         .feed_forward = 32,
                                         .labels = 3,
                                         .epsilon = 1e-12f};

static char base[64];

static const char *folder(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s-%s", base, name);
    (void)mkdir(path, 0755);
    return path;
}

static void remove_folder(const char *name)
{
    static const char *const names[] = {"stage.checkpoint", "training.jsonl", "training.svg"};
    char path[256];
    for (size_t i = 0; i < NS_COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder(name), names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder(name));
}

static void make_data(ns_sequences *data)
{
    ns_rng rng;
    ns_rng_seed(&rng, 1);
    ns_sequences_init(data, 100000);
    for (size_t s = 0; s < 60; s++) {
        int32_t ids[10] = {2};
        const size_t len = 3 + (size_t)ns_rng_below(&rng, 7);
        for (size_t i = 1; i < len; i++)
            ids[i] = 5 + (int32_t)ns_rng_below(&rng, 35);
        CHECK_OK(ns_sequences_add(data, ids, len, NULL, true, NULL));
    }
}

static ns_train_stage stage_of(const ns_sequences *data, const char *where)
{
    ns_train_stage stage = {.name = "stage",
                            .data = data,
                            .held_out = data,
                            .masking = {.share = 0.2, .special = 5, .mask = 4, .vocabulary = 40},
                            .options = ns_trainer_defaults(),
                            .batches = 3,
                            .folder = where,
                            .quiet = true};
    stage.options.precision = NS_PRECISION_best;
    stage.options.limits = (ns_train_limits){.rows = 64, .sequences = 16, .masked = 16, .longest = 16};
    stage.options.schedule = (ns_schedule){.peak = 3e-3, .warm_up = 4, .total = STEPS};
    return stage;
}

static ns_status run(const ns_train_stage *stage, ns_encoder_params *params, ns_train_curve *curve,
                     ns_stage_result *result, ns_error *err)
{
    ns_rng rng;
    ns_rng_seed(&rng, 2);
    char drawing[160];
    (void)snprintf(drawing, sizeof drawing, "%s/training", stage->folder);
    CHECK_OK(ns_encoder_params_init(params, &config, ALL, NULL));
    ns_encoder_params_start(params, ALL, &rng);
    CHECK_OK(ns_train_curve_read(curve, drawing, err));
    return ns_train_stage_run(stage, params, curve, result, err);
}

static void clear(ns_encoder_params *params, ns_train_curve *curve)
{
    ns_encoder_params_clear(params);
    ns_train_curve_clear(curve);
}

/* Stopped after its first steps by a signal of its own, then killed without warning behind the checkpoint. */
static void child(const ns_sequences *data, const char *where)
{
    static volatile sig_atomic_t stop = 1;
    ns_train_stage stage = stage_of(data, where);
    ns_encoder_params params;
    ns_train_curve curve = {0};
    ns_stage_result result;
    ns_error err;
    stage.stop = &stop;
    if (run(&stage, &params, &curve, &result, &err) != NS_CANCELLED)
        _exit(1);
    (void)kill(getpid(), SIGKILL);
}

static void killed_and_taken_up(void **state)
{
    (void)state;
    ns_sequences data;
    ns_encoder_params whole, again;
    ns_train_curve curve = {0}, continued = {0};
    ns_stage_result result, second;
    ns_error err;
    make_data(&data);
    ns_train_stage stage = stage_of(&data, folder("whole"));
    CHECK_OK(run(&stage, &whole, &curve, &result, &err));
    CHECK_INT(STEPS, result.steps);
    CHECK(result.loss < log(40.0) && isfinite(result.held));
    CHECK_INT(STEPS, curve.count);

    const pid_t pid = fork();
    if (pid == 0)
        child(&data, folder("killed"));
    int how;
    CHECK_INT(pid, waitpid(pid, &how, 0));
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    stage.folder = folder("killed");
    CHECK_OK(run(&stage, &again, &continued, &second, &err));
    CHECK(memcmp(whole.block, again.block, whole.count * sizeof(float)) == 0);
    CHECK_INT(STEPS, continued.count);
    for (size_t i = 0; i < STEPS; i++) {
        CHECK_INT(curve.points[i].step, continued.points[i].step);
        CHECK_NEAR(curve.points[i].loss, continued.points[i].loss, 1e-12);
    }
    CHECK_NEAR(result.tokens, second.tokens, 0.0);
    clear(&again, &continued);

    /* Finished: nothing is done again. */
    CHECK_OK(run(&stage, &again, &continued, &second, &err));
    CHECK_NEAR(0.0, second.run_tokens, 0.0);
    CHECK(memcmp(whole.block, again.block, whole.count * sizeof(float)) == 0);
    clear(&again, &continued);

    /* Other options: told, not mixed. */
    stage.options.schedule.peak = 1e-3;
    CHECK_STATUS(NS_CORRUPT, run(&stage, &again, &continued, &second, &err));
    CHECK(strstr(err.text, "other options") != NULL);
    clear(&again, &continued);
    clear(&whole, &curve);
    ns_sequences_clear(&data);
    remove_folder("whole");
    remove_folder("killed");
    CHECK_INT(0, ns_mem_live());
}

static void a_curve_is_read_back(void **state)
{
    (void)state;
    ns_train_curve curve = {0}, back = {0};
    ns_error err;
    char path[160];
    (void)snprintf(path, sizeof path, "%s/training", folder("curve"));
    CHECK_OK(ns_train_curve_read(&back, path, &err));
    CHECK_INT(0, back.count);
    for (int64_t i = 1; i <= 5; i++) {
        ns_curve_point p = {.stage = "one",
                            .step = i,
                            .tokens = 10.0 * (double)i,
                            .loss = 5.0 / (double)i,
                            .held = i == 3 ? 2.5 : (double)NAN,
                            .right = (double)NAN};
        CHECK_OK(ns_train_curve_add(&curve, &p, NULL));
    }
    CHECK_OK(ns_train_curve_write(&curve, path, &err));
    CHECK_OK(ns_train_curve_read(&back, path, &err));
    CHECK_INT(5, back.count);
    CHECK_NEAR(2.5, back.points[2].held, 0.0);
    CHECK(isnan(back.points[1].held));
    ns_train_curve_cut(&back, "other", 0);
    CHECK_INT(5, back.count);
    ns_train_curve_cut(&back, "one", 3);
    CHECK_INT(3, back.count);
    ns_train_curve_clear(&back);
    char file[200];
    (void)snprintf(file, sizeof file, "%s.jsonl", path);
    CHECK_OK(ns_file_replace(file, NS_TEXT("{\"schema\":1}\n{\"step\":\n"), 0644, NULL));
    CHECK_STATUS(NS_BAD_INPUT, ns_train_curve_read(&back, path, &err));
    CHECK(strstr(err.text, "line 2") != NULL);
    ns_train_curve_clear(&curve);
    remove_folder("curve");
}

int main(void)
{
    (void)snprintf(base, sizeof base, "/tmp/neuroshield-stage-%ld", (long)getpid());
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_and_taken_up), cmocka_unit_test(a_curve_is_read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
