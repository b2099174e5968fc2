/* The configuration's values, their layers and origins; environment and flags. */
#include "base/config_inner.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ORIGIN_MAX 640

/* --- birth and death -------------------------------------------------------------------------------------------- */

static ns_status put_defaults(ns_config *config, ns_error *err)
{
    for (size_t i = 0; i < config->key_count; i++) {
        const ns_key *key = &config->keys[i];
        config->values[i] = (ns_config_value){.number = NAN, .integer = -1};
        if (key->otherwise == NULL)
            continue;
        ns_config_value value;
        const ns_status status = ns_config_check(key, "default", ns_text_of(key->otherwise), &value, err);
        NS_CHECK(status == NS_OK || status == NS_NO_MEMORY);
        if (status != NS_OK)
            return status;
        config->values[i] = value;
    }
    return NS_OK;
}

ns_status ns_config_new(const ns_key *keys, size_t key_count, const ns_key_table *tables, size_t table_count,
                        ns_config **out, ns_error *err)
{
    ns_config *config = NS_NEW(ns_config);
    if (config == NULL)
        return ns_fail(err, NS_NO_MEMORY, "no memory for the configuration");
    config->keys = keys;
    config->tables = tables;
    config->values = NS_NEW_ARRAY(ns_config_value, key_count + 1);
    config->rows = NS_NEW_ARRAY(ns_config_rows_of, table_count + 1);
    ns_status status = NS_OK;
    if (config->values == NULL || config->rows == NULL)
        status = ns_fail(err, NS_NO_MEMORY, "no memory for the configuration");
    if (status == NS_OK) {
        config->key_count = key_count;
        config->table_count = table_count;
        status = put_defaults(config, err);
    }
    if (status != NS_OK) {
        ns_config_free(config);
        return status;
    }
    *out = config;
    return NS_OK;
}

static void free_rows(ns_config *config, size_t t)
{
    ns_config_rows_of *rows = &config->rows[t];
    const size_t fields = config->tables[t].field_count;
    for (size_t i = 0; rows->cells != NULL && i < rows->count * fields; i++)
        ns_free(rows->cells[i]);
    for (size_t i = 0; rows->origins != NULL && i < rows->count; i++)
        ns_free(rows->origins[i]);
    ns_free(rows->cells);
    ns_free(rows->origins);
}

void ns_config_free(ns_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->key_count; i++) {
        ns_free(config->values[i].text);
        ns_free(config->values[i].origin);
        ns_free(config->values[i].file);
    }
    for (size_t t = 0; t < config->table_count; t++)
        free_rows(config, t);
    ns_free(config->values);
    ns_free(config->rows);
    ns_free(config);
}

/* --- one value -------------------------------------------------------------------------------------------------- */

char *ns_config_resolve(const char *folder, ns_text path)
{
    ns_buf whole;
    ns_buf_init(&whole, 2 * NS_CONFIG_VALUE_MAX);
    const bool relative = path.len > 0 && path.at[0] != '/';
    if (relative && folder != NULL && folder[0] != '\0') {
        (void)ns_buf_string(&whole, folder);
        (void)ns_buf_char(&whole, '/');
    }
    (void)ns_buf_text(&whole, path);
    char *copy = whole.failed ? NULL : ns_strndup(whole.at == NULL ? "" : whole.at, whole.len);
    ns_buf_clear(&whole);
    return copy;
}

/* Reads the secret that stands in a file of its own. */
static ns_status read_secret(const ns_key *key, const ns_config_place *place, ns_text value, ns_buf *out, char **path,
                             ns_error *err)
{
    if (value.len == 0 || value.len > 4000 || memchr(value.at, '\0', value.len) != NULL)
        return ns_fail(err, NS_BAD_USAGE, "%s: not a file's name for %s", place->origin, key->name);
    char *whole = ns_config_resolve(place->folder, value);
    if (whole == NULL)
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for %s", place->origin, key->name);
    ns_error inner;
    ns_status status = ns_file_read(whole, NS_CONFIG_VALUE_MAX, out, &inner);
    if (status != NS_OK) {
        ns_free(whole);
        /* A file that cannot be read is a fault of the configuration that names it. */
        return ns_fail(err, status == NS_NO_MEMORY ? status : NS_BAD_USAGE, "%s: %.400s", place->origin, inner.text);
    }
    *path = whole;
    return NS_OK;
}

/* Keeps the checked value unless a stronger layer has spoken; takes value->text. */
static ns_status keep(ns_config *config, size_t i, const ns_config_place *place, const char *file,
                      ns_config_value *value, ns_error *err)
{
    ns_config_value *old = &config->values[i];
    if (old->origin != NULL && old->layer > place->layer) {
        ns_free(value->text);
        return NS_OK;
    }
    if (old->origin != NULL && old->layer == place->layer && old->from_file != place->from_file) {
        ns_free(value->text);
        return ns_fail(err, NS_BAD_USAGE, "%s: %s is given twice, as a value and as a file", place->origin,
                       config->keys[i].name);
    }
    char origin[ORIGIN_MAX];
    (void)snprintf(origin, sizeof origin, "%.300s%s%.300s%s", place->origin, file == NULL ? "" : " (",
                   file == NULL ? "" : file, file == NULL ? "" : ")");
    value->origin = ns_strdup(origin);
    value->file = file == NULL ? NULL : ns_strdup(file);
    if (value->origin == NULL || (file != NULL && value->file == NULL)) {
        ns_free(value->text);
        ns_free(value->origin);
        ns_free(value->file);
        return ns_fail(err, NS_NO_MEMORY, "%s: no memory for %s", place->origin, config->keys[i].name);
    }
    value->layer = place->layer;
    value->from_file = place->from_file;
    ns_free(old->text);
    ns_free(old->origin);
    ns_free(old->file);
    *old = *value;
    return NS_OK;
}

ns_status ns_config_put(ns_config *config, size_t i, const ns_config_place *place, ns_text value, ns_error *err)
{
    const ns_key *key = &config->keys[i];
    ns_config_value checked;
    ns_status status;
    if (!place->from_file) {
        status = ns_config_check(key, place->origin, value, &checked, err);
        if (status == NS_OK && key->type == NS_KEY_path && place->folder != NULL && value.len > 0) {
            char *whole = ns_config_resolve(place->folder, value);
            ns_free(checked.text);
            checked.text = whole;
            if (whole == NULL)
                status = ns_fail(err, NS_NO_MEMORY, "%s: no memory for %s", place->origin, key->name);
        }
        return status != NS_OK ? status : keep(config, i, place, NULL, &checked, err);
    }
    NS_CHECK(key->secret);
    ns_buf content;
    ns_buf_init(&content, NS_CONFIG_VALUE_MAX);
    char *path = NULL;
    status = read_secret(key, place, value, &content, &path, err);
    if (status == NS_OK) {
        ns_text rest = ns_buf_view(&content);
        ns_text line = {NULL, 0};
        (void)ns_text_line(&rest, &line);
        line = ns_text_trim(line);
        if (line.len == 0)
            status = ns_fail(err, NS_BAD_USAGE, "%s: %.300s: the first line is empty", place->origin, path);
        else
            status = ns_config_check(key, place->origin, line, &checked, err);
    }
    if (status == NS_OK)
        status = keep(config, i, place, path, &checked, err);
    ns_buf_clear(&content);
    ns_free(path);
    return status;
}

/* --- environment and flags -------------------------------------------------------------------------------------- */

/* The value of NAME (suffix "") or NAME_FILE (suffix "_FILE") in an environment; NULL: not there or empty. */
static const char *find_variable(char *const *environment, const char *name, const char *suffix)
{
    const size_t name_len = strlen(name);
    const size_t suffix_len = strlen(suffix);
    for (; *environment != NULL; environment++) {
        const char *entry = *environment;
        if (strncmp(entry, name, name_len) == 0 && strncmp(entry + name_len, suffix, suffix_len) == 0 &&
            entry[name_len + suffix_len] == '=' && entry[name_len + suffix_len + 1] != '\0')
            return entry + name_len + suffix_len + 1;
    }
    return NULL;
}

static ns_status read_variable(ns_config *config, size_t i, char *const *environment, bool from_file, ns_error *err)
{
    const char *name = config->keys[i].environment;
    const char *suffix = from_file ? "_FILE" : "";
    const char *value = find_variable(environment, name, suffix);
    if (value == NULL)
        return NS_OK;
    char origin[128];
    (void)snprintf(origin, sizeof origin, "environment %s%s", name, suffix);
    const ns_config_place place = {.layer = NS_LAYER_environment, .origin = origin, .from_file = from_file};
    return ns_config_put(config, i, &place, ns_text_of(value), err);
}

ns_status ns_config_read_environment(ns_config *config, char *const *environment, ns_error *err)
{
    ns_status status = NS_OK;
    for (size_t i = 0; i < config->key_count && status == NS_OK; i++) {
        if (config->keys[i].environment == NULL)
            continue;
        status = read_variable(config, i, environment, false, err);
        if (status == NS_OK && config->keys[i].secret)
            status = read_variable(config, i, environment, true, err);
    }
    return status;
}

ns_status ns_config_set_flag(ns_config *config, const char *key, const char *flag, const char *value, ns_error *err)
{
    char origin[128];
    (void)snprintf(origin, sizeof origin, "flag --%s", flag);
    ns_config_place place = {.layer = NS_LAYER_flag, .origin = origin};
    ptrdiff_t i = ns_config_index(config, key);
    if (i < 0) {
        char bare[128];
        ns_text name = ns_text_of(key);
        NS_CHECK(ns_text_ends(name, "_file"));
        name.len -= 5;
        NS_CHECK(ns_text_copy(bare, sizeof bare, name));
        i = ns_config_index(config, bare);
        NS_CHECK(i >= 0 && config->keys[i].secret);
        place.from_file = true;
    }
    return ns_config_put(config, (size_t)i, &place, ns_text_of(value), err);
}

/* --- reading out ------------------------------------------------------------------------------------------------ */

ptrdiff_t ns_config_index(const ns_config *config, const char *key)
{
    for (size_t i = 0; i < config->key_count; i++) {
        if (strcmp(config->keys[i].name, key) == 0)
            return (ptrdiff_t)i;
    }
    return -1;
}

const char *ns_config_text(const ns_config *config, size_t i)
{
    NS_CHECK(i < config->key_count);
    return config->values[i].text;
}

double ns_config_number(const ns_config *config, size_t i)
{
    NS_CHECK(i < config->key_count);
    if (config->values[i].text == NULL)
        return config->keys[i].type == NS_KEY_word ? -1 : config->keys[i].type == NS_KEY_boolean ? 0 : (double)NAN;
    return config->values[i].number;
}

int64_t ns_config_integer(const ns_config *config, size_t i, int64_t otherwise)
{
    NS_CHECK(i < config->key_count);
    return config->values[i].text == NULL ? otherwise : config->values[i].integer;
}

const char *ns_config_secret_file(const ns_config *config, size_t i)
{
    NS_CHECK(i < config->key_count);
    return config->values[i].file;
}

const char *ns_config_origin(const ns_config *config, size_t i)
{
    NS_CHECK(i < config->key_count);
    return config->values[i].origin == NULL ? "default" : config->values[i].origin;
}

ns_layer ns_config_layer(const ns_config *config, size_t i)
{
    NS_CHECK(i < config->key_count);
    return config->values[i].layer;
}

size_t ns_config_rows(const ns_config *config, size_t table)
{
    NS_CHECK(table < config->table_count);
    return config->rows[table].count;
}

const char *ns_config_cell(const ns_config *config, size_t table, size_t row, size_t field)
{
    NS_CHECK(table < config->table_count && row < config->rows[table].count &&
             field < config->tables[table].field_count);
    return config->rows[table].cells[row * config->tables[table].field_count + field];
}

const char *ns_config_row_origin(const ns_config *config, size_t table, size_t row)
{
    NS_CHECK(table < config->table_count && row < config->rows[table].count);
    return config->rows[table].origins[row];
}
