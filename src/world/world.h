/*
 * The world: a simulated Sock Shop with its Jenkins pipelines, agents, people and faults. No I/O, no threads, no clock
 * of its own but the one that ns_world_advance moves.
 *
 * Everything follows from (scenario, seed, start, requests made at which world time): the same four give the same
 * history to the last bit, however often it is looked at and in however many steps it is advanced. What is read here is
 * what a visitor of Jenkins or Prometheus could see at world-now; the truth (causes, incidents) stands in its own
 * section at the end. One thread at a time. Pointers handed out are borrowed: they hold until the next call that is not
 * a pure read (advance, trigger, stop, cancel, ...).
 */
#ifndef NS_WORLD_WORLD_H
#define NS_WORLD_WORLD_H

#include "flow/action.h"
#include "flow/case.h"
#include "flow/signal.h"
#include "flow/value.h"
#include "world/build_plan.h"
#include "world/cluster.h"
#include "world/recorded_log.h"
#include "world/scenario.h"

typedef struct ns_world ns_world;

#define NS_WORLD_FOLDER      "sock-shop" /* Jenkins folder, and the Kubernetes namespace */
#define NS_WORLD_KEY_NAME    "NEUROSHIELD_KEY"
#define NS_WORLD_USER        "neuroshield" /* the user as whom NeuroShield speaks to this Jenkins */
#define NS_WORLD_BUILDS_KEPT 64            /* per job; older ones are forgotten, as a log rotator does */

/* NS_NO_MEMORY. Every job starts with a few
 * green builds in its past. */
NS_MUST_USE ns_status ns_world_new(const ns_scenario *scenario, uint64_t seed, int64_t start_ms, ns_world **out,
                                   ns_error *err);
void ns_world_free(ns_world *world);

/* From now on no job defines NEUROSHIELD_KEY: what NeuroShield sends is told apart by its user and parameters alone. */
void ns_world_without_key(ns_world *world);

/* From now on builds print recorded logs where there are any that fit (build_log_recorded.h); nothing but the text
 * changes. Borrowed, must outlive the world; NULL: text is made up, as it is at first. */
void ns_world_print(ns_world *world, const ns_recorded_logs *logs);
size_t ns_world_printed(const ns_world *world); /* how many recorded logs there are to print */

/* Lets everything happen that is due up to to_ms (inclusive); an earlier time than now changes nothing. */
void ns_world_advance(ns_world *world, int64_t to_ms);
int64_t ns_world_now_ms(const ns_world *world);
int64_t ns_world_start_ms(const ns_world *world);
uint64_t ns_world_seed(const ns_world *world);
const ns_scenario *ns_world_scenario(const ns_world *world);
/* Of everything that happened so far (builds, queue, incidents, effects): equal histories have equal hashes. */
uint64_t ns_world_history_hash(const ns_world *world);

/* ---- Jenkins: jobs ------------------------------------------------------------------------------------------- */

typedef struct ns_world_job {
    const char *name;       /* "carts" */
    const char *full_name;  /* "sock-shop/carts" */
    const char *deployment; /* "carts" */
    const char *description;
    const char *repository; /* "https://git.sock-shop.example/carts.git" */
    ns_language language;
    bool disabled;
    bool in_queue;
    int64_t next_number;
    int64_t oldest_number;         /* the oldest build still kept */
    int64_t newest_number;         /* the newest build, running or not */
    int64_t running;               /* number of the running build; 0 none. Jobs do not build concurrently. */
    const ns_parameter *parameter; /* definitions: name and default value; all are string parameters */
    size_t parameter_count;
} ns_world_job;

size_t ns_world_job_count(const ns_world *world);
void ns_world_job_at(const ns_world *world, size_t job, ns_world_job *out); /* job < count */
/* Index of the job of this full name or of this plain name, -1 none. */
ptrdiff_t ns_world_find_job(const ns_world *world, ns_text name);
void ns_world_set_disabled(ns_world *world, size_t job, bool disabled);

/* ---- Jenkins: builds ----------------------------------------------------------------------------------------- */

typedef enum ns_stage_status {
    NS_STAGE_IN_PROGRESS,
    NS_STAGE_SUCCESS,
    NS_STAGE_FAILED,
    NS_STAGE_ABORTED
} ns_stage_status;

typedef struct ns_world_stage {
    const char *name; /* "Build" */
    int64_t start_ms;
    int64_t duration_ms; /* up to now while in progress */
    ns_stage_status status;
} ns_world_stage;

/* What can be seen of a build now. */
typedef struct ns_world_build {
    int64_t number;
    int64_t queue_id;
    int64_t queued_ms;
    int64_t started_ms;
    int64_t ended_ms;     /* -1 while building */
    int64_t duration_ms;  /* 0 while building, as Jenkins has it */
    int64_t estimated_ms; /* -1 unknown */
    bool building;
    bool in_progress; /* true a little longer than building: the log still grows */
    ns_build_result result;
    ns_build_trigger trigger;
    const char *user;   /* of trigger user or neuroshield, author of the commit for scm; "" none */
    const char *agent;  /* "" none */
    const char *commit; /* 40 hex digits */
    int32_t changes;    /* commits in its change set */
    bool dependency_files_changed;
    bool aborted_by_person; /* somebody who is not NeuroShield stopped it */
    const ns_parameter *parameter;
    size_t parameter_count;
    const char *key;     /* value of NEUROSHIELD_KEY; "" none */
    int32_t tests_total; /* -1 until the test stage has ended; likewise the two below */
    int32_t tests_failed;
    int32_t tests_skipped;
    ns_world_stage stage[NS_STAGE_KINDS];
    size_t stage_count;
} ns_world_build;

/* False: no such build (never was, or forgotten). */
NS_MUST_USE bool ns_world_build_at(const ns_world *world, size_t job, int64_t number, ns_world_build *out);
/* The same as flow has it (seen_ms = now, log_bytes 0). */
NS_MUST_USE bool ns_world_build_flow(const ns_world *world, size_t job, int64_t number, ns_build *out);

/* Appends text printed by now, from byte offset on, at most limit bytes. *next: where to read on; *more: the log may
 * still grow or limit cut it. An offset behind the end restarts from 0, as Jenkins does (*next < offset tells).
 * NS_NOT_FOUND: no such build. */
NS_MUST_USE ns_status ns_world_log(const ns_world *world, size_t job, int64_t number, int64_t offset, size_t limit,
                                   ns_buf *out, int64_t *next, bool *more);

/* ---- Jenkins: queue, agents ------------------------------------------------------------------------------------ */

typedef enum ns_queue_state {
    NS_QUEUE_waiting,   /* in the quiet period */
    NS_QUEUE_blocked,   /* a build of the job is in progress */
    NS_QUEUE_buildable, /* no executor is free */
    NS_QUEUE_left,      /* it became build `number` */
    NS_QUEUE_cancelled
} ns_queue_state;

typedef struct ns_world_queue_item {
    int64_t id;
    size_t job;
    ns_queue_state state;
    char why[128]; /* "" when it has left */
    int64_t since_ms;
    int64_t quiet_until_ms;
    int64_t buildable_ms; /* since when only an executor is missing; -1 not */
    int64_t left_ms;      /* -1 still in the queue */
    int64_t number;       /* of the build it became; 0 none */
    int32_t merged;       /* further triggers that were merged into it */
    ns_build_trigger trigger;
    const char *user;
    const ns_parameter *parameter;
    size_t parameter_count;
} ns_world_queue_item;

/* Items in the queue, oldest first; then those that left within the last 5 minutes. */
size_t ns_world_queue_count(const ns_world *world);                                /* still waiting */
size_t ns_world_queue_all(const ns_world *world);                                  /* with those that left */
void ns_world_queue_at(const ns_world *world, size_t i, ns_world_queue_item *out); /* i < all */
/* By id; false when unknown or forgotten. */
NS_MUST_USE bool ns_world_queue_find(const ns_world *world, int64_t id, ns_world_queue_item *out);

typedef struct ns_world_agent {
    const char *name; /* "linux-1" */
    const char *label;
    int32_t executors;
    int32_t busy;
    bool offline;
    const char *offline_reason; /* "" online */
    double disk_used;           /* 0..1 of the workspace's disk */
    int64_t disk_bytes;
    int64_t memory_bytes;
    double memory_used; /* 0..1 */
    struct {
        ptrdiff_t job; /* -1 idle */
        int64_t number;
    } slot[4]; /* `executors` of them */
} ns_world_agent;

size_t ns_world_agent_count(const ns_world *world);
void ns_world_agent_at(const ns_world *world, size_t agent, ns_world_agent *out);

/* ---- Requests that change something. Each one that is carried out goes into the effects ledger ------------------- */

typedef struct ns_world_request {
    const char *user; /* who asks; NS_WORLD_USER is NeuroShield */
    const char *from; /* for the ledger: "in-process" or the peer's address; NULL "" */
    bool merge;       /* a mishap: the build is taken in by whatever item of the job waits, other parameters or not */
} ns_world_request;

/*
 * Puts a build into the queue after the quiet period (quiet_ms < 0: the job's own 5 s). Parameters that the job does
 * not define are dropped, missing ones take their default. An item already waiting with the same parameters takes it in
 * (*merged). NS_CONFLICT: disabled; NS_TOO_LARGE: a value is longer than NS_PARAMETER_VALUE_MAX - 1; NS_BUSY: the queue
 * is full; NS_NOT_FOUND: no such job.
 */
NS_MUST_USE ns_status ns_world_trigger(ns_world *world, size_t job, const ns_parameter *parameter, size_t count,
                                       int64_t quiet_ms, const ns_world_request *request, int64_t *queue_id,
                                       bool *merged, ns_error *err);
/* A finished build is left as it is (NS_OK, *stopped false). NS_NOT_FOUND. */
NS_MUST_USE ns_status ns_world_stop(ns_world *world, size_t job, int64_t number, const ns_world_request *request,
                                    bool *stopped, ns_error *err);
/* NS_NOT_FOUND: not in the queue (any more). */
NS_MUST_USE ns_status ns_world_cancel(ns_world *world, int64_t queue_id, const ns_world_request *request,
                                      ns_error *err);
/* Tells the person on call about this pipeline. key: idempotency key, "" none. The same key again does nothing. */
NS_MUST_USE ns_status ns_world_escalate(ns_world *world, size_t job, const char *key, const ns_world_request *request,
                                        ns_error *err);

/* Kinds of effects: name, what it is. annotate: only annotations or labels of an object; restart: annotations of a pod
 * template; rollback: a pod template that an earlier revision had; patch: whatever else changes a Deployment. */
#define NS_WORLD_EFFECT_MAP(X)                                                                                         \
    X(build, "a build was asked for")                                                                                  \
    X(stop, "a build was stopped")                                                                                     \
    X(cancel, "a queue item was taken out")                                                                            \
    X(scale, "a Deployment's number of replicas was set")                                                              \
    X(rollback, "a Deployment went back to an earlier pod template")                                                   \
    X(restart, "a Deployment's pods are replaced by equal ones")                                                       \
    X(patch, "a Deployment was changed in another way")                                                                \
    X(annotate, "annotations or labels were changed, nothing else")                                                    \
    X(delete_pod, "a pod was deleted or evicted")                                                                      \
    X(escalate, "a person was told")

typedef enum ns_world_effect_kind {
#define NS_WORLD_EFFECT_ENUM(name, meaning) NS_EFFECT_##name,
    NS_WORLD_EFFECT_MAP(NS_WORLD_EFFECT_ENUM)
#undef NS_WORLD_EFFECT_ENUM
        NS_WORLD_EFFECT_KINDS
} ns_world_effect_kind;

const char *ns_world_effect_kind_name(ns_world_effect_kind kind);

typedef struct ns_world_effect {
    int64_t seq; /* 1.. */
    int64_t at_ms;
    char kind[16]; /* a name of NS_WORLD_EFFECT_MAP */
    /* "sock-shop/carts", "sock-shop/carts#12", "queue 17"; of the cluster: "deployment carts", "pod carts-7f-x2v" */
    char target[NS_JOB_MAX];
    char key[NS_KEY_MAX]; /* "" none */
    char from[NS_NAME_MAX];
    char user[NS_NAME_MAX];
    int64_t queue_id; /* of a build; -1 */
    bool merged;
} ns_world_effect;

#define NS_WORLD_EFFECTS_KEPT 4096

int64_t ns_world_effect_total(const ns_world *world); /* highest seq */
/* False: never was, or forgotten. */
NS_MUST_USE bool ns_world_effect_at(const ns_world *world, int64_t seq, ns_world_effect *out);
/* Newest with this key (key not ""). */
NS_MUST_USE bool ns_world_effect_by_key(const ns_world *world, const char *key, ns_world_effect *out);

/* How the side that receives requests misbehaves. Kept here so that it is part of the world; carried out by whoever
 * takes the requests (the server, the in-process hands). Shares are 0..1, drawn with ns_world_fault_draw. */
typedef struct ns_world_kind_faults {
    int64_t drop_reply; /* the next so many: carried out, the answer is lost */
    int64_t lose_request;
    int64_t refuse;
    int64_t merge;
    double drop_reply_share; /* and of all others this share */
    double lose_share;
    double refuse_share;
    double merge_share;
    int64_t delay_ms; /* real time */
} ns_world_kind_faults;

typedef struct ns_world_faults {
    double drop_reply_share; /* carried out, but the answer is lost */
    double lose_share;       /* lost before anything was done */
    double merge_share;      /* answered as merged (303) */
    double refuse_share;     /* 500 */
    int64_t delay_ms;        /* answers come this much later, real time */
    bool jenkins_down;
    bool jenkins_starting; /* 503 */
    bool prometheus_down;
    ns_world_kind_faults of[NS_WORLD_EFFECT_KINDS]; /* beside those above, for one kind of effect only */
} ns_world_faults;

typedef enum ns_world_mishap {
    NS_MISHAP_drop_reply,
    NS_MISHAP_lose_request,
    NS_MISHAP_refuse,
    NS_MISHAP_merge
} ns_world_mishap;

ns_world_faults *ns_world_faults_of(ns_world *world); /* read and write */
/* True with this probability, from a stream of its own that touches nothing else. */
bool ns_world_fault_draw(ns_world *world, double share);
/* Does this mishap strike the present request of this kind? Counts down, or draws; counts and shares of the kind first,
 * then the shares for all. */
bool ns_world_mishap_strikes(ns_world *world, ns_world_effect_kind kind, ns_world_mishap mishap);

/* ---- Kubernetes and Prometheus: deployments, signals, raw counters; more of the cluster in cluster.h --------------
 */

typedef struct ns_world_deployment {
    const char *name;
    const char *image;
    int32_t replicas;
    int32_t available;
    double cpu_limit;      /* cores; NAN unlimited */
    double memory_limit;   /* bytes; NAN unlimited */
    double cpu_request;    /* NAN none */
    double memory_request; /* NAN none */
    int64_t revision;      /* grows by one with every deploy */
    ptrdiff_t job;         /* the pipeline that deploys it; -1 none (databases, broker) */
} ns_world_deployment;

#define NS_WORLD_NODES 2 /* of the cluster; all ready */

size_t ns_world_deployment_count(const ns_world *world);
void ns_world_deployment_at(const ns_world *world, size_t deployment, ns_world_deployment *out);
ptrdiff_t ns_world_find_deployment(const ns_world *world, ns_text name);

/* Value now; at_ms = now. deployment is looked at only for signals of that scope; missing where it has no meaning. */
ns_value ns_world_signal(const ns_world *world, ns_signal signal, size_t deployment);

typedef struct ns_world_label {
    const char *name;
    const char *value;
} ns_world_label;

#define NS_WORLD_LABELS_MAX 8

typedef struct ns_world_metric {
    const char *name;
    const char *family; /* name without _bucket, _sum, _count: for HELP and TYPE */
    const char *type;   /* "counter", "gauge", "histogram" */
    const char *help;
    bool first; /* the first sample of its family: print HELP and TYPE before it */
    /* A counter of world time or of events in it. A scraper lives in real time: divide by the clock's speed, so that
     * rate() per real second gives the rate per world second. */
    bool per_world_time;
    ns_world_label label[NS_WORLD_LABELS_MAX];
    size_t label_count;
    double value;
} ns_world_metric;

typedef void ns_world_metric_visit(void *owner, const ns_world_metric *metric);

/* All raw metrics now, families together, in the same order every time. Strings live until the visit returns. */
void ns_world_metrics(const ns_world *world, ns_world_metric_visit *visit, void *owner);

/* ---- The truth. For /world/v1/truth, the summary, evaluation and tests; no source of NeuroShield reads it ------- */

typedef struct ns_world_incident_action {
    int64_t at_ms;
    ns_action action;
    int64_t build; /* the build it led to; 0 none (yet) */
} ns_world_incident_action;

#define NS_WORLD_INCIDENT_ACTIONS 16

/*
 * A period of one pipeline: an incident, or a control (nothing is wrong).
 *
 * An incident of the cluster (bad_release, overload, a pod out of memory) is healed when for two minutes its users did
 * not suffer, the rollout is complete and nothing that would bring it back is left: by whoever changed something last.
 * Any other is healed when a build that started after the onset is green: by whoever triggered that build (a build of
 * NeuroShield: action; of a person or any other user: human; an ordinary commit or timer: itself). Where the code was
 * at fault it is healed by whoever mended the code, even when a retry built the mended commit first.
 */
typedef struct ns_world_incident {
    int64_t id; /* 1.., in the order of onsets */
    size_t job;
    int64_t period; /* 0.. of this pipeline */
    bool control;
    ns_cause cause;         /* none for a control */
    ns_cause also;          /* second fault of a double one, else none */
    bool healable;          /* an action could cure it */
    bool in_cluster;        /* it befalls the Deployment, not a build */
    double severity;        /* 0..1 */
    int64_t onset_ms;       /* the period's start: the condition exists from now on */
    int64_t first_bad_ms;   /* end of the first build that failed of it, or when users began to suffer; -1 not yet */
    int64_t healed_ms;      /* end of the green build, or of those two minutes; -1 open */
    ns_healed_by healed_by; /* open, action, itself, human; abandoned = censored */
    int64_t over_ms;        /* the next period may begin; -1 not over */
    int64_t builds_failed;
    ns_world_incident_action action[NS_WORLD_INCIDENT_ACTIONS];
    size_t action_count; /* all that were seen; only the first NS_WORLD_INCIDENT_ACTIONS are kept */
    bool person_knows;   /* the person has acknowledged */
} ns_world_incident;

#define NS_WORLD_INCIDENTS_KEPT 4096

int64_t ns_world_incident_total(const ns_world *world); /* highest id, controls included */
NS_MUST_USE bool ns_world_incident_at(const ns_world *world, int64_t id, ns_world_incident *out);

/* The plan behind a build, truth included; NULL: no such build. */
const ns_build_plan *ns_world_plan(const ns_world *world, size_t job, int64_t number);

/* ---- Outcomes and baselines -------------------------------------------------------------------------------------- */

/*
 * An incident counts from its first bad event (the end of the first failing build); before that nobody could have seen
 * it, and it is left out. MTTR is the mean over these of healed - first bad; one still open counts with its length so
 * far, at most censor_s. The same rule holds for the live run and for both baselines, and favours the slower one.
 */
typedef struct ns_world_outcome {
    int64_t incidents;
    int64_t healable;
    int64_t healed_by_action;
    int64_t healed_by_itself;
    int64_t healed_by_human;
    int64_t open;
    int64_t by_cause[NS_CAUSE_COUNT];
    int64_t by_cause_healed_by_action[NS_CAUSE_COUNT];
    int64_t healable_healed_by_action;
    int64_t controls; /* control periods whose build has run */
    int64_t controls_with_action;
    int64_t actions[NS_ACTION_COUNT];
    double mttr_s; /* NAN: no incident */
} ns_world_outcome;

void ns_world_outcome_of(const ns_world *world, ns_world_outcome *out);

typedef enum ns_baseline { NS_BASELINE_nothing, NS_BASELINE_retry_then_human } ns_baseline;

/* The same seed lived through again under a baseline, from start_ms for duration_ms. */
NS_MUST_USE ns_status ns_world_counterfactual(const ns_scenario *scenario, uint64_t seed, int64_t start_ms,
                                              int64_t duration_ms, ns_baseline baseline, ns_world_outcome *out,
                                              ns_error *err);

#endif
