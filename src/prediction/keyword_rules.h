/*
 * The phrases the keyword predictor knows: one table.
 */
#ifndef NS_PREDICTION_KEYWORD_RULES_H
#define NS_PREDICTION_KEYWORD_RULES_H

#include "flow/cause.h"

/*
 * evidence: says that something went wrong, `weight` log-odds' worth.  damper: the line is only a remark; its evidence
 * is multiplied by `weight`.  verdict: repeats how the build or step ended; the line is not looked at any further.
 * hint: tells the cause without telling that the build fails; `weight` goes to the cause alone, verdicts included.
 */
typedef enum ns_rule_kind { NS_RULE_evidence, NS_RULE_damper, NS_RULE_verdict, NS_RULE_hint } ns_rule_kind;

typedef struct ns_keyword_rule {
    ns_rule_kind kind;
    const char *literal; /* small letters; must occur (in any case) before the pattern is tried */
    const char *pattern; /* PCRE2, searched in the line behind its time stamps; "" the literal alone is enough */
    double weight;
    ns_cause cause; /* NS_CAUSE_none: says nothing about it */
} ns_keyword_rule;

extern const ns_keyword_rule ns_keyword_rules[];
extern const size_t ns_keyword_rule_count;

#endif
