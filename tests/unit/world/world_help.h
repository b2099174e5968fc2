/* What the tests of this room share: scenarios, worlds, and a policy that is told the cause. */
#ifndef NS_TESTS_WORLD_HELP_H
#define NS_TESTS_WORLD_HELP_H

#include "check.h"

#include "world/world.h"

#define START_MS 1795473600000

static const ns_world_request ours = {.user = NS_WORLD_USER, .from = "test"};

static inline ns_scenario scenario_of(const char *name)
{
    ns_scenario s;
    CHECK_OK(ns_scenario_builtin(name, &s, NULL));
    return s;
}

static inline ns_world *world_of(const ns_scenario *s, uint64_t seed)
{
    ns_world *w = NULL;
    ns_error err;
    if (ns_world_new(s, seed, START_MS, &w, &err) != NS_OK)
        fail_msg("%s", err.text);
    return w;
}

static inline ns_world *demo(uint64_t seed)
{
    ns_scenario s = scenario_of("demo");
    return world_of(&s, seed);
}

/*
 * A patient policy that is told the cause (as a good predictor would): retries what a retry can cure, a minute after
 * the failure, at most 8 times, and calls a person for all else.
 */
typedef struct patient {
    int64_t incident[16]; /* of the cluster, dealt with last */
    int64_t next_ms[16];
    int32_t steps[16];
    int64_t seen[16];
    int32_t tries[16];
    int64_t due_ms[16];
} patient;

static inline bool retry_may_help(const ns_build_plan *plan)
{
    const ns_plan_stage *last = &plan->stage[plan->stage_count - 1];
    switch ((int)last->cause) {
    case NS_CAUSE_flaky_test:
    case NS_CAUSE_registry_outage:
    case NS_CAUSE_timeout:
    case NS_CAUSE_disk_full:
        return true;
    case NS_CAUSE_out_of_memory:
        return !last->code;
    default:
        return plan->agent_lost;
    }
}

/* The newest earlier revision made of another image: what a ledger of verified ones would say here. 0: none. */
static inline int64_t earlier_revision(const ns_world *w, size_t d)
{
    ns_world_revision now, r;
    ns_world_revision_at(w, d, ns_world_revision_count(w, d) - 1, &now);
    for (size_t i = ns_world_revision_count(w, d) - 1; i-- > 0;) {
        ns_world_revision_at(w, d, i, &r);
        if (strcmp(r.template_is.image, now.template_is.image) != 0)
            return r.serial;
    }
    return 0;
}

static inline void restart_pods(ns_world *w, size_t d)
{
    int64_t serial;
    ns_world_revision now;
    ns_world_revision_at(w, d, ns_world_revision_count(w, d) - 1, &now);
    CHECK_OK(ns_world_set_template(w, d, &now.template_is, true, "", &ours, &serial, NULL));
}

static inline void mend_cluster(ns_world *w, size_t d, ns_cause cause, int32_t step)
{
    ns_world_rollout rollout;
    ns_world_rollout_of(w, d, &rollout);
    if (cause == NS_CAUSE_overload)
        CHECK_OK(ns_world_scale(w, d, rollout.replicas + 1, "", &ours, NULL));
    else if (cause == NS_CAUSE_out_of_memory && step == 0)
        restart_pods(w, d);
    else if (earlier_revision(w, d) != 0)
        CHECK_OK(ns_world_rollback(w, d, earlier_revision(w, d), "", &ours, NULL));
}

/* Half a minute after users begin to suffer, and again every six minutes; what was added is taken back when calm. */
static inline void act_on_cluster(ns_world *w, patient *p, size_t job)
{
    for (int64_t id = ns_world_incident_total(w); id > 0 && id > ns_world_incident_total(w) - 40; id--) {
        ns_world_incident i;
        CHECK(ns_world_incident_at(w, id, &i));
        if (i.job != job || !i.in_cluster || i.first_bad_ms < 0)
            continue;
        if (i.over_ms >= 0 && p->incident[job] == id && p->steps[job] > 0) {
            CHECK_OK(ns_world_scale(w, job, 1, "", &ours, NULL));
            p->steps[job] = 0;
        }
        if (i.over_ms >= 0)
            return;
        if (p->incident[job] != id) {
            p->incident[job] = id;
            p->next_ms[job] = i.first_bad_ms + 30000;
            p->steps[job] = 0;
        }
        if (ns_world_now_ms(w) < p->next_ms[job])
            return;
        p->next_ms[job] = ns_world_now_ms(w) + 360000;
        mend_cluster(w, job, i.cause, p->steps[job]++);
        return;
    }
}

static inline void act_patiently(ns_world *w, patient *p, size_t job)
{
    ns_world_job facts;
    ns_world_job_at(w, job, &facts);
    ns_world_build b;
    bool merged;
    int64_t queue_id, now = ns_world_now_ms(w);
    if (facts.running == 0 && facts.newest_number > p->seen[job] &&
        ns_world_build_at(w, job, facts.newest_number, &b) && !b.in_progress) {
        p->seen[job] = b.number;
        p->due_ms[job] = b.result == NS_BUILD_FAILURE ? now + (p->tries[job] == 0 ? 30000 : 60000) : 0;
        if (b.result == NS_BUILD_SUCCESS)
            p->tries[job] = 0;
    }
    if (p->due_ms[job] == 0 || p->due_ms[job] > now || facts.running != 0 || facts.in_queue)
        return;
    p->due_ms[job] = 0;
    if (retry_may_help(ns_world_plan(w, job, p->seen[job])) && p->tries[job]++ < 8)
        CHECK_OK(ns_world_trigger(w, job, NULL, 0, -1, &ours, &queue_id, &merged, NULL));
    else
        CHECK_OK(ns_world_escalate(w, job, "", &ours, NULL));
}

static inline void live_patiently(ns_world *w, int64_t for_s)
{
    patient p = {0};
    for (size_t job = 0; job < ns_world_job_count(w); job++) {
        ns_world_job facts;
        ns_world_job_at(w, job, &facts);
        p.seen[job] = facts.newest_number;
    }
    for (int64_t s = 0; s <= for_s; s += 30) {
        ns_world_advance(w, START_MS + s * 1000);
        for (size_t job = 0; job < ns_world_job_count(w); job++) {
            act_patiently(w, &p, job);
            act_on_cluster(w, &p, job);
        }
    }
}

#endif
