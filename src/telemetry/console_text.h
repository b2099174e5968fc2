/*
 * Console bytes into plain text: valid UTF-8 (bad sequences become U+FFFD), LF line ends, no hidden console notes
 * (`ESC[8mha:<base64>ESC[0m`). Colours stay: cleaning for the predictor is not done here.
 *
 * Fed in pieces cut anywhere; what cannot be decided yet is held back. Plain data: copy it to remember a place. The
 * same bytes give the same text however they are cut. One owner at a time.
 */
#ifndef NS_TELEMETRY_CONSOLE_TEXT_H
#define NS_TELEMETRY_CONSOLE_TEXT_H

#include "base/text.h"

typedef struct ns_console {
    char held[8]; /* bytes not decided yet */
    size_t held_len;
    bool in_note;
    size_t note_len; /* raw bytes of the note so far, without `held` */
} ns_console;

void ns_console_init(ns_console *console);

/* Appends the text to out: at most 3 bytes for each byte ever put. NS_TOO_LARGE or NS_NO_MEMORY: out is full, the rest
 * of the piece is lost; the caller gives room enough. */
NS_MUST_USE ns_status ns_console_put(ns_console *console, ns_text raw, ns_buf *out);

/* The log has ended: what was held back comes out as it is. */
NS_MUST_USE ns_status ns_console_end(ns_console *console, ns_buf *out);

/* Raw bytes put but not shown in the text yet: a reader that starts anew begins so many bytes earlier. */
size_t ns_console_held(const ns_console *console);

#endif
