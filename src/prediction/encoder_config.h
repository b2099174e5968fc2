/*
 * The shape of an encoder, as Hugging Face's config.json tells it, and the one table of its tensors.
 *
 * Two families: DistilBERT (Sanh et al. 2019) and BERT (Devlin et al. 2018). Both are embeddings, a stack of layers
 * (self-attention, two dense layers with GELU, layer normalisation after each residual sum) and a head on the first
 * token; they differ in names, segment embeddings and the head's activation (ReLU, tanh).
 *
 * Letters: V vocabulary, P positions, S segments, C channels, F channels of the feed-forward, A labels.
 */
#ifndef NS_PREDICTION_ENCODER_CONFIG_H
#define NS_PREDICTION_ENCODER_CONFIG_H

#include "base/text.h"

enum { NS_ENCODER_LABELS_MAX = 64, NS_ENCODER_LABEL_BYTES = 48, NS_ENCODER_TENSOR_NAME = 96 };

typedef enum ns_encoder_family { NS_ENCODER_distilbert, NS_ENCODER_bert } ns_encoder_family;

typedef struct ns_encoder_config {
    ns_encoder_family family;
    size_t vocabulary;                                         /* V: 1..2^20 */
    size_t positions;                                          /* P: longest window, tokens: 1..8192 */
    size_t segments;                                           /* S: 0 for DistilBERT, else 1..16 */
    size_t channels;                                           /* C: a multiple of heads, at most 4096 */
    size_t heads;                                              /* 1..256 */
    size_t layers;                                             /* 1..64 */
    size_t feed_forward;                                       /* F: at most 16384 */
    size_t labels;                                             /* A: 1..64 */
    float epsilon;                                             /* of layer normalisation */
    char label[NS_ENCODER_LABELS_MAX][NS_ENCODER_LABEL_BYTES]; /* their names, by index */
} ns_encoder_config;

/* Reads config.json's text. NS_BAD_INPUT: not JSON, a family or feature that is not known here, a number out of range
 * (the message names the key). `name` stands in messages. */
NS_MUST_USE ns_status ns_encoder_config_read(ns_text json, const char *name, ns_encoder_config *out, ns_error *err);

/* Appends config.json for this shape, as `transformers` reads it. head: the folder holds a sequence-classification
 * head; otherwise a masked-language-model one. */
NS_MUST_USE ns_status ns_encoder_config_write(const ns_encoder_config *config, bool head, ns_buf *out);

/* role, part, rows, columns (ONE: a vector), name in DistilBERT, name in BERT ("": it has none).
 * A body's names stand behind "distilbert." or "bert."; a layer's behind "distilbert.transformer.layer.N." or
 * "bert.encoder.layer.N.". Weights are (outputs, inputs). Query, key and value stand beside each other, so that a block
 * of floats in this order holds them as one (3C, C) weight. */
#define NS_ENCODER_TENSOR_MAP(X)                                                                                       \
    X(word, body, V, C, "embeddings.word_embeddings.weight", "embeddings.word_embeddings.weight")                      \
    X(position, body, P, C, "embeddings.position_embeddings.weight", "embeddings.position_embeddings.weight")          \
    X(segment, body, S, C, "", "embeddings.token_type_embeddings.weight")                                              \
    X(embedding_norm, body, C, ONE, "embeddings.LayerNorm.weight", "embeddings.LayerNorm.weight")                      \
    X(embedding_norm_bias, body, C, ONE, "embeddings.LayerNorm.bias", "embeddings.LayerNorm.bias")                     \
    X(query, layer, C, C, "attention.q_lin.weight", "attention.self.query.weight")                                     \
    X(key, layer, C, C, "attention.k_lin.weight", "attention.self.key.weight")                                         \
    X(value, layer, C, C, "attention.v_lin.weight", "attention.self.value.weight")                                     \
    X(query_bias, layer, C, ONE, "attention.q_lin.bias", "attention.self.query.bias")                                  \
    X(key_bias, layer, C, ONE, "attention.k_lin.bias", "attention.self.key.bias")                                      \
    X(value_bias, layer, C, ONE, "attention.v_lin.bias", "attention.self.value.bias")                                  \
    X(attended, layer, C, C, "attention.out_lin.weight", "attention.output.dense.weight")                              \
    X(attended_bias, layer, C, ONE, "attention.out_lin.bias", "attention.output.dense.bias")                           \
    X(attention_norm, layer, C, ONE, "sa_layer_norm.weight", "attention.output.LayerNorm.weight")                      \
    X(attention_norm_bias, layer, C, ONE, "sa_layer_norm.bias", "attention.output.LayerNorm.bias")                     \
    X(widen, layer, F, C, "ffn.lin1.weight", "intermediate.dense.weight")                                              \
    X(widen_bias, layer, F, ONE, "ffn.lin1.bias", "intermediate.dense.bias")                                           \
    X(narrow, layer, C, F, "ffn.lin2.weight", "output.dense.weight")                                                   \
    X(narrow_bias, layer, C, ONE, "ffn.lin2.bias", "output.dense.bias")                                                \
    X(output_norm, layer, C, ONE, "output_layer_norm.weight", "output.LayerNorm.weight")                               \
    X(output_norm_bias, layer, C, ONE, "output_layer_norm.bias", "output.LayerNorm.bias")                              \
    X(pooler, head, C, C, "pre_classifier.weight", "bert.pooler.dense.weight")                                         \
    X(pooler_bias, head, C, ONE, "pre_classifier.bias", "bert.pooler.dense.bias")                                      \
    X(classifier, head, A, C, "classifier.weight", "classifier.weight")                                                \
    X(classifier_bias, head, A, ONE, "classifier.bias", "classifier.bias")                                             \
    X(masked, masked, C, C, "vocab_transform.weight", "cls.predictions.transform.dense.weight")                        \
    X(masked_bias, masked, C, ONE, "vocab_transform.bias", "cls.predictions.transform.dense.bias")                     \
    X(masked_norm, masked, C, ONE, "vocab_layer_norm.weight", "cls.predictions.transform.LayerNorm.weight")            \
    X(masked_norm_bias, masked, C, ONE, "vocab_layer_norm.bias", "cls.predictions.transform.LayerNorm.bias")           \
    X(masked_output_bias, masked, V, ONE, "vocab_projector.bias", "cls.predictions.bias")

typedef enum ns_encoder_role {
#define NS_ENCODER_ROLE(role, part, rows, columns, distilbert, bert) NS_ROLE_##role,
    NS_ENCODER_TENSOR_MAP(NS_ENCODER_ROLE)
#undef NS_ENCODER_ROLE
        NS_ROLE_COUNT
} ns_encoder_role;

/* What a set of parameters holds; body and layers always. The masked-language head's output weight is the word
 * embedding (tied). */
typedef enum ns_encoder_part {
    NS_PART_body = 1,
    NS_PART_layer = 2,
    NS_PART_head = 4,
    NS_PART_masked = 8,
} ns_encoder_part;

/* One tensor of a set with these parts. In one block of floats they stand in this order, each from `offset` on. */
typedef struct ns_encoder_tensor {
    ns_encoder_role role;
    ns_encoder_part part;
    size_t layer; /* 0 outside layers */
    size_t rank;  /* 1 or 2 */
    size_t shape[2];
    size_t count, offset;              /* floats */
    char name[NS_ENCODER_TENSOR_NAME]; /* as Hugging Face's file has it */
} ns_encoder_tensor;

/* The n-th tensor, or false behind the last. */
NS_MUST_USE bool ns_encoder_tensor_at(const ns_encoder_config *config, unsigned parts, size_t n,
                                      ns_encoder_tensor *out);
/* Floats of the whole block. */
size_t ns_encoder_floats(const ns_encoder_config *config, unsigned parts);
/* "distilbert." or "bert.": what a base model's file leaves out. */
const char *ns_encoder_prefix(ns_encoder_family family);

#endif
