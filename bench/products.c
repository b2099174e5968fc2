/*
 * Our matrix products beside oneDNN's on one thread: products [SECONDS]. Weights are packed beforehand on both sides;
 * int8 includes bringing activations to bytes on ours and leaves it out for oneDNN, which only sums to 32 bits here.
 * Printed: GFLOP/s (GOP/s) by the least processor time of many runs.
 */
#include "tensor/code_path.h"
#include "tensor/linear.h"

#include "base/mem.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct {
    int M, N, K;
} shapes[] = {{64, 768, 256},  {64, 1024, 256}, {64, 256, 1024}, {64, 2304, 768},
              {64, 3072, 768}, {64, 768, 3072}, {128, 3072, 768}};

static double seconds = 0.3;

static double cpu_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

typedef void (*run_once)(void *self);

/* Operations a second, in thousand millions. */
static double speed(run_once run, void *self, int M, int N, int K)
{
    double least = 1e9;
    const double end = cpu_now() + seconds;
    while (cpu_now() < end) {
        const double began = cpu_now();
        run(self);
        const double took = cpu_now() - began;
        least = took < least ? took : least;
    }
    return 2.0 * M * N * K / least / 1e9;
}

typedef struct ours {
    ns_linear linear;
    float *x, *y;
    void *room;
    size_t M;
} ours;

static void run_ours(void *self)
{
    const ours *o = self;
    ns_linear_apply(&o->linear, o->y, o->linear.out, o->x, o->linear.in, o->M, false, o->room);
}

/* 64-byte aligned, zeroed; never given back: the program is short. */
static void *room_of(size_t bytes)
{
    char *at = ns_alloc(1, bytes + 64);
    NS_CHECK(at != NULL);
    return at + (64 - (size_t)at % 64);
}

static double measure_ours(ns_code_path path, size_t M, size_t N, size_t K)
{
    const ns_dense dense = {ns_code_path_kernels(path), ns_code_path_low(path)};
    float *weight = room_of(N * K * sizeof *weight), *bias = room_of(N * sizeof *bias);
    for (size_t i = 0; i < N * K; i++)
        weight[i] = (float)(i % 17) / 17 - 0.5f;
    ours o = {.linear = {dense, K, N, room_of(ns_linear_bytes(dense, K, N)), room_of(ns_linear_outputs(N) * 4),
                         room_of(ns_linear_outputs(N) * 4), room_of(ns_linear_outputs(N) * 4)},
              .x = room_of(M * K * sizeof(float)),
              .y = room_of(M * N * sizeof(float)),
              .room = room_of(ns_linear_room(K, M)),
              .M = M};
    for (size_t i = 0; i < M * K; i++)
        o.x[i] = (float)(i % 13) / 13 - 0.4f;
    ns_linear_put(&o.linear, 0, N, weight, bias);
    return speed(run_ours, &o, (int)M, (int)N, (int)K);
}

typedef struct theirs {
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_exec_arg_t arguments[3];
} theirs;

#define TRY(call) NS_CHECK((call) == dnnl_success)

static void run_theirs(void *self)
{
    const theirs *t = self;
    TRY(dnnl_primitive_execute(t->primitive, t->stream, 3, t->arguments));
    TRY(dnnl_stream_wait(t->stream));
}

static dnnl_memory_t memory_like(const dnnl_memory_desc_t *shape, dnnl_engine_t engine)
{
    dnnl_memory_t memory;
    TRY(dnnl_memory_create(&memory, shape, engine, room_of(dnnl_memory_desc_get_size(shape))));
    return memory;
}

/* The weight's format is oneDNN's choice. */
static double measure_theirs(dnnl_data_type_t a, dnnl_data_type_t b, dnnl_data_type_t c, int M, int N, int K)
{
    dnnl_engine_t engine;
    theirs t;
    TRY(dnnl_engine_create(&engine, dnnl_cpu, 0));
    TRY(dnnl_stream_create(&t.stream, engine, dnnl_stream_default_flags));
    const dnnl_dims_t shape_a = {M, K}, shape_b = {K, N}, shape_c = {M, N};
    dnnl_memory_desc_t md_a, md_b, md_c;
    TRY(dnnl_memory_desc_init_by_tag(&md_a, 2, shape_a, a, dnnl_ab));
    TRY(dnnl_memory_desc_init_by_tag(&md_b, 2, shape_b, b, dnnl_format_tag_any));
    TRY(dnnl_memory_desc_init_by_tag(&md_c, 2, shape_c, c, dnnl_ab));
    dnnl_matmul_desc_t matmul;
    dnnl_primitive_desc_t description;
    TRY(dnnl_matmul_desc_init(&matmul, &md_a, &md_b, NULL, &md_c));
    TRY(dnnl_primitive_desc_create(&description, &matmul, NULL, engine, NULL));
    TRY(dnnl_primitive_create(&t.primitive, description));
    const dnnl_memory_desc_t *chosen = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
    t.arguments[0] = (dnnl_exec_arg_t){DNNL_ARG_SRC, memory_like(&md_a, engine)};
    t.arguments[1] = (dnnl_exec_arg_t){DNNL_ARG_WEIGHTS, memory_like(chosen, engine)};
    t.arguments[2] = (dnnl_exec_arg_t){DNNL_ARG_DST, memory_like(&md_c, engine)};
    return speed(run_theirs, &t, M, N, K);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seconds = strtod(argv[1], NULL);
    printf("%-18s", "M x N x K");
    for (size_t p = 0; p < NS_PATH_keyword; p++)
        if (ns_code_path_available((ns_code_path)p))
            printf(" %14s", ns_code_path_name((ns_code_path)p));
    printf(" %14s %14s %14s\n", "oneDNN int8", "oneDNN bf16", "oneDNN fp32");
    for (size_t i = 0; i < NS_COUNT_OF(shapes); i++) {
        const int M = shapes[i].M, N = shapes[i].N, K = shapes[i].K;
        printf("%4d x %4d x %4d ", M, N, K);
        for (size_t p = 0; p < NS_PATH_keyword; p++)
            if (ns_code_path_available((ns_code_path)p))
                printf(" %14.0f", measure_ours((ns_code_path)p, (size_t)M, (size_t)N, (size_t)K));
        printf(" %14.0f %14.0f %14.0f\n", measure_theirs(dnnl_u8, dnnl_s8, dnnl_s32, M, N, K),
               measure_theirs(dnnl_bf16, dnnl_bf16, dnnl_bf16, M, N, K),
               measure_theirs(dnnl_f32, dnnl_f32, dnnl_f32, M, N, K));
    }
    return 0;
}
