/* Writing JSON (declared in json.h). */
#include "wire/json.h"

#include "base/clock.h"
#include "wire/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEEPEST = 64 }; /* bits of need_comma; as deep as the reader goes */

void ns_json_begin(ns_json_writer *w, ns_buf *out)
{
    *w = (ns_json_writer){.out = out};
}

static uint64_t level_bit(const ns_json_writer *w)
{
    return (uint64_t)1 << (w->depth - 1);
}

/* The comma before a value or a key, when one is due. */
static void separate(ns_json_writer *w)
{
    if (w->after_key || w->depth == 0) {
        w->after_key = false;
        return;
    }
    if ((w->need_comma & level_bit(w)) != 0)
        (void)ns_buf_char(w->out, ',');
    w->need_comma |= level_bit(w);
}

static void open_level(ns_json_writer *w, char bracket)
{
    separate(w);
    NS_CHECK(w->depth < DEEPEST);
    w->depth++;
    w->need_comma &= ~level_bit(w);
    (void)ns_buf_char(w->out, bracket);
}

static void close_level(ns_json_writer *w, char bracket)
{
    NS_CHECK(w->depth > 0 && !w->after_key);
    w->depth--;
    (void)ns_buf_char(w->out, bracket);
}

void ns_json_object(ns_json_writer *w)
{
    open_level(w, '{');
}

void ns_json_end_object(ns_json_writer *w)
{
    close_level(w, '}');
}

void ns_json_array(ns_json_writer *w)
{
    open_level(w, '[');
}

void ns_json_end_array(ns_json_writer *w)
{
    close_level(w, ']');
}

/* Bytes at the start that may stand as they are. '<' may not: the text may end up inside a script element. */
static size_t plain_bytes(ns_text text)
{
    size_t i = 0;
    while (i < text.len) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<')
            break;
        i++;
    }
    return i;
}

static void put_escape(ns_buf *out, unsigned char c)
{
    static const char from[] = "\"\\\n\r\t\b\f";
    static const char to[] = "\"\\nrtbf";
    const char *hit = memchr(from, c, sizeof from - 1);
    if (hit != NULL) {
        char pair[2] = {'\\', to[hit - from]};
        (void)ns_buf_put(out, pair, 2);
    } else {
        (void)ns_buf_printf(out, "\\u%04x", c);
    }
}

/* One character that plain_bytes stopped at; returns its length. */
static size_t put_special(ns_buf *out, ns_text text)
{
    if ((unsigned char)text.at[0] < 0x80) {
        put_escape(out, (unsigned char)text.at[0]);
        return 1;
    }
    size_t n = ns_utf8_sequence(text);
    if (n == 0) {
        (void)ns_buf_string(out, "\xef\xbf\xbd");
        return 1;
    }
    /* U+2028 and U+2029 end a line in JavaScript. */
    if (n == 3 && memcmp(text.at, "\xe2\x80", 2) == 0 && ((unsigned char)text.at[2] & 0xfe) == 0xa8)
        (void)ns_buf_string(out, text.at[2] == '\xa8' ? "\\u2028" : "\\u2029");
    else
        (void)ns_buf_put(out, text.at, n);
    return n;
}

static void put_quoted(ns_buf *out, ns_text text)
{
    (void)ns_buf_char(out, '"');
    while (text.len > 0 && !out->failed) {
        size_t n = plain_bytes(text);
        (void)ns_buf_put(out, text.at, n);
        if (n < text.len)
            n += put_special(out, (ns_text){text.at + n, text.len - n});
        text = (ns_text){text.at + n, text.len - n};
    }
    (void)ns_buf_char(out, '"');
}

void ns_json_key(ns_json_writer *w, const char *key)
{
    NS_CHECK(!w->after_key && w->depth > 0);
    separate(w);
    put_quoted(w->out, ns_text_of(key));
    (void)ns_buf_char(w->out, ':');
    w->after_key = true;
}

void ns_json_put_text(ns_json_writer *w, ns_text value)
{
    separate(w);
    put_quoted(w->out, value);
}

void ns_json_put_string(ns_json_writer *w, const char *value)
{
    if (value == NULL)
        ns_json_put_null(w);
    else
        ns_json_put_text(w, ns_text_of(value));
}

void ns_json_put_int(ns_json_writer *w, int64_t value)
{
    separate(w);
    (void)ns_buf_printf(w->out, "%" PRId64, value);
}

void ns_json_put_real(ns_json_writer *w, double value)
{
    char digits[NS_REAL_TEXT_MAX];
    if (!isfinite(value)) {
        ns_json_put_null(w);
        return;
    }
    separate(w);
    (void)ns_buf_string(w->out, ns_real_text(value, digits));
}

void ns_json_put_bool(ns_json_writer *w, bool value)
{
    separate(w);
    (void)ns_buf_string(w->out, value ? "true" : "false");
}

void ns_json_put_null(ns_json_writer *w)
{
    separate(w);
    (void)ns_buf_string(w->out, "null");
}

void ns_json_put_raw(ns_json_writer *w, ns_text json)
{
    separate(w);
    (void)ns_buf_text(w->out, json);
}

void ns_json_field_string(ns_json_writer *w, const char *key, const char *value)
{
    ns_json_key(w, key);
    ns_json_put_string(w, value);
}

void ns_json_field_text(ns_json_writer *w, const char *key, ns_text value)
{
    ns_json_key(w, key);
    ns_json_put_text(w, value);
}

void ns_json_field_int(ns_json_writer *w, const char *key, int64_t value)
{
    ns_json_key(w, key);
    ns_json_put_int(w, value);
}

void ns_json_field_int_or_null(ns_json_writer *w, const char *key, int64_t value)
{
    if (value < 0)
        ns_json_field_null(w, key);
    else
        ns_json_field_int(w, key, value);
}

void ns_json_field_string_or_null(ns_json_writer *w, const char *key, const char *value)
{
    ns_json_field_string(w, key, value == NULL || value[0] == '\0' ? NULL : value);
}

void ns_json_field_real(ns_json_writer *w, const char *key, double value)
{
    ns_json_key(w, key);
    ns_json_put_real(w, value);
}

void ns_json_field_bool(ns_json_writer *w, const char *key, bool value)
{
    ns_json_key(w, key);
    ns_json_put_bool(w, value);
}

void ns_json_field_null(ns_json_writer *w, const char *key)
{
    ns_json_key(w, key);
    ns_json_put_null(w);
}

void ns_json_field_time(ns_json_writer *w, const char *key, int64_t at_ms)
{
    char text[NS_TIME_TEXT_MAX];
    ns_json_field_string_or_null(w, key, ns_time_text(at_ms, text));
}
