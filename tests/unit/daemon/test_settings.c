/* The settings: defaults, what each member is filled with, the modes of actions, and running out of memory. */
#include "check.h"

#include "daemon/settings.h"
#include "telemetry/jenkins_source.h"
#include "telemetry/prometheus_source.h"

#include <sys/stat.h>
#include <unistd.h>

static char *const no_environment[] = {NULL};

static ns_settings *load(char *const *environment, const ns_setting_flag *flags, size_t count)
{
    const ns_settings_sources sources = {
        .config_file = "", .env_file = "", .environment = environment, .flags = flags, .flag_count = count};
    ns_settings *settings = NULL;
    ns_error err = {0};
    if (ns_settings_load(&sources, &settings, &err) != NS_OK)
        fail_msg("%s", err.text);
    return settings;
}

static ns_settings *load_yaml(const char *text)
{
    char path[] = "/tmp/ns_settings_XXXXXX";
    const int fd = mkstemp(path);
    CHECK(fd >= 0);
    (void)close(fd);
    CHECK_OK(ns_file_replace(path, ns_text_of(text), 0600, NULL));
    const ns_settings_sources sources = {.config_file = path, .env_file = "", .environment = no_environment};
    ns_settings *settings = NULL;
    ns_error err = {0};
    const ns_status status = ns_settings_load(&sources, &settings, &err);
    (void)unlink(path);
    if (status != NS_OK)
        fail_msg("%s", err.text);
    return settings;
}

static void nothing_given(void **state)
{
    (void)state;
    ns_settings *s = load(no_environment, NULL, 0);
    CHECK(s->jenkins_url == NULL && s->jenkins_token == NULL && s->prometheus_url == NULL);
    CHECK_NEAR(10, s->poll_interval_s, 0);
    CHECK_STRING("telemetry.csv", s->collect_output);
    CHECK_INT(NS_LOG_INFO, s->log_level);
    CHECK_INT(-1, s->seed);
    CHECK_INT(NS_MODE_observe, s->mode);
    CHECK(!s->world && s->jenkins_jobs.count == 0 && s->pipeline_count == 0);
    CHECK_INT((int64_t)2 << 30, s->store_max_bytes);
    CHECK_STRING("/var/lib/neuroshield", s->data_folder);
    for (size_t a = 0; a < NS_ACTION_COUNT; a++)
        CHECK(!s->action[a].mode_set && s->action[a].allowed && isnan(s->action[a].cool_down_s));
    for (size_t i = 0; i < NS_SIGNAL_COUNT; i++)
        CHECK_STRING(ns_signal_facts_of((ns_signal)i)->promql, s->signal[i]);
    CHECK(!ns_settings_is_set(s, "mode"));
    CHECK_NEAR(1, ns_settings_clock(s).speed, 0);
    ns_settings_free(s);
}

static void members_come_from_their_keys(void **state)
{
    (void)state;
    ns_settings *s = load_yaml("log_level: ERROR\nseed: 42\nworld: {enabled: true, speed: 5}\n"
                               "jenkins: {url: http://j, jobs: [a, b/c, d]}\n"
                               "prometheus: {url: http://p, send_time: false, namespace: prod}\n"
                               "signals: {pod_count: '', cpu_usage: 'x{n=\"$namespace\"}'}\n"
                               "actions: {retry_build: {mode: auto, allowed: no, max_per_hour: 4, cool_down: 2m}}\n"
                               "clock: {speed: 60, origin_real_ms: 1000, origin_world_ms: 5000}\n"
                               "pipelines: [{jenkins_job: a}, {jenkins_job: b/c, name: B, deployment: bee}]\n");
    CHECK_INT(NS_LOG_ERROR, s->log_level);
    CHECK_INT(42, s->seed);
    CHECK(s->world);
    CHECK_INT(3, s->jenkins_jobs.count);
    CHECK_STRING("a", s->jenkins_jobs.at[0]);
    CHECK_STRING("d", s->jenkins_jobs.at[2]);
    const ns_action_setting *retry = &s->action[NS_ACTION_retry_build];
    CHECK(retry->mode_set && retry->mode == NS_MODE_auto && !retry->allowed);
    CHECK_INT(4, retry->max_per_hour);
    CHECK_NEAR(120, retry->cool_down_s, 0);
    CHECK(!s->action[NS_ACTION_escalate].mode_set);
    CHECK_STRING("", s->signal[NS_SIGNAL_pod_count]);
    ns_buf query;
    ns_buf_init(&query, 1000);
    CHECK_OK(ns_settings_query(s, NS_SIGNAL_cpu_usage, &query));
    CHECK_TEXT("x{n=\"prod\"}", ns_buf_view(&query));
    ns_buf_clear(&query);
    CHECK_STRING("a", s->pipelines[0].name);
    CHECK(s->pipelines[0].deployment == NULL);
    CHECK_STRING("bee", s->pipelines[1].deployment);
    const ns_clock clock = ns_settings_clock(s);
    CHECK_INT(1000, clock.origin_real_ms);
    CHECK_INT(5000, clock.origin_world_ms);
    CHECK_NEAR(60, clock.speed, 0);
    ns_jenkins_source_options jenkins;
    ns_settings_jenkins(s, &jenkins);
    CHECK_STRING("http://j", jenkins.connection.base_url);
    CHECK_INT(3, jenkins.job_count);
    ns_prometheus_source_options prometheus;
    ns_settings_prometheus(s, &prometheus);
    CHECK(prometheus.without_time);
    CHECK_STRING("prod", prometheus.name_space);
    CHECK_STRING("", prometheus.promql[NS_SIGNAL_pod_count]);
    ns_settings_free(s);
}

static void what_an_action_may_do(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        ns_action action;
        ns_mode real, world;
    } of[] = {
        {"", NS_ACTION_retry_build, NS_MODE_observe, NS_MODE_auto},
        {"mode: observe\n", NS_ACTION_retry_build, NS_MODE_observe, NS_MODE_observe},
        /* A flag alone is not enough on real servers. */
        {"mode: auto\n", NS_ACTION_retry_build, NS_MODE_approve, NS_MODE_auto},
        {"mode: auto\n", NS_ACTION_escalate, NS_MODE_auto, NS_MODE_auto},
        {"mode: auto\nactions: {retry_build: {mode: auto}}\n", NS_ACTION_retry_build, NS_MODE_auto, NS_MODE_auto},
        {"mode: auto\nactions: {retry_build: {mode: auto}}\n", NS_ACTION_rollback, NS_MODE_approve, NS_MODE_auto},
        {"mode: auto\nactions: {retry_build: {mode: suggest}}\n", NS_ACTION_retry_build, NS_MODE_suggest,
         NS_MODE_suggest},
        /* The common mode is the ceiling. */
        {"mode: suggest\nactions: {retry_build: {mode: auto}}\n", NS_ACTION_retry_build, NS_MODE_suggest,
         NS_MODE_suggest},
    };
    for (size_t i = 0; i < NS_COUNT_OF(of); i++) {
        ns_settings *s = load_yaml(of[i].yaml);
        CHECK_STRING(ns_mode_name(of[i].real), ns_mode_name(ns_settings_action_mode(s, of[i].action, false)));
        CHECK_STRING(ns_mode_name(of[i].world), ns_mode_name(ns_settings_action_mode(s, of[i].action, true)));
        ns_settings_free(s);
    }
}

static void the_job_alone_wins_over_the_list(void **state)
{
    (void)state;
    char *const environment[] = {(char *)"JENKINS_JOBS=a, b", (char *)"JENKINS_JOB=c", NULL};
    ns_settings *s = load(environment, NULL, 0);
    ns_jenkins_source_options jenkins;
    ns_settings_jenkins(s, &jenkins);
    CHECK_INT(1, jenkins.job_count);
    CHECK_STRING("c", jenkins.jobs[0]);
    ns_settings_free(s);
}

static void rules_over_several_settings(void **state)
{
    (void)state;
    static const ns_setting_flag of[][3] = {
        {{"jenkins.token", "t", "x"}, {"seed", "s", "1"}, {"seed", "s", "1"}},
        {{"jenkins.url", "u", "http://a:b@c"}, {"seed", "s", "1"}, {"seed", "s", "1"}},
        {{"prometheus.url", "u", "nonsense"}, {"seed", "s", "1"}, {"seed", "s", "1"}},
        {{"jenkins.username", "n", "u"}, {"jenkins.token", "t", "x"}, {"jenkins.password", "p", "y"}},
        {{"prometheus.username", "n", "u"}, {"prometheus.password", "p", "y"}, {"prometheus.bearer_token", "b", "z"}},
        {{"clock.origin_real_ms", "c", "1"}, {"seed", "s", "1"}, {"seed", "s", "1"}},
    };
    for (size_t i = 0; i < NS_COUNT_OF(of); i++) {
        const ns_settings_sources sources = {
            .config_file = "", .env_file = "", .environment = no_environment, .flags = of[i], .flag_count = 3};
        ns_settings *settings = NULL;
        CHECK_STATUS(NS_BAD_USAGE, ns_settings_load(&sources, &settings, NULL));
        CHECK(settings == NULL);
    }
}

static void the_data_folder_is_made_for_its_owner_only(void **state)
{
    (void)state;
    char folder[] = "/tmp/ns_data_XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    char deep[64], path[4096];
    (void)snprintf(deep, sizeof deep, "%s/a/b", folder);
    const ns_setting_flag flag = {"data", "data", deep};
    ns_settings *s = load(no_environment, &flag, 1);
    CHECK_OK(ns_settings_make_data_folder(s, NULL));
    CHECK_OK(ns_settings_make_data_folder(s, NULL));
    struct stat about;
    CHECK(stat(deep, &about) == 0 && (about.st_mode & 0777) == 0700);
    CHECK_OK(ns_settings_data_path(s, "STOP", path, NULL));
    CHECK(strncmp(path, deep, strlen(deep)) == 0 && strcmp(path + strlen(deep), "/STOP") == 0);
    ns_settings_free(s);
    (void)rmdir(deep);
    *strrchr(deep, '/') = '\0';
    (void)rmdir(deep);
    CHECK_OK(ns_file_replace(deep, NS_TEXT(""), 0600, NULL)); /* a file where the folder should be */
    const ns_setting_flag file = {"data", "data", deep};
    s = load(no_environment, &file, 1);
    CHECK_STATUS(NS_IO, ns_settings_make_data_folder(s, NULL));
    ns_settings_free(s);
    (void)unlink(deep);
    (void)rmdir(folder);
}

static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    const size_t before = ns_mem_live();
    char *const environment[] = {(char *)"JENKINS_JOBS=a,b", (char *)"JENKINS_URL=http://j", NULL};
    const ns_settings_sources sources = {.config_file = "", .env_file = "", .environment = environment};
    bool done = false;
    for (long n = 0; !done; n++) {
        CHECK(n < 1000);
        ns_settings *settings = NULL;
        ns_mem_fail_after(n);
        const ns_status status = ns_settings_load(&sources, &settings, NULL);
        ns_mem_fail_after(-1);
        done = status == NS_OK;
        if (!done)
            CHECK_STATUS(NS_NO_MEMORY, status);
        ns_settings_free(settings);
        CHECK_INT(before, ns_mem_live());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_given),
        cmocka_unit_test(members_come_from_their_keys),
        cmocka_unit_test(what_an_action_may_do),
        cmocka_unit_test(the_job_alone_wins_over_the_list),
        cmocka_unit_test(rules_over_several_settings),
        cmocka_unit_test(the_data_folder_is_made_for_its_owner_only),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
