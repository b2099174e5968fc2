/*
 * The watch cache: what changed in the cluster, in order, and the streams of those who watch.
 *
 * After each step of the world the objects are compared with those last seen, by resourceVersion; what differs becomes
 * an event in a ring. A stream gets the events of its kind that are younger than the version it asked from; one that
 * asks from before the ring's beginning is told 410. What changed twice between two steps is told once.
 */
#include "world/serve_kube.h"

#include "base/clock.h"
#include "base/mem.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGES_KEPT  2048
#define BOOKMARK_MS   10000
#define WATCH_S_MAX   3600
#define WATCH_S_USUAL 1800
#define WATCHED_KINDS 4 /* deployments, replicasets, pods, events: the others never change */

typedef struct change {
    uint64_t version;
    ns_kube_kind kind;
    const char *type; /* "ADDED" */
    json_t *object;
} change;

typedef struct stream {
    ns_kube *kube;
    struct stream *next;
    ns_exchange *exchange;
    ns_kube_kind kind;
    uint64_t version; /* everything up to here was told */
    bool bookmarks, table, first_row;
    char labels[512], fields[512];
    int64_t end_ms, told_ms; /* real time */
} stream;

struct ns_kube {
    ns_world_server *server;
    json_t *documents;           /* written by hand, see serve_kube_objects.c */
    json_t *seen[WATCHED_KINDS]; /* by name: the object as last told */
    uint64_t synced;             /* version of the cluster up to which changes were noted */
    uint64_t forgotten;          /* changes up to this version are no longer known */
    change ring[CHANGES_KEPT];
    uint64_t changes; /* ever */
    stream *streams;
};

json_t *ns_kube_store(ns_world_server *server)
{
    return server->kube->documents;
}

static uint64_t version_of(const json_t *object)
{
    const char *text = json_string_value(json_object_get(json_object_get(object, "metadata"), "resourceVersion"));
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static const char *name_of(const json_t *object)
{
    const char *text = json_string_value(json_object_get(json_object_get(object, "metadata"), "name"));
    return text == NULL ? "" : text;
}

/* ---- what changed ------------------------------------------------------------------------------------------------ */

static void note(ns_kube *kube, ns_kube_kind kind, const char *type, json_t *object, uint64_t version)
{
    change *c = &kube->ring[kube->changes++ % CHANGES_KEPT];
    if (c->object != NULL) {
        kube->forgotten = c->version > kube->forgotten ? c->version : kube->forgotten;
        json_decref(c->object);
    }
    *c = (change){version, kind, type, json_incref(object)};
}

typedef struct fresh {
    change of[4096]; /* more than there can be objects */
    size_t count;
} fresh;

static void add_fresh(fresh *f, ns_kube_kind kind, const char *type, json_t *object, uint64_t version)
{
    if (f->count < NS_COUNT_OF(f->of))
        f->of[f->count++] = (change){version, kind, type, json_incref(object)};
}

static void compare_kind(ns_kube *kube, ns_kube_kind kind, fresh *f)
{
    json_t *now = ns_kube_all(kube->server, kind), *next = json_object();
    uint64_t newest = ns_world_resource_version(kube->server->world);
    size_t i;
    json_t *object;
    const char *name;
    json_array_foreach(now, i, object)
    {
        const json_t *before = json_object_get(kube->seen[kind], name_of(object));
        uint64_t version = version_of(object);
        if (before == NULL)
            add_fresh(f, kind, "ADDED", object, version);
        else if (version_of(before) != version)
            add_fresh(f, kind, "MODIFIED", object, version);
        (void)json_object_set(next, name_of(object), object);
    }
    json_object_foreach(kube->seen[kind], name, object)
    {
        if (json_object_get(next, name) != NULL)
            continue;
        char text[24];
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)newest);
        (void)json_object_set_new(json_object_get(object, "metadata"), "resourceVersion", json_string(text));
        add_fresh(f, kind, "DELETED", object, newest);
    }
    json_decref(kube->seen[kind]);
    json_decref(now);
    kube->seen[kind] = next;
}

static int by_version(const void *a, const void *b)
{
    const change *x = a, *y = b;
    return x->version < y->version ? -1 : x->version > y->version;
}

/* ---- streams -------------------------------------------------------------------------------------------------------
 */

/* False: the client has left, or does not read. */
static bool send_event(stream *s, const char *type, json_t *object)
{
    ns_buf line;
    json_t *event = json_pack("{s:s,s:O}", "type", type, "object", object);
    char *text = event == NULL ? NULL : json_dumps(event, JSON_COMPACT);
    json_decref(event);
    if (text == NULL)
        return false;
    ns_buf_init(&line, 4u << 20);
    (void)ns_buf_string(&line, text);
    (void)ns_buf_char(&line, '\n');
    ns_free(text); /* jansson takes its memory from ours */
    bool sent = !line.failed && ns_exchange_chunk(s->exchange, ns_buf_view(&line)) == NS_OK;
    ns_buf_clear(&line);
    s->told_ms = ns_real_now_ms();
    return sent;
}

static bool wanted_by(const stream *s, const json_t *object)
{
    bool labels = true, fields = true;
    const json_t *of = json_object_get(json_object_get(object, "metadata"), "labels");
    return ns_kube_labels_match(s->labels, of, &labels) && ns_kube_fields_match(s->fields, object, &fields) && labels &&
           fields;
}

static bool tell(stream *s, const char *type, json_t *object)
{
    if (!wanted_by(s, object))
        return true;
    if (!s->table)
        return send_event(s, type, object);
    char version[24];
    (void)snprintf(version, sizeof version, "%llu", (unsigned long long)version_of(object));
    json_t *one = json_pack("[O]", object);
    json_t *table = ns_kube_table(s->kube->server, s->kind, one, version, s->first_row);
    json_decref(one);
    s->first_row = false;
    bool sent = table != NULL && send_event(s, type, table);
    json_decref(table);
    return sent;
}

static bool tell_bookmark(stream *s)
{
    static const char *const versions[] = {"apps/v1", "apps/v1", "v1", "v1"};
    char version[24];
    (void)snprintf(version, sizeof version, "%llu", (unsigned long long)s->version);
    json_t *object = json_pack("{s:s,s:s,s:{s:s,s:n}}", "kind", ns_kube_facts_of(s->kind)->kind, "apiVersion",
                               s->kind < WATCHED_KINDS ? versions[s->kind] : "v1", "metadata", "resourceVersion",
                               version, "creationTimestamp");
    bool sent = object != NULL && send_event(s, "BOOKMARK", object);
    json_decref(object);
    return sent;
}

static void tell_gone(stream *s, uint64_t asked)
{
    char text[96];
    (void)snprintf(text, sizeof text, "too old resource version: %llu (%llu)", (unsigned long long)asked,
                   (unsigned long long)s->kube->forgotten);
    json_t *status = json_pack("{s:s,s:s,s:{},s:s,s:s,s:s,s:i}", "kind", "Status", "apiVersion", "v1", "metadata",
                               "status", "Failure", "message", text, "reason", "Expired", "code", 410);
    (void)(status != NULL && send_event(s, "ERROR", status));
    json_decref(status);
}

static void drop_stream(stream *s, bool end)
{
    stream **link = &s->kube->streams;
    while (*link != s)
        link = &(*link)->next;
    *link = s->next;
    if (end)
        ns_exchange_end(s->exchange);
    ns_free(s);
}

static void client_left(void *owner, ns_exchange *exchange)
{
    (void)exchange;
    drop_stream((stream *)owner, false);
}

/* What is younger than the stream's version. False: it is over. */
static bool catch_up(stream *s)
{
    ns_kube *kube = s->kube;
    if (s->version < kube->forgotten) {
        tell_gone(s, s->version);
        return false;
    }
    uint64_t oldest = kube->changes > CHANGES_KEPT ? kube->changes - CHANGES_KEPT : 0;
    for (uint64_t n = oldest; n < kube->changes; n++) {
        const change *c = &kube->ring[n % CHANGES_KEPT];
        if (c->object == NULL || c->kind != s->kind || c->version <= s->version)
            continue;
        if (!tell(s, c->type, c->object))
            return false;
    }
    s->version = kube->synced > s->version ? kube->synced : s->version;
    int64_t now_ms = ns_real_now_ms();
    bool over = now_ms >= s->end_ms;
    if (s->bookmarks && (over || now_ms - s->told_ms >= BOOKMARK_MS) && !tell_bookmark(s))
        return false;
    return !over;
}

static void tell_all(ns_kube *kube)
{
    for (stream *s = kube->streams, *next = NULL; s != NULL; s = next) {
        next = s->next;
        if (!catch_up(s))
            drop_stream(s, true);
    }
}

void ns_kube_sync(ns_world_server *server)
{
    ns_kube *kube = server->kube;
    if (ns_world_resource_version(server->world) != kube->synced) {
        fresh *f = NS_NEW(fresh);
        if (f == NULL)
            return;
        for (int kind = 0; kind < WATCHED_KINDS; kind++)
            compare_kind(kube, (ns_kube_kind)kind, f);
        qsort(f->of, f->count, sizeof f->of[0], by_version);
        for (size_t i = 0; i < f->count; i++) {
            note(kube, f->of[i].kind, f->of[i].type, f->of[i].object, f->of[i].version);
            json_decref(f->of[i].object);
        }
        ns_free(f);
        kube->synced = ns_world_resource_version(server->world);
    }
    tell_all(kube);
}

void ns_kube_compact(ns_world_server *server)
{
    ns_kube *kube = server->kube;
    for (size_t i = 0; i < CHANGES_KEPT; i++) {
        json_decref(kube->ring[i].object);
        kube->ring[i] = (change){0};
    }
    kube->forgotten = kube->synced;
}

/* ---- a new stream
 * ---------------------------------------------------------------------------------------------------- */

static void begin_with_all(stream *s)
{
    json_t *items = ns_kube_all(s->kube->server, s->kind);
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        if (!tell(s, "ADDED", item))
            break;
    }
    json_decref(items);
}

static int64_t watch_ms(const ns_kube_request *request)
{
    char text[24];
    int64_t seconds = WATCH_S_USUAL;
    if (!ns_kube_query(request, "timeoutSeconds", text, sizeof text) || !ns_text_int64(ns_text_of(text), &seconds) ||
        seconds < 1 || seconds > WATCH_S_MAX)
        seconds = WATCH_S_USUAL;
    return seconds * 1000;
}

void ns_kube_watch(ns_world_server *server, ns_kube_request *request, ns_serve_reply *reply)
{
    char version[40] = "", flag[16] = "";
    stream *s = NS_NEW(stream);
    if (s == NULL) {
        ns_kube_status(reply, 500, "InternalError", "the world is out of memory for this watch", NULL);
        return;
    }
    *s = (stream){.kube = server->kube, .exchange = request->http->exchange, .kind = request->kind, .first_row = true};
    bool readable = ns_kube_query(request, "labelSelector", s->labels, sizeof s->labels) &&
                    ns_kube_query(request, "fieldSelector", s->fields, sizeof s->fields) &&
                    ns_kube_query(request, "resourceVersion", version, sizeof version) &&
                    ns_kube_query(request, "allowWatchBookmarks", flag, sizeof flag);
    if (!readable || strspn(version, "0123456789") != strlen(version)) {
        ns_free(s);
        ns_kube_status(reply, 400, "BadRequest", "Invalid value in the query of a watch", NULL);
        return;
    }
    s->table = request->table;
    s->bookmarks = strcmp(flag, "true") == 0 || strcmp(flag, "1") == 0;
    s->end_ms = ns_real_now_ms() + watch_ms(request);
    s->told_ms = ns_real_now_ms();
    s->version = strtoull(version, NULL, 10);
    if (ns_exchange_begin(s->exchange, 200, "application/json", true, client_left, s) != NS_OK) {
        ns_free(s);
        ns_kube_status(reply, 429, "TooManyRequests", "too many watches", NULL);
        return;
    }
    reply->taken = true;
    s->next = server->kube->streams;
    server->kube->streams = s;
    if (s->version == 0) {
        begin_with_all(s);
        s->version = server->kube->synced;
    }
    if (!catch_up(s))
        drop_stream(s, true);
}

/* ---- birth and death
 * ------------------------------------------------------------------------------------------------- */

ns_kube *ns_kube_new(ns_world_server *server)
{
    ns_kube *kube = NS_NEW(ns_kube);
    if (kube == NULL)
        return NULL;
    kube->server = server;
    kube->documents = json_object();
    for (size_t i = 0; i < WATCHED_KINDS; i++)
        kube->seen[i] = json_object();
    return kube;
}

void ns_kube_free(ns_kube *kube)
{
    if (kube == NULL)
        return;
    while (kube->streams != NULL)
        drop_stream(kube->streams, true);
    for (size_t i = 0; i < CHANGES_KEPT; i++)
        json_decref(kube->ring[i].object);
    for (size_t i = 0; i < WATCHED_KINDS; i++)
        json_decref(kube->seen[i]);
    json_decref(kube->documents);
    ns_free(kube);
}
