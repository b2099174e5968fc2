/*
 * Which phrases of keyword_rules.h a line holds, and what they say together.
 *
 * The table compiled once; one thread at a time, since matching needs scratch memory. A pattern that thinks too long
 * about a line does not match it.
 */
#ifndef NS_PREDICTION_RULE_MATCH_H
#define NS_PREDICTION_RULE_MATCH_H

#include "base/text.h"
#include "prediction/keyword_rules.h"

typedef struct ns_rules ns_rules;

#define NS_RULE_HITS_MAX 48 /* rules of one line that are listed; the first in the table's order */

typedef struct ns_rule_verdict {
    double weight;                /* of the strongest evidence, damped; 0: none, or the line repeats the verdict */
    double cause[NS_CAUSE_COUNT]; /* of evidence, damped, and of hints, which nothing damps */
    bool any;                     /* evidence or hint */
    bool ended;                   /* only repeats how the build or step ended */
    double damp;                  /* 1: nothing damps it */
    size_t hits;
    uint16_t hit[NS_RULE_HITS_MAX]; /* places in ns_keyword_rules, rising */
} ns_rule_verdict;

/* NULL: no memory. */
NS_MUST_USE ns_rules *ns_rules_new(void);
void ns_rules_free(ns_rules *rules); /* NULL allowed */

void ns_rules_look(const ns_rules *rules, ns_text line, ns_rule_verdict *out);

/* Hash of the whole table: weights learnt for one table mean nothing for another. */
uint64_t ns_rules_version(void);

#endif
