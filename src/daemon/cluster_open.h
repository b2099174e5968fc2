/*
 * How the settings become a real cluster's client, source and hands: for the daemon and the collector.
 *
 * kubernetes.kubeconfig, or kubernetes.in_cluster; neither: no cluster. What is watched: kubernetes.namespace, and
 * every namespace that a pipeline's deployment names.
 */
#ifndef NS_DAEMON_CLUSTER_OPEN_H
#define NS_DAEMON_CLUSTER_OPEN_H

#include "daemon/settings.h"
#include "flow/hands.h"
#include "flow/source.h"
#include "telemetry/redact.h"
#include "wire/kubernetes_client.h"

/* redactor, where there is one, learns the secrets that the configuration holds. *out stays NULL when no cluster is
 * configured. A kubeconfig that only the environment's KUBECONFIG names, and that cannot be used, is told and passed
 * over: other programs' settings must not stop this one. NS_BAD_USAGE, NS_NO_MEMORY. Hand it to ns_kubernetes_free,
 * after source and hands. */
NS_MUST_USE ns_status ns_cluster_client(const ns_settings *settings, struct event_base *loop, ns_redactor *redactor,
                                        ns_kubernetes **out, ns_error *err);

/* redactor NULL: nothing is taken out of what the cluster says. */
NS_MUST_USE ns_status ns_cluster_source(const ns_settings *settings, struct event_base *loop, ns_kubernetes *client,
                                        ns_snapshot *snapshot, const ns_clock *clock, ns_redactor *redactor,
                                        ns_source *out, ns_error *err);
NS_MUST_USE ns_status ns_cluster_hands(const ns_settings *settings, ns_kubernetes *client, ns_hands *out,
                                       ns_error *err);

#endif
