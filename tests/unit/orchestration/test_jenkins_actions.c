/* Retrying a build on a scripted Jenkins: what may be sent, what was sent, and what is said when nobody can tell. */
#include "jenkins_script.h"

#include "orchestration/jenkins_actions.h"
#include "orchestration/jenkins_retry.h"

#define KEY       "00112233445566778899aabbccddeeff"
#define JOB_PLAIN "{\"buildable\":true,\"lastBuild\":{\"number\":9,\"queueId\":40},\"property\":[{}]}"
#define JOB_PARAMS                                                                                                     \
    "{\"buildable\":true,\"lastBuild\":{\"number\":9,\"queueId\":40},\"property\":[{\"parameterDefinitions\":["        \
    "{\"name\":\"TARGET\",\"type\":\"StringParameterDefinition\"}]}]}"
#define JOB_KEY                                                                                                        \
    "{\"buildable\":true,\"lastBuild\":{\"number\":9,\"queueId\":40},\"property\":[{\"parameterDefinitions\":["        \
    "{\"name\":\"TARGET\"},{\"name\":\"NEUROSHIELD_KEY\"}]}]}"
#define TARGET       "{\"name\":\"TARGET\",\"value\":\"a&b \xc3\xa4\"}"
#define KEYED(key)   "{\"name\":\"NEUROSHIELD_KEY\",\"value\":\"" key "\"}"
#define PARAMS(list) "{\"_class\":\"hudson.model.ParametersAction\",\"parameters\":[" list "]}"
#define BY(user)     "{\"causes\":[{\"_class\":\"hudson.model.Cause$UserIdCause\",\"userId\":\"" user "\"}]}"
#define FAILED(actions)                                                                                                \
    "{\"number\":7,\"building\":false,\"inProgress\":false,\"result\":\"FAILURE\",\"actions\":[" actions "]}"
#define STOPPED(cause)                                                                                                 \
    "{\"number\":7,\"building\":false,\"inProgress\":false,\"result\":\"ABORTED\",\"actions\":[{\"_class\":"           \
    "\"jenkins.model.InterruptedBuildAction\",\"causes\":[" cause "]}]}"

typedef struct house {
    script s;
    ns_hands hands;
    ns_effect effect;
    script_rule *job, *build, *who;
    int heard;
    ns_effect_answer answer;
} house;

static void house_open(house *h)
{
    ns_error err = {0};
    memset(h, 0, sizeof *h);
    script_open(&h->s, "/ci");
    h->who = script_on(&h->s, (script_rule){.match = "/whoAmI", .body = "{\"name\":\"shield\",\"anonymous\":false}"});
    h->job = script_on(&h->s, (script_rule){.match = "/job/f/job/j/api/json?tree=buildable", .body = JOB_PLAIN});
    h->build = script_on(&h->s, (script_rule){.match = "/job/f/job/j/7/api/json", .body = FAILED("{}")});
    script_on(&h->s, (script_rule){.match = "/queue/api/json", .body = "{\"items\":[]}"});
    ns_jenkins_hands_options options = {.connection = {.base_url = h->s.url,
                                                       .username = "shield",
                                                       .token = "t0",
                                                       .total_timeout_ms = 300,
                                                       .back_off_ms = 1,
                                                       .back_off_max_ms = 1,
                                                       .unauthorized_ms = 1},
                                        .resolve_ms = 1};
    if (ns_jenkins_hands_new(h->s.loop, &options, &h->hands, &err) != NS_OK)
        fail_msg("%s", err.text);
    h->effect = (ns_effect){.key = KEY, .action = NS_ACTION_retry_build, .jenkins_job = "f/j", .build = 7};
}

static void house_close(house *h)
{
    h->hands.free(h->hands.self);
    script_close(&h->s);
}

static void hear(void *owner, const ns_effect *effect, const ns_effect_answer *answer)
{
    house *h = owner;
    CHECK_STRING(KEY, effect->key);
    h->heard++;
    h->answer = *answer;
}

typedef void deed(void *self, const ns_effect *effect, ns_effect_done *done, void *owner);

static ns_sent perform(house *h, deed *what)
{
    h->heard = 0;
    what(h->hands.self, &h->effect, hear, h);
    SCRIPT_UNTIL(&h->s, h->heard > 0);
    CHECK_INT(1, h->heard);
    CHECK((h->answer.sent == NS_SENT_acknowledged) == (h->answer.error.status == NS_OK));
    return h->answer.sent;
}

static void what_may_be_retried(void **state)
{
    (void)state;
    static const struct {
        const char *job, *build, *says; /* says NULL: it may */
    } table[] = {
        {JOB_PLAIN, FAILED("{}"), NULL},
        {JOB_PARAMS, FAILED(PARAMS(TARGET)), NULL},
        {JOB_PLAIN, STOPPED("{\"_class\":\"x.ExceededTimeout\"}"), NULL},
        {JOB_PLAIN, STOPPED("{\"_class\":\"jenkins.model.CauseOfInterruption$UserInterruption\"}"), "a person stopped"},
        {JOB_PLAIN, STOPPED(""), "a person stopped"},
        {JOB_PARAMS, FAILED(PARAMS("{\"_class\":\"hudson.model.PasswordParameterValue\",\"name\":\"PW\"}")),
         "PW is secret"},
        {JOB_PARAMS, FAILED(PARAMS(TARGET ",{\"name\":\"F\",\"value\":null}")), "F is secret"},
        {"{\"buildable\":false}", FAILED("{}"), "disabled"},
        {"{\"buildable\":true,\"inQueue\":true}", FAILED("{}"), "waits in the queue"},
        {"{\"color\":\"disabled_anime\"}", FAILED("{}"), "disabled"},
        {JOB_PLAIN, "{\"number\":7,\"building\":true,\"result\":\"FAILURE\"}", "still runs"},
        {JOB_PLAIN, "{\"number\":7,\"building\":false,\"inProgress\":true,\"result\":\"FAILURE\"}", "still runs"},
        {JOB_PLAIN, "{\"number\":7,\"building\":false,\"result\":\"SUCCESS\"}", "did not fail"},
        {JOB_PLAIN, "{\"number\":7,\"building\":false,\"result\":null}", "did not fail"},
    };
    for (size_t i = 0; i < NS_COUNT_OF(table); i++) {
        house h;
        house_open(&h);
        h.job->body = table[i].job;
        h.build->body = table[i].build;
        ns_sent sent = perform(&h, h.hands.prepare);
        CHECK_STRING(ns_sent_name(table[i].says == NULL ? NS_SENT_acknowledged : NS_SENT_refused), ns_sent_name(sent));
        if (table[i].says != NULL && strstr(h.answer.error.text, table[i].says) == NULL)
            fail_msg("case %zu: %s", i, h.answer.error.text);
        CHECK_INT(0, script_asked(&h.s, "POST "));
        house_close(&h);
    }
}

static void the_baseline_remembers_what_was_there(void **state)
{
    (void)state;
    house h;
    ns_error err = {0};
    retry_baseline baseline;
    house_open(&h);
    h.job->body = JOB_KEY;
    script_on(&h.s, (script_rule){.match = "/queue/api/json", .body = "{\"items\":[{\"id\":44},{\"id\":43}]}"});
    CHECK_INT(NS_SENT_acknowledged, perform(&h, h.hands.prepare));
    CHECK_OK(retry_read_baseline(h.answer.baseline, &baseline, &err));
    CHECK_STRING("shield", baseline.user);
    CHECK_INT(9, baseline.last_build);
    CHECK_INT(44, baseline.last_queue);
    CHECK(baseline.takes_key);
    house_close(&h);
}

static void trouble_while_preparing_is_no_refusal(void **state)
{
    (void)state;
    house h;
    house_open(&h);
    script_on(&h.s, (script_rule){.match = "/7/api/json", .code = 503, .type = "text/html"});
    CHECK_INT(NS_SENT_unknown, perform(&h, h.hands.prepare));
    CHECK_STATUS(NS_STARTING, h.answer.error.status);
    script_on(&h.s, (script_rule){.match = "/7/api/json", .code = 404, .type = "text/html"});
    for (bool asked = false; !asked; asked = h.answer.error.status != NS_STARTING) /* while it backs off */
        (void)perform(&h, h.hands.prepare), script_turn(&h.s);
    CHECK_INT(NS_SENT_refused, h.answer.sent);
    house_close(&h);
}

static void a_send_repeats_the_parameters_and_adds_the_key(void **state)
{
    (void)state;
    static const struct {
        const char *job, *build, *request;
    } table[] = {
        {JOB_PLAIN, FAILED("{}"), "POST /ci/job/f/job/j/build?delay=0sec "},
        {JOB_PARAMS, FAILED(PARAMS(TARGET)),
         "POST /ci/job/f/job/j/buildWithParameters?delay=0sec TARGET=a%26b%20%C3%A4"},
        {JOB_KEY, FAILED(PARAMS(TARGET "," KEYED("old") ",{\"name\":\"FLAG\",\"value\":true}")),
         "POST /ci/job/f/job/j/buildWithParameters?delay=0sec TARGET=a%26b%20%C3%A4&FLAG=true&NEUROSHIELD_KEY=" KEY},
    };
    for (size_t i = 0; i < NS_COUNT_OF(table); i++) {
        house h;
        house_open(&h);
        h.job->body = table[i].job;
        h.build->body = table[i].build;
        script_on(&h.s,
                  (script_rule){.match = "POST ", .code = 201, .header = {"Location", "http://x/ci/queue/item/50/"}});
        script_on(&h.s, (script_rule){.match = "/queue/item/50/api/json", .body = "{\"executable\":{\"number\":10}}"});
        script_on(&h.s, (script_rule){.match = "/queue/item/50/api/json", .body = "{\"why\":\"quiet\"}", .times = 1});
        CHECK_INT(NS_SENT_acknowledged, perform(&h, h.hands.send));
        CHECK_INT(50, h.answer.queue_id);
        CHECK_INT(10, h.answer.build);
        CHECK_INT(1, script_asked(&h.s, "POST "));
        if (script_asked(&h.s, table[i].request) != 1)
            fail_msg("case %zu: %s", i, table[i].request);
        house_close(&h);
    }
}

static void what_the_answer_to_a_send_means(void **state)
{
    (void)state;
    static const struct {
        script_rule post;
        ns_sent sent;
        int64_t queue_id;
    } table[] = {
        {{.code = 201, .header = {"Location", "/ci/queue/item/50/"}}, NS_SENT_acknowledged, 50},
        {{.code = 303, .header = {"Location", "/ci/queue/item/41/"}}, NS_SENT_acknowledged, 41},
        {{.code = 201}, NS_SENT_acknowledged, -1},
        {{.code = 302, .header = {"Location", "/ci/job/f/job/j/"}}, NS_SENT_refused, -1},
        {{.code = 400}, NS_SENT_refused, -1},
        {{.code = 401}, NS_SENT_refused, -1},
        {{.code = 403, .type = "text/html"}, NS_SENT_refused, -1},
        {{.code = 404}, NS_SENT_refused, -1},
        {{.code = 409}, NS_SENT_refused, -1},
        {{.code = 500}, NS_SENT_unknown, -1},
        {{.code = 502}, NS_SENT_unknown, -1},
        {{.code = 503}, NS_SENT_unknown, -1},
        {{.code = 200, .type = "text/html", .body = "<html>"}, NS_SENT_unknown, -1},
        {{.drop = true}, NS_SENT_unknown, -1},
        {{.hold = true}, NS_SENT_unknown, -1},
    };
    for (size_t i = 0; i < NS_COUNT_OF(table); i++) {
        house h;
        house_open(&h);
        script_rule post = table[i].post;
        post.match = "POST ";
        script_on(&h.s, post);
        script_on(&h.s, (script_rule){.match = "/queue/item/", .body = "{}"}); /* never leaves: no build is known */
        ns_sent sent = perform(&h, h.hands.send);
        if (sent != table[i].sent)
            fail_msg("case %zu: %s (%s)", i, ns_sent_name(sent), h.answer.error.text);
        CHECK_INT(table[i].queue_id, h.answer.queue_id);
        CHECK_INT(0, h.answer.build);
        CHECK_INT(1, script_asked(&h.s, "POST "));
        house_close(&h);
    }
}

static void a_send_that_could_not_leave_is_refused(void **state)
{
    (void)state;
    house h;
    house_open(&h);
    script_on(&h.s, (script_rule){.match = "/7/api/json", .hold = true});
    CHECK_INT(NS_SENT_refused, perform(&h, h.hands.send));
    CHECK_INT(0, script_asked(&h.s, "POST "));
    h.effect.action = NS_ACTION_scale_up;
    h.heard = 0;
    h.hands.send(h.hands.self, &h.effect, hear, &h);
    CHECK_INT(1, h.heard);
    CHECK_INT(NS_SENT_refused, h.answer.sent);
    house_close(&h);
}

#define QUEUED(id, job, actions)                                                                                       \
    "{\"id\":" #id ",\"task\":{\"url\":\"http://x/ci/job/f/job/" job "/\"},\"actions\":[" actions "]}"
#define BUILT(number, queue, actions) "{\"number\":" #number ",\"queueId\":" #queue ",\"actions\":[" actions "]}"
#define OLD                           BUILT(9, 40, BY("shield") "," PARAMS(TARGET "," KEYED(KEY)))

static void what_was_sent_is_found_again(void **state)
{
    (void)state;
    static const struct {
        const char *takes_key, *user, *queue, *builds;
        ns_sent sent;
        int64_t build;
    } table[] = {
        /* with a key only the key counts */
        {"true", "shield", "", OLD, NS_SENT_refused, 0},
        {"true", "shield", "", BUILT(11, 51, PARAMS(TARGET)) "," BUILT(10, 50, PARAMS(KEYED(KEY))) "," OLD,
         NS_SENT_acknowledged, 10},
        {"true", "shield", QUEUED(50, "j", PARAMS(KEYED(KEY))), OLD, NS_SENT_acknowledged, 12},
        {"true", "shield", QUEUED(50, "other", PARAMS(KEYED(KEY))), OLD, NS_SENT_refused, 0},
        {"true", "shield", QUEUED(50, "j", PARAMS(KEYED(KEY))), BUILT(10, 50, PARAMS(KEYED(KEY))) "," OLD,
         NS_SENT_acknowledged, 10},
        {"true", "shield", "", BUILT(10, 50, BY("shield") "," PARAMS(TARGET)) "," OLD, NS_SENT_refused, 0},
        {"true", "", "", OLD, NS_SENT_refused, 0},
        /* without one: our user and the same parameters */
        {"false", "shield", "", BUILT(10, 50, BY("shield") "," PARAMS(TARGET)) "," OLD, NS_SENT_acknowledged, 10},
        {"false", "shield", "", BUILT(10, 50, BY("ann") "," PARAMS(TARGET)) "," OLD, NS_SENT_refused, 0},
        {"false", "shield", "", BUILT(10, 50, BY("shield") "," PARAMS("{\"name\":\"TARGET\",\"value\":\"x\"}")) "," OLD,
         NS_SENT_refused, 0},
        {"false", "shield", "", BUILT(10, 50, BY("shield") "," PARAMS(TARGET "," KEYED("other"))) "," OLD,
         NS_SENT_refused, 0},
        {"false", "shield", QUEUED(50, "j", BY("shield") "," PARAMS(TARGET)),
         BUILT(10, 50, BY("shield") "," PARAMS(TARGET)) "," OLD, NS_SENT_acknowledged, 10},
        {"false", "shield", "",
         BUILT(11, 51, BY("shield") "," PARAMS(TARGET)) "," BUILT(10, 50, BY("shield") "," PARAMS(TARGET)) "," OLD,
         NS_SENT_unknowable, 0},
        /* what waited in the queue before ours was sent is not ours, whenever it gets its number */
        {"false", "shield", "", BUILT(10, 40, BY("shield") "," PARAMS(TARGET)) "," OLD, NS_SENT_refused, 0},
        {"false", "", "", OLD, NS_SENT_unknowable, 0}, /* nobody in particular: cannot be told */
    };
    for (size_t i = 0; i < NS_COUNT_OF(table); i++) {
        house h;
        char queue[2048], builds[4096];
        house_open(&h);
        h.build->body = FAILED(PARAMS(TARGET));
        (void)snprintf(h.effect.baseline, sizeof h.effect.baseline,
                       "{\"version\":1,\"user\":\"%s\",\"last_build\":9,\"last_queue\":40,\"takes_key\":%s}",
                       table[i].user, table[i].takes_key);
        (void)snprintf(queue, sizeof queue, "{\"items\":[%s]}", table[i].queue);
        (void)snprintf(builds, sizeof builds, "{\"builds\":[%s]}", table[i].builds);
        script_on(&h.s, (script_rule){.match = "/queue/api/json", .body = queue});
        script_on(&h.s, (script_rule){.match = "/job/f/job/j/api/json?tree=builds", .body = builds});
        script_on(&h.s, (script_rule){.match = "/queue/item/50/", .body = "{\"executable\":{\"number\":12}}"});
        ns_sent sent = perform(&h, h.hands.reconcile);
        if (sent != table[i].sent || h.answer.build != table[i].build)
            fail_msg("case %zu: %s, build %lld (%s)", i, ns_sent_name(sent), (long long)h.answer.build,
                     h.answer.error.text);
        CHECK_INT(0, script_asked(&h.s, "POST "));
        house_close(&h);
    }
}

static void what_cannot_be_read_is_unknown(void **state)
{
    (void)state;
    house h;
    house_open(&h);
    CHECK_INT(NS_SENT_unknowable, perform(&h, h.hands.reconcile)); /* no baseline */
    (void)snprintf(h.effect.baseline, sizeof h.effect.baseline,
                   "{\"version\":1,\"user\":\"shield\",\"last_build\":9,\"last_queue\":40,\"takes_key\":false}");
    script_on(&h.s, (script_rule){.match = "tree=builds", .body = "{}"});
    CHECK_INT(NS_SENT_unknown, perform(&h, h.hands.reconcile));
    script_on(&h.s, (script_rule){.match = "tree=builds", .body = "{\"builds\":[" OLD "]}"});
    CHECK_INT(NS_SENT_refused, perform(&h, h.hands.reconcile));
    script_on(&h.s,
              (script_rule){.match = "/7/api/json", .code = 404, .type = "text/html"}); /* its parameters are gone */
    CHECK_INT(NS_SENT_unknowable, perform(&h, h.hands.reconcile));
    script_on(&h.s, (script_rule){.match = "/queue/api/json", .code = 503, .type = "text/html"});
    CHECK_INT(NS_SENT_unknown, perform(&h, h.hands.reconcile));
    house_close(&h);
}

static void a_list_that_does_not_reach_down_proves_nothing(void **state)
{
    (void)state;
    house h;
    ns_buf builds;
    house_open(&h);
    ns_buf_init(&builds, 65536);
    (void)ns_buf_string(&builds, "{\"builds\":[");
    for (int i = 0; i < RETRY_BUILDS_ASKED; i++)
        (void)ns_buf_printf(&builds, "%s{\"number\":%d,\"actions\":[]}", i == 0 ? "" : ",", 100 - i);
    (void)ns_buf_string(&builds, "]}");
    (void)snprintf(h.effect.baseline, sizeof h.effect.baseline,
                   "{\"version\":1,\"user\":\"shield\",\"last_build\":9,\"last_queue\":40,\"takes_key\":true}");
    script_on(&h.s, (script_rule){.match = "tree=builds", .body = builds.at});
    CHECK_INT(NS_SENT_unknowable, perform(&h, h.hands.reconcile));
    ns_buf_clear(&builds);
    house_close(&h);
}

static void what_is_not_seen_yet_may_still_be_under_way(void **state)
{
    (void)state;
    house h;
    ns_error err = {0};
    house_open(&h);
    ns_hands patient;
    ns_jenkins_hands_options options = {.connection = {.base_url = h.s.url, .username = "shield", .token = "t0"},
                                        .settle_ms = 3600000};
    CHECK_OK(ns_jenkins_hands_new(h.s.loop, &options, &patient, &err));
    (void)snprintf(h.effect.baseline, sizeof h.effect.baseline,
                   "{\"version\":1,\"user\":\"shield\",\"last_build\":9,\"last_queue\":40,\"takes_key\":true}");
    script_rule *builds = script_on(&h.s, (script_rule){.match = "tree=builds", .body = "{\"builds\":[" OLD "]}"});
    h.heard = 0;
    patient.reconcile(patient.self, &h.effect, hear, &h);
    SCRIPT_UNTIL(&h.s, h.heard > 0);
    CHECK_INT(NS_SENT_unknown, h.answer.sent);
    builds->body = "{\"builds\":[" BUILT(10, 50, PARAMS(KEYED(KEY))) "," OLD "]}";
    h.heard = 0;
    patient.reconcile(patient.self, &h.effect, hear, &h);
    SCRIPT_UNTIL(&h.s, h.heard > 0);
    CHECK_INT(NS_SENT_acknowledged, h.answer.sent);
    patient.free(patient.self);
    house_close(&h);
}

static void what_is_under_way_is_answered_when_the_hands_go(void **state)
{
    (void)state;
    house h;
    house_open(&h);
    script_on(&h.s, (script_rule){.match = "/whoAmI", .hold = true});
    h.hands.prepare(h.hands.self, &h.effect, hear, &h);
    SCRIPT_UNTIL(&h.s, h.s.held > 0);
    house_close(&h);
    CHECK_INT(1, h.heard);
    CHECK_INT(NS_SENT_unknown, h.answer.sent);
}

static void memory_running_out_leaks_nothing(void **state)
{
    (void)state;
    for (long n = 0; n < 60; n += 2) {
        house h;
        house_open(&h);
        script_on(&h.s, (script_rule){.match = "POST ", .code = 201});
        ns_mem_fail_after(n);
        h.hands.send(h.hands.self, &h.effect, hear, &h);
        for (int turns = 0; turns < 40 && h.heard == 0; turns++)
            script_turn(&h.s);
        ns_mem_fail_after(-1);
        house_close(&h);
        CHECK_INT(1, h.heard);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_be_retried),
        cmocka_unit_test(the_baseline_remembers_what_was_there),
        cmocka_unit_test(trouble_while_preparing_is_no_refusal),
        cmocka_unit_test(a_send_repeats_the_parameters_and_adds_the_key),
        cmocka_unit_test(what_the_answer_to_a_send_means),
        cmocka_unit_test(a_send_that_could_not_leave_is_refused),
        cmocka_unit_test(what_was_sent_is_found_again),
        cmocka_unit_test(what_cannot_be_read_is_unknown),
        cmocka_unit_test(a_list_that_does_not_reach_down_proves_nothing),
        cmocka_unit_test(what_is_not_seen_yet_may_still_be_under_way),
        cmocka_unit_test(what_is_under_way_is_answered_when_the_hands_go),
        cmocka_unit_test(memory_running_out_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
