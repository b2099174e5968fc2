/*
 * Which predictor answers: the model that was asked for, the shipped one, or the keyword rule in its place.
 */
#ifndef NS_PREDICTION_PREDICTOR_OPEN_H
#define NS_PREDICTION_PREDICTOR_OPEN_H

#include "flow/predictor.h"

typedef struct ns_predictor_choice {
    const char *model;     /* model folder; NULL or "": the shipped one where it is there */
    const char *code_path; /* a name of flow/prediction.h, "keyword" included; NULL or "": the quickest there is */
    bool without_encoder;  /* leave the model's encoder out: its judge has heads for that too */
} ns_predictor_choice;

/*
 * Opens the predictor; free it with out->free(out->self).
 *
 * Errors: NS_BAD_USAGE (no such code path, or this machine does not have it), NS_IO, NS_BAD_INPUT, NS_CORRUPT,
 * NS_TOO_LARGE (the model folder cannot be used; the message says which file and why), NS_NO_MEMORY.
 * Without a model asked for and without a shipped one, the keyword rule is opened with out->fallback set and
 * the reason in *err, and NS_OK returned.
 */
NS_MUST_USE ns_status ns_predictor_open(const ns_predictor_choice *choice, ns_predictor *out, ns_error *err);

/* The keyword rule in the place of a model: fallback is set. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_predictor_open_fallback(ns_predictor *out, ns_error *err);

/* The shipped model's folder into out; false: there is none. $NEUROSHIELD_MODELS/predictor if that is set, else
 * models/predictor beside the build folder or share/neuroshield/models/predictor of the installation. */
bool ns_shipped_model(char out[4096]);

#endif
