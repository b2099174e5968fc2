/*
 * A predictor that also counts the words it reads which its model never learnt from; for all else the one inside
 * answers.
 */
#ifndef NS_PREDICTION_WORD_WATCH_H
#define NS_PREDICTION_WORD_WATCH_H

#include "flow/predictor.h"
#include "prediction/known_words.h"

/* *predictor and *words become the watch's, also when it fails; *predictor is then the watch. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_word_watch_around(ns_predictor *predictor, ns_known_words *words, ns_error *err);

#endif
