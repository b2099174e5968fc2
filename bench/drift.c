/*
 * How far each code path is from plain floats on a trained model: drift MODEL_FOLDER LOG... reads windows of the logs
 * (every line with those before it) on the portable path and on every other this machine has, and
 * prints the mean and largest distance of the evidence's probability and of the causes'.
 */
#include "prediction/log_lines.h"
#include "prediction/window_encoder.h"

#include "base/mem.h"
#include "base/unpack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WINDOWS = 512, LOG_CEILING = 64 << 20 };

typedef struct sheet {
    char form[WINDOWS][NS_TEMPLATE_MAX];
    ns_text line[WINDOWS];
    size_t count;
    ns_window_ids window[WINDOWS];
    const ns_window_ids *all[WINDOWS];
    ns_window_answer wanted[WINDOWS], got[WINDOWS];
} sheet;

typedef struct tally {
    double evidence_sum, evidence_most, cause_most;
    size_t windows;
} tally;

static double probability(float logit)
{
    return 1 / (1 + exp(-(double)logit));
}

static void compare(const sheet *s, tally *t)
{
    for (size_t i = 0; i < s->count; i++) {
        const double d = fabs(probability(s->wanted[i].logit) - probability(s->got[i].logit));
        t->evidence_sum += d;
        t->evidence_most = fmax(t->evidence_most, d);
        for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
            t->cause_most = fmax(t->cause_most, fabs((double)(s->wanted[i].cause[c] - s->got[i].cause[c])));
        t->windows++;
    }
}

/* The log's first lines, until the sheet is full. */
static void fill(sheet *s, ns_text log)
{
    ns_log_lines lines;
    ns_log_line line;
    ns_log_lines_init(&lines);
    for (s->count = 0; s->count < WINDOWS && ns_log_lines_next(&lines, &log, &line); s->count++) {
        memcpy(s->form[s->count], line.form.at, line.form.len);
        s->line[s->count] = (ns_text){s->form[s->count], line.form.len};
    }
}

static void ask(sheet *s, const ns_window_reader *reader, ns_window_answer *out)
{
    for (size_t i = 0; i < s->count; i++) {
        const size_t before = i < NS_WINDOW_BEFORE ? i : NS_WINDOW_BEFORE;
        reader->prepare(reader->self, &(ns_window){s->line + i - before, before + 1}, &s->window[i]);
        s->all[i] = &s->window[i];
    }
    reader->read(reader->self, s->all, s->count, out);
}

int main(int argc, char **argv)
{
    ns_window_reader reader[NS_PATH_keyword];
    tally tallies[NS_PATH_keyword] = {0};
    bool there[NS_PATH_keyword];
    ns_error err;
    if (argc < 3) {
        fprintf(stderr, "drift MODEL_FOLDER LOG...\n");
        return 2;
    }
    for (size_t p = 0; p < NS_PATH_keyword; p++) {
        there[p] = ns_code_path_available((ns_code_path)p);
        if (there[p] && ns_window_encoder_open(argv[1], (ns_code_path)p, 1, &reader[p], &err) != NS_OK) {
            fprintf(stderr, "%s\n", err.text);
            return ns_status_exit(err.status);
        }
    }
    sheet *s = NS_NEW(sheet);
    NS_CHECK(s != NULL);
    for (int i = 2; i < argc; i++) {
        ns_buf log;
        ns_buf_init(&log, LOG_CEILING);
        if (ns_log_file_read(argv[i], LOG_CEILING, &log, &err) != NS_OK) {
            fprintf(stderr, "%s\n", err.text);
            continue;
        }
        fill(s, ns_buf_view(&log));
        ask(s, &reader[NS_PATH_portable_fp32], s->wanted);
        for (size_t p = 0; p < NS_PATH_keyword; p++) {
            if (!there[p])
                continue;
            ask(s, &reader[p], s->got);
            compare(s, &tallies[p]);
        }
        ns_buf_clear(&log);
    }
    for (size_t p = 0; p < NS_PATH_keyword; p++) {
        if (!there[p])
            continue;
        printf("%-14s %zu windows: evidence mean %.2g largest %.2g, cause largest %.2g\n",
               ns_code_path_name((ns_code_path)p), tallies[p].windows,
               tallies[p].evidence_sum / (double)(tallies[p].windows + (tallies[p].windows == 0)),
               tallies[p].evidence_most, tallies[p].cause_most);
        reader[p].free(reader[p].self);
    }
    ns_free(s);
    return 0;
}
