#include "lab/metrics.h"

#include "base/mem.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

enum { BINS = 10 };

typedef struct ranked {
    double score;
    bool label;
} ranked;

static int by_score(const void *a, const void *b)
{
    double x = ((const ranked *)a)->score, y = ((const ranked *)b)->score;
    return (x > y) - (x < y);
}

/* Mann and Whitney: the mean rank of the positive, ties at their middle. */
static double rank_sum(const ranked *at, size_t n, double *positive)
{
    double sum = 0.0;
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && at[end].score == at[i].score)
            end++;
        for (size_t k = i; k < end; k++) {
            if (!at[k].label)
                continue;
            sum += (double)(i + end - 1) / 2.0 + 1.0;
            *positive += 1.0;
        }
        i = end;
    }
    return sum;
}

double ns_auc(const double *score, const bool *label, size_t n)
{
    ranked *at = n == 0 ? NULL : NS_NEW_ARRAY(ranked, n);
    if (at == NULL)
        return (double)NAN;
    for (size_t i = 0; i < n; i++)
        at[i] = (ranked){score[i], label[i]};
    qsort(at, n, sizeof at[0], by_score);
    double positive = 0.0, sum = rank_sum(at, n, &positive), negative = (double)n - positive;
    ns_free(at);
    if (positive == 0.0 || negative == 0.0)
        return (double)NAN;
    return (sum - positive * (positive + 1.0) / 2.0) / (positive * negative);
}

static double auc_of(const ns_scored_log *logs, size_t n)
{
    double *score = NS_NEW_ARRAY(double, n);
    bool *label = NS_NEW_ARRAY(bool, n);
    double auc = (double)NAN;
    if (score != NULL && label != NULL) {
        for (size_t i = 0; i < n; i++) {
            score[i] = logs[i].p;
            label[i] = logs[i].failing;
        }
        auc = ns_auc(score, label, n);
    }
    ns_free(score);
    ns_free(label);
    return auc;
}

static double ece_of(const ns_scored_log *logs, size_t n)
{
    double sum_p[BINS] = {0.0}, sum_y[BINS] = {0.0}, ece = 0.0;
    for (size_t i = 0; i < n; i++) {
        int bin = (int)(logs[i].p * BINS);
        bin = bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
        sum_p[bin] += logs[i].p;
        sum_y[bin] += logs[i].failing ? 1.0 : 0.0;
    }
    for (int bin = 0; bin < BINS; bin++)
        ece += fabs(sum_p[bin] - sum_y[bin]) / (double)n;
    return ece;
}

static double share(double part, double whole)
{
    return whole > 0.0 ? part / whole : (double)NAN;
}

static double precision_at(double base, double recall, double fpr)
{
    return share(base * recall, base * recall + (1.0 - base) * fpr);
}

void ns_metrics_of(const ns_scored_log *logs, size_t n, ns_metrics *out)
{
    double hit = 0.0, false_alarm = 0.0, failing = 0.0, abstained = 0.0;
    for (size_t i = 0; i < n; i++) {
        bool said = logs[i].p >= 0.5;
        hit += said && logs[i].failing;
        false_alarm += said && !logs[i].failing;
        failing += logs[i].failing;
        abstained += logs[i].abstained;
    }
    double calm = (double)n - failing;
    *out = (ns_metrics){.n = n,
                        .accuracy = share(hit + calm - false_alarm, (double)n),
                        .precision = share(hit, hit + false_alarm),
                        .recall = share(hit, failing),
                        .fpr = share(false_alarm, calm),
                        .auc = n == 0 ? (double)NAN : auc_of(logs, n),
                        .ece = n == 0 ? (double)NAN : ece_of(logs, n),
                        .abstain = share(abstained, (double)n)};
    out->precision_at_5 = precision_at(0.05, out->recall, out->fpr);
    out->precision_at_20 = precision_at(0.20, out->recall, out->fpr);
}
