/*
 * How long the encoder takes for some windows, on a random model: encoder SHAPE [--path P] [--threads N] [--windows B]
 * [--tokens T] [--hidden] [--seconds S] [--write DIR]. One JSON object a line; --write puts the model there as a
 * Hugging Face folder, for the peers that bench/predictor.py measures beside it.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "prediction/encoder.h"
#include "tensor/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* name, vocabulary, positions, channels, heads, layers, feed forward */
static const struct {
    const char *name;
    size_t V, P, C, heads, layers, F;
} shapes[] = {
    {"distilbert", 30522, 512, 768, 12, 6, 3072},
    {"small", 8192, 512, 256, 4, 4, 1024},
};

enum { RUNS_MAX = 100000 };

typedef struct request {
    const char *shape, *path, *write;
    size_t threads, windows, tokens;
    bool hidden;
    double seconds;
} request;

static int trouble(const ns_error *err)
{
    fprintf(stderr, "%s\n", err->text);
    return ns_status_exit(err->status);
}

static ns_status random_model(const char *shape, ns_encoder_params *params, ns_error *err)
{
    ns_encoder_config config = {.family = NS_ENCODER_distilbert, .labels = 2, .epsilon = 1e-12f};
    for (size_t i = 0; i < NS_COUNT_OF(shapes); i++)
        if (strcmp(shape, shapes[i].name) == 0) {
            config.vocabulary = shapes[i].V;
            config.positions = shapes[i].P;
            config.channels = shapes[i].C;
            config.heads = shapes[i].heads;
            config.layers = shapes[i].layers;
            config.feed_forward = shapes[i].F;
        }
    if (config.layers == 0)
        return ns_fail(err, NS_BAD_USAGE, "no shape '%s': distilbert, small", shape);
    (void)snprintf(config.label[0], sizeof config.label[0], "success");
    (void)snprintf(config.label[1], sizeof config.label[1], "failure");
    ns_status status = ns_encoder_params_init(params, &config, NS_PART_head, err);
    if (status != NS_OK)
        return status;
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < params->count; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        params->block[i] = (float)(int32_t)(x >> 32) / 2147483648.0f * 0.07f; /* deviation 0.04 */
    }
    ns_encoder_tensor tensor;
    for (size_t n = 0; ns_encoder_tensor_at(&config, params->parts, n, &tensor); n++)
        if (strstr(tensor.name, "norm.weight") != NULL || strstr(tensor.name, "Norm.weight") != NULL)
            for (size_t i = 0; i < tensor.count; i++)
                params->block[tensor.offset + i] += 1.0f;
    return NS_OK;
}

static ns_status write_model(const ns_encoder_params *params, const char *folder, ns_error *err)
{
    static ns_encoder_tensor tensors[1024];
    static ns_tensor_out out[1024];
    char path[4096];
    size_t count = 0;
    for (; ns_encoder_tensor_at(&params->config, params->parts, count, &tensors[count]); count++) {
        const ns_encoder_tensor *t = &tensors[count];
        out[count] =
            (ns_tensor_out){t->name, NS_DTYPE_F32, t->rank, {t->shape[0], t->shape[1]}, params->block + t->offset};
    }
    ns_buf text;
    ns_buf_init(&text, 1 << 20);
    ns_status status = ns_encoder_config_write(&params->config, true, &text);
    (void)snprintf(path, sizeof path, "%s/config.json", folder);
    if (status == NS_OK)
        status = ns_file_replace(path, ns_buf_view(&text), 0644, err);
    ns_buf_clear(&text);
    (void)snprintf(path, sizeof path, "%s/model.safetensors", folder);
    return status == NS_OK ? ns_safetensors_write(path, out, count, "pt", err) : status;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Processor time of all threads: what stays meaningful when the machine is not quiet. */
static double cpu_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int measure(const request *asked, const ns_encoder_params *params, ns_code_path path)
{
    static double took[RUNS_MAX], burnt[RUNS_MAX];
    ns_error err;
    ns_encoder *encoder;
    if (ns_encoder_new(params, &(ns_encoder_options){path, asked->threads, 0}, &encoder, &err) != NS_OK)
        return trouble(&err);
    const size_t N = asked->windows * asked->tokens, C = params->config.channels;
    int32_t *ids = NS_NEW_ARRAY(int32_t, N);
    size_t *starts = NS_NEW_ARRAY(size_t, asked->windows + 1);
    float *logits = NS_NEW_ARRAY(float, asked->windows * params->config.labels), *hidden = NS_NEW_ARRAY(float, N *C);
    NS_CHECK(ids != NULL && starts != NULL && logits != NULL && hidden != NULL);
    for (size_t i = 0; i < N; i++)
        ids[i] = (int32_t)(i * 7919 % params->config.vocabulary);
    for (size_t w = 0; w <= asked->windows; w++)
        starts[w] = w * asked->tokens;
    const ns_windows windows = {ids, NULL, starts, asked->windows};
    const ns_encoded out = {.hidden = asked->hidden ? hidden : NULL, .logits = logits};
    size_t runs = 0;
    double total = 0;
    for (; runs < RUNS_MAX && (runs < 5 || total < asked->seconds * 1e3); runs++) {
        const int64_t began = ns_monotonic_ns();
        const double cpu = cpu_ms();
        if (ns_encoder_run(encoder, &windows, &out, &err) != NS_OK)
            return trouble(&err);
        took[runs] = (double)(ns_monotonic_ns() - began) / 1e6;
        burnt[runs] = cpu_ms() - cpu;
        total += took[runs];
    }
    qsort(took, runs, sizeof *took, by_size);
    qsort(burnt, runs, sizeof *burnt, by_size);
    printf(
        "{\"shape\":\"%s\",\"code_path\":\"%s\",\"threads\":%zu,\"windows\":%zu,\"tokens\":%zu,\"hidden\":%s,"
        "\"runs\":%zu,"
        "\"median_ms\":%.4f,\"least_ms\":%.4f,\"cpu_median_ms\":%.4f,\"cpu_least_ms\":%.4f,\"logits\":[%.6f,%.6f]}\n",
        asked->shape, ns_code_path_name(path), asked->threads, asked->windows, asked->tokens,
        asked->hidden ? "true" : "false", runs, took[runs / 2], took[0], burnt[runs / 2], burnt[0], (double)logits[0],
        (double)logits[1]);
    ns_encoder_free(encoder);
    ns_free(ids);
    ns_free(starts);
    ns_free(logits);
    ns_free(hidden);
    return 0;
}

static bool read_request(int argc, char **argv, request *out)
{
    *out = (request){.threads = 1, .windows = 1, .tokens = 128, .seconds = 1.5};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--hidden") == 0) {
            out->hidden = true;
            continue;
        }
        if (name[0] != '-') {
            out->shape = name;
            continue;
        }
        if (++i == argc)
            return false;
        if (strcmp(name, "--path") == 0)
            out->path = argv[i];
        else if (strcmp(name, "--write") == 0)
            out->write = argv[i];
        else if (strcmp(name, "--threads") == 0)
            out->threads = strtoul(argv[i], NULL, 10);
        else if (strcmp(name, "--windows") == 0)
            out->windows = strtoul(argv[i], NULL, 10);
        else if (strcmp(name, "--tokens") == 0)
            out->tokens = strtoul(argv[i], NULL, 10);
        else if (strcmp(name, "--seconds") == 0)
            out->seconds = strtod(argv[i], NULL);
        else
            return false;
    }
    return out->shape != NULL && out->threads >= 1 && out->threads <= 64;
}

int main(int argc, char **argv)
{
    request asked;
    ns_encoder_params params;
    ns_code_path path;
    ns_error err;
    if (!read_request(argc, argv, &asked)) {
        fprintf(stderr, "encoder distilbert|small [--path P|all] [--threads N] [--windows B] [--tokens T] [--hidden]"
                        " [--seconds S] [--write DIR]\n");
        return 2;
    }
    if (random_model(asked.shape, &params, &err) != NS_OK)
        return trouble(&err);
    if (asked.write != NULL)
        return write_model(&params, asked.write, &err) == NS_OK ? 0 : trouble(&err);
    int status = 0;
    for (size_t p = 0; p < NS_PATH_keyword && asked.path != NULL && strcmp(asked.path, "all") == 0; p++)
        if (ns_code_path_available((ns_code_path)p))
            status |= measure(&asked, &params, (ns_code_path)p);
    if (asked.path == NULL || strcmp(asked.path, "all") != 0) {
        if (ns_code_path_choose(asked.path, &path, &err) != NS_OK)
            return trouble(&err);
        status = measure(&asked, &params, path);
    }
    ns_encoder_params_clear(&params);
    return status;
}
