#include "telemetry/kubernetes_source.h"

#include "base/log.h"
#include "base/mem.h"
#include "telemetry/kubernetes_join.h"

#include <stdio.h>
#include <string.h>

enum { CONFIRM_MS = 30000, OBJECTS_MOST = 50000, JOIN_MS = 100, LABEL_MOST = 63 };

typedef struct source {
    ns_snapshot *snapshot;
    const ns_clock *clock;
    ns_kubernetes *cluster;
    ns_redactor *redactor;
    ns_rng rng;
    kube_space *spaces;
    size_t space_count;
    kube_watcher nodes;
    int64_t confirm_ms;
    struct event *join;
    bool started, join_due, closing;
    ns_complaint trouble, optional_trouble, contested;
} source;

static ns_source_health *health_of(const source *self)
{
    return &self->snapshot->source[NS_FROM_kubernetes];
}

/* ---- how it is doing ---- */

/* The watcher of what is needed that is in trouble, or the one that is not whole yet; NULL: all is well. */
static const kube_watcher *first_bad(const source *self, bool required)
{
    for (size_t s = 0; s < self->space_count; s++)
        for (size_t k = 0; k < KUBE_KINDS; k++)
            if (kube_kind_namespaced((kube_kind)k) && kube_kind_required((kube_kind)k) == required &&
                self->spaces[s].of[k].trouble != NS_OK)
                return &self->spaces[s].of[k];
    return !required && self->nodes.trouble != NS_OK ? &self->nodes : NULL;
}

static bool all_listed(const source *self)
{
    for (size_t s = 0; s < self->space_count; s++)
        for (size_t k = 0; k < KUBE_KINDS; k++)
            if (kube_kind_namespaced((kube_kind)k) && kube_kind_required((kube_kind)k) && !self->spaces[s].of[k].listed)
                return false;
    return true;
}

static int64_t oldest_word(const source *self)
{
    int64_t oldest = INT64_MAX;
    for (size_t s = 0; s < self->space_count; s++)
        for (size_t k = 0; k < KUBE_KINDS; k++)
            if (kube_kind_namespaced((kube_kind)k) && kube_kind_required((kube_kind)k) &&
                self->spaces[s].of[k].heard_ms < oldest)
                oldest = self->spaces[s].of[k].heard_ms;
    return oldest == INT64_MAX ? -1 : oldest;
}

static ns_source_state state_of_trouble(ns_status trouble)
{
    switch (trouble) {
    case NS_UNAUTHORIZED:
    case NS_FORBIDDEN:
        return NS_SOURCE_unauthorized;
    case NS_STARTING:
        return NS_SOURCE_starting;
    default:
        return NS_SOURCE_down;
    }
}

static const char *cleaned(const source *self, const char *text, char *out, size_t size)
{
    if (self->redactor != NULL)
        return ns_redact_copy(self->redactor, out, size, ns_text_of(text));
    (void)ns_text_copy(out, size, ns_text_of(text));
    return out;
}

static void tell(const source *self, ns_complaint *complaint, const kube_watcher *bad, const char *event)
{
    char clean[512], quoted[600];
    uint64_t unsaid;
    if (bad == NULL) {
        if (ns_complaint_over(complaint))
            ns_log(NS_LOG_INFO, "telemetry", "source_recovered", "source=kubernetes url=%s of=%s",
                   ns_kubernetes_url(self->cluster), event);
    } else if (ns_complain(complaint, ns_real_now_ms(), &unsaid)) {
        ns_log(NS_LOG_WARNING, "telemetry", event, "source=kubernetes status=%s text=%s unsaid=%llu",
               ns_status_name(bad->trouble),
               ns_log_quote(quoted, sizeof quoted, cleaned(self, bad->error.text, clean, sizeof clean)),
               (unsigned long long)unsaid);
    }
}

static void note_health(source *self)
{
    ns_source_health *health = health_of(self);
    const kube_watcher *bad = first_bad(self, true), *optional = first_bad(self, false);
    const kube_watcher *said = bad != NULL ? bad : optional;
    bool whole = all_listed(self);
    health->state = bad != NULL ? state_of_trouble(bad->trouble) : whole ? NS_SOURCE_ok : NS_SOURCE_starting;
    if (whole && bad == NULL)
        health->good_at_ms = oldest_word(self);
    health->error[0] = '\0';
    if (said != NULL)
        (void)cleaned(self, said->error.text, health->error, sizeof health->error);
    tell(self, &self->trouble, bad, "source_trouble");
    tell(self, &self->optional_trouble, optional, "part_not_readable");
}

/* ---- joining ---- */

static void join_now(source *self)
{
    kube_joining joining = {.spaces = self->spaces,
                            .space_count = self->space_count,
                            .nodes = &self->nodes,
                            .snapshot = self->snapshot,
                            .redactor = self->redactor,
                            .now_ms = ns_clock_now_ms(self->clock)};
    uint64_t unsaid;
    self->join_due = false;
    if (kube_join(&joining) != NS_OK)
        ns_log(NS_LOG_ERROR, "telemetry", "cluster_not_joined", "source=kubernetes status=NO_MEMORY");
    else if (joining.contested == 0)
        (void)ns_complaint_over(&self->contested);
    else if (ns_complain(&self->contested, ns_real_now_ms(), &unsaid))
        ns_log(NS_LOG_WARNING, "telemetry", "job_claimed_twice",
               "source=kubernetes jobs=%llu annotation=%s remedy=\"name the Deployment in pipelines\"",
               (unsigned long long)joining.contested, NS_ANNOTATION_JOB);
    note_health(self);
}

static void join_due(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    join_now(owner);
}

/* Changes come in bursts: one joining for all of them. */
static void changed(void *owner)
{
    source *self = owner;
    const struct timeval soon = {.tv_usec = JOIN_MS * 1000};
    if (self->join_due || self->closing)
        return;
    self->join_due = evtimer_add(self->join, &soon) == 0;
}

/* ---- the door ---- */

static void each(source *self, void (*visit)(source *self, kube_watcher *w))
{
    for (size_t s = 0; s < self->space_count; s++)
        for (size_t k = 0; k < KUBE_KINDS; k++)
            if (kube_kind_namespaced((kube_kind)k))
                visit(self, &self->spaces[s].of[k]);
    visit(self, &self->nodes);
}

static void start(source *self, kube_watcher *w)
{
    (void)self;
    kube_watcher_start(w);
}

static void confirm(source *self, kube_watcher *w)
{
    kube_watcher_confirm(w, self->confirm_ms);
}

static void poll(void *of, int64_t tick_ms)
{
    (void)tick_ms;
    source *self = of;
    if (!self->started) {
        self->started = true;
        each(self, start);
        return;
    }
    each(self, confirm);
    join_now(self); /* what is recent depends on the time, and pipelines may be new */
}

/* A list that is under way for the first time is waited for; a watch speaks by itself. */
static bool settled(void *of)
{
    const source *self = of;
    if (self->join_due)
        return false;
    for (size_t s = 0; s < self->space_count; s++)
        for (size_t k = 0; k < KUBE_KINDS; k++)
            if (kube_kind_namespaced((kube_kind)k) && self->spaces[s].of[k].phase == KUBE_LISTING)
                return false;
    return self->nodes.phase != KUBE_LISTING;
}

static void close_one(source *self, kube_watcher *w)
{
    (void)self;
    kube_watcher_close(w);
}

static void free_source(void *of)
{
    source *self = of;
    if (self == NULL)
        return;
    self->closing = true;
    each(self, close_one);
    if (self->join != NULL)
        event_free(self->join);
    ns_free(self->spaces);
    ns_free(self);
}

/* ---- making it ---- */

/* A namespace goes into addresses as it is: it must be a DNS label. */
static bool is_label(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > LABEL_MOST || name[0] == '-' || name[n - 1] == '-')
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-'))
            return false;
    return true;
}

static ns_status add_space(source *self, const char *name, ns_error *err)
{
    if (!is_label(name))
        return ns_fail(err, NS_BAD_USAGE, "kubernetes: \"%.64s\" is no namespace", name);
    for (size_t s = 0; s < self->space_count; s++)
        if (strcmp(self->spaces[s].name, name) == 0)
            return NS_OK;
    if (self->space_count == NS_KUBERNETES_SPACES_MAX)
        return ns_fail(err, NS_BAD_USAGE, "kubernetes: more than %d namespaces", NS_KUBERNETES_SPACES_MAX);
    (void)ns_text_copy(self->spaces[self->space_count++].name, NS_NAME_MAX, ns_text_of(name));
    return NS_OK;
}

static ns_status open_watcher(source *self, struct event_base *loop, kube_watcher *w, kube_kind kind, const char *space,
                              size_t most, ns_error *err)
{
    w->cluster = self->cluster;
    w->clock = self->clock;
    w->rng = &self->rng;
    w->kind = kind;
    w->changed = changed;
    w->owner = self;
    (void)ns_text_copy(w->space, sizeof w->space, ns_text_of(space));
    return kube_watcher_open(w, loop, most, err);
}

static ns_status open_watchers(source *self, struct event_base *loop, size_t most, ns_error *err)
{
    ns_status status = open_watcher(self, loop, &self->nodes, KUBE_node, "", most, err);
    for (size_t s = 0; s < self->space_count; s++)
        for (size_t k = 0; k < KUBE_KINDS && status == NS_OK; k++)
            if (kube_kind_namespaced((kube_kind)k))
                status =
                    open_watcher(self, loop, &self->spaces[s].of[k], (kube_kind)k, self->spaces[s].name, most, err);
    return status;
}

static ns_status fill(source *self, struct event_base *loop, const ns_kubernetes_source_options *options, ns_error *err)
{
    const char *home = options->name_space != NULL ? options->name_space : ns_kubernetes_namespace(self->cluster);
    self->spaces = NS_NEW_ARRAY(kube_space, NS_KUBERNETES_SPACES_MAX);
    self->join = evtimer_new(loop, join_due, self);
    if (self->spaces == NULL || self->join == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the source of Kubernetes");
    ns_status status = add_space(self, home, err);
    for (size_t i = 0; i < options->name_space_count && status == NS_OK; i++)
        status = add_space(self, options->name_spaces[i], err);
    return status != NS_OK
               ? status
               : open_watchers(self, loop, options->max_objects > 0 ? options->max_objects : OBJECTS_MOST, err);
}

ns_status ns_kubernetes_source_new(struct event_base *loop, ns_snapshot *snapshot, const ns_clock *clock,
                                   const ns_kubernetes_source_options *options, ns_source *out, ns_error *err)
{
    source *self = NS_NEW(source);
    if (self == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the source of Kubernetes");
    self->snapshot = snapshot;
    self->clock = clock;
    self->cluster = options->client;
    self->redactor = options->redactor;
    self->confirm_ms = options->confirm_ms > 0 ? options->confirm_ms : CONFIRM_MS;
    ns_rng_seed_named(&self->rng, options->seed, "kubernetes");
    ns_status status = fill(self, loop, options, err);
    if (status != NS_OK) {
        free_source(self);
        return status;
    }
    *health_of(self) = (ns_source_health){.state = NS_SOURCE_starting, .good_at_ms = -1};
    if (ns_kubernetes_insecure(self->cluster))
        ns_log(NS_LOG_WARNING, "telemetry", "certificate_not_checked", "source=kubernetes url=%s",
               ns_kubernetes_url(self->cluster));
    *out = (ns_source){.self = self, .name = "kubernetes", .poll = poll, .settled = settled, .free = free_source};
    return NS_OK;
}
