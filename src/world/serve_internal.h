/*
 * Inside of the served world: what serve*.c share. Not for other rooms.
 *
 * A request is taken apart (ns_serve_request), answered into an ns_serve_reply by one of the four parts, and sent by
 * serve.c, which also carries out the faults that concern replies (delay, loss).
 */
#ifndef NS_WORLD_SERVE_INTERNAL_H
#define NS_WORLD_SERVE_INTERNAL_H

#include "base/text.h"
#include "wire/http_server.h"
#include "wire/json.h"
#include "world/serve.h"
#include "world/serve_tree.h"

#define NS_SERVE_SEGMENTS_MAX 32
#define NS_SERVE_BODY_MAX     (64u << 20)
#define NS_SERVE_HEADERS_MAX  8

/* Faults counted in requests; the lasting ones stand in ns_world_faults. name, what the next n requests meet */
#define NS_SERVE_FAULT_MAP(X)                                                                                          \
    X(drop_reply, "a changing request is carried out, its answer is lost")                                             \
    X(lose_request, "a changing request is lost before anything is done")                                              \
    X(merge, "a build request is answered as merged (303)")                                                            \
    X(refuse, "a changing request is answered 500")                                                                    \
    X(unauthorized, "Jenkins answers 401")                                                                             \
    X(oversize, "an answer of Jenkins' API carries 17 MiB more than it should")                                        \
    X(nan, "numbers come as NaN: bare in Jenkins' JSON, as a value from Prometheus")                                   \
    X(rollover, "a log is replaced: the answer begins again at 0")                                                     \
    X(html, "Jenkins' API answers 200 with a login page")                                                              \
    X(half_open, "Jenkins never answers, the connection stays open")                                                   \
    X(throttle, "Kubernetes answers 429 with Retry-After")                                                             \
    X(expire, "Kubernetes forgets what happened so far: older watches are answered 410")                               \
    X(warn, "an answer of Kubernetes carries a Warning header")

typedef enum ns_serve_fault {
#define NS_SERVE_FAULT_ENUM(name, meaning) NS_SERVE_##name,
    NS_SERVE_FAULT_MAP(NS_SERVE_FAULT_ENUM)
#undef NS_SERVE_FAULT_ENUM
        NS_SERVE_FAULTS
} ns_serve_fault;

typedef struct ns_serve_reply {
    int code;
    const char *type; /* static */
    ns_buf body;
    struct {
        const char *name; /* static */
        char value[512];
    } header[NS_SERVE_HEADERS_MAX];
    size_t header_count;
    bool dropped;  /* no answer: the connection closes */
    bool hanging;  /* no answer: the connection stays */
    bool taken;    /* it is answered, or being answered, already: a watch */
    bool changing; /* this request changed, or was meant to change, something of this kind */
    ns_world_effect_kind kind;
} ns_serve_reply;

typedef struct ns_serve_request {
    size_t refused; /* requests for memory that had been refused before: what is made since may have a hole when more
                       are */
    ns_http_method method;
    ns_text path;
    ns_text query;
    ns_text body;
    const char *peer;
    char *segment[NS_SERVE_SEGMENTS_MAX]; /* decoded, without the first ("jenkins"); NUL-terminated */
    size_t segments;
    bool slash; /* the path ends in '/' */
    ns_buf segment_bytes;
    ns_exchange *exchange; /* for headers */
    char base[400];        /* "http://127.0.0.1:8480/jenkins/" as Jenkins thinks of itself */
    char user[64];         /* who asks of Jenkins; "anonymous" */
    bool by_token;         /* authenticated by API token: no crumb needed */
    bool authenticated;
} ns_serve_request;

typedef struct ns_serve_late ns_serve_late; /* a reply that waits for its delay */

struct ns_world_server {
    struct event_base *loop;
    struct event *timer;
    ns_http_server *http;
    ns_world *world;
    char address[128];
    double speed;
    double metric_scale; /* what raw counters of world time are divided by */
    int64_t origin_real_ms;
    int64_t origin_world_ms;
    bool truth;
    bool closed; /* jenkins_user is set */
    char jenkins_user[64];
    char jenkins_token[128];
    char jenkins_password[128];
    char session[17];          /* X-Jenkins-Session: changes at each restart */
    unsigned char secret[32];  /* crumbs */
    int64_t starting_until_ms; /* real time */
    int64_t jenkins_down_until_ms;
    int64_t prometheus_down_until_ms;
    int64_t kubernetes_down_until_ms;
    char kubernetes_token[256];  /* "": open */
    char kubernetes_forbid[256]; /* rights that everybody has lost: "patch deployments/scale, list replicasets" */
    struct ns_kube *kube;
    int64_t fault_left[NS_SERVE_FAULTS];
    ns_serve_late *late;
    size_t late_count;
    uint64_t requests;
};

/* serve.c */
void ns_serve_advance(ns_world_server *server);
bool ns_serve_fault_due(ns_world_server *server, ns_serve_fault fault); /* and counts it down */
/* The mishaps that strike a changing request before anything is done. False: it is lost (the reply says so), or it is
 * to be refused (*refused). */
bool ns_serve_arrives(ns_world_server *server, ns_serve_reply *reply, ns_world_effect_kind kind, bool *refused);
void ns_serve_header(ns_serve_reply *reply, const char *name, const char *format, ...) NS_PRINTF(3, 4);
void ns_serve_text(ns_serve_reply *reply, int code, const char *type, const char *text);
/* Takes the value (NULL: no memory, 500). */
void ns_serve_json(ns_serve_reply *reply, int code, json_t *value);
/* A value of the query string or of a form body; false: absent. */
bool ns_serve_value(const ns_serve_request *request, const char *name, ns_buf *out);
/* True when the request's decoded segments from `from` on are these. */
bool ns_serve_path_is(const ns_serve_request *request, size_t from, const char *const *wanted, size_t count);
#define NS_SERVE_PATH_IS(request, from, ...)                                                                           \
    ns_serve_path_is((request), (from), (const char *const[]){__VA_ARGS__},                                            \
                     sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* The four parts. */
void ns_serve_jenkins(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply);
void ns_serve_prometheus(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply);
void ns_serve_kubernetes(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply);
void ns_serve_control(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply);
void ns_serve_pager(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply);

/* serve_control.c: the body of POST faults applied; NS_BAD_INPUT. Exposed for the fuzz target. */
NS_MUST_USE ns_status ns_serve_faults_apply(ns_world_server *server, ns_text body, ns_error *err);

/* serve_jenkins_auth.c: false: the reply says why not. */
bool ns_served_admits(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply);
/* For a POST that changes something. */
bool ns_served_crumb_ok(ns_world_server *server, const ns_serve_request *request, ns_serve_reply *reply);
void ns_served_crumb(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply);
/* Jenkins' pages of trouble. */
void ns_served_error(ns_serve_reply *reply, int code, const char *message);

/* serve_jenkins_act.c: POST below a job, a build or the queue. */
void ns_served_build(ns_world_server *server, ns_serve_request *request, size_t job, bool with_parameters,
                     ns_serve_reply *reply);
void ns_served_stop(ns_world_server *server, ns_serve_request *request, size_t job, int64_t number,
                    ns_serve_reply *reply);
void ns_served_cancel(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply);
void ns_served_set_disabled(ns_world_server *server, ns_serve_request *request, size_t job, bool disabled,
                            ns_serve_reply *reply);

/* What is wanted of an object: a tree, or everything down to a depth. */
typedef struct ns_served_view {
    const ns_tree *tree; /* NULL: by depth */
    int depth;           /* without a tree; below 0: only the few always-visible properties */
} ns_served_view;

/* serve_jenkins_model.c, serve_jenkins_build.c: objects as json_t, new references, NULL: no memory. With a tree they
 * may hold more than wanted: the caller applies the tree. */
json_t *ns_served_string(const char *text); /* repaired to UTF-8 */
bool ns_served_wants(ns_served_view view, const char *name);
ns_served_view ns_served_below(ns_served_view view, const char *name);
bool ns_served_brief(ns_served_view view);
/* How many first elements of the list `name` matter. */
size_t ns_served_limit(ns_served_view view, const char *name);
void ns_served_job_url(const ns_serve_request *request, const char *full_name, char *out, size_t size);

json_t *ns_served_root(ns_world_server *server, const ns_serve_request *request, ns_served_view view);
json_t *ns_served_folder(ns_world_server *server, const ns_serve_request *request, ns_served_view view);
json_t *ns_served_job(ns_world_server *server, const ns_serve_request *request, size_t job, ns_served_view view);
json_t *ns_served_run(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                      ns_served_view view);
json_t *ns_served_tests(ns_world_server *server, size_t job, int64_t number);
json_t *ns_served_stages(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number);
json_t *ns_served_queue(ns_world_server *server, const ns_serve_request *request, ns_served_view view);
json_t *ns_served_queue_item(ns_world_server *server, const ns_serve_request *request, const ns_world_queue_item *item,
                             ns_served_view view);
json_t *ns_served_computers(ns_world_server *server, const ns_serve_request *request, ns_served_view view);
json_t *ns_served_computer(ns_world_server *server, const ns_serve_request *request, const char *name,
                           ns_served_view view); /* json_null: no such node */
/* Number of the build a permalink ("lastBuild") or a number names; 0: there is none. */
int64_t ns_served_number(const ns_world *world, size_t job, const char *name);

#endif
