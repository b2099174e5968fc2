/* One value against its key: does it fit, and what is it as a number. */
#include "base/config_inner.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The value as a message may show it: short, one line, never a secret. */
static const char *shown(const ns_key *key, ns_text value, char out[72])
{
    if (key->secret)
        return "(not shown)";
    (void)ns_text_copy(out, 64, value);
    for (char *c = out; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return out;
}

/* Bytes that no text of ours may hold: they would break headers, messages and JSON. Line ends and tabs are allowed in
 * plain strings only, where a long query may be folded. */
static ns_status check_bytes(const ns_key *key, const char *origin, ns_text value, ns_error *err)
{
    if (value.len > NS_CONFIG_VALUE_MAX)
        return ns_fail(err, NS_BAD_USAGE, "%s: %s is longer than %zu bytes", origin, key->name, NS_CONFIG_VALUE_MAX);
    const bool folded = key->type == NS_KEY_string && !key->secret;
    for (size_t i = 0; i < value.len;) {
        const unsigned char c = (unsigned char)value.at[i];
        const size_t step = ns_utf8_sequence((ns_text){value.at + i, value.len - i});
        if (step == 0)
            return ns_fail(err, NS_BAD_USAGE, "%s: %s is not UTF-8", origin, key->name);
        if ((c < 0x20 || c == 0x7f) && !(folded && (c == '\n' || c == '\t')))
            return ns_fail(err, NS_BAD_USAGE, "%s: %s holds a control character", origin, key->name);
        i += step;
    }
    return NS_OK;
}

static int word_place(const char *words, ns_text value)
{
    int place = 0;
    for (const char *at = words; at != NULL; place++) {
        const char *bar = strchr(at, '|');
        const ns_text word = {at, bar == NULL ? strlen(at) : (size_t)(bar - at)};
        if (ns_text_same(word, value))
            return place;
        at = bar == NULL ? NULL : bar + 1;
    }
    return -1;
}

static bool boolean_of(ns_text value, bool *out)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < NS_COUNT_OF(yes); i++) {
        if (ns_text_is(value, yes[i]) || ns_text_is(value, no[i])) {
            *out = ns_text_is(value, yes[i]);
            return true;
        }
    }
    return false;
}

typedef struct unit {
    const char *suffix;
    double factor;
} unit;

/* A number with one of the units at its end, or without. "ms" must stand before "s". */
static bool number_with_unit(ns_text value, const unit *units, size_t count, double *out)
{
    double factor = 1.0;
    for (size_t i = 0; i < count; i++) {
        if (ns_text_ends(value, units[i].suffix)) {
            factor = units[i].factor;
            value.len -= strlen(units[i].suffix);
            break;
        }
    }
    double number;
    if (!ns_text_double(value, &number))
        return false;
    *out = number * factor;
    return true;
}

static bool duration_of(ns_text value, double *out)
{
    static const unit units[] = {{"ms", 0.001}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    return number_with_unit(value, units, NS_COUNT_OF(units), out);
}

static bool bytes_of(ns_text value, double *out)
{
    static const unit units[] = {
        {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"TiB", 1099511627776.0}, {"B", 1}};
    return number_with_unit(value, units, NS_COUNT_OF(units), out);
}

static ns_status out_of_range(const ns_key *key, const char *origin, const char *text, ns_error *err)
{
    return ns_fail(err, NS_BAD_USAGE, "%s: %s is %s, but must be between %.15g and %.15g", origin, key->name, text,
                   key->low, key->high);
}

static ns_status check_number(const ns_key *key, const char *origin, ns_text value, ns_config_value *out, ns_error *err)
{
    char text[72];
    double number = NAN;
    int64_t integer = -1;
    bool good;
    const char *wanted;
    switch (key->type) {
    case NS_KEY_integer:
        good = ns_text_int64(value, &integer);
        number = (double)integer;
        wanted = "a whole number";
        break;
    case NS_KEY_duration:
        good = duration_of(value, &number);
        wanted = "a duration (10, 10s, 500ms, 5m, 2h, 1d)";
        break;
    case NS_KEY_bytes:
        good = bytes_of(value, &number);
        wanted = "a size (1048576, 512KiB, 64MiB, 2GiB)";
        break;
    default:
        good = ns_text_double(value, &number);
        wanted = "a number";
        break;
    }
    if (!good)
        return ns_fail(err, NS_BAD_USAGE, "%s: %s is '%s', but must be %s", origin, key->name, shown(key, value, text),
                       wanted);
    /* Written so that NaN is outside. */
    if (!(number >= key->low && number <= key->high))
        return out_of_range(key, origin, shown(key, value, text), err);
    if (key->type == NS_KEY_bytes) /* ranges of sizes end at 2^53 at most: the cast is exact */
        integer = (int64_t)number;
    out->number = number;
    out->integer = integer;
    return NS_OK;
}

static ns_status check_word(const ns_key *key, const char *origin, ns_text value, ns_config_value *out, ns_error *err)
{
    char text[72];
    int place = word_place(key->words, value);
    if (place < 0)
        return ns_fail(err, NS_BAD_USAGE, "%s: %s is '%s', but must be one of %s", origin, key->name,
                       shown(key, value, text), key->words);
    out->number = place;
    out->integer = place;
    return NS_OK;
}

static ns_status check_boolean(const ns_key *key, const char *origin, ns_text value, ns_config_value *out,
                               ns_error *err)
{
    char text[72];
    bool yes;
    if (!boolean_of(value, &yes))
        return ns_fail(err, NS_BAD_USAGE, "%s: %s is '%s', but must be true or false", origin, key->name,
                       shown(key, value, text));
    out->number = yes ? 1 : 0;
    out->integer = yes ? 1 : 0;
    return NS_OK;
}

/* "a, b,c" becomes "a\nb\nc"; line ends (put there by a YAML sequence) part names too. */
static ns_status check_list(const ns_key *key, const char *origin, ns_text value, ns_config_value *out, ns_error *err)
{
    if (value.len > NS_CONFIG_VALUE_MAX)
        return ns_fail(err, NS_BAD_USAGE, "%s: %s is longer than %zu bytes", origin, key->name, NS_CONFIG_VALUE_MAX);
    ns_buf names;
    ns_buf_init(&names, NS_CONFIG_VALUE_MAX + 1);
    size_t count = 0;
    ns_status status = NS_OK;
    (void)ns_buf_put(&names, "", 0);
    for (size_t i = 0; i < value.len && status == NS_OK;) {
        size_t end = i;
        while (end < value.len && value.at[end] != ',' && value.at[end] != '\n')
            end++;
        const ns_text name = ns_text_trim((ns_text){value.at + i, end - i});
        i = end + 1;
        if (name.len == 0)
            continue;
        status = check_bytes(key, origin, name, err);
        if (count++ > 0)
            (void)ns_buf_char(&names, '\n');
        (void)ns_buf_text(&names, name);
    }
    if (status == NS_OK && count > NS_CONFIG_NAMES_MAX)
        status = ns_fail(err, NS_BAD_USAGE, "%s: %s has more than %d entries", origin, key->name, NS_CONFIG_NAMES_MAX);
    if (status == NS_OK && !names.failed)
        out->text = ns_strndup(names.at == NULL ? "" : names.at, names.len);
    if (status == NS_OK && out->text == NULL)
        status = ns_fail(err, NS_NO_MEMORY, "%s: no memory for %s", origin, key->name);
    ns_buf_clear(&names);
    return status;
}

ns_status ns_config_check(const ns_key *key, const char *origin, ns_text value, ns_config_value *out, ns_error *err)
{
    *out = (ns_config_value){.number = NAN, .integer = -1};
    if (key->type == NS_KEY_list)
        return check_list(key, origin, value, out, err);
    ns_status status = check_bytes(key, origin, value, err);
    if (status != NS_OK)
        return status;
    switch (key->type) {
    case NS_KEY_string:
    case NS_KEY_path:
    case NS_KEY_list:
        break;
    case NS_KEY_word:
        status = check_word(key, origin, value, out, err);
        break;
    case NS_KEY_boolean:
        status = check_boolean(key, origin, value, out, err);
        break;
    case NS_KEY_integer:
    case NS_KEY_real:
    case NS_KEY_duration:
    case NS_KEY_bytes:
        status = check_number(key, origin, value, out, err);
        break;
    }
    if (status != NS_OK)
        return status;
    out->text = ns_strndup(value.at == NULL ? "" : value.at, value.len);
    return out->text != NULL ? NS_OK : ns_fail(err, NS_NO_MEMORY, "%s: no memory for %s", origin, key->name);
}
