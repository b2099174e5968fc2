/* Sketches of green logs: made from the log's text, asked for a template, written and read. Any thread. */
#ifndef NS_PREDICTION_SKETCH_H
#define NS_PREDICTION_SKETCH_H

#include "base/text.h"
#include "flow/sketch.h"

#define NS_SKETCH_FORMS_MAX 262144 /* distinct templates kept of one log; later ones are left out */

/* NULL: no memory. Free with ns_sketch_free. */
NS_MUST_USE ns_sketch *ns_sketch_of_log(ns_text log);
void ns_sketch_free(ns_sketch *sketch); /* NULL allowed */

bool ns_sketch_has(const ns_sketch *sketch, uint64_t hash);
/* Does any of them have it? */
bool ns_sketches_have(const ns_sketch *const *sketches, size_t count, uint64_t hash);

#endif
