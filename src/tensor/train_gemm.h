/*
 * Matrix products of training, on oneDNN: any side transposed, float32 or bfloat16 in, accumulation into the result.
 *
 * One ns_train_gemm belongs to one thread, and that thread computes alone: data parallelism is the caller's, so that
 * sums have one order and a run repeats to the last bit. Prepared products are kept by shape; a caller that repeats its
 * shapes prepares nothing in steady state.
 */
#ifndef NS_TENSOR_TRAIN_GEMM_H
#define NS_TENSOR_TRAIN_GEMM_H

#include "base/status.h"
#include "tensor/train_kernels.h"

typedef struct ns_train_gemm ns_train_gemm;

/* The calling thread's products use no other threads from now on. To be called on each thread that computes. */
void ns_train_gemm_alone(void);

/* To be used by one thread at a time. */
NS_MUST_USE ns_status ns_train_gemm_new(ns_train_gemm **out, ns_error *err);
void ns_train_gemm_free(ns_train_gemm *gemm);

/* True when bfloat16 products run on hardware for them (avx512_bf16 or AMX): about twice as fast as float32. */
bool ns_train_gemm_has_bf16(void);

/* c (M,N) = A (M,K) * B (K,N) [+ bias (N)] [+ c]. Row-major without gaps; a transposed side is stored as its transpose:
 * a is (K,M), b is (N,K). */
typedef struct ns_train_gemm_call {
    size_t M, N, K;
    const void *a, *b;
    const float *bias; /* NULL: none */
    void *c;
    ns_operand_type in;  /* of a and b */
    ns_operand_type out; /* of c; bf16 only together with bf16 inputs and without accumulate */
    bool transpose_a, transpose_b, accumulate;
} ns_train_gemm_call;

/* NS_NO_MEMORY when oneDNN cannot prepare or run it: told with the shape. */
NS_MUST_USE ns_status ns_train_gemm_run(ns_train_gemm *gemm, const ns_train_gemm_call *call, ns_error *err);

/* float32 with strides between rows (lda, ldb, ldc), for the heads of attention: c = A * B + beta * c. */
typedef struct ns_train_gemm_strided {
    size_t M, N, K;
    const float *a;
    size_t lda;
    const float *b;
    size_t ldb;
    float beta;
    float *c;
    size_t ldc;
    bool transpose_a, transpose_b;
} ns_train_gemm_strided;

/* Cannot fail: shapes are checked by whoever builds the model. */
void ns_train_gemm_run_strided(const ns_train_gemm_strided *call);

#endif
