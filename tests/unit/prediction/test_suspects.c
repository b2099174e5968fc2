/* Which lines a reader of windows is asked about, when, and what comes of its answers. */
#include "check.h"

#include "prediction/suspects.h"

#include <math.h>
#include <stdio.h>

/* A reader whose log-odds are the number in front of the line, and which counts. Windows: the number of lines, then the
 * first byte of each. */
static size_t prepared, asked;

static void prepare(void *self, const ns_window *window, ns_window_ids *out)
{
    (void)self;
    prepared++;
    out->count = 1 + window->count;
    out->at[0] = (int32_t)(window->lines[window->count - 1].at[0] - '0');
    for (size_t i = 0; i < window->count; i++)
        out->at[1 + i] = window->lines[i].at[window->lines[i].len - 1];
}

static void answers(void *self, const ns_window_ids *const *windows, size_t n, ns_window_answer *out)
{
    (void)self;
    asked += n;
    for (size_t i = 0; i < n; i++) {
        out[i] = (ns_window_answer){.logit = (float)windows[i]->at[0]};
        out[i].cause[windows[i]->at[0] % 2 == 0 ? NS_CAUSE_timeout : NS_CAUSE_compile_error] = 1.0F;
    }
}

static const ns_window_reader reader = {.prepare = prepare, .read = answers};

static void add(ns_suspects *s, const char *line, float strength)
{
    ns_suspects_add(s, &reader, ns_text_of(line), strength);
}

static void a_window_is_the_line_and_those_before_it(void **state)
{
    (void)state;
    ns_suspects s;
    ns_suspects_init(&s);
    add(&s, "1 a", 1.0F);
    add(&s, "1 b", 0.5F);
    add(&s, "1 c", NAN); /* a neighbour only */
    add(&s, "1 d", 3.0F);
    add(&s, "1 e", 2.0F);
    CHECK_INT(4, s.count);
    static const char *const shown[] = {"bcd", "cde", "a", "ab"}; /* strongest first */
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(1 + strlen(shown[i]), s.at[i].window.count);
        for (size_t k = 0; shown[i][k] != '\0'; k++)
            CHECK_INT(shown[i][k], s.at[i].window.at[1 + k]);
    }
}

static void each_is_asked_about_once(void **state)
{
    (void)state;
    ns_suspects s;
    ns_suspects_init(&s);
    asked = 0;
    ns_suspects_ask(&s, &reader);
    CHECK_INT(0, asked);
    add(&s, "1 a", 1.0F);
    add(&s, "2 b", 2.0F);
    ns_suspects_ask(&s, &reader);
    ns_suspects_ask(&s, &reader);
    CHECK_INT(2, asked);
    add(&s, "3 c", 1.5F);
    ns_suspects_ask(&s, &reader);
    CHECK_INT(3, asked);
    CHECK_NEAR(2.0, s.at[0].answer.logit, 0);
    CHECK_NEAR(3.0, s.at[1].answer.logit, 0);
    CHECK_NEAR(1.0, s.at[2].answer.logit, 0);
}

/* Only the strongest stay, of equals the earlier; a line that never becomes one costs no window. */
static void the_strongest_stay(void **state)
{
    (void)state;
    ns_suspects s;
    char line[16];
    ns_suspects_init(&s);
    prepared = 0;
    for (int i = 0; i < 3 * NS_SUSPECTS; i++) {
        (void)snprintf(line, sizeof line, "%d x", i % 10);
        add(&s, line, (float)(i / 2));
    }
    CHECK_INT(NS_SUSPECTS, s.count);
    for (size_t i = 0; i < NS_SUSPECTS; i++)
        CHECK_NEAR((3 * NS_SUSPECTS - 1 - (int)i) / 2, s.at[i].strength, 0);
    CHECK_INT('x', s.at[0].window.at[1]);
    CHECK(s.at[0].window.at[0] < s.at[1].window.at[0]); /* "6 x" before "7 x" */
    prepared = 0;
    add(&s, "9 weak", 0.0F);
    add(&s, "9 equal", s.at[NS_SUSPECTS - 1].strength);
    CHECK_INT(0, prepared);
}

static void features_and_causes(void **state)
{
    (void)state;
    ns_suspects s;
    float feature[NS_SUSPECT_FEATURES];
    double cause[NS_CAUSE_COUNT];
    ns_suspects_init(&s);
    ns_suspects_features(&s, feature);
    ns_suspects_causes(&s, cause);
    CHECK_NEAR(-8.0, feature[NS_SUSPECT_encoder_1], 0);
    CHECK_NEAR(0.0, feature[NS_SUSPECT_encoder_over_0], 0);
    for (size_t c = 0; c < NS_CAUSE_COUNT; c++)
        CHECK_NEAR(0.0, cause[c], 0);

    add(&s, "1 a", 5.0F);
    add(&s, "4 b", 1.0F);
    add(&s, "3 c", -2.0F);
    add(&s, "2 d", -3.0F);
    ns_suspects_ask(&s, &reader);
    ns_suspects_features(&s, feature);
    static const double wanted[] = {4, 3, 2, 2.321928, 1.584963, 6, 5, 1};
    for (size_t i = 0; i < NS_SUSPECT_FEATURES; i++)
        CHECK_NEAR(wanted[i], feature[i], 1e-5);
    ns_suspects_causes(&s, cause); /* "1 a" and its odd cause speak loudest */
    CHECK(cause[NS_CAUSE_compile_error] > cause[NS_CAUSE_timeout]);
    CHECK(cause[NS_CAUSE_timeout] > cause[NS_CAUSE_config]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_window_is_the_line_and_those_before_it),
                                       cmocka_unit_test(each_is_asked_about_once), cmocka_unit_test(the_strongest_stay),
                                       cmocka_unit_test(features_and_causes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
