/* Building an encoder: one piece of memory, weights packed into it. Scoring stands in encoder_run.c. */
#include "prediction/encoder.h"

#include "base/mem.h"
#include "prediction/encoder_inner.h"

#include <string.h>

enum { ALIGN = 64, SENSIBLE_TOKENS = 128 }; /* a thread: more would leave its cache */

/* Hands out aligned pieces of one block; with no block it only counts, so the same walk measures and places. */
typedef struct placer {
    unsigned char *block;
    size_t used;
} placer;

static void *place(placer *p, size_t count, size_t size)
{
    void *at = p->block == NULL ? NULL : p->block + p->used;
    p->used += (count * size + ALIGN - 1) / ALIGN * ALIGN;
    return at;
}

static float *floats(placer *p, size_t count)
{
    return place(p, count + NS_PANEL_MAX, sizeof(float)); /* kernels read whole panels */
}

static void place_linear(placer *p, ns_dense dense, ns_linear *linear, size_t in, size_t out)
{
    *linear = (ns_linear){.dense = dense, .in = in, .out = out};
    linear->panels = place(p, ns_linear_bytes(dense, in, out) + NS_PANEL_MAX * sizeof(float), 1);
    linear->bias = floats(p, ns_linear_outputs(out));
    linear->scale = floats(p, ns_linear_outputs(out));
    linear->sum = place(p, ns_linear_outputs(out), sizeof *linear->sum);
}

static void place_norm(placer *p, ns_encoder_norm *norm, size_t channels)
{
    norm->weight = floats(p, channels);
    norm->bias = floats(p, channels);
}

static void place_weights(placer *p, ns_encoder *e)
{
    const ns_encoder_config *c = &e->config;
    e->word = floats(p, c->vocabulary * c->channels);
    e->position = floats(p, c->positions * c->channels);
    e->segment = floats(p, c->segments * c->channels);
    place_norm(p, &e->embedding_norm, c->channels);
    e->layer = place(p, c->layers, sizeof *e->layer);
    for (size_t i = 0; i < c->layers; i++) {
        ns_encoder_layer scratch, *layer = p->block == NULL ? &scratch : &e->layer[i];
        place_linear(p, e->dense, &layer->qkv, c->channels, 3 * c->channels);
        place_linear(p, e->dense, &layer->attended, c->channels, c->channels);
        place_linear(p, e->dense, &layer->widen, c->channels, c->feed_forward);
        place_linear(p, e->dense, &layer->narrow, c->feed_forward, c->channels);
        place_norm(p, &layer->attention_norm, c->channels);
        place_norm(p, &layer->output_norm, c->channels);
    }
    if (e->has_head) {
        place_linear(p, (ns_dense){e->kernels, NULL}, &e->pooler, c->channels, c->channels);
        place_linear(p, (ns_dense){e->kernels, NULL}, &e->classifier, c->channels, c->labels);
    }
}

static size_t in_panels(size_t tokens)
{
    return (tokens + NS_PANEL_MAX - 1) / NS_PANEL_MAX * NS_PANEL_MAX;
}

static void place_work(placer *p, ns_encoder *e, size_t threads)
{
    const ns_encoder_config *c = &e->config;
    const size_t longest = c->channels > c->feed_forward ? c->channels : c->feed_forward;
    e->x = floats(p, e->tokens * c->channels);
    for (size_t i = 0; i < 2; i++) {
        e->qkv[i] = floats(p, e->tokens * 3 * c->channels);
        e->keys[i] = floats(p, e->columns * c->channels);
    }
    e->window_of = place(p, e->tokens, sizeof *e->window_of);
    e->column_of = place(p, e->tokens, sizeof *e->column_of);
    e->bench = place(p, threads, sizeof *e->bench);
    for (size_t i = 0; i < threads; i++) {
        ns_encoder_bench scratch, *bench = p->block == NULL ? &scratch : &e->bench[i];
        bench->context = floats(p, NS_ENCODER_BLOCK * c->channels);
        bench->sum = floats(p, NS_ENCODER_BLOCK * c->channels);
        bench->wide = floats(p, NS_ENCODER_BLOCK * c->feed_forward);
        bench->scores = floats(p, NS_ATTENTION_ROWS * in_panels(c->positions));
        bench->lowered = place(p, ns_linear_room(longest, NS_ENCODER_BLOCK), 1);
    }
}

static void copy(const ns_encoder_params *params, float *to, ns_encoder_role role, size_t layer, size_t count)
{
    memcpy(to, ns_encoder_weight(params, role, layer), count * sizeof *to);
}

static void copy_norm(const ns_encoder_params *params, const ns_encoder_norm *norm, ns_encoder_role weight,
                      ns_encoder_role bias, size_t layer)
{
    copy(params, norm->weight, weight, layer, params->config.channels);
    copy(params, norm->bias, bias, layer, params->config.channels);
}

/* Rows of one weight (role, role_bias) into a dense layer, from row `first` on. */
#define PACK(linear, first, rows, role, layer)                                                                         \
    ns_linear_put((linear), (first), (rows), ns_encoder_weight(params, NS_ROLE_##role, (layer)),                       \
                  ns_encoder_weight(params, NS_ROLE_##role##_bias, (layer)))

static void pack_layer(ns_encoder *e, const ns_encoder_params *params, size_t i)
{
    ns_encoder_layer *layer = &e->layer[i];
    const size_t C = e->config.channels;
    PACK(&layer->qkv, 0, C, query, i);
    PACK(&layer->qkv, C, C, key, i);
    PACK(&layer->qkv, 2 * C, C, value, i);
    PACK(&layer->attended, 0, C, attended, i);
    PACK(&layer->widen, 0, e->config.feed_forward, widen, i);
    PACK(&layer->narrow, 0, C, narrow, i);
    copy_norm(params, &layer->attention_norm, NS_ROLE_attention_norm, NS_ROLE_attention_norm_bias, i);
    copy_norm(params, &layer->output_norm, NS_ROLE_output_norm, NS_ROLE_output_norm_bias, i);
}

static void pack_all(ns_encoder *e, const ns_encoder_params *params)
{
    const ns_encoder_config *c = &e->config;
    copy(params, e->word, NS_ROLE_word, 0, c->vocabulary * c->channels);
    copy(params, e->position, NS_ROLE_position, 0, c->positions * c->channels);
    if (c->segments > 0)
        copy(params, e->segment, NS_ROLE_segment, 0, c->segments * c->channels);
    copy_norm(params, &e->embedding_norm, NS_ROLE_embedding_norm, NS_ROLE_embedding_norm_bias, 0);
    for (size_t i = 0; i < c->layers; i++)
        pack_layer(e, params, i);
    if (e->has_head) {
        PACK(&e->pooler, 0, c->channels, pooler, 0);
        PACK(&e->classifier, 0, c->labels, classifier, 0);
    }
}

/* Measures, takes the memory, places, packs. */
static ns_status fill(ns_encoder *e, const ns_encoder_params *params, size_t threads, ns_error *err)
{
    placer p = {0};
    place_weights(&p, e);
    place_work(&p, e, threads);
    e->memory = ns_alloc(1, p.used + ALIGN);
    if (e->memory == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for an encoder of %zu MB", p.used / 1000000);
    const size_t ahead = ALIGN - (uintptr_t)e->memory % ALIGN;
    p = (placer){(unsigned char *)e->memory + ahead, 0};
    place_weights(&p, e);
    place_work(&p, e, threads);
    pack_all(e, params);
    return NS_OK;
}

ns_status ns_encoder_new(const ns_encoder_params *params, const ns_encoder_options *options, ns_encoder **out,
                         ns_error *err)
{
    ns_encoder *e = NS_NEW(ns_encoder);
    if (e == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for an encoder");
    e->config = params->config;
    e->has_head = (params->parts & NS_PART_head) != 0;
    e->path = options->path;
    e->kernels = ns_code_path_kernels(options->path);
    e->dense = (ns_dense){e->kernels, ns_code_path_low(options->path)};
    e->at_once = options->tokens == 0 ? SENSIBLE_TOKENS * options->threads : options->tokens;
    e->tokens = in_panels(e->at_once > e->config.positions ? e->at_once : e->config.positions);
    e->columns = e->tokens;
    ns_status status = fill(e, params, options->threads, err);
    if (status == NS_OK)
        status = ns_crew_new(options->threads, &e->crew, err);
    if (status != NS_OK) {
        ns_encoder_free(e);
        return status;
    }
    *out = e;
    return NS_OK;
}

ns_status ns_encoder_open(const char *folder, const ns_encoder_options *options, ns_encoder **out, ns_error *err)
{
    ns_encoder_params params;
    ns_status status = ns_encoder_params_read(folder, &params, err);
    if (status != NS_OK)
        return status;
    status = ns_encoder_new(&params, options, out, err);
    ns_encoder_params_clear(&params);
    return status;
}

void ns_encoder_free(ns_encoder *e)
{
    if (e == NULL)
        return;
    ns_crew_free(e->crew);
    ns_free(e->memory);
    ns_free(e);
}

const ns_encoder_config *ns_encoder_shape(const ns_encoder *e)
{
    return &e->config;
}

ns_code_path ns_encoder_path(const ns_encoder *e)
{
    return e->path;
}

bool ns_encoder_has_head(const ns_encoder *e)
{
    return e->has_head;
}
