/* What the hands may do, asked before they try: a scripted API server that reviews. */
#include "jenkins_script.h"

#include "orchestration/kubernetes_actions.h"
#include "wire/json.h"

#define REVIEWS "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define OF(verb, resource)                                                                                             \
    "\"namespace\":\"sock-shop\",\"verb\":\"" verb "\",\"group\":\"apps\",\"resource\":\"" resource "\""
#define ANSWER(status) "{\"kind\":\"SelfSubjectAccessReview\",\"status\":" status "}"
#define YES            ANSWER("{\"allowed\":true,\"reason\":\"RBAC\"}")
#define NO             ANSWER("{\"allowed\":false}")

static const ns_action_mask SCALE = NS_ACTION_BIT(NS_ACTION_scale_up), BACK = NS_ACTION_BIT(NS_ACTION_rollback),
                            RESTART = NS_ACTION_BIT(NS_ACTION_restart_pods);

typedef struct scene {
    script s;
    ns_kubernetes *client;
    ns_hands hands;
    ns_rights rights;
} scene;

static void open_scene(scene *t, int64_t age_ms, int64_t doubt_ms)
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
    const ns_kubernetes_hands_options options = {
        .client = t->client, .rights_age_ms = age_ms, .rights_doubt_ms = doubt_ms};
    CHECK_OK(ns_kubernetes_hands_new(&options, &t->hands, &err));
    (void)script_on(&t->s, (script_rule){.match = REVIEWS, .code = 201, .body = YES});
}

static void close_scene(scene *t)
{
    t->hands.free(t->hands.self);
    ns_kubernetes_free(t->client);
    script_close(&t->s);
}

static bool known(scene *t, const char *deployment)
{
    t->hands.rights(t->hands.self, deployment, &t->rights);
    return t->rights.known;
}

static ns_action_mask denied(scene *t, const char *deployment)
{
    SCRIPT_UNTIL(&t->s, known(t, deployment));
    return t->rights.denied;
}

static void who_may_all_is_asked_once_for_all(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t, 0, 0);
    CHECK(!known(&t, "carts"));
    CHECK_INT(0, t.rights.denied);
    CHECK_INT(0, denied(&t, "carts"));
    CHECK_STRING("", t.rights.missing);
    CHECK_INT(0, denied(&t, "orders"));
    CHECK_INT(5, script_asked(&t.s, REVIEWS));
    CHECK_INT(1,
              script_asked(&t.s, "{\"resourceAttributes\":{" OF("patch", "deployments") ",\"subresource\":\"scale\"}"));
    CHECK_INT(0, script_asked(&t.s, "\"name\":"));
    CHECK_INT(0, denied(&t, "other-space/carts")); /* that one is asked about for itself */
    CHECK_INT(10, script_asked(&t.s, REVIEWS));
    close_scene(&t);
}

static void each_action_needs_its_rights(void **state)
{
    (void)state;
    const struct {
        const char *without;
        ns_action_mask denied;
        const char *missing;
    } cases[] = {
        {OF("get", "deployments"), SCALE | BACK | RESTART, "get deployments"},
        {OF("patch", "deployments") ",\"subresource\":\"scale\"", SCALE, "patch deployments/scale"},
        {OF("patch", "deployments") "}", BACK | RESTART, "patch deployments"},
        {OF("list", "replicasets"), BACK, "list replicasets"},
        {"\"resource\":\"horizontalpodautoscalers\"", SCALE, "list horizontalpodautoscalers"},
        {"\"verb\":\"list\"", SCALE | BACK, "list replicasets, list horizontalpodautoscalers"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        static scene t;
        open_scene(&t, 0, 0);
        (void)script_on(&t.s, (script_rule){.match = cases[i].without, .code = 201, .body = NO});
        (void)script_on(&t.s, (script_rule){.match = "\"name\":\"carts\"", .code = 201, .body = NO});
        CHECK_INT(cases[i].denied, denied(&t, "carts"));
        CHECK_STRING(cases[i].missing, t.rights.missing);
        close_scene(&t);
    }
}

/* A role may name the Deployments it is for. */
static void what_all_may_not_one_may(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t, 0, 0);
    (void)script_on(&t.s, (script_rule){.match = "\"verb\":\"patch\"", .code = 201, .body = NO});
    (void)script_on(&t.s, (script_rule){.match = "\"name\":\"carts\"", .code = 201, .body = YES});
    CHECK_INT(0, denied(&t, "carts"));
    CHECK_INT(SCALE | BACK | RESTART, denied(&t, "orders"));
    CHECK_STRING("patch deployments, patch deployments/scale", t.rights.missing);
    CHECK_INT(0, denied(&t, "carts"));
    CHECK_INT(0, script_asked(&t.s, "\"resource\":\"replicasets\",\"name\""));
    close_scene(&t);
}

static void what_is_not_told_is_not_denied(void **state)
{
    (void)state;
    const script_rule silent[] = {
        {.match = REVIEWS, .code = 201, .body = ANSWER("{\"allowed\":false,\"evaluationError\":\"webhook\"}")},
        {.match = REVIEWS, .code = 201, .body = "{\"kind\":\"SelfSubjectAccessReview\"}"},
        {.match = REVIEWS, .code = 404, .body = "{}"},
        {.match = REVIEWS, .code = 403, .body = "{}"},
        {.match = REVIEWS, .code = 201, .body = "no JSON"},
        {.match = REVIEWS, .drop = true},
    };
    for (size_t i = 0; i < NS_COUNT_OF(silent); i++) {
        static scene t;
        open_scene(&t, 0, 0);
        (void)script_on(&t.s, silent[i]);
        CHECK(!known(&t, "carts"));
        SCRIPT_UNTIL(&t.s, script_asked(&t.s, REVIEWS) == 5);
        (void)script_on(&t.s, (script_rule){.match = "\"namespace\":\"later\"", .code = 201, .body = YES});
        CHECK_INT(0, denied(&t, "later/carts")); /* by then the answers before have been read */
        CHECK(!known(&t, "carts"));
        CHECK_INT(0, t.rights.denied);
        close_scene(&t);
    }
}

static void hear(void *owner, const ns_effect *effect, const ns_effect_answer *answer)
{
    (void)effect;
    *(ns_effect_answer *)owner = *answer;
}

static void they_are_asked_for_again_when_old(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t, 1, 0);
    CHECK_INT(0, denied(&t, "carts"));
    (void)script_on(&t.s, (script_rule){.match = REVIEWS, .code = 201, .body = NO});
    SCRIPT_UNTIL(&t.s, known(&t, "carts") && t.rights.denied == (SCALE | BACK | RESTART));
    (void)script_on(&t.s, (script_rule){.match = REVIEWS, .code = 201, .body = YES});
    SCRIPT_UNTIL(&t.s, known(&t, "carts") && t.rights.denied == 0);
    close_scene(&t);
}

/* What is refused though it was permitted tells that our rights are others now. */
static void a_refusal_makes_us_ask_again(void **state)
{
    (void)state;
    static scene t;
    ns_effect_answer answer = {0};
    ns_effect effect = {
        .action = NS_ACTION_restart_pods, .key = "0123456789abcdef0123456789abcdef", .deployment = "carts"};
    open_scene(&t, INT64_C(1000000000), 1);
    CHECK_INT(0, denied(&t, "carts"));
    (void)script_on(&t.s, (script_rule){.match = "\"verb\":\"get\"", .code = 201, .body = NO});
    CHECK_INT(0, denied(&t, "carts"));
    CHECK_INT(5, script_asked(&t.s, REVIEWS)); /* without a doubt it is not asked for */
    (void)script_on(&t.s, (script_rule){.match = "GET /apis/apps", .code = 403, .body = "{}"});
    t.hands.prepare(t.hands.self, &effect, hear, &answer);
    SCRIPT_UNTIL(&t.s, answer.error.status != NS_OK);
    CHECK_STATUS(NS_FORBIDDEN, answer.error.status);
    SCRIPT_UNTIL(&t.s, known(&t, "carts") && t.rights.denied == (SCALE | BACK | RESTART));
    close_scene(&t);
}

static void hands_may_go_while_they_ask(void **state)
{
    (void)state;
    static scene t;
    open_scene(&t, 0, 0);
    (void)script_on(&t.s, (script_rule){.match = REVIEWS, .hold = true});
    CHECK(!known(&t, "carts"));
    SCRIPT_UNTIL(&t.s, t.s.held > 0);
    close_scene(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_all_is_asked_once_for_all), cmocka_unit_test(each_action_needs_its_rights),
        cmocka_unit_test(what_all_may_not_one_may),          cmocka_unit_test(what_is_not_told_is_not_denied),
        cmocka_unit_test(they_are_asked_for_again_when_old), cmocka_unit_test(a_refusal_makes_us_ask_again),
        cmocka_unit_test(hands_may_go_while_they_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
