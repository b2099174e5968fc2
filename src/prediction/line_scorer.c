#include "prediction/line_scorer.h"

#include "base/mem.h"
#include "prediction/rule_match.h"
#include "prediction/template.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRAM_MIN = 2, GRAM_MAX = 6 };

/* How much the groups say against each other; tried by folds of projects, flat around these. */
static const float group_value[NS_LINE_GROUPS] = {1.0F, 0.7F, 0.7F};

/* The finaliser of MurmurHash3 (public domain, Austin Appleby). */
static uint32_t bucket_of(uint64_t hash)
{
    hash ^= hash >> 33;
    hash *= UINT64_C(0xff51afd7ed558ccd);
    hash ^= hash >> 33;
    hash *= UINT64_C(0xc4ceb9fe1a85ec53);
    hash ^= hash >> 33;
    return NS_LINE_RULES + (uint32_t)hash % (NS_LINE_BUCKETS - NS_LINE_RULES);
}

static uint64_t step(uint64_t hash, char c)
{
    return (hash ^ (unsigned char)c) * UINT64_C(0x100000001b3);
}

/* n-grams of "^form$": where a line begins and ends is part of what it says. */
static size_t put_grams(ns_text form, uint32_t *id)
{
    char text[NS_LINE_FORM_MAX + 2];
    size_t len = form.len < NS_LINE_FORM_MAX ? form.len : NS_LINE_FORM_MAX, n = 0;
    text[0] = '^';
    if (len > 0)
        memcpy(&text[1], form.at, len);
    text[len + 1] = '$';
    for (size_t i = 0; i < len + 2; i++) {
        uint64_t hash = UINT64_C(0xcbf29ce484222325);
        for (size_t k = 1; k <= GRAM_MAX && i + k <= len + 2; k++) {
            hash = step(hash, text[i + k - 1]);
            if (k >= GRAM_MIN)
                id[n++] = bucket_of(hash);
        }
    }
    return n;
}
_Static_assert((NS_LINE_FORM_MAX + 2) * (GRAM_MAX - GRAM_MIN + 1) + NS_LINE_WORDS_MAX + NS_RULE_HITS_MAX <=
                   NS_LINE_FEATURES_MAX,
               "line_scorer: no room for all features of a line");

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

/* Each word, with the one before it, and with the two before it. */
static size_t put_words(ns_text form, uint32_t *id)
{
    uint64_t before = 7, before_that = 9;
    size_t n = 0;
    for (size_t i = 0; i < form.len && n + 3 <= NS_LINE_WORDS_MAX;) {
        if (!word_char(form.at[i])) {
            i++;
            continue;
        }
        uint64_t word = UINT64_C(0x9ae16a3b2f90404f);
        for (; i < form.len && word_char(form.at[i]); i++)
            word = step(word, small(form.at[i]));
        id[n++] = bucket_of(word * 3 + 1);
        id[n++] = bucket_of(word * 31 + before);
        id[n++] = bucket_of(word * 31 + before * 17 + before_that * 7);
        before_that = before;
        before = word;
    }
    return n;
}

void ns_line_features_of(ns_text form, const uint16_t *hit, size_t hits, ns_line_features *out)
{
    size_t n = put_grams(form, out->id);
    out->count[NS_LINE_grams] = (uint32_t)n;
    out->count[NS_LINE_words] = (uint32_t)put_words(form, &out->id[n]);
    n += out->count[NS_LINE_words];
    NS_CHECK(hits <= NS_RULE_HITS_MAX);
    for (size_t i = 0; i < hits; i++)
        out->id[n + i] = hit[i];
    out->count[NS_LINE_rules] = (uint32_t)hits;
    out->value[NS_LINE_grams] = group_value[NS_LINE_grams] / sqrtf((float)out->count[NS_LINE_grams] + 1.0F);
    out->value[NS_LINE_words] = group_value[NS_LINE_words] / sqrtf((float)out->count[NS_LINE_words] + 1.0F);
    out->value[NS_LINE_rules] = group_value[NS_LINE_rules];
}

ns_status ns_line_scorer_init(ns_line_scorer *scorer, ns_error *err)
{
    int8_t *weight = NS_NEW_ARRAY(int8_t, (size_t)NS_LINE_BUCKETS * NS_LINE_HEADS);
    if (weight == NULL)
        return ns_fail(err, NS_NO_MEMORY, "line scorer: no memory for %u buckets", NS_LINE_BUCKETS);
    *scorer = (ns_line_scorer){.weight = weight};
    return NS_OK;
}

void ns_line_scorer_clear(ns_line_scorer *scorer)
{
    ns_free(scorer->weight);
    *scorer = (ns_line_scorer){.weight = NULL};
}

void ns_line_score(const ns_line_scorer *scorer, const ns_line_features *line, float out[NS_LINE_HEADS])
{
    const uint32_t *id = line->id;
    float sum[NS_LINE_HEADS] = {0.0F};
    for (size_t g = 0; g < NS_LINE_GROUPS; g++) {
        int32_t whole[NS_LINE_HEADS] = {0};
        for (uint32_t i = 0; i < line->count[g]; i++) {
            const int8_t *weight = &scorer->weight[(size_t)id[i] * NS_LINE_HEADS];
            for (size_t h = 0; h < NS_LINE_HEADS; h++)
                whole[h] += weight[h];
        }
        id += line->count[g];
        for (size_t h = 0; h < NS_LINE_HEADS; h++)
            sum[h] += (float)whole[h] * line->value[g];
    }
    for (size_t h = 0; h < NS_LINE_HEADS; h++)
        out[h] = scorer->bias[h] + scorer->scale[h] * sum[h];
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The size that all but one of a thousand of the weights in use stay below. */
static float cut_of(const float *weight, float *scratch)
{
    size_t n = 0;
    for (size_t i = 0; i < NS_LINE_BUCKETS; i++)
        if (weight[i] != 0.0F)
            scratch[n++] = fabsf(weight[i]);
    if (n == 0)
        return 1.0F;
    qsort(scratch, n, sizeof scratch[0], by_size);
    return scratch[n - 1 - n / 1000];
}

void ns_line_scorer_set(ns_line_scorer *scorer, ns_line_head head, const float *weight, float bias)
{
    float *scratch = NS_NEW_ARRAY(float, NS_LINE_BUCKETS);
    float cut = 4.0F; /* without memory to look: what weights hardly exceed */
    if (scratch != NULL)
        cut = cut_of(weight, scratch);
    ns_free(scratch);
    float scale = cut / 127.0F;
    for (size_t i = 0; i < NS_LINE_BUCKETS; i++) {
        float rounded = roundf(weight[i] / scale);
        rounded = rounded > 127.0F ? 127.0F : rounded < -127.0F ? -127.0F : rounded;
        scorer->weight[i * NS_LINE_HEADS + (size_t)head] = (int8_t)rounded;
    }
    scorer->scale[head] = scale;
    scorer->bias[head] = bias;
}
