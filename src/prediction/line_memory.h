/* The templates met in a log, with what each line of them says. Bounded; one thread; grows by doubling. */
#ifndef NS_PREDICTION_LINE_MEMORY_H
#define NS_PREDICTION_LINE_MEMORY_H

#include "base/status.h"
#include "prediction/judge_recent.h"

typedef struct ns_line_memory_slot {
    uint64_t hash; /* of the template, never 0 (template.h); 0: the slot is free */
    ns_recent_line says;
} ns_line_memory_slot;

typedef struct ns_line_memory {
    ns_line_memory_slot *slot;
    size_t size; /* power of two, or 0 */
    size_t count;
    size_t ceiling; /* count never grows above this */
} ns_line_memory;

void ns_line_memory_init(ns_line_memory *memory, size_t ceiling);
void ns_line_memory_clear(ns_line_memory *memory);

/* NULL: not met. */
const ns_recent_line *ns_line_memory_find(const ns_line_memory *memory, uint64_t hash);
/* A template not met yet. NS_TOO_LARGE: full; NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_line_memory_put(ns_line_memory *memory, uint64_t hash, const ns_recent_line *says);

#endif
