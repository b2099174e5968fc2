#include "prediction/drift.h"

#include <math.h>

enum { BINS = 5, EACH_LEAST = 5 };
#define Z 2.33 /* of a one-sided 99 % bound */

static const ns_drift_facts facts[NS_DRIFT_SIGNALS] = {
#define DRIFT_FACTS(name, begins, ends, least, meaning) {#name, begins, ends, least, meaning},
    NS_DRIFT_MAP(DRIFT_FACTS)
#undef DRIFT_FACTS
};

const ns_drift_facts *ns_drift_facts_of(ns_drift_signal signal)
{
    NS_CHECK((unsigned)signal < NS_DRIFT_SIGNALS);
    return &facts[signal];
}

static size_t kept(const ns_drift *drift)
{
    return drift->count < NS_DRIFT_WINDOW ? (size_t)drift->count : NS_DRIFT_WINDOW;
}

/* Wilson 1927: lower end of the interval of a share of n. */
static double lower_end(double share, double n)
{
    double z2 = Z * Z;
    return (share + z2 / (2.0 * n) - Z * sqrt(share * (1.0 - share) / n + z2 / (4.0 * n * n))) / (1.0 + z2 / n);
}

static double new_templates(const ns_drift *drift, size_t *n)
{
    double sum = 0.0;
    for (size_t i = 0; i < kept(drift); i++) {
        const ns_drift_build *build = &drift->build[i];
        if (build->failed || isnan(build->new_share))
            continue;
        sum += build->new_share;
        (*n)++;
    }
    return sum / (double)*n;
}

static double unknown_words(const ns_drift *drift, size_t *n)
{
    double sum = 0.0;
    for (size_t i = 0; i < kept(drift); i++) {
        if (isnan(drift->build[i].unknown_share))
            continue;
        sum += drift->build[i].unknown_share;
        (*n)++;
    }
    return sum / (double)*n;
}

static double alarm_rate(const ns_drift *drift, size_t *n)
{
    size_t alarmed = 0;
    for (size_t i = 0; i < kept(drift); i++) {
        *n += !drift->build[i].failed;
        alarmed += !drift->build[i].failed && drift->build[i].alarmed;
    }
    return (double)alarmed / (double)*n;
}

static double moved(double p, double log_odds)
{
    p = fmin(fmax(p, 1e-6), 1.0 - 1e-6);
    return 1.0 / (1.0 + exp(-(log(p / (1.0 - p)) + log_odds)));
}

static double calibration(const ns_drift *drift, size_t *n)
{
    struct {
        double said, happened;
    } bin[BINS] = {{0.0, 0.0}};
    size_t failed = 0;
    *n = kept(drift);
    for (size_t i = 0; i < *n; i++)
        failed += drift->build[i].failed;
    if (failed < EACH_LEAST || *n - failed < EACH_LEAST)
        return (double)NAN;
    double share = (double)failed / (double)*n, log_odds = log(share / (1.0 - share)), error = 0.0;
    for (size_t i = 0; i < *n; i++) {
        double p = moved(drift->build[i].probability, log_odds);
        size_t b = (size_t)fmin(BINS - 1, p * BINS);
        bin[b].said += p;
        bin[b].happened += drift->build[i].failed;
    }
    for (size_t b = 0; b < BINS; b++)
        error += fabs(bin[b].said - bin[b].happened);
    return error / (double)*n;
}

double ns_drift_value(const ns_drift *drift, ns_drift_signal signal, size_t *builds)
{
    static double (*const measure[NS_DRIFT_SIGNALS])(const ns_drift *, size_t *) = {
        [NS_DRIFT_unknown_words] = unknown_words,
        [NS_DRIFT_new_templates] = new_templates,
        [NS_DRIFT_calibration] = calibration,
        [NS_DRIFT_alarm_rate] = alarm_rate,
    };
    size_t n = 0;
    double value = measure[signal](drift, &n);
    if (builds != NULL)
        *builds = n;
    return n < facts[signal].least ? (double)NAN : value;
}

static bool begins(ns_drift_signal signal, double value, size_t n)
{
    return (signal == NS_DRIFT_alarm_rate ? lower_end(value, (double)n) : value) > facts[signal].begins;
}

bool ns_drift_note(ns_drift *drift, const ns_drift_build *build, int64_t now_ms)
{
    bool changed = false;
    drift->build[drift->count++ % NS_DRIFT_WINDOW] = *build;
    for (unsigned s = 0; s < NS_DRIFT_SIGNALS; s++) {
        size_t n;
        double value = ns_drift_value(drift, (ns_drift_signal)s, &n);
        if (isnan(value)) /* as it was: too little is known to say that it is over */
            continue;
        bool on = drift->on[s] ? value > facts[s].ends : begins((ns_drift_signal)s, value, n);
        if (on == drift->on[s])
            continue;
        drift->on[s] = on;
        drift->since_ms[s] = now_ms;
        changed = true;
    }
    return changed;
}

const char *ns_drift_why(const ns_drift *drift)
{
    for (unsigned s = 0; s < NS_DRIFT_SIGNALS; s++)
        if (drift->on[s])
            return facts[s].name;
    return NULL;
}

static double job_rate(const ns_drift_job *job, size_t *n)
{
    size_t alarmed = 0;
    *n = job->count < NS_DRIFT_JOB_WINDOW ? (size_t)job->count : NS_DRIFT_JOB_WINDOW;
    for (size_t i = 0; i < *n; i++)
        alarmed += job->alarmed[i];
    return *n < NS_DRIFT_JOB_LEAST ? (double)NAN : (double)alarmed / (double)*n;
}

double ns_drift_job_rate(const ns_drift_job *job)
{
    size_t n;
    return job_rate(job, &n);
}

bool ns_drift_job_note(ns_drift_job *job, const ns_drift_build *build)
{
    size_t n;
    if (build->failed)
        return false;
    job->alarmed[job->count++ % NS_DRIFT_JOB_WINDOW] = build->alarmed;
    double rate = job_rate(job, &n);
    bool before = job->on;
    if (!isnan(rate))
        job->on = before ? rate > NS_DRIFT_PROMISED : lower_end(rate, (double)n) > NS_DRIFT_PROMISED;
    return job->on != before;
}
