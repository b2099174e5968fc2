/* The served world, asked over real sockets by the real client, in one loop; its time is moved by hand. */
#include "check.h"

#include "wire/http_client.h"
#include "wire/json.h"
#include "wire/url.h"
#include "world/serve.h"

#include <event2/event.h>

#define START  1795473540000
#define MINUTE 60000
#define JOB    "/jenkins/job/sock-shop/job/carts"

typedef struct house {
    struct event_base *loop;
    ns_world_server *server;
    ns_http_client *client;
    ns_scenario scenario;
    /* the last answer */
    bool done;
    ns_status status;
    int code;
    ns_buf body;
    char header[3][512];
    const char *wanted[3];
} house;

static void open_house(house *h, const ns_world_server_options *options, const char *user, const char *secret)
{
    ns_error err;
    char url[160];
    *h = (house){.loop = event_base_new()};
    ns_buf_init(&h->body, 64u << 20);
    CHECK_OK(ns_scenario_builtin("demo", &h->scenario, &err));
    ns_world_server_options all = *options;
    all.scenario = &h->scenario;
    CHECK_OK(ns_world_server_new(h->loop, &all, &h->server, &err));
    CHECK_OK(ns_world_server_listen(h->server, "127.0.0.1:0", &err));
    (void)snprintf(url, sizeof url, "http://%s", ns_world_server_address(h->server));
    ns_http_client_options to = {
        .name = "test", .base_url = url, .username = user, .password = secret, .cookies = true};
    CHECK_OK(ns_http_client_new(h->loop, &to, &h->client, &err));
}

static const ns_world_server_options lockstep = {.seed = 7, .start_ms = START, .speed = 0.0, .truth = true};

static void close_house(house *h)
{
    ns_http_client_free(h->client);
    ns_world_server_free(h->server);
    ns_buf_clear(&h->body);
    event_base_free(h->loop);
    CHECK_INT(0, ns_mem_live());
}

static void answered(void *owner, const ns_http_answer *answer)
{
    house *h = (house *)owner;
    h->done = true;
    h->status = answer->status;
    h->code = answer->code;
    CHECK_OK(ns_buf_text(&h->body, answer->body));
    for (size_t i = 0; i < NS_COUNT_OF(h->wanted); i++) {
        ns_text value = {0};
        h->header[i][0] = '\0';
        if (h->wanted[i] != NULL && ns_http_header_of(answer->call, h->wanted[i], &value))
            (void)ns_text_copy(h->header[i], sizeof h->header[i], value);
    }
    (void)event_base_loopbreak(h->loop);
}

/* The answer's code, 0 for none. */
static int ask(house *h, const char *method, const char *path, const char *body, const ns_http_header *headers,
               size_t count)
{
    ns_error err;
    h->done = false;
    ns_buf_reset(&h->body);
    ns_http_request request = {.method = method,
                               .path = path,
                               .headers = headers,
                               .header_count = count,
                               .body = ns_text_of(body),
                               .content_type = body == NULL   ? NULL
                                               : *body == '{' ? "application/json"
                                                              : "application/x-www-form-urlencoded",
                               .body_ceiling = 40u << 20,
                               .total_timeout_ms = 20000,
                               .done = answered,
                               .owner = h};
    CHECK_OK(ns_http_start(h->client, &request, NULL, &err));
    while (!h->done)
        (void)event_base_dispatch(h->loop);
    return h->code;
}

static int get(house *h, const char *path)
{
    return ask(h, NULL, path, NULL, NULL, 0);
}

static int post(house *h, const char *path, const char *body)
{
    return ask(h, "POST", path, body, NULL, 0);
}

static bool says(const house *h, const char *words)
{
    return ns_text_find(ns_buf_view(&h->body), words) >= 0;
}

static json_t *json_of(house *h, const char *path)
{
    json_t *json = NULL;
    ns_error err;
    if (get(h, path) != 200)
        fail_msg("%s: HTTP %d", path, h->code);
    if (ns_json_read(ns_buf_view(&h->body), &json, &err) != NS_OK)
        fail_msg("%s: %s", path, err.text);
    return json;
}

static void advance(house *h, int64_t by_ms)
{
    char body[64];
    int64_t until = ns_world_now_ms(ns_world_server_world(h->server)) + by_ms;
    (void)snprintf(body, sizeof body, "{\"until\": %lld}", (long long)until);
    CHECK_INT(200, post(h, "/world/v1/advance", body));
    CHECK_INT(until, ns_world_now_ms(ns_world_server_world(h->server)));
}

/* Moves the world until something is so, at most for a day. */
static bool advance_until(house *h, bool (*so)(house *))
{
    for (int i = 0; i < 1440; i++) {
        if (so(h))
            return true;
        ns_world_advance(ns_world_server_world(h->server), ns_world_now_ms(ns_world_server_world(h->server)) + 10000);
    }
    return so(h);
}

static size_t carts(house *h)
{
    ptrdiff_t job = ns_world_find_job(ns_world_server_world(h->server), NS_TEXT("sock-shop/carts"));
    CHECK(job >= 0);
    return (size_t)job;
}

static ns_world_job carts_job(house *h)
{
    ns_world_job job;
    ns_world_job_at(ns_world_server_world(h->server), carts(h), &job);
    return job;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void codes_and_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int code;
        const char *says;
    } cases[] = {
        {"GET", "/jenkins", 302, NULL},
        {"GET", "/jenkins/", 200, "Dashboard"},
        {"GET", "/jenkins/api/json?tree=jobs%5Bname%5D", 200,
         "{\"_class\":\"hudson.model.Hudson\",\"jobs\":[{\"_class\":"},
        {"GET", "/jenkins/api/json?tree=jobs%5Bname", 500, "Malformed tree expression"},
        {"GET", "/jenkins/api/json?tree=", 500, "Malformed tree expression"},
        {"GET", "/jenkins/api/json?depth=x", 400, NULL},
        {"GET", "/jenkins/api/xml", 404, NULL},
        {"GET", "/jenkins/view/all/job/sock-shop/api/json?tree=fullName", 200, "\"fullName\":\"sock-shop\""},
        {"GET", JOB, 302, NULL},
        {"GET", JOB "/api/json", 200, "\"fullName\":\"sock-shop/carts\""},
        {"GET", JOB "/api/json?tree=property%5BparameterDefinitions%5Bname%5D%5D", 200, "NEUROSHIELD_KEY"},
        {"GET", "/jenkins/job/sock-shop/job/nosuch/api/json", 404, NULL},
        {"GET", "/jenkins/job/carts/api/json", 404, NULL},
        {"GET", JOB "/lastBuild/api/json", 200, "\"building\":false"},
        {"GET", JOB "/lastUnstableBuild/api/json", 404, NULL},
        {"GET", JOB "/lastFailedBuild/api/json", 404, NULL},
        {"GET", JOB "/999/api/json", 404, NULL},
        {"GET", JOB "/0/api/json", 404, NULL},
        {"GET", JOB "/1/wfapi/describe", 200, "\"status\":\"SUCCESS\""},
        {"GET", JOB "/wfapi/runs?since=%231", 200, "\"name\":\"#1\""},
        {"GET", JOB "/1/testReport/api/json?tree=failCount,suites%5Bcases%5Bstatus%5D%5D", 200,
         "\"status\":\"PASSED\""},
        {"GET", JOB "/1/consoleText", 200, "Finished: SUCCESS"},
        {"GET", JOB "/build", 405, "POST"},
        {"GET", JOB "/buildWithParameters", 405, "POST"},
        {"GET", JOB "/1/stop", 405, "POST"},
        {"PUT", "/jenkins/api/json", 405, NULL},
        {"GET", "/jenkins/queue/api/json", 200, "\"items\":[]"},
        {"GET", "/jenkins/queue/item/99999/api/json", 404, NULL},
        {"GET", "/jenkins/queue/cancelItem?id=1", 405, NULL},
        {"GET", "/jenkins/computer/api/json", 200, "\"displayName\":\"linux-1\""},
        {"GET", "/jenkins/computer/(built-in)/api/json", 200, "MasterComputer"},
        {"GET", "/jenkins/computer/linux-1/api/json", 200, "SlaveComputer"},
        {"GET", "/jenkins/computer/nosuch/api/json", 404, NULL},
        {"GET", "/jenkins/whoAmI/api/json", 200, "\"anonymous\":true"},
        {"GET", "/jenkins/crumbIssuer/api/json", 200, "Jenkins-Crumb"},
        {"GET", "/prometheus/-/ready", 200, "Ready"},
        {"GET", "/prometheus/nosuch", 404, "404 page not found"},
        {"PUT", "/prometheus/api/v1/query?query=up", 405, NULL},
        {"GET", "/prometheus/api/v1/query?query=up", 400, "\"errorType\":\"bad_data\""},
        {"GET", "/prometheus/api/v1/query", 400, "no expression found"},
        {"GET", "/kubernetes/api/v1/pods", 200, "\"kind\":\"PodList\""},
        {"GET", "/kubernetes/apis/apps/v1/namespaces/sock-shop/deployments/nope", 404, "\"kind\":\"Status\""},
        {"GET", "/kubernetes/apis/nosuch.example/v1/things", 404, "could not find the requested resource"},
        {"GET", "/kubernetes/api/v1/pods?labelSelector=a%3Db%3Dc", 400, "\"reason\":\"BadRequest\""},
        {"POST", "/kubernetes/api/v1/namespaces/sock-shop/pods", 405, "\"reason\":\"MethodNotAllowed\""},
        {"GET", "/world/v1/nosuch", 404, "\"code\":\"not_found\""},
        {"POST", "/world/v1/state", 405, NULL},
        {"GET", "/world/v1/advance", 405, NULL},
        {"GET", "/world/v1/truth", 200, "\"outcome\""},
        {"GET", "/", 404, NULL},
        {"GET", "/worldly", 404, NULL},
    };
    house h;
    open_house(&h, &lockstep, NULL, NULL);
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        int code = ask(&h, cases[i].method, cases[i].path, NULL, NULL, 0);
        if (code != cases[i].code || (cases[i].says != NULL && !says(&h, cases[i].says)))
            fail_msg("%s %s: HTTP %d: %.300s", cases[i].method, cases[i].path, code,
                     h.body.at == NULL ? "" : h.body.at);
    }
    close_house(&h);
}

static void ranges_and_depth(void **state)
{
    (void)state;
    house h;
    open_house(&h, &lockstep, NULL, NULL);
    h.wanted[0] = "X-Jenkins";
    h.wanted[1] = "X-Jenkins-Session";
    json_t *job =
        json_of(&h, JOB "/api/json?tree=builds%5Bnumber,result,actions%5Bparameters%5Bname,value%5D%5D%5D%7B1,3%7D");
    CHECK(h.header[0][0] != '\0' && h.header[1][0] != '\0');
    json_t *builds = ns_json_at(job, "builds");
    CHECK_INT(2, json_array_size(builds));
    int64_t newest = carts_job(&h).newest_number;
    CHECK_INT(newest - 1, ns_json_int(json_array_get(builds, 0), "number", 0));
    CHECK_STRING("SUCCESS", ns_json_string(json_array_get(builds, 0), "result", ""));
    CHECK_INT(0, json_object_size(json_array_get(ns_json_at(json_array_get(builds, 0), "actions"), 1)));
    CHECK(ns_json_at(json_array_get(builds, 0), "timestamp") == NULL);
    json_decref(job);
    /* Without a tree a job's builds show only number and url; with depth=1 all of them. */
    job = json_of(&h, JOB "/api/json");
    CHECK(ns_json_at(json_array_get(ns_json_at(job, "builds"), 0), "result") == NULL);
    CHECK(ns_json_at(job, "allBuilds") == NULL);
    json_decref(job);
    job = json_of(&h, JOB "/api/json?depth=1");
    CHECK(ns_json_at(json_array_get(ns_json_at(job, "builds"), 0), "result") != NULL);
    json_decref(job);
    close_house(&h);
}

/* ---- a build from trigger to end ----------------------------------------------------------------------------------
 */

static bool carts_idle(house *h)
{
    ns_world_job job = carts_job(h);
    return job.running == 0 && !job.in_queue;
}

static void a_build_lives_as_in_jenkins(void **state)
{
    (void)state;
    house h;
    char path[256];
    open_house(&h, &lockstep, "neuroshield", "a-token");
    CHECK(advance_until(&h, carts_idle));
    h.wanted[0] = "Location";
    CHECK_INT(201, post(&h, JOB "/buildWithParameters?delay=5sec", "NEUROSHIELD_KEY=key-1&NOSUCH=x"));
    char base[200];
    (void)snprintf(base, sizeof base, "http://%s/jenkins/queue/item/", ns_world_server_address(h.server));
    CHECK(ns_text_starts(ns_text_of(h.header[0]), base));
    char item[600];
    (void)snprintf(item, sizeof item, "/jenkins/queue/item/%sapi/json", h.header[0] + strlen(base));

    /* The same request again while it waits is merged: 303 with the same item. */
    char first[512];
    memcpy(first, h.header[0], sizeof first);
    CHECK_INT(303, post(&h, JOB "/buildWithParameters", "NEUROSHIELD_KEY=key-1"));
    CHECK_STRING(first, h.header[0]);

    json_t *json = json_of(&h, item);
    CHECK_STRING("hudson.model.Queue$WaitingItem", ns_json_string(json, "_class", ""));
    CHECK(ns_text_starts(ns_text_of(ns_json_string(json, "why", "")), "In the quiet period"));
    CHECK(ns_text_find(ns_text_of(ns_json_string(json, "params", "")), "NEUROSHIELD_KEY=key-1") >= 0);
    CHECK(ns_text_find(ns_text_of(ns_json_string(json, "params", "")), "NOSUCH") < 0);
    json_decref(json);

    int64_t number = 0;
    for (int i = 0; i < 600 && number == 0; i++) {
        advance(&h, 1000);
        json = json_of(&h, item);
        number = ns_json_int(ns_json_at(json, "executable"), "number", 0);
        json_decref(json);
    }
    CHECK(number > 0);
    (void)snprintf(path, sizeof path, JOB "/%lld/api/json", (long long)number);
    json = json_of(&h, path);
    CHECK(ns_json_bool(json, "building", false) && ns_json_bool(json, "inProgress", false));
    CHECK(json_is_null(ns_json_at(json, "result")));
    CHECK_INT(0, ns_json_int(json, "duration", -1));
    json_decref(json);

    CHECK(advance_until(&h, carts_idle));
    advance(&h, MINUTE);
    json = json_of(&h, path);
    CHECK(!ns_json_bool(json, "building", true) && !ns_json_bool(json, "inProgress", true));
    CHECK(ns_json_string(json, "result", NULL) != NULL && ns_json_int(json, "duration", 0) > 0);
    json_decref(json);
    advance(&h, 6 * MINUTE); /* left items are remembered for 5 minutes */
    CHECK_INT(404, get(&h, item));

    json = json_of(&h, "/world/v1/effects");
    CHECK_INT(2, ns_json_int(json, "total", 0));
    json_t *effect = json_array_get(ns_json_at(json, "items"), 0);
    CHECK_INT(1, ns_json_int(effect, "seq", 0));
    CHECK_STRING("build", ns_json_string(effect, "kind", ""));
    CHECK_STRING("sock-shop/carts", ns_json_string(effect, "target", ""));
    CHECK_STRING("key-1", ns_json_string(effect, "key", ""));
    CHECK_STRING("127.0.0.1", ns_json_string(effect, "from", ""));
    CHECK_STRING("neuroshield", ns_json_string(effect, "user", ""));
    json_decref(json);
    close_house(&h);
}

static void refusals_of_triggers(void **state)
{
    (void)state;
    house h;
    static char long_value[400];
    open_house(&h, &lockstep, "neuroshield", "a-token");
    CHECK(advance_until(&h, carts_idle));
    CHECK_INT(400, post(&h, JOB "/build", NULL)); /* parameterized: a form is wanted */
    CHECK_INT(400, post(&h, JOB "/build", "json=%7B"));
    CHECK_INT(400, post(&h, JOB "/buildWithParameters?delay=soon", NULL));
    (void)snprintf(long_value, sizeof long_value, "NEUROSHIELD_KEY=%0300d", 1);
    CHECK_INT(400, post(&h, JOB "/buildWithParameters", long_value));
    CHECK_INT(302, post(&h, JOB "/disable", NULL));
    CHECK_INT(409, post(&h, JOB "/buildWithParameters", NULL));
    CHECK_INT(302, post(&h, JOB "/enable", NULL));
    CHECK_INT(404, post(&h, "/jenkins/job/sock-shop/job/nosuch/build", NULL));
    CHECK_INT(0, ns_world_effect_total(ns_world_server_world(h.server)));
    /* With the form that python and browsers send it works. */
    CHECK_INT(
        201,
        post(&h, JOB "/build?delay=20",
             "json=%7B%22parameter%22%3A%5B%7B%22name%22%3A%22NEUROSHIELD_KEY%22%2C%22value%22%3A%22k%22%7D%5D%7D"));
    ns_world_effect effect;
    CHECK(ns_world_effect_by_key(ns_world_server_world(h.server), "k", &effect));
    /* cancel: 204, then 404, 400 without a number */
    char path[64];
    (void)snprintf(path, sizeof path, "/jenkins/queue/cancelItem?id=%lld", (long long)effect.queue_id);
    CHECK_INT(204, post(&h, path, NULL));
    CHECK_INT(404, post(&h, path, NULL));
    CHECK_INT(400, post(&h, "/jenkins/queue/cancelItem?id=x", NULL));
    close_house(&h);
}

static bool carts_running(house *h)
{
    return carts_job(h).running != 0;
}

static void stopping_a_build(void **state)
{
    (void)state;
    house h;
    char path[128];
    open_house(&h, &lockstep, "maria", "a-token");
    CHECK(advance_until(&h, carts_running));
    int64_t number = carts_job(&h).running;
    (void)snprintf(path, sizeof path, JOB "/%lld/stop", (long long)number);
    CHECK_INT(302, post(&h, path, NULL));
    advance(&h, MINUTE);
    (void)snprintf(path, sizeof path, JOB "/%lld/api/json", (long long)number);
    json_t *json = json_of(&h, path);
    CHECK_STRING("ABORTED", ns_json_string(json, "result", ""));
    json_decref(json);
    CHECK(says(&h, "jenkins.model.InterruptedBuildAction"));
    (void)snprintf(path, sizeof path, JOB "/%lld/consoleText", (long long)number);
    CHECK_INT(200, get(&h, path));
    CHECK(says(&h, "Aborted by maria") && ns_text_ends(ns_buf_view(&h.body), "Finished: ABORTED\n"));
    (void)snprintf(path, sizeof path, JOB "/%lld/term", (long long)number);
    CHECK_INT(200, post(&h, path, NULL));
    CHECK_INT(404, post(&h, JOB "/99999/stop", NULL));
    close_house(&h);
}

/* ---- logs -------------------------------------------------------------------------------------------------------- */

static void a_growing_log_is_read_in_pieces(void **state)
{
    (void)state;
    house h;
    char path[256];
    ns_buf read;
    ns_buf_init(&read, 32u << 20);
    open_house(&h, &lockstep, NULL, NULL);
    CHECK(advance_until(&h, carts_running));
    int64_t number = carts_job(&h).running, start = 0, growths = 0;
    h.wanted[0] = "X-Text-Size";
    h.wanted[1] = "X-More-Data";
    for (int i = 0; i < 400; i++) {
        (void)snprintf(path, sizeof path, JOB "/%lld/logText/progressiveText?start=%lld", (long long)number,
                       (long long)start);
        CHECK_INT(200, get(&h, path));
        int64_t next = -1;
        CHECK(ns_text_int64(ns_text_of(h.header[0]), &next) && next >= start);
        /* X-Text-Size counts the raw log with its hidden notes: never computed from the body. */
        CHECK(start > 0 || h.body.len == 0 || next > (int64_t)h.body.len);
        growths += h.body.len > 0;
        CHECK_OK(ns_buf_text(&read, ns_buf_view(&h.body)));
        start = next;
        if (h.header[1][0] == '\0')
            break;
        CHECK_STRING("true", h.header[1]);
        ns_world_advance(ns_world_server_world(h.server), ns_world_now_ms(ns_world_server_world(h.server)) + 5000);
    }
    CHECK_STRING("", h.header[1]);
    CHECK(growths > 10);
    (void)snprintf(path, sizeof path, JOB "/%lld/consoleText", (long long)number);
    CHECK_INT(200, get(&h, path));
    CHECK(ns_text_same(ns_buf_view(&read), ns_buf_view(&h.body)));
    CHECK(ns_text_find(ns_buf_view(&read), "\nFinished: ") >= 0);

    /* A start behind the end begins anew: X-Text-Size below start tells. */
    (void)snprintf(path, sizeof path, JOB "/%lld/logText/progressiveText?start=%lld", (long long)number,
                   (long long)start + 999);
    CHECK_INT(200, get(&h, path));
    CHECK_INT(read.len, h.body.len);
    (void)snprintf(path, sizeof path, JOB "/%lld/logText/progressiveHtml", (long long)number);
    CHECK_INT(200, get(&h, path));
    CHECK(h.body.len > read.len && says(&h, " &gt; git "));
    CHECK_INT(404, get(&h, JOB "/99999/logText/progressiveText"));
    ns_buf_clear(&read);
    close_house(&h);
}

/* ---- who may ------------------------------------------------------------------------------------------------------
 */

static void closed_jenkins_lets_one_user_in(void **state)
{
    (void)state;
    ns_world_server_options closed = lockstep;
    closed.jenkins_user = "ops";
    closed.jenkins_token = "right-token";
    closed.jenkins_password = "word";
    static const struct {
        const char *user, *secret;
        int get, post;
    } cases[] = {
        {NULL, NULL, 403, 403},     {"ops", "right-token", 200, 201},
        {"ops", "wrong", 401, 401}, {"other", "right-token", 401, 401},
        {"ops", "word", 200, 403}, /* a password needs a crumb */
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        house h;
        open_house(&h, &closed, cases[i].user, cases[i].secret);
        h.wanted[0] = "Content-Type";
        h.wanted[1] = "X-You-Are-Authenticated-As";
        CHECK_INT(cases[i].get, get(&h, "/jenkins/api/json"));
        if (cases[i].get == 403) {
            CHECK(ns_text_starts(ns_text_of(h.header[0]), "text/html") && says(&h, "Authentication required"));
            CHECK_STRING("anonymous", h.header[1]);
        }
        CHECK_INT(cases[i].post, post(&h, JOB "/buildWithParameters", "TARGET=x"));
        close_house(&h);
    }
}

static void crumbs_are_bound_to_user_and_session(void **state)
{
    (void)state;
    house h, other;
    char crumb[128];
    open_house(&h, &lockstep, NULL, NULL); /* open to anonymous, who needs a crumb to change something */
    CHECK_INT(403, post(&h, JOB "/buildWithParameters", "TARGET=x"));
    CHECK(says(&h, "No valid crumb was included in the request"));
    json_t *json = json_of(&h, "/jenkins/crumbIssuer/api/json");
    CHECK_STRING("Jenkins-Crumb", ns_json_string(json, "crumbRequestField", ""));
    (void)snprintf(crumb, sizeof crumb, "%s", ns_json_string(json, "crumb", ""));
    json_decref(json);
    const ns_http_header with = {"Jenkins-Crumb", crumb}, bad = {"Jenkins-Crumb", "00"};
    CHECK_INT(403, ask(&h, "POST", JOB "/buildWithParameters", "TARGET=x", &bad, 1));
    CHECK_INT(201, ask(&h, "POST", JOB "/buildWithParameters", "TARGET=x", &with, 1));
    /* The same crumb without its session's cookie is nothing. */
    char url[160];
    ns_error err;
    ns_http_client *kept = h.client;
    (void)snprintf(url, sizeof url, "http://%s", ns_world_server_address(h.server));
    ns_http_client_options bare = {.name = "bare", .base_url = url};
    CHECK_OK(ns_http_client_new(h.loop, &bare, &h.client, &err));
    CHECK_INT(403, ask(&h, "POST", JOB "/buildWithParameters", "TARGET=y", &with, 1));
    ns_http_client_free(h.client);
    h.client = kept;
    close_house(&h);
    (void)other;
}

/* ---- Prometheus ---------------------------------------------------------------------------------------------------
 */

static void query_path(ns_signal signal, const char *more, ns_buf *out)
{
    ns_buf query;
    ns_buf_init(&query, 64u << 10);
    CHECK_OK(ns_signal_query(ns_signal_facts_of(signal)->promql, "sock-shop", "2m", &query));
    ns_buf_reset(out);
    CHECK_OK(ns_buf_string(out, "/prometheus/api/v1/query?query="));
    CHECK_OK(ns_url_encode(out, ns_buf_view(&query)));
    CHECK_OK(ns_buf_string(out, more));
    ns_buf_clear(&query);
}

static void every_signal_is_answered(void **state)
{
    (void)state;
    house h;
    ns_buf path;
    ns_buf_init(&path, 64u << 10);
    open_house(&h, &lockstep, NULL, NULL);
    advance(&h, 20 * MINUTE);
    const ns_world *world = ns_world_server_world(h.server);
    for (int s = 0; s < (int)NS_SIGNAL_COUNT; s++) {
        bool global = ns_signal_facts_of((ns_signal)s)->scope == NS_SCOPE_global;
        query_path((ns_signal)s, "", &path);
        json_t *json = json_of(&h, path.at);
        CHECK_STRING("success", ns_json_string(json, "status", ""));
        json_t *result = ns_json_at(ns_json_at(json, "data"), "result");
        CHECK(global ? json_array_size(result) <= 1 : json_array_size(result) > 1);
        for (size_t i = 0; i < json_array_size(result); i++) {
            json_t *series = json_array_get(result, i);
            json_t *pair = ns_json_at(series, "value");
            double value = NAN;
            CHECK(ns_text_double(ns_text_of(json_string_value(json_array_get(pair, 1))), &value));
            const char *deployment = ns_json_string(ns_json_at(series, "metric"), "deployment", "");
            CHECK(global == (deployment[0] == '\0'));
            ptrdiff_t at = global ? 0 : ns_world_find_deployment(world, ns_text_of(deployment));
            CHECK(at >= 0);
            CHECK_NEAR(ns_world_signal(world, (ns_signal)s, (size_t)at).value, value, 1e-12);
            CHECK_NEAR((double)ns_world_now_ms(world) / 1000.0, json_number_value(json_array_get(pair, 0)), 1e-3);
        }
        json_decref(json);
    }
    ns_buf_clear(&path);
    close_house(&h);
}

static void queries_keep_prometheus_manners(void **state)
{
    (void)state;
    house h;
    ns_buf path;
    char more[64];
    ns_buf_init(&path, 64u << 10);
    open_house(&h, &lockstep, NULL, NULL);
    /* POST with a form; white space does not matter, except inside quotes */
    CHECK_INT(200, post(&h, "/prometheus/api/v1/query", "query=count(+up%3D%3D0+)%0Aor++vector(0)&time=1795473540"));
    CHECK(says(&h, "\"value\":[1795473540,\""));
    CHECK_INT(400, post(&h, "/prometheus/api/v1/query", "query=count(up%3D%3D1)or+vector(0)"));
    CHECK_INT(400, post(&h, "/prometheus/api/v1/query", "query=count(up%3D%3D0)or+vector(0)&time=soon"));
    CHECK(says(&h, "bad_data"));
    /* an hour ago nothing is remembered: empty, not 0 */
    (void)snprintf(more, sizeof more, "&time=%lld", (long long)(START / 1000 - 3600));
    query_path(NS_SIGNAL_targets_down, more, &path);
    CHECK_INT(200, get(&h, path.at));
    CHECK(says(&h, "\"result\":[]"));
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"nan\": 1}"));
    query_path(NS_SIGNAL_targets_down, "", &path);
    CHECK_INT(200, get(&h, path.at));
    CHECK(says(&h, "\"NaN\""));
    CHECK_INT(200, get(&h, path.at));
    CHECK(!says(&h, "NaN"));
    ns_buf_clear(&path);
    close_house(&h);
}

static bool is_name(ns_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
              (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return text.len > 0;
}

/* HELP and TYPE once per family, no series twice, LF only, no label `job` or `instance`. */
static void metrics_can_be_scraped(void **state)
{
    (void)state;
    enum { SERIES_MAX = 4096 };
    static uint64_t seen[SERIES_MAX], types[SERIES_MAX];
    size_t count = 0, families = 0;
    house h;
    open_house(&h, &lockstep, NULL, NULL);
    advance(&h, 5 * MINUTE);
    CHECK_INT(200, get(&h, "/prometheus/metrics"));
    ns_text rest = ns_buf_view(&h.body), line;
    CHECK(ns_text_ends(rest, "\n") && memchr(rest.at, '\r', rest.len) == NULL);
    CHECK(!says(&h, "{job=") && !says(&h, ",job=") && !says(&h, "{instance=") && !says(&h, ",instance="));
    while (ns_text_line(&rest, &line)) {
        if (ns_text_starts(line, "# TYPE ")) {
            uint64_t hash = ns_hash(line);
            for (size_t i = 0; i < families; i++)
                CHECK(types[i] != hash);
            CHECK(families < SERIES_MAX);
            types[families++] = hash;
        }
        if (ns_text_starts(line, "#"))
            continue;
        ptrdiff_t end = ns_text_find(line, "{");
        ptrdiff_t blank = -1;
        for (size_t i = line.len; i > 0 && blank < 0; i--)
            blank = line.at[i - 1] == ' ' ? (ptrdiff_t)i - 1 : -1;
        CHECK(blank > 0);
        CHECK(is_name((ns_text){line.at, (size_t)(end < 0 ? blank : end)}));
        double value;
        CHECK(ns_text_double((ns_text){line.at + blank + 1, line.len - (size_t)blank - 1}, &value));
        uint64_t hash = ns_hash((ns_text){line.at, (size_t)blank});
        for (size_t i = 0; i < count; i++)
            CHECK(seen[i] != hash);
        CHECK(count < SERIES_MAX);
        seen[count++] = hash;
    }
    CHECK(families > 10 && count > 50);
    close_house(&h);
}

/* ---- levers -------------------------------------------------------------------------------------------------------
 */

static void faults_strike_as_told(void **state)
{
    (void)state;
    house h;
    open_house(&h, &lockstep, "neuroshield", "a-token");
    const ns_world *world = ns_world_server_world(h.server);
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"lose_request\": 1}"));
    CHECK_INT(0, post(&h, JOB "/buildWithParameters", "NEUROSHIELD_KEY=a"));
    CHECK_INT(0, ns_world_effect_total(world));
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"drop_reply\": 1}"));
    CHECK_INT(0, post(&h, JOB "/buildWithParameters", "NEUROSHIELD_KEY=b"));
    CHECK_INT(1, ns_world_effect_total(world)); /* done, though nobody was told */
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"merge\": 1, \"refuse\": 1}"));
    CHECK_INT(500, post(&h, JOB "/buildWithParameters", "NEUROSHIELD_KEY=c"));
    CHECK_INT(303, post(&h, JOB "/buildWithParameters", "NEUROSHIELD_KEY=d"));
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"unauthorized\": 1, \"html\": 1, \"nan\": 1}"));
    CHECK_INT(401, get(&h, "/jenkins/api/json"));
    CHECK_INT(200, get(&h, "/jenkins/whoAmI/api/json"));
    CHECK(says(&h, "please sign in"));
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"nan\": 1}"));
    CHECK_INT(200, get(&h, "/jenkins/whoAmI/api/json"));
    CHECK(says(&h, "\"score\":NaN"));
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"oversize\": 1}"));
    CHECK_INT(200, get(&h, "/jenkins/whoAmI/api/json"));
    CHECK(h.body.len > (17u << 20));
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"delay_ms\": 1}"));
    CHECK_INT(200, get(&h, "/jenkins/whoAmI/api/json"));
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"delay_ms\": 0}"));
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"startup_s\": 600}"));
    h.wanted[0] = "Content-Type";
    CHECK_INT(503, get(&h, "/jenkins/api/json"));
    CHECK(says(&h, "getting ready to work") && ns_text_starts(ns_text_of(h.header[0]), "text/html"));
    CHECK_INT(200,
              post(&h, "/world/v1/faults", "{\"startup_s\": 0, \"jenkins_down_s\": 60, \"prometheus_down_s\": 60}"));
    CHECK_INT(0, get(&h, "/jenkins/api/json"));
    CHECK_INT(0, get(&h, "/prometheus/-/ready"));
    close_house(&h);
}

/* What strikes one kind of effect leaves the others alone. */
static void faults_strike_one_kind_of_effect(void **state)
{
    (void)state;
    house h;
    ns_world_effect effect;
    open_house(&h, &lockstep, "neuroshield", "a-token");
    const ns_world *world = ns_world_server_world(h.server);
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"escalate\": {\"drop_reply\": 1}, \"stop\": {\"refuse\": 1}}"));
    CHECK_INT(201, post(&h, JOB "/buildWithParameters", "NEUROSHIELD_KEY=a"));
    CHECK_INT(0, post(&h, "/pager", "{\"pipeline\":\"sock-shop/carts\"}"));
    CHECK_INT(202, post(&h, "/pager", "{\"pipeline\":\"sock-shop/carts\"}"));
    CHECK_INT(3, ns_world_effect_total(world));
    CHECK_INT(400, post(&h, "/pager", "{\"pipeline\":\"nobody\"}"));
    CHECK_INT(405, get(&h, "/pager"));
    /* Coalesced: another build, with a key of its own, is taken in by the one that waits. */
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"build\": {\"merge\": 1}}"));
    CHECK_INT(303, post(&h, JOB "/buildWithParameters", "NEUROSHIELD_KEY=b"));
    CHECK(ns_world_effect_by_key(world, "b", &effect) && effect.merged);
    CHECK_INT(1, ns_world_queue_count(world));
    CHECK_INT(201, post(&h, JOB "/buildWithParameters", "NEUROSHIELD_KEY=c"));
    CHECK_INT(2, ns_world_queue_count(world));
    close_house(&h);
}

static void a_log_rolls_over_when_told(void **state)
{
    (void)state;
    house h;
    open_house(&h, &lockstep, NULL, NULL);
    h.wanted[0] = "X-Text-Size";
    CHECK_INT(200, get(&h, JOB "/1/logText/progressiveText"));
    size_t whole = h.body.len;
    char path[640];
    (void)snprintf(path, sizeof path, JOB "/1/logText/progressiveText?start=%s", h.header[0]);
    CHECK_INT(200, get(&h, path));
    CHECK_INT(0, h.body.len);
    CHECK_INT(200, post(&h, "/world/v1/faults", "{\"rollover\": 1}"));
    CHECK_INT(200, get(&h, path));
    CHECK_INT(whole, h.body.len);
    close_house(&h);
}

static void bad_levers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
        int code;
    } cases[] = {
        {"/world/v1/faults", "{\"nosuch\": 1}", 400},
        {"/world/v1/faults", "{\"merge\": -1}", 400},
        {"/world/v1/faults", "{\"merge\": \"1\"}", 400},
        {"/world/v1/faults", "{\"lose_share\": 1.5}", 400},
        {"/world/v1/faults", "{\"delay_ms\": 1e12}", 400},
        {"/world/v1/faults", "{", 400},
        {"/world/v1/faults", "{\"merge\":1,\"x\":1}", 400},
        {"/world/v1/faults", "{\"scale\":{\"drop_reply\":-1}}", 400},
        {"/world/v1/faults", "{\"scale\":{\"nosuch\":1}}", 400},
        {"/world/v1/faults", "{\"nosuch\":{\"merge\":1}}", 400},
        {"/world/v1/speed", "{\"speed\": -1}", 400},
        {"/world/v1/speed", "{\"speed\": 1e9}", 400},
        {"/world/v1/speed", "{}", 400},
        {"/world/v1/advance", "{\"until\": \"soon\"}", 400},
        {"/world/v1/advance", "{}", 400},
        {"/world/v1/advance", "{\"until\": 99999999999999}", 400},
    };
    house h;
    open_house(&h, &lockstep, NULL, NULL);
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        if (post(&h, cases[i].path, cases[i].body) != cases[i].code)
            fail_msg("%s %s: HTTP %d", cases[i].path, cases[i].body, h.code);
    }
    CHECK_INT(0, ns_world_faults_of(ns_world_server_world(h.server))->delay_ms);
    json_t *json = json_of(&h, "/world/v1/faults"); /* a refused body changes nothing, not even its good half */
    CHECK_INT(0, ns_json_int(json, "merge", -1));
    json_decref(json);
    CHECK_INT(200, post(&h, "/world/v1/advance", "{\"until\": \"2026-11-23T22:40:01Z\"}"));
    CHECK_INT(200, post(&h, "/world/v1/speed", "{\"speed\": 100}"));
    CHECK_INT(409, post(&h, "/world/v1/advance", "{\"until\": 1}"));
    close_house(&h);
}

static void truth_is_for_those_who_asked(void **state)
{
    (void)state;
    house h;
    ns_world_server_options silent = lockstep;
    silent.truth = false;
    open_house(&h, &silent, NULL, NULL);
    CHECK_INT(404, get(&h, "/world/v1/truth"));
    close_house(&h);
    open_house(&h, &lockstep, NULL, NULL);
    advance(&h, 12 * 60 * MINUTE);
    json_t *json = json_of(&h, "/world/v1/truth");
    json_t *items = ns_json_at(json, "items");
    CHECK(json_array_size(items) > 3);
    bool faulty = false, control = false;
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *item = json_array_get(items, i);
        bool quiet = ns_json_bool(item, "control", false);
        CHECK(quiet == (strcmp(ns_json_string(item, "cause", ""), "none") == 0));
        faulty = faulty || !quiet;
        control = control || quiet;
    }
    CHECK(faulty && control);
    json_decref(json);
    close_house(&h);
}

/* Same seed, scenario, start and requests: the same world, however often it is looked at. */
static void lockstep_worlds_are_equal(void **state)
{
    (void)state;
    char history[2][32];
    for (int i = 0; i < 2; i++) {
        house h;
        open_house(&h, &lockstep, "neuroshield", "a-token");
        for (int k = 0; k < (i == 0 ? 10 : 40); k++) {
            advance(&h, i == 0 ? 4 * MINUTE : MINUTE);
            if (i == 1)
                CHECK_INT(200, get(&h, JOB "/lastBuild/consoleText"));
        }
        CHECK_INT(201, post(&h, JOB "/buildWithParameters", "NEUROSHIELD_KEY=same"));
        advance(&h, 30 * MINUTE);
        json_t *json = json_of(&h, "/world/v1/state");
        (void)snprintf(history[i], sizeof history[i], "%s", ns_json_string(json, "history", "?"));
        CHECK_INT(7, ns_json_int(json, "seed", 0));
        CHECK(ns_json_bool(json, "lockstep", false));
        json_decref(json);
        close_house(&h);
    }
    CHECK_STRING(history[0], history[1]);
    CHECK(strcmp(history[0], "0000000000000000") != 0);
}

static void configuration_points_here(void **state)
{
    (void)state;
    house h;
    char folder[] = "/tmp/neuroshield-serve-XXXXXX", path[128];
    ns_error err;
    ns_buf text;
    ns_buf_init(&text, 1u << 20);
    CHECK(mkdtemp(folder) != NULL);
    ns_world_server_options fast = lockstep;
    fast.speed = 60.0;
    open_house(&h, &fast, NULL, NULL);
    CHECK_OK(ns_world_server_write_config(h.server, folder, &err));
    static const char *const files[] = {".env", "kubeconfig", "neuroshield.yaml"};
    for (size_t i = 0; i < NS_COUNT_OF(files); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        ns_buf_reset(&text);
        CHECK_OK(ns_file_read(path, 1u << 20, &text, &err));
        CHECK(ns_text_find(ns_buf_view(&text), ns_world_server_address(h.server)) >= 0);
        CHECK_INT(0, remove(path));
    }
    CHECK(ns_text_find(ns_buf_view(&text), "  speed: 60\n") >= 0);
    CHECK(ns_text_find(ns_buf_view(&text), "jenkins_job: sock-shop/carts\n") >= 0);
    CHECK_INT(0, remove(folder));
    CHECK_STATUS(NS_IO, ns_world_server_write_config(h.server, "/proc/nosuch/folder", &err));
    ns_buf_clear(&text);
    close_house(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_and_kinds),
        cmocka_unit_test(ranges_and_depth),
        cmocka_unit_test(a_build_lives_as_in_jenkins),
        cmocka_unit_test(refusals_of_triggers),
        cmocka_unit_test(stopping_a_build),
        cmocka_unit_test(a_growing_log_is_read_in_pieces),
        cmocka_unit_test(closed_jenkins_lets_one_user_in),
        cmocka_unit_test(crumbs_are_bound_to_user_and_session),
        cmocka_unit_test(every_signal_is_answered),
        cmocka_unit_test(queries_keep_prometheus_manners),
        cmocka_unit_test(metrics_can_be_scraped),
        cmocka_unit_test(faults_strike_as_told),
        cmocka_unit_test(faults_strike_one_kind_of_effect),
        cmocka_unit_test(a_log_rolls_over_when_told),
        cmocka_unit_test(bad_levers_are_refused),
        cmocka_unit_test(truth_is_for_those_who_asked),
        cmocka_unit_test(lockstep_worlds_are_equal),
        cmocka_unit_test(configuration_points_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
