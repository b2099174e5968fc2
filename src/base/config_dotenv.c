/* The `.env` reader: NAME=value lines, as shells and docker write them. */
#include "base/config_inner.h"

#include <stdio.h>
#include <string.h>

typedef struct reader {
    ns_config *config;
    const char *path;
    ns_text rest;
    int line; /* that `rest` starts in, from 1 */
    ns_buf value;
} reader;

static ns_status wrong(const reader *r, const char *what, ns_error *err)
{
    return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: %s", r->path, r->line, what);
}

static int peek(const reader *r)
{
    return r->rest.len == 0 ? -1 : (unsigned char)r->rest.at[0];
}

static void step(reader *r)
{
    if (r->rest.at[0] == '\n')
        r->line++;
    r->rest.at++;
    r->rest.len--;
}

static void skip_blanks(reader *r)
{
    while (peek(r) == ' ' || peek(r) == '\t')
        step(r);
}

static bool at_line_end(const reader *r)
{
    return peek(r) < 0 || peek(r) == '\n' || (peek(r) == '\r' && (r->rest.len == 1 || r->rest.at[1] == '\n'));
}

static void skip_line(reader *r)
{
    while (peek(r) >= 0 && peek(r) != '\n')
        step(r);
    if (peek(r) == '\n')
        step(r);
}

static bool name_char(int c, bool first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static ns_text take_name(reader *r)
{
    ns_text name = {r->rest.at, 0};
    while (name_char(peek(r), name.len == 0)) {
        name.len++;
        step(r);
    }
    return name;
}

/* In double quotes: \n \r \t \\ \" \$ \`; any other backslash stands for itself. */
static void take_escape(reader *r)
{
    static const char from[] = "nrt\\\"$`";
    static const char to[] = "\n\r\t\\\"$`";
    const char *found = peek(r) > 0 ? strchr(from, peek(r)) : NULL;
    if (found == NULL) {
        (void)ns_buf_char(&r->value, '\\');
        return;
    }
    (void)ns_buf_char(&r->value, to[found - from]);
    step(r);
}

/* May run over several lines. */
static ns_status take_quoted(reader *r, ns_error *err)
{
    const reader start = *r;
    const int quote = peek(r);
    step(r);
    while (peek(r) != quote) {
        if (peek(r) < 0)
            return wrong(&start, "the quote is never closed", err);
        const char c = (char)peek(r);
        step(r);
        if (quote == '"' && c == '\\')
            take_escape(r);
        else
            (void)ns_buf_char(&r->value, c);
    }
    step(r);
    skip_blanks(r);
    if (!at_line_end(r) && peek(r) != '#')
        return wrong(r, "text after the closing quote", err);
    return NS_OK;
}

/* To the line's end or to a '#' that follows a blank. */
static void take_plain(reader *r)
{
    ns_text value = {r->rest.at, 0};
    while (!at_line_end(r)) {
        /* A byte stands before it in any case: at least the '='. */
        if (peek(r) == '#' && (r->rest.at[-1] == ' ' || r->rest.at[-1] == '\t'))
            break;
        value.len++;
        step(r);
    }
    (void)ns_buf_text(&r->value, ns_text_trim(value));
}

/* NAME or NAME_FILE of a key in the table; false: somebody else's. */
static bool find_name(const ns_config *config, ns_text name, size_t *index, bool *from_file)
{
    ns_text bare = name;
    if (ns_text_ends(name, "_FILE"))
        bare.len -= 5;
    for (size_t i = 0; i < config->key_count; i++) {
        const ns_key *key = &config->keys[i];
        if (key->environment == NULL)
            continue;
        if (ns_text_is(name, key->environment) || (key->secret && ns_text_is(bare, key->environment))) {
            *index = i;
            *from_file = !ns_text_is(name, key->environment);
            return true;
        }
    }
    return false;
}

static ns_status keep(reader *r, ns_text name, int line, ns_error *err)
{
    size_t i;
    bool from_file;
    if (r->value.failed)
        return ns_fail(err, NS_NO_MEMORY, "%.300s:%d: no memory for the value", r->path, line);
    if (r->value.len == 0 || !find_name(r->config, name, &i, &from_file))
        return NS_OK;
    char origin[400];
    (void)snprintf(origin, sizeof origin, "%.300s:%d", r->path, line);
    const ns_config_place place = {.layer = NS_LAYER_dotenv, .origin = origin, .from_file = from_file};
    return ns_config_put(r->config, i, &place, ns_buf_view(&r->value), err);
}

static ns_status read_line(reader *r, ns_error *err)
{
    skip_blanks(r);
    if (at_line_end(r) || peek(r) == '#') {
        skip_line(r);
        return NS_OK;
    }
    const int line = r->line;
    ns_text name = take_name(r);
    if (ns_text_is(name, "export") && (peek(r) == ' ' || peek(r) == '\t')) {
        skip_blanks(r);
        name = take_name(r);
    }
    skip_blanks(r);
    if (name.len == 0 || peek(r) != '=')
        return wrong(r, "not of the form NAME=value", err);
    step(r);
    skip_blanks(r);
    ns_buf_reset(&r->value);
    ns_status status = NS_OK;
    if (peek(r) == '"' || peek(r) == '\'')
        status = take_quoted(r, err);
    else
        take_plain(r);
    if (status == NS_OK)
        status = keep(r, name, line, err);
    if (status == NS_OK)
        skip_line(r);
    return status;
}

ns_status ns_config_read_dotenv(ns_config *config, const char *path, ns_text text, ns_error *err)
{
    if (text.len > NS_CONFIG_MAX_BYTES)
        return ns_fail(err, NS_BAD_USAGE, "%.300s: larger than %zu bytes", path, NS_CONFIG_MAX_BYTES);
    reader r = {.config = config, .path = path, .rest = text, .line = 1};
    if (ns_text_starts(r.rest, "\xef\xbb\xbf")) {
        r.rest.at += 3;
        r.rest.len -= 3;
    }
    ns_buf_init(&r.value, NS_CONFIG_MAX_BYTES);
    ns_status status = NS_OK;
    while (status == NS_OK && r.rest.len > 0)
        status = read_line(&r, err);
    ns_buf_clear(&r.value);
    return status;
}
