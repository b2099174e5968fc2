#include "orchestration/notify.h"

#include "base/log.h"
#include "base/mem.h"
#include "wire/http_client.h"
#include "wire/json.h"
#include "wire/url.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define URL_MAX      2048
#define BODY_MAX     8192
#define ANSWER_MAX   65536
#define TIMEOUT_MS   10000
#define CALLS_MAX    4 /* at once; further ones queue in the client */
#define EVIDENCE_MAX 5

typedef struct notify_self {
    ns_http_client *client; /* NULL: log line only */
    char path[URL_MAX];     /* path and query of the webhook */
    char jenkins_url[URL_MAX];
    char own_url[URL_MAX];
    size_t under_way;
} notify_self;

/* One message under way. */
typedef struct delivery {
    notify_self *self;
    ns_effect effect;
    ns_effect_done *done;
    void *owner;
} delivery;

static void answer(const ns_effect *effect, ns_sent sent, ns_error error, ns_effect_done *done, void *owner)
{
    ns_effect_answer said = {.sent = sent, .queue_id = -1, .error = error};
    done(owner, effect, &said);
}

static void notify_prepare(void *state, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    (void)state;
    answer(effect, NS_SENT_acknowledged, (ns_error){.status = NS_OK}, done, owner);
}

/* A webhook cannot be asked what it got. Saying "not sent" makes the message go out (again): at least once. */
static void notify_reconcile(void *state, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    (void)state;
    ns_error error;
    (void)ns_fail(&error, NS_NOT_FOUND, "whether the message %s arrived cannot be asked: it is sent again",
                  effect->key);
    answer(effect, NS_SENT_refused, error, done, owner);
}

/* base/job/folder/job/name/12/ */
static void put_build_url(ns_json_writer *w, const notify_self *self, const ns_effect *effect)
{
    ns_buf url;
    ns_buf_init(&url, BODY_MAX);
    (void)ns_buf_string(&url, self->jenkins_url);
    for (const char *part = effect->jenkins_job; part != NULL;) {
        const char *slash = strchr(part, '/');
        size_t len = slash == NULL ? strlen(part) : (size_t)(slash - part);
        (void)ns_buf_string(&url, "/job/");
        (void)ns_url_encode(&url, (ns_text){part, len});
        part = slash == NULL ? NULL : slash + 1;
    }
    if (effect->build > 0)
        (void)ns_buf_printf(&url, "/%lld", (long long)effect->build);
    (void)ns_buf_char(&url, '/');
    ns_json_field_string_or_null(w, "build", url.failed || self->jenkins_url[0] == '\0' ? NULL : url.at);
    ns_buf_clear(&url);
}

static void put_links(ns_json_writer *w, const notify_self *self, const ns_effect *effect)
{
    char own[URL_MAX + 64] = "";
    if (self->own_url[0] != '\0')
        (void)snprintf(own, sizeof own, "%s/api/v1/cases/%lld", self->own_url, (long long)effect->case_id);
    ns_json_key(w, "links");
    ns_json_object(w);
    put_build_url(w, self, effect);
    ns_json_field_string_or_null(w, "case", own);
    ns_json_end_object(w);
}

/* One key of the message made by ns_notify_message; null when it is not there. */
static void put_part(ns_json_writer *w, const json_t *message, const char *key)
{
    json_t *part = ns_json_at(message, key);
    char *text = part == NULL ? NULL : json_dumps(part, JSON_COMPACT | JSON_ENCODE_ANY);
    ns_json_key(w, key);
    if (text == NULL)
        ns_json_put_null(w);
    else
        ns_json_put_raw(w, ns_text_of(text));
    ns_free(text); /* jansson takes its memory from ours */
}

static void put_body(const notify_self *self, const ns_effect *effect, ns_buf *out)
{
    ns_json_writer w;
    json_t *message = NULL;
    if (ns_json_read(ns_text_of(effect->message), &message, NULL) != NS_OK)
        message = NULL;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_string(&w, "event", "escalate");
    ns_json_field_string(&w, "key", effect->key);
    ns_json_field_int(&w, "case", effect->case_id);
    ns_json_field_int(&w, "attempt", effect->attempt);
    ns_json_field_string(&w, "pipeline", effect->jenkins_job);
    ns_json_field_int_or_null(&w, "build", effect->build > 0 ? effect->build : -1);
    ns_json_field_string(&w, "cause", ns_cause_name(effect->cause));
    ns_json_field_string(&w, "meaning", ns_cause_meaning(effect->cause));
    put_part(&w, message, "failure_probability");
    put_part(&w, message, "since");
    put_part(&w, message, "evidence");
    put_part(&w, message, "tried");
    ns_json_field_string_or_null(&w, "message", message == NULL ? effect->message : NULL);
    put_links(&w, self, effect);
    ns_json_end_object(&w);
    json_decref(message);
}

static void tell_log(const ns_effect *effect)
{
    char job[NS_JOB_MAX + 16];
    ns_log(NS_LOG_WARNING, "orchestration", "escalated", "case=%lld job=%s build=%lld cause=%s key=%s",
           (long long)effect->case_id, ns_log_quote(job, sizeof job, effect->jenkins_job), (long long)effect->build,
           ns_cause_name(effect->cause), effect->key);
}

/* 2xx: taken. Any other answer, or no connection at all: certainly not taken. The rest cannot be told. */
static ns_sent judge_answer(const ns_http_answer *got, ns_error *error)
{
    *error = (ns_error){.status = NS_OK};
    if (got->code >= 200 && got->code < 300)
        return NS_SENT_acknowledged; /* whatever became of the body */
    if (got->status == NS_OK || (got->status == NS_TOO_LARGE && got->code > 0)) {
        (void)ns_fail(error,
                      got->code == 401   ? NS_UNAUTHORIZED
                      : got->code == 403 ? NS_FORBIDDEN
                                         : NS_REFUSED,
                      "the webhook answered %d", got->code);
        return got->code >= 500 ? NS_SENT_unknown : NS_SENT_refused;
    }
    *error = got->error;
    if (error->status == NS_OK)
        (void)ns_fail(error, got->status, "the webhook: %s", ns_status_sentence(got->status));
    return got->status == NS_UNREACHABLE ? NS_SENT_refused : NS_SENT_unknown;
}

static void delivered(void *owner, const ns_http_answer *got)
{
    delivery *one = owner;
    ns_error error;
    ns_sent sent = judge_answer(got, &error);
    one->self->under_way--;
    if (sent == NS_SENT_acknowledged)
        tell_log(&one->effect);
    answer(&one->effect, sent, error, one->done, one->owner);
    ns_free(one);
}

static ns_status start(notify_self *self, delivery *one, ns_error *err)
{
    const ns_http_header headers[] = {{"Idempotency-Key", one->effect.key}};
    ns_buf body;
    ns_buf_init(&body, BODY_MAX);
    put_body(self, &one->effect, &body);
    ns_status status = body.failed ? ns_fail(err, NS_NO_MEMORY, "no memory for the message") : NS_OK;
    if (status == NS_OK)
        status = ns_http_start(self->client,
                               &(ns_http_request){.method = "POST",
                                                  .path = self->path,
                                                  .headers = headers,
                                                  .header_count = NS_COUNT_OF(headers),
                                                  .content_type = "application/json",
                                                  .body = ns_buf_view(&body),
                                                  .body_ceiling = ANSWER_MAX,
                                                  .done = delivered,
                                                  .owner = one},
                               NULL, err);
    ns_buf_clear(&body);
    return status;
}

static void notify_send(void *state, const ns_effect *effect, ns_effect_done *done, void *owner)
{
    notify_self *self = state;
    ns_error error = {.status = NS_OK};
    if (self->client == NULL) {
        tell_log(effect);
        answer(effect, NS_SENT_acknowledged, error, done, owner);
        return;
    }
    delivery *one = NS_NEW(delivery);
    ns_status status = one == NULL ? ns_fail(&error, NS_NO_MEMORY, "no memory for the message") : NS_OK;
    if (one != NULL) {
        *one = (delivery){.self = self, .effect = *effect, .done = done, .owner = owner};
        self->under_way++;
        status = start(self, one, &error);
    }
    if (status == NS_OK)
        return;
    if (one != NULL)
        self->under_way--;
    ns_free(one);
    answer(effect, NS_SENT_refused, error, done, owner);
}

static void notify_free(void *state)
{
    notify_self *self = state;
    if (self == NULL)
        return;
    ns_http_client_free(self->client);
    NS_CHECK(self->under_way == 0); /* the client called every `done` */
    ns_free(self);
}

/* Cuts scheme://authority off; the rest, at least "/", is the path with its query. */
static ns_status split_url(const char *url, char base[URL_MAX], char path[URL_MAX], ns_error *err)
{
    const char *host = strstr(url, "://");
    host = host == NULL ? url : host + 3;
    size_t cut = (size_t)(host - url) + strcspn(host, "/?#");
    size_t fragment = strcspn(url, "#");
    ns_text rest = {url + cut, fragment > cut ? fragment - cut : 0};
    if (!ns_text_copy(base, URL_MAX, (ns_text){url, cut}) || rest.len + 2 > URL_MAX)
        return ns_fail(err, NS_BAD_USAGE, "the webhook's URL is longer than %d bytes", URL_MAX - 2);
    ns_url parsed;
    ns_status status = ns_url_parse(base, &parsed, err);
    if (status != NS_OK)
        return ns_fail_in(err, NS_BAD_USAGE, "webhook");
    for (size_t i = 0; i < rest.len; i++)
        if ((unsigned char)rest.at[i] <= 0x20 || (unsigned char)rest.at[i] >= 0x7f)
            return ns_fail(err, NS_BAD_USAGE, "the webhook's URL holds a byte that must be percent-encoded");
    ns_url_print(&parsed, base, URL_MAX);
    path[0] = '/';
    (void)ns_text_copy(rest.len > 0 && rest.at[0] == '/' ? path : path + 1, URL_MAX - 1, rest);
    return NS_OK;
}

/* Keeps a base URL without credentials and without its last slash; "" for none or a bad one. */
static void keep_link(char out[URL_MAX], const char *url)
{
    ns_url parsed;
    out[0] = '\0';
    if (url != NULL && url[0] != '\0' && ns_url_parse(url, &parsed, NULL) == NS_OK)
        ns_url_print(&parsed, out, URL_MAX);
}

static ns_status make_client(struct event_base *loop, const ns_notify_options *options, notify_self *self,
                             ns_error *err)
{
    char base[URL_MAX];
    ns_status status = split_url(options->webhook_url, base, self->path, err);
    if (status != NS_OK)
        return status;
    ns_http_client_options client = {.name = "webhook",
                                     .base_url = base,
                                     .bearer_token = options->bearer_token,
                                     .ca_file = options->ca_file,
                                     .max_connections = CALLS_MAX,
                                     .total_timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS};
    return ns_http_client_new(loop, &client, &self->client, err);
}

ns_status ns_notify_hands_new(struct event_base *loop, const ns_notify_options *options, ns_hands *out, ns_error *err)
{
    notify_self *self = NS_NEW(notify_self);
    if (self == NULL)
        return ns_fail(err, NS_NO_MEMORY, "notify: no memory");
    keep_link(self->jenkins_url, options->jenkins_url);
    keep_link(self->own_url, options->own_url);
    bool webhook = options->webhook_url != NULL && options->webhook_url[0] != '\0';
    ns_status status = webhook ? make_client(loop, options, self, err) : NS_OK;
    if (status != NS_OK) {
        notify_free(self);
        return status;
    }
    *out = (ns_hands){.self = self,
                      .name = webhook ? "webhook" : "log",
                      .actions = NS_ACTION_BIT(NS_ACTION_escalate),
                      .prepare = notify_prepare,
                      .send = notify_send,
                      .reconcile = notify_reconcile,
                      .free = notify_free};
    return NS_OK;
}

/* ---- the message ---- */

static void put_evidence(ns_json_writer *w, const ns_prediction *prediction, size_t count)
{
    ns_json_key(w, "evidence");
    ns_json_array(w);
    for (size_t i = 0; i < count; i++) {
        const ns_evidence *one = &prediction->evidence[i];
        ns_json_object(w);
        ns_json_field_int(w, "line", one->line);
        ns_json_field_string(w, "text", one->text);
        ns_json_field_real(w, "weight", one->weight);
        ns_json_field_bool(w, "new", one->is_new);
        ns_json_end_object(w);
    }
    ns_json_end_array(w);
}

static void put_message(const ns_case *a_case, const ns_prediction *prediction, size_t evidence, ns_buf *out)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_real(&w, "failure_probability", prediction == NULL ? NAN : prediction->fail_probability);
    ns_json_field_time(&w, "since", a_case->first_bad_ms);
    put_evidence(&w, prediction, evidence);
    ns_json_key(&w, "tried");
    ns_json_object(&w);
    for (int a = 0; a < NS_ACTION_COUNT; a++)
        if (a_case->tried[a] > 0)
            ns_json_field_int(&w, ns_action_name((ns_action)a), a_case->tried[a]);
    ns_json_end_object(&w);
    ns_json_end_object(&w);
}

void ns_notify_message(const ns_case *a_case, const ns_prediction *prediction, char out[1024])
{
    size_t evidence = prediction == NULL ? 0 : prediction->evidence_count;
    evidence = evidence < EVIDENCE_MAX ? evidence : EVIDENCE_MAX;
    out[0] = '\0';
    for (;; evidence--) {
        ns_buf text;
        ns_buf_init(&text, 1023);
        put_message(a_case, prediction, evidence, &text);
        bool fits = !text.failed;
        if (fits)
            (void)ns_text_copy(out, 1024, ns_buf_view(&text));
        ns_buf_clear(&text);
        if (fits || evidence == 0)
            return;
    }
}
