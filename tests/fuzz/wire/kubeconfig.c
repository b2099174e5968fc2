/* Any bytes as a kubeconfig: it is refused with a message, or gives an address. No file but this is read. */
#include "wire/kubernetes_access.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ns_kubernetes_access access;
    ns_error err = {.status = NS_OK};
    if (ns_kubernetes_access_read((ns_text){(const char *)data, size}, NULL, &access, &err) == NS_OK) {
        NS_CHECK(access.server != NULL && access.context != NULL);
        ns_kubernetes_access_clear(&access);
    } else {
        NS_CHECK(err.text[0] != '\0');
    }
    return 0;
}
