/*
 * Looks for giveaways in a corpus: things that tell a log's outcome without having to understand its text, and that a
 * live system would not have. If one of them alone separates failing logs from successful ones, every figure measured
 * on the corpus is worth nothing.
 *
 * Looked at: sizes (bytes, lines, visible lines, bytes a line), the CI, the tool, each single template (a line that
 * repeats the status) and the words of the last visible line. Categories and words are judged on logs they were not
 * counted on.
 */
#ifndef NS_LAB_LEAKCHECK_H
#define NS_LAB_LEAKCHECK_H

#include "lab/line_table.h"

/* Above these the corpus gives itself away. Single legitimate lines and sizes of the public corpora stay below. */
#define NS_LEAK_STUMP_AUC     0.80
#define NS_LEAK_LAST_LINE_AUC 0.95

#define NS_LEAK_PROBLEMS 16

typedef struct ns_leakcheck {
    bool passed;
    char best_stump[64]; /* name of the feature that tells most */
    double best_stump_auc;
    double last_line_auc; /* NAN: too few logs to say */
    char problem[NS_LEAK_PROBLEMS][192];
    size_t problems;
} ns_leakcheck;

NS_MUST_USE ns_status ns_leakcheck_of(const ns_line_table *table, ns_leakcheck *out, ns_error *err);

#endif
