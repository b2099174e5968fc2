/* URLs and queries on any bytes; what was understood must print and read back as the same. */
#include "base/mem.h"
#include "wire/url.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void base_url(ns_text text)
{
    char *copy = ns_strndup(text.at, text.len);
    char printed[1400];
    ns_url url, again;
    ns_error err;
    if (ns_url_parse(copy, &url, &err) == NS_OK) {
        ns_url_print(&url, printed, sizeof printed);
        NS_CHECK(ns_url_parse(printed, &again, &err) == NS_OK);
        NS_CHECK(strcmp(url.scheme, again.scheme) == 0 && strcmp(url.host, again.host) == 0);
        NS_CHECK(url.port == again.port && strcmp(url.path, again.path) == 0 && !again.had_credentials);
    }
    ns_free(copy);
}

static void escapes(ns_text text)
{
    ns_buf out, back;
    ns_buf_init(&out, 3 * text.len);
    ns_buf_init(&back, text.len);
    NS_CHECK(ns_url_encode(&out, text) == NS_OK);
    NS_CHECK(ns_url_decode(&back, ns_buf_view(&out), true) == NS_OK);
    NS_CHECK(ns_text_same(ns_buf_view(&back), text));
    ns_buf_clear(&out);
    ns_buf_clear(&back);
}

static void query(ns_text text)
{
    ns_buf name, value;
    bool bad;
    ns_text rest = text;
    ns_buf_init(&name, text.len);
    ns_buf_init(&value, text.len);
    for (size_t before = rest.len + 1; ns_query_next(&rest, &name, &value, &bad); before = rest.len)
        NS_CHECK(rest.len < before);
    (void)ns_query_value(text, "a", &value);
    ns_buf_clear(&name);
    ns_buf_clear(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ns_text text = {(const char *)data, size};
    size_t live = ns_mem_live();
    base_url(text);
    escapes(text);
    query(text);
    NS_CHECK(ns_mem_live() == live);
    return 0;
}
