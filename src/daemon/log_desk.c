#include "daemon/log_desk.h"

#include "daemon/greens.h"
#include "daemon/show.h"

#include <math.h>
#include <string.h>

enum { WAITING_CEILING = 16 * 1024 * 1024, READ_BACK_BYTES = 1024 * 1024 };
/* Logs of builds that ended longer ago than this before they were first seen are not fetched. */
enum { OLD_LOG_MS = 30 * 60 * 1000 };
/* A new point of the risk curve is stored when the probability moved by this much, or anything else changed. */
static const double CURVE_STEP = 0.005;

static double risk_of(const ns_build_entry *entry)
{
    return entry->has_prediction ? entry->prediction.fail_probability : 0.5;
}

static bool save(ns_house *house, const ns_pipeline_view *view, ns_build_entry *entry)
{
    if (entry->unsaved.len == 0 && !entry->restart_unsaved && !entry->end_unsaved)
        return true;
    ns_log_row row = {.build = entry->number,
                      .text = ns_buf_view(&entry->unsaved),
                      .next_offset = entry->next_offset,
                      .restarted = entry->restart_unsaved,
                      .ended = entry->end_unsaved};
    (void)ns_text_copy(row.jenkins_job, sizeof row.jenkins_job, ns_text_of(view->jenkins_job));
    uint64_t sequence;
    ns_status status = house->store.put(house->store.self, &(ns_row){.kind = NS_ROW_log, .of.log = &row}, &sequence);
    if (status == NS_BUSY)
        return false;
    /* A store that cannot write at all must not stop the watching: the text still goes to the scorer. */
    ns_buf_clear(&entry->unsaved);
    entry->restart_unsaved = entry->end_unsaved = false;
    return true;
}

static bool score(ns_house *house, const ns_pipeline_view *view, ns_build_entry *entry)
{
    if (entry->unscored.len == 0 && !entry->restart_unscored && !entry->end_unscored)
        return true;
    ns_status status = ns_scorer_grow(house->scorer, view->jenkins_job, entry->number, ns_buf_view(&entry->unscored),
                                      entry->restart_unscored, entry->end_unscored, risk_of(entry));
    if (status == NS_BUSY || status == NS_NO_MEMORY)
        return false;
    ns_buf_clear(&entry->unscored);
    entry->restart_unscored = entry->end_unscored = false;
    return true;
}

static bool push(ns_house *house, const ns_pipeline_view *view, ns_build_entry *entry)
{
    bool saved = save(house, view, entry);
    return score(house, view, entry) && saved;
}

static ns_status redact_into_both(ns_house *house, ns_build_entry *entry, const ns_log_piece *piece)
{
    ns_buf text;
    ns_buf_init(&text, WAITING_CEILING);
    ns_status status = ns_redact_stream_put(house->redactor, &entry->redaction, piece->text, &text);
    if (status == NS_OK && piece->ended)
        status = ns_redact_stream_end(house->redactor, &entry->redaction, &text);
    if (status == NS_OK)
        status = ns_buf_text(&entry->unsaved, ns_buf_view(&text));
    if (status == NS_OK)
        status = ns_buf_text(&entry->unscored, ns_buf_view(&text));
    ns_buf_clear(&text);
    return status;
}

static ns_status take(void *self, const ns_log_piece *piece)
{
    ns_house *house = self;
    ns_track *track = ns_house_track(house, piece->pipeline);
    if (track == NULL && ns_house_tracks(house) == NS_OK)
        track = ns_house_track(house, piece->pipeline);
    if (track != NULL)
        ns_greens_restore(house, piece->pipeline, track);
    ns_build_entry *entry = track == NULL ? NULL : ns_house_build(house, track, piece->build, true);
    if (entry == NULL)
        return NS_BUSY; /* no memory now */
    if (!push(house, piece->pipeline, entry))
        return NS_BUSY;
    if (piece->restarted) {
        ns_redact_stream_clear(&entry->redaction);
        entry->restart_unsaved = entry->restart_unscored = true;
        entry->final = false;
    }
    if (redact_into_both(house, entry, piece) != NS_OK) {
        ns_log(NS_LOG_WARNING, "daemon", "log_text_lost", "build=%lld bytes=%zu", (long long)piece->build,
               piece->text.len);
        ns_redact_stream_clear(&entry->redaction);
        ns_buf_reset(&entry->unsaved);
        ns_buf_reset(&entry->unscored);
    }
    entry->next_offset = piece->next_offset;
    if (piece->ended)
        entry->log_ended = entry->end_unsaved = entry->end_unscored = true;
    (void)push(house, piece->pipeline, entry);
    return NS_OK;
}

static ns_build_entry *entry_of(ns_house *house, const ns_pipeline_view *view, int64_t build)
{
    ns_track *track = ns_house_track(house, view);
    return track == NULL ? NULL : ns_house_build(house, track, build, false);
}

static int64_t offset(void *self, const char *jenkins_job, int64_t build)
{
    ns_house *house = self;
    const ns_pipeline_view *view = ns_snapshot_find(house->snapshot, ns_text_of(jenkins_job));
    const ns_build_entry *entry = view == NULL ? NULL : entry_of(house, view, build);
    return entry == NULL ? 0 : entry->log_ended ? -1 : entry->next_offset;
}

static bool wanted(void *self, const ns_pipeline_view *view, const ns_build *build)
{
    ns_house *house = self;
    const ns_build_entry *entry = entry_of(house, view, build->number);
    if (entry != NULL)
        return !entry->log_ended;
    if (build->running || build->started_ms < 0 || build->duration_ms < 0)
        return build->running;
    return ns_clock_now_ms(&house->clock) - (build->started_ms + build->duration_ms) <= OLD_LOG_MS;
}

ns_log_sink ns_log_desk(ns_house *house)
{
    return (ns_log_sink){.self = house, .take = take, .offset = offset, .wanted = wanted};
}

void ns_log_desk_push(ns_house *house)
{
    for (size_t i = 0; i < house->track_count; i++)
        for (ns_build_entry *entry = house->tracks[i].builds; entry != NULL; entry = entry->next)
            (void)push(house, house->snapshot->pipelines[i], entry);
}

static bool worth_storing(const ns_build_entry *entry, const ns_prediction *fresh, bool ended)
{
    const ns_prediction *old = &entry->prediction;
    return !entry->has_prediction || ended || old->decision != fresh->decision || old->cause != fresh->cause ||
           !(fabs(old->fail_probability - fresh->fail_probability) < CURVE_STEP);
}

static void note_prediction(ns_house *house, const ns_pipeline_view *view, ns_build_entry *entry,
                            const ns_prediction *fresh, bool ended)
{
    house->counts.predictions++;
    if (!entry->has_prediction)
        house->counts.builds_scored++;
    bool store = worth_storing(entry, fresh, ended);
    entry->prediction = *fresh;
    entry->has_prediction = true;
    entry->final |= ended;
    if (fresh->decision == NS_PREDICTED_failure && !entry->alarmed && !ended && entry->finished_ms < 0) {
        entry->alarmed = true;
        entry->alarm_ms = fresh->known_at_ms;
        house->counts.builds_alarmed++;
    }
    if (!store)
        return;
    ns_prediction_row row = {.build = entry->number, .prediction = *fresh};
    (void)ns_text_copy(row.jenkins_job, sizeof row.jenkins_job, ns_text_of(view->jenkins_job));
    (void)ns_house_put(house, &(ns_row){.kind = NS_ROW_prediction, .of.prediction = &row});
    ns_buf json;
    ns_buf_init(&json, 64 * 1024);
    ns_show_prediction(&json, view->jenkins_job, entry->number, fresh);
    ns_feed_publish(house->feed, NS_FEED_prediction, ns_buf_view(&json));
    ns_buf_clear(&json);
}

void ns_log_desk_predictions(ns_house *house)
{
    char job[NS_JOB_MAX];
    int64_t build;
    bool ended;
    ns_prediction fresh;
    while (ns_scorer_take(house->scorer, job, &build, &ended, &fresh)) {
        const ns_pipeline_view *view = ns_snapshot_find(house->snapshot, ns_text_of(job));
        ns_build_entry *entry = view == NULL ? NULL : entry_of(house, view, build);
        if (entry != NULL)
            note_prediction(house, view, entry, &fresh, ended);
    }
}

/* A log whose beginning was read before the restart: the scorer gets the stored text once more. */
static void read_back(ns_house *house, const ns_pipeline_view *view, ns_build_entry *entry)
{
    ns_error err;
    int64_t total = 0;
    ns_status status = house->store.log_text(house->store.self, view->jenkins_job, entry->number, 0, READ_BACK_BYTES,
                                             &entry->unscored, &total, &err);
    if (status == NS_OK && total > READ_BACK_BYTES) {
        ns_buf_reset(&entry->unscored);
        status = house->store.log_text(house->store.self, view->jenkins_job, entry->number, total - READ_BACK_BYTES,
                                       READ_BACK_BYTES, &entry->unscored, &total, &err);
    }
    if (status != NS_OK)
        ns_buf_reset(&entry->unscored);
    entry->restart_unscored = true;
}

static bool restore_one(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    ns_house *house = owner;
    const ns_log_row *log = row->of.log;
    ns_pipeline_view *view = ns_snapshot_pipeline(house->snapshot, ns_text_of(log->jenkins_job));
    if (view == NULL || ns_house_tracks(house) != NS_OK)
        return false;
    ns_build_entry *entry = ns_house_build(house, ns_house_track(house, view), log->build, true);
    if (entry == NULL)
        return false;
    entry->next_offset = log->next_offset;
    read_back(house, view, entry);
    return true;
}

ns_status ns_log_desk_restore(ns_house *house, ns_error *err)
{
    return house->store.log_offsets(house->store.self, restore_one, house, err);
}
