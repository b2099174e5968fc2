/* Signals and raw metrics: plausible, counters that never go back, and both views agreeing. */
#include "world_help.h"

#include <regex.h>

#define SAMPLES_MAX 4096

typedef struct sheet {
    size_t count;
    uint64_t id[SAMPLES_MAX]; /* of name and labels */
    bool counter[SAMPLES_MAX];
    double value[SAMPLES_MAX];
    double cpu_seconds, cpu_limit, requests, errors, working_set;
    size_t families;
} sheet;

static const char *label_of(const ns_world_metric *m, const char *name)
{
    for (size_t i = 0; i < m->label_count; i++)
        if (strcmp(m->label[i].name, name) == 0)
            return m->label[i].value;
    return "";
}

static void note(void *owner, const ns_world_metric *m)
{
    sheet *s = owner;
    char text[512] = "";
    size_t at = (size_t)snprintf(text, sizeof text, "%s", m->name);
    for (size_t i = 0; i < m->label_count; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, ",%s=%s", m->label[i].name, m->label[i].value);
    CHECK(s->count < SAMPLES_MAX && at < sizeof text);
    s->id[s->count] = ns_hash(ns_text_of(text));
    for (size_t i = 0; i < s->count; i++)
        CHECK(s->id[i] != s->id[s->count]); /* no series twice */
    s->counter[s->count] = strcmp(m->type, "gauge") != 0;
    s->value[s->count++] = m->value;
    s->families += m->first;
    CHECK(isfinite(m->value));
    if (strcmp(m->name, "container_cpu_usage_seconds_total") == 0)
        s->cpu_seconds += m->value;
    if (strcmp(m->name, "container_memory_working_set_bytes") == 0)
        s->working_set += m->value;
    if (strcmp(m->name, "kube_pod_container_resource_limits") == 0 && strcmp(label_of(m, "resource"), "cpu") == 0)
        s->cpu_limit += m->value;
    if (strcmp(m->name, "request_duration_seconds_count") == 0) {
        s->requests += m->value;
        s->errors += strcmp(label_of(m, "status_code"), "500") == 0 ? m->value : 0;
    }
}

static sheet *read_sheet(const ns_world *w, sheet *s)
{
    memset(s, 0, sizeof *s);
    ns_world_metrics(w, note, s);
    return s;
}

static ns_world *quiet_world(void)
{
    ns_scenario s = scenario_of("default");
    s.control_share = 1;
    s.rate_per_day = 0.01;
    return world_of(&s, 1);
}

static void counters_never_go_back(void **state)
{
    (void)state;
    static sheet before, now;
    ns_world *w = demo(3);
    (void)read_sheet(w, &before);
    for (int64_t s = 60; s <= 1800; s += 60) {
        ns_world_advance(w, START_MS + s * 1000);
        (void)read_sheet(w, &now);
        for (size_t i = 0; i < now.count; i++)
            for (size_t k = 0; k < before.count; k++)
                if (now.counter[i] && before.id[k] == now.id[i] && now.value[i] < before.value[k] - 1e-9)
                    fail_msg("a counter went from %g to %g", before.value[k], now.value[i]);
        before = now;
    }
    CHECK(now.families >= 20);
    ns_world_free(w);
}

static void rates_of_counters_are_the_signals(void **state)
{
    (void)state;
    static sheet a, b;
    ns_world *w = quiet_world();
    ns_world_advance(w, START_MS + 600000);
    (void)read_sheet(w, &a);
    ns_world_advance(w, START_MS + 660000);
    double cpu = ns_world_signal(w, NS_SIGNAL_cpu_usage, 0).value;
    ns_world_advance(w, START_MS + 720000);
    (void)read_sheet(w, &b);
    CHECK_NEAR(cpu, 100 * (b.cpu_seconds - a.cpu_seconds) / 120.0 / b.cpu_limit, 0.2);
    CHECK_NEAR(ns_world_signal(w, NS_SIGNAL_error_rate, 0).value,
               100 * (b.errors - a.errors) / (b.requests - a.requests), 1e-6);
    CHECK_NEAR(2.4, b.cpu_limit, 1e-9);
    CHECK_NEAR(ns_world_signal(w, NS_SIGNAL_memory_usage, 0).value, 100 * b.working_set / (3600.0 * 1048576.0), 1e-6);
    CHECK_NEAR(14, ns_world_signal(w, NS_SIGNAL_pod_count, 0).value, 0);
    ns_world_free(w);
}

static void signals_are_plausible_all_day(void **state)
{
    (void)state;
    ns_world *w = demo(3);
    for (int64_t h = 0; h <= 24; h++) {
        ns_world_advance(w, START_MS + h * 3600000);
        for (size_t i = 0; i < NS_SIGNAL_COUNT; i++) {
            const ns_signal_facts *facts = ns_signal_facts_of((ns_signal)i);
            for (size_t d = 0; d < ns_world_deployment_count(w); d++) {
                ns_value v = ns_world_signal(w, (ns_signal)i, d);
                ns_world_deployment deployment;
                ns_world_deployment_at(w, d, &deployment);
                if (facts->scope == NS_SCOPE_global || deployment.job < 0)
                    CHECK(facts->scope != NS_SCOPE_global || ns_value_known(v));
                if (ns_value_known(v) && strcmp(facts->unit, "percent") == 0)
                    CHECK(v.value >= 0 && v.value <= 100);
            }
        }
        CHECK(ns_world_signal(w, NS_SIGNAL_cpu_usage, 0).value > 3);
    }
    ns_world_free(w);
}

static void pods_have_names_that_lead_to_their_deployment(void **state)
{
    (void)state;
    regex_t form;
    CHECK_INT(0, regcomp(&form, "^(.+)-[a-z0-9]+-[a-z0-9]+$", REG_EXTENDED));
    ns_world *w = demo(3);
    ns_world_advance(w, START_MS + 3600000);
    for (size_t d = 0; d < ns_world_deployment_count(w); d++) {
        ns_world_deployment deployment;
        regmatch_t match[2];
        ns_world_deployment_at(w, d, &deployment);
        ns_world_pod pod;
        ns_world_pod_at(w, d, 0, &pod);
        CHECK_INT(0, regexec(&form, pod.name, 2, match, 0));
        ns_text name = {pod.name, (size_t)match[1].rm_eo};
        CHECK_TEXT(deployment.name, name);
        CHECK_INT(d, ns_world_find_deployment(w, name));
        CHECK(deployment.job < 0 || deployment.revision > 1); /* green builds have been deployed */
    }
    regfree(&form);
    ns_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_never_go_back),
        cmocka_unit_test(rates_of_counters_are_the_signals),
        cmocka_unit_test(signals_are_plausible_all_day),
        cmocka_unit_test(pods_have_names_that_lead_to_their_deployment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
