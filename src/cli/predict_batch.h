/*
 * predict --batch -: requests and answers as JSON Lines. Each answer is written as soon as it is known, in any order;
 * a request that cannot be answered gets {"id","error"}.
 */
#ifndef NS_CLI_PREDICT_BATCH_H
#define NS_CLI_PREDICT_BATCH_H

#include "cli/options.h"
#include "prediction/predictor_open.h"

#define NS_BATCH_THREADS_MAX 64

/* Reads standard input to its end. Returns the exit status: 0 every request was answered, 1 some were not. first: the
 * predictor of the first thread, already open and taken; the others open their own by the same choice. */
int ns_predict_batch(const ns_options *options, const ns_predictor_choice *choice, const ns_predictor *first,
                     int threads);

#endif
