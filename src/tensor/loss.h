/*
 * What training makes small: cross entropies, with their gradients.
 *
 * Sums are returned, never means: the caller knows over how many rows of how many batches it divides and passes that
 * as `scale` of the gradient. Pure; nothing fails.
 */
#ifndef NS_TENSOR_LOSS_H
#define NS_TENSOR_LOSS_H

#include "tensor/train_kernels.h"

enum { NS_IGNORE = -100 }; /* a target that does not count (PyTorch's ignore_index) */

typedef struct ns_loss {
    double sum;         /* of weight * loss */
    double weight;      /* of the rows that counted */
    size_t rows, right; /* that counted; where the highest logit was the target's */
} ns_loss;

/*
 * Softmax cross entropy of each row. logits (N,C) become their gradient: weight * scale * (softmax - onehot), 0 where
 * the target is NS_IGNORE. weights (N); NULL: all 1. Other targets must lie in 0..C-1. Adds to *loss.
 */
void ns_cross_entropy(const ns_train_kernels *kernels, float *logits, const int32_t *targets, const float *weights,
                      float scale, size_t N, size_t C, ns_loss *loss);

/* -target*log(s) - (1-target)*log(1-s), s = sigmoid(logit), without overflow. *gradient = s - target. */
double ns_binary_cross_entropy(double logit, double target, double *gradient);

#endif
