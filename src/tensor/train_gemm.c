#include "tensor/train_gemm.h"

#include "base/mem.h"

#include <oneapi/dnnl/dnnl.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

/* From the OpenMP runtime oneDNN is linked with; its header comes with some compilers only. */
void omp_set_num_threads(int count);

enum { SLOTS = 512, FILL = 384 };

typedef struct gemm_key {
    uint64_t M, N, K;
    uint8_t in, out, transpose_a, transpose_b, accumulate, bias;
    uint8_t zero[2];
} gemm_key;

typedef struct gemm_slot {
    gemm_key key;
    dnnl_primitive_t primitive; /* NULL: the slot is free */
    dnnl_memory_t a, b, c, bias;
} gemm_slot;

struct ns_train_gemm {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    size_t used;
    gemm_slot slots[SLOTS];
};

bool ns_train_gemm_has_bf16(void)
{
#ifdef __x86_64__
    unsigned a, b, c, d;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512f") || __get_cpuid_count(7, 1, &a, &b, &c, &d) == 0)
        return false;
    return (a & (1u << 5)) != 0; /* AVX512_BF16; every processor with AMX-BF16 has it too */
#else
    return false;
#endif
}

static void slot_clear(gemm_slot *slot)
{
    if (slot->primitive != NULL)
        (void)dnnl_primitive_destroy(slot->primitive);
    dnnl_memory_t memories[] = {slot->a, slot->b, slot->c, slot->bias};
    for (size_t i = 0; i < NS_COUNT_OF(memories); i++) {
        if (memories[i] != NULL)
            (void)dnnl_memory_destroy(memories[i]);
    }
    memset(slot, 0, sizeof *slot);
}

static void forget_all(ns_train_gemm *gemm)
{
    for (size_t i = 0; i < SLOTS; i++)
        slot_clear(&gemm->slots[i]);
    gemm->used = 0;
}

void ns_train_gemm_alone(void)
{
    omp_set_num_threads(1);
}

ns_status ns_train_gemm_new(ns_train_gemm **out, ns_error *err)
{
    ns_train_gemm *gemm = NS_NEW(ns_train_gemm);
    if (gemm == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for matrix products");
    if (dnnl_engine_create(&gemm->engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&gemm->stream, gemm->engine, dnnl_stream_default_flags) != dnnl_success) {
        ns_train_gemm_free(gemm);
        return ns_fail(err, NS_NO_MEMORY, "oneDNN gives no engine on this processor");
    }
    *out = gemm;
    return NS_OK;
}

void ns_train_gemm_free(ns_train_gemm *gemm)
{
    if (gemm == NULL)
        return;
    forget_all(gemm);
    if (gemm->stream != NULL)
        (void)dnnl_stream_destroy(gemm->stream);
    if (gemm->engine != NULL)
        (void)dnnl_engine_destroy(gemm->engine);
    ns_free(gemm);
}

static bool describe(dnnl_memory_desc_t *md, size_t rows, size_t columns, bool transposed, ns_operand_type type)
{
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    const dnnl_dims_t strides = {transposed ? 1 : (dnnl_dim_t)columns, transposed ? (dnnl_dim_t)rows : 1};
    return dnnl_memory_desc_init_by_strides(md, 2, dims, type == NS_OPERAND_bf16 ? dnnl_bf16 : dnnl_f32, strides) ==
           dnnl_success;
}

static bool attributes(bool accumulate, dnnl_primitive_attr_t *out)
{
    *out = NULL;
    if (!accumulate)
        return true;
    dnnl_post_ops_t ops;
    if (dnnl_post_ops_create(&ops) != dnnl_success)
        return false;
    bool ok = dnnl_post_ops_append_sum(ops, 1.0f) == dnnl_success && dnnl_primitive_attr_create(out) == dnnl_success &&
              dnnl_primitive_attr_set_post_ops(*out, ops) == dnnl_success;
    (void)dnnl_post_ops_destroy(ops);
    return ok;
}

static bool memory(ns_train_gemm *gemm, const dnnl_memory_desc_t *md, dnnl_memory_t *out)
{
    return dnnl_memory_create(out, md, gemm->engine, DNNL_MEMORY_NONE) == dnnl_success;
}

static bool prepare(ns_train_gemm *gemm, const gemm_key *key, gemm_slot *slot)
{
    dnnl_memory_desc_t a, b, c, bias;
    dnnl_matmul_desc_t matmul;
    dnnl_primitive_attr_t attr = NULL;
    dnnl_primitive_desc_t pd = NULL;
    bool ok = describe(&a, key->M, key->K, key->transpose_a, key->in) &&
              describe(&b, key->K, key->N, key->transpose_b, key->in) &&
              describe(&c, key->M, key->N, false, key->out) && describe(&bias, 1, key->N, false, NS_OPERAND_f32) &&
              dnnl_matmul_desc_init(&matmul, &a, &b, key->bias ? &bias : NULL, &c) == dnnl_success &&
              attributes(key->accumulate, &attr) &&
              dnnl_primitive_desc_create(&pd, &matmul, attr, gemm->engine, NULL) == dnnl_success &&
              dnnl_primitive_create(&slot->primitive, pd) == dnnl_success && memory(gemm, &a, &slot->a) &&
              memory(gemm, &b, &slot->b) && memory(gemm, &c, &slot->c) &&
              (!key->bias || memory(gemm, &bias, &slot->bias));
    if (pd != NULL)
        (void)dnnl_primitive_desc_destroy(pd);
    if (attr != NULL)
        (void)dnnl_primitive_attr_destroy(attr);
    slot->key = *key;
    if (!ok)
        slot_clear(slot);
    return ok;
}

static gemm_slot *find(ns_train_gemm *gemm, const gemm_key *key)
{
    if (gemm->used >= FILL) /* far more shapes than a training run has: begin anew rather than grow */
        forget_all(gemm);
    uint64_t h = (key->M * 0x9e3779b97f4a7c15u) ^ (key->N * 0xc2b2ae3d27d4eb4fu) ^ (key->K * 0x165667b19e3779f9u) ^
                 (uint64_t)(key->in | key->out << 1 | key->transpose_a << 2 | key->transpose_b << 3 |
                            key->accumulate << 4 | key->bias << 5);
    h ^= h >> 29;
    for (size_t i = (size_t)(h % SLOTS);; i = (i + 1) % SLOTS) {
        gemm_slot *slot = &gemm->slots[i];
        if (slot->primitive == NULL) {
            if (!prepare(gemm, key, slot))
                return NULL;
            gemm->used++;
            return slot;
        }
        if (memcmp(&slot->key, key, sizeof *key) == 0)
            return slot;
    }
}

/* oneDNN takes no const pointers for memory it only reads. */
static void *unconst(const void *at)
{
    union {
        const void *in;
        void *out;
    } x = {at};
    return x.out;
}

ns_status ns_train_gemm_run(ns_train_gemm *gemm, const ns_train_gemm_call *call, ns_error *err)
{
    NS_CHECK(call->M > 0 && call->N > 0 && call->K > 0);
    NS_CHECK(call->out == NS_OPERAND_f32 || (call->in == NS_OPERAND_bf16 && !call->accumulate));
    gemm_key key;
    memset(&key, 0, sizeof key);
    key.M = call->M;
    key.N = call->N;
    key.K = call->K;
    key.in = (uint8_t)call->in;
    key.out = (uint8_t)call->out;
    key.transpose_a = call->transpose_a;
    key.transpose_b = call->transpose_b;
    key.accumulate = call->accumulate;
    key.bias = call->bias != NULL;
    gemm_slot *slot = find(gemm, &key);
    if (slot == NULL)
        return ns_fail(err, NS_NO_MEMORY, "oneDNN cannot prepare a product of %zu x %zu x %zu (%s)", call->M, call->N,
                       call->K, call->in == NS_OPERAND_bf16 ? "bf16" : "f32");
    dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, slot->a}, {DNNL_ARG_WEIGHTS, slot->b}, {DNNL_ARG_DST, slot->c}, {DNNL_ARG_BIAS, slot->bias}};
    bool ok = dnnl_memory_set_data_handle(slot->a, unconst(call->a)) == dnnl_success &&
              dnnl_memory_set_data_handle(slot->b, unconst(call->b)) == dnnl_success &&
              dnnl_memory_set_data_handle(slot->c, call->c) == dnnl_success &&
              (call->bias == NULL || dnnl_memory_set_data_handle(slot->bias, unconst(call->bias)) == dnnl_success) &&
              dnnl_primitive_execute(slot->primitive, gemm->stream, call->bias != NULL ? 4 : 3, args) == dnnl_success &&
              dnnl_stream_wait(gemm->stream) == dnnl_success;
    return ok ? NS_OK
              : ns_fail(err, NS_NO_MEMORY, "oneDNN could not compute a product of %zu x %zu x %zu", call->M, call->N,
                        call->K);
}

void ns_train_gemm_run_strided(const ns_train_gemm_strided *call)
{
    dnnl_status_t done = dnnl_sgemm(call->transpose_a ? 'T' : 'N', call->transpose_b ? 'T' : 'N', (dnnl_dim_t)call->M,
                                    (dnnl_dim_t)call->N, (dnnl_dim_t)call->K, 1.0f, call->a, (dnnl_dim_t)call->lda,
                                    call->b, (dnnl_dim_t)call->ldb, call->beta, call->c, (dnnl_dim_t)call->ldc);
    NS_CHECK(done == dnnl_success);
}
