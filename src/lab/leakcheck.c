#include "lab/leakcheck.h"

#include "base/mem.h"
#include "lab/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WORD_BUCKETS = 1 << 14, LOGS_MIN = 8, PROJECTS_MIN = 2 };

typedef struct check {
    const ns_line_table *table;
    size_t n;
    double *score;
    bool *label;
    ns_leakcheck *out;
} check;

static const ns_corpus_log *log_at(const check *c, size_t i)
{
    return ns_corpus_at(c->table->corpus, i);
}

static void problem(ns_leakcheck *out, const char *text)
{
    if (out->problems < NS_LEAK_PROBLEMS)
        (void)ns_text_copy(out->problem[out->problems++], sizeof out->problem[0], ns_text_of(text));
    out->passed = false;
}

static void consider(check *c, const char *name, double auc)
{
    if (!(auc > c->out->best_stump_auc))
        return;
    c->out->best_stump_auc = auc;
    (void)ns_text_copy(c->out->best_stump, sizeof c->out->best_stump, ns_text_of(name));
}

/* A stump may cut either way. */
static double either_way(double auc)
{
    return fmax(auc, 1.0 - auc);
}

static void consider_number(check *c, const char *name, double (*value)(const check *c, size_t i))
{
    char text[192];
    for (size_t i = 0; i < c->n; i++)
        c->score[i] = value(c, i);
    double auc = either_way(ns_auc(c->score, c->label, c->n));
    consider(c, name, auc);
    if (auc >= NS_LEAK_STUMP_AUC) {
        (void)snprintf(text, sizeof text, "the %s of a log alone tells its outcome (area under the curve %.3f)", name,
                       auc);
        problem(c->out, text);
    }
}

static double bytes_of(const check *c, size_t i)
{
    return (double)log_at(c, i)->bytes;
}

static double lines_of(const check *c, size_t i)
{
    return (double)c->table->logs[i].lines;
}

static double forms_of(const check *c, size_t i)
{
    return (double)c->table->logs[i].count;
}

static double bytes_a_line(const check *c, size_t i)
{
    return (double)log_at(c, i)->bytes / ((double)c->table->logs[i].lines + 1.0);
}

static const char *ci_of(const check *c, size_t i)
{
    return log_at(c, i)->ci;
}

static const char *tool_of(const check *c, size_t i)
{
    return log_at(c, i)->tool;
}

/* Halves by chance, whatever order the index has. */
static unsigned half_of(const check *c, size_t i)
{
    return (unsigned)(ns_hash(ns_text_of(log_at(c, i)->path)) >> 20 & 1U);
}

/* Share of failing logs of the same category among logs of the other half: a name cannot look good by being met once.
 * Only categories of both halves say anything. */
static void consider_name(check *c, const char *name, const char *(*value)(const check *c, size_t i))
{
    char text[192];
    for (size_t i = 0; i < c->n; i++) {
        double failing = 1.0, all = 2.0;
        for (size_t j = 0; j < c->n; j++) {
            if (half_of(c, i) == half_of(c, j) || strcmp(value(c, i), value(c, j)) != 0)
                continue;
            failing += c->label[j];
            all += 1.0;
        }
        c->score[i] = failing / all;
    }
    double auc = ns_auc(c->score, c->label, c->n);
    consider(c, name, auc);
    if (auc >= NS_LEAK_STUMP_AUC) {
        (void)snprintf(text, sizeof text, "the name of the %s alone tells the outcome (area under the curve %.3f)",
                       name, auc);
        problem(c->out, text);
    }
}

/* Any one line: present or not. A line that only logs of one outcome have, in many projects, is a status line. */
static ns_status consider_lines(check *c)
{
    uint32_t *in[2] = {NS_NEW_ARRAY(uint32_t, c->table->form_count), NS_NEW_ARRAY(uint32_t, c->table->form_count)};
    double total[2] = {0.0, 0.0}, best = 0.0;
    size_t best_form = 0;
    char text[192];
    if (in[0] == NULL || in[1] == NULL) {
        ns_free(in[0]);
        ns_free(in[1]);
        return NS_NO_MEMORY;
    }
    for (size_t i = 0; i < c->n; i++) {
        total[c->label[i]] += 1.0;
        for (size_t k = 0; k < c->table->logs[i].count; k++)
            in[c->label[i]][c->table->logs[i].entries[k].form]++;
    }
    for (size_t f = 0; f < c->table->form_count; f++) {
        double auc = either_way(0.5 + ((double)in[1][f] / total[1] - (double)in[0][f] / total[0]) / 2.0);
        best_form = auc > best ? f : best_form;
        best = fmax(best, auc);
    }
    ns_free(in[0]);
    ns_free(in[1]);
    consider(c, "single line", best);
    if (best >= NS_LEAK_STUMP_AUC) {
        const ns_text line = c->table->forms[best_form].form;
        (void)snprintf(text, sizeof text, "one line tells the outcome (area under the curve %.3f): %.*s", best,
                       (int)(line.len < 80 ? line.len : 80), line.at);
        problem(c->out, text);
    }
    return NS_OK;
}

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Calls visit for each word of the last line of a log; "" (bucket 0) for a log without lines. */
static void words_of_last(const check *c, size_t i, void (*visit)(void *owner, uint32_t bucket), void *owner)
{
    const ns_table_log *log = &c->table->logs[i];
    ns_text text = log->count == 0 ? NS_TEXT("") : c->table->forms[log->entries[log->count - 1].form].form;
    for (size_t at = 0; at < text.len;) {
        size_t end = at;
        while (end < text.len && word_char(text.at[end]))
            end++;
        if (end > at)
            visit(owner, (uint32_t)(ns_hash((ns_text){text.at + at, end - at}) % WORD_BUCKETS));
        at = end + 1;
    }
}

typedef struct word_counts {
    double in[2][WORD_BUCKETS];
    double logs[2];
    bool label;
    double sum; /* log-odds of the log at hand */
} word_counts;

static void count_word(void *owner, uint32_t bucket)
{
    word_counts *counts = owner;
    counts->in[counts->label][bucket] += 1.0;
}

static void weigh_word(void *owner, uint32_t bucket)
{
    word_counts *counts = owner;
    double failing = (counts->in[1][bucket] + 1.0) / (counts->logs[1] + 2.0);
    double calm = (counts->in[0][bucket] + 1.0) / (counts->logs[0] + 2.0);
    counts->sum += log(failing / calm);
}

/* Naive Bayes on the words of the last line, two halves of the projects. */
static ns_status last_line(check *c)
{
    char text[192];
    word_counts *counts = NS_NEW(word_counts);
    if (counts == NULL)
        return NS_NO_MEMORY;
    for (size_t half = 0; half < 2; half++) {
        memset(counts, 0, sizeof *counts);
        for (size_t i = 0; i < c->n; i++) {
            if (log_at(c, i)->project_number % 2 == half)
                continue;
            counts->label = c->label[i];
            counts->logs[c->label[i]] += 1.0;
            words_of_last(c, i, count_word, counts);
        }
        for (size_t i = 0; i < c->n; i++) {
            if (log_at(c, i)->project_number % 2 != half)
                continue;
            counts->sum = 0.0;
            words_of_last(c, i, weigh_word, counts);
            c->score[i] = counts->sum;
        }
    }
    ns_free(counts);
    c->out->last_line_auc = ns_auc(c->score, c->label, c->n);
    if (c->out->last_line_auc >= NS_LEAK_LAST_LINE_AUC) {
        (void)snprintf(text, sizeof text, "the words of the last line tell the outcome (area under the curve %.3f)",
                       c->out->last_line_auc);
        problem(c->out, text);
    }
    return NS_OK;
}

static ns_status look(check *c)
{
    consider_number(c, "size in bytes", bytes_of);
    consider_number(c, "number of lines", lines_of);
    consider_number(c, "number of distinct lines", forms_of);
    consider_number(c, "bytes a line", bytes_a_line);
    consider_name(c, "CI", ci_of);
    consider_name(c, "tool", tool_of);
    ns_status status = consider_lines(c);
    if (status == NS_OK && ns_corpus_projects(c->table->corpus) >= PROJECTS_MIN)
        status = last_line(c);
    return status;
}

ns_status ns_leakcheck_of(const ns_line_table *table, ns_leakcheck *out, ns_error *err)
{
    size_t n = ns_corpus_count(table->corpus), failing = 0;
    memset(out, 0, sizeof *out);
    out->passed = true;
    out->last_line_auc = (double)NAN;
    check c = {.table = table, .n = n, .out = out};
    for (size_t i = 0; i < n; i++)
        failing += ns_corpus_at(table->corpus, i)->failing;
    if (n < LOGS_MIN || failing == 0 || failing == n)
        return ns_fail(err, NS_BAD_INPUT, "corpus %s: %zu logs, %zu of them failing, are too few to check",
                       ns_corpus_folder(table->corpus), n, failing);
    c.score = NS_NEW_ARRAY(double, n);
    c.label = NS_NEW_ARRAY(bool, n);
    ns_status status = c.score == NULL || c.label == NULL ? NS_NO_MEMORY : NS_OK;
    for (size_t i = 0; status == NS_OK && i < n; i++)
        c.label[i] = ns_corpus_at(table->corpus, i)->failing;
    if (status == NS_OK)
        status = look(&c);
    ns_free(c.score);
    ns_free(c.label);
    return status == NS_OK ? NS_OK : ns_fail(err, status, "leak check: no memory for %zu logs", n);
}
