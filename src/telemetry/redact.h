/*
 * Redaction: secrets are taken out of text before it is stored, shown or tokenised.
 *
 * What counts as a secret: the values registered at start (the configured passwords and tokens, also percent-encoded
 * and in base64), credentials in URLs, Authorization headers, `password=...` in its many spellings, options such as
 * `--token X`, the tokens of well-known services by their shape, and private-key blocks. Each is replaced by
 * `[redacted]`; names, separators and line ends stay, so line numbers do not move. Redacting twice changes nothing.
 *
 * It errs on the side of silence: a line on which a pattern runs into its match limit is redacted whole.
 *
 * How it is quick: a filter of four 256-entry tables tells per line which rules could match at all; only those are
 * run (PCRE2, compiled to machine code where the system allows it). Ordinary log lines run none.
 *
 * One thread at a time per redactor (streams borrow its scratch memory).
 */
#ifndef NS_TELEMETRY_REDACT_H
#define NS_TELEMETRY_REDACT_H

#include "base/text.h"

#define NS_REDACTED            "[redacted]"
#define NS_REDACT_SECRET_LEAST 4    /* bytes; a shorter secret cannot be told from ordinary text */
#define NS_REDACT_SECRET_MOST  4096 /* bytes of one line of a secret */
#define NS_REDACT_LINE_CEILING ((size_t)64 << 10)

typedef struct ns_redactor ns_redactor;

typedef struct ns_redactor_options {
    const char *const *secrets; /* literal values; NULL and "" entries are skipped; copied */
    size_t secret_count;
    uint32_t match_limit; /* backtracking steps per match; 0 means 200000 */
    bool without_filter;  /* run every rule on every line: for tests that compare */
} ns_redactor_options;

/* options may be NULL. A secret of several lines counts line by line (lines too short are left out). NS_BAD_INPUT: a
 * secret of fewer than NS_REDACT_SECRET_LEAST bytes or with a line above NS_REDACT_SECRET_MOST (its value is not
 * repeated in the message), or more than 256 of them; NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_redactor_new(const ns_redactor_options *options, ns_redactor **out, ns_error *err);
void ns_redactor_free(ns_redactor *redactor);

/* One more literal, for example a token file that was read again. On failure the redactor is as before. */
NS_MUST_USE ns_status ns_redactor_add(ns_redactor *redactor, ns_text secret, ns_error *err);

/* Appends the redacted text to out; text may have several lines and is taken as whole (nothing is kept back).
 * NS_TOO_LARGE or NS_NO_MEMORY when out could not take it: out then holds a redacted beginning. */
ns_status ns_redact_text(ns_redactor *redactor, ns_text text, ns_buf *out);

/* The same into a fixed buffer, cut to fit; `[redacted]` alone when memory is short. Returns out. */
const char *ns_redact_copy(ns_redactor *redactor, char *out, size_t size, ns_text text);

/*
 * One growing log. Pieces may end anywhere; complete redacted lines come out, what follows the last line end is kept
 * back until its line is complete or `end` is called. How the text was cut into pieces never shows in the output.
 * A line longer than NS_REDACT_LINE_CEILING comes out in parts, cut where no secret can be.
 * Zero-initialise; clear gives the memory back and makes it new.
 */
typedef struct ns_redact_stream {
    ns_buf kept;     /* the incomplete line, at most NS_REDACT_LINE_CEILING bytes */
    int key_lines;   /* inside a private-key block: lines still allowed; 0 outside */
    bool key_body;   /* a line of that block's key material has been seen */
    bool key_ending; /* and its short last line */
    bool swallowing; /* the rest of a secret longer than a whole line part is being dropped */
} ns_redact_stream;

/* Appends to out. On failure (out full, no memory) text is lost: clear the stream, read the log again. */
ns_status ns_redact_stream_put(ns_redactor *redactor, ns_redact_stream *stream, ns_text piece, ns_buf *out);
/* The log has ended: gives out what was kept back, without adding a line end. The stream may be used again. */
ns_status ns_redact_stream_end(ns_redactor *redactor, ns_redact_stream *stream, ns_buf *out);
void ns_redact_stream_clear(ns_redact_stream *stream);

#endif
