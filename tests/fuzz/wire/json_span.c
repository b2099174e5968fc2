/* Values of good JSON are found where the parser finds them; of bad JSON nothing is read past its end. */
#include "wire/json.h"
#include "wire/json_span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ns_text text = {(const char *)data, size}, span, rest, item;
    json_t *root = NULL;
    bool good = ns_json_read(text, &root, NULL) == NS_OK;
    bool found = ns_json_span_member(text, "spec", &span);
    const json_t *spec = good ? ns_json_at(root, "spec") : NULL;
    if (spec != NULL && found) {
        json_t *again = NULL;
        NS_CHECK(ns_json_read(span, &again, NULL) == NS_OK && json_equal(spec, again));
        json_decref(again);
    }
    json_decref(root);
    size_t count = 0;
    if (ns_json_span_array(text, &rest))
        while (ns_json_span_next(&rest, &item))
            NS_CHECK(++count <= size);
    return 0;
}
