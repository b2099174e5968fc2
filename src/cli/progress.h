/*
 * How far long work has come, on stderr: a bar where a person watches, one line a step where a file does.
 */
#ifndef NS_CLI_PROGRESS_H
#define NS_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ns_progress {
    bool quiet;
    bool terminal;
    char step[64]; /* what is shown now; "" nothing */
    int shown;     /* percent */
} ns_progress;

void ns_progress_init(ns_progress *progress, bool quiet);
/* done of `of` parts of this step are through. Cheap when nothing changes. owner: the ns_progress. */
void ns_progress_told(void *owner, const char *step, size_t done, size_t of);
/* Leaves the last bar standing and ends its line. */
void ns_progress_end(ns_progress *progress);

#endif
