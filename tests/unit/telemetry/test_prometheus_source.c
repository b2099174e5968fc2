#include "check.h"

#include "base/log.h"
#include "telemetry/prometheus_source.h"
#include "wire/http_server.h"
#include "wire/url.h"

#include <event2/event.h>
#include <unistd.h>

#define DATA(type, result)     "{\"status\":\"success\",\"data\":{\"resultType\":\"" type "\",\"result\":" result "}}"
#define VECTOR(result)         DATA("vector", result)
#define ONE(number)            "{\"metric\":{},\"value\":[5,\"" number "\"]}"
#define OF(deployment, number) "{\"metric\":{\"deployment\":\"" deployment "\"},\"value\":[5,\"" number "\"]}"
#define BAD_DATA               "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error: near token=abc123def\"}"

/* What this test's Prometheus answers to the query "qN" of signal N; the rest gets an empty vector. */
typedef struct reply {
    int code;
    const char *body;
} reply;

typedef struct house {
    struct event_base *loop;
    ns_http_server *server;
    char address[64], url[128];
    ns_snapshot *snapshot;
    ns_source source;
    ns_redactor *redactor;
    int64_t now_ms;
    ns_clock clock;
    reply replies[NS_SIGNAL_COUNT];
    reply all; /* when its code is not 0: for every query */
    int asked;
    int asked_of[NS_SIGNAL_COUNT];
    char time[32];
    char queries[NS_SIGNAL_COUNT][8];
} house;

static void handle(void *owner, ns_exchange *exchange)
{
    house *h = owner;
    ns_buf text;
    ns_buf_init(&text, 1 << 16);
    h->asked++;
    (void)ns_query_value(ns_exchange_body(exchange), "time", &text);
    (void)ns_text_copy(h->time, sizeof h->time, ns_buf_view(&text));
    CHECK(ns_query_value(ns_exchange_body(exchange), "query", &text));
    int64_t n = -1;
    ns_text query = ns_buf_view(&text);
    CHECK(ns_text_starts(query, "q") && ns_text_int64((ns_text){query.at + 1, query.len - 1}, &n));
    CHECK(n >= 0 && n < NS_SIGNAL_COUNT);
    h->asked_of[n]++;
    reply r = h->all.code != 0 ? h->all : h->replies[n];
    if (r.code == 0)
        r = (reply){200, VECTOR("[]")};
    ns_buf_clear(&text);
    ns_exchange_answer(exchange, r.code, "application/json", ns_text_of(r.body));
}

static void serve(house *h, const char *address)
{
    ns_error err;
    CHECK_OK(ns_http_server_new(h->loop, &(ns_http_server_options){.handler = handle, .owner = h}, &h->server, &err));
    CHECK_OK(ns_http_server_listen(h->server, address, h->address, sizeof h->address, &err));
}

static void house_open(house *h)
{
    static ns_prometheus_source_options options;
    ns_error err;
    *h = (house){.loop = event_base_new(), .snapshot = ns_snapshot_new(), .now_ms = 1000000};
    h->clock = ns_clock_manual(&h->now_ms);
    serve(h, "127.0.0.1:0");
    (void)snprintf(h->url, sizeof h->url, "http://%s/prometheus", h->address);
    CHECK_OK(ns_redactor_new(NULL, &h->redactor, &err));
    options = (ns_prometheus_source_options){.server = {.url = h->url}, .redactor = h->redactor};
    for (size_t i = 0; i < NS_SIGNAL_COUNT; i++) {
        (void)snprintf(h->queries[i], sizeof h->queries[i], "q%zu", i);
        options.promql[i] = h->queries[i];
    }
    options.promql[NS_SIGNAL_node_disk] = " ";
    CHECK_OK(ns_prometheus_source_new(h->loop, h->snapshot, &h->clock, &options, &h->source, &err));
}

static void house_close(house *h)
{
    h->source.free(h->source.self);
    ns_http_server_free(h->server);
    ns_snapshot_free(h->snapshot);
    ns_redactor_free(h->redactor);
    event_base_free(h->loop);
    CHECK_INT(0, ns_mem_live());
}

static ns_pipeline_view *pipeline(house *h, const char *job, const char *deployment)
{
    ns_pipeline_view *view = ns_snapshot_pipeline(h->snapshot, ns_text_of(job));
    CHECK(view != NULL);
    (void)ns_text_copy(view->deployment, sizeof view->deployment, ns_text_of(deployment));
    return view;
}

/* One tick, to its end. */
static void tick(house *h)
{
    int64_t give_up_ns = ns_monotonic_ns() + (int64_t)20 * 1000000000;
    h->now_ms += 10000;
    h->source.poll(h->source.self, h->now_ms);
    while (!h->source.settled(h->source.self)) {
        struct timeval longest = {.tv_usec = 20000};
        CHECK(ns_monotonic_ns() < give_up_ns);
        (void)event_base_loopexit(h->loop, &longest);
        (void)event_base_loop(h->loop, EVLOOP_ONCE);
    }
}

static const ns_source_health *health(const house *h)
{
    return &h->snapshot->source[NS_FROM_prometheus];
}

/* Collects what the program's log says meanwhile. */
static int stderr_kept = -1;
static FILE *stderr_file;

static void log_begin(void)
{
    (void)fflush(stderr);
    stderr_file = tmpfile();
    stderr_kept = dup(STDERR_FILENO);
    CHECK(stderr_file != NULL && dup2(fileno(stderr_file), STDERR_FILENO) >= 0);
}

static size_t log_end(char *out, size_t size)
{
    (void)dup2(stderr_kept, STDERR_FILENO);
    (void)close(stderr_kept);
    rewind(stderr_file);
    size_t n = fread(out, 1, size - 1, stderr_file);
    out[n] = '\0';
    (void)fclose(stderr_file);
    return n;
}

static int count_of(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void good_answers_fill_the_snapshot(void **state)
{
    (void)state;
    house h;
    house_open(&h);
    CHECK_STRING("starting", ns_source_state_name(health(&h)->state));
    ns_pipeline_view *carts = pipeline(&h, "carts", "carts"), *again = pipeline(&h, "x/carts", "carts");
    ns_pipeline_view *none = pipeline(&h, "docs", "");
    h.replies[NS_SIGNAL_cpu_usage] = (reply){200, VECTOR("[" ONE("42.5") "]")};
    h.replies[NS_SIGNAL_memory_usage] = (reply){200, DATA("scalar", "[5,\"7\"]")};
    h.replies[NS_SIGNAL_error_rate] = (reply){200, VECTOR("[" ONE("NaN") "]")};
    h.replies[NS_SIGNAL_deployment_cpu] =
        (reply){200, VECTOR("[" OF("front-end", "1") "," OF("carts", "9.5") "," ONE("3") "]")};
    tick(&h);
    CHECK_STRING("ok", ns_source_state_name(health(&h)->state));
    CHECK_STRING("", health(&h)->error);
    CHECK(health(&h)->good_at_ms == h.now_ms);
    CHECK_NEAR(42.5, h.snapshot->signal[NS_SIGNAL_cpu_usage].value, 0);
    CHECK(h.snapshot->signal[NS_SIGNAL_cpu_usage].at_ms == h.now_ms); /* the tick's, not the sample's */
    CHECK_NEAR(7, h.snapshot->signal[NS_SIGNAL_memory_usage].value, 0);
    CHECK(isnan(h.snapshot->signal[NS_SIGNAL_error_rate].value)); /* NaN */
    CHECK(isnan(h.snapshot->signal[NS_SIGNAL_pod_count].value));  /* empty */
    CHECK_NEAR(9.5, carts->signal[NS_SIGNAL_deployment_cpu].value, 0);
    CHECK_NEAR(9.5, again->signal[NS_SIGNAL_deployment_cpu].value, 0);
    CHECK(isnan(none->signal[NS_SIGNAL_deployment_cpu].value));
    CHECK(isnan(carts->signal[NS_SIGNAL_deployment_memory].value));
    CHECK_INT(NS_SIGNAL_COUNT - 1, h.asked); /* one is switched off */
    CHECK_INT(0, h.asked_of[NS_SIGNAL_node_disk]);
    CHECK_STRING("1010.000", h.time);

    h.replies[NS_SIGNAL_deployment_cpu] = (reply){200, VECTOR("[" OF("front-end", "1") "]")};
    tick(&h);
    CHECK(isnan(carts->signal[NS_SIGNAL_deployment_cpu].value)); /* its series is gone */
    house_close(&h);
}

static void many_pipelines_are_joined(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    house h;
    house_open(&h);
    ns_pipeline_view *views[MANY];
    for (int i = 0; i < MANY; i++) {
        char job[32], deployment[32];
        (void)snprintf(job, sizeof job, "job-%d", i);
        (void)snprintf(deployment, sizeof deployment, "d%d", i % 1000);
        views[i] = pipeline(&h, job, deployment);
    }
    ns_buf body;
    ns_buf_init(&body, 4 << 20);
    (void)ns_buf_string(&body, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[");
    for (int i = 0; i < 1000; i++)
        (void)ns_buf_printf(&body, "%s{\"metric\":{\"deployment\":\"d%d\"},\"value\":[5,\"%d\"]}", i == 0 ? "" : ",", i,
                            i);
    (void)ns_buf_string(&body, "]}}");
    h.replies[NS_SIGNAL_deployment_memory] = (reply){200, body.at};
    tick(&h);
    for (int i = 0; i < MANY; i++)
        CHECK_NEAR(i % 1000, views[i]->signal[NS_SIGNAL_deployment_memory].value, 0);
    ns_buf_clear(&body);
    house_close(&h);
}

static void one_bad_query_is_told_once_and_the_others_go_on(void **state)
{
    (void)state;
    house h;
    static char log[8192];
    house_open(&h);
    h.replies[NS_SIGNAL_cpu_usage] = (reply){200, VECTOR("[" ONE("1") "]")};
    h.replies[NS_SIGNAL_memory_usage] = (reply){400, BAD_DATA};
    h.replies[NS_SIGNAL_pod_count] = (reply){200, VECTOR("[" ONE("1") "," ONE("2") "]")};
    h.replies[NS_SIGNAL_error_rate] =
        (reply){200, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" ONE(
                         "3") "]},\"warnings\":[\"half\"]}"};
    log_begin();
    tick(&h);
    tick(&h);
    h.replies[NS_SIGNAL_memory_usage] = (reply){200, VECTOR("[" ONE("4") "]")};
    tick(&h);
    (void)log_end(log, sizeof log);
    CHECK_STRING("ok", ns_source_state_name(health(&h)->state));
    CHECK_NEAR(1, h.snapshot->signal[NS_SIGNAL_cpu_usage].value, 0);
    CHECK_NEAR(4, h.snapshot->signal[NS_SIGNAL_memory_usage].value, 0);
    CHECK_NEAR(1, h.snapshot->signal[NS_SIGNAL_pod_count].value, 0);
    CHECK_NEAR(3, h.snapshot->signal[NS_SIGNAL_error_rate].value, 0); /* partial data is kept */
    CHECK_INT(1, count_of(log, "event=signal_failed"));
    CHECK_INT(1, count_of(log, "signal=memory_usage text=\"memory_usage: HTTP 400: bad_data: parse error"));
    CHECK(strstr(log, "abc123def") == NULL); /* redacted */
    CHECK_INT(1, count_of(log, "event=signal_answered_again"));
    CHECK_INT(1, count_of(log, "event=too_many_series"));
    CHECK_INT(1, count_of(log, "event=partial_answer"));
    CHECK(strstr(log, "half") != NULL);
    CHECK(health(&h)->error[0] != '\0');
    house_close(&h);
}

static void odd_series_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *told;
        double value;
    } cases[] = {
        {VECTOR("[" OF("carts", "1") "," OF("carts", "2") "]"), "two series", 1},
        {VECTOR("[" ONE("1") "]"), "no label", NAN},
        {DATA("scalar", "[5,\"7\"]"), "a scalar", NAN},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        house h;
        static char log[8192];
        house_open(&h);
        ns_pipeline_view *carts = pipeline(&h, "carts", "carts");
        h.replies[NS_SIGNAL_deployment_cpu] = (reply){200, cases[i].body};
        log_begin();
        tick(&h);
        (void)log_end(log, sizeof log);
        CHECK_INT(1, count_of(log, cases[i].told));
        double got = carts->signal[NS_SIGNAL_deployment_cpu].value;
        CHECK(isnan(cases[i].value) ? isnan(got) : got == cases[i].value);
        house_close(&h);
    }
}

static void a_dead_prometheus_empties_its_values_and_recovers(void **state)
{
    (void)state;
    house h;
    static char log[8192];
    house_open(&h);
    ns_pipeline_view *carts = pipeline(&h, "carts", "carts");
    h.replies[NS_SIGNAL_cpu_usage] = (reply){200, VECTOR("[" ONE("42.5") "]")};
    h.replies[NS_SIGNAL_deployment_cpu] = (reply){200, VECTOR("[" OF("carts", "9.5") "]")};
    tick(&h);
    int64_t good_ms = h.now_ms;
    log_begin();
    ns_http_server_free(h.server);
    h.server = NULL;
    for (int i = 0; i < 3; i++) {
        tick(&h);
        CHECK_STRING("down", ns_source_state_name(health(&h)->state));
        CHECK(health(&h)->good_at_ms == good_ms); /* its age grows */
        CHECK(health(&h)->error[0] != '\0');
        CHECK(isnan(h.snapshot->signal[NS_SIGNAL_cpu_usage].value));
        CHECK(isnan(carts->signal[NS_SIGNAL_deployment_cpu].value));
    }
    char address[64];
    (void)snprintf(address, sizeof address, "%s", h.address);
    serve(&h, address);
    tick(&h);
    (void)log_end(log, sizeof log);
    CHECK_STRING("ok", ns_source_state_name(health(&h)->state));
    CHECK_STRING("", health(&h)->error);
    CHECK(health(&h)->good_at_ms == h.now_ms);
    CHECK_NEAR(42.5, h.snapshot->signal[NS_SIGNAL_cpu_usage].value, 0);
    CHECK_NEAR(9.5, carts->signal[NS_SIGNAL_deployment_cpu].value, 0);
    CHECK_INT(1, count_of(log, "event=source_trouble"));
    CHECK_INT(1, count_of(log, "event=source_recovered"));
    CHECK_INT(2, count_of(log, "\n"));
    house_close(&h);
}

static void the_state_says_why_there_is_no_answer(void **state)
{
    (void)state;
    static const struct {
        reply all;
        const char *state;
        int most_asked; /* the rest of the round is spared */
    } cases[] = {
        {{401, "Unauthorized"}, "unauthorized", 3},
        {{403, "Forbidden"}, "unauthorized", 3},
        {{503, "Service Unavailable"}, "starting", 3},
        {{404, "404 page not found"}, "down", 3},
        {{200, "<html>"}, "down", 3},
        {{500, "{\"status\":\"error\",\"errorType\":\"internal\",\"error\":\"x\"}"}, "down", 3},
        {{422, "{\"status\":\"error\",\"errorType\":\"execution\",\"error\":\"x\"}"}, "ok", 99},
        {{503, "{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"x\"}"}, "ok", 99},
        {{200, VECTOR("[]")}, "ok", 99},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        house h;
        static char log[16384];
        house_open(&h);
        h.all = cases[i].all;
        log_begin();
        tick(&h);
        (void)log_end(log, sizeof log);
        CHECK_STRING(cases[i].state, ns_source_state_name(health(&h)->state));
        CHECK(h.asked <= cases[i].most_asked);
        CHECK_INT(strcmp(cases[i].state, "ok") == 0, health(&h)->good_at_ms >= 0);
        house_close(&h);
    }
}

static void options_are_checked(void **state)
{
    (void)state;
    struct event_base *loop = event_base_new();
    ns_snapshot *snapshot = ns_snapshot_new();
    ns_clock clock = ns_clock_real();
    ns_source source = {0};
    ns_error err;
    const ns_prometheus_source_options bad[] = {
        {.server = {.url = "http://x"}, .name_space = "a\"}"},
        {.server = {.url = "http://x"}, .name_space = ""},
        {.server = {.url = "http://x"}, .window = "m"},
        {.server = {.url = "http://x"}, .window = "2m]"},
        {.server = {.url = "ftp://x"}},
        {.server = {.url = "http://x", .username = "a", .bearer_token = "b"}},
    };
    for (size_t i = 0; i < NS_COUNT_OF(bad); i++) {
        ns_status status = ns_prometheus_source_new(loop, snapshot, &clock, &bad[i], &source, &err);
        CHECK(status == NS_BAD_USAGE || status == NS_BAD_INPUT);
        CHECK(source.self == NULL);
    }
    for (long n = 0; n < 40; n++) {
        ns_mem_fail_after(n);
        ns_status status = ns_prometheus_source_new(
            loop, snapshot, &clock, &(ns_prometheus_source_options){.server = {.url = "http://127.0.0.1:1"}}, &source,
            &err);
        if (status == NS_OK) {
            source.poll(source.self, 1000);
            source.free(source.self);
        }
        ns_mem_fail_after(-1);
        CHECK(status == NS_OK || status == NS_NO_MEMORY);
    }
    /* Freed while its queries are under way. */
    CHECK_OK(ns_prometheus_source_new(loop, snapshot, &clock,
                                      &(ns_prometheus_source_options){.server = {.url = "http://127.0.0.1:1"}}, &source,
                                      &err));
    source.poll(source.self, 1000);
    CHECK(!source.settled(source.self));
    source.free(source.self);
    ns_snapshot_free(snapshot);
    event_base_free(loop);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_answers_fill_the_snapshot),
        cmocka_unit_test(many_pipelines_are_joined),
        cmocka_unit_test(one_bad_query_is_told_once_and_the_others_go_on),
        cmocka_unit_test(odd_series_are_told),
        cmocka_unit_test(a_dead_prometheus_empties_its_values_and_recovers),
        cmocka_unit_test(the_state_says_why_there_is_no_answer),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
