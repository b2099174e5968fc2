/*
 * Any bytes as what a client sends to a real server, over a Unix socket. The input is sent in two parts, cut where its
 * first byte says, so that every state of the reader sees its bytes arrive late.
 */
#include "base/mem.h"
#include "wire/http_server.h"

#include <event2/event.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *loop;
static ns_http_server *server;
static char folder[] = "/tmp/ns_fuzz_XXXXXX";
static char path[64];
static ns_exchange *kept;

static void handle(void *owner, ns_exchange *exchange)
{
    ns_text host = {0}, asked = ns_exchange_path(exchange);
    (void)owner;
    NS_CHECK(ns_text_starts(asked, "/") || ns_text_is(asked, "*"));
    NS_CHECK(ns_exchange_body(exchange).len <= 2000);
    (void)ns_exchange_header(exchange, "Host", &host);
    if (ns_text_starts(asked, "/k") && kept == NULL) {
        kept = exchange;
    } else if (ns_text_starts(asked, "/c") && ns_exchange_begin(exchange, 200, "a/b", false, NULL, NULL) == NS_OK) {
        (void)ns_exchange_chunk(exchange, ns_exchange_body(exchange));
        ns_exchange_end(exchange);
    } else if (ns_text_starts(asked, "/d")) {
        ns_exchange_drop(exchange);
    } else {
        ns_exchange_answer(exchange, 200, "text/plain", ns_exchange_body(exchange));
    }
}

static void tidy_up(void)
{
    ns_http_server_free(server);
    event_base_free(loop);
    (void)rmdir(folder);
}

static void open_once(void)
{
    ns_error err;
    ns_http_server_options options = {.handler = handle, .max_head_bytes = 1500, .max_body_bytes = 2000};
    if (loop != NULL)
        return;
    loop = event_base_new();
    NS_CHECK(loop != NULL && mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/s", folder);
    NS_CHECK(ns_http_server_new(loop, &options, &server, &err) == NS_OK);
    NS_CHECK(ns_http_server_listen_unix(server, path, 0600, &err) == NS_OK);
    NS_CHECK(atexit(tidy_up) == 0);
}

static int dial(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    (void)ns_text_copy(name.sun_path, sizeof name.sun_path, ns_text_of(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    NS_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) == 0);
    return fd;
}

/* Sends as much as is taken, reading what comes back, until all is sent or the server has closed. */
static void send_all(int fd, ns_text bytes)
{
    char answers[4096];
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.at, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN)
            return;
        if (n > 0)
            bytes = (ns_text){bytes.at + n, bytes.len - (size_t)n};
        while (recv(fd, answers, sizeof answers, MSG_DONTWAIT) > 0)
            ;
        (void)event_base_loop(loop, EVLOOP_NONBLOCK);
    }
}

static size_t connections(void)
{
    ns_http_server_counts counts;
    ns_http_server_count(server, &counts);
    return counts.connections;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_once();
    size_t live = ns_mem_live();
    int fd = dial();
    ns_text bytes = {(const char *)data, size};
    if (size > 1) {
        size_t cut = 1 + (data[0] * (size - 1)) / 256;
        send_all(fd, (ns_text){bytes.at + 1, cut - 1});
        bytes = (ns_text){bytes.at + cut, size - cut};
    }
    send_all(fd, bytes);
    (void)shutdown(fd, SHUT_WR);
    char answers[4096];
    do {
        (void)event_base_loop(loop, EVLOOP_NONBLOCK);
        if (kept != NULL)
            ns_exchange_answer(kept, 200, NULL, NS_TEXT("kept"));
        kept = NULL;
    } while (recv(fd, answers, sizeof answers, MSG_DONTWAIT) > 0 || (errno == EAGAIN && connections() > 0));
    (void)close(fd);
    while (connections() > 0)
        (void)event_base_loop(loop, EVLOOP_ONCE);
    NS_CHECK(ns_mem_live() == live);
    return 0;
}
