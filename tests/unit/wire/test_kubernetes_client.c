/* The client of a cluster's API against a scripted server: what a real one does rarely, and exact answers. */
#include "jenkins_script.h"

#include "wire/json.h"
#include "wire/kubernetes_client.h"
#include "wire/kubernetes_warning.h"

#include <sys/stat.h>
#include <unistd.h>

static const char EXPIRED[] = "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Expired\",\"code\":410,"
                              "\"metadata\":{\"continue\":\"of another moment\"}}";

typedef struct heard {
    int times, opened, pages, items, firsts, events, bookmarks, stop_at;
    ns_status status;
    bool left, expired, has_json;
    int64_t retry_ms;
    char text[512];
    char version[64];
    char last[64]; /* name of the object of the newest event */
} heard;

static void note(heard *h, const ns_kubernetes_answer *answer)
{
    h->times++;
    h->status = answer->status;
    h->left = answer->left;
    h->expired = answer->verdict.expired;
    h->retry_ms = answer->verdict.retry_after_ms;
    h->has_json = answer->json != NULL;
    (void)ns_text_copy(h->text, sizeof h->text, ns_text_of(answer->status == NS_OK ? "" : answer->verdict.error.text));
}

static void hear(void *owner, const ns_kubernetes_answer *answer)
{
    note(owner, answer);
}

static ns_kubernetes *client_with(script *s, const char *user, ns_kubernetes_options options)
{
    ns_kubernetes *client = NULL;
    ns_kubernetes_access access;
    ns_error err = {0};
    char config[2048];
    (void)snprintf(config, sizeof config,
                   "clusters: [{name: c, cluster: {server: '%s'}}]\ncurrent-context: x\n"
                   "contexts: [{name: x, context: {cluster: c, user: u, namespace: n}}]\n"
                   "users: [{name: u, user: {%s}}]\n",
                   s->url, user);
    CHECK_OK(ns_kubernetes_access_read(ns_text_of(config), NULL, &access, &err));
    options.access = &access;
    if (options.requests_per_s <= 0)
        options.requests_per_s = 1000;
    if (ns_kubernetes_new(s->loop, &options, &client, &err) != NS_OK)
        fail_msg("%s", err.text);
    return client;
}

static ns_kubernetes *client_of(script *s, const char *user)
{
    return client_with(s, user, (ns_kubernetes_options){0});
}

static heard ask(script *s, ns_kubernetes *client, const char *method, const char *path)
{
    heard h = {0};
    ns_error err = {0};
    bool reads = strcmp(method, "GET") == 0;
    ns_kubernetes_request request = {.method = method,
                                     .path = path,
                                     .what = "try it",
                                     .content_type = reads ? NULL : "application/merge-patch+json",
                                     .body = reads ? (ns_text){NULL, 0} : NS_TEXT("{\"spec\":{}}"),
                                     .key = reads ? NULL : "k1",
                                     .done = hear,
                                     .owner = &h};
    CHECK_OK(ns_kubernetes_start(client, &request, &err));
    SCRIPT_UNTIL(s, h.times > 0);
    CHECK_INT(1, h.times);
    return h;
}

static void answers_come_with_their_meaning(void **state)
{
    (void)state;
    static const struct {
        script_rule rule;
        const char *method;
        ns_status wanted;
        bool left, json;
    } cases[] = {
        {{.match = "/a", .body = "{\"a\":1}"}, "GET", NS_OK, false, true},
        {{.match = "/a", .body = "{\"a\":1}"}, "PATCH", NS_OK, true, true},
        {{.match = "/a", .body = "not json"}, "GET", NS_PROTOCOL, false, false},
        {{.match = "/a", .body = "not json"}, "PATCH", NS_PROTOCOL, true, false}, /* it was done all the same */
        {{.match = "/a", .code = 409, .body = "{}"}, "PATCH", NS_CONFLICT, false, false},
        {{.match = "/a", .code = 403, .body = "{}"}, "PATCH", NS_FORBIDDEN, false, false},
        {{.match = "/a", .code = 500, .body = "{}"}, "PATCH", NS_UNREACHABLE, true, false},
        {{.match = "/a", .code = 429, .header = {"Retry-After", "3"}}, "GET", NS_BUSY, false, false},
        {{.match = "/a", .code = 302, .header = {"Location", "http://127.0.0.1:1/"}}, "GET", NS_PROTOCOL, false, false},
        {{.match = "/a", .drop = true}, "PATCH", NS_PROTOCOL, true, false},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        script s;
        script_open(&s, "");
        script_rule rule = cases[i].rule;
        rule.needs_header = "Authorization: Bearer t0p";
        (void)script_on(&s, rule);
        ns_kubernetes *client = client_of(&s, "token: t0p");
        heard h = ask(&s, client, cases[i].method, "/a");
        CHECK_STATUS(cases[i].wanted, h.status);
        CHECK_INT(cases[i].left, h.left);
        CHECK_INT(cases[i].json, h.has_json);
        CHECK_INT(1, (int)s.request_count); /* nothing is repeated by itself */
        CHECK(strstr(h.text, "t0p") == NULL);
        ns_kubernetes_free(client);
        script_close(&s);
    }
}

static void who_is_asked_for_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *user, *needs;
    } cases[] = {
        {"token: t, as: bob", "Impersonate-User: bob"},
        {"token: t, as: bob, as-groups: [staff]", "Impersonate-Group: staff"},
        {"username: u, password: p", "Authorization: Basic dTpw"},
        {"token: t", "Accept: application/json"},
        {"token: t", "X-Neuroshield-Key: k1"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        script s;
        script_open(&s, "/prefix");
        (void)script_on(&s, (script_rule){.match = "/prefix/a", .body = "{}", .needs_header = cases[i].needs});
        ns_kubernetes *client = client_of(&s, cases[i].user);
        heard h = ask(&s, client, "PATCH", "/a");
        if (h.status != NS_OK)
            fail_msg("%s: %s", cases[i].needs, h.text);
        ns_kubernetes_free(client);
        script_close(&s);
    }
}

static void a_token_file_is_read_again_after_a_refusal(void **state)
{
    (void)state;
    script s;
    char path[] = "/tmp/ns-token-XXXXXX", user[128];
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, "old\n", 4) == 4 && close(fd) == 0);
    script_open(&s, "");
    (void)script_on(&s, (script_rule){.match = "/a", .code = 401, .body = "{}"});
    (void)script_on(&s, (script_rule){.match = "/a", .body = "{}", .needs_header = "Authorization: Bearer new"});
    (void)snprintf(user, sizeof user, "tokenFile: %s", path);
    ns_kubernetes *client = client_of(&s, user);
    heard h = ask(&s, client, "GET", "/a");
    CHECK_STATUS(NS_UNAUTHORIZED, h.status);
    CHECK_INT(1, (int)s.request_count); /* the file says the same: asking again would be pointless */
    CHECK_OK(ns_file_replace(path, NS_TEXT("new\n"), 0600, NULL));
    h = ask(&s, client, "PATCH", "/a");
    CHECK_STATUS(NS_OK, h.status);
    CHECK_INT(3, (int)s.request_count);
    CHECK(unlink(path) == 0);
    ns_kubernetes_free(client);
    script_close(&s);
}

static void a_plug_in_is_run_only_by_leave_and_again_after_a_refusal(void **state)
{
    (void)state;
    script s;
    char folder[] = "/tmp/ns-plugin-XXXXXX", path[96], count[96], user[512], text[512];
    CHECK(mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/plugin", folder);
    (void)snprintf(count, sizeof count, "%s/count", folder);
    (void)snprintf(text, sizeof text,
                   "#!/bin/sh\necho x >>%s\nn=$(grep -c x %s)\n"
                   "printf '{\"kind\":\"ExecCredential\",\"status\":{\"token\":\"t%%s\"}}' \"$n$SAID\"\n",
                   count, count);
    CHECK_OK(ns_file_replace(path, ns_text_of(text), 0700, NULL));
    script_open(&s, "");
    (void)script_on(&s, (script_rule){.match = "/a", .code = 401, .body = "{}"});
    (void)script_on(&s, (script_rule){.match = "/a", .body = "{}", .needs_header = "Authorization: Bearer t2yes"});
    (void)script_on(&s, (script_rule){.match = "/b", .code = 401, .body = "{}"});
    (void)snprintf(
        user, sizeof user,
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: %s, env: [{name: SAID, value: 'yes'}]}", path);
    ns_kubernetes_access access;
    ns_kubernetes *client = NULL;
    ns_error err = {0};
    char config[1024];
    (void)snprintf(config, sizeof config,
                   "clusters: [{name: c, cluster: {server: '%s'}}]\ncurrent-context: x\n"
                   "contexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {%s}}]\n",
                   s.url, user);
    CHECK_OK(ns_kubernetes_access_read(ns_text_of(config), NULL, &access, &err));
    CHECK_STATUS(NS_BAD_USAGE, ns_kubernetes_new(s.loop, &(ns_kubernetes_options){.access = &access}, &client, &err));
    CHECK(strstr(err.text, "kubernetes.exec") != NULL);
    ns_kubernetes_access_clear(&access);

    client = client_with(&s, user, (ns_kubernetes_options){.allow_exec = true});
    heard h = ask(&s, client, "GET", "/a"); /* t1yes is refused, t2yes is not */
    if (h.status != NS_OK)
        fail_msg("%s", h.text);
    CHECK_INT(2, (int)s.request_count);
    h = ask(&s, client, "GET", "/b"); /* what is refused for ever is asked for twice, not for ever */
    CHECK_STATUS(NS_UNAUTHORIZED, h.status);
    CHECK_INT(2, script_asked(&s, "/b"));
    ns_kubernetes_free(client);

    CHECK_OK(ns_file_replace(path, NS_TEXT("#!/bin/sh\nexit 3\n"), 0700, NULL));
    client = client_with(&s, user, (ns_kubernetes_options){.allow_exec = true});
    h = ask(&s, client, "GET", "/a");
    CHECK_STATUS(NS_UNAUTHORIZED, h.status);
    CHECK(strstr(h.text, "status 3") != NULL);
    ns_kubernetes_free(client);

    CHECK_OK(ns_file_replace(path, NS_TEXT("#!/bin/sh\nsleep 600 & sleep 600\n"), 0700, NULL));
    client = client_with(&s, user, (ns_kubernetes_options){.allow_exec = true, .exec_timeout_ms = 50});
    h = ask(&s, client, "GET", "/a");
    CHECK_STATUS(NS_TIMEOUT, h.status);
    ns_kubernetes_free(client);
    client = client_with(&s, user, (ns_kubernetes_options){.allow_exec = true});
    heard given_up = {0};
    CHECK_OK(ns_kubernetes_start(
        client, &(ns_kubernetes_request){.path = "/a", .what = "x", .done = hear, .owner = &given_up}, &err));
    script_turn(&s);
    ns_kubernetes_free(client); /* with the plug-in still running */
    CHECK_STATUS(NS_CANCELLED, given_up.status);
    (void)unlink(path);
    (void)unlink(count);
    CHECK(rmdir(folder) == 0);
    script_close(&s);
}

static bool take_page(void *owner, const json_t *items, bool first)
{
    heard *h = owner;
    if (first)
        h->items = 0;
    h->firsts += first;
    h->pages++;
    h->items += (int)json_array_size(items);
    return h->pages != h->stop_at;
}

static void list_done(void *owner, const ns_kubernetes_answer *answer, const char *resource_version)
{
    heard *h = owner;
    note(h, answer);
    (void)ns_text_copy(h->version, sizeof h->version, ns_text_of(resource_version));
}

static heard list(script *s, ns_kubernetes *client, int stop_at)
{
    heard h = {.stop_at = stop_at};
    ns_error err = {0};
    ns_kubernetes_listing listing = {.path = "/pods",
                                     .query = "labelSelector=a%3Db",
                                     .what = "list",
                                     .page = take_page,
                                     .done = list_done,
                                     .owner = &h};
    CHECK_OK(ns_kubernetes_list(client, &listing, &err));
    SCRIPT_UNTIL(s, h.times > 0);
    return h;
}

#define FIRST_PAGE "{\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"to/2\"},\"items\":[{},{}]}"
#define LAST_PAGE  "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[{}]}"

static void a_list_comes_in_pages_of_one_moment(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    ns_kubernetes *client = client_of(&s, "token: t");
    (void)script_on(&s, (script_rule){.match = "/pods?limit=500&labelSelector=a%3Db", .body = FIRST_PAGE});
    (void)script_on(&s, (script_rule){.match = "&continue=to%2F2", .body = LAST_PAGE});
    heard h = list(&s, client, 0);
    CHECK_STATUS(NS_OK, h.status);
    CHECK_INT(3, h.items);
    CHECK_STRING("7", h.version);
    CHECK_INT(2, script_asked(&s, "/pods"));

    (void)script_on(&s, (script_rule){.match = "&continue=to%2F2", .code = 410, .body = EXPIRED, .times = 1});
    h = list(&s, client, 0); /* too old in the middle: from the beginning, not from the offered moment */
    CHECK_STATUS(NS_OK, h.status);
    CHECK_INT(3, h.items);
    CHECK_INT(2, h.firsts);
    CHECK_INT(0, script_asked(&s, "of%20another"));

    h = list(&s, client, 1); /* the caller has no room */
    CHECK_STATUS(NS_NO_MEMORY, h.status);

    (void)script_on(&s, (script_rule){.match = "&continue=to%2F2", .code = 410, .body = EXPIRED});
    h = list(&s, client, 0); /* for ever: it does not go round for ever */
    CHECK(h.expired);

    static const char *const none[] = {"[]", "{}", "{\"metadata\":{},\"items\":{}}", "{\"items\":[]}"};
    for (size_t i = 0; i < NS_COUNT_OF(none); i++) {
        (void)script_on(&s, (script_rule){.match = "/pods", .body = none[i]});
        h = list(&s, client, 0);
        CHECK_STATUS(NS_PROTOCOL, h.status);
    }
    (void)script_on(
        &s, (script_rule){.match = "/pods", .body = "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":null}"});
    h = list(&s, client, 0);
    CHECK_STATUS(NS_OK, h.status);
    CHECK_INT(0, h.items);
    CHECK_INT(1, h.pages);
    ns_kubernetes_free(client);
    script_close(&s);
}

static void head_came(void *owner)
{
    ((heard *)owner)->opened++;
}

static bool take_event(void *owner, ns_kubernetes_event_kind kind, const json_t *object)
{
    heard *h = owner;
    h->events++;
    h->bookmarks += kind == NS_KUBERNETES_BOOKMARK;
    const char *name = ns_json_string(ns_json_at(object, "metadata"), "name", "");
    (void)ns_text_copy(h->last, sizeof h->last, ns_text_of(name));
    return h->events != h->stop_at;
}

static void watch(ns_kubernetes *client, heard *h)
{
    ns_error err = {0};
    ns_kubernetes_watching watching = {.path = "/pods?watch=true",
                                       .what = "watch pods",
                                       .timeout_ms = 600000,
                                       .opened = head_came,
                                       .event = take_event,
                                       .done = hear,
                                       .owner = h,
                                       .group = h};
    CHECK_OK(ns_kubernetes_watch(client, &watching, &err));
}

#define EVENT(type, name) "{\"type\":\"" type "\",\"object\":{\"metadata\":{\"name\":\"" name "\"}}}\n"

static void a_watch_tells_each_event_and_how_it_ended(void **state)
{
    (void)state;
    static const struct {
        script_rule rule;
        ns_status wanted;
        int opened, events, stop_at;
        bool expired;
        const char *says;
    } cases[] = {
        {{.body = EVENT("ADDED", "a") EVENT("MODIFIED", "b") EVENT("BOOKMARK", "c")}, NS_OK, 1, 3, 0, false, ""},
        {{.body = ""}, NS_OK, 1, 0, 0, false, ""},
        {{.body = EVENT("ADDED", "a") "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n" EVENT(
              "ADDED", "never")},
         NS_CONFLICT,
         1,
         1,
         0,
         true,
         "too old"},
        {{.code = 410, .body = EXPIRED}, NS_CONFLICT, 0, 0, 0, true, "too old"},
        {{.code = 403, .body = "{\"kind\":\"Status\",\"message\":\"pods is forbidden\"}"},
         NS_FORBIDDEN,
         0,
         0,
         0,
         false,
         "pods is forbidden"},
        {{.body = EVENT("ADDED", "a") "<html>\n"}, NS_PROTOCOL, 1, 1, 0, false, "watch pods"},
        {{.body = EVENT("ADDED", "a") EVENT("ADDED", "b")}, NS_CANCELLED, 1, 1, 1, false, "given up"},
        {{.drop = true}, NS_PROTOCOL, 0, 0, 0, false, ""},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        script s;
        script_open(&s, "");
        script_rule rule = cases[i].rule;
        rule.match = "/pods";
        (void)script_on(&s, rule);
        ns_kubernetes *client = client_of(&s, "token: t");
        heard h = {.stop_at = cases[i].stop_at};
        watch(client, &h);
        SCRIPT_UNTIL(&s, h.times > 0);
        CHECK_STATUS(cases[i].wanted, h.status);
        CHECK_INT(cases[i].opened, h.opened);
        CHECK_INT(cases[i].events, h.events);
        CHECK_INT(cases[i].expired, h.expired);
        if (strstr(h.text, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, h.text);
        ns_kubernetes_free(client);
        script_close(&s);
    }
}

static void a_watch_goes_on_until_it_is_given_up(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    (void)script_on(&s, (script_rule){.match = "/pods", .half = true, .body = EVENT("ADDED", "a") "{\"type\":"});
    ns_kubernetes *client = client_of(&s, "token: t");
    heard h = {0};
    watch(client, &h);
    SCRIPT_UNTIL(&s, h.events == 1);
    CHECK_STRING("a", h.last);
    CHECK_INT(0, h.times);
    ns_kubernetes_cancel(client, &h);
    CHECK_INT(1, h.times);
    CHECK_STATUS(NS_CANCELLED, h.status);
    heard broken = {0};
    watch(client, &broken);
    SCRIPT_UNTIL(&s, broken.events == 1);
    script_break_off(&s);
    SCRIPT_UNTIL(&s, broken.times == 1);
    CHECK_STATUS(NS_PROTOCOL, broken.status);
    ns_kubernetes_free(client);
    script_close(&s);
}

static void we_hold_ourselves_back(void **state)
{
    (void)state;
    script s;
    script_open(&s, "");
    (void)script_on(&s, (script_rule){.match = "/a", .body = "{}"});
    ns_kubernetes *client = client_with(&s, "token: t", (ns_kubernetes_options){.requests_per_s = 0.5});
    heard slow[3] = {{0}}, urgent = {0};
    ns_error err = {0};
    for (int i = 0; i < 3; i++)
        CHECK_OK(ns_kubernetes_start(
            client,
            &(ns_kubernetes_request){.path = "/a?slow", .what = "x", .done = hear, .owner = &slow[i], .group = slow},
            &err));
    CHECK_OK(ns_kubernetes_start(
        client,
        &(ns_kubernetes_request){.path = "/a?urgent", .what = "x", .urgent = true, .done = hear, .owner = &urgent},
        &err));
    SCRIPT_UNTIL(&s, urgent.times == 1); /* it came last and went first; the others wait for their turn */
    CHECK_INT(0, slow[0].times + slow[1].times + slow[2].times);
    CHECK_INT(0, script_asked(&s, "slow"));
    ns_kubernetes_cancel(client, slow);
    CHECK_INT(3, slow[0].times + slow[1].times + slow[2].times);
    ns_kubernetes_free(client);
    script_close(&s);
}

static void memory_may_fail_anywhere(void **state)
{
    (void)state;
    for (long n = 0, good = 0; good == 0; n++) {
        script s;
        script_open(&s, "");
        (void)script_on(&s, (script_rule){.match = "/pods", .body = LAST_PAGE});
        ns_kubernetes *client = client_of(&s, "token: t, as: bob");
        heard h = {0};
        ns_error err = {0};
        ns_kubernetes_listing listing = {
            .path = "/pods", .query = "a=b", .what = "list", .page = take_page, .done = list_done, .owner = &h};
        ns_mem_fail_after(n);
        ns_status status = ns_kubernetes_list(client, &listing, &err);
        ns_mem_fail_after(-1); /* the server shares the gate: what comes later has to work */
        if (status == NS_OK) {
            SCRIPT_UNTIL(&s, h.times > 0);
            CHECK_STATUS(NS_OK, h.status);
            good = 1;
        } else {
            CHECK_STATUS(NS_NO_MEMORY, status);
            CHECK_INT(0, h.times);
        }
        ns_kubernetes_free(client);
        script_close(&s);
    }
}

typedef struct told {
    int times;
    char last[NS_KUBERNETES_WARNING_MAX];
} told;

static void hear_warning(void *owner, const char *text)
{
    told *t = owner;
    t->times++;
    (void)ns_text_copy(t->last, sizeof t->last, ns_text_of(text));
}

static void a_warning_is_told_once(void **state)
{
    (void)state;
    script s;
    told t = {0};
    char header[96];
    script_open(&s, "");
    ns_kubernetes *client = client_with(
        &s, "token: t", (ns_kubernetes_options){.warned = hear_warning, .owner = &t, .requests_per_s = 1000});
    script_rule *rule = script_on(
        &s, (script_rule){.match = "/a", .body = "{}", .header = {"Warning", "299 - \"old\", 299 - \"odd\""}});
    (void)ask(&s, client, "GET", "/a");
    CHECK_INT(2, t.times);
    CHECK_STRING("odd", t.last);
    (void)ask(&s, client, "GET", "/a");
    CHECK_INT(2, t.times);
    rule->code = 403; /* what is refused may carry one too */
    for (int i = 0; i < NS_KUBERNETES_WARNINGS_MAX + 10; i++) {
        (void)snprintf(header, sizeof header, "299 - \"another, number %d\"", i);
        rule->header[1] = header;
        (void)ask(&s, client, "GET", "/a");
    }
    CHECK_INT(NS_KUBERNETES_WARNINGS_MAX, t.times); /* a server that finds ever new words fills no log */
    ns_kubernetes_free(client);
    script_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_with_their_meaning),
        cmocka_unit_test(who_is_asked_for_is_said),
        cmocka_unit_test(a_warning_is_told_once),
        cmocka_unit_test(a_token_file_is_read_again_after_a_refusal),
        cmocka_unit_test(a_plug_in_is_run_only_by_leave_and_again_after_a_refusal),
        cmocka_unit_test(a_list_comes_in_pages_of_one_moment),
        cmocka_unit_test(a_watch_tells_each_event_and_how_it_ended),
        cmocka_unit_test(a_watch_goes_on_until_it_is_given_up),
        cmocka_unit_test(we_hold_ourselves_back),
        cmocka_unit_test(memory_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
