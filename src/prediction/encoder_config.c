#include "prediction/encoder_config.h"

#include "wire/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* field, key in DistilBERT, key in BERT, least, most */
#define SIZES(X)                                                                                                       \
    X(vocabulary, "vocab_size", "vocab_size", 1, 1 << 20)                                                              \
    X(positions, "max_position_embeddings", "max_position_embeddings", 1, 8192)                                        \
    X(segments, NULL, "type_vocab_size", 1, 16)                                                                        \
    X(channels, "dim", "hidden_size", 1, 4096)                                                                         \
    X(heads, "n_heads", "num_attention_heads", 1, 256)                                                                 \
    X(layers, "n_layers", "num_hidden_layers", 1, 64)                                                                  \
    X(feed_forward, "hidden_dim", "intermediate_size", 1, 16384)

typedef struct size_key {
    const char *key[2];
    size_t offset;
    int64_t least, most;
} size_key;

static const size_key size_keys[] = {
#define SIZE_KEY(field, distilbert, bert, least, most)                                                                 \
    {{distilbert, bert}, offsetof(ns_encoder_config, field), least, most},
    SIZES(SIZE_KEY)
#undef SIZE_KEY
};

static ns_status read_sizes(const json_t *json, ns_encoder_config *config, ns_error *err)
{
    for (size_t i = 0; i < NS_COUNT_OF(size_keys); i++) {
        const size_key *k = &size_keys[i];
        const char *key = k->key[config->family];
        if (key == NULL)
            continue;
        const json_t *number = ns_json_at(json, key);
        const int64_t value = json_is_integer(number) ? json_integer_value(number) : -1;
        if (value < k->least || value > k->most)
            return ns_fail(err, NS_BAD_INPUT, "\"%s\" must be a whole number from %lld to %lld", key,
                           (long long)k->least, (long long)k->most);
        const size_t size = (size_t)value;
        memcpy((char *)config + k->offset, &size, sizeof size);
    }
    if (config->channels % config->heads != 0)
        return ns_fail(err, NS_BAD_INPUT, "%zu channels cannot be split among %zu heads", config->channels,
                       config->heads);
    return NS_OK;
}

/* {"id2label": {"0": name, ...}} or {"num_labels": n}; neither: transformers' default of two. */
static ns_status read_labels(const json_t *json, ns_encoder_config *config, ns_error *err)
{
    const json_t *names = ns_json_at(json, "id2label");
    const int64_t count = json_is_object(names) ? (int64_t)json_object_size(names) : ns_json_int(json, "num_labels", 2);
    if (count < 1 || count > NS_ENCODER_LABELS_MAX)
        return ns_fail(err, NS_BAD_INPUT, "\"id2label\" must name 1 to %d labels", NS_ENCODER_LABELS_MAX);
    config->labels = (size_t)count;
    for (size_t i = 0; i < config->labels; i++) {
        char key[24], otherwise[32];
        (void)snprintf(key, sizeof key, "%zu", i);
        (void)snprintf(otherwise, sizeof otherwise, "LABEL_%zu", i);
        ns_text name = ns_text_of(otherwise);
        if (json_is_object(names) && !ns_json_text(names, key, &name))
            return ns_fail(err, NS_BAD_INPUT, "\"id2label\" has %zu labels but none with the number %zu",
                           config->labels, i);
        (void)ns_text_copy(config->label[i], sizeof config->label[i], name);
    }
    return NS_OK;
}

static ns_status read_features(const json_t *json, ns_encoder_config *config, ns_error *err)
{
    const bool bert = config->family == NS_ENCODER_bert;
    const char *activation = ns_json_string(json, bert ? "hidden_act" : "activation", "gelu");
    if (strcmp(activation, "gelu") != 0)
        return ns_fail(err, NS_BAD_INPUT, "activation \"%s\": only \"gelu\" is known", activation);
    const char *places = ns_json_string(json, "position_embedding_type", "absolute");
    if (strcmp(places, "absolute") != 0)
        return ns_fail(err, NS_BAD_INPUT, "position_embedding_type \"%s\": only \"absolute\" is known", places);
    if (ns_json_bool(json, "is_decoder", false))
        return ns_fail(err, NS_BAD_INPUT, "\"is_decoder\" is true: only encoders are known");
    const double epsilon = bert ? ns_json_real(json, "layer_norm_eps", 1e-12) : 1e-12;
    if (!(epsilon > 0 && epsilon < 1))
        return ns_fail(err, NS_BAD_INPUT, "\"layer_norm_eps\" must lie between 0 and 1");
    config->epsilon = (float)epsilon;
    return NS_OK;
}

static ns_status read_all(const json_t *json, ns_encoder_config *config, ns_error *err)
{
    const char *family = ns_json_string(json, "model_type", "");
    if (strcmp(family, "distilbert") == 0)
        config->family = NS_ENCODER_distilbert;
    else if (strcmp(family, "bert") == 0)
        config->family = NS_ENCODER_bert;
    else
        return ns_fail(err, NS_BAD_INPUT, "model_type \"%s\": \"distilbert\" and \"bert\" are known", family);
    ns_status status = read_sizes(json, config, err);
    if (status == NS_OK)
        status = read_features(json, config, err);
    if (status == NS_OK)
        status = read_labels(json, config, err);
    return status;
}

ns_status ns_encoder_config_read(ns_text text, const char *name, ns_encoder_config *out, ns_error *err)
{
    json_t *json;
    ns_encoder_config config = {0};
    ns_status status = ns_json_read(text, &json, err);
    if (status != NS_OK)
        return ns_fail_in(err, status, "%s", name);
    status = read_all(json, &config, err);
    json_decref(json);
    if (status != NS_OK)
        return ns_fail_in(err, status, "%s", name);
    *out = config;
    return NS_OK;
}

static void write_labels(const ns_encoder_config *config, ns_json_writer *w)
{
    char key[24];
    ns_json_key(w, "id2label");
    ns_json_object(w);
    for (size_t i = 0; i < config->labels; i++) {
        (void)snprintf(key, sizeof key, "%zu", i);
        ns_json_field_string(w, key, config->label[i]);
    }
    ns_json_end_object(w);
    ns_json_key(w, "label2id");
    ns_json_object(w);
    for (size_t i = 0; i < config->labels; i++)
        ns_json_field_int(w, config->label[i], (int64_t)i);
    ns_json_end_object(w);
}

ns_status ns_encoder_config_write(const ns_encoder_config *config, bool head, ns_buf *out)
{
    static const char *const classes[2][2] = {{"DistilBertForMaskedLM", "DistilBertForSequenceClassification"},
                                              {"BertForMaskedLM", "BertForSequenceClassification"}};
    const bool bert = config->family == NS_ENCODER_bert;
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_key(&w, "architectures");
    ns_json_array(&w);
    ns_json_put_string(&w, classes[bert][head]);
    ns_json_end_array(&w);
    ns_json_field_string(&w, "model_type", bert ? "bert" : "distilbert");
    for (size_t i = 0; i < NS_COUNT_OF(size_keys); i++) {
        size_t size;
        memcpy(&size, (const char *)config + size_keys[i].offset, sizeof size);
        if (size_keys[i].key[config->family] != NULL)
            ns_json_field_int(&w, size_keys[i].key[config->family], (int64_t)size);
    }
    ns_json_field_string(&w, bert ? "hidden_act" : "activation", "gelu");
    if (bert)
        ns_json_field_real(&w, "layer_norm_eps", (double)config->epsilon);
    ns_json_field_int(&w, "pad_token_id", 0);
    ns_json_field_string(&w, "torch_dtype", "float32");
    write_labels(config, &w);
    ns_json_end_object(&w);
    return out->failed ? NS_NO_MEMORY : NS_OK;
}

typedef enum symbol { V, P, S, C, F, A, ONE } symbol;

typedef struct row {
    ns_encoder_part part;
    symbol rows, columns;
    const char *name[2];
} row;

static const row table[] = {
#define ROW(role, part, rows, columns, distilbert, bert) {NS_PART_##part, rows, columns, {distilbert, bert}},
    NS_ENCODER_TENSOR_MAP(ROW)
#undef ROW
};

static size_t size_of(const ns_encoder_config *config, symbol of)
{
    switch (of) {
    case V:
        return config->vocabulary;
    case P:
        return config->positions;
    case S:
        return config->segments;
    case C:
        return config->channels;
    case F:
        return config->feed_forward;
    case A:
        return config->labels;
    case ONE:
        break;
    }
    return 1;
}

const char *ns_encoder_prefix(ns_encoder_family family)
{
    return family == NS_ENCODER_bert ? "bert." : "distilbert.";
}

static void name_tensor(ns_encoder_family family, const row *r, ns_encoder_tensor *out)
{
    const char *name = r->name[family];
    const char *layers = family == NS_ENCODER_bert ? "encoder.layer" : "transformer.layer";
    if (r->part == NS_PART_body)
        (void)snprintf(out->name, sizeof out->name, "%s%s", ns_encoder_prefix(family), name);
    else if (r->part == NS_PART_layer)
        (void)snprintf(out->name, sizeof out->name, "%s%s.%zu.%s", ns_encoder_prefix(family), layers, out->layer, name);
    else
        (void)snprintf(out->name, sizeof out->name, "%s", name);
}

static size_t floats_of(const ns_encoder_config *config, const row *r)
{
    return r->name[config->family][0] == '\0' ? 0 : size_of(config, r->rows) * size_of(config, r->columns);
}

/* The sum over a part's tensors before `end`, and how many they are. */
static size_t part_floats(const ns_encoder_config *config, ns_encoder_part part, size_t end, size_t *tensors)
{
    size_t sum = 0;
    *tensors = 0;
    for (size_t i = 0; i < end; i++)
        if (table[i].part == part && table[i].name[config->family][0] != '\0') {
            sum += floats_of(config, &table[i]);
            (*tensors)++;
        }
    return sum;
}

static size_t copies(const ns_encoder_config *config, ns_encoder_part part)
{
    return part == NS_PART_layer ? config->layers : 1;
}

static void describe(const ns_encoder_config *config, size_t role, size_t layer, size_t offset, ns_encoder_tensor *out)
{
    const row *r = &table[role];
    out->role = (ns_encoder_role)role;
    out->part = r->part;
    out->layer = layer;
    out->rank = r->columns == ONE ? 1 : 2;
    out->shape[0] = size_of(config, r->rows);
    out->shape[1] = size_of(config, r->columns);
    out->count = floats_of(config, r);
    out->offset = offset;
    name_tensor(config->family, r, out);
}

bool ns_encoder_tensor_at(const ns_encoder_config *config, unsigned parts, size_t n, ns_encoder_tensor *out)
{
    size_t before = 0;
    for (unsigned part = NS_PART_body; part <= NS_PART_masked; part *= 2) {
        size_t tensors;
        const size_t floats = part_floats(config, (ns_encoder_part)part, NS_ROLE_COUNT, &tensors);
        const size_t times = copies(config, (ns_encoder_part)part);
        if ((parts & part) == 0)
            continue;
        if (n >= tensors * times) {
            n -= tensors * times;
            before += floats * times;
            continue;
        }
        for (size_t role = 0, seen = 0; role < NS_ROLE_COUNT; role++) {
            if (table[role].part != (ns_encoder_part)part || table[role].name[config->family][0] == '\0')
                continue;
            if (seen++ == n % tensors) {
                const size_t inside = part_floats(config, (ns_encoder_part)part, role, &seen);
                describe(config, role, n / tensors, before + n / tensors * floats + inside, out);
                return true;
            }
        }
    }
    return false;
}

size_t ns_encoder_floats(const ns_encoder_config *config, unsigned parts)
{
    size_t sum = 0, ignored;
    for (unsigned part = NS_PART_body; part <= NS_PART_masked; part *= 2)
        if ((parts & part) != 0)
            sum += part_floats(config, (ns_encoder_part)part, NS_ROLE_COUNT, &ignored) *
                   copies(config, (ns_encoder_part)part);
    return sum;
}
