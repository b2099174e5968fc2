#include "lab/line_table.h"

#include "base/arena.h"
#include "base/mem.h"
#include "lab/visible.h"
#include "prediction/judge_tally.h"
#include "prediction/log_lines.h"

#include <string.h>

#define TEXTS_MAX ((size_t)4 << 30)

static size_t bits_bytes(const ns_line_table *table)
{
    return table->form_count / 8 + 1;
}

static size_t slot_of(const ns_line_table *table, uint64_t hash)
{
    size_t i = (size_t)(hash ^ hash >> 29) & (table->slots - 1);
    while (table->slot[i] != 0 && table->forms[table->slot[i] - 1].hash != hash)
        i = (i + 1) & (table->slots - 1);
    return i;
}

static ns_status grow_slots(ns_line_table *table)
{
    size_t slots = table->slots == 0 ? (size_t)1 << 16 : 2 * table->slots;
    uint32_t *slot = NS_NEW_ARRAY(uint32_t, slots);
    if (slot == NULL)
        return NS_NO_MEMORY;
    ns_free(table->slot);
    table->slot = slot;
    table->slots = slots;
    for (size_t i = 0; i < table->form_count; i++)
        table->slot[slot_of(table, table->forms[i].hash)] = (uint32_t)i + 1;
    return NS_OK;
}

static ns_status grow_forms(ns_line_table *table)
{
    if (table->form_count < table->form_room)
        return NS_OK;
    size_t room = table->form_room == 0 ? 4096 : 2 * table->form_room;
    ns_table_form *forms = ns_realloc(table->forms, room, sizeof forms[0]);
    if (forms == NULL)
        return NS_NO_MEMORY;
    table->forms = forms;
    table->form_room = room;
    return NS_OK;
}

static bool keep_text(ns_line_table *table, ns_text text, ns_text *out)
{
    char *copy = ns_arena_text(table->texts, text.at, text.len);
    *out = (ns_text){copy, text.len};
    return copy != NULL;
}

static ns_status form_of(ns_line_table *table, const ns_rules *rules, const ns_log_line *line, uint32_t *out)
{
    if (2 * table->form_count >= table->slots && grow_slots(table) != NS_OK)
        return NS_NO_MEMORY;
    size_t slot = slot_of(table, line->hash);
    if (table->slot[slot] == 0) {
        if (grow_forms(table) != NS_OK)
            return NS_NO_MEMORY;
        ns_table_form *form = &table->forms[table->form_count];
        *form = (ns_table_form){.hash = line->hash};
        if (!keep_text(table, line->form, &form->form) || !keep_text(table, line->text, &form->text))
            return NS_NO_MEMORY;
        ns_rules_look(rules, form->text, &form->said);
        table->slot[slot] = (uint32_t)++table->form_count;
    }
    *out = table->slot[slot] - 1;
    return NS_OK;
}

/* seen: (forms met so far in any log) number of the log that met it last, plus 1. */
typedef struct seen_forms {
    uint32_t *log;
    size_t room;
} seen_forms;

static ns_status first_time(seen_forms *seen, uint32_t form, size_t log, bool *first)
{
    if (form >= seen->room) {
        size_t room = seen->room == 0 ? 65536 : 2 * seen->room;
        uint32_t *grown = ns_realloc(seen->log, room, sizeof grown[0]);
        if (grown == NULL)
            return NS_NO_MEMORY;
        memset(&grown[seen->room], 0, (room - seen->room) * sizeof grown[0]);
        *seen = (seen_forms){grown, room};
    }
    *first = seen->log[form] != log + 1;
    seen->log[form] = (uint32_t)log + 1;
    return NS_OK;
}

static ns_status add_entry(ns_table_entry **entries, size_t *count, size_t *room, uint32_t form, size_t line)
{
    if (*count == *room) {
        size_t wanted = *room == 0 ? 256 : 2 * *room;
        ns_table_entry *grown = ns_realloc(*entries, wanted, sizeof grown[0]);
        if (grown == NULL)
            return NS_NO_MEMORY;
        *entries = grown;
        *room = wanted;
    }
    (*entries)[(*count)++] = (ns_table_entry){form, (uint32_t)line};
    return NS_OK;
}

static uint32_t entry_of(const ns_table_log *log, uint32_t form)
{
    for (size_t k = log->count; k-- > 0;)
        if (log->entries[k].form == form)
            return (uint32_t)k;
    return NS_TABLE_NO_FAULT;
}

/* fault: 1-based among the visible lines; 0 not known. */
static ns_status add_log(ns_line_table *table, const ns_rules *rules, seen_forms *seen, size_t i, ns_text text,
                         int64_t fault)
{
    ns_log_lines lines;
    ns_log_line line;
    ns_table_log *log = &table->logs[i];
    size_t room = 0, course_room = 0;
    ns_log_lines_init(&lines);
    while (ns_log_lines_next(&lines, &text, &line)) {
        uint32_t form;
        bool first;
        size_t at = (size_t)line.number - 1;
        log->jenkins = log->jenkins || ns_judge_jenkins_line(line.text, line.number);
        if (form_of(table, rules, &line, &form) != NS_OK || first_time(seen, form, i, &first) != NS_OK ||
            add_entry(&log->course, &log->course_count, &course_room, form, at) != NS_OK ||
            (first && add_entry(&log->entries, &log->count, &room, form, at) != NS_OK))
            return NS_NO_MEMORY;
        if (line.number == fault)
            table->logs[i].fault = entry_of(&table->logs[i], form);
    }
    return NS_OK;
}

static int64_t visible_line(const ns_visible *visible, int64_t raw_line)
{
    for (size_t k = 0; k < visible->lines; k++)
        if ((int64_t)visible->raw_line[k] == raw_line)
            return (int64_t)k + 1;
    return 0;
}

static ns_status read_log(ns_line_table *table, const ns_rules *rules, seen_forms *seen, size_t i, ns_visible *visible,
                          ns_error *err)
{
    ns_buf raw;
    ns_buf_init(&raw, (size_t)512 << 20);
    ns_status status = ns_corpus_read(table->corpus, i, &raw, err);
    if (status == NS_OK)
        status = ns_visible_of(visible, ns_buf_view(&raw), err);
    ns_buf_clear(&raw);
    if (status != NS_OK)
        return status;
    table->logs[i].lines = visible->lines;
    table->logs[i].fault = NS_TABLE_NO_FAULT;
    table->logs[i].reference_count =
        ns_corpus_references(table->corpus, i, table->logs[i].references, NS_TABLE_REFERENCES);
    const int64_t fault = visible_line(visible, ns_corpus_at(table->corpus, i)->fault_line);
    if (add_log(table, rules, seen, i, ns_buf_view(&visible->text), fault) != NS_OK)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the lines of %zu logs", ns_corpus_count(table->corpus));
    return NS_OK;
}

static ns_status mark_outcomes(ns_line_table *table)
{
    for (size_t p = 0; p < ns_corpus_projects(table->corpus); p++)
        if ((table->green[p] = NS_NEW_ARRAY(uint8_t, bits_bytes(table))) == NULL ||
            (table->failing[p] = NS_NEW_ARRAY(uint8_t, bits_bytes(table))) == NULL)
            return NS_NO_MEMORY;
    for (size_t i = 0; i < ns_corpus_count(table->corpus); i++) {
        const ns_corpus_log *log = ns_corpus_at(table->corpus, i);
        uint8_t *bits = (log->failing ? table->failing : table->green)[log->project_number];
        for (size_t k = 0; k < table->logs[i].count; k++) {
            uint32_t form = table->logs[i].entries[k].form;
            bits[form / 8] |= (uint8_t)(1U << (form % 8));
        }
    }
    return NS_OK;
}

static ns_status read_all(ns_line_table *table, ns_lab_told *told, void *owner, ns_error *err)
{
    ns_rules *rules = ns_rules_new();
    seen_forms seen = {NULL, 0};
    ns_visible visible;
    ns_visible_init(&visible);
    ns_status status = rules == NULL ? ns_fail(err, NS_NO_MEMORY, "no memory for the rules") : NS_OK;
    for (size_t i = 0; status == NS_OK && i < ns_corpus_count(table->corpus); i++) {
        status = read_log(table, rules, &seen, i, &visible, err);
        if (told != NULL)
            told(owner, i + 1, ns_corpus_count(table->corpus));
    }
    if (status == NS_OK && mark_outcomes(table) != NS_OK)
        status = ns_fail(err, NS_NO_MEMORY, "no memory for the templates of green and of failing logs");
    ns_visible_clear(&visible);
    ns_free(seen.log);
    ns_rules_free(rules);
    return status;
}

ns_status ns_line_table_new(const ns_corpus *corpus, ns_lab_told *told, void *owner, ns_line_table **out, ns_error *err)
{
    ns_line_table *table = NS_NEW(ns_line_table);
    if (table == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for a table of lines");
    table->corpus = corpus;
    table->texts = ns_arena_new(TEXTS_MAX);
    table->logs = NS_NEW_ARRAY(ns_table_log, ns_corpus_count(corpus));
    table->green = NS_NEW_ARRAY(uint8_t *, ns_corpus_projects(corpus));
    table->failing = NS_NEW_ARRAY(uint8_t *, ns_corpus_projects(corpus));
    ns_status status = table->texts == NULL || table->logs == NULL || table->green == NULL || table->failing == NULL
                           ? ns_fail(err, NS_NO_MEMORY, "no memory for a table of lines")
                           : read_all(table, told, owner, err);
    if (status != NS_OK) {
        ns_line_table_free(table);
        return status;
    }
    *out = table;
    return NS_OK;
}

void ns_line_table_free(ns_line_table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; table->logs != NULL && i < ns_corpus_count(table->corpus); i++) {
        ns_free(table->logs[i].entries);
        ns_free(table->logs[i].course);
    }
    for (size_t p = 0; p < ns_corpus_projects(table->corpus); p++) {
        ns_free(table->green == NULL ? NULL : table->green[p]);
        ns_free(table->failing == NULL ? NULL : table->failing[p]);
    }
    ns_arena_free(table->texts);
    ns_free(table->green);
    ns_free(table->failing);
    ns_free(table->logs);
    ns_free(table->forms);
    ns_free(table->slot);
    ns_free(table);
}

bool ns_table_green(const ns_line_table *table, size_t project, uint32_t form)
{
    return ns_table_bit(table->green[project], form);
}

bool ns_table_failing(const ns_line_table *table, size_t project, uint32_t form)
{
    return ns_table_bit(table->failing[project], form);
}

uint8_t *ns_table_known(const ns_line_table *table, size_t log)
{
    const ns_table_log *mine = &table->logs[log];
    uint8_t *bits = mine->reference_count == 0 ? NULL : NS_NEW_ARRAY(uint8_t, bits_bytes(table));
    if (bits == NULL)
        return NULL;
    for (size_t r = 0; r < mine->reference_count; r++) {
        const ns_table_log *green = &table->logs[mine->references[r]];
        for (size_t k = 0; k < green->count; k++)
            bits[green->entries[k].form / 8] |= (uint8_t)(1U << (green->entries[k].form % 8));
    }
    return bits;
}
