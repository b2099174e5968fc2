#include "tensor/schedule.h"

#include <math.h>

double ns_schedule_rate(const ns_schedule *schedule, int64_t step)
{
    if (step < schedule->warm_up)
        return schedule->peak * (double)step / (double)schedule->warm_up;
    if (schedule->decay == NS_DECAY_constant)
        return schedule->peak;
    const int64_t span = schedule->total - schedule->warm_up;
    double done = span <= 0 ? 1.0 : (double)(step - schedule->warm_up) / (double)span;
    if (done > 1.0)
        done = 1.0;
    const double left =
        schedule->decay == NS_DECAY_cosine ? 0.5 * (1.0 + cos(3.14159265358979323846 * done)) : 1.0 - done;
    return schedule->peak * (schedule->floor + (1.0 - schedule->floor) * left);
}

float ns_clip_factor(double norm, double most)
{
    if (most <= 0.0)
        return 1.0f;
    const double factor = most / (norm + 1e-6);
    return factor < 1.0 ? (float)factor : 1.0f;
}

void ns_adamw_correct(ns_adamw_step *step, int64_t t)
{
    step->correct1 = (float)(1.0 - pow((double)step->beta1, (double)t));
    step->correct2 = (float)(1.0 - pow((double)step->beta2, (double)t));
}
