#include "store/db.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

ns_status ns_db_status(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return NS_OK;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:    /* a table or column is not there: somebody changed the file */
    case SQLITE_MISMATCH: /* likewise below: our own tables never refuse what we write */
    case SQLITE_CONSTRAINT:
    case SQLITE_SCHEMA:
        return NS_CORRUPT;
    case SQLITE_NOMEM:
        return NS_NO_MEMORY;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return NS_BUSY;
    case SQLITE_TOOBIG:
        return NS_TOO_LARGE;
    case SQLITE_INTERRUPT:
        return NS_CANCELLED;
    default:
        return NS_IO;
    }
}

ns_status ns_db_fail(sqlite3 *db, int rc, ns_error *err, const char *what)
{
    ns_status status = ns_db_status(rc);
    const char *words = db != NULL && sqlite3_errcode(db) == (rc & 0xff) ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    return ns_fail(err, status, "%s: %s", what, words);
}

ns_status ns_db_exec(sqlite3 *db, const char *sql, ns_error *err)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return NS_OK;
    char what[48];
    (void)snprintf(what, sizeof what, "%.40s", sql);
    return ns_db_fail(db, rc, err, what);
}

ns_status ns_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, ns_error *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc != SQLITE_OK)
        return ns_db_fail(db, rc, err, "the database cannot be asked");
    *out = statement;
    return NS_OK;
}

ns_status ns_db_int(sqlite3 *db, const char *sql, int64_t *out, ns_error *err)
{
    sqlite3_stmt *statement = NULL;
    ns_status status = ns_db_prepare(db, sql, &statement, err);
    if (status != NS_OK)
        return status;
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        status = rc == SQLITE_DONE ? ns_fail(err, NS_NOT_FOUND, "%s: no answer", sql) : ns_db_fail(db, rc, err, sql);
    (void)sqlite3_finalize(statement);
    return status;
}

void ns_db_rollback(sqlite3 *db)
{
    if (sqlite3_get_autocommit(db) == 0)
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

ns_status ns_db_folder(const char *path, ns_error *err)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part)
        return ns_fail(err, NS_BAD_USAGE, "the path of the data folder is longer than %d bytes", PATH_MAX - 1);
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        struct stat st;
        if (stat(part, &st) != 0 && mkdir(part, 0700) != 0 && errno != EEXIST)
            return ns_fail(err, NS_IO, "folder %s cannot be made: %s", part, strerror(errno));
        part[i] = kept;
    }
    return NS_OK;
}

static ns_status folder_of(const char *path, ns_error *err)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return NS_OK;
    char folder[PATH_MAX];
    size_t len = (size_t)(slash - path);
    if (len >= sizeof folder)
        return ns_fail(err, NS_BAD_USAGE, "the path of the database is longer than %d bytes", PATH_MAX - 1);
    memcpy(folder, path, len);
    folder[len] = '\0';
    return ns_db_folder(folder, err);
}

/* Made by us before SQLite sees it: SQLite gives its side files the mode of the database. */
static ns_status make_file(const char *path, ns_error *err)
{
    ns_status status = folder_of(path, err);
    if (status != NS_OK)
        return status;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return ns_fail(err, NS_IO, "%s: cannot be opened for writing: %s", path, strerror(errno));
    struct stat st;
    bool wide = fstat(fd, &st) == 0 && (st.st_mode & 0077) != 0;
    if (wide && fchmod(fd, 0600) != 0)
        status = ns_fail(err, NS_IO, "%s: others can read it, and that cannot be changed: %s", path, strerror(errno));
    (void)close(fd);
    return status;
}

static int past_deadline(void *deadline_ns)
{
    return ns_monotonic_ns() > *(int64_t *)deadline_ns;
}

/* PRAGMA quick_check within a limit of time: what is not reached then is found out when it is read. */
static ns_status check_content(sqlite3 *db, const char *path, int check_ms, ns_error *err)
{
    int64_t deadline_ns = ns_monotonic_ns() + (int64_t)check_ms * 1000000;
    sqlite3_stmt *statement = NULL;
    ns_status status = ns_db_prepare(db, "PRAGMA quick_check(1)", &statement, err);
    if (status != NS_OK)
        return status;
    sqlite3_progress_handler(db, 2000, past_deadline, &deadline_ns);
    int rc = sqlite3_step(statement);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    const char *answer = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (rc == SQLITE_ROW && (answer == NULL || strcmp(answer, "ok") != 0))
        status = ns_fail(err, NS_CORRUPT, "%s: is damaged: %s", path, answer == NULL ? "no answer" : answer);
    else if (rc != SQLITE_ROW && rc != SQLITE_INTERRUPT)
        status = ns_db_fail(db, rc, err, path);
    (void)sqlite3_finalize(statement);
    return status;
}

static ns_status set_up_writer(sqlite3 *db, const char *path, int check_ms, ns_error *err)
{
    int64_t pages = 0;
    ns_status status = ns_db_int(db, "PRAGMA page_count", &pages, err);
    if (status == NS_OK && pages > 0)
        status = check_content(db, path, check_ms, err);
    /* Must be chosen before the first table: lets deleted pages go back to the file system bit by bit. */
    if (status == NS_OK && pages == 0)
        status = ns_db_exec(db, "PRAGMA auto_vacuum = INCREMENTAL", err);
    if (status == NS_OK)
        status = ns_db_exec(db,
                            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;"
                            "PRAGMA cache_size = -8192; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON",
                            err);
    return status;
}

static ns_status say_damaged(ns_status status, const char *path, ns_error *err)
{
    if (status != NS_CORRUPT || err == NULL)
        return status;
    char words[sizeof err->text];
    memcpy(words, err->text, sizeof words);
    return ns_fail(err, status,
                   "%.180s; the file was left as it is: move %.100s and its -wal and -shm files aside and start again",
                   words, path);
}

ns_status ns_db_open_writer(const char *path, int check_ms, sqlite3 **out, ns_error *err)
{
    ns_status status = make_file(path, err);
    if (status != NS_OK)
        return status;
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db, 2000);
    if (rc == SQLITE_OK) /* a damaged file must not be written, not even at closing */
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    status = rc == SQLITE_OK ? set_up_writer(db, path, check_ms, err) : ns_db_fail(db, rc, err, path);
    if (status != NS_OK) {
        (void)sqlite3_close(db);
        return say_damaged(status, path, err);
    }
    *out = db;
    return NS_OK;
}

/* A reader of a database in WAL mode needs its side files. Where they are gone and cannot be made (a folder we may
 * not write) nobody is writing either, and the file may be read as it stands. */
static int open_immutable(const char *path, sqlite3 **db)
{
    char side[PATH_MAX];
    char uri[3 * PATH_MAX];
    (void)snprintf(side, sizeof side, "%s-wal", path);
    if (access(side, F_OK) == 0)
        return SQLITE_CANTOPEN;
    size_t used = (size_t)snprintf(uri, sizeof uri, "file:");
    for (const char *c = path; *c != '\0' && used + 4 < sizeof uri - 16; c++) {
        bool plain = strchr("%?#", *c) == NULL;
        used += (size_t)snprintf(uri + used, 4, plain ? "%c" : "%%%02X", (unsigned)(unsigned char)*c);
    }
    (void)snprintf(uri + used, sizeof uri - used, "?immutable=1");
    return sqlite3_open_v2(uri, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI, NULL);
}

static int look_inside(sqlite3 *db)
{
    int rc = sqlite3_busy_timeout(db, 1000);
    return rc == SQLITE_OK
               ? sqlite3_exec(db, "PRAGMA trusted_schema = OFF; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL)
               : rc;
}

ns_status ns_db_open_reader(const char *path, sqlite3 **out, ns_error *err)
{
    if (access(path, F_OK) != 0)
        return ns_fail(err, NS_NOT_FOUND, "%s: there is no such database; has the daemon run with this data folder?",
                       path);
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = look_inside(db);
    if ((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY) {
        (void)sqlite3_close(db);
        db = NULL;
        rc = open_immutable(path, &db);
        if (rc == SQLITE_OK)
            rc = look_inside(db);
    }
    if (rc == SQLITE_OK) {
        *out = db;
        return NS_OK;
    }
    ns_status status = ns_db_fail(db, rc, err, path);
    (void)sqlite3_close(db);
    return status;
}
