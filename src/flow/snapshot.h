/*
 * The snapshot: all that the sources know now, each value with its own time.
 *
 * Sources write into it when their answers arrive, the tick reads it. It belongs to the loop thread; nobody else may
 * touch it. Pointers to pipelines stay valid until the snapshot is freed (pipelines are never removed while it lives;
 * one whose job is gone has `gone` set).
 */
#ifndef NS_FLOW_SNAPSHOT_H
#define NS_FLOW_SNAPSHOT_H

#include "flow/build.h"
#include "flow/deployment.h"
#include "flow/signal.h"
#include "flow/value.h"

#define NS_BUILDS_KEPT 6

/* One pipeline: a Jenkins job and the Deployment it deploys to. */
typedef struct ns_pipeline_view {
    size_t index;                 /* its place in the snapshot */
    char name[NS_JOB_MAX];        /* configured name, else the job's full name */
    char jenkins_job[NS_JOB_MAX]; /* full name: folder/job */
    char deployment[NS_NAME_MAX]; /* "" unknown */
    bool deployment_fixed;        /* the configuration named it: an annotation in the cluster does not change it */
    bool buildable;               /* not disabled */
    bool gone;                    /* Jenkins no longer has it */
    bool in_queue;
    int64_t jenkins_at_ms;           /* last good answer of Jenkins about this job; -1 never */
    ns_build builds[NS_BUILDS_KEPT]; /* newest first by number, running and finished */
    size_t build_count;
    ns_build completed;               /* newest really finished build with a result; number 0: none known */
    ns_value signal[NS_SIGNAL_COUNT]; /* those of scope deployment; the rest stay missing here */
    ns_deployment_view cluster;
} ns_pipeline_view;

#define NS_SOURCE_STATE_MAP(X) X(ok) X(stale) X(down) X(unauthorized) X(starting) X(not_configured)

typedef enum ns_source_state {
#define NS_SOURCE_STATE_ENUM(name) NS_SOURCE_##name,
    NS_SOURCE_STATE_MAP(NS_SOURCE_STATE_ENUM)
#undef NS_SOURCE_STATE_ENUM
} ns_source_state;

typedef enum ns_source_kind { NS_FROM_jenkins, NS_FROM_prometheus, NS_FROM_kubernetes, NS_SOURCE_KINDS } ns_source_kind;

/* How one source is doing. Written by the source. */
typedef struct ns_source_health {
    ns_source_state state; /* starts as not_configured */
    int64_t good_at_ms;    /* last complete good answer; -1 never */
    char error[256];       /* newest trouble, redacted; "" none */
} ns_source_health;

typedef struct ns_snapshot {
    ns_pipeline_view **pipelines;
    size_t pipeline_count;
    ns_value queue_length; /* items in Jenkins' queue */
    ns_value executors_busy;
    ns_value executors_total;
    ns_value agents_offline; /* count */
    ns_value nodes_ready;    /* nodes of the cluster that take pods */
    ns_value nodes_total;
    ns_value signal[NS_SIGNAL_COUNT]; /* those of scope global */
    ns_source_health source[NS_SOURCE_KINDS];
    void *index; /* private to snapshot.c */
} ns_snapshot;

NS_MUST_USE ns_snapshot *ns_snapshot_new(void);
void ns_snapshot_free(ns_snapshot *snapshot);

/* The pipeline of this job, made when it is new (name = job, deployment ""). NULL: no memory or name too long. */
NS_MUST_USE ns_pipeline_view *ns_snapshot_pipeline(ns_snapshot *snapshot, ns_text jenkins_job);
/* NULL when there is none. */
ns_pipeline_view *ns_snapshot_find(const ns_snapshot *snapshot, ns_text jenkins_job);

/* Puts a build where it belongs in view->builds (newest first; the oldest falls out) and into `completed` when it is
 * the newest finished one. A build older than all kept is ignored. */
void ns_pipeline_put_build(ns_pipeline_view *view, const ns_build *build);
/* The kept build of this number, or NULL. */
const ns_build *ns_pipeline_build(const ns_pipeline_view *view, int64_t number);

/* A pipeline's signal: its own, or the global one of that name. */
ns_value ns_snapshot_signal(const ns_snapshot *snapshot, const ns_pipeline_view *view, ns_signal signal);

const char *ns_source_kind_name(ns_source_kind kind);
const char *ns_source_state_name(ns_source_state state);

#endif
