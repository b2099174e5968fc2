#include "store/sqlite_store.h"

#include "base/mem.h"
#include "store/columns.h"
#include "store/db.h"
#include "store/list.h"
#include "store/log_store.h"
#include "store/migrate.h"
#include "store/row_queue.h"
#include "store/writer.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct sqlite_store {
    char path[PATH_MAX];
    ns_store_options options;
    sqlite3 *db;     /* the writer's; NULL when read only */
    sqlite3 *reader; /* the loop's */
    ns_row_queue *queue;
    ns_writer *writer;
} sqlite_store;

static void or_else_int(int *value, int otherwise)
{
    if (*value <= 0)
        *value = otherwise;
}

static void fill_in(ns_store_options *options)
{
    or_else_int(&options->batch_ms, 200);
    or_else_int(&options->retry_ms, 1000);
    or_else_int(&options->tidy_ms, 5000);
    or_else_int(&options->check_ms, 1000);
    if (options->queue_rows == 0)
        options->queue_rows = 16384;
    if (options->queue_bytes == 0)
        options->queue_bytes = 32u << 20;
    if (options->clock.manual_ms == NULL && options->clock.speed <= 0)
        options->clock = ns_clock_real();
}

/* ---- the door ---- */

static ns_row_item *copy_row(const ns_row *row, int64_t now_ms)
{
    unsigned char packed[NS_ROW_BYTES_MAX];
    size_t used = ns_row_pack(ns_table_of(row->kind), ns_row_struct(row), packed);
    size_t text = row->kind == NS_ROW_log ? row->of.log->text.len : 0;
    ns_row_item *item = ns_alloc(1, sizeof *item + used + text);
    if (item == NULL)
        return NULL;
    item->kind = row->kind;
    item->at_ms = now_ms;
    item->size = used + text;
    memcpy(item->bytes, packed, used);
    if (text > 0)
        memcpy(item->bytes + used, row->of.log->text.at, text);
    return item;
}

static ns_status store_put(void *self, const ns_row *row, uint64_t *sequence)
{
    sqlite_store *store = self;
    NS_CHECK((unsigned)row->kind < NS_ROW_KINDS && ns_row_struct(row) != NULL);
    if (store->queue == NULL)
        return NS_IO;
    if (row->kind == NS_ROW_log && row->of.log->text.len > NS_STORE_LOG_PIECE_MAX)
        return NS_TOO_LARGE;
    ns_row_item *item = copy_row(row, ns_clock_now_ms(&store->options.clock));
    if (item == NULL) {
        if (!ns_row_durable(row->kind))
            ns_row_queue_dropped(store->queue);
        return NS_NO_MEMORY;
    }
    ns_status status = ns_row_queue_put(store->queue, item, sequence);
    if (status != NS_OK)
        ns_free(item);
    return status;
}

/* When SQLite itself met damage (and not only we a value that makes no sense), nothing more may be written. */
static ns_status noticed(sqlite_store *store, ns_status status, ns_error *err)
{
    int code = sqlite3_errcode(store->reader) & 0xff;
    if (status == NS_CORRUPT && (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) && store->queue != NULL)
        ns_row_queue_trouble(store->queue, NS_STORE_corrupt, err == NULL ? "is damaged" : err->text);
    return status;
}

static ns_status store_list(void *self, const ns_row_query *query, ns_row_visit *visit, void *owner, ns_error *err)
{
    sqlite_store *store = self;
    return noticed(store, ns_list_rows(store->reader, query, visit, owner, err), err);
}

static ns_status store_log_text(void *self, const char *jenkins_job, int64_t build, int64_t from, size_t limit,
                                ns_buf *out, int64_t *total, ns_error *err)
{
    sqlite_store *store = self;
    return noticed(store, ns_log_read(store->reader, jenkins_job, build, from, limit, out, total, err), err);
}

static ns_status store_log_offsets(void *self, ns_row_visit *visit, void *owner, ns_error *err)
{
    sqlite_store *store = self;
    return noticed(store, ns_list_growing_logs(store->reader, visit, owner, err), err);
}

static ns_status store_ids(void *self, ns_store_ids *out, ns_error *err)
{
    sqlite_store *store = self;
    ns_store_ids ids;
    ns_status status = ns_db_int(store->reader, "SELECT ifnull(max(id), 0) FROM decisions", &ids.decision, err);
    if (status == NS_OK)
        status = ns_db_int(store->reader, "SELECT ifnull(max(id), 0) FROM cases", &ids.a_case, err);
    if (status == NS_OK)
        *out = ids;
    return noticed(store, status, err);
}

static int64_t file_bytes(const char *path, const char *ending)
{
    char name[PATH_MAX + 8];
    struct stat st;
    (void)snprintf(name, sizeof name, "%s%s", path, ending);
    return stat(name, &st) == 0 ? (int64_t)st.st_size : 0;
}

static void store_status(void *self, ns_store_status *out)
{
    sqlite_store *store = self;
    memset(out, 0, sizeof *out);
    out->state = NS_STORE_read_only;
    if (store->queue != NULL)
        ns_row_queue_status(store->queue, out);
    out->backend = "sqlite";
    out->bytes = file_bytes(store->path, "") + file_bytes(store->path, "-wal");
}

static ns_status store_flush(void *self, int wait_ms, ns_error *err)
{
    sqlite_store *store = self;
    return store->queue == NULL ? NS_OK : ns_row_queue_flush(store->queue, wait_ms, err);
}

static void store_free(void *self)
{
    sqlite_store *store = self;
    if (store == NULL)
        return;
    ns_writer_free(store->writer);
    bool damaged = store->queue != NULL && ns_row_queue_state(store->queue) == NS_STORE_corrupt;
    ns_row_queue_free(store->queue);
    (void)sqlite3_close(store->reader);
    /* The last connection of a sound database takes its side files along. */
    if (store->db != NULL && !damaged)
        (void)sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    (void)sqlite3_close(store->db);
    ns_free(store);
}

/* ---- opening ---- */

static ns_status open_for_reading(sqlite_store *store, ns_error *err)
{
    ns_status status = ns_db_open_reader(store->path, &store->reader, err);
    return status == NS_OK ? ns_migrate_check(store->reader, store->path, err) : status;
}

static ns_status open_for_writing(sqlite_store *store, ns_error *err)
{
    ns_status status = ns_db_open_writer(store->path, store->options.check_ms, &store->db, err);
    if (status == NS_OK)
        status = ns_migrate(store->db, store->path, err);
    if (status == NS_OK)
        status = open_for_reading(store, err);
    if (status != NS_OK)
        return status;
    ns_row_queue_limits limits = {store->options.queue_rows, store->options.queue_bytes, store->options.batch_ms};
    store->queue = ns_row_queue_new(&limits);
    if (store->queue == NULL)
        return ns_fail(err, NS_NO_MEMORY, "a queue of %zu rows", limits.rows);
    return ns_writer_start(&store->options, store->db, store->queue, &store->writer, err);
}

ns_status ns_sqlite_store_open(const ns_store_options *options, ns_store *out, ns_error *err)
{
    if (strlen(options->path) >= PATH_MAX - 8)
        return ns_fail(err, NS_BAD_USAGE, "the path of the database is longer than %d bytes", PATH_MAX - 9);
    sqlite_store *store = NS_NEW(sqlite_store);
    if (store == NULL)
        return ns_fail(err, NS_NO_MEMORY, "the store");
    (void)snprintf(store->path, sizeof store->path, "%s", options->path);
    store->options = *options;
    store->options.path = store->path;
    fill_in(&store->options);
    ns_status status = options->read_only ? open_for_reading(store, err) : open_for_writing(store, err);
    if (status != NS_OK) {
        store_free(store);
        return status;
    }
    *out = (ns_store){.self = store,
                      .put = store_put,
                      .list = store_list,
                      .log_text = store_log_text,
                      .log_offsets = store_log_offsets,
                      .ids = store_ids,
                      .status = store_status,
                      .flush = store_flush,
                      .free = store_free};
    return NS_OK;
}
