/* Any bytes as a .env file: read or refused with a line, never more. */
#include "base/config.h"
#include "base/mem.h"

static const ns_key keys[] = {
    {"url", "A_URL", NS_KEY_string, NULL, 0, 0, NULL, false, ""},
    {"token", "A_TOKEN", NS_KEY_string, NULL, 0, 0, NULL, true, ""},
    {"count", "A_COUNT", NS_KEY_integer, "1", -5, 5, NULL, false, ""},
    {"names", "A_NAMES", NS_KEY_list, NULL, 0, 0, NULL, false, ""},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t before = ns_mem_live();
    ns_config *config = NULL;
    ns_error err = {0};
    if (ns_config_new(keys, NS_COUNT_OF(keys), NULL, 0, &config, &err) != NS_OK)
        return 0;
    const ns_status status = ns_config_read_dotenv(config, "/n/.env", (ns_text){(const char *)data, size}, &err);
    NS_CHECK(status == NS_OK || status == NS_BAD_USAGE);
    NS_CHECK(status == NS_OK || err.text[0] == '/');
    ns_config_free(config);
    NS_CHECK(ns_mem_live() == before);
    return 0;
}
