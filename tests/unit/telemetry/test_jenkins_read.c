/* Jenkins' JSON into builds, jobs, queue and agents. */
#include "check.h"

#include "telemetry/jenkins_read.h"

static json_t *parse(const char *text)
{
    json_t *json = NULL;
    ns_error err = {0};
    if (ns_json_read_lenient(ns_text_of(text), &json, &err) != NS_OK)
        fail_msg("%s", err.text);
    return json;
}

static ns_build read_build(const char *text)
{
    json_t *json = parse(text);
    ns_build build = ns_build_unknown(118);
    ns_jenkins_read_build(json, "neuroshield", &build);
    json_decref(json);
    return build;
}

/* Composed as Jenkins composes it; the values are invented. */
#define ACTIONS                                                                                                        \
    "\"actions\":[{\"_class\":\"hudson.model.CauseAction\",\"causes\":[{\"_class\":\"hudson.model.Cause$"              \
    "UserIdCause\","                                                                                                   \
    "\"userId\":\"ann\"}]},{},{\"_class\":\"hudson.model.ParametersAction\",\"parameters\":[{\"name\":\"TARGET\","     \
    "\"value\":\"staging\"},{\"name\":\"PW\"}]},{\"_class\":\"hudson.tasks.junit.TestResultAction\",\"failCount\":2,"  \
    "\"skipCount\":1,\"totalCount\":40},{\"lastBuiltRevision\":{\"SHA1\":\"9f1c0a\"}}]"

static void a_finished_build_is_read_whole(void **state)
{
    (void)state;
    ns_build build = read_build("{" ACTIONS ",\"building\":false,\"inProgress\":false,\"number\":118,"
                                "\"result\":\"FAILURE\",\"timestamp\":1795473540120,\"duration\":184220,"
                                "\"estimatedDuration\":171003,\"queueId\":5531,\"changeSets\":[{\"items\":["
                                "{\"commitId\":\"9f\",\"affectedPaths\":[\"src/Cart.java\",\"web/package-lock.json\"]},"
                                "{\"commitId\":\"a0\",\"affectedPaths\":[]}]}]}");
    CHECK(!build.running);
    CHECK_INT(NS_BUILD_FAILURE, build.result);
    CHECK_INT(1795473540120, build.started_ms);
    CHECK_INT(184220, build.duration_ms);
    CHECK_INT(171003, build.estimated_ms);
    CHECK_INT(5531, build.queue_id);
    CHECK_INT(NS_TRIGGER_user, build.trigger);
    CHECK_STRING("ann", build.triggered_by);
    CHECK_INT(2, build.parameters);
    CHECK_INT(40, build.tests_total);
    CHECK_INT(2, build.tests_failed);
    CHECK_INT(1, build.tests_skipped);
    CHECK_STRING("9f1c0a", build.commit);
    CHECK_INT(2, build.changes);
    CHECK_INT(1, build.dependency_files_changed);
    CHECK_INT(0, build.aborted_by_person);
    CHECK_STRING("", build.key);
}

static void running_means_not_really_over(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool running;
        ns_build_result result;
        int64_t duration;
    } table[] = {
        {"{\"building\":true,\"result\":null,\"duration\":0}", true, NS_BUILD_unknown, -1},
        {"{\"building\":true,\"result\":\"UNSTABLE\",\"duration\":0}", true, NS_BUILD_UNSTABLE, -1},
        {"{\"building\":false,\"inProgress\":true,\"result\":\"SUCCESS\",\"duration\":9}", true, NS_BUILD_SUCCESS, -1},
        {"{\"building\":false,\"inProgress\":false,\"result\":\"SUCCESS\",\"duration\":9}", false, NS_BUILD_SUCCESS, 9},
        {"{\"building\":false,\"result\":\"ABORTED\",\"duration\":9}", false, NS_BUILD_ABORTED, 9},
        {"{\"building\":false,\"result\":null,\"duration\":9}", true, NS_BUILD_unknown, -1},
        {"{\"building\":false,\"inProgress\":false,\"result\":null,\"duration\":9}", false, NS_BUILD_unknown, 9},
        {"{\"result\":\"NOT_BUILT\",\"duration\":1}", false, NS_BUILD_NOT_BUILT, 1},
        {"{\"building\":\"yes\",\"result\":17,\"duration\":\"long\",\"timestamp\":-4}", true, NS_BUILD_unknown, -1},
    };
    for (size_t i = 0; i < NS_COUNT_OF(table); i++) {
        ns_build build = read_build(table[i].json);
        CHECK_INT(table[i].running, build.running);
        CHECK_INT(table[i].result, build.result);
        CHECK_INT(table[i].duration, build.duration_ms);
        CHECK_INT(-1, build.started_ms);
    }
}

static void a_light_answer_keeps_what_was_known(void **state)
{
    (void)state;
    ns_build build = read_build("{" ACTIONS ",\"building\":true,\"result\":null,\"timestamp\":1000}");
    json_t *light =
        parse("{\"number\":118,\"building\":false,\"inProgress\":false,\"result\":\"SUCCESS\",\"duration\":5}");
    ns_jenkins_read_build(light, "", &build);
    json_decref(light);
    CHECK(!build.running);
    CHECK_INT(5, build.duration_ms);
    CHECK_INT(1000, build.started_ms);
    CHECK_INT(40, build.tests_total);
    CHECK_INT(NS_TRIGGER_user, build.trigger);
}

static void what_started_it(void **state)
{
    (void)state;
    static const struct {
        const char *causes;
        ns_build_trigger trigger;
        const char *by;
    } table[] = {
        {"", NS_TRIGGER_unknown, ""},
        {"{\"_class\":\"hudson.triggers.TimerTrigger$TimerTriggerCause\"}", NS_TRIGGER_timer, ""},
        {"{\"_class\":\"hudson.triggers.SCMTrigger$SCMTriggerCause\"}", NS_TRIGGER_scm, ""},
        {"{\"_class\":\"jenkins.branch.BranchEventCause\"}", NS_TRIGGER_scm, ""},
        {"{\"_class\":\"hudson.model.Cause$RemoteCause\",\"addr\":\"10.0.0.1\"}", NS_TRIGGER_remote, ""},
        {"{\"_class\":\"hudson.model.Cause$UpstreamCause\",\"upstreamProject\":\"lib\"}", NS_TRIGGER_upstream, "lib"},
        {"{\"_class\":\"hudson.model.Cause$UserIdCause\",\"userId\":\"ann\"},"
         "{\"_class\":\"org.jenkinsci.plugins.workflow.cps.replay.ReplayCause\"}",
         NS_TRIGGER_replay, "ann"},
        {"{\"_class\":\"hudson.model.Cause$UserIdCause\",\"userId\":\"neuroshield\"}", NS_TRIGGER_neuroshield,
         "neuroshield"},
        {"{\"_class\":\"com.example.Odd\"}", NS_TRIGGER_unknown, ""},
    };
    for (size_t i = 0; i < NS_COUNT_OF(table); i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, "{\"actions\":[{\"_class\":\"hudson.model.CauseAction\",\"causes\":[%s]}]}",
                       table[i].causes);
        ns_build build = read_build(text);
        CHECK_INT(table[i].trigger, build.trigger);
        CHECK_STRING(table[i].by, build.triggered_by);
    }
    ns_build build = read_build("{\"actions\":[{\"parameters\":[{\"name\":\"NEUROSHIELD_KEY\",\"value\":\"0a1b\"}]}]}");
    CHECK_INT(NS_TRIGGER_neuroshield, build.trigger);
    CHECK_STRING("0a1b", build.key);
}

static void who_stopped_it(void **state)
{
    (void)state;
#define STOPPED(cause)                                                                                                 \
    "{\"building\":false,\"inProgress\":false,\"result\":\"ABORTED\",\"actions\":[{\"_class\":"                        \
    "\"jenkins.model.InterruptedBuildAction\",\"causes\":[" cause "]}]}"
    CHECK_INT(
        1,
        read_build(STOPPED("{\"_class\":\"jenkins.model.CauseOfInterruption$UserInterruption\"}")).aborted_by_person);
    CHECK_INT(0, read_build(STOPPED("{\"_class\":\"org.jenkinsci.plugins.workflow.steps.TimeoutStepExecution$"
                                    "ExceededTimeout\"}"))
                     .aborted_by_person);
    CHECK_INT(-1, read_build(STOPPED("")).aborted_by_person);
    CHECK_INT(NS_TRIGGER_unknown, read_build(STOPPED("{\"_class\":\"x.UserInterruption\"}")).trigger);
    CHECK_INT(-1, read_build("{\"building\":true,\"result\":null,\"actions\":[]}").aborted_by_person);
}

static void files_that_decide_dependencies(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool is;
    } table[] = {
        {"package-lock.json", true},
        {"web/pom.xml", true},
        {"go.sum", true},
        {"requirements.txt", true},
        {"requirements-dev.txt", true},
        {"a/b/Cargo.lock", true},
        {"build.gradle", true},
        {"yarn.lock", true},
        {"src/pom.xml.bak", false},
        {"requirements/readme.md", false},
        {"main.c", false},
        {"", false},
        {"go.sum/x", false},
    };
    for (size_t i = 0; i < NS_COUNT_OF(table); i++)
        if (ns_jenkins_is_dependency_file(ns_text_of(table[i].path)) != table[i].is)
            fail_msg("%s", table[i].path);
    CHECK_INT(-1, read_build("{\"changeSets\":[{\"items\":[{\"commitId\":\"1\"}]}]}").dependency_files_changed);
    CHECK_INT(0, read_build("{\"changeSets\":[]}").changes);
    CHECK_INT(0, read_build("{\"changeSets\":[]}").dependency_files_changed);
    CHECK_INT(1, read_build("{\"changeSet\":{\"items\":[{\"affectedPaths\":[\"go.mod\"]}]},\"builtOn\":\"\"}")
                     .dependency_files_changed);
    CHECK_INT(-1, read_build("{}").changes);
    CHECK_STRING("built-in", read_build("{\"builtOn\":\"\"}").agent);
    CHECK_STRING("agent-3", read_build("{\"builtOn\":\"agent-3\"}").agent);
}

static void stages_are_counted(void **state)
{
    (void)state;
    json_t *json = parse("{\"stages\":[{\"name\":\"Build\",\"status\":\"SUCCESS\"},{\"name\":\"Test\",\"status\":"
                         "\"FAILED\"},{\"name\":\"Deploy\",\"status\":\"NOT_EXECUTED\"}]}");
    ns_build build = ns_build_unknown(1);
    ns_jenkins_read_stages(json, &build);
    json_decref(json);
    CHECK_INT(2, build.stages);
    CHECK_INT(1, build.stages_bad);
    CHECK_STRING("Test", build.stage);
}

typedef struct seen_jobs {
    char names[1024];
    int count, never_built;
} seen_jobs;

static void see_job(void *owner, const ns_jenkins_job *job)
{
    seen_jobs *seen = owner;
    size_t len = strlen(seen->names);
    (void)snprintf(seen->names + len, sizeof seen->names - len, "%s%s%s;", job->full_name.at,
                   job->buildable ? "" : " disabled", job->pipeline ? " pipeline" : "");
    seen->count++;
    seen->never_built += job->never_built;
}

static void folders_are_walked(void **state)
{
    (void)state;
    json_t *json = parse("{\"jobs\":[{\"_class\":\"hudson.model.FreeStyleProject\",\"name\":\"a\",\"color\":\"blue\","
                         "\"lastBuild\":null},"
                         "{\"name\":\"f\",\"jobs\":[{\"name\":\"repo\",\"jobs\":[{\"_class\":"
                         "\"org.jenkinsci.plugins.workflow.job.WorkflowJob\",\"name\":\"feature%2Fx\",\"color\":"
                         "\"disabled\"}]},{\"name\":\"deeper\"}]}]}");
    seen_jobs seen = {0};
    bool whole = false;
    CHECK_OK(ns_jenkins_read_jobs(json, see_job, &seen, &whole));
    CHECK(whole);
    CHECK_STRING("a;f/repo/feature%2Fx disabled pipeline;", seen.names);
    CHECK_INT(1, seen.never_built);
    json_decref(json);
}

static void an_answer_that_is_not_whole_says_so(void **state)
{
    (void)state;
    char long_name[400], text[1024];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    (void)snprintf(text, sizeof text,
                   "{\"jobs\":[{\"name\":\"%s\",\"color\":\"blue\"},{\"name\":\"b\",\"color\":\"red\"}]}", long_name);
    const char *bad[] = {text,
                         "{\"jobs\":[{\"name\":\"a\\u0000b\",\"color\":\"blue\"},{\"name\":\"b\",\"color\":\"red\"}]}",
                         "{\"jobs\":[{\"color\":\"blue\"},{\"name\":\"b\",\"color\":\"red\"},7]}"};
    for (size_t i = 0; i < NS_COUNT_OF(bad); i++) {
        json_t *json = parse(bad[i]);
        seen_jobs seen = {0};
        bool whole = true;
        CHECK_OK(ns_jenkins_read_jobs(json, see_job, &seen, &whole));
        CHECK(!whole);
        CHECK_STRING("b pipeline;", seen.names);
        json_decref(json);
    }
    json_t *json = parse("{\"mode\":\"NORMAL\"}");
    bool whole;
    CHECK_STATUS(NS_PROTOCOL, ns_jenkins_read_jobs(json, see_job, NULL, &whole));
    json_decref(json);
}

static void see_agent(void *owner, const char *job, int64_t build, const char *agent)
{
    (void)snprintf(owner, 128, "%s #%lld on %s", job, (long long)build, agent);
}

static void queue_and_agents(void **state)
{
    (void)state;
    json_t *json = parse("{\"items\":[{\"id\":1},{\"id\":2}]}");
    CHECK_NEAR(2, ns_jenkins_read_queue(json), 0);
    json_decref(json);
    json = parse("{}");
    CHECK(isnan(ns_jenkins_read_queue(json)));
    ns_jenkins_agents agents;
    ns_jenkins_read_agents(json, &agents, NULL, NULL);
    CHECK(isnan(agents.offline) && isnan(agents.busy));
    json_decref(json);
    json = parse("{\"busyExecutors\":1,\"totalExecutors\":4,\"computer\":[{\"displayName\":\"Built-In Node\"},"
                 "{\"displayName\":\"a1\",\"offline\":true,\"executors\":[{\"currentExecutable\":null},"
                 "{\"currentExecutable\":{\"number\":12,\"url\":\"http://x/y/job/f/job/j/12/\"}}]}]}");
    char where[128] = "";
    ns_jenkins_read_agents(json, &agents, see_agent, where);
    CHECK_NEAR(1, agents.busy, 0);
    CHECK_NEAR(4, agents.total, 0);
    CHECK_NEAR(1, agents.offline, 0);
    CHECK_STRING("f/j #12 on a1", where);
    json_decref(json);
    CHECK_INT(0, ns_mem_live());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_build_is_read_whole),
        cmocka_unit_test(running_means_not_really_over),
        cmocka_unit_test(a_light_answer_keeps_what_was_known),
        cmocka_unit_test(what_started_it),
        cmocka_unit_test(who_stopped_it),
        cmocka_unit_test(files_that_decide_dependencies),
        cmocka_unit_test(stages_are_counted),
        cmocka_unit_test(folders_are_walked),
        cmocka_unit_test(an_answer_that_is_not_whole_says_so),
        cmocka_unit_test(queue_and_agents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
