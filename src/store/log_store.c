#include "store/log_store.h"

#include "base/mem.h"
#include "store/db.h"

#include <string.h>

enum { FIND, MAKE, KEEP, FORGET, TAIL, DROP_TAIL, CHUNK, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
    [FIND] = "SELECT id, bytes, packed_bytes FROM logs WHERE jenkins_job = ?1 AND build = ?2",
    [MAKE] = "INSERT INTO logs (jenkins_job, build, next_offset, restarted, ended, bytes, packed_bytes, changed_ms) "
             "VALUES (?1, ?2, 0, 0, 0, 0, 0, 0)",
    [KEEP] = "UPDATE logs SET next_offset = ?2, ended = ?3, bytes = ?4, packed_bytes = ?5, changed_ms = ?6 "
             "WHERE id = ?1",
    [FORGET] = "DELETE FROM log_chunks WHERE log_id = ?1",
    [TAIL] = "SELECT length, codec, data FROM log_chunks WHERE log_id = ?1 AND at >= ?2 ORDER BY at",
    [DROP_TAIL] = "DELETE FROM log_chunks WHERE log_id = ?1 AND at >= ?2",
    [CHUNK] = "INSERT INTO log_chunks (log_id, at, length, codec, data) VALUES (?1, ?2, ?3, ?4, ?5)",
};

struct ns_log_appender {
    sqlite3 *db;
    sqlite3_stmt *statement[STATEMENTS];
    ns_log_packer *packer;
    char *carry; /* NS_LOG_CHUNK_BYTES: text on its way into a compressed chunk */
};

typedef struct log_head {
    int64_t id;
    int64_t bytes;  /* of text stored */
    int64_t packed; /* of them in compressed chunks; the rest are plain rows */
} log_head;

ns_status ns_log_appender_open(sqlite3 *db, ns_log_appender **out, ns_error *err)
{
    ns_log_appender *appender = NS_NEW(ns_log_appender);
    if (appender == NULL)
        return ns_fail(err, NS_NO_MEMORY, "log appender");
    appender->db = db;
    appender->carry = NS_NEW_ARRAY(char, NS_LOG_CHUNK_BYTES);
    appender->packer = ns_log_packer_new();
    ns_status status = NS_OK;
    if (appender->carry == NULL || appender->packer == NULL)
        status = ns_fail(err, NS_NO_MEMORY, "log compressor");
    for (int i = 0; i < STATEMENTS && status == NS_OK; i++)
        status = ns_db_prepare(db, statement_sql[i], &appender->statement[i], err);
    if (status != NS_OK) {
        ns_log_appender_close(appender);
        return status;
    }
    *out = appender;
    return NS_OK;
}

void ns_log_appender_close(ns_log_appender *appender)
{
    if (appender == NULL)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(appender->statement[i]);
    ns_log_packer_free(appender->packer);
    ns_free(appender->carry);
    ns_free(appender);
}

/* Runs a statement without results to its end, ready for the next time. */
static ns_status run(ns_log_appender *appender, int which, ns_error *err)
{
    int rc = sqlite3_step(appender->statement[which]);
    ns_status status = rc == SQLITE_DONE ? NS_OK : ns_db_fail(appender->db, rc, err, "log text cannot be stored");
    (void)sqlite3_reset(appender->statement[which]);
    (void)sqlite3_clear_bindings(appender->statement[which]);
    return status;
}

static void bind_name(sqlite3_stmt *statement, const ns_log_row *row)
{
    (void)sqlite3_bind_text(statement, 1, row->jenkins_job, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, row->build);
}

static ns_status find(ns_log_appender *appender, const ns_log_row *row, log_head *head, ns_error *err)
{
    sqlite3_stmt *statement = appender->statement[FIND];
    bind_name(statement, row);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *head = (log_head){.id = sqlite3_column_int64(statement, 0),
                           .bytes = sqlite3_column_int64(statement, 1),
                           .packed = sqlite3_column_int64(statement, 2)};
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return ns_db_fail(appender->db, rc, err, "a log cannot be found");
    if (rc == SQLITE_ROW) {
        int64_t tail = head->bytes - head->packed;
        return head->packed >= 0 && tail >= 0 && tail < NS_LOG_CHUNK_BYTES
                   ? NS_OK
                   : ns_fail(err, NS_CORRUPT, "the lengths of a stored log make no sense");
    }
    bind_name(appender->statement[MAKE], row);
    ns_status status = run(appender, MAKE, err);
    if (status == NS_OK)
        *head = (log_head){.id = sqlite3_last_insert_rowid(appender->db)};
    return status;
}

static ns_status forget(ns_log_appender *appender, log_head *head, ns_error *err)
{
    (void)sqlite3_bind_int64(appender->statement[FORGET], 1, head->id);
    head->bytes = head->packed = 0;
    return run(appender, FORGET, err);
}

static ns_status put_chunk(ns_log_appender *appender, const log_head *head, int64_t at, size_t length,
                           ns_log_codec codec, ns_text data, ns_error *err)
{
    sqlite3_stmt *statement = appender->statement[CHUNK];
    (void)sqlite3_bind_int64(statement, 1, head->id);
    (void)sqlite3_bind_int64(statement, 2, at);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)length);
    (void)sqlite3_bind_int(statement, 4, (int)codec);
    int rc = sqlite3_bind_blob(statement, 5, data.at, (int)data.len, SQLITE_STATIC);
    if (rc != SQLITE_OK)
        return ns_db_fail(appender->db, rc, err, "log text cannot be stored");
    return run(appender, CHUNK, err);
}

static ns_status put_packed(ns_log_appender *appender, log_head *head, size_t length, ns_error *err)
{
    ns_text frame;
    ns_status status = ns_log_pack(appender->packer, (ns_text){appender->carry, length}, &frame, err);
    if (status == NS_OK)
        status = put_chunk(appender, head, head->packed, length, NS_LOG_ZSTD, frame, err);
    if (status == NS_OK)
        head->packed += (int64_t)length;
    return status;
}

/* Moves the plain rows at the end of the log into carry; *used gets their bytes. */
static ns_status take_tail(ns_log_appender *appender, const log_head *head, size_t *used, ns_error *err)
{
    sqlite3_stmt *statement = appender->statement[TAIL];
    (void)sqlite3_bind_int64(statement, 1, head->id);
    (void)sqlite3_bind_int64(statement, 2, head->packed);
    ns_status status = NS_OK;
    int rc = SQLITE_DONE;
    while (status == NS_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t length = sqlite3_column_int64(statement, 0);
        ns_text data = {sqlite3_column_blob(statement, 2), (size_t)sqlite3_column_bytes(statement, 2)};
        if (length < 0 || (size_t)length > NS_LOG_CHUNK_BYTES - *used)
            status = ns_fail(err, NS_CORRUPT, "the end of a stored log is too long");
        else
            status = ns_log_unpack(sqlite3_column_int64(statement, 1), data, length, appender->carry + *used, err);
        *used += status == NS_OK ? (size_t)length : 0;
    }
    if (status == NS_OK && rc != SQLITE_DONE)
        status = ns_db_fail(appender->db, rc, err, "the end of a log cannot be read");
    (void)sqlite3_reset(statement);
    if (status == NS_OK && (int64_t)*used != head->bytes - head->packed)
        status = ns_fail(err, NS_CORRUPT, "the end of a stored log is missing");
    if (status != NS_OK)
        return status;
    (void)sqlite3_bind_int64(appender->statement[DROP_TAIL], 1, head->id);
    (void)sqlite3_bind_int64(appender->statement[DROP_TAIL], 2, head->packed);
    return run(appender, DROP_TAIL, err);
}

/* Whole chunks are compressed; what is left becomes a plain row, or at the log's end a last short chunk. */
static ns_status repack(ns_log_appender *appender, log_head *head, ns_text text, bool ended, ns_error *err)
{
    size_t used = 0;
    ns_status status = take_tail(appender, head, &used, err);
    head->bytes += (int64_t)text.len;
    while (status == NS_OK && text.len > 0) {
        size_t piece = NS_LOG_CHUNK_BYTES - used < text.len ? NS_LOG_CHUNK_BYTES - used : text.len;
        memcpy(appender->carry + used, text.at, piece);
        text = (ns_text){text.at + piece, text.len - piece};
        used += piece;
        if (used == NS_LOG_CHUNK_BYTES) {
            status = put_packed(appender, head, used, err);
            used = 0;
        }
    }
    if (status != NS_OK || used == 0)
        return status;
    if (ended)
        return put_packed(appender, head, used, err);
    return put_chunk(appender, head, head->packed, used, NS_LOG_PLAIN, (ns_text){appender->carry, used}, err);
}

static ns_status keep(ns_log_appender *appender, const log_head *head, const ns_log_row *row, int64_t now_ms,
                      ns_error *err)
{
    sqlite3_stmt *statement = appender->statement[KEEP];
    (void)sqlite3_bind_int64(statement, 1, head->id);
    (void)sqlite3_bind_int64(statement, 2, row->next_offset);
    (void)sqlite3_bind_int(statement, 3, row->ended);
    (void)sqlite3_bind_int64(statement, 4, head->bytes);
    (void)sqlite3_bind_int64(statement, 5, head->packed);
    (void)sqlite3_bind_int64(statement, 6, now_ms);
    return run(appender, KEEP, err);
}

ns_status ns_log_append(ns_log_appender *appender, const ns_log_row *row, int64_t now_ms, ns_error *err)
{
    log_head head = {0};
    ns_status status = find(appender, row, &head, err);
    if (status == NS_OK && row->restarted)
        status = forget(appender, &head, err);
    if (status != NS_OK)
        return status;
    int64_t tail = head.bytes - head.packed + (int64_t)row->text.len;
    if (row->ended ? tail > 0 : tail >= NS_LOG_CHUNK_BYTES) {
        status = repack(appender, &head, row->text, row->ended, err);
    } else if (row->text.len > 0) {
        status = put_chunk(appender, &head, head.bytes, row->text.len, NS_LOG_PLAIN, row->text, err);
        head.bytes += (int64_t)row->text.len;
    }
    return status == NS_OK ? keep(appender, &head, row, now_ms, err) : status;
}

/* ---- reading ---- */

/* One statement, so one state of the database, also while the writer appends. */
static const char read_sql[] = "SELECT l.bytes, c.at, c.length, c.codec, c.data FROM logs l LEFT JOIN log_chunks c "
                               "ON c.log_id = l.id AND c.at > ?3 - 65536 AND c.at + c.length > ?3 AND c.at < ?3 + ?4 "
                               "WHERE l.jenkins_job = ?1 AND l.build = ?2 ORDER BY c.at";

_Static_assert(NS_LOG_CHUNK_BYTES == 65536, "read_sql knows how far back a chunk may begin");

typedef struct log_page {
    int64_t at; /* next byte wanted */
    size_t left;
    int64_t total; /* -1: nothing is stored */
    char *chunk;
    ns_buf *out;
} log_page;

static ns_status read_chunk(log_page *page, sqlite3_stmt *statement, ns_error *err)
{
    int64_t at = sqlite3_column_int64(statement, 1);
    int64_t length = sqlite3_column_int64(statement, 2);
    ns_text data = {sqlite3_column_blob(statement, 4), (size_t)sqlite3_column_bytes(statement, 4)};
    ns_status status = ns_log_unpack(sqlite3_column_int64(statement, 3), data, length, page->chunk, err);
    if (status != NS_OK)
        return status;
    if (at > page->at || at + length <= page->at)
        return ns_fail(err, NS_CORRUPT, "a stored log has a hole at byte %lld", (long long)page->at);
    size_t skip = (size_t)(page->at - at);
    size_t have = (size_t)length - skip < page->left ? (size_t)length - skip : page->left;
    status = ns_buf_put(page->out, page->chunk + skip, have);
    if (status != NS_OK)
        return ns_fail(err, status, "log text of %zu bytes does not fit", have);
    page->at += (int64_t)have;
    page->left -= have;
    return NS_OK;
}

static ns_status read_page(log_page *page, sqlite3 *reader, sqlite3_stmt *statement, ns_error *err)
{
    int rc;
    ns_status status = NS_OK;
    while (status == NS_OK && (rc = sqlite3_step(statement)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW)
            return ns_db_fail(reader, rc, err, "log text cannot be read");
        page->total = sqlite3_column_int64(statement, 0);
        if (page->left > 0 && sqlite3_column_type(statement, 1) != SQLITE_NULL)
            status = read_chunk(page, statement, err);
    }
    if (status == NS_OK && page->left > 0 && page->total > page->at)
        status = ns_fail(err, NS_CORRUPT, "a stored log ends at byte %lld of %lld", (long long)page->at,
                         (long long)page->total);
    return status;
}

/* Bytes at the end of a page that begin a character which goes on behind it. */
static size_t cut_character(ns_text text)
{
    for (size_t back = 1; back <= 3 && back < text.len; back++) {
        unsigned char c = (unsigned char)text.at[text.len - back];
        if (c < 0x80)
            return 0;
        if (c >= 0xc0)
            return (c >= 0xf0 ? 4u : c >= 0xe0 ? 3u : 2u) > back ? back : 0;
    }
    return 0;
}

static void set_length(ns_buf *out, size_t len)
{
    out->len = len;
    if (out->at != NULL)
        out->at[len] = '\0';
}

ns_status ns_log_read(sqlite3 *reader, const char *jenkins_job, int64_t build, int64_t from, size_t limit, ns_buf *out,
                      int64_t *total, ns_error *err)
{
    if (from < 0 || limit > INT32_MAX || from > INT64_MAX - INT32_MAX)
        return ns_fail(err, NS_BAD_USAGE, "log text from byte %lld, %zu bytes", (long long)from, limit);
    size_t kept = out->len;
    log_page page = {
        .at = from, .left = limit, .total = -1, .chunk = NS_NEW_ARRAY(char, NS_LOG_CHUNK_BYTES), .out = out};
    if (page.chunk == NULL)
        return ns_fail(err, NS_NO_MEMORY, "room for a log chunk");
    sqlite3_stmt *statement = NULL;
    ns_status status = ns_db_prepare(reader, read_sql, &statement, err);
    if (status == NS_OK) {
        (void)sqlite3_bind_text(statement, 1, jenkins_job, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, 2, build);
        (void)sqlite3_bind_int64(statement, 3, from);
        (void)sqlite3_bind_int64(statement, 4, (int64_t)limit);
        status = read_page(&page, reader, statement, err);
    }
    (void)sqlite3_finalize(statement);
    ns_free(page.chunk);
    if (status == NS_OK && page.total < 0)
        status = ns_fail(err, NS_NOT_FOUND, "no log of %s #%lld is stored", jenkins_job, (long long)build);
    if (status != NS_OK) {
        set_length(out, kept);
        return status;
    }
    if (page.at < page.total && out->len > kept)
        set_length(out, out->len - cut_character((ns_text){out->at + kept, out->len - kept}));
    *total = page.total;
    return NS_OK;
}
