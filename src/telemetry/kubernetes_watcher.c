#include "telemetry/kubernetes_watcher.h"

#include "base/log.h"
#include "wire/json.h"
#include "wire/url.h"

#include <stdio.h>
#include <string.h>

/* Seconds, of the server: how long a watch lasts; spread, so that not all end at once. */
enum { WATCH_S = 300, WATCH_SPREAD_S = 60, WATCH_SLACK_MS = 15000 };
enum { WAIT_FIRST_MS = 1000, WAIT_MOST_MS = 30000, SHORT_MS = 1000, PATH_CEILING = 2048 };

static const struct {
    const char *base, *resource;
    bool namespaced, required;
} kinds[] = {
#define KIND(kind, base, resource, namespaced, required) {base, resource, namespaced, required},
    NS_KUBE_KIND_MAP(KIND)
#undef KIND
};

const char *kube_kind_resource(kube_kind kind)
{
    return kinds[kind].resource;
}

bool kube_kind_namespaced(kube_kind kind)
{
    return kinds[kind].namespaced;
}

bool kube_kind_required(kube_kind kind)
{
    return kinds[kind].required;
}

static void list(kube_watcher *w);
static void watch(kube_watcher *w);

static void heard(kube_watcher *w)
{
    w->heard_ms = ns_clock_now_ms(w->clock);
}

static void go_on(kube_watcher *w)
{
    if (w->resource_version[0] != '\0')
        watch(w);
    else
        list(w);
}

static void wait_for(kube_watcher *w, int64_t ms)
{
    ms += (int64_t)ns_rng_below(w->rng, (uint64_t)ms / 4 + 1);
    const struct timeval wait = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000 * 1000)};
    w->phase = KUBE_WAITING;
    (void)evtimer_add(w->timer, &wait);
}

static void wait_is_over(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    go_on(owner);
}

static void failed(kube_watcher *w, const ns_kubernetes_verdict *verdict)
{
    bool lasting = verdict->status == NS_FORBIDDEN || verdict->status == NS_NOT_FOUND;
    w->asking = false;
    w->trouble = verdict->status;
    w->error = verdict->error;
    if (lasting || w->wait_ms > WAIT_MOST_MS)
        w->wait_ms = WAIT_MOST_MS;
    wait_for(w, verdict->retry_after_ms > w->wait_ms ? verdict->retry_after_ms : w->wait_ms);
    w->wait_ms *= 2;
    w->changed(w->owner);
}

static void failed_at_once(kube_watcher *w, const ns_error *err)
{
    ns_kubernetes_verdict verdict = {.status = err->status, .retry_after_ms = -1};
    verdict.error = *err;
    failed(w, &verdict);
}

static void well(kube_watcher *w)
{
    w->asking = false;
    w->trouble = NS_OK;
    w->wait_ms = WAIT_FIRST_MS;
    heard(w);
    w->changed(w->owner);
}

/* ---- lists ---- */

static bool put(kube_watcher *w, const json_t *json)
{
    kube_object object;
    ns_error err;
    if (kube_object_read(w->kind, json, &object, &err) == NS_OK)
        return kube_shelf_put(&w->shelf, &object) == NS_OK;
    if (w->unreadable++ == 0) /* told once */
        ns_log(NS_LOG_WARNING, "telemetry", "object_passed_over", "resource=%s text=\"%s\"", kinds[w->kind].resource,
               err.text);
    return true;
}

static bool took_page(void *owner, const json_t *items, bool first)
{
    kube_watcher *w = owner;
    if (first)
        kube_shelf_sweep_begin(&w->shelf);
    for (size_t i = 0; i < json_array_size(items); i++)
        if (!put(w, json_array_get(items, i)))
            return false;
    return true;
}

static void listed(void *owner, const ns_kubernetes_answer *answer, const char *resource_version)
{
    kube_watcher *w = owner;
    if (w->closing)
        return;
    if (answer->status != NS_OK) {
        failed(w, &answer->verdict);
        return;
    }
    kube_shelf_sweep_end(&w->shelf);
    w->listed = true;
    if (!ns_text_copy(w->resource_version, sizeof w->resource_version, ns_text_of(resource_version)))
        w->resource_version[0] = '\0'; /* an opaque text longer than any known: list again next time */
    well(w);
    if (w->resource_version[0] != '\0')
        watch(w);
    else
        wait_for(w, WAIT_MOST_MS);
}

static void put_path(const kube_watcher *w, ns_buf *path)
{
    (void)ns_buf_string(path, kinds[w->kind].base);
    if (kinds[w->kind].namespaced)
        (void)ns_buf_printf(path, "/namespaces/%s", w->space); /* checked to be a DNS label */
    (void)ns_buf_printf(path, "/%s", kinds[w->kind].resource);
}

static void list(kube_watcher *w)
{
    ns_error err = {.status = NS_NO_MEMORY, .text = "no memory for an address"};
    ns_buf path;
    ns_buf_init(&path, PATH_CEILING);
    put_path(w, &path);
    w->phase = KUBE_LISTING;
    w->asking = true;
    const ns_kubernetes_listing listing = {
        .path = path.at, .what = w->what, .page = took_page, .done = listed, .owner = w, .group = w};
    ns_status status = path.failed ? NS_NO_MEMORY : ns_kubernetes_list(w->cluster, &listing, &err);
    ns_buf_clear(&path);
    if (status != NS_OK)
        failed_at_once(w, &err);
}

/* ---- watches ---- */

static void opened(void *owner)
{
    kube_watcher *w = owner;
    w->opened_ns = ns_monotonic_ns();
    well(w);
}

static bool took_event(void *owner, ns_kubernetes_event_kind kind, const json_t *object)
{
    kube_watcher *w = owner;
    bool good = true;
    if (kind == NS_KUBERNETES_DELETED)
        kube_shelf_remove(&w->shelf, ns_json_string(ns_json_at(object, "metadata"), "uid", ""));
    else if (kind != NS_KUBERNETES_BOOKMARK)
        good = put(w, object);
    const char *version = kube_resource_version(object);
    if (version[0] != '\0' && !ns_text_copy(w->resource_version, sizeof w->resource_version, ns_text_of(version)))
        w->resource_version[0] = '\0';
    heard(w);
    if (kind != NS_KUBERNETES_BOOKMARK)
        w->changed(w->owner);
    return good;
}

/* An open stream ends some time, orderly or torn off by what stands between: whether that is trouble shows when it is
 * opened again. */
static bool has_run_out(const kube_watcher *w, const ns_kubernetes_answer *answer)
{
    bool torn = answer->status == NS_PROTOCOL || answer->status == NS_TIMEOUT || answer->status == NS_UNREACHABLE;
    bool was_open = !w->asking;
    return answer->status == NS_OK || (torn && was_open && answer->verdict.code == 200);
}

static void watched(void *owner, const ns_kubernetes_answer *answer)
{
    kube_watcher *w = owner;
    bool ours = w->reopens, run_out = has_run_out(w, answer);
    w->reopens = false;
    w->asking = false;
    if (w->closing || ours) /* kube_watcher_confirm goes on */
        return;
    if (answer->verdict.expired) {
        w->resource_version[0] = '\0';
        list(w);
    } else if (run_out && ns_monotonic_ns() - w->opened_ns >= (int64_t)SHORT_MS * 1000000) {
        watch(w);
    } else if (run_out) {
        wait_for(w, WAIT_FIRST_MS); /* they end at once: no storm */
    } else {
        if (answer->status == NS_CANCELLED ||
            answer->status == NS_BAD_INPUT) /* the shelf was full, or a wrong version */
            w->resource_version[0] = '\0';
        failed(w, &answer->verdict);
    }
}

static void watch(kube_watcher *w)
{
    ns_error err = {.status = NS_NO_MEMORY, .text = "no memory for an address"};
    ns_buf path;
    long seconds = WATCH_S + (long)ns_rng_below(w->rng, WATCH_SPREAD_S);
    ns_buf_init(&path, PATH_CEILING);
    put_path(w, &path);
    (void)ns_buf_printf(&path, "?watch=true&allowWatchBookmarks=true&timeoutSeconds=%ld&resourceVersion=", seconds);
    (void)ns_url_encode(&path, ns_text_of(w->resource_version));
    w->phase = KUBE_WATCHING;
    w->asking = true;
    w->opened_ns = ns_monotonic_ns();
    const ns_kubernetes_watching watching = {.path = path.at,
                                             .what = w->what,
                                             .timeout_ms = seconds * 1000 + WATCH_SLACK_MS,
                                             .opened = opened,
                                             .event = took_event,
                                             .done = watched,
                                             .owner = w,
                                             .group = w};
    ns_status status = path.failed ? NS_NO_MEMORY : ns_kubernetes_watch(w->cluster, &watching, &err);
    ns_buf_clear(&path);
    if (status != NS_OK)
        failed_at_once(w, &err);
}

/* ---- the door ---- */

ns_status kube_watcher_open(kube_watcher *w, struct event_base *loop, size_t most, ns_error *err)
{
    kube_shelf_init(&w->shelf, most);
    (void)snprintf(w->what, sizeof w->what, "%s%s%s", kinds[w->kind].resource, kinds[w->kind].namespaced ? " in " : "",
                   kinds[w->kind].namespaced ? w->space : "");
    w->heard_ms = -1;
    w->wait_ms = WAIT_FIRST_MS;
    w->timer = evtimer_new(loop, wait_is_over, w);
    return w->timer == NULL ? ns_fail(err, NS_NO_MEMORY, "no memory to watch %s", w->what) : NS_OK;
}

void kube_watcher_close(kube_watcher *w)
{
    w->closing = true;
    if (w->timer == NULL) /* it was never opened */
        return;
    ns_kubernetes_cancel(w->cluster, w);
    event_free(w->timer);
    w->timer = NULL;
    kube_shelf_clear(&w->shelf);
}

void kube_watcher_start(kube_watcher *w)
{
    if (w->phase != KUBE_WAITING)
        return;
    (void)evtimer_del(w->timer);
    go_on(w);
}

void kube_watcher_confirm(kube_watcher *w, int64_t longest_ms)
{
    bool silent = ns_age_ms(w->heard_ms, ns_clock_now_ms(w->clock)) > longest_ms;
    if (w->phase != KUBE_WATCHING || w->asking || !silent)
        return;
    w->reopens = true;
    ns_kubernetes_cancel(w->cluster, w);
    go_on(w);
}
