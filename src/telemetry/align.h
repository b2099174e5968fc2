/*
 * One record of one pipeline at one tick, cut from the snapshot in which every value has its own age.
 *
 * Pure: reads only, no clock of its own. A source is fresh when its state is ok and its last good answer is at most
 * stale_after_ms older than the tick; what comes from a source that is not fresh is missing, while its age goes on
 * growing. An answer that arrived while the tick was being gathered counts as age 0.
 */
#ifndef NS_TELEMETRY_ALIGN_H
#define NS_TELEMETRY_ALIGN_H

#include "flow/record.h"

/*
 * last_* : the last completed build.  running_* : the newest running build; running_builds is 0 when there is none.
 * estimated, tests, changes, stages, log_bytes: of the running build, or of the last completed one when none runs.
 * fail_probability is NAN and case_id 0: the caller knows them. stale_after_ms > 0. out is overwritten whole.
 */
void ns_align(const ns_snapshot *snapshot, const ns_pipeline_view *view, int64_t tick_ms, int64_t stale_after_ms,
              ns_record *out);

#endif
