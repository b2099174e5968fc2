/* Model folders that cannot be used say why, and the names that older and headless models have are understood. */
#include "golden_encoder.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[128];

static void path_of(char out[256], const char *name)
{
    (void)snprintf(out, 256, "%s/%s", folder, name);
}

static void put_file(const char *name, const char *at, size_t len)
{
    char path[256];
    ns_error err;
    path_of(path, name);
    CHECK_OK(ns_file_replace(path, (ns_text){at, len}, 0600, &err));
}

static void read_golden(const char *name, ns_buf *out)
{
    char path[4300];
    ns_error err;
    (void)snprintf(path, sizeof path, "%s/distilbert/%s", test_path("tests/golden/encoder"), name);
    ns_buf_init(out, 1 << 22);
    CHECK_OK(ns_file_read(path, 1 << 22, out, &err));
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ns-encoder-%ld", (long)getpid());
    return mkdir(folder, 0700);
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "model.safetensors"};
    for (size_t i = 0; i < NS_COUNT_OF(names); i++) {
        char path[256];
        path_of(path, names[i]);
        (void)unlink(path);
    }
    return rmdir(folder);
}

/* Reads the scratch folder; it must fail like this. */
static void refused(const char *says)
{
    ns_encoder_params params = {0};
    ns_error err = {0};
    const size_t live = ns_mem_live();
    const ns_status status = ns_encoder_params_read(folder, &params, &err);
    if (ns_status_exit(status) != 3 || strstr(err.text, says) == NULL || strstr(err.text, folder) == NULL)
        fail_msg("wanted \"%s\", got %s: %s", says, ns_status_name(status), err.text);
    CHECK_INT(live, ns_mem_live());
}

/* config.json of the golden model with `from` replaced by `to`. */
static void with_config(const char *from, const char *to, const char *says)
{
    ns_buf text, changed;
    read_golden("config.json", &text);
    ns_buf_init(&changed, 1 << 20);
    const char *at = strstr(text.at, from);
    CHECK(at != NULL);
    CHECK_OK(ns_buf_put(&changed, text.at, (size_t)(at - text.at)));
    CHECK_OK(ns_buf_string(&changed, to));
    CHECK_OK(ns_buf_string(&changed, at + strlen(from)));
    put_file("config.json", changed.at, changed.len);
    ns_buf_clear(&text);
    ns_buf_clear(&changed);
    refused(says);
}

static void what_does_not_fit_is_told(void **state)
{
    (void)state;
    ns_buf model;
    refused("config.json: cannot be opened");
    put_file("config.json", "{\"model_type\":\"distilbert\",", 26);
    refused("config.json");
    with_config("\"n_layers\": 3", "\"n_layers\": 3", "model.safetensors: cannot be opened");
    read_golden("model.safetensors", &model);
    put_file("model.safetensors", model.at, model.len);
    static const struct {
        const char *from, *to, *says;
    } cases[] = {
        {"\"n_layers\": 3", "\"n_layers\": 2", "transformer.layer.2.attention.q_lin.weight is left over"},
        {"\"n_layers\": 3", "\"n_layers\": 4", "transformer.layer.3.attention.q_lin.weight is missing"},
        {"\"n_layers\": 3", "\"n_layers\": 3.5", "\"n_layers\" must be a whole number from 1 to 64"},
        {"\"n_layers\": 3", "\"n_layers\": 1e30", "\"n_layers\""},
        {"\"dim\": 48", "\"dim\": 52", "has shape [97,48], config.json asks for [97,52]"},
        {"\"dim\": 48", "\"dim\": 50", "cannot be split among 4 heads"},
        {"\"hidden_dim\": 80", "\"hidden_dim\": 81", "ffn.lin1.weight has shape [80,48], config.json asks for [81,48]"},
        {"\"vocab_size\": 97", "\"vocab_size\": 0", "\"vocab_size\""},
        {"\"vocab_size\": 97", "\"vocab_size\": 98", "word_embeddings.weight has shape [97,48]"},
        {"\"max_position_embeddings\": 70", "\"max_position_embeddings\": -1", "\"max_position_embeddings\""},
        {"\"model_type\": \"distilbert\"", "\"model_type\": \"gpt2\"", "model_type \"gpt2\""},
        {"\"activation\": \"gelu\"", "\"activation\": \"relu\"", "activation \"relu\""},
        {"\"2\": \"abstain\"", "\"3\": \"abstain\"", "none with the number 2"},
        {",\n  \"2\": \"abstain\"", "", "classifier.weight has shape [3,48], config.json asks for [2,48]"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++)
        with_config(cases[i].from, cases[i].to, cases[i].says);
    ns_buf_clear(&model);
}

static void damaged_weights_are_told(void **state)
{
    (void)state;
    ns_buf text, model;
    read_golden("config.json", &text);
    read_golden("model.safetensors", &model);
    put_file("config.json", text.at, text.len);
    put_file("model.safetensors", model.at, model.len / 2);
    refused("cut short");
    put_file("model.safetensors", model.at, 7);
    refused("too short");
    put_file("model.safetensors", "", 0);
    refused("too short");
    CHECK_OK(ns_buf_char(&model, 0));
    put_file("model.safetensors", model.at, model.len);
    refused("in the file");
    model.len--;
    static const unsigned char nan[] = {0, 0, 0xc0, 0x7f};
    memcpy(model.at + model.len - 4, nan, 4);
    put_file("model.safetensors", model.at, model.len);
    refused("is no finite number");
    ns_buf_clear(&text);
    ns_buf_clear(&model);
}

/* The golden model under the names of a base model (no "distilbert.", no head) and of TensorFlow's converters. */
static void other_names_are_understood(void **state)
{
    (void)state;
    static ns_encoder_tensor tensors[64];
    static ns_tensor_out out[64];
    static char names[64][NS_ENCODER_TENSOR_NAME];
    char path[256];
    golden g;
    ns_error err;
    ns_encoder_params params, again;
    ns_buf text;
    golden_open(&g, "distilbert");
    CHECK_OK(ns_encoder_params_read(g.folder, &params, &err));
    CHECK_INT(NS_PART_body | NS_PART_layer | NS_PART_head, params.parts);
    const unsigned parts = NS_PART_body | NS_PART_layer;
    size_t count = 0;
    for (; ns_encoder_tensor_at(&params.config, parts, count, &tensors[count]); count++) {
        const ns_encoder_tensor *t = &tensors[count];
        (void)snprintf(names[count], sizeof names[count], "%s", t->name + strlen("distilbert."));
        if (strcmp(names[count], "embeddings.LayerNorm.weight") == 0)
            (void)snprintf(names[count], sizeof names[count], "distilbert.embeddings.LayerNorm.gamma");
        if (strcmp(names[count], "embeddings.LayerNorm.bias") == 0)
            (void)snprintf(names[count], sizeof names[count], "distilbert.embeddings.LayerNorm.beta");
        out[count] =
            (ns_tensor_out){names[count], NS_DTYPE_F32, t->rank, {t->shape[0], t->shape[1]}, params.block + t->offset};
    }
    path_of(path, "model.safetensors");
    CHECK_OK(ns_safetensors_write(path, out, count, "pt", &err));
    ns_buf_init(&text, 1 << 20);
    CHECK_OK(ns_encoder_config_write(&params.config, false, &text));
    put_file("config.json", text.at, text.len);
    CHECK_OK(ns_encoder_params_read(folder, &again, &err));
    CHECK_INT(parts, again.parts);
    CHECK(memcmp(again.block, params.block, again.count * sizeof(float)) == 0);
    CHECK(memcmp(&again.config, &params.config, sizeof again.config) == 0);
    ns_encoder *encoder;
    CHECK_OK(ns_encoder_new(&again, &(ns_encoder_options){NS_PATH_portable_fp32, 1, 0}, &encoder, &err));
    CHECK(!ns_encoder_has_head(encoder));
    float *hidden = golden_floats(g.tokens * g.channels);
    CHECK_OK(ns_encoder_run(encoder, &g.windows, &(ns_encoded){.hidden = hidden}, &err));
    CHECK(golden_distance(g.hidden, hidden, g.tokens * g.channels) <= 1e-4);
    ns_free(hidden);
    ns_encoder_free(encoder);
    ns_buf_clear(&text);
    ns_encoder_params_clear(&params);
    ns_encoder_params_clear(&again);
    golden_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_weights_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_names_are_understood, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
