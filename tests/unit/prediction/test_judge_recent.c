/* What the last lines of a log say. */
#include "check.h"

#include "prediction/judge_recent.h"
#include "prediction/line_memory.h"

#include <math.h>

enum {
    recent_30,
    recent_100,
    recent_300,
    since_command,
    near,
    near_commands,
    no_pass_10,
    no_pass_30,
    no_pass_100,
    ALL
};

static float feature[ALL], fresh[2];

static void look(const ns_recent *recent)
{
    ns_recent_features(recent, feature, fresh);
}

static void add(ns_recent *recent, int n, float both, float passing)
{
    for (int i = 0; i < n; i++)
        ns_recent_add(recent, &(ns_recent_line){both, both - 1.0F, passing}, false);
}

static void nothing_read_is_no_evidence(void **state)
{
    (void)state;
    ns_recent recent;
    ns_recent_init(&recent);
    look(&recent);
    CHECK(feature[recent_30] == NS_NO_LINE && feature[recent_300] == NS_NO_LINE && fresh[0] == NS_NO_LINE);
    CHECK(feature[no_pass_10] == -NS_NO_LINE);
    float never = feature[near];
    add(&recent, 1000, -2.0F, NS_NO_LINE);
    look(&recent);
    CHECK(feature[near] == never); /* how long a log without evidence is says nothing */
}

static void a_line_leaves_each_window_in_its_turn(void **state)
{
    (void)state;
    ns_recent recent;
    ns_recent_init(&recent);
    add(&recent, 7, -3.0F, -3.0F);
    add(&recent, 1, 5.0F, 2.0F);
    static const struct {
        int more;
        bool in_10, in_30, in_100, in_300;
    } steps[] = {{9, true, true, true, true},    {1, false, true, true, true},    {19, false, true, true, true},
                 {1, false, false, true, true},  {70, false, false, false, true}, {199, false, false, false, true},
                 {1, false, false, false, false}};
    for (size_t i = 0; i < NS_COUNT_OF(steps); i++) {
        add(&recent, steps[i].more, -3.0F, -3.0F);
        look(&recent);
        CHECK((feature[no_pass_10] == -2.0F) == steps[i].in_10);
        CHECK((feature[no_pass_30] == -2.0F) == steps[i].in_30);
        CHECK((feature[recent_30] == 5.0F) == steps[i].in_30);
        CHECK((fresh[0] == 4.0F) == steps[i].in_30);
        CHECK((feature[recent_100] == 5.0F) == steps[i].in_100);
        CHECK((feature[no_pass_100] == -2.0F) == steps[i].in_100);
        CHECK((feature[recent_300] == 5.0F) == steps[i].in_300);
    }
}

static void commands_after_the_evidence_are_counted(void **state)
{
    (void)state;
    ns_recent recent;
    ns_recent_init(&recent);
    ns_recent_evidence(&recent, 3.0F);
    add(&recent, 1, 3.0F, NS_NO_LINE);
    look(&recent);
    float at_once = feature[near];
    CHECK(feature[near_commands] == 0.0F && feature[since_command] == 3.0F);
    ns_recent_add(&recent, &(ns_recent_line){-3.0F, -3.0F, -3.0F}, true);
    look(&recent);
    CHECK(feature[near_commands] < 0.0F && feature[near] < at_once && feature[since_command] == NS_NO_LINE);
    ns_recent_evidence(&recent, 2.0F); /* weaker: the strongest stays where it was */
    look(&recent);
    CHECK(feature[near_commands] < 0.0F && feature[since_command] == 2.0F);
    ns_recent_evidence(&recent, 4.0F);
    look(&recent);
    CHECK(feature[near_commands] == 0.0F);
}

static void commands_are_told_by_their_echo(void **state)
{
    (void)state;
    CHECK(ns_recent_is_command(ns_text_of("$ mvn install")));
    CHECK(ns_recent_is_command(ns_text_of("+ make -j2")));
    CHECK(!ns_recent_is_command(ns_text_of("+  added line of a patch")));
    CHECK(!ns_recent_is_command(ns_text_of("+")));
    CHECK(!ns_recent_is_command(ns_text_of("make -j2")));
}

static void a_memory_finds_what_was_put_until_it_is_full(void **state)
{
    (void)state;
    ns_line_memory memory;
    ns_line_memory_init(&memory, 1000);
    CHECK(ns_line_memory_find(&memory, 7) == NULL);
    for (uint64_t i = 1; i <= 1000; i++) {
        CHECK(ns_line_memory_find(&memory, i * 64) == NULL);
        CHECK(ns_line_memory_put(&memory, i * 64, &(ns_recent_line){(float)i, 0.0F, 0.0F}) == NS_OK);
    }
    CHECK_INT(NS_TOO_LARGE, ns_line_memory_put(&memory, 1, &(ns_recent_line){0.0F, 0.0F, 0.0F}));
    for (uint64_t i = 1; i <= 1000; i++)
        CHECK(ns_line_memory_find(&memory, i * 64)->both == (float)i);
    ns_line_memory_clear(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_read_is_no_evidence),
        cmocka_unit_test(a_line_leaves_each_window_in_its_turn),
        cmocka_unit_test(commands_after_the_evidence_are_counted),
        cmocka_unit_test(commands_are_told_by_their_echo),
        cmocka_unit_test(a_memory_finds_what_was_put_until_it_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
