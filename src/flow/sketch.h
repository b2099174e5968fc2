/*
 * What is kept of an earlier green log of a job: the templates it printed. A line whose template stands here has been
 * survived before.
 */
#ifndef NS_FLOW_SKETCH_H
#define NS_FLOW_SKETCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct ns_sketch {
    uint32_t version;      /* of the templates: sketches of another version mean nothing */
    uint64_t content;      /* hash of all that follows: equal sketches are equal */
    int64_t lines;         /* readable lines of the log */
    size_t count;          /* distinct templates */
    const uint64_t *forms; /* (count) their hashes, ascending */
} ns_sketch;

#endif
