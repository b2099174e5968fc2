/* Between wordpiece.c and wordpiece_load.c. */
#ifndef NS_PREDICTION_WORDPIECE_INSIDE_H
#define NS_PREDICTION_WORDPIECE_INSIDE_H

#include "prediction/wordpiece.h"

/* pieces[i] gets the number i; all are copied. */
NS_MUST_USE ns_status ns_wordpiece_make(const char *name, const ns_text *pieces, size_t count, const char *unknown,
                                        const ns_bert_rules *rules, ns_wordpiece **out, ns_error *err);

#endif
