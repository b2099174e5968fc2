/*
 * How quickly logs are read: reading FILE... | forms FILE... | ids VOCABULARY_FOLDER FILE...
 *
 * `forms` prints the templates. `reading` cleans, leaves status lines out and makes templates; `ids` turns the lines'
 * templates into token ids. Each prints one JSON object: {"what","bytes","lines","pieces","mb_per_s"}, in processor
 * time of this one thread, the best of several rounds. bench/reading.py puts Hugging Face's tokenizers beside it.
 */
#include "base/unpack.h"
#include "prediction/log_lines.h"
#include "prediction/wordpiece.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 5, IDS_MAX = 4096 };

typedef struct tally {
    size_t bytes;
    int64_t lines, pieces;
} tally;

static double processor_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

enum { LOGS_MAX = 100000 };
static ns_buf logs[LOGS_MAX];
static size_t log_count;

static bool read_all(int count, char **paths)
{
    ns_error err;
    for (int i = 0; i < count && log_count < LOGS_MAX; i++, log_count++) {
        ns_buf_init(&logs[log_count], 0);
        if (ns_log_file_read(paths[i], NS_LOG_FILE_MAX, &logs[log_count], &err) != NS_OK) {
            (void)fprintf(stderr, "reading: %s\n", err.text);
            return false;
        }
    }
    return true;
}

/* forms: where the templates go, a line each; NULL: only counted. */
static void read_lines(ns_text log, ns_buf *forms, tally *sum)
{
    static ns_log_lines lines;
    ns_log_line line;
    sum->bytes += log.len;
    ns_log_lines_init(&lines);
    while (ns_log_lines_next(&lines, &log, &line)) {
        sum->lines++;
        if (forms != NULL) {
            (void)ns_buf_text(forms, line.form);
            (void)ns_buf_char(forms, '\n');
        }
    }
}

static tally read_logs(ns_buf *forms)
{
    tally sum = {0};
    for (size_t i = 0; i < log_count; i++)
        read_lines(ns_buf_view(&logs[i]), forms, &sum);
    return sum;
}

static tally make_ids(const ns_wordpiece *wordpiece, ns_text forms)
{
    static int32_t ids[IDS_MAX];
    ns_text line;
    tally sum = {.bytes = forms.len};
    while (ns_text_line(&forms, &line)) {
        sum.pieces += (int64_t)ns_wordpiece_encode(wordpiece, line, ids, IDS_MAX);
        sum.lines++;
    }
    return sum;
}

static void tell(const char *what, const tally *sum, double best_s)
{
    (void)printf("{\"what\":\"%s\",\"bytes\":%zu,\"lines\":%lld,\"pieces\":%lld,\"mb_per_s\":%.1f}\n", what, sum->bytes,
                 (long long)sum->lines, (long long)sum->pieces, (double)sum->bytes / best_s / 1e6);
}

int main(int argc, char **argv)
{
    bool ids = argc > 3 && strcmp(argv[1], "ids") == 0;
    bool print = argc > 2 && strcmp(argv[1], "forms") == 0;
    if (argc < 3 || (!ids && !print && strcmp(argv[1], "reading") != 0)) {
        (void)fprintf(stderr, "usage: bench_reading reading FILE... | forms FILE... | ids VOCABULARY_FOLDER FILE...\n");
        return 2;
    }
    ns_wordpiece *wordpiece = NULL;
    ns_error err;
    ns_buf forms;
    ns_buf_init(&forms, (size_t)4 << 30);
    if (ids && ns_wordpiece_load(argv[2], &wordpiece, &err) != NS_OK) {
        (void)fprintf(stderr, "reading: %s\n", err.text);
        return 3;
    }
    if (!read_all(argc - (ids ? 3 : 2), argv + (ids ? 3 : 2)))
        return 3;
    if (ids || print)
        (void)read_logs(&forms);
    if (print) {
        (void)fwrite(forms.at, 1, forms.len, stdout);
        return 0;
    }
    tally sum = {0};
    double best_s = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double began_s = processor_s();
        sum = ids ? make_ids(wordpiece, ns_buf_view(&forms)) : read_logs(NULL);
        double took_s = processor_s() - began_s;
        best_s = took_s < best_s ? took_s : best_s;
    }
    tell(ids ? "ids" : "reading", &sum, best_s);
    ns_wordpiece_free(wordpiece);
    while (log_count > 0)
        ns_buf_clear(&logs[--log_count]);
    ns_buf_clear(&forms);
    return 0;
}
