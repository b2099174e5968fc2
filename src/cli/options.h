/*
 * Long options from a table, with --help made from the same table.
 *
 *     static const ns_option options[] = {
 *         {"once", NULL, NULL, "write one row and stop"},
 *         {"interval", "S", "poll_interval", "seconds between two ticks"},
 *     };
 *     static const ns_usage usage = {.command = "collect", .purpose = "...", .options = options, .option_count = 2};
 *
 *     ns_options given;
 *     int status = 0;
 *     if (!ns_options_read(&usage, argc, argv, &given, &status))
 *         return status;
 *     ns_settings *settings = NULL;
 *     if (!ns_options_settings(&given, &settings, &status))
 *         return status;
 *
 * Every command also takes --json --config --data --seed --quiet --help --version. Both `--name=value` and
 * `--name value` are read; `--` ends the options. Nothing is allocated: values point into argv.
 */
#ifndef NS_CLI_OPTIONS_H
#define NS_CLI_OPTIONS_H

#include "daemon/settings.h"

typedef struct ns_option {
    const char *name;  /* without the dashes */
    const char *value; /* what its value is called in the help: "URL"; NULL: a switch without value */
    const char *key;   /* the setting it gives; NULL: none. A switch gives "true". */
    const char *help;
} ns_option;

typedef struct ns_usage {
    const char *command;
    const char *purpose;   /* a few sentences; may hold line ends */
    const char *arguments; /* "FILE"; NULL: none are taken */
    int min_arguments;
    int max_arguments;
    const ns_option *options;
    size_t option_count;
    const char *statuses; /* further sentences about exit statuses; NULL none */
    const char *example;  /* NULL none; may hold line ends */
} ns_usage;

#define NS_OPTIONS_MAX   64
#define NS_ARGUMENTS_MAX 64

typedef struct ns_options {
    const ns_usage *usage;
    bool json;
    bool quiet;
    const char *config; /* --config; NULL not given */
    struct {
        const ns_option *option;
        const char *value; /* "true" for a switch */
    } given[NS_OPTIONS_MAX];
    size_t given_count;
    const char *arguments[NS_ARGUMENTS_MAX];
    int argument_count;
} ns_options;

/* False: the command is over with *exit_status (help or version printed: 0; wrong usage told on stderr: 2). */
bool ns_options_read(const ns_usage *usage, int argc, char **argv, ns_options *out, int *exit_status);

/* The last value given for this option (a switch: "true"); NULL when not given. */
const char *ns_option_value(const ns_options *options, const char *name);
bool ns_option_given(const ns_options *options, const char *name);

/* Loads the settings with the flags on top and sets the log's level (--quiet: ERROR only). False: told on stderr,
 * *exit_status set. */
bool ns_options_settings(const ns_options *options, ns_settings **out, int *exit_status);

/* Tells an error on stderr as "neuroshield COMMAND: text", with --json also {"schema":1,"error":{...}} on stdout.
 * Returns the exit status that belongs to err->status. */
int ns_options_fail(const ns_options *options, const ns_error *err);

/* Writes all of text to stdout; false when stdout is closed or full. */
bool ns_stdout_write(ns_text text);

#endif
