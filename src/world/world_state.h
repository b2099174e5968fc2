/*
 * The inside of a world: shared by the files of this room that make it move, by nobody else.
 *
 * Everything that will happen by itself stands in a table of timers (`due`); ns_world_advance takes the earliest again
 * and again. Timers at the same millisecond go by their place in the table, so the order never depends on anything
 * else. All memory is taken once, in ns_world_new.
 *
 * Who calls whom: world.c -> incidents.c, person.c, ci.c; ci.c tells incidents.c when a build ends; incidents.c and
 * person.c put builds into the queue through ci.c.
 */
#ifndef NS_WORLD_WORLD_STATE_H
#define NS_WORLD_WORLD_STATE_H

#include "base/rng.h"
#include "world/sock_shop.h"
#include "world/build_log.h"
#include "world/cluster_state.h"
#include "world/world.h"

#define AGENTS      4
#define EXECUTORS   2
#define QUEUE_KEPT  256
#define CONDITIONS  2
#define QUIET_MS    5000
#define LEFT_FOR_MS 300000 /* Jenkins forgets a queue item 5 minutes after it left */

typedef struct build {
    ns_build_plan plan;
    int64_t queue_id;
    int64_t queued_ms;
    int64_t estimated_ms;
    int64_t scale_ms; /* how long it takes when nothing happens */
    size_t agent;
    bool aborted_by_person;
    ns_rng rng;
} build;

typedef struct item {
    int64_t id; /* 0: empty slot */
    size_t job;
    ns_queue_state state;
    int64_t since_ms;
    int64_t quiet_until_ms;
    int64_t buildable_ms;
    int64_t left_ms;
    int64_t number;
    int32_t merged;
    ns_origin origin;
    ns_build_trigger trigger;
    char user[NS_NAME_MAX];
    ns_parameter parameter[NS_PARAMETERS_MAX];
    size_t parameter_count;
} item;

/* What is wrong in the cluster: temporary files fill the memory of the pods that are there; a version leaks, crashes or
 * answers with errors; more traffic comes than can be served. */
typedef enum trouble {
    TROUBLE_none, /* it is not in the cluster */
    TROUBLE_debris,
    TROUBLE_leak,
    TROUBLE_crash,
    TROUBLE_errors,
    TROUBLE_surge
} trouble;

/* Something that is wrong, as long as it is active. It belongs to one pipeline and the Deployment it deploys to. */
typedef struct condition {
    ns_cause cause;
    trouble trouble;
    bool active;
    bool code;        /* the commit is at fault: only another commit mends it */
    bool ends_itself; /* without a person, lasts_ms after the first build that met it */
    bool met;         /* a build has met it; the first one always fails of it */
    int64_t lasts_ms;
    int64_t ends_ms;   /* NEVER until met */
    int64_t mended_ms; /* of code: a commit mended it then; builds started earlier still have the old commit. 0 not */
    ns_origin mended_by;
    double severity;
    ptrdiff_t agent; /* it sits on this agent; -1 not bound or not known yet */
} condition;

typedef enum person_state { PERSON_off, PERSON_unaware, PERSON_working, PERSON_watching } person_state;

/* The one who mends this pipeline; timer TIMER_person. */
typedef struct person {
    person_state state;
    double acknowledge_s; /* of this incident, drawn at its onset */
    double diagnose_s;
    double act_s;
    ns_rng rng;
} person;

typedef enum timer_kind {
    TIMER_stage,    /* the present stage ends */
    TIMER_loss,     /* the agent under the running build goes away */
    TIMER_period,   /* the next period begins */
    TIMER_ordinary, /* the next ordinary commit or nightly build */
    TIMER_person,   /* the person's next step */
    TIMER_censor,   /* nobody counts this incident any longer */
    TIMERS_PER_PIPELINE
} timer_kind;

enum {
    TIMER_AGENTS = NS_PIPELINES * TIMERS_PER_PIPELINE, /* an agent comes back; one each */
    TIMER_QUEUE = TIMER_AGENTS + AGENTS,               /* the next quiet period ends */
    TIMER_CLUSTER,                                     /* something happens to a Deployment; one each */
    TIMERS = TIMER_CLUSTER + NS_SERVICES
};

typedef struct pipeline {
    const ns_service *service;
    char full_name[NS_JOB_MAX];
    char repository[NS_JOB_MAX];
    bool disabled;
    int64_t next_number;
    int64_t running; /* 0 none */
    int32_t waiting; /* items in the queue */
    int64_t base_ms; /* usual length of a build */
    build *builds;   /* NS_WORLD_BUILDS_KEPT, by number */

    int64_t commits;
    char head[48];
    char author[NS_NAME_MAX];
    int32_t new_changes; /* commits since the last build */
    bool new_dependency_files;
    int64_t head_built_by; /* first build of the present head; 0 none */

    int64_t period;        /* index; -1 before the first */
    int64_t planned_ms;    /* when period + 1 is due by the seed alone */
    int64_t incident;      /* id of the present period's record; 0 none */
    int64_t period_builds; /* builds since the period's start */
    condition condition[CONDITIONS];
    person person;
    ns_rng ordinary;
} pipeline;

typedef struct agent {
    char name[NS_NAME_MAX];
    bool offline;
    ptrdiff_t job[EXECUTORS]; /* -1 idle */
    int32_t busy;
    double disk_used;
    double memory_used;
    double busy_ms; /* executor milliseconds up to busy_since_ms */
    int64_t busy_since_ms;
} agent;

struct ns_world {
    ns_scenario scenario;
    ns_build_log_cache *logs;         /* generated console texts; never changes what is read */
    const ns_recorded_logs *recorded; /* that they are taken from; NULL none */
    uint64_t seed;
    int64_t start_ms;
    int64_t now_ms;
    uint64_t hash;
    int64_t due[TIMERS];
    int64_t next_due; /* the smallest of due */
    double spacing_ms;
    pipeline pipeline[NS_PIPELINES];
    ns_parameter definition[2]; /* of the jobs' parameters; the key comes last */
    size_t definition_count;
    agent agent[AGENTS];
    workload deployment[NS_SERVICES];
    double gone_cpu_s[NS_SERVICES]; /* of pods that are no more */
    uint64_t resource_version;
    int64_t templates, pods_made;
    ns_world_event kube_event[KUBE_EVENTS_KEPT]; /* ring, by serial */
    int64_t kube_events;

    item *queue; /* QUEUE_KEPT, by id */
    int64_t next_item;
    int64_t waiting[QUEUE_KEPT]; /* ids, oldest first */
    size_t waiting_count;

    ns_world_effect *effect; /* NS_WORLD_EFFECTS_KEPT, by seq */
    int64_t effects;
    ns_world_incident *incident; /* NS_WORLD_INCIDENTS_KEPT, by id */
    int64_t incidents;
    ns_world_outcome past; /* of incidents already forgotten; mttr_s holds the sum */
    int64_t past_counted;
    ns_world_faults faults;
    ns_rng fault_rng;
};

/* world.c */
void ns_world_set_timer(ns_world *w, size_t timer, int64_t at_ms); /* NEVER: off */
void ns_world_set_pipeline_timer(ns_world *w, size_t job, timer_kind kind, int64_t at_ms);
void ns_world_note(ns_world *w, const char *what, int64_t a, int64_t b); /* into the history's hash */
/* A stream decided by seed, name and two numbers. */
void ns_world_stream(const ns_world *w, ns_rng *rng, const char *name, uint64_t a, uint64_t b);
int64_t ns_world_spread_ms(ns_rng *rng, ns_spread seconds);
build *ns_world_build_of(const ns_world *w, size_t job, int64_t number); /* NULL: none */

/* ci.c */
/* The item that took the trigger; NULL when the queue is full. any: whatever item of the job waits takes it in. */
item *ns_world_enqueue(ns_world *w, size_t job, const item *wanted, bool any, bool *merged);
/* A build with default parameters; false: the queue is full. */
bool ns_world_ordinary_build(ns_world *w, size_t job, ns_origin origin, const char *user);
void ns_world_new_commit(ns_world *w, size_t job, ns_rng *rng, int32_t changes, bool dependency_files,
                         const char *author);
void ns_world_schedule(ns_world *w);
void ns_world_stage_due(ns_world *w, size_t job);
void ns_world_loss_due(ns_world *w, size_t job);
void ns_world_agent_back(ns_world *w, size_t agent);
void ns_world_end_build(ns_world *w, size_t job, ns_build_result result);
void ns_world_past_builds(ns_world *w, size_t job);

/* incidents.c */
void ns_world_first_periods(ns_world *w);
void ns_world_period_due(ns_world *w, size_t job);
void ns_world_ordinary_due(ns_world *w, size_t job);
void ns_world_censor_due(ns_world *w, size_t job);
void ns_world_build_ended(ns_world *w, size_t job, const build *b);
ns_world_incident *ns_world_incident_of(const ns_world *w, size_t job); /* of the present period; NULL none */
bool ns_world_incident_open(const ns_world_incident *incident);
void ns_world_incident_saw(ns_world *w, size_t job, ns_action action);
void ns_world_incident_saw_build(ns_world *w, size_t job, int64_t number); /* that retry became this build */
/* Whoever is to be thanked for a green build: who started it, or who mended the code. */
ns_origin ns_world_healer(const ns_world *w, size_t job, const build *b);
/* Of the cluster: the users of this pipeline's Deployment begin to suffer; they have not suffered for long enough. */
void ns_world_cluster_bad(ns_world *w, size_t job);
void ns_world_cluster_calm(ns_world *w, size_t job);
condition *ns_world_cluster_condition(ns_world *w, size_t job); /* of the present incident, active or not; NULL none */
/* The condition of which this stage on this agent fails now, or NULL. */
condition *ns_world_condition_hits(ns_world *w, size_t job, build *b, ns_stage_kind stage);
condition *ns_world_agent_fails(ns_world *w, size_t job, build *b);
/* Fills in what the plan of a build that starts now is expected to fail of. */
void ns_world_expect(const ns_world *w, size_t job, build *b);
void ns_world_condition_mend(const ns_world *w, condition *c, ns_origin by);
void ns_world_condition_met(condition *c, const build *b, int64_t at_ms);

bool ns_world_is_neuroshield(const char *user, const char *key);
/* requests.c: a line of the ledger; the caller fills in the target. */
ns_world_effect *ns_world_note_effect(ns_world *w, ns_world_effect_kind kind, const char *key,
                                      const ns_world_request *request);

/* outcome.c; out->mttr_s is used for the sum of the times, *counted for how many. */
void ns_world_outcome_add(const ns_world *w, const ns_world_incident *incident, ns_world_outcome *out,
                          int64_t *counted);

/* person.c */
void ns_world_person_begin(ns_world *w, size_t job, int64_t period);
void ns_world_person_told(ns_world *w, size_t job);         /* escalated */
void ns_world_person_sees_failure(ns_world *w, size_t job); /* a build ended and was not green */
void ns_world_person_due(ns_world *w, size_t job);
void ns_world_person_stop(ns_world *w, size_t job);

/* load.c */
void ns_world_agent_busy(ns_world *w, size_t agent, int32_t change);

#endif
