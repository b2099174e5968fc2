#include "store/list.h"

#include "store/columns.h"
#include "store/db.h"

#include <string.h>

#define PAGE_DEFAULT 100
#define PAGE_MAX     1000
#define SQL_MAX      4096

static ns_status check(const ns_row_query *query, ns_error *err)
{
    if ((unsigned)query->kind >= NS_ROW_KINDS)
        return ns_fail(err, NS_BAD_USAGE, "there is no such kind of row");
    if (query->limit < 0 || query->limit > PAGE_MAX)
        return ns_fail(err, NS_BAD_USAGE, "a page has 1..%d rows, not %lld", PAGE_MAX, (long long)query->limit);
    const ns_table *table = ns_table_of(query->kind);
    const char *missing = query->jenkins_job != NULL && table->job == NULL ? "jenkins_job"
                          : query->build != 0 && table->build == NULL      ? "build"
                          : query->case_id != 0 && table->case_id == NULL  ? "case"
                          : query->open_only && table->open == NULL        ? "open"
                                                                           : NULL;
    if (missing != NULL)
        return ns_fail(err, NS_BAD_USAGE, "%s cannot be asked for by %s", table->name, missing);
    return NS_OK;
}

static void compose(const ns_table *table, const ns_row_query *query, ns_buf *sql)
{
    (void)ns_buf_string(sql, "SELECT id, ");
    ns_table_columns_sql(table, sql);
    (void)ns_buf_printf(sql, " FROM %s WHERE 1", table->name);
    if (query->id != 0)
        (void)ns_buf_string(sql, " AND id = ?1");
    if (query->jenkins_job != NULL)
        (void)ns_buf_printf(sql, " AND %s = ?2", table->job);
    if (query->build != 0)
        (void)ns_buf_printf(sql, " AND %s = ?3", table->build);
    if (query->case_id != 0)
        (void)ns_buf_printf(sql, " AND %s = ?4", table->case_id);
    if (query->open_only)
        (void)ns_buf_printf(sql, " AND %s", table->open);
    if (query->after != 0)
        (void)ns_buf_printf(sql, " AND id %c ?5", query->oldest_first ? '>' : '<');
    (void)ns_buf_printf(sql, " ORDER BY id %s LIMIT ?6", query->oldest_first ? "ASC" : "DESC");
}

/* A parameter that the statement does not have is no error: SQLITE_RANGE is what it says then. */
static void bind(const ns_row_query *query, sqlite3_stmt *statement)
{
    (void)sqlite3_bind_int64(statement, 1, query->id);
    if (query->jenkins_job != NULL)
        (void)sqlite3_bind_text(statement, 2, query->jenkins_job, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 3, query->build);
    (void)sqlite3_bind_int64(statement, 4, query->case_id);
    (void)sqlite3_bind_int64(statement, 5, query->after);
    (void)sqlite3_bind_int64(statement, 6, query->limit == 0 ? PAGE_DEFAULT : query->limit);
}

static ns_status visit_rows(sqlite3 *reader, sqlite3_stmt *statement, ns_row_kind kind, ns_row_visit *visit,
                            void *owner, ns_error *err)
{
    const ns_table *table = ns_table_of(kind);
    ns_any_row any;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(statement, 0);
        ns_status status = ns_row_read(table, statement, 1, &any, err);
        if (status != NS_OK)
            return status;
        if (table->id_offset != SIZE_MAX)
            memcpy((char *)&any + table->id_offset, &id, sizeof id);
        ns_row row = ns_row_of(kind, &any);
        if (!visit(owner, &row, id))
            return NS_OK;
    }
    return rc == SQLITE_DONE ? NS_OK : ns_db_fail(reader, rc, err, table->name);
}

ns_status ns_list_rows(sqlite3 *reader, const ns_row_query *query, ns_row_visit *visit, void *owner, ns_error *err)
{
    ns_status status = check(query, err);
    if (status != NS_OK)
        return status;
    ns_buf sql;
    ns_buf_init(&sql, SQL_MAX);
    compose(ns_table_of(query->kind), query, &sql);
    sqlite3_stmt *statement = NULL;
    status = sql.failed ? ns_fail(err, NS_NO_MEMORY, "a query") : ns_db_prepare(reader, sql.at, &statement, err);
    ns_buf_clear(&sql);
    if (status == NS_OK) {
        bind(query, statement);
        status = visit_rows(reader, statement, query->kind, visit, owner, err);
    }
    (void)sqlite3_finalize(statement);
    return status;
}

ns_status ns_list_growing_logs(sqlite3 *reader, ns_row_visit *visit, void *owner, ns_error *err)
{
    sqlite3_stmt *statement = NULL;
    ns_status status = ns_db_prepare(
        reader, "SELECT id, jenkins_job, build, next_offset, restarted, ended FROM logs WHERE ended = 0 ORDER BY id",
        &statement, err);
    if (status == NS_OK)
        status = visit_rows(reader, statement, NS_ROW_log, visit, owner, err);
    (void)sqlite3_finalize(statement);
    return status;
}
