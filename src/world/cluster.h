/*
 * The simulated cluster as its visitors see it: Deployments, their revisions (ReplicaSets), pods, events; and the
 * requests that change them. What happens follows from what a version does, how much memory and CPU a pod has, how many
 * are ready and how much traffic comes: no action has a chance of success of its own.
 *
 * Deployments are numbered as in world.h. Pointers are borrowed until the next call that is not a pure read. Every
 * object has a resource version that grows with each of its changes, from one counter for the whole cluster.
 */
#ifndef NS_WORLD_CLUSTER_H
#define NS_WORLD_CLUSTER_H

#include "flow/names.h"

#include "base/status.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ns_world;
struct ns_world_request;

#define NS_WORLD_IMAGE_MAX    160
#define NS_WORLD_POD_NAME_MAX (NS_NAME_MAX + 24)
#define NS_WORLD_UID_MAX      37

/* What of a pod template matters to the world. */
typedef struct ns_world_template {
    char image[NS_WORLD_IMAGE_MAX];
    double cpu_limit;     /* cores; NAN none */
    double memory_limit;  /* bytes; NAN none */
    char key[NS_KEY_MAX]; /* annotation neuroshield.io/key of the template; "" none */
} ns_world_template;

typedef struct ns_world_revision {
    int64_t serial; /* identity of its pod template, unique in this world */
    int64_t number; /* of the revision; grows when an old template comes back */
    const char *hash;
    ns_world_template template_is;
    int64_t created_ms;
    int64_t generation;
    uint64_t resource_version;
    int32_t wanted; /* pods it is meant to have now */
    int32_t pods, ready;
    char uid[NS_WORLD_UID_MAX];
} ns_world_revision;

typedef enum ns_world_pod_state {
    NS_POD_image_missing, /* ErrImagePull */
    NS_POD_starting,      /* runs, not ready yet */
    NS_POD_ready,
    NS_POD_crash_loop, /* the container ended, it is started again after a pause */
    NS_POD_leaving
} ns_world_pod_state;

typedef struct ns_world_pod {
    const char *name;
    int64_t revision; /* serial */
    ns_world_pod_state state;
    int64_t created_ms;
    int64_t started_ms; /* of the present or last container */
    int64_t ready_ms;   /* -1 not ready */
    int64_t exit_ms;    /* the last container's end; -1 none ended */
    bool out_of_memory; /* that end */
    int32_t restarts;
    double memory; /* bytes in use */
    const char *node;
    uint64_t resource_version;
    char uid[NS_WORLD_UID_MAX];
} ns_world_pod;

typedef struct ns_world_rollout {
    int32_t replicas; /* wanted */
    int32_t total, updated, ready, available;
    int64_t generation, observed_generation;
    bool paused;
    bool complete;
    bool stuck; /* past its progress deadline */
    int64_t created_ms;
    int64_t progress_ms;
    int64_t since_ms; /* since when the present template is the present one */
    uint64_t resource_version;
    const char *key; /* annotation neuroshield.io/key of the Deployment; "" none */
    char uid[NS_WORLD_UID_MAX];
} ns_world_rollout;

void ns_world_rollout_of(const struct ns_world *world, size_t deployment, ns_world_rollout *out);
/* By number, the present one last. */
size_t ns_world_revision_count(const struct ns_world *world, size_t deployment);
void ns_world_revision_at(const struct ns_world *world, size_t deployment, size_t i, ns_world_revision *out);
size_t ns_world_pod_count(const struct ns_world *world, size_t deployment);
void ns_world_pod_at(const struct ns_world *world, size_t deployment, size_t i, ns_world_pod *out);

typedef struct ns_world_event {
    int64_t serial;    /* 1.. */
    size_t deployment; /* that it is about, or whose pod or ReplicaSet */
    int64_t first_ms, last_ms;
    int32_t count;
    bool warning;
    char reason[32];
    char kind[16]; /* "Pod", "ReplicaSet", "Deployment" */
    char name[NS_WORLD_POD_NAME_MAX];
    char message[200];
    uint64_t resource_version;
} ns_world_event;

/* Oldest first; the newest 256 of the last hour are kept. */
size_t ns_world_event_count(const struct ns_world *world);
void ns_world_event_at(const struct ns_world *world, size_t i, ns_world_event *out);

uint64_t ns_world_resource_version(const struct ns_world *world); /* the newest in the cluster */
/* "1eda19ea-d86f-466e-b93c-e138b532596f" of the n-th object of a kind; the same in every run of a seed. */
void ns_world_uid(const struct ns_world *world, const char *kind, uint64_t n, char out[NS_WORLD_UID_MAX]);

/*
 * Requests. key: idempotency key for the ledger, "" none. NS_NOT_FOUND, NS_BAD_INPUT (a number out of range).
 * Nothing is written into the ledger when nothing would change.
 */
#define NS_WORLD_REPLICAS_MAX 1000 /* as many can be asked for; the quota lets 24 pods of one Deployment be */
NS_MUST_USE ns_status ns_world_scale(struct ns_world *world, size_t deployment, int32_t replicas, const char *key,
                                     const struct ns_world_request *request, ns_error *err);
/* A new pod template. restart: it differs in annotations only; for the ledger. *serial gets its identity. */
NS_MUST_USE ns_status ns_world_set_template(struct ns_world *world, size_t deployment, const ns_world_template *is,
                                            bool restart, const char *key, const struct ns_world_request *request,
                                            int64_t *serial, ns_error *err);
/* The template of a kept revision becomes the present one again. */
NS_MUST_USE ns_status ns_world_rollback(struct ns_world *world, size_t deployment, int64_t serial, const char *key,
                                        const struct ns_world_request *request, ns_error *err);
/* Annotations, labels or other things that matter to nothing here. set_key: the Deployment's key becomes `key`. */
NS_MUST_USE ns_status ns_world_annotate(struct ns_world *world, size_t deployment, bool set_key, const char *key,
                                        bool is_patch, const struct ns_world_request *request, ns_error *err);
/* The Deployment's key annotation, where it was written along with something else; no line of the ledger. */
void ns_world_set_key(struct ns_world *world, size_t deployment, const char *key);
NS_MUST_USE ns_status ns_world_pause_rollout(struct ns_world *world, size_t deployment, bool paused, const char *key,
                                             const struct ns_world_request *request, ns_error *err);
NS_MUST_USE ns_status ns_world_delete_pod(struct ns_world *world, size_t deployment, const char *pod, const char *key,
                                          const struct ns_world_request *request, ns_error *err);

#endif
