#include "wire/kubernetes_client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "wire/http_client.h"
#include "wire/json.h"
#include "wire/kubernetes_exec.h"
#include "wire/kubernetes_warning.h"
#include "wire/token_file.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum {
    CEILING = 64 << 20,
    ERROR_CEILING = 64 * 1024,
    CONNECTIONS = 64, /* watches stay; the rate is what holds us back */
    EXEC_PAUSE_MS = 10 * 1000,
    EXEC_EARLY_MS = 30 * 1000,
    HEADERS_MOST = NS_KUBERNETES_GROUPS_MAX + 4,
};

typedef struct call {
    ns_kubernetes *cluster;
    struct call *prev, *next;
    ns_http_call *http; /* NULL: waits for its turn */
    char *method, *path, *content_type, *key;
    char what[128];
    ns_buf body;
    bool urgent, repeated;
    uint64_t credentials; /* generation that it went out with */
    const void *group;
    void *owner;
    ns_kubernetes_done *done;
    /* of a watch */
    bool watch;
    long timeout_ms;
    void (*opened)(void *owner);
    bool (*event)(void *owner, ns_kubernetes_event_kind kind, const json_t *object);
    ns_kubernetes_lines lines;
    ns_buf refusal; /* body of an answer that is no stream */
    bool has_end;   /* the stream said how it ends */
    ns_kubernetes_verdict end;
} call;

struct ns_kubernetes {
    struct event_base *loop;
    ns_http_client *http;
    ns_http_client *retired; /* that of the certificate before, until its last call is over */
    ns_kubernetes_access access;
    struct event *pump;
    call *first, *last;
    double rate, tokens;
    int64_t tokens_at_ns;
    size_t ceiling;
    long connect_timeout_ms, total_timeout_ms, exec_timeout_ms;
    uint64_t refusals; /* answers 403 */
    void (*warned)(void *owner, const char *text);
    void *owner;
    uint64_t warning[NS_KUBERNETES_WARNINGS_MAX]; /* hashes of those told */
    size_t warnings;
    /* credentials */
    uint64_t credentials; /* grows with every change */
    ns_token_file token;
    ns_kubernetes_exec *plugin; /* under way */
    bool plugin_answered;       /* there is a credential of its */
    int64_t plugin_expires_ms;  /* real time; -1 */
    int64_t plugin_failed_ns;   /* 0: the last run was good */
    ns_error plugin_error;
    bool pumping, closing;
};

/* ---- one call ---- */

static void unlink_call(call *c)
{
    ns_kubernetes *k = c->cluster;
    *(c->prev != NULL ? &c->prev->next : &k->first) = c->next;
    *(c->next != NULL ? &c->next->prev : &k->last) = c->prev;
}

static void free_call(call *c)
{
    ns_free(c->method);
    ns_free(c->path);
    ns_free(c->content_type);
    ns_free(c->key);
    ns_buf_clear(&c->body);
    ns_kubernetes_lines_clear(&c->lines);
    ns_buf_clear(&c->refusal);
    ns_free(c);
}

static void pump_in(ns_kubernetes *k, double seconds)
{
    if (k->closing)
        return;
    struct timeval wait = {.tv_sec = (time_t)seconds};
    wait.tv_usec = (suseconds_t)((seconds - (double)wait.tv_sec) * 1e6);
    (void)evtimer_add(k->pump, &wait);
}

static void finish(call *c, const ns_kubernetes_answer *answer)
{
    unlink_call(c);
    c->done(c->owner, answer);
    free_call(c);
}

/* An end without an answer of the server. */
static void finish_failed(call *c, const ns_error *err, bool left)
{
    ns_kubernetes_answer answer = {.status = err->status, .left = left, .verdict = {.retry_after_ms = -1}};
    answer.verdict.status = err->status;
    answer.verdict.error = *err;
    finish(c, &answer);
}

static bool is_write(const call *c)
{
    return strcmp(c->method, "GET") != 0;
}

/* ---- credentials ---- */

static ns_status open_http(const ns_kubernetes *k, ns_text cert_pem, ns_text key_pem, ns_http_client **out,
                           ns_error *err)
{
    const ns_kubernetes_access *a = &k->access;
    return ns_http_client_new(k->loop,
                              &(ns_http_client_options){.name = "kubernetes",
                                                        .configured_by = a->context == NULL ? "kubernetes.in_cluster"
                                                                                            : "kubernetes.kubeconfig",
                                                        .base_url = a->server,
                                                        .username = a->username,
                                                        .password = a->password,
                                                        .bearer_token = a->token_file == NULL ? a->token : NULL,
                                                        .ca_file = a->ca_file,
                                                        .client_cert_file = a->client_cert_file,
                                                        .client_key_file = a->client_key_file,
                                                        .ca_pem = ns_buf_view(&a->ca_pem),
                                                        .client_cert_pem = cert_pem,
                                                        .client_key_pem = key_pem,
                                                        .tls_server_name = a->tls_server_name,
                                                        .proxy = a->proxy_url,
                                                        .insecure = a->insecure,
                                                        .max_connections = CONNECTIONS,
                                                        .connect_timeout_ms = k->connect_timeout_ms,
                                                        .total_timeout_ms = k->total_timeout_ms},
                              out, err);
}

/* A change makes a new generation. */
static ns_status refresh_token(ns_kubernetes *k, bool now, ns_error *err)
{
    bool changed;
    ns_status status = ns_token_file_refresh(&k->token, k->http, now, &changed, err);
    k->credentials += changed;
    return status;
}

static void drop_retired(ns_kubernetes *k)
{
    if (k->retired == NULL || ns_http_client_active(k->retired) > 0)
        return;
    ns_http_client_free(k->retired);
    k->retired = NULL;
}

/* The certificate is another one: new connections are needed. Calls under way keep theirs. */
static ns_status take_certificate(ns_kubernetes *k, const ns_kubernetes_credential *credential, ns_error *err)
{
    ns_http_client *fresh = NULL;
    ns_status status =
        open_http(k, ns_buf_view(&credential->client_cert_pem), ns_buf_view(&credential->client_key_pem), &fresh, err);
    if (status != NS_OK)
        return status;
    ns_http_client_free(k->retired); /* two changes within one watch: the oldest calls end as given up */
    k->retired = k->http;
    k->http = fresh;
    drop_retired(k);
    return NS_OK;
}

static void plugin_done(void *owner, ns_kubernetes_credential *credential, const ns_error *error)
{
    ns_kubernetes *k = owner;
    ns_error err = *error;
    k->plugin = NULL;
    if (err.status == NS_OK && credential->client_cert_pem.len > 0)
        err.status = take_certificate(k, credential, &err);
    if (err.status == NS_OK)
        err.status = ns_http_client_set_bearer(k->http, credential->token, &err);
    k->plugin_failed_ns = err.status == NS_OK ? 0 : ns_monotonic_ns();
    k->plugin_error = err;
    if (err.status == NS_OK) {
        k->plugin_answered = true;
        k->plugin_expires_ms = credential->expires_ms;
        k->credentials++;
    }
    pump_in(k, 0);
}

typedef enum readiness { READY, NOT_YET, NEVER } readiness;

static readiness run_plugin(ns_kubernetes *k, ns_error *err)
{
    if (k->plugin != NULL)
        return NOT_YET;
    if (k->plugin_failed_ns != 0 && ns_monotonic_ns() - k->plugin_failed_ns < (int64_t)EXEC_PAUSE_MS * 1000000) {
        *err = k->plugin_error;
        return NEVER;
    }
    if (ns_kubernetes_exec_start(k->loop, &k->access, k->exec_timeout_ms, plugin_done, k, &k->plugin, err) == NS_OK)
        return NOT_YET;
    k->plugin_failed_ns = ns_monotonic_ns();
    k->plugin_error = *err;
    return NEVER;
}

/* Are our credentials as good as we can know before asking? */
static readiness ready_to_ask(ns_kubernetes *k, ns_error *err)
{
    if (k->access.token_file != NULL)
        return refresh_token(k, false, err) == NS_OK ? READY : NEVER;
    if (k->access.exec == NULL)
        return READY;
    bool good =
        k->plugin_answered && (k->plugin_expires_ms < 0 || k->plugin_expires_ms - EXEC_EARLY_MS > ns_real_now_ms());
    return good ? READY : run_plugin(k, err);
}

/* After a 401: is there a chance that the same request is accepted now? */
static bool renew(ns_kubernetes *k, const call *c)
{
    ns_error err;
    if (c->repeated)
        return false;
    if (c->credentials != k->credentials) /* somebody else renewed them meanwhile */
        return true;
    if (k->access.token_file != NULL)
        return refresh_token(k, true, &err) == NS_OK && c->credentials != k->credentials;
    if (k->access.exec == NULL)
        return false;
    k->plugin_answered = false;
    return run_plugin(k, &err) == NOT_YET;
}

/* ---- answers ---- */

static void warn_once(ns_kubernetes *k, const char *text)
{
    uint64_t hash = ns_hash(ns_text_of(text));
    for (size_t i = 0; i < k->warnings; i++)
        if (k->warning[i] == hash)
            return;
    if (k->warnings == NS_KUBERNETES_WARNINGS_MAX)
        return;
    k->warning[k->warnings++] = hash;
    k->warned(k->owner, text);
}

static void read_warnings(const call *c, const ns_http_call *http)
{
    ns_kubernetes *k = c->cluster;
    char text[NS_KUBERNETES_WARNING_MAX];
    ns_text header;
    for (size_t n = 0; k->warned != NULL && ns_http_header_at(http, "Warning", n, &header); n++)
        while (ns_kubernetes_warning_next(&header, text))
            warn_once(k, text);
}

static void read_answer(const call *c, const ns_http_answer *http, ns_text body, ns_kubernetes_answer *out)
{
    ns_text header = {NULL, 0};
    *out = (ns_kubernetes_answer){.body = body};
    if (http->status != NS_OK) {
        out->verdict = (ns_kubernetes_verdict){.status = http->status, .code = http->code, .retry_after_ms = -1};
        out->verdict.error = http->error;
        out->left = is_write(c) && http->status != NS_UNREACHABLE;
    } else {
        if (!ns_http_header_of(http->call, "Retry-After", &header))
            header = (ns_text){NULL, 0};
        ns_kubernetes_judge(http->code, header, body, c->what, &out->verdict);
        out->left = is_write(c) && (http->code / 100 == 2 || http->code / 100 == 5);
    }
    out->status = out->verdict.status;
    c->cluster->refusals += http->code == 403;
    if (http->code != 0)
        read_warnings(c, http->call);
    if (http->code != 0 && ns_http_header_of(http->call, "Audit-Id", &header))
        (void)ns_text_copy(out->audit_id, sizeof out->audit_id, header);
}

static void repeat(call *c)
{
    c->repeated = true;
    c->http = NULL;
    ns_buf_reset(&c->refusal);
    pump_in(c->cluster, 0);
}

static void answered(void *owner, const ns_http_answer *http)
{
    call *c = owner;
    ns_kubernetes *k = c->cluster;
    ns_kubernetes_answer answer;
    ns_text body = c->watch ? ns_buf_view(&c->refusal) : http->body;
    if (!k->closing && http->status == NS_OK && http->code == 401 && renew(k, c)) {
        repeat(c);
        return;
    }
    read_answer(c, http, body, &answer);
    if (c->has_end) {
        answer.verdict = c->end;
        answer.status = c->end.status;
    }
    json_t *root = NULL;
    ns_error err;
    if (!c->watch && answer.status == NS_OK && body.len > 0) {
        answer.status = ns_json_read(body, &root, &err);
        if (answer.status != NS_OK) { /* a write was done all the same: left says so */
            answer.verdict.status = answer.status = answer.status == NS_NO_MEMORY ? NS_NO_MEMORY : NS_PROTOCOL;
            (void)ns_fail(&answer.verdict.error, answer.status, "%s: the answer is no JSON (%.200s)", c->what,
                          err.text);
        }
    }
    answer.json = root;
    finish(c, &answer);
    json_decref(root);
    if (!k->closing) {
        drop_retired(k);
        pump_in(k, 0);
    }
}

/* ---- watches ---- */

static void end_watch(call *c, ns_status status, const char *why)
{
    c->has_end = true;
    c->end = (ns_kubernetes_verdict){.status = status, .retry_after_ms = -1};
    if (status != NS_OK)
        (void)ns_fail(&c->end.error, status, "%s: %s", c->what, why);
}

static bool take_line(void *owner, ns_text line)
{
    call *c = owner;
    ns_kubernetes_event_kind kind;
    json_t *root = NULL;
    const json_t *object = NULL;
    ns_error err;
    ns_status status = ns_kubernetes_event_read(line, &kind, &root, &object, &err);
    if (status != NS_OK) {
        end_watch(c, status == NS_NO_MEMORY ? status : NS_PROTOCOL, err.text);
        return false;
    }
    bool more = true;
    if (kind == NS_KUBERNETES_ERROR) {
        c->has_end = true;
        ns_kubernetes_judge_event(object, c->what, &c->end);
        more = false;
    } else if (!c->event(c->owner, kind, object)) {
        end_watch(c, NS_CANCELLED, "given up");
        more = false;
    }
    json_decref(root);
    return more;
}

static void head_seen(void *owner, const ns_http_call *http)
{
    call *c = owner;
    read_warnings(c, http);
    if (ns_http_code_of(http) == 200 && c->opened != NULL)
        c->opened(c->owner);
}

static bool take_piece(void *owner, const ns_http_call *http, ns_text piece)
{
    call *c = owner;
    if (ns_http_code_of(http) != 200) {
        if (piece.len <= ERROR_CEILING - c->refusal.len)
            (void)ns_buf_text(&c->refusal, piece);
        return true;
    }
    ns_status status = ns_kubernetes_lines_feed(&c->lines, piece, take_line, c);
    if (status == NS_OK)
        return true;
    if (!c->has_end)
        end_watch(c, status, "a line of the watch is too large");
    ns_http_cancel(c->http); /* `answered` is called in there, and the call is gone */
    return false;
}

/* ---- going out ---- */

static ns_status send_out(call *c, ns_error *err)
{
    const ns_kubernetes *k = c->cluster;
    ns_http_header headers[HEADERS_MOST];
    size_t count = 0;
    headers[count++] = (ns_http_header){"Accept", "application/json"};
    if (c->key != NULL)
        headers[count++] = (ns_http_header){"X-Neuroshield-Key", c->key};
    if (k->access.as_user != NULL)
        headers[count++] = (ns_http_header){"Impersonate-User", k->access.as_user};
    if (k->access.as_uid != NULL)
        headers[count++] = (ns_http_header){"Impersonate-Uid", k->access.as_uid};
    for (size_t i = 0; i < k->access.as_group_count; i++)
        headers[count++] = (ns_http_header){"Impersonate-Group", k->access.as_group[i]};
    c->credentials = k->credentials;
    return ns_http_start(k->http,
                         &(ns_http_request){.method = c->method,
                                            .path = c->path,
                                            .headers = headers,
                                            .header_count = count,
                                            .content_type = c->content_type,
                                            .body = ns_buf_view(&c->body),
                                            .body_ceiling = c->watch ? SIZE_MAX : k->ceiling,
                                            .total_timeout_ms = c->timeout_ms,
                                            .may_be_silent = c->watch,
                                            .on_body = c->watch ? take_piece : NULL,
                                            .on_head = c->watch ? head_seen : NULL,
                                            .done = answered,
                                            .owner = c},
                         &c->http, err);
}

static void refill(ns_kubernetes *k)
{
    int64_t now_ns = ns_monotonic_ns();
    k->tokens += (double)(now_ns - k->tokens_at_ns) / 1e9 * k->rate;
    k->tokens_at_ns = now_ns;
    if (k->tokens > 2 * k->rate && k->tokens > 1)
        k->tokens = 2 * k->rate > 1 ? 2 * k->rate : 1;
}

static call *next_waiting(const ns_kubernetes *k)
{
    call *found = NULL;
    for (call *c = k->first; c != NULL; c = c->next) {
        if (c->http != NULL)
            continue;
        if (c->urgent)
            return c;
        found = found == NULL ? c : found;
    }
    return found;
}

static void pump(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ns_kubernetes *k = owner;
    ns_error err;
    drop_retired(k);
    for (call *c; (c = next_waiting(k)) != NULL;) {
        refill(k);
        if (k->tokens < 1) {
            pump_in(k, (1 - k->tokens) / k->rate + 0.001);
            return;
        }
        readiness ready = ready_to_ask(k, &err);
        if (ready == NOT_YET)
            return; /* the plug-in's end pumps again */
        k->tokens -= 1;
        if (ready == NEVER || send_out(c, &err) != NS_OK)
            finish_failed(c, &err, false);
    }
}

static bool keep(char **copy, const char *text)
{
    *copy = text == NULL ? NULL : ns_strdup(text);
    return text == NULL || *copy != NULL;
}

static ns_status take_in(ns_kubernetes *k, call *fresh, const char *what, ns_error *err)
{
    fresh->cluster = k;
    (void)ns_text_copy(fresh->what, sizeof fresh->what, ns_text_of(what));
    fresh->prev = k->last;
    *(k->last != NULL ? &k->last->next : &k->first) = fresh;
    k->last = fresh;
    pump_in(k, 0);
    (void)err;
    return NS_OK;
}

static call *new_call(ns_kubernetes *k, const char *method, const char *path, ns_error *err)
{
    call *fresh = k->closing ? NULL : NS_NEW(call);
    if (fresh == NULL) {
        (void)ns_fail(err, k->closing ? NS_CANCELLED : NS_NO_MEMORY, "kubernetes: %s",
                      k->closing ? "shutting down" : "no memory for a request");
        return NULL;
    }
    ns_buf_init(&fresh->body, CEILING);
    ns_buf_init(&fresh->refusal, ERROR_CEILING);
    ns_kubernetes_lines_init(&fresh->lines, k->ceiling);
    if (keep(&fresh->method, method) && keep(&fresh->path, path))
        return fresh;
    free_call(fresh);
    (void)ns_fail(err, NS_NO_MEMORY, "kubernetes: no memory for a request");
    return NULL;
}

/* ---- the door ---- */

ns_status ns_kubernetes_start(ns_kubernetes *k, const ns_kubernetes_request *request, ns_error *err)
{
    call *fresh = new_call(k, request->method == NULL ? "GET" : request->method, request->path, err);
    if (fresh == NULL)
        return err == NULL ? NS_NO_MEMORY : err->status;
    fresh->urgent = request->urgent;
    fresh->group = request->group;
    fresh->owner = request->owner;
    fresh->done = request->done;
    if (!keep(&fresh->content_type, request->content_type) || !keep(&fresh->key, request->key) ||
        ns_buf_text(&fresh->body, request->body) != NS_OK) {
        free_call(fresh);
        return ns_fail(err, NS_NO_MEMORY, "kubernetes: no memory for a request");
    }
    return take_in(k, fresh, request->what, err);
}

ns_status ns_kubernetes_watch(ns_kubernetes *k, const ns_kubernetes_watching *watching, ns_error *err)
{
    call *fresh = new_call(k, "GET", watching->path, err);
    if (fresh == NULL)
        return err == NULL ? NS_NO_MEMORY : err->status;
    fresh->watch = true;
    fresh->timeout_ms = watching->timeout_ms;
    fresh->opened = watching->opened;
    fresh->event = watching->event;
    fresh->done = watching->done;
    fresh->owner = watching->owner;
    fresh->group = watching->group;
    return take_in(k, fresh, watching->what, err);
}

static void cancel_call(call *c)
{
    ns_error err;
    if (c->http != NULL) {
        ns_http_cancel(c->http);
        return;
    }
    (void)ns_fail(&err, NS_CANCELLED, "%s: given up", c->what);
    finish_failed(c, &err, false);
}

void ns_kubernetes_cancel(ns_kubernetes *k, const void *group)
{
    for (call *c = k->first; c != NULL;) {
        if (c->group != group) {
            c = c->next;
            continue;
        }
        cancel_call(c);
        c = k->first; /* anything may have happened in there */
    }
}

ns_status ns_kubernetes_new(struct event_base *loop, const ns_kubernetes_options *options, ns_kubernetes **out,
                            ns_error *err)
{
    const ns_kubernetes_access *access = options->access;
    if (access->exec != NULL && !options->allow_exec)
        return ns_fail(err, NS_BAD_USAGE,
                       "kubeconfig: the user %.100s needs the exec plug-in %.100s; allow it with kubernetes.exec: true",
                       access->user == NULL ? "" : access->user, ns_json_string(access->exec, "command", ""));
    ns_kubernetes *k = NS_NEW(ns_kubernetes);
    if (k == NULL)
        return ns_fail(err, NS_NO_MEMORY, "kubernetes: no memory for a client");
    k->loop = loop;
    k->access = *access;
    k->warned = options->warned;
    k->owner = options->owner;
    k->token = (ns_token_file){
        .path = access->token_file, .who = "kubernetes", .learn = options->learn, .owner = options->owner};
    k->rate = options->requests_per_s > 0 ? options->requests_per_s : 5;
    k->tokens = 2 * k->rate > 1 ? 2 * k->rate : 1;
    k->tokens_at_ns = ns_monotonic_ns();
    k->ceiling = options->json_ceiling > 0 ? options->json_ceiling : CEILING;
    k->connect_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : 5000;
    k->total_timeout_ms = options->total_timeout_ms > 0 ? options->total_timeout_ms : 30000;
    k->exec_timeout_ms = options->exec_timeout_ms > 0 ? options->exec_timeout_ms : 30000;
    k->pump = evtimer_new(loop, pump, k);
    ns_status status = k->pump == NULL ? ns_fail(err, NS_NO_MEMORY, "kubernetes: no memory for a client")
                                       : open_http(k, ns_buf_view(&access->client_cert_pem),
                                                   ns_buf_view(&access->client_key_pem), &k->http, err);
    if (status != NS_OK) {
        if (k->pump != NULL)
            event_free(k->pump);
        ns_free(k);
        return status;
    }
    *options->access = (ns_kubernetes_access){0};
    *out = k;
    return NS_OK;
}

void ns_kubernetes_free(ns_kubernetes *k)
{
    if (k == NULL)
        return;
    k->closing = true;
    while (k->first != NULL)
        cancel_call(k->first);
    ns_kubernetes_exec_cancel(k->plugin);
    ns_http_client_free(k->http);
    ns_http_client_free(k->retired);
    event_free(k->pump);
    ns_kubernetes_access_clear(&k->access);
    ns_free(k);
}

uint64_t ns_kubernetes_refusals(const ns_kubernetes *k)
{
    return k->refusals;
}

const char *ns_kubernetes_url(const ns_kubernetes *k)
{
    return ns_http_client_base_url(k->http);
}

const char *ns_kubernetes_namespace(const ns_kubernetes *k)
{
    return k->access.name_space == NULL ? "default" : k->access.name_space;
}

bool ns_kubernetes_insecure(const ns_kubernetes *k)
{
    return k->access.insecure;
}
