/*
 * How long a predictor takes for new text of a running build: growing [--piece BYTES] MODEL_FOLDER LOG...
 *
 * Each log is fed in pieces (default 64 KiB) with an answer after each, as the scorer does while a build runs. Printed
 * as one JSON object a code path, and one for the model without its encoder: answers, and the median, 99th percentile
 * and longest of them in milliseconds by the clock and of this thread's processor time (the fairer on a busy machine).
 */
#include "base/mem.h"
#include "base/unpack.h"
#include "prediction/judge_predictor.h"
#include "tensor/code_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ANSWERS_MAX = 200000, LOG_CEILING = 256 << 20 };

typedef struct times {
    double wall[ANSWERS_MAX], cpu[ANSWERS_MAX];
    size_t count;
    double bytes;
} times;

static double now_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void grow(const ns_predictor *predictor, ns_text log, size_t piece, times *out)
{
    ns_prediction answer;
    ns_reading *reading = predictor->begin(predictor->self, NULL, 0);
    NS_CHECK(reading != NULL);
    out->bytes += (double)log.len;
    for (size_t at = 0; at < log.len && out->count < ANSWERS_MAX; at += piece) {
        const ns_text more = {log.at + at, log.len - at < piece ? log.len - at : piece};
        const double wall = now_ms(CLOCK_MONOTONIC), cpu = now_ms(CLOCK_THREAD_CPUTIME_ID);
        NS_CHECK(predictor->feed(predictor->self, reading, more) == NS_OK);
        predictor->score(predictor->self, reading, &answer);
        out->cpu[out->count] = now_ms(CLOCK_THREAD_CPUTIME_ID) - cpu;
        out->wall[out->count++] = now_ms(CLOCK_MONOTONIC) - wall;
    }
    predictor->end(predictor->self, reading);
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void show(const char *kind, double *ms, size_t n)
{
    qsort(ms, n, sizeof *ms, rising);
    printf(",\"%s_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"most\":%.3f}", kind, ms[n / 2], ms[n * 99 / 100], ms[n - 1]);
}

static int measure(const char *folder, const ns_judge_predictor_options *options, size_t piece, char **logs, int count)
{
    static times t;
    ns_predictor predictor;
    ns_error err;
    if (ns_judge_predictor_open(folder, options, &predictor, &err) != NS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return ns_status_exit(err.status);
    }
    t.count = 0;
    t.bytes = 0.0;
    for (int i = 0; i < count; i++) {
        ns_buf log;
        ns_buf_init(&log, LOG_CEILING);
        if (ns_log_file_read(logs[i], LOG_CEILING, &log, &err) == NS_OK)
            grow(&predictor, ns_buf_view(&log), piece, &t);
        else
            fprintf(stderr, "%s\n", err.text);
        ns_buf_clear(&log);
    }
    printf("{\"model\":\"%s\",\"code_path\":\"%s\",\"piece\":%zu,\"answers\":%zu,\"mb\":%.1f", predictor.name,
           ns_code_path_name(predictor.code_path), piece, t.count, t.bytes / 1e6);
    if (t.count > 0) {
        show("wall", t.wall, t.count);
        show("cpu", t.cpu, t.count);
    }
    printf("}\n");
    predictor.free(predictor.self);
    return 0;
}

int main(int argc, char **argv)
{
    size_t piece = 65536;
    int first = 1;
    if (argc > 2 && strcmp(argv[1], "--piece") == 0) {
        piece = (size_t)strtoul(argv[2], NULL, 10);
        first = 3;
    }
    if (argc < first + 2 || piece == 0) {
        fprintf(stderr, "growing [--piece BYTES] MODEL_FOLDER LOG...\n");
        return 2;
    }
    char **logs = argv + first + 1;
    const int count = argc - first - 1;
    int bad = measure(argv[first], &(ns_judge_predictor_options){.without_encoder = true}, piece, logs, count);
    for (size_t p = 0; bad == 0 && p < NS_PATH_keyword; p++) {
        const ns_judge_predictor_options options = {.code_path = ns_code_path_name((ns_code_path)p)};
        if (ns_code_path_available((ns_code_path)p))
            bad = measure(argv[first], &options, piece, logs, count);
    }
    return bad;
}
