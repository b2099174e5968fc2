/*
 * What the lines of a log add up to before it is judged: the strongest lines, how many strong ones, which phrases were
 * met, causes and evidence.
 *
 * Nothing in it knows how long the log is or how far it has come: a feature like that would tell where a log was cut,
 * not how it ends. Plain data of some 8 KiB; may be copied, so that a line not ended yet can be tried on.
 */
#ifndef NS_PREDICTION_JUDGE_TALLY_H
#define NS_PREDICTION_JUDGE_TALLY_H

#include "prediction/causes.h"
#include "prediction/evidence.h"
#include "prediction/judge_recent.h"
#include "prediction/line_scorer.h"
#include "prediction/rule_match.h"
#include "prediction/suspects.h"

/*
 * Features by name. line: log-odds by the line scorer's head `all`; phrase: weight of the strongest phrase of
 * keyword_rules.h; both: their sum; fresh: log-odds by the head `fresh` (with references only); _1 _2 _3: strongest
 * line, second, third; _over_N: log2(1 + lines above N). With references only lines new against them are counted.
 * Between the two groups what judge_recent.h knows of the last lines.
 */
/* clang-format off */
#define NS_JUDGE_FEATURE_MAP(X)                                                                                        \
    X(line_1) X(line_2) X(line_3) X(line_over_0) X(line_over_1) X(line_over_3)                                         \
    X(phrase_1) X(phrase_2) X(phrase_over_2) X(phrase_over_3)                                                          \
    X(both_1) X(both_2) X(both_3)                                                                                      \
    NS_RECENT_FEATURE_MAP(X)                                                                                           \
    X(fresh_1) X(fresh_2) X(fresh_3) X(fresh_over_0) X(fresh_over_1) X(fresh_over_3) X(fresh_both_1) X(fresh_both_2)   \
    NS_RECENT_FRESH_FEATURE_MAP(X)
/* clang-format on */

typedef enum ns_judge_feature {
#define NS_JUDGE_FEATURE_ENUM(name) NS_JUDGE_##name,
    NS_JUDGE_FEATURE_MAP(NS_JUDGE_FEATURE_ENUM)
#undef NS_JUDGE_FEATURE_ENUM
        NS_JUDGE_STRENGTHS /* the features above; behind them one per rule: 1 when a line holds the phrase undamped */
} ns_judge_feature;

#define NS_JUDGE_RULE_WORDS (NS_LINE_RULES / 64)
/* Behind the rules those of an encoder (suspects.h), so that a judge fitted without one keeps its numbers. */
#define NS_JUDGE_ENCODER    (NS_JUDGE_STRENGTHS + NS_LINE_RULES)
#define NS_JUDGE_FEATURES   (NS_JUDGE_ENCODER + NS_SUSPECT_FEATURES)

/* A strength, and no phrase that is there or not. */
static inline bool ns_judge_is_strength(size_t feature)
{
    return feature < NS_JUDGE_STRENGTHS || feature >= NS_JUDGE_ENCODER;
}

/* Strengths by number: lines' and phrases' first, then the encoder's. */
#define NS_JUDGE_ALL_STRENGTHS ((size_t)NS_JUDGE_STRENGTHS + NS_SUSPECT_FEATURES)
static inline size_t ns_judge_strength(size_t i)
{
    return i < NS_JUDGE_STRENGTHS ? i : i - NS_JUDGE_STRENGTHS + NS_JUDGE_ENCODER;
}

typedef struct ns_judge_tally {
    float line[3], phrase[3], both[3], fresh[3], fresh_both[3]; /* strongest first */
    int32_t line_over[3], phrase_over[2], fresh_over[3];
    uint64_t rules[NS_JUDGE_RULE_WORDS];
    int64_t scored; /* distinct lines looked at */
    ns_recent recent;
    ns_cause_tally causes;
    ns_evidence_list evidence;
} ns_judge_tally;

/* One distinct line, as it enters. */
typedef struct ns_judge_line {
    ns_text text;
    int64_t number;
    float score[NS_LINE_TRIO]; /* by the heads for this kind of log */
    bool fresh;                /* there are references, and none has it */
} ns_judge_line;

/* Does this line (its text, its 1-based number) show that the log is a Jenkins console? Only its first lines can. */
bool ns_judge_jenkins_line(ns_text text, int64_t number);

void ns_judge_tally_init(ns_judge_tally *tally);
/* What one line says, whenever it is met. met_before: a reference has it, so only `passing` counts. */
ns_recent_line ns_judge_line_says(const ns_judge_line *line, const ns_rule_verdict *said, bool met_before);

/* A line that neither this log nor a reference had before. Returns how strongly it speaks for failing; NAN: it is none
 * of those that are weighed. */
float ns_judge_tally_add(ns_judge_tally *tally, const ns_judge_line *line, const ns_rule_verdict *said);
/* Any readable line, after ns_judge_tally_add where that is called for it. */
void ns_judge_tally_pass(ns_judge_tally *tally, ns_text text, const ns_recent_line *says);

/* suspects: asked about; NULL: there is no encoder, its features are 0. */
void ns_judge_features(const ns_judge_tally *tally, const ns_suspects *suspects, float out[NS_JUDGE_FEATURES]);

#endif
