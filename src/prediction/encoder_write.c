#include "prediction/encoder_write.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CONFIG_CEILING = 1 << 20, PATH_ROOM = 4096 };

static ns_status path_in(const char *folder, const char *name, char path[PATH_ROOM], ns_error *err)
{
    if ((size_t)snprintf(path, PATH_ROOM, "%s/%s", folder, name) >= PATH_ROOM)
        return ns_fail(err, NS_IO, "%s: the path is too long", folder);
    return NS_OK;
}

static size_t tensors_of(const ns_encoder_config *config, unsigned parts)
{
    ns_encoder_tensor tensor;
    size_t count = 0;
    while (ns_encoder_tensor_at(config, parts, count, &tensor))
        count++;
    return count;
}

static ns_status write_weights(const char *path, const ns_encoder_params *params, unsigned parts, ns_dtype dtype,
                               ns_error *err)
{
    const size_t count = tensors_of(&params->config, parts);
    ns_tensor_out *out = NS_NEW_ARRAY(ns_tensor_out, count);
    ns_encoder_tensor *tensors = NS_NEW_ARRAY(ns_encoder_tensor, count); /* they hold the names */
    ns_status status = NS_OK;
    if (out == NULL || tensors == NULL)
        status = ns_fail(err, NS_NO_MEMORY, "%s: no memory for %zu tensors", path, count);
    for (size_t n = 0; status == NS_OK && n < count; n++) {
        ns_encoder_tensor *t = &tensors[n];
        NS_CHECK(ns_encoder_tensor_at(&params->config, parts, n, t));
        out[n] = (ns_tensor_out){.name = t->name,
                                 .dtype = dtype,
                                 .rank = t->rank,
                                 .shape = {t->shape[0], t->shape[1]},
                                 .data = ns_encoder_weight(params, t->role, t->layer)};
    }
    if (status == NS_OK)
        status = ns_safetensors_write(path, out, count, "pt", err);
    ns_free(out);
    ns_free(tensors);
    return status;
}

static ns_status write_config(const char *path, const ns_encoder_params *params, unsigned parts, ns_error *err)
{
    ns_buf text;
    ns_buf_init(&text, CONFIG_CEILING);
    ns_status status = ns_encoder_config_write(&params->config, (parts & NS_PART_head) != 0, &text);
    if (status == NS_OK)
        status = ns_file_replace(path, ns_buf_view(&text), 0644, err);
    else
        (void)ns_fail(err, status, "%s: no memory for it", path);
    ns_buf_clear(&text);
    return status;
}

ns_status ns_encoder_write(const char *folder, const ns_encoder_params *params, unsigned parts, ns_dtype dtype,
                           ns_error *err)
{
    char weights[PATH_ROOM], config[PATH_ROOM];
    parts |= NS_PART_body | NS_PART_layer;
    NS_CHECK((parts & ~params->parts) == 0);
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return ns_fail(err, NS_IO, "%s: cannot be made: %s", folder, strerror(errno));
    ns_status status = path_in(folder, "model.safetensors", weights, err);
    if (status == NS_OK)
        status = path_in(folder, "config.json", config, err);
    if (status == NS_OK)
        status = write_weights(weights, params, parts, dtype, err);
    return status == NS_OK ? write_config(config, params, parts, err) : status;
}
