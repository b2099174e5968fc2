#include "world/world_doors_inner.h"

#include "base/mem.h"
#include "world/sock_shop.h"

#include <stdio.h>
#include <string.h>

/* ---- the source ---- */

#define PIECE_BYTES (256u << 10)

/* How far the log of one build was handed over. */
typedef struct log_mark {
    int64_t number; /* 0 unused */
    int64_t offset;
    bool ended;
} log_mark;

typedef struct world_source {
    ns_world *world;
    ns_snapshot *snapshot;
    const ns_log_sink *sink; /* may be NULL */
    ns_pipeline_view *view[NS_PIPELINES];
    log_mark mark[NS_PIPELINES][NS_BUILDS_KEPT];
    ns_buf text;
    int64_t polled_ms;
} world_source;

static void read_job(world_source *self, size_t job, const ns_world_job *facts)
{
    ns_pipeline_view *view = self->view[job];
    view->buildable = !facts->disabled;
    view->in_queue = facts->in_queue;
    view->jenkins_at_ms = ns_world_now_ms(self->world);
    int64_t oldest = facts->newest_number - NS_BUILDS_KEPT + 1;
    for (int64_t number = oldest; number <= facts->newest_number; number++) {
        const ns_build *known = ns_pipeline_build(view, number);
        ns_build now;
        if (known != NULL && !known->running)
            continue;
        if (!ns_world_build_flow(self->world, job, number, &now))
            continue;
        now.log_bytes = known == NULL ? 0 : known->log_bytes;
        ns_pipeline_put_build(view, &now);
    }
}

static log_mark *mark_of(world_source *self, size_t job, int64_t number)
{
    log_mark *mark = &self->mark[job][number % NS_BUILDS_KEPT];
    if (mark->number != number) {
        int64_t stored = self->sink->offset(self->sink->self, self->view[job]->jenkins_job, number);
        *mark = (log_mark){number, stored < 0 ? 0 : stored, stored < 0};
    }
    return mark;
}

/* Hands over what is printed by now; false: the sink has no room, the rest is offered at the next poll. */
static bool pour(world_source *self, size_t job, const ns_build *build, log_mark *mark)
{
    bool more = true;
    for (;;) {
        int64_t next = mark->offset;
        ns_buf_reset(&self->text);
        if (ns_world_log(self->world, job, build->number, mark->offset, PIECE_BYTES, &self->text, &next, &more) !=
            NS_OK)
            return true;
        if (self->text.len == 0 && more)
            return true;
        ns_log_piece piece = {.pipeline = self->view[job],
                              .build = build->number,
                              .text = ns_buf_view(&self->text),
                              .next_offset = next,
                              .at_ms = ns_world_now_ms(self->world),
                              .restarted = next < mark->offset,
                              .ended = !more};
        if (self->sink->take(self->sink->self, &piece) != NS_OK)
            return false;
        mark->offset = next;
        mark->ended = !more;
        if (mark->ended)
            return true;
    }
}

static void read_logs(world_source *self, size_t job)
{
    ns_pipeline_view *view = self->view[job];
    /* Oldest first, so that earlier logs are whole before later ones begin. */
    for (size_t i = view->build_count; i-- > 0;) {
        ns_build *build = &view->builds[i];
        log_mark *mark = mark_of(self, job, build->number);
        if (mark->ended || !self->sink->wanted(self->sink->self, view, build))
            continue;
        bool room = pour(self, job, build, mark);
        build->log_bytes = mark->offset;
        if (view->completed.number == build->number)
            view->completed.log_bytes = mark->offset;
        if (!room)
            return;
    }
}

static void read_agents(world_source *self, int64_t tick_ms)
{
    double busy = 0, total = 0, offline = 0;
    for (size_t i = 0; i < ns_world_agent_count(self->world); i++) {
        ns_world_agent agent;
        ns_world_agent_at(self->world, i, &agent);
        busy += agent.busy;
        total += agent.offline ? 0 : agent.executors;
        offline += agent.offline;
    }
    self->snapshot->executors_busy = (ns_value){busy, tick_ms};
    self->snapshot->executors_total = (ns_value){total, tick_ms};
    self->snapshot->agents_offline = (ns_value){offline, tick_ms};
    self->snapshot->queue_length = (ns_value){(double)ns_world_queue_count(self->world), tick_ms};
}

static void read_signals(world_source *self)
{
    for (size_t i = 0; i < NS_SIGNAL_COUNT; i++) {
        if (ns_signal_facts_of((ns_signal)i)->scope == NS_SCOPE_global) {
            self->snapshot->signal[i] = ns_world_signal(self->world, (ns_signal)i, 0);
            continue;
        }
        for (size_t job = 0; job < NS_PIPELINES; job++)
            self->view[job]->signal[i] = ns_world_signal(self->world, (ns_signal)i, job);
    }
}

/* Of the Deployment that the pipeline is said to deploy to: configuration may name another. */
static void read_cluster(world_source *self, size_t job)
{
    ns_pipeline_view *view = self->view[job];
    ptrdiff_t d = ns_world_find_deployment(self->world, ns_text_of(view->deployment));
    if (d >= 0) {
        ns_world_read_deployment(self->world, (size_t)d, &view->cluster);
        return;
    }
    ns_deployment_view_forget(&view->cluster);
    view->cluster.at_ms = ns_world_now_ms(self->world);
}

static void source_poll(void *me, int64_t tick_ms)
{
    world_source *self = me;
    ns_world_advance(self->world, tick_ms);
    for (size_t job = 0; job < NS_PIPELINES; job++) {
        ns_world_job facts;
        ns_world_job_at(self->world, job, &facts);
        read_job(self, job, &facts);
        read_cluster(self, job);
        if (self->sink != NULL)
            read_logs(self, job);
    }
    read_agents(self, tick_ms);
    read_signals(self);
    ns_source_health good = {.state = NS_SOURCE_ok, .good_at_ms = tick_ms};
    self->snapshot->source[NS_FROM_jenkins] = good;
    self->snapshot->source[NS_FROM_prometheus] = good;
    self->snapshot->source[NS_FROM_kubernetes] = good;
    self->snapshot->nodes_ready = self->snapshot->nodes_total = (ns_value){NS_WORLD_NODES, tick_ms};
}

static bool source_settled(void *me)
{
    (void)me;
    return true;
}

static void source_free(void *me)
{
    world_source *self = me;
    ns_buf_clear(&self->text);
    ns_free(self);
}

ns_status ns_world_source(ns_world *world, ns_snapshot *snapshot, const ns_log_sink *sink, const ns_clock *clock,
                          ns_source *out, ns_error *err)
{
    (void)clock; /* the tick carries the time */
    NS_CHECK(ns_world_job_count(world) == NS_PIPELINES);
    world_source *self = NS_NEW(world_source);
    if (self == NULL)
        return ns_fail(err, NS_NO_MEMORY, "source of the world");
    self->world = world;
    self->snapshot = snapshot;
    self->sink = sink;
    ns_buf_init(&self->text, PIECE_BYTES);
    for (size_t job = 0; job < NS_PIPELINES; job++) {
        ns_world_job facts;
        ns_world_job_at(world, job, &facts);
        self->view[job] = ns_snapshot_pipeline(snapshot, ns_text_of(facts.full_name));
        if (self->view[job] == NULL) {
            source_free(self);
            return ns_fail(err, NS_NO_MEMORY, "pipelines of the world");
        }
        if (self->view[job]->deployment[0] == '\0')
            (void)ns_text_copy(self->view[job]->deployment, NS_NAME_MAX, ns_text_of(facts.deployment));
    }
    *out = (ns_source){self, "world", source_poll, source_settled, source_free};
    return NS_OK;
}

/* ---- the hands ---- */

static const ns_world_request by_hand = {.user = NS_WORLD_USER, .from = "in-process"};

static ns_effect_answer answer_of(ns_sent sent)
{
    return (ns_effect_answer){.sent = sent, .queue_id = -1};
}

static ns_effect_answer refuse(ns_status status, const char *text)
{
    ns_effect_answer answer = answer_of(NS_SENT_refused);
    (void)ns_fail(&answer.error, status, "%s", text);
    return answer;
}

static ns_effect_answer not_known(const char *text)
{
    ns_effect_answer answer = answer_of(NS_SENT_unknown);
    (void)ns_fail(&answer.error, NS_TIMEOUT, "%s", text);
    return answer;
}

static bool is_of_cluster(ns_action action)
{
    return action == NS_ACTION_scale_up || action == NS_ACTION_rollback || action == NS_ACTION_restart_pods;
}

static ns_world_effect_kind kind_of(ns_action action)
{
    return action == NS_ACTION_scale_up       ? NS_EFFECT_scale
           : action == NS_ACTION_rollback     ? NS_EFFECT_rollback
           : action == NS_ACTION_restart_pods ? NS_EFFECT_restart
           : action == NS_ACTION_escalate     ? NS_EFFECT_escalate
                                              : NS_EFFECT_build;
}

/* Refused with a reason, or acknowledged: it could be done now. */
static ns_effect_answer possible(const ns_world *world, const ns_effect *effect, ptrdiff_t *job)
{
    *job = ns_world_find_job(world, ns_text_of(effect->jenkins_job));
    if (*job < 0)
        return refuse(NS_NOT_FOUND, "the world has no such job");
    if (effect->action == NS_ACTION_escalate)
        return answer_of(NS_SENT_acknowledged);
    if (is_of_cluster(effect->action)) {
        ns_effect_answer answer = answer_of(NS_SENT_acknowledged);
        if (ns_world_can_change(world, effect, &answer) != NS_OK)
            answer.sent = NS_SENT_refused;
        return answer;
    }
    if (effect->action != NS_ACTION_retry_build)
        return refuse(NS_LATER, "the world cannot do this action");
    ns_world_job facts;
    ns_world_job_at(world, (size_t)*job, &facts);
    ns_world_build build;
    if (facts.disabled)
        return refuse(NS_CONFLICT, "the job is disabled");
    if (!ns_world_build_at(world, (size_t)*job, effect->build, &build))
        return refuse(NS_NOT_FOUND, "the build to repeat is gone");
    if (build.building)
        return refuse(NS_CONFLICT, "the build to repeat still runs");
    return answer_of(NS_SENT_acknowledged);
}

static void hands_prepare(void *me, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    const ns_world *world = me;
    ptrdiff_t job;
    ns_effect_answer answer = possible(world, effect, &job);
    if (answer.sent == NS_SENT_acknowledged && !is_of_cluster(effect->action)) {
        ns_world_job facts;
        ns_world_job_at(world, (size_t)job, &facts);
        (void)snprintf(answer.baseline, sizeof answer.baseline, "{\"next_number\":%lld,\"effects\":%lld}",
                       (long long)facts.next_number, (long long)ns_world_effect_total(world));
    }
    done(owner, effect, &answer);
}

static ns_effect_answer retry(ns_world *world, const ns_effect *effect, size_t job)
{
    ns_world_build build;
    if (!ns_world_build_at(world, job, effect->build, &build))
        return refuse(NS_NOT_FOUND, "the build to repeat is gone");
    ns_parameter parameter[NS_PARAMETERS_MAX];
    memcpy(parameter, build.parameter, build.parameter_count * sizeof parameter[0]);
    for (size_t i = 0; i < build.parameter_count; i++)
        if (strcmp(parameter[i].name, NS_WORLD_KEY_NAME) == 0)
            (void)snprintf(parameter[i].value, sizeof parameter[i].value, "%s", effect->key);
    ns_effect_answer answer = answer_of(NS_SENT_acknowledged);
    bool merged;
    ns_status status = ns_world_trigger(world, job, parameter, build.parameter_count, -1, &by_hand, &answer.queue_id,
                                        &merged, &answer.error);
    if (status != NS_OK)
        answer.sent = NS_SENT_refused;
    return answer;
}

static void hands_send(void *me, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    ns_world *world = me;
    ns_world_effect_kind kind = kind_of(effect->action);
    ptrdiff_t job;
    ns_effect_answer answer = possible(world, effect, &job);
    if (answer.sent != NS_SENT_acknowledged) {
        done(owner, effect, &answer);
        return;
    }
    if (ns_world_mishap_strikes(world, kind, NS_MISHAP_lose_request)) {
        answer = not_known("the request was lost");
    } else if (ns_world_mishap_strikes(world, kind, NS_MISHAP_refuse)) {
        answer = refuse(NS_PROTOCOL, "the world answers with an error");
    } else {
        if (effect->action == NS_ACTION_retry_build)
            answer = retry(world, effect, (size_t)job);
        else if (is_of_cluster(effect->action))
            answer.sent = ns_world_change(world, effect, &by_hand, &answer.error) == NS_OK ? NS_SENT_acknowledged
                                                                                           : NS_SENT_refused;
        else if (ns_world_escalate(world, (size_t)job, effect->key, &by_hand, &answer.error) != NS_OK)
            answer.sent = NS_SENT_refused;
        if (answer.sent == NS_SENT_acknowledged && ns_world_mishap_strikes(world, kind, NS_MISHAP_drop_reply))
            answer = not_known("the answer was lost");
    }
    done(owner, effect, &answer);
}

static int64_t build_with_key(const ns_world *world, size_t job, const char *key)
{
    ns_world_job facts;
    ns_world_job_at(world, job, &facts);
    for (int64_t number = facts.newest_number; number >= facts.oldest_number; number--) {
        ns_world_build build;
        if (ns_world_build_at(world, job, number, &build) && strcmp(build.key, key) == 0)
            return number;
    }
    return 0;
}

static void hands_reconcile(void *me, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    const ns_world *world = me;
    ns_effect_answer answer;
    ns_world_effect found;
    ptrdiff_t job = ns_world_find_job(world, ns_text_of(effect->jenkins_job));
    if (ns_world_effect_by_key(world, effect->key, &found)) {
        answer = answer_of(NS_SENT_acknowledged);
        answer.queue_id = found.queue_id;
        answer.build = job < 0 ? 0 : build_with_key(world, (size_t)job, effect->key);
    } else if (ns_world_effect_total(world) > NS_WORLD_EFFECTS_KEPT) {
        answer = not_known("the ledger no longer reaches back so far");
    } else {
        answer = refuse(NS_NOT_FOUND, "the world never saw this request");
    }
    done(owner, effect, &answer);
}

static void hands_free(void *me)
{
    (void)me; /* the world is borrowed */
}

ns_status ns_world_hands(ns_world *world, ns_hands *out, ns_error *err)
{
    (void)err;
    *out = (ns_hands){.self = world,
                      .name = "world",
                      .actions = NS_ACTION_BIT(NS_ACTION_retry_build) | NS_ACTION_BIT(NS_ACTION_escalate) |
                                 NS_ACTION_BIT(NS_ACTION_scale_up) | NS_ACTION_BIT(NS_ACTION_rollback) |
                                 NS_ACTION_BIT(NS_ACTION_restart_pods),
                      .prepare = hands_prepare,
                      .send = hands_send,
                      .reconcile = hands_reconcile,
                      .free = hands_free};
    return NS_OK;
}
