/*
 * Trains the judge's predictor on a table of lines: the line scorer, and on top of it the judge, whose examples are
 * scored by line scorers that never saw their project (folds of projects inside the training set).
 *
 * Deterministic for a table, a selection and a seed.
 */
#ifndef NS_LAB_TRAIN_PREDICTOR_H
#define NS_LAB_TRAIN_PREDICTOR_H

#include "lab/line_table.h"
#include "lab/train_lines.h"
#include "prediction/judge.h"

#define NS_TRAIN_INNER_FOLDS 4

/* use: (logs) which may be learnt from. *lines has been initialised. told: after each of the steps. NS_NO_MEMORY,
 * NS_BAD_INPUT (no failing or no green log among them). */
NS_MUST_USE ns_status ns_train_predictor(const ns_line_table *table, const bool *use, uint64_t seed, ns_lab_told *told,
                                         void *owner, ns_line_scorer *lines, ns_judge *judge, ns_error *err);

/* Deals projects into folds, seeded: out (projects of the corpus), 0..folds-1. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_deal_folds(size_t projects, size_t folds, uint64_t seed, uint8_t *out, ns_error *err);

#endif
