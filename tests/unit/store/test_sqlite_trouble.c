/* The SQLite store in trouble: damaged files, disks that fail or are full, queues that are full, missing memory. */
#include "sqlite_fixture.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- damage ---- */

static void overwrite(long at, const char *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(len, pwrite(fd, bytes, len, at));
    CHECK_INT(0, close(fd));
}

static uint64_t fingerprint(const char *name)
{
    ns_buf content;
    ns_buf_init(&content, 64u << 20);
    CHECK_OK(ns_file_read(name, 64u << 20, &content, NULL));
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
        uint64_t before = fingerprint(path);
        ns_store store;
        ns_error err = {0};
        ns_store_options options = quick();
        CHECK_STATUS(NS_CORRUPT, ns_sqlite_store_open(&options, &store, &err));
        CHECK(strstr(err.text, "left as it is") != NULL && strstr(err.text, path) != NULL);
        CHECK(before == fingerprint(path));
        CHECK_INT(0, ns_mem_live());
        remove_files();
    }
}

static void copy_file(const char *from, const char *to)
{
    ns_buf content;
    ns_buf_init(&content, 64u << 20);
    CHECK_OK(ns_file_read(from, 64u << 20, &content, NULL));
    CHECK_OK(ns_file_replace(to, ns_buf_view(&content), 0600, NULL));
    ns_buf_clear(&content);
}

/* As a killed daemon leaves it, with a write-ahead log: closing a damaged database must not play that into it. */
static void damaged_file_is_not_written_at_closing(void **state)
{
    (void)state;
    char wal[400], kept[400], kept_wal[400];
    (void)snprintf(wal, sizeof wal, "%s-wal", path);
    (void)snprintf(kept, sizeof kept, "%s/kept", folder);
    (void)snprintf(kept_wal, sizeof kept_wal, "%s/kept-wal", folder);
    fill_some(2000);
    ns_store_options options = quick();
    options.tidy_ms = 100000;
    ns_store store = open_with(&options);
    ns_audit_row audit;
    fill_audit(&audit, 1);
    CHECK_OK(put_audit(&store, &audit, NULL));
    flush(&store);
    copy_file(path, kept);
    copy_file(wal, kept_wal);
    store.free(store.self);
    CHECK_INT(0, rename(kept, path));
    CHECK_INT(0, rename(kept_wal, wal));
    char noise[4096];
    memset(noise, 0xa5, sizeof noise);
    overwrite(100L * 4096, noise, sizeof noise);
    uint64_t before = fingerprint(path), before_wal = fingerprint(wal);
    ns_error err;
    CHECK_STATUS(NS_CORRUPT, ns_sqlite_store_open(&options, &store, &err));
    CHECK(before == fingerprint(path));
    CHECK(before_wal == fingerprint(wal));
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

int main(void)
{
    if (fixture_begin() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(damaged_file_is_left_as_it_is, clean),
        cmocka_unit_test_teardown(damaged_file_is_not_written_at_closing, clean),
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
        cmocka_unit_test_teardown(every_missing_allocation_is_survived, clean),
        cmocka_unit_test_teardown(sqlite_without_memory_is_survived, clean),
    };
    int failed = cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
    fixture_end();
    return failed == 0 ? 0 : 1;
}
