/* What a visitor of this Jenkins can see: jobs, builds, logs, queue, agents. Pure reads. */
#include "world/world_state.h"

#include "world/build_log.h"

#include <stdio.h>
#include <string.h>

size_t ns_world_job_count(const ns_world *w)
{
    (void)w;
    return NS_PIPELINES;
}

static const char *description_of(ns_language language)
{
    static const char *const words[] = {"Java service, built with Maven", "Go service", "Node.js front-end"};
    return words[language];
}

void ns_world_job_at(const ns_world *w, size_t job, ns_world_job *out)
{
    NS_CHECK(job < NS_PIPELINES);
    const pipeline *p = &w->pipeline[job];
    int64_t newest = p->next_number - 1;
    *out = (ns_world_job){
        .name = p->service->name,
        .full_name = p->full_name,
        .deployment = p->service->name,
        .description = description_of(p->service->language),
        .repository = p->repository,
        .language = p->service->language,
        .disabled = p->disabled,
        .in_queue = p->waiting > 0,
        .next_number = p->next_number,
        .oldest_number = newest > NS_WORLD_BUILDS_KEPT ? newest - NS_WORLD_BUILDS_KEPT + 1 : 1,
        .newest_number = newest,
        .running = p->running,
        .parameter = w->definition,
        .parameter_count = w->definition_count,
    };
}

ptrdiff_t ns_world_find_job(const ns_world *w, ns_text name)
{
    for (size_t i = 0; i < NS_PIPELINES; i++)
        if (ns_text_is(name, w->pipeline[i].full_name) || ns_text_is(name, w->pipeline[i].service->name))
            return (ptrdiff_t)i;
    return -1;
}

void ns_world_set_disabled(ns_world *w, size_t job, bool disabled)
{
    NS_CHECK(job < NS_PIPELINES);
    w->pipeline[job].disabled = disabled;
    ns_world_note(w, "disabled", (int64_t)job, disabled);
}

/* ---- builds ---- */

static void view_stages(const ns_world *w, const ns_build_plan *plan, ns_world_build *out)
{
    out->stage_count = plan->stage_count;
    for (size_t i = 0; i < plan->stage_count; i++) {
        const ns_plan_stage *stage = &plan->stage[i];
        bool last = i + 1 == plan->stage_count;
        int64_t end_ms = stage->end_ms;
        ns_stage_status status = NS_STAGE_SUCCESS;
        if (last && plan->ended_ms < 0) {
            status = NS_STAGE_IN_PROGRESS;
            end_ms = w->now_ms;
        } else if (last && plan->result != NS_BUILD_SUCCESS) {
            status = plan->result == NS_BUILD_ABORTED ? NS_STAGE_ABORTED : NS_STAGE_FAILED;
            end_ms = plan->ended_ms;
        }
        out->stage[i] =
            (ns_world_stage){ns_stage_title(stage->kind), stage->start_ms, end_ms - stage->start_ms, status};
    }
}

static const char *key_of(const ns_parameter *parameter, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(parameter[i].name, NS_WORLD_KEY_NAME) == 0)
            return parameter[i].value;
    return "";
}

/* The report is published when the suite has run to its end: not when the run was killed or hung. */
static bool tests_reported(const ns_build_plan *plan, const ns_world_build *view)
{
    if (view->stage_count <= NS_STAGE_test || plan->stage[NS_STAGE_test].end_ms < 0)
        return false;
    ns_cause cause = plan->stage[NS_STAGE_test].cause;
    ns_stage_status status = view->stage[NS_STAGE_test].status;
    return status == NS_STAGE_SUCCESS || (status == NS_STAGE_FAILED && !plan->agent_lost &&
                                          (cause == NS_CAUSE_flaky_test || cause == NS_CAUSE_test_failure));
}

bool ns_world_build_at(const ns_world *w, size_t job, int64_t number, ns_world_build *out)
{
    const build *b = ns_world_build_of(w, job, number);
    if (b == NULL)
        return false;
    const ns_build_plan *plan = &b->plan;
    bool building = plan->ended_ms < 0;
    *out = (ns_world_build){
        .number = number,
        .queue_id = b->queue_id,
        .queued_ms = b->queued_ms,
        .started_ms = plan->started_ms,
        .ended_ms = plan->ended_ms,
        .duration_ms = building ? 0 : plan->ended_ms - plan->started_ms,
        .estimated_ms = b->estimated_ms,
        .building = building,
        .in_progress = building || w->now_ms < plan->closed_ms,
        .result = plan->result,
        .trigger = plan->trigger,
        .user = plan->user,
        .agent = plan->agent,
        .commit = plan->commit,
        .changes = plan->changes,
        .dependency_files_changed = plan->dependency_files_changed,
        .aborted_by_person = b->aborted_by_person,
        .parameter = plan->parameter,
        .parameter_count = plan->parameter_count,
        .key = key_of(plan->parameter, plan->parameter_count),
        .tests_total = -1,
        .tests_failed = -1,
        .tests_skipped = -1,
    };
    view_stages(w, plan, out);
    if (tests_reported(plan, out)) {
        out->tests_total = plan->tests_total;
        out->tests_failed = plan->tests_failed;
        out->tests_skipped = plan->tests_skipped;
    }
    return true;
}

static void copy_name(char *out, size_t size, const char *name)
{
    (void)ns_text_copy(out, size, ns_text_of(name));
}

bool ns_world_build_flow(const ns_world *w, size_t job, int64_t number, ns_build *out)
{
    ns_world_build view;
    if (!ns_world_build_at(w, job, number, &view))
        return false;
    *out = ns_build_unknown(number);
    out->running = view.in_progress;
    out->result = view.result;
    out->started_ms = view.started_ms;
    out->duration_ms = view.building ? -1 : view.duration_ms;
    out->estimated_ms = view.estimated_ms;
    out->queue_id = view.queue_id;
    out->seen_ms = w->now_ms;
    out->trigger = view.key[0] != '\0' ? NS_TRIGGER_neuroshield : view.trigger;
    copy_name(out->triggered_by, sizeof out->triggered_by, view.user);
    copy_name(out->key, sizeof out->key, view.key);
    copy_name(out->agent, sizeof out->agent, view.agent);
    copy_name(out->commit, sizeof out->commit, view.commit);
    out->parameters = (int32_t)view.parameter_count;
    out->changes = view.changes;
    out->dependency_files_changed = view.dependency_files_changed;
    out->aborted_by_person = view.aborted_by_person;
    out->tests_total = view.tests_total;
    out->tests_failed = view.tests_failed;
    out->tests_skipped = view.tests_skipped;
    out->stages = (int32_t)view.stage_count;
    for (size_t i = 0; i < view.stage_count; i++)
        out->stages_bad += view.stage[i].status == NS_STAGE_FAILED;
    if (view.stage_count > 0)
        copy_name(out->stage, sizeof out->stage, view.stage[view.stage_count - 1].name);
    return true;
}

const ns_build_plan *ns_world_plan(const ns_world *w, size_t job, int64_t number)
{
    const build *b = ns_world_build_of(w, job, number);
    return b == NULL ? NULL : &b->plan;
}

ns_status ns_world_log(const ns_world *w, size_t job, int64_t number, int64_t offset, size_t limit, ns_buf *out,
                       int64_t *next, bool *more)
{
    const build *b = ns_world_build_of(w, job, number);
    if (b == NULL)
        return NS_NOT_FOUND;
    size_t before = out->len;
    int64_t total = 0;
    offset = offset < 0 ? 0 : offset;
    ns_status status = ns_build_log_cached(w->logs, &b->plan, w->now_ms, offset, limit, out, &total);
    if (status == NS_OK && offset > total) {
        offset = 0;
        status = ns_build_log_cached(w->logs, &b->plan, w->now_ms, offset, limit, out, &total);
    }
    if (status != NS_OK)
        return status;
    *next = offset + (int64_t)(out->len - before);
    *more = *next < total || b->plan.ended_ms < 0 || w->now_ms < b->plan.closed_ms;
    return NS_OK;
}

/* ---- queue ---- */

size_t ns_world_queue_count(const ns_world *w)
{
    return w->waiting_count;
}

static bool remembered(const ns_world *w, const item *in)
{
    return in->id != 0 && in->left_ms >= 0 && w->now_ms - in->left_ms <= LEFT_FOR_MS;
}

size_t ns_world_queue_all(const ns_world *w)
{
    size_t n = w->waiting_count;
    for (size_t i = 0; i < QUEUE_KEPT; i++)
        n += remembered(w, &w->queue[i]);
    return n;
}

static void why_of(const ns_world *w, const item *in, char *out, size_t size)
{
    switch (in->state) {
    case NS_QUEUE_waiting:
        (void)snprintf(out, size, "In the quiet period. Expires in %.1f sec",
                       (double)(in->quiet_until_ms - w->now_ms) / 1000.0);
        break;
    case NS_QUEUE_blocked:
        (void)snprintf(out, size, "Build #%lld is already in progress", (long long)w->pipeline[in->job].running);
        break;
    case NS_QUEUE_buildable:
        (void)snprintf(out, size, "Waiting for next available executor");
        break;
    case NS_QUEUE_left:
    case NS_QUEUE_cancelled:
        break;
    }
}

static void view_item(const ns_world *w, const item *in, ns_world_queue_item *out)
{
    *out = (ns_world_queue_item){
        .id = in->id,
        .job = in->job,
        .state = in->state,
        .since_ms = in->since_ms,
        .quiet_until_ms = in->quiet_until_ms,
        .buildable_ms = in->buildable_ms,
        .left_ms = in->left_ms,
        .number = in->number,
        .merged = in->merged,
        .trigger = in->trigger,
        .user = in->user,
        .parameter = in->parameter,
        .parameter_count = in->parameter_count,
    };
    why_of(w, in, out->why, sizeof out->why);
}

void ns_world_queue_at(const ns_world *w, size_t i, ns_world_queue_item *out)
{
    if (i < w->waiting_count) {
        view_item(w, &w->queue[w->waiting[i] % QUEUE_KEPT], out);
        return;
    }
    i -= w->waiting_count;
    for (size_t k = 0; k < QUEUE_KEPT; k++) {
        /* From the oldest slot on, so that ids ascend. */
        const item *in = &w->queue[((size_t)w->next_item + k) % QUEUE_KEPT];
        if (remembered(w, in) && i-- == 0) {
            view_item(w, in, out);
            return;
        }
    }
    NS_CHECK(false);
}

bool ns_world_queue_find(const ns_world *w, int64_t id, ns_world_queue_item *out)
{
    if (id < 1)
        return false;
    const item *in = &w->queue[id % QUEUE_KEPT];
    if (in->id != id || (in->left_ms >= 0 && !remembered(w, in)))
        return false;
    view_item(w, in, out);
    return true;
}

/* ---- agents ---- */

size_t ns_world_agent_count(const ns_world *w)
{
    (void)w;
    return AGENTS;
}

static bool condition_on(const ns_world *w, ns_cause cause, size_t agent_at)
{
    for (size_t job = 0; job < NS_PIPELINES; job++) {
        for (size_t i = 0; i < CONDITIONS; i++) {
            const condition *c = &w->pipeline[job].condition[i];
            bool ended = c->ends_itself && !c->code && w->now_ms >= c->ends_ms;
            if (c->active && !ended && c->cause == cause && c->agent == (ptrdiff_t)agent_at)
                return true;
        }
    }
    return false;
}

void ns_world_agent_at(const ns_world *w, size_t agent_at, ns_world_agent *out)
{
    NS_CHECK(agent_at < AGENTS);
    const agent *a = &w->agent[agent_at];
    *out = (ns_world_agent){.name = a->name,
                            .label = "linux",
                            .executors = EXECUTORS,
                            .busy = a->busy,
                            .offline = a->offline,
                            .offline_reason = a->offline ? "Connection was broken" : "",
                            .disk_used = a->disk_used,
                            .disk_bytes = (int64_t)100 << 30,
                            .memory_bytes = (int64_t)16 << 30,
                            .memory_used = a->memory_used + 0.12 * a->busy};
    if (condition_on(w, NS_CAUSE_disk_full, agent_at))
        out->disk_used = 0.999;
    if (condition_on(w, NS_CAUSE_out_of_memory, agent_at))
        out->memory_used = 0.97;
    for (size_t i = 0; i < EXECUTORS; i++) {
        out->slot[i].job = a->job[i];
        out->slot[i].number = a->job[i] < 0 ? 0 : w->pipeline[a->job[i]].running;
    }
}
