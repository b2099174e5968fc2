/*
 * Scoring. Every thread takes a share of the rows (tokens) through all layers; the threads meet once a layer, after
 * queries, keys and values are there for all rows, since attention looks at the whole window.
 */
#include "base/mem.h"
#include "prediction/encoder_inner.h"

#include <math.h>
#include <string.h>

/* One round: as many whole windows as fit. */
typedef struct job {
    ns_encoder *e;
    const ns_windows *windows;
    const ns_encoded *out;
    size_t first, end;  /* windows */
    size_t begin, rows; /* tokens: from windows->starts[first] on */
} job;

static size_t length_of(const ns_windows *windows, size_t w)
{
    return windows->starts[w + 1] - windows->starts[w];
}

static size_t columns_for(size_t tokens)
{
    return (tokens + NS_PANEL_MAX - 1) / NS_PANEL_MAX * NS_PANEL_MAX;
}

/* First row of a rank's share; shares end at multiples of 8 so that tiles stay whole. */
static size_t share(const job *r, size_t rank)
{
    const size_t threads = ns_crew_size(r->e->crew);
    return rank == threads ? r->rows : r->rows * rank / threads / 8 * 8;
}

static size_t first_row(const job *r, size_t w)
{
    return r->windows->starts[w] - r->begin;
}

static void embed(const job *r, size_t row)
{
    const ns_encoder *e = r->e;
    const size_t C = e->config.channels, at = r->begin + row, place = row - first_row(r, e->window_of[row]);
    const float *word = e->word + (size_t)r->windows->ids[at] * C, *position = e->position + place * C;
    float *x = e->x + row * C;
    for (size_t c = 0; c < C; c++)
        x[c] = word[c] + position[c];
    if (e->config.segments > 0) {
        const size_t kind = r->windows->segments == NULL ? 0 : (size_t)r->windows->segments[at];
        for (size_t c = 0; c < C; c++)
            x[c] += e->segment[kind * C + c];
    }
    e->kernels->layernorm(x, x, NULL, e->embedding_norm.weight, e->embedding_norm.bias, 1, C, e->config.epsilon);
}

/* Keys of rows lo..hi into their windows' transposed places. */
static void turn_keys(const job *r, size_t turn, size_t lo, size_t hi)
{
    const ns_encoder *e = r->e;
    const size_t C = e->config.channels;
    while (lo < hi) {
        const size_t w = e->window_of[lo], start = first_row(r, w), length = length_of(r->windows, w);
        const size_t end = start + length < hi ? start + length : hi;
        float *keys = e->keys[turn] + e->column_of[w - r->first] * C + (lo - start);
        e->kernels->transpose(keys, columns_for(length), e->qkv[turn] + lo * 3 * C + C, 3 * C, end - lo, C);
        lo = end;
    }
}

static void project(const job *r, const ns_encoder_layer *layer, ns_encoder_bench *bench, size_t turn, size_t lo,
                    size_t hi)
{
    const ns_encoder *e = r->e;
    const size_t C = e->config.channels;
    for (size_t at = lo; at < hi; at += NS_ENCODER_BLOCK) {
        const size_t rows = hi - at < NS_ENCODER_BLOCK ? hi - at : NS_ENCODER_BLOCK;
        ns_linear_apply(&layer->qkv, e->qkv[turn] + at * 3 * C, 3 * C, e->x + at * C, C, rows, false, bench->lowered);
    }
    turn_keys(r, turn, lo, hi);
}

/* Attention for rows lo..hi of one window, all heads; out row i belongs to row lo + i. */
static void attend(const job *r, ns_encoder_bench *bench, size_t turn, size_t lo, size_t hi, float *out)
{
    const ns_encoder *e = r->e;
    const size_t C = e->config.channels, D = C / e->config.heads, w = e->window_of[lo];
    const size_t T = length_of(r->windows, w);
    const float *query = e->qkv[turn] + lo * 3 * C, *value = e->qkv[turn] + first_row(r, w) * 3 * C + 2 * C;
    const float *keys = e->keys[turn] + e->column_of[w - r->first] * C;
    for (size_t h = 0; h < e->config.heads; h++)
        e->kernels->attention(&(ns_attention){.q = query + h * D,
                                              .q_row = 3 * C,
                                              .kt = keys + h * D * columns_for(T),
                                              .kt_row = columns_for(T),
                                              .v = value + h * D,
                                              .v_row = 3 * C,
                                              .out = out + h * D,
                                              .out_row = C,
                                              .scratch = bench->scores,
                                              .rows = hi - lo,
                                              .T = T,
                                              .D = D});
}

/* What follows attention, for `rows` rows whose contexts stand in bench->context; x (rows, C) in and out. */
static void digest(const ns_encoder *e, const ns_encoder_layer *layer, ns_encoder_bench *bench, float *x, size_t rows)
{
    const ns_kernels *k = e->kernels;
    const size_t C = e->config.channels, F = e->config.feed_forward;
    ns_linear_apply(&layer->attended, bench->sum, C, bench->context, C, rows, false, bench->lowered);
    k->layernorm(x, bench->sum, x, layer->attention_norm.weight, layer->attention_norm.bias, rows, C,
                 e->config.epsilon);
    ns_linear_apply(&layer->widen, bench->wide, F, x, C, rows, true, bench->lowered);
    ns_linear_apply(&layer->narrow, bench->sum, C, bench->wide, F, rows, false, bench->lowered);
    k->layernorm(x, bench->sum, x, layer->output_norm.weight, layer->output_norm.bias, rows, C, e->config.epsilon);
}

static void finish_layer(const job *r, const ns_encoder_layer *layer, ns_encoder_bench *bench, size_t turn, size_t lo,
                         size_t hi)
{
    const ns_encoder *e = r->e;
    const size_t C = e->config.channels;
    for (size_t at = lo; at < hi; at += NS_ENCODER_BLOCK) {
        const size_t end = hi - at < NS_ENCODER_BLOCK ? hi : at + NS_ENCODER_BLOCK;
        for (size_t row = at; row < end;) {
            const size_t w = e->window_of[row], next = first_row(r, w) + length_of(r->windows, w);
            const size_t stop = next < end ? next : end;
            attend(r, bench, turn, row, stop, bench->context + (row - at) * C);
            row = stop;
        }
        digest(e, layer, bench, e->x + at * C, end - at);
    }
}

/* The last layer when only first tokens are wanted: one row a window. */
static void finish_firsts(const job *r, const ns_encoder_layer *layer, ns_encoder_bench *bench, size_t turn, size_t lo,
                          size_t hi)
{
    const size_t C = r->e->config.channels;
    for (size_t w = r->first; w < r->end; w++) {
        const size_t row = first_row(r, w);
        if (row < lo || row >= hi)
            continue;
        attend(r, bench, turn, row, row + 1, bench->context);
        digest(r->e, layer, bench, r->e->x + row * C, 1);
    }
}

/* The head: ReLU(pooler) in DistilBERT, tanh(pooler) in BERT, then the classifier. */
static void classify(const job *r, ns_encoder_bench *bench, size_t w)
{
    const ns_encoder *e = r->e;
    const size_t C = e->config.channels, A = e->config.labels;
    float *pooled = r->out->pooled != NULL ? r->out->pooled + w * C : bench->sum;
    ns_linear_apply(&e->pooler, pooled, C, e->x + first_row(r, w) * C, C, 1, false, bench->lowered);
    for (size_t c = 0; c < C; c++)
        pooled[c] = e->config.family == NS_ENCODER_bert ? tanhf(pooled[c]) : fmaxf(pooled[c], 0);
    if (r->out->logits != NULL)
        ns_linear_apply(&e->classifier, r->out->logits + w * A, A, pooled, C, 1, false, bench->lowered);
}

static void hand_out(const job *r, ns_encoder_bench *bench, size_t lo, size_t hi)
{
    const size_t C = r->e->config.channels;
    if (r->out->hidden != NULL)
        memcpy(r->out->hidden + (r->begin + lo) * C, r->e->x + lo * C, (hi - lo) * C * sizeof(float));
    for (size_t w = r->first; w < r->end; w++) {
        const size_t row = first_row(r, w);
        if (row < lo || row >= hi)
            continue;
        if (r->out->first != NULL)
            memcpy(r->out->first + w * C, r->e->x + row * C, C * sizeof(float));
        if (r->out->pooled != NULL || r->out->logits != NULL)
            classify(r, bench, w);
    }
}

static void work(void *self, size_t rank)
{
    const job *r = self;
    ns_encoder *e = r->e;
    ns_encoder_bench *bench = &e->bench[rank];
    const size_t lo = share(r, rank), hi = share(r, rank + 1);
    for (size_t row = lo; row < hi; row++)
        embed(r, row);
    for (size_t i = 0; i < e->config.layers; i++) {
        project(r, &e->layer[i], bench, i % 2, lo, hi);
        ns_crew_meet(e->crew);
        if (i + 1 == e->config.layers && r->out->hidden == NULL)
            finish_firsts(r, &e->layer[i], bench, i % 2, lo, hi);
        else
            finish_layer(r, &e->layer[i], bench, i % 2, lo, hi);
    }
    hand_out(r, bench, lo, hi);
}

static ns_status check(const ns_encoder *e, const ns_windows *windows, ns_error *err)
{
    for (size_t w = 0; w < windows->count; w++) {
        if (windows->starts[w + 1] <= windows->starts[w] || length_of(windows, w) > e->config.positions)
            return ns_fail(err, NS_BAD_INPUT, "window %zu: it must have 1 to %zu tokens", w, e->config.positions);
        for (size_t i = windows->starts[w]; i < windows->starts[w + 1]; i++) {
            if (windows->ids[i] < 0 || (size_t)windows->ids[i] >= e->config.vocabulary)
                return ns_fail(err, NS_BAD_INPUT, "window %zu: token %d lies outside the model's vocabulary of %zu", w,
                               (int)windows->ids[i], e->config.vocabulary);
            if (e->config.segments > 0 && windows->segments != NULL &&
                (windows->segments[i] < 0 || (size_t)windows->segments[i] >= e->config.segments))
                return ns_fail(err, NS_BAD_INPUT, "window %zu: segment %d, the model knows %zu", w,
                               (int)windows->segments[i], e->config.segments);
        }
    }
    return NS_OK;
}

/* Takes windows from r->first on while they fit, and notes where their rows and keys stand. */
static void gather(job *r)
{
    ns_encoder *e = r->e;
    size_t w = r->first, column = 0;
    r->begin = r->windows->starts[w];
    r->rows = 0;
    for (; w < r->windows->count; w++) {
        const size_t length = length_of(r->windows, w);
        if (w > r->first && column + columns_for(length) > e->at_once)
            break;
        e->column_of[w - r->first] = column;
        column += columns_for(length);
        for (size_t i = 0; i < length; i++)
            e->window_of[r->rows++] = w;
    }
    r->end = w;
}

ns_status ns_encoder_run(ns_encoder *e, const ns_windows *windows, const ns_encoded *out, ns_error *err)
{
    NS_CHECK(e->has_head || (out->pooled == NULL && out->logits == NULL));
    const ns_status status = check(e, windows, err);
    if (status != NS_OK)
        return status;
    job r = {.e = e, .windows = windows, .out = out};
    for (r.first = 0; r.first < windows->count; r.first = r.end) {
        gather(&r);
        ns_crew_run(e->crew, work, &r);
    }
    return NS_OK;
}
