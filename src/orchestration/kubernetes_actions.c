#include "orchestration/kubernetes_actions.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "orchestration/kubernetes_change.h"
#include "orchestration/kubernetes_rights.h"
#include "wire/json.h"
#include "wire/url.h"

#include <stdio.h>
#include <string.h>

enum { UNDER_WAY_MAX = 64, TRIES_MOST = 4, PATH_CEILING = 8 * 1024, BODY_CEILING = 8 << 20 };

typedef enum deed { DEED_PREPARE, DEED_SEND, DEED_RECONCILE } deed;

/* Each deed walks through some of these, in this order. */
typedef enum act_step { ACT_DEPLOYMENT, ACT_REPLICASETS, ACT_HPAS, ACT_PATCH, ACT_ANNOTATE } act_step;

typedef struct hands {
    ns_kubernetes *cluster;
    kube_rights *rights;
    char space[NS_NAME_MAX];
    struct act *first;
    size_t under_way;
    int64_t settle_ns;
    int64_t unanswered_ns; /* monotonic: since then no request has gone without an answer */
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
    kube_baseline then; /* of prepare, when sending or reconciling */
    kube_baseline now;
    json_t *deployment, *replicasets, *hpas; /* kept answers */
    ns_buf replicasets_text;
    char space[NS_NAME_MAX], name[NS_NAME_MAX];
    int tries;
} act;

static void answered(void *owner, const ns_kubernetes_answer *answer);

/* ---- beginning and end ---- */

static void forget_readings(act *a)
{
    json_decref(a->deployment);
    json_decref(a->replicasets);
    json_decref(a->hpas);
    a->deployment = a->replicasets = a->hpas = NULL;
    ns_buf_reset(&a->replicasets_text);
}

static void finish(act *a, ns_sent sent)
{
    hands *h = a->h;
    a->answer.sent = sent;
    if (a->deed == DEED_SEND && sent == NS_SENT_unknown)
        h->unanswered_ns = ns_monotonic_ns();
    if (sent == NS_SENT_acknowledged)
        a->answer.error = (ns_error){.status = NS_OK};
    *(a->prev != NULL ? &a->prev->next : &h->first) = a->next;
    if (a->next != NULL)
        a->next->prev = a->prev;
    h->under_way--;
    forget_readings(a);
    ns_buf_clear(&a->replicasets_text);
    a->done(a->owner, &a->effect, &a->answer);
    ns_free(a);
}

/* Trouble while only reading: of a send nothing has left yet, so it is certainly not done. Of a prepare it may pass, or
 * be a refusal that lasts. */
static void give_up(act *a, const ns_error *err)
{
    bool lasting = err->status == NS_REFUSED || err->status == NS_NOT_FOUND || err->status == NS_FORBIDDEN ||
                   err->status == NS_UNAUTHORIZED || err->status == NS_BAD_INPUT || err->status == NS_CONFLICT ||
                   err->status == NS_TOO_LARGE;
    a->answer.error = *err;
    finish(a, a->deed == DEED_SEND || (a->deed == DEED_PREPARE && lasting) ? NS_SENT_refused : NS_SENT_unknown);
}

/* ---- questions ---- */

static void put_deployment(const act *a, ns_buf *path)
{
    (void)ns_buf_string(path, "/apis/apps/v1/namespaces/");
    (void)ns_url_encode(path, ns_text_of(a->space));
    (void)ns_buf_string(path, "/deployments/");
    (void)ns_url_encode(path, ns_text_of(a->name));
}

static void put_replicasets(const act *a, ns_buf *path)
{
    ns_buf selector;
    ns_error err;
    ns_buf_init(&selector, PATH_CEILING / 2);
    (void)ns_buf_string(path, "/apis/apps/v1/namespaces/");
    (void)ns_url_encode(path, ns_text_of(a->space));
    (void)ns_buf_string(path, "/replicasets?labelSelector=");
    if (kube_change_selector(a->deployment, &selector, &err) == NS_OK)
        (void)ns_url_encode(path, ns_buf_view(&selector));
    else
        path->failed = true;
    ns_buf_clear(&selector);
}

static const char *verb_of(const act *a)
{
    return a->step == ACT_PATCH && a->deed == DEED_PREPARE ? "dry run of" : a->step >= ACT_PATCH ? "send" : "read for";
}

static void ask(act *a, const char *method, const ns_buf *path, const char *type, ns_text body)
{
    char what[128];
    ns_error err;
    (void)snprintf(what, sizeof what, "%s %s, deployment %s", verb_of(a), ns_action_name(a->effect.action),
                   a->effect.deployment);
    const ns_kubernetes_request request = {.method = method,
                                           .path = path->at,
                                           .content_type = type,
                                           .body = body,
                                           .key = type == NULL ? NULL : a->effect.key,
                                           .what = what,
                                           .urgent = true,
                                           .done = answered,
                                           .owner = a,
                                           .group = a->h};
    ns_status status = path->failed ? ns_fail(&err, NS_TOO_LARGE, "%s: its address cannot be made", what)
                                    : ns_kubernetes_start(a->h->cluster, &request, &err);
    if (status != NS_OK)
        give_up(a, &err);
}

static void ask_step(act *a, act_step step)
{
    ns_buf path;
    ns_buf_init(&path, PATH_CEILING);
    a->step = step;
    if (step == ACT_DEPLOYMENT) {
        put_deployment(a, &path);
    } else if (step == ACT_REPLICASETS) {
        put_replicasets(a, &path);
    } else {
        (void)ns_buf_string(&path, "/apis/autoscaling/v2/namespaces/");
        (void)ns_url_encode(&path, ns_text_of(a->space));
        (void)ns_buf_string(&path, "/horizontalpodautoscalers");
    }
    ask(a, "GET", &path, NULL, (ns_text){NULL, 0});
    ns_buf_clear(&path);
}

static kube_reading reading_of(const act *a)
{
    return (kube_reading){a->deployment, a->replicasets, ns_buf_view(&a->replicasets_text), a->hpas};
}

static void patch(act *a)
{
    ns_buf path, body;
    ns_error err;
    const char *type;
    bool scale;
    kube_reading reading = reading_of(a);
    ns_buf_init(&path, PATH_CEILING);
    ns_buf_init(&body, BODY_CEILING);
    a->step = ACT_PATCH;
    put_deployment(a, &path);
    ns_status status = kube_change_patch(&a->effect, &reading, &body, &type, &scale, &err);
    (void)ns_buf_printf(&path, "%s?fieldManager=" NS_KUBE_FIELD_MANAGER "%s", scale ? "/scale" : "",
                        a->deed == DEED_PREPARE ? "&dryRun=All" : "");
    if (status == NS_OK)
        ask(a, "PATCH", &path, type, ns_buf_view(&body));
    else
        give_up(a, &err);
    ns_buf_clear(&path);
    ns_buf_clear(&body);
}

/* The scaling is done; its key is for people and for reading after a crash. */
static void annotate(act *a)
{
    ns_buf path, body;
    ns_buf_init(&path, PATH_CEILING);
    ns_buf_init(&body, BODY_CEILING);
    a->step = ACT_ANNOTATE;
    put_deployment(a, &path);
    (void)ns_buf_string(&path, "?fieldManager=" NS_KUBE_FIELD_MANAGER);
    ns_error err;
    bool good = kube_change_annotation(&a->effect, &body) == NS_OK && !path.failed;
    const ns_kubernetes_request request = {.method = "PATCH",
                                           .path = path.at,
                                           .content_type = "application/merge-patch+json",
                                           .body = ns_buf_view(&body),
                                           .key = a->effect.key,
                                           .what = "note the key of a scaling",
                                           .urgent = true,
                                           .done = answered,
                                           .owner = a,
                                           .group = a->h};
    if (!good || ns_kubernetes_start(a->h->cluster, &request, &err) != NS_OK)
        finish(a, NS_SENT_acknowledged);
    ns_buf_clear(&path);
    ns_buf_clear(&body);
}

/* ---- answers ---- */

static json_t *kept(const json_t *json)
{
    return json_incref((json_t *)(uintptr_t)json); /* counting references is no change to what it says */
}

static void warn_of_manager(const act *a)
{
    const json_t *metadata = ns_json_at(a->deployment, "metadata");
    const json_t *labels = ns_json_at(metadata, "labels"), *annotations = ns_json_at(metadata, "annotations");
    bool argo = ns_json_at(annotations, "argocd.argoproj.io/tracking-id") != NULL ||
                ns_json_at(labels, "argocd.argoproj.io/instance") != NULL;
    bool flux = ns_json_at(labels, "kustomize.toolkit.fluxcd.io/name") != NULL ||
                ns_json_at(labels, "helm.toolkit.fluxcd.io/name") != NULL;
    if (argo || flux)
        ns_log(NS_LOG_WARNING, "orchestration", "managed_deployment",
               "deployment=%s by=%s key=%s text=\"it may take the change back\"", a->effect.deployment,
               argo ? "argo-cd" : "flux", a->effect.key);
}

static bool has_the_number(const act *a)
{
    return a->effect.action == NS_ACTION_scale_up &&
           ns_json_int(ns_json_at(a->deployment, "spec"), "replicas", 1) == a->effect.replicas;
}

/* All has been read: is it allowed, is it still what was prepared? */
static void all_read(act *a)
{
    ns_error err;
    kube_reading reading = reading_of(a);
    ns_status status = kube_change_check(&a->effect, &reading, &a->now, &err);
    if (a->deed == DEED_SEND && (kube_change_has_key(&a->effect, a->deployment) || has_the_number(a))) {
        finish(a, NS_SENT_acknowledged); /* it is done already */
        return;
    }
    if (status == NS_OK && a->deed == DEED_SEND)
        status = kube_change_same(&a->then, &a->now, &err);
    if (status != NS_OK) {
        give_up(a, &err);
        return;
    }
    if (a->deed == DEED_PREPARE)
        warn_of_manager(a);
    patch(a);
}

/* Our key says that it was done; a specification that has not moved, that it was not: whatever is still under way then
 * carries a version that is no longer the present one once the next attempt has been taken. */
static bool may_be_under_way(const hands *h)
{
    return ns_monotonic_ns() - h->unanswered_ns < h->settle_ns;
}

static void judge_past(act *a)
{
    const json_t *metadata = ns_json_at(a->deployment, "metadata");
    ns_error *err = &a->answer.error;
    if (kube_change_has_key(&a->effect, a->deployment)) {
        finish(a, NS_SENT_acknowledged);
    } else if (strcmp(ns_json_string(metadata, "uid", ""), a->then.uid) != 0) {
        (void)ns_fail(err, NS_REFUSED, "%s: it was made anew since", a->effect.deployment);
        finish(a, NS_SENT_refused);
    } else if (ns_json_int(metadata, "generation", -1) == a->then.generation && may_be_under_way(a->h)) {
        (void)ns_fail(err, NS_NOT_FOUND, "%s: nothing has been done yet, but it may still be under way",
                      a->effect.deployment);
        finish(a, NS_SENT_unknown);
    } else if (ns_json_int(metadata, "generation", -1) == a->then.generation) {
        (void)ns_fail(err, NS_REFUSED, "%s: its specification has not changed since", a->effect.deployment);
        finish(a, NS_SENT_refused);
    } else if (has_the_number(a)) {
        finish(a, NS_SENT_acknowledged);
    } else {
        (void)ns_fail(err, NS_CONFLICT, "%s: its specification was changed since, and does not show by whom",
                      a->effect.deployment);
        finish(a, NS_SENT_unknowable);
    }
}

static void took_deployment(act *a, const ns_kubernetes_answer *answer)
{
    a->deployment = kept(answer->json);
    if (a->deed == DEED_RECONCILE)
        judge_past(a);
    else if (a->effect.action == NS_ACTION_rollback)
        ask_step(a, ACT_REPLICASETS);
    else if (a->effect.action == NS_ACTION_scale_up)
        ask_step(a, ACT_HPAS);
    else
        all_read(a);
}

static void took_replicasets(act *a, const ns_kubernetes_answer *answer)
{
    ns_error err;
    a->replicasets = kept(answer->json);
    if (ns_buf_text(&a->replicasets_text, answer->body) == NS_OK) {
        all_read(a);
        return;
    }
    (void)ns_fail(&err, NS_TOO_LARGE, "%s: its history is too large", a->effect.deployment);
    give_up(a, &err);
}

static void end_prepare(act *a)
{
    ns_error err;
    if (kube_baseline_write(&a->now, a->answer.baseline, sizeof a->answer.baseline, &err) == NS_OK)
        finish(a, NS_SENT_acknowledged);
    else
        give_up(a, &err);
}

/* Somebody was quicker. A failed test of a JSON patch is a 422 without a field. */
static bool is_conflict(const act *a, const ns_kubernetes_verdict *verdict)
{
    return verdict->code == 409 ||
           (a->effect.action == NS_ACTION_rollback && verdict->code == 422 && verdict->field[0] == '\0');
}

static void took_patch(act *a, const ns_kubernetes_answer *answer)
{
    a->answer.error = answer->verdict.error;
    if (answer->audit_id[0] != '\0' && a->deed == DEED_SEND)
        ns_log(NS_LOG_INFO, "orchestration", "patched", "deployment=%s action=%s key=%s code=%d audit_id=%s",
               a->effect.deployment, ns_action_name(a->effect.action), a->effect.key, answer->verdict.code,
               answer->audit_id);
    if (answer->status == NS_OK && a->deed == DEED_PREPARE) {
        end_prepare(a);
    } else if (answer->status == NS_OK && a->effect.action == NS_ACTION_scale_up) {
        annotate(a);
    } else if (answer->status == NS_OK) {
        finish(a, NS_SENT_acknowledged);
    } else if (is_conflict(a, &answer->verdict) && ++a->tries < TRIES_MOST) {
        forget_readings(a);
        ask_step(a, ACT_DEPLOYMENT);
    } else if (a->deed == DEED_PREPARE) {
        give_up(a, &answer->verdict.error);
    } else {
        finish(a, answer->left ? NS_SENT_unknown : NS_SENT_refused);
    }
}

static void answered(void *owner, const ns_kubernetes_answer *answer)
{
    act *a = owner;
    if (a->step == ACT_PATCH) {
        took_patch(a, answer);
    } else if (a->step == ACT_ANNOTATE) {
        finish(a, NS_SENT_acknowledged);
    } else if (a->step == ACT_HPAS && (answer->status == NS_NOT_FOUND || answer->status == NS_FORBIDDEN)) {
        ns_error err; /* an autoscaler that we may not see would fight us */
        if (answer->status == NS_NOT_FOUND) {
            all_read(a);
        } else {
            (void)ns_fail(&err, NS_FORBIDDEN, "%s: we may not read whether an autoscaler sets its replicas",
                          a->effect.deployment);
            give_up(a, &err);
        }
    } else if (answer->status != NS_OK) {
        give_up(a, &answer->verdict.error);
    } else if (a->step == ACT_DEPLOYMENT) {
        took_deployment(a, answer);
    } else if (a->step == ACT_REPLICASETS) {
        took_replicasets(a, answer);
    } else {
        a->hpas = kept(answer->json);
        all_read(a);
    }
}

/* ---- the door ---- */

static void refuse_at_once(const ns_effect *effect, ns_sent sent, ns_effect_done *done, void *owner, ns_status status,
                           const char *why)
{
    ns_effect_answer answer = {.sent = sent, .queue_id = -1};
    (void)ns_fail(&answer.error, status, "%s", why);
    done(owner, effect, &answer);
}

/* NAME in our namespace, or NAMESPACE/NAME. */
static bool split_name(const hands *h, const char *deployment, char space_out[NS_NAME_MAX], char name_out[NS_NAME_MAX])
{
    const char *slash = strchr(deployment, '/');
    ns_text space = slash == NULL ? ns_text_of(h->space) : (ns_text){deployment, (size_t)(slash - deployment)};
    ns_text name = ns_text_of(slash == NULL ? deployment : slash + 1);
    return space.len > 0 && name.len > 0 && ns_text_copy(space_out, NS_NAME_MAX, space) &&
           ns_text_copy(name_out, NS_NAME_MAX, name);
}

static bool is_ours(const ns_effect *effect)
{
    return effect->action == NS_ACTION_scale_up || effect->action == NS_ACTION_rollback ||
           effect->action == NS_ACTION_restart_pods;
}

static act *begin(hands *h, deed what, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    ns_sent cannot = what == DEED_SEND ? NS_SENT_refused : NS_SENT_unknown;
    if (!is_ours(effect) || effect->key[0] == '\0' || effect->deployment[0] == '\0') {
        refuse_at_once(effect, NS_SENT_refused, done, owner, NS_REFUSED,
                       "it is not known which Deployment this pipeline deploys");
        return NULL;
    }
    act *a = h->closing || h->under_way >= UNDER_WAY_MAX ? NULL : NS_NEW(act);
    if (a == NULL) {
        refuse_at_once(effect, cannot, done, owner, NS_BUSY, "too many actions are under way");
        return NULL;
    }
    *a = (act){.h = h, .deed = what, .effect = *effect, .done = done, .owner = owner, .answer.queue_id = -1};
    ns_buf_init(&a->replicasets_text, 64 << 20);
    a->next = h->first;
    if (h->first != NULL)
        h->first->prev = a;
    h->first = a;
    h->under_way++;
    ns_error err;
    if (split_name(h, effect->deployment, a->space, a->name))
        return a;
    (void)ns_fail(&err, NS_REFUSED, "\"%s\" is no name of a Deployment", effect->deployment);
    give_up(a, &err);
    return NULL;
}

static void hands_prepare(void *self, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    act *a = begin(self, DEED_PREPARE, effect, done, owner);
    if (a != NULL)
        ask_step(a, ACT_DEPLOYMENT);
}

static void with_baseline(void *self, deed what, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    ns_error err;
    act *a = begin(self, what, effect, done, owner);
    if (a == NULL)
        return;
    if (kube_baseline_read(effect->baseline, &a->then, &err) != NS_OK)
        give_up(a, &err);
    else
        ask_step(a, ACT_DEPLOYMENT);
}

static void hands_send(void *self, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    with_baseline(self, DEED_SEND, effect, done, owner);
}

static void hands_reconcile(void *self, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    with_baseline(self, DEED_RECONCILE, effect, done, owner);
}

static void hands_rights(void *self, const char *deployment, ns_rights *out)
{
    hands *h = self;
    char space[NS_NAME_MAX], name[NS_NAME_MAX];
    *out = (ns_rights){.known = false};
    if (!h->closing && split_name(h, deployment, space, name))
        kube_rights_look(h->rights, space, name, out);
}

static void hands_free(void *self)
{
    hands *h = self;
    h->closing = true;
    kube_rights_free(h->rights);
    ns_kubernetes_cancel(h->cluster, h);
    NS_CHECK(h->first == NULL);
    ns_free(h);
}

ns_status ns_kubernetes_hands_new(const ns_kubernetes_hands_options *options, ns_hands *out, ns_error *err)
{
    const char *space = options->name_space != NULL ? options->name_space : ns_kubernetes_namespace(options->client);
    hands *h = NS_NEW(hands);
    kube_rights *rights =
        h == NULL ? NULL : kube_rights_new(options->client, options->rights_age_ms, options->rights_doubt_ms);
    if (rights == NULL) {
        ns_free(h);
        return ns_fail(err, NS_NO_MEMORY, "the hands for Kubernetes");
    }
    h->cluster = options->client;
    h->rights = rights;
    h->settle_ns = options->settle_ms * 1000000;
    h->unanswered_ns = ns_monotonic_ns();
    if (!ns_text_copy(h->space, sizeof h->space, ns_text_of(space))) {
        kube_rights_free(rights);
        ns_free(h);
        return ns_fail(err, NS_BAD_USAGE, "kubernetes: the namespace's name is too long");
    }
    *out = (ns_hands){.self = h,
                      .name = "kubernetes",
                      .actions = NS_ACTION_BIT(NS_ACTION_scale_up) | NS_ACTION_BIT(NS_ACTION_rollback) |
                                 NS_ACTION_BIT(NS_ACTION_restart_pods),
                      .prepare = hands_prepare,
                      .send = hands_send,
                      .reconcile = hands_reconcile,
                      .rights = hands_rights,
                      .free = hands_free};
    return NS_OK;
}
