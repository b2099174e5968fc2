/* The C API of include/neuroshield.h: the collector on a thread of its own. */
#include "neuroshield.h"

#include "base/mem.h"
#include "daemon/collector.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct ns_collector {
    ns_settings *settings;
    char output[4096]; /* "" none */
    ns_collector_on_row *on_row;
    void *user;
    struct event_base *loop;
    ns_gatherer *gatherer; /* the loop's, while the thread runs */
    struct event *wake;
    int wake_fd; /* eventfd: stop */
    pthread_t thread;
    bool running; /* the owner's: there is a thread to join */
    atomic_bool stopping;
};

/* --- errors ----------------------------------------------------------------------------------------------------- */

static int code_of(ns_status status)
{
    switch (status) {
    case NS_OK:
        return NS_COLLECTOR_DONE;
    case NS_NO_MEMORY:
        return NS_COLLECTOR_NO_MEMORY;
    case NS_IO:
    case NS_CORRUPT:
        return NS_COLLECTOR_BAD_FILE;
    default:
        return NS_COLLECTOR_BAD_USAGE;
    }
}

static int tell(ns_collector_error *err, int code, const char *text)
{
    if (err != NULL) {
        err->code = code;
        (void)ns_text_copy(err->text, sizeof err->text, ns_text_of(text));
    }
    return code;
}

/* --- options ---------------------------------------------------------------------------------------------------- */

#define FLAGS_MAX 8

static void add_flag(ns_setting_flag *flags, size_t *count, const char *key, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0')
        flags[(*count)++] = (ns_setting_flag){key, name, value};
}

/* The settings with nothing but these options: no environment, no files. */
static ns_status load(const ns_collector_options *options, ns_settings **out, ns_error *err)
{
    static char *const nothing[] = {NULL};
    ns_setting_flag flags[FLAGS_MAX];
    size_t count = 0;
    char interval[40];
    (void)snprintf(interval, sizeof interval, "%.17g", options->interval_s);
    add_flag(flags, &count, "jenkins.url", "jenkins_url", options->jenkins_url);
    add_flag(flags, &count, "jenkins.job", "jenkins_job", options->jenkins_job);
    add_flag(flags, &count, "jenkins.username", "jenkins_username", options->jenkins_username);
    add_flag(flags, &count, "jenkins.token", "jenkins_token", options->jenkins_token);
    add_flag(flags, &count, "prometheus.url", "prometheus_url", options->prometheus_url);
    if (options->interval_s != 0)
        add_flag(flags, &count, "poll_interval", "interval_s", interval);
    const ns_settings_sources sources = {
        .config_file = "", .env_file = "", .environment = nothing, .flags = flags, .flag_count = count};
    return ns_settings_load(&sources, out, err);
}

/* --- the thread ------------------------------------------------------------------------------------------------- */

static const char *text_or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static void hand_over(void *owner, const ns_record *records, size_t count, ns_status written)
{
    (void)written; /* told in the log; the next tick tries again */
    ns_collector *c = owner;
    for (size_t i = 0; i < count && c->on_row != NULL && !atomic_load(&c->stopping); i++) {
        const ns_record *r = &records[i];
        char stamp[NS_TIME_TEXT_MAX];
        const ns_collector_row row = {
            .timestamp_ms = r->at_ms,
            .timestamp = ns_time_text(r->at_ms, stamp),
            .jenkins_job = text_or_null(r->jenkins_job),
            .jenkins_last_build_status =
                r->last_result == NS_BUILD_unknown ? NULL : ns_build_result_name(r->last_result),
            .jenkins_last_build_duration = r->value[NS_RECORD_last_duration],
            .jenkins_queue_length = r->value[NS_RECORD_queue_length],
            .prometheus_cpu_usage = r->value[NS_RECORD_cpu_usage],
            .prometheus_memory_usage = r->value[NS_RECORD_memory_usage],
            .prometheus_pod_count = r->value[NS_RECORD_pod_count],
            .prometheus_error_rate = r->value[NS_RECORD_error_rate],
            .jenkins_build_number = r->last_number > 0 ? r->last_number : -1,
            .jenkins_age_ms = r->age_ms[NS_FROM_jenkins],
            .prometheus_age_ms = r->age_ms[NS_FROM_prometheus],
        };
        c->on_row(c->user, &row);
    }
}

static void woken(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    ns_collector *c = owner;
    ns_gatherer_stop(c->gatherer);
    (void)event_base_loopbreak(c->loop);
}

static void *work(void *owner)
{
    ns_collector *c = owner;
    (void)event_base_dispatch(c->loop);
    return NULL;
}

/* What start has made, in reverse. */
static void take_down(ns_collector *c)
{
    if (c->wake != NULL)
        event_free(c->wake);
    ns_gatherer_free(c->gatherer);
    if (c->loop != NULL)
        event_base_free(c->loop);
    if (c->wake_fd >= 0)
        (void)close(c->wake_fd);
    c->wake = NULL;
    c->gatherer = NULL;
    c->loop = NULL;
    c->wake_fd = -1;
}

static ns_status build_up(ns_collector *c, ns_error *err)
{
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->loop = event_base_new();
    if (c->wake_fd < 0 || c->loop == NULL)
        return ns_fail(err, NS_BUSY, "no event loop can be had");
    const ns_gather_options gather = {
        .settings = c->settings, .output = text_or_null(c->output), .on_tick = hand_over, .owner = c};
    const ns_status status = ns_gatherer_new(c->loop, &gather, &c->gatherer, err);
    if (status != NS_OK)
        return status;
    c->wake = event_new(c->loop, c->wake_fd, EV_READ, woken, c);
    if (c->wake == NULL || event_add(c->wake, NULL) != 0)
        return ns_fail(err, NS_BUSY, "no event loop can be had");
    return NS_OK;
}

/* The thread takes no signals: they are the program's. */
static bool spawn(ns_collector *c)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool good = pthread_create(&c->thread, NULL, work, c) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (good)
        (void)pthread_setname_np(c->thread, "ns-collector");
    return good;
}

/* --- the door --------------------------------------------------------------------------------------------------- */

ns_collector *ns_collector_new(const ns_collector_options *options, ns_collector_error *err)
{
    (void)tell(err, NS_COLLECTOR_DONE, "");
    if (options == NULL) {
        (void)tell(err, NS_COLLECTOR_BAD_USAGE, "options are NULL");
        return NULL;
    }
    ns_error inner = {0};
    ns_collector *c = NS_NEW(ns_collector);
    ns_status status = c == NULL ? ns_fail(&inner, NS_NO_MEMORY, "no memory for a collector") : NS_OK;
    if (status == NS_OK) {
        c->wake_fd = -1;
        c->on_row = options->on_row;
        c->user = options->user;
        if (!ns_text_copy(c->output, sizeof c->output, ns_text_of(options->output)))
            status = ns_fail(&inner, NS_BAD_USAGE, "output: the file's name is too long");
    }
    if (status == NS_OK)
        status = load(options, &c->settings, &inner);
    if (status == NS_OK) /* everything that can be wrong shows up now, not in the thread */
        status = build_up(c, &inner);
    if (status == NS_OK) {
        take_down(c);
        return c;
    }
    (void)tell(err, status == NS_BUSY ? NS_COLLECTOR_SYSTEM : code_of(status), inner.text);
    ns_collector_free(c);
    return NULL;
}

int ns_collector_start(ns_collector *collector, ns_collector_error *err)
{
    (void)tell(err, NS_COLLECTOR_DONE, "");
    if (collector->running && !atomic_load(&collector->stopping))
        return tell(err, NS_COLLECTOR_BAD_USAGE, "the collector runs already");
    ns_collector_stop(collector); /* it may have been stopped from its own callback */
    ns_error inner = {0};
    const ns_status status = build_up(collector, &inner);
    if (status != NS_OK) {
        take_down(collector);
        return tell(err, status == NS_BUSY ? NS_COLLECTOR_SYSTEM : code_of(status), inner.text);
    }
    atomic_store(&collector->stopping, false);
    if (!spawn(collector)) {
        take_down(collector);
        return tell(err, NS_COLLECTOR_SYSTEM, "no thread can be had");
    }
    collector->running = true;
    return NS_COLLECTOR_DONE;
}

void ns_collector_stop(ns_collector *collector)
{
    if (!collector->running)
        return;
    atomic_store(&collector->stopping, true);
    const uint64_t one = 1;
    /* Can only fail when the counter is full, and then the thread is being woken anyway. */
    if (write(collector->wake_fd, &one, sizeof one) < 0)
        (void)0;
    if (pthread_equal(pthread_self(), collector->thread) != 0)
        return;
    (void)pthread_join(collector->thread, NULL);
    collector->running = false;
    take_down(collector);
}

void ns_collector_free(ns_collector *collector)
{
    if (collector == NULL)
        return;
    ns_collector_stop(collector);
    take_down(collector);
    ns_settings_free(collector->settings);
    ns_free(collector);
}

const char *ns_collector_version(void)
{
    return NS_VERSION;
}
