/*
 * A build plan: what the world has decided about one build so far, with the truth in it. The log generator's input.
 *
 * The world decides stage by stage. When a stage starts, its entry is appended with its end and its fate, and is not
 * changed again; `ended_ms` cuts a stage short when the build was stopped or its agent went away. Text must therefore
 * be a pure function of (plan, time) that only ever grows: what stage i prints may depend on the fields before
 * `stage_count`, on stage[i], and on `text_seed`, never on later stages or on the end. Lines are printed at
 * start_ms <= t <= end_ms of their stage. Made-up text does not hint at a stage's failure before its evidence_ms;
 * recorded text (build_log_recorded.h) follows its own times, within the stage. `expected` is a guess for the text
 * alone: what it says need not come true.
 */
#ifndef NS_WORLD_BUILD_PLAN_H
#define NS_WORLD_BUILD_PLAN_H

#include "flow/build.h"
#include "flow/cause.h"
#include "flow/names.h"

/* name of the enum, name in Jenkins, usual share of the build's time */
#define NS_STAGE_MAP(X)                                                                                                \
    X(checkout, "Checkout", 0.06)                                                                                      \
    X(dependencies, "Dependencies", 0.20)                                                                              \
    X(compile, "Build", 0.24)                                                                                          \
    X(test, "Test", 0.34)                                                                                              \
    X(package, "Package", 0.10)                                                                                        \
    X(deploy, "Deploy", 0.06)

typedef enum ns_stage_kind {
#define NS_STAGE_ENUM(name, title, share) NS_STAGE_##name,
    NS_STAGE_MAP(NS_STAGE_ENUM)
#undef NS_STAGE_ENUM
        NS_STAGE_KINDS
} ns_stage_kind;

typedef enum ns_language { NS_LANGUAGE_java, NS_LANGUAGE_go, NS_LANGUAGE_node } ns_language;

/* Who is behind a build, in truth. person = the human who mends an incident; other = any other user of Jenkins. */
typedef enum ns_origin {
    NS_ORIGIN_commit,
    NS_ORIGIN_timer,
    NS_ORIGIN_person,
    NS_ORIGIN_neuroshield,
    NS_ORIGIN_other
} ns_origin;

#define NS_PARAMETERS_MAX      4
#define NS_PARAMETER_VALUE_MAX 256

typedef struct ns_parameter {
    char name[NS_NAME_MAX];
    char value[NS_PARAMETER_VALUE_MAX];
} ns_parameter;

typedef struct ns_plan_stage {
    ns_stage_kind kind;
    int64_t start_ms;
    int64_t end_ms;      /* planned end; the present end when the build was not cut short */
    ns_cause cause;      /* none: the stage passes */
    bool code;           /* with cause: the commit itself is at fault (out_of_memory that no other agent would cure) */
    int64_t evidence_ms; /* with cause: the first telling line is printed then; -1 no cause */
    double severity;     /* with cause: 0..1 */
    bool noise;          /* it prints failures that it survives (ignored, retried or expected ones) */
} ns_plan_stage;

typedef struct ns_build_plan {
    char jenkins_job[NS_JOB_MAX]; /* sock-shop/carts */
    char service[NS_NAME_MAX];    /* carts */
    ns_language language;
    int64_t number;
    uint64_t text_seed; /* all chance in its text comes from here */
    ns_origin origin;
    ns_build_trigger trigger;
    char user[NS_NAME_MAX];  /* who clicked or pushed; "" nobody */
    char agent[NS_NAME_MAX]; /* linux-2 */
    char commit[48];
    int32_t changes;
    bool dependency_files_changed;
    int64_t retry_of; /* number of the build before it on the same commit; 0 none */
    ns_parameter parameter[NS_PARAMETERS_MAX];
    size_t parameter_count;
    int64_t started_ms;
    ns_cause expected; /* of what it is bound to fail as things stand when it starts; none: of nothing known */
    ns_stage_kind expected_stage; /* in which */
    ns_plan_stage stage[NS_STAGE_KINDS];
    size_t stage_count;   /* started so far */
    int32_t tests_total;  /* of the whole suite */
    int32_t tests_failed; /* in truth, when the test stage is at its end */
    int32_t tests_skipped;
    int64_t ended_ms;             /* building ended then, perhaps inside a stage; -1 still building */
    int64_t closed_ms;            /* the last line ("Finished: X") is printed by then; -1 still building */
    ns_build_result result;       /* unknown while building */
    bool agent_lost;              /* cut at ended_ms because its agent went away */
    char stopped_by[NS_NAME_MAX]; /* cut at ended_ms by this user; "" nobody */
} ns_build_plan;

const char *ns_stage_title(ns_stage_kind kind); /* "Build"; static */

#endif
