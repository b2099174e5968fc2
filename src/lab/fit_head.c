#include "lab/fit_head.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Chosen by folds of projects; results are flat around them. */
enum { BOOST_ROUNDS = 300, DESCENT_ROUNDS = 600, CALIBRATION_ROUNDS = 4000, CAUSE_ROUNDS = 1500 };
#define SHRINK         0.08
#define STUMP_RIDGE    5.0
#define STUMP_MIN      2.0 /* curvature on either side of a stump */
#define MIX            0.6
#define STRENGTH_RIDGE 0.002
#define RULE_RIDGE     0.003
#define DESCENT_RATE   0.5
#define CAUSE_RATE     1.0
#define CAUSE_RIDGE    0.001

typedef struct boosting {
    const ns_fit_example *examples;
    size_t n;
    size_t *order; /* (NS_JUDGE_ALL_STRENGTHS, n) examples by rising feature */
    double *z, *gradient, *curvature;
} boosting;

static double sigmoid(double z)
{
    return 1.0 / (1.0 + exp(-z));
}

static int by_feature(const void *a, const void *b, void *state)
{
    const void **at = state;
    const ns_fit_example *examples = at[0];
    size_t feature = *(const size_t *)at[1], i = *(const size_t *)a, j = *(const size_t *)b;
    float x = examples[i].feature[feature], y = examples[j].feature[feature];
    return x != y ? (x > y) - (x < y) : (i > j) - (i < j);
}

static void sort_features(boosting *boost)
{
    for (size_t s = 0; s < NS_JUDGE_ALL_STRENGTHS; s++) {
        size_t *order = &boost->order[s * boost->n], f = ns_judge_strength(s);
        const void *state[2] = {boost->examples, &f};
        for (size_t i = 0; i < boost->n; i++)
            order[i] = i;
        qsort_r(order, boost->n, sizeof order[0], by_feature, state);
    }
}

typedef struct best_stump {
    ns_judge_stump stump;
    double low; /* what both sides get */
    double gain;
} best_stump;

/* Newton steps on both sides of every edge; only rising stumps, so that the sum stays monotone. */
static void try_feature(const boosting *boost, size_t strength, double gradient, double curvature, best_stump *best)
{
    const size_t *order = &boost->order[strength * boost->n], f = ns_judge_strength(strength);
    double left_g = 0.0, left_h = 0.0;
    for (size_t k = 0; k + 1 < boost->n; k++) {
        left_g += boost->gradient[order[k]];
        left_h += boost->curvature[order[k]];
        float here = boost->examples[order[k]].feature[f], next = boost->examples[order[k + 1]].feature[f];
        double right_g = gradient - left_g, right_h = curvature - left_h;
        if (here == next || left_h < STUMP_MIN || right_h < STUMP_MIN)
            continue;
        double low = left_g / (left_h + STUMP_RIDGE), high = right_g / (right_h + STUMP_RIDGE);
        double gain = left_g * low + right_g * high - gradient * gradient / (curvature + STUMP_RIDGE);
        if (high > low && gain > best->gain)
            *best = (best_stump){{(uint16_t)f, (here + next) / 2.0F, SHRINK * (high - low)}, SHRINK * low, gain};
    }
}

/* Each round looks at half of the features, dealt anew: those that lead would else do all the work. */
static void boost_stumps(boosting *boost, const bool *used, ns_judge_head *out)
{
    for (size_t i = 0; i < boost->n; i++)
        boost->z[i] = out->stump_bias;
    ns_rng rng;
    ns_rng_seed_named(&rng, 1, "stumps");
    for (int round = 0; round < BOOST_ROUNDS; round++) {
        double gradient = 0.0, curvature = 0.0;
        best_stump best = {.gain = 0.0};
        for (size_t i = 0; i < boost->n; i++) {
            double p = sigmoid(boost->z[i]), w = boost->examples[i].weight;
            boost->gradient[i] = w * ((boost->examples[i].failing ? 1.0 : 0.0) - p);
            boost->curvature[i] = w * p * (1.0 - p);
            gradient += boost->gradient[i];
            curvature += boost->curvature[i];
        }
        for (size_t s = 0; s < NS_JUDGE_ALL_STRENGTHS; s++)
            if (used[ns_judge_strength(s)] && ns_rng_below(&rng, 2) == 0)
                try_feature(boost, s, gradient, curvature, &best);
        if (!(best.gain > 0.0))
            continue;
        out->stump[out->stumps++] = best.stump;
        out->stump_bias += best.low;
        for (size_t i = 0; i < boost->n; i++)
            boost->z[i] +=
                best.low + (boost->examples[i].feature[best.stump.feature] > best.stump.above ? best.stump.gain : 0.0);
    }
}
_Static_assert(BOOST_ROUNDS <= NS_JUDGE_STUMPS_MAX, "fit_head: more rounds than stumps fit");

typedef struct descent {
    double mean[NS_JUDGE_FEATURES], deviation[NS_JUDGE_FEATURES];
    double weight[NS_JUDGE_FEATURES], gradient[NS_JUDGE_FEATURES];
    double bias, total;
    size_t feature[NS_JUDGE_FEATURES], features; /* those in use */
} descent;

/* Strengths are brought to mean 0 and deviation 1; phrases stay 0 and 1. */
static void standardise(descent *d, const ns_fit_example *examples, size_t n)
{
    for (size_t f = 0; f < NS_JUDGE_FEATURES; f++) {
        double sum = 0.0, squares = 0.0;
        d->deviation[f] = 1.0;
        for (size_t i = 0; ns_judge_is_strength(f) && i < n; i++) {
            double value = (double)examples[i].feature[f];
            sum += examples[i].weight * value;
            squares += examples[i].weight * value * value;
        }
        if (ns_judge_is_strength(f) && d->total > 0.0) {
            d->mean[f] = sum / d->total;
            d->deviation[f] = sqrt(fmax(0.0, squares / d->total - d->mean[f] * d->mean[f])) + 1e-3;
        }
    }
}

static void choose_features(descent *d, const ns_fit_example *examples, size_t n, const bool *used)
{
    for (size_t f = 0; f < NS_JUDGE_FEATURES; f++) {
        bool any = ns_judge_is_strength(f);
        for (size_t i = 0; !any && i < n; i++)
            any = examples[i].feature[f] != 0.0F;
        if (used[f] && any)
            d->feature[d->features++] = f;
    }
}

static double scaled(const descent *d, const ns_fit_example *one, size_t f)
{
    return ((double)one->feature[f] - d->mean[f]) / d->deviation[f];
}

static void descend_once(descent *d, const ns_fit_example *examples, size_t n)
{
    double bias = 0.0;
    memset(d->gradient, 0, sizeof d->gradient);
    for (size_t i = 0; i < n; i++) {
        double z = d->bias;
        for (size_t k = 0; k < d->features; k++)
            z += d->weight[d->feature[k]] * scaled(d, &examples[i], d->feature[k]);
        double push = examples[i].weight * ((examples[i].failing ? 1.0 : 0.0) - sigmoid(z));
        for (size_t k = 0; k < d->features; k++)
            d->gradient[d->feature[k]] += push * scaled(d, &examples[i], d->feature[k]);
        bias += push;
    }
    for (size_t k = 0; k < d->features; k++) {
        size_t f = d->feature[k];
        double ridge = ns_judge_is_strength(f) ? STRENGTH_RIDGE : RULE_RIDGE;
        d->weight[f] = fmax(0.0, d->weight[f] + DESCENT_RATE * (d->gradient[f] / d->total - ridge * d->weight[f]));
    }
    d->bias += DESCENT_RATE * bias / d->total;
}

static ns_status fit_linear(const ns_fit_example *examples, size_t n, const bool *used, ns_judge_head *out)
{
    descent *d = NS_NEW(descent);
    if (d == NULL)
        return NS_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        d->total += examples[i].weight;
    d->total = fmax(d->total, 1e-9);
    standardise(d, examples, n);
    choose_features(d, examples, n, used);
    for (int round = 0; round < DESCENT_ROUNDS; round++)
        descend_once(d, examples, n);
    out->bias = d->bias;
    for (size_t k = 0; k < d->features; k++) {
        size_t f = d->feature[k];
        out->weight[f] = d->weight[f] / d->deviation[f];
        out->bias -= out->weight[f] * d->mean[f];
    }
    ns_free(d);
    return NS_OK;
}

static ns_status fit_stumps(const ns_fit_example *examples, size_t n, const bool *used, ns_judge_head *out)
{
    boosting boost = {.examples = examples, .n = n};
    boost.order = NS_NEW_ARRAY(size_t, n * NS_JUDGE_ALL_STRENGTHS);
    boost.z = NS_NEW_ARRAY(double, n);
    boost.gradient = NS_NEW_ARRAY(double, n);
    boost.curvature = NS_NEW_ARRAY(double, n);
    bool good = boost.order != NULL && boost.z != NULL && boost.gradient != NULL && boost.curvature != NULL;
    if (good) {
        sort_features(&boost);
        boost_stumps(&boost, used, out);
    }
    ns_free(boost.order);
    ns_free(boost.z);
    ns_free(boost.gradient);
    ns_free(boost.curvature);
    return good ? NS_OK : NS_NO_MEMORY;
}

ns_status ns_fit_head(const ns_fit_example *examples, size_t n, const bool used[NS_JUDGE_FEATURES], ns_judge_head *out,
                      ns_error *err)
{
    double failing = 1.0, calm = 1.0;
    for (size_t i = 0; i < n; i++)
        *(examples[i].failing ? &failing : &calm) += examples[i].weight;
    memset(out, 0, sizeof *out);
    out->mix = MIX;
    out->slope = 1.0;
    out->alarm = 0.5;
    out->stump_bias = log(failing / calm);
    ns_status status = fit_stumps(examples, n, used, out);
    if (status == NS_OK)
        status = fit_linear(examples, n, used, out);
    return status == NS_OK ? NS_OK : ns_fail(err, status, "fitting the judge: no memory for %zu examples", n);
}

void ns_fit_calibration(const ns_fit_score *scores, size_t n, ns_judge_head *head)
{
    double slope = 1.0, offset = 0.0, total = 0.0;
    for (size_t i = 0; i < n; i++)
        total += scores[i].weight;
    for (int round = 0; total > 0.0 && round < CALIBRATION_ROUNDS; round++) {
        double d_slope = 0.0, d_offset = 0.0;
        for (size_t i = 0; i < n; i++) {
            double p = sigmoid(slope * scores[i].z + offset);
            double push = scores[i].weight * ((scores[i].failing ? 1.0 : 0.0) - p);
            d_slope += push * scores[i].z;
            d_offset += push;
        }
        slope = fmax(0.05, slope + 0.1 * d_slope / total);
        offset += 0.5 * d_offset / total;
    }
    head->slope = slope;
    head->offset = offset;
}

static void cause_shares(const ns_judge *judge, const ns_fit_cause *example, double share[NS_CAUSE_COUNT])
{
    double extra[NS_CAUSE_COUNT];
    ns_prediction answer = {.fail_probability = 1.0, .decision = NS_PREDICTED_failure};
    ns_judge_causes(judge, example->tally, example->suspects, extra);
    ns_causes_share(&example->tally->causes, extra, &answer);
    memcpy(share, answer.cause_probability, sizeof answer.cause_probability);
}

void ns_fit_causes(const ns_fit_cause *examples, size_t n, ns_judge *judge)
{
    static _Thread_local float gradient[NS_CAUSE_COUNT][NS_LINE_RULES];
    double total = 0.0;
    memset(judge->cause, 0, sizeof judge->cause);
    judge->encoder_cause = 0.0;
    for (size_t i = 0; i < n; i++)
        total += examples[i].weight;
    for (int round = 0; total > 0.0 && round < CAUSE_ROUNDS; round++) {
        memset(gradient, 0, sizeof gradient);
        for (size_t i = 0; i < n; i++) {
            double share[NS_CAUSE_COUNT];
            cause_shares(judge, &examples[i], share);
            for (size_t c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++) {
                double push = examples[i].weight * ((c == (size_t)examples[i].cause ? 1.0 : 0.0) - share[c]) / total;
                for (size_t word = 0; word < NS_JUDGE_RULE_WORDS; word++)
                    for (uint64_t left = examples[i].tally->rules[word]; left != 0; left &= left - 1)
                        gradient[c][64 * word + (size_t)__builtin_ctzll(left)] += (float)push;
            }
        }
        for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
            for (size_t r = 0; r < NS_LINE_RULES; r++)
                judge->cause[c][r] += (float)CAUSE_RATE * (gradient[c][r] - (float)CAUSE_RIDGE * judge->cause[c][r]);
    }
}

void ns_fit_encoder_cause(const ns_fit_cause *examples, size_t n, ns_judge *judge)
{
    static const double tried[] = {0.0, 0.15, 0.3, 0.5, 0.75, 1.0, 1.5};
    double best = -INFINITY, chosen = 0.0;
    for (size_t k = 0; k < NS_COUNT_OF(tried); k++) {
        double likelihood = 0.0, share[NS_CAUSE_COUNT];
        judge->encoder_cause = tried[k];
        for (size_t i = 0; i < n; i++) {
            cause_shares(judge, &examples[i], share);
            likelihood += examples[i].weight * log(share[examples[i].cause] + 1e-9);
        }
        if (likelihood > best) {
            best = likelihood;
            chosen = tried[k];
        }
    }
    judge->encoder_cause = chosen;
}
