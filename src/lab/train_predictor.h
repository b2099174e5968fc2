/*
 * Trains the judge's predictor on a table of lines: the line scorer, and on top of it the judge, whose examples are
 * scored by line scorers that never saw their project (folds of projects inside the training set).
 *
 * With readers of windows (an encoder's) there is a second set of heads, for which each log's most suspicious lines
 * were read by one that never saw the project either.
 *
 * Deterministic for a table, a selection, a seed and the readers.
 */
#ifndef NS_LAB_TRAIN_PREDICTOR_H
#define NS_LAB_TRAIN_PREDICTOR_H

#include "lab/line_table.h"
#include "lab/train_lines.h"
#include "prediction/judge.h"
#include "prediction/window_reader.h"

#define NS_TRAIN_INNER_FOLDS 4

#define NS_TRAIN_READERS 2
/* Projects are dealt between readers; each is read by the one that did not learn from it. */
typedef struct ns_train_readers {
    const ns_window_reader *reader[NS_TRAIN_READERS];
    const uint8_t *unseen; /* (projects) by which reader */
} ns_train_readers;

/* use: (logs) which may be learnt from. readers: NULL none. *lines has been initialised. told: after each of the steps.
 * NS_NO_MEMORY, NS_BAD_INPUT (no failing or no green log among them). */
NS_MUST_USE ns_status ns_train_predictor(const ns_line_table *table, const bool *use, const ns_train_readers *readers,
                                         uint64_t seed, ns_lab_told *told, void *owner, ns_line_scorer *lines,
                                         ns_judge *judge, ns_error *err);

/* Deals projects into folds, seeded: out (projects of the corpus), 0..folds-1. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_deal_folds(size_t projects, size_t folds, uint64_t seed, uint8_t *out, ns_error *err);

#endif
