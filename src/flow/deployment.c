#include "flow/deployment.h"

#include "base/status.h"

#include <string.h>

void ns_deployment_view_forget(ns_deployment_view *view)
{
    ns_deployment_view fresh = {.at_ms = -1,
                                .generation = -1,
                                .observed_generation = -1,
                                .since_ms = -1,
                                .paused = -1,
                                .has_hpa = -1,
                                .verified_revision = view->verified_revision,
                                .rights = view->rights};
    for (size_t i = 0; i < NS_DEPLOYMENT_FACTS; i++)
        fresh.fact[i] = NS_MISSING;
    memcpy(fresh.verified_hash, view->verified_hash, sizeof fresh.verified_hash);
    memcpy(fresh.verified_image, view->verified_image, sizeof fresh.verified_image);
    *view = fresh;
}

void ns_deployment_fact_set(ns_deployment_view *view, ns_deployment_fact fact, int64_t n, int64_t at_ms)
{
    NS_CHECK((unsigned)fact < NS_DEPLOYMENT_FACTS);
    view->fact[fact] = n < 0 || at_ms < 0 ? NS_MISSING : (ns_value){(double)n, at_ms};
}

int64_t ns_deployment_fact_of(const ns_deployment_view *view, ns_deployment_fact fact)
{
    NS_CHECK((unsigned)fact < NS_DEPLOYMENT_FACTS);
    return ns_value_known(view->fact[fact]) ? (int64_t)view->fact[fact].value : -1;
}

int32_t ns_scale_up_target(int64_t n, int64_t cap)
{
    enum { MOST = 100000 }; /* no Deployment has more; keeps the sum in range */
    if (n < 0 || n > MOST)
        return 0;
    int64_t target = (6 * n + 4) / 5; /* ceil(1.2 n), exactly */
    if (target > cap)
        target = cap;
    return target < 0 ? 0 : (int32_t)target;
}
