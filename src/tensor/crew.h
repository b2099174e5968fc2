/*
 * A few threads that work on one thing together: the caller and size - 1 helpers.
 *
 * Between two pieces of work the helpers sleep; within one they meet at ns_crew_meet, where a thread looks for the
 * others for some microseconds and then sleeps too, so a crew on a busy machine burns no time. Work is handed out by
 * one thread at a time, the one that owns the crew.
 */
#ifndef NS_TENSOR_CREW_H
#define NS_TENSOR_CREW_H

#include "base/status.h"

enum { NS_CREW_MAX = 64 };

typedef struct ns_crew ns_crew;
typedef void (*ns_crew_work)(void *self, size_t rank); /* rank 0: the caller */

/* size 1..NS_CREW_MAX: threads, the caller included; 1 starts none. NS_NO_MEMORY, NS_IO (no thread could be started).
 */
NS_MUST_USE ns_status ns_crew_new(size_t size, ns_crew **out, ns_error *err);
void ns_crew_free(ns_crew *crew); /* NULL is allowed */
size_t ns_crew_size(const ns_crew *crew);

/* work(self, rank) once on every thread; returns when all are done. Allocates nothing. */
void ns_crew_run(ns_crew *crew, ns_crew_work work, void *self);

/* Called by every rank the same number of times within its work: none goes on before all are here. What each wrote
 * before is seen by all after. */
void ns_crew_meet(ns_crew *crew);

#endif
