/* neuroshield collect: telemetry into a CSV file. */
#include "cli/command.h"
#include "cli/options.h"
#include "daemon/collector.h"
#include "telemetry/csv_rows.h"
#include "wire/json.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES ((size_t)65536)

static const ns_option own_options[] = {
    {"once", NULL, NULL, "write one tick's rows and stop"},
    {"jenkins-url", "URL", "jenkins.url", NULL},
    {"jenkins-job", "JOB", "jenkins.job", NULL},
    {"jenkins-username", "NAME", "jenkins.username", NULL},
    {"prometheus-url", "URL", "prometheus.url", NULL},
    {"interval", "S", "poll_interval", NULL},
    {"output", "FILE", "collect.output", "CSV file to append to; - is standard output"},
};

static const ns_usage usage = {
    .command = "collect",
    .purpose = "Asks Jenkins and Prometheus every interval and appends one CSV row per tick and job. What cannot be\n"
               "told stays empty; it is never written as 0. At least one of the two must be configured.\n"
               "The token comes from JENKINS_TOKEN, JENKINS_TOKEN_FILE, ./.env or the YAML file, never from a flag.\n"
               "--json prints each record as one line of JSON on standard output.",
    .options = own_options,
    .option_count = NS_COUNT_OF(own_options),
    .statuses = "With --once: 1 when one of the eight first columns is empty (the row is written all the same).\n"
                "0 when ended by SIGINT or SIGTERM.",
    .example = "neuroshield collect --once --jenkins-url http://127.0.0.1:8080 --jenkins-job shop/front-end \\\n"
               "      --prometheus-url http://127.0.0.1:9090 --output telemetry.csv",
};

typedef struct collecting {
    const ns_options *options;
    struct event_base *loop;
    ns_gatherer *gatherer;
    bool once;
    bool stdout_gone;
    int exit_status;
} collecting;

static void put_record(ns_buf *out, const ns_record *record)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_time(&w, "timestamp", record->at_ms);
    ns_json_field_string_or_null(&w, "jenkins_last_build_status",
                                 record->last_result == NS_BUILD_unknown ? NULL
                                                                         : ns_build_result_name(record->last_result));
    for (size_t i = 0; i < NS_RECORD_FIELDS; i++)
        ns_json_field_real(&w, ns_record_facts_of((ns_record_field)i)->column, record->value[i]);
    ns_json_field_string_or_null(&w, "jenkins_job", record->jenkins_job);
    ns_json_field_int_or_null(&w, "jenkins_build_number", record->last_number > 0 ? record->last_number : -1);
    ns_json_field_int_or_null(&w, "jenkins_age_ms", record->age_ms[NS_FROM_jenkins]);
    ns_json_field_int_or_null(&w, "prometheus_age_ms", record->age_ms[NS_FROM_prometheus]);
    ns_json_field_int_or_null(&w, "kubernetes_age_ms", record->age_ms[NS_FROM_kubernetes]);
    ns_json_end_object(&w);
    (void)ns_buf_char(out, '\n');
}

static void print_records(collecting *c, const ns_record *records, size_t count)
{
    for (size_t i = 0; i < count && !c->stdout_gone; i++) {
        ns_buf line;
        ns_buf_init(&line, LINE_MAX_BYTES);
        put_record(&line, &records[i]);
        c->stdout_gone = line.failed || !ns_stdout_write(ns_buf_view(&line));
        ns_buf_clear(&line);
    }
    if (c->stdout_gone) {
        (void)fputs("neuroshield collect: stdout cannot be written\n", stderr);
        c->exit_status = 1;
        (void)event_base_loopbreak(c->loop);
    }
}

static void say_missing(collecting *c, const ns_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *column = ns_csv_seed_missing(&records[i]);
        if (column == NULL)
            continue;
        c->exit_status = 1;
        if (!c->options->quiet)
            (void)fprintf(stderr, "neuroshield collect: %s is missing%s%s\n", column,
                          records[i].jenkins_job[0] == '\0' ? "" : " for ", records[i].jenkins_job);
    }
}

static void on_tick(void *owner, const ns_record *records, size_t count, ns_status written)
{
    collecting *c = owner;
    if (c->options->json)
        print_records(c, records, count);
    if (!c->once)
        return;
    if (written != NS_OK)
        c->exit_status = 1;
    say_missing(c, records, count);
    (void)event_base_loopbreak(c->loop);
}

static void on_signal(evutil_socket_t number, short what, void *owner)
{
    (void)number;
    (void)what;
    (void)event_base_loopbreak(owner);
}

static ns_status run_loop(collecting *c, const ns_settings *settings, ns_error *err)
{
    const ns_gather_options gather = {
        .settings = settings, .output = settings->collect_output, .on_tick = on_tick, .owner = c};
    if (c->options->json && settings->collect_output != NULL && strcmp(settings->collect_output, "-") == 0)
        return ns_fail(err, NS_BAD_USAGE, "--json and --output - both write to standard output");
    ns_status status = ns_gatherer_new(c->loop, &gather, &c->gatherer, err);
    if (status != NS_OK)
        return status;
    struct event *interrupt = evsignal_new(c->loop, SIGINT, on_signal, c->loop);
    struct event *terminate = evsignal_new(c->loop, SIGTERM, on_signal, c->loop);
    if (interrupt == NULL || terminate == NULL || event_add(interrupt, NULL) != 0 || event_add(terminate, NULL) != 0)
        status = ns_fail(err, NS_NO_MEMORY, "no memory for the signals");
    else
        (void)event_base_dispatch(c->loop);
    if (interrupt != NULL)
        event_free(interrupt);
    if (terminate != NULL)
        event_free(terminate);
    ns_gatherer_free(c->gatherer);
    return status;
}

int ns_cmd_collect(int argc, char **argv)
{
    ns_options options;
    ns_settings *settings = NULL;
    int exit_status;
    if (!ns_options_read(&usage, argc, argv, &options, &exit_status) ||
        !ns_options_settings(&options, &settings, &exit_status))
        return exit_status;
    collecting c = {.options = &options, .loop = event_base_new(), .once = ns_option_given(&options, "once")};
    ns_error err;
    ns_status status =
        c.loop == NULL ? ns_fail(&err, NS_NO_MEMORY, "no memory for the event loop") : run_loop(&c, settings, &err);
    exit_status = status == NS_OK ? c.exit_status : ns_options_fail(&options, &err);
    if (c.loop != NULL)
        event_base_free(c.loop);
    ns_settings_free(settings);
    return exit_status;
}
