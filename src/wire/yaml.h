/*
 * YAML as a JSON value: for files of other programs (kubeconfig), whose shape is theirs.
 *
 * One document. Aliases, anchors, tags, duplicate keys, nesting deeper than 32 and more than 100,000 values are
 * refused. A plain true or false is a boolean and a plain null, ~ or nothing is null; every other scalar is a text, so
 * that no digit of a token is lost. (JSON is YAML: it is read by the same function.)
 */
#ifndef NS_WIRE_YAML_H
#define NS_WIRE_YAML_H

#include "base/text.h"

#include <jansson.h>

/* *out: a new reference. NS_BAD_INPUT names the line and never repeats what stands there. */
NS_MUST_USE ns_status ns_yaml_read(ns_text text, json_t **out, ns_error *err);

#endif
