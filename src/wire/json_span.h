/*
 * Where a value stands in JSON text: its bytes as they came, for what must be handed on unchanged.
 *
 * A parsed and re-printed value is not the same thing: numbers lose digits, 1.0 becomes 1. A rollback gives a pod
 * template back to the server that wrote it, and must not change a bit of it.
 */
#ifndef NS_WIRE_JSON_SPAN_H
#define NS_WIRE_JSON_SPAN_H

#include "base/text.h"

/* The value of member `key` of the object that `object` is. The text must be JSON that ns_json_read accepts (no check
 * of its own beyond not reading past the end). Keys with escapes are not found. False: no such member. */
NS_MUST_USE bool ns_json_span_member(ns_text object, const char *key, ns_text *out);
/* Takes the next member off *rest, at first what ns_json_span_object gave. key: with its quotes. */
NS_MUST_USE bool ns_json_span_object(ns_text object, ns_text *rest);
NS_MUST_USE bool ns_json_span_next_member(ns_text *rest, ns_text *key, ns_text *value);
/* The key, as it stands between quotes, is this text (without escapes). */
bool ns_json_span_is_key(ns_text key, const char *wanted);
/* Takes the next element off *rest, the inside of the array `array` at first (see ns_json_span_array). */
NS_MUST_USE bool ns_json_span_array(ns_text array, ns_text *rest);
NS_MUST_USE bool ns_json_span_next(ns_text *rest, ns_text *element);

#endif
