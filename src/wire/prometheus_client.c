#include "wire/prometheus_client.h"

#include "base/mem.h"
#include "wire/http_client.h"
#include "wire/json.h"
#include "wire/url.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TIMEOUT_MS = 5000, AT_ONCE = 3, BODY_CEILING = 16 << 20, FORM_CEILING = 256 * 1024 };

struct ns_prometheus_client {
    ns_http_client *http;
    size_t body_ceiling;
    long timeout_ms;
    char *tenant;
    char *token_path;
    ns_token_file token;
    bool closing;
};

/* One query under way. */
typedef struct asked {
    ns_prometheus_client *client;
    ns_prometheus_done *done;
    void *owner;
    ns_buf form;
    uint64_t token_hash; /* of the file's token that it went out with */
    bool repeated;
} asked;

static void free_client(ns_prometheus_client *client)
{
    ns_free(client->tenant);
    ns_free(client->token_path);
    ns_free(client);
}

static bool keep(char **copy, const char *text)
{
    *copy = text == NULL ? NULL : ns_strdup(text);
    return text == NULL || *copy != NULL;
}

ns_status ns_prometheus_client_new(struct event_base *loop, const ns_prometheus_options *options,
                                   ns_prometheus_client **out, ns_error *err)
{
    bool basic = options->username != NULL && options->username[0] != '\0';
    bool bearer = options->bearer_token != NULL && options->bearer_token[0] != '\0';
    if (basic && bearer)
        return ns_fail(err, NS_BAD_USAGE, "Prometheus: give either a bearer token or a user name, not both");
    ns_prometheus_client *client = NS_NEW(ns_prometheus_client);
    if (client == NULL)
        return ns_fail(err, NS_NO_MEMORY, "Prometheus client");
    client->body_ceiling = options->body_ceiling == 0 ? BODY_CEILING : options->body_ceiling;
    client->timeout_ms = options->timeout_ms == 0 ? TIMEOUT_MS : options->timeout_ms;
    if (!keep(&client->tenant, options->tenant) || !keep(&client->token_path, options->token_file)) {
        free_client(client);
        return ns_fail(err, NS_NO_MEMORY, "Prometheus client");
    }
    client->token = (ns_token_file){
        .path = client->token_path, .who = "prometheus", .learn = options->learn, .owner = options->learn_owner};
    ns_status status = ns_http_client_new(loop,
                                          &(ns_http_client_options){
                                              .name = "prometheus",
                                              .base_url = options->url,
                                              .username = basic ? options->username : NULL,
                                              .password = basic ? options->password : NULL,
                                              .bearer_token = bearer ? options->bearer_token : NULL,
                                              .ca_file = options->ca_file,
                                              .client_cert_file = options->client_cert_file,
                                              .client_key_file = options->client_key_file,
                                              .insecure = options->insecure,
                                              .max_connections = options->at_once == 0 ? AT_ONCE : options->at_once,
                                              .connect_timeout_ms = client->timeout_ms,
                                              .total_timeout_ms = client->timeout_ms,
                                          },
                                          &client->http, err);
    if (status != NS_OK) {
        free_client(client);
        return status;
    }
    *out = client;
    return NS_OK;
}

void ns_prometheus_client_free(ns_prometheus_client *client)
{
    if (client == NULL)
        return;
    client->closing = true;
    ns_http_client_free(client->http);
    free_client(client);
}

const char *ns_prometheus_client_url(const ns_prometheus_client *client)
{
    return ns_http_client_base_url(client->http);
}

static void end(asked *question, const ns_prometheus_answer *answer)
{
    question->done(question->owner, answer);
    ns_buf_clear(&question->form);
    ns_free(question);
}

static ns_status start(asked *question, ns_error *err);

/* The token was refused, and the file holds another one by now: the same query once more. */
static bool repeat(asked *question)
{
    ns_prometheus_client *client = question->client;
    bool changed = false;
    if (client->closing || question->repeated || client->token.path == NULL)
        return false;
    question->repeated = true;
    uint64_t sent_with = question->token_hash;
    if (ns_token_file_refresh(&client->token, client->http, true, &changed, NULL) != NS_OK ||
        client->token.hash == sent_with)
        return false;
    return start(question, NULL) == NS_OK;
}

static void answered(void *owner, const ns_http_answer *http)
{
    asked *question = owner;
    ns_prometheus_answer answer = {0};
    if (http->status == NS_OK && http->code == 401 && repeat(question))
        return;
    if (http->status == NS_OK) {
        ns_prometheus_read(http->code, http->body, &answer);
    } else {
        answer.status = http->status;
        answer.code = http->code;
        answer.error = http->error;
        answer.may_retry = http->status == NS_UNREACHABLE || http->status == NS_TIMEOUT || http->status == NS_PROTOCOL;
    }
    end(question, &answer);
    ns_prometheus_answer_clear(&answer);
}

static ns_status start(asked *question, ns_error *err)
{
    ns_prometheus_client *client = question->client;
    ns_http_header tenant = {"X-Scope-OrgID", client->tenant};
    bool changed;
    /* What cannot be read now may be being written: the token before is tried. */
    (void)!ns_token_file_refresh(&client->token, client->http, false, &changed, NULL);
    question->token_hash = client->token.hash;
    return ns_http_start(client->http,
                         &(ns_http_request){
                             .method = "POST",
                             .path = "/api/v1/query",
                             .headers = &tenant,
                             .header_count = client->tenant == NULL ? 0 : 1,
                             .content_type = "application/x-www-form-urlencoded",
                             .body = ns_buf_view(&question->form),
                             .body_ceiling = client->body_ceiling,
                             .done = answered,
                             .owner = question,
                         },
                         NULL, err);
}

static ns_status write_form(ns_buf *form, ns_text promql, int64_t at_ms, long timeout_ms)
{
    (void)ns_buf_string(form, "query=");
    (void)ns_url_encode(form, promql);
    if (at_ms >= 0)
        (void)ns_buf_printf(form, "&time=%" PRId64 ".%03d", at_ms / 1000, (int)(at_ms % 1000));
    /* The server gives up before we do, so that it says why. */
    (void)ns_buf_printf(form, "&timeout=%ldms", timeout_ms - timeout_ms / 10);
    return form->failed ? NS_TOO_LARGE : NS_OK;
}

ns_status ns_prometheus_query(ns_prometheus_client *client, ns_text promql, int64_t at_ms, ns_prometheus_done *done,
                              void *owner, ns_error *err)
{
    asked *question = NS_NEW(asked);
    if (question == NULL)
        return ns_fail(err, NS_NO_MEMORY, "a query");
    *question = (asked){.client = client, .done = done, .owner = owner};
    ns_buf_init(&question->form, FORM_CEILING);
    ns_status status = write_form(&question->form, promql, at_ms, client->timeout_ms);
    if (status != NS_OK)
        (void)ns_fail(err, status, "a query of %zu bytes", promql.len);
    else
        status = start(question, err);
    if (status != NS_OK) {
        ns_buf_clear(&question->form);
        ns_free(question);
    }
    return status;
}
