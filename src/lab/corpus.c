#include "lab/corpus.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/unpack.h"
#include "flow/names.h"
#include "lab/store_corpus.h"
#include "wire/json.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define INDEX_MAX ((size_t)256 << 20)
#define LOG_MAX   ((size_t)256 << 20)

enum { STORES_MAX = 8 };

struct ns_corpus {
    ns_store_corpus *stores[STORES_MAX];
    size_t store_count;
    ns_arena *names;
    const char *folder;  /* the first */
    const char *reading; /* the one whose index is read */
    crypto_hash_sha256_state digest;
    char sha256[65];
    ns_corpus_log *logs;
    size_t count, room;
    size_t projects;
};

/* "index.jsonl", or the one file that ends so. */
static ns_status find_index(const char *folder, char *out, size_t size, ns_error *err)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return ns_fail(err, NS_IO, "corpus %s: %s", folder, strerror(errno));
    size_t found = 0;
    bool exact = false;
    char name[256] = "";
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        ns_text one = ns_text_of(entry->d_name);
        if (ns_text_is(one, "index.jsonl"))
            exact = true;
        else if (ns_text_ends(one, ".index.jsonl")) {
            found++;
            (void)ns_text_copy(name, sizeof name, one);
        }
    }
    (void)closedir(dir);
    if (!exact && found != 1)
        return ns_fail(err, NS_NOT_FOUND, "corpus %s: it has %zu index files; one index.jsonl is needed", folder,
                       found);
    (void)snprintf(out, size, "%s/%s", folder, exact ? "index.jsonl" : name);
    return NS_OK;
}

static const char *keep(ns_corpus *corpus, const char *text)
{
    return ns_arena_text(corpus->names, text, strlen(text));
}

static size_t project_of(ns_corpus *corpus, const char *name)
{
    for (size_t i = corpus->count; i > 0; i--)
        if (strcmp(corpus->logs[i - 1].project, name) == 0)
            return corpus->logs[i - 1].project_number;
    return corpus->projects++;
}

/* "pair" is text or a number; only whole numbers tell an order. */
static int64_t order_of(const json_t *row)
{
    int64_t order = -1;
    ns_text text;
    if (ns_json_text(row, "pair", &text))
        return ns_text_int64(text, &order) ? order : -1;
    return ns_json_int(row, "pair", -1);
}

static bool wanted(const json_t *row, const ns_corpus_filter *filter)
{
    const char *outcome = ns_json_string(row, "outcome", "");
    if (strcmp(outcome, "failure") != 0 && strcmp(outcome, "success") != 0)
        return false;
    if (ns_json_bool(row, "single_class_source", false))
        return false;
    const char *group = ns_json_string(row, "group", "");
    if (filter->family != NULL && !ns_text_starts(ns_text_of(ns_json_string(row, "family", group)), filter->family))
        return false;
    if (filter->split != NULL && strcmp(ns_json_string(row, "split", ""), filter->split) != 0)
        return false;
    if (filter->not_split != NULL && strcmp(ns_json_string(row, "split", ""), filter->not_split) == 0)
        return false;
    return filter->max_bytes == 0 || ns_json_int(row, "bytes", 0) <= filter->max_bytes;
}

/* "times": [[line, seconds], ...]; anything else is as if it were not there. */
static void take_times(ns_corpus *corpus, const json_t *row, ns_corpus_log *log)
{
    const json_t *times = ns_json_at(row, "times");
    size_t n = json_is_array(times) ? json_array_size(times) : 0;
    double *at = n == 0 ? NULL : NS_TAKE(corpus->names, double, 2 * n);
    for (size_t i = 0; at != NULL && i < 2 * n; i++) {
        const json_t *one = json_array_get(json_array_get(times, i / 2), i % 2);
        if (!json_is_number(one) || (at[i] = json_number_value(one)) < (i >= 2 ? at[i - 2] : 0.0))
            return;
    }
    log->times = at;
    log->time_count = at == NULL ? 0 : n;
}

static ns_status room_for_one(ns_corpus *corpus, const char *where, ns_corpus_log **out, ns_error *err)
{
    if (corpus->count == corpus->room) {
        size_t room = corpus->room == 0 ? 256 : 2 * corpus->room;
        ns_corpus_log *grown = ns_realloc(corpus->logs, room, sizeof grown[0]);
        if (grown == NULL)
            return ns_fail(err, NS_NO_MEMORY, "%s: no memory for its logs", where);
        corpus->logs = grown;
        corpus->room = room;
    }
    *out = &corpus->logs[corpus->count];
    return NS_OK;
}

static ns_status add(ns_corpus *corpus, const json_t *row, const char *where, size_t line, ns_error *err)
{
    const char *path = ns_json_string(row, "path", ""), *group = ns_json_string(row, "group", "");
    if (path[0] == '\0' || path[0] == '/' || strstr(path, "..") != NULL || group[0] == '\0')
        return ns_fail(err, NS_BAD_INPUT, "%s: line %zu: 'path' (inside the folder) and 'group' are needed", where,
                       line);
    ns_corpus_log *log;
    ns_status status = room_for_one(corpus, where, &log, err);
    if (status != NS_OK)
        return status;
    *log = (ns_corpus_log){.folder = corpus->reading,
                           .path = keep(corpus, path),
                           .project = keep(corpus, group),
                           .family = keep(corpus, ns_json_string(row, "family", group)),
                           .ci = keep(corpus, ns_json_string(row, "ci", "")),
                           .tool = keep(corpus, ns_json_string(row, "tool", "")),
                           .cause = keep(corpus, ns_json_string(row, "cause", "")),
                           .fault = keep(corpus, ns_json_string(row, "fault", "")),
                           .split = keep(corpus, ns_json_string(row, "split", "")),
                           .order = order_of(row),
                           .bytes = ns_json_int(row, "bytes", -1),
                           .fault_line = ns_json_int(row, "fault_line", -1),
                           .failing = strcmp(ns_json_string(row, "outcome", ""), "failure") == 0};
    if (log->path == NULL || log->project == NULL || log->split == NULL || log->cause == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for its logs", where);
    take_times(corpus, row, log);
    log->project_number = project_of(corpus, log->project);
    corpus->count++;
    return NS_OK;
}

static ns_status read_index(ns_corpus *corpus, const char *path, const ns_corpus_filter *filter, ns_error *err)
{
    ns_buf file;
    ns_buf_init(&file, INDEX_MAX);
    ns_status status = ns_file_read(path, INDEX_MAX, &file, err);
    ns_text rest = ns_buf_view(&file), line;
    size_t number = 0;
    (void)crypto_hash_sha256_update(&corpus->digest, (const unsigned char *)rest.at, rest.len);
    while (status == NS_OK && ns_text_line(&rest, &line)) {
        json_t *row = NULL;
        number++;
        if (ns_text_trim(line).len == 0)
            continue;
        status = ns_json_read(line, &row, err);
        if (status != NS_OK)
            status = ns_fail_in(err, status, "%s: line %zu", path, number);
        else if (wanted(row, filter))
            status = add(corpus, row, path, number, err);
        json_decref(row);
    }
    ns_buf_clear(&file);
    return status;
}

typedef struct store_reading {
    ns_corpus *corpus;
    const ns_corpus_filter *filter;
} store_reading;

static ns_status take_stored(void *owner, const ns_corpus_log *given, ns_error *err)
{
    const store_reading *r = owner;
    ns_corpus *corpus = r->corpus;
    const ns_corpus_filter *filter = r->filter;
    if ((filter->family != NULL && !ns_text_starts(ns_text_of(given->family), filter->family)) ||
        (filter->split != NULL && strcmp(given->split, filter->split) != 0) ||
        (filter->not_split != NULL && strcmp(given->split, filter->not_split) == 0) ||
        (filter->max_bytes != 0 && given->bytes > filter->max_bytes))
        return NS_OK;
    ns_corpus_log *log;
    ns_status status = room_for_one(corpus, given->folder, &log, err);
    if (status != NS_OK)
        return status;
    *log = *given;
    log->project_number = project_of(corpus, log->project);
    corpus->count++;
    char facts[NS_JOB_MAX + 128];
    int n = snprintf(facts, sizeof facts, "%s %d %s %lld", log->path, log->failing, log->cause, (long long)log->bytes);
    (void)crypto_hash_sha256_update(&corpus->digest, (const unsigned char *)facts, (unsigned)n);
    for (size_t i = 0; i < log->judged_count; i++) {
        n = snprintf(facts, sizeof facts, " %lld %d", (long long)log->judged[i].line, log->judged[i].telling);
        (void)crypto_hash_sha256_update(&corpus->digest, (const unsigned char *)facts, (unsigned)n);
    }
    return NS_OK;
}

static ns_status read_store(ns_corpus *corpus, const char *database, const ns_corpus_filter *filter, ns_error *err)
{
    store_reading r = {corpus, filter};
    size_t before = corpus->count;
    if (corpus->store_count == STORES_MAX)
        return ns_fail(err, NS_BAD_USAGE, "more than %d stores at once", STORES_MAX);
    ns_status status =
        ns_store_corpus_open(database, corpus->names, take_stored, &r, &corpus->stores[corpus->store_count], err);
    if (status != NS_OK)
        return status;
    corpus->store_count++;
    if (corpus->count == before)
        return ns_fail(err, NS_BAD_INPUT, "%s: no build that ended and whose log is stored is selected", database);
    return NS_OK;
}

static ns_status read_folder(ns_corpus *corpus, const char *folder, const ns_corpus_filter *filter, ns_error *err)
{
    char path[4096];
    if (ns_store_corpus_is(folder, path)) {
        if (corpus->folder == NULL && (corpus->folder = keep(corpus, folder)) == NULL)
            return ns_fail(err, NS_NO_MEMORY, "corpus %s: no memory", folder);
        return read_store(corpus, path, filter, err);
    }
    ns_status status = find_index(folder, path, sizeof path, err);
    if (status != NS_OK)
        return status;
    corpus->reading = keep(corpus, folder);
    if (corpus->reading == NULL)
        return ns_fail(err, NS_NO_MEMORY, "corpus %s: no memory", folder);
    if (corpus->folder == NULL)
        corpus->folder = corpus->reading;
    size_t before = corpus->count;
    status = read_index(corpus, path, filter, err);
    if (status == NS_OK && corpus->count == before)
        return ns_fail(err, NS_BAD_INPUT, "%s: no log with outcome 'failure' or 'success' is selected", path);
    return status;
}

ns_status ns_corpus_open(const char *const *folders, size_t folder_count, const ns_corpus_filter *filter,
                         ns_corpus **out, ns_error *err)
{
    ns_corpus *corpus = NS_NEW(ns_corpus);
    if (corpus == NULL || (corpus->names = ns_arena_new(INDEX_MAX)) == NULL) {
        ns_free(corpus);
        return ns_fail(err, NS_NO_MEMORY, "corpus %s: no memory", folders[0]);
    }
    ns_status status = NS_OK;
    (void)crypto_hash_sha256_init(&corpus->digest);
    for (size_t i = 0; status == NS_OK && i < folder_count; i++)
        status = read_folder(corpus, folders[i], filter, err);
    if (status != NS_OK) {
        ns_corpus_free(corpus);
        return status;
    }
    unsigned char sum[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256_final(&corpus->digest, sum);
    (void)sodium_bin2hex(corpus->sha256, sizeof corpus->sha256, sum, sizeof sum);
    *out = corpus;
    return NS_OK;
}

void ns_corpus_free(ns_corpus *corpus)
{
    if (corpus == NULL)
        return;
    for (size_t i = 0; i < corpus->store_count; i++)
        ns_store_corpus_free(corpus->stores[i]);
    ns_arena_free(corpus->names);
    ns_free(corpus->logs);
    ns_free(corpus);
}

size_t ns_corpus_count(const ns_corpus *corpus)
{
    return corpus->count;
}

size_t ns_corpus_projects(const ns_corpus *corpus)
{
    return corpus->projects;
}

const ns_corpus_log *ns_corpus_at(const ns_corpus *corpus, size_t i)
{
    NS_CHECK(i < corpus->count);
    return &corpus->logs[i];
}

const char *ns_corpus_folder(const ns_corpus *corpus)
{
    return corpus->folder;
}

const char *ns_corpus_sha256(const ns_corpus *corpus)
{
    return corpus->sha256;
}

double ns_corpus_time(const ns_corpus_log *log, int64_t line)
{
    const double *at = log->times;
    size_t i = 0;
    if (log->time_count == 0)
        return (double)NAN;
    while (i + 1 < log->time_count && at[2 * (i + 1)] <= (double)line)
        i++;
    if (i + 1 == log->time_count || at[2 * i] >= (double)line)
        return at[2 * i + 1];
    double share = ((double)line - at[2 * i]) / (at[2 * (i + 1)] - at[2 * i]);
    return at[2 * i + 1] + share * (at[2 * (i + 1) + 1] - at[2 * i + 1]);
}

ns_status ns_corpus_read(const ns_corpus *corpus, size_t i, ns_buf *out, ns_error *err)
{
    char path[4096];
    const ns_corpus_log *log = ns_corpus_at(corpus, i);
    if (log->stored != NULL)
        return ns_store_corpus_read(log->stored, log, out, err);
    if (snprintf(path, sizeof path, "%s/%s", log->folder, log->path) >= (int)sizeof path)
        return ns_fail(err, NS_TOO_LARGE, "corpus %s: the path of log %zu is too long", log->folder, i);
    return ns_log_file_read(path, LOG_MAX, out, err);
}

size_t ns_corpus_references(const ns_corpus *corpus, size_t i, size_t *out, size_t max)
{
    const ns_corpus_log *log = ns_corpus_at(corpus, i);
    size_t n = 0;
    if (log->order < 0)
        return 0;
    for (size_t j = 0; j < corpus->count; j++) {
        const ns_corpus_log *other = &corpus->logs[j];
        if (other->failing || other->project_number != log->project_number || other->order < 0 ||
            other->order >= log->order)
            continue;
        size_t at = n;
        while (at > 0 && corpus->logs[out[at - 1]].order < other->order)
            at--;
        if (at == max)
            continue;
        size_t kept = n < max ? n : max - 1;
        memmove(&out[at + 1], &out[at], (kept - at) * sizeof out[0]);
        out[at] = j;
        n = kept + 1;
    }
    return n;
}
