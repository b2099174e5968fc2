/* Scenario files: what is accepted, what is refused, and that the message names file and line. */
#include "check.h"

#include "world/scenario.h"

static const struct {
    const char *yaml;
    ns_status status;
    const char *message; /* part of it; NULL none */
} cases[] = {
    {"version: 1\ncauses: {flaky_test: {weight: 1}}\n", NS_OK, NULL},
    {"control_share: 1\n", NS_OK, NULL},
    {"control_share: 1\nheld_out: [flaky_test, timeout]\n", NS_OK, NULL},
    {"control_share: 1\nnaive_retry: {max: 2, delays_s: [5]}\n", NS_OK, NULL},
    {"control_share: 1\nobservation: {log_split: test}\n", NS_OK, NULL},
    {"", NS_BAD_INPUT, "f.yaml:1:"},
    {"- a\n", NS_BAD_INPUT, "f.yaml:1:"},
    {"version: 2\n", NS_BAD_INPUT, "f.yaml:1: version must be 1"},
    {"version: 1\nfoo: 3\n", NS_BAD_INPUT, "f.yaml:2: unknown key foo"},
    {"version: 1\nstep_s: 30\nstep_s: 30\n", NS_BAD_INPUT, "f.yaml:3: step_s is given twice"},
    {"step_s: fast\n", NS_BAD_INPUT, "f.yaml:1: a number"},
    {"step_s: \"30\"\n", NS_BAD_INPUT, "f.yaml:1: a number"},
    {"step_s: NaN\n", NS_BAD_INPUT, "a number"},
    {"step_s: 0\n", NS_BAD_INPUT, "outside"},
    {"step_s: 1e300\n", NS_BAD_INPUT, "outside"},
    {"step_s:\n", NS_BAD_INPUT, "a number"},
    {"control_share: 1.5\n", NS_BAD_INPUT, "outside"},
    {"services: other_shop\n", NS_BAD_INPUT, "services must be sock_shop"},
    {"name: \"a b\"\n", NS_BAD_INPUT, "name"},
    {"causes:\n  none: {weight: 1}\n", NS_BAD_INPUT, "f.yaml:2: unknown key none"},
    {"causes:\n  gremlins: {weight: 1}\n", NS_BAD_INPUT, "f.yaml:2: unknown key gremlins"},
    {"causes:\n  flaky_test: {weight: 1, cures: 0.5}\n", NS_BAD_INPUT, "f.yaml:2: unknown key cures"},
    {"causes:\n  flaky_test: {weight: 1, lasts_s: 5}\n", NS_BAD_INPUT, "f.yaml:2: a map"},
    {"causes:\n  flaky_test: {weight: 1, lasts_s: {median: 0, sigma: 1}}\n", NS_BAD_INPUT, "outside"},
    {"causes: {overload: {weight: 1}}\n", NS_OK, NULL},
    {"causes: {out_of_memory: {weight: 1, cluster_share: 1.5}}\n", NS_BAD_INPUT, "outside"},
    {"causes: {bad_release: {weight: 0}, config: {weight: 1}}\n", NS_OK, NULL},
    {"version: 1\n", NS_BAD_INPUT, "no cause has a weight"},
    {"actions: {fly: {cost: 1}}\n", NS_BAD_INPUT, "unknown key fly"},
    {"human: {by_cause: {flaky_test: -1}}\n", NS_BAD_INPUT, "outside"},
    {"naive_retry: {max: 1.5}\n", NS_BAD_INPUT, "whole number"},
    {"naive_retry: {delays_s: []}\n", NS_BAD_INPUT, "list of seconds"},
    {"naive_retry: {delays_s: [1,1,1,1,1,1,1,1,1,1,1]}\n", NS_BAD_INPUT, "more than 10"},
    {"observation: {log_split: all}\n", NS_BAD_INPUT, "log_split"},
    {"held_out: [none]\n", NS_BAD_INPUT, "not a cause"},
    {"held_out: [timeout, timeout]\n", NS_BAD_INPUT, "twice"},
    {"a: &x 1\n", NS_BAD_INPUT, "anchors"},
    {"a: &x {b: 1}\n", NS_BAD_INPUT, "anchors"},
    {"a: *x\n", NS_BAD_INPUT, "aliases"},
    {"control_share: 1\n---\ncontrol_share: 1\n", NS_BAD_INPUT, "more than one document"},
    {"? [a]\n: 1\n", NS_BAD_INPUT, "a key must be a word"},
    {"a: [\n", NS_BAD_INPUT, "f.yaml:"},
    {"a: \x01\n", NS_BAD_INPUT, "f.yaml:"},
    {"\xff\xfe", NS_BAD_INPUT, "f.yaml:"},
};

static void each_form_is_judged_as_it_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < NS_COUNT_OF(cases); i++) {
        ns_scenario s;
        ns_error err = {0};
        ns_status status = ns_scenario_read("f.yaml", ns_text_of(cases[i].yaml), &s, &err);
        if (status != cases[i].status)
            fail_msg("%s: %s %s", cases[i].yaml, ns_status_name(status), err.text);
        if (cases[i].message != NULL && strstr(err.text, cases[i].message) == NULL)
            fail_msg("%s: message is %s", cases[i].yaml, err.text);
        CHECK_INT(0, ns_mem_live());
    }
}

static void too_deep_too_long_too_many(void **state)
{
    (void)state;
    ns_buf text;
    ns_scenario s;
    ns_error err;
    ns_buf_init(&text, 4u << 20);
    CHECK_OK(ns_buf_string(&text, "a: "));
    for (int i = 0; i < 40; i++)
        CHECK_OK(ns_buf_char(&text, '['));
    CHECK_STATUS(NS_BAD_INPUT, ns_scenario_read("f.yaml", ns_buf_view(&text), &s, &err));
    CHECK(strstr(err.text, "nested deeper than 32") != NULL);
    ns_buf_reset(&text);
    CHECK_OK(ns_buf_string(&text, "a: ["));
    for (int i = 0; i < 9000; i++)
        CHECK_OK(ns_buf_string(&text, "1,"));
    CHECK_STATUS(NS_BAD_INPUT, ns_scenario_read("f.yaml", ns_buf_view(&text), &s, &err));
    ns_buf_reset(&text);
    for (int i = 0; i < (1 << 20) + 1; i++)
        CHECK_OK(ns_buf_char(&text, '#'));
    CHECK_STATUS(NS_TOO_LARGE, ns_scenario_read("f.yaml", ns_buf_view(&text), &s, &err));
    ns_buf_clear(&text);
}

static void built_in_ones_are_the_files(void **state)
{
    (void)state;
    static const char *const names[] = {"default", "demo"};
    for (size_t i = 0; i < NS_COUNT_OF(names); i++) {
        ns_scenario built_in, loaded;
        ns_error err;
        char path[64];
        memset(&built_in, 0, sizeof built_in);
        memset(&loaded, 0, sizeof loaded);
        (void)snprintf(path, sizeof path, "simulations/%s.yaml", names[i]);
        CHECK_OK(ns_scenario_builtin(names[i], &built_in, &err));
        if (ns_scenario_load(test_path(path), &loaded, &err) != NS_OK)
            fail_msg("%s", err.text);
        CHECK_STRING(names[i], built_in.name);
        CHECK_NEAR(loaded.rate_per_day, built_in.rate_per_day, 0);
        CHECK_NEAR(loaded.cause[NS_CAUSE_flaky_test].weight, built_in.cause[NS_CAUSE_flaky_test].weight, 0);
    }
    ns_scenario s;
    CHECK_STATUS(NS_NOT_FOUND, ns_scenario_builtin("other", &s, NULL));
    CHECK_STATUS(NS_IO, ns_scenario_load("/nowhere/at/all.yaml", &s, NULL));
    CHECK_INT(0, ns_scenario_builtin_text("other").len);
}

static void values_arrive(void **state)
{
    (void)state;
    ns_scenario s;
    CHECK_OK(ns_scenario_builtin("default", &s, NULL));
    CHECK_NEAR(30, s.step_s, 0);
    CHECK_NEAR(14400, s.censor_s, 0);
    CHECK_NEAR(0.11, s.cause[NS_CAUSE_registry_outage].weight, 0);
    CHECK_NEAR(1200, s.cause[NS_CAUSE_registry_outage].lasts_s.median, 0);
    CHECK_NEAR(0.9, s.cause[NS_CAUSE_registry_outage].lasts_s.sigma, 0);
    CHECK_NEAR(240, s.action[NS_ACTION_retry_build].duration_s.median, 0);
    CHECK_NEAR(1.3, s.human.by_cause[NS_CAUSE_out_of_memory], 0);
    CHECK_NEAR(1.0, s.human.by_cause[NS_CAUSE_timeout], 0);
    CHECK_INT(3, s.naive_retry.max);
    CHECK_NEAR(300, s.naive_retry.delay_s[2], 0);
    CHECK(s.observation.log_split == NS_SPLIT_test);
    CHECK_NEAR(0.5, s.cause[NS_CAUSE_out_of_memory].cluster_share, 0);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bool read = false;
    for (long n = 0; n < 20 && !read; n++) {
        ns_scenario s;
        ns_mem_fail_after(n);
        read = ns_scenario_builtin("default", &s, NULL) == NS_OK;
        ns_mem_fail_after(-1);
        CHECK_INT(0, ns_mem_live());
    }
    CHECK(read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_judged_as_it_should), cmocka_unit_test(too_deep_too_long_too_many),
        cmocka_unit_test(built_in_ones_are_the_files),      cmocka_unit_test(values_arrive),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
