/* neuroshield status: asks the running daemon over its Unix socket and shows the answer. */
#include "base/clock.h"
#include "cli/command.h"
#include "cli/options.h"
#include "wire/http_client.h"
#include "wire/json.h"

#include <event2/event.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX      ((size_t)16 << 20)
#define ANSWER_WAIT_MS  5000L
#define WATCH_PAUSE_S   2
#define SOCKET_PATH_MAX 107 /* of sockaddr_un, without its NUL */

static const ns_option own_options[] = {
    {"watch", NULL, NULL, "ask again every 2 seconds until interrupted; with --json one line each"},
};

static const ns_usage usage = {
    .command = "status",
    .purpose = "What the running daemon sees and does: mode, kill switch, sources, pipelines, open cases.\n"
               "It is asked over neuroshield.sock in the data folder.",
    .options = own_options,
    .option_count = NS_COUNT_OF(own_options),
    .statuses = "1 when no daemon answers.",
    .example = "neuroshield status --watch",
};

/* --- asking ----------------------------------------------------------------------------------------------------- */

typedef struct question {
    struct event_base *loop;
    ns_status status;
    ns_error err;
    ns_buf body;
} question;

static void answered(void *owner, const ns_http_answer *answer)
{
    question *q = owner;
    q->status = answer->status;
    q->err = answer->error;
    if (answer->status == NS_OK && answer->code != 200)
        q->status = ns_fail(&q->err, NS_PROTOCOL, "the daemon answered HTTP %d", answer->code);
    else if (answer->status == NS_OK && ns_buf_text(&q->body, answer->body) != NS_OK)
        q->status = ns_fail(&q->err, NS_NO_MEMORY, "no memory for the answer");
    (void)event_base_loopbreak(q->loop);
}

static ns_status ask_over(struct event_base *loop, const char *socket, ns_buf *body, ns_error *err)
{
    const ns_http_client_options to = {
        .name = "daemon", .base_url = "http://neuroshield", .unix_socket = socket, .total_timeout_ms = ANSWER_WAIT_MS};
    ns_http_client *client = NULL;
    ns_status status = ns_http_client_new(loop, &to, &client, err);
    if (status != NS_OK)
        return status;
    question q = {.loop = loop, .status = NS_CANCELLED};
    ns_buf_init(&q.body, ANSWER_MAX);
    const ns_http_request request = {
        .path = "/api/v1/status", .body_ceiling = ANSWER_MAX, .done = answered, .owner = &q};
    status = ns_http_start(client, &request, NULL, err);
    if (status == NS_OK) {
        (void)event_base_dispatch(loop);
        status = q.status;
        if (status != NS_OK && err != NULL)
            *err = q.err;
    }
    ns_http_client_free(client);
    if (status == NS_OK)
        *body = q.body;
    else
        ns_buf_clear(&q.body);
    return status;
}

/* Fills *body (the caller clears it). Whatever keeps the daemon from answering is told with the way out. */
static ns_status ask(const ns_settings *settings, ns_buf *body, ns_error *err)
{
    char socket[4096];
    ns_status status = ns_settings_data_path(settings, "neuroshield.sock", socket, err);
    if (status != NS_OK)
        return status;
    if (strlen(socket) > SOCKET_PATH_MAX)
        return ns_fail(err, NS_BAD_USAGE,
                       "%.300s: longer than a socket's name may be (%d bytes); choose another --data", socket,
                       SOCKET_PATH_MAX);
    if (access(socket, F_OK) != 0)
        return ns_fail(err, NS_UNREACHABLE, "no daemon runs on %.300s; start one with: neuroshield run --data %.100s",
                       settings->data_folder, settings->data_folder);
    struct event_base *loop = event_base_new();
    if (loop == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the event loop");
    ns_error inner;
    status = ask_over(loop, socket, body, &inner);
    event_base_free(loop);
    if (status == NS_UNREACHABLE)
        return ns_fail(err, status, "no daemon answers on %.300s; start one with: neuroshield run --data %.100s",
                       socket, settings->data_folder);
    return status == NS_OK ? NS_OK : ns_fail(err, status, "%.400s", inner.text);
}

/* --- showing ---------------------------------------------------------------------------------------------------- */

/* Text from the daemon came from outside in part: nothing in it may steer the terminal. */
static void put_plain(ns_buf *out, const char *text, int width)
{
    int column = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        (void)ns_buf_char(out, *c < 0x20 || *c == 0x7f ? ' ' : (char)*c);
        column += (*c & 0xc0) != 0x80;
    }
    for (; column < width; column++)
        (void)ns_buf_char(out, ' ');
}

static void put_age(ns_buf *out, double age_s)
{
    if (isnan(age_s))
        (void)ns_buf_string(out, "never seen");
    else if (age_s < 120)
        (void)ns_buf_printf(out, "%.0f s ago", age_s);
    else
        (void)ns_buf_printf(out, "%.0f min ago", age_s / 60);
}

static void show_sources(const json_t *answer, ns_buf *out)
{
    size_t i;
    json_t *source;
    (void)ns_buf_string(out, "\nSOURCE      STATE           SEEN\n");
    json_array_foreach(ns_json_at(answer, "sources"), i, source)
    {
        const char *error = ns_json_string(source, "error", "");
        put_plain(out, ns_json_string(source, "name", "?"), 12);
        put_plain(out, ns_json_string(source, "state", "?"), 16);
        put_age(out, ns_json_real(source, "age_s", NAN));
        if (error[0] != '\0') {
            (void)ns_buf_string(out, "  ");
            put_plain(out, error, 0);
        }
        (void)ns_buf_char(out, '\n');
    }
}

/* "2/3 ready", and what is wrong with pods: the worst first. */
static void put_pods(ns_buf *out, const json_t *cluster)
{
    static const struct {
        const char *key, *word;
    } troubles[] = {{"pods_crash_looping", "crash loop"},
                    {"pods_image_failing", "no image"},
                    {"pods_oom_killed", "out of memory"},
                    {"pods_unschedulable", "unschedulable"}};
    char text[64] = "-";
    int64_t wanted = ns_json_int(cluster, "replicas_wanted", -1), ready = ns_json_int(cluster, "replicas_ready", -1);
    const char *trouble = "";
    for (size_t i = NS_COUNT_OF(troubles); i-- > 0;)
        if (ns_json_int(cluster, troubles[i].key, 0) > 0)
            trouble = troubles[i].word;
    if (json_is_object(cluster) && !ns_json_bool(cluster, "exists", false))
        (void)snprintf(text, sizeof text, "missing");
    else if (wanted >= 0 && ready >= 0)
        (void)snprintf(text, sizeof text, "%lld/%lld %s", (long long)ready, (long long)wanted, trouble);
    put_plain(out, text, 20);
}

static void put_count(ns_buf *out, const json_t *cluster, const char *key, int width)
{
    char text[32];
    int64_t n = ns_json_int(cluster, key, -1);
    (void)snprintf(text, sizeof text, "%lld", (long long)n);
    put_plain(out, n < 0 ? "-" : text, width);
}

/* "  case 12: rollback: the new version is bad ...", below the pipeline's line. */
static void put_remark(ns_buf *out, const char *name, const char *text, const char *more)
{
    if (text[0] == '\0')
        return;
    (void)ns_buf_printf(out, "    %s: ", name);
    put_plain(out, text, 0);
    if (more[0] != '\0') {
        (void)ns_buf_string(out, " (");
        put_plain(out, more, 0);
        (void)ns_buf_char(out, ')');
    }
    (void)ns_buf_char(out, '\n');
}

static void put_remarks(ns_buf *out, const json_t *pipeline)
{
    const json_t *cluster = ns_json_at(pipeline, "cluster"), *denied = ns_json_at(cluster, "not_permitted"), *action;
    const json_t *symptom = ns_json_at(cluster, "symptom");
    char actions[128] = "";
    size_t i, used = 0;
    if (ns_json_bool(symptom, "bad", false))
        put_remark(out, "symptom", ns_json_string(symptom, "why", ""), ns_json_string(symptom, "cause", ""));
    put_remark(out, "case", ns_json_string(pipeline, "case_reason", ""), "");
    json_array_foreach(ns_json_at(denied, "actions"), i, action)
    {
        int n = snprintf(actions + used, sizeof actions - used, "%s%.40s", i > 0 ? ", " : "",
                         json_is_string(action) ? json_string_value(action) : "?");
        used += n > 0 && (size_t)n < sizeof actions - used ? (size_t)n : 0;
    }
    put_remark(out, "not permitted", actions, ns_json_string(denied, "missing", ""));
}

static void show_pipeline(const json_t *pipeline, ns_buf *out)
{
    const json_t *build = ns_json_at(pipeline, "build");
    const double risk = ns_json_real(build, "failure_probability", NAN);
    const int64_t open_case = ns_json_int(pipeline, "case", 0);
    char text[32];
    put_plain(out, ns_json_string(pipeline, "name", "?"), 32);
    (void)snprintf(text, sizeof text, "%lld", (long long)ns_json_int(build, "number", 0));
    put_plain(out, json_is_object(build) ? text : "-", 8);
    put_plain(out, ns_json_string(build, "result", ns_json_string(build, "state", "-")), 12);
    (void)snprintf(text, sizeof text, "%.0f %%", 100 * risk);
    put_plain(out, isnan(risk) ? "-" : text, 8);
    const json_t *cluster = ns_json_at(pipeline, "cluster");
    put_pods(out, cluster);
    put_count(out, cluster, "restarts", 10);
    put_count(out, cluster, "revision", 5);
    const double lead_s = ns_json_real(build, "lead_s", NAN);
    const bool alarmed = ns_json_string(build, "alarmed_at", NULL) != NULL;
    (void)snprintf(text, sizeof text, "%.0f s", lead_s);
    put_plain(out, !isnan(lead_s) ? text : alarmed ? "alarm" : "-", 8);
    if (open_case > 0)
        (void)ns_buf_printf(out, "case %lld", (long long)open_case);
    (void)ns_buf_char(out, '\n');
    put_remarks(out, pipeline);
}

static void show_early_warning(const json_t *early, ns_buf *out)
{
    const double lead_s = ns_json_real(early, "lead_s", NAN);
    (void)ns_buf_printf(out, "failing builds found before their end: %lld of %lld",
                        (long long)ns_json_int(early, "found", 0), (long long)ns_json_int(early, "failed", 0));
    if (!isnan(lead_s))
        (void)ns_buf_printf(out, ", half of them %.0f s or more before", lead_s);
    (void)ns_buf_printf(out, "; false alarms: %lld\n", (long long)ns_json_int(early, "false_alarms", 0));
}

/* Only when there is something to tell. */
static void show_drift(const json_t *drift, ns_buf *out)
{
    size_t i;
    json_t *one;
    json_array_foreach(ns_json_at(drift, "signals"), i, one)
    {
        if (!ns_json_bool(one, "on", false))
            continue;
        (void)ns_buf_string(out, "PREDICTOR DRIFTS: ");
        put_plain(out, ns_json_string(one, "name", "?"), 0);
        (void)ns_buf_printf(out, " %.2f (at most %.2f); it only advises\n", ns_json_real(one, "value", NAN),
                            ns_json_real(one, "ends_at", NAN));
    }
    json_array_foreach(ns_json_at(drift, "jobs"), i, one)
    {
        (void)ns_buf_string(out, "PREDICTOR DRIFTS on ");
        put_plain(out, ns_json_string(one, "jenkins_job", "?"), 0);
        (void)ns_buf_printf(out, ": alarms for %.0f %% of green builds; it only advises there\n",
                            100.0 * ns_json_real(one, "alarm_rate", NAN));
    }
}

static void show(const json_t *answer, ns_buf *out)
{
    const json_t *kill = ns_json_at(answer, "kill_switch");
    const json_t *cases = ns_json_at(answer, "cases");
    (void)ns_buf_string(out, "NeuroShield ");
    put_plain(out, ns_json_string(answer, "version", "?"), 0);
    (void)ns_buf_printf(out, ", up %.0f s, mode ", ns_json_real(answer, "uptime_s", 0));
    put_plain(out, ns_json_string(answer, "mode", "?"), 0);
    (void)ns_buf_string(out, ", acting: ");
    put_plain(out, ns_json_string(answer, "acting", "?"), 0);
    if (ns_json_bool(kill, "on", false)) {
        (void)ns_buf_string(out, "\nKILL SWITCH ON by ");
        put_plain(out, ns_json_string(kill, "by", "?"), 0);
    }
    (void)ns_buf_printf(out, "\ncases: %lld open, %lld waiting for a person\n",
                        (long long)ns_json_int(cases, "open", 0), (long long)ns_json_int(cases, "waiting", 0));
    show_early_warning(ns_json_at(answer, "early_warning"), out);
    show_drift(ns_json_at(answer, "drift"), out);
    show_sources(answer, out);
    size_t i;
    json_t *pipeline;
    (void)ns_buf_string(out, "\nPIPELINE                        BUILD   RESULT      RISK    PODS                "
                             "RESTARTS  REV  LEAD    CASE\n");
    json_array_foreach(ns_json_at(answer, "pipelines"), i, pipeline)
    {
        show_pipeline(pipeline, out);
    }
}

/* Checks the daemon's answer, then prints it as it is or as a table. */
static ns_status print_answer(const ns_options *options, bool clear_screen, const ns_buf *body, ns_error *err)
{
    json_t *answer = NULL;
    ns_status status = ns_json_read(ns_buf_view(body), &answer, err);
    if (status != NS_OK)
        return ns_fail(err, NS_PROTOCOL, "the daemon's answer is not JSON");
    ns_buf out;
    ns_buf_init(&out, ANSWER_MAX * 2);
    if (options->json) {
        (void)ns_buf_text(&out, ns_text_trim(ns_buf_view(body)));
        (void)ns_buf_char(&out, '\n');
    } else {
        if (clear_screen)
            (void)ns_buf_string(&out, "\033[H\033[2J");
        show(answer, &out);
    }
    json_decref(answer);
    if (out.failed)
        status = ns_fail(err, NS_NO_MEMORY, "no memory for the answer");
    else if (!ns_stdout_write(ns_buf_view(&out)))
        status = ns_fail(err, NS_IO, "stdout cannot be written");
    ns_buf_clear(&out);
    return status;
}

static ns_status ask_and_print(const ns_options *options, const ns_settings *settings, bool watch, ns_error *err)
{
    ns_buf body;
    ns_status status = ask(settings, &body, err);
    if (status != NS_OK)
        return status;
    status = print_answer(options, watch && isatty(STDOUT_FILENO) == 1, &body, err);
    ns_buf_clear(&body);
    return status;
}

int ns_cmd_status(int argc, char **argv)
{
    ns_options options;
    ns_settings *settings = NULL;
    int exit_status;
    if (!ns_options_read(&usage, argc, argv, &options, &exit_status) ||
        !ns_options_settings(&options, &settings, &exit_status))
        return exit_status;
    const bool watch = ns_option_given(&options, "watch");
    ns_error err;
    ns_status status = ask_and_print(&options, settings, watch, &err);
    while (watch && status == NS_OK) {
        (void)sleep(WATCH_PAUSE_S);
        status = ask_and_print(&options, settings, watch, &err);
    }
    if (status != NS_OK)
        exit_status = ns_options_fail(&options, &err);
    ns_settings_free(settings);
    return exit_status;
}
