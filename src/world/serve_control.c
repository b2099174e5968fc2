/* /world/v1/: the world's own levers and its ledger. Not part of any system that the world imitates. */
#include "world/serve_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MONTH_MS 2678400000

static void answer_trouble(ns_serve_reply *reply, int code, const char *name, const char *message)
{
    ns_serve_json(
        reply, code,
        json_pack("{s:i,s:{s:s,s:o}}", "schema", 1, "error", "code", name, "message", ns_served_string(message)));
}

static json_t *time_json(int64_t at_ms)
{
    char text[NS_TIME_TEXT_MAX];
    return at_ms < 0 ? json_null() : json_string(ns_time_text(at_ms, text));
}

static json_t *text_or_null(const char *text)
{
    return text[0] == '\0' ? json_null() : ns_served_string(text);
}

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* ---- state ------------------------------------------------------------------------------------------------------- */

static json_t *counts(ns_world_server *server)
{
    int64_t builds = 0, running = 0;
    for (size_t j = 0; j < ns_world_job_count(server->world); j++) {
        ns_world_job job;
        ns_world_job_at(server->world, j, &job);
        builds += job.newest_number;
        running += job.running != 0;
    }
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "jobs", (json_int_t)ns_world_job_count(server->world), "builds",
                     (json_int_t)builds, "running", (json_int_t)running, "queue",
                     (json_int_t)ns_world_queue_count(server->world), "effects",
                     (json_int_t)ns_world_effect_total(server->world), "requests", (json_int_t)server->requests);
}

static json_t *state_json(ns_world_server *server)
{
    char history[32];
    (void)snprintf(history, sizeof history, "%016llx", (unsigned long long)ns_world_history_hash(server->world));
    return json_pack("{s:i,s:o,s:o,s:f,s:b,s:I,s:s,s:s,s:I,s:b,s:o,s:{s:f,s:I,s:I}}", "schema", 1, "now",
                     time_json(ns_world_now_ms(server->world)), "start", time_json(ns_world_start_ms(server->world)),
                     "speed", server->speed, "lockstep", server->speed <= 0.0, "seed",
                     (json_int_t)ns_world_seed(server->world), "scenario", ns_world_scenario(server->world)->name,
                     "history", history, "recorded_logs", (json_int_t)ns_world_printed(server->world), "truth",
                     server->truth, "counts", counts(server), "clock", "speed", server->speed, "origin_real_ms",
                     (json_int_t)server->origin_real_ms, "origin_world_ms", (json_int_t)server->origin_world_ms);
}

/* ---- effects ----------------------------------------------------------------------------------------------------- */

static json_t *effect_json(const ns_world_effect *effect)
{
    return json_pack(
        "{s:I,s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:b}", "seq", (json_int_t)effect->seq, "at", time_json(effect->at_ms), "kind",
        effect->kind, "target", ns_served_string(effect->target), "key", text_or_null(effect->key), "from",
        ns_served_string(effect->from), "user", ns_served_string(effect->user), "queue_id",
        effect->queue_id < 0 ? json_null() : json_integer((json_int_t)effect->queue_id), "merged", effect->merged);
}

static int64_t number_asked(const ns_serve_request *request, const char *name, int64_t otherwise)
{
    ns_buf text;
    int64_t value = otherwise;
    ns_buf_init(&text, 64);
    if (!ns_serve_value(request, name, &text) || !ns_text_int64(ns_buf_view(&text), &value))
        value = otherwise;
    ns_buf_clear(&text);
    return value;
}

/* Without limit: all that are kept. */
static void answer_effects(ns_world_server *server, const ns_serve_request *request, ns_serve_reply *reply)
{
    int64_t after = number_asked(request, "after", 0);
    int64_t limit = number_asked(request, "limit", NS_WORLD_EFFECTS_KEPT);
    int64_t total = ns_world_effect_total(server->world);
    int64_t first = total - NS_WORLD_EFFECTS_KEPT;
    json_t *items = json_array(), *next = NULL;
    for (int64_t seq = after < first ? first + 1 : after + 1; seq <= total; seq++) {
        ns_world_effect effect;
        if (seq < 1 || !ns_world_effect_at(server->world, seq, &effect))
            continue;
        if ((int64_t)json_array_size(items) >= limit) {
            next = json_integer((json_int_t)(seq - 1));
            break;
        }
        (void)json_array_append_new(items, effect_json(&effect));
    }
    ns_serve_json(reply, 200,
                  json_pack("{s:i,s:o,s:I,s:o,s:o}", "schema", 1, "now", time_json(ns_world_now_ms(server->world)),
                            "total", (json_int_t)total, "items", items, "next", next == NULL ? json_null() : next));
}

/* ---- truth ------------------------------------------------------------------------------------------------------- */

static json_t *incident_json(ns_world_server *server, const ns_world_incident *incident)
{
    ns_world_job job;
    ns_world_job_at(server->world, incident->job, &job);
    json_t *actions = json_array();
    for (size_t i = 0; i < incident->action_count && i < NS_WORLD_INCIDENT_ACTIONS; i++) {
        const ns_world_incident_action *a = &incident->action[i];
        (void)json_array_append_new(
            actions, json_pack("{s:o,s:s,s:o}", "at", time_json(a->at_ms), "action", ns_action_name(a->action), "build",
                               a->build == 0 ? json_null() : json_integer((json_int_t)a->build)));
    }
    return json_pack("{s:I,s:s,s:s,s:b,s:s,s:o,s:b,s:b,s:f,s:o,s:o,s:o,s:s,s:o,s:I,s:o,s:b}", "id",
                     (json_int_t)incident->id, "job", job.full_name, "deployment", job.deployment, "control",
                     incident->control, "cause", ns_cause_name(incident->cause), "also",
                     incident->also == NS_CAUSE_none ? json_null() : json_string(ns_cause_name(incident->also)),
                     "healable", incident->healable, "in_cluster", incident->in_cluster, "severity", incident->severity,
                     "onset", time_json(incident->onset_ms), "first_bad", time_json(incident->first_bad_ms), "healed",
                     time_json(incident->healed_ms), "healed_by", ns_healed_by_name(incident->healed_by), "over",
                     time_json(incident->over_ms), "builds_failed", (json_int_t)incident->builds_failed, "actions",
                     actions, "person_knows", incident->person_knows);
}

static json_t *outcome_json(const ns_world *world)
{
    ns_world_outcome o;
    ns_world_outcome_of(world, &o);
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "incidents", (json_int_t)o.incidents, "healable",
                     (json_int_t)o.healable, "healed_by_action", (json_int_t)o.healed_by_action, "healed_by_itself",
                     (json_int_t)o.healed_by_itself, "healed_by_human", (json_int_t)o.healed_by_human, "open",
                     (json_int_t)o.open, "controls", (json_int_t)o.controls, "controls_with_action",
                     (json_int_t)o.controls_with_action, "mttr_s", real_or_null(o.mttr_s));
}

static void answer_truth(ns_world_server *server, const ns_serve_request *request, ns_serve_reply *reply)
{
    if (!server->truth) {
        answer_trouble(reply, 404, "not_found", "the truth is told only to those who start the world with --truth");
        return;
    }
    int64_t after = number_asked(request, "after", 0);
    int64_t total = ns_world_incident_total(server->world);
    json_t *items = json_array();
    for (int64_t id = after + 1; id <= total; id++) {
        ns_world_incident incident;
        if (id >= 1 && ns_world_incident_at(server->world, id, &incident))
            (void)json_array_append_new(items, incident_json(server, &incident));
    }
    ns_serve_json(reply, 200,
                  json_pack("{s:i,s:o,s:I,s:o,s:n,s:o}", "schema", 1, "now", time_json(ns_world_now_ms(server->world)),
                            "total", (json_int_t)total, "items", items, "next", "outcome",
                            outcome_json(server->world)));
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static const char *const fault_names[] = {
#define FAULT_NAME(name, meaning) #name,
    NS_SERVE_FAULT_MAP(FAULT_NAME)
#undef FAULT_NAME
};

typedef struct fault_change {
    int64_t left[NS_SERVE_FAULTS];
    ns_world_faults lasting;
    int64_t starting_until_ms, jenkins_down_until_ms, prometheus_down_until_ms, kubernetes_down_until_ms;
    bool restarted;
    char forbid[256];
} fault_change;

static double *share_named(ns_world_faults *faults, const char *key)
{
    return strcmp(key, "drop_reply_share") == 0 ? &faults->drop_reply_share
           : strcmp(key, "lose_share") == 0     ? &faults->lose_share
           : strcmp(key, "merge_share") == 0    ? &faults->merge_share
           : strcmp(key, "refuse_share") == 0   ? &faults->refuse_share
                                                : NULL;
}

static int64_t *until_named(fault_change *change, const char *key)
{
    return strcmp(key, "startup_s") == 0           ? &change->starting_until_ms
           : strcmp(key, "jenkins_down_s") == 0    ? &change->jenkins_down_until_ms
           : strcmp(key, "prometheus_down_s") == 0 ? &change->prometheus_down_until_ms
           : strcmp(key, "kubernetes_down_s") == 0 ? &change->kubernetes_down_until_ms
                                                   : NULL;
}

/* One key of the object of one kind of effect: {"scale": {"drop_reply": 1, "delay_ms": 500}}. */
static bool apply_kind_key(ns_world_kind_faults *of, const char *key, double number)
{
    const struct {
        const char *name;
        int64_t *count;
        double *share;
        double high;
    } keys[] = {
        {"drop_reply", &of->drop_reply, NULL, 1e6}, {"lose_request", &of->lose_request, NULL, 1e6},
        {"refuse", &of->refuse, NULL, 1e6},         {"merge", &of->merge, NULL, 1e6},
        {"delay_ms", &of->delay_ms, NULL, 600000},  {"drop_reply_share", NULL, &of->drop_reply_share, 1},
        {"lose_share", NULL, &of->lose_share, 1},   {"refuse_share", NULL, &of->refuse_share, 1},
        {"merge_share", NULL, &of->merge_share, 1},
    };
    for (size_t i = 0; i < NS_COUNT_OF(keys); i++) {
        if (strcmp(keys[i].name, key) != 0)
            continue;
        if (!(number >= 0.0 && number <= keys[i].high))
            return false;
        if (keys[i].count != NULL)
            *keys[i].count = (int64_t)number;
        else
            *keys[i].share = number;
        return true;
    }
    return false;
}

static bool apply_kind(ns_world_faults *faults, const char *name, json_t *value)
{
    const char *key;
    json_t *number;
    int kind = 0;
    while (kind < (int)NS_WORLD_EFFECT_KINDS &&
           strcmp(ns_world_effect_kind_name((ns_world_effect_kind)kind), name) != 0)
        kind++;
    if (kind == (int)NS_WORLD_EFFECT_KINDS)
        return false;
    json_object_foreach(value, key, number)
    {
        double n = json_is_number(number) ? json_number_value(number) : -1.0;
        if (!apply_kind_key(&faults->of[kind], key, n))
            return false;
    }
    return true;
}

/* One key of the body. Numbers out of range are refused: nothing is guessed. */
static bool apply_key(fault_change *change, const char *key, json_t *value)
{
    if (json_is_object(value))
        return apply_kind(&change->lasting, key, value);
    if (json_is_string(value))
        return strcmp(key, "forbid") == 0 &&
               ns_text_copy(change->forbid, sizeof change->forbid, ns_text_of(json_string_value(value)));
    double number = json_is_number(value)  ? json_number_value(value)
                    : json_is_true(value)  ? 1.0
                    : json_is_false(value) ? 0.0
                                           : -1.0;
    double *share = share_named(&change->lasting, key);
    int64_t *until = until_named(change, key);
    if (!(number >= 0.0))
        return false;
    if (share != NULL && number <= 1.0) {
        *share = number;
        return true;
    }
    if (until != NULL && number <= 86400.0) {
        *until = number > 0.0 ? ns_real_now_ms() + (int64_t)(number * 1000.0) : 0;
        change->restarted = change->restarted || (strcmp(key, "startup_s") == 0 && number > 0.0);
        return true;
    }
    if (strcmp(key, "delay_ms") == 0 && number <= 600000.0) {
        change->lasting.delay_ms = (int64_t)number;
        return true;
    }
    for (int f = 0; f < (int)NS_SERVE_FAULTS; f++) {
        if (strcmp(key, fault_names[f]) == 0 && number <= 1e6) {
            change->left[f] = (int64_t)number;
            return true;
        }
    }
    return false;
}

ns_status ns_serve_faults_apply(ns_world_server *server, ns_text body, ns_error *err)
{
    json_t *json = NULL;
    const char *key;
    json_t *value;
    ns_status status = ns_json_read(body, &json, err);
    if (status != NS_OK)
        return status;
    fault_change change = {.lasting = *ns_world_faults_of(server->world),
                           .starting_until_ms = server->starting_until_ms,
                           .jenkins_down_until_ms = server->jenkins_down_until_ms,
                           .prometheus_down_until_ms = server->prometheus_down_until_ms,
                           .kubernetes_down_until_ms = server->kubernetes_down_until_ms};
    memcpy(change.left, server->fault_left, sizeof change.left);
    memcpy(change.forbid, server->kubernetes_forbid, sizeof change.forbid);
    if (!json_is_object(json))
        status = ns_fail(err, NS_BAD_INPUT, "faults are given as one JSON object");
    json_object_foreach(json, key, value)
    {
        if (status == NS_OK && !apply_key(&change, key, value))
            status = ns_fail(err, NS_BAD_INPUT, "%.60s is no fault of this world, or its value is out of range", key);
    }
    json_decref(json);
    if (status != NS_OK)
        return status;
    *ns_world_faults_of(server->world) = change.lasting;
    memcpy(server->fault_left, change.left, sizeof change.left);
    memcpy(server->kubernetes_forbid, change.forbid, sizeof change.forbid);
    server->starting_until_ms = change.starting_until_ms;
    server->jenkins_down_until_ms = change.jenkins_down_until_ms;
    server->prometheus_down_until_ms = change.prometheus_down_until_ms;
    server->kubernetes_down_until_ms = change.kubernetes_down_until_ms;
    if (change.restarted) /* who restarts has a new session */
        (void)snprintf(server->session, sizeof server->session, "%08x", (unsigned)(ns_monotonic_ns() & 0xffffffff));
    return NS_OK;
}

static double seconds_left(int64_t until_ms)
{
    int64_t left = until_ms - ns_real_now_ms();
    return left > 0 ? (double)left / 1000.0 : 0.0;
}

static json_t *kind_faults_json(const ns_world_kind_faults *of)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:I}", "drop_reply", (json_int_t)of->drop_reply, "lose_request",
                     (json_int_t)of->lose_request, "refuse", (json_int_t)of->refuse, "merge", (json_int_t)of->merge,
                     "drop_reply_share", of->drop_reply_share, "lose_share", of->lose_share, "refuse_share",
                     of->refuse_share, "merge_share", of->merge_share, "delay_ms", (json_int_t)of->delay_ms);
}

static json_t *faults_json(ns_world_server *server)
{
    const ns_world_faults *f = ns_world_faults_of(server->world);
    json_t *out =
        json_pack("{s:i,s:f,s:f,s:f,s:f,s:I,s:f,s:f,s:f,s:f}", "schema", 1, "drop_reply_share", f->drop_reply_share,
                  "lose_share", f->lose_share, "merge_share", f->merge_share, "refuse_share", f->refuse_share,
                  "delay_ms", (json_int_t)f->delay_ms, "startup_s", seconds_left(server->starting_until_ms),
                  "jenkins_down_s", seconds_left(server->jenkins_down_until_ms), "prometheus_down_s",
                  seconds_left(server->prometheus_down_until_ms), "kubernetes_down_s",
                  seconds_left(server->kubernetes_down_until_ms));
    (void)json_object_set_new(out, "forbid", ns_served_string(server->kubernetes_forbid));
    for (int i = 0; i < (int)NS_SERVE_FAULTS; i++)
        (void)json_object_set_new(out, fault_names[i], json_integer((json_int_t)server->fault_left[i]));
    for (int i = 0; i < (int)NS_WORLD_EFFECT_KINDS; i++)
        (void)json_object_set_new(out, ns_world_effect_kind_name((ns_world_effect_kind)i), kind_faults_json(&f->of[i]));
    return out;
}

static void answer_faults(ns_world_server *server, const ns_serve_request *request, ns_serve_reply *reply)
{
    ns_error err = {0};
    if (request->method == NS_HTTP_POST && ns_serve_faults_apply(server, request->body, &err) != NS_OK)
        answer_trouble(reply, 400, "bad_input", err.text);
    else
        ns_serve_json(reply, 200, faults_json(server));
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static void answer_speed(ns_world_server *server, const ns_serve_request *request, ns_serve_reply *reply)
{
    json_t *json = NULL;
    ns_error err = {0};
    double speed = NAN;
    if (ns_json_read(request->body, &json, &err) == NS_OK)
        speed = ns_json_real(json, "speed", NAN);
    json_decref(json);
    if (!(speed >= 0.0 && speed <= NS_WORLD_SPEED_MAX)) {
        answer_trouble(reply, 400, "bad_input", "speed is a number from 0 (lockstep) to 100000");
        return;
    }
    ns_serve_advance(server);
    server->origin_world_ms = ns_world_now_ms(server->world);
    server->origin_real_ms = ns_real_now_ms();
    server->speed = speed;
    ns_serve_json(reply, 200, state_json(server));
}

/* {"until": "2026-11-23T22:40:01Z"} or milliseconds since 1970. */
static bool until_of(ns_text body, int64_t *out)
{
    json_t *json = NULL;
    ns_error err;
    ns_text text;
    bool good = false;
    if (ns_json_read(body, &json, &err) != NS_OK)
        return false;
    const json_t *until = ns_json_at(json, "until");
    if (json_is_integer(until)) {
        *out = (int64_t)json_integer_value(until);
        good = true;
    } else if (ns_json_text(json, "until", &text)) {
        good = ns_time_parse(text, out);
    }
    json_decref(json);
    return good;
}

static void answer_advance(ns_world_server *server, const ns_serve_request *request, ns_serve_reply *reply)
{
    int64_t until = 0;
    if (server->speed > 0.0) {
        answer_trouble(reply, 409, "conflict", "this world moves by itself; set its speed to 0 first");
    } else if (!until_of(request->body, &until)) {
        answer_trouble(reply, 400, "bad_input", "until is a time, as \"2026-11-23T22:40:01Z\" or in milliseconds");
    } else if (until > ns_world_now_ms(server->world) + MONTH_MS) {
        answer_trouble(reply, 400, "bad_input", "at most 31 days in one step");
    } else {
        ns_world_advance(server->world, until);
        ns_serve_json(reply, 200, state_json(server));
    }
}

void ns_serve_control(ns_world_server *server, ns_serve_request *request, ns_serve_reply *reply)
{
    static const struct {
        const char *name;
        bool get, post;
    } routes[] = {{"state", true, false}, {"effects", true, false}, {"truth", true, false},
                  {"faults", true, true}, {"speed", false, true},   {"advance", false, true}};
    bool get = request->method == NS_HTTP_GET || request->method == NS_HTTP_HEAD;
    bool post = request->method == NS_HTTP_POST;
    const char *name = request->segments == 1 ? request->segment[0] : "";
    for (size_t i = 0; i < NS_COUNT_OF(routes); i++) {
        if (strcmp(routes[i].name, name) == 0 && !((get && routes[i].get) || (post && routes[i].post))) {
            ns_serve_header(reply, "Allow", "%s%s%s", routes[i].get ? "GET" : "",
                            routes[i].get && routes[i].post ? ", " : "", routes[i].post ? "POST" : "");
            answer_trouble(reply, 405, "method_not_allowed", "this is not done with that method");
            return;
        }
    }
    if (strcmp(name, "state") == 0)
        ns_serve_json(reply, 200, state_json(server));
    else if (strcmp(name, "effects") == 0)
        answer_effects(server, request, reply);
    else if (strcmp(name, "truth") == 0)
        answer_truth(server, request, reply);
    else if (strcmp(name, "faults") == 0)
        answer_faults(server, request, reply);
    else if (strcmp(name, "speed") == 0)
        answer_speed(server, request, reply);
    else if (strcmp(name, "advance") == 0)
        answer_advance(server, request, reply);
    else
        answer_trouble(reply, 404, "not_found", "state, effects, truth, faults, speed, advance");
}
