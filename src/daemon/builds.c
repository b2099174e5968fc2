#include "daemon/builds.h"

#include "daemon/show.h"

/* How long a build that has ended is remembered after everything about it is done, world time. */
enum { REMEMBER_MS = 30 * 60 * 1000 };

/* Of what a person would call a change of the build. */
static uint64_t signature_of(const ns_build *build)
{
    struct {
        int64_t running, result, duration_ms, tests_total, tests_failed, stages, stages_bad, changes;
        uint64_t stage;
    } seen = {build->running,     build->result,       build->duration_ms,
              build->tests_total, build->tests_failed, build->stages,
              build->stages_bad,  build->changes,      ns_hash(ns_text_of(build->stage))};
    return ns_hash((ns_text){(const char *)&seen, sizeof seen});
}

static bool of_interest(const ns_step *step, const ns_build *build, int64_t now_ms)
{
    if (build->running)
        return true;
    if (!step->track->first_look)
        return build->number > step->track->handled_build;
    /* First look: only a failure fresh enough to become an incident; see settle.c. */
    bool fresh = build->started_ms >= 0 && build->duration_ms >= 0 &&
                 now_ms - (build->started_ms + build->duration_ms) <= REMEMBER_MS;
    return fresh && ns_build_failed(build) && build->number == step->view->completed.number;
}

static void note_end(ns_house *house, ns_build_entry *entry, const ns_build *build, int64_t now_ms)
{
    entry->finished_ms = now_ms;
    house->counts.builds_finished++;
    house->counts.builds_failed += ns_build_failed(build);
    ns_early_warning_note(&house->counts.early, ns_lead_s(entry->alarm_ms, build));
    house->counts.false_alarms += entry->alarmed && build->result == NS_BUILD_SUCCESS;
}

void ns_builds_note(ns_house *house, ns_step *step, int64_t now_ms)
{
    for (size_t i = 0; i < step->view->build_count; i++) {
        const ns_build *build = &step->view->builds[i];
        ns_build_entry *entry = ns_house_build(house, step->track, build->number, false);
        if (entry == NULL && of_interest(step, build, now_ms))
            entry = ns_house_build(house, step->track, build->number, true);
        if (entry == NULL)
            continue;
        uint64_t signature = signature_of(build);
        if (entry->signature == signature)
            continue;
        house->counts.builds_seen += entry->signature == 0;
        entry->signature = signature;
        entry->dirty = true;
        if (!build->running && build->result != NS_BUILD_unknown && entry->finished_ms < 0)
            note_end(house, entry, build, now_ms);
    }
}

static void store_build(ns_house *house, const ns_pipeline_view *view, ns_build_entry *entry, const ns_build *build)
{
    ns_build_row row = {.build = *build};
    (void)ns_text_copy(row.jenkins_job, sizeof row.jenkins_job, ns_text_of(view->jenkins_job));
    if (ns_house_put(house, &(ns_row){.kind = NS_ROW_build, .of.build = &row}) == 0)
        return; /* no room: once more next tick */
    entry->dirty = false;
    ns_buf json;
    ns_buf_init(&json, 64 * 1024);
    ns_show_build(&json, view->jenkins_job, build, entry->has_prediction ? &entry->prediction : NULL);
    ns_feed_publish(house->feed, NS_FEED_build, ns_buf_view(&json));
    ns_buf_clear(&json);
}

static bool done_with(const ns_track *track, const ns_build_entry *entry, int64_t now_ms)
{
    if (entry->finished_ms < 0 || entry->number > track->handled_build || now_ms - entry->finished_ms < REMEMBER_MS)
        return false;
    return track->open_case == NULL || track->open_case->build != entry->number;
}

void ns_builds_store(ns_house *house, ns_step *step, int64_t now_ms)
{
    for (ns_build_entry *entry = step->track->builds; entry != NULL;) {
        ns_build_entry *next = entry->next;
        const ns_build *build = ns_pipeline_build(step->view, entry->number);
        if (entry->dirty && build != NULL)
            store_build(house, step->view, entry, build);
        if (done_with(step->track, entry, now_ms) ||
            (build == NULL && step->view->build_count == NS_BUILDS_KEPT && entry->finished_ms >= 0))
            ns_house_forget_build(house, step->view, step->track, entry);
        entry = next;
    }
}
