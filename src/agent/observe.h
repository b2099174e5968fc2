/*
 * Observe: what is known about one pipeline now, as the state vector of flow/state.h.
 *
 * Pure. Missing, stale and younger-than-now values are absent (0 with their presence bit clear), never guessed.
 */
#ifndef NS_AGENT_OBSERVE_H
#define NS_AGENT_OBSERVE_H

#include "flow/case.h"
#include "flow/prediction.h"
#include "flow/snapshot.h"
#include "flow/state.h"

typedef struct ns_sight {
    const ns_snapshot *snapshot;
    const ns_pipeline_view *view;
    const ns_build *build;           /* running or just finished; NULL none */
    const ns_prediction *prediction; /* of that build; NULL none; ignored when known_at_ms > now_ms */
    const ns_case *open_case;        /* NULL none */
    int32_t failure_streak;          /* completed builds that failed in a row, up to the last completed; -1 unknown */
    ns_cause symptom;                /* what the Deployment's measurements mean; none: nothing, see the prediction */
    int64_t now_ms;                  /* world time of the decision */
    int64_t stale_after_ms;          /* values older than this are absent; <= 0: no value is too old */
} ns_sight;

void ns_observe(const ns_sight *sight, ns_state *out);

#endif
