/* Writing a safetensors file (declared in safetensors.h). */
#include "tensor/safetensors.h"

#include "tensor/half.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { HEADER_CEILING = 16 * 1024 * 1024 };

static size_t elements(const ns_tensor_out *tensor)
{
    size_t count = 1;
    for (size_t i = 0; i < tensor->rank; i++)
        count *= tensor->shape[i];
    return count;
}

/* Length and JSON; padded with blanks so that the tensors begin at a multiple of 8. */
static ns_status header_of(const ns_tensor_out *tensors, size_t count, const char *format, ns_buf *out, ns_error *err)
{
    static const char room[8] = {0};
    uint64_t at = 0;
    (void)ns_buf_put(out, room, sizeof room);
    (void)ns_buf_printf(out, "{\"__metadata__\":{\"format\":\"%s\"}", format);
    for (size_t i = 0; i < count; i++) {
        const ns_tensor_out *t = &tensors[i];
        NS_CHECK(t->rank <= NS_TENSOR_RANK_MAX && strpbrk(t->name, "\"\\") == NULL);
        NS_CHECK(t->dtype == NS_DTYPE_F32 || t->dtype == NS_DTYPE_F16 || t->dtype == NS_DTYPE_BF16);
        (void)ns_buf_printf(out, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", t->name, ns_dtype_name(t->dtype));
        for (size_t d = 0; d < t->rank; d++)
            (void)ns_buf_printf(out, "%s%zu", d > 0 ? "," : "", t->shape[d]);
        const uint64_t bytes = elements(t) * ns_dtype_bytes(t->dtype);
        (void)ns_buf_printf(out, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", at, at + bytes);
        at += bytes;
    }
    (void)ns_buf_char(out, '}');
    while (!out->failed && out->len % 8 != 0)
        (void)ns_buf_char(out, ' ');
    if (out->failed)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the header of %zu tensors", count);
    const uint64_t length = out->len - 8;
    for (size_t i = 0; i < 8; i++)
        out->at[i] = (char)(unsigned char)(length >> (8 * i) & 0xff);
    return NS_OK;
}

static ns_status write_tensor(FILE *file, const ns_tensor_out *tensor, ns_error *err)
{
    const size_t count = elements(tensor);
    union {
        float single[1024];
        uint16_t half[1024];
    } piece;
    for (size_t done = 0; done < count;) {
        const size_t n = count - done < 1024 ? count - done : 1024;
        for (size_t i = 0; i < n; i++) {
            const float value = tensor->data[done + i];
            float kept = value;
            if (tensor->dtype == NS_DTYPE_F32) {
                piece.single[i] = value;
            } else if (tensor->dtype == NS_DTYPE_F16) {
                piece.half[i] = ns_to_f16(value);
                kept = ns_from_f16(piece.half[i]);
            } else {
                piece.half[i] = ns_to_bf16(value);
                kept = ns_from_bf16(piece.half[i]);
            }
            if (!isfinite(kept))
                return ns_fail(err, NS_BAD_INPUT, "tensor %s: element %zu (%g) cannot be written as %s", tensor->name,
                               done + i, (double)value, ns_dtype_name(tensor->dtype));
        }
        const size_t size = ns_dtype_bytes(tensor->dtype);
        if (fwrite(&piece, size, n, file) != n)
            return ns_fail(err, NS_IO, "cannot be written: %s", strerror(errno));
        done += n;
    }
    return NS_OK;
}

static ns_status write_all(FILE *file, const ns_buf *header, const ns_tensor_out *tensors, size_t count, ns_error *err)
{
    if (fwrite(header->at, 1, header->len, file) != header->len)
        return ns_fail(err, NS_IO, "cannot be written: %s", strerror(errno));
    for (size_t i = 0; i < count; i++) {
        const ns_status status = write_tensor(file, &tensors[i], err);
        if (status != NS_OK)
            return status;
    }
    if (fflush(file) != 0 || fsync(fileno(file)) != 0)
        return ns_fail(err, NS_IO, "cannot be written: %s", strerror(errno));
    return NS_OK;
}

static void sync_folder_of(const char *path)
{
    char copy[4096];
    if (!ns_text_copy(copy, sizeof copy, ns_text_of(path)))
        return;
    const int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd);
    (void)close(fd);
}

/* Writes the sibling; it is gone again when that fails. */
static ns_status write_sibling(const char *beside, const ns_buf *header, const ns_tensor_out *tensors, size_t count,
                               ns_error *err)
{
    FILE *file = fopen(beside, "wbe");
    if (file == NULL)
        return ns_fail(err, NS_IO, "cannot be created: %s", strerror(errno));
    ns_status status = write_all(file, header, tensors, count, err);
    if (fclose(file) != 0 && status == NS_OK)
        status = ns_fail(err, NS_IO, "cannot be written: %s", strerror(errno));
    if (status != NS_OK)
        (void)unlink(beside);
    return status;
}

ns_status ns_safetensors_write(const char *path, const ns_tensor_out *tensors, size_t count, const char *format,
                               ns_error *err)
{
    char beside[4096];
    const int len = snprintf(beside, sizeof beside, "%s.%ld.new", path, (long)getpid());
    if (len < 0 || (size_t)len >= sizeof beside)
        return ns_fail(err, NS_IO, "%s: the path is too long", path);
    ns_buf header;
    ns_buf_init(&header, HEADER_CEILING);
    ns_status status = header_of(tensors, count, format, &header, err);
    if (status == NS_OK)
        status = write_sibling(beside, &header, tensors, count, err);
    ns_buf_clear(&header);
    if (status != NS_OK)
        return ns_fail_in(err, status, "%s", path);
    if (rename(beside, path) != 0) {
        status = ns_fail(err, NS_IO, "%s: cannot be replaced: %s", path, strerror(errno));
        (void)unlink(beside);
        return status;
    }
    sync_folder_of(path);
    return NS_OK;
}
