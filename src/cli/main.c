/* The program's commands, and finding the one that is meant. */
#include "cli/command.h"

#include "base/config.h"
#include "cli/help.h"
#include "wire/json.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const ns_command commands[] = {
    {"run", ns_cmd_run, "watch, predict, decide and act: the daemon"},
    {"collect", ns_cmd_collect, "write telemetry of Jenkins and Prometheus to a CSV file"},
    {"status", ns_cmd_status, "what the running daemon sees and does"},
    {"config", ns_cmd_config, "show or check the configuration"},
    {"world", ns_cmd_world, "serve the built-in world as Jenkins, Prometheus and Kubernetes"},
    {"scenario", ns_cmd_scenario, "check a scenario file of the built-in world"},
    {"predict", ns_cmd_predict, "probability that a build log ends in failure"},
    {"train", ns_cmd_train, "train a predictor or a policy"},
    {"evaluate", ns_cmd_evaluate, "measure a predictor, a policy, or the whole loop"},
    {"leakcheck", ns_cmd_leakcheck, "look for giveaways in a corpus of logs"},
    {"model", ns_cmd_model, "show or verify a model's files"},
    {"explain", NULL, "why a decision was taken"},
    {"replay", NULL, "decide a stored case again and compare"},
    {"report", NULL, "what NeuroShield did and what it was worth"},
    {"approve", NULL, "say yes to a waiting decision"},
    {"reject", NULL, "say no to a waiting decision"},
    {"override", NULL, "choose another action for a waiting decision"},
    {"pause", NULL, "stop acting"},
    {"resume", NULL, "act again"},
    {"undo", NULL, "take a case's action back"},
    {"audit", NULL, "verify the audit trail"},
    {"doctor", NULL, "look for faults in set-up and surroundings"},
    {"db", NULL, "look after the database"},
    {"export", NULL, "export stored records"},
};

const ns_command *ns_command_table(int *count)
{
    *count = (int)NS_COUNT_OF(commands);
    return commands;
}

static const char *command_name(const void *names, size_t i)
{
    return ((const ns_command *)names)[i].name;
}

/* A command of a later part: says so, shows its one line of help, and never makes figures up. */
static int run_later(const ns_command *command, int argc, char **argv)
{
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            (void)printf("usage: neuroshield %s ...\n\n%s\n\nThis command comes with a later part of NeuroShield.\n",
                         command->name, command->help);
            return 0;
        }
        json = json || strcmp(argv[i], "--json") == 0;
    }
    ns_error err;
    (void)ns_fail(&err, NS_LATER, "this command comes with a later part of NeuroShield");
    const ns_usage usage = {.command = command->name};
    const ns_options options = {.usage = &usage, .json = json};
    return ns_options_fail(&options, &err);
}

static int find_and_run(int argc, char **argv)
{
    for (size_t i = 0; i < NS_COUNT_OF(commands); i++) {
        if (strcmp(argv[0], commands[i].name) == 0)
            return commands[i].run == NULL ? run_later(&commands[i], argc, argv) : commands[i].run(argc, argv);
    }
    const char *near = ns_nearest_name(argv[0], commands, NS_COUNT_OF(commands), command_name);
    (void)fprintf(stderr, "neuroshield: there is no command '%s'", argv[0]);
    if (near != NULL)
        (void)fprintf(stderr, "; did you mean '%s'?", near);
    (void)fputs("\nneuroshield --help lists all commands\n", stderr);
    return ns_status_exit(NS_BAD_USAGE);
}

int ns_main(int argc, char **argv)
{
    /* A reader of our output or a peer that goes away is an error to be told, not the end of the program. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file at its limit (ulimit -f) is a failed write, no reason to die */
    if (argc < 2) {
        ns_help_program(NS_HELP_text, true);
        return ns_status_exit(NS_BAD_USAGE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("neuroshield " NS_VERSION);
        return 0;
    }
    ns_help_form form = NS_HELP_text;
    if (ns_help_asked(argv[1], &form) || strcmp(argv[1], "help") == 0) {
        ns_help_program(form, false);
        return 0;
    }
    return find_and_run(argc - 1, argv + 1);
}
