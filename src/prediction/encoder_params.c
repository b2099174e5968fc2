#include "prediction/encoder_params.h"

#include "base/mem.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <string.h>

enum { CONFIG_CEILING = 1 << 20 };

ns_status ns_encoder_params_init(ns_encoder_params *params, const ns_encoder_config *config, unsigned parts,
                                 ns_error *err)
{
    parts |= NS_PART_body | NS_PART_layer;
    const size_t count = ns_encoder_floats(config, parts);
    float *block = NS_NEW_ARRAY(float, count);
    if (block == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for %zu parameters", count);
    *params = (ns_encoder_params){.config = *config, .parts = parts, .count = count, .block = block};
    for (size_t i = 0; i < NS_ROLE_COUNT; i++)
        params->offset[i] = SIZE_MAX;
    ns_encoder_tensor tensor;
    for (size_t n = 0; ns_encoder_tensor_at(config, parts, n, &tensor); n++) {
        if (tensor.layer == 0)
            params->offset[tensor.role] = tensor.offset;
        else if (tensor.layer == 1 && params->layer_floats == 0)
            params->layer_floats = tensor.offset - params->offset[tensor.role];
    }
    return NS_OK;
}

void ns_encoder_params_clear(ns_encoder_params *params)
{
    ns_free(params->block);
    *params = (ns_encoder_params){0};
}

float *ns_encoder_param(const ns_encoder_params *params, float *block, ns_encoder_role role, size_t layer)
{
    NS_CHECK(params->offset[role] != SIZE_MAX);
    return block + params->offset[role] + layer * params->layer_floats;
}

const float *ns_encoder_weight(const ns_encoder_params *params, ns_encoder_role role, size_t layer)
{
    return ns_encoder_param(params, params->block, role, layer);
}

/* The tensor under its own name, a base model's (without the family's prefix), or TensorFlow's old names for the two
 * vectors of a layer normalisation. */
static const ns_tensor_view *find(const ns_safetensors *file, const ns_encoder_config *config, const char *name)
{
    const char *prefix = ns_encoder_prefix(config->family);
    const ns_tensor_view *view = ns_safetensors_find(file, name);
    if (view == NULL && strncmp(name, prefix, strlen(prefix)) == 0)
        view = ns_safetensors_find(file, name + strlen(prefix));
    const char *norm = strstr(name, "LayerNorm.");
    if (view == NULL && norm != NULL && strlen(name) < NS_ENCODER_TENSOR_NAME) {
        char old[NS_ENCODER_TENSOR_NAME + 8];
        const bool weight = strcmp(norm, "LayerNorm.weight") == 0;
        (void)snprintf(old, sizeof old, "%.*sLayerNorm.%s", (int)(norm - name), name, weight ? "gamma" : "beta");
        view = ns_safetensors_find(file, old);
    }
    return view;
}

static ns_status check_shape(const ns_encoder_tensor *wanted, const ns_tensor_view *found, ns_error *err)
{
    bool same = found->rank == wanted->rank;
    for (size_t i = 0; same && i < wanted->rank; i++)
        same = found->shape[i] == wanted->shape[i];
    if (same)
        return NS_OK;
    char shape[160] = "";
    for (size_t i = 0; i < found->rank; i++)
        (void)snprintf(shape + strlen(shape), sizeof shape - strlen(shape), "%s%zu", i > 0 ? "," : "", found->shape[i]);
    if (wanted->rank == 1)
        return ns_fail(err, NS_BAD_INPUT, "tensor %s has shape [%s], config.json asks for [%zu]", wanted->name, shape,
                       wanted->shape[0]);
    return ns_fail(err, NS_BAD_INPUT, "tensor %s has shape [%s], config.json asks for [%zu,%zu]", wanted->name, shape,
                   wanted->shape[0], wanted->shape[1]);
}

/* The heads whose every tensor is in the file. */
static unsigned parts_in(const ns_safetensors *file, const ns_encoder_config *config)
{
    unsigned parts = NS_PART_body | NS_PART_layer | NS_PART_head | NS_PART_masked;
    ns_encoder_tensor tensor;
    for (size_t n = 0; ns_encoder_tensor_at(config, NS_PART_head | NS_PART_masked, n, &tensor); n++)
        if (find(file, config, tensor.name) == NULL)
            parts &= ~(unsigned)tensor.part;
    return parts;
}

/* All that is asked for is there, in its shape, before memory is taken for it. */
static ns_status check_all(const ns_safetensors *file, const ns_encoder_config *config, unsigned parts, ns_error *err)
{
    ns_encoder_tensor tensor;
    for (size_t n = 0; ns_encoder_tensor_at(config, parts, n, &tensor); n++) {
        const ns_tensor_view *view = find(file, config, tensor.name);
        if (view == NULL)
            return ns_fail(err, NS_BAD_INPUT, "tensor %s is missing; does config.json belong to this file?",
                           tensor.name);
        const ns_status status = check_shape(&tensor, view, err);
        if (status != NS_OK)
            return status;
    }
    return NS_OK;
}

/* A layer behind the last one that config.json knows: the two files do not belong together. */
static ns_status check_no_more_layers(const ns_safetensors *file, const ns_encoder_config *config, ns_error *err)
{
    ns_encoder_config more = *config;
    more.layers++;
    ns_encoder_tensor tensor;
    for (size_t n = 0; ns_encoder_tensor_at(&more, NS_PART_layer, n, &tensor); n++)
        if (tensor.layer == config->layers && find(file, config, tensor.name) != NULL)
            return ns_fail(err, NS_BAD_INPUT, "tensor %s is left over: config.json knows %zu layers", tensor.name,
                           config->layers);
    return NS_OK;
}

static ns_status read_tensors(const ns_safetensors *file, const ns_encoder_config *config, ns_encoder_params *out,
                              ns_error *err)
{
    const unsigned parts = parts_in(file, config);
    ns_status status = check_all(file, config, parts, err);
    if (status == NS_OK)
        status = check_no_more_layers(file, config, err);
    ns_encoder_params params;
    if (status == NS_OK)
        status = ns_encoder_params_init(&params, config, parts, err);
    if (status != NS_OK)
        return status;
    ns_encoder_tensor tensor;
    for (size_t n = 0; status == NS_OK && ns_encoder_tensor_at(config, parts, n, &tensor); n++)
        status = ns_tensor_floats(find(file, config, tensor.name), params.block + tensor.offset, err);
    if (status != NS_OK) {
        ns_encoder_params_clear(&params);
        return status;
    }
    *out = params;
    return NS_OK;
}

static ns_status read_config(const char *folder, ns_encoder_config *out, ns_error *err)
{
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/config.json", folder) >= sizeof path)
        return ns_fail(err, NS_IO, "%s: the path is too long", folder);
    ns_buf text;
    ns_buf_init(&text, CONFIG_CEILING);
    ns_status status = ns_file_read(path, CONFIG_CEILING, &text, err);
    if (status == NS_OK)
        status = ns_encoder_config_read(ns_buf_view(&text), path, out, err);
    ns_buf_clear(&text);
    return status;
}

/* A model file that cannot be read is an input file that cannot be used. */
static ns_status as_input(ns_status status, ns_error *err)
{
    if (status == NS_IO && err != NULL)
        err->status = NS_BAD_INPUT;
    return status == NS_IO ? NS_BAD_INPUT : status;
}

ns_status ns_encoder_params_read(const char *folder, ns_encoder_params *out, ns_error *err)
{
    ns_encoder_config config;
    ns_safetensors *file;
    char path[4096];
    ns_status status = read_config(folder, &config, err);
    if (status != NS_OK)
        return as_input(status, err);
    if ((size_t)snprintf(path, sizeof path, "%s/model.safetensors", folder) >= sizeof path)
        return ns_fail(err, NS_IO, "%s: the path is too long", folder);
    status = ns_safetensors_open(path, &file, err);
    if (status != NS_OK)
        return as_input(status, err);
    status = read_tensors(file, &config, out, err);
    ns_safetensors_close(file);
    return status == NS_OK ? NS_OK : ns_fail_in(err, status, "%s", path);
}
