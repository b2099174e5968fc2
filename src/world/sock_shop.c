#include "world/sock_shop.h"

#include <math.h>

#define MI   1048576.0
#define IMG  "weaveworksdemos/"
#define JAVA NS_LANGUAGE_java
#define GO   NS_LANGUAGE_go
#define NODE NS_LANGUAGE_node

/* clang-format off */
static const ns_service services[NS_SERVICES] = {
    /* name, image, tag, container, language, pipeline, cpu request/limit, memory request/limit,
     * share, p50, p99, errors, idle, per request, memory start/warm, ready, tests */
    {"carts", IMG "carts", "0.4.8", "carts", JAVA, true, .100, .300, 200 * MI, 500 * MI,
     .24, .015, .090, .0010, .010, .0040, 250 * MI, 340 * MI, 35, 184},
    {"catalogue", IMG "catalogue", "0.3.5", "catalogue", GO, true, .100, .200, 100 * MI, 200 * MI,
     .60, .006, .040, .0004, .003, .0010, 22 * MI, 48 * MI, 180, 96},
    {"front-end", IMG "front-end", "0.3.12", "front-end", NODE, true, .100, .300, 300 * MI, 1000 * MI,
     1.0, .012, .080, .0012, .012, .0022, 90 * MI, 190 * MI, 30, 141},
    {"orders", IMG "orders", "0.4.7", "orders", JAVA, true, .100, .500, 300 * MI, 500 * MI,
     .10, .060, .350, .0030, .010, .0120, 270 * MI, 370 * MI, 40, 210},
    {"payment", IMG "payment", "0.4.3", "payment", GO, true, .099, .200, 100 * MI, 200 * MI,
     .05, .005, .025, .0005, .002, .0010, 18 * MI, 30 * MI, 180, 58},
    {"queue-master", IMG "queue-master", "0.3.1", "queue-master", JAVA, true, .100, .300, 300 * MI, 500 * MI,
     0, .010, .060, 0, .012, .0030, 260 * MI, 330 * MI, 30, 77},
    {"shipping", IMG "shipping", "0.4.8", "shipping", JAVA, true, .100, .300, 300 * MI, 500 * MI,
     .05, .012, .070, .0006, .010, .0040, 250 * MI, 320 * MI, 30, 88},
    {"user", IMG "user", "0.4.7", "user", GO, true, .100, .300, 100 * MI, 200 * MI,
     .20, .008, .050, .0006, .003, .0012, 24 * MI, 56 * MI, 180, 123},
    {"carts-db", "mongo", "4.4", "carts-db", GO, false, NAN, NAN, NAN, NAN,
     0, 0, 0, 0, .012, .0006, 90 * MI, 130 * MI, 4, 0},
    {"catalogue-db", IMG "catalogue-db", "0.3.0", "catalogue-db", GO, false, NAN, NAN, NAN, NAN,
     0, 0, 0, 0, .010, .0005, 180 * MI, 205 * MI, 8, 0},
    {"orders-db", "mongo", "4.4", "orders-db", GO, false, NAN, NAN, NAN, NAN,
     0, 0, 0, 0, .012, .0004, 85 * MI, 120 * MI, 4, 0},
    {"rabbitmq", "rabbitmq", "3.6.8-management", "rabbitmq", GO, false, NAN, NAN, NAN, NAN,
     0, 0, 0, 0, .015, .0002, 95 * MI, 110 * MI, 12, 0},
    {"session-db", "redis", "alpine", "session-db", GO, false, NAN, NAN, NAN, NAN,
     0, 0, 0, 0, .004, .0002, 8 * MI, 14 * MI, 2, 0},
    {"user-db", IMG "user-db", "0.3.0", "user-db", GO, false, NAN, NAN, NAN, NAN,
     0, 0, 0, 0, .011, .0004, 80 * MI, 115 * MI, 4, 0},
};
/* clang-format on */

const ns_service *ns_service_at(size_t i)
{
    NS_CHECK(i < NS_SERVICES);
    return &services[i];
}

static const char *const titles[] = {
#define STAGE_TITLE(name, title, share) title,
    NS_STAGE_MAP(STAGE_TITLE)
#undef STAGE_TITLE
};

const char *ns_stage_title(ns_stage_kind kind)
{
    NS_CHECK((unsigned)kind < NS_STAGE_KINDS);
    return titles[kind];
}
