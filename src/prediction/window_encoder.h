/*
 * The encoder as a reader of windows: WordPiece, the encoder, and its two heads.
 *
 * The model's labels are 1 + NS_CAUSE_COUNT: first the log-odds that the line is evidence of failure, then one for each
 * cause in the order of flow/cause.h (softmax).
 */
#ifndef NS_PREDICTION_WINDOW_ENCODER_H
#define NS_PREDICTION_WINDOW_ENCODER_H

#include "prediction/encoder.h"
#include "prediction/window_reader.h"

/* Whether the folder holds an encoder at all (config.json); a model may do without. */
bool ns_window_encoder_is_in(const char *folder);

/* From a model folder: config.json, model.safetensors and the vocabulary. NS_BAD_INPUT, NS_CORRUPT, NS_TOO_LARGE: a
 * file is missing, damaged, or the parts do not belong together (a vocabulary that is not the embedding's, other
 * labels); NS_NO_MEMORY. threads: 1..64. Free with out->free(out->self). */
NS_MUST_USE ns_status ns_window_encoder_open(const char *folder, ns_code_path path, size_t threads,
                                             ns_window_reader *out, ns_error *err);

#endif
