/*
 * The trained predictor: line scorer and judge behind the door of flow/predictor.h.
 *
 * Each distinct line (by its template) of a log is scored once, when it is first met, and remembered: repeated, it
 * still is one of the last lines. With references only lines that none of them has speak for failing. Where the judge
 * was fitted with an encoder, the most suspicious of them are read by it, each with the distinct lines before it, and
 * its heads for that judge. Bounded memory: NS_JUDGE_TEMPLATES_MAX distinct lines are looked at, the rest only counted.
 */
#ifndef NS_PREDICTION_JUDGE_PREDICTOR_H
#define NS_PREDICTION_JUDGE_PREDICTOR_H

#include "flow/predictor.h"
#include "prediction/judge.h"
#include "prediction/window_reader.h"

#define NS_JUDGE_TEMPLATES_MAX 131072
#define NS_JUDGE_WITH_ENCODER  "judge+encoder" /* the predictor's name where an encoder reads too; else "judge" */

typedef struct ns_judge_predictor_options {
    const char *code_path; /* of the encoder: a name, or NULL for the quickest there is; not looked at without one */
    bool without_encoder;  /* leave it out where there is one: the judge's other heads answer */
} ns_judge_predictor_options;

/* From a model folder: lines.bin, judge.json, and the encoder's files where the judge was fitted with one. NS_BAD_USAGE
 * (this machine cannot run the path), NS_IO, NS_BAD_INPUT, NS_CORRUPT, NS_TOO_LARGE, NS_NO_MEMORY. Free with
 * out->free(out->self). */
NS_MUST_USE ns_status ns_judge_predictor_open(const char *folder, const ns_judge_predictor_options *options,
                                              ns_predictor *out, ns_error *err);

/* From parts in memory, which are borrowed. reader: the encoder's; NULL: none, and the judge's heads without one
 * answer. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_judge_predictor_new(const ns_line_scorer *lines, const ns_judge *judge,
                                             const ns_window_reader *reader, ns_predictor *out, ns_error *err);

#endif
