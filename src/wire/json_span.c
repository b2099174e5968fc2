#include "wire/json_span.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(ns_text *rest)
{
    while (rest->len > 0 && is_blank(rest->at[0])) {
        rest->at++;
        rest->len--;
    }
}

static void step(ns_text *rest, size_t n)
{
    rest->at += n;
    rest->len -= n;
}

/* Length of the string at the start, quotes included; 0: it does not end. */
static size_t string_length(ns_text text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.at[i] == '\\')
            i++;
        else if (text.at[i] == '"')
            return i + 1;
    }
    return 0;
}

/* Length of the value at the start; 0: it does not end. Brackets of both kinds are counted together: in good JSON they
 * match. */
static size_t value_length(ns_text text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.len;) {
        char c = text.at[i];
        if (c == '"') {
            size_t n = string_length((ns_text){text.at + i, text.len - i});
            if (n == 0)
                return 0;
            i += n;
            if (depth == 0)
                return i;
            continue;
        }
        if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return i;
            if (--depth == 0)
                return i + 1;
        } else if (depth == 0 && (c == ',' || is_blank(c))) {
            return i;
        }
        i++;
    }
    return depth == 0 ? text.len : 0;
}

static bool take_value(ns_text *rest, ns_text *out)
{
    skip_blanks(rest);
    size_t n = value_length(*rest);
    if (n == 0)
        return false;
    *out = (ns_text){rest->at, n};
    step(rest, n);
    return true;
}

static bool take_char(ns_text *rest, char c)
{
    skip_blanks(rest);
    if (rest->len == 0 || rest->at[0] != c)
        return false;
    step(rest, 1);
    return true;
}

bool ns_json_span_object(ns_text object, ns_text *rest)
{
    ns_text inside = object;
    if (!take_char(&inside, '{'))
        return false;
    *rest = inside;
    return true;
}

bool ns_json_span_next_member(ns_text *rest, ns_text *key, ns_text *value)
{
    skip_blanks(rest);
    if (rest->len == 0 || rest->at[0] != '"' || !take_value(rest, key) || !take_char(rest, ':') ||
        !take_value(rest, value))
        return false;
    (void)take_char(rest, ',');
    return true;
}

bool ns_json_span_is_key(ns_text key, const char *wanted)
{
    size_t len = strlen(wanted);
    return key.len == len + 2 && key.at[0] == '"' && memcmp(key.at + 1, wanted, len) == 0;
}

bool ns_json_span_member(ns_text object, const char *key, ns_text *out)
{
    ns_text rest, name, value;
    if (!ns_json_span_object(object, &rest))
        return false;
    while (ns_json_span_next_member(&rest, &name, &value)) {
        if (ns_json_span_is_key(name, key)) {
            *out = value;
            return true;
        }
    }
    return false;
}

bool ns_json_span_array(ns_text array, ns_text *rest)
{
    ns_text inside = array;
    if (!take_char(&inside, '['))
        return false;
    *rest = inside;
    return true;
}

bool ns_json_span_next(ns_text *rest, ns_text *element)
{
    skip_blanks(rest);
    if (rest->len == 0 || rest->at[0] == ']' || !take_value(rest, element))
        return false;
    (void)take_char(rest, ',');
    return true;
}
