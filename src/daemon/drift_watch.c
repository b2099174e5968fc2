#include "daemon/drift_watch.h"

#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- taking in ---- */

static void tell_signals(ns_house *house, const bool before[NS_DRIFT_SIGNALS])
{
    for (unsigned s = 0; s < NS_DRIFT_SIGNALS; s++) {
        if (house->drift.on[s] == before[s])
            continue;
        const char *name = ns_drift_facts_of((ns_drift_signal)s)->name;
        double value = ns_drift_value(&house->drift, (ns_drift_signal)s, NULL);
        char detail[64];
        (void)snprintf(detail, sizeof detail, "value=%.3f", value);
        ns_log(house->drift.on[s] ? NS_LOG_WARNING : NS_LOG_INFO, "daemon",
               house->drift.on[s] ? "drift_began" : "drift_over", "signal=%s %s", name, detail);
        ns_house_audit(house, "neuroshield", house->drift.on[s] ? "drift_began" : "drift_over", name, detail);
    }
}

static void tell_job(ns_house *house, const char *jenkins_job, const ns_drift_job *job)
{
    char detail[64];
    (void)snprintf(detail, sizeof detail, "alarm_rate=%.3f", ns_drift_job_rate(job));
    ns_log(job->on ? NS_LOG_WARNING : NS_LOG_INFO, "daemon", job->on ? "drift_began" : "drift_over", "job=%s %s",
           jenkins_job, detail);
    ns_house_audit(house, "neuroshield", job->on ? "drift_began" : "drift_over", jenkins_job, detail);
}

static void take(ns_house *house, const char *jenkins_job, ns_track *track, const ns_drift_build *build, bool tell)
{
    bool before[NS_DRIFT_SIGNALS];
    memcpy(before, house->drift.on, sizeof before);
    if (ns_drift_note(&house->drift, build, ns_clock_now_ms(&house->clock)) && tell)
        tell_signals(house, before);
    if (ns_drift_job_note(&track->drift, build) && tell)
        tell_job(house, jenkins_job, &track->drift);
}

/* Of the lines read, a model scores only those that no earlier green log has; the keyword rule looks at all. */
static double new_share(const ns_prediction *last)
{
    if (last->code_path == NS_PATH_keyword)
        return (double)NAN;
    return last->references > 0 && last->lines > 0 ? (double)last->windows / (double)last->lines : (double)NAN;
}

/* Of a handful of words nothing can be told. */
static double unknown_share(const ns_prediction *last)
{
    enum { WORDS_LEAST = 50 };
    return last->words >= WORDS_LEAST ? (double)last->unknown_words / (double)last->words : (double)NAN;
}

static bool is_an_example(const ns_build *build)
{
    return !build->running && (build->result == NS_BUILD_SUCCESS || ns_build_failed(build));
}

void ns_drift_watch_note(ns_house *house, const ns_pipeline_view *view, ns_track *track)
{
    for (ns_build_entry *entry = track->builds; entry != NULL; entry = entry->next) {
        if (entry->drift_told || !entry->final || entry->finished_ms < 0)
            continue;
        const ns_build *build = ns_pipeline_build(view, entry->number);
        if (build == NULL || build->running)
            continue;
        entry->drift_told = true;
        if (!is_an_example(build))
            continue;
        const ns_drift_build ended = {.failed = ns_build_failed(build),
                                      .alarmed = entry->alarmed,
                                      .probability = entry->prediction.fail_probability,
                                      .new_share = new_share(&entry->prediction),
                                      .unknown_share = unknown_share(&entry->prediction)};
        take(house, view->jenkins_job, track, &ended, true);
    }
}

const char *ns_drift_watch_why(const ns_house *house, const ns_track *track)
{
    const char *why = ns_drift_why(&house->drift);
    return why != NULL ? why : track->drift.on ? "alarm_rate of this job" : NULL;
}

/* ---- after a restart ---- */

enum { READ_BACK = NS_DRIFT_WINDOW, CURVE_MOST = 1000 };

typedef struct builds_back {
    ns_build_row *row; /* (READ_BACK) newest first */
    size_t count;
} builds_back;

static bool take_build_back(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    builds_back *back = owner;
    if (is_an_example(&row->of.build->build))
        back->row[back->count++] = *row->of.build;
    return back->count < READ_BACK;
}

typedef struct curve_back {
    const ns_build *build;
    ns_drift_build ended;
    bool seen;
} curve_back;

static bool take_point_back(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    curve_back *back = owner;
    const ns_prediction *p = &row->of.prediction->prediction;
    bool during = p->known_at_ms < back->build->started_ms + back->build->duration_ms;
    back->seen = true;
    back->ended.alarmed |= during && p->decision == NS_PREDICTED_failure;
    back->ended.probability = p->fail_probability;
    back->ended.new_share = new_share(p);
    back->ended.unknown_share = unknown_share(p);
    return true;
}

static ns_status build_back(ns_house *house, const ns_build_row *row, ns_error *err)
{
    ns_pipeline_view *view = ns_snapshot_pipeline(house->snapshot, ns_text_of(row->jenkins_job));
    if (view == NULL || ns_house_tracks(house) != NS_OK)
        return ns_fail(err, NS_NO_MEMORY, "no memory to read back how builds were predicted");
    curve_back curve = {.build = &row->build, .ended = {.failed = ns_build_failed(&row->build)}};
    ns_row_query query = {.kind = NS_ROW_prediction,
                          .jenkins_job = row->jenkins_job,
                          .build = row->build.number,
                          .oldest_first = true,
                          .limit = CURVE_MOST};
    ns_status status = house->store.list(house->store.self, &query, take_point_back, &curve, err);
    if (status == NS_OK && curve.seen)
        take(house, row->jenkins_job, ns_house_track(house, view), &curve.ended, false);
    return status;
}

ns_status ns_drift_watch_read_back(ns_house *house, ns_error *err)
{
    builds_back back = {.row = NS_NEW_ARRAY(ns_build_row, READ_BACK)};
    if (back.row == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory to read back how builds were predicted");
    ns_row_query query = {.kind = NS_ROW_build, .limit = 1000};
    ns_status status = house->store.list(house->store.self, &query, take_build_back, &back, err);
    for (size_t i = back.count; i-- > 0 && status == NS_OK;)
        status = build_back(house, &back.row[i], err);
    ns_free(back.row);
    const char *why = ns_drift_why(&house->drift);
    if (status == NS_OK && why != NULL)
        ns_log(NS_LOG_WARNING, "daemon", "drift_lasts", "signal=%s", why);
    return status;
}

/* ---- showing ---- */

void ns_drift_watch_show(ns_json_writer *w, const ns_house *house)
{
    ns_json_object(w);
    ns_json_field_bool(w, "on", ns_drift_why(&house->drift) != NULL);
    ns_json_key(w, "signals");
    ns_json_array(w);
    for (unsigned s = 0; s < NS_DRIFT_SIGNALS; s++) {
        const ns_drift_facts *facts = ns_drift_facts_of((ns_drift_signal)s);
        size_t builds;
        double value = ns_drift_value(&house->drift, (ns_drift_signal)s, &builds);
        ns_json_object(w);
        ns_json_field_string(w, "name", facts->name);
        ns_json_field_real(w, "value", value);
        ns_json_field_bool(w, "on", house->drift.on[s]);
        ns_json_field_real(w, "begins_above", facts->begins);
        ns_json_field_real(w, "ends_at", facts->ends);
        ns_json_field_int(w, "builds", (int64_t)builds);
        ns_json_field_time(w, "since", house->drift.on[s] ? house->drift.since_ms[s] : -1);
        ns_json_end_object(w);
    }
    ns_json_end_array(w);
    ns_json_key(w, "jobs");
    ns_json_array(w);
    for (size_t i = 0; i < house->track_count; i++) {
        if (!house->tracks[i].drift.on)
            continue;
        ns_json_object(w);
        ns_json_field_string(w, "jenkins_job", house->snapshot->pipelines[i]->jenkins_job);
        ns_json_field_real(w, "alarm_rate", ns_drift_job_rate(&house->tracks[i].drift));
        ns_json_end_object(w);
    }
    ns_json_end_array(w);
    ns_json_end_object(w);
}
