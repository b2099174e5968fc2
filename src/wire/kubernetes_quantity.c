#include "wire/kubernetes_quantity.h"

#include <math.h>

/* Two numbers, so that 300m is the double nearest to 0.3. */
static const struct {
    const char *suffix;
    double times, divided_by;
} suffixes[] = {
    {"", 1, 1},        {"n", 1, 1e9},     {"u", 1, 1e6},     {"m", 1, 1e3},     {"k", 1e3, 1},     {"M", 1e6, 1},
    {"G", 1e9, 1},     {"T", 1e12, 1},    {"P", 1e15, 1},    {"E", 1e18, 1},    {"Ki", 0x1p10, 1}, {"Mi", 0x1p20, 1},
    {"Gi", 0x1p30, 1}, {"Ti", 0x1p40, 1}, {"Pi", 0x1p50, 1}, {"Ei", 0x1p60, 1},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Length of the sign, digits and point at the start; 0 when there is no digit. */
static size_t number_length(ns_text text)
{
    size_t i = 0, digits = 0;
    bool point = false;
    if (i < text.len && (text.at[i] == '+' || text.at[i] == '-'))
        i++;
    for (; i < text.len && (is_digit(text.at[i]) || (text.at[i] == '.' && !point)); i++) {
        point |= text.at[i] == '.';
        digits += is_digit(text.at[i]);
    }
    return digits > 0 ? i : 0;
}

/* Is it e or E, perhaps a sign, and digits? ("E" alone is the suffix of 10^18.) */
static bool is_exponent(ns_text text)
{
    if (text.len < 2 || (text.at[0] != 'e' && text.at[0] != 'E'))
        return false;
    size_t i = text.at[1] == '+' || text.at[1] == '-' ? 2 : 1;
    if (i == text.len)
        return false;
    for (; i < text.len; i++)
        if (!is_digit(text.at[i]))
            return false;
    return true;
}

bool ns_kubernetes_quantity(ns_text text, double *out)
{
    size_t n = number_length(text);
    ns_text rest = {text.at + n, text.len - n};
    double value;
    if (n == 0)
        return false;
    if (is_exponent(rest)) {
        if (!ns_text_double(text, &value) || !isfinite(value))
            return false;
        *out = value;
        return true;
    }
    for (size_t i = 0; i < NS_COUNT_OF(suffixes); i++) {
        if (!ns_text_is(rest, suffixes[i].suffix))
            continue;
        if (!ns_text_double((ns_text){text.at, n}, &value) || !isfinite(value * suffixes[i].times))
            return false;
        *out = value * suffixes[i].times / suffixes[i].divided_by;
        return true;
    }
    return false;
}
