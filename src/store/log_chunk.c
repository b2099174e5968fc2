#include "store/log_chunk.h"

#include "base/mem.h"

#include <string.h>
#include <zstd.h>

#define LEVEL 3

struct ns_log_packer {
    ZSTD_CCtx *context;
    size_t room;
    char *frame;
};

ns_log_packer *ns_log_packer_new(void)
{
    ns_log_packer *packer = NS_NEW(ns_log_packer);
    if (packer == NULL)
        return NULL;
    packer->room = ZSTD_compressBound(NS_LOG_CHUNK_BYTES);
    packer->frame = NS_NEW_ARRAY(char, packer->room);
    packer->context = ZSTD_createCCtx();
    if (packer->frame == NULL || packer->context == NULL ||
        ZSTD_isError(ZSTD_CCtx_setParameter(packer->context, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(packer->context, ZSTD_c_checksumFlag, 1))) {
        ns_log_packer_free(packer);
        return NULL;
    }
    return packer;
}

void ns_log_packer_free(ns_log_packer *packer)
{
    if (packer == NULL)
        return;
    (void)ZSTD_freeCCtx(packer->context);
    ns_free(packer->frame);
    ns_free(packer);
}

ns_status ns_log_pack(ns_log_packer *packer, ns_text text, ns_text *frame, ns_error *err)
{
    NS_CHECK(text.len > 0 && text.len <= NS_LOG_CHUNK_BYTES);
    size_t len = ZSTD_compress2(packer->context, packer->frame, packer->room, text.at, text.len);
    if (ZSTD_isError(len)) /* the room is enough for any text: only memory can be missing */
        return ns_fail(err, NS_NO_MEMORY, "log text cannot be compressed: %s", ZSTD_getErrorName(len));
    *frame = (ns_text){packer->frame, len};
    return NS_OK;
}

ns_status ns_log_unpack(int64_t codec, ns_text stored, int64_t text_len, char *out, ns_error *err)
{
    if (text_len < 1 || text_len > NS_LOG_CHUNK_BYTES)
        return ns_fail(err, NS_CORRUPT, "a log chunk claims %lld bytes", (long long)text_len);
    size_t wanted = (size_t)text_len;
    if (codec == NS_LOG_PLAIN) {
        if (stored.len != wanted)
            return ns_fail(err, NS_CORRUPT, "a log chunk of %zu bytes claims %zu", stored.len, wanted);
        memcpy(out, stored.at, wanted);
        return NS_OK;
    }
    if (codec != NS_LOG_ZSTD)
        return ns_fail(err, NS_CORRUPT, "a log chunk has the unknown form %lld", (long long)codec);
    /* One whole frame and nothing behind it: ZSTD_decompress would also take several in a row. */
    if (ZSTD_getFrameContentSize(stored.at, stored.len) != wanted ||
        ZSTD_findFrameCompressedSize(stored.at, stored.len) != stored.len)
        return ns_fail(err, NS_CORRUPT, "a compressed log chunk is damaged");
    size_t len = ZSTD_decompress(out, wanted, stored.at, stored.len);
    if (ZSTD_isError(len) || len != wanted)
        return ns_fail(err, NS_CORRUPT, "a compressed log chunk is damaged: %s",
                       ZSTD_isError(len) ? ZSTD_getErrorName(len) : "wrong length");
    return NS_OK;
}
