/*
 * Watching the Deployments: cases that no failed build opened, whether an action on a Deployment helped, and which
 * templates have proved good here. Part of the tick: no I/O but rows put.
 */
#ifndef NS_DAEMON_CLUSTER_WATCH_H
#define NS_DAEMON_CLUSTER_WATCH_H

#include "daemon/pipeline.h"

/* A case that symptoms opened: no build decides about it. */
bool ns_cluster_case(const ns_case *a_case);

/* Looks at the pipeline's Deployment. May open a case, move the open one on, or begin taking a scale_up back. */
void ns_cluster_watch(ns_house *house, ns_step *step, int64_t now_ms);

/* A new case of the step's Deployment; step->track->open_case stays NULL when there is no memory. */
void ns_cluster_open_case(ns_house *house, ns_step *step, ns_cause cause, int64_t first_bad_ms, int64_t now_ms);

/* The facts are younger than the open case's request, and say that the rollout it led to has come to its end. */
bool ns_cluster_rolled_out(const ns_step *step);

/* The open case is a Deployment's that is not known to do badly just now: it is waited for what is seen next. */
bool ns_cluster_waits(const ns_step *step);

/* What the hands may do to each pipeline's Deployment, as the cluster tells; before each tick. */
void ns_cluster_ask_rights(ns_house *house);

/* The actions on a Deployment that the open case could use now, if they were permitted. */
ns_action_mask ns_cluster_possible(const ns_house *house, const ns_step *step, int64_t now_ms);

/* Fills in what an action on a Deployment needs: replicas, or the template to go back to. */
void ns_cluster_fill(const ns_house *house, const ns_step *step, ns_effect *effect);

#endif
