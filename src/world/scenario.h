/*
 * A scenario: how often what goes wrong in the world, how people react, what things cost. Read from YAML.
 *
 * The file's form is fixed (see simulations/default.yaml and docs of the file format): every key may be left out, an
 * unknown key, a duplicate, a wrong type or a value outside its range is an error with file and line. There is no key
 * for the chance that an action cures a cause: that follows from what the action does to the world.
 */
#ifndef NS_WORLD_SCENARIO_H
#define NS_WORLD_SCENARIO_H

#include "base/text.h"
#include "flow/action.h"
#include "flow/cause.h"
#include "flow/names.h"

/* Lognormal: median * exp(sigma * normal). */
typedef struct ns_spread {
    double median;
    double sigma;
} ns_spread;

typedef struct ns_cause_scenario {
    double weight;             /* >= 0; share among all weights */
    double cluster_share;      /* 0..1: of these, so many befall a pod and not a build; out_of_memory only */
    double heals_itself_share; /* 0..1: of these incidents, the condition ends by itself after lasts_s */
    ns_spread lasts_s;         /* from the first bad event on */
    ns_spread severity;        /* cut to 0.02..0.98; what it means depends on the cause, see README */
} ns_cause_scenario;

typedef struct ns_action_scenario {
    ns_spread duration_s; /* of retry_build: how long a build takes */
    double cost;
} ns_action_scenario;

#define NS_RETRIES_MAX 10

/* Which recorded logs the builds print: of the projects that the shipped predictor has learnt from, was tuned on, or
 * has never seen. */
typedef enum ns_log_split { NS_SPLIT_train, NS_SPLIT_validation, NS_SPLIT_test } ns_log_split;
const char *ns_log_split_name(ns_log_split split); /* "test"; static */

typedef struct ns_scenario {
    char name[NS_NAME_MAX];
    double step_s;
    double censor_s;
    double rate_per_day;
    double control_share;
    double double_fault_share;
    bool held_out[NS_CAUSE_COUNT];
    ns_cause_scenario cause[NS_CAUSE_COUNT];
    ns_action_scenario action[NS_ACTION_COUNT];
    struct {
        ns_spread acknowledge_s;
        ns_spread diagnose_s;
        ns_spread act_s;
        double success;
        double by_cause[NS_CAUSE_COUNT]; /* multiplies diagnose and act */
    } human;
    struct {
        int32_t max;
        double delay_s[NS_RETRIES_MAX]; /* `max` of them; the last one is repeated when fewer were given */
    } naive_retry;
    struct {
        double mttr_cap_s;
        double cost_cap;
    } reward;
    struct {
        double noise;
        double missing_share;
        ns_spread age_s;
        ns_log_split log_split;
    } observation;
} ns_scenario;

#define NS_SCENARIO_BYTES_MAX (1u << 20)
#define NS_SCENARIO_DEPTH_MAX 32

/* file: for messages only. NS_BAD_INPUT ("file:line: what"), NS_TOO_LARGE, NS_NO_MEMORY; out untouched then. */
NS_MUST_USE ns_status ns_scenario_read(const char *file, ns_text yaml, ns_scenario *out, ns_error *err);
NS_MUST_USE ns_status ns_scenario_load(const char *path, ns_scenario *out, ns_error *err);

/* The scenarios built into the program: "default", "demo". NS_NOT_FOUND. */
NS_MUST_USE ns_status ns_scenario_builtin(const char *name, ns_scenario *out, ns_error *err);
/* Their text, for showing and for hashing; empty when there is no such scenario. Static. */
ns_text ns_scenario_builtin_text(const char *name);

#endif
