/* A real server and a real client on one loop in one process, for the tests of both. */
#ifndef NS_TESTS_HTTP_HOUSE_H
#define NS_TESTS_HTTP_HOUSE_H

#include "check.h"

#include "base/clock.h"
#include "wire/http_client.h"
#include "wire/http_server.h"

#include <event2/event.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct house {
    struct event_base *loop;
    ns_http_server *server;
    ns_http_client *client;
    char address[64]; /* 127.0.0.1:PORT */
    char url[80];
    int port;
    char folder[64]; /* for Unix sockets */
} house;

/* Runs the loop until the condition holds; the limit only ends a hung test. */
#define RUN_UNTIL(h, condition)                                                                                        \
    do {                                                                                                               \
        int64_t give_up_ns = ns_monotonic_ns() + (int64_t)20 * 1000000000;                                             \
        while (!(condition)) {                                                                                         \
            if (ns_monotonic_ns() > give_up_ns)                                                                        \
                fail_msg("never came true: %s", #condition);                                                           \
            turn((h)->loop);                                                                                           \
        }                                                                                                              \
    } while (0)

/* One turn of the loop, at most 20 ms. */
static inline void turn(struct event_base *loop)
{
    struct timeval longest = {.tv_usec = 20000};
    (void)event_base_loopexit(loop, &longest);
    (void)event_base_loop(loop, EVLOOP_ONCE);
}

static inline void house_open(house *h, const ns_http_server_options *server_options)
{
    ns_error err = {0};
    *h = (house){0};
    h->loop = event_base_new();
    CHECK(h->loop != NULL);
    CHECK_OK(ns_http_server_new(h->loop, server_options, &h->server, &err));
    CHECK_OK(ns_http_server_listen(h->server, "127.0.0.1:0", h->address, sizeof h->address, &err));
    h->port = atoi(strrchr(h->address, ':') + 1);
    (void)snprintf(h->url, sizeof h->url, "http://%s", h->address);
    (void)snprintf(h->folder, sizeof h->folder, "/tmp/ns_http_XXXXXX");
    CHECK(mkdtemp(h->folder) != NULL);
}

static inline void house_client(house *h, ns_http_client_options options)
{
    ns_error err = {0};
    if (options.name == NULL)
        options.name = "ci";
    if (options.base_url == NULL)
        options.base_url = h->url;
    if (ns_http_client_new(h->loop, &options, &h->client, &err) != NS_OK)
        fail_msg("%s", err.text);
}

static inline void house_close(house *h)
{
    ns_http_client_free(h->client);
    ns_http_server_free(h->server);
    event_base_free(h->loop);
    CHECK(rmdir(h->folder) == 0);
    CHECK_INT(0, ns_mem_live());
}

/* A raw client */

static inline int raw_connect(const house *h)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)h->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    return fd;
}

static inline void raw_send(int fd, ns_text bytes)
{
    CHECK_INT(bytes.len, send(fd, bytes.at, bytes.len, MSG_NOSIGNAL));
}

/* Takes what has arrived; true when the other side has closed. */
static inline bool raw_receive(int fd, ns_buf *into)
{
    char piece[65536];
    for (;;) {
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0)
            return n == 0 || errno != EAGAIN;
        CHECK_OK(ns_buf_put(into, piece, (size_t)n));
    }
}

#endif
