/*
 * The patterns of telemetry/redact: one table, private to this room.
 *
 * Capture group 1 (or the whole match when it has none) is the secret. Patterns are bytes, caseless unless they say
 * (?-i), and never look at more than one line.
 *
 * `anchors`: four-byte marks, blank-separated. A rule is run only on lines that hold one of its marks, so every text
 * a pattern can match must hold one. In a mark a letter stands for both its cases, `?` for any byte, `#` for a hex
 * digit, `^` for one of `-_. `; all else for itself.
 */
#ifndef NS_TELEMETRY_REDACT_RULES_H
#define NS_TELEMETRY_REDACT_RULES_H

#include <stddef.h>

typedef struct ns_redact_rule {
    const char *name;
    const char *anchors;
    const char *pattern;
} ns_redact_rule;

extern const ns_redact_rule ns_redact_rules[];
extern const size_t ns_redact_rule_count;

#endif
