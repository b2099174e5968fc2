#include "store/writer.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/columns.h"
#include "store/db.h"
#include "store/log_store.h"
#include "store/retention.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#define BATCH_ROWS        4096
#define BATCH_BYTES       (8u << 20)
#define CHECKPOINT_PAGES  1000 /* 4 MB of write-ahead log */
#define IMPATIENT_PAGES   16000
#define PRESSING_MS       20
#define DAY_MS            86400000LL
#define INSERT_SQL_MAX    16384
#define CLOSE_FLUSH_TRIES 2

struct ns_writer {
    ns_store_options options;
    sqlite3 *db;
    ns_row_queue *queue;
    pthread_t thread;
    sqlite3_stmt *insert[NS_ROW_KINDS];
    ns_log_appender *logs;
    ns_retention retention;
    ns_row_item *batch[BATCH_ROWS];
    size_t batch_count; /* taken from the queue, not committed yet */
    ns_any_row scratch;
    ns_complaint trouble;
    ns_complaint untidy;
    bool synced; /* the connection is at synchronous=FULL */
    int wal_pages;
    int64_t tidy_at_ns;
    int64_t put_at_ms; /* world time of the newest row */
};

static int note_wal(void *self, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    ((ns_writer *)self)->wal_pages = pages;
    return SQLITE_OK;
}

/* A clock that the loop moves by hand may be read on the loop only: then the newest row tells the time. */
static int64_t now_ms(const ns_writer *writer)
{
    return writer->options.clock.manual_ms == NULL ? ns_clock_now_ms(&writer->options.clock) : writer->put_at_ms;
}

/* ---- one batch ---- */

static ns_status write_row(ns_writer *writer, const ns_row_item *item, ns_error *err)
{
    const ns_table *table = ns_table_of(item->kind);
    size_t used = ns_row_unpack(table, item->bytes, item->size, &writer->scratch);
    if (item->kind == NS_ROW_log) {
        writer->scratch.log.text = (ns_text){(const char *)item->bytes + used, item->size - used};
        return ns_log_append(writer->logs, &writer->scratch.log, item->at_ms, err);
    }
    sqlite3_stmt *statement = writer->insert[item->kind];
    int rc = ns_row_bind(table, &writer->scratch, statement);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    ns_status status = rc == SQLITE_DONE ? NS_OK : ns_db_fail(writer->db, rc, err, table->name);
    (void)sqlite3_reset(statement);
    return status;
}

/* May not be changed inside a transaction. */
static ns_status set_sync(ns_writer *writer, bool full, ns_error *err)
{
    if (writer->synced == full)
        return NS_OK;
    ns_status status = ns_db_exec(writer->db, full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err);
    if (status == NS_OK)
        writer->synced = full;
    return status;
}

static bool any_durable(const ns_writer *writer)
{
    for (size_t i = 0; i < writer->batch_count; i++)
        if (ns_row_durable(writer->batch[i]->kind))
            return true;
    return false;
}

static ns_status try_batch(ns_writer *writer, ns_error *err)
{
    ns_status status = set_sync(writer, any_durable(writer), err);
    if (status == NS_OK)
        status = ns_db_exec(writer->db, "BEGIN IMMEDIATE", err);
    if (status != NS_OK)
        return status;
    for (size_t i = 0; i < writer->batch_count && status == NS_OK; i++)
        status = write_row(writer, writer->batch[i], err);
    if (status == NS_OK)
        status = ns_db_exec(writer->db, "COMMIT", err);
    if (status != NS_OK)
        ns_db_rollback(writer->db);
    return status;
}

static void checkpoint(ns_writer *writer, int mode)
{
    (void)sqlite3_wal_checkpoint_v2(writer->db, NULL, mode, NULL, NULL);
}

static void tell_trouble(ns_writer *writer, const ns_error *error)
{
    uint64_t unsaid;
    char quoted[600];
    ns_row_queue_trouble(writer->queue, NS_STORE_read_only, error->text);
    if (ns_complain(&writer->trouble, ns_real_now_ms(), &unsaid))
        ns_log(NS_LOG_ERROR, "store", "write_failed", "status=%s rows_waiting=%zu unsaid=%llu text=%s",
               ns_status_name(error->status), writer->batch_count, (unsigned long long)unsaid,
               ns_log_quote(quoted, sizeof quoted, error->text));
}

static void give_up(ns_writer *writer, const ns_error *error)
{
    char quoted[600];
    ns_row_queue_trouble(writer->queue, NS_STORE_corrupt, error->text);
    ns_log(NS_LOG_ERROR, "store", "damaged", "path=%s text=%s hint=\"the file is left as it is; move it aside\"",
           writer->options.path, ns_log_quote(quoted, sizeof quoted, error->text));
}

static void report_committed(ns_writer *writer)
{
    uint64_t up_to = writer->batch[writer->batch_count - 1]->sequence;
    writer->put_at_ms = writer->batch[writer->batch_count - 1]->at_ms;
    ns_row_queue_done(writer->queue, writer->batch, writer->batch_count);
    writer->batch_count = 0;
    if (writer->options.committed != NULL)
        writer->options.committed(writer->options.owner, up_to);
}

/* Writes the batch, however often it takes; false when it cannot be written any more. */
static bool write_batch(ns_writer *writer)
{
    int tries_left = CLOSE_FLUSH_TRIES; /* once we are asked to stop */
    for (;;) {
        ns_error error;
        ns_status status = try_batch(writer, &error);
        if (status == NS_OK)
            break;
        if (status == NS_CORRUPT) {
            give_up(writer, &error);
            return false;
        }
        tell_trouble(writer, &error);
        if (ns_row_queue_closed(writer->queue) && --tries_left == 0) {
            ns_log(NS_LOG_ERROR, "store", "rows_lost", "rows=%zu", writer->batch_count);
            return false;
        }
        ns_row_queue_wait(writer->queue, writer->options.retry_ms);
        checkpoint(writer, SQLITE_CHECKPOINT_TRUNCATE); /* on a full disk this gives back the log's own room */
    }
    if (ns_complaint_over(&writer->trouble))
        ns_log(NS_LOG_INFO, "store", "write_recovered", "rows=%zu", writer->batch_count);
    ns_row_queue_fine(writer->queue);
    report_committed(writer);
    if (writer->wal_pages >= CHECKPOINT_PAGES)
        checkpoint(writer,
                   writer->wal_pages >= IMPATIENT_PAGES ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE);
    return true;
}

/* ---- housekeeping ---- */

static bool tidy(ns_writer *writer)
{
    bool more = false;
    ns_error error;
    ns_status status = set_sync(writer, false, &error);
    if (status == NS_OK)
        status = ns_retention_step(&writer->retention, writer->db, now_ms(writer), &more, &error);
    if (status == NS_CORRUPT) {
        give_up(writer, &error);
        return false;
    }
    uint64_t unsaid;
    if (status != NS_OK && ns_complain(&writer->untidy, ns_real_now_ms(), &unsaid)) {
        char quoted[600];
        ns_log(NS_LOG_WARNING, "store", "tidy_failed", "status=%s text=%s", ns_status_name(status),
               ns_log_quote(quoted, sizeof quoted, error.text));
    } else if (status == NS_OK) {
        (void)ns_complaint_over(&writer->untidy);
    }
    if (writer->wal_pages > 0 && !more) {
        checkpoint(writer, SQLITE_CHECKPOINT_PASSIVE);
        writer->wal_pages = 0;
    }
    int wait_ms = more ? PRESSING_MS : writer->options.tidy_ms;
    writer->tidy_at_ns = ns_monotonic_ns() + (int64_t)wait_ms * 1000000;
    return true;
}

static int until_tidy_ms(const ns_writer *writer)
{
    int64_t left_ns = writer->tidy_at_ns - ns_monotonic_ns();
    return left_ns <= 0 ? 0 : (int)(left_ns / 1000000) + 1;
}

static void *write_on(void *self)
{
    ns_writer *writer = self;
    bool going = true;
    (void)pthread_setname_np(pthread_self(), "ns-writer");
    while (going && ns_row_queue_state(writer->queue) != NS_STORE_corrupt) {
        bool closed = ns_row_queue_closed(writer->queue);
        writer->batch_count =
            ns_row_queue_take(writer->queue, writer->batch, BATCH_ROWS, BATCH_BYTES, until_tidy_ms(writer));
        if (writer->batch_count > 0)
            going = write_batch(writer);
        else if (closed)
            break;
        if (going && !closed && until_tidy_ms(writer) == 0)
            going = tidy(writer);
    }
    if (ns_row_queue_state(writer->queue) != NS_STORE_corrupt)
        checkpoint(writer, SQLITE_CHECKPOINT_TRUNCATE);
    return NULL;
}

/* ---- start and end ---- */

static ns_status prepare_inserts(ns_writer *writer, ns_error *err)
{
    ns_buf sql;
    ns_buf_init(&sql, INSERT_SQL_MAX);
    ns_status status = NS_OK;
    for (unsigned kind = 0; kind < NS_ROW_KINDS && status == NS_OK; kind++) {
        if (kind == NS_ROW_log)
            continue;
        ns_buf_reset(&sql);
        ns_table_insert_sql(ns_table_of((ns_row_kind)kind), &sql);
        status = sql.failed ? ns_fail(err, NS_NO_MEMORY, "an INSERT")
                            : ns_db_prepare(writer->db, sql.at, &writer->insert[kind], err);
    }
    ns_buf_clear(&sql);
    return status;
}

static void let_go(ns_writer *writer)
{
    for (size_t i = 0; i < writer->batch_count; i++)
        ns_free(writer->batch[i]);
    for (size_t i = 0; i < NS_ROW_KINDS; i++)
        (void)sqlite3_finalize(writer->insert[i]);
    ns_log_appender_close(writer->logs);
    ns_free(writer);
}

/* Signals are the loop's business. */
static ns_status start_thread(ns_writer *writer, ns_error *err)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&writer->thread, NULL, write_on, writer);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? NS_OK : ns_fail(err, NS_NO_MEMORY, "the writer thread cannot be started (%d)", rc);
}

ns_status ns_writer_start(const ns_store_options *options, sqlite3 *db, ns_row_queue *queue, ns_writer **out,
                          ns_error *err)
{
    ns_writer *writer = NS_NEW(ns_writer);
    if (writer == NULL)
        return ns_fail(err, NS_NO_MEMORY, "the store's writer");
    writer->options = *options;
    writer->db = db;
    writer->queue = queue;
    writer->retention = (ns_retention){.max_bytes = options->max_bytes,
                                       .telemetry_ms = options->telemetry_days * DAY_MS,
                                       .log_ms = options->log_days * DAY_MS};
    writer->tidy_at_ns = ns_monotonic_ns() + (int64_t)options->tidy_ms * 1000000;
    writer->put_at_ms = ns_clock_now_ms(&options->clock);
    (void)sqlite3_wal_hook(db, note_wal, writer);
    ns_status status = ns_db_exec(db, "PRAGMA synchronous = NORMAL", err);
    if (status == NS_OK)
        status = prepare_inserts(writer, err);
    if (status == NS_OK)
        status = ns_log_appender_open(db, &writer->logs, err);
    if (status == NS_OK)
        status = start_thread(writer, err);
    if (status != NS_OK) {
        let_go(writer);
        return status;
    }
    *out = writer;
    return NS_OK;
}

void ns_writer_free(ns_writer *writer)
{
    if (writer == NULL)
        return;
    ns_row_queue_close(writer->queue);
    (void)pthread_join(writer->thread, NULL);
    let_go(writer);
}
