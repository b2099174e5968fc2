/* Ticks, sources and the CSV file of `collect`. */
#include "daemon/collector.h"

#include "base/mem.h"
#include "daemon/cluster_open.h"
#include "telemetry/align.h"
#include "telemetry/csv_rows.h"
#include "telemetry/jenkins_source.h"
#include "telemetry/prometheus_source.h"

#include <event2/event.h>
#include <math.h>
#include <string.h>

#define LOOK_MS 10 /* between two looks whether the sources have settled */

struct ns_gatherer {
    const ns_settings *settings;
    ns_clock clock;
    ns_snapshot *snapshot;
    ns_source sources[NS_SOURCE_KINDS];
    size_t source_count;
    ns_kubernetes *cluster; /* NULL: none */
    ns_csv_file *file;      /* NULL: none */
    ns_gathered *on_tick;
    void *owner;
    struct event *next_tick;
    struct event *look;
    int64_t interval_ms;
    int64_t tick_ms;        /* world time of the tick under way */
    int64_t deadline_at_ns; /* its end, monotonic */
    ns_complaint write_trouble;
    bool stopped;
};

/* --- time ------------------------------------------------------------------------------------------------------- */

static struct timeval real_wait(const ns_gatherer *g, int64_t world_ms)
{
    const double real_ms = world_ms <= 0 ? 0 : (double)world_ms / g->clock.speed;
    return (struct timeval){(time_t)(real_ms / 1000), (suseconds_t)(fmod(real_ms, 1000) * 1000)};
}

static void wait_for_next(ns_gatherer *g)
{
    const int64_t now_ms = ns_clock_now_ms(&g->clock);
    const int64_t next_ms = (now_ms / g->interval_ms + 1) * g->interval_ms;
    const struct timeval wait = real_wait(g, next_ms - now_ms);
    if (!g->stopped)
        (void)event_add(g->next_tick, &wait);
}

/* --- one tick --------------------------------------------------------------------------------------------------- */

/* One row per job; without any job one row with what Prometheus knows. */
static size_t make_records(const ns_gatherer *g, ns_record *records)
{
    const int64_t stale_ms = (int64_t)(g->settings->stale_after_s * 1000);
    size_t count = 0;
    for (size_t i = 0; i < g->snapshot->pipeline_count; i++) {
        if (!g->snapshot->pipelines[i]->gone)
            ns_align(g->snapshot, g->snapshot->pipelines[i], g->tick_ms, stale_ms, &records[count++]);
    }
    if (count > 0)
        return count;
    ns_pipeline_view nobody = {.jenkins_at_ms = -1, .completed = ns_build_unknown(0)};
    for (size_t i = 0; i < NS_SIGNAL_COUNT; i++)
        nobody.signal[i] = NS_MISSING;
    ns_deployment_view_forget(&nobody.cluster);
    ns_align(g->snapshot, &nobody, g->tick_ms, stale_ms, &records[0]);
    return 1;
}

static ns_status write_records(ns_gatherer *g, const ns_record *records, size_t count)
{
    if (g->file == NULL)
        return NS_OK;
    ns_error err = {0};
    const ns_status status = ns_csv_file_put(g->file, records, count, &err);
    uint64_t unsaid = 0;
    char quoted[600];
    if (status == NS_OK) {
        if (ns_complaint_over(&g->write_trouble))
            ns_log(NS_LOG_INFO, "daemon", "rows_written_again", "room_left=yes");
    } else if (ns_complain(&g->write_trouble, ns_real_now_ms(), &unsaid)) {
        ns_log(NS_LOG_ERROR, "daemon", "rows_not_written", "error=%s unsaid=%llu",
               ns_log_quote(quoted, sizeof quoted, err.text), (unsigned long long)unsaid);
    }
    return status;
}

static void finish_tick(ns_gatherer *g)
{
    (void)event_del(g->look);
    ns_record *records = NS_NEW_ARRAY(ns_record, g->snapshot->pipeline_count + 1);
    if (records == NULL) {
        ns_log(NS_LOG_ERROR, "daemon", "rows_not_written", "error=no_memory");
        if (g->on_tick != NULL)
            g->on_tick(g->owner, NULL, 0, NS_NO_MEMORY);
    } else {
        const size_t count = make_records(g, records);
        const ns_status written = write_records(g, records, count);
        if (g->on_tick != NULL)
            g->on_tick(g->owner, records, count, written);
        ns_free(records);
    }
    wait_for_next(g);
}

static void look(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ns_gatherer *g = owner;
    bool settled = true;
    for (size_t i = 0; i < g->source_count; i++)
        settled = settled && g->sources[i].settled(g->sources[i].self);
    if (settled || ns_monotonic_ns() >= g->deadline_at_ns)
        finish_tick(g);
}

static void tick(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ns_gatherer *g = owner;
    const double interval_ms = (double)g->interval_ms / g->clock.speed;
    const double deadline_ms = interval_ms < NS_GATHER_DEADLINE_MS ? interval_ms : NS_GATHER_DEADLINE_MS;
    g->tick_ms = ns_clock_now_ms(&g->clock);
    /* A timer fires a little late: the tick's time is the grid's. */
    const int64_t on_grid_ms = g->tick_ms / g->interval_ms * g->interval_ms;
    if ((double)(g->tick_ms - on_grid_ms) / g->clock.speed < 50 &&
        (double)(g->tick_ms - on_grid_ms) < 0.1 * (double)g->interval_ms)
        g->tick_ms = on_grid_ms;
    g->deadline_at_ns = ns_monotonic_ns() + (int64_t)(deadline_ms * 1e6);
    for (size_t i = 0; i < g->source_count; i++)
        g->sources[i].poll(g->sources[i].self, g->tick_ms);
    const struct timeval wait = {0, LOOK_MS * 1000};
    if (!g->stopped)
        (void)event_add(g->look, &wait);
}

/* --- birth and death -------------------------------------------------------------------------------------------- */

/* The collector reads no logs. */
static ns_status take_no_log(void *self, const ns_log_piece *piece)
{
    (void)self;
    (void)piece;
    return NS_OK;
}

static int64_t log_has_ended(void *self, const char *jenkins_job, int64_t build)
{
    (void)self;
    (void)jenkins_job;
    (void)build;
    return -1;
}

static bool log_not_wanted(void *self, const ns_pipeline_view *pipeline, const ns_build *build)
{
    (void)self;
    (void)pipeline;
    (void)build;
    return false;
}

static const ns_log_sink no_logs = {.take = take_no_log, .offset = log_has_ended, .wanted = log_not_wanted};

/* Jobs that are named in the configuration have rows from the first tick on, whether Jenkins answers or not. */
static ns_status add_named_jobs(ns_gatherer *g, ns_error *err)
{
    const ns_settings *s = g->settings;
    for (size_t i = 0; i < s->pipeline_count; i++) {
        ns_pipeline_view *view = ns_snapshot_pipeline(g->snapshot, ns_text_of(s->pipelines[i].jenkins_job));
        if (view == NULL)
            return ns_fail(err, NS_NO_MEMORY, "no memory for the jobs");
        (void)ns_text_copy(view->name, sizeof view->name, ns_text_of(s->pipelines[i].name));
        (void)ns_text_copy(view->deployment, sizeof view->deployment, ns_text_of(s->pipelines[i].deployment));
        view->deployment_fixed = view->deployment[0] != '\0';
    }
    const size_t names = s->jenkins_job != NULL ? 1 : s->jenkins_jobs.count;
    for (size_t i = 0; i < names; i++) {
        const char *job = s->jenkins_job != NULL ? s->jenkins_job : s->jenkins_jobs.at[i];
        if (strlen(job) >= NS_JOB_MAX)
            return ns_fail(err, NS_BAD_USAGE, "the job's name is longer than %d bytes: %.64s...", NS_JOB_MAX - 1, job);
        if (ns_snapshot_pipeline(g->snapshot, ns_text_of(job)) == NULL)
            return ns_fail(err, NS_NO_MEMORY, "no memory for the jobs");
    }
    return NS_OK;
}

static ns_status add_sources(ns_gatherer *g, struct event_base *loop, ns_error *err)
{
    const ns_settings *s = g->settings;
    if (s->jenkins_url != NULL) {
        ns_jenkins_source_options jenkins;
        ns_settings_jenkins(s, &jenkins);
        const ns_status status =
            ns_jenkins_source_new(loop, g->snapshot, &no_logs, &g->clock, &jenkins, &g->sources[g->source_count], err);
        if (status != NS_OK)
            return status;
        g->source_count++;
    }
    if (s->prometheus_url != NULL) {
        ns_prometheus_source_options prometheus;
        ns_settings_prometheus(s, &prometheus);
        const ns_status status =
            ns_prometheus_source_new(loop, g->snapshot, &g->clock, &prometheus, &g->sources[g->source_count], err);
        if (status != NS_OK)
            return status;
        g->source_count++;
    }
    ns_status status = ns_cluster_client(s, loop, NULL, &g->cluster, err);
    if (status == NS_OK && g->cluster != NULL) {
        status =
            ns_cluster_source(s, loop, g->cluster, g->snapshot, &g->clock, NULL, &g->sources[g->source_count], err);
        g->source_count += status == NS_OK;
    }
    if (status != NS_OK || g->source_count > 0)
        return status;
    return ns_fail(err, NS_BAD_USAGE,
                   "nothing to collect from: set JENKINS_URL or PROMETHEUS_URL (environment or .env), "
                   "jenkins.url or prometheus.url in neuroshield.yaml, or --jenkins-url or --prometheus-url");
}

static ns_status open_file(ns_gatherer *g, const char *output, ns_error *err)
{
    if (output == NULL)
        return NS_OK;
    const ns_csv_file_options file = {.path = output,
                                      .sync = g->settings->collect_fsync,
                                      .rotate_bytes = g->settings->collect_rotate_bytes,
                                      .keep = (int)g->settings->collect_rotate_keep};
    bool mended = false;
    const ns_status status = ns_csv_file_open(&file, &g->file, &mended, err);
    if (status == NS_OK && mended)
        ns_log(NS_LOG_WARNING, "daemon", "csv_mended", "why=last_line_was_cut");
    return status;
}

static ns_status start_timers(ns_gatherer *g, struct event_base *loop, ns_error *err)
{
    const struct timeval now = {0, 0};
    g->next_tick = event_new(loop, -1, 0, tick, g);
    g->look = event_new(loop, -1, EV_PERSIST, look, g);
    if (g->next_tick == NULL || g->look == NULL || event_add(g->next_tick, &now) != 0)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the collector's timers");
    return NS_OK;
}

ns_status ns_gatherer_new(struct event_base *loop, const ns_gather_options *options, ns_gatherer **out, ns_error *err)
{
    ns_gatherer *g = NS_NEW(ns_gatherer);
    if (g == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the collector");
    g->settings = options->settings;
    g->clock = ns_settings_clock(options->settings);
    g->on_tick = options->on_tick;
    g->owner = options->owner;
    const double interval_ms = options->settings->poll_interval_s * 1000;
    g->interval_ms = interval_ms < 1 ? 1 : (int64_t)interval_ms;
    g->snapshot = ns_snapshot_new();
    ns_status status = g->snapshot == NULL ? ns_fail(err, NS_NO_MEMORY, "no memory for the collector") : NS_OK;
    if (status == NS_OK)
        status = add_named_jobs(g, err);
    if (status == NS_OK)
        status = add_sources(g, loop, err);
    if (status == NS_OK)
        status = open_file(g, options->output, err);
    if (status == NS_OK)
        status = start_timers(g, loop, err);
    if (status != NS_OK) {
        ns_gatherer_free(g);
        return status;
    }
    *out = g;
    return NS_OK;
}

void ns_gatherer_stop(ns_gatherer *gatherer)
{
    gatherer->stopped = true;
    (void)event_del(gatherer->next_tick);
    (void)event_del(gatherer->look);
}

void ns_gatherer_free(ns_gatherer *gatherer)
{
    if (gatherer == NULL)
        return;
    if (gatherer->next_tick != NULL)
        event_free(gatherer->next_tick);
    if (gatherer->look != NULL)
        event_free(gatherer->look);
    for (size_t i = 0; i < gatherer->source_count; i++)
        gatherer->sources[i].free(gatherer->sources[i].self);
    ns_kubernetes_free(gatherer->cluster);
    ns_snapshot_free(gatherer->snapshot);
    if (gatherer->file != NULL)
        ns_csv_file_close(gatherer->file);
    ns_free(gatherer);
}
