#include "sqlite_fixture.h"

#include <time.h>
#include <unistd.h>

char folder[256];
char path[320];

void remove_files(void)
{
    const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < NS_COUNT_OF(endings); i++) {
        char name[400];
        (void)snprintf(name, sizeof name, "%s%s", path, endings[i]);
        (void)unlink(name);
    }
}

int clean(void **state)
{
    (void)state;
    atomic_store(&fault_vfs.write_result, SQLITE_OK);
    atomic_store(&fault_vfs.sync_result, SQLITE_OK);
    atomic_store(&fault_vfs.hold, false);
    fault_memory_after(-1);
    ns_mem_fail_after(-1);
    remove_files();
    return 0;
}

ns_store_options quick(void)
{
    return (ns_store_options){.path = path, .batch_ms = 5, .retry_ms = 5, .tidy_ms = 5};
}

ns_store open_with(const ns_store_options *options)
{
    ns_store store;
    ns_error err = {0};
    if (ns_sqlite_store_open(options, &store, &err) != NS_OK)
        fail_msg("open: %s", err.text);
    return store;
}

void flush(ns_store *store)
{
    ns_error err;
    if (store->flush(store->self, WAIT_MS, &err) != NS_OK)
        fail_msg("flush: %s", err.text);
}

void rest(void)
{
    const struct timespec little = {.tv_nsec = 2000000};
    (void)nanosleep(&little, NULL);
}

int rows(ns_store *store, ns_row_kind kind)
{
    return count_rows(store, &(ns_row_query){.kind = kind});
}

void raw_exec(const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    CHECK_INT(SQLITE_OK, sqlite3_open(path, &db));
    CHECK_INT(SQLITE_OK, sqlite3_busy_timeout(db, WAIT_MS)); /* the store tidies up meanwhile */
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    CHECK_INT(SQLITE_OK, sqlite3_close(db));
}

int64_t raw_int(const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    CHECK_INT(SQLITE_OK, sqlite3_open(path, &db));
    CHECK_INT(SQLITE_OK, sqlite3_busy_timeout(db, WAIT_MS)); /* the store tidies up meanwhile */
    CHECK_INT(SQLITE_OK, sqlite3_prepare_v2(db, sql, -1, &statement, NULL));
    CHECK_INT(SQLITE_ROW, sqlite3_step(statement));
    int64_t value = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    CHECK_INT(SQLITE_OK, sqlite3_close(db));
    return value;
}

bool visit_any(void *owner, const ns_row *row, int64_t cursor)
{
    (void)owner;
    (void)row;
    return cursor > 0;
}

int fixture_begin(void)
{
    fault_memory_install();
    fault_vfs_install();
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%.200s/ns-store-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(folder) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/neuroshield.db", folder);
    return 0;
}

void fixture_end(void)
{
    remove_files();
    (void)rmdir(folder);
}
