/* The encoder against `transformers`, on every code path this machine has; and against itself, alone and in a batch. */
#include "golden_encoder.h"

static const char *const names[] = {"distilbert", "bert"};

/* path, how far its numbers may be from the reference, and the probability of any label (largest of all) */
static const struct {
    ns_code_path path;
    double hidden, probability;
} paths[] = {
    {NS_PATH_portable_fp32, 1e-4, 1e-5}, {NS_PATH_avx2_fp32, 1e-4, 1e-5}, {NS_PATH_avx512_fp32, 1e-4, 1e-5},
    {NS_PATH_avx512_int8, 0.2, 0.02},    {NS_PATH_amx_int8, 0.2, 0.02},   {NS_PATH_amx_bf16, 0.05, 0.01},
};

/* The largest distance between the probabilities (softmax) of B rows of labels. */
static double drift(const float *a, const float *b, size_t B, size_t labels)
{
    double most = 0;
    for (size_t w = 0; w < B; w++, a += labels, b += labels) {
        double sum_a = 0, sum_b = 0;
        for (size_t i = 0; i < labels; i++) {
            sum_a += exp((double)a[i]);
            sum_b += exp((double)b[i]);
        }
        for (size_t i = 0; i < labels; i++)
            most = fmax(most, fabs(exp((double)a[i]) / sum_a - exp((double)b[i]) / sum_b));
    }
    return most;
}

static void check_golden(const golden *g, ns_code_path path, double bound, double probability)
{
    ns_error err;
    ns_encoder *encoder = golden_encoder(g, path, 1, 0);
    const size_t B = g->windows_count, C = g->channels;
    float *hidden = golden_floats(g->tokens * C), *pooled = golden_floats(B * C), *first = golden_floats(B * C);
    float *logits = golden_floats(B * g->labels), *again = golden_floats(B * g->labels);
    CHECK_INT(g->labels, ns_encoder_shape(encoder)->labels);
    CHECK_OK(ns_encoder_run(encoder, &g->windows, &(ns_encoded){hidden, first, pooled, logits}, &err));
    print_message("%s: hidden %.2g pooled %.2g logits %.2g probability %.2g\n", ns_code_path_name(path),
                  golden_distance(g->hidden, hidden, g->tokens * C), golden_distance(g->pooled, pooled, B * C),
                  golden_distance(g->logits, logits, B * g->labels), drift(g->logits, logits, B, g->labels));
    CHECK(drift(g->logits, logits, B, g->labels) <= probability);
    CHECK(golden_distance(g->hidden, hidden, g->tokens * C) <= bound);
    CHECK(golden_distance(g->pooled, pooled, B * C) <= bound);
    CHECK(golden_distance(g->logits, logits, B * g->labels) <= bound);
    for (size_t w = 0; w < B; w++)
        CHECK(memcmp(first + w * C, hidden + g->starts[w] * C, C * sizeof(float)) == 0);
    /* Without hidden states the last layer goes another way, to the same bits. */
    CHECK_OK(ns_encoder_run(encoder, &g->windows, &(ns_encoded){.logits = again}, &err));
    CHECK(memcmp(logits, again, B * g->labels * sizeof(float)) == 0);
    ns_free(hidden);
    ns_free(pooled);
    ns_free(first);
    ns_free(logits);
    ns_free(again);
    ns_encoder_free(encoder);
}

static void same_as_transformers(void **state)
{
    (void)state;
    for (size_t n = 0; n < NS_COUNT_OF(names); n++)
        for (size_t i = 0; i < NS_COUNT_OF(paths); i++) {
            if (!ns_code_path_available(paths[i].path))
                continue;
            const size_t live = ns_mem_live();
            golden g;
            golden_open(&g, names[n]);
            check_golden(&g, paths[i].path, paths[i].hidden, paths[i].probability);
            golden_close(&g);
            CHECK_INT(live, ns_mem_live());
        }
}

/* Every window alone, with `threads` threads and room for `tokens`, against the batch. */
static void check_alone(const golden *g, ns_code_path path, size_t threads, size_t tokens, const float *batch)
{
    ns_error err;
    ns_encoder *encoder = golden_encoder(g, path, threads, tokens);
    const size_t C = g->channels;
    float *hidden = golden_floats(g->tokens * C), *logits = golden_floats(g->labels);
    CHECK_OK(ns_encoder_run(encoder, &g->windows, &(ns_encoded){.hidden = hidden}, &err));
    CHECK(memcmp(hidden, batch, g->tokens * C * sizeof(float)) == 0);
    for (size_t w = 0; w < g->windows_count; w++) {
        const size_t starts[] = {0, g->starts[w + 1] - g->starts[w]};
        const ns_windows one = {g->ids + g->starts[w], g->segments + g->starts[w], starts, 1};
        CHECK_OK(ns_encoder_run(encoder, &one, &(ns_encoded){.hidden = hidden}, &err));
        CHECK(memcmp(hidden, batch + g->starts[w] * C, starts[1] * C * sizeof(float)) == 0);
        CHECK_OK(ns_encoder_run(encoder, &one, &(ns_encoded){.first = hidden, .logits = logits}, &err));
        CHECK(memcmp(hidden, batch + g->starts[w] * C, C * sizeof(float)) == 0);
    }
    ns_free(hidden);
    ns_free(logits);
    ns_encoder_free(encoder);
}

static void alone_or_in_a_batch_to_the_last_bit(void **state)
{
    (void)state;
    for (size_t n = 0; n < NS_COUNT_OF(names); n++)
        for (size_t i = 0; i < NS_COUNT_OF(paths); i++) {
            if (!ns_code_path_available(paths[i].path))
                continue;
            ns_error err;
            golden g;
            golden_open(&g, names[n]);
            ns_encoder *encoder = golden_encoder(&g, paths[i].path, 1, 0);
            float *batch = golden_floats(g.tokens * g.channels);
            CHECK_OK(ns_encoder_run(encoder, &g.windows, &(ns_encoded){.hidden = batch}, &err));
            ns_encoder_free(encoder);
            check_alone(&g, paths[i].path, 1, 0, batch);
            check_alone(&g, paths[i].path, 3, 1024, batch); /* all in one round */
            check_alone(&g, paths[i].path, 2, 1, batch);    /* one window at a time */
            ns_free(batch);
            golden_close(&g);
        }
}

static void scoring_allocates_nothing(void **state)
{
    (void)state;
    ns_error err;
    golden g;
    golden_open(&g, "distilbert");
    for (size_t i = 0; i < NS_COUNT_OF(paths); i++) {
        if (!ns_code_path_available(paths[i].path))
            continue;
        ns_encoder *encoder = golden_encoder(&g, paths[i].path, 2, 0);
        float *logits = golden_floats(g.windows_count * g.labels);
        ns_mem_fail_after(0);
        CHECK_OK(ns_encoder_run(encoder, &g.windows, &(ns_encoded){.logits = logits}, &err));
        ns_mem_fail_after(-1);
        CHECK(golden_distance(g.logits, logits, g.windows_count * g.labels) <= paths[i].hidden);
        ns_free(logits);
        ns_encoder_free(encoder);
    }
    golden_close(&g);
}

static void what_cannot_be_scored_is_refused(void **state)
{
    (void)state;
    golden g;
    golden_open(&g, "distilbert");
    ns_encoder *encoder = golden_encoder(&g, NS_PATH_portable_fp32, 1, 0);
    const int32_t good[] = {1, 2, 3}, beyond[] = {1, 97}, below[] = {-1, 2};
    static int32_t endless[71];
    const size_t three[] = {0, 3}, two[] = {0, 2}, none[] = {0, 0}, many[] = {0, 71};
    float logits[3] = {7, 7, 7};
    const struct {
        ns_windows windows;
        const char *says;
    } cases[] = {
        {{beyond, NULL, two, 1}, "token 97 lies outside the model's vocabulary of 97"},
        {{below, NULL, two, 1}, "token -1 lies outside"},
        {{good, NULL, none, 1}, "1 to 70 tokens"},
        {{endless, NULL, many, 1}, "1 to 70 tokens"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_error err;
        CHECK_STATUS(NS_BAD_INPUT, ns_encoder_run(encoder, &cases[i].windows, &(ns_encoded){.logits = logits}, &err));
        CHECK(strstr(err.text, cases[i].says) != NULL);
        CHECK(logits[0] == 7);
    }
    ns_error err;
    const ns_windows fine = {good, NULL, three, 1}, empty = {good, NULL, three, 0};
    CHECK_OK(ns_encoder_run(encoder, &fine, &(ns_encoded){.logits = logits}, &err));
    CHECK(logits[0] != 7);
    CHECK_OK(ns_encoder_run(encoder, &empty, &(ns_encoded){.logits = logits}, &err));
    ns_encoder_free(encoder);
    golden_close(&g);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    golden g;
    golden_open(&g, "bert");
    const size_t live = ns_mem_live();
    const ns_encoder_options options = {NS_PATH_portable_fp32, 2, 0};
    bool done = false;
    for (long n = 0; n < 500 && !done; n++) {
        ns_encoder *encoder = NULL;
        ns_error err;
        ns_mem_fail_after(n);
        done = ns_encoder_open(g.folder, &options, &encoder, &err) == NS_OK;
        ns_mem_fail_after(-1);
        ns_encoder_free(encoder);
        CHECK_INT(live, ns_mem_live());
    }
    CHECK(done);
    golden_close(&g);
}

static void a_path_this_machine_lacks_is_named(void **state)
{
    (void)state;
    ns_code_path path;
    ns_error err;
    CHECK_OK(ns_code_path_choose(NULL, &path, &err));
    CHECK(path == ns_code_path_best() && ns_code_path_available(path));
    CHECK_OK(ns_code_path_choose("portable_fp32", &path, &err));
    CHECK(path == NS_PATH_portable_fp32);
    CHECK_STATUS(NS_BAD_USAGE, ns_code_path_choose("abacus", &path, &err));
    CHECK(strstr(err.text, "abacus") != NULL && strstr(err.text, "portable_fp32") != NULL);
    CHECK_STATUS(NS_BAD_USAGE, ns_code_path_choose("keyword", &path, &err));
    for (size_t p = 0; p <= NS_PATH_keyword; p++)
        if (!ns_code_path_available((ns_code_path)p)) {
            CHECK_STATUS(NS_BAD_USAGE, ns_code_path_choose(ns_code_path_name((ns_code_path)p), &path, &err));
            CHECK(strstr(err.text, "this machine can run: ") != NULL);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_transformers),      cmocka_unit_test(alone_or_in_a_batch_to_the_last_bit),
        cmocka_unit_test(scoring_allocates_nothing), cmocka_unit_test(what_cannot_be_scored_is_refused),
        cmocka_unit_test(every_allocation_may_fail), cmocka_unit_test(a_path_this_machine_lacks_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
