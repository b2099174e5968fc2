/*
 * The few lines of a log that a reader of windows (window_reader.h) is asked about: the strongest distinct ones by line
 * scorer and phrases, each with the distinct lines met just before it.
 *
 * A window holds nothing that comes behind its line, so each is read once: a log that grows costs its new suspects
 * only. Which lines are suspects, and what is said of them, depends on the lines met so far alone. Plain data of some
 * 7 KiB; may be copied, so that a line not ended yet can be tried on.
 */
#ifndef NS_PREDICTION_SUSPECTS_H
#define NS_PREDICTION_SUSPECTS_H

#include "prediction/template.h"
#include "prediction/window_reader.h"

#define NS_SUSPECTS 16

/*
 * Features by name. encoder: the reader's log-odds; joint: that plus the line's strength without it; _1 _2 _3: the
 * strongest suspect, second, third; _over_N: log2(1 + suspects above N).
 */
#define NS_SUSPECT_FEATURE_MAP(X)                                                                                      \
    X(encoder_1) X(encoder_2) X(encoder_3) X(encoder_over_0) X(encoder_over_2) X(joint_1) X(joint_2) X(joint_3)

typedef enum ns_suspect_feature {
#define NS_SUSPECT_FEATURE_ENUM(name) NS_SUSPECT_##name,
    NS_SUSPECT_FEATURE_MAP(NS_SUSPECT_FEATURE_ENUM)
#undef NS_SUSPECT_FEATURE_ENUM
        NS_SUSPECT_FEATURES
} ns_suspect_feature;

typedef struct ns_suspect {
    float strength; /* without the reader */
    bool answered;
    ns_window_answer answer;
    ns_window_ids window;
} ns_suspect;

typedef struct ns_suspects {
    ns_suspect at[NS_SUSPECTS]; /* strongest first; of equals the earlier line */
    size_t count;
    char form[NS_WINDOW_BEFORE][NS_TEMPLATE_MAX]; /* of the last distinct lines, a ring */
    size_t length[NS_WINDOW_BEFORE];
    size_t met; /* distinct lines so far */
} ns_suspects;

void ns_suspects_init(ns_suspects *suspects);

/* A distinct line as it enters. strength: what line scorer and phrases say of it; NAN: it is a neighbour to others, no
 * suspect itself. */
void ns_suspects_add(ns_suspects *suspects, const ns_window_reader *reader, ns_text form, float strength);

/* Asks the reader about those it was not asked about, all at once. */
void ns_suspects_ask(ns_suspects *suspects, const ns_window_reader *reader);

/* Of suspects that have been asked about. */
void ns_suspects_features(const ns_suspects *suspects, float out[NS_SUSPECT_FEATURES]);
/* Log-odds of each cause over an even share, by the suspects the reader finds most telling; all 0 without any. */
void ns_suspects_causes(const ns_suspects *suspects, double out[NS_CAUSE_COUNT]);

#endif
