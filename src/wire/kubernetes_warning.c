#include "wire/kubernetes_warning.h"

#include <string.h>

static bool skip_word(ns_text *rest)
{
    size_t n = 0;
    while (n < rest->len && rest->at[n] != ' ' && rest->at[n] != '"' && rest->at[n] != ',')
        n++;
    size_t blanks = n;
    while (blanks < rest->len && rest->at[blanks] == ' ')
        blanks++;
    *rest = (ns_text){rest->at + blanks, rest->len - blanks};
    return n > 0 && blanks > n;
}

/* A quoted string; false: it has no end. */
static bool take_quoted(ns_text *rest, char *text, size_t size)
{
    size_t used = 0, i = 1;
    if (rest->len == 0 || rest->at[0] != '"')
        return false;
    for (; i < rest->len && rest->at[i] != '"'; i++) {
        i += rest->at[i] == '\\';
        if (i == rest->len)
            return false;
        unsigned char c = (unsigned char)rest->at[i];
        if (used + 1 < size && text != NULL)
            text[used++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    if (i == rest->len)
        return false;
    if (text != NULL)
        text[used] = '\0';
    *rest = (ns_text){rest->at + i + 1, rest->len - i - 1};
    return true;
}

static void skip_to_next(ns_text *rest)
{
    size_t n = 0;
    while (n < rest->len && (rest->at[n] == ' ' || rest->at[n] == ','))
        n++;
    *rest = (ns_text){rest->at + n, rest->len - n};
}

bool ns_kubernetes_warning_next(ns_text *rest, char text[NS_KUBERNETES_WARNING_MAX])
{
    ns_text left = *rest;
    char found[NS_KUBERNETES_WARNING_MAX];
    skip_to_next(&left);
    if (!skip_word(&left) || !skip_word(&left) || !take_quoted(&left, found, sizeof found))
        return false;
    skip_to_next(&left);
    if (left.len > 0 && left.at[0] == '"') { /* a date may follow */
        if (!take_quoted(&left, NULL, 0))
            return false;
        skip_to_next(&left);
    }
    memcpy(text, found, sizeof found);
    *rest = left;
    return true;
}
