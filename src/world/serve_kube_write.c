/* What changes the cluster: a Deployment patched or replaced, its scale set, a pod deleted or evicted. */
#include "world/serve_kube.h"

#include "base/mem.h"

#include "flow/deployment.h"
#include "wire/kubernetes_quantity.h"
#include "world/sock_shop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct change {
    ns_world_server *server;
    ns_kube_request *request;
    ns_serve_reply *reply;
    size_t at;        /* Deployment */
    const char *name; /* of the object */
    ns_world_request from;
    char key[NS_KEY_MAX];
} change;

/* ---- refusals
 * -------------------------------------------------------------------------------------------------------- */

static void conflict(change *c)
{
    char message[320];
    const char *name = ns_service_at(c->at)->name;
    (void)snprintf(
        message, sizeof message,
        "Operation cannot be fulfilled on deployments.apps \"%s\": the object has been modified; please apply "
        "your changes to the latest version and try again",
        name);
    ns_kube_status(c->reply, 409, "Conflict", message, ns_kube_details(name, "apps", "deployments"));
}

/* 422 with one cause. */
static bool invalid(change *c, const char *group, const char *kind, const char *reason, const char *field,
                    const char *what)
{
    char message[512];
    (void)snprintf(message, sizeof message, "%s.%s \"%.100s\" is invalid: %s: %s", kind, group, c->name, field, what);
    json_t *details = ns_kube_details(c->name, group, kind);
    (void)json_object_set_new(details, "causes",
                              json_pack("[{s:s,s:s,s:s}]", "reason", reason, "message", what, "field", field));
    ns_kube_status(c->reply, 422, "Invalid", message, details);
    return false;
}

static bool bad_request(change *c, const char *message)
{
    ns_kube_status(c->reply, 400, "BadRequest", message, NULL);
    return false;
}

/* ---- is it a Deployment?
 * --------------------------------------------------------------------------------------------- */

static bool valid_container(change *c, const json_t *container, size_t i)
{
    char field[96];
    static const char *const needed[] = {"name", "image"};
    for (size_t k = 0; k < NS_COUNT_OF(needed); k++) {
        const char *text = json_string_value(json_object_get(container, needed[k]));
        (void)snprintf(field, sizeof field, "spec.template.spec.containers[%zu].%s", i, needed[k]);
        if (text == NULL || text[0] == '\0')
            return invalid(c, "apps", "Deployment", "FieldValueRequired", field, "Required value");
        if (strlen(text) >= NS_WORLD_IMAGE_MAX)
            return invalid(c, "apps", "Deployment", "FieldValueInvalid", field, "Invalid value: it is too long");
    }
    return true;
}

static bool valid_replicas(change *c, const json_t *spec, const char *group, const char *kind)
{
    char what[96];
    const json_t *replicas = json_object_get(spec, "replicas");
    if (replicas == NULL || json_is_null(replicas))
        return true;
    if (!json_is_integer(replicas))
        return bad_request(c, "spec.replicas cannot be unmarshalled into Go struct field of type int32");
    long long n = (long long)json_integer_value(replicas);
    (void)snprintf(what, sizeof what, "Invalid value: %lld: must be greater than or equal to 0", n);
    if (n < 0)
        return invalid(c, group, kind, "FieldValueInvalid", "spec.replicas", what);
    (void)snprintf(what, sizeof what, "Invalid value: %lld: this world takes at most %d", n, NS_WORLD_REPLICAS_MAX);
    return n <= NS_WORLD_REPLICAS_MAX || invalid(c, group, kind, "FieldValueInvalid", "spec.replicas", what);
}

static bool valid_deployment(change *c, const json_t *next, const json_t *current)
{
    const json_t *spec = json_object_get(next, "spec");
    const json_t *template = json_object_get(spec, "template"), *pods = json_object_get(template, "spec");
    const json_t *containers = json_object_get(pods, "containers");
    size_t i;
    const json_t *container;
    if (!valid_replicas(c, spec, "apps", "Deployment"))
        return false;
    if (containers != NULL && !json_is_null(containers) && !json_is_array(containers))
        return bad_request(c, "spec.template.spec.containers is no list");
    if (json_array_size(containers) == 0)
        return invalid(c, "apps", "Deployment", "FieldValueRequired", "spec.template.spec.containers",
                       "Required value");
    json_array_foreach(containers, i, container)
    {
        if (!valid_container(c, container, i))
            return false;
    }
    const json_t *selector = json_object_get(spec, "selector");
    if (current != NULL && !json_equal(selector, json_object_get(json_object_get(current, "spec"), "selector")))
        return invalid(c, "apps", "Deployment", "FieldValueInvalid", "spec.selector",
                       "Invalid value: field is immutable");
    const char *label =
        json_string_value(json_object_get(json_object_get(json_object_get(template, "metadata"), "labels"), "name"));
    const char *wanted = json_string_value(json_object_get(json_object_get(selector, "matchLabels"), "name"));
    if (label == NULL || wanted == NULL || strcmp(label, wanted) != 0)
        return invalid(c, "apps", "Deployment", "FieldValueInvalid", "spec.template.metadata.labels",
                       "Invalid value: `selector` does not match template `labels`");
    return true;
}

/* ---- what it means
 * --------------------------------------------------------------------------------------------------- */

/* NAN: not given or not readable. */
static double quantity(const json_t *value)
{
    double amount = NAN;
    if (json_is_number(value))
        return json_number_value(value);
    return ns_kubernetes_quantity(ns_text_of(json_string_value(value)), &amount) ? amount : NAN;
}

static const json_t *annotations_of(const json_t *object)
{
    return json_object_get(json_object_get(object, "metadata"), "annotations");
}

static const char *key_in(const json_t *annotations)
{
    const char *text = json_string_value(json_object_get(annotations, NS_ANNOTATION_KEY));
    return text == NULL || strlen(text) >= NS_KEY_MAX ? "" : text;
}

static void read_template(const json_t *template, ns_world_template *out)
{
    const json_t *first = json_array_get(json_object_get(json_object_get(template, "spec"), "containers"), 0);
    const json_t *limits = json_object_get(json_object_get(first, "resources"), "limits");
    *out = (ns_world_template){.cpu_limit = quantity(json_object_get(limits, "cpu")),
                               .memory_limit = quantity(json_object_get(limits, "memory"))};
    (void)snprintf(out->image, sizeof out->image, "%s", json_string_value(json_object_get(first, "image")));
    (void)snprintf(out->key, sizeof out->key, "%s", key_in(annotations_of(template)));
    if (!(out->cpu_limit > 0))
        out->cpu_limit = NAN;
    if (!(out->memory_limit > 0))
        out->memory_limit = NAN;
}

/* Without what makes no difference: the controller's label, and a creation time that is null. */
static json_t *bare_template(const json_t *template)
{
    json_t *out = json_deep_copy(template);
    json_t *metadata = json_object_get(out, "metadata");
    json_t *annotations = json_object_get(metadata, "annotations");
    (void)json_object_del(metadata, "creationTimestamp");
    (void)json_object_del(json_object_get(metadata, "labels"), "pod-template-hash");
    if (annotations != NULL && json_object_size(annotations) == 0)
        (void)json_object_del(metadata, "annotations");
    return out;
}

static bool same_template(const json_t *a, const json_t *b, bool but_annotations)
{
    json_t *x = bare_template(a), *y = bare_template(b);
    if (but_annotations) {
        (void)json_object_del(json_object_get(x, "metadata"), "annotations");
        (void)json_object_del(json_object_get(y, "metadata"), "annotations");
    }
    bool same = json_equal(x, y) != 0;
    json_decref(x);
    json_decref(y);
    return same;
}

/* The kept revision of this very template; 0 none. */
static int64_t kept_revision(change *c, const json_t *template)
{
    ns_world *world = c->server->world;
    for (size_t i = ns_world_revision_count(world, c->at); i-- > 0;) {
        ns_world_revision r;
        ns_world_revision_at(world, c->at, i, &r);
        json_t *its = ns_kube_template(c->server, c->at, &r);
        bool same = same_template(its, template, false);
        json_decref(its);
        if (same)
            return r.serial;
    }
    return 0;
}

/* What the writer wrote and the core knows nothing of. */
static void remember(change *c, const json_t *next)
{
    json_t *kept = json_deep_copy(next);
    (void)json_object_del(kept, "status");
    (void)json_object_del(json_object_get(kept, "spec"), "template");
    (void)json_object_del(json_object_get(kept, "metadata"), "managedFields");
    (void)json_object_set_new(ns_kube_store(c->server), ns_service_at(c->at)->name, kept);
}

static void remember_template(change *c, int64_t serial, const json_t *template)
{
    char name[40];
    (void)snprintf(name, sizeof name, "template %lld", (long long)serial);
    json_t *kept = bare_template(template);
    (void)json_object_set_new(json_object_get(kept, "metadata"), "creationTimestamp", json_null());
    (void)json_object_set_new(ns_kube_store(c->server), name, kept);
}

/* Documents of templates that no revision has any more. */
static void forget_templates(ns_world_server *server)
{
    json_t *store = ns_kube_store(server);
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(store, next, name, value)
    {
        int64_t serial = 0;
        ns_text text = ns_text_of(name);
        bool of_template = ns_text_starts(text, "template ");
        bool kept = !of_template || !ns_text_int64((ns_text){text.at + 9, text.len - 9}, &serial);
        for (size_t d = 0; !kept && d < NS_SERVICES; d++) {
            for (size_t i = 0; i < ns_world_revision_count(server->world, d); i++) {
                ns_world_revision r;
                ns_world_revision_at(server->world, d, i, &r);
                kept = kept || r.serial == serial;
            }
        }
        if (!kept)
            (void)json_object_del(store, name);
    }
}

/* ---- carrying it out
 * -------------------------------------------------------------------------------------------------- */

typedef struct meaning {
    bool template, replicas, paused, spec, metadata;
    int64_t kept; /* revision to go back to; 0: a new one */
    bool restart;
    int32_t wanted;
    bool pause;
    ns_world_effect_kind kind;
} meaning;

static void understand(change *c, const json_t *current, const json_t *next, meaning *out)
{
    const json_t *was = json_object_get(current, "spec"), *is = json_object_get(next, "spec");
    const json_t *replicas = json_object_get(is, "replicas");
    *out = (meaning){.wanted = json_is_integer(replicas) ? (int32_t)json_integer_value(replicas) : 1,
                     .pause = json_is_true(json_object_get(is, "paused"))};
    const json_t *old_template = json_object_get(was, "template"), *template = json_object_get(is, "template");
    out->template = !same_template(old_template, template, false);
    out->kept = out->template ? kept_revision(c, template) : 0;
    out->restart = out->template && out->kept == 0 && same_template(old_template, template, true);
    out->replicas = out->wanted != (int32_t)json_integer_value(json_object_get(was, "replicas"));
    out->paused = out->pause != json_is_true(json_object_get(was, "paused"));
    json_t *a = json_deep_copy(was), *b = json_deep_copy(is);
    static const char *const known[] = {"template", "replicas", "paused"};
    for (size_t i = 0; i < NS_COUNT_OF(known); i++) {
        (void)json_object_del(a, known[i]);
        (void)json_object_del(b, known[i]);
    }
    out->spec = json_equal(a, b) == 0;
    json_decref(a);
    json_decref(b);
    const json_t *before = json_object_get(current, "metadata"), *after = json_object_get(next, "metadata");
    out->metadata = !json_equal(json_object_get(before, "labels"), json_object_get(after, "labels")) ||
                    !json_equal(json_object_get(before, "annotations"), json_object_get(after, "annotations"));
    out->kind = out->template && out->kept != 0 ? NS_EFFECT_rollback
                : out->restart                  ? NS_EFFECT_restart
                : out->template                 ? NS_EFFECT_patch
                : out->replicas                 ? NS_EFFECT_scale
                : out->paused || out->spec      ? NS_EFFECT_patch
                                                : NS_EFFECT_annotate;
}

/* The header's key, else one that the request writes. */
static void find_key(change *c, const json_t *current, const json_t *next)
{
    const char *on_object = key_in(annotations_of(next));
    const char *in_template = key_in(annotations_of(json_object_get(json_object_get(next, "spec"), "template")));
    const char *was = key_in(annotations_of(current));
    const char *was_in_template = key_in(annotations_of(json_object_get(json_object_get(current, "spec"), "template")));
    const char *found = c->request->key[0] != '\0'                  ? c->request->key
                        : strcmp(on_object, was) != 0               ? on_object
                        : strcmp(in_template, was_in_template) != 0 ? in_template
                                                                    : "";
    (void)snprintf(c->key, sizeof c->key, "%s", found);
}

static ns_status carry_out(change *c, const meaning *m, const json_t *next, ns_error *err)
{
    ns_world *world = c->server->world;
    const json_t *template = json_object_get(json_object_get(next, "spec"), "template");
    ns_status status = NS_OK;
    int64_t serial = m->kept;
    if (m->template && m->kept != 0) {
        status = ns_world_rollback(world, c->at, m->kept, c->key, &c->from, err);
    } else if (m->template) {
        ns_world_template is;
        read_template(template, &is);
        status = ns_world_set_template(world, c->at, &is, m->restart, c->key, &c->from, &serial, err);
    }
    if (status == NS_OK && m->template && m->kept == 0)
        remember_template(c, serial, template);
    if (status == NS_OK && m->replicas)
        status = ns_world_scale(world, c->at, m->wanted, c->key, &c->from, err);
    if (status == NS_OK && m->paused)
        status = ns_world_pause_rollout(world, c->at, m->pause, c->key, &c->from, err);
    if (status == NS_OK && (m->spec || m->metadata) && !m->template && !m->replicas && !m->paused)
        status = ns_world_annotate(world, c->at, false, c->key, m->spec, &c->from, err);
    if (status == NS_OK) {
        ns_world_set_key(world, c->at, key_in(annotations_of(next)));
        remember(c, next);
        forget_templates(c->server);
    }
    return status;
}

static bool arrives(change *c, ns_world_effect_kind kind)
{
    bool refused;
    if (ns_mem_refused() != c->request->http->refused) { /* of half an object a whole rollout might come */
        ns_kube_status(c->reply, 500, "InternalError", "Internal error occurred: out of memory", NULL);
        return false;
    }
    if (ns_serve_arrives(c->server, c->reply, kind, &refused))
        return true;
    if (refused)
        ns_kube_status(c->reply, 500, "InternalError", "Internal error occurred: the world was told to refuse", NULL);
    return false;
}

static void answer_deployment(change *c)
{
    ns_serve_json(c->reply, 200, ns_kube_deployment(c->server, c->at));
}

/* The object as it would be: a generation more where the specification changes. */
static void answer_dry(change *c, const meaning *m, json_t *next, const json_t *current)
{
    json_t *metadata = json_object_get(next, "metadata");
    long long generation =
        (long long)json_integer_value(json_object_get(json_object_get(current, "metadata"), "generation"));
    bool changed = m->template || m->replicas || m->paused || m->spec;
    (void)json_object_set_new(metadata, "generation", json_integer(generation + changed));
    ns_serve_json(c->reply, 200, json_incref(next));
}

/* resourceVersion and uid in what is written are preconditions. */
static bool preconditions_hold(change *c, const json_t *current, const json_t *next)
{
    static const char *const fields[] = {"resourceVersion", "uid"};
    const json_t *before = json_object_get(current, "metadata"), *after = json_object_get(next, "metadata");
    for (size_t i = 0; i < NS_COUNT_OF(fields); i++) {
        const char *wanted = json_string_value(json_object_get(after, fields[i]));
        const char *is = json_string_value(json_object_get(before, fields[i]));
        if (wanted != NULL && wanted[0] != '\0' && is != NULL && strcmp(wanted, is) != 0) {
            conflict(c);
            return false;
        }
    }
    const char *name = json_string_value(json_object_get(after, "name"));
    if (name != NULL && strcmp(name, ns_service_at(c->at)->name) != 0)
        return bad_request(c, "the name of the object does not match the name on the URL");
    return true;
}

static void write_deployment(change *c, const json_t *current, json_t *next)
{
    meaning m;
    ns_error err = {0};
    if (!json_is_object(next) || !json_is_object(json_object_get(next, "metadata")) ||
        !json_is_object(json_object_get(next, "spec"))) {
        (void)bad_request(c, "the object has no metadata or no spec");
        return;
    }
    if (!preconditions_hold(c, current, next) || !valid_deployment(c, next, current))
        return;
    understand(c, current, next, &m);
    find_key(c, current, next);
    if (c->request->dry_run) {
        answer_dry(c, &m, next, current);
        return;
    }
    bool nothing = !m.template && !m.replicas && !m.paused && !m.spec && !m.metadata;
    if (!nothing && !arrives(c, m.kind))
        return;
    if (!nothing && carry_out(c, &m, next, &err) != NS_OK)
        ns_kube_status(c->reply, 422, "Invalid", err.text, NULL);
    else
        answer_deployment(c);
}

/* ---- patch and put
 * ------------------------------------------------------------------------------------------------------ */

/* Reads the body and applies it; NULL: the reply says why not. */
static json_t *patched(change *c, const json_t *current)
{
    static const struct {
        const char *type;
        ns_status (*apply)(json_t **target, const json_t *patch, ns_error *err);
    } kinds[] = {{"application/json-patch+json", ns_kube_json_patch},
                 {"application/merge-patch+json", ns_kube_merge_patch},
                 {"application/strategic-merge-patch+json", ns_kube_strategic_patch}};
    ns_text type = {"", 0};
    ns_error err = {0};
    json_t *patch = NULL;
    (void)ns_exchange_header(c->request->http->exchange, "Content-Type", &type);
    for (size_t i = 0; i < NS_COUNT_OF(kinds); i++) {
        if (!ns_text_starts(type, kinds[i].type))
            continue;
        if (ns_json_read(c->request->http->body, &patch, &err) != NS_OK) {
            ns_kube_status(c->reply, 500, NULL, "Invalid JSON Patch", NULL); /* as the real one says */
            return NULL;
        }
        json_t *next = json_deep_copy(current);
        ns_status status = kinds[i].apply(&next, patch, &err);
        json_decref(patch);
        if (status == NS_OK)
            return next;
        json_decref(next);
        if (status == NS_CONFLICT)
            ns_kube_status(c->reply, 422, "Invalid", "the server rejected our request due to an error in our request",
                           json_object());
        else
            ns_kube_status(c->reply, 400, "BadRequest", err.text, NULL);
        return NULL;
    }
    ns_kube_status(c->reply, 415, "UnsupportedMediaType", "415: Unsupported Media Type", json_object());
    return NULL;
}

static json_t *body_object(change *c)
{
    json_t *out = NULL;
    ns_error err = {0};
    if (ns_json_read(c->request->http->body, &out, &err) == NS_OK)
        return out;
    (void)bad_request(c, err.text);
    return NULL;
}

static void change_deployment(change *c)
{
    json_t *current = ns_kube_deployment(c->server, c->at);
    json_t *next = c->request->http->method == NS_HTTP_PATCH ? patched(c, current) : body_object(c);
    if (next != NULL)
        write_deployment(c, current, next);
    json_decref(current);
    json_decref(next);
}

static void change_scale(change *c)
{
    json_t *current = ns_kube_scale(c->server, c->at);
    json_t *next = c->request->http->method == NS_HTTP_PATCH ? patched(c, current) : body_object(c);
    const json_t *spec = json_object_get(next, "spec");
    ns_error err = {0};
    if (next != NULL && preconditions_hold(c, current, next) && valid_replicas(c, spec, "autoscaling", "Scale")) {
        int32_t wanted = (int32_t)json_integer_value(json_object_get(spec, "replicas"));
        int64_t is = json_integer_value(json_object_get(json_object_get(current, "spec"), "replicas"));
        (void)snprintf(c->key, sizeof c->key, "%s", c->request->key);
        if (c->request->dry_run)
            ns_serve_json(c->reply, 200, json_incref(next));
        else if (wanted != is && !arrives(c, NS_EFFECT_scale))
            (void)0; /* the reply says so */
        else if (ns_world_scale(c->server->world, c->at, wanted, c->key, &c->from, &err) == NS_OK)
            ns_serve_json(c->reply, 200, ns_kube_scale(c->server, c->at));
        else
            ns_kube_status(c->reply, 422, "Invalid", err.text, NULL);
    }
    json_decref(current);
    json_decref(next);
}

/* ---- pods
 * --------------------------------------------------------------------------------------------------------------- */

static bool find_pod(ns_world_server *server, const char *name, size_t *at, size_t *pod)
{
    for (*at = 0; *at < NS_SERVICES; ++*at) {
        for (*pod = 0; *pod < ns_world_pod_count(server->world, *at); ++*pod) {
            ns_world_pod one;
            ns_world_pod_at(server->world, *at, *pod, &one);
            if (strcmp(one.name, name) == 0)
                return true;
        }
    }
    return false;
}

/* False: the reply says that another pod has the name. */
static bool same_pod(change *c, const json_t *options, const ns_world_pod *pod)
{
    char message[400];
    const char *uid = json_string_value(json_object_get(json_object_get(options, "preconditions"), "uid"));
    if (uid == NULL || strcmp(uid, pod->uid) == 0)
        return true;
    (void)snprintf(
        message, sizeof message,
        "Operation cannot be fulfilled on Pod \"%s\": the UID in the precondition (%.60s) does not match the "
        "UID in record (%s). The object might have been deleted and then recreated",
        pod->name, uid, pod->uid);
    ns_kube_status(c->reply, 409, "Conflict", message, ns_kube_details(pod->name, NULL, "Pod"));
    return false;
}

static void delete_pod(change *c, bool evict)
{
    size_t pod;
    ns_world_pod view;
    ns_error err = {0};
    json_t *options = NULL;
    if (!find_pod(c->server, c->request->name, &c->at, &pod)) {
        ns_kube_not_found(c->reply, c->request);
        return;
    }
    if (c->request->http->body.len > 0 && (options = body_object(c)) == NULL)
        return;
    ns_world_pod_at(c->server->world, c->at, pod, &view);
    json_t *object = ns_kube_pod(c->server, c->at, pod);
    if (!same_pod(c, evict ? json_object_get(options, "deleteOptions") : options, &view)) {
        json_decref(object);
    } else if (!c->request->dry_run && !arrives(c, NS_EFFECT_delete_pod)) {
        json_decref(object);
    } else if (!c->request->dry_run &&
               ns_world_delete_pod(c->server->world, c->at, view.name, c->request->key, &c->from, &err) != NS_OK) {
        json_decref(object);
        ns_kube_not_found(c->reply, c->request);
    } else if (evict) {
        json_decref(object);
        ns_serve_json(c->reply, 201,
                      json_pack("{s:s,s:s,s:{},s:s,s:i}", "kind", "Status", "apiVersion", "v1", "metadata", "status",
                                "Success", "code", 201));
    } else {
        (void)json_object_set_new(json_object_get(object, "metadata"), "deletionTimestamp",
                                  ns_kube_time(ns_world_now_ms(c->server->world)));
        ns_serve_json(c->reply, 200, object);
    }
    json_decref(options);
}

/* A new Deployment is judged like any, and then not taken in: the shop is what it is. */
static void create_deployment(change *c)
{
    json_t *object = body_object(c);
    if (object == NULL)
        return;
    const char *name = json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));
    ptrdiff_t at = name == NULL ? -1 : ns_world_find_deployment(c->server->world, ns_text_of(name));
    char message[256];
    c->at = at < 0 ? 0 : (size_t)at;
    c->name = name == NULL ? "" : name;
    (void)snprintf(message, sizeof message, "deployments.apps \"%.100s\" already exists", c->name);
    bool valid = valid_deployment(c, object, NULL);
    if (valid && at >= 0)
        ns_kube_status(c->reply, 409, "AlreadyExists", message, ns_kube_details(name, "apps", "deployments"));
    else if (valid)
        ns_kube_status(c->reply, 403, "Forbidden", "the Deployments of this world are given: none can be made", NULL);
    json_decref(object);
}

void ns_kube_write(ns_world_server *server, ns_kube_request *request, ns_serve_reply *reply)
{
    change c = {.server = server,
                .request = request,
                .reply = reply,
                .from = {.user = request->user, .from = request->http->peer}};
    ns_http_method method = request->http->method;
    bool changes = method == NS_HTTP_PATCH || method == NS_HTTP_PUT;
    ptrdiff_t at = request->kind == NS_KUBE_deployments ? ns_kube_find(server, request) : -1;
    if (request->kind == NS_KUBE_pods && method == NS_HTTP_DELETE && request->name[0] != '\0' &&
        request->subresource[0] == '\0') {
        delete_pod(&c, false);
    } else if (request->kind == NS_KUBE_pods && method == NS_HTTP_POST &&
               strcmp(request->subresource, "eviction") == 0) {
        delete_pod(&c, true);
    } else if (request->kind == NS_KUBE_deployments && method == NS_HTTP_POST && request->name[0] == '\0') {
        create_deployment(&c);
    } else if (request->kind == NS_KUBE_deployments && changes && request->name[0] != '\0' && at < 0) {
        ns_kube_not_found(reply, request);
    } else if (request->kind == NS_KUBE_deployments && changes && request->name[0] != '\0') {
        c.at = (size_t)at;
        c.name = ns_service_at(c.at)->name;
        if (strcmp(request->subresource, "scale") == 0)
            change_scale(&c);
        else if (request->subresource[0] == '\0')
            change_deployment(&c);
        else
            ns_kube_status(reply, 405, "MethodNotAllowed",
                           "the server does not allow this method on the requested resource", json_object());
    } else {
        ns_kube_status(reply, 405, "MethodNotAllowed",
                       "the server does not allow this method on the requested resource", json_object());
    }
}
