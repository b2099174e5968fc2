/* One build as Jenkins prints it: causes, parameters, change sets, tests, stages. */
#include "world/serve_internal.h"

#include "base/rng.h"

#include <stdio.h>
#include <string.h>

#define RUN_CLASS "org.jenkinsci.plugins.workflow.job.WorkflowRun"

static json_t *empty_action(void)
{
    return json_object(); /* a class with no visible property: frequent in a real Jenkins */
}

static json_t *cause(const ns_world_build *build)
{
    char text[256];
    switch (build->trigger) {
    case NS_TRIGGER_timer:
        return json_pack("{s:s,s:s}", "_class", "hudson.triggers.TimerTrigger$TimerTriggerCause", "shortDescription",
                         "Started by timer");
    case NS_TRIGGER_scm:
        return json_pack("{s:s,s:s}", "_class", "hudson.triggers.SCMTrigger$SCMTriggerCause", "shortDescription",
                         "Started by an SCM change");
    case NS_TRIGGER_upstream:
        (void)snprintf(text, sizeof text, "Started by upstream project \"%s\"", build->user);
        return json_pack("{s:s,s:o,s:i,s:o,s:s}", "_class", "hudson.model.Cause$UpstreamCause", "shortDescription",
                         ns_served_string(text), "upstreamBuild", 1, "upstreamProject", ns_served_string(build->user),
                         "upstreamUrl", "");
    case NS_TRIGGER_remote:
        return json_pack("{s:s,s:s,s:s,s:n}", "_class", "hudson.model.Cause$RemoteCause", "shortDescription",
                         "Started by remote host 10.0.3.17", "addr", "10.0.3.17", "note");
    case NS_TRIGGER_replay:
        return json_pack("{s:s,s:s}", "_class", "org.jenkinsci.plugins.workflow.cps.replay.ReplayCause",
                         "shortDescription", "Replayed");
    case NS_TRIGGER_user:
    case NS_TRIGGER_neuroshield:
    case NS_TRIGGER_unknown:
        break;
    }
    const char *user = build->user[0] == '\0' ? "anonymous" : build->user;
    (void)snprintf(text, sizeof text, "Started by user %s", user);
    json_t *id = strcmp(user, "anonymous") == 0 ? json_null() : ns_served_string(user);
    return json_pack("{s:s,s:o,s:o,s:o}", "_class", "hudson.model.Cause$UserIdCause", "shortDescription",
                     ns_served_string(text), "userId", id, "userName", ns_served_string(user));
}

static json_t *parameters(const ns_world_build *build)
{
    json_t *list = json_array();
    for (size_t i = 0; i < build->parameter_count; i++)
        (void)json_array_append_new(list, json_pack("{s:s,s:o,s:o}", "_class", "hudson.model.StringParameterValue",
                                                    "name", ns_served_string(build->parameter[i].name), "value",
                                                    ns_served_string(build->parameter[i].value)));
    return json_pack("{s:s,s:o}", "_class", "hudson.model.ParametersAction", "parameters", list);
}

static json_t *git_data(const ns_world_build *build, const char *repository)
{
    return json_pack("{s:s,s:{s:s,s:[{s:s,s:s}]},s:[s],s:s}", "_class", "hudson.plugins.git.util.BuildData",
                     "lastBuiltRevision", "SHA1", build->commit, "branch", "SHA1", build->commit, "name",
                     "refs/remotes/origin/main", "remoteUrls", repository, "scmName", "");
}

static json_t *actions(const ns_world_build *build, const char *repository)
{
    json_t *list = json_array();
    (void)json_array_append_new(list,
                                json_pack("{s:s,s:[o]}", "_class", "hudson.model.CauseAction", "causes", cause(build)));
    (void)json_array_append_new(list, empty_action());
    if (build->parameter_count > 0)
        (void)json_array_append_new(list, parameters(build));
    (void)json_array_append_new(
        list, json_pack("{s:s,s:I,s:I}", "_class", "jenkins.metrics.impl.TimeInQueueAction", "queuingDurationMillis",
                        (json_int_t)(build->started_ms - build->queued_ms), "buildableDurationMillis", (json_int_t)0));
    (void)json_array_append_new(list, git_data(build, repository));
    (void)json_array_append_new(list, empty_action());
    if (build->tests_total >= 0)
        (void)json_array_append_new(list,
                                    json_pack("{s:s,s:i,s:i,s:i,s:s}", "_class", "hudson.tasks.junit.TestResultAction",
                                              "failCount", build->tests_failed, "skipCount", build->tests_skipped,
                                              "totalCount", build->tests_total, "urlName", "testReport"));
    if (build->result == NS_BUILD_ABORTED && build->aborted_by_person)
        (void)json_array_append_new(list,
                                    json_pack("{s:s,s:[{s:s,s:s}]}", "_class", "jenkins.model.InterruptedBuildAction",
                                              "causes", "_class", "jenkins.model.CauseOfInterruption$UserInterruption",
                                              "shortDescription", "Aborted by a person"));
    (void)json_array_append_new(
        list, json_pack("{s:s}", "_class", "org.jenkinsci.plugins.displayurlapi.actions.RunDisplayAction"));
    (void)json_array_append_new(
        list, json_pack("{s:s,s:b}", "_class",
                        "org.jenkinsci.plugins.pipeline.modeldefinition.actions.RestartDeclarativePipelineAction",
                        "restartEnabled", !build->building));
    return list;
}

static const char *manifest_of(ns_language language)
{
    return language == NS_LANGUAGE_java ? "pom.xml" : language == NS_LANGUAGE_go ? "go.mod" : "package-lock.json";
}

static json_t *change_sets(const ns_world_build *build, const ns_world_job *job)
{
    json_t *sets = json_array();
    json_t *items = json_array();
    static const char *const authors[] = {"maria", "Zo\xc3\xab M\xc3\xbcller", "kenji", "amara", "lars"};
    uint64_t hash = ns_hash(ns_text_of(build->commit));
    for (int32_t i = 0; i < build->changes; i++) {
        char id[41], message[128];
        uint64_t mixed = hash ^ ((uint64_t)(build->changes - 1 - i) * 0x9e3779b97f4a7c15u);
        (void)snprintf(id, sizeof id, "%016llx%016llx%08llx", (unsigned long long)mixed,
                       /* NOLINTNEXTLINE(bugprone-misplaced-widening-cast): for printing */
                       (unsigned long long)(mixed * 31), (unsigned long long)(mixed >> 32));
        const char *commit = i == build->changes - 1 ? build->commit : id;
        bool manifest = build->dependency_files_changed && i == build->changes - 1;
        (void)snprintf(message, sizeof message, "%s: %s", job->name,
                       manifest ? "update the dependencies" : "small repairs");
        json_t *paths =
            manifest ? json_pack("[ss]", manifest_of(job->language), "src/main") : json_pack("[s]", "src/main");
        (void)json_array_append_new(
            items, json_pack("{s:s,s:s,s:I,s:s,s:{s:s},s:o}", "_class", "hudson.plugins.git.GitChangeSet", "commitId",
                             commit, "timestamp", (json_int_t)(build->queued_ms - 60000), "msg", message, "author",
                             "fullName", authors[mixed % NS_COUNT_OF(authors)], "affectedPaths", paths));
    }
    if (build->changes > 0)
        (void)json_array_append_new(sets, json_pack("{s:s,s:o,s:s}", "_class", "hudson.plugins.git.GitChangeSetList",
                                                    "items", items, "kind", "git"));
    else
        json_decref(items);
    return sets;
}

static json_t *result_of(const ns_world_build *build)
{
    return build->result == NS_BUILD_unknown ? json_null() : json_string(ns_build_result_name(build->result));
}

static json_t *neighbour(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number)
{
    ns_world_build build;
    if (!ns_world_build_at(server->world, job, number, &build))
        return json_null();
    return ns_served_run(server, request, job, number, (ns_served_view){.depth = -1});
}

static void put_wide(ns_world_server *server, const ns_serve_request *request, size_t job, const ns_world_job *of,
                     const ns_world_build *build, ns_served_view view, json_t *out)
{
    if (ns_served_wants(view, "actions"))
        (void)json_object_set_new(out, "actions", actions(build, of->repository));
    if (ns_served_wants(view, "changeSets"))
        (void)json_object_set_new(out, "changeSets", change_sets(build, of));
    if (ns_served_wants(view, "previousBuild"))
        (void)json_object_set_new(out, "previousBuild", neighbour(server, request, job, build->number - 1));
    if (ns_served_wants(view, "nextBuild"))
        (void)json_object_set_new(out, "nextBuild", neighbour(server, request, job, build->number + 1));
}

json_t *ns_served_run(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number,
                      ns_served_view view)
{
    ns_world_build build;
    ns_world_job of;
    char url[900], id[32], name[48], full[400];
    if (!ns_world_build_at(server->world, job, number, &build))
        return json_null();
    ns_world_job_at(server->world, job, &of);
    ns_served_job_url(request, of.full_name, url, sizeof url - 32);
    (void)snprintf(id, sizeof id, "%lld", (long long)number);
    (void)snprintf(url + strlen(url), sizeof url - strlen(url), "%s/", id);
    json_t *out = json_pack("{s:s,s:I,s:s}", "_class", RUN_CLASS, "number", (json_int_t)number, "url", url);
    if (ns_served_brief(view) || out == NULL)
        return out;
    (void)snprintf(name, sizeof name, "#%s", id);
    (void)snprintf(full, sizeof full, "%s \xc2\xbb %s #%s", NS_WORLD_FOLDER, of.name, id);
    json_t *flat = json_pack(
        "{s:[],s:b,s:n,s:s,s:I,s:I,s:o,s:s,s:s,s:b,s:b,s:I,s:o,s:I,s:[]}", "artifacts", "building", build.building,
        "description", "displayName", name, "duration", (json_int_t)build.duration_ms, "estimatedDuration",
        (json_int_t)build.estimated_ms, "executor", build.building ? json_object() : json_null(), "fullDisplayName",
        full, "id", id, "inProgress", build.in_progress, "keepLog", false, "queueId", (json_int_t)build.queue_id,
        "result", result_of(&build), "timestamp", (json_int_t)build.started_ms, "culprits");
    (void)json_object_update(out, flat);
    json_decref(flat);
    put_wide(server, request, job, &of, &build, view, out);
    return out;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static json_t *test_case(const ns_world_job *job, int i, bool failed, bool skipped)
{
    static const char *const names[] = {"addsItem", "removesItem", "rejectsUnknownId", "keepsOrder", "countsRequests"};
    char class_name[96], name[64];
    (void)snprintf(class_name, sizeof class_name, "shop.socks.%s.Test%d", job->name, i / 12);
    (void)snprintf(name, sizeof name, "%s%d", names[i % 5], i);
    return json_pack("{s:s,s:i,s:s,s:f,s:o,s:s,s:b,s:s}", "_class", "hudson.tasks.junit.CaseResult", "age",
                     failed ? 1 : 0, "className", class_name, "duration", 0.01 * (double)(i % 40), "errorDetails",
                     failed ? json_string("expected: <3> but was: <2>") : json_null(), "name", name, "skipped", skipped,
                     "status",
                     failed    ? "REGRESSION"
                     : skipped ? "SKIPPED"
                               : "PASSED");
}

json_t *ns_served_tests(ns_world_server *server, size_t job, int64_t number)
{
    ns_world_build build;
    ns_world_job of;
    if (!ns_world_build_at(server->world, job, number, &build) || build.tests_total < 0)
        return json_null();
    ns_world_job_at(server->world, job, &of);
    json_t *list = json_array();
    for (int i = 0; i < build.tests_total; i++) {
        bool failed = i < build.tests_failed;
        bool skipped = !failed && i < build.tests_failed + build.tests_skipped;
        (void)json_array_append_new(list, test_case(&of, i, failed, skipped));
    }
    return json_pack("{s:s,s:f,s:b,s:i,s:i,s:i,s:[{s:s,s:o,s:s}]}", "_class", "hudson.tasks.junit.TestResult",
                     "duration", 12.5, "empty", build.tests_total == 0, "failCount", build.tests_failed, "passCount",
                     build.tests_total - build.tests_failed - build.tests_skipped, "skipCount", build.tests_skipped,
                     "suites", "_class", "hudson.tasks.junit.SuiteResult", "cases", list, "name", of.name);
}

/* ---- stages (wfapi): no _class here ------------------------------------------------------------------------------ */

static const char *stage_word(ns_stage_status status)
{
    static const char *const words[] = {"IN_PROGRESS", "SUCCESS", "FAILED", "ABORTED"};
    return words[status];
}

static const char *run_word(const ns_world_build *build)
{
    if (build->building)
        return "IN_PROGRESS";
    switch (build->result) {
    case NS_BUILD_SUCCESS:
        return "SUCCESS";
    case NS_BUILD_UNSTABLE:
        return "UNSTABLE";
    case NS_BUILD_ABORTED:
        return "ABORTED";
    case NS_BUILD_NOT_BUILT:
        return "NOT_EXECUTED";
    case NS_BUILD_FAILURE:
    case NS_BUILD_unknown:
        break;
    }
    return "FAILED";
}

json_t *ns_served_stages(ns_world_server *server, const ns_serve_request *request, size_t job, int64_t number)
{
    ns_world_build build;
    ns_world_job of;
    (void)request;
    if (!ns_world_build_at(server->world, job, number, &build))
        return json_null();
    ns_world_job_at(server->world, job, &of);
    json_t *stages = json_array();
    for (size_t i = 0; i < build.stage_count; i++) {
        const ns_world_stage *stage = &build.stage[i];
        char id[16];
        (void)snprintf(id, sizeof id, "%zu", 6 + i * 15);
        json_t *row =
            json_pack("{s:{},s:s,s:s,s:s,s:s,s:I,s:I,s:i}", "_links", "id", id, "name", stage->name, "execNode", "",
                      "status", stage_word(stage->status), "startTimeMillis", (json_int_t)stage->start_ms,
                      "durationMillis", (json_int_t)stage->duration_ms, "pauseDurationMillis", 0);
        if (stage->status == NS_STAGE_FAILED)
            (void)json_object_set_new(row, "error",
                                      json_pack("{s:s,s:s}", "message", "script returned a status other than 0", "type",
                                                "hudson.AbortException"));
        (void)json_array_append_new(stages, row);
    }
    char id[32], name[48];
    int64_t end_ms = build.building ? ns_world_now_ms(server->world) : build.ended_ms;
    (void)snprintf(id, sizeof id, "%lld", (long long)number);
    (void)snprintf(name, sizeof name, "#%lld", (long long)number);
    return json_pack("{s:{},s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:i,s:o}", "_links", "id", id, "name", name, "status",
                     run_word(&build), "startTimeMillis", (json_int_t)build.started_ms, "endTimeMillis",
                     (json_int_t)end_ms, "durationMillis", (json_int_t)(end_ms - build.started_ms),
                     "queueDurationMillis", (json_int_t)(build.started_ms - build.queued_ms), "pauseDurationMillis", 0,
                     "stages", stages);
}
