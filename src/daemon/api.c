#include "daemon/api.h"

#include "base/mem.h"
#include "daemon/build_story.h"
#include "daemon/metrics.h"
#include "daemon/page.h"
#include "daemon/show.h"
#include "wire/http_server.h"
#include "wire/json.h"
#include "wire/url.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_CEILING = 32 * 1024 * 1024, PAGE_DEFAULT = 100, PAGE_MAX = 1000 };
enum { LOG_PIECE = 1024 * 1024 };

struct ns_api {
    ns_house *house;
    ns_http_server *server;
};

/* One request on its way to its answer. */
typedef struct asked {
    ns_house *house;
    ns_exchange *exchange;
    const char *id;   /* decoded part of the path behind the collection; "" none */
    const char *verb; /* part behind the id; "" none */
} asked;

static void answer_json(const asked *a, int code, ns_buf *json)
{
    if (json->failed)
        ns_exchange_answer(a->exchange, 503, "text/plain", NS_TEXT("the answer is too large\n"));
    else
        ns_exchange_answer(a->exchange, code, "application/json", ns_buf_view(json));
    ns_buf_clear(json);
}

static void answer_error(const asked *a, int http, const char *code, const char *message)
{
    ns_buf json;
    ns_buf_init(&json, 16 * 1024);
    ns_json_writer w;
    ns_json_begin(&w, &json);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_key(&w, "error");
    ns_json_object(&w);
    ns_json_field_string(&w, "code", code);
    ns_json_field_string(&w, "message", message);
    ns_json_end_object(&w);
    ns_json_end_object(&w);
    answer_json(a, http, &json);
}

/* The query's number of this name; false (already answered) when it is none or outside. */
static bool query_number(const asked *a, const char *name, int64_t low, int64_t high, int64_t otherwise, int64_t *out)
{
    ns_buf value;
    ns_buf_init(&value, 64);
    bool given = ns_query_value(ns_exchange_query(a->exchange), name, &value);
    bool good = !given || (ns_text_int64(ns_buf_view(&value), out) && *out >= low && *out <= high);
    ns_buf_clear(&value);
    if (!given)
        *out = otherwise;
    if (!good) {
        char message[128];
        (void)snprintf(message, sizeof message, "%s must be a number from %lld to %lld", name, (long long)low,
                       (long long)high);
        answer_error(a, 400, "bad_request", message);
    }
    return good;
}

/* ---- lists out of the store ---- */

typedef void show_row(ns_buf *out, const ns_row *row);

static void show_record_row(ns_buf *out, const ns_row *row)
{
    ns_show_record(out, row->of.record);
}

static void show_build_row(ns_buf *out, const ns_row *row)
{
    ns_show_build(out, row->of.build->jenkins_job, &row->of.build->build, NULL);
}

static void show_decision_row(ns_buf *out, const ns_row *row)
{
    ns_show_decision(out, row->of.decision);
}

static void show_case_row(ns_buf *out, const ns_row *row)
{
    ns_show_case(out, row->of.a_case);
}

static void show_effect_row(ns_buf *out, const ns_row *row)
{
    ns_show_effect(out, row->of.effect);
}

static void show_audit_row(ns_buf *out, const ns_row *row)
{
    ns_show_audit(out, row->of.audit);
}

typedef struct listing {
    ns_buf json;
    show_row *show;
    int64_t count;
    int64_t last;
} listing;

static bool add_to_list(void *owner, const ns_row *row, int64_t cursor)
{
    listing *l = owner;
    (void)ns_buf_string(&l->json, l->count > 0 ? "," : "");
    l->show(&l->json, row);
    l->count++;
    l->last = cursor;
    return !l->json.failed;
}

static void answer_list(const asked *a, ns_row_query *query, show_row *show)
{
    ns_error err;
    if (!query_number(a, "limit", 1, PAGE_MAX, PAGE_DEFAULT, &query->limit) ||
        !query_number(a, "after", 0, INT64_MAX, 0, &query->after))
        return;
    listing l = {.show = show};
    ns_buf_init(&l.json, ANSWER_CEILING);
    (void)ns_buf_string(&l.json, "{\"schema\":1,\"items\":[");
    ns_status status = a->house->store.list(a->house->store.self, query, add_to_list, &l, &err);
    if (status != NS_OK) {
        ns_buf_clear(&l.json);
        answer_error(a, 500, "store", err.text);
        return;
    }
    if (l.count == query->limit)
        (void)ns_buf_printf(&l.json, "],\"next\":%lld}\n", (long long)l.last);
    else
        (void)ns_buf_string(&l.json, "],\"next\":null}\n");
    answer_json(a, 200, &l.json);
}

/* One row by id, as the object itself. */
static void answer_one(const asked *a, ns_row_query *query, show_row *show, const char *what)
{
    ns_error err;
    listing l = {.show = show};
    ns_buf_init(&l.json, ANSWER_CEILING);
    if (!ns_text_int64(ns_text_of(a->id), &query->id) || query->id < 1) {
        answer_error(a, 404, "not_found", what);
        return;
    }
    query->limit = 1;
    ns_status status = a->house->store.list(a->house->store.self, query, add_to_list, &l, &err);
    if (status == NS_OK && l.count == 1) {
        (void)ns_buf_char(&l.json, '\n');
        answer_json(a, 200, &l.json);
        return;
    }
    ns_buf_clear(&l.json);
    if (status != NS_OK)
        answer_error(a, 500, "store", err.text);
    else
        answer_error(a, 404, "not_found", what);
}

/* ---- routes ---- */

static void get_status(const asked *a)
{
    ns_buf json;
    ns_buf_init(&json, ANSWER_CEILING);
    ns_api_status(a->house, &json);
    answer_json(a, 200, &json);
}

static void put_pipeline(ns_buf *json, const ns_house *house, const ns_pipeline_view *view)
{
    const ns_track *track = ns_house_track(house, view);
    ns_json_writer w;
    ns_json_begin(&w, json);
    ns_json_object(&w);
    ns_json_field_string(&w, "name", view->name);
    ns_json_field_string(&w, "jenkins_job", view->jenkins_job);
    ns_json_field_string_or_null(&w, "deployment", view->deployment);
    ns_json_field_bool(&w, "buildable", view->buildable);
    ns_json_field_bool(&w, "gone", view->gone);
    ns_json_field_bool(&w, "in_queue", view->in_queue);
    ns_json_field_time(&w, "jenkins_at", view->jenkins_at_ms);
    ns_json_field_int_or_null(&w, "last_build", view->completed.number > 0 ? view->completed.number : -1);
    ns_json_field_string(&w, "last_result",
                         view->completed.number > 0 ? ns_build_result_name(view->completed.result) : NULL);
    ns_json_field_int_or_null(&w, "running_build",
                              view->build_count > 0 && view->builds[0].running ? view->builds[0].number : -1);
    ns_json_field_int_or_null(&w, "failure_streak", track == NULL ? -1 : track->failure_streak);
    ns_json_field_int_or_null(&w, "case", track == NULL || track->open_case == NULL ? -1 : track->open_case->id);
    ns_json_end_object(&w);
}

static void get_pipelines(const asked *a)
{
    int64_t limit, after;
    if (!query_number(a, "limit", 1, PAGE_MAX, PAGE_DEFAULT, &limit) ||
        !query_number(a, "after", 0, INT64_MAX, 0, &after))
        return;
    ns_buf json;
    ns_buf_init(&json, ANSWER_CEILING);
    (void)ns_buf_string(&json, "{\"schema\":1,\"items\":[");
    size_t count = a->house->snapshot->pipeline_count, i = (size_t)after;
    for (; i < count && i < (size_t)after + (size_t)limit; i++) {
        (void)ns_buf_string(&json, i > (size_t)after ? "," : "");
        put_pipeline(&json, a->house, a->house->snapshot->pipelines[i]);
    }
    if (i < count)
        (void)ns_buf_printf(&json, "],\"next\":%zu}\n", i);
    else
        (void)ns_buf_string(&json, "],\"next\":null}\n");
    answer_json(a, 200, &json);
}

/* "sock-shop/carts#12" */
static bool parse_build_id(const char *id, char job[NS_JOB_MAX], int64_t *number)
{
    const char *hash = strrchr(id, '#');
    if (hash == NULL || hash == id || !ns_text_copy(job, NS_JOB_MAX, (ns_text){id, (size_t)(hash - id)}))
        return false;
    return ns_text_int64(ns_text_of(hash + 1), number) && *number > 0;
}

static void get_build_log(const asked *a, const char *job, int64_t number)
{
    int64_t from, total = 0;
    ns_error err;
    if (!query_number(a, "from", 0, INT64_MAX, 0, &from))
        return;
    ns_buf text;
    ns_buf_init(&text, LOG_PIECE + 4096);
    ns_status status =
        a->house->store.log_text(a->house->store.self, job, number, from, LOG_PIECE, &text, &total, &err);
    if (status == NS_OK) {
        char length[32], next[32];
        (void)snprintf(length, sizeof length, "%lld", (long long)total);
        (void)snprintf(next, sizeof next, "%lld", (long long)from + (long long)text.len);
        ns_exchange_set_header(a->exchange, "X-Text-Size", length);
        ns_exchange_set_header(a->exchange, "X-Text-Next", next);
        ns_exchange_answer(a->exchange, 200, "text/plain; charset=utf-8", ns_buf_view(&text));
    } else if (status == NS_NOT_FOUND) {
        answer_error(a, 404, "not_found", "no log of this build is stored");
    } else {
        answer_error(a, 500, "store", err.text);
    }
    ns_buf_clear(&text);
}

static void answer_failure(const asked *a, ns_status status, const ns_error *err)
{
    if (status == NS_NOT_FOUND)
        answer_error(a, 404, "not_found", err->text);
    else if (status == NS_BAD_INPUT)
        answer_error(a, 400, "bad_request", err->text);
    else
        answer_error(a, status == NS_IO ? 503 : 500, "store", err->text);
}

static void get_build(const asked *a, const char *job, int64_t number)
{
    ns_error err;
    ns_buf json;
    ns_buf_init(&json, ANSWER_CEILING);
    ns_status status = ns_build_story(a->house, job, number, &json, &err);
    if (status == NS_OK) {
        answer_json(a, 200, &json);
        return;
    }
    ns_buf_clear(&json);
    answer_failure(a, status, &err);
}

static void get_builds(const asked *a)
{
    char job[NS_JOB_MAX];
    int64_t number;
    if (a->id[0] == '\0') {
        answer_list(a, &(ns_row_query){.kind = NS_ROW_build}, show_build_row);
    } else if (!parse_build_id(a->id, job, &number)) {
        answer_error(a, 404, "not_found", "a build's id is JOB#NUMBER, percent-encoded");
    } else if (strcmp(a->verb, "log") == 0) {
        get_build_log(a, job, number);
    } else if (a->verb[0] == '\0') {
        get_build(a, job, number);
    } else {
        answer_error(a, 404, "not_found", "no such route");
    }
}

static void get_records(const asked *a)
{
    answer_list(a, &(ns_row_query){.kind = NS_ROW_record}, show_record_row);
}

static void get_cases(const asked *a)
{
    if (a->id[0] == '\0')
        answer_list(a, &(ns_row_query){.kind = NS_ROW_case}, show_case_row);
    else
        answer_one(a, &(ns_row_query){.kind = NS_ROW_case}, show_case_row, "no such case");
}

static void get_decisions(const asked *a)
{
    if (a->id[0] == '\0')
        answer_list(a, &(ns_row_query){.kind = NS_ROW_decision}, show_decision_row);
    else
        answer_one(a, &(ns_row_query){.kind = NS_ROW_decision}, show_decision_row, "no such decision");
}

static void get_actions(const asked *a)
{
    answer_list(a, &(ns_row_query){.kind = NS_ROW_effect}, show_effect_row);
}

static void get_audit(const asked *a)
{
    answer_list(a, &(ns_row_query){.kind = NS_ROW_audit}, show_audit_row);
}

static void get_config(const asked *a)
{
    const ns_settings *settings = a->house->settings;
    ns_buf json;
    ns_buf_init(&json, ANSWER_CEILING);
    ns_json_writer w;
    ns_json_begin(&w, &json);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_key(&w, "items");
    ns_json_array(&w);
    for (size_t i = 0; i < ns_setting_count(); i++) {
        const ns_key *key = ns_setting_key(i);
        const char *value = ns_config_text(settings->config, i);
        ns_json_object(&w);
        ns_json_field_string(&w, "key", key->name);
        ns_json_field_string(&w, "value", value != NULL && key->secret ? "[set]" : value);
        ns_json_field_string(&w, "origin", ns_config_origin(settings->config, i));
        ns_json_end_object(&w);
    }
    ns_json_end_array(&w);
    ns_json_field_null(&w, "next");
    ns_json_end_object(&w);
    answer_json(a, 200, &json);
}

static void get_events(const asked *a)
{
    ns_text header;
    int64_t last_id = -1;
    if (ns_exchange_header(a->exchange, "Last-Event-ID", &header) && !ns_text_int64(header, &last_id))
        last_id = -1;
    ns_feed_subscribe(a->house->feed, a->exchange, last_id);
}

static void get_metrics(const asked *a)
{
    ns_text accept;
    bool openmetrics =
        ns_exchange_header(a->exchange, "Accept", &accept) && ns_text_find(accept, "application/openmetrics-text") >= 0;
    ns_buf text;
    ns_buf_init(&text, ANSWER_CEILING);
    ns_metrics_print(a->house, openmetrics, &text);
    ns_exchange_answer(a->exchange, text.failed ? 503 : 200, ns_metrics_content_type(openmetrics), ns_buf_view(&text));
    ns_buf_clear(&text);
}

static void get_health(const asked *a)
{
    ns_exchange_answer(a->exchange, 200, "text/plain; charset=utf-8", NS_TEXT("ok\n"));
}

/* Ready: the first tick is over and the store can be written. */
static void get_ready(const asked *a)
{
    ns_store_status store;
    a->house->store.status(a->house->store.self, &store);
    if (a->house->counts.ticks > 0 && store.state == NS_STORE_ok)
        ns_exchange_answer(a->exchange, 200, "text/plain; charset=utf-8", NS_TEXT("ready\n"));
    else
        ns_exchange_answer(a->exchange, 503, "text/plain; charset=utf-8",
                           a->house->counts.ticks > 0 ? NS_TEXT("the store cannot be written\n")
                                                      : NS_TEXT("the first tick is not over\n"));
}

typedef void route_get(const asked *a);

static const struct {
    const char *path; /* up to an id */
    route_get *get;
    bool takes_id;
} routes[] = {
    {"/healthz", get_health, false},
    {"/readyz", get_ready, false},
    {"/metrics", get_metrics, false},
    {"/api/v1/status", get_status, false},
    {"/api/v1/pipelines", get_pipelines, false},
    {"/api/v1/builds", get_builds, true},
    {"/api/v1/records", get_records, false},
    {"/api/v1/cases", get_cases, true},
    {"/api/v1/decisions", get_decisions, true},
    {"/api/v1/actions", get_actions, false},
    {"/api/v1/audit", get_audit, false},
    {"/api/v1/config", get_config, false},
    {"/api/v1/events", get_events, false},
};

/* ---- writing: nothing without the operator's right ---- */

static bool is_operator(const asked *a)
{
    if (strcmp(ns_exchange_peer(a->exchange), "unix") == 0)
        return true; /* mode 0600 */
    const char *token = a->house->settings->api_token;
    ns_text given;
    if (token == NULL || token[0] == '\0' || !ns_exchange_header(a->exchange, "Authorization", &given) ||
        !ns_text_starts(given, "Bearer "))
        return false;
    given = (ns_text){given.at + 7, given.len - 7};
    return given.len == strlen(token) && sodium_memcmp(given.at, token, given.len) == 0;
}

/* builds/ID/verdict: a person's word about a build. */
static void post_verdict(const asked *a)
{
    char job[NS_JOB_MAX];
    int64_t number;
    ns_error err;
    if (!parse_build_id(a->id, job, &number)) {
        answer_error(a, 404, "not_found", "a build's id is JOB#NUMBER, percent-encoded");
        return;
    }
    ns_buf json;
    ns_buf_init(&json, ANSWER_CEILING);
    ns_status status = ns_build_judged(a->house, job, number, "operator", ns_exchange_body(a->exchange), &json, &err);
    if (status == NS_OK) {
        (void)ns_buf_char(&json, '\n');
        answer_json(a, 200, &json);
        return;
    }
    ns_buf_clear(&json);
    answer_failure(a, status, &err);
}

static void post(const asked *a, const char *route)
{
    if (!is_operator(a)) {
        ns_exchange_set_header(a->exchange, "WWW-Authenticate", "Bearer");
        answer_error(a, 401, "unauthorized", "changing anything needs the operator's token");
        return;
    }
    if (strcmp(route, "/api/v1/builds") == 0 && strcmp(a->verb, "verdict") == 0) {
        post_verdict(a);
        return;
    }
    answer_error(a, 501, "not_available", "overriding by hand comes with a later part of NeuroShield");
}

/* Takes "/ID" or "/ID/VERB" apart; id and verb point into scratch. False: badly encoded. */
static bool split_rest(ns_text rest, ns_buf *scratch, asked *a)
{
    if (rest.len > 0 && rest.at[0] == '/')
        rest = (ns_text){rest.at + 1, rest.len - 1};
    const char *slash = rest.len == 0 ? NULL : memchr(rest.at, '/', rest.len);
    size_t id_len = slash == NULL ? rest.len : (size_t)(slash - rest.at);
    if (ns_url_decode(scratch, (ns_text){rest.at, id_len}, false) != NS_OK)
        return false;
    (void)ns_buf_char(scratch, '\0');
    size_t verb_at = scratch->len;
    if (slash != NULL && ns_url_decode(scratch, (ns_text){slash + 1, rest.len - id_len - 1}, false) != NS_OK)
        return false;
    (void)ns_buf_char(scratch, '\0');
    if (scratch->failed)
        return false;
    a->id = scratch->at;
    a->verb = scratch->at + verb_at;
    return true;
}

static void route(asked *a)
{
    ns_text path = ns_exchange_path(a->exchange);
    ns_http_method method = ns_exchange_method(a->exchange);
    for (size_t i = 0; i < NS_COUNT_OF(routes); i++) {
        size_t n = strlen(routes[i].path);
        if (!ns_text_starts(path, routes[i].path))
            continue;
        ns_text rest = {path.at + n, path.len - n};
        if (rest.len > 0 && (!routes[i].takes_id || rest.at[0] != '/'))
            continue;
        if (method != NS_HTTP_GET && method != NS_HTTP_HEAD && method != NS_HTTP_POST) {
            ns_exchange_set_header(a->exchange, "Allow", "GET, HEAD");
            answer_error(a, 405, "method_not_allowed", "this route is only read");
            return;
        }
        ns_buf scratch;
        ns_buf_init(&scratch, 4096);
        if (!split_rest(rest, &scratch, a))
            answer_error(a, 400, "bad_request", "the path is badly encoded");
        else if (method == NS_HTTP_POST)
            post(a, routes[i].path);
        else
            routes[i].get(a);
        ns_buf_clear(&scratch);
        return;
    }
    if (method == NS_HTTP_POST)
        post(a, "");
    else if (!ns_page_answer(a->exchange, path))
        answer_error(a, 404, "not_found", "no such route; the API begins at /api/v1/status");
}

static void handle(void *owner, ns_exchange *exchange)
{
    ns_api *api = owner;
    ns_exchange_set_header(exchange, "X-Content-Type-Options", "nosniff");
    ns_exchange_set_header(exchange, "Referrer-Policy", "no-referrer");
    ns_exchange_set_header(exchange, "Content-Security-Policy",
                           "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                           "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");
    asked a = {.house = api->house, .exchange = exchange, .id = "", .verb = ""};
    route(&a);
}

ns_status ns_api_open(ns_house *house, ns_api **out, char *bound, size_t bound_size, ns_error *err)
{
    ns_api *api = NS_NEW(ns_api);
    if (api == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the API");
    api->house = house;
    char path[4096];
    /* Requests to this API are small: whoever has not sent one whole by then is not asking anything. */
    ns_http_server_options options = {
        .handler = handle, .owner = api, .head_deadline_ms = 5000, .body_deadline_ms = 7000};
    ns_status status = ns_http_server_new(house->loop, &options, &api->server, err);
    if (status == NS_OK)
        status = ns_http_server_listen(api->server, house->settings->listen, bound, bound_size, err);
    if (status == NS_OK)
        status = ns_settings_data_path(house->settings, "neuroshield.sock", path, err);
    if (status == NS_OK)
        status = ns_http_server_listen_unix(api->server, path, 0600, err);
    if (status != NS_OK) {
        ns_api_close(api);
        return status;
    }
    *out = api;
    return NS_OK;
}

void ns_api_close(ns_api *api)
{
    if (api == NULL)
        return;
    char path[4096];
    ns_error ignored;
    ns_http_server_free(api->server);
    if (ns_settings_data_path(api->house->settings, "neuroshield.sock", path, &ignored) == NS_OK)
        (void)remove(path);
    ns_free(api);
}
