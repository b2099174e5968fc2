#include "wire/jenkins_client.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "wire/jenkins_facts.h"

#include <string.h>

enum { FORM_MAX = 256 * 1024, CRUMB_MAX = 512, AT_ONCE = 2 };

typedef enum crumb_state { CRUMB_UNKNOWN, CRUMB_KNOWN, CRUMB_OFF } crumb_state;

struct ns_jenkins {
    ns_http_client *http;
    ns_jenkins_call *first; /* all that still owe a `done` */
    char *username;
    bool needs_crumb; /* no API token: a POST needs one unless the server has switched them off */
    crumb_state crumb;
    char crumb_field[64];
    char crumb_value[CRUMB_MAX];
    size_t json_ceiling;
    int64_t back_off_ms, back_off_max_ms, unauthorized_ms;
    ns_rng rng;
    ns_error trouble; /* NS_OK: none */
    int64_t next_try_ms;
    int64_t wait_ms;
    const ns_jenkins_call *probe; /* the one that tries again */
    char session[80];
    uint64_t restarts;
    bool closing;
};

struct ns_jenkins_call {
    ns_jenkins *jenkins;
    ns_jenkins_call *prev, *next;
    ns_jenkins_request request;
    char *path;
    char *form;
    ns_http_call *http;
    bool crumb_renewed;
    bool left; /* the POST itself (not only the crumb's GET) has gone out */
};

static int64_t now_ms(void)
{
    return ns_monotonic_ns() / 1000000;
}

static ns_status send_main(ns_jenkins_call *call, ns_error *err);
static ns_status send_crumb(ns_jenkins_call *call, ns_error *err);

/* ---- calls ---- */

static void call_free(ns_jenkins_call *call)
{
    if (call->prev != NULL)
        call->prev->next = call->next;
    else if (call->jenkins->first == call)
        call->jenkins->first = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    ns_free(call->path);
    ns_free(call->form);
    ns_free(call);
}

static ns_jenkins_call *call_new(ns_jenkins *jenkins, const ns_jenkins_request *request)
{
    ns_jenkins_call *call = NS_NEW(ns_jenkins_call);
    if (call == NULL)
        return NULL;
    call->jenkins = jenkins;
    call->request = *request;
    call->path = ns_strdup(request->path);
    call->form = ns_strndup(request->form.len == 0 ? "" : request->form.at, request->form.len);
    if (call->path == NULL || call->form == NULL) {
        ns_free(call->path);
        ns_free(call->form);
        ns_free(call);
        return NULL;
    }
    call->next = jenkins->first;
    if (jenkins->first != NULL)
        jenkins->first->prev = call;
    jenkins->first = call;
    return call;
}

/* Owes nothing more after this: the call is gone before its owner hears of it, so that it may start the next one. */
static void finish(ns_jenkins_call *call, ns_jenkins_answer *answer)
{
    ns_jenkins_done *done = call->request.done;
    void *owner = call->request.owner;
    answer->left = call->left;
    if (call->jenkins->probe == call)
        call->jenkins->probe = NULL;
    call_free(call);
    done(owner, answer);
}

static void finish_with(ns_jenkins_call *call, const ns_error *error)
{
    ns_jenkins_answer answer = {.status = error->status, .queue_id = -1, .text_size = -1, .error = *error};
    finish(call, &answer);
}

/* ---- trouble and back-off ---- */

static int64_t jittered(ns_jenkins *jenkins, int64_t wait_ms)
{
    double wait = (double)wait_ms * (0.75 + 0.5 * ns_rng_uniform(&jenkins->rng));
    if (wait < (double)jenkins->back_off_ms)
        wait = (double)jenkins->back_off_ms;
    return wait > (double)jenkins->back_off_max_ms ? jenkins->back_off_max_ms : (int64_t)wait;
}

/* Whether this says something about Jenkins as a whole, not about the one thing asked for. A log may be slow. */
static bool is_trouble(const ns_jenkins_call *call, ns_status status)
{
    return status == NS_STARTING || status == NS_UNREACHABLE || status == NS_UNAUTHORIZED ||
           (status == NS_TIMEOUT && call->request.kind != NS_JENKINS_TEXT);
}

static void note_trouble(ns_jenkins_call *call, const ns_error *error)
{
    ns_jenkins *jenkins = call->jenkins;
    /* Those that were under way when it began fail too: they do not lengthen the wait. */
    if (jenkins->trouble.status != NS_OK && jenkins->probe != call)
        return;
    if (error->status == NS_UNAUTHORIZED) {
        jenkins->wait_ms = jenkins->unauthorized_ms;
        jenkins->next_try_ms = now_ms() + jenkins->unauthorized_ms;
    } else {
        bool again = jenkins->trouble.status != NS_OK && jenkins->trouble.status != NS_UNAUTHORIZED;
        jenkins->wait_ms = again ? jenkins->wait_ms * 2 : jenkins->back_off_ms;
        if (jenkins->wait_ms > jenkins->back_off_max_ms)
            jenkins->wait_ms = jenkins->back_off_max_ms;
        jenkins->next_try_ms = now_ms() + jittered(jenkins, jenkins->wait_ms);
    }
    jenkins->trouble = *error;
}

static void note_session(ns_jenkins *jenkins, const ns_http_call *http)
{
    ns_text session;
    if (!ns_http_header_of(http, "X-Jenkins-Session", &session) || session.len == 0 ||
        session.len >= sizeof jenkins->session || ns_text_is(session, jenkins->session))
        return;
    if (jenkins->session[0] != '\0') {
        jenkins->restarts++;
        jenkins->crumb = CRUMB_UNKNOWN; /* its session is gone */
    }
    (void)ns_text_copy(jenkins->session, sizeof jenkins->session, session);
}

/* Reads the head of what came: the status it means, and whether Jenkins as a whole is well. */
static ns_status judge(ns_jenkins_call *call, ns_jenkins_kind kind, const ns_http_answer *http, ns_error *err)
{
    ns_jenkins *jenkins = call->jenkins;
    ns_status status = http->status;
    *err = http->error;
    err->status = status;
    if (status == NS_OK) {
        ns_jenkins_head head = {.kind = kind, .code = http->code, .body = http->body};
        (void)ns_http_header_of(http->call, "Content-Type", &head.content_type);
        (void)ns_http_header_of(http->call, "Location", &head.location);
        (void)ns_http_header_of(http->call, "X-You-Are-Authenticated-As", &head.user);
        (void)ns_http_header_of(http->call, "X-Required-Permission", &head.permission);
        err->text[0] = '\0';
        status = ns_jenkins_classify(&head, err);
        note_session(jenkins, http->call);
        if (status != NS_OK)
            status = ns_fail_in(err, status, "Jenkins %s", ns_http_client_base_url(jenkins->http));
    }
    if (is_trouble(call, status))
        note_trouble(call, err);
    else if (http->code > 0)
        jenkins->trouble = (ns_error){.status = NS_OK};
    return status;
}

/* ---- crumbs ---- */

static ns_status keep_crumb(ns_jenkins *jenkins, ns_text body, ns_error *err)
{
    json_t *json;
    ns_status status = ns_json_read_lenient(body, &json, err);
    if (status != NS_OK)
        return ns_fail(err, NS_PROTOCOL, "Jenkins %s: the crumb is no JSON", ns_jenkins_base_url(jenkins));
    ns_text field, value;
    bool good = ns_json_text(json, "crumbRequestField", &field) && ns_json_text(json, "crumb", &value) &&
                field.len > 0 && value.len > 0 &&
                ns_text_copy(jenkins->crumb_field, sizeof jenkins->crumb_field, field) &&
                ns_text_copy(jenkins->crumb_value, sizeof jenkins->crumb_value, value);
    json_decref(json);
    if (!good)
        return ns_fail(err, NS_PROTOCOL, "Jenkins %s: the crumb's answer is not understood",
                       ns_jenkins_base_url(jenkins));
    jenkins->crumb = CRUMB_KNOWN;
    return NS_OK;
}

static void crumb_done(void *owner, const ns_http_answer *http)
{
    ns_jenkins_call *call = owner;
    ns_jenkins *jenkins = call->jenkins;
    call->http = NULL;
    ns_error err;
    ns_status status = judge(call, NS_JENKINS_JSON, http, &err);
    if (status == NS_OK)
        status = keep_crumb(jenkins, http->body, &err);
    else if (status == NS_NOT_FOUND) {
        jenkins->crumb = CRUMB_OFF;
        status = NS_OK;
    }
    if (status == NS_OK && !jenkins->closing)
        status = send_main(call, &err);
    else if (status == NS_OK)
        status = ns_fail(&err, NS_CANCELLED, "given up");
    if (status != NS_OK)
        finish_with(call, &err);
}

static ns_status send_crumb(ns_jenkins_call *call, ns_error *err)
{
    ns_http_request request = {.path = "/crumbIssuer/api/json", .done = crumb_done, .owner = call};
    return ns_http_start(call->jenkins->http, &request, &call->http, err);
}

/* ---- the request itself ---- */

static bool renew_crumb(ns_jenkins_call *call, const ns_http_answer *http, ns_status status, ns_error *err)
{
    ns_jenkins *jenkins = call->jenkins;
    if (call->request.kind != NS_JENKINS_POST || status != NS_FORBIDDEN || call->crumb_renewed ||
        !jenkins->needs_crumb || jenkins->closing || ns_text_find(http->body, "No valid crumb") < 0)
        return false;
    call->crumb_renewed = true;
    call->left = false; /* the filter refused it before anything was done */
    jenkins->crumb = CRUMB_UNKNOWN;
    if (send_crumb(call, err) != NS_OK)
        finish_with(call, err);
    return true;
}

static void read_log_head(ns_jenkins_answer *answer, const ns_http_answer *http)
{
    ns_text more;
    answer->text_size = http->code == 200 ? ns_jenkins_text_size(http->call) : -1;
    answer->more = ns_http_header_of(http->call, "X-More-Data", &more) && !ns_text_is(more, "false");
    if (answer->status == NS_OK && answer->text_size < 0)
        answer->status = ns_fail(&answer->error, NS_PROTOCOL, "a log came without X-Text-Size");
}

static void main_done(void *owner, const ns_http_answer *http)
{
    ns_jenkins_call *call = owner;
    ns_jenkins_kind kind = call->request.kind;
    call->http = NULL;
    ns_jenkins_answer answer = {.code = http->code, .queue_id = -1, .text_size = -1};
    answer.status = judge(call, kind, http, &answer.error);
    if (renew_crumb(call, http, answer.status, &answer.error))
        return;
    json_t *json = NULL;
    if (kind == NS_JENKINS_JSON && answer.status == NS_OK) {
        answer.status = ns_json_read_lenient(http->body, &json, &answer.error);
        if (answer.status != NS_OK && answer.status != NS_NO_MEMORY) {
            ns_error why = answer.error;
            answer.status = ns_fail(&answer.error, NS_PROTOCOL, "Jenkins %s: not JSON: %.300s",
                                    ns_jenkins_base_url(call->jenkins), why.text);
        }
        answer.json = json;
    } else if (kind == NS_JENKINS_TEXT && http->code > 0) {
        read_log_head(&answer, http);
    } else if (kind == NS_JENKINS_POST && http->code > 0) {
        ns_text location;
        if (ns_http_header_of(http->call, "Location", &location))
            answer.queue_id = ns_jenkins_queue_item_of(location);
    }
    finish(call, &answer);
    json_decref(json);
}

/* Only the body of a good answer is a log. The rest is swallowed; judge() tells what it was. */
static bool text_piece(void *owner, const ns_http_call *http, ns_text piece)
{
    ns_jenkins_call *call = owner;
    ns_text type = {NULL, 0};
    (void)ns_http_header_of(http, "Content-Type", &type);
    if (ns_http_code_of(http) != 200 || ns_text_starts(type, "text/html") || ns_jenkins_text_size(http) < 0)
        return true;
    return call->request.on_text(call->request.owner, http, piece);
}

static ns_status send_main(ns_jenkins_call *call, ns_error *err)
{
    ns_jenkins *jenkins = call->jenkins;
    const ns_jenkins_request *asked = &call->request;
    bool post = asked->kind == NS_JENKINS_POST;
    ns_http_header crumb = {jenkins->crumb_field, jenkins->crumb_value};
    ns_http_request request = {
        .method = post ? "POST" : "GET",
        .path = call->path,
        .headers = &crumb,
        .header_count = post && jenkins->needs_crumb && jenkins->crumb == CRUMB_KNOWN ? 1 : 0,
        .content_type = post ? "application/x-www-form-urlencoded" : NULL,
        .body = post ? (ns_text){call->form, asked->form.len} : (ns_text){NULL, 0},
        .body_ceiling = asked->ceiling != 0 ? asked->ceiling : jenkins->json_ceiling,
        .total_timeout_ms = asked->timeout_ms,
        .follow_redirects = !post,
        .on_body = asked->kind == NS_JENKINS_TEXT ? text_piece : NULL,
        .done = main_done,
        .owner = call,
    };
    ns_status status = ns_http_start(jenkins->http, &request, &call->http, err);
    call->left = post && status == NS_OK;
    return status;
}

ns_status ns_jenkins_start(ns_jenkins *jenkins, const ns_jenkins_request *request, ns_jenkins_call **out, ns_error *err)
{
    NS_CHECK(request->done != NULL && request->path[0] == '/');
    NS_CHECK(request->kind != NS_JENKINS_TEXT || request->on_text != NULL);
    if (jenkins->closing)
        return ns_fail(err, NS_CANCELLED, "the client is being closed");
    if (!ns_jenkins_ready(jenkins))
        return ns_fail(err, jenkins->trouble.status, "%s; waiting before asking again", jenkins->trouble.text);
    if (request->form.len > FORM_MAX)
        return ns_fail(err, NS_TOO_LARGE, "a form of %zu bytes", request->form.len);
    ns_jenkins_call *call = call_new(jenkins, request);
    if (call == NULL)
        return ns_fail(err, NS_NO_MEMORY, "a request to Jenkins");
    bool crumb_first = request->kind == NS_JENKINS_POST && jenkins->needs_crumb && jenkins->crumb == CRUMB_UNKNOWN;
    ns_status status = crumb_first ? send_crumb(call, err) : send_main(call, err);
    if (status != NS_OK) {
        call_free(call);
        return status;
    }
    if (jenkins->trouble.status != NS_OK)
        jenkins->probe = call;
    if (out != NULL)
        *out = call;
    return NS_OK;
}

void ns_jenkins_resume(ns_jenkins_call *call)
{
    if (call->http != NULL)
        ns_http_resume(call->http);
}

static ns_jenkins_call *first_of(ns_jenkins *jenkins, const void *group)
{
    for (ns_jenkins_call *call = jenkins->first; call != NULL; call = call->next)
        if (group == NULL || call->request.group == group)
            return call;
    return NULL;
}

void ns_jenkins_cancel(ns_jenkins *jenkins, const void *group)
{
    /* Each cancel calls `done`, which may change the list: look anew. */
    for (ns_jenkins_call *call; (call = first_of(jenkins, group)) != NULL;) {
        NS_CHECK(call->http != NULL);
        ns_http_cancel(call->http);
    }
}

/* ---- the client ---- */

ns_status ns_jenkins_new(struct event_base *loop, const ns_jenkins_options *options, ns_jenkins **out, ns_error *err)
{
    ns_jenkins *jenkins = NS_NEW(ns_jenkins);
    if (jenkins == NULL)
        return ns_fail(err, NS_NO_MEMORY, "the Jenkins client");
    bool token = options->token != NULL && options->token[0] != '\0';
    jenkins->needs_crumb = !token;
    jenkins->json_ceiling = options->json_ceiling != 0 ? options->json_ceiling : 32u << 20;
    jenkins->back_off_ms = options->back_off_ms != 0 ? options->back_off_ms : 5000;
    jenkins->back_off_max_ms = options->back_off_max_ms != 0 ? options->back_off_max_ms : 60000;
    jenkins->unauthorized_ms = options->unauthorized_ms != 0 ? options->unauthorized_ms : 60000;
    ns_rng_seed_named(&jenkins->rng, options->seed, "jenkins");
    jenkins->username = ns_strdup(options->username == NULL ? "" : options->username);
    ns_http_client_options http = {
        .name = "jenkins",
        .base_url = options->base_url,
        .username = options->username,
        .password = token ? options->token : options->password,
        .ca_file = options->ca_file,
        .client_cert_file = options->client_cert_file,
        .client_key_file = options->client_key_file,
        .insecure = options->insecure,
        .max_connections = AT_ONCE,
        .connect_timeout_ms = options->connect_timeout_ms,
        .total_timeout_ms = options->total_timeout_ms,
        .cookies = !token, /* a crumb is bound to its session; with a token a session would only cost */
    };
    ns_status status = jenkins->username == NULL ? ns_fail(err, NS_NO_MEMORY, "the Jenkins client")
                                                 : ns_http_client_new(loop, &http, &jenkins->http, err);
    if (status != NS_OK) {
        ns_free(jenkins->username);
        ns_free(jenkins);
        return status;
    }
    *out = jenkins;
    return NS_OK;
}

void ns_jenkins_free(ns_jenkins *jenkins)
{
    if (jenkins == NULL)
        return;
    jenkins->closing = true;
    ns_jenkins_cancel(jenkins, NULL);
    ns_http_client_free(jenkins->http);
    ns_free(jenkins->username);
    ns_free(jenkins);
}

bool ns_jenkins_ready(const ns_jenkins *jenkins)
{
    return jenkins->trouble.status == NS_OK || (jenkins->probe == NULL && now_ms() >= jenkins->next_try_ms);
}

uint64_t ns_jenkins_restarts(const ns_jenkins *jenkins)
{
    return jenkins->restarts;
}

const char *ns_jenkins_username(const ns_jenkins *jenkins)
{
    return jenkins->username;
}

const char *ns_jenkins_base_url(const ns_jenkins *jenkins)
{
    return ns_http_client_base_url(jenkins->http);
}

int64_t ns_jenkins_text_size(const ns_http_call *call)
{
    ns_text size;
    int64_t bytes;
    if (!ns_http_header_of(call, "X-Text-Size", &size) || !ns_text_int64(ns_text_trim(size), &bytes) || bytes < 0)
        return -1;
    return bytes;
}
