/* neuroshield world: the simulated Sock Shop, served as a Jenkins and a Prometheus. */
#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/options.h"
#include "lab/recorded_logs.h"
#include "wire/json.h"
#include "world/serve.h"

#include <event2/event.h>
#include <math.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_LISTEN "127.0.0.1:8480"

static const ns_option own_options[] = {
    {"listen", "A", NULL, "address to listen on, 127.0.0.1:8480 if not given; port 0 takes a free one"},
    {"scenario", "FILE", NULL, "scenario file, or the name of one that is built in: default (used if not given), demo"},
    {"speed", "N", NULL, "world seconds per real second, 1 if not given; 0: only POST /world/v1/advance moves it"},
    {"start", "TIME", NULL, "world time at the start (2026-11-23T22:40:00Z); the present time if not given"},
    {"write-config", "DIR", NULL, "write .env, kubeconfig and neuroshield.yaml that point here into this folder"},
    {"truth", NULL, NULL, "let /world/v1/truth tell causes and incidents"},
    {"jenkins-user", "NAME", NULL, "close Jenkins: only this user is let in"},
    {"jenkins-token", "TOKEN", NULL, "API token of that user"},
    {"jenkins-password", "WORD", NULL, "password of that user (needs a crumb for each POST)"},
    {"without-key", NULL, NULL, "jobs do not define NEUROSHIELD_KEY: retries are recognised by user and parameters"},
    {"kubernetes-token", "TOKEN", NULL, "close Kubernetes: only this bearer token is let in, with a small role"},
    {"startup", "S", NULL, "Jenkins answers 503 for so many real seconds at first"},
};

static const ns_usage usage = {
    .command = "world",
    .purpose = "Serves a simulated Sock Shop with its pipelines, faults and people: /jenkins/ speaks as Jenkins,\n"
               "/prometheus/ as Prometheus, /kubernetes/ as Kubernetes, /world/v1/ has the world's own levers. Same "
               "seed, scenario and start give\n"
               "the same world.",
    .options = own_options,
    .option_count = NS_COUNT_OF(own_options),
    .statuses = "3 when the scenario cannot be used. Ended by SIGTERM or SIGINT: 0.",
    .example = "neuroshield world --seed 7 --speed 60 --write-config try\ncd try && neuroshield collect --once",
};

static ns_status read_real(const ns_options *options, const char *name, double otherwise, double high, double *out,
                           ns_error *err)
{
    const char *text = ns_option_value(options, name);
    *out = otherwise;
    if (text == NULL)
        return NS_OK;
    if (!ns_text_double(ns_text_of(text), out) || !(*out >= 0.0 && *out <= high))
        return ns_fail(err, NS_BAD_USAGE, "--%s %.40s: a number from 0 to %g is wanted", name, text, high);
    return NS_OK;
}

static ns_status read_scenario(const ns_options *options, ns_scenario *out, ns_error *err)
{
    const char *name = ns_option_value(options, "scenario");
    if (name == NULL)
        return ns_scenario_builtin("default", out, err);
    if (strchr(name, '/') == NULL && strchr(name, '.') == NULL && ns_scenario_builtin(name, out, err) == NS_OK)
        return NS_OK;
    ns_status status = ns_scenario_load(name, out, err);
    return status == NS_OK ? NS_OK : ns_fail(err, NS_BAD_INPUT, "%.400s", err->text);
}

static ns_status read_options(const ns_options *options, ns_world_server_options *out, ns_error *err)
{
    const char *start = ns_option_value(options, "start");
    out->start_ms = -1;
    if (start != NULL && (!ns_time_parse(ns_text_of(start), &out->start_ms) || out->start_ms < 0))
        return ns_fail(err, NS_BAD_USAGE, "--start %.40s: a time like 2026-11-23T22:40:00Z is wanted", start);
    out->truth = ns_option_given(options, "truth");
    out->without_key = ns_option_given(options, "without-key");
    out->jenkins_user = ns_option_value(options, "jenkins-user");
    out->jenkins_token = ns_option_value(options, "jenkins-token");
    out->jenkins_password = ns_option_value(options, "jenkins-password");
    out->kubernetes_token = ns_option_value(options, "kubernetes-token");
    if (out->jenkins_user == NULL && (out->jenkins_token != NULL || out->jenkins_password != NULL))
        return ns_fail(err, NS_BAD_USAGE, "--jenkins-token and --jenkins-password need --jenkins-user");
    ns_status status = read_real(options, "speed", 1.0, NS_WORLD_SPEED_MAX, &out->speed, err);
    return status == NS_OK ? read_real(options, "startup", 0.0, 86400.0, &out->startup_s, err) : status;
}

/* An event loop that ends at SIGTERM and SIGINT. */
typedef struct stage {
    struct event_base *loop;
    struct event *signal[2];
    ns_world_server *server;
} stage;

static void on_signal(evutil_socket_t number, short what, void *owner)
{
    (void)number;
    (void)what;
    (void)event_base_loopbreak((struct event_base *)owner);
}

static ns_status stage_open(stage *s, const ns_world_server_options *options, ns_error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    s->loop = event_base_new();
    if (s->loop == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the event loop");
    for (size_t i = 0; i < NS_COUNT_OF(numbers); i++) {
        s->signal[i] = evsignal_new(s->loop, numbers[i], on_signal, s->loop);
        if (s->signal[i] == NULL || event_add(s->signal[i], NULL) != 0)
            return ns_fail(err, NS_NO_MEMORY, "no memory for the event loop");
    }
    return ns_world_server_new(s->loop, options, &s->server, err);
}

static void stage_close(stage *s)
{
    ns_world_server_free(s->server);
    for (size_t i = 0; i < NS_COUNT_OF(s->signal); i++) {
        if (s->signal[i] != NULL)
            event_free(s->signal[i]);
    }
    if (s->loop != NULL)
        event_base_free(s->loop);
}

static bool hello(const ns_options *options, const stage *s)
{
    const ns_world *world = ns_world_server_world(s->server);
    char start[NS_TIME_TEXT_MAX];
    ns_buf out;
    ns_buf_init(&out, 65536);
    (void)ns_time_text(ns_world_start_ms(world), start);
    if (options->json) {
        ns_json_writer w;
        ns_json_begin(&w, &out);
        ns_json_object(&w);
        ns_json_field_int(&w, "schema", 1);
        ns_json_field_string(&w, "event", "listening");
        ns_json_field_string(&w, "address", ns_world_server_address(s->server));
        ns_json_field_int(&w, "seed", (int64_t)ns_world_seed(world));
        ns_json_field_string(&w, "scenario", ns_world_scenario(world)->name);
        ns_json_field_real(&w, "speed", ns_world_server_clock(s->server).speed);
        ns_json_field_string(&w, "start", start);
        ns_json_end_object(&w);
        (void)ns_buf_char(&out, '\n');
    } else {
        (void)ns_buf_printf(&out,
                            "The world (scenario %s, seed %llu, start %s) listens on http://%s/\n"
                            "  Jenkins     http://%s/jenkins/\n  Prometheus  http://%s/prometheus/\n"
                            "  Kubernetes  http://%s/kubernetes/\n",
                            ns_world_scenario(world)->name, (unsigned long long)ns_world_seed(world), start,
                            ns_world_server_address(s->server), ns_world_server_address(s->server),
                            ns_world_server_address(s->server), ns_world_server_address(s->server));
    }
    bool written = !out.failed && ns_stdout_write(ns_buf_view(&out));
    ns_buf_clear(&out);
    return written;
}

/* An address that cannot be read is a wrong command line, not a bad input file. */
static ns_status listen_at(ns_world_server *server, const char *address, ns_error *err)
{
    ns_status status = ns_world_server_listen(server, address, err);
    return status == NS_BAD_INPUT ? ns_fail_in(err, NS_BAD_USAGE, "--listen") : status;
}

static ns_status serve(const ns_options *options, const ns_world_server_options *world, const ns_recorded_logs *logs,
                       ns_error *err)
{
    stage s = {0};
    const char *listen = ns_option_value(options, "listen");
    const char *folder = ns_option_value(options, "write-config");
    ns_status status = stage_open(&s, world, err);
    if (status == NS_OK && logs->count > 0)
        ns_world_print(ns_world_server_world(s.server), logs);
    if (status == NS_OK)
        status = listen_at(s.server, listen == NULL ? DEFAULT_LISTEN : listen, err);
    if (status == NS_OK && folder != NULL)
        status = ns_world_server_write_config(s.server, folder, err);
    if (status == NS_OK && !hello(options, &s))
        status = ns_fail(err, NS_IO, "stdout is closed");
    if (status == NS_OK)
        (void)event_base_dispatch(s.loop);
    stage_close(&s);
    return status;
}

int ns_cmd_world(int argc, char **argv)
{
    ns_options options;
    int exit_status = 0;
    ns_error err;
    ns_scenario scenario;
    ns_settings *settings = NULL;
    ns_world_server_options world = {.scenario = &scenario};
    ns_recorded_logs logs = {0};
    if (!ns_options_read(&usage, argc, argv, &options, &exit_status))
        return exit_status;
    if (!ns_options_settings(&options, &settings, &exit_status))
        return exit_status;
    ns_status status = sodium_init() < 0 ? ns_fail(&err, NS_IO, "the system gives no random numbers") : NS_OK;
    /* Below 2^53, so that every JSON reader reads the very seed that was used. */
    world.seed = settings->seed >= 0 ? (uint64_t)settings->seed : randombytes_random();
    if (status == NS_OK)
        status = read_options(&options, &world, &err);
    if (status == NS_OK)
        status = read_scenario(&options, &scenario, &err);
    if (status == NS_OK)
        status = ns_recorded_logs_choose(settings->world_logs, ns_log_split_name(scenario.observation.log_split), &logs,
                                         &err);
    if (status == NS_OK)
        status = serve(&options, &world, &logs, &err);
    ns_recorded_logs_close(&logs);
    ns_settings_free(settings);
    return status == NS_OK ? 0 : ns_options_fail(&options, &err);
}
