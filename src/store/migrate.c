#include "store/migrate.h"

#include "base/log.h"
#include "store/db.h"

#include <stdio.h>

/* A file with tables that are not ours must not be touched; version 0 without tables is a new file. */
static ns_status version_of(sqlite3 *db, const char *path, int64_t *version, ns_error *err)
{
    int64_t application = 0, objects = 0;
    ns_status status = ns_db_int(db, "PRAGMA user_version", version, err);
    if (status == NS_OK)
        status = ns_db_int(db, "PRAGMA application_id", &application, err);
    if (status == NS_OK)
        status = ns_db_int(db, "SELECT count(*) FROM sqlite_schema", &objects, err);
    if (status != NS_OK)
        return status;
    bool empty = *version == 0 && objects == 0;
    if (!empty && application != NS_STORE_APPLICATION_ID)
        return ns_fail(err, NS_BAD_INPUT, "%s: this SQLite database is not one of NeuroShield's", path);
    if (*version > ns_migration_count)
        return ns_fail(err, NS_BAD_INPUT,
                       "%s: has version %lld, this program knows versions up to %d; use the newer NeuroShield", path,
                       (long long)*version, ns_migration_count);
    return NS_OK;
}

static ns_status step(sqlite3 *db, int number, ns_error *err)
{
    const ns_migration *migration = &ns_migrations[number - 1];
    char version[96];
    (void)snprintf(version, sizeof version, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   NS_STORE_APPLICATION_ID, number);
    ns_status status = ns_db_exec(db, "BEGIN IMMEDIATE", err);
    if (status != NS_OK)
        return status;
    status = ns_db_exec(db, migration->sql, err);
    if (status == NS_OK)
        status = ns_db_exec(db, version, err);
    if (status == NS_OK)
        status = ns_db_exec(db, "COMMIT", err);
    if (status != NS_OK) {
        ns_db_rollback(db);
        return ns_fail_in(err, status, "migration step %d (%s)", number, migration->name);
    }
    ns_log(NS_LOG_INFO, "store", "migrated", "version=%d step=%s", number, migration->name);
    return NS_OK;
}

ns_status ns_migrate(sqlite3 *db, const char *path, ns_error *err)
{
    int64_t version = 0;
    ns_status status = version_of(db, path, &version, err);
    for (int number = (int)version + 1; status == NS_OK && number <= ns_migration_count; number++)
        status = step(db, number, err);
    return status;
}

ns_status ns_migrate_check(sqlite3 *db, const char *path, ns_error *err)
{
    int64_t version = 0;
    ns_status status = version_of(db, path, &version, err);
    if (status == NS_OK && version < ns_migration_count)
        status = ns_fail(err, NS_BAD_INPUT,
                         "%s: has version %lld, this program reads version %d; the daemon brings it up to date when it "
                         "starts",
                         path, (long long)version, ns_migration_count);
    return status;
}
