/*
 * What the hands may do in a cluster, known before they try: SelfSubjectAccessReviews (authorization.k8s.io/v1).
 *
 * A namespace is asked about as a whole first. What is not allowed to all of it may be allowed to single Deployments
 * (resourceNames of a role): then each of those that somebody looks at is asked about by name. What was told is asked
 * again after some minutes, sooner where something was denied or after the server refused anything (403), and the more
 * rarely the more there is to ask about. A server that does not say leaves it
 * unknown: then the dry run before each action speaks. Private to this room. Loop thread only.
 */
#ifndef NS_ORCHESTRATION_KUBERNETES_RIGHTS_H
#define NS_ORCHESTRATION_KUBERNETES_RIGHTS_H

#include "flow/deployment.h"
#include "wire/kubernetes_client.h"

typedef struct kube_rights kube_rights;

/* cluster is borrowed. Times as in ns_kubernetes_hands_options. NULL: no memory. */
NS_MUST_USE kube_rights *kube_rights_new(ns_kubernetes *cluster, int64_t age_ms, int64_t doubt_ms);
/* NULL is allowed. */
void kube_rights_free(kube_rights *rights);

/* What is known now of this Deployment; asks what is not known or old. */
void kube_rights_look(kube_rights *rights, const char *name_space, const char *deployment, ns_rights *out);

#endif
