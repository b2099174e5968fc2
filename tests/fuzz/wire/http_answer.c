/* Any bytes as a server's answer to the real client, over a Unix socket. The first byte chooses what is asked for. */
#include "base/mem.h"
#include "wire/http_client.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *loop;
static struct evconnlistener *listener;
static char folder[] = "/tmp/ns_fuzz_XXXXXX";
static char path[64];
static ns_text says;
static int open_connections;

static void on_event(struct bufferevent *bev, short what, void *owner)
{
    (void)what;
    (void)owner;
    open_connections--;
    bufferevent_free(bev);
}

static void on_written(struct bufferevent *bev, void *owner)
{
    on_event(bev, 0, owner);
}

static void on_read(struct bufferevent *bev, void *owner)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    if (evbuffer_search(input, "\r\n\r\n", 4, NULL).pos < 0)
        return;
    (void)evbuffer_drain(input, evbuffer_get_length(input));
    if (says.len == 0) {
        on_event(bev, 0, owner);
        return;
    }
    bufferevent_setcb(bev, NULL, on_written, on_event, NULL);
    (void)bufferevent_write(bev, says.at, says.len);
}

static void on_accept(struct evconnlistener *at, evutil_socket_t fd, struct sockaddr *from, int length, void *owner)
{
    (void)at;
    (void)from;
    (void)length;
    (void)owner;
    struct bufferevent *bev = bufferevent_socket_new(loop, fd, BEV_OPT_CLOSE_ON_FREE);
    NS_CHECK(bev != NULL);
    open_connections++;
    bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
    (void)bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void tidy_up(void)
{
    evconnlistener_free(listener);
    event_base_free(loop);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void open_once(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (loop != NULL)
        return;
    loop = event_base_new();
    NS_CHECK(loop != NULL && mkdtemp(folder) != NULL);
    (void)snprintf(path, sizeof path, "%s/s", folder);
    (void)ns_text_copy(name.sun_path, sizeof name.sun_path, ns_text_of(path));
    listener = evconnlistener_new_bind(loop, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
                                       (struct sockaddr *)&name, sizeof name);
    NS_CHECK(listener != NULL && atexit(tidy_up) == 0);
}

typedef struct asked {
    ns_http_call *call;
    size_t taken;
    bool pauses, paused, done;
} asked;

static bool on_body(void *owner, const ns_http_call *call, ns_text piece)
{
    asked *a = owner;
    (void)ns_http_code_of(call);
    if (a->pauses && !a->paused) {
        a->paused = true;
        return false;
    }
    a->paused = false;
    a->taken += piece.len;
    NS_CHECK(a->taken <= 600);
    return true;
}

static void on_done(void *owner, const ns_http_answer *answer)
{
    asked *a = owner;
    ns_text value;
    NS_CHECK(!a->done);
    a->done = true;
    NS_CHECK(answer->body.len <= 600);
    NS_CHECK(answer->status != NS_OK || answer->code >= 200);
    NS_CHECK((answer->status == NS_OK) == (answer->error.text[0] == '\0'));
    NS_CHECK(strstr(answer->error.text, "hunter2") == NULL);
    (void)ns_http_header_of(answer->call, "location", &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_once();
    uint8_t choice = size > 0 ? data[0] : 0;
    ns_error err;
    ns_http_client *client;
    asked a = {.pauses = (choice & 2) != 0};
    size_t live = ns_mem_live();
    ns_http_client_options options = {.name = "ci",
                                      .base_url = "http://ci:8080",
                                      .username = "bob",
                                      .password = "hunter2",
                                      .unix_socket = path,
                                      .cookies = (choice & 4) != 0};
    ns_http_request request = {.path = "/",
                               .method = (choice & 16) != 0 ? "HEAD" : "GET",
                               .body_ceiling = 600,
                               .on_body = (choice & 1) != 0 ? on_body : NULL,
                               .follow_redirects = (choice & 8) != 0,
                               .done = on_done,
                               .owner = &a};
    says = (ns_text){(const char *)data + (size > 0), size - (size > 0)};
    NS_CHECK(ns_http_client_new(loop, &options, &client, &err) == NS_OK);
    NS_CHECK(ns_http_start(client, &request, &a.call, &err) == NS_OK);
    while (!a.done) {
        (void)event_base_loop(loop, EVLOOP_ONCE);
        if (a.paused && !a.done)
            ns_http_resume(a.call);
    }
    ns_http_client_free(client);
    while (open_connections > 0)
        (void)event_base_loop(loop, EVLOOP_ONCE);
    NS_CHECK(ns_mem_live() == live);
    return 0;
}
