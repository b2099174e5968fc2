/*
 * Multi-head attention over sequences packed one after another, with what backward needs (Vaswani et al. 2017).
 *
 * rows (N) of all sequences lie together: sequence s is rows starts[s] .. starts[s+1]-1. No padding between them, so
 * there is no mask: each sequence looks at itself alone. float32; C = heads * width columns.
 */
#ifndef NS_TENSOR_TRAIN_ATTENTION_H
#define NS_TENSOR_TRAIN_ATTENTION_H

#include "tensor/train_gemm.h"

typedef struct ns_train_attention {
    const ns_train_kernels *kernels;
    size_t heads, width;
    const uint32_t *starts; /* sequences + 1 */
    size_t sequences;
    float dropout; /* of the probabilities; 0 none */
    uint64_t key;  /* of its chance */
} ns_train_attention;

/* Floats of `probabilities`: heads * sum of squared lengths. */
size_t ns_train_attention_probabilities(const ns_train_attention *shape);

/* out (N,C) = softmax(Q K^T / sqrt(width)) V per head. qkv (N,3C): q, k, v beside each other. probabilities are kept
 * (before dropout). scratch: longest sequence squared. */
void ns_train_attention_forward(const ns_train_attention *shape, float *out, float *probabilities, const float *qkv,
                                float *scratch);

/* d_qkv (N,3C) is written. scratch: twice the longest sequence squared. */
void ns_train_attention_backward(const ns_train_attention *shape, float *d_qkv, const float *d_out,
                                 const float *probabilities, const float *qkv, float *scratch);

#endif
