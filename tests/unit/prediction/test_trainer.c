/* Steps that learn, repeat to the last bit, go on after an interruption, and fail without harm. */
#include "check.h"

#include "base/rng.h"
#include "prediction/trainer.h"

#include <unistd.h>

static const ns_encoder_config config = {.family = NS_ENCODER_distilbert,
                                         .vocabulary = 24,
                                         .positions = 16,
                                         .channels = 16,
                                         .layers = 2,
                                         .heads = 2,
                                         .feed_forward = 32,
                                         .labels = 3,
                                         .epsilon = 1e-12f};
enum { ALL = NS_PART_body | NS_PART_layer | NS_PART_head | NS_PART_masked, SEQUENCES = 6, BATCHES = 3 };

/* Made up anew for each step from its number alone, as a real loader would: sequences whose third piece tells whether
 * they are evidence. */
typedef struct data {
    int32_t ids[SEQUENCES * 8], rows[SEQUENCES], hidden[SEQUENCES];
    uint32_t starts[SEQUENCES + 1];
    ns_train_label labels[SEQUENCES];
} data;

static ns_train_batch make(data *d, uint64_t step, uint64_t part)
{
    ns_rng rng;
    ns_rng_seed(&rng, step * 100 + part);
    uint32_t at = 0;
    for (size_t s = 0; s < SEQUENCES; s++) {
        const uint32_t len = 4 + (uint32_t)ns_rng_below(&rng, 4);
        const bool evidence = ns_rng_below(&rng, 2) == 1;
        d->starts[s] = at;
        for (uint32_t i = 0; i < len; i++)
            d->ids[at + i] = (int32_t)(5 + ns_rng_below(&rng, 10));
        d->ids[at + 2] = evidence ? 20 : 21;
        d->rows[s] = (int32_t)(at + 1); /* hidden: it is always the piece before */
        d->hidden[s] = d->ids[at];
        d->ids[at + 1] = 4;
        d->labels[s] = (ns_train_label){
            .evidence = evidence, .evidence_weight = 1.0f, .cause = evidence, .cause_weight = 1.0f, .log = -1};
        at += len;
    }
    d->starts[SEQUENCES] = at;
    return (ns_train_batch){.ids = d->ids,
                            .starts = d->starts,
                            .sequences = SEQUENCES,
                            .masked_rows = d->rows,
                            .masked_ids = d->hidden,
                            .masked = SEQUENCES,
                            .labels = d->labels,
                            .key = step * 1000 + part};
}

typedef struct run {
    ns_encoder_params params;
    ns_trainer *trainer;
} run;

static ns_trainer_options options(void)
{
    ns_trainer_options o = ns_trainer_defaults();
    o.precision = NS_PRECISION_f32;
    o.limits = (ns_train_limits){.rows = 64, .sequences = SEQUENCES, .masked = SEQUENCES, .longest = 16};
    o.schedule = (ns_schedule){.peak = 1e-2, .warm_up = 20, .total = 160};
    o.dropout = 0.05f;
    return o;
}

static void begin(run *r, const ns_trainer_options *o)
{
    ns_rng rng;
    ns_rng_seed(&rng, o->seed);
    CHECK_OK(ns_encoder_params_init(&r->params, &config, ALL, NULL));
    ns_encoder_params_start(&r->params, ALL, &rng);
    CHECK_OK(ns_trainer_new(&r->params, o, &r->trainer, NULL));
}

static void end(run *r)
{
    ns_trainer_free(r->trainer);
    ns_encoder_params_clear(&r->params);
}

static ns_status step(run *r, uint64_t number, ns_train_step *out, ns_error *err)
{
    data d[BATCHES];
    ns_train_batch batches[BATCHES];
    for (size_t i = 0; i < BATCHES; i++)
        batches[i] = make(&d[i], number, i);
    return ns_trainer_step(r->trainer, batches, BATCHES, out, err);
}

static void steps(run *r, uint64_t from, uint64_t to)
{
    ns_train_step out;
    for (uint64_t i = from; i < to; i++)
        CHECK_OK(step(r, i, &out, NULL));
}

static void learns(const ns_trainer_options *o)
{
    run r;
    ns_train_step out = {0}, first = {0};
    begin(&r, o);
    CHECK_OK(step(&r, 0, &first, NULL));
    for (uint64_t i = 1; i < 160; i++)
        CHECK_OK(step(&r, i, &out, NULL));
    CHECK_NEAR(log(24.0), first.losses.masked.sum / first.losses.masked.weight, 0.4);
    CHECK_NEAR(log(2.0), first.losses.evidence.sum / first.losses.evidence.weight, 0.1);
    CHECK(out.losses.evidence.sum / out.losses.evidence.weight < 0.1);
    CHECK(out.losses.cause.sum / out.losses.cause.weight < 0.1);
    CHECK_INT(160, ns_trainer_steps(r.trainer));

    data d;
    const ns_train_batch unseen = make(&d, 999999, 0);
    ns_train_losses losses = {0};
    float answers[SEQUENCES * 3], *const into[] = {answers};
    CHECK_OK(ns_trainer_look(r.trainer, &unseen, 1, into, &losses, NULL));
    for (size_t s = 0; s < SEQUENCES; s++)
        CHECK((answers[s * 3] > 0.0f) == (d.labels[s].evidence > 0.5f));
    CHECK_INT(SEQUENCES, losses.evidence.right);
    end(&r);
    CHECK_INT(0, ns_mem_live());
}

static void it_learns(void **state)
{
    (void)state;
    ns_trainer_options o = options();
    learns(&o);
    o.precision = NS_PRECISION_best;
    o.threads = 3;
    learns(&o);
}

static void the_same_seed_gives_the_same_weights(void **state)
{
    (void)state;
    ns_trainer_options o = options();
    o.precision = NS_PRECISION_best;
    run a, b;
    begin(&a, &o);
    begin(&b, &o);
    steps(&a, 0, 20);
    steps(&b, 0, 20);
    CHECK(memcmp(a.params.block, b.params.block, a.params.count * sizeof(float)) == 0);
    end(&a);
    end(&b);
}

static const char *scratch_file(void)
{
    static char path[64];
    (void)snprintf(path, sizeof path, "/tmp/neuroshield-trainer-%ld", (long)getpid());
    return path;
}

static void an_interrupted_run_ends_the_same(void **state)
{
    (void)state;
    ns_trainer_options o = options();
    o.precision = NS_PRECISION_best;
    run whole, before, after;
    const ns_train_place place = {.at = {12, 34}};
    ns_train_place back = {0};
    begin(&whole, &o);
    steps(&whole, 0, 30);
    begin(&before, &o);
    steps(&before, 0, 13);
    CHECK_OK(ns_trainer_save(before.trainer, scratch_file(), &place, NULL));
    steps(&before, 13, 17); /* lost when it was killed */
    end(&before);
    begin(&after, &o);
    memset(after.params.block, 0, after.params.count * sizeof(float));
    CHECK_OK(ns_trainer_load(after.trainer, scratch_file(), &back, NULL));
    CHECK(memcmp(&place, &back, sizeof place) == 0);
    CHECK_INT(13, ns_trainer_steps(after.trainer));
    steps(&after, 13, 30);
    CHECK(memcmp(whole.params.block, after.params.block, whole.params.count * sizeof(float)) == 0);
    end(&whole);
    end(&after);
    (void)unlink(scratch_file());
}

static void put_file(const char *bytes, size_t len)
{
    FILE *file = fopen(scratch_file(), "wb");
    CHECK(file != NULL && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}

/* Every cut and every flipped bit is told, and changes nothing. */
static void a_damaged_checkpoint_is_told(void **state)
{
    (void)state;
    ns_trainer_options o = options();
    run r;
    ns_train_place place = {0};
    ns_error err;
    begin(&r, &o);
    CHECK_STATUS(NS_NOT_FOUND, ns_trainer_load(r.trainer, "/nonexistent/checkpoint", &place, &err));
    steps(&r, 0, 2);
    CHECK_OK(ns_trainer_save(r.trainer, scratch_file(), &place, NULL));
    ns_buf whole;
    ns_buf_init(&whole, 1 << 24);
    CHECK_OK(ns_file_read(scratch_file(), 1 << 24, &whole, NULL));
    float *kept = NS_NEW_ARRAY(float, r.params.count);
    memcpy(kept, r.params.block, r.params.count * sizeof(float));
    for (size_t cut = 0; cut < whole.len; cut += cut < 300 ? 7 : 9973) {
        put_file(whole.at, cut);
        CHECK_STATUS(NS_CORRUPT, ns_trainer_load(r.trainer, scratch_file(), &place, &err));
        CHECK(strstr(err.text, "remove it") != NULL);
    }
    for (size_t at = 0; at < whole.len; at += at < 300 ? 5 : 4999) {
        whole.at[at] = (char)(whole.at[at] ^ 4);
        put_file(whole.at, whole.len);
        CHECK_STATUS(NS_CORRUPT, ns_trainer_load(r.trainer, scratch_file(), &place, &err));
        whole.at[at] = (char)(whole.at[at] ^ 4);
    }
    CHECK(memcmp(kept, r.params.block, r.params.count * sizeof(float)) == 0);
    put_file(whole.at, whole.len);
    CHECK_OK(ns_trainer_load(r.trainer, scratch_file(), &place, &err));
    end(&r);
    o.seed = 2;
    begin(&r, &o);
    CHECK_STATUS(NS_CORRUPT, ns_trainer_load(r.trainer, scratch_file(), &place, &err));
    CHECK(strstr(err.text, "seed 1") != NULL);
    end(&r);
    ns_buf_clear(&whole);
    ns_free(kept);
    (void)unlink(scratch_file());
}

static void what_is_not_finite_is_not_learned(void **state)
{
    (void)state;
    const ns_trainer_options o = options();
    run r;
    ns_train_step out;
    ns_error err;
    begin(&r, &o);
    steps(&r, 0, 2);
    r.params.block[r.params.count - 1] = NAN;
    float *kept = NS_NEW_ARRAY(float, r.params.count);
    memcpy(kept, r.params.block, r.params.count * sizeof(float));
    CHECK_STATUS(NS_CORRUPT, step(&r, 2, &out, &err));
    CHECK(memcmp(kept, r.params.block, r.params.count * sizeof(float)) == 0);
    CHECK_INT(2, ns_trainer_steps(r.trainer));
    ns_free(kept);
    end(&r);
}

static void without_memory(void **state)
{
    (void)state;
    ns_trainer_options o = options();
    ns_encoder_params params;
    ns_train_place place = {0};
    CHECK_OK(ns_encoder_params_init(&params, &config, ALL, NULL));
    bool made = false;
    for (long n = 0; n < 40 && !made; n++) {
        ns_trainer *trainer = NULL;
        ns_mem_fail_after(n);
        const ns_status status = ns_trainer_new(&params, &o, &trainer, NULL);
        ns_mem_fail_after(-1);
        made = status == NS_OK;
        if (!made) {
            CHECK_STATUS(NS_NO_MEMORY, status);
            CHECK_INT(1, ns_mem_live());
            continue;
        }
        ns_mem_fail_after(0);
        CHECK_STATUS(NS_NO_MEMORY, ns_trainer_save(trainer, scratch_file(), &place, NULL));
        ns_mem_fail_after(-1);
        ns_trainer_free(trainer);
    }
    CHECK(made);
    ns_encoder_params_clear(&params);
    CHECK_INT(0, ns_mem_live());

    run r; /* a step takes no memory of its own */
    ns_train_step out;
    begin(&r, &o);
    steps(&r, 0, 1);
    ns_mem_fail_after(0);
    CHECK_OK(step(&r, 1, &out, NULL));
    ns_mem_fail_after(-1);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns),
        cmocka_unit_test(the_same_seed_gives_the_same_weights),
        cmocka_unit_test(an_interrupted_run_ends_the_same),
        cmocka_unit_test(a_damaged_checkpoint_is_told),
        cmocka_unit_test(what_is_not_finite_is_not_learned),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
