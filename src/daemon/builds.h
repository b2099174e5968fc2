/*
 * The builds of interest: noticed when they appear, counted when they end, forgotten when nothing hangs on them.
 */
#ifndef NS_DAEMON_BUILDS_H
#define NS_DAEMON_BUILDS_H

#include "daemon/pipeline.h"

/* Notes what the snapshot says about this pipeline's builds. Part of the tick: no I/O. */
void ns_builds_note(ns_house *house, ns_step *step, int64_t now_ms);

/* Rows and news of what changed; forgets what is done with. */
void ns_builds_store(ns_house *house, ns_step *step, int64_t now_ms);

#endif
