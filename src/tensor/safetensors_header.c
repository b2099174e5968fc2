#include "tensor/safetensors_header.h"

#include "base/mem.h"

#include <string.h>

enum { ENTRIES_MAX = 65536 };

typedef struct reader {
    ns_text text;
    size_t at;
    ns_error *err;
} reader;

static bool wrong(reader *in, const char *what)
{
    (void)ns_fail(in->err, NS_CORRUPT, "header, byte %zu: %s", in->at, what);
    return false;
}

static void skip_blanks(reader *in)
{
    while (in->at < in->text.len && strchr(" \t\r\n", in->text.at[in->at]) != NULL && in->text.at[in->at] != '\0')
        in->at++;
}

/* The next sign, after blanks; false when it is another one (nothing is taken then). */
static bool take(reader *in, char sign)
{
    skip_blanks(in);
    if (in->at >= in->text.len || in->text.at[in->at] != sign)
        return false;
    in->at++;
    return true;
}

static bool expect(reader *in, char sign, const char *what)
{
    return take(in, sign) || wrong(in, what);
}

/* A string's raw inside. Escapes are stepped over, not undone: names and types that matter here have none. */
static bool read_string(reader *in, ns_text *out)
{
    if (!expect(in, '"', "a string was expected"))
        return false;
    const size_t begin = in->at;
    while (in->at < in->text.len && in->text.at[in->at] != '"') {
        if ((unsigned char)in->text.at[in->at] < 0x20)
            return wrong(in, "a control character in a string");
        in->at += in->text.at[in->at] == '\\' ? 2 : 1;
    }
    if (in->at >= in->text.len)
        return wrong(in, "a string without an end");
    *out = (ns_text){in->text.at + begin, in->at - begin};
    in->at++;
    return true;
}

static bool read_number(reader *in, uint64_t *out)
{
    skip_blanks(in);
    const size_t begin = in->at;
    uint64_t value = 0;
    for (; in->at < in->text.len && in->text.at[in->at] >= '0' && in->text.at[in->at] <= '9'; in->at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(in->text.at[in->at] - '0'), &value))
            return wrong(in, "a number beyond 64 bits");
    if (in->at == begin)
        return wrong(in, "a whole number was expected");
    *out = value;
    return true;
}

static bool read_numbers(reader *in, uint64_t *out, size_t most, size_t *count)
{
    *count = 0;
    if (!expect(in, '[', "a list was expected"))
        return false;
    if (take(in, ']'))
        return true;
    do {
        if (*count == most)
            return wrong(in, "a list that is too long");
        if (!read_number(in, &out[*count]))
            return false;
        (*count)++;
    } while (take(in, ','));
    return expect(in, ']', "a list without an end");
}

static bool read_dtype(reader *in, ns_dtype *out)
{
    ns_text name;
    if (!read_string(in, &name))
        return false;
    for (size_t i = 0; i < NS_DTYPE_COUNT; i++)
        if (ns_text_is(name, ns_dtype_name((ns_dtype)i))) {
            *out = (ns_dtype)i;
            return true;
        }
    return wrong(in, "a dtype that is not known here");
}

static bool set_shape(reader *in, ns_tensor_entry *entry, const uint64_t *shape, size_t rank)
{
    entry->view.rank = rank;
    entry->view.count = 1;
    for (size_t i = 0; i < rank; i++) {
        entry->view.shape[i] = (size_t)shape[i];
        if (__builtin_mul_overflow(entry->view.count, (size_t)shape[i], &entry->view.count))
            return wrong(in, "a shape beyond 64 bits");
    }
    return true;
}

static bool read_tensor(reader *in, ns_tensor_entry *entry)
{
    bool has_dtype = false, has_shape = false, has_offsets = false;
    if (!expect(in, '{', "a tensor's description was expected"))
        return false;
    do {
        ns_text key;
        uint64_t numbers[NS_TENSOR_RANK_MAX];
        size_t count;
        if (!read_string(in, &key) || !expect(in, ':', "':' was expected"))
            return false;
        if (ns_text_is(key, "dtype") && !has_dtype) {
            has_dtype = read_dtype(in, &entry->view.dtype);
            if (!has_dtype)
                return false;
        } else if (ns_text_is(key, "shape") && !has_shape) {
            if (!read_numbers(in, numbers, NS_TENSOR_RANK_MAX, &count) || !set_shape(in, entry, numbers, count))
                return false;
            has_shape = true;
        } else if (ns_text_is(key, "data_offsets") && !has_offsets) {
            if (!read_numbers(in, numbers, 2, &count))
                return false;
            if (count != 2)
                return wrong(in, "data_offsets needs two numbers");
            entry->begin = numbers[0];
            entry->end = numbers[1];
            has_offsets = true;
        } else {
            return wrong(in, "a key that is unknown or stands twice in a tensor's description");
        }
    } while (take(in, ','));
    if (!expect(in, '}', "a tensor's description without an end"))
        return false;
    if (!has_dtype || !has_shape || !has_offsets)
        return wrong(in, "a tensor needs dtype, shape and data_offsets");
    return true;
}

static bool skip_metadata(reader *in)
{
    if (!expect(in, '{', "__metadata__ must be an object of strings"))
        return false;
    if (take(in, '}'))
        return true;
    do {
        ns_text ignored;
        if (!read_string(in, &ignored) || !expect(in, ':', "':' was expected") || !read_string(in, &ignored))
            return false;
    } while (take(in, ','));
    return expect(in, '}', "__metadata__ without an end");
}

static ns_tensor_entry *add_entry(ns_tensor_entries *list)
{
    if (list->count == list->room) {
        const size_t room = list->room == 0 ? 64 : list->room * 2;
        ns_tensor_entry *moved = ns_realloc(list->at, room, sizeof *moved);
        if (moved == NULL)
            return NULL;
        list->at = moved;
        list->room = room;
    }
    ns_tensor_entry *entry = &list->at[list->count++];
    memset(entry, 0, sizeof *entry);
    return entry;
}

static bool read_member(reader *in, ns_tensor_entries *out)
{
    ns_text name;
    if (!read_string(in, &name) || !expect(in, ':', "':' was expected"))
        return false;
    if (ns_text_is(name, "__metadata__"))
        return skip_metadata(in);
    if (name.len == 0 || name.len >= NS_TENSOR_NAME_MAX || memchr(name.at, '\\', name.len) != NULL)
        return wrong(in, "a tensor's name that is empty, too long or escaped");
    if (out->count == ENTRIES_MAX)
        return wrong(in, "more than 65536 tensors");
    ns_tensor_entry *entry = add_entry(out);
    if (entry == NULL) {
        (void)ns_fail(in->err, NS_NO_MEMORY, "header: no memory for %zu tensors", out->count + 1);
        return false;
    }
    (void)ns_text_copy(entry->view.name, sizeof entry->view.name, name);
    return read_tensor(in, entry);
}

ns_status ns_tensor_header_read(ns_text text, ns_tensor_entries *out, ns_error *err)
{
    ns_error own = {0};
    reader in = {text, 0, &own};
    *out = (ns_tensor_entries){0};
    bool good = text.len > 0 && text.at[0] == '{' ? take(&in, '{') : wrong(&in, "it does not begin with '{'");
    if (good && !take(&in, '}')) {
        do
            good = read_member(&in, out);
        while (good && take(&in, ','));
        good = good && expect(&in, '}', "the header has no end");
    }
    skip_blanks(&in);
    if (good && in.at != text.len)
        good = wrong(&in, "something behind the header's end");
    if (good)
        return NS_OK;
    ns_free(out->at);
    *out = (ns_tensor_entries){0};
    return ns_fail(err, own.status, "%s", own.text);
}
