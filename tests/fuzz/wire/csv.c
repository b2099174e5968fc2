/* The CSV reader on any bytes; what was read is written and must read back as the same. */
#include "base/mem.h"
#include "wire/csv.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct row {
    ns_buf written;
    ns_buf flat; /* cells as the second reading must give them: length, bytes */
    bool any;
} row;

static void put_flat(ns_buf *flat, ns_text cell, bool guarded)
{
    uint64_t len = cell.len + (guarded ? 1 : 0);
    NS_CHECK(ns_buf_put(flat, (const char *)&len, sizeof len) == NS_OK);
    if (guarded)
        NS_CHECK(ns_buf_char(flat, '\'') == NS_OK);
    NS_CHECK(ns_buf_text(flat, cell) == NS_OK);
}

static void copy_cell(void *owner, size_t column, ns_text cell)
{
    row *r = owner;
    bool formula = cell.len > 0 && memchr("=+-@\t\r", cell.at[0], 6) != NULL;
    NS_CHECK((column == 0) == !r->any);
    r->any = true;
    ns_csv_text(&r->written, column == 0, cell);
    put_flat(&r->flat, cell, formula);
}

static void flatten(void *owner, size_t column, ns_text cell)
{
    (void)column;
    put_flat(owner, cell, false);
}

static void check_row(row *r, ns_buf *scratch)
{
    ns_buf again;
    ns_status status;
    ns_csv_end(&r->written);
    NS_CHECK(!r->written.failed);
    ns_text rest = ns_buf_view(&r->written);
    ns_buf_init(&again, r->flat.ceiling);
    NS_CHECK(ns_csv_record(&rest, scratch, flatten, &again, &status) && status == NS_OK);
    NS_CHECK(rest.len == 0);
    NS_CHECK(ns_text_same(ns_buf_view(&again), ns_buf_view(&r->flat)));
    ns_buf_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ns_text rest = {(const char *)data, size};
    ns_buf scratch;
    ns_status status;
    size_t live = ns_mem_live();
    row r = {0};
    ns_buf_init(&scratch, size + 1); /* the apostrophe before a formula */
    ns_buf_init(&r.written, 4 * size + 64);
    ns_buf_init(&r.flat, 16 * size + 64);
    for (size_t before = size; ns_csv_record(&rest, &scratch, copy_cell, &r, &status); before = rest.len) {
        NS_CHECK(rest.len < before);
        NS_CHECK(status == NS_OK || (status == NS_BAD_INPUT && !r.any));
        if (status == NS_OK)
            check_row(&r, &scratch);
        ns_buf_reset(&r.written);
        ns_buf_reset(&r.flat);
        r.any = false;
    }
    NS_CHECK(rest.len == 0);
    ns_buf_clear(&scratch);
    ns_buf_clear(&r.written);
    ns_buf_clear(&r.flat);
    NS_CHECK(ns_mem_live() == live);
    return 0;
}
