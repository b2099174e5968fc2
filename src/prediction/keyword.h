/*
 * The keyword predictor: a table of phrases that failing builds print, weighed and added up. The baseline that every
 * model has to beat, and what answers when a model is absent or bad.
 *
 * It reads line by line in bounded memory, knows nothing of where a log was cut, and ignores the lines that only repeat
 * the verdict. Lines whose template stands in a reference (an earlier green log of the same job) count little.
 * Implements flow/predictor.h; the predictor is used by one thread.
 */
#ifndef NS_PREDICTION_KEYWORD_H
#define NS_PREDICTION_KEYWORD_H

#include "flow/predictor.h"

/* Ceilings of one reading. */
#define NS_KEYWORD_LINE_MAX      4096 /* bytes of a line that are looked at; the rest is passed over */
#define NS_KEYWORD_TEMPLATES_MAX 8192 /* distinct suspicious templates remembered; later ones count no more */

/* The alarm: from this probability up the decision is `failure`. */
#define NS_KEYWORD_THRESHOLD 0.6

/* NS_NO_MEMORY. Free with out->free(out->self). */
NS_MUST_USE ns_status ns_keyword_predictor_new(ns_predictor *out, ns_error *err);

#endif
