#include "lab/judged_lines.h"

#include "lab/visible.h"
#include "prediction/log_lines.h"

enum { LOG_CEILING = 512 << 20 };

static bool form_of(const ns_line_table *table, size_t i, uint64_t hash, uint32_t *out)
{
    const ns_table_log *log = &table->logs[i];
    for (size_t k = 0; k < log->count; k++) {
        if (table->forms[log->entries[k].form].hash == hash) {
            *out = log->entries[k].form;
            return true;
        }
    }
    return false;
}

static void tell(const ns_line_table *table, size_t i, const ns_visible *visible, ns_judged_told *told, void *owner)
{
    const ns_corpus_log *log = ns_corpus_at(table->corpus, i);
    ns_text text = ns_buf_view(&visible->text);
    ns_log_lines lines;
    ns_log_line line;
    uint32_t form;
    ns_log_lines_init(&lines);
    while (ns_log_lines_next(&lines, &text, &line)) {
        size_t at = (size_t)line.number - 1;
        for (size_t k = 0; at < visible->lines && k < log->judged_count; k++)
            if (log->judged[k].line == (int64_t)visible->raw_line[at] && form_of(table, i, line.hash, &form))
                told(owner, form, log->judged[k].telling);
    }
}

ns_status ns_judged_lines(const ns_line_table *table, size_t i, ns_judged_told *told, void *owner, ns_error *err)
{
    ns_buf raw;
    ns_visible visible;
    if (ns_corpus_at(table->corpus, i)->judged_count == 0)
        return NS_OK;
    ns_buf_init(&raw, LOG_CEILING);
    ns_visible_init(&visible);
    ns_status status = ns_corpus_read(table->corpus, i, &raw, err);
    if (status == NS_OK)
        status = ns_visible_of(&visible, ns_buf_view(&raw), err);
    if (status == NS_OK)
        tell(table, i, &visible, told, owner);
    ns_visible_clear(&visible);
    ns_buf_clear(&raw);
    return status;
}
