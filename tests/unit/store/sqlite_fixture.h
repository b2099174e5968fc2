/* What the tests of the SQLite store share: a folder of their own, quick options, ways to wait and to look inside. */
#ifndef NS_TESTS_SQLITE_FIXTURE_H
#define NS_TESTS_SQLITE_FIXTURE_H

#include "conformance.h"
#include "fault_vfs.h"

#include "base/clock.h"
#include "check.h"
#include "store/sqlite_store.h"

#include <sqlite3.h>

#define WAIT_MS 20000
#define DAY_MS  86400000LL

/* Of the database under test; fixture_begin makes the folder. */
extern char folder[256];
extern char path[320];

int fixture_begin(void);
void fixture_end(void);

void remove_files(void);
int clean(void **state);
ns_store_options quick(void);
ns_store open_with(const ns_store_options *options);
void flush(ns_store *store);
void rest(void);
int rows(ns_store *store, ns_row_kind kind);
void raw_exec(const char *sql);
int64_t raw_int(const char *sql);
bool visit_any(void *owner, const ns_row *row, int64_t cursor);

/* Waits for a condition, at most WAIT_MS. */
#define UNTIL(condition)                                                                                               \
    do {                                                                                                               \
        int64_t until_end_ = ns_monotonic_ns() + (int64_t)WAIT_MS * 1000000;                                           \
        while (!(condition) && ns_monotonic_ns() < until_end_)                                                         \
            rest();                                                                                                    \
        CHECK(condition);                                                                                              \
    } while (0)

#endif
