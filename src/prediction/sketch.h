/* Sketches of green logs: made from the log's text, asked for a template, written and read. Any thread. */
#ifndef NS_PREDICTION_SKETCH_H
#define NS_PREDICTION_SKETCH_H

#include "base/text.h"
#include "flow/sketch.h"
#include "prediction/hash_set.h"
#include "prediction/log_lines.h"

#define NS_SKETCH_FORMS_MAX 262144 /* distinct templates kept of one log; later ones are left out */

/* NULL: no memory. Free with ns_sketch_free. */
NS_MUST_USE ns_sketch *ns_sketch_of_log(ns_text log);
void ns_sketch_free(ns_sketch *sketch); /* NULL allowed */

/* A sketch of a log that grows: feed its text in order, then finish once. One thread per builder. */
typedef struct ns_sketch_builder {
    ns_log_lines lines;
    ns_hash_set set;
    int64_t count; /* readable lines */
} ns_sketch_builder;

void ns_sketch_builder_init(ns_sketch_builder *builder);
void ns_sketch_builder_clear(ns_sketch_builder *builder);
NS_MUST_USE ns_status ns_sketch_builder_feed(ns_sketch_builder *builder, ns_text text); /* NS_NO_MEMORY */
/* Clears the builder. NULL: no memory. */
NS_MUST_USE ns_sketch *ns_sketch_builder_finish(ns_sketch_builder *builder);
/* NULL: no memory. */
NS_MUST_USE ns_sketch *ns_sketch_copy(const ns_sketch *sketch);

bool ns_sketch_has(const ns_sketch *sketch, uint64_t hash);
/* Does any of them have it? */
bool ns_sketches_have(const ns_sketch *const *sketches, size_t count, uint64_t hash);

#endif
