#include "tensor/train_attention.h"

#include <math.h>
#include <string.h>

size_t ns_train_attention_probabilities(const ns_train_attention *shape)
{
    size_t total = 0;
    for (size_t s = 0; s < shape->sequences; s++) {
        size_t T = shape->starts[s + 1] - shape->starts[s];
        total += shape->heads * T * T;
    }
    return total;
}

/* Where one head of one sequence lies. */
typedef struct head_view {
    size_t T, stride; /* rows; floats between rows of q, k, v */
    size_t at;        /* of q within qkv */
    size_t out_at;    /* within out */
    size_t C;
    uint32_t first; /* of its probabilities, for dropout */
} head_view;

static head_view view(const ns_train_attention *shape, size_t s, size_t head, size_t first)
{
    const size_t C = shape->heads * shape->width;
    return (head_view){
        .T = shape->starts[s + 1] - shape->starts[s],
        .stride = 3 * C,
        .at = shape->starts[s] * 3 * C + head * shape->width,
        .out_at = shape->starts[s] * C + head * shape->width,
        .C = C,
        .first = (uint32_t)first,
    };
}

/* The probabilities as they were used: after dropout. */
static const float *dropped(const ns_train_attention *shape, const head_view *h, const float *p, float *scratch)
{
    if (shape->dropout <= 0.0f)
        return p;
    memcpy(scratch, p, h->T * h->T * sizeof *p);
    shape->kernels->dropout(scratch, shape->key, h->first, shape->dropout, h->T * h->T);
    return scratch;
}

void ns_train_attention_forward(const ns_train_attention *shape, float *out, float *probabilities, const float *qkv,
                                float *scratch)
{
    const float factor = 1.0f / sqrtf((float)shape->width);
    size_t first = 0;
    for (size_t s = 0; s < shape->sequences; s++) {
        for (size_t head = 0; head < shape->heads; head++) {
            const head_view h = view(shape, s, head, first);
            const float *q = qkv + h.at, *k = q + h.C, *v = k + h.C;
            float *p = probabilities + first;
            ns_train_gemm_run_strided(&(ns_train_gemm_strided){.M = h.T,
                                                               .N = h.T,
                                                               .K = shape->width,
                                                               .a = q,
                                                               .lda = h.stride,
                                                               .b = k,
                                                               .ldb = h.stride,
                                                               .c = p,
                                                               .ldc = h.T,
                                                               .transpose_b = true});
            shape->kernels->softmax(p, factor, h.T, h.T);
            ns_train_gemm_run_strided(&(ns_train_gemm_strided){.M = h.T,
                                                               .N = shape->width,
                                                               .K = h.T,
                                                               .a = dropped(shape, &h, p, scratch),
                                                               .lda = h.T,
                                                               .b = v,
                                                               .ldb = h.stride,
                                                               .c = out + h.out_at,
                                                               .ldc = h.C});
            first += h.T * h.T;
        }
    }
}

void ns_train_attention_backward(const ns_train_attention *shape, float *d_qkv, const float *d_out,
                                 const float *probabilities, const float *qkv, float *scratch)
{
    const float factor = 1.0f / sqrtf((float)shape->width);
    size_t first = 0;
    for (size_t s = 0; s < shape->sequences; s++) {
        for (size_t head = 0; head < shape->heads; head++) {
            const head_view h = view(shape, s, head, first);
            const float *q = qkv + h.at, *k = q + h.C, *v = k + h.C;
            float *d_q = d_qkv + h.at, *d_k = d_q + h.C, *d_v = d_k + h.C;
            const float *p = probabilities + first, *dy = d_out + h.out_at;
            float *d_p = scratch + h.T * h.T;
            ns_train_gemm_run_strided(&(ns_train_gemm_strided){.M = h.T,
                                                               .N = shape->width,
                                                               .K = h.T,
                                                               .transpose_a = true,
                                                               .a = dropped(shape, &h, p, scratch),
                                                               .lda = h.T,
                                                               .b = dy,
                                                               .ldb = h.C,
                                                               .c = d_v,
                                                               .ldc = h.stride});
            ns_train_gemm_run_strided(&(ns_train_gemm_strided){.M = h.T,
                                                               .N = h.T,
                                                               .K = shape->width,
                                                               .transpose_b = true,
                                                               .a = dy,
                                                               .lda = h.C,
                                                               .b = v,
                                                               .ldb = h.stride,
                                                               .c = d_p,
                                                               .ldc = h.T});
            if (shape->dropout > 0.0f)
                shape->kernels->dropout(d_p, shape->key, h.first, shape->dropout, h.T * h.T);
            shape->kernels->softmax_backward(d_p, p, factor, h.T, h.T);
            ns_train_gemm_run_strided(&(ns_train_gemm_strided){.M = h.T,
                                                               .N = shape->width,
                                                               .K = h.T,
                                                               .a = d_p,
                                                               .lda = h.T,
                                                               .b = k,
                                                               .ldb = h.stride,
                                                               .c = d_q,
                                                               .ldc = h.stride});
            ns_train_gemm_run_strided(&(ns_train_gemm_strided){.M = h.T,
                                                               .N = shape->width,
                                                               .K = h.T,
                                                               .transpose_a = true,
                                                               .a = d_p,
                                                               .lda = h.T,
                                                               .b = q,
                                                               .ldb = h.stride,
                                                               .c = d_k,
                                                               .ldc = h.stride});
            first += h.T * h.T;
        }
    }
}
