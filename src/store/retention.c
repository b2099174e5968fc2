#include "store/retention.h"

#include "base/log.h"
#include "store/db.h"

#include <stdio.h>

#define WINDOW          500 /* rows looked at in one step */
#define ROUNDS_BY_SIZE  4
#define VACUUM_AT_LEAST (1 << 20) /* bytes */

/* A build or log that an open case is about, or about which a person has said something. */
#define WANTED(job, number)                                                                                            \
    "EXISTS (SELECT 1 FROM cases c WHERE c.state <> 'closed' AND c.jenkins_job = " job " AND (c.build = " number       \
    " OR c.result_build = " number ")) OR EXISTS (SELECT 1 FROM labels l WHERE l.jenkins_job = " job                   \
    " AND l.build = " number ")"

typedef struct forgettable {
    const char *table;
    const char *time;  /* its column of time */
    const char *guard; /* what must stay */
    bool appended;     /* ids grow with time: the oldest stand at the beginning */
    bool log;
    bool last_resort; /* by size only, and only when nothing else is left */
} forgettable;

static const forgettable tables[NS_RETENTION_TABLES] = {
    {.table = "records", .time = "at_ms", .guard = "0", .appended = true},
    {.table = "predictions", .time = "known_at_ms", .guard = "0", .appended = true},
    {.table = "builds", .time = "seen_ms", .guard = WANTED("builds.jenkins_job", "builds.number")},
    {.table = "logs", .time = "changed_ms", .guard = WANTED("logs.jenkins_job", "logs.build"), .log = true},
    {.table = "decisions",
     .time = "at_ms",
     .guard = "EXISTS (SELECT 1 FROM cases c WHERE c.id = decisions.case_id AND c.state <> 'closed')"
              " OR id = (SELECT max(id) FROM decisions)",
     .appended = true,
     .last_resort = true},
};

/* Deletes what is older than before_ms among the rows after *seen, one window of them. */
static ns_status forget_window(const forgettable *what, sqlite3 *db, int64_t before_ms, int window, int64_t *seen,
                               int64_t *gone, ns_error *err)
{
    char sql[1024];
    int64_t last = -1;
    (void)snprintf(sql, sizeof sql,
                   "SELECT ifnull(max(id), -1) FROM (SELECT id FROM %s WHERE id > %lld ORDER BY id LIMIT %d)",
                   what->table, (long long)*seen, window);
    ns_status status = ns_db_int(db, sql, &last, err);
    if (status != NS_OK)
        return status;
    if (last < 0) { /* the end: the next round begins in front */
        *seen = 0;
        return NS_OK;
    }
    char where[768];
    (void)snprintf(where, sizeof where, "FROM %s WHERE id > %lld AND id <= %lld AND ifnull(%s, 0) < %lld AND NOT (%s)",
                   what->table, (long long)*seen, (long long)last, what->time, (long long)before_ms, what->guard);
    if (what->log) {
        (void)snprintf(sql, sizeof sql, "DELETE FROM log_chunks WHERE log_id IN (SELECT id %s)", where);
        status = ns_db_exec(db, sql, err);
    }
    (void)snprintf(sql, sizeof sql, "DELETE %s", where);
    if (status == NS_OK)
        status = ns_db_exec(db, sql, err);
    if (status != NS_OK)
        return status;
    *gone += sqlite3_changes(db);
    *seen = what->appended ? 0 : last;
    return NS_OK;
}

static ns_status by_age(ns_retention *retention, sqlite3 *db, int64_t now_ms, bool *more, ns_error *err)
{
    ns_status status = NS_OK;
    for (size_t i = 0; i < NS_RETENTION_TABLES && status == NS_OK; i++) {
        int64_t keep_ms = tables[i].log ? retention->log_ms : retention->telemetry_ms;
        if (keep_ms <= 0 || tables[i].last_resort)
            continue;
        int64_t gone = 0;
        status = forget_window(&tables[i], db, now_ms - keep_ms, WINDOW, &retention->seen[i], &gone, err);
        *more = *more || gone > 0;
    }
    return status;
}

static ns_status live_bytes(sqlite3 *db, int64_t *live, int64_t *on_disk, ns_error *err)
{
    int64_t size = 0, pages = 0, unused = 0;
    ns_status status = ns_db_int(db, "PRAGMA page_size", &size, err);
    if (status == NS_OK)
        status = ns_db_int(db, "PRAGMA page_count", &pages, err);
    if (status == NS_OK)
        status = ns_db_int(db, "PRAGMA freelist_count", &unused, err);
    *live = (pages - unused) * size;
    *on_disk = pages * size;
    return status;
}

/* Which table's first row is oldest; -1 when all are empty or in `spent`. */
static ns_status oldest_table(sqlite3 *db, unsigned spent, int *out, ns_error *err)
{
    int64_t oldest = INT64_MAX;
    *out = -1;
    for (int i = 0; i < NS_RETENTION_TABLES; i++) {
        if ((spent >> i & 1u) != 0 || (tables[i].last_resort && *out >= 0))
            continue;
        char sql[256];
        (void)snprintf(sql, sizeof sql,
                       "SELECT ifnull((SELECT ifnull(%s, 0) FROM %s ORDER BY id LIMIT 1), 9223372036854775807)",
                       tables[i].time, tables[i].table);
        int64_t time = INT64_MAX;
        ns_status status = ns_db_int(db, sql, &time, err);
        if (status != NS_OK)
            return status;
        if (time < oldest) {
            oldest = time;
            *out = i;
        }
    }
    return NS_OK;
}

/* Rows of the oldest table, a few logs or many small rows, whatever their age. */
static ns_status by_size(ns_retention *retention, sqlite3 *db, int64_t live, int64_t limit, bool *more, ns_error *err)
{
    unsigned spent = 0;
    int64_t gone = 0, on_disk = 0;
    for (int round = 0; round < ROUNDS_BY_SIZE && live > limit; round++) {
        int i;
        ns_status status = oldest_table(db, spent, &i, err);
        if (status != NS_OK || i < 0)
            return status;
        int64_t before = gone, from = tables[i].appended ? 0 : retention->seen[i];
        status = forget_window(&tables[i], db, INT64_MAX, tables[i].log ? 4 : WINDOW, &from, &gone, err);
        if (status == NS_OK)
            status = live_bytes(db, &live, &on_disk, err);
        if (status != NS_OK)
            return status;
        /* What is guarded at the front is passed over; a table that gives nothing twice is left alone. */
        retention->seen[i] = gone > before ? 0 : from;
        if (gone == before && from == 0)
            spent |= 1u << i;
    }
    *more = *more || gone > 0;
    if (gone == 0 && spent != 0 && !retention->told_full)
        ns_log(NS_LOG_WARNING, "store", "above_limit", "bytes=%lld limit=%lld hint=\"raise the limit of the store\"",
               (long long)live, (long long)limit);
    retention->told_full = gone == 0 && spent != 0;
    return NS_OK;
}

static ns_status one_step(ns_retention *retention, sqlite3 *db, int64_t now_ms, bool *more, ns_error *err)
{
    ns_status status = by_age(retention, db, now_ms, more, err);
    int64_t live = 0, on_disk = 0;
    if (status == NS_OK)
        status = live_bytes(db, &live, &on_disk, err);
    /* The file itself never shrinks in the middle: begin before the limit, the write-ahead log needs room as well. */
    int64_t limit = retention->max_bytes - retention->max_bytes / 8;
    if (status == NS_OK && retention->max_bytes > 0 && live > limit)
        status = by_size(retention, db, live, limit, more, err);
    if (status == NS_OK)
        status = live_bytes(db, &live, &on_disk, err);
    /* Free pages are kept for the next rows, unless there are many or the file is too large with them. */
    int64_t unused = on_disk - live;
    bool too_large = retention->max_bytes > 0 && on_disk > retention->max_bytes && unused > 0;
    if (status == NS_OK && (too_large || (unused > VACUUM_AT_LEAST && unused > on_disk / 4))) {
        status = ns_db_exec(db, "PRAGMA incremental_vacuum(256)", err);
        *more = true;
    }
    return status;
}

ns_status ns_retention_step(ns_retention *retention, sqlite3 *db, int64_t now_ms, bool *more, ns_error *err)
{
    *more = false;
    ns_status status = ns_db_exec(db, "BEGIN IMMEDIATE", err);
    if (status != NS_OK)
        return status;
    status = one_step(retention, db, now_ms, more, err);
    if (status == NS_OK)
        status = ns_db_exec(db, "COMMIT", err);
    if (status != NS_OK) {
        ns_db_rollback(db);
        *more = false;
    }
    return status;
}
