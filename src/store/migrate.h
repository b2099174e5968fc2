/*
 * The database's shape in numbered steps: migrations/NNNN_name.sql, embedded when the program is built.
 *
 * `user_version` says how many steps a file has seen, `application_id` that it is ours. Steps only go forward; each
 * is one transaction together with its new number, so a kill in between leaves a whole earlier version. A file made
 * by a newer program is refused, never touched.
 */
#ifndef NS_STORE_MIGRATE_H
#define NS_STORE_MIGRATE_H

#include "base/status.h"

#include <sqlite3.h>

typedef struct ns_migration {
    const char *name;
    const char *sql;
} ns_migration;

/* Step n is ns_migrations[n - 1]. */
extern const ns_migration ns_migrations[];
extern const int ns_migration_count;

#define NS_STORE_APPLICATION_ID 0x4e536462 /* "NSdb" */

/* Brings the database to the newest version. NS_BAD_INPUT: newer than this program, or somebody else's database. */
NS_MUST_USE ns_status ns_migrate(sqlite3 *db, const char *path, ns_error *err);

/* For readers, who change nothing: NS_BAD_INPUT unless the version is exactly ours. */
NS_MUST_USE ns_status ns_migrate_check(sqlite3 *db, const char *path, ns_error *err);

#endif
