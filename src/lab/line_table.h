/*
 * A corpus as training sees it: its distinct line templates, and for each log the templates in the order in which they
 * were met. Built once; read-only after.
 *
 * Weak labels follow from it: a template of a failing log that no green log of its project has speaks for failing; the
 * templates of green logs speak against it.
 */
#ifndef NS_LAB_LINE_TABLE_H
#define NS_LAB_LINE_TABLE_H

#include "lab/corpus.h"
#include "prediction/rule_match.h"

#define NS_TABLE_REFERENCES 3
#define NS_TABLE_NO_FAULT   UINT32_MAX

typedef struct ns_table_form {
    uint64_t hash;
    ns_text form; /* the template */
    ns_text text; /* the first line that had it */
    ns_rule_verdict said;
} ns_table_form;

typedef struct ns_table_entry {
    uint32_t form; /* place in forms */
    uint32_t line; /* 0-based among the log's visible lines */
} ns_table_entry;

typedef struct ns_table_log {
    ns_table_entry *entries; /* each template where it was first met */
    size_t count;
    ns_table_entry *course; /* every readable line */
    size_t course_count;
    size_t lines;                           /* visible lines */
    uint32_t fault;                         /* place in entries of the line where the fault became visible, by the
                                               corpus; NS_TABLE_NO_FAULT: not known, or that line is not read */
    bool jenkins;                           /* the console of a Jenkins build */
    size_t references[NS_TABLE_REFERENCES]; /* earlier green logs, newest first */
    size_t reference_count;
} ns_table_log;

typedef struct ns_line_table {
    const ns_corpus *corpus; /* borrowed */
    ns_table_form *forms;
    size_t form_count, form_room;
    ns_table_log *logs; /* as many as the corpus has */
    uint8_t **green;    /* (projects) one bit per form: a green log of the project has it */
    uint8_t **failing;  /* (projects) likewise: a failing one */
    struct ns_arena *texts;
    uint32_t *slot; /* hash table of forms; 0 free, else place + 1 */
    size_t slots;
} ns_line_table;

/* told(owner, done, of): after each log; NULL nobody. NS_IO, NS_BAD_INPUT (a log cannot be read), NS_NO_MEMORY. */
typedef void ns_lab_told(void *owner, size_t done, size_t of);
NS_MUST_USE ns_status ns_line_table_new(const ns_corpus *corpus, ns_lab_told *told, void *owner, ns_line_table **out,
                                        ns_error *err);
void ns_line_table_free(ns_line_table *table);

bool ns_table_green(const ns_line_table *table, size_t project, uint32_t form);
bool ns_table_failing(const ns_line_table *table, size_t project, uint32_t form);

/* One bit per form: a reference of the log has it. NULL without references or without memory; give back with ns_free.
 */
uint8_t *ns_table_known(const ns_line_table *table, size_t log);
static inline bool ns_table_bit(const uint8_t *bits, uint32_t i)
{
    return bits != NULL && (bits[i / 8] >> (i % 8) & 1) != 0;
}

#endif
