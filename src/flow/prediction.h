/*
 * What a predictor says about one build at one point of its log.
 */
#ifndef NS_FLOW_PREDICTION_H
#define NS_FLOW_PREDICTION_H

#include "flow/cause.h"
#include "flow/names.h"

#define NS_EVIDENCE_MAX      10
#define NS_EVIDENCE_TEXT_MAX 240
#define NS_EMBEDDING         16

#define NS_PREDICTED_MAP(X) X(success) X(failure) X(abstain)

typedef enum ns_predicted {
#define NS_PREDICTED_ENUM(name) NS_PREDICTED_##name,
    NS_PREDICTED_MAP(NS_PREDICTED_ENUM)
#undef NS_PREDICTED_ENUM
} ns_predicted;

#define NS_CODE_PATH_MAP(X)                                                                                            \
    X(amx_int8) X(amx_bf16) X(avx512_int8) X(avx512_fp32) X(avx2_fp32) X(portable_fp32) X(keyword)

typedef enum ns_code_path {
#define NS_CODE_PATH_ENUM(name) NS_PATH_##name,
    NS_CODE_PATH_MAP(NS_CODE_PATH_ENUM)
#undef NS_CODE_PATH_ENUM
} ns_code_path;

/* One line that moved the probability. */
typedef struct ns_evidence {
    int64_t line;                    /* 1-based in the log */
    double weight;                   /* how much it moved the score; larger is more */
    bool is_new;                     /* no earlier green log of this job has its template */
    char text[NS_EVIDENCE_TEXT_MAX]; /* redacted, cut at a character, UTF-8 */
} ns_evidence;

typedef struct ns_prediction {
    double fail_probability; /* calibrated, 0..1 */
    ns_predicted decision;
    double threshold;                         /* of the alarm */
    ns_cause cause;                           /* most likely one; NS_CAUSE_none when it does not predict failure */
    double cause_probability[NS_CAUSE_COUNT]; /* sums to 1 */
    float embedding[NS_EMBEDDING];            /* 0 where has_embedding is false */
    bool has_embedding;
    int64_t words;         /* met so far that were looked up among those the model learnt from; 0 where it tells none */
    int64_t unknown_words; /* of these, not among them */
    int64_t lines;         /* read so far */
    int64_t windows;       /* scored so far */
    int32_t references;
    ns_evidence evidence[NS_EVIDENCE_MAX]; /* weightiest first */
    size_t evidence_count;
    ns_code_path code_path;
    bool fallback;       /* the keyword rule answered for a model that is absent or bad */
    int64_t log_bytes;   /* bytes of text it rests on */
    int64_t known_at_ms; /* world time at which the answer existed; nothing decided earlier may use it */
    double elapsed_ms;   /* real time spent */
} ns_prediction;

const char *ns_predicted_name(ns_predicted decision);
const char *ns_code_path_name(ns_code_path path);
NS_MUST_USE bool ns_code_path_parse(ns_text name, ns_code_path *out);

#endif
