/* What is read of a cluster's objects, and the shelf that holds them. */
#include "check.h"

#include "kubernetes_fixtures.h"
#include "telemetry/kubernetes_shelf.h"
#include "wire/json.h"

static kube_object read_one(kube_kind kind, const char *text)
{
    json_t *json = NULL;
    kube_object object;
    ns_error err = {0};
    CHECK_OK(ns_json_read(ns_text_of(text), &json, NULL));
    if (kube_object_read(kind, json, &object, &err) != NS_OK)
        fail_msg("%s", err.text);
    json_decref(json);
    return object;
}

static void a_deployment_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ns_rollout rollout;
        int64_t wanted, ready;
    } cases[] = {
        {KUBE_DEPLOYMENT("carts", "3", "2", "2"), NS_ROLLOUT_complete, 2, 2},
        {KUBE_DEPLOYMENT("carts", "3", "2", "1"), NS_ROLLOUT_progressing, 2, 1},
        {KUBE_DEPLOYMENT_WITH("carts", "1", "1", "3", "2", "1", "", "{}", "ProgressDeadlineExceeded"),
         NS_ROLLOUT_failed, 2, 1},
        {"{" KUBE_META("carts", "1", ",\"generation\":2") ",\"spec\":{},\"status\":{\"observedGeneration\":1,"
                                                          "\"replicas\":1,\"updatedReplicas\":1,\"readyReplicas\":1,"
                                                          "\"availableReplicas\":1}}",
         NS_ROLLOUT_progressing, 1, 1}, /* its newest wish has not been seen yet */
        {"{" KUBE_META("carts", "1", ",\"generation\":2") ",\"spec\":{},\"status\":{\"observedGeneration\":2}}",
         NS_ROLLOUT_progressing, 1, 0}, /* replicas left out are 1, a count left out is 0 */
        {"{" KUBE_META("carts", "1", ",\"generation\":2") ",\"spec\":{\"paused\":true}}", NS_ROLLOUT_paused, 1, 0},
        {"{" KUBE_META("carts", "1", "") ",\"spec\":{\"replicas\":0}}", NS_ROLLOUT_unknown, 0, 0},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        kube_object o = read_one(KUBE_deployment, cases[i].text);
        CHECK_STRING(ns_rollout_name(cases[i].rollout), ns_rollout_name(o.of.deployment.rollout));
        CHECK_INT(cases[i].wanted, o.of.deployment.wanted);
        CHECK_INT(cases[i].ready, o.of.deployment.ready);
    }
    static const struct {
        const char *containers;
        int64_t limit;
    } limits[] = {
        {"{\"resources\":{\"limits\":{\"memory\":\"500Mi\"}}}", 524288000},
        {"{\"resources\":{\"limits\":{\"memory\":\"1G\"}}},{\"resources\":{\"limits\":{\"memory\":\"128974848\"}}}",
         1128974848},
        {"{\"resources\":{\"limits\":{\"memory\":\"1G\"}}},{\"resources\":{\"limits\":{\"cpu\":\"1\"}}}", -1},
        {"{\"resources\":{\"limits\":{\"memory\":\"much\"}}}", -1},
        {"{\"resources\":{\"limits\":{\"memory\":\"-1\"}}}", -1},
        {"{\"resources\":{\"limits\":{\"memory\":\"1e40\"}}}", -1},
        {"{\"resources\":{}}", -1},
        {"", -1},
    };
    for (size_t i = 0; i < NS_COUNT_OF(limits); i++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       "{" KUBE_META("carts", "1", "") ",\"spec\":{\"template\":{\"spec\":{\"containers\":[%s]}}}}",
                       limits[i].containers);
        CHECK_INT(limits[i].limit, read_one(KUBE_deployment, text).of.deployment.memory_limit);
    }
    kube_object o = read_one(KUBE_deployment, cases[0].text);
    CHECK_STRING("uid-carts", o.uid);
    CHECK_STRING("sock-shop", o.space);
    CHECK_STRING("shop/carts:1", o.of.deployment.image);
    CHECK_INT(3, o.of.deployment.revision);
    o = read_one(KUBE_deployment,
                 "{" KUBE_META("a", "1", ",\"labels\":{\"app.kubernetes.io/managed-by\":\"Helm\"}") "}");
    CHECK_STRING("Helm", o.of.deployment.managed_by);
    o = read_one(KUBE_deployment, "{" KUBE_META("a", "1",
                                                ",\"labels\":{\"app.kubernetes.io/managed-by\":\"Helm\"},"
                                                "\"annotations\":{\"argocd.argoproj.io/tracking-id\":\"x\"}") "}");
    CHECK_STRING("argo-cd", o.of.deployment.managed_by);
}

static void a_pod_says_what_ails_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool pending, crashing, image, oom;
    } cases[] = {
        {KUBE_POD("p", "s", "Running", "0", KUBE_RUNNING, "{}"), false, false, false, false},
        {KUBE_POD("p", "s", "Pending", "0", KUBE_WAITING("ContainerCreating"), "{}"), true, false, false, false},
        {KUBE_POD("p", "s", "Pending", "0", KUBE_WAITING("ImagePullBackOff"), "{}"), true, false, true, false},
        {KUBE_POD("p", "s", "Pending", "0", KUBE_WAITING("ErrImagePull"), "{}"), true, false, true, false},
        {KUBE_POD("p", "s", "Running", "3", KUBE_WAITING("CrashLoopBackOff"), "{}"), false, true, false, false},
        {KUBE_POD("p", "s", "Running", "3", KUBE_WAITING("CrashLoopBackOff"),
                  "{\"terminated\":{\"reason\":\"OOMKilled\",\"finishedAt\":\"2026-11-23T10:00:07Z\"}}"),
         false, true, false, true},
        {KUBE_POD("p", "s", "Running", "1", KUBE_RUNNING,
                  "{\"terminated\":{\"reason\":\"Error\",\"finishedAt\":\"2026-11-23T10:00:07Z\"}}"),
         false, false, false, false},
    };
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        kube_object o = read_one(KUBE_pod, cases[i].text);
        CHECK_STRING("uid-s", o.owner);
        CHECK_INT(cases[i].pending, o.of.pod.pending);
        CHECK_INT(cases[i].crashing, o.of.pod.crash_looping);
        CHECK_INT(cases[i].image, o.of.pod.image_failing);
        CHECK_INT(cases[i].oom ? 1795428007000 : -1, o.of.pod.oom_ms);
    }
}

static void the_others_are_read(void **state)
{
    (void)state;
    kube_object o = read_one(KUBE_replicaset, KUBE_REPLICASET("carts", "abc", "2"));
    CHECK_STRING("abc", o.of.replicaset.template_hash);
    CHECK_INT(2, o.of.replicaset.revision);
    CHECK_STRING("uid-carts", o.owner);
    CHECK_INT(1795428005000, o.of.replicaset.created_ms);
    o = read_one(KUBE_event,
                 "{" KUBE_META("e", "1", "") ",\"involvedObject\":{\"uid\":\"uid-p\",\"name\":\"p\"},"
                                             "\"reason\":\"BackOff\",\"type\":\"Warning\",\"count\":4,"
                                             "\"lastTimestamp\":\"2026-11-23T10:00:00Z\",\"message\":\"m\"}");
    CHECK(o.of.event.warning);
    CHECK_INT(4, o.of.event.count);
    CHECK_INT(1795428000000, o.of.event.at_ms);
    CHECK_STRING("uid-p", o.owner);
    o = read_one(KUBE_event, "{" KUBE_META("e", "1", "") ",\"eventTime\":\"2026-11-23T10:00:00.250000Z\",\"series\":{"
                                                         "\"count\":9,\"lastObservedTime\":\"2026-11-23T10:00:01.5Z\"},"
                                                         "\"lastTimestamp\":null}");
    CHECK_INT(9, o.of.event.count);
    CHECK_INT(1795428001500, o.of.event.at_ms);
    o = read_one(KUBE_hpa, "{" KUBE_META("h", "1", "") ",\"spec\":{\"scaleTargetRef\":{\"kind\":\"Deployment\","
                                                       "\"name\":\"carts\"}}}");
    CHECK(o.of.hpa.targets_deployment);
    CHECK_STRING("carts", o.owner);
    static const struct {
        const char *spec, *ready;
        bool wanted;
    } nodes[] = {{"{}", "True", true}, {"{\"unschedulable\":true}", "True", false}, {"{}", "Unknown", false}};
    for (size_t i = 0; i < NS_COUNT_OF(nodes); i++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\"},\"spec\":%s,\"status\":{\"conditions\":[{\"type\":"
                       "\"Ready\",\"status\":\"%s\"}]}}",
                       nodes[i].spec, nodes[i].ready);
        CHECK_INT(nodes[i].wanted, read_one(KUBE_node, text).of.node.ready);
    }
}

static void what_has_no_usable_name_is_refused(void **state)
{
    (void)state;
#define LONG_NAME "a-name-of-more-than-sixty-three-bytes-which-is-allowed-there-but-not-here"
    static const char *const cases[] = {"{}", "[]", "{\"metadata\":{\"name\":\"a\"}}", "{\"metadata\":{\"uid\":\"a\"}}",
                                        "{\"metadata\":{\"uid\":\"a\",\"name\":\"" LONG_NAME "\"}}"};
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        json_t *json = NULL;
        kube_object object;
        CHECK_OK(ns_json_read(ns_text_of(cases[i]), &json, NULL));
        CHECK_STATUS(NS_BAD_INPUT, kube_object_read(KUBE_deployment, json, &object, NULL));
        json_decref(json);
    }
}

static kube_object named(const char *uid, int64_t restarts)
{
    kube_object object = {.kind = KUBE_pod, .of.pod.restarts = restarts};
    (void)ns_text_copy(object.uid, sizeof object.uid, ns_text_of(uid));
    return object;
}

static void the_shelf_holds_what_was_put_last(void **state)
{
    (void)state;
    kube_shelf shelf;
    char uid[32];
    kube_shelf_init(&shelf, 1000);
    CHECK(kube_shelf_find(&shelf, "u1") == NULL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 1000; i++) {
            (void)snprintf(uid, sizeof uid, "u%d", i);
            kube_object object = named(uid, i + round);
            CHECK_OK(kube_shelf_put(&shelf, &object));
        }
    }
    kube_object more = named("one more", 0);
    CHECK_STATUS(NS_NO_MEMORY, kube_shelf_put(&shelf, &more));
    CHECK_INT(1000, shelf.count);
    for (int i = 0; i < 1000; i += 2) {
        (void)snprintf(uid, sizeof uid, "u%d", i);
        kube_shelf_remove(&shelf, uid);
        kube_shelf_remove(&shelf, uid); /* twice is once */
    }
    kube_shelf_sweep_begin(&shelf);
    for (int i = 1; i < 1000; i += 4) {
        (void)snprintf(uid, sizeof uid, "u%d", i);
        kube_object object = named(uid, 7);
        CHECK_OK(kube_shelf_put(&shelf, &object));
    }
    CHECK_INT(500, shelf.count);
    kube_shelf_sweep_end(&shelf);
    CHECK_INT(250, shelf.count);
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(uid, sizeof uid, "u%d", i);
        const kube_object *found = kube_shelf_find(&shelf, uid);
        CHECK_INT(i % 4 == 1, found != NULL);
        if (found != NULL)
            CHECK(found->of.pod.restarts == 7 && shelf.at[found->place] == found);
    }
    kube_shelf_clear(&shelf);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deployment_is_read),
        cmocka_unit_test(a_pod_says_what_ails_it),
        cmocka_unit_test(the_others_are_read),
        cmocka_unit_test(what_has_no_usable_name_is_refused),
        cmocka_unit_test(the_shelf_holds_what_was_put_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
