/* How many decision steps per second of processor time the world's core lives through, all physics in (one pipeline,
 * one step = one decision). Nobody acts: incidents last long, which is the dear case. */
#include "world/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A neighbour on the machine is no property of the world. */
static double processor_s(void)
{
    struct timespec t;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 ? (double)t.tv_sec + (double)t.tv_nsec / 1e9 : 0;
}

static int measure(const char *name, double days)
{
    ns_scenario scenario;
    ns_error err;
    ns_world *world;
    if (ns_scenario_builtin(name, &scenario, &err) != NS_OK || ns_world_new(&scenario, 1, 0, &world, &err) != NS_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int64_t step_ms = (int64_t)(scenario.step_s * 1000), steps = 0;
    double began_s = processor_s();
    for (int64_t at = 0; at < (int64_t)(days * 86400000.0); at += step_ms) {
        ns_world_advance(world, at);
        for (size_t job = 0; job < ns_world_job_count(world); job++) {
            ns_world_job facts;
            ns_build build;
            ns_world_job_at(world, job, &facts);
            steps += ns_world_build_flow(world, job, facts.newest_number, &build);
        }
    }
    double seconds = processor_s() - began_s;
    printf("%s: %.0f steps/s (%lld steps of %g s in %.3f s)\n", name, (double)steps / seconds, (long long)steps,
           scenario.step_s, seconds);
    ns_world_free(world);
    return 0;
}

int main(int argc, char **argv)
{
    double days = argc > 1 ? atof(argv[1]) : 100;
    return measure("default", days) + measure("demo", days / 10);
}
