/* The two heads in training: which piece was hidden here, and what this window shows. */
#include "prediction/train_model_inner.h"
#include "tensor/embedding.h"

#include <math.h>
#include <string.h>

/* DistilBertForMaskedLM: transform, GELU, normalisation, then the word embeddings themselves as the projection. */
void ns_train_masked_head(ns_train_model *m, float scale, ns_loss *loss)
{
    const ns_train_kernels *k = m->kernels;
    const size_t H = m->params->config.channels, V = m->params->config.vocabulary, n = m->batch->masked;
    const size_t M = ns_train_round(n, NS_TRAIN_HEAD_STEP);
    const ns_train_matrix transform = ns_train_matrix_of(m, NS_ROLE_masked, NS_ROLE_masked_bias, 0, H, H);
    const ns_train_matrix project = ns_train_matrix_of(m, NS_ROLE_word, NS_ROLE_masked_output_bias, 0, V, H);
    const float *ln_weight = ns_train_weight(m, NS_ROLE_masked_norm, 0);

    memset(m->d_head, 0, M * H * sizeof *m->d_head);
    ns_gather_rows(m->d_head, m->x, m->batch->masked_rows, n, H);
    k->to_operand(m->picked_o, m->type, m->d_head, M * H);
    ns_train_linear(m, &transform, m->transform_o, m->type, m->picked_o, M);
    k->gelu(m->gelu_o, m->transform_o, m->type, M * H);
    k->from_operand(m->gelu, m->gelu_o, m->type, M * H);
    k->layernorm(m->normed, m->normed_o, m->type, m->head_mean, m->head_rstd, m->gelu, ln_weight,
                 ns_train_weight(m, NS_ROLE_masked_norm_bias, 0), M, H, m->params->config.epsilon);
    ns_train_linear(m, &project, m->vocabulary_logits, NS_OPERAND_f32, m->normed_o, M);

    memcpy(m->targets, m->batch->masked_ids, n * sizeof *m->targets);
    for (size_t i = n; i < M; i++)
        m->targets[i] = NS_IGNORE;
    if (m->failed)
        return;
    ns_cross_entropy(k, m->vocabulary_logits, m->targets, NULL, scale, M, V, loss);
    if (m->gradients == NULL)
        return;

    k->to_operand(m->d_vocabulary_o, m->type, m->vocabulary_logits, M * V);
    ns_train_linear_backward(m, &project, m->normed, NS_OPERAND_f32, false, m->d_vocabulary_o, m->normed_o, M);
    k->layernorm_backward(m->d_head, ns_train_gradient(m, NS_ROLE_masked_norm, 0),
                          ns_train_gradient(m, NS_ROLE_masked_norm_bias, 0), m->normed, m->gelu, m->head_mean,
                          m->head_rstd, ln_weight, M, H);
    k->to_operand(m->gelu_o, m->type, m->d_head, M * H);
    k->gelu_backward(m->gelu_o, m->gelu_o, m->transform_o, m->type, M * H);
    ns_train_linear_backward(m, &transform, m->d_head, NS_OPERAND_f32, false, m->gelu_o, m->picked_o, M);
    ns_scatter_rows(k, m->d_x, m->d_head, m->batch->masked_rows, n, H);
}

/* Evidence: label 0 against what the window is known to be. Gradient into the same place of d (S,K). */
static void evidence_loss(const ns_train_label *label, const float *logits, float *d, float scale, ns_loss *loss)
{
    if (label->evidence_weight <= 0.0f)
        return;
    double gradient;
    const double weight = (double)label->evidence_weight;
    loss->sum += weight * ns_binary_cross_entropy((double)logits[0], (double)label->evidence, &gradient);
    loss->weight += weight;
    loss->rows++;
    loss->right += (logits[0] > 0.0f) == (label->evidence > 0.5f);
    d[0] += (float)(gradient * weight) * scale;
}

/* Cause: softmax over the labels behind the first. */
static void cause_loss(const ns_train_kernels *k, const ns_train_label *label, const float *logits, float *d,
                       size_t causes, float scale, ns_loss *loss)
{
    if (label->cause == NS_IGNORE || label->cause_weight <= 0.0f || causes == 0)
        return;
    memcpy(d + 1, logits + 1, causes * sizeof *d);
    ns_cross_entropy(k, d + 1, &label->cause, &label->cause_weight, scale, 1, causes, loss);
}

/*
 * A log is as suspicious as its windows together: log-odds = log(sum(exp(window's log-odds))) (multiple-instance
 * learning with a soft maximum, so that one window is enough). Its gradient spreads over them by softmax.
 */
static void log_losses(const ns_train_model *m, const float *logits, float *d, float scale, ns_loss *loss)
{
    const ns_train_label *labels = m->batch->labels;
    const size_t S = m->batch->sequences, K = m->params->config.labels;
    for (size_t s = 0; s < S; s++) {
        bool seen = labels[s].log < 0 || labels[s].log_weight <= 0.0f;
        for (size_t before = 0; before < s && !seen; before++)
            seen = labels[before].log == labels[s].log;
        if (seen)
            continue;
        double top = (double)logits[s * K], gradient;
        for (size_t i = s + 1; i < S; i++)
            if (labels[i].log == labels[s].log && (double)logits[i * K] > top)
                top = (double)logits[i * K];
        double sum = exp((double)logits[s * K] - top);
        for (size_t i = s + 1; i < S; i++)
            if (labels[i].log == labels[s].log)
                sum += exp((double)logits[i * K] - top);
        const double whole = top + log(sum), weight = (double)labels[s].log_weight;
        loss->sum += weight * ns_binary_cross_entropy(whole, (double)labels[s].log_label, &gradient);
        loss->weight += weight;
        loss->rows++;
        loss->right += (whole > 0.0) == (labels[s].log_label > 0.5f);
        for (size_t i = s; i < S; i++)
            if (labels[i].log == labels[s].log)
                d[i * K] += (float)(gradient * weight * exp((double)logits[i * K] - whole)) * scale;
    }
}

/* The head's activation: ReLU in DistilBERT, tanh in BERT. */
static void activate(const ns_train_model *m, float *x, size_t n)
{
    const bool bert = m->params->config.family == NS_ENCODER_bert;
    for (size_t i = 0; i < n; i++)
        x[i] = bert ? tanhf(x[i]) : x[i] > 0.0f ? x[i] : 0.0f;
}

static void activate_backward(const ns_train_model *m, float *d, const float *y, size_t n)
{
    const bool bert = m->params->config.family == NS_ENCODER_bert;
    for (size_t i = 0; i < n; i++)
        d[i] *= bert ? 1.0f - y[i] * y[i] : y[i] > 0.0f ? 1.0f : 0.0f;
}

static void drop(const ns_train_model *m, float *rows)
{
    if (m->dropout > 0.0f)
        m->kernels->dropout(rows, ns_train_key(m, 0, NS_SITE_head), 0, m->dropout,
                            m->batch->sequences * m->params->config.channels);
}

/* All losses of the head, and their gradient into d_logits. */
static void class_losses(ns_train_model *m, const ns_train_scales *scales, ns_train_losses *losses)
{
    const size_t K = m->params->config.labels;
    for (size_t s = 0; s < m->batch->sequences; s++) {
        const ns_train_label *label = &m->batch->labels[s];
        cause_loss(m->kernels, label, m->logits + s * K, m->d_logits + s * K, K - 1, scales->cause, &losses->cause);
        evidence_loss(label, m->logits + s * K, m->d_logits + s * K, scales->evidence, &losses->evidence);
    }
    log_losses(m, m->logits, m->d_logits, scales->log, &losses->log);
}

/* First token, linear, activation, dropout, linear. */
void ns_train_class_head(ns_train_model *m, const ns_train_scales *scales, float *logits, ns_train_losses *losses)
{
    const ns_train_kernels *k = m->kernels;
    const size_t C = m->params->config.channels, K = m->params->config.labels, n = m->batch->sequences;
    const size_t S = ns_train_round(n, NS_TRAIN_HEAD_STEP);
    const ns_train_matrix pool = ns_train_matrix_of(m, NS_ROLE_pooler, NS_ROLE_pooler_bias, 0, C, C);
    const ns_train_matrix classify = ns_train_matrix_of(m, NS_ROLE_classifier, NS_ROLE_classifier_bias, 0, K, C);

    memset(m->first, 0, S * C * sizeof *m->first);
    ns_gather_rows(m->first, m->x, m->first_rows, n, C);
    k->to_operand(m->first_o, m->type, m->first, S * C);
    ns_train_linear(m, &pool, m->pooled, NS_OPERAND_f32, m->first_o, S);
    activate(m, m->pooled, S * C);
    memcpy(m->d_first, m->pooled, S * C * sizeof *m->d_first);
    drop(m, m->d_first);
    k->to_operand(m->pooled_o, m->type, m->d_first, S * C);
    ns_train_linear(m, &classify, m->logits, NS_OPERAND_f32, m->pooled_o, S);
    if (m->failed)
        return;
    if (logits != NULL)
        memcpy(logits, m->logits, n * K * sizeof *logits);
    if (m->batch->labels == NULL)
        return;
    memset(m->d_logits, 0, S * K * sizeof *m->d_logits);
    class_losses(m, scales, losses);
    if (m->gradients == NULL)
        return;

    k->to_operand(m->d_logits_o, m->type, m->d_logits, S * K);
    ns_train_linear_backward(m, &classify, m->d_first, NS_OPERAND_f32, false, m->d_logits_o, m->pooled_o, S);
    drop(m, m->d_first);
    activate_backward(m, m->d_first, m->pooled, S * C);
    k->to_operand(m->pooled_o, m->type, m->d_first, S * C);
    ns_train_linear_backward(m, &pool, m->d_first, NS_OPERAND_f32, false, m->pooled_o, m->first_o, S);
    ns_scatter_rows(k, m->d_x, m->d_first, m->first_rows, n, C);
}
