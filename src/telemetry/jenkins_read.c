#include "telemetry/jenkins_read.h"

#include <math.h>
#include <string.h>

/* ---- jobs ---- */

typedef struct walk {
    ns_jenkins_job_visit *visit;
    void *owner;
    bool whole;
    char name[NS_JOB_MAX]; /* full name of where we are */
} walk;

static bool is_folder(const json_t *item)
{
    return json_is_array(ns_json_at(item, "jobs"));
}

/* Folders, and what lies deeper than was asked for, have neither colour nor builds. */
static bool is_job(const json_t *item)
{
    return json_is_string(ns_json_at(item, "color")) || ns_json_at(item, "buildable") != NULL;
}

static void visit_job(walk *w, size_t len, const json_t *item)
{
    const char *kind = ns_json_string(item, "_class", "");
    const json_t *last = ns_json_at(item, "lastBuild");
    const json_t *completed = ns_json_at(item, "lastCompletedBuild");
    ns_jenkins_job job = {
        .full_name = {w->name, len},
        .buildable = ns_json_bool(item, "buildable", strncmp(ns_json_string(item, "color", ""), "disabled", 8) != 0),
        .in_queue = ns_json_bool(item, "inQueue", false),
        .never_built = json_is_null(last),
        .pipeline = kind[0] == '\0' || strstr(kind, ".workflow.") != NULL,
        .last = json_is_object(last) ? last : NULL,
        .last_completed = json_is_object(completed) ? completed : NULL,
    };
    w->visit(w->owner, &job);
}

static void walk_list(walk *w, size_t len, const json_t *list, int depth)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        ns_text name;
        size_t at = len == 0 ? 0 : len + 1; /* behind the slash */
        if (!ns_json_text(item, "name", &name) || !ns_jenkins_name_ok(name) || at + name.len >= NS_JOB_MAX) {
            w->whole = false;
            continue;
        }
        if (at > 0)
            w->name[at - 1] = '/';
        memcpy(w->name + at, name.at, name.len);
        w->name[at + name.len] = '\0';
        if (is_folder(item) && depth < NS_JENKINS_DEPTH_MAX)
            walk_list(w, at + name.len, ns_json_at(item, "jobs"), depth + 1);
        else if (is_job(item))
            visit_job(w, at + name.len, item);
    }
}

ns_status ns_jenkins_read_jobs(const json_t *answer, ns_jenkins_job_visit *visit, void *owner, bool *whole)
{
    walk w = {.visit = visit, .owner = owner, .whole = true};
    const json_t *jobs = ns_json_at(answer, "jobs");
    if (!json_is_array(jobs))
        return NS_PROTOCOL;
    walk_list(&w, 0, jobs, 1);
    *whole = w.whole;
    return NS_OK;
}

/* ---- one build ---- */

static int32_t count32(const json_t *object, const char *key, int32_t otherwise)
{
    int64_t n = ns_json_int(object, key, -1);
    return n < 0 ? otherwise : n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

static void read_times(const json_t *json, ns_build *build)
{
    int64_t started = ns_json_int(json, "timestamp", -1);
    if (started > 0)
        build->started_ms = started;
    int64_t estimated = ns_json_int(json, "estimatedDuration", -1);
    if (estimated >= 0)
        build->estimated_ms = estimated;
    int64_t queue_id = ns_json_int(json, "queueId", -1);
    if (queue_id >= 0)
        build->queue_id = queue_id;
    int64_t duration = ns_json_int(json, "duration", -1);
    if (build->running)
        build->duration_ms = -1; /* Jenkins writes 0 while it runs */
    else if (duration >= 0)
        build->duration_ms = duration;
}

static void read_state(const json_t *json, ns_build *build)
{
    ns_text result;
    const json_t *verdict = ns_json_at(json, "result");
    ns_build_result parsed;
    if (ns_json_text(json, "result", &result) && ns_build_result_parse(result, &parsed))
        build->result = parsed;
    else if (verdict != NULL)
        build->result = NS_BUILD_unknown;
    const json_t *building = ns_json_at(json, "building");
    const json_t *in_progress = ns_json_at(json, "inProgress");
    if (building == NULL && in_progress == NULL) {
        if (build->result != NS_BUILD_unknown && verdict != NULL)
            build->running = false;
        return;
    }
    /* After a crash Jenkins may keep records without a verdict for ever: both flags false says that it is over. */
    bool told_over = json_is_false(building) && json_is_false(in_progress);
    build->running =
        json_is_true(building) || json_is_true(in_progress) || (build->result == NS_BUILD_unknown && !told_over);
}

static ns_build_trigger trigger_of(const char *kind)
{
    static const struct {
        const char *word;
        ns_build_trigger trigger;
    } kinds[] = {
        {"ReplayCause", NS_TRIGGER_replay},     {"UserIdCause", NS_TRIGGER_user},   {"UserCause", NS_TRIGGER_user},
        {"UpstreamCause", NS_TRIGGER_upstream}, {"TimerTrigger", NS_TRIGGER_timer}, {"SCMTrigger", NS_TRIGGER_scm},
        {"BranchEvent", NS_TRIGGER_scm},        {"BranchIndexing", NS_TRIGGER_scm}, {"PushCause", NS_TRIGGER_scm},
        {"RemoteCause", NS_TRIGGER_remote},
    };
    for (size_t i = 0; i < NS_COUNT_OF(kinds); i++)
        if (strstr(kind, kinds[i].word) != NULL)
            return kinds[i].trigger;
    return NS_TRIGGER_unknown;
}

static void keep_name(char out[NS_NAME_MAX], const char *name)
{
    if (name[0] != '\0' && strlen(name) < NS_NAME_MAX)
        (void)ns_text_copy(out, NS_NAME_MAX, ns_text_of(name));
}

/* A replay also names the person who asked for it: the replay counts. Otherwise the first cause that we know. */
static void read_cause(const json_t *cause, ns_build *build)
{
    ns_build_trigger trigger = trigger_of(ns_json_string(cause, "_class", ""));
    if (trigger == NS_TRIGGER_replay || build->trigger == NS_TRIGGER_unknown)
        build->trigger = trigger;
    if (build->triggered_by[0] == '\0')
        keep_name(build->triggered_by, ns_json_string(cause, "userId", ns_json_string(cause, "upstreamProject", "")));
}

static void read_revision(const json_t *action, ns_build *build)
{
    const char *sha = ns_json_string(ns_json_at(action, "lastBuiltRevision"), "SHA1", "");
    size_t len = strlen(sha);
    if (build->commit[0] == '\0' && len > 0 && len < sizeof build->commit &&
        strspn(sha, "0123456789abcdefABCDEF") == len)
        memcpy(build->commit, sha, len + 1);
}

static void read_aborted(const json_t *actions, ns_build *build)
{
    int by = ns_jenkins_interrupted_by_person(actions);
    if (by == 1)
        build->aborted_by_person = 1;
    else if (!build->running && build->result != NS_BUILD_ABORTED && build->result != NS_BUILD_unknown)
        build->aborted_by_person = 0;
    else
        build->aborted_by_person = build->running ? -1 : (int8_t)by;
}

static void read_actions(const json_t *actions, const char *own_user, ns_build *build)
{
    const json_t *parameters = ns_jenkins_parameters(actions);
    build->parameters = (int32_t)json_array_size(parameters);
    ns_jenkins_key_of(parameters, build->key);
    build->trigger = NS_TRIGGER_unknown;
    build->triggered_by[0] = '\0';
    build->commit[0] = '\0';
    for (size_t i = 0; i < json_array_size(actions); i++) {
        const json_t *action = json_array_get(actions, i);
        read_revision(action, build);
        if (ns_json_at(action, "totalCount") != NULL) {
            build->tests_total = count32(action, "totalCount", build->tests_total);
            build->tests_failed = count32(action, "failCount", build->tests_failed);
            build->tests_skipped = count32(action, "skipCount", build->tests_skipped);
        }
        if (strstr(ns_json_string(action, "_class", ""), "Interrupted") != NULL)
            continue;
        const json_t *causes = ns_json_at(action, "causes");
        for (size_t k = 0; k < json_array_size(causes); k++)
            read_cause(json_array_get(causes, k), build);
    }
    if (build->key[0] != '\0' || ns_jenkins_started_by(actions, own_user))
        build->trigger = NS_TRIGGER_neuroshield;
    read_aborted(actions, build);
}

bool ns_jenkins_is_dependency_file(ns_text path)
{
    static const char *const names[] = {
        "package.json",
        "package-lock.json",
        "npm-shrinkwrap.json",
        "yarn.lock",
        "pnpm-lock.yaml",
        "pom.xml",
        "build.gradle",
        "build.gradle.kts",
        "gradle.lockfile",
        "libs.versions.toml",
        "go.mod",
        "go.sum",
        "Cargo.toml",
        "Cargo.lock",
        "Pipfile",
        "Pipfile.lock",
        "pyproject.toml",
        "poetry.lock",
        "uv.lock",
        "setup.py",
        "setup.cfg",
        "Gemfile",
        "Gemfile.lock",
        "composer.json",
        "composer.lock",
        "packages.lock.json",
        "Dockerfile",
        "conanfile.txt",
        "conanfile.py",
        "vcpkg.json",
    };
    const char *slash = path.len == 0 ? NULL : memrchr(path.at, '/', path.len);
    size_t skip = slash == NULL ? 0 : (size_t)(slash - path.at) + 1;
    ns_text name = {path.at + skip, path.len - skip};
    for (size_t i = 0; i < NS_COUNT_OF(names); i++)
        if (ns_text_is(name, names[i]))
            return true;
    return (ns_text_starts(name, "requirements") || ns_text_starts(name, "constraints")) &&
           (ns_text_ends(name, ".txt") || ns_text_ends(name, ".in"));
}

typedef struct change_count {
    int32_t commits;
    bool told;       /* there was a change set, empty or not */
    bool paths_told; /* of every commit */
    bool dependency;
} change_count;

static void count_change_set(const json_t *set, change_count *count)
{
    const json_t *items = ns_json_at(set, "items");
    if (!json_is_array(items))
        return;
    count->told = true;
    for (size_t i = 0; i < json_array_size(items); i++) {
        count->commits++;
        const json_t *paths = ns_json_at(json_array_get(items, i), "affectedPaths");
        count->paths_told = count->paths_told && json_is_array(paths);
        for (size_t k = 0; k < json_array_size(paths); k++) {
            const json_t *path = json_array_get(paths, k);
            if (json_is_string(path) &&
                ns_jenkins_is_dependency_file((ns_text){json_string_value(path), json_string_length(path)}))
                count->dependency = true;
        }
    }
}

static void read_changes(const json_t *json, ns_build *build)
{
    change_count count = {.paths_told = true};
    const json_t *sets = ns_json_at(json, "changeSets");
    count.told = json_is_array(sets);
    for (size_t i = 0; i < json_array_size(sets); i++)
        count_change_set(json_array_get(sets, i), &count);
    count_change_set(ns_json_at(json, "changeSet"), &count);
    if (!count.told)
        return;
    build->changes = count.commits;
    build->dependency_files_changed = count.dependency ? 1 : count.paths_told ? 0 : -1;
}

void ns_jenkins_read_build(const json_t *json, const char *own_user, ns_build *build)
{
    read_state(json, build);
    read_times(json, build);
    const char *built_on = ns_json_string(json, "builtOn", NULL);
    if (built_on != NULL)
        keep_name(build->agent, built_on[0] == '\0' ? "built-in" : built_on);
    const json_t *actions = ns_json_at(json, "actions");
    if (json_is_array(actions))
        read_actions(actions, own_user, build);
    read_changes(json, build);
}

void ns_jenkins_read_stages(const json_t *json, ns_build *build)
{
    const json_t *stages = ns_json_at(json, "stages");
    if (!json_is_array(stages))
        return;
    build->stages = build->stages_bad = 0;
    build->stage[0] = '\0';
    for (size_t i = 0; i < json_array_size(stages); i++) {
        const json_t *stage = json_array_get(stages, i);
        const char *status = ns_json_string(stage, "status", "");
        if (status[0] == '\0' || strcmp(status, "NOT_EXECUTED") == 0)
            continue;
        build->stages++;
        if (strcmp(status, "FAILED") == 0 || strcmp(status, "UNSTABLE") == 0)
            build->stages_bad++;
        build->stage[0] = '\0';
        keep_name(build->stage, ns_json_string(stage, "name", ""));
    }
}

/* ---- queue and agents ---- */

double ns_jenkins_read_queue(const json_t *json)
{
    const json_t *items = ns_json_at(json, "items");
    return json_is_array(items) ? (double)json_array_size(items) : NAN;
}

static double count_or_nan(const json_t *json, const char *key)
{
    int64_t n = ns_json_int(json, key, -1);
    return n < 0 ? NAN : (double)n;
}

static void visit_executors(const json_t *list, const char *agent, ns_jenkins_agent_visit *visit, void *owner)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        ns_text url;
        char job[NS_JOB_MAX];
        int64_t number;
        const json_t *running = ns_json_at(json_array_get(list, i), "currentExecutable");
        if (ns_json_text(running, "url", &url) && ns_jenkins_job_of_url(url, job, &number) && number > 0)
            visit(owner, job, number, agent);
    }
}

void ns_jenkins_read_agents(const json_t *json, ns_jenkins_agents *out, ns_jenkins_agent_visit *visit, void *owner)
{
    const json_t *list = ns_json_at(json, "computer");
    *out = (ns_jenkins_agents){count_or_nan(json, "busyExecutors"), count_or_nan(json, "totalExecutors"), NAN};
    if (!json_is_array(list))
        return;
    out->offline = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *computer = json_array_get(list, i);
        const char *name = ns_json_string(computer, "displayName", "");
        if (ns_json_bool(computer, "offline", false))
            out->offline++;
        if (visit != NULL && name[0] != '\0' && strlen(name) < NS_NAME_MAX)
            visit_executors(ns_json_at(computer, "executors"), name, visit, owner);
    }
}
