/* The table of all settings, and how the struct is filled from it. */
#include "daemon/settings.h"

#include "base/mem.h"
#include "wire/url.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* --- the table -------------------------------------------------------------------------------------------------- */

static const ns_key keys[] = {
#define SETTING_KEY(member, kind, key, env, otherwise, low, high, words, secret, help)                                 \
    {key, env, NS_KEY_##kind, otherwise, low, high, words, secret, help},
    NS_SETTING_MAP(SETTING_KEY)
#undef SETTING_KEY
#define ACTION_KEYS(name, cost, reversible, blast, executor, meaning)                                                  \
    {"actions." #name ".mode",                                                                                         \
     NULL,                                                                                                             \
     NS_KEY_word,                                                                                                      \
     NULL,                                                                                                             \
     0,                                                                                                                \
     0,                                                                                                                \
     NS_SETTINGS_MODES,                                                                                                \
     false,                                                                                                            \
     "the most that " #name " may do by itself; not set: as mode says"},                                               \
        {"actions." #name ".allowed",           NULL, NS_KEY_boolean, "true", 0, 0, NULL, false,                       \
         "whether " #name " may be done at all"},                                                                      \
        {"actions." #name ".max_per_hour",                                                                             \
         NULL,                                                                                                         \
         NS_KEY_integer,                                                                                               \
         NULL,                                                                                                         \
         0,                                                                                                            \
         100000,                                                                                                       \
         NULL,                                                                                                         \
         false,                                                                                                        \
         #name " per hour over all pipelines; not set: only the common limits hold"},                                  \
        {"actions." #name ".cool_down",                                                                                \
         NULL,                                                                                                         \
         NS_KEY_duration,                                                                                              \
         NULL,                                                                                                         \
         0,                                                                                                            \
         NS_SETTINGS_MONTH,                                                                                            \
         NULL,                                                                                                         \
         false,                                                                                                        \
         "rest between two " #name " on one pipeline; not set: the guardrail's own"},
        NS_ACTION_MAP(ACTION_KEYS)
#undef ACTION_KEYS
#define SIGNAL_KEY(name, scope, unit, promql, meaning)                                                                 \
    {"signals." #name, NULL, NS_KEY_string, promql, 0, 0, NULL, false, "PromQL (" unit "): " meaning},
            NS_SIGNAL_MAP(SIGNAL_KEY)
#undef SIGNAL_KEY
};

enum {
#define SETTING_PLACE(member, ...) PLACE_##member,
    NS_SETTING_MAP(SETTING_PLACE)
#undef SETTING_PLACE
        PLACE_actions,
    ACTION_KEYS_EACH = 4,
    PLACE_signals = PLACE_actions + ACTION_KEYS_EACH * NS_ACTION_COUNT,
};
_Static_assert(NS_COUNT_OF(keys) == PLACE_signals + NS_SIGNAL_COUNT, "places and keys are the same list");

static const ns_key pipeline_fields[] = {
    {.name = "name", .type = NS_KEY_string, .help = "what it is called here"},
    {.name = "jenkins_job", .type = NS_KEY_string, .help = "the Jenkins job's full name"},
    {.name = "deployment",
     .type = NS_KEY_string,
     .help = "the Kubernetes Deployment that it deploys: NAME, or NAMESPACE/NAME"},
    {.name = "max_replicas", .type = NS_KEY_string, .help = "scale_up never takes that Deployment above"},
};
static const ns_key_table tables[] = {
    {"pipelines", pipeline_fields, NS_COUNT_OF(pipeline_fields), 1000, "jenkins_job"},
};

size_t ns_setting_count(void)
{
    return NS_COUNT_OF(keys);
}

const ns_key *ns_setting_key(size_t i)
{
    NS_CHECK(i < NS_COUNT_OF(keys));
    return &keys[i];
}

/* --- reading the sources ---------------------------------------------------------------------------------------- */

static const char *variable(char *const *environment, const char *name)
{
    const size_t len = strlen(name);
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, name, len) == 0 && (*environment)[len] == '=' && (*environment)[len + 1] != '\0')
            return *environment + len + 1;
    }
    return NULL;
}

typedef ns_status read_file(ns_config *config, const char *path, ns_text text, ns_error *err);

/* must: the file was named by somebody; else one that is not there is passed over. used gets its name. */
static ns_status read_from(ns_settings *s, read_file *reader, const char *path, const char *named_by, bool must,
                           char used[4096], ns_error *err)
{
    if (!must && access(path, F_OK) != 0)
        return NS_OK;
    if (!ns_text_copy(used, 4096, ns_text_of(path)))
        return ns_fail(err, NS_BAD_USAGE, "%s: the file's name is too long", named_by);
    ns_buf content;
    ns_buf_init(&content, NS_CONFIG_MAX_BYTES);
    ns_error inner;
    ns_status status = ns_file_read(path, NS_CONFIG_MAX_BYTES, &content, &inner);
    if (status != NS_OK)
        status = ns_fail(err, status == NS_NO_MEMORY ? status : NS_BAD_USAGE, "%s: %.400s", named_by, inner.text);
    else
        status = reader(s->config, path, ns_buf_view(&content), err);
    ns_buf_clear(&content);
    return status;
}

static ns_status read_yaml(ns_settings *s, const ns_settings_sources *sources, char *const *environment, ns_error *err)
{
    if (sources->config_file != NULL && sources->config_file[0] == '\0')
        return NS_OK;
    if (sources->config_file != NULL)
        return read_from(s, ns_config_read_yaml, sources->config_file, "flag --config", true, s->config_file, err);
    const char *named = variable(environment, "NEUROSHIELD_CONFIG");
    if (named != NULL)
        return read_from(s, ns_config_read_yaml, named, "environment NEUROSHIELD_CONFIG", true, s->config_file, err);
    static const char *const usual[] = {"./neuroshield.yaml", "/etc/neuroshield/neuroshield.yaml"};
    for (size_t i = 0; i < NS_COUNT_OF(usual); i++) {
        ns_status status = read_from(s, ns_config_read_yaml, usual[i], "configuration", false, s->config_file, err);
        if (status != NS_OK || s->config_file[0] != '\0')
            return status;
    }
    return NS_OK;
}

static ns_status read_sources(ns_settings *s, const ns_settings_sources *sources, char *const *environment,
                              ns_error *err)
{
    const char *env_file = sources->env_file == NULL ? "./.env" : sources->env_file;
    ns_status status = read_yaml(s, sources, environment, err);
    if (status == NS_OK && env_file[0] != '\0')
        status =
            read_from(s, ns_config_read_dotenv, env_file, "configuration", sources->env_file != NULL, s->env_file, err);
    if (status == NS_OK)
        status = ns_config_read_environment(s->config, environment, err);
    for (size_t i = 0; i < sources->flag_count && status == NS_OK; i++) {
        const ns_setting_flag *flag = &sources->flags[i];
        status = ns_config_set_flag(s->config, flag->key, flag->flag, flag->value, err);
    }
    return status;
}

/* --- filling the struct ----------------------------------------------------------------------------------------- */

/* An empty text given on purpose is as good as none, but for signals. */
static const char *text_at(const ns_settings *s, size_t i)
{
    const char *text = ns_config_text(s->config, i);
    return text == NULL || text[0] == '\0' ? NULL : text;
}

static ns_status names_at(const ns_settings *s, size_t i, ns_names *out, ns_error *err)
{
    const char *text = text_at(s, i);
    if (text == NULL)
        return NS_OK;
    size_t count = 1;
    for (const char *c = text; *c != '\0'; c++)
        count += *c == '\n';
    const size_t room = count * sizeof(char *);
    const size_t length = strlen(text) + 1;
    char *block = ns_alloc(1, room + length); /* the pointers, and behind them the texts */
    if (block == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the settings");
    out->at = (const char **)(void *)block;
    char *at = memcpy(block + room, text, length);
    for (size_t n = 0; n < count; n++) {
        char *end = strchr(at, '\n');
        out->at[n] = at;
        if (end != NULL) {
            *end = '\0';
            at = end + 1;
        }
    }
    out->count = count;
    return NS_OK;
}

#define FILL_string(member)   s->member = text_at(s, PLACE_##member);
#define FILL_path(member)     s->member = text_at(s, PLACE_##member);
#define FILL_word(member)     s->member = (int)ns_config_number(s->config, PLACE_##member);
#define FILL_integer(member)  s->member = ns_config_integer(s->config, PLACE_##member, -1);
#define FILL_bytes(member)    s->member = ns_config_integer(s->config, PLACE_##member, -1);
#define FILL_real(member)     s->member = ns_config_number(s->config, PLACE_##member);
#define FILL_duration(member) s->member = ns_config_number(s->config, PLACE_##member);
#define FILL_boolean(member)  s->member = ns_config_number(s->config, PLACE_##member) > 0;
#define FILL_list(member)                                                                                              \
    if (status == NS_OK)                                                                                               \
        status = names_at(s, PLACE_##member, &s->member, err);

static ns_status fill_members(ns_settings *s, ns_error *err)
{
    ns_status status = NS_OK;
#define FILL(member, kind, ...) FILL_##kind(member)
    NS_SETTING_MAP(FILL)
#undef FILL
    return status;
}

static void fill_actions(ns_settings *s)
{
    for (size_t a = 0; a < NS_ACTION_COUNT; a++) {
        const size_t at = PLACE_actions + a * ACTION_KEYS_EACH;
        const double mode = ns_config_number(s->config, at);
        s->action[a] = (ns_action_setting){
            .mode_set = mode >= 0,
            .mode = mode >= 0 ? (ns_mode)mode : NS_MODE_observe,
            .allowed = ns_config_number(s->config, at + 1) > 0,
            .max_per_hour = ns_config_integer(s->config, at + 2, -1),
            .cool_down_s = ns_config_number(s->config, at + 3),
        };
    }
}

static void fill_signals(ns_settings *s)
{
    for (size_t i = 0; i < NS_SIGNAL_COUNT; i++) {
        const char *promql = ns_config_text(s->config, PLACE_signals + i);
        s->signal[i] = promql == NULL ? "" : promql;
    }
}

static ns_status fill_pipelines(ns_settings *s, ns_error *err)
{
    const size_t count = ns_config_rows(s->config, 0);
    if (count == 0)
        return NS_OK;
    s->pipelines = NS_NEW_ARRAY(ns_pipeline_setting, count);
    if (s->pipelines == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the settings");
    s->pipeline_count = count;
    for (size_t i = 0; i < count; i++) {
        const char *origin = ns_config_row_origin(s->config, 0, i);
        const char *name = ns_config_cell(s->config, 0, i, 0);
        ns_pipeline_setting *p = &s->pipelines[i];
        p->jenkins_job = ns_config_cell(s->config, 0, i, 1);
        p->deployment = ns_config_cell(s->config, 0, i, 2);
        p->max_replicas = -1;
        const char *cap = ns_config_cell(s->config, 0, i, 3);
        if (cap != NULL &&
            (!ns_text_int64(ns_text_of(cap), &p->max_replicas) || p->max_replicas < 1 || p->max_replicas > 100000))
            return ns_fail(err, NS_BAD_USAGE, "%s: max_replicas is no whole number from 1 to 100000", origin);
        p->name = name == NULL || name[0] == '\0' ? p->jenkins_job : name;
        if (strlen(p->name) >= NS_JOB_MAX || strlen(p->jenkins_job) >= NS_JOB_MAX)
            return ns_fail(err, NS_BAD_USAGE, "%s: a name of pipelines is longer than %d bytes", origin,
                           NS_JOB_MAX - 1);
        if (p->deployment != NULL && strlen(p->deployment) >= NS_NAME_MAX)
            return ns_fail(err, NS_BAD_USAGE, "%s: deployment is longer than %d bytes", origin, NS_NAME_MAX - 1);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(s->pipelines[j].jenkins_job, p->jenkins_job) == 0)
                return ns_fail(err, NS_BAD_USAGE, "%s: jenkins_job '%s' stands in pipelines twice", origin,
                               p->jenkins_job);
        }
    }
    return NS_OK;
}

/* --- rules over several settings -------------------------------------------------------------------------------- */

/* Credentials in an address would show up in messages and process lists: they have settings of their own. */
static ns_status check_url(const ns_settings *s, size_t place, const char *instead, ns_error *err)
{
    const char *text = text_at(s, place);
    if (text == NULL)
        return NS_OK;
    ns_url url;
    ns_error inner;
    if (ns_url_parse(text, &url, &inner) != NS_OK)
        return ns_fail(err, NS_BAD_USAGE, "%s: %s: %.300s", ns_config_origin(s->config, place), keys[place].name,
                       inner.text);
    if (url.had_credentials)
        return ns_fail(err, NS_BAD_USAGE, "%s: %s holds credentials; give them as %s instead",
                       ns_config_origin(s->config, place), keys[place].name, instead);
    return NS_OK;
}

static ns_status needs(const ns_settings *s, size_t place, size_t other, ns_error *err)
{
    if (text_at(s, place) == NULL || text_at(s, other) != NULL)
        return NS_OK;
    return ns_fail(err, NS_BAD_USAGE, "%s: %s also needs %s", ns_config_origin(s->config, place), keys[place].name,
                   keys[other].name);
}

static ns_status excludes(const ns_settings *s, size_t place, size_t other, ns_error *err)
{
    if (text_at(s, place) == NULL || text_at(s, other) == NULL)
        return NS_OK;
    return ns_fail(err, NS_BAD_USAGE, "%s: %s and %s (%s) exclude each other", ns_config_origin(s->config, place),
                   keys[place].name, keys[other].name, ns_config_origin(s->config, other));
}

static ns_status check_rules(const ns_settings *s, ns_error *err)
{
    ns_status status = check_url(s, PLACE_jenkins_url, "jenkins.username and jenkins.token", err);
    if (status == NS_OK)
        status = check_url(s, PLACE_prometheus_url, "prometheus.username and prometheus.password", err);
    if (status == NS_OK)
        status = check_url(s, PLACE_notify_webhook_url, "notify.bearer_token", err);
    if (status == NS_OK)
        status = needs(s, PLACE_jenkins_token, PLACE_jenkins_username, err);
    if (status == NS_OK)
        status = needs(s, PLACE_jenkins_password, PLACE_jenkins_username, err);
    if (status == NS_OK)
        status = needs(s, PLACE_prometheus_password, PLACE_prometheus_username, err);
    if (status == NS_OK)
        status = excludes(s, PLACE_jenkins_token, PLACE_jenkins_password, err);
    if (status == NS_OK)
        status = excludes(s, PLACE_prometheus_bearer_token, PLACE_prometheus_password, err);
    if (status == NS_OK && (s->clock_origin_real_ms < 0) != (s->clock_origin_world_ms < 0))
        status = ns_fail(err, NS_BAD_USAGE, "clock.origin_real_ms and clock.origin_world_ms go together");
    return status;
}

static ns_status find_data_folder(ns_settings *s, char *const *environment, ns_error *err)
{
    int len;
    const char *base = variable(environment, "XDG_STATE_HOME");
    const char *home = variable(environment, "HOME");
    if (s->data != NULL)
        len = snprintf(s->data_folder, sizeof s->data_folder, "%s", s->data);
    else if (base != NULL && base[0] == '/') /* the XDG rules: a relative one is to be ignored */
        len = snprintf(s->data_folder, sizeof s->data_folder, "%s/neuroshield", base);
    else if (home != NULL)
        len = snprintf(s->data_folder, sizeof s->data_folder, "%s/.local/state/neuroshield", home);
    else
        len = snprintf(s->data_folder, sizeof s->data_folder, "/var/lib/neuroshield");
    if (len < 0 || (size_t)len >= sizeof s->data_folder - 64)
        return ns_fail(err, NS_BAD_USAGE, "%s: the data folder's name is too long",
                       ns_config_origin(s->config, PLACE_data));
    return NS_OK;
}

ns_status ns_settings_load(const ns_settings_sources *sources, ns_settings **out, ns_error *err)
{
    char *const *environment = sources->environment == NULL ? environ : sources->environment;
    ns_settings *s = NS_NEW(ns_settings);
    if (s == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the settings");
    ns_status status = ns_config_new(keys, NS_COUNT_OF(keys), tables, NS_COUNT_OF(tables), &s->config, err);
    if (status == NS_OK)
        status = read_sources(s, sources, environment, err);
    if (status == NS_OK)
        status = fill_members(s, err);
    if (status == NS_OK) {
        fill_actions(s);
        fill_signals(s);
        status = fill_pipelines(s, err);
    }
    if (status == NS_OK)
        status = check_rules(s, err);
    if (status == NS_OK)
        status = find_data_folder(s, environment, err);
    if (status != NS_OK) {
        ns_settings_free(s);
        return status;
    }
    *out = s;
    return NS_OK;
}

#define CLEAR_string(member)
#define CLEAR_path(member)
#define CLEAR_word(member)
#define CLEAR_integer(member)
#define CLEAR_bytes(member)
#define CLEAR_real(member)
#define CLEAR_duration(member)
#define CLEAR_boolean(member)
#define CLEAR_list(member) ns_free((void *)settings->member.at);

void ns_settings_free(ns_settings *settings)
{
    if (settings == NULL)
        return;
#define CLEAR(member, kind, ...) CLEAR_##kind(member)
    NS_SETTING_MAP(CLEAR)
#undef CLEAR
    ns_free(settings->pipelines);
    ns_config_free(settings->config);
    ns_free(settings);
}

/* --- questions -------------------------------------------------------------------------------------------------- */

ns_status ns_settings_query(const ns_settings *settings, ns_signal signal, ns_buf *out)
{
    return ns_signal_query(settings->signal[signal], settings->prometheus_namespace, settings->prometheus_window, out);
}

bool ns_settings_is_set(const ns_settings *settings, const char *key)
{
    const ptrdiff_t i = ns_config_index(settings->config, key);
    NS_CHECK(i >= 0);
    return ns_config_layer(settings->config, (size_t)i) != NS_LAYER_default;
}

ns_mode ns_settings_mode(const ns_settings *settings, bool on_world)
{
    if (on_world && ns_config_layer(settings->config, PLACE_mode) == NS_LAYER_default)
        return NS_MODE_auto;
    return (ns_mode)settings->mode;
}

ns_mode ns_settings_action_mode(const ns_settings *settings, ns_action action, bool on_world)
{
    const ns_action_setting *own = &settings->action[action];
    const ns_mode all = ns_settings_mode(settings, on_world);
    if (own->mode_set)
        return own->mode < all ? own->mode : all;
    /* Telling a person changes nothing outside: it may follow the common mode. */
    const bool harmless = action == NS_ACTION_no_op || action == NS_ACTION_escalate;
    return all == NS_MODE_auto && !on_world && !harmless ? NS_MODE_approve : all;
}

int64_t ns_settings_max_replicas(const ns_settings *settings, const char *jenkins_job)
{
    for (size_t i = 0; i < settings->pipeline_count; i++)
        if (settings->pipelines[i].max_replicas > 0 && strcmp(settings->pipelines[i].jenkins_job, jenkins_job) == 0)
            return settings->pipelines[i].max_replicas;
    return settings->kubernetes_max_replicas;
}

ns_clock ns_settings_clock(const ns_settings *settings)
{
    ns_clock clock = ns_clock_real();
    if (settings->clock_origin_real_ms < 0)
        return clock;
    clock.origin_real_ms = settings->clock_origin_real_ms;
    clock.origin_world_ms = settings->clock_origin_world_ms;
    clock.speed = settings->clock_speed;
    return clock;
}

int64_t ns_settings_settle_ms(const ns_settings *settings, double settle_s)
{
    enum { LEAST_MS = 1000 };
    double speed = ns_settings_clock(settings).speed;
    double real_ms = settle_s * 1000.0 / speed;
    return (int64_t)(speed > 1 && settle_s > 0 && real_ms < LEAST_MS ? LEAST_MS : real_ms);
}

/* --- the data folder -------------------------------------------------------------------------------------------- */

ns_status ns_settings_make_data_folder(const ns_settings *settings, ns_error *err)
{
    char path[4096];
    (void)ns_text_copy(path, sizeof path, ns_text_of(settings->data_folder));
    for (char *c = path + 1;; c++) {
        if (*c != '/' && *c != '\0')
            continue;
        const bool last = *c == '\0';
        *c = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return ns_fail(err, NS_IO, "data folder %.300s: cannot be made: %s", path, strerror(errno));
        if (last)
            break;
        *c = '/';
    }
    struct stat about;
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode))
        return ns_fail(err, NS_IO, "data folder %.300s: is not a folder", path);
    return NS_OK;
}

ns_status ns_settings_data_path(const ns_settings *settings, const char *name, char out[4096], ns_error *err)
{
    const int len = snprintf(out, 4096, "%s/%s", settings->data_folder, name);
    if (len < 0 || len >= 4096)
        return ns_fail(err, NS_BAD_USAGE, "data folder %.300s: its name is too long", settings->data_folder);
    return NS_OK;
}
