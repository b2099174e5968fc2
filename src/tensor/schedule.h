/*
 * How large a step is: warm-up, decay and clipping of the gradient.
 */
#ifndef NS_TENSOR_SCHEDULE_H
#define NS_TENSOR_SCHEDULE_H

#include "tensor/train_kernels.h"

typedef enum ns_decay { NS_DECAY_linear, NS_DECAY_cosine, NS_DECAY_constant } ns_decay;

typedef struct ns_schedule {
    double peak;     /* the highest learning rate, reached after the warm-up */
    int64_t warm_up; /* steps */
    int64_t total;   /* steps; the rate is floor * peak at the end */
    double floor;    /* share of peak, 0..1 */
    ns_decay decay;
} ns_schedule;

/* Learning rate of step 0, 1, ... As transformers' get_linear_schedule_with_warmup / get_cosine_schedule_with_warmup
 * (with floor 0): step/warm_up first, so step 0 of a warm-up has rate 0. */
double ns_schedule_rate(const ns_schedule *schedule, int64_t step);

/* What the gradient is multiplied by so that its norm is at most `most` (PyTorch's clip_grad_norm_: most/(norm+1e-6),
 * never above 1). most <= 0: never clipped. */
float ns_clip_factor(double norm, double most);

/* The moments' corrections for step t (from 1), put into *step: 1 - beta^t. */
void ns_adamw_correct(ns_adamw_step *step, int64_t t);

#endif
