/* Jenkins' objects but builds: root, folder, jobs, queue, computers. */
#include "world/serve_internal.h"

#include "base/mem.h"
#include "wire/url.h"

#include <stdio.h>
#include <string.h>

#define JOB_CLASS "org.jenkinsci.plugins.workflow.job.WorkflowJob"

json_t *ns_served_string(const char *text)
{
    json_t *plain = json_string(text);
    if (plain != NULL)
        return plain;
    ns_buf repaired;
    ns_buf_init(&repaired, 64u << 10);
    for (ns_text rest = ns_text_of(text); rest.len > 0;) {
        size_t n = ns_utf8_sequence(rest);
        if (n == 0)
            (void)ns_buf_string(&repaired, "\xef\xbf\xbd");
        else
            (void)ns_buf_put(&repaired, rest.at, n);
        n = n == 0 ? 1 : n;
        rest.at += n;
        rest.len -= n;
    }
    plain = json_stringn(repaired.at, repaired.len);
    ns_buf_clear(&repaired);
    return plain;
}

/* ---- views ------------------------------------------------------------------------------------------------------- */

bool ns_served_brief(ns_served_view view)
{
    return view.tree != NULL ? view.tree->children == NULL : view.depth < 0;
}

bool ns_served_wants(ns_served_view view, const char *name)
{
    return view.tree == NULL || ns_tree_child(view.tree, name) != NULL;
}

ns_served_view ns_served_below(ns_served_view view, const char *name)
{
    if (view.tree == NULL)
        return (ns_served_view){.depth = view.depth - 1};
    return (ns_served_view){.tree = ns_tree_child(view.tree, name)};
}

size_t ns_served_limit(ns_served_view view, const char *name)
{
    const ns_tree *child = view.tree == NULL ? NULL : ns_tree_child(view.tree, name);
    return child == NULL ? SIZE_MAX : child->to;
}

void ns_served_job_url(const ns_serve_request *request, const char *full_name, char *out, size_t size)
{
    ns_buf url;
    ns_buf_init(&url, size - 1);
    (void)ns_buf_string(&url, request->base);
    for (ns_text rest = ns_text_of(full_name); rest.len > 0;) {
        ptrdiff_t slash = ns_text_find(rest, "/");
        size_t len = slash < 0 ? rest.len : (size_t)slash;
        (void)ns_buf_string(&url, "job/");
        (void)ns_url_encode(&url, (ns_text){rest.at, len});
        (void)ns_buf_char(&url, '/');
        len = slash < 0 ? len : len + 1;
        rest.at += len;
        rest.len -= len;
    }
    (void)ns_text_copy(out, size, ns_buf_view(&url));
    ns_buf_clear(&url);
}

/* ---- permalinks -------------------------------------------------------------------------------------------------- */

typedef bool build_test(const ns_world_build *build);

static bool is_any(const ns_world_build *build)
{
    (void)build;
    return true;
}

static bool is_completed(const ns_world_build *build)
{
    return !build->building && build->result != NS_BUILD_unknown;
}

/* Jenkins counts UNSTABLE as successful here, and as not stable. */
static bool is_successful(const ns_world_build *build)
{
    return is_completed(build) && build->result <= NS_BUILD_UNSTABLE;
}

static bool is_stable(const ns_world_build *build)
{
    return is_completed(build) && build->result == NS_BUILD_SUCCESS;
}

static bool is_unstable(const ns_world_build *build)
{
    return is_completed(build) && build->result == NS_BUILD_UNSTABLE;
}

static bool is_failed(const ns_world_build *build)
{
    return is_completed(build) && build->result == NS_BUILD_FAILURE;
}

static bool is_unsuccessful(const ns_world_build *build)
{
    return is_completed(build) && build->result != NS_BUILD_SUCCESS;
}

static const struct {
    const char *name;
    build_test *test;
} permalinks[] = {{"lastBuild", is_any},
                  {"lastCompletedBuild", is_completed},
                  {"lastFailedBuild", is_failed},
                  {"lastStableBuild", is_stable},
                  {"lastSuccessfulBuild", is_successful},
                  {"lastUnstableBuild", is_unstable},
                  {"lastUnsuccessfulBuild", is_unsuccessful}};

static int64_t newest_where(const ns_world *world, size_t job, build_test *test)
{
    ns_world_job of;
    ns_world_build build;
    ns_world_job_at(world, job, &of);
    for (int64_t n = of.newest_number; n > 0 && n >= of.oldest_number; n--) {
        if (ns_world_build_at(world, job, n, &build) && test(&build))
            return n;
    }
    return 0;
}

int64_t ns_served_number(const ns_world *world, size_t job, const char *name)
{
    int64_t number = 0;
    ns_world_build build;
    for (size_t i = 0; i < NS_COUNT_OF(permalinks); i++) {
        if (strcmp(permalinks[i].name, name) == 0)
            return newest_where(world, job, permalinks[i].test);
    }
    if (!ns_text_int64(ns_text_of(name), &number) || number <= 0)
        return 0;
    return ns_world_build_at(world, job, number, &build) ? number : 0;
}

/* ---- jobs -------------------------------------------------------------------------------------------------------- */

static const char *color_of(const ns_world *world, size_t job, const ns_world_job *of, char *out, size_t size)
{
    ns_world_build build;
    int64_t last = newest_where(world, job, is_completed);
    const char *word = "notbuilt";
    if (last > 0 && ns_world_build_at(world, job, last, &build)) {
        static const char *const words[] = {"notbuilt", "blue", "yellow", "red", "notbuilt", "aborted"};
        word = words[build.result];
    }
    (void)snprintf(out, size, "%s%s", of->disabled ? "disabled" : word, of->running != 0 ? "_anime" : "");
    return out;
}

static json_t *build_list(ns_world_server *server, const ns_serve_request *request, size_t job, const ns_world_job *of,
                          ns_served_view view, const char *name)
{
    json_t *list = json_array();
    size_t limit = ns_served_limit(view, name);
    ns_served_view below = ns_served_below(view, name);
    limit = strcmp(name, "builds") == 0 && limit > 100 ? 100 : limit;
    for (int64_t n = of->newest_number; n > 0 && n >= of->oldest_number && json_array_size(list) < limit; n--) {
        ns_world_build build;
        if (ns_world_build_at(server->world, job, n, &build))
            (void)json_array_append_new(list, ns_served_run(server, request, job, n, below));
    }
    return list;
}

static json_t *definitions(const ns_world_job *of)
{
    json_t *list = json_array();
    for (size_t i = 0; i < of->parameter_count; i++) {
        const ns_parameter *p = &of->parameter[i];
        (void)json_array_append_new(
            list, json_pack("{s:s,s:{s:s,s:o,s:o},s:s,s:o,s:s}", "_class", "hudson.model.StringParameterDefinition",
                            "defaultParameterValue", "_class", "hudson.model.StringParameterValue", "name",
                            ns_served_string(p->name), "value", ns_served_string(p->value), "description", "", "name",
                            ns_served_string(p->name), "type", "StringParameterDefinition"));
    }
    return json_pack("[{s:s},{s:s,s:o}]", "_class",
                     "org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty", "_class",
                     "hudson.model.ParametersDefinitionProperty", "parameterDefinitions", list);
}

static json_t *health(const ns_world *world, size_t job, const ns_world_job *of)
{
    int seen = 0, good = 0;
    ns_world_build build;
    for (int64_t n = of->newest_number; n > 0 && n >= of->oldest_number && seen < 5; n--) {
        if (!ns_world_build_at(world, job, n, &build) || !is_completed(&build))
            continue;
        seen++;
        good += is_successful(&build);
    }
    int score = seen == 0 ? 100 : good * 100 / seen;
    char text[96];
    (void)snprintf(text, sizeof text, "Build stability: %d out of the last %d builds failed.", seen - good, seen);
    return json_pack("[{s:s,s:s,s:s,s:i}]", "description", text, "iconClassName", "icon-health", "iconUrl",
                     "health.png", "score", score);
}

static json_t *queue_item_of(ns_world_server *server, const ns_serve_request *request, size_t job, ns_served_view view)
{
    for (size_t i = 0; i < ns_world_queue_count(server->world); i++) {
        ns_world_queue_item item;
        ns_world_queue_at(server->world, i, &item);
        if (item.job == job)
            return ns_served_queue_item(server, request, &item, view);
    }
    return json_null();
}

static void put_builds(ns_world_server *server, const ns_serve_request *request, size_t job, const ns_world_job *of,
                       ns_served_view view, json_t *out)
{
    if (ns_served_wants(view, "builds"))
        (void)json_object_set_new(out, "builds", build_list(server, request, job, of, view, "builds"));
    if (view.tree != NULL && ns_tree_child(view.tree, "allBuilds") != NULL)
        (void)json_object_set_new(out, "allBuilds", build_list(server, request, job, of, view, "allBuilds"));
    if (ns_served_wants(view, "firstBuild"))
        (void)json_object_set_new(
            out, "firstBuild",
            ns_served_run(server, request, job, of->oldest_number, ns_served_below(view, "firstBuild")));
    for (size_t i = 0; i < NS_COUNT_OF(permalinks); i++) {
        if (ns_served_wants(view, permalinks[i].name))
            (void)json_object_set_new(out, permalinks[i].name,
                                      ns_served_run(server, request, job,
                                                    newest_where(server->world, job, permalinks[i].test),
                                                    ns_served_below(view, permalinks[i].name)));
    }
}

json_t *ns_served_job(ns_world_server *server, const ns_serve_request *request, size_t job, ns_served_view view)
{
    ns_world_job of;
    char url[800], color[32], full[400];
    ns_world_job_at(server->world, job, &of);
    ns_served_job_url(request, of.full_name, url, sizeof url);
    json_t *out = json_pack("{s:s,s:s,s:s,s:s}", "_class", JOB_CLASS, "name", of.name, "url", url, "color",
                            color_of(server->world, job, &of, color, sizeof color));
    if (ns_served_brief(view) || out == NULL)
        return out;
    (void)snprintf(full, sizeof full, "%s \xc2\xbb %s", NS_WORLD_FOLDER, of.name);
    json_t *flat =
        json_pack("{s:[{},{}],s:b,s:b,s:s,s:b,s:s,s:s,s:s,s:b,s:b,s:I,s:b}", "actions", "buildable", !of.disabled,
                  "concurrentBuild", false, "description", of.description, "disabled", of.disabled, "displayName",
                  of.name, "fullDisplayName", full, "fullName", of.full_name, "inQueue", of.in_queue,
                  "keepDependencies", false, "nextBuildNumber", (json_int_t)of.next_number, "resumeBlocked", false);
    (void)json_object_update(out, flat);
    json_decref(flat);
    if (ns_served_wants(view, "property"))
        (void)json_object_set_new(out, "property", definitions(&of));
    if (ns_served_wants(view, "healthReport"))
        (void)json_object_set_new(out, "healthReport", health(server->world, job, &of));
    if (ns_served_wants(view, "queueItem"))
        (void)json_object_set_new(out, "queueItem",
                                  queue_item_of(server, request, job, ns_served_below(view, "queueItem")));
    put_builds(server, request, job, &of, view, out);
    return out;
}

/* ---- folder, root ------------------------------------------------------------------------------------------------ */

static json_t *all_view(const char *url)
{
    return json_pack("{s:s,s:s,s:s}", "_class", "hudson.model.AllView", "name", "all", "url", url);
}

json_t *ns_served_folder(ns_world_server *server, const ns_serve_request *request, ns_served_view view)
{
    char url[600];
    ns_served_job_url(request, NS_WORLD_FOLDER, url, sizeof url);
    json_t *out = json_pack("{s:s,s:s,s:s}", "_class", "com.cloudbees.hudson.plugins.folder.Folder", "name",
                            NS_WORLD_FOLDER, "url", url);
    if (ns_served_brief(view) || out == NULL)
        return out;
    json_t *flat =
        json_pack("{s:[{},{}],s:s,s:s,s:s,s:s,s:[],s:o,s:[o]}", "actions", "description", "the sock shop's pipelines",
                  "displayName", NS_WORLD_FOLDER, "fullDisplayName", NS_WORLD_FOLDER, "fullName", NS_WORLD_FOLDER,
                  "healthReport", "primaryView", all_view(url), "views", all_view(url));
    (void)json_object_update(out, flat);
    json_decref(flat);
    if (ns_served_wants(view, "jobs")) {
        json_t *jobs = json_array();
        for (size_t j = 0; j < ns_world_job_count(server->world); j++)
            (void)json_array_append_new(jobs, ns_served_job(server, request, j, ns_served_below(view, "jobs")));
        (void)json_object_set_new(out, "jobs", jobs);
    }
    return out;
}

json_t *ns_served_root(ns_world_server *server, const ns_serve_request *request, ns_served_view view)
{
    json_t *out = json_pack("{s:s,s:[{}],s:s,s:s,s:s,s:i,s:n,s:o,s:b,s:i,s:{},s:{},s:s,s:b,s:b,s:[o]}", "_class",
                            "hudson.model.Hudson", "assignedLabels", "mode", "NORMAL", "nodeDescription",
                            "the Jenkins controller's built-in node", "nodeName", "", "numExecutors", 0, "description",
                            "primaryView", all_view(request->base), "quietingDown", false, "slaveAgentPort", 50000,
                            "overallLoad", "unlabeledLoad", "url", request->base, "useCrumbs", true, "useSecurity",
                            true, "views", all_view(request->base));
    if (out != NULL && ns_served_wants(view, "jobs"))
        (void)json_object_set_new(out, "jobs",
                                  json_pack("[o]", ns_served_folder(server, request, ns_served_below(view, "jobs"))));
    return out;
}

/* ---- queue ------------------------------------------------------------------------------------------------------- */

static const char *item_class(ns_queue_state state)
{
    static const char *const classes[] = {"hudson.model.Queue$WaitingItem", "hudson.model.Queue$BlockedItem",
                                          "hudson.model.Queue$BuildableItem", "hudson.model.Queue$LeftItem",
                                          "hudson.model.Queue$LeftItem"};
    return classes[state];
}

static json_t *params_text(const ns_world_queue_item *item)
{
    ns_buf text;
    ns_buf_init(&text, 8192);
    for (size_t i = 0; i < item->parameter_count; i++)
        (void)ns_buf_printf(&text, "\n%s=%s", item->parameter[i].name, item->parameter[i].value);
    json_t *out = ns_served_string(text.at == NULL ? "" : text.at);
    ns_buf_clear(&text);
    return out;
}

static void put_item_state(ns_world_server *server, const ns_serve_request *request, const ns_world_queue_item *item,
                           json_t *out)
{
    bool left = item->state == NS_QUEUE_left || item->state == NS_QUEUE_cancelled;
    (void)json_object_set_new(out, "why", left ? json_null() : ns_served_string(item->why));
    if (item->state == NS_QUEUE_waiting)
        (void)json_object_set_new(out, "timestamp", json_integer((json_int_t)item->quiet_until_ms));
    if (item->state == NS_QUEUE_buildable) {
        (void)json_object_set_new(out, "buildableStartMilliseconds", json_integer((json_int_t)item->buildable_ms));
        (void)json_object_set_new(out, "pending", json_false());
    }
    if (left) {
        (void)json_object_set_new(out, "cancelled", json_boolean(item->state == NS_QUEUE_cancelled));
        (void)json_object_set_new(
            out, "executable",
            item->number == 0 ? json_null()
                              : ns_served_run(server, request, item->job, item->number, (ns_served_view){.depth = -1}));
    }
}

json_t *ns_served_queue_item(ns_world_server *server, const ns_serve_request *request, const ns_world_queue_item *item,
                             ns_served_view view)
{
    char url[64];
    (void)view; /* small enough to be built whole */
    (void)snprintf(url, sizeof url, "queue/item/%lld/", (long long)item->id);
    bool waits_long = item->buildable_ms >= 0 && ns_world_now_ms(server->world) - item->buildable_ms > 600000;
    json_t *out =
        json_pack("{s:s,s:[{}],s:b,s:b,s:I,s:I,s:o,s:b,s:o,s:s}", "_class", item_class(item->state), "actions",
                  "blocked", item->state == NS_QUEUE_blocked, "buildable", item->state == NS_QUEUE_buildable, "id",
                  (json_int_t)item->id, "inQueueSince", (json_int_t)item->since_ms, "params", params_text(item),
                  "stuck", item->state == NS_QUEUE_buildable && waits_long, "task",
                  ns_served_job(server, request, item->job, (ns_served_view){.depth = -1}), "url", url);
    if (out != NULL)
        put_item_state(server, request, item, out);
    return out;
}

json_t *ns_served_queue(ns_world_server *server, const ns_serve_request *request, ns_served_view view)
{
    json_t *items = json_array();
    for (size_t i = 0; i < ns_world_queue_count(server->world); i++) {
        ns_world_queue_item item;
        ns_world_queue_at(server->world, i, &item);
        (void)json_array_append_new(items,
                                    ns_served_queue_item(server, request, &item, ns_served_below(view, "items")));
    }
    return json_pack("{s:s,s:[],s:o}", "_class", "hudson.model.Queue", "discoverableItems", "items", items);
}

/* ---- computers --------------------------------------------------------------------------------------------------- */

static json_t *executable(ns_world_server *server, const ns_serve_request *request, ptrdiff_t job, int64_t number,
                          bool placeholder)
{
    if (job < 0)
        return json_null();
    json_t *run = ns_served_run(server, request, (size_t)job, number, (ns_served_view){.depth = -1});
    if (placeholder && json_is_object(run))
        (void)json_object_set_new(run, "_class",
                                  json_string("org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$"
                                              "PlaceholderTask$PlaceholderExecutable"));
    return run;
}

static int progress_of(ns_world_server *server, ptrdiff_t job, int64_t number)
{
    ns_world_build build;
    if (job < 0 || !ns_world_build_at(server->world, (size_t)job, number, &build) || build.estimated_ms <= 0)
        return -1;
    int64_t percent = (ns_world_now_ms(server->world) - build.started_ms) * 100 / build.estimated_ms;
    return percent > 99 ? 99 : (int)percent;
}

static json_t *executor(ns_world_server *server, const ns_serve_request *request, ptrdiff_t job, int64_t number, int i,
                        bool placeholder)
{
    return json_pack("{s:o,s:b,s:b,s:i,s:i}", "currentExecutable",
                     executable(server, request, job, number, placeholder), "idle", job < 0, "likelyStuck", false,
                     "number", i, "progress", progress_of(server, job, number));
}

static json_t *monitor_data(const ns_serve_request *request, const ns_world_agent *agent)
{
    if (!request->authenticated)
        return json_object(); /* these need the right Connect */
    json_int_t disk = (json_int_t)((1.0 - agent->disk_used) * (double)agent->disk_bytes);
    json_int_t memory = (json_int_t)((1.0 - agent->memory_used) * (double)agent->memory_bytes);
    return json_pack(
        "{s:{s:s,s:I,s:s},s:{s:s,s:i},s:s,s:n,s:{s:s,s:I,s:I}}", "hudson.node_monitors.DiskSpaceMonitor", "_class",
        "hudson.node_monitors.DiskSpaceMonitorDescriptor$DiskSpace", "size", disk, "path", "/home/jenkins",
        "hudson.node_monitors.ResponseTimeMonitor", "_class", "hudson.node_monitors.ResponseTimeMonitor$Data",
        "average", 14, "hudson.node_monitors.ArchitectureMonitor", "Linux (amd64)", "hudson.node_monitors.ClockMonitor",
        "hudson.node_monitors.SwapSpaceMonitor", "_class", "hudson.node_monitors.SwapSpaceMonitor$MemoryUsage2",
        "availablePhysicalMemory", memory, "totalPhysicalMemory", (json_int_t)agent->memory_bytes);
}

static json_t *agent_json(ns_world_server *server, const ns_serve_request *request, size_t i)
{
    ns_world_agent agent;
    ns_world_agent_at(server->world, i, &agent);
    json_t *executors = json_array();
    for (int32_t e = 0; e < agent.executors; e++)
        (void)json_array_append_new(executors,
                                    executor(server, request, agent.slot[e].job, agent.slot[e].number, (int)e, true));
    json_t *reason =
        agent.offline ? json_pack("{s:s}", "_class", "hudson.slaves.OfflineCause$ChannelTermination") : json_null();
    return json_pack("{s:s,s:[{s:s},{s:s}],s:s,s:s,s:o,s:b,s:b,s:b,s:o,s:i,s:b,s:o,s:s,s:[],s:b}", "_class",
                     "hudson.slaves.SlaveComputer", "assignedLabels", "name", agent.label, "name", agent.name,
                     "displayName", agent.name, "description", "build agent", "executors", executors, "idle",
                     agent.busy == 0, "jnlpAgent", false, "manualLaunchAllowed", true, "monitorData",
                     monitor_data(request, &agent), "numExecutors", agent.executors, "offline", agent.offline,
                     "offlineCause", reason, "offlineCauseReason", agent.offline_reason, "oneOffExecutors",
                     "temporarilyOffline", false);
}

/* Pipelines themselves occupy one-off executors of the controller. */
static json_t *built_in(ns_world_server *server, const ns_serve_request *request)
{
    json_t *one_off = json_array();
    for (size_t j = 0; j < ns_world_job_count(server->world); j++) {
        ns_world_job job;
        ns_world_job_at(server->world, j, &job);
        if (job.running != 0)
            (void)json_array_append_new(one_off, executor(server, request, (ptrdiff_t)j, job.running, -1, false));
    }
    return json_pack("{s:s,s:[{s:s}],s:s,s:s,s:[],s:b,s:b,s:b,s:{},s:i,s:b,s:n,s:s,s:o,s:b}", "_class",
                     "hudson.model.Hudson$MasterComputer", "assignedLabels", "name", "built-in", "displayName",
                     "Built-In Node", "description", "the Jenkins controller's built-in node", "executors", "idle",
                     true, "jnlpAgent", false, "manualLaunchAllowed", true, "monitorData", "numExecutors", 0, "offline",
                     false, "offlineCause", "offlineCauseReason", "", "oneOffExecutors", one_off, "temporarilyOffline",
                     false);
}

json_t *ns_served_computers(ns_world_server *server, const ns_serve_request *request, ns_served_view view)
{
    json_t *list = json_array();
    json_int_t busy = 0, total = 0;
    (void)view;
    (void)json_array_append_new(list, built_in(server, request));
    for (size_t i = 0; i < ns_world_agent_count(server->world); i++) {
        ns_world_agent agent;
        ns_world_agent_at(server->world, i, &agent);
        busy += agent.busy;
        total += agent.offline ? 0 : agent.executors;
        (void)json_array_append_new(list, agent_json(server, request, i));
    }
    return json_pack("{s:s,s:I,s:o,s:s,s:I}", "_class", "hudson.model.ComputerSet", "busyExecutors", busy, "computer",
                     list, "displayName", "Nodes", "totalExecutors", total);
}

json_t *ns_served_computer(ns_world_server *server, const ns_serve_request *request, const char *name,
                           ns_served_view view)
{
    (void)view;
    if (strcmp(name, "(built-in)") == 0 || strcmp(name, "(master)") == 0 || strcmp(name, "Built-In Node") == 0)
        return built_in(server, request);
    for (size_t i = 0; i < ns_world_agent_count(server->world); i++) {
        ns_world_agent agent;
        ns_world_agent_at(server->world, i, &agent);
        if (strcmp(agent.name, name) == 0)
            return agent_json(server, request, i);
    }
    return json_null();
}
