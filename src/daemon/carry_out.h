/*
 * Carrying out what a tick wants: rows into the store, news into the feed, and the dance of prepare, commit, send and
 * reconcile with the hands. Nothing leaves before its intent row is on disk.
 */
#ifndef NS_DAEMON_CARRY_OUT_H
#define NS_DAEMON_CARRY_OUT_H

#include "daemon/pipeline.h"

/* After a tick: its steps, in order. */
void ns_carry_out(ns_house *house, ns_step *steps, size_t count);

/* Does what the open case of this pipeline wants next, as far as it can be done now. */
void ns_carry_on(ns_house *house, ns_pipeline_view *view, ns_track *track);

/* The writer reported: intents that are on disk now may be sent. Loop thread. */
void ns_carry_committed(ns_house *house);

/* The open case of this track was read back from the store and has heard of the restart: stores what became of it. */
void ns_carry_read_back(ns_house *house, ns_track *track);

/* Stores the case and tells the feed; a closed one is given up. */
void ns_carry_case(ns_house *house, ns_track *track);

#endif
