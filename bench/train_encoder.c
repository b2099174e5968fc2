/*
 * Training speed: steps of the whole encoder (masked language) on random windows, tokens a second.
 *
 * train_encoder [LAYERS CHANNELS HEADS FEED_FORWARD VOCABULARY WINDOW WINDOWS THREADS PRECISION SECONDS]
 * PRECISION: best f32 bf16. One JSON line: the shape, the arithmetic, tokens and steps a second (median step).
 * bench/train_encoder.py runs it beside PyTorch on the same shape and prints the ratio.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "prediction/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STEPS_MAX = 4096 };

typedef struct setting {
    ns_encoder_config config;
    size_t window, windows, threads;
    ns_train_precision precision;
    double seconds;
} setting;

static size_t number(int argc, char **argv, int i, size_t otherwise)
{
    return i < argc ? (size_t)strtoul(argv[i], NULL, 10) : otherwise;
}

static setting read_setting(int argc, char **argv)
{
    setting s = {.config = {.family = NS_ENCODER_distilbert, .labels = 14, .epsilon = 1e-12f}};
    s.config.layers = number(argc, argv, 1, 4);
    s.config.channels = number(argc, argv, 2, 256);
    s.config.heads = number(argc, argv, 3, 4);
    s.config.feed_forward = number(argc, argv, 4, 1024);
    s.config.vocabulary = number(argc, argv, 5, 8192);
    s.window = number(argc, argv, 6, 128);
    s.windows = number(argc, argv, 7, 16);
    s.threads = number(argc, argv, 8, 2);
    const char *precision = argc > 9 ? argv[9] : "best";
    s.precision = strcmp(precision, "f32") == 0    ? NS_PRECISION_f32
                  : strcmp(precision, "bf16") == 0 ? NS_PRECISION_bf16
                                                   : NS_PRECISION_best;
    s.seconds = (double)number(argc, argv, 10, 10);
    s.config.positions = s.window;
    return s;
}

/* Windows of random pieces, 15 % of them hidden; in micro-batches of one window's share of the threads. */
static size_t make_batches(const setting *s, ns_train_batch *out, int32_t *ids, uint32_t *starts, int32_t *rows,
                           int32_t *hidden, size_t each)
{
    ns_rng rng;
    ns_rng_seed(&rng, 1);
    size_t count = 0;
    for (size_t first = 0; first < s->windows; first += each, count++) {
        const size_t windows = s->windows - first < each ? s->windows - first : each;
        ns_train_batch *b = &out[count];
        const size_t at = first * s->window, stride = each + 1;
        size_t masked = 0;
        for (size_t i = 0; i < windows * s->window; i++) {
            ids[at + i] = (int32_t)ns_rng_below(&rng, s->config.vocabulary);
            if (i % 20 < 3) {
                rows[at + masked] = (int32_t)i;
                hidden[at + masked++] = (int32_t)ns_rng_below(&rng, s->config.vocabulary);
            }
        }
        for (size_t w = 0; w <= windows; w++)
            starts[count * stride + w] = (uint32_t)(w * s->window);
        *b = (ns_train_batch){.ids = ids + at,
                              .starts = starts + count * stride,
                              .sequences = windows,
                              .masked_rows = rows + at,
                              .masked_ids = hidden + at,
                              .masked = masked,
                              .key = count};
    }
    return count;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Processor seconds of this process: what a step costs on a machine that others use too. */
static double processor_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double median_step(ns_trainer *trainer, const ns_train_batch *batches, size_t count, double seconds,
                          double *processor)
{
    static double took[STEPS_MAX];
    double used = 0.0;
    size_t steps = 0;
    const int64_t begun = ns_monotonic_ns();
    ns_train_step out;
    ns_error err;
    for (size_t i = 0; steps < STEPS_MAX && ((double)(ns_monotonic_ns() - begun) < seconds * 1e9 || steps < 3); i++) {
        const int64_t before = ns_monotonic_ns();
        const double processor_before = processor_s();
        if (ns_trainer_step(trainer, batches, count, &out, &err) != NS_OK) {
            (void)fprintf(stderr, "train_encoder: %s\n", err.text);
            exit(1);
        }
        if (i < 2) /* they prepare products and fill caches */
            continue;
        took[steps++] = (double)(ns_monotonic_ns() - before) * 1e-9;
        used += processor_s() - processor_before;
    }
    *processor = used / (double)steps;
    qsort(took, steps, sizeof *took, by_size);
    return took[steps / 2];
}

int main(int argc, char **argv)
{
    const setting s = read_setting(argc, argv);
    const size_t tokens = s.window * s.windows;
    size_t each = (s.windows + s.threads - 1) / s.threads;
    if (each * s.window > 1024)
        each = 1024 / s.window > 0 ? 1024 / s.window : 1;
    ns_encoder_params params;
    ns_trainer *trainer = NULL;
    ns_error err;
    ns_rng rng;
    ns_rng_seed(&rng, 1);
    ns_trainer_options options = ns_trainer_defaults();
    options.threads = s.threads;
    options.precision = s.precision;
    options.limits =
        (ns_train_limits){.rows = each * s.window, .sequences = each, .masked = each * s.window, .longest = s.window};
    int32_t *ids = NS_NEW_ARRAY(int32_t, 3 * tokens);
    uint32_t *starts = NS_NEW_ARRAY(uint32_t, 2 * s.windows + 2);
    ns_train_batch *batches = NS_NEW_ARRAY(ns_train_batch, s.windows);
    const unsigned all = NS_PART_body | NS_PART_layer | NS_PART_head | NS_PART_masked;
    if (ids == NULL || starts == NULL || batches == NULL ||
        ns_encoder_params_init(&params, &s.config, all, &err) != NS_OK ||
        ns_trainer_new(&params, &options, &trainer, &err) != NS_OK) {
        (void)fprintf(stderr, "train_encoder: %s\n", err.text);
        return 1;
    }
    ns_encoder_params_start(&params, all, &rng);
    const size_t count = make_batches(&s, batches, ids, starts, ids + tokens, ids + 2 * tokens, each);
    double processor;
    const double step = median_step(trainer, batches, count, s.seconds, &processor);
    (void)printf(
        "{\"schema\":1,\"what\":\"train_encoder\",\"layers\":%zu,\"channels\":%zu,\"window\":%zu,\"windows\":%zu,"
        "\"threads\":%zu,\"arithmetic\":\"%s\",\"tokens_per_s\":%.0f,\"step_ms\":%.2f,\"tokens_per_cpu_s\":%.0f}\n",
        s.config.layers, s.config.channels, s.window, s.windows, s.threads, ns_trainer_arithmetic(trainer),
        (double)tokens / step, step * 1e3, (double)tokens / processor);
    ns_trainer_free(trainer);
    ns_encoder_params_clear(&params);
    ns_free(ids);
    ns_free(starts);
    ns_free(batches);
    return 0;
}
