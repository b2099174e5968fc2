/*
 * From a Deployment's name to the pipelines that deploy it: how answers find their views among thousands.
 * Private to this room; loop thread only.
 */
#ifndef NS_TELEMETRY_DEPLOYMENT_INDEX_H
#define NS_TELEMETRY_DEPLOYMENT_INDEX_H

#include "flow/snapshot.h"

typedef struct ns_deployment_index ns_deployment_index;

NS_MUST_USE ns_deployment_index *ns_deployment_index_new(void);
void ns_deployment_index_free(ns_deployment_index *index);

/* Reads the pipelines' deployments anew. On NS_NO_MEMORY the index is empty. */
ns_status ns_deployment_index_build(ns_deployment_index *index, const ns_snapshot *snapshot);

/* Writes the value into every pipeline of that Deployment. False: one of them has a value of this signal already. */
bool ns_deployment_index_put(ns_deployment_index *index, ns_text deployment, ns_signal signal, ns_value value);

#endif
