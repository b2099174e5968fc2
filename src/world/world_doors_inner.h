/* What the two files of the world's doors share. */
#ifndef NS_WORLD_DOORS_INNER_H
#define NS_WORLD_DOORS_INNER_H

#include "world/world_doors.h"

void ns_world_read_deployment(const ns_world *world, size_t deployment, ns_deployment_view *out);
/* Could it be done now? Fills the answer's baseline, or its error. */
NS_MUST_USE ns_status ns_world_can_change(const ns_world *world, const ns_effect *effect, ns_effect_answer *answer);
/* Does it, unless the Deployment was changed since the baseline was read. */
NS_MUST_USE ns_status ns_world_change(ns_world *world, const ns_effect *effect, const ns_world_request *request,
                                      ns_error *err);

#endif
