/*
 * Small objects of a cluster for tests, shaped like those of a real API server (1.32 and 1.20 were looked at): the
 * fields that are read, with managedFields and status as they come.
 */
#ifndef NS_TESTS_KUBERNETES_FIXTURES_H
#define NS_TESTS_KUBERNETES_FIXTURES_H

#define KUBE_LIST(items)     "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"100\"},\"items\":[" items "]}"
#define KUBE_ADDED(object)   "{\"type\":\"ADDED\",\"object\":" object "}\n"
#define KUBE_CHANGED(object) "{\"type\":\"MODIFIED\",\"object\":" object "}\n"
#define KUBE_GONE(object)    "{\"type\":\"DELETED\",\"object\":" object "}\n"

#define KUBE_META(name, version, more)                                                                                 \
    "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"sock-shop\",\"uid\":\"uid-" name                              \
    "\",\"resourceVersion\":\"" version "\",\"managedFields\":[{\"manager\":\"m\"}]" more "}"
#define KUBE_OWNED(owner) ",\"ownerReferences\":[{\"kind\":\"x\",\"uid\":\"uid-" owner "\",\"controller\":true}]"

/* A Deployment with wanted and ready replicas at a revision; annotations: further ones, each with a comma before it. */
#define KUBE_DEPLOYMENT_WITH(name, version, generation, revision, wanted, ready, annotations, template, condition)     \
    "{" KUBE_META(name, version,                                                                                       \
                  ",\"generation\":" generation ",\"creationTimestamp\":\"2026-11-23T10:00:00Z\",\"annotations\":"     \
                  "{\"deployment.kubernetes.io/revision\":\"" revision "\"" annotations                                \
                  "}") ",\"spec\":{\"replicas\":" wanted ",\"selector\":{\"matchLabels\":{\"name\":\"" name            \
                       "\"}},\"template\":" template "},\"status\":{\"observedGeneration\":" generation                \
                                                     ",\"replicas\":" wanted ",\"updatedReplicas\":" wanted            \
                                                     ",\"readyReplicas\":" ready ",\"availableReplicas\":" ready       \
                                                     ",\"conditions\":[{\"type\":\"Progressing\","                     \
                                                     "\"status\":\"True\",\"reason\":\"" condition                     \
                                                     "\",\"lastUpdateTime\":\"2026-11-23T10:01:00Z\"}]}}"
#define KUBE_TEMPLATE(name, image)                                                                                     \
    "{\"metadata\":{\"creationTimestamp\":null,\"labels\":{\"name\":\"" name "\"}},\"spec\":{\"containers\":[{"        \
    "\"name\":\"" name "\",\"image\":\"" image "\",\"resources\":{\"limits\":{\"cpu\":\"300m\"}}}]}}"
#define KUBE_DEPLOYMENT(name, revision, wanted, ready)                                                                 \
    KUBE_DEPLOYMENT_WITH(name, "90", "1", revision, wanted, ready, "", KUBE_TEMPLATE(name, "shop/" name ":1"),         \
                         "NewReplicaSetAvailable")

/* Its template's number has 1.0 and an unknown field: what must not change on its way back. */
#define KUBE_SET_TEMPLATE(hash)                                                                                        \
    "{\"metadata\":{\"creationTimestamp\":null,\"labels\":{\"name\":\"carts\",\"pod-template-hash\":\"" hash           \
    "\"}},\"spec\":{\"containers\":[{\"name\":\"carts\",\"image\":\"shop/carts:" hash "\"}],\"later\":{\"n\":1.0}}}"
#define KUBE_REPLICASET(deployment, hash, revision)                                                                    \
    "{" KUBE_META(deployment "-" hash, "91",                                                                           \
                  ",\"creationTimestamp\":\"2026-11-23T10:00:05Z\",\"labels\":{\"name\":\"" deployment                 \
                  "\",\"pod-template-hash\":\"" hash                                                                   \
                  "\"},\"annotations\":{\"deployment.kubernetes.io/revision\":\"" revision                             \
                  "\",\"deployment.kubernetes.io/desired-replicas\":\"2\",\"of\":\"" hash "\","                        \
                  "\"neuroshield.io/key\":\"stale\"}" KUBE_OWNED(                                                      \
                      deployment)) ",\"spec\":{\"replicas\":2,\"template\":" KUBE_SET_TEMPLATE(hash) "}}"

/* state: of its one container; last: its lastState. */
#define KUBE_POD(name, set, phase, restarts, state, last)                                                              \
    "{" KUBE_META(name, "92", KUBE_OWNED(set)) ",\"status\":{\"phase\":\"" phase                                       \
                                               "\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"}],"  \
                                               "\"containerStatuses\":[{\"name\":\"app\","                             \
                                               "\"restartCount\":" restarts ",\"state\":" state ",\"lastState\":" last \
                                               "}]}}"
#define KUBE_RUNNING      "{\"running\":{\"startedAt\":\"2026-11-23T10:00:10Z\"}}"
#define KUBE_WAITING(why) "{\"waiting\":{\"reason\":\"" why "\"}}"

#endif
