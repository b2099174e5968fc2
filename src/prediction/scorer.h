/*
 * The scorer: the one thread on which a predictor runs. The loop says "this build's log has grown by so much", the
 * scorer answers with a prediction stamped with the time at which it was known.
 *
 * Growth that has not been read yet waits as one entry per build: newer text joins what waits, so a slow predictor
 * skips intermediate answers and never text. Of the waiting builds the one most at risk comes first; ended logs and
 * those that have waited long move up, so that nobody starves. Everything is bounded: text waiting, builds being read,
 * answers not taken.
 *
 * Answers not taken are bounded too: the thread pauses when 64 wait.
 *
 * All functions are called on the loop thread, except `answered`, which the scorer thread calls.
 */
#ifndef NS_PREDICTION_SCORER_H
#define NS_PREDICTION_SCORER_H

#include "base/clock.h"
#include "flow/predictor.h"

typedef struct ns_scorer ns_scorer;

typedef struct ns_scorer_options {
    ns_clock clock;                /* world time, for known_at_ms; a manual clock is read by ns_scorer_take */
    size_t max_pending_bytes;      /* text waiting, all builds together; 0 means 32 MiB */
    size_t max_build_bytes;        /* text waiting of one build; 0 means 4 MiB */
    size_t max_readings;           /* builds being read; the one untouched longest is dropped; 0 means 512 */
    double cpu_share;              /* of one core, 0..1: the thread rests in between; 0 means 1 */
    void (*answered)(void *owner); /* scorer thread: answers wait now. May only wake the loop. NULL: nobody is told */
    void *owner;
} ns_scorer_options;

typedef struct ns_scorer_figures {
    uint64_t scored;      /* answers given */
    uint64_t dropped;     /* growth refused (NS_BUSY) and readings pushed out */
    size_t pending_bytes; /* text waiting now */
    size_t waiting;       /* builds waiting now */
    size_t readings;      /* builds being read */
    double p50_ms;        /* elapsed_ms of all answers, upper edge of the histogram's bucket (4 % wide); NAN none */
    double p99_ms;
} ns_scorer_figures;

/* The predictor is borrowed and belongs to the scorer's thread until ns_scorer_free. NS_NO_MEMORY, NS_IO (no thread).
 */
NS_MUST_USE ns_status ns_scorer_new(const ns_predictor *predictor, const ns_scorer_options *options, ns_scorer **out,
                                    ns_error *err);
/* Stops and joins. Answers not taken are lost. */
void ns_scorer_free(ns_scorer *scorer);

/*
 * More text of a build's log, copied. restarted: what came before is void, the log begins with this text. ended:
 * nothing more will come; the last answer covers the whole log and the reading is given back. risk: 0..1, the larger
 * the sooner; NAN is 0.5.
 * NS_BUSY: a ceiling is hit; nothing was taken, offer it again later. NS_NO_MEMORY. NS_TOO_LARGE: the name, or this
 * text alone, is above its ceiling.
 * Without memory for a reading the answer abstains. Every growth taken is answered once, alone or with what joined it.
 * A build that was pushed out (see max_readings) and grows again is answered from the text that came since.
 */
NS_MUST_USE ns_status ns_scorer_grow(ns_scorer *scorer, const char *jenkins_job, int64_t build, ns_text text,
                                     bool restarted, bool ended, double risk);

/* The next answer, or false. ended: it covers the whole ended log. */
NS_MUST_USE bool ns_scorer_take(ns_scorer *scorer, char jenkins_job[NS_JOB_MAX], int64_t *build, bool *ended,
                                ns_prediction *out);

/* Green logs of this job, for builds whose reading begins later; copied, at most 5 logs and 8 MiB of each (its end is
 * left out). They replace earlier ones; n = 0 forgets them. Kept for at most 512 jobs and 64 MiB: beyond that the job
 * set longest ago loses its. No memory: as if none had been given. */
void ns_scorer_references(ns_scorer *scorer, const char *jenkins_job, const ns_text *logs, size_t n);

/* This build, whose log was read to its end, has succeeded: its lines are references from now on, for builds of its job
 * whose reading begins later (the three newest count). Of a log not read, or ended long ago, nothing is known. */
void ns_scorer_green(ns_scorer *scorer, const char *jenkins_job, int64_t build);

/* This build is of no more interest: waiting text and its reading go; an answer under way may still come. */
void ns_scorer_forget(ns_scorer *scorer, const char *jenkins_job, int64_t build);

void ns_scorer_counts(ns_scorer *scorer, ns_scorer_figures *out);

#endif
