#include "wire/yaml.h"

#include "wire/json.h"

#include <string.h>
#include <yaml.h>

enum { DEEPEST = 32, MOST_VALUES = 100000 };

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the newest */
    bool event_alive;
    size_t values;
    ns_error *err;
} reader;

static ns_status wrong(reader *r, const char *what)
{
    return ns_fail(r->err, NS_BAD_INPUT, "YAML line %d: %s", (int)r->event.start_mark.line + 1, what);
}

static ns_status no_memory(reader *r)
{
    return ns_fail(r->err, NS_NO_MEMORY, "YAML: no memory for its values");
}

static ns_status next(reader *r)
{
    if (r->event_alive)
        yaml_event_delete(&r->event);
    r->event_alive = yaml_parser_parse(&r->parser, &r->event) != 0;
    if (r->event_alive)
        return NS_OK;
    if (r->parser.error == YAML_MEMORY_ERROR)
        return no_memory(r);
    return ns_fail(r->err, NS_BAD_INPUT, "YAML line %d: %s", (int)r->parser.problem_mark.line + 1,
                   r->parser.problem == NULL ? "cannot be read" : r->parser.problem);
}

static bool has_anchor_or_tag(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL || event->data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL || event->data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL || event->data.mapping_start.tag != NULL;
    default:
        return false;
    }
}

static json_t *scalar(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
            return json_boolean(text[0] == 't');
        if (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0)
            return json_null();
    }
    return json_stringn(text, event->data.scalar.length);
}

static ns_status value(reader *r, int depth, json_t **out);

static ns_status sequence(reader *r, int depth, json_t *into)
{
    for (;;) {
        ns_status status = next(r);
        if (status != NS_OK)
            return status;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            return NS_OK;
        json_t *item = NULL;
        status = value(r, depth, &item);
        if (status != NS_OK)
            return status;
        if (json_array_append_new(into, item) != 0)
            return no_memory(r);
    }
}

static ns_status mapping(reader *r, int depth, json_t *into)
{
    for (;;) {
        ns_status status = next(r);
        if (status != NS_OK)
            return status;
        if (r->event.type == YAML_MAPPING_END_EVENT)
            return NS_OK;
        if (r->event.type != YAML_SCALAR_EVENT || has_anchor_or_tag(&r->event))
            return wrong(r, "a key is no plain text");
        json_t *key = json_stringn((const char *)r->event.data.scalar.value, r->event.data.scalar.length);
        if (key == NULL) /* not UTF-8 cannot be: libyaml checks that */
            return no_memory(r);
        json_t *item = NULL;
        if (strlen(json_string_value(key)) != json_string_length(key) ||
            json_object_get(into, json_string_value(key)) != NULL)
            status = wrong(r, "a key stands there twice, or holds a NUL");
        if (status == NS_OK)
            status = next(r);
        if (status == NS_OK)
            status = value(r, depth, &item);
        if (status == NS_OK && json_object_set_new(into, json_string_value(key), item) != 0)
            status = no_memory(r);
        json_decref(key);
        if (status != NS_OK)
            return status;
    }
}

/* The value that begins with the present event. */
static ns_status value(reader *r, int depth, json_t **out)
{
    if (has_anchor_or_tag(&r->event) || r->event.type == YAML_ALIAS_EVENT)
        return wrong(r, "anchors, aliases and tags are not read");
    if (depth > DEEPEST || ++r->values > MOST_VALUES)
        return wrong(r, "nested too deeply, or too many values");
    yaml_event_type_t type = r->event.type;
    if (type != YAML_SCALAR_EVENT && type != YAML_SEQUENCE_START_EVENT && type != YAML_MAPPING_START_EVENT)
        return wrong(r, "a value is missing");
    json_t *made = type == YAML_SCALAR_EVENT           ? scalar(&r->event)
                   : type == YAML_SEQUENCE_START_EVENT ? json_array()
                                                       : json_object();
    if (made == NULL)
        return no_memory(r);
    ns_status status = NS_OK;
    if (type == YAML_SEQUENCE_START_EVENT)
        status = sequence(r, depth + 1, made);
    else if (type == YAML_MAPPING_START_EVENT)
        status = mapping(r, depth + 1, made);
    if (status != NS_OK) {
        json_decref(made);
        return status;
    }
    *out = made;
    return NS_OK;
}

static ns_status document(reader *r, json_t **out)
{
    json_t *root = NULL;
    ns_status status = next(r); /* the stream begins */
    if (status == NS_OK)
        status = next(r);
    if (status == NS_OK && r->event.type != YAML_DOCUMENT_START_EVENT)
        return ns_fail(r->err, NS_BAD_INPUT, "YAML: nothing there");
    if (status == NS_OK)
        status = next(r);
    if (status == NS_OK)
        status = value(r, 0, &root);
    if (status == NS_OK)
        status = next(r); /* the document's end */
    if (status == NS_OK)
        status = next(r);
    if (status == NS_OK && r->event.type != YAML_STREAM_END_EVENT)
        status = wrong(r, "more than one document");
    if (status == NS_OK)
        *out = root;
    else
        json_decref(root);
    return status;
}

ns_status ns_yaml_read(ns_text text, json_t **out, ns_error *err)
{
    reader r = {.err = err};
    if (text.len == 0)
        return ns_fail(err, NS_BAD_INPUT, "YAML: nothing there");
    if (yaml_parser_initialize(&r.parser) == 0)
        return no_memory(&r);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.at, text.len);
    ns_status status = document(&r, out);
    if (r.event_alive)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return status;
}
