/*
 * Every backward pass against a slope measured by nudging: (loss(x+h) - loss(x-h)) / 2h for each element of x.
 *
 * The loss is sum(output * probe) with a fixed random probe, so that the gradient of the output is the probe itself.
 */
#ifndef NS_TESTS_SLOPE_H
#define NS_TESTS_SLOPE_H

#include "check.h"

#include "base/rng.h"

typedef double loss_of(void *self);

static inline void fill(ns_rng *rng, float *out, size_t n, double size)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(ns_rng_normal(rng) * size);
}

/* what: told when it fails. claimed: the backward pass's gradient of values. */
static inline void check_slope(const char *what, loss_of *loss, void *self, float *values, const float *claimed,
                               size_t n, double tolerance)
{
    const float nudge = 1e-2f;
    for (size_t i = 0; i < n; i++) {
        const float kept = values[i];
        values[i] = kept + nudge;
        const double up = loss(self), step_up = (double)values[i];
        values[i] = kept - nudge;
        const double down = loss(self), step_down = (double)values[i];
        values[i] = kept;
        const double slope = (up - down) / (step_up - step_down);
        if (!(fabs(slope - (double)claimed[i]) <= tolerance * (1.0 + fabs(slope))))
            fail_msg("%s[%zu]: slope %.6f, backward says %.6f", what, i, slope, (double)claimed[i]);
    }
}

static inline double probed(const float *out, const float *probe, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += (double)out[i] * (double)probe[i];
    return sum;
}

#endif
