/* Every unit once a pass, whole, in an order that the seed decides; and going on from a place gives the same. */
#include "check.h"

#include "lab/sequences.h"

enum { UNITS = 40 };
static const ns_train_limits limits = {.rows = 60, .sequences = 8, .masked = 20, .longest = 16};
static const ns_masking no_masking = {0};

/* Unit u: one to three sequences that hold the number 100 + u. */
static void make(ns_sequences *s)
{
    ns_sequences_init(s, 100000);
    for (int32_t u = 0; u < UNITS; u++) {
        for (int32_t k = 0; k <= u % 3; k++) {
            int32_t ids[16];
            const size_t len = 2 + (size_t)(u * 7 + k) % 12;
            for (size_t i = 0; i < len; i++)
                ids[i] = 100 + u;
            const ns_train_label label = {.evidence = 1.0f, .evidence_weight = 1.0f, .log = u, .cause = NS_IGNORE};
            CHECK_OK(ns_sequences_add(s, ids, len, &label, k == 0, NULL));
        }
    }
}

static void every_unit_once_a_pass(void **state)
{
    (void)state;
    ns_sequences s;
    ns_sequence_loader *loader = NULL;
    make(&s);
    CHECK_OK(ns_sequence_loader_new(&s, &no_masking, &limits, 2, 9, &loader, NULL));
    uint64_t first_order[2] = {0, 0};
    for (uint64_t pass = 0; pass < 2; pass++) {
        size_t seen[UNITS] = {0};
        do {
            size_t count;
            const ns_train_batch *batches = ns_sequence_loader_next(loader, &count);
            CHECK(count >= 1 && count <= 2);
            for (size_t b = 0; b < count; b++) {
                CHECK(batches[b].sequences > 0 && batches[b].sequences <= limits.sequences);
                CHECK(batches[b].starts[batches[b].sequences] <= limits.rows);
                for (size_t i = 0; i < batches[b].sequences; i++) {
                    const int32_t unit = batches[b].ids[batches[b].starts[i]] - 100;
                    CHECK_INT(unit, batches[b].labels[i].log);
                    seen[unit]++;
                    first_order[pass] = first_order[pass] * 31 + (uint64_t)unit;
                    /* its other sequences are in the same batch, beside it */
                    if (seen[unit] > 1)
                        CHECK_INT(unit, batches[b].labels[i - 1].log);
                }
            }
        } while (ns_sequence_loader_place(loader).unit < s.unit_count);
        for (size_t u = 0; u < UNITS; u++)
            CHECK_INT(u % 3 + 1, seen[u]);
        CHECK_INT(pass, ns_sequence_loader_place(loader).pass);
    }
    CHECK(first_order[0] != first_order[1]);
    ns_sequence_loader_free(loader);
    ns_sequences_clear(&s);
    CHECK_INT(0, ns_mem_live());
}

static uint64_t digest(const ns_train_batch *batches, size_t count)
{
    uint64_t sum = 0;
    for (size_t b = 0; b < count; b++) {
        const size_t rows = batches[b].starts[batches[b].sequences];
        sum = sum * 31 + ns_hash((ns_text){(const char *)batches[b].ids, rows * sizeof(int32_t)});
        sum = sum * 31 + ns_hash((ns_text){(const char *)batches[b].masked_ids, batches[b].masked * sizeof(int32_t)});
        sum = sum * 31 + batches[b].key;
    }
    return sum;
}

static void going_on_from_a_place(void **state)
{
    (void)state;
    ns_sequences s;
    ns_sequence_loader *loader = NULL, *again = NULL;
    const ns_masking masking = {.share = 0.3, .special = 5, .mask = 4, .vocabulary = 200};
    make(&s);
    CHECK_OK(ns_sequence_loader_new(&s, &masking, &limits, 2, 9, &loader, NULL));
    CHECK_OK(ns_sequence_loader_new(&s, &masking, &limits, 2, 9, &again, NULL));
    uint64_t all[30];
    ns_sequence_place places[30];
    for (size_t i = 0; i < 30; i++) {
        size_t count;
        places[i] = ns_sequence_loader_place(loader);
        const ns_train_batch *batches = ns_sequence_loader_next(loader, &count);
        all[i] = digest(batches, count);
    }
    for (size_t i = 0; i < 30; i += 7) {
        size_t count;
        ns_sequence_loader_go(again, places[i]);
        for (size_t k = i; k < i + 3 && k < 30; k++) {
            const ns_train_batch *batches = ns_sequence_loader_next(again, &count);
            CHECK(digest(batches, count) == all[k]);
        }
    }
    ns_sequence_loader_free(loader);
    ns_sequence_loader_free(again);
    ns_sequences_clear(&s);
}

static void masking_hides_its_share(void **state)
{
    (void)state;
    ns_sequences s;
    ns_sequence_loader *loader = NULL;
    ns_sequences_init(&s, 1 << 20);
    int32_t ids[16] = {2};
    for (size_t i = 1; i < 16; i++)
        ids[i] = 50;
    for (size_t i = 0; i < 4000; i++)
        CHECK_OK(ns_sequences_add(&s, ids, 16, NULL, true, NULL));
    const ns_masking masking = {.share = 0.15, .special = 5, .mask = 4, .vocabulary = 200};
    CHECK_OK(ns_sequence_loader_new(&s, &masking, &limits, 4, 1, &loader, NULL));
    double all = 0, hidden = 0, mask = 0, kept = 0;
    while (ns_sequence_loader_place(loader).unit < s.unit_count) {
        size_t count;
        const ns_train_batch *batches = ns_sequence_loader_next(loader, &count);
        for (size_t b = 0; b < count; b++) {
            all += 15.0 * (double)batches[b].sequences;
            for (size_t i = 0; i < batches[b].masked; i++) {
                const int32_t row = batches[b].masked_rows[i], now = batches[b].ids[row];
                CHECK_INT(50, batches[b].masked_ids[i]);
                CHECK(row % 16 != 0 && (now == 4 || now >= 5)); /* the first token is special */
                hidden++;
                mask += now == 4;
                kept += now == 50;
            }
        }
    }
    CHECK_NEAR(0.15, hidden / all, 0.008);
    CHECK_NEAR(0.8, mask / hidden, 0.02);
    CHECK_NEAR(0.1, kept / hidden, 0.02);
    ns_sequence_loader_free(loader);
    ns_sequences_clear(&s);
}

static void what_does_not_fit_is_told(void **state)
{
    (void)state;
    ns_sequences s;
    ns_sequence_loader *loader = NULL;
    ns_error err;
    int32_t ids[70] = {0};
    ns_sequences_init(&s, 100);
    CHECK_STATUS(NS_BAD_INPUT, ns_sequence_loader_new(&s, &no_masking, &limits, 1, 1, &loader, &err));
    CHECK_OK(ns_sequences_add(&s, ids, 17, NULL, true, &err));
    CHECK_STATUS(NS_BAD_INPUT, ns_sequence_loader_new(&s, &no_masking, &limits, 1, 1, &loader, &err));
    CHECK_OK(ns_sequences_add(&s, ids, 70, NULL, true, &err));
    CHECK_STATUS(NS_TOO_LARGE, ns_sequences_add(&s, ids, 70, NULL, true, &err));
    ns_sequences_clear(&s);
    for (long n = 0; n < 4; n++) {
        ns_mem_fail_after(n);
        CHECK_STATUS(NS_NO_MEMORY, ns_sequences_add(&s, ids, 5, NULL, true, &err));
        ns_mem_fail_after(-1);
        CHECK_INT(0, s.count);
        ns_sequences_clear(&s);
    }
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unit_once_a_pass), cmocka_unit_test(going_on_from_a_place),
        cmocka_unit_test(masking_hides_its_share), cmocka_unit_test(what_does_not_fit_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
