#include "flow/snapshot.h"

#include "base/mem.h"

#include <string.h>

/* Open addressing over job names; grown at half full. Slots hold pipeline index + 1. */
typedef struct job_index {
    size_t *slot;
    size_t size; /* power of two */
} job_index;

ns_build ns_build_unknown(int64_t number)
{
    return (ns_build){.number = number,
                      .started_ms = -1,
                      .duration_ms = -1,
                      .estimated_ms = -1,
                      .queue_id = -1,
                      .seen_ms = -1,
                      .parameters = -1,
                      .changes = -1,
                      .dependency_files_changed = -1,
                      .aborted_by_person = -1,
                      .tests_total = -1,
                      .tests_failed = -1,
                      .tests_skipped = -1};
}

bool ns_build_failed(const ns_build *build)
{
    return !build->running && (build->result == NS_BUILD_FAILURE || build->result == NS_BUILD_UNSTABLE);
}

static void forget_signals(ns_value signal[NS_SIGNAL_COUNT])
{
    for (size_t i = 0; i < NS_SIGNAL_COUNT; i++)
        signal[i] = NS_MISSING;
}

ns_snapshot *ns_snapshot_new(void)
{
    ns_snapshot *snapshot = NS_NEW(ns_snapshot);
    job_index *index = NS_NEW(job_index);
    if (snapshot == NULL || index == NULL) {
        ns_free(snapshot);
        ns_free(index);
        return NULL;
    }
    snapshot->index = index;
    snapshot->queue_length = snapshot->executors_busy = snapshot->executors_total = snapshot->agents_offline =
        NS_MISSING;
    forget_signals(snapshot->signal);
    for (size_t i = 0; i < NS_SOURCE_KINDS; i++)
        snapshot->source[i] = (ns_source_health){.state = NS_SOURCE_not_configured, .good_at_ms = -1};
    return snapshot;
}

void ns_snapshot_free(ns_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    for (size_t i = 0; i < snapshot->pipeline_count; i++)
        ns_free(snapshot->pipelines[i]);
    ns_free(snapshot->pipelines);
    job_index *index = snapshot->index;
    ns_free(index->slot);
    ns_free(index);
    ns_free(snapshot);
}

/* The slot of this job, or the empty one where it would go. */
static size_t slot_of(const ns_snapshot *snapshot, const job_index *index, ns_text job)
{
    size_t i = (size_t)ns_hash(job) & (index->size - 1);
    while (index->slot[i] != 0 && !ns_text_is(job, snapshot->pipelines[index->slot[i] - 1]->jenkins_job))
        i = (i + 1) & (index->size - 1);
    return i;
}

ns_pipeline_view *ns_snapshot_find(const ns_snapshot *snapshot, ns_text jenkins_job)
{
    const job_index *index = snapshot->index;
    if (index->size == 0)
        return NULL;
    size_t at = index->slot[slot_of(snapshot, index, jenkins_job)];
    return at == 0 ? NULL : snapshot->pipelines[at - 1];
}

/* Doubles the index and the list together, so that one never has room without the other. */
static bool grow(ns_snapshot *snapshot)
{
    job_index *index = snapshot->index;
    size_t size = index->size == 0 ? 64 : index->size * 2;
    size_t *slot = NS_NEW_ARRAY(size_t, size);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): a list of pointers */
    ns_pipeline_view **list = slot == NULL ? NULL : ns_realloc(snapshot->pipelines, size / 2, sizeof *list);
    if (list == NULL) {
        ns_free(slot);
        return false;
    }
    snapshot->pipelines = list;
    ns_free(index->slot);
    index->slot = slot;
    index->size = size;
    for (size_t i = 0; i < snapshot->pipeline_count; i++)
        slot[slot_of(snapshot, index, ns_text_of(list[i]->jenkins_job))] = i + 1;
    return true;
}

ns_pipeline_view *ns_snapshot_pipeline(ns_snapshot *snapshot, ns_text jenkins_job)
{
    ns_pipeline_view *found = ns_snapshot_find(snapshot, jenkins_job);
    if (found != NULL || jenkins_job.len == 0 || jenkins_job.len >= NS_JOB_MAX)
        return found;
    job_index *index = snapshot->index;
    if (snapshot->pipeline_count >= index->size / 2 && !grow(snapshot))
        return NULL;
    ns_pipeline_view *view = NS_NEW(ns_pipeline_view);
    if (view == NULL)
        return NULL;
    (void)ns_text_copy(view->jenkins_job, sizeof view->jenkins_job, jenkins_job);
    memcpy(view->name, view->jenkins_job, sizeof view->name);
    view->index = snapshot->pipeline_count;
    view->buildable = true;
    view->jenkins_at_ms = -1;
    view->completed = ns_build_unknown(0);
    forget_signals(view->signal);
    ns_deployment_view_forget(&view->cluster);
    index->slot[slot_of(snapshot, index, ns_text_of(view->jenkins_job))] = view->index + 1;
    snapshot->pipelines[snapshot->pipeline_count++] = view;
    return view;
}

void ns_pipeline_put_build(ns_pipeline_view *view, const ns_build *build)
{
    size_t at = 0;
    while (at < view->build_count && view->builds[at].number > build->number)
        at++;
    if (at < view->build_count && view->builds[at].number == build->number) {
        view->builds[at] = *build;
    } else if (at < NS_BUILDS_KEPT) {
        size_t kept = view->build_count < NS_BUILDS_KEPT ? view->build_count : NS_BUILDS_KEPT - 1;
        memmove(&view->builds[at + 1], &view->builds[at], (kept - at) * sizeof view->builds[0]);
        view->builds[at] = *build;
        view->build_count = kept + 1;
    }
    if (!build->running && build->result != NS_BUILD_unknown && build->number >= view->completed.number)
        view->completed = *build;
}

const ns_build *ns_pipeline_build(const ns_pipeline_view *view, int64_t number)
{
    for (size_t i = 0; i < view->build_count; i++)
        if (view->builds[i].number == number)
            return &view->builds[i];
    return NULL;
}

ns_value ns_snapshot_signal(const ns_snapshot *snapshot, const ns_pipeline_view *view, ns_signal signal)
{
    return ns_signal_facts_of(signal)->scope == NS_SCOPE_global ? snapshot->signal[signal] : view->signal[signal];
}
