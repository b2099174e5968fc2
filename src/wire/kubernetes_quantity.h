/* Kubernetes' quantities: "300m" CPUs, "500Mi" bytes, "1e3", "123456789n" (reference: apimachinery, resource.Quantity).
 */
#ifndef NS_WIRE_KUBERNETES_QUANTITY_H
#define NS_WIRE_KUBERNETES_QUANTITY_H

#include "base/text.h"

/* A decimal number with at most one suffix of n u m k M G T P E Ki Mi Gi Ti Pi Ei, or an exponent e or E. False (out
 * untouched) for anything else, and for what does not fit a double. */
NS_MUST_USE bool ns_kubernetes_quantity(ns_text text, double *out);

#endif
