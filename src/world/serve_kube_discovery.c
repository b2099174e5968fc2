/* What a client asks first: which groups, versions and resources there are, and about the server itself. */
#include "world/serve_kube.h"

#include <stdio.h>
#include <string.h>

/* Groups and their versions, the preferred one first. authorization serves reviews only. */
static const struct {
    const char *group, *versions[2];
} groups[] = {{"apps", {"v1"}}, {"autoscaling", {"v2", "v1"}}, {"policy", {"v1"}}, {"authorization.k8s.io", {"v1"}}};

/* ---- discovery
 * ------------------------------------------------------------------------------------------------------------ */

static json_t *verbs_json(const char *verbs)
{
    json_t *out = json_array();
    while (*verbs != '\0') {
        size_t len = strcspn(verbs, " ");
        (void)json_array_append_new(out, json_stringn(verbs, len));
        verbs += len + (verbs[len] == ' ');
    }
    return out;
}

static void put_resource(json_t *list, const char *name, const ns_kube_facts *facts, const char *kind,
                         const char *verbs, bool top)
{
    char singular[64];
    size_t n = 0;
    for (const char *c = facts->kind; *c != '\0' && n + 1 < sizeof singular; c++)
        singular[n++] = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    singular[n] = '\0';
    json_t *one = json_pack("{s:s,s:s,s:b,s:s,s:o}", "name", name, "singularName", top ? singular : "", "namespaced",
                            facts->namespaced, "kind", kind, "verbs", verbs_json(verbs));
    if (top && facts->short_name[0] != '\0')
        (void)json_object_set_new(one, "shortNames", json_pack("[s]", facts->short_name));
    (void)json_array_append_new(list, one);
}

static void put_subresources(json_t *list, ns_kube_kind kind)
{
    const ns_kube_facts *facts = ns_kube_facts_of(kind);
    if (kind == NS_KUBE_deployments) {
        put_resource(list, "deployments/scale", facts, "Scale", "get patch update", false);
        json_t *scale = json_array_get(list, json_array_size(list) - 1);
        (void)json_object_set_new(scale, "group", json_string("autoscaling"));
        (void)json_object_set_new(scale, "version", json_string("v1"));
    } else if (kind == NS_KUBE_pods) {
        put_resource(list, "pods/log", facts, "Pod", "get", false);
        put_resource(list, "pods/eviction", facts, "Eviction", "create", false);
        json_t *eviction = json_array_get(list, json_array_size(list) - 1);
        (void)json_object_set_new(eviction, "group", json_string("policy"));
        (void)json_object_set_new(eviction, "version", json_string("v1"));
    }
}

static void answer_resources(const char *group, const char *version, ns_serve_reply *reply)
{
    char group_version[64];
    json_t *list = json_array();
    (void)snprintf(group_version, sizeof group_version, "%s%s%s", group, group[0] == '\0' ? "" : "/", version);
    for (int kind = 0; kind < (int)NS_KUBE_KINDS; kind++) {
        if (strcmp(ns_kube_facts_of((ns_kube_kind)kind)->group, group) != 0)
            continue;
        put_resource(list, ns_kube_facts_of((ns_kube_kind)kind)->resource, ns_kube_facts_of((ns_kube_kind)kind),
                     ns_kube_facts_of((ns_kube_kind)kind)->kind, ns_kube_facts_of((ns_kube_kind)kind)->verbs, true);
        put_subresources(list, (ns_kube_kind)kind);
    }
    if (strcmp(group, "authorization.k8s.io") == 0) {
        static const ns_kube_facts review = {"", "SelfSubjectAccessReview", "", "v1", "", false, "create"};
        put_resource(list, "selfsubjectaccessreviews", &review, "SelfSubjectAccessReview", "create", true);
    }
    ns_serve_json(reply, 200,
                  json_pack("{s:s,s:s,s:s,s:o}", "kind", "APIResourceList", "apiVersion", "v1", "groupVersion",
                            group_version, "resources", list));
}

static json_t *group_json(size_t i, bool alone)
{
    json_t *versions = json_array();
    json_t *preferred = NULL;
    for (size_t k = 0; k < 2 && groups[i].versions[k] != NULL; k++) {
        char both[64];
        (void)snprintf(both, sizeof both, "%s/%s", groups[i].group, groups[i].versions[k]);
        json_t *one = json_pack("{s:s,s:s}", "groupVersion", both, "version", groups[i].versions[k]);
        (void)json_array_append(versions, one);
        if (k == 0)
            preferred = one;
        else
            json_decref(one);
    }
    json_t *out =
        json_pack("{s:s,s:o,s:o}", "name", groups[i].group, "versions", versions, "preferredVersion", preferred);
    if (alone) {
        (void)json_object_set_new(out, "kind", json_string("APIGroup"));
        (void)json_object_set_new(out, "apiVersion", json_string("v1"));
    }
    return out;
}

/* True: the path was one of discovery, and is answered. */
static bool discovery(ns_serve_request *http, ns_serve_reply *reply)
{
    if (http->segments == 1 && strcmp(http->segment[0], "api") == 0) {
        ns_serve_json(reply, 200,
                      json_pack("{s:s,s:[s],s:[{s:s,s:s}]}", "kind", "APIVersions", "versions", "v1",
                                "serverAddressByClientCIDRs", "clientCIDR", "0.0.0.0/0", "serverAddress", ""));
        return true;
    }
    if (http->segments == 2 && strcmp(http->segment[0], "api") == 0 && strcmp(http->segment[1], "v1") == 0) {
        answer_resources("", "v1", reply);
        return true;
    }
    if (http->segments == 0 || strcmp(http->segment[0], "apis") != 0 || http->segments > 3)
        return false;
    if (http->segments == 1) {
        json_t *list = json_array();
        for (size_t i = 0; i < NS_COUNT_OF(groups); i++)
            (void)json_array_append_new(list, group_json(i, false));
        ns_serve_json(reply, 200,
                      json_pack("{s:s,s:s,s:o}", "kind", "APIGroupList", "apiVersion", "v1", "groups", list));
        return true;
    }
    for (size_t i = 0; i < NS_COUNT_OF(groups); i++) {
        if (strcmp(groups[i].group, http->segment[1]) != 0)
            continue;
        if (http->segments == 2) {
            ns_serve_json(reply, 200, group_json(i, true));
            return true;
        }
        for (size_t k = 0; k < 2 && groups[i].versions[k] != NULL; k++) {
            if (strcmp(groups[i].versions[k], http->segment[2]) != 0)
                continue;
            answer_resources(groups[i].group, http->segment[2], reply);
            return true;
        }
    }
    return false;
}

#define OPENAPI_V2_BINARY "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

/* Schemas: none. Clients then leave validation to the server. The binary form of nothing is nothing. */
static void answer_openapi(ns_serve_request *http, ns_serve_reply *reply)
{
    ns_text accept = {"", 0};
    (void)ns_exchange_header(http->exchange, "Accept", &accept);
    if (strcmp(http->segment[1], "v3") == 0)
        ns_serve_json(reply, 200, json_pack("{s:{}}", "paths"));
    else if (ns_text_starts(accept, "application/com.github.proto-openapi"))
        ns_serve_text(reply, 200, OPENAPI_V2_BINARY, "");
    else
        ns_serve_json(reply, 200,
                      json_pack("{s:s,s:{s:s,s:s},s:{},s:{}}", "swagger", "2.0", "info", "title", "world", "version",
                                "v1.32.0", "paths", "definitions"));
}

/* Paths about the server itself. True: answered. */
static bool about_server(ns_serve_request *http, ns_serve_reply *reply)
{
    static const char *const health[] = {"healthz", "readyz", "livez"};
    for (size_t i = 0; i < NS_COUNT_OF(health); i++) {
        if (http->segments >= 1 && strcmp(http->segment[0], health[i]) == 0) {
            ns_serve_text(reply, 200, "text/plain; charset=utf-8", "ok");
            return true;
        }
    }
    if (http->segments == 1 && strcmp(http->segment[0], "version") == 0) {
        ns_serve_json(reply, 200,
                      json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "major", "1", "minor", "32", "gitVersion",
                                "v1.32.0", "gitCommit", "0", "gitTreeState", "clean", "buildDate",
                                "1970-01-01T00:00:00Z", "goVersion", "go1.23", "compiler", "gc", "platform",
                                "linux/amd64"));
        return true;
    }
    if (http->segments == 2 && strcmp(http->segment[0], "openapi") == 0) {
        answer_openapi(http, reply);
        return true;
    }
    return false;
}

bool ns_kube_discovery(ns_serve_request *http, ns_serve_reply *reply)
{
    return about_server(http, reply) || discovery(http, reply);
}
