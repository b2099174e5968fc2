/* Any bytes as configuration YAML: read or refused with a line, never more. */
#include "base/config.h"
#include "base/mem.h"

static const ns_key keys[] = {
    {"jenkins.url", NULL, NS_KEY_string, NULL, 0, 0, NULL, false, ""},
    {"jenkins.jobs", NULL, NS_KEY_list, NULL, 0, 0, NULL, false, ""},
    {"jenkins.token", NULL, NS_KEY_string, NULL, 0, 0, NULL, true, ""},
    {"a.b.c.d", NULL, NS_KEY_integer, "1", -5, 5, NULL, false, ""},
    {"a.b.e", NULL, NS_KEY_real, "1", -5, 5, NULL, false, ""},
    {"mode", NULL, NS_KEY_word, "x", 0, 0, "x|y", false, ""},
    {"interval", NULL, NS_KEY_duration, "1", 0, 100, NULL, false, ""},
    {"size", NULL, NS_KEY_bytes, "1", 0, 1e15, NULL, false, ""},
    {"on", NULL, NS_KEY_boolean, "true", 0, 0, NULL, false, ""},
    {"path", NULL, NS_KEY_path, NULL, 0, 0, NULL, false, ""},
};
static const ns_key fields[] = {{.name = "name", .type = NS_KEY_string}, {.name = "job", .type = NS_KEY_string}};
static const ns_key_table tables[] = {{"pipelines", fields, 2, 4, "job"}};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t before = ns_mem_live();
    ns_config *config = NULL;
    ns_error err = {0};
    if (ns_config_new(keys, NS_COUNT_OF(keys), tables, NS_COUNT_OF(tables), &config, &err) != NS_OK)
        return 0;
    const ns_text text = {(const char *)data, size};
    const ns_status status = ns_config_read_yaml(config, "/nowhere/n.yaml", text, &err);
    NS_CHECK(status == NS_OK || status == NS_BAD_USAGE);
    NS_CHECK(status == NS_OK || err.text[0] == '/');
    for (size_t i = 0; status == NS_OK && i < NS_COUNT_OF(keys); i++)
        NS_CHECK(ns_config_origin(config, i)[0] != '\0');
    for (size_t row = 0; status == NS_OK && row < ns_config_rows(config, 0); row++)
        NS_CHECK(ns_config_cell(config, 0, row, 1) != NULL);
    ns_config_free(config);
    NS_CHECK(ns_mem_live() == before);
    return 0;
}
