/*
 * The YAML reader: libyaml's events against the table of keys.
 *
 * Only what the table knows is walked into, so the nesting of a file cannot lead anywhere: the first unknown key ends
 * the reading.
 */
#include "base/config_inner.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define PATH_MAX_BYTES 256

typedef struct reader {
    ns_config *config;
    const char *file;
    char folder[1024]; /* of the file */
    yaml_parser_t parser;
    yaml_event_t event; /* the newest; deleted by the next one */
    bool event_alive;
    char path[PATH_MAX_BYTES]; /* dotted, of the mapping being read; "" at the top */
    size_t path_len;
    uint8_t *seen;     /* per key: 1 its value, 2 its file; per table behind the keys */
    ns_text *mappings; /* dotted paths of the mappings seen: views into key names */
    size_t mapping_count;
} reader;

static int line_of(const reader *r)
{
    return (int)r->event.start_mark.line + 1;
}

static ns_status wrong(const reader *r, const char *what, ns_error *err)
{
    return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: %s", r->file, line_of(r), what);
}

static ns_status no_memory(const reader *r, ns_error *err)
{
    return ns_fail(err, NS_NO_MEMORY, "%.300s: no memory to read it", r->file);
}

static void drop_event(reader *r)
{
    if (r->event_alive)
        yaml_event_delete(&r->event);
    r->event_alive = false;
}

static ns_status parser_failed(const reader *r, ns_error *err)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return ns_fail(err, NS_NO_MEMORY, "%.300s: no memory to read it", r->file);
    return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: not YAML: %s", r->file, (int)p->problem_mark.line + 1,
                   p->problem == NULL ? "cannot be read" : p->problem);
}

/* Anchors, aliases and tags are refused wherever they stand: they make one thing look like another. */
static ns_status check_plainness(const reader *r, ns_error *err)
{
    const yaml_event_t *e = &r->event;
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    if (e->type == YAML_ALIAS_EVENT)
        return wrong(r, "aliases (*name) are not read", err);
    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    }
    if (anchor != NULL)
        return wrong(r, "anchors (&name) are not read", err);
    return tag == NULL ? NS_OK : wrong(r, "tags (!name) are not read", err);
}

static ns_status next(reader *r, ns_error *err)
{
    drop_event(r);
    if (yaml_parser_parse(&r->parser, &r->event) == 0)
        return parser_failed(r, err);
    r->event_alive = true;
    return check_plainness(r, err);
}

static ns_text scalar_of(const reader *r)
{
    return (ns_text){(const char *)r->event.data.scalar.value, r->event.data.scalar.length};
}

/* `key:`, `key: ~`, `key: null`: not set. */
static bool is_null(const reader *r)
{
    if (r->event.type != YAML_SCALAR_EVENT || r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    const ns_text text = scalar_of(r);
    return text.len == 0 || ns_text_is(text, "~") || ns_text_is(text, "null");
}

/* --- names ------------------------------------------------------------------------------------------------------ */

static ns_text path_of(const reader *r)
{
    return (ns_text){r->path, r->path_len};
}

/* key is "path.something" */
static bool leads_to(ns_text path, const char *key)
{
    return strncmp(key, path.at, path.len) == 0 && key[path.len] == '.';
}

static size_t segments(ns_text path)
{
    size_t n = 1;
    for (size_t i = 0; i < path.len; i++)
        n += path.at[i] == '.';
    return n;
}

/* The first `count` segments of a key's name. */
static ns_text first_segments(const char *name, size_t count)
{
    size_t len = 0;
    for (; name[len] != '\0'; len++) {
        if (name[len] == '.' && --count == 0)
            break;
    }
    return (ns_text){name, len};
}

static ns_status unknown_key(const reader *r, ns_error *err)
{
    const ns_config *config = r->config;
    const ns_text path = path_of(r);
    ns_text best = {NULL, 0};
    size_t best_distance = ns_edit_limit(path.len) + 1;
    for (size_t i = 0; i < config->key_count + config->table_count; i++) {
        const char *name = i < config->key_count ? config->keys[i].name : config->tables[i - config->key_count].name;
        const ns_text candidate = first_segments(name, segments(path));
        const size_t distance = ns_edit_distance(path, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    if (best.len == 0)
        return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: unknown key '%s'", r->file, line_of(r), r->path);
    return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: unknown key '%s'; did you mean '%.*s'?", r->file, line_of(r), r->path,
                   (int)best.len, best.at);
}

/* The key at r->path, or the secret that r->path + "_file" names. */
static bool find_key(const reader *r, size_t *index, bool *from_file)
{
    ns_text bare = path_of(r);
    if (ns_text_ends(bare, "_file"))
        bare.len -= 5;
    for (size_t i = 0; i < r->config->key_count; i++) {
        const ns_key *key = &r->config->keys[i];
        if (strcmp(key->name, r->path) == 0 || (key->secret && ns_text_is(bare, key->name))) {
            *index = i;
            *from_file = strcmp(key->name, r->path) != 0;
            return true;
        }
    }
    return false;
}

static bool is_mapping(const reader *r, ns_text *name)
{
    for (size_t i = 0; i < r->config->key_count; i++) {
        if (leads_to(path_of(r), r->config->keys[i].name)) {
            *name = (ns_text){r->config->keys[i].name, r->path_len};
            return true;
        }
    }
    return false;
}

static ns_status twice(const reader *r, ns_error *err)
{
    return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: '%s' stands there twice", r->file, line_of(r), r->path);
}

/* --- values ----------------------------------------------------------------------------------------------------- */

static void origin_of(const reader *r, char out[400])
{
    (void)snprintf(out, 400, "%.300s:%d", r->file, line_of(r));
}

static ns_status put(reader *r, size_t index, bool from_file, const char *origin, ns_text value, ns_error *err)
{
    const ns_config_place place = {
        .layer = NS_LAYER_yaml, .origin = origin, .folder = r->folder, .from_file = from_file};
    return ns_config_put(r->config, index, &place, value, err);
}

/* `jobs: [a, b]`: joined by line ends, which no entry may hold. */
static ns_status read_names(reader *r, size_t index, ns_error *err)
{
    char origin[400];
    origin_of(r, origin);
    ns_buf names;
    ns_buf_init(&names, NS_CONFIG_VALUE_MAX);
    ns_status status = NS_OK;
    (void)ns_buf_put(&names, "", 0);
    while ((status = next(r, err)) == NS_OK && r->event.type != YAML_SEQUENCE_END_EVENT) {
        if (r->event.type != YAML_SCALAR_EVENT) {
            status = wrong(r, "a list of texts is expected here", err);
            break;
        }
        const ns_text entry = scalar_of(r);
        if (entry.len > 0 && (memchr(entry.at, '\n', entry.len) != NULL || memchr(entry.at, ',', entry.len) != NULL)) {
            status = wrong(r, "an entry of this list may not hold commas or line ends", err);
            break;
        }
        status = ns_buf_text(&names, entry);
        if (status == NS_OK)
            status = ns_buf_char(&names, '\n');
        if (status != NS_OK) {
            status = status == NS_NO_MEMORY ? no_memory(r, err) : wrong(r, "the list is too long", err);
            break;
        }
    }
    if (status == NS_OK)
        status = put(r, index, false, origin, ns_buf_view(&names), err);
    ns_buf_clear(&names);
    return status;
}

static ns_status read_value(reader *r, size_t index, bool from_file, ns_error *err)
{
    const ns_key *key = &r->config->keys[index];
    uint8_t *seen = &r->seen[index];
    const uint8_t bit = from_file ? 2 : 1;
    if ((*seen & bit) != 0)
        return twice(r, err);
    *seen |= bit;
    ns_status status = next(r, err);
    if (status != NS_OK || is_null(r))
        return status;
    if (r->event.type == YAML_SEQUENCE_START_EVENT && key->type == NS_KEY_list)
        return read_names(r, index, err);
    if (r->event.type != YAML_SCALAR_EVENT)
        return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: '%s' takes one value", r->file, line_of(r), r->path);
    char origin[400];
    origin_of(r, origin);
    return put(r, index, from_file, origin, scalar_of(r), err);
}

/* --- tables ----------------------------------------------------------------------------------------------------- */

static ns_status add_row(reader *r, size_t t, ns_error *err)
{
    const ns_key_table *table = &r->config->tables[t];
    ns_config_rows_of *rows = &r->config->rows[t];
    if (rows->count == table->max_rows)
        return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: more than %zu %s", r->file, line_of(r), table->max_rows,
                       table->name);
    char **origins = ns_realloc(rows->origins, rows->count + 1, sizeof *origins);
    if (origins == NULL)
        return no_memory(r, err);
    rows->origins = origins;
    char **cells = ns_realloc(rows->cells, (rows->count + 1) * table->field_count, sizeof *cells);
    if (cells == NULL)
        return no_memory(r, err);
    rows->cells = cells;
    char origin[400];
    origin_of(r, origin);
    origins[rows->count] = ns_strdup(origin);
    if (origins[rows->count] == NULL)
        return no_memory(r, err);
    for (size_t f = 0; f < table->field_count; f++)
        cells[rows->count * table->field_count + f] = NULL;
    rows->count++;
    return NS_OK;
}

static const char *field_name(const void *names, size_t i)
{
    return ((const ns_key *)names)[i].name;
}

static ns_status find_field(const reader *r, const ns_key_table *table, size_t *field, ns_error *err)
{
    char name[64];
    const bool whole = ns_text_copy(name, sizeof name, scalar_of(r));
    for (*field = 0; whole && *field < table->field_count; *field += 1) {
        if (strcmp(table->fields[*field].name, name) == 0)
            return NS_OK;
    }
    const char *near = ns_nearest_name(name, table->fields, table->field_count, field_name);
    return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: unknown key '%s.%s'%s%s%s", r->file, line_of(r), table->name, name,
                   near == NULL ? "" : "; did you mean '", near == NULL ? "" : near, near == NULL ? "" : "'?");
}

static ns_status read_cell(reader *r, size_t t, char **cell, const ns_key *field, ns_error *err)
{
    if (*cell != NULL)
        return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: '%s' stands there twice", r->file, line_of(r), field->name);
    ns_status status = next(r, err);
    if (status != NS_OK || is_null(r))
        return status;
    if (r->event.type != YAML_SCALAR_EVENT)
        return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: '%s' of %s takes one value", r->file, line_of(r), field->name,
                       r->config->tables[t].name);
    char origin[400];
    origin_of(r, origin);
    ns_config_value checked;
    status = ns_config_check(field, origin, scalar_of(r), &checked, err);
    if (status == NS_OK)
        *cell = checked.text;
    return status;
}

/* One `{name: a, jenkins_job: b}`; its start has been read. */
static ns_status read_row(reader *r, size_t t, ns_error *err)
{
    const ns_key_table *table = &r->config->tables[t];
    ns_status status = add_row(r, t, err);
    if (status != NS_OK)
        return status;
    ns_config_rows_of *rows = &r->config->rows[t];
    char **cells = rows->cells + (rows->count - 1) * table->field_count;
    while ((status = next(r, err)) == NS_OK && r->event.type != YAML_MAPPING_END_EVENT) {
        if (r->event.type != YAML_SCALAR_EVENT)
            return wrong(r, "a key is expected here", err);
        size_t field;
        status = find_field(r, table, &field, err);
        if (status == NS_OK)
            status = read_cell(r, t, &cells[field], &table->fields[field], err);
        if (status != NS_OK)
            return status;
    }
    for (size_t f = 0; status == NS_OK && f < table->field_count; f++) {
        if (strcmp(table->fields[f].name, table->required) == 0 && (cells[f] == NULL || cells[f][0] == '\0'))
            return ns_fail(err, NS_BAD_USAGE, "%.300s: an entry of %s needs '%s'", rows->origins[rows->count - 1],
                           table->name, table->required);
    }
    return status;
}

static ns_status read_table(reader *r, size_t t, ns_error *err)
{
    uint8_t *seen = &r->seen[r->config->key_count + t];
    if (*seen != 0)
        return twice(r, err);
    *seen = 1;
    ns_status status = next(r, err);
    if (status != NS_OK || is_null(r))
        return status;
    if (r->event.type != YAML_SEQUENCE_START_EVENT)
        return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: '%s' takes a list", r->file, line_of(r), r->path);
    while ((status = next(r, err)) == NS_OK && r->event.type != YAML_SEQUENCE_END_EVENT) {
        if (r->event.type != YAML_MAPPING_START_EVENT)
            return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: an entry of '%s' is a mapping ({%s: ...})", r->file,
                           line_of(r), r->path, r->config->tables[t].required);
        status = read_row(r, t, err);
        if (status != NS_OK)
            return status;
    }
    return status;
}

/* --- the walk --------------------------------------------------------------------------------------------------- */

static ns_status read_mapping(reader *r, int depth, ns_error *err);

static ns_status enter_mapping(reader *r, ns_text name, int depth, ns_error *err)
{
    for (size_t i = 0; i < r->mapping_count; i++) {
        if (ns_text_same(r->mappings[i], name))
            return twice(r, err);
    }
    r->mappings[r->mapping_count++] = name;
    ns_status status = next(r, err);
    if (status != NS_OK || is_null(r))
        return status;
    if (r->event.type != YAML_MAPPING_START_EVENT)
        return ns_fail(err, NS_BAD_USAGE, "%.300s:%d: '%s' is a group of keys, not a value", r->file, line_of(r),
                       r->path);
    return read_mapping(r, depth + 1, err);
}

/* The key's name has been read and appended to r->path. */
static ns_status read_entry(reader *r, int depth, ns_error *err)
{
    size_t index;
    bool from_file;
    ns_text name;
    if (find_key(r, &index, &from_file))
        return read_value(r, index, from_file, err);
    for (size_t t = 0; t < r->config->table_count; t++) {
        if (strcmp(r->config->tables[t].name, r->path) == 0)
            return read_table(r, t, err);
    }
    if (is_mapping(r, &name))
        return enter_mapping(r, name, depth, err);
    return unknown_key(r, err);
}

/* The mapping's start has been read; reads up to its end. */
static ns_status read_mapping(reader *r, int depth, ns_error *err)
{
    if (depth > NS_CONFIG_MAX_DEPTH)
        return wrong(r, "nested too deeply", err);
    const size_t base = r->path_len;
    ns_status status;
    while ((status = next(r, err)) == NS_OK && r->event.type != YAML_MAPPING_END_EVENT) {
        if (r->event.type != YAML_SCALAR_EVENT)
            return wrong(r, "a key is expected here", err);
        const ns_text key = scalar_of(r);
        if (key.len == 0 || key.len >= PATH_MAX_BYTES - base - 2)
            return wrong(r, "unknown key", err);
        if (base > 0)
            r->path[r->path_len++] = '.';
        (void)ns_text_copy(r->path + r->path_len, PATH_MAX_BYTES - r->path_len, key);
        for (; r->path[r->path_len] != '\0'; r->path_len++) {
            /* No known key holds such bytes, and the message is to stay one line. */
            if ((unsigned char)r->path[r->path_len] < 0x20)
                r->path[r->path_len] = '?';
        }
        status = read_entry(r, depth, err);
        if (status != NS_OK)
            return status;
        r->path_len = base;
        r->path[base] = '\0';
    }
    return status;
}

/* Stream start, one document with a mapping (or nothing at all), stream end. */
static ns_status read_stream(reader *r, ns_error *err)
{
    ns_status status = next(r, err); /* the stream's start */
    if (status == NS_OK)
        status = next(r, err);
    if (status != NS_OK || r->event.type == YAML_STREAM_END_EVENT)
        return status;
    status = next(r, err); /* after the document's start */
    if (status != NS_OK)
        return status;
    if (r->event.type == YAML_MAPPING_START_EVENT)
        status = read_mapping(r, 1, err);
    else if (!is_null(r))
        status = wrong(r, "the file must hold keys and values (jenkins: {url: ...})", err);
    if (status == NS_OK)
        status = next(r, err); /* the document's end */
    if (status == NS_OK)
        status = next(r, err);
    if (status == NS_OK && r->event.type != YAML_STREAM_END_EVENT)
        status = wrong(r, "only one document is read", err);
    return status;
}

static void find_folder(reader *r)
{
    const char *slash = strrchr(r->file, '/');
    const size_t len = slash == NULL ? 0 : (size_t)(slash - r->file);
    /* "./neuroshield.yaml" lies in the present folder; "/neuroshield.yaml" in the root, whose paths are absolute. */
    const bool here = len == 0 || (len == 1 && r->file[0] == '.');
    r->folder[0] = '\0';
    if (!here)
        (void)ns_text_copy(r->folder, sizeof r->folder, (ns_text){r->file, len});
}

ns_status ns_config_read_yaml(ns_config *config, const char *path, ns_text text, ns_error *err)
{
    if (text.len > NS_CONFIG_MAX_BYTES)
        return ns_fail(err, NS_BAD_USAGE, "%.300s: larger than %zu bytes", path, NS_CONFIG_MAX_BYTES);
    reader r = {.config = config, .file = path};
    find_folder(&r);
    r.seen = NS_NEW_ARRAY(uint8_t, config->key_count + config->table_count + 1);
    size_t groups = 1; /* every dot in a key ends the name of a mapping */
    for (size_t i = 0; i < config->key_count; i++)
        groups += segments(ns_text_of(config->keys[i].name)) - 1;
    r.mappings = NS_NEW_ARRAY(ns_text, groups);
    ns_status status = NS_OK;
    if (r.seen == NULL || r.mappings == NULL || yaml_parser_initialize(&r.parser) == 0) {
        ns_free(r.seen);
        ns_free(r.mappings);
        return no_memory(&r, err);
    }
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.at == NULL ? "" : text.at), text.len);
    status = read_stream(&r, err);
    drop_event(&r);
    yaml_parser_delete(&r.parser);
    ns_free(r.seen);
    ns_free(r.mappings);
    return status;
}
