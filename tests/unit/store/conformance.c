#include "conformance.h"

#include "base/rng.h"
#include "check.h"

#include <stdatomic.h>

#define WAIT_MS 20000

static const conformance_factory *factory;

/* What the store reported from its writer's thread. */
typedef struct commit_report {
    atomic_ullong up_to;
    atomic_bool went_back;
} commit_report;

static void on_committed(void *owner, uint64_t up_to)
{
    commit_report *reported = owner;
    if (atomic_exchange(&reported->up_to, up_to) >= up_to)
        atomic_store(&reported->went_back, true);
}

static commit_report report;

static ns_store open_store(void)
{
    ns_store store;
    ns_error err = {0};
    atomic_store(&report.up_to, 0);
    atomic_store(&report.went_back, false);
    ns_status status = factory->open(factory->self, on_committed, &report, &store, &err);
    if (status != NS_OK)
        fail_msg("open: %s", err.text);
    return store;
}

static void flush(ns_store *store)
{
    ns_error err;
    if (store->flush(store->self, WAIT_MS, &err) != NS_OK)
        fail_msg("flush: %s", err.text);
}

static void done(ns_store *store)
{
    store->free(store->self);
    CHECK_INT(0, ns_mem_live());
}

static int wipe(void **state)
{
    (void)state;
    factory->wipe(factory->self);
    return 0;
}

/* The only row of a query, compared byte by byte. */
typedef struct wanted_row {
    const void *bytes;
    size_t size;
    size_t id_at; /* the store gives an id of its own there; SIZE_MAX none */
    int seen;
} wanted_row;

static bool compare_row(void *owner, const ns_row *row, int64_t cursor)
{
    wanted_row *wanted = owner;
    unsigned char got[sizeof(ns_prediction_row) + sizeof(ns_case)];
    CHECK(wanted->size <= sizeof got && cursor > 0);
    memcpy(got, row->of.record, wanted->size);
    if (wanted->id_at != SIZE_MAX) {
        int64_t id;
        memcpy(&id, got + wanted->id_at, sizeof id);
        CHECK_INT(cursor, id);
        memset(got + wanted->id_at, 0, sizeof id);
    }
    assert_memory_equal(got, wanted->bytes, wanted->size);
    wanted->seen++;
    return true;
}

static void check_only(ns_store *store, ns_row_query query, const void *bytes, size_t size, size_t id_at)
{
    wanted_row wanted = {bytes, size, id_at, 0};
    ns_error err;
    CHECK_OK(store->list(store->self, &query, compare_row, &wanted, &err));
    CHECK_INT(1, wanted.seen);
}

/* Whatever the kind, a row comes back exactly as it was put: what is missing stays missing. */
static void rows_come_back_as_put(void **state)
{
    (void)state;
    for (int seed = 0; seed < 13; seed++) {
        ns_store store = open_store();
        ns_record record;
        ns_build_row build;
        ns_prediction_row prediction;
        ns_decision_row decision;
        ns_case a_case;
        ns_effect_row effect;
        ns_audit_row audit;
        ns_revision_row revision;
        ns_scaling_row scaling;
        ns_label_row label;
        fill_record(&record, seed);
        fill_build(&build, seed);
        fill_prediction(&prediction, seed);
        fill_decision(&decision, seed + 1);
        fill_case(&a_case, seed + 1);
        fill_effect(&effect, seed);
        fill_audit(&audit, seed);
        fill_revision(&revision, seed);
        fill_scaling(&scaling, seed);
        fill_label(&label, seed);
        CHECK_OK(put_record(&store, &record, NULL));
        CHECK_OK(put_build(&store, &build, NULL));
        CHECK_OK(put_prediction(&store, &prediction, NULL));
        CHECK_OK(put_decision(&store, &decision, NULL));
        CHECK_OK(put_case(&store, &a_case, NULL));
        CHECK_OK(put_effect(&store, &effect, NULL));
        CHECK_OK(put_audit(&store, &audit, NULL));
        CHECK_OK(put_revision(&store, &revision, NULL));
        revision.at_ms++; /* verified again: the same row */
        CHECK_OK(put_revision(&store, &revision, NULL));
        CHECK_OK(put_label(&store, &label, NULL));
        CHECK_OK(put_scaling(&store, &scaling, NULL));
        scaling.tries++; /* changed: the same row */
        CHECK_OK(put_scaling(&store, &scaling, NULL));
        flush(&store);
#define ONLY(KIND, row, id_at) check_only(&store, (ns_row_query){.kind = NS_ROW_##KIND}, &(row), sizeof(row), id_at)
        ONLY(record, record, SIZE_MAX);
        ONLY(build, build, SIZE_MAX);
        ONLY(prediction, prediction, offsetof(ns_prediction_row, id));
        ONLY(decision, decision, SIZE_MAX);
        ONLY(case, a_case, SIZE_MAX);
        ONLY(effect, effect, SIZE_MAX);
        ONLY(audit, audit, offsetof(ns_audit_row, id));
        ONLY(revision, revision, SIZE_MAX);
        ONLY(scaling, scaling, SIZE_MAX);
        ONLY(label, label, offsetof(ns_label_row, id));
        done(&store);
        (void)wipe(NULL);
    }
}

static void numbers_grow_and_are_reported(void **state)
{
    (void)state;
    ns_store store = open_store();
    uint64_t last = 0;
    for (int i = 0; i < 300; i++) {
        uint64_t sequence = 0;
        ns_record record;
        ns_audit_row audit;
        fill_record(&record, i);
        fill_audit(&audit, i);
        CHECK_OK(i % 50 == 7 ? put_audit(&store, &audit, &sequence) : put_record(&store, &record, &sequence));
        CHECK(sequence == last + 1);
        last = sequence;
    }
    flush(&store);
    ns_store_status status;
    store.status(store.self, &status);
    CHECK_INT(300, status.put);
    CHECK_INT(300, status.committed);
    CHECK_INT(0, status.dropped);
    CHECK_INT(NS_STORE_ok, status.state);
    CHECK(status.bytes > 0);
    CHECK_STRING(factory->name, status.backend);
    CHECK_STRING("", status.error);
    store.free(store.self);
    CHECK_INT(300, atomic_load(&report.up_to));
    CHECK(!atomic_load(&report.went_back));
}

static void rows_outlive_the_store(void **state)
{
    (void)state;
    ns_store store = open_store();
    for (int i = 0; i < 40; i++) {
        ns_record record;
        ns_case a_case;
        fill_record(&record, i);
        fill_case(&a_case, i + 1);
        CHECK_OK(put_record(&store, &record, NULL));
        CHECK_OK(put_case(&store, &a_case, NULL));
    }
    done(&store); /* freeing flushes */
    store = open_store();
    CHECK_INT(40, count_rows(&store, &(ns_row_query){.kind = NS_ROW_record}));
    CHECK_INT(40, count_rows(&store, &(ns_row_query){.kind = NS_ROW_case}));
    done(&store);
}

static void build_put_again_is_changed(void **state)
{
    (void)state;
    ns_store store = open_store();
    ns_build_row build;
    fill_build(&build, 1);
    CHECK_OK(put_build(&store, &build, NULL));
    build.build.running = false;
    build.build.result = NS_BUILD_SUCCESS;
    build.build.duration_ms = 12;
    CHECK_OK(put_build(&store, &build, NULL));
    flush(&store);
    check_only(&store, (ns_row_query){.kind = NS_ROW_build}, &build, sizeof build, SIZE_MAX);
    done(&store);
}

static void case_and_effect_put_again_are_changed(void **state)
{
    (void)state;
    ns_store store = open_store();
    ns_case a_case;
    ns_effect_row effect;
    fill_case(&a_case, 1);
    fill_effect(&effect, 5);
    CHECK_OK(put_case(&store, &a_case, NULL));
    CHECK_OK(put_effect(&store, &effect, NULL));
    flush(&store);
    a_case.state = NS_CASE_closed;
    a_case.reward = 0.4;
    memset(&a_case.effect, 0, sizeof a_case.effect);
    effect.state = NS_CASE_acknowledged;
    effect.at_ms += 500;
    CHECK_OK(put_case(&store, &a_case, NULL));
    CHECK_OK(put_effect(&store, &effect, NULL));
    flush(&store);
    check_only(&store, (ns_row_query){.kind = NS_ROW_case}, &a_case, sizeof a_case, SIZE_MAX);
    check_only(&store, (ns_row_query){.kind = NS_ROW_effect}, &effect, sizeof effect, SIZE_MAX);
    done(&store);
}

typedef struct page_walk {
    int64_t at_ms[64];
    int64_t cursor;
    size_t count;
    size_t stop_at;
} page_walk;

static bool note_audit(void *owner, const ns_row *row, int64_t cursor)
{
    page_walk *walk = owner;
    CHECK(walk->count < NS_COUNT_OF(walk->at_ms));
    walk->at_ms[walk->count++] = row->of.audit->at_ms;
    walk->cursor = cursor;
    return walk->count != walk->stop_at;
}

static void walk_pages(ns_store *store, bool oldest_first, page_walk *walk)
{
    ns_row_query query = {.kind = NS_ROW_audit, .oldest_first = oldest_first, .limit = 10};
    for (size_t before = SIZE_MAX; before != walk->count;) {
        before = walk->count;
        CHECK_OK(store->list(store->self, &query, note_audit, walk, NULL));
        CHECK(walk->count - before <= 10);
        query.after = walk->cursor;
    }
}

static void pages_follow_each_other_both_ways(void **state)
{
    (void)state;
    ns_store store = open_store();
    for (int i = 0; i < 35; i++) {
        ns_audit_row audit;
        fill_audit(&audit, i);
        CHECK_OK(put_audit(&store, &audit, NULL));
    }
    flush(&store);
    page_walk newest = {0}, oldest = {0}, stopped = {.stop_at = 3};
    walk_pages(&store, false, &newest);
    walk_pages(&store, true, &oldest);
    CHECK_INT(35, newest.count);
    CHECK_INT(35, oldest.count);
    for (size_t i = 0; i < 35; i++) {
        CHECK_INT(1700000005000 + (int64_t)i, oldest.at_ms[i]);
        CHECK_INT(oldest.at_ms[i], newest.at_ms[34 - i]);
    }
    CHECK_OK(store.list(store.self, &(ns_row_query){.kind = NS_ROW_audit}, note_audit, &stopped, NULL));
    CHECK_INT(3, stopped.count);
    done(&store);
}

static void queries_choose(void **state)
{
    (void)state;
    ns_store store = open_store();
    for (int i = 0; i < 24; i++) {
        ns_record record;
        ns_build_row build;
        ns_prediction_row prediction;
        ns_decision_row decision;
        ns_case a_case;
        ns_effect_row effect;
        ns_scaling_row scaling;
        fill_record(&record, i);
        fill_build(&build, i);
        fill_prediction(&prediction, i);
        fill_decision(&decision, i + 1);
        fill_case(&a_case, i + 1);
        fill_effect(&effect, i);
        fill_scaling(&scaling, i);
        CHECK_OK(put_record(&store, &record, NULL));
        CHECK_OK(put_build(&store, &build, NULL));
        CHECK_OK(put_prediction(&store, &prediction, NULL));
        CHECK_OK(put_decision(&store, &decision, NULL));
        CHECK_OK(put_case(&store, &a_case, NULL));
        CHECK_OK(put_effect(&store, &effect, NULL));
        CHECK_OK(put_scaling(&store, &scaling, NULL));
    }
    flush(&store);
    const struct {
        ns_row_query query;
        int rows;
    } cases[] = {
        {{.kind = NS_ROW_record, .jenkins_job = "shop/job-1"}, 8},
        {{.kind = NS_ROW_record, .jenkins_job = "shop/job-7"}, 0},
        {{.kind = NS_ROW_record, .case_id = 2}, 5},
        {{.kind = NS_ROW_build, .jenkins_job = "shop/job-0", .build = 1}, 1},
        {{.kind = NS_ROW_build, .build = 5}, 1},
        {{.kind = NS_ROW_prediction, .jenkins_job = "shop/job-2", .build = 3}, 1},
        {{.kind = NS_ROW_prediction, .build = 3}, 3},
        {{.kind = NS_ROW_prediction, .id = 4}, 1},
        {{.kind = NS_ROW_decision, .case_id = 3}, 6},
        {{.kind = NS_ROW_decision, .id = 24}, 1},
        {{.kind = NS_ROW_decision, .id = 25}, 0},
        {{.kind = NS_ROW_case, .open_only = true}, 12},
        {{.kind = NS_ROW_case, .open_only = true, .jenkins_job = "shop/job-1"}, 4},
        {{.kind = NS_ROW_case, .id = 7}, 1},
        {{.kind = NS_ROW_scaling, .open_only = true}, 8},
        {{.kind = NS_ROW_scaling, .jenkins_job = "shop/carts-3"}, 1},
        {{.kind = NS_ROW_effect, .case_id = 4}, 6},
        {{.kind = NS_ROW_record, .jenkins_job = "x' OR '1'='1"}, 0},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++)
        CHECK_INT(cases[i].rows, count_rows(&store, &cases[i].query));
    const ns_row_query wrong[] = {
        {.kind = NS_ROW_audit, .jenkins_job = "x"},
        {.kind = NS_ROW_build, .case_id = 1},
        {.kind = NS_ROW_record, .open_only = true},
        {.kind = NS_ROW_record, .build = 3},
        {.kind = NS_ROW_record, .limit = 1001},
        {.kind = NS_ROW_record, .limit = -1},
        {.kind = NS_ROW_KINDS},
    };
    page_walk none = {0};
    for (size_t i = 0; i < NS_COUNT_OF(wrong); i++)
        CHECK_STATUS(NS_BAD_USAGE, store.list(store.self, &wrong[i], note_audit, &none, NULL));
    done(&store);
}

static void highest_ids_are_known_after_a_restart(void **state)
{
    (void)state;
    ns_store store = open_store();
    ns_store_ids ids = {7, 7};
    CHECK_OK(store.ids(store.self, &ids, NULL));
    CHECK_INT(0, ids.decision);
    CHECK_INT(0, ids.a_case);
    ns_decision_row decision;
    ns_case a_case;
    fill_decision(&decision, 812);
    fill_case(&a_case, 90);
    CHECK_OK(put_decision(&store, &decision, NULL));
    CHECK_OK(put_case(&store, &a_case, NULL));
    done(&store);
    store = open_store();
    CHECK_OK(store.ids(store.self, &ids, NULL));
    CHECK_INT(812, ids.decision);
    CHECK_INT(90, ids.a_case);
    done(&store);
}

static bool ask_inside(void *owner, const ns_row *row, int64_t cursor)
{
    (void)row;
    ns_store *store = owner;
    CHECK_INT(3, count_rows(store, &(ns_row_query){.kind = NS_ROW_audit}));
    return cursor > 0;
}

static void visitor_may_ask_again(void **state)
{
    (void)state;
    ns_store store = open_store();
    for (int i = 0; i < 3; i++) {
        ns_audit_row audit;
        fill_audit(&audit, i);
        CHECK_OK(put_audit(&store, &audit, NULL));
    }
    flush(&store);
    CHECK_OK(store.list(store.self, &(ns_row_query){.kind = NS_ROW_audit}, ask_inside, &store, NULL));
    done(&store);
}

/* ---- logs ---- */

static void make_log(ns_buf *text, size_t bytes, uint64_t seed)
{
    ns_rng rng;
    ns_rng_seed(&rng, seed);
    ns_buf_init(text, bytes + 256);
    while (text->len < bytes)
        (void)ns_buf_printf(text, "[INFO] step %llu of \xc3\xa9tape %llu took %llu ms\n",
                            (unsigned long long)ns_rng_below(&rng, 50), (unsigned long long)ns_rng_below(&rng, 1000000),
                            (unsigned long long)ns_rng_u64(&rng));
}

static void check_log(ns_store *store, const char *job, int64_t build, ns_text wanted, uint64_t seed)
{
    ns_rng rng;
    ns_rng_seed(&rng, seed);
    for (int i = 0; i < 60; i++) {
        size_t from = (size_t)ns_rng_below(&rng, wanted.len + 2);
        size_t limit = i == 0 ? wanted.len + 5 : (size_t)ns_rng_below(&rng, 100000);
        from = i == 0 ? 0 : from;
        ns_buf got;
        int64_t total = 0;
        ns_error err;
        ns_buf_init(&got, wanted.len + 16);
        if (store->log_text(store->self, job, build, (int64_t)from, limit, &got, &total, &err) != NS_OK)
            fail_msg("%s", err.text);
        CHECK_INT(wanted.len, total);
        size_t left = from < wanted.len ? wanted.len - from : 0;
        size_t most = left < limit ? left : limit;
        CHECK(got.len <= most && got.len + 3 >= most); /* a page ends at a character's end */
        if (got.len > 0)
            assert_memory_equal(wanted.at + from, got.at, got.len);
        bool splits = from + got.len < wanted.len && ((unsigned char)wanted.at[from + got.len] & 0xc0) == 0x80;
        CHECK(!splits || got.len <= 1);
        ns_buf_clear(&got);
    }
}

static void log_text_is_found_anywhere(void **state)
{
    (void)state;
    const size_t piece_max[] = {1, 300, 5000, 70000, 250000};
    for (size_t p = 0; p < NS_COUNT_OF(piece_max); p++) {
        ns_store store = open_store();
        ns_buf text;
        make_log(&text, p == 0 ? 3000 : 300000, p);
        ns_rng rng;
        ns_rng_seed(&rng, p);
        for (size_t at = 0; at < text.len;) {
            size_t piece = 1 + (size_t)ns_rng_below(&rng, piece_max[p]);
            piece = piece < text.len - at ? piece : text.len - at;
            CHECK_OK(put_log(&store, "shop/carts", 12, (ns_text){text.at + at, piece}, (int64_t)(at + piece), 0));
            at += piece;
            if (ns_rng_below(&rng, 20) == 0)
                flush(&store);
        }
        flush(&store);
        check_log(&store, "shop/carts", 12, ns_buf_view(&text), p);
        CHECK_OK(put_log(&store, "shop/carts", 12, NS_TEXT(""), (int64_t)text.len, LOG_ENDED));
        flush(&store);
        check_log(&store, "shop/carts", 12, ns_buf_view(&text), p);
        ns_buf_clear(&text);
        done(&store);
        (void)wipe(NULL);
    }
}

static void log_that_restarted_forgets(void **state)
{
    (void)state;
    ns_store store = open_store();
    ns_buf text;
    make_log(&text, 200000, 4);
    CHECK_OK(put_log(&store, "a", 1, ns_buf_view(&text), 200000, 0));
    CHECK_OK(put_log(&store, "a", 1, NS_TEXT("again "), 6, LOG_RESTARTED));
    CHECK_OK(put_log(&store, "a", 1, NS_TEXT("and more"), 14, LOG_ENDED));
    CHECK_OK(put_log(&store, "a", 2, NS_TEXT("another"), 7, 0));
    flush(&store);
    check_log(&store, "a", 1, NS_TEXT("again and more"), 1);
    check_log(&store, "a", 2, NS_TEXT("another"), 1);
    ns_buf_clear(&text);
    done(&store);
}

static void log_questions_that_have_no_answer(void **state)
{
    (void)state;
    ns_store store = open_store();
    ns_buf out;
    int64_t total = -7;
    ns_error err;
    ns_buf_init(&out, 4);
    CHECK_STATUS(NS_NOT_FOUND, store.log_text(store.self, "a", 1, 0, 10, &out, &total, &err));
    CHECK_OK(put_log(&store, "a", 1, NS_TEXT("longer than four"), 16, 0));
    CHECK_OK(put_log(&store, "empty", 1, NS_TEXT(""), 0, 0));
    flush(&store);
    CHECK_STATUS(NS_NOT_FOUND, store.log_text(store.self, "a", 2, 0, 10, &out, &total, &err));
    CHECK_STATUS(NS_BAD_USAGE, store.log_text(store.self, "a", 1, -1, 10, &out, &total, &err));
    CHECK_STATUS(NS_TOO_LARGE, store.log_text(store.self, "a", 1, 0, 10, &out, &total, &err));
    CHECK_INT(-7, total);
    CHECK_INT(0, out.len);
    ns_buf_clear(&out);
    CHECK_OK(store.log_text(store.self, "empty", 1, 0, 10, &out, &total, &err));
    CHECK_INT(0, total);
    CHECK_OK(store.log_text(store.self, "a", 1, 0, 0, &out, &total, &err));
    CHECK_INT(16, total);
    CHECK_INT(0, out.len);
    ns_buf_clear(&out);
    done(&store);
}

typedef struct offset_sum {
    int rows;
    int64_t sum;
    int ended;
} offset_sum;

static bool note_offset(void *owner, const ns_row *row, int64_t cursor)
{
    offset_sum *offsets = owner;
    (void)cursor;
    CHECK_INT(NS_ROW_log, row->kind);
    CHECK_INT(0, row->of.log->text.len);
    CHECK(!row->of.log->restarted);
    offsets->rows++;
    offsets->sum += row->of.log->next_offset;
    offsets->ended += row->of.log->ended;
    return true;
}

/* Offsets are the source's own numbers, not lengths of what is stored. */
static void offsets_are_handed_back_after_a_restart(void **state)
{
    (void)state;
    ns_store store = open_store();
    CHECK_OK(put_log(&store, "a", 1, NS_TEXT("12345"), 1005, LOG_RESTARTED));
    CHECK_OK(put_log(&store, "b", 1, NS_TEXT("123"), 70, 0));
    CHECK_OK(put_log(&store, "b", 1, NS_TEXT("4"), 71, 0));
    CHECK_OK(put_log(&store, "c", 1, NS_TEXT("all"), 3, LOG_ENDED));
    done(&store);
    store = open_store();
    offset_sum growing = {0}, all = {0};
    CHECK_OK(store.log_offsets(store.self, note_offset, &growing, NULL));
    CHECK_INT(2, growing.rows);
    CHECK_INT(1005 + 71, growing.sum);
    CHECK_INT(0, growing.ended);
    CHECK_OK(store.list(store.self, &(ns_row_query){.kind = NS_ROW_log}, note_offset, &all, NULL));
    CHECK_INT(3, all.rows);
    CHECK_INT(1, all.ended);
    done(&store);
}

int conformance_run(const conformance_factory *given)
{
    factory = given;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(rows_come_back_as_put, wipe),
        cmocka_unit_test_teardown(numbers_grow_and_are_reported, wipe),
        cmocka_unit_test_teardown(rows_outlive_the_store, wipe),
        cmocka_unit_test_teardown(build_put_again_is_changed, wipe),
        cmocka_unit_test_teardown(case_and_effect_put_again_are_changed, wipe),
        cmocka_unit_test_teardown(pages_follow_each_other_both_ways, wipe),
        cmocka_unit_test_teardown(queries_choose, wipe),
        cmocka_unit_test_teardown(highest_ids_are_known_after_a_restart, wipe),
        cmocka_unit_test_teardown(visitor_may_ask_again, wipe),
        cmocka_unit_test_teardown(log_text_is_found_anywhere, wipe),
        cmocka_unit_test_teardown(log_that_restarted_forgets, wipe),
        cmocka_unit_test_teardown(log_questions_that_have_no_answer, wipe),
        cmocka_unit_test_teardown(offsets_are_handed_back_after_a_restart, wipe),
    };
    return cmocka_run_group_tests_name("conformance", tests, NULL, NULL);
}
