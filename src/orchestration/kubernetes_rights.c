#include "orchestration/kubernetes_rights.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>

enum {
    ENTRIES_MAX = 8192, /* namespaces and Deployments remembered; of more nothing is known */
    UNDER_WAY_MAX = 10, /* questions at once: others want to ask the server too */
    CALM_ENTRIES = 64,  /* with so many more each is asked about that much more rarely */
    AGE_MS = 300 * 1000,
    DOUBT_MS = 10 * 1000,
    WANTING_MS = 30 * 1000, /* what was asked and not told, or denied */
    TOLD_BY_NAME_MAX = 8    /* denials of single Deployments that are logged; the page and status show them all */
};

#define SCALE    NS_ACTION_BIT(NS_ACTION_scale_up)
#define ROLLBACK NS_ACTION_BIT(NS_ACTION_rollback)
#define RESTART  NS_ACTION_BIT(NS_ACTION_restart_pods)

/* Which right which action needs (orchestration/kubernetes_actions). A list can be granted to no single name. */
static const struct {
    const char *verb, *group, *resource, *subresource;
    ns_action_mask needed_by;
    bool by_name;
} needs[] = {
    {"get", "apps", "deployments", "", SCALE | ROLLBACK | RESTART, true},
    {"patch", "apps", "deployments", "", ROLLBACK | RESTART, true},
    {"patch", "apps", "deployments", "scale", SCALE, true},
    {"list", "apps", "replicasets", "", ROLLBACK, false},
    {"list", "autoscaling", "horizontalpodautoscalers", "", SCALE, false},
};

#define NEEDS NS_COUNT_OF(needs)

typedef enum told { TOLD_NOTHING, TOLD_ALLOWED, TOLD_DENIED } told;

typedef struct question {
    struct entry *of;
    bool under_way;
    told told;
} question;

typedef struct entry {
    struct kube_rights *rights;
    uint64_t hash;
    char space[NS_NAME_MAX];
    char name[NS_NAME_MAX];    /* "" the namespace as a whole */
    const struct entry *whole; /* of a single Deployment: its namespace's */
    question question[sizeof needs / sizeof needs[0]];
    int64_t asked_ns;
    uint64_t refusals; /* that the client had seen then */
    ns_action_mask logged;
} entry;

struct kube_rights {
    ns_kubernetes *cluster;
    entry **entries;
    size_t count, room;
    int64_t age_ms, doubt_ms;
    size_t told_by_name, under_way;
    ns_complaint not_told;
};

kube_rights *kube_rights_new(ns_kubernetes *cluster, int64_t age_ms, int64_t doubt_ms)
{
    kube_rights *rights = NS_NEW(kube_rights);
    if (rights != NULL)
        *rights = (kube_rights){
            .cluster = cluster, .age_ms = age_ms > 0 ? age_ms : AGE_MS, .doubt_ms = doubt_ms > 0 ? doubt_ms : DOUBT_MS};
    return rights;
}

void kube_rights_free(kube_rights *rights)
{
    if (rights == NULL)
        return;
    ns_kubernetes_cancel(rights->cluster, rights);
    for (size_t i = 0; i < rights->count; i++)
        ns_free(rights->entries[i]);
    ns_free(rights->entries);
    ns_free(rights);
}

/* ---- what was told ---- */

/* Of a single Deployment only what its namespace is denied. */
static bool asks(const entry *e, size_t need)
{
    return e->whole == NULL || (needs[need].by_name && e->whole->question[need].told == TOLD_DENIED);
}

static ns_action_mask denied_by(const entry *e)
{
    ns_action_mask denied = 0;
    for (size_t i = 0; i < NEEDS; i++)
        if (asks(e, i) && e->question[i].told == TOLD_DENIED)
            denied |= needs[i].needed_by;
    return denied;
}

static bool is_whole(const entry *e)
{
    for (size_t i = 0; i < NEEDS; i++)
        if (asks(e, i) && e->question[i].told == TOLD_NOTHING)
            return false;
    return true;
}

/* "patch deployments/scale, list replicasets" */
static void put_missing(const bool missing[], char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < NEEDS && used < size; i++) {
        if (!missing[i])
            continue;
        int n = snprintf(out + used, size - used, "%s%s %s%s%s", used > 0 ? ", " : "", needs[i].verb, needs[i].resource,
                         needs[i].subresource[0] != '\0' ? "/" : "", needs[i].subresource);
        used += n > 0 ? (size_t)n : 0;
    }
}

static void put_actions(ns_action_mask mask, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int a = 0; a < NS_ACTION_COUNT && used < size; a++) {
        if ((mask & NS_ACTION_BIT(a)) == 0)
            continue;
        int n = snprintf(out + used, size - used, "%s%s", used > 0 ? "," : "", ns_action_name((ns_action)a));
        used += n > 0 ? (size_t)n : 0;
    }
}

/* Once per change. A namespace's denial may still be a single Deployment's right. */
static void tell(entry *e)
{
    kube_rights *r = e->rights;
    ns_action_mask denied = denied_by(e);
    bool missing[sizeof needs / sizeof needs[0]], by_name = e->name[0] != '\0';
    char what[160], actions[96], quoted[200];
    if (denied == e->logged)
        return;
    for (size_t i = 0; i < NEEDS; i++)
        missing[i] = asks(e, i) && e->question[i].told == TOLD_DENIED;
    e->logged = denied;
    r->told_by_name += by_name;
    if (by_name && r->told_by_name > TOLD_BY_NAME_MAX)
        return;
    put_missing(missing, what, sizeof what);
    put_actions(denied, actions, sizeof actions);
    ns_log(denied != 0 ? NS_LOG_WARNING : NS_LOG_INFO, "orchestration",
           denied != 0 ? "actions_not_permitted" : "actions_permitted",
           "namespace=%s deployment=%s actions=%s missing=%s", e->space, by_name ? e->name : "*",
           denied != 0 ? actions : "none", ns_log_quote(quoted, sizeof quoted, what));
}

/* ---- asking ---- */

/* An error while it was judged is no judgement. */
static told read_answer(const ns_kubernetes_answer *answer)
{
    const json_t *status = answer->status == NS_OK ? ns_json_at(answer->json, "status") : NULL;
    const json_t *allowed = ns_json_at(status, "allowed");
    if (!json_is_boolean(allowed))
        return TOLD_NOTHING;
    if (json_is_true(allowed))
        return TOLD_ALLOWED;
    return ns_json_string(status, "evaluationError", "")[0] != '\0' ? TOLD_NOTHING : TOLD_DENIED;
}

static void complain(kube_rights *r, const entry *e, const ns_kubernetes_answer *answer)
{
    char quoted[600];
    uint64_t unsaid;
    if (answer->status != NS_CANCELLED && ns_complain(&r->not_told, ns_real_now_ms(), &unsaid))
        ns_log(NS_LOG_WARNING, "orchestration", "rights_not_told", "namespace=%s text=%s unsaid=%llu", e->space,
               ns_log_quote(quoted, sizeof quoted, answer->verdict.error.text), (unsigned long long)unsaid);
}

static void answered(void *owner, const ns_kubernetes_answer *answer)
{
    question *q = owner;
    entry *e = q->of;
    told now = read_answer(answer);
    q->under_way = false;
    e->rights->under_way--;
    if (now == TOLD_NOTHING)
        complain(e->rights, e, answer);
    else
        q->told = now; /* what was told before holds until something else is */
    for (size_t i = 0; i < NEEDS; i++)
        if (e->question[i].under_way)
            return;
    tell(e);
}

static json_t *attributes(const entry *e, size_t need)
{
    json_t *out = json_pack("{s:s,s:s,s:s,s:s}", "namespace", e->space, "verb", needs[need].verb, "group",
                            needs[need].group, "resource", needs[need].resource);
    if (needs[need].subresource[0] != '\0')
        (void)json_object_set_new(out, "subresource", json_string(needs[need].subresource));
    if (e->name[0] != '\0')
        (void)json_object_set_new(out, "name", json_string(e->name));
    return out;
}

static void ask_one(entry *e, size_t need)
{
    json_t *review = json_pack("{s:s,s:s,s:{s:o}}", "kind", "SelfSubjectAccessReview", "apiVersion",
                               "authorization.k8s.io/v1", "spec", "resourceAttributes", attributes(e, need));
    char *body = review == NULL ? NULL : json_dumps(review, JSON_COMPACT);
    question *q = &e->question[need];
    const ns_kubernetes_request request = {.method = "POST",
                                           .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                                           .content_type = "application/json",
                                           .body = ns_text_of(body),
                                           .what = "ask what may be done",
                                           .done = answered,
                                           .owner = q,
                                           .group = e->rights};
    q->of = e;
    q->under_way = body != NULL && ns_kubernetes_start(e->rights->cluster, &request, NULL) == NS_OK;
    e->rights->under_way += q->under_way;
    json_decref(review);
    ns_free(body);
}

/* What a namespace is denied is asked for soon again: somebody may be granting it just now. */
static bool is_due(const entry *e)
{
    const kube_rights *r = e->rights;
    int64_t age_ms = (ns_monotonic_ns() - e->asked_ns) / 1000000;
    int64_t rarer = (int64_t)(1 + r->count / CALM_ENTRIES);
    for (size_t i = 0; i < NEEDS; i++)
        if (e->question[i].under_way)
            return false;
    bool wanting = !is_whole(e) || (e->whole == NULL && denied_by(e) != 0);
    bool doubted = e->refusals != ns_kubernetes_refusals(r->cluster);
    return e->asked_ns == 0 || age_ms >= r->age_ms * rarer || (wanting && age_ms >= WANTING_MS * rarer) ||
           (doubted && age_ms >= r->doubt_ms * rarer);
}

static void ask(entry *e)
{
    if (e->rights->under_way >= UNDER_WAY_MAX || !is_due(e))
        return;
    e->asked_ns = ns_monotonic_ns();
    e->refusals = ns_kubernetes_refusals(e->rights->cluster);
    for (size_t i = 0; i < NEEDS; i++)
        if (asks(e, i))
            ask_one(e, i);
}

/* ---- remembering ---- */

static uint64_t hash_of(const char *space, const char *name)
{
    return ns_hash(ns_text_of(space)) * 31 + ns_hash(ns_text_of(name));
}

static entry *make(kube_rights *r, const char *space, const char *name, const entry *whole)
{
    if (r->count == r->room) {
        size_t room = r->room == 0 ? 16 : 2 * r->room;
        entry **more = r->count == ENTRIES_MAX ? NULL : NS_NEW_ARRAY(entry *, room);
        if (more == NULL)
            return NULL;
        for (size_t i = 0; i < r->count; i++)
            more[i] = r->entries[i];
        ns_free(r->entries);
        r->entries = more;
        r->room = room;
    }
    entry *e = NS_NEW(entry);
    if (e == NULL)
        return NULL;
    *e = (entry){.rights = r, .hash = hash_of(space, name), .whole = whole};
    if (!ns_text_copy(e->space, sizeof e->space, ns_text_of(space)) ||
        !ns_text_copy(e->name, sizeof e->name, ns_text_of(name))) {
        ns_free(e);
        return NULL;
    }
    r->entries[r->count++] = e;
    return e;
}

/* whole: NULL for a namespace. NULL: no memory, or too many. */
static entry *find(kube_rights *r, const char *space, const char *name, const entry *whole)
{
    uint64_t hash = hash_of(space, name);
    for (size_t i = 0; i < r->count; i++)
        if (r->entries[i]->hash == hash && strcmp(r->entries[i]->space, space) == 0 &&
            strcmp(r->entries[i]->name, name) == 0)
            return r->entries[i];
    return make(r, space, name, whole);
}

void kube_rights_look(kube_rights *r, const char *name_space, const char *deployment, ns_rights *out)
{
    bool missing[sizeof needs / sizeof needs[0]] = {false};
    *out = (ns_rights){.known = false};
    entry *all = find(r, name_space, "", NULL);
    if (all == NULL)
        return;
    ask(all);
    entry *one = denied_by(all) == 0 ? NULL : find(r, name_space, deployment, all);
    if (one != NULL)
        ask(one);
    out->known = is_whole(all) && (one == NULL || is_whole(one));
    for (size_t i = 0; i < NEEDS; i++) {
        told by_all = all->question[i].told, by_one = one == NULL || !needs[i].by_name ? by_all : one->question[i].told;
        missing[i] = by_all == TOLD_DENIED && by_one == TOLD_DENIED;
        if (missing[i])
            out->denied |= needs[i].needed_by;
    }
    put_missing(missing, out->missing, sizeof out->missing);
}
