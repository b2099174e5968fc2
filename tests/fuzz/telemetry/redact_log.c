/*
 * Any bytes as a log. However it is cut into pieces the output is the same, the filter changes nothing, and a
 * registered secret never comes out.
 */
#include "base/mem.h"
#include "telemetry/redact.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const known[] = {"Zq9-registered", "ab&c\"d"};

static ns_redactor *make(bool without_filter)
{
    ns_redactor *redactor = NULL;
    NS_CHECK(ns_redactor_new(&(ns_redactor_options){.secrets = known,
                                                    .secret_count = NS_COUNT_OF(known),
                                                    .without_filter = without_filter},
                             &redactor, NULL) == NS_OK);
    return redactor;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ns_redactor *quick, *slow;
    if (quick == NULL) {
        quick = make(false);
        slow = make(true);
    }
    if (size < 2)
        return 0;
    /* The first byte is the pieces' length, the second repeats the text, to get lines above the ceiling. */
    size_t step = (size_t)data[0] + 1, times = data[1] > 250 ? 70000 / size + 1 : 1;
    ns_buf text, whole, other;
    ns_buf_init(&text, 8u << 20);
    ns_buf_init(&whole, 64u << 20);
    ns_buf_init(&other, 64u << 20);
    for (size_t i = 0; i < times; i++)
        (void)ns_buf_put(&text, (const char *)data + 2, size - 2);
    ns_text all = ns_buf_view(&text);
    NS_CHECK(ns_redact_text(quick, all, &whole) == NS_OK);
    for (size_t i = 0; i < NS_COUNT_OF(known); i++)
        NS_CHECK(ns_text_find(ns_buf_view(&whole), known[i]) < 0);

    ns_redact_stream stream = {0};
    for (size_t i = 0; i < all.len; i += step) {
        size_t n = all.len - i < step ? all.len - i : step;
        NS_CHECK(ns_redact_stream_put(quick, &stream, (ns_text){all.at + i, n}, &other) == NS_OK);
    }
    NS_CHECK(ns_redact_stream_end(quick, &stream, &other) == NS_OK);
    NS_CHECK(ns_text_same(ns_buf_view(&whole), ns_buf_view(&other)));

    ns_buf_reset(&other);
    NS_CHECK(ns_redact_text(slow, all, &other) == NS_OK);
    NS_CHECK(ns_text_same(ns_buf_view(&whole), ns_buf_view(&other)));
    ns_buf_clear(&text);
    ns_buf_clear(&whole);
    ns_buf_clear(&other);
    return 0;
}
