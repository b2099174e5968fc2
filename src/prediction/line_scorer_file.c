/* lines.bin: see line_scorer.h. */
#include "prediction/line_scorer.h"

#include "prediction/rule_match.h"
#include "prediction/template.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAGIC "NSLINES1"
enum { HEAD_BYTES = 40, FLOATS = 2 * NS_LINE_HEADS };
#define WEIGHT_BYTES ((size_t)NS_LINE_BUCKETS * NS_LINE_HEADS)
#define FILE_BYTES   (HEAD_BYTES + FLOATS * sizeof(float) + WEIGHT_BYTES)

static void put_number(ns_buf *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        (void)ns_buf_char(out, (char)(value >> (8 * i) & 0xff));
}

static uint64_t get_number(const char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)(unsigned char)at[i] << (8 * i);
    return value;
}

static void put_float(ns_buf *out, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(out, bits, 4);
}

static float get_float(const char *at)
{
    uint32_t bits = (uint32_t)get_number(at, 4);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Two buffers, since the hash in the head is that of what follows it. */
static void put_body(ns_buf *body, const ns_line_scorer *scorer)
{
    for (size_t h = 0; h < NS_LINE_HEADS; h++)
        put_float(body, scorer->bias[h]);
    for (size_t h = 0; h < NS_LINE_HEADS; h++)
        put_float(body, scorer->scale[h]);
    (void)ns_buf_put(body, (const char *)scorer->weight, WEIGHT_BYTES);
}

ns_status ns_line_scorer_write(const char *folder, const ns_line_scorer *scorer, ns_error *err)
{
    ns_buf body, file, path;
    ns_buf_init(&body, FILE_BYTES);
    ns_buf_init(&file, FILE_BYTES);
    ns_buf_init(&path, 4096);
    put_body(&body, scorer);
    (void)ns_buf_string(&file, MAGIC);
    put_number(&file, NS_LINE_BUCKETS, 4);
    put_number(&file, NS_LINE_HEADS, 4);
    put_number(&file, NS_TEMPLATE_VERSION, 4);
    put_number(&file, 0, 4);
    put_number(&file, ns_rules_version(), 8);
    put_number(&file, ns_hash(ns_buf_view(&body)), 8);
    (void)ns_buf_text(&file, ns_buf_view(&body));
    (void)ns_buf_printf(&path, "%s/%s", folder, NS_LINE_FILE);
    ns_status status = body.failed || file.failed || path.failed
                           ? ns_fail(err, NS_NO_MEMORY, "%s/%s: no memory to write it", folder, NS_LINE_FILE)
                           : ns_file_replace(path.at, ns_buf_view(&file), 0644, err);
    ns_buf_clear(&body);
    ns_buf_clear(&file);
    ns_buf_clear(&path);
    return status;
}

static ns_status check(const char *path, ns_text file, ns_error *err)
{
    if (file.len != FILE_BYTES || !ns_text_starts(file, MAGIC) || get_number(file.at + 8, 4) != NS_LINE_BUCKETS ||
        get_number(file.at + 12, 4) != NS_LINE_HEADS)
        return ns_fail(err, NS_BAD_INPUT, "%s: not a line scorer of this program (%zu bytes, expected %zu)", path,
                       file.len, FILE_BYTES);
    uint64_t templates = get_number(file.at + 16, 4);
    if (templates != NS_TEMPLATE_VERSION || get_number(file.at + 24, 8) != ns_rules_version())
        return ns_fail(err, NS_BAD_INPUT,
                       "%s: learnt for other templates or phrases than this program's (templates %llu, here %d); train "
                       "it again",
                       path, (unsigned long long)templates, NS_TEMPLATE_VERSION);
    ns_text body = {file.at + HEAD_BYTES, file.len - HEAD_BYTES};
    if (get_number(file.at + 32, 8) != ns_hash(body))
        return ns_fail(err, NS_BAD_INPUT, "%s: damaged (its hash does not fit)", path);
    for (size_t i = 0; i < FLOATS; i++)
        if (!isfinite(get_float(body.at + 4 * i)))
            return ns_fail(err, NS_BAD_INPUT, "%s: damaged (number %zu is not finite)", path, i);
    return NS_OK;
}

static void take(ns_text file, ns_line_scorer *out)
{
    const char *at = file.at + HEAD_BYTES;
    for (size_t h = 0; h < NS_LINE_HEADS; h++) {
        out->bias[h] = get_float(at + 4 * h);
        out->scale[h] = get_float(at + 4 * (NS_LINE_HEADS + h));
    }
    memcpy(out->weight, at + FLOATS * sizeof(float), WEIGHT_BYTES);
}

ns_status ns_line_scorer_parse(const char *path, ns_text file, ns_line_scorer *out, ns_error *err)
{
    ns_status status = check(path, file, err);
    if (status == NS_OK)
        status = ns_line_scorer_init(out, err);
    if (status == NS_OK)
        take(file, out);
    return status;
}

ns_status ns_line_scorer_read(const char *folder, ns_line_scorer *out, ns_error *err)
{
    ns_buf file, path;
    ns_buf_init(&file, FILE_BYTES);
    ns_buf_init(&path, 4096);
    (void)ns_buf_printf(&path, "%s/%s", folder, NS_LINE_FILE);
    ns_status status = path.failed ? ns_fail(err, NS_TOO_LARGE, "model folder: its name is too long")
                                   : ns_file_read(path.at, FILE_BYTES, &file, err);
    if (status == NS_OK)
        status = ns_line_scorer_parse(path.at, ns_buf_view(&file), out, err);
    ns_buf_clear(&file);
    ns_buf_clear(&path);
    return status;
}
