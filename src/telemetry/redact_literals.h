/*
 * The registered secrets of telemetry/redact, each in the spellings in which it turns up in logs: as it is,
 * percent-encoded, inside a JSON string, in base64. Private to this room. Their memory is wiped before it is freed.
 */
#ifndef NS_TELEMETRY_REDACT_LITERALS_H
#define NS_TELEMETRY_REDACT_LITERALS_H

#include "base/text.h"

typedef struct ns_redact_literals ns_redact_literals;

NS_MUST_USE ns_redact_literals *ns_redact_literals_new(void);
void ns_redact_literals_free(ns_redact_literals *literals);

/* All spellings of one secret, line by line; those already there are not added again. All or none. */
NS_MUST_USE ns_status ns_redact_literals_add(ns_redact_literals *literals, ns_text secret, ns_error *err);

size_t ns_redact_literals_count(const ns_redact_literals *literals);
/* Forgets all but the first `count`. */
void ns_redact_literals_cut(ns_redact_literals *literals, size_t count);

/* One pattern that matches each of them, the longest first. */
ns_status ns_redact_literals_pattern(const ns_redact_literals *literals, ns_buf *out);
/* Sets `bit` in the four tables for the first four bytes of each. */
void ns_redact_literals_mark(const ns_redact_literals *literals, uint64_t table[4][256], uint64_t bit);

#endif
