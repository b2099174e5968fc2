#include "wire/http_head.h"

#include <string.h>
#include <strings.h>

enum { OVERHEAD_MAX = 16 * 1024 };

static const char *const method_names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

const char *ns_method_name(ns_http_method method)
{
    NS_CHECK((unsigned)method < NS_COUNT_OF(method_names));
    return method_names[method];
}

static bool is_token_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool ns_is_token(ns_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!is_token_byte(text.at[i]))
            return false;
    return text.len > 0;
}

static bool same_word(ns_text text, const char *word)
{
    return text.len == strlen(word) && strncasecmp(text.at, word, text.len) == 0;
}

/* Takes everything up to `end` off *rest; false when there is no such byte. */
static bool take_until(ns_text *rest, char end, ns_text *out)
{
    const char *hit = rest->len == 0 ? NULL : memchr(rest->at, end, rest->len);
    if (hit == NULL)
        return false;
    *out = (ns_text){rest->at, (size_t)(hit - rest->at)};
    *rest = (ns_text){hit + 1, rest->len - out->len - 1};
    return true;
}

/* A line ends with CR LF and holds neither inside. */
static bool take_line(ns_text *rest, ns_text *line)
{
    if (!take_until(rest, '\n', line) || line->len == 0 || line->at[line->len - 1] != '\r')
        return false;
    line->len--;
    return line->len == 0 || memchr(line->at, '\r', line->len) == NULL;
}

static bool read_target(ns_text target, ns_request_head *out)
{
    for (size_t i = 0; i < target.len; i++)
        if ((unsigned char)target.at[i] <= ' ' || (unsigned char)target.at[i] >= 0x7f || target.at[i] == '#')
            return false;
    if (ns_text_starts(target, "http://")) { /* as sent to proxies; a server takes it too */
        size_t i = strlen("http://");
        while (i < target.len && target.at[i] != '/')
            i++;
        target = (ns_text){target.at + i, target.len - i};
    }
    bool whole_server = ns_text_is(target, "*") && out->method == NS_HTTP_OPTIONS;
    if (!whole_server && !ns_text_starts(target, "/"))
        return false;
    out->path = target;
    out->query = (ns_text){target.at + target.len, 0};
    const char *mark = memchr(target.at, '?', target.len);
    if (mark != NULL) {
        out->path.len = (size_t)(mark - target.at);
        out->query = (ns_text){mark + 1, target.len - out->path.len - 1};
    }
    return true;
}

static int read_request_line(ns_text line, ns_request_head *out)
{
    ns_text method, target;
    if (!take_until(&line, ' ', &method) || !ns_is_token(method) || !take_until(&line, ' ', &target))
        return 400;
    if (ns_text_is(line, "HTTP/1.1"))
        out->minor = 1;
    else if (ns_text_is(line, "HTTP/1.0"))
        out->minor = 0;
    else
        return ns_text_starts(line, "HTTP/") && line.len == 8 ? 505 : 400;
    size_t m = 0;
    while (m < NS_COUNT_OF(method_names) && !ns_text_is(method, method_names[m]))
        m++;
    if (m == NS_COUNT_OF(method_names))
        return 501;
    out->method = (ns_http_method)m;
    return read_target(target, out) ? 0 : 400;
}

static ns_text without_blanks(ns_text value)
{
    while (value.len > 0 && (value.at[0] == ' ' || value.at[0] == '\t'))
        value = (ns_text){value.at + 1, value.len - 1};
    while (value.len > 0 && (value.at[value.len - 1] == ' ' || value.at[value.len - 1] == '\t'))
        value.len--;
    return value;
}

static int read_field(ns_text line, ns_request_head *out)
{
    ns_head_field field;
    if (!take_until(&line, ':', &field.name) || !ns_is_token(field.name)) /* a folded line starts with a blank */
        return 400;
    field.value = without_blanks(line);
    for (size_t i = 0; i < field.value.len; i++) {
        unsigned char c = (unsigned char)field.value.at[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return 400;
    }
    if (out->field_count == NS_HEAD_FIELDS_MAX)
        return 431;
    out->field[out->field_count++] = field;
    return 0;
}

static size_t count_fields(const ns_request_head *head, const char *name, ns_text *value)
{
    size_t n = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        if (!same_word(head->field[i].name, name))
            continue;
        if (n++ == 0)
            *value = head->field[i].value;
    }
    return n;
}

bool ns_head_field_of(const ns_request_head *head, const char *name, ns_text *value)
{
    return count_fields(head, name, value) > 0;
}

/* Is this word in a comma-separated list? */
static bool lists_word(ns_text list, const char *word)
{
    ns_text item;
    while (take_until(&list, ',', &item))
        if (same_word(without_blanks(item), word))
            return true;
    return same_word(without_blanks(list), word);
}

/* How long is the body? Two answers to that question are one too many. */
static int read_framing(ns_request_head *out)
{
    ns_text length, coding;
    size_t lengths = count_fields(out, "Content-Length", &length);
    size_t codings = count_fields(out, "Transfer-Encoding", &coding);
    out->content_length = -1;
    if (lengths + codings > 1)
        return 400;
    if (lengths == 1) {
        if (length.len == 0 || length.at[0] == '+' || length.at[0] == '-' ||
            !ns_text_int64(length, &out->content_length))
            return 400;
    }
    if (codings == 1) {
        if (out->minor == 0)
            return 400;
        if (!same_word(coding, "chunked"))
            return 501;
        out->chunked = true;
    }
    return 0;
}

static int read_connection(ns_request_head *out)
{
    ns_text value;
    size_t hosts = count_fields(out, "Host", &value);
    if (hosts > 1 || (hosts == 0 && out->minor == 1))
        return 400;
    out->keep_alive = out->minor == 1;
    if (ns_head_field_of(out, "Connection", &value) && lists_word(value, "close"))
        out->keep_alive = false;
    if (ns_head_field_of(out, "Expect", &value)) {
        if (!same_word(value, "100-continue"))
            return 417;
        out->expects_continue = out->minor == 1;
    }
    return 0;
}

int ns_head_read(ns_text bytes, ns_request_head *out)
{
    ns_text line;
    *out = (ns_request_head){.content_length = -1};
    if (!take_line(&bytes, &line))
        return 400;
    int code = read_request_line(line, out);
    while (code == 0) {
        if (!take_line(&bytes, &line))
            return 400;
        if (line.len == 0)
            break;
        code = read_field(line, out);
    }
    if (code == 0)
        code = read_framing(out);
    if (code == 0)
        code = read_connection(out);
    return code;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int read_size_byte(ns_chunks *chunks, char c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++chunks->digits > 15)
            return 413;
        chunks->left = chunks->left * 16 + (unsigned)digit;
        return 0;
    }
    if (chunks->digits == 0)
        return 400;
    if (c == '\r')
        chunks->state = NS_CHUNK_SIZE_LF;
    else if (c == ';' || c == ' ' || c == '\t')
        chunks->state = NS_CHUNK_EXTENSION;
    else
        return 400;
    return 0;
}

/* Extensions and trailers are read over: nothing in this program wants them. */
static int skip_byte(ns_chunks *chunks, char c, ns_chunk_state at_line_end)
{
    if (++chunks->overhead > OVERHEAD_MAX)
        return 413;
    if (c == '\r')
        chunks->state = at_line_end;
    return c == '\n' || c == '\0' ? 400 : 0;
}

static int expect_byte(ns_chunks *chunks, char c, char wanted, ns_chunk_state then)
{
    chunks->state = then;
    return c == wanted ? 0 : 400;
}

static int read_byte(ns_chunks *chunks, char c)
{
    switch (chunks->state) {
    case NS_CHUNK_SIZE:
        return read_size_byte(chunks, c);
    case NS_CHUNK_EXTENSION:
        return skip_byte(chunks, c, NS_CHUNK_SIZE_LF);
    case NS_CHUNK_SIZE_LF:
        return expect_byte(chunks, c, '\n', chunks->left == 0 ? NS_CHUNK_TRAILER : NS_CHUNK_DATA);
    case NS_CHUNK_DATA_CR:
        return expect_byte(chunks, c, '\r', NS_CHUNK_DATA_LF);
    case NS_CHUNK_DATA_LF:
        chunks->digits = 0;
        return expect_byte(chunks, c, '\n', NS_CHUNK_SIZE);
    case NS_CHUNK_TRAILER:
        chunks->state = c == '\r' ? NS_CHUNK_END_LF : NS_CHUNK_TRAILER_LINE;
        return c == '\r' ? 0 : skip_byte(chunks, c, NS_CHUNK_TRAILER_LF);
    case NS_CHUNK_TRAILER_LINE:
        return skip_byte(chunks, c, NS_CHUNK_TRAILER_LF);
    case NS_CHUNK_TRAILER_LF:
        return expect_byte(chunks, c, '\n', NS_CHUNK_TRAILER);
    case NS_CHUNK_END_LF:
        return expect_byte(chunks, c, '\n', NS_CHUNK_DONE);
    case NS_CHUNK_DATA:
    case NS_CHUNK_DONE:
        break;
    }
    return 500; /* not reached: these two read no single bytes */
}

static int read_data(ns_chunks *chunks, ns_text *in, ns_buf *body)
{
    size_t n = chunks->left < in->len ? (size_t)chunks->left : in->len;
    if (ns_buf_put(body, in->at, n) != NS_OK)
        return 500;
    chunks->left -= n;
    *in = (ns_text){in->at + n, in->len - n};
    if (chunks->left == 0)
        chunks->state = NS_CHUNK_DATA_CR;
    return 0;
}

int ns_chunks_read(ns_chunks *chunks, ns_text *in, ns_buf *body)
{
    int code = 0;
    while (code == 0 && in->len > 0 && chunks->state != NS_CHUNK_DONE) {
        if (chunks->state == NS_CHUNK_DATA) {
            code = read_data(chunks, in, body);
            continue;
        }
        code = read_byte(chunks, in->at[0]);
        *in = (ns_text){in->at + 1, in->len - 1};
        if (chunks->state == NS_CHUNK_DATA && chunks->left > body->ceiling - body->len)
            code = 413;
    }
    return code;
}
