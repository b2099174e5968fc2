/*
 * Training the encoder from a table of lines: vocabulary, masked-language pre-training, labelled windows; and writing
 * it as a folder that `transformers` and ns_encoder_open read.
 *
 * In the folder: vocab.txt, tokenizer_config.json, config.json, model.safetensors (bfloat16), training.jsonl and
 * training.svg (the loss curve); while it runs NAME.checkpoint of each stage. The same command goes on after a kill.
 *
 * Label 0 of the classification head is the log-odds that the window's line is evidence of failure; label 1 + c is
 * cause c of flow/cause.h.
 */
#ifndef NS_LAB_TRAIN_ENCODER_H
#define NS_LAB_TRAIN_ENCODER_H

#include "lab/encoder_data.h"
#include "lab/train_stage.h"
#include "lab/window_quality.h"

typedef struct ns_train_encoder_options {
    const char *folder; /* made if it is missing */
    const char *init;   /* a folder whose vocabulary and weights to begin with; NULL: from scratch */
    size_t vocabulary, layers, channels, heads, feed_forward; /* from scratch */
    size_t threads;
    uint64_t seed;
    ns_train_precision precision;
    int64_t masked_steps, window_steps; /* 0: the stage is left out */
    double masked_rate, window_rate;    /* highest learning rates */
    size_t batches;                     /* micro-batches of 1,024 tokens a step */
    double masking; /* share of a labelled window's pieces that is hidden, and asked for beside its label */
    ns_window_mix mix;
    double held_out; /* share of the projects, 0..0.5, not learnt from in either stage: they tell when to stop */
    bool keep_checkpoints, quiet;
    const volatile sig_atomic_t *stop;
} ns_train_encoder_options;

/* The recipe that told windows of unseen projects apart best (README.md). */
ns_train_encoder_options ns_train_encoder_defaults(void);

/* Is this project (by its name and the seed, so in every corpus and every run) held out? */
bool ns_train_encoder_holds_out(const ns_train_encoder_options *options, const char *project);

typedef struct ns_train_encoder_result {
    size_t parameters, vocabulary;
    size_t masked_sequences, masked_tokens, windows, windows_for;
    ns_stage_result masked, lines; /* steps 0: left out */
    ns_window_quality quality;     /* on projects not learnt from */
    double elapsed_s;
    char sha256[65]; /* of model.safetensors */
} ns_train_encoder_result;

/* Removes what a training writes, and the folder if nothing else is in it. */
void ns_train_encoder_forget(const char *folder);

/* A corpus in training. */
typedef struct ns_train_encoder_corpus {
    const ns_line_table *table;
    const bool *use;        /* logs of the table in use; NULL all */
    const float *scores;    /* as for ns_labelled_windows */
    const bool *vocabulary; /* of the first corpus: logs that the vocabulary is learnt from; NULL all */
    const bool *measure;    /* logs whose windows `quality` is measured on; NULL: those held out */
} ns_train_encoder_corpus;

/* The vocabulary is learnt from the first corpus (or some logs of it), the weights from all. NS_CANCELLED: stopped, the
 * same call goes on. Other errors tell which file and what to do. */
NS_MUST_USE ns_status ns_train_encoder(const ns_train_encoder_corpus *corpora, size_t count,
                                       const ns_train_encoder_options *options, ns_train_encoder_result *result,
                                       ns_error *err);

#endif
