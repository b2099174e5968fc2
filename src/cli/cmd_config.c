/* neuroshield config show|check: the values in force and where each came from. */
#include "cli/command.h"
#include "cli/options.h"
#include "wire/json.h"

#include <stdio.h>
#include <string.h>

#define OUTPUT_MAX ((size_t)16 << 20)

static const ns_option own_options[] = {
    {"origin", NULL, NULL, "also say where each value came from"},
};

static const ns_usage usage = {
    .command = "config",
    .purpose = "show: every setting with the value in force. check: only say whether the configuration is right.\n"
               "A value is taken from the strongest of: flags, environment, ./.env, the YAML file, defaults.\n"
               "Secrets are never shown: [set] stands for them.",
    .arguments = "show|check",
    .min_arguments = 1,
    .max_arguments = 1,
    .options = own_options,
    .option_count = NS_COUNT_OF(own_options),
    .statuses = "check: 2 when something is wrong; the message names file and line.",
    .example = "neuroshield config show --origin --config ./neuroshield.yaml",
};

/* Value number i as it is shown: "[set]" for a secret, a signal's final query, NULL when not set. */
static const char *shown_text(const ns_settings *settings, size_t i, ns_buf *scratch)
{
    const ns_key *key = ns_setting_key(i);
    const char *text = ns_config_text(settings->config, i);
    if (strcmp(key->name, "data") == 0)
        return settings->data_folder;
    if (text == NULL || (key->secret && text[0] == '\0'))
        return NULL;
    if (key->secret)
        return "[set]";
    ns_signal signal;
    if (strncmp(key->name, "signals.", 8) != 0 || !ns_signal_parse(ns_text_of(key->name + 8), &signal))
        return text;
    ns_buf_reset(scratch);
    (void)ns_buf_string(scratch, "");
    if (ns_settings_query(settings, signal, scratch) != NS_OK)
        return NULL;
    return scratch->at == NULL ? "" : scratch->at;
}

static void put_names(ns_json_writer *w, const char *joined)
{
    ns_text rest = ns_text_of(joined);
    ns_text name;
    ns_json_array(w);
    while (ns_text_line(&rest, &name))
        ns_json_put_text(w, name);
    ns_json_end_array(w);
}

static void put_value(ns_json_writer *w, const ns_settings *settings, size_t i, ns_buf *scratch)
{
    const ns_key *key = ns_setting_key(i);
    const char *text = shown_text(settings, i, scratch);
    ns_json_key(w, key->name);
    if (text == NULL) {
        ns_json_put_null(w);
        return;
    }
    switch (key->type) {
    case NS_KEY_integer:
    case NS_KEY_bytes:
        ns_json_put_int(w, ns_config_integer(settings->config, i, -1));
        break;
    case NS_KEY_real:
    case NS_KEY_duration:
        ns_json_put_real(w, ns_config_number(settings->config, i));
        break;
    case NS_KEY_boolean:
        ns_json_put_bool(w, ns_config_number(settings->config, i) > 0);
        break;
    case NS_KEY_list:
        put_names(w, text);
        break;
    case NS_KEY_string:
    case NS_KEY_path:
    case NS_KEY_word:
        ns_json_put_string(w, text);
        break;
    }
}

static void put_pipelines(ns_json_writer *w, const ns_settings *settings)
{
    ns_json_key(w, "pipelines");
    ns_json_array(w);
    for (size_t i = 0; i < settings->pipeline_count; i++) {
        const ns_pipeline_setting *p = &settings->pipelines[i];
        ns_json_object(w);
        ns_json_field_string(w, "name", p->name);
        ns_json_field_string(w, "jenkins_job", p->jenkins_job);
        ns_json_field_string_or_null(w, "deployment", p->deployment);
        ns_json_end_object(w);
    }
    ns_json_end_array(w);
}

static void put_origins(ns_json_writer *w, const ns_settings *settings)
{
    ns_json_key(w, "origins");
    ns_json_object(w);
    for (size_t i = 0; i < ns_setting_count(); i++)
        ns_json_field_string(w, ns_setting_key(i)->name, ns_config_origin(settings->config, i));
    ns_json_field_string(w, "pipelines",
                         settings->pipeline_count == 0 ? "default" : ns_config_row_origin(settings->config, 0, 0));
    ns_json_end_object(w);
}

static void show_json(const ns_settings *settings, bool origin, ns_buf *out, ns_buf *scratch)
{
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_string_or_null(&w, "config_file", settings->config_file);
    ns_json_field_string_or_null(&w, "env_file", settings->env_file);
    ns_json_key(&w, "values");
    ns_json_object(&w);
    for (size_t i = 0; i < ns_setting_count(); i++)
        put_value(&w, settings, i, scratch);
    put_pipelines(&w, settings);
    ns_json_end_object(&w);
    if (origin)
        put_origins(&w, settings);
    ns_json_end_object(&w);
    (void)ns_buf_char(out, '\n');
}

/* One line: line ends inside a value become blanks, those between names commas. */
static void put_line(ns_buf *out, const ns_key *key, const char *text)
{
    (void)ns_buf_printf(out, "%s = ", key->name);
    if (text == NULL)
        (void)ns_buf_string(out, "(not set)");
    for (const char *c = text; c != NULL && *c != '\0'; c++)
        (void)ns_buf_char(out, *c != '\n' ? *c : key->type == NS_KEY_list ? ',' : ' ');
}

static void show_text(const ns_settings *settings, bool origin, ns_buf *out, ns_buf *scratch)
{
    for (size_t i = 0; i < ns_setting_count(); i++) {
        put_line(out, ns_setting_key(i), shown_text(settings, i, scratch));
        if (origin)
            (void)ns_buf_printf(out, "    # %s", ns_config_origin(settings->config, i));
        (void)ns_buf_char(out, '\n');
    }
    for (size_t i = 0; i < settings->pipeline_count; i++) {
        const ns_pipeline_setting *p = &settings->pipelines[i];
        (void)ns_buf_printf(out, "pipelines = %s, job %s, deployment %s", p->name, p->jenkins_job,
                            p->deployment == NULL ? "(not set)" : p->deployment);
        if (origin)
            (void)ns_buf_printf(out, "    # %s", ns_config_row_origin(settings->config, 0, i));
        (void)ns_buf_char(out, '\n');
    }
}

static void say_right(const ns_options *options, const ns_settings *settings, ns_buf *out)
{
    if (!options->json) {
        (void)ns_buf_printf(out, "the configuration is right (%s, %s)\n",
                            settings->config_file[0] == '\0' ? "no YAML file" : settings->config_file,
                            settings->env_file[0] == '\0' ? "no .env" : settings->env_file);
        return;
    }
    ns_json_writer w;
    ns_json_begin(&w, out);
    ns_json_object(&w);
    ns_json_field_int(&w, "schema", 1);
    ns_json_field_bool(&w, "ok", true);
    ns_json_key(&w, "problems");
    ns_json_array(&w);
    ns_json_end_array(&w);
    ns_json_end_object(&w);
    (void)ns_buf_char(out, '\n');
}

int ns_cmd_config(int argc, char **argv)
{
    ns_options options;
    ns_settings *settings = NULL;
    int exit_status;
    ns_error err;
    if (!ns_options_read(&usage, argc, argv, &options, &exit_status))
        return exit_status;
    const bool show = strcmp(options.arguments[0], "show") == 0;
    if (!show && strcmp(options.arguments[0], "check") != 0) {
        (void)ns_fail(&err, NS_BAD_USAGE, "'%.64s' is neither show nor check", options.arguments[0]);
        return ns_options_fail(&options, &err);
    }
    if (!ns_options_settings(&options, &settings, &exit_status))
        return exit_status;
    ns_buf out, scratch;
    ns_buf_init(&out, OUTPUT_MAX);
    ns_buf_init(&scratch, OUTPUT_MAX);
    const bool origin = ns_option_given(&options, "origin");
    if (!show)
        say_right(&options, settings, &out);
    else if (options.json)
        show_json(settings, origin, &out, &scratch);
    else
        show_text(settings, origin, &out, &scratch);
    ns_status status = NS_OK;
    if (out.failed)
        status = ns_fail(&err, NS_NO_MEMORY, "no memory for the answer");
    else if (!ns_stdout_write(ns_buf_view(&out)))
        status = ns_fail(&err, NS_IO, "stdout cannot be written");
    if (status != NS_OK)
        exit_status = ns_options_fail(&options, &err);
    ns_buf_clear(&out);
    ns_buf_clear(&scratch);
    ns_settings_free(settings);
    return exit_status;
}
