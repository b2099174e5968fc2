/*
 * All settings of the program: ONE table, and the struct that is filled from it.
 *
 * Precedence flags > environment > `.env` > YAML > defaults (base/config). The YAML file is `--config FILE`, else
 * $NEUROSHIELD_CONFIG, ./neuroshield.yaml, /etc/neuroshield/neuroshield.yaml; the `.env` is ./.env. Texts are owned by
 * the settings and live as long as they do; NULL (or "" where said) means not set.
 *
 * Member, kind, key, environment name, default, low, high, words, secret, help.
 */
#ifndef NS_DAEMON_SETTINGS_H
#define NS_DAEMON_SETTINGS_H

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "flow/action.h"
#include "flow/decision.h"
#include "flow/signal.h"

#define NS_SETTINGS_MODES  "observe|suggest|approve|auto"
#define NS_SETTINGS_LEVELS "DEBUG|INFO|WARNING|ERROR"
#define NS_SETTINGS_MONTH  2678400.0
#define NS_SETTINGS_BYTES  1125899906842624.0 /* 1 PiB */
#define NS_SETTINGS_TIME   4102444800000.0    /* the year 2100, in ms */

#define NS_SETTING_SOURCES_MAP(X)                                                                                      \
    X(jenkins_url, string, "jenkins.url", "JENKINS_URL", NULL, 0, 0, NULL, false,                                      \
      "Jenkins' address with its context path, without credentials")                                                   \
    X(jenkins_username, string, "jenkins.username", "JENKINS_USERNAME", NULL, 0, 0, NULL, false,                       \
      "user name for Jenkins")                                                                                         \
    X(jenkins_token, string, "jenkins.token", "JENKINS_TOKEN", NULL, 0, 0, NULL, true, "API token of that user")       \
    X(jenkins_password, string, "jenkins.password", "JENKINS_PASSWORD", NULL, 0, 0, NULL, true,                        \
      "password instead of a token (a crumb is fetched for each session)")                                             \
    X(jenkins_job, string, "jenkins.job", "JENKINS_JOB", NULL, 0, 0, NULL, false,                                      \
      "watch only this job (full name: folder/job); not set: all that can be seen")                                    \
    X(jenkins_jobs, list, "jenkins.jobs", "JENKINS_JOBS", NULL, 0, 0, NULL, false, "watch only these jobs")            \
    X(jenkins_include, list, "jenkins.include", NULL, NULL, 0, 0, NULL, false,                                         \
      "watch only jobs whose full name fits one of these shell patterns")                                              \
    X(jenkins_exclude, list, "jenkins.exclude", NULL, NULL, 0, 0, NULL, false,                                         \
      "never watch jobs whose full name fits one of these shell patterns")                                             \
    X(jenkins_folder_depth, integer, "jenkins.folder_depth", NULL, "4", 1, 8, NULL, false,                             \
      "levels of folders to look into")                                                                                \
    X(jenkins_settle_s, duration, "jenkins.settle", NULL, "30", 0, 3600, NULL, false,                                  \
      "how long a build that was asked for without an answer may still be under way")                                  \
    X(jenkins_ca_file, path, "jenkins.ca_file", "JENKINS_CA_FILE", NULL, 0, 0, NULL, false,                            \
      "certificates to trust for Jenkins; not set: the system's")                                                      \
    X(prometheus_url, string, "prometheus.url", "PROMETHEUS_URL", NULL, 0, 0, NULL, false,                             \
      "Prometheus' address, without credentials")                                                                      \
    X(prometheus_bearer_token, string, "prometheus.bearer_token", "PROMETHEUS_BEARER_TOKEN", NULL, 0, 0, NULL, true,   \
      "bearer token for Prometheus")                                                                                   \
    X(prometheus_username, string, "prometheus.username", "PROMETHEUS_USERNAME", NULL, 0, 0, NULL, false,              \
      "user name for Prometheus (HTTP Basic)")                                                                         \
    X(prometheus_password, string, "prometheus.password", "PROMETHEUS_PASSWORD", NULL, 0, 0, NULL, true,               \
      "password of that user")                                                                                         \
    X(prometheus_ca_file, path, "prometheus.ca_file", "PROMETHEUS_CA_FILE", NULL, 0, 0, NULL, false,                   \
      "certificates to trust for Prometheus; not set: the system's")                                                   \
    X(prometheus_namespace, string, "prometheus.namespace", "PROMETHEUS_NAMESPACE", NS_SIGNAL_NAMESPACE, 0, 0, NULL,   \
      false, "Kubernetes namespace: $namespace in the signals' queries")                                               \
    X(prometheus_window, string, "prometheus.window", NULL, NS_SIGNAL_WINDOW, 0, 0, NULL, false,                       \
      "rate window: $window in the signals' queries")                                                                  \
    X(prometheus_send_time, boolean, "prometheus.send_time", NULL, "true", 0, 0, NULL, false,                          \
      "ask for the tick's time instead of Prometheus' own now")                                                        \
    X(kubernetes_kubeconfig, path, "kubernetes.kubeconfig", "KUBECONFIG", NULL, 0, 0, NULL, false,                     \
      "kubeconfig file (or a list with ':', as kubectl reads it); not set: no cluster, unless in_cluster")             \
    X(kubernetes_context, string, "kubernetes.context", "KUBERNETES_CONTEXT", NULL, 0, 0, NULL, false,                 \
      "context of the kubeconfig; not set: its current-context")                                                       \
    X(kubernetes_namespace, string, "kubernetes.namespace", "KUBERNETES_NAMESPACE", NULL, 0, 0, NULL, false,           \
      "namespace of Deployments named without one; not set: the context's, else default")                              \
    X(kubernetes_in_cluster, boolean, "kubernetes.in_cluster", "KUBERNETES_IN_CLUSTER", "false", 0, 0, NULL, false,    \
      "use the service account of the pod that this program runs in")                                                  \
    X(kubernetes_exec, boolean, "kubernetes.exec", NULL, "false", 0, 0, NULL, false,                                   \
      "run the credential plug-in that the kubeconfig names (a program of its choice)")                                \
    X(kubernetes_requests_per_s, real, "kubernetes.requests_per_s", NULL, "5", 0.1, 10000, NULL, false,                \
      "requests to the cluster's API, on average; a burst may be twice that")                                          \
    X(kubernetes_max_replicas, integer, "kubernetes.max_replicas", NULL, "10", 1, 100000, NULL, false,                 \
      "scale_up never goes above; pipelines may have their own")                                                       \
    X(poll_interval_s, duration, "poll_interval", "POLL_INTERVAL", "10", 0.05, 86400, NULL, false,                     \
      "time between two ticks")

#define NS_SETTING_COLLECT_MAP(X)                                                                                      \
    X(collect_output, path, "collect.output", "TELEMETRY_OUTPUT", "telemetry.csv", 0, 0, NULL, false,                  \
      "CSV file that collect appends to")                                                                              \
    X(collect_fsync, boolean, "collect.fsync", NULL, "false", 0, 0, NULL, false, "sync each row to disk")              \
    X(collect_rotate_bytes, bytes, "collect.rotate_bytes", NULL, "0", 0, NS_SETTINGS_BYTES, NULL, false,               \
      "start a new CSV file above this size; 0: never")                                                                \
    X(collect_rotate_keep, integer, "collect.rotate_keep", NULL, "5", 1, 1000, NULL, false, "rotated CSV files to keep")

#define NS_SETTING_DAEMON_MAP(X)                                                                                       \
    X(data, path, "data", "NEUROSHIELD_DATA", NULL, 0, 0, NULL, false,                                                 \
      "data folder; not set: $XDG_STATE_HOME/neuroshield, else ~/.local/state/neuroshield")                            \
    X(log_level, word, "log_level", "LOG_LEVEL", "INFO", 0, 0, NS_SETTINGS_LEVELS, false,                              \
      "the least serious log lines to write")                                                                          \
    X(seed, integer, "seed", "NEUROSHIELD_SEED", NULL, 0, 9223372036854775807.0, NULL, false,                          \
      "seed of all chance; not set: one is drawn and printed")                                                         \
    X(listen, string, "listen", "NEUROSHIELD_LISTEN", "127.0.0.1:8470", 0, 0, NULL, false,                             \
      "address of the daemon's API; port 0 takes a free one")                                                          \
    X(mode, word, "mode", "NEUROSHIELD_MODE", "observe", 0, 0, NS_SETTINGS_MODES, false,                               \
      "the most that any action may do by itself; on the built-in world auto unless set")                              \
    X(api_token, string, "api.token", "NEUROSHIELD_API_TOKEN", NULL, 0, 0, NULL, true,                                 \
      "operator's token: needed to change anything through the API over TCP")                                          \
    X(world, boolean, "world.enabled", "NEUROSHIELD_WORLD", "false", 0, 0, NULL, false,                                \
      "run on the built-in world instead of real servers")                                                             \
    X(world_scenario, path, "world.scenario", NULL, NULL, 0, 0, NULL, false,                                           \
      "scenario file of the built-in world; not set: the demonstration")                                               \
    X(world_logs, string, "world.logs", "NEUROSHIELD_CORPUS", NULL, 0, 0, NULL, false,                                 \
      "folder of recorded logs that the world's builds print, or none: made-up text; not set: the installed corpus")   \
    X(world_speed, real, "world.speed", NULL, "60", 0.01, 100000, NULL, false,                                         \
      "seconds of the built-in world per real second")                                                                 \
    X(clock_speed, real, "clock.speed", NULL, "1", 0.01, 100000, NULL, false,                                          \
      "world seconds per real second, when the servers are a served world")                                            \
    X(clock_origin_real_ms, integer, "clock.origin_real_ms", NULL, NULL, 0, NS_SETTINGS_TIME, NULL, false,             \
      "the real time at which the served world's clock stood at clock.origin_world_ms")                                \
    X(clock_origin_world_ms, integer, "clock.origin_world_ms", NULL, NULL, 0, NS_SETTINGS_TIME, NULL, false,           \
      "the served world's time at clock.origin_real_ms")                                                               \
    X(store_retention_days, real, "store.retention_days", NULL, "30", 0.01, 36500, NULL, false,                        \
      "telemetry and logs older than this are deleted")                                                                \
    X(store_max_bytes, bytes, "store.max_bytes", NULL, "2GiB", 1048576, NS_SETTINGS_BYTES, NULL, false,                \
      "the oldest telemetry and logs go first above this size")                                                        \
    X(notify_webhook_url, string, "notify.webhook_url", "NEUROSHIELD_WEBHOOK_URL", NULL, 0, 0, NULL, true,             \
      "where an escalation is posted as JSON; not set: recorded only")                                                 \
    X(notify_bearer_token, string, "notify.bearer_token", "NEUROSHIELD_WEBHOOK_TOKEN", NULL, 0, 0, NULL, true,         \
      "bearer token sent with it")                                                                                     \
    X(predictor_model, path, "predictor.model", "NEUROSHIELD_MODEL", NULL, 0, 0, NULL, false,                          \
      "folder of the predictor's model; not set: the installed one; without it the keyword rule")                      \
    X(predictor_code_path, string, "predictor.code_path", NULL, NULL, 0, 0, NULL, false,                               \
      "how the model is computed (amx_bf16, avx2_fp32, ..., or keyword); not set: the quickest there is")              \
    X(policy, word, "policy", NULL, "runbook", 0, 0, "runbook|nothing", false, "who picks the remedy")                 \
    X(scorer_cpu_share, real, "scorer.cpu_share", NULL, "0.5", 0.01, 1, NULL, false,                                   \
      "the most of one processor that reading logs may take")

#define NS_SETTING_GUARDRAILS_MAP(X)                                                                                   \
    X(stale_after_s, duration, "guardrails.stale_after", NULL, "120", 1, 86400, NULL, false,                           \
      "no action by itself when a source that it depends on is older than this")                                       \
    X(min_cause_probability, real, "guardrails.min_cause_probability", NULL, "0", 0, 1, NULL, false,                   \
      "an action asks when the believed cause is less likely than this; 0: never for that")                            \
    X(max_per_hour, integer, "guardrails.max_per_hour", NULL, "120", 0, 100000, NULL, false,                           \
      "actions per hour, over all pipelines and kinds")                                                                \
    X(max_per_pipeline_hour, integer, "guardrails.max_per_pipeline_hour", NULL, "20", 0, 100000, NULL, false,          \
      "actions per hour on one pipeline")                                                                              \
    X(max_attempts, integer, "guardrails.max_attempts", NULL, "6", 1, 20, NULL, false, "actions tried in one case")    \
    X(oscillation_cases, integer, "guardrails.oscillation_cases", NULL, "8", 1, 1000, NULL, false,                     \
      "so many incidents acted upon on one pipeline within the window, then it stops there")                           \
    X(oscillation_window_s, duration, "guardrails.oscillation_window", NULL, "1h", 1, NS_SETTINGS_MONTH, NULL, false,  \
      "that window")                                                                                                   \
    X(breaker_after, integer, "guardrails.breaker_after", NULL, "40", 1, 1000, NULL, false,                            \
      "after so many actions in a row that did not help, nothing acts by itself")                                      \
    X(pipeline_breaker_after, integer, "guardrails.pipeline_breaker_after", NULL, "10", 1, 1000, NULL, false,          \
      "the same on one pipeline")                                                                                      \
    X(breaker_open_s, duration, "guardrails.breaker_open", NULL, "30m", 1, NS_SETTINGS_MONTH, NULL, false,             \
      "how long that lasts")                                                                                           \
    X(approval_wait_s, duration, "guardrails.approval_wait", NULL, "30m", 1, NS_SETTINGS_MONTH, NULL, false,           \
      "a question to a person that is not answered counts as no after this")                                           \
    X(verify_wait_s, duration, "guardrails.verify_wait", NULL, "1h", 1, NS_SETTINGS_MONTH, NULL, false,                \
      "whether an action helped is inconclusive after this")

#define NS_SETTING_MAP(X)                                                                                              \
    NS_SETTING_SOURCES_MAP(X)                                                                                          \
    NS_SETTING_COLLECT_MAP(X) NS_SETTING_DAEMON_MAP(X) NS_SETTING_GUARDRAILS_MAP(X)

/* A list of texts. */
typedef struct ns_names {
    const char **at;
    size_t count;
} ns_names;

/* What each kind is in C. Not set: NULL; -1 for integers and bytes; NAN for reals and durations (seconds). A word is
 * its place among its words. */
#define NS_SETTING_C_string   const char *
#define NS_SETTING_C_path     const char *
#define NS_SETTING_C_word     int
#define NS_SETTING_C_integer  int64_t
#define NS_SETTING_C_real     double
#define NS_SETTING_C_duration double
#define NS_SETTING_C_bytes    int64_t
#define NS_SETTING_C_boolean  bool
#define NS_SETTING_C_list     ns_names

/* actions.NAME.mode, .allowed, .max_per_hour, .cool_down */
typedef struct ns_action_setting {
    bool mode_set; /* somebody wrote a mode for this very action */
    ns_mode mode;  /* only when mode_set */
    bool allowed;
    int64_t max_per_hour; /* -1 not set */
    double cool_down_s;   /* on one pipeline; NAN not set: the guardrail's own */
} ns_action_setting;

/* A row of `pipelines:`. */
typedef struct ns_pipeline_setting {
    const char *name; /* never NULL: the job's name where none is given */
    const char *jenkins_job;
    const char *deployment; /* NAME or NAMESPACE/NAME; NULL not given */
    int64_t max_replicas;   /* scale_up's cap for it; -1 not given */
} ns_pipeline_setting;

typedef struct ns_settings {
#define NS_SETTING_MEMBER(member, kind, key, env, otherwise, low, high, words, secret, help) NS_SETTING_C_##kind member;
    NS_SETTING_MAP(NS_SETTING_MEMBER)
#undef NS_SETTING_MEMBER
    ns_action_setting action[NS_ACTION_COUNT];
    const char *signal[NS_SIGNAL_COUNT]; /* signals.NAME: PromQL, $namespace and $window still in it; "": not asked */
    ns_pipeline_setting *pipelines;
    size_t pipeline_count;
    char data_folder[4096]; /* the data folder after all rules; not made yet */
    char config_file[4096]; /* the YAML file read; "" none */
    char env_file[4096];    /* the .env file read; "" none */
    ns_config *config;      /* origins, for `config show`; see ns_setting_key */
} ns_settings;

/* A value given on the command line. */
typedef struct ns_setting_flag {
    const char *key;  /* "jenkins.url" */
    const char *flag; /* "jenkins-url" */
    const char *value;
} ns_setting_flag;

typedef struct ns_settings_sources {
    const char *config_file;  /* --config; NULL: the rules above. A named file must exist. */
    const char *env_file;     /* NULL: "./.env" where it exists; "": none */
    char *const *environment; /* NULL: the process's */
    const ns_setting_flag *flags;
    size_t flag_count;
} ns_settings_sources;

/* NS_BAD_USAGE with file and line, NS_NO_MEMORY. */
NS_MUST_USE ns_status ns_settings_load(const ns_settings_sources *sources, ns_settings **out, ns_error *err);
void ns_settings_free(ns_settings *settings);

/* The table, for `config show`: count and row i. */
size_t ns_setting_count(void);
const ns_key *ns_setting_key(size_t i);

/* The query of a signal with namespace and window filled in, appended to out; nothing is appended when it is off. */
NS_MUST_USE ns_status ns_settings_query(const ns_settings *settings, ns_signal signal, ns_buf *out);

/* True when somebody set this key (its value does not come from the defaults). */
bool ns_settings_is_set(const ns_settings *settings, const char *key);

/* The mode for everything: `mode` where it is set; else auto on the built-in world and observe on real servers. */
ns_mode ns_settings_mode(const ns_settings *settings, bool on_world);

/*
 * What an action may do by itself: the smaller of `mode` and the action's own mode. On real servers auto needs the
 * action's own line in the configuration: without it the action asks (approve). no_op and escalate need no such line.
 */
ns_mode ns_settings_action_mode(const ns_settings *settings, ns_action action, bool on_world);

/* scale_up never takes this job's Deployment above: its row of `pipelines`, else kubernetes.max_replicas. */
int64_t ns_settings_max_replicas(const ns_settings *settings, const char *jenkins_job);

/* The world clock that the settings describe: real time, or the served world's (clock.*). */
ns_clock ns_settings_clock(const ns_settings *settings);

/* Real time for settle_s of world time in which a request without an answer may be under way; 0: none. A served world
 * runs quicker, but its network does not: never less than a second there. */
int64_t ns_settings_settle_ms(const ns_settings *settings, double settle_s);

/*
 * What the sources are built with; texts are borrowed from the settings. jenkins.job alone, or jenkins.jobs, or all.
 * client, redactor and what the settings do not know are left zero.
 */
struct ns_jenkins_source_options;
struct ns_prometheus_source_options;
void ns_settings_jenkins(const ns_settings *settings, struct ns_jenkins_source_options *out);
void ns_settings_prometheus(const ns_settings *settings, struct ns_prometheus_source_options *out);

/* Makes the data folder (0700) with its parents. NS_IO. */
NS_MUST_USE ns_status ns_settings_make_data_folder(const ns_settings *settings, ns_error *err);

/* data_folder/name into out[4096]; NS_BAD_USAGE when too long. */
NS_MUST_USE ns_status ns_settings_data_path(const ns_settings *settings, const char *name, char out[4096],
                                            ns_error *err);

#endif
