/* What the source knows about jobs and builds: answers into the snapshot, and what has to be asked next. */
#include "telemetry/jenkins_inside.h"

#include "base/mem.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* ---- which jobs ---- */

static int by_name(const void *key, const void *element)
{
    return strcmp(key, *(char *const *)element);
}

static bool matches_any(char *const *patterns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

/* `jobs` is sorted: see ns_jenkins_source_new. */
static bool is_wanted(const jenkins_source *s, const char *name)
{
    if (s->job_count > 0 && bsearch(name, s->jobs, s->job_count, sizeof *s->jobs, by_name) == NULL)
        return false;
    if (s->include_count > 0 && !matches_any(s->include, s->include_count, name))
        return false;
    return !matches_any(s->exclude, s->exclude_count, name);
}

/* ---- lines of jobs that details are due for ---- */

static void put_in_line(jenkins_source *s, due_line *line, size_t index)
{
    s->job[index].next_due = 0;
    if (line->last != 0)
        s->job[line->last - 1].next_due = index + 1;
    else
        line->first = index + 1;
    line->last = index + 1;
}

static bool take_from_line(jenkins_source *s, due_line *line, size_t *index)
{
    if (line->first == 0)
        return false;
    *index = line->first - 1;
    line->first = s->job[*index].next_due;
    if (line->first == 0)
        line->last = 0;
    return true;
}

/* Two builds of one job are due: one look at its newest six tells both. */
static void make_due(jenkins_source *s, const ns_pipeline_view *view, due_kind kind, int64_t number, bool urgent)
{
    job_watch *job = &s->job[view->index];
    if (job->due == DUE_NOTHING) {
        put_in_line(s, urgent ? &s->urgent : &s->patient, view->index);
        job->due = kind;
        job->due_number = number;
    } else if (kind == DUE_HISTORY || job->due_number != number) {
        job->due = DUE_HISTORY;
    }
}

bool jenkins_next_due(jenkins_source *s)
{
    size_t index;
    if (!take_from_line(s, &s->urgent, &index) && !take_from_line(s, &s->patient, &index))
        return false;
    job_watch *job = &s->job[index];
    s->asked_view = s->snapshot->pipelines[index];
    s->asked_due = job->due;
    s->asked_number = job->due_number;
    job->due = DUE_NOTHING;
    return true;
}

/* ---- builds ---- */

static const ns_build *known_build(const ns_pipeline_view *view, int64_t number)
{
    const ns_build *kept = ns_pipeline_build(view, number);
    return kept != NULL ? kept : view->completed.number == number && number > 0 ? &view->completed : NULL;
}

/* The record of this number with what the JSON adds. A build of another start under the same number is another build:
 * the job was deleted and made anew. */
static ns_build merged(const jenkins_source *s, const ns_pipeline_view *view, const json_t *json, int64_t number)
{
    const ns_build *known = known_build(view, number);
    ns_build build = known == NULL ? ns_build_unknown(number) : *known;
    int64_t started = ns_json_int(json, "timestamp", -1);
    if (known != NULL && started > 0 && known->started_ms > 0 && started != known->started_ms)
        build = ns_build_unknown(number);
    ns_jenkins_read_build(json, s->own_user, &build);
    build.seen_ms = ns_clock_now_ms(&s->clock);
    return build;
}

static int64_t number_of(const json_t *json)
{
    int64_t number = ns_json_int(json, "number", 0);
    return number > 0 ? number : 0;
}

/* A build as the light poll shows it. newest: highest number known before this round. */
static void saw_build(jenkins_source *s, ns_pipeline_view *view, const json_t *json, int64_t newest)
{
    int64_t number = number_of(json);
    if (number == 0)
        return;
    const ns_build *known = known_build(view, number);
    bool was_known = known != NULL;
    bool was_running = was_known && known->running;
    ns_build build = merged(s, view, json, number);
    bool another = was_known && known->started_ms > 0 && known->started_ms != build.started_ms;
    ns_pipeline_put_build(view, &build);
    if (s->job[view->index].seen && (!was_known || another))
        make_due(s, view, number > newest + 1 && newest > 0 ? DUE_HISTORY : DUE_BUILD, number, true);
    else if (was_running && !build.running)
        make_due(s, view, DUE_BUILD, number, true);
    if (build.running || !was_known)
        jenkins_follow(s, view, &build);
}

/* Builds above the newest that Jenkins names were deleted (or the whole job was, and made anew). */
static void forget_deleted(ns_pipeline_view *view, int64_t newest)
{
    size_t gone = 0;
    while (gone < view->build_count && view->builds[gone].number > newest)
        gone++;
    if (gone > 0) {
        view->build_count -= gone;
        memmove(&view->builds[0], &view->builds[gone], view->build_count * sizeof view->builds[0]);
    }
    if (view->completed.number <= newest)
        return;
    view->completed = ns_build_unknown(0);
    for (size_t i = view->build_count; i-- > 0;) {
        ns_build again = view->builds[i];
        ns_pipeline_put_build(view, &again); /* finds the newest finished one anew */
    }
}

/* A running build that is not the newest shows in the light poll no more: look at the newest six. */
static bool older_is_running(const ns_pipeline_view *view)
{
    for (size_t i = 1; i < view->build_count; i++)
        if (view->builds[i].running)
            return true;
    return false;
}

static void first_sight(jenkins_source *s, ns_pipeline_view *view)
{
    job_watch *job = &s->job[view->index];
    job->seen = true;
    if (view->build_count > 0)
        make_due(s, view, DUE_HISTORY, view->builds[0].number,
                 view->builds[0].running || ns_build_failed(&view->builds[0]));
}

/* ---- the light poll ---- */

static bool room_for(jenkins_source *s, size_t index)
{
    if (index < s->job_room)
        return true;
    size_t room = s->job_room == 0 ? 64 : s->job_room * 2;
    while (room <= index)
        room *= 2;
    job_watch *moved = ns_realloc(s->job, room, sizeof *moved);
    if (moved == NULL)
        return false;
    memset(moved + s->job_room, 0, (room - s->job_room) * sizeof *moved);
    s->job = moved;
    s->job_room = room;
    return true;
}

static ns_pipeline_view *view_of(jenkins_source *s, ns_text name)
{
    ns_pipeline_view *view = ns_snapshot_find(s->snapshot, name);
    if (view == NULL && s->snapshot->pipeline_count < s->max_jobs)
        view = ns_snapshot_pipeline(s->snapshot, name);
    if (view == NULL || !room_for(s, view->index)) {
        s->job_lost = true;
        return NULL;
    }
    return view;
}

static void saw_job(void *owner, const ns_jenkins_job *job)
{
    jenkins_source *s = owner;
    if (!is_wanted(s, job->full_name.at))
        return;
    ns_pipeline_view *view = view_of(s, job->full_name);
    if (view == NULL)
        return;
    job_watch *watch = &s->job[view->index];
    watch->round = s->round;
    watch->pipeline = job->pipeline;
    view->buildable = job->buildable;
    view->in_queue = job->in_queue;
    view->gone = false;
    view->jenkins_at_ms = ns_clock_now_ms(&s->clock);
    int64_t newest = view->build_count > 0 ? view->builds[0].number : 0;
    int64_t last = number_of(job->last);
    if (last > 0 || job->never_built)
        forget_deleted(view, last);
    if (job->last_completed != NULL && number_of(job->last_completed) < last)
        saw_build(s, view, job->last_completed, newest);
    if (job->last != NULL)
        saw_build(s, view, job->last, newest);
    if (!watch->seen)
        first_sight(s, view);
    else if (older_is_running(view))
        make_due(s, view, DUE_HISTORY, last, true);
}

void jenkins_take_jobs(jenkins_source *s, const json_t *json, bool *whole, ns_status *status)
{
    s->job_lost = false;
    *status = ns_jenkins_read_jobs(json, saw_job, s, whole);
    *whole = *status == NS_OK && *whole && !s->job_lost;
    if (!*whole)
        return;
    for (size_t i = 0; i < s->snapshot->pipeline_count; i++) {
        ns_pipeline_view *view = s->snapshot->pipelines[i];
        bool named = i < s->job_room && s->job[i].round == s->round;
        if (!named && view->jenkins_job[0] != '\0' && is_wanted(s, view->jenkins_job)) {
            view->gone = true;
            view->in_queue = false;
        }
    }
}

/* ---- details ---- */

void jenkins_take_build(jenkins_source *s, ns_pipeline_view *view, const json_t *json)
{
    int64_t number = number_of(json);
    if (number == 0)
        return;
    ns_build build = merged(s, view, json, number);
    ns_pipeline_put_build(view, &build);
    if (ns_pipeline_build(view, number) != NULL)
        jenkins_follow(s, view, &build);
}

static bool lists(const json_t *builds, int64_t number, int64_t *lowest)
{
    bool found = false;
    for (size_t i = 0; i < json_array_size(builds); i++) {
        int64_t n = number_of(json_array_get(builds, i));
        found = found || n == number;
        if (n > 0 && n < *lowest)
            *lowest = n;
    }
    return found;
}

void jenkins_take_history(jenkins_source *s, ns_pipeline_view *view, const json_t *json)
{
    const json_t *builds = ns_json_at(json, "builds");
    if (!json_is_array(builds))
        return;
    for (size_t i = 0; i < json_array_size(builds) && i < NS_BUILDS_KEPT; i++)
        jenkins_take_build(s, view, json_array_get(builds, i));
    for (size_t i = 0; i < view->build_count; i++) {
        int64_t lowest = INT64_MAX;
        bool listed = lists(builds, view->builds[i].number, &lowest);
        /* Running as far as we knew, but its record is gone: it ended and was deleted, nobody will tell how. */
        if (!listed && view->builds[i].running && (view->builds[i].number > lowest || lowest == INT64_MAX)) {
            view->builds[i].running = false;
            view->builds[i].result = NS_BUILD_unknown;
        }
    }
}

void jenkins_take_agent(void *owner, const char *job, int64_t number, const char *agent)
{
    jenkins_source *s = owner;
    ns_pipeline_view *view = ns_snapshot_find(s->snapshot, ns_text_of(job));
    const ns_build *known = view == NULL ? NULL : ns_pipeline_build(view, number);
    if (known == NULL || !known->running)
        return;
    ns_build build = *known;
    if (ns_text_copy(build.agent, sizeof build.agent, ns_text_of(agent)))
        ns_pipeline_put_build(view, &build);
}

void jenkins_forget_jobs(jenkins_source *s)
{
    ns_free(s->job);
    s->job = NULL;
    s->job_room = 0;
}
