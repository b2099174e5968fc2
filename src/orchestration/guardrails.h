/*
 * Guardrails: what stands between what the policy wants and what is done.
 *
 * One table of rules, asked in order; the first that objects decides, and its verdict says with which numbers. no_op is
 * always allowed. escalate tells a person and executes nothing: only the kill switch, the allow-list, its own cool-down
 * and its mode hold it back. Loop thread only; memory is bounded and taken at birth.
 */
#ifndef NS_ORCHESTRATION_GUARDRAILS_H
#define NS_ORCHESTRATION_GUARDRAILS_H

#include "flow/case.h"
#include "flow/prediction.h"
#include "flow/snapshot.h"

typedef struct ns_guardrails ns_guardrails;

typedef struct ns_guardrail_options {
    ns_mode mode;                         /* global: caps every action's own */
    ns_mode action_mode[NS_ACTION_COUNT]; /* each action's own */
    ns_action_mask allowed;               /* allow-list; an action outside is refused */
    /* Real servers: an action acts by itself only when its `auto` was written down for it (auto_configured), not by the
     * global mode alone; else it asks. escalate needs no such line. */
    bool real_servers;
    ns_action_mask auto_configured;
    int64_t stale_after_ms;                /* older answers of the sources that an action depends on: refused */
    double min_cause_probability;          /* the believed cause must be at least this likely to act unasked; 0 off */
    int64_t cool_down_ms[NS_ACTION_COUNT]; /* between two of the same action on one pipeline */
    int32_t max_per_hour;                  /* actions, all pipelines; escalate does not count */
    int32_t max_per_pipeline_hour;
    int32_t max_attempts;      /* actions sent in one case; escalate does not count */
    int32_t oscillation_cases; /* incidents of one pipeline acted upon within the window: then stop */
    int64_t oscillation_window_ms;
    int32_t breaker_after;          /* actions in a row that did not help, all pipelines */
    int32_t pipeline_breaker_after; /* the same on one pipeline */
    int64_t breaker_open_ms;        /* then nothing acts for so long */
    const char *stop_file;          /* its existence is the kill switch; copied; NULL none */
} ns_guardrail_options;

/* Mode observe, everything in the list allowed, the defaults of README.md. */
ns_guardrail_options ns_guardrail_defaults(void);

/* What is judged. Pointers are borrowed for the call. */
typedef struct ns_judged {
    const ns_decision *decision;
    const ns_snapshot *snapshot;
    const ns_pipeline_view *view;
    const ns_case *open_case;        /* NULL: none yet */
    const ns_build *failed_build;    /* that a retry would repeat; NULL: not known */
    const ns_prediction *prediction; /* NULL: none; one known later than now counts as none */
    bool measured;                   /* the cause rests on measurements of the Deployment, not on a prediction */
    const char *drift; /* why a prediction is only advice at present (prediction/drift.h); NULL: it counts */
    bool approved;     /* a person said yes to exactly this */
    int64_t now_ms;
} ns_judged;

NS_MUST_USE ns_status ns_guardrails_new(const ns_guardrail_options *options, ns_guardrails **out, ns_error *err);
void ns_guardrails_free(ns_guardrails *rails);

/* Pure reading: the same state gives the same verdict; nothing is counted until ns_guardrails_note_sent. */
void ns_guardrails_judge(ns_guardrails *rails, const ns_judged *judged, ns_verdict *out);

/* Just before sending: looks at the stop file, then judges once more. Only verdict `act` may be sent. */
void ns_guardrails_recheck(ns_guardrails *rails, const ns_judged *judged, ns_verdict *out);

/* To be told of everything that is sent (also when read back at start: oldest first), and of how it came out. */
void ns_guardrails_note_sent(ns_guardrails *rails, const char *jenkins_job, ns_action action, int64_t case_id,
                             int64_t at_ms);
/* What was noted as sent turned out never to have left: it is counted and cooled down for no longer. */
void ns_guardrails_note_not_sent(ns_guardrails *rails, const char *jenkins_job, ns_action action, int64_t case_id);
void ns_guardrails_note_outcome(ns_guardrails *rails, const char *jenkins_job, ns_action action, bool helped,
                                int64_t at_ms);

/* The kill switch is on when one of the two holds: set here (API, signal), or the stop file exists. */
typedef struct ns_kill_switch {
    bool on;
    char by[NS_NAME_MAX]; /* "file", or who set it; "" when off */
    int64_t since_ms;     /* -1 off */
} ns_kill_switch;

void ns_guardrails_stop(ns_guardrails *rails, bool on, const char *by, int64_t now_ms);
/* Looks for the stop file: once per tick. True when the switch changed. */
bool ns_guardrails_look(ns_guardrails *rails, int64_t now_ms);
void ns_guardrails_kill_switch(const ns_guardrails *rails, ns_kill_switch *out);

void ns_guardrails_set_mode(ns_guardrails *rails, ns_mode mode);
ns_mode ns_guardrails_mode(const ns_guardrails *rails);
/* Global and own mode together, real servers considered: what this action may do at most. */
ns_mode ns_guardrails_mode_of(const ns_guardrails *rails, ns_action action);

/* The breaker over all pipelines: world time until which it is open; -1 closed. */
int64_t ns_guardrails_breaker_until(const ns_guardrails *rails, int64_t now_ms);

/* The i-th rule's name and what it is for; false at the end. */
NS_MUST_USE bool ns_guardrails_rule(size_t i, const char **name, const char **meaning);

#endif
