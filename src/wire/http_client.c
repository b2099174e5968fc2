/* The HTTP client on the loop: libcurl's sockets and timer as libevent events, the queue, the life of calls. */
#include "wire/http_call.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { MOST_QUEUED = 4096 };

static struct timeval in_ms(long ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

static void pump_soon(ns_http_client *client)
{
    struct timeval now = {0};
    (void)evtimer_add(client->pump, &now);
}

/* The queue */

static void enqueue(ns_http_client *client, ns_http_call *call)
{
    call->prev = client->last;
    if (client->last != NULL)
        client->last->next = call;
    else
        client->first = call;
    client->last = call;
    client->queued++;
}

static void take_out(ns_http_client *client, ns_http_call *call)
{
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        client->first = call->next;
    if (call->next != NULL)
        call->next->prev = call->prev;
    else
        client->last = call->prev;
    call->prev = call->next = NULL;
}

/* The life of the client and its calls: both may end inside a callback of ours or of libcurl's. */

static void forget(ns_http_client *client, ns_http_call *call)
{
    (void)curl_multi_remove_handle(client->multi, call->easy);
    call_free(call);
}

static void bury_dead(ns_http_client *client)
{
    while (client->in_curl == 0 && client->dead != NULL) {
        ns_http_call *call = client->dead;
        client->dead = call->next;
        forget(client, call);
    }
}

static void wipe(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    ns_free(secret);
}

static void wipe_pem(char *pem, size_t len)
{
    if (pem != NULL)
        explicit_bzero(pem, len);
    ns_free(pem);
}

static void destroy(ns_http_client *client)
{
    bury_dead(client);
    if (client->multi != NULL)
        (void)curl_multi_cleanup(client->multi);
    if (client->share != NULL)
        (void)curl_share_cleanup(client->share);
    if (client->timer != NULL)
        event_free(client->timer);
    if (client->pump != NULL)
        event_free(client->pump);
    wipe(client->username);
    wipe(client->password);
    wipe(client->bearer_token);
    ns_free(client->ca_file);
    ns_free(client->client_cert_file);
    ns_free(client->client_key_file);
    wipe_pem(client->ca_pem, client->ca_pem_len);
    wipe_pem(client->client_cert_pem, client->client_cert_pem_len);
    wipe_pem(client->client_key_pem, client->client_key_pem_len);
    ns_free(client->tls_server_name);
    ns_free(client->proxy);
    ns_free(client->unix_socket);
    ns_free(client);
}

static void enter(ns_http_client *client)
{
    client->busy++;
}

static void leave(ns_http_client *client)
{
    bury_dead(client);
    if (--client->busy == 0 && client->closing)
        destroy(client);
}

/* The one way a call ends. The caller has entered the client. */
static void finish(ns_http_call *call, ns_status status, const ns_error *err)
{
    ns_http_client *client = call->client;
    take_out(client, call);
    if (call->state == CALL_RUNNING)
        client->running--;
    else
        client->queued--;
    call->state = CALL_OVER;
    if (call->timer != NULL)
        (void)event_del(call->timer);
    ns_http_answer answer = {.status = status, .code = call->code, .call = call};
    if (call->on_body == NULL)
        answer.body = ns_buf_view(&call->body);
    if (status != NS_OK)
        answer.error = *err;
    if (call->started_ns > 0)
        answer.elapsed_ms = (double)(ns_monotonic_ns() - call->started_ns) / 1e6;
    if (client->in_curl == 0)
        (void)curl_multi_remove_handle(client->multi, call->easy);
    call->done(call->owner, &answer);
    if (client->in_curl == 0) {
        call_free(call);
    } else {
        call->next = client->dead;
        client->dead = call;
    }
    if (client->queued > 0 && !client->closing)
        pump_soon(client);
}

static void cancel(ns_http_call *call)
{
    ns_error err;
    ns_status status = ns_fail(&err, NS_CANCELLED, "%s %s: given up", call->client->name, call->client->base_text);
    finish(call, status, &err);
}

static void too_late(evutil_socket_t fd, short what, void *owner)
{
    ns_http_call *call = owner;
    ns_http_client *client = call->client;
    ns_error err;
    (void)fd;
    (void)what;
    enter(client);
    ns_status status =
        ns_fail(&err, NS_TIMEOUT, "%s %s: no %s in %ld ms; is %s right?", client->name, client->base_text,
                call->code == 0 ? "answer" : "whole answer", call->total_ms, client->url_key);
    finish(call, status, &err);
    leave(client);
}

static void count_time(ns_http_call *call)
{
    struct timeval left = in_ms(call->left_ms > 0 ? call->left_ms : 0);
    call->counting_from_ns = ns_monotonic_ns();
    (void)evtimer_add(call->timer, &left);
}

/* libcurl's side */

static void settle(ns_http_call *call, CURLcode result)
{
    ns_error err;
    ns_status status = call_judge(call, result, &err);
    if (status == NS_OK && call_redirected(call, &status, &err)) {
        (void)curl_multi_remove_handle(call->client->multi, call->easy);
        if (curl_multi_add_handle(call->client->multi, call->easy) == CURLM_OK)
            return;
        status = ns_fail(&err, NS_NO_MEMORY, "%s: no memory for a redirect", call->client->name);
    }
    finish(call, status, &err);
}

static void read_results(ns_http_client *client)
{
    int left;
    for (CURLMsg *message; !client->closing && (message = curl_multi_info_read(client->multi, &left)) != NULL;) {
        ns_http_call *call = NULL;
        CURLcode result = message->data.result; /* the message dies with the handle */
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        NS_CHECK(message->msg == CURLMSG_DONE && call != NULL);
        if (call->state == CALL_RUNNING)
            settle(call, result);
    }
}

static void run_curl(ns_http_client *client, curl_socket_t fd, int what)
{
    int running;
    enter(client);
    client->in_curl++;
    (void)curl_multi_socket_action(client->multi, fd, what, &running);
    client->in_curl--;
    bury_dead(client);
    read_results(client);
    leave(client);
}

static void on_socket(evutil_socket_t fd, short what, void *owner)
{
    run_curl(owner, fd,
             ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *owner)
{
    (void)fd;
    (void)what;
    run_curl(owner, CURL_SOCKET_TIMEOUT, 0);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *watched)
{
    ns_http_client *client = owner;
    struct event *event = watched;
    (void)easy;
    if (event != NULL)
        event_free(event);
    event = NULL;
    if (what != CURL_POLL_REMOVE && what != CURL_POLL_NONE) {
        short kinds = EV_PERSIST;
        if ((what & CURL_POLL_IN) != 0)
            kinds |= EV_READ;
        if ((what & CURL_POLL_OUT) != 0)
            kinds |= EV_WRITE;
        event = event_new(client->loop, fd, kinds, on_socket, client);
        if (event == NULL || event_add(event, NULL) != 0) {
            if (event != NULL)
                event_free(event);
            (void)curl_multi_assign(client->multi, fd, NULL);
            return -1;
        }
    }
    (void)curl_multi_assign(client->multi, fd, event);
    return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *owner)
{
    ns_http_client *client = owner;
    (void)multi;
    if (timeout_ms < 0) {
        (void)evtimer_del(client->timer);
        return 0;
    }
    struct timeval wait = in_ms(timeout_ms);
    return evtimer_add(client->timer, &wait);
}

/* Starting and resuming, always from the loop */

static void begin(ns_http_call *call)
{
    ns_http_client *client = call->client;
    ns_error err;
    client->queued--;
    client->running++;
    call->state = CALL_RUNNING;
    call->started_ns = ns_monotonic_ns();
    call->left_ms = call->total_ms;
    count_time(call);
    if (curl_multi_add_handle(client->multi, call->easy) != CURLM_OK) {
        ns_status status =
            ns_fail(&err, NS_NO_MEMORY, "%s %s: no memory for a request", client->name, client->base_text);
        finish(call, status, &err);
    }
}

static ns_http_call *next_to_begin(const ns_http_client *client)
{
    if (client->closing || client->queued == 0 || client->running >= client->max_connections)
        return NULL;
    ns_http_call *call = client->first;
    while (call->state != CALL_QUEUED)
        call = call->next;
    return call;
}

static ns_http_call *next_to_resume(const ns_http_client *client)
{
    ns_http_call *call = client->closing ? NULL : client->first;
    while (call != NULL && !call->resume)
        call = call->next;
    return call;
}

static void on_pump(evutil_socket_t fd, short what, void *owner)
{
    ns_http_client *client = owner;
    (void)fd;
    (void)what;
    enter(client);
    for (ns_http_call *call; (call = next_to_begin(client)) != NULL;)
        begin(call);
    for (ns_http_call *call; (call = next_to_resume(client)) != NULL;) {
        call->resume = call->paused = false;
        count_time(call);
        client->in_curl++;
        (void)curl_easy_pause(call->easy, CURLPAUSE_CONT); /* offers the kept piece at once */
        client->in_curl--;
        bury_dead(client);
    }
    if (!client->closing)
        read_results(client);
    leave(client);
}

/* The door */

static bool curl_works;

static void start_curl(void)
{
    curl_works = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static bool keep(char **copy, const char *text)
{
    *copy = text == NULL ? NULL : ns_strdup(text);
    return text == NULL || *copy != NULL;
}

static bool keep_pem(char **copy, size_t *len, ns_text pem)
{
    *copy = pem.len == 0 ? NULL : ns_strndup(pem.at, pem.len);
    *len = pem.len;
    return pem.len == 0 || *copy != NULL;
}

static bool keep_pems(ns_http_client *client, const ns_http_client_options *options)
{
    return keep_pem(&client->ca_pem, &client->ca_pem_len, options->ca_pem) &&
           keep_pem(&client->client_cert_pem, &client->client_cert_pem_len, options->client_cert_pem) &&
           keep_pem(&client->client_key_pem, &client->client_key_pem_len, options->client_key_pem);
}

static bool keep_options(ns_http_client *client, const ns_http_client_options *options)
{
    (void)ns_text_copy(client->name, sizeof client->name, ns_text_of(options->name));
    const char *by = options->configured_by;
    (void)snprintf(client->url_key, sizeof client->url_key, by == NULL ? "%s.url" : "%s",
                   by == NULL ? client->name : by);
    (void)snprintf(client->trust_key, sizeof client->trust_key, by == NULL ? "%s.ca_file" : "%s",
                   by == NULL ? client->name : by);
    ns_url_print(&client->base, client->base_text, sizeof client->base_text);
    client->insecure = options->insecure;
    client->max_connections = options->max_connections > 0 ? (size_t)options->max_connections : 2;
    client->connect_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : 5000;
    client->total_timeout_ms = options->total_timeout_ms > 0 ? options->total_timeout_ms : 30000;
    return keep(&client->username, options->username) && keep(&client->password, options->password) &&
           keep(&client->bearer_token, options->bearer_token) && keep(&client->ca_file, options->ca_file) &&
           keep(&client->client_cert_file, options->client_cert_file) &&
           keep(&client->client_key_file, options->client_key_file) &&
           keep(&client->unix_socket, options->unix_socket) &&
           keep(&client->tls_server_name, options->tls_server_name) && keep(&client->proxy, options->proxy) &&
           keep_pems(client, options);
}

static bool set_up_multi(ns_http_client *client, bool cookies)
{
    client->timer = evtimer_new(client->loop, on_timer, client);
    client->pump = evtimer_new(client->loop, on_pump, client);
    client->multi = curl_multi_init();
    if (client->timer == NULL || client->pump == NULL || client->multi == NULL)
        return false;
    if (cookies) {
        client->share = curl_share_init();
        if (client->share == NULL ||
            curl_share_setopt(client->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE) != CURLSHE_OK)
            return false;
    }
    CURLMcode rc = curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    rc |= curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    rc |= curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    rc |= curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    rc |= curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->max_connections);
    rc |= curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return rc == CURLM_OK;
}

ns_status ns_http_client_new(struct event_base *loop, const ns_http_client_options *options, ns_http_client **out,
                             ns_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    NS_CHECK(options->name != NULL && options->base_url != NULL);
    if (pthread_once(&once, start_curl) != 0 || !curl_works)
        return ns_fail(err, NS_NO_MEMORY, "%s: libcurl cannot start", options->name);
    ns_url base;
    if (ns_url_parse(options->base_url, &base, err) != NS_OK)
        return ns_fail_in(err, NS_BAD_INPUT, "%s.url", options->name);
    ns_http_client *client = NS_NEW(ns_http_client);
    if (client == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for a client", options->name);
    client->loop = loop;
    client->base = base;
    if (!keep_options(client, options) || !set_up_multi(client, options->cookies)) {
        destroy(client);
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for a client", options->name);
    }
    *out = client;
    return NS_OK;
}

void ns_http_client_free(ns_http_client *client)
{
    if (client == NULL || client->closing)
        return;
    client->closing = true;
    enter(client);
    while (client->first != NULL)
        cancel(client->first);
    leave(client);
}

ns_status ns_http_start(ns_http_client *client, const ns_http_request *request, ns_http_call **call, ns_error *err)
{
    if (client->closing)
        return ns_fail(err, NS_CANCELLED, "%s %s: shutting down", client->name, client->base_text);
    if (client->queued >= MOST_QUEUED)
        return ns_fail(err, NS_BUSY, "%s %s: %d requests wait already", client->name, client->base_text, MOST_QUEUED);
    ns_http_call *fresh;
    ns_status status = call_new(client, request, &fresh, err);
    if (status != NS_OK)
        return status;
    fresh->timer = evtimer_new(client->loop, too_late, fresh);
    if (fresh->timer == NULL) {
        call_free(fresh);
        return ns_fail(err, NS_NO_MEMORY, "%s %s: no memory for a request", client->name, client->base_text);
    }
    enqueue(client, fresh);
    pump_soon(client);
    if (call != NULL)
        *call = fresh;
    return NS_OK;
}

void ns_http_resume(ns_http_call *call)
{
    if (!call->paused || call->state != CALL_RUNNING)
        return;
    call->resume = true;
    pump_soon(call->client);
}

void ns_http_cancel(ns_http_call *call)
{
    ns_http_client *client = call->client;
    if (call->state == CALL_OVER) /* inside its own done */
        return;
    enter(client);
    cancel(call);
    leave(client);
}

ns_status ns_http_client_set_bearer(ns_http_client *client, const char *token, ns_error *err)
{
    char *copy;
    if (!keep(&copy, token))
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for a token", client->name);
    wipe(client->bearer_token);
    client->bearer_token = copy;
    return NS_OK;
}

size_t ns_http_client_active(const ns_http_client *client)
{
    return client->queued + client->running;
}

const char *ns_http_client_base_url(const ns_http_client *client)
{
    return client->base_text;
}
