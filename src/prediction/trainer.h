/*
 * Training steps: micro-batches spread over threads, gradients summed in one order, clipped, AdamW.
 *
 * With one seed, one number of threads and one machine's arithmetic a run repeats to the last bit, and a run that was
 * killed and taken up from its checkpoint ends with the same weights as one that was not: everything random is drawn
 * from (seed, step), and the checkpoint holds weights, both moments, the step and the caller's place in its data.
 */
#ifndef NS_PREDICTION_TRAINER_H
#define NS_PREDICTION_TRAINER_H

#include "prediction/train_model.h"
#include "tensor/schedule.h"

typedef struct ns_trainer ns_trainer;

typedef enum ns_train_precision {
    NS_PRECISION_best, /* bfloat16 products where the processor has them, else float32 */
    NS_PRECISION_f32,
    NS_PRECISION_bf16 /* NS_BAD_USAGE where the processor has none */
} ns_train_precision;

typedef struct ns_trainer_options {
    size_t threads; /* 1..64 */
    uint64_t seed;
    ns_train_precision precision;
    ns_train_limits limits; /* of a micro-batch; one a thread is held in memory */
    ns_schedule schedule;
    float beta1, beta2, eps; /* AdamW */
    float decay;             /* of matrices and embeddings; biases and normalisation have none */
    float clip;              /* largest norm of the gradient; 0: none */
    float dropout;
    ns_train_scales tasks; /* weight of each task's mean loss */
} ns_trainer_options;

/* 0.9, 0.999, 1e-8, decay 0.01, clip 1, dropout 0.1, all tasks 1, 2 threads. */
ns_trainer_options ns_trainer_defaults(void);

/* The trainer changes params (all parts) in place; they must outlive it. NS_NO_MEMORY, NS_IO, NS_BAD_USAGE. */
NS_MUST_USE ns_status ns_trainer_new(ns_encoder_params *params, const ns_trainer_options *options, ns_trainer **out,
                                     ns_error *err);
void ns_trainer_free(ns_trainer *trainer);

const char *ns_trainer_arithmetic(const ns_trainer *trainer); /* "avx512 bf16", for people; static */
int64_t ns_trainer_steps(const ns_trainer *trainer);          /* done so far */

/* What a step was. */
typedef struct ns_train_step {
    ns_train_losses losses;
    double rate, gradient_norm; /* learning rate; norm before clipping */
} ns_train_step;

/*
 * One step on all batches together (gradient accumulation: more batches than threads are taken in turns). Each task's
 * loss is the mean over its examples in all of them. NS_CORRUPT: the gradient is not finite, the weights are as they
 * were before. NS_NO_MEMORY: likewise.
 */
NS_MUST_USE ns_status ns_trainer_step(ns_trainer *trainer, const ns_train_batch *batches, size_t count,
                                      ns_train_step *out, ns_error *err);

/* Losses (added to) and the classification head's answers without learning. logits[b]: (sequences, labels) of batch b;
 * NULL: not wanted. */
NS_MUST_USE ns_status ns_trainer_look(ns_trainer *trainer, const ns_train_batch *batches, size_t count,
                                      float *const *logits, ns_train_losses *losses, ns_error *err);

/* The caller's place in its data, kept with the checkpoint; what the numbers mean is the caller's. */
enum { NS_TRAIN_PLACE = 8 };
typedef struct ns_train_place {
    uint64_t at[NS_TRAIN_PLACE];
} ns_train_place;

/* Replaces the file as a whole (written beside it, fsynced, renamed). NS_IO, NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_trainer_save(const ns_trainer *trainer, const char *path, const ns_train_place *place,
                                      ns_error *err);
/* NS_NOT_FOUND: no such file. NS_CORRUPT: damaged, or of another shape or seed (told); nothing changed then. */
NS_MUST_USE ns_status ns_trainer_load(ns_trainer *trainer, const char *path, ns_train_place *place, ns_error *err);

#endif
