/*
 * One build of one job, as far as it is known.
 */
#ifndef NS_FLOW_BUILD_H
#define NS_FLOW_BUILD_H

#include "base/status.h"
#include "base/text.h"
#include "flow/names.h"

#include <stdbool.h>
#include <stdint.h>

/* Jenkins' results, best to worst; `unknown` is our word for "no verdict yet" (JSON null). */
#define NS_BUILD_RESULT_MAP(X) X(unknown) X(SUCCESS) X(UNSTABLE) X(FAILURE) X(NOT_BUILT) X(ABORTED)

typedef enum ns_build_result {
#define NS_BUILD_RESULT_ENUM(name) NS_BUILD_##name,
    NS_BUILD_RESULT_MAP(NS_BUILD_RESULT_ENUM)
#undef NS_BUILD_RESULT_ENUM
} ns_build_result;

/* What started it. `neuroshield` = a build that we asked for (recognised by NEUROSHIELD_KEY or by our user). */
#define NS_BUILD_TRIGGER_MAP(X) X(unknown) X(user) X(upstream) X(timer) X(scm) X(remote) X(replay) X(neuroshield)

typedef enum ns_build_trigger {
#define NS_BUILD_TRIGGER_ENUM(name) NS_TRIGGER_##name,
    NS_BUILD_TRIGGER_MAP(NS_BUILD_TRIGGER_ENUM)
#undef NS_BUILD_TRIGGER_ENUM
} ns_build_trigger;

typedef struct ns_build {
    int64_t number; /* 1.. ; 0: there is no such build */
    bool running;   /* not really finished yet: Jenkins' building or inProgress, or no result */
    ns_build_result result;
    int64_t started_ms;   /* -1: unknown */
    int64_t duration_ms;  /* of a finished build; -1: unknown or still running */
    int64_t estimated_ms; /* Jenkins' estimate; -1: unknown */
    int64_t queue_id;     /* -1: unknown */
    int64_t seen_ms;      /* when the source last read this build */
    ns_build_trigger trigger;
    char triggered_by[NS_NAME_MAX];  /* user id or upstream job; "" unknown */
    char key[NS_KEY_MAX];            /* value of the parameter NEUROSHIELD_KEY; "" none */
    char agent[NS_NAME_MAX];         /* "" unknown */
    char commit[48];                 /* "" unknown */
    int32_t parameters;              /* how many; -1 unknown */
    int32_t changes;                 /* commits in its change sets; -1 unknown */
    int8_t dependency_files_changed; /* 1 a lock file or manifest is among the changes, 0 not, -1 unknown */
    int8_t aborted_by_person;        /* 1 a person stopped it, 0 not, -1 unknown: never retried when 1 */
    int32_t tests_total;             /* -1 unknown; likewise below */
    int32_t tests_failed;
    int32_t tests_skipped;
    int32_t stages;          /* stages seen so far */
    int32_t stages_bad;      /* of them FAILED or UNSTABLE */
    char stage[NS_NAME_MAX]; /* the newest stage; "" unknown */
    int64_t log_bytes;       /* of the raw log read so far; 0 none yet */
} ns_build;

/* Everything unknown. */
ns_build ns_build_unknown(int64_t number);

const char *ns_build_result_name(ns_build_result result); /* "SUCCESS", "unknown" */
NS_MUST_USE bool ns_build_result_parse(ns_text name, ns_build_result *out);
const char *ns_build_trigger_name(ns_build_trigger trigger);
NS_MUST_USE bool ns_build_trigger_parse(ns_text name, ns_build_trigger *out);

/* FAILURE or UNSTABLE: something that a remedy may be sought for. NOT_BUILT and ABORTED are nobody's failure. */
bool ns_build_failed(const ns_build *build);

#endif
