#include "wire/csv.h"

#include "wire/number.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void comma(ns_buf *row, bool first)
{
    if (!first)
        (void)ns_buf_char(row, ',');
}

static bool needs_quotes(ns_text value)
{
    for (size_t i = 0; i < value.len; i++)
        if (strchr(",\"\r\n", value.at[i]) != NULL && value.at[i] != '\0')
            return true;
    return value.len > 0 && (value.at[0] == ' ' || value.at[value.len - 1] == ' ');
}

/* A spreadsheet would run it: OWASP, "CSV injection". */
static bool is_formula(ns_text value)
{
    return value.len > 0 && value.at[0] != '\0' && strchr("=+-@\t\r", value.at[0]) != NULL;
}

void ns_csv_text(ns_buf *row, bool first, ns_text value)
{
    comma(row, first);
    bool quoted = needs_quotes(value);
    if (quoted)
        (void)ns_buf_char(row, '"');
    if (is_formula(value))
        (void)ns_buf_char(row, '\'');
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] == '"')
            (void)ns_buf_char(row, '"');
        (void)ns_buf_char(row, value.at[i]);
    }
    if (quoted)
        (void)ns_buf_char(row, '"');
}

void ns_csv_real(ns_buf *row, bool first, double value)
{
    char digits[NS_REAL_TEXT_MAX];
    comma(row, first);
    if (!isnan(value))
        (void)ns_buf_string(row, ns_real_text(value, digits));
}

void ns_csv_int(ns_buf *row, bool first, int64_t value)
{
    comma(row, first);
    (void)ns_buf_printf(row, "%" PRId64, value);
}

void ns_csv_end(ns_buf *row)
{
    (void)ns_buf_char(row, '\n');
}

/* Where a cell ends, and whether it kept the rules. */
typedef struct span {
    size_t end;  /* index of the comma or line end behind it, or text.len */
    bool quoted; /* the text between the quotes is at[1] .. at[end - 2] */
    bool good;
} span;

/* Does the record end at i: end of text, LF or CR LF? */
static bool at_line_end(ns_text text, size_t i)
{
    return i >= text.len || text.at[i] == '\n' || (text.at[i] == '\r' && i + 1 < text.len && text.at[i + 1] == '\n');
}

static span unquoted_span(ns_text text, size_t i)
{
    span found = {.good = true};
    while (!at_line_end(text, i) && text.at[i] != ',') {
        found.good &= text.at[i] != '"';
        i++;
    }
    found.end = i;
    return found;
}

static span quoted_span(ns_text text, size_t i)
{
    for (i++; i < text.len; i++) {
        if (text.at[i] != '"')
            continue;
        if (i + 1 >= text.len || text.at[i + 1] != '"')
            return (span){.end = i + 1, .quoted = true, .good = at_line_end(text, i + 1) || text.at[i + 1] == ','};
        i++;
    }
    return (span){.end = text.len, .quoted = true, .good = false};
}

static span span_of(ns_text text, size_t i)
{
    return i < text.len && text.at[i] == '"' ? quoted_span(text, i) : unquoted_span(text, i);
}

/* Length of the record without its line end; *good is false when a cell broke the rules. */
static size_t record_length(ns_text text, bool *good)
{
    *good = true;
    for (size_t i = 0;; i++) {
        span cell = span_of(text, i);
        *good &= cell.good;
        i = cell.end;
        if (!cell.good) /* the quotes cannot be believed any more: the line ends where the line ends */
            while (!at_line_end(text, i))
                i++;
        if (at_line_end(text, i))
            return i;
    }
}

static ns_status visit_cell(ns_text raw, bool quoted, size_t column, ns_buf *scratch, ns_csv_cell *visit, void *owner)
{
    ns_status status = NS_OK;
    ns_buf_reset(scratch);
    if (quoted)
        raw = (ns_text){raw.at + 1, raw.len - 2};
    for (size_t i = 0; i < raw.len && status == NS_OK; i++) {
        status = ns_buf_char(scratch, raw.at[i]);
        if (quoted && raw.at[i] == '"')
            i++; /* the second one of a doubled quote */
    }
    if (status == NS_OK)
        visit(owner, column, ns_buf_view(scratch));
    return status;
}

bool ns_csv_record(ns_text *rest, ns_buf *scratch, ns_csv_cell *visit, void *owner, ns_status *status)
{
    *status = NS_OK;
    if (rest->len == 0)
        return false;
    bool good;
    ns_text text = *rest;
    size_t length = record_length(text, &good);
    size_t taken = length;
    if (taken < text.len && text.at[taken] == '\r')
        taken++;
    if (taken < text.len && text.at[taken] == '\n')
        taken++;
    *rest = (ns_text){text.at + taken, text.len - taken};
    if (!good)
        *status = NS_BAD_INPUT;
    size_t column = 0;
    for (size_t i = 0; *status == NS_OK && i <= length; column++) {
        span cell = span_of((ns_text){text.at, length}, i);
        *status = visit_cell((ns_text){text.at + i, cell.end - i}, cell.quoted, column, scratch, visit, owner);
        i = cell.end + 1;
    }
    return true;
}
