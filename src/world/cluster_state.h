/*
 * The inside of the simulated cluster: Deployments, ReplicaSets (revisions), pods, and the traffic on them. Part of
 * world_state.h; memory is part of the world.
 *
 * A Deployment moves by its own timer: the next thing a pod does, the controller's next look, or, as long as something
 * is out of the ordinary (`hot`), every HOT_MS. Between two of these all that is measured follows from constants of the
 * present stretch (see traffic.c), so that looking changes nothing and costs nothing while time passes.
 */
#ifndef NS_WORLD_CLUSTER_STATE_H
#define NS_WORLD_CLUSTER_STATE_H

#include "world/cluster.h"
#include "world/sock_shop.h"

#define NEVER            INT64_MAX
#define PODS_MAX         24 /* per Deployment, leaving ones included: the namespace's quota */
#define REVISIONS_MAX    12 /* revisionHistoryLimit 10, the present one, and one that is about to go */
#define VERSIONS_MAX     32
#define KILLS_KEPT       16
#define SAMPLES_KEPT     24
#define KUBE_EVENTS_KEPT 256
#define LATENCY_BOUNDS   11
#define HOT_MS           10000
#define WINDOW_MS        120000 /* of the rates that signals tell; and so long must it be calm to count as healed */
#define PROGRESS_MS      600000 /* progressDeadlineSeconds */

/* What a version does beside its work; all zero: nothing. */
typedef struct flaw {
    double crash_after_s; /* it exits so long after it became ready */
    double error_share;   /* of its requests answered 5xx */
    double leak;          /* bytes of heap lost with every request */
} flaw;

typedef struct version {
    char tag[NS_NAME_MAX];
    flaw flaw;
} version;

/* A ReplicaSet: one pod template. */
typedef struct revision {
    int64_t serial; /* of the template, 1.. in the whole world; 0 empty */
    int64_t number; /* annotation deployment.kubernetes.io/revision */
    int64_t generation;
    int64_t created_ms;
    uint64_t rv;
    ns_world_template is;
    char hash[12]; /* label pod-template-hash */
    bool pullable; /* the image is there */
    flaw flaw;
} revision;

typedef enum pod_state { POD_pulling, POD_starting, POD_ready, POD_backoff, POD_leaving } pod_state;

typedef struct pod {
    int64_t id;     /* 1.. in the whole world */
    int64_t serial; /* of its revision */
    char name[NS_WORLD_POD_NAME_MAX];
    pod_state state;
    int64_t created_ms;
    int64_t started_ms; /* the container */
    int64_t ready_ms;   /* since when; -1 not */
    int64_t due_ms;     /* the next thing it does by itself */
    int64_t exit_ms;    /* the container's last end; -1 never */
    bool out_of_memory; /* why */
    int32_t restarts, memory_kills;
    bool fills;    /* something writes into its temporary files, which lie in memory */
    double heap;   /* bytes leaked since the container started */
    double debris; /* bytes in those files: they outlive the container, not the pod */
    double cpu_s;  /* counters up to the present stretch */
    double periods;
    double throttled;
    uint64_t rv;
} pod;

/* A stretch of time in which these are constant, and the counters up to its start. */
typedef struct stretch {
    int64_t at_ms;
    double attempts;    /* requests per request that is wanted: callers try again */
    double extra;       /* wanted per second beside the usual traffic */
    double error_share; /* of the requests */
    double slower;      /* factor on the latency */
    double wait_s;      /* in the queue */
    double throttled;   /* share of CPU periods; NAN no limit */
    bool saturated;     /* it works at its limit */
    int32_t ready;
    double requests, errors;
    double ok[LATENCY_BOUNDS], bad[LATENCY_BOUNDS]; /* cumulative histograms */
    double ok_sum, bad_sum;
} stretch;

typedef struct traffic_sample {
    int64_t at_ms;
    double requests, errors;
} traffic_sample;

typedef struct workload {
    int32_t replicas;
    bool paused;
    int64_t generation, observed;
    int64_t sync_ms; /* the controller looks then; NEVER */
    int64_t created_ms;
    int64_t progress_ms; /* the rollout's last progress */
    int64_t template_ms; /* since when the present template is the present one */
    uint64_t rv;
    char key[NS_KEY_MAX]; /* annotation neuroshield.io/key */
    revision revision[REVISIONS_MAX];
    size_t revisions; /* by number, the present one last */
    int64_t revisions_made;
    pod pod[PODS_MAX];
    size_t pods;
    version version[VERSIONS_MAX];
    int64_t versions;
    struct {
        int64_t at_ms;
        int64_t pod;
        bool out_of_memory;
    } kill[KILLS_KEPT]; /* ring */
    int64_t kills;

    double surge;            /* requests per second beside the usual traffic */
    int32_t replicas_before; /* the surge began */
    double queue;            /* requests that wait */
    double fill_rate;        /* bytes per second into the temporary files of pods that fill */
    stretch now;
    double share[LATENCY_BOUNDS];        /* of requests within each bound, in the present stretch */
    traffic_sample sample[SAMPLES_KEPT]; /* ring */
    int64_t samples;
    int64_t bad_ms;    /* last time at which something was wrong for those who use it; -1 never */
    ns_origin touched; /* who changed something last, in the present incident */
} workload;

struct ns_world;

/* cluster.c */
void ns_world_first_pods(struct ns_world *w);
void ns_world_cluster_due(struct ns_world *w, size_t service);
/* The pipeline's build was green: its version is rolled out. */
void ns_world_deploy(struct ns_world *w, size_t service, int64_t build, ns_origin origin);
/* A template becomes the present one: `is` as a new one, or the kept one of this serial (then `is` is not looked at).
 */
void ns_cluster_template(struct ns_world *w, size_t service, int64_t serial, const ns_world_template *is);
void ns_cluster_replicas(struct ns_world *w, size_t service, int32_t replicas);
void ns_cluster_remove_pod(struct ns_world *w, size_t service, pod *p, const char *why);
/* Something changed: the controller will look, the timer is set. */
void ns_cluster_changed(struct ns_world *w, size_t service);
void ns_cluster_set_timer(struct ns_world *w, size_t service);
revision *ns_cluster_revision(workload *d, int64_t serial); /* NULL: forgotten */
bool ns_cluster_complete(const workload *d);
int32_t ns_cluster_ready(const workload *d);
void ns_cluster_event(struct ns_world *w, size_t service, bool warning, const char *reason, const char *kind,
                      const char *name, const char *format, ...) NS_PRINTF(7, 8);

/* traffic.c. Around every change of pods: close the stretch up to now, change, open the next one. */
void ns_traffic_begin(struct ns_world *w, size_t service);
void ns_traffic_close(struct ns_world *w, size_t service);
void ns_traffic_open(struct ns_world *w, size_t service);
double ns_traffic_capacity(const workload *d, size_t service); /* requests per second of the pods that are ready */
double ns_traffic_pod_capacity(size_t service, double cpu_limit);

/* cluster_faults.c */
/* What is wrong begins, where it needs no build first. */
void ns_cluster_fault_begins(struct ns_world *w, size_t service);
/* The flaw of a version that this build made. */
flaw ns_cluster_flaw_of_build(struct ns_world *w, size_t service);
/* Looks how the users fare; an incident may become bad, or be healed. */
void ns_cluster_judge(struct ns_world *w, size_t service);
/* Where the time has come at which it ends by itself. */
void ns_cluster_fault_ends(struct ns_world *w, size_t service);
/* The incident is over: nothing of it is left. */
void ns_cluster_fault_lifted(struct ns_world *w, size_t service);
/* Is anything out of the ordinary, so that it must be looked at every HOT_MS? */
bool ns_cluster_hot(const struct ns_world *w, size_t service);
/* The person on call does what is right. */
void ns_cluster_person_acts(struct ns_world *w, size_t service);

#endif
