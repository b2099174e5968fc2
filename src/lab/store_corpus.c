#include "lab/store_corpus.h"

#include "base/mem.h"
#include "store/sqlite_store.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 500, JUDGED_MAX = 64, LOG_MOST = 1 << 30 };

struct ns_store_corpus {
    ns_store store;
};

bool ns_store_corpus_is(const char *path, char database[4096])
{
    if (ns_text_ends(ns_text_of(path), ".db"))
        return snprintf(database, 4096, "%s", path) < 4096;
    return snprintf(database, 4096, "%s/neuroshield.db", path) < 4096 && access(database, F_OK) == 0;
}

/* ---- one build ---- */

typedef struct said {
    char cause[NS_NAME_MAX]; /* "" nothing */
    ns_corpus_judged judged[JUDGED_MAX];
    size_t count;
} said;

/* Oldest first: a later word about the same thing takes the place of an earlier one. */
static bool take_label(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    said *s = owner;
    const ns_label_row *label = row->of.label;
    if (label->cause[0] != '\0')
        (void)ns_text_copy(s->cause, sizeof s->cause, ns_text_of(label->cause));
    if (label->line < 1)
        return true;
    size_t i = 0;
    while (i < s->count && s->judged[i].line != label->line)
        i++;
    if (i == JUDGED_MAX)
        return true;
    s->judged[i] = (ns_corpus_judged){.line = label->line, .telling = label->telling == 1};
    s->count += i == s->count;
    return true;
}

static bool take_ended(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    *(bool *)owner = row->of.log->ended;
    return false;
}

typedef struct reading {
    ns_store_corpus *corpus;
    const char *database;
    ns_arena *names;
    ns_store_corpus_take *take;
    void *owner;
    ns_build_row *page; /* (PAGE) */
    size_t count;
    int64_t cursor;
} reading;

static bool take_build(void *owner, const ns_row *row, int64_t cursor)
{
    reading *r = owner;
    r->page[r->count++] = *row->of.build;
    r->cursor = cursor;
    return r->count < PAGE;
}

static const char *keep(const reading *r, const char *text)
{
    return ns_arena_text(r->names, text, strlen(text));
}

/* The first line that a person pointed at; -1 none. */
static int64_t fault_line(const said *s)
{
    int64_t first = -1;
    for (size_t i = 0; i < s->count; i++)
        if (s->judged[i].telling && (first < 0 || s->judged[i].line < first))
            first = s->judged[i].line;
    return first;
}

static ns_status give(const reading *r, const ns_build_row *row, bool failing, int64_t bytes, const said *s,
                      ns_error *err)
{
    char path[NS_JOB_MAX + 24];
    (void)snprintf(path, sizeof path, "%s#%lld", row->jenkins_job, (long long)row->build.number);
    ns_corpus_judged *judged = s->count == 0 ? NULL : NS_TAKE(r->names, ns_corpus_judged, s->count);
    ns_corpus_log log = {.folder = keep(r, r->database),
                         .path = keep(r, path),
                         .project = keep(r, row->jenkins_job),
                         .family = "store",
                         .ci = "jenkins",
                         .tool = "",
                         .cause = failing ? keep(r, s->cause) : "",
                         .fault = "",
                         .split = "train",
                         .order = row->build.number,
                         .bytes = bytes,
                         .fault_line = failing ? fault_line(s) : -1,
                         .judged = judged,
                         .judged_count = s->count,
                         .failing = failing,
                         .stored = r->corpus};
    if (log.folder == NULL || log.path == NULL || log.project == NULL || log.cause == NULL ||
        (s->count > 0 && judged == NULL))
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for its logs", r->database);
    if (s->count > 0)
        memcpy(judged, s->judged, s->count * sizeof judged[0]);
    return r->take(r->owner, &log, err);
}

static ns_status one_build(const reading *r, const ns_build_row *row, ns_error *err)
{
    const ns_store *store = &r->corpus->store;
    bool failing = ns_build_failed(&row->build), ended = false;
    int64_t bytes = 0;
    ns_buf nothing;
    said s = {.count = 0};
    if (row->build.running || (!failing && row->build.result != NS_BUILD_SUCCESS))
        return NS_OK; /* running, aborted, not built: no example of anything */
    ns_row_query query = {
        .kind = NS_ROW_log, .jenkins_job = row->jenkins_job, .build = row->build.number, .oldest_first = true};
    ns_status status = store->list(store->self, &query, take_ended, &ended, err);
    if (status != NS_OK || !ended)
        return status;
    ns_buf_init(&nothing, 16);
    status = store->log_text(store->self, row->jenkins_job, row->build.number, 0, 0, &nothing, &bytes, err);
    ns_buf_clear(&nothing);
    if (status == NS_NOT_FOUND || (status == NS_OK && bytes == 0))
        return NS_OK; /* forgotten by age */
    query.kind = NS_ROW_label;
    query.limit = 1000;
    if (status == NS_OK)
        status = store->list(store->self, &query, take_label, &s, err);
    return status == NS_OK ? give(r, row, failing, bytes, &s, err) : status;
}

/* ---- all of them ---- */

static ns_status read_builds(reading *r, ns_error *err)
{
    const ns_store *store = &r->corpus->store;
    ns_status status = NS_OK;
    r->count = PAGE;
    while (status == NS_OK && r->count == PAGE) {
        ns_row_query query = {.kind = NS_ROW_build, .oldest_first = true, .after = r->cursor, .limit = PAGE};
        r->count = 0;
        status = store->list(store->self, &query, take_build, r, err);
        for (size_t i = 0; status == NS_OK && i < r->count; i++)
            status = one_build(r, &r->page[i], err);
    }
    return status;
}

ns_status ns_store_corpus_open(const char *database, ns_arena *names, ns_store_corpus_take *take, void *owner,
                               ns_store_corpus **out, ns_error *err)
{
    reading r = {.database = database, .names = names, .take = take, .owner = owner};
    ns_store_options options = {.path = database, .read_only = true};
    r.page = NS_NEW_ARRAY(ns_build_row, PAGE);
    r.corpus = NS_NEW(ns_store_corpus);
    ns_status status = r.page == NULL || r.corpus == NULL ? ns_fail(err, NS_NO_MEMORY, "%s: no memory", database)
                                                          : ns_sqlite_store_open(&options, &r.corpus->store, err);
    if (status == NS_OK)
        status = read_builds(&r, err);
    ns_free(r.page);
    if (status != NS_OK) {
        ns_store_corpus_free(r.corpus);
        return status;
    }
    *out = r.corpus;
    return NS_OK;
}

void ns_store_corpus_free(ns_store_corpus *corpus)
{
    if (corpus != NULL && corpus->store.free != NULL)
        corpus->store.free(corpus->store.self);
    ns_free(corpus);
}

ns_status ns_store_corpus_read(const ns_store_corpus *corpus, const ns_corpus_log *log, ns_buf *out, ns_error *err)
{
    int64_t total = 0;
    return corpus->store.log_text(corpus->store.self, log->project, log->order, 0, LOG_MOST, out, &total, err);
}
