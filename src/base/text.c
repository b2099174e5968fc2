#include "base/text.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ns_text ns_text_of(const char *c_string)
{
    return (ns_text){c_string, c_string == NULL ? 0 : strlen(c_string)};
}

bool ns_text_is(ns_text text, const char *c_string)
{
    return ns_text_same(text, ns_text_of(c_string));
}

bool ns_text_same(ns_text a, ns_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool ns_text_starts(ns_text text, const char *prefix)
{
    size_t n = strlen(prefix);
    return text.len >= n && memcmp(text.at, prefix, n) == 0;
}

bool ns_text_ends(ns_text text, const char *suffix)
{
    size_t n = strlen(suffix);
    return text.len >= n && memcmp(text.at + text.len - n, suffix, n) == 0;
}

ptrdiff_t ns_text_find(ns_text text, const char *needle)
{
    size_t n = strlen(needle);
    if (n == 0)
        return 0;
    const char *hit = text.len < n ? NULL : memmem(text.at, text.len, needle, n);
    return hit == NULL ? -1 : hit - text.at;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

ns_text ns_text_trim(ns_text text)
{
    while (text.len > 0 && is_blank(text.at[0])) {
        text.at++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.at[text.len - 1]))
        text.len--;
    return text;
}

bool ns_text_line(ns_text *rest, ns_text *line)
{
    if (rest->len == 0)
        return false;
    const char *end = memchr(rest->at, '\n', rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->at);
    size_t taken = end == NULL ? len : len + 1;
    *line = (ns_text){rest->at, len};
    if (line->len > 0 && line->at[line->len - 1] == '\r')
        line->len--;
    *rest = (ns_text){rest->at + taken, rest->len - taken};
    return true;
}

bool ns_text_copy(char *out, size_t size, ns_text text)
{
    size_t len = text.len < size ? text.len : size - 1;
    /* Never leave half a character: step back over continuation bytes when the cut falls inside one. */
    if (len < text.len)
        while (len > 0 && ((unsigned char)text.at[len] & 0xC0) == 0x80)
            len--;
    for (size_t i = 0; i < len; i++)
        out[i] = text.at[i] == '\0' ? ' ' : text.at[i];
    out[len] = '\0';
    return len == text.len;
}

bool ns_text_int64(ns_text text, int64_t *out)
{
    size_t i = 0;
    bool negative = text.len > 0 && text.at[0] == '-';
    if (text.len > 0 && (text.at[0] == '-' || text.at[0] == '+'))
        i = 1;
    if (i == text.len)
        return false;
    int64_t value = 0;
    for (; i < text.len; i++) {
        if (!isdigit((unsigned char)text.at[i]))
            return false;
        int digit = text.at[i] - '0';
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value))
            return false; /* counts downwards, so that INT64_MIN is reached */
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
        return false;
    *out = value;
    return true;
}

bool ns_text_double(ns_text text, double *out)
{
    char copy[128];
    if (text.len == 0 || text.len >= sizeof copy || is_blank(text.at[0]))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    if (strlen(copy) != text.len)
        return false;
    char *end;
    double value = strtod(copy, &end); /* the program never leaves the C locale */
    if (*end != '\0')
        return false;
    *out = value;
    return true;
}

size_t ns_utf8_sequence(ns_text text)
{
    if (text.len == 0)
        return 0;
    const unsigned char *b = (const unsigned char *)text.at;
    if (b[0] < 0x80)
        return 1;
    size_t n = b[0] >= 0xF0 ? 4 : b[0] >= 0xE0 ? 3 : 2;
    if (b[0] < 0xC2 || b[0] > 0xF4 || text.len < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((b[i] & 0xC0) != 0x80)
            return 0;
    /* Overlong forms, surrogates, above U+10FFFF: ruled out by the second byte (Unicode standard, table 3-7). */
    if ((b[0] == 0xE0 && b[1] < 0xA0) || (b[0] == 0xED && b[1] > 0x9F) || (b[0] == 0xF0 && b[1] < 0x90) ||
        (b[0] == 0xF4 && b[1] > 0x8F))
        return 0;
    return n;
}

uint64_t ns_hash(ns_text text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.at[i]) * 0x100000001b3u;
    return h;
}

void ns_buf_init(ns_buf *buf, size_t ceiling)
{
    *buf = (ns_buf){.ceiling = ceiling};
}

void ns_buf_clear(ns_buf *buf)
{
    ns_free(buf->at);
    ns_buf_init(buf, buf->ceiling);
}

void ns_buf_reset(ns_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->at != NULL)
        buf->at[0] = '\0';
}

static ns_status reserve(ns_buf *buf, size_t more)
{
    if (buf->failed)
        return NS_NO_MEMORY;
    if (more > buf->ceiling - buf->len) {
        buf->failed = true;
        return NS_TOO_LARGE;
    }
    size_t wanted = buf->len + more + 1;
    if (wanted <= buf->room)
        return NS_OK;
    size_t room = buf->room < 256 ? 256 : buf->room;
    while (room < wanted)
        room *= 2;
    char *moved = ns_realloc(buf->at, room, 1);
    if (moved == NULL) {
        buf->failed = true;
        return NS_NO_MEMORY;
    }
    buf->at = moved;
    buf->room = room;
    return NS_OK;
}

ns_status ns_buf_put(ns_buf *buf, const char *at, size_t len)
{
    ns_status status = reserve(buf, len);
    if (status != NS_OK)
        return status;
    if (len > 0)
        memcpy(buf->at + buf->len, at, len);
    buf->len += len;
    buf->at[buf->len] = '\0';
    return NS_OK;
}

ns_status ns_buf_text(ns_buf *buf, ns_text text)
{
    return ns_buf_put(buf, text.at, text.len);
}

ns_status ns_buf_string(ns_buf *buf, const char *c_string)
{
    return ns_buf_put(buf, c_string, strlen(c_string));
}

ns_status ns_buf_char(ns_buf *buf, char c)
{
    return ns_buf_put(buf, &c, 1);
}

ns_status ns_buf_printf(ns_buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    NS_CHECK(len >= 0);
    ns_status status = reserve(buf, (size_t)len);
    if (status == NS_OK) {
        (void)vsnprintf(buf->at + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return status;
}

void ns_buf_drop(ns_buf *buf, size_t n)
{
    NS_CHECK(n <= buf->len);
    if (n == 0)
        return;
    memmove(buf->at, buf->at + n, buf->len - n + 1);
    buf->len -= n;
}

ns_text ns_buf_view(const ns_buf *buf)
{
    return (ns_text){buf->at, buf->len};
}
