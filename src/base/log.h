/*
 * The program's own log: one logfmt line per event on stderr.
 *
 *     2026-11-23T22:40:01.123Z level=warn room=telemetry event=poll_failed source=jenkins status=TIMEOUT after_ms=5000
 *
 * May be called from any thread. Values with blanks, quotes or control bytes are quoted and escaped. Secrets never
 * reach it: callers pass names and statuses, and everything that came from outside goes through telemetry/redact first.
 */
#ifndef NS_BASE_LOG_H
#define NS_BASE_LOG_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define NS_LOG_LEVEL_MAP(X) X(DEBUG, "debug") X(INFO, "info") X(WARNING, "warn") X(ERROR, "error")

typedef enum ns_log_level {
#define NS_LOG_ENUM(name, word) NS_LOG_##name,
    NS_LOG_LEVEL_MAP(NS_LOG_ENUM)
#undef NS_LOG_ENUM
} ns_log_level;

/* Lines below this level are not written; the start is INFO. Process-wide. */
void ns_log_set_level(ns_log_level level);
/* "DEBUG", "INFO", "WARNING", "ERROR"; false for anything else. */
NS_MUST_USE bool ns_log_level_parse(const char *name, ns_log_level *out);

/* keys is a printf format of further logfmt pairs: ns_log(NS_LOG_WARNING, "wire", "closed", "peer=%s", name).
 * Text that may hold anything goes in as %s through ns_log_quote. */
void ns_log(ns_log_level level, const char *room, const char *event, const char *keys, ...) NS_PRINTF(4, 5);

/* out gets the value, quoted if needed and cut to fit (size >= 3). Returns out. */
const char *ns_log_quote(char *out, size_t size, const char *value);

/*
 * Repeated trouble is told once, then ever more rarely (after 1, 2, 4 ... up to 60 minutes), and once more when it is
 * over. One ns_complaint per kind of trouble and owner; zero-initialised; one thread at a time.
 */
typedef struct ns_complaint {
    int64_t told_at_ms;
    int64_t wait_ms;
    uint64_t unsaid;
    bool active;
} ns_complaint;

/* True when this occurrence is to be written now; *unsaid gets how many were kept back since the last one. */
bool ns_complain(ns_complaint *complaint, int64_t now_ms, uint64_t *unsaid);

/* True once when trouble that had been told is over. */
bool ns_complaint_over(ns_complaint *complaint);

#endif
