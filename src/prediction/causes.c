#include "prediction/causes.h"

#include <math.h>

/* How causes share the probability of failure before anything is known, and how fast lines change that. */
static const double cause_prior[NS_CAUSE_COUNT] = {
    [NS_CAUSE_compile_error] = 0.20, [NS_CAUSE_test_failure] = 0.28,    [NS_CAUSE_flaky_test] = 0.12,
    [NS_CAUSE_dependency] = 0.10,    [NS_CAUSE_registry_outage] = 0.08, [NS_CAUSE_out_of_memory] = 0.03,
    [NS_CAUSE_disk_full] = 0.02,     [NS_CAUSE_timeout] = 0.05,         [NS_CAUSE_agent_lost] = 0.04,
    [NS_CAUSE_config] = 0.06,        [NS_CAUSE_bad_release] = 0.01,     [NS_CAUSE_overload] = 0.01,
};
#define CAUSE_FURTHER  0.15
#define CAUSE_COUNTED  10 /* further lines beyond this add nothing */
#define CAUSE_STEEP    1.4
#define FLAKY_UNHINTED 1.0

void ns_cause_tally_add(ns_cause_tally *tally, const double weight[NS_CAUSE_COUNT], double share, bool counted)
{
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++) {
        if (weight[c] <= 0.0)
            continue;
        tally->strongest[c] = fmax(tally->strongest[c], weight[c] * share);
        tally->lines[c] += counted;
    }
}

static double cause_score(const ns_cause_tally *tally, size_t c)
{
    int32_t further = tally->lines[c] > 1 ? tally->lines[c] - 1 : 0;
    further = further < CAUSE_COUNTED ? further : CAUSE_COUNTED;
    return tally->strongest[c] + CAUSE_FURTHER * (double)further;
}

/* A flaky test prints what a failing test prints. It is told apart by hints (clocks, ports, races, reruns), which count
 * on top of the failing test; without any it stays possible. */
static double flaky_score(const ns_cause_tally *tally)
{
    double hints = cause_score(tally, NS_CAUSE_flaky_test);
    if (tally->lines[NS_CAUSE_test_failure] == 0)
        return hints;
    double test = cause_score(tally, NS_CAUSE_test_failure);
    return hints > 0.0 ? test + hints : test - FLAKY_UNHINTED;
}

void ns_cause_scores(const ns_cause_tally *tally, double score[NS_CAUSE_COUNT])
{
    score[NS_CAUSE_none] = 0.0;
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++)
        score[c] = CAUSE_STEEP * (c == NS_CAUSE_flaky_test ? flaky_score(tally) : cause_score(tally, c));
}

void ns_causes_share(const ns_cause_tally *tally, const double *extra, ns_prediction *out)
{
    double share[NS_CAUSE_COUNT], total = 0.0, given = 0.0, highest = -INFINITY;
    ns_cause_scores(tally, share);
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++) {
        share[c] += log(cause_prior[c]) + (extra == NULL ? 0.0 : extra[c]);
        highest = fmax(highest, share[c]);
    }
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++) {
        share[c] = exp(share[c] - highest);
        total += share[c];
    }
    size_t best = NS_CAUSE_none + 1;
    for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++) {
        out->cause_probability[c] = out->fail_probability * share[c] / total;
        given += out->cause_probability[c];
        best = share[c] > share[best] ? c : best;
    }
    out->cause_probability[NS_CAUSE_none] = fmax(0.0, 1.0 - given);
    out->cause = out->decision == NS_PREDICTED_failure ? (ns_cause)best : NS_CAUSE_none;
}
