#include "prediction/ended_logs.h"

#include <string.h>

void ns_ended_logs_clear(ns_ended_logs *logs)
{
    for (size_t i = 0; i < NS_ENDED_LOGS_MAX; i++) {
        ns_sketch_free(logs->at[i].sketch);
        logs->at[i].sketch = NULL;
    }
}

void ns_ended_logs_put(ns_ended_logs *logs, const char *jenkins_job, int64_t build, ns_sketch *sketch)
{
    if (sketch == NULL)
        return;
    ns_sketch_free(ns_ended_logs_take(logs, jenkins_job, build));
    size_t i = logs->next++ % NS_ENDED_LOGS_MAX;
    ns_sketch_free(logs->at[i].sketch);
    (void)ns_text_copy(logs->at[i].job, sizeof logs->at[i].job, ns_text_of(jenkins_job));
    logs->at[i].build = build;
    logs->at[i].sketch = sketch;
}

ns_sketch *ns_ended_logs_take(ns_ended_logs *logs, const char *jenkins_job, int64_t build)
{
    for (size_t i = 0; i < NS_ENDED_LOGS_MAX; i++) {
        if (logs->at[i].sketch == NULL || logs->at[i].build != build || strcmp(logs->at[i].job, jenkins_job) != 0)
            continue;
        ns_sketch *sketch = logs->at[i].sketch;
        logs->at[i].sketch = NULL;
        return sketch;
    }
    return NULL;
}
