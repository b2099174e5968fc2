/*
 * Trains the line scorer on weak labels: logistic regression by AdaGrad (Duchi et al. 2011) over distinct templates.
 *
 * Head `all`: a template of a failing log that no green log of its project has is positive, templates of green logs are
 * negative. Head `fresh`: the same among lines that the log's references do not have. Head `passing`, the other way
 * round: a template of a green log that no failing log of its project has is positive, templates of failing logs are
 * negative. A log's lines weigh 1 / sqrt(lines) each and 1 / sqrt(logs of the project), so that neither long logs nor
 * large projects rule. Jenkins consoles and other logs each teach heads of their own where there are enough of both;
 * else all logs teach one trio. Deterministic for a seed.
 */
#ifndef NS_LAB_TRAIN_LINES_H
#define NS_LAB_TRAIN_LINES_H

#include "lab/line_table.h"
#include "prediction/line_scorer.h"

/* use: (logs of the table) which are learnt from. *out has been initialised. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_train_lines(const ns_line_table *table, const bool *use, uint64_t seed, ns_line_scorer *out,
                                     ns_error *err);

/* Scores of all forms: out (forms, NS_LINE_HEADS). */
void ns_score_forms(const ns_line_table *table, const ns_line_scorer *scorer, float *out);

#endif
