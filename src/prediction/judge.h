/*
 * The judge: from what a log's lines add up to (judge_tally.h) to the calibrated probability that the build fails.
 *
 *     z = mix * stumps(f) + (1 - mix) * linear(f)         both rise with every feature
 *     p = 1 / (1 + exp(-(slope * z + offset)))          slope, offset: Platt 1999
 *
 * The stumps are boosted (each adds `gain` where its feature is above `above`, gain >= 0), the linear weights are >= 0.
 * One head for each ns_judge_mode; a second set of them for logs whose most suspicious lines an encoder has read
 * (suspects.h), fitted beside the first on the same logs. Read-only once loaded: any thread.
 */
#ifndef NS_PREDICTION_JUDGE_H
#define NS_PREDICTION_JUDGE_H

#include "prediction/judge_tally.h"

#define NS_JUDGE_STUMPS_MAX 400

typedef struct ns_judge_stump {
    uint16_t feature;
    float above;
    double gain;
} ns_judge_stump;

typedef struct ns_judge_head {
    ns_judge_stump stump[NS_JUDGE_STUMPS_MAX];
    size_t stumps;
    double stump_bias;
    double weight[NS_JUDGE_FEATURES];
    double bias;
    double mix;
    double slope;
    double offset;
    double alarm; /* probability from which a running build is alarmed */
} ns_judge_head;

/* Without references or with, a Jenkins console or any other log: what survives a build differs between them. */
typedef enum ns_judge_mode {
    NS_JUDGE_alone,
    NS_JUDGE_compared,
    NS_JUDGE_jenkins_alone,
    NS_JUDGE_jenkins_compared,
    NS_JUDGE_MODES
} ns_judge_mode;

typedef struct ns_judge {
    ns_judge_head head[NS_JUDGE_MODES];
    float cause[NS_CAUSE_COUNT][NS_LINE_RULES]; /* what each phrase says about the cause, on top of causes.h */
    bool with_encoder;                          /* the fields below are there */
    ns_judge_head encoder_head[NS_JUDGE_MODES];
    double encoder_cause; /* how much the encoder's causes count, 0..4 */
} ns_judge;

double ns_judge_evidence(const ns_judge_head *head, const float feature[NS_JUDGE_FEATURES]); /* z */
double ns_judge_probability(const ns_judge_head *head, double z);

/* ns_judge.cause added up over the phrases met, and what the suspects say; NULL: there is no encoder. */
void ns_judge_causes(const ns_judge *judge, const ns_judge_tally *tally, const ns_suspects *suspects,
                     double extra[NS_CAUSE_COUNT]);

/*
 * The file "judge.json": {"schema":2,"templates":N,"rules":"HEX","heads":{"alone":H,"compared":H,"jenkins_alone":H,
 * "jenkins_compared":H},"cause":[[cause, rule, weight],...],"encoder":{"features":N,"cause":weight,"heads":{the same
 * four}}}, "encoder" only where there is one, H = {"stumps":[[feature, above,
 * gain],...],"stump_bias","linear":[[feature, weight],...],"bias","mix", "slope","offset","alarm"}; features by number,
 * in the order of judge_tally.h; the encoder's, N of them, in its heads alone. Read: NS_IO, NS_BAD_INPUT.
 */
#define NS_JUDGE_FILE "judge.json"
NS_MUST_USE ns_status ns_judge_read(const char *folder, ns_judge *out, ns_error *err);
/* The same from the file's text; path is for messages. On failure *out is not to be used. */
NS_MUST_USE ns_status ns_judge_parse(const char *path, ns_text text, ns_judge *out, ns_error *err);
NS_MUST_USE ns_status ns_judge_write(const char *folder, const ns_judge *judge, ns_error *err);

#endif
