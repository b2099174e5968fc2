#include "lab/window_quality.h"

#include "base/mem.h"
#include "lab/metrics.h"
#include "prediction/encoder.h"

#include <math.h>

ns_window_quality ns_window_quality_none(void)
{
    return (ns_window_quality){
        .auc = (double)NAN, .suspicion_auc = (double)NAN, .together_auc = (double)NAN, .cause_right = (double)NAN};
}

static void standardise(double *x, size_t n)
{
    double sum = 0.0, square = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    for (size_t i = 0; i < n; i++)
        square += (x[i] - sum / (double)n) * (x[i] - sum / (double)n);
    const double spread = sqrt(square / (double)n) + 1e-12;
    for (size_t i = 0; i < n; i++)
        x[i] = (x[i] - sum / (double)n) / spread;
}

static ns_status answers(const ns_encoder_params *params, const ns_sequences *windows, size_t threads, float *logits,
                         ns_error *err)
{
    const ns_encoder_options options = {.path = ns_code_path_best(), .threads = threads};
    ns_encoder *encoder = NULL;
    size_t *starts = NS_NEW_ARRAY(size_t, windows->count + 1);
    if (starts == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory to measure %zu windows", windows->count);
    for (size_t i = 0; i <= windows->count; i++)
        starts[i] = windows->starts[i];
    ns_status status = ns_encoder_new(params, &options, &encoder, err);
    if (status == NS_OK)
        status = ns_encoder_run(encoder, &(ns_windows){.ids = windows->ids, .starts = starts, .count = windows->count},
                                &(ns_encoded){.logits = logits}, err);
    ns_encoder_free(encoder);
    ns_free(starts);
    return status;
}

static double causes_right(const ns_sequences *windows, const float *logits, size_t labels)
{
    double right = 0.0, all = 0.0;
    for (size_t i = 0; i < windows->count; i++) {
        const int32_t cause = windows->labels[i].cause;
        if (cause == NS_IGNORE)
            continue;
        size_t best = 1;
        for (size_t k = 2; k < labels; k++)
            best = logits[i * labels + k] > logits[i * labels + best] ? k : best;
        right += best == (size_t)cause + 1;
        all += 1.0;
    }
    return all > 0.0 ? right / all : (double)NAN;
}

ns_status ns_window_quality_of(const ns_encoder_params *params, const ns_window_list *list, size_t threads,
                               ns_window_quality *out, ns_error *err)
{
    const size_t n = list->windows.count, labels = params->config.labels;
    *out = ns_window_quality_none();
    if (n == 0)
        return NS_OK;
    float *logits = NS_NEW_ARRAY(float, n *labels);
    double *own = NS_NEW_ARRAY(double, n), *without = NS_NEW_ARRAY(double, n);
    bool *positive = NS_NEW_ARRAY(bool, n);
    ns_status status = NS_OK;
    if (logits == NULL || own == NULL || without == NULL || positive == NULL)
        status = ns_fail(err, NS_NO_MEMORY, "no memory to measure %zu windows", n);
    if (status == NS_OK)
        status = answers(params, &list->windows, threads, logits, err);
    for (size_t i = 0; status == NS_OK && i < n; i++) {
        own[i] = (double)logits[i * labels];
        without[i] = (double)list->suspicion[i];
        positive[i] = list->windows.labels[i].evidence > 0.5f;
    }
    if (status == NS_OK) {
        out->windows = n;
        out->speak_for = list->speak_for;
        out->auc = ns_auc(own, positive, n);
        out->suspicion_auc = ns_auc(without, positive, n);
        out->cause_right = causes_right(&list->windows, logits, labels);
        standardise(own, n);
        standardise(without, n);
        for (size_t i = 0; i < n; i++)
            own[i] += without[i];
        out->together_auc = ns_auc(own, positive, n);
    }
    ns_free(logits);
    ns_free(own);
    ns_free(without);
    ns_free(positive);
    return status;
}
