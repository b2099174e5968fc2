/*
 * Green builds as references: when one ends well its log is what later builds of its job are compared with. After a
 * restart the newest ones are read back from the store.
 */
#ifndef NS_DAEMON_GREENS_H
#define NS_DAEMON_GREENS_H

#include "daemon/house.h"

/* Before the first text of a pipeline's builds is read: hands the scorer the stored logs of its last green builds.
 * Does something once per pipeline. */
void ns_greens_restore(ns_house *house, const ns_pipeline_view *view, ns_track *track);

/* Each tick: builds that have ended well, and whose log was read to its end, become references. */
void ns_greens_note(ns_house *house, const ns_pipeline_view *view, ns_track *track);

#endif
