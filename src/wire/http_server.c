/* The HTTP server's listeners and caps. */
#include "wire/http_conn.h"

#include "base/log.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128, ACCEPT_AGAIN_MS = 100 };

static void default_size(size_t *value, size_t otherwise)
{
    *value = *value == 0 ? otherwise : *value;
}

static void default_ms(long *value, long otherwise)
{
    *value = *value <= 0 ? otherwise : *value;
}

ns_status ns_http_server_new(struct event_base *loop, const ns_http_server_options *options, ns_http_server **out,
                             ns_error *err)
{
    NS_CHECK(options->handler != NULL);
    ns_http_server *server = NS_NEW(ns_http_server);
    if (server == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the HTTP server");
    server->loop = loop;
    server->options = *options;
    default_size(&server->options.max_connections, 512);
    default_size(&server->options.max_connections_per_address, 256);
    default_size(&server->options.max_streams, 64);
    default_size(&server->options.max_head_bytes, 16 * 1024);
    default_size(&server->options.max_body_bytes, 1 << 20);
    default_ms(&server->options.head_deadline_ms, 10000);
    default_ms(&server->options.body_deadline_ms, 30000);
    default_ms(&server->options.idle_ms, 60000);
    *out = server;
    return NS_OK;
}

static void stop_listening(listening *l)
{
    if (l->listener != NULL)
        evconnlistener_free(l->listener);
    if (l->again != NULL)
        event_free(l->again);
    if (l->unix_path != NULL)
        (void)unlink(l->unix_path);
    ns_free(l->unix_path);
    *l = (listening){0};
}

void ns_http_server_free(ns_http_server *server)
{
    if (server == NULL)
        return;
    NS_CHECK(server->in_handler == 0);
    for (size_t i = 0; i < server->listener_count; i++)
        stop_listening(&server->listener[i]);
    while (server->first != NULL)
        conn_lose(server->first);
    ns_free(server);
}

void ns_http_server_count(const ns_http_server *server, ns_http_server_counts *out)
{
    *out = server->counts;
}

/* Accepting */

static void name_of_peer(const struct sockaddr *address, char out[64])
{
    (void)snprintf(out, 64, "unix");
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
        (void)inet_ntop(AF_INET, &four->sin_addr, out, 64);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
        if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
            (void)inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], out, 64);
        else
            (void)inet_ntop(AF_INET6, &six->sin6_addr, out, 64);
    }
}

/* Of those that wait for a request to become whole the one that came first; one that has had a request before only when
 * there is no other. NULL: all are being answered. Newest connections stand first in the list. */
static conn *longest_waiting(const ns_http_server *server, const char *peer)
{
    conn *fresh = NULL, *served = NULL;
    for (conn *c = server->first; c != NULL; c = c->next) {
        bool waits = c->state == IDLE || c->state == HEAD || c->state == BODY;
        if (!waits || c->busy > 0 || (peer != NULL && strcmp(c->peer, peer) != 0))
            continue;
        if (c->served)
            served = c;
        else
            fresh = c;
    }
    return fresh != NULL ? fresh : served;
}

static bool make_room_for(ns_http_server *server, const char *peer)
{
    size_t same = 0;
    for (const conn *c = server->first; c != NULL; c = c->next)
        same += strcmp(c->peer, peer) == 0;
    bool crowded = same >= server->options.max_connections_per_address;
    if (!crowded && server->counts.connections < server->options.max_connections)
        return true;
    conn *leaves = longest_waiting(server, crowded ? peer : NULL);
    if (leaves == NULL)
        return false;
    server->counts.displaced++;
    conn_lose(leaves);
    return true;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int length,
                      void *owner)
{
    listening *l = owner;
    char peer[64];
    (void)listener;
    (void)length;
    name_of_peer(address, peer);
    if (!make_room_for(l->server, peer)) {
        l->server->counts.refused++;
        (void)evutil_closesocket(fd);
        return;
    }
    l->server->counts.accepted++;
    if (l->unix_path == NULL) {
        int on = 1; /* answers are written in one piece: waiting for more to send helps nobody */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    conn_accept(l->server, fd, peer);
}

static void on_accept_again(evutil_socket_t fd, short what, void *owner)
{
    listening *l = owner;
    (void)fd;
    (void)what;
    (void)evconnlistener_enable(l->listener);
}

/* Out of descriptors: the waiting connection would wake the loop again at once, for ever. */
static void on_accept_failed(struct evconnlistener *listener, void *owner)
{
    listening *l = owner;
    struct timeval wait = {.tv_usec = ACCEPT_AGAIN_MS * 1000};
    int why = EVUTIL_SOCKET_ERROR();
    char quoted[128];
    ns_log(NS_LOG_WARNING, "wire", "accept_failed", "why=%s", ns_log_quote(quoted, sizeof quoted, strerror(why)));
    (void)evconnlistener_disable(listener);
    (void)evtimer_add(l->again, &wait);
}

/* Takes fd (bound, not yet listening). */
static ns_status listen_on(ns_http_server *server, evutil_socket_t fd, const char *unix_path, const char *name,
                           ns_error *err)
{
    listening *l = &server->listener[server->listener_count];
    l->server = server;
    l->unix_path = unix_path == NULL ? NULL : ns_strdup(unix_path);
    l->again = evtimer_new(server->loop, on_accept_again, l);
    if (l->again != NULL && (unix_path == NULL || l->unix_path != NULL))
        l->listener =
            evconnlistener_new(server->loop, on_accept, l, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
    if (l->listener == NULL) {
        int why = errno;
        (void)evutil_closesocket(fd);
        stop_listening(l);
        return ns_fail(err, NS_IO, "%s: cannot listen: %s", name, strerror(why));
    }
    evconnlistener_set_error_cb(l->listener, on_accept_failed);
    server->listener_count++;
    return NS_OK;
}

/* "host:port" or "[address]:port" in two C strings. */
static ns_status split_address(const char *address, char *host, size_t host_size, char *port, size_t port_size,
                               ns_error *err)
{
    const char *colon = strrchr(address, ':');
    int64_t number;
    ns_text left = {address, colon == NULL ? 0 : (size_t)(colon - address)};
    if (left.len >= 2 && left.at[0] == '[' && left.at[left.len - 1] == ']')
        left = (ns_text){left.at + 1, left.len - 2};
    if (colon == NULL || left.len == 0 || !ns_text_copy(host, host_size, left) || colon[1] == '+' || colon[1] == '-' ||
        !ns_text_int64(ns_text_of(colon + 1), &number) || number > 65535)
        return ns_fail(err, NS_BAD_INPUT, "\"%s\" is no HOST:PORT (127.0.0.1:8470, [::1]:8470, 0.0.0.0:8470)", address);
    (void)snprintf(port, port_size, "%d", (int)number);
    if (strcmp(host, "localhost") == 0)
        (void)ns_text_copy(host, host_size, NS_TEXT("127.0.0.1"));
    return NS_OK;
}

static evutil_socket_t bind_to(const struct addrinfo *info)
{
    int on = 1;
    evutil_socket_t fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, info->ai_addr, info->ai_addrlen) == 0)
        return fd;
    int why = errno;
    (void)evutil_closesocket(fd);
    errno = why;
    return -1;
}

static unsigned port_of(const struct sockaddr_storage *address)
{
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    memcpy(&four, address, sizeof four);
    memcpy(&six, address, sizeof six);
    return ntohs(address->ss_family == AF_INET6 ? six.sin6_port : four.sin_port);
}

static void print_bound(evutil_socket_t fd, char *bound, size_t bound_size)
{
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof storage;
    char host[64] = "";
    struct sockaddr *address = (struct sockaddr *)&storage;
    if (bound == NULL || getsockname(fd, address, &length) != 0)
        return;
    name_of_peer(address, host);
    (void)snprintf(bound, bound_size, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port_of(&storage));
}

ns_status ns_http_server_listen(ns_http_server *server, const char *address, char *bound, size_t bound_size,
                                ns_error *err)
{
    NS_CHECK(server->listener_count < NS_LISTENERS_MAX);
    char host[256], port[8];
    ns_status status = split_address(address, host, sizeof host, port, sizeof port, err);
    if (status != NS_OK)
        return status;
    struct addrinfo wanted = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *info = NULL;
    int rc = getaddrinfo(host, port, &wanted, &info);
    if (rc != 0)
        return ns_fail(err, NS_BAD_INPUT, "%s: no address of this machine: %s", address, gai_strerror(rc));
    evutil_socket_t fd = bind_to(info);
    int why = errno;
    freeaddrinfo(info);
    if (fd < 0 && why == EADDRINUSE)
        return ns_fail(err, NS_CONFLICT, "%s: somebody listens there already; HOST:0 takes a free port", address);
    if (fd < 0)
        return ns_fail(err, NS_IO, "%s: cannot listen: %s", address, strerror(why));
    print_bound(fd, bound, bound_size);
    return listen_on(server, fd, NULL, address, err);
}

/* Makes way for our socket: a stale one is removed, anything else is left alone. */
static ns_status clear_path(const struct sockaddr_un *name, ns_error *err)
{
    struct stat there;
    if (lstat(name->sun_path, &there) != 0)
        return NS_OK;
    if (!S_ISSOCK(there.st_mode))
        return ns_fail(err, NS_CONFLICT, "%s: is there already and is no socket", name->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ns_fail(err, NS_IO, "%s: no socket: %s", name->sun_path, strerror(errno));
    int rc = connect(fd, (const struct sockaddr *)name, sizeof *name);
    int why = errno;
    (void)close(fd);
    if (rc == 0 || why == EAGAIN) /* EAGAIN: alive, with a full backlog */
        return ns_fail(err, NS_CONFLICT, "%s: a running daemon listens there", name->sun_path);
    if (why != ECONNREFUSED && why != ENOENT)
        return ns_fail(err, NS_IO, "%s: %s", name->sun_path, strerror(why));
    (void)unlink(name->sun_path);
    return NS_OK;
}

ns_status ns_http_server_listen_unix(ns_http_server *server, const char *path, unsigned mode, ns_error *err)
{
    NS_CHECK(server->listener_count < NS_LISTENERS_MAX);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (!ns_text_copy(name.sun_path, sizeof name.sun_path, ns_text_of(path)))
        return ns_fail(err, NS_BAD_INPUT, "%s: longer than %zu bytes, too long for a socket", path,
                       sizeof name.sun_path - 1);
    ns_status status = clear_path(&name, err);
    if (status != NS_OK)
        return status;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ns_fail(err, NS_IO, "%s: no socket: %s", path, strerror(errno));
    /* Nobody can connect before listen(), so the mode is right before the first one gets in. */
    if (bind(fd, (const struct sockaddr *)&name, sizeof name) != 0 || chmod(path, (mode_t)mode) != 0) {
        status = ns_fail(err, NS_IO, "%s: cannot be made: %s", path, strerror(errno));
        (void)close(fd);
        return status;
    }
    return listen_on(server, fd, path, path, err);
}
