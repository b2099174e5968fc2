/*
 * The house: everything one running daemon owns, and the order in which it is built and taken down.
 *
 * Loop thread only; the scorer and the writer are reached through their queues. The rooms are strangers to each other:
 * this is the place where they are introduced.
 */
#ifndef NS_DAEMON_HOUSE_H
#define NS_DAEMON_HOUSE_H

#include "agent/reward.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/early_warning.h"
#include "daemon/feed.h"
#include "daemon/settings.h"
#include "flow/hands.h"
#include "flow/policy.h"
#include "flow/predictor.h"
#include "flow/source.h"
#include "flow/store.h"
#include "orchestration/cases.h"
#include "orchestration/guardrails.h"
#include "orchestration/symptoms.h"
#include "prediction/drift.h"
#include "prediction/scorer.h"
#include "store/lock.h"
#include "telemetry/redact.h"
#include "world/world.h"

struct event;
struct event_base;

/* What the daemon remembers of one build while it runs and until its outcome has been dealt with. */
typedef struct ns_build_entry {
    struct ns_build_entry *next; /* of one pipeline, newest build first */
    int64_t number;
    ns_prediction prediction; /* newest; valid when has_prediction */
    bool has_prediction;
    bool final;         /* the prediction covers the whole ended log */
    bool alarmed;       /* some prediction decided failure while the build ran */
    int64_t alarm_ms;   /* when the first of these was known, world time; -1 none */
    bool dirty;         /* the store has yet to get its newest state */
    uint64_t signature; /* of the state last noted: tells whether it changed */
    bool green_told;    /* the scorer has been told whether this log is a reference from now on */
    bool drift_told;    /* the drift watch has it */
    bool log_ended;
    int64_t next_offset; /* see ns_log_piece */
    int64_t finished_ms; /* world time at which its end was first seen; -1 running */
    ns_redact_stream redaction;
    ns_buf unsaved;       /* redacted text the store had no room for yet */
    ns_buf unscored;      /* redacted text the scorer had no room for yet */
    bool restart_unsaved; /* store or scorer have yet to be told that the log began anew, or that it has ended */
    bool restart_unscored;
    bool end_unsaved;
    bool end_unscored;
} ns_build_entry;

/* An action that the hands could not do, as prepare told. Zero: never. */
typedef struct ns_impossible {
    int32_t times; /* in the open case */
    int64_t at_ms;
    int64_t generation; /* of the Deployment then; -1 unknown */
} ns_impossible;

/* What the daemon remembers of one pipeline; index as in the snapshot. */
typedef struct ns_track {
    ns_build_entry *builds;
    ns_case *open_case;     /* owned; NULL none */
    bool greens_restored;   /* the scorer has the stored logs of its last green builds */
    bool first_look;        /* nothing of this pipeline was settled yet */
    int64_t handled_build;  /* newest finished build that went through settling; 0 none */
    int32_t failure_streak; /* completed builds that failed in a row; -1 unknown */
    bool has_decision;      /* last_decision and last_verdict are those stored last */
    ns_decision last_decision;
    ns_verdict last_verdict;
    int64_t last_decision_build;
    bool awaiting; /* an answer of the hands is awaited for open_case */
    ns_impossible impossible[NS_ACTION_COUNT];
    uint64_t commit_wait;       /* store sequence that must be committed before sending; 0 none */
    int64_t ask_again_ms;       /* earliest next reconcile */
    int32_t asked_again;        /* reconciles of the present attempt */
    int64_t give_up_ms;         /* when its fate is sought no longer; 0: there was an answer so far */
    ns_case_state effect_state; /* of the present attempt's row, as last put; watching: none */
    ns_case_state told_state;   /* of the open case, as last written to the log */
    int32_t told_attempt;
    ns_symptom_memory symptom_memory; /* of its Deployment */
    ns_symptoms symptoms;             /* as of this tick */
    char good_hash[NS_NAME_MAX];      /* template that has been good since good_ms; "" none */
    int64_t good_ms;
    ns_scaling_row *scaled; /* pods that we added to its Deployment; owned; NULL none */
    ns_drift_job drift;
    int64_t closed_ms; /* when the last case of its Deployment was closed */
} ns_track;

/* Counted since the daemon started, for the summary and /metrics. */
typedef struct ns_counts {
    uint64_t ticks, records, predictions;
    uint64_t builds_seen, builds_finished, builds_failed, builds_scored, builds_alarmed, false_alarms;
    uint64_t cases_opened, verified, undone, inconclusive, escalated, refused, approved, rejected, overridden,
        reconciled, healed_by[NS_HEALED_abandoned + 1];
    uint64_t decided[NS_ACTION_COUNT], sent[NS_ACTION_COUNT], helped[NS_ACTION_COUNT];
    double tick_ms_last, tick_ms_max;
    ns_early_warning early;
} ns_counts;

typedef struct ns_house {
    const ns_settings *settings;
    struct event_base *loop;
    ns_clock clock; /* world time */
    bool on_world;  /* the built-in world instead of real servers */
    uint64_t seed;
    int64_t started_real_ms;
    int64_t started_ms;  /* world time */
    int64_t interval_ms; /* world time between two ticks */
    uint64_t key_seed;   /* of idempotency keys, see ns_case_begin_attempt */
    ns_arena *tick;      /* the steps of one tick */

    ns_lock *lock;
    ns_store store;
    ns_snapshot *snapshot;
    ns_redactor *redactor;
    ns_log_sink log_sink;
    ns_source sources[NS_SOURCE_KINDS];
    size_t source_count;
    ns_hands hands[NS_SOURCE_KINDS + 1];
    size_t hands_count;
    ns_predictor predictor;
    ns_scorer *scorer;
    ns_policy policy;
    ns_guardrails *rails;
    ns_reward_caps caps;
    ns_feed *feed;
    struct ns_jenkins *jenkins;       /* shared by source and hands; NULL on the built-in world */
    struct ns_kubernetes *kubernetes; /* likewise; NULL also where no cluster is configured */
    ns_world *world;                  /* NULL on real servers */
    ns_scenario *scenario;
    ns_recorded_logs recorded; /* that its builds print */

    int wake_fd; /* eventfd: the writer committed, or the scorer answered */
    struct event *wake;

    ns_revision_row *revisions; /* verified before this start; NULL none */
    size_t revision_count;

    ns_track *tracks; /* one per pipeline of the snapshot */
    size_t track_count;
    ns_store_ids ids; /* highest in use */
    ns_counts counts;
    ns_drift drift;
    ns_source_state told_source[NS_SOURCE_KINDS];
    bool told_kill_switch;
    ns_complaint store_trouble;
} ns_house;

/* Builds everything from settings, takes the lock, reads open cases back. On failure nothing stays taken. */
NS_MUST_USE ns_status ns_house_open(const ns_settings *settings, struct event_base *loop, ns_house **out,
                                    ns_error *err);
/* Stops sources and hands, flushes the store, frees everything. NULL is allowed. */
void ns_house_close(ns_house *house);

/* A track for every pipeline of the snapshot, names and Deployments from the configuration filled in. NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_house_tracks(ns_house *house);
/* NULL: not made yet. */
ns_track *ns_house_track(const ns_house *house, const ns_pipeline_view *view);
/* The entry of a build; made when it is new and `make` is true (NULL then: no memory). */
ns_build_entry *ns_house_build(ns_house *house, ns_track *track, int64_t number, bool make);
void ns_house_forget_build(ns_house *house, const ns_pipeline_view *view, ns_track *track, ns_build_entry *entry);

/* Writes a row and returns its sequence number; 0 when it was refused: telemetry is counted by the store, a durable row
 * that cannot be written is told and stops every action that needs it. */
uint64_t ns_house_put(ns_house *house, const ns_row *row);
/* One line of audit by `actor` ("neuroshield" or a person). */
void ns_house_audit(ns_house *house, const char *actor, const char *what, const char *object, const char *detail);

#endif
