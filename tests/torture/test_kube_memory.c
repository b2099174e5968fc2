/*
 * The served Kubernetes API without memory: every kind of request is sent while the n-th allocation fails, and all
 * after it, or only that one; for every n that matters. Whatever happens, the answer is whole or an error or a closed
 * connection, never half an object; what was answered as done is done, what was refused (4xx) is not; nothing leaks;
 * and the next request is served as if nothing had been.
 *
 * The client is a bare socket in the same loop: it asks this program for no memory.
 */
#include "base/mem.h"
#include "wire/json.h"
#include "world/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPACE   "/kubernetes/apis/apps/v1/namespaces/sock-shop"
#define REVIEWS "/kubernetes/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

typedef struct asked {
    const char *method, *path, *accept, *type, *body;
    bool changes; /* replicas of carts, to 2 */
} asked;

static const asked requests[] = {
    {"GET", "/kubernetes/apis", NULL, NULL, NULL, false},
    {"GET", "/kubernetes/apis/apps/v1", NULL, NULL, NULL, false},
    {"GET", SPACE "/deployments", NULL, NULL, NULL, false},
    {"GET", SPACE "/deployments?limit=5", NULL, NULL, NULL, false},
    {"GET", SPACE "/deployments/carts", NULL, NULL, NULL, false},
    {"GET", SPACE "/deployments/carts/scale", NULL, NULL, NULL, false},
    {"GET", SPACE "/deployments/nothing", NULL, NULL, NULL, false},
    {"GET", SPACE "/deployments", "application/json;as=Table;v=v1;g=meta.k8s.io", NULL, NULL, false},
    {"GET", SPACE "/replicasets?labelSelector=name%3Dcarts", NULL, NULL, NULL, false},
    {"GET", "/kubernetes/api/v1/namespaces/sock-shop/pods?fieldSelector=status.phase%3DRunning", NULL, NULL, NULL,
     false},
    {"GET", "/kubernetes/api/v1/namespaces/sock-shop/events", NULL, NULL, NULL, false},
    {"GET", "/kubernetes/api/v1/nodes", NULL, NULL, NULL, false},
    {"POST", REVIEWS, NULL, "application/json",
     "{\"kind\":\"SelfSubjectAccessReview\",\"spec\":{\"resourceAttributes\":{\"namespace\":\"sock-shop\",\"verb\":"
     "\"patch\",\"group\":\"apps\",\"resource\":\"deployments\"}}}",
     false},
    {"PATCH", SPACE "/deployments/carts/scale", NULL, "application/merge-patch+json", "{\"spec\":{\"replicas\":2}}",
     true},
    {"PATCH", SPACE "/deployments/carts?dryRun=All", NULL, "application/merge-patch+json",
     "{\"spec\":{\"replicas\":2}}", false},
    {"PATCH", SPACE "/deployments/carts", NULL, "application/json-patch+json",
     "[{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":2}]", true},
    {"PATCH", SPACE "/deployments/carts", NULL, "application/strategic-merge-patch+json", "{\"spec\":{\"replicas\":2}}",
     true},
    {"PATCH", SPACE "/deployments/carts", NULL, "application/merge-patch+json", "{\"spec\":{\"replicas\":-2}}", false},
};

typedef struct scene {
    struct event_base *loop;
    ns_world_server *server;
    int port, n;
    const char *mode;
    const asked *request;
    char answer[1 << 20];
    size_t len;
} scene;

static scene s;

#define DEMAND(condition, ...)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s %s %s, allocation %d fails (%s): ", s.request->method, s.request->path,                \
                    s.request->accept == NULL ? "" : "as a table", s.n, s.mode);                                       \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fprintf(stderr, "\n%.600s\n", s.answer);                                                                   \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static void turn(void)
{
    if (event_base_loop(s.loop, EVLOOP_NONBLOCK) < 0)
        exit(1);
}

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s.port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    DEMAND(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof to) == 0, "cannot connect: %s", strerror(errno));
    DEMAND(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "%s", strerror(errno));
    return fd;
}

/* Sends the request and collects what comes until the connection ends, into s.answer. */
static void ask(const asked *request)
{
    char text[2048];
    const char *body = request->body == NULL ? "" : request->body;
    int len = snprintf(text, sizeof text,
                       "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: %s\r\nContent-Type: %s\r\n"
                       "Content-Length: %zu\r\n\r\n%s",
                       request->method, request->path, request->accept == NULL ? "application/json" : request->accept,
                       request->type == NULL ? "text/plain" : request->type, strlen(body), body);
    int fd = dial();
    DEMAND(write(fd, text, (size_t)len) == len, "cannot be sent: %s", strerror(errno));
    s.len = 0;
    for (;;) {
        turn();
        ssize_t got = read(fd, s.answer + s.len, sizeof s.answer - 1 - s.len);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            break;
        s.len += got > 0 ? (size_t)got : 0;
    }
    s.answer[s.len] = '\0';
    (void)close(fd);
    turn(); /* the server sees the end too */
}

static int code_of(void)
{
    return strncmp(s.answer, "HTTP/1.1 ", 9) == 0 ? atoi(s.answer + 9) : 0;
}

static json_t *body_of(void)
{
    json_t *json = NULL;
    const char *body = strstr(s.answer, "\r\n\r\n");
    if (body == NULL || ns_json_read(ns_text_of(body + 4), &json, NULL) != NS_OK)
        return NULL;
    return json;
}

static int32_t replicas(void)
{
    ns_world *world = ns_world_server_world(s.server);
    ns_world_rollout rollout;
    ns_world_rollout_of(world, (size_t)ns_world_find_deployment(world, NS_TEXT("carts")), &rollout);
    return rollout.replicas;
}

static void one_replica(void)
{
    ns_world *world = ns_world_server_world(s.server);
    const ns_world_request request = {.user = "test", .from = "test"};
    if (ns_world_scale(world, (size_t)ns_world_find_deployment(world, NS_TEXT("carts")), 1, "", &request, NULL) !=
        NS_OK)
        exit(1);
}

/* What is not the same in two answers to the same request. */
static void forget_what_changes(json_t *json)
{
    static const char *const changing[] = {"resourceVersion", "generation", "managedFields", "annotations"};
    const char *key;
    json_t *value;
    size_t i;
    for (i = 0; json_is_object(json) && i < sizeof changing / sizeof changing[0]; i++)
        (void)json_object_del(json, changing[i]);
    json_object_foreach(json, key, value) forget_what_changes(value);
    json_array_foreach(json, i, value) forget_what_changes(value);
}

/* One request with one failure. True: it needed no more than n allocations. */
static bool once(int n, bool lasting, const json_t *whole, int whole_code)
{
    s.n = n;
    s.mode = lasting ? "and all after it" : "once";
    one_replica();
    if (lasting)
        ns_mem_fail_after(n);
    else
        ns_mem_fail_once(n);
    ask(s.request);
    ns_mem_fail_after(-1);
    int code = code_of();
    json_t *body = body_of();
    DEMAND(code == whole_code || code == 0 || code >= 400, "answered %d", code);
    bool done = code == whole_code && code < 400;
    if (code == whole_code && code / 100 == 2) {
        DEMAND(body != NULL, "the answer is no JSON");
        forget_what_changes(body);
        DEMAND(json_equal(body, whole), "the answer has a hole");
    }
    if (s.request->changes)
        DEMAND(!done || replicas() == 2, "answered as done and not done");
    else
        DEMAND(replicas() == 1, "changed what it must not");
    if (s.request->changes && code >= 400 && code < 500)
        DEMAND(replicas() == 1, "answered %d, but done", code);
    json_decref(body);
    return code == whole_code;
}

static void torture(const asked *request)
{
    s.request = request;
    one_replica();
    ask(request);
    int code = code_of();
    json_t *whole = body_of();
    DEMAND(code != 0 && whole != NULL, "not answered even with memory");
    forget_what_changes(whole);
    for (int lasting = 0; lasting < 2; lasting++) {
        int good = 0, n = 0;
        for (; good < 40; n += 1 + n / 64) /* so many in a row did not meet the failure: there are no more */
            good = once(n, lasting == 1, whole, code) ? good + 1 : 0;
        s.n = -1;
        one_replica();
        ask(request);
        json_t *again = body_of();
        forget_what_changes(again);
        DEMAND(code_of() == code && (code >= 400 || json_equal(again, whole)), "not served as before");
        json_decref(again);
    }
    json_decref(whole);
}

/* The Deployment as it is told with memory. */
static json_t *carts(void)
{
    static const asked plain = {"GET", SPACE "/deployments/carts", NULL, NULL, NULL, false};
    s.request = &plain;
    one_replica();
    ask(&plain);
    json_t *json = body_of();
    DEMAND(json != NULL, "not answered even with memory");
    forget_what_changes(json);
    return json;
}

int main(void)
{
    ns_scenario scenario;
    ns_error err;
    s.loop = event_base_new();
    if (ns_scenario_builtin("default", &scenario, &err) != NS_OK)
        return 1;
    const ns_world_server_options options = {.scenario = &scenario, .seed = 7, .start_ms = 1795473540000};
    if (ns_world_server_new(s.loop, &options, &s.server, &err) != NS_OK ||
        ns_world_server_listen(s.server, "127.0.0.1:0", &err) != NS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    s.port = atoi(strchr(ns_world_server_address(s.server), ':') + 1);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) /* what is written once stays as it is */
        ask(s.request = &requests[i]);
    json_t *before = carts();
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        torture(&requests[i]);
    json_t *after = carts();
    DEMAND(json_equal(before, after), "what was refused has left something behind");
    json_decref(before);
    json_decref(after);
    ns_world_server_free(s.server);
    event_base_free(s.loop);
    if (ns_mem_live() != 0) {
        fprintf(stderr, "%zu blocks leaked\n", ns_mem_live());
        return 1;
    }
    return 0;
}
