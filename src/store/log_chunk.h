/*
 * Log text in chunks: how a piece of console text is kept in one row of log_chunks.
 *
 * A chunk holds 1..NS_LOG_CHUNK_BYTES bytes of text, either as they are (the growing end of a log) or as one zstd
 * frame of level 3 with a checksum. The row says the length of its text, so a reader knows where an offset lies
 * without unpacking what comes before. Decoding trusts nothing.
 */
#ifndef NS_STORE_LOG_CHUNK_H
#define NS_STORE_LOG_CHUNK_H

#include "base/text.h"

#define NS_LOG_CHUNK_BYTES 65536

typedef enum ns_log_codec { NS_LOG_PLAIN = 0, NS_LOG_ZSTD = 1 } ns_log_codec;

/* Owns the compressor's state and room for one frame. One thread at a time. */
typedef struct ns_log_packer ns_log_packer;

NS_MUST_USE ns_log_packer *ns_log_packer_new(void);
void ns_log_packer_free(ns_log_packer *packer);

/* *frame: borrowed until the next call. text: 1..NS_LOG_CHUNK_BYTES bytes. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_log_pack(ns_log_packer *packer, ns_text text, ns_text *frame, ns_error *err);

/* Writes exactly text_len bytes to out (room >= text_len), or NS_CORRUPT when the stored bytes are not a chunk of
 * that length. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_log_unpack(int64_t codec, ns_text stored, int64_t text_len, char *out, ns_error *err);

#endif
