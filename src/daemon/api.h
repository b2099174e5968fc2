/*
 * The daemon's routes: /healthz /readyz /metrics, the page, and /api/v1 as JSON and server-sent events.
 *
 * Reading needs no token (bind it to loopback, which is the default); every POST needs the operator's bearer token over
 * TCP. The Unix socket in the data folder (mode 0600) is the operator's by its file mode.
 */
#ifndef NS_DAEMON_API_H
#define NS_DAEMON_API_H

#include "daemon/house.h"

typedef struct ns_api ns_api;

/* Listens on settings->listen and on the Unix socket. bound gets the TCP address. */
NS_MUST_USE ns_status ns_api_open(ns_house *house, ns_api **out, char *bound, size_t bound_size, ns_error *err);
void ns_api_close(ns_api *api);

/* The status object of CONTRACT, appended. */
void ns_api_status(const ns_house *house, ns_buf *out);

#endif
