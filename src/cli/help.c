#include "cli/help.h"

#include "cli/command.h"

#include <stdio.h>
#include <string.h>

const ns_option ns_common_options[] = {
    {"json", NULL, NULL, "answer in JSON on stdout; progress and log go to stderr"},
    {"config", "FILE", NULL,
     "YAML file (else $NEUROSHIELD_CONFIG, ./neuroshield.yaml, /etc/neuroshield/neuroshield.yaml)"},
    {"data", "DIR", "data", NULL},
    {"seed", "N", "seed", NULL},
    {"quiet", NULL, NULL, "errors only on stderr"},
    {"help", NULL, NULL, "this text"},
    {"version", NULL, NULL, "the program's version"},
};
const size_t ns_common_option_count = NS_COUNT_OF(ns_common_options);

static const char statuses[] = "0 done, 1 not done or incomplete, 2 wrong usage or configuration,\n"
                               "3 an input file cannot be used, 4 refused.";
static const char about[] =
    "NeuroShield watches builds, says early which will fail and why, and mends what can be mended.";

bool ns_help_asked(const char *argument, ns_help_form *out)
{
    static const char *const asked[] = {"--help", "--help=scdoc", "--help=words"};
    for (size_t i = 0; i < NS_COUNT_OF(asked); i++) {
        if (strcmp(argument, asked[i]) == 0) {
            *out = (ns_help_form)i;
            return true;
        }
    }
    return false;
}

/* --- one option ------------------------------------------------------------------------------------------------- */

static const ns_key *key_of(const ns_option *option)
{
    if (option->key == NULL)
        return NULL;
    for (size_t i = 0; i < ns_setting_count(); i++) {
        if (strcmp(ns_setting_key(i)->name, option->key) == 0)
            return ns_setting_key(i);
    }
    return NULL;
}

/* "what it does [$VARIABLE] (default x)" */
static void explain_option(const ns_option *option, char *out, size_t size)
{
    const ns_key *key = key_of(option);
    const char *variable = key == NULL ? NULL : key->environment;
    const char *otherwise = key == NULL || option->value == NULL ? NULL : key->otherwise;
    (void)snprintf(out, size, "%s%s%s%s%s%s%s",
                   option->help != NULL ? option->help
                   : key != NULL        ? key->help
                                        : "",
                   variable == NULL ? "" : " [$", variable == NULL ? "" : variable, variable == NULL ? "" : "]",
                   otherwise == NULL ? "" : " (default ", otherwise == NULL ? "" : otherwise,
                   otherwise == NULL ? "" : ")");
}

/* --- text ------------------------------------------------------------------------------------------------------- */

static void print_option(const ns_option *option)
{
    char left[64], right[512];
    (void)snprintf(left, sizeof left, "--%s%s%s", option->name, option->value == NULL ? "" : " ",
                   option->value == NULL ? "" : option->value);
    explain_option(option, right, sizeof right);
    (void)printf("  %-26s %s\n", left, right);
}

static void print_text(const ns_usage *usage)
{
    (void)printf("usage: neuroshield %s%s%s%s\n\n%s\n", usage->command, usage->arguments == NULL ? "" : " ",
                 usage->arguments == NULL ? "" : usage->arguments, " [options]", usage->purpose);
    if (usage->option_count > 0)
        (void)puts("\nOptions:");
    for (size_t i = 0; i < usage->option_count; i++)
        print_option(&usage->options[i]);
    (void)puts("\nOptions of every command:");
    for (size_t i = 0; i < ns_common_option_count; i++)
        print_option(&ns_common_options[i]);
    (void)printf("\nExit status: %s\n", statuses);
    if (usage->statuses != NULL)
        (void)puts(usage->statuses);
    if (usage->example != NULL)
        (void)printf("\nExample:\n  %s\n", usage->example);
}

/* --- scdoc ------------------------------------------------------------------------------------------------------ */

/* Running text: what scdoc would take for markup is escaped. */
static void put_prose(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        bool begins = c == text || c[-1] == '\n'; /* a dash there would begin a list */
        if (strchr("\\_*#<>~[]`", *c) != NULL || (begins && *c == '-'))
            (void)putchar('\\');
        (void)putchar(*c);
    }
}

static void scdoc_option(const ns_option *option)
{
    char right[512];
    (void)printf("*--%s*", option->name);
    if (option->value != NULL)
        (void)printf(" _%s_", option->value);
    (void)fputs("\n\t", stdout);
    explain_option(option, right, sizeof right);
    put_prose(right);
    (void)fputs("\n\n", stdout);
}

static void scdoc_section(const char *title, const char *text)
{
    (void)printf("# %s\n\n", title);
    put_prose(text);
    (void)fputs("\n\n", stdout);
}

static void print_scdoc(const ns_usage *usage)
{
    int count;
    const ns_command *commands = ns_command_table(&count);
    const char *line = "";
    for (int i = 0; i < count; i++)
        if (strcmp(commands[i].name, usage->command) == 0)
            line = commands[i].help;
    (void)printf("neuroshield-%s(1)\n\n# NAME\n\nneuroshield-%s - ", usage->command, usage->command);
    put_prose(line);
    (void)printf("\n\n# SYNOPSIS\n\n*neuroshield %s*", usage->command);
    if (usage->arguments != NULL) {
        (void)putchar(' ');
        put_prose(usage->arguments);
    }
    (void)fputs(" \\[options\\]\n\n", stdout);
    scdoc_section("DESCRIPTION", usage->purpose);
    (void)fputs("# OPTIONS\n\n", stdout);
    for (size_t i = 0; i < usage->option_count; i++)
        scdoc_option(&usage->options[i]);
    for (size_t i = 0; i < ns_common_option_count; i++)
        scdoc_option(&ns_common_options[i]);
    scdoc_section("EXIT STATUS", statuses);
    if (usage->statuses != NULL) {
        put_prose(usage->statuses);
        (void)fputs("\n\n", stdout);
    }
    if (usage->example != NULL)
        (void)printf("# EXAMPLE\n\n```\n%s\n```\n\n", usage->example);
    (void)fputs("# SEE ALSO\n\n*neuroshield*(1)\n", stdout);
}

static void print_words(const ns_usage *usage)
{
    for (size_t i = 0; i < usage->option_count; i++)
        (void)printf("--%s\n", usage->options[i].name);
    for (size_t i = 0; i < ns_common_option_count; i++)
        (void)printf("--%s\n", ns_common_options[i].name);
}

void ns_help_command(const ns_usage *usage, ns_help_form form)
{
    if (form == NS_HELP_text)
        print_text(usage);
    else if (form == NS_HELP_scdoc)
        print_scdoc(usage);
    else
        print_words(usage);
}

/* --- the program ------------------------------------------------------------------------------------------------ */

static void program_text(FILE *to, const ns_command *commands, int count)
{
    bool later = false;
    (void)fprintf(to, "%s\n\nusage: neuroshield COMMAND [options]      neuroshield COMMAND --help\n\nCommands:\n",
                  about);
    for (int i = 0; i < count; i++) {
        later = later || commands[i].run == NULL;
        if (commands[i].run != NULL)
            (void)fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    }
    if (later)
        (void)fputs("\nComing with a later part of NeuroShield:\n ", to);
    for (int i = 0; i < count; i++) {
        if (commands[i].run == NULL)
            (void)fprintf(to, " %s", commands[i].name);
    }
    (void)fprintf(to,
                  "%s\nFirst steps:\n"
                  "  neuroshield collect --once --prometheus-url http://127.0.0.1:9090\n"
                  "  neuroshield config show --origin\n",
                  later ? "\n" : "");
}

static void program_scdoc(const ns_command *commands, int count)
{
    (void)fputs("neuroshield(1)\n\n# NAME\n\nneuroshield - self-healing for CI/CD pipelines\n\n"
                "# SYNOPSIS\n\n*neuroshield* _COMMAND_ \\[options\\]\n\n",
                stdout);
    scdoc_section("DESCRIPTION", about);
    (void)fputs("# COMMANDS\n\n", stdout);
    for (int i = 0; i < count; i++) {
        if (commands[i].run == NULL)
            continue;
        (void)printf("*neuroshield-%s*(1)\n\t", commands[i].name);
        put_prose(commands[i].help);
        (void)fputs("\n\n", stdout);
    }
    scdoc_section("EXIT STATUS", statuses);
}

void ns_help_program(ns_help_form form, bool to_stderr)
{
    int count;
    const ns_command *commands = ns_command_table(&count);
    if (form == NS_HELP_text)
        program_text(to_stderr ? stderr : stdout, commands, count);
    else if (form == NS_HELP_scdoc)
        program_scdoc(commands, count);
    else
        for (int i = 0; i < count; i++)
            if (commands[i].run != NULL)
                (void)puts(commands[i].name);
}
