/* SQLite's own part: the door's conformance, files, migrations, forgetting, speed. */
#include "sqlite_fixture.h"

#include "base/rng.h"
#include "store/migrate.h"

#include <sys/stat.h>
#include <unistd.h>

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

static void missing_is_null_in_the_file(void **state)
{
    (void)state;
    ns_store_options options = quick();
    ns_store store = open_with(&options);
    ns_build_row build;
    ns_record record;
    fill_build(&build, 2);
    fill_record(&record, 2);
    CHECK_OK(put_build(&store, &build, NULL));
    CHECK_OK(put_record(&store, &record, NULL));
    store.free(store.self);
    CHECK_INT(1, raw_int("SELECT estimated_ms IS NULL AND changes IS NULL AND tests_total = 120 FROM builds"));
    CHECK_INT(1, raw_int("SELECT kubernetes_age_ms IS NULL AND jenkins_running_number IS NULL AND fail_probability IS "
                         "NULL AND prometheus_memory_usage IS NULL AND jenkins_build_number = 3 FROM records"));
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
    ns_label_row label;
    fill_label(&label, 2);
    (void)snprintf(label.jenkins_job, sizeof label.jenkins_job, "shop/job-2");
    label.build = 9;
    CHECK_OK(put_label(&store, &label, NULL));
    CHECK_OK(put_log(&store, "shop/job-2", 9, NS_TEXT("labelled"), 4, LOG_ENDED));
    for (int i = 0; i < 1200; i++)
        put_at(&store, i, now_ms - 10 * DAY_MS - 1);
    for (int i = 1200; i < 1210; i++)
        put_at(&store, i, now_ms - 10 * DAY_MS + 60000);
    flush(&store);
    UNTIL(rows(&store, NS_ROW_record) == 10);
    UNTIL(rows(&store, NS_ROW_prediction) == 10);
    UNTIL(rows(&store, NS_ROW_build) == 12);
    CHECK_INT(1, count_rows(&store, &(ns_row_query){.kind = NS_ROW_build, .build = 4}));
    CHECK_INT(1, count_rows(&store, &(ns_row_query){.kind = NS_ROW_build, .build = 9}));
    CHECK_INT(1210, rows(&store, NS_ROW_audit));
    CHECK_INT(3, rows(&store, NS_ROW_log));
    store.free(store.self);
    now_ms += 5 * DAY_MS + 1;
    store = open_with(&options);
    UNTIL(rows(&store, NS_ROW_log) == 2);
    UNTIL(rows(&store, NS_ROW_record) == 0);
    ns_buf out;
    int64_t total;
    ns_buf_init(&out, 100);
    CHECK_OK(store.log_text(store.self, "shop/job-0", 4, 0, 100, &out, &total, NULL));
    CHECK_TEXT("wanted by an open case", ns_buf_view(&out));
    ns_buf_reset(&out);
    CHECK_OK(store.log_text(store.self, "shop/job-2", 9, 0, 100, &out, &total, NULL));
    CHECK_TEXT("labelled", ns_buf_view(&out));
    ns_buf_clear(&out);
    CHECK_INT(1, rows(&store, NS_ROW_label));
    CHECK_INT(2, rows(&store, NS_ROW_case));
    CHECK_INT(1, rows(&store, NS_ROW_decision));
    store.free(store.self);
    CHECK_INT(2, raw_int("SELECT count(*) FROM log_chunks"));
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
    if (fixture_begin() != 0)
        return 1;
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
        cmocka_unit_test_teardown(missing_is_null_in_the_file, clean),
        cmocka_unit_test_teardown(old_rows_are_forgotten, clean),
        cmocka_unit_test_teardown(file_stays_below_its_limit, clean),
        cmocka_unit_test_teardown(throughput_is_printed, clean),
    };
    failed += cmocka_run_group_tests_name("sqlite", tests, NULL, NULL);
    fixture_end();
    return failed == 0 ? 0 : 1;
}
