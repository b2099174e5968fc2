/* Any bytes as a watch's stream, cut into pieces by the first byte: lines are the same however it is cut. */
#include "wire/kubernetes_answer.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct heard {
    uint64_t hash;
    size_t lines;
} heard;

static bool hear(void *owner, ns_text line)
{
    heard *h = owner;
    h->hash = h->hash * 31 + ns_hash(line);
    h->lines++;
    ns_kubernetes_event_kind kind;
    json_t *root = NULL;
    const json_t *object = NULL;
    if (ns_kubernetes_event_read(line, &kind, &root, &object, NULL) == NS_OK) {
        NS_CHECK(json_is_object(object) && kind <= NS_KUBERNETES_ERROR);
        json_decref(root);
    }
    return true;
}

static heard read_in_steps(ns_text stream, size_t step)
{
    heard h = {0, 0};
    ns_kubernetes_lines lines;
    ns_kubernetes_lines_init(&lines, 1 << 20);
    while (stream.len > 0) {
        size_t n = step < stream.len ? step : stream.len;
        if (ns_kubernetes_lines_feed(&lines, (ns_text){stream.at, n}, hear, &h) != NS_OK)
            break;
        stream = (ns_text){stream.at + n, stream.len - n};
    }
    ns_kubernetes_lines_clear(&lines);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    ns_text stream = {(const char *)data + 1, size - 1};
    heard cut = read_in_steps(stream, (size_t)data[0] + 1), whole = read_in_steps(stream, stream.len + 1);
    NS_CHECK(cut.hash == whole.hash && cut.lines == whole.lines);
    return 0;
}
