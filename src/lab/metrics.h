/*
 * Figures of a predictor on labelled logs. Probabilities of failure, 0..1; all weigh the same. NAN: not defined (no log
 * of one of the classes).
 */
#ifndef NS_LAB_METRICS_H
#define NS_LAB_METRICS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ns_scored_log {
    double p;
    bool failing;
    bool abstained;
} ns_scored_log;

typedef struct ns_metrics {
    size_t n;
    double accuracy, precision, recall, fpr; /* at probability 0.5 */
    double auc;                              /* ties count half */
    double ece;                              /* ten bins of equal width (Naeini et al. 2015) */
    double abstain;
    double precision_at_5, precision_at_20; /* precision at 0.5 if 5 % or 20 % of the builds failed */
} ns_metrics;

/* Sorts a copy; without memory for it auc is NAN. */
void ns_metrics_of(const ns_scored_log *logs, size_t n, ns_metrics *out);

/* Area under the curve of score against label. NAN: one class only, or no memory. */
double ns_auc(const double *score, const bool *label, size_t n);

#endif
