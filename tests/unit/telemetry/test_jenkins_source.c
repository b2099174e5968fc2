/* The Jenkins source against a scripted Jenkins: jobs, builds, health. Logs: test_jenkins_logs.c. */
#include "jenkins_house.h"

static void the_first_round_fills_the_snapshot(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_on(
        &h.s,
        (script_rule){
            .match = JOBS,
            .body = "{\"jobs\":[" JOB(
                "a",
                LAST(7, "true", "null",
                     "5000") ",\"lastCompletedBuild\":{"
                             "\"number\":6,\"building\":false,\"result\":\"FAILURE\",\"timestamp\":1000,"
                             "\"duration\":900}") ",{\"name\":\"f\",\"jobs\":[" JOB("b", "\"lastBuild\":null") "]}]}"});
    script_on(&h.s, (script_rule){.match = "/queue/api/json", .body = "{\"items\":[{\"id\":4}]}"});
    script_on(&h.s,
              (script_rule){.match = "/computer/api/json",
                            .body = "{\"busyExecutors\":1,\"totalExecutors\":2,\"computer\":[{\"displayName\":"
                                    "\"a1\",\"offline\":false,\"executors\":[{\"currentExecutable\":{\"number\":7,"
                                    "\"url\":\"http://elsewhere/job/a/7/\"}}]}]}"});
    tick(&h);
    CHECK_INT(2, h.snapshot->pipeline_count);
    const ns_pipeline_view *a = view_of(&h, "a");
    CHECK(a->buildable && !a->gone);
    CHECK_INT(h.now, a->jenkins_at_ms);
    CHECK_INT(7, a->builds[0].number);
    CHECK(a->builds[0].running);
    CHECK_STRING("a1", a->builds[0].agent);
    CHECK_INT(6, a->completed.number);
    CHECK_INT(NS_BUILD_FAILURE, a->completed.result);
    CHECK_INT(0, view_of(&h, "f/b")->build_count);
    CHECK_NEAR(1, h.snapshot->queue_length.value, 0);
    CHECK_NEAR(0, h.snapshot->agents_offline.value, 0);
    CHECK_INT(NS_SOURCE_ok, health(&h)->state);
    CHECK_INT(h.now, health(&h)->good_at_ms);
    CHECK_INT(1, script_asked(&h.s, "/job/a/api/json?tree=builds"));
    CHECK_INT(0, script_asked(&h.s, "/job/f/job/b/api/json"));
    house_close(&h);
}

static void details_are_asked_for_once(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_rule *jobs =
        script_on(&h.s, (script_rule){.match = JOBS,
                                      .body = "{\"jobs\":[" JOB("a", LAST(7, "false", "\"SUCCESS\"", "5000")) "]}"});
    script_on(&h.s, (script_rule){.match = "/job/a/api/json?tree=builds", .body = "{\"builds\":[]}"});
    for (int i = 0; i < 3; i++)
        tick(&h);
    CHECK_INT(1, script_asked(&h.s, "/job/a/api/json"));
    jobs->body = "{\"jobs\":[" JOB("a", LAST(8, "true", "null", "9000")) "]}";
    script_on(&h.s,
              (script_rule){.match = "/job/a/8/api/json",
                            .body = "{\"number\":8,\"building\":true,\"inProgress\":true,\"result\":null,"
                                    "\"timestamp\":9000,\"actions\":[{\"causes\":[{\"_class\":\"x.UserIdCause\","
                                    "\"userId\":\"me\"}]},{\"parameters\":[{\"name\":\"P\",\"value\":\"1\"}]}]}"});
    for (int i = 0; i < 3; i++)
        tick(&h);
    CHECK_INT(1, script_asked(&h.s, "/job/a/8/api/json"));
    const ns_build *build = ns_pipeline_build(view_of(&h, "a"), 8);
    CHECK_INT(1, build->parameters);
    CHECK_INT(NS_TRIGGER_neuroshield, build->trigger); /* whoAmI says that "me" is us */
    jobs->body = "{\"jobs\":[" JOB("a", LAST(8, "false", "\"UNSTABLE\"", "9000")) "]}";
    script_on(&h.s, (script_rule){.match = "/job/a/8/api/json", .body = BUILD(8, "false", "\"UNSTABLE\"")});
    for (int i = 0; i < 3; i++)
        tick(&h);
    CHECK_INT(2, script_asked(&h.s, "/job/a/8/api/json"));
    house_close(&h);
}

static void builds_missed_between_two_looks_are_fetched(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_rule *jobs =
        script_on(&h.s, (script_rule){.match = JOBS,
                                      .body = "{\"jobs\":[" JOB("a", LAST(7, "false", "\"SUCCESS\"", "5000")) "]}"});
    tick(&h);
    jobs->body = "{\"jobs\":[" JOB("a", LAST(10, "true", "null", "9000")) "]}";
    script_on(&h.s, (script_rule){.match = "/job/a/api/json?tree=builds",
                                  .body = "{\"builds\":[" BUILD(10, "true", "null") "," BUILD(
                                      9, "false", "\"FAILURE\"") "," BUILD(8, "true", "null") "]}"});
    tick(&h);
    const ns_pipeline_view *a = view_of(&h, "a");
    CHECK_INT(4, a->build_count);
    CHECK_INT(9, a->completed.number);
    CHECK(ns_pipeline_build(a, 8)->running);
    /* 8 ends while 10 runs on: the light poll does not show it, the look at the newest six does. */
    script_on(&h.s, (script_rule){.match = "/job/a/api/json?tree=builds",
                                  .body = "{\"builds\":[" BUILD(10, "true", "null") "," BUILD(
                                      9, "false", "\"FAILURE\"") "," BUILD(8, "false", "\"SUCCESS\"") "]}"});
    tick(&h);
    CHECK(!ns_pipeline_build(a, 8)->running);
    house_close(&h);
}

static void what_was_deleted_or_made_anew_is_forgotten(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_rule *jobs = script_on(
        &h.s,
        (script_rule){
            .match = JOBS,
            .body = "{\"jobs\":[" JOB(
                "a",
                LAST(7, "false", "\"SUCCESS\"",
                     "5000") ",\"lastCompletedBuild\":{\"number\":6,\"building\":false,\"result\":\"FAILURE\"}") "]}"});
    tick(&h);
    const ns_pipeline_view *a = view_of(&h, "a");
    CHECK_INT(7, a->completed.number);
    jobs->body = "{\"jobs\":[" JOB("a", LAST(6, "false", "\"FAILURE\"", "1000")) "]}";
    tick(&h);
    CHECK_INT(1, a->build_count);
    CHECK_INT(6, a->completed.number);
    jobs->body = "{\"jobs\":[" JOB("a", LAST(6, "true", "null", "777000")) "]}"; /* the same number, another start */
    tick(&h);
    CHECK(a->builds[0].running);
    CHECK_INT(777000, a->builds[0].started_ms);
    jobs->body = "{\"jobs\":[" JOB("a", "\"inQueue\":true") "]}"; /* says nothing about builds */
    tick(&h);
    CHECK_INT(1, a->build_count);
    jobs->body = "{\"jobs\":[" JOB("a", "\"lastBuild\":null") "]}";
    tick(&h);
    CHECK_INT(0, a->build_count);
    CHECK_INT(0, a->completed.number);
    house_close(&h);
}

static void only_a_whole_answer_makes_jobs_go(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_rule *jobs = script_on(
        &h.s, (script_rule){.match = JOBS,
                            .body = "{\"jobs\":[" JOB("a", "\"lastBuild\":null") "," JOB("b", "\"x\":1") "]}"});
    tick(&h);
    static const struct {
        const char *body;
        int code;
        ns_source_state state;
    } broken[] = {
        {"{\"jobs\":[", 0, NS_SOURCE_stale},
        {"{\"mode\":\"NORMAL\"}", 0, NS_SOURCE_stale},
        {"no", 500, NS_SOURCE_down}, /* the third in a row */
        {"{\"jobs\":[{\"color\":\"blue\"}]}", 0, NS_SOURCE_ok},
        {"<html>", 403, NS_SOURCE_unauthorized},
        {"<html>", 503, NS_SOURCE_starting},
        {"<html>", 401, NS_SOURCE_unauthorized},
        {"<html>", 502, NS_SOURCE_down},
    };
    for (size_t i = 0; i < NS_COUNT_OF(broken); i++) {
        jobs->body = broken[i].body;
        jobs->code = broken[i].code;
        jobs->type = broken[i].code == 0 ? NULL : "text/html";
        tick(&h);
        CHECK_STRING(ns_source_state_name(broken[i].state), ns_source_state_name(health(&h)->state));
        CHECK((health(&h)->error[0] == '\0') == (broken[i].state == NS_SOURCE_ok));
        CHECK(!view_of(&h, "a")->gone && !view_of(&h, "b")->gone);
    }
    jobs->code = 0;
    jobs->type = NULL;
    jobs->body = "{\"jobs\":[" JOB("b", "\"x\":1") "]}";
    tick(&h);
    CHECK(view_of(&h, "a")->gone);
    CHECK(!view_of(&h, "b")->gone);
    CHECK_INT(NS_SOURCE_ok, health(&h)->state);
    jobs->body = "{\"jobs\":[" JOB("a", "\"x\":1") "]}";
    tick(&h);
    CHECK(!view_of(&h, "a")->gone);
    house_close(&h);
}

static void only_wanted_jobs_are_followed(void **state)
{
    (void)state;
    const char *const jobs[] = {"f/z", "f/x", "f/y", "a"}, *const include[] = {"f/*"}, *const exclude[] = {"*y"};
    house h;
    house_open(&h, (ns_jenkins_source_options){.jobs = jobs,
                                               .job_count = 4,
                                               .include = include,
                                               .include_count = 1,
                                               .exclude = exclude,
                                               .exclude_count = 1});
    script_on(&h.s, (script_rule){.match = JOBS,
                                  .body = "{\"jobs\":[" JOB("a", "\"x\":1") ",{\"name\":\"f\",\"jobs\":[" JOB(
                                      "x", "\"x\":1") "," JOB("y", "\"x\":1") "," JOB("w", "\"x\":1") "]}]}"});
    tick(&h);
    CHECK_INT(1, h.snapshot->pipeline_count);
    CHECK_STRING("f/x", h.snapshot->pipelines[0]->jenkins_job);
    house_close(&h);
}

static void a_token_that_is_nobody_is_told(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_on(&h.s, (script_rule){.match = "/whoAmI", .body = "{\"name\":\"anonymous\",\"anonymous\":true}"});
    script_on(&h.s, (script_rule){.match = JOBS, .body = "{\"jobs\":[]}"});
    tick(&h);
    CHECK_INT(NS_SOURCE_unauthorized, health(&h)->state);
    house_close(&h);
}

static void a_server_that_chokes_on_the_query_gets_a_smaller_one(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_on(&h.s, (script_rule){.match = JOBS, .body = "{\"jobs\":[" JOB("a", LAST(1, "true", "null", "5")) "]}"});
    script_on(&h.s, (script_rule){.match = "estimatedDuration", .code = 500, .type = "text/html"});
    for (int i = 0; i < 3; i++)
        tick(&h);
    CHECK_INT(NS_SOURCE_ok, health(&h)->state);
    CHECK_INT(1, view_of(&h, "a")->build_count);
    house_close(&h);
}

static void stages_are_read_where_there_are_some(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_rule *jobs = script_on(
        &h.s,
        (script_rule){.match = JOBS,
                      .body = "{\"jobs\":[" JOB(
                          "free", "\"_class\":\"hudson.model.FreeStyleProject\"," LAST(
                                      1, "true", "null", "5")) "," JOB("pipe", LAST(1, "true", "null", "5")) "]}"});
    script_on(&h.s, (script_rule){.match = "/job/pipe/1/wfapi/describe",
                                  .body = "{\"stages\":[{\"name\":\"Build\",\"status\":\"IN_PROGRESS\"}]}"});
    tick(&h);
    tick(&h);
    CHECK_STRING("Build", view_of(&h, "pipe")->builds[0].stage);
    CHECK_INT(1, view_of(&h, "pipe")->builds[0].stages);
    CHECK_INT(0, script_asked(&h.s, "/job/free/1/wfapi"));
    CHECK_INT(2, script_asked(&h.s, "/job/pipe/1/wfapi"));
    jobs->body = "{\"jobs\":[" JOB("pipe", LAST(1, "false", "\"SUCCESS\"", "5")) "]}";
    for (int i = 0; i < 3; i++)
        tick(&h);
    CHECK_INT(3, script_asked(&h.s, "/job/pipe/1/wfapi")); /* once more after the end */
    house_close(&h);
}

static void a_missing_stage_plugin_is_remembered(void **state)
{
    (void)state;
    house h;
    house_open(&h, (ns_jenkins_source_options){0});
    script_rule *jobs = script_on(
        &h.s, (script_rule){.match = JOBS, .body = "{\"jobs\":[" JOB("p", LAST(1, "true", "null", "5")) "]}"});
    for (int i = 0; i < 3; i++)
        tick(&h);
    CHECK_INT(1, script_asked(&h.s, "wfapi"));
    jobs->header[0] = "X-Jenkins-Session"; /* Jenkins restarts: the plug-in may be there now */
    jobs->header[1] = "77aa";
    tick(&h);
    tick(&h);
    CHECK(script_asked(&h.s, "wfapi") > 1);
    house_close(&h);
}

static void five_thousand_jobs_cost_one_question(void **state)
{
    (void)state;
    enum { JOBS_IN_ALL = 5000 };
    house h;
    ns_buf body;
    house_open(&h, (ns_jenkins_source_options){.details_per_tick = 8});
    ns_buf_init(&body, 16u << 20);
    (void)ns_buf_string(&body, "{\"jobs\":[");
    for (int i = 0; i < JOBS_IN_ALL; i++)
        (void)ns_buf_printf(
            &body,
            "%s{\"name\":\"job-%d\",\"color\":\"blue\",\"buildable\":true,\"lastBuild\":{\"number\":3,"
            "\"building\":false,\"inProgress\":false,\"result\":\"SUCCESS\",\"timestamp\":1000,\"duration\":5}}",
            i == 0 ? "" : ",", i);
    CHECK_OK(ns_buf_string(&body, "]}"));
    script_on(&h.s, (script_rule){.match = JOBS, .body = body.at});
    tick(&h);
    tick(&h);
    CHECK_INT(JOBS_IN_ALL, h.snapshot->pipeline_count);
    CHECK_INT(2, script_asked(&h.s, JOBS));
    CHECK_INT(16, script_asked(&h.s, "tree=builds"));
    CHECK_INT(3, view_of(&h, "job-4999")->completed.number);
    ns_buf_clear(&body);
    house_close(&h);
}

static void memory_running_out_leaks_nothing(void **state)
{
    (void)state;
    for (long n = 0; n < 60; n += 3) {
        house h;
        house_open(&h, (ns_jenkins_source_options){0});
        script_on(&h.s,
                  (script_rule){.match = JOBS, .body = "{\"jobs\":[" JOB("a", LAST(1, "true", "null", "5")) "]}"});
        script_on(&h.s, (script_rule){
                            .match = "/logText", .type = "text/plain", .body = "x", .header = {"X-Text-Size", "1"}});
        h.now += 1000;
        ns_mem_fail_after(n);
        h.source.poll(h.source.self, h.now);
        for (int turns = 0; turns < 40 && !h.source.settled(h.source.self); turns++)
            script_turn(&h.s);
        ns_mem_fail_after(-1);
        house_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_round_fills_the_snapshot),
        cmocka_unit_test(details_are_asked_for_once),
        cmocka_unit_test(builds_missed_between_two_looks_are_fetched),
        cmocka_unit_test(what_was_deleted_or_made_anew_is_forgotten),
        cmocka_unit_test(only_a_whole_answer_makes_jobs_go),
        cmocka_unit_test(only_wanted_jobs_are_followed),
        cmocka_unit_test(a_token_that_is_nobody_is_told),
        cmocka_unit_test(a_server_that_chokes_on_the_query_gets_a_smaller_one),
        cmocka_unit_test(stages_are_read_where_there_are_some),
        cmocka_unit_test(a_missing_stage_plugin_is_remembered),
        cmocka_unit_test(five_thousand_jobs_cost_one_question),
        cmocka_unit_test(memory_running_out_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
