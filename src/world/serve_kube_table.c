/* Tables: what `kubectl get` prints. The server makes the cells, as a real one does. */
#include "world/serve_kube.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static int64_t int_at(const json_t *object, const char *outer, const char *inner)
{
    return (int64_t)json_integer_value(json_object_get(json_object_get(object, outer), inner));
}

static const char *text_at(const json_t *object, const char *outer, const char *inner)
{
    const char *text = json_string_value(json_object_get(json_object_get(object, outer), inner));
    return text == NULL ? "" : text;
}

/* "45s", "12m", "3h20m", "5d". */
static json_t *age(int64_t now_ms, const char *since)
{
    int64_t at_ms = 0;
    char text[32];
    if (!ns_time_parse(ns_text_of(since), &at_ms))
        return json_string("<unknown>");
    long long s = (long long)((now_ms - at_ms) / 1000);
    s = s < 0 ? 0 : s;
    if (s < 120)
        (void)snprintf(text, sizeof text, "%llds", s);
    else if (s < 600)
        (void)snprintf(text, sizeof text, "%lldm%llds", s / 60, s % 60);
    else if (s < 10800)
        (void)snprintf(text, sizeof text, "%lldm", s / 60);
    else if (s < 172800)
        (void)snprintf(text, sizeof text, "%lldh", s / 3600);
    else
        (void)snprintf(text, sizeof text, "%lldd", s / 86400);
    return json_string(text);
}

static json_t *ratio(int64_t a, int64_t b)
{
    char text[48];
    (void)snprintf(text, sizeof text, "%lld/%lld", (long long)a, (long long)b);
    return json_string(text);
}

static const json_t *first(const json_t *list)
{
    return json_array_get(list, 0);
}

static const char *image_of(const json_t *pod_spec)
{
    const char *text = json_string_value(json_object_get(first(json_object_get(pod_spec, "containers")), "image"));
    return text == NULL ? "" : text;
}

static const char *container_of(const json_t *pod_spec)
{
    const char *text = json_string_value(json_object_get(first(json_object_get(pod_spec, "containers")), "name"));
    return text == NULL ? "" : text;
}

static json_t *deployment_row(const json_t *o, int64_t now_ms)
{
    const json_t *spec = json_object_get(o, "spec");
    const json_t *pods = json_object_get(json_object_get(spec, "template"), "spec");
    char selector[NS_NAME_MAX + 8];
    (void)snprintf(selector, sizeof selector, "name=%s", text_at(o, "metadata", "name"));
    return json_pack(
        "[s,o,I,I,o,s,s,s]", text_at(o, "metadata", "name"),
        ratio(int_at(o, "status", "readyReplicas"), int_at(o, "spec", "replicas")),
        (json_int_t)int_at(o, "status", "updatedReplicas"), (json_int_t)int_at(o, "status", "availableReplicas"),
        age(now_ms, text_at(o, "metadata", "creationTimestamp")), container_of(pods), image_of(pods), selector);
}

static json_t *replicaset_row(const json_t *o, int64_t now_ms)
{
    const json_t *pods = json_object_get(json_object_get(json_object_get(o, "spec"), "template"), "spec");
    return json_pack("[s,I,I,I,o,s,s,s]", text_at(o, "metadata", "name"), (json_int_t)int_at(o, "spec", "replicas"),
                     (json_int_t)int_at(o, "status", "replicas"), (json_int_t)int_at(o, "status", "readyReplicas"),
                     age(now_ms, text_at(o, "metadata", "creationTimestamp")), container_of(pods), image_of(pods), "");
}

static json_t *pod_row(const json_t *o, int64_t now_ms)
{
    const json_t *status = first(json_object_get(json_object_get(o, "status"), "containerStatuses"));
    const char *reason =
        json_string_value(json_object_get(json_object_get(json_object_get(status, "state"), "waiting"), "reason"));
    bool leaving = text_at(o, "metadata", "deletionTimestamp")[0] != '\0';
    bool ready = json_is_true(json_object_get(status, "ready"));
    return json_pack("[s,o,s,I,o,s,s,s,s]", text_at(o, "metadata", "name"), ratio(ready, 1),
                     leaving          ? "Terminating"
                     : reason != NULL ? reason
                                      : text_at(o, "status", "phase"),
                     json_integer_value(json_object_get(status, "restartCount")),
                     age(now_ms, text_at(o, "metadata", "creationTimestamp")), "<none>", text_at(o, "spec", "nodeName"),
                     "<none>", "<none>");
}

static json_t *event_row(const json_t *o, int64_t now_ms)
{
    char object[NS_WORLD_POD_NAME_MAX + 24];
    const char *kind = text_at(o, "involvedObject", "kind");
    (void)snprintf(object, sizeof object, "%s/%s",
                   strcmp(kind, "Pod") == 0          ? "pod"
                   : strcmp(kind, "ReplicaSet") == 0 ? "replicaset"
                                                     : "deployment",
                   text_at(o, "involvedObject", "name"));
    const char *last = json_string_value(json_object_get(o, "lastTimestamp"));
    return json_pack("[o,s,s,s,s]", age(now_ms, last == NULL ? "" : last),
                     json_string_value(json_object_get(o, "type")), json_string_value(json_object_get(o, "reason")),
                     object, json_string_value(json_object_get(o, "message")));
}

static json_t *node_row(const json_t *o, int64_t now_ms)
{
    return json_pack("[s,s,s,o,s]", text_at(o, "metadata", "name"), "Ready", "<none>",
                     age(now_ms, text_at(o, "metadata", "creationTimestamp")), "v1.32.0");
}

static json_t *plain_row(const json_t *o, int64_t now_ms)
{
    return json_pack("[s,s,o]", text_at(o, "metadata", "name"), text_at(o, "status", "phase"),
                     age(now_ms, text_at(o, "metadata", "creationTimestamp")));
}

typedef json_t *row_maker(const json_t *object, int64_t now_ms);

/* Columns: names with '-' before those that only -o wide shows, separated by '|'. */
static const struct {
    row_maker *row;
    const char *columns;
} tables[NS_KUBE_KINDS] = {
    [NS_KUBE_deployments] = {deployment_row, "Name|Ready|Up-to-date|Available|Age|-Containers|-Images|-Selector"},
    [NS_KUBE_replicasets] = {replicaset_row, "Name|Desired|Current|Ready|Age|-Containers|-Images|-Selector"},
    [NS_KUBE_pods] = {pod_row, "Name|Ready|Status|Restarts|Age|-IP|-Node|-Nominated Node|-Readiness Gates"},
    [NS_KUBE_events] = {event_row, "Last Seen|Type|Reason|Object|Message"},
    [NS_KUBE_nodes] = {node_row, "Name|Status|Roles|Age|Version"},
};

static json_t *columns(const char *list)
{
    json_t *out = json_array();
    while (*list != '\0') {
        size_t len = strcspn(list, "|");
        bool wide = *list == '-';
        char name[32];
        (void)snprintf(name, sizeof name, "%.*s", (int)(len - wide), list + wide);
        bool number = strcmp(name, "Up-to-date") == 0 || strcmp(name, "Available") == 0 ||
                      strcmp(name, "Desired") == 0 || strcmp(name, "Current") == 0 || strcmp(name, "Restarts") == 0;
        (void)json_array_append_new(
            out, json_pack("{s:s,s:s,s:s,s:s,s:i}", "name", name, "type", number ? "integer" : "string", "format",
                           strcmp(name, "Name") == 0 ? "name" : "", "description", "", "priority", wide ? 1 : 0));
        list += len + (list[len] == '|');
    }
    return out;
}

json_t *ns_kube_table(ns_world_server *server, ns_kube_kind kind, json_t *items, const char *resource_version,
                      bool with_columns)
{
    row_maker *make = tables[kind].row != NULL ? tables[kind].row : plain_row;
    const char *names = tables[kind].columns != NULL ? tables[kind].columns : "Name|Status|Age";
    json_t *rows = json_array();
    size_t i;
    const json_t *item;
    json_array_foreach(items, i, item)
    {
        json_t *partial = json_pack("{s:s,s:s,s:O}", "kind", "PartialObjectMetadata", "apiVersion", "meta.k8s.io/v1",
                                    "metadata", json_object_get(item, "metadata"));
        (void)json_array_append_new(
            rows, json_pack("{s:o,s:o}", "cells", make(item, ns_world_now_ms(server->world)), "object", partial));
    }
    return json_pack("{s:s,s:s,s:{s:s},s:o,s:o}", "kind", "Table", "apiVersion", "meta.k8s.io/v1", "metadata",
                     "resourceVersion", resource_version, "columnDefinitions",
                     with_columns ? columns(names) : json_null(), "rows", rows);
}
