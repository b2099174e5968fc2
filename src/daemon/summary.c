#include "daemon/summary.h"

#include "wire/json.h"

#include <math.h>
#include <string.h>

/* Keys we sent, each looked for among what the world received. */
typedef struct matching {
    const ns_world *world;
    int64_t sent;
    int64_t matched;
} matching;

static bool match_effect(void *owner, const ns_row *row, int64_t cursor)
{
    (void)cursor;
    matching *m = owner;
    const ns_effect_row *effect = row->of.effect;
    if (effect->state == NS_CASE_intent || effect->state == NS_CASE_committed || effect->state == NS_CASE_waiting ||
        effect->state == NS_CASE_refused)
        return true; /* never left, or certainly not done */
    m->sent++;
    ns_world_effect received;
    m->matched += ns_world_effect_by_key(m->world, effect->effect.key, &received);
    return true;
}

/* Effect rows page by page, all of them. */
typedef struct page {
    matching *matching;
    int64_t last;
    int64_t seen;
} page;

static bool match_on_page(void *owner, const ns_row *row, int64_t cursor)
{
    page *p = owner;
    p->last = cursor;
    p->seen++;
    return match_effect(p->matching, row, cursor);
}

void ns_summary_effects(const ns_house *house, ns_effects_compared *out)
{
    matching m = {.world = house->world};
    page p = {.matching = &m};
    ns_error err;
    enum { PAGE = 1000 };
    do {
        p.seen = 0;
        ns_row_query query = {.kind = NS_ROW_effect, .after = p.last, .limit = PAGE};
        if (house->store.list(house->store.self, &query, match_on_page, &p, &err) != NS_OK)
            break;
    } while (p.seen == PAGE);
    int64_t received = 0;
    for (int64_t seq = 1; seq <= ns_world_effect_total(house->world); seq++) {
        ns_world_effect effect;
        received += ns_world_effect_at(house->world, seq, &effect) && effect.key[0] != '\0';
    }
    *out = (ns_effects_compared){.sent = m.sent,
                                 .received = received,
                                 .unmatched = m.sent - m.matched + (received > m.matched ? received - m.matched : 0)};
}

static void put_builds(ns_json_writer *w, const ns_counts *counts)
{
    ns_json_key(w, "builds");
    ns_json_object(w);
    ns_json_field_int(w, "seen", (int64_t)counts->builds_seen);
    ns_json_field_int(w, "finished", (int64_t)counts->builds_finished);
    ns_json_field_int(w, "failed", (int64_t)counts->builds_failed);
    ns_json_field_int(w, "scored", (int64_t)counts->builds_scored);
    ns_json_field_int(w, "alarmed", (int64_t)counts->builds_alarmed);
    ns_json_field_int(w, "false_alarms", (int64_t)counts->false_alarms);
    ns_json_field_int(w, "found_early", (int64_t)counts->early.found);
    ns_json_key(w, "lead_s");
    ns_json_object(w);
    ns_json_field_real(w, "median", ns_early_warning_median_s(&counts->early));
    ns_json_end_object(w);
    ns_json_end_object(w);
}

/* Incidents of this cause alone (no second fault that a retry may be right for) that saw a retry: of a compile error
 * there must be none. */
static int64_t retried(const ns_world *world, ns_cause cause)
{
    int64_t n = 0;
    for (int64_t id = 1; id <= ns_world_incident_total(world); id++) {
        ns_world_incident incident;
        if (!ns_world_incident_at(world, id, &incident) || incident.control || incident.cause != cause ||
            incident.also != NS_CAUSE_none)
            continue;
        bool seen = false;
        for (size_t i = 0; i < incident.action_count && i < NS_WORLD_INCIDENT_ACTIONS; i++)
            seen |= incident.action[i].action == NS_ACTION_retry_build;
        n += seen;
    }
    return n;
}

/* In live mode what only the world knows is null. */
static void put_incidents(ns_json_writer *w, const ns_world *world, const ns_world_outcome *known)
{
    static const char *const keys[] = {"total",           "healable", "healed_by_action", "healed_by_itself",
                                       "healed_by_human", "open"};
    ns_json_key(w, "incidents");
    ns_json_object(w);
    const int64_t values[] = {known == NULL ? 0 : known->incidents,        known == NULL ? 0 : known->healable,
                              known == NULL ? 0 : known->healed_by_action, known == NULL ? 0 : known->healed_by_itself,
                              known == NULL ? 0 : known->healed_by_human,  known == NULL ? 0 : known->open};
    for (size_t i = 0; i < NS_COUNT_OF(keys); i++) {
        if (known == NULL)
            ns_json_field_null(w, keys[i]);
        else
            ns_json_field_int(w, keys[i], values[i]);
    }
    ns_json_key(w, "by_cause");
    if (known == NULL) {
        ns_json_put_null(w);
    } else {
        ns_json_object(w);
        for (unsigned i = NS_CAUSE_none + 1; i < NS_CAUSE_COUNT; i++) {
            if (known->by_cause[i] == 0)
                continue;
            ns_json_key(w, ns_cause_name((ns_cause)i));
            ns_json_object(w);
            ns_json_field_int(w, "n", known->by_cause[i]);
            ns_json_field_int(w, "healed_by_action", known->by_cause_healed_by_action[i]);
            ns_json_field_int(w, "retried", retried(world, (ns_cause)i));
            ns_json_end_object(w);
        }
        ns_json_end_object(w);
    }
    ns_json_end_object(w);
}

static int64_t open_cases(const ns_house *house)
{
    int64_t open = 0;
    for (size_t i = 0; i < house->track_count; i++)
        open += house->tracks[i].open_case != NULL;
    return open;
}

static void put_cases(ns_json_writer *w, const ns_house *house)
{
    const ns_counts *c = &house->counts;
    ns_json_key(w, "cases");
    ns_json_object(w);
    ns_json_field_int(w, "opened", (int64_t)c->cases_opened);
    ns_json_field_int(w, "verified", (int64_t)c->verified);
    ns_json_field_int(w, "undone", (int64_t)c->undone);
    ns_json_field_int(w, "inconclusive", (int64_t)c->inconclusive);
    ns_json_field_int(w, "escalated", (int64_t)c->escalated);
    ns_json_field_int(w, "refused", (int64_t)c->refused);
    ns_json_field_int(w, "approved", (int64_t)c->approved);
    ns_json_field_int(w, "rejected", (int64_t)c->rejected);
    ns_json_field_int(w, "overridden", (int64_t)c->overridden);
    ns_json_field_int(w, "reconciled", (int64_t)c->reconciled);
    ns_json_field_int(w, "open", open_cases(house));
    ns_json_end_object(w);
}

/* All actions that this house could take, also those it never took. */
static void put_actions(ns_json_writer *w, const ns_house *house)
{
    ns_action_mask possible = NS_ACTION_BIT(NS_ACTION_no_op);
    for (size_t i = 0; i < house->hands_count; i++)
        possible |= house->hands[i].actions;
    ns_json_key(w, "actions");
    ns_json_object(w);
    for (unsigned i = 0; i < NS_ACTION_COUNT; i++) {
        if (!(possible & NS_ACTION_BIT(i)))
            continue;
        ns_json_key(w, ns_action_name((ns_action)i));
        ns_json_object(w);
        ns_json_field_int(w, "decided", (int64_t)house->counts.decided[i]);
        ns_json_field_int(w, "sent", (int64_t)house->counts.sent[i]);
        ns_json_field_int(w, "verified", (int64_t)house->counts.helped[i]);
        ns_json_end_object(w);
    }
    ns_json_end_object(w);
}

/* The same seed lived through again without us. */
static ns_status baseline_mttr(const ns_house *house, ns_baseline baseline, double *mttr_s, ns_error *err)
{
    ns_world_outcome outcome;
    int64_t start_ms = ns_world_start_ms(house->world);
    ns_status status = ns_world_counterfactual(house->scenario, house->seed, start_ms,
                                               ns_world_now_ms(house->world) - start_ms, baseline, &outcome, err);
    if (status == NS_OK)
        *mttr_s = outcome.mttr_s;
    return status;
}

static ns_status put_world(ns_json_writer *w, const ns_house *house, ns_error *err)
{
    ns_world_outcome known;
    ns_effects_compared effects;
    double human = NAN, nothing = NAN;
    ns_world_outcome_of(house->world, &known);
    ns_summary_effects(house, &effects);
    ns_status status = baseline_mttr(house, NS_BASELINE_retry_then_human, &human, err);
    if (status == NS_OK)
        status = baseline_mttr(house, NS_BASELINE_nothing, &nothing, err);
    ns_json_key(w, "controls");
    ns_json_object(w);
    ns_json_field_int(w, "periods", known.controls);
    ns_json_field_int(w, "with_action", known.controls_with_action);
    ns_json_end_object(w);
    ns_json_key(w, "mttr_s");
    ns_json_object(w);
    ns_json_field_real(w, "neuroshield", known.mttr_s);
    ns_json_field_real(w, "retry_then_human", human);
    ns_json_field_real(w, "nothing", nothing);
    ns_json_end_object(w);
    ns_json_key(w, "effects");
    ns_json_object(w);
    ns_json_field_int(w, "sent", effects.sent);
    ns_json_field_int(w, "received", effects.received);
    ns_json_field_int(w, "unmatched", effects.unmatched);
    ns_json_end_object(w);
    return status;
}

static void put_live(ns_json_writer *w, const ns_house *house)
{
    int64_t sent = 0;
    for (unsigned i = 0; i < NS_ACTION_COUNT; i++)
        sent += (int64_t)house->counts.sent[i];
    ns_json_key(w, "controls");
    ns_json_object(w);
    ns_json_field_null(w, "periods");
    ns_json_field_null(w, "with_action");
    ns_json_end_object(w);
    ns_json_key(w, "mttr_s");
    ns_json_object(w);
    ns_json_field_null(w, "neuroshield");
    ns_json_field_null(w, "retry_then_human");
    ns_json_field_null(w, "nothing");
    ns_json_end_object(w);
    ns_json_key(w, "effects");
    ns_json_object(w);
    ns_json_field_int(w, "sent", sent);
    ns_json_field_null(w, "received");
    ns_json_field_null(w, "unmatched");
    ns_json_end_object(w);
}

static void put_inference(ns_json_writer *w, const ns_house *house)
{
    ns_scorer_figures figures;
    ns_scorer_counts(house->scorer, &figures);
    ns_json_key(w, "inference_ms");
    ns_json_object(w);
    ns_json_field_real(w, "p50", figures.p50_ms);
    ns_json_field_real(w, "p99", figures.p99_ms);
    ns_json_end_object(w);
}

ns_status ns_summary_json(const ns_house *house, const char *ended_by, ns_buf *out, ns_error *err)
{
    ns_world_outcome known;
    if (house->world != NULL)
        ns_world_outcome_of(house->world, &known);
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_string(&w, "mode", house->world != NULL ? "world" : "live");
    ns_json_field_string(&w, "acting", ns_mode_name(ns_guardrails_mode(house->rails)));
    if (house->world != NULL)
        ns_json_field_int(&w, "seed", (int64_t)house->seed);
    else
        ns_json_field_null(&w, "seed");
    ns_json_field_real(&w, "speed", house->clock.speed);
    ns_json_field_real(&w, "wall_s", (double)(ns_real_now_ms() - house->started_real_ms) / 1000.0);
    ns_json_field_real(&w, "world_s", (double)(ns_clock_now_ms(&house->clock) - house->started_ms) / 1000.0);
    ns_json_field_int(&w, "pipelines", (int64_t)house->snapshot->pipeline_count);
    put_builds(&w, &house->counts);
    put_incidents(&w, house->world, house->world != NULL ? &known : NULL);
    put_cases(&w, house);
    put_actions(&w, house);
    ns_status status = NS_OK;
    if (house->world != NULL)
        status = put_world(&w, house, err);
    else
        put_live(&w, house);
    put_inference(&w, house);
    ns_json_field_string(&w, "ended_by", ended_by);
    ns_json_end_object(&w);
    (void)ns_buf_char(out, '\n');
    if (status == NS_OK && out->failed)
        status = ns_fail(err, NS_NO_MEMORY, "no memory for the summary");
    return status;
}

static void line_of_number(ns_buf *out, const char *what, const json_t *object, const char *key)
{
    double value = ns_json_real(object, key, NAN);
    if (isnan(value))
        (void)ns_buf_printf(out, "  %-34s not known\n", what);
    else
        (void)ns_buf_printf(out, "  %-34s %.0f\n", what, value);
}

static void line_of_minutes(ns_buf *out, const char *what, const json_t *object, const char *key)
{
    double value = ns_json_real(object, key, NAN);
    if (isnan(value))
        (void)ns_buf_printf(out, "  %-34s not known\n", what);
    else
        (void)ns_buf_printf(out, "  %-34s %.1f min\n", what, value / 60.0);
}

ns_status ns_summary_text(ns_text json, ns_buf *out, ns_error *err)
{
    json_t *s;
    ns_status status = ns_json_read(json, &s, err);
    if (status != NS_OK)
        return status;
    const json_t *incidents = ns_json_at(s, "incidents"), *cases = ns_json_at(s, "cases");
    const json_t *builds = ns_json_at(s, "builds"), *mttr = ns_json_at(s, "mttr_s");
    const json_t *controls = ns_json_at(s, "controls"), *effects = ns_json_at(s, "effects");
    (void)ns_buf_printf(out, "\n%.0f s on %s, %.1f h of pipeline time\n", ns_json_real(s, "wall_s", 0),
                        strcmp(ns_json_string(s, "mode", ""), "world") == 0 ? "the built-in world" : "real servers",
                        ns_json_real(s, "world_s", 0) / 3600.0);
    line_of_number(out, "pipelines", s, "pipelines");
    line_of_number(out, "builds finished", builds, "finished");
    line_of_number(out, "  failed", builds, "failed");
    line_of_number(out, "  alarmed before their end", builds, "alarmed");
    line_of_number(out, "  of these false alarms", builds, "false_alarms");
    line_of_number(out, "incidents", incidents, "total");
    line_of_number(out, "  healable by an action", incidents, "healable");
    line_of_number(out, "  healed by an action", incidents, "healed_by_action");
    line_of_number(out, "  healed by a person", incidents, "healed_by_human");
    line_of_number(out, "  healed by themselves", incidents, "healed_by_itself");
    line_of_number(out, "  still open", incidents, "open");
    line_of_number(out, "cases verified", cases, "verified");
    line_of_number(out, "cases escalated", cases, "escalated");
    line_of_number(out, "periods with nothing wrong", controls, "periods");
    line_of_number(out, "  in which something was done", controls, "with_action");
    line_of_number(out, "effects sent", effects, "sent");
    line_of_number(out, "  received on the other side", effects, "received");
    (void)ns_buf_string(out, "mean time to repair, same seed\n");
    line_of_minutes(out, "with NeuroShield", mttr, "neuroshield");
    line_of_minutes(out, "three retries, then a person", mttr, "retry_then_human");
    line_of_minutes(out, "nothing done by a machine", mttr, "nothing");
    json_decref(s);
    return out->failed ? ns_fail(err, NS_NO_MEMORY, "no memory for the summary") : NS_OK;
}
