/*
 * A finished log without what is printed because of its outcome: what a predictor may be measured on.
 *
 * Cleaned lines; blank ones go; what Travis runs after the outcome goes; of the last NS_VISIBLE_TAIL lines those that
 * tell how the build or a step ended go, with fold marks and rules of dashes. Further up they stay, as a live system
 * sees them. Fold marks that a terminal draws over are not looked at here: what runs afterwards then stays in, for both
 * outcomes, and figures come out a little too low rather than too high.
 */
#ifndef NS_LAB_VISIBLE_H
#define NS_LAB_VISIBLE_H

#include "base/text.h"

#define NS_VISIBLE_TAIL 120

typedef struct ns_visible {
    ns_buf text; /* lines, each with its LF */
    size_t lines;
    uint32_t *end;      /* (lines) where each ends in text, behind its LF */
    uint32_t *raw_line; /* (lines) its 1-based number in the log as it was */
    size_t room;
} ns_visible;

void ns_visible_init(ns_visible *visible);
void ns_visible_clear(ns_visible *visible);

/* Replaces what *visible held. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_visible_of(ns_visible *visible, ns_text log, ns_error *err);

/* The first n lines. */
ns_text ns_visible_first(const ns_visible *visible, size_t n);

#endif
