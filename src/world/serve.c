#include "world/serve_internal.h"
#include "world/serve_kube.h"

#include "base/log.h"
#include "base/mem.h"
#include "wire/url.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ADVANCE_EVERY_MS = 100, LATE_MAX = 1024 };

/* ---- replies ----------------------------------------------------------------------------------------------------- */

void ns_serve_header(ns_serve_reply *reply, const char *name, const char *format, ...)
{
    NS_CHECK(reply->header_count < NS_SERVE_HEADERS_MAX);
    va_list args;
    va_start(args, format);
    reply->header[reply->header_count].name = name;
    (void)vsnprintf(reply->header[reply->header_count].value, sizeof reply->header[0].value, format, args);
    va_end(args);
    reply->header_count++;
}

void ns_serve_text(ns_serve_reply *reply, int code, const char *type, const char *text)
{
    reply->code = code;
    reply->type = type;
    ns_buf_reset(&reply->body);
    (void)ns_buf_string(&reply->body, text);
}

static int put_bytes(const char *at, size_t len, void *owner)
{
    return ns_buf_put((ns_buf *)owner, at, len) == NS_OK ? 0 : -1;
}

void ns_serve_json(ns_serve_reply *reply, int code, json_t *value)
{
    reply->code = code;
    reply->type = "application/json;charset=utf-8";
    ns_buf_reset(&reply->body);
    bool written =
        value != NULL && json_dump_callback(value, put_bytes, &reply->body, JSON_COMPACT | JSON_ENCODE_ANY) == 0;
    json_decref(value);
    if (!written)
        ns_serve_text(reply, 500, "text/plain;charset=utf-8", "the world is out of memory for this answer\n");
}

/* ---- late replies ------------------------------------------------------------------------------------------------ */

struct ns_serve_late {
    ns_world_server *server;
    ns_serve_late *next;
    ns_exchange *exchange;
    ns_serve_reply reply;
    struct event *timer;
};

static void send_now(ns_exchange *exchange, ns_serve_reply *reply)
{
    if (reply->dropped) {
        ns_exchange_drop(exchange);
        return;
    }
    for (size_t i = 0; i < reply->header_count; i++)
        ns_exchange_set_header(exchange, reply->header[i].name, reply->header[i].value);
    if (reply->body.failed)
        ns_exchange_answer(exchange, 500, "text/plain", NS_TEXT("this answer is above the world's ceiling\n"));
    else
        ns_exchange_answer(exchange, reply->code, reply->type, ns_buf_view(&reply->body));
}

static void late_free(ns_serve_late *late)
{
    ns_serve_late **link = &late->server->late;
    while (*link != late)
        link = &(*link)->next;
    *link = late->next;
    late->server->late_count--;
    if (late->timer != NULL)
        event_free(late->timer);
    ns_buf_clear(&late->reply.body);
    ns_free(late);
}

static void on_late(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ns_serve_late *late = (ns_serve_late *)owner;
    send_now(late->exchange, &late->reply);
    late_free(late);
}

/* Takes the reply's body. delay_ms < 0: never. */
static void send_late(ns_world_server *server, ns_exchange *exchange, ns_serve_reply *reply, int64_t delay_ms)
{
    ns_serve_late *late = server->late_count < LATE_MAX ? NS_NEW(ns_serve_late) : NULL;
    if (late == NULL) {
        ns_exchange_drop(exchange);
        ns_buf_clear(&reply->body);
        return;
    }
    *late = (ns_serve_late){.server = server, .next = server->late, .exchange = exchange, .reply = *reply};
    server->late = late;
    server->late_count++;
    if (delay_ms < 0)
        return;
    struct timeval wait = {.tv_sec = (time_t)(delay_ms / 1000), .tv_usec = (suseconds_t)(delay_ms % 1000 * 1000)};
    late->timer = evtimer_new(server->loop, on_late, late);
    if (late->timer == NULL || evtimer_add(late->timer, &wait) != 0) {
        ns_exchange_drop(exchange);
        late_free(late);
    }
}

static void send_reply(ns_world_server *server, ns_exchange *exchange, ns_serve_reply *reply)
{
    ns_world_faults *faults = ns_world_faults_of(server->world);
    int64_t delay_ms = faults->delay_ms;
    if (reply->changing && !reply->dropped) {
        reply->dropped = ns_serve_fault_due(server, NS_SERVE_drop_reply) ||
                         ns_world_mishap_strikes(server->world, reply->kind, NS_MISHAP_drop_reply);
        delay_ms = faults->of[reply->kind].delay_ms > delay_ms ? faults->of[reply->kind].delay_ms : delay_ms;
    }
    if (reply->taken) {
        ns_buf_clear(&reply->body);
    } else if (reply->hanging) {
        send_late(server, exchange, reply, -1);
    } else if (delay_ms > 0) {
        send_late(server, exchange, reply, delay_ms);
    } else {
        send_now(exchange, reply);
        ns_buf_clear(&reply->body);
    }
}

bool ns_serve_fault_due(ns_world_server *server, ns_serve_fault fault)
{
    if (server->fault_left[fault] <= 0)
        return false;
    server->fault_left[fault]--;
    return true;
}

bool ns_serve_arrives(ns_world_server *server, ns_serve_reply *reply, ns_world_effect_kind kind, bool *refused)
{
    reply->changing = true;
    reply->kind = kind;
    *refused = false;
    if (ns_serve_fault_due(server, NS_SERVE_lose_request) ||
        ns_world_mishap_strikes(server->world, kind, NS_MISHAP_lose_request)) {
        reply->dropped = true;
        return false;
    }
    *refused =
        ns_serve_fault_due(server, NS_SERVE_refuse) || ns_world_mishap_strikes(server->world, kind, NS_MISHAP_refuse);
    return !*refused;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* Cuts the path at '/', each segment decoded on its own (a branch feature/x is one segment, feature%2Fx). */
static bool cut_path(ns_serve_request *request, ns_text path)
{
    size_t starts[NS_SERVE_SEGMENTS_MAX] = {0};
    request->slash = path.len > 0 && path.at[path.len - 1] == '/';
    while (path.len > 0) {
        if (*path.at == '/') {
            path.at++;
            path.len--;
            continue;
        }
        size_t len = 0;
        while (len < path.len && path.at[len] != '/')
            len++;
        if (request->segments == NS_SERVE_SEGMENTS_MAX)
            return false;
        starts[request->segments++] = request->segment_bytes.len;
        if (ns_url_decode(&request->segment_bytes, (ns_text){path.at, len}, false) != NS_OK ||
            ns_buf_char(&request->segment_bytes, '\0') != NS_OK)
            return false;
        path.at += len;
        path.len -= len;
    }
    for (size_t i = 0; i < request->segments; i++)
        request->segment[i] = request->segment_bytes.at + starts[i];
    return true;
}

bool ns_serve_path_is(const ns_serve_request *request, size_t from, const char *const *wanted, size_t count)
{
    if (request->segments != from + count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(request->segment[from + i], wanted[i]) != 0)
            return false;
    }
    return true;
}

static bool is_form(const ns_serve_request *request)
{
    ns_text type;
    return ns_exchange_header(request->exchange, "Content-Type", &type) &&
           ns_text_starts(type, "application/x-www-form-urlencoded");
}

bool ns_serve_value(const ns_serve_request *request, const char *name, ns_buf *out)
{
    return ns_query_value(request->query, name, out) || (is_form(request) && ns_query_value(request->body, name, out));
}

/* The address by which the client knows us: what Jenkins prints in its URLs when no root URL is configured. */
static void find_base(const ns_world_server *server, ns_serve_request *request)
{
    ns_text host;
    bool good = ns_exchange_header(request->exchange, "Host", &host) && host.len > 0 && host.len < 256;
    for (size_t i = 0; good && i < host.len; i++) {
        unsigned char c = (unsigned char)host.at[i];
        good =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr(".-_:[]", c) != NULL;
    }
    if (good)
        (void)snprintf(request->base, sizeof request->base, "http://%.*s/jenkins/", (int)host.len, host.at);
    else
        (void)snprintf(request->base, sizeof request->base, "http://%s/jenkins/", server->address);
}

typedef void part(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply);

static part *part_of(ns_text *path)
{
    static const struct {
        const char *prefix;
        part *part;
    } parts[] = {{"/jenkins", ns_serve_jenkins},
                 {"/prometheus", ns_serve_prometheus},
                 {"/kubernetes", ns_serve_kubernetes},
                 {"/pager", ns_serve_pager},
                 {"/world/v1", ns_serve_control}};
    for (size_t i = 0; i < NS_COUNT_OF(parts); i++) {
        size_t len = strlen(parts[i].prefix);
        if (ns_text_starts(*path, parts[i].prefix) && (path->len == len || path->at[len] == '/')) {
            path->at += len;
            path->len -= len;
            return parts[i].part;
        }
    }
    return NULL;
}

static void on_request(void *owner, ns_exchange *exchange)
{
    ns_world_server *server = (ns_world_server *)owner;
    ns_serve_request request = {.refused = ns_mem_refused(),
                                .method = ns_exchange_method(exchange),
                                .path = ns_exchange_path(exchange),
                                .query = ns_exchange_query(exchange),
                                .body = ns_exchange_body(exchange),
                                .peer = ns_exchange_peer(exchange),
                                .exchange = exchange};
    ns_serve_advance(server);
    server->requests++;
    ns_serve_reply reply = {.code = 404, .type = "text/plain;charset=utf-8"};
    ns_buf_init(&request.segment_bytes, 64u << 10);
    ns_buf_init(&reply.body, NS_SERVE_BODY_MAX);
    find_base(server, &request);
    ns_text path = request.path;
    part *answer = part_of(&path);
    if (answer == NULL)
        ns_serve_text(&reply, 404, "text/plain;charset=utf-8",
                      "try /jenkins/, /prometheus/metrics, /kubernetes/api or /world/v1/state\n");
    else if (!cut_path(&request, path))
        ns_serve_text(&reply, 400, "text/plain;charset=utf-8", "the path cannot be read\n");
    else
        answer(server, &request, &reply);
    ns_buf_clear(&request.segment_bytes);
    if (ns_mem_refused() != request.refused) /* something may be missing in it: better none than half an answer */
        ns_serve_text(&reply, 500, "text/plain;charset=utf-8", "the world is out of memory for this answer\n");
    send_reply(server, exchange, &reply);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static int64_t world_now(const ns_world_server *server)
{
    double passed = (double)(ns_real_now_ms() - server->origin_real_ms) * server->speed;
    return server->origin_world_ms + (int64_t)passed;
}

void ns_serve_advance(ns_world_server *server)
{
    if (server->speed > 0.0)
        ns_world_advance(server->world, world_now(server));
}

static void on_timer(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ns_serve_advance((ns_world_server *)owner);
    ns_kube_sync((ns_world_server *)owner);
}

ns_clock ns_world_server_clock(const ns_world_server *server)
{
    return (ns_clock){
        .origin_real_ms = server->origin_real_ms, .origin_world_ms = server->origin_world_ms, .speed = server->speed};
}

/* ---- the server -------------------------------------------------------------------------------------------------- */

static void keep_options(ns_world_server *server, const ns_world_server_options *options)
{
    server->speed = options->speed;
    server->metric_scale = options->speed > 0.0 ? options->speed : 1.0;
    server->truth = options->truth;
    server->closed = options->jenkins_user != NULL;
    (void)snprintf(server->jenkins_user, sizeof server->jenkins_user, "%s",
                   options->jenkins_user == NULL ? "" : options->jenkins_user);
    (void)snprintf(server->jenkins_token, sizeof server->jenkins_token, "%s",
                   options->jenkins_token == NULL ? "" : options->jenkins_token);
    (void)snprintf(server->jenkins_password, sizeof server->jenkins_password, "%s",
                   options->jenkins_password == NULL ? "" : options->jenkins_password);
    (void)snprintf(server->kubernetes_token, sizeof server->kubernetes_token, "%s",
                   options->kubernetes_token == NULL ? "" : options->kubernetes_token);
    server->origin_real_ms = ns_real_now_ms();
    server->origin_world_ms = options->start_ms < 0 ? server->origin_real_ms : options->start_ms;
    server->starting_until_ms = server->origin_real_ms + (int64_t)(options->startup_s * 1000.0);
}

static ns_status start_timer(ns_world_server *server, ns_error *err)
{
    struct timeval every = {.tv_usec = ADVANCE_EVERY_MS * 1000};
    server->timer = event_new(server->loop, -1, EV_PERSIST, on_timer, server);
    if (server->timer == NULL || event_add(server->timer, &every) != 0)
        return ns_fail(err, NS_NO_MEMORY, "the world's timer");
    return NS_OK;
}

ns_status ns_world_server_new(struct event_base *loop, const ns_world_server_options *options, ns_world_server **out,
                              ns_error *err)
{
    if (!(options->speed >= 0.0 && options->speed <= NS_WORLD_SPEED_MAX))
        return ns_fail(err, NS_BAD_USAGE, "speed %g is not in 0..%g", options->speed, NS_WORLD_SPEED_MAX);
    if (sodium_init() < 0)
        return ns_fail(err, NS_IO, "the system gives no random numbers");
    ns_world_server *server = NS_NEW(ns_world_server);
    if (server == NULL)
        return ns_fail(err, NS_NO_MEMORY, "the served world");
    server->loop = loop;
    keep_options(server, options);
    randombytes_buf(server->secret, sizeof server->secret);
    (void)snprintf(server->session, sizeof server->session, "%08x", (unsigned)randombytes_random());
    ns_http_server_options http = {.handler = on_request, .owner = server, .max_body_bytes = 4u << 20};
    ns_status status = ns_world_new(options->scenario, options->seed, server->origin_world_ms, &server->world, err);
    if (status == NS_OK && options->without_key)
        ns_world_without_key(server->world);
    if (status == NS_OK && (server->kube = ns_kube_new(server)) == NULL)
        status = ns_fail(err, NS_NO_MEMORY, "the served cluster");
    if (status == NS_OK)
        status = ns_http_server_new(loop, &http, &server->http, err);
    if (status == NS_OK)
        status = start_timer(server, err);
    if (status != NS_OK) {
        ns_world_server_free(server);
        return status;
    }
    *out = server;
    return NS_OK;
}

void ns_world_server_free(ns_world_server *server)
{
    if (server == NULL)
        return;
    while (server->late != NULL) {
        ns_exchange_drop(server->late->exchange);
        late_free(server->late);
    }
    if (server->timer != NULL)
        event_free(server->timer);
    ns_kube_free(server->kube);
    if (server->http != NULL)
        ns_http_server_free(server->http);
    ns_world_free(server->world);
    ns_free(server);
}

ns_status ns_world_server_listen(ns_world_server *server, const char *address, ns_error *err)
{
    return ns_http_server_listen(server->http, address, server->address, sizeof server->address, err);
}

const char *ns_world_server_address(const ns_world_server *server)
{
    return server->address;
}

ns_world *ns_world_server_world(ns_world_server *server)
{
    return server->world;
}
