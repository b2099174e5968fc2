/* The `tree=` queries: what is asked for is what jenkins_read understands, and nothing more. */
#include "telemetry/jenkins_read.h"

#include "wire/url.h"

/* Some proxies refuse raw brackets and braces. */
static void put_encoded(ns_buf *out, const char *tree)
{
    (void)ns_url_encode(out, ns_text_of(tree));
}

static void put_level(ns_buf *out, int depth, bool bare)
{
    put_encoded(out, "jobs[name,color,buildable,inQueue,lastBuild[number,building,result,timestamp,duration");
    if (!bare)
        put_encoded(out, ",inProgress,estimatedDuration,queueId");
    put_encoded(out, "]");
    if (!bare)
        put_encoded(out, ",lastCompletedBuild[number,building,inProgress,result,timestamp,duration,estimatedDuration,"
                         "queueId]");
    if (depth > 1) {
        put_encoded(out, ",");
        put_level(out, depth - 1, bare);
    }
    put_encoded(out, "]");
}

void ns_jenkins_jobs_query(ns_buf *out, int depth, bool bare)
{
    NS_CHECK(depth >= 1 && depth <= NS_JENKINS_DEPTH_MAX);
    (void)ns_buf_string(out, "/api/json?tree=");
    put_level(out, depth, bare);
}

/* 100 commits of a build are enough to count them and to look for lock files. */
static const char fields[] =
    "number,building,inProgress,result,timestamp,duration,estimatedDuration,queueId,builtOn,"
    "actions[causes[shortDescription,userId,upstreamProject,upstreamBuild],parameters[name,value],"
    "failCount,skipCount,totalCount,lastBuiltRevision[SHA1]],"
    "changeSet[items[commitId,affectedPaths]{0,100}],changeSets[items[commitId,affectedPaths]{0,100}]";

void ns_jenkins_build_query(ns_buf *out)
{
    (void)ns_buf_string(out, "/api/json?tree=");
    put_encoded(out, fields);
}

void ns_jenkins_history_query(ns_buf *out)
{
    (void)ns_buf_string(out, "/api/json?tree=");
    put_encoded(out, "builds[");
    put_encoded(out, fields);
    put_encoded(out, "]{0,6}");
}
