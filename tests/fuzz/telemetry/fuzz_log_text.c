/* Arbitrary bytes as a console log: always valid UTF-8 out, and the same however the log is cut. */
#include "base/mem.h"
#include "telemetry/console_text.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void convert(ns_text raw, size_t step, ns_buf *out)
{
    ns_console console;
    ns_console_init(&console);
    for (size_t at = 0; at < raw.len; at += step) {
        size_t n = raw.len - at < step ? raw.len - at : step;
        NS_CHECK(ns_console_put(&console, (ns_text){raw.at + at, n}, out) == NS_OK);
        NS_CHECK(ns_console_held(&console) <= at + n);
    }
    NS_CHECK(ns_console_end(&console, out) == NS_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ns_text raw = {(const char *)data, size};
    size_t before = ns_mem_live();
    ns_buf whole, pieces;
    ns_buf_init(&whole, 3 * size + 16);
    ns_buf_init(&pieces, 3 * size + 16);
    convert(raw, size == 0 ? 1 : size, &whole);
    convert(raw, size == 0 ? 1 : data[0] % 7 + 1u, &pieces);
    NS_CHECK(ns_text_same(ns_buf_view(&whole), ns_buf_view(&pieces)));
    for (size_t i = 0; i < whole.len;) {
        size_t n = ns_utf8_sequence((ns_text){whole.at + i, whole.len - i});
        NS_CHECK(n > 0);
        i += n;
    }
    ns_buf_clear(&whole);
    ns_buf_clear(&pieces);
    NS_CHECK(ns_mem_live() == before);
    return 0;
}
