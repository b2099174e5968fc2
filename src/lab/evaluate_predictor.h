/*
 * Measures a predictor on a corpus: with the last lines withheld, over the course of a build, and as a stream of
 * answers; beside the keyword rule, the base rate and the leak check. With folds the judge is trained anew for each
 * fold of projects and answers for projects it never saw. Where there is an encoder, also without it: by the heads that
 * the same judge has for that.
 */
#ifndef NS_LAB_EVALUATE_PREDICTOR_H
#define NS_LAB_EVALUATE_PREDICTOR_H

#include "flow/predictor.h"
#include "lab/leakcheck.h"
#include "lab/replay_log.h"
#include "lab/train_readers.h"

typedef struct ns_evaluate_options {
    const char *const *folders; /* (folder_count) */
    size_t folder_count;
    ns_corpus_filter filter;
    size_t references;     /* at most so many earlier green logs; 0 none */
    size_t min_references; /* only logs with so many */
    size_t folds;          /* 0: measure `predictor` */
    uint64_t seed;
    const ns_predictor *predictor;                                       /* borrowed; NULL with folds */
    const ns_predictor *without_encoder;                                 /* the same model; NULL: it has none */
    const ns_reader_recipe *recipe;                                      /* with folds: of its encoders; NULL none */
    const char *per_log;                                                 /* file for one JSON object a log; NULL none */
    void (*told)(void *owner, const char *step, size_t done, size_t of); /* NULL nobody */
    void *owner;
} ns_evaluate_options;

/* Writes the object of CONTRACT.md's `evaluate predictor` to *out. NS_IO, NS_NOT_FOUND, NS_BAD_INPUT, NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_evaluate_predictor(const ns_evaluate_options *options, ns_buf *out, ns_error *err);

#endif
