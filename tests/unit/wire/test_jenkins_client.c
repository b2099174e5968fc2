/* The Jenkins client against a scripted Jenkins: what each answer means, crumbs, back-off, restarts. */
#include "jenkins_script.h"

#include "wire/jenkins_client.h"
#include "wire/jenkins_facts.h"

typedef struct heard {
    int times;
    ns_jenkins_answer last;
    int64_t number; /* of the JSON */
    char text[4096];
    size_t len;
} heard;

static void hear(void *owner, const ns_jenkins_answer *answer)
{
    heard *h = owner;
    h->times++;
    h->last = *answer;
    h->number = ns_json_int(answer->json, "number", -1);
}

static bool hear_text(void *owner, const ns_http_call *call, ns_text piece)
{
    heard *h = owner;
    (void)call;
    CHECK(h->len + piece.len < sizeof h->text);
    memcpy(h->text + h->len, piece.at, piece.len);
    h->len += piece.len;
    return true;
}

static ns_jenkins *client_of(script *s, ns_jenkins_options options)
{
    ns_jenkins *client = NULL;
    ns_error err = {0};
    options.base_url = s->url;
    if (options.back_off_ms == 0) { /* none that a test could notice */
        options.back_off_ms = options.back_off_max_ms = 1;
        options.unauthorized_ms = 1;
    }
    if (ns_jenkins_new(s->loop, &options, &client, &err) != NS_OK)
        fail_msg("%s", err.text);
    return client;
}

static heard ask(script *s, ns_jenkins *client, ns_jenkins_kind kind, const char *path, const char *form)
{
    heard h = {0};
    ns_error err = {0};
    ns_jenkins_request request = {.kind = kind,
                                  .path = path,
                                  .form = ns_text_of(form),
                                  .on_text = kind == NS_JENKINS_TEXT ? hear_text : NULL,
                                  .done = hear,
                                  .owner = &h};
    SCRIPT_UNTIL(s, ns_jenkins_ready(client));
    if (ns_jenkins_start(client, &request, NULL, &err) != NS_OK)
        fail_msg("%s", err.text);
    SCRIPT_UNTIL(s, h.times > 0);
    CHECK_INT(1, h.times);
    return h;
}

static void each_answer_means_one_thing(void **state)
{
    (void)state;
    static const struct {
        script_rule rule;
        ns_status wanted;
        const char *says;
    } cases[] = {
        {{.body = "{\"number\": 7}"}, NS_OK, ""},
        {{.body = "{\"number\": 7, \"load\": NaN, \"x\": -Infinity}"}, NS_OK, ""},
        {{.body = "{\"number\": "}, NS_PROTOCOL, "not JSON"},
        {{.code = 503, .type = "text/html", .body = "<p>Please wait while Jenkins is getting ready to work"},
         NS_STARTING,
         "starting"},
        {{.code = 401, .type = "text/html", .body = "no"}, NS_UNAUTHORIZED, "user name or token"},
        {{.code = 403,
          .type = "text/html",
          .header = {"X-You-Are-Authenticated-As", "reader", "X-Required-Permission", "hudson.model.Item.Build"}},
         NS_FORBIDDEN,
         "as reader, needs hudson.model.Item.Build"},
        {{.code = 403, .type = "text/html"}, NS_FORBIDDEN, "as anonymous"},
        {{.code = 404, .type = "text/html"}, NS_NOT_FOUND, "404"},
        {{.code = 405, .header = {"Allow", "POST"}}, NS_PROTOCOL, "405"},
        {{.code = 409}, NS_REFUSED, "disabled"},
        {{.code = 400}, NS_BAD_INPUT, "400"},
        {{.code = 500, .type = "text/html"}, NS_PROTOCOL, "500"},
        {{.code = 502, .type = "text/html"}, NS_UNREACHABLE, "proxy"},
        {{.code = 504, .type = "text/html"}, NS_UNREACHABLE, "proxy"},
        {{.type = "text/html;charset=utf-8", .body = "<html>Log in"}, NS_PROTOCOL, "login page"},
        {{.body = "  <html>Log in"}, NS_PROTOCOL, "login page"},
        {{.code = 302, .header = {"Location", "http://sso.example/login"}}, NS_PROTOCOL, "sso.example"},
        {{.drop = true}, NS_PROTOCOL, "closed"},
        {{.hold = true}, NS_TIMEOUT, ""},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        script s;
        script_open(&s, "/jenkins");
        script_rule rule = cases[i].rule;
        rule.match = "GET /jenkins/api/json";
        script_on(&s, rule);
        ns_jenkins *client =
            client_of(&s, (ns_jenkins_options){.username = "me", .token = "t0", .total_timeout_ms = 300});
        heard h = ask(&s, client, NS_JENKINS_JSON, "/api/json", "");
        CHECK_STATUS(cases[i].wanted, h.last.status);
        if (cases[i].wanted == NS_OK)
            CHECK_INT(7, h.number);
        if (strstr(h.last.error.text, cases[i].says) == NULL)
            fail_msg("case %zu says \"%s\"", i, h.last.error.text);
        CHECK(strstr(h.last.error.text, "t0") == NULL);
        ns_jenkins_free(client);
        script_close(&s);
    }
}

static void an_answer_above_its_ceiling_is_too_large(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    static char big[5000];
    memset(big, ' ', sizeof big - 1);
    script_on(&s, (script_rule){.match = "/api/json", .body = big});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){.json_ceiling = 4096});
    CHECK_STATUS(NS_TOO_LARGE, ask(&s, client, NS_JENKINS_JSON, "/api/json", "").last.status);
    ns_jenkins_free(client);
    script_close(&s);
}

static void a_redirect_on_the_same_host_is_followed(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    script_on(&s, (script_rule){.match = "/new/api/json", .body = "{\"number\": 3}"});
    script_on(&s, (script_rule){.match = "/old/api/json", .code = 302, .header = {"Location", "/new/api/json"}});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){.username = "me", .token = "t0"});
    heard h = ask(&s, client, NS_JENKINS_JSON, "/old/api/json", "");
    CHECK_OK(h.last.status);
    CHECK_INT(3, h.number);
    ns_jenkins_free(client);
    script_close(&s);
}

static void a_log_brings_its_size_and_an_error_page_is_no_log(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    script_on(&s, (script_rule){.match = "/1/logText",
                                .type = "text/plain;charset=UTF-8",
                                .body = "hello",
                                .header = {"X-Text-Size", "2048", "X-More-Data", "true"}});
    script_on(&s, (script_rule){.match = "/2/logText", .code = 403, .type = "text/html", .body = "<html>"});
    script_on(&s, (script_rule){.match = "/3/logText", .type = "text/plain", .body = "no header"});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){.username = "me", .token = "t0"});
    heard h = ask(&s, client, NS_JENKINS_TEXT, "/1/logText/progressiveText?start=0", "");
    CHECK_OK(h.last.status);
    CHECK_INT(2048, h.last.text_size);
    CHECK(h.last.more);
    CHECK_STRING("hello", h.text);
    h = ask(&s, client, NS_JENKINS_TEXT, "/2/logText/progressiveText?start=0", "");
    CHECK_STATUS(NS_FORBIDDEN, h.last.status);
    CHECK_INT(0, h.len);
    h = ask(&s, client, NS_JENKINS_TEXT, "/3/logText/progressiveText?start=0", "");
    CHECK_STATUS(NS_PROTOCOL, h.last.status);
    CHECK_INT(0, h.len);
    ns_jenkins_free(client);
    script_close(&s);
}

#define CRUMB "{\"crumb\":\"c1\",\"crumbRequestField\":\"Jenkins-Crumb\"}"

static void a_token_needs_no_crumb(void **state)
{
    (void)state;
    script s;
    script_open(&s, "/ci");
    script_on(&s, (script_rule){.match = "POST /ci/job/a/build",
                                .code = 201,
                                .needs_header = "Authorization: Basic bWU6dDA=",
                                .header = {"Location", "http://other/ci/queue/item/77/"}});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){.username = "me", .token = "t0"});
    heard h = ask(&s, client, NS_JENKINS_POST, "/job/a/build?delay=0sec", "");
    CHECK_OK(h.last.status);
    CHECK_INT(77, h.last.queue_id);
    CHECK(h.last.left);
    CHECK_INT(0, script_asked(&s, "crumbIssuer"));
    ns_jenkins_free(client);
    script_close(&s);
}

static void a_password_fetches_a_crumb_once_and_keeps_its_session(void **state)
{
    (void)state;
    script s;
    script_open(&s, "/ci");
    script_on(&s, (script_rule){.match = "/crumbIssuer/api/json",
                                .body = CRUMB,
                                .header = {"Set-Cookie", "JSESSIONID.1=abc; Path=/ci; HttpOnly"}});
    script_on(&s, (script_rule){.match = "POST /ci/job/a/build", .code = 403, .body = "No valid crumb was included"});
    script_on(&s, (script_rule){.match = "POST /ci/job/a/build",
                                .code = 201,
                                .needs_header = "Cookie: JSESSIONID.1=abc",
                                .header = {"Location", "/ci/queue/item/78/"}});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){.username = "me", .password = "pw"});
    for (int i = 0; i < 2; i++) {
        heard h = ask(&s, client, NS_JENKINS_POST, "/job/a/build", "");
        CHECK_OK(h.last.status);
        CHECK_INT(78, h.last.queue_id);
    }
    CHECK_INT(1, script_asked(&s, "crumbIssuer"));
    ns_jenkins_free(client);
    script_close(&s);
}

static void a_stale_crumb_is_renewed_once(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    script_on(&s, (script_rule){.match = "/crumbIssuer", .body = CRUMB});
    script_on(&s,
              (script_rule){.match = "POST /job/a", .code = 403, .type = "text/html", .body = "x No valid crumb x"});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){.username = "me", .password = "pw"});
    heard h = ask(&s, client, NS_JENKINS_POST, "/job/a/build", "");
    CHECK_STATUS(NS_FORBIDDEN, h.last.status);
    CHECK_INT(2, script_asked(&s, "crumbIssuer"));
    CHECK_INT(2, script_asked(&s, "POST /job/a"));
    s.rule[1].times = -1;
    script_on(&s, (script_rule){.match = "POST /job/a", .code = 201, .needs_header = "Jenkins-Crumb: c1"});
    CHECK_OK(ask(&s, client, NS_JENKINS_POST, "/job/a/build", "").last.status);
    ns_jenkins_free(client);
    script_close(&s);
}

static void a_server_without_crumbs_is_asked_once(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    script_on(&s, (script_rule){.match = "POST /job/a", .code = 201});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){.username = "me", .password = "pw"});
    CHECK_OK(ask(&s, client, NS_JENKINS_POST, "/job/a/build", "").last.status);
    CHECK_OK(ask(&s, client, NS_JENKINS_POST, "/job/a/build", "x=1").last.status);
    CHECK_INT(1, script_asked(&s, "crumbIssuer"));
    ns_jenkins_free(client);
    script_close(&s);
}

static void a_post_is_not_redirected(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    script_on(&s, (script_rule){.match = "POST /job/a", .code = 302, .header = {"Location", "/job/a/"}});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){.username = "me", .token = "t0"});
    heard h = ask(&s, client, NS_JENKINS_POST, "/job/a/build", "");
    CHECK_OK(h.last.status);
    CHECK_INT(302, h.last.code);
    CHECK_INT(-1, h.last.queue_id);
    CHECK_INT(1, (int)s.request_count);
    ns_jenkins_free(client);
    script_close(&s);
}

static void trouble_makes_it_wait_and_then_one_goes_ahead(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    script_rule *down = script_on(&s, (script_rule){.match = "/api/json", .code = 503, .type = "text/html"});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){.back_off_ms = 100000, .back_off_max_ms = 100000});
    CHECK_STATUS(NS_STARTING, ask(&s, client, NS_JENKINS_JSON, "/api/json", "").last.status);
    heard h = {0};
    ns_error err = {0};
    ns_jenkins_request request = {.path = "/api/json", .done = hear, .owner = &h};
    CHECK(!ns_jenkins_ready(client));
    CHECK_STATUS(NS_STARTING, ns_jenkins_start(client, &request, NULL, &err));
    CHECK_INT(1, (int)s.request_count);
    ns_jenkins_free(client);

    client = client_of(&s, (ns_jenkins_options){.back_off_ms = 1, .back_off_max_ms = 1});
    (void)ask(&s, client, NS_JENKINS_JSON, "/api/json", "");
    down->code = 0;
    down->type = NULL;
    down->body = "{}";
    SCRIPT_UNTIL(&s, ns_jenkins_ready(client));
    CHECK_OK(ns_jenkins_start(client, &request, NULL, &err));
    CHECK_STATUS(NS_STARTING, ns_jenkins_start(client, &request, NULL, &err)); /* one tries for all */
    SCRIPT_UNTIL(&s, h.times == 1);
    CHECK_OK(h.last.status);
    CHECK_OK(ns_jenkins_start(client, &request, NULL, &err));
    SCRIPT_UNTIL(&s, h.times == 2);
    ns_jenkins_free(client);
    script_close(&s);
}

static void bad_credentials_are_not_hammered(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    script_on(&s, (script_rule){.match = "/api/json", .code = 401, .type = "text/html"});
    ns_jenkins *client = client_of(
        &s, (ns_jenkins_options){.username = "me", .token = "no", .back_off_ms = 1, .unauthorized_ms = 60000});
    (void)ask(&s, client, NS_JENKINS_JSON, "/api/json", "");
    heard h = {0};
    ns_error err = {0};
    ns_jenkins_request request = {.path = "/api/json", .done = hear, .owner = &h};
    CHECK_STATUS(NS_UNAUTHORIZED, ns_jenkins_start(client, &request, NULL, &err));
    CHECK_INT(1, (int)s.request_count);
    ns_jenkins_free(client);
    script_close(&s);
}

static void a_restart_of_jenkins_is_noticed(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    script_rule *rule = script_on(&s, (script_rule){.match = "/api/json", .body = "{}"});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){0});
    (void)ask(&s, client, NS_JENKINS_JSON, "/api/json", "");
    (void)ask(&s, client, NS_JENKINS_JSON, "/api/json", "");
    CHECK_INT(0, ns_jenkins_restarts(client));
    rule->header[0] = "X-Jenkins-Session";
    rule->header[1] = "77aa";
    (void)ask(&s, client, NS_JENKINS_JSON, "/api/json", "");
    CHECK_INT(1, ns_jenkins_restarts(client));
    ns_jenkins_free(client);
    script_close(&s);
}

static void what_is_under_way_is_cancelled(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    script_on(&s, (script_rule){.match = "/api/json", .hold = true});
    ns_jenkins *client = client_of(&s, (ns_jenkins_options){0});
    heard mine = {0}, other = {0};
    ns_error err = {0};
    ns_jenkins_request request = {.path = "/api/json", .done = hear, .owner = &mine, .group = &mine};
    CHECK_OK(ns_jenkins_start(client, &request, NULL, &err));
    request.group = &other;
    request.owner = &other;
    CHECK_OK(ns_jenkins_start(client, &request, NULL, &err));
    SCRIPT_UNTIL(&s, s.held == 2);
    ns_jenkins_cancel(client, &mine);
    CHECK_INT(1, mine.times);
    CHECK_STATUS(NS_CANCELLED, mine.last.status);
    CHECK_INT(0, other.times);
    ns_jenkins_free(client);
    CHECK_INT(1, other.times);
    script_close(&s);
}

static void job_names_become_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *name, *path;
    } cases[] = {
        {"a", "/job/a"},
        {"f/sub dir/job", "/job/f/job/sub%20dir/job/job"},
        {"repo/feature%2Fx", "/job/repo/job/feature%252Fx"},
        {"\xc3\xa4", "/job/%C3%A4"},
        {"", NULL},
        {"a//b", NULL},
        {"a/", NULL},
        {"/a", NULL},
        {"a\nb", NULL},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_buf out;
        ns_buf_init(&out, 4096);
        ns_status status = ns_jenkins_job_path(&out, ns_text_of(cases[i].name));
        CHECK((status == NS_OK) == (cases[i].path != NULL));
        if (status == NS_OK)
            CHECK_TEXT(cases[i].path, ns_buf_view(&out));
        ns_buf_clear(&out);
    }
}

static void addresses_become_jobs_and_builds(void **state)
{
    (void)state;
    static const struct {
        const char *url, *job;
        int64_t number;
    } cases[] = {
        {"http://ci/jenkins/job/f/job/x/12/", "f/x", 12},
        {"/job/repo/job/feature%252Fx/3", "repo/feature%2Fx", 3},
        {"http://ci/job/a/", "a", 0},
        {"http://ci/job/a/lastBuild/", NULL, 0},
        {"http://ci/job//1", NULL, 0},
        {"http://ci/view/all/", NULL, 0},
        {"http://ci/job/a%2/1", NULL, 0},
        {"http://ci/job/a%2Fb/1", NULL, 0},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        char job[NS_JOB_MAX];
        int64_t number = -1;
        CHECK(ns_jenkins_job_of_url(ns_text_of(cases[i].url), job, &number) == (cases[i].job != NULL));
        if (cases[i].job != NULL) {
            CHECK_STRING(cases[i].job, job);
            CHECK_INT(cases[i].number, number);
        }
    }
    CHECK_INT(5531, ns_jenkins_queue_item_of(NS_TEXT("http://h/c/queue/item/5531/")));
    CHECK_INT(5531, ns_jenkins_queue_item_of(NS_TEXT("/queue/item/5531")));
    CHECK_INT(-1, ns_jenkins_queue_item_of(NS_TEXT("/job/a/")));
    CHECK_INT(-1, ns_jenkins_queue_item_of(NS_TEXT("/queue/item/x/")));
}

static void memory_running_out_leaks_nothing(void **state)
{
    (void)state;
    for (long n = 0; n < 12; n++) {
        script s;
        script_open(&s, "");
        script_on(&s, (script_rule){.match = "/api/json", .body = "{}"});
        ns_jenkins *client = NULL;
        ns_error err = {0};
        heard h = {0};
        ns_jenkins_options options = {.base_url = s.url, .username = "me", .token = "t0"};
        ns_jenkins_request request = {.path = "/api/json", .done = hear, .owner = &h};
        ns_mem_fail_after(n);
        if (ns_jenkins_new(s.loop, &options, &client, &err) == NS_OK)
            (void)!ns_jenkins_start(client, &request, NULL, &err);
        ns_mem_fail_after(-1);
        ns_jenkins_free(client);
        script_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_means_one_thing),
        cmocka_unit_test(an_answer_above_its_ceiling_is_too_large),
        cmocka_unit_test(a_redirect_on_the_same_host_is_followed),
        cmocka_unit_test(a_log_brings_its_size_and_an_error_page_is_no_log),
        cmocka_unit_test(a_token_needs_no_crumb),
        cmocka_unit_test(a_password_fetches_a_crumb_once_and_keeps_its_session),
        cmocka_unit_test(a_stale_crumb_is_renewed_once),
        cmocka_unit_test(a_server_without_crumbs_is_asked_once),
        cmocka_unit_test(a_post_is_not_redirected),
        cmocka_unit_test(trouble_makes_it_wait_and_then_one_goes_ahead),
        cmocka_unit_test(bad_credentials_are_not_hammered),
        cmocka_unit_test(a_restart_of_jenkins_is_noticed),
        cmocka_unit_test(what_is_under_way_is_cancelled),
        cmocka_unit_test(job_names_become_addresses),
        cmocka_unit_test(addresses_become_jobs_and_builds),
        cmocka_unit_test(memory_running_out_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
