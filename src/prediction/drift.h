/*
 * Does the predictor still do here what its card promises? Watched over the builds that ended last; where it does not,
 * its predictions are advice: they start nothing by themselves (orchestration/guardrails.h).
 *
 * Alarms have a bound to begin and a lower one to end, so that one build does not toggle them. Pure data and
 * arithmetic; the owner serialises.
 */
#ifndef NS_PREDICTION_DRIFT_H
#define NS_PREDICTION_DRIFT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_DRIFT_WINDOW     100  /* builds, over all jobs */
#define NS_DRIFT_JOB_WINDOW 20   /* green builds of one job */
#define NS_DRIFT_JOB_LEAST  10   /* with fewer nothing is said of a job */
#define NS_DRIFT_PROMISED   0.10 /* of green builds are ever alarmed, at most: the card, CONTRACT's alarm threshold */

/*
 * name, begins above, ends at or below, builds that it needs, what it measures.
 *
 * unknown_words: mean share over all builds; needs a model that tells its words (known_words.h). new_templates: mean
 * over green builds that had earlier ones to compare with, of the share of lines that none of these has. calibration:
 * expected calibration error in five bins, of probabilities moved by the log-odds of how often builds fail here (models
 * learn from halves of failing logs). alarm_rate: begins when the lower end of its 98 % interval (Wilson 1927) is above
 * what is promised.
 */
#define NS_DRIFT_MAP(X)                                                                                                \
    X(unknown_words, 0.45, 0.35, 20, "words that the model never learnt from")                                         \
    X(new_templates, 0.25, 0.15, 30, "lines of green builds that earlier green builds of the job do not have")         \
    X(calibration, 0.20, 0.12, 60, "distance between what it says and how often builds then fail")                     \
    X(alarm_rate, NS_DRIFT_PROMISED, NS_DRIFT_PROMISED, 20, "green builds that were ever alarmed")

typedef enum ns_drift_signal {
#define NS_DRIFT_ENUM(name, begins, ends, least, meaning) NS_DRIFT_##name,
    NS_DRIFT_MAP(NS_DRIFT_ENUM)
#undef NS_DRIFT_ENUM
        NS_DRIFT_SIGNALS
} ns_drift_signal;

typedef struct ns_drift_facts {
    const char *name;
    double begins, ends;
    size_t least;
    const char *meaning;
} ns_drift_facts;
const ns_drift_facts *ns_drift_facts_of(ns_drift_signal signal); /* static */

/* A build that has ended, whose log was read to its end. */
typedef struct ns_drift_build {
    bool failed;
    bool alarmed;         /* ever while it ran */
    double probability;   /* of failure, at the log's end */
    double new_share;     /* 0..1; NAN: nothing to compare with */
    double unknown_share; /* of its words; NAN: not known */
} ns_drift_build;

typedef struct ns_drift {
    ns_drift_build build[NS_DRIFT_WINDOW]; /* a ring */
    uint64_t count;
    bool on[NS_DRIFT_SIGNALS];
    int64_t since_ms[NS_DRIFT_SIGNALS]; /* when it last changed; 0 never */
} ns_drift;

/* Zero-initialised: nothing seen. True: an alarm began or ended. */
bool ns_drift_note(ns_drift *drift, const ns_drift_build *build, int64_t now_ms);
/* NAN with too few builds; *builds (NULL allowed): how many it rests on. */
double ns_drift_value(const ns_drift *drift, ns_drift_signal signal, size_t *builds);
/* The first alarm that is on; NULL none. Static. */
const char *ns_drift_why(const ns_drift *drift);

/* The alarm rate of one job. */
typedef struct ns_drift_job {
    bool alarmed[NS_DRIFT_JOB_WINDOW]; /* of its green builds; a ring */
    uint64_t count;
    bool on;
} ns_drift_job;

bool ns_drift_job_note(ns_drift_job *job, const ns_drift_build *build); /* true: on has changed */
double ns_drift_job_rate(const ns_drift_job *job);                      /* NAN with too few builds */

#endif
