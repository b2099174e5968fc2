#include "daemon/house.h"

#include "agent/runbook.h"
#include "base/mem.h"
#include "daemon/cluster_open.h"
#include "daemon/carry_out.h"
#include "daemon/log_desk.h"
#include "daemon/read_back.h"
#include "lab/recorded_logs.h"
#include "orchestration/jenkins_actions.h"
#include "orchestration/notify.h"
#include "prediction/predictor_open.h"
#include "store/sqlite_store.h"
#include "telemetry/jenkins_source.h"
#include "telemetry/prometheus_source.h"
#include "wire/jenkins_client.h"
#include "world/world_doors.h"

#include <errno.h>
#include <event2/event.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TICK_CEILING = 512 * 1024 * 1024, WAITING_TEXT_CEILING = 16 * 1024 * 1024 };

/* ---- tracks and builds ---- */

static ns_build_entry *entry_new(int64_t number)
{
    ns_build_entry *entry = NS_NEW(ns_build_entry);
    if (entry == NULL)
        return NULL;
    entry->number = number;
    entry->finished_ms = entry->alarm_ms = -1;
    ns_buf_init(&entry->unsaved, WAITING_TEXT_CEILING);
    ns_buf_init(&entry->unscored, WAITING_TEXT_CEILING);
    return entry;
}

static void entry_free(ns_build_entry *entry)
{
    ns_redact_stream_clear(&entry->redaction);
    ns_buf_clear(&entry->unsaved);
    ns_buf_clear(&entry->unscored);
    ns_free(entry);
}

ns_build_entry *ns_house_build(ns_house *house, ns_track *track, int64_t number, bool make)
{
    (void)house;
    ns_build_entry **at = &track->builds;
    while (*at != NULL && (*at)->number > number)
        at = &(*at)->next;
    if (*at != NULL && (*at)->number == number)
        return *at;
    ns_build_entry *fresh = make ? entry_new(number) : NULL;
    if (fresh != NULL) {
        fresh->next = *at;
        *at = fresh;
    }
    return fresh;
}

void ns_house_forget_build(ns_house *house, const ns_pipeline_view *view, ns_track *track, ns_build_entry *entry)
{
    for (ns_build_entry **at = &track->builds; *at != NULL; at = &(*at)->next) {
        if (*at != entry)
            continue;
        *at = entry->next;
        ns_scorer_forget(house->scorer, view->jenkins_job, entry->number);
        entry_free(entry);
        return;
    }
}

ns_track *ns_house_track(const ns_house *house, const ns_pipeline_view *view)
{
    return view->index < house->track_count ? &house->tracks[view->index] : NULL;
}

/* The configuration's words about this job, where there are any. */
static void name_pipeline(const ns_house *house, ns_pipeline_view *view)
{
    const ns_settings *settings = house->settings;
    for (size_t i = 0; i < settings->pipeline_count; i++) {
        const ns_pipeline_setting *given = &settings->pipelines[i];
        if (strcmp(given->jenkins_job, view->jenkins_job) != 0)
            continue;
        (void)ns_text_copy(view->name, sizeof view->name, ns_text_of(given->name));
        view->deployment_fixed = given->deployment != NULL;
        if (given->deployment != NULL)
            (void)ns_text_copy(view->deployment, sizeof view->deployment, ns_text_of(given->deployment));
    }
}

ns_status ns_house_tracks(ns_house *house)
{
    size_t count = house->snapshot->pipeline_count;
    if (count <= house->track_count)
        return NS_OK;
    ns_track *tracks = ns_realloc(house->tracks, count, sizeof *tracks);
    if (tracks == NULL)
        return NS_NO_MEMORY;
    house->tracks = tracks;
    for (size_t i = house->track_count; i < count; i++) {
        tracks[i] = (ns_track){.first_look = true, .failure_streak = -1};
        name_pipeline(house, house->snapshot->pipelines[i]);
    }
    house->track_count = count;
    return NS_OK;
}

/* ---- rows ---- */

uint64_t ns_house_put(ns_house *house, const ns_row *row)
{
    uint64_t sequence = 0;
    ns_status status = house->store.put(house->store.self, row, &sequence);
    if (status == NS_OK) {
        if (ns_row_durable(row->kind) && ns_complaint_over(&house->store_trouble))
            ns_log(NS_LOG_WARNING, "daemon", "store_writes_again", "kind=%s", ns_row_kind_name(row->kind));
        return sequence;
    }
    uint64_t unsaid;
    if (ns_row_durable(row->kind) && ns_complain(&house->store_trouble, ns_real_now_ms(), &unsaid))
        ns_log(NS_LOG_ERROR, "daemon", "row_not_stored", "kind=%s status=%s unsaid=%llu", ns_row_kind_name(row->kind),
               ns_status_name(status), (unsigned long long)unsaid);
    return 0;
}

void ns_house_audit(ns_house *house, const char *actor, const char *what, const char *object, const char *detail)
{
    ns_audit_row row = {.at_ms = ns_clock_now_ms(&house->clock)};
    (void)ns_text_copy(row.actor, sizeof row.actor, ns_text_of(actor));
    (void)ns_text_copy(row.what, sizeof row.what, ns_text_of(what));
    (void)ns_text_copy(row.object, sizeof row.object, ns_text_of(object));
    (void)ns_text_copy(row.detail, sizeof row.detail, ns_text_of(detail));
    (void)ns_house_put(house, &(ns_row){.kind = NS_ROW_audit, .of.audit = &row});
}

/* ---- waking the loop from the writer and the scorer ---- */

static void wake_from_scorer(void *owner)
{
    const ns_house *house = owner;
    (void)eventfd_write(house->wake_fd, 1);
}

static void wake_from_writer(void *owner, uint64_t up_to)
{
    (void)up_to;
    wake_from_scorer(owner);
}

static void woken(evutil_socket_t fd, short what, void *owner)
{
    (void)what;
    ns_house *house = owner;
    eventfd_t count;
    (void)eventfd_read(fd, &count);
    ns_log_desk_predictions(house);
    ns_carry_committed(house);
}

static ns_status open_wake(ns_house *house, ns_error *err)
{
    house->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (house->wake_fd < 0)
        return ns_fail(err, NS_IO, "eventfd: %s", strerror(errno));
    house->wake = event_new(house->loop, house->wake_fd, EV_READ | EV_PERSIST, woken, house);
    if (house->wake == NULL || event_add(house->wake, NULL) != 0)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the wake-up event");
    return NS_OK;
}

/* ---- the parts, in the order in which they are built ---- */

static ns_status open_redactor(ns_house *house, ns_error *err)
{
    const ns_settings *s = house->settings;
    const char *secrets[] = {s->jenkins_token,       s->jenkins_password, s->prometheus_bearer_token,
                             s->prometheus_password, s->api_token,        s->notify_bearer_token,
                             s->notify_webhook_url};
    ns_redactor_options options = {.secrets = secrets, .secret_count = NS_COUNT_OF(secrets)};
    return ns_redactor_new(&options, &house->redactor, err);
}

static ns_status open_store(ns_house *house, ns_error *err)
{
    char path[4096];
    ns_status status = ns_settings_data_path(house->settings, "neuroshield.db", path, err);
    if (status != NS_OK)
        return status;
    int32_t days = (int32_t)(house->settings->store_retention_days + 0.5);
    ns_store_options options = {.path = path,
                                .max_bytes = house->settings->store_max_bytes,
                                .telemetry_days = days,
                                .log_days = days,
                                .clock = house->clock,
                                .committed = wake_from_writer,
                                .owner = house};
    status = ns_sqlite_store_open(&options, &house->store, err);
    return status != NS_OK ? status : house->store.ids(house->store.self, &house->ids, err);
}

/* A model that is absent or bad does not keep the daemon from watching: the keyword rule answers, and that is told here
 * once, by `status` and on the page for as long as it lasts. */
static ns_status open_predictor(ns_house *house, ns_error *err)
{
    const ns_settings *s = house->settings;
    ns_predictor_choice choice = {.model = s->predictor_model, .code_path = s->predictor_code_path};
    ns_error why;
    ns_status status = ns_predictor_open(&choice, &house->predictor, &why);
    if (status == NS_BAD_USAGE || status == NS_NO_MEMORY)
        return ns_fail(err, status, "%s", why.text);
    if (status != NS_OK) {
        ns_status fallen = ns_predictor_open_fallback(&house->predictor, err);
        if (fallen != NS_OK)
            return fallen;
    }
    /* Where no model was asked for and none is installed, the keyword rule is the predictor and stands in for nobody.
     */
    if (status == NS_OK && house->predictor.fallback)
        house->predictor.fallback = false;
    if (house->predictor.fallback)
        ns_log(NS_LOG_WARNING, "daemon", "predictor_fallback", "reason=\"%s\" answers=keyword", why.text);
    else
        ns_log(NS_LOG_INFO, "daemon", "predictor_ready", "name=%s code_path=%s sha256=%s", house->predictor.name,
               ns_code_path_name(house->predictor.code_path),
               house->predictor.sha256[0] == '\0' ? "none" : house->predictor.sha256);
    return NS_OK;
}

static ns_status open_mind(ns_house *house, ns_error *err)
{
    ns_status status = open_predictor(house, err);
    if (status != NS_OK)
        return status;
    ns_scorer_options scorer = {.clock = house->clock,
                                .cpu_share = house->settings->scorer_cpu_share,
                                .answered = wake_from_scorer,
                                .owner = house};
    status = ns_scorer_new(&house->predictor, &scorer, &house->scorer, err);
    if (status != NS_OK)
        return status;
    enum { POLICY_RUNBOOK, POLICY_NOTHING };
    if (house->settings->policy == POLICY_NOTHING)
        ns_nothing_policy(&house->policy);
    else
        ns_runbook_policy(&house->policy);
    return NS_OK;
}

static int32_t clamp_int32(int64_t value)
{
    return value > INT32_MAX ? INT32_MAX : (int32_t)value;
}

static ns_status open_rails(ns_house *house, ns_error *err)
{
    const ns_settings *s = house->settings;
    char stop_file[4096];
    ns_status status = ns_settings_data_path(s, "STOP", stop_file, err);
    if (status != NS_OK)
        return status;
    ns_guardrail_options options = ns_guardrail_defaults();
    options.mode = ns_settings_mode(s, house->on_world);
    options.real_servers = !house->on_world;
    for (unsigned i = 0; i < NS_ACTION_COUNT; i++) {
        options.action_mode[i] = s->action[i].mode_set ? s->action[i].mode : NS_MODE_auto;
        if (s->action[i].mode_set && s->action[i].mode == NS_MODE_auto)
            options.auto_configured |= NS_ACTION_BIT(i);
        if (!s->action[i].allowed)
            options.allowed &= ~NS_ACTION_BIT(i);
        if (!isnan(s->action[i].cool_down_s))
            options.cool_down_ms[i] = (int64_t)(s->action[i].cool_down_s * 1000.0);
    }
    options.stale_after_ms = (int64_t)(s->stale_after_s * 1000.0);
    options.max_per_hour = clamp_int32(s->max_per_hour);
    options.max_per_pipeline_hour = clamp_int32(s->max_per_pipeline_hour);
    options.max_attempts = clamp_int32(s->max_attempts);
    options.breaker_after = clamp_int32(s->breaker_after);
    options.breaker_open_ms = (int64_t)(s->breaker_open_s * 1000.0);
    options.pipeline_breaker_after = clamp_int32(s->pipeline_breaker_after);
    options.oscillation_cases = clamp_int32(s->oscillation_cases);
    options.oscillation_window_ms = (int64_t)(s->oscillation_window_s * 1000.0);
    options.min_cause_probability = s->min_cause_probability;
    options.stop_file = stop_file;
    return ns_guardrails_new(&options, &house->rails, err);
}

static ns_status open_world(ns_house *house, ns_error *err)
{
    const char *path = house->settings->world_scenario;
    house->scenario = NS_NEW(ns_scenario);
    if (house->scenario == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the scenario");
    ns_status status = path != NULL && path[0] != '\0' ? ns_scenario_load(path, house->scenario, err)
                                                       : ns_scenario_builtin("demo", house->scenario, err);
    if (status == NS_OK)
        status =
            ns_recorded_logs_choose(house->settings->world_logs,
                                    ns_log_split_name(house->scenario->observation.log_split), &house->recorded, err);
    if (status == NS_OK)
        status = ns_world_new(house->scenario, house->seed, ns_clock_now_ms(&house->clock), &house->world, err);
    if (status == NS_OK && house->recorded.count > 0)
        ns_world_print(house->world, &house->recorded);
    if (status == NS_OK)
        status =
            ns_world_source(house->world, house->snapshot, &house->log_sink, &house->clock, &house->sources[0], err);
    if (status != NS_OK)
        return status;
    house->source_count = 1;
    house->caps = (ns_reward_caps){.mttr_cap_s = house->scenario->reward.mttr_cap_s,
                                   .cost_cap = house->scenario->reward.cost_cap};
    status = ns_world_hands(house->world, &house->hands[0], err);
    house->hands_count = status == NS_OK ? 1 : 0;
    return status;
}

static ns_status open_jenkins(ns_house *house, ns_error *err)
{
    ns_jenkins_source_options source;
    ns_settings_jenkins(house->settings, &source);
    ns_status status = ns_jenkins_new(house->loop, &source.connection, &house->jenkins, err);
    if (status != NS_OK)
        return status;
    source.client = house->jenkins; /* the hands share it */
    status = ns_jenkins_source_new(house->loop, house->snapshot, &house->log_sink, &house->clock, &source,
                                   &house->sources[house->source_count], err);
    if (status != NS_OK)
        return status;
    house->source_count++;
    ns_jenkins_hands_options hands = {.client = house->jenkins,
                                      .settle_ms =
                                          ns_settings_settle_ms(house->settings, house->settings->jenkins_settle_s)};
    status = ns_jenkins_hands_new(house->loop, &hands, &house->hands[house->hands_count], err);
    house->hands_count += status == NS_OK;
    return status;
}

static ns_status open_prometheus(ns_house *house, ns_error *err)
{
    const ns_settings *s = house->settings;
    if (s->prometheus_url == NULL || s->prometheus_url[0] == '\0')
        return NS_OK;
    ns_prometheus_source_options source;
    ns_settings_prometheus(s, &source);
    source.redactor = house->redactor;
    ns_status status = ns_prometheus_source_new(house->loop, house->snapshot, &house->clock, &source,
                                                &house->sources[house->source_count], err);
    house->source_count += status == NS_OK;
    return status;
}

static ns_status open_cluster(ns_house *house, ns_error *err)
{
    const ns_settings *s = house->settings;
    ns_status status = ns_cluster_client(s, house->loop, house->redactor, &house->kubernetes, err);
    if (status != NS_OK || house->kubernetes == NULL)
        return status;
    status = ns_cluster_source(s, house->loop, house->kubernetes, house->snapshot, &house->clock, house->redactor,
                               &house->sources[house->source_count], err);
    house->source_count += status == NS_OK;
    if (status == NS_OK) {
        status = ns_cluster_hands(s, house->kubernetes, &house->hands[house->hands_count], err);
        house->hands_count += status == NS_OK;
    }
    return status;
}

static ns_status open_notify(ns_house *house, ns_error *err)
{
    const ns_settings *s = house->settings;
    ns_notify_options options = {
        .webhook_url = s->notify_webhook_url, .bearer_token = s->notify_bearer_token, .jenkins_url = s->jenkins_url};
    ns_status status = ns_notify_hands_new(house->loop, &options, &house->hands[house->hands_count], err);
    house->hands_count += status == NS_OK;
    return status;
}

static ns_status open_real_servers(ns_house *house, ns_error *err)
{
    house->caps = NS_REWARD_CAPS;
    ns_status status = open_jenkins(house, err);
    if (status == NS_OK)
        status = open_prometheus(house, err);
    if (status == NS_OK)
        status = open_cluster(house, err);
    return status != NS_OK ? status : open_notify(house, err);
}

/* ---- world and real data ---- */

/* The simulated world begins anew with every start: its rows must neither mix with those of another run, nor with what
 * was watched for real. A marker file tells which kind of data a folder holds. */
static ns_status separate_worlds(const ns_house *house, ns_error *err)
{
    char marker[4096], database[4096];
    ns_status status = ns_settings_data_path(house->settings, "BUILT-IN-WORLD", marker, err);
    if (status == NS_OK)
        status = ns_settings_data_path(house->settings, "neuroshield.db", database, err);
    if (status != NS_OK)
        return status;
    bool marked = access(marker, F_OK) == 0, exists = access(database, F_OK) == 0;
    if (exists && marked != house->on_world)
        return ns_fail(err, NS_REFUSED, "%s holds the data of %s; give another folder with --data",
                       house->settings->data_folder, marked ? "the built-in world" : "a daemon on real servers");
    if (!house->on_world)
        return NS_OK;
    if (!marked)
        return ns_file_replace(marker, NS_TEXT("The database beside this file belongs to the simulated world.\n"), 0600,
                               err);
    static const char *const parts[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < NS_COUNT_OF(parts); i++) {
        char from[4100];
        (void)snprintf(from, sizeof from, "%s%s", database, parts[i]);
        (void)remove(from);
    }
    return NS_OK;
}

/* ---- open and close ---- */

static ns_status set_up(ns_house *house, ns_error *err)
{
    const ns_settings *s = house->settings;
    house->on_world = s->world;
    randombytes_buf(&house->key_seed, sizeof house->key_seed);
    house->seed = s->seed >= 0 ? (uint64_t)s->seed : house->key_seed >> 33;
    house->clock = house->on_world ? ns_clock_scaled(ns_real_now_ms(), s->world_speed) : ns_settings_clock(s);
    house->started_real_ms = ns_real_now_ms();
    house->started_ms = ns_clock_now_ms(&house->clock);
    house->interval_ms = (int64_t)(s->poll_interval_s * 1000.0);
    if (house->interval_ms < 1)
        house->interval_ms = 1;
    house->tick = ns_arena_new(TICK_CEILING);
    house->snapshot = ns_snapshot_new();
    house->feed = ns_feed_new();
    if (house->tick == NULL || house->snapshot == NULL || house->feed == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the house");
    house->log_sink = ns_log_desk(house);
    return NS_OK;
}

static ns_status build(ns_house *house, ns_error *err)
{
    ns_status status = ns_settings_make_data_folder(house->settings, err);
    if (status == NS_OK)
        status = ns_lock_take(house->settings->data_folder, &house->lock, err);
    if (status == NS_OK)
        status = set_up(house, err);
    if (status == NS_OK)
        status = separate_worlds(house, err);
    if (status == NS_OK)
        status = open_wake(house, err);
    if (status == NS_OK)
        status = open_redactor(house, err);
    if (status == NS_OK)
        status = open_store(house, err);
    if (status == NS_OK)
        status = open_rails(house, err);
    if (status == NS_OK)
        status = open_mind(house, err);
    if (status == NS_OK)
        status = house->on_world ? open_world(house, err) : open_real_servers(house, err);
    return status != NS_OK ? status : ns_house_read_back(house, err);
}

ns_status ns_house_open(const ns_settings *settings, struct event_base *loop, ns_house **out, ns_error *err)
{
    if (sodium_init() < 0)
        return ns_fail(err, NS_IO, "the operating system gives no random numbers");
    ns_house *house = NS_NEW(ns_house);
    if (house == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the house");
    house->settings = settings;
    house->loop = loop;
    house->wake_fd = -1;
    ns_status status = build(house, err);
    if (status != NS_OK) {
        ns_house_close(house);
        return status;
    }
    ns_house_audit(house, "neuroshield", "daemon_started", house->on_world ? "built-in world" : "real servers",
                   ns_mode_name(ns_guardrails_mode(house->rails)));
    *out = house;
    return NS_OK;
}

static void close_tracks(ns_house *house)
{
    for (size_t i = 0; i < house->track_count; i++) {
        while (house->tracks[i].builds != NULL) {
            ns_build_entry *entry = house->tracks[i].builds;
            house->tracks[i].builds = entry->next;
            entry_free(entry);
        }
        ns_free(house->tracks[i].open_case);
        ns_free(house->tracks[i].scaled);
    }
    ns_free(house->tracks);
    house->tracks = NULL;
    house->track_count = 0;
}

void ns_house_close(ns_house *house)
{
    if (house == NULL)
        return;
    /* Hands first: their last answers still find the cases and the store. */
    for (size_t i = 0; i < house->hands_count; i++)
        house->hands[i].free(house->hands[i].self);
    for (size_t i = 0; i < house->source_count; i++)
        house->sources[i].free(house->sources[i].self);
    ns_jenkins_free(house->jenkins);
    ns_kubernetes_free(house->kubernetes);
    ns_scorer_free(house->scorer);
    if (house->predictor.free != NULL)
        house->predictor.free(house->predictor.self);
    if (house->policy.free != NULL)
        house->policy.free(house->policy.self);
    if (house->store.free != NULL)
        house->store.free(house->store.self);
    ns_guardrails_free(house->rails);
    close_tracks(house);
    ns_free(house->revisions);
    ns_redactor_free(house->redactor);
    ns_world_free(house->world);
    ns_recorded_logs_close(&house->recorded);
    ns_free(house->scenario);
    ns_feed_free(house->feed);
    ns_snapshot_free(house->snapshot);
    if (house->wake != NULL)
        event_free(house->wake);
    if (house->wake_fd >= 0)
        (void)close(house->wake_fd);
    ns_arena_free(house->tick);
    ns_lock_free(house->lock);
    ns_free(house);
}
