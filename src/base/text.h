/*
 * Text as views and as growing buffers.
 *
 * ns_text is a borrowed view: logs and answers are bytes, not C strings (NUL may occur). ns_buf owns what it holds and
 * grows up to a ceiling given at birth. One thread at a time.
 */
#ifndef NS_BASE_TEXT_H
#define NS_BASE_TEXT_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ns_text {
    const char *at; /* not NUL-terminated; may be NULL when len is 0 */
    size_t len;
} ns_text;

/* A view of a string literal. */
#define NS_TEXT(literal) ((ns_text){("" literal), sizeof(literal) - 1})

ns_text ns_text_of(const char *c_string); /* NULL gives the empty view */
bool ns_text_is(ns_text text, const char *c_string);
bool ns_text_same(ns_text a, ns_text b);
bool ns_text_starts(ns_text text, const char *prefix);
bool ns_text_ends(ns_text text, const char *suffix);
/* Index of the first needle, or -1. */
ptrdiff_t ns_text_find(ns_text text, const char *needle);
/* Without blanks, tabs, CR and LF at both ends. */
ns_text ns_text_trim(ns_text text);

/* Takes the next line off *rest (without its LF and CR); false when *rest is empty. The last line needs no LF. */
bool ns_text_line(ns_text *rest, ns_text *line);

/* Copies into out[size], cut at a UTF-8 boundary if it does not fit, always NUL-terminated (size > 0).
 * Returns true when nothing was cut. NULs inside the text become blanks. */
bool ns_text_copy(char *out, size_t size, ns_text text);

/* Strict decimal numbers over the whole view; false (out untouched) for anything else, overflow included.
 * ns_text_double takes what strtod takes in the C locale, plus "NaN", "Inf", "+Inf", "-Inf". */
NS_MUST_USE bool ns_text_int64(ns_text text, int64_t *out);
NS_MUST_USE bool ns_text_double(ns_text text, double *out);

/* Length of the well-formed UTF-8 sequence at the view's start (1-4), or 0 when it is malformed or cut short. */
size_t ns_utf8_sequence(ns_text text);

/* FNV-1a, 64 bits: for tables and change detection, never for secrets. */
uint64_t ns_hash(ns_text text);

/* A growing buffer. `at` always has a closing NUL behind len once something was put; it is NULL before. */
typedef struct ns_buf {
    char *at;
    size_t len;
    size_t room;    /* bytes reserved */
    size_t ceiling; /* len never grows above this */
    bool failed;    /* an append was lost; stays set until ns_buf_reset */
} ns_buf;

void ns_buf_init(ns_buf *buf, size_t ceiling);
void ns_buf_clear(ns_buf *buf); /* gives the memory back; the buffer may be used again */
void ns_buf_reset(ns_buf *buf); /* empty again, memory kept */

/* Appends; NS_TOO_LARGE above the ceiling, NS_NO_MEMORY. After the first failure nothing more is appended, so a long
 * row of appends needs one check of `failed` at its end. */
ns_status ns_buf_put(ns_buf *buf, const char *at, size_t len);
ns_status ns_buf_text(ns_buf *buf, ns_text text);
ns_status ns_buf_string(ns_buf *buf, const char *c_string);
ns_status ns_buf_char(ns_buf *buf, char c);
ns_status ns_buf_printf(ns_buf *buf, const char *format, ...) NS_PRINTF(2, 3);
/* Removes the first n bytes. */
void ns_buf_drop(ns_buf *buf, size_t n);
ns_text ns_buf_view(const ns_buf *buf);

/* The whole of a file. NS_IO (cannot be read: message names path and reason), NS_TOO_LARGE (above ceiling). */
NS_MUST_USE ns_status ns_file_read(const char *path, size_t ceiling, ns_buf *out, ns_error *err);
/* Writes a sibling, fsyncs, renames over path, fsyncs the folder: readers see the old or the new file, whole. */
NS_MUST_USE ns_status ns_file_replace(const char *path, ns_text content, unsigned mode, ns_error *err);

#endif
