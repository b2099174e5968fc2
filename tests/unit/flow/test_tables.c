/* The closed lists: every name is read back as what it was, and foreign names and values do no harm. */
#include "check.h"
#include "flow/record.h"
#include "flow/store.h"

#define ROUND_TRIP(first, count, type, name_of, parse)                                                                 \
    do {                                                                                                               \
        for (unsigned i_ = (first); i_ < (unsigned)(count); i_++) {                                                    \
            type back_;                                                                                                \
            CHECK(parse(ns_text_of(name_of((type)i_)), &back_) && (unsigned)back_ == i_);                              \
        }                                                                                                              \
        type kept_ = (type)(first);                                                                                    \
        CHECK(!parse(NS_TEXT("no such name"), &kept_) && !parse((ns_text){NULL, 0}, &kept_));                          \
        CHECK(kept_ == (type)(first));                                                                                 \
        CHECK_STRING("unknown", name_of((type)9999));                                                                  \
    } while (0)

static void names_are_read_back(void **state)
{
    (void)state;
    ROUND_TRIP(0, NS_CAUSE_COUNT, ns_cause, ns_cause_name, ns_cause_parse);
    ROUND_TRIP(0, NS_ACTION_COUNT, ns_action, ns_action_name, ns_action_parse);
    ROUND_TRIP(0, NS_BUILD_ABORTED + 1, ns_build_result, ns_build_result_name, ns_build_result_parse);
    ROUND_TRIP(0, NS_TRIGGER_neuroshield + 1, ns_build_trigger, ns_build_trigger_name, ns_build_trigger_parse);
    ROUND_TRIP(0, NS_PATH_keyword + 1, ns_code_path, ns_code_path_name, ns_code_path_parse);
    ROUND_TRIP(0, NS_MODE_COUNT, ns_mode, ns_mode_name, ns_mode_parse);
    ROUND_TRIP(0, NS_VERDICT_refuse + 1, ns_verdict_kind, ns_verdict_name, ns_verdict_parse);
    ROUND_TRIP(0, NS_CASE_STATES, ns_case_state, ns_case_state_name, ns_case_state_parse);
    ROUND_TRIP(0, NS_HEALED_abandoned + 1, ns_healed_by, ns_healed_by_name, ns_healed_by_parse);
    ROUND_TRIP(0, NS_SENT_unknown + 1, ns_sent, ns_sent_name, ns_sent_parse);
}

static void outside_names_are_the_contracts(void **state)
{
    static const char *const paths[] = {"amx_int8",  "amx_bf16",      "avx512_int8", "avx512_fp32",
                                        "avx2_fp32", "portable_fp32", "keyword"};
    static const char *const actions[] = {"no_op",        "retry_build", "scale_up",      "rollback",
                                          "restart_pods", "clear_cache", "isolate_agent", "escalate"};
    (void)state;
    for (unsigned i = 0; i < NS_COUNT_OF(paths); i++)
        CHECK_STRING(paths[i], ns_code_path_name((ns_code_path)i));
    CHECK_INT(NS_COUNT_OF(actions), NS_ACTION_COUNT);
    for (unsigned i = 0; i < NS_COUNT_OF(actions); i++)
        CHECK_STRING(actions[i], ns_action_facts_of((ns_action)i)->name);
    CHECK_STRING("not_configured", ns_source_state_name(NS_SOURCE_not_configured));
    CHECK_STRING("kubernetes", ns_source_kind_name(NS_FROM_kubernetes));
    CHECK_STRING("read_only", ns_store_state_name(NS_STORE_read_only));
    CHECK_STRING("abstain", ns_predicted_name(NS_PREDICTED_abstain));
}

static void every_action_has_sane_facts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NS_ACTION_COUNT; i++) {
        const ns_action_facts *facts = ns_action_facts_of((ns_action)i);
        CHECK(facts->cost >= 0 && facts->cost <= 1 && facts->blast_radius[0] != '\0' && facts->meaning[0] != '\0');
    }
    CHECK_NEAR(0, ns_action_facts_of(NS_ACTION_no_op)->cost, 0);
    for (unsigned i = 0; i < NS_CAUSE_COUNT; i++)
        CHECK(strlen(ns_cause_meaning((ns_cause)i)) > 10);
}

static void what_must_not_be_lost_is_durable(void **state)
{
    (void)state;
    CHECK(ns_row_durable(NS_ROW_decision) && ns_row_durable(NS_ROW_case) && ns_row_durable(NS_ROW_effect) &&
          ns_row_durable(NS_ROW_audit));
    CHECK(!ns_row_durable(NS_ROW_record) && !ns_row_durable(NS_ROW_log)); /* telemetry is batched */
    for (unsigned i = 0; i < NS_ROW_KINDS; i++)
        CHECK(ns_row_kind_name((ns_row_kind)i)[0] != '\0');
}

static void queries_get_their_namespace_and_window(void **state)
{
    ns_buf out;
    (void)state;
    ns_buf_init(&out, 4096);
    CHECK_OK(ns_signal_query("a{n=\"$namespace\"}[$window] $other $", "sock-shop", "5m", &out));
    CHECK_TEXT("a{n=\"sock-shop\"}[5m] $other $", ns_buf_view(&out));
    for (unsigned i = 0; i < NS_SIGNAL_COUNT; i++) {
        ns_buf_reset(&out);
        CHECK_OK(ns_signal_query(ns_signal_facts_of((ns_signal)i)->promql, "sock-shop", "5m", &out));
        CHECK(ns_text_find(ns_buf_view(&out), "$namespace") < 0 && ns_text_find(ns_buf_view(&out), "$window") < 0);
        ns_signal back;
        CHECK(ns_signal_parse(ns_text_of(ns_signal_facts_of((ns_signal)i)->name), &back) && back == (ns_signal)i);
    }
    ns_buf_clear(&out);
    ns_buf_init(&out, 4);
    CHECK_STATUS(NS_TOO_LARGE, ns_signal_query("$namespace", "sock-shop", "5m", &out));
    ns_buf_clear(&out);
}

static void columns_of_the_seed_come_first(void **state)
{
    static const char *const seed[] = {"jenkins_last_build_duration", "jenkins_queue_length", "prometheus_cpu_usage",
                                       "prometheus_memory_usage",     "prometheus_pod_count", "prometheus_error_rate"};
    (void)state;
    for (unsigned i = 0; i < NS_COUNT_OF(seed); i++)
        CHECK_STRING(seed[i], ns_record_facts_of((ns_record_field)i)->column);
    for (unsigned i = 0; i < NS_RECORD_FIELDS; i++) {
        const ns_record_facts *facts = ns_record_facts_of((ns_record_field)i);
        CHECK(ns_text_starts(ns_text_of(facts->column), ns_source_kind_name(facts->from)));
    }
}

static void presence_is_a_bit_of_its_own(void **state)
{
    ns_state s = {.layout = NS_STATE_LAYOUT};
    (void)state;
    CHECK(!ns_state_has(&s, NS_STATE_since_action));
    ns_state_set(&s, NS_STATE_since_action, 0); /* a known zero is not a missing value */
    CHECK(ns_state_has(&s, NS_STATE_since_action) && !ns_state_has(&s, NS_STATE_build_running));
    CHECK_STRING("build_running", ns_state_name((ns_state_index)0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_back),
        cmocka_unit_test(outside_names_are_the_contracts),
        cmocka_unit_test(every_action_has_sane_facts),
        cmocka_unit_test(what_must_not_be_lost_is_durable),
        cmocka_unit_test(queries_get_their_namespace_and_window),
        cmocka_unit_test(columns_of_the_seed_come_first),
        cmocka_unit_test(presence_is_a_bit_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
