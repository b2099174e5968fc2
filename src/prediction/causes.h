/*
 * Why a build fails, from what its lines say: each cause's strongest line and a little for each further one, shared out
 * over the causes. Plain data; may be copied.
 */
#ifndef NS_PREDICTION_CAUSES_H
#define NS_PREDICTION_CAUSES_H

#include "flow/prediction.h"

typedef struct ns_cause_tally {
    double strongest[NS_CAUSE_COUNT];
    int32_t lines[NS_CAUSE_COUNT];
} ns_cause_tally;

/* weight: of one line, per cause; share: what is left of it (1 for a line that counts fully); counted: it adds to the
 * number of lines. */
void ns_cause_tally_add(ns_cause_tally *tally, const double weight[NS_CAUSE_COUNT], double share, bool counted);

/* How strongly each cause is spoken for, in log-odds before any prior; [NS_CAUSE_none] is 0. */
void ns_cause_scores(const ns_cause_tally *tally, double score[NS_CAUSE_COUNT]);

/* Fills cause_probability and cause of an answer whose fail_probability and decision stand: softmax of
 * log(prior) + score + extra[c] (NULL: none), times the probability of failure; `none` gets what is left over. */
void ns_causes_share(const ns_cause_tally *tally, const double *extra, ns_prediction *out);

#endif
