/* One request of the HTTP client: how it is set up, how its answer is taken, and what went wrong. */
#include "wire/http_call.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>
#include <strings.h>

enum { HEAD_CEILING = 64 * 1024, BODY_CEILING = 16 << 20, URL_CEILING = 16 * 1024, MOST_REDIRECTS = 5 };
enum { LOW_SPEED_S = 20, KEEPALIVE_S = 15 };

static size_t take_head_line(char *at, size_t size, size_t count, void *owner)
{
    ns_http_call *call = owner;
    ns_text line = {at, size * count};
    if (call->state == CALL_OVER)
        return 0;
    if (ns_text_starts(line, "HTTP/")) { /* a new head: after 100 Continue, after a redirect */
        ns_buf_reset(&call->head);
        call->code = 0;
    }
    call->fault = ns_buf_text(&call->head, line);
    if (call->fault != NS_OK)
        return 0;
    if (ns_text_trim(line).len == 0) {
        long code = 0;
        (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &code);
        call->code = code >= 200 && code <= 999 ? (int)code : 0;
        if (call->code != 0 && call->on_head != NULL)
            call->on_head(call->owner, call);
    }
    return line.len;
}

static bool is_redirect(int code)
{
    return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

static size_t take_body(char *at, size_t size, size_t count, void *owner)
{
    ns_http_call *call = owner;
    ns_text piece = {at, size * count};
    if (call->state == CALL_OVER)
        return 0;
    if (piece.len > call->ceiling - call->received) {
        call->fault = NS_TOO_LARGE;
        return 0;
    }
    bool wanted = !(call->follow_redirects && is_redirect(call->code));
    if (wanted && call->on_body != NULL) {
        bool taken = call->on_body(call->owner, call, piece);
        if (call->state == CALL_OVER) /* cancelled in there */
            return 0;
        if (!taken) {
            call->paused = true;
            call->left_ms -= (ns_monotonic_ns() - call->counting_from_ns) / 1000000;
            (void)event_del(call->timer);
            return CURL_WRITEFUNC_PAUSE;
        }
    } else if (wanted) {
        call->fault = ns_buf_text(&call->body, piece);
        if (call->fault != NS_OK)
            return 0;
    }
    call->received += piece.len;
    return piece.len;
}

static bool printable(const char *text, bool blanks)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f || (*c == ' ' && !blanks))
            return false;
    return true;
}

static bool is_token(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static bool add_header(ns_http_call *call, const char *name, const char *value)
{
    ns_buf line;
    ns_buf_init(&line, 16 * 1024);
    /* libcurl's spelling: "name:" would take the header away, "name;" sends it empty. */
    ns_status status =
        value[0] == '\0' ? ns_buf_printf(&line, "%s;", name) : ns_buf_printf(&line, "%s: %s", name, value);
    struct curl_slist *longer = status == NS_OK ? curl_slist_append(call->headers, line.at) : NULL;
    ns_buf_clear(&line);
    if (longer == NULL)
        return false;
    call->headers = longer;
    return true;
}

static bool remove_header(ns_http_call *call, const char *name_and_colon)
{
    struct curl_slist *longer = curl_slist_append(call->headers, name_and_colon);
    if (longer != NULL)
        call->headers = longer;
    return longer != NULL;
}

static ns_status set_headers(ns_http_call *call, const ns_http_request *request, ns_error *err)
{
    bool good = add_header(call, "Accept-Encoding", "identity") && remove_header(call, "Expect:");
    if (good && request->content_type != NULL)
        good = printable(request->content_type, true) && add_header(call, "Content-Type", request->content_type);
    else if (good)
        good = remove_header(call, "Content-Type:");
    for (size_t i = 0; i < request->header_count && good; i++) {
        const ns_http_header *header = &request->headers[i];
        if (!is_token(header->name) || !printable(header->value, true))
            return ns_fail(err, NS_BAD_INPUT, "%s %s: a header of the request holds forbidden bytes",
                           call->client->name, call->client->base_text);
        good = add_header(call, header->name, header->value);
    }
    if (good)
        good = curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK;
    return good ? NS_OK
                : ns_fail(err, NS_NO_MEMORY, "%s %s: no memory for a request", call->client->name,
                          call->client->base_text);
}

static bool set_method(ns_http_call *call, const ns_http_request *request)
{
    const char *method = request->method == NULL ? "GET" : request->method;
    bool reading = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    CURLcode rc = CURLE_OK;
    if (request->body.len > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
        strcmp(method, "PATCH") == 0) {
        call->request_body = ns_strndup(request->body.at, request->body.len);
        if (call->request_body == NULL)
            return false;
        rc |= curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
        rc |= curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        rc |= curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->request_body);
    } else if (strcmp(method, "HEAD") == 0) {
        rc |= curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
    }
    if (strcmp(method, "HEAD") != 0)
        rc |= curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
    /* When a kept connection turns out to be dead libcurl sends the request again. A build must not be started
     * twice: whatever changes something gets a connection of its own. */
    rc |= curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, reading ? 0L : 1L);
    return rc == CURLE_OK;
}

static bool is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static bool set_way(const ns_http_client *client, CURL *easy)
{
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    rc |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    rc |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, client->connect_timeout_ms);
    rc |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
    rc |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
    rc |= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "neuroshield/" NS_VERSION);
    /* The usual environment (https_proxy, no_proxy) holds, but never for this machine itself. */
    if (client->unix_socket != NULL || is_loopback(client->base.host))
        rc |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    else if (client->proxy != NULL)
        rc |= curl_easy_setopt(easy, CURLOPT_PROXY, client->proxy);
    if (client->unix_socket != NULL)
        rc |= curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, client->unix_socket);
    if (client->share != NULL) {
        rc |= curl_easy_setopt(easy, CURLOPT_SHARE, client->share);
        rc |= curl_easy_setopt(easy, CURLOPT_COOKIEFILE, "");
    }
    return rc == CURLE_OK;
}

static bool set_patience(CURL *easy, bool may_be_silent)
{
    if (may_be_silent)
        return true;
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)LOW_SPEED_S);
    return rc == CURLE_OK;
}

static CURLcode set_blob(CURL *easy, CURLoption option, char *pem, size_t len)
{
    struct curl_blob blob = {.data = pem, .len = len, .flags = CURL_BLOB_NOCOPY}; /* the client outlives its calls */
    return pem == NULL ? CURLE_OK : curl_easy_setopt(easy, option, &blob);
}

static bool set_trust(const ns_http_client *client, CURL *easy)
{
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (client->insecure) {
        rc |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        rc |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (client->ca_file != NULL)
        rc |= curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
    if (client->client_cert_file != NULL)
        rc |= curl_easy_setopt(easy, CURLOPT_SSLCERT, client->client_cert_file);
    if (client->client_key_file != NULL)
        rc |= curl_easy_setopt(easy, CURLOPT_SSLKEY, client->client_key_file);
    rc |= set_blob(easy, CURLOPT_CAINFO_BLOB, client->ca_pem, client->ca_pem_len);
    rc |= set_blob(easy, CURLOPT_SSLCERT_BLOB, client->client_cert_pem, client->client_cert_pem_len);
    rc |= set_blob(easy, CURLOPT_SSLKEY_BLOB, client->client_key_pem, client->client_key_pem_len);
    if (client->bearer_token != NULL) {
        rc |= curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        rc |= curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, client->bearer_token);
    } else if (client->username != NULL) {
        rc |= curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        rc |= curl_easy_setopt(easy, CURLOPT_USERNAME, client->username);
        rc |= curl_easy_setopt(easy, CURLOPT_PASSWORD, client->password == NULL ? "" : client->password);
    }
    return rc == CURLE_OK;
}

static bool set_callbacks(ns_http_call *call)
{
    CURLcode rc = curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
    rc |= curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, take_head_line);
    rc |= curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
    rc |= curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, take_body);
    rc |= curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
    rc |= curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->curl_says);
    return rc == CURLE_OK;
}

/* The certificate must hold another name than the address: libcurl is told to ask for that name, and to connect to
 * our server for it. */
static bool set_named_url(ns_http_call *call, const char *path)
{
    const ns_url *base = &call->client->base;
    const char *open = strchr(base->host, ':') != NULL ? "[" : "", *close = open[0] == '\0' ? "" : "]";
    ns_buf url, way, host;
    ns_buf_init(&url, URL_CEILING);
    ns_buf_init(&way, URL_CEILING);
    ns_buf_init(&host, URL_CEILING);
    bool good = ns_buf_printf(&url, "%s://%s:%d%s%s", base->scheme, call->client->tls_server_name, base->port,
                              base->path, path) == NS_OK &&
                ns_buf_printf(&way, "::%s%s%s:%d", open, base->host, close, base->port) == NS_OK &&
                ns_buf_printf(&host, "%s%s%s:%d", open, base->host, close, base->port) == NS_OK &&
                add_header(call, "Host", host.at);
    if (good)
        call->connect_to = curl_slist_append(NULL, way.at);
    good = good && call->connect_to != NULL && curl_easy_setopt(call->easy, CURLOPT_URL, url.at) == CURLE_OK &&
           curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to) == CURLE_OK;
    ns_buf_clear(&url);
    ns_buf_clear(&way);
    ns_buf_clear(&host);
    return good;
}

static bool set_url(ns_http_call *call, const char *path)
{
    if (call->client->tls_server_name != NULL)
        return set_named_url(call, path);
    ns_buf url;
    ns_buf_init(&url, URL_CEILING);
    bool good = ns_buf_printf(&url, "%s%s", call->client->base_text, path) == NS_OK &&
                curl_easy_setopt(call->easy, CURLOPT_URL, url.at) == CURLE_OK;
    ns_buf_clear(&url);
    return good;
}

static ns_status check_request(const ns_http_client *client, const ns_http_request *request, ns_error *err)
{
    NS_CHECK(request->path != NULL && request->done != NULL);
    bool good = request->path[0] == '/' && strlen(request->path) < URL_CEILING - sizeof client->base_text &&
                printable(request->path, false) && strchr(request->path, '#') == NULL &&
                (request->method == NULL || is_token(request->method));
    return good ? NS_OK
                : ns_fail(err, NS_BAD_INPUT, "%s %s: the request's path or method holds forbidden bytes or is too long",
                          client->name, client->base_text);
}

ns_status call_new(ns_http_client *client, const ns_http_request *request, ns_http_call **out, ns_error *err)
{
    ns_status status = check_request(client, request, err);
    if (status != NS_OK)
        return status;
    ns_http_call *call = NS_NEW(ns_http_call);
    if (call == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s %s: no memory for a request", client->name, client->base_text);
    call->client = client;
    call->ceiling = request->body_ceiling == 0 ? BODY_CEILING : request->body_ceiling;
    ns_buf_init(&call->head, HEAD_CEILING);
    ns_buf_init(&call->body, call->ceiling);
    call->on_body = request->on_body;
    call->on_head = request->on_head;
    call->done = request->done;
    call->owner = request->owner;
    call->follow_redirects =
        request->follow_redirects && (request->method == NULL || strcmp(request->method, "GET") == 0);
    call->total_ms = request->total_timeout_ms > 0 ? request->total_timeout_ms : client->total_timeout_ms;
    call->easy = curl_easy_init();
    bool good = call->easy != NULL && set_callbacks(call) && set_way(client, call->easy) &&
                set_patience(call->easy, request->may_be_silent) && set_trust(client, call->easy) &&
                set_method(call, request) && set_url(call, request->path);
    status = good ? set_headers(call, request, err)
                  : ns_fail(err, NS_NO_MEMORY, "%s %s: a request cannot be set up", client->name, client->base_text);
    if (status != NS_OK) {
        call_free(call);
        return status;
    }
    *out = call;
    return NS_OK;
}

void call_free(ns_http_call *call)
{
    if (call->easy != NULL)
        curl_easy_cleanup(call->easy);
    if (call->timer != NULL)
        event_free(call->timer);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    ns_free(call->request_body);
    ns_buf_clear(&call->head);
    ns_buf_clear(&call->body);
    ns_free(call);
}

bool ns_http_header_of(const ns_http_call *call, const char *name, ns_text *value)
{
    return ns_http_header_at(call, name, 0, value);
}

bool ns_http_header_at(const ns_http_call *call, const char *name, size_t nth, ns_text *value)
{
    ns_text rest = ns_buf_view(&call->head), line;
    size_t n = strlen(name);
    while (ns_text_line(&rest, &line)) {
        if (line.len > n && line.at[n] == ':' && strncasecmp(line.at, name, n) == 0 && nth-- == 0) {
            *value = ns_text_trim((ns_text){line.at + n + 1, line.len - n - 1});
            return true;
        }
    }
    return false;
}

int ns_http_code_of(const ns_http_call *call)
{
    return call->code;
}

/* Did the connection ever stand? If not the request has certainly not been received. */
static bool connected(const ns_http_call *call)
{
    curl_off_t ready_us = 0;
    (void)curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
    return ready_us > 0;
}

static ns_status judge_fault(const ns_http_call *call, ns_error *err)
{
    const ns_http_client *client = call->client;
    if (call->fault == NS_NO_MEMORY)
        return ns_fail(err, NS_NO_MEMORY, "%s %s: no memory for the answer", client->name, client->base_text);
    if (call->code == 0)
        return ns_fail(err, NS_PROTOCOL, "%s %s: the answer's head is larger than %d bytes", client->name,
                       client->base_text, HEAD_CEILING);
    return ns_fail(err, NS_TOO_LARGE, "%s %s: the answer is larger than %zu bytes", client->name, client->base_text,
                   call->ceiling);
}

ns_status call_judge(const ns_http_call *call, CURLcode result, ns_error *err)
{
    const char *name = call->client->name, *url = call->client->base_text;
    if (call->fault != NS_OK)
        return judge_fault(call, err);
    switch (result) {
    case CURLE_OK:
        return call->code > 0 ? NS_OK : ns_fail(err, NS_PROTOCOL, "%s %s: an answer without a code", name, url);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return ns_fail(err, NS_UNREACHABLE, "%s %s: the host name is not known; is %s right?", name, url,
                       call->client->url_key);
    case CURLE_COULDNT_CONNECT:
        return ns_fail(err, NS_UNREACHABLE, "%s %s: nothing accepts connections there; is %s right?", name, url,
                       call->client->url_key);
    case CURLE_OPERATION_TIMEDOUT:
        if (!connected(call))
            return ns_fail(err, NS_UNREACHABLE, "%s %s: no connection in %ld ms; is %s right?", name, url,
                           call->client->connect_timeout_ms, call->client->url_key);
        return ns_fail(err, NS_TIMEOUT, "%s %s: nothing arrived for %d s", name, url, LOW_SPEED_S);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CONNECT_ERROR:
        return ns_fail(err, NS_UNREACHABLE, "%s %s: %s; is %s right?", name, url, curl_easy_strerror(result),
                       call->client->trust_key);
    case CURLE_GOT_NOTHING:
        return ns_fail(err, NS_PROTOCOL, "%s %s: the connection was closed without an answer", name, url);
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return ns_fail(err, NS_PROTOCOL, "%s %s: the connection broke off", name, url);
    case CURLE_OUT_OF_MEMORY:
        return ns_fail(err, NS_NO_MEMORY, "%s %s: no memory for the request", name, url);
    default: /* only libcurl's own sentence: what it says in detail may quote the address, query and all */
        return ns_fail(err, NS_PROTOCOL, "%s %s: %s", name, url, curl_easy_strerror(result));
    }
}

static bool holds(const char *text, const char *secret)
{
    return secret != NULL && secret[0] != '\0' && strcasestr(text, secret) != NULL;
}

/* Is this address on our server? *where gets scheme://host:port of it, for a person. */
static bool is_home(const ns_http_client *client, const char *address, char *where, size_t where_size)
{
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLU *url = curl_url();
    bool read = url != NULL && curl_url_set(url, CURLUPART_URL, address, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    bool home = false;
    (void)snprintf(where, where_size, "an address that is no URL");
    if (read) {
        size_t n = strlen(host);
        if (host[0] == '[' && n > 2) { /* libcurl keeps the brackets, ns_url does not */
            host[n - 1] = '\0';
            memmove(host, host + 1, n - 1);
        }
        char own_port[16];
        (void)snprintf(own_port, sizeof own_port, "%d", client->base.port);
        home = strcmp(scheme, client->base.scheme) == 0 && strcasecmp(host, client->base.host) == 0 &&
               strcmp(port, own_port) == 0;
        (void)snprintf(where, where_size, "%s://%.200s:%s", scheme, host, port);
        /* A server may send our own secret back; it must not get into a message that way. */
        if (holds(where, client->password) || holds(where, client->bearer_token))
            (void)snprintf(where, where_size, "an address that holds our secret");
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return home;
}

bool call_redirected(ns_http_call *call, ns_status *status, ns_error *err)
{
    const ns_http_client *client = call->client;
    char *next = NULL;
    char where[256];
    *status = NS_OK;
    if (!call->follow_redirects || !is_redirect(call->code))
        return false;
    (void)curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &next);
    if (next == NULL)
        return false;
    if (!is_home(client, next, where, sizeof where))
        *status = ns_fail(err, NS_PROTOCOL, "%s %s: it redirects to %s, which is not followed; is %s right?",
                          client->name, client->base_text, where, client->url_key);
    else if (++call->redirects > MOST_REDIRECTS)
        *status =
            ns_fail(err, NS_PROTOCOL, "%s %s: more than %d redirects", client->name, client->base_text, MOST_REDIRECTS);
    if (*status != NS_OK)
        return false;
    char *copy = ns_strdup(next); /* libcurl's own memory goes when the URL is set */
    bool good = copy != NULL && curl_easy_setopt(call->easy, CURLOPT_URL, copy) == CURLE_OK;
    ns_free(copy);
    if (!good)
        *status = ns_fail(err, NS_NO_MEMORY, "%s %s: no memory for a redirect", client->name, client->base_text);
    call->received = 0;
    return good;
}
