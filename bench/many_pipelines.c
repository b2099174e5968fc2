/*
 * The daemon watching 5,000 pipelines over HTTP: 5 % of them building, 1 % with 4 KiB of new log each tick, keyword
 * predictor. Prints CPU time per tick, resident memory, and whether every record of the last tick is fresh.
 *
 * This program is the Jenkins (paths, trees and the log protocol as Jenkins answers them; built in memory, so that its
 * own time stays small), and starts the real program against it. A round begins when the daemon asks for the list of
 * jobs; what the daemon has used of the processor until then is read from /proc.
 *
 * usage: many_pipelines PROGRAM [PIPELINES [TICKS [INTERVAL_S]]]
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "wire/http_server.h"

#include <event2/event.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    FOLDER_SIZE = 100,
    BUILD_TICKS = 40, /* a build takes so many rounds */
    LOG_PIECE = 4096,
    WARM_UP = 10, /* rounds that are not counted: the first look at everything */
    PAST_BUILDS = 6,
};

typedef struct usage {
    double cpu_s;
    double resident_mb;
} usage;

typedef struct jenkins {
    struct event_base *loop;
    ns_http_server *server;
    int pipelines, rounds, round;
    int64_t born_ms;
    ns_buf out; /* answers are put together here */
    char *line; /* LOG_PIECE bytes of log, over and over */
    uint64_t requests, log_bytes;
    pid_t daemon;
    usage *at; /* of the daemon when each round began */
    uint64_t *requests_at;
} jenkins;

/* ---- what is going on: pure functions of pipeline and round ---- */

/* Every 20th pipeline builds; whose turn it is moves on when the builds end. */
static int turn_of(const jenkins *j, int pipeline)
{
    return (pipeline + (j->round + pipeline * 7 % BUILD_TICKS) / BUILD_TICKS) % 20;
}

static bool is_building(const jenkins *j, int pipeline)
{
    return turn_of(j, pipeline) == 0;
}

/* Rounds since the build began that runs now. */
static int built_for(const jenkins *j, int pipeline)
{
    return (j->round + pipeline * 7 % BUILD_TICKS) % BUILD_TICKS;
}

static int64_t newest_build(const jenkins *j, int pipeline)
{
    int turns = (j->round + pipeline * 7 % BUILD_TICKS) / BUILD_TICKS;
    int64_t begun = 0; /* how often its turn came until now */
    for (int t = 0; t <= turns; t++)
        begun += (pipeline + t) % 20 == 0;
    return PAST_BUILDS + begun;
}

/* A fifth of the running builds print 4 KiB in each round: one per cent of the pipelines. */
static int64_t log_size(const jenkins *j, int pipeline, int64_t build)
{
    int rounds = build == newest_build(j, pipeline) && is_building(j, pipeline) ? built_for(j, pipeline) : BUILD_TICKS;
    return (int64_t)((rounds + pipeline % 5) / 5) * LOG_PIECE;
}

static const char *result_of(int pipeline, int64_t build)
{
    return (pipeline * 31 + build * 17) % 23 == 0 ? "FAILURE" : "SUCCESS";
}

/* ---- answers ---- */

static void put_build(jenkins *j, int pipeline, int64_t build)
{
    bool building = is_building(j, pipeline) && build == newest_build(j, pipeline);
    int64_t started = j->born_ms - (PAST_BUILDS + 1 - build) * 3600000 - pipeline;
    (void)ns_buf_printf(
        &j->out,
        "{\"_class\":\"org.jenkinsci.plugins.workflow.job.WorkflowRun\",\"number\":%lld,\"building\":%s,"
        "\"inProgress\":%s,\"result\":",
        (long long)build, building ? "true" : "false", building ? "true" : "false");
    if (building)
        (void)ns_buf_string(&j->out, "null");
    else
        (void)ns_buf_printf(&j->out, "\"%s\"", result_of(pipeline, build));
    (void)ns_buf_printf(&j->out, ",\"timestamp\":%lld,\"duration\":%d,\"estimatedDuration\":%d,\"queueId\":%lld",
                        (long long)started, building ? 0 : 180000 + pipeline, 171003,
                        (long long)(pipeline * 100 + build));
}

static void put_jobs(jenkins *j)
{
    (void)ns_buf_string(&j->out, "{\"_class\":\"hudson.model.Hudson\",\"jobs\":[");
    for (int p = 0; p < j->pipelines; p++) {
        if (p % FOLDER_SIZE == 0)
            (void)ns_buf_printf(
                &j->out,
                "%s{\"_class\":\"com.cloudbees.hudson.plugins.folder.Folder\",\"name\":\"team-%02d\",\"jobs\":[",
                p == 0 ? "" : "]},", p / FOLDER_SIZE);
        bool building = is_building(j, p);
        int64_t newest = newest_build(j, p);
        (void)ns_buf_printf(
            &j->out,
            "%s{\"_class\":\"org.jenkinsci.plugins.workflow.job.WorkflowJob\",\"name\":\"service-%04d\","
            "\"color\":\"blue%s\",\"buildable\":true,\"inQueue\":false,\"lastBuild\":",
            p % FOLDER_SIZE == 0 ? "" : ",", p, building ? "_anime" : "");
        put_build(j, p, newest);
        (void)ns_buf_string(&j->out, "},\"lastCompletedBuild\":");
        put_build(j, p, building ? newest - 1 : newest);
        (void)ns_buf_string(&j->out, "}}");
    }
    (void)ns_buf_string(&j->out, "]}]}");
}

static void put_details(jenkins *j, int pipeline, int64_t build)
{
    put_build(j, pipeline, build);
    (void)ns_buf_printf(&j->out,
                        ",\"actions\":[{\"causes\":[{\"_class\":\"hudson.triggers.SCMTrigger$SCMTriggerCause\","
                        "\"shortDescription\":\"Started by an SCM change\"}]},{},{\"lastBuiltRevision\":{\"SHA1\":"
                        "\"%040x\"}}],\"changeSets\":[{\"items\":[{\"commitId\":\"%040x\",\"affectedPaths\":"
                        "[\"src/Main.java\"]}]}]}",
                        (unsigned)(pipeline * 64 + (int)build), (unsigned)(pipeline * 64 + (int)build));
}

static void put_history(jenkins *j, int pipeline)
{
    int64_t newest = newest_build(j, pipeline);
    (void)ns_buf_string(&j->out, "{\"builds\":[");
    for (int64_t b = newest; b > newest - PAST_BUILDS; b--) {
        (void)ns_buf_string(&j->out, b == newest ? "" : ",");
        put_details(j, pipeline, b);
    }
    (void)ns_buf_string(&j->out, "]}");
}

static void answer_log(jenkins *j, ns_exchange *exchange, int pipeline, int64_t build, int64_t start)
{
    char size_text[32];
    int64_t size = log_size(j, pipeline, build);
    start = start > size ? 0 : start;
    for (int64_t at = start; at < size; at += LOG_PIECE - at % LOG_PIECE)
        (void)ns_buf_text(&j->out, (ns_text){j->line + at % LOG_PIECE, (size_t)(LOG_PIECE - at % LOG_PIECE)});
    j->log_bytes += (uint64_t)(size - start);
    (void)snprintf(size_text, sizeof size_text, "%lld", (long long)size);
    ns_exchange_set_header(exchange, "X-Text-Size", size_text);
    if (build == newest_build(j, pipeline) && is_building(j, pipeline))
        ns_exchange_set_header(exchange, "X-More-Data", "true");
    ns_exchange_answer(exchange, 200, "text/plain;charset=utf-8", ns_buf_view(&j->out));
}

/* ---- the daemon's use of the machine ---- */

static usage use_of(pid_t pid)
{
    char path[64], text[1024] = "";
    long user = 0, sys = 0, pages = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file != NULL && fgets(text, sizeof text, file) != NULL) {
        const char *after = strrchr(text, ')');
        if (after != NULL)
            (void)sscanf(after + 1,
                         " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld %*d %*d %*d %*d %*d %*d %*u %*u %ld",
                         &user, &sys, &pages);
    }
    if (file != NULL)
        (void)fclose(file);
    return (usage){(double)(user + sys) / (double)sysconf(_SC_CLK_TCK),
                   (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6};
}

static void begin_round(jenkins *j)
{
    j->round++;
    if (j->round <= j->rounds) {
        j->at[j->round] = use_of(j->daemon);
        j->requests_at[j->round] = j->requests;
        (void)fprintf(stderr, "\rround %d of %d, %.2f s CPU, %.0f MB ", j->round, j->rounds, j->at[j->round].cpu_s,
                      j->at[j->round].resident_mb);
    }
    if (j->round == j->rounds)
        (void)event_base_loopbreak(j->loop);
}

/* ---- requests ---- */

static void answer_json(jenkins *j, ns_exchange *exchange)
{
    ns_exchange_set_header(exchange, "X-Jenkins", "2.462.3");
    ns_exchange_set_header(exchange, "X-Jenkins-Session", "bench");
    ns_exchange_answer(exchange, 200, "application/json;charset=utf-8", ns_buf_view(&j->out));
}

static void answer_build(jenkins *j, ns_exchange *exchange, int pipeline, int64_t build, const char *rest)
{
    long long start = 0;
    if (strncmp(rest, "logText", 7) == 0) {
        ns_text query = ns_exchange_query(exchange);
        char text[64] = "";
        (void)ns_text_copy(text, sizeof text, query);
        (void)sscanf(text, "start=%lld", &start);
        answer_log(j, exchange, pipeline, build, start);
        return;
    }
    if (strncmp(rest, "wfapi", 5) == 0)
        (void)ns_buf_printf(&j->out, "{\"stages\":[{\"name\":\"Build\",\"status\":\"SUCCESS\"},{\"name\":\"Test\","
                                     "\"status\":\"IN_PROGRESS\"}]}");
    else
        put_details(j, pipeline, build);
    answer_json(j, exchange);
}

static void answer(void *owner, ns_exchange *exchange)
{
    jenkins *j = owner;
    char path[512] = "";
    int folder = 0, pipeline = 0, used = 0;
    long long build = 0;
    (void)ns_text_copy(path, sizeof path, ns_exchange_path(exchange));
    ns_buf_reset(&j->out);
    j->requests++;
    if (strcmp(path, "/api/json") == 0) {
        begin_round(j);
        put_jobs(j);
    } else if (strcmp(path, "/whoAmI/api/json") == 0) {
        (void)ns_buf_string(&j->out, "{\"name\":\"shield\",\"anonymous\":false}");
    } else if (strcmp(path, "/queue/api/json") == 0) {
        (void)ns_buf_string(&j->out, "{\"items\":[]}");
    } else if (strcmp(path, "/computer/api/json") == 0) {
        (void)ns_buf_string(&j->out, "{\"busyExecutors\":250,\"totalExecutors\":400,\"computer\":[]}");
    } else if (sscanf(path, "/job/team-%d/job/service-%d/%n", &folder, &pipeline, &used) == 2 && used > 0 &&
               pipeline >= 0 && pipeline < j->pipelines) {
        int more = 0;
        if (sscanf(path + used, "%lld/%n", &build, &more) == 1 && more > 0) {
            answer_build(j, exchange, pipeline, build, path + used + more);
            return;
        }
        put_history(j, pipeline);
    } else {
        ns_exchange_answer(exchange, 404, "text/html", NS_TEXT("<html>not found</html>"));
        return;
    }
    answer_json(j, exchange);
}

/* ---- the run ---- */

static pid_t start_daemon(const char *program, const char *url, const char *folder, const char *interval, int *out_fd)
{
    int fds[2];
    if (pipe(fds) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(fds[1], STDOUT_FILENO);
        (void)close(fds[0]);
        (void)chdir(folder);
        (void)setenv("JENKINS_URL", url, 1);
        (void)setenv("JENKINS_USERNAME", "shield", 1);
        (void)setenv("JENKINS_TOKEN", "bench", 1);
        (void)setenv("POLL_INTERVAL", interval, 1);
        (void)setenv("LOG_LEVEL", "WARNING", 1);
        (void)execl(program, program, "run", "--listen", "127.0.0.1:0", "--json", "--data", folder, (char *)NULL);
        _exit(127);
    }
    (void)close(fds[1]);
    *out_fd = fds[0];
    return pid;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void report(const jenkins *j, double real_s)
{
    int n = j->rounds - WARM_UP;
    double *cpu = NS_NEW_ARRAY(double, (size_t)n);
    for (int i = 0; i < n; i++)
        cpu[i] = j->at[WARM_UP + i + 1].cpu_s - j->at[WARM_UP + i].cpu_s;
    qsort(cpu, (size_t)n, sizeof *cpu, by_size);
    double all = j->at[j->rounds].cpu_s - j->at[WARM_UP].cpu_s;
    printf("\n%d pipelines, %d building, %d of them print 4 KiB per tick; %d ticks in %.0f s\n", j->pipelines,
           j->pipelines / 20, j->pipelines / 100, j->rounds, real_s);
    printf("CPU per tick: mean %.3f s, median %.2f s, p95 %.2f s, largest %.2f s; the first %d ticks took %.2f s\n",
           all / n, cpu[n / 2], cpu[n * 95 / 100], cpu[n - 1], WARM_UP, j->at[WARM_UP].cpu_s);
    printf("resident after %d ticks: %.0f MB\n", j->rounds, j->at[j->rounds].resident_mb);
    printf("requests per tick: %.1f; log text in all: %.1f MB\n",
           (double)(j->requests_at[j->rounds] - j->requests_at[WARM_UP]) / n, (double)j->log_bytes / 1e6);
    ns_free(cpu);
}

/* The last whole tick's records must be there, one per pipeline, none old. */
static int check_records(const char *folder, int pipelines)
{
    char command[1024];
    (void)snprintf(
        command, sizeof command,
        "sqlite3 -readonly '%s/neuroshield.db' \"SELECT 'records of the last whole tick: ' || count(*) || ', "
        "oldest answer ' || max(jenkins_age_ms) || ' ms, without one ' || sum(jenkins_age_ms IS NULL) FROM "
        "records WHERE at_ms = (SELECT at_ms FROM records GROUP BY at_ms HAVING count(*) = %d ORDER BY at_ms "
        "DESC LIMIT 1); SELECT 'ticks with fewer records than pipelines: ' || count(*) FROM (SELECT 1 FROM "
        "records GROUP BY at_ms HAVING count(*) < %d)\"",
        folder, pipelines, pipelines);
    (void)fflush(NULL);
    return system(command);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fputs("usage: many_pipelines PROGRAM [PIPELINES [TICKS [INTERVAL_S]]]\n", stderr);
        return 2;
    }
    char program[4096], folder[] = "/tmp/neuroshield-bench-XXXXXX", url[128], bound[96];
    jenkins j = {.pipelines = argc > 2 ? atoi(argv[2]) : 5000, .rounds = argc > 3 ? atoi(argv[3]) : 110};
    const char *interval = argc > 4 ? argv[4] : "1";
    ns_error err = {.text = ""};
    if (realpath(argv[1], program) == NULL || mkdtemp(folder) == NULL || j.pipelines < 100 || j.rounds <= WARM_UP + 1)
        return 2;
    j.born_ms = ns_real_now_ms();
    j.loop = event_base_new();
    j.at = NS_NEW_ARRAY(usage, (size_t)j.rounds + 1);
    j.requests_at = NS_NEW_ARRAY(uint64_t, (size_t)j.rounds + 1);
    j.line = NS_NEW_ARRAY(char, LOG_PIECE);
    ns_buf_init(&j.out, 64u << 20);
    for (int i = 0; i < LOG_PIECE; i++)
        j.line[i] = i % 64 == 63 ? '\n' : "[INFO] downloading from the repository, 42 of 117 done ... ok   "[i % 64];
    ns_http_server_options options = {.handler = answer, .owner = &j};
    if (ns_http_server_new(j.loop, &options, &j.server, &err) != NS_OK ||
        ns_http_server_listen(j.server, "127.0.0.1:0", bound, sizeof bound, &err) != NS_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)snprintf(url, sizeof url, "http://%s", bound);
    int daemon_out = -1;
    int64_t began_ns = ns_monotonic_ns();
    j.daemon = start_daemon(program, url, folder, interval, &daemon_out);
    (void)event_base_dispatch(j.loop);
    report(&j, (double)(ns_monotonic_ns() - began_ns) / 1e9);
    (void)kill(j.daemon, SIGTERM);
    int status = 0;
    (void)waitpid(j.daemon, &status, 0);
    int checked = check_records(folder, j.pipelines);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    (void)system(command);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 && checked == 0 ? 0 : 1;
}
