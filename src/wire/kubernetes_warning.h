/*
 * The header `Warning: 299 - "text"` of a cluster's API: what is deprecated, or odd about a request (RFC 7234 section
 * 5.5; Kubernetes sends warn-code 299 only). Pure.
 */
#ifndef NS_WIRE_KUBERNETES_WARNING_H
#define NS_WIRE_KUBERNETES_WARNING_H

#include "base/text.h"

#define NS_KUBERNETES_WARNING_MAX 257

/* Takes the next warning off a header's value (several stand between commas). text: without quotes and escapes, what
 * cannot be printed as blanks, cut at its end. False: there is no more, or the rest is no warning. */
NS_MUST_USE bool ns_kubernetes_warning_next(ns_text *rest, char text[NS_KUBERNETES_WARNING_MAX]);

#endif
