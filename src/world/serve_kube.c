/* The world as a Kubernetes API server: which path is which object, who may, lists and discovery. */
#include "world/serve_kube.h"

#include "wire/url.h"
#include "world/sock_shop.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ  "get list watch"
#define WRITE "get list watch patch update create delete"

static const ns_kube_facts kinds[NS_KUBE_KINDS] = {
    [NS_KUBE_deployments] = {"deployments", "Deployment", "apps", "v1", "deploy", true, WRITE},
    [NS_KUBE_replicasets] = {"replicasets", "ReplicaSet", "apps", "v1", "rs", true, READ},
    [NS_KUBE_pods] = {"pods", "Pod", "", "v1", "po", true, "get list watch delete"},
    [NS_KUBE_events] = {"events", "Event", "", "v1", "ev", true, READ},
    [NS_KUBE_nodes] = {"nodes", "Node", "", "v1", "no", false, READ},
    [NS_KUBE_namespaces] = {"namespaces", "Namespace", "", "v1", "ns", false, READ},
    [NS_KUBE_autoscalers] = {"horizontalpodautoscalers", "HorizontalPodAutoscaler", "autoscaling", "v2", "hpa", true,
                             READ},
    [NS_KUBE_budgets] = {"poddisruptionbudgets", "PodDisruptionBudget", "policy", "v1", "pdb", true, READ},
    [NS_KUBE_statefulsets] = {"statefulsets", "StatefulSet", "apps", "v1", "sts", true, READ},
    [NS_KUBE_daemonsets] = {"daemonsets", "DaemonSet", "apps", "v1", "ds", true, READ},
};

const ns_kube_facts *ns_kube_facts_of(ns_kube_kind kind)
{
    NS_CHECK((unsigned)kind < NS_KUBE_KINDS);
    return &kinds[kind];
}

/* ---- answers
 * ----------------------------------------------------------------------------------------------------------- */

json_t *ns_kube_details(const char *name, const char *group, const char *kind)
{
    json_t *out = json_pack("{s:o}", "name", ns_served_string(name));
    if (group != NULL)
        (void)json_object_set_new(out, "group", json_string(group));
    (void)json_object_set_new(out, "kind", json_string(kind));
    return out;
}

void ns_kube_status(ns_serve_reply *reply, int code, const char *reason, const char *message, json_t *details)
{
    json_t *out = json_pack("{s:s,s:s,s:{},s:s,s:o}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
                            code < 300 ? "Success" : "Failure", "message", ns_served_string(message));
    if (reason != NULL)
        (void)json_object_set_new(out, "reason", json_string(reason));
    if (details != NULL)
        (void)json_object_set_new(out, "details", details);
    (void)json_object_set_new(out, "code", json_integer(code));
    ns_serve_json(reply, code, out);
    reply->type = "application/json";
}

void ns_kube_not_found(ns_serve_reply *reply, const ns_kube_request *request)
{
    char message[320], resource[96];
    const ns_kube_facts *facts = &kinds[request->kind];
    bool core = facts->group[0] == '\0';
    (void)snprintf(resource, sizeof resource, "%s%s%s", facts->resource, core ? "" : ".", facts->group);
    (void)snprintf(message, sizeof message, "%s \"%.120s\" not found", resource, request->name);
    ns_kube_status(reply, 404, "NotFound", message,
                   ns_kube_details(request->name, core ? NULL : facts->group, facts->resource));
}

static void no_such_path(ns_serve_reply *reply)
{
    ns_kube_status(reply, 404, "NotFound", "the server could not find the requested resource", json_object());
}

/* ---- the query
 * --------------------------------------------------------------------------------------------------------- */

/* False: it is too long. Absent: "". */
bool ns_kube_query(const ns_kube_request *request, const char *name, char *out, size_t size)
{
    ns_buf text;
    ns_buf_init(&text, 4096);
    bool found = ns_query_value(request->http->query, name, &text);
    out[0] = '\0';
    bool good = !text.failed && (!found || ns_text_copy(out, size, ns_buf_view(&text)));
    ns_buf_clear(&text);
    return good;
}

/* *readable stays true, or becomes false: what cannot be read must not count as not said. */
static bool query_is(const ns_kube_request *request, const char *name, const char *wanted, bool *readable)
{
    char text[32];
    bool read = ns_kube_query(request, name, text, sizeof text);
    *readable = *readable && read;
    return read && strcmp(text, wanted) == 0;
}

bool ns_kube_wanted(const ns_kube_request *request, const json_t *object, bool *readable)
{
    char labels[512], fields[512];
    bool by_label = false, by_field = false;
    const json_t *of = json_object_get(json_object_get(object, "metadata"), "labels");
    *readable = ns_kube_query(request, "labelSelector", labels, sizeof labels) &&
                ns_kube_query(request, "fieldSelector", fields, sizeof fields) &&
                ns_kube_labels_match(labels, of, &by_label) && ns_kube_fields_match(fields, object, &by_field);
    return *readable && by_label && by_field;
}

ptrdiff_t ns_kube_find(const ns_world_server *server, const ns_kube_request *request)
{
    bool here = strcmp(request->name_space, NS_WORLD_FOLDER) == 0;
    return here ? ns_world_find_deployment(server->world, ns_text_of(request->name)) : -1;
}

/* ---- who may
 * ------------------------------------------------------------------------------------------------------------- */

static const char *verb_of(const ns_kube_request *request)
{
    switch (request->http->method) {
    case NS_HTTP_POST:
        return "create";
    case NS_HTTP_PUT:
        return "update";
    case NS_HTTP_PATCH:
        return "patch";
    case NS_HTTP_DELETE:
        return "delete";
    default:
        return request->watch ? "watch" : request->name[0] != '\0' ? "get" : "list";
    }
}

/* A word of a list parted by blanks. */
static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; n > 0 && (at = strstr(at, word)) != NULL; at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

/* The smallest role that NeuroShield needs, as the one to be given to it in a real cluster. */
static bool role_allows(const char *verb, const char *group, const char *resource, const char *subresource)
{
    static const struct {
        const char *group, *resource, *subresource, *verbs;
    } rules[] = {
        {"", "pods", "", "get list watch delete"},
        {"", "pods", "log", "get"},
        {"", "pods", "eviction", "create"},
        {"", "events", "", READ},
        {"", "nodes", "", READ},
        {"apps", "deployments", "", "get list watch patch"},
        {"apps", "replicasets", "", READ},
        {"apps", "deployments", "scale", "get patch"},
        {"autoscaling", "horizontalpodautoscalers", "", "get list watch"},
        {"authorization.k8s.io", "selfsubjectaccessreviews", "", "create"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(rules); i++)
        if (strcmp(rules[i].group, group) == 0 && strcmp(rules[i].resource, resource) == 0 &&
            strcmp(rules[i].subresource, subresource) == 0 && has_word(rules[i].verbs, verb))
            return true;
    return false;
}

static bool is_closed(const ns_world_server *server)
{
    return server->kubernetes_token[0] != '\0';
}

/* Taken away by the fault `forbid`: "VERB RESOURCE[/SUBRESOURCE]" between commas. */
static bool is_forbidden(const ns_world_server *server, const char *verb, const char *resource, const char *subresource)
{
    char wanted[160];
    ns_text rest = ns_text_of(server->kubernetes_forbid);
    (void)snprintf(wanted, sizeof wanted, "%.40s %.60s%s%.40s", verb, resource, subresource[0] != '\0' ? "/" : "",
                   subresource);
    while (rest.len > 0) {
        const char *comma = memchr(rest.at, ',', rest.len);
        size_t len = comma == NULL ? rest.len : (size_t)(comma - rest.at);
        if (ns_text_is(ns_text_trim((ns_text){rest.at, len}), wanted))
            return true;
        len += comma != NULL;
        rest = (ns_text){rest.at + len, rest.len - len};
    }
    return false;
}

/* What may do and what a review says are one and the same. */
static bool is_allowed(const ns_world_server *server, const char *name_space, const char *verb, const char *group,
                       const char *resource, const char *subresource)
{
    bool inside = strcmp(name_space, NS_WORLD_FOLDER) == 0 || strcmp(resource, "nodes") == 0;
    return !is_forbidden(server, verb, resource, subresource) &&
           (!is_closed(server) || (inside && role_allows(verb, group, resource, subresource)));
}

/* False: the reply is 403. */
static bool may(const ns_world_server *server, const ns_kube_request *request, ns_serve_reply *reply)
{
    const ns_kube_facts *facts = &kinds[request->kind];
    bool slash = request->subresource[0] != '\0', core = facts->group[0] == '\0', named = request->name[0] != '\0';
    if (is_allowed(server, request->name_space, verb_of(request), facts->group, facts->resource, request->subresource))
        return true;
    char message[640], where[128] = " at the cluster scope";
    if (facts->namespaced && request->name_space[0] != '\0')
        (void)snprintf(where, sizeof where, " in the namespace \"%.63s\"", request->name_space);
    (void)snprintf(message, sizeof message,
                   "%s%s%s%s%.100s%s is forbidden: User \"%s\" cannot %s resource \"%s%s%s\" in API group \"%s\"%s",
                   facts->resource, core ? "" : ".", facts->group, named ? " \"" : "", request->name, named ? "\"" : "",
                   request->user, verb_of(request), facts->resource, slash ? "/" : "", request->subresource,
                   facts->group, where);
    json_t *details = named ? ns_kube_details(request->name, core ? NULL : facts->group, facts->resource)
                            : json_pack("{s:s}", "kind", facts->resource);
    if (!named && !core)
        (void)json_object_set_new(details, "group", json_string(facts->group));
    ns_kube_status(reply, 403, "Forbidden", message, details);
    return false;
}

/* Who asks; false: 401. Without a token set everybody may: a bearer of any token is NeuroShield, others the
 * administrator. */
static bool authenticate(const ns_world_server *server, ns_kube_request *request)
{
    ns_text header;
    bool bearer =
        ns_exchange_header(request->http->exchange, "Authorization", &header) && ns_text_starts(header, "Bearer ");
    (void)snprintf(request->user, sizeof request->user, "%s", bearer ? NS_WORLD_USER : "kubernetes-admin");
    if (!is_closed(server))
        return true;
    size_t len = strlen(server->kubernetes_token);
    return bearer && header.len == 7 + len && sodium_memcmp(header.at + 7, server->kubernetes_token, len) == 0;
}

/* ---- lists and single objects
 * ----------------------------------------------------------------------------------------- */

static json_t *wanted_items(ns_world_server *server, const ns_kube_request *request, bool *readable)
{
    json_t *all = ns_kube_all(server, request->kind), *out = json_array();
    bool other = kinds[request->kind].namespaced && request->name_space[0] != '\0' &&
                 strcmp(request->name_space, NS_WORLD_FOLDER) != 0;
    size_t i;
    json_t *item;
    *readable = true;
    json_array_foreach(all, i, item)
    {
        bool readable_one;
        bool wanted = ns_kube_wanted(request, item, &readable_one);
        *readable = *readable && readable_one;
        if (wanted && !other)
            (void)json_array_append(out, item);
    }
    json_decref(all);
    return out;
}

/* "v1042-5": version 1042, from the fifth item on. */
static bool read_token(const char *token, unsigned long long *version, unsigned long long *start)
{
    char *end;
    if (token[0] != 'v' || token[1] < '0' || token[1] > '9')
        return false;
    *version = strtoull(token + 1, &end, 10);
    if (end[0] != '-' || end[1] < '0' || end[1] > '9')
        return false;
    *start = strtoull(end + 1, &end, 10);
    return *end == '\0';
}

/* Pages: the token names the version that the first page was of. False: the reply says what is wrong. */
static bool cut_page(ns_world_server *server, const ns_kube_request *request, json_t *items, char *next, size_t size,
                     ns_serve_reply *reply)
{
    char limit_text[24], token[64];
    int64_t limit = 0;
    unsigned long long version = ns_world_resource_version(server->world), of = version, start = 0;
    next[0] = '\0';
    if (!ns_kube_query(request, "limit", limit_text, sizeof limit_text) ||
        !ns_kube_query(request, "continue", token, sizeof token) ||
        (limit_text[0] != '\0' && !ns_text_int64(ns_text_of(limit_text), &limit)) ||
        (token[0] != '\0' && !read_token(token, &of, &start))) {
        ns_kube_status(reply, 400, "BadRequest", "limit or continue cannot be read", NULL);
        return false;
    }
    if (of != version) {
        ns_kube_status(
            reply, 410, "Expired",
            "The provided continue parameter is too old to display a consistent list result. You can start a new "
            "list without the continue parameter.",
            NULL);
        return false;
    }
    for (unsigned long long i = 0; i < start && json_array_size(items) > 0; i++)
        (void)json_array_remove(items, 0);
    if (limit <= 0 || json_array_size(items) <= (size_t)limit)
        return true;
    while (json_array_size(items) > (size_t)limit)
        (void)json_array_remove(items, json_array_size(items) - 1);
    (void)snprintf(next, size, "v%llu-%llu", version, start + (unsigned long long)limit);
    return true;
}

static void answer_list(ns_world_server *server, ns_kube_request *request, ns_serve_reply *reply)
{
    const ns_kube_facts *facts = &kinds[request->kind];
    bool readable;
    char version[24], next[64], kind[80], api_version[48];
    json_t *items = wanted_items(server, request, &readable);
    if (!readable) {
        json_decref(items);
        ns_kube_status(reply, 400, "BadRequest", "unable to parse the selector", NULL);
        return;
    }
    if (!cut_page(server, request, items, next, sizeof next, reply)) {
        json_decref(items);
        return;
    }
    (void)snprintf(version, sizeof version, "%llu", (unsigned long long)ns_world_resource_version(server->world));
    if (request->table) {
        ns_serve_json(reply, 200, ns_kube_table(server, request->kind, items, version, true));
        json_decref(items);
    } else {
        size_t i;
        json_t *item;
        json_array_foreach(items, i, item) /* within a list neither is told */
        {
            (void)json_object_del(item, "kind");
            (void)json_object_del(item, "apiVersion");
        }
        json_t *metadata = json_pack("{s:s}", "resourceVersion", version);
        if (next[0] != '\0')
            (void)json_object_set_new(metadata, "continue", json_string(next));
        (void)snprintf(kind, sizeof kind, "%sList", facts->kind);
        (void)snprintf(api_version, sizeof api_version, "%s%s%s", facts->group, facts->group[0] == '\0' ? "" : "/",
                       request->version);
        ns_serve_json(reply, 200,
                      json_pack("{s:s,s:s,s:o,s:o}", "kind", kind, "apiVersion", api_version, "metadata", metadata,
                                "items", items));
    }
    reply->type = "application/json";
}

static json_t *one_object(ns_world_server *server, const ns_kube_request *request)
{
    if (request->kind == NS_KUBE_deployments) {
        ptrdiff_t at = ns_kube_find(server, request);
        return at < 0 ? NULL : ns_kube_deployment(server, (size_t)at);
    }
    if (kinds[request->kind].namespaced && strcmp(request->name_space, NS_WORLD_FOLDER) != 0)
        return NULL;
    json_t *all = ns_kube_all(server, request->kind), *found = NULL, *item;
    size_t i;
    json_array_foreach(all, i, item)
    {
        const char *name = json_string_value(json_object_get(json_object_get(item, "metadata"), "name"));
        if (name != NULL && strcmp(name, request->name) == 0)
            found = json_incref(item);
    }
    json_decref(all);
    return found;
}

static void answer_log(const json_t *pod, ns_serve_reply *reply)
{
    const json_t *status = json_array_get(json_object_get(json_object_get(pod, "status"), "containerStatuses"), 0);
    ns_serve_text(reply, 200, "text/plain", "");
    (void)ns_buf_printf(&reply->body, "starting %s\n", json_string_value(json_object_get(status, "image")));
    (void)ns_buf_string(&reply->body,
                        json_is_true(json_object_get(status, "ready")) ? "listening on port 80\n" : "not ready yet\n");
}

static void answer_object(ns_world_server *server, ns_kube_request *request, ns_serve_reply *reply)
{
    json_t *object = one_object(server, request);
    bool log = request->kind == NS_KUBE_pods && strcmp(request->subresource, "log") == 0;
    bool scale = request->kind == NS_KUBE_deployments && strcmp(request->subresource, "scale") == 0;
    bool status = strcmp(request->subresource, "status") == 0;
    if (object == NULL) {
        ns_kube_not_found(reply, request);
    } else if (log) {
        answer_log(object, reply);
    } else if (scale) {
        ns_serve_json(reply, 200, ns_kube_scale(server, (size_t)ns_kube_find(server, request)));
    } else if (request->subresource[0] != '\0' && !status) {
        no_such_path(reply);
    } else if (request->table) {
        const char *version =
            json_string_value(json_object_get(json_object_get(object, "metadata"), "resourceVersion"));
        json_t *items = json_pack("[O]", object);
        ns_serve_json(reply, 200, ns_kube_table(server, request->kind, items, version, true));
        json_decref(items);
    } else {
        ns_serve_json(reply, 200, json_incref(object));
    }
    json_decref(object);
    if (!log)
        reply->type = "application/json";
}

/* ---- access reviews
 * ---------------------------------------------------------------------------------------------------------- */

static void answer_review(ns_world_server *server, ns_serve_request *http, ns_serve_reply *reply)
{
    json_t *review = ns_kube_review(http->body);
    if (review == NULL) {
        ns_kube_status(reply, 415, "UnsupportedMediaType", "the body of the request was in an unknown format",
                       json_object());
        return;
    }
    const json_t *asked = json_object_get(json_object_get(review, "spec"), "resourceAttributes");
    if (asked == NULL) {
        json_decref(review);
        ns_kube_status(reply, 422, "Invalid",
                       "SelfSubjectAccessReview.authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid "
                       "value: \"null\": exactly one of nonResourceAttributes or resourceAttributes must be specified",
                       json_object());
        return;
    }
    bool allowed = is_allowed(server, ns_json_string(asked, "namespace", ""), ns_json_string(asked, "verb", "?"),
                              ns_json_string(asked, "group", ""), ns_json_string(asked, "resource", ""),
                              ns_json_string(asked, "subresource", ""));
    json_t *status = json_pack("{s:b}", "allowed", allowed);
    if (allowed)
        (void)json_object_set_new(status, "reason", json_string("RBAC: allowed by the role of this world"));
    (void)json_object_set_new(review, "status", status);
    ns_serve_json(reply, 201, review);
}

/* ---- requests
 * ------------------------------------------------------------------------------------------------------------------ */

static bool kind_named(const char *group, const char *version, const char *resource, ns_kube_kind *out)
{
    for (int kind = 0; kind < (int)NS_KUBE_KINDS; kind++) {
        bool autoscaling_v1 = kind == (int)NS_KUBE_autoscalers && strcmp(version, "v1") == 0;
        if (strcmp(kinds[kind].resource, resource) == 0 && strcmp(kinds[kind].group, group) == 0 &&
            (strcmp(kinds[kind].version, version) == 0 || autoscaling_v1)) {
            *out = (ns_kube_kind)kind;
            return true;
        }
    }
    return false;
}

/* /api/v1/..., /apis/GROUP/VERSION/...; then [namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]]. */
static bool take_apart(ns_serve_request *http, ns_kube_request *out)
{
    bool core = http->segments > 2 && strcmp(http->segment[0], "api") == 0;
    bool group = http->segments > 3 && strcmp(http->segment[0], "apis") == 0;
    if (!core && !group)
        return false;
    char **at = &http->segment[core ? 2 : 3];
    size_t left = http->segments - (core ? 2u : 3u);
    *out = (ns_kube_request){
        .http = http, .version = http->segment[core ? 1 : 2], .name_space = "", .name = "", .subresource = ""};
    if (left >= 3 && strcmp(at[0], "namespaces") == 0) {
        out->name_space = at[1];
        at += 2;
        left -= 2;
    }
    if (left > 3 || !kind_named(core ? "" : http->segment[1], out->version, at[0], &out->kind))
        return false;
    out->name = left > 1 ? at[1] : "";
    out->subresource = left > 2 ? at[2] : "";
    return kinds[out->kind].namespaced || out->name_space[0] == '\0';
}

/* False: they cannot be read, and the request is not to be carried out. */
static bool read_options(ns_kube_request *request)
{
    bool readable = true;
    ns_text accept = {"", 0}, key;
    (void)ns_exchange_header(request->http->exchange, "Accept", &accept);
    request->table = ns_text_starts(accept, "application/json;as=Table");
    request->watch = query_is(request, "watch", "true", &readable) || query_is(request, "watch", "1", &readable);
    request->dry_run = query_is(request, "dryRun", "All", &readable);
    if (!ns_exchange_header(request->http->exchange, "X-Neuroshield-Key", &key) ||
        !ns_text_copy(request->key, sizeof request->key, key))
        request->key[0] = '\0';
    return readable;
}

static void answer(ns_world_server *server, ns_kube_request *request, ns_serve_reply *reply)
{
    bool reading = request->http->method == NS_HTTP_GET || request->http->method == NS_HTTP_HEAD;
    if (ns_serve_fault_due(server, NS_SERVE_throttle)) {
        ns_serve_header(reply, "Retry-After", "%d", 1);
        json_t *details = json_pack("{s:i}", "retryAfterSeconds", 1);
        ns_kube_status(reply, 429, "TooManyRequests",
                       "the server has received too many requests and has asked us to try "
                       "again later",
                       details);
    } else if (!may(server, request, reply)) {
        return;
    } else if (!reading) {
        ns_kube_write(server, request, reply);
        ns_kube_sync(server);
    } else if (request->watch && request->name[0] == '\0') {
        ns_kube_watch(server, request, reply);
    } else if (request->name[0] == '\0') {
        answer_list(server, request, reply);
    } else {
        answer_object(server, request, reply);
    }
}

void ns_serve_kubernetes(ns_world_server *server, ns_serve_request *http, ns_serve_reply *reply)
{
    ns_kube_request request = {.http = http};
    if (ns_real_now_ms() < server->kubernetes_down_until_ms) {
        reply->dropped = true;
        return;
    }
    ns_kube_sync(server);
    if (ns_serve_fault_due(server, NS_SERVE_expire))
        ns_kube_compact(server);
    if (ns_serve_fault_due(server, NS_SERVE_warn)) /* a careless server that repeats what it was given */
        ns_serve_header(reply, "Warning", "299 - \"this is deprecated in v1.33+, unavailable in v1.36+; token %.200s\"",
                        server->kubernetes_token[0] != '\0' ? server->kubernetes_token : "none");
    if (!authenticate(server, &request)) {
        ns_kube_status(reply, 401, "Unauthorized", "Unauthorized", NULL);
        return;
    }
    char user[sizeof request.user];
    memcpy(user, request.user, sizeof user);
    bool reading = http->method == NS_HTTP_GET || http->method == NS_HTTP_HEAD;
    if (reading && (ns_kube_discovery(http, reply)))
        return;
    if (http->method == NS_HTTP_POST &&
        NS_SERVE_PATH_IS(http, 0, "apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews")) {
        answer_review(server, http, reply);
        return;
    }
    if (!take_apart(http, &request)) {
        if (http->segments >= 2 && strcmp(http->segment[1], "metrics.k8s.io") == 0)
            ns_serve_text(reply, 404, "text/plain; charset=utf-8", "404 page not found\n");
        else
            no_such_path(reply);
        return;
    }
    memcpy(request.user, user, sizeof user);
    if (read_options(&request))
        answer(server, &request, reply);
    else
        ns_kube_status(reply, 400, "BadRequest", "watch or dryRun cannot be read", NULL);
}
