/*
 * The trained predictor: line scorer and judge behind the door of flow/predictor.h.
 *
 * Each distinct line (by its template) of a log is scored once, when it is first met; with references only lines that
 * none of them has. Bounded memory: NS_JUDGE_TEMPLATES_MAX distinct lines are looked at, the rest only counted.
 */
#ifndef NS_PREDICTION_JUDGE_PREDICTOR_H
#define NS_PREDICTION_JUDGE_PREDICTOR_H

#include "flow/predictor.h"
#include "prediction/judge.h"

#define NS_JUDGE_TEMPLATES_MAX 131072

/* From a model folder (lines.bin, judge.json). NS_IO, NS_BAD_INPUT, NS_NO_MEMORY. Free with out->free(out->self). */
NS_MUST_USE ns_status ns_judge_predictor_open(const char *folder, ns_predictor *out, ns_error *err);

/* From parts in memory, which are borrowed. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_judge_predictor_new(const ns_line_scorer *lines, const ns_judge *judge, ns_predictor *out,
                                             ns_error *err);

#endif
