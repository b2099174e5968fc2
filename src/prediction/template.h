/*
 * The template of a log line: what stays of it when the same thing is printed by the next build.
 *
 * Scorers and the encoder read template text, and lines of two logs are compared by its hash, so whatever changes from
 * build to build without meaning anything has to go here:
 *
 *     numbers, versions, dates, addresses   1, and 0 for a whole number that is zero: "Failures: 0" is not "Failures:
 * 1" durations, sizes                      1s, 1B, whatever unit they were printed in hashes, UUIDs, object ids, base64
 * # absolute paths                        / and the last part; URLs: scheme, host, last part temporary names tmp#
 *     progress dots, bars                   "." with F and E kept, [=]
 *     downloads, installed packages         the verb and ~
 *     lists of numbers, repeated signs      one of them
 *
 * Letters keep their case. Pure functions of the bytes, no allocation.
 */
#ifndef NS_PREDICTION_TEMPLATE_H
#define NS_PREDICTION_TEMPLATE_H

#include "base/text.h"

/* Bytes of a template; what a longer line says further on is not told apart. */
#define NS_TEMPLATE_MAX 384

/* Grows whenever a line's template may come out differently: files that hold templates or their hashes carry it. */
#define NS_TEMPLATE_VERSION 2

/* Writes the template of a cleaned line (behind its time stamps) into out; the view is well-formed UTF-8, at most
 * NS_TEMPLATE_MAX bytes, empty only for a line without anything visible. */
ns_text ns_template_text(ns_text line, char out[NS_TEMPLATE_MAX]);

/* Never 0. */
uint64_t ns_template_hash(ns_text template_text);

#endif
