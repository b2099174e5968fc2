/* Any bytes as config.json: read or refused, and what was read is written so that it reads the same again. */
#include "base/mem.h"
#include "prediction/encoder_config.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t before = ns_mem_live();
    static ns_encoder_config config, again;
    ns_error err = {0};
    memset(&again, 0, sizeof again);
    const ns_status status = ns_encoder_config_read((ns_text){(const char *)data, size}, "fuzzed", &config, &err);
    NS_CHECK(status != NS_OK || (config.channels % config.heads == 0 && config.labels <= NS_ENCODER_LABELS_MAX));
    NS_CHECK(status == NS_OK || err.text[0] == 'f');
    if (status == NS_OK) {
        ns_buf text;
        ns_buf_init(&text, 1 << 20);
        NS_CHECK(ns_encoder_config_write(&config, true, &text) == NS_OK);
        /* Two labels of one name make a label2id that cannot be read back; ours are told apart. */
        const ns_status back = ns_encoder_config_read(ns_buf_view(&text), "fuzzed", &again, &err);
        NS_CHECK(back == NS_BAD_INPUT || (again.layers == config.layers && again.vocabulary == config.vocabulary));
        ns_buf_clear(&text);
        ns_encoder_tensor tensor;
        size_t n = 0, floats = 0;
        for (; ns_encoder_tensor_at(&config, 15, n, &tensor); n++) {
            NS_CHECK(tensor.offset == floats);
            floats += tensor.count;
        }
        NS_CHECK(floats == ns_encoder_floats(&config, 15));
    }
    NS_CHECK(ns_mem_live() == before);
    return 0;
}
