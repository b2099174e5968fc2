/*
 * Any bytes are a log. The first byte says how it is cut. Cut or whole, the same readable lines come out: numbered in
 * order, none that is not to be read, each with a template that is well-formed, within its ceiling and not empty.
 */
#include "prediction/log_lines.h"
#include "prediction/status_lines.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* What came out, as one number. */
typedef struct summary {
    uint64_t hash;
    int64_t last, lines;
} summary;

static void take(summary *sum, const ns_log_line *line)
{
    must(line->number > sum->last && line->hash != 0);
    must(line->form.len > 0 && line->form.len <= NS_TEMPLATE_MAX);
    must(ns_line_kind_of(line->text) == NS_LINE_readable);
    for (size_t at = 0, n; at < line->form.len; at += n)
        must((n = ns_utf8_sequence((ns_text){line->form.at + at, line->form.len - at})) > 0);
    sum->last = line->number;
    sum->lines++;
    sum->hash = sum->hash * 31 + line->hash + (uint64_t)line->number + ns_hash(line->text);
}

static summary read_in_pieces(ns_text log, size_t step)
{
    static ns_log_lines lines;
    summary sum = {0};
    ns_log_line line;
    char form[NS_TEMPLATE_MAX];
    ns_log_lines_init(&lines);
    for (size_t at = 0; at < log.len; at += step) {
        ns_text rest = {log.at + at, log.len - at < step ? log.len - at : step};
        while (ns_log_lines_next(&lines, &rest, &line))
            take(&sum, &line);
        must(rest.len == 0);
    }
    if (ns_log_lines_open(&lines, &line, form))
        take(&sum, &line);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t step = size > 0 ? (size_t)data[0] + 1 : 1;
    ns_text log = {(const char *)data + (size > 0), size - (size > 0)};
    summary whole = read_in_pieces(log, log.len + 1), pieces = read_in_pieces(log, step);
    must(whole.hash == pieces.hash && whole.lines == pieces.lines && whole.last == pieces.last);
    return 0;
}
