/* Any bytes as the value of a Warning header: texts that can be printed, and an end. */
#include "wire/kubernetes_warning.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ns_text rest = {(const char *)data, size};
    char text[NS_KUBERNETES_WARNING_MAX];
    size_t before = rest.len + 1;
    while (ns_kubernetes_warning_next(&rest, text)) {
        NS_CHECK(rest.len < before && rest.at + rest.len == (const char *)data + size);
        before = rest.len;
        NS_CHECK(memchr(text, '\0', sizeof text) != NULL);
        for (const char *c = text; *c != '\0'; c++)
            NS_CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
    }
    return 0;
}
