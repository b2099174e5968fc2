#include "telemetry/redact.h"

#include "base/mem.h"
#include "telemetry/redact_literals.h"
#include "telemetry/redact_rules.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>

enum {
    RULES_MOST = 30,
    LITERAL_BIT = 30, /* the registered secrets */
    KEY_BIT = 31,     /* "-----BEGIN ... PRIVATE KEY" */
    BUCKETS = 62,     /* of the filter, for the rules' marks; */
    LITERAL_BUCKET,   /* one of its own for the secrets, which come and go; 64 in all */
    MARKS_MOST = 128,
    SPANS_MOST = 256, /* secrets in one line; with more the line is redacted whole */
    MATCH_LIMIT = 200000,
    KEY_LINES_MOST = 250, /* a 16384-bit RSA key has about 200 */
    KEY_LINE_LEAST = 32,  /* base64 characters of a line inside a key, its last one excepted */
    OVERLAP = 16 * 1024,  /* of a long line is looked at again in its next part: above any secret's length */
    JIT_STACK_LEAST = 32 * 1024,
    JIT_STACK_MOST = 1024 * 1024,
};

/* A secret inside a line: bytes at..end. `from`: where its match began (the name before it). */
typedef struct span {
    size_t from, at, end;
} span;

struct ns_redactor {
    pcre2_general_context *memory;
    pcre2_compile_context *compile;
    pcre2_match_context *match;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
    pcre2_code *rule[32]; /* by bit; NULL none */
    ns_redact_literals *literals;
    bool without_filter;
    /* Bit b of mark[k][c]: byte c may be the k-th byte of a mark in bucket b. Marks that share a bucket are mixed up,
     * which costs time but misses nothing. */
    uint64_t mark[4][256];
    uint64_t rule_mark[4][256]; /* the same without the literals', for building anew */
    uint32_t bucket_rules[64];  /* the rules that have a mark in this bucket */
    const char *marks[MARKS_MOST];
    size_t mark_count;
    span spans[SPANS_MOST];
    size_t span_count;
    ns_status lost; /* why the output could not take more */
    bool key_open;  /* the line just looked at begins a key block that does not end in it */
};

static void *gate_alloc(PCRE2_SIZE size, void *unused)
{
    (void)unused;
    return ns_alloc(1, size);
}

static void gate_free(void *block, void *unused)
{
    (void)unused;
    ns_free(block);
}

/* One byte of a mark, as redact_rules.h tells. */
static bool mark_takes(char mark, unsigned char c)
{
    unsigned char low = c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
    switch (mark) {
    case '?':
        return true;
    case '#':
        return (low >= '0' && low <= '9') || (low >= 'a' && low <= 'f');
    case '^':
        return c == '-' || c == '_' || c == '.' || c == ' ';
    default:
        return low == (unsigned char)mark;
    }
}

/* The bucket of this mark: each different mark gets the next one. */
static size_t bucket_of(ns_redactor *redactor, const char *mark)
{
    size_t i = 0;
    while (i < redactor->mark_count && strncmp(redactor->marks[i], mark, 4) != 0)
        i++;
    if (i == redactor->mark_count) {
        NS_CHECK(i < MARKS_MOST);
        redactor->marks[redactor->mark_count++] = mark;
    }
    return i % BUCKETS;
}

static void add_marks(ns_redactor *redactor, unsigned rule, const char *anchors)
{
    for (const char *mark = anchors; *mark != '\0'; mark += strspn(mark, " ")) {
        NS_CHECK(strcspn(mark, " ") == 4);
        size_t bucket = bucket_of(redactor, mark);
        redactor->bucket_rules[bucket] |= 1u << rule;
        for (size_t k = 0; k < 4; k++)
            for (unsigned c = 0; c < 256; c++)
                if (mark_takes(mark[k], (unsigned char)c))
                    redactor->rule_mark[k][c] |= (uint64_t)1 << bucket;
        mark += 4;
    }
}

/* Which rules may match somewhere in this text. */
static uint32_t rules_for(const ns_redactor *redactor, ns_text text)
{
    if (redactor->without_filter)
        return UINT32_MAX;
    uint64_t found = 0;
    const unsigned char *c = (const unsigned char *)text.at;
    for (size_t i = 0; i + 4 <= text.len; i++)
        found |= redactor->mark[0][c[i]] & redactor->mark[1][c[i + 1]] & redactor->mark[2][c[i + 2]] &
                 redactor->mark[3][c[i + 3]];
    uint32_t rules = 0;
    for (size_t bucket = 0; found != 0; bucket++, found >>= 1)
        if ((found & 1) != 0)
            rules |= redactor->bucket_rules[bucket];
    return rules;
}

static pcre2_code *compile(ns_redactor *redactor, ns_text pattern, uint32_t options)
{
    int why = 0;
    PCRE2_SIZE where = 0;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern.at, pattern.len, options | PCRE2_NEVER_UTF, &why, &where, redactor->compile);
    /* The patterns are ours: anything but want of memory is a mistake of our own. */
    NS_CHECK(code != NULL || why == PCRE2_ERROR_HEAP_FAILED || why == PCRE2_ERROR_NOMEMORY);
    if (code != NULL)
        (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* where it is not to be had, pcre2_match interprets */
    return code;
}

static ns_status use_literals(ns_redactor *redactor)
{
    memcpy(redactor->mark, redactor->rule_mark, sizeof redactor->mark);
    pcre2_code *code = NULL;
    if (ns_redact_literals_count(redactor->literals) > 0) {
        ns_buf pattern;
        ns_buf_init(&pattern, 16u << 20);
        if (ns_redact_literals_pattern(redactor->literals, &pattern) == NS_OK)
            code = compile(redactor, ns_buf_view(&pattern), 0);
        ns_buf_clear(&pattern);
        if (code == NULL)
            return NS_NO_MEMORY;
        ns_redact_literals_mark(redactor->literals, redactor->mark, (uint64_t)1 << LITERAL_BUCKET);
    }
    pcre2_code_free(redactor->rule[LITERAL_BIT]);
    redactor->rule[LITERAL_BIT] = code;
    return NS_OK;
}

static bool make_contexts(ns_redactor *redactor, uint32_t limit)
{
    redactor->memory = pcre2_general_context_create(gate_alloc, gate_free, NULL);
    if (redactor->memory == NULL)
        return false;
    redactor->compile = pcre2_compile_context_create(redactor->memory);
    redactor->match = pcre2_match_context_create(redactor->memory);
    redactor->data = pcre2_match_data_create(2, redactor->memory);
    redactor->stack = pcre2_jit_stack_create(JIT_STACK_LEAST, JIT_STACK_MOST, redactor->memory);
    redactor->literals = ns_redact_literals_new();
    if (redactor->compile == NULL || redactor->match == NULL || redactor->data == NULL || redactor->literals == NULL)
        return false;
    (void)pcre2_set_match_limit(redactor->match, limit);
    (void)pcre2_set_depth_limit(redactor->match, limit);
    (void)pcre2_set_heap_limit(redactor->match, 8 * 1024); /* KiB, of the interpreter */
    if (redactor->stack != NULL)
        pcre2_jit_stack_assign(redactor->match, NULL, redactor->stack);
    return true;
}

static bool make_rules(ns_redactor *redactor)
{
    NS_CHECK(ns_redact_rule_count <= RULES_MOST);
    for (unsigned i = 0; i < ns_redact_rule_count; i++) {
        const ns_redact_rule *rule = &ns_redact_rules[i];
        add_marks(redactor, i, rule->anchors);
        redactor->rule[i] = compile(redactor, ns_text_of(rule->pattern), PCRE2_CASELESS);
        if (redactor->rule[i] == NULL)
            return false;
    }
    add_marks(redactor, KEY_BIT, "begi");
    redactor->bucket_rules[LITERAL_BUCKET] = 1u << LITERAL_BIT;
    memcpy(redactor->mark, redactor->rule_mark, sizeof redactor->mark);
    return true;
}

ns_status ns_redactor_new(const ns_redactor_options *options, ns_redactor **out, ns_error *err)
{
    static const ns_redactor_options none = {0};
    const ns_redactor_options *o = options == NULL ? &none : options;
    ns_redactor *redactor = NS_NEW(ns_redactor);
    if (redactor == NULL)
        return ns_fail(err, NS_NO_MEMORY, "redactor");
    redactor->without_filter = o->without_filter;
    if (!make_contexts(redactor, o->match_limit == 0 ? MATCH_LIMIT : o->match_limit) || !make_rules(redactor)) {
        ns_redactor_free(redactor);
        return ns_fail(err, NS_NO_MEMORY, "redactor");
    }
    ns_status status = NS_OK;
    for (size_t i = 0; i < o->secret_count && status == NS_OK; i++)
        if (o->secrets[i] != NULL && o->secrets[i][0] != '\0')
            status = ns_redact_literals_add(redactor->literals, ns_text_of(o->secrets[i]), err);
    if (status == NS_OK && use_literals(redactor) != NS_OK)
        status = ns_fail(err, NS_NO_MEMORY, "redactor");
    if (status != NS_OK) {
        ns_redactor_free(redactor);
        return status;
    }
    *out = redactor;
    return NS_OK;
}

ns_status ns_redactor_add(ns_redactor *redactor, ns_text secret, ns_error *err)
{
    size_t before = ns_redact_literals_count(redactor->literals);
    ns_status status = ns_redact_literals_add(redactor->literals, secret, err);
    if (status != NS_OK || ns_redact_literals_count(redactor->literals) == before)
        return status;
    status = use_literals(redactor);
    if (status != NS_OK) {
        ns_redact_literals_cut(redactor->literals, before);
        ns_redact_literals_mark(redactor->literals, redactor->mark,
                                (uint64_t)1 << LITERAL_BUCKET); /* the code is the old one */
        return ns_fail(err, status, "redactor: one more secret");
    }
    return NS_OK;
}

void ns_redactor_free(ns_redactor *redactor)
{
    if (redactor == NULL)
        return;
    for (size_t i = 0; i < NS_COUNT_OF(redactor->rule); i++)
        pcre2_code_free(redactor->rule[i]);
    ns_redact_literals_free(redactor->literals);
    pcre2_jit_stack_free(redactor->stack);
    pcre2_match_data_free(redactor->data);
    pcre2_match_context_free(redactor->match);
    pcre2_compile_context_free(redactor->compile);
    pcre2_general_context_free(redactor->memory);
    ns_free(redactor);
}

/* Appends to the output and remembers why the first append was lost. */
static void give(ns_redactor *redactor, ns_buf *out, const char *at, size_t len)
{
    bool failed = out->failed;
    ns_status status = ns_buf_put(out, at, len);
    if (!failed)
        redactor->lost = status;
}

static bool add_span(ns_redactor *redactor, size_t from, size_t at, size_t end)
{
    if (redactor->span_count == SPANS_MOST)
        return false;
    size_t i = redactor->span_count++;
    for (; i > 0 && redactor->spans[i - 1].at > at; i--)
        redactor->spans[i] = redactor->spans[i - 1];
    redactor->spans[i] = (span){from, at, end};
    return true;
}

/* All secrets that one rule finds. False: it cannot be told (limit hit, too many). */
static bool run_rule(ns_redactor *redactor, unsigned bit, ns_text line)
{
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(redactor->data);
    for (size_t from = 0; from <= line.len;) {
        int rc =
            pcre2_match(redactor->rule[bit], (PCRE2_SPTR)line.at, line.len, from, 0, redactor->data, redactor->match);
        if (rc == PCRE2_ERROR_NOMATCH)
            return true;
        if (rc < 0)
            return false;
        bool group = rc > 1 && v[2] != PCRE2_UNSET;
        size_t at = group ? v[2] : v[0], end = group ? v[3] : v[1];
        if (end > at && !add_span(redactor, v[0], at, end))
            return false;
        /* Registered secrets may overlap each other: look again from the next byte. */
        size_t next = bit == LITERAL_BIT ? at + 1 : end;
        from = next > from ? next : from + 1;
    }
    return true;
}

static bool find_keys(ns_redactor *redactor, ns_text line)
{
    for (size_t from = 0; from < line.len;) {
        ns_text rest = {line.at + from, line.len - from};
        ptrdiff_t begin = ns_text_find(rest, "-----BEGIN ");
        if (begin < 0)
            return true;
        size_t at = from + (size_t)begin;
        size_t near = line.len - at < 64 ? line.len - at : 64;
        from = at + 11;
        if (ns_text_find((ns_text){line.at + at, near}, "PRIVATE KEY") < 0)
            continue;
        rest = (ns_text){line.at + from, line.len - from};
        ptrdiff_t close = ns_text_find(rest, "-----END ");
        size_t end = line.len;
        if (close >= 0) {
            end = from + (size_t)close + 9;
            ptrdiff_t dashes = ns_text_find((ns_text){line.at + end, line.len - end}, "-----");
            end = dashes < 0 ? line.len : end + (size_t)dashes + 5;
        }
        redactor->key_open = close < 0;
        if (!add_span(redactor, at, at, end))
            return false;
        from = end;
    }
    return true;
}

/* Fills redactor->spans, sorted by place. False: redact the line whole. */
static bool find_secrets(ns_redactor *redactor, ns_text line, uint32_t rules)
{
    redactor->span_count = 0;
    redactor->key_open = false;
    if ((rules >> KEY_BIT & 1u) != 0 && !find_keys(redactor, line))
        return false;
    for (unsigned bit = 0; bit <= LITERAL_BIT; bit++)
        if ((rules >> bit & 1u) != 0 && redactor->rule[bit] != NULL && !run_rule(redactor, bit, line))
            return false;
    return true;
}

/* The first `upto` bytes of the line with the found spans replaced; no span lies across that end. */
static void put_redacted(ns_redactor *redactor, ns_text line, size_t upto, ns_buf *out)
{
    size_t done = 0;
    for (size_t i = 0; i < redactor->span_count && redactor->spans[i].at < upto; i++) {
        const span *s = &redactor->spans[i];
        if (s->end <= done)
            continue;
        if (s->at >= done && !(s->at == done && done > 0)) {
            give(redactor, out, line.at + done, s->at - done);
            give(redactor, out, NS_REDACTED, sizeof NS_REDACTED - 1);
        }
        done = s->end;
    }
    if (done < upto)
        give(redactor, out, line.at + done, upto - done);
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
           c == '=';
}

/* True: the line belongs to the key block that the stream is in (a time stamp may stand before it). */
static bool in_key_block(ns_redact_stream *stream, ns_text line)
{
    ns_text text = ns_text_trim(line);
    if (text.len == 0)
        return true;
    if (ns_text_find(text, "-----END ") >= 0) {
        stream->key_lines = 0;
        return true;
    }
    if (ns_text_find(text, "Proc-Type: ") >= 0 || ns_text_find(text, "DEK-Info: ") >= 0)
        return true;
    size_t word = 0;
    while (word < text.len && is_base64(text.at[text.len - 1 - word]))
        word++;
    bool whole = word == text.len || text.at[text.len - 1 - word] == ' ' || text.at[text.len - 1 - word] == '\t';
    if (word == 0 || !whole || stream->key_ending || (word < KEY_LINE_LEAST && !stream->key_body))
        return false;
    stream->key_body = true;
    stream->key_ending = word < KEY_LINE_LEAST;
    return true;
}

static void enter_key_block(ns_redact_stream *stream)
{
    stream->key_lines = KEY_LINES_MOST;
    stream->key_body = false;
    stream->key_ending = false;
}

/* A whole line (or the last part of a long one), without its LF. */
static void put_line(ns_redactor *redactor, ns_redact_stream *stream, ns_text line, uint32_t rules, ns_buf *out)
{
    if (stream->key_lines > 0) {
        stream->key_lines--;
        if (in_key_block(stream, line)) {
            if (ns_text_trim(line).len > 0)
                give(redactor, out, NS_REDACTED, sizeof NS_REDACTED - 1);
            return;
        }
        stream->key_lines = 0;
    }
    if (rules == 0) {
        give(redactor, out, line.at, line.len);
        return;
    }
    if (!find_secrets(redactor, line, rules))
        give(redactor, out, NS_REDACTED, sizeof NS_REDACTED - 1);
    else
        put_redacted(redactor, line, line.len, out);
    if (redactor->key_open)
        enter_key_block(stream);
}

/* A match that begins before this place and ends behind it; NULL when there is none. */
static const span *across(const ns_redactor *redactor, size_t place)
{
    for (size_t i = 0; i < redactor->span_count; i++)
        if (redactor->spans[i].from < place && redactor->spans[i].end > place)
            return &redactor->spans[i];
    return NULL;
}

/*
 * A part of a line longer than the ceiling: gives out its beginning and returns how many bytes that took. It is cut
 * OVERLAP bytes before the end, or earlier, at the start of a match that lies across the cut. A match that fills the
 * part from its first byte is redacted, and when it reaches the part's end too, the rest of the line is dropped.
 */
static size_t put_part(ns_redactor *redactor, ns_redact_stream *stream, ns_text part, ns_buf *out)
{
    stream->key_lines = 0; /* no line of a key block is that long */
    if (!find_secrets(redactor, part, rules_for(redactor, part))) {
        stream->swallowing = true;
        give(redactor, out, NS_REDACTED, sizeof NS_REDACTED - 1);
        return part.len;
    }
    size_t cut = part.len - OVERLAP;
    while (cut > 0 && across(redactor, cut) != NULL)
        cut = across(redactor, cut)->from;
    if (cut == 0)
        for (const span *s = redactor->spans; s != NULL; s = across(redactor, cut))
            cut = s->end;
    if (cut == part.len) {
        stream->swallowing = true;
        if (redactor->key_open)
            enter_key_block(stream);
    }
    put_redacted(redactor, part, cut, out);
    return cut;
}

/* Takes whole lines, and parts of long ones, off *text. What remains is the beginning of a line. */
static void take_lines(ns_redactor *redactor, ns_redact_stream *stream, ns_text *text, ns_buf *out)
{
    size_t clean = 0; /* bytes at text->at that go out as they are */
    while (clean < text->len) {
        ns_text rest = {text->at + clean, text->len - clean};
        size_t window = rest.len < NS_REDACT_LINE_CEILING ? rest.len : NS_REDACT_LINE_CEILING;
        const char *end = memchr(rest.at, '\n', window);
        if (end == NULL && rest.len < NS_REDACT_LINE_CEILING)
            break;
        ns_text line = {rest.at, end == NULL ? window : (size_t)(end - rest.at)};
        uint32_t rules = end == NULL ? 0 : rules_for(redactor, line);
        if (end != NULL && rules == 0 && stream->key_lines == 0 && !stream->swallowing) {
            clean += line.len + 1;
            continue;
        }
        give(redactor, out, text->at, clean);
        clean = 0;
        size_t took = line.len;
        if (!stream->swallowing && end == NULL)
            took = put_part(redactor, stream, line, out);
        else if (!stream->swallowing)
            put_line(redactor, stream, line, rules, out);
        if (end != NULL) {
            give(redactor, out, "\n", 1);
            stream->swallowing = false;
            took++;
        }
        *text = (ns_text){rest.at + took, rest.len - took};
    }
    if (clean > 0)
        give(redactor, out, text->at, clean);
    *text = (ns_text){text->at + clean, text->len - clean};
}

static ns_status state_of(const ns_redactor *redactor, const ns_redact_stream *stream, const ns_buf *out)
{
    if (stream->kept.failed)
        return NS_NO_MEMORY;
    return !out->failed ? NS_OK : redactor->lost != NS_OK ? redactor->lost : NS_TOO_LARGE;
}

ns_status ns_redact_stream_put(ns_redactor *redactor, ns_redact_stream *stream, ns_text piece, ns_buf *out)
{
    ns_buf *kept = &stream->kept;
    if (kept->ceiling == 0)
        ns_buf_init(kept, NS_REDACT_LINE_CEILING + 1);
    /* Complete the line that was begun: at most to its LF, never above the ceiling. */
    while (kept->len > 0 && piece.len > 0 && !kept->failed) {
        size_t take = NS_REDACT_LINE_CEILING - kept->len;
        take = take < piece.len ? take : piece.len;
        const char *end = memchr(piece.at, '\n', take);
        take = end == NULL ? take : (size_t)(end - piece.at) + 1;
        (void)ns_buf_put(kept, piece.at, take);
        piece = (ns_text){piece.at + take, piece.len - take};
        if (end == NULL && kept->len < NS_REDACT_LINE_CEILING)
            continue; /* neither a line nor a part of one yet */
        ns_text begun = ns_buf_view(kept);
        take_lines(redactor, stream, &begun, out);
        ns_buf_drop(kept, kept->len - begun.len);
    }
    take_lines(redactor, stream, &piece, out);
    if (piece.len > 0 && !stream->swallowing)
        (void)ns_buf_text(kept, piece);
    return state_of(redactor, stream, out);
}

ns_status ns_redact_stream_end(ns_redactor *redactor, ns_redact_stream *stream, ns_buf *out)
{
    ns_text line = ns_buf_view(&stream->kept);
    if (line.len > 0)
        put_line(redactor, stream, line, rules_for(redactor, line), out);
    ns_status status = state_of(redactor, stream, out);
    ns_redact_stream_clear(stream);
    return status;
}

void ns_redact_stream_clear(ns_redact_stream *stream)
{
    ns_buf_clear(&stream->kept);
    *stream = (ns_redact_stream){0};
}

ns_status ns_redact_text(ns_redactor *redactor, ns_text text, ns_buf *out)
{
    ns_redact_stream stream = {0};
    take_lines(redactor, &stream, &text, out);
    if (text.len > 0 && !stream.swallowing)
        put_line(redactor, &stream, text, rules_for(redactor, text), out);
    return state_of(redactor, &stream, out);
}

const char *ns_redact_copy(ns_redactor *redactor, char *out, size_t size, ns_text text)
{
    ns_buf clean;
    ns_buf_init(&clean, text.len * 4 + 1024);
    if (ns_redact_text(redactor, text, &clean) == NS_OK)
        (void)ns_text_copy(out, size, ns_buf_view(&clean));
    else
        (void)ns_text_copy(out, size, NS_TEXT(NS_REDACTED));
    ns_buf_clear(&clean);
    return out;
}
