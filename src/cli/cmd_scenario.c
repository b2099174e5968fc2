/* neuroshield scenario check FILE: is this a scenario of the built-in world? */
#include "cli/command.h"
#include "cli/options.h"
#include "wire/json.h"
#include "world/scenario.h"

#include <stdio.h>
#include <string.h>

static const ns_usage usage = {
    .command = "scenario",
    .purpose =
        "Checks a scenario file of the built-in world: unknown keys, duplicates, wrong types and values outside\n"
        "their range are told with file and line.",
    .arguments = "check FILE",
    .min_arguments = 2,
    .max_arguments = 2,
    .statuses = "1 when a fault was found, 3 when the file cannot be read at all.",
    .example = "neuroshield scenario check simulations/default.yaml",
};

/* fault: NULL when there is none. */
static void put_finding(ns_buf *out, const char *file, const char *name, const char *fault)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_string(&w, "file", file);
    ns_json_field_string_or_null(&w, "name", name);
    ns_json_field_bool(&w, "ok", fault == NULL);
    ns_json_key(&w, "problems");
    ns_json_array(&w);
    if (fault != NULL)
        ns_json_put_string(&w, fault);
    ns_json_end_array(&w);
    ns_json_end_object(&w);
    (void)ns_buf_char(out, '\n');
}

int ns_cmd_scenario(int argc, char **argv)
{
    ns_options options;
    int exit_status;
    ns_error err;
    if (!ns_options_read(&usage, argc, argv, &options, &exit_status))
        return exit_status;
    if (strcmp(options.arguments[0], "check") != 0) {
        (void)ns_fail(&err, NS_BAD_USAGE, "'%.64s' is not check", options.arguments[0]);
        return ns_options_fail(&options, &err);
    }
    const char *file = options.arguments[1];
    ns_scenario scenario;
    const ns_status status = ns_scenario_load(file, &scenario, &err);
    if (status != NS_OK && status != NS_BAD_INPUT) {
        (void)ns_options_fail(&options, &err);
        return ns_status_exit(NS_BAD_INPUT);
    }
    ns_buf out;
    ns_buf_init(&out, 65536);
    if (options.json)
        put_finding(&out, file, status == NS_OK ? scenario.name : NULL, status == NS_OK ? NULL : err.text);
    else if (status == NS_OK)
        (void)ns_buf_printf(&out, "%s: scenario '%s' is right\n", file, scenario.name);
    else
        (void)fprintf(stderr, "neuroshield scenario: %s\n", err.text);
    exit_status = status == NS_OK ? 0 : 1;
    if (out.failed || !ns_stdout_write(ns_buf_view(&out)))
        exit_status = 1;
    ns_buf_clear(&out);
    return exit_status;
}
