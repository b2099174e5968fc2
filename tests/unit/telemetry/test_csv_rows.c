#include "check.h"

#include "telemetry/csv_rows.h"
#include "wire/csv.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder of this test's own; everything in it is removed at the end. */
static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ns_csv_XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static const char *file_in(const char *name)
{
    static char path[8][128];
    static unsigned turn;
    turn = (turn + 1) % 8;
    (void)snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"a.csv", "a.csv.1", "a.csv.2", "a.csv.3", "moved.csv", "pipe"};
    for (size_t i = 0; i < NS_COUNT_OF(names); i++)
        (void)unlink(file_in(names[i]));
    return rmdir(folder);
}

static ns_record record_of(int64_t at_ms, const char *job)
{
    ns_record record = {.at_ms = at_ms, .last_result = NS_BUILD_SUCCESS, .last_number = 7};
    for (size_t i = 0; i < NS_RECORD_FIELDS; i++)
        record.value[i] = NAN;
    record.age_ms[NS_FROM_jenkins] = 0;
    record.age_ms[NS_FROM_prometheus] = 1500;
    record.age_ms[NS_FROM_kubernetes] = -1;
    record.value[NS_RECORD_last_duration] = 61000;
    record.value[NS_RECORD_queue_length] = 0;
    record.value[NS_RECORD_cpu_usage] = 12.5;
    record.value[NS_RECORD_memory_usage] = 0.1;
    record.value[NS_RECORD_pod_count] = 14;
    record.value[NS_RECORD_error_rate] = 0;
    (void)ns_text_copy(record.jenkins_job, sizeof record.jenkins_job, ns_text_of(job));
    return record;
}

static void write_file(const char *path, const char *text)
{
    CHECK_OK(ns_file_replace(path, ns_text_of(text), 0644, NULL));
}

static void check_file(const char *path, const char *wanted_rest)
{
    ns_buf content, wanted;
    ns_buf_init(&content, 1 << 20);
    ns_buf_init(&wanted, 1 << 20);
    CHECK_OK(ns_file_read(path, 1 << 20, &content, NULL));
    (void)ns_buf_text(&wanted, ns_csv_header());
    (void)ns_buf_string(&wanted, wanted_rest);
    CHECK_STRING(wanted.at, content.at);
    ns_buf_clear(&content);
    ns_buf_clear(&wanted);
}

/* Puts one record per time in `times`, closes again. */
static void put_at(const char *path, int64_t at_ms, bool mended_wanted)
{
    ns_csv_file *file = NULL;
    ns_error err;
    bool mended = false;
    CHECK_OK(ns_csv_file_open(&(ns_csv_file_options){.path = path, .sync = true}, &file, &mended, &err));
    CHECK_INT(mended_wanted, mended);
    ns_record record = record_of(at_ms, "carts");
    CHECK_OK(ns_csv_file_put(file, &record, 1, &err));
    ns_csv_file_close(file);
}

#define NOTHING(column, field, from, unit) ","
#define REST_OF_ROW                        ",SUCCESS,61000,0,12.5,0.1,14,0,carts,7,0,1500," NS_RECORD_MORE_MAP(NOTHING) "\n"

static void the_header_is_the_contract(void **state)
{
    (void)state;
    ns_text header = ns_csv_header();
    CHECK(ns_text_starts(header, "timestamp,jenkins_last_build_status,jenkins_last_build_duration,jenkins_queue_length,"
                                 "prometheus_cpu_usage,prometheus_memory_usage,prometheus_pod_count,"
                                 "prometheus_error_rate,jenkins_job,jenkins_build_number,jenkins_age_ms,"
                                 "prometheus_age_ms,kubernetes_age_ms,"));
    CHECK(ns_text_ends(header, "\n"));
}

typedef struct cells {
    size_t count;
    char text[64][64];
} cells;

static void keep_cell(void *owner, size_t column, ns_text cell)
{
    cells *c = owner;
    CHECK(column < 64);
    (void)ns_text_copy(c->text[column], sizeof c->text[0], cell);
    c->count = column + 1;
}

static void a_row_reads_back(void **state)
{
    (void)state;
    ns_record record = record_of(1764024001123, "=cmd(),\"x\"\nb");
    record.last_result = NS_BUILD_unknown;
    record.last_number = 0;
    ns_buf row, scratch;
    ns_buf_init(&row, 1 << 16);
    ns_buf_init(&scratch, 1 << 16);
    (void)ns_buf_text(&row, ns_csv_header());
    ns_csv_row(&row, &record);
    ns_text rest = ns_buf_view(&row);
    static cells header, got;
    ns_status status = NS_OK;
    CHECK(ns_csv_record(&rest, &scratch, keep_cell, &header, &status));
    CHECK(ns_csv_record(&rest, &scratch, keep_cell, &got, &status));
    CHECK_OK(status);
    CHECK_INT(header.count, got.count);
    CHECK_STRING("2025-11-24T22:40:01.123Z", got.text[0]);
    CHECK_STRING("", got.text[1]);
    CHECK_STRING("61000", got.text[2]);
    CHECK_STRING("12.5", got.text[4]);
    CHECK_STRING("'=cmd(),\"x\"\nb", got.text[8]);
    CHECK_STRING("", got.text[9]);
    CHECK_STRING("1500", got.text[11]);
    CHECK_STRING("", got.text[12]);
    ns_buf_clear(&row);
    ns_buf_clear(&scratch);
}

static void the_seed_columns_are_watched(void **state)
{
    (void)state;
    ns_record record = record_of(1, "carts");
    CHECK(ns_csv_seed_missing(&record) == NULL);
    record.value[NS_RECORD_error_rate] = NAN;
    CHECK_STRING("prometheus_error_rate", ns_csv_seed_missing(&record));
    record.last_result = NS_BUILD_unknown;
    CHECK_STRING("jenkins_last_build_status", ns_csv_seed_missing(&record));
}

static void one_header_over_several_runs(void **state)
{
    (void)state;
    const char *path = file_in("a.csv");
    put_at(path, 0, false);
    put_at(path, 1000, false);
    check_file(path, "1970-01-01T00:00:00.000Z" REST_OF_ROW "1970-01-01T00:00:01.000Z" REST_OF_ROW);
    /* A crash left half a row. */
    int fd = open(path, O_WRONLY | O_APPEND);
    CHECK(write(fd, "1970-01-01T00:00:0", 18) == 18);
    (void)close(fd);
    put_at(path, 3000, true);
    check_file(path, "1970-01-01T00:00:00.000Z" REST_OF_ROW "1970-01-01T00:00:01.000Z" REST_OF_ROW
                     "1970-01-01T00:00:0\n1970-01-01T00:00:03.000Z" REST_OF_ROW);
    (void)unlink(path);
    CHECK_INT(0, ns_mem_live());
}

static void another_header_is_refused_and_left_alone(void **state)
{
    (void)state;
    static const char *const contents[] = {"timestamp,jenkins_last_build_status\n1,2\n", "x", "\n", "timestamp"};
    const char *path = file_in("a.csv");
    for (size_t i = 0; i < NS_COUNT_OF(contents); i++) {
        write_file(path, contents[i]);
        ns_csv_file *file = NULL;
        ns_error err;
        CHECK_STATUS(NS_BAD_INPUT, ns_csv_file_open(&(ns_csv_file_options){.path = path}, &file, NULL, &err));
        CHECK(file == NULL);
        CHECK(strstr(err.text, path) != NULL);
        ns_buf content;
        ns_buf_init(&content, 1 << 16);
        CHECK_OK(ns_file_read(path, 1 << 16, &content, NULL));
        CHECK_STRING(contents[i], content.at);
        ns_buf_clear(&content);
    }
    (void)unlink(path);
    ns_csv_file *file = NULL;
    ns_error err;
    CHECK_STATUS(NS_IO, ns_csv_file_open(&(ns_csv_file_options){.path = folder}, &file, NULL, &err));
    CHECK_STATUS(NS_IO, ns_csv_file_open(&(ns_csv_file_options){.path = file_in("no/such")}, &file, NULL, &err));
    CHECK_STATUS(NS_BAD_USAGE,
                 ns_csv_file_open(&(ns_csv_file_options){.path = path, .rotate_bytes = 1}, &file, NULL, &err));
    CHECK_INT(0, ns_mem_live());
}

static void large_files_are_rotated(void **state)
{
    (void)state;
    const char *path = file_in("a.csv");
    ns_csv_file *file = NULL;
    ns_error err;
    int64_t limit = (int64_t)(ns_csv_header().len + 2 * strlen("1970-01-01T00:00:00.000Z" REST_OF_ROW) + 20);
    CHECK_OK(
        ns_csv_file_open(&(ns_csv_file_options){.path = path, .rotate_bytes = limit, .keep = 2}, &file, NULL, &err));
    for (int64_t i = 0; i < 7; i++) {
        ns_record record = record_of(i * 1000, "carts");
        CHECK_OK(ns_csv_file_put(file, &record, 1, &err));
    }
    ns_csv_file_close(file);
    check_file(path, "1970-01-01T00:00:06.000Z" REST_OF_ROW);
    check_file(file_in("a.csv.1"), "1970-01-01T00:00:04.000Z" REST_OF_ROW "1970-01-01T00:00:05.000Z" REST_OF_ROW);
    check_file(file_in("a.csv.2"), "1970-01-01T00:00:02.000Z" REST_OF_ROW "1970-01-01T00:00:03.000Z" REST_OF_ROW);
    CHECK(access(file_in("a.csv.3"), F_OK) != 0);
    (void)unlink(path);
    CHECK_INT(0, ns_mem_live());
}

static void a_file_that_was_moved_is_begun_anew(void **state)
{
    (void)state;
    char path[128], moved[128];
    (void)snprintf(path, sizeof path, "%s", file_in("a.csv"));
    (void)snprintf(moved, sizeof moved, "%s", file_in("moved.csv"));
    ns_csv_file *file = NULL;
    ns_error err;
    CHECK_OK(ns_csv_file_open(&(ns_csv_file_options){.path = path}, &file, NULL, &err));
    ns_record record = record_of(0, "carts");
    CHECK_OK(ns_csv_file_put(file, &record, 1, &err));
    CHECK(rename(path, moved) == 0);
    record = record_of(1000, "carts");
    CHECK_OK(ns_csv_file_put(file, &record, 1, &err));
    /* Moved, and an empty one put in its place, as a log rotation does. */
    CHECK(rename(path, file_in("a.csv.1")) == 0);
    write_file(path, "");
    record = record_of(2000, "carts");
    CHECK_OK(ns_csv_file_put(file, &record, 1, &err));
    ns_csv_file_close(file);
    check_file(moved, "1970-01-01T00:00:00.000Z" REST_OF_ROW);
    check_file(file_in("a.csv.1"), "1970-01-01T00:00:01.000Z" REST_OF_ROW);
    check_file(path, "1970-01-01T00:00:02.000Z" REST_OF_ROW);
    (void)unlink(path);
}

static void a_full_disk_is_told_and_leaves_no_half_row(void **state)
{
    (void)state;
    ns_csv_file *file = NULL;
    ns_error err;
    CHECK_STATUS(NS_IO, ns_csv_file_open(&(ns_csv_file_options){.path = "/dev/full"}, &file, NULL, &err));
    CHECK(strstr(err.text, "/dev/full") != NULL);
    CHECK(file == NULL);
    CHECK_INT(0, ns_mem_live());
}

static void memory_may_fail_anywhere(void **state)
{
    (void)state;
    const char *path = file_in("a.csv");
    for (long n = 0; n < 8; n++) {
        ns_csv_file *file = NULL;
        ns_error err;
        ns_record record = record_of(0, "carts");
        ns_mem_fail_after(n);
        ns_status status = ns_csv_file_open(&(ns_csv_file_options){.path = path}, &file, NULL, &err);
        if (status == NS_OK)
            status = ns_csv_file_put(file, &record, 1, &err);
        ns_mem_fail_after(-1);
        CHECK(status == NS_OK || status == NS_NO_MEMORY);
        ns_csv_file_close(file);
        CHECK_INT(0, ns_mem_live());
    }
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_is_the_contract),
        cmocka_unit_test(a_row_reads_back),
        cmocka_unit_test(the_seed_columns_are_watched),
        cmocka_unit_test(one_header_over_several_runs),
        cmocka_unit_test(another_header_is_refused_and_left_alone),
        cmocka_unit_test(large_files_are_rotated),
        cmocka_unit_test(a_file_that_was_moved_is_begun_anew),
        cmocka_unit_test(a_full_disk_is_told_and_leaves_no_half_row),
        cmocka_unit_test(memory_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
