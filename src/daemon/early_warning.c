#include "daemon/early_warning.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double ns_lead_s(int64_t alarm_ms, const ns_build *build)
{
    if (alarm_ms < 0 || build->running || !ns_build_failed(build) || build->started_ms < 0 || build->duration_ms < 0)
        return (double)NAN;
    int64_t end_ms = build->started_ms + build->duration_ms;
    return alarm_ms < end_ms ? (double)(end_ms - alarm_ms) / 1000.0 : (double)NAN;
}

void ns_early_warning_note(ns_early_warning *warning, double lead_s)
{
    if (!isnan(lead_s))
        warning->lead_s[warning->found++ % NS_LEADS_KEPT] = lead_s;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ns_early_warning_median_s(const ns_early_warning *warning)
{
    double sorted[NS_LEADS_KEPT];
    size_t n = warning->found < NS_LEADS_KEPT ? (size_t)warning->found : NS_LEADS_KEPT;
    if (n == 0)
        return (double)NAN;
    memcpy(sorted, warning->lead_s, n * sizeof sorted[0]);
    qsort(sorted, n, sizeof sorted[0], by_size);
    return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0;
}
