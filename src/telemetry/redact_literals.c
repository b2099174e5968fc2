#include "telemetry/redact_literals.h"

#include "base/mem.h"
#include "telemetry/redact.h"

#include <sodium.h>
#include <string.h>

enum { SPELLINGS_MOST = 1024 };

struct ns_redact_literals {
    ns_text item[SPELLINGS_MOST]; /* owned */
    size_t count;
};

ns_redact_literals *ns_redact_literals_new(void)
{
    return NS_NEW(ns_redact_literals);
}

void ns_redact_literals_cut(ns_redact_literals *literals, size_t count)
{
    while (literals->count > count) {
        ns_text *last = &literals->item[--literals->count];
        sodium_memzero((void *)(uintptr_t)last->at, last->len);
        ns_free((void *)(uintptr_t)last->at);
        *last = (ns_text){NULL, 0};
    }
}

void ns_redact_literals_free(ns_redact_literals *literals)
{
    if (literals == NULL)
        return;
    ns_redact_literals_cut(literals, 0);
    ns_free(literals);
}

size_t ns_redact_literals_count(const ns_redact_literals *literals)
{
    return literals->count;
}

static ns_status add_spelling(ns_redact_literals *literals, ns_text text, ns_error *err)
{
    for (size_t i = 0; i < literals->count; i++)
        if (ns_text_same(literals->item[i], text))
            return NS_OK;
    if (literals->count == SPELLINGS_MOST)
        return ns_fail(err, NS_BAD_INPUT, "more than %d registered secrets", SPELLINGS_MOST / 4);
    char *copy = ns_strndup(text.at, text.len);
    if (copy == NULL)
        return ns_fail(err, NS_NO_MEMORY, "a registered secret");
    literals->item[literals->count++] = (ns_text){copy, text.len};
    return NS_OK;
}

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

static void percent_encode(ns_text text, ns_buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_unreserved(text.at[i]))
            (void)ns_buf_char(out, text.at[i]);
        else
            (void)ns_buf_printf(out, "%%%02X", (unsigned)(unsigned char)text.at[i]);
    }
}

static void json_escape(ns_text text, ns_buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"' || text.at[i] == '\\')
            (void)ns_buf_char(out, '\\');
        (void)ns_buf_char(out, text.at[i]);
    }
}

static void base64(ns_text text, ns_buf *out)
{
    char encoded[(NS_REDACT_SECRET_MOST + 2) / 3 * 4 + 1];
    (void)sodium_bin2base64(encoded, sizeof encoded, (const unsigned char *)text.at, text.len,
                            sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    (void)ns_buf_string(out, encoded);
    sodium_memzero(encoded, sizeof encoded);
}

static ns_status add_line(ns_redact_literals *literals, ns_text line, ns_error *err)
{
    static void (*const spell[])(ns_text, ns_buf *) = {percent_encode, json_escape, base64};
    if (line.len > NS_REDACT_SECRET_MOST)
        return ns_fail(err, NS_BAD_INPUT, "a secret with a line of more than %d bytes cannot be redacted",
                       NS_REDACT_SECRET_MOST);
    ns_status status = add_spelling(literals, line, err);
    ns_buf other;
    ns_buf_init(&other, (size_t)4 * NS_REDACT_SECRET_MOST);
    for (size_t i = 0; i < NS_COUNT_OF(spell) && status == NS_OK; i++) {
        ns_buf_reset(&other);
        spell[i](line, &other);
        status = other.failed ? ns_fail(err, NS_NO_MEMORY, "a registered secret")
                              : add_spelling(literals, ns_buf_view(&other), err);
    }
    if (other.at != NULL)
        sodium_memzero(other.at, other.room);
    ns_buf_clear(&other);
    return status;
}

ns_status ns_redact_literals_add(ns_redact_literals *literals, ns_text secret, ns_error *err)
{
    size_t before = literals->count, lines = 0;
    ns_text line;
    ns_status status = NS_OK;
    while (status == NS_OK && ns_text_line(&secret, &line)) {
        line = ns_text_trim(line);
        if (line.len < NS_REDACT_SECRET_LEAST)
            continue;
        lines++;
        status = add_line(literals, line, err);
    }
    if (status == NS_OK && lines == 0)
        status = ns_fail(err, NS_BAD_INPUT, "a secret shorter than %d bytes cannot be redacted: use a longer one",
                         NS_REDACT_SECRET_LEAST);
    if (status != NS_OK)
        ns_redact_literals_cut(literals, before);
    return status;
}

ns_status ns_redact_literals_pattern(const ns_redact_literals *literals, ns_buf *out)
{
    bool first = true;
    for (size_t len = (size_t)4 * NS_REDACT_SECRET_MOST; len > 0; len--) {
        for (size_t i = 0; i < literals->count; i++) {
            if (literals->item[i].len != len)
                continue;
            if (!first)
                (void)ns_buf_char(out, '|');
            first = false;
            for (size_t k = 0; k < len; k++)
                (void)ns_buf_printf(out, "\\x%02x", (unsigned)(unsigned char)literals->item[i].at[k]);
        }
    }
    return out->failed ? NS_NO_MEMORY : NS_OK;
}

void ns_redact_literals_mark(const ns_redact_literals *literals, uint64_t table[4][256], uint64_t bit)
{
    for (size_t i = 0; i < literals->count; i++)
        for (size_t k = 0; k < 4; k++)
            table[k][(unsigned char)literals->item[i].at[k]] |= bit;
}
