/* Lists in pages (declared in kubernetes_client.h): one request after the other until the server has no more. */
#include "wire/kubernetes_client.h"

#include "base/mem.h"
#include "wire/json.h"
#include "wire/url.h"

#include <string.h>

enum { PAGE = 500, PATH_CEILING = 12 * 1024, TOKEN_CEILING = 8 * 1024, RESTARTS_MOST = 3 };

typedef struct list {
    ns_kubernetes *cluster;
    ns_kubernetes_listing of; /* with path, query and what copied */
    char *path, *query;
    char what[128];
    ns_buf token; /* of the next page; empty: the first */
    int restarts;
} list;

static void free_list(list *l)
{
    ns_free(l->path);
    ns_free(l->query);
    ns_buf_clear(&l->token);
    ns_free(l);
}

static void finish(list *l, const ns_kubernetes_answer *answer, const char *resource_version)
{
    l->of.done(l->of.owner, answer, resource_version);
    free_list(l);
}

static void finish_failed(list *l, const ns_error *err)
{
    ns_kubernetes_answer answer = {.status = err->status, .verdict = {.status = err->status, .retry_after_ms = -1}};
    answer.verdict.error = *err;
    finish(l, &answer, "");
}

static void answered(void *owner, const ns_kubernetes_answer *answer);

static ns_status ask(list *l, ns_error *err)
{
    ns_buf path;
    ns_buf_init(&path, PATH_CEILING);
    (void)ns_buf_printf(&path, "%s?limit=%d%s%s", l->path, PAGE, l->query == NULL ? "" : "&",
                        l->query == NULL ? "" : l->query);
    if (l->token.len > 0) {
        (void)ns_buf_string(&path, "&continue=");
        (void)ns_url_encode(&path, ns_buf_view(&l->token));
    }
    ns_status status =
        path.failed ? ns_fail(err, NS_NO_MEMORY, "%s: no room for its address", l->what)
                    : ns_kubernetes_start(
                          l->cluster,
                          &(ns_kubernetes_request){
                              .path = path.at, .what = l->what, .done = answered, .owner = l, .group = l->of.group},
                          err);
    ns_buf_clear(&path);
    return status;
}

static void ask_or_finish(list *l)
{
    ns_error err;
    if (ask(l, &err) != NS_OK)
        finish_failed(l, &err);
}

/* The items of one page, and whether there are more. */
static void took_page(list *l, const ns_kubernetes_answer *answer)
{
    const json_t *metadata = ns_json_at(answer->json, "metadata");
    const json_t *items = ns_json_at(answer->json, "items");
    const char *token = ns_json_string(metadata, "continue", "");
    ns_error err;
    if (!json_is_object(metadata) || !(json_is_array(items) || json_is_null(items) || items == NULL)) {
        (void)ns_fail(&err, NS_PROTOCOL, "%s: the answer is no list", l->what);
        finish_failed(l, &err);
        return;
    }
    bool first = l->token.len == 0;
    ns_buf_reset(&l->token);
    bool good =
        l->of.page(l->of.owner, json_is_array(items) ? items : NULL, first) && ns_buf_string(&l->token, token) == NS_OK;
    if (!good) {
        (void)ns_fail(&err, NS_NO_MEMORY, "%s: no memory for the list", l->what);
        finish_failed(l, &err);
    } else if (l->token.len > 0) {
        ask_or_finish(l);
    } else {
        finish(l, answer, ns_json_string(metadata, "resourceVersion", ""));
    }
}

static void answered(void *owner, const ns_kubernetes_answer *answer)
{
    list *l = owner;
    if (answer->status == NS_OK) {
        took_page(l, answer);
    } else if (answer->verdict.expired && l->token.len > 0 && ++l->restarts <= RESTARTS_MOST) {
        /* The server offers to go on with a list of another moment; a list of one moment is begun anew. */
        ns_buf_reset(&l->token);
        ask_or_finish(l);
    } else {
        finish(l, answer, "");
    }
}

ns_status ns_kubernetes_list(ns_kubernetes *cluster, const ns_kubernetes_listing *listing, ns_error *err)
{
    list *l = NS_NEW(list);
    if (l == NULL)
        return ns_fail(err, NS_NO_MEMORY, "kubernetes: no memory for a list");
    l->cluster = cluster;
    l->of = *listing;
    ns_buf_init(&l->token, TOKEN_CEILING);
    (void)ns_text_copy(l->what, sizeof l->what, ns_text_of(listing->what));
    l->path = ns_strdup(listing->path);
    l->query = listing->query == NULL ? NULL : ns_strdup(listing->query);
    ns_status status = l->path == NULL || (listing->query != NULL && l->query == NULL)
                           ? ns_fail(err, NS_NO_MEMORY, "kubernetes: no memory for a list")
                           : ask(l, err);
    if (status != NS_OK)
        free_list(l);
    return status;
}
