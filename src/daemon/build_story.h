/*
 * One build as the API tells it: its row, its risk curve, when it was alarmed, and what people said about it; and
 * taking in what they say. Loop thread only.
 */
#ifndef NS_DAEMON_BUILD_STORY_H
#define NS_DAEMON_BUILD_STORY_H

#include "daemon/house.h"

/* Appends {"schema","build","alarm":{"first_at","lead_s"},"predictions":[...],"verdicts":[...]}, oldest first. alarm is
 * null when it was never alarmed while it ran. NS_NOT_FOUND: this build is not stored; others from the store. */
NS_MUST_USE ns_status ns_build_story(const ns_house *house, const char *job, int64_t number, ns_buf *out,
                                     ns_error *err);

/*
 * A person's word: {"cause": name} says why the build failed, {"line": n, "telling": true|false} whether line n of its
 * stored log shows it; one of the two or both. Kept for good, audited, learnt from by `train predictor`. Appends the
 * row as JSON. NS_BAD_INPUT: not such an object, neither, or no such line; NS_NOT_FOUND: this build or its log is not
 * stored; NS_IO: the store cannot be written.
 */
NS_MUST_USE ns_status ns_build_judged(ns_house *house, const char *job, int64_t number, const char *actor, ns_text body,
                                      ns_buf *out, ns_error *err);

#endif
