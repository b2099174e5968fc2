/*
 * Inside the Jenkins source; nobody else includes this.
 *
 * Two lanes, each with at most one request under way. The question lane (jenkins_source.c) walks through the steps of
 * a round, one round per tick. The log lane (jenkins_logs.c) fetches the growth of one log after the other.
 * jenkins_jobs.c keeps what is known about jobs and builds.
 */
#ifndef NS_TELEMETRY_JENKINS_INSIDE_H
#define NS_TELEMETRY_JENKINS_INSIDE_H

#include "base/log.h"
#include "telemetry/console_text.h"
#include "telemetry/jenkins_read.h"
#include "telemetry/jenkins_source.h"

struct event;

enum { WATCHES_MAX = 4096 };

typedef enum due_kind { DUE_NOTHING, DUE_BUILD, DUE_HISTORY } due_kind;

/* A build whose log or stages are followed. It goes when the snapshot no longer keeps the build. */
typedef struct build_watch {
    ns_pipeline_view *view;
    int64_t number;
    struct build_watch *next_of_job;
    uint64_t log_round;    /* round in which its log was last asked for */
    uint64_t stages_round; /* likewise its stages */
    uint64_t log_turn;     /* s->turn when that was: the order within and across rounds */
    uint64_t stages_turn;
    bool log_over;
    bool stages_over;
    bool restart_untold; /* the log was replaced; the sink has not heard of it yet */
    int idle;            /* answers without growth since the build ended */
    int64_t offset;      /* X-Text-Size of the last whole answer */
    ns_console console;  /* as it was at that offset */
    size_t delivered;    /* bytes of text behind that offset the sink already has, from answers that broke off */
} build_watch;

/* What is kept beside each pipeline of the snapshot, at the same index. */
typedef struct job_watch {
    uint64_t round; /* last round whose answer named it */
    bool seen;      /* ever */
    bool pipeline;  /* may have stages */
    due_kind due;
    int64_t due_number;
    size_t next_due; /* index + 1 of the next in line */
    build_watch *builds;
} job_watch;

typedef struct due_line {
    size_t first, last; /* index + 1; 0 empty */
} due_line;

typedef enum step { STEP_WHO, STEP_JOBS, STEP_QUEUE, STEP_AGENTS, STEP_DETAILS, STEP_STAGES, STEP_END } step;

/* The log lane. */
typedef struct log_lane {
    build_watch *watch; /* NULL: the lane is free */
    ns_jenkins_call *call;
    bool begun;    /* the head was looked at */
    bool finished; /* the build had ended before this was asked for */
    bool whole;    /* the answer is complete: only the sink is waited for */
    bool blocked;  /* the sink had no room */
    bool ended;    /* with this answer the log is over */
    int64_t size;  /* X-Text-Size */
    ns_console console;
    size_t to_skip;
    ns_buf text; /* not taken by the sink yet */
    struct event *again;
    int left; /* requests left in this round */
} log_lane;

typedef struct jenkins_source {
    ns_snapshot *snapshot;
    ns_log_sink sink;
    ns_clock clock;
    ns_jenkins *client;
    ns_jenkins *own_client;
    char **jobs, **include, **exclude;
    size_t job_count, include_count, exclude_count;
    int depth, details_per_tick, stages_per_tick, logs_per_tick;
    size_t log_ceiling, max_jobs;
    bool closing;

    uint64_t round;
    uint64_t turn;
    uint64_t restarts; /* of Jenkins, as far as we have acted on them */
    bool who_known;
    char own_user[NS_NAME_MAX];
    bool anonymous; /* we gave credentials and yet are nobody */
    bool bare;      /* the full query is too much for this server */
    int server_errors;
    int failures; /* polls in a row */
    bool stages_missing, stages_worked;
    ns_complaint poll_trouble, detail_trouble, names_trouble;

    step step;
    step asked; /* what the question under way is about */
    bool asking;
    ns_pipeline_view *asked_view;
    int64_t asked_number;
    due_kind asked_due;
    int details_left, stages_left;
    ns_buf path;

    job_watch *job; /* by index of the pipeline */
    size_t job_room;
    bool job_lost; /* something in this round's answer could not be kept */
    due_line urgent, patient;

    build_watch **watch;
    size_t watch_count, watch_room;
    log_lane log;
} jenkins_source;

/* jenkins_jobs.c */
void jenkins_take_jobs(jenkins_source *s, const json_t *json, bool *whole, ns_status *status);
void jenkins_take_build(jenkins_source *s, ns_pipeline_view *view, const json_t *json);
void jenkins_take_history(jenkins_source *s, ns_pipeline_view *view, const json_t *json);
void jenkins_take_agent(void *owner, const char *job, int64_t build, const char *agent);
bool jenkins_next_due(jenkins_source *s);
void jenkins_forget_jobs(jenkins_source *s);

/* jenkins_logs.c */
NS_MUST_USE ns_status jenkins_logs_init(jenkins_source *s, struct event_base *loop, ns_error *err);
void jenkins_logs_clear(jenkins_source *s);
/* Follows a build if its log or stages are wanted and it is not followed yet. */
void jenkins_follow(jenkins_source *s, ns_pipeline_view *view, const ns_build *build);
void jenkins_drop_watches(jenkins_source *s);
void jenkins_pump_logs(jenkins_source *s);
void jenkins_offer_again(jenkins_source *s);
build_watch *jenkins_next_stages(jenkins_source *s);

/* jenkins_source.c */
void jenkins_complain(jenkins_source *s, ns_complaint *about, const char *event, const ns_error *err);

/* Appends a job's address; path->failed when it has none. */
void jenkins_put_job(ns_buf *path, const ns_pipeline_view *view);

#endif
