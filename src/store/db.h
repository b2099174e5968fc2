/*
 * The few words this room needs to talk to SQLite: open as it should be opened, run, prepare, and turn result codes
 * into ns_status. A connection belongs to one thread.
 */
#ifndef NS_STORE_DB_H
#define NS_STORE_DB_H

#include "base/status.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* NS_CORRUPT: damaged or no database at all. NS_BUSY: locked by another program. NS_IO: disk full, read only, ... */
ns_status ns_db_status(int rc);

/* *err gets "what: SQLite's words". Returns ns_db_status(rc). */
ns_status ns_db_fail(sqlite3 *db, int rc, ns_error *err, const char *what);

/* Creates the file with mode 0600 and its folder with 0700 where they are missing; WAL; no automatic checkpoint, also
 * none at closing. Checks the content for at most check_ms. */
NS_MUST_USE ns_status ns_db_open_writer(const char *path, int check_ms, sqlite3 **out, ns_error *err);

/* NS_NOT_FOUND when there is no file. */
NS_MUST_USE ns_status ns_db_open_reader(const char *path, sqlite3 **out, ns_error *err);

NS_MUST_USE ns_status ns_db_exec(sqlite3 *db, const char *sql, ns_error *err);
NS_MUST_USE ns_status ns_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, ns_error *err);
/* The first column of the first row. */
NS_MUST_USE ns_status ns_db_int(sqlite3 *db, const char *sql, int64_t *out, ns_error *err);

/* Ends an open transaction, if there is one. */
void ns_db_rollback(sqlite3 *db);

/* Folder `path` with mode 0700, parents too, where missing. */
NS_MUST_USE ns_status ns_db_folder(const char *path, ns_error *err);

#endif
