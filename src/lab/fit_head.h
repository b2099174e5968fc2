/*
 * Fits one head of the judge (prediction/judge.h) to examples: boosted monotone stumps, a logistic regression with
 * weights >= 0, and the calibration behind both. Deterministic.
 */
#ifndef NS_LAB_FIT_HEAD_H
#define NS_LAB_FIT_HEAD_H

#include "prediction/judge.h"

typedef struct ns_fit_example {
    const float *feature; /* (NS_JUDGE_FEATURES) borrowed */
    double weight;
    bool failing;
} ns_fit_example;

/* Fills everything but slope, offset and alarm (set to 1, 0, 0.5). used: features that may be used; the
 * stumps look at strengths only. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_fit_head(const ns_fit_example *examples, size_t n, const bool used[NS_JUDGE_FEATURES],
                                  ns_judge_head *out, ns_error *err);

typedef struct ns_fit_score {
    double z;
    double weight;
    bool failing;
} ns_fit_score;

/* slope > 0 and offset by maximum likelihood, from scores of examples that the head was not fitted to. */
void ns_fit_calibration(const ns_fit_score *scores, size_t n, ns_judge_head *head);

/* One failing log for the causes: which phrases it has, what causes.h says of it, and the truth. */
typedef struct ns_fit_cause {
    const ns_judge_tally *tally;
    const ns_suspects *suspects; /* NULL: without an encoder */
    ns_cause cause;
    double weight;
} ns_fit_cause;

/* The phrases' weights, without an encoder. */
void ns_fit_causes(const ns_fit_cause *examples, size_t n, ns_judge *judge);
/* How much the suspects' causes count beside them: the likeliest of a few weights, 0 among them. */
void ns_fit_encoder_cause(const ns_fit_cause *examples, size_t n, ns_judge *judge);

#endif
