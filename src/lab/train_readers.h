/*
 * The encoders of a predictor in training: two halves for the judge's examples, each learnt from one half of the
 * projects and reading the logs of the other; and the one that ships, learnt from all.
 *
 * So a judge learns what an encoder says of projects it never saw, as it will be used. The halves stand in hidden
 * folders of the model's until the whole is done, so that a command that was killed goes on.
 */
#ifndef NS_LAB_TRAIN_READERS_H
#define NS_LAB_TRAIN_READERS_H

#include "lab/train_encoder.h"
#include "lab/train_predictor.h"

typedef struct ns_reader_recipe {
    ns_train_encoder_options encoder; /* folder: the model's */
    const char *vocabulary_family;    /* word pieces only from logs whose family starts with this; NULL all */
} ns_reader_recipe;

/* The one that ships, from the logs in use, into the recipe's folder. Errors as ns_train_encoder. */
NS_MUST_USE ns_status ns_train_reader(const ns_line_table *table, const bool *use, const ns_reader_recipe *recipe,
                                      ns_train_encoder_result *result, ns_error *err);

typedef struct ns_half_readers {
    ns_window_reader reader[NS_TRAIN_READERS];
    uint8_t *unseen; /* (projects) */
    ns_train_encoder_result result[NS_TRAIN_READERS];
    ns_train_readers readers; /* of these, for ns_train_predictor */
} ns_half_readers;

/* Errors as ns_train_encoder; nothing is left to clear then. */
NS_MUST_USE ns_status ns_train_half_readers(const ns_line_table *table, const bool *use, const ns_reader_recipe *recipe,
                                            ns_half_readers *out, ns_error *err);
void ns_half_readers_clear(ns_half_readers *halves); /* a zeroed one is allowed */

/* Removes what the halves left in the model's folder. */
void ns_half_readers_forget(const ns_reader_recipe *recipe);

#endif
