#include "tensor/safetensors.h"

#include "base/mem.h"
#include "tensor/half.h"
#include "tensor/safetensors_header.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t HEADER_MAX = 100u * 1000 * 1000;

struct ns_safetensors {
    ns_tensor_entries entries; /* sorted by their bytes' place */
    size_t *by_name;           /* indices into entries, sorted by name */
    void *map;                 /* NULL: the caller keeps the bytes */
    size_t map_bytes;
};

static const char *const dtype_names[] = {
#define NAME(name, bytes) #name,
    NS_DTYPE_MAP(NAME)
#undef NAME
};
static const size_t dtype_sizes[] = {
#define SIZE(name, bytes) bytes,
    NS_DTYPE_MAP(SIZE)
#undef SIZE
};

const char *ns_dtype_name(ns_dtype dtype)
{
    return dtype_names[dtype];
}

size_t ns_dtype_bytes(ns_dtype dtype)
{
    return dtype_sizes[dtype];
}

static int by_place(const void *a, const void *b)
{
    const ns_tensor_entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1; /* an empty tensor stands before the one that begins at its place */
    return strcmp(x->view.name, y->view.name);
}

static int by_name(const void *a, const void *b, void *entries)
{
    const ns_tensor_entry *at = entries;
    return strcmp(at[*(const size_t *)a].view.name, at[*(const size_t *)b].view.name);
}

/* Every byte behind the header belongs to exactly one tensor, and each tensor has the bytes its shape asks for. */
static ns_status check_places(ns_tensor_entries *entries, ns_text data, const char *name, ns_error *err)
{
    uint64_t next = 0;
    for (size_t i = 0; i < entries->count; i++) {
        ns_tensor_entry *e = &entries->at[i];
        size_t bytes;
        if (__builtin_mul_overflow(e->view.count, ns_dtype_bytes(e->view.dtype), &bytes))
            return ns_fail(err, NS_CORRUPT, "%s: tensor %s: its shape is beyond 64 bits", name, e->view.name);
        if (e->end < e->begin || e->end - e->begin != bytes)
            return ns_fail(err, NS_CORRUPT,
                           "%s: tensor %s: its shape asks for %zu bytes, its offsets are %" PRIu64 "..%" PRIu64, name,
                           e->view.name, bytes, e->begin, e->end);
        if (e->begin != next)
            return ns_fail(err, NS_CORRUPT, "%s: tensor %s %s (its bytes begin at %" PRIu64 ", expected %" PRIu64 ")",
                           name, e->view.name, e->begin < next ? "overlaps another" : "leaves a hole before it",
                           e->begin, next);
        if (e->end > data.len)
            return ns_fail(err, NS_CORRUPT, "%s: cut short: tensor %s ends at byte %" PRIu64 " of %zu", name,
                           e->view.name, e->end, data.len);
        e->view.data = data.at + e->begin;
        next = e->end;
    }
    if (next != data.len)
        return ns_fail(err, NS_CORRUPT, "%s: %" PRIu64 " bytes of tensors but %zu in the file", name, next, data.len);
    return NS_OK;
}

static ns_status index_names(ns_safetensors *file, const char *name, ns_error *err)
{
    const size_t count = file->entries.count;
    file->by_name = NS_NEW_ARRAY(size_t, count);
    if (file->by_name == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for %zu names", name, count);
    for (size_t i = 0; i < count; i++)
        file->by_name[i] = i;
    if (count > 0)
        qsort_r(file->by_name, count, sizeof *file->by_name, by_name, file->entries.at);
    for (size_t i = 1; i < count; i++)
        if (by_name(&file->by_name[i - 1], &file->by_name[i], file->entries.at) == 0)
            return ns_fail(err, NS_CORRUPT, "%s: tensor %s stands twice", name,
                           file->entries.at[file->by_name[i]].view.name);
    return NS_OK;
}

ns_status ns_safetensors_parse(ns_text bytes, const char *name, ns_safetensors **out, ns_error *err)
{
    if (bytes.len < 8)
        return ns_fail(err, NS_CORRUPT, "%s: %zu bytes are too short for a safetensors file", name, bytes.len);
    uint64_t header = 0;
    for (size_t i = 8; i-- > 0;)
        header = header << 8 | (unsigned char)bytes.at[i];
    if (header > HEADER_MAX || header > bytes.len - 8)
        return ns_fail(err, NS_CORRUPT,
                       "%s: a header of %" PRIu64 " bytes in a file of %zu: cut short, or no safetensors file", name,
                       header, bytes.len);
    ns_safetensors *file = NS_NEW(ns_safetensors);
    if (file == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory to read it", name);
    ns_status status = ns_tensor_header_read((ns_text){bytes.at + 8, (size_t)header}, &file->entries, err);
    if (status != NS_OK)
        (void)ns_fail_in(err, status, "%s", name);
    if (status == NS_OK && file->entries.count > 0)
        qsort(file->entries.at, file->entries.count, sizeof *file->entries.at, by_place);
    if (status == NS_OK)
        status =
            check_places(&file->entries, (ns_text){bytes.at + 8 + header, bytes.len - 8 - (size_t)header}, name, err);
    if (status == NS_OK)
        status = index_names(file, name, err);
    if (status != NS_OK) {
        ns_safetensors_close(file);
        return status;
    }
    *out = file;
    return NS_OK;
}

ns_status ns_safetensors_open(const char *path, ns_safetensors **out, ns_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ns_fail(err, NS_IO, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat facts;
    void *map = MAP_FAILED;
    ns_status status = NS_OK;
    if (fstat(fd, &facts) != 0)
        status = ns_fail(err, NS_IO, "%s: cannot be read: %s", path, strerror(errno));
    else if (!S_ISREG(facts.st_mode))
        status = ns_fail(err, NS_IO, "%s: is not a file", path);
    else if (facts.st_size < 8)
        status = ns_fail(err, NS_CORRUPT, "%s: %lld bytes are too short for a safetensors file", path,
                         (long long)facts.st_size);
    else if ((map = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED)
        status = ns_fail(err, NS_IO, "%s: cannot be mapped: %s", path, strerror(errno));
    (void)close(fd);
    if (status != NS_OK)
        return status;
    const size_t bytes = (size_t)facts.st_size;
    status = ns_safetensors_parse((ns_text){map, bytes}, path, out, err);
    if (status != NS_OK) {
        (void)munmap(map, bytes);
        return status;
    }
    (*out)->map = map;
    (*out)->map_bytes = bytes;
    return NS_OK;
}

void ns_safetensors_close(ns_safetensors *file)
{
    if (file == NULL)
        return;
    if (file->map != NULL)
        (void)munmap(file->map, file->map_bytes);
    ns_free(file->entries.at);
    ns_free(file->by_name);
    ns_free(file);
}

size_t ns_safetensors_count(const ns_safetensors *file)
{
    return file->entries.count;
}

const ns_tensor_view *ns_safetensors_at(const ns_safetensors *file, size_t i)
{
    NS_CHECK(i < file->entries.count);
    return &file->entries.at[i].view;
}

const ns_tensor_view *ns_safetensors_find(const ns_safetensors *file, const char *name)
{
    size_t low = 0, high = file->entries.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const ns_tensor_view *view = &file->entries.at[file->by_name[middle]].view;
        const int order = strcmp(name, view->name);
        if (order == 0)
            return view;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Element i as a float; a double beyond a float's range becomes infinite and is refused by the caller. */
static float element(const ns_tensor_view *tensor, size_t i)
{
    const char *at = (const char *)tensor->data + i * ns_dtype_bytes(tensor->dtype);
    double wide;
    float single;
    uint16_t half;
    switch (tensor->dtype) {
    case NS_DTYPE_F64:
        memcpy(&wide, at, sizeof wide);
        if (!(fabs(wide) <= 3.4028234663852886e38))
            return INFINITY;
        return (float)wide;
    case NS_DTYPE_F32:
        memcpy(&single, at, sizeof single);
        return single;
    case NS_DTYPE_F16:
        memcpy(&half, at, sizeof half);
        return ns_from_f16(half);
    case NS_DTYPE_BF16:
        memcpy(&half, at, sizeof half);
        return ns_from_bf16(half);
    default:
        return NAN;
    }
}

ns_status ns_tensor_floats(const ns_tensor_view *tensor, float *out, ns_error *err)
{
    if (tensor->dtype > NS_DTYPE_BF16)
        return ns_fail(err, NS_BAD_INPUT, "tensor %s: its type is %s, floats are needed", tensor->name,
                       ns_dtype_name(tensor->dtype));
    for (size_t i = 0; i < tensor->count; i++) {
        const float value = element(tensor, i);
        if (!isfinite(value))
            return ns_fail(err, NS_BAD_INPUT, "tensor %s: element %zu is no finite number", tensor->name, i);
        out[i] = value;
    }
    return NS_OK;
}
