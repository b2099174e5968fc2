/* The question lane: one round of questions per tick, one after the other, and how the source is doing. */
#include "telemetry/jenkins_source.h"

#include "base/mem.h"
#include "telemetry/jenkins_inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 10000, PATH_MAX_BYTES = 64 * 1024, DOWN_AFTER = 3, BARE_AFTER = 2 };

static void next_step(jenkins_source *s);

/* ---- how it is doing ---- */

void jenkins_complain(jenkins_source *s, ns_complaint *about, const char *event, const ns_error *err)
{
    uint64_t unsaid;
    char text[512];
    if (!s->closing && ns_complain(about, ns_real_now_ms(), &unsaid))
        ns_log(NS_LOG_WARNING, "telemetry", event, "source=jenkins status=%s unsaid=%llu error=%s",
               ns_status_name(err->status), (unsigned long long)unsaid, ns_log_quote(text, sizeof text, err->text));
}

static ns_source_health *health_of(jenkins_source *s)
{
    return &s->snapshot->source[NS_FROM_jenkins];
}

static void polled_badly(jenkins_source *s, const ns_error *err)
{
    ns_source_health *health = health_of(s);
    s->failures++;
    switch (err->status) {
    case NS_UNAUTHORIZED:
    case NS_FORBIDDEN:
        health->state = NS_SOURCE_unauthorized;
        break;
    case NS_STARTING:
        health->state = NS_SOURCE_starting;
        break;
    case NS_UNREACHABLE:
        health->state = NS_SOURCE_down;
        break;
    default: /* once is a hiccup */
        health->state = health->good_at_ms < 0 || s->failures >= DOWN_AFTER ? NS_SOURCE_down : NS_SOURCE_stale;
    }
    (void)ns_text_copy(health->error, sizeof health->error, ns_text_of(err->text));
    jenkins_complain(s, &s->poll_trouble, "poll_failed", err);
}

static void polled_well(jenkins_source *s)
{
    ns_source_health *health = health_of(s);
    s->failures = 0;
    s->server_errors = 0;
    health->state = NS_SOURCE_ok;
    health->good_at_ms = ns_clock_now_ms(&s->clock);
    health->error[0] = '\0';
    if (ns_complaint_over(&s->poll_trouble))
        ns_log(NS_LOG_INFO, "telemetry", "poll_recovered", "source=jenkins");
}

/* ---- answers ---- */

static void took_jobs(jenkins_source *s, const ns_jenkins_answer *answer)
{
    ns_error err = answer->error;
    ns_status status = answer->status;
    bool whole = false;
    if (status == NS_OK) {
        jenkins_take_jobs(s, answer->json, &whole, &status);
        if (status != NS_OK)
            (void)ns_fail(&err, status, "Jenkins %s: the answer holds no list of jobs", ns_jenkins_base_url(s->client));
    }
    if (status == NS_OK && s->anonymous)
        status = ns_fail(&err, NS_UNAUTHORIZED, "Jenkins %s: answers, but takes us for anonymous: is the token right?",
                         ns_jenkins_base_url(s->client));
    if (status != NS_OK) {
        polled_badly(s, &err);
        if (answer->code == 500 && ++s->server_errors >= BARE_AFTER)
            s->bare = true;
        return;
    }
    polled_well(s);
    if (!whole) {
        (void)ns_fail(&err, NS_TOO_LARGE, "some jobs are not followed: a name of %d bytes or more, or too many jobs",
                      NS_JOB_MAX);
        jenkins_complain(s, &s->names_trouble, "jobs_left_out", &err);
    }
}

static void took_who(jenkins_source *s, const json_t *json)
{
    bool anonymous = ns_json_bool(json, "anonymous", false);
    const char *name = ns_json_string(json, "name", "");
    s->who_known = true;
    s->anonymous = anonymous && ns_jenkins_username(s->client)[0] != '\0';
    s->own_user[0] = '\0';
    if (!anonymous && strlen(name) < sizeof s->own_user)
        (void)ns_text_copy(s->own_user, sizeof s->own_user, ns_text_of(name));
}

static void took_agents(jenkins_source *s, const json_t *json)
{
    ns_jenkins_agents agents;
    ns_jenkins_read_agents(json, &agents, jenkins_take_agent, s);
    int64_t now = ns_clock_now_ms(&s->clock);
    if (!isnan(agents.busy))
        s->snapshot->executors_busy = (ns_value){agents.busy, now};
    if (!isnan(agents.total))
        s->snapshot->executors_total = (ns_value){agents.total, now};
    if (!isnan(agents.offline))
        s->snapshot->agents_offline = (ns_value){agents.offline, now};
}

static void took_stages(jenkins_source *s, const ns_jenkins_answer *answer)
{
    const ns_build *known = ns_pipeline_build(s->asked_view, s->asked_number);
    if (answer->status == NS_NOT_FOUND && !s->stages_worked)
        s->stages_missing = true; /* the plug-in is not there; asked again after Jenkins restarts */
    if (answer->status != NS_OK || known == NULL)
        return;
    s->stages_worked = true;
    ns_build build = *known;
    ns_jenkins_read_stages(answer->json, &build);
    ns_pipeline_put_build(s->asked_view, &build);
}

static void took_good(jenkins_source *s, const json_t *json)
{
    double waiting;
    switch (s->asked) {
    case STEP_WHO:
        took_who(s, json);
        break;
    case STEP_QUEUE:
        waiting = ns_jenkins_read_queue(json);
        if (!isnan(waiting))
            s->snapshot->queue_length = (ns_value){waiting, ns_clock_now_ms(&s->clock)};
        break;
    case STEP_AGENTS:
        took_agents(s, json);
        break;
    default:
        if (s->asked_due == DUE_HISTORY)
            jenkins_take_history(s, s->asked_view, json);
        else
            jenkins_take_build(s, s->asked_view, json);
        if (ns_complaint_over(&s->detail_trouble))
            ns_log(NS_LOG_INFO, "telemetry", "details_recovered", "source=jenkins");
    }
}

static void answered(void *owner, const ns_jenkins_answer *answer)
{
    jenkins_source *s = owner;
    s->asking = false;
    if (s->closing)
        return;
    if (s->asked == STEP_JOBS)
        took_jobs(s, answer);
    else if (s->asked == STEP_STAGES)
        took_stages(s, answer);
    else if (answer->status == NS_OK)
        took_good(s, answer->json);
    else if (s->asked == STEP_WHO && answer->status != NS_CANCELLED)
        s->who_known = answer->status == NS_NOT_FOUND || answer->status == NS_FORBIDDEN;
    else if (answer->status != NS_NOT_FOUND)
        jenkins_complain(s, &s->detail_trouble, "details_failed", &answer->error);
    if (s->asked == STEP_WHO && answer->status == NS_UNAUTHORIZED)
        polled_badly(s, &answer->error);
    if (!ns_jenkins_ready(s->client)) {
        if (s->asked == STEP_WHO && answer->status != NS_UNAUTHORIZED)
            polled_badly(s, &answer->error);
        s->step = STEP_END; /* Jenkins is away: the rest of the round is given up */
        return;
    }
    if (s->asked == STEP_JOBS && answer->status == NS_OK) {
        jenkins_drop_watches(s);
        jenkins_pump_logs(s);
    }
    next_step(s);
}

/* ---- questions ---- */

static void ask(jenkins_source *s, step about)
{
    ns_error err = {.status = NS_NO_MEMORY, .text = "the path of a question"};
    ns_jenkins_request request = {
        .kind = NS_JENKINS_JSON, .path = s->path.at, .done = answered, .owner = s, .group = s};
    ns_status status = s->path.failed ? NS_NO_MEMORY : ns_jenkins_start(s->client, &request, NULL, &err);
    s->asked = about;
    s->asking = status == NS_OK;
    if (status == NS_OK)
        return;
    s->step = STEP_END;
    if (about == STEP_JOBS)
        polled_badly(s, &err);
}

static void ask_at(jenkins_source *s, step about, const char *path)
{
    ns_buf_reset(&s->path);
    (void)ns_buf_string(&s->path, path);
    ask(s, about);
}

static void ask_jobs(jenkins_source *s)
{
    ns_buf_reset(&s->path);
    ns_jenkins_jobs_query(&s->path, s->depth, s->bare);
    ask(s, STEP_JOBS);
}

void jenkins_put_job(ns_buf *path, const ns_pipeline_view *view)
{
    if (ns_jenkins_job_path(path, ns_text_of(view->jenkins_job)) != NS_OK)
        path->failed = true;
}

static void ask_details(jenkins_source *s)
{
    ns_buf_reset(&s->path);
    jenkins_put_job(&s->path, s->asked_view);
    if (s->asked_due == DUE_HISTORY) {
        ns_jenkins_history_query(&s->path);
    } else {
        (void)ns_buf_printf(&s->path, "/%lld", (long long)s->asked_number);
        ns_jenkins_build_query(&s->path);
    }
    ask(s, STEP_DETAILS);
}

static void ask_stages(jenkins_source *s, const build_watch *watch)
{
    ns_buf_reset(&s->path);
    s->asked_view = watch->view;
    s->asked_number = watch->number;
    jenkins_put_job(&s->path, watch->view);
    (void)ns_buf_printf(&s->path, "/%lld/wfapi/describe", (long long)watch->number);
    ask(s, STEP_STAGES);
}

#define QUEUE_QUERY "/queue/api/json?tree=items%5Bid%5D"
#define AGENTS_QUERY                                                                                                   \
    "/computer/api/json?tree=busyExecutors%2CtotalExecutors%2Ccomputer%5BdisplayName%2Coffline%2Cexecutors"            \
    "%5BcurrentExecutable%5Bnumber%2Curl%5D%5D%5D"

/* Asks the next question of the round, if one is left. */
static void next_step(jenkins_source *s)
{
    build_watch *watch;
    switch (s->step) {
    case STEP_WHO:
        s->step = STEP_JOBS;
        if (!s->who_known) {
            ask_at(s, STEP_WHO, "/whoAmI/api/json");
            return;
        }
        /* fall through */
    case STEP_JOBS:
        s->step = STEP_QUEUE;
        ask_jobs(s);
        return;
    case STEP_QUEUE:
        s->step = STEP_AGENTS;
        ask_at(s, STEP_QUEUE, QUEUE_QUERY);
        return;
    case STEP_AGENTS:
        s->step = STEP_DETAILS;
        ask_at(s, STEP_AGENTS, AGENTS_QUERY);
        return;
    case STEP_DETAILS:
        if (s->details_left-- > 0 && jenkins_next_due(s)) {
            ask_details(s);
            return;
        }
        s->step = STEP_STAGES;
        jenkins_pump_logs(s); /* details may have brought builds that were missed */
        /* fall through */
    case STEP_STAGES:
        watch = s->stages_left-- > 0 ? jenkins_next_stages(s) : NULL;
        if (watch != NULL) {
            ask_stages(s, watch);
            return;
        }
        s->step = STEP_END;
        /* fall through */
    case STEP_END:
        return;
    }
}

/* ---- the door ---- */

static void note_restart(jenkins_source *s)
{
    uint64_t restarts = ns_jenkins_restarts(s->client);
    if (restarts == s->restarts)
        return;
    s->restarts = restarts;
    s->who_known = s->stages_missing = s->stages_worked = s->bare = false; /* plug-ins and users may have changed */
    ns_log(NS_LOG_INFO, "telemetry", "restarted", "source=jenkins");
}

static void source_poll(void *self, int64_t tick_ms)
{
    jenkins_source *s = self;
    (void)tick_ms; /* values carry the time at which their answer came */
    jenkins_offer_again(s);
    if (s->asking || !ns_jenkins_ready(s->client))
        return;
    note_restart(s);
    s->round++;
    s->details_left = s->details_per_tick;
    s->stages_left = s->stages_per_tick;
    s->log.left = s->logs_per_tick;
    s->step = STEP_WHO;
    next_step(s);
}

static bool source_settled(void *self)
{
    const jenkins_source *s = self;
    return !s->asking && (s->log.watch == NULL || s->log.blocked);
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; names != NULL && i < count; i++)
        ns_free(names[i]);
    ns_free(names);
}

static void source_free(void *self)
{
    jenkins_source *s = self;
    s->closing = true;
    if (s->client != NULL)
        ns_jenkins_cancel(s->client, s);
    ns_jenkins_free(s->own_client);
    jenkins_logs_clear(s);
    jenkins_forget_jobs(s);
    free_names(s->jobs, s->job_count);
    free_names(s->include, s->include_count);
    free_names(s->exclude, s->exclude_count);
    ns_buf_clear(&s->path);
    ns_free(s);
}

static ns_status copy_names(const char *const *names, size_t count, char ***out, size_t *out_count, ns_error *err)
{
    if (count == 0)
        return NS_OK;
    if (count > NAMES_MAX)
        return ns_fail(err, NS_BAD_USAGE, "%zu names or patterns of jobs: at most %d", count, NAMES_MAX);
    *out = NS_NEW_ARRAY(char *, count);
    *out_count = *out == NULL ? 0 : count;
    for (size_t i = 0; i < *out_count; i++)
        if (((*out)[i] = ns_strdup(names[i])) == NULL)
            return ns_fail(err, NS_NO_MEMORY, "names of jobs");
    return *out == NULL ? ns_fail(err, NS_NO_MEMORY, "names of jobs") : NS_OK;
}

static int name_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int or_else(int value, int otherwise)
{
    return value > 0 ? value : otherwise;
}

static ns_status take_options(jenkins_source *s, struct event_base *loop, const ns_jenkins_source_options *options,
                              ns_error *err)
{
    s->depth = or_else(options->depth, 4);
    s->details_per_tick = or_else(options->details_per_tick, 16);
    s->stages_per_tick = or_else(options->stages_per_tick, 16);
    s->logs_per_tick = or_else(options->logs_per_tick, 64);
    s->log_ceiling = options->log_ceiling != 0 ? options->log_ceiling : (size_t)256 << 20;
    s->max_jobs = options->max_jobs != 0 ? options->max_jobs : 20000;
    if (s->depth > NS_JENKINS_DEPTH_MAX)
        return ns_fail(err, NS_BAD_USAGE, "folders to a depth of %d: at most %d", s->depth, NS_JENKINS_DEPTH_MAX);
    ns_status status = copy_names(options->jobs, options->job_count, &s->jobs, &s->job_count, err);
    if (status == NS_OK)
        status = copy_names(options->include, options->include_count, &s->include, &s->include_count, err);
    if (status == NS_OK)
        status = copy_names(options->exclude, options->exclude_count, &s->exclude, &s->exclude_count, err);
    if (status == NS_OK && s->job_count > 1)
        qsort(s->jobs, s->job_count, sizeof *s->jobs, name_order);
    if (status == NS_OK)
        status = jenkins_logs_init(s, loop, err);
    s->client = options->client;
    if (status == NS_OK && s->client == NULL)
        status = ns_jenkins_new(loop, &options->connection, &s->own_client, err);
    if (status == NS_OK && s->client == NULL)
        s->client = s->own_client;
    return status;
}

ns_status ns_jenkins_source_new(struct event_base *loop, ns_snapshot *snapshot, const ns_log_sink *sink,
                                const ns_clock *clock, const ns_jenkins_source_options *options, ns_source *out,
                                ns_error *err)
{
    jenkins_source *s = NS_NEW(jenkins_source);
    if (s == NULL)
        return ns_fail(err, NS_NO_MEMORY, "the Jenkins source");
    s->snapshot = snapshot;
    s->sink = *sink;
    s->clock = *clock;
    s->step = STEP_END;
    ns_buf_init(&s->path, PATH_MAX_BYTES);
    ns_status status = take_options(s, loop, options, err);
    if (status != NS_OK) {
        source_free(s);
        return status;
    }
    s->restarts = ns_jenkins_restarts(s->client);
    snapshot->source[NS_FROM_jenkins].state = NS_SOURCE_starting; /* configured, not heard of yet */
    *out = (ns_source){s, "jenkins", source_poll, source_settled, source_free};
    return NS_OK;
}
