/*
 * Sketches of reference files, made once: by what the file holds, and by which file it is where that is safe.
 *
 * Any thread. Two files with the same text share a sketch; a file that was written to within the last two seconds is
 * read again, since its time stamps could not tell. Bounded: the sketches made longest ago make room.
 */
#ifndef NS_PREDICTION_SKETCH_CACHE_H
#define NS_PREDICTION_SKETCH_CACHE_H

#include "prediction/sketch.h"

typedef struct ns_sketch_cache ns_sketch_cache;

/* ceiling: bytes of sketches kept that nobody uses. NULL: no memory. */
NS_MUST_USE ns_sketch_cache *ns_sketch_cache_new(size_t ceiling);
/* All sketches must have been given back. */
void ns_sketch_cache_free(ns_sketch_cache *cache);

/* The sketch of a log file (base/unpack.h), to be given back with _return. Errors are those of ns_log_file_read. */
NS_MUST_USE ns_status ns_sketch_cache_get(ns_sketch_cache *cache, const char *path, const ns_sketch **out,
                                          ns_error *err);
void ns_sketch_cache_return(ns_sketch_cache *cache, const ns_sketch *sketch);

#endif
