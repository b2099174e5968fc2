/* The reader of scenario files; what it accepts must make a world that lives for a while. */
#include "world/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ns_scenario scenario;
    ns_error err;
    if (ns_scenario_read("fuzz", (ns_text){(const char *)data, size}, &scenario, &err) != NS_OK)
        return 0;
    ns_world *world;
    if (ns_world_new(&scenario, 1, 0, &world, &err) != NS_OK)
        ns_check_failed("an accepted scenario makes a world", __FILE__, __LINE__);
    ns_world_advance(world, 600000);
    ns_world_free(world);
    return 0;
}
