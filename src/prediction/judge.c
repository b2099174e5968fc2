#include "prediction/judge.h"

#include <math.h>
#include <string.h>

double ns_judge_evidence(const ns_judge_head *head, const float feature[NS_JUDGE_FEATURES])
{
    double stumps = head->stump_bias, linear = head->bias;
    for (size_t i = 0; i < head->stumps; i++)
        if (feature[head->stump[i].feature] > head->stump[i].above)
            stumps += head->stump[i].gain;
    for (size_t i = 0; i < NS_JUDGE_FEATURES; i++)
        linear += head->weight[i] * (double)feature[i];
    return head->mix * stumps + (1.0 - head->mix) * linear;
}

double ns_judge_probability(const ns_judge_head *head, double z)
{
    return 1.0 / (1.0 + exp(-(head->slope * z + head->offset)));
}

void ns_judge_causes(const ns_judge *judge, const ns_judge_tally *tally, const ns_suspects *suspects,
                     double extra[NS_CAUSE_COUNT])
{
    double told[NS_CAUSE_COUNT] = {0};
    if (suspects != NULL && judge->encoder_cause > 0.0)
        ns_suspects_causes(suspects, told);
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++) {
        extra[c] = judge->encoder_cause * told[c];
        for (size_t word = 0; word < NS_JUDGE_RULE_WORDS; word++)
            for (uint64_t left = tally->rules[word]; left != 0; left &= left - 1)
                extra[c] += (double)judge->cause[c][64 * word + (size_t)__builtin_ctzll(left)];
    }
}
