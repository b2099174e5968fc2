#include "daemon/read_back.h"

#include "base/mem.h"
#include "daemon/carry_out.h"
#include "daemon/drift_watch.h"
#include "daemon/log_desk.h"
#include "daemon/scaled.h"

#include <string.h>

typedef struct cases_back {
    ns_house *house;
    int64_t cursor; /* of the last one taken */
    size_t seen;    /* of this page */
    bool failed;
} cases_back;

static bool take_case_back(void *owner, const ns_row *row, int64_t cursor)
{
    cases_back *back = owner;
    ns_house *house = back->house;
    back->cursor = cursor;
    back->seen++;
    ns_pipeline_view *view = ns_snapshot_pipeline(house->snapshot, ns_text_of(row->of.a_case->jenkins_job));
    ns_case *c = view == NULL || ns_house_tracks(house) != NS_OK ? NULL : NS_NEW(ns_case);
    if (c == NULL) {
        back->failed = true;
        return false;
    }
    *c = *row->of.a_case;
    ns_track *track = ns_house_track(house, view);
    if (track->open_case != NULL) { /* cannot be: one open case per pipeline; the newest wins */
        ns_free(c);
        return true;
    }
    track->open_case = c;
    int64_t now_ms = ns_clock_now_ms(&house->clock);
    ns_case_event event = {.kind = NS_EVENT_restarted,
                           .at_ms = now_ms,
                           .deadline_ms = now_ms + (int64_t)(house->settings->verify_wait_s * 1000.0)};
    if (!ns_case_step(c, &event)) /* a closed one is never listed as open */
        ns_log(NS_LOG_WARNING, "daemon", "case_not_taken_back", "case=%lld", (long long)c->id);
    ns_carry_read_back(house, track);
    return true;
}

/* What was sent lately, newest first as the store lists it. */
enum { SENT_READ_BACK = 1000 };
typedef struct sent_lately {
    struct {
        char job[NS_JOB_MAX];
        ns_action action;
        int64_t case_id;
        int64_t at_ms;
    } * at;
    size_t count;
} sent_lately;

static bool take_effect_back(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    sent_lately *sent = owner;
    const ns_effect_row *effect = row->of.effect;
    bool left = effect->state != NS_CASE_intent && effect->state != NS_CASE_committed &&
                effect->state != NS_CASE_waiting && effect->state != NS_CASE_refused;
    if (!left)
        return true;
    (void)ns_text_copy(sent->at[sent->count].job, NS_JOB_MAX, ns_text_of(effect->effect.jenkins_job));
    sent->at[sent->count].action = effect->effect.action;
    sent->at[sent->count].case_id = effect->effect.case_id;
    sent->at[sent->count++].at_ms = effect->at_ms;
    return sent->count < SENT_READ_BACK;
}

/* Budgets and cool-downs hold over a restart: the guardrails are told, oldest first. */
static ns_status read_sent_back(ns_house *house, ns_error *err)
{
    sent_lately sent = {.at = ns_alloc(SENT_READ_BACK, sizeof *sent.at)};
    if (sent.at == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory to read back what was sent");
    ns_row_query query = {.kind = NS_ROW_effect, .limit = SENT_READ_BACK};
    ns_status status = house->store.list(house->store.self, &query, take_effect_back, &sent, err);
    for (size_t i = sent.count; i-- > 0 && status == NS_OK;)
        ns_guardrails_note_sent(house->rails, sent.at[i].job, sent.at[i].action, sent.at[i].case_id, sent.at[i].at_ms);
    ns_free(sent.at);
    return status;
}

/* Every open case, page after page: one that is left behind would be an action without an end. */
static ns_status read_cases_back(ns_house *house, ns_error *err)
{
    enum { PAGE = 1000 };
    cases_back back = {.house = house, .seen = PAGE};
    while (back.seen == PAGE) {
        ns_row_query query = {.kind = NS_ROW_case, .open_only = true, .limit = PAGE, .after = back.cursor};
        back.seen = 0;
        ns_status status = house->store.list(house->store.self, &query, take_case_back, &back, err);
        if (status != NS_OK)
            return status;
        if (back.failed)
            return ns_fail(err, NS_NO_MEMORY, "no memory to read the open cases back");
    }
    return NS_OK;
}

/* Which templates proved good before this start: a rollback may go back to them (see cluster_watch). */
enum { REVISIONS_READ_BACK = 1000 };

static bool take_revision_back(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    ns_house *house = owner;
    house->revisions[house->revision_count++] = *row->of.revision;
    return house->revision_count < REVISIONS_READ_BACK;
}

static ns_status read_revisions_back(ns_house *house, ns_error *err)
{
    house->revisions = NS_NEW_ARRAY(ns_revision_row, REVISIONS_READ_BACK);
    if (house->revisions == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory to read back what was verified");
    ns_row_query query = {.kind = NS_ROW_revision, .limit = REVISIONS_READ_BACK};
    return house->store.list(house->store.self, &query, take_revision_back, house, err);
}

ns_status ns_house_read_back(ns_house *house, ns_error *err)
{
    ns_status status = read_cases_back(house, err);
    if (status == NS_OK)
        status = read_sent_back(house, err);
    if (status == NS_OK)
        status = read_revisions_back(house, err);
    if (status == NS_OK)
        status = ns_scaled_read_back(house, err);
    if (status == NS_OK)
        status = ns_drift_watch_read_back(house, err);
    return status != NS_OK ? status : ns_log_desk_restore(house, err);
}
