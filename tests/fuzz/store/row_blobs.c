/* The blobs of rows as they may come back from a damaged file: first byte which one, then its bytes. */
#include "store/blobs.h"

#include <string.h>

static void try_one(const ns_blob *blob, const uint8_t *bytes, size_t len, void *field)
{
    unsigned char again[NS_BLOB_MAX];
    if (!blob->decode(bytes, len, field))
        return;
    size_t used = blob->encode(field, again); /* one form for one content: what was read is written the same */
    NS_CHECK(used == len && memcmp(again, bytes, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static ns_prediction prediction;
    static ns_state state;
    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        try_one(&ns_blob_state, data + 1, size - 1, &state);
    else if (data[0] % 3 == 1)
        try_one(&ns_blob_embedding, data + 1, size - 1, &prediction);
    else
        try_one(&ns_blob_evidence, data + 1, size - 1, &prediction);
    return 0;
}
