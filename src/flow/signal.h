/*
 * The named signals: what NeuroShield asks Prometheus, each with a default PromQL that configuration can change.
 *
 * A signal of scope `global` is one number for the whole namespace. One of scope `deployment` is a vector, told apart
 * by its label `deployment`, and joins the pipeline that deploys this Deployment. In a query $namespace and $window
 * stand for the configured namespace and rate window. Empty, NaN and infinite answers mean missing, never 0.
 * The queries follow the metric names of cAdvisor, kube-state-metrics, node_exporter and the Jenkins Prometheus
 * plug-in.
 */
#ifndef NS_FLOW_SIGNAL_H
#define NS_FLOW_SIGNAL_H

#include "base/status.h"
#include "base/text.h"

/* A pod's name without ReplicaSet hash and pod suffix is its Deployment's name. */
#define NS_PROMQL_DEPLOYMENT(expression)                                                                               \
    "label_replace(" expression ", \"deployment\", \"$1\", \"pod\", \"(.+)-[a-z0-9]+-[a-z0-9]+\")"
#define NS_PROMQL_CONTAINERS  "namespace=\"$namespace\",container!=\"\",container!=\"POD\""
#define NS_PROMQL_NODE_CPU    "100 * (1 - avg(rate(node_cpu_seconds_total{mode=\"idle\"}[$window])))"
#define NS_PROMQL_NODE_MEMORY "100 * (1 - sum(node_memory_MemAvailable_bytes) / sum(node_memory_MemTotal_bytes))"

/* name, scope, unit, PromQL, meaning. The first four are the seed's columns, in the CSV's order. */
#define NS_SIGNAL_MAP(X)                                                                                               \
    X(cpu_usage, global, "percent",                                                                                    \
      "(100 * sum(rate(container_cpu_usage_seconds_total{" NS_PROMQL_CONTAINERS "}[$window])) / "                      \
      "sum(kube_pod_container_resource_limits{namespace=\"$namespace\",resource=\"cpu\"})) or "                        \
      "(" NS_PROMQL_NODE_CPU ")",                                                                                      \
      "CPU used, of the namespace's limits; where those are unknown, of the nodes")                                    \
    X(memory_usage, global, "percent",                                                                                 \
      "(100 * sum(container_memory_working_set_bytes{" NS_PROMQL_CONTAINERS "}) / "                                    \
      "sum(kube_pod_container_resource_limits{namespace=\"$namespace\",resource=\"memory\"})) or "                     \
      "(" NS_PROMQL_NODE_MEMORY ")",                                                                                   \
      "memory in use, of the namespace's limits; where those are unknown, of the nodes")                               \
    X(pod_count, global, "pods", "sum(kube_pod_status_phase{namespace=\"$namespace\",phase=\"Running\"})",             \
      "running pods")                                                                                                  \
    X(error_rate, global, "percent",                                                                                   \
      "100 * (sum(rate(request_duration_seconds_count{status_code=~\"5..\"}[$window])) or vector(0)) / "               \
      "(sum(rate(request_duration_seconds_count[$window])) > 0)",                                                      \
      "share of requests answered 5xx")                                                                                \
    X(node_cpu, global, "percent", NS_PROMQL_NODE_CPU, "CPU used, of all nodes")                                       \
    X(node_memory, global, "percent", NS_PROMQL_NODE_MEMORY, "memory in use, of all nodes")                            \
    X(node_disk, global, "percent",                                                                                    \
      "100 * max(1 - node_filesystem_avail_bytes{fstype!~\"tmpfs|overlay|squashfs|ramfs\"} / "                         \
      "node_filesystem_size_bytes{fstype!~\"tmpfs|overlay|squashfs|ramfs\"})",                                         \
      "fullest file system")                                                                                           \
    X(jenkins_queue, global, "builds", "sum(jenkins_queue_size_value) or sum(default_jenkins_executors_queue_length)", \
      "builds waiting, as Jenkins' metrics plug-in says")                                                              \
    X(targets_down, global, "targets", "count(up == 0) or vector(0)", "scrape targets that do not answer")             \
    X(deployment_cpu, deployment, "percent",                                                                           \
      "100 * sum by (deployment) (" NS_PROMQL_DEPLOYMENT(                                                              \
          "rate(container_cpu_usage_seconds_total{" NS_PROMQL_CONTAINERS                                               \
          "}[$window])") ") / "                                                                                        \
                         "sum by (deployment) (" NS_PROMQL_DEPLOYMENT(                                                 \
                             "kube_pod_container_resource_limits{namespace=\"$namespace\",resource=\"cpu\"}") ")",     \
      "CPU used, of the Deployment's limits")                                                                          \
    X(deployment_memory, deployment, "percent",                                                                        \
      "100 * max by (deployment) (" NS_PROMQL_DEPLOYMENT(                                                              \
          "container_memory_working_set_bytes{" NS_PROMQL_CONTAINERS                                                   \
          "}") ") / "                                                                                                  \
               "max by (deployment) (" NS_PROMQL_DEPLOYMENT(                                                           \
                   "kube_pod_container_resource_limits{namespace=\"$namespace\",resource=\"memory\"}") ")",            \
      "working set of the fullest container, of its limit")                                                            \
    X(deployment_throttled, deployment, "percent",                                                                     \
      "100 * sum by (deployment) (" NS_PROMQL_DEPLOYMENT(                                                              \
          "rate(container_cpu_cfs_throttled_periods_total{" NS_PROMQL_CONTAINERS                                       \
          "}[$window])") ") / "                                                                                        \
                         "sum by (deployment) (" NS_PROMQL_DEPLOYMENT(                                                 \
                             "rate(container_cpu_cfs_periods_total{" NS_PROMQL_CONTAINERS "}[$window])") ")",          \
      "share of CPU periods in which a container was throttled")                                                       \
    X(deployment_restarts, deployment, "restarts in 10 min",                                                           \
      "sum by (deployment) (" NS_PROMQL_DEPLOYMENT(                                                                    \
          "increase(kube_pod_container_status_restarts_total{namespace=\"$namespace\"}[10m])") ")",                    \
      "container restarts")                                                                                            \
    X(deployment_oom_kills, deployment, "kills in 10 min",                                                             \
      "sum by (deployment) (" NS_PROMQL_DEPLOYMENT(                                                                    \
          "increase(container_oom_events_total{namespace=\"$namespace\",container!=\"\"}[10m])") ")",                  \
      "containers killed for memory")                                                                                  \
    X(deployment_error_rate, deployment, "percent",                                                                    \
      "label_replace(100 * (sum by (service) (rate(request_duration_seconds_count{status_code=~\"5..\"}[$window])) "   \
      "or "                                                                                                            \
      "sum by (service) (rate(request_duration_seconds_count[$window])) * 0) / "                                       \
      "(sum by (service) (rate(request_duration_seconds_count[$window])) > 0), "                                       \
      "\"deployment\", \"$1\", \"service\", \"(.*)\")",                                                                \
      "share of the service's requests answered 5xx")                                                                  \
    X(deployment_latency_p95, deployment, "seconds",                                                                   \
      "label_replace(histogram_quantile(0.95, sum by (le, service) "                                                   \
      "(rate(request_duration_seconds_bucket[$window]))), "                                                            \
      "\"deployment\", \"$1\", \"service\", \"(.*)\")",                                                                \
      "95th percentile of the request duration")                                                                       \
    X(deployment_replicas_missing, deployment, "pods",                                                                 \
      "kube_deployment_spec_replicas{namespace=\"$namespace\"} - "                                                     \
      "kube_deployment_status_replicas_available{namespace=\"$namespace\"}",                                           \
      "replicas wanted but not available")

typedef enum ns_signal {
#define NS_SIGNAL_ENUM(name, scope, unit, promql, meaning) NS_SIGNAL_##name,
    NS_SIGNAL_MAP(NS_SIGNAL_ENUM)
#undef NS_SIGNAL_ENUM
        NS_SIGNAL_COUNT
} ns_signal;

typedef enum ns_signal_scope { NS_SCOPE_global, NS_SCOPE_deployment } ns_signal_scope;

typedef struct ns_signal_facts {
    const char *name;
    ns_signal_scope scope;
    const char *unit;
    const char *promql; /* default, with $namespace and $window still in it */
    const char *meaning;
} ns_signal_facts;

const ns_signal_facts *ns_signal_facts_of(ns_signal signal);
NS_MUST_USE bool ns_signal_parse(ns_text name, ns_signal *out);

/* The query with $namespace and $window filled in, appended to out. */
NS_MUST_USE ns_status ns_signal_query(const char *promql, const char *name_space, const char *window, ns_buf *out);

/* What signals ask for when configuration says nothing. */
#define NS_SIGNAL_NAMESPACE "sock-shop"
#define NS_SIGNAL_WINDOW    "2m"

#endif
