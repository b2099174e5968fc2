/*
 * What a person reads about the commands, made from the table of commands and each command's table of options: the
 * --help text, the source of the man page (scdoc), and the words that a shell completes.
 */
#ifndef NS_CLI_HELP_H
#define NS_CLI_HELP_H

#include "cli/options.h"

/* Options of every command. */
extern const ns_option ns_common_options[];
extern const size_t ns_common_option_count;

typedef enum ns_help_form {
    NS_HELP_text,
    NS_HELP_scdoc, /* --help=scdoc: source of the man page; see scdoc(5) */
    NS_HELP_words  /* --help=words: options (or commands), a line each */
} ns_help_form;

/* Is this argument --help, --help=scdoc or --help=words? */
bool ns_help_asked(const char *argument, ns_help_form *out);

/* One command's help on stdout. */
void ns_help_command(const ns_usage *usage, ns_help_form form);

/* The program's: all commands. To stderr when the command line was wrong. */
void ns_help_program(ns_help_form form, bool to_stderr);

#endif
