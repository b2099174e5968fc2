#include "prediction/judge_tally.h"

#include <math.h>
#include <string.h>

#define EVIDENCE_FROM 0.5F
#define HEAD_LINES    20 /* a Jenkins console says who it is within these */

static const float line_edge[3] = {0.0F, 1.5F, 3.0F}, phrase_edge[2] = {2.0F, 3.4F};

bool ns_judge_jenkins_line(ns_text text, int64_t number)
{
    static const char *const head[] = {"Started by ",
                                       "Running as SYSTEM",
                                       "Building remotely on ",
                                       "Building in workspace ",
                                       "Building on the ",
                                       "Push event to branch ",
                                       "Branch indexing",
                                       "Branch event",
                                       "Obtained Jenkinsfile ",
                                       "Loading library ",
                                       "Replayed #",
                                       "Rebuilds build #"};
    for (size_t i = 0; number <= HEAD_LINES && i < NS_COUNT_OF(head); i++)
        if (ns_text_starts(text, head[i]))
            return true;
    return false;
}

void ns_judge_tally_init(ns_judge_tally *tally)
{
    memset(tally, 0, sizeof *tally);
    for (size_t i = 0; i < 3; i++)
        tally->line[i] = tally->both[i] = tally->fresh[i] = tally->fresh_both[i] = NS_NO_LINE;
    ns_recent_init(&tally->recent);
}

static void top(float kept[3], float value)
{
    for (size_t i = 0; i < 3; i++) {
        if (value > kept[i]) {
            float pushed = kept[i];
            kept[i] = value;
            value = pushed;
        }
    }
}

static void count(int32_t *over, const float *edge, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        over[i] += value > edge[i] && over[i] < INT32_MAX;
}

/* A damped phrase is a remark: it speaks through its weight, not for itself. */
static void mark_rules(ns_judge_tally *tally, const ns_rule_verdict *said)
{
    if (said->damp < 0.9)
        return;
    for (size_t i = 0; i < said->hits; i++)
        if (ns_keyword_rules[said->hit[i]].kind == NS_RULE_evidence)
            tally->rules[said->hit[i] / 64] |= UINT64_C(1) << (said->hit[i] % 64);
}

ns_recent_line ns_judge_line_says(const ns_judge_line *line, const ns_rule_verdict *said, bool met_before)
{
    if (said->ended)
        return (ns_recent_line){NS_NO_LINE, NS_NO_LINE, NS_NO_LINE};
    float phrase = (float)said->weight, passing = line->score[NS_LINE_passing];
    return met_before
               ? (ns_recent_line){NS_NO_LINE, NS_NO_LINE, passing}
               : (ns_recent_line){line->score[NS_LINE_all] + phrase, line->score[NS_LINE_fresh] + phrase, passing};
}

void ns_judge_tally_pass(ns_judge_tally *tally, ns_text text, const ns_recent_line *says)
{
    ns_recent_add(&tally->recent, says, ns_recent_is_command(text));
}

float ns_judge_tally_add(ns_judge_tally *tally, const ns_judge_line *line, const ns_rule_verdict *said)
{
    tally->scored++;
    ns_cause_tally_add(&tally->causes, said->cause, 1.0, true);
    if (said->ended)
        return NAN;
    float phrase = (float)said->weight, both = line->score[NS_LINE_all] + phrase;
    float fresh_both = line->score[NS_LINE_fresh] + phrase;
    top(tally->line, line->score[NS_LINE_all]);
    top(tally->phrase, phrase);
    top(tally->both, both);
    count(tally->line_over, line_edge, 3, line->score[NS_LINE_all]);
    count(tally->phrase_over, phrase_edge, 2, phrase);
    mark_rules(tally, said);
    if (line->fresh) {
        top(tally->fresh, line->score[NS_LINE_fresh]);
        top(tally->fresh_both, fresh_both);
        count(tally->fresh_over, line_edge, 3, line->score[NS_LINE_fresh]);
    }
    ns_recent_evidence(&tally->recent, both);
    float weight = line->fresh ? fresh_both : both;
    if (weight >= EVIDENCE_FROM)
        ns_evidence_keep(&tally->evidence, line->text, line->number, (double)weight, line->fresh);
    return weight;
}

static float many(int32_t n)
{
    return log2f(1.0F + (float)n);
}

void ns_judge_features(const ns_judge_tally *tally, const ns_suspects *suspects, float out[NS_JUDGE_FEATURES])
{
    for (size_t i = 0; i < 3; i++) {
        out[NS_JUDGE_line_1 + i] = tally->line[i];
        out[NS_JUDGE_both_1 + i] = tally->both[i];
        out[NS_JUDGE_fresh_1 + i] = tally->fresh[i];
        out[NS_JUDGE_line_over_0 + i] = many(tally->line_over[i]);
        out[NS_JUDGE_fresh_over_0 + i] = many(tally->fresh_over[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        out[NS_JUDGE_phrase_1 + i] = tally->phrase[i];
        out[NS_JUDGE_phrase_over_2 + i] = many(tally->phrase_over[i]);
        out[NS_JUDGE_fresh_both_1 + i] = tally->fresh_both[i];
    }
    ns_recent_features(&tally->recent, &out[NS_JUDGE_recent_30], &out[NS_JUDGE_fresh_recent_30]);
    for (size_t i = 0; i < NS_LINE_RULES; i++)
        out[NS_JUDGE_STRENGTHS + i] = (float)(tally->rules[i / 64] >> (i % 64) & 1U);
    if (suspects != NULL)
        ns_suspects_features(suspects, &out[NS_JUDGE_ENCODER]);
    else
        memset(&out[NS_JUDGE_ENCODER], 0, NS_SUSPECT_FEATURES * sizeof out[0]);
}
