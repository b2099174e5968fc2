/* The hands of Kubernetes against a scripted API server: lost answers, conflicts, refusals, and the exact patches. */
#include "jenkins_script.h"

#include "kubernetes_fixtures.h"
#include "orchestration/kubernetes_actions.h"
#include "orchestration/kubernetes_change.h"
#include "wire/json.h"

#define KEY "0123456789abcdef0123456789abcdef"
#define CARTS_AT(version, generation, wanted, annotations)                                                             \
    KUBE_DEPLOYMENT_WITH("carts", version, generation, "2", wanted, wanted,                                            \
                         ",\"neuroshield.io/jenkins-job\":\"shop/carts\"" annotations,                                 \
                         KUBE_TEMPLATE("carts", "shop/carts:def"), "NewReplicaSetAvailable")
#define CARTS CARTS_AT("50", "4", "2", "")
#define SETS  KUBE_LIST(KUBE_REPLICASET("carts", "def", "2") "," KUBE_REPLICASET("carts", "abc", "1"))

typedef struct scene {
    script s;
    ns_kubernetes *client;
    ns_hands hands;
    int times;
    ns_effect_answer answer;
} scene;

static void hear(void *owner, const ns_effect *effect, const ns_effect_answer *answer)
{
    scene *t = owner;
    CHECK_STRING(KEY, effect->key);
    t->times++;
    t->answer = *answer;
}

static int64_t settle_ms;

static void open_scene(scene *t)
{
    ns_kubernetes_access access;
    ns_error err = {0};
    char config[512];
    script_open(&t->s, "");
    (void)snprintf(config, sizeof config,
                   "clusters: [{name: c, cluster: {server: '%s'}}]\ncurrent-context: x\n"
                   "contexts: [{name: x, context: {cluster: c, user: u, namespace: sock-shop}}]\n"
                   "users: [{name: u, user: {token: t}}]\n",
                   t->s.url);
    CHECK_OK(ns_kubernetes_access_read(ns_text_of(config), NULL, &access, &err));
    CHECK_OK(ns_kubernetes_new(t->s.loop, &(ns_kubernetes_options){.access = &access, .requests_per_s = 1000},
                               &t->client, &err));
    CHECK_OK(ns_kubernetes_hands_new(&(ns_kubernetes_hands_options){.client = t->client, .settle_ms = settle_ms},
                                     &t->hands, &err));
    (void)script_on(&t->s,
                    (script_rule){.match = "GET /apis/apps/v1/namespaces/sock-shop/deployments/carts", .body = CARTS});
    (void)script_on(&t->s, (script_rule){.match = "/replicasets?labelSelector=name%3Dcarts", .body = SETS});
    (void)script_on(&t->s, (script_rule){.match = "/horizontalpodautoscalers", .body = KUBE_LIST("")});
    (void)script_on(&t->s, (script_rule){.match = "PATCH ", .body = "{}"});
    t->times = 0;
}

static void close_scene(scene *t)
{
    t->hands.free(t->hands.self);
    ns_kubernetes_free(t->client);
    script_close(&t->s);
}

static ns_effect effect_of(ns_action action)
{
    ns_effect effect = {.action = action, .replicas = action == NS_ACTION_scale_up ? 3 : 0};
    (void)ns_text_copy(effect.key, sizeof effect.key, NS_TEXT(KEY));
    (void)ns_text_copy(effect.deployment, sizeof effect.deployment, NS_TEXT("carts"));
    if (action == NS_ACTION_rollback)
        (void)ns_text_copy(effect.target, sizeof effect.target, NS_TEXT("abc"));
    return effect;
}

typedef enum deed { PREPARE, SEND, RECONCILE } deed;

static ns_effect_answer act(scene *t, deed what, const ns_effect *effect)
{
    t->times = 0;
    (what == PREPARE ? t->hands.prepare
     : what == SEND  ? t->hands.send
                     : t->hands.reconcile)(t->hands.self, effect, hear, t);
    SCRIPT_UNTIL(&t->s, t->times > 0);
    CHECK_INT(1, t->times);
    return t->answer;
}

static void prepare(scene *t, ns_effect *effect)
{
    ns_effect_answer answer = act(t, PREPARE, effect);
    if (answer.sent != NS_SENT_acknowledged)
        fail_msg("%s", answer.error.text);
    (void)ns_text_copy(effect->baseline, sizeof effect->baseline, ns_text_of(answer.baseline));
}

static const ns_action actions[] = {NS_ACTION_scale_up, NS_ACTION_rollback, NS_ACTION_restart_pods};

static void a_dry_run_comes_first_and_the_patch_is_the_same(void **state)
{
    (void)state;
    static const char *const patches[] = {
        "/deployments/carts/scale?fieldManager=neuroshield {\"metadata\":{\"resourceVersion\":\"50\"},\"spec\":{"
        "\"replicas\":3}}",
        "/deployments/carts?fieldManager=neuroshield "
        "[{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":"
        "\"50\"},{\"op\":\"replace\",\"path\":\"/spec/template\",\"value\":{\"metadata\":{\"creationTimestamp\":null,"
        "\"labels\":{\"name\":\"carts\"}},\"spec\":{\"containers\":[{\"name\":\"carts\",\"image\":\"shop/carts:abc\"}],"
        "\"later\":{\"n\":1.0}}}},{\"op\":\"add\",\"path\":\"/metadata/annotations\",\"value\":{\"of\":\"abc\","
        "\"deployment.kubernetes.io/revision\":\"2\",\"neuroshield.io/jenkins-job\":\"shop/carts\","
        "\"neuroshield.io/key\":\"" KEY "\"}}]",
        "/deployments/carts?fieldManager=neuroshield "
        "{\"metadata\":{\"resourceVersion\":\"50\"},\"spec\":{\"template\":{"
        "\"metadata\":{\"annotations\":{\"neuroshield.io/key\":\"" KEY "\"}}}}}",
    };
    for (size_t i = 0; i < NS_COUNT_OF(actions); i++) {
        static scene t;
        open_scene(&t);
        ns_effect effect = effect_of(actions[i]);
        prepare(&t, &effect);
        CHECK_INT(1, script_asked(&t.s, "PATCH "));
        CHECK_INT(1, script_asked(&t.s, "&dryRun=All"));
        CHECK_INT(NS_SENT_acknowledged, act(&t, SEND, &effect).sent);
        if (script_asked(&t.s, patches[i]) != 1)
            fail_msg("wanted %s\ngot %s", patches[i], t.s.request[t.s.request_count - 1]);
        CHECK_INT(1, script_asked(&t.s, "&dryRun=All"));
        CHECK_INT(i == 0,
                  script_asked(&t.s, "carts?fieldManager=neuroshield {\"metadata\":{\"annotations\":{"
                                     "\"neuroshield.io/key\":\"" KEY "\"}}}")); /* a scaling's key goes by itself */
        close_scene(&t);
    }
}

static void what_became_of_a_patch_is_told_or_not_known(void **state)
{
    (void)state;
    static const struct {
        script_rule rule;
        ns_sent wanted;
        int patches; /* beside the dry run */
    } cases[] = {
        {{.drop = true}, NS_SENT_unknown, 1},
        {{.code = 500, .body = "{}"}, NS_SENT_unknown, 1},
        {{.code = 504, .body = "{}"}, NS_SENT_unknown, 1},
        {{.body = "cut"}, NS_SENT_unknown, 1},
        {{.code = 403, .body = "{}"}, NS_SENT_refused, 1},
        {{.code = 404, .body = "{}"}, NS_SENT_refused, 1},
        {{.code = 422, .body = "{\"details\":{\"causes\":[{\"field\":\"spec\"}]}}"}, NS_SENT_refused, 1},
        {{.code = 429, .body = "{}"}, NS_SENT_refused, 1},
        {{.code = 409, .body = "{}"}, NS_SENT_refused, 4}, /* looked at again, a few times */
        {{.code = 409, .body = "{}", .times = 2}, NS_SENT_acknowledged, 3},
    };
    for (size_t a = 0; a < NS_COUNT_OF(actions); a++) {
        for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
            static scene t;
            open_scene(&t);
            ns_effect effect = effect_of(actions[a]);
            prepare(&t, &effect);
            script_rule rule = cases[i].rule;
            rule.match = "PATCH ";
            (void)script_on(&t.s, rule);
            ns_effect_answer answer = act(&t, SEND, &effect);
            int annotated = cases[i].wanted == NS_SENT_acknowledged && actions[a] == NS_ACTION_scale_up;
            if (answer.sent != cases[i].wanted || script_asked(&t.s, "PATCH ") != 1 + cases[i].patches + annotated)
                fail_msg("%s case %zu: %s after %d patches: %s", ns_action_name(actions[a]), i,
                         ns_sent_name(answer.sent), script_asked(&t.s, "PATCH "), answer.error.text);
            close_scene(&t);
        }
    }
}

static void reading_tells_whether_it_was_done(void **state)
{
    (void)state;
    static const struct {
        const char *deployment;
        ns_sent wanted[3]; /* of scale_up, rollback, restart_pods */
    } cases[] = {
        {CARTS, {NS_SENT_refused, NS_SENT_refused, NS_SENT_refused}}, /* nothing has changed */
        {CARTS_AT("99", "4", "2", ",\"x\":\"y\""), {NS_SENT_refused, NS_SENT_refused, NS_SENT_refused}},
        {CARTS_AT("51", "5", "3", ""), {NS_SENT_acknowledged, NS_SENT_unknowable, NS_SENT_unknowable}},
        {CARTS_AT("51", "5", "2", ",\"neuroshield.io/key\":\"" KEY "\""),
         {NS_SENT_acknowledged, NS_SENT_acknowledged, NS_SENT_unknowable}},
        {KUBE_DEPLOYMENT_WITH("carts", "51", "5", "2", "2", "2", "",
                              "{\"metadata\":{\"annotations\":{\"neuroshield.io/key\":\"" KEY "\"}}}", "x"),
         {NS_SENT_unknowable, NS_SENT_unknowable, NS_SENT_acknowledged}},
        {CARTS_AT("51", "5", "7", ""), {NS_SENT_unknowable, NS_SENT_unknowable, NS_SENT_unknowable}},
        {KUBE_DEPLOYMENT_WITH("carts-made-anew", "51", "1", "1", "2", "2", "", "{}", "x"),
         {NS_SENT_refused, NS_SENT_refused, NS_SENT_refused}},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        for (size_t a = 0; a < NS_COUNT_OF(actions); a++) {
            static scene t;
            open_scene(&t);
            ns_effect effect = effect_of(actions[a]);
            prepare(&t, &effect);
            (void)script_on(&t.s, (script_rule){.match = "GET /apis/apps/v1/namespaces/sock-shop/deployments/carts",
                                                .body = cases[i].deployment});
            int before = script_asked(&t.s, "PATCH ");
            ns_effect_answer answer = act(&t, RECONCILE, &effect);
            if (answer.sent != cases[i].wanted[a])
                fail_msg("%s case %zu: %s: %s", ns_action_name(actions[a]), i, ns_sent_name(answer.sent),
                         answer.error.text);
            CHECK_INT(before, script_asked(&t.s, "PATCH ")); /* it only reads */
            close_scene(&t);
        }
    }
}

static void what_cannot_be_done_is_refused_before_it_is_written(void **state)
{
    (void)state;
    static const struct {
        ns_action action;
        script_rule rule;
        ns_sent wanted;
        const char *says;
    } cases[] = {
        {NS_ACTION_scale_up,
         {.match = "/horizontalpodautoscalers",
          .body = KUBE_LIST("{" KUBE_META("auto", "1", "") ",\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\","
                                                           "\"name\":\"carts\"}}}")},
         NS_SENT_refused,
         "HorizontalPodAutoscaler auto"},
        {NS_ACTION_scale_up,
         {.match = "/horizontalpodautoscalers", .code = 403, .body = "{}"},
         NS_SENT_refused,
         "autoscaler"},
        {NS_ACTION_scale_up,
         {.match = "/horizontalpodautoscalers", .code = 404, .type = "text/plain", .body = "404 page not found"},
         NS_SENT_acknowledged,
         ""},
        {NS_ACTION_scale_up, {.match = "GET ", .body = CARTS_AT("1", "4", "3", "")}, NS_SENT_refused, "already"},
        {NS_ACTION_scale_up, {.match = "/carts", .body = CARTS_AT("1", "4", "9", "")}, NS_SENT_refused, "9 replicas"},
        {NS_ACTION_scale_up,
         {.match = "/carts", .body = CARTS_AT("1", "4", "0", "")},
         NS_SENT_refused,
         "scaled it to 0"},
        {NS_ACTION_restart_pods, {.match = "/carts", .body = CARTS_AT("1", "4", "0", "")}, NS_SENT_refused, "no pods"},
        {NS_ACTION_rollback,
         {.match = "/replicasets", .body = KUBE_LIST(KUBE_REPLICASET("carts", "def", "2"))},
         NS_SENT_refused,
         "no longer in its history"},
        {NS_ACTION_rollback,
         {.match = "/replicasets", .body = KUBE_LIST(KUBE_REPLICASET("other", "abc", "1"))},
         NS_SENT_refused,
         "no longer in its history"}, /* another Deployment's */
        {NS_ACTION_rollback,
         {.match = "/carts",
          .body = KUBE_DEPLOYMENT_WITH("carts", "50", "4", "1", "2", "2", "", KUBE_TEMPLATE("carts", "x"), "x")},
         NS_SENT_refused,
         "present one"},
        {NS_ACTION_restart_pods, {.match = "/carts", .code = 404, .body = "{}"}, NS_SENT_refused, "no such thing"},
        {NS_ACTION_restart_pods, {.match = "/carts", .body = "{\"metadata\":{}}"}, NS_SENT_unknown, "no Deployment"},
        {NS_ACTION_restart_pods,
         {.match = "dryRun=All", .code = 403, .body = "{\"message\":\"quota\"}"},
         NS_SENT_refused,
         "quota"},
        {NS_ACTION_restart_pods, {.match = "dryRun=All", .code = 503, .body = "{}"}, NS_SENT_unknown, "not ready"},
        {NS_ACTION_restart_pods, {.match = "/carts", .drop = true}, NS_SENT_unknown, ""},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        static scene t;
        open_scene(&t);
        ns_effect effect = effect_of(cases[i].action);
        (void)script_on(&t.s, cases[i].rule);
        ns_effect_answer answer = act(&t, PREPARE, &effect);
        bool said = cases[i].wanted == NS_SENT_acknowledged || strstr(answer.error.text, cases[i].says) != NULL;
        if (answer.sent != cases[i].wanted || !said)
            fail_msg("case %zu: %s: %s", i, ns_sent_name(answer.sent), answer.error.text);
        CHECK_INT(script_asked(&t.s, "PATCH "), script_asked(&t.s, "dryRun=All")); /* nothing was written */
        close_scene(&t);
    }
}

/* Bytes that left before a crash may arrive after it. */
static void what_may_still_be_under_way_is_not_called_unsent(void **state)
{
    (void)state;
    for (size_t a = 0; a < NS_COUNT_OF(actions); a++) {
        static scene t;
        settle_ms = 3600000;
        open_scene(&t);
        settle_ms = 0;
        ns_effect effect = effect_of(actions[a]);
        prepare(&t, &effect);
        CHECK_INT(NS_SENT_unknown, act(&t, RECONCILE, &effect).sent);
        close_scene(&t);
        open_scene(&t);
        CHECK_INT(NS_SENT_refused, act(&t, RECONCILE, &effect).sent);
        close_scene(&t);
    }
}

/* Pods that we gave are taken back while they are still ours to take. The server hands spec.replicas over to whoever
 * changes it: so it shows even a number that was changed and changed back. */
static void pods_are_taken_back_only_from_what_we_set(void **state)
{
    (void)state;
#define SCALED_BY(manager, wanted)                                                                                     \
    "{\"metadata\":{\"name\":\"carts\",\"uid\":\"u\",\"resourceVersion\":\"50\",\"generation\":5,\"managedFields\":["  \
    "{\"manager\":\"kubelet\",\"fieldsV1\":{\"f:status\":{\"f:replicas\":{}}}},"                                       \
    "{\"manager\":\"" manager "\",\"subresource\":\"scale\",\"fieldsV1\":{\"f:spec\":{\"f:replicas\":{}}}}]},"         \
    "\"spec\":{\"replicas\":" wanted ",\"selector\":{\"matchLabels\":{\"name\":\"carts\"}}}}"
    static const struct {
        const char *body;
        int replicas;
        ns_sent wanted;
        const char *says;
    } cases[] = {
        {CARTS_AT("50", "5", "3", ""), 2, NS_SENT_acknowledged, ""}, /* a server that does not tell who set it */
        {SCALED_BY("neuroshield", "3"), 2, NS_SENT_acknowledged, ""},
        {SCALED_BY("kubectl", "3"), 2, NS_SENT_refused, "kubectl has set its replicas since"},
        {SCALED_BY("neuroshield", "4"), 2, NS_SENT_refused, "4 replicas, no longer 3"},
        {SCALED_BY("neuroshield", "0"), 2, NS_SENT_refused, "scaled it to 0"},
        {SCALED_BY("neuroshield", "3"), 4, NS_SENT_refused, "no more than 4"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        static scene t;
        open_scene(&t);
        ns_effect effect = effect_of(NS_ACTION_scale_up);
        effect.undo = true;
        effect.replicas = cases[i].replicas;
        (void)ns_text_copy(effect.target, sizeof effect.target, NS_TEXT("3"));
        (void)script_on(&t.s, (script_rule){.match = "GET /apis/apps/v1/namespaces/sock-shop/deployments/carts",
                                            .body = cases[i].body});
        ns_effect_answer answer = act(&t, PREPARE, &effect);
        bool said = cases[i].wanted == NS_SENT_acknowledged || strstr(answer.error.text, cases[i].says) != NULL;
        if (answer.sent != cases[i].wanted || !said)
            fail_msg("case %zu: %s: %s", i, ns_sent_name(answer.sent), answer.error.text);
        close_scene(&t);
    }
}

/* Of a request that was under way when reading said that it had not been done. */
static void a_number_that_is_there_already_is_not_set_again(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t);
    ns_effect effect = effect_of(NS_ACTION_scale_up);
    prepare(&t, &effect);
    (void)script_on(&t.s, (script_rule){.match = "/deployments/carts", .body = CARTS_AT("60", "5", "3", "")});
    CHECK_INT(NS_SENT_acknowledged, act(&t, SEND, &effect).sent);
    CHECK_INT(1, script_asked(&t.s, "PATCH ")); /* the dry run */
    close_scene(&t);
}

static void a_change_meanwhile_stops_a_send(void **state)
{
    (void)state;
    for (size_t a = 0; a < NS_COUNT_OF(actions); a++) {
        static scene t;
        open_scene(&t);
        ns_effect effect = effect_of(actions[a]);
        prepare(&t, &effect);
        (void)script_on(&t.s, (script_rule){.match = "/deployments/carts", .body = CARTS_AT("60", "5", "2", "")});
        ns_effect_answer answer = act(&t, SEND, &effect);
        CHECK_INT(NS_SENT_refused, answer.sent);
        CHECK_STATUS(NS_CONFLICT, answer.error.status);
        CHECK_INT(1, script_asked(&t.s, "PATCH ")); /* the dry run */
        close_scene(&t);
    }
}

static void what_is_not_for_these_hands_is_refused_at_once(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t);
    ns_effect effect = effect_of(NS_ACTION_retry_build);
    CHECK_INT(NS_SENT_refused, act(&t, PREPARE, &effect).sent);
    effect = effect_of(NS_ACTION_rollback);
    effect.deployment[0] = '\0';
    CHECK_INT(NS_SENT_refused, act(&t, PREPARE, &effect).sent);
    (void)ns_text_copy(effect.deployment, sizeof effect.deployment, NS_TEXT("sock-shop/"));
    CHECK_INT(NS_SENT_refused, act(&t, PREPARE, &effect).sent);
    effect = effect_of(NS_ACTION_rollback);
    CHECK_INT(NS_SENT_refused, act(&t, SEND, &effect).sent); /* without a baseline nothing leaves */
    CHECK_INT(NS_SENT_unknown, act(&t, RECONCILE, &effect).sent);
    CHECK_INT(0, (int)t.s.request_count);
    (void)script_on(&t.s, (script_rule){.match = "GET ", .hold = true});
    t.times = 0;
    t.hands.prepare(t.hands.self, &effect, hear, &t);
    SCRIPT_UNTIL(&t.s, t.s.request_count == 1);
    close_scene(&t); /* with one under way */
    CHECK_INT(1, t.times);
}

static void a_selector_is_written_as_the_api_reads_it(void **state)
{
    (void)state;
    static const struct {
        const char *selector, *wanted; /* NULL: none */
    } cases[] = {
        {"{\"matchLabels\":{\"a\":\"b\",\"c\":\"d\"}}", "a=b,c=d"},
        {"{\"matchLabels\":{\"a\":\"b\"},\"matchExpressions\":[{\"key\":\"t\",\"operator\":\"In\",\"values\":[\"x\","
         "\"y\"]},"
         "{\"key\":\"u\",\"operator\":\"NotIn\",\"values\":[\"z\"]},{\"key\":\"v\",\"operator\":\"Exists\"},"
         "{\"key\":\"w\",\"operator\":\"DoesNotExist\"}]}",
         "a=b,t in (x,y),u notin (z),v,!w"},
        {"{}", NULL},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        char text[512];
        json_t *json = NULL;
        ns_buf out;
        ns_buf_init(&out, 1024);
        (void)snprintf(text, sizeof text, "{\"spec\":{\"selector\":%s}}", cases[i].selector);
        CHECK_OK(ns_json_read(ns_text_of(text), &json, NULL));
        CHECK_STATUS(cases[i].wanted == NULL ? NS_BAD_INPUT : NS_OK, kube_change_selector(json, &out, NULL));
        if (cases[i].wanted != NULL)
            CHECK_STRING(cases[i].wanted, out.at);
        ns_buf_clear(&out);
        json_decref(json);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dry_run_comes_first_and_the_patch_is_the_same),
        cmocka_unit_test(what_became_of_a_patch_is_told_or_not_known),
        cmocka_unit_test(reading_tells_whether_it_was_done),
        cmocka_unit_test(what_cannot_be_done_is_refused_before_it_is_written),
        cmocka_unit_test(what_may_still_be_under_way_is_not_called_unsent),
        cmocka_unit_test(pods_are_taken_back_only_from_what_we_set),
        cmocka_unit_test(a_number_that_is_there_already_is_not_set_again),
        cmocka_unit_test(a_change_meanwhile_stops_a_send),
        cmocka_unit_test(what_is_not_for_these_hands_is_refused_at_once),
        cmocka_unit_test(a_selector_is_written_as_the_api_reads_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
