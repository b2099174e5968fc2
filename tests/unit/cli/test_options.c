/* The option parser: what is read, what is refused, and what --json changes before the first complaint. */
#include "check.h"

#include "cli/command.h"
#include "cli/options.h"

static const ns_option own[] = {
    {"once", NULL, NULL, "one"},
    {"interval", "S", "poll_interval", NULL},
    {"output", "FILE", "collect.output", NULL},
};
static const ns_usage usage = {.command = "test",
                               .purpose = "for tests",
                               .arguments = "FILE",
                               .max_arguments = 2,
                               .options = own,
                               .option_count = NS_COUNT_OF(own)};
static const ns_usage needy = {
    .command = "test", .purpose = "for tests", .arguments = "FILE", .min_arguments = 1, .max_arguments = 1};

#define ARGV_MAX 8

typedef struct line {
    const char *argv[ARGV_MAX];
} line;

static bool read_line(const ns_usage *of, const line *given, ns_options *out, int *status)
{
    int argc = 1;
    char *argv[ARGV_MAX + 1] = {(char *)"test"};
    for (; argc < ARGV_MAX && given->argv[argc - 1] != NULL; argc++)
        argv[argc] = (char *)given->argv[argc - 1];
    return ns_options_read(of, argc, argv, out, status);
}

static void both_forms_of_a_value(void **state)
{
    (void)state;
    const line given = {{"--interval=3", "a", "--output", "--odd", "--once", "--json", "b"}};
    ns_options o;
    int status;
    CHECK(read_line(&usage, &given, &o, &status));
    CHECK_STRING("3", ns_option_value(&o, "interval"));
    CHECK_STRING("--odd", ns_option_value(&o, "output"));
    CHECK(ns_option_given(&o, "once") && o.json && !o.quiet);
    CHECK(!ns_option_given(&o, "seed"));
    CHECK_INT(2, o.argument_count);
    CHECK_STRING("a", o.arguments[0]);
    CHECK_STRING("b", o.arguments[1]);
}

static void the_last_one_given_wins(void **state)
{
    (void)state;
    const line given = {{"--interval=3", "--interval", "4", "--output="}};
    ns_options o;
    int status;
    CHECK(read_line(&usage, &given, &o, &status));
    CHECK_STRING("4", ns_option_value(&o, "interval"));
    CHECK_STRING("", ns_option_value(&o, "output"));
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    const line given = {{"--", "--once", "-"}};
    ns_options o;
    int status;
    CHECK(read_line(&usage, &given, &o, &status));
    CHECK(!ns_option_given(&o, "once"));
    CHECK_STRING("--once", o.arguments[0]);
    CHECK_STRING("-", o.arguments[1]);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const line of[] = {
        {{"--onc"}}, {{"--once=1"}}, {{"--interval"}}, {{"-i"}}, {{"a", "b", "c"}}, {{"--json", "--", "a", "b", "c"}},
        {{"--=x"}},  {{"--seed"}},
    };
    for (size_t i = 0; i < NS_COUNT_OF(of); i++) {
        ns_options o;
        int status = -1;
        CHECK(!read_line(&usage, &of[i], &o, &status));
        CHECK_INT(2, status);
    }
    ns_options o;
    int status = -1;
    const line none = {{NULL}};
    CHECK(!read_line(&needy, &none, &o, &status));
    CHECK_INT(2, status);
}

static void help_wins_over_what_is_wrong(void **state)
{
    (void)state;
    const line given = {{"--nonsense", "--help"}};
    ns_options o;
    int status = -1;
    CHECK(!read_line(&usage, &given, &o, &status));
    CHECK_INT(0, status);
}

static void too_many_options(void **state)
{
    (void)state;
    char *argv[NS_OPTIONS_MAX + 2] = {(char *)"test"};
    for (size_t i = 1; i < NS_COUNT_OF(argv); i++)
        argv[i] = (char *)"--once";
    ns_options o;
    int status;
    CHECK(ns_options_read(&usage, NS_OPTIONS_MAX + 1, argv, &o, &status));
    CHECK(!ns_options_read(&usage, NS_OPTIONS_MAX + 2, argv, &o, &status));
    CHECK_INT(2, status);
}

static void options_become_settings(void **state)
{
    (void)state;
    const size_t before = ns_mem_live();
    const line given = {{"--interval=3", "--seed", "7", "--data=/nowhere"}};
    ns_options o;
    int status = 0;
    ns_settings *settings = NULL;
    CHECK(read_line(&usage, &given, &o, &status));
    CHECK(ns_options_settings(&o, &settings, &status));
    CHECK_NEAR(3, settings->poll_interval_s, 0);
    CHECK_INT(7, settings->seed);
    CHECK_STRING("/nowhere", settings->data_folder);
    ns_settings_free(settings);

    const line wrong = {{"--interval=-3"}};
    CHECK(read_line(&usage, &wrong, &o, &status));
    CHECK(!ns_options_settings(&o, &settings, &status));
    CHECK_INT(2, status);
    CHECK_INT(before, ns_mem_live());
}

static void every_command_has_its_place_once(void **state)
{
    (void)state;
    int count = 0;
    const ns_command *table = ns_command_table(&count);
    CHECK_INT(24, count);
    for (int i = 0; i < count; i++) {
        CHECK(table[i].help[0] != '\0');
        for (int j = 0; j < i; j++)
            CHECK(strcmp(table[i].name, table[j].name) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_of_a_value),        cmocka_unit_test(the_last_one_given_wins),
        cmocka_unit_test(two_dashes_end_the_options),   cmocka_unit_test(what_is_refused),
        cmocka_unit_test(help_wins_over_what_is_wrong), cmocka_unit_test(too_many_options),
        cmocka_unit_test(options_become_settings),      cmocka_unit_test(every_command_has_its_place_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
