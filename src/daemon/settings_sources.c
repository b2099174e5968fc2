/* What the settings say to the sources of telemetry. */
#include "daemon/settings.h"
#include "telemetry/jenkins_source.h"
#include "telemetry/prometheus_source.h"

void ns_settings_jenkins(const ns_settings *settings, ns_jenkins_source_options *out)
{
    *out = (ns_jenkins_source_options){
        .connection = {.base_url = settings->jenkins_url,
                       .username = settings->jenkins_username,
                       .token = settings->jenkins_token,
                       .password = settings->jenkins_password,
                       .ca_file = settings->jenkins_ca_file},
        .jobs = settings->jenkins_jobs.at,
        .job_count = settings->jenkins_jobs.count,
        .include = settings->jenkins_include.at,
        .include_count = settings->jenkins_include.count,
        .exclude = settings->jenkins_exclude.at,
        .exclude_count = settings->jenkins_exclude.count,
        .depth = (int)settings->jenkins_folder_depth,
    };
    if (settings->jenkins_job != NULL) {
        out->jobs = &settings->jenkins_job;
        out->job_count = 1;
    }
}

void ns_settings_prometheus(const ns_settings *settings, ns_prometheus_source_options *out)
{
    ptrdiff_t token = ns_config_index(settings->config, "prometheus.bearer_token");
    *out = (ns_prometheus_source_options){
        .server = {.url = settings->prometheus_url,
                   .username = settings->prometheus_username,
                   .password = settings->prometheus_password,
                   .bearer_token = settings->prometheus_bearer_token,
                   .token_file = token < 0 ? NULL : ns_config_secret_file(settings->config, (size_t)token),
                   .ca_file = settings->prometheus_ca_file},
        .name_space = settings->prometheus_namespace,
        .window = settings->prometheus_window,
        .without_time = !settings->prometheus_send_time,
    };
    for (size_t i = 0; i < NS_SIGNAL_COUNT; i++)
        out->promql[i] = settings->signal[i];
}
