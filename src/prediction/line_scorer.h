/*
 * The line scorer: how much one log line speaks for a failing build, by a linear model over what the line is made of.
 *
 * Features of a line, hashed into NS_LINE_BUCKETS: character 2- to 6-grams of its template, its words with one and two
 * neighbours, and the phrases of keyword_rules.h it holds (explicit markers; counters keep zero and non-zero apart
 * because the template does). Heads share the features: `all` for lines of a log without references, `fresh` for lines
 * that no earlier green log has, `passing` for what is printed where things went well; each for Jenkins consoles and
 * for any other log: what green builds print differs. Weights are bytes and are added up as whole numbers, so that a
 * score does not depend on the order of additions or the machine.
 */
#ifndef NS_PREDICTION_LINE_SCORER_H
#define NS_PREDICTION_LINE_SCORER_H

#include "base/text.h"

#define NS_LINE_BUCKETS      ((uint32_t)1 << 18)
#define NS_LINE_RULES        ((uint32_t)384) /* buckets below this are the rules' own */
#define NS_LINE_FORM_MAX     200             /* bytes of a template that are looked at */
#define NS_LINE_WORDS_MAX    180             /* word features of one line */
#define NS_LINE_FEATURES_MAX 1280

typedef enum ns_line_head {
    NS_LINE_all,
    NS_LINE_fresh,
    NS_LINE_passing,
    NS_LINE_jenkins_all,
    NS_LINE_jenkins_fresh,
    NS_LINE_jenkins_passing,
    NS_LINE_HEADS
} ns_line_head;
#define NS_LINE_TRIO 3 /* `all`, `fresh` and `passing` of one kind of log */
typedef enum ns_line_group { NS_LINE_grams, NS_LINE_words, NS_LINE_rules, NS_LINE_GROUPS } ns_line_group;

typedef struct ns_line_features {
    uint32_t count[NS_LINE_GROUPS];
    float value[NS_LINE_GROUPS];       /* of each feature of the group: the more there are the less one says */
    uint32_t id[NS_LINE_FEATURES_MAX]; /* bucket numbers, group behind group; one that occurs twice stands twice */
} ns_line_features;

/* form: a template; hit: places of the rules it holds. Pure. */
void ns_line_features_of(ns_text form, const uint16_t *hit, size_t hits, ns_line_features *out);

typedef struct ns_line_scorer {
    float bias[NS_LINE_HEADS];
    float scale[NS_LINE_HEADS]; /* a weight is scale * its byte */
    int8_t *weight;             /* (NS_LINE_BUCKETS, NS_LINE_HEADS), owned */
} ns_line_scorer;

/* All weights 0. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_line_scorer_init(ns_line_scorer *scorer, ns_error *err);
void ns_line_scorer_clear(ns_line_scorer *scorer);

/* Log-odds per head that the line is evidence: of failing, or, by the heads `passing`, of going well. */
void ns_line_score(const ns_line_scorer *scorer, const ns_line_features *line, float out[NS_LINE_HEADS]);

/* Rounds learnt weights (NS_LINE_BUCKETS) of one head to bytes; the few largest are cut. */
void ns_line_scorer_set(ns_line_scorer *scorer, ns_line_head head, const float *weight, float bias);

/*
 * The file "lines.bin": 8 bytes "NSLINES1", then little-endian uint32 buckets, heads, template version, 0; uint64
 * version of the rules, uint64 FNV-1a hash of all that follows; floats bias (heads), scale (heads); the weights. Read:
 * NS_IO, NS_BAD_INPUT (damaged, or learnt for another version: the message says which).
 */
#define NS_LINE_FILE "lines.bin"
NS_MUST_USE ns_status ns_line_scorer_read(const char *folder, ns_line_scorer *out, ns_error *err);
/* The same from the file's bytes; path is for messages. On failure *out is as it was. */
NS_MUST_USE ns_status ns_line_scorer_parse(const char *path, ns_text file, ns_line_scorer *out, ns_error *err);
NS_MUST_USE ns_status ns_line_scorer_write(const char *folder, const ns_line_scorer *scorer, ns_error *err);

#endif
