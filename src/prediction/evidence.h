/* The few lines that weigh most, kept while a log is read. Plain data; may be copied. */
#ifndef NS_PREDICTION_EVIDENCE_H
#define NS_PREDICTION_EVIDENCE_H

#include "base/text.h"
#include "flow/prediction.h"

typedef struct ns_evidence_list {
    ns_evidence at[NS_EVIDENCE_MAX]; /* weightiest first */
    size_t count;
} ns_evidence_list;

/* Of lines of equal weight the earlier one stands first, so the list does not depend on what comes after. The text is
 * cut at a character; what is not UTF-8 becomes '?'. */
void ns_evidence_keep(ns_evidence_list *list, ns_text line, int64_t number, double weight, bool is_new);

#endif
