/* Any bytes are a log file: unpacking ends, keeps its ceiling, and gives nothing or a text. */
#include "base/mem.h"
#include "base/unpack.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { CEILING = 1 << 20 };
    ns_buf out;
    ns_error err;
    size_t before = ns_mem_live();
    ns_buf_init(&out, 0);
    ns_status status = ns_unpack("input", (ns_text){(const char *)data, size}, CEILING, &out, &err);
    if ((status != NS_OK && (err.text[0] == '\0' || out.len > 0)) || out.len > CEILING)
        abort();
    ns_buf_clear(&out);
    if (ns_mem_live() != before)
        abort();
    return 0;
}
