/* SQLite's own part: the door's conformance, migrations, damage, full disks, syncing, forgetting. */
#include "conformance.h"
#include "fault_vfs.h"

#include "base/clock.h"
#include "base/rng.h"
#include "check.h"
#include "store/migrate.h"
#include "store/sqlite_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 20000
#define DAY_MS  86400000LL

static char folder[256];
static char path[320];

static void remove_files(void)
{
    const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < NS_COUNT_OF(endings); i++) {
        char name[400];
        (void)snprintf(name, sizeof name, "%s%s", path, endings[i]);
        (void)unlink(name);
    }
}

static int clean(void **state)
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

static ns_store_options quick(void)
{
    return (ns_store_options){.path = path, .batch_ms = 5, .retry_ms = 5, .tidy_ms = 5};
}

static ns_store open_with(const ns_store_options *options)
{
    ns_store store;
    ns_error err = {0};
    if (ns_sqlite_store_open(options, &store, &err) != NS_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static void flush(ns_store *store)
{
    ns_error err;
    if (store->flush(store->self, WAIT_MS, &err) != NS_OK)
        fail_msg("flush: %s", err.text);
}

static void rest(void)
{
    const struct timespec little = {.tv_nsec = 2000000};
    (void)nanosleep(&little, NULL);
}

/* Waits for a condition, at most WAIT_MS. */
#define UNTIL(condition)                                                                                               \
    do {                                                                                                               \
        int64_t until_end_ = ns_monotonic_ns() + (int64_t)WAIT_MS * 1000000;                                           \
        while (!(condition) && ns_monotonic_ns() < until_end_)                                                         \
            rest();                                                                                                    \
        CHECK(condition);                                                                                              \
    } while (0)

static int rows(ns_store *store, ns_row_kind kind)
{
    return count_rows(store, &(ns_row_query){.kind = kind});
}

/* ---- the door ---- */

static ns_status open_for_conformance(void *self, ns_store_committed *committed, void *owner, ns_store *out,
                                      ns_error *err)
{
    (void)self;
    ns_store_options options = quick();
    options.committed = committed;
    options.owner = owner;
    return ns_sqlite_store_open(&options, out, err);
}

static void wipe_for_conformance(void *self)
{
    (void)self;
    remove_files();
}

/* ---- files and versions ---- */

static void raw_exec(const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    CHECK_INT(SQLITE_OK, sqlite3_open(path, &db));
    CHECK_INT(SQLITE_OK, sqlite3_busy_timeout(db, WAIT_MS)); /* the store tidies up meanwhile */
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    CHECK_INT(SQLITE_OK, sqlite3_close(db));
}

static int64_t raw_int(const char *sql)
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

static void every_earlier_version_is_brought_up(void **state)
{
    (void)state;
    CHECK(ns_migration_count >= 3);
    for (int version = 0; version <= ns_migration_count; version++) {
        char sql[160];
        for (int step = 1; step <= version; step++) {
            raw_exec(ns_migrations[step - 1].sql);
            (void)snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                           NS_STORE_APPLICATION_ID, step);
            raw_exec(sql);
        }
        if (version > 0)
            raw_exec("INSERT INTO audit (at_ms, actor, what, object, detail) VALUES (5, 'a', 'b', 'c', 'd')");
        ns_store_options options = quick();
        ns_store store = open_with(&options);
        CHECK_INT(version > 0, rows(&store, NS_ROW_audit));
        CHECK_OK(put_log(&store, "job", 1, NS_TEXT("text"), 4, 0));
        store.free(store.self);
        CHECK_INT(ns_migration_count, raw_int("PRAGMA user_version"));
        CHECK_INT(0, ns_mem_live());
        remove_files();
    }
}

static void check_refused(ns_status wanted, const char *word)
{
    ns_store store;
    ns_error err = {0};
    ns_store_options options = quick();
    for (int read_only = 0; read_only < 2; read_only++) {
        options.read_only = read_only == 1;
        CHECK_STATUS(wanted, ns_sqlite_store_open(&options, &store, &err));
        if (strstr(err.text, word) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.text, word);
        CHECK_INT(0, ns_mem_live());
    }
}

static void newer_version_is_refused(void **state)
{
    (void)state;
    ns_store_options options = quick();
    ns_store store = open_with(&options);
    store.free(store.self);
    raw_exec("PRAGMA user_version = 900");
    check_refused(NS_BAD_INPUT, "version 900");
    CHECK_INT(900, raw_int("PRAGMA user_version"));
}

static void foreign_database_is_refused(void **state)
{
    (void)state;
    raw_exec("CREATE TABLE cookies (name TEXT)");
    check_refused(NS_BAD_INPUT, "not one of NeuroShield's");
    CHECK_INT(1, raw_int("SELECT count(*) FROM sqlite_schema"));
}

static void reader_says_that_there_is_nothing(void **state)
{
    (void)state;
    ns_store store;
    ns_error err;
    ns_store_options options = quick();
    options.read_only = true;
    CHECK_STATUS(NS_NOT_FOUND, ns_sqlite_store_open(&options, &store, &err));
    CHECK_INT(-1, access(path, F_OK));
}

static void older_version_is_left_to_the_daemon(void **state)
{
    (void)state;
    raw_exec(ns_migrations[0].sql);
    raw_exec("PRAGMA application_id = 0x4e536462; PRAGMA user_version = 1");
    ns_store store;
    ns_error err;
    ns_store_options options = quick();
    options.read_only = true;
    CHECK_STATUS(NS_BAD_INPUT, ns_sqlite_store_open(&options, &store, &err));
    CHECK(strstr(err.text, "version 1") != NULL);
    CHECK_INT(1, raw_int("PRAGMA user_version"));
}

static void reader_sees_what_the_daemon_writes_and_puts_nothing(void **state)
{
    (void)state;
    ns_store_options options = quick();
    ns_store daemon = open_with(&options);
    options.read_only = true;
    ns_store reader = open_with(&options);
    ns_audit_row audit;
    fill_audit(&audit, 1);
    CHECK_OK(put_audit(&daemon, &audit, NULL));
    flush(&daemon);
    CHECK_INT(1, rows(&reader, NS_ROW_audit));
    CHECK_STATUS(NS_IO, put_audit(&reader, &audit, NULL));
    CHECK_OK(reader.flush(reader.self, 0, NULL));
    ns_store_status status;
    reader.status(reader.self, &status);
    CHECK_INT(NS_STORE_read_only, status.state);
    reader.free(reader.self);
    daemon.free(daemon.self);
    reader = open_with(&options); /* no daemon, no side files */
    CHECK_INT(1, rows(&reader, NS_ROW_audit));
    reader.free(reader.self);
    CHECK_INT(0, ns_mem_live());
}

static unsigned mode_of(const char *name)
{
    struct stat st;
    CHECK_INT(0, stat(name, &st));
    return st.st_mode & 0777;
}

static void nobody_else_may_read_it(void **state)
{
    (void)state;
    char deep[400], name[512];
    (void)snprintf(deep, sizeof deep, "%s/a/b", folder);
    (void)snprintf(name, sizeof name, "%s/neuroshield.db", deep);
    mode_t before = umask(0);
    ns_store_options options = quick();
    options.path = name;
    ns_store store = open_with(&options);
    ns_audit_row audit;
    fill_audit(&audit, 1);
    CHECK_OK(put_audit(&store, &audit, NULL));
    flush(&store);
    CHECK_INT(0600, mode_of(name));
    CHECK_INT(0700, mode_of(deep));
    char side[540];
    (void)snprintf(side, sizeof side, "%s-wal", name);
    CHECK_INT(0600, mode_of(side));
    store.free(store.self);
    CHECK_INT(-1, access(side, F_OK)); /* a clean end leaves one file */
    CHECK_INT(0, chmod(name, 0644));
    store = open_with(&options);
    CHECK_INT(0600, mode_of(name));
    store.free(store.self);
    (void)umask(before);
    CHECK_INT(0, unlink(name));
    CHECK_INT(0, rmdir(deep));
    (void)snprintf(deep, sizeof deep, "%s/a", folder);
    CHECK_INT(0, rmdir(deep));
}

static void folder_that_cannot_be_written(void **state)
{
    (void)state;
    ns_store_options options = quick();
    ns_store store = open_with(&options);
    ns_audit_row audit;
    fill_audit(&audit, 1);
    CHECK_OK(put_audit(&store, &audit, NULL));
    store.free(store.self);
    CHECK_INT(0, chmod(path, 0644));
    CHECK_INT(0, chmod(folder, 0555));
    bool root = geteuid() == 0;
    CHECK(!root || seteuid(65534) == 0);
    ns_error err = {0};
    ns_status writing = ns_sqlite_store_open(&options, &store, &err);
    options.read_only = true;
    ns_status reading = ns_sqlite_store_open(&options, &store, &err);
    int found = reading == NS_OK ? rows(&store, NS_ROW_audit) : -1;
    if (reading == NS_OK)
        store.free(store.self);
    CHECK(!root || seteuid(0) == 0);
    CHECK_INT(0, chmod(folder, 0700));
    if (root) /* as an ordinary user the file is our own, and SQLite can write it in place */
        CHECK_STATUS(NS_IO, writing);
    CHECK_STATUS(NS_OK, reading);
    CHECK_INT(1, found);
    CHECK_INT(0, ns_mem_live());
}

/* ---- damage ---- */

static void overwrite(long at, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(len, pwrite(fd, bytes, len, at));
    CHECK_INT(0, close(fd));
}

static uint64_t fingerprint(void)
{
    ns_buf content;
    ns_buf_init(&content, 64u << 20);
    CHECK_OK(ns_file_read(path, 64u << 20, &content, NULL));
    uint64_t hash = ns_hash(ns_buf_view(&content));
    ns_buf_clear(&content);
    return hash;
}

static void fill_some(int count)
{
    ns_store_options options = quick();
    ns_store store = open_with(&options);
    for (int i = 0; i < count; i++) {
        ns_record record;
        fill_record(&record, i);
        CHECK_OK(put_record(&store, &record, NULL));
    }
    store.free(store.self);
}

static void damaged_file_is_left_as_it_is(void **state)
{
    (void)state;
    char noise[3000];
    memset(noise, 0xa5, sizeof noise);
    const long places[] = {0, 8192, 100}; /* the header, a page of a table, the schema */
    for (size_t i = 0; i < NS_COUNT_OF(places); i++) {
        fill_some(500);
        overwrite(places[i], noise, sizeof noise);
        uint64_t before = fingerprint();
        ns_store store;
        ns_error err = {0};
        ns_store_options options = quick();
        CHECK_STATUS(NS_CORRUPT, ns_sqlite_store_open(&options, &store, &err));
        CHECK(strstr(err.text, "left as it is") != NULL && strstr(err.text, path) != NULL);
        CHECK(before == fingerprint());
        CHECK_INT(0, ns_mem_live());
        remove_files();
    }
}

static void shortened_file_is_damaged(void **state)
{
    (void)state;
    fill_some(2000);
    CHECK_INT(0, truncate(path, 65536));
    ns_store store;
    ns_error err;
    ns_store_options options = quick();
    CHECK_STATUS(NS_CORRUPT, ns_sqlite_store_open(&options, &store, &err));
    CHECK_INT(0, ns_mem_live());
}

static void damage_met_later_stops_all_writing(void **state)
{
    (void)state;
    fill_some(3000);
    ns_store_options options = quick();
    options.tidy_ms = 100000;
    ns_store store = open_with(&options);
    char noise[4096];
    memset(noise, 0xa5, sizeof noise);
    int64_t pages = raw_int("PRAGMA page_count");
    for (int64_t page = pages / 2; page < pages; page++)
        overwrite((long)page * 4096, noise, sizeof noise);
    int found = rows(&store, NS_ROW_record);
    CHECK_INT(-1, found);
    ns_store_status status;
    store.status(store.self, &status);
    CHECK_INT(NS_STORE_corrupt, status.state);
    CHECK(status.error[0] != '\0');
    ns_audit_row audit;
    fill_audit(&audit, 1);
    CHECK_STATUS(NS_CORRUPT, put_audit(&store, &audit, NULL));
    store.free(store.self);
    CHECK_INT(0, ns_mem_live());
}

static bool visit_any(void *owner, const ns_row *row, int64_t cursor)
{
    (void)owner;
    (void)row;
    return cursor > 0;
}

static void values_that_make_no_sense_are_damage(void **state)
{
    (void)state;
    const struct {
        ns_row_kind kind;
        const char *sql;
    } cases[] = {
        {NS_ROW_build, "UPDATE builds SET result = 'GREAT'"},
        {NS_ROW_build, "UPDATE builds SET stages = 5000000000"},
        {NS_ROW_build, "UPDATE builds SET running = 2"},
        {NS_ROW_build, "UPDATE builds SET aborted_by_person = 300"},
        {NS_ROW_build, "UPDATE builds SET agent = printf('%64s', 'x')"},
        {NS_ROW_build, "UPDATE builds SET agent = 'a' || char(0) || 'b'"},
        {NS_ROW_prediction, "UPDATE predictions SET evidence = x'0102'"},
        {NS_ROW_prediction, "UPDATE predictions SET embedding = zeroblob(63)"},
        {NS_ROW_decision, "UPDATE decisions SET state = zeroblob(267)"},
        {NS_ROW_decision, "UPDATE decisions SET possible = -1"},
        {NS_ROW_case, "UPDATE cases SET state = ''"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_store_options options = quick();
        ns_store store = open_with(&options);
        ns_build_row build;
        ns_prediction_row prediction;
        ns_decision_row decision;
        ns_case a_case;
        fill_build(&build, 1);
        fill_prediction(&prediction, 4);
        fill_decision(&decision, 1);
        fill_case(&a_case, 1);
        CHECK_OK(put_build(&store, &build, NULL));
        CHECK_OK(put_prediction(&store, &prediction, NULL));
        CHECK_OK(put_decision(&store, &decision, NULL));
        CHECK_OK(put_case(&store, &a_case, NULL));
        flush(&store);
        CHECK_INT(1, rows(&store, cases[i].kind));
        raw_exec(cases[i].sql);
        ns_error err = {0};
        ns_row_query query = {.kind = cases[i].kind};
        CHECK_STATUS(NS_CORRUPT, store.list(store.self, &query, visit_any, NULL, &err));
        CHECK(strstr(err.text, "makes no sense") != NULL);
        ns_store_status status; /* one bad value does not condemn the file */
        store.status(store.self, &status);
        CHECK_INT(NS_STORE_ok, status.state);
        store.free(store.self);
        remove_files();
    }
}

static void damaged_log_chunks_are_noticed(void **state)
{
    (void)state;
    const char *const damage[] = {
        "UPDATE log_chunks SET data = zeroblob(length(data))",
        "UPDATE log_chunks SET data = substr(data, 1, length(data) - 1)",
        "UPDATE log_chunks SET data = CAST(data || x'00' AS BLOB)",
        "UPDATE log_chunks SET codec = 7",
        "UPDATE log_chunks SET length = length + 1",
        "UPDATE log_chunks SET length = 70000",
        "UPDATE log_chunks SET length = -1",
        "UPDATE log_chunks SET at = at + 1",
        "DELETE FROM log_chunks",
        "DELETE FROM log_chunks WHERE at = 65536",
    };
    static char text[150000];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < NS_COUNT_OF(damage); i++) {
        ns_store_options options = quick();
        ns_store store = open_with(&options);
        CHECK_OK(put_log(&store, "job", 1, (ns_text){text, sizeof text}, sizeof text, LOG_ENDED));
        flush(&store);
        raw_exec(damage[i]);
        ns_buf out;
        int64_t total;
        ns_error err;
        ns_buf_init(&out, 1u << 20);
        CHECK_STATUS(NS_CORRUPT, store.log_text(store.self, "job", 1, 0, sizeof text, &out, &total, &err));
        CHECK_INT(0, out.len);
        ns_buf_clear(&out);
        store.free(store.self);
        remove_files();
    }
}

/* ---- disks that do not take it ---- */

static bool in_state(ns_store *store, ns_store_state wanted)
{
    ns_store_status status;
    store->status(store->self, &status);
    return status.state == wanted;
}

static void trouble_is_survived(atomic_int *which, int result)
{
    ns_store_options options = quick();
    ns_store store = open_with(&options);
    ns_audit_row audit;
    ns_record record;
    fill_audit(&audit, 1);
    fill_record(&record, 1);
    CHECK_OK(put_audit(&store, &audit, NULL));
    flush(&store);
    atomic_store(which, result);
    CHECK_OK(put_record(&store, &record, NULL));
    CHECK_OK(put_audit(&store, &audit, NULL)); /* accepted: must be written some time */
    UNTIL(in_state(&store, NS_STORE_read_only));
    CHECK_STATUS(NS_IO, put_audit(&store, &audit, NULL));
    CHECK_STATUS(NS_IO, put_record(&store, &record, NULL));
    CHECK_STATUS(NS_TIMEOUT, store.flush(store.self, 20, NULL));
    ns_store_status status;
    store.status(store.self, &status);
    CHECK_INT(1, status.committed);
    CHECK_INT(1, status.dropped);
    CHECK(status.error[0] != '\0');
    CHECK_INT(1, rows(&store, NS_ROW_audit)); /* reading goes on */
    atomic_store(which, SQLITE_OK);
    flush(&store);
    UNTIL(in_state(&store, NS_STORE_ok));
    CHECK_INT(2, rows(&store, NS_ROW_audit));
    CHECK_INT(1, rows(&store, NS_ROW_record));
    CHECK_OK(put_audit(&store, &audit, NULL));
    store.free(store.self);
    CHECK_INT(3, raw_int("SELECT count(*) FROM audit"));
    CHECK_INT(0, ns_mem_live());
}

static void full_disk_is_survived(void **state)
{
    (void)state;
    trouble_is_survived(&fault_vfs.write_result, SQLITE_FULL);
}

static void failing_disk_is_survived(void **state)
{
    (void)state;
    trouble_is_survived(&fault_vfs.write_result, SQLITE_IOERR_WRITE);
}

static void failing_sync_is_survived(void **state)
{
    (void)state;
    trouble_is_survived(&fault_vfs.sync_result, SQLITE_IOERR_FSYNC);
}

static void stop_on_a_full_disk_ends(void **state)
{
    (void)state;
    ns_store_options options = quick();
    ns_store store = open_with(&options);
    ns_audit_row audit;
    fill_audit(&audit, 1);
    atomic_store(&fault_vfs.write_result, SQLITE_FULL);
    CHECK_OK(put_audit(&store, &audit, NULL));
    store.free(store.self);
    CHECK_INT(0, ns_mem_live());
    atomic_store(&fault_vfs.write_result, SQLITE_OK);
    CHECK_INT(0, raw_int("SELECT count(*) FROM audit"));
}

static void note_syncs(void *owner, uint64_t up_to)
{
    (void)up_to;
    atomic_store((atomic_int *)owner, atomic_load(&fault_vfs.wal_syncs));
}

/* What is reported committed and durable was synced before it was reported; telemetry is not worth a sync. */
static void durable_rows_are_synced_before_they_are_reported(void **state)
{
    (void)state;
    atomic_int syncs_at_report = 0;
    ns_store_options options = quick();
    options.tidy_ms = 100000; /* checkpoints sync as well */
    options.committed = note_syncs;
    options.owner = &syncs_at_report;
    ns_store store = open_with(&options);
    ns_record record;
    ns_effect_row effect;
    fill_record(&record, 1);
    CHECK_OK(put_record(&store, &record, NULL));
    flush(&store); /* the first frames of a log may sync its header */
    for (int i = 0; i < 10; i++) {
        int before = atomic_load(&fault_vfs.wal_syncs);
        CHECK_OK(put_record(&store, &record, NULL));
        flush(&store);
        CHECK_INT(before, atomic_load(&fault_vfs.wal_syncs));
        fill_effect(&effect, i);
        CHECK_OK(put_effect(&store, &effect, NULL));
        flush(&store);
        UNTIL(atomic_load(&syncs_at_report) > before);
    }
    store.free(store.self);
}

/* A writer that is held up cannot be made to swallow memory, and telemetry cannot keep an intent out. */
static void queue_is_bounded_and_keeps_room_for_intents(void **state)
{
    (void)state;
    ns_store_options options = quick();
    options.queue_rows = 100;
    ns_store store = open_with(&options);
    ns_audit_row audit;
    ns_record record;
    fill_audit(&audit, 1);
    fill_record(&record, 1);
    atomic_store(&fault_vfs.is_holding, false);
    atomic_store(&fault_vfs.hold, true);
    CHECK_OK(put_audit(&store, &audit, NULL));
    UNTIL(atomic_load(&fault_vfs.is_holding));
    int telemetry = 0, durable = 0;
    ns_status status;
    while ((status = put_record(&store, &record, NULL)) == NS_OK)
        telemetry++;
    CHECK_STATUS(NS_BUSY, status);
    while ((status = put_audit(&store, &audit, NULL)) == NS_OK)
        durable++;
    CHECK_STATUS(NS_IO, status);
    CHECK_INT(99, telemetry);
    CHECK_INT(64, durable);
    ns_store_status now;
    store.status(store.self, &now);
    CHECK_INT(1, now.dropped);
    atomic_store(&fault_vfs.hold, false);
    flush(&store);
    CHECK_INT(99, rows(&store, NS_ROW_record));
    CHECK_INT(65, rows(&store, NS_ROW_audit));
    store.free(store.self);
}

static void large_pieces_are_bounded_too(void **state)
{
    (void)state;
    ns_store_options options = quick();
    options.queue_bytes = 1u << 20;
    ns_store store = open_with(&options);
    static char text[NS_STORE_LOG_PIECE_MAX + 1];
    memset(text, 'x', sizeof text);
    CHECK_STATUS(NS_TOO_LARGE, put_log(&store, "job", 1, (ns_text){text, sizeof text}, 1, 0));
    atomic_store(&fault_vfs.hold, true);
    int pieces = 0;
    while (put_log(&store, "job", 1, (ns_text){text, 100000}, 1, 0) == NS_OK)
        pieces++;
    CHECK_INT(10, pieces);
    atomic_store(&fault_vfs.hold, false);
    store.free(store.self);
}

/* ---- forgetting ---- */

static void put_at(ns_store *store, int seed, int64_t at_ms)
{
    ns_record record;
    ns_build_row build;
    ns_prediction_row prediction;
    ns_audit_row audit;
    fill_record(&record, seed);
    fill_build(&build, seed);
    fill_prediction(&prediction, seed);
    fill_audit(&audit, seed);
    record.at_ms = build.build.seen_ms = prediction.prediction.known_at_ms = audit.at_ms = at_ms;
    CHECK_OK(put_record(store, &record, NULL));
    CHECK_OK(put_build(store, &build, NULL));
    CHECK_OK(put_prediction(store, &prediction, NULL));
    CHECK_OK(put_audit(store, &audit, NULL));
}

static void old_rows_are_forgotten(void **state)
{
    (void)state;
    int64_t now_ms = 100 * DAY_MS;
    ns_store_options options = quick();
    options.clock = ns_clock_manual(&now_ms);
    options.telemetry_days = 10;
    options.log_days = 5;
    ns_store store = open_with(&options);
    ns_case open_case, closed_case;
    ns_decision_row decision;
    fill_case(&open_case, 1);
    fill_case(&closed_case, 2);
    (void)snprintf(open_case.jenkins_job, sizeof open_case.jenkins_job, "shop/job-0");
    open_case.build = 4; /* the build that seed 3 makes */
    closed_case.build = 1;
    fill_decision(&decision, 1);
    decision.at_ms = 1;
    CHECK_OK(put_case(&store, &open_case, NULL));
    CHECK_OK(put_case(&store, &closed_case, NULL));
    CHECK_OK(put_decision(&store, &decision, NULL));
    CHECK_OK(put_log(&store, "shop/job-0", 4, NS_TEXT("wanted by an open case"), 4, LOG_ENDED));
    CHECK_OK(put_log(&store, "shop/job-1", 1, NS_TEXT("old"), 4, LOG_ENDED));
    for (int i = 0; i < 1200; i++)
        put_at(&store, i, now_ms - 10 * DAY_MS - 1);
    for (int i = 1200; i < 1210; i++)
        put_at(&store, i, now_ms - 10 * DAY_MS + 60000);
    flush(&store);
    UNTIL(rows(&store, NS_ROW_record) == 10);
    UNTIL(rows(&store, NS_ROW_prediction) == 10);
    UNTIL(rows(&store, NS_ROW_build) == 11);
    CHECK_INT(1, count_rows(&store, &(ns_row_query){.kind = NS_ROW_build, .build = 4}));
    CHECK_INT(1210, rows(&store, NS_ROW_audit));
    CHECK_INT(2, rows(&store, NS_ROW_log));
    store.free(store.self);
    now_ms += 5 * DAY_MS + 1;
    store = open_with(&options);
    UNTIL(rows(&store, NS_ROW_log) == 1);
    UNTIL(rows(&store, NS_ROW_record) == 0);
    ns_buf out;
    int64_t total;
    ns_buf_init(&out, 100);
    CHECK_OK(store.log_text(store.self, "shop/job-0", 4, 0, 100, &out, &total, NULL));
    CHECK_TEXT("wanted by an open case", ns_buf_view(&out));
    ns_buf_clear(&out);
    CHECK_INT(2, rows(&store, NS_ROW_case));
    CHECK_INT(1, rows(&store, NS_ROW_decision));
    store.free(store.self);
    CHECK_INT(1, raw_int("SELECT count(*) FROM log_chunks"));
}

static void file_stays_below_its_limit(void **state)
{
    (void)state;
    int64_t now_ms = 100 * DAY_MS;
    ns_store_options options = quick();
    options.clock = ns_clock_manual(&now_ms);
    options.max_bytes = 2 << 20;
    ns_store store = open_with(&options);
    ns_case a_case;
    ns_effect_row effect;
    ns_decision_row decision;
    for (int i = 1; i <= 20; i++) {
        fill_case(&a_case, i * 2 + 1); /* open */
        fill_effect(&effect, i);
        fill_decision(&decision, i);
        decision.case_id = a_case.id;
        CHECK_OK(put_case(&store, &a_case, NULL));
        CHECK_OK(put_effect(&store, &effect, NULL));
        CHECK_OK(put_decision(&store, &decision, NULL));
    }
    static char noise[20000];
    ns_rng rng;
    ns_rng_seed(&rng, 5);
    for (int round = 0; round < 300; round++) {
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (char)('!' + ns_rng_below(&rng, 90));
        now_ms += 1000;
        put_at(&store, round, now_ms);
        CHECK_OK(put_log(&store, "job", round, (ns_text){noise, sizeof noise}, 1, LOG_ENDED));
        flush(&store);
    }
    UNTIL(raw_int("PRAGMA page_count") * 4096 <= options.max_bytes);
    CHECK(rows(&store, NS_ROW_log) < 200);
    CHECK_INT(1, count_rows(&store, &(ns_row_query){.kind = NS_ROW_log, .jenkins_job = "job", .build = 299}));
    CHECK_INT(0, count_rows(&store, &(ns_row_query){.kind = NS_ROW_log, .jenkins_job = "job", .build = 1}));
    CHECK_INT(20, rows(&store, NS_ROW_case));
    CHECK_INT(20, rows(&store, NS_ROW_effect));
    CHECK_INT(20, rows(&store, NS_ROW_decision));
    CHECK_INT(300, rows(&store, NS_ROW_audit));
    store.free(store.self);
    CHECK_INT(0, ns_mem_live());
}

/* ---- memory ---- */

static ns_status use_all(void)
{
    ns_store store;
    ns_error err;
    ns_store_options options = quick();
    ns_status status = ns_sqlite_store_open(&options, &store, &err);
    if (status != NS_OK)
        return status;
    ns_audit_row audit;
    fill_audit(&audit, 1);
    ns_buf out;
    int64_t total;
    ns_buf_init(&out, 1000);
    status = put_audit(&store, &audit, NULL);
    if (status == NS_OK)
        status = put_log(&store, "job", 1, NS_TEXT("text"), 4, LOG_ENDED);
    if (status == NS_OK)
        status = store.flush(store.self, 100, &err);
    if (status == NS_OK)
        status = store.list(store.self, &(ns_row_query){.kind = NS_ROW_audit}, visit_any, NULL, &err);
    if (status == NS_OK)
        status = store.log_text(store.self, "job", 1, 0, 100, &out, &total, &err);
    ns_buf_clear(&out);
    store.free(store.self);
    return status;
}

static void every_missing_allocation_is_survived(void **state)
{
    (void)state;
    ns_status status = NS_NO_MEMORY;
    for (long n = 0; n < 200 && status != NS_OK; n++) {
        ns_mem_fail_after(n);
        status = use_all();
        ns_mem_fail_after(-1);
        CHECK_INT(0, ns_mem_live());
    }
    CHECK_OK(status);
}

/* SQLite asks for memory often: every place near the start, then samples. A writer without memory tries again. */
static void sqlite_without_memory_is_survived(void **state)
{
    (void)state;
    ns_status status = NS_NO_MEMORY;
    long n = 0;
    for (; n < 100000 && status != NS_OK; n += n < 40 ? 1 : n / 6) {
        remove_files();
        fault_memory_after(n);
        status = use_all();
        fault_memory_after(-1);
        CHECK_INT(0, ns_mem_live());
    }
    CHECK_OK(status);
    CHECK(n > 200);
}

/* ---- how fast ---- */

static void throughput_is_printed(void **state)
{
    (void)state;
    ns_store_options options = {.path = path};
    ns_store store = open_with(&options);
    ns_record record;
    const int count = 100000;
    int64_t start_ns = ns_monotonic_ns();
    for (int i = 0; i < count; i++) {
        fill_record(&record, i);
        while (put_record(&store, &record, NULL) == NS_BUSY)
            rest();
    }
    flush(&store);
    double seconds = (double)(ns_monotonic_ns() - start_ns) / 1e9;
    printf("%d records in %.2f s: %.0f per second\n", count, seconds, count / seconds);
    ns_audit_row audit;
    fill_audit(&audit, 1);
    start_ns = ns_monotonic_ns();
    for (int i = 0; i < 200; i++) {
        CHECK_OK(put_audit(&store, &audit, NULL));
        flush(&store);
    }
    seconds = (double)(ns_monotonic_ns() - start_ns) / 1e9;
    printf("200 durable rows one by one in %.2f s: %.0f per second\n", seconds, 200 / seconds);
    CHECK_INT(200, rows(&store, NS_ROW_audit));
    store.free(store.self);
}

int main(void)
{
    fault_memory_install();
    fault_vfs_install();
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%.200s/ns-store-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(folder) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/neuroshield.db", folder);
    const conformance_factory factory = {"sqlite", NULL, open_for_conformance, wipe_for_conformance};
    int failed = conformance_run(&factory);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_earlier_version_is_brought_up, clean),
        cmocka_unit_test_teardown(newer_version_is_refused, clean),
        cmocka_unit_test_teardown(foreign_database_is_refused, clean),
        cmocka_unit_test_teardown(reader_says_that_there_is_nothing, clean),
        cmocka_unit_test_teardown(older_version_is_left_to_the_daemon, clean),
        cmocka_unit_test_teardown(reader_sees_what_the_daemon_writes_and_puts_nothing, clean),
        cmocka_unit_test_teardown(nobody_else_may_read_it, clean),
        cmocka_unit_test_teardown(folder_that_cannot_be_written, clean),
        cmocka_unit_test_teardown(damaged_file_is_left_as_it_is, clean),
        cmocka_unit_test_teardown(shortened_file_is_damaged, clean),
        cmocka_unit_test_teardown(damage_met_later_stops_all_writing, clean),
        cmocka_unit_test_teardown(values_that_make_no_sense_are_damage, clean),
        cmocka_unit_test_teardown(damaged_log_chunks_are_noticed, clean),
        cmocka_unit_test_teardown(full_disk_is_survived, clean),
        cmocka_unit_test_teardown(failing_disk_is_survived, clean),
        cmocka_unit_test_teardown(failing_sync_is_survived, clean),
        cmocka_unit_test_teardown(stop_on_a_full_disk_ends, clean),
        cmocka_unit_test_teardown(durable_rows_are_synced_before_they_are_reported, clean),
        cmocka_unit_test_teardown(queue_is_bounded_and_keeps_room_for_intents, clean),
        cmocka_unit_test_teardown(large_pieces_are_bounded_too, clean),
        cmocka_unit_test_teardown(old_rows_are_forgotten, clean),
        cmocka_unit_test_teardown(file_stays_below_its_limit, clean),
        cmocka_unit_test_teardown(every_missing_allocation_is_survived, clean),
        cmocka_unit_test_teardown(sqlite_without_memory_is_survived, clean),
        cmocka_unit_test_teardown(throughput_is_printed, clean),
    };
    failed += cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
    remove_files();
    (void)rmdir(folder);
    return failed == 0 ? 0 : 1;
}
