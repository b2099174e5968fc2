/*
 * Seeded chance. Every world, agent and loader owns its own ns_rng, so that one more draw in one place changes nothing
 * in another; the seed is printed and stored. xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64.
 *
 * First three numbers of ns_rng_u64 for seed 1: see tests/unit/base/test_rng.c. One thread at a time; plain data.
 */
#ifndef NS_BASE_RNG_H
#define NS_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct ns_rng {
    uint64_t s[4];
} ns_rng;

void ns_rng_seed(ns_rng *rng, uint64_t seed);

/* A stream of its own, decided by the seed and a name ("faults", "logs"): independent of draws made elsewhere. */
void ns_rng_seed_named(ns_rng *rng, uint64_t seed, const char *name);

uint64_t ns_rng_u64(ns_rng *rng);
double ns_rng_uniform(ns_rng *rng);                                   /* [0, 1) */
uint64_t ns_rng_below(ns_rng *rng, uint64_t n);                       /* 0..n-1 without bias; n > 0 */
double ns_rng_normal(ns_rng *rng);                                    /* mean 0, variance 1 */
double ns_rng_lognormal(ns_rng *rng, double median, double sigma);    /* median * exp(sigma * normal) */
double ns_rng_exponential(ns_rng *rng, double mean);                  /* > 0 */
size_t ns_rng_weighted(ns_rng *rng, const double *weights, size_t n); /* index; weights >= 0, sum > 0 */

#endif
