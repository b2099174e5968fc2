/*
 * What was scaled up, and its way back to n.
 *
 * Pods that a scale_up of ours added are owed: written down before its acknowledgement is, read back after a restart,
 * and taken back when it has been calm for long enough. Taking them back is a small case of its own whose only attempt
 * carries `undo`: prepared, committed, sent and reconciled like any other effect. Where somebody else has chosen a
 * number since, or an autoscaler has taken over, the pods stay, and that is told. Part of the tick: no I/O but rows.
 */
#ifndef NS_DAEMON_SCALED_H
#define NS_DAEMON_SCALED_H

#include "daemon/pipeline.h"

/* An effect was acknowledged, by an answer or by reading. Of a scale_up: its pods are owed from now on. To be called
 * before the rows that say so are put. */
void ns_scaled_note(ns_house *house, ns_track *track, const ns_effect *effect);

/* Without an open case: does what is owed still stand, and is it time to take it back? May open a case. */
void ns_scaled_watch(ns_house *house, ns_step *step, int64_t now_ms);

/* A case that was opened to take pods back, and for nothing else. */
bool ns_scaled_case(const ns_case *a_case);
/* Moves such a case, the open one, on. */
void ns_scaled_settle(ns_house *house, ns_step *step, int64_t now_ms);

/* Whether the open case's attempt to take pods back was sent could not be told: nothing more is done about them. */
void ns_scaled_unsure(ns_house *house, ns_track *track);

/* At start: what is still owed, into the tracks. */
NS_MUST_USE ns_status ns_scaled_read_back(ns_house *house, ns_error *err);

#endif
