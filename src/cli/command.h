/*
 * The commands of `neuroshield`: one table (main.c), one file per command (cmd_NAME.c).
 */
#ifndef NS_CLI_COMMAND_H
#define NS_CLI_COMMAND_H

#include <stdbool.h>

/* argv[0] is the command's name. Returns the exit status: 0 done, 1 not done, 2 usage, 3 input file, 4 refused. */
typedef int ns_command_run(int argc, char **argv);

typedef struct ns_command {
    const char *name;
    ns_command_run *run; /* NULL: comes with a later part of NeuroShield */
    const char *help;    /* one line */
} ns_command;

/* The whole program: finds the command and runs it. */
int ns_main(int argc, char **argv);

/* The table, for help and tests. */
const ns_command *ns_command_table(int *count);

ns_command_run ns_cmd_collect;
ns_command_run ns_cmd_config;
ns_command_run ns_cmd_model;
ns_command_run ns_cmd_predict;
ns_command_run ns_cmd_run;
ns_command_run ns_cmd_scenario;
ns_command_run ns_cmd_evaluate;
ns_command_run ns_cmd_leakcheck;
ns_command_run ns_cmd_train;
ns_command_run ns_cmd_status;
ns_command_run ns_cmd_world;

#endif
