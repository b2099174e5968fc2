#include "golden_encoder.h"

float *golden_floats(size_t count)
{
    float *at = NS_NEW_ARRAY(float, count);
    CHECK(at != NULL);
    return at;
}

static float *tensor(const golden *g, const char *name, size_t *count)
{
    ns_error err;
    const ns_tensor_view *view = ns_safetensors_find(g->file, name);
    CHECK(view != NULL);
    float *at = golden_floats(view->count);
    CHECK_OK(ns_tensor_floats(view, at, &err));
    *count = view->count;
    return at;
}

void golden_open(golden *g, const char *name)
{
    char path[4300];
    ns_error err;
    size_t count, hidden, logits;
    *g = (golden){0};
    (void)snprintf(g->folder, sizeof g->folder, "%s/%s", test_path("tests/golden/encoder"), name);
    (void)snprintf(path, sizeof path, "%s/golden.safetensors", g->folder);
    CHECK_OK(ns_safetensors_open(path, &g->file, &err));
    float *ids = tensor(g, "ids", &g->tokens), *segments = tensor(g, "segments", &count);
    float *starts = tensor(g, "starts", &g->windows_count);
    CHECK(g->tokens <= NS_COUNT_OF(g->ids) && g->windows_count <= NS_COUNT_OF(g->starts));
    for (size_t i = 0; i < g->tokens; i++) {
        g->ids[i] = (int32_t)ids[i];
        g->segments[i] = (int32_t)segments[i];
    }
    for (size_t i = 0; i < g->windows_count; i++)
        g->starts[i] = (size_t)starts[i];
    ns_free(ids);
    ns_free(segments);
    ns_free(starts);
    g->windows_count--;
    g->windows = (ns_windows){g->ids, g->segments, g->starts, g->windows_count};
    g->hidden = tensor(g, "hidden", &hidden);
    g->pooled = tensor(g, "pooled", &count);
    g->logits = tensor(g, "logits", &logits);
    g->channels = hidden / g->tokens;
    g->labels = logits / g->windows_count;
}

void golden_close(golden *g)
{
    ns_free(g->hidden);
    ns_free(g->pooled);
    ns_free(g->logits);
    ns_safetensors_close(g->file);
}

double golden_distance(const float *a, const float *b, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        most = d > most || isnan(d) ? d : most;
    }
    return most;
}

ns_encoder *golden_encoder(const golden *g, ns_code_path path, size_t threads, size_t tokens)
{
    ns_encoder *encoder;
    ns_error err;
    const ns_encoder_options options = {path, threads, tokens};
    const ns_status status = ns_encoder_open(g->folder, &options, &encoder, &err);
    if (status != NS_OK)
        fail_msg("%s", err.text);
    return encoder;
}
