/*
 * Looking vectors up by number, and the way back.
 */
#ifndef NS_TENSOR_EMBEDDING_H
#define NS_TENSOR_EMBEDDING_H

#include "tensor/train_kernels.h"

/* out (N,C) = words[ids[n]] + positions[places[n]]. ids and places must lie inside their tables: whoever makes the
 * batch sees to that. */
void ns_embedding(const ns_train_kernels *kernels, float *out, const float *words, const float *positions,
                  const int32_t *ids, const int32_t *places, size_t N, size_t C);

/* Adds d_out (N,C) to the rows that were looked up. */
void ns_embedding_backward(const ns_train_kernels *kernels, float *d_words, float *d_positions, const float *d_out,
                           const int32_t *ids, const int32_t *places, size_t N, size_t C);

/* Rows picked (out (n,C) = in[rows[i]]), and their gradients added back. */
void ns_gather_rows(float *out, const float *in, const int32_t *rows, size_t n, size_t C);
void ns_scatter_rows(const ns_train_kernels *kernels, float *d_in, const float *d_out, const int32_t *rows, size_t n,
                     size_t C);

#endif
