#include "prediction/log_lines.h"

#include "prediction/status_lines.h"

void ns_log_lines_init(ns_log_lines *lines)
{
    ns_cleaner_init(&lines->cleaner);
    lines->afterwards = false;
}

/* A fold mark that the line was drawn over counts too: "travis_fold:start:after_script\r$ ./report". */
static ns_line_kind kind_of(const ns_cleaner *cleaner, ns_text text)
{
    ns_text mark = ns_cleaner_mark(cleaner);
    if (mark.len > 0 && ns_line_kind_of(mark) == NS_LINE_afterwards)
        return NS_LINE_afterwards;
    return ns_line_kind_of(text);
}

static bool form_of(ns_log_line *out, ns_text text, int64_t number, char form[NS_TEMPLATE_MAX])
{
    *out = (ns_log_line){.number = number, .text = text, .form = ns_template_text(text, form)};
    out->hash = ns_template_hash(out->form);
    return out->form.len > 0;
}

bool ns_log_lines_next(ns_log_lines *lines, ns_text *rest, ns_log_line *out)
{
    ns_text raw;
    while (ns_cleaner_next(&lines->cleaner, rest, &raw)) {
        if (lines->afterwards)
            continue;
        ns_text text = ns_line_skip_stamps(raw);
        ns_line_kind kind = kind_of(&lines->cleaner, text);
        lines->afterwards = kind == NS_LINE_afterwards;
        if (kind == NS_LINE_readable && form_of(out, text, lines->cleaner.lines, lines->form))
            return true;
    }
    return false;
}

bool ns_log_lines_open(const ns_log_lines *lines, ns_log_line *out, char form[NS_TEMPLATE_MAX])
{
    ns_text raw = ns_cleaner_open_line(&lines->cleaner);
    if (lines->afterwards || raw.len == 0)
        return false;
    ns_text text = ns_line_skip_stamps(raw);
    return kind_of(&lines->cleaner, text) == NS_LINE_readable && form_of(out, text, lines->cleaner.lines + 1, form);
}
