/*
 * JSON on jansson: strict reading with ceilings, and writing through ns_buf.
 *
 * Reading never trusts: depth at most 64 (configurable), size checked by the caller's ceiling, duplicate keys refused,
 * trailing bytes refused. `ns_json_read_lenient` first turns bare NaN, Infinity and -Infinity outside strings into
 * null: Jenkins prints them (reference: Jenkins' remote API writes Java floats as they are). Nothing else is forgiven.
 */
#ifndef NS_WIRE_JSON_H
#define NS_WIRE_JSON_H

#include "base/text.h"

#include <jansson.h>

/* NS_BAD_INPUT with line and column. *out: a new reference, give back with json_decref. */
NS_MUST_USE ns_status ns_json_read(ns_text text, json_t **out, ns_error *err);
NS_MUST_USE ns_status ns_json_read_lenient(ns_text text, json_t **out, ns_error *err);

/* Walks to obj[key]; NULL when obj is no object or has no such key (safe on NULL). */
json_t *ns_json_at(const json_t *object, const char *key);
/* Missing or of another kind: the default. */
const char *ns_json_string(const json_t *object, const char *key, const char *otherwise);
int64_t ns_json_int(const json_t *object, const char *key, int64_t otherwise); /* reals are truncated if they fit */
double ns_json_real(const json_t *object, const char *key, double otherwise);  /* also from integers */
bool ns_json_bool(const json_t *object, const char *key, bool otherwise);
/* The string as a view (jansson strings may hold NUL). False when missing. */
bool ns_json_text(const json_t *object, const char *key, ns_text *out);

/*
 * Writing: ns_json_writer appends to an ns_buf; commas and nesting are kept by the writer, UTF-8 repaired (U+FFFD),
 * NAN and infinities written as null, numbers in the shortest form that reads back the same.
 */
typedef struct ns_json_writer {
    ns_buf *out;
    uint8_t depth;
    uint64_t need_comma; /* one bit per depth */
    bool after_key;
} ns_json_writer;

void ns_json_begin(ns_json_writer *w, ns_buf *out);
void ns_json_object(ns_json_writer *w);
void ns_json_end_object(ns_json_writer *w);
void ns_json_array(ns_json_writer *w);
void ns_json_end_array(ns_json_writer *w);
void ns_json_key(ns_json_writer *w, const char *key);
void ns_json_put_text(ns_json_writer *w, ns_text value);
void ns_json_put_string(ns_json_writer *w, const char *value); /* NULL: null */
void ns_json_put_int(ns_json_writer *w, int64_t value);
void ns_json_put_real(ns_json_writer *w, double value);
void ns_json_put_bool(ns_json_writer *w, bool value);
void ns_json_put_null(ns_json_writer *w);
void ns_json_put_raw(ns_json_writer *w, ns_text json); /* already JSON */

/* key and value in one call. *_or_null: the second writes null when the value is unknown (-1, "", NAN). */
void ns_json_field_string(ns_json_writer *w, const char *key, const char *value);
void ns_json_field_text(ns_json_writer *w, const char *key, ns_text value);
void ns_json_field_int(ns_json_writer *w, const char *key, int64_t value);
void ns_json_field_int_or_null(ns_json_writer *w, const char *key, int64_t value);        /* < 0: null */
void ns_json_field_string_or_null(ns_json_writer *w, const char *key, const char *value); /* "" or NULL: null */
void ns_json_field_real(ns_json_writer *w, const char *key, double value);
void ns_json_field_bool(ns_json_writer *w, const char *key, bool value);
void ns_json_field_null(ns_json_writer *w, const char *key);
void ns_json_field_time(ns_json_writer *w, const char *key, int64_t at_ms); /* < 0: null */

#endif
