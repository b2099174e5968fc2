/*
 * One log file through a predictor, and its answer as JSON: what `predict` does once and `predict --batch` many times.
 */
#ifndef NS_CLI_PREDICT_LOG_H
#define NS_CLI_PREDICT_LOG_H

#include "flow/predictor.h"
#include "prediction/sketch_cache.h"
#include "telemetry/redact.h"
#include "wire/json.h"

/* A predictor and what it needs beside it; one thread. */
typedef struct ns_log_teller {
    ns_predictor predictor;
    ns_sketch_cache *cache; /* borrowed; may be shared between tellers */
    ns_redactor *redactor;
} ns_log_teller;

/* Reads the log ("-": standard input) and its references, and predicts. Nothing but their bytes counts. Errors are
 * those of ns_log_file_read, and NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_tell_log(const ns_log_teller *teller, const char *log, const char *const *references,
                                  size_t reference_count, ns_prediction *out, ns_error *err);

/* The object of CONTRACT.md. id: any JSON value. */
void ns_put_prediction_answer(ns_json_writer *w, const ns_log_teller *teller, const json_t *id,
                              const ns_prediction *prediction);

#endif
