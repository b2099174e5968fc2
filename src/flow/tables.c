/* Names and facts of the closed lists in this room, each derived from its one table. */
#include "flow/action.h"
#include "flow/build.h"
#include "flow/case.h"
#include "flow/cause.h"
#include "flow/decision.h"
#include "flow/hands.h"
#include "flow/prediction.h"
#include "flow/record.h"
#include "flow/signal.h"
#include "flow/snapshot.h"
#include "flow/state.h"
#include "flow/store.h"

#include <string.h>

static const char *name_in(const char *const *names, size_t count, unsigned i)
{
    return i < count ? names[i] : "unknown";
}

static bool find_in(const char *const *names, size_t count, ns_text name, unsigned *out)
{
    for (size_t i = 0; i < count; i++) {
        if (ns_text_is(name, names[i])) {
            *out = (unsigned)i;
            return true;
        }
    }
    return false;
}

/* ns_x_name and ns_x_parse of an enum whose names stand in `list`. */
#define NAME_OF(function, type, list)                                                                                  \
    const char *function(type value)                                                                                   \
    {                                                                                                                  \
        return name_in(list, NS_COUNT_OF(list), (unsigned)value);                                                      \
    }
#define PARSE_OF(function, type, list)                                                                                 \
    bool function(ns_text name, type *out)                                                                             \
    {                                                                                                                  \
        unsigned i;                                                                                                    \
        if (!find_in(list, NS_COUNT_OF(list), name, &i))                                                               \
            return false;                                                                                              \
        *out = (type)i;                                                                                                \
        return true;                                                                                                   \
    }

#define FIRST(name, ...) #name,
#define SECOND(name, b)  b,
#define NAME_ONLY(name)  #name,

static const char *const cause_names[] = {NS_CAUSE_MAP(FIRST)};
static const char *const cause_meanings[] = {NS_CAUSE_MAP(SECOND)};
NAME_OF(ns_cause_name, ns_cause, cause_names)
NAME_OF(ns_cause_meaning, ns_cause, cause_meanings)
PARSE_OF(ns_cause_parse, ns_cause, cause_names)

static const ns_action_facts actions[] = {
#define ACTION_FACTS(name, cost, reversible, blast, executor, meaning)                                                 \
    {#name, cost, reversible, blast, executor, meaning},
    NS_ACTION_MAP(ACTION_FACTS)
#undef ACTION_FACTS
};
static const char *const action_names[] = {NS_ACTION_MAP(FIRST)};
NAME_OF(ns_action_name, ns_action, action_names)
PARSE_OF(ns_action_parse, ns_action, action_names)

const ns_action_facts *ns_action_facts_of(ns_action action)
{
    NS_CHECK((unsigned)action < NS_ACTION_COUNT);
    return &actions[action];
}

static const ns_signal_facts signals[] = {
#define SIGNAL_FACTS(name, scope, unit, promql, meaning) {#name, NS_SCOPE_##scope, unit, promql, meaning},
    NS_SIGNAL_MAP(SIGNAL_FACTS)
#undef SIGNAL_FACTS
};
static const char *const signal_names[] = {NS_SIGNAL_MAP(FIRST)};
PARSE_OF(ns_signal_parse, ns_signal, signal_names)

const ns_signal_facts *ns_signal_facts_of(ns_signal signal)
{
    NS_CHECK((unsigned)signal < NS_SIGNAL_COUNT);
    return &signals[signal];
}

ns_status ns_signal_query(const char *promql, const char *name_space, const char *window, ns_buf *out)
{
    for (const char *c = promql; *c != '\0';) {
        if (strncmp(c, "$namespace", 10) == 0) {
            (void)ns_buf_string(out, name_space);
            c += 10;
        } else if (strncmp(c, "$window", 7) == 0) {
            (void)ns_buf_string(out, window);
            c += 7;
        } else {
            (void)ns_buf_char(out, *c++);
        }
    }
    return out->failed ? NS_TOO_LARGE : NS_OK;
}

static const char *const result_names[] = {NS_BUILD_RESULT_MAP(NAME_ONLY)};
NAME_OF(ns_build_result_name, ns_build_result, result_names)
PARSE_OF(ns_build_result_parse, ns_build_result, result_names)

static const char *const trigger_names[] = {NS_BUILD_TRIGGER_MAP(NAME_ONLY)};
NAME_OF(ns_build_trigger_name, ns_build_trigger, trigger_names)
PARSE_OF(ns_build_trigger_parse, ns_build_trigger, trigger_names)

static const char *const source_state_names[] = {NS_SOURCE_STATE_MAP(NAME_ONLY)};
NAME_OF(ns_source_state_name, ns_source_state, source_state_names)

static const char *const rollout_names[] = {NS_ROLLOUT_MAP(NAME_ONLY)};
NAME_OF(ns_rollout_name, ns_rollout, rollout_names)

#define FIELD_NAME(column, field, from, unit) #field,
static const char *const deployment_fact_names[] = {NS_DEPLOYMENT_FACT_MAP(FIELD_NAME)};
NAME_OF(ns_deployment_fact_name, ns_deployment_fact, deployment_fact_names)

static const char *const source_kind_names[] = {"jenkins", "prometheus", "kubernetes"};
NAME_OF(ns_source_kind_name, ns_source_kind, source_kind_names)

static const ns_record_facts record_facts[] = {
#define RECORD_FACTS(column, field, from, unit) {#column, NS_FROM_##from, unit},
    NS_RECORD_MAP(RECORD_FACTS)
#undef RECORD_FACTS
};

const ns_record_facts *ns_record_facts_of(ns_record_field field)
{
    NS_CHECK((unsigned)field < NS_RECORD_FIELDS);
    return &record_facts[field];
}

static const char *const predicted_names[] = {NS_PREDICTED_MAP(NAME_ONLY)};
NAME_OF(ns_predicted_name, ns_predicted, predicted_names)

static const char *const code_path_names[] = {NS_CODE_PATH_MAP(NAME_ONLY)};
NAME_OF(ns_code_path_name, ns_code_path, code_path_names)
PARSE_OF(ns_code_path_parse, ns_code_path, code_path_names)

static const char *const state_names[] = {NS_STATE_MAP(FIRST)};
NAME_OF(ns_state_name, ns_state_index, state_names)

static const char *const mode_names[] = {NS_MODE_MAP(NAME_ONLY)};
NAME_OF(ns_mode_name, ns_mode, mode_names)
PARSE_OF(ns_mode_parse, ns_mode, mode_names)

static const char *const verdict_names[] = {NS_VERDICT_MAP(NAME_ONLY)};
NAME_OF(ns_verdict_name, ns_verdict_kind, verdict_names)
PARSE_OF(ns_verdict_parse, ns_verdict_kind, verdict_names)

static const char *const case_state_names[] = {NS_CASE_STATE_MAP(NAME_ONLY)};
NAME_OF(ns_case_state_name, ns_case_state, case_state_names)
PARSE_OF(ns_case_state_parse, ns_case_state, case_state_names)

static const char *const healed_names[] = {NS_HEALED_MAP(NAME_ONLY)};
NAME_OF(ns_healed_by_name, ns_healed_by, healed_names)
PARSE_OF(ns_healed_by_parse, ns_healed_by, healed_names)

static const char *const sent_names[] = {NS_SENT_MAP(NAME_ONLY)};
NAME_OF(ns_sent_name, ns_sent, sent_names)
PARSE_OF(ns_sent_parse, ns_sent, sent_names)

static const char *const row_names[] = {NS_ROW_MAP(FIRST)};
static const bool row_durable[] = {NS_ROW_MAP(SECOND)};
NAME_OF(ns_row_kind_name, ns_row_kind, row_names)

bool ns_row_durable(ns_row_kind kind)
{
    NS_CHECK((unsigned)kind < NS_ROW_KINDS);
    return row_durable[kind];
}

static const char *const store_state_names[] = {"ok", "read_only", "corrupt"};
NAME_OF(ns_store_state_name, ns_store_state, store_state_names)

static const char *const scaling_names[] = {NS_SCALING_MAP(NAME_ONLY)};
NAME_OF(ns_scaling_state_name, ns_scaling_state, scaling_names)
