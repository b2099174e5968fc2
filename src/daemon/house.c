#include "daemon/house.h"

#include "agent/runbook.h"
#include "base/mem.h"
#include "daemon/carry_out.h"
#include "daemon/log_desk.h"
#include "orchestration/jenkins_actions.h"
#include "orchestration/notify.h"
#include "prediction/keyword.h"
#include "store/sqlite_store.h"
#include "telemetry/jenkins_source.h"
#include "telemetry/prometheus_source.h"
#include "wire/jenkins_client.h"
#include "world/world_doors.h"

#include <errno.h>
#include <event2/event.h>
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
    entry->finished_ms = -1;
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
        tracks[i] = (ns_track){.first_look = true, .failure_streak = -1, .queue_id = -1};
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
    ns_store_options options = {.path = path,
                                .max_bytes = house->settings->store_max_bytes,
                                .retention_days = house->settings->store_retention_days,
                                .clock = house->clock,
                                .committed = wake_from_writer,
                                .owner = house};
    status = ns_sqlite_store_open(&options, &house->store, err);
    return status != NS_OK ? status : house->store.ids(house->store.self, &house->ids, err);
}

static ns_status open_mind(ns_house *house, ns_error *err)
{
    ns_status status = ns_keyword_predictor_new(&house->predictor, err);
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
        options.cool_down_ms[i] = (int64_t)(s->action[i].cool_down_s * 1000.0);
    }
    options.stale_after_ms = (int64_t)(s->stale_after_s * 1000.0);
    options.max_per_hour = clamp_int32(s->max_per_hour);
    options.max_per_pipeline_hour = clamp_int32(s->max_per_hour_pipeline);
    options.max_attempts = clamp_int32(s->max_attempts);
    options.breaker_after = clamp_int32(s->breaker_failures);
    options.breaker_open_ms = (int64_t)(s->breaker_rest_s * 1000.0);
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
        status = ns_world_new(house->scenario, house->seed, ns_clock_now_ms(&house->clock), &house->world, err);
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

ns_status ns_house_open(const ns_settings *settings, struct event_base *loop, ns_house **out, ns_error *err)
{
    (void)settings;
    (void)loop;
    (void)out;
    (void)open_wake;
    (void)open_redactor;
    (void)open_store;
    (void)open_mind;
    (void)open_rails;
    (void)open_world;
    return ns_fail(err, NS_LATER, "in the making");
}
