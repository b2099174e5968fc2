/*
 * Why a build or a release fails: one closed list for the predictor's head, the world's faults, the statistics and the
 * labels of the recorded logs (corpus/README.md says what counts as what).
 */
#ifndef NS_FLOW_CAUSE_H
#define NS_FLOW_CAUSE_H

#include "base/status.h"
#include "base/text.h"

/* name (JSON, scenario files), what it means */
#define NS_CAUSE_MAP(X)                                                                                                \
    X(none, "nothing is wrong")                                                                                        \
    X(compile_error, "the code does not compile; only a person can mend it")                                           \
    X(test_failure, "a test fails every time; only a person can mend it")                                              \
    X(flaky_test, "a test fails now and then on the same code")                                                        \
    X(dependency, "versions of dependencies contradict each other")                                                    \
    X(registry_outage, "a package or image registry, or the network to it, is down")                                   \
    X(out_of_memory, "a process or pod was killed for memory")                                                         \
    X(disk_full, "no space is left on a disk")                                                                         \
    X(timeout, "a step hangs or runs into its time limit")                                                             \
    X(agent_lost, "the build agent went away or is broken")                                                            \
    X(config, "configuration or credentials are wrong")                                                                \
    X(bad_release, "a new version crash-loops or answers with errors")                                                 \
    X(overload, "a service gets more traffic than it can bear")

typedef enum ns_cause {
#define NS_CAUSE_ENUM(name, meaning) NS_CAUSE_##name,
    NS_CAUSE_MAP(NS_CAUSE_ENUM)
#undef NS_CAUSE_ENUM
        NS_CAUSE_COUNT
} ns_cause;

/* "registry_outage"; static. "unknown" for a value outside the list. */
const char *ns_cause_name(ns_cause cause);
const char *ns_cause_meaning(ns_cause cause);
NS_MUST_USE bool ns_cause_parse(ns_text name, ns_cause *out);

#endif
