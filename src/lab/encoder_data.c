#include "lab/encoder_data.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- running text --- */

static bool once(uint8_t *seen, uint32_t form)
{
    const uint8_t bit = (uint8_t)(1u << (form % 8));
    if ((seen[form / 8] & bit) != 0)
        return false;
    seen[form / 8] |= bit;
    return true;
}

static uint8_t *bits_for(const ns_line_table *table)
{
    return NS_NEW_ARRAY(uint8_t, table->form_count / 8 + 1);
}

/* A sequence being put together. */
typedef struct text_pen {
    const ns_wordpiece *wordpiece;
    ns_window_marks marks;
    ns_sequences *out;
    int32_t *ids;
    size_t count, longest;
} text_pen;

static ns_status pen_end(text_pen *pen, ns_error *err)
{
    ns_status status = NS_OK;
    if (pen->count > 1)
        status = ns_sequences_add(pen->out, pen->ids, pen->count, NULL, true, err);
    pen->ids[0] = pen->marks.first;
    pen->count = 1;
    return status;
}

static ns_status pen_line(text_pen *pen, ns_text form, ns_error *err)
{
    int32_t line[NS_WINDOW_TOKENS];
    const size_t room = pen->longest - 2 < NS_WINDOW_LINE_PIECES ? pen->longest - 2 : NS_WINDOW_LINE_PIECES;
    const size_t count = ns_wordpiece_encode(pen->wordpiece, form, line, room);
    if (pen->count + count + 1 > pen->longest) {
        const ns_status status = pen_end(pen, err);
        if (status != NS_OK)
            return status;
    }
    memcpy(pen->ids + pen->count, line, count * sizeof *line);
    pen->count += count;
    pen->ids[pen->count++] = pen->marks.end;
    return NS_OK;
}

ns_status ns_masked_text(const ns_line_table *table, const bool *use, const ns_wordpiece *wordpiece, size_t longest,
                         ns_sequences *out, ns_error *err)
{
    text_pen pen = {.wordpiece = wordpiece, .out = out, .longest = longest};
    ns_status status = ns_window_marks_of(wordpiece, &pen.marks, err);
    if (status != NS_OK)
        return status;
    NS_CHECK(longest >= 8);
    uint8_t *seen = bits_for(table);
    pen.ids = NS_NEW_ARRAY(int32_t, longest);
    if (seen == NULL || pen.ids == NULL)
        status = ns_fail(err, NS_NO_MEMORY, "no memory to read %zu templates", table->form_count);
    for (size_t i = 0; status == NS_OK && i < ns_corpus_count(table->corpus); i++) {
        if (use != NULL && !use[i])
            continue;
        status = pen_end(&pen, err);
        for (size_t k = 0; status == NS_OK && k < table->logs[i].count; k++) {
            const uint32_t form = table->logs[i].entries[k].form;
            if (once(seen, form))
                status = pen_line(&pen, table->forms[form].form, err);
        }
    }
    if (status == NS_OK)
        status = pen_end(&pen, err);
    ns_free(seen);
    ns_free(pen.ids);
    return status;
}

/* --- windows --- */

void ns_window_list_init(ns_window_list *list, size_t ceiling)
{
    *list = (ns_window_list){0};
    ns_sequences_init(&list->windows, ceiling);
}

void ns_window_list_clear(ns_window_list *list)
{
    ns_sequences_clear(&list->windows);
    ns_free(list->suspicion);
    list->suspicion = NULL;
    list->room = list->speak_for = 0;
}

/* A line in question. */
typedef struct candidate {
    uint32_t log, entry;
    float suspicion;
} candidate;

typedef struct candidates {
    candidate *at;
    size_t count, room;
} candidates;

static bool put(candidates *list, candidate one)
{
    if (list->count == list->room) {
        const size_t more = list->room == 0 ? 1024 : list->room * 2;
        candidate *moved = ns_realloc(list->at, more, sizeof *moved);
        if (moved == NULL)
            return false;
        list->at = moved;
        list->room = more;
    }
    list->at[list->count++] = one;
    return true;
}

static int most_suspicious_first(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->suspicion != y->suspicion)
        return x->suspicion < y->suspicion ? 1 : -1;
    if (x->log != y->log)
        return x->log < y->log ? -1 : 1;
    return (x->entry > y->entry) - (x->entry < y->entry);
}

/* Leaves `count` of them: the most suspicious `hard`, and by chance of the others. */
static void thin_out(candidates *list, size_t count, size_t hard, ns_rng *rng)
{
    if (list->count <= count)
        return;
    qsort(list->at, list->count, sizeof *list->at, most_suspicious_first);
    for (size_t i = hard; i < count; i++) {
        const size_t j = i + (size_t)ns_rng_below(rng, list->count - i);
        const candidate kept = list->at[i];
        list->at[i] = list->at[j];
        list->at[j] = kept;
    }
    list->count = count;
}

typedef struct window_maker {
    const ns_line_table *table;
    const ns_wordpiece *wordpiece;
    ns_window_marks marks;
    const float *scores;
    ns_window_list *out;
    ns_rng rng;
} window_maker;

/* By the head for this kind of log, as a judge asks. */
static float suspicion(const window_maker *m, size_t log, uint32_t form)
{
    const size_t head = m->table->logs[log].jenkins ? NS_LINE_jenkins_all : NS_LINE_all;
    const float rule = (float)m->table->forms[form].said.weight;
    return m->scores != NULL ? m->scores[(size_t)form * NS_LINE_HEADS + head] : rule;
}

static ns_status add_window(window_maker *m, const candidate *c, const ns_train_label *label, ns_error *err)
{
    const ns_table_log *log = &m->table->logs[c->log];
    const size_t from = c->entry < NS_WINDOW_BEFORE ? 0 : c->entry - NS_WINDOW_BEFORE;
    ns_text lines[NS_WINDOW_BEFORE + 1];
    for (size_t k = from; k <= c->entry; k++)
        lines[k - from] = m->table->forms[log->entries[k].form].form;
    int32_t ids[NS_WINDOW_TOKENS];
    const ns_window window = {lines, c->entry - from + 1};
    const size_t count = ns_window_tokens(m->wordpiece, &m->marks, &window, ids, NS_WINDOW_TOKENS);
    ns_window_list *list = m->out;
    if (list->windows.count == list->room) {
        const size_t more = list->room == 0 ? 1024 : list->room * 2;
        float *moved = ns_realloc(list->suspicion, more, sizeof *moved);
        if (moved == NULL)
            return ns_fail(err, NS_NO_MEMORY, "no memory for %zu windows", more);
        list->suspicion = moved;
        list->room = more;
    }
    list->suspicion[list->windows.count] = suspicion(m, c->log, log->entries[c->entry].form);
    return ns_sequences_add(&list->windows, ids, count, label, true, err);
}

static bool project_has_green(const ns_line_table *table, size_t project)
{
    for (size_t i = 0; i < ns_corpus_count(table->corpus); i++) {
        const ns_corpus_log *log = ns_corpus_at(table->corpus, i);
        if (log->project_number == project && !log->failing)
            return true;
    }
    return false;
}

/* The line where the fault became visible is among them whatever else is, first of all. */
static void fault_first(const window_maker *m, candidates *list, uint32_t log)
{
    const uint32_t fault = m->table->logs[log].fault;
    for (size_t k = 0; fault != NS_TABLE_NO_FAULT && k < list->count; k++)
        if (list->at[k].entry == fault)
            list->at[k].suspicion = INFINITY;
}

/* Only a recorded fault is known for certain; the other lines of a failing log may be there for any reason, and its
 * cause may be somebody's guess. */
#define FAULT_COUNTS 4.0f
#define CAUSE_HINT   0.1f

static ns_train_label label_of(const window_maker *m, const candidate *c, float share)
{
    ns_train_label label = {.evidence = 1.0f, .evidence_weight = share, .cause = NS_IGNORE, .log = -1};
    const bool fault = m->table->logs[c->log].fault == c->entry;
    ns_cause cause;
    if (fault)
        label.evidence_weight = FAULT_COUNTS * share;
    if (ns_cause_parse(ns_text_of(ns_corpus_at(m->table->corpus, c->log)->cause), &cause) && cause != NS_CAUSE_none) {
        label.cause = (int32_t)cause;
        label.cause_weight = fault ? 1.0f : CAUSE_HINT * share;
    }
    return label;
}

/* What only this failing log (and others of its project that fail) have. */
static ns_status failing_log(window_maker *m, const ns_window_mix *mix, size_t i, candidates *list, ns_error *err)
{
    const ns_corpus_log *log = ns_corpus_at(m->table->corpus, i);
    list->count = 0;
    for (size_t k = 0; k < m->table->logs[i].count; k++) {
        const uint32_t form = m->table->logs[i].entries[k].form;
        if (!ns_table_green(m->table, log->project_number, form) &&
            !put(list, (candidate){(uint32_t)i, (uint32_t)k, suspicion(m, i, form)}))
            return ns_fail(err, NS_NO_MEMORY, "no memory for windows");
    }
    if (mix->top_share > 0.0)
        fault_first(m, list, (uint32_t)i);
    thin_out(list, mix->per_failing, (size_t)(mix->top_share * (double)mix->per_failing), &m->rng);
    const float share = list->count > 0 ? 1.0f / sqrtf((float)list->count) : 0.0f;
    ns_status status = NS_OK;
    for (size_t k = 0; status == NS_OK && k < list->count; k++) {
        const ns_train_label label = label_of(m, &list->at[k], share);
        status = add_window(m, &list->at[k], &label, err);
    }
    return status;
}

static ns_status all_failing(window_maker *m, const bool *use, const ns_window_mix *mix, candidates *list,
                             ns_error *err)
{
    ns_status status = NS_OK;
    for (size_t i = 0; status == NS_OK && i < ns_corpus_count(m->table->corpus); i++) {
        const ns_corpus_log *log = ns_corpus_at(m->table->corpus, i);
        if ((use == NULL || use[i]) && log->failing && project_has_green(m->table, log->project_number))
            status = failing_log(m, mix, i, list, err);
    }
    return status;
}

/* Each template of green logs once, where it was first met. */
static ns_status green_lines(window_maker *m, const bool *use, candidates *list, ns_error *err)
{
    uint8_t *seen = bits_for(m->table);
    bool ok = seen != NULL;
    list->count = 0;
    for (size_t i = 0; ok && i < ns_corpus_count(m->table->corpus); i++) {
        if ((use != NULL && !use[i]) || ns_corpus_at(m->table->corpus, i)->failing)
            continue;
        for (size_t k = 0; ok && k < m->table->logs[i].count; k++) {
            const uint32_t form = m->table->logs[i].entries[k].form;
            if (once(seen, form))
                ok = put(list, (candidate){(uint32_t)i, (uint32_t)k, suspicion(m, i, form)});
        }
    }
    ns_free(seen);
    return ok ? NS_OK : ns_fail(err, NS_NO_MEMORY, "no memory for windows");
}

static ns_status against(window_maker *m, const bool *use, const ns_window_mix *mix, candidates *list, size_t first,
                         ns_error *err)
{
    ns_status status = green_lines(m, use, list, err);
    if (status != NS_OK)
        return status;
    const size_t for_count = m->out->windows.count - first;
    if (list->count == 0 || for_count == 0)
        return ns_fail(err, NS_BAD_INPUT,
                       "the corpus has no %s to learn lines from: it needs failing and green logs of "
                       "the same projects",
                       for_count == 0 ? "failing log with a line of its own" : "green log");
    const size_t wanted = (size_t)(mix->against * (double)for_count) + 1;
    thin_out(list, wanted, (size_t)(mix->hard_share * (double)wanted), &m->rng);
    /* Both sides weigh the same together. */
    double weight = 0.0;
    for (size_t s = first; s < m->out->windows.count; s++)
        weight += (double)m->out->windows.labels[s].evidence_weight;
    const ns_train_label label = {
        .evidence_weight = (float)(weight / (double)list->count), .cause = NS_IGNORE, .log = -1};
    for (size_t k = 0; status == NS_OK && k < list->count; k++)
        status = add_window(m, &list->at[k], &label, err);
    return status;
}

ns_status ns_labelled_windows(const ns_line_table *table, const bool *use, const float *scores,
                              const ns_wordpiece *wordpiece, const ns_window_mix *mix, ns_window_list *out,
                              ns_error *err)
{
    window_maker m = {.table = table, .wordpiece = wordpiece, .scores = scores, .out = out};
    ns_status status = ns_window_marks_of(wordpiece, &m.marks, err);
    ns_rng_seed_named(&m.rng, mix->seed, "windows");
    candidates list = {0};
    const size_t first = out->windows.count;
    if (status == NS_OK)
        status = all_failing(&m, use, mix, &list, err);
    out->speak_for += out->windows.count - first;
    if (status == NS_OK)
        status = against(&m, use, mix, &list, first, err);
    ns_free(list.at);
    return status;
}
