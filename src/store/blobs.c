#include "store/blobs.h"

#include <string.h>

#define STATE_BYTES     (4u + 8u + 4u * (unsigned)NS_STATE_COUNT)
#define EMBEDDING_BYTES (4u * (unsigned)NS_EMBEDDING)
#define EVIDENCE_HEAD   (8u + 8u + 1u + 2u)

_Static_assert(NS_EVIDENCE_MAX *(EVIDENCE_HEAD + NS_EVIDENCE_TEXT_MAX) <= NS_BLOB_MAX, "evidence fits a blob");
_Static_assert(STATE_BYTES <= NS_BLOB_MAX, "a state fits a blob");

static unsigned char *put_le(unsigned char *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        *out++ = (unsigned char)(value >> (8 * i));
    return out;
}

static uint64_t get_le(const unsigned char *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static unsigned char *put_floats(unsigned char *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        out = put_le(out, bits, 4);
    }
    return out;
}

static void get_floats(const unsigned char *at, float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = (uint32_t)get_le(at + 4 * i, 4);
        memcpy(&values[i], &bits, sizeof bits);
    }
}

static size_t state_encode(const void *field, unsigned char *out)
{
    const ns_state *state = field;
    unsigned char *at = put_le(out, state->layout, 4);
    at = put_le(at, state->present, 8);
    at = put_floats(at, state->value, NS_STATE_COUNT);
    return (size_t)(at - out);
}

static bool state_decode(const unsigned char *bytes, size_t len, void *field)
{
    if (len != STATE_BYTES)
        return false;
    ns_state *state = field;
    state->layout = (uint32_t)get_le(bytes, 4);
    state->present = get_le(bytes + 4, 8);
    get_floats(bytes + 12, state->value, NS_STATE_COUNT);
    return true;
}

static size_t embedding_encode(const void *field, unsigned char *out)
{
    const ns_prediction *prediction = field;
    if (!prediction->has_embedding)
        return 0;
    return (size_t)(put_floats(out, prediction->embedding, NS_EMBEDDING) - out);
}

static bool embedding_decode(const unsigned char *bytes, size_t len, void *field)
{
    ns_prediction *prediction = field;
    if (len != 0 && len != EMBEDDING_BYTES)
        return false;
    prediction->has_embedding = len != 0;
    if (len == 0)
        memset(prediction->embedding, 0, sizeof prediction->embedding);
    else
        get_floats(bytes, prediction->embedding, NS_EMBEDDING);
    return true;
}

static size_t evidence_encode(const void *field, unsigned char *out)
{
    const ns_prediction *prediction = field;
    NS_CHECK(prediction->evidence_count <= NS_EVIDENCE_MAX);
    unsigned char *at = out;
    for (size_t i = 0; i < prediction->evidence_count; i++) {
        const ns_evidence *evidence = &prediction->evidence[i];
        uint64_t weight;
        memcpy(&weight, &evidence->weight, sizeof weight);
        size_t len = strnlen(evidence->text, NS_EVIDENCE_TEXT_MAX - 1);
        at = put_le(at, (uint64_t)evidence->line, 8);
        at = put_le(at, weight, 8);
        at = put_le(at, evidence->is_new, 1);
        at = put_le(at, len, 2);
        memcpy(at, evidence->text, len);
        at += len;
    }
    return (size_t)(at - out);
}

/* One entry off the front; the bytes it took, 0 when they have another form. */
static size_t evidence_one(const unsigned char *bytes, size_t len, ns_evidence *out)
{
    if (len < EVIDENCE_HEAD)
        return 0;
    uint64_t weight = get_le(bytes + 8, 8);
    size_t text = (size_t)get_le(bytes + 17, 2);
    if (bytes[16] > 1 || text >= NS_EVIDENCE_TEXT_MAX || text > len - EVIDENCE_HEAD ||
        memchr(bytes + EVIDENCE_HEAD, '\0', text) != NULL)
        return 0;
    *out = (ns_evidence){.line = (int64_t)get_le(bytes, 8), .is_new = bytes[16] == 1};
    memcpy(&out->weight, &weight, sizeof weight);
    memcpy(out->text, bytes + EVIDENCE_HEAD, text);
    return EVIDENCE_HEAD + text;
}

static bool evidence_decode(const unsigned char *bytes, size_t len, void *field)
{
    ns_evidence read[NS_EVIDENCE_MAX];
    size_t count = 0;
    while (len > 0) {
        size_t used = count < NS_EVIDENCE_MAX ? evidence_one(bytes, len, &read[count]) : 0;
        if (used == 0)
            return false;
        count++;
        bytes += used;
        len -= used;
    }
    ns_prediction *prediction = field;
    memcpy(prediction->evidence, read, count * sizeof read[0]);
    prediction->evidence_count = count;
    return true;
}

const ns_blob ns_blob_state = {state_encode, state_decode};
const ns_blob ns_blob_embedding = {embedding_encode, embedding_decode};
const ns_blob ns_blob_evidence = {evidence_encode, evidence_decode};
