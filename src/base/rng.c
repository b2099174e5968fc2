#include "base/rng.h"

#include "base/status.h"
#include "base/text.h"

#include <math.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void ns_rng_seed(ns_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->s[i] = splitmix64(&seed);
}

void ns_rng_seed_named(ns_rng *rng, uint64_t seed, const char *name)
{
    ns_rng_seed(rng, seed ^ ns_hash(ns_text_of(name)));
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t ns_rng_u64(ns_rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

double ns_rng_uniform(ns_rng *rng)
{
    return (double)(ns_rng_u64(rng) >> 11) * 0x1p-53;
}

uint64_t ns_rng_below(ns_rng *rng, uint64_t n)
{
    NS_CHECK(n > 0);
    uint64_t unfair = -n % n; /* the first 2^64 mod n values would favour small results */
    uint64_t x;
    do
        x = ns_rng_u64(rng);
    while (x < unfair);
    return x % n;
}

double ns_rng_normal(ns_rng *rng)
{
    /* Box and Muller; the second value is thrown away so that a draw has no hidden state. */
    double u = 1.0 - ns_rng_uniform(rng);
    double v = ns_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

double ns_rng_lognormal(ns_rng *rng, double median, double sigma)
{
    return median * exp(sigma * ns_rng_normal(rng));
}

double ns_rng_exponential(ns_rng *rng, double mean)
{
    return -mean * log(1.0 - ns_rng_uniform(rng));
}

size_t ns_rng_weighted(ns_rng *rng, const double *weights, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += weights[i];
    NS_CHECK(n > 0 && sum > 0);
    double point = ns_rng_uniform(rng) * sum;
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        if (weights[i] <= 0)
            continue;
        last = i;
        point -= weights[i];
        if (point < 0)
            return i;
    }
    return last; /* rounding left the point at the very end */
}
