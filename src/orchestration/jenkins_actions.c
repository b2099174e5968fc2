#include "orchestration/jenkins_actions.h"

#include "base/clock.h"
#include "base/mem.h"
#include "orchestration/jenkins_retry.h"

#include <event2/event.h>
#include <string.h>

enum { UNDER_WAY_MAX = 64, FORM_MAX = 256 * 1024, PATH_MAX_BYTES = 8 * 1024 };

typedef enum deed { DEED_PREPARE, DEED_SEND, DEED_RECONCILE } deed;

/* Each deed walks through some of these, in this order. */
typedef enum act_step {
    ACT_WHO,
    ACT_JOB,
    ACT_QUEUE,
    ACT_BUILD,
    ACT_BUILDS,
    ACT_POST,
    ACT_RESOLVE,
} act_step;

typedef struct hands {
    ns_jenkins *client;
    ns_jenkins *own_client;
    struct event_base *loop;
    int64_t resolve_ms;
    int resolve_tries;
    int64_t settle_ns;
    int64_t unanswered_ns; /* monotonic: since then no request has gone without an answer */
    struct act *first;
    size_t under_way;
    bool closing;
} hands;

/* One deed under way. */
typedef struct act {
    hands *h;
    struct act *prev, *next;
    deed deed;
    act_step step;
    ns_effect effect;
    ns_effect_done *done;
    void *owner;
    ns_effect_answer answer;
    retry_job job;
    retry_baseline baseline;
    json_t *queue, *build, *builds; /* kept answers */
    struct event *timer;
    int tries;
} act;

static void answered(void *owner, const ns_jenkins_answer *answer);

/* ---- beginning and end ---- */

static void finish(act *a, ns_sent sent)
{
    hands *h = a->h;
    a->answer.sent = sent;
    if (a->deed == DEED_SEND && sent == NS_SENT_unknown)
        h->unanswered_ns = ns_monotonic_ns();
    if (sent == NS_SENT_acknowledged)
        a->answer.error = (ns_error){.status = NS_OK};
    if (a->prev != NULL)
        a->prev->next = a->next;
    else
        h->first = a->next;
    if (a->next != NULL)
        a->next->prev = a->prev;
    h->under_way--;
    if (a->timer != NULL)
        event_free(a->timer);
    json_decref(a->queue);
    json_decref(a->build);
    json_decref(a->builds);
    a->done(a->owner, &a->effect, &a->answer);
    ns_free(a);
}

/* Trouble while only reading: of a send nothing has left yet, so it is certainly not done. */
static void give_up(act *a, const ns_error *err)
{
    bool lasting = err->status == NS_REFUSED || err->status == NS_NOT_FOUND || err->status == NS_FORBIDDEN ||
                   err->status == NS_UNAUTHORIZED || err->status == NS_TOO_LARGE || err->status == NS_BAD_INPUT;
    a->answer.error = *err;
    finish(a, a->deed == DEED_SEND || (a->deed == DEED_PREPARE && lasting) ? NS_SENT_refused : NS_SENT_unknown);
}

/* ---- questions ---- */

static void ask(act *a, ns_jenkins_kind kind, const ns_buf *path, ns_text form)
{
    ns_error err = {.status = NS_NO_MEMORY, .text = "the path of a question"};
    ns_jenkins_request request = {
        .kind = kind, .path = path->at, .form = form, .done = answered, .owner = a, .group = a->h};
    ns_status status = path->failed ? NS_NO_MEMORY : ns_jenkins_start(a->h->client, &request, NULL, &err);
    if (status != NS_OK && a->step == ACT_RESOLVE)
        finish(a, NS_SENT_acknowledged); /* it is in the queue; which build it became will be seen later */
    else if (status != NS_OK)
        give_up(a, &err);
}

static void put_job(const act *a, ns_buf *path)
{
    if (ns_jenkins_job_path(path, ns_text_of(a->effect.jenkins_job)) != NS_OK)
        path->failed = true;
}

static void ask_step(act *a, act_step step)
{
    ns_buf path;
    ns_buf_init(&path, PATH_MAX_BYTES);
    a->step = step;
    switch (step) {
    case ACT_WHO:
        (void)ns_buf_string(&path, "/whoAmI/api/json");
        break;
    case ACT_JOB:
        put_job(a, &path);
        (void)ns_buf_string(&path, RETRY_JOB_QUERY);
        break;
    case ACT_QUEUE:
        (void)ns_buf_string(&path, RETRY_QUEUE_QUERY);
        break;
    case ACT_BUILD:
        put_job(a, &path);
        (void)ns_buf_printf(&path, "/%lld", (long long)a->effect.build);
        (void)ns_buf_string(&path, RETRY_BUILD_QUERY);
        break;
    case ACT_BUILDS:
        put_job(a, &path);
        (void)ns_buf_string(&path, RETRY_BUILDS_QUERY);
        break;
    case ACT_RESOLVE:
        (void)ns_buf_printf(&path, "/queue/item/%lld/api/json?tree=cancelled%%2Cexecutable%%5Bnumber%%5D",
                            (long long)a->answer.queue_id);
        break;
    case ACT_POST:
        NS_CHECK(false);
    }
    ask(a, NS_JENKINS_JSON, &path, (ns_text){NULL, 0});
    ns_buf_clear(&path);
}

static void post(act *a)
{
    ns_error err;
    ns_buf path, form;
    ns_buf_init(&path, PATH_MAX_BYTES);
    ns_buf_init(&form, FORM_MAX);
    a->step = ACT_POST;
    put_job(a, &path);
    ns_status status = retry_check_build(a->build, a->effect.build, &err);
    if (status == NS_OK && a->job.parameterized) {
        status = retry_form(a->build, a->job.takes_key ? a->effect.key : NULL, &form, &err);
        (void)ns_buf_string(&path, "/buildWithParameters?delay=0sec");
    } else if (status == NS_OK) {
        (void)ns_buf_string(&path, "/build?delay=0sec");
    }
    if (status == NS_OK)
        ask(a, NS_JENKINS_POST, &path, ns_buf_view(&form));
    else
        give_up(a, &err);
    ns_buf_clear(&path);
    ns_buf_clear(&form);
}

/* ---- answers ---- */

static void look_again(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ask_step(owner, ACT_RESOLVE);
}

static void resolve_later(act *a)
{
    const struct timeval wait = {.tv_sec = (time_t)(a->h->resolve_ms / 1000),
                                 .tv_usec = (suseconds_t)(a->h->resolve_ms % 1000 * 1000)};
    if (a->timer == NULL)
        a->timer = evtimer_new(a->h->loop, look_again, a);
    if (++a->tries >= a->h->resolve_tries || a->timer == NULL || evtimer_add(a->timer, &wait) != 0)
        finish(a, NS_SENT_acknowledged);
}

static void took_resolve(act *a, const ns_jenkins_answer *answer)
{
    int64_t number = ns_json_int(ns_json_at(answer->json, "executable"), "number", 0);
    if (answer->status == NS_OK && number > 0) {
        a->answer.build = number;
        finish(a, NS_SENT_acknowledged);
    } else if (answer->status == NS_OK && !ns_json_bool(answer->json, "cancelled", false)) {
        resolve_later(a);
    } else {
        finish(a, NS_SENT_acknowledged);
    }
}

/* What certainly was not done, and what may have been. */
static void took_post(act *a, const ns_jenkins_answer *answer)
{
    int code = answer->code;
    a->answer.error = answer->error;
    a->answer.queue_id = answer->queue_id;
    if (answer->status == NS_OK && answer->queue_id >= 0) {
        ask_step(a, ACT_RESOLVE);
    } else if (answer->status == NS_OK && code == 201) {
        finish(a, NS_SENT_acknowledged); /* a proxy took the Location away */
    } else if (answer->status == NS_OK && code >= 300) {
        (void)ns_fail(&a->answer.error, NS_REFUSED, "Jenkins scheduled nothing (%d without a queue item)", code);
        finish(a, NS_SENT_refused);
    } else if (!answer->left || (answer->status == NS_UNREACHABLE && code == 0) || (code >= 400 && code < 500)) {
        finish(a, NS_SENT_refused);
    } else {
        if (answer->status == NS_OK)
            (void)ns_fail(&a->answer.error, NS_PROTOCOL, "an unexpected answer to a trigger (%d)", code);
        finish(a, NS_SENT_unknown);
    }
}

static void took_who(act *a, const json_t *json)
{
    const char *name = ns_json_string(json, "name", "");
    if (!ns_json_bool(json, "anonymous", false) && strlen(name) < sizeof a->baseline.user)
        (void)ns_text_copy(a->baseline.user, sizeof a->baseline.user, ns_text_of(name));
    ask_step(a, ACT_JOB);
}

static void took_job(act *a, const json_t *json)
{
    ns_error err;
    retry_read_job(json, &a->job);
    if (!a->job.buildable || a->job.waiting) {
        (void)ns_fail(&err, NS_REFUSED,
                      a->job.buildable ? "job %s waits in the queue already: ours would be merged into that build"
                                       : "job %s is disabled",
                      a->effect.jenkins_job);
        give_up(a, &err);
        return;
    }
    ask_step(a, a->deed == DEED_PREPARE ? ACT_QUEUE : ACT_BUILD);
}

static int64_t highest_id(const json_t *queue, int64_t at_least)
{
    const json_t *items = ns_json_at(queue, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        int64_t id = ns_json_int(json_array_get(items, i), "id", -1);
        at_least = id > at_least ? id : at_least;
    }
    return at_least;
}

static void end_prepare(act *a, const json_t *build)
{
    ns_error err;
    ns_buf form;
    ns_buf_init(&form, FORM_MAX);
    a->baseline.last_build = a->job.last_build;
    a->baseline.last_queue = highest_id(a->queue, a->job.last_queue);
    a->baseline.takes_key = a->job.takes_key;
    ns_status status = retry_check_build(build, a->effect.build, &err);
    if (status == NS_OK)
        status = retry_form(build, a->effect.key, &form, &err);
    if (status == NS_OK)
        status = retry_write_baseline(&a->baseline, a->answer.baseline, sizeof a->answer.baseline, &err);
    ns_buf_clear(&form);
    if (status == NS_OK)
        finish(a, NS_SENT_acknowledged);
    else
        give_up(a, &err);
}

static void end_reconcile(act *a)
{
    retry_find(&a->effect, &a->baseline, a->build, a->queue, a->builds, &a->answer);
    if (a->answer.sent == NS_SENT_refused && ns_monotonic_ns() - a->h->unanswered_ns < a->h->settle_ns) {
        a->answer.sent = NS_SENT_unknown;
        (void)ns_fail(&a->answer.error, NS_NOT_FOUND, "Jenkins has nothing of ours yet, but it may still be under way");
    }
    if (a->answer.sent == NS_SENT_acknowledged && a->answer.build == 0)
        ask_step(a, ACT_RESOLVE);
    else
        finish(a, a->answer.sent);
}

static json_t *kept(const json_t *json)
{
    return json_incref((json_t *)(uintptr_t)json); /* counting references is no change to what it says */
}

static void took_good(act *a, const json_t *json)
{
    switch (a->step) {
    case ACT_WHO:
        took_who(a, json);
        break;
    case ACT_JOB:
        took_job(a, json);
        break;
    case ACT_QUEUE:
        a->queue = kept(json);
        ask_step(a, ACT_BUILD);
        break;
    case ACT_BUILD:
        if (a->deed == DEED_PREPARE) {
            end_prepare(a, json);
            break;
        }
        a->build = kept(json);
        if (a->deed == DEED_SEND)
            post(a);
        else
            ask_step(a, ACT_BUILDS);
        break;
    default:
        a->builds = kept(json);
        end_reconcile(a);
    }
}

static void answered(void *owner, const ns_jenkins_answer *answer)
{
    act *a = owner;
    if (a->step == ACT_POST)
        took_post(a, answer);
    else if (a->step == ACT_RESOLVE)
        took_resolve(a, answer);
    else if (answer->status == NS_OK)
        took_good(a, answer->json);
    else if (a->step == ACT_WHO && (answer->status == NS_NOT_FOUND || answer->status == NS_FORBIDDEN))
        ask_step(a, ACT_JOB); /* who we are is not told: only the key will identify what we sent */
    else if (a->step == ACT_BUILD && a->deed == DEED_RECONCILE && answer->status == NS_NOT_FOUND)
        ask_step(a, ACT_BUILDS); /* the failed build is gone: likewise */
    else
        give_up(a, &answer->error);
}

/* ---- the door ---- */

static void refuse_at_once(const ns_effect *effect, ns_effect_done *done, void *owner, ns_status status,
                           const char *why)
{
    ns_effect_answer answer = {.sent = NS_SENT_refused, .queue_id = -1};
    (void)ns_fail(&answer.error, status, "%s", why);
    done(owner, effect, &answer);
}

static act *begin(hands *h, deed what, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    act *a = NULL;
    if (effect->action != NS_ACTION_retry_build || effect->build <= 0 || effect->key[0] == '\0') {
        refuse_at_once(effect, done, owner, NS_REFUSED, "Jenkins' hands only repeat a known build");
    } else if (h->closing || h->under_way >= UNDER_WAY_MAX || (a = NS_NEW(act)) == NULL) {
        ns_effect_answer answer = {.sent = what == DEED_SEND ? NS_SENT_refused : NS_SENT_unknown, .queue_id = -1};
        (void)ns_fail(&answer.error, NS_BUSY, "too many actions are under way");
        done(owner, effect, &answer);
    }
    if (a == NULL)
        return NULL;
    *a = (act){.h = h, .deed = what, .effect = *effect, .done = done, .owner = owner, .answer.queue_id = -1};
    a->next = h->first;
    if (h->first != NULL)
        h->first->prev = a;
    h->first = a;
    h->under_way++;
    return a;
}

static void hands_prepare(void *self, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    act *a = begin(self, DEED_PREPARE, effect, done, owner);
    if (a != NULL)
        ask_step(a, ACT_WHO);
}

static void hands_send(void *self, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    act *a = begin(self, DEED_SEND, effect, done, owner);
    if (a != NULL)
        ask_step(a, ACT_JOB);
}

static void hands_reconcile(void *self, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    act *a = begin(self, DEED_RECONCILE, effect, done, owner);
    ns_error err;
    if (a == NULL)
        return;
    if (retry_read_baseline(effect->baseline, &a->baseline, &err) == NS_OK) {
        ask_step(a, ACT_QUEUE);
        return;
    }
    a->answer.error = err; /* nothing to compare with, now or ever */
    finish(a, NS_SENT_unknowable);
}

static void hands_free(void *self)
{
    hands *h = self;
    h->closing = true;
    if (h->client != NULL)
        ns_jenkins_cancel(h->client, h);
    while (h->first != NULL) { /* those that wait for a timer */
        (void)ns_fail(&h->first->answer.error, NS_CANCELLED, "given up");
        finish(h->first, h->first->step == ACT_RESOLVE ? NS_SENT_acknowledged : NS_SENT_unknown);
    }
    ns_jenkins_free(h->own_client);
    ns_free(h);
}

ns_status ns_jenkins_hands_new(struct event_base *loop, const ns_jenkins_hands_options *options, ns_hands *out,
                               ns_error *err)
{
    hands *h = NS_NEW(hands);
    if (h == NULL)
        return ns_fail(err, NS_NO_MEMORY, "the hands for Jenkins");
    h->loop = loop;
    h->resolve_ms = options->resolve_ms > 0 ? options->resolve_ms : 1000;
    h->resolve_tries = options->resolve_tries > 0 ? options->resolve_tries : 3;
    h->settle_ns = options->settle_ms * 1000000;
    h->unanswered_ns = ns_monotonic_ns();
    h->client = options->client;
    ns_status status = NS_OK;
    if (h->client == NULL)
        status = ns_jenkins_new(loop, &options->connection, &h->own_client, err);
    if (status != NS_OK) {
        ns_free(h);
        return status;
    }
    if (h->client == NULL)
        h->client = h->own_client;
    *out = (ns_hands){.self = h,
                      .name = "jenkins",
                      .actions = NS_ACTION_BIT(NS_ACTION_retry_build),
                      .prepare = hands_prepare,
                      .send = hands_send,
                      .reconcile = hands_reconcile,
                      .free = hands_free};
    return NS_OK;
}
