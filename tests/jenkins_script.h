/*
 * A scripted Jenkins for tests: a real HTTP server on loopback that answers by a list of rules. It is there for what a
 * real Jenkins does rarely (start-up page, broken answers, half-open connections) and for exact answers.
 */
#ifndef NS_TESTS_JENKINS_SCRIPT_H
#define NS_TESTS_JENKINS_SCRIPT_H

#include "check.h"

#include "base/clock.h"
#include "wire/http_server.h"

#include <event2/event.h>

enum { SCRIPT_RULES = 64, SCRIPT_REQUESTS = 1024, SCRIPT_HOLDS = 64 };

typedef struct script_rule {
    const char *match;        /* in "GET /path?query"; the newest rule that matches answers */
    int code;                 /* 0 means 200 */
    const char *type;         /* NULL: application/json;charset=utf-8 */
    const char *body;         /* NULL: empty */
    size_t body_len;          /* 0: the body is a C string */
    const char *header[8];    /* name, value, name, value */
    int times;                /* answers this often, then the rule is spent; 0: for ever */
    bool hold;                /* takes the request and never answers */
    bool drop;                /* closes the connection without a byte */
    bool half;                /* sends the body and no end: more seems to follow, until script_break_off */
    const char *needs_header; /* "Name: value" that must be in the request for the rule to match */
} script_rule;

typedef struct script {
    struct event_base *loop;
    ns_http_server *server;
    char url[96];
    script_rule rule[SCRIPT_RULES];
    size_t rule_count;
    char request[SCRIPT_REQUESTS][768]; /* "POST /path?query body" */
    size_t request_count;
    ns_exchange *holds[SCRIPT_HOLDS]; /* requests that are never answered */
    int held;
    size_t live;
} script;

static inline bool script_has_header(const ns_exchange *exchange, const char *wanted)
{
    char name[64];
    const char *colon = strchr(wanted, ':');
    ns_text value;
    (void)snprintf(name, sizeof name, "%.*s", (int)(colon - wanted), wanted);
    return ns_exchange_header(exchange, name, &value) && ns_text_is(value, colon + 2);
}

static inline void script_answer(ns_exchange *exchange, const script_rule *rule)
{
    bool session = false;
    for (size_t i = 0; i + 1 < NS_COUNT_OF(rule->header) && rule->header[i] != NULL; i += 2) {
        session = session || strcmp(rule->header[i], "X-Jenkins-Session") == 0;
        ns_exchange_set_header(exchange, rule->header[i], rule->header[i + 1]);
    }
    ns_exchange_set_header(exchange, "X-Jenkins", "2.479.1");
    if (!session)
        ns_exchange_set_header(exchange, "X-Jenkins-Session", "5d1c");
    ns_text body = {rule->body, rule->body_len};
    if (rule->body_len == 0)
        body = ns_text_of(rule->body);
    if (rule->half) {
        CHECK_OK(ns_exchange_begin(exchange, 200, rule->type, false, NULL, NULL));
        CHECK_OK(ns_exchange_chunk(exchange, body));
        return;
    }
    ns_exchange_answer(exchange, rule->code == 0 ? 200 : rule->code,
                       rule->type == NULL ? "application/json;charset=utf-8" : rule->type, body);
}

static inline void script_handle(void *owner, ns_exchange *exchange)
{
    script *s = owner;
    ns_text path = ns_exchange_path(exchange), query = ns_exchange_query(exchange), body = ns_exchange_body(exchange);
    if (s->request_count == SCRIPT_REQUESTS)
        s->request_count = SCRIPT_REQUESTS / 2; /* only what came lately is looked at */
    char *line = s->request[s->request_count++];
    (void)snprintf(line, sizeof s->request[0], "%s %.*s%s%.*s %.*s", ns_exchange_method_name(exchange), (int)path.len,
                   path.at, query.len > 0 ? "?" : "", (int)query.len, query.at, (int)body.len, body.at);
    for (size_t i = s->rule_count; i-- > 0;) {
        script_rule *rule = &s->rule[i];
        if (rule->times < 0 || strstr(line, rule->match) == NULL ||
            (rule->needs_header != NULL && !script_has_header(exchange, rule->needs_header)))
            continue;
        if (rule->times > 0 && --rule->times == 0)
            rule->times = -1;
        if (rule->hold || rule->half) {
            CHECK(s->held < SCRIPT_HOLDS);
            s->holds[s->held++] = exchange;
        }
        if (rule->drop)
            ns_exchange_drop(exchange);
        else if (!rule->hold)
            script_answer(exchange, rule);
        return;
    }
    script_rule nothing = {.code = 404, .type = "text/html", .body = "<html>Not Found</html>"};
    script_answer(exchange, &nothing);
}

static inline void script_open(script *s, const char *context)
{
    ns_error err = {0};
    char address[64];
    memset(s, 0, sizeof *s);
    s->live = ns_mem_live(); /* so that one failed test does not fail the next ones too */
    s->loop = event_base_new();
    CHECK(s->loop != NULL);
    ns_http_server_options options = {.handler = script_handle, .owner = s};
    CHECK_OK(ns_http_server_new(s->loop, &options, &s->server, &err));
    CHECK_OK(ns_http_server_listen(s->server, "127.0.0.1:0", address, sizeof address, &err));
    (void)snprintf(s->url, sizeof s->url, "http://%s%s", address, context);
}

/* Closes the connections of all requests that still wait for their answer or its end. */
static inline void script_break_off(script *s)
{
    for (int i = 0; i < s->held; i++)
        ns_exchange_drop(s->holds[i]);
    s->held = 0;
}

static inline void script_close(script *s)
{
    script_break_off(s);
    ns_http_server_free(s->server);
    event_base_free(s->loop);
    CHECK_INT(s->live, ns_mem_live());
}

static inline script_rule *script_on(script *s, script_rule rule)
{
    CHECK(s->rule_count < SCRIPT_RULES);
    s->rule[s->rule_count] = rule;
    return &s->rule[s->rule_count++];
}

/* How many requests so far hold this text. */
static inline int script_asked(const script *s, const char *what)
{
    int count = 0;
    for (size_t i = 0; i < s->request_count; i++)
        count += strstr(s->request[i], what) != NULL;
    return count;
}

static inline void script_turn(script *s)
{
    struct timeval longest = {.tv_usec = 20000};
    (void)event_base_loopexit(s->loop, &longest);
    (void)event_base_loop(s->loop, EVLOOP_ONCE);
}

/* Runs the loop until the condition holds; the limit only ends a hung test. */
#define SCRIPT_UNTIL(s, condition)                                                                                     \
    do {                                                                                                               \
        int64_t give_up_ns = ns_monotonic_ns() + (int64_t)20 * 1000000000;                                             \
        while (!(condition)) {                                                                                         \
            if (ns_monotonic_ns() > give_up_ns)                                                                        \
                fail_msg("never came true: %s", #condition);                                                           \
            script_turn(s);                                                                                            \
        }                                                                                                              \
    } while (0)

#endif
