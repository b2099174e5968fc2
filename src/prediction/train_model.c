#include "prediction/train_model_inner.h"

#include "base/mem.h"
#include "tensor/embedding.h"
#include "tensor/train_attention.h"

#include <string.h>

/* --- memory: one block, laid out twice, first to count --- */

typedef struct layout {
    char *base; /* NULL while counting */
    size_t used;
} layout;

static void *part(layout *l, size_t count, size_t bytes)
{
    void *at = l->base == NULL ? NULL : l->base + l->used;
    l->used += (count * bytes + 63) / 64 * 64;
    return at;
}

static float *floats(layout *l, size_t count)
{
    return part(l, count, sizeof(float));
}

static void lay_out_heads(ns_train_model *m, layout *l)
{
    const ns_encoder_config *s = &m->params->config;
    const size_t op = ns_operand_bytes(m->type), H = s->channels, V = s->vocabulary, K = s->labels;
    const size_t M = ns_train_round(m->limits.masked, NS_TRAIN_HEAD_STEP);
    const size_t S = ns_train_round(m->limits.sequences, NS_TRAIN_HEAD_STEP);
    m->picked_o = part(l, M * H, op);
    m->transform_o = part(l, M * H, op);
    m->gelu_o = part(l, M * H, op);
    m->normed_o = part(l, M * H, op);
    m->gelu = floats(l, M * H);
    m->normed = floats(l, M * H);
    m->head_mean = floats(l, M);
    m->head_rstd = floats(l, M);
    m->d_head = floats(l, M * H);
    m->vocabulary_logits = floats(l, M * V);
    m->d_vocabulary_o = part(l, M * V, op);
    m->targets = part(l, M, sizeof(int32_t));
    m->first = floats(l, S * H);
    m->pooled = floats(l, S * H);
    m->logits = floats(l, S * K);
    m->d_first = floats(l, S * H);
    m->first_o = part(l, S * H, op);
    m->pooled_o = part(l, S * H, op);
    m->d_logits_o = part(l, S * K, op);
    m->d_logits = floats(l, S * K);
}

static void lay_out(ns_train_model *m, layout *l)
{
    const ns_encoder_config *s = &m->params->config;
    const size_t op = ns_operand_bytes(m->type), H = s->channels, F = s->feed_forward;
    const size_t R = ns_train_round(m->limits.rows, NS_TRAIN_ROW_STEP), T = m->limits.longest;
    m->kept = part(l, s->layers, sizeof(ns_train_kept));
    for (size_t i = 0; i < s->layers; i++) {
        const ns_train_kept kept = {
            .in_o = part(l, R * H, op),
            .qkv = floats(l, R * 3 * H),
            .probabilities = floats(l, s->heads * R * T),
            .context_o = part(l, R * H, op),
            .sum1 = floats(l, R * H),
            .mean1 = floats(l, R),
            .rstd1 = floats(l, R),
            .mid_o = part(l, R * H, op),
            .up_o = part(l, R * F, op),
            .act_o = part(l, R * F, op),
            .sum2 = floats(l, R * H),
            .mean2 = floats(l, R),
            .rstd2 = floats(l, R),
        };
        if (l->base != NULL)
            m->kept[i] = kept;
    }
    m->places = part(l, R, sizeof(int32_t));
    m->first_rows = part(l, m->limits.sequences, sizeof(int32_t));
    m->words_sum = floats(l, R * H);
    m->words_mean = floats(l, R);
    m->words_rstd = floats(l, R);
    m->x = floats(l, R * H);
    m->mid = floats(l, R * H);
    m->out_o = part(l, R * H, op);
    m->d_x = floats(l, R * H);
    m->d_a = floats(l, R * H);
    m->d_b = floats(l, R * H);
    m->d_qkv = floats(l, R * 3 * H);
    m->wide_o = part(l, R * (F > 3 * H ? F : 3 * H), op);
    m->d_o = part(l, R * H, op);
    m->scratch = floats(l, 2 * T * T);
    lay_out_heads(m, l);
}

/* The three projections of attention are taken as one product: they must lie beside each other in the block. */
static bool fused(const ns_encoder_params *p)
{
    const size_t C = p->config.channels;
    return p->offset[NS_ROLE_key] == p->offset[NS_ROLE_query] + C * C &&
           p->offset[NS_ROLE_value] == p->offset[NS_ROLE_key] + C * C &&
           p->offset[NS_ROLE_key_bias] == p->offset[NS_ROLE_query_bias] + C &&
           p->offset[NS_ROLE_value_bias] == p->offset[NS_ROLE_key_bias] + C;
}

ns_status ns_train_model_new(const ns_encoder_params *params, const ns_train_limits *limits, ns_operand_type type,
                             ns_train_model **out, ns_error *err)
{
    NS_CHECK(limits->rows >= limits->longest && limits->longest <= params->config.positions && limits->sequences > 0);
    NS_CHECK(fused(params) && params->offset[NS_ROLE_pooler] != SIZE_MAX && params->offset[NS_ROLE_masked] != SIZE_MAX);
    ns_train_model *model = NS_NEW(ns_train_model);
    if (model == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for a model");
    *model = (ns_train_model){.params = params, .limits = *limits, .type = type, .kernels = ns_train_kernels_pick()};
    layout count = {0};
    lay_out(model, &count);
    model->block = ns_alloc(count.used + 64, 1);
    if (model->block == NULL) {
        ns_train_model_free(model);
        return ns_fail(err, NS_NO_MEMORY, "no memory for %zu MB of activations", count.used >> 20);
    }
    layout place = {.base = (char *)(((uintptr_t)model->block + 63) & ~(uintptr_t)63)};
    lay_out(model, &place);
    const ns_status status = ns_train_gemm_new(&model->gemm, err);
    if (status != NS_OK) {
        ns_train_model_free(model);
        return status;
    }
    *out = model;
    return NS_OK;
}

void ns_train_model_free(ns_train_model *model)
{
    if (model == NULL)
        return;
    ns_train_gemm_free(model->gemm);
    ns_free(model->block);
    ns_free(model);
}

const float *ns_train_model_hidden(const ns_train_model *model)
{
    return model->x;
}

/* --- products --- */

static void run(ns_train_model *m, const ns_train_gemm_call *call)
{
    if (!m->failed)
        m->failed = ns_train_gemm_run(m->gemm, call, &m->error) != NS_OK;
}

static const void *operand(const ns_train_model *m, size_t offset)
{
    return (const char *)m->operands + offset * ns_operand_bytes(m->type);
}

void ns_train_linear(ns_train_model *m, const ns_train_matrix *w, void *y, ns_operand_type y_type, const void *x_o,
                     size_t M)
{
    run(m, &(ns_train_gemm_call){
               .M = M,
               .N = w->out,
               .K = w->in,
               .a = x_o,
               .b = operand(m, w->weight),
               .transpose_b = true,
               .bias = m->params->block + w->bias,
               .c = y,
               .in = m->type,
               .out = y_type,
           });
}

void ns_train_linear_backward(ns_train_model *m, const ns_train_matrix *w, void *d_x, ns_operand_type d_type,
                              bool accumulate, const void *d_y_o, const void *x_o, size_t M)
{
    run(m, &(ns_train_gemm_call){
               .M = w->out,
               .N = w->in,
               .K = M,
               .a = d_y_o,
               .b = x_o,
               .transpose_a = true,
               .accumulate = true,
               .c = m->gradients + w->weight,
               .in = m->type,
           });
    m->kernels->sum_rows(m->gradients + w->bias, d_y_o, m->type, M, w->out);
    if (d_x != NULL)
        run(m, &(ns_train_gemm_call){
                   .M = M,
                   .N = w->in,
                   .K = w->out,
                   .a = d_y_o,
                   .b = operand(m, w->weight),
                   .accumulate = accumulate,
                   .c = d_x,
                   .in = m->type,
                   .out = d_type,
               });
}

uint64_t ns_train_key(const ns_train_model *m, size_t layer, ns_train_site site)
{
    return (m->batch->key + layer * 8 + (uint64_t)site + 1) * 0x9e3779b97f4a7c15u;
}

const float *ns_train_weight(const ns_train_model *m, ns_encoder_role role, size_t layer)
{
    return ns_encoder_weight(m->params, role, layer);
}

float *ns_train_gradient(const ns_train_model *m, ns_encoder_role role, size_t layer)
{
    return ns_encoder_param(m->params, m->gradients, role, layer);
}

ns_train_matrix ns_train_matrix_of(const ns_train_model *m, ns_encoder_role weight, ns_encoder_role bias, size_t layer,
                                   size_t out, size_t in)
{
    const size_t from = layer * m->params->layer_floats;
    return (ns_train_matrix){
        .weight = m->params->offset[weight] + from, .bias = m->params->offset[bias] + from, .out = out, .in = in};
}

typedef struct layer_matrices {
    ns_train_matrix qkv, attended, widen, narrow;
} layer_matrices;

static layer_matrices matrices(const ns_train_model *m, size_t i)
{
    const size_t C = m->params->config.channels, F = m->params->config.feed_forward;
    return (layer_matrices){
        .qkv = ns_train_matrix_of(m, NS_ROLE_query, NS_ROLE_query_bias, i, 3 * C, C),
        .attended = ns_train_matrix_of(m, NS_ROLE_attended, NS_ROLE_attended_bias, i, C, C),
        .widen = ns_train_matrix_of(m, NS_ROLE_widen, NS_ROLE_widen_bias, i, F, C),
        .narrow = ns_train_matrix_of(m, NS_ROLE_narrow, NS_ROLE_narrow_bias, i, C, F),
    };
}

/* --- the layers --- */

static void normalise(const ns_train_model *m, float *out, void *operand_out, float *mean, float *rstd, const float *in,
                      ns_encoder_role weight, ns_encoder_role bias, size_t layer)
{
    m->kernels->layernorm(out, operand_out, m->type, mean, rstd, in, ns_train_weight(m, weight, layer),
                          ns_train_weight(m, bias, layer), m->padded, m->params->config.channels,
                          m->params->config.epsilon);
}

static void normalise_backward(const ns_train_model *m, float *d_in, const float *d_out, const float *in,
                               const float *mean, const float *rstd, ns_encoder_role weight, ns_encoder_role bias,
                               size_t layer)
{
    m->kernels->layernorm_backward(d_in, ns_train_gradient(m, weight, layer), ns_train_gradient(m, bias, layer), d_out,
                                   in, mean, rstd, ns_train_weight(m, weight, layer), m->padded,
                                   m->params->config.channels);
}

static ns_train_attention attention(const ns_train_model *m, size_t layer)
{
    const ns_encoder_config *s = &m->params->config;
    return (ns_train_attention){.kernels = m->kernels,
                                .heads = s->heads,
                                .width = s->channels / s->heads,
                                .starts = m->batch->starts,
                                .sequences = m->batch->sequences,
                                .dropout = m->dropout,
                                .key = ns_train_key(m, layer, NS_SITE_attention)};
}

static void drop(const ns_train_model *m, float *rows, size_t layer, ns_train_site site)
{
    if (m->dropout > 0.0f)
        m->kernels->dropout(rows, ns_train_key(m, layer, site), 0, m->dropout, m->rows * m->params->config.channels);
}

/* BERT drops behind the attention's output too; DistilBERT does not. */
static void drop_attended(const ns_train_model *m, float *rows, size_t layer)
{
    if (m->params->config.family == NS_ENCODER_bert)
        drop(m, rows, layer, NS_SITE_attended);
}

static void embed(ns_train_model *m)
{
    const size_t C = m->params->config.channels, n = m->rows * C, all = m->padded * C;
    for (size_t s = 0; s < m->batch->sequences; s++) {
        m->first_rows[s] = (int32_t)m->batch->starts[s];
        for (uint32_t r = m->batch->starts[s]; r < m->batch->starts[s + 1]; r++)
            m->places[r] = (int32_t)(r - m->batch->starts[s]);
    }
    ns_embedding(m->kernels, m->words_sum, ns_train_weight(m, NS_ROLE_word, 0), ns_train_weight(m, NS_ROLE_position, 0),
                 m->batch->ids, m->places, m->rows, C);
    if (m->params->config.segments > 0)
        for (size_t r = 0; r < m->rows; r++)
            m->kernels->add(m->words_sum + r * C, ns_train_weight(m, NS_ROLE_segment, 0), C);
    memset(m->words_sum + n, 0, (all - n) * sizeof(float));
    normalise(m, m->x, NULL, m->words_mean, m->words_rstd, m->words_sum, NS_ROLE_embedding_norm,
              NS_ROLE_embedding_norm_bias, 0);
    drop(m, m->x, 0, NS_SITE_embedding);
    memset(m->x + n, 0, (all - n) * sizeof(float));
    m->kernels->to_operand(m->kept[0].in_o, m->type, m->x, all);
}

static void layer_forward(ns_train_model *m, size_t i)
{
    const ns_encoder_config *s = &m->params->config;
    const size_t C = s->channels, M = m->padded, n = m->rows * C;
    const layer_matrices w = matrices(m, i);
    ns_train_kept *k = &m->kept[i];

    ns_train_linear(m, &w.qkv, k->qkv, NS_OPERAND_f32, k->in_o, M);
    const ns_train_attention look = attention(m, i);
    float *context = m->d_a; /* free until backward */
    ns_train_attention_forward(&look, context, k->probabilities, k->qkv, m->scratch);
    memset(context + n, 0, (M * C - n) * sizeof *context);
    m->kernels->to_operand(k->context_o, m->type, context, M * C);

    ns_train_linear(m, &w.attended, k->sum1, NS_OPERAND_f32, k->context_o, M);
    drop_attended(m, k->sum1, i);
    m->kernels->add(k->sum1, m->x, M * C);
    normalise(m, m->mid, k->mid_o, k->mean1, k->rstd1, k->sum1, NS_ROLE_attention_norm, NS_ROLE_attention_norm_bias, i);

    ns_train_linear(m, &w.widen, k->up_o, m->type, k->mid_o, M);
    m->kernels->gelu(k->act_o, k->up_o, m->type, M * s->feed_forward);
    ns_train_linear(m, &w.narrow, k->sum2, NS_OPERAND_f32, k->act_o, M);
    drop(m, k->sum2, i, NS_SITE_output);
    m->kernels->add(k->sum2, m->mid, M * C);
    normalise(m, m->x, i + 1 < s->layers ? m->kept[i + 1].in_o : m->out_o, k->mean2, k->rstd2, k->sum2,
              NS_ROLE_output_norm, NS_ROLE_output_norm_bias, i);
}

/* d_x holds the gradient of this layer's output and then of its input. */
static void layer_backward(ns_train_model *m, size_t i)
{
    const size_t C = m->params->config.channels, M = m->padded, n = m->rows * C;
    const layer_matrices w = matrices(m, i);
    const ns_train_kept *k = &m->kept[i];

    normalise_backward(m, m->d_a, m->d_x, k->sum2, k->mean2, k->rstd2, NS_ROLE_output_norm, NS_ROLE_output_norm_bias,
                       i);
    memcpy(m->d_b, m->d_a, M * C * sizeof *m->d_b); /* d_a: to the residual; d_b: to the feed-forward part */
    drop(m, m->d_b, i, NS_SITE_output);
    m->kernels->to_operand(m->d_o, m->type, m->d_b, M * C);
    ns_train_linear_backward(m, &w.narrow, m->wide_o, m->type, false, m->d_o, k->act_o, M);
    m->kernels->gelu_backward(m->wide_o, m->wide_o, k->up_o, m->type, M * m->params->config.feed_forward);
    ns_train_linear_backward(m, &w.widen, m->d_a, NS_OPERAND_f32, true, m->wide_o, k->mid_o, M);

    normalise_backward(m, m->d_x, m->d_a, k->sum1, k->mean1, k->rstd1, NS_ROLE_attention_norm,
                       NS_ROLE_attention_norm_bias, i);
    memcpy(m->d_b, m->d_x, M * C * sizeof *m->d_b);
    drop_attended(m, m->d_b, i);
    m->kernels->to_operand(m->d_o, m->type, m->d_b, M * C);
    ns_train_linear_backward(m, &w.attended, m->d_b, NS_OPERAND_f32, false, m->d_o, k->context_o, M);
    const ns_train_attention look = attention(m, i);
    ns_train_attention_backward(&look, m->d_qkv, m->d_b, k->probabilities, k->qkv, m->scratch);
    memset(m->d_qkv + 3 * n, 0, 3 * (M * C - n) * sizeof *m->d_qkv);
    m->kernels->to_operand(m->wide_o, m->type, m->d_qkv, 3 * M * C);
    ns_train_linear_backward(m, &w.qkv, m->d_x, NS_OPERAND_f32, true, m->wide_o, k->in_o, M);
}

static void embed_backward(ns_train_model *m)
{
    const size_t C = m->params->config.channels;
    drop(m, m->d_x, 0, NS_SITE_embedding);
    memset(m->d_x + m->rows * C, 0, (m->padded - m->rows) * C * sizeof *m->d_x);
    normalise_backward(m, m->d_a, m->d_x, m->words_sum, m->words_mean, m->words_rstd, NS_ROLE_embedding_norm,
                       NS_ROLE_embedding_norm_bias, 0);
    ns_embedding_backward(m->kernels, ns_train_gradient(m, NS_ROLE_word, 0), ns_train_gradient(m, NS_ROLE_position, 0),
                          m->d_a, m->batch->ids, m->places, m->rows, C);
    if (m->params->config.segments > 0)
        m->kernels->sum_rows(ns_train_gradient(m, NS_ROLE_segment, 0), m->d_a, NS_OPERAND_f32, m->rows, C);
}

ns_status ns_train_model_run(ns_train_model *m, const void *operands, const ns_train_batch *batch,
                             const ns_train_scales *scales, float dropout, float *gradients, float *logits,
                             ns_train_losses *losses, ns_error *err)
{
    const size_t rows = batch->starts[batch->sequences];
    NS_CHECK(rows > 0 && rows <= m->limits.rows && batch->sequences <= m->limits.sequences &&
             batch->masked <= m->limits.masked);
    ns_train_gemm_alone();
    m->operands = operands;
    m->gradients = gradients;
    m->batch = batch;
    m->rows = rows;
    m->padded = ns_train_round(rows, NS_TRAIN_ROW_STEP);
    m->dropout = gradients == NULL ? 0.0f : dropout;
    m->failed = false;

    embed(m);
    for (size_t i = 0; i < m->params->config.layers; i++)
        layer_forward(m, i);
    memset(m->d_x, 0, m->padded * m->params->config.channels * sizeof *m->d_x);
    if (batch->masked > 0)
        ns_train_masked_head(m, scales->masked, &losses->masked);
    if (batch->labels != NULL || logits != NULL)
        ns_train_class_head(m, scales, logits, losses);
    if (gradients != NULL) {
        for (size_t i = m->params->config.layers; i-- > 0;)
            layer_backward(m, i);
        embed_backward(m);
    }
    if (m->failed && err != NULL)
        *err = m->error;
    return m->failed ? m->error.status : NS_OK;
}
