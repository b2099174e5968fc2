#include "base/unpack.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

/* Where packed bytes come from: a file, or memory (fd -1: all of it stands in `piece` from the start). */
typedef struct reader {
    const char *name;
    int fd;
    ns_text piece; /* bytes not used yet */
    char *room;    /* [PIECE] */
} reader;

enum { PIECE = 1 << 16 };

/* Fills an empty piece; it stays empty at the end. */
static ns_status refill(reader *in, ns_error *err)
{
    while (in->piece.len == 0 && in->fd >= 0) {
        ssize_t n = read(in->fd, in->room, PIECE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ns_fail(err, NS_IO, "%s: cannot be read: %s", in->name, strerror(errno));
        if (n == 0)
            break;
        in->piece = (ns_text){in->room, (size_t)n};
    }
    return NS_OK;
}

static ns_status put(const reader *in, ns_buf *out, const char *at, size_t len, ns_error *err)
{
    ns_status status = len == 0 ? NS_OK : ns_buf_put(out, at, len);
    if (status == NS_TOO_LARGE)
        return ns_fail(err, status, "%s: its text is larger than %zu bytes", in->name, out->ceiling);
    if (status != NS_OK)
        return ns_fail(err, status, "%s: no memory for its text", in->name);
    return NS_OK;
}

static ns_status read_plain(reader *in, ns_buf *out, ns_error *err)
{
    ns_status status = NS_OK;
    while (status == NS_OK && in->piece.len > 0) {
        status = put(in, out, in->piece.at, in->piece.len, err);
        in->piece.len = 0;
        if (status == NS_OK)
            status = refill(in, err);
    }
    return status;
}

/* ---- gzip ---- */

static voidpf gate_take(voidpf owner, uInt count, uInt size)
{
    (void)owner;
    return ns_alloc(count, size);
}

static void gate_give(voidpf owner, voidpf block)
{
    (void)owner;
    ns_free(block);
}

/* What is at hand through the decoder; *member_ends: a member's end was reached. */
static ns_status inflate_piece(reader *in, z_stream *z, char *plain, ns_buf *out, bool *member_ends, ns_error *err)
{
    int result = Z_OK;
    z->next_in = (Bytef *)(uintptr_t)in->piece.at;
    z->avail_in = (uInt)in->piece.len;
    do {
        z->next_out = (Bytef *)plain;
        z->avail_out = PIECE;
        result = inflate(z, Z_NO_FLUSH);
        ns_status status = put(in, out, plain, PIECE - z->avail_out, err);
        if (status != NS_OK)
            return status;
    } while (result == Z_OK && (z->avail_in > 0 || z->avail_out == 0));
    in->piece = (ns_text){(const char *)z->next_in, z->avail_in};
    *member_ends = result == Z_STREAM_END;
    if (result == Z_MEM_ERROR)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory to unpack it", in->name);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return ns_fail(err, NS_BAD_INPUT, "%s: damaged gzip data", in->name);
    return NS_OK;
}

static ns_status read_gzip(reader *in, char *plain, ns_buf *out, ns_error *err)
{
    z_stream z = {.zalloc = gate_take, .zfree = gate_give};
    if (inflateInit2(&z, 15 + 16) != Z_OK)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory to unpack it", in->name);
    bool member_ends = false;
    ns_status status = NS_OK;
    while (status == NS_OK && in->piece.len > 0) {
        if (member_ends)
            (void)inflateReset(&z);
        status = inflate_piece(in, &z, plain, out, &member_ends, err);
        if (status == NS_OK)
            status = refill(in, err);
    }
    (void)inflateEnd(&z);
    if (status == NS_OK && !member_ends)
        status = ns_fail(err, NS_BAD_INPUT, "%s: the gzip data is cut short", in->name);
    return status;
}

/* ---- Zstandard ---- */

static ns_status read_zstd(reader *in, char *plain, ns_buf *out, ns_error *err)
{
    ZSTD_DCtx *z = ZSTD_createDCtx();
    if (z == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory to unpack it", in->name);
    size_t left = 0; /* 0: between two frames */
    ns_status status = NS_OK;
    while (status == NS_OK && in->piece.len > 0) {
        ZSTD_inBuffer from = {in->piece.at, in->piece.len, 0};
        ZSTD_outBuffer to = {plain, PIECE, 0};
        do {
            to.pos = 0;
            left = ZSTD_decompressStream(z, &to, &from);
            status = ZSTD_isError(left) ? ns_fail(err, NS_BAD_INPUT, "%s: damaged Zstandard data (%s)", in->name,
                                                  ZSTD_getErrorName(left))
                                        : put(in, out, plain, to.pos, err);
        } while (status == NS_OK && (from.pos < from.size || to.pos == to.size));
        in->piece.len = 0;
        if (status == NS_OK)
            status = refill(in, err);
    }
    (void)ZSTD_freeDCtx(z);
    if (status == NS_OK && left != 0)
        status = ns_fail(err, NS_BAD_INPUT, "%s: the Zstandard data is cut short", in->name);
    return status;
}

/* ---- which ---- */

static bool starts_with(ns_text text, const char *magic, size_t n)
{
    return text.len >= n && memcmp(text.at, magic, n) == 0;
}

static bool zstd_magic(ns_text text)
{
    return starts_with(text, "\x28\xb5\x2f\xfd", 4) || /* a frame, or one to be skipped */
           (text.len >= 4 && (text.at[0] & 0xf0) == 0x50 && memcmp(text.at + 1, "\x2a\x4d\x18", 3) == 0);
}

static ns_status read_all(reader *in, size_t ceiling, ns_buf *out, ns_error *err)
{
    ns_buf text;
    ns_buf_init(&text, ceiling);
    char *plain = ns_alloc(1, PIECE);
    ns_status status =
        plain == NULL ? ns_fail(err, NS_NO_MEMORY, "%s: no memory to read it", in->name) : refill(in, err);
    if (status == NS_OK && starts_with(in->piece, "\x1f\x8b", 2))
        status = read_gzip(in, plain, &text, err);
    else if (status == NS_OK && zstd_magic(in->piece))
        status = read_zstd(in, plain, &text, err);
    else if (status == NS_OK)
        status = read_plain(in, &text, err);
    ns_free(plain);
    if (status != NS_OK) {
        ns_buf_clear(&text);
        return status;
    }
    ns_buf_clear(out);
    *out = text;
    return NS_OK;
}

ns_status ns_unpack(const char *name, ns_text packed, size_t ceiling, ns_buf *out, ns_error *err)
{
    NS_CHECK(packed.len <= UINT32_MAX);
    reader in = {.name = name, .fd = -1, .piece = packed};
    return read_all(&in, ceiling, out, err);
}

ns_status ns_log_file_read(const char *path, size_t ceiling, ns_buf *out, ns_error *err)
{
    bool input = strcmp(path, "-") == 0;
    reader in = {.name = input ? "standard input" : path, .fd = input ? 0 : open(path, O_RDONLY | O_CLOEXEC)};
    if (in.fd < 0)
        return ns_fail(err, NS_IO, "%s: cannot be opened: %s", path, strerror(errno));
    in.room = ns_alloc(1, PIECE);
    ns_status status = in.room == NULL ? ns_fail(err, NS_NO_MEMORY, "%s: no memory to read it", in.name)
                                       : read_all(&in, ceiling, out, err);
    ns_free(in.room);
    if (!input)
        (void)close(in.fd);
    return status;
}
