/*
 * Tensors in a file: reading and writing the safetensors format.
 *
 * The format, as a list (github.com/huggingface/safetensors, README):
 *   1. 8 bytes: length of the header, little-endian, at most 100 MB.
 *   2. the header: JSON, {"name": {"dtype", "shape": [...], "data_offsets": [begin, end]}, ...}; offsets count from the
 *      end of the header; "__metadata__" may hold strings. It begins with '{' and may end in blanks.
 *   3. the tensors' bytes, row-major, little-endian, without holes and without overlap, up to the end of the file.
 *
 * A reader is used from one thread at a time and maps the file: a file that is replaced must be replaced by rename.
 */
#ifndef NS_TENSOR_SAFETENSORS_H
#define NS_TENSOR_SAFETENSORS_H

#include "base/text.h"

enum { NS_TENSOR_RANK_MAX = 8, NS_TENSOR_NAME_MAX = 256 };

/* name in the file, bytes an element */
#define NS_DTYPE_MAP(X)                                                                                                \
    X(F64, 8) X(F32, 4) X(F16, 2) X(BF16, 2) X(I64, 8) X(I32, 4) X(I16, 2) X(I8, 1) X(U8, 1) X(BOOL, 1)

typedef enum ns_dtype {
#define NS_DTYPE_ENUM(name, bytes) NS_DTYPE_##name,
    NS_DTYPE_MAP(NS_DTYPE_ENUM)
#undef NS_DTYPE_ENUM
        NS_DTYPE_COUNT
} ns_dtype;

const char *ns_dtype_name(ns_dtype dtype);
size_t ns_dtype_bytes(ns_dtype dtype);

typedef struct ns_tensor_view {
    char name[NS_TENSOR_NAME_MAX];
    ns_dtype dtype;
    size_t rank; /* 0: a single number */
    size_t shape[NS_TENSOR_RANK_MAX];
    size_t count;     /* of elements */
    const void *data; /* count elements, row-major, perhaps unaligned; lives as long as the reader */
} ns_tensor_view;

typedef struct ns_safetensors ns_safetensors;

/* Maps and checks the whole structure. NS_IO: cannot be opened. NS_CORRUPT: truncated, oversized, overlapping or
 * malformed (the message names the file and what is wrong). NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_safetensors_open(const char *path, ns_safetensors **out, ns_error *err);
/* The same over bytes that the caller keeps; `name` stands in messages. */
NS_MUST_USE ns_status ns_safetensors_parse(ns_text bytes, const char *name, ns_safetensors **out, ns_error *err);
void ns_safetensors_close(ns_safetensors *file); /* NULL is allowed */

size_t ns_safetensors_count(const ns_safetensors *file);
const ns_tensor_view *ns_safetensors_at(const ns_safetensors *file, size_t i); /* in file order of their bytes */
const ns_tensor_view *ns_safetensors_find(const ns_safetensors *file, const char *name); /* NULL: no such tensor */

/* Copies a floating-point tensor to `out` (tensor->count floats). NS_BAD_INPUT, naming the tensor and the place: not
 * floating-point, not finite, or (F64) beyond what a float holds. */
NS_MUST_USE ns_status ns_tensor_floats(const ns_tensor_view *tensor, float *out, ns_error *err);

/* What is to be written: floats, stored as dtype (F32, F16 or BF16; rounded to nearest even). */
typedef struct ns_tensor_out {
    const char *name;
    ns_dtype dtype;
    size_t rank;
    size_t shape[NS_TENSOR_RANK_MAX];
    const float *data;
} ns_tensor_out;

/* Writes beside `path`, fsyncs, renames over it: readers see the old or the new file, whole. The tensors keep their
 * order; `format` is the metadata's "format" ("pt" is what Hugging Face asks for). NS_BAD_INPUT: a value is not finite
 * or too large for its dtype (the old file stays). NS_IO. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_safetensors_write(const char *path, const ns_tensor_out *tensors, size_t count,
                                           const char *format, ns_error *err);

#endif
