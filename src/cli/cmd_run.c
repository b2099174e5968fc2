/* neuroshield run: the daemon. */
#include "cli/command.h"
#include "cli/options.h"
#include "daemon/api.h"
#include "daemon/house.h"
#include "daemon/schedule.h"
#include "daemon/summary.h"
#include "wire/json.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const ns_option options[] = {
    {"listen", "HOST:PORT", "listen", "address of page, API and metrics; port 0 takes a free one"},
    {"for", "S", NULL, "stop after so many seconds and print a summary"},
    {"world", NULL, "world.enabled", "run on the built-in world instead of real servers"},
    {"speed", "N", "world.speed", "seconds of the built-in world per second"},
    {"scenario", "FILE", "world.scenario", "scenario of the built-in world"},
    {"mode", "MODE", "mode", "observe, suggest, approve or auto"},
    {"interval", "S", "poll_interval", "seconds between two ticks"},
    {"summary", "FILE", NULL, "write the summary to this file; - is standard output"},
};

static const ns_usage usage = {
    .command = "run",
    .purpose = "Watches the pipelines, predicts which builds will fail, decides, acts as far as it may, and verifies.\n"
               "Without a configured Jenkins it runs on the built-in world, at 60 times real speed.",
    .options = options,
    .option_count = NS_COUNT_OF(options),
    .statuses = "0 also when ended by SIGTERM, SIGINT or --for; 4 when another daemon holds the data folder.",
    .example = "neuroshield run --for 90\nneuroshield run --mode observe --listen 127.0.0.1:8470",
};

enum { PROGRESS_MS = 1000 };

/* One run: what the signal handlers and the progress line need. */
typedef struct run {
    struct event_base *loop;
    ns_house *house;
    ns_schedule *schedule;
    struct event *signals[2];
    struct event *progress;
    double for_s;
    bool signalled;
} run;

static void on_signal(evutil_socket_t number, short what, void *owner)
{
    (void)number;
    (void)what;
    run *r = owner;
    r->signalled = true;
    (void)event_base_loopbreak(r->loop);
}

static void show_progress(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    const run *r = owner;
    const ns_counts *c = &r->house->counts;
    double passed_s = (double)(ns_real_now_ms() - r->house->started_real_ms) / 1000.0;
    enum { WIDTH = 20 };
    char bar[WIDTH + 1];
    int done = r->for_s > 0 ? (int)(passed_s / r->for_s * WIDTH) : 0;
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < done ? '#' : '.';
    bar[WIDTH] = '\0';
    (void)fprintf(stderr,
                  "\r\033[K%s%s%.0f s, %zu pipelines, %llu builds ended, %llu failed, %llu cases, %llu verified",
                  r->for_s > 0 ? bar : "", r->for_s > 0 ? " " : "", passed_s, r->house->snapshot->pipeline_count,
                  (unsigned long long)c->builds_finished, (unsigned long long)c->builds_failed,
                  (unsigned long long)c->cases_opened, (unsigned long long)c->verified);
}

static ns_status watch_signals(run *r, ns_error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < NS_COUNT_OF(numbers); i++) {
        r->signals[i] = evsignal_new(r->loop, numbers[i], on_signal, r);
        if (r->signals[i] == NULL || event_add(r->signals[i], NULL) != 0)
            return ns_fail(err, NS_NO_MEMORY, "no memory for the signal handlers");
    }
    return NS_OK;
}

static void watch_progress(run *r, const ns_options *given)
{
    if (given->quiet || given->json || isatty(STDERR_FILENO) == 0)
        return;
    struct timeval every = {.tv_sec = PROGRESS_MS / 1000, .tv_usec = 0};
    r->progress = event_new(r->loop, -1, EV_PERSIST, show_progress, r);
    if (r->progress != NULL)
        (void)event_add(r->progress, &every);
}

static void say_listening(const run *r, const ns_options *given, const char *bound)
{
    const ns_house *house = r->house;
    if (given->json) {
        ns_buf line;
        ns_buf_init(&line, 4096);
        ns_json_writer w;
        ns_json_begin(&w, &line);
        ns_json_object(&w);
        ns_json_field_int(&w, "schema", 1);
        ns_json_field_string(&w, "event", "listening");
        ns_json_field_string(&w, "address", bound);
        ns_json_field_string(&w, "mode", house->on_world ? "world" : "live");
        if (house->on_world)
            ns_json_field_int(&w, "seed", (int64_t)house->seed);
        else
            ns_json_field_null(&w, "seed");
        ns_json_end_object(&w);
        (void)ns_buf_char(&line, '\n');
        (void)ns_stdout_write(ns_buf_view(&line));
        ns_buf_clear(&line);
        return;
    }
    if (given->quiet)
        return;
    (void)fprintf(stderr, "page and API: http://%s/\n", bound);
    (void)fprintf(stderr, "acting: %s\n", ns_mode_name(ns_guardrails_mode(house->rails)));
    if (house->on_world)
        (void)fprintf(stderr, "built-in world: seed %llu, %.4g times real speed\n", (unsigned long long)house->seed,
                      house->clock.speed);
}

static ns_status write_summary(const run *r, const ns_options *given, ns_error *err)
{
    const char *ended_by = r->signalled ? "signal" : ns_schedule_time_is_up(r->schedule) ? "time" : "error";
    const char *path = ns_option_value(given, "summary");
    if (path == NULL && r->for_s <= 0 && !given->json)
        return NS_OK;
    ns_buf json, text;
    ns_buf_init(&json, 1024 * 1024);
    ns_buf_init(&text, 64 * 1024);
    (void)r->house->store.flush(r->house->store.self, 5000, err);
    ns_status status = ns_summary_json(r->house, ended_by, &json, err);
    if (status == NS_OK && path != NULL && strcmp(path, "-") != 0)
        status = ns_file_replace(path, ns_buf_view(&json), 0644, err);
    if (status == NS_OK && (given->json || (path != NULL && strcmp(path, "-") == 0)))
        (void)ns_stdout_write(ns_buf_view(&json));
    else if (status == NS_OK && path == NULL && isatty(STDOUT_FILENO) == 0)
        (void)ns_stdout_write(ns_buf_view(&json)); /* a script reads it */
    if (status == NS_OK && !given->quiet && !given->json && ns_summary_text(ns_buf_view(&json), &text, err) == NS_OK)
        (void)fwrite(text.at, 1, text.len, stderr);
    ns_buf_clear(&json);
    ns_buf_clear(&text);
    return status;
}

static ns_status run_until_end(run *r, const ns_options *given, const ns_settings *settings, ns_error *err)
{
    char bound[256];
    ns_api *api = NULL;
    ns_status status = watch_signals(r, err);
    if (status == NS_OK)
        status = ns_house_open(settings, r->loop, &r->house, err);
    if (status == NS_OK)
        status = ns_api_open(r->house, &api, bound, sizeof bound, err);
    if (status == NS_OK)
        status = ns_schedule_start(r->house, r->for_s, &r->schedule, err);
    if (status == NS_OK) {
        say_listening(r, given, bound);
        watch_progress(r, given);
        if (event_base_dispatch(r->loop) != 0)
            status = ns_fail(err, NS_IO, "the event loop failed");
        if (r->progress != NULL)
            (void)fputs("\r\033[K", stderr);
    }
    if (status == NS_OK)
        status = write_summary(r, given, err);
    ns_schedule_free(r->schedule);
    ns_api_close(api);
    ns_house_close(r->house);
    return status;
}

/* Nothing configured to watch: the built-in world, said aloud. */
static ns_status choose_world(const ns_options *given, ns_settings *settings, ns_error *err)
{
    bool jenkins = settings->jenkins_url != NULL && settings->jenkins_url[0] != '\0';
    if (!settings->world && !jenkins && settings->prometheus_url != NULL && settings->prometheus_url[0] != '\0')
        return ns_fail(err, NS_BAD_USAGE,
                       "prometheus.url is set, but jenkins.url is not: there is nothing to watch; "
                       "set JENKINS_URL, or use --world");
    if (!settings->world && !jenkins) {
        settings->world = true;
        if (!given->quiet)
            (void)fputs(
                "No Jenkins is configured (JENKINS_URL): running on the built-in world, a simulated Sock Shop.\n",
                stderr);
    }
    if (settings->world && !ns_settings_is_set(settings, "data")) {
        size_t used = strlen(settings->data_folder);
        if (used + sizeof "/world" > sizeof settings->data_folder)
            return ns_fail(err, NS_BAD_USAGE, "the data folder's path is too long");
        (void)snprintf(settings->data_folder + used, sizeof settings->data_folder - used, "/world");
    }
    return NS_OK;
}

int ns_cmd_run(int argc, char **argv)
{
    ns_options given;
    ns_settings *settings = NULL;
    ns_error err = {.text = ""};
    int exit_status = 0;
    if (!ns_options_read(&usage, argc, argv, &given, &exit_status) ||
        !ns_options_settings(&given, &settings, &exit_status))
        return exit_status;
    run r = {.for_s = 0};
    const char *for_s = ns_option_value(&given, "for");
    ns_status status = NS_OK;
    if (for_s != NULL && (!ns_text_double(ns_text_of(for_s), &r.for_s) || !(r.for_s > 0) || r.for_s > 1e9))
        status = ns_fail(&err, NS_BAD_USAGE, "--for wants seconds greater than 0, not '%s'", for_s);
    if (status == NS_OK)
        status = choose_world(&given, settings, &err);
    if (status == NS_OK) {
        r.loop = event_base_new();
        status = r.loop == NULL ? ns_fail(&err, NS_NO_MEMORY, "no memory for the event loop")
                                : run_until_end(&r, &given, settings, &err);
    }
    for (size_t i = 0; i < NS_COUNT_OF(r.signals); i++)
        if (r.signals[i] != NULL)
            event_free(r.signals[i]);
    if (r.progress != NULL)
        event_free(r.progress);
    if (r.loop != NULL)
        event_base_free(r.loop);
    ns_settings_free(settings);
    return status == NS_OK ? 0 : ns_options_fail(&given, &err);
}
