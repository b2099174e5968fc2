/*
 * What a retry of a Jenkins build has to know, read from Jenkins' JSON. Pure functions behind jenkins_actions; nobody
 * else includes this.
 */
#ifndef NS_ORCHESTRATION_JENKINS_RETRY_H
#define NS_ORCHESTRATION_JENKINS_RETRY_H

#include "flow/hands.h"
#include "wire/jenkins_facts.h"

typedef struct retry_job {
    bool buildable;
    bool parameterized;
    bool takes_key;     /* defines NEUROSHIELD_KEY */
    bool waiting;       /* a build of it is in the queue */
    int64_t last_build; /* 0 none */
    int64_t last_queue; /* highest queue id seen; -1 none */
} retry_job;

typedef struct retry_baseline {
    char user[NS_NAME_MAX]; /* "" nobody: builds of ours cannot be told by their user */
    int64_t last_build;
    int64_t last_queue;
    bool takes_key;
} retry_baseline;

/* What to ask for, behind the job's or build's address (queue: behind the base). */
#define RETRY_JOB_QUERY                                                                                                \
    "/api/json?tree=buildable%2Ccolor%2CinQueue%2ClastBuild%5Bnumber%2CqueueId%5D%2Cproperty"                          \
    "%5BparameterDefinitions%5Bname%2Ctype%5D%5D"
#define RETRY_BUILD_QUERY                                                                                              \
    "/api/json?tree=number%2Cbuilding%2CinProgress%2Cresult%2Cactions%5Bcauses%5BshortDescription%2CuserId%5D"         \
    "%2Cparameters%5Bname%2Cvalue%5D%5D"
#define RETRY_QUEUE_QUERY                                                                                              \
    "/queue/api/json?tree=items%5Bid%2Ctask%5Bname%2Curl%5D%2Cactions%5Bcauses%5BuserId%5D%2Cparameters"               \
    "%5Bname%2Cvalue%5D%5D%5D"
#define RETRY_BUILDS_QUERY                                                                                             \
    "/api/json?tree=builds%5Bnumber%2CqueueId%2Cactions%5Bcauses%5BuserId%5D%2Cparameters%5Bname%2Cvalue%5D%5D%5D"     \
    "%7B0%2C50%7D"
enum { RETRY_BUILDS_ASKED = 50 };

void retry_read_job(const json_t *json, retry_job *out);

/* NS_OK: this build may be repeated. NS_REFUSED: why not, in err. */
NS_MUST_USE ns_status retry_check_build(const json_t *build, int64_t number, ns_error *err);

/* The form body that repeats it. NS_REFUSED: a parameter cannot be read back; NS_TOO_LARGE. key NULL: none. */
NS_MUST_USE ns_status retry_form(const json_t *build, const char *key, ns_buf *out, ns_error *err);

NS_MUST_USE ns_status retry_write_baseline(const retry_baseline *baseline, char *out, size_t size, ns_error *err);
NS_MUST_USE ns_status retry_read_baseline(const char *text, retry_baseline *out, ns_error *err);

/* Searches for what was sent. Fills sent, build, queue_id, error of *answer. failed_build: NULL when it could not be
 * read: then only the key tells. */
void retry_find(const ns_effect *effect, const retry_baseline *baseline, const json_t *failed_build,
                const json_t *queue, const json_t *builds, ns_effect_answer *answer);

#endif
