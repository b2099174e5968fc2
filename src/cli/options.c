/* Long options from a table. */
#include "cli/help.h"
#include "cli/options.h"

#include "wire/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool ns_stdout_write(ns_text text)
{
    if (fwrite(text.at == NULL ? "" : text.at, 1, text.len, stdout) != text.len)
        return false;
    return fflush(stdout) == 0;
}

/* --- failing ---------------------------------------------------------------------------------------------------- */

static void status_code(ns_status status, char out[32])
{
    size_t n = 0;
    for (const char *c = status == NS_LATER ? "not_available" : ns_status_name(status); *c != '\0' && n < 31; c++)
        out[n++] = (char)tolower((unsigned char)*c);
    out[n] = '\0';
}

int ns_options_fail(const ns_options *options, const ns_error *err)
{
    (void)fprintf(stderr, "neuroshield %s: %s\n", options->usage->command, err->text);
    if (options->json) {
        char code[32];
        status_code(err->status, code);
        ns_buf out;
        ns_buf_init(&out, 4096);
        ns_json_writer w;
        ns_json_begin(&w, &out);
        ns_json_object(&w);
        ns_json_field_int(&w, "schema", 1);
        ns_json_key(&w, "error");
        ns_json_object(&w);
        ns_json_field_string(&w, "code", code);
        ns_json_field_string(&w, "message", err->text);
        ns_json_end_object(&w);
        ns_json_end_object(&w);
        (void)ns_buf_char(&out, '\n');
        if (!out.failed)
            (void)ns_stdout_write(ns_buf_view(&out));
        ns_buf_clear(&out);
    }
    return ns_status_exit(err->status);
}

static bool wrong(const ns_options *options, int *exit_status, const ns_error *err)
{
    (void)ns_options_fail(options, err);
    (void)fprintf(stderr, "neuroshield %s --help lists what it takes\n", options->usage->command);
    *exit_status = ns_status_exit(NS_BAD_USAGE);
    return false;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

typedef struct option_names {
    const ns_usage *usage;
} option_names;

static const ns_option *option_at(const ns_usage *usage, size_t i)
{
    return i < usage->option_count ? &usage->options[i] : &ns_common_options[i - usage->option_count];
}

static const char *option_name(const void *names, size_t i)
{
    return option_at(((const option_names *)names)->usage, i)->name;
}

static const ns_option *find_option(const ns_usage *usage, ns_text name)
{
    for (size_t i = 0; i < usage->option_count + ns_common_option_count; i++) {
        if (ns_text_is(name, option_at(usage, i)->name))
            return option_at(usage, i);
    }
    return NULL;
}

static ns_status unknown_option(const ns_usage *usage, ns_text name, ns_error *err)
{
    char shown[64];
    (void)ns_text_copy(shown, sizeof shown, name);
    const option_names names = {usage};
    const char *near = ns_nearest_name(shown, &names, usage->option_count + ns_common_option_count, option_name);
    if (near == NULL)
        return ns_fail(err, NS_BAD_USAGE, "unknown option --%s", shown);
    return ns_fail(err, NS_BAD_USAGE, "unknown option --%s; did you mean --%s?", shown, near);
}

static ns_status keep(ns_options *out, const ns_option *option, const char *value, ns_error *err)
{
    if (strcmp(option->name, "json") == 0)
        out->json = true;
    else if (strcmp(option->name, "quiet") == 0)
        out->quiet = true;
    else if (strcmp(option->name, "config") == 0)
        out->config = value;
    if (out->given_count == NS_OPTIONS_MAX)
        return ns_fail(err, NS_BAD_USAGE, "more than %d options", NS_OPTIONS_MAX);
    out->given[out->given_count].option = option;
    out->given[out->given_count].value = value;
    out->given_count++;
    return NS_OK;
}

/* argv[*i] starts with "--". */
static ns_status read_option(ns_options *out, int argc, char **argv, int *i, ns_error *err)
{
    const char *text = argv[*i] + 2;
    const char *equals = strchr(text, '=');
    const ns_text name = {text, equals == NULL ? strlen(text) : (size_t)(equals - text)};
    const ns_option *option = find_option(out->usage, name);
    if (option == NULL)
        return unknown_option(out->usage, name, err);
    if (option->value == NULL) {
        if (equals != NULL)
            return ns_fail(err, NS_BAD_USAGE, "--%s takes no value", option->name);
        return keep(out, option, "true", err);
    }
    if (equals != NULL)
        return keep(out, option, equals + 1, err);
    if (*i + 1 >= argc)
        return ns_fail(err, NS_BAD_USAGE, "--%s needs a value: --%s %s", option->name, option->name, option->value);
    *i += 1;
    return keep(out, option, argv[*i], err);
}

static ns_status read_argument(ns_options *out, const char *argument, bool options_over, ns_error *err)
{
    if (!options_over && argument[0] == '-' && argument[1] != '\0')
        return ns_fail(err, NS_BAD_USAGE, "unknown option %.64s; options have two dashes", argument);
    if (out->argument_count >= out->usage->max_arguments || out->argument_count == NS_ARGUMENTS_MAX)
        return ns_fail(err, NS_BAD_USAGE, "unexpected argument '%.64s'", argument);
    out->arguments[out->argument_count++] = argument;
    return NS_OK;
}

/* --help and --version win over anything wrong beside them; --json is known before the first complaint. */
static bool seen_early(const ns_usage *usage, int argc, char **argv, ns_options *out)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            out->json = true;
        ns_help_form form;
        if (ns_help_asked(argv[i], &form)) {
            ns_help_command(usage, form);
            return true;
        }
        if (strcmp(argv[i], "--version") == 0) {
            (void)puts("neuroshield " NS_VERSION);
            return true;
        }
    }
    return false;
}

bool ns_options_read(const ns_usage *usage, int argc, char **argv, ns_options *out, int *exit_status)
{
    *out = (ns_options){.usage = usage};
    *exit_status = 0;
    if (seen_early(usage, argc, argv, out))
        return false;
    ns_error err;
    bool options_over = false;
    for (int i = 1; i < argc; i++) {
        if (!options_over && strcmp(argv[i], "--") == 0) {
            options_over = true;
            continue;
        }
        ns_status status = !options_over && strncmp(argv[i], "--", 2) == 0
                               ? read_option(out, argc, argv, &i, &err)
                               : read_argument(out, argv[i], options_over, &err);
        if (status != NS_OK)
            return wrong(out, exit_status, &err);
    }
    if (out->argument_count < usage->min_arguments) {
        (void)ns_fail(&err, NS_BAD_USAGE, "it needs %s", usage->arguments);
        return wrong(out, exit_status, &err);
    }
    return true;
}

const char *ns_option_value(const ns_options *options, const char *name)
{
    for (size_t i = options->given_count; i > 0; i--) {
        if (strcmp(options->given[i - 1].option->name, name) == 0)
            return options->given[i - 1].value;
    }
    return NULL;
}

bool ns_option_given(const ns_options *options, const char *name)
{
    return ns_option_value(options, name) != NULL;
}

bool ns_options_settings(const ns_options *options, ns_settings **out, int *exit_status)
{
    ns_setting_flag flags[NS_OPTIONS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < options->given_count; i++) {
        const ns_option *option = options->given[i].option;
        if (option->key != NULL)
            flags[count++] = (ns_setting_flag){option->key, option->name, options->given[i].value};
    }
    const ns_settings_sources sources = {.config_file = options->config, .flags = flags, .flag_count = count};
    ns_error err;
    ns_settings *settings = NULL;
    ns_status status = ns_settings_load(&sources, &settings, &err);
    if (status != NS_OK) {
        *exit_status = ns_options_fail(options, &err);
        return false;
    }
    ns_log_set_level(options->quiet ? NS_LOG_ERROR : (ns_log_level)settings->log_level);
    *out = settings;
    return true;
}
