/*
 * Inside of the served Kubernetes: what serve_kube*.c share. Not for other rooms.
 *
 * The core of the world knows of a pod template only what matters to it (image, limits, a key); here every object is
 * made from that and from what its writers wrote: a Deployment keeps the document that was written last, a template its
 * document by serial. An object's resourceVersion is the core's.
 */
#ifndef NS_WORLD_SERVE_KUBE_H
#define NS_WORLD_SERVE_KUBE_H

#include "world/serve_internal.h"

typedef enum ns_kube_kind {
    NS_KUBE_deployments,
    NS_KUBE_replicasets,
    NS_KUBE_pods,
    NS_KUBE_events,
    NS_KUBE_nodes,
    NS_KUBE_namespaces,
    NS_KUBE_autoscalers,  /* none here, but one may ask */
    NS_KUBE_budgets,      /* likewise */
    NS_KUBE_statefulsets, /* likewise */
    NS_KUBE_daemonsets,   /* likewise */
    NS_KUBE_KINDS
} ns_kube_kind;

typedef struct ns_kube_facts {
    const char *resource; /* "deployments" */
    const char *kind;     /* "Deployment" */
    const char *group;    /* "" core */
    const char *version;
    const char *short_name; /* "deploy"; "" none */
    bool namespaced;
    const char *verbs;
} ns_kube_facts;

const ns_kube_facts *ns_kube_facts_of(ns_kube_kind kind);

/* One request taken apart. */
typedef struct ns_kube_request {
    ns_serve_request *http;
    const char *version;    /* of the path: "v1", "v2" */
    const char *name_space; /* "" all */
    const char *name;       /* "" the list */
    const char *subresource;
    ns_kube_kind kind;
    bool watch, dry_run, table;
    char user[64];
    char key[NS_KEY_MAX]; /* header X-Neuroshield-Key; "" none */
} ns_kube_request;

typedef struct ns_kube ns_kube;

/* serve_kube_objects.c: new references, NULL: no memory. */
json_t *ns_kube_template(ns_world_server *server, size_t deployment, const ns_world_revision *revision);
json_t *ns_kube_deployment(ns_world_server *server, size_t deployment);
json_t *ns_kube_scale(ns_world_server *server, size_t deployment);
/* All of a kind, as they are now, with kind and apiVersion. */
json_t *ns_kube_all(ns_world_server *server, ns_kube_kind kind);
json_t *ns_kube_pod(ns_world_server *server, size_t deployment, size_t pod);
json_t *ns_kube_time(int64_t at_ms); /* "2026-11-23T22:40:01Z" */
json_t *ns_kube_documents(void);     /* what is remembered of templates and Deployments, empty */
json_t *ns_kube_written(ns_world_server *server, size_t deployment); /* borrowed; NULL nothing */

/* serve_kube_table.c: a Table of these objects, as kubectl wants it. */
json_t *ns_kube_table(ns_world_server *server, ns_kube_kind kind, json_t *items, const char *resource_version,
                      bool with_columns);

/* serve_kube_select.c. Pure. */
typedef struct ns_kube_selector ns_kube_selector;
/* False: it cannot be read. */
NS_MUST_USE bool ns_kube_labels_match(const char *selector, const json_t *labels, bool *match);
NS_MUST_USE bool ns_kube_fields_match(const char *selector, const json_t *object, bool *match);

/* serve_kube_patch.c. Pure: *target is changed, or left half changed when the status is not NS_OK. NS_BAD_INPUT: the
 * patch has not its form; NS_CONFLICT: it does not fit (a test that fails, a path that is not there). */
NS_MUST_USE ns_status ns_kube_json_patch(json_t **target, const json_t *patch, ns_error *err);
NS_MUST_USE ns_status ns_kube_merge_patch(json_t **target, const json_t *patch, ns_error *err);
NS_MUST_USE ns_status ns_kube_strategic_patch(json_t **target, const json_t *patch, ns_error *err);

/* serve_kube_discovery.c. True: the path was one of discovery or about the server, and is answered. */
bool ns_kube_discovery(ns_serve_request *http, ns_serve_reply *reply);

/* serve_kube_review.c. A SelfSubjectAccessReview from JSON or protobuf; NULL: it is neither. Pure. */
json_t *ns_kube_review(ns_text body);

/* serve_kube_write.c */
void ns_kube_write(ns_world_server *server, ns_kube_request *request, ns_serve_reply *reply);

/* serve_kube_watch.c */
NS_MUST_USE ns_kube *ns_kube_new(ns_world_server *server);
void ns_kube_free(ns_kube *kube);
/* Takes note of what changed, and tells those who watch. */
void ns_kube_sync(ns_world_server *server);
void ns_kube_watch(ns_world_server *server, ns_kube_request *request, ns_serve_reply *reply);
json_t *ns_kube_store(ns_world_server *server); /* borrowed: documents by name */
/* Forgets what happened so far: whoever watches from an earlier version on is told 410. */
void ns_kube_compact(ns_world_server *server);

/* serve_kube.c */
void ns_kube_status(ns_serve_reply *reply, int code, const char *reason, const char *message, json_t *details);
json_t *ns_kube_details(const char *name, const char *group, const char *kind);
bool ns_kube_wanted(const ns_kube_request *request, const json_t *object, bool *readable);
bool ns_kube_query(const ns_kube_request *request, const char *name, char *out, size_t size);
ptrdiff_t ns_kube_find(const ns_world_server *server, const ns_kube_request *request); /* Deployment; -1 */
void ns_kube_not_found(ns_serve_reply *reply, const ns_kube_request *request);

#endif
