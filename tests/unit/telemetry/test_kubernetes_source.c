/* The source of Kubernetes against a scripted API server: joined, changed, lost, denied, found again. */
#include "jenkins_script.h"

#include "kubernetes_fixtures.h"
#include "telemetry/kubernetes_source.h"

typedef struct scene {
    script s;
    ns_kubernetes *client;
    ns_snapshot *snapshot;
    ns_clock clock;
    ns_source source;
    ns_pipeline_view *carts;
} scene;

#define ALL_WELL                                                                                                       \
    KUBE_POD("p1", "carts-abc", "Running", "0", KUBE_RUNNING, "{}")                                                    \
    "," KUBE_POD("p2", "carts-abc", "Running", "1", KUBE_RUNNING, "{}")

static void answer(script *s, const char *match, const char *body)
{
    (void)script_on(s, (script_rule){.match = match, .body = body});
}

/* A watch that stays open with these events so far. */
static void stream(script *s, const char *match, const char *body)
{
    (void)script_on(s, (script_rule){.match = match, .half = true, .body = body, .type = "application/json"});
}

static void set_lists(script *s)
{
    answer(s, "/deployments?limit", KUBE_LIST(KUBE_DEPLOYMENT("carts", "1", "2", "2")));
    answer(s, "/replicasets?limit", KUBE_LIST(KUBE_REPLICASET("carts", "abc", "1")));
    answer(s, "/pods?limit", KUBE_LIST(ALL_WELL));
    answer(s, "/events?limit", KUBE_LIST(""));
    answer(s, "/horizontalpodautoscalers?limit", KUBE_LIST(""));
    answer(s, "/nodes?limit",
           KUBE_LIST("{\"metadata\":{\"name\":\"n\",\"uid\":\"n\"},\"status\":{\"conditions\":[{"
                     "\"type\":\"Ready\",\"status\":\"True\"}]}}"));
    (void)script_on(s, (script_rule){.match = "watch=true", .hold = true});
}

static void open_scene(scene *t, int64_t confirm_ms)
{
    ns_kubernetes_access access;
    ns_error err = {0};
    char config[512];
    script_open(&t->s, "");
    set_lists(&t->s);
    (void)snprintf(config, sizeof config,
                   "clusters: [{name: c, cluster: {server: '%s'}}]\ncurrent-context: x\n"
                   "contexts: [{name: x, context: {cluster: c, user: u, namespace: sock-shop}}]\n"
                   "users: [{name: u, user: {token: t}}]\n",
                   t->s.url);
    CHECK_OK(ns_kubernetes_access_read(ns_text_of(config), NULL, &access, &err));
    CHECK_OK(ns_kubernetes_new(t->s.loop, &(ns_kubernetes_options){.access = &access, .requests_per_s = 1000},
                               &t->client, &err));
    t->snapshot = ns_snapshot_new();
    t->clock = ns_clock_real();
    CHECK(t->snapshot != NULL);
    ns_kubernetes_source_options options = {.client = t->client, .confirm_ms = confirm_ms};
    CHECK_OK(ns_kubernetes_source_new(t->s.loop, t->snapshot, &t->clock, &options, &t->source, &err));
    t->carts = ns_snapshot_pipeline(t->snapshot, NS_TEXT("shop/carts"));
    CHECK(t->carts != NULL);
    t->carts->deployment_fixed = ns_text_copy(t->carts->deployment, sizeof t->carts->deployment, NS_TEXT("carts"));
}

static void close_scene(scene *t)
{
    t->source.free(t->source.self);
    ns_kubernetes_free(t->client);
    ns_snapshot_free(t->snapshot);
    script_close(&t->s);
}

static void tick(scene *t)
{
    t->source.poll(t->source.self, ns_clock_now_ms(&t->clock));
}

static int64_t fact(const scene *t, ns_deployment_fact which)
{
    return ns_deployment_fact_of(&t->carts->cluster, which);
}

static ns_source_state state_of(const scene *t)
{
    return t->snapshot->source[NS_FROM_kubernetes].state;
}

/* Ticks until the condition holds. */
#define TICKING(t, condition)                                                                                          \
    do {                                                                                                               \
        int64_t give_up_ns = ns_monotonic_ns() + (int64_t)30 * 1000000000;                                             \
        while (tick(t), script_turn(&(t)->s), !(condition))                                                            \
            if (ns_monotonic_ns() > give_up_ns)                                                                        \
                fail_msg("never came true: %s", #condition);                                                           \
    } while (0)

static void what_the_lists_say_is_joined(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t, 0);
    answer(&t.s, "/pods?limit",
           KUBE_LIST(ALL_WELL ",{" KUBE_META(
               "p3", "1",
               ",\"deletionTimestamp\":\"2026-11-23T10:00:00Z\"" KUBE_OWNED(
                   "carts-abc")) ",\"status\":{\"phase\":\"Running\"}}," KUBE_POD("p4", "carts-abc", "Succeeded", "4",
                                                                                  KUBE_RUNNING, "{}")));
    answer(
        &t.s, "/events?limit",
        KUBE_LIST("{" KUBE_META(
            "e1", "1", "") ",\"involvedObject\":{\"uid\":\"uid-p2\",\"name\":\"p2\"},\"reason\":"
                           "\"BackOff\",\"type\":\"Warning\",\"lastTimestamp\":"
                           "\"2026-11-23T10:00:00Z\",\"message\":\"m1\"},"
                           "{" KUBE_META("e2", "1",
                                         "") ",\"involvedObject\":{\"uid\":"
                                             "\"uid-carts-abc\"},\"reason\":\"SuccessfulCreate\",\"type\":\"Normal\","
                                             "\"lastTimestamp\":\"2026-11-23T10:00:09Z\"}"));
    CHECK_INT(NS_SOURCE_starting, state_of(&t));
    tick(&t);
    CHECK(!t.source.settled(t.source.self));
    SCRIPT_UNTIL(&t.s, t.source.settled(t.source.self));
    CHECK_INT(NS_SOURCE_ok, state_of(&t));
    const ns_deployment_view *c = &t.carts->cluster;
    CHECK(c->exists && c->at_ms > 0 && c->rollout == NS_ROLLOUT_complete);
    CHECK_STRING("abc", c->template_hash);
    CHECK_INT(1795428060000, c->since_ms);      /* met as it was: its rollout progressed last then */
    CHECK_INT(2, fact(&t, NS_DEPLOYMENT_pods)); /* those that go and those that are over are none */
    CHECK_INT(1, fact(&t, NS_DEPLOYMENT_restarts));
    CHECK_INT(0, fact(&t, NS_DEPLOYMENT_pods_oom_killed));
    CHECK_INT(0, c->has_hpa);
    CHECK_STRING("SuccessfulCreate", c->event[0].reason); /* newest first */
    CHECK_STRING("BackOff", c->event[1].reason);
    CHECK_NEAR(1, t.snapshot->nodes_ready.value, 0);
    CHECK(script_asked(&t.s,
                       "GET /apis/apps/v1/namespaces/sock-shop/deployments?watch=true&allowWatchBookmarks=true") == 1);
    close_scene(&t);
}

static void what_a_watch_says_changes_it(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t, 0);
    stream(&t.s, "/pods?watch=true",
           KUBE_CHANGED(KUBE_POD("p1", "carts-abc", "Running", "5", KUBE_WAITING("CrashLoopBackOff"), "{}"))
               KUBE_GONE(KUBE_POD("p2", "carts-abc", "Running", "1", KUBE_RUNNING, "{}")) KUBE_ADDED(
                   KUBE_POD("p3", "other", "Running", "1", KUBE_RUNNING,
                            "{}")) "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"200\"}}}\n");
    stream(&t.s, "/deployments?watch=true",
           KUBE_CHANGED(KUBE_DEPLOYMENT_WITH("carts", "150", "2", "2", "3", "1", "", "{}", "x")));
    stream(&t.s, "/replicasets?watch=true", KUBE_ADDED(KUBE_REPLICASET("carts", "def", "2")));
    TICKING(&t, fact(&t, NS_DEPLOYMENT_pods_crash_looping) == 1 && fact(&t, NS_DEPLOYMENT_replicas_wanted) == 3 &&
                    strcmp(t.carts->cluster.template_hash, "def") == 0);
    CHECK_INT(1, fact(&t, NS_DEPLOYMENT_pods));
    CHECK_INT(5, fact(&t, NS_DEPLOYMENT_restarts));
    CHECK_INT(NS_ROLLOUT_progressing, t.carts->cluster.rollout);
    script_break_off(&t.s); /* and it goes on from the bookmark */
    TICKING(&t, script_asked(&t.s, "/pods?watch=true") >= 2);
    CHECK(script_asked(&t.s, "resourceVersion=200") >= 1);
    close_scene(&t);
}

static void what_has_grown_too_old_is_listed_anew(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t, 0);
    (void)script_on(&t.s,
                    (script_rule){.match = "/pods?watch=true",
                                  .times = 1,
                                  .body = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n"});
    (void)script_on(&t.s, (script_rule){.match = "/deployments?watch=true", .times = 1, .code = 410, .body = "{}"});
    (void)script_on(&t.s, (script_rule){.match = "/pods?limit",
                                        .times = 1,
                                        .body = KUBE_LIST(ALL_WELL "," KUBE_POD("p3", "carts-abc", "Running", "9",
                                                                                KUBE_RUNNING, "{}"))});
    tick(&t);
    SCRIPT_UNTIL(&t.s, script_asked(&t.s, "/pods?limit") == 2 && script_asked(&t.s, "/deployments?limit") == 2);
    TICKING(&t, state_of(&t) == NS_SOURCE_ok && fact(&t, NS_DEPLOYMENT_pods) == 2); /* replaced, not added */
    CHECK_INT(1, fact(&t, NS_DEPLOYMENT_restarts));

    /* Too old, and the list fails at first: it is listed again, not watched from the version that was too old. */
    SCRIPT_UNTIL(&t.s, script_asked(&t.s, "/deployments?watch=true") == 2);
    (void)script_on(&t.s, (script_rule){.match = "/deployments?watch=true", .times = 1, .code = 410, .body = "{}"});
    (void)script_on(&t.s, (script_rule){.match = "/deployments?limit", .times = 1, .code = 503, .body = "{}"});
    script_break_off(&t.s);
    SCRIPT_UNTIL(&t.s, script_asked(&t.s, "/deployments?watch=true") == 4);
    CHECK_INT(4, script_asked(&t.s, "/deployments?limit"));
    close_scene(&t);
}

static void trouble_is_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *match;
        script_rule rule;
        ns_source_state wanted;
        const char *says;
    } cases[] = {
        {"/pods?limit", {.code = 403, .body = "{\"message\":\"pods is forbidden\"}"}, NS_SOURCE_unauthorized, "RBAC"},
        {"/pods?limit", {.code = 401, .body = "{}"}, NS_SOURCE_unauthorized, "credentials"},
        {"/deployments?limit", {.code = 503, .body = "{}"}, NS_SOURCE_starting, "not ready"},
        {"/deployments?limit", {.drop = true}, NS_SOURCE_down, ""},
        {"/deployments?limit", {.body = "[]"}, NS_SOURCE_down, "no list"},
        {"/nodes?limit", {.code = 403, .body = "{\"message\":\"nodes is forbidden\"}"}, NS_SOURCE_ok, "nodes"},
        {"/horizontalpodautoscalers?limit",
         {.code = 404, .type = "text/plain", .body = "404 page not found"},
         NS_SOURCE_ok,
         "404 page not found"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        static scene t;
        open_scene(&t, 0);
        script_rule rule = cases[i].rule;
        rule.match = cases[i].match;
        (void)script_on(&t.s, rule);
        TICKING(&t, t.snapshot->source[NS_FROM_kubernetes].error[0] != '\0' && state_of(&t) == cases[i].wanted);
        if (strstr(t.snapshot->source[NS_FROM_kubernetes].error, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, t.snapshot->source[NS_FROM_kubernetes].error);
        if (strcmp(cases[i].match, "/nodes?limit") == 0)
            CHECK(!ns_value_known(t.snapshot->nodes_ready));
        if (strncmp(cases[i].match, "/horizontal", 11) == 0)
            CHECK_INT(-1, t.carts->cluster.has_hpa); /* not known is not none */
        close_scene(&t);
    }
}

static void a_deployment_that_is_not_there_is_told_from_an_unknown_one(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t, 0);
    ns_pipeline_view *none = ns_snapshot_pipeline(t.snapshot, NS_TEXT("shop/none"));
    ns_pipeline_view *elsewhere = ns_snapshot_pipeline(t.snapshot, NS_TEXT("shop/elsewhere"));
    ns_pipeline_view *home = ns_snapshot_pipeline(t.snapshot, NS_TEXT("shop/home"));
    CHECK(none != NULL && elsewhere != NULL && home != NULL);
    none->deployment_fixed = ns_text_copy(none->deployment, sizeof none->deployment, NS_TEXT("no-such"));
    elsewhere->deployment_fixed =
        ns_text_copy(elsewhere->deployment, sizeof elsewhere->deployment, NS_TEXT("other/carts"));
    home->deployment_fixed = ns_text_copy(home->deployment, sizeof home->deployment, NS_TEXT("sock-shop/carts"));
    TICKING(&t, state_of(&t) == NS_SOURCE_ok && home->cluster.exists);
    CHECK(!none->cluster.exists && none->cluster.at_ms > 0);
    CHECK(!elsewhere->cluster.exists && elsewhere->cluster.at_ms == -1); /* a namespace that is not watched */
    close_scene(&t);
}

static void a_deployment_names_its_jobs(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t, 0);
    answer(
        &t.s, "/deployments?limit",
        KUBE_LIST(KUBE_DEPLOYMENT_WITH(
            "carts", "1", "1", "1", "1", "1", ",\"neuroshield.io/jenkins-job\":\"shop/carts, shop/a,shop/both\"", "{}",
            "x") "," KUBE_DEPLOYMENT_WITH("orders", "1", "1", "1", "1", "1",
                                          ",\"neuroshield.io/jenkins-job\":\"shop/both,shop/carts\"", "{}", "x")));
    ns_pipeline_view *a = ns_snapshot_pipeline(t.snapshot, NS_TEXT("shop/a"));
    ns_pipeline_view *both = ns_snapshot_pipeline(t.snapshot, NS_TEXT("shop/both"));
    CHECK(a != NULL && both != NULL);
    TICKING(&t, a->cluster.exists);
    CHECK_STRING("carts", a->deployment);
    CHECK_STRING("", both->deployment);         /* two claim it: nobody gets it */
    CHECK_STRING("carts", t.carts->deployment); /* the configuration has the last word */
    close_scene(&t);
}

static void silence_is_asked_about(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t, 1);
    stream(&t.s, "watch=true", "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"101\"}}}\n");
    TICKING(&t, script_asked(&t.s, "/pods?watch=true") >= 3);
    CHECK_INT(NS_SOURCE_ok, state_of(&t));
    close_scene(&t);
}

static void a_namespace_is_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "Sock", "a/b", "-a", "a-", "a..b", "%2e"};
    for (size_t i = 0; i < NS_COUNT_OF(bad); i++) {
        static scene t;
        open_scene(&t, 0);
        ns_source other;
        ns_error err;
        ns_kubernetes_source_options options = {.client = t.client, .name_space = bad[i]};
        CHECK_STATUS(NS_BAD_USAGE, ns_kubernetes_source_new(t.s.loop, t.snapshot, &t.clock, &options, &other, &err));
        close_scene(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_lists_say_is_joined),
        cmocka_unit_test(what_a_watch_says_changes_it),
        cmocka_unit_test(what_has_grown_too_old_is_listed_anew),
        cmocka_unit_test(trouble_is_told_apart),
        cmocka_unit_test(a_deployment_that_is_not_there_is_told_from_an_unknown_one),
        cmocka_unit_test(a_deployment_names_its_jobs),
        cmocka_unit_test(silence_is_asked_about),
        cmocka_unit_test(a_namespace_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
