#include "tensor/embedding.h"

#include <string.h>

void ns_embedding(const ns_train_kernels *kernels, float *out, const float *words, const float *positions,
                  const int32_t *ids, const int32_t *places, size_t N, size_t C)
{
    for (size_t n = 0; n < N; n++) {
        memcpy(out + n * C, words + (size_t)ids[n] * C, C * sizeof *out);
        kernels->add(out + n * C, positions + (size_t)places[n] * C, C);
    }
}

void ns_embedding_backward(const ns_train_kernels *kernels, float *d_words, float *d_positions, const float *d_out,
                           const int32_t *ids, const int32_t *places, size_t N, size_t C)
{
    for (size_t n = 0; n < N; n++) {
        kernels->add(d_words + (size_t)ids[n] * C, d_out + n * C, C);
        kernels->add(d_positions + (size_t)places[n] * C, d_out + n * C, C);
    }
}

void ns_gather_rows(float *out, const float *in, const int32_t *rows, size_t n, size_t C)
{
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * C, in + (size_t)rows[i] * C, C * sizeof *out);
}

void ns_scatter_rows(const ns_train_kernels *kernels, float *d_in, const float *d_out, const int32_t *rows, size_t n,
                     size_t C)
{
    for (size_t i = 0; i < n; i++)
        kernels->add(d_in + (size_t)rows[i] * C, d_out + i * C, C);
}
