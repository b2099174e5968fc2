/*
 * The runbook. One row per cause: how often to try, how long to wait before the first try and between tries, what to
 * do when that is used up. Everything it needs stands in the state vector.
 */
#include "agent/runbook.h"

#include "flow/cause.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The state vector's scalings, taken back. A value at its cap means "this or more". */
#define CASE_ELAPSED_S 3600.0
#define SINCE_ACTION_S 900.0
#define TRIED_CAP      5.0
/* Values travel as float: a pause that is over by less than this is over. */
#define SLACK_S        0.5

/* Of the probability of failing at all, the share of the likeliest cause from which it is believed. Below, the cause
 * is unknown. The causes' probabilities together must say that there is something to explain. */
#define BELIEVED_SHARE 0.35
#define DOUBT_SHARE    0.25 /* of a failing test's share: so likely a compile error keeps a build from being repeated */
#define EXPLAINED      0.02

/* A message that could not be delivered is tried again: after a minute at first, then every quarter of an hour (the
 * longest pause that the state vector can tell), for as long as the incident lasts. */
#define ESCALATE_PAUSE_S      60.0
#define ESCALATE_LONG_PAUSE_S SINCE_ACTION_S
#define ESCALATE_OFTEN        3

/* name of the cause, retries at most, pause before the first after the first bad event, pause between retries, factor
 * by which that grows each time; then it escalates. 0 retries: it escalates at once. */
typedef struct remedy {
    int retries;
    double first_pause_s;
    double pause_s;
    double growth;
    const char *retry_why;
    const char *wait_why;
    const char *used_up_why;
} remedy;

/* At most 5 retries: the state vector cannot tell more apart. */
static const remedy remedies[NS_CAUSE_COUNT] = {
    [NS_CAUSE_none] = {.used_up_why = "the build failed and nothing says why: a person has to look"},
    [NS_CAUSE_compile_error] = {.used_up_why = "code that does not compile stays so: a person has to mend it"},
    [NS_CAUSE_test_failure] = {.retries = 1,
                               .growth = 1.0,
                               .retry_why = "a test fails: once more, as it may be flaky",
                               .used_up_why = "the test fails again on the same code: a person has to mend it"},
    [NS_CAUSE_flaky_test] = {.retries = 3,
                             .growth = 1.0,
                             .retry_why = "a flaky test: the same build again usually passes",
                             .used_up_why = "three more runs did not pass: not flaky, a person has to look"},
    [NS_CAUSE_dependency] = {.used_up_why = "versions contradict each other: a person has to choose"},
    [NS_CAUSE_registry_outage] = {.retries = 5,
                                  .first_pause_s = 60.0,
                                  .pause_s = 60.0,
                                  .growth = 2.0,
                                  .retry_why = "the registry had time to come back: again",
                                  .wait_why = "a registry is down: wait for it, ever longer, before building again",
                                  .used_up_why = "the registry stays away: a person has to know"},
    [NS_CAUSE_out_of_memory] = {.retries = 4,
                                .first_pause_s = 90.0,
                                .pause_s = 120.0,
                                .growth = 1.0,
                                .retry_why = "memory may be free again: once more",
                                .wait_why = "out of memory: give the neighbours time to finish",
                                .used_up_why = "it runs out of memory every time: a person has to give it more"},
    [NS_CAUSE_disk_full] = {.used_up_why = "a disk is full: a person has to make room"},
    [NS_CAUSE_timeout] = {.retries = 2,
                          .growth = 1.0,
                          .retry_why = "a step hung: once more",
                          .used_up_why = "it hangs every time: a person has to look"},
    [NS_CAUSE_agent_lost] = {.retries = 3,
                             .growth = 1.0,
                             .retry_why = "the agent went away, not the code: build again",
                             .used_up_why = "agents keep going away: a person has to look at them"},
    [NS_CAUSE_config] = {.used_up_why = "configuration or credentials are wrong: a person has to mend them"},
    [NS_CAUSE_bad_release] = {.used_up_why = "the new version is bad: a person has to decide about it"},
    [NS_CAUSE_overload] = {.used_up_why = "the service gets more than it can bear: a person has to know"},
};

/* Of a Deployment: what to try in this order, and how often each; then a person. */
#define CLUSTER_STEPS 3
typedef struct cluster_remedy {
    struct {
        ns_action action;
        int times;
        const char *why;
    } step[CLUSTER_STEPS];
    const char *used_up_why;
} cluster_remedy;

static const cluster_remedy cluster_remedies[NS_CAUSE_COUNT] = {
    /* Fresh pods cure what has piled up in them and cost little; what comes back lies in the release. */
    [NS_CAUSE_out_of_memory] = {.step = {{NS_ACTION_restart_pods, 1,
                                          "out of memory: fresh pods have none of what piled up"},
                                         {NS_ACTION_rollback, 1, "it runs out of memory again: back to what was good"},
                                         {NS_ACTION_scale_up, 1, "more pods share the load"}},
                                .used_up_why = "pods run out of memory every time: a person has to look"},
    [NS_CAUSE_bad_release] = {.step = {{NS_ACTION_rollback, 1, "the new version is bad: back to what was good here"}},
                              .used_up_why = "the release is bad and going back did not help: a person has to decide"},
    [NS_CAUSE_overload] = {.step = {{NS_ACTION_scale_up, 4, "more traffic than its pods can take: more pods"}},
                           .used_up_why = "more pods do not help against this traffic: a person has to know"},
};

/* Pauses stop growing here: 60, 120, 240, 240, ... */
#define GROWTHS_MAX 2

static double value_or(const ns_state *state, ns_state_index i, double otherwise)
{
    return ns_state_has(state, i) ? (double)state->value[i] : otherwise;
}

static int tried(const ns_state *state, ns_action action)
{
    double share = value_or(state, (ns_state_index)(NS_STATE_tried_no_op + (int)action), 0.0);
    return (int)lround(share * TRIED_CAP);
}

static bool last_build_failed(const ns_state *state)
{
    return value_or(state, NS_STATE_build_failed, 0.0) >= 0.5 || value_or(state, NS_STATE_build_unstable, 0.0) >= 0.5;
}

/* The likeliest cause given that it failed; the first in the list wins a tie. NS_CAUSE_none: not known. */
static ns_cause believed_cause(const ns_state *state)
{
    double total = 0.0, most = 0.0;
    ns_cause best = NS_CAUSE_none;
    for (int c = NS_CAUSE_none + 1; c < NS_CAUSE_COUNT; c++) {
        double p = value_or(state, (ns_state_index)(NS_STATE_cause_compile_error + c - 1), 0.0);
        total += p;
        if (p > most) {
            most = p;
            best = (ns_cause)c;
        }
    }
    return total >= EXPLAINED && most >= BELIEVED_SHARE * total ? best : NS_CAUSE_none;
}

static void say(ns_decision *out, ns_action action, const char *why)
{
    out->action = action;
    out->probability = 1.0;
    (void)snprintf(out->why, sizeof out->why, "%s", why);
}

static void escalate(const ns_state *state, ns_action_mask possible, ns_decision *out, const char *why)
{
    int told = tried(state, NS_ACTION_escalate);
    bool lost = value_or(state, NS_STATE_last_failed, 0.0) >= 0.5;
    double since_s = value_or(state, NS_STATE_since_action, 1.0) * SINCE_ACTION_S;
    double pause_s = told < ESCALATE_OFTEN ? ESCALATE_PAUSE_S : ESCALATE_LONG_PAUSE_S;
    if (told > 0 && !lost)
        say(out, NS_ACTION_no_op, "a person has been told: wait for them");
    else if (told > 0 && since_s + SLACK_S < pause_s)
        say(out, NS_ACTION_no_op, "the message to a person was lost: wait a while, then send it again");
    else if ((possible & NS_ACTION_BIT(NS_ACTION_escalate)) == 0)
        say(out, NS_ACTION_no_op, "a person should be told, which is not possible now");
    else
        say(out, NS_ACTION_escalate, why);
}

/* Whether the pause before the next retry is over. */
static bool pause_over(const ns_state *state, const remedy *way, int retries)
{
    if (retries == 0) {
        double elapsed_s = value_or(state, NS_STATE_case_elapsed, 0.0) * CASE_ELAPSED_S;
        return elapsed_s + SLACK_S >= way->first_pause_s;
    }
    int growths = retries - 1 < GROWTHS_MAX ? retries - 1 : GROWTHS_MAX;
    double pause_s = way->pause_s * pow(way->growth, (double)growths);
    return value_or(state, NS_STATE_since_action, 1.0) * SINCE_ACTION_S + SLACK_S >= pause_s;
}

static const ns_action_mask on_deployments =
    NS_ACTION_BIT(NS_ACTION_scale_up) | NS_ACTION_BIT(NS_ACTION_rollback) | NS_ACTION_BIT(NS_ACTION_restart_pods);

/* The Deployment does badly: no build is to be repeated. */
static void decide_on_cluster(const ns_state *state, ns_action_mask possible, ns_decision *out)
{
    const cluster_remedy *way = &cluster_remedies[believed_cause(state)];
    for (size_t i = 0; i < CLUSTER_STEPS && tried(state, NS_ACTION_escalate) == 0; i++) {
        ns_action action = way->step[i].action;
        if (way->step[i].times > tried(state, action) && (possible & NS_ACTION_BIT(action)) != 0) {
            say(out, action, way->step[i].why);
            return;
        }
    }
    escalate(state, possible, out,
             way->used_up_why != NULL ? way->used_up_why
                                      : "the service does badly and nothing says why: a person has to look");
}

/* A failing test is built once more because it may be flaky; not where the code may well not compile. */
static bool may_not_compile(const ns_state *state)
{
    double compile = value_or(state, NS_STATE_cause_compile_error, 0.0);
    return compile >= DOUBT_SHARE * value_or(state, NS_STATE_cause_test_failure, 0.0);
}

static void runbook_decide(void *self, const ns_state *state, ns_action_mask possible, ns_decision *out)
{
    (void)self;
    /* What can be built again is a build's case; and so is one of a build that failed. */
    bool in_case = ns_state_has(state, NS_STATE_case_elapsed);
    bool can_change = (possible & on_deployments) != 0, can_tell = (possible & NS_ACTION_BIT(NS_ACTION_escalate)) != 0;
    if ((possible & NS_ACTION_BIT(NS_ACTION_retry_build)) == 0 &&
        (can_change || (in_case && can_tell && !last_build_failed(state)))) {
        decide_on_cluster(state, possible, out);
        return;
    }
    if (!last_build_failed(state)) {
        say(out, NS_ACTION_no_op, "the last completed build did not fail: nothing to do");
        return;
    }
    if (value_or(state, NS_STATE_build_running, 0.0) >= 0.5) {
        say(out, NS_ACTION_no_op, "a newer build is running: wait for its result");
        return;
    }
    ns_cause cause = believed_cause(state);
    const remedy *way = &remedies[cause];
    int retries = tried(state, NS_ACTION_retry_build);
    if (tried(state, NS_ACTION_escalate) > 0 || retries >= way->retries)
        escalate(state, possible, out, way->used_up_why);
    else if (cause == NS_CAUSE_test_failure && may_not_compile(state))
        escalate(state, possible, out, "tests fail, or the code does not even compile: a person has to look");
    else if (!pause_over(state, way, retries))
        say(out, NS_ACTION_no_op, way->wait_why);
    else if ((possible & NS_ACTION_BIT(NS_ACTION_retry_build)) != 0)
        say(out, NS_ACTION_retry_build, way->retry_why);
    else
        say(out, NS_ACTION_no_op, "building again would be right, which is not possible now");
}

static void nothing_decide(void *self, const ns_state *state, ns_action_mask possible, ns_decision *out)
{
    (void)self, (void)state, (void)possible;
    say(out, NS_ACTION_no_op, "this policy does nothing");
}

/* `self` points into this array: a policy without memory of its own knows its action. */
static const ns_action constant_actions[NS_ACTION_COUNT] = {
#define CONSTANT_SELF(name, cost, reversible, blast, executor, meaning) [NS_ACTION_##name] = NS_ACTION_##name,
    NS_ACTION_MAP(CONSTANT_SELF)
#undef CONSTANT_SELF
};
static const char *const constant_names[NS_ACTION_COUNT] = {
#define CONSTANT_NAME(name, cost, reversible, blast, executor, meaning) [NS_ACTION_##name] = "constant:" #name,
    NS_ACTION_MAP(CONSTANT_NAME)
#undef CONSTANT_NAME
};

static void constant_decide(void *self, const ns_state *state, ns_action_mask possible, ns_decision *out)
{
    ns_action action = *(const ns_action *)self;
    bool acts = last_build_failed(state) && (possible & NS_ACTION_BIT(action)) != 0;
    say(out, acts ? action : NS_ACTION_no_op, acts ? "this policy always does this" : "nothing failed or not possible");
}

static void free_nothing(void *self)
{
    (void)self;
}

void ns_runbook_policy(ns_policy *out)
{
    *out = (ns_policy){.name = "runbook", .decide = runbook_decide, .free = free_nothing};
}

void ns_nothing_policy(ns_policy *out)
{
    *out = (ns_policy){.name = "nothing", .decide = nothing_decide, .free = free_nothing};
}

void ns_constant_policy(ns_policy *out, ns_action action)
{
    NS_CHECK((unsigned)action < NS_ACTION_COUNT);
    *out = (ns_policy){.self = (void *)(uintptr_t)&constant_actions[action],
                       .name = constant_names[action],
                       .decide = constant_decide,
                       .free = free_nothing};
}
