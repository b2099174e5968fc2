/*
 * Jenkins' JSON into our own data. Pure functions: JSON that came from outside in, plain structs out, no I/O.
 *
 * Unknown classes and fields are ignored. A field that is absent or of the wrong kind leaves what was known; nothing
 * is ever made up.
 */
#ifndef NS_TELEMETRY_JENKINS_READ_H
#define NS_TELEMETRY_JENKINS_READ_H

#include "flow/snapshot.h"
#include "wire/jenkins_facts.h"

/* Deepest nesting of folders that is asked for. */
#define NS_JENKINS_DEPTH_MAX 8

/* The query of the light poll of all jobs, encoded: "/api/json?tree=jobs%5B...". bare: only what no plug-in can break,
 * for a server that answers the full query with an error. */
void ns_jenkins_jobs_query(ns_buf *out, int depth, bool bare);
/* The query behind a build's or (history) a job's address, for everything known about one build or the newest six. */
void ns_jenkins_build_query(ns_buf *out);
void ns_jenkins_history_query(ns_buf *out);

/* One job of the light poll. Views live as long as the visit. */
typedef struct ns_jenkins_job {
    ns_text full_name; /* with a closing NUL behind */
    bool buildable;
    bool in_queue;
    bool never_built;             /* said so: lastBuild is null, not just left out */
    bool pipeline;                /* a Pipeline job, or a kind we cannot tell: may have stages */
    const json_t *last;           /* lastBuild; NULL: no build */
    const json_t *last_completed; /* NULL: none */
} ns_jenkins_job;

typedef void ns_jenkins_job_visit(void *owner, const ns_jenkins_job *job);

/* Visits every job in an answer to ns_jenkins_jobs_query, in one pass. Returns whether the answer was whole: a job or
 * folder whose name cannot be kept is passed over, and then the answer cannot tell which jobs are gone. NS_PROTOCOL:
 * there is no list of jobs. */
NS_MUST_USE ns_status ns_jenkins_read_jobs(const json_t *answer, ns_jenkins_job_visit *visit, void *owner, bool *whole);

/* Writes what the JSON says about a build into *build, whose number must be the JSON's. own_user: our own user ("":
 * unknown), to recognise builds that we asked for. */
void ns_jenkins_read_build(const json_t *json, const char *own_user, ns_build *build);

/* An answer of wfapi/describe. */
void ns_jenkins_read_stages(const json_t *json, ns_build *build);

/* Items waiting; NAN: not told. */
double ns_jenkins_read_queue(const json_t *json);

typedef struct ns_jenkins_agents {
    double busy, total, offline; /* NAN: not told */
} ns_jenkins_agents;

/* visit (NULL allowed): the agent on which a build runs. */
typedef void ns_jenkins_agent_visit(void *owner, const char *job, int64_t build, const char *agent);
void ns_jenkins_read_agents(const json_t *json, ns_jenkins_agents *out, ns_jenkins_agent_visit *visit, void *owner);

/* A manifest or lock file: what decides which dependencies a build gets. */
bool ns_jenkins_is_dependency_file(ns_text path);

#endif
