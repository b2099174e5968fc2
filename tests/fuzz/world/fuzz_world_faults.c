/* The reader of POST /world/v1/faults: a body is taken whole or changes nothing, and no share leaves 0..1. */
#include "world/serve_internal.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ns_world_server *server_of_all_inputs(void)
{
    static ns_world_server *server;
    static ns_scenario scenario;
    if (server != NULL)
        return server;
    struct event_base *loop = event_base_new();
    ns_world_server_options options = {.scenario = &scenario, .seed = 1, .start_ms = 0};
    ns_error err;
    if (loop == NULL || ns_scenario_builtin("default", &scenario, &err) != NS_OK ||
        ns_world_server_new(loop, &options, &server, &err) != NS_OK)
        abort();
    return server;
}

static bool is_share(double x)
{
    return x >= 0.0 && x <= 1.0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ns_world_server *server = server_of_all_inputs();
    ns_error err;
    ns_world_faults *faults = ns_world_faults_of(server->world);
    ns_world_faults before = *faults;
    int64_t left[NS_SERVE_FAULTS];
    memcpy(left, server->fault_left, sizeof left);
    ns_status status = ns_serve_faults_apply(server, (ns_text){(const char *)data, size}, &err);
    if (status != NS_OK && (memcmp(left, server->fault_left, sizeof left) != 0 || before.delay_ms != faults->delay_ms ||
                            before.lose_share != faults->lose_share || before.merge_share != faults->merge_share))
        ns_check_failed("a refused body changes nothing", __FILE__, __LINE__);
    if (!is_share(faults->drop_reply_share) || !is_share(faults->lose_share) || !is_share(faults->merge_share) ||
        !is_share(faults->refuse_share) || faults->delay_ms < 0)
        ns_check_failed("shares stay shares", __FILE__, __LINE__);
    return 0;
}
