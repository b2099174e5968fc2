#include "orchestration/guardrails.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEDGER_MAX    4096 /* actions remembered: more than any hour's budget */
#define PIPELINES_MAX 1024 /* pipelines whose breaker is remembered; the one untouched longest is forgotten */
#define HOUR_MS       INT64_C(3600000)
#define STOP_FILE_MAX 4096

/* One action that was sent. Jobs are remembered by hash: two that fall together share their cool-down, no more. */
typedef struct sent_action {
    int64_t at_ms;
    uint64_t job;
    int64_t case_id;
    ns_action action;
} sent_action;

typedef struct breaker {
    uint64_t job;     /* 0: all pipelines, or a free place */
    int32_t failed;   /* actions in a row that did not help */
    int64_t until_ms; /* open until then; -1 closed */
    int64_t touched_ms;
} breaker;

struct ns_guardrails {
    ns_guardrail_options options; /* stop_file points to the copy below, or is NULL */
    char stop_file[STOP_FILE_MAX];
    ns_kill_switch by_person;
    ns_kill_switch by_file;
    sent_action ledger[LEDGER_MAX]; /* ring, oldest first */
    size_t first;
    size_t count;
    breaker all;
    breaker pipelines[PIPELINES_MAX];
    size_t pipeline_count;
};

ns_guardrail_options ns_guardrail_defaults(void)
{
    ns_guardrail_options options = {.mode = NS_MODE_observe,
                                    .allowed = (1u << NS_ACTION_COUNT) - 1,
                                    .stale_after_ms = 120000,
                                    .max_per_hour = 120,
                                    .max_per_pipeline_hour = 20,
                                    .max_attempts = 6,
                                    .oscillation_cases = 8,
                                    .oscillation_window_ms = HOUR_MS,
                                    .breaker_after = 40,
                                    .pipeline_breaker_after = 10,
                                    .breaker_open_ms = 1800000};
    for (int a = 0; a < NS_ACTION_COUNT; a++) {
        options.action_mode[a] = NS_MODE_auto;
        options.cool_down_ms[a] = 300000;
    }
    options.cool_down_ms[NS_ACTION_no_op] = 0;
    options.cool_down_ms[NS_ACTION_retry_build] = 10000;
    options.cool_down_ms[NS_ACTION_escalate] = 30000;
    return options;
}

ns_status ns_guardrails_new(const ns_guardrail_options *options, ns_guardrails **out, ns_error *err)
{
    ns_guardrails *rails = NS_NEW(ns_guardrails);
    if (rails == NULL)
        return ns_fail(err, NS_NO_MEMORY, "guardrails: no memory for their ledger");
    rails->options = *options;
    if (options->stop_file != NULL) {
        if (!ns_text_copy(rails->stop_file, sizeof rails->stop_file, ns_text_of(options->stop_file))) {
            ns_free(rails);
            return ns_fail(err, NS_BAD_USAGE, "guardrails: the stop file's path is longer than %d bytes",
                           STOP_FILE_MAX - 1);
        }
        rails->options.stop_file = rails->stop_file;
    }
    rails->all.until_ms = -1;
    rails->by_person.since_ms = rails->by_file.since_ms = -1;
    *out = rails;
    return NS_OK;
}

void ns_guardrails_free(ns_guardrails *rails)
{
    ns_free(rails);
}

/* ---- what was sent ---- */

static uint64_t job_hash(const char *jenkins_job)
{
    uint64_t hash = ns_hash(ns_text_of(jenkins_job));
    return hash == 0 ? 1 : hash;
}

static const sent_action *sent_at(const ns_guardrails *rails, size_t i)
{
    return &rails->ledger[(rails->first + i) % LEDGER_MAX];
}

/* Actions since from_ms, escalate left out; job 0: of all pipelines. */
static int32_t sent_since(const ns_guardrails *rails, uint64_t job, int64_t from_ms)
{
    int32_t n = 0;
    for (size_t i = rails->count; i-- > 0;) {
        const sent_action *one = sent_at(rails, i);
        n += one->at_ms > from_ms && one->action != NS_ACTION_escalate && (job == 0 || one->job == job);
    }
    return n;
}

/* When this action was last sent on this pipeline; -1 never. */
static int64_t last_sent(const ns_guardrails *rails, uint64_t job, ns_action action)
{
    int64_t newest = -1;
    for (size_t i = 0; i < rails->count; i++) {
        const sent_action *one = sent_at(rails, i);
        if (one->job == job && one->action == action && one->at_ms > newest)
            newest = one->at_ms;
    }
    return newest;
}

/* Whether an earlier action of the same case on the same pipeline stands within the window before place i. */
static bool case_counted(const ns_guardrails *rails, size_t i, int64_t from_ms)
{
    const sent_action *one = sent_at(rails, i);
    for (size_t k = 0; k < i; k++) {
        const sent_action *other = sent_at(rails, k);
        if (other->job == one->job && other->case_id == one->case_id && other->at_ms > from_ms &&
            other->action != NS_ACTION_escalate)
            return true;
    }
    return false;
}

/* Other incidents of this pipeline that were acted upon since from_ms. */
static int32_t cases_since(const ns_guardrails *rails, uint64_t job, int64_t own_case, int64_t from_ms)
{
    int32_t n = 0;
    for (size_t i = 0; i < rails->count; i++) {
        const sent_action *one = sent_at(rails, i);
        if (one->job == job && one->at_ms > from_ms && one->case_id != own_case && one->action != NS_ACTION_escalate &&
            !case_counted(rails, i, from_ms))
            n++;
    }
    return n;
}

void ns_guardrails_note_sent(ns_guardrails *rails, const char *jenkins_job, ns_action action, int64_t case_id,
                             int64_t at_ms)
{
    NS_CHECK((unsigned)action < NS_ACTION_COUNT);
    if (action == NS_ACTION_no_op)
        return;
    if (rails->count == LEDGER_MAX) {
        rails->first = (rails->first + 1) % LEDGER_MAX;
        rails->count--;
    }
    rails->ledger[(rails->first + rails->count++) % LEDGER_MAX] =
        (sent_action){.at_ms = at_ms, .job = job_hash(jenkins_job), .case_id = case_id, .action = action};
}

void ns_guardrails_note_not_sent(ns_guardrails *rails, const char *jenkins_job, ns_action action, int64_t case_id)
{
    uint64_t job = job_hash(jenkins_job);
    for (size_t i = rails->count; i-- > 0;) { /* newest first */
        const sent_action *one = sent_at(rails, i);
        if (one->job != job || one->action != action || one->case_id != case_id)
            continue;
        for (size_t k = i; k + 1 < rails->count; k++)
            rails->ledger[(rails->first + k) % LEDGER_MAX] = *sent_at(rails, k + 1);
        rails->count--;
        return;
    }
}

/* ---- breakers ---- */

static breaker *breaker_of(ns_guardrails *rails, uint64_t job)
{
    for (size_t i = 0; i < rails->pipeline_count; i++)
        if (rails->pipelines[i].job == job)
            return &rails->pipelines[i];
    return NULL;
}

static breaker *breaker_for(ns_guardrails *rails, uint64_t job)
{
    breaker *found = breaker_of(rails, job);
    if (found != NULL)
        return found;
    size_t at = 0;
    if (rails->pipeline_count < PIPELINES_MAX) {
        at = rails->pipeline_count++;
    } else {
        for (size_t i = 1; i < PIPELINES_MAX; i++)
            if (rails->pipelines[i].touched_ms < rails->pipelines[at].touched_ms)
                at = i;
    }
    rails->pipelines[at] = (breaker){.job = job, .until_ms = -1};
    return &rails->pipelines[at];
}

/* After it has been open the count begins anew: one more try is not yet one too many. */
static void note(breaker *one, int32_t limit, int64_t open_ms, bool helped, int64_t at_ms)
{
    one->touched_ms = at_ms;
    one->failed = helped ? 0 : one->failed + 1;
    if (helped)
        one->until_ms = -1;
    if (limit <= 0 || one->failed < limit)
        return;
    one->until_ms = at_ms + open_ms;
    one->failed = 0;
}

void ns_guardrails_note_outcome(ns_guardrails *rails, const char *jenkins_job, ns_action action, bool helped,
                                int64_t at_ms)
{
    if (action == NS_ACTION_escalate || action == NS_ACTION_no_op)
        return;
    const ns_guardrail_options *options = &rails->options;
    note(&rails->all, options->breaker_after, options->breaker_open_ms, helped, at_ms);
    note(breaker_for(rails, job_hash(jenkins_job)), options->pipeline_breaker_after, options->breaker_open_ms, helped,
         at_ms);
}

int64_t ns_guardrails_breaker_until(const ns_guardrails *rails, int64_t now_ms)
{
    return rails->all.until_ms > now_ms ? rails->all.until_ms : -1;
}

/* ---- the kill switch ---- */

static void set_switch(ns_kill_switch *one, bool on, const char *by, int64_t now_ms)
{
    if (on == one->on)
        return;
    *one = (ns_kill_switch){.on = on, .since_ms = on ? now_ms : -1};
    if (on)
        (void)ns_text_copy(one->by, sizeof one->by, ns_text_of(by));
}

void ns_guardrails_stop(ns_guardrails *rails, bool on, const char *by, int64_t now_ms)
{
    set_switch(&rails->by_person, on, by, now_ms);
}

/* A folder that cannot be looked into may hold the file: then it is safer to stop. */
static bool may_exist(const char *path)
{
    return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool ns_guardrails_look(ns_guardrails *rails, int64_t now_ms)
{
    bool before = rails->by_file.on;
    if (rails->options.stop_file != NULL)
        set_switch(&rails->by_file, may_exist(rails->options.stop_file), "file", now_ms);
    return rails->by_file.on != before;
}

void ns_guardrails_kill_switch(const ns_guardrails *rails, ns_kill_switch *out)
{
    *out = rails->by_person.on ? rails->by_person : rails->by_file;
}

/* ---- modes ---- */

void ns_guardrails_set_mode(ns_guardrails *rails, ns_mode mode)
{
    rails->options.mode = mode;
}

ns_mode ns_guardrails_mode(const ns_guardrails *rails)
{
    return rails->options.mode;
}

ns_mode ns_guardrails_mode_of(const ns_guardrails *rails, ns_action action)
{
    const ns_guardrail_options *options = &rails->options;
    ns_mode own = options->action_mode[action], global = options->mode;
    /* Asking a person whether a person may be told would be a joke: from `approve` up escalate goes by its own mode. */
    if (action == NS_ACTION_escalate)
        return global >= NS_MODE_approve || own < global ? own : global;
    ns_mode mode = own < global ? own : global;
    bool written_down = (options->auto_configured & NS_ACTION_BIT(action)) != 0;
    return mode == NS_MODE_auto && options->real_servers && !written_down ? NS_MODE_approve : mode;
}

/* ---- the rules ---- */

/* True: this rule objects and has filled text; *kind may be changed from refuse. */
typedef bool rule_function(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out);

#define SAY(out, ...) ((void)snprintf((out)->text, sizeof(out)->text, __VA_ARGS__), true)

static double minutes(int64_t ms)
{
    return (double)ms / 60000.0;
}

static bool kill_switch(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)job;
    ns_kill_switch one;
    ns_guardrails_kill_switch(rails, &one);
    if (!one.on)
        return false;
    return SAY(out, "the kill switch is on for %.1f min (by %s)", minutes(ns_age_ms(one.since_ms, judged->now_ms)),
               one.by);
}

static bool allow_list(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)job;
    if ((rails->options.allowed & NS_ACTION_BIT(judged->decision->action)) != 0)
        return false;
    return SAY(out, "%s is not on the list of allowed actions", ns_action_name(judged->decision->action));
}

static bool pipeline_gone(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)rails, (void)job;
    if (!judged->view->gone && judged->view->buildable)
        return false;
    return SAY(out, "the job is %s", judged->view->gone ? "gone" : "disabled");
}

static bool too_old(const ns_guardrails *rails, const char *what, const char *of, int64_t age_ms, ns_verdict *out)
{
    if (age_ms < 0)
        return SAY(out, "%s has not told anything about this %s yet", what, of);
    if (age_ms > rails->options.stale_after_ms)
        return SAY(out, "what %s told about this %s is %.0f s old (limit %.0f s)", what, of, (double)age_ms / 1000.0,
                   (double)rails->options.stale_after_ms / 1000.0);
    return false;
}

static bool not_well(const ns_judged *judged, ns_source_kind kind, ns_verdict *out)
{
    const ns_source_health *health = &judged->snapshot->source[kind];
    return health->state != NS_SOURCE_ok &&
           SAY(out, "source %s is %s", ns_source_kind_name(kind), ns_source_state_name(health->state));
}

/* A build's case rests on Jenkins' word, and what changes a Deployment on the cluster's; the measurements count where
 * there are any to be had. */
static bool stale_data(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)job;
    bool deployment = strcmp(ns_action_facts_of(judged->decision->action)->executor, "kubernetes") == 0;
    bool of_a_build = !deployment || judged->open_case == NULL || judged->open_case->build > 0;
    if (of_a_build && (too_old(rails, "jenkins", "job", ns_age_ms(judged->view->jenkins_at_ms, judged->now_ms), out) ||
                       not_well(judged, NS_FROM_jenkins, out)))
        return true;
    if (!deployment)
        return false;
    if (judged->snapshot->source[NS_FROM_prometheus].state != NS_SOURCE_not_configured &&
        not_well(judged, NS_FROM_prometheus, out))
        return true;
    return not_well(judged, NS_FROM_kubernetes, out) ||
           too_old(rails, "kubernetes", "Deployment", ns_age_ms(judged->view->cluster.at_ms, judged->now_ms), out);
}

static bool aborted_by_person(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)rails, (void)job;
    const ns_build *build = judged->failed_build;
    if (judged->decision->action != NS_ACTION_retry_build || build == NULL)
        return false;
    if (build->aborted_by_person != 1 && build->result != NS_BUILD_ABORTED)
        return false;
    return SAY(out, "build %lld was aborted: that is not ours to repeat", (long long)build->number);
}

static const ns_prediction *usable_prediction(const ns_judged *judged)
{
    const ns_prediction *said = judged->prediction;
    return said == NULL || said->known_at_ms < 0 || said->known_at_ms > judged->now_ms ? NULL : said;
}

/* What failing like this does not get better by building again, and a second of thought costs a build. */
static bool not_retryable(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)rails, (void)job;
    const ns_prediction *said = usable_prediction(judged);
    if (judged->decision->action != NS_ACTION_retry_build || said == NULL || said->cause != NS_CAUSE_compile_error)
        return false;
    return SAY(out, "the code does not compile (%.0f %%): building again cannot mend it",
               100.0 * said->cause_probability[NS_CAUSE_compile_error]);
}

/* Anything more could do twice what was meant once. A person who looks may say yes. */
static bool unsure(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)rails, (void)job;
    if (judged->approved || judged->open_case == NULL || !judged->open_case->unsure)
        return false;
    return SAY(out, "whether the last action of this case was sent could not be told: now it is a person's");
}

static bool max_attempts(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)job;
    const ns_case *open = judged->open_case;
    int32_t sent = open == NULL ? 0 : open->attempts - open->tried[NS_ACTION_escalate];
    if (rails->options.max_attempts <= 0 || sent < rails->options.max_attempts)
        return false;
    return SAY(out, "%d actions were sent in this case already (limit %d)", sent, rails->options.max_attempts);
}

static bool cool_down(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    ns_action action = judged->decision->action;
    int64_t at_ms = last_sent(rails, job, action), limit_ms = rails->options.cool_down_ms[action];
    if (at_ms < 0 || ns_age_ms(at_ms, judged->now_ms) >= limit_ms)
        return false;
    return SAY(out, "%s was sent here %.0f s ago (cool-down %.0f s)", ns_action_name(action),
               (double)ns_age_ms(at_ms, judged->now_ms) / 1000.0, (double)limit_ms / 1000.0);
}

static bool pipeline_budget(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    int32_t limit = rails->options.max_per_pipeline_hour;
    int32_t sent = limit <= 0 ? 0 : sent_since(rails, job, judged->now_ms - HOUR_MS);
    return limit > 0 && sent >= limit && SAY(out, "%d actions on this pipeline within an hour (limit %d)", sent, limit);
}

static bool hour_budget(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)job;
    int32_t limit = rails->options.max_per_hour;
    int32_t sent = limit <= 0 ? 0 : sent_since(rails, 0, judged->now_ms - HOUR_MS);
    return limit > 0 && sent >= limit && SAY(out, "%d actions within an hour (limit %d)", sent, limit);
}

static bool oscillation(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    int32_t limit = rails->options.oscillation_cases;
    int64_t window_ms = rails->options.oscillation_window_ms;
    if (limit <= 0)
        return false;
    int64_t own = judged->open_case == NULL ? 0 : judged->open_case->id;
    int32_t cases = cases_since(rails, job, own, judged->now_ms - window_ms);
    return cases >= limit &&
           SAY(out, "%d incidents here were acted upon within %.0f min (limit %d): it keeps coming back", cases,
               minutes(window_ms), limit);
}

static bool circuit_breaker(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    const ns_guardrail_options *options = &rails->options;
    int64_t until_ms = ns_guardrails_breaker_until(rails, judged->now_ms);
    if (until_ms >= 0)
        return SAY(out, "%d actions in a row did not help: nothing acts for %.1f min more", options->breaker_after,
                   minutes(until_ms - judged->now_ms));
    for (size_t i = 0; i < rails->pipeline_count; i++)
        if (rails->pipelines[i].job == job && rails->pipelines[i].until_ms > judged->now_ms)
            return SAY(out, "%d actions in a row did not help here: nothing acts on it for %.1f min more",
                       options->pipeline_breaker_after, minutes(rails->pipelines[i].until_ms - judged->now_ms));
    return false;
}

/* Mode, and what lowers `auto` to asking: no prediction to go by, one of a stand-in, or one not sure of the cause. */
static bool mode(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)job;
    static const ns_verdict_kind kinds[NS_MODE_COUNT] = {
        [NS_MODE_observe] = NS_VERDICT_observe,
        [NS_MODE_suggest] = NS_VERDICT_suggest,
        [NS_MODE_approve] = NS_VERDICT_ask,
        [NS_MODE_auto] = NS_VERDICT_act,
    };
    ns_action action = judged->decision->action;
    ns_mode allowed = ns_guardrails_mode_of(rails, action);
    if (allowed == NS_MODE_auto || (allowed == NS_MODE_approve && judged->approved))
        return false;
    out->kind = kinds[allowed];
    bool capped = rails->options.real_servers && rails->options.mode == NS_MODE_auto && allowed == NS_MODE_approve &&
                  rails->options.action_mode[action] == NS_MODE_auto;
    if (capped)
        return SAY(out, "%s asks: on real servers its `auto` must be written into the configuration",
                   ns_action_name(action));
    return SAY(out, "mode %s (global %s, of %s %s)", ns_mode_name(allowed), ns_mode_name(rails->options.mode),
               ns_action_name(action), ns_mode_name(rails->options.action_mode[action]));
}

static bool predictor(const ns_guardrails *rails, const ns_judged *judged, uint64_t job, ns_verdict *out)
{
    (void)job;
    const ns_prediction *said = usable_prediction(judged);
    double limit = rails->options.min_cause_probability;
    if (judged->approved || judged->measured)
        return false;
    out->kind = NS_VERDICT_ask;
    if (said == NULL)
        return SAY(out, "no prediction tells what failed: a person has to say yes");
    if (said->fallback)
        return SAY(out, "the model is absent, the keyword rule answered: a person has to say yes");
    if (judged->drift != NULL)
        return SAY(out, "the predictor drifts (%s), what it says is advice: a person has to say yes", judged->drift);
    double sure = said->cause_probability[said->cause];
    return limit > 0.0 && sure < limit &&
           SAY(out, "the cause is only %.0f %% sure (limit %.0f %%): a person has to say yes", 100.0 * sure,
               100.0 * limit);
}

/* In this order; the first that objects decides. for_escalate: telling a person executes nothing else. */
static const struct {
    const char *name;
    rule_function *objects;
    bool for_escalate;
    const char *meaning;
} rules[] = {
    {"kill_switch", kill_switch, true, "somebody stopped everything"},
    {"allow_list", allow_list, true, "only listed actions"},
    {"pipeline_gone", pipeline_gone, false, "nothing is done to a job that is gone or disabled"},
    {"stale_data", stale_data, false, "no action on data that may be old"},
    {"aborted_by_person", aborted_by_person, false, "a build that a person stopped stays stopped"},
    {"not_retryable", not_retryable, false, "retry only what a retry can mend"},
    {"unsure", unsure, false, "no second action where the first may have been sent"},
    {"max_attempts", max_attempts, false, "so many actions in one case, then it is a person's"},
    {"cool_down", cool_down, true, "a pause between two of the same on one pipeline"},
    {"pipeline_budget", pipeline_budget, false, "so many actions on one pipeline in an hour"},
    {"hour_budget", hour_budget, false, "so many actions in an hour"},
    {"oscillation", oscillation, false, "an incident that keeps coming back is not healed"},
    {"circuit_breaker", circuit_breaker, false, "stop after actions that did not help"},
    {"mode", mode, true, "observe, suggest, approve or auto, per action"},
    {"predictor", predictor, false, "without a trustworthy cause a person decides"},
};

bool ns_guardrails_rule(size_t i, const char **name, const char **meaning)
{
    if (i >= NS_COUNT_OF(rules))
        return false;
    *name = rules[i].name;
    *meaning = rules[i].meaning;
    return true;
}

static void verdict(ns_verdict *out, ns_verdict_kind kind, const char *rule)
{
    out->kind = kind;
    (void)ns_text_copy(out->rule, sizeof out->rule, ns_text_of(rule));
}

void ns_guardrails_judge(ns_guardrails *rails, const ns_judged *judged, ns_verdict *out)
{
    ns_action action = judged->decision->action;
    NS_CHECK((unsigned)action < NS_ACTION_COUNT);
    uint64_t job = job_hash(judged->view->jenkins_job);
    memset(out, 0, sizeof *out);
    for (size_t i = 0; action != NS_ACTION_no_op && i < NS_COUNT_OF(rules); i++) {
        if (action == NS_ACTION_escalate && !rules[i].for_escalate)
            continue;
        out->kind = NS_VERDICT_refuse;
        if (rules[i].objects(rails, judged, job, out)) {
            verdict(out, out->kind, rules[i].name);
            return;
        }
    }
    verdict(out, NS_VERDICT_act, action == NS_ACTION_no_op ? "no_op" : judged->approved ? "approved" : "mode");
    (void)snprintf(out->text, sizeof out->text, "%s",
                   action == NS_ACTION_no_op ? "waiting needs nobody's leave"
                   : judged->approved        ? "a person said yes, and no rule objects"
                                             : "mode auto, and no rule objects");
}

void ns_guardrails_recheck(ns_guardrails *rails, const ns_judged *judged, ns_verdict *out)
{
    (void)ns_guardrails_look(rails, judged->now_ms);
    ns_guardrails_judge(rails, judged, out);
}
