/*
 * The world as a Prometheus: raw metrics to scrape, and the named signals' queries answered in world time.
 *
 * No PromQL is evaluated: a query is compared, without white space, with the signals' own default queries. A real
 * Prometheus that scrapes /prometheus/metrics answers everything else.
 */
#include "world/serve_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "wire/url.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_BACK_MS = 300000 };

static void put_value(ns_buf *out, double value)
{
    if (isnan(value)) {
        (void)ns_buf_string(out, "NaN");
    } else if (isinf(value)) {
        (void)ns_buf_string(out, value > 0.0 ? "+Inf" : "-Inf");
    } else {
        char text[40];
        for (int digits = 15; digits <= 17; digits++) {
            (void)snprintf(text, sizeof text, "%.*g", digits, value);
            if (strtod(text, NULL) == value)
                break;
        }
        (void)ns_buf_string(out, text);
    }
}

/* ---- text exposition --------------------------------------------------------------------------------------------- */

static void put_escaped(ns_buf *out, const char *text, bool quotes)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\n')
            (void)ns_buf_string(out, "\\n");
        else if (*c == '\\' || (quotes && *c == '"'))
            (void)ns_buf_printf(out, "\\%c", *c);
        else
            (void)ns_buf_char(out, *c);
    }
}

typedef struct exposition {
    ns_buf *out;
    double scale;
} exposition;

static void put_metric(void *owner, const ns_world_metric *metric)
{
    const exposition *e = (const exposition *)owner;
    if (metric->first) {
        (void)ns_buf_printf(e->out, "# HELP %s ", metric->family);
        put_escaped(e->out, metric->help, false);
        (void)ns_buf_printf(e->out, "\n# TYPE %s %s\n", metric->family, metric->type);
    }
    (void)ns_buf_string(e->out, metric->name);
    for (size_t i = 0; i < metric->label_count; i++) {
        (void)ns_buf_printf(e->out, "%c%s=\"", i == 0 ? '{' : ',', metric->label[i].name);
        put_escaped(e->out, metric->label[i].value, true);
        (void)ns_buf_char(e->out, '"');
    }
    (void)ns_buf_string(e->out, metric->label_count > 0 ? "} " : " ");
    put_value(e->out, metric->per_world_time ? metric->value / e->scale : metric->value);
    (void)ns_buf_char(e->out, '\n');
}

static void answer_metrics(ns_world_server *server, ns_serve_reply *reply)
{
    ns_serve_text(reply, 200, "text/plain; version=0.0.4; charset=utf-8", "");
    exposition e = {&reply->body, server->metric_scale};
    ns_world_metrics(server->world, put_metric, &e);
}

/* ---- queries ----------------------------------------------------------------------------------------------------- */

static void answer_error(ns_serve_reply *reply, int code, const char *type, const char *text)
{
    ns_json_writer w;
    ns_buf_reset(&reply->body);
    ns_json_begin(&w, &reply->body);
    ns_json_object(&w);
    ns_json_field_string(&w, "status", "error");
    ns_json_field_string(&w, "errorType", type);
    ns_json_field_string(&w, "error", text);
    ns_json_end_object(&w);
    reply->code = code;
    reply->type = "application/json";
}

/* Without white space, except inside quotes. */
static void fold(ns_text text, ns_buf *out)
{
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        quoted = c == '"' ? !quoted : quoted;
        if (quoted || strchr(" \t\r\n", c) == NULL || c == '\0')
            (void)ns_buf_char(out, c);
    }
}

static bool find_signal(ns_text query, ns_signal *out)
{
    ns_buf asked, plain, known;
    ns_buf_init(&asked, 64u << 10);
    ns_buf_init(&plain, 64u << 10);
    ns_buf_init(&known, 64u << 10);
    fold(query, &asked);
    bool found = false;
    for (int s = 0; s < (int)NS_SIGNAL_COUNT && !found && !asked.failed; s++) {
        ns_buf_reset(&plain);
        ns_buf_reset(&known);
        if (ns_signal_query(ns_signal_facts_of((ns_signal)s)->promql, NS_SIGNAL_NAMESPACE, NS_SIGNAL_WINDOW, &plain) !=
            NS_OK)
            break;
        fold(ns_buf_view(&plain), &known);
        found = !known.failed && asked.len > 0 && ns_text_same(ns_buf_view(&asked), ns_buf_view(&known));
        if (found)
            *out = (ns_signal)s;
    }
    ns_buf_clear(&asked);
    ns_buf_clear(&plain);
    ns_buf_clear(&known);
    return found;
}

/* Unix seconds with fraction, or RFC 3339; absent: now. */
static bool time_asked(const ns_serve_request *request, int64_t now_ms, int64_t *out)
{
    ns_buf text;
    double seconds;
    ns_buf_init(&text, 4096);
    *out = now_ms;
    bool good = true;
    if (ns_serve_value(request, "time", &text) && text.len > 0) {
        if (ns_text_double(ns_buf_view(&text), &seconds) && isfinite(seconds) && fabs(seconds) < 1e12)
            *out = (int64_t)llround(seconds * 1000.0);
        else
            good = ns_time_parse(ns_buf_view(&text), out);
    }
    ns_buf_clear(&text);
    return good;
}

static void put_sample(ns_json_writer *w, const char *deployment, int64_t at_ms, double value)
{
    ns_json_object(w);
    ns_json_key(w, "metric");
    ns_json_object(w);
    if (deployment != NULL)
        ns_json_field_string(w, "deployment", deployment);
    ns_json_end_object(w);
    ns_json_key(w, "value");
    ns_json_array(w);
    if (at_ms % 1000 == 0)
        ns_json_put_int(w, at_ms / 1000);
    else
        ns_json_put_real(w, (double)at_ms / 1000.0);
    ns_buf text;
    ns_buf_init(&text, 64);
    put_value(&text, value);
    ns_json_put_text(w, ns_buf_view(&text));
    ns_buf_clear(&text);
    ns_json_end_array(w);
    ns_json_end_object(w);
}

static void put_samples(ns_world_server *server, ns_json_writer *w, ns_signal signal, int64_t at_ms)
{
    bool global = ns_signal_facts_of(signal)->scope == NS_SCOPE_global;
    bool nan_now = ns_serve_fault_due(server, NS_SERVE_nan);
    size_t count = global ? 1 : ns_world_deployment_count(server->world);
    for (size_t i = 0; i < count; i++) {
        ns_value value = ns_world_signal(server->world, signal, i);
        ns_world_deployment deployment;
        ns_world_deployment_at(server->world, i, &deployment);
        if (nan_now)
            put_sample(w, global ? NULL : deployment.name, at_ms, NAN);
        else if (ns_value_known(value))
            put_sample(w, global ? NULL : deployment.name, at_ms, value.value);
    }
}

static void answer_signal(ns_world_server *server, ns_signal signal, int64_t at_ms, ns_serve_reply *reply)
{
    int64_t now_ms = ns_world_now_ms(server->world);
    ns_json_writer w;
    ns_buf_reset(&reply->body);
    ns_json_begin(&w, &reply->body);
    ns_json_object(&w);
    ns_json_field_string(&w, "status", "success");
    ns_json_key(&w, "data");
    ns_json_object(&w);
    ns_json_field_string(&w, "resultType", "vector");
    ns_json_key(&w, "result");
    ns_json_array(&w);
    /* What is more than the look-back away has no samples here: the world remembers only now. */
    if (at_ms >= now_ms - LOOK_BACK_MS && at_ms <= now_ms + LOOK_BACK_MS)
        put_samples(server, &w, signal, at_ms);
    ns_json_end_array(&w);
    ns_json_end_object(&w);
    ns_json_end_object(&w);
    reply->code = 200;
    reply->type = "application/json";
}

static void answer_query(ns_world_server *server, const ns_serve_request *request, ns_serve_reply *reply)
{
    ns_buf query;
    ns_signal signal;
    int64_t at_ms = 0;
    ns_buf_init(&query, 64u << 10);
    if (!ns_serve_value(request, "query", &query) || query.len == 0)
        answer_error(reply, 400, "bad_data",
                     "invalid parameter \"query\": 1:1: parse error: no expression found in input");
    else if (!time_asked(request, ns_world_now_ms(server->world), &at_ms))
        answer_error(reply, 400, "bad_data", "invalid parameter \"time\": it is neither a number nor RFC 3339");
    else if (!find_signal(ns_buf_view(&query), &signal))
        answer_error(reply, 400, "bad_data",
                     "invalid parameter \"query\": this world answers the queries of its named signals only");
    else
        answer_signal(server, signal, at_ms, reply);
    ns_buf_clear(&query);
}

static bool allowed(const ns_serve_request *request, bool post, ns_serve_reply *reply)
{
    if (request->method == NS_HTTP_GET || request->method == NS_HTTP_HEAD || (post && request->method == NS_HTTP_POST))
        return true;
    ns_serve_header(reply, "Allow", "%s", post ? "GET, OPTIONS, POST" : "GET, OPTIONS");
    ns_serve_text(reply, 405, "text/plain; charset=utf-8", "Method Not Allowed\n");
    return false;
}

void ns_serve_prometheus(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply)
{
    bool query = NS_SERVE_PATH_IS(request, 0, "api", "v1", "query");
    if (ns_world_faults_of(server->world)->prometheus_down || ns_real_now_ms() < server->prometheus_down_until_ms) {
        reply->dropped = true;
        return;
    }
    if (!allowed(request, query, reply))
        return;
    if (query)
        answer_query(server, request, reply);
    else if (NS_SERVE_PATH_IS(request, 0, "metrics"))
        answer_metrics(server, reply);
    else if (NS_SERVE_PATH_IS(request, 0, "-", "ready"))
        ns_serve_text(reply, 200, "text/plain; charset=utf-8", "Prometheus Server is Ready.\n");
    else if (NS_SERVE_PATH_IS(request, 0, "-", "healthy"))
        ns_serve_text(reply, 200, "text/plain; charset=utf-8", "Prometheus Server is Healthy.\n");
    else
        ns_serve_text(reply, 404, "text/plain; charset=utf-8", "404 page not found\n");
}
