/* Arbitrary bytes as every JSON answer of Jenkins that the source reads. */
#include "base/mem.h"
#include "telemetry/jenkins_read.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void see_job(void *owner, const ns_jenkins_job *job)
{
    int *seen = owner;
    ns_build build = ns_build_unknown(1);
    NS_CHECK(job->full_name.len == strlen(job->full_name.at) && job->full_name.len < NS_JOB_MAX);
    ns_jenkins_read_build(job->last, "neuroshield", &build);
    ns_jenkins_read_build(job->last_completed, "", &build);
    NS_CHECK(build.duration_ms >= -1 && build.started_ms >= -1 && (!build.running || build.duration_ms == -1));
    ++*seen;
}

static void see_agent(void *owner, const char *job, int64_t build, const char *agent)
{
    int *seen = owner;
    NS_CHECK(build > 0 && strlen(job) < NS_JOB_MAX && agent[0] != '\0');
    ++*seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t before = ns_mem_live();
    json_t *json = NULL;
    int seen = 0;
    bool whole;
    if (ns_json_read_lenient((ns_text){(const char *)data, size}, &json, NULL) != NS_OK)
        return 0;
    ns_build build = ns_build_unknown(1);
    ns_jenkins_agents agents;
    (void)!ns_jenkins_read_jobs(json, see_job, &seen, &whole);
    const json_t *builds = ns_json_at(json, "builds");
    for (size_t i = 0; i < json_array_size(builds); i++)
        ns_jenkins_read_build(json_array_get(builds, i), "neuroshield", &build);
    ns_jenkins_read_build(json, "neuroshield", &build);
    ns_jenkins_read_stages(json, &build);
    NS_CHECK(build.stages >= build.stages_bad && build.parameters >= -1 && build.changes >= -1);
    (void)ns_jenkins_read_queue(json);
    ns_jenkins_read_agents(json, &agents, see_agent, &seen);
    json_decref(json);
    NS_CHECK(ns_mem_live() == before);
    return 0;
}
