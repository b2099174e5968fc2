/*
 * The door of the store: SQLite here, PostgreSQL later. tests/unit/store holds the conformance tests every store
 * passes.
 *
 * Writing: `put` copies the row into a bounded queue and returns at once with its sequence number; one writer thread
 * batches rows into transactions. Rows of a *durable* kind (case, effect, decision, audit) are synced to disk before
 * they are reported committed; telemetry is batched. `committed` is called on the writer thread with "everything up to
 * n is committed"; only then may the loop send an action.
 *
 * Reading: on the loop thread, through a read-only connection; sees what is committed. Rows handed to a callback live
 * until it returns.
 */
#ifndef NS_FLOW_STORE_H
#define NS_FLOW_STORE_H

#include "flow/case.h"
#include "flow/hands.h"
#include "flow/prediction.h"
#include "flow/record.h"

/* name, durable */
#define NS_ROW_MAP(X)                                                                                                  \
    X(record, false)                                                                                                   \
    X(build, false)                                                                                                    \
    X(log, false)                                                                                                      \
    X(prediction, false)                                                                                               \
    X(decision, true)                                                                                                  \
    X(case, true)                                                                                                      \
    X(effect, true)                                                                                                    \
    X(audit, true)                                                                                                     \
    X(revision, true)                                                                                                  \
    X(scaling, true)                                                                                                   \
    X(label, true)

typedef enum ns_row_kind {
#define NS_ROW_ENUM(name, durable) NS_ROW_##name,
    NS_ROW_MAP(NS_ROW_ENUM)
#undef NS_ROW_ENUM
        NS_ROW_KINDS
} ns_row_kind;

typedef struct ns_build_row {
    char jenkins_job[NS_JOB_MAX];
    ns_build build;
} ns_build_row; /* upsert by job and number */

typedef struct ns_log_row {
    char jenkins_job[NS_JOB_MAX];
    int64_t build;
    ns_text text;        /* already redacted; copied by put */
    int64_t next_offset; /* see ns_log_piece */
    bool restarted;
    bool ended;
} ns_log_row; /* appended (after dropping what was there when restarted) */

typedef struct ns_prediction_row {
    int64_t id; /* given by the store; 0 when put */
    char jenkins_job[NS_JOB_MAX];
    int64_t build;
    ns_prediction prediction;
} ns_prediction_row; /* appended: the risk curve */

typedef struct ns_decision_row {
    int64_t id; /* given by the owner, growing */
    int64_t at_ms;
    char jenkins_job[NS_JOB_MAX];
    int64_t build;
    int64_t case_id; /* 0 none */
    ns_mode mode;
    char policy[NS_MODEL_NAME_MAX];
    ns_state state;
    ns_action_mask possible;
    ns_decision decision;
    ns_verdict verdict;
    int64_t prediction_known_at_ms; /* -1 none */
} ns_decision_row;

typedef struct ns_effect_row {
    ns_effect effect;
    ns_case_state state; /* intent, sent, acknowledged, unknown, refused, ... */
    int64_t at_ms;
    ns_error error;
} ns_effect_row; /* upsert by key; created_ms is kept from the first */

typedef struct ns_audit_row {
    int64_t id; /* given by the store; 0 when put */
    int64_t at_ms;
    char actor[NS_NAME_MAX]; /* "neuroshield", or the person */
    char what[NS_NAME_MAX];  /* "case_opened", "effect_sent", "mode_changed", ... */
    char object[NS_JOB_MAX]; /* "case 12", a key, a job */
    char detail[512];
} ns_audit_row; /* appended, never changed */

/* A template of a Deployment that was seen to be good here: what a rollback may go back to. */
typedef struct ns_revision_row {
    char deployment[NS_NAME_MAX]; /* as in the snapshot */
    char uid[NS_NAME_MAX];        /* of the Deployment: one of the same name made anew is another */
    char template_hash[NS_NAME_MAX];
    int64_t revision; /* its number then; a rollback gives the template a new one */
    char image[160];
    int64_t at_ms; /* verified last */
} ns_revision_row; /* upsert by deployment, uid and template_hash */

/* owed: to be taken back when it is calm.  taken_back: it has been.  kept: the pods stay, `why` says why. */
#define NS_SCALING_MAP(X) X(owed) X(taken_back) X(kept)

typedef enum ns_scaling_state {
#define NS_SCALING_ENUM(name) NS_SCALING_##name,
    NS_SCALING_MAP(NS_SCALING_ENUM)
#undef NS_SCALING_ENUM
} ns_scaling_state;

/* Pods that scale_up added to a Deployment, and what is to become of them. */
typedef struct ns_scaling_row {
    char jenkins_job[NS_JOB_MAX];
    char deployment[NS_NAME_MAX]; /* as in the snapshot */
    char uid[NS_NAME_MAX];        /* of the Deployment; "" not known yet */
    char key[NS_KEY_MAX];         /* of the newest scale_up */
    int32_t replicas_from;        /* before the first scale_up that still stands: what it goes back to */
    int32_t replicas_to;          /* after the newest: what it must still have */
    ns_scaling_state state;
    int32_t tries; /* attempts to take it back that were refused */
    int64_t at_ms; /* last change */
    char why[160]; /* our own words */
} ns_scaling_row;  /* upsert by jenkins_job and deployment */

/* What a person says about a build: training learns from it. The newest word about a cause, or about a line, counts. */
typedef struct ns_label_row {
    int64_t id; /* given by the store; 0 when put */
    int64_t at_ms;
    char jenkins_job[NS_JOB_MAX];
    int64_t build;
    char actor[NS_NAME_MAX];
    char cause[NS_NAME_MAX]; /* a name of flow/cause.h: why it failed; "" not said */
    int64_t line;            /* 1-based in the stored log; -1 none */
    int8_t telling;          /* of that line: 1 it shows what is wrong, 0 it does not; -1 none */
} ns_label_row;              /* appended, never changed */

typedef struct ns_row {
    ns_row_kind kind;
    union {
        const ns_record *record;
        const ns_build_row *build;
        const ns_log_row *log;
        const ns_prediction_row *prediction;
        const ns_decision_row *decision;
        const ns_case *a_case;
        const ns_effect_row *effect;
        const ns_audit_row *audit;
        const ns_revision_row *revision;
        const ns_label_row *label;
        const ns_scaling_row *scaling;
    } of;
} ns_row;

/* What to list. Zero-initialised means everything of the kind, newest first. */
typedef struct ns_row_query {
    ns_row_kind kind;
    int64_t id;              /* one row by id (case, decision, prediction, audit); 0 all */
    const char *jenkins_job; /* NULL all */
    int64_t build;           /* 0 all */
    int64_t case_id;         /* 0 all: decisions and effects of one case */
    bool open_only;          /* cases not closed; scalings owed */
    bool oldest_first;
    int64_t after; /* cursor given back with the last row of the page before; 0 from the start */
    int64_t limit; /* 1..1000; 0 means 100 */
} ns_row_query;

/* cursor: hand it back in `after` to go on behind this row. Return false to stop. */
typedef bool ns_row_visit(void *owner, const ns_row *row, int64_t cursor);

typedef enum ns_store_state { NS_STORE_ok, NS_STORE_read_only, NS_STORE_corrupt } ns_store_state;

typedef struct ns_store_status {
    const char *backend; /* "sqlite" */
    ns_store_state state;
    int64_t bytes;      /* on disk */
    uint64_t put;       /* highest sequence number handed out */
    uint64_t committed; /* everything up to here is committed */
    uint64_t dropped;   /* telemetry rows refused because the queue was full */
    char error[256];
} ns_store_status;

typedef struct ns_store_ids {
    int64_t decision; /* highest in use; 0 none */
    int64_t a_case;
} ns_store_ids;

typedef void ns_store_committed(void *owner, uint64_t up_to);

typedef struct ns_store {
    void *self;
    /* NS_BUSY: the queue is full (telemetry rows only; durable rows have room kept for them), NS_IO: read only. */
    ns_status (*put)(void *self, const ns_row *row, uint64_t *sequence);
    ns_status (*list)(void *self, const ns_row_query *query, ns_row_visit *visit, void *owner, ns_error *err);
    /* Appends at most limit bytes of the build's stored text from character offset `from` on; *total gets its length.
     * NS_NOT_FOUND when nothing is stored. */
    ns_status (*log_text)(void *self, const char *jenkins_job, int64_t build, int64_t from, size_t limit, ns_buf *out,
                          int64_t *total, ns_error *err);
    /* See ns_log_sink.offset; read at start for every log not ended: visit gets log rows without text. */
    ns_status (*log_offsets)(void *self, ns_row_visit *visit, void *owner, ns_error *err);
    ns_status (*ids)(void *self, ns_store_ids *out, ns_error *err);
    void (*status)(void *self, ns_store_status *out);
    /* Waits until everything put so far is committed, at most wait_ms. NS_TIMEOUT. */
    ns_status (*flush)(void *self, int wait_ms, ns_error *err);
    /* Flushes, stops the writer, closes. */
    void (*free)(void *self);
} ns_store;

const char *ns_row_kind_name(ns_row_kind kind);
bool ns_row_durable(ns_row_kind kind);
const char *ns_store_state_name(ns_store_state state);
const char *ns_scaling_state_name(ns_scaling_state state);

#endif
