/* Reading JSON; writing is in json_write.c. */
#include "wire/json.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

enum { DEEPEST = 64 };

#define INT64_EDGE 9223372036854775808.0 /* 2^63: the first double that is no int64_t */

/*
 * While a text is parsed, one refusal refuses all that follows. jansson (2.14) does not look whether a byte of a string
 * could be kept, and then reads on behind its end when the next request succeeds.
 */
static _Thread_local bool parsing, starved;

static void *take(size_t size)
{
    void *block = parsing && starved ? NULL : ns_alloc(1, size);
    starved = starved || block == NULL;
    return block;
}

/* Before main, so that no value is ever made by one allocator and given back to another. */
__attribute__((constructor)) static void use_our_memory(void)
{
    json_set_alloc_funcs(take, ns_free);
}

/* The index behind the string that starts at i (a quote), or text.len when it never ends. */
static size_t behind_string(ns_text text, size_t i)
{
    for (i++; i < text.len; i++) {
        if (text.at[i] == '\\')
            i++;
        else if (text.at[i] == '"')
            return i + 1;
    }
    return text.len;
}

/* The parser recurses: nesting is counted before it may start. */
static bool too_deep(ns_text text)
{
    int depth = 0;
    for (size_t i = 0; i < text.len;) {
        char c = text.at[i];
        if (c == '"') {
            i = behind_string(text, i);
            continue;
        }
        if ((c == '[' || c == '{') && ++depth > DEEPEST)
            return true;
        if (c == ']' || c == '}')
            depth--;
        i++;
    }
    return false;
}

ns_status ns_json_read(ns_text text, json_t **out, ns_error *err)
{
    if (text.len == 0)
        return ns_fail(err, NS_BAD_INPUT, "JSON: nothing there");
    if (too_deep(text))
        return ns_fail(err, NS_BAD_INPUT, "JSON: nested deeper than %d", DEEPEST);
    json_error_t why;
    parsing = true;
    starved = false;
    json_t *value = json_loadb(text.at, text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    parsing = false;
    if (starved) { /* a number may lack digits */
        json_decref(value);
        return ns_fail(err, NS_NO_MEMORY, "JSON: no memory for its values");
    }
    if (value != NULL) {
        *out = value;
        return NS_OK;
    }
    /* The parser quotes what stands there; that could be anybody's secret. */
    char *quoted = strstr(why.text, " near '");
    if (quoted != NULL)
        *quoted = '\0';
    return ns_fail(err, NS_BAD_INPUT, "JSON line %d, column %d: %s", why.line, why.column,
                   why.text[0] == '\0' ? "not readable" : why.text);
}

static bool part_of_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
           c == '+' || c == '-' || (unsigned char)c >= 0x80;
}

/* Length of the bare word NaN, Infinity or -Infinity at i, or 0. */
static size_t java_float(ns_text text, size_t i)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    ns_text here = {text.at + i, text.len - i};
    for (size_t w = 0; w < NS_COUNT_OF(words); w++) {
        size_t n = strlen(words[w]);
        if (ns_text_starts(here, words[w]) && (i == 0 || !part_of_word(text.at[i - 1])) &&
            (n == here.len || !part_of_word(here.at[n])))
            return n;
    }
    return 0;
}

static void put_without_floats(ns_text text, ns_buf *out)
{
    size_t from = 0; /* first byte not yet copied */
    for (size_t i = 0; i < text.len;) {
        if (text.at[i] == '"') {
            i = behind_string(text, i);
            continue;
        }
        size_t n = java_float(text, i);
        if (n > 0) {
            (void)ns_buf_put(out, text.at + from, i - from);
            (void)ns_buf_string(out, "null");
            from = i + n;
        }
        i += n > 0 ? n : 1;
    }
    (void)ns_buf_put(out, text.at + from, text.len - from);
}

ns_status ns_json_read_lenient(ns_text text, json_t **out, ns_error *err)
{
    if (ns_text_find(text, "NaN") < 0 && ns_text_find(text, "Infinity") < 0)
        return ns_json_read(text, out, err);
    ns_buf mended;
    ns_buf_init(&mended, text.len + text.len / 3 + 1); /* NaN is the only word that grows, by a third */
    put_without_floats(text, &mended);
    ns_status status = mended.failed ? ns_fail(err, NS_NO_MEMORY, "JSON: no memory for a copy")
                                     : ns_json_read(ns_buf_view(&mended), out, err);
    ns_buf_clear(&mended);
    return status;
}

json_t *ns_json_at(const json_t *object, const char *key)
{
    return object == NULL || key == NULL ? NULL : json_object_get(object, key);
}

const char *ns_json_string(const json_t *object, const char *key, const char *otherwise)
{
    const char *value = json_string_value(ns_json_at(object, key));
    return value == NULL ? otherwise : value;
}

int64_t ns_json_int(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = ns_json_at(object, key);
    if (json_is_integer(value))
        return json_integer_value(value);
    if (!json_is_real(value))
        return otherwise;
    double real = json_real_value(value);
    return real >= -INT64_EDGE && real < INT64_EDGE ? (int64_t)real : otherwise;
}

double ns_json_real(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = ns_json_at(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

bool ns_json_bool(const json_t *object, const char *key, bool otherwise)
{
    const json_t *value = ns_json_at(object, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

bool ns_json_text(const json_t *object, const char *key, ns_text *out)
{
    const json_t *value = ns_json_at(object, key);
    if (!json_is_string(value))
        return false;
    *out = (ns_text){json_string_value(value), json_string_length(value)};
    return true;
}
