/* The cluster's objects as a Kubernetes API shows them. */
#include "world/serve_kube.h"

#include "base/clock.h"
#include "flow/deployment.h"
#include "world/sock_shop.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

json_t *ns_kube_time(int64_t at_ms)
{
    char text[40];
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;
    if (at_ms < 0 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        return json_null();
    return json_string(text);
}

static json_t *version_json(uint64_t version)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)version);
    return json_string(text);
}

/* ---- pod templates ------------------------------------------------------------------------------------------------
 */

/* "300m", "500Mi" where the number allows, else plain. */
static json_t *quantity(double amount, bool cpu)
{
    char text[40];
    if (cpu && amount * 1000.0 == round(amount * 1000.0))
        (void)snprintf(text, sizeof text, "%.0fm", amount * 1000.0);
    else if (!cpu && fmod(amount, 1048576.0) == 0.0)
        (void)snprintf(text, sizeof text, "%.0fMi", amount / 1048576.0);
    else
        (void)snprintf(text, sizeof text, cpu ? "%.17g" : "%.0f", amount);
    return json_string(text);
}

static json_t *resources(const ns_service *s, const ns_world_template *is)
{
    json_t *limits = json_object(), *requests = json_object(), *out = json_object();
    if (!isnan(is->cpu_limit))
        (void)json_object_set_new(limits, "cpu", quantity(is->cpu_limit, true));
    if (!isnan(is->memory_limit))
        (void)json_object_set_new(limits, "memory", quantity(is->memory_limit, false));
    if (!isnan(s->cpu_request))
        (void)json_object_set_new(requests, "cpu", quantity(s->cpu_request, true));
    if (!isnan(s->memory_request))
        (void)json_object_set_new(requests, "memory", quantity(s->memory_request, false));
    if (json_object_size(limits) > 0)
        (void)json_object_set(out, "limits", limits);
    if (json_object_size(requests) > 0)
        (void)json_object_set(out, "requests", requests);
    json_decref(limits);
    json_decref(requests);
    return out;
}

static int port_of(const char *name)
{
    return strcmp(name, "front-end") == 0      ? 8079
           : strcmp(name, "catalogue-db") == 0 ? 3306
           : strcmp(name, "rabbitmq") == 0     ? 5672
           : strcmp(name, "session-db") == 0   ? 6379
           : strstr(name, "-db") != NULL       ? 27017
                                               : 80;
}

static json_t *container(const ns_service *s, const ns_world_template *is)
{
    json_t *out = json_pack("{s:s,s:s,s:[{s:i,s:s}],s:o,s:s,s:s,s:s}", "name", s->container, "image", is->image,
                            "ports", "containerPort", port_of(s->name), "protocol", "TCP", "resources",
                            resources(s, is), "terminationMessagePath", "/dev/termination-log",
                            "terminationMessagePolicy", "File", "imagePullPolicy", "IfNotPresent");
    if (s->language == NS_LANGUAGE_java && s->pipeline)
        (void)json_object_set_new(out, "env",
                                  json_pack("[{s:s,s:s}]", "name", "JAVA_OPTS", "value",
                                            "-Xms64m -Xmx128m -XX:+UseG1GC -Dspring.zipkin.enabled=false"));
    if (s->ready_s > 20 && s->traffic_share > 0)
        (void)json_object_set_new(out, "readinessProbe",
                                  json_pack("{s:{s:s,s:i,s:s},s:i,s:i,s:i,s:i,s:i}", "httpGet", "path", "/health",
                                            "port", port_of(s->name), "scheme", "HTTP", "initialDelaySeconds",
                                            (int)s->ready_s, "periodSeconds", 3, "timeoutSeconds", 1,
                                            "successThreshold", 1, "failureThreshold", 3));
    return out;
}

/* What the manifest says, for a template that nobody wrote by hand. */
static json_t *template_made(const ns_service *s, const ns_world_template *is)
{
    json_t *metadata = json_pack("{s:n,s:{s:s}}", "creationTimestamp", "labels", "name", s->name);
    if (is->key[0] != '\0')
        (void)json_object_set_new(metadata, "annotations", json_pack("{s:s}", NS_ANNOTATION_KEY, is->key));
    return json_pack("{s:o,s:{s:[o],s:s,s:i,s:s,s:{},s:s}}", "metadata", metadata, "spec", "containers",
                     container(s, is), "restartPolicy", "Always", "terminationGracePeriodSeconds", 30, "dnsPolicy",
                     "ClusterFirst", "securityContext", "schedulerName", "default-scheduler");
}

static void serial_name(int64_t serial, char out[40])
{
    (void)snprintf(out, 40, "template %lld", (long long)serial);
}

json_t *ns_kube_template(ns_world_server *server, size_t deployment, const ns_world_revision *revision)
{
    char name[40];
    serial_name(revision->serial, name);
    const json_t *written = json_object_get(ns_kube_store(server), name);
    return written != NULL ? json_deep_copy(written) : template_made(ns_service_at(deployment), &revision->template_is);
}

/* ---- Deployments ---------------------------------------------------------------------------------------------------
 */

json_t *ns_kube_written(ns_world_server *server, size_t deployment)
{
    return json_object_get(ns_kube_store(server), ns_service_at(deployment)->name);
}

static json_t *condition(const char *type, bool status, const char *reason, const char *message, int64_t at_ms)
{
    return json_pack("{s:s,s:s,s:o,s:o,s:s,s:s}", "type", type, "status", status ? "True" : "False", "lastUpdateTime",
                     ns_kube_time(at_ms), "lastTransitionTime", ns_kube_time(at_ms), "reason", reason, "message",
                     message);
}

static json_t *conditions(const ns_world_rollout *r, const char *name, const char *hash)
{
    char message[160];
    bool available = r->available >= r->replicas - r->replicas / 4;
    json_t *out = json_array();
    (void)json_array_append_new(
        out,
        condition("Available", available, available ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
                  available ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
                  r->progress_ms));
    (void)snprintf(message, sizeof message, "ReplicaSet \"%s-%s\" %s", name, hash,
                   r->complete ? "has successfully progressed."
                   : r->stuck  ? "has timed out progressing."
                               : "is progressing.");
    const char *reason = r->paused     ? "DeploymentPaused"
                         : r->complete ? "NewReplicaSetAvailable"
                         : r->stuck    ? "ProgressDeadlineExceeded"
                                       : "ReplicaSetUpdated";
    (void)json_array_append_new(out, condition("Progressing", !r->stuck, reason, message, r->progress_ms));
    return out;
}

/* Numbers that are 0 are left out, as the real API does. */
static void put_count(json_t *object, const char *name, int64_t n)
{
    if (n != 0)
        (void)json_object_set_new(object, name, json_integer((json_int_t)n));
}

static json_t *deployment_status(const ns_world_rollout *r, const char *name, const char *hash)
{
    json_t *status = json_pack("{s:I}", "observedGeneration", (json_int_t)r->observed_generation);
    put_count(status, "replicas", r->total);
    put_count(status, "updatedReplicas", r->updated);
    put_count(status, "readyReplicas", r->ready);
    put_count(status, "availableReplicas", r->available);
    put_count(status, "unavailableReplicas", r->replicas > r->available ? r->replicas - r->available : 0);
    (void)json_object_set_new(status, "conditions", conditions(r, name, hash));
    return status;
}

static void put_revision(json_t *annotations, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    (void)json_object_set_new(annotations, "deployment.kubernetes.io/revision", json_string(text));
}

/* The object below key, made when it is missing or another kind of value. */
static json_t *object_in(json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);
    if (!json_is_object(found)) {
        found = json_object();
        if (json_object_set_new(object, key, found) != 0) /* it is gone then */
            found = NULL;
    }
    return found;
}

static json_t *deployment_base(const ns_service *s)
{
    json_t *out =
        json_pack("{s:s,s:s,s:{s:{s:s}},s:{s:{s:{s:s}},s:{s:s,s:{s:s,s:s}},s:i,s:i}}", "kind", "Deployment",
                  "apiVersion", "apps/v1", "metadata", "labels", "name", s->name, "spec", "selector", "matchLabels",
                  "name", s->name, "strategy", "type", "RollingUpdate", "rollingUpdate", "maxUnavailable", "25%",
                  "maxSurge", "25%", "revisionHistoryLimit", 10, "progressDeadlineSeconds", 600);
    return out;
}

json_t *ns_kube_deployment(ns_world_server *server, size_t at)
{
    const ns_service *s = ns_service_at(at);
    const json_t *written = ns_kube_written(server, at);
    json_t *out = written != NULL ? json_deep_copy(written) : deployment_base(s);
    ns_world_rollout r;
    ns_world_revision present;
    ns_world_rollout_of(server->world, at, &r);
    ns_world_revision_at(server->world, at, ns_world_revision_count(server->world, at) - 1, &present);
    json_t *metadata = object_in(out, "metadata"), *spec = object_in(out, "spec");
    (void)json_object_set_new(metadata, "name", json_string(s->name));
    (void)json_object_set_new(metadata, "namespace", json_string(NS_WORLD_FOLDER));
    (void)json_object_set_new(metadata, "uid", json_string(r.uid));
    (void)json_object_set_new(metadata, "resourceVersion", version_json(r.resource_version));
    (void)json_object_set_new(metadata, "generation", json_integer((json_int_t)r.generation));
    (void)json_object_set_new(metadata, "creationTimestamp", ns_kube_time(r.created_ms));
    json_t *annotations = object_in(metadata, "annotations");
    put_revision(annotations, present.number);
    if (r.key[0] != '\0')
        (void)json_object_set_new(annotations, NS_ANNOTATION_KEY, json_string(r.key));
    (void)json_object_set_new(spec, "replicas", json_integer(r.replicas));
    (void)json_object_set_new(spec, "template", ns_kube_template(server, at, &present));
    if (r.paused)
        (void)json_object_set_new(spec, "paused", json_true());
    else
        (void)json_object_del(spec, "paused");
    (void)json_object_set_new(out, "status", deployment_status(&r, s->name, present.hash));
    return out;
}

json_t *ns_kube_scale(ns_world_server *server, size_t at)
{
    ns_world_rollout r;
    char selector[NS_NAME_MAX + 8];
    ns_world_rollout_of(server->world, at, &r);
    (void)snprintf(selector, sizeof selector, "name=%s", ns_service_at(at)->name);
    json_t *spec = json_object();
    put_count(spec, "replicas", r.replicas);
    return json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:o,s:o},s:o,s:{s:i,s:s}}", "kind", "Scale", "apiVersion",
                     "autoscaling/v1", "metadata", "name", ns_service_at(at)->name, "namespace", NS_WORLD_FOLDER, "uid",
                     r.uid, "resourceVersion", version_json(r.resource_version), "creationTimestamp",
                     ns_kube_time(r.created_ms), "spec", spec, "status", "replicas", r.total, "selector", selector);
}

/* ---- ReplicaSets, pods
 * ----------------------------------------------------------------------------------------------- */

static json_t *owner(const char *version, const char *kind, const char *name, const char *uid)
{
    return json_pack("[{s:s,s:s,s:s,s:s,s:b,s:b}]", "apiVersion", version, "kind", kind, "name", name, "uid", uid,
                     "controller", 1, "blockOwnerDeletion", 1);
}

static json_t *replicaset(ns_world_server *server, size_t at, size_t i)
{
    const char *service = ns_service_at(at)->name;
    ns_world_rollout d;
    ns_world_revision r;
    char name[NS_WORLD_POD_NAME_MAX];
    ns_world_rollout_of(server->world, at, &d);
    ns_world_revision_at(server->world, at, i, &r);
    (void)snprintf(name, sizeof name, "%s-%s", service, r.hash);
    json_t *template = ns_kube_template(server, at, &r);
    json_t *labels = object_in(object_in(template, "metadata"), "labels");
    (void)json_object_set_new(labels, "pod-template-hash", json_string(r.hash));
    json_t *annotations = json_pack("{s:s}", "deployment.kubernetes.io/desired-replicas", "1");
    put_revision(annotations, r.number);
    json_t *status = json_pack("{s:i,s:I}", "replicas", r.pods, "observedGeneration", (json_int_t)r.generation);
    put_count(status, "readyReplicas", r.ready);
    put_count(status, "availableReplicas", r.ready);
    return json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:o,s:I,s:o,s:{s:s,s:s},s:o,s:o},s:{s:i,s:{s:{s:s,s:s}},s:o},s:o}",
                     "kind", "ReplicaSet", "apiVersion", "apps/v1", "metadata", "name", name, "namespace",
                     NS_WORLD_FOLDER, "uid", r.uid, "resourceVersion", version_json(r.resource_version), "generation",
                     (json_int_t)r.generation, "creationTimestamp", ns_kube_time(r.created_ms), "labels", "name",
                     service, "pod-template-hash", r.hash, "annotations", annotations, "ownerReferences",
                     owner("apps/v1", "Deployment", service, d.uid), "spec", "replicas", r.wanted, "selector",
                     "matchLabels", "name", service, "pod-template-hash", r.hash, "template", template, "status",
                     status);
}

static json_t *container_status(const ns_service *s, const ns_world_pod *p, const char *image)
{
    json_t *ended = p->exit_ms < 0
                        ? json_object()
                        : json_pack("{s:{s:i,s:s,s:o}}", "terminated", "exitCode", p->out_of_memory ? 137 : 1, "reason",
                                    p->out_of_memory ? "OOMKilled" : "Error", "finishedAt", ns_kube_time(p->exit_ms));
    json_t *state;
    if (p->state == NS_POD_crash_loop)
        state = json_pack("{s:{s:s,s:s}}", "waiting", "reason", "CrashLoopBackOff", "message",
                          "back-off restarting failed container");
    else if (p->state == NS_POD_image_missing)
        state =
            json_pack("{s:{s:s,s:s}}", "waiting", "reason", "ImagePullBackOff", "message", "Back-off pulling image");
    else
        state = json_pack("{s:{s:o}}", "running", "startedAt", ns_kube_time(p->started_ms));
    return json_pack("[{s:s,s:o,s:o,s:b,s:i,s:s,s:s,s:b}]", "name", s->container, "state", state, "lastState", ended,
                     "ready", p->state == NS_POD_ready, "restartCount", p->restarts, "image", image, "imageID", "",
                     "started", p->state == NS_POD_ready || p->state == NS_POD_starting);
}

static void put_condition(json_t *list, const char *type, bool status, int64_t at_ms)
{
    (void)json_array_append_new(list, json_pack("{s:s,s:s,s:n,s:o}", "type", type, "status", status ? "True" : "False",
                                                "lastProbeTime", "lastTransitionTime", ns_kube_time(at_ms)));
}

static json_t *pod_status(const ns_service *s, const ns_world_pod *p, const char *image)
{
    bool ready = p->state == NS_POD_ready;
    int64_t since_ms = ready ? p->ready_ms : p->exit_ms >= 0 ? p->exit_ms : p->created_ms;
    json_t *list = json_array();
    put_condition(list, "Initialized", true, p->created_ms);
    put_condition(list, "Ready", ready, since_ms);
    put_condition(list, "ContainersReady", ready, since_ms);
    put_condition(list, "PodScheduled", true, p->created_ms);
    return json_pack("{s:s,s:o,s:s,s:o,s:o,s:s}", "phase", p->state == NS_POD_image_missing ? "Pending" : "Running",
                     "conditions", list, "hostIP", p->node[5] == '1' ? "10.0.0.11" : "10.0.0.12", "startTime",
                     ns_kube_time(p->created_ms), "containerStatuses", container_status(s, p, image), "qosClass",
                     isnan(s->memory_limit) ? "BestEffort" : "Burstable");
}

static bool revision_of(const ns_world *world, size_t at, int64_t serial, ns_world_revision *out)
{
    for (size_t i = 0; i < ns_world_revision_count(world, at); i++) {
        ns_world_revision_at(world, at, i, out);
        if (out->serial == serial)
            return true;
    }
    return false;
}

json_t *ns_kube_pod(ns_world_server *server, size_t at, size_t i)
{
    const ns_service *s = ns_service_at(at);
    ns_world_pod p;
    ns_world_revision r;
    char set[NS_WORLD_POD_NAME_MAX] = "";
    ns_world_pod_at(server->world, at, i, &p);
    bool known = revision_of(server->world, at, p.revision, &r);
    json_t *template = known ? ns_kube_template(server, at, &r) : NULL;
    json_t *spec = template != NULL ? json_incref(object_in(template, "spec")) : json_object();
    json_t *metadata = template != NULL ? json_incref(object_in(template, "metadata")) : json_object();
    json_decref(template);
    (void)snprintf(set, sizeof set, "%s-%s", s->name, known ? r.hash : "gone");
    (void)json_object_set_new(spec, "nodeName", json_string(p.node));
    (void)json_object_set_new(metadata, "name", json_string(p.name));
    (void)json_object_set_new(metadata, "namespace", json_string(NS_WORLD_FOLDER));
    (void)json_object_set_new(metadata, "uid", json_string(p.uid));
    (void)json_object_set_new(metadata, "resourceVersion", version_json(p.resource_version));
    (void)json_object_set_new(metadata, "creationTimestamp", ns_kube_time(p.created_ms));
    if (p.state == NS_POD_leaving) {
        (void)json_object_set_new(metadata, "deletionTimestamp", ns_kube_time(ns_world_now_ms(server->world)));
        (void)json_object_set_new(metadata, "deletionGracePeriodSeconds", json_integer(30));
    }
    if (known) {
        (void)json_object_set_new(object_in(metadata, "labels"), "pod-template-hash", json_string(r.hash));
        (void)json_object_set_new(metadata, "ownerReferences", owner("apps/v1", "ReplicaSet", set, r.uid));
    }
    return json_pack("{s:s,s:s,s:o,s:o,s:o}", "kind", "Pod", "apiVersion", "v1", "metadata", metadata, "spec", spec,
                     "status", pod_status(s, &p, known ? r.template_is.image : ""));
}

/* ---- events, nodes, namespaces
 * ----------------------------------------------------------------------------------------- */

/* Of what the event is about, where that is still there. */
static void put_uid(ns_world_server *server, const ns_world_event *e, json_t *about)
{
    ns_world_rollout d;
    ns_world_rollout_of(server->world, e->deployment, &d);
    if (strcmp(e->kind, "Deployment") == 0)
        (void)json_object_set_new(about, "uid", json_string(d.uid));
    for (size_t i = 0; i < ns_world_pod_count(server->world, e->deployment); i++) {
        ns_world_pod p;
        ns_world_pod_at(server->world, e->deployment, i, &p);
        if (strcmp(p.name, e->name) == 0)
            (void)json_object_set_new(about, "uid", json_string(p.uid));
    }
}

static json_t *event_json(ns_world_server *server, size_t i)
{
    ns_world_event e;
    char name[NS_WORLD_POD_NAME_MAX + 24], uid[NS_WORLD_UID_MAX];
    ns_world_event_at(server->world, i, &e);
    (void)snprintf(name, sizeof name, "%s.%016llx", e.name, (unsigned long long)e.serial);
    ns_world_uid(server->world, "event", (uint64_t)e.serial, uid);
    bool pod = strcmp(e.kind, "Pod") == 0;
    json_t *out =
        json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:o,s:o},s:{s:s,s:s,s:s,s:s},s:s,s:s,s:{s:s},s:o,s:o,s:i,s:s,s:n,s:s,s:s}",
                  "kind", "Event", "apiVersion", "v1", "metadata", "name", name, "namespace", NS_WORLD_FOLDER, "uid",
                  uid, "resourceVersion", version_json(e.resource_version), "creationTimestamp",
                  ns_kube_time(e.first_ms), "involvedObject", "kind", e.kind, "namespace", NS_WORLD_FOLDER, "name",
                  e.name, "apiVersion", pod ? "v1" : "apps/v1", "reason", e.reason, "message", e.message, "source",
                  "component", pod ? "kubelet" : "deployment-controller", "firstTimestamp", ns_kube_time(e.first_ms),
                  "lastTimestamp", ns_kube_time(e.last_ms), "count", e.count, "type", e.warning ? "Warning" : "Normal",
                  "eventTime", "reportingComponent", "", "reportingInstance", "");
    put_uid(server, &e, json_object_get(out, "involvedObject"));
    return out;
}

static json_t *node_json(ns_world_server *server, int i)
{
    char name[16], uid[NS_WORLD_UID_MAX];
    (void)snprintf(name, sizeof name, "node-%d", i + 1);
    ns_world_uid(server->world, "node", (uint64_t)i, uid);
    json_t *ready = json_pack("{s:s,s:s,s:s,s:s}", "type", "Ready", "status", "True", "reason", "KubeletReady",
                              "message", "kubelet is posting ready status");
    return json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:o,s:{s:s}},s:{},s:{s:[o],s:{s:s,s:s,s:s},s:{s:s,s:s,s:s,s:s,s:s}}}",
                     "kind", "Node", "apiVersion", "v1", "metadata", "name", name, "uid", uid, "resourceVersion", "900",
                     "creationTimestamp", ns_kube_time(ns_world_start_ms(server->world)), "labels",
                     "kubernetes.io/hostname", name, "spec", "status", "conditions", ready, "capacity", "cpu", "4",
                     "memory", "16Gi", "pods", "110", "nodeInfo", "kubeletVersion", "v1.32.0", "osImage", "Debian",
                     "kernelVersion", "6.1.0", "containerRuntimeVersion", "containerd://1.7.0", "architecture",
                     "amd64");
}

static json_t *namespace_json(ns_world_server *server, int i)
{
    static const char *const names[] = {"default", NS_WORLD_FOLDER};
    char uid[NS_WORLD_UID_MAX];
    ns_world_uid(server->world, "namespace", (uint64_t)i, uid);
    return json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:o},s:{},s:{s:s}}", "kind", "Namespace", "apiVersion", "v1", "metadata",
                     "name", names[i], "uid", uid, "resourceVersion", "800", "creationTimestamp",
                     ns_kube_time(ns_world_start_ms(server->world)), "spec", "status", "phase", "Active");
}

/* ---- all of a kind
 * ------------------------------------------------------------------------------------------------------ */

json_t *ns_kube_all(ns_world_server *server, ns_kube_kind kind)
{
    json_t *out = json_array();
    for (size_t d = 0; d < NS_SERVICES; d++) {
        if (kind == NS_KUBE_deployments)
            (void)json_array_append_new(out, ns_kube_deployment(server, d));
        for (size_t i = 0; kind == NS_KUBE_replicasets && i < ns_world_revision_count(server->world, d); i++)
            (void)json_array_append_new(out, replicaset(server, d, i));
        for (size_t i = 0; kind == NS_KUBE_pods && i < ns_world_pod_count(server->world, d); i++)
            (void)json_array_append_new(out, ns_kube_pod(server, d, i));
    }
    for (size_t i = 0; kind == NS_KUBE_events && i < ns_world_event_count(server->world); i++)
        (void)json_array_append_new(out, event_json(server, i));
    for (int i = 0; i < 2; i++) {
        if (kind == NS_KUBE_nodes)
            (void)json_array_append_new(out, node_json(server, i));
        else if (kind == NS_KUBE_namespaces)
            (void)json_array_append_new(out, namespace_json(server, i));
    }
    return out;
}
