/* Any bytes as a safetensors file: read or refused with a reason; every byte a tensor claims may be touched. */
#include "base/mem.h"
#include "tensor/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t before = ns_mem_live();
    ns_safetensors *file = NULL;
    ns_error err = {0};
    const ns_status status = ns_safetensors_parse((ns_text){(const char *)data, size}, "fuzzed", &file, &err);
    NS_CHECK(status == NS_OK || status == NS_CORRUPT);
    NS_CHECK(status == NS_OK || err.text[0] == 'f');
    for (size_t i = 0; status == NS_OK && i < ns_safetensors_count(file); i++) {
        const ns_tensor_view *view = ns_safetensors_at(file, i);
        NS_CHECK(ns_safetensors_find(file, view->name) == view);
        NS_CHECK(view->count <= size);
        float *floats = ns_alloc(view->count, sizeof *floats);
        NS_CHECK(floats != NULL);
        const ns_status read = ns_tensor_floats(view, floats, &err);
        NS_CHECK(read == NS_OK || read == NS_BAD_INPUT);
        ns_free(floats);
    }
    ns_safetensors_close(file);
    NS_CHECK(ns_mem_live() == before);
    return 0;
}
