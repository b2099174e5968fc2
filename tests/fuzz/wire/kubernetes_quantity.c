/* Any bytes as a quantity: a finite number or none. */
#include "wire/kubernetes_quantity.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double value = 0;
    if (ns_kubernetes_quantity((ns_text){(const char *)data, size}, &value))
        NS_CHECK(isfinite(value));
    return 0;
}
