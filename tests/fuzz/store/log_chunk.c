/* A stored log chunk as it may come back from a damaged file: first byte the codec, two bytes the claimed length. */
#include "base/mem.h"
#include "store/log_chunk.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    size_t live = ns_mem_live();
    int64_t length = data[1] | data[2] << 8 | (data[3] & 1) << 16;
    char *out = malloc(length == 0 ? 1 : (size_t)length); /* exactly: a byte too many is seen by the sanitizer */
    ns_text stored = {(const char *)data + 4, size - 4};
    ns_error err;
    ns_status status = out == NULL ? NS_CORRUPT : ns_log_unpack(data[0], stored, length, out, &err);
    NS_CHECK(status == NS_OK || status == NS_CORRUPT);
    /* What could be read can be packed and read again. */
    if (status == NS_OK) {
        ns_log_packer *packer = ns_log_packer_new();
        char *again = malloc((size_t)length);
        ns_text frame;
        NS_CHECK(packer != NULL && again != NULL);
        NS_CHECK(ns_log_pack(packer, (ns_text){out, (size_t)length}, &frame, &err) == NS_OK);
        NS_CHECK(ns_log_unpack(NS_LOG_ZSTD, frame, length, again, &err) == NS_OK);
        NS_CHECK(memcmp(out, again, (size_t)length) == 0);
        free(again);
        ns_log_packer_free(packer);
    }
    free(out);
    NS_CHECK(ns_mem_live() == live);
    return 0;
}
