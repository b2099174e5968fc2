#include "tensor/loss.h"

#include "base/status.h"

#include <math.h>
#include <string.h>

static size_t highest(const float *row, size_t C)
{
    size_t top = 0;
    for (size_t i = 1; i < C; i++)
        top = row[i] > row[top] ? i : top;
    return top;
}

void ns_cross_entropy(const ns_train_kernels *kernels, float *logits, const int32_t *targets, const float *weights,
                      float scale, size_t N, size_t C, ns_loss *loss)
{
    for (size_t n = 0; n < N; n++) {
        float *row = logits + n * C;
        const float weight = weights == NULL ? 1.0f : weights[n];
        if (targets[n] == NS_IGNORE) {
            memset(row, 0, C * sizeof *row);
            continue;
        }
        NS_CHECK(targets[n] >= 0 && (size_t)targets[n] < C);
        const size_t target = (size_t)targets[n];
        const float total = kernels->log_sum_exp(row, C);
        loss->sum += (double)weight * (double)(total - row[target]);
        loss->weight += (double)weight;
        loss->rows++;
        loss->right += highest(row, C) == target;
        kernels->exp_shifted(row, total, weight * scale, C);
        row[target] -= weight * scale;
    }
}

double ns_binary_cross_entropy(double logit, double target, double *gradient)
{
    const double e = exp(-fabs(logit));
    const double sigmoid = logit >= 0.0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
    *gradient = sigmoid - target;
    return (logit > 0.0 ? logit : 0.0) - logit * target + log1p(e);
}
