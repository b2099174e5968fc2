/* Requests that change something, and the ledger in which each one that was carried out leaves a line. */
#include "world/world_state.h"

#include <stdio.h>
#include <string.h>

const char *ns_world_effect_kind_name(ns_world_effect_kind kind)
{
    static const char *const names[] = {
#define EFFECT_NAME(name, meaning) #name,
        NS_WORLD_EFFECT_MAP(EFFECT_NAME)
#undef EFFECT_NAME
    };
    return (unsigned)kind < NS_COUNT_OF(names) ? names[kind] : "unknown";
}

static bool take(int64_t *left)
{
    if (*left <= 0)
        return false;
    --*left;
    return true;
}

bool ns_world_mishap_strikes(ns_world *w, ns_world_effect_kind kind, ns_world_mishap mishap)
{
    ns_world_faults *all = &w->faults;
    ns_world_kind_faults *of = &all->of[kind];
    const struct {
        int64_t *left;
        double share, share_of_all;
    } mishaps[] = {
        [NS_MISHAP_drop_reply] = {&of->drop_reply, of->drop_reply_share, all->drop_reply_share},
        [NS_MISHAP_lose_request] = {&of->lose_request, of->lose_share, all->lose_share},
        [NS_MISHAP_refuse] = {&of->refuse, of->refuse_share, all->refuse_share},
        [NS_MISHAP_merge] = {&of->merge, of->merge_share, all->merge_share},
    };
    NS_CHECK((unsigned)mishap < NS_COUNT_OF(mishaps));
    return take(mishaps[mishap].left) || ns_world_fault_draw(w, mishaps[mishap].share) ||
           ns_world_fault_draw(w, mishaps[mishap].share_of_all);
}

ns_world_effect *ns_world_note_effect(ns_world *w, ns_world_effect_kind of, const char *key,
                                      const ns_world_request *request)
{
    const char *kind = ns_world_effect_kind_name(of);
    int64_t seq = ++w->effects;
    ns_world_effect *effect = &w->effect[seq % NS_WORLD_EFFECTS_KEPT];
    *effect = (ns_world_effect){.seq = seq, .at_ms = w->now_ms, .queue_id = -1};
    (void)ns_text_copy(effect->kind, sizeof effect->kind, ns_text_of(kind));
    (void)ns_text_copy(effect->key, sizeof effect->key, ns_text_of(key));
    (void)ns_text_copy(effect->from, sizeof effect->from, ns_text_of(request->from));
    (void)ns_text_copy(effect->user, sizeof effect->user, ns_text_of(request->user));
    ns_world_note(w, kind, seq, 0);
    return effect;
}

int64_t ns_world_effect_total(const ns_world *w)
{
    return w->effects;
}

bool ns_world_effect_at(const ns_world *w, int64_t seq, ns_world_effect *out)
{
    if (seq < 1 || seq > w->effects || seq <= w->effects - NS_WORLD_EFFECTS_KEPT)
        return false;
    *out = w->effect[seq % NS_WORLD_EFFECTS_KEPT];
    return true;
}

bool ns_world_effect_by_key(const ns_world *w, const char *key, ns_world_effect *out)
{
    if (key[0] == '\0')
        return false;
    for (int64_t seq = w->effects; seq > 0 && seq > w->effects - NS_WORLD_EFFECTS_KEPT; seq--) {
        const ns_world_effect *effect = &w->effect[seq % NS_WORLD_EFFECTS_KEPT];
        if (strcmp(effect->key, key) == 0) {
            *out = *effect;
            return true;
        }
    }
    return false;
}

bool ns_world_is_neuroshield(const char *user, const char *key)
{
    return key[0] != '\0' || (user != NULL && strcmp(user, NS_WORLD_USER) == 0);
}

void ns_world_without_key(ns_world *w)
{
    w->definition_count = NS_COUNT_OF(w->definition) - 1;
}

/* Parameters in the definitions' order; *key gets the value of NEUROSHIELD_KEY. */
static ns_status settle_parameters(const ns_world *w, item *wanted, const ns_parameter *parameter, size_t count,
                                   ns_error *err)
{
    wanted->parameter_count = w->definition_count;
    memcpy(wanted->parameter, w->definition, sizeof w->definition);
    for (size_t i = 0; i < count; i++) {
        if (memchr(parameter[i].value, '\0', sizeof parameter[i].value) == NULL)
            return ns_fail(err, NS_TOO_LARGE, "a parameter's value is longer than %d bytes",
                           NS_PARAMETER_VALUE_MAX - 1);
        for (size_t k = 0; k < wanted->parameter_count; k++)
            if (strcmp(parameter[i].name, wanted->parameter[k].name) == 0)
                wanted->parameter[k] = parameter[i];
    }
    return NS_OK;
}

ns_status ns_world_trigger(ns_world *w, size_t job, const ns_parameter *parameter, size_t count, int64_t quiet_ms,
                           const ns_world_request *request, int64_t *queue_id, bool *merged, ns_error *err)
{
    if (job >= NS_PIPELINES)
        return ns_fail(err, NS_NOT_FOUND, "there is no such job");
    if (w->pipeline[job].disabled)
        return ns_fail(err, NS_CONFLICT, "%s is disabled", w->pipeline[job].full_name);
    item wanted = {.job = job, .trigger = NS_TRIGGER_user};
    ns_status status = settle_parameters(w, &wanted, parameter, count, err);
    if (status != NS_OK)
        return status;
    const char *key = wanted.parameter[1].value;
    bool ours = ns_world_is_neuroshield(request->user, key);
    wanted.origin = ours ? NS_ORIGIN_neuroshield : NS_ORIGIN_other;
    wanted.quiet_until_ms = w->now_ms + (quiet_ms < 0 ? QUIET_MS : quiet_ms);
    (void)ns_text_copy(wanted.user, sizeof wanted.user, ns_text_of(request->user));
    item *in = ns_world_enqueue(w, job, &wanted, request->merge, merged);
    if (in == NULL)
        return ns_fail(err, NS_BUSY, "the queue of this Jenkins is full");
    *queue_id = in->id;
    ns_world_effect *effect = ns_world_note_effect(w, NS_EFFECT_build, key, request);
    (void)snprintf(effect->target, sizeof effect->target, "%s", w->pipeline[job].full_name);
    effect->queue_id = in->id;
    effect->merged = *merged;
    if (ours) {
        ns_world_incident_saw(w, job, NS_ACTION_retry_build);
        if (in->number != 0) /* without a quiet period it may have started already */
            ns_world_incident_saw_build(w, job, in->number);
    }
    return NS_OK;
}

ns_status ns_world_stop(ns_world *w, size_t job, int64_t number, const ns_world_request *request, bool *stopped,
                        ns_error *err)
{
    build *b = ns_world_build_of(w, job, number);
    if (b == NULL)
        return ns_fail(err, NS_NOT_FOUND, "there is no such build");
    *stopped = b->plan.ended_ms < 0;
    if (!*stopped)
        return NS_OK;
    ns_world_effect *effect = ns_world_note_effect(w, NS_EFFECT_stop, "", request);
    (void)snprintf(effect->target, sizeof effect->target, "%.180s#%lld", w->pipeline[job].full_name, (long long)number);
    b->aborted_by_person = !ns_world_is_neuroshield(request->user, "");
    const char *who = request->user == NULL || request->user[0] == '\0' ? "anonymous" : request->user;
    (void)ns_text_copy(b->plan.stopped_by, sizeof b->plan.stopped_by, ns_text_of(who));
    ns_world_end_build(w, job, NS_BUILD_ABORTED);
    return NS_OK;
}

ns_status ns_world_cancel(ns_world *w, int64_t queue_id, const ns_world_request *request, ns_error *err)
{
    for (size_t i = 0; i < w->waiting_count; i++) {
        if (w->waiting[i] != queue_id)
            continue;
        item *in = &w->queue[queue_id % QUEUE_KEPT];
        ns_world_effect *effect = ns_world_note_effect(w, NS_EFFECT_cancel, "", request);
        (void)snprintf(effect->target, sizeof effect->target, "queue %lld", (long long)queue_id);
        effect->queue_id = queue_id;
        in->state = NS_QUEUE_cancelled;
        in->left_ms = w->now_ms;
        w->pipeline[in->job].waiting--;
        w->waiting_count--;
        memmove(&w->waiting[i], &w->waiting[i + 1], (w->waiting_count - i) * sizeof w->waiting[0]);
        return NS_OK;
    }
    return ns_fail(err, NS_NOT_FOUND, "queue item %lld does not wait", (long long)queue_id);
}

ns_status ns_world_escalate(ns_world *w, size_t job, const char *key, const ns_world_request *request, ns_error *err)
{
    if (job >= NS_PIPELINES)
        return ns_fail(err, NS_NOT_FOUND, "there is no such pipeline");
    ns_world_effect earlier;
    if (ns_world_effect_by_key(w, key, &earlier))
        return NS_OK;
    ns_world_effect *effect = ns_world_note_effect(w, NS_EFFECT_escalate, key, request);
    (void)snprintf(effect->target, sizeof effect->target, "%s", w->pipeline[job].full_name);
    ns_world_incident_saw(w, job, NS_ACTION_escalate);
    ns_world_person_told(w, job);
    return NS_OK;
}
