/*
 * The served world: under one port a Jenkins (/jenkins/), a Prometheus (/prometheus/), a Kubernetes API
 * (/kubernetes/), a pager (/pager), and the world's own levers (/world/v1/).
 *
 * World time runs `speed` times as fast as real time; with speed 0 it stands still until POST /world/v1/advance.
 * Loop thread only. Nothing of NeuroShield itself reads /world/.
 */
#ifndef NS_WORLD_SERVE_H
#define NS_WORLD_SERVE_H

#include "base/clock.h"
#include "world/world.h"

struct event_base;

typedef struct ns_world_server ns_world_server;

#define NS_WORLD_SPEED_MAX 100000.0

typedef struct ns_world_server_options {
    const ns_scenario *scenario; /* copied by the world */
    uint64_t seed;
    int64_t start_ms; /* world time at the start; -1: now */
    double speed;     /* world seconds per real second, 0..NS_WORLD_SPEED_MAX; 0: moved by /world/v1/advance only */
    bool truth;       /* /world/v1/truth answers; else 404 */
    /*
     * With a user set, this Jenkins is closed: without credentials 403 with an HTML page, with wrong ones 401. The
     * token needs no crumb, the password and sessions do. Without a user everybody may read and build: requests
     * without credentials are `anonymous` (and need a crumb to change something), those with any HTTP Basic
     * credentials are the user they name.
     */
    const char *jenkins_user; /* NULL: open; copied */
    const char *jenkins_token;
    const char *jenkins_password;
    /* With a token set, Kubernetes is closed: 401 without it; with it one is a user with the smallest role that
     * NeuroShield needs, and 403 for everything else. Without, everybody may do everything. */
    const char *kubernetes_token;
    bool without_key; /* jobs do not define NEUROSHIELD_KEY */
    double startup_s; /* real seconds during which Jenkins answers 503 at first */
} ns_world_server_options;

NS_MUST_USE ns_status ns_world_server_new(struct event_base *loop, const ns_world_server_options *options,
                                          ns_world_server **out, ns_error *err);
void ns_world_server_free(ns_world_server *server);

/* "127.0.0.1:8480"; port 0 takes a free one. See ns_world_server_address. */
NS_MUST_USE ns_status ns_world_server_listen(ns_world_server *server, const char *address, ns_error *err);
/* "127.0.0.1:43121"; "" before listening. */
const char *ns_world_server_address(const ns_world_server *server);

ns_world *ns_world_server_world(ns_world_server *server);

/* The clock by which a daemon shares this world's time; speed is 0 in lockstep, when there is no such clock. */
ns_clock ns_world_server_clock(const ns_world_server *server);

/* Writes `.env`, `kubeconfig` and `neuroshield.yaml` that point at this server into folder (made when missing). */
NS_MUST_USE ns_status ns_world_server_write_config(const ns_world_server *server, const char *folder, ns_error *err);

#endif
